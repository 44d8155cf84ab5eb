// Codes of a class's sheet, activation with them, pictures, and resets by teacher, operator and command line.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { firstbell, mustFirstbell, originClient } from '../lib/server-firstbell.mjs';
import { waitFor } from '../lib/wait.mjs';
import { addSchool, openSchool, password } from './school.mjs';

const CODE = /^[2-9CDFHJKMNPRTVWXY]{3}-[2-9CDFHJKMNPRTVWXY]{3}-[2-9CDFHJKMNPRTVWXY]{3}$/;
const fresh = 'seven otters under glass';

let place;
let school;
let teacher;
let classId; // of teacher.demo
let foreignClassId; // of somebody else, with a student who is not in the class above
let student; // a row of the class without a password

const sql = (text) => school.postgres.sql('postgres', text);
const rows = (text) => school.postgres.rows('postgres', text);
const stranger = (tenant = 1) => originClient(school.api.socketPath, tenant);

before(async () => {
    place = newPlace();
    school = await openSchool(place, { settings: { code_valid_days: 10 } });
    await addSchool(place, 'other', 'other.localhost');
    teacher = await school.signIn('teacher.demo');
    const taught = "SELECT e.class_id FROM enrollments e JOIN users u ON u.tenant_id = e.tenant_id AND u.id = e.user_id WHERE e.tenant_id = 1 AND e.role = 4 AND u.username = 'teacher.demo'";
    classId = Number(await sql(`${taught} ORDER BY 1 LIMIT 1`));
    foreignClassId = Number(
        await sql(`SELECT e.class_id FROM enrollments e WHERE e.tenant_id = 1 AND e.role = 3 AND e.class_id NOT IN (${taught}) ORDER BY 1 LIMIT 1`),
    );
});
after(() => place.stop());

beforeEach(async () => {
    await sql(`
        DELETE FROM account_codes; DELETE FROM reset_links; DELETE FROM account_events; DELETE FROM throttle_buckets;
        DELETE FROM accounts a USING users u WHERE u.tenant_id = a.tenant_id AND u.id = a.user_id AND u.username NOT LIKE '%.demo';
        UPDATE users SET enabled = true, status = 1, grades = '{07}' WHERE tenant_id = 1 AND role = 7`);
    [student] = await rows(studentsOf(classId, "AND u.username <> 'student.demo'"));
});

const studentsOf = (id, more = '') => `
    SELECT u.id, u.username, u.given_name, u.family_name FROM users u JOIN enrollments e ON e.tenant_id = u.tenant_id AND e.user_id = u.id
    WHERE u.tenant_id = 1 AND e.class_id = ${id} AND e.role = 3 AND e.status = 1 ${more} ORDER BY u.id`;

async function makeSheet(id = classId, client = teacher) {
    const reply = await client.post(`/api/v1/classes/${id}/codes`, {});
    assert.equal(reply.status, 201, reply.text);
    return reply.json;
}

async function codeOf(who = student) {
    const { codes } = await makeSheet();
    return codes.find(({ id }) => id === who.id).code;
}

const person = (body, client = stranger()) => client.post('/api/v1/activation/person', body);
const activate = (body, client = stranger()) => client.post('/api/v1/activation', body);

async function refused(promise, status, problem, detail = /./) {
    const reply = await promise;
    assert.equal(reply.status, status, reply.text);
    assert.equal(reply.json.type, `/problems/${problem}`);
    assert.match(reply.json.detail ?? reply.json.title, detail);
    return reply;
}

