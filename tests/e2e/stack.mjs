// The whole of Firstbell for a browser: edge with its real configuration, origin, jobs, PostgreSQL, a small district and the demo course with its media.

import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';

import { app, cache, fill } from '../lib/app.mjs';
import { freePort } from '../lib/place.mjs';
import { mustFirstbell, startApi, startJobs, writeSettings } from '../lib/server-firstbell.mjs';
import { http2Words, makeCertificate, startNginx } from '../lib/server-nginx.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';

export const password = 'correct horse battery';
const LOGINS = ['student.demo', 'teacher.demo', 'operator.demo'];

/** Starts everything in the place; `settings` are firstbell's, `edit` changes the edge's configuration. Gives {origin, spki, certificate, postgres, api, stopApi, startApi, ids}: origin is the
 *  address for the browser. */
export async function openStack(place, { settings = {}, edit } = {}) {
    const postgres = await startPostgres(place);
    const port = await freePort();
    writeSettings(place, { settings: { public_port: port, ...settings } });
    await fillDistrict(place);
    const stack = { postgres, api: await startApi(place) };
    await startJobs(place);
    Object.assign(stack, await startEdge(place, port, edit));
    stack.stopApi = () => place.stopProgram(stack.api.program);
    stack.startApi = async () => (stack.api = await startApi(place));
    stack.ids = await demoIds(postgres);
    return stack;
}

async function fillDistrict(place) {
    const zip = place.path('district.zip');
    const add = (...args) => mustFirstbell(place, args);
    execFileSync(path.join(app(), 'bin/district'), ['--schools', '1', '--students', '120', '--seed', '7', '--out', zip]);
    execFileSync('chmod', ['a+r', zip]);
    await add('tenant', 'add', 'demo', '--title', 'Demo District', '--host', 'demo.localhost');
    await add('roster', 'import', '--tenant', 'demo', zip);
    await add('course', 'import', '--tenant', 'demo', '--course', 'course-demo', demoCourse());
    await add('user', 'add', '--tenant', 'demo', '--username', 'operator.demo', '--role', 'operator', '--given', 'Robin', '--family', 'Keeper');
    for (const login of LOGINS) await mustFirstbell(place, ['user', 'passwd', '--tenant', 'demo', login], { input: password });
}

/** The demo course with its media, made once a machine (about half a minute) and again when it has changed. */
export function demoCourse() {
    const folder = path.join(cache, 'demo-course');
    execFileSync('flock', [`${folder}.lock`, path.join(app(), 'demo/make-media'), folder], { stdio: ['ignore', 'ignore', 'inherit'] });
    return folder;
}

/** nginx with conf/nginx/edge.conf.in, on a free port of 127.0.0.1 or the one given; `hosts` are named by its
 *  certificate, `level` is that of its log. Gives {origin, spki, certificate, port, ca, restart}; restart()
 *  starts it again on its port. */
export async function startEdge(place, port, edit = (conf) => conf, { hosts, level = 'notice' } = {}) {
    port ??= await freePort();
    symlinkSync(app(), place.path('app'));
    const made = makeCertificate(place, hosts);
    const values = { MODULES: path.join(app(), 'modules'), STATE: place.dir, SOCK: place.path('sock'), PORT: `127.0.0.1:${port}`, WORKERS: 1, HTTP2: http2Words() };
    const template = fill(readFileSync(path.join(app(), 'conf/nginx/edge.conf.in'), 'utf8'), values);
    const conf = edit(template.replace(/^(daemon|pid|error_log) .*\n/gm, '')); // the harness says these itself
    const restart = () => {
        rmSync(place.path('sock/edge-status.sock'), { force: true }); // as auto/up does: a master that was killed leaves it behind
        return startNginx(place, { conf, port, level, name: 'edge' });
    };
    const { program } = await restart();
    return { origin: `https://demo.localhost:${port}`, spki: publicKeyHash(made.certificate), certificate: made, port, ca: made.ca, program, restart };
}

/** The SHA-256 of the certificate's public key, by which Chromium is told to trust it and no other. */
function publicKeyHash(certificate) {
    const key = execFileSync('openssl', ['x509', '-in', certificate, '-noout', '-pubkey']);
    const der = execFileSync('openssl', ['pkey', '-pubin', '-outform', 'DER'], { input: key });
    return execFileSync('openssl', ['dgst', '-sha256', '-binary'], { input: der }).toString('base64');
}

async function demoIds(postgres) {
    const number = async (sql) => Number(await postgres.sql('postgres', sql));
    return {
        course: await number("SELECT id FROM courses WHERE tenant_id = 1 AND sourced_id = 'course-demo'"),
        lesson: await number("SELECT id FROM lessons WHERE tenant_id = 1 AND key = 'water-cycle'"),
        secondLesson: await number("SELECT id FROM lessons WHERE tenant_id = 1 AND key = 'where-water-is'"),
        lockedLesson: await number("SELECT id FROM lessons WHERE tenant_id = 1 AND key = 'clouds-and-fronts'"),
        video: await number("SELECT id FROM items WHERE tenant_id = 1 AND key = 'water-cycle-video'"),
    };
}
