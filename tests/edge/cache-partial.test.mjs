// bell_cache and what is too long to be kept whole: ranges of it are fetched in parts, which are stored, put together where they are of one version, and
// never taken for the whole; and an origin that answers for parts with something else.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';

import { newPlace } from '../lib/place.mjs';
import { waitFor } from '../lib/wait.mjs';
import { startCacheOrigin } from './cache-origin.mjs';
import { Visitor, all, askAll, leaveAll, over, visitors, visitorsByWorker } from './cache-visitors.mjs';
import { askUntil, cacheStatus, control, nothingFlies, outcome, startCacheEdge, zoneFigure } from './cache.mjs';

const PART = 16_384;
const SIZE = 200_000;
const ZONE = 'zone=main:4m largest=16k';
const part = (n) => `bytes=${n * PART}-${(n + 1) * PART - 1}`;

const place = newPlace();
let origin;
let edge;

const server = `
    location / { proxy_pass http://origin; }
    location /gzip/ { gzip on; gzip_min_length 1; gzip_proxied any; gzip_types text/plain; proxy_pass http://origin; }`;

before(async () => {
    origin = await startCacheOrigin();
    edge = await startCacheEdge(place, origin, { server, zone: ZONE });
});

after(async () => {
    await origin?.close();
    await place.stop();
});

/** A body whose every place says where it is. */
const bodyOf = (size, word = 'film') => Array.from({ length: Math.ceil(size / 16) }, (_, i) => `${word} ${i}`.padEnd(15).concat('\n')).join('').slice(0, size);
const BODY = bodyOf(SIZE);
const HEADERS = control('max-age=600', { etag: '"v1"', 'content-type': 'text/plain' });

/** An answer as of an origin that knows ranges and conditions. */
function answerOf(asked, body = BODY, headers = HEADERS) {
    const { range, 'if-range': version, 'if-none-match': known } = asked.headers;
    if (known && known === headers.etag) return { status: 304, headers };
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
    if (from === undefined || (version && version !== headers.etag)) return { headers, body };
    if (Number(from) >= body.length) return { status: 416, headers: { 'content-range': `bytes */${body.length}` } };
    const last = Math.min(to === '' ? Infinity : Number(to), body.length - 1);
    return { status: 206, headers: { ...headers, 'content-range': `bytes ${from}-${last}/${body.length}` }, body: body.slice(Number(from), last + 1) };
}

/** A film at that path. */
function film(path, body = BODY, headers = HEADERS) {
    origin.script(path, (asked) => answerOf(asked, body, headers));
    return path;
}

const get = (path, headers = {}, { at = edge, host = 'north.example', ...options } = {}) => at.ask(host, path, { headers, ...options });
const ranged = (path, range, headers = {}, options = {}) => get(path, { range: `bytes=${range}`, ...headers }, options);

/** What the origin was asked for: ranges in their order, "all" for what had none. */
const ranges = (path) => origin.asked(path).map(({ headers }) => headers.range ?? 'all');

/** Asserts that the answer is just that part. */
function isPart(reply, first, last, body = BODY) {
    assert.deepEqual([reply.status, reply.headers['content-range']], [206, `bytes ${first}-${last}/${body.length}`]);
    assert.equal(reply.headers['content-length'], String(last - first + 1));
    assert.ok((reply.text ?? reply.body) === body.slice(first, last + 1), 'the bytes of that range');
}

// ---- what is stored, and answered from it

test('a range is fetched as parts, each once, and answered from them by both workers', async () => {
    const path = film('/film');
    const first = await ranged(path, '100-299');
    isPart(first, 100, 299);
    assert.equal(cacheStatus(first).stored, true);
    assert.deepEqual(ranges(path), ['all', part(0)]);
    for (const { visitors: [visitor] } of await visitorsByWorker(edge.port, 1)) {
        for (const [from, to] of [[0, 1], [100, 299], [16_000, 16_383], [5, 5]]) {
            const [reply] = await over([visitor.ask(path, { headers: { range: `bytes=${from}-${to}` } })]);
            isPart(reply, from, to);
            assert.equal(outcome(reply), 'hit');
            assert.ok(Number(reply.headers.age) >= 0);
            assert.equal(reply.headers.etag, '"v1"');
        }
        visitor.leave();
    }
    assert.deepEqual(ranges(path), ['all', part(0)]);
});

