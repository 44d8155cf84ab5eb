// What many save at the same time is one commit: who is answered what, and what errors, a lost connection and bounds do. One worker, one connection
// for batches: while its first one waits for a lock, the next one gathers.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { originClient, startApi, writeSettings } from '../lib/server-firstbell.mjs';
import { waitFor } from '../lib/wait.mjs';
import { addSchool, holdLock, itemsByTitle, openSchool } from './school.mjs';

const VIDEO = 'How rain begins';
const QUIZ = 'Rain: check yourself';
const WALK = 'Find a stream';
const settings = { workers: 1, db_batch_connections: 1, db_statement_timeout_ms: 60000, request_deadline_ms: 30000 };

const place = newPlace();
let school, here, there;
before(async () => {
    school = await openSchool(place, { settings });
    await addSchool(place, 'other', 'other.localhost');
    here = await student(1);
    there = await student(2);
});
after(() => place.stop());

/** The student of a tenant, with a session, and the ids of the course's items by title. */
async function student(tenant) {
    const client = await school.signIn('student.demo', tenant);
    const courseId = Number(await sql(`SELECT id FROM courses WHERE tenant_id = ${tenant} AND sourced_id = 'course-demo'`));
    const items = await itemsByTitle(client, courseId);
    return { client, id: (title) => items[title].id, save: (title, json) => save(client, items[title].id, json) };
}

const sql = (statement) => school.postgres.sql('postgres', statement);
const rows = (statement) => school.postgres.rows('postgres', statement);
const save = (client, id, json) => client.put(`/api/v1/items/${id}/progress`, json);
const statusOf = (replies) => replies.map(({ status }) => status);
const forget = () => sql('TRUNCATE progress, outbox');
const saving = () => rows("SELECT pid FROM pg_stat_activity WHERE application_name = 'firstbell api' AND wait_event_type = 'Lock' AND query ~ 'save_progress_batch'");

/** While nothing can be saved: a first save is with PostgreSQL, then what `give` returns has come to the worker, and waits. Gives how it all ended. */
async function together(give, meanwhile = async () => {}) {
    const held = holdLock({ place, ...school }, 'LOCK TABLE progress IN ACCESS EXCLUSIVE MODE');
    await held.ready;
    const first = here.save(VIDEO, {});
    await waitFor('the first save to wait for the lock', async () => (await saving()).length === 1);
    const others = give();
    await hasRead();
    await meanwhile();
    held.release();
    const replies = await Promise.all(others);
    await first;
    return replies;
}

/** The one worker has read what was sent to it before: it answers in turn. */
async function hasRead() {
    for (let i = 0; i < 3; i++) assert.equal((await here.client.get('/healthz')).status, 200);
}

test('each of a batch has its own answer: saved, locked, not theirs, of another district, signed out', async () => {
    await forget();
    const gone = await school.signIn('student.demo', 1);
    const replies = await together(() => [
        here.save(VIDEO, { percent: 50, position_s: 10 }),
        here.save(WALK, { completed: true }),
        there.save(VIDEO, { percent: 30, position_s: 3 }),
        here.save(QUIZ, { percent: 10 }),
        save(here.client, there.id(VIDEO), { percent: 80 }),
        save(there.client, here.id(VIDEO), { percent: 90 }),
        save(gone, here.id(VIDEO), { percent: 89 }),
        save(here.client, 9_000_000_000, { percent: 1 }),
    ], () => sql('DELETE FROM sessions WHERE sid = (SELECT sid FROM sessions WHERE tenant_id = 1 ORDER BY created_at DESC LIMIT 1)'));
    assert.deepEqual(statusOf(replies), [200, 200, 200, 409, 404, 404, 401, 404]);
    assert.deepEqual([replies[0].json.percent, replies[0].json.position_s], [50, 10]);
    assert.deepEqual([replies[1].json.status, replies[1].json.percent], ['completed', 100]);
    assert.deepEqual([replies[2].json.percent, replies[2].json.position_s], [30, 3], 'what they asked of the other district changed nothing');
    assert.match(replies[3].json.detail, /How rain begins/);
    assert.deepEqual(replies[4].json, { ...replies[7].json, request_id: replies[4].json.request_id }, 'as if it did not exist');
    const stored = await rows('SELECT tenant_id, item_id, percent, position_ms, xmin::text FROM progress ORDER BY tenant_id, item_id');
    assert.deepEqual(stored.map(({ tenant_id, item_id, percent, position_ms }) => [tenant_id, item_id, percent, position_ms]),
        [[1, here.id(VIDEO), 50, 10_000], [1, here.id(WALK), 100, 0], [2, there.id(VIDEO), 30, 3000]]);
    assert.equal(new Set(stored.map(({ xmin }) => xmin)).size, 1, 'one commit for all of them');
});

test('the outbox has one event for a district and a batch, with its own saves alone', async () => {
    await forget();
    await together(() => [here.save(VIDEO, { percent: 5 }), here.save(WALK, {}), there.save(WALK, {})]);
    const events = await rows("SELECT tenant_id, payload FROM outbox WHERE topic = 'progress.saved' ORDER BY tenant_id, id");
    assert.deepEqual(events.map(({ tenant_id, payload }) => [tenant_id, payload.saves.map(({ item_id }) => item_id).sort()]),
        [[1, [here.id(VIDEO)]], [1, [here.id(VIDEO), here.id(WALK)].sort()], [2, [there.id(WALK)]]]);
});

