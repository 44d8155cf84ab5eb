// The wall clock of the api is set forward and back while students save: sessions follow it, intervals and deadlines do not.
// time bound: 290 s

import './release-build.mjs';

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { renameSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { originClient } from '../lib/server-firstbell.mjs';
import { waitFor } from '../lib/wait.mjs';
import { Load, assertServes, openTown } from './harness.mjs';

const library = findLibrary();
const skip = library ? false : 'libfaketime is not installed (auto/deps long)';
const place = newPlace();
let town, load;
before(async () => {
    if (skip) return;
    setClock('+0');
    const variables = {
        LD_PRELOAD: library,
        FAKETIME_TIMESTAMP_FILE: place.path('clock'),
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
        DONT_FAKE_MONOTONIC: '1', // the older name
    };
    const under = ['env', ...Object.entries(variables).map(([name, value]) => `${name}=${value}`)]; // as the user who runs the api, not before
    town = await openTown(place, { under, settings: { idle_timeout_ms: 3600000 } });
    load = new Load(town);
    await load.start();
});
after(() => place.stop());

function findLibrary() {
    const files = execFileSync('sh', ['-c', 'ls /usr/lib/*/faketime/libfaketimeMT.so.1 2>/dev/null || true'], { encoding: 'utf8' });
    return files.split('\n').find(Boolean);
}

/** offset: "+2d", "-1h", as libfaketime has it. Whoever reads finds the old file or the new one, never half of one. */
function setClock(offset) {
    place.write('clock.new', `${offset}\n`);
    renameSync(place.path('clock.new'), place.path('clock'));
}

const ask = (path = `/api/v1/courses/${town.courseId}`) => {
    const client = originClient(town.api.socketPath, 1);
    client.headers.cookie = town.students[0].cookie;
    return client.get(path).finally(() => client.close());
};
const dateOfAnswer = async () => Date.parse((await ask('/healthz')).headers.date);

test('the clock of the api is the one that is set', { skip }, async () => {
    setClock('+30d');
    await waitFor('the new date', async () => (await dateOfAnswer()) > Date.now() + 29 * 86400_000);
    assert.equal((await ask()).status, 401, 'a session of 12 hours has ended');
});

test('when the clock is put right, the same sessions go on', { skip }, async () => {
    setClock('+0');
    await waitFor('the right date', async () => Math.abs((await dateOfAnswer()) - Date.now()) < 86400_000);
    await load.goesOn();
    await assertServes(town);
});

test('a clock that is an hour behind takes no session that was signed in its future, and says why', { skip }, async () => {
    setClock('-1h');
    await waitFor('the old date', async () => (await dateOfAnswer()) < Date.now() - 1800_000);
    assert.equal((await ask()).status, 401);
    await waitFor('the reason in the log', () => /compare the clocks/.test(place.read('log/error.log')));
    setClock('+0');
    await load.goesOn();
});

test('no connection was ended and no deadline struck because of the clock', { skip }, async () => {
    await load.stop();
    const reasons = new Set(load.failures.map((f) => f.status));
    assert.deepEqual([...reasons].filter((status) => status !== 401), [], 'only sessions were refused');
    assert.ok(!/deadline of/.test(place.read('log/error.log')));
    await load.assertNothingLost();
});
