// A worker is killed while it holds the mutex of the directory's shared memory and applies a change: nginx's master gives the mutex back, and the
// others go on with a directory that is whole. The module in tests/edge/probe takes the mutex.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { waitFor } from '../lib/wait.mjs';
import { askEveryWorker, lines, loadProbe, publish, report, snapshot, startEdge, tenant, twoTenants } from './support.mjs';

const place = newPlace();
place.expect(/exited on signal 9/);
place.expect(/shared memory zone "tenants" was locked by \d+/); // the master's word, as it gives the mutex back
const large = Array.from({ length: 8000 }, (_, n) => tenant(100 + n, `district-${n}`, [`district-${n}.example`, `learn.district-${n}.example`]));
const last = 'district-7999.example';
let edge;
let version = 1;

before(async () => {
    // a file, not "return": that answers before the access phase, where the probe is
    const server = `
        add_header X-Worker $pid;
        root ${place.dir};
        location / { default_type application/json; return 200 '${report}'; }
        location /hold { probe_hold tenants; try_files /page =404; }`;
    place.write('page', 'page\n');
    const directory = `bell_directory zone=tenants:8m file=${place.path('directory.snapshot')} interval=20ms;`;
    edge = await startEdge(place, { load: loadProbe(place), server, directory });
});

after(() => place.stop());

const workers = () => children(edge.program.child.pid);
const versionFor = async (host) => Number((await edge.ask(host).catch(() => undefined))?.json?.version);

/** Some worker takes the mutex; gives its pid. */
async function hold() {
    const { headers } = await edge.ask('north.example', '/hold');
    assert.equal(headers['probe-mutex'], 'taken');
    return Number(headers['x-worker']);
}

function publishNext() {
    publish(place, snapshot(++version, [...twoTenants, ...large]));
    return waitFor(`version ${version}`, async () => (await versionFor(last)) === version);
}

async function killed(pid) {
    process.kill(pid, 'SIGKILL');
    await waitFor('a worker in its place', () => !workers().includes(pid) && workers().length === 2);
}

test('while a worker holds the mutex, all are served and the directory follows its file', async () => {
    const holder = await hold();
    assert.equal((await edge.ask('north.example', '/hold')).headers['probe-mutex'], 'held by another');
    await publishNext();
    for (const [, { version: seen }] of await askEveryWorker(edge.port, 'north.example')) assert.equal(Number(seen), version);
    await killed(holder);
    assert.match(edge.log(), new RegExp(`shared memory zone "tenants" was locked by ${holder}`));
});

test('the worker that holds the mutex is killed while it applies a change: the next one takes over, and nothing torn is served', async () => {
    const takenOver = () => lines(edge.log(), /died while it changed the directory/).length;
    for (let round = 0; round < 60 && takenOver() < 2; round++) {
        const holder = await hold();
        const others = workers().filter((pid) => pid !== holder);
        for (const pid of others) process.kill(pid, 'SIGSTOP'); // so that it is the holder who applies
        try {
            publish(place, snapshot(++version, [...twoTenants, ...large]));
            const kill = performance.now() + 10 + (round % 12) * 6;
            await waitFor('the moment to kill', () => performance.now() > kill);
            process.kill(holder, 'SIGKILL');
        } finally {
            for (const pid of others) process.kill(pid, 'SIGCONT');
        }
        const served = await waitFor('an answer', () => versionFor('north.example'));
        assert.ok([version, version - 1].includes(served), `version ${served} is served, ${version} was published`);
        await waitFor('two workers, and none of them the one that died', () => !workers().includes(holder) && workers().length === 2);
        await waitFor(`version ${version}`, async () => (await versionFor(last)) === version);
    }
    assert.ok(takenOver() > 0, 'no worker was caught while it wrote');
});

test('after all that the mutex can be taken, and the directory is whole for every worker', async () => {
    await killed(await hold());
    await publishNext();
    for (const host of ['north.example', 'learn.district-0.example', last]) {
        for (const [, { version: seen }] of await askEveryWorker(edge.port, host)) assert.equal(Number(seen), version);
    }
});
