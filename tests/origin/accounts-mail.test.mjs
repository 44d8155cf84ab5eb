// Mails about forgotten passwords: what is asked, what a real SMTP server gets, and what becomes of a relay that is away.

import assert from 'node:assert/strict';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';

import { app } from '../lib/app.mjs';
import { freePort, newPlace } from '../lib/place.mjs';
import { firstbell, mustFirstbell, originClient, startApi, writeSettings } from '../lib/server-firstbell.mjs';
import { makeCertificate } from '../lib/server-nginx.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';
import { startSmtp } from '../lib/server-smtp.mjs';
import { waitFor } from '../lib/wait.mjs';

const fresh = 'seven otters under glass';

let place;
let postgres;
let api;
let mailbox;
let tls;
let port;

const sql = (text) => postgres.sql('postgres', text);
const rows = (text) => postgres.rows('postgres', text);
const stranger = (host = 'one.example') => {
    const client = originClient(api.socketPath, 1);
    client.hostHeader = host;
    return client;
};
const ask = (who, client = stranger()) => client.post('/api/v1/reset-links', { who });
const queued = () => rows("SELECT payload, state, attempts, last_error FROM queue WHERE kind = 'mail.reset' ORDER BY id");

/** One pass of the queue worker, with settings of its own. */
function work(settings = {}) {
    const conf = writeSettings(place, { settings: { ...relay(), error_log: '-', ...settings }, name: 'conf/jobs.conf' });
    return firstbell(place, ['jobs', '--once'], { conf });
}

const relay = () => ({ smtp_url: `smtp+plain://127.0.0.1:${port}`, smtp_from: 'bell@example.org', smtp_timeout_ms: 5000 });
const open = async (options = {}) => (mailbox = await startSmtp({ port, ...tls, ...options }));

async function person(username, email, { role = 7, given = 'Ana', family = 'Lopez' } = {}) {
    const text = (value) => (value === null ? 'NULL' : `'${value.replaceAll("'", "''")}'`);
    return Number(await sql(`INSERT INTO users (tenant_id, sourced_id, role, username, given_name, family_name, email)
        VALUES (1, '${username}', ${role}, '${username}', ${text(given)}, ${text(family)}, ${text(email)}) RETURNING id`));
}

before(async () => {
    place = newPlace();
    port = await freePort();
    postgres = await startPostgres(place);
    const { key, certificate, caFile } = makeCertificate(place, ['localhost', '127.0.0.1']);
    tls = { key, certificate, caFile };
    writeSettings(place, { settings: relay() });
    await mustFirstbell(place, ['tenant', 'add', 'one', '--title', 'Ürün Bölgesi 学区', '--host', 'one.example', '--host', 'two.example']);
    api = await startApi(place);
});
after(() => place.stop());
beforeEach(() => sql('DELETE FROM queue; DELETE FROM reset_links; DELETE FROM account_events; DELETE FROM throttle_buckets; DELETE FROM sessions; DELETE FROM account_sources; DELETE FROM accounts; DELETE FROM users'));
afterEach(async () => {
    await mailbox?.close();
    mailbox = undefined;
});

