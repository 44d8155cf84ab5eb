// bell_cache: what happens to answers whose lifetime is over: validation, stale answers and their windows, exam mode, and what clients ask of the cache.
// Answers that are to be stale are stale when they come (their Age says so): no test waits for a lifetime to end.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { waitFor } from '../lib/wait.mjs';
import { CLOSE, RESET, startCacheOrigin } from './cache-origin.mjs';
import { askUntil, at, cacheStatus, control, fresh, outcome, stale, startCacheEdge, store as storeAt } from './cache.mjs';

const place = newPlace();
let origin;
let edge;

const server = `
    location / { proxy_pass http://origin; }
    location /windows/ { bell_cache_default_swr 10m; bell_cache_default_sie 10m; proxy_pass http://origin; }
    location /bound/ { bell_cache_stale_max 5m; proxy_pass http://origin; }
    location /heed/ { bell_cache_client_control on; proxy_pass http://origin; }
    location /early/ { bell_cache_refresh_early 100; proxy_pass http://origin; }
    location /bare/ { proxy_pass http://bare; }
    location /exam/ { bell_cache_exam $http_x_exam; proxy_pass http://origin; }`;

before(async () => {
    origin = await startCacheOrigin();
    edge = await startCacheEdge(place, origin, { server });
});

after(async () => {
    await origin?.close();
    await place.stop();
});

const get = (path, headers = {}, options = {}) => edge.ask('north.example', path, { headers, ...options });
const store = (path, answer) => storeAt(edge, origin, path, answer);
const later = { headers: fresh, body: 'new' };
const modified = at(-3600);

// ---- validation

for (const [name, validator, field] of [['ETag', { etag: '"1"' }, 'if-none-match'], ['Last-Modified', { etag: null, 'last-modified': modified }, 'if-modified-since']]) {
    test(`what is stale is validated by ${name}; a 304 updates what is stored`, async () => {
        const path = `/validate/${field}`;
        const { etag, 'last-modified': date } = validator;
        origin.script(path, { headers: stale('', { ...validator, 'x-version': 'one' }), body: 'body' }, { status: 304, headers: control('max-age=60', { ...validator, 'x-version': 'two' }) });
        await get(path);
        const reply = await get(path);
        assert.deepEqual([reply.status, reply.text, reply.headers['x-version'], outcome(reply)], [200, 'body', 'two', 'stale 304']);
        assert.equal(origin.asked(path)[1].headers[field], etag ?? date);
        const hit = await get(path);
        assert.deepEqual([hit.text, hit.headers['x-version'], outcome(hit), origin.count(path)], ['body', 'two', 'hit', 2]);
        assert.equal(Number(hit.headers.age) + cacheStatus(hit).ttl, 60);
    });
}

test('what is stale and has changed is another one from then on', async () => {
    origin.script('/replace', { headers: stale(), body: 'old' }, { headers: { ...fresh, etag: '"2"' }, body: 'new' });
    assert.equal((await get('/replace')).text, 'old');
    const reply = await get('/replace');
    assert.deepEqual([reply.text, reply.headers.etag, outcome(reply)], ['new', '"2"', 'stale 200']);
    assert.deepEqual([(await get('/replace')).text, origin.count('/replace')], ['new', 2]);
});

for (const [name, stored, answered] of [['another strong tag', { etag: '"1"' }, { etag: '"2"' }], ['a tag where there was none', { etag: null, 'last-modified': modified }, { etag: '"2"' }],
    ['another weak tag', { etag: 'W/"1"' }, { etag: 'W/"2"' }], ['another date alone', { etag: null, 'last-modified': modified }, { 'last-modified': at(-60) }]]) {
    test(`a 304 with ${name} says nothing of what is stored: the whole is fetched`, async () => {
        const path = `/other/${name.replaceAll(' ', '-')}`;
        origin.script(path, { headers: stale('', stored), body: 'old' }, { status: 304, headers: control('max-age=60', answered) }, { headers: { ...fresh, etag: '"2"' }, body: 'new' });
        assert.equal((await get(path)).text, 'old');
        const reply = await get(path);
        assert.deepEqual([reply.status, reply.text, reply.headers.etag], [200, 'new', '"2"']);
        const { headers } = origin.asked(path)[2];
        assert.deepEqual([headers['if-none-match'], headers['if-modified-since']], [undefined, undefined]);
        const hit = await get(path);
        assert.deepEqual([hit.text, outcome(hit), origin.count(path)], ['new', 'hit', 3]);
    });
}

for (const [name, answered] of [['the same weak tag', { etag: 'W/"1"' }], ['no tag', {}]]) {
    test(`a 304 with ${name} is about what is stored`, async () => {
        const path = `/same/${name.replaceAll(' ', '-')}`;
        origin.script(path, { headers: stale(), body: 'body' }, { status: 304, headers: control('max-age=60', answered) });
        await get(path);
        assert.deepEqual([outcome(await get(path)), outcome(await get(path)), origin.count(path)], ['stale 304', 'hit', 2]);
    });
}