test('what is in several parts is put together; what of them is there is not fetched again', async () => {
    const path = film('/together');
    isPart(await ranged(path, '20000-40000'), 20_000, 40_000);
    assert.deepEqual(ranges(path), ['all', part(1), part(2)]);
    isPart(await ranged(path, '10000-60000'), 10_000, 60_000);
    assert.deepEqual(ranges(path), ['all', part(1), part(2), part(0), part(3)]);
    isPart(await ranged(path, '-10'), SIZE - 10, SIZE - 1);
    isPart(await ranged(path, '150000-'), 150_000, SIZE - 1);
    isPart(await ranged(path, '199990-999999'), 199_990, SIZE - 1);
    isPart(await ranged(path, '0-'), 0, SIZE - 1);
    const asked = ranges(path).slice(1);
    assert.equal(new Set(asked).size, asked.length, 'each part once');
    assert.equal(asked.length, Math.ceil(SIZE / PART));
});

test('what is past the end is 416, and the origin is not asked twice', async () => {
    const path = film('/past');
    for (const range of ['200000-', '999999999-', '200000-200001', '-0']) {
        const reply = await ranged(path, range);
        assert.deepEqual([reply.status, reply.headers['content-range']], [416, `bytes */${SIZE}`], range);
    }
    assert.deepEqual(ranges(path), ['all', part(12)]);
});

test('conditions: another version is the origin’s to answer, this one is answered from what is stored', async () => {
    const path = film('/conditions');
    isPart(await ranged(path, '0-9', { 'if-range': '"v1"' }), 0, 9);
    const count = origin.count(path);
    isPart(await ranged(path, '0-9', { 'if-range': '"v1"' }), 0, 9);
    const same = await ranged(path, '0-9', { 'if-none-match': '"v1"' });
    assert.deepEqual([same.status, same.text, outcome(same)], [304, '', 'hit']);
    assert.equal(origin.count(path), count);
    const other = await ranged(path, '0-9', { 'if-range': '"v0"' });
    assert.deepEqual([other.status, other.text === BODY], [200, true]);
    const weak = await ranged(path, '0-9', { 'if-range': 'W/"v1"' });
    assert.deepEqual([weak.status, weak.text === BODY], [200, true]);
});

test('several ranges, and those of other units, are answered with all of it', async () => {
    const path = film('/several');
    await ranged(path, '0-9');
    for (const range of ['bytes=0-1,100-101', 'lines=1-2', 'bytes=9-1']) {
        const reply = await get(path, { range });
        assert.deepEqual([reply.status, reply.text === BODY], [200, true], range);
    }
    assert.equal(ranges(path).filter((range) => range === part(0)).length, 1);
});

test('all of it: as ever when nothing of it is stored; else the rest is fetched, and it is one whole', async () => {
    const path = film('/whole');
    for (let i = 0; i < 2; i++) assert.ok((await get(path)).text === BODY);
    assert.deepEqual(ranges(path), ['all', 'all']);
    await ranged(path, '0-99');
    for (let i = 0; i < 2; i++) {
        const reply = await get(path);
        assert.deepEqual([reply.status, reply.headers['content-length'], reply.headers['content-range'], reply.headers['accept-ranges']], [200, String(SIZE), undefined, 'bytes']);
        assert.ok(reply.text === BODY);
        assert.equal(outcome(reply), 'hit');
    }
    const asked = ranges(path).filter((range) => range !== 'all');
    assert.deepEqual(asked, Array.from({ length: 13 }, (_, n) => part(n)));
    const count = origin.count(path);
    const head = await get(path, {}, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers['content-length'], head.text, outcome(head)], [200, String(SIZE), '', 'hit']);
    const headOfRange = await ranged(path, '0-9', {}, { method: 'HEAD' });
    assert.deepEqual([headOfRange.status, headOfRange.headers['content-length']], [200, String(SIZE)]);
    assert.equal(origin.count(path), count);
});

