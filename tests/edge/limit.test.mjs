// Limits of one edge with two workers: whom they count for, what they cost, what is given back, and what is said of them. Rates are so slow that nothing
// comes back while a test runs, where it is not about that.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { newSessionKey, session } from '../lib/jose.mjs';
import { newPlace } from '../lib/place.mjs';
import { waitFor } from '../lib/wait.mjs';
import { loadLines, newAddress, newKey, problemPage, rateLimit, said, sequence, tally } from './limit.mjs';
import { probePath, reloadEdge, snapshot, startEdge, startOrigin, tenant } from './support.mjs';

const place = newPlace();
const ours = newSessionKey();
const forged = { ...newSessionKey(), id: ours.id };
let origin;
let edge;

const policies = `
    bell_limit_policy address rate=5/h burst=4 by=address jitter=0;
    bell_limit_policy net rate=2/h burst=1 by=address ipv6=/48;
    bell_limit_policy route rate=2/h burst=1 by=address,route;
    bell_limit_policy three rate=3/h burst=2 key=$http_x_key jitter=0;
    bell_limit_policy ten rate=10/h burst=9 key=$http_x_key cost=$arg_cost;
    bell_limit_policy upload rate=10/h burst=9 key=$http_x_key cost=4;
    bell_limit_policy capacity rate=1/h key=$http_x_key status=503 jitter=10m;
    bell_limit_policy subject rate=2/h burst=1 by=subject;
    bell_limit_policy role rate=2/h burst=1 by=role key=$http_x_key;
    bell_limit_policy class rate=2/h burst=1 by=class key=$http_x_key;
    bell_limit_policy tenant rate=3/h burst=2 by=tenant;
    bell_limit_policy quick rate=100/s key=$http_x_key;`;

const http = () => `upstream origin { server unix:${place.path('sock/origin.sock')}; }
    set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;
    large_client_header_buffers 4 32k;
    bell_session_keys ${place.path('sessions.pem')};
    bell_session_cache zone=sessions:1m;
    bell_cache_zone zone=kept:8m;
    bell_limit_zone zone=limits:1m;
    log_format who '$uri [$bell_limit_status] [$bell_limit_policy] [$bell_reason]';
    ${policies}`;

const locations = {
    '/address': 'bell_limit address;',
    '/net': 'bell_limit net;',
    '/route/a': 'bell_limit route;',
    '/route/b': 'bell_limit route;',
    '/three': 'bell_limit three; bell_limit_headers on;',
    '/silent': 'bell_limit three;',
    '/ten': 'bell_limit ten; bell_limit_headers on;',
    '/upload': 'bell_limit upload;',
    '/both': 'bell_limit ten three; bell_limit_headers on;',
    '/address-and-three': 'bell_limit three address;',
    '/capacity': 'bell_limit capacity;',
    '/dry': 'bell_limit three dry_run; bell_limit ten; bell_limit_headers on;',
    '/subject': 'bell_session on; bell_limit subject;',
    '/flood': 'bell_session required; bell_limit address subject;',
    '/role': 'probe_identify ann; bell_limit role;',
    '/class': 'probe_identify ann; bell_limit class;',
    '/tenant': 'bell_limit tenant;',
    '/quick': 'bell_limit quick;',
    '/friends': 'bell_limit three; bell_limit_allow 203.0.113.0/24 2001:db8:f::/48 $http_x_friend; bell_limit_headers on;',
    '/nobody': 'bell_limit three; bell_limit_allow off;',
    '/none': 'bell_limit off;',
    '/kept': 'bell_cache kept; bell_limit ten; bell_limit_headers on;',
};

