// What one request does to its neighbours: slow statements, heavy reads, cancels, errors. One worker, two connections.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import http from 'node:http';
import { after, before, test } from 'node:test';

import { edgeContext } from '../lib/edge-context.mjs';
import { newPlace } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { originClient, startApi, writeSettings } from '../lib/server-firstbell.mjs';
import { waitFor } from '../lib/wait.mjs';
import { holdLock, itemsByTitle, openSchool } from './school.mjs';

const place = newPlace();
const settings = {
    workers: 1,
    db_connections: 2,
    db_heavy_connections: 1,
    db_heavy_waiting_max: 5,
    request_deadline_ms: 12000,
    db_statement_timeout_ms: 60000,
    helper_threads: 2,
};
let school, student, operator, save;
before(async () => {
    school = await openSchool(place, { settings });
    student = await school.signIn('student.demo');
    operator = await school.signIn('operator.demo');
    const items = await itemsByTitle(student, school.courseId);
    const path = `/api/v1/items/${items['How rain begins'].id}/progress`;
    let percent = 10;
    save = () => student.put(path, { percent: ++percent });
});
after(() => place.stop());

const lock = (table) => holdLock({ place, ...school }, `LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
const blocked = () => school.postgres.rows('postgres', "SELECT pid FROM pg_stat_activity WHERE application_name = 'firstbell api' AND wait_event_type = 'Lock'");
const backends = async () => (await school.postgres.rows('postgres', "SELECT pid FROM pg_stat_activity WHERE application_name = 'firstbell api' ORDER BY 1")).map((r) => r.pid);
const manyReads = (n) => Promise.all(Array.from({ length: n }, () => student.get('/api/v1/me').then((reply) => reply.status)));

async function restart(changed = {}) {
    await place.stopProgram(school.api.program);
    writeSettings(place, { settings: { ...settings, ...changed } });
    school.api = await startApi(place);
}

test('a slow statement does not delay those that come after it', async () => {
    const held = lock('progress');
    await held.ready;
    const slow = save();
    await waitFor('the save to wait for the lock', async () => (await blocked()).length === 1);
    assert.deepEqual(await manyReads(40), Array(40).fill(200), 'all answered while the save still waits');
    assert.equal((await blocked()).length, 1);
    held.release();
    assert.equal((await slow).status, 200);
});

test('heavy reads wait for each other alone, and past their bound are 503 with Retry-After', async () => {
    const held = lock('roster_imports');
    await held.ready;
    const first = operator.get('/api/v1/district');
    await waitFor('the first to be with PostgreSQL', async () => (await blocked()).length === 1);
    const others = Array.from({ length: 6 }, () => operator.get('/api/v1/district'));
    assert.deepEqual(await manyReads(40), Array(40).fill(200), 'the fast lane goes on');
    assert.equal((await save()).status, 200);
    const refused = await Promise.race(others);
    assert.equal(refused.json.type, '/problems/busy');
    assert.ok(refused.headers['retry-after'] > 0);
    held.release();
    const statuses = (await Promise.all([first, ...others])).map((reply) => reply.status);
    assert.deepEqual(statuses.sort(), [200, 200, 200, 503, 503, 503, 503], '40 percent of 5 may wait');
});

test('a cancel that was meant for another does no harm: the group is sent again', async () => {
    const held = lock('progress');
    await held.ready;
    const saving = save();
    for (let i = 0; i < 2; i++) {
        const { pid } = (await waitFor('the save to wait for the lock', async () => {
            const waiting = await blocked();
            return waiting.length === 1 && waiting;
        }))[0];
        const started = `SELECT extract(epoch FROM xact_start) FROM pg_stat_activity WHERE application_name = 'firstbell api' AND wait_event_type = 'Lock'`;
        const before = Number(await school.postgres.sql('postgres', started));
        await school.postgres.sql('postgres', `SELECT pg_cancel_backend(${pid})`);
        await waitFor('the save to be sent again', async () => Number(await school.postgres.sql('postgres', started)) > before);
    }
    held.release();
    assert.equal((await saving).status, 200);
});

test('an error undoes its own group and no neighbour', async () => {
    const gone = originClient(school.api.socketPath, 1);
    gone.cookies = new Map(student.cookies);
    const other = await school.signIn('student.demo');
    const signedOut = new Map(other.cookies);
    assert.equal((await other.delete('/api/v1/sessions/current')).status, 204);
    gone.cookies = signedOut;
    const replies = await Promise.all(Array.from({ length: 60 }, (_, i) => (i % 2 ? gone : student).get('/api/v1/courses')));
    assert.deepEqual(replies.map((reply) => reply.status), Array.from({ length: 60 }, (_, i) => (i % 2 ? 401 : 200)));
    gone.close();
    other.close();
});

/** A read that can be destroyed on its way. */
function read(cookie) {
    const target = `/api/v1/courses/${school.courseId}`;
    const request = http.get({ socketPath: school.api.socketPath, path: target, headers: { cookie, 'bell-context': edgeContext({ tenant: 1, target }) } });
    request.on('error', () => {});
    return request;
}

test('a read whose client has gone is cancelled on the server, and those behind it get their answers', async () => {
    await restart({ db_connections: 1 });
    const pids = await backends();
    const held = lock('progress');
    await held.ready;
    const { cookie } = student.cookieHeader();
    const request = read(cookie);
    const behind = manyReads(10);
    await waitFor('the read to wait for the lock', async () => (await blocked()).length === 1);
    request.destroy();
    assert.deepEqual(await behind, Array(10).fill(200));
    await waitFor('nothing to wait for the lock any more', async () => (await blocked()).length === 0);
    const saving = save();
    await waitFor('a save to wait for the lock', async () => (await blocked()).length === 1);
    held.release();
    assert.equal((await saving).status, 200);
    assert.deepEqual(await backends(), pids, 'on the same connections');
});

test('at the deadline a statement is cancelled on the server, in both lanes', async () => {
    await restart({ request_deadline_ms: 1500 });
    const pids = await backends();
    const held = [lock('progress'), lock('roster_imports')];
    await Promise.all(held.map((one) => one.ready));
    const replies = await Promise.all([save(), operator.get('/api/v1/district')]);
    for (const reply of replies) {
        assert.equal(reply.status, 503);
        assert.equal(reply.json.type, '/problems/deadline');
        assert.ok(reply.headers['retry-after'] > 0);
    }
    await waitFor('nothing to wait for the locks any more', async () => (await blocked()).length === 0);
    held.forEach((one) => one.release());
    await waitFor('saves to work again', async () => (await save()).status === 200);
    assert.deepEqual(await backends(), pids, 'on the same connections');
});

test('a statement past its time-out is 503 long before the deadline; the connection stays', async () => {
    await restart({ db_statement_timeout_ms: 300, request_deadline_ms: 60000 });
    const pids = await backends();
    const held = lock('progress');
    await held.ready;
    const reply = await save();
    assert.equal(reply.status, 503);
    assert.equal(reply.json.type, '/problems/deadline');
    assert.equal(reply.json.detail, 'The records took too long to answer. What was being saved was not stored.');
    assert.equal(reply.headers['retry-after'], '5');
    held.release();
    await waitFor('saves to work again', async () => (await save()).status === 200);
    assert.deepEqual(await backends(), pids);
});

test('the time-out of the route, not that of the setting, ends a heavy read', async () => {
    const held = lock('roster_imports');
    await held.ready;
    const asked = operator.get('/api/v1/district', { seconds: 60 });
    await waitFor('it to have waited for longer than the setting', async () => {
        const waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'firstbell api' AND now() - query_start > interval '600 ms' AND wait_event_type = 'Lock'";
        return Number(await school.postgres.sql('postgres', waiting)) === 1;
    });
    const reply = await asked;
    assert.equal(reply.json.type, '/problems/deadline');
    const last = place.read('log/postgres.out').split('\n').filter((line) => line.includes('canceling statement due to statement timeout'));
    assert.ok(last.length > 0);
    held.release();
});

test('a cancel that PostgreSQL does not take is given up: no thread of it is left', async () => {
    await restart();
    const [worker] = children(school.api.program.child.pid);
    const threads = () => readdirSync(`/proc/${worker}/task`).length;
    const idle = 1 + settings.helper_threads;
    const givenUp = () => place.read('log/error.log').split('a statement could not be cancelled').length;
    const earlier = givenUp();
    const held = lock('progress');
    await held.ready;
    const { cookie } = student.cookieHeader();
    const request = read(cookie);
    await waitFor('the read to wait for the lock', async () => (await blocked()).length === 1);
    await waitFor('the threads that looked names up to end', () => threads() === idle);
    const postmaster = school.postgres.program.child.pid; // it takes the cancels; the sessions go on
    process.kill(postmaster, 'SIGSTOP');
    try {
        request.destroy();
        // its thread is there for a moment only, which nobody need have seen: the log says that it was
        await waitFor('the connection to be given up', () => givenUp() > earlier);
        await waitFor('the cancel to end', () => threads() === idle);
    } finally {
        process.kill(postmaster, 'SIGCONT');
        held.release();
    }
    await waitFor('saves to work again', async () => (await save()).status === 200);
});
