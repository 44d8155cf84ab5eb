// The api through pgbouncer in transaction mode: a session that is another with every request, and the walls between districts in spite of it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { firstbell, originClient, startApi, startJobs, writeSettings } from '../lib/server-firstbell.mjs';
import { startPgbouncer } from '../lib/server-pgbouncer.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';
import { waitFor } from '../lib/wait.mjs';
import { addSchool, holdLock, itemsByTitle, password } from './school.mjs';

const place = newPlace();
const sessions = 2; // of PostgreSQL, for the connections of all workers
const tenants = [1, 2];
let postgres, api, pooler;

before(async () => {
    postgres = await startPostgres(place);
    pooler = await startPgbouncer(place, { size: sessions });
    const settings = {
        database: pooler.conninfo,
        direct_database: `host=${place.path('sock')} dbname=firstbell`,
        db_prepared: 'off',
        db_connections: 8,
        request_deadline_ms: 8000,
    };
    writeSettings(place, { settings });
    await addSchool(place, 'demo', 'demo.localhost');
    await addSchool(place, 'lakeside', 'lakeside.localhost');
    api = await startApi(place);
});
after(() => place.stop());

async function signIn(username, tenant) {
    const client = originClient(api.socketPath, tenant);
    await client.signIn(username, password);
    return client;
}

const demoCourse = (tenant) => postgres.sql('postgres', `SELECT id FROM courses WHERE tenant_id = ${tenant} AND sourced_id = 'course-demo'`);
const coursesOf = async (tenant) => (await postgres.rows('postgres', `SELECT id FROM courses WHERE tenant_id = ${tenant}`)).map((row) => row.id);
const classOf = async (teacher) => (await teacher.get('/api/v1/classes')).json.classes[0].id;

/** What a student and a teacher of one district do, several times over: every answer is the district's own. */
async function aMorning(tenant, times) {
    const student = await signIn('student.demo', tenant);
    const teacher = await signIn('teacher.demo', tenant);
    const courseId = Number(await demoCourse(tenant));
    const own = await coursesOf(tenant);
    const items = await itemsByTitle(student, courseId);
    const item = items['How rain begins'].id;
    const classId = await classOf(teacher);
    for (let i = 1; i <= times; i++) {
        const saved = tenant * 30 + i; // each district in a range of its own; a percentage does not go down
        assert.equal((await student.put(`/api/v1/items/${item}/progress`, { percent: saved })).status, 200);
        const [courses, outline, progress, me] = await Promise.all([
            student.get('/api/v1/courses'), student.get(`/api/v1/courses/${courseId}`), teacher.get(`/api/v1/classes/${classId}/progress`), student.get('/api/v1/me'),
        ]);
        assert.deepEqual([courses.status, outline.status, progress.status, me.status], [200, 200, 200, 200]);
        assert.ok(courses.json.courses.some((course) => course.id === courseId));
        assert.ok(courses.json.courses.every((course) => own.includes(course.id)), 'the courses of the district alone');
        const { percent } = outline.json.modules.flatMap((m) => m.lessons.flatMap((l) => l.items)).find((found) => found.id === item);
        assert.ok(percent >= saved && percent < (tenant + 1) * 30, `${percent} of district ${tenant}`);
    }
    student.close();
    teacher.close();
    return { courseId, item, classId };
}

test('two districts at the same time over two sessions: sign-in, courses, saves, class progress', async () => {
    const of = await Promise.all([...tenants, ...tenants].map((tenant) => aMorning(tenant, 5)));
    assert.notEqual(of[0].courseId, of[1].courseId);
    const count = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'fb_app'";
    assert.ok(Number(await postgres.sql('postgres', count)) <= sessions, 'the pooler was in between');
});

test("the other district's ids are 404, while both are busy", async () => {
    const [mine, theirs] = [await aMorning(1, 1), await aMorning(2, 1)];
    const busy = Promise.all(tenants.map((tenant) => aMorning(tenant, 4)));
    const student = await signIn('student.demo', 1);
    const teacher = await signIn('teacher.demo', 1);
    for (let i = 0; i < 10; i++) {
        const replies = await Promise.all([
            student.get(`/api/v1/courses/${theirs.courseId}`),
            student.put(`/api/v1/items/${theirs.item}/progress`, { percent: 99 }),
            teacher.get(`/api/v1/classes/${theirs.classId}/progress`),
            student.get(`/api/v1/courses/${mine.courseId}`),
        ]);
        assert.deepEqual(replies.map((reply) => reply.status), [404, 404, 404, 200]);
    }
    await busy;
    assert.equal(await postgres.sql('postgres', 'SELECT count(*) FROM progress WHERE percent = 99'), '0');
    student.close();
    teacher.close();
});

test('nothing stays behind in a session: no tenant, no time-out, no prepared statement', async () => {
    const left = "SELECT concat_ws(',', current_setting('app.tenant', true), current_setting('statement_timeout'), (SELECT count(*) FROM pg_prepared_statements))";
    const psql = Array.from({ length: 6 }, () => postgres.sql('fb_app', left, { port: 6432 }));
    for (const found of await Promise.all(psql)) assert.match(found, /^(,)?0,0$/);
});

test('a statement past the deadline is cancelled through the pooler, and nobody else is', async () => {
    const student = await signIn('student.demo', 1);
    const { item } = await aMorning(1, 1);
    const held = holdLock({ place, postgres }, 'LOCK TABLE progress IN ACCESS EXCLUSIVE MODE');
    await held.ready;
    const reply = await student.put(`/api/v1/items/${item}/progress`, { percent: 95 });
    assert.equal(reply.status, 503);
    assert.equal(reply.json.type, '/problems/deadline');
    held.release();
    await waitFor('saves to work again', async () => (await student.put(`/api/v1/items/${item}/progress`, { percent: 96 })).status === 200);
    student.close();
});

test('a pooler that is away is 503 at once; it needs no restart afterwards', async () => {
    const student = await signIn('student.demo', 1);
    await place.stopProgram(pooler.program);
    const reply = await waitFor('the 503', async () => {
        const answer = await student.get('/api/v1/me');
        return answer.status === 503 && answer;
    });
    assert.equal(reply.json.type, '/problems/database');
    assert.equal(reply.headers['retry-after'], '5');
    pooler = await startPgbouncer(place, { size: sessions });
    await waitFor('recovery', async () => (await student.get('/api/v1/me')).status === 200);
    student.close();
});

test('the queue worker and the commands go past the pooler, or say that they have to', async () => {
    const { program } = await startJobs(place);
    await place.stopProgram(program);
    const conf = writeSettings(place, { settings: { database: pooler.conninfo }, name: 'conf/through.conf' });
    for (const command of [['migrate'], ['tenant', 'list'], ['jobs', '--once']]) {
        const { code, stderr, stdout } = await firstbell(place, command, { conf });
        assert.equal(code, 1, command.join(' '));
        assert.match(stderr + stdout, /a pooler stands in between, .* name PostgreSQL itself in the setting direct_database/);
    }
});
