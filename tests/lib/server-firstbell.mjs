// The program under test: its settings, its commands, its api and its jobs.

import { spawnSync } from 'node:child_process';
import { createPublicKey, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { app, fill } from './app.mjs';
import { Client } from './client.mjs';
import { ensureEdgeKey } from './edge-context.mjs';
import { run } from './run.mjs';
import { waitFor } from './wait.mjs';

/** Writes firstbell.conf as auto/up does, with two workers, without a Redis; `settings` replaces or adds settings. Gives its path. */
export function writeSettings(place, { settings = {}, name = 'conf/firstbell.conf' } = {}) {
    makeKey(place, 'session.pem', ['EC', '-pkeyopt', 'ec_paramgen_curve:P-256']);
    if (!existsSync(place.path('keys/sessions.pub.pem'))) place.write('keys/sessions.pub.pem', createPublicKey(place.read('keys/session.pem')).export({ type: 'spki', format: 'pem' }));
    makeKey(place, 'directory.pem', ['ed25519']);
    putDirectoryKey(place);
    ensureEdgeKey(place);
    if (!existsSync(place.path('keys/codes.key'))) place.write('keys/codes.key', `${randomBytes(32).toString('hex')}\n`, 0o600);
    const template = readFileSync(path.join(app(), 'conf/firstbell/firstbell.conf.in'), 'utf8');
    const text = fill(template, { STATE: place.dir, APP: app(), SOCK: place.path('sock'), PORT: 443 });
    place.folder('media');
    return place.write(name, replaceSettings(text, { workers: 2, redis: '-', directory_snapshot_interval_s: 60, ...settings }));
}

function replaceSettings(text, settings) {
    const kept = text.split('\n').filter((line) => !(line.split('=')[0].trim() in settings));
    return [...kept, ...Object.entries(settings).map(([key, value]) => `${key} = ${value}`), ''].join('\n');
}

function makeKey(place, name, algorithm) {
    if (existsSync(place.path('keys', name))) return;
    const key = spawnSync('openssl', ['genpkey', '-algorithm', ...algorithm], { encoding: 'utf8' });
    place.write(`keys/${name}`, key.stdout, 0o600);
}

/** The public half, for the edge. */
function putDirectoryKey(place) {
    if (existsSync(place.path('keys/directory.pub.pem'))) return;
    const key = createPublicKey(readFileSync(place.path('keys/directory.pem')));
    place.write('keys/directory.pub.pem', key.export({ type: 'spki', format: 'pem' }));
}

/** Runs a command of `firstbell` with the place's settings: {code, stdout, stderr}. */
export function firstbell(place, args, { input, seconds = 120, conf = place.path('conf/firstbell.conf') } = {}) {
    return run([path.join(app(), 'bin/firstbell'), '-c', conf, ...args], { cwd: place.dir, input, seconds });
}

/** The same, but failing is an error. Gives standard output. */
export async function mustFirstbell(place, args, options) {
    const result = await firstbell(place, args, options);
    if (result.code !== 0) throw new Error(`firstbell ${args.join(' ')}: exit code ${result.code ?? result.signal}\n${result.stderr}`);
    return result.stdout;
}

/** Starts `firstbell api` and waits until it is ready. Gives {program, client, socketPath}; client speaks to it as the edge would, for tenant 1.
 *  Options: build (of the program, see app.mjs), under (a command before it, such as prlimit); name and port of an api that listens on 127.0.0.1. */
export async function startApi(place, { conf = place.path('conf/firstbell.conf'), tenant = 1, build, under = [], name = 'api', port } = {}) {
    const program = place.start(name, [...under, path.join(app(build), 'bin/firstbell'), '-c', conf, 'api']);
    const socketPath = place.path('sock/api.sock');
    await waitFor('the api to answer /readyz', async () => {
        place.assertRunning(program);
        const probe = new Client(port ? { port } : { socketPath });
        const reply = await probe.get('/readyz', { seconds: 2 }).finally(() => probe.close());
        return reply.status === 200;
    });
    return { program, socketPath, client: originClient(socketPath, tenant) };
}

/** A client that speaks to the origin as an edge does; `edge` has further parts of the context (key, subject, time, …). */
export function originClient(socketPath, tenant, edge = {}) {
    return new Client({ socketPath, edge: { tenant, ...edge } });
}

/** Starts `firstbell jobs` and waits for the first snapshot of the tenant directory. */
export async function startJobs(place, { conf = place.path('conf/firstbell.conf') } = {}) {
    const program = place.start('jobs', [path.join(app(), 'bin/firstbell'), '-c', conf, 'jobs']);
    await waitFor('the jobs to publish the tenant directory', () => {
        place.assertRunning(program);
        return existsSync(place.path('directory.snapshot'));
    });
    return { program };
}
