// bell_cache: many who want the same at once. The origin is asked once in every state of an answer, nobody waits who need not, and what arrives is passed
// on while it arrives. The origin answers when the test says so, so that all that is to happen before has happened.

import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { after, before, test } from 'node:test';
import { constants, gunzipSync } from 'node:zlib';

import { freePort, newPlace } from '../lib/place.mjs';
import { http2Words } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { startCacheOrigin } from './cache-origin.mjs';
import { Visitor, all, askAll, leaveAll, over, tally, visitors } from './cache-visitors.mjs';
import { askUntil, atWork, control, figures, fresh, isHit, leaves, outcome, stale, startCacheEdge, store } from './cache.mjs';

const HERD = 500;
const LANGUAGES = ['de', 'en', 'fr', 'es'];
const place = newPlace();
let origin;
let edge;
let h2Port;

before(async () => {
    origin = await startCacheOrigin();
    h2Port = await freePort();
    const server = `
        listen 127.0.0.1:${h2Port}${http2Words()};
        location / { proxy_pass http://origin; }
        location /gzip/ { gzip on; gzip_min_length 1; gzip_proxied any; gzip_types text/plain; proxy_pass http://origin; }
        location /nopush/ { sendfile on; tcp_nopush on; proxy_pass http://origin; }`;
    edge = await startCacheEdge(place, origin, { server, zone: 'zone=main:32m largest=8m' });
});

after(async () => {
    await origin?.close();
    await place.stop();
});

const get = (path, headers = {}) => edge.ask('north.example', path, { headers });
const text = (size, letter) => letter.repeat(size);

/** A herd that asks for a path, and leaves when `during` is over. */
async function withHerd(count, path, during, options) {
    const herd = await visitors(edge.port, count);
    try {
        return await during(askAll(herd, path, options), herd);
    } finally {
        leaveAll(herd);
    }
}

/** One of them has caused the fetch, the others have shared it; who came when it was over has a hit. */
function sharedOne(replies, fwd) {
    const { [fwd]: first, [`${fwd} collapsed`]: collapsed = 0, hit = 0, ...others } = tally(replies, outcome);
    assert.deepEqual([first, collapsed + hit, others], [1, replies.length - 1, {}]);
}

for (const [name, length] of [['with a length', 'exact'], ['in chunks', 'chunked']]) {
    test(`cold, ${name}: the origin is asked once, and everybody has all of it`, async () => {
        const path = `/cold/${length}`;
        const body = text(20_000, 'c');
        origin.script(path, { headers: fresh, body, length, held: true });
        await withHerd(HERD, path, async (replies) => {
            const asked = await origin.arrived(path);
            await atWork(edge, HERD);
            asked.rest();
            await over(replies);
            assert.deepEqual(tally(replies), { 200: HERD });
            assert.ok(replies.every((reply) => reply.body === body));
            sharedOne(replies, 'uri-miss 200');
        });
        assert.equal(origin.count(path), 1);
    });
}

test('just expired, with stale-while-revalidate: everybody is answered while the origin is silent, which is asked once', async () => {
    origin.script('/expired-behind', { headers: stale('stale-while-revalidate=600'), body: 'old' }, { headers: fresh, body: 'new', held: true });
    await get('/expired-behind');
    await withHerd(HERD, '/expired-behind', async (replies) => {
        await over(replies);
        assert.deepEqual(tally(replies, (reply) => `${reply.status} ${reply.body} ${outcome(reply)}`), { '200 old stale hit': HERD });
    });
    const refresh = await origin.arrived('/expired-behind', 2);
    refresh.rest();
    await askUntil(edge, 'north.example', '/expired-behind', 'the new answer', (reply) => reply.text === 'new');
    assert.equal(origin.count('/expired-behind'), 2);
});

const renewals = [
    ['another answer', { headers: fresh, body: 'new' }, 'new', 'stale 200'],
    ['a 304', { status: 304, headers: control('max-age=60', { etag: '"1"' }) }, 'old', 'stale 304'],
];

