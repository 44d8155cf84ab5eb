// bell_cache: whose an answer is. Districts never share one; who is known gets a stored answer only where the origin has said for whom it is.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { newSessionKey, session } from '../lib/jose.mjs';
import { freePort, newPlace } from '../lib/place.mjs';
import { startCacheOrigin } from './cache-origin.mjs';
import { cacheStatus, control, fresh, outcome, stale, startCacheEdge } from './cache.mjs';
import { ask } from './support.mjs';

const STUDENT = 7; // numbers of roles in a session, lua-free/bell_role.c
const TEACHER = 8;
const place = newPlace();
const key = newSessionKey();
let origin;
let edge;

const server = `
    bell_session on;
    location / { proxy_pass http://origin; }
    location /loose/ { bell_session off; bell_cache_scope optional; proxy_pass http://origin; }
    location /strict/ { bell_session off; bell_cache_scope required; proxy_pass http://origin; }`;

before(async () => {
    origin = await startCacheOrigin();
    edge = await startCacheEdge(place, origin, { server, http: `bell_session_keys ${place.write('sessions.pem', key.pem)}; bell_session_cache zone=sessions:1m;` });
});

after(async () => {
    await origin?.close();
    await place.stop();
});

/** Who asks: nobody, or a person of a role, in a district. */
const person = (subject, role, host = 'north.example') => ({ host, headers: { cookie: `__Host-bell_session=${session(key, { sub: subject, role, aud: host === 'north.example' ? '1' : '2' })}` } });
const nobody = { host: 'north.example', headers: {} };
const ann = person('11', STUDENT);
const bob = person('12', STUDENT);
const tess = person('13', TEACHER);

const get = (path, { host, headers } = nobody, options = {}) => edge.ask(host, path, { headers, ...options });

/** An answer that is another one each time: "answer N". */
const counted = (headers) => (asked, count) => ({ headers, body: `answer ${count}` });

/** What each of these gets, one behind the other: "1 1 2". */
async function answers(path, ...people) {
    const got = [];
    for (const someone of people) got.push((await get(path, someone)).text.replace('answer ', ''));
    return got.join(' ');
}

test('two districts never share an answer, whatever they ask', async () => {
    origin.script('/same', (asked) => ({ headers: control('public, s-maxage=60', { 'cache-scope': 'public' }), body: asked.headers.host }));
    for (let i = 0; i < 3; i++) {
        for (const host of ['north.example', 'south.example']) assert.equal((await get('/same', { host })).text, host);
    }
    assert.equal(origin.count('/same'), 2);
});

test('two hosts of one district are two sites; their spellings are not', async () => {
    origin.script('/sites', (asked) => ({ headers: fresh, body: asked.headers.host }));
    for (const host of ['north.example', 'learn.north.example', 'NORTH.example', 'learn.north.example', 'north.example.']) {
        assert.equal((await get('/sites', { host })).text, host.toLowerCase().replace(/\.$/, ''));
    }
    assert.equal(origin.count('/sites'), 2);
});

test('a forged Host and an absolute target of another district find nothing of it', async () => {
    origin.script('/forged', (asked) => ({ headers: fresh, body: asked.headers.host }));
    assert.equal((await get('/forged')).text, 'north.example');
    assert.equal((await get('http://north.example/forged', { host: 'south.example' })).text, 'north.example');
    assert.equal((await get('/forged', { host: 'south.example', headers: { 'x-forwarded-host': 'north.example' } })).text, 'south.example');
});