describe('a sheet', () => {
    test('has a code for every student of the class without a password, and none for the others', async () => {
        const sheet = await makeSheet();
        const all = await rows(studentsOf(classId));
        assert.deepEqual(sheet.codes.map(({ id }) => id).sort(), all.filter(({ username }) => username !== 'student.demo').map(({ id }) => id).sort());
        for (const { code } of sheet.codes) assert.match(code, CODE);
        assert.equal(new Set(sheet.codes.map(({ code }) => code)).size, sheet.codes.length);
        assert.equal(Math.round((new Date(sheet.expires_at) - Date.now()) / 86400_000), 10);
        const [one] = sheet.codes.filter(({ id }) => id === student.id);
        assert.deepEqual([one.given_name, one.family_name, one.username], [student.given_name, student.family_name, student.username]);
    });

    test('is told of in the list, without a code', async () => {
        const before_ = await teacher.get(`/api/v1/classes/${classId}/codes`);
        assert.equal(before_.json.last_sheet, null);
        const { codes } = await makeSheet();
        const { json, text } = await teacher.get(`/api/v1/classes/${classId}/codes`);
        assert.equal(json.last_sheet.codes, codes.length);
        assert.ok(json.students.find(({ id }) => id === student.id).code_until);
        assert.equal(json.students.find(({ username }) => username === 'student.demo').signs_in_with, 'password');
        for (const { code } of codes) assert.ok(!text.includes(code));
    });

    test('is recorded with who made it, and neither the table nor a log holds a code', async () => {
        const { codes } = await makeSheet();
        const [event] = await rows('SELECT e.action, e.class_id, e.codes, u.username FROM account_events e JOIN users u ON u.tenant_id = e.tenant_id AND u.id = e.actor_id');
        assert.deepEqual(event, { action: 1, class_id: classId, codes: codes.length, username: 'teacher.demo' });
        const dump = await sql('SELECT c FROM account_codes c');
        for (const { code } of codes) {
            assert.ok(!dump.includes(code) && !dump.includes(code.replaceAll('-', '')));
        }
    });

    test('makes the codes before void', async () => {
        const old = await codeOf();
        const young = await codeOf();
        await refused(person({ code: old }), 403, 'code');
        assert.equal((await person({ code: young })).status, 200);
    });

    test('is not for others: another class, another district, a student, an operator, nobody', async () => {
        await refused(teacher.post(`/api/v1/classes/${foreignClassId}/codes`, {}), 404, 'not-found');
        await refused(teacher.get(`/api/v1/classes/${foreignClassId}/codes`), 404, 'not-found');
        const there = await school.signIn('teacher.demo', 2);
        await refused(there.post(`/api/v1/classes/${classId}/codes`, {}), 404, 'not-found');
        await refused((await school.signIn('student.demo')).post(`/api/v1/classes/${classId}/codes`, {}), 403, 'forbidden');
        await refused((await school.signIn('operator.demo')).post(`/api/v1/classes/${classId}/codes`, {}), 403, 'forbidden');
        await refused(stranger().post(`/api/v1/classes/${classId}/codes`, {}), 401, 'sign-in-required');
        assert.deepEqual(await rows('SELECT * FROM account_codes'), []);
    });
});

