// What the scenarios of the origin are played on: a PostgreSQL with default durability, a district, a course of 30 items, students of that course
// with progress on all of it, and a session for each of them.

import { createHash, createPrivateKey, createPublicKey, randomBytes, sign } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import path from 'node:path';

import { app } from '../../tests/lib/app.mjs';
import { mustFirstbell, writeSettings } from '../../tests/lib/server-firstbell.mjs';
import { startPostgres } from '../../tests/lib/server-postgres.mjs';

const MODULES = 3;
const LESSONS = 2; // of a module
const ITEMS = 5; // of a lesson
export const QUESTIONS = 50; // of a quiz: one more score than that is possible; each is right with "a"
const KINDS = ['video', 'reading', 'quiz', 'assignment', 'reading'];

/** Gives {postgres, courseId, students: [{id, sid, cookie}], publicKey, edgeKey}; edgeKey is the file of an edge's key. `students` of them
 *  take the course and are signed in; with `progress` they have done something of every item. */
export async function openDistrict(place, { students = 512, schools = 4, pupils = 4000, progress = true, settings = {} } = {}) {
    const postgres = await startPostgres(place, { settings: 'fsync = on\nshared_buffers = 128MB' });
    writeSettings(place, { settings });
    await mustFirstbell(place, ['tenant', 'add', 'demo', '--title', 'Northfield', '--host', 'demo.localhost']);
    await mustFirstbell(place, ['roster', 'import', '--tenant', 'demo', districtZip(place, schools, pupils)]);
    await mustFirstbell(place, ['course', 'import', '--tenant', 'demo', '--course', 'course-demo', courseFolder(place)]);
    const courseId = Number(await postgres.sql('postgres', "SELECT id FROM courses WHERE sourced_id = 'course-demo'"));
    await enroll(postgres, students);
    if (progress) await postgres.sql('postgres', progressSql(courseId));
    await postgres.sql('postgres', 'VACUUM (ANALYZE)');
    const signedIn = await signIn(place, postgres, courseId, students);
    return { postgres, courseId, students: signedIn, publicKey: publicKey(place), edgeKey: place.path('keys/edges/local.key') };
}

function districtZip(place, schools, pupils) {
    const zip = place.path('district.zip');
    execFileSync(path.join(app(), 'bin/district'), ['--schools', schools, '--students', pupils, '--seed', '7', '--out', zip].map(String));
    chmodSync(zip, 0o644);
    return zip;
}

/** course.json of MODULES × LESSONS × ITEMS items; the third of each lesson, a quiz, wants the first. */
function courseFolder(place) {
    const numbers = (n) => Array.from({ length: n }, (_, i) => i + 1);
    const modules = numbers(MODULES).map((m) => ({
        key: `m${m}`,
        title: `Unit ${m}`,
        lessons: numbers(LESSONS).map((l) => ({ key: `m${m}l${l}`, title: `Lesson ${m}.${l}`, items: numbers(ITEMS).map((i) => item(m, l, i)) })),
    }));
    place.folder('course/media', 0o755);
    place.folder('course/media/clip', 0o755);
    place.write('course/media/clip/master.m3u8', '#EXTM3U\n');
    place.write('course/course.json', JSON.stringify({ title: 'Earth Science 7', modules, assets: [{ key: 'clip' }] }));
    chmodSync(place.path('course'), 0o755);
    return place.path('course');
}

function item(m, l, i) {
    const kind = KINDS[i - 1];
    const key = (n) => `m${m}l${l}i${n}`;
    const base = { key: key(i), kind, title: `Item ${m}.${l}.${i}: what the water does`, content: contents[kind](key(i)) };
    return kind === 'quiz' ? { ...base, requires: [{ item: key(1) }] } : base;
}

