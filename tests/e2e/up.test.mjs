// The two commands of the README: auto/up with what it prints, a second auto/up, auto/status, auto/down, auto/reset. In a state directory of its own,
// with the build of this checkout. time bound: 900 s

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, cpSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { app, cache, checkout } from '../lib/app.mjs';
import { freePort } from '../lib/place.mjs';
import { run } from '../lib/run.mjs';
import { waitFor } from '../lib/wait.mjs';

const dir = mkdtempSync(path.join(os.tmpdir(), 'fb-'));
const state = path.join(dir, 'state');
let port;
let first;

/** Runs auto/NAME: {code, stdout, stderr}. */
function auto(name, args = [], env = {}) {
    const all = { ...process.env, FIRSTBELL_STATE: state, FIRSTBELL_PORT: String(port), ...env };
    const result = spawnSync(`auto/${name}`, args, { cwd: checkout, env: all, encoding: 'utf8', timeout: 240_000 });
    return { code: result.status, stdout: result.stdout, stderr: result.stderr };
}

const curlLines = (text) => text.split('\n').filter((line) => line.startsWith('curl '));
const pids = () => auto('status').stdout.match(/^(postgres|redis|jobs|api|nginx) +\d+/gm);

/** The media are made once a machine; the state looks like that of an auto/up which was interrupted after making them. */
function startFromMedia() {
    const course = path.join(cache, 'demo-course');
    execFileSync('flock', [`${course}.lock`, path.join(app(), 'demo/make-media'), course], { stdio: ['ignore', 'ignore', 'inherit'] });
    mkdirSync(state);
    cpSync(course, path.join(state, 'demo-course'), { recursive: true });
    execFileSync('chmod', ['-R', 'a+rX', path.join(state, 'demo-course')]);
    writeFileSync(path.join(state, '.firstbell'), `${state}\n`);
}

/** Processes whose executable or working directory lies in the state directory. */
function processesOfState() {
    return readdirSync('/proc').filter((pid) => {
        if (!/^\d+$/.test(pid)) return false;
        try {
            return ['exe', 'cwd'].some((link) => readlinkSync(`/proc/${pid}/${link}`).startsWith(`${state}/`));
        } catch {
            return false; // gone, a zombie, or another user's
        }
    });
}

before(async () => {
    chmodSync(dir, 0o755); // root's servers run as the user firstbell
    port = await freePort();
    startFromMedia();
    first = auto('up');
});

after(() => {
    auto('reset', ['--yes']);
    rmSync(dir, { recursive: true, force: true });
});

test('up prints an address, three logins, and calls that succeed', () => {
    assert.equal(first.code, 0, first.stderr + first.stdout);
    assert.match(first.stdout, new RegExp(`^Firstbell is up: https://demo\\.localhost:${port}$`, 'm'));
    for (const user of ['student', 'teacher', 'operator']) assert.match(first.stdout, new RegExp(`^  ${user} +${user}\\.demo +\\S{12,}$`, 'm'));
    const lines = curlLines(first.stdout);
    assert.equal(lines.length, 3, first.stdout);
    const answers = lines.map((line) => execFileSync('sh', ['-c', line], { encoding: 'utf8' }));
    assert.match(answers[0], /^ok/);
    assert.deepEqual(JSON.parse(answers[1]), { home: '/courses' });
    assert.ok(JSON.parse(answers[2]).courses.some((course) => course.title === 'Earth Science 7'));
});

test('a second up does nothing and says the same', () => {
    const running = pids();
    assert.equal(running.length, 5);
    const second = auto('up');
    assert.equal(second.code, 0, second.stderr + second.stdout);
    assert.deepEqual(pids(), running);
    assert.deepEqual(curlLines(second.stdout), curlLines(first.stdout));
});

test('the nginx that runs is the one of auto/configure --with-nginx where that was said, else the distribution\'s', () => {
    const own = path.join(state, 'app/sbin/nginx');
    assert.equal(existsSync(own), existsSync(path.join(checkout, 'build/sbin/nginx')));
    const running = readlinkSync(`/proc/${/^nginx +(\d+)/m.exec(auto('status').stdout)[1]}/exe`);
    assert.equal(running === own, existsSync(own), running);
});

