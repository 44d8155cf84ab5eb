// Limits over several edges, two workers each, and a Redis that lends: how much passes at all of them together, and what happens when Redis, a worker
// or the configuration goes. What may pass is counted over the time that has really passed. A budget is what the rule gives in that time, and what the
// arithmetic of leases adds to it (lua-free/bell_lease.h): its burst, or 0.3 s of its rate when that is more, and one unit an edge; and what a store
// does not hear in time, as on a machine that is busy with something else: at most a second's worth is owed.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';
import { newKey, rateLimit, sequence, tally } from './limit.mjs';
import { Pressure, assertWithin, most, openEdges, passesExactly, shared } from './limit-edges.mjs';
import { lines, reloadEdge } from './support.mjs';

const RATE = 10;
const policies = `
    bell_limit_policy budget rate=${RATE}/s burst=9 key=$http_x_key over=edges jitter=0;
    bell_limit_policy hour rate=20/h burst=19 key=$http_x_key over=edges jitter=0;
    bell_limit_policy tenant rate=20/h burst=19 by=tenant over=edges;
    bell_limit_policy three rate=3/h burst=2 key=$http_x_key;
    bell_limit_policy upload rate=20/h burst=19 key=$http_x_key over=edges cost=4;`;

const locations = () => `
    location /budget { bell_limit budget; alias ${place.path('ok.txt')}; }
    location /hour { bell_limit hour; bell_limit_headers on; alias ${place.path('ok.txt')}; }
    location /tenant { bell_limit tenant; alias ${place.path('ok.txt')}; }
    location /upload { bell_limit upload; alias ${place.path('ok.txt')}; }
    location /dry { bell_limit hour dry_run; alias ${place.path('ok.txt')}; }
    location /both { bell_limit hour three; bell_limit_headers on; alias ${place.path('ok.txt')}; }`;

let place;
beforeEach(() => {
    place = newPlace();
    place.write('ok.txt', 'ok');
});
afterEach(() => place.stop());

const open = (n, more) => openEdges(place, n, { policies, locations: locations(), ...more });

// ---- how much

for (const n of [2, 4]) {
    test(`${n} edges that are asked for many times a budget share it`, async () => {
        const { edges } = await open(n);
        await shared(edges);
        const load = new Pressure(edges, '/budget', newKey());
        await load.lasts(8);
        await waitFor('more to be asked for than may pass', () => {
            const { seconds, asked } = load.since(load.begun);
            return load.isOver || asked > 2 * most(seconds, { edges: n });
        });
        const seen = await load.stop();
        assertWithin(seen, { edges: n });
        assert.ok(seen.passed > (RATE * seen.seconds) / 2, `${seen.passed} passed in ${seen.seconds} s`);
        assert.ok(seen.byEdge.every((passed) => passed > 0), `each has some: ${seen.byEdge}`);
    });
}

test('an edge that has all of the load has all of the budget', async () => {
    const { edges } = await open(4);
    await shared(edges);
    const load = new Pressure([edges[2]], '/budget', newKey());
    const seen = await load.lasts(5);
    await load.stop();
    assertWithin(seen, { edges: 4 });
    assert.ok(seen.passed > (RATE * seen.seconds) / 2, `${seen.passed} passed in ${seen.seconds} s, its share was ${(RATE * seen.seconds) / 4}`);
});

test('what does not come back is spent once, at whichever edge; keys and districts do not meet', async () => {
    const { redis, edges } = await open(2);
    await shared(edges);
    const key = newKey();
    await passesExactly(20, edges, '/hour', key);
    assert.equal((await edges[0].ask('/hour', newKey())).status, 200);
    await passesExactly(20, edges, '/tenant');
    assert.equal((await edges[1].ask('/tenant', key, { headers: { host: 'south.example' } })).status, 200);
    const kinds = async () => [...new Set((await redis.ask(['keys', 'rl:{*'])).split('\n').map((name) => name.replace(/[0-9a-f]{32}$/, '')))].sort();
    await waitFor('all budgets to be in Redis', async () => (await kinds()).length === 3);
    assert.deepEqual(await kinds(), ['rl:{t1}:hour:', 'rl:{t1}:tenant:', 'rl:{t2}:tenant:']);
});

