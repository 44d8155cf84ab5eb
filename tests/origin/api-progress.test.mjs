// Courses, lessons, saves and attempts as a student meets them, the class as its teacher does, and media.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { addSchool, itemsByTitle, openSchool } from './school.mjs';

const VIDEO = 'How rain begins';
const QUIZ = 'Rain: check yourself';
const READING = 'Where rivers go';
const WALK = 'Find a stream';

const place = newPlace();
let school, student, teacher;
before(async () => {
    school = await openSchool(place);
    await addSchool(place, 'other', 'other.localhost');
    student = await school.signIn('student.demo');
    teacher = await school.signIn('teacher.demo');
});
after(() => place.stop());

const save = (title, json) => itemsByTitle(student, school.courseId).then((items) => student.put(`/api/v1/items/${items[title].id}/progress`, json));

test('the list of courses says how far one is and where to go on', async () => {
    const { json } = await student.get('/api/v1/courses');
    const [course] = json.courses;
    assert.equal(course.id, school.courseId, 'the course with content comes first');
    assert.equal(course.title, 'Earth Science 7');
    assert.equal(course.items, 4);
    assert.equal(course.percent, 0);
    assert.ok(course.next_lesson_id > 0);
    assert.ok(course.teacher.length > 3);
});

test('the outline has modules, lessons and items in order, with what is locked and why', async () => {
    const { json } = await student.get(`/api/v1/courses/${school.courseId}`);
    assert.deepEqual(json.modules.map((m) => m.title), ['Water']);
    assert.deepEqual(json.modules[0].lessons.map((l) => l.title), ['Rain', 'Rivers']);
    const items = await itemsByTitle(student, school.courseId);
    assert.deepEqual(Object.keys(items), [VIDEO, QUIZ, READING, WALK]);
    assert.deepEqual([items[VIDEO].locked, items[QUIZ].locked, items[READING].locked, items[WALK].locked], [false, true, true, false]);
    assert.deepEqual(items[READING].missing, [{ item_id: items[QUIZ].id, title: QUIZ, need_score: 100, have_score: null }]);
});

test('what is locked gives no content and takes no save', async () => {
    const items = await itemsByTitle(student, school.courseId);
    const outline = await student.get(`/api/v1/courses/${school.courseId}`);
    const lesson = await student.get(`/api/v1/lessons/${outline.json.modules[0].lessons[0].id}`);
    assert.equal(lesson.json.items[1].content, null);
    const reply = await save(QUIZ, { percent: 10 });
    assert.equal(reply.status, 409);
    assert.equal(reply.json.type, '/problems/locked');
    assert.match(reply.json.detail, /How rain begins/);
    const attempt = await student.post(`/api/v1/items/${items[QUIZ].id}/attempts`, { answers: {} });
    assert.equal(attempt.status, 409);
});

test('a lesson names its neighbours, and its media by address', async () => {
    const outline = await student.get(`/api/v1/courses/${school.courseId}`);
    const [rain, rivers] = outline.json.modules[0].lessons;
    const { json } = await student.get(`/api/v1/lessons/${rain.id}`);
    assert.deepEqual([json.previous_lesson_id, json.next_lesson_id], [null, rivers.id]);
    assert.equal(json.course.id, school.courseId);
    const video = json.items[0].content;
    assert.match(video.hls, /^\/media\/\d+\/master\.m3u8$/);
    assert.match(video.captions[0].src, /^\/media\/\d+\/captions\.en\.vtt$/);
    assert.match(video.transcript, /"media:rain\/poster\.jpg"/, 'text is left as it is');
});

