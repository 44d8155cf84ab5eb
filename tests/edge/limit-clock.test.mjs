// Wall clocks that are set by an hour, on and back, of Redis, of the edges, and of all, while everybody asks for far more than he may: never unlimited,
// never locked. Edges count in monotonic time, and Redis' clock is only compared with itself (lua-free/bell_lease.h).
// time bound: 300 s

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { newClock } from '../lib/clock.mjs';
import { newPlace } from '../lib/place.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';
import { newKey } from './limit.mjs';
import { Pressure, assertWithin, openEdges, shared } from './limit-edges.mjs';

const HOUR = 3600;
const policies = `
    bell_limit_policy budget rate=10/s burst=9 key=$http_x_key over=edges jitter=0;
    bell_limit_policy own rate=10/s burst=9 key=$http_x_key jitter=0;`;

const place = newPlace();
let edges, redis, clocks;

before(async () => {
    place.write('ok.txt', 'ok');
    clocks = { redis: newClock(place, 'clock-redis'), edges: newClock(place, 'clock-edges') };
    redis = await startRedis(place, { under: clocks.redis.under });
    const locations = ['budget', 'own'].map((name) => `location /${name} { bell_limit ${name}; alias ${place.path('ok.txt')}; }`).join('\n');
    ({ edges } = await openEdges(place, 2, { policies, locations, redis, clock: clocks.edges }));
    await shared(edges);
});
after(() => place.stop());

const seconds = () => Date.now() / 1000;
const near = (time, ahead) => Math.abs(time - seconds() - ahead) < 600;

/** Sets the clocks, and waits until those who read them tell another time. */
async function set(whose, ahead) {
    for (const name of whose) clocks[name].set(ahead[name]);
    await waitFor("Redis' time", async () => near(Number((await redis.ask(['time'])).split('\n')[0]), ahead.redis));
    for (const edge of edges) {
        await waitFor("the edge's time", async () => near(Date.parse((await edge.ask('/budget', newKey())).headers.date) / 1000, ahead.edges));
    }
}

const ahead = { redis: 0, edges: 0 };
for (const [what, whose, by] of [
    ["Redis' clock goes on by an hour", ['redis'], HOUR],
    ["Redis' clock goes back by an hour", ['redis'], -HOUR],
    ["Redis' clock goes back by one more", ['redis'], -HOUR],
    ["the edges' clocks go on by an hour", ['edges'], HOUR],
    ["the edges' clocks go back by an hour", ['edges'], -HOUR],
    ['all go on by an hour', ['redis', 'edges'], HOUR],
    ['all go back by two', ['redis', 'edges'], -2 * HOUR],
]) {
    test(what, async () => {
        const shares = new Pressure(edges, '/budget', newKey());
        const alone = new Pressure([edges[0]], '/own', newKey());
        assertWithin(await shares.lasts(2), { owed: 2 });
        for (const name of whose) ahead[name] += by;
        await set(whose, ahead);
        const seen = await shares.lasts(5);
        assertWithin(seen, { owed: 2 });
        assert.ok(seen.byEdge.every((passed) => passed > 0), `nobody is locked: ${seen.byEdge}`);
        const all = await shares.stop();
        assertWithin(all, { burst: 19, owed: 3 }); // a clock that goes on has what comes in an hour, which is the burst once more
        const own = await alone.stop();
        assertWithin(own, { edges: 1, owed: 0 });
        assert.ok(own.passed > 0);
        await shared(edges);
    });
}