describe('a code', () => {
    test('tells its owner by the given name and an initial, however it is typed', async () => {
        const code = await codeOf();
        for (const typed of [code, code.toLowerCase(), code.replaceAll('-', ''), ` ${code.replaceAll('-', ' ')} `]) {
            const { status, json } = await person({ code: typed });
            assert.equal(status, 200);
            assert.deepEqual(json, {
                given_name: student.given_name,
                family_initial: [...student.family_name][0],
                username: student.username,
                pictures: false,
                password_min_length: 8,
            });
        }
        assert.deepEqual(await rows('SELECT * FROM throttle_buckets WHERE failures > 0'), [], 'a right code is no wrong try');
    });

    test('sets a password once and signs in', async () => {
        const code = await codeOf();
        const client = stranger();
        const reply = await activate({ code, password: fresh }, client);
        assert.equal(reply.status, 201, reply.text);
        assert.deepEqual(reply.json, { home: '/courses' });
        assert.equal((await client.get('/api/v1/me')).json.username, student.username);
        await refused(activate({ code, password: `${fresh}!` }), 403, 'code');
        await stranger().signIn(student.username, fresh);
        assert.deepEqual(await rows('SELECT action, actor_id, user_id FROM account_events WHERE action = 4'), [{ action: 4, actor_id: student.id, user_id: student.id }]);
    });

    test('used twice at the same moment sets one password', async () => {
        const code = await codeOf();
        const replies = await Promise.all([1, 2, 3, 4].map((n) => activate({ code, password: `${fresh} ${n}` })));
        assert.deepEqual(replies.map(({ status }) => status).sort(), [201, 403, 403, 403]);
        await stranger().signIn(student.username, `${fresh} ${replies.findIndex(({ status }) => status === 201) + 1}`);
    });

    test('that is wrong, expired, of another district, or of somebody who left, opens nothing', async () => {
        const code = await codeOf();
        await refused(person({ code: 'CDF-HJK-MNP' }), 403, 'code', /ask your teacher/);
        await refused(person({ code: 'not a code at all' }), 403, 'code');
        await refused(person({ code }, stranger(2)), 403, 'code');
        await refused(activate({ code, password: fresh }, stranger(2)), 403, 'code');
        for (const change of ['UPDATE users SET enabled = false', 'UPDATE users SET enabled = true, status = 2']) {
            await sql(`${change} WHERE tenant_id = 1 AND id = ${student.id}`);
            await refused(activate({ code, password: fresh }), 403, 'code');
        }
        await sql(`UPDATE users SET status = 1 WHERE id = ${student.id}; UPDATE account_codes SET expires_at = now() - interval '1 s'`);
        await refused(activate({ code, password: fresh }), 403, 'code');
        assert.equal((await rows(`SELECT * FROM accounts WHERE user_id = ${student.id}`)).length, 0);
    });

    test('is guessed at slowly', async () => {
        const client = stranger();
        let last;
        for (let i = 0; i < 30 && last?.status !== 429; i++) last = await person({ code: 'CDF-HJK-MNP' }, client);
        assert.equal(last.status, 429);
        assert.ok(Number(last.headers['retry-after']) > 0);
    });

    test('does not overwrite a password that was set meanwhile', async () => {
        const code = await codeOf();
        await mustFirstbell(place, ['user', 'passwd', '--tenant', 'demo', student.username], { input: password });
        await refused(activate({ code, password: fresh }), 403, 'code');
        await stranger().signIn(student.username, password);
    });

    test('of somebody whose user name another person signs in with says so', async () => {
        const code = await codeOf();
        await sql(`UPDATE users SET username = 'Student.Demo' WHERE id = ${student.id} AND tenant_id = 1`);
        try {
            await refused(activate({ code, password: fresh }), 409, 'name-taken', /tell your teacher/);
            assert.equal((await person({ code })).status, 200, 'the code is not used up');
        } finally {
            await sql(`UPDATE users SET username = '${student.username}' WHERE id = ${student.id} AND tenant_id = 1`);
        }
    });

    test('passwords that are too short, common, or the own name are refused with a sentence, and the code stays good', async () => {
        const code = await codeOf();
        const cases = { short7x: /too short/, Passw0rd2026: /easy to guess/, qwerty123: /easy to guess/, aaaaaaaa: /easy to guess/, [`${student.username}1`]: /nearly your name/ };
        for (const [wrong, sentence] of Object.entries(cases)) await refused(activate({ code, password: wrong }), 422, 'password', sentence);
        await refused(activate({ code }), 422, 'invalid');
        await refused(activate({ code, password: fresh, pictures: [] }), 422, 'invalid');
        await refused(activate({ code, link: 'x', password: fresh }), 422, 'invalid');
        assert.equal((await activate({ code, password: 'größer als ein Igel' })).status, 201);
    });
});

