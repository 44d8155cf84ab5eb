// bell_cache: what is stored and what is not, and what is answered from it: hits, methods, conditions, ranges, variants.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';

import { freePort, newPlace } from '../lib/place.mjs';
import { testNginx } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { startCacheOrigin } from './cache-origin.mjs';
import { Visitor, over } from './cache-visitors.mjs';
import { at, cacheHttp, cacheStatus, control, fresh, loadCache, outcome, stale, startCacheEdge, store as storeAt } from './cache.mjs';
import { lines, nginxConf, pinToWorkers } from './support.mjs';

const place = newPlace();
place.expect(/\[emerg\]/); // what is refused at the start
let origin;
let edge;

const server = () => `
    access_log ${place.path('log/access.log')} words;
    location / { proxy_pass http://origin; }
    location /off/ { bell_cache off; proxy_pass http://origin; }
    location /bypass/ { bell_cache_bypass $http_x_bypass $cookie_preview; proxy_pass http://origin; }
    location /query/ { bell_cache_query drop=utm_* drop=fbclid sort; proxy_pass http://origin; }
    location /keep/ { bell_cache_query keep=page; proxy_pass http://origin; }
    location /ttl/ { bell_cache_default_ttl 1m; proxy_pass http://origin; }
    location /guess/ { bell_cache_heuristic_max 1h; proxy_pass http://origin; }
    location /cookies/ { bell_cache_set_cookie on; proxy_pass http://origin; }
    location /named/ { bell_cache_name "the edge of north"; proxy_pass http://origin; }
    location /gzip/ { gzip on; gzip_min_length 1; gzip_proxied any; gzip_types text/plain; proxy_pass http://origin; }
    location /moved/ { rewrite ^/moved(/.*)$ /target$1 last; }
    location /target/ { internal; proxy_pass http://origin; }
    location ~ ^/regex/(.+)$ { proxy_pass http://origin/of-regex/$1; }`;

before(async () => {
    origin = await startCacheOrigin();
    const http = "log_format words '$request_uri $bell_cache_status';";
    edge = await startCacheEdge(place, origin, { server: server(), http, zone: 'zone=main:16m largest=256k' });
});

after(async () => {
    await origin?.close();
    await place.stop();
});

const get = (path, headers = {}, options = {}) => edge.ask('north.example', path, { headers, ...options });
const later = { headers: fresh, body: 'new' };

const store = (path, answer) => storeAt(edge, origin, path, answer);

// ---- hits and misses

test('a miss is stored, and answered by both workers from then on; age and what is left of the lifetime are said', async () => {
    origin.script('/', { headers: control('no-store') }); // which worker it is
    origin.script('/page', { headers: control('max-age=60', { 'content-type': 'text/plain', 'x-of-origin': 'yes', etag: '"p"', date: at(-5) }), body: 'the page' });
    const first = await get('/page');
    assert.deepEqual([first.status, first.text], [200, 'the page']);
    const { cache, fwd, stored, hit, 'fwd-status': status } = cacheStatus(first);
    assert.deepEqual({ cache, fwd, stored, hit, status }, { cache: 'firstbell', fwd: 'uri-miss', stored: true, hit: undefined, status: 200 });
    const pins = await pinToWorkers(edge.port, 2, 'north.example');
    for (const pin of pins) {
        const reply = await pin.ask('north.example', '/page');
        assert.deepEqual([reply.status, reply.text, outcome(reply)], [200, 'the page', 'hit']);
        for (const name of ['content-type', 'x-of-origin', 'etag', 'date', 'cache-control', 'content-length']) {
            assert.equal(reply.headers[name], first.headers[name], name);
        }
        assert.match(reply.headers.age, /^\d+$/);
        assert.ok(Number(reply.headers.age) >= 5, 'its Date was 5 s ago');
        assert.equal(Number(reply.headers.age) + cacheStatus(reply).ttl, 60);
        pin.close();
    }
    assert.equal(origin.count('/page'), 1);
});

