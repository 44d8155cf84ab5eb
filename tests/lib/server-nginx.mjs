// nginx with the modules under test, and the certificates that it needs.

import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { app, nginxProgram } from './app.mjs';
import { canConnect } from './client.mjs';
import { children, environment, run } from './run.mjs';
import { waitFor } from './wait.mjs';

/** The module's file, for load_module; `modules` as for app(). */
export function modulePath(name = 'ngx_http_bell_core_module', modules) {
    return path.join(app(undefined, modules), 'modules', `${name}.so`);
}

/** Starts nginx with a whole configuration as text. It must listen on `port` (127.0.0.1), say nothing about "daemon", "pid" and the error log:
 *  they are given here (errors go to log/nginx.error.log at level `level`). `modules` names another build whose nginx it is, as for app(); `under` is a
 *  command before it. Gives {program, port, reload, log}. */
export async function startNginx(place, { conf, port, level = 'info', name = 'nginx', modules, under = [] }) {
    const { file, argv } = writeNginx(place, { conf, level, name, modules });
    const program = place.start(name, [...under, ...argv], { stopSignal: 'SIGQUIT' });
    const errors = `log/${name}.error.log`;
    await waitFor('nginx to listen', () => {
        place.assertRunning(program);
        return canConnect(port);
    });
    // It listens before it heeds signals; with its workers it does.
    if (!/master_process\s+off/.test(conf)) await waitFor('the workers of nginx', () => children(program.child.pid).length > 0);
    return { program, port, file, log: () => place.read(errors), reload: () => program.child.kill('SIGHUP') };
}

/** What turns HTTP/2 on in conf/nginx/edge.conf.in (its HTTP2), by the version of nginx. */
export function http2Words(modules) {
    const [, major, minor, patch] = /nginx\/(\d+)\.(\d+)\.(\d+)/.exec(spawnSync(nginxProgram(modules), ['-v'], { encoding: 'utf8' }).stderr).map(Number);
    return (major - 1) * 1e6 + minor * 1e3 + patch >= 25_001 ? '; http2 on' : ' http2';
}

/** Environment for `nginx -t`, which ends without giving anything back; what a server loses is seen when it ends. */
export const noLeaks = { ASAN_OPTIONS: `${environment.ASAN_OPTIONS}:detect_leaks=0` };

/** `nginx -t` with that configuration: {code, stdout, stderr}. */
export function testNginx(place, { conf, level = 'info', name = 'nginx-t', modules, env }) {
    const { argv } = writeNginx(place, { conf, level, name, modules });
    return run([...argv, '-t'], { cwd: place.dir, env: { ...noLeaks, ...env } });
}

function writeNginx(place, { conf, level, name, modules }) {
    const errors = place.path('log', `${name}.error.log`);
    // A binary upgrade hands on only the environment that is named.
    const head = `env ASAN_OPTIONS;\nenv LSAN_OPTIONS;\nenv UBSAN_OPTIONS;\ndaemon off;\npid ${place.path('pid', `${name}.pid`)};\nerror_log ${errors} ${level};\n`;
    const file = place.write(`conf/${name}.conf`, head + conf);
    return { file, argv: [nginxProgram(modules), '-p', `${place.dir}/`, '-c', file, '-e', errors] };
}

/** Lines for the http block: the distribution's folders for temporary files are not ours to write. */
export function tempPaths(place) {
    const folder = place.folder('tmp');
    const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    return kinds.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join('\n');
}

/** A certificate authority and a certificate for `names` (host names and addresses), in a folder of the place. Gives paths and the CA as PEM. */
export function makeCertificate(place, names = ['demo.localhost', 'localhost', '127.0.0.1'], folder = 'tls') {
    const dir = place.folder(folder);
    const file = (name) => path.join(dir, name);
    const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'];
    const san = names.map((name) => `${/^[\d.]+$|:/.test(name) ? 'IP' : 'DNS'}:${name}`).join(',');
    openssl('req', '-x509', ...ec, '-keyout', file('ca.key'), '-out', file('ca.crt'), '-days', '30', '-subj', '/CN=Firstbell test CA');
    const request = ['-subj', `/CN=${names[0]}`, '-addext', `subjectAltName=${san}`, '-addext', 'basicConstraints=critical,CA:FALSE'];
    const signed = ['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-days', '20'];
    openssl('req', '-x509', ...ec, ...request, ...signed, '-keyout', file('edge.key'), '-out', file('edge.crt'));
    for (const name of ['ca.crt', 'ca.key', 'edge.crt', 'edge.key']) place.write(`${folder}/${name}`, readFileSync(file(name)));
    return { certificate: file('edge.crt'), key: file('edge.key'), caFile: file('ca.crt'), ca: readFileSync(file('ca.crt'), 'utf8') };
}