test('saves of one item in one batch: the greatest percent, the last position that was given, the longest time', async () => {
    await forget();
    const replies = await together(() => [
        here.save(VIDEO, { percent: 20, position_s: 1, time_spent_s: 2 }),
        here.save(VIDEO, { percent: 60, position_s: 7, time_spent_s: 1 }),
        here.save(VIDEO, { percent: 40 }),
    ]);
    assert.deepEqual(statusOf(replies), [200, 200, 200]);
    for (const { json } of replies) assert.deepEqual([json.percent, json.position_s], [60, 7], 'all see what has become of them');
    const [stored] = await rows('SELECT percent, position_ms, time_spent_s FROM progress');
    assert.deepEqual([stored.percent, stored.position_ms], [60, 7000]);
    assert.ok(stored.time_spent_s <= 2 + 1, `${stored.time_spent_s} s`);
});

test('a position of 0 is one, and none given leaves the one before', async () => {
    await forget();
    assert.equal((await here.save(VIDEO, { position_s: 8 })).json.position_s, 8);
    assert.equal((await here.save(VIDEO, { percent: 1 })).json.position_s, 8);
    assert.equal((await here.save(VIDEO, { position_s: 0 })).json.position_s, 0);
});

test('more than fit into a batch are the next one', async () => {
    await forget();
    const replies = await together(() => Array.from({ length: 600 }, (_, i) => (i % 2 ? here : there).save(WALK, { completed: i > 500 })));
    assert.deepEqual(new Set(statusOf(replies)), new Set([200]));
    const [{ n }] = await rows("SELECT count(*)::int AS n FROM outbox WHERE topic = 'progress.saved'");
    assert.ok(n <= 1 + 2 * 4, `${n} events of two districts for 600 saves`);
    assert.deepEqual((await rows('SELECT DISTINCT status FROM progress WHERE item_id IN (' + [here.id(WALK), there.id(WALK)] + ')')), [{ status: 2 }]);
});

test('what cannot be stored is the answer to those who asked for it, and no neighbour fails', async () => {
    await forget();
    await sql(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF new.item_id = ${here.id(WALK)} THEN RAISE EXCEPTION $$no$$; END IF; RETURN new; END';
        CREATE TRIGGER refuse BEFORE INSERT ON progress FOR EACH ROW EXECUTE FUNCTION refuse()`);
    const replies = await together(() => [here.save(VIDEO, { percent: 3 }), here.save(WALK, {}), there.save(WALK, {}), here.save(WALK, {}), there.save(VIDEO, { percent: 4 })]);
    await sql('DROP TRIGGER refuse ON progress; DROP FUNCTION refuse');
    assert.deepEqual(statusOf(replies), [200, 500, 200, 500, 200]);
    assert.deepEqual((await rows('SELECT percent FROM progress ORDER BY percent')).map(({ percent }) => percent), [0, 3, 4]);
});

test('when the connection breaks in the middle, everybody is told so, and saves go on', async () => {
    await forget();
    const replies = await together(() => [here.save(VIDEO, { percent: 9 }), there.save(VIDEO, { percent: 9 })],
        async () => {
            const [{ pid }] = await saving();
            await sql(`SELECT pg_terminate_backend(${pid})`);
        });
    for (const { status, json, headers } of replies) {
        assert.deepEqual([status, json.type], [503, '/problems/database']);
        assert.ok(headers['retry-after'] > 0);
    }
    await waitFor('saves to be taken again', async () => (await here.save(VIDEO, { percent: 11 })).status === 200);
    assert.deepEqual((await rows('SELECT tenant_id, percent FROM progress')), [{ tenant_id: 1, percent: 11 }]);
});

test('a client that goes away has saved all the same', async () => {
    await forget();
    const leaving = originClient(school.api.socketPath, 1);
    leaving.cookies = new Map(here.client.cookies);
    const replies = await together(() => {
        save(leaving, here.id(WALK), { completed: true }).catch(() => {});
        return [there.save(VIDEO, { percent: 2 })];
    }, async () => leaving.close());
    assert.deepEqual(statusOf(replies), [200]);
    await waitFor('it to be stored', async () => (await rows(`SELECT FROM progress WHERE item_id = ${here.id(WALK)} AND status = 2`)).length === 1);
});

async function restart(changed) {
    await place.stopProgram(school.api.program);
    writeSettings(place, { settings: { ...settings, ...changed } });
    school.api = await startApi(place);
}

test('past what may wait it is 503 with Retry-After, and what waits is saved', async () => {
    await restart({ db_batch_waiting_max: 10 });
    await forget();
    const replies = await together(() => Array.from({ length: 12 }, () => here.save(WALK, {})));
    assert.deepEqual(statusOf(replies).sort(), [...Array(7).fill(200), ...Array(5).fill(503)], 'this class has 70 percent of it');
    const refused = replies.find(({ status }) => status === 503);
    assert.equal(refused.json.type, '/problems/busy');
    assert.ok(refused.headers['retry-after'] > 0);
});

test('what takes too long is 503 for each, and nothing of it is stored', async () => {
    await restart({ db_statement_timeout_ms: 300, request_deadline_ms: 2000 });
    await forget();
    const held = holdLock({ place, ...school }, 'LOCK TABLE progress IN ACCESS EXCLUSIVE MODE');
    await held.ready;
    const replies = await Promise.all([here.save(VIDEO, { percent: 1 }), here.save(WALK, {}), there.save(WALK, {})]);
    held.release();
    await held.done;
    assert.deepEqual(replies.map(({ status, json }) => [status, json.type]), Array(3).fill([503, '/problems/deadline']));
    assert.equal((await here.save(WALK, {})).status, 200);
    assert.equal(await sql('SELECT count(*) FROM progress'), '1');
});
