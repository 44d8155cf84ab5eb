// bell_cache_fetches: how many fetch at once, who is next, who is refused, and what becomes of places whose holder dies. What is asked of the origin, and in
// which order, is the origin's to say; each step waits until the edge has come where it is to be.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { freePort, newPlace } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { testNginx } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { startCacheOrigin } from './cache-origin.mjs';
import { Visitor, askAll, leaveAll, over, visitors, visitorsByWorker } from './cache-visitors.mjs';
import { askUntil, cacheHttp, cacheStatus, control, figures, fresh, isHit, leaves, loadCache, nothingFlies, outcome, stale, startCacheEdge, zoneFigure } from './cache.mjs';
import { nginxConf } from './support.mjs';

const NORTH = 'north.example';
const SOUTH = 'south.example';

/** A test with an origin, an edge whose server has these lines, and one who asks: body({edge, origin, …}). */
function fetchTest(name, fetches, body, more = '') {
    test(name, async () => {
        const place = newPlace();
        place.expect(/exited on signal 9/);
        place.expect(/shared memory zone "main" was locked by/);
        const origin = await startCacheOrigin();
        const order = []; // paths, as the origin is asked for them
        const those = [];
        try {
            const edge = await startCacheEdge(place, origin, { server: `bell_cache_fetches ${fetches}; ${more} location / { proxy_pass http://origin; }` });
            const waiting = (count) => waitFor(`${count} fetches to wait`, async () => (await zoneFigure(edge, 'fetches_waiting')) === count);
            /** Has an answer held at the origin. */
            const hold = (path, answer = { headers: fresh, body: path }) => origin.script(path, () => order.push(path) && { ...answer, held: true });
            /** Somebody asks for it, of whom the edge knows when this is over. */
            const ask = async (path, { host = NORTH, on, waits } = {}) => {
                const visitor = on ?? (await Visitor.open(edge.port));
                those.push(visitor);
                const reply = visitor.ask(path, { host });
                if (waits === undefined) await origin.arrived(path);
                else await waiting(waits);
                return reply;
            };
            /** The origin answers; the next is there when this is over. */
            const finish = async (path, next) => {
                origin.asked(path, 'GET').at(-1).rest();
                if (next) await waitFor(`${next} at the origin`, () => order.includes(next));
            };
            await body({ edge, origin, order, waiting, hold, ask, finish, place });
            await nothingFlies(edge);
            assert.equal(await zoneFigure(edge, 'fetches_waiting'), 0);
        } finally {
            leaveAll(those);
            await origin.close();
            await place.stop();
        }
    });
}

const isRefused = (reply) => {
    assert.equal(reply.status, 503);
    assert.match(reply.headers['retry-after'], /^[1-9]\d*$/);
    assert.equal(cacheStatus(reply).detail, 'refused');
};

fetchTest('so many at once of a tenant, and of all: the next one is of the tenant whose turn it is', 'tenant=2 pool=3 queue=20', async ({ order, hold, ask, finish }) => {
    const all = ['/n1', '/n2', '/n3', '/n4', '/s1', '/s2', '/s3'];
    for (const path of all) hold(path);
    const replies = [await ask('/n1'), await ask('/n2')];
    replies.push(await ask('/n3', { waits: 1 }), await ask('/n4', { waits: 2 })); // two of a tenant
    replies.push(await ask('/s1', { host: SOUTH }));
    replies.push(await ask('/s2', { host: SOUTH, waits: 3 }), await ask('/s3', { host: SOUTH, waits: 4 })); // three of all
    assert.deepEqual(order, ['/n1', '/n2', '/s1']);
    await finish('/n1', '/s2');
    await finish('/n2', '/n3');
    await finish('/s1', '/n4');
    await finish('/n3', '/s3');
    for (const path of ['/n4', '/s2', '/s3']) await finish(path);
    await over(replies);
    assert.deepEqual(replies.map((reply) => reply.body), ['/n1', '/n2', '/n3', '/n4', '/s1', '/s2', '/s3']);
    assert.deepEqual(order, ['/n1', '/n2', '/s1', '/s2', '/n3', '/n4', '/s3']);
});

