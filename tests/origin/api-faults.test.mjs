// What happens to requests when a part of the origin is gone, slow, full or told to stop.

import assert from 'node:assert/strict';
import { existsSync, renameSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { originClient } from '../lib/server-firstbell.mjs';
import { holdLock, itemsByTitle, openSchool, password } from './school.mjs';
import { waitFor } from '../lib/wait.mjs';

const place = newPlace();
let school, student;
before(async () => {
    const database = { db_connections: 1, db_heavy_connections: 1, db_waiting_max: 20 };
    const settings = { request_deadline_ms: 2000, ...database, helper_threads: 1, helper_queue_max: 2, drain_timeout_ms: 4000 };
    school = await openSchool(place, { settings });
    student = await school.signIn('student.demo');
});
after(() => place.stop());

const workers = () => children(school.api.program.child.pid);

test('a worker that is killed is replaced, and acknowledged saves are there', async () => {
    const items = await itemsByTitle(student, school.courseId);
    const path = `/api/v1/items/${items['How rain begins'].id}/progress`;
    assert.equal((await student.put(path, { percent: 33 })).status, 200);
    const old = workers();
    assert.equal(old.length, 2);
    old.forEach((pid) => process.kill(pid, 'SIGKILL'));
    await waitFor('two new workers', () => workers().length === 2 && workers().every((pid) => !old.includes(pid)));
    const reply = await waitFor('an answer', async () => {
        const answer = await student.get(`/api/v1/courses/${school.courseId}`);
        return answer.status === 200 && answer;
    });
    assert.equal(reply.json.modules[0].lessons[0].items[0].percent, 33);
});

test('PostgreSQL away is 503 with Retry-After at once, and needs no restart afterwards', async () => {
    await school.postgres.stop('SIGQUIT');
    const reply = await waitFor('the 503', async () => {
        const answer = await student.get('/api/v1/me');
        return answer.status === 503 && answer;
    });
    assert.equal(reply.json.type, '/problems/database');
    assert.ok(!place.read('log/error.log').includes(`request ${reply.json.request_id}: deadline`), 'nobody waited for the deadline');
    assert.equal(reply.headers['retry-after'], '5');
    assert.equal((await student.get('/readyz')).status, 503);
    assert.equal((await student.get('/healthz')).status, 200);
    assert.equal((await student.get('/sign-in')).status, 200, 'pages need no database');
    await school.postgres.start();
    await waitFor('recovery', async () => (await student.get('/api/v1/me')).status === 200);
});

test('a connection that the server ends is opened again', async () => {
    await school.postgres.sql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'firstbell api'");
    await waitFor('recovery', async () => (await student.get('/api/v1/me')).status === 200);
});

test('a role that could look over the walls is not served with', async () => {
    const kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'firstbell api'";
    await school.postgres.sql('postgres', `ALTER ROLE fb_app BYPASSRLS; ${kill}`);
    await waitFor('the reason in the log', () => place.read('log/error.log').includes('the role fb_app is a superuser, bypasses row security, or owns tables'));
    assert.equal((await student.get('/readyz')).status, 503);
    await school.postgres.sql('postgres', 'ALTER ROLE fb_app NOBYPASSRLS');
    await waitFor('recovery', async () => (await student.get('/api/v1/me')).status === 200);
});

test('a statement that waits too long ends at the deadline, and does not hold up others for ever', async () => {
    const items = await itemsByTitle(student, school.courseId);
    const path = `/api/v1/items/${items['How rain begins'].id}/progress`;
    const held = holdLock({ place, ...school }, "LOCK TABLE progress IN ACCESS EXCLUSIVE MODE");
    await held.ready;
    const reply = await student.put(path, { percent: 40 });
    assert.equal(reply.status, 503);
    assert.equal(reply.json.type, '/problems/deadline');
    held.release();
    await waitFor('saves to work again', async () => (await student.put(path, { percent: 41 })).status === 200);
});

test('under pressure the lowest class is refused first, and a save still gets in', async () => {
    const items = await itemsByTitle(student, school.courseId);
    const path = `/api/v1/items/${items['How rain begins'].id}/progress`;
    const held = holdLock({ place, ...school }, 'LOCK TABLE users IN ACCESS EXCLUSIVE MODE');
    await held.ready;
    // A worker has at most 16 groups in flight on its one connection; the others wait, reads up to 30 percent of 20, saves up to 70.
    const clients = Array.from({ length: 86 }, () => {
        const client = originClient(school.api.socketPath, 1);
        client.cookies = new Map(student.cookies);
        return client;
    });
    const replies = clients.map((client, i) => (i < 80 ? client.get('/api/v1/courses') : client.put(path, { percent: 42 })));
    const statuses = await Promise.all(replies.map((reply) => reply.then((r) => `${r.status} ${r.json?.type ?? ''}`))).finally(held.release);
    clients.forEach((client) => client.close());
    const busy = (list) => list.filter((s) => s === '503 /problems/busy').length;
    const [reads, saves] = [statuses.slice(0, 80), statuses.slice(80)];
    assert.ok(busy(reads) > 0, `reads were refused: ${reads}`);
    assert.equal(busy(saves), 0, `reads ${busy(reads)} of 80, saves ${busy(saves)} of 6`);
    assert.ok(statuses.every((s) => /^(200|503) /.test(s)));
    await waitFor('recovery', async () => (await student.get('/api/v1/me')).status === 200);
});

test('more sign-ins than the helpers can take are 503 with Retry-After', async () => {
    const clients = Array.from({ length: 40 }, () => originClient(school.api.socketPath, 1));
    // of many accounts, for tries of one wait for each other; that these do not exist costs as much to find out
    const replies = await Promise.all(clients.map((client, i) => client.post('/api/v1/sessions', { username: `nobody.${i}`, password })));
    clients.forEach((client) => client.close());
    const statuses = replies.map((reply) => reply.status);
    assert.ok(statuses.includes(401) && statuses.includes(503), String(statuses));
    assert.ok(replies.filter((r) => r.status === 503).every((r) => r.headers['retry-after'] > 0));
});

test('SIGHUP brings new workers without a failed request', async () => {
    const old = workers();
    let failed = 0;
    let stop = false;
    const load = (async () => {
        while (!stop) {
            const client = originClient(school.api.socketPath, 1);
            await client.get('/healthz').then((r) => (failed += r.status !== 200), () => failed++);
            client.close();
        }
    })();
    school.api.program.child.kill('SIGHUP');
    await waitFor('other workers', () => workers().length === 2 && workers().every((pid) => !old.includes(pid)));
    stop = true;
    await load;
    assert.equal(failed, 0);
});

test('new workers take requests when they have the database, not before', async () => {
    const held = holdLock({ place, ...school }, 'LOCK TABLE users IN ACCESS EXCLUSIVE MODE'); // their statements cannot be prepared
    await held.ready;
    const old = workers();
    school.api.program.child.kill('SIGHUP');
    await waitFor('the new workers alone to be there', () => workers().length === 2 && workers().every((pid) => !old.includes(pid)));
    const client = originClient(school.api.socketPath, 1);
    client.cookies = new Map(student.cookies);
    const asked = client.get('/api/v1/me');
    const waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'firstbell api' AND wait_event_type = 'Lock'";
    await waitFor('both lanes of both to wait for the lock', async () => Number(await school.postgres.sql('postgres', waiting)) === 4);
    held.release();
    assert.equal((await asked).status, 200);
    client.close();
});

test('SIGUSR1 opens the logs again', async () => {
    renameSync(place.path('log/access.log'), place.path('log/access.log.1'));
    school.api.program.child.kill('SIGUSR1');
    await waitFor('a new access log', () => existsSync(place.path('log/access.log')));
});

test('SIGTERM lets what is under way end, and takes nothing new', async () => {
    student.close();
    const held = holdLock({ place, ...school }, 'LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE');
    await held.ready;
    const client = originClient(school.api.socketPath, 1);
    client.cookies = new Map(student.cookies);
    const under_way = client.get('/api/v1/me');
    await waitFor('the request to wait', async () => {
        const waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'firstbell api' AND wait_event_type = 'Lock'";
        return Number(await school.postgres.sql('postgres', waiting)) > 0;
    });
    school.api.program.child.kill('SIGTERM');
    await waitFor('the worker that has nothing to do to end, and so the other one to know', () => workers().length === 1);
    held.release();
    const reply = await under_way;
    assert.equal(reply.status, 200);
    assert.equal(reply.headers.connection, 'close');
    const end = await school.api.program.exited;
    assert.deepEqual(end, [0, null]);
});