for (const [name, answer, body, fwd] of renewals) {
    test(`just expired, without: the origin is asked once, and says ${name}`, async () => {
        const path = `/expired/${answer.status ?? 200}`;
        origin.script(path, { headers: stale(), body: 'old' }, { ...answer, held: true });
        await get(path);
        await withHerd(HERD, path, async (replies) => {
            const asked = await origin.arrived(path, 2);
            await atWork(edge, HERD);
            asked.rest();
            await over(replies);
            assert.deepEqual(tally(replies, (reply) => `${reply.status} ${reply.body}`), { [`200 ${body}`]: HERD });
            sharedOne(replies, fwd);
        });
        assert.equal(origin.count(path), 2);
    });
}

test('what cannot be stored is asked for by each, none behind the other: the first time, and again', async () => {
    const herd = 100;
    const path = '/uncacheable';
    origin.script(path, (asked, count) => ({ headers: control('private'), body: `for ${count}`, held: true }));
    const own = (replies) => {
        assert.deepEqual(tally(replies), { 200: herd });
        assert.equal(new Set(replies.map((reply) => reply.body)).size, herd, 'each has an answer of its own');
    };
    await withHerd(herd, path, async (replies) => {
        const first = await origin.arrived(path);
        await atWork(edge, herd);
        first.rest();
        await origin.arrived(path, herd); // all the others are there before one of them is answered
        for (const asked of origin.asked(path)) asked.rest();
        await over(replies);
        own(replies);
    });
    await withHerd(herd, path, async (replies) => {
        await origin.arrived(path, 2 * herd); // this time nobody had to wait for the first
        for (const asked of origin.asked(path)) asked.rest();
        await over(replies);
        own(replies);
    });
    assert.equal(origin.count(path), 2 * herd);
});

test('what could not be stored is stored when it can', async () => {
    const path = '/cacheable-again';
    origin.script(path, { headers: control('no-store'), body: 'one' }, { headers: fresh, body: 'two' });
    await get(path);
    await get(path);
    const reply = await get(path);
    assert.deepEqual([reply.text, outcome(reply), origin.count(path)], ['two', 'hit', 2]);
});

for (const state of ['cold', 'expired']) {
    test(`variants, ${state}: the origin is asked once for each`, async () => {
        const path = `/variants/${state}`;
        const herd = 100;
        const language = (i) => LANGUAGES[i % LANGUAGES.length];
        const fields = (i) => ({ 'accept-language': language(i) });
        const seeds = state === 'expired' ? LANGUAGES.length : 0;
        const known = seeds || 1; // fetches at once: that there are variants is known, or the first answer tells
        origin.script(path, (asked, count) => {
            const said = asked.headers['accept-language'];
            const headers = { ...(count <= seeds ? stale() : fresh), etag: `"${said} ${count}"`, vary: 'Accept-Language' };
            return { headers, body: `${said} ${count <= seeds ? 'old' : 'new'}`, held: count > seeds && count <= seeds + known };
        });
        for (let i = 0; i < seeds; i++) await get(path, fields(i));
        await withHerd(herd, path, async (replies) => {
            await origin.arrived(path, seeds + known);
            await atWork(edge, herd);
            for (const asked of origin.asked(path)) asked.rest();
            await over(replies);
            replies.forEach((reply, i) => assert.deepEqual([reply.status, reply.body], [200, `${language(i)} new`]));
        }, (i) => ({ headers: fields(i) }));
        for (let i = 0; i < LANGUAGES.length; i++) await askUntil(edge, 'north.example', path, `a hit for ${language(i)}`, isHit, { headers: fields(i) });
        assert.equal(origin.count(path), seeds + LANGUAGES.length);
    });
}

test('what came too old once is fetched once for the herd of the next second', async () => {
    const path = '/too-old';
    const later = Array.from({ length: 200 }, (_, n) => `${path}/${n}`); // each is asked for once more: that makes it too old anew
    for (const one of [path, ...later]) origin.script(one, { headers: { 'cache-control': 'max-age=5', age: '10' } });
    for (const one of [path, ...later]) await get(one);
    await waitFor('what was asked for later to be forgotten', async () => /fwd=uri-miss/.test((await get(later.pop())).headers['cache-status']));
    origin.script(path, { headers: fresh, body: 'shared', held: true });
    await withHerd(3, path, async (replies) => {
        const asked = await origin.arrived(path);
        await atWork(edge, 3);
        asked.rest();
        assert.deepEqual(tally(await over(replies), (reply) => reply.body), { shared: 3 });
    });
    assert.equal(origin.count(path), 1);
});