test('the private keys and the logins are nobody else\'s to read', () => {
    const modes = execFileSync('stat', ['-c', '%a', ...['tls/ca.key', 'tls/edge.key', 'keys/session.pem', 'keys/edges/local.key', 'keys/demo-logins'].map((file) => path.join(state, file))]);
    assert.equal(modes.toString(), '600\n600\n600\n600\n600\n');
});

test('a part that was killed comes back with the next up', () => {
    const api = /^api +(\d+)/m.exec(auto('status').stdout)[1];
    const nginx = /^nginx +(\d+)/m.exec(auto('status').stdout)[1]; // its workers go on listening
    process.kill(Number(api), 'SIGKILL');
    process.kill(Number(nginx), 'SIGKILL');
    assert.equal(auto('status').code, 3);
    const again = auto('up');
    assert.equal(again.code, 0, again.stderr + again.stdout);
    assert.equal(auto('status').code, 0);
});

test('a directory that nobody has signed, of an older release, is signed before the edge reads it', () => {
    const file = path.join(state, 'directory.snapshot');
    const text = readFileSync(file, 'utf8');
    const [head] = text.split('\n', 1);
    assert.match(head, /^bell-directory 2 0 \d+ \d+ \S+ [\w-]{11} [\w-]{86}$/);
    process.kill(Number(/^nginx +(\d+)/m.exec(auto('status').stdout)[1]), 'SIGKILL');
    writeFileSync(file, head.replace(/ \S+ \S+$/, ' - -') + text.slice(head.length));
    const again = auto('up');
    assert.equal(again.code, 0, again.stderr + again.stdout);
    assert.equal(readFileSync(file, 'utf8').split('\n', 1)[0].split(' ')[6], head.split(' ')[6]);
    assert.equal(auto('status').code, 0);
});

test('the state of a release that had no Redis gets one, and purges go through it', () => {
    assert.equal(auto('down').code, 0);
    for (const part of ['redis', 'conf/redis.conf', 'log/redis.log']) rmSync(path.join(state, part), { recursive: true });
    const conf = path.join(state, 'conf/firstbell.conf');
    writeFileSync(conf, readFileSync(conf, 'utf8').replace(/^(redis|directory_snapshot_interval_s) = .*\n/gm, ''));
    const again = auto('up');
    assert.equal(again.code, 0, again.stderr + again.stdout);
    assert.equal(pids().length, 5);
    const purge = [path.join(state, 'app/bin/firstbell'), '-c', conf, 'purge', '--tenant', 'demo', '--all'];
    const user = process.getuid() === 0 ? ['setpriv', '--reuid=firstbell', '--regid=firstbell', '--init-groups', '--'] : [];
    assert.match(execFileSync([...user, ...purge][0], [...user, ...purge].slice(1), { cwd: state, encoding: 'utf8' }), /^\d+\n$/);
});

test('down leaves no process and no alarm in the logs', () => {
    const down = auto('down');
    assert.equal(down.code, 0, down.stderr);
    assert.deepEqual(processesOfState(), []);
    assert.equal(auto('status').code, 3);
    for (const file of readdirSync(path.join(state, 'log'))) {
        assert.doesNotMatch(readFileSync(path.join(state, 'log', file), 'utf8'), /\[(alert|emerg)\]|PANIC:/, file);
    }
});

test('an up that is ended half-way leaves nothing running', async () => {
    const out = path.join(state, 'log/api.out');
    rmSync(out);
    execFileSync('mkfifo', ['-m', '666', out]); // nobody reads it: the api does not come
    const up = spawn('auto/up', { cwd: checkout, env: { ...process.env, FIRSTBELL_STATE: state, FIRSTBELL_PORT: String(port) }, stdio: 'ignore' });
    const ended = once(up, 'exit');
    await waitFor('the jobs to run', () => /^jobs +\d+/m.test(auto('status').stdout), 120);
    up.kill('SIGTERM');
    assert.deepEqual(await ended, [null, 'SIGTERM']);
    rmSync(out);
    assert.deepEqual(processesOfState(), []);
});

