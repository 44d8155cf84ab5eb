// bell_cache when workers die or are replaced while something is on its way: who has nothing yet gets a right answer from a new fetch, who has a part is
// cut off, a fetch outlives a reload, and shared memory has nothing of the dead left in it.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { waitFor } from '../lib/wait.mjs';
import { startCacheOrigin } from './cache-origin.mjs';
import { Visitor, all, askAll, leaveAll, over, tally, visitors, visitorsByWorker } from './cache-visitors.mjs';
import { askUntil, atWork, fresh, isHit, nothingFlies, outcome, stale, startCacheEdge, store } from './cache.mjs';

const EACH = 10; // visitors of each worker

/** A test with an origin, an edge and a place of its own. */
function killTest(name, options, body) {
    test(name, async () => {
        const place = newPlace();
        place.expect(/exited on signal 9/);
        place.expect(/shared memory zone "main" was locked by/); // by one who was killed in the few steps that he had the lock
        const origin = await startCacheOrigin();
        try {
            await body(await startCacheEdge(place, origin, options), origin);
        } finally {
            await origin.close();
            await place.stop();
        }
    });
}

const workers = (edge) => children(edge.program.child.pid);
const isGone = (pid) => !existsSync(`/proc/${pid}`);

/** Kills a worker; resolves when there is one in its place that answers. */
async function kill(edge, pid) {
    process.kill(pid, 'SIGKILL');
    await waitFor('a worker in its place', () => workers(edge).length === 2 && !workers(edge).includes(pid));
}

/** Loads the configuration again; gives the workers of before when those of now are there. */
async function reload(edge) {
    const former = workers(edge);
    edge.reload();
    await waitFor('new workers', () => workers(edge).filter((pid) => !former.includes(pid)).length === 2);
    return former;
}

/** So many visitors who are with none of the former workers. */
async function newVisitors(edge, count, former) {
    const found = [];
    await waitFor(`${count} visitors of the new workers`, async () => {
        const fresh_ = await visitors(edge.port, count - found.length);
        for (const { headers, visitor } of await over(askAll(fresh_, '/worker'))) {
            if (former.includes(Number(headers?.worker)) || visitor.isClosed) visitor.leave();
            else found.push(visitor);
        }
        return found.length === count;
    });
    return found;
}

/** Visitors of both workers who ask for a path: {asked, mine, others}, the replies of those who are with the worker that fetches, and with the other. */
async function bothWait(edge, origin, path) {
    const groups = await visitorsByWorker(edge.port, EACH);
    const replies = groups.map(({ worker, visitors: those }) => ({ worker, replies: askAll(those, path) }));
    const asked = await origin.arrived(path);
    await atWork(edge, 2 * EACH);
    const fetcher = Number(asked.headers.fetcher);
    const group = (is) => replies.find(({ worker }) => (worker === fetcher) === is).replies;
    return { asked, fetcher, mine: group(true), others: group(false) };
}

const leave = (replies) => leaveAll(replies.map((reply) => reply.visitor));

killTest('the worker that fetches is killed before there is anything: the others get a right answer from one new fetch', {}, async (edge, origin) => {
    origin.script('/a', { headers: fresh, body: 'first', held: true }, { headers: fresh, body: 'second' });
    const { fetcher, mine, others } = await bothWait(edge, origin, '/a');
    await kill(edge, fetcher);
    await over([...mine, ...others]);
    assert.deepEqual(tally(mine, (reply) => `${reply.isCut} ${reply.bytes}`), { 'true 0': EACH });
    assert.deepEqual(tally(others, (reply) => `${reply.status} ${reply.body}`), { '200 second': EACH });
    assert.equal(origin.count('/a'), 2);
    const reply = await askUntil(edge, 'north.example', '/a', 'a hit', isHit);
    assert.deepEqual([reply.text, origin.count('/a')], ['second', 2]);
    leave([...mine, ...others]);
});