const contents = {
    video: () => ({ hls: 'media:clip/master.m3u8', duration_s: 60 }),
    reading: (key) => ({ blocks: [{ type: 'paragraph', text: `About ${key}.` }] }),
    quiz: () => ({
        pass_score: 60,
        questions: Array.from({ length: QUESTIONS }, (_, i) => (
            { id: `q${i + 1}`, prompt: 'What falls?', kind: 'single', choices: [{ id: 'a', text: 'Rain' }, { id: 'b', text: 'Stones' }], answer: ['a'] })),
    }),
    assignment: () => ({ blocks: [{ type: 'paragraph', text: 'Write a page about a river.' }] }),
};

/** The first `count` students of the district take the course, 32 to a class. */
async function enroll(postgres, count) {
    await postgres.sql('postgres', `
        WITH template AS (SELECT * FROM classes WHERE sourced_id = 'class-demo'),
        chosen AS (SELECT u.id, (row_number() OVER (ORDER BY u.id) - 1) / 32 AS room FROM users u
                   WHERE u.role = 7 AND NOT EXISTS (SELECT FROM enrollments e JOIN template t ON t.id = e.class_id WHERE e.user_id = u.id)
                   ORDER BY u.id LIMIT ${count}),
        made AS (INSERT INTO classes (tenant_id, sourced_id, title, class_type, course_id, school_id)
                 SELECT DISTINCT t.tenant_id, 'class-load-' || c.room, t.title, t.class_type, t.course_id, t.school_id FROM template t, chosen c
                 RETURNING tenant_id, id, sourced_id)
        INSERT INTO enrollments (tenant_id, sourced_id, class_id, user_id, role)
        SELECT m.tenant_id, 'enr-load-' || c.id, m.id, c.id, 3 FROM chosen c JOIN made m ON m.sourced_id = 'class-load-' || c.room`);
}

const progressSql = (courseId) => `
    INSERT INTO progress (tenant_id, enrollment_id, item_id, status, percent, score_hundredths, position_ms, time_spent_s, started_at, completed_at)
    SELECT e.tenant_id, e.id, i.id, CASE WHEN n.r < 6 THEN 2 ELSE 1 END, CASE WHEN n.r < 6 THEN 100 ELSE n.r * 10 END,
           CASE WHEN i.kind = 3 THEN 5000 + n.r * 25 END, n.r * 1500, n.r * 60, now() - interval '2 days',
           CASE WHEN n.r < 6 THEN now() - interval '1 day' END
    FROM classes k JOIN enrollments e ON e.class_id = k.id AND e.role = 3
    JOIN items i ON i.course_id = k.course_id AND NOT i.retired
    CROSS JOIN LATERAL (SELECT (e.id * 7 + i.id * 3) % 10 AS r) n
    WHERE k.course_id = ${courseId}`;

async function signIn(place, postgres, courseId, count) {
    const who = await postgres.rows('postgres', `SELECT e.user_id AS id FROM enrollments e JOIN classes k ON k.id = e.class_id
        WHERE k.course_id = ${courseId} AND e.role = 3 ORDER BY e.id DESC LIMIT ${count}`);
    const key = createPrivateKey(place.read('keys/session.pem'));
    const students = who.map(({ id }) => ({ id, sid: randomBytes(16).toString('hex') }));
    const values = students.map((s) => `(1, '${s.sid}', ${s.id}, now() + interval '1 day')`);
    await postgres.sql('postgres', `INSERT INTO sessions (tenant_id, sid, user_id, expires_at) VALUES ${values.join(', ')}`);
    return students.map((s) => ({ ...s, cookie: `__Host-bell_session=${token(key, s)}` }));
}

/** A session as the origin signs it (lua-free/bell_token.h). */
function token(key, { id, sid }) {
    const der = createPublicKey(key).export({ type: 'spki', format: 'der' });
    const kid = createHash('sha256').update(der).digest().subarray(0, 8).toString('base64url');
    const now = Math.floor(Date.now() / 1000);
    const claims = { aud: '1', sub: String(id), sid, role: 7, iat: now, exp: now + 40000 };
    const input = [{ alg: 'ES256', typ: 'JWT', kid }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

function publicKey(place) {
    const pem = createPublicKey(place.read('keys/session.pem')).export({ type: 'spki', format: 'pem' });
    return place.write('keys/session.pub', pem);
}
