// bell_cache: what is large. A herd that wants what cannot be kept is given it from one fetch, as fast as it reads; who hardly reads holds nobody up and goes on
// by himself, in his turn; and hits that a client does not take cost no memory. What the edge has done is seen at the origin and in what clients have.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import { test } from 'node:test';

import { freePort, newPlace } from '../lib/place.mjs';
import { http2Words } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { startCacheOrigin } from './cache-origin.mjs';
import { all, askAll, leaveAll, over, tally, visitors, visitorsByWorker } from './cache-visitors.mjs';
import { atWork, cacheStatus, figures, fresh, nothingFlies, outcome, startCacheEdge, zoneFigure } from './cache.mjs';

const NORTH = 'north.example';
const strong = { ...fresh, etag: '"1"' };
const text = (size, letter) => letter.repeat(size);

/** A test with an origin and an edge whose memory keeps nothing longer than 64k: body({edge, origin, herd, get, slow}). `slow` is a listener with small
 *  buffers: what a client does not read stays in the edge. */
function largeTest(name, body, { server = '', zone = 'zone=main:4m largest=64k' } = {}) {
    test(name, async () => {
        const place = newPlace();
        const origin = await startCacheOrigin();
        const those = [];
        try {
            const slow = await freePort();
            const lines = `${server} location / { proxy_pass http://origin; }`;
            const edge = await startCacheEdge(place, origin, { zone, server: lines, http: `server { listen 127.0.0.1:${slow} sndbuf=8k; bell_cache main; bell_cache_refresh_early off; ${lines} }` });
            const herd = async (count, port = edge.port) => {
                const some = await visitors(port, count);
                those.push(...some);
                return some;
            };
            const get = (path, headers = {}) => edge.ask(NORTH, path, { headers });
            await body({ edge, origin, herd, get, slow });
            leaveAll(those);
            await nothingFlies(edge);
        } finally {
            leaveAll(those);
            await origin.close();
            await place.stop();
        }
    });
}

/** They read nothing behind what comes first. */
const stopReading = (some) => some.forEach(({ socket }) => socket.once('data', () => socket.pause()));
const goOn = (some) => some.forEach(({ socket }) => socket.resume());
const large = (pieces) => ['first ', ...Array.from({ length: pieces }, (_, i) => text(50_000, String.fromCharCode(97 + (i % 26))))];

for (const [name, headers, length] of [
    ['of unknown length, with a strong tag', strong, 'chunked'],
    ['of unknown length, with a weak tag', { ...fresh, etag: 'W/"1"' }, 'chunked'],
    ['of unknown length, with none', fresh, 'chunked'],
    ['of unknown length, until the connection ends', fresh, 'none'],
    ['whose length is told, with a strong tag', strong, 'exact'],
]) {
    largeTest(`a body ${name} that is too large to be kept goes to a herd from one fetch, and is remembered`, async ({ edge, origin, herd, get }) => {
        const pieces = large(16);
        origin.script('/large', { headers, pieces, length, held: true }, { headers, pieces, length });
        const replies = askAll(await herd(100), '/large');
        const asked = await origin.arrived('/large');
        await atWork(edge, 100);
        asked.next();
        asked.next();
        await all(replies, 'what has come', (reply) => reply.body === 'first ');
        for (let n = 0; n < 10; n++) asked.next();
        const soFar = pieces.slice(0, 11).join('');
        await all(replies, 'what has come, past the bound', (reply) => reply.bytes === soFar.length);
        asked.rest();
        await over(replies);
        assert.deepEqual(tally(replies, (reply) => reply.isWhole && reply.body === pieces.join('')), { true: 100 });
        assert.equal(origin.count('/large'), 1);
        const again = await get('/large');
        assert.ok(again.text === pieces.join(''));
        assert.equal(cacheStatus(again).detail, 'size');
    });
}

largeTest('without a strong tag what is known to be too large is asked for by each', async ({ edge, origin, herd }) => {
    const pieces = large(10);
    origin.script('/each', (asked, count) => ({ headers: fresh, pieces, held: count === 1 }));
    const replies = askAll(await herd(10), '/each');
    const asked = await origin.arrived('/each');
    await atWork(edge, 10);
    asked.rest();
    await over(replies);
    assert.deepEqual([tally(replies, (reply) => reply.body === pieces.join('')), origin.count('/each')], [{ true: 10 }, 10]);
});