describe('asking', () => {
    test('is answered alike for a name, an address, and nobody, and puts one job each', async () => {
        const id = await person('ana.lopez', 'ana@example.org');
        const plain = ({ status, text, headers }) => [status, text, Object.keys(headers).sort()];
        const nobody = await ask('nobody');
        assert.deepEqual(plain(await ask('Ana.Lopez')), plain(nobody));
        assert.deepEqual(plain(await ask('ANA@Example.org')), plain(nobody));
        assert.equal(nobody.status, 202);
        assert.deepEqual((await queued()).map(({ payload }) => payload), [{ host: 'one.example', user_id: 0 }, { host: 'one.example', user_id: id }]);
    });

    test('a foreign Host never gets into a mail', async () => {
        await person('ana.lopez', 'ana@example.org');
        await ask('ana.lopez', stranger('evil.example'));
        assert.equal((await queued())[0].payload.host, 'one.example');
        await sql('DELETE FROM queue');
        await ask('ana.lopez', stranger('TWO.example:8443'));
        assert.equal((await queued())[0].payload.host, 'two.example');
    });

    test('is for people with an address who may sign in, and not for operators', async () => {
        await person('no.mail', null);
        await person('op', 'op@example.org', { role: 20 });
        await person('gone', 'gone@example.org');
        await sql("UPDATE users SET enabled = false WHERE username = 'gone'");
        for (const who of ['no.mail', 'op', 'gone', 'op@example.org']) assert.equal((await ask(who)).status, 202);
        assert.deepEqual((await queued()).map(({ payload }) => payload.user_id), [0]);
    });

    test('again and again is refused with a time to wait', async () => {
        let last;
        for (let i = 0; i < 10 && last?.status !== 429; i++) last = await ask('ana.lopez');
        assert.equal(last.status, 429);
        assert.ok(Number(last.headers['retry-after']) >= 1);
    });

    test('what is not text, too long or empty is refused', async () => {
        for (const who of [1, null, '', ' ', 'x'.repeat(300)]) assert.equal((await ask(who)).status, 422);
    });

    test('without a relay is not there, and the pages are told so', async () => {
        const rules = await stranger().get('/api/v1/account-rules');
        assert.deepEqual(rules.json, { mail: true, password_min_length: 8 });
        const folder = place.folder('plain');
        const conf = writeSettings(place, { settings: { listen: `unix:${folder}/api.sock`, pid_file: `${folder}/api.pid`, workers: 1 }, name: 'conf/plain.conf' });
        const program = place.start('plain', [path.join(app(), 'bin/firstbell'), '-c', conf, 'api']);
        const client = originClient(`${folder}/api.sock`, 1);
        await waitFor('the api without a relay', async () => (await client.get('/readyz')).status === 200);
        assert.equal((await client.get('/api/v1/account-rules')).json.mail, false);
        const refused = await client.post('/api/v1/reset-links', { who: 'ana.lopez' });
        assert.equal(refused.status, 404);
        assert.match(refused.json.detail, /Ask your teacher/);
        client.close();
        await place.stopProgram(program);
    });
});

