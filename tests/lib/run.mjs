// Commands and long-lived programs of a test, run as an ordinary user: PostgreSQL refuses root, and what root may do proves nothing.

import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import os from 'node:os';

const asRoot = process.getuid() === 0;

/** Who runs the servers: the caller, or "nobody" when the caller is root. */
export const testUser = asRoot ? { name: 'nobody', uid: 65534, gid: 65534 } : { name: os.userInfo().username, uid: process.getuid(), gid: process.getgid() };

const environment = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: 'C.UTF-8',
    HOME: '/nonexistent',
    TZ: 'UTC',
    ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? 'detect_leaks=1',
    UBSAN_OPTIONS: process.env.UBSAN_OPTIONS ?? 'print_stacktrace=1',
};

function asTestUser(argv) {
    return asRoot ? ['setpriv', `--reuid=${testUser.uid}`, `--regid=${testUser.gid}`, '--clear-groups', '--', ...argv] : argv;
}

/** Runs a command to its end: {code, signal, stdout, stderr}. `input` goes to its standard input. Never throws for a failing command. */
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
            resolve({ code, signal, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() });
        });
    });
}

/** The same, but a failing command is an error that shows what the command said. Gives standard output. */
export async function mustRun(argv, options) {
    const result = await run(argv, options);
    if (result.code !== 0) {
        throw new Error(`${argv.join(' ')}: exit code ${result.code ?? result.signal}\n${result.stderr}${result.stdout}`);
    }
    return result.stdout;
}

/** Starts a program that stays; what it prints is appended to `log`. Gives {child, exited}: exited resolves to [code, signal]. */
export function startProgram(argv, { cwd, log, env = {} }) {
    const limits = ['sh', '-c', 'ulimit -c unlimited 2>/dev/null; exec "$@"', 'sh'];
    const [file, ...args] = asTestUser([...limits, ...argv]);
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
