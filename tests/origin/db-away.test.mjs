// PostgreSQL that is killed, stopped in the middle, read-only, or replaced by another server: what clients read, and that nothing needs a restart.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import net from 'node:net';
import { after, before, test } from 'node:test';

import { freePort, newPlace } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { startApi, writeSettings } from '../lib/server-firstbell.mjs';
import { postgresAt, startPostgres } from '../lib/server-postgres.mjs';
import { waitFor } from '../lib/wait.mjs';
import { addSchool, itemsByTitle, password } from './school.mjs';

const place = newPlace();
place.expect(/was terminated by signal (9: Killed|3: Quit)/); // of backends, on purpose
const settings = { workers: 1, db_connections: 2, db_heavy_connections: 1, db_statement_timeout_ms: 1000, request_deadline_ms: 20000 };
let first, second, api, student, save;

before(async () => {
    first = await startPostgres(place);
    second = postgresAt(place, { data: 'pg2', sockets: 'sock2' });
    place.folder('sock2');
    writeSettings(place, { settings });
    await addSchool(place, 'demo', 'demo.localhost');
    await copyAsStandby();
    writeSettings(place, { settings: { ...settings, database: `host=${first.sockets},${second.sockets} dbname=firstbell` } });
    api = await startApi(place);
    student = api.client;
    await student.signIn('student.demo', password);
    const courseId = Number(await first.sql('postgres', "SELECT id FROM courses WHERE sourced_id = 'course-demo'"));
    const items = await itemsByTitle(student, courseId);
    let percent = 10;
    save = () => student.put(`/api/v1/items/${items['How rain begins'].id}/progress`, { percent: ++percent }, { seconds: 30 });
});
after(() => place.stop());

/** The second server: what the first one had then, read-only until it is promoted. */
async function copyAsStandby() {
    await first.stop();
    spawnSync('cp', ['-a', first.data, second.data]);
    second.configure();
    place.write('pg2/standby.signal', '');
    await first.start();
    await second.start();
}

const backends = async (postgres) =>
    (await postgres.rows('postgres', "SELECT pid FROM pg_stat_activity WHERE application_name = 'firstbell api'")).map((row) => row.pid);
const answers = (status) => waitFor(`a ${status}`, async () => {
    const reply = await student.get('/api/v1/me');
    return reply.status === status && reply;
}, 60);
const recovered = () => waitFor('saves to work', async () => (await save()).status === 200, 60);

test('a backend that is killed takes the others with it; saves work again by themselves', async () => {
    process.kill((await backends(first))[0], 'SIGKILL');
    await recovered();
    await recovered();
});

test('a stopped PostgreSQL: requests are 503 in a bounded time, then at once; continued, it is used again', async () => {
    const { pid } = first.program.child;
    const all = [pid, ...children(pid)];
    all.forEach((one) => process.kill(one, 'SIGSTOP'));
    try {
        const held = await Promise.all([save(), student.get('/api/v1/me', { seconds: 30 }), student.get('/api/v1/courses', { seconds: 30 })]);
        for (const reply of held) {
            assert.equal(reply.status, 503);
            assert.equal(reply.json.type, '/problems/database');
            assert.ok(reply.headers['retry-after'] > 0);
        }
        await waitFor('readiness to end', async () => (await student.get('/readyz')).status === 503, 60);
        const log = place.read('log/error.log');
        assert.match(log, /database connection lost \(fast lane\): PostgreSQL does not answer; trying again/);
        const { json } = await student.get('/api/v1/me');
        assert.equal(json.type, '/problems/database');
        assert.ok(!place.read('log/error.log').includes(`request ${json.request_id}: deadline`));
    } finally {
        all.forEach((one) => process.kill(one, 'SIGCONT'));
    }
    await recovered();
});

test('idle connections to a stopped PostgreSQL are found out by the first request that is held', async () => {
    const pids = await backends(first);
    pids.forEach((pid) => process.kill(pid, 'SIGSTOP')); // the sessions alone: a new connection finds PostgreSQL well
    try {
        const reply = await student.get('/api/v1/me', { seconds: 30 });
        assert.ok([200, 503].includes(reply.status));
        await answers(200);
    } finally {
        pids.forEach((pid) => process.kill(pid, 'SIGCONT'));
    }
    await recovered();
});

test('the primary is killed and the standby promoted: the api finds it', async () => {
    await first.stop('SIGKILL');
    const reply = await answers(503);
    assert.equal(reply.json.type, '/problems/database');
    assert.ok(!place.read('log/error.log').includes(`request ${reply.json.request_id}: deadline`), 'it did not wait');
    assert.equal(reply.headers['retry-after'], '5');
    // the sessions of the one that was killed end one after the other; then there is the standby alone, which is not served from
    await waitFor('readiness to end', async () => (await student.get('/readyz')).status === 503, 60);
    assert.equal((await student.get('/api/v1/me')).status, 503);
    await second.sql('postgres', 'SELECT pg_promote()');
    await waitFor('a new sign-in: the copy does not know the session', async () => {
        const answer = await student.post('/api/v1/sessions', { username: 'student.demo', password });
        return answer.status === 201;
    }, 60);
    await recovered();
    assert.ok((await backends(second)).length > 0);
});

test('a server that becomes read-only is left for one that takes writes', async () => {
    await second.sql('postgres', "ALTER SYSTEM SET default_transaction_read_only = on; SELECT pg_reload_conf()");
    const reply = await waitFor('a save to be refused', async () => {
        const answer = await save();
        return answer.status === 503 && answer;
    });
    assert.equal(reply.json.type, '/problems/database');
    await first.start();
    await waitFor('a sign-in at the first server', async () => {
        const answer = await student.post('/api/v1/sessions', { username: 'student.demo', password });
        return answer.status === 201;
    }, 60);
    await recovered();
    assert.ok((await backends(first)).length > 0);
    assert.match(place.read('log/error.log'), /the server takes no writes any more/);
});

test('a host that takes connections and says nothing is passed over', async () => {
    await place.stopProgram(api.program);
    const port = await freePort();
    const taken = [];
    const mute = net.createServer((socket) => taken.push(socket.on('error', () => {}))).listen(port, '127.0.0.1');
    try {
        const database = `host=127.0.0.1,${first.sockets} port=${port},5432 dbname=firstbell`;
        writeSettings(place, { settings: { ...settings, database, direct_database: `host=${first.sockets} dbname=firstbell` } });
        api = await startApi(place);
        assert.ok(taken.length > 0, 'it was tried');
        await api.client.signIn('student.demo', password);
    } finally {
        taken.forEach((socket) => socket.destroy());
        mute.close();
    }
});