describe('pictures', () => {
    const chosen = ['cat', 'boat', 'sun', 'cat'];
    beforeEach(() => sql(`UPDATE users SET grades = '{KG}' WHERE tenant_id = 1 AND id = ${student.id}`));

    test('are offered to the youngest, stored like a password, and sign in', async () => {
        const code = await codeOf();
        assert.equal((await person({ code })).json.pictures, true);
        assert.equal((await activate({ code, pictures: chosen })).status, 201);
        const [account] = await rows(`SELECT kind, password_hash FROM accounts WHERE tenant_id = 1 AND user_id = ${student.id}`);
        assert.equal(account.kind, 2);
        assert.match(account.password_hash, /^\$argon2id\$/);
        const reply = await stranger().post('/api/v1/sessions', { username: student.username, pictures: chosen });
        assert.equal(reply.status, 201, reply.text);
        await refused(stranger().post('/api/v1/sessions', { username: student.username, pictures: [...chosen].reverse() }), 401, 'credentials');
    });

    test('are no password, and a password is no pictures', async () => {
        await activate({ code: await codeOf(), pictures: chosen });
        await refused(stranger().post('/api/v1/sessions', { username: student.username, password: `pictures ${chosen.join(' ')}` }), 401, 'credentials');
        await refused(stranger().post('/api/v1/sessions', { username: 'student.demo', pictures: chosen }), 401, 'credentials');
        await refused(stranger().post('/api/v1/sessions', { username: 'student.demo', pictures: chosen, password }), 422, 'invalid');
    });

    test('end with a password that the command line sets', async () => {
        await activate({ code: await codeOf(), pictures: chosen });
        await mustFirstbell(place, ['user', 'passwd', '--tenant', 'demo', student.username], { input: password });
        await stranger().signIn(student.username, password);
        await refused(stranger().post('/api/v1/sessions', { username: student.username, pictures: chosen }), 401, 'credentials');
    });

    test('for nobody look as for somebody', async () => {
        const nobody = await stranger().post('/api/v1/sessions', { username: 'nobody', pictures: chosen });
        const somebody = await stranger().post('/api/v1/sessions', { username: 'teacher.demo', pictures: chosen });
        const plain = ({ status, json }) => [status, { ...json, request_id: '' }];
        assert.deepEqual(plain(nobody), plain(somebody));
    });

    test('are four, known, and not all alike', async () => {
        const code = await codeOf();
        await refused(activate({ code, pictures: ['cat', 'sun', 'boat'] }), 422, 'password', /four pictures/);
        await refused(activate({ code, pictures: ['cat', 'sun', 'boat', 'tank'] }), 422, 'password', /not known/);
        await refused(activate({ code, pictures: ['cat', 'cat', 'cat', 'cat'] }), 422, 'password', /two different/);
        await refused(activate({ code, pictures: [1, 2, 3, 4] }), 422, 'password', /not known/);
        await sql(`UPDATE users SET grades = '{03}' WHERE tenant_id = 1 AND id = ${student.id}`);
        await refused(activate({ code, pictures: chosen }), 422, 'password', /for the youngest/);
    });
});

describe('a reset', () => {
    const session = async () => {
        const client = stranger();
        await activate({ code: await codeOf(), password: fresh }, client);
        return client;
    };
    const reset = (id = student.id, client = teacher, klass = classId) => client.post(`/api/v1/classes/${klass}/students/${id}/reset`, {});

    test('by a teacher voids the password and every session at once, and gives a code', async () => {
        const client = await session();
        const other = stranger();
        await other.signIn(student.username, fresh);
        const reply = await reset();
        assert.equal(reply.status, 201, reply.text);
        assert.match(reply.json.code, CODE);
        assert.equal(reply.json.username, student.username);
        for (const one of [client, other]) assert.equal((await one.get('/api/v1/me')).status, 401);
        await refused(stranger().post('/api/v1/sessions', { username: student.username, password: fresh }), 401, 'credentials');
        assert.equal((await activate({ code: reply.json.code, password: 'nine quiet lanterns' })).status, 201);
        assert.deepEqual(await rows('SELECT action, class_id, user_id FROM account_events WHERE action = 3'), [{ action: 3, class_id: classId, user_id: student.id }]);
    });

    test('of a teacher, of somebody in another class, or of another district is not there', async () => {
        const [{ id: teacherId }] = await rows("SELECT id FROM users WHERE tenant_id = 1 AND username = 'teacher.demo'");
        const [outsider] = await rows(studentsOf(foreignClassId, `AND u.id NOT IN (SELECT user_id FROM enrollments WHERE tenant_id = 1 AND class_id = ${classId})`));
        await refused(reset(teacherId), 404, 'not-found');
        await refused(reset(outsider.id), 404, 'not-found');
        await refused(reset(outsider.id, teacher, foreignClassId), 404, 'not-found');
        await refused(reset(student.id, await school.signIn('teacher.demo', 2)), 404, 'not-found');
        await sql(`INSERT INTO enrollments (tenant_id, sourced_id, class_id, user_id, role) VALUES (1, 'odd', ${classId}, ${teacherId}, 3)`);
        await refused(reset(teacherId), 404, 'not-found'); // a teacher who is enrolled like a student
        await sql("DELETE FROM enrollments WHERE sourced_id = 'odd'");
        assert.equal((await teacher.get('/api/v1/me')).status, 200);
    });

    test('by an operator reaches everybody but operators', async () => {
        const operator = await school.signIn('operator.demo');
        const found = async (query) => (await operator.post('/api/v1/people/search', { query })).json.people.map(({ username }) => username);
        assert.deepEqual(await found(student.username.slice(0, -1).toUpperCase()).then((names) => names.includes(student.username)), true);
        assert.ok((await found(student.family_name)).includes(student.username));
        assert.ok((await found(`${student.family_name}, ${student.given_name.slice(0, 2)}`)).includes(student.username));
        await sql(`UPDATE users SET family_name = 'Ørsted, Jr.' WHERE tenant_id = 1 AND id = ${student.id}`);
        for (const query of ['ØRST', 'ørsted, jr.', `Ørsted, Jr.`]) assert.deepEqual(await found(query), [student.username], query);
        await sql(`UPDATE users SET family_name = '${student.family_name.replaceAll("'", "''")}' WHERE tenant_id = 1 AND id = ${student.id}`);
        assert.deepEqual(await found('operator.demo'), []);
        assert.deepEqual(await found("x' OR true --"), []);
        await refused(operator.post('/api/v1/people/search', { query: 'a' }), 422, 'invalid', /two letters/);
        const [{ id: own }] = await rows("SELECT id FROM users WHERE tenant_id = 1 AND username = 'operator.demo'");
        await refused(operator.post(`/api/v1/people/${own}/reset`, {}), 404, 'not-found');
        await refused(teacher.post(`/api/v1/people/${student.id}/reset`, {}), 403, 'forbidden');
        await refused(teacher.post('/api/v1/people/search', { query: 'smith' }), 403, 'forbidden');
        const client = await session();
        const reply = await operator.post(`/api/v1/people/${student.id}/reset`, {});
        assert.equal(reply.status, 201, reply.text);
        assert.equal((await client.get('/api/v1/me')).status, 401);
        assert.equal((await person({ code: reply.json.code })).json.username, student.username);
    });

    test('on the command line', async () => {
        const run = (command, ...more) => firstbell(place, ['user', command, '--tenant', 'demo', student.username, ...more]);
        const first = await run('code');
        assert.equal(first.code, 0, first.stderr);
        assert.match(first.stdout.trim(), CODE);
        const client = stranger();
        assert.equal((await activate({ code: first.stdout.trim(), password: fresh }, client)).status, 201);
        const again = await run('code');
        assert.deepEqual([again.code, again.stdout], [1, '']);
        assert.match(again.stderr, /has a password already; `firstbell user reset`/);
        assert.equal((await client.get('/api/v1/me')).status, 200);
        const second = await run('reset');
        assert.match(second.stdout.trim(), CODE);
        assert.equal((await client.get('/api/v1/me')).status, 401);
        assert.equal((await activate({ code: second.stdout.trim(), password: fresh })).status, 201);
        const nobody = await firstbell(place, ['user', 'reset', '--tenant', 'demo', 'nobody.here']);
        assert.deepEqual([nobody.code, nobody.stderr], [1, 'firstbell: nobody has the user name nobody.here\n']);
    });
});

