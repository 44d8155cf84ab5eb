// A fresh Debian for one test file, and its steps. See tests/fresh/machine for how it is made.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';

import { cache, checkout } from '../lib/app.mjs';
import { freePort } from '../lib/place.mjs';

const tool = path.join(checkout, 'tests/fresh/machine');
const TAIL_LINES = 80;

/** Why there can be no fresh machine here; nothing when there can. */
export function whyNot() {
    const { status, stdout, stderr } = spawnSync(tool, ['possible'], { encoding: 'utf8' });
    return status === 0 ? undefined : stdout.trim() || stderr.trim();
}

/** A machine with that release of Debian and a clone of this checkout. All it says is appended to the file `log`. */
export async function newMachine(release) {
    removeLeft();
    const machine = new Machine(release, await freePort());
    process.once('exit', () => machine.remove());
    process.once('SIGTERM', () => process.exit(143)); // the time bound of auto/test, or its end
    process.once('SIGINT', () => process.exit(130));
    await machine.make();
    return machine;
}

/** Machines of test files that were killed: their names say which process they were made by. */
function removeLeft() {
    for (const name of readdirSync(cache)) {
        const [, pid] = /^fresh-(\d+)-/.exec(name) ?? [];
        if (pid && !existsSync(`/proc/${pid}`)) rmSync(path.join(cache, name), { recursive: true, force: true });
    }
}

class Machine {
    constructor(release, port) {
        this.release = release;
        this.dir = mkdtempSync(path.join(cache, `fresh-${process.pid}-`));
        this.log = path.join(cache, `fresh-${release}.log`);
        this.env = { ...process.env, FIRSTBELL_PORT: String(port) };
        this.broken = false;
        writeFileSync(this.log, '');
    }

    async make() {
        const made = await this.spawn(['make', this.release, this.dir, cache], 1800);
        assert.equal(made.code, 0, made.tail);
        this.boot = spawn(tool, ['boot', this.dir], { stdio: ['pipe', 'pipe', 'inherit'] });
        const [line] = await Promise.race([
            new Promise((resolve) => createInterface(this.boot.stdout).once('line', (text) => resolve([text]))),
            new Promise((resolve) => this.boot.once('exit', (code) => resolve([`it ended with ${code}`]))),
        ]);
        assert.equal(line, 'ready', 'the machine has started');
    }

    /** Runs a line of shell in the clone: {code, output, tail}. With `cut` there is no network but the loopback. */
    run(command, { seconds = 300, cut = false } = {}) {
        appendFileSync(this.log, `\n$ ${command}${cut ? '   (network cut)' : ''}\n`);
        return this.spawn(['run', String(this.boot.pid), ...(cut ? ['--cut'] : []), command], seconds);
    }

    /** The same; what fails is an error that ends with what the command said last. Gives its output. */
    async must(command, options) {
        const { code, output, tail } = await this.run(command, options);
        assert.equal(code, 0, `${command}\n${tail}`);
        return output;
    }

    spawn(args, seconds) {
        const child = spawn(tool, args, { cwd: checkout, env: this.env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
        const chunks = [];
        const keep = (bytes) => {
            chunks.push(bytes);
            appendFileSync(this.log, bytes);
        };
        child.stdout.on('data', keep);
        child.stderr.on('data', keep);
        this.child = child;
        return new Promise((resolve, reject) => {
            let late = '';
            const timer = setTimeout(() => {
                late = `\nit was not done within ${seconds} s`;
                killGroup(child);
                child.stdout.destroy(); // a server that it started may hold on to it
                child.stderr.destroy();
            }, seconds * 1000);
            child.on('error', reject);
            child.on('close', (code) => {
                clearTimeout(timer);
                this.child = undefined;
                const output = Buffer.concat(chunks).toString() + late;
                resolve({ code: late ? 1 : code, output, tail: output.trimEnd().split('\n').slice(-TAIL_LINES).join('\n') });
            });
        });
    }

    /** Ends every process of the machine and removes it; at once, for it also runs when the test file is ended. */
    remove() {
        if (this.child) killGroup(this.child);
        if (this.boot) this.boot.kill('SIGKILL'); // unshare --kill-child: process 1 goes with it, and with that all others
        spawnSync('rm', ['-rf', '--one-file-system', this.dir]);
    }
}

function killGroup(child) {
    try {
        process.kill(-child.pid, 'SIGKILL');
    } catch {
        // it has ended meanwhile
    }
}

/** A test below `t` that needs all before it: after a failure the rest is skipped. Its duration, and what it gives, are told. */
export async function step(t, machine, name, run) {
    const skip = machine.broken && 'an earlier step has failed';
    await t.test(name, { skip }, async (own) => {
        const begin = Date.now();
        try {
            const said = await run();
            own.diagnostic(`note: ${name}: ${Math.round((Date.now() - begin) / 1000)} s${said ? `; ${said}` : ''}`);
        } catch (error) {
            machine.broken = true;
            throw error;
        }
    });
}

/** The calls that auto/up printed, run in the machine; they answer as they should. */
export async function callsSucceed(machine, printed, options) {
    const calls = curlLines(printed);
    assert.equal(calls.length, 3, printed);
    const answers = [];
    for (const call of calls) answers.push(await machine.must(call, { seconds: 60, ...options }));
    assert.match(answers[0], /^ok/);
    assert.deepEqual(JSON.parse(answers[1]), { home: '/courses' });
    assert.ok(JSON.parse(answers[2]).courses.length > 0);
}

export const curlLines = (text) => text.split('\n').filter((line) => line.startsWith('curl '));

/** What a whole auto/test says last; an error unless nothing failed. */
export async function testsPass(machine, parts, seconds) {
    const { code, output, tail } = await machine.run(`./auto/test ${parts}`, { seconds });
    const skips = output.split('\n').filter((line) => line.startsWith('  skipped: '));
    const last = output.trimEnd().split('\n').at(-1);
    assert.match(last, /^\d+ passed, 0 failed, \d+ skipped$/, tail);
    assert.equal(code, 0, tail);
    return [last, ...skips].join(';');
}