const server = () => `
    ${said}
    ${problemPage}
    bell_limit three;
    access_log ${place.path('log/access.log')} who;
    ${Object.entries(locations).map(([name, body]) => `location ${name} { ${body} proxy_pass http://origin; }`).join('\n')}
    location /inherits { proxy_pass http://origin; }
    location /moved { proxy_pass http://origin/gone; proxy_intercept_errors on; error_page 404 /elsewhere; }
    location /elsewhere { internal; bell_limit ten three; bell_limit_headers on; proxy_pass http://origin; }
    location /page { bell_limit three; error_page 429 /its-page; proxy_pass http://origin; }
    location /its-page { internal; bell_limit three ten; proxy_pass http://origin; }
    location /added { bell_limit ten; bell_limit_headers on; addition_types *; add_after_body /ten-part; proxy_pass http://origin; }
    location /ten-part { bell_limit ten three; bell_limit_headers on; proxy_pass http://origin; }
    location /figures { bell_limit off; bell_status json; }
    location /who { bell_limit off; bell_limit_status 5; }
    location /who-else { bell_limit off; bell_limit_status 256; }`;

const tenants = [tenant(1, 'north', ['north.example']), tenant(2, 'south', ['south.example'])];

before(async () => {
    origin = await startOrigin(place.path('sock/origin.sock'), (request, response, seen) => {
        if (seen.url.startsWith('/gone')) response.writeHead(404).end('gone');
        else if (seen.url.startsWith('/kept')) response.writeHead(200, { 'cache-control': 'max-age=60' }).end('kept');
        else if (/^\/(added|ten-part)/.test(seen.url)) response.end(`<${seen.url}>`);
        else return false;
        return true;
    });
    place.write('sessions.pem', ours.pem);
    const load = `${loadLines('core', 'session', 'cache', 'limit', 'status')}\nload_module ${probePath(place)};`;
    edge = await startEdge(place, { load, server: server(), http: http(), bytes: snapshot(1, tenants) });
});
after(async () => {
    await origin?.close();
    await place.stop();
});

/** A function that asks for a path with that key, address, session or other headers, again and again. */
function asks(path, { key, address, token, host = 'north.example', headers = {} } = {}) {
    const all = { ...headers, 'x-real-ip': address ?? newAddress() };
    if (key !== undefined) all['x-key'] = key;
    if (token) all.cookie = `__Host-bell_session=${token}`;
    return () => edge.ask(host, path, { headers: all });
}

async function counted(policy) {
    const { json } = await edge.ask('north.example', '/figures');
    const samples = json.firstbell_limit_requests_total.samples.filter(({ labels }) => labels.policy === policy);
    return Object.fromEntries(samples.map(({ labels, value }) => [labels.result, value]));
}

// ---- how many

test('of many at the same time, over both workers, exactly as many pass as may', async () => {
    const key = newKey();
    assert.deepEqual(await tally(60, asks('/ten', { key })), { 200: 10, 429: 50 });
    const workers = new Set();
    await waitFor('both workers to refuse it', async () => {
        const reply = await asks('/ten', { key })();
        assert.equal(reply.status, 429);
        return workers.add(reply.headers.worker).size === 2;
    });
});

test('what was used comes back in time', async () => {
    const request = asks('/quick', { key: newKey() });
    await waitFor('one to be refused', async () => (await tally(8, request))[429] > 0);
    await waitFor('one to pass again', async () => (await request()).status === 200);
});

test('a request costs what the policy says, a number or a text', async () => {
    assert.deepEqual(await sequence(4, asks('/upload', { key: newKey() })), [200, 200, 429, 429]);
    const key = newKey();
    assert.deepEqual(await sequence(2, asks('/ten?cost=7', { key })), [200, 429]);
    assert.deepEqual(await sequence(4, asks('/ten?cost=1', { key })), [200, 200, 200, 429]);
});

test('one that costs nothing only looks; one that costs more than there ever is takes all', async () => {
    const key = newKey();
    const free = await asks('/ten?cost=0', { key })();
    assert.deepEqual([free.status, rateLimit(free).now], [200, [{ name: 'ten', r: 10 }]]);
    assert.deepEqual(await sequence(2, asks('/ten?cost=99999999999999999999999', { key: newKey() })), [200, 200], 'no number: it counts as 1');
    assert.equal((await asks('/ten?cost=5000', { key })()).status, 200);
    assert.equal((await asks('/ten?cost=1', { key })()).status, 429);
    assert.equal((await asks('/ten?cost=0', { key })()).status, 200);
});

test('a cost that is no number is one, and the log says so', async () => {
    const key = newKey();
    assert.equal(rateLimit(await asks('/ten?cost=x', { key })()).now[0].r, 9);
    assert.equal(rateLimit(await asks('/ten?cost=-3', { key })()).now[0].r, 8);
    assert.match(edge.log(), /\[warn\].*bell_limit: what a request costs by policy "ten" is no number and counts as 1/);
});

// ---- for whom

test('districts, keys and policies do not meet', async () => {
    const key = newKey();
    assert.deepEqual(await sequence(4, asks('/three', { key })), [200, 200, 200, 429]);
    assert.equal((await asks('/three', { key, host: 'south.example' })()).status, 200);
    assert.equal((await asks('/three', { key: newKey() })()).status, 200);
    assert.equal((await asks('/upload', { key })()).status, 200);
});

test('a district has its own', async () => {
    assert.deepEqual(await sequence(4, asks('/tenant')), [200, 200, 200, 429]);
    assert.equal((await asks('/tenant', { host: 'south.example' })()).status, 200);
});

test('an address has its own; those of one IPv6 network are one', async () => {
    const address = newAddress();
    assert.deepEqual(await sequence(6, asks('/address', { address })), [200, 200, 200, 200, 200, 429]);
    assert.equal((await asks('/address')()).status, 200);
    assert.equal((await asks('/address', { address: `::ffff:${address}` })()).status, 429);
    const v6 = [];
    for (let i = 1; i <= 6; i++) v6.push((await asks('/address', { address: `2001:db8:1:1::${i}` })()).status);
    assert.deepEqual(v6, [200, 200, 200, 200, 200, 429]);
    assert.equal((await asks('/address', { address: '2001:db8:1:2::1' })()).status, 200);
});

test('how large such a network is can be said', async () => {
    const seen = [];
    for (const third of ['a', 'b', 'c']) seen.push((await asks('/net', { address: `2001:db8:2:${third}::1` })()).status);
    assert.deepEqual(seen, [200, 200, 429]);
    assert.equal((await asks('/net', { address: '2001:db8:3:a::1' })()).status, 200);
});

test('a route has its own', async () => {
    const address = newAddress();
    assert.deepEqual(await sequence(3, asks('/route/a', { address })), [200, 200, 429]);
    assert.equal((await asks('/route/b', { address })()).status, 200);
});

test('a subject that has been verified has its own, from whatever address; nobody is not limited', async () => {
    const ann = session(ours, { sub: '11' });
    const seen = [];
    for (let i = 0; i < 3; i++) seen.push((await asks('/subject', { token: i < 2 ? ann : session(ours, { sub: '11' }) })()).status);
    assert.deepEqual(seen, [200, 200, 429]);
    assert.equal((await asks('/subject', { token: session(ours, { sub: '12' }) })()).status, 200);
    assert.equal((await asks('/subject', { token: session(forged, { sub: '11' }) })()).status, 200, 'not verified: nobody');
    assert.deepEqual(await tally(8, asks('/subject')), { 200: 8 });
});

test('so have roles and classes', async () => {
    for (const path of ['/role', '/class']) {
        assert.deepEqual(await sequence(3, asks(path, { key: newKey() })), [200, 200, 429]);
        assert.equal((await asks(path, { key: newKey() })()).status, 200);
    }
});

test('an address is limited before its tokens are looked at', async () => {
    const address = newAddress();
    const request = asks('/flood', { address, token: session(forged) });
    assert.deepEqual(await sequence(7, request), [401, 401, 401, 401, 401, 429, 429]);
});

test('keys of 8 kB are keys; an empty one is not limited', async () => {
    const long = 'x'.repeat(8192);
    assert.deepEqual(await sequence(4, asks('/three', { key: `${long}a` })), [200, 200, 200, 429]);
    assert.equal((await asks('/three', { key: `${long}b` })()).status, 200);
    for (const key of [undefined, '']) assert.deepEqual(await tally(6, asks('/three', { key })), { 200: 6 });
    const reply = await asks('/three')();
    assert.deepEqual([rateLimit(reply), reply.headers.limit], [undefined, undefined]);
});

// ---- once, and given back

test('what a later limit refuses is given back by earlier ones, that of the address too', async () => {
    const key = newKey();
    assert.deepEqual(await tally(20, asks('/both', { key })), { 200: 3, 429: 17 });
    assert.equal(rateLimit(await asks('/ten?cost=0', { key })()).now[0].r, 7);
    const [address, other] = [newAddress(), newKey()];
    assert.deepEqual(await tally(20, asks('/address-and-three', { address, key: other })), { 200: 3, 429: 17 });
    assert.deepEqual(await sequence(3, asks('/address', { address })), [200, 200, 429]);
});

test('what was given back shows in the fields', async () => {
    const request = asks('/both', { key: newKey() });
    await sequence(3, request);
    const { now } = rateLimit(await request());
    assert.deepEqual(now.map(({ name, r }) => [name, r]), [['ten', 7], ['three', 0]]);
});

test('an internal redirect is charged once, and for what it has not passed yet', async () => {
    const reply = await asks('/moved', { key: newKey() })();
    assert.deepEqual([reply.status, reply.json.url], [404, '/elsewhere']);
    assert.deepEqual(rateLimit(reply).now.map(({ name, r }) => [name, r]), [['three', 2], ['ten', 9]]);
});

test('a subrequest is not charged', async () => {
    const reply = await asks('/added', { key: newKey() })();
    assert.equal(reply.status, 200);
    assert.equal(reply.text, '</added></ten-part>');
    assert.deepEqual(rateLimit(reply).now.map(({ name, r }) => [name, r]), [['ten', 9]]);
});

test('the page of a refusal may have limits itself: it is shown, and charged to nobody', async () => {
    const key = newKey();
    assert.deepEqual(await sequence(4, asks('/page', { key })), [200, 200, 200, 429]);
    const reply = await asks('/page', { key })();
    assert.deepEqual([reply.status, reply.json.url], [429, '/its-page']);
    assert.equal(rateLimit(await asks('/ten?cost=0', { key })()).now[0].r, 10);
});

// ---- what is said

test('a refusal is a problem that names the policy, with the time to come back', async () => {
    const key = newKey();
    const request = asks('/three', { key });
    await sequence(3, request);
    const { status, headers, json } = await request();
    assert.equal(status, 429);
    assert.equal(headers['content-type'], 'application/problem+json');
    assert.equal(json.type, 'https://iana.org/assignments/http-problem-types#quota-exceeded');
    assert.deepEqual([json.status, json['violated-policies']], [429, ['three']]);
    assert.match(json.request_id, /^[0-9a-f]{32}$/);
    const retry = Number(headers['retry-after']);
    assert.ok(retry > 1100 && retry <= 1200, `one each 1200 s: ${retry}`);
    assert.deepEqual([headers.limit, headers['limit-policy']], ['refused', 'three']);
    assert.match(headers.reason, /^limit "three" is used up: the next one is let in in \d+ ms$/);
    await waitFor('the access log', () => /\[refused\] \[three\] \[limit \\x22three\\x22 is used up/.test(place.read('log/access.log')));
});

test('where capacity is what lacks it is 503, and those who are refused together do not come back together', async () => {
    const request = asks('/capacity', { key: newKey() });
    assert.equal((await request()).status, 200);
    const replies = await Promise.all(Array.from({ length: 20 }, request));
    for (const { status, json } of replies) {
        assert.equal(status, 503);
        assert.equal(json.type, 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity');
    }
    const times = replies.map(({ headers }) => Number(headers['retry-after']));
    assert.ok(Math.min(...times) >= 3500 && Math.max(...times) <= 4200, times.join(' '));
    assert.ok(new Set(times).size > 1, times.join(' '));
});

test('RateLimit and RateLimit-Policy say what there is, where they are asked for', async () => {
    const key = newKey();
    const first = await asks('/both', { key })();
    assert.deepEqual(rateLimit(first).policy, [{ name: 'ten', q: 10, w: 3600 }, { name: 'three', q: 3, w: 3600 }]);
    const { now } = rateLimit(first);
    assert.deepEqual(now.map(({ name, r }) => [name, r]), [['ten', 9], ['three', 2]]);
    assert.ok(now[0].t >= 1 && now[0].t <= 360 && now[1].t <= 1200, JSON.stringify(now));
    assert.equal(rateLimit(await asks('/silent', { key })()), undefined);
});

test('a stored answer has the fields of who gets it, not of who had it fetched', async () => {
    const request = asks('/kept/a', { key: newKey() });
    let remaining = 10;
    await waitFor('a stored answer', async () => {
        const reply = await request();
        assert.deepEqual(rateLimit(reply).now.map(({ name, r }) => [name, r]), [['ten', --remaining]]);
        return remaining < 9 && /\bhit\b/.test(reply.headers['cache-status']);
    });
    assert.equal(rateLimit(await asks('/kept/a')()), undefined, 'no key, no limit, no fields');
});

test('a dry run counts and says, and refuses nothing', async () => {
    const key = newKey();
    const before_ = await counted('three');
    const request = asks('/dry', { key });
    const replies = [];
    for (let i = 0; i < 5; i++) replies.push(await request());
    assert.deepEqual(replies.map(({ status, headers }) => [status, headers.limit]), [...Array(3).fill([200, 'passed']), ...Array(2).fill([200, 'dry_run'])]);
    assert.equal(replies[4].headers['limit-policy'], 'three');
    assert.equal(replies[4].headers.reason, undefined);
    assert.deepEqual(rateLimit(replies[4]).now.map(({ name, r }) => [name, r]), [['ten', 5]], 'what only looks is not told');
    assert.match(edge.log(), /\[info\].*bell_limit: policy "three" would refuse this request, and only looks here/);
    const after_ = await counted('three');
    assert.deepEqual([after_.passed - before_.passed, after_.dry_run - before_.dry_run, after_.refused - before_.refused], [3, 2, 0]);
});

test('who is allowed is never limited: addresses, networks, whom a variable names', async () => {
    const key = newKey();
    for (const address of ['203.0.113.77', '2001:db8:f::1']) assert.deepEqual(await tally(8, asks('/friends', { key, address })), { 200: 8 });
    const friend = asks('/friends', { key, headers: { 'x-friend': '1' } });
    assert.deepEqual(await tally(8, friend), { 200: 8 });
    const reply = await friend();
    assert.deepEqual([reply.headers.limit, rateLimit(reply)], ['allowed', undefined]);
    assert.deepEqual(await sequence(4, asks('/friends', { key, headers: { 'x-friend': '0' } })), [200, 200, 200, 429]);
    assert.deepEqual(await sequence(4, asks('/nobody', { key: newKey(), address: '203.0.113.77' })), [200, 200, 200, 429]);
});

test('a location has the limits of its server unless it names its own', async () => {
    assert.deepEqual(await sequence(4, asks('/inherits', { key: newKey() })), [200, 200, 200, 429]);
    assert.deepEqual(await tally(8, asks('/none', { key: newKey() })), { 200: 8 });
});

test('each policy is counted, by what it answered', async () => {
    const before_ = await counted('upload');
    await sequence(4, asks('/upload', { key: newKey() }));
    const after_ = await counted('upload');
    assert.deepEqual([after_.passed - before_.passed, after_.refused - before_.refused], [2, 2]);
    assert.deepEqual(Object.keys(after_).sort(), ['allowed', 'dry_run', 'passed', 'refused']);
});

test('operators see who is near a limit, who has used most first', async () => {
    const request = asks('/upload', { key: 'greedy "ann"' });
    await sequence(6, request);
    const { json, headers } = await edge.ask('north.example', '/who');
    assert.equal(headers['cache-control'], 'no-store');
    assert.ok(json.near.length <= 5);
    const used = json.near.map(({ used_percent }) => used_percent);
    assert.deepEqual(used, [...used].sort((a, b) => b - a));
    const all = (await edge.ask('north.example', '/who-else')).json.near;
    const greedy = all.find(({ key }) => key === 'key greedy "ann"');
    assert.deepEqual([greedy.policy, greedy.tenant_id, greedy.used_percent, greedy.remaining, greedy.refused], ['upload', 1, 80, 2, 4]);
    assert.ok(greedy.reset_s > 2800 && greedy.reset_s <= 2880, greedy.reset_s);
    const { name, quota, window_s, refused } = json.policies.find((policy) => policy.name === 'upload');
    assert.deepEqual([name, quota, window_s], ['upload', 10, 3600]);
    assert.ok(refused >= 4);
    assert.equal((await edge.ask('north.example', '/who', { method: 'POST' })).status, 405);
});

// ---- while it is in use: the last, because the edge is another one behind it

test('a reload keeps what was used, with policies in another order and a rule that is another', async () => {
    const [key, other] = [newKey(), newKey()];
    assert.deepEqual(await sequence(4, asks('/three', { key })), [200, 200, 200, 429]);
    await sequence(2, asks('/upload', { key: other }));
    const before_ = await counted('upload');
    const conf = readFileSync(edge.file, 'utf8');
    const reversed = policies.match(/ *bell_limit_policy .*\n?/g).reverse().join('');
    writeFileSync(edge.file, conf.replace(policies, `bell_limit_policy another rate=1/s by=tenant;\n${reversed}`.replace('three rate=3/h burst=2', 'three rate=3/h burst=4')));
    await reloadEdge(edge);
    assert.deepEqual(await sequence(3, asks('/three', { key })), [200, 200, 429], 'three of five were used');
    assert.equal((await asks('/upload', { key: other })()).status, 429);
    const after_ = await counted('upload');
    assert.deepEqual([after_.passed, after_.refused], [before_.passed, before_.refused + 1]);
    assert.deepEqual((await counted('another')).passed, 0);
});
