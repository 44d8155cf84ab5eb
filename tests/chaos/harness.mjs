// What the chaos tests share: students who save their progress all the time, and a ledger of what was acknowledged to them.

import assert from 'node:assert/strict';

import { QUESTIONS, openDistrict } from '../../load/lib/scene.mjs';
import { canConnectTo } from '../../load/lib/sockets.mjs';
import { originClient, startApi } from '../lib/server-firstbell.mjs';
import { children } from '../lib/run.mjs';
import { waitFor } from '../lib/wait.mjs';

export { chance } from '../lib/chance.mjs';

const PAUSE_MS = 20; // after a refusal
const ANSWER_SECONDS = 15;
const RECOVERY_SECONDS = 60;

export const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A small district with the api, and `students` who are signed in. Gives {place, postgres, api, students, courseId, workers()}. */
export async function openTown(place, { students = 8, settings = {}, under } = {}) {
    const district = await openDistrict(place, { students, schools: 1, pupils: 120, progress: false, settings: { workers: 2, ...settings } });
    const town = { ...district, place, api: await startApi(place, { under }) };
    town.api.client.close();
    town.workers = () => children(town.api.program.child.pid);
    town.sessions = 2 * (4 + 2 + 2); // of the api in PostgreSQL: workers × (db_connections + db_heavy_connections + db_batch_connections), by the defaults
    return town;
}

/** Students who save a video's position again and again, each time another one, and with `attempts` hand in a quiz again and again, each time with
 *  another score, through `connect(student)`: by default straight to the origin.
 *  ledger: what was acknowledged, {student, item, position_ms} or {student, item, score}, the score in hundredths; failures: what was not, with the
 *  reason. */
export class Load {
    constructor(town, { connect = (student) => straight(town, student), attempts = false } = {}) {
        this.town = town;
        this.connect = connect;
        this.attempts = attempts;
        this.ledger = [];
        this.failures = [];
        this.stopped = false;
    }

    async start() {
        const { students } = this.town;
        const videos = await this.items(1);
        this.actors = students.map((student, i) => this.keepDoing(student, savesOf(student, videos[i % videos.length])));
        if (this.attempts) {
            await this.unlockAll();
            const quizzes = await this.items(3);
            this.actors.push(...students.map((student, i) => this.keepDoing(student, attemptsOf(student, quizzes[i % quizzes.length]))));
        }
        await this.goesOn('the load to begin');
    }

    async items(kind) {
        const { postgres, courseId } = this.town;
        const rows = await postgres.rows('postgres', `SELECT id FROM items WHERE course_id = ${courseId} AND kind = ${kind} AND NOT retired ORDER BY id`);
        return rows.map((row) => row.id);
    }

    /** What quizzes ask for is done. */
    unlockAll() {
        return this.town.postgres.sql('postgres', `INSERT INTO progress AS p (tenant_id, enrollment_id, item_id, status, percent)
            SELECT DISTINCT e.tenant_id, e.id, q.required_item_id, 2, 100 FROM prerequisites q
            JOIN items i ON i.tenant_id = q.tenant_id AND i.id = q.item_id AND i.course_id = ${this.town.courseId}
            JOIN classes k ON k.tenant_id = i.tenant_id AND k.course_id = i.course_id
            JOIN enrollments e ON e.tenant_id = k.tenant_id AND e.class_id = k.id AND e.role = 3
            ON CONFLICT (tenant_id, enrollment_id, item_id) DO UPDATE SET status = 2, percent = 100`);
    }

    /** actions: a generator of {entry, status, send(client)}; `status` is that of the acknowledgement. */
    async keepDoing(student, actions) {
        let client = this.connect(student);
        for (const { entry, status, send } of actions) {
            if (this.stopped) break;
            const outcome = await send(client).catch((error) => ({ status: error.message }));
            if (outcome.status === status) {
                if ('score' in entry) assert.equal(outcome.json.score, entry.score / 100);
                this.ledger.push(entry);
                continue;
            }
            this.failures.push({ ...entry, status: outcome.status, at: performance.now() });
            client.close();
            client = this.connect(student);
            await delay(PAUSE_MS);
        }
        client.close();
    }

