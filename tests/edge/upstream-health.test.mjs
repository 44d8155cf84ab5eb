// Health of the servers of bell_upstream: checks, who makes them, what they change, and the slow start of who comes back.

import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { waitFor } from '../lib/wait.mjs';
import { lines, reloadEdge } from './support.mjs';
import { answers, change, hold, of, pool, startPools, startServer } from './upstream.mjs';

const check = 'zone=u:64k check=/ready interval=20ms timeout=20s fall=2 rise=2';

async function stage(t, count) {
    const place = newPlace();
    const origins = await Promise.all(['a', 'b', 'c'].slice(0, count).map((name) => startServer(name)));
    t.after(async () => {
        await place.stop();
        await Promise.all(origins.map((origin) => origin.close()));
    });
    return [place, ...origins];
}

/** Waits for a line of the log about one server. */
function told(edge, address, pattern, times = 1) {
    const of = lines(edge.log(), new RegExp(`bell_upstream: server ${address.replace(/[[\]]/g, '\\$&')} of pool .*(${pattern})`));
    return of.length >= times;
}

const waitUntilTold = (edge, address, pattern, times) => waitFor(`"${pattern}" of ${address}`, () => told(edge, address, pattern, times));

/** So many more checks of one server. */
function checksOf(origin, more) {
    const before = origin.checks;
    return waitFor(`${more} checks of ${origin.name}`, () => origin.checks >= before + more);
}

test('checks take a server away, and bring it back', async (t) => {
    const [place, a, b] = await stage(t, 2);
    const edge = await startPools(place, [pool('north', of(a), of(b))], { directive: `${check} check_host=check.example` });
    await edge.ask('north.example');
    await checksOf(a, 2);
    assert.equal(a.checkHost, 'check.example');
    a.health = 503;
    await waitUntilTold(edge, a.address, 'is down, its checks fail: it answered /ready with status 503');
    assert.deepEqual(await answers(edge, 'north.example', 20), { b: 20 });
    a.health = 204;
    await waitUntilTold(edge, a.address, 'is up: its checks pass');
    await waitFor('a to be given requests again', async () => (await edge.ask('north.example')).text === 'a');
    assert.ok(!told(edge, b.address, 'down'));
});

test('a request that fails goes to the only server that is up once, and that is not left out', async (t) => {
    const [place, a, b, c] = await stage(t, 3);
    b.health = c.health = 500;
    const edge = await startPools(place, [], { directive: `${check} fail_timeout=1h`, servers: [a, b, c] });
    await waitUntilTold(edge, b.address, 'is down');
    await waitUntilTold(edge, c.address, 'is down');
    a.behaviour = 'drop';
    assert.deepEqual(await answers(edge, 'east.example', 3), { 502: 3 });
    assert.deepEqual([a.requests, b.requests, c.requests], [3, 0, 0]);
    assert.deepEqual(lines(edge.log(), /left out|failed at all/), []);
    a.behaviour = 'answer';
    assert.deepEqual(await answers(edge, 'east.example', 3), { a: 3 });
});

test('the servers of the block are checked from the start; when checks hold all down the answer is 502, whatever requests would say', async (t) => {
    const [place, a, b] = await stage(t, 2);
    a.health = b.health = 500;
    const edge = await startPools(place, [], { directive: check, servers: [a, b] });
    await waitUntilTold(edge, a.address, 'is down');
    await waitUntilTold(edge, b.address, 'is down');
    const { status, headers } = await edge.ask('east.example');
    assert.equal(status, 502);
    assert.equal(headers['bell-reason'], 'pool "@servers" has no server to go to: of 2, 2 failed their checks, 0 are drained, 0 are down');
    assert.equal(a.requests + b.requests, 0);
});

test('check=tcp asks for a connection and no more', async (t) => {
    const [place, a, b] = await stage(t, 2);
    a.health = b.health = 500;
    const edge = await startPools(place, [pool('north', of(a), of(b))], { directive: 'zone=u:64k check=tcp interval=20ms fall=2 rise=2' });
    await edge.ask('north.example');
    await a.close();
    await waitUntilTold(edge, a.address, 'is down, its checks fail: it cannot be connected to \\(Connection refused\\)');
    assert.deepEqual(await answers(edge, 'north.example', 10), { b: 10 });
    const again = await startServer('again', a.port);
    t.after(() => again.close());
    await waitUntilTold(edge, a.address, 'is up');
    await waitFor('it to be given requests again', async () => (await edge.ask('north.example')).text === 'again');
    assert.equal(a.checks + b.checks + again.checks, 0);
});

test('no answer, another protocol, a connection that is cut and a socket that is not there fail a check', async (t) => {
    const [place, a, b] = await stage(t, 2);
    const odd = net.createServer((socket) => socket.on('error', () => {}).end('SSH-2.0-other\r\n'));
    const curt = net.createServer((socket) => socket.on('error', () => {}).once('data', () => socket.end()));
    for (const server of [odd, curt]) await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => [odd, curt].forEach((server) => server.close()));
    const at = (server) => `127.0.0.1:${server.address().port}`;
    const gone = `unix:${place.path('sock/gone')}`;
    a.health = 'silent';
    const directive = 'zone=u:64k check=/ready interval=20ms timeout=2s fall=2';
    const edge = await startPools(place, [pool('north', of(a), of(b), ...[at(odd), at(curt), gone].map((address) => of(address)))], { directive });
    await edge.ask('north.example').catch(() => {}); // it may have gone to any of them
    await waitUntilTold(edge, a.address, 'no answer within 2000ms');
    await waitUntilTold(edge, at(odd), 'its answer is not HTTP/1');
    await waitUntilTold(edge, at(curt), 'it closed the connection without an answer');
    await waitUntilTold(edge, gone, 'it cannot be connected to \\(No such file or directory\\)');
    assert.deepEqual(await answers(edge, 'north.example', 10), { b: 10 });
    assert.deepEqual(lines(edge.log(), /\[(error|crit)\](?!.*client:)/), [], 'a check that fails is told once, as news');
});

