// `firstbell tenant set|host|key|sign-out`, `pool`, `directory show`: what is said of a district, and that it is in what edges are told.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { firstbell, mustFirstbell, writeSettings } from '../lib/server-firstbell.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';

let place;
let postgres;

before(async () => {
    place = newPlace();
    postgres = await startPostgres(place);
    writeSettings(place);
});
after(() => place.stop());
beforeEach(async () => {
    await postgres.sql('postgres', 'TRUNCATE tenants, pools RESTART IDENTITY CASCADE');
    await mustFirstbell(place, ['tenant', 'add', 'demo', '--title', 'Demo', '--host', 'demo.example']);
});

const must = (...args) => mustFirstbell(place, args);

/** The published directory without its version. */
async function published() {
    await must('jobs', '--once');
    const bytes = readFileSync(place.path('directory.snapshot'));
    const { version, ...rest } = JSON.parse(bytes.subarray(bytes.indexOf(10) + 1));
    assert.ok(version > 1);
    return rest;
}
const demo = { id: 1, name: 'demo', title: 'Demo', status: 'active', locale: 'en', hosts: ['demo.example'] };
const state = async () => [
    await postgres.sql('postgres', 'SELECT * FROM tenants ORDER BY id'),
    await postgres.sql('postgres', 'SELECT * FROM tenant_hosts ORDER BY host'),
    await postgres.sql('postgres', 'SELECT * FROM tenant_keys ORDER BY kid'),
    await postgres.sql('postgres', 'SELECT * FROM pool_servers ORDER BY address'),
];

async function refused(args, pattern, code = 1) {
    const before_ = await state();
    const result = await firstbell(place, args);
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, pattern);
    assert.equal(result.stdout, '');
    assert.deepEqual(await state(), before_);
}

test('everything that may be said of a district is published, and taken away again', async () => {
    await must('pool', 'set', 'west', '--server', '10.0.0.1:8080');
    await must('tenant', 'set', 'demo', '--status', 'exam', '--title', 'Démo', '--locale', 'pt-BR', '--upstream', 'west', '--cluster', 'c1', '--region', 'eu',
        '--notice', 'Zurück am Montag.', '--flag', 'live', '--flag', 'new_player', '--limit', 'seats=5000', '--limit', 'upload.mb=0');
    assert.deepEqual((await published()).tenants, [{
        ...demo, title: 'Démo', status: 'exam', locale: 'pt-BR', upstream: 'west', cluster: 'c1', region: 'eu', notice: 'Zurück am Montag.',
        flags: ['live', 'new_player'], limits: { seats: 5000, 'upload.mb': 0 },
    }]);
    await must('tenant', 'set', 'demo', '--no-flag', 'live', '--flag=new_player', '--limit', 'seats=-', '--cluster', '-', '--notice', '-');
    assert.deepEqual((await published()).tenants, [{
        ...demo, title: 'Démo', status: 'exam', locale: 'pt-BR', upstream: 'west', region: 'eu', flags: ['new_player'], limits: { 'upload.mb': 0 },
    }]);
    await must('tenant', 'set', 'demo', '--status', 'active', '--title', 'Demo', '--locale', 'en', '--upstream', '-', '--region', '-', '--no-flag', 'new_player', '--limit', 'upload.mb=-');
    assert.deepEqual(await published(), { tenants: [demo], pools: [{ name: 'west', servers: [{ address: '10.0.0.1:8080', weight: 1, state: 'up' }] }], default_tenant: 1 });
});

test('hosts come, go and move', async () => {
    await must('tenant', 'add', 'other', '--title', 'Other', '--host', 'other.example');
    await must('tenant', 'host', 'add', '--tenant', 'demo', '*.Demo.Example.');
    await must('tenant', 'host', 'add', '--tenant', 'demo', 'schule.example');
    await must('tenant', 'host', 'remove', '--tenant', 'demo', 'demo.example');
    await must('tenant', 'host', 'move', '--tenant', 'demo', '--to', 'other', 'Schule.example');
    assert.deepEqual((await published()).tenants.map(({ hosts }) => hosts), [['*.demo.example'], ['other.example', 'schule.example']]);
});

