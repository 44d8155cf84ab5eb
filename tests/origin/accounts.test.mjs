// `firstbell user add|passwd`.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { firstbell, mustFirstbell, writeSettings } from '../lib/server-firstbell.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';

const password = 'korrektes pferd ✓';

let place;
let postgres;

before(async () => {
    place = newPlace();
    postgres = await startPostgres(place);
    writeSettings(place);
});
after(() => place.stop());
beforeEach(async () => {
    await postgres.sql('postgres', 'TRUNCATE tenants RESTART IDENTITY CASCADE');
    await mustFirstbell(place, ['tenant', 'add', 'one', '--title', 'One', '--host', 'one.example']);
    await mustFirstbell(place, ['tenant', 'add', 'two', '--title', 'Two', '--host', 'two.example']);
});

const addArgs = ({ tenant = 'one', username = 'operator.demo', role = 'operator', given = 'Olga', family = 'Perez' } = {}) => [
    ...['user', 'add', '--tenant', tenant, '--username', username, '--role', role, '--given', given, '--family', family],
];
const add = (what) => firstbell(place, addArgs(what));
const mustAdd = (what) => mustFirstbell(place, addArgs(what));
const passwd = (args, input = `${password}\n`) => firstbell(place, ['user', 'passwd', '--tenant', 'one', ...args], { input });
const accounts = () => postgres.rows('postgres', 'SELECT * FROM accounts ORDER BY tenant_id, user_id');

const rosterUser = (sourcedId, username, { tenant = 1, status = 1, enabled = true } = {}) =>
    postgres.sql(
        'postgres',
        `INSERT INTO users (tenant_id, sourced_id, role, username, given_name, family_name, status, enabled)
         VALUES (${tenant}, '${sourcedId}', 7, '${username}', 'G', 'F', ${status}, ${enabled})`,
    );

async function refused(promise, pattern, code = 1) {
    const before_ = await accounts();
    const result = await promise;
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, pattern);
    assert.deepEqual(await accounts(), before_);
}

describe('user add', () => {
    test('adds a person who is in no roster, and no account', async () => {
        const id = (await mustAdd({ username: 'Operator.Demo' })).trim();
        const rows = await postgres.rows('postgres', 'SELECT id, sourced_id, username, role, given_name, family_name FROM users');
        assert.deepEqual(rows, [
            { id: Number(id), sourced_id: 'local-operator.demo', username: 'Operator.Demo', role: 20, given_name: 'Olga', family_name: 'Perez' },
        ]);
        assert.deepEqual(await accounts(), []);
    });

    test('is idempotent and updates names and role', async () => {
        const id = await mustAdd();
        assert.equal(await mustAdd({ role: 'administrator', family: 'Peréz' }), id);
        const rows = await postgres.rows('postgres', 'SELECT role, family_name FROM users');
        assert.deepEqual(rows, [{ role: 1, family_name: 'Peréz' }]);
    });

    test('the same user name in two districts is two people', async () => {
        assert.notEqual(await mustAdd(), await mustAdd({ tenant: 'two' }));
    });

    test('a user name of the roster is taken, in any case', async () => {
        await rosterUser('s1', 'Student.Demo');
        await refused(add({ username: 'student.demo' }), /the user name student\.demo is taken already, by the person with sourcedId s1/);
        await mustAdd({ tenant: 'two', username: 'student.demo' });
    });

    test('what is wrong is said', async () => {
        await refused(add({ role: 'king' }), /there is no role "king"; the roles are administrator, aide, .*operator/);
        await refused(add({ username: 'a b' }), /without spaces/);
        await refused(add({ given: 'a\u0007b' }), /a given or family name/);
        await refused(add({ tenant: 'three' }), /there is no tenant named "three"; `firstbell tenant list` shows/);
    });
});