test('waiters have each piece before the origin sends the next, and so has who comes in the middle', async () => {
    const path = '/pieces';
    const pieces = ['first ', text(5000, '2'), 'third'];
    origin.script(path, { headers: fresh, pieces, held: true });
    await withHerd(100, path, async (replies) => {
        const asked = await origin.arrived(path);
        await atWork(edge, 100);
        asked.next();
        asked.next();
        await all(replies, 'the first piece', (reply) => reply.body === 'first ');
        asked.next();
        await all(replies, 'the second piece', (reply) => reply.body === pieces[0] + pieces[1]);
        const late = await Visitor.open(edge.port);
        const reply = late.ask(path);
        await all([reply], 'what has come', () => reply.body === pieces[0] + pieces[1]);
        assert.ok(!reply.isOver);
        asked.next();
        await over([...replies, reply]);
        assert.ok([...replies, reply].every(({ isWhole, body }) => isWhole && body === pieces.join('')));
        late.leave();
    });
    assert.equal(origin.count(path), 1);
});

test('of a body whose length nobody knows all have each piece before the origin sends the next, and so has who comes in the middle', async () => {
    const path = '/pieces-in-chunks';
    const pieces = ['first ', text(5000, '2'), 'third'];
    origin.script(path, { headers: fresh, pieces, length: 'chunked', held: true });
    await withHerd(100, path, async (replies) => {
        const asked = await origin.arrived(path);
        await atWork(edge, 100);
        for (let sent = 1; sent < pieces.length; sent++) {
            if (sent === 1) asked.next();
            asked.next();
            const soFar = pieces.slice(0, sent).join('');
            await all(replies, `${sent} pieces`, (reply) => reply.body === soFar);
        }
        const late = await Visitor.open(edge.port);
        const reply = late.ask(path);
        await all([reply], 'what has come', () => reply.body === pieces.slice(0, 2).join(''));
        asked.next();
        await over([...replies, reply]);
        assert.ok([...replies, reply].every(({ isWhole, body }) => isWhole && body === pieces.join('')));
        late.leave();
    });
    assert.equal(origin.count(path), 1);
});

test('those who take gzip have each piece, too', async () => {
    const path = '/gzip/pieces';
    const pieces = ['first '.repeat(20), 'second '.repeat(20)];
    origin.script(path, { headers: { ...fresh, 'content-type': 'text/plain' }, pieces, held: true });
    const unpacked = (reply) => gunzipSync(Buffer.from(reply.body, 'latin1'), { finishFlush: constants.Z_SYNC_FLUSH }).toString();
    await withHerd(20, path, async (replies) => {
        const asked = await origin.arrived(path);
        await atWork(edge, 20);
        asked.next();
        asked.next();
        await all(replies, 'the first piece', (reply) => reply.bytes > 10 && unpacked(reply) === pieces[0]);
        asked.next();
        await over(replies);
        assert.ok(replies.every((reply) => reply.isWhole && unpacked(reply) === pieces.join('')));
    }, { headers: { 'accept-encoding': 'gzip' } });
    assert.equal(origin.count(path), 1);
});

test('those who wait for a part, for the head, or with a condition have what they asked for', async () => {
    const path = '/kinds';
    origin.script(path, (asked, count) => ({ headers: control('max-age=60', { etag: '"1"' }), body: '0123456789', held: count === 1 }));
    const kinds = [
        [{}, 200, '0123456789'],
        [{ method: 'HEAD' }, 200, ''],
        [{ headers: { range: 'bytes=2-4' } }, 206, '234'],
        [{ headers: { 'if-none-match': '"1"' } }, 304, ''],
        [{ headers: { 'if-none-match': '"2"' } }, 200, '0123456789'],
    ];
    await withHerd(10 * kinds.length, path, async (replies) => {
        const asked = await origin.arrived(path);
        await atWork(edge, replies.length);
        asked.rest();
        await over(replies);
        replies.forEach((reply, i) => assert.deepEqual([reply.status, reply.body], kinds[i % kinds.length].slice(1), JSON.stringify(kinds[i % kinds.length][0])));
    }, (i) => kinds[i % kinds.length][0]);
    assert.ok(origin.asked(path).every(({ headers }) => !headers.range && !headers['if-none-match']));
    assert.equal(origin.count(path, 'GET'), 1);
});