test('a request that a later limit refuses gives back what it took of a budget over all edges', async () => {
    const { edges } = await open(2);
    await shared(edges);
    const key = newKey();
    assert.deepEqual(await tally(20, () => edges[0].ask('/both', key)), { 200: 3, 429: 17 });
    await passesExactly(17, edges, '/hour', key);
});

test('costs are of the budget of all; a dry run refuses nothing', async () => {
    const { edges } = await open(2);
    await shared(edges);
    await passesExactly(5, [edges[0]], '/upload', newKey());
    const key = newKey();
    await passesExactly(20, edges, '/hour', key);
    assert.deepEqual(await tally(10, () => edges[0].ask('/dry', key)), { 200: 10 });
});

// ---- without Redis

test('without Redis each edge has its share, of as many as are said to be', async () => {
    const { edges } = await open(1, { redis: false, leases: 'bell_limit_leases edges=4;' });
    const [edge] = edges;
    const key = newKey();
    const reply = await edge.ask('/hour', key);
    assert.deepEqual(rateLimit(reply).policy, [{ name: 'hour', q: 20, w: 3600 }]);
    assert.equal(rateLimit(reply).now[0].r, 4, 'a quarter of 20, and one is used');
    assert.deepEqual(await sequence(5, () => edge.ask('/hour', key)), [200, 200, 200, 200, 429]);
    const { count, redis_lends: lends, keys, keys_lent: n } = (await edge.status()).edges;
    assert.deepEqual([count, lends, keys, n], [4, false, 1, 0]);
    assert.ok(lines(edge.log(), /\[error\].*bell_limit_redis/).length > 0, edge.log());
});

/** Redis goes and comes back while two edges are asked for far more than they may give: never unlimited, never locked, no burst. */
async function redisGoes(go, comeBack, { isGone = (now) => !now.redis_lends, isBack = shared } = {}) {
    const { redis, edges } = await open(2);
    await shared(edges);
    const load = new Pressure(edges, '/budget', newKey());
    assertWithin(await load.lasts(2));
    await go(redis);
    for (const edge of edges) await waitFor('an edge alone', async () => isGone((await edge.status()).edges));
    const alone = await load.lasts(4);
    assertWithin(alone, { owed: 2 });
    assert.ok(alone.byEdge.every((passed) => passed > 0), `nobody is locked: ${alone.byEdge}`);
    await comeBack(redis);
    await isBack(edges);
    const after = await load.lasts(4);
    assertWithin(after, { owed: 2 });
    assert.ok(after.byEdge.every((passed) => passed > 0), `nobody is locked: ${after.byEdge}`);
    const all = await load.stop();
    assertWithin(all, { owed: 3 });
    return { redis, edges };
}

test('Redis is killed, and started empty', () => redisGoes((redis) => redis.kill(), (redis) => redis.start()));

test('Redis takes connections and answers nothing, and goes on', () => redisGoes((redis) => redis.pause(), (redis) => redis.resume()));

test('Redis has no memory left', async () => {
    const { edges } = await redisGoes((redis) => redis.ask(['config', 'set', 'maxmemory', '1']), (redis) => redis.ask(['config', 'set', 'maxmemory', '0']));
    for (const edge of edges) {
        const [told] = lines(edge.log(), /\[error\].*bell_limit: Redis lends nothing/);
        assert.match(told, /bell_limit: Redis lends nothing of budgets over all edges: .*; until it does, this edge has 1\/2 of each/);
        assert.equal(lines(edge.log(), /\[notice\].*bell_limit: Redis lends again of budgets over all edges/).length, 1);
    }
});

test('Redis is emptied again and again', async () => {
    const { redis, edges } = await open(2);
    await shared(edges);
    const load = new Pressure(edges, '/budget', newKey());
    for (let round = 0; round < 5; round++) {
        await load.lasts(1);
        await redis.ask(['flushall']);
    }
    await load.lasts(1);
    assertWithin(await load.stop(), { owed: 2 });
    await shared(edges);
});