killTest('he is killed in the middle of the body: all are cut off with what they had, and the next has another answer', {}, async (edge, origin) => {
    origin.script('/a', { headers: fresh, pieces: ['first ', 'second'], held: true }, { headers: fresh, body: 'another' });
    const { asked, fetcher, mine, others } = await bothWait(edge, origin, '/a');
    asked.next();
    asked.next();
    await all([...mine, ...others], 'the first piece', (reply) => reply.body === 'first ');
    await kill(edge, fetcher);
    await over([...mine, ...others]);
    assert.deepEqual(tally([...mine, ...others], (reply) => `${reply.isCut} ${reply.body}`), { 'true first ': 2 * EACH });
    for (let i = 0; i < 2; i++) assert.equal((await edge.ask('north.example', '/a')).text, 'another');
    assert.equal(origin.count('/a'), 2);
    leave([...mine, ...others]);
});

killTest('a worker whose clients wait is killed: the fetch of the other goes on, and who comes then waits for it, too', {}, async (edge, origin) => {
    origin.script('/a', { headers: fresh, pieces: ['first ', 'second'], held: true });
    const { asked, fetcher, mine, others } = await bothWait(edge, origin, '/a');
    await kill(edge, workers(edge).find((pid) => pid !== fetcher));
    await over(others);
    assert.deepEqual(tally(others, (reply) => `${reply.isCut} ${reply.bytes}`), { 'true 0': EACH });
    const late = await visitorsByWorker(edge.port, 3);
    const lateReplies = late.flatMap(({ visitors: those }) => askAll(those, '/a'));
    asked.next();
    asked.next();
    await all([...mine, ...lateReplies], 'the first piece', (reply) => reply.body === 'first ');
    asked.rest();
    await over([...mine, ...lateReplies]);
    assert.deepEqual(tally([...mine, ...lateReplies], (reply) => reply.body), { 'first second': EACH + 6 });
    assert.equal(origin.count('/a'), 1);
    leave([...mine, ...others, ...lateReplies]);
});

killTest('a refresh behind dies with its worker: what is stale is served on, and refreshed by another', {}, async (edge, origin) => {
    origin.script('/a', { headers: stale('stale-while-revalidate=600'), body: 'old' }, { headers: fresh, body: 'lost', held: true }, { headers: fresh, body: 'new' });
    await edge.ask('north.example', '/a');
    assert.equal((await edge.ask('north.example', '/a')).text, 'old');
    const refresh = await origin.arrived('/a', 2);
    await kill(edge, Number(refresh.headers.fetcher));
    await askUntil(edge, 'north.example', '/a', 'the new answer', (reply) => {
        assert.ok(['old', 'new'].includes(reply.text), reply.text);
        return reply.text === 'new';
    });
    assert.equal(origin.count('/a'), 3);
});

killTest('what is stored survives the death of all workers', {}, async (edge, origin) => {
    await store(edge, origin, '/a', { headers: fresh, body: 'stored' });
    for (const pid of workers(edge)) await kill(edge, pid);
    const reply = await askUntil(edge, 'north.example', '/a', 'an answer', () => true);
    assert.deepEqual([reply.text, outcome(reply), origin.count('/a')], ['stored', 'hit', 1]);
});

killTest('workers that die in the middle of a body leave nothing in shared memory', { zone: 'zone=main:2m largest=512k' }, async (edge, origin) => {
    const large = 'x'.repeat(300_000);
    for (let round = 0; round < 16; round++) { // more than the zone has room for
        origin.script(`/lost/${round}`, { headers: fresh, pieces: [large, 'end'], held: true });
        const visitor = await Visitor.open(edge.port);
        const reply = visitor.ask(`/lost/${round}`);
        const asked = await origin.arrived(`/lost/${round}`);
        asked.next();
        asked.next();
        await all([reply], 'the first piece', () => reply.bytes === large.length);
        await kill(edge, Number(asked.headers.fetcher));
        await waitFor('the edge to answer', () => edge.ask('north.example', '/worker').then(({ status }) => status === 204, () => false));
        visitor.leave();
    }
    await nothingFlies(edge); // the last one's successor has looked at what he left
    for (let n = 0; n < 3; n++) await store(edge, origin, `/kept/${n}`, { headers: fresh, body: large });
});

