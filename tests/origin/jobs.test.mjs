// `firstbell jobs`: the queue, its worker, and what it does by itself.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';

import { app } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { firstbell, mustFirstbell, writeSettings } from '../lib/server-firstbell.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';
import { waitFor } from '../lib/wait.mjs';

let place;
let postgres;

before(async () => {
    place = newPlace();
    postgres = await startPostgres(place);
    writeSettings(place, { settings: { error_log: '-' } });
});
after(() => place.stop());
beforeEach(async () => {
    await postgres.sql('postgres', 'TRUNCATE tenants RESTART IDENTITY CASCADE');
    rmSync(place.path('directory.snapshot'), { force: true, recursive: true });
});

const addTenant = (name) => mustFirstbell(place, ['tenant', 'add', name, '--title', `District ${name}`, '--host', `${name}.example`]);
const once = (options) => firstbell(place, ['jobs', '--once'], options);
const queue = () => postgres.rows('postgres', 'SELECT id, tenant_id, kind, dedupe_key, state, attempts, last_error FROM queue ORDER BY tenant_id, id');
const put = (tenant, kind, { key = null, at = 'now()' } = {}) =>
    postgres.sql('fb_app', `BEGIN; SELECT set_config('app.tenant', '${tenant}', true) \\g /dev/null
        SELECT queue_put('${kind}', ${key === null ? 'NULL' : `'${key}'`}, '{}', ${at}); COMMIT;`);

/** The snapshot, its checksum verified as an edge does. */
function snapshot() {
    const bytes = readFileSync(place.path('directory.snapshot'));
    const end = bytes.indexOf(10);
    const [magic, format, from, version, size, sha256] = bytes.subarray(0, end).toString().split(' ');
    const payload = bytes.subarray(end + 1);
    assert.deepEqual([magic, format, from, Number(size)], ['bell-directory', '2', '0', payload.length]);
    assert.equal(sha256, createHash('sha256').update(payload).digest('hex'));
    const directory = JSON.parse(payload);
    assert.equal(directory.version, Number(version));
    return directory;
}

const workers = [];
let workerCount = 0;

/** A worker with a pid file of its own. */
function startWorker(settings = {}) {
    const name = `jobs${++workerCount}`;
    const conf = writeSettings(place, { settings: { error_log: '-', jobs_pid_file: place.path(`pid/${name}.pid`), ...settings }, name: `conf/${name}.conf` });
    const program = place.start(name, [path.join(app(), 'bin/firstbell'), '-c', conf, 'jobs']);
    const worker = { program, conf, log: () => place.read(`log/${name}.out`), pidFile: place.path(`pid/${name}.pid`) };
    workers.push(worker);
    return worker;
}
const stopWorker = (worker, signal) => {
    workers.splice(workers.indexOf(worker), 1);
    return place.stopProgram(worker.program, signal);
};
/** It listens, so that what is put from now on is its business. */
const listening = (worker) =>
    waitFor('the worker to listen', async () => {
        place.assertRunning(worker.program);
        const resting = "query ~ 'LISTEN|queue' AND state = 'idle'"; // idle it is too between the statements before LISTEN
        const query = `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'firstbell jobs' AND usename = 'fb_app' AND ${resting}`;
        return Number(await postgres.sql('postgres', query)) === workers.length;
    });
afterEach(async () => {
    while (workers.length > 0) assert.deepEqual(await stopWorker(workers[0]), [0, null]);
});

/** Stands in PostgreSQL's place until that many have come in vain. */
async function refuseConnections(most) {
    const socket = place.path('sock/.s.PGSQL.5432');
    let seen = 0;
    const server = net.createServer((connection) => {
        seen++;
        connection.destroy();
    });
    await new Promise((resolve) => server.listen(socket, resolve));
    chmodSync(socket, 0o777);
    await waitFor(`${most} attempts to connect`, () => seen >= most);
    await new Promise((resolve) => server.close(resolve));
}

/** Holds what a throttle.sweep needs while `during` runs, so that none can end. */
async function holdSweep(during) {
    const release = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(100)%'";
    const holder = postgres.trySql('postgres', 'BEGIN;\nLOCK TABLE throttle_buckets IN ACCESS EXCLUSIVE MODE;\nSELECT pg_sleep(100);');
    const held = "SELECT count(*) FROM pg_locks WHERE relation = 'throttle_buckets'::regclass AND mode = 'AccessExclusiveLock' AND granted";
    await waitFor('the table to be held', async () => (await postgres.sql('postgres', held)) === '1');
    await during(async () => {
        await postgres.sql('postgres', release);
        await holder;
    });
}
const sweep = () => put(1, 'throttle.sweep', { key: 'held' });
const sweeping = () =>
    waitFor('the job to run', async () => {
        const waits = "SELECT count(*) FROM pg_locks WHERE relation = 'throttle_buckets'::regclass AND NOT granted";
        return (await postgres.sql('postgres', waits)) === '1';
    });

