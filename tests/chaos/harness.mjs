// What the chaos tests share: chance with a seed, students who save their progress all the time, and a ledger of what was acknowledged to them.
// FB_CHAOS_SEED=N plays the same choices again; the moments at which they strike are the machine's.

import assert from 'node:assert/strict';

import { openDistrict } from '../../load/lib/scene.mjs';
import { canConnectTo } from '../../load/lib/sockets.mjs';
import { originClient, startApi } from '../lib/server-firstbell.mjs';
import { children } from '../lib/run.mjs';
import { waitFor } from '../lib/wait.mjs';

const PAUSE_MS = 20; // after a refusal
const ANSWER_SECONDS = 15;
const RECOVERY_SECONDS = 60;

export const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Numbers by chance: {seed, below(n), pick(list)}. The seed is printed, so that a run can be played again. */
export function chance() {
    const seed = Number(process.env.FB_CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 31));
    console.log(`# FB_CHAOS_SEED=${seed}`);
    let state = seed >>> 0;
    const next = () => { // mulberry32
        state = (state + 0x6d2b79f5) >>> 0;
        let t = Math.imul(state ^ (state >>> 15), state | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
    const below = (n) => Math.floor(next() * n);
    return { seed, below, pick: (list) => list[below(list.length)] };
}

/** A small district with the api, and `students` who are signed in. Gives {place, postgres, api, students, courseId, workers()}. */
export async function openTown(place, { students = 8, settings = {}, under } = {}) {
    const district = await openDistrict(place, { students, schools: 1, pupils: 120, progress: false, settings: { workers: 2, ...settings } });
    const town = { ...district, place, api: await startApi(place, { under }) };
    town.api.client.close();
    town.workers = () => children(town.api.program.child.pid);
    return town;
}

/** Students who save a video's position again and again, each time another one, through `connect(student)`: by default straight to the origin.
 *  ledger: what was acknowledged, {student, item, position_ms}; failures: what was not, with the reason. */
export class Load {
    constructor(town, { connect = (student) => straight(town, student) } = {}) {
        this.town = town;
        this.connect = connect;
        this.ledger = [];
        this.failures = [];
        this.stopped = false;
    }

    async start() {
        const { postgres, courseId } = this.town;
        const rows = await postgres.rows('postgres', `SELECT id FROM items WHERE course_id = ${courseId} AND kind = 1 AND NOT retired ORDER BY id`);
        this.items = rows.map((row) => row.id);
        this.savers = this.town.students.map((student, i) => this.save(student, this.items[i % this.items.length]));
        await this.goesOn('the load to begin');
    }

    async save(student, item) {
        let client = this.connect(student);
        for (let position_ms = 1; !this.stopped; position_ms++) {
            const body = { position_s: position_ms / 1000, percent: 10 };
            const outcome = await client.put(`/api/v1/items/${item}/progress`, body, { seconds: ANSWER_SECONDS }).catch((error) => ({ status: error.message }));
            if (outcome.status === 200) {
                this.ledger.push({ student: student.id, item, position_ms });
                continue;
            }
            this.failures.push({ student: student.id, item, position_ms, status: outcome.status, at: performance.now() });
            client.close();
            client = this.connect(student);
            await delay(PAUSE_MS);
        }
        client.close();
    }

    /** Waits until every student has been acknowledged something new. */
    goesOn(what = 'saves of every student to be acknowledged again') {
        const mark = this.ledger.length;
        const all = this.town.students.length;
        return waitFor(what, () => new Set(this.ledger.slice(mark).map((entry) => entry.student)).size === all, RECOVERY_SECONDS);
    }

    async stop() {
        this.stopped = true;
        await Promise.all(this.savers);
    }

    /** Each acknowledged save has happened exactly once, none of the others more than once, and what a student sees is their last one. */
    async assertNothingLost() {
        const told = await this.town.postgres.rows('postgres', `SELECT e.user_id AS student, (o.payload ->> 'item_id')::bigint AS item,
            (o.payload ->> 'position_ms')::int AS position_ms, count(*) AS times FROM outbox o
            JOIN enrollments e ON e.tenant_id = o.tenant_id AND e.id = (o.payload ->> 'enrollment_id')::bigint
            WHERE o.topic = 'progress.saved' GROUP BY 1, 2, 3`);
        const times = new Map(told.map((row) => [key(row), row.times]));
        const lost = this.ledger.filter((entry) => times.get(key(entry)) !== 1);
        assert.deepEqual(lost.slice(0, 5), [], `${lost.length} of ${this.ledger.length} acknowledged saves are not there exactly once`);
        const twice = told.filter((row) => row.times > 1);
        assert.deepEqual(twice.slice(0, 5), [], 'a save happened more than once');
        await this.assertLastPositions();
    }

    async assertLastPositions() {
        const rows = await this.town.postgres.rows('postgres', `SELECT e.user_id AS student, p.item_id AS item, p.position_ms
            FROM progress p JOIN enrollments e ON e.tenant_id = p.tenant_id AND e.id = p.enrollment_id`);
        const stored = new Map(rows.map((row) => [`${row.student} ${row.item}`, row.position_ms]));
        for (const { student, item, position_ms } of lastOfEach(this.ledger)) {
            const at = stored.get(`${student} ${item}`);
            const tried = this.failures.some((f) => f.student === student && f.item === item && f.position_ms === at); // stored, its answer lost
            assert.ok(at === position_ms || (at > position_ms && tried), `student ${student} saved ${position_ms} last, and ${at} is there`);
        }
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

/** PostgreSQL again after its postmaster was killed: it starts when the last of the old processes has gone. */
export async function restartPostgres(town) {
    await waitFor('PostgreSQL to start again', () => town.postgres.start().then(() => true), RECOVERY_SECONDS);
}

/** Backends of the api, as pids. */
export async function apiBackends(town) {
    const rows = await town.postgres.sql('postgres', "SELECT pid FROM pg_stat_activity WHERE application_name = 'firstbell api'");
    return rows.split('\n').filter(Boolean).map(Number);
}