/** An answer that a change overtakes while it is on its way: held, in two pieces; the change; and one that is fetched behind it, held, too. */
const overtaken = (first) => (asked) => {
    if (asked.method !== 'GET') return { status: 204 };
    return asked.isBehind ? { headers: fresh, body: 'new', held: true } : { headers: fresh, pieces: [first, 'rest'], held: true };
};

for (const [state, sent] of [['before there is anything', 0], ['in the middle of the body', 2]]) {
    killTest(`a fetch is overtaken by a change, and its worker is killed ${state}: nobody hangs, and nothing is left of it`, {}, async (edge, origin) => {
        let isChanged = false;
        origin.script('/a', (asked) => overtaken('first ')(Object.assign(asked, { isBehind: isChanged })));
        const { asked, fetcher, mine, others } = await bothWait(edge, origin, '/a');
        for (let i = 0; i < sent; i++) asked.next();
        if (sent) await all([...mine, ...others], 'the first piece', (reply) => reply.body === 'first ');
        isChanged = true;
        assert.equal((await edge.ask('north.example', '/a', { method: 'POST' })).status, 204);
        const groups = await visitorsByWorker(edge.port, 1);
        const late = askAll(groups.find(({ worker }) => worker !== fetcher).visitors, '/a');
        const behind = await waitFor('the fetch behind the change', () => origin.asked('/a', 'GET')[1]);
        assert.notEqual(Number(behind.headers.fetcher), fetcher);
        await kill(edge, fetcher);
        if (sent) await over(others);
        behind.rest();
        await over([...mine, ...others, ...late]);
        assert.deepEqual(tally(mine, (reply) => `${reply.isCut} ${reply.body}`), { [sent ? 'true first ' : 'true ']: EACH });
        assert.deepEqual(tally(others, (reply) => `${reply.isCut} ${reply.body}`), { [sent ? 'true first ' : 'false new']: EACH });
        assert.equal(late[0].body, 'new');
        assert.equal(origin.count('/a', 'GET'), 2);
        leave([...mine, ...others, ...late]);
        leaveAll(groups.flatMap(({ visitors: those }) => those));
        await nothingFlies(edge);
    });
}

killTest('fetches that were overtaken, and whose workers are killed, leave nothing in shared memory', { zone: 'zone=main:2m largest=512k' }, async (edge, origin) => {
    const large = 'x'.repeat(300_000);
    for (let round = 0; round < 10; round++) { // more than the zone has room for
        const path = `/lost/${round}`;
        let isChanged = false;
        origin.script(path, (asked) => overtaken(large)(Object.assign(asked, { isBehind: isChanged })));
        const those = await visitors(edge.port, 2);
        const reply = those[0].ask(path);
        const asked = await origin.arrived(path);
        asked.next();
        asked.next();
        await all([reply], 'the first piece', () => reply.bytes === large.length);
        isChanged = true;
        await edge.ask('north.example', path, { method: 'POST' });
        those[1].ask(path);
        const behind = await waitFor('the fetch behind the change', () => origin.asked(path, 'GET')[1]);
        behind.rest();
        await kill(edge, Number(asked.headers.fetcher));
        await waitFor('the edge to answer', () => edge.ask('north.example', '/worker').then(({ status }) => status === 204, () => false));
        leaveAll(those);
    }
    await nothingFlies(edge);
    for (let n = 0; n < 3; n++) await store(edge, origin, `/kept/${n}`, { headers: fresh, body: large });
});

killTest('workers are killed under load: whoever gets an answer gets his own', { zone: 'zone=main:1m largest=64k' }, async (edge, origin) => {
    const paths = Array.from({ length: 60 }, (_, n) => `/load/${n}`);
    const body = (path) => `${path} `.repeat(1500);
    for (const path of paths) origin.script(path, (asked, count) => ({ headers: count % 3 ? fresh : stale('stale-while-revalidate=600'), body: body(path) }));
    let isOver = false;
    let answered = 0;
    const wrong = [];
    const browse = async (seed) => {
        let visitor;
        for (let i = seed; !isOver; i += 7) {
            const path = paths[i % paths.length];
            if (!visitor || visitor.isClosed) visitor = await Visitor.open(edge.port);
            const [reply] = await over([visitor.ask(path)]);
            const isRight = reply.isCut ? body(path).startsWith(reply.body) : reply.status === 200 && reply.body === body(path);
            if (!isRight) wrong.push(`${path}: ${reply.status} ${reply.body.slice(0, 40)}`);
            if (reply.isWhole) answered++;
        }
        visitor.leave();
    };
    const browsing = Array.from({ length: 12 }, (_, i) => browse(i));
    for (let round = 0; round < 8; round++) {
        const enough = answered + 150;
        await waitFor('some answers', () => answered >= enough);
        await kill(edge, workers(edge)[round % 2]);
    }
    isOver = true;
    await Promise.all(browsing);
    assert.deepEqual(wrong, []);
    await store(edge, origin, '/after', { headers: fresh, body: 'after' });
});

