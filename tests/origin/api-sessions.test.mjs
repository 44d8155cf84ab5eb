// Signing in and out, who may do what, and what another site or another tenant may not.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { mustFirstbell, originClient } from '../lib/server-firstbell.mjs';
import { waitFor } from '../lib/wait.mjs';
import { addSchool, openSchool, password } from './school.mjs';

const SESSION = '__Host-bell_session';
const place = newPlace();
let school;
before(async () => {
    school = await openSchool(place);
    await addSchool(place, 'other', 'other.localhost');
});
after(() => place.stop());

test('a password opens a session, whose cookie is bound to its host', async () => {
    const client = originClient(school.api.socketPath, 1);
    const reply = await client.post('/api/v1/sessions', { username: 'student.demo', password });
    assert.equal(reply.status, 201);
    assert.deepEqual(reply.json, { home: '/courses' });
    const [cookie] = reply.headers['set-cookie'];
    for (const part of ['__Host-bell_session=', 'Path=/', 'Secure', 'HttpOnly', 'SameSite=Lax']) assert.ok(cookie.includes(part), `${part} in ${cookie}`);
    const me = await client.get('/api/v1/me');
    assert.equal(me.json.username, 'student.demo');
    assert.equal(me.json.role, 'student');
    assert.equal(me.json.tenant.name, 'demo');
    assert.equal(me.headers['cache-control'], 'private, no-store');
});

test('user names are compared without case', async () => {
    const client = originClient(school.api.socketPath, 1);
    assert.equal((await client.post('/api/v1/sessions', { username: 'Student.Demo', password })).status, 201);
});

test('a wrong password, an unknown name and a name without an account get the same answer', async () => {
    const client = originClient(school.api.socketPath, 1);
    const bodies = [];
    const [unused] = await school.postgres.rows('postgres', "SELECT username FROM users WHERE tenant_id = 1 AND username NOT LIKE '%demo' LIMIT 1");
    for (const username of ['student.demo', 'nobody.at.all', unused.username]) {
        const reply = await client.post('/api/v1/sessions', { username, password: 'not the password' });
        assert.equal(reply.status, 401);
        delete reply.json.request_id;
        bodies.push(reply.json);
    }
    assert.deepEqual(bodies[1], bodies[0]);
    assert.deepEqual(bodies[2], bodies[0]);
    assert.equal(bodies[0].type, '/problems/credentials');
});

test('what is not two texts is refused with a sentence', async () => {
    const client = originClient(school.api.socketPath, 1);
    for (const json of [{}, { username: 1, password: 'x' }, { username: 'a' }, [], { username: 'a', password: 'b', admin: true }]) {
        const reply = await client.post('/api/v1/sessions', json);
        assert.equal(reply.status, 422, JSON.stringify(json));
        assert.match(reply.headers['content-type'], /problem\+json/);
        assert.ok(reply.json.detail.length > 10);
    }
    for (const body of ['{', '"text"', '{"username":"a","username":"b","password":"c"}', '{"username":"\\ud800"}', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])]) {
        const reply = await client.request('POST', '/api/v1/sessions', { body, headers: { 'content-type': 'application/json' } });
        assert.equal(reply.status, 400, String(body));
    }
    assert.equal((await client.request('POST', '/api/v1/sessions', { body: 'x', headers: { 'content-type': 'text/plain' } })).status, 415);
});

test('signing out ends the session itself, not only the cookie', async () => {
    const client = await school.signIn('student.demo');
    const { cookie } = client.cookieHeader();
    assert.equal((await client.delete('/api/v1/sessions/current')).status, 204);
    assert.equal(client.cookies.has(SESSION), false);
    const again = await client.get('/api/v1/me', { headers: { cookie } });
    assert.equal(again.status, 401);
    assert.equal(again.json.type, '/problems/sign-in-required');
    assert.equal((await client.delete('/api/v1/sessions/current')).status, 204, 'may be repeated');
});