test('no-cache: stored, and validated each time', async () => {
    const headers = control('no-cache', { etag: '"1"' });
    origin.script('/no-cache', { headers, body: 'body' }, { status: 304, headers });
    for (const count of [1, 2, 3]) {
        assert.equal((await get('/no-cache')).text, 'body');
        assert.equal(origin.count('/no-cache'), count);
    }
});

test('a condition of the client meets what validation has found', async () => {
    origin.script('/both', { headers: stale(), body: 'body' }, { status: 304, headers: control('max-age=10', { etag: '"1"', age: '20' }) }, { headers: { ...fresh, etag: '"2"' }, body: 'new' });
    await get('/both');
    assert.equal((await get('/both', { 'if-none-match': '"1"' })).status, 304);
    const reply = await get('/both', { 'if-none-match': '"1"' });
    assert.deepEqual([reply.status, reply.text], [200, 'new']);
});

// ---- stale answers

/** Asks for what is stale and refreshed behind: the old answer at once while the origin is silent, the new one later. */
async function refreshedBehind(path, headers) {
    origin.script(path, { headers, body: 'old' }, { ...later, held: true });
    await get(path);
    for (let i = 0; i < 3; i++) {
        const reply = await get(path);
        assert.deepEqual([reply.text, outcome(reply)], ['old', 'stale hit']);
        assert.equal(Number(reply.headers.age) + cacheStatus(reply).ttl, 10);
    }
    const refresh = await origin.arrived(path, 2);
    refresh.rest();
    const reply = await askUntil(edge, 'north.example', path, 'the new answer', ({ text }) => text === 'new');
    assert.deepEqual([outcome(reply), origin.count(path)], ['hit', 2]);
}

test('stale-while-revalidate: the stale answer at once, one refresh behind', () => refreshedBehind('/behind', stale('stale-while-revalidate=600')));

test('the same without a validator', () => refreshedBehind('/behind-plain', stale('stale-while-revalidate=600', { etag: null })));

test('the operator’s window, for what says nothing of one', () => refreshedBehind('/windows/behind', stale()));

test('what many ask for is refreshed shortly before it ends, by chance, and nobody waits for it', async () => {
    let tries = 0;
    await waitFor('a refresh of what is fresh', async () => {
        const path = `/early/${tries++}`;
        origin.script(path, { headers: control('max-age=60, stale-while-revalidate=600', { age: '57' }), body: 'old', held: true }, { ...later, held: true });
        const first = get(path);
        (await origin.arrived(path)).rest(); // it has taken some time
        await first;
        for (;;) {
            const replies = await Promise.all(Array.from({ length: 20 }, () => get(path)));
            assert.ok(replies.every(({ text }) => text === 'old'));
            if (!replies.every((reply) => outcome(reply) === 'hit')) return false; // its time was over before chance would have it: another one
            if (origin.count(path) === 2) return true;
        }
    });
});

for (const status of [401, 403, 429]) {
    test(`a refresh whose asker is answered ${status} takes nothing away from others`, async () => {
        const path = `/asker/${status}`;
        origin.script(path, { headers: stale('stale-while-revalidate=600'), body: 'old' }, { status, headers: control('no-store') }, { ...later, held: true });
        await get(path);
        assert.equal((await get(path, { authorization: 'Bearer nonsense' })).text, 'old');
        await origin.arrived(path, 2);
        await waitFor('the next refresh', async () => {
            assert.equal(outcome(await get(path)), 'stale hit');
            return origin.count(path) === 3;
        });
        const replies = await Promise.all(Array.from({ length: 10 }, () => get(path)));
        assert.deepEqual(replies.map((reply) => [reply.text, outcome(reply)]), Array(10).fill(['old', 'stale hit']));
        const asked = await origin.arrived(path, 3);
        asked.rest();
        await askUntil(edge, 'north.example', path, 'the new answer', (reply) => reply.text === 'new');
        assert.equal(origin.count(path), 3);
    });
}

test('a refresh that fails leaves what is stored, and the next request tries again', async () => {
    origin.script('/behind-failed', { headers: stale('stale-while-revalidate=600'), body: 'old' }, { status: 503, body: 'down' }, later);
    await get('/behind-failed');
    await askUntil(edge, 'north.example', '/behind-failed', 'the new answer', (reply) => {
        assert.ok(['old', 'new'].includes(reply.text), reply.text);
        return reply.text === 'new';
    });
});

const mustAsk = [
    ['past its window', stale('stale-while-revalidate=5')],
    ['must-revalidate', stale('stale-while-revalidate=600, must-revalidate')],
    ['proxy-revalidate', stale('stale-while-revalidate=600, proxy-revalidate')],
    ['s-maxage', control('s-maxage=10, stale-while-revalidate=600', { age: '20', etag: '"1"' })],
    ['no-cache', stale('stale-while-revalidate=600, no-cache')],
    ['the operator’s bound', stale('stale-while-revalidate=9000000', { age: '1000' }), '/bound/a'],
    ['the bound of a day', stale('stale-while-revalidate=9000000', { age: '100000' })],
    ['exam mode', stale('stale-while-revalidate=600'), '/exam/behind', { 'x-exam': '1' }],
];

