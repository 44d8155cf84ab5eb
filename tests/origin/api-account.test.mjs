// One's own sessions and password, and the keys that sign sessions.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, createPublicKey } from 'node:crypto';
import { chmodSync, chownSync, copyFileSync, readFileSync, readdirSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { app } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { firstbell, mustFirstbell, originClient, startApi, writeSettings } from '../lib/server-firstbell.mjs';
import { waitFor } from '../lib/wait.mjs';
import { openSchool, password } from './school.mjs';

const SESSION = '__Host-bell_session';
const USER_AGENTS = {
    'Chrome on a Chromebook': 'Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
    'Safari on an iPad': 'Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1',
    'Edge on Windows': 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0',
    'Firefox on Linux': 'Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0',
    'an unknown device': '<script>alert(1)</script>',
};
const place = newPlace();
let school;
before(async () => {
    school = await openSchool(place);
});
after(() => place.stop());
beforeEach(() => school.postgres.sql('postgres', 'DELETE FROM throttle_buckets; DELETE FROM sessions'));

async function signIn(userAgent, { username = 'student.demo', secret = password } = {}) {
    const client = originClient(school.api.socketPath, 1);
    if (userAgent) client.headers['user-agent'] = userAgent;
    await client.signIn(username, secret);
    return client;
}

const status = async (client, path = '/api/v1/me') => (await client.get(path)).status;

test('the list of sessions says when and from what device, newest first', async () => {
    const clients = [];
    for (const agent of Object.values(USER_AGENTS)) clients.push(await signIn(agent));
    const { json, headers } = await clients[1].get('/api/v1/sessions');
    assert.deepEqual(json.sessions.map(({ device }) => device), Object.keys(USER_AGENTS).reverse());
    assert.deepEqual(json.sessions.filter(({ current }) => current).map(({ device }) => device), ['Safari on an iPad']);
    for (const one of json.sessions) {
        assert.deepEqual(Object.keys(one), ['id', 'device', 'created_at', 'current']);
        assert.ok(Math.abs(Date.now() - new Date(one.created_at)) < 3600_000, one.created_at);
    }
    assert.match(headers['cache-control'], /no-store/);
});

test('one session is ended, or all others, or all; nobody ends those of somebody else', async () => {
    const [a, b, c] = [await signIn(), await signIn(), await signIn()];
    const teacher = await signIn(undefined, { username: 'teacher.demo' });
    const [theirs] = (await teacher.get('/api/v1/sessions')).json.sessions;
    assert.equal((await a.delete(`/api/v1/sessions/${theirs.id}`)).status, 404);
    const ids = (await a.get('/api/v1/sessions')).json.sessions.map(({ id }) => id);
    assert.equal((await a.delete(`/api/v1/sessions/${ids[0]}`)).status, 204);
    assert.deepEqual([await status(a), await status(b), await status(c)], [200, 200, 401]);
    assert.equal((await a.delete('/api/v1/sessions?others')).status, 204);
    assert.deepEqual([await status(a), await status(b), await status(teacher)], [200, 401, 200]);
    assert.equal((await a.delete('/api/v1/sessions?all')).status, 422);
    const d = await signIn();
    assert.equal((await a.delete('/api/v1/sessions')).status, 204);
    assert.equal(a.cookies.has(SESSION), false);
    assert.deepEqual([await status(a), await status(d), await status(teacher)], [401, 401, 200]);
});

test('a new password needs the old one, ends all sessions and goes on here with a new one', async () => {
    const [here, elsewhere] = [await signIn(), await signIn()];
    const before = here.cookies.get(SESSION);
    const change = (old, fresh) => here.put('/api/v1/me/password', { old, new: fresh });
    const wrong = await change('not the password', 'another long password');
    assert.deepEqual([wrong.status, wrong.json.detail], [422, 'The old password is not right.']);
    const short = await change(password, 'short');
    assert.deepEqual([short.status, /too short/.test(short.json.detail)], [422, true]);
    for (const body of [{}, { old: password }, { old: 1, new: 'another long password' }, { old: password, new: 'another long password', user: 1 }]) {
        assert.equal((await here.put('/api/v1/me/password', body)).status, 422, JSON.stringify(body));
    }
    assert.equal((await change(password, 'another long password')).status, 204);
    assert.notEqual(here.cookies.get(SESSION), before);
    assert.deepEqual([await status(here), await status(elsewhere)], [200, 401]);
    assert.equal((await here.get('/api/v1/me', { headers: { cookie: `${SESSION}=${before}` } })).status, 401);
    assert.equal((await originClient(school.api.socketPath, 1).post('/api/v1/sessions', { username: 'student.demo', password })).status, 401);
    await signIn(undefined, { secret: 'another long password' });
    assert.equal((await change('another long password', password)).status, 204);
});

test('wrong old passwords are counted like wrong sign-ins', async () => {
    const client = await signIn();
    for (let i = 0; i < 5; i++) await client.put('/api/v1/me/password', { old: 'not the password', new: 'another long password' });
    await school.postgres.sql('postgres', "UPDATE throttle_buckets SET failures = 1000, last_at = now() WHERE bucket LIKE '%:%:%'");
    const reply = await client.put('/api/v1/me/password', { old: password, new: 'another long password' });
    assert.deepEqual([reply.status, reply.json.type], [429, '/problems/too-many-tries']);
});

const kid = (client) => JSON.parse(Buffer.from(client.cookies.get(SESSION).split('.')[0], 'base64url')).kid;
const keyFiles = () => readdirSync(place.path('keys/sessions')).sort();

/** Rotates, and waits until a new sign-in has another key than `old`. */
async function rotate(old) {
    const out = await mustFirstbell(place, ['keys', 'rotate']);
    assert.match(out, /was told to take the keys/);
    return waitFor('a session with the new key', async () => {
        const client = await signIn();
        return kid(client) !== old && client;
    });
}

test('a rotated key signs after a reload; sessions of the old one go on, those of a dropped one do not', async () => {
    const first = await signIn();
    const second = await rotate(kid(first));
    assert.deepEqual([await status(first), await status(second)], [200, 200]);
    assert.equal(keyFiles().length, 2, 'the one before and the next');
    const list = await mustFirstbell(place, ['keys', 'list']);
    assert.match(list, new RegExp(`^${kid(second)} +signs `, 'm'));
    assert.match(list, new RegExp(`^${kid(first)} +counts until \\d{4}-\\d\\d-\\d\\dT`, 'm'));
    const [, next] = /^(\S+) +signs next/m.exec(list);
    const bundle = await mustFirstbell(place, ['keys', 'public']);
    assert.equal(place.read('keys/sessions.pub.pem'), bundle, 'edges were given the same');
    assert.equal(statSync(place.path('keys/sessions.pub.pem')).mode & 0o777, 0o644);
    const ids = bundle.match(/-----BEGIN PUBLIC KEY-----[^]*?-----END PUBLIC KEY-----\n/g).map((pem) =>
        createHash('sha256').update(createPublicKey(pem).export({ type: 'spki', format: 'der' })).digest().subarray(0, 8).toString('base64url'));
    assert.deepEqual(ids.sort(), [kid(first), kid(second), next].sort(), 'the next key is there before it signs');
    const third = await rotate(kid(second));
    assert.equal(kid(third), next, 'the next key was known before it signed');
    assert.deepEqual([await status(first), await status(second), await status(third)], [200, 200, 200]);

    const name = keyFiles().find((file) => file.startsWith(kid(first)));
    renameSync(place.path('keys/sessions', name), place.path('keys/sessions', `${kid(first)}.1.pem`)); // as if its end had come
    const fourth = await rotate(kid(third));
    await waitFor('the workers that knew the old key to end', async () => (await status(first)) === 401);
    assert.deepEqual([await status(second), await status(fourth)], [200, 200]);
    assert.equal(keyFiles().some((file) => file.startsWith(kid(first))), false, 'a key that has ended is removed');
    const logged = () => place.read('log/api.out') + place.read('log/error.log');
    await waitFor('the refusal in the log', () => /session refused: the token names a key that is not known here/.test(logged()));
});

test('keys that root rotates belong to who runs the api', { skip: process.getuid() !== 0 && 'only root can give files away' }, async () => {
    const folder = place.folder('foreign');
    copyFileSync(`${place.dir}/keys/session.pem`, `${folder}/session.pem`);
    for (const name of [folder, `${folder}/session.pem`]) chownSync(name, 65534, 65534);
    const conf = writeSettings(place, { settings: { session_key: `${folder}/session.pem`, session_keys_dir: `${folder}/old`, pid_file: `${folder}/api.pid` }, name: 'conf/foreign.conf' });
    execFileSync(path.join(app(), 'bin/firstbell'), ['-c', conf, 'keys', 'rotate'], { timeout: 60000 }); // as root, not as the user of the tests
    const names = ['session.pem', 'old', ...readdirSync(`${folder}/old`).map((name) => `old/${name}`)];
    assert.equal(names.length, 4, names.join());
    for (const name of names) assert.deepEqual([statSync(`${folder}/${name}`).uid, statSync(`${folder}/${name}`).mode & 0o077], [65534, 0], name);
});

test('pages that were open while the key was rotated can still be sent', async () => {
    const client = await signIn();
    const [, token] = /name="form_token" value="([^"]+)"/.exec((await client.get('/courses')).text);
    await rotate(kid(client));
    assert.equal((await client.request('POST', '/sign-out', { form: { form_token: token } })).headers.location, '/sign-in#signed-out');
});

test('a key file that others may read stops the start, with a sentence and without the key', async () => {
    const file = place.path('keys/session.pem');
    await place.stopProgram(school.api.program);
    for (const mode of [0o640, 0o604, 0o622]) {
        chmodSync(file, mode);
        const result = await firstbell(place, ['api'], { seconds: 20 });
        assert.equal(result.code, 1);
        assert.match(result.stderr, /session\.pem: the key may be read or written by others \(mode 06\d\d\); expected 0600/);
        assert.ok(!result.stderr.includes(readFileSync(file, 'utf8').split('\n')[1]));
    }
    chmodSync(file, 0o600);
    school.api = await startApi(place);
    await signIn();
});