test('what two origins answer to one address is apart, by whatever way it leads to them', async (t) => {
    const own = newPlace();
    t.after(() => own.stop());
    const other = await startCacheOrigin();
    t.after(() => other.close());
    const port = await freePort();
    const both = await startCacheEdge(own, origin, {
        http: `upstream other { server 127.0.0.1:${other.port}; }
            server { listen 127.0.0.1:${port}; bell_cache main; location / { proxy_pass http://other; } }`,
        server: 'location / { proxy_pass http://origin; } location /api/ { rewrite ^/api(/.*)$ $1 break; proxy_pass http://other; }',
    });
    for (const path of ['/rewritten', '/listened']) {
        origin.script(path, { headers: fresh, body: 'the one' });
        other.script(path, { headers: fresh, body: 'the other' });
    }
    for (let i = 0; i < 2; i++) {
        assert.equal((await both.ask('north.example', '/api/rewritten')).text, 'the other');
        assert.equal((await both.ask('north.example', '/rewritten')).text, 'the one');
        // what stands in Host is the client's to say
        const host = `north.example:${port}`;
        assert.equal((await ask(port, host, '/listened')).text, 'the other');
        assert.equal((await both.ask(host, '/listened')).text, 'the one');
    }
    for (const path of ['/rewritten', '/listened']) assert.deepEqual([origin.count(path), other.count(path)], [1, 1]);
});

test('an answer to somebody who is known is not stored without a word of the origin', async () => {
    for (const [i, headers] of [fresh, control('public, max-age=60'), control('s-maxage=60')].entries()) {
        const path = `/known/${i}`;
        origin.script(path, counted(headers));
        assert.equal(await answers(path, ann, ann, bob), '1 2 3');
        assert.equal(cacheStatus(await get(path, ann)).stored, undefined);
    }
});

test('Cache-Scope: public is for everybody of the district', async () => {
    origin.script('/public', counted({ ...fresh, 'cache-scope': 'public' }));
    assert.equal(await answers('/public', ann, bob, tess, nobody, ann), '1 1 1 1 1');
    assert.equal(await answers('/public', person('11', STUDENT, 'south.example')), '2');
});

test('Cache-Scope: role is for those who have the role', async () => {
    origin.script('/role', counted({ ...fresh, 'cache-scope': 'role' }));
    assert.equal(await answers('/role', ann, bob, tess, tess, bob), '1 1 2 2 1');
    assert.equal(await answers('/role', person('11', STUDENT, 'south.example')), '3');
    assert.equal((await get('/role')).text, 'answer 4', 'nobody has no role');
    assert.equal(await answers('/role', ann, tess), '1 2');
});

test('Cache-Scope: private is for one', async () => {
    origin.script('/private', counted({ ...fresh, 'cache-scope': 'private' }));
    assert.equal(await answers('/private', ann, bob, ann, bob, tess), '1 2 1 2 3');
    assert.equal(await answers('/private', nobody, nobody), '4 5');
    assert.equal(await answers('/private', person('11', STUDENT, 'south.example')), '6', 'the same number in another district');
    assert.equal(await answers('/private', ann, bob, tess), '1 2 3');
});

for (const scope of ['private', 'role']) {
    test(`where answers to those who are known are ${scope}, those to others are stored, too, and leave them where they are`, async () => {
        const path = `/both/${scope}`;
        origin.script(path, (asked, count) => ({ headers: { ...fresh, ...(asked.headers.cookie && { 'cache-scope': scope }) }, body: `answer ${count}` }));
        assert.equal(await answers(path, ann, nobody, nobody, ann, nobody), '1 2 2 1 2');
        assert.equal(cacheStatus(await get(path)).hit, true);
        assert.equal(await answers(path, tess, nobody, ann), '3 2 1');
        await edge.ask('north.example', path, { method: 'DELETE' });
        assert.equal(await answers(path, nobody, nobody), '5 5', 'a change takes it back');
    });
}

test('what is said for everybody takes the place of what each had', async () => {
    origin.script('/everybody', (asked, count) => ({ headers: { ...fresh, 'cache-scope': asked.headers.cookie ? 'private' : 'public' }, body: `answer ${count}` }));
    assert.equal(await answers('/everybody', ann, nobody, ann, bob), '1 2 2 2');
});

test('that others are answered what is not stored takes nothing away from those who are known', async () => {
    origin.script('/one-sided', (asked, count) => ({ headers: asked.headers.cookie ? { ...fresh, 'cache-scope': 'private' } : control('no-store'), body: `answer ${count}` }));
    assert.equal(await answers('/one-sided', ann, nobody, nobody, ann, bob, ann), '1 2 3 1 4 1');
});

