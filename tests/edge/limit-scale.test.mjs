// What a district's calendar raises and lowers holds over two edges: budgets that they share in Redis, of policies that say scale=. The directory says the
// factor; how the calendar writes it there is tests/edge/calendar.test.mjs.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { waitFor } from '../lib/wait.mjs';
import { newKey, rateLimit, sequence } from './limit.mjs';
import { Pressure, assertWithin, openEdges, passesExactly, publishLimits, shared } from './limit-edges.mjs';

const policies = `
    bell_limit_policy hour rate=20/h burst=19 key=$http_x_key over=edges scale=tenant jitter=0;
    bell_limit_policy upload rate=20/h burst=19 key=$http_x_key over=edges scale=submissions jitter=0;
    bell_limit_policy flow rate=10/s burst=9 key=$http_x_key over=edges scale=tenant jitter=0;
    bell_limit_policy plain rate=20/h burst=19 key=$http_x_key over=edges;`;

const locations = () => ['hour', 'upload', 'flow', 'plain']
    .map((name) => `location /${name} { bell_limit ${name}; bell_limit_headers on; alias ${place.path('ok.txt')}; }`).join('\n');

let place, edges, version;
beforeEach(async () => {
    place = newPlace();
    place.write('ok.txt', 'ok');
    version = 1;
    ({ edges } = await openEdges(place, 2, { policies, locations: locations() }));
    await shared(edges);
});
afterEach(() => place.stop());

const quota = async (edge, path) => rateLimit(await edge.ask(path, newKey())).policy[0].q;

/** The directory says so, and all workers of both edges know. */
async function scale(limits, path, expected) {
    publishLimits(place, ++version, limits);
    for (const edge of edges) {
        await waitFor(`${path} to let ${expected} pass`, async () => {
            for (let i = 0; i < 8; i++) if ((await quota(edge, path)) !== expected) return false;
            return true;
        });
    }
}

/** Nothing of a key's budget is left at either edge. */
async function isUsedUp(path, key) {
    for (const edge of edges) assert.deepEqual(await sequence(4, () => edge.ask(path, key)), [429, 429, 429, 429]);
}

test('what is raised and lowered is the budget of both; who had used all of it has used all of it', async () => {
    const [before, raised, lowered] = [newKey(), newKey(), newKey()];
    await passesExactly(20, edges, '/hour', before);
    await scale({ scale: 200 }, '/hour', 39);
    await isUsedUp('/hour', before);
    await passesExactly(39, edges, '/hour', raised);
    await scale({ scale: 50 }, '/hour', 10);
    await isUsedUp('/hour', raised);
    await passesExactly(10, edges, '/hour', lowered);
    await scale({}, '/hour', 20);
    await isUsedUp('/hour', lowered);
    for (const key of [before, raised, lowered]) {
        const { status, headers } = await edges[0].ask('/hour', key);
        assert.equal(status, 429);
        assert.ok(Number(headers['retry-after']) <= 3600 + 360, `${headers['retry-after']} s: no longer than the slowest of the rules has it`);
    }
});

test('submissions have a factor of their own, and who says no scale= has none', async () => {
    await scale({ scale: 50, 'scale-submissions': 300 }, '/upload', 58);
    await passesExactly(58, edges, '/upload', newKey());
    await passesExactly(20, edges, '/plain', newKey());
    assert.equal(await quota(edges[1], '/hour'), 10);
});

test('a bell that rings while all ask for far more than they may: at once, for both, and not for longer', async () => {
    const load = new Pressure(edges, '/flow', newKey());
    assertWithin(await load.lasts(3), { owed: 2 });
    await scale({ scale: 300 }, '/flow', 27);
    const more = await load.lasts(6);
    assertWithin(more, { rate: 30, burst: 27, owed: 2 });
    assert.ok(more.passed > 15 * more.seconds, `${more.passed} passed in ${more.seconds} s, 30 a second may`);
    await scale({ scale: 20 }, '/flow', 2);
    const less = await load.lasts(8);
    assertWithin(less, { rate: 2, burst: 27, owed: 4 });
    assert.ok(less.passed > 0 && less.byEdge.every((passed) => passed > 0), `nobody is locked: ${less.byEdge}`);
    await scale({}, '/flow', 10);
    const after = await load.lasts(4);
    assertWithin(after, { owed: 2 });
    assert.ok(after.byEdge.every((passed) => passed > 0), `nobody is locked: ${after.byEdge}`);
    await load.stop();
});