test('the age that an answer comes with counts', async () => {
    const reply = await store('/aged', { headers: control('max-age=60', { age: '30' }) });
    assert.ok(Number(reply.headers.age) >= 30);
    assert.equal(Number(reply.headers.age) + cacheStatus(reply).ttl, 60);
});

test('the origin is asked for the whole, without conditions, with the host and the fields of the client', async () => {
    origin.script('/asked', { headers: fresh, body: '0123456789' });
    await get('/asked?a=%20b', { range: 'bytes=0-1', 'if-none-match': '"x"', 'if-modified-since': at(-1000), 'x-mine': 'yes', 'accept-language': 'de' });
    const [{ method, target, headers }] = origin.asked('/asked');
    assert.deepEqual([method, target, headers.host, headers['x-mine'], headers['accept-language']], ['GET', '/asked?a=%20b', 'north.example', 'yes', 'de']);
    for (const name of ['range', 'if-none-match', 'if-modified-since']) assert.equal(headers[name], undefined, name);
});

test('fields of one connection are not stored, and what is meant for caches is shown to nobody', async () => {
    const hidden = { 'cdn-cache-control': 'max-age=60', 'cache-scope': 'public', 'cache-tag': 'unit-1', 'surrogate-key': 'unit-1 page', 'surrogate-control': 'max-age=60' };
    const reply = await store('/hidden', { headers: { ...hidden, connection: 'keep-alive, X-Hop', 'x-hop': 'one', 'keep-alive': 'timeout=5' } });
    assert.deepEqual([reply.headers['x-hop'], reply.headers['keep-alive']], [undefined, undefined]);
    origin.script('/hidden', { headers: { ...hidden, 'cache-control': 'max-age=60' } });
    for (const shown of [reply, await get('/hidden?miss'), await get('/hidden?miss')]) {
        for (const name of Object.keys(hidden)) assert.equal(shown.headers[name], undefined, name);
    }
});

test('what caches nearer to the origin say stands before what this one says', async () => {
    const reply = await store('/chain', { headers: { ...fresh, 'cache-status': 'shield; hit; ttl=90' } });
    assert.match(reply.headers['cache-status'], /^shield; ?hit; ?ttl=90, ?firstbell; ?hit/);
});

test('where it is off, nothing is stored and nothing said', async () => {
    origin.script('/off/a', { headers: fresh });
    await get('/off/a');
    assert.equal((await get('/off/a')).headers['cache-status'], undefined);
    assert.equal(origin.count('/off/a'), 2);
});

for (const [name, size, length] of [['nothing', 0], ['a byte', 1], ['4 KiB', 4096], ['64 KiB', 65536], ['200 KB', 200_000], ['64 KiB in chunks', 65536, 'chunked'],
    ['64 KiB that end with the connection', 65536, 'none'], ['nothing in chunks', 0, 'chunked']]) {
    test(`a body of ${name} is the same from the store`, async () => {
        const body = Array.from({ length: size }, (_, i) => String.fromCharCode(97 + ((i * 7 + (i >> 8)) % 26))).join('');
        const path = `/size/${size}-${length}`;
        origin.script(path, { headers: fresh, body, length });
        assert.equal((await get(path)).text, body);
        const reply = await get(path);
        assert.equal(outcome(reply), 'hit');
        assert.ok(reply.text === body, 'the same bytes');
        assert.equal(reply.headers['content-length'], String(size));
        assert.equal(origin.count(path), 1);
    });
}

for (const length of ['exact', 'chunked']) {
    test(`a body greater than the largest of the zone (${length}) passes whole, and is not stored`, async () => {
        const path = `/large/${length}`;
        origin.script(path, (asked, count) => ({ headers: fresh, body: String(count).repeat(300_000), length }));
        assert.ok((await get(path)).text === '1'.repeat(300_000));
        assert.ok((await get(path)).text === '2'.repeat(300_000));
    });
}

