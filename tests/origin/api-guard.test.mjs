// What guards the sign-in: wrong tries that are counted without locking out anybody else, tokens of forms, sessions that replace each other.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { originClient } from '../lib/server-firstbell.mjs';
import { openSchool, password } from './school.mjs';

const SESSION = '__Host-bell_session';
const place = newPlace();
let school;
before(async () => {
    school = await openSchool(place, { settings: { sessions_a_user_max: 3 } });
});
after(() => place.stop());
beforeEach(() => sql('DELETE FROM throttle_buckets; DELETE FROM account_sources; DELETE FROM sessions'));

const sql = (text) => school.postgres.sql('postgres', text);
const count = async (what) => Number(await sql(`SELECT count(*) FROM ${what}`));
const right = (username = 'student.demo') => ({ username, password });
const wrong = (username = 'student.demo') => ({ username, password: 'not the password' });

/** A browser at an address; without cookies it is a stranger. */
function browserAt(address, cookies = new Map()) {
    const client = originClient(school.api.socketPath, 1);
    client.headers['x-forwarded-for'] = address;
    client.cookies = new Map(cookies);
    return client;
}

async function statuses(client, bodies) {
    const got = [];
    for (const body of bodies) got.push((await client.post('/api/v1/sessions', body)).status);
    return got;
}

/** Whoever has to wait now has to wait for long, so that no answer depends on how fast this machine is. */
const hold = () => sql("UPDATE throttle_buckets SET failures = failures + 1000, last_at = now() WHERE failures >= CASE WHEN bucket LIKE '%:%:%' THEN 5 ELSE 50 END");

const wrongTries = (n, username) => Array.from({ length: n }, () => wrong(username));

test('after five wrong tries the sixth has to wait, and says for how long', async () => {
    const client = browserAt('192.0.2.1');
    assert.deepEqual(await statuses(client, wrongTries(5)), [401, 401, 401, 401, 401]);
    await hold();
    const reply = await client.post('/api/v1/sessions', right());
    assert.equal(reply.status, 429, 'also with the right password: it tells nothing');
    assert.equal(reply.json.type, '/problems/too-many-tries');
    assert.match(reply.headers['content-type'], /problem\+json/);
    assert.ok(Number(reply.headers['retry-after']) >= 1);
    assert.match(reply.json.detail, /^Try again in \d+ minutes\.$/);
});

