// Purges: who may ask for which, and that each reaches Redis once, in order, whatever commits late and whatever dies in between.
// time bound: 600 s

import assert from 'node:assert/strict';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';

import { app } from '../lib/app.mjs';
import { Client } from '../lib/client.mjs';
import { freePort, newPlace } from '../lib/place.mjs';
import { catches } from '../lib/run.mjs';
import { firstbell, mustFirstbell, originClient, startApi, writeSettings } from '../lib/server-firstbell.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';

const A_MINUTE_MAX = 20;
const password = 'a long password for tests';
const [NORTH, SOUTH] = [1, 2];

let place;
let postgres;
let redis;
let api;
const people = {}; // 'operator 1' → a signed-in client of tenant 1

before(async () => {
    place = newPlace();
    postgres = await startPostgres(place);
    redis = await startRedis(place);
    writeConf('firstbell');
    for (const name of ['north', 'south']) {
        await must('tenant', 'add', name, '--title', name, '--host', `${name}.example`, '--host', `*.wild.${name}.example`);
        for (const role of ['operator', 'district-admin', 'teacher']) {
            await must('user', 'add', '--tenant', name, '--username', role, '--role', role, '--given', 'Olu', '--family', role);
            await mustFirstbell(place, ['user', 'passwd', '--tenant', name, role], { input: password });
        }
    }
    api = await startApi(place);
    for (const role of ['operator', 'district-admin', 'teacher']) {
        for (const tenant of [NORTH, SOUTH]) {
            people[`${role} ${tenant}`] = originClient(api.socketPath, tenant);
            await people[`${role} ${tenant}`].signIn(role, password);
        }
    }
});
after(() => place.stop());
beforeEach(async () => {
    await sql('TRUNCATE purges RESTART IDENTITY; UPDATE purge_state SET sequence = 0; DELETE FROM queue');
    await redis.ask(['CLIENT', 'UNPAUSE']);
    await redis.ask(['ACL', 'SETUSER', 'default', 'reset', 'on', 'nopass', '~*', '&*', '+@all']);
    await redis.ask(['FLUSHALL']);
});

const sql = (text) => postgres.sql('postgres', text);
const must = (...args) => mustFirstbell(place, args);
const confOf = (settings) => ({ error_log: '-', redis: `unix:${redis.socket}`, purges_a_minute_max: A_MINUTE_MAX, ...settings });
const writeConf = (name, settings = {}) => writeSettings(place, { settings: confOf(settings), name: `conf/${name}.conf` });
const rows = () => postgres.rows('postgres', 'SELECT tenant_id AS tenant, id, actor_id AS actor, kind, hard, host, value, sequence FROM purges ORDER BY id');
const ask = (body, who = 'operator 1') => people[who].post('/api/v1/purges', body);
const userId = async (username, tenant) => Number(await sql(`SELECT id FROM users WHERE tenant_id = ${tenant} AND username = '${username}'`));

/** The stream as [{id, line, sequence, at, tenant, how, kind, rest}], each line read as an edge reads it. */
async function stream() {
    const parts = (await redis.ask(['XRANGE', 'bell:purges', '-', '+'])).split('\n').filter(Boolean);
    return Array.from({ length: parts.length / 3 }, (_, i) => {
        const [id, field, line] = parts.slice(3 * i, 3 * i + 3);
        assert.equal(field, 'p');
        const [, sequence, at, tenant, how, kind, rest] = /^1 (\d+) (\d+) (\d+) (soft|hard) (url|prefix|tag|all)(?: (.+))?$/.exec(line);
        return { id, line, sequence: Number(sequence), at: Number(at), tenant: Number(tenant), how, kind, rest };
    });
}

/** Rows as somebody asked for them; `more` is SQL behind that, within the same transaction. */
const putTags = (tenant, tags, more = '') => `BEGIN; SELECT set_config('app.tenant', '${tenant}', true) \\g /dev/null
    INSERT INTO purges (tenant_id, kind, hard, value) VALUES ${tags.map((tag) => `(${tenant}, 3, false, '${tag}')`).join(', ')};
    SELECT pg_notify('firstbell_purges', '') \\g /dev/null
    ${more}\nCOMMIT;`;
