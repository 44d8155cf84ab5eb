// The whole way of a change of the directory: an operator's command, PostgreSQL, the publisher, Redis, two edges, all of their workers.

import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { app } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { mustFirstbell, originClient, startApi, writeSettings } from '../lib/server-firstbell.mjs';
import { modulePath } from '../lib/server-nginx.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';
import { startFedEdge } from '../edge/feed.mjs';
import { lines, replyWithReport } from '../edge/support.mjs';

const place = newPlace();
const password = 'correct horse battery';
let edges;
let redis;
let api;

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
    const load = ['ngx_http_bell_core_module', 'ngx_http_bell_session_module'].map((name) => `load_module ${modulePath(name)};`).join('\n');
    const http = `bell_session_keys ${place.path('keys/sessions.pub.pem')}; bell_session_cache zone=sessions:1m;`;
    // "return" would answer before anybody is looked for
    const server = `location / { ${replyWithReport} }
        location /whose { bell_session on; add_header Session $bell_session_status always; add_header Worker $pid always; try_files /none =404; }`;
    for (const name of ['first', 'second']) edges.push(await startFedEdge(place, redis, { key, name, state: `state-${name}`, load, http, server }));
    api = await startApi(place);
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

/** A student of north, signed in `count` times: {clients, cookie}. */
async function student(username, count = 1) {
    await must('user', 'add', '--tenant', 'north', '--username', username, '--role', 'student', '--given', 'Sam', '--family', 'Student');
    await mustFirstbell(place, ['user', 'passwd', '--tenant', 'north', username], { input: password });
    const clients = Array.from({ length: count }, () => originClient(api.socketPath, 1));
    for (const client of clients) await client.signIn(username, password);
    return clients;
}

/** Waits until each worker of both edges says so of a client's session. */
async function everywhereSession(client, status) {
    const cookie = [...client.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    for (const edge of edges) {
        const workers = new Set();
        await waitFor(`"${status}" in every worker`, async () => {
            const { headers } = await edge.ask('north.example', '/whose', { headers: { cookie } });
            if (headers.session === status) workers.add(headers.worker);
            return workers.size === 2;
        });
    }
}

test('who signs out everywhere is nobody on both edges, in every worker; the others are who they were', async () => {
    const [ann, annToo] = await student('ann', 2);
    const [bob] = await student('bob');
    for (const client of [ann, annToo, bob]) await everywhereSession(client, 'valid');
    assert.equal((await ann.delete('/api/v1/sessions')).status, 204);
    for (const client of [annToo, ann]) await everywhereSession(client, client === ann ? 'none' : 'signed-out');
    await everywhereSession(bob, 'valid');
});

test('a key that is new counts on both edges when it signs', async () => {
    await must('keys', 'rotate');
    const [cem] = await student('cem');
    await everywhereSession(cem, 'valid');
});

test('a district whose sessions are ended has none on either edge', async () => {
    const [dan] = await student('dan');
    await everywhereSession(dan, 'valid');
    await must('tenant', 'sign-out', 'north');
    await everywhereSession(dan, 'signed-out');
});

test('Redis comes back empty: the next change arrives all the same', async () => {
    await redis.kill();
    await redis.start();
    await add('east');
    await everywhere('east.example', { name: 'east' });
    for (const edge of edges) assert.deepEqual(lines(edge.log(), /\[error\]/).filter((line) => !/bell_redis: .* cannot be used/.test(line)), []);
});