test('keys have windows, and their material is not shown', async () => {
    place.write('key.txt', 'c2VjcmV0\n');
    await must('tenant', 'key', 'add', '--tenant', 'demo', '--use', 'signed', '--alg', 'hs256', '--file', place.path('key.txt'), '--from', '2026-01-01T00:00:00Z', 'K1');
    await must('tenant', 'key', 'add', '--tenant', 'demo', '--use', 'signed', '--alg', 'hs256', '--file', place.path('key.txt'), 'K2');
    await must('tenant', 'key', 'end', '--tenant', 'demo', '--use', 'signed', '--at', '2026-02-01T00:00:00Z', 'K1');
    assert.equal(
        await must('tenant', 'key', 'list', '--tenant', 'demo'),
        'use\tkid\talg\tfrom\tuntil\tstate\nsigned\tK1\ths256\t2026-01-01T00:00:00Z\t2026-02-01T00:00:00Z\tended\nsigned\tK2\ths256\t-\t-\tcounts\n',
    );
    const key = { kid: 'K1', use: 'signed', alg: 'hs256', key: 'c2VjcmV0' };
    const [{ keys }] = (await published()).tenants;
    assert.deepEqual(keys, [{ ...key, from: Date.UTC(2026, 0, 1) / 1000, until: Date.UTC(2026, 1, 1) / 1000 }, { ...key, kid: 'K2' }]);
    await must('tenant', 'key', 'end', '--tenant', 'demo', '--use', 'signed', 'K2');
    assert.equal(await postgres.sql('postgres', "SELECT until_at <= now() FROM tenant_keys WHERE kid = 'K2'"), 't');
});

test('pools are what was said last', async () => {
    await must('pool', 'set', 'west', '--server', '10.0.0.1:8080,weight=7', '--server', 'unix:/run/x.sock,state=drain,weight=2');
    await must('pool', 'set', 'west', '--server', '[::1]:80,state=down', '--server', '10.0.0.1:8080');
    await must('pool', 'set', 'east', '--server', '10.0.0.2:8080');
    assert.equal(await must('pool', 'list'), 'pool\tserver\tweight\tstate\neast\t10.0.0.2:8080\t1\tup\nwest\t10.0.0.1:8080\t1\tup\nwest\t[::1]:80\t1\tdown\n');
    await must('pool', 'remove', 'east');
    assert.deepEqual((await published()).pools.map(({ name }) => name), ['west']);
});

test('signing a district out ends what is open and says from when on', async () => {
    await must('user', 'add', '--tenant', 'demo', '--username', 'u', '--role', 'student', '--given', 'G', '--family', 'F');
    await postgres.sql('postgres', "INSERT INTO sessions (tenant_id, sid, user_id, expires_at) SELECT 1, repeat('0', 32), id, now() + interval '1 h' FROM users");
    const began = Math.floor(Date.now() / 1000);
    assert.equal(await must('tenant', 'sign-out', 'demo'), '1 sessions of demo have ended; everybody signs in anew\n');
    assert.equal(await postgres.sql('postgres', 'SELECT count(*) FROM sessions'), '0');
    const [{ sessions_from: from }] = (await published()).tenants;
    assert.ok(from >= began && from <= Date.now() / 1000 + 1, String(from));
});

test('where the directory stands', async () => {
    await published();
    const version = (await must('directory', 'show', '--version')).trim();
    assert.match(version, /^[0-9]+$/);
    const shown = await must('directory', 'show');
    assert.match(shown, new RegExp(`^version\t${version}\n`));
    assert.match(shown, /\nchanges waiting\t0\ntenants\t1\nhosts\t1\npools\t0\n/);
});