test('compressed, it is all of it, and a range of it is not', async () => {
    const path = film('/gzip/film');
    const visitor = await Visitor.open(edge.port);
    const ask = async (headers) => (await over([visitor.ask(path, { headers: { 'accept-encoding': 'gzip', ...headers } })]))[0];
    isPart(await ask({ range: 'bytes=0-99' }), 0, 99);
    const reply = await ask({});
    assert.deepEqual([reply.status, reply.headers['content-encoding']], [200, 'gzip']);
    assert.ok(gunzipSync(Buffer.from(reply.body, 'latin1')).toString() === BODY);
    visitor.leave();
});

test('what is not all there is never a whole answer: who is promised one and does not get it is cut off', async (t) => {
    const own = newPlace();
    const mortal = await startCacheOrigin();
    t.after(() => own.stop());
    const small = await startCacheEdge(own, mortal, { zone: ZONE });
    mortal.script('/film', (asked) => answerOf(asked));
    await ranged('/film', '0-99', {}, { at: small });
    await mortal.down();
    isPart(await ranged('/film', '0-99', {}, { at: small }), 0, 99);
    const [visitor] = await visitors(small.port, 1);
    const [reply] = await over([visitor.ask('/film')]);
    assert.deepEqual([reply.status, reply.isCut, reply.isWhole], [200, true, false]);
    assert.ok(reply.body === BODY.slice(0, PART));
    leaveAll([visitor]);
});

test('a herd that asks for one range has it fetched once', async () => {
    const path = film('/herd');
    const herd = await visitors(edge.port, 60);
    const replies = await over(askAll(herd, path, { headers: { range: 'bytes=30000-50000' } }));
    for (const reply of replies) isPart(reply, 30_000, 50_000);
    for (const n of [1, 2, 3]) assert.equal(ranges(path).filter((range) => range === part(n)).length, 1, part(n));
    leaveAll(herd);
    await nothingFlies(edge);
});

test('who reads slowly, and who leaves, hold up nobody; a part is passed on as it comes', async () => {
    const path = '/slow';
    origin.script(path, (asked) => {
        const answer = answerOf(asked);
        return asked.headers.range === part(1) ? { ...answer, pieces: [answer.body.slice(0, 100), answer.body.slice(100)], held: true } : answer;
    });
    const [stays, goes] = await visitors(edge.port, 2);
    const [one, other] = askAll([stays, goes], path, { headers: { range: 'bytes=16000-33000' } });
    const asked = await waitFor('the part that comes slowly', () => origin.asked(path).find(({ headers }) => headers.range === part(1)));
    asked.next();
    asked.next();
    await all([one, other], 'what has come', ({ bytes }) => bytes === PART - 16_000 + 100);
    goes.leave();
    asked.rest();
    await over([one]);
    isPart(one, 16_000, 33_000);
    leaveAll([stays]);
});

// ---- as any object

test('parts that are stale are asked about, by their tag, and each is refreshed by itself', async () => {
    const path = film('/stale', BODY, control('max-age=10', { age: '20', etag: '"v1"' }));
    isPart(await ranged(path, '0-20000'), 0, 20_000);
    isPart(await ranged(path, '0-20000'), 0, 20_000);
    const conditions = origin.asked(path).filter(({ headers }) => headers['if-none-match']).map(({ headers }) => headers.range);
    assert.deepEqual(conditions, [part(0), part(1)]);
});

test('a request that changes it makes all its parts untrue', async () => {
    const path = film('/changed');
    isPart(await ranged(path, '0-20000'), 0, 20_000);
    await get(path, {}, { method: 'POST' });
    const other = bodyOf(SIZE, 'anew');
    origin.script(path, (asked) => answerOf(asked, other, { ...HEADERS, etag: '"v2"' }));
    isPart(await ranged(path, '0-20000'), 0, 20_000, other);
    assert.deepEqual(ranges(path).filter((range) => range !== 'all'), [part(0), part(1)]);
});

test('variants and districts have parts of their own', async () => {
    const path = '/varies';
    origin.script(path, (asked) => answerOf(asked, bodyOf(SIZE, asked.headers['accept-language']), { ...HEADERS, vary: 'accept-language' }));
    for (let i = 0; i < 2; i++) {
        for (const language of ['de', 'en']) isPart(await ranged(path, '0-20000', { 'accept-language': language }), 0, 20_000, bodyOf(SIZE, language));
    }
    assert.equal(ranges(path).filter((range) => range !== 'all').length, 4);
    film('/of-district');
    for (const host of ['north.example', 'south.example']) isPart(await ranged('/of-district', '0-9', {}, { host }), 0, 9);
    assert.equal(ranges('/of-district').filter((range) => range === part(0)).length, 2);
});

