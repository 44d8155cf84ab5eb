// kill -9 of every process of the origin, in an order by chance, while students save and hand in quizzes: what was acknowledged is there afterwards,
// exactly once.
// time bound: 290 s

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { startJobs } from '../lib/server-firstbell.mjs';
import { waitFor } from '../lib/wait.mjs';
import { Load, apiBackends, assertServes, chance, kill, openTown, restartApi, restartPostgres, untilConnected } from './harness.mjs';

const BLOWS = 10;

const dice = chance();
const place = newPlace();
place.expect(/was terminated by signal 9/); // PostgreSQL's word for a killed backend
place.expect(/was ended by signal 9/);
let town, jobs, load;
before(async () => {
    town = await openTown(place);
    jobs = await startJobs(place);
    load = new Load(town, { attempts: true });
    await load.start();
});
after(() => place.stop());

const blows = {
    'a worker of the api': async () => {
        const old = town.workers();
        kill(dice.pick(old));
        await waitFor('a worker in its place', () => town.workers().length === old.length && town.workers().some((pid) => !old.includes(pid)), 30);
    },
    'the master of the api': async () => {
        kill(town.api.program.child.pid);
        await restartApi(town);
    },
    'the queue worker': async () => {
        kill(jobs.program.child.pid);
        await jobs.program.exited;
        jobs = await startJobs(place);
    },
    'a backend of PostgreSQL': async () => {
        const old = await apiBackends(town);
        kill(dice.pick(old));
        await untilConnected(town, old); // PostgreSQL ends them all and recovers
    },
    'the postmaster': async () => {
        kill(town.postgres.program.child.pid);
        await town.postgres.program.exited;
        await restartPostgres(town);
    },
};

// Each once, then by chance.
const order = [...Object.keys(blows)];
while (order.length < BLOWS) order.push(dice.pick(Object.keys(blows)));

for (const [i, name] of order.entries()) {
    test(`blow ${i + 1}: ${name} is killed, and saves and attempts go on`, async () => {
        await blows[name]();
        await untilConnected(town);
        await load.goesOn();
        await assertServes(town);
    });
}

test('every acknowledged save and every acknowledged attempt is there exactly once', async () => {
    await load.stop();
    console.log(`# ${load.ledger.length} acknowledged, ${load.failures.length} refused or broken`);
    await load.assertNothingLost();
});

test('the ledger would have noticed a save that is lost, and one that happened twice', async () => {
    const { student, position_ms } = load.ledger.findLast((entry) => 'position_ms' in entry);
    const its = `topic = 'progress.saved' AND EXISTS (SELECT FROM jsonb_array_elements(payload -> 'saves') s WHERE s ->> 'position_ms' = '${position_ms}'
        AND (s ->> 'enrollment_id')::bigint IN (SELECT id FROM enrollments WHERE user_id = ${student}))`;
    await town.postgres.sql('postgres', `INSERT INTO outbox (tenant_id, topic, payload) SELECT tenant_id, topic, payload FROM outbox WHERE ${its}`);
    await assert.rejects(load.assertNothingLost(), /exactly once/);
    await town.postgres.sql('postgres', `DELETE FROM outbox WHERE ${its}`);
    await assert.rejects(load.assertNothingLost(), /exactly once/);
});

test('the ledger would have noticed an attempt that is lost, and one that happened twice', async () => {
    const { student, score } = load.ledger.findLast((entry) => 'score' in entry);
    const its = `topic = 'quiz.attempted' AND (payload ->> 'score_hundredths')::int = ${score} AND (payload ->> 'enrollment_id')::bigint IN
        (SELECT id FROM enrollments WHERE user_id = ${student})`;
    const unknown = load.failures.filter((entry) => entry.student === student && entry.score === score).length;
    const copy = `INSERT INTO outbox (tenant_id, topic, payload) SELECT tenant_id, topic, payload FROM outbox WHERE ${its} LIMIT 1`;
    for (let i = 0; i <= unknown; i++) await town.postgres.sql('postgres', copy);
    await assert.rejects(load.assertAttempts(), /more than once/);
    await town.postgres.sql('postgres', `DELETE FROM outbox WHERE ${its}`);
    await assert.rejects(load.assertAttempts(), /were acknowledged/);
});
