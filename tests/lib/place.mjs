// The place of one test file: a short temporary directory, the programs started in it, and what is asserted when it is taken down: no line of
// alarm in any log, no process left, no core file. A test that provokes an alarm on purpose names it with place.expect(/pattern/).

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { chownSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

import { startProgram, testUser } from './run.mjs';

const ALARM = /\[(alert|emerg)\]|Sanitizer|runtime error:|PANIC:|terminated by signal|exited on signal/;
const STOP_SECONDS = 20;

export function newPlace() {
    return new Place();
}

const PORTS_FROM = 10_240; // browsers refuse some below

/** A TCP port that was free a moment ago, below those that the system gives to connections: a server that stops and starts again finds its own still
 *  free. */
export async function freePort() {
    const end = Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/)[0]);
    for (let tries = 0; end > PORTS_FROM && tries < 100; tries++) {
        const port = await tryPort(randomInt(PORTS_FROM, end)).catch(() => undefined); // somebody has it
        if (port) return port;
    }
    return tryPort(0); // any, where connections may have all of them
}

function tryPort(wanted) {
    return new Promise((resolve, reject) => {
        const server = net.createServer();
        server.on('error', reject);
        server.listen(wanted, '127.0.0.1', () => {
            const { port } = server.address();
            server.close(() => resolve(port));
        });
    });
}

class Place {
    constructor() {
        this.dir = mkdtempSync(path.join(os.tmpdir(), 'fb-')); // short: socket paths end at 107 bytes
        chownSync(this.dir, testUser.uid, testUser.gid);
        this.programs = [];
        this.expected = [];
        for (const folder of ['log', 'sock', 'conf', 'pid']) this.folder(folder);
        this.abandon = () => {
            this.programs.forEach((program) => program.child.kill('SIGKILL'));
            if (!process.env.FB_TEST_KEEP) rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 });
        };
        process.on('exit', this.abandon);
        process.once('SIGTERM', () => process.exit(143)); // the time bound of auto/test
    }

    path(...parts) {
        return path.join(this.dir, ...parts);
    }

    folder(name, mode = 0o700) {
        const folder = this.path(name);
        mkdirSync(folder, { recursive: true, mode });
        chownSync(folder, testUser.uid, testUser.gid);
        return folder;
    }

    /** Writes a file that the servers can read; gives its path. */
    write(name, content, mode = 0o644) {
        const file = this.path(name);
        if (path.dirname(name) !== '.') this.folder(path.dirname(name));
        writeFileSync(file, content, { mode });
        chownSync(file, testUser.uid, testUser.gid);
        return file;
    }

    read(name) {
        return readFileSync(this.path(name), 'utf8');
    }

    /** A line of alarm that matches is no failure. */
    expect(pattern) {
        this.expected.push(pattern);
    }

    /** Starts a program that place.stop() ends with `stopSignal`. Its output is log/NAME.out. `files` says what it finds in the place of which file
     *  of the system. */
    start(name, argv, { stopSignal = 'SIGTERM', env, files } = {}) {
        const program = { name, stopSignal, running: true, ...startProgram(argv, { cwd: this.dir, log: this.path('log', `${name}.out`), env, files }) };
        program.exited.then(() => (program.running = false));
        this.programs.push(program);
        return program;
    }

    /** Throws, with what the program said, when it has ended by itself: no wait for it goes on. */
    assertRunning(program) {
        if (program.running) return;
        throw Object.assign(new Error(`${program.name} has ended by itself:\n${this.read(`log/${program.name}.out`)}`), { hopeless: true });
    }

    async stopProgram(program, signal = program.stopSignal) {
        this.programs = this.programs.filter((other) => other !== program);
        if (program.running) program.child.kill(signal);
        let timer;
        const late = new Promise((resolve) => (timer = setTimeout(resolve, STOP_SECONDS * 1000, 'late')));
        const end = await Promise.race([program.exited, late]);
        clearTimeout(timer);
        if (end === 'late') {
            program.child.kill('SIGKILL');
            throw new Error(`${program.name} did not stop within ${STOP_SECONDS} s of ${signal}`);
        }
        return end;
    }

    /** Ends everything, newest first, and makes the assertions. FB_TEST_KEEP=1 keeps the directory. */
    async stop() {
        const problems = [];
        for (const program of [...this.programs].reverse()) {
            await this.stopProgram(program).catch((error) => problems.push(error.message));
        }
        process.off('exit', this.abandon);
        problems.push(...this.alarms(), ...leftProcesses(this.dir), ...coreFiles(this.dir));
        if (process.env.FB_TEST_KEEP) console.error(`# kept: ${this.dir}`);
        else rmSync(this.dir, { recursive: true, force: true });
        assert.deepEqual(problems, [], `the servers of this test left something behind:\n${problems.join('\n')}`);
    }

    alarms() {
        const found = [];
        for (const file of readdirSync(this.path('log'))) {
            for (const line of this.read(`log/${file}`).split('\n')) {
                if (ALARM.test(line) && !this.expected.some((pattern) => pattern.test(line))) found.push(`log/${file}: ${line}`);
            }
        }
        return found;
    }
}

/** Processes that still belong to the directory, by command line or working directory. They are ended. */
function leftProcesses(dir) {
    const left = [];
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
        try {
            const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
            if (!command.includes(`${dir}/`) && !`${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${dir}/`)) continue;
            if (/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) continue;
            left.push(`process ${pid} was left: ${command}`);
            process.kill(Number(pid), 'SIGKILL');
        } catch {
            continue; // it has gone meanwhile, or is another user's
        }
    }
    return left;
}

function coreFiles(dir, depth = 3) {
    return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
        const full = path.join(dir, entry.name);
        if (entry.isDirectory()) return depth > 0 ? coreFiles(full, depth - 1) : [];
        return /^core(\.\d+)?$/.test(entry.name) && statSync(full).size > 0 ? [`core file ${full}`] : [];
    });
}
