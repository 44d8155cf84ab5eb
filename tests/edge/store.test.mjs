// The client of Redis and Redis Cluster on nginx's loop, through core's table: the module in tests/edge/probe counts by a script while a request waits,
// which tells what a command's result was.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { testNginx } from '../lib/server-nginx.mjs';
import { startRedisCluster } from '../lib/server-redis-cluster.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';
import { lines, loadProbe, nginxConf, pinToWorkers, reloadEdge, startEdge } from './support.mjs';

const place = newPlace();
const HOST = 'north.example';
let edge;
let redis;

const server = `
    add_header Worker $pid always;
    location / { return 200 here; }
    location /a { probe_count "{t1}:a"; }
    location /b { probe_count "{t2}:b"; }
    location /c { probe_count "{t3}:c"; }`;

before(async () => {
    redis = await startRedis(place, { settings: 'user edge on >"a secret" ~* &* -@all +ping +eval +evalsha +incr\n'.replace('>"a secret"', '">a secret"') });
    const password = place.write('conf/redis.password', 'a secret\n', 0o600);
    edge = await startEdge(place, { load: loadProbe(place), server, connections: 512, http: `probe_redis 127.0.0.1:${redis.port} user=edge password_file=${password} timeout=500ms connect_timeout=500ms;` });
});
after(() => place.stop());

const count = async (path, at = edge) => {
    const { status, text } = await at.ask(HOST, path);
    return status === 200 ? Number(text) : `${status} ${text}`;
};

/** Redis takes connections and answers nothing, from now on until resume(). */
async function standStill() {
    redis.pause();
    await waitFor('Redis to stand still', () => /^State:\s+T/m.test(readFileSync(`/proc/${redis.program.child.pid}/status`, 'utf8')));
}

test('each worker counts in one Redis, as the user that was named', async () => {
    const pins = await pinToWorkers(edge.port, 2, HOST);
    const seen = [];
    for (let i = 0; i < 5; i++) for (const pin of pins) seen.push(Number((await pin.ask(HOST, '/a')).text));
    for (const pin of pins) pin.close();
    assert.deepEqual(seen, seen.map((_, i) => i + 1));
    assert.match(await redis.ask(['client', 'list']), /user=edge/);
    await redis.ask(['script', 'flush']);
    assert.equal(await count('/a'), 11);
});

test('many at once', async () => {
    const first = await count('/b');
    const all = await Promise.all(Array.from({ length: 200 }, () => count('/b')));
    assert.deepEqual(all.sort((a, b) => a - b), Array.from({ length: 200 }, (_, i) => first + 1 + i));
});

test('Redis stands still, is gone, and comes back: each request has an answer that says so', async () => {
    await count('/a');
    await standStill();
    assert.match(String(await count('/a')), /^503 unsure: /);
    await waitFor('it to be told', () => lines(edge.log(), /\[error\].*probe_redis: Redis cannot be used: .*; it is tried again until it can/).length > 0);
    redis.resume();
    await waitFor('Redis again', async () => Number.isInteger(await count('/a')));
    await redis.kill();
    assert.match(String(await count('/a')), /^503 (undone|unsure): /);
    await waitFor('a refused connection', async () => /^503 undone: not within its time: .*refused/.test(String(await count('/a'))));
    await redis.start();
    await waitFor('Redis once more', async () => Number.isInteger(await count('/a')));
    assert.ok(lines(edge.log(), /\[notice\].*probe_redis: Redis at 127\.0\.0\.1:\d+ is reached again/).length > 0);
});

test('a client that leaves before the answer harms nobody', async () => {
    await standStill();
    const gone = AbortSignal.timeout(20);
    await assert.rejects(fetch(`http://127.0.0.1:${edge.port}/a`, { headers: { host: HOST }, signal: gone }));
    redis.resume();
    await waitFor('Redis again', async () => Number.isInteger(await count('/a')));
});

test('a reload: former workers end at once, with their connections', async () => {
    await reloadEdge(edge);
    await waitFor('new workers to count', async () => Number.isInteger(await count('/a')));
    await redis.kill(); // also those that are not connected and wait for their next attempt
    await waitFor('its absence to be known', async () => typeof (await count('/a')) === 'string');
    await reloadEdge(edge);
    await redis.start();
    await waitFor('new workers to count', async () => Number.isInteger(await count('/a')));
    assert.deepEqual(lines(edge.log(), /open socket|\[alert\]/), []);
});

test('a cluster: counted where the keys are, also after they have moved', async () => {
    const there = newPlace();
    try {
        const cluster = await startRedisCluster(there);
        const addresses = cluster.nodes.slice(0, 2).map(({ port }) => `127.0.0.1:${port}`).join(' ');
        await countInCluster(cluster, await startEdge(there, { load: loadProbe(there), server, http: `probe_redis ${addresses} cluster timeout=500ms;` }));
    } finally {
        await there.stop();
    }
});

async function countInCluster(cluster, at) {
    await waitFor('the map', async () => Number.isInteger(await count('/a', at)));
    for (const path of ['/b', '/c']) assert.equal(await count(path, at), 1);
    const slot = await cluster.slot('{t2}:b');
    const from = await cluster.ownerOf(slot);
    const to = (await cluster.primaries()).find((node) => node !== from);
    await cluster.beginMove(slot, from, to);
    assert.equal(await count('/b', at), 2);
    assert.equal(await cluster.moveKeys(slot, from, to), 1);
    assert.equal(await count('/b', at), 3);
    await cluster.endMove(slot, from, to);
    assert.equal(await count('/b', at), 4);
    const heir = await cluster.killPrimary(to);
    await waitFor('the replica to take over', async () => (await cluster.replication(heir)).role === 'master');
    await waitFor('the edge to know', async () => Number.isInteger(await count('/b', at)));
}

for (const [what, words, pattern] of [
    ['a host name', 'redis.school.example:6379', /invalid parameter "redis\.school\.example:6379": "probe_redis" takes addresses such as 127\.0\.0\.1:6379/],
    ['no address', 'cluster', /"probe_redis" cannot be used: between 1 and 16 addresses are expected/],
    ['a user without a password', '127.0.0.1:6379 user=edge', /a user needs a password/],
    ['a socket of a cluster', 'unix:/run/redis.sock cluster', /the nodes of a cluster are not on a unix socket/],
    ['a time that is none', '127.0.0.1:6379 timeout=1ms', /invalid "timeout=1ms": a time from 10ms to 60s is expected/],
    ['too many in flight', '127.0.0.1:6379 in_flight=2000000', /invalid "in_flight=2000000": a number from 1 to 1000000 is expected/],
    ['words for TLS without it', '127.0.0.1:6379 tls_name=redis.example', /takes tls_ca=, tls_cert=, tls_key= and tls_name= together with tls/],
    ['TLS without a CA, or without a hiredis that can', '127.0.0.1:6379 tls', /"probe_redis" cannot use TLS: TLS (to Redis needs hiredis 1\.0 or newer|needs a CA of its own)/],
]) {
    test(`${what} is refused`, async () => {
        place.expect(pattern);
        const conf = nginxConf(place, 8080, { load: loadProbe(place), server, http: `probe_redis ${words};` });
        const { code, stderr } = await testNginx(place, { conf });
        assert.notEqual(code, 0, stderr);
        assert.match(stderr, pattern);
    });
}
