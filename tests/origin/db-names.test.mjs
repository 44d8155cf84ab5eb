// PostgreSQL by the name of its host: a resolver that hangs never stops the loop, and a name that comes to lead elsewhere is followed without a
// restart. The program has a hosts file of its own, and a resolv.conf that may be a pipe: the system's resolver waits for whoever writes to it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, writeFileSync, writeSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { app } from '../lib/app.mjs';
import { Client } from '../lib/client.mjs';
import { freePort, newPlace } from '../lib/place.mjs';
import { whyNoFiles } from '../lib/run.mjs';
import { writeSettings } from '../lib/server-firstbell.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';
import { waitFor } from '../lib/wait.mjs';

const NAME = 'db.school.test';
const HERE = '127.0.0.3'; // where PostgreSQL is
const NOBODY = 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n'; // nobody answers there
const skip = whyNoFiles();
const place = newPlace();
let port;

before(async () => {
    if (skip) return;
    port = await freePort();
    const hba = place.write('conf/pg_hba.conf', 'local all all peer map=firstbell\nhost all fb_app 127.0.0.0/8 trust\n');
    await startPostgres(place, { settings: `listen_addresses = '${HERE}'\nport = ${port}\nhba_file = '${hba}'` });
    const database = `host=${NAME} port=${port} dbname=firstbell`;
    writeSettings(place, { settings: { workers: 1, db_connections: 2, db_heavy_connections: 1, database } });
    place.write('resolv.conf', NOBODY);
    execFileSync('mkfifo', ['-m', '644', place.path('pipe')]);
});
after(() => place.stop());

/** From now on the program's hosts file says so. */
const lead = (...addresses) => writeFileSync(place.path('hosts'), addresses.map((address) => `${address} ${NAME}\n`).join(''), { mode: 0o644 });
const logged = (pattern) => waitFor(`a line of the log like ${pattern}`, () => pattern.test(place.read('log/error.log')), 60);

/** Writes resolv.conf for the resolver that waits for it, when one does. */
function answer() {
    try {
        const pipe = openSync(place.path('pipe'), constants.O_WRONLY | constants.O_NONBLOCK);
        writeSync(pipe, NOBODY);
        closeSync(pipe);
    } catch (error) {
        if (error.code !== 'ENXIO') throw error;
    }
}

/** The api, and what its /readyz and /healthz are. */
async function withApi(resolvConf, use) {
    place.write('log/error.log', '');
    const files = { '/etc/hosts': place.path('hosts'), '/etc/resolv.conf': place.path(resolvConf) };
    const program = place.start('api', [path.join(app(), 'bin/firstbell'), '-c', place.path('conf/firstbell.conf'), 'api'], { files });
    const client = new Client({ socketPath: place.path('sock/api.sock') });
    const status = async (target) => (await client.get(target, { seconds: 5 })).status;
    const readiness = (expected) => waitFor(`/readyz to be ${expected}`, async () => {
        place.assertRunning(program);
        return (await status('/readyz')) === expected;
    }, 60);
    try {
        await use({ status, readiness });
    } finally {
        client.close();
        assert.deepEqual(await place.stopProgram(program), [0, null]);
    }
}

test('a resolver that hangs: requests are answered all the while, and its late answer is used', { skip }, async () => {
    lead(HERE);
    await withApi('pipe', async ({ status, readiness }) => {
        await readiness(503);
        await logged(/database connection lost \(fast lane\): the host's name could not be looked up in time; trying again/);
        assert.equal(await status('/healthz'), 200, 'the loop turns');
        await waitFor('the late answer to be used', async () => {
            answer();
            return (await status('/readyz')) === 200;
        }, 60);
    });
});

test('a stop while a name is being looked up does not wait for the resolver', { skip }, () =>
    withApi('pipe', ({ readiness }) => readiness(503)));

test('a name that comes to lead to another address is followed', { skip }, async () => {
    lead('127.0.0.9');
    await withApi('resolv.conf', async ({ readiness }) => {
        await readiness(503);
        await logged(/connection to server at "127\.0\.0\.9", port \d+ failed: Connection refused/);
        lead(HERE);
        await readiness(200);
    });
});

test('a name that nobody knows is said, and used as soon as it is known', { skip }, async () => {
    lead();
    await withApi('resolv.conf', async ({ readiness }) => {
        await readiness(503);
        await logged(/the host name "db\.school\.test" cannot be looked up: /);
        lead(HERE);
        await readiness(200);
    });
});

test('of several addresses one that takes connections and says nothing is passed over', { skip }, async () => {
    const taken = [];
    const mute = net.createServer((socket) => taken.push(socket.on('error', () => {}))).listen(port, '127.0.0.1');
    lead(HERE, '127.0.0.1'); // the resolver gives the nearer address first
    await withApi('resolv.conf', ({ readiness }) => readiness(200));
    assert.ok(taken.length > 0, 'it was tried');
    taken.forEach((socket) => socket.destroy());
    mute.close();
});
