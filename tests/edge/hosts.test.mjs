// What a worker has found for a host is used again only while it is what it would find: each change is seen in every worker that had another answer.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';
import { Publisher, startFedEdge } from './feed.mjs';
import { newKey, pinToWorkers, replyWithReport, snapshot, tenant } from './support.mjs';

const WORKERS = 3;
const north = tenant(1, 'north', ['north.example', '*.north.example']);
const south = tenant(2, 'south', ['south.example', 'learn.south.example']);
const west = tenant(3, 'west', ['west.example']);

/** An edge of three workers that has version 1, and a connection to each: {publisher, redis, key, clients, hosts, change, answers}. */
function hostsTest(name, { tenants = [north, south, west], defaultTenant }, body) {
    test(name, async () => {
        const place = newPlace();
        try {
            const key = newKey(place, 'publisher');
            const redis = await startRedis(place);
            await redis.ask(['set', 'bell:directory:snapshot'], { input: snapshot(1, tenants, defaultTenant, { key }) });
            const publisher = new Publisher(redis, { key, tenants });
            publisher.version = 1;
            const server = `keepalive_requests 1000000; add_header Worker $pid always; add_header Version $bell_directory_version always; location / { ${replyWithReport} }`;
            const edge = await startFedEdge(place, redis, { key, workers: WORKERS, server });
            await edge.sees(1, 'north.example');
            const clients = await pinToWorkers(edge.port, WORKERS, 'north.example');
            await body({ place, redis, key, publisher, clients }).finally(() => clients.forEach((client) => client.close()));
        } finally {
            await place.stop();
        }
    });
}

/** Each worker is asked for each host twice, for the second answer is one that was kept: who is expected, or which status. */
async function assertAnswers(clients, version, expected) {
    await Promise.all(clients.map((client) => waitFor(`version ${version}`, async () => (await client.ask('north.example')).headers.version === String(version))));
    for (const client of clients) {
        for (const [host, who] of [...Object.entries(expected), ...Object.entries(expected)]) {
            const { status, json, headers } = await client.ask(host);
            assert.deepEqual([host, json?.name ?? status, headers.version], [host, who, String(version)], `worker ${client.worker}`);
        }
    }
}

const first = { 'north.example': 'north', 'www.north.example': 'north', 'a.deep.north.example': 'north', 'south.example': 'south', 'learn.south.example': 'south', 'west.example': 'west', 'nobody.example': 404 };

hostsTest('a host that moves to another tenant, alone and in exchange', {}, async ({ publisher, clients }) => {
    await assertAnswers(clients, 1, first);
    await publisher.put([{ ...south, hosts: ['learn.south.example'] }, { ...west, hosts: ['west.example', 'south.example'] }]);
    await assertAnswers(clients, 2, { ...first, 'south.example': 'west' });
    await publisher.put([{ ...south, hosts: ['west.example'] }, { ...west, hosts: ['south.example', 'learn.south.example'] }]);
    await assertAnswers(clients, 3, { ...first, 'south.example': 'west', 'learn.south.example': 'west', 'west.example': 'south' });
});

hostsTest('a tenant that is suspended, served again, and removed', {}, async ({ publisher, clients }) => {
    await assertAnswers(clients, 1, first);
    await publisher.put([{ ...south, status: 'suspended' }]);
    await assertAnswers(clients, 2, { ...first, 'south.example': 503, 'learn.south.example': 503 });
    await publisher.put([south]);
    await assertAnswers(clients, 3, first);
    await publisher.put([], [2]);
    await assertAnswers(clients, 4, { ...first, 'south.example': 404, 'learn.south.example': 404 });
});

hostsTest('names below a wildcard that come and go: exact ones, and longer wildcards', {}, async ({ publisher, clients }) => {
    await assertAnswers(clients, 1, first);
    await publisher.put([{ ...west, hosts: ['west.example', 'www.north.example'] }]);
    await assertAnswers(clients, 2, { ...first, 'www.north.example': 'west' });
    await publisher.put([{ ...south, hosts: [...south.hosts, '*.deep.north.example'] }]);
    await assertAnswers(clients, 3, { ...first, 'www.north.example': 'west', 'a.deep.north.example': 'south' });
    await publisher.put([west]);
    await publisher.put([south]);
    await assertAnswers(clients, 5, first);
});

const crowd = Array.from({ length: 40 }, (_, n) => tenant(n + 1, n % 3 === 0 ? `district-${n}-${'x'.repeat(30)}` : `d${n}`, [`d${n}.example`, `*.d${n}.example`]));