test('a port in use is one sentence, with what to do', async () => {
    const server = net.createServer();
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const taken = server.address().port;
    const up = auto('up', [], { FIRSTBELL_PORT: String(taken) });
    server.close();
    assert.equal(up.code, 1);
    assert.match(up.stderr, new RegExp(`^auto/up: port ${taken} is in use by another process .*FIRSTBELL_PORT=\\d+ auto/up\n$`));
});

/** A clone's scripts and package lists alone, below the directory of this test. */
function scripts(name) {
    const clone = path.join(dir, name);
    for (const part of ['auto', 'origin/web/package.json', 'origin/web/package-lock.json']) cpSync(path.join(checkout, part), path.join(clone, part), { recursive: true });
    execFileSync('chmod', ['-R', 'a+rX', clone]);
    return clone;
}

test('a clone that cannot be written to is one sentence', async () => {
    const clone = scripts('theirs');
    chmodSync(clone, 0o555);
    const up = await run(['auto/up'], { cwd: clone });
    assert.equal(up.code, 1);
    assert.match(up.stderr, /^auto\/up: \S+theirs cannot be written to by \S+; .*\n$/);
});

test('a registry of npm that is away is one sentence, after some tries', () => {
    const clone = scripts('offline');
    const env = { ...process.env, npm_config_registry: 'http://127.0.0.1:9/', npm_config_cache: path.join(dir, 'npm') }; // nobody listens there
    const deps = spawnSync('auto/deps', ['run'], { cwd: clone, env, encoding: 'utf8', timeout: 240_000 });
    assert.equal(deps.status, 1, deps.stdout);
    assert.match(deps.stderr, /^auto\/deps: npm could not reach its registry, http:\/\/127\.0\.0\.1:9\/, for the packages of origin\/web \(ECONNREFUSED, 3 tries\); .*\n$/);
});

/** auto/NAME where that tool fails without a word, or where nothing can be written to standard output. */
function broken(name, args, tool) {
    const env = { ...process.env, FIRSTBELL_STATE: state, FIRSTBELL_PORT: String(port) };
    const full = openSync('/dev/full', 'w');
    if (tool) {
        const folder = path.join(dir, `no-${tool}`);
        mkdirSync(folder);
        writeFileSync(path.join(folder, tool), '#!/bin/sh\nexit 9\n', { mode: 0o755 });
        env.PATH = `${folder}:${env.PATH}`;
    }
    const result = spawnSync(`auto/${name}`, args, { cwd: checkout, env, encoding: 'utf8', timeout: 240_000, stdio: ['ignore', tool ? 'pipe' : full, 'pipe'] });
    closeSync(full);
    return result;
}

for (const [name, args, tool, line] of [
    ['up', [], 'df', 'free=$(free_mb "$1")'],
    ['deps', ['--list'], undefined, "printf '%s\\n' \"${packages"],
    ['reset', ['--yes'], 'find', 'find "$S" -mindepth 1 -delete'],
    ['down', [], undefined, "printf '%s\\n' \"$*\""],
    ['status', [], undefined, "printf '%-10s "],
]) {
    test(`${name} names the command that it ends at`, () => {
        const { status, stderr } = broken(name, args, tool);
        const [, code, command] = /^auto\/\w+: line \d+ of auto\/\S+ has failed with exit code (\d+), and nothing after it was done: (.*)\n$/m.exec(stderr) ?? assert.fail(stderr);
        assert.equal(Number(code), status);
        assert.equal(status, tool ? 9 : 1);
        assert.ok(command.startsWith(line), command);
    });
}

test('a step that fails without a word is named by its command', () => {
    const script = '. auto/lib.sh; PROGRAM=auto/up; quiet() { as_quiet; echo never; }; as_quiet() { sh -c "exit 9"; }; step "quiet step" quiet';
    const { status, stdout, stderr } = spawnSync('bash', ['-c', script], { cwd: checkout, encoding: 'utf8' });
    assert.equal(status, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /^auto\/up: line \d+ of \S+ has failed with exit code 9, .*\nauto\/up: "quiet step" failed; the lines above say why\.\n$/);
});

test('reset asks, and then removes everything', () => {
    assert.equal(auto('reset').code, 1);
    assert.ok(existsSync(state));
    assert.equal(auto('reset', ['--yes']).code, 0);
    assert.ok(!existsSync(state));
});