test('media are for those of the course, whole or in part', async () => {
    const outline = await student.get(`/api/v1/courses/${school.courseId}`);
    const lesson = await student.get(`/api/v1/lessons/${outline.json.modules[0].lessons[0].id}`);
    const { poster, hls } = lesson.json.items[0].content;
    const whole = await student.get(poster);
    assert.equal(whole.status, 200);
    assert.equal(whole.headers['content-type'], 'image/jpeg');
    assert.equal(whole.text, 'not a picture, but bytes: 0123456789');
    assert.equal((await student.get(hls)).headers['content-type'], 'application/vnd.apple.mpegurl');
    const cases = [['bytes=0-2', 206, 'not'], ['bytes=-4', 206, '6789'], ['bytes=32-', 206, '6789'], ['bytes=99-', 416], ['bytes=1-0', 200], ['lines=1-2', 200]];
    for (const [range, status, text] of cases) {
        const part = await student.get(poster, { headers: { range } });
        assert.equal(part.status, status, range);
        if (text !== undefined) assert.equal(part.text, text, range);
    }
    assert.equal((await student.get(poster, { headers: { 'if-none-match': whole.headers.etag } })).status, 304);
    assert.equal((await student.request('HEAD', poster)).headers['content-length'], '36');
    const stale = await student.get(poster, { headers: { range: 'bytes=0-2', 'if-range': '"older"' } });
    assert.equal(stale.status, 200);
    const base = poster.slice(0, poster.lastIndexOf('/'));
    for (const path of ['../../../firstbell.conf', '..%2fx', '.hidden', 'a//b', 'none.jpg', '']) {
        assert.equal((await student.get(`${base}/${path}`)).status, 404, path);
    }
    const operator = await school.signIn('operator.demo');
    assert.equal((await operator.get(poster)).status, 403);
    const stranger = await school.signIn('student.demo', 2);
    assert.equal((await stranger.get(poster)).status, 404, 'another tenant');
});

test('media that could run on the page of the district do not', async () => {
    const outline = await student.get(`/api/v1/courses/${school.courseId}`);
    const lesson = await student.get(`/api/v1/lessons/${outline.json.modules[0].lessons[0].id}`);
    const base = path.posix.dirname(lesson.json.items[0].content.poster);
    const key = (await school.postgres.sql('postgres', `SELECT key FROM assets WHERE tenant_id = 1 AND id = ${base.split('/').at(-1)}`)).trim();
    const types = { 'page.html': 'application/octet-stream', 'run.js': 'application/octet-stream', 'run.mjs': 'application/octet-stream', 'drawing.svg': 'image/svg+xml' };
    for (const [name, type] of Object.entries(types)) {
        writeFileSync(place.path('media', '1', key, name), '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>');
        const reply = await student.get(`${base}/${name}`);
        assert.equal(reply.status, 200, name);
        assert.equal(reply.headers['content-type'], type, name);
        assert.equal(reply.headers['x-content-type-options'], 'nosniff', name);
        assert.match(reply.headers['content-security-policy'], /^default-src 'none';.*; sandbox$/, name);
    }
});

test('saves move forward only, and the last position wins', async () => {
    const first = await save(VIDEO, { position_s: 4.25, percent: 42, time_spent_s: 5 });
    assert.equal(first.status, 200);
    assert.deepEqual([first.json.status, first.json.percent, first.json.position_s], ['in_progress', 42, 4.25]);
    const back = await save(VIDEO, { position_s: 1, percent: 10 });
    assert.deepEqual([back.json.percent, back.json.position_s], [42, 1]);
    assert.equal((await save(VIDEO, { position_s: 1.001, percent: 10 })).json.position_s, 1.001, 'to the millisecond');
    await save(VIDEO, { position_s: 1, percent: 10 });
    assert.equal(back.json.started_at, first.json.started_at);
    const again = await itemsByTitle(student, school.courseId);
    assert.deepEqual([again[VIDEO].percent, again[VIDEO].position_s], [42, 1], 'and is found again');
});

test('time cannot be inflated past the clock', async () => {
    const before = (await save(VIDEO, {})).json.time_spent_s;
    for (let i = 0; i < 5; i++) await save(VIDEO, { time_spent_s: 120 });
    const { time_spent_s: after } = (await save(VIDEO, {})).json;
    assert.ok(after - before < 60, `${after - before} s were counted for five saves within a moment`);
});

