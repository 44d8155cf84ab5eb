// A day at a small school, after which no log, and no command line or environment of any process, holds a secret that was used.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { startEdge } from '../e2e/stack.mjs';
import { Client } from '../lib/client.mjs';
import { freePort, newPlace } from '../lib/place.mjs';
import { mustFirstbell, startJobs } from '../lib/server-firstbell.mjs';
import { startSmtp } from '../lib/server-smtp.mjs';
import { waitFor } from '../lib/wait.mjs';
import { openSchool, password } from './school.mjs';

const place = newPlace();
const secrets = new Map([['the password of the demo people', password]]);
let watch;
let school;
let mailbox;
let edge;

before(async () => {
    watch = watchProcesses();
    const [port, smtpPort] = [await freePort(), await freePort()];
    school = await openSchool(place, { settings: { public_port: port, smtp_url: `smtp+plain://127.0.0.1:${smtpPort}`, smtp_from: 'bell@example.org' } });
    mailbox = await startSmtp({ port: smtpPort });
    await startJobs(place);
    edge = await startEdge(place, port);
});
after(async () => {
    watch?.stop();
    await mailbox?.close();
    await place.stop();
});

/** Keeps the command lines and environments of all processes of the place. */
function watchProcesses() {
    const seen = new Set();
    const look = () => {
        for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
            try {
                const text = ['cmdline', 'environ'].map((file) => readFileSync(`/proc/${pid}/${file}`, 'latin1').replaceAll('\0', ' '));
                if (text[0].includes(place.dir) || readlinkSync(`/proc/${pid}/cwd`).startsWith(place.dir)) seen.add(text.join('\n'));
            } catch {
                continue; // it has gone meanwhile, or is another user's
            }
        }
    };
    const timer = setInterval(look, 10);
    return { text: () => [...seen].join('\n'), stop: () => clearInterval(timer) };
}

function keep(what, value) {
    assert.ok(value?.length >= 8, `${what} is too short to be looked for`);
    secrets.set(`${what} (${secrets.size})`, value);
    return value;
}

/** A browser's client at the edge; what cookies and form tokens it is given are secrets. */
function open() {
    const client = new Client({ port: edge.port, ca: edge.ca });
    const { request } = client;
    client.request = async (...args) => {
        const reply = await request.apply(client, args);
        for (const [name, value] of client.cookies) if (value.length >= 8) keep(`the cookie ${name}`, value);
        const [, token] = /name="form_token" value="([^"]+)"/.exec(reply.text) ?? [];
        if (token) keep('a form token', token);
        return reply;
    };
    return client;
}

const sql = (text) => school.postgres.sql('postgres', text);

async function signInAndOut() {
    const client = open();
    assert.equal((await client.post('/api/v1/sessions', { username: 'student.demo', password: keep('a wrong password', 'wrong horse battery') })).status, 401);
    await client.signIn('student.demo', password);
    const fresh = keep('a new password', 'seven otters under glass');
    assert.equal((await client.put('/api/v1/me/password', { old: keep('a wrong old password', 'six otters on ice'), new: fresh })).status, 422);
    assert.equal((await client.put('/api/v1/me/password', { old: password, new: fresh })).status, 204);
    assert.equal((await client.submit('/sign-out', {}, { page: '/courses' })).status, 303);
    const byForm = open();
    assert.equal((await byForm.submit('/sign-in', { username: 'student.demo', password: keep('a wrong one by form', 'five otters by night') })).status, 303);
    assert.equal((await byForm.submit('/sign-in', { username: 'student.demo', password: fresh })).headers.location, '/courses');
    const [cookie] = [...byForm.cookies].find(([name]) => name.endsWith('session'));
    const forged = keep('a forged session', `${byForm.cookies.get(cookie).slice(0, -20)}${'A'.repeat(20)}`);
    const reply = await open().get('/api/v1/me', { headers: { cookie: `${cookie}=${forged}` } });
    assert.equal(reply.status, 401);
}