test('a session that was made anew is the same person', async () => {
    origin.script('/again', counted({ ...fresh, 'cache-scope': 'private' }));
    assert.equal(await answers('/again', ann, person('11', STUDENT)), '1 1');
});

test('a scope beside private or no-store of Cache-Control stores nothing', async () => {
    for (const [i, value] of ['private, max-age=60', 'no-store'].entries()) {
        origin.script(`/narrow/${i}`, counted(control(value, { 'cache-scope': 'public' })));
        assert.equal(await answers(`/narrow/${i}`, ann, bob), '1 2');
    }
});

test('of several scopes the narrowest counts', async () => {
    origin.script('/several', counted({ ...fresh, 'cache-scope': ['public', 'private'] }));
    assert.equal(await answers('/several', ann, bob, ann), '1 2 1');
});

test('the origin is asked as who asks, also for what is stored for more than him', async () => {
    origin.script('/as', counted({ ...fresh, 'cache-scope': 'role' }));
    await get('/as', ann);
    assert.match(origin.asked('/as')[0].headers.cookie, /__Host-bell_session=/);
    assert.equal(origin.asked('/as')[0].headers.cookie, ann.headers.cookie);
});

test('a refresh behind stays within its scope', async () => {
    const headers = stale('stale-while-revalidate=600', { 'cache-scope': 'private' });
    origin.script('/refreshed', (asked) => ({ headers, body: asked.headers.cookie }));
    for (let round = 0; round < 4; round++) {
        for (const someone of [ann, bob]) {
            const reply = await get('/refreshed', someone);
            assert.equal(reply.text, someone.headers.cookie);
            assert.match(outcome(reply), round === 0 ? /miss 200$/ : /^stale hit$/);
        }
    }
});

test('a change takes back what is stored for all scopes', async () => {
    for (const scope of ['public', 'role', 'private']) {
        const path = `/taken/${scope}`;
        origin.script(path, (asked, count) => ({ headers: asked.method === 'GET' ? { ...fresh, 'cache-scope': scope } : {}, body: `answer ${count}` }));
        assert.equal(await answers(path, ann, ann), '1 1');
        await get(path, bob, { method: 'POST' });
        assert.equal(await answers(path, ann), '3', scope);
    }
});

// ---- Authorization, where the edge knows nobody

const token = (name) => ({ host: 'north.example', headers: { authorization: `Bearer ${name}` } });

for (const [i, headers] of [fresh, control('public, max-age=60'), control('s-maxage=60'), control('max-age=60, must-revalidate')].entries()) {
    test(`the answer to one token is never another's: ${headers['cache-control']}`, async () => {
        const path = `/strict/${i}`;
        origin.script(path, (asked) => ({ headers, body: asked.headers.authorization ?? 'nobody' }));
        for (const name of ['A', 'B', 'A']) assert.equal((await get(path, token(name))).text, `Bearer ${name}`);
        assert.equal((await get(path)).text, 'nobody');
        assert.equal(origin.count(path), 4);
    });
}

test('what was stored for nobody is not kept from those with a token, by RFC 9111', async () => {
    origin.script('/loose/open', counted(fresh));
    assert.equal(await answers('/loose/open', nobody, token('A'), nobody), '1 1 1');
});

test('with an optional scope, RFC 9111 says what may be stored of an answer to a token', async () => {
    for (const [i, [headers, expected]] of [[fresh, '1 2 3'], [control('public, max-age=60'), '1 1 1'], [control('s-maxage=60'), '1 1 1'], [control('max-age=60, must-revalidate'), '1 1 1'],
        [control('private, max-age=60'), '1 2 3']].entries()) {
        const path = `/loose/${i}`;
        origin.script(path, counted(headers));
        assert.equal(await answers(path, token('A'), token('B'), nobody), expected, headers['cache-control']);
    }
});

test('with a required scope, the origin’s word is enough', async () => {
    origin.script('/strict/scoped', counted({ ...fresh, 'cache-scope': 'public' }));
    assert.equal(await answers('/strict/scoped', token('A'), token('B'), nobody), '1 1 1');
});
