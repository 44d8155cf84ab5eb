// The directory's state on disk: the edge starts from it when everything else is down, and takes nothing that is torn, changed or of another hand.

import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { testNginx } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { Publisher, fedLines, startFedEdge } from './feed.mjs';
import { delta, lines, newKey, nginxConf, snapshot, tenant, twoTenants } from './support.mjs';

const west = tenant(3, 'west', ['west.example']);
const east = tenant(4, 'east', ['east.example']);

/** A test with a place, a key, the paths of the state, and a Redis with version 1. */
function stateTest(name, body) {
    test(name, async () => {
        const place = newPlace();
        try {
            const key = newKey(place, 'publisher');
            const redis = await startRedis(place);
            const publisher = new Publisher(redis, { key });
            await publisher.snapshot();
            place.folder('state');
            await body({ place, key, redis, publisher, file: place.path('state/directory'), deltas: place.path('state/directory.deltas') });
        } finally {
            await place.stop();
        }
    });
}

/** An edge that has taken version 1 to 3 and kept them, is stopped, as is its Redis. */
async function leaveState({ place, key, redis, publisher, deltas }) {
    const edge = await startFedEdge(place, redis, { key, name: 'first' });
    await edge.sees(1);
    await edge.sees(await publisher.put([west]));
    await edge.sees(await publisher.put([east]));
    const kept = () => existsSync(deltas) && readFileSync(deltas, 'utf8').includes('bell-directory 2 2 3 ');
    await waitFor('the deltas on disk', kept);
    await place.stopProgram(edge.program);
    await redis.stop();
    return edge;
}

const errors = (edge) => lines(edge.log(), /\[error\].*bell_directory/);

stateTest('with Redis down the edge starts from the snapshot and the deltas that it kept', async (t) => {
    await leaveState(t);
    const edge = await startFedEdge(t.place, t.redis, { key: t.key });
    assert.match(edge.log(), /\[notice\].*version 3 is in service, from the state ".*\/state\/directory"/);
    for (const [, report] of await edge.everyWorker('east.example')) assert.deepEqual([report.name, report.version], ['east', '3']);
    assert.deepEqual(errors(edge), []);
    await t.redis.start();
    await edge.sees(await t.publisher.put([tenant(5, 'south-west', ['sw.example'])]));
    await waitFor('it on disk', () => readFileSync(t.deltas, 'utf8').includes('bell-directory 2 3 4 '));
    assert.equal(statSync(t.file).mode & 0o777, 0o600);
});

stateTest('a torn tail is cut off, and what comes is written behind what is good', async (t) => {
    await leaveState(t);
    const good = statSync(t.deltas).size;
    appendFileSync(t.deltas, delta(3, 4, { tenants: [tenant(9, 'torn', ['torn.example'])] }, { key: t.key }).slice(0, -9));
    const edge = await startFedEdge(t.place, t.redis, { key: t.key });
    assert.equal(await edge.version('east.example'), 3);
    assert.match(errors(edge)[0], new RegExp(`the state ".*directory\\.deltas" is refused from byte ${good} of \\d+ on: the payload is \\d+ bytes`));
    await waitFor('it to be cut', () => statSync(t.deltas).size === good);
    await t.redis.start();
    await edge.sees(await t.publisher.put([tenant(5, 'fifth', ['fifth.example'])]));
    await waitFor('it on disk', () => statSync(t.deltas).size > good);
    await t.place.stopProgram(edge.program);
    await t.redis.stop();
    const again = await startFedEdge(t.place, t.redis, { key: t.key, name: 'again' });
    assert.equal(await again.version('fifth.example'), 4);
    assert.deepEqual(errors(again), []);
});

const bad = [
    ['deltas of another key', (t) => writeFileSync(t.deltas, delta(1, 2, { tenants: [west] }, { key: newKey(t.place, 'foreign') })), /is refused from byte 0 of \d+ on: it is signed with the key/, 1],
    ['deltas with a gap', (t) => writeFileSync(t.deltas, delta(2, 3, { tenants: [west] }, { key: t.key })), /is refused from byte 0 of \d+ on: it leads from version 2 to 3, and version 1 is in service/, 1],
    ['an empty snapshot', (t) => writeFileSync(t.file, ''), /the state ".*directory" is refused: not a directory/, 0],
    ['a torn snapshot', (t) => writeFileSync(t.file, readFileSync(t.file).subarray(0, -7)), /is refused: the payload is \d+ bytes, the header says/, 0],
    ['a snapshot that is not signed', (t) => writeFileSync(t.file, snapshot(1, twoTenants)), /is refused: it is not signed/, 0],
    ['a snapshot that is a folder', (t) => (rmSync(t.file), t.place.folder('state/directory')), /is refused: it is not a regular file/, 0],
];

for (const [name, spoil, reason, left] of bad) {
    stateTest(`refused with a reason: ${name}`, async (t) => {
        await leaveState(t);
        spoil(t);
        const edge = await startFedEdge(t.place, t.redis, { key: t.key });
        assert.match(errors(edge)[0], reason);
        assert.equal((await edge.ask('east.example')).status, 404);
        assert.equal(await edge.version(), left);
        await t.redis.start();
        t.publisher.version = 3;
        await t.publisher.snapshot();
        await edge.sees(3);
        assert.equal((await edge.ask('east.example')).json.name, 'east');
        if (!/folder/.test(name)) await waitFor('the state to be mended', () => readFileSync(t.file, 'utf8').startsWith('bell-directory 2 0 3 '));
    });
}

