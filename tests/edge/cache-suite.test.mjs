// bell_cache and the public tests for HTTP caches (npm http-cache-tests, cache-tests.fyi), against what is expected of each of them: cache-suite.json has
// the result of every test id, and a reason for each required test that does not pass. A difference in either direction fails.
//   FB_CACHE_SUITE_WRITE=1   writes the results of this run into cache-suite.json in place of comparing; reasons stay where they are still needed
//   CACHE_TESTS_DIR=DIR      runs another copy of the suite, such as a newer clone: its sum is printed, and required tests that fail without a reason fail

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { checkout, nginxProgram } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { waitFor } from '../lib/wait.mjs';
import { loadCache } from './cache.mjs';
import { startEdge, tenant } from './support.mjs';

const RUN_SECONDS = 240;
const PASSED = ['pass', 'yes'];
const other = process.env.CACHE_TESTS_DIR;
const suite = other ?? path.join(checkout, 'tests/node_modules/http-cache-tests');
const engine = path.join(suite, existsSync(path.join(suite, 'test-engine')) ? 'test-engine' : '.');
const expectedFile = path.join(path.dirname(fileURLToPath(import.meta.url)), 'cache-suite.json');
const place = newPlace();
const running = new Set();
let edge;
let tests; // id → {kind, depends_on}

const conf = (socket) => `
    upstream origin { server unix:${socket}; keepalive 64; }
    bell_cache_zone zone=main:16m;`;

const server = `
    bell_cache main;
    bell_cache_scope optional;
    bell_cache_client_control on;
    bell_cache_heuristic_max 1d;
    bell_cache_default_sie 1h;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    location / { proxy_pass http://origin; }`;

before(async () => {
    const socket = place.path('sock/suite.sock');
    // what it takes for a port may be a path: it listens on every address otherwise
    startNode('server/server.mjs', { npm_config_protocol: 'http', npm_config_port: socket, npm_config_pidfile: place.path('pid/suite.pid') });
    await waitFor('the suite’s origin', () => existsSync(socket));
    chmodSync(socket, 0o666); // the edge is another user when the tests run as root
    tests = await readTests();
    const tenants = [tenant(1, 'north', ['north.example'])];
    edge = await startEdge(place, { load: loadCache(['core', 'cache']), connections: 1024, tenants, defaultTenant: 1, http: conf(socket), server });
});

after(async () => {
    for (const child of running) child.kill('SIGKILL');
    await place.stop();
});

/** Starts a script of the suite with what it reads from npm's variables: {child, ended}, the latter being {code, stdout, stderr}. It is not ours, and
 *  runs as who runs the tests. */