test('a Redis that refuses who asks is told of, and edges have their shares', async () => {
    const { edges, redis } = await open(1, { password: 'good' });
    await shared(edges);
    const become = async (password) => {
        await redis.ask(['config', 'set', 'requirepass', password]);
        redis.password = password;
        await redis.ask(['client', 'kill', 'type', 'normal']);
    };
    await become('another');
    await waitFor('an edge alone', async () => !(await edges[0].status()).edges.redis_lends);
    assert.equal((await edges[0].ask('/hour', newKey())).status, 200);
    await become('good');
    await shared(edges);
});

// ---- workers and reloads

test('the worker that exchanges is killed in the midst of it, and another one goes on', async () => {
    place.expect(/exited on signal 9/);
    const { edges } = await open(2);
    await shared(edges);
    const load = new Pressure(edges, '/budget', newKey());
    for (let round = 0; round < 4; round++) {
        await load.lasts(1);
        const owner = await edges[0].owner();
        process.kill(owner, 'SIGKILL');
        await waitFor('another worker that exchanges', async () => (await edges[0].owner()) !== owner);
        await waitFor('the key to be lent', async () => (await edges[0].status()).edges.keys_lent === 1);
    }
    assertWithin(await load.stop(), { owed: 2 });
    assert.ok((await edges[0].figure('firstbell_limit_lease_owners_total')) >= 5);
});

test('a worker that exchanges and hangs is replaced, and steps back when it goes on', async () => {
    const { edges } = await open(1);
    const [edge] = edges;
    await shared(edges);
    const owner = await edge.owner();
    process.kill(owner, 'SIGSTOP');
    try {
        await waitFor('another worker that exchanges', async () => lines(edge.log(), /this worker exchanges with Redis now/).length === 2);
    } finally {
        process.kill(owner, 'SIGCONT');
    }
    await waitFor('it to step back', () => lines(edge.log(), new RegExp(`${owner}#.*this worker was silent for too long, another one exchanges`)).length === 1);
    await shared(edges);
    await passesExactly(20, edges, '/hour', newKey());
});

test('a reload keeps what is lent, under a rule that is another, and beside policies that are others', async () => {
    const { edges } = await open(2);
    await shared(edges);
    const [key, other] = [newKey(), newKey()];
    await passesExactly(20, edges, '/hour', key);
    const load = new Pressure(edges, '/budget', other);
    await load.lasts(1);
    for (const edge of edges) {
        const conf = readFileSync(edge.file, 'utf8');
        const more = conf.replace('hour rate=20/h burst=19', 'hour rate=20/h burst=29').replace(`rate=${RATE}/s`, 'rate=4/s');
        writeFileSync(edge.file, more.replace('bell_limit_policy budget', 'bell_limit_policy another rate=1/s by=tenant over=edges; bell_limit_policy budget'));
        await reloadEdge(edge);
    }
    const after = await load.lasts(8);
    await load.stop();
    assertWithin(after, { rate: 4, owed: 2 });
    await passesExactly(10, edges, '/hour', key);
    await shared(edges);
});

// ---- how many, and what is told

test('more keys than there is room for: nobody is refused for it', async () => {
    const { edges } = await open(1, { leases: 'bell_limit_leases zone=leases:32k;' });
    const [edge] = edges;
    await shared(edges);
    for (let round = 0; round < 20; round++) assert.deepEqual(await tally(20, () => edge.ask('/hour', newKey())), { 200: 20 });
    const { keys, keys_most: room } = (await edge.status()).edges;
    assert.ok(keys <= room && room < 200, `${keys} of ${room}`);
    assert.ok((await edge.figure('firstbell_limit_lease_no_room_total')) > 0);
    const key = newKey();
    const passed = (await sequence(60, () => edge.ask('/hour', key))).filter((status) => status === 200).length;
    assert.ok(passed >= 20 && passed <= 40, `${passed}: at most its share before it found room, and the budget behind that`);
    await waitFor('those that are not used to go', async () => (await edge.status()).edges.keys === 0);
});

