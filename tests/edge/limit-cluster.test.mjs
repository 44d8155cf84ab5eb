// Limits over several edges by a Redis Cluster: a budget is one, wherever it is spent, and a district's keys are on one node.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { startRedisCluster } from '../lib/server-redis-cluster.mjs';
import { waitFor } from '../lib/wait.mjs';
import { newKey, sequence } from './limit.mjs';
import { lent, openEdges, shared } from './limit-edges.mjs';

const place = newPlace();
let edges;

before(async () => {
    place.write('ok.txt', 'ok');
    const cluster = await startRedisCluster(place);
    const nodes = cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).join(' ');
    ({ edges } = await openEdges(place, 2, {
        redis: `${nodes} cluster`,
        policies: 'bell_limit_policy hour rate=20/h burst=19 key=$http_x_key over=edges;',
        locations: `location /hour { bell_limit hour; alias ${place.path('ok.txt')}; }`,
    }));
    await shared(edges);
});
after(() => place.stop());

test('a budget is one, at whichever edge it is spent', async () => {
    const key = newKey();
    let passed = 0;
    const one = async (edge) => (passed += (await edge.ask('/hour', key)).status === 200);
    for (const edge of edges) {
        await one(edge);
        await lent(edge);
    }
    await waitFor('20 to pass', async () => {
        for (const edge of edges) await one(edge);
        return passed >= 20;
    });
    for (const edge of edges) await sequence(5, () => one(edge));
    assert.equal(passed, 20);
    const { near } = await edges[0].status();
    assert.match(near[0].redis_key, /^rl:\{t1\}:hour:/);
});