async function activateByCode() {
    const teacher = open();
    await teacher.signIn('teacher.demo', password);
    const classId = await sql(`SELECT e.class_id FROM enrollments e JOIN users u ON u.tenant_id = e.tenant_id AND u.id = e.user_id
        WHERE e.tenant_id = 1 AND e.role = 4 AND u.username = 'teacher.demo' ORDER BY 1 LIMIT 1`);
    const { codes } = (await teacher.post(`/api/v1/classes/${classId}/codes`, {})).json;
    for (const { code } of codes) {
        keep('a code', code);
        keep('a code without dashes', code.replaceAll('-', ''));
    }
    const [{ code }] = codes;
    assert.equal((await open().get(`/activate?code=${code}`)).status, 200, 'where nobody should put it');
    assert.equal((await open().post('/api/v1/activation/person', { code })).status, 200);
    assert.equal((await open().post('/api/v1/activation/person', { code: keep('a wrong code', 'CDF-CDF-CDF') })).status, 403);
    assert.equal((await open().post('/api/v1/activation', { code, password: keep('a first password', 'eight herons at dawn') })).status, 201);
}

async function resetByMail() {
    await sql("UPDATE users SET email = 'demo@example.org' WHERE tenant_id = 1 AND username = 'student.demo'");
    assert.equal((await open().post('/api/v1/reset-links', { who: 'student.demo' })).status, 202);
    const mail = await mailbox.waitForMail();
    const [, link] = mail.text.match(/\/reset#([\w-]{43})\n/);
    keep('a link', link);
    await waitFor('the job to be over, with which the link begins to count', async () => (await sql('SELECT count(*) FROM reset_links')) === '1');
    assert.equal((await open().post('/api/v1/activation', { link, password: keep('a password by link', 'nine badgers in line') })).status, 201);
}

async function rotateKeys() {
    const keepKeys = () => {
        const all = (folder) => readdirSync(place.path(folder)).map((name) => `${folder}/${name}`);
        for (const file of ['keys/session.pem', 'keys/codes.key', 'keys/signer.key', ...all('keys/sessions'), ...all('keys/edges')]) {
            for (const line of place.read(file).split('\n')) if (line.length >= 8 && !line.startsWith('-----')) keep(file, line);
        }
    };
    await mustFirstbell(place, ['keys', 'rotate']);
    await mustFirstbell(place, ['edge-key', 'new', 'edge-1']);
    await mustFirstbell(place, ['sign-key', 'new', place.path('keys/signer.key')]);
    await mustFirstbell(place, ['sign', '--key', place.path('keys/signer.key'), '/a/b.ts']);
    keepKeys();
    assert.match(await mustFirstbell(place, ['keys', 'rotate']), /was told to take the keys/);
    keepKeys();
    await waitFor('the api after the rotation', async () => (await open().get('/sign-in')).status === 200);
}

const logs = () => readdirSync(place.path('log')).map((name) => ({ name: `log/${name}`, text: place.read(`log/${name}`) }));
const holding = (text) => [...logs(), { name: 'a process', text: watch.text() }].filter((where) => where.text.includes(text)).map(({ name }) => name);

test('a day leaves no secret in a log, a command line or an environment', async () => {
    await signInAndOut();
    await activateByCode();
    await resetByMail();
    await rotateKeys();
    await mustFirstbell(place, ['user', 'passwd', '--tenant', 'demo', 'student.demo'], { input: keep('a password by command', 'ten ravens in rain') });
    await waitFor('the last request to be logged', () => holding('"/api/v1/activation"').length >= 2);

    // What is looked for would be found.
    assert.deepEqual(holding('/api/v1/sessions').sort(), ['log/access.log', 'log/edge-access.log']);
    assert.deepEqual(holding('user passwd --tenant demo student.demo'), ['a process']);
    assert.ok(holding('HOME=/nonexistent').includes('a process'), 'environments were read');
    assert.ok(secrets.size > 40, `only ${secrets.size} secrets`);

    const spellings = (value) => [value, encodeURIComponent(value), value.replaceAll(' ', '+')];
    const found = [...secrets].flatMap(([what, value]) => spellings(value).flatMap(holding).map((where) => `${what} in ${where}`));
    assert.deepEqual([...new Set(found)], []);
    assert.deepEqual(holding('$argon2id$'), [], 'a hash of a password');
});