    /** Waits until every student has been acknowledged something new of each kind. */
    goesOn(what = 'every student to be acknowledged again') {
        const mark = this.ledger.length;
        const all = this.actors.length;
        return waitFor(what, () => new Set(this.ledger.slice(mark).map((entry) => `${entry.student} ${entry.item}`)).size === all, RECOVERY_SECONDS);
    }

    async stop() {
        this.stopped = true;
        await Promise.all(this.actors);
    }

    async assertNothingLost() {
        await this.assertSaves();
        await this.assertLastPositions();
        if (this.attempts) await this.assertAttempts();
    }

    /** Each acknowledged save has happened exactly once, none of the others more than once, and what a student sees is their last one. */
    async assertSaves() {
        const ledger = this.ledger.filter(isSave);
        const told = await this.town.postgres.rows('postgres', `SELECT e.user_id AS student, (s ->> 'item_id')::bigint AS item,
            (s ->> 'position_ms')::int AS position_ms, count(*) AS times FROM outbox o
            CROSS JOIN LATERAL jsonb_array_elements(o.payload -> 'saves') s
            JOIN enrollments e ON e.tenant_id = o.tenant_id AND e.id = (s ->> 'enrollment_id')::bigint
            WHERE o.topic = 'progress.saved' GROUP BY 1, 2, 3`);
        const times = new Map(told.map((row) => [key(row), row.times]));
        const lost = ledger.filter((entry) => times.get(key(entry)) !== 1);
        assert.deepEqual(lost.slice(0, 5), [], `${lost.length} of ${ledger.length} acknowledged saves are not there exactly once`);
        const twice = told.filter((row) => row.times > 1);
        assert.deepEqual(twice.slice(0, 5), [], 'a save happened more than once');
    }

    async assertLastPositions() {
        const rows = await this.town.postgres.rows('postgres', `SELECT e.user_id AS student, p.item_id AS item, p.position_ms
            FROM progress p JOIN enrollments e ON e.tenant_id = p.tenant_id AND e.id = p.enrollment_id`);
        const stored = new Map(rows.map((row) => [`${row.student} ${row.item}`, row.position_ms]));
        for (const { student, item, position_ms } of lastOfEach(this.ledger.filter(isSave))) {
            const at = stored.get(`${student} ${item}`);
            const tried = this.failures.some((f) => f.student === student && f.item === item && f.position_ms === at); // stored, its answer lost
            assert.ok(at === position_ms || (at > position_ms && tried), `student ${student} saved ${position_ms} last, and ${at} is there`);
        }
    }

    /** Of each score a student has as many attempts as were acknowledged, and none more than those whose answer was lost; the best of them counts. */
    async assertAttempts() {
        const acknowledged = tally(this.ledger.filter(isAttempt));
        const unknown = tally(this.failures.filter(isAttempt));
        const told = await this.town.postgres.rows('postgres', `SELECT e.user_id AS student, (o.payload ->> 'item_id')::bigint AS item,
            (o.payload ->> 'score_hundredths')::int AS score, count(*) AS times, max(p.score_hundredths) AS best FROM outbox o
            JOIN enrollments e ON e.tenant_id = o.tenant_id AND e.id = (o.payload ->> 'enrollment_id')::bigint
            JOIN progress p ON p.tenant_id = e.tenant_id AND p.enrollment_id = e.id AND p.item_id = (o.payload ->> 'item_id')::bigint
            WHERE o.topic = 'quiz.attempted' GROUP BY 1, 2, 3`);
        const times = new Map(told.map((row) => [attemptKey(row), row.times]));
        for (const [what, count] of acknowledged) assert.ok(times.get(what) >= count, `${count} attempts were acknowledged (${what}), and ${times.get(what) ?? 0} are there`);
        for (const row of told) {
            const most = (acknowledged.get(attemptKey(row)) ?? 0) + (unknown.get(attemptKey(row)) ?? 0);
            assert.ok(row.times <= most, `an attempt happened more than once (${attemptKey(row)}): ${row.times} are there, ${most} were sent`);
            assert.ok(row.best >= row.score, `student ${row.student} has scored ${row.score}, and ${row.best} counts`);
        }
    }
}