test('it is of use behind a rewrite, in a location with a pattern, and with gzip', async () => {
    origin.script('/target/a', { headers: fresh, body: 'moved' });
    assert.equal((await get('/moved/a')).text, 'moved');
    assert.deepEqual([(await get('/moved/a')).text, origin.count('/target/a')], ['moved', 1]);
    origin.script('/of-regex/a', { headers: fresh, body: 'regex' });
    assert.equal((await get('/regex/a')).text, 'regex');
    assert.deepEqual([(await get('/regex/a')).text, origin.count('/of-regex/a')], ['regex', 1]);
    origin.script('/gzip/a', { headers: { ...fresh, 'content-type': 'text/plain' }, body: 'packed '.repeat(50) });
    for (let i = 0; i < 2; i++) {
        const visitor = await Visitor.open(edge.port);
        const [reply] = await over([visitor.ask('/gzip/a', { headers: { 'accept-encoding': 'gzip' } })]);
        assert.equal(gunzipSync(Buffer.from(reply.body, 'latin1')).toString(), 'packed '.repeat(50));
        visitor.leave();
    }
    assert.equal((await get('/gzip/a')).text, 'packed '.repeat(50));
    assert.equal(origin.count('/gzip/a'), 1);
});

test('the variable for the log has one word for each way', async () => {
    origin.script('/bypass/word', { headers: stale('stale-while-revalidate=600') }, later);
    for (const headers of [{}, {}, { 'x-bypass': '1' }]) await get('/bypass/word', headers);
    await get('/bypass/word', {}, { method: 'POST' });
    origin.script('/off/word', { headers: fresh });
    await get('/off/word');
    origin.script('/validated', { headers: stale() }, { status: 304, headers: control('max-age=60', { etag: '"1"' }) });
    for (let i = 0; i < 3; i++) await get('/validated');
    // a line is written behind its answer: two workers may write theirs in another order
    const words = (path) => lines(place.read('log/access.log'), new RegExp(`^${path} `)).map((line) => line.split(' ')[1]).sort();
    await waitFor('the lines of the log', () => words('/validated').length === 3 && words('/bypass/word').length === 4 && words('/off/word').length === 1);
    assert.deepEqual(words('/bypass/word'), ['bypass', 'method', 'miss', 'stale']);
    assert.deepEqual(words('/validated'), ['hit', 'miss', 'revalidated']);
    assert.deepEqual(words('/off/word'), ['-']);
});

test('what was done with requests is counted', async () => {
    const figures = async () => {
        const { json } = await get('/figures');
        const counted = Object.fromEntries(json.firstbell_cache_requests_total.samples.map(({ labels, value }) => [labels.result, value]));
        const zone = (name) => json[`firstbell_cache_${name}`].samples.find(({ labels }) => labels.zone === 'main').value;
        return { ...counted, fetches: json.firstbell_cache_fetches_total.samples[0].value, objects: zone('objects'), bytes: zone('bytes') };
    };
    origin.script('/bypass/counted', (asked, count) => (count === 1 ? { headers: stale('stale-while-revalidate=600') } : { ...later, held: count === 2 }));
    const was = await figures();
    for (let i = 0; i < 3; i++) await get('/bypass/counted');
    await origin.arrived('/bypass/counted', 2); // the refresh, which stays away
    await get('/bypass/counted', { 'x-bypass': '1' });
    await get('/bypass/counted', {}, { method: 'PUT' });
    const is = await figures();
    const grown = Object.fromEntries(Object.keys(is).map((name) => [name, is[name] - was[name]]));
    assert.deepEqual([grown.miss, grown.stale, grown.bypass, grown.method, grown.hit, grown.fetches], [1, 2, 1, 1, 0, 2]);
    assert.ok(is.objects > 0 && is.bytes > 0);
});

test('the name in Cache-Status is the operator’s', async () => {
    const reply = await store('/named/a', { headers: fresh });
    assert.equal(cacheStatus(reply).cache, '"the edge of north"');
});

