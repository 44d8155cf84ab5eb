// Commands and long-lived programs of a test, run as an ordinary user: PostgreSQL refuses root, and what root may do proves nothing.

import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { cache, checkout } from './app.mjs';

const asRoot = process.getuid() === 0;

/** Who runs the servers: the caller, or "nobody" when the caller is root. */
export const testUser = asRoot ? { name: 'nobody', uid: 65534, gid: 65534 } : { name: os.userInfo().username, uid: process.getuid(), gid: process.getgid() };

/** A list of tests/lib where the servers can read it. */
function suppressions(name) {
    const file = path.join(cache, name);
    writeFileSync(`${file}.${process.pid}`, readFileSync(path.join(checkout, 'tests/lib', name)));
    renameSync(`${file}.${process.pid}`, file);
    return file;
}

export const environment = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: 'C.UTF-8',
    HOME: '/nonexistent',
    TZ: 'UTC',
    // nginx and each of its modules have tables of one name, which is no violation of the one definition rule: nginx looks them up module by module.
    ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? 'detect_leaks=1:detect_odr_violation=0',
    LSAN_OPTIONS: process.env.LSAN_OPTIONS ?? `print_suppressions=0:suppressions=${suppressions('nginx.lsan')}`,
    UBSAN_OPTIONS: process.env.UBSAN_OPTIONS ?? `print_stacktrace=1:suppressions=${suppressions('nginx.ubsan')}`,
};

/** The command as that user. */
export function asTestUser(argv) {
    return asRoot ? ['setpriv', `--reuid=${testUser.uid}`, `--regid=${testUser.gid}`, '--clear-groups', '--', ...argv] : argv;
}

const SANITIZER = /ERROR: \w+Sanitizer|runtime error:/;

/** Runs a command to its end: {code, signal, stdout, stderr}. `input` goes to its standard input. Never throws for a failing command, but for one in
 *  which a sanitizer found something, because a command that is to be refused fails with the same exit code. */
export function run(argv, { cwd = '/', input = '', env = {}, seconds = 60 } = {}) {
    const [file, ...args] = asTestUser(argv);
    return new Promise((resolve, reject) => {
        const child = spawn(file, args, { cwd, env: { ...environment, ...env } });
        const out = [];
        const err = [];
        const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
        child.stdout.on('data', (bytes) => out.push(bytes));
        child.stderr.on('data', (bytes) => err.push(bytes));
        child.on('error', reject);
        child.stdin.on('error', () => {}); // a command may end before it has read everything
        child.stdin.end(input);
        child.on('close', (code, signal) => {
            clearTimeout(timer);
            const said = { code, signal, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
            if (SANITIZER.test(said.stderr)) reject(new Error(`${argv.join(' ')}: a sanitizer found something\n${said.stderr}`));
            else resolve(said);
        });
    });
}

/** Whether a program takes a signal itself: until it has come that far, it is ended by it. True also of one that has ended. */
export function catches({ child, running }, signal) {
    if (!running) return true;
    const [, caught] = /^SigCgt:\s+(\w+)$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'));
    return (BigInt(`0x${caught}`) >> BigInt(os.constants.signals[signal] - 1)) % 2n === 1n;
}

/** As run(), but a failing command is an error that shows what the command said. Gives standard output. */
export async function mustRun(argv, options) {
    const result = await run(argv, options);
    if (result.code !== 0) {
        throw new Error(`${argv.join(' ')}: exit code ${result.code ?? result.signal}\n${result.stderr}${result.stdout}`);
    }
    return result.stdout;
}

/** A command that finds other files in the place of the system's: {'/etc/hosts': file}. It has file systems of its own. */
function withFiles(files, argv) {
    const mounts = Object.entries(files).flatMap(([place, file]) => [file, place]);
    const script = 'n=$1; shift; while [ "$n" -gt 0 ]; do mount --bind "$1" "$2" || exit 1; shift 2; n=$((n - 1)); done; exec "$@"';
    return ['unshare', asRoot ? '-m' : '-rm', 'sh', '-c', script, 'sh', String(mounts.length / 2), ...mounts, ...argv];
}

/** Why programs cannot be given other files here; undefined: they can. */
export function whyNoFiles() {
    const [file, ...args] = withFiles({ '/etc/hosts': '/etc/hosts' }, ['true']);
    const tried = spawnSync(file, args, { encoding: 'utf8' });
    return tried.status === 0 ? undefined : `this user cannot have file systems of its own: ${tried.stderr.trim()}`;
}

/** Starts a program that stays; what it prints is appended to `log`. Gives {child, exited}: exited resolves to [code, signal]. */
export function startProgram(argv, { cwd, log, env = {}, files }) {
    const limits = ['sh', '-c', 'ulimit -c unlimited 2>/dev/null; exec "$@"', 'sh'];
    const command = asTestUser([...limits, ...argv]);
    const [file, ...args] = files ? withFiles(files, command) : command;
    const output = openSync(log, 'a');
    const child = spawn(file, args, { cwd, env: { ...environment, ...env }, stdio: ['ignore', output, output] });
    closeSync(output);
    const exited = new Promise((resolve, reject) => {
        child.on('error', reject);
        child.on('exit', (code, signal) => resolve([code, signal]));
    });
    return { child, exited };
}

/** The pids of a process's children. */
export function children(pid) {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}