for (const length of ['exact', 'chunked']) {
    test(`ranges of what is still coming (${length}): the part, or the whole, and never anything else`, async () => {
        const path = `/ranges/${length}`;
        const pieces = ['0123456789', 'abcdefghij'];
        const ranges = ['bytes=2-4', 'bytes=8-12', 'bytes=0-1,12-13'];
        origin.script(path, { headers: fresh, pieces, length, held: true });
        await withHerd(9, path, async (replies) => {
            const asked = await origin.arrived(path);
            await atWork(edge, replies.length);
            asked.next();
            asked.next();
            asked.next();
            await over(replies);
            replies.forEach((reply, i) => {
                if (reply.status === 200) return assert.equal(reply.body, pieces.join(''));
                assert.equal(reply.status, 206, ranges[i % 3]);
                return assert.match(reply.body, [/^234$/, /^89abc$/, /0-1\/20[^]*\n01\r[^]*12-13\/20[^]*\ncd\r/][i % 3]);
            });
        }, (i) => ({ headers: { range: ranges[i % 3] } }));
        assert.equal(origin.count(path), 1);
    });
}

test('two districts that want the same at once wait for an answer each', async () => {
    const path = '/districts';
    const hosts = ['north.example', 'south.example'];
    origin.script(path, (asked) => ({ headers: fresh, body: asked.headers.host, held: true }));
    await withHerd(40, path, async (replies) => {
        await origin.arrived(path, 2);
        await atWork(edge, 40);
        for (const asked of origin.asked(path)) asked.rest();
        await over(replies);
        replies.forEach((reply, i) => assert.equal(reply.body, hosts[i % 2]));
    }, (i) => ({ host: hosts[i % 2] }));
    assert.equal(origin.count(path), 2);
});

// ---- clients that go, and clients that are slow

test('the client who has caused the fetch leaves: the others have all of it', async () => {
    const path = '/left';
    origin.script(path, { headers: fresh, pieces: ['first ', 'second'], held: true });
    const cause = await Visitor.open(edge.port);
    cause.ask(path);
    const asked = await origin.arrived(path);
    await withHerd(50, path, async (replies) => {
        await atWork(edge, 51);
        await leaves(edge, cause);
        asked.rest();
        await over(replies);
        assert.deepEqual(tally(replies, (reply) => reply.body), { 'first second': 50 });
    });
    assert.equal(origin.count(path), 1);
});

test('he leaves in the middle of the body', async () => {
    const path = '/left-in-middle';
    origin.script(path, { headers: fresh, pieces: ['first ', 'second'], held: true });
    const cause = await Visitor.open(edge.port);
    const reply = cause.ask(path);
    const asked = await origin.arrived(path);
    await withHerd(50, path, async (replies) => {
        asked.next();
        asked.next();
        await all([reply, ...replies], 'the first piece', ({ body }) => body === 'first ');
        await leaves(edge, cause);
        asked.rest();
        await over(replies);
        assert.deepEqual(tally(replies, ({ body }) => body), { 'first second': 50 });
    });
    assert.equal(origin.count(path), 1);
});

test('he leaves, and nobody else waits: the answer is stored', async () => {
    const path = '/left-alone';
    origin.script(path, { headers: fresh, pieces: ['first ', 'second'], held: true });
    const cause = await Visitor.open(edge.port);
    cause.ask(path);
    const asked = await origin.arrived(path);
    await leaves(edge, cause);
    assert.equal(asked.isGone, false);
    asked.rest();
    await askUntil(edge, 'north.example', path, 'a hit', (reply) => reply.text === 'first second' && isHit(reply));
    assert.equal(origin.count(path), 1);
});

test('one who does not read holds nobody, and has all of it in the end', async () => {
    const path = '/slow';
    const half = text(3_000_000, 's'); // more than the kernel keeps for a connection
    origin.script(path, { headers: fresh, pieces: [half, half], held: true });
    await withHerd(4, path, async ([slow, ...others]) => {
        slow.visitor.socket.pause();
        const asked = await origin.arrived(path);
        asked.rest();
        await over(others);
        assert.ok(others.every((reply) => reply.isWhole && reply.bytes === 2 * half.length));
        assert.equal(slow.isOver, false);
        slow.visitor.socket.resume();
        await over([slow]);
        assert.ok(slow.body === half + half);
    });
    assert.equal(origin.count(path), 1);
});