fetchTest('a district’s herd of different addresses does not starve another one', 'pool=1 queue=100', async ({ order, hold, ask, finish, origin }) => {
    const herd = Array.from({ length: 40 }, (_, n) => `/herd/${n}`);
    for (const path of [...herd, '/s1', '/s2']) hold(path);
    const replies = [await ask(herd[0])];
    for (const [i, path] of herd.slice(1).entries()) replies.push(await ask(path, { waits: i + 1 }));
    replies.push(await ask('/s1', { host: SOUTH, waits: 40 }), await ask('/s2', { host: SOUTH, waits: 41 }));
    for (let done = 0; done < 42; done++) {
        const path = await waitFor('the next', () => order[done]);
        assert.equal(order.length, done + 1, 'one at a time');
        await finish(path);
    }
    await over(replies);
    assert.ok(replies.every((reply) => reply.status === 200));
    assert.deepEqual(order.slice(0, 6), [herd[0], herd[1], '/s1', herd[2], '/s2', herd[3]]);
    assert.deepEqual(order.filter((path) => path.startsWith('/herd')), herd);
    assert.ok(herd.every((path) => origin.count(path) === 1));
});

fetchTest('many who wait for what waits for a place: it is fetched once for them', 'pool=1 queue=10', async ({ edge, hold, ask, finish, origin }) => {
    for (const path of ['/n1', '/n2']) hold(path);
    const first = await ask('/n1');
    const groups = await visitorsByWorker(edge.port, 10);
    const herd = groups.flatMap(({ visitors: those }) => askAll(those, '/n2'));
    await waitFor('one to wait', async () => (await zoneFigure(edge, 'fetches_waiting')) === 1);
    await finish('/n1', '/n2');
    await finish('/n2');
    await over([first, ...herd]);
    assert.ok(herd.every((reply) => reply.body === '/n2'));
    assert.equal(origin.count('/n2'), 1);
    leaveAll(herd.map((reply) => reply.visitor));
});

fetchTest('a full queue: its greatest guest is refused, and pushed out by who has less of it', 'pool=1 queue=2', async ({ edge, order, hold, ask, finish }) => {
    for (const path of ['/n1', '/n2', '/n3', '/n4', '/s1', '/s2']) hold(path);
    const running = await ask('/n1');
    const waits = await ask('/n2', { waits: 1 });
    const pushedOut = await ask('/n3', { waits: 2 });
    isRefused((await over([await ask('/n4', { waits: 2 })]))[0]);
    const other = await ask('/s1', { host: SOUTH, waits: 2 });
    isRefused((await over([pushedOut]))[0]);
    isRefused((await over([await ask('/s2', { host: SOUTH, waits: 2 })]))[0]);
    assert.equal(await zoneFigure(edge, 'fetches_refused_total'), 3);
    await finish('/n1', '/n2');
    await finish('/n2', '/s1');
    await finish('/s1');
    await over([running, waits, other]);
    assert.deepEqual([running.body, waits.body, other.body], ['/n1', '/n2', '/s1']);
    assert.deepEqual(order, ['/n1', '/n2', '/s1']);
});

fetchTest('who has waited for bell_cache_wait gets 503, or what is stale where that is allowed; nobody fetches for him any more', 'pool=1 queue=9', async ({ edge, origin, order, waiting, hold, ask, finish }) => {
    origin.script('/if-error', { headers: stale('stale-if-error=600'), body: 'old' });
    await edge.ask(NORTH, '/if-error');
    for (const path of ['/n1', '/n2', '/if-error']) hold(path);
    const running = (await ask('/n1')).visitor;
    running.leave(); // the fetch goes on
    const [refused, served] = [await ask('/n2', { waits: 1 }), await ask('/if-error', { waits: 2 })];
    await over([refused, served]);
    isRefused(refused);
    assert.deepEqual([served.status, served.body], [200, 'old']);
    await waiting(0);
    await finish('/n1');
    assert.deepEqual(order, ['/n1']);
}, 'bell_cache_wait 1s;');

fetchTest('a refresh behind goes last, and is the first to go from a full queue', 'pool=1 queue=2', async ({ edge, origin, order, hold, ask, finish }) => {
    for (const path of ['/r1', '/r2']) {
        origin.script(path, { headers: stale('stale-while-revalidate=600'), body: 'old' });
        await edge.ask(NORTH, path);
    }
    for (const path of ['/n1', '/n2', '/n3', '/r1', '/r2']) hold(path);
    const replies = [await ask('/n1')];
    assert.equal((await over([await ask('/r1', { waits: 1 })]))[0].body, 'old');
    replies.push(await ask('/n2', { waits: 2 }));
    assert.equal((await over([await ask('/r2', { waits: 2 })]))[0].body, 'old'); // no room for its refresh
    assert.equal(await zoneFigure(edge, 'fetches_refused_total'), 1);
    await finish('/n1', '/n2');
    replies.push(await ask('/n3', { waits: 2 }));
    await finish('/n2', '/n3');
    await finish('/n3', '/r1');
    await finish('/r1');
    await askUntil(edge, NORTH, '/r1', 'the refreshed one', (reply) => reply.text === '/r1');
    await over(replies);
    assert.deepEqual(order, ['/n1', '/n2', '/n3', '/r1']);
});