test('what may not be stored is not: it goes by', async () => {
    const path = '/private';
    origin.script(path, (asked) => answerOf(asked, BODY, asked.headers.range ? control('private', { etag: '"v1"' }) : HEADERS));
    for (let i = 0; i < 3; i++) isPart(await ranged(path, '5-9'), 5, 9);
    assert.deepEqual(ranges(path), ['all', part(0), 'bytes=5-9', 'bytes=5-9', 'bytes=5-9']);
});

test('a range of what is for one alone is cut out of the whole; while that is known, the origin is asked for it', async () => {
    const path = '/own';
    origin.script(path, (asked) => answerOf(asked, BODY, control('private', { etag: '"v1"' })));
    for (let i = 0; i < 3; i++) isPart(await ranged(path, '5-9'), 5, 9);
    assert.deepEqual(ranges(path), ['all', 'bytes=5-9', 'bytes=5-9']);
});

// ---- an origin that answers with something else

test('another version in the middle: who is in it is cut off, and what there is of it is asked about', async () => {
    const path = '/versions';
    const anew = bodyOf(SIZE, 'anew');
    origin.script(path, (asked) => (asked.headers.range === part(0) && !asked.headers['if-none-match'] ? answerOf(asked) : answerOf(asked, anew, { ...HEADERS, etag: '"v2"' })));
    const [visitor] = await visitors(edge.port, 1);
    const [reply] = await over([visitor.ask(path, { headers: { range: 'bytes=0-40000' } })]);
    assert.deepEqual([reply.status, reply.isCut], [206, true]);
    assert.ok(reply.body === BODY.slice(0, PART));
    isPart(await ranged(path, '0-40000'), 0, 40_000, anew);
    isPart(await ranged(path, '0-40000'), 0, 40_000, anew);
    leaveAll([visitor]);
});

for (const [name, headers] of [['no tag', { etag: null }], ['a weak tag', { etag: 'W/"v1"' }]]) {
    test(`with ${name} parts are stored, and not put together`, async () => {
        const path = film(`/tags/${name.replaceAll(' ', '-')}`, BODY, { ...HEADERS, ...headers });
        for (let i = 0; i < 2; i++) isPart(await ranged(path, '5-9'), 5, 9);
        assert.deepEqual(ranges(path), ['all', part(0)]);
        isPart(await ranged(path, '0-20000'), 0, 20_000);
        assert.equal(ranges(path).at(-1), 'bytes=0-20000');
    });
}

const whole = `bytes 0-${PART - 1}/${SIZE}`;
const hostile = [
    ['a body that is shorter than it says', { status: 206, headers: { ...HEADERS, 'content-range': whole }, body: BODY.slice(0, 100) }],
    ['a body that is longer', { status: 206, headers: { ...HEADERS, 'content-range': whole }, body: BODY.slice(0, PART + 1) }],
    ['a body without a length', { status: 206, headers: { ...HEADERS, 'content-range': whole }, body: BODY.slice(0, PART), length: 'chunked' }],
    ['another range', { status: 206, headers: { ...HEADERS, 'content-range': `bytes 1-${PART}/${SIZE}` }, body: BODY.slice(1, PART + 1) }],
    ['less than there is', { status: 206, headers: { ...HEADERS, 'content-range': `bytes 0-99/${SIZE}` }, body: BODY.slice(0, 100) }],
    ['an end past the length', { status: 206, headers: { ...HEADERS, 'content-range': `bytes 0-${PART - 1}/100` }, body: BODY.slice(0, PART) }],
    ['a length that is not told', { status: 206, headers: { ...HEADERS, 'content-range': `bytes 0-${PART - 1}/*` }, body: BODY.slice(0, PART) }],
    ['a length past all bounds', { status: 206, headers: { ...HEADERS, 'content-range': `bytes 0-${PART - 1}/99999999999999999999` }, body: BODY.slice(0, PART) }],
    ['no word of what it is', { status: 206, headers: HEADERS, body: BODY.slice(0, PART) }],
    ['several parts', { status: 206, headers: { ...HEADERS, 'content-type': 'multipart/byteranges; boundary=x' }, body: `--x\r\ncontent-range: ${whole}\r\n\r\n${BODY.slice(0, PART)}\r\n--x--` }],
    ['all of it', { headers: HEADERS, body: BODY }],
    ['an error', { status: 500, headers: control('max-age=600'), body: 'no' }],
];