// ---- what is stored

const isStored = [
    ['max-age', { headers: fresh }],
    ['s-maxage above max-age', { headers: control('max-age=0, s-maxage=60') }],
    ['Expires', { headers: { expires: at(3600) } }],
    ['CDN-Cache-Control above no-store', { headers: control('no-store', { 'cdn-cache-control': 'max-age=60' }) }],
    ['404 with a lifetime', { status: 404, headers: fresh }],
    ['301 with a lifetime', { status: 301, headers: { ...fresh, location: '/elsewhere' } }],
    ['410 with a lifetime', { status: 410, headers: fresh }],
    ['204 with a lifetime', { status: 204, headers: fresh }],
    ['the lifetime of the operator', { headers: {} }, '/ttl/a'],
    ['a guess from Last-Modified', { headers: { 'last-modified': at(-86_400) } }, '/guess/a'],
    ['Set-Cookie where the operator allows it', { headers: { ...fresh, 'set-cookie': 'theme=dark' } }, '/cookies/a'],
    ['an empty Cache-Control beside Expires', { headers: { expires: at(3600), 'cache-control': '' } }],
];

for (const [i, [name, answer, path = `/stored/${i}`]] of isStored.entries()) {
    test(`stored: ${name}`, async () => {
        const reply = await store(path, { body: 'stored', ...answer });
        assert.deepEqual([reply.status, origin.count(path)], [answer.status ?? 200, 1]);
        if (answer.status !== 204) assert.equal(reply.text, 'stored');
        if (path.startsWith('/cookies/')) assert.deepEqual(reply.headers['set-cookie'], ['theme=dark']);
    });
}

const isNotStored = [
    ['nothing is said', {}],
    ['no-store', control('max-age=60, no-store')],
    ['private', control('private, max-age=60')],
    ['Set-Cookie', { ...fresh, 'set-cookie': 'session=1' }],
    ['Vary: *', { ...fresh, vary: '*' }],
    ['Vary with * among others', { ...fresh, vary: 'Accept, *' }],
    ['max-age=0', control('max-age=0')],
    ['an age past the lifetime', control('max-age=60', { age: '61' })],
    ['Expires that is no date', { expires: '0' }],
    ['CDN-Cache-Control: no-store', control('max-age=60', { 'cdn-cache-control': 'no-store' })],
    ['a Cache-Scope that is none', { ...fresh, 'cache-scope': 'school' }],
    ['Cache-Scope: private of nobody', { ...fresh, 'cache-scope': 'private' }],
    ['an error without a lifetime', {}, { status: 503 }],
    ['a redirect without a lifetime', { location: '/x' }, { status: 302 }],
    ['a part', { ...fresh, 'content-range': 'bytes 0-0/9' }, { status: 206 }],
];

for (const [i, [name, headers, answer]] of isNotStored.entries()) {
    test(`not stored: ${name}`, async () => {
        const path = `/not-stored/${i}`;
        origin.script(path, (asked, count) => ({ ...answer, headers, body: `answer ${count}` }));
        for (const count of [1, 2, 3]) {
            const reply = await get(path);
            assert.deepEqual([reply.status, reply.text], [answer?.status ?? 200, `answer ${count}`]);
            assert.deepEqual([cacheStatus(reply).hit, cacheStatus(reply).stored], [undefined, undefined]);
        }
    });
}

test('bypass: neither looked up nor stored', async () => {
    origin.script('/bypass/a', (asked, count) => ({ headers: fresh, body: String(count) }));
    assert.equal(outcome(await get('/bypass/a', { 'x-bypass': '1' })), 'bypass 200');
    assert.equal(outcome(await get('/bypass/a', { 'x-bypass': '0' })), 'uri-miss 200', 'nothing was stored, and 0 is no bypass');
    assert.equal((await get('/bypass/a', { cookie: 'preview=yes' })).text, '3');
    assert.deepEqual([(await get('/bypass/a')).text, origin.count('/bypass/a')], ['2', 3]);
});