hostsTest('more names than a worker has places for, asked for again and again: each is the one that was asked for', { tenants: [north, ...crowd.slice(1)] }, async ({ publisher, clients }) => {
    const namesOf = (n) => [`d${n}.example`, ...Array.from({ length: 12 }, (_, i) => `class-${i}.d${n}.example`)];
    const assertAll = (expected) => Promise.all(clients.map(async (client) => {
        for (let round = 0; round < 4; round++) {
            for (let n = 1; n < crowd.length; n++) {
                for (const host of namesOf(n)) assert.equal((await client.ask(host)).json?.name, expected(n), host);
            }
        }
    }));
    await assertAll((n) => crowd[n].name);
    await publisher.put([{ ...crowd[1], name: 'renamed' }]);
    await Promise.all(clients.map((client) => waitFor('version 2', async () => (await client.ask('north.example')).headers.version === '2')));
    await assertAll((n) => (n === 1 ? 'renamed' : crowd[n].name));
});

hostsTest('a second tenant ends the default tenant', { tenants: [north], defaultTenant: 1 }, async ({ publisher, clients }) => {
    await assertAnswers(clients, 1, { 'north.example': 'north', 'any.example': 'north', 'west.example': 'north', '10.0.0.1': 'north' });
    await publisher.put([west]);
    await assertAnswers(clients, 2, { 'north.example': 'north', 'any.example': 404, 'west.example': 'west', '10.0.0.1': 404 });
});

hostsTest('a snapshot in which hosts have other tenants', {}, async ({ publisher, clients }) => {
    await assertAnswers(clients, 1, first);
    publisher.version = 9;
    publisher.tenants = [north, { ...south, hosts: west.hosts }, { ...west, hosts: south.hosts }];
    await publisher.snapshot();
    await publisher.add('gap', 9);
    await assertAnswers(clients, 9, { ...first, 'south.example': 'west', 'learn.south.example': 'west', 'west.example': 'south' });
});

hostsTest('texts of any length, kept as they are: short ones, the longest, and again short ones', {}, async ({ publisher, clients }) => {
    const host = `${'a'.repeat(60)}.${'b'.repeat(60)}.example`;
    const long = tenant(4, 'l'.repeat(63), ['long.example', host], { locale: `sl-${'rozaj-'.repeat(5)}x`, upstream: 'u'.repeat(63) });
    const brief = tenant(4, 'brief', long.hosts, { locale: 'de', upstream: 'api' });
    for (const [at, now] of [long, brief, { ...brief, locale: long.locale }, long].entries()) {
        await publisher.put([now]);
        await assertAnswers(clients, at + 2, { ...first, 'long.example': now.name, [host]: now.name });
        for (const client of clients) {
            for (const asked of ['long.example', host]) {
                const { json } = await client.ask(asked);
                assert.deepEqual([json.name, json.locale], [now.name, now.locale], `${asked} in worker ${client.worker}`);
            }
        }
    }
});

hostsTest('hosts that go to and fro while they are asked for: each answer is right in the version that it names', {}, async ({ publisher, clients }) => {
    const truth = new Map([[1, { 'south.example': 'south', 'x.north.example': 'north', 'west.example': 'west' }]]);
    const hosts = Object.keys(truth.get(1));
    const wrong = [];
    let asking = true;
    let asked = 0;
    const keepAsking = async (client) => {
        for (; asking; asked++) {
            const host = hosts[asked % hosts.length];
            const { status, json, headers } = await client.ask(host);
            if ((json?.name ?? status) !== truth.get(Number(headers.version))?.[host]) wrong.push(`${host}: ${json?.name ?? status} in ${headers.version}`);
        }
    };
    const change = async () => {
        for (let n = 2; n <= 120; n++) await publisher.put(toAndFro(n, truth));
        await Promise.all(clients.map((client) => waitFor('the last version', async () => (await client.ask('north.example')).headers.version === '120')));
    };
    await Promise.all([change().finally(() => (asking = false)), ...clients.map(keepAsking)]);
    assert.deepEqual(wrong, []);
    assert.ok(asked > 100, `${asked} requests`);
});

/** The tenants of version n, whose truth is noted before it is published: south.example changes hands each time, x.north.example is west's own name every
 *  second pair of them, and west is suspended every third time. */
function toAndFro(n, truth) {
    const even = n % 2 === 0;
    const own = n % 4 < 2;
    const served = n % 3 !== 0;
    const theirs = served ? 'west' : 503;
    truth.set(n, { 'south.example': even ? theirs : 'south', 'x.north.example': own ? theirs : 'north', 'west.example': theirs });
    const hosts = ['west.example', ...(even ? ['south.example'] : []), ...(own ? ['x.north.example'] : [])];
    return [{ ...south, hosts: even ? ['learn.south.example'] : south.hosts }, { ...west, hosts, status: served ? 'active' : 'suspended' }];
}
