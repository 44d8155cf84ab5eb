// The whole way of a change of the directory: an operator's command, PostgreSQL, the publisher, Redis, two edges, all of their workers.

import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { app } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { mustFirstbell, writeSettings } from '../lib/server-firstbell.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';
import { startFedEdge } from '../edge/feed.mjs';
import { lines } from '../edge/support.mjs';

const place = newPlace();
let edges;
let redis;

before(async () => {
    await startPostgres(place);
    redis = await startRedis(place);
    const conf = writeSettings(place, { settings: { error_log: '-', redis: `unix:${redis.socket}` } });
    const publicKey = createPublicKey(createPrivateKey(readFileSync(place.path('keys/directory.pem'))));
    const key = { file: place.write('directory.pub', publicKey.export({ type: 'spki', format: 'pem' })) };
    await add('north');
    await add('south');
    place.start('jobs', [path.join(app(), 'bin/firstbell'), '-c', conf, 'jobs']);
    edges = [];
    for (const name of ['first', 'second']) edges.push(await startFedEdge(place, redis, { key, name, state: `state-${name}` }));
});

after(() => place.stop());

const must = (...args) => mustFirstbell(place, args);
const add = (name) => must('tenant', 'add', name, '--title', name, '--host', `${name}.example`);

/** Waits until each worker of both edges reports so. */
async function everywhere(host, expected) {
    for (const edge of edges) {
        await waitFor(`${host} on every edge`, async () => {
            const { status, json } = await edge.ask(host);
            return expected.http ? status === expected.http : Object.entries(expected).every(([name, value]) => json?.[name] === value);
        });
        if (!expected.http) for (const [, report] of await edge.everyWorker(host)) assert.equal(report.name, expected.name);
    }
}

test('a district that is added, moved to another status, given another host and suspended is so on both edges', async () => {
    await everywhere('north.example', { name: 'north', status: 'active' });
    await add('west');
    await everywhere('west.example', { name: 'west' });
    await must('tenant', 'set', 'west', '--status', 'exam');
    await everywhere('west.example', { name: 'west', status: 'exam' });
    await must('tenant', 'host', 'move', '--tenant', 'west', '--to', 'south', 'west.example');
    await everywhere('west.example', { name: 'south' });
    await must('tenant', 'set', 'south', '--status', 'suspended');
    await everywhere('south.example', { http: 503 });
});

test('Redis comes back empty: the next change arrives all the same', async () => {
    await redis.kill();
    await redis.start();
    await add('east');
    await everywhere('east.example', { name: 'east' });
    for (const edge of edges) assert.deepEqual(lines(edge.log(), /\[error\]/).filter((line) => !/bell_redis: .* cannot be used/.test(line)), []);
});