test('a sign-in that began before the password was changed opens nothing after it', async () => {
    const change = `BEGIN; UPDATE accounts SET password_hash = password_hash || 'x' WHERE tenant_id = 1 AND login = 'student.demo';
        DELETE FROM sessions WHERE tenant_id = 1; SELECT pg_sleep(2); COMMIT`;
    const changed = school.postgres.sql('postgres', change);
    await waitFor('the change to be under way', async () => {
        const sleeping = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep'";
        return (await school.postgres.sql('postgres', sleeping)).trim() === '1';
    });
    const client = originClient(school.api.socketPath, 1);
    const reply = await client.post('/api/v1/sessions', { username: 'student.demo', password });
    await changed;
    assert.equal(reply.status, 401);
    assert.equal(reply.json.type, '/problems/credentials');
    const sessions = "SELECT count(*) FROM sessions s JOIN accounts a USING (tenant_id, user_id) WHERE s.tenant_id = 1 AND a.login = 'student.demo'";
    assert.equal((await school.postgres.sql('postgres', sessions)).trim(), '0');
    await mustFirstbell(place, ['user', 'passwd', '--tenant', 'demo', 'student.demo'], { input: password });
});

test('the forms do the same without a script', async () => {
    const client = originClient(school.api.socketPath, 1);
    const wrong = await client.submit('/sign-in', { username: 'student.demo', password: 'wrong wrong' });
    assert.deepEqual([wrong.status, wrong.headers.location], [303, '/sign-in#wrong']);
    const right = await client.submit('/sign-in', { username: 'student.demo', password, next: '/courses/7' });
    assert.deepEqual([right.status, right.headers.location], [303, '/courses/7']);
    const out = await client.submit('/sign-out', {}, { page: '/courses' });
    assert.deepEqual([out.status, out.headers.location], [303, '/sign-in#signed-out']);
    assert.equal(client.cookies.has(SESSION), false);
});

test('the page that was wanted is kept without a script, also over a wrong password', async () => {
    const client = originClient(school.api.socketPath, 1);
    const wrong = await client.submit('/sign-in?next=/courses/7', { username: 'student.demo', password: 'wrong wrong' });
    assert.equal(wrong.headers.location, '/sign-in?next=/courses/7#wrong');
    const right = await client.submit('/sign-in?next=/courses/7', { username: 'student.demo', password });
    assert.equal(right.headers.location, '/courses/7');
    const foreign = await client.submit('/sign-in?next=//evil.example', { username: 'student.demo', password: 'wrong wrong' });
    assert.equal(foreign.headers.location, '/sign-in#wrong');
});

test('the page behind a sign-in is one of ours', async () => {
    for (const next of ['//evil.example', 'https://evil.example', '/\\evil.example', '/a/../b', '/courses?x=1', '', '/']) {
        const client = originClient(school.api.socketPath, 1);
        const reply = await client.submit('/sign-in', { username: 'student.demo', password, next });
        assert.deepEqual([reply.status, reply.headers.location], [303, '/courses'], next);
    }
});