test('a clock that was set back takes no time away and stops no save', async () => {
    await save(VIDEO, { time_spent_s: 1 });
    await school.postgres.sql('postgres', "UPDATE progress SET updated_at = updated_at + interval '1 hour' WHERE tenant_id = 1");
    const before = await itemsByTitle(student, school.courseId);
    const reply = await save(VIDEO, { time_spent_s: 10 });
    assert.equal(reply.status, 200);
    assert.equal(reply.json.time_spent_s, before[VIDEO].time_spent_s);
});

test('what is not a save is refused with a sentence', async () => {
    for (const json of [{ percent: 101 }, { percent: -1 }, { percent: '50' }, { position_s: 1e9 }, { time_spent_s: 121 }, { completed: 'yes' }, { score: 100 }]) {
        const reply = await save(VIDEO, json);
        assert.equal(reply.status, 422, JSON.stringify(json));
        assert.ok(reply.json.detail.length > 10);
    }
});

test('a video is completed at 90 percent, which opens the quiz', async () => {
    const reply = await save(VIDEO, { position_s: 9.5, percent: 90 });
    assert.deepEqual([reply.json.status, reply.json.percent], ['completed', 100]);
    assert.ok(reply.json.completed_at);
    assert.equal((await itemsByTitle(student, school.courseId))[QUIZ].locked, false);
});

test('the quiz comes without its answers, is graded here, and the best score counts', async () => {
    const outline = await student.get(`/api/v1/courses/${school.courseId}`);
    const lesson = await student.get(`/api/v1/lessons/${outline.json.modules[0].lessons[0].id}`);
    const quiz = lesson.json.items[1];
    assert.equal(quiz.content.questions.length, 2);
    assert.ok(!JSON.stringify(quiz.content).includes('answer') && !JSON.stringify(quiz.content).includes('heavy enough'));
    const attempts = `/api/v1/items/${quiz.id}/attempts`;
    const half = await student.post(attempts, { answers: { q1: ['a'], q2: ['a'] } });
    assert.equal(half.status, 201);
    assert.deepEqual([half.json.score, half.json.passed, half.json.status], [50, false, 'in_progress']);
    assert.deepEqual(half.json.questions.map((q) => q.correct), [true, false]);
    const full = await student.post(attempts, { answers: { q1: ['a'], q2: ['b', 'a'] } });
    assert.deepEqual([full.json.score, full.json.passed, full.json.status], [100, true, 'completed']);
    const worse = await student.post(attempts, { answers: { q1: ['b'] } });
    assert.deepEqual([worse.json.score, worse.json.best_score, worse.json.status], [0, 100, 'completed']);
    for (const json of [{ answers: { q9: ['a'] } }, { answers: { q1: ['z'] } }, { answers: [] }, {}]) {
        assert.equal((await student.post(attempts, json)).status, 422, JSON.stringify(json));
    }
});

test('the reading opens with the score, and is completed by word', async () => {
    assert.equal((await itemsByTitle(student, school.courseId))[READING].locked, false);
    const reply = await save(READING, { completed: true });
    assert.deepEqual([reply.json.status, reply.json.percent], ['completed', 100]);
    assert.equal((await save(READING, { percent: 5 })).json.status, 'completed', 'and stays so');
    assert.equal((await save(QUIZ, { completed: true })).status, 200, 'a save at a quiz counts time only');
});

test('each save and its event commit together', async () => {
    const [row] = await school.postgres.rows('postgres', "SELECT count(*)::int AS n FROM outbox WHERE topic = 'progress.saved'");
    await save(WALK, { completed: true });
    const [more] = await school.postgres.rows('postgres', "SELECT count(*)::int AS n FROM outbox WHERE topic = 'progress.saved'");
    assert.equal(more.n, row.n + 1);
});