describe('user passwd', () => {
    beforeEach(() => mustAdd({ username: 'Operator.Demo' }));

    test('stores argon2id with 19 MiB and two passes, under the user name in small letters', async () => {
        assert.deepEqual(await passwd(['OPERATOR.demo']), { code: 0, signal: null, stdout: '', stderr: '' });
        const [{ login, password_hash: hash }] = await accounts();
        assert.equal(login, 'operator.demo');
        assert.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    });

    test('a new password has a new salt and ends the sessions of that person only', async () => {
        await passwd(['operator.demo']);
        const [first] = await accounts();
        await rosterUser('s1', 'student.demo');
        await postgres.sql(
            'postgres',
            `INSERT INTO sessions (tenant_id, sid, user_id, expires_at)
             SELECT tenant_id, lpad(id::text, 32, '0'), id, now() + interval '1 hour' FROM users`,
        );
        assert.equal((await passwd(['operator.demo'])).code, 0);
        const [second] = await accounts();
        assert.notEqual(second.password_hash, first.password_hash);
        assert.equal(second.user_id, first.user_id);
        assert.deepEqual(await postgres.rows('postgres', 'SELECT count(*)::int, bool_and(user_id <> ' + first.user_id + ') AS others FROM sessions'), [
            { count: 1, others: true },
        ]);
    });

    test('reads a file, whose line end is not part of the password', async () => {
        const file = place.write('password', `${password}\r\n`, 0o600);
        assert.equal((await passwd(['operator.demo', '--password-file', file], '')).code, 0);
        await refused(passwd(['operator.demo', '--password-file', '/nonexistent'], ''), /cannot be read from \/nonexistent: No such file/);
    });

    test('takes 10 to 256 bytes of UTF-8', async () => {
        await refused(passwd(['operator.demo'], '123456789\n'), /too short: at least 10 bytes/);
        await refused(passwd(['operator.demo'], ''), /too short/);
        await refused(passwd(['operator.demo'], `${'a'.repeat(257)}\n`), /too long: at most 256 bytes/);
        await refused(passwd(['operator.demo'], 'a'.repeat(100000)), /too long/);
        await refused(passwd(['operator.demo'], Buffer.from([...Buffer.from('0123456789'), 0xff])), /not UTF-8/);
        assert.equal((await passwd(['operator.demo'], '1234567890')).code, 0);
        assert.equal((await passwd(['operator.demo'], `${'a'.repeat(256)}\n`)).code, 0);
    });

    test('is never an argument', async () => {
        await refused(passwd(['operator.demo', 'korrektes pferd'], ''), /is one word too many/, 2);
        await refused(passwd(['operator.demo', '--password', 'korrektes pferd'], ''), /there is no option --password here/, 2);
    });

    test('asks which of two people with the same user name is meant', async () => {
        await rosterUser('s1', 'pat');
        await rosterUser('s2', 'Pat');
        await refused(passwd(['pat']), /more than one person has the user name pat; say which with --sourced-id ID/);
        assert.equal((await passwd(['pat', '--sourced-id', 's2'])).code, 0);
        await refused(passwd(['pat', '--sourced-id', 's1']), /sourcedId s2 signs in as pat already/);
        await refused(passwd(['pat', '--sourced-id', 's3']), /nobody has the user name pat and the sourcedId s3/);
        const [{ login }] = await accounts();
        assert.equal(login, 'pat');
    });

    test('people who left or are disabled get none, and make no name ambiguous', async () => {
        await rosterUser('old', 'kim', { status: 2 });
        await refused(passwd(['kim']), /has left the roster or is disabled/);
        await rosterUser('new', 'kim');
        assert.equal((await passwd(['kim'])).code, 0);
        await rosterUser('off', 'lee', { enabled: false });
        await refused(passwd(['lee']), /has left the roster or is disabled/);
    });

    test('a person of another district is nobody', async () => {
        await rosterUser('s9', 'stranger', { tenant: 2 });
        await refused(passwd(['stranger']), /nobody has the user name stranger/);
    });
});