for (const [i, [name, headers, path = `/must-ask/${i}`, asks = {}]] of mustAsk.entries()) {
    test(`nothing stale is served: ${name}`, async () => {
        origin.script(path, { headers, body: 'old' }, later);
        await get(path);
        const reply = await get(path, asks);
        assert.deepEqual([reply.text, outcome(reply)], ['new', 'stale 200']);
    });
}

test('exam mode that is not on: 0 and nothing are no', async () => {
    origin.script('/exam/off', { headers: stale('stale-while-revalidate=600'), body: 'old' }, { ...later, held: true });
    await get('/exam/off');
    for (const headers of [{}, { 'x-exam': '0' }]) assert.equal((await get('/exam/off', headers)).text, 'old');
});

const failures = [
    ['500', { status: 500, body: 'failed' }],
    ['503', { status: 503, body: 'failed' }],
    ['a connection that ends', { instead: CLOSE }],
    ['a connection that is reset', { instead: RESET }],
];

for (const [name, failure] of failures) {
    test(`stale-if-error: ${name}`, async () => {
        const path = `/bare/if-error/${name.replaceAll(' ', '-')}`;
        origin.script(path, { headers: stale('stale-if-error=600'), body: 'old' }, failure, later);
        await get(path);
        const reply = await get(path);
        assert.deepEqual([reply.status, reply.text], [200, 'old']);
        assert.ok(Number(reply.headers.age) >= 20);
        await askUntil(edge, 'north.example', path, 'the new answer', ({ text }) => text === 'new');
    });
}

const mustFail = [
    ['no window', stale(), {}],
    ['must-revalidate', stale('stale-if-error=600, must-revalidate'), {}],
    ['exam mode', stale('stale-if-error=600'), { 'x-exam': 'yes' }],
];

for (const [i, [name, headers, asks]] of mustFail.entries()) {
    test(`the error is told: ${name}`, async () => {
        const path = `/exam/error-${i}`;
        origin.script(path, { headers, body: 'old' }, { status: 503, body: 'down' });
        await get(path);
        const reply = await get(path, asks);
        assert.deepEqual([reply.status, reply.text], [503, 'down']);
    });
}

test('the operator’s window for errors', async () => {
    origin.script('/windows/error', { headers: control('max-age=10, stale-while-revalidate=0', { age: '20', etag: '"1"' }), body: 'old' }, { status: 503 });
    await get('/windows/error');
    assert.deepEqual([(await get('/windows/error')).text, origin.count('/windows/error')], ['old', 2]);
});

test('an answer is no error: 404 takes the place of what was stored', async () => {
    origin.script('/gone', { headers: stale('stale-if-error=600'), body: 'old' }, { status: 404, headers: fresh, body: 'gone' });
    await get('/gone');
    for (let i = 0; i < 2; i++) assert.equal((await get('/gone')).status, 404);
    assert.equal(origin.count('/gone'), 2);
});

test('stale-if-error: not what was made untrue while somebody waited for its refresh', async () => {
    const path = '/untrue';
    origin.script(path, ({ method }, count) => {
        if (method === 'POST') return { status: 204 };
        return count === 1 ? { headers: stale('stale-if-error=600'), body: 'old' } : { status: 500, headers: control('no-store'), body: 'failed', held: true };
    });
    await get(path);
    const reply = get(path);
    const asked = await origin.arrived(path, 2);
    assert.equal((await get(path, {}, { method: 'POST' })).status, 204);
    asked.rest();
    assert.equal((await reply).status, 500);
});

// ---- what clients ask of the cache

test('Cache-Control of requests counts only where the operator says so', async () => {
    const wishes = [{ 'cache-control': 'no-cache' }, { pragma: 'no-cache' }, { 'cache-control': 'max-age=0' }];
    for (const path of ['/heedless', '/heed/a']) {
        await store(path, (asked, count) => ({ headers: control('max-age=60', { age: '5' }), body: String(count) }));
        for (const wish of wishes) assert.equal(outcome(await get(path, wish)), path === '/heed/a' ? 'request 200' : 'hit', `${path} ${JSON.stringify(wish)}`);
        const { text } = await get(path);
        assert.equal(text, path === '/heed/a' ? '4' : '1', 'what came last is stored');
    }
});

test('only-if-cached: 504 for what is not stored, where clients are heeded', async () => {
    origin.script('/heed/only', { headers: fresh });
    const asks = { 'cache-control': 'only-if-cached' };
    assert.equal((await get('/heed/only', asks)).status, 504);
    assert.equal(origin.count('/heed/only'), 0);
    await get('/heed/only');
    assert.equal(outcome(await get('/heed/only', asks)), 'hit');
    origin.script('/only', { headers: fresh });
    assert.equal((await get('/only', asks)).status, 200);
});

test('no-store of a request: the answer is not stored, where clients are heeded', async () => {
    origin.script('/heed/no-store', (asked, count) => ({ headers: fresh, body: String(count) }));
    await get('/heed/no-store', { 'cache-control': 'no-store' });
    assert.deepEqual([(await get('/heed/no-store')).text, (await get('/heed/no-store')).text], ['2', '2']);
});
