// bell_cache and an origin that fails: it hangs, breaks off, lies about its length, sends too much, changes its mind; and memory that is full. Everybody
// gets a right answer or a clean error within a bound, and nobody a mix of two.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { freePort, newPlace } from '../lib/place.mjs';
import { waitFor } from '../lib/wait.mjs';
import { CLOSE, RESET, startCacheOrigin } from './cache-origin.mjs';
import { all, askAll, leaveAll, over, tally, visitors } from './cache-visitors.mjs';
import { askUntil, atWork, control, figures, fresh, nothingFlies, outcome, stale, startCacheEdge, zoneFigure } from './cache.mjs';

const HERD = 20;
const place = newPlace();
let origin;
let edge;

const server = `
    location / { proxy_pass http://origin; }
    location /impatient/ { proxy_read_timeout 1s; proxy_pass http://origin; }
    location /waits/ { bell_cache_wait 1s; proxy_pass http://origin; }
    location /large-heads/ { proxy_buffer_size 256k; proxy_buffers 4 256k; proxy_busy_buffers_size 256k; proxy_pass http://origin; }
    location /bare/ { proxy_pass http://bare; }
    location /forgets/ { bell_cache_uncacheable 1s; proxy_pass http://origin; }`;

before(async () => {
    origin = await startCacheOrigin();
    edge = await startCacheEdge(place, origin, { server });
});

after(async () => {
    await origin?.close();
    await place.stop();
});

const get = (path, headers = {}, on = edge) => on.ask('north.example', path, { headers });
const text = (size, letter) => letter.repeat(size);

async function withHerd(count, path, during, options) {
    const herd = await visitors(edge.port, count);
    try {
        return await during(askAll(herd, path, options), herd);
    } finally {
        leaveAll(herd);
    }
}

/** Some have got that error, and those who came behind it the answer after it; all of them one of the two. */
function failedOrServed(replies, error, body) {
    const { [error]: failed = 0, [`200 ${body}`]: served = 0, ...others } = tally(replies, (reply) => (reply.status === error ? error : `${reply.status} ${reply.body}`));
    assert.deepEqual([failed + served, others], [replies.length, {}]);
    assert.ok(failed > 0, `nobody has got ${error}`);
}

// ---- it hangs

test('an origin that never answers: 504 for all who wait, and their connections go on', async () => {
    const path = '/impatient/hangs';
    origin.script(path, { headers: fresh, body: 'late', held: true }, { headers: fresh, body: 'in time' });
    await withHerd(HERD, path, async (replies, herd) => {
        failedOrServed(await over(replies), 504, 'in time');
        const again = await over(askAll(herd, path));
        assert.deepEqual(tally(again, (reply) => reply.body), { 'in time': HERD });
    });
    assert.equal(origin.count(path), 2);
});

test('who has waited for another’s fetch for bell_cache_wait gets 504; the fetch goes on, and what comes is stored', async () => {
    const path = '/waits/hangs';
    origin.script(path, { headers: fresh, body: 'late', held: true });
    await withHerd(HERD, path, async (replies) => {
        const asked = await origin.arrived(path);
        await over(replies);
        assert.deepEqual(tally(replies), { 504: HERD });
        assert.equal(asked.isGone, false);
        asked.rest();
    });
    const reply = await askUntil(edge, 'north.example', path, 'a hit', (one) => one.status === 200 && outcome(one) === 'hit');
    assert.deepEqual([reply.text, origin.count(path)], ['late', 1]);
});

test('what is for one client alone may stand still for longer than bell_cache_wait', async () => {
    origin.script('/waits/events', { headers: { 'cache-control': 'no-store' }, pieces: ['first ', 'second'], length: 'chunked', held: true });
    origin.script('/waits/clock', { headers: fresh, body: 'late', held: true });
    const [visitor] = await visitors(edge.port, 1);
    const reply = visitor.ask('/waits/events');
    const asked = await origin.arrived('/waits/events');
    asked.next();
    asked.next();
    await all([reply], 'the first', ({ body }) => body === 'first ');
    for (let i = 0; i < 2; i++) assert.equal((await get('/waits/clock')).status, 504);
    asked.rest();
    await over([reply]);
    assert.deepEqual([reply.isWhole, reply.body], [true, 'first second']);
    visitor.leave();
    origin.asked('/waits/clock')[0].rest();
});