describe('the directory', () => {
    test('writes every district; the only one is the default', async () => {
        await addTenant('one');
        assert.deepEqual(await once(), { code: 0, signal: null, stdout: '', stderr: '' });
        const one = { id: 1, name: 'one', title: 'District one', status: 'active', locale: 'en', hosts: ['one.example'] };
        const first = snapshot();
        assert.deepEqual(first.tenants, [one]);
        assert.equal(first.default_tenant, 1);
        assert.deepEqual(await queue(), []);

        await addTenant('two');
        await once();
        const second = snapshot();
        assert.deepEqual(second.tenants, [one, { ...one, id: 2, name: 'two', title: 'District two', hosts: ['two.example'] }]);
        assert.ok(!('default_tenant' in second));
        assert.ok(second.version > first.version);
        assert.deepEqual(readdirSync(place.dir).filter((name) => name.startsWith('directory.')), ['directory.snapshot']);
    });

    test('many causes are one effect', async () => {
        await addTenant('one');
        for (let i = 0; i < 3; i++) await put(1, 'throttle.sweep', { key: 'k' });
        assert.equal((await queue()).length, 1);
    });

    test('the version grows also over a file that is ahead of the database', async () => {
        await addTenant('one');
        await once();
        place.write('directory.snapshot', 'bell-directory 2 0 7000 2 x - -\n{}');
        await once();
        assert.equal(snapshot().version, 7001);
    });

    test('a file that cannot be replaced is a sentence, and is tried again', async () => {
        await addTenant('one');
        mkdirSync(place.path('directory.snapshot'));
        const { code, stderr } = await once();
        assert.equal(code, 1);
        assert.match(stderr, /the directory is not published: the directory file .* cannot be replaced: Is a directory$/m);

        const worker = startWorker();
        await waitFor('the line', () => /cannot be replaced: Is a directory; trying until it can be/.test(worker.log()));
        rmSync(place.path('directory.snapshot'), { recursive: true });
        await waitFor('the file', () => existsSync(place.path('directory.snapshot')) && snapshot().tenants.length === 1);
        await waitFor('the line', () => /the directory is published again/.test(worker.log()));
    });

    test('what an older program put into the queue is done', async () => {
        await addTenant('one');
        await once();
        rmSync(place.path('directory.snapshot'));
        await put(1, 'directory.publish', { key: 'directory' });
        assert.equal((await once()).code, 0);
        assert.equal(snapshot().tenants.length, 1);
        assert.deepEqual(await queue(), []);
    });
});

describe('what comes of a job that fails', () => {
    beforeEach(() => addTenant('one').then(once));

    test('after the last attempt it stays, with its sentence', async () => {
        await put(1, 'no.such.kind');
        for (let attempt = 1; attempt <= 10; attempt++) {
            assert.equal((await once()).code, 1);
            await postgres.sql('postgres', 'UPDATE queue SET run_at = now()');
        }
        const [{ state, attempts, last_error: error }] = await queue();
        assert.deepEqual([state, attempts, error], [2, 10, 'this program knows no work of the kind "no.such.kind"']);
        assert.equal((await once()).code, 0, 'it is not taken again');
    });

    test('when an equal job was put in meanwhile, one of them remains', async () => {
        await put(1, 'no.such.kind', { key: 'k' });
        await postgres.sql('postgres', "UPDATE queue SET state = 1, attempts = 1, lease_until = now() - interval '1 s'");
        await put(1, 'no.such.kind', { key: 'k', at: "now() + interval '1 hour'" });
        assert.equal((await once()).code, 1);
        const rows = await queue();
        assert.equal(rows.length, 1);
        assert.deepEqual([rows[0].state, rows[0].attempts], [0, 0]);
    });

    test('a job whose worker died is taken over when its lease ends, and not for ever', async () => {
        await put(1, 'sessions.sweep', { key: 'x' });
        await postgres.sql('postgres', "UPDATE queue SET state = 1, attempts = 1, lease_until = now() + interval '1 hour'");
        await once();
        assert.equal((await queue())[0].attempts, 1, 'the lease stands');
        await postgres.sql('postgres', "UPDATE queue SET attempts = 5, lease_until = now() - interval '1 s'");
        const { stderr } = await once();
        assert.match(stderr, /the worker ended 5 times while it ran this job/);
        const [{ state, last_error: error }] = await queue();
        assert.deepEqual([state, error], [2, 'the worker ended 5 times while it ran this job']);
    });

    test('a job in one district does not hold up those of others', async () => {
        await addTenant('two');
        await put(1, 'no.such.kind');
        assert.equal((await once()).code, 1);
        assert.deepEqual((await queue()).map(({ tenant_id: tenant, kind }) => [tenant, kind]), [[1, 'no.such.kind']]);
        assert.equal(snapshot().tenants.length, 2);
    });
});