describe('the keys of codes', () => {
    test('a new one on top keeps the codes of the old one good', async () => {
        const code = await codeOf();
        const [old] = place.read('keys/codes.key').trim().split('\n');
        place.write('keys/codes.key', `${'n'.repeat(64)}\n${old}\n`, 0o600);
        school.api.program.child.kill('SIGHUP');
        assert.equal((await person({ code })).status, 200);
        const [other] = await rows(studentsOf(classId, `AND u.username <> 'student.demo' AND u.id <> ${student.id}`));
        const { stdout } = await firstbell(place, ['user', 'code', '--tenant', 'demo', other.username]);
        await waitFor('a worker that knows the new key', async () => (await person({ code: stdout.trim() })).status === 200);
        assert.equal((await person({ code })).status, 200);
        place.write('keys/codes.key', `${old}\n`, 0o600);
    });

    test('that others can read, or that are too short, stop the api with a sentence', async () => {
        const start = async (content, mode) => {
            const key = place.write(`keys/odd-${content.length}.key`, content, mode);
            const conf = place.write('conf/odd.conf', readFileSync(place.path('conf/firstbell.conf'), 'utf8').replace(/^codes_key = .*$/m, `codes_key = ${key}`));
            return firstbell(place, ['api'], { conf });
        };
        assert.match((await start(`${'a'.repeat(64)}\n`, 0o644)).stderr, /codes_key .*odd-65\.key: others than its owner may read it/);
        assert.match((await start('short\n', 0o600)).stderr, /1 to 4 lines of 32 to 256 bytes/);
        assert.match((await start('', 0o600)).stderr, /1 to 4 lines/);
    });
});