// ---- reloads

for (const [state, sent] of [['before there is anything', 0], ['in the middle of the body', 2]]) {
    killTest(`a reload ${state}: the fetch goes on, for those of before and for those of the new workers`, {}, async (edge, origin) => {
        origin.script('/a', { headers: fresh, pieces: ['first ', 'second'], held: true });
        const { asked, mine, others } = await bothWait(edge, origin, '/a');
        for (let i = 0; i < sent; i++) asked.next();
        if (sent) await all([...mine, ...others], 'the first piece', (reply) => reply.body === 'first ');
        const former = await reload(edge);
        const late = askAll(await newVisitors(edge, EACH, former), '/a');
        if (sent) await all(late, 'the first piece', (reply) => reply.body === 'first ');
        else await atWork(edge, 3 * EACH);
        asked.rest();
        const replies = await over([...mine, ...others, ...late]);
        assert.deepEqual(tally(replies, (reply) => `${reply.isWhole} ${reply.body}`), { 'true first second': 3 * EACH });
        await waitFor('the old workers to go', () => former.every(isGone));
        const reply = await edge.ask('north.example', '/a');
        assert.deepEqual([reply.text, outcome(reply), origin.count('/a')], ['first second', 'hit', 1]);
        leave(replies);
    });
}

killTest('what is stored survives a reload, and so does a refresh that is on its way', {}, async (edge, origin) => {
    await store(edge, origin, '/kept', { headers: fresh, body: 'kept' });
    origin.script('/a', { headers: stale('stale-while-revalidate=600'), body: 'old' }, { headers: fresh, body: 'new', held: true });
    for (let i = 0; i < 2; i++) assert.equal((await edge.ask('north.example', '/a')).text, 'old');
    const refresh = await origin.arrived('/a', 2);
    const former = await reload(edge);
    leaveAll(await newVisitors(edge, 1, former));
    assert.equal(outcome(await edge.ask('north.example', '/kept')), 'hit');
    assert.equal((await edge.ask('north.example', '/a')).text, 'old');
    refresh.rest();
    await askUntil(edge, 'north.example', '/a', 'the new answer', (reply) => reply.text === 'new');
    assert.equal(origin.count('/a'), 2);
    await waitFor('the old workers to go', () => former.every(isGone));
});

killTest('an old worker that has to go before its fetch is done: a right answer or a clean error, and then a right answer', { main: 'worker_shutdown_timeout 1s;' }, async (edge, origin) => {
    origin.script('/a', { headers: fresh, body: 'never', held: true }, { headers: fresh, body: 'right' });
    const { mine, others } = await bothWait(edge, origin, '/a');
    const former = await reload(edge);
    const late = askAll(await newVisitors(edge, EACH, former), '/a');
    await waitFor('the old workers to go', () => former.every(isGone));
    await over([...mine, ...others, ...late]);
    const isClean = (reply) => (reply.status === 200 ? reply.body === 'right' : [502, 504].includes(reply.status));
    for (const reply of late) assert.ok(isClean(reply), `${reply.status} ${reply.body}`);
    for (const reply of [...mine, ...others]) assert.ok(reply.isCut ? reply.bytes === 0 : isClean(reply), `${reply.status} ${reply.body}`);
    assert.equal((await edge.ask('north.example', '/a')).text, 'right');
    // the other old worker may have begun anew before it had to go itself
    assert.ok([2, 3].includes(origin.count('/a')), `asked ${origin.count('/a')} times`);
    leave([...mine, ...others, ...late]);
});