fetchTest('one for whom nobody waited goes when somebody wants a full queue’s place', 'pool=1 queue=1', async ({ edge, origin, order, hold, ask, finish }) => {
    origin.script('/r1', { headers: stale('stale-while-revalidate=600'), body: 'old' });
    await edge.ask(NORTH, '/r1');
    for (const path of ['/n1', '/n2', '/r1']) hold(path);
    const running = await ask('/n1');
    assert.equal((await over([await ask('/r1', { waits: 1 })]))[0].body, 'old');
    const other = await ask('/n2', { waits: 1 });
    await waitFor('the refresh to go', async () => (await zoneFigure(edge, 'fetches_refused_total')) === 1);
    await finish('/n1', '/n2');
    await finish('/n2');
    await over([running, other]);
    await nothingFlies(edge);
    assert.deepEqual(order, ['/n1', '/n2']);
});

fetchTest('a refresh that somebody comes to wait for, and one for whom he has left', 'pool=1 queue=9', async ({ edge, origin, order, hold, ask, finish }) => {
    for (const path of ['/r1', '/r2']) {
        origin.script(path, { headers: stale('stale-while-revalidate=600'), body: 'old' });
        await edge.ask(NORTH, path);
    }
    for (const path of ['/n1', '/n2', '/n3']) hold(path);
    for (const path of ['/r1', '/r2']) origin.script(path, (asked) => (asked.method === 'POST' ? { status: 204 } : order.push(path) && { headers: fresh, body: path, held: true }));
    const replies = [await ask('/n1'), await ask('/r1', { waits: 1 }), await ask('/r2', { waits: 2 })];
    const left = await ask('/n2', { waits: 3 });
    replies.push(await ask('/n3', { waits: 4 }));
    await leaves(edge, left.visitor);
    await edge.ask(NORTH, '/r2', { method: 'POST' }); // what is stored of it is true no more
    const visitor = await Visitor.open(edge.port);
    const { writing } = await figures(edge);
    const waits = visitor.ask('/r2');
    await waitFor('the edge to have him waiting', async () => (await figures(edge)).writing > writing);
    replies.push(waits);
    await finish('/n1', '/n3');
    await finish('/n3', '/r2');
    await finish('/r2', '/r1');
    await finish('/r1', '/n2');
    await finish('/n2');
    await over(replies);
    assert.deepEqual(order, ['/n1', '/n3', '/r2', '/r1', '/n2']);
    assert.equal(waits.body, '/r2');
    visitor.leave();
});

fetchTest('a fetch whose answer is for one client alone has its place until that begins', 'pool=1 queue=9', async ({ origin, order, hold, ask, finish }) => {
    hold('/his', { headers: control('no-store'), body: 'his' });
    hold('/n1');
    const replies = [await ask('/his'), await ask('/n1', { waits: 1 })];
    origin.asked('/his')[0].next(); // its head, and no more
    await origin.arrived('/n1');
    for (const path of ['/n1', '/his']) await finish(path);
    await over(replies);
    assert.deepEqual([replies.map((reply) => reply.body), order], [['his', '/n1'], ['/his', '/n1']]);
});

const workers = (edge) => children(edge.program.child.pid);

fetchTest('a worker that is killed gives its places back, and what waited in it waits no more', 'pool=2 queue=9', async ({ edge, origin, order, hold, ask, finish, waiting }) => {
    for (const path of ['/n1', '/n2', '/n3', '/n4', '/n5']) hold(path);
    const [one, other] = await visitorsByWorker(edge.port, 3);
    for (const [i, path] of ['/n1', '/n2'].entries()) await ask(path, { on: one.visitors[i] });
    await ask('/n3', { on: one.visitors[2], waits: 1 });
    const replies = [await ask('/n4', { on: other.visitors[0], waits: 2 }), await ask('/n5', { on: other.visitors[1], waits: 3 })];
    process.kill(one.worker, 'SIGKILL');
    await origin.arrived('/n4');
    await origin.arrived('/n5');
    await waiting(0);
    for (const path of ['/n4', '/n5']) await finish(path);
    await over(replies);
    assert.deepEqual(replies.map((reply) => reply.body), ['/n4', '/n5']);
    assert.deepEqual(order.slice(0, 2), ['/n1', '/n2']);
    assert.deepEqual(order.slice(2).sort(), ['/n4', '/n5']);
    await waitFor('both workers', () => workers(edge).length === 2 && !workers(edge).includes(one.worker));
    leaveAll([...one.visitors, ...other.visitors]);
});