test('a drained server is checked, one that is down or was taken away is not', async (t) => {
    const [place, a, b, c] = await stage(t, 3);
    const edge = await startPools(place, [pool('north', of(a), of(b, { state: 'drain' }), of(c, { state: 'down' }))], { directive: check });
    await edge.ask('north.example');
    await checksOf(b, 3);
    assert.equal(c.checks, 0);
    await change(place, edge, 2, [pool('north', of(a))]); // nobody asks for the pool
    await checksOf(a, 5);
    const { checks } = b;
    await checksOf(a, 5);
    assert.equal(b.checks, checks);
    await change(place, edge, 3, []);
    await waitFor('a to be checked no more', async () => {
        const before = a.checks;
        await Promise.all(Array.from({ length: 20 }, () => edge.ask('east.example')));
        return a.checks === before;
    });
});

test('one worker checks for all; when it is killed another one does', async (t) => {
    const [place, a] = await stage(t, 1);
    place.expect(/worker process \d+ exited on signal 9/);
    const edge = await startPools(place, [pool('north', of(a))], { directive: check, workers: 3 });
    await edge.ask('north.example');
    await checksOf(a, 3);
    for (const pid of children(edge.program.child.pid)) {
        process.kill(pid, 'SIGKILL');
        await checksOf(a, 3);
    }
    a.health = 500;
    await waitUntilTold(edge, a.address, 'is down');
    await checksOf(a, 3);
    assert.ok(!told(edge, a.address, 'is down', 2), 'said by one');
});

test('what checks found stays through a reload, and a check in flight holds no worker back', async (t) => {
    const [place, a, b] = await stage(t, 2);
    a.health = 500;
    b.health = 'silent';
    const directive = 'zone=u:64k check=/ready interval=1h timeout=60s';
    const edge = await startPools(place, [pool('north', of(a), of(b))], { directive });
    await edge.ask('north.example');
    await waitUntilTold(edge, a.address, 'is down');
    await waitFor('a check in flight', () => b.checks === 1);
    await reloadEdge(edge);
    a.health = 200;
    assert.deepEqual(await answers(edge, 'north.example', 20), { b: 20 });
    assert.equal(a.checks, 1);
});

// nginx itself has no connections after a reload without a master (it is for nginx's own developers): a check that wants one says so in the log.
test('one process without a master: checks move to the new configuration, whose zone is another', async (t) => {
    const [place, a] = await stage(t, 1);
    place.expect(/worker_connections are not enough/);
    const edge = await startPools(place, [], { main: 'master_process off;', directive: 'zone=u:64k check=tcp interval=10ms', servers: [a] });
    await waitFor('a check', () => a.connections > 0);
    for (const size of ['128k', '96k']) {
        place.write('conf/nginx.conf', place.read('conf/nginx.conf').replace(/zone=u:\d+k/, `zone=u:${size}`));
        const before = edge.log().length;
        edge.reload();
        const since = () => edge.log().slice(before);
        await waitFor('checks of the new configuration', () => lines(since().split(': reconfiguring')[1] ?? '', /worker_connections are not enough/).length > 10);
        place.assertRunning(edge.program);
    }
    // A signal that comes while nginx reconfigures is noted but wakes nobody: it is sent until it is heard.
    await waitFor('the end', () => !edge.program.running || (edge.program.child.kill('SIGQUIT'), false));
});

test('who comes to a pool that is there, and who is no longer drained, starts slowly', async (t) => {
    const [place, a, b, c] = await stage(t, 3);
    const edge = await startPools(place, [pool('north', of(a), of(b))], { directive: 'zone=u:64k slow_start=24h' });
    const seen = await answers(edge, 'north.example', 40);
    assert.ok(seen.a > 0 && seen.b > 0, 'those that were there together have their whole share');
    await change(place, edge, 2, [pool('north', of(a), of(c))]);
    assert.deepEqual(await answers(edge, 'north.example', 20), { a: 20 });
    const held = await hold(edge, 'north.example', a);
    a.behaviour = 'answer';
    assert.deepEqual(await answers(edge, 'north.example', 20), { a: 20 }, 'one request is less to a than one to who has just come');
    a.release();
    assert.equal((await held.reply).text, 'a');
    await change(place, edge, 3, [pool('north', of(a, { state: 'drain' }), of(c))]);
    assert.deepEqual(await answers(edge, 'north.example', 5), { c: 5 });
    await change(place, edge, 4, [pool('north', of(a), of(b, { state: 'down' }))]);
    assert.deepEqual(await answers(edge, 'north.example', 5), { a: 5 });
});

test('who is back by its checks starts slowly', async (t) => {
    const [place, a, b] = await stage(t, 2);
    const edge = await startPools(place, [pool('north', of(a), of(b))], { directive: `${check} slow_start=24h` });
    await waitFor('both to be given requests', async () => (await edge.ask('north.example')) && a.requests > 0 && b.requests > 0);
    a.health = 500;
    await waitUntilTold(edge, a.address, 'is down');
    a.health = 200;
    await waitUntilTold(edge, a.address, 'is up');
    assert.deepEqual(await answers(edge, 'north.example', 20), { b: 20 });
});
