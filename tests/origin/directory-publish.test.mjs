// The publisher of the directory: every change is in one delta, no matter when it commits, and reaches Redis and the file whatever dies in between.
// time bound: 600 s

import assert from 'node:assert/strict';
import { createHash, createPrivateKey, createPublicKey, verify } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';

import { app } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { catches } from '../lib/run.mjs';
import { firstbell, mustFirstbell, writeSettings } from '../lib/server-firstbell.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';

let place;
let postgres;
let redis;
let publicKey;

before(async () => {
    place = newPlace();
    postgres = await startPostgres(place);
    const server = await startRedis(place);
    redis = { address: `unix:${server.socket}`, cli: (...words) => server.ask(words), start: () => server.start(), stop: () => server.stop() };
    writeSettings(place, { settings: { error_log: '-', redis: redis.address } });
    publicKey = createPublicKey(createPrivateKey(readFileSync(place.path('keys/directory.pem'))));
});
after(() => place.stop());
beforeEach(async () => {
    await postgres.sql('postgres', `TRUNCATE tenants, pools, directory_dirty, directory_deltas RESTART IDENTITY CASCADE; UPDATE directory_state SET version = 1`);
    await redis.cli('FLUSHALL');
    rmSync(place.path('directory.snapshot'), { force: true });
});

// ---- a reader, as an edge is one

/** Verifies a document whole. */
function open(bytes) {
    const end = bytes.indexOf(10);
    const head = bytes.subarray(0, end).toString();
    const [magic, format, from, version, size, sha256, keyId, signature] = head.split(' ');
    const payload = bytes.subarray(end + 1);
    assert.deepEqual([magic, format, Number(size)], ['bell-directory', '2', payload.length]);
    assert.equal(sha256, createHash('sha256').update(payload).digest('hex'));
    assert.equal(keyId, createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest().subarray(0, 8).toString('base64url'));
    assert.ok(verify(null, Buffer.from(head.slice(0, head.lastIndexOf(' '))), publicKey, Buffer.from(signature, 'base64url')), 'the signature');
    const directory = JSON.parse(payload);
    assert.equal(directory.version, Number(version));
    return { from: Number(from), directory };
}

const revocationOf = ({ tenant, subject }) => `${tenant} ${subject}`;

class Reader {
    load({ from, directory }) {
        assert.equal(from, 0);
        this.version = directory.version;
        this.tenants = new Map(directory.tenants.map((tenant) => [tenant.id, tenant]));
        this.pools = new Map((directory.pools ?? []).map((pool) => [pool.name, pool]));
        this.revoked = new Map((directory.revoked ?? []).map((r) => [revocationOf(r), r]));
        this.defaultTenant = directory.default_tenant;
        this.checkHosts();
    }

    apply({ from, directory }) {
        assert.equal(from, this.version, 'a delta leads on from the version before');
        this.version = directory.version;
        for (const id of directory.removed ?? []) this.tenants.delete(id);
        for (const name of directory.removed_pools ?? []) this.pools.delete(name);
        for (const tenant of directory.tenants) this.tenants.set(tenant.id, tenant);
        for (const pool of directory.pools ?? []) this.pools.set(pool.name, pool);
        for (const r of directory.revoked ?? []) this.revoked.set(revocationOf(r), r);
        this.defaultTenant = directory.default_tenant;
        this.checkHosts();
    }

    checkHosts() {
        const hosts = [...this.tenants.values()].flatMap((tenant) => tenant.hosts);
        assert.equal(new Set(hosts).size, hosts.length, `a host belongs to one tenant in version ${this.version}`);
    }