test('queries: what is dropped and the order make no other question, all else does', async () => {
    origin.script('/query/a', (asked) => ({ headers: fresh, body: asked.target }));
    const table = [
        ['/query/a?b=2&a=1', '/query/a?b=2&a=1'],
        ['/query/a?a=1&b=2', '/query/a?b=2&a=1'],
        ['/query/a?utm_source=x&b=2&fbclid=y&a=1&utm_=', '/query/a?b=2&a=1'],
        ['/query/a?a=1&b=2&c', '/query/a?a=1&b=2&c'],
        ['/query/a?a=2&b=1', '/query/a?a=2&b=1'],
        ['/query/%61?%61=1&b=2', '/query/a?b=2&a=1'],
        ['/query/a?utm_source=x', '/query/a?utm_source=x'],
        ['/query/a?utm_source=z', '/query/a?utm_source=x'],
    ];
    for (const [asked, answered] of table) assert.equal((await get(asked)).text, answered, asked);
    origin.script('/keep/a', (asked) => ({ headers: fresh, body: asked.target }));
    for (const asked of ['/keep/a?page=1&x=1', '/keep/a?x=2&page=1']) assert.equal((await get(asked)).text, '/keep/a?page=1&x=1', asked);
    assert.equal((await get('/keep/a?page=2')).text, '/keep/a?page=2');
    origin.script('/plain', (asked) => ({ headers: fresh, body: asked.target }));
    for (const asked of ['/plain?a=1&b=2', '/plain?b=2&a=1', '/plain?a=1', '/plain']) assert.equal((await get(asked)).text, asked, 'without rules each is its own');
});

// ---- methods

test('HEAD is answered from what GET has stored', async () => {
    await store('/head', { headers: { ...fresh, etag: '"h"' }, body: 'a body of 20 bytes..' });
    const reply = await get('/head', {}, { method: 'HEAD' });
    assert.deepEqual([reply.status, reply.text, reply.headers['content-length'], reply.headers.etag, outcome(reply)], [200, '', '20', '"h"', 'hit']);
    assert.equal(origin.count('/head'), 1);
});

test('HEAD for what is not stored has a right head, and GET its body behind it', async () => {
    origin.script('/head-first', { headers: { ...fresh, etag: '"h"' }, body: 'body' });
    for (let i = 0; i < 2; i++) {
        const reply = await get('/head-first', {}, { method: 'HEAD' });
        assert.deepEqual([reply.status, reply.text, reply.headers['content-length'], reply.headers.etag], [200, '', '4', '"h"']);
    }
    assert.equal((await get('/head-first')).text, 'body');
    assert.equal((await get('/head-first')).text, 'body');
    assert.ok(origin.count('/head-first', 'GET') <= 1);
});

test('what changes something is passed on with its body, and is not stored', async () => {
    origin.script('/post', (asked, count) => ({ headers: fresh, body: `${count} ${asked.method} ${asked.body}` }));
    for (const count of [1, 2]) {
        const reply = await get('/post', {}, { method: 'POST', body: 'answers=42' });
        assert.deepEqual([reply.text, outcome(reply)], [`${count} POST answers=42`, 'method 200']);
    }
    assert.equal((await get('/post')).text, '3 GET ');
});

for (const [method, status, isGone] of [['POST', 200, true], ['PUT', 204, true], ['DELETE', 204, true], ['PATCH', 303, true], ['POST', 404, false], ['PUT', 500, false], ['OPTIONS', 200, false]]) {
    test(`${method} with the answer ${status} ${isGone ? 'takes back' : 'leaves'} what is stored`, async () => {
        const path = `/changed/${method}-${status}`;
        const answer = (asked, count) => (asked.method === 'GET' ? { headers: fresh, body: String(count) } : { status, headers: { location: 'http://south.example/x' } });
        await store(path, answer);
        await store(`${path}?other`, answer);
        await edge.ask('south.example', path);
        assert.equal(outcome(await edge.ask('south.example', path)), 'hit');
        await get(path, {}, { method });
        const reply = await get(path);
        assert.equal(outcome(reply) === 'hit', !isGone);
        assert.equal(outcome(await edge.ask('south.example', path)), 'hit', 'another district has not been changed');
        assert.equal(outcome(await get(path)), 'hit', 'and it is stored again');
    });
}