test('operators see who is near a limit over all edges, what it spends, and what Redis calls it', async () => {
    const { edges, redis } = await open(2);
    await shared(edges);
    const key = newKey();
    await passesExactly(20, edges, '/hour', key);
    const near = await waitFor('it to be lent', async () => {
        await edges[0].ask('/hour', key);
        const found = (await edges[0].status()).near.find((one) => one.key === `key ${key}`);
        return found?.spends === 'lease' && found.remaining === 0 && found; // of all edges: what another one used is told by the next exchange
    });
    assert.deepEqual([near.policy, near.tenant_id, near.used_percent, near.in_hand], ['hour', 1, 100, 0]);
    assert.match(near.redis_key, /^rl:\{t1\}:hour:[0-9a-f]{32}$/);
    assert.equal(await redis.ask(['exists', near.redis_key]), '1');
    const { policies: told } = await edges[0].status();
    assert.deepEqual(told.map(({ name, over_edges }) => [name, over_edges]), [['budget', true], ['hour', true], ['tenant', true], ['three', false], ['upload', true]]);
    assert.equal(await edges[0].figure('firstbell_limit_lease_keys', { spend: 'lease' }), 1);
    assert.equal(await edges[0].figure('firstbell_limit_edges'), 2);
    assert.equal(await edges[0].figure('firstbell_limit_redis_lends'), 1);
    assert.ok((await edges[0].figure('firstbell_limit_lease_exchanges_total', { result: 'answered' })) > 0);
    await waitFor('it to be told and ended', async () => (await edges[0].status()).edges.keys === 0);
    assert.equal(await edges[0].figure('firstbell_limit_lease_keys', { spend: 'lease' }), 0);
    assert.equal((await edges[0].ask('/hour', key)).status, 429, 'what it has used stays known');
});

test('an edge that is new is counted, and who has gone for a while', async () => {
    const { edges, redis } = await open(1);
    await shared(edges);
    await redis.ask(['zadd', 'rl:edges', String(Math.floor(Date.now() / 1000)), '12345']);
    await waitFor('two edges', async () => (await edges[0].status()).edges.count === 2);
    assert.match(edges[0].log(), /\[notice\].*bell_limit: budgets are shared by 2 edges now/);
    await redis.ask(['zrem', 'rl:edges', '12345']);
    assert.equal((await edges[0].status()).edges.count, 2, 'not at once: it may be Redis that has forgotten');
});

test('more edges than can share a budget are told of once, and not each time they are counted', async () => {
    const { edges, redis } = await open(1);
    await shared(edges);
    const mark = () => redis.ask(['zadd', 'rl:edges', ...Array.from({ length: 70 }, (_, i) => [String(Math.floor(Date.now() / 1000)), `9${i}`]).flat()]);
    const counts = async () => Number(/cmdstat_zcard:calls=(\d+)/.exec(await redis.ask(['info', 'commandstats']))[1]);
    const told = () => lines(edges[0].log(), /\[warn\].*bell_limit: 71 edges share budgets, and no more than 64 can: more than a budget may pass while Redis is away/);
    await waitFor('it to be told', async () => (await mark(), told().length > 0));
    const then = await counts();
    await waitFor('two counts more', async () => (await mark(), (await counts()) >= then + 2));
    assert.equal(told().length, 1);
    assert.equal((await edges[0].status()).edges.count, 64);
});

test('edges that may not be counted are told of, and counted when they may', async () => {
    const redis = await startRedis(place);
    await redis.ask(['acl', 'setuser', 'default', '-zadd']);
    const { edges } = await open(1, { redis });
    const [edge] = edges;
    await waitFor('Redis to lend', async () => (await edge.ask('/hour', newKey())).status === 200 && (await edge.status()).edges.keys_lent > 0);
    await waitFor('the line', () => lines(edge.log(), /\[error\].*bell_limit: Redis does not count edges: .+; until it does, this edge takes itself for one of 1/).length > 0);
    await redis.ask(['acl', 'setuser', 'default', '+zadd']);
    await waitFor('the count', () => lines(edge.log(), /\[notice\].*bell_limit: Redis counts edges again/).length > 0);
    assert.equal(lines(edge.log(), /Redis does not count edges/).length, 1);
    assert.equal((await edge.status()).edges.redis_lends, true);
});