test('each further wrong try doubles the wait, up to five minutes', async () => {
    const delays = JSON.parse(await sql('SELECT json_agg(throttle_delay_s(n, 5, 2, 300) ORDER BY n) FROM generate_series(0, 14) n'));
    assert.deepEqual(delays, [0, 0, 0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    assert.equal(Number(await sql('SELECT throttle_delay_s(2000000000, 5, 2, 300)')), 300);
});

test('who has waited may try again, and a right try forgets the wrong ones', async () => {
    const client = browserAt('192.0.2.1');
    await statuses(client, wrongTries(5));
    await sql("UPDATE throttle_buckets SET last_at = last_at - interval '3 s'");
    assert.deepEqual(await statuses(client, [right()]), [201]);
    assert.equal(await count("throttle_buckets WHERE bucket LIKE 'password:%:%'"), 0);
    assert.deepEqual(await statuses(client, wrongTries(5)), [401, 401, 401, 401, 401]);
});

test('many tries at once are not more than many in a row', async () => {
    await statuses(browserAt('192.0.2.1'), wrongTries(1));
    await sql("UPDATE throttle_buckets SET failures = 100, last_at = now() - interval '301 s' WHERE bucket LIKE '%:%:%'");
    const tries = Array.from({ length: 20 }, () => browserAt('192.0.2.1').post('/api/v1/sessions', wrong()));
    const got = (await Promise.all(tries)).map(({ status }) => status).sort();
    assert.deepEqual(got, [401, ...Array(19).fill(429)]);
});

test('a name that nobody has is counted like one that somebody has, in capitals or not', async () => {
    for (const name of ['student.demo', 'nobody.at.all']) {
        const client = browserAt('192.0.2.1');
        await statuses(client, [...wrongTries(3, name), ...wrongTries(2, name.toUpperCase())]);
        await hold();
        assert.deepEqual(await statuses(client, [wrong(name)]), [429], name);
    }
});

test("somebody else's wrong tries do not lock out: from another address, or on a device that is known", async () => {
    const owner = browserAt('198.51.100.7');
    assert.deepEqual(await statuses(owner, [right()]), [201]);
    const sameSchool = browserAt('198.51.100.7');
    await statuses(sameSchool, wrongTries(5));
    await hold();
    assert.deepEqual(await statuses(sameSchool, [right()]), [429]);
    assert.deepEqual(await statuses(owner, [right()]), [201], 'the own device, at the very address of the attacker');
    assert.deepEqual(await statuses(browserAt('203.0.113.9'), [right()]), [201], 'a new device at home');
});

test('a device of the school that somebody else has used is not the attacker either', async () => {
    const shared = browserAt('198.51.100.7');
    await statuses(shared, [right('teacher.demo')]);
    await statuses(browserAt('198.51.100.7'), wrongTries(5));
    await hold();
    assert.deepEqual(await statuses(browserAt('198.51.100.7'), [wrong()]), [429]);
    assert.deepEqual(await statuses(shared, [right('student.demo')]), [201]);
});

test('who guesses from many addresses is slowed down; the devices and places of the account are not', async () => {
    const owner = browserAt('198.51.100.7');
    await statuses(owner, [right()]);
    for (let i = 0; i < 4; i++) await statuses(browserAt(`203.0.113.${i}`), [wrong()]);
    const bucket = await sql("SELECT bucket || ' ' || failures FROM throttle_buckets WHERE bucket ~ '^password:[0-9a-f]{32}$'");
    assert.match(bucket.trim(), / 4$/, 'tries from everywhere are counted together');
    await sql(`UPDATE throttle_buckets SET failures = 50, last_at = now() WHERE bucket = '${bucket.split(' ')[0]}'`);
    await hold();
    assert.deepEqual(await statuses(browserAt('203.0.113.200'), [wrong()]), [429]);
    assert.deepEqual(await statuses(owner, [right()]), [201]);
    assert.deepEqual(await statuses(browserAt('198.51.100.7'), [right()]), [201], 'another device where the account is known');
    assert.deepEqual(await statuses(browserAt('203.0.113.200'), [right('teacher.demo')]), [201], 'another account');
});

test('who tries one password on many accounts is slowed down; a school behind one address is not', async () => {
    const at = browserAt('203.0.113.1');
    await statuses(at, ['a', 'b', 'c', 'a', 'a'].map((name) => wrong(name)));
    const address = await sql("SELECT bucket || ' ' || failures FROM throttle_buckets WHERE bucket LIKE 'password:a%'");
    assert.match(address.trim(), /^password:a[0-9a-f]{32} 3$/, 'accounts are counted, not tries');
    const bucket = address.split(' ')[0];
    await sql(`UPDATE throttle_buckets SET failures = 230, last_at = now() WHERE bucket = '${bucket}'`);
    assert.deepEqual(await statuses(at, [wrong('d')]), [429]);
    await sql(`INSERT INTO account_sources (tenant_id, user_id, source) SELECT 1, id, substr('${bucket}', 10) FROM users WHERE tenant_id = 1 LIMIT 100`);
    assert.deepEqual(await statuses(at, [wrong('d')]), [401]);
});

test('a mistyped password that is put right does not count against the address', async () => {
    const at = browserAt('203.0.113.1');
    assert.deepEqual(await statuses(at, [wrong(), right()]), [401, 201]);
    assert.equal((await sql("SELECT failures FROM throttle_buckets WHERE bucket LIKE 'password:a%'")).trim(), '0');
});

test('who has signed in somewhere has no free tries at codes and at other accounts from that device', async () => {
    const insider = browserAt('203.0.113.1');
    await statuses(insider, [right()]);
    const code = (last) => insider.post('/api/v1/activation/person', { code: `CDF-HJK-MN${last}` });
    for (const last of ['2', '3', '4']) assert.equal((await code(last)).status, 403);
    await statuses(insider, ['a', 'b', 'a'].map((name) => wrong(name)));
    assert.match(await sql("SELECT string_agg(left(bucket, position(':' in bucket) + 1) || failures, ' ' ORDER BY bucket) FROM throttle_buckets WHERE bucket ~ '^[a-z]+:[ad][0-9a-f]{32}$'"), /^code:d3 password:d2\s*$/);
    await sql("UPDATE throttle_buckets SET failures = 230, last_at = now() WHERE bucket ~ '^[a-z]+:d[0-9a-f]{32}$'");
    assert.equal((await code('6')).status, 429);
    assert.deepEqual(await statuses(insider, [wrong('c')]), [429]);
    assert.deepEqual(await statuses(insider, [right()]), [201], 'the own account on the own device');
});

test('devices that are made new by signing in do not give new tries at an account of the same school', async () => {
    const school1 = '198.51.100.7';
    const owner = browserAt(school1);
    await statuses(owner, [right()]);
    for (let i = 0; i < 3; i++) {
        const device = browserAt(school1);
        assert.deepEqual(await statuses(device, [right('teacher.demo'), wrong()]), [201, 401]);
    }
    const bucket = (await sql("SELECT bucket || ' ' || failures FROM throttle_buckets WHERE bucket ~ '^password:[0-9a-f]{32}[+]a[0-9a-f]{32}$'")).trim();
    assert.match(bucket, / 3$/, 'counted together');
    await sql(`UPDATE throttle_buckets SET failures = 1050, last_at = now() WHERE bucket = '${bucket.split(' ')[0]}'`);
    const device = browserAt(school1);
    assert.deepEqual(await statuses(device, [right('teacher.demo'), wrong()]), [201, 429]);
    assert.deepEqual(await statuses(owner, [right()]), [201], 'the own device');
    assert.deepEqual(await statuses(browserAt('203.0.113.9'), [right()]), [201], 'elsewhere');
});

test('right tries at an own account do not take back wrong ones at others', async () => {
    const at = browserAt('203.0.113.1');
    await statuses(at, [wrong('a'), wrong('b'), right()]);
    const stranger = () => browserAt('203.0.113.1');
    await statuses(stranger(), [wrong()]);
    await statuses(stranger(), [right()]);
    assert.equal((await sql("SELECT failures FROM throttle_buckets WHERE bucket LIKE 'password:a%'")).trim(), '2');
});

test('of an IPv6 address the network counts, of a list what the edge wrote, and a mapped IPv4 address is that address', async () => {
    const same = [['2001:db8:1:2::1', '2001:db8:1:2:ffff::9'], ['10.9.9.9, 192.0.2.77', '192.0.2.77'], ['::ffff:192.0.2.5', '192.0.2.5']];
    for (const [one, other] of same) {
        await statuses(browserAt(one), wrongTries(5));
        await hold();
        assert.deepEqual(await statuses(browserAt(other), [wrong()]), [429], `${one} and ${other}`);
        await sql('DELETE FROM throttle_buckets');
    }
    await statuses(browserAt('2001:db8:1:2::1'), wrongTries(5));
    await hold();
    assert.deepEqual(await statuses(browserAt('2001:db8:1:3::1'), [wrong()]), [401]);
});

test('without a script the form says it in a sentence', async () => {
    const client = browserAt('192.0.2.1');
    for (let i = 0; i < 5; i++) await client.submit('/sign-in', wrong());
    await sql("UPDATE throttle_buckets SET failures = 9, last_at = now() WHERE bucket LIKE '%:%:%'");
    const soon = await client.submit('/sign-in?next=/courses/7', wrong());
    assert.deepEqual([soon.status, soon.headers.location], [303, '/sign-in?next=/courses/7#wait']);
    await sql("UPDATE throttle_buckets SET failures = 40, last_at = now()");
    assert.equal((await client.submit('/sign-in', wrong())).headers.location, '/sign-in#wait-long');
});

test('a form without its token, or with the token of another browser, is refused and does nothing', async () => {
    const client = browserAt('192.0.2.1');
    const other = browserAt('192.0.2.1');
    const token = async (who, page) => /name="form_token" value="([^"]+)"/.exec((await who.get(page)).text)[1];
    const own = await token(client, '/sign-in');
    const foreign = await token(other, '/sign-in');
    const flipped = (own[5] === 'A' ? 'B' : 'A') + own.slice(1);
    for (const fields of [{}, { form_token: '' }, { form_token: foreign }, { form_token: flipped }, { form_token: `${own}A` }, { form_token: own.slice(0, -1) }]) {
        const reply = await client.request('POST', '/sign-in', { form: { ...right(), ...fields } });
        assert.deepEqual([reply.status, reply.json.type], [403, '/problems/form-token'], JSON.stringify(fields));
        assert.equal(client.cookies.has(SESSION), false);
    }
    const twice = await client.request('POST', '/sign-in', { body: `form_token=${own}&form_token=${own}&username=student.demo&password=x`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' } });
    assert.equal(twice.status, 403);
    assert.equal((await client.request('POST', '/sign-in', { form: { ...right(), form_token: own } })).status, 303);
    assert.ok(client.cookies.has(SESSION));
    for (const fields of [{}, { form_token: foreign }]) {
        assert.equal((await client.request('POST', '/sign-out', { form: fields })).status, 403);
    }
    assert.equal((await client.get('/api/v1/me')).status, 200, 'the session is unharmed');
    const page = await client.request('POST', '/sign-out', { form: {}, headers: { accept: 'text/html' } });
    assert.match(page.text, /<h1>Please try once more<\/h1>/);
    const inside = await token(client, '/courses');
    assert.equal((await client.request('POST', '/sign-out', { form: { form_token: inside } })).headers.location, '/sign-in#signed-out');
});

test('a clock that is put back locks nobody out for as long', async () => {
    await statuses(browserAt('192.0.2.1'), wrongTries(1));
    await sql("UPDATE throttle_buckets SET failures = 5, last_at = now() + interval '1 day' WHERE bucket LIKE '%:%:%'");
    const reply = await browserAt('192.0.2.1').post('/api/v1/sessions', right());
    assert.deepEqual([reply.status, reply.headers['retry-after']], [429, '2']);
    assert.equal(await count("throttle_buckets WHERE last_at > now() + interval '1 minute'"), 0);
});

test('what a form of another site can send is not taken for JSON', async () => {
    const client = await school.signIn('student.demo');
    const { json } = await client.get(`/api/v1/courses/${school.courseId}`);
    const [item] = json.modules[0].lessons[0].items;
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', undefined]) {
        const headers = type ? { 'content-type': type } : {};
        for (const [method, path] of [['PUT', `/api/v1/items/${item.id}/progress`], ['POST', `/api/v1/items/${item.id}/attempts`], ['POST', '/api/v1/sessions']]) {
            const reply = await client.request(method, path, { body: '{}', headers });
            assert.deepEqual([reply.status, reply.json.type], [415, '/problems/media-type'], `${method} ${path} ${type}`);
        }
    }
});

test('a new session ends the one that the request came with, and has another name', async () => {
    const client = browserAt('192.0.2.1');
    await statuses(client, [right()]);
    const old = client.cookies.get(SESSION);
    await statuses(client, [right()]);
    assert.notEqual(client.cookies.get(SESSION), old);
    assert.equal(await count('sessions'), 1);
    assert.equal((await client.get('/api/v1/me', { headers: { cookie: `${SESSION}=${old}` } })).status, 401);
    assert.equal((await client.get('/api/v1/me')).status, 200);
});

test('one session more than allowed ends the oldest', async () => {
    const clients = [];
    for (let i = 0; i < 4; i++) {
        clients.push(browserAt('192.0.2.1'));
        await statuses(clients[i], [right()]);
    }
    const got = [];
    for (const client of clients) got.push((await client.get('/api/v1/me')).status);
    assert.deepEqual(got, [401, 200, 200, 200]);
});
