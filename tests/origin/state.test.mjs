// The state directory of a Firstbell that root set up: what the user of the servers wrote there has no power over root. time bound: 60 s

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { checkout } from '../lib/app.mjs';
import { testUser } from '../lib/run.mjs';

const skip = process.getuid() === 0 ? false : 'only root has something to lose here';
const skipTerminal = skip || (existsSync('/dev/ptmx') ? false : 'there is no /dev/ptmx to make a terminal of');
let dir, state;

before(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'fb-state-'));
    chmodSync(dir, 0o755);
    state = path.join(dir, 'a-name-that-is-long-enough-for-sockets-to-need-a-shorter-directory-than-this-one-ever-was');
});
after(() => rmSync(dir, { recursive: true, force: true }));

/** Runs lines of bash after auto/lib.sh, with the test's user as the owner; terminal: as somebody at a terminal would. */
function root(lines, { terminal = false } = {}) {
    const owner = `OWNER=${testUser.name} AS=(setpriv --reuid=${testUser.uid} --regid=${testUser.gid} --clear-groups --)`;
    const file = path.join(dir, 'lines');
    writeFileSync(file, `. auto/lib.sh; . auto/lib-state.sh; locate_state; ${owner}\nchown() { command chown "\${1/%${testUser.name}/nogroup}" "$2"; }\n${lines}\n`);
    const argv = terminal ? ['script', '-qec', `bash ${file}`, '/dev/null'] : ['bash', file];
    return spawnSync(argv[0], argv.slice(1), { cwd: checkout, encoding: 'utf8', timeout: 20000, env: { ...process.env, FIRSTBELL_STATE: state } });
}

function emptyState() {
    rmSync(state, { recursive: true, force: true });
    mkdirSync(state);
    chmodSync(state, 0o1777);
}

function byServers(name, make) {
    const file = path.join(state, name);
    make(file);
    spawnSync('chown', ['-h', `${testUser.uid}:${testUser.gid}`, file]);
    return file;
}

test('root makes its own names in the state before the servers can write in it', { skip }, () => {
    const made = root('create_state; stat -c "%a %U" "$S" "$S"/*; stat -c "%a %U" "$S"/.lock "$MARKER"; cat "$MARKER"');
    assert.equal(made.status, 0, made.stderr);
    assert.deepEqual(made.stdout.trim().split('\n'), ['1771 root', '755 root', '755 root', '600 root', '600 root', '755 root', '600 root', '600 root', state]);
});

for (const name of ['.lock', '.firstbell', 'port', 'sockets', 'conf', 'tls', 'app']) {
    test(`a link named ${name} that the servers put there leads root nowhere`, { skip }, () => {
        emptyState();
        const target = path.join(dir, `target-of-${name}`);
        if (['conf', 'tls', 'app'].includes(name)) mkdirSync(target);
        byServers(name, (file) => symlinkSync(target, file));
        if (name !== '.firstbell') writeFileSync(path.join(state, '.firstbell'), `${state}\n`); // an earlier setup that was interrupted
        const tried = root('create_state');
        assert.equal(tried.status, 1, tried.stdout);
        assert.match(tried.stderr, /is a link or belongs to|is not empty and not made by Firstbell/);
        if (existsSync(target)) assert.equal(lstatSync(target).mode & 0o777, 0o755);
    });
}

test('a directory of sockets that the servers named is not taken, by sed or by rm', { skip }, () => {
    emptyState();
    byServers('sockets', (file) => writeFileSync(file, '/tmp/firstbell-aaaaaa\n'));
    assert.equal(root('locate_sockets; echo "[$SOCKETS]"').stdout, '[]\n');
});

test('a directory of sockets is a plain path with a name of ours', { skip }, () => {
    for (const evil of ['/tmp/x,;1e id\ns,x,/firstbell-aaaaaa', '/tmp', '/etc', '/tmp/firstbell-aaaaaa;id']) {
        emptyState();
        writeFileSync(path.join(state, 'sockets'), `${evil}\n`);
        const told = root('locate_sockets; echo "[$SOCKETS]"');
        assert.equal(told.status, 1, told.stdout);
        assert.match(told.stderr, /no directory that auto\/up makes for sockets/);
    }
    emptyState();
    writeFileSync(path.join(state, 'sockets'), '/tmp/firstbell-aZ0bcd\n');
    assert.equal(root('locate_sockets; echo "[$SOCKETS]"').stdout, '[/tmp/firstbell-aZ0bcd]\n');
});

test('what runs as the owner has neither the terminal of root nor its lock', { skip: skipTerminal }, () => {
    emptyState();
    const report = 'cut -d" " -f7 /proc/$$/stat; readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2; ls /proc/$$/fd | tr "\\n" " "';
    const told = root(`lock_state; as_owner sh -c '${report}'`, { terminal: true });
    const [terminal, input, output, error, descriptors] = told.stdout.split(/\r?\n/);
    assert.equal(terminal, '0', told.stdout);
    assert.equal(input, '/dev/null');
    for (const one of [output, error]) assert.match(one, /^pipe:/);
    assert.doesNotMatch(descriptors, /\b9\b/);
});

test('what the owner said last is on the terminal when it is done', { skip: skipTerminal }, () => {
    emptyState();
    const slow = path.join(dir, 'cat');
    writeFileSync(slow, '#!/bin/sh\nsleep 0.3\nexec /bin/cat\n', { mode: 0o755 });
    const told = root(`PATH=${dir}:$PATH; as_owner sh -c 'echo out; echo err >&2; exit 7'`, { terminal: true });
    assert.deepEqual([told.status, told.stdout.split(/\r?\n/).slice(0, 2).sort()], [7, ['err', 'out']]);
});

test('what runs as the owner gives its exit code and its streams as they are', { skip }, () => {
    emptyState();
    const told = root('echo in | as_owner sh -c "cat; echo err >&2; exit 7" || exit');
    assert.deepEqual([told.status, told.stdout, told.stderr], [7, 'in\n', 'err\n']);
});

test('a demo password that is none of ours is not printed into a line to paste', () => {
    mkdirSync(path.join(state, 'keys'), { recursive: true });
    writeFileSync(path.join(state, 'keys/demo-logins'), `student.demo a'$(id)'\nteacher.demo lime-suto-vepu-87\n`);
    const told = root('. auto/lib-demo.sh; demo_password student.demo; demo_password teacher.demo');
    assert.equal(told.stdout, 'lime-suto-vepu-87\n');
    assert.ok(readFileSync(path.join(state, 'keys/demo-logins'), 'utf8').includes('$(id)'));
});

test('a pipe in the place of a stamp or a pid file does not hold root up', { skip }, () => {
    emptyState();
    for (const folder of ['stamp', 'pid']) byServers(folder, (made) => mkdirSync(made));
    for (const pipe of ['stamp/roles', 'pid/api.pid']) assert.equal(spawnSync('mkfifo', [path.join(state, pipe)]).status, 0);
    const told = root('. auto/lib-process.sh; stamped roles x || echo new; part_pid api || echo stopped; stamp roles x; stamped roles x && echo stamped');
    assert.deepEqual([told.signal, told.stdout], [null, 'new\nstopped\nstamped\n']);
});