test('an origin that hangs behind the head: those who had a part are cut off, and nothing of it is stored', async () => {
    const path = '/impatient/hangs-in-body';
    origin.script(path, { headers: fresh, pieces: ['first ', 'second'], held: true }, { headers: fresh, body: 'another' });
    await withHerd(HERD, path, async (replies) => {
        const asked = await origin.arrived(path);
        asked.next();
        asked.next();
        await waitFor('the first piece to arrive, or the end', () => replies.every((reply) => reply.bytes > 0 || reply.isOver));
        await over(replies);
        const { 'cut off first ': cut, ...others } = tally(replies, (reply) => (reply.isCut ? `cut off ${reply.body}` : `${reply.status} ${reply.body}`));
        const { '200 another': behind = 0, ...wrong } = others; // who came when it was over
        assert.deepEqual([cut + behind, wrong], [HERD, {}]);
    });
    assert.deepEqual([(await get(path)).text, (await get(path)).text, origin.count(path)], ['another', 'another', 2]);
});

test('a refresh that hangs ends; what is stale is served meanwhile, and then something new', async () => {
    const path = '/impatient/refresh';
    origin.script(path, { headers: stale('stale-while-revalidate=600'), body: 'old' }, { held: true }, { headers: fresh, body: 'new' });
    await get(path);
    await askUntil(edge, 'north.example', path, 'the new answer', (reply) => {
        assert.ok(reply.status === 200 && ['old', 'new'].includes(reply.text));
        return reply.text === 'new';
    });
    assert.equal(origin.count(path), 3);
});

test('stale-if-error holds for an origin that hangs', async () => {
    const path = '/impatient/if-error';
    origin.script(path, { headers: stale('stale-if-error=600'), body: 'old' }, { held: true });
    await get(path);
    await withHerd(HERD, path, async (replies) => {
        await over(replies);
        assert.deepEqual(tally(replies, (reply) => `${reply.status} ${reply.body}`), { '200 old': HERD });
    });
});

// ---- it breaks off

const breaks = [
    ['is reset in its body', { pieces: ['first ', RESET], length: 100 }],
    ['ends before its length', { pieces: ['first ', CLOSE], length: 100 }],
    ['is reset between chunks', { pieces: ['first ', RESET], length: 'chunked' }],
    ['ends between chunks', { pieces: ['first ', CLOSE], length: 'chunked' }],
];

for (const [i, [name, answer]] of breaks.entries()) {
    test(`an answer that ${name}: cut off, not stored, not mixed with the next`, async () => {
        const path = `/broken/${i}`;
        origin.script(path, { headers: fresh, ...answer, held: true }, { headers: fresh, body: text(50, 'n') });
        await withHerd(HERD, path, async (replies) => {
            const asked = await origin.arrived(path);
            await atWork(edge, HERD);
            asked.next();
            asked.next();
            const has = (reply) => reply.body === 'first ';
            await all(replies, 'the first piece', has);
            asked.rest();
            await over(replies);
            assert.deepEqual(tally(replies, (reply) => (reply.isCut ? `cut off ${reply.body}` : reply.status)), { 'cut off first ': HERD });
        });
        for (let n = 0; n < 2; n++) assert.equal((await get(path)).text, text(50, 'n'));
        assert.equal(origin.count(path), 2);
    });
}

for (const [name, instead] of [['closed', CLOSE], ['reset', RESET]]) {
    test(`a connection that is ${name} in the place of an answer: 502, then a right one`, async () => {
        const path = `/bare/instead/${name}`;
        origin.script(path, { instead, held: true }, { headers: fresh, body: 'right' });
        await withHerd(HERD, path, async (replies) => {
            const asked = await origin.arrived(path);
            await atWork(edge, HERD);
            asked.rest();
            failedOrServed(await over(replies), 502, 'right');
        });
        assert.equal((await get(path)).text, 'right');
        assert.equal(origin.count(path), 2);
    });
}

test('an answer longer than its length: its length is what everybody gets', async () => {
    const path = '/longer';
    origin.script(path, { headers: fresh, body: 'right, and too much', length: 5, held: true }, { headers: fresh, body: 'right' });
    await withHerd(HERD, path, async (replies) => {
        const asked = await origin.arrived(path);
        await atWork(edge, HERD);
        asked.rest();
        await over(replies);
        assert.deepEqual(tally(replies, (reply) => `${reply.isWhole} ${reply.body}`), { 'true right': HERD });
    });
    for (let i = 0; i < 2; i++) assert.equal((await get(path)).text, 'right');
});