largeTest('a herd in which some want a part of what is too large', async ({ edge, origin, herd }) => {
    const pieces = large(40);
    const body = pieces.join('');
    const range = { range: 'bytes=100000-100009' };
    origin.script('/some', (asked, count) => {
        const part = asked.headers.range && /^bytes=(\d+)-(\d+)$/.exec(asked.headers.range);
        if (!part) return { headers: strong, pieces, held: count === 1 };
        const [first, last] = [Number(part[1]), Math.min(Number(part[2]), body.length - 1)];
        return { status: 206, headers: { ...strong, 'content-range': `bytes ${first}-${last}/${body.length}` }, body: body.slice(first, last + 1) };
    });
    const replies = askAll(await herd(40), '/some', (i) => ({ headers: i % 2 ? range : {} }));
    const asked = await origin.arrived('/some');
    await atWork(edge, 40);
    asked.rest();
    await over(replies);
    replies.forEach((reply, i) => assert.ok(reply.isWhole && (i % 2 ? reply.status === 206 && reply.body === body.slice(100_000, 100_010) : reply.body === body), `${i}: ${reply.status}`));
    assert.deepEqual(tally(origin.asked('/some'), ({ headers }) => headers.range !== undefined), { false: 1, true: 1 });
});

for (const [name, headers] of [['a strong tag', strong], ['none', fresh]]) {
    largeTest(`who hardly reads holds nobody up: with ${name} he ${name === 'none' ? 'is cut off, and sees it' : 'gets the rest by himself'}`, async ({ edge, origin, herd, slow }) => {
        const pieces = large(50);
        const body = pieces.join('');
        origin.script('/hardly', { headers, pieces, length: 'chunked', held: true }, { headers, pieces, length: 'chunked' });
        const lazy = await herd(1, slow);
        stopReading(lazy);
        const [last] = askAll(lazy, '/hardly');
        const asked = await origin.arrived('/hardly');
        const replies = askAll(await herd(20, slow), '/hardly');
        await atWork(edge, 21);
        asked.rest();
        await over(replies);
        assert.deepEqual([tally(replies, (reply) => reply.isWhole && reply.body === body), last.isOver, origin.count('/hardly')], [{ true: 20 }, false, 1]);
        goOn(lazy);
        await over([last]);
        assert.equal(last.isWhole, headers === strong);
        assert.ok(last.isWhole ? last.body === body : last.bytes > 0 && body.startsWith(last.body));
        assert.equal(origin.count('/hardly'), headers === strong ? 2 : 1);
    });
}

largeTest('those who go on by themselves take turns', async ({ edge, origin, herd, slow }) => {
    const pieces = large(50);
    const body = pieces.join('');
    origin.script('/turns', (asked, count) => ({ headers: strong, pieces, length: 'chunked', held: count < 4 }));
    const lazy = await herd(3, slow);
    stopReading(lazy);
    const late = askAll(lazy, '/turns');
    const first = await origin.arrived('/turns');
    const replies = askAll(await herd(10, slow), '/turns');
    await atWork(edge, 13);
    first.rest();
    await over(replies);
    goOn(lazy);
    for (const waiting of [2, 1, 0]) {
        const asked = await origin.arrived('/turns', 4 - waiting);
        await waitFor(`${waiting} to wait`, async () => (await zoneFigure(edge, 'fetches_waiting')) === waiting);
        assert.equal(origin.count('/turns'), 4 - waiting);
        asked.rest();
    }
    await over(late);
    assert.deepEqual(tally([...replies, ...late], (reply) => reply.isWhole && reply.body === body), { true: 13 });
}, { server: 'bell_cache_fetches tenant=1 queue=10;' });

largeTest('all who read it leave: it is fetched no further', async ({ edge, origin, herd }) => {
    origin.script('/left', { headers: strong, pieces: large(40), length: 'chunked', held: true });
    const some = await herd(10);
    const replies = askAll(some, '/left');
    const asked = await origin.arrived('/left');
    await atWork(edge, 10);
    for (let n = 0; n < 12; n++) asked.next();
    await all(replies, 'more than is kept', (reply) => reply.bytes > 500_000);
    leaveAll(some.slice(1));
    asked.next();
    await all(replies.slice(0, 1), 'the next', (reply) => reply.bytes > 550_000);
    leaveAll(some);
    await waitFor('the fetch to end', () => asked.isGone);
});

/** Others ask for something of their own, again and again, in both workers, until that is so. */
function amongOthers(get, what, is) {
    let asked = 0;
    return waitFor(what, async () => {
        await Promise.all(Array.from({ length: 8 }, () => get(`/other/${asked++}`)));
        return is();
    });
}

largeTest('who takes nothing is given up after send_timeout, whoever else comes', async ({ edge, origin, herd, get, slow }) => {
    origin.script('/taken', { headers: fresh, body: text(1_000_000, 't') });
    const lazy = await herd(1, slow);
    stopReading(lazy);
    askAll(lazy, '/taken');
    await origin.arrived('/taken');
    await amongOthers(get, 'the edge to give him up', async () => (await figures(edge)).writing === 0);
}, { server: 'send_timeout 3s;', zone: 'zone=main:16m' });