for (const [i, [name, answer]] of hostile.entries()) {
    test(`a part for which ${name} comes is not stored: who has asked gets what the origin says to him`, async () => {
        const path = `/hostile/${i}`;
        origin.script(path, (asked) => (asked.headers.range === part(0) ? answer : answerOf(asked)));
        for (let n = 0; n < 2; n++) isPart(await ranged(path, '5-9'), 5, 9);
        assert.deepEqual(ranges(path).slice(0, 3), ['all', part(0), 'bytes=5-9']);
        assert.ok(ranges(path).slice(3).includes('bytes=5-9'), 'it was asked for again');
    });
}

test('a part that breaks off is not stored: who has some of it is cut off, the next one gets it', async () => {
    const path = '/breaks';
    let broken = true;
    origin.script(path, (asked) => {
        const answer = answerOf(asked);
        return asked.headers.range === part(1) && broken ? { ...answer, pieces: [answer.body.slice(0, 100), answer.body.slice(100)], held: true } : answer;
    });
    const [visitor] = await visitors(edge.port, 1);
    const reply = visitor.ask(path, { headers: { range: 'bytes=16000-20000' } });
    const asked = await waitFor('the part that will break', () => origin.asked(path).find(({ headers }) => headers.range === part(1)));
    asked.next();
    asked.next();
    await all([reply], 'what has come', ({ bytes }) => bytes === PART - 16_000 + 100);
    broken = false;
    asked.socket.destroy();
    await over([reply]);
    assert.ok(reply.isCut && reply.body === BODY.slice(16_000, PART + 100));
    isPart(await ranged(path, '16000-20000'), 16_000, 20_000);
    leaveAll([visitor]);
});

// ---- with files

/** An edge with files, and another one in its place. */
async function withFiles(t, words = 'disk=16m largest_file=100k') {
    const own = newPlace();
    t.after(() => own.stop());
    const folder = own.folder('cache');
    const start = () => startCacheEdge(own, origin, { zone: `${ZONE} ${words} path=${folder}` });
    const first = await start();
    return { first, again: async () => { await own.stopProgram(first.program); return start(); } };
}

test('parts are in files, too, and there when nginx begins again', async (t) => {
    const path = film('/files');
    const { first, again } = await withFiles(t);
    isPart(await ranged(path, '0-40000', {}, { at: first }), 0, 40_000);
    await waitFor('three files', async () => (await zoneFigure(first, 'files')) === 3);
    const count = origin.count(path);
    const second = await again();
    const reply = await ranged(path, '0-40000', {}, { at: second });
    isPart(reply, 0, 40_000);
    assert.deepEqual([outcome(reply), origin.count(path)], ['hit', count]);
});

test('who wants the end of what is still coming does not wait for what is before it', async (t) => {
    const path = '/seek';
    const body = bodyOf(600_000);
    const { first } = await withFiles(t, 'disk=16m largest_file=1m');
    origin.script(path, (asked) => (asked.headers.range ? answerOf(asked, body) : { headers: HEADERS, pieces: [body.slice(0, 50_000), body.slice(50_000)], held: true }));
    const [viewer, seeker] = await visitors(first.port, 2);
    const watched = viewer.ask(path);
    const asked = await origin.arrived(path);
    asked.next();
    asked.next();
    await all([watched], 'the beginning', ({ bytes }) => bytes === 50_000);
    const [sought] = await over([seeker.ask(path, { headers: { range: 'bytes=500000-500099' } })]);
    isPart(sought, 500_000, 500_099, body);
    assert.deepEqual(ranges(path), ['all', part(30)]);
    asked.rest();
    await over([watched]);
    assert.ok(watched.body === body);
    const hit = await askUntil(first, 'north.example', path, 'the whole to be stored', (reply) => outcome(reply) === 'hit');
    assert.ok(hit.text === body);
    isPart(await ranged(path, '300000-400000', {}, { at: first }), 300_000, 400_000, body);
    assert.deepEqual(ranges(path), ['all', part(30)]);
    leaveAll([viewer, seeker]);
});