test('an origin that is not there: 502; what is stale is served where that is allowed; and it comes back', async () => {
    origin.script('/down/cold', { headers: fresh, body: 'back' });
    origin.script('/down/stale', { headers: stale('stale-if-error=600'), body: 'old' }, { headers: fresh, body: 'back' });
    await get('/down/stale');
    await origin.down();
    await withHerd(HERD, '/down/cold', async (replies) => assert.deepEqual(tally(await over(replies)), { 502: HERD }));
    await withHerd(HERD, '/down/stale', async (replies) => assert.deepEqual(tally(await over(replies), (reply) => `${reply.status} ${reply.body}`), { '200 old': HERD }));
    await origin.up();
    for (const path of ['/down/cold', '/down/stale']) await askUntil(edge, 'north.example', path, 'the origin to be back', (reply) => reply.text === 'back');
});

// ---- it says too much, or something else than before

const largeHeads = [
    ['one field of 100 kB', { 'x-large': text(100_000, 'x') }],
    ['twenty of 5 kB', Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`x-large-${i}`, text(5000, 'x')]))],
];

for (const [i, [name, more]] of largeHeads.entries()) {
    test(`a head of 100 kB, ${name}: 502 where there is no room for it, whole where there is`, async () => {
        origin.script(`/heads/${i}`, { headers: { ...fresh, ...more }, body: 'large', held: true }, { headers: fresh, body: 'small' });
        await withHerd(HERD, `/heads/${i}`, async (replies) => {
            const asked = await origin.arrived(`/heads/${i}`);
            await atWork(edge, HERD);
            asked.rest();
            failedOrServed(await over(replies), 502, 'small');
        });
        for (let n = 0; n < 2; n++) assert.equal((await get(`/heads/${i}`)).text, 'small');
        const path = `/large-heads/${i}`;
        origin.script(path, { headers: { ...fresh, ...more }, body: 'large' });
        for (let n = 0; n < 2; n++) {
            await withHerd(2, path, async (replies) => {
                for (const reply of await over(replies)) {
                    assert.deepEqual([reply.status, reply.body], [200, 'large']);
                    for (const [field, value] of Object.entries(more)) assert.ok(reply.headers[field] === value, field);
                }
            });
        }
    });
}

test('a Vary that changes: nobody gets what was meant for others', async () => {
    const path = '/changing';
    const said = (asked) => asked.headers['accept-language'] ?? 'none';
    origin.script(path,
        (asked) => ({ headers: { ...fresh, vary: 'Accept-Language' }, body: `for ${said(asked)}` }),
        (asked) => ({ headers: { ...fresh, vary: 'Accept-Language, X-Kind' }, body: `for ${said(asked)} ${asked.headers['x-kind'] ?? 'none'}` }));
    const ask = (language, kind) => get(path, { 'accept-language': language, ...(kind && { 'x-kind': kind }) });
    assert.equal((await ask('de')).text, 'for de');
    assert.equal((await ask('en', 'a')).text, 'for en a');
    for (const [language, kind] of [['en', 'b'], ['fr', 'a'], ['fr', 'b'], ['en', 'a'], ['en', 'b']]) {
        const expected = `for ${language} ${kind}`;
        assert.equal((await ask(language, kind)).text, expected);
    }
    assert.match((await ask('de')).text, /^for de/);
});

test('a Vary that changes under a herd', async () => {
    const path = '/changing-herd';
    origin.script(path, (asked, count) => ({ headers: { ...fresh, vary: count % 2 ? 'X-Kind' : 'X-Kind, X-Other' }, body: asked.headers['x-kind'], held: count === 1 }));
    await withHerd(60, path, async (replies) => {
        const asked = await origin.arrived(path);
        await atWork(edge, 60);
        asked.rest();
        await over(replies);
        replies.forEach((reply, i) => assert.deepEqual([reply.status, reply.body], [200, `kind ${i % 3}`]));
    }, (i) => ({ headers: { 'x-kind': `kind ${i % 3}`, 'x-other': `other ${i % 2}` } }));
});