largeTest('what does not go on is waited for as long as bell_cache_wait says, whoever else comes', async ({ origin, herd, get }) => {
    const pieces = large(4);
    origin.script('/stands', { headers: fresh, pieces, held: true });
    const replies = askAll(await herd(4), '/stands');
    const asked = await origin.arrived('/stands');
    asked.next();
    asked.next();
    await all(replies, 'the beginning', (reply) => reply.body === pieces[0]);
    await amongOthers(get, 'the ends', () => replies.every((reply) => reply.isOver));
    assert.deepEqual(tally(replies), { cut: 4 });
    asked.rest();
}, { server: 'bell_cache_wait 5s;', zone: 'zone=main:16m' });

largeTest('it breaks off: all who read it are cut off, and see it', async ({ edge, origin, herd }) => {
    const pieces = large(40);
    origin.script('/breaks', { headers: strong, pieces: pieces.slice(0, 20), length: 3_000_000, held: true });
    const replies = askAll(await herd(20), '/breaks');
    const asked = await origin.arrived('/breaks');
    await atWork(edge, 20);
    asked.rest();
    const sent = pieces.slice(0, 20).join('');
    await all(replies, 'what has come', (reply) => reply.bytes === sent.length);
    asked.socket.destroy();
    await over(replies);
    assert.ok(replies.every((reply) => reply.isCut && reply.body === sent));
});

test('the worker that fetches it is killed: those of the others are cut off, and the next have all of it', async () => {
    const place = newPlace();
    place.expect(/exited on signal 9/);
    place.expect(/shared memory zone "main" was locked by/);
    const origin = await startCacheOrigin();
    const those = [];
    try {
        const edge = await startCacheEdge(place, origin, { zone: 'zone=main:4m largest=64k', server: 'location / { proxy_set_header Fetcher $pid; proxy_pass http://origin; }' });
        const pieces = large(40);
        origin.script('/killed', { headers: strong, pieces, length: 'chunked', held: true }, { headers: { ...strong, etag: '"2"' }, pieces, length: 'chunked' });
        const groups = await visitorsByWorker(edge.port, 5);
        those.push(...groups.flatMap(({ visitors: some }) => some));
        const replies = groups.flatMap(({ visitors: some }) => askAll(some, '/killed'));
        const asked = await origin.arrived('/killed');
        await atWork(edge, 10);
        for (let n = 0; n < 12; n++) asked.next();
        await all(replies, 'more than is kept', (reply) => reply.bytes > 500_000);
        process.kill(Number(asked.headers.fetcher), 'SIGKILL');
        await over(replies);
        assert.deepEqual(tally(replies), { cut: 10 });
        const again = await edge.ask(NORTH, '/killed');
        assert.ok(again.text === pieces.join(''));
        await nothingFlies(edge);
    } finally {
        leaveAll(those);
        await origin.close();
        await place.stop();
    }
});

// ---- hits that nobody takes

/** Bytes of a process's own memory. */
const memoryOf = (pid) => Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;

test('a hundred hits on one connection of HTTP/2 that are not read are not copied for it', async () => {
    const place = newPlace();
    const origin = await startCacheOrigin();
    let session;
    try {
        const port = await freePort();
        const edge = await startCacheEdge(place, origin, { zone: 'zone=main:32m', server: `listen 127.0.0.1:${port}${http2Words()}; location / { proxy_pass http://origin; }` });
        const body = text(1_000_000, 'h');
        origin.script('/hit', { headers: fresh, body });
        await edge.ask(NORTH, '/hit');
        session = http2.connect(`http://127.0.0.1:${port}`);
        const ask = (path) => new Promise((resolve, reject) => {
            const stream = session.request({ ':path': path, ':authority': NORTH });
            stream.on('error', reject);
            stream.on('response', (headers) => resolve({ stream, headers }));
            stream.end();
        });
        const one = await ask('/worker');
        one.stream.resume();
        const before = memoryOf(one.headers.worker);
        const answers = await Promise.all(Array.from({ length: 100 }, () => ask('/hit')));
        const grown = memoryOf(one.headers.worker) - before;
        assert.deepEqual(tally(answers, outcome), { hit: 100 });
        assert.ok(grown < 40_000_000, `the worker has ${grown} bytes more`);
        const texts = await Promise.all(answers.map(async ({ stream }) => {
            const parts = [];
            for await (const bytes of stream) parts.push(bytes);
            return Buffer.concat(parts).toString();
        }));
        assert.ok(texts.every((got) => got === body));
        assert.equal(origin.count('/hit'), 1);
        await nothingFlies(edge);
    } finally {
        session?.destroy();
        await origin.close();
        await place.stop();
    }
});