stateTest('deltas that outgrow the snapshot: a new snapshot takes their place', async (t) => {
    const edge = await startFedEdge(t.place, t.redis, { key: t.key });
    await edge.sees(1);
    for (let n = 0; n < 6; n++) await edge.sees(await t.publisher.put([tenant(10 + n, `d-${n}`, [`d-${n}.example`])]));
    await t.publisher.snapshot();
    await waitFor('the new snapshot on disk', () => readFileSync(t.file, 'utf8').startsWith('bell-directory 2 0 7 ') && !existsSync(t.deltas));
    await edge.sees(await t.publisher.put([west]));
    await waitFor('the delta behind it', () => existsSync(t.deltas) && readFileSync(t.deltas, 'utf8').includes('bell-directory 2 7 8 '));
    assert.deepEqual(errors(edge), []);
});

stateTest('a snapshot from between: the deltas behind it are read again, so that nothing is missing on disk', async (t) => {
    const edge = await startFedEdge(t.place, t.redis, { key: t.key });
    await edge.sees(1);
    for (let n = 0; n < 6; n++) await edge.sees(await t.publisher.put([tenant(10 + n, `d-${n}`, [`d-${n}.example`])]));
    const between = t.publisher.bytes(); // version 7
    await edge.sees(await t.publisher.put([west]));
    await edge.sees(await t.publisher.put([east]));
    await t.redis.ask(['set', 'bell:directory:snapshot'], { input: between });
    await waitFor('the snapshot on disk', () => readFileSync(t.file, 'utf8').startsWith('bell-directory 2 0 7 '));
    await waitFor('the deltas behind it, and no longer those before', () => {
        const text = existsSync(t.deltas) ? readFileSync(t.deltas, 'utf8') : '';
        return text.startsWith('bell-directory 2 7 8 ') && text.includes('bell-directory 2 8 9 ');
    });
    await t.place.stopProgram(edge.program);
    await t.redis.stop();
    const again = await startFedEdge(t.place, t.redis, { key: t.key, name: 'again' });
    assert.equal(await again.version('east.example'), 9);
});

stateTest('a folder that cannot be written to: one line, and the edge follows Redis all the same', async (t) => {
    chmodSync(t.place.path('state'), 0o500);
    try {
        const edge = await startFedEdge(t.place, t.redis, { key: t.key });
        await edge.sees(1);
        for (const one of [west, east]) await edge.sees(await t.publisher.put([one]));
        const said = errors(edge).filter((line) => /what is in service is not kept on disk until it can/.test(line));
        assert.equal(said.length, 1, said.join('\n'));
    } finally {
        chmodSync(t.place.path('state'), 0o700);
    }
});

/** Bytes with one of them changed, and where. */
function spoilt(bytes, random) {
    const changed = Buffer.from(bytes);
    const at = Math.floor(random() * changed.length);
    changed[at] ^= 1 + Math.floor(random() * 255);
    return { changed, at };
}

/** Numbers from a seed, so that a failure can be had again. */
function randomFrom(seed) {
    let state = seed;
    return () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state / 2 ** 32;
    };
}

// Each start is a process of its own; most are of the release build, whose starts are quick.
for (const [modules, count] of [['build', 960], [undefined, 40]]) {
    stateTest(`${count} changes of single bytes of snapshot and deltas, ${modules ?? 'with sanitizers'}: never taken, never a crash`, async (t) => {
        await leaveState(t);
        const seed = Date.now() % 1e6;
        const random = randomFrom(seed);
        const clean = { file: readFileSync(t.file), deltas: readFileSync(t.deltas) };
        const first = clean.deltas.indexOf('bell-directory 2 2 3 ');
        const conf = nginxConf(t.place, 8080, { directory: fedLines(t.place, t.redis, { key: t.key }), modules });
        const log = t.place.path('log/nginx-t.error.log');
        for (let n = 0; n < count; n++) {
            const which = n % 3 === 0 ? 'deltas' : 'file';
            const { changed, at } = spoilt(clean[which], random);
            writeFileSync(t.file, clean.file);
            writeFileSync(t.deltas, clean.deltas);
            writeFileSync(t[which], changed);
            rmSync(log, { force: true });
            const { code, signal, stderr } = await testNginx(t.place, { conf, modules });
            const where = `seed ${seed}, round ${n}: byte ${at} of the ${which}\n${stderr}`;
            assert.deepEqual([code, signal], [0, null], where);
            const taken = Number(/version (\d+) is in service, from the state/.exec(readFileSync(log, 'utf8'))?.[1] ?? 0);
            assert.equal(taken, which === 'file' ? 0 : at < first ? 1 : 2, where);
            assert.match(stderr, which === 'file' ? /directory" is refused: / : /directory\.deltas" is refused from byte \d+ of \d+ on: /, where);
        }
    });
}