fetchTest('a reload: those who wait have their turns, of before and of now', 'pool=1 queue=9', async ({ edge, order, hold, ask, finish }) => {
    for (const path of ['/n1', '/n2', '/n3']) hold(path);
    const replies = [await ask('/n1'), await ask('/n2', { waits: 1 })];
    const former = workers(edge);
    edge.reload();
    await waitFor('new workers', () => workers(edge).filter((pid) => !former.includes(pid)).length === 2);
    const [now] = await waitFor('a visitor of a new worker', async () => {
        const those = await visitors(edge.port, 4);
        const told = await over(askAll(those, '/worker'));
        const found = told.filter(({ headers, visitor }) => headers && !former.includes(Number(headers.worker)) && !visitor.isClosed).map(({ visitor }) => visitor);
        leaveAll(those.filter((visitor) => visitor !== found[0]));
        return found.length > 0 && found;
    });
    replies.push(await ask('/n3', { on: now, waits: 2 }));
    await finish('/n1', '/n2');
    await finish('/n2', '/n3');
    await finish('/n3');
    await over(replies);
    assert.deepEqual(replies.map((reply) => reply.body), ['/n1', '/n2', '/n3']);
    assert.deepEqual(order, ['/n1', '/n2', '/n3']);
    assert.ok(isHit(await edge.ask(NORTH, '/n3')));
});

test('pools are told apart by what the location asks, or by name=', async () => {
    const place = newPlace();
    const origin = await startCacheOrigin();
    try {
        const server = `
            location / { bell_cache_fetches pool=1; proxy_pass http://origin; }
            location /same/ { bell_cache_fetches pool=1 queue=0; proxy_pass http://origin; }
            location /bare/ { bell_cache_fetches pool=1 queue=0; proxy_pass http://bare; }
            location /named/ { bell_cache_fetches pool=1 queue=0 name=$arg_pool; proxy_pass http://origin; }
            location /off/ { bell_cache_fetches off; proxy_pass http://origin; }`;
        const edge = await startCacheEdge(place, origin, { server });
        const held = await visitors(edge.port, 4);
        for (const path of ['/a', '/bare/a', '/named/a']) origin.script(path, { headers: fresh, held: true });
        for (const path of ['/same/a', '/off/a']) origin.script(path, { headers: fresh, body: 'free' });
        for (const path of ['/bare/b', '/named/b']) origin.script(path, { headers: fresh, body: 'free' });
        for (const [i, path] of ['/a', '/bare/a', '/named/a?pool=1'].entries()) {
            held[i].ask(path);
            await origin.arrived(path.split('?')[0]);
        }
        for (const path of ['/same/a', '/bare/b', '/named/b?pool=1']) isRefused(await edge.ask(NORTH, path));
        for (const path of ['/named/b?pool=2', '/off/a']) assert.equal((await edge.ask(NORTH, path)).text, 'free');
        for (const path of ['/a', '/bare/a', '/named/a']) origin.asked(path)[0].rest();
        const reply = await askUntil(edge, NORTH, '/same/a', 'a place', ({ status }) => status === 200);
        assert.deepEqual([reply.text, outcome(reply)], ['free', 'uri-miss 200']);
        leaveAll(held);
    } finally {
        await origin.close();
        await place.stop();
    }
});

test('what cannot be meant is refused at the start', async () => {
    const place = newPlace();
    place.expect(/\[emerg\]/);
    try {
        const origin = { port: await freePort() };
        const cases = [
            ['bell_cache_fetches tenant=0;', /invalid parameter "tenant=0": tenant=N and pool=N from 1 to 1000/],
            ['bell_cache_fetches pool=1 queue=513;', /invalid parameter "queue=513"/],
            ['bell_cache_fetches off pool=1;', /invalid parameter "off"/],
            ['bell_cache_fetches queue=1;', /needs tenant=N or pool=N, or is off/],
            ['bell_cache_fetches pool=1; bell_cache_fetches off;', /is duplicate/],
        ];
        for (const [line, pattern] of cases) {
            const server = `bell_cache main; ${line} location / { proxy_pass http://origin; }`;
            const { code, stderr } = await testNginx(place, { conf: nginxConf(place, await freePort(), { load: loadCache(), http: cacheHttp(origin), server }) });
            assert.notEqual(code, 0);
            assert.match(stderr, pattern);
        }
    } finally {
        await place.stop();
    }
});