test('what Location and Content-Location of such an answer name is taken back, of the same host alone', async () => {
    for (const path of ['/named-a', '/named-b', '/named-c']) await store(path, { headers: fresh });
    await edge.ask('south.example', '/named-c');
    const headers = { location: '/named-a', 'content-location': 'http://north.example/named-b' };
    origin.script('/change', { status: 201, headers }, { status: 201, headers: { location: 'http://south.example/named-c' } });
    await get('/change', {}, { method: 'POST' });
    assert.notEqual(outcome(await get('/named-a')), 'hit');
    assert.notEqual(outcome(await get('/named-b')), 'hit');
    await get('/change', {}, { method: 'POST' });
    assert.equal(outcome(await get('/named-c')), 'hit');
    assert.equal(outcome(await edge.ask('south.example', '/named-c')), 'hit');
});

test('all variants of what was changed are taken back', async () => {
    origin.script('/variants', (asked) => ({ headers: { ...fresh, vary: 'Accept-Language' }, body: asked.headers['accept-language'] }));
    for (const language of ['de', 'en', 'de', 'en']) await get('/variants', { 'accept-language': language });
    assert.equal(origin.count('/variants', 'GET'), 2);
    await get('/variants', {}, { method: 'POST' });
    for (const language of ['de', 'en']) assert.notEqual(outcome(await get('/variants', { 'accept-language': language })), 'hit', language);
});

test('who asks behind a change does not get what was asked for before it', async () => {
    origin.script('/overtaken', (asked, count) => (asked.method === 'GET' ? { headers: fresh, body: count === 1 ? 'before' : 'behind', held: count === 1 } : { status: 204 }));
    const visitor = await Visitor.open(edge.port);
    const first = visitor.ask('/overtaken');
    const asked = await origin.arrived('/overtaken');
    await get('/overtaken', {}, { method: 'POST' });
    assert.equal((await get('/overtaken')).text, 'behind');
    asked.rest();
    await over([first]);
    assert.equal(first.body, 'before');
    for (let i = 0; i < 3; i++) assert.equal((await get('/overtaken')).text, 'behind');
    visitor.leave();
});

// ---- conditions and ranges

const modified = at(-3600);
const conditions = [
    ['its ETag', { 'if-none-match': '"v1"' }, 304],
    ['its ETag, weak', { 'if-none-match': 'W/"v1"' }, 304],
    ['one of several ETags', { 'if-none-match': '"v0", "v1"' }, 304],
    ['any', { 'if-none-match': '*' }, 304],
    ['another ETag', { 'if-none-match': '"v2"' }, 200],
    ['another ETag, and a date behind', { 'if-none-match': '"v2"', 'if-modified-since': at(0) }, 200],
    ['its date', { 'if-modified-since': modified }, 304],
    ['a later date', { 'if-modified-since': at(-1800) }, 304],
    ['an earlier date', { 'if-modified-since': at(-7200) }, 200],
    ['what is no date', { 'if-modified-since': 'yesterday' }, 200],
];

test('conditions are answered from the store', async () => {
    const stored = await store('/condition', { headers: control('max-age=60', { etag: '"v1"', 'last-modified': modified }), body: 'whole' });
    for (const [name, headers, status] of conditions) {
        const reply = await get('/condition', headers);
        assert.deepEqual([reply.status, reply.text], status === 304 ? [304, ''] : [200, 'whole'], name);
        for (const field of ['etag', 'cache-control', 'date']) assert.equal(reply.headers[field], stored.headers[field], `${field}: ${name}`);
        assert.equal(outcome(reply), 'hit', name);
    }
    assert.equal(origin.count('/condition'), 1);
});