test('a request from another site is refused, one from here is not', async () => {
    const client = await school.signIn('student.demo');
    const refused = [{ origin: 'https://evil.example' }, { origin: 'http://demo.localhost' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site' }];
    for (const headers of refused) {
        const reply = await client.delete('/api/v1/sessions/current', { headers });
        assert.equal(reply.status, 403, JSON.stringify(headers));
        assert.equal(reply.json.type, '/problems/cross-site');
    }
    assert.equal((await client.get('/api/v1/me')).status, 200, 'the session is still there');
    const headers = { origin: 'https://demo.localhost', 'sec-fetch-site': 'same-origin' };
    assert.equal((await client.delete('/api/v1/sessions/current', { headers })).status, 204);
});

test('a session counts for its own tenant only', async () => {
    const client = await school.signIn('student.demo', 1);
    const reply = await client.get('/api/v1/me', { edge: { tenant: 2 } });
    assert.equal(reply.status, 401);
});

test('a token that was changed, or signed by another key, opens nothing', async () => {
    const client = await school.signIn('student.demo');
    const [header, claims, signature] = client.cookies.get('__Host-bell_session').split('.');
    const text = JSON.parse(Buffer.from(claims, 'base64url'));
    const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const forged = [
        `${header}.${encode({ ...text, role: 20 })}.${signature}`,
        `${encode({ alg: 'none', typ: 'JWT' })}.${claims}.`,
        `${encode({ alg: 'HS256', typ: 'JWT', kid: JSON.parse(Buffer.from(header, 'base64url')).kid })}.${claims}.${signature}`,
        `${header}.${claims}.${'A'.repeat(86)}`,
        `${header}.${claims}`,
        'x'.repeat(2000),
    ];
    for (const token of forged) {
        const reply = await client.get('/api/v1/me', { headers: { cookie: `__Host-bell_session=${token}` } });
        assert.equal(reply.status, 401, token.slice(0, 60));
    }
    const twice = `__Host-bell_session=${header}.${claims}.${signature}; __Host-bell_session=x`;
    assert.equal((await client.get('/api/v1/me', { headers: { cookie: twice } })).status, 401);
});

test('a user who was disabled or has changed role is out at once', async () => {
    for (const change of ['enabled = false', 'status = 2', 'role = 8']) {
        const client = await school.signIn('student.demo');
        await school.postgres.sql('postgres', `UPDATE users SET ${change} WHERE tenant_id = 1 AND username = 'student.demo'`);
        const reply = await client.get('/api/v1/courses');
        await school.postgres.sql('postgres', "UPDATE users SET enabled = true, status = 1, role = 7 WHERE tenant_id = 1 AND username = 'student.demo'");
        assert.equal(reply.status, 401, change);
        assert.equal((await client.get('/api/v1/courses')).status, 401, `${change}, and back`);
    }
});

test('a session that was just being opened when its person was disabled does not come back with the person', async () => {
    const set = (enabled, more = '') =>
        school.postgres.sql('postgres', `UPDATE users SET enabled = ${enabled} WHERE tenant_id = 1 AND username = 'student.demo'${more}`);
    const client = await school.signIn('student.demo');
    const [kept] = await school.postgres.rows('postgres', 'SELECT * FROM sessions ORDER BY id DESC LIMIT 1');
    await set(false, `; INSERT INTO sessions (tenant_id, sid, user_id, expires_at) VALUES (1, '${kept.sid}', ${kept.user_id}, now() + interval '1 hour')`);
    await set(true);
    assert.equal((await client.get('/api/v1/courses')).status, 401);
});

test('each role may do its own and no more', async () => {
    const paths = ['/api/v1/me', '/api/v1/courses', '/api/v1/classes', '/api/v1/district'];
    const expected = { 'student.demo': [200, 200, 403, 403], 'teacher.demo': [200, 200, 200, 403], 'operator.demo': [200, 403, 403, 200] };
    for (const [username, statuses] of Object.entries(expected)) {
        const client = await school.signIn(username);
        const got = [];
        for (const path of paths) got.push((await client.get(path)).status);
        assert.deepEqual(got, statuses, username);
    }
    const nobody = originClient(school.api.socketPath, 1);
    for (const path of paths) assert.equal((await nobody.get(path)).status, 401, path);
});

test('a page sends whoever has not signed in to the sign-in page and back', async () => {
    const nobody = originClient(school.api.socketPath, 1);
    const reply = await nobody.get('/courses/12');
    assert.deepEqual([reply.status, reply.headers.location], [303, '/sign-in?next=/courses/12']);
    assert.equal((await nobody.get('/')).headers.location, '/sign-in');
    const teacher = await school.signIn('teacher.demo');
    assert.equal((await teacher.get('/')).headers.location, '/classes');
    assert.equal((await teacher.get('/district')).headers.location, '/classes', 'a page of another role leads home');
});

test('an account without pages of its own is told so, and can sign out', async () => {
    const guardian = ['--username', 'guardian.demo', '--role', 'guardian', '--given', 'Gia', '--family', 'Guardian'];
    await mustFirstbell(place, ['user', 'add', '--tenant', 'demo', ...guardian]);
    await mustFirstbell(place, ['user', 'passwd', '--tenant', 'demo', 'guardian.demo'], { input: password });
    const client = await school.signIn('guardian.demo');
    const page = await client.get('/courses', { headers: { accept: 'text/html,*/*;q=0.8' } });
    assert.equal(page.status, 403);
    assert.match(page.headers['content-type'], /^text\/html/);
    assert.match(page.text, /action="\/sign-out"/);
});

test('a person who opens a page gets a page, a program gets problem+json', async () => {
    const client = originClient(school.api.socketPath, 1);
    const accept = { accept: 'text/html,application/xhtml+xml' };
    const page = await client.get('/nothing', { headers: accept });
    assert.equal(page.status, 404);
    assert.match(page.headers['content-type'], /^text\/html/);
    assert.match(page.headers['content-security-policy'], /default-src 'self'/);
    assert.equal((await client.get('/nothing')).json.type, '/problems/not-found');
    assert.equal((await client.get('/api/v1/nothing', { headers: accept })).json.type, '/problems/not-found');
});