test('the teacher sees the class with it', async () => {
    const { json } = await teacher.get('/api/v1/classes');
    const mine = json.classes.find((c) => c.course_id === school.courseId);
    assert.equal(mine.students, 28);
    const reply = await teacher.get(`/api/v1/classes/${mine.id}/progress`);
    assert.equal(reply.status, 200);
    assert.equal(reply.json.students.length, 28);
    assert.deepEqual(reply.json.items.map((i) => i.title), [VIDEO, QUIZ, READING, WALK]);
    const busy = reply.json.students.filter((s) => s.completed > 0);
    assert.equal(busy.length, 1);
    assert.deepEqual([busy[0].completed, busy[0].percent], [4, 100]);
    assert.deepEqual(busy[0].items.map((i) => i.score), [null, 100, null, null]);
    assert.ok(busy[0].last_activity_at);
});

test('a class of somebody else is not there, nor is anything of another tenant', async () => {
    const [foreign] = await school.postgres.rows('postgres', `SELECT k.id FROM classes k WHERE k.tenant_id = 1 AND NOT EXISTS (SELECT FROM enrollments e
        JOIN users u ON u.tenant_id = e.tenant_id AND u.id = e.user_id WHERE e.tenant_id = 1 AND e.class_id = k.id AND u.username = 'teacher.demo') LIMIT 1`);
    assert.equal((await teacher.get(`/api/v1/classes/${foreign.id}/progress`)).status, 404);
    const stranger = await school.signIn('student.demo', 2);
    const strangerTeacher = await school.signIn('teacher.demo', 2);
    const items = await itemsByTitle(student, school.courseId);
    const outline = await student.get(`/api/v1/courses/${school.courseId}`);
    const { json } = await teacher.get('/api/v1/classes');
    const before = await school.postgres.sql('postgres', 'SELECT count(*), max(updated_at) FROM progress');
    assert.equal((await stranger.get(`/api/v1/courses/${school.courseId}`)).status, 404);
    assert.equal((await stranger.get(`/api/v1/lessons/${outline.json.modules[0].lessons[0].id}`)).status, 404);
    assert.equal((await stranger.put(`/api/v1/items/${items[VIDEO].id}/progress`, { percent: 50 })).status, 404);
    assert.equal((await stranger.post(`/api/v1/items/${items[QUIZ].id}/attempts`, { answers: {} })).status, 404);
    assert.equal((await strangerTeacher.get(`/api/v1/classes/${json.classes[0].id}/progress`)).status, 404);
    assert.equal(await school.postgres.sql('postgres', 'SELECT count(*), max(updated_at) FROM progress'), before);
});

test('a teacher may not save, and a student who left the class may not either', async () => {
    const items = await itemsByTitle(student, school.courseId);
    assert.equal((await teacher.put(`/api/v1/items/${items[VIDEO].id}/progress`, { percent: 50 })).status, 403);
    const ours = `UPDATE enrollments e SET status = %s FROM users u, classes k WHERE e.tenant_id = 1 AND u.tenant_id = 1 AND u.id = e.user_id
        AND u.username = 'student.demo' AND k.tenant_id = 1 AND k.id = e.class_id AND k.course_id = ${school.courseId}`;
    await school.postgres.sql('postgres', ours.replace('%s', '2'));
    assert.equal((await save404(items[VIDEO].id)).status, 404);
    await school.postgres.sql('postgres', ours.replace('%s', '1'));
});

const save404 = (id) => student.put(`/api/v1/items/${id}/progress`, { percent: 50 });

test('the operator sees the district', async () => {
    const operator = await school.signIn('operator.demo');
    const { json } = await operator.get('/api/v1/district');
    assert.equal(json.counts.students, 120);
    assert.equal(json.imports[0].outcome, 'done');
    assert.deepEqual(Object.keys(json.queue), ['waiting', 'running', 'failed']);
    const add = (kind, when, attempts) => school.postgres.sql('postgres', `INSERT INTO queue (tenant_id, kind, run_at, attempts) VALUES (1, '${kind}', ${when}, ${attempts})`);
    await add('due', 'now()', 0);
    await add('tried.before', "now() + interval '1 hour'", 1);
    await add('planned', "now() + interval '1 hour'", 0); // an hourly duty waits for its time, not for a worker
    assert.equal((await operator.get('/api/v1/district')).json.queue.waiting, json.queue.waiting + 2);
});