describe('a mail', () => {
    test('is plain UTF-8 text with a link that works once, and ends all sessions', async () => {
        await open();
        const id = await person('ana.lopez', 'ana@example.org', { given: 'Zoë', family: 'Łukasiewicz' });
        await mustFirstbell(place, ['user', 'passwd', '--tenant', 'one', 'ana.lopez'], { input: 'an old long password' });
        const before_ = stranger();
        await before_.signIn('ana.lopez', 'an old long password');
        await ask('ana.lopez');
        assert.equal((await work()).code, 0);
        const mail = await mailbox.waitForMail();
        assert.deepEqual([mail.envelope.mailFrom.address, mail.envelope.rcptTo.map(({ address }) => address)], ['bell@example.org', ['ana@example.org']]);
        assert.deepEqual([mail.from.value[0].name, mail.from.value[0].address, mail.to.text], ['Ürün Bölgesi 学区', 'bell@example.org', 'ana@example.org']);
        assert.equal(mail.subject, 'Your new password');
        assert.equal(mail.headers.get('auto-submitted'), 'auto-generated');
        assert.deepEqual([mail.html, mail.attachments.length], [false, 0]);
        assert.match(mail.text, /^Hello Zoë Łukasiewicz,\n[^]*ana\.lopez[^]*at Ürün Bölgesi 学区\.[^]*within 60 minutes/);
        for (const line of mail.raw.split('\r\n')) assert.ok(line.length <= 78 && /^[\x20-\x7e]*$/.test(line), line);
        const [, link] = mail.text.match(/https:\/\/one\.example\/reset#([\w-]{43})\n/);
        assert.ok(!(await sql('SELECT l FROM reset_links l')).includes(link), 'the token is stored hashed');
        assert.ok(!(await sql('SELECT q FROM queue q')).includes(link));
        assert.equal((await before_.get('/api/v1/me')).status, 200, 'the old password is good until the link is used');

        const asked = await stranger().post('/api/v1/activation/person', { link });
        assert.deepEqual([asked.json.given_name, asked.json.family_initial, asked.json.username], ['Zoë', 'Ł', 'ana.lopez']);
        assert.equal((await stranger().post('/api/v1/activation', { link, password: fresh })).status, 201);
        assert.equal((await before_.get('/api/v1/me')).status, 401);
        assert.equal((await stranger().post('/api/v1/activation', { link, password: fresh })).status, 403);
        await stranger().signIn('ana.lopez', fresh);
        assert.deepEqual(await rows('SELECT action, user_id FROM account_events ORDER BY id'), [{ action: 5, user_id: id }, { action: 6, user_id: id }]);
    });

    test('carries a link that a new password makes void, from the command line and from my account', async () => {
        await open();
        await person('ana.lopez', 'ana@example.org');
        const passwd = (input) => mustFirstbell(place, ['user', 'passwd', '--tenant', 'one', 'ana.lopez'], { input });
        const link = async (n) => {
            await ask('ana.lopez');
            await work();
            return (await mailbox.waitForMail(n)).text.match(/reset#(\S+)/)[1];
        };
        const status = async (text) => (await stranger().post('/api/v1/activation', { link: text, password: fresh })).status;
        const first = await link(1);
        await passwd('an old long password');
        assert.equal(await status(first), 403);
        const second = await link(2);
        const client = stranger();
        await client.signIn('ana.lopez', 'an old long password');
        const change = { old: 'an old long password', new: 'another long password' };
        assert.ok((await client.put('/api/v1/me/password', change)).status < 300);
        assert.equal(await status(second), 403);
        await stranger().signIn('ana.lopez', 'another long password');
    });

    test('carries a link that ends after its time, and a newer one makes the older void', async () => {
        await open();
        await person('ana.lopez', 'ana@example.org');
        const next = async (n) => {
            await sql("UPDATE reset_links SET created_at = created_at - interval '3 min'");
            await ask('ana.lopez');
            await work({ reset_link_ttl_s: 600 });
            const { text } = await mailbox.waitForMail(n);
            assert.match(text, /within 10 minutes/);
            return text.match(/reset#(\S+)/)[1];
        };
        const [first, second] = [await next(1), await next(2)];
        const status = async (link) => (await stranger().post('/api/v1/activation/person', { link })).status;
        assert.deepEqual([await status(first), await status(second)], [403, 200]);
        assert.equal(await sql("SELECT expires_at BETWEEN now() + interval '5 min' AND now() + interval '10 min' FROM reset_links"), 't');
        await sql("UPDATE reset_links SET expires_at = now() - interval '1 s'");
        assert.equal(await status(second), 403);
    });

    test('comes once when it is asked for twice in a row', async () => {
        await open();
        await person('ana.lopez', 'ana@example.org');
        await ask('ana.lopez');
        await work();
        await ask('ana@example.org');
        await work();
        assert.equal(mailbox.mails.length, 1);
        assert.deepEqual(await queued(), []);
    });

    test('cannot be made to say more: line breaks and commands in names and addresses', async () => {
        await open();
        const evil = 'Ana\r\nBcc: victim@example.org\r\n\r\n.\r\nRCPT TO:<victim@example.org>';
        await person('ana.lopez', 'ana@example.org', { given: evil, family: '=?utf-8?B?eA==?=' });
        await person('eve', 'eve@example.org\r\nRCPT TO:<victim@example.org>');
        await person('dash', '-oX@example.org');
        await sql("UPDATE tenants SET title = E'A\\r\\nBcc: victim@example.org' WHERE id = 1");
        try {
            for (const who of ['ana.lopez', 'eve', 'dash']) await ask(who);
            const { stderr } = await work();
            const mail = await mailbox.waitForMail();
            assert.equal(mailbox.mails.length, 1);
            assert.deepEqual(mail.envelope.rcptTo.map(({ address }) => address), ['ana@example.org']);
            assert.equal(mail.headers.has('bcc'), false);
            assert.equal(mail.raw.match(/^From: /gm).length, 1);
            assert.ok(mail.text.includes('Ana  Bcc: victim@example.org'));
            assert.equal(stderr.match(/has no mail address that can be used/g).length, 2);
            assert.doesNotMatch(stderr, /@/);
        } finally {
            await sql("UPDATE tenants SET title = 'Ürün Bölgesi 学区' WHERE id = 1");
        }
    });
});

describe('the relay', () => {
    beforeEach(() => person('ana.lopez', 'ana@example.org').then(() => ask('ana.lopez')));

    for (const [kind, scheme] of [['starttls', 'smtp'], ['implicit', 'smtps']]) {
        test(`is spoken to over TLS (${scheme}://), with a user name, when its certificate is one of the authority's`, async () => {
            await open({ tls: kind, login: { user: 'bell', pass: 'a relay password' } });
            const secure = { smtp_url: `${scheme}://localhost:${port}`, smtp_user: 'bell', smtp_password_file: place.write('keys/smtp', 'a relay password\n', 0o600) };
            const distrusted = await work(secure);
            assert.equal(distrusted.code, 1);
            assert.match(distrusted.stderr, /could not be handed to the relay: SSL peer certificate/);
            assert.equal(mailbox.mails.length, 0);
            await sql('UPDATE queue SET run_at = now()');
            assert.equal((await work({ ...secure, smtp_ca_file: tls.caFile })).code, 0);
            assert.equal((await mailbox.waitForMail()).secure, true);
        });
    }

    test('without TLS gets nothing when TLS was asked for', async () => {
        await open();
        assert.equal((await work({ smtp_url: `smtp://127.0.0.1:${port}` })).code, 1);
        assert.equal(mailbox.mails.length, 0);
    });

    test('that is away and comes back gets the mail, once; neither the log nor the queue tells the address or the link', async () => {
        const down = await work();
        assert.equal(down.code, 1);
        assert.match(down.stderr, /mail\.reset, attempt 1 of 12: the mail could not be handed to the relay: .+ \(7\),/); // libcurl's CURLE_COULDNT_CONNECT, whose words change
        assert.doesNotMatch(down.stderr, /ana@|reset#/);
        const [waiting] = await queued();
        assert.deepEqual([waiting.state, waiting.attempts], [0, 1]);
        assert.equal((await rows('SELECT * FROM reset_links')).length, 0, 'what was not sent is not stored');
        await open();
        await sql('UPDATE queue SET run_at = now()');
        assert.equal((await work()).code, 0);
        await work();
        assert.equal(mailbox.mails.length, 1);
        const [, link] = mailbox.mails[0].text.match(/reset#(\S+)/);
        assert.equal((await stranger().post('/api/v1/activation/person', { link })).status, 200);
    });

    test('that puts a mail off is tried again, one that refuses it for good is not', async () => {
        const answer = (code, text) => Object.assign(new Error(text), { responseCode: code });
        await open({ refuse: (stage) => (stage === 'rcpt' ? answer(451, 'later') : undefined) });
        assert.equal((await work()).code, 1);
        assert.equal((await queued())[0].attempts, 1);
        mailbox.refuse = (stage) => (stage === 'rcpt' ? answer(550, 'no such person') : undefined);
        await sql('UPDATE queue SET run_at = now()');
        const { code, stderr } = await work();
        assert.equal(code, 0, stderr);
        assert.match(stderr, /refuses the mail to user \d+ for good/);
        assert.deepEqual(await queued(), []);
    });

    test('that is silent is left after a bounded time', async () => {
        const { createServer } = await import('node:net');
        const silent = createServer(() => {});
        await new Promise((resolve) => silent.listen(port, '127.0.0.1', resolve));
        const sockets = [];
        silent.on('connection', (socket) => sockets.push(socket));
        const { code, stderr } = await work({ smtp_timeout_ms: 300 });
        sockets.forEach((socket) => socket.destroy());
        await new Promise((resolve) => silent.close(resolve));
        assert.equal(code, 1);
        assert.match(stderr, /could not be handed to the relay: Timeout/);
    });
});

describe('settings that do not fit together', () => {
    const cases = {
        'a relay without a sender': [{ smtp_url: 'smtps://relay.example' }, /smtp_url needs smtp_from/],
        'a user name without a password': [{ smtp_user: 'bell' }, /smtp_user and smtp_password_file go together/],
        'a password in the clear': [{ smtp_url: 'smtp+plain://127.0.0.1', smtp_from: 'a@b', smtp_user: 'bell', smtp_password_file: '/nonexistent' }, /smtp_user needs a relay with TLS/],
        'a sender that is no address': [{ smtp_from: 'Bell <bell@example.org>' }, /expected an address like/],
        'another scheme': [{ smtp_url: 'http://relay.example' }, /expected smtps:/],
        'a path': [{ smtp_url: 'smtp://relay.example/x' }, /expected smtps:/],
        'a port that is none': [{ smtp_url: 'smtp://relay.example:99999' }, /expected smtps:/],
    };
    for (const [what, [settings, sentence]] of Object.entries(cases)) {
        test(what, async () => {
            const conf = writeSettings(place, { settings, name: 'conf/odd.conf' });
            const { code, stderr } = await firstbell(place, ['jobs', '--once'], { conf });
            assert.notEqual(code, 0);
            assert.match(stderr, sentence);
        });
    }
});