describe('what is cleaned up', () => {
    beforeEach(() => addTenant('one').then(() => addTenant('two')).then(once));

    test('sessions.sweep deletes the expired sessions of its district and comes back in an hour', async () => {
        await postgres.sql('postgres', `
            INSERT INTO users (tenant_id, sourced_id, role, username, given_name, family_name) SELECT t, 'u', 7, 'u', 'G', 'F' FROM generate_series(1, 2) t;
            INSERT INTO sessions (tenant_id, sid, user_id, expires_at)
            SELECT u.tenant_id, md5(n::text), u.id, now() + n * interval '1 minute' FROM users u, generate_series(-3, 2) n`);
        await put(1, 'sessions.sweep', { key: 'hourly' });
        assert.equal((await once()).code, 0);
        const left = await postgres.rows('postgres', 'SELECT tenant_id AS t, count(*)::int AS n FROM sessions GROUP BY 1 ORDER BY 1');
        assert.deepEqual(left, [{ t: 1, n: 2 }, { t: 2, n: 6 }]);
        const [next] = await queue();
        assert.deepEqual([next.kind, next.dedupe_key, next.state], ['sessions.sweep', 'hourly', 0]);
        assert.equal(await postgres.sql('postgres', "SELECT run_at BETWEEN now() + interval '59 min' AND now() + interval '61 min' FROM queue"), 't');
    });

    test('throttle.sweep deletes what no longer counts, and places that were not seen for half a year', async () => {
        await postgres.sql('postgres', `
            INSERT INTO users (tenant_id, sourced_id, role, username, given_name, family_name) SELECT t, 'u', 7, 'u', 'G', 'F' FROM generate_series(1, 2) t;
            INSERT INTO throttle_buckets (tenant_id, bucket, failures, last_at, expires_at)
            SELECT t, 'b' || n, 1, now(), now() + n * interval '1 minute' FROM generate_series(1, 2) t, generate_series(-3, 2) n;
            INSERT INTO account_sources (tenant_id, user_id, source, seen_at)
            SELECT u.tenant_id, u.id, 'a' || repeat(n::text, 32), now() - n * interval '100 days' FROM users u, generate_series(0, 3) n`);
        await put(1, 'throttle.sweep', { key: 'hourly' });
        assert.equal((await once()).code, 0);
        const left = (table) => postgres.rows('postgres', `SELECT tenant_id AS t, count(*)::int AS n FROM ${table} GROUP BY 1 ORDER BY 1`);
        assert.deepEqual(await left('throttle_buckets'), [{ t: 1, n: 2 }, { t: 2, n: 6 }]);
        assert.deepEqual(await left('account_sources'), [{ t: 1, n: 2 }, { t: 2, n: 4 }]);
        assert.deepEqual((await queue()).map(({ kind }) => kind), ['throttle.sweep']);
    });

    test('outbox.trim deletes old events and old failures in batches', async () => {
        await postgres.sql('postgres', `
            INSERT INTO outbox (tenant_id, topic, payload, created_at)
            SELECT 1, 't', '{}'::jsonb, now() - interval '15 days' FROM generate_series(1, 5001) UNION ALL
            SELECT t, 't', '{}', now() - interval '13 days' FROM generate_series(1, 2) t UNION ALL
            SELECT 2, 't', '{}', now() - interval '15 days';
            INSERT INTO queue (tenant_id, kind, state, created_at) VALUES (1, 'old', 2, now() - interval '15 days'), (1, 'young', 2, now())`);
        await put(1, 'outbox.trim', { key: 'hourly' });
        assert.equal((await once()).code, 0);
        const left = await postgres.rows('postgres', 'SELECT tenant_id AS t, count(*)::int AS n FROM outbox GROUP BY 1 ORDER BY 1');
        assert.deepEqual(left, [{ t: 1, n: 1 }, { t: 2, n: 2 }]);
        assert.deepEqual((await queue()).map(({ kind }) => kind), ['young', 'outbox.trim']);
    });
});

