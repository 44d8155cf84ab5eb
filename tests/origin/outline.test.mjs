// The outline of a course is written from what the worker keeps of it and from what the student has done: it is always the newest of both.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { mustFirstbell } from '../lib/server-firstbell.mjs';
import { openSchool } from './school.mjs';

const place = newPlace();
let school, student, teacher, enrollment;
before(async () => {
    school = await openSchool(place);
    student = await school.signIn('student.demo');
    teacher = await school.signIn('teacher.demo');
    enrollment = Number(await school.postgres.sql('postgres', `SELECT e.id FROM enrollments e JOIN users u ON u.id = e.user_id
        JOIN classes k ON k.id = e.class_id WHERE u.username = 'student.demo' AND k.course_id = ${school.courseId}`));
});
after(() => place.stop());

const outline = async (client = student) => {
    const reply = await client.get(`/api/v1/courses/${school.courseId}`);
    assert.equal(reply.status, 200, reply.text);
    return reply.json;
};
const itemsOf = (json) => json.modules.flatMap((module) => module.lessons.flatMap((lesson) => lesson.items));

/** What the database's own rule says is missing. */
const missingBySql = (item) => school.postgres.rows('postgres', `SELECT m.item_id, m.title, trim_scale(m.need_hundredths / 100.0) AS need_score,
    trim_scale(m.have_hundredths / 100.0) AS have_score FROM missing_prerequisites(1, ${enrollment}, ${item}) m`);

const setProgress = (key, status, score) => school.postgres.sql('postgres', `INSERT INTO progress (tenant_id, enrollment_id, item_id, status, score_hundredths)
    SELECT 1, ${enrollment}, id, ${status}, ${score} FROM items WHERE tenant_id = 1 AND key = '${key}'
    ON CONFLICT (tenant_id, enrollment_id, item_id) DO UPDATE SET status = excluded.status, score_hundredths = excluded.score_hundredths`);

test('what is locked, and why, is what the rule of the database says, whatever was done', async () => {
    for (const [status, score] of [[0, 'NULL'], [1, 'NULL'], [1, 10000], [2, 'NULL'], [2, 9999], [2, 10000]]) {
        await setProgress('rain-video', status, 'NULL');
        await setProgress('rain-quiz', status, score);
        for (const item of itemsOf(await outline())) {
            const missing = await missingBySql(item.id);
            assert.deepEqual([item.missing, item.locked], [missing, missing.length > 0], `${item.title} with status ${status}, score ${score}`);
        }
    }
});

test('times are said in UTC to the second, as the calendar of the database has them', async () => {
    for (const time of ['1969-12-31 23:59:59.9Z', '2000-02-29 12:00:00.999999Z', '2024-12-31 23:59:60Z', '2026-03-08 01:30:00-08']) {
        await setProgress('rain-video', 2, 'NULL');
        const said = await school.postgres.sql('postgres', `UPDATE progress SET started_at = '${time}' WHERE enrollment_id = ${enrollment} AND item_id =
            (SELECT id FROM items WHERE tenant_id = 1 AND key = 'rain-video')
            RETURNING to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`);
        assert.equal(itemsOf(await outline())[0].started_at, said);
    }
});

test('a teacher finds everything open', async () => {
    await setProgress('rain-video', 0, 'NULL');
    assert.ok(itemsOf(await outline(teacher)).every((item) => !item.locked && item.missing.length === 0));
});

test('a course that is imported anew is shown at once, by every worker, with the progress that was there', async () => {
    for (let i = 0; i < 8; i++) await outline(); // they keep it by now
    await setProgress('rain-video', 2, 'NULL');
    const file = place.path('course/demo/course.json');
    const course = JSON.parse(readFileSync(file, 'utf8'));
    course.modules[0].lessons[0].title = 'Rain and hail';
    course.modules[0].lessons[1].items.pop();
    writeFileSync(file, JSON.stringify(course));
    const before = itemsOf(await outline()).length;
    await mustFirstbell(place, ['course', 'import', '--tenant', 'demo', '--course', 'course-demo', place.path('course/demo')]);
    for (let i = 0; i < 8; i++) {
        const json = await outline(await school.signIn('student.demo')); // another connection, perhaps another worker
        assert.equal(json.modules[0].lessons[0].title, 'Rain and hail');
        assert.equal(itemsOf(json).length, before - 1);
        assert.equal(itemsOf(json)[0].status, 'completed');
    }
});

test('the outlines of two courses and of two districts are told apart', async () => {
    const other = Number(await school.postgres.sql('postgres', `SELECT id FROM courses WHERE tenant_id = 1 AND id <> ${school.courseId} AND id IN
        (SELECT k.course_id FROM classes k JOIN enrollments e ON e.class_id = k.id JOIN users u ON u.id = e.user_id WHERE u.username = 'student.demo') LIMIT 1`));
    await outline();
    const reply = await student.get(`/api/v1/courses/${other}`);
    assert.equal(reply.status, 200);
    assert.deepEqual([reply.json.id, reply.json.percent, reply.json.modules], [other, 0, []]);
    assert.equal((await student.get('/api/v1/courses/999999')).status, 404);
});