    get state() {
        const sorted = (map) => [...map.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
        return { tenants: sorted(this.tenants), pools: sorted(this.pools), revoked: sorted(this.revoked), defaultTenant: this.defaultTenant };
    }
}

const raw = async (...args) => Buffer.from(JSON.parse(await redis.cli('EVAL', `
    local r = redis.call(unpack(ARGV))
    local function hex(s) return (s:gsub('.', function(c) return string.format('%02x', c:byte()) end)) end
    if type(r) == 'string' then return cjson.encode({hex(r)}) end
    if not r then return '[]' end
    local out = {}
    for _, e in ipairs(r) do out[#out + 1] = e[1]; out[#out + 1] = hex(e[2][2]) end
    return #out == 0 and '[]' or cjson.encode(out)`, '0', ...args)).join('|'));

/** The stream as [{id, from, directory}]. */
async function stream() {
    const parts = (await raw('XRANGE', 'bell:directory:deltas', '-', '+')).toString().split('|').filter(Boolean);
    return parts.filter((_, i) => i % 2 === 0).map((id, i) => ({ id, ...open(Buffer.from(parts[2 * i + 1], 'hex')) }));
}

async function snapshotInRedis() {
    const hex = (await raw('GET', 'bell:directory:snapshot')).toString();
    return hex ? open(Buffer.from(hex, 'hex')) : undefined;
}
const snapshotInFile = () => existsSync(place.path('directory.snapshot')) && open(readFileSync(place.path('directory.snapshot')));

/** What an edge has that starts now: the snapshot, then the stream. */
async function readNow() {
    const reader = new Reader();
    reader.load(await snapshotInRedis());
    for (const delta of await stream()) {
        if (delta.directory.version > reader.version) reader.apply(delta);
    }
    return reader;
}

/** The state of the tables, as a reader should have it. */
async function tables() {
    const tenants = await postgres.rows('postgres', `SELECT id, name, title, status, hosts FROM directory_rows()`);
    const status = ['', 'active', 'read-only', 'exam', 'suspended'];
    const pools = await postgres.rows('postgres', `SELECT p.name, coalesce(json_agg(json_build_object('address', s.address, 'weight', s.weight,
        'state', (ARRAY['up', 'drain', 'down'])[s.state]) ORDER BY s.address COLLATE "C") FILTER (WHERE s.address IS NOT NULL), '[]') AS servers
        FROM pools p LEFT JOIN pool_servers s ON s.pool = p.name GROUP BY p.name ORDER BY p.name`);
    const revoked = await postgres.rows('postgres', `SELECT tenant_id AS tenant, subject, floor(extract(epoch FROM before_at))::bigint AS before,
        ceil(extract(epoch FROM until_at))::bigint AS until FROM directory_revocations`);
    revoked.sort((a, b) => (revocationOf(a) < revocationOf(b) ? -1 : 1));
    return {
        tenants: tenants.map((t) => ({ ...t, status: status[t.status], locale: 'en' })),
        pools,
        revoked,
        defaultTenant: tenants.length === 1 ? tenants[0].id : undefined,
    };
}
const plain = (state) => ({ ...state, tenants: state.tenants.map(({ id, name, title, status, hosts, locale }) => ({ id, name, title, status, hosts, locale })) });

/** Waits until what an edge would read is what the tables say. */
async function converged() {
    let read;
    await waitFor('the directory to be what the tables are', async () => {
        if (!(await snapshotInRedis())) return false;
        read = await readNow();
        assert.deepEqual(plain(read.state), await tables());
        return true;
    });
    return read;
}

// ---- publishers

const workers = [];
let count = 0;

function start(settings = {}) {
    const name = `jobs${++count}`;
    const all = { error_log: '-', redis: redis.address, jobs_pid_file: place.path(`pid/${name}.pid`), ...settings };
    const conf = writeSettings(place, { settings: all, name: `conf/${name}.conf` });
    const program = place.start(name, [path.join(app(), 'bin/firstbell'), '-c', conf, 'jobs']);
    const worker = { program, log: () => place.read(`log/${name}.out`) };
    workers.push(worker);
    return worker;
}
const stop = async (worker, signal = 'SIGTERM') => {
    workers.splice(workers.indexOf(worker), 1);
    if (signal === 'SIGTERM') await waitFor('the worker to have begun', () => catches(worker.program, signal));
    return place.stopProgram(worker.program, signal);
};
afterEach(async () => {
    while (workers.length > 0) assert.deepEqual(await stop(workers[0]), [0, null]);
});

const must = (...args) => mustFirstbell(place, args);
const add = (name) => must('tenant', 'add', name, '--title', name, '--host', `${name}.example`);
const version = async () => Number(await postgres.sql('postgres', 'SELECT version FROM directory_state'));
const waiting = async () => Number(await postgres.sql('postgres', 'SELECT count(*) FROM directory_dirty'));
const marked = (n) => waitFor('the changes to be published', async () => (await version()) >= n && (await waiting()) === 0);

describe('each change is one delta that leads on', () => {
    test('of every kind', async () => {
        await add('one');
        start();
        await converged();
        const changes = [
            () => add('two'),
            () => must('tenant', 'set', 'one', '--status', 'exam'),
            () => must('tenant', 'host', 'move', '--tenant', 'one', '--to', 'two', 'one.example'),
            () => must('pool', 'set', 'west', '--server', '10.0.0.1:80', '--server', '10.0.0.2:80,state=drain'),
            () => must('pool', 'set', 'west', '--server', '10.0.0.1:80,weight=5'),
            () => must('pool', 'remove', 'west'),
            () => postgres.sql('postgres', "INSERT INTO directory_revocations VALUES (1, 'a\"\\b', now(), now() + interval '1 h')"),
            () => postgres.sql('postgres', "UPDATE directory_revocations SET before_at = before_at + interval '5 s'"),
        ];
        for (const change of changes) {
            const from = await version();
            await change();
            await marked(from + 1);
            assert.equal(await version(), from + 1);
            await converged();
        }
        const ids = (await stream()).map(({ id, from, directory }) => [id, from, directory.version]);
        assert.deepEqual(ids, ids.map((_, i) => [`${i + 2}-0`, i + 1, i + 2]));
        await postgres.sql('postgres', "UPDATE directory_revocations SET until_at = now()");
        await waitFor('that to be taken up', async () => (await waiting()) === 0);
        await postgres.sql('fb_app', `BEGIN; SELECT set_config('app.tenant', '1', true) \\g /dev/null
            SELECT queue_put('sessions.sweep', NULL, '{}', NULL) \\g /dev/null\nCOMMIT;`);
        await waitFor('the sweep of what has ended', async () => (await postgres.sql('postgres', 'SELECT count(*) FROM directory_revocations')) === '0');
        assert.equal(await waiting(), 0, 'that something has ended by itself is no change');
        await postgres.sql('postgres', 'UPDATE tenants SET title = title; UPDATE directory_revocations SET subject = subject');
        assert.equal(await waiting(), 0, 'what changes nothing is no change');
    });

    test('of 500 by 8 sessions at once, some of which commit late, nothing is lost and no version is missing', async () => {
        await postgres.sql('fb_operator', "INSERT INTO tenants (name, title) SELECT 't' || n, 'T' FROM generate_series(1, 40) n");
        start({ directory_publish_interval_ms: 10, directory_deltas_keep: 10000 });
        start({ directory_publish_interval_ms: 10, directory_deltas_keep: 10000 });
        await converged();
        const first = (await stream()).length;
        const session = (n) => {
            const steps = Array.from({ length: 63 }, (_, i) => {
                const tenant = ((n * 63 + i) * 7) % 40 + 1;
                const late = i % 5 === 0 ? `SELECT pg_sleep(${(0.01 * ((n + i) % 7)).toFixed(2)}) \\g /dev/null\n` : '';
                const change = [
                    `UPDATE tenants SET title = 'T ${n} ${i}' WHERE id = ${tenant};`,
                    `INSERT INTO tenant_hosts VALUES (${tenant}, 'h${n}-${i}.example');`,
                    `UPDATE tenant_hosts SET tenant_id = ${tenant} WHERE host LIKE 'h${n}-%' AND tenant_id <> ${tenant};`,
                    `INSERT INTO directory_revocations VALUES (${tenant}, '${n}-${i}', now(), now() + interval '1 h');`,
                ][i % 4];
                return `BEGIN; ${change} ${late} COMMIT;`;
            });
            return postgres.sql('postgres', steps.join('\n'));
        };
        await Promise.all(Array.from({ length: 8 }, (_, n) => session(n)));
        const read = await converged();
        assert.equal(await waiting(), 0);
        const deltas = await stream();
        deltas.forEach(({ id, from, directory }, i) => assert.deepEqual([id, from], [`${directory.version}-0`, i === 0 ? 1 : deltas[i - 1].directory.version]));
        assert.equal(read.version, await version());
        assert.equal(read.version, deltas.length + 1);
        assert.ok(deltas.length - first < 504, 'changes are gathered');
    });

    test('of a session that commits after a later one was published', async () => {
        await add('one');
        await add('two');
        start();
        await converged();
        const at = await version();
        const late = postgres.sql('postgres', "BEGIN; UPDATE tenants SET title = 'late' WHERE id = 1; SELECT pg_sleep(3) \\g /dev/null\nCOMMIT;");
        await waitFor('the first to be at work', async () => (await postgres.sql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3)%' AND pid <> pg_backend_pid()")) !== '0');
        await postgres.sql('postgres', "UPDATE tenants SET title = 'early' WHERE id = 2");
        await marked(at + 1);
        await late;
        const read = await converged();
        assert.deepEqual(read.state.tenants.map(({ title }) => title), ['late', 'early']);
    });
});

describe('what was not handed out is found missing', () => {
    test('a publisher that is killed between its commit and Redis', async () => {
        await add('one');
        const first = start({ redis_timeout_ms: 60000 });
        await converged();
        const at = await version();
        await redis.cli('CLIENT', 'PAUSE', '600000', 'WRITE');
        await add('two');
        await marked(at + 1);
        await stop(first, 'SIGKILL');
        await redis.cli('CLIENT', 'UNPAUSE');
        assert.equal((await stream()).at(-1).directory.version, at);
        start();
        const read = await converged();
        assert.equal(read.version, at + 1);
        assert.equal((await stream()).at(-1).from, at);
    });

    test('a Redis that was replaced by an empty one', async () => {
        await add('one');
        start();
        await add('two');
        await converged();
        const at = await version();
        await redis.stop();
        await redis.start();
        const read = await converged();
        assert.equal(read.version, at);
        await add('three');
        await marked(at + 1);
        await converged();
    });

    test('a stream that somebody removed, and a snapshot', async () => {
        await add('one');
        start();
        await converged();
        await redis.cli('DEL', 'bell:directory:deltas', 'bell:directory:snapshot');
        await waitFor('both to be there again', async () => (await redis.cli('EXISTS', 'bell:directory:deltas', 'bell:directory:snapshot')) === '2');
        await converged();
    });

    test('a Redis that is away for a while: the file goes on, and one line says so', async () => {
        await add('one');
        const worker = start();
        await converged();
        await redis.stop();
        await add('two');
        await waitFor('the file to have it', () => snapshotInFile()?.directory?.tenants.length === 2);
        await add('three');
        await waitFor('the file to have it', () => snapshotInFile()?.directory?.tenants.length === 3);
        await redis.start();
        await converged();
        assert.equal(worker.log().match(/Redis at unix:.* cannot be used: /g).length, 1);
        await waitFor('the line that it is back', () => /Redis at unix:.* is back/.test(worker.log()));
    });

    test('a Redis that refuses for a while', async () => {
        await add('one');
        const worker = start();
        await converged();
        await redis.cli('CONFIG', 'SET', 'maxmemory', '1');
        const at = await version();
        await add('two');
        await marked(at + 1);
        await waitFor('the refusal to be logged', () => /refuses a delta of the directory: OOM/.test(worker.log()));
        await redis.cli('CONFIG', 'SET', 'maxmemory', '0');
        await converged();
        await waitFor('the line that it takes it', () => /takes what it had refused/.test(worker.log()));
    });

    test('a connection that is lost behind all that was to be done: the next change is heard of', async () => {
        await add('one');
        const trap = await postgres.breakNextUnlock('firstbell directory');
        try {
            start();
            await waitFor('the connection to be lost', trap.isBroken);
            await add('two');
            await converged();
        } finally {
            await trap.restored();
        }
    });

    test('a PostgreSQL that was restored from a backup: the version goes on above what edges have seen', async () => {
        await add('one');
        const worker = start();
        await add('two');
        await converged();
        const seen = await version();
        await stop(worker);
        await postgres.sql('postgres', 'TRUNCATE directory_deltas, directory_dirty; UPDATE directory_state SET version = 1');
        start();
        await waitFor('a version above', async () => (await version()) > seen);
        const read = await converged();
        assert.ok(read.version > seen);
    });
});

describe('snapshots', () => {
    test('are made again before the deltas that are kept have gone past them', async () => {
        await add('one');
        start({ directory_deltas_keep: 10, directory_publish_interval_ms: 10, directory_snapshot_interval_s: 3600 });
        await converged();
        for (let i = 0; i < 30; i++) {
            const at = await version();
            await postgres.sql('postgres', `UPDATE tenants SET title = 'T${i}'`);
            await marked(at + 1);
        }
        await converged();
        assert.ok((await snapshotInRedis()).directory.version > 10);
        assert.ok(Number(await postgres.sql('postgres', 'SELECT count(*) FROM directory_deltas')) <= 11);
    });

    test('deltas that are too old go, all but the newest', async () => {
        await add('one');
        start({ directory_deltas_keep_s: 60, directory_snapshot_interval_s: 3600 });
        await converged();
        await postgres.sql('postgres', "UPDATE directory_deltas SET made_at = now() - interval '61 s'");
        await add('two');
        await waitFor('one delta to be left', async () => {
            return (await postgres.sql('postgres', 'SELECT count(*), max(version) FROM directory_deltas')) === `1|${await version()}` && (await waiting()) === 0;
        });
        await converged();
    });

    test('with an interval of nothing each change is in the file, though Redis has it', async () => {
        await add('one');
        start({ directory_snapshot_interval_s: 0 });
        await converged();
        for (const name of ['two', 'three', 'four']) {
            const seen = snapshotInFile().directory.version;
            await add(name);
            await waitFor('the file', () => snapshotInFile().directory.tenants.some((tenant) => tenant.name === name));
            assert.ok(snapshotInFile().directory.version > seen);
        }
        await converged();
    });

    test('follow after their interval, in Redis and in the file, and at once when asked for', async () => {
        await add('one');
        start({ directory_snapshot_interval_s: 1 });
        await converged();
        await add('two');
        await waitFor('the snapshots', async () => (await snapshotInRedis()).directory.tenants.length === 2 && snapshotInFile().directory.tenants.length === 2);

        await stop(workers[0]);
        start({ directory_snapshot_interval_s: 3600 });
        await converged();
        await waitFor('the publisher to rest', async () => (await snapshotInRedis()).directory.version === (await version()));
        await add('three');
        await must('directory', 'publish');
        await waitFor('the snapshot', async () => (await snapshotInRedis()).directory.tenants.length === 3 && snapshotInFile().directory.tenants.length === 3);
    });
});

describe('without Redis', () => {
    test('every change is in the file, and each worker writes its own', async () => {
        await add('one');
        const other = place.path('other.snapshot');
        start({ redis: '-' });
        start({ redis: '-', directory_file: other });
        const both = (n) => waitFor(`${n} districts in both files`, () => snapshotInFile()?.directory?.tenants.length === n && existsSync(other) && open(readFileSync(other)).directory.tenants.length === n);
        await both(1);
        await add('two');
        await both(2);
        await must('tenant', 'host', 'move', '--tenant', 'one', '--to', 'two', 'one.example');
        await waitFor('the move', () => snapshotInFile().directory.tenants[1].hosts.length === 2);
        assert.equal(await redis.cli('EXISTS', 'bell:directory:deltas'), '0');
        rmSync(other);
    });

    test('PostgreSQL is not asked when nothing has changed', async () => {
        await add('one');
        start({ redis: '-' });
        await waitFor('the file', () => snapshotInFile()?.directory?.tenants.length === 1);
        const last = () => postgres.sql('postgres', "SELECT query_start || query FROM pg_stat_activity WHERE application_name = 'firstbell directory'");
        await waitFor('the publisher to rest', async () => /unlock/.test(await last()));
        const rested = await last();
        await new Promise((resolve) => setTimeout(resolve, 2500)); // longer than every pause of the publisher: there is no state to wait for
        assert.equal(await last(), rested);
    });
});

describe('keys and settings', () => {
    test('firstbell directory key prints what the edge verifies with', async () => {
        const printed = await must('directory', 'key');
        assert.deepEqual(createPublicKey(printed).export({ type: 'spki', format: 'der' }), publicKey.export({ type: 'spki', format: 'der' }));
        const conf = writeSettings(place, { settings: { directory_key: '-' }, name: 'conf/unsigned.conf' });
        const { code, stderr } = await firstbell(place, ['directory', 'key'], { conf });
        assert.equal(code, 1);
        assert.match(stderr, /directory_key is -: documents are not signed/);
    });

    test('without a key documents are not signed', async () => {
        await add('one');
        const conf = writeSettings(place, { settings: { error_log: '-', directory_key: '-' }, name: 'conf/unsigned.conf' });
        await mustFirstbell(place, ['jobs', '--once'], { conf });
        assert.match(place.read('directory.snapshot'), /^bell-directory 2 0 \d+ \d+ [0-9a-f]{64} - -\n/);
    });

    for (const [what, file, mode, pattern] of [
        ['a key that others may read', (key) => key, 0o644, /directory_key .* may be read or written by others \(mode 0644\); expected 0600/],
        ['a key that is none', () => 'nothing', 0o600, /holds no key: expected an Ed25519 key in PEM form/],
        ['a public key, which cannot sign', () => publicKey.export({ type: 'spki', format: 'pem' }), 0o600, /a directory_key that cannot sign/],
    ]) {
        test(`${what} is refused with a sentence, and changes wait`, async () => {
            await add('one');
            const key = place.write(`keys/bad-${mode}.pem`, file(readFileSync(place.path('keys/directory.pem'), 'utf8')), mode);
            const conf = writeSettings(place, { settings: { error_log: '-', directory_key: key }, name: 'conf/bad.conf' });
            const { code, stderr } = await firstbell(place, ['jobs', '--once'], { conf });
            assert.equal(code, 1);
            assert.match(stderr, pattern);
            assert.ok((await waiting()) > 0);
            rmSync(key);
        });
    }

    test('a Redis with users and passwords', async () => {
        await redis.cli('ACL', 'SETUSER', 'firstbell', 'on', '>secret', '~bell:*', '+@all');
        const file = place.write('keys/redis.password', 'secret\n', 0o600);
        await add('one');
        start({ redis_user: 'firstbell', redis_password_file: file });
        await converged();
        const wrong = start({ redis_user: 'firstbell', redis_password_file: place.write('keys/wrong.password', 'wrong\n', 0o600) });
        await waitFor('the refusal', () => /cannot be used: it refuses the password: WRONGPASS/.test(wrong.log()));
        const open_ = start({ redis_user: 'firstbell', redis_password_file: place.write('keys/open.password', 'secret\n', 0o644) });
        await waitFor('the refusal', () => /redis_password_file .* may be read or written by others/.test(open_.log()));
    });
});