describe('the worker', () => {
    beforeEach(() => addTenant('one').then(once));

    test('is woken by a commit', async () => {
        const worker = startWorker();
        await listening(worker);
        await addTenant('two');
        await waitFor('the new district to be published', () => snapshot().tenants.length === 2, 3);
        assert.deepEqual(await stopWorker(worker), [0, null]);
        assert.ok(!existsSync(worker.pidFile));
    });

    test('keeps the hourly work of every district scheduled, once', async () => {
        await addTenant('two');
        await Promise.all([listening(startWorker()), listening(startWorker())]);
        await waitFor('the schedule', async () => (await queue()).length === 10);
        assert.deepEqual(
            (await queue()).map(({ tenant_id: tenant, kind, dedupe_key: key }) => [tenant, kind, key]).sort(),
            [1, 2].flatMap((tenant) => ['codes.sweep', 'outbox.trim', 'purges.trim', 'sessions.sweep', 'throttle.sweep'].map((kind) => [tenant, kind, 'hourly'])),
        );
        assert.equal(await postgres.sql('postgres', "SELECT bool_and(run_at BETWEEN now() AND now() + interval '1 hour') FROM queue"), 't');
    });

    test('is the only one with its pid file', async () => {
        const worker = startWorker();
        await listening(worker);
        const { code, stderr } = await firstbell(place, ['jobs'], { conf: worker.conf });
        assert.equal(code, 1);
        assert.match(stderr, new RegExp(`^firstbell: .*${worker.program.child.pid}.*\\n$`));
    });

    test('waits for a PostgreSQL that went away, with one line then and one when it is back', async () => {
        const worker = startWorker();
        await listening(worker);
        await postgres.stop();
        await waitFor('the worker to notice', () => worker.log().includes('connection to PostgreSQL is lost'));
        await refuseConnections(3);
        await postgres.start();
        await waitFor('the worker to come back', () => worker.log().includes('PostgreSQL is back'));
        await addTenant('two');
        await waitFor('the new district to be published', () => snapshot().tenants.length === 2);
        assert.equal(worker.log().trim().split('\n').length, 2, worker.log());
    });

    test('does not wait for ever for a session that is stopped', async () => {
        const worker = startWorker({ jobs_statement_timeout_s: 1 });
        await listening(worker);
        const pid = Number(await postgres.sql('postgres', "SELECT pid FROM pg_stat_activity WHERE application_name = 'firstbell jobs'"));
        process.kill(pid, 'SIGSTOP');
        try {
            worker.program.child.kill('SIGUSR1'); // which wakes it, and it looks at the queue
            await waitFor('the worker to give it up', () => worker.log().includes('the connection to PostgreSQL is lost: no answer for 6 s'), 60);
            await waitFor('the worker to come back', () => worker.log().includes('PostgreSQL is back'), 60);
        } finally {
            process.kill(pid, 'SIGCONT');
        }
        await addTenant('two');
        await waitFor('the new district to be published', () => snapshot().tenants.length === 2);
    });

    test('opens its log anew on SIGUSR1', async () => {
        const log = place.path('log/rotated.log');
        const worker = startWorker({ error_log: log });
        await listening(worker);
        renameSync(log, `${log}.1`);
        worker.program.child.kill('SIGUSR1');
        await waitFor('the new log', () => existsSync(log));
        await stopWorker(worker);
        assert.match(readFileSync(log, 'utf8'), /jobs: stopped/);
        assert.equal(readFileSync(`${log}.1`, 'utf8'), '');
    });

    test('starts before PostgreSQL does', async () => {
        await postgres.stop();
        const worker = startWorker();
        await waitFor('the worker to say what it waits for', () => /PostgreSQL cannot be used as fb_app: .*; trying until it can/.test(worker.log()));
        await postgres.start();
        await listening(worker);
        await waitFor('the worker to say so', () => worker.log().includes('PostgreSQL is back')); // it listens a moment before
    });

    test('does not serve with a role that stands above the walls', async () => {
        await postgres.sql('postgres', 'ALTER ROLE fb_app BYPASSRLS');
        try {
            const { code, stderr } = await once();
            assert.equal(code, 1);
            assert.match(stderr, /the role fb_app is a superuser, bypasses row security, or owns tables/);
        } finally {
            await postgres.sql('postgres', 'ALTER ROLE fb_app NOBYPASSRLS');
        }
    });

    test('finishes the job in hand when it is told to stop, and gives the others back', async () => {
        const worker = startWorker();
        await listening(worker);
        await holdSweep(async (release) => {
            await sweep();
            await sweeping();
            await put(1, 'no.such.kind');
            worker.program.child.kill('SIGTERM');
            await release();
        });
        assert.deepEqual(await stopWorker(worker), [0, null]);
        assert.deepEqual((await queue()).filter(({ dedupe_key: key }) => key === 'held'), []);
        assert.deepEqual((await queue()).filter(({ state }) => state === 1), []);
        assert.deepEqual((await queue()).filter(({ kind }) => kind === 'no.such.kind').map(({ attempts }) => attempts), [0]);
    });

    test('a killed one loses no job', async () => {
        const worker = startWorker();
        await listening(worker);
        await holdSweep(async (release) => {
            await sweep();
            await sweeping();
            await stopWorker(worker, 'SIGKILL');
            await release();
        });
        await waitFor('PostgreSQL to notice', async () => {
            return (await postgres.sql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'firstbell jobs'")) === '0';
        });
        assert.deepEqual((await queue()).filter(({ dedupe_key: key }) => key === 'held').map(({ state }) => state), [1]);
        await postgres.sql('postgres', 'UPDATE queue SET lease_until = now() WHERE state = 1');
        assert.equal((await once()).code, 0);
        assert.deepEqual((await queue()).filter(({ dedupe_key: key }) => key === 'held'), []);
    });
});

describe('two workers', () => {
    test('share the work: each job is done once, and the districts are taken in turn', async () => {
        await addTenant('one');
        await addTenant('two');
        await once();
        // Each job is a sweep under a key of its own, and leaves one follower (the hourly one) a district.
        await postgres.sql('postgres', `
            INSERT INTO queue (tenant_id, kind, dedupe_key) SELECT 1, 'sessions.sweep', 'k' || n FROM generate_series(1, 300) n;
            INSERT INTO queue (tenant_id, kind, dedupe_key) SELECT 2, 'sessions.sweep', 'k' || n FROM generate_series(1, 5) n`);
        const claimed = await postgres.rows('fb_app', 'SELECT tenant_id FROM queue_claim(10, 1)');
        assert.equal(claimed.filter(({ tenant_id: tenant }) => tenant === 2).length, 5, 'the small district is not behind the large one');
        await postgres.sql('postgres', 'UPDATE queue SET state = 0, attempts = 0');
        const both = await Promise.all([once(), once()]);
        assert.deepEqual(both.map(({ code, stderr }) => [code, stderr]), [[0, ''], [0, '']]);
        assert.deepEqual((await queue()).map(({ tenant_id: tenant, kind }) => [tenant, kind]), [[1, 'sessions.sweep'], [2, 'sessions.sweep']]);
    });

    test('a job whose row somebody holds for a moment is waited for, not left until its lease ends', async () => {
        await addTenant('one');
        await sweep();
        await put(1, 'sessions.sweep', { key: 'k' });
        const backends = (where) => `SELECT count(*) FROM pg_stat_activity WHERE ${where}`;
        await holdSweep(async (release) => {
            const working = once();
            await sweeping(); // and the sweep behind it is claimed
            const holder = postgres.trySql('postgres', "BEGIN;\nSELECT id FROM queue WHERE dedupe_key = 'k' FOR UPDATE;\nSELECT 1, pg_sleep(100);");
            const holds = "query LIKE 'SELECT 1, pg_sleep(100)%'";
            await waitFor('the row to be held', async () => (await postgres.sql('postgres', backends(holds))) === '1');
            await release();
            const waits = "application_name = 'firstbell jobs' AND wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE'";
            await waitFor('the worker to wait for it', async () => (await postgres.sql('postgres', backends(waits))) === '1');
            await postgres.sql('postgres', `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${holds}`);
            await holder;
            assert.equal((await working).code, 0);
        });
        assert.deepEqual((await queue()).filter(({ dedupe_key: key }) => key === 'k'), []);
    });

    test('claims at the same moment never overlap', async () => {
        await addTenant('one');
        await postgres.sql('postgres', "TRUNCATE queue; INSERT INTO queue (tenant_id, kind) SELECT 1, 'k' FROM generate_series(1, 1000)");
        const claims = Array.from({ length: 10 }, () => postgres.rows('fb_app', 'SELECT id, attempts FROM queue_claim(100, 60)'));
        const rows = (await Promise.all(claims)).flat();
        assert.equal(new Set(rows.map((row) => row.id)).size, rows.length);
        assert.ok(rows.every(({ attempts }) => attempts === 1));
        assert.equal(await postgres.sql('postgres', 'SELECT count(*) FROM queue WHERE state = 1'), String(rows.length));
    });
});