const put = (tenant, ...tags) => postgres.sql('fb_app', putTags(tenant, tags));

/** Waits until the stream has that many entries, and asserts what is true of every stream: numbers from 1 on without a gap, each once, in order. */
async function sent(n) {
    let entries;
    await waitFor(`${n} purges in Redis`, async () => (entries = await stream()).length >= n);
    assert.deepEqual(entries.map(({ id, sequence }) => [id, sequence]), Array.from({ length: n }, (_, i) => [`${i + 1}-0`, i + 1]));
    return entries;
}
const tagsOf = (entries) => entries.map(({ rest }) => rest);

/** What was sent is what is in the table: each row under its number. */
async function assertAllRowsSent(entries) {
    const expected = (await rows()).map(({ tenant, sequence, value }) => [sequence, tenant, value]).sort(([a], [b]) => a - b);
    assert.deepEqual(entries.map(({ sequence, tenant, rest }) => [sequence, tenant, rest]), expected);
}

// ---- workers

const workers = [];
let count = 0;

function start(settings = {}) {
    const name = `jobs${++count}`;
    const conf = writeConf(name, { jobs_pid_file: place.path(`pid/${name}.pid`), ...settings });
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
const numbered = (n) => waitFor(`${n} numbers to be given`, async () => (await sql('SELECT count(*) FROM purges WHERE sequence IS NOT NULL')) === String(n));
const relayRests = () =>
    waitFor('the relay to rest', async () => (await sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'firstbell purges' AND query LIKE '%unlock%' AND state = 'idle'")) === String(workers.length));

describe('asking', () => {
    const bodies = [
        [{ url: 'https://North.Example/a%2fb/%7Ec?d=e' }, [1, false, 'north.example', '/a%2Fb/~c?d=e']],
        [{ url: 'http://north.example', hard: true }, [1, true, 'north.example', '/']],
        [{ prefix: 'https://x.wild.north.example:8443/unit-1', hard: true }, [2, true, 'x.wild.north.example:8443', '/unit-1']],
        [{ prefix: 'https://a.b.wild.north.example/', hard: false }, [2, false, 'a.b.wild.north.example', '/']],
        [{ tag: 'course-17' }, [3, false, null, 'course-17']],
        [{ tag: 'Größe:{1}"\'\\', hard: true }, [3, true, null, 'Größe:{1}"\'\\']],
        [{ tag: 't'.repeat(256) }, [3, false, null, 't'.repeat(256)]],
        [{ all: true }, [4, false, null, null]],
        [{ all: true, hard: true }, [4, true, null, null]],
    ];

    for (const role of ['operator', 'district-admin']) {
        test(`as ${role}: 202 with an id, and a row that says who asked for what`, async () => {
            for (const [body, [kind, hard, host, value]] of bodies) {
                const { status, json, text } = await ask(body, `${role} 1`);
                assert.equal(status, 202, text);
                assert.deepEqual(Object.keys(json), ['id']);
                const expected = { tenant: NORTH, id: json.id, actor: await userId(role, NORTH), kind, hard, host, value, sequence: null };
                assert.deepEqual((await rows()).at(-1), expected);
            }
            assert.equal((await rows()).length, bodies.length);
        });
    }

    test('others may not', async () => {
        assert.equal((await ask({ all: true }, 'teacher 1')).status, 403);
        assert.equal((await originClient(api.socketPath, NORTH).post('/api/v1/purges', { all: true })).status, 401);
        const foreign = originClient(api.socketPath, SOUTH);
        foreign.cookies = people['operator 1'].cookies;
        assert.equal((await foreign.post('/api/v1/purges', { all: true })).status, 401, 'a session of another district is none');
        assert.deepEqual(await rows(), []);
    });

    test('what is not right is refused with a sentence, and nothing is noted', async () => {
        const long = `https://north.example/${'x'.repeat(7900)}`;
        const cases = [
            [{}, /^One of "url", "prefix", "tag" and "all"/],
            [{ hard: true }, /^One of/],
            [{ url: 'https://north.example/', tag: 'a' }, /and only one\.$/],
            [{ tag: 'a', all: true }, /and only one\.$/],
            [{ all: false }, /"all" is true/],
            [{ all: 1 }, /"all" is true/],
            [{ url: 7 }, /are texts/],
            [{ tag: null }, /are texts/],
            [{ tag: ['a'] }, /are texts/],
            [{ tag: 'a', hard: 'yes' }, /^"hard" is true or false\.$/],
            [{ tag: 'a', hard: null }, /^"hard" is true or false\.$/],
            [{ tag: 'a', tenant: 2 }, /^"tenant" is not known here\.$/],
            [{ tag: '' }, /^"tag" is not right: a tag has 1 to 256 bytes/],
            [{ tag: 'a b' }, /^"tag" is not right/],
            [{ tag: 'a,b' }, /^"tag" is not right/],
            [{ tag: 'a\nb' }, /^"tag" is not right/],
            [{ tag: 't'.repeat(257) }, /^"tag" is not right/],
            [{ url: '' }, /begins with https:\/\//],
            [{ url: '/a' }, /begins with https:\/\//],
            [{ url: 'ftp://north.example/' }, /begins with https:\/\//],
            [{ url: 'https://' }, /host name/],
            [{ url: 'https://user@north.example/' }, /host name/],
            [{ url: 'https://north.example:99999/' }, /host name/],
            [{ url: 'https://north.example/a b' }, /^"url" is not right: behind the host a path is expected/],
            [{ url: 'https://north.example/../b' }, /^"url" is not right: behind the host a path is expected/],
            [{ url: 'https://north.example/%zz' }, /^"url" is not right: behind the host a path is expected/],
            [{ url: 'https://north.example/a\r\nX: y' }, /^"url" is not right: behind the host a path is expected/],
            [{ url: 'https://north.example/#a' }, /fragment/],
            [{ url: 'https://north.example/ü' }, /escapes/],
            [{ url: long }, /at most 7900 bytes/],
            [{ prefix: long }, /at most 7900 bytes/],
            [{ prefix: 'https://north.example/?a' }, /^"prefix" is not right: a prefix is a path/],
        ];
        for (const [body, pattern] of cases) {
            const { status, json, text } = await ask(body);
            assert.equal(status, 422, text);
            assert.equal(json.type, '/problems/invalid');
            assert.match(json.detail, pattern, JSON.stringify(body).slice(0, 100));
        }
        const operator = people['operator 1'];
        const raw = (body, type = 'application/json') => operator.request('POST', '/api/v1/purges', { body, headers: { 'content-type': type } });
        assert.equal((await raw('{"tag":')).status, 400);
        assert.equal((await raw('{"tag":"a\\u0000b"}')).status, 400);
        assert.equal((await raw('[{"all":true}]')).status, 422);
        assert.equal((await raw('all=true', 'application/x-www-form-urlencoded')).status, 415);
        assert.deepEqual(await rows(), []);
    });

    test("a host that is not the district's is refused", async () => {
        const foreign = ['south.example', 'x.wild.south.example', 'wild.north.example', 'xwild.north.example', 'north.example.evil.example', 'anorth.example', 'example', '127.0.0.1', '[::1]', '.wild.north.example'];
        for (const host of foreign) {
            for (const kind of ['url', 'prefix']) {
                const { status, json, text } = await ask({ [kind]: `https://${host}/a` });
                assert.equal(status, 422, `${host}: ${text}`);
                assert.match(json.detail, host.startsWith('.') ? /host name/ : /is no host of this district; a district purges what is served under its own hosts\.$/);
            }
        }
        assert.equal((await ask({ url: 'https://south.example/a' }, 'operator 2')).status, 202, 'it is right where it belongs');
        assert.deepEqual((await rows()).map(({ tenant }) => tenant), [SOUTH]);
    });

    test('a district sees its own only, newest first', async () => {
        await ask({ url: 'https://north.example/a' });
        await ask({ tag: 'b', hard: true }, 'district-admin 1');
        await ask({ all: true }, 'operator 2');
        await must('purge', '--tenant', 'north', '--all');
        await sql(`UPDATE purges SET sequence = 41, numbered_at = now() WHERE value = '/a'`);
        const list = async (who) => (await people[who].get('/api/v1/purges')).json.purges;
        const north = await list('district-admin 1');
        assert.deepEqual(north.map(({ id, asked_at: at, ...more }) => more), [
            { by: null, by_change: false, kind: 'all', hard: false, host: null, value: null, sequence: null },
            { by: 'Olu district-admin', by_change: false, kind: 'tag', hard: true, host: null, value: 'b', sequence: null },
            { by: 'Olu operator', by_change: false, kind: 'url', hard: false, host: 'north.example', value: '/a', sequence: 41 },
        ]);
        for (const { id, asked_at: at } of north) {
            assert.ok(id > 0);
            assert.match(at, /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
        }
        assert.deepEqual((await list('operator 2')).map(({ kind }) => kind), ['all']);
        assert.equal((await people['teacher 1'].get('/api/v1/purges')).status, 403);
    });

    test('the bound of a minute holds for many at once, and for each district alone', async () => {
        const tries = Array.from({ length: A_MINUTE_MAX + 10 }, (_, i) => ask({ tag: `t${i}` }, i % 2 ? 'operator 1' : 'district-admin 1'));
        const replies = await Promise.all(tries);
        const refused = replies.filter(({ status }) => status === 429);
        assert.deepEqual(replies.map(({ status }) => status).sort(), [...Array(A_MINUTE_MAX).fill(202), ...Array(10).fill(429)]);
        for (const { json, headers } of refused) {
            assert.equal(json.type, '/problems/too-many');
            assert.match(json.detail, /^A district may ask for 20 purges a minute\. Try again in \d+ seconds/);
            assert.ok(Number(headers['retry-after']) >= 1 && Number(headers['retry-after']) <= 60);
        }
        assert.equal((await ask({ all: true }, 'operator 2')).status, 202);
        const { code, stderr } = await firstbell(place, ['purge', '--tenant', 'north', '--all']);
        assert.equal(code, 1);
        assert.match(stderr, /^firstbell: the tenant "north" has asked for 20 purges within a minute \(purges_a_minute_max\); try again in \d+ seconds/);
        await sql("UPDATE purges SET asked_at = asked_at - interval '61 s' WHERE tenant_id = 1");
        assert.equal((await ask({ all: true })).status, 202);
    });

    test('what changes have written does not count among what a district has asked for', async () => {
        await sql(`INSERT INTO purges (tenant_id, kind, hard, value, by_change) SELECT 1, 3, true, 'course-' || n, true FROM generate_series(1, ${A_MINUTE_MAX + 5}) n`);
        for (let i = 0; i < A_MINUTE_MAX; i++) assert.equal((await ask({ tag: `t${i}` })).status, 202);
        assert.equal((await ask({ tag: 'more' })).status, 429);
        const [first] = (await people['operator 1'].get('/api/v1/purges')).json.purges.filter(({ value }) => value === 'course-1');
        assert.deepEqual([first.by, first.by_change, first.hard], [null, true, true]);
    });

    test('without a Redis nobody is told that it will be done', async () => {
        const port = await freePort();
        const conf = writeConf('without', { redis: '-', listen: `127.0.0.1:${port}`, pid_file: place.path('pid/without.pid'), workers: 1 });
        await startApi(place, { conf, name: 'api-without', port });
        const client = new Client({ port, edge: { tenant: NORTH } });
        client.cookies = people['operator 1'].cookies;
        const { status, json } = await client.post('/api/v1/purges', { all: true });
        client.close();
        assert.equal(status, 404);
        assert.match(json.detail, /no Redis is set up/);
        const said = await firstbell(place, ['purge', '--tenant', 'north', '--all'], { conf });
        assert.deepEqual([said.code, said.stdout], [1, '']);
        assert.match(said.stderr, /^firstbell: the setting redis names no Redis/);
        assert.deepEqual(await rows(), []);
    });
});

describe('the command', () => {
    test('asks as nobody in particular, and prints the id', async () => {
        const cases = [
            [['--url', 'https://north.example/a?b'], [1, false, 'north.example', '/a?b']],
            [['--prefix=https://x.wild.north.example/a', '--hard'], [2, true, 'x.wild.north.example', '/a']],
            [['--hard', '--tag', 'course-17'], [3, true, null, 'course-17']],
            [['--all'], [4, false, null, null]],
        ];
        for (const [args, [kind, hard, host, value]] of cases) {
            const id = Number(await must('purge', '--tenant', 'north', ...args));
            assert.deepEqual((await rows()).at(-1), { tenant: NORTH, id, actor: null, kind, hard, host, value, sequence: null });
        }
        assert.equal((await rows()).length, cases.length);
    });

    test('refuses what is not right, and notes nothing', async () => {
        const cases = [
            [['--tenant', 'north'], 2, /one of --url, --prefix, --tag and --all is expected/],
            [['--tenant', 'north', '--all', '--tag', 'a'], 2, /and only one/],
            [['--all'], 2, /--tenant/],
            [['--tenant', 'nobody', '--all'], 1, /nobody/],
            [['--tenant', 'north', '--tag', 'a b'], 1, /^firstbell: --tag "a b" is not right: a tag has/],
            [['--tenant', 'north', '--url', 'north.example/a'], 1, /--url "north\.example\/a" is not right: it begins with https:\/\//],
            [['--tenant', 'north', '--prefix', 'https://south.example/a'], 1, /^firstbell: south\.example is no host of the tenant "north"; nothing was purged\n$/],
        ];
        for (const [args, code, pattern] of cases) {
            const said = await firstbell(place, ['purge', ...args]);
            assert.deepEqual([said.code, said.stdout], [code, ''], said.stderr);
            assert.match(said.stderr, pattern);
        }
        assert.deepEqual(await rows(), []);
    });
});

describe('sending', () => {
    test('a change is sent at once, without anybody asking', async () => {
        start();
        await relayRests();
        await postgres.sql('fb_app', "BEGIN; SELECT set_config('app.tenant', '1', true) \\g /dev/null\nSELECT purge_changed(1, 'course-7') \\g /dev/null\nCOMMIT;");
        const [{ tenant, how, kind, rest }] = await sent(1);
        assert.deepEqual([tenant, how, kind, rest], [NORTH, 'hard', 'tag', 'course-7']);
    });

    test('each kind is a line of its own, numbered as it was asked for', async () => {
        const started = Date.now();
        start();
        await ask({ url: 'https://north.example/a?b=c' });
        await ask({ prefix: 'https://x.wild.south.example:8443/unit-1', hard: true }, 'operator 2');
        await ask({ tag: 'Größe-17' }, 'district-admin 2');
        await must('purge', '--tenant', 'north', '--all', '--hard');
        const entries = await sent(4);
        assert.deepEqual(entries.map(({ tenant, how, kind, rest }) => [tenant, how, kind, rest]), [
            [NORTH, 'soft', 'url', 'north.example /a?b=c'],
            [SOUTH, 'hard', 'prefix', 'x.wild.south.example:8443 /unit-1'],
            [SOUTH, 'soft', 'tag', 'Größe-17'],
            [NORTH, 'hard', 'all', undefined],
        ]);
        for (const { at } of entries) assert.ok(at >= started - 1000 && at <= Date.now() + 1000, 'a moment of now, in milliseconds');
        assert.deepEqual((await rows()).map(({ sequence }) => sequence), [1, 2, 3, 4]);
    });

    test('what commits late gets a later number, and is not lost', async () => {
        start();
        const release = place.path('release-late');
        const late = postgres.sql('fb_app', putTags(NORTH, ['late'], `\\echo\n\\! while [ ! -e ${release} ]; do sleep 0.02; done`));
        late.catch(() => {});
        const open = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND usename = 'fb_app' AND query LIKE '%firstbell_purges%'";
        await waitFor('the first to be put in', async () => (await sql(open)) === '1');
        try {
            await put(NORTH, 'early');
            await put(SOUTH, 'early-2');
            assert.deepEqual(tagsOf(await sent(2)), ['early', 'early-2']);
        } finally {
            place.write('release-late', '');
        }
        await late;
        assert.deepEqual(tagsOf(await sent(3)), ['early', 'early-2', 'late']);
        const [{ id: first }] = await rows();
        assert.equal(first, 1, 'it was the first to be put in');
        const behind = "SELECT numbered_at > (SELECT max(numbered_at) FROM purges WHERE value <> 'late') FROM purges WHERE value = 'late'";
        assert.equal(await sql(behind), 't', 'its moment is that of its number: what was fetched until it was committed is meant, too');
    });

    test('of 400 by 8 sessions at once, some of which commit late, with two relays: each once, without a gap', async () => {
        start();
        start();
        const session = (n) => Array.from({ length: 50 }, (_, i) => putTags((n + i) % 2 + 1, [`${n}-${i}`], i % 5 === 0 ? `SELECT pg_sleep(${0.01 * ((n + i) % 7)}) \\g /dev/null` : '')).join('\n');
        await Promise.all(Array.from({ length: 8 }, (_, n) => postgres.sql('fb_app', session(n))));
        await assertAllRowsSent(await sent(400));
    });

    test('a user of Redis who may do what origin/README.md says', async () => {
        const commands = 'exists get getrange set xadd sadd srandmember srem xinfo xlen xrange xtrim'.split(' ').map((name) => `+${name}`);
        await redis.ask(['ACL', 'SETUSER', 'jobs', 'reset', 'on', '>secret', '~bell:directory:*', '~bell:access:*', '~bell:purges', ...commands]);
        const worker = start({ redis_user: 'jobs', redis_password_file: place.write('keys/redis.password', 'secret\n', 0o600) });
        await put(NORTH, 'a');
        await sent(1);
        assert.doesNotMatch(worker.log(), /refuses/);
    });

    test('once, with jobs --once', async () => {
        await put(NORTH, 'a', 'b');
        await must('jobs', '--once');
        await must('jobs', '--once');
        assert.deepEqual(tagsOf(await stream()), ['a', 'b']);
    });

    test('a row that somebody has changed into what no edge reads stands for all of its district', async () => {
        await put(NORTH, 'a');
        await put(SOUTH, 'b');
        await sql("UPDATE purges SET value = 'a b', hard = true WHERE value = 'a'");
        const worker = start();
        assert.deepEqual((await sent(2)).map(({ tenant, how, kind, rest }) => [tenant, how, kind, rest]), [[NORTH, 'hard', 'all', undefined], [SOUTH, 'soft', 'tag', 'b']]);
        await waitFor('the line', () => /purge 1 of tenant 1 cannot be sent as it is: a tag has/.test(worker.log()));
    });
});

describe('what was not sent is found missing', () => {
    test('a Redis that is away for a while: purges are numbered meanwhile, and sent in their order', async () => {
        const worker = start();
        await put(NORTH, 'a');
        await sent(1);
        await redis.stop();
        await put(SOUTH, 'b');
        await put(NORTH, 'c');
        await numbered(3);
        await ask({ tag: 'd' });
        await numbered(4);
        await redis.start();
        await assertAllRowsSent(await sent(4));
        assert.equal(worker.log().match(/Redis at unix:.* cannot be used: /g).length, 1, 'one line of all that use it');
    });

    test('a Redis that refuses for a while', async () => {
        const worker = start();
        await put(NORTH, 'a');
        await sent(1);
        await redis.ask(['CONFIG', 'SET', 'maxmemory', '1']);
        await put(NORTH, 'b', 'c');
        await waitFor('the refusal to be logged', () => /refuses a purge: OOM/.test(worker.log()));
        await redis.ask(['CONFIG', 'SET', 'maxmemory', '0']);
        assert.deepEqual(tagsOf(await sent(3)), ['a', 'b', 'c']);
        await waitFor('the line that it takes it', () => /takes what it had refused/.test(worker.log()));
    });

    test('a relay that is killed between the number and Redis', async () => {
        await redis.ask(['ACL', 'SETUSER', 'default', '-xadd']);
        const worker = start();
        await put(NORTH, 'a', 'b');
        await numbered(2);
        await stop(worker, 'SIGKILL');
        await redis.ask(['ACL', 'SETUSER', 'default', '+xadd']);
        assert.deepEqual(await stream(), []);
        await put(NORTH, 'c');
        start();
        assert.deepEqual(tagsOf(await sent(3)), ['a', 'b', 'c']);
    });

    test('a relay that is killed while Redis has its line, and nobody has said so', async () => {
        const worker = start({ redis_timeout_ms: 60000 });
        await put(NORTH, 'a');
        await sent(1);
        await redis.ask(['CLIENT', 'PAUSE', '600000', 'WRITE']);
        await put(NORTH, 'b');
        await numbered(2);
        const waits = async () => / flags=\w*b\w* .* cmd=xadd( |$)/m.test(await redis.ask(['CLIENT', 'LIST']));
        await waitFor('the line to be in the hands of Redis', waits);
        await stop(worker, 'SIGKILL');
        await redis.ask(['CLIENT', 'UNPAUSE']);
        start();
        await put(SOUTH, 'c');
        assert.deepEqual(tagsOf(await sent(3)), ['a', 'b', 'c']);
    });

    test('relays that are killed again and again while purges are asked for', async () => {
        const kills = 8;
        for (let round = 0; round < kills; round++) {
            const worker = start();
            await waitFor('the relay', async () => (await sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'firstbell purges'")) !== '0');
            const asked = Array.from({ length: 3 }, (_, n) => postgres.sql('fb_app', Array.from({ length: 10 }, (_, i) => putTags(n % 2 + 1, [`${round}-${n}-${i}`])).join('\n')));
            const length = async () => Number(await redis.ask(['XLEN', 'bell:purges']));
            await waitFor('some of them', async () => (await length()) > round * 30);
            await stop(worker, 'SIGKILL');
            await Promise.all(asked);
        }
        start();
        await assertAllRowsSent(await sent(kills * 30));
    });

    test('a Redis that was replaced by an empty one', async () => {
        start();
        await put(NORTH, 'a', 'b');
        await sent(2);
        await redis.stop();
        await redis.start();
        assert.deepEqual(tagsOf(await sent(2)), ['a', 'b']);
        await redis.ask(['DEL', 'bell:purges']);
        assert.deepEqual(tagsOf(await sent(2)), ['a', 'b']);
        await put(NORTH, 'c');
        assert.deepEqual(tagsOf(await sent(3)), ['a', 'b', 'c']);
    });

    test('what is under the name in Redis and is no stream of ours is told, and nothing is lost meanwhile', async () => {
        await redis.ask(['SET', 'bell:purges', 'x']);
        const worker = start();
        await put(NORTH, 'a');
        await waitFor('the line', () => /refuses the stream bell:purges, .*: WRONGTYPE/.test(worker.log()));
        await numbered(1);
        await redis.ask(['DEL', 'bell:purges']);
        await redis.ask(['XADD', 'bell:purges', '18446744073709551615-0', 'a', 'b']);
        await put(NORTH, 'b');
        await numbered(2);
        await redis.ask(['DEL', 'bell:purges']);
        assert.deepEqual(tagsOf(await sent(2)), ['a', 'b']);
    });

    test('a PostgreSQL that was restored from a backup: numbers go on above what edges have seen', async () => {
        const worker = start();
        await put(NORTH, 'a', 'b', 'c');
        await sent(3);
        await stop(worker);
        await sql("DELETE FROM purges; UPDATE purge_state SET sequence = 1");
        start();
        await put(NORTH, 'd');
        assert.deepEqual(tagsOf(await sent(4)), ['a', 'b', 'c', 'd']);
    });

    test('a connection that is lost behind all that was to be done: the next purge is heard of', async () => {
        const trap = await postgres.breakNextUnlock('firstbell purges');
        try {
            start();
            await waitFor('the connection to be lost', trap.isBroken);
            await put(NORTH, 'a');
            assert.deepEqual(tagsOf(await sent(1)), ['a']);
        } finally {
            await trap.restored();
        }
    });

    test('a PostgreSQL that went away and came back', async () => {
        const worker = start();
        await put(NORTH, 'a');
        await sent(1);
        await postgres.stop();
        await waitFor('the worker to notice', () => worker.log().includes('connection to PostgreSQL is lost'));
        await postgres.start();
        await put(NORTH, 'b');
        assert.deepEqual(tagsOf(await sent(2)), ['a', 'b']);
        await waitFor('the api to have it again', async () => (await ask({ tag: 'c' })).status === 202);
        assert.deepEqual(tagsOf(await sent(3)), ['a', 'b', 'c']);
    });
});

describe('bounds', () => {
    const many = (n) => sql(`INSERT INTO purges (tenant_id, kind, hard, value) SELECT n % 2 + 1, 3, false, 't' || n FROM generate_series(1, ${n}) n; SELECT pg_notify('firstbell_purges', '') \\g /dev/null`);

    test('the stream is trimmed, and a Redis that comes back empty gets the newest', async () => {
        start({ purges_stream_max: 100 });
        await many(2500);
        const last = async () => (await redis.ask(['XREVRANGE', 'bell:purges', '+', '-', 'COUNT', '1'])).split('\n')[0];
        await waitFor('all to be sent', async () => (await last()) === '2500-0');
        const length = async () => Number(await redis.ask(['XLEN', 'bell:purges']));
        assert.ok((await length()) >= 100 && (await length()) <= 400, `${await length()} entries`);
        await relayRests();
        await redis.ask(['FLUSHALL']);
        await waitFor('the newest to be there again', async () => (await last()) === '2500-0');
        assert.equal((await stream())[0].id, '2401-0');
        assert.equal(await length(), 100);
    });

    test('rows are kept as long as the setting says, and as long as they wait', async () => {
        await put(NORTH, 'old', 'young', 'waiting', 'changed', 'changed-young');
        await put(SOUTH, 'old');
        await sql(`UPDATE purges SET sequence = id, numbered_at = now() WHERE value IN ('old', 'young');
            UPDATE purges SET by_change = true WHERE value LIKE 'changed%';
            UPDATE purges SET asked_at = now() - interval '31 days' WHERE value NOT LIKE '%young'`);
        await postgres.sql('fb_app', `BEGIN; SELECT set_config('app.tenant', '1', true) \\g /dev/null
            SELECT queue_put('purges.trim', 'hourly', '{}', NULL) \\g /dev/null\nCOMMIT;`);
        const conf = writeConf('keep', { purges_keep_days: 30, redis: '-' });
        await mustFirstbell(place, ['jobs', '--once'], { conf });
        assert.deepEqual((await rows()).map(({ tenant, value }) => [tenant, value]), [[NORTH, 'young'], [NORTH, 'waiting'], [NORTH, 'changed-young'], [SOUTH, 'old']],
            'what a change has written waits for nothing where there is no Redis');
        assert.deepEqual((await postgres.rows('postgres', 'SELECT kind, dedupe_key FROM queue')), [{ kind: 'purges.trim', dedupe_key: 'hourly' }]);
    });

    test('when nothing has changed, PostgreSQL is not asked', async () => {
        start();
        await put(NORTH, 'a');
        await sent(1);
        await sql('DELETE FROM purges');
        await redis.ask(['DEL', 'bell:purges']); // and it can never be filled again
        const last = () => sql("SELECT query_start || query FROM pg_stat_activity WHERE application_name = 'firstbell purges'");
        await new Promise((resolve) => setTimeout(resolve, 2500)); // longer than from one look at Redis to the next: there is no state to wait for
        await relayRests();
        const rested = await last();
        await new Promise((resolve) => setTimeout(resolve, 2500));
        assert.equal(await last(), rested);
        assert.equal(await redis.ask(['EXISTS', 'bell:purges']), '0');
    });
});