describe('who was signed out everywhere is revoked', () => {
    const session = (sid, ago) => `INSERT INTO sessions (tenant_id, sid, user_id, created_at, expires_at)
        SELECT 1, lpad('${sid}', 32, '0'), id, now() - interval '${ago}', now() + interval '1 hour' FROM users;`;
    const asApp = (sql) => postgres.sql('fb_app', `BEGIN; SELECT set_config('app.tenant', '1', true) \\g /dev/null\n${sql} COMMIT;`);
    const revocations = () => postgres.rows('postgres', `SELECT subject, round(extract(epoch FROM now() - before_at))::int AS ago,
        round(extract(epoch FROM until_at - now()) / 60)::int AS minutes FROM directory_revocations`);
    let person;

    beforeEach(async () => {
        await must('user', 'add', '--tenant', 'demo', '--username', 'u', '--role', 'student', '--given', 'G', '--family', 'F');
        person = await postgres.sql('postgres', 'SELECT id FROM users');
    });

    test('up to the newest session that was open, so that the one after a change of password counts', async () => {
        await asApp(session('1', '900 s') + session('2', '300 s'));
        await asApp('SELECT sessions_end(1, id, NULL) FROM users \\g /dev/null\n');
        const [{ ago, ...rest }] = await revocations();
        assert.deepEqual(rest, { subject: person, minutes: 60 });
        assert.ok(ago >= 300 && ago < 600, String(ago));
        assert.deepEqual((await published()).revoked.map(({ tenant, subject }) => [tenant, subject]), [[1, person]]);
    });

    test('everywhere but here: up to the second before the session that stays', async () => {
        await asApp(session('1', '900 s') + session('2', '600 s') + session('3', '300 s'));
        await asApp("SELECT sessions_end(1, id, lpad('2', 32, '0')) FROM users \\g /dev/null\n");
        const [{ ago }] = await revocations();
        assert.ok(ago >= 601 && ago < 900, String(ago));
    });

    test('who had no session and who signs out here alone is not', async () => {
        await asApp('SELECT sessions_end(1, id, NULL) FROM users \\g /dev/null\n');
        await asApp(session('1', '9 s'));
        await asApp('DELETE FROM sessions;');
        assert.deepEqual(await revocations(), []);
    });

    test('who is disabled or leaves is, from now on, also without an open session', async () => {
        place.write('password', 'correct horse battery\n', 0o600);
        await must('user', 'passwd', '--tenant', 'demo', 'u', '--password-file', place.path('password'));
        await asApp('UPDATE users SET enabled = false;');
        const [{ ago, minutes }] = await revocations();
        assert.ok(ago < 120 && minutes > 11 * 60, `${ago} ${minutes}`);
        await asApp('UPDATE users SET enabled = true;');
        assert.equal((await revocations()).length, 1);
    });

    test('what an operator sets as a password signs out as well', async () => {
        await asApp(session('1', '300 s'));
        place.write('password', 'correct horse battery\n', 0o600);
        await must('user', 'passwd', '--tenant', 'demo', 'u', '--password-file', place.path('password'));
        assert.deepEqual((await revocations()).map(({ subject }) => subject), [person]);
    });
});