test('a condition on what is not stored yet: 304, and the whole is stored', async () => {
    origin.script('/condition-first', { headers: control('max-age=60', { etag: '"v1"' }), body: 'whole' });
    assert.equal((await get('/condition-first', { 'if-none-match': '"v1"' })).status, 304);
    const reply = await get('/condition-first');
    assert.deepEqual([reply.text, outcome(reply), origin.count('/condition-first')], ['whole', 'hit', 1]);
});

const ranges = [
    ['the middle', { range: 'bytes=2-5' }, 206, '2345', 'bytes 2-5/10'],
    ['the end', { range: 'bytes=-3' }, 206, '789', 'bytes 7-9/10'],
    ['from there on', { range: 'bytes=7-' }, 206, '789', 'bytes 7-9/10'],
    ['past the end', { range: 'bytes=8-99' }, 206, '89', 'bytes 8-9/10'],
    ['nothing of it', { range: 'bytes=20-' }, 416, undefined, 'bytes */10'],
    ['another unit', { range: 'lines=1-2' }, 200, '0123456789', undefined],
    ['if it is this version', { range: 'bytes=2-5', 'if-range': '"v1"' }, 206, '2345', 'bytes 2-5/10'],
    ['if it is another version', { range: 'bytes=2-5', 'if-range': '"v2"' }, 200, '0123456789', undefined],
];

test('ranges are cut from what is stored', async () => {
    await store('/range', { headers: control('max-age=60', { etag: '"v1"' }), body: '0123456789' });
    for (const [name, headers, status, text, contentRange] of ranges) {
        const reply = await get('/range', headers);
        assert.deepEqual([reply.status, reply.headers['content-range']], [status, contentRange], name);
        if (text !== undefined) assert.equal(reply.text, text, name);
    }
    const several = await get('/range', { range: 'bytes=0-1,4-5' });
    assert.equal(several.status, 206);
    assert.match(several.text, /bytes 0-1\/10[\s\S]*01[\s\S]*bytes 4-5\/10[\s\S]*45/);
    assert.equal(origin.count('/range'), 1);
});

test('a range of what is not stored yet: the part, and the whole is stored', async () => {
    origin.script('/range-first', { headers: fresh, body: '0123456789' });
    const reply = await get('/range-first', { range: 'bytes=2-5' });
    assert.deepEqual([reply.status, reply.text], [206, '2345']);
    const whole = await get('/range-first');
    assert.deepEqual([whole.status, whole.text, outcome(whole), origin.count('/range-first')], [200, '0123456789', 'hit', 1]);
});

// ---- variants

test('Vary: each variant is stored for itself, and said so', async () => {
    origin.script('/vary', (asked) => ({ headers: { ...fresh, vary: 'Accept-Language, X-Kind' }, body: `${asked.headers['accept-language']} ${asked.headers['x-kind']}` }));
    const ask = (language, kind) => get('/vary', { ...(language && { 'accept-language': language }), ...(kind && { 'x-kind': kind }) });
    assert.equal(outcome(await ask('de')), 'uri-miss 200');
    assert.match(outcome(await ask('en')), /^(vary-)?miss 200$/);
    for (const [language, kind] of [['de', 'a'], ['en', 'a'], [undefined, 'a'], [undefined, undefined]]) await ask(language, kind);
    assert.equal(origin.count('/vary'), 6);
    for (const [language, kind] of [['de'], ['en'], ['de', 'a'], ['en', 'a'], [undefined, 'a'], []]) {
        const reply = await ask(language, kind);
        assert.deepEqual([reply.text, outcome(reply)], [`${language} ${kind}`, 'hit']);
    }
    assert.equal(origin.count('/vary'), 6);
});

