// A real SMTP server for mails that Firstbell hands over: npm smtp-server, with the mails read by mailparser.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

import { checkout } from './app.mjs';
import { freePort } from './place.mjs';
import { waitFor } from './wait.mjs';

const require = createRequire(path.join(checkout, 'tests/package.json'));
const { SMTPServer } = require('smtp-server');
const { simpleParser } = require('mailparser');

/** Starts one on a port of 127.0.0.1. Options: port; tls: 'none' | 'starttls' | 'implicit' with {key, certificate} (paths); login: {user, pass};
 *  refuse: (stage, address) => an Error or nothing, for 'rcpt' and 'data'. Gives {port, mails, refuse, close, waitForMail}. */
export async function startSmtp({ port, tls = 'none', key, certificate, login, refuse = () => undefined } = {}) {
    const mails = [];
    const box = { mails, refuse, connections: 0, port: port ?? (await freePort()) };
    const server = new SMTPServer({
        secure: tls === 'implicit',
        ...(tls === 'none' ? { hideSTARTTLS: true } : { key: readFileSync(key), cert: readFileSync(certificate) }),
        authOptional: !login,
        disabledCommands: login ? [] : ['AUTH'],
        disableReverseLookup: true,
        logger: false,
        onConnect: (session, done) => { box.connections++; done(); },
        onAuth: (auth, session, done) => (auth.username === login?.user && auth.password === login?.pass ? done(null, { user: auth.username }) : done(new Error('no'))),
        onRcptTo: (address, session, done) => done(box.refuse('rcpt', address.address)),
        onData: (stream, session, done) => {
            const parts = [];
            stream.on('data', (bytes) => parts.push(bytes));
            stream.on('end', async () => {
                const raw = Buffer.concat(parts);
                const error = box.refuse('data');
                if (!error) mails.push({ raw: raw.toString(), envelope: session.envelope, secure: session.secure, ...(await parse(raw)) });
                done(error);
            });
        },
    });
    server.on('error', () => {}); // a client that goes away is no matter of the test
    await new Promise((resolve, reject) => {
        server.server.once('error', reject);
        server.listen(box.port, '127.0.0.1', resolve);
    });
    box.close = () => new Promise((resolve) => server.close(resolve));
    box.waitForMail = (n = 1) => waitFor(`mail ${n}`, () => mails.length >= n && mails[n - 1], 30);
    return box;
}

async function parse(raw) {
    const { from, to, subject, text, html, headers, attachments } = await simpleParser(raw);
    return { from, to, subject, text, html, headers, attachments };
}
