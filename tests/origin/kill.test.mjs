// kill -9 of a worker of the api under load. The long form, with every process of the origin, is in tests/chaos.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Load, assertServes, chance, kill, openTown } from '../chaos/harness.mjs';
import { newPlace } from '../lib/place.mjs';
import { waitFor } from '../lib/wait.mjs';

const STUDENTS = 6;

const dice = chance();
const place = newPlace();
let town, load;
before(async () => {
    town = await openTown(place, { students: STUDENTS });
    load = new Load(town);
    await load.start();
});
after(() => place.stop());

test('only what was in flight on the killed worker fails, and nothing after it was replaced', async () => {
    const old = town.workers();
    kill(dice.pick(old));
    await waitFor('a worker in its place', () => town.workers().length === old.length && town.workers().some((pid) => !old.includes(pid)), 30);
    await load.goesOn();
    const failed = load.failures.length;
    assert.ok(failed <= STUDENTS, `a student has one request in flight, and ${failed} failed: ${JSON.stringify(load.failures)}`);
    await assertServes(town);
    await load.goesOn();
    assert.equal(load.failures.length, failed, JSON.stringify(load.failures));
});

test('what was acknowledged is there exactly once', async () => {
    await load.stop();
    await load.assertNothingLost();
});
