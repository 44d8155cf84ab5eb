// The client of Redis Cluster on libevent, against six nodes, while one is killed, slots move, scripts are forgotten and a node stands still. Each
// command has one result; what was acknowledged was done, and nothing was done more often than it was sent.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { build, checkout } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { environment } from '../lib/run.mjs';
import { startRedisCluster } from '../lib/server-redis-cluster.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';

const USER = 'edge';
const PASSWORD = 'a password of many words';
const SECONDS = 120;
const place = newPlace();
const counters = [];
let cluster;

before(async () => {
    const acl = `user ${USER} on ">${PASSWORD}" ~{t*}:count &bell:* -@all +incr +evalsha +eval +ping +cluster|shards +cluster|slots +ssubscribe +sunsubscribe +asking`;
    cluster = await startRedisCluster(place, { settings: acl });
});
after(async () => {
    for (const counter of counters) counter.child.kill('SIGKILL');
    await place.stop();
});

/** redis_load: its lines as they come. It is of the checkout, and runs as the caller. */
class Counter {
    constructor(args) {
        this.lines = [];
        this.errors = '';
        this.child = spawn(path.join(checkout, build, 'redis_load'), args, { env: environment });
        let rest = '';
        this.child.stdout.on('data', (bytes) => {
            const parts = (rest + bytes).split('\n');
            rest = parts.pop();
            this.lines.push(...parts.map((line) => JSON.parse(line)));
        });
        this.child.stderr.on('data', (bytes) => (this.errors += bytes));
        this.exited = new Promise((resolve) => this.child.on('close', resolve));
        this.exited.then(() => (this.ended = true));
        counters.push(this);
    }

    /** The newest figures. */
    get now() {
        if (this.ended) throw Object.assign(new Error(`redis_load has ended: ${this.errors}`), { hopeless: true });
        return this.lines.at(-1);
    }

    until(what, condition) {
        return waitFor(what, () => this.now && condition(this.now), SECONDS);
    }

    /** So many commands more are done. */
    async more(n) {
        const { done } = await this.until('a first line', () => true).then(() => this.now);
        await this.until(`${n} commands more`, (now) => now.done >= done + n);
    }

    async stop() {
        this.child.kill('SIGTERM');
        assert.equal(await this.exited, 0, this.errors);
        const last = this.lines.at(-1);
        assert.equal(last.last, true);
        return last;
    }
}

const seeds = (nodes = cluster.running()) => nodes.flatMap(({ port }) => ['--to', `127.0.0.1:${port}`]);

function count(...args) {
    return new Counter([...seeds().slice(0, 4), '--as', 'cluster', '--timeout-ms', '700', '--deadline-ms', '3000', ...args]);
}

/** Each command has had one result, and the counters are what the results say. */
async function judge(last) {
    assert.equal(last.twice, 0, 'results for nobody');
    assert.equal(last.results, last.given - last.notTaken, 'one result for each command');
    const names = Object.keys(last.keys);
    const values = (await cluster.askAll(names.map((name) => `get ${name}`))).map((text) => Number(text) || 0);
    assert.equal(values.length, names.length);
    names.forEach((name, i) => {
        const { done, unsure, mayRepeat } = last.keys[name];
        assert.ok(values[i] >= done, `${name} is ${values[i]}, and ${done} were acknowledged`);
        if (!mayRepeat) assert.ok(values[i] <= done + unsure, `${name} is ${values[i]}: ${done} were acknowledged and ${unsure} unsure`);
    });
    assert.ok(values.reduce((a, b) => a + b, 0) <= last.sent, 'nothing was done more often than it was sent');
}

beforeEach(async () => {
    for (const node of await cluster.primaries()) await cluster.ask(node, ['flushall']);
});

test('a cluster that rests: each command goes to its node, and none is redirected', async () => {
    const counter = count();
    await counter.more(3000);
    const last = await counter.stop();
    assert.deepEqual([last.refused, last.undone, last.unsure, last.redirected, last.broken], [0, 0, 0, 0, 0], last.reason);
    assert.equal(last.maps, 1);
    await judge(last);
});

test('a primary is killed and its replica takes over', async () => {
    const counter = count('--deadline-ms', '20000');
    await counter.more(2000);
    const [victim] = await cluster.primaries();
    const heir = await cluster.killPrimary(victim);
    await waitFor('the replica to take over', async () => (await cluster.replication(heir)).role === 'master', SECONDS);
    await counter.until('the commands that waited to be done', (now) => now.ready && now.broken > 0);
    await counter.more(2000);
    const last = await counter.stop();
    assert.equal(last.refused, 0, last.reason);
    assert.ok(last.maps > 1 && last.broken > 0);
    await judge(last);
    await cluster.ask(heir, ['config', 'set', 'cluster-replica-no-failover', 'yes']);
    await cluster.restart(victim);
});

