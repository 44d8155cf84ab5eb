// The wall clock of the machine is set forward and back while students save: sessions follow it, intervals and deadlines do not. Then that of the api
// alone: it believes no edge whose clock is another.
// time bound: 290 s

import './release-build.mjs';

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { renameSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { Client } from '../lib/client.mjs';
import { nowSeconds } from '../lib/edge-context.mjs';
import { newPlace } from '../lib/place.mjs';
import { waitFor } from '../lib/wait.mjs';
import { Load, assertServes, openTown } from './harness.mjs';

const DAY = 86400; // seconds
const library = findLibrary();
const skip = library ? false : 'libfaketime is not installed (auto/deps long)';
const place = newPlace();
let town, load;

/** The clock of the edge, in whose place we speak to the api: seconds ahead of the right one. */
let edgeAhead = 0;
const edge = {
    tenant: 1,
    get time() {
        return nowSeconds() + edgeAhead;
    },
};

before(async () => {
    if (skip) return;
    setClock(0);
    const variables = {
        LD_PRELOAD: library,
        FAKETIME_TIMESTAMP_FILE: place.path('clock'),
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
        DONT_FAKE_MONOTONIC: '1', // the older name
    };
    const under = ['env', ...Object.entries(variables).map(([name, value]) => `${name}=${value}`)]; // as the user who runs the api, not before
    town = await openTown(place, { under, settings: { idle_timeout_ms: 3600000 } });
    load = new Load(town, { connect });
    await load.start();
});
after(() => place.stop());

function findLibrary() {
    const files = execFileSync('sh', ['-c', 'ls /usr/lib/*/faketime/libfaketimeMT.so.1 2>/dev/null || true'], { encoding: 'utf8' });
    return files.split('\n').find(Boolean);
}

/** Seconds that the clock of the api is ahead of the right one, and that of the edge with it, unless said otherwise. Whoever reads the file finds the
 *  old one or the new one, never half of one. */
function setClock(seconds, edgeSeconds = seconds) {
    place.write('clock.new', `${seconds < 0 ? '' : '+'}${seconds}\n`);
    renameSync(place.path('clock.new'), place.path('clock'));
    edgeAhead = edgeSeconds;
}

function connect(student) {
    return new Client({ socketPath: town.api.socketPath, headers: { cookie: student.cookie }, edge });
}

const ask = (path = `/api/v1/courses/${town.courseId}`) => {
    const client = connect(town.students[0]);
    return client.get(path).finally(() => client.close());
};
const dateOfAnswer = async () => Date.parse((await ask('/healthz')).headers.date);

test('the clock of the api is the one that is set', { skip }, async () => {
    setClock(30 * DAY);
    await waitFor('the new date', async () => (await dateOfAnswer()) > Date.now() + 29 * 86400_000);
    assert.equal((await ask()).status, 401, 'a session of 12 hours has ended');
});

test('when the clock is put right, the same sessions go on', { skip }, async () => {
    setClock(0);
    await waitFor('the right date', async () => Math.abs((await dateOfAnswer()) - Date.now()) < 86400_000);
    await load.goesOn();
    await assertServes(town, connect);
});

test('a clock that is an hour behind takes no session that was signed in its future, and says why', { skip }, async () => {
    setClock(-3600);
    await waitFor('the old date', async () => (await dateOfAnswer()) < Date.now() - 1800_000);
    assert.equal((await ask()).status, 401);
    await waitFor('the reason in the log', () => /compare the clocks/.test(place.read('log/error.log')));
    setClock(0);
    await load.goesOn();
});

for (const [which, seconds, sentence] of [
    ['behind', -300, /key local: the context is (?:300|29\d) s from the future and may be 30: the edge's clock is ahead of ours or ours behind/],
    ['ahead', 300, /key local: the context is 3\d\d s old and may be 30: the edge's clock is behind ours or ours ahead/],
]) {
    test(`while the clock of the api alone is five minutes ${which}, it believes no edge, and says why`, { skip }, async () => {
        setClock(seconds, 0);
        await waitFor('the other time', async () => Math.abs((await dateOfAnswer()) - Date.now()) > 250_000);
        assert.equal((await ask()).status, 404);
        await waitFor('the reason in the log', () => sentence.test(place.read('log/error.log')));
        setClock(0);
        await load.goesOn();
        await assertServes(town, connect);
    });
}

test('no connection was ended and no deadline struck because of the clock', { skip }, async () => {
    await load.stop();
    const reasons = new Set(load.failures.map((f) => f.status));
    assert.deepEqual([...reasons].filter((status) => ![401, 404].includes(status)), [], 'only sessions and contexts were refused');
    assert.ok(!/deadline of/.test(place.read('log/error.log')));
    await load.assertNothingLost();
});