function startNode(script, variables) {
    const env = { PATH: process.env.PATH, HOME: place.dir, npm_package_config_id: '', ...variables };
    const child = spawn(process.execPath, ['--no-warnings', path.join(engine, script)], { cwd: engine, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const said = { stdout: '', stderr: '' };
    running.add(child);
    for (const stream of ['stdout', 'stderr']) child[stream].on('data', (bytes) => (said[stream] += bytes));
    const ended = new Promise((resolve, reject) => {
        child.on('error', reject);
        child.on('close', (code) => {
            running.delete(child);
            resolve({ code, ...said });
        });
    });
    return { child, ended };
}

/** All tests of the suite, by id; each file of it has a group. */
async function readTests() {
    const folder = path.join(suite, 'tests');
    const found = new Map();
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.mjs') && name !== 'index.mjs')) {
        const { default: group } = await import(pathToFileURL(path.join(folder, file)));
        for (const { id, kind = 'required', depends_on: needs = [] } of group?.tests ?? []) found.set(id, { kind, needs });
    }
    return found;
}

/** Runs the suite once: id → true, or [kind of error, what it says]. */
async function runSuite() {
    const { child, ended } = startNode('cli.mjs', { npm_config_base: `http://127.0.0.1:${edge.port}` });
    const timer = setTimeout(() => child.kill('SIGKILL'), RUN_SECONDS * 1000);
    const { code, stdout, stderr } = await ended;
    clearTimeout(timer);
    assert.equal(code, 0, `the suite has ended with ${code}: ${stderr}`);
    return JSON.parse(stdout.slice(stdout.indexOf('{')));
}

/** What a result means, by the suite's own rules: a test whose conditions others test says nothing when one of those does not pass. */
function verdict(id, results) {
    const { kind, needs } = tests.get(id);
    const result = results[id];
    if (result === undefined) return 'untested';
    if (needs.some((need) => !PASSED.includes(verdict(need, results)))) return 'dependency_fail';
    if (result === true) return kind === 'check' ? 'yes' : 'pass';
    if (result[0] === 'Setup') return result[1] === 'retry' ? 'retry' : 'setup_fail';
    if (result[0] !== 'Assertion') return 'harness_fail';
    return { required: 'fail', optimal: 'optional_fail', check: 'no' }[kind];
}

const verdicts = (results) => Object.fromEntries(Object.keys(results).sort().map((id) => [id, verdict(id, results)]));

/** "required: 150 pass, 2 fail; optimal: …" */
function sum(found) {
    const kinds = ['required', 'optimal', 'check'].map((kind) => {
        const counts = {};
        for (const [id, result] of Object.entries(found)) if (tests.get(id).kind === kind) counts[result] = (counts[result] ?? 0) + 1;
        return `${kind}: ${Object.entries(counts).map(([result, count]) => `${count} ${result}`).join(', ')}`;
    });
    return kinds.join('; ');
}

/** Required tests that do not pass, though all that they need does. */
const failing = (found) => Object.keys(found).filter((id) => tests.get(id).kind === 'required' && !['pass', 'dependency_fail'].includes(found[id]));

/** What is expected of the nginx that runs: `newer` says what is another result from a version on, and why. */
function expectations() {
    const expected = JSON.parse(readFileSync(expectedFile, 'utf8'));
    const [, major, minor] = /nginx\/(\d+)\.(\d+)\./.exec(spawnSync(nginxProgram(), ['-v'], { encoding: 'utf8' }).stderr);
    const isFrom = (version) => {
        const [from, fromMinor] = version.split('.').map(Number);
        return Number(major) > from || (Number(major) === from && Number(minor) >= fromMinor);
    };
    for (const [id, { since, result, why }] of Object.entries(expected.newer).filter(([, { since }]) => isFrom(since))) {
        expected.results[id] = result;
        expected.reasons[id] = `from nginx ${since} on: ${why}`;
    }
    return expected;
}

function write(found, { reasons, newer }) {
    const { version } = JSON.parse(readFileSync(path.join(suite, 'package.json'), 'utf8'));
    const kept = Object.fromEntries(Object.entries(reasons).filter(([id]) => failing(found).includes(id)));
    writeFileSync(expectedFile, `${JSON.stringify({ version, reasons: kept, newer, results: found }, null, 4)}\n`);
}

async function compare(t) {
    const expected = expectations();
    let found = verdicts(await runSuite());
    t.diagnostic(sum(found));
    if (process.env.FB_CACHE_SUITE_WRITE) return write(found, expected);
    const different = () => [...new Set([...Object.keys(found), ...Object.keys(expected.results)])].filter((id) => found[id] !== expected.results[id]);
    let differences = different();
    if (differences.length > 0) {
        // its tests have clocks, and lifetimes of a second or two: what is different only once says more about the machine
        found = verdicts(await runSuite());
        const again = different();
        differences = differences.filter((id) => again.includes(id));
    }
    const sentences = differences.map((id) => `test ${id}: ${expected.results[id] ?? 'nothing'} was expected, ${found[id] ?? 'nothing'} was found`);
    return assert.deepEqual(sentences, []);
}

function compareReasons() {
    const { results, reasons } = expectations();
    assert.deepEqual(Object.keys(reasons).sort(), failing(results).sort());
    for (const reason of Object.values(reasons)) assert.match(reason, /\w+ \w+/);
}

async function compareRequired(t) {
    const { reasons } = expectations();
    const results = await runSuite();
    const found = verdicts(results);
    t.diagnostic(sum(found));
    const sentences = failing(found).filter((id) => !(id in reasons)).map((id) => `test ${id}: ${found[id]}: ${results[id][1]}`);
    assert.deepEqual(sentences, []);
}

if (other) {
    test('no required test of that copy fails without a reason', compareRequired);
} else {
    test('the results are those that are expected', compare);
    test('a required test that does not pass has a reason, and nothing else has', compareReasons);
}