const isSave = (entry) => 'position_ms' in entry;
const isAttempt = (entry) => 'score' in entry;
const attemptKey = ({ student, item, score }) => `student ${student}, item ${item}, score ${score}`;

function tally(entries) {
    const counts = new Map();
    for (const entry of entries) counts.set(attemptKey(entry), (counts.get(attemptKey(entry)) ?? 0) + 1);
    return counts;
}

function* savesOf(student, item) {
    for (let position_ms = 1; ; position_ms++) {
        const body = { position_s: position_ms / 1000, percent: 10 };
        const send = (client) => client.put(`/api/v1/items/${item}/progress`, body, { seconds: ANSWER_SECONDS });
        yield { entry: { student: student.id, item, position_ms }, status: 200, send };
    }
}

function* attemptsOf(student, item) {
    for (let right = 0; ; right = (right + 1) % (QUESTIONS + 1)) {
        const answers = Object.fromEntries(Array.from({ length: right }, (_, i) => [`q${i + 1}`, ['a']]));
        const send = (client) => client.post(`/api/v1/items/${item}/attempts`, { answers }, { seconds: ANSWER_SECONDS });
        yield { entry: { student: student.id, item, score: (right * 10000) / QUESTIONS }, status: 201, send };
    }
}

const key = ({ student, item, position_ms }) => `${student} ${item} ${position_ms}`;

function lastOfEach(ledger) {
    return [...new Map(ledger.map((entry) => [`${entry.student} ${entry.item}`, entry])).values()];
}

function straight(town, student) {
    const client = originClient(town.api.socketPath, 1);
    client.headers.cookie = student.cookie;
    return client;
}

/** Fifty reads in a row, none of which may fail. */
export async function assertServes(town, connect = (student) => straight(town, student)) {
    for (let i = 0; i < 50; i++) {
        const client = connect(town.students[i % town.students.length]);
        const reply = await client.get(`/api/v1/courses/${town.courseId}`).finally(() => client.close());
        assert.equal(reply.status, 200, reply.text);
    }
}

/** kill -9, and the moment of it. */
export function kill(pid) {
    process.kill(pid, 'SIGKILL');
    return performance.now();
}

/** As a service manager would: starts the api again when its master has ended and its socket is nobody's. */
export async function restartApi(town) {
    await waitFor('the workers to follow their master', async () => !(await canConnectTo(town.api.socketPath)), RECOVERY_SECONDS);
    town.api = await startApi(town.place);
    town.api.client.close();
}

/** Waits until the api has all its sessions in PostgreSQL again, none of them one of `old`: from then on no request fails. */
export function untilConnected(town, old = []) {
    return waitFor('all sessions of the api in PostgreSQL', async () => {
        const pids = await apiBackends(town);
        return pids.length === town.sessions && !pids.some((pid) => old.includes(pid));
    }, RECOVERY_SECONDS);
}

/** PostgreSQL again after its postmaster was killed: it starts when the last of the old processes has gone. */
export async function restartPostgres(town) {
    const start = () => town.postgres.start().then(() => true, (error) => {
        throw new Error(error.message); // another try may have more luck
    });
    await waitFor('PostgreSQL to start again', start, RECOVERY_SECONDS);
}

/** Backends of the api, as pids. */
export async function apiBackends(town) {
    const rows = await town.postgres.sql('postgres', "SELECT pid FROM pg_stat_activity WHERE application_name = 'firstbell api' ORDER BY pid");
    return rows.split('\n').filter(Boolean).map(Number);
}