test('an interim answer before the answer: a right one or a clean 502', async () => {
    const path = '/early';
    origin.script(path, { early: 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n', headers: fresh, body: 'the answer' });
    for (let i = 0; i < 2; i++) {
        await withHerd(HERD, path, async (replies) => {
            await over(replies);
            for (const reply of replies) {
                assert.ok(reply.isWhole && (reply.status === 502 || (reply.status === 200 && reply.body === 'the answer')), `${reply.status} ${reply.body}`);
            }
        });
    }
});

test('what could not be stored is forgotten after bell_cache_uncacheable: then the next herd waits for one again', async () => {
    const paths = Array.from({ length: 400 }, (_, n) => `/forgets/${n}`);
    for (const path of paths) origin.script(path, { headers: control('no-store') });
    for (const path of paths) await get(path);
    const isShared = async (path) => {
        origin.script(path, (asked, count) => ({ headers: fresh, body: 'shared', held: count === 1 }));
        return withHerd(3, path, async (replies) => {
            const asked = await origin.arrived(path);
            // as long as it is remembered, one is fetched to be stored and the others ask for themselves
            // (and of these one may be there before it: then two are answered, one by what the other has stored)
            const answered = () => replies.filter((reply) => reply.isOver).length;
            await waitFor('the herd to wait, or to ask', async () => origin.count(path) === 3 || answered() === 2 || (await figures(edge)).writing >= 3);
            asked.rest();
            assert.deepEqual(tally(await over(replies), (reply) => reply.body), { shared: 3 });
            return origin.count(path) === 1;
        });
    };
    await waitFor('a herd that waits for one', async () => {
        if (paths.length === 0) throw Object.assign(new Error('nothing was forgotten'), { hopeless: true });
        return isShared(paths.pop());
    });
});

// ---- it grows larger than was thought

test('a body that grows too large to be kept, and an origin that cannot be asked again: all who have joined have it from the one answer', async (t) => {
    const own = newPlace();
    t.after(() => own.stop());
    const gone = await startCacheOrigin();
    t.after(() => gone.close());
    const small = await startCacheEdge(own, gone, {
        zone: 'zone=main:2m largest=64k',
        // a second server, so that those that fail are counted: when nobody is left, a request fails before anything was sent
        http: `upstream mortal { zone mortal 64k; server 127.0.0.1:${gone.port} max_fails=1 fail_timeout=600s; server 127.0.0.1:${gone.port} max_fails=1 fail_timeout=600s; }`,
        server: 'location / { proxy_pass http://mortal; }',
    });
    const pieces = ['first ', text(50_000, 'a'), text(50_000, 'b')];
    gone.script('/goes', { headers: { ...fresh, etag: '"1"' }, pieces, length: 'chunked', held: true });
    const herd = await visitors(small.port, HERD);
    const replies = askAll(herd, '/goes');
    const asked = await gone.arrived('/goes');
    await atWork(small, HERD);
    for (let n = 0; n < 3; n++) asked.next(); // the head, and two pieces
    await all(replies, 'what there is', (reply) => reply.bytes === 50_006);
    gone.server.close(); // nobody new; who is connected stays
    await askUntil(small, 'north.example', '/nobody', 'no server to be left', () => /no live upstreams/.test(small.log()));
    asked.rest();
    await over(replies);
    assert.deepEqual(tally(replies, (reply) => (reply.isCut ? 'cut' : reply.body === pieces.join(''))), { true: HERD });
    leaveAll(herd);
    await nothingFlies(small);
});

// ---- memory that is full

test('more objects than there is room for: all answers are right, and what was asked for last is stored', async (t) => {
    const own = newPlace();
    t.after(() => own.stop());
    const small = await startCacheEdge(own, origin, { zone: 'zone=main:1m largest=64k' });
    const body = (n) => `${n} `.repeat(2000);
    for (let n = 0; n < 400; n++) origin.script(`/full/${n}`, { headers: fresh, body: body(n) });
    for (let round = 0; round < 2; round++) {
        for (let n = 0; n < 400; n += 20) {
            const replies = await Promise.all(Array.from({ length: 20 }, (_, i) => get(`/full/${n + i}`, {}, small)));
            replies.forEach((reply, i) => assert.ok(reply.status === 200 && reply.text === body(n + i), `/full/${n + i}`));
        }
    }
    for (let n = 0; n < 3; n++) await get('/full/399', {}, small);
    assert.equal(outcome(await get('/full/399', {}, small)), 'hit');
});

test('more objects than the zone has places for', async (t) => {
    const own = newPlace();
    t.after(() => own.stop());
    const small = await startCacheEdge(own, origin, { zone: 'zone=main:2m objects=64' });
    for (let n = 0; n < 300; n++) origin.script(`/places/${n}`, { headers: fresh, body: String(n) });
    for (let round = 0; round < 2; round++) {
        for (let n = 0; n < 300; n++) assert.equal((await get(`/places/${n}`, {}, small)).text, String(n));
    }
    for (let n = 0; n < 3; n++) await get('/places/299', {}, small);
    assert.equal(outcome(await get('/places/299', {}, small)), 'hit');
});

test('a district whose clients hardly read takes no other one’s room', async (t) => {
    const own = newPlace();
    t.after(() => own.stop());
    const port = await freePort();
    // a listener with small buffers: what a client does not read stays in the edge
    const small = await startCacheEdge(own, origin, { zone: 'zone=main:4m largest=512k', http: `server { listen 127.0.0.1:${port} sndbuf=8k; bell_cache main; location / { proxy_pass http://origin; } }` });
    const body = text(500_000, 's');
    const [count, path] = [12, (n) => `/hardly/${n}`];
    for (let n = 0; n <= count; n++) origin.script(path(n), { headers: fresh, body });
    const herd = await visitors(port, count);
    for (const { socket } of herd) socket.once('data', () => socket.pause());
    const replies = askAll(herd, path);
    await all(replies, 'the heads', (reply) => reply.hasHead);
    assert.deepEqual([replies.filter((reply) => reply.isOver).length, (await zoneFigure(small, 'fetches_now')) > 0], [0, true]);
    await askUntil(small, 'south.example', path(count), 'a hit of another district', (reply) => outcome(reply) === 'hit');
    leaveAll(herd);
    await nothingFlies(small);
});

test('a district whose answers are long in coming leaves others theirs: they wait for each other as ever', async (t) => {
    const own = newPlace();
    t.after(() => own.stop());
    const busy = await startCacheEdge(own, origin, { connections: 8192 });
    const count = 1100; // more than a zone has fetches that can be joined
    const path = (n) => `/long/${n}`;
    for (let n = 0; n < count; n++) origin.script(path(n), { headers: fresh, body: String(n), held: true });
    const north = await visitors(busy.port, count);
    const south = await visitors(busy.port, HERD);
    try {
        const replies = askAll(north, path);
        for (let n = 0; n < count; n++) await origin.arrived(path(n));
        origin.script('/shared', { headers: fresh, body: 'shared', held: true });
        const others = askAll(south, '/shared', { host: 'south.example' });
        const asked = await origin.arrived('/shared');
        await atWork(busy, count + HERD);
        asked.rest();
        await over(others);
        assert.deepEqual([tally(others, (reply) => reply.body), origin.count('/shared')], [{ shared: HERD }, 1]);
        for (let n = 0; n < count; n++) origin.asked(path(n))[0].rest();
        await over(replies);
        assert.ok(replies.every((reply, n) => reply.body === String(n)));
    } finally {
        leaveAll([...north, ...south]);
    }
    await nothingFlies(busy);
});

test('answers for one client alone that are read slowly are no fetches that could be joined', async (t) => {
    const own = newPlace();
    t.after(() => own.stop());
    const port = await freePort();
    const busy = await startCacheEdge(own, origin, { http: `server { listen 127.0.0.1:${port} sndbuf=8k; bell_cache main; location / { proxy_pass http://origin; } }` });
    const body = text(1_000_000, 'o');
    for (let n = 0; n < 5; n++) origin.script(`/own/${n}`, { headers: control('private'), body });
    const herd = await visitors(port, 5);
    for (const { socket } of herd) socket.once('data', () => socket.pause());
    const replies = askAll(herd, (n) => `/own/${n}`);
    await all(replies, 'the heads', (reply) => reply.hasHead);
    await nothingFlies(busy);
    assert.ok(replies.every((reply) => !reply.isOver));
    for (const { socket } of herd) socket.resume();
    await over(replies);
    assert.ok(replies.every((reply) => reply.body === body));
    leaveAll(herd);
});

test('more answers on their way than there is room for: each is right, and all of it', async (t) => {
    const own = newPlace();
    t.after(() => own.stop());
    const small = await startCacheEdge(own, origin, { zone: 'zone=main:1m largest=256k' });
    const count = 40;
    const pieces = (n) => [`${n} `.repeat(15_000), `end of ${n}`];
    for (let n = 0; n < count; n++) origin.script(`/way/${n}`, { headers: fresh, pieces: pieces(n), held: true });
    const herd = await visitors(small.port, 3 * count);
    const replies = askAll(herd, (i) => `/way/${i % count}`);
    for (let n = 0; n < count; n++) {
        const asked = await origin.arrived(`/way/${n}`);
        asked.next();
        asked.next();
    }
    await atWork(small, 3 * count);
    // who found no room asks for himself, at any time: all that comes is answered, until all have their answer
    const answering = setInterval(() => {
        for (let n = 0; n < count; n++) for (const asked of origin.asked(`/way/${n}`)) asked.rest();
    }, 5);
    try {
        await over(replies);
    } finally {
        clearInterval(answering);
    }
    replies.forEach((reply, i) => assert.ok(reply.status === 200 && reply.isWhole && reply.body === pieces(i % count).join(''), `/way/${i % count}`));
    leaveAll(herd);
    origin.script('/way/after', { headers: fresh, body: 'after' });
    await askUntil(small, 'north.example', '/way/after', 'something to be stored again', (reply) => outcome(reply) === 'hit');
});