// ---- a refresh holds nothing of the client who met what is stale

for (const folder of ['', '/nopush']) {
    test(`a stale answer, then the next request on its connection while the refresh hangs${folder && ', with tcp_nopush'}`, async () => {
        const path = `${folder}/hangs`;
        origin.script(path, { headers: stale('stale-while-revalidate=600'), body: 'old' }, { headers: fresh, body: 'new', held: true });
        await get(path);
        await store(edge, origin, `${folder}/other`, { headers: fresh, body: 'other' });
        const visitor = await Visitor.open(edge.port);
        const bodies = [];
        for (const target of [path, `${folder}/other`, path, `${folder}/other`]) {
            const [reply] = await over([visitor.ask(target)]);
            bodies.push(reply.body);
        }
        assert.deepEqual(bodies, ['old', 'other', 'old', 'other']);
        const refresh = await origin.arrived(path, 2);
        const [last] = await over([visitor.ask(path, { headers: { connection: 'close' } })]);
        await waitFor('the edge to close the connection', () => visitor.isClosed);
        assert.equal(last.body, 'old');
        assert.deepEqual([refresh.parts.length, refresh.isGone, origin.count(path)], [2, false, 2], 'the origin has not said a word yet');
        refresh.rest();
        await askUntil(edge, 'north.example', path, 'the new answer', ({ text: body }) => body === 'new');
        assert.equal(origin.count(path), 2);
    });
}

/** One request on a session of HTTP/2: {status, headers, text}. */
function askH2(session, path) {
    return new Promise((resolve, reject) => {
        const stream = session.request({ ':path': path, ':authority': 'north.example' });
        const reply = { text: '' };
        stream.on('response', (headers) => Object.assign(reply, { status: headers[':status'], headers }));
        stream.on('data', (bytes) => (reply.text += bytes));
        stream.on('error', reject);
        stream.on('end', () => resolve(reply));
        stream.setTimeout(30_000, () => reject(new Error(`no answer for ${path}`)));
        stream.end();
    });
}

test('the same over HTTP/2, where the session ends while the refresh hangs', async () => {
    const path = '/h2';
    origin.script(path, { headers: stale('stale-while-revalidate=600'), body: 'old' }, { headers: fresh, body: 'new', held: true });
    const session = http2.connect(`http://127.0.0.1:${h2Port}`);
    const seen = [];
    for (let i = 0; i < 3; i++) {
        const reply = await askH2(session, path);
        seen.push([reply.status, reply.text, outcome(reply)]);
    }
    assert.deepEqual(seen, [[200, 'old', 'uri-miss 200'], [200, 'old', 'stale hit'], [200, 'old', 'stale hit']]);
    const refresh = await origin.arrived(path, 2);
    await new Promise((resolve) => session.close(resolve));
    assert.deepEqual([refresh.parts.length, refresh.isGone], [2, false]);
    refresh.rest();
    await askUntil(edge, 'north.example', path, 'the new answer', ({ text: body }) => body === 'new');
});

test('a herd over HTTP/2 shares one fetch with those of HTTP/1.1', async () => {
    const path = '/h2-cold';
    const body = text(50_000, 'h');
    origin.script(path, { headers: fresh, body, held: true });
    const session = http2.connect(`http://127.0.0.1:${h2Port}`);
    const streams = Array.from({ length: 50 }, () => askH2(session, path));
    await withHerd(50, path, async (replies) => {
        const asked = await origin.arrived(path);
        await atWork(edge, 100);
        asked.rest();
        await over(replies);
        assert.ok(replies.every((reply) => reply.body === body));
        for (const reply of await Promise.all(streams)) assert.ok(reply.status === 200 && reply.text === body);
    });
    assert.equal(origin.count(path), 1);
    await askUntil(edge, 'north.example', path, 'a hit', isHit);
    assert.equal(origin.count(path), 1);
    session.destroy();
});