test('requests that say the same in other words have one variant', async () => {
    origin.script('/coded', (asked) => ({ headers: { ...fresh, vary: 'Accept-Encoding' }, body: asked.headers['accept-encoding'] }));
    for (const said of ['gzip, br', 'br, gzip', 'br;q=1.0,  gzip;q=0.8, deflate;q=0']) assert.equal((await get('/coded', { 'accept-encoding': said })).text, 'gzip, br');
    assert.equal((await get('/coded', { 'accept-encoding': 'gzip' })).text, 'gzip');
    assert.equal(origin.count('/coded'), 2);
});

test('Vary: Cookie keeps the answers of two visitors apart', async () => {
    origin.script('/cookie', (asked) => ({ headers: { ...fresh, vary: 'Cookie' }, body: asked.headers.cookie }));
    for (const cookie of ['a=1', 'a=2', 'a=1', 'a=2']) assert.equal((await get('/cookie', { cookie })).text, cookie);
    assert.equal(origin.count('/cookie'), 2);
});

for (const [name, value] of [['range', 'bytes=0-3'], ['te', 'trailers'], ['if-none-match', '"2"'], ['if-modified-since', 'Thu, 01 Jan 1970 00:00:01 GMT']]) {
    test(`Vary: ${name}, which the origin is not told: one answer is for all`, async () => {
        const path = `/untold/${name}`;
        origin.script(path, { headers: { ...fresh, vary: name, etag: '"1"' }, body: '0123456789' });
        for (let i = 0; i < 2; i++) {
            for (const headers of [{ [name]: value }, {}]) assert.ok([200, 206].includes((await get(path, headers)).status));
        }
        assert.equal(outcome(await get(path, { [name]: value })), 'hit');
        assert.equal(origin.count(path), 1);
    });
}

test('Vary: Content-Type: who says it of no body is answered by the origin', async () => {
    origin.script('/typed', (asked) => ({ headers: { ...fresh, vary: 'Content-Type' }, body: asked.headers['content-type'] ?? 'none' }));
    for (const type of [undefined, 'text/a', 'text/b', undefined, 'text/a']) assert.equal((await get('/typed', type ? { 'content-type': type } : {})).text, type ?? 'none');
});

// ---- configuration

const refused = [
    ['a zone that is none', 'bell_cache other;'],
    ['the same twice', 'bell_cache main; bell_cache main;'],
    ['proxy_cache beside it', 'bell_cache main; proxy_cache plain;', 'PROXY_CACHE'],
    ['proxy_store beside it', 'bell_cache main; proxy_store on;'],
    ['a scope that is none', 'bell_cache main; bell_cache_scope maybe;'],
    ['a rule for queries that is none', 'bell_cache main; bell_cache_query drop;'],
    ['a time that is none', 'bell_cache main; bell_cache_stale_max soon;'],
    ['a name that no field can have', 'bell_cache main; bell_cache_name "Bibliothèque";'],
    ['a zone without a size', '', 'bell_cache_zone zone=small;'],
    ['a zone too small for anything', '', 'bell_cache_zone zone=small:1k;'],
    ['a zone with a word that is none', '', 'bell_cache_zone zone=small:1m speed=9;'],
    ['two zones of one name', '', 'bell_cache_zone zone=main:1m;'],
];

for (const [name, line, httpLine = ''] of refused) {
    test(`refused at the start: ${name}`, async () => {
        const port = await freePort();
        const more = httpLine === 'PROXY_CACHE' ? `proxy_cache_path ${place.folder('plain')} keys_zone=plain:1m;` : httpLine;
        const options = { load: loadCache(), http: `${cacheHttp(origin)} ${more}`, server: `location / { ${line} proxy_pass http://origin; }` };
        const { code, stderr } = await testNginx(place, { conf: nginxConf(place, port, options) });
        assert.notEqual(code, 0);
        assert.match(stderr, /\[emerg\].*(bell_cache|zone|proxy_(cache|store)|invalid)/);
    });
}