describe('what is wrong is said', () => {
    const set = (...args) => ['tenant', 'set', 'demo', ...args];
    const host = (word, ...args) => ['tenant', 'host', word, '--tenant', 'demo', ...args];
    const key = (word, ...args) => ['tenant', 'key', word, '--tenant', 'demo', '--use', 'signed', ...args];
    const cases = {
        'nothing to set': [set(), /nothing was said that demo should be/, 2],
        'a district that is not there': [['tenant', 'set', 'nobody', '--status', 'exam'], /there is no tenant named "nobody"/],
        'a status': [set('--status', 'closed'), /--status is "closed", expected active, read-only, exam or suspended/],
        'a title': [set('--title', 'x'.repeat(201)), /the title must be 1 to 200 characters/],
        'a locale': [set('--locale', 'x'), /"x" is not a language tag/],
        'a pool that is not there': [set('--upstream', 'west'), /there is no pool named "west"/],
        'a cluster': [set('--cluster', 'A'), /--cluster is "A", expected 1 to 63 small letters/],
        'a region': [set('--region', 'a'.repeat(64)), /--region is "a+", expected/],
        'a notice': [set('--notice', 'x'.repeat(4001)), /the notice must be UTF-8 of at most 4000 bytes/],
        'a flag': [set('--flag', 'Live'), /--flag is "Live", expected/],
        'a flag to take away': [set('--no-flag', 'a b'), /--no-flag is "a b", expected/],
        'a limit without a number': [set('--limit', 'seats'), /--limit is "seats", expected NAME=NUMBER/],
        'a limit of 19 digits': [set('--limit', `seats=${'9'.repeat(19)}`), /expected NAME=NUMBER/],
        'a limit below 0': [set('--limit', 'seats=-1'), /expected NAME=NUMBER/],
        'a host': [host('add', 'a_b.example'), /"a_b\.example" is not a host name/],
        'a wildcard of one label': [host('add', '*.example'), /"\*\.example" is not a host name[^]*two labels/],
        'a wildcard within': [host('add', 'a.*.example'), /is not a host name/],
        'a host of nobody to remove': [host('remove', 'x.example'), /the host x\.example belongs to no tenant/],
        'a host of nobody to move': [host('move', '--to', 'demo', 'x.example'), /the host x\.example belongs to no tenant/],
        'a host that moves to nobody': [host('move', '--to', 'nobody', 'demo.example'), /there is no tenant named "nobody"/],
        'a file without a key': [key('add', '--alg', 'hs256', '--file', '/dev/null', 'K'), /\/dev\/null holds no key/],
        'a file that is not there': [key('add', '--alg', 'hs256', '--file', '/nonexistent', 'K'), /\/nonexistent cannot be read: No such file/],
        'an algorithm': [key('add', '--alg', 'HS 256', '--file', '/dev/null', 'K'), /--alg is "HS 256"/],
        'an id of a key': [key('add', '--alg', 'hs256', '--file', '/dev/null', 'k'.repeat(64)), /the key's id must be 1 to 63 bytes/],
        'a time': [key('end', '--at', 'tomorrow', 'K'), /--at is "tomorrow", expected a time in UTC/],
        'a key that is not there': [key('end', 'K'), /"demo" has no key "K" for signed/],
        'a name of a pool': [['pool', 'set', 'A', '--server', '10.0.0.1:80'], /"A" cannot name a pool/],
        'a server by name': [['pool', 'set', 'a', '--server', 'host:80'], /"host:80" is not the address of a server/],
        'a weight': [['pool', 'set', 'a', '--server', '10.0.0.1:80,weight=1001'], /"weight=1001" is said of the server 10\.0\.0\.1:80/],
        'a state': [['pool', 'set', 'a', '--server', '10.0.0.1:80,state=gone'], /"state=gone" is said of/],
        'a server twice': [['pool', 'set', 'a', '--server', '10.0.0.1:80', '--server', '10.0.0.1:80,weight=2'], /10\.0\.0\.1:80 is named twice/],
        'a pool to remove': [['pool', 'remove', 'a'], /there is no pool named "a"/],
    };
    for (const [what, [args, pattern, code]] of Object.entries(cases)) test(what, () => refused(args, pattern, code));

    test("somebody else's host", async () => {
        await must('tenant', 'add', 'other', '--title', 'Other', '--host', 'other.example');
        await refused(host('add', 'other.example'), /the host other\.example belongs to the tenant "other" already/);
        await refused(host('remove', 'other.example'), /belongs to the tenant "other" and not to "demo"/);
        await refused(host('move', '--to', 'demo', 'other.example'), /belongs to the tenant "other" and not to "demo"/);
    });

    test('a pool that serves somebody stays', async () => {
        await must('pool', 'set', 'west', '--server', '10.0.0.1:80');
        await must('tenant', 'set', 'demo', '--upstream', 'west');
        await refused(['pool', 'remove', 'west'], /the pool "west" serves 1 tenants, "demo" among them/);
    });

    test('more than an edge takes', async () => {
        place.write('large', 'k'.repeat(8192));
        for (let i = 0; i < 7; i++) await must('tenant', 'key', 'add', '--tenant', 'demo', '--use', 'signed', '--alg', 'a', '--file', place.path('large'), `k${i}`);
        await refused(key('add', '--alg', 'a', '--file', place.path('large'), 'k8'), /an edge takes at most 1024 hosts and 1024 keys of a tenant, and 60000 bytes/);
        assert.equal((await published()).tenants[0].keys.length, 7);
    });
});