test('slots move while they are used: MOVED and ASK are followed, and nothing is lost', async () => {
    const counter = count();
    await counter.more(1000);
    const slot = await cluster.slot('{t5}:count');
    const from = await cluster.ownerOf(slot);
    const to = (await cluster.primaries()).find((node) => node !== from);
    await cluster.beginMove(slot, from, to);
    const before = counter.now.redirected;
    assert.equal(await cluster.moveKeys(slot, from, to), 1);
    await counter.until('the key to be asked for where it is going', (now) => now.redirected >= before + 3);
    await cluster.endMove(slot, from, to);
    await counter.more(1000);
    const maps = counter.now.maps;
    await cluster.reshard(to, from, 300);
    await counter.until('the map to be read again', (now) => now.maps > maps);
    await counter.more(1000);
    const last = await counter.stop();
    assert.deepEqual([last.refused, last.undone, last.unsure, last.broken], [0, 0, 0, 0], last.reason);
    await judge(last);
});

test('scripts are forgotten: each node is given them again', async () => {
    const counter = count();
    await counter.more(1000);
    for (let i = 0; i < 3; i++) {
        for (const node of await cluster.primaries()) await cluster.ask(node, ['script', 'flush']);
        await counter.more(700);
    }
    const last = await counter.stop();
    assert.deepEqual([last.refused, last.undone, last.unsure], [0, 0, 0], last.reason);
    await judge(last);
});

test('a node stands still: what waits for it ends, the others are used, and it comes back', async () => {
    const counter = count('--deadline-ms', '1500');
    await counter.more(1000);
    const [victim] = await cluster.primaries();
    cluster.pause(victim);
    await counter.until('commands that may have been done', (now) => now.unsure > 0);
    await counter.until('commands that were not done', (now) => now.undone > 0);
    await counter.more(500); // of the other nodes
    assert.equal(counter.now.ready, true);
    cluster.resume(victim);
    await waitFor('the node to be used again', async () => {
        const { undone } = counter.now;
        await counter.more(1000);
        return counter.now.undone === undone;
    }, SECONDS);
    const last = await counter.stop();
    assert.equal(last.refused, 0, last.reason);
    await judge(last);
});

test('a user who may only count: by name and password, and no more', async () => {
    const password = place.write('conf/redis-password', `${PASSWORD}\n`);
    const counter = count('--user', USER, '--password-file', password, '--channel', 'bell:1');
    await counter.more(500);
    await counter.until('the channel', (now) => now.channels['bell:1'].listening === 1);
    const last = await counter.stop();
    assert.deepEqual([last.refused, last.undone], [0, 0], last.reason);
    const other = count('--user', USER, '--password-file', place.write('conf/redis-other', 'another\n'));
    await other.until('a refusal', (now) => /WRONGPASS|refuses the user/.test(now.why) && now.undone > 0);
    const { done, reason } = await other.stop();
    assert.equal(done, 0);
    assert.doesNotMatch(reason, /another/);
});

test('sharded channels: heard at the node that has the slot, and again where it goes', async () => {
    const channels = ['bell:a', 'bell:b', 'bell:c', 'bell:d'];
    const counter = count('--workers', '1', ...channels.flatMap((name) => ['--channel', name]));
    const publish = async (name, text) => cluster.ask(await cluster.ownerOf(await cluster.slot(name)), ['spublish', name, text]);
    const all = (condition) => (now) => channels.every((name) => condition(now.channels[name]));
    await counter.until('all channels', all(({ listening }) => listening === 1));
    for (const name of channels) await publish(name, 'one');
    await counter.until('a message each', all(({ messages }) => messages === 1));
    const slot = await cluster.slot(channels[0]);
    const from = await cluster.ownerOf(slot);
    const to = (await cluster.primaries()).find((node) => node !== from);
    await cluster.beginMove(slot, from, to);
    await cluster.endMove(slot, from, to);
    await cluster.agreed();
    await counter.until('the channel where its slot went', ({ channels: { 'bell:a': a } }) => a.deaf > 0 && a.listening === a.deaf + 1);
    for (const name of channels) await publish(name, 'two');
    await counter.until('a second message each', all(({ messages }) => messages === 2));
    const { channels: heard } = await counter.stop();
    assert.deepEqual(heard['bell:b'].deaf + heard['bell:c'].deaf + heard['bell:d'].deaf, 0);
});

test('a single Redis: the same client, with channels of the older kind', async () => {
    const redis = await startRedis(place, { name: 'single', password: 'one' });
    const args = ['--to', `unix:${redis.socket}`, '--password-file', place.write('conf/single-password', 'one\n'), '--channel', 'bell:1'];
    const counter = new Counter([...args, '--timeout-ms', '700', '--deadline-ms', '3000']);
    await counter.more(500);
    await counter.until('the channel', (now) => now.channels['bell:1'].listening === 1);
    await redis.ask(['publish', 'bell:1', 'one']);
    await counter.until('the message', (now) => now.channels['bell:1'].messages === 1);
    await redis.kill();
    await counter.until('its absence to be known', (now) => !now.ready && now.undone > 0);
    await redis.start();
    await counter.until('the channel again', (now) => now.ready && now.channels['bell:1'].listening === 2);
    await counter.more(500);
    const last = await counter.stop();
    assert.equal(last.results, last.given - last.notTaken);
    assert.equal(last.twice, 0);
    await redis.stop();
});
