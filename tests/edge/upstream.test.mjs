// Pools of servers from the directory (modules/upstream): whose pool, which server, which one next, with a real nginx and small origins.

import assert from 'node:assert/strict';
import os from 'node:os';
import { test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { makeCertificate } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { ask, lines } from './support.mjs';
import { answers, change, headers, hold, of, pool, startPools, startServer } from './upstream.mjs';

/** A place and `count` origins a, b, c, …, taken down behind the test. */
async function stage(t, count) {
    const place = newPlace();
    const origins = await Promise.all(['a', 'b', 'c'].slice(0, count).map((name) => startServer(name)));
    t.after(async () => {
        await place.stop();
        await Promise.all(origins.map((origin) => origin.close()));
    });
    return [place, ...origins];
}

// ---- whose pool

test("a request goes to its district's pool and to no other; without one to the block's own servers", async (t) => {
    const [place, a, b, c] = await stage(t, 3);
    const edge = await startPools(place, [pool('north', of(a)), pool('south', of(b))], { servers: [c] });
    const [north, south] = await Promise.all([answers(edge, 'north.example', 20), answers(edge, 'south.example', 20)]);
    assert.deepEqual([north, south], [{ a: 20 }, { b: 20 }]);
    assert.equal((await edge.ask('north.example')).headers['bell-upstream'], 'north');
    assert.deepEqual(await answers(edge, 'east.example', 5), { c: 5 });
    assert.equal((await edge.ask('east.example')).headers['bell-upstream'], '@servers');
    assert.deepEqual(await answers(edge, 'west.example', 5), { c: 5 });
    assert.ok(lines(edge.log(), /\[warn\].*pool "nowhere" is not in version 1 of the directory, or has no servers there/).length > 0);
    assert.equal(a.requests + b.requests + c.requests, 52);
});

test('default= names the pool of districts without one, and the servers of the block come after it', async (t) => {
    const [place, a, b, c] = await stage(t, 3);
    const edge = await startPools(place, [pool('north', of(a)), pool('api', of(b))], { directive: 'zone=u:64k default=api', servers: [c] });
    assert.deepEqual(await answers(edge, 'north.example', 5), { a: 5 });
    assert.deepEqual(await answers(edge, 'east.example', 5), { b: 5 });
    assert.deepEqual(await answers(edge, 'west.example', 5), { b: 5 });
    await change(place, edge, 2, [pool('north'), pool('api', of(b))]);
    assert.deepEqual(await answers(edge, 'north.example', 5), { b: 5 }, 'a pool without servers is none');
    await change(place, edge, 3, [pool('north', of(a))]);
    assert.deepEqual(await answers(edge, 'east.example', 5), { c: 5 });
    assert.deepEqual(await answers(edge, 'north.example', 5), { a: 5 });
});

test('where there is no directory, or no tenant, requests go to the servers of the block', async (t) => {
    const [place, a] = await stage(t, 1);
    const edge = await startPools(place, [], { directory: '', server: `bell_tenant off; ${headers} location / { proxy_pass http://origin; }`, servers: [a] });
    assert.deepEqual(await answers(edge, 'nobody.example', 5), { a: 5 });
});

test('a change of a pool is in force with the next request, without a reload', async (t) => {
    const [place, a, b] = await stage(t, 2);
    const edge = await startPools(place, [pool('north', of(a))]);
    for (let version = 2; version <= 12; version++) {
        await change(place, edge, version, [pool('north', of(version % 2 ? a : b))]);
        const { text, headers: given } = await edge.ask('north.example');
        assert.deepEqual([given['bell-version'], text], [String(version), version % 2 ? 'a' : 'b']);
    }
    assert.deepEqual(lines(edge.log(), /gracefully shutting down/), []);
});

test('a change of a pool takes nothing away from a request that is under way', async (t) => {
    const [place, a, b] = await stage(t, 2);
    const edge = await startPools(place, [pool('north', of(a))]);
    const held = await hold(edge, 'north.example', a);
    await change(place, edge, 2, [pool('north', of(b))]);
    assert.deepEqual(await answers(edge, 'north.example', 5), { b: 5 });
    a.release();
    assert.equal((await held.reply).text, 'a');
});

// ---- which server

test('the less loaded of two gets the request, over all workers', async (t) => {
    const [place, a, b] = await stage(t, 2);
    const edge = await startPools(place, [pool('north', of(a), of(b))]);
    const seen = await answers(edge, 'north.example', 60);
    assert.ok(seen.a > 0 && seen.b > 0, JSON.stringify(seen));
    const held = await hold(edge, 'north.example', a);
    a.behaviour = 'answer';
    assert.deepEqual(await answers(edge, 'north.example', 40), { b: 40 });
    a.release();
    assert.equal((await held.reply).text, 'a');
    await waitFor('a to be given requests again', async () => (await edge.ask('north.example')).text === 'a');
});

test('load counts by weight', async (t) => {
    const [place, a, b] = await stage(t, 2);
    const edge = await startPools(place, [pool('north', of(a, { weight: 3 }), of(b))]);
    const held = [await hold(edge, 'north.example', a)];
    assert.equal(b.requests, 0, 'a third of the load is less');
    held.push(await hold(edge, 'north.example', a));
    a.behaviour = 'answer';
    await waitFor('b to be as good a choice', async () => (await edge.ask('north.example')).text === 'b');
    a.release();
    for (const { reply } of held) assert.equal((await reply).text, 'a');
});

test('a drained server ends what it has and is given nothing new; one that is down neither', async (t) => {
    const [place, a, b, c] = await stage(t, 3);
    const edge = await startPools(place, [pool('north', of(a), of(b), of(c, { state: 'down' }))]);
    const held = await hold(edge, 'north.example', a);
    await change(place, edge, 2, [pool('north', of(a, { state: 'drain' }), of(b), of(c, { state: 'down' }))]);
    b.requests = 0;
    assert.deepEqual(await answers(edge, 'north.example', 20), { b: 20 });
    a.release();
    assert.equal((await held.reply).text, 'a');
    assert.equal(c.requests, 0);
});

test('when nobody is left the answer is 502, and the reason says why; no other pool takes over', async (t) => {
    const [place, a, b, c] = await stage(t, 3);
    const server = `${headers} location / { proxy_pass http://origin; error_page 502 /sorry; } location /sorry { internal; return 200 "sorry"; }`;
    const edge = await startPools(place, [pool('north', of(a, { state: 'drain' }), of(b, { state: 'down' })), pool('south', of(c))], { servers: [c], server });
    const { text, headers: given } = await edge.ask('north.example');
    assert.equal(text, 'sorry');
    assert.equal(given['bell-upstream'], 'north', 'known behind an internal redirect as well');
    assert.equal(given['bell-reason'], 'pool "north" has no server to go to: of 2, 0 failed their checks, 1 are drained, 1 are down');
    assert.ok(lines(edge.log(), /\[error\].*no live upstreams/).length > 0);
    assert.equal(a.requests + b.requests + c.requests, 0);
});

// ---- the next one

test('a GET that failed is tried at another server, a POST is not', async (t) => {
    const [place, a, b] = await stage(t, 2);
    const edge = await startPools(place, [pool('north', of(a), of(b))], { directive: 'zone=u:64k max_fails=0' });
    a.behaviour = 'drop';
    assert.deepEqual(await answers(edge, 'north.example', 30), { b: 30 });
    assert.ok(a.requests > 0 && a.requests <= 30);
    const before = a.requests + b.requests;
    let failed = 0;
    for (let i = 0; i < 30; i++) failed += (await ask(edge.port, 'north.example', '/', { method: 'POST', body: 'x' })).status === 502;
    assert.equal(a.requests + b.requests - before, 30, 'each POST was seen once');
    assert.equal(a.methods.filter((method) => method === 'POST').length, failed);
    assert.ok(failed > 0 && failed < 30);
});

test('no server is tried twice while others are left, and none when all were tried', async (t) => {
    const [place, a, b, c] = await stage(t, 3);
    const edge = await startPools(place, [pool('north', of(a), of(b), of(c))], { directive: 'zone=u:64k max_fails=0' });
    a.behaviour = b.behaviour = 'drop';
    for (let i = 0; i < 20; i++) {
        const before = [a.requests, b.requests, c.requests];
        assert.equal((await edge.ask('north.example')).text, 'c');
        assert.ok(a.requests - before[0] <= 1 && b.requests - before[1] <= 1 && c.requests - before[2] === 1);
    }
    c.behaviour = 'drop';
    const before = [a.requests, b.requests, c.requests];
    assert.equal((await edge.ask('north.example')).status, 502);
    assert.deepEqual([a.requests, b.requests, c.requests], before.map((n) => n + 1));
});

test('who fails is left out; when all have failed they are used again', async (t) => {
    const [place, a, b] = await stage(t, 2);
    const edge = await startPools(place, [pool('north', of(a), of(b))], { directive: 'zone=u:64k max_fails=2 fail_timeout=1h' });
    a.behaviour = 'drop';
    assert.deepEqual(await answers(edge, 'north.example', 40), { b: 40 });
    assert.equal(a.requests, 2);
    assert.equal(lines(edge.log(), new RegExp(`\\[warn\\].*server ${a.address} of pool "north" is left out for 3600000ms: 2 requests failed`)).length, 1);
    a.behaviour = 'answer';
    b.behaviour = 'drop';
    assert.equal((await edge.ask('north.example')).text, 'a', 'nothing else being left, it is used');
    assert.ok(lines(edge.log(), /\[warn\].*requests have failed at all servers of pool "north" that are left/).length > 0);
});

test('who was left out is tried by one request after a while, and is back when that is answered', async (t) => {
    const [place, a, b] = await stage(t, 2);
    const edge = await startPools(place, [pool('north', of(a), of(b))], { directive: 'zone=u:64k fail_timeout=50ms' });
    a.behaviour = 'drop';
    await waitFor('a to fail', async () => (await edge.ask('north.example')) && a.requests > 0);
    a.behaviour = 'answer';
    await waitFor('a to be back', async () => (await edge.ask('north.example')) && lines(edge.log(), /\[notice\].*of pool "north" is used again: a request was answered/).length > 0);
});

test('the only server is never left out', async (t) => {
    const [place, a] = await stage(t, 1);
    const edge = await startPools(place, [pool('north', of(a))], { directive: 'zone=u:64k fail_timeout=1h' });
    a.behaviour = 'drop';
    assert.deepEqual(await answers(edge, 'north.example', 3), { 502: 3 });
    a.behaviour = 'answer';
    assert.deepEqual(await answers(edge, 'north.example', 3), { a: 3 });
    assert.deepEqual(lines(edge.log(), /left out|used again/), []);
});

// ---- connections

test('connections are kept, each for its own server; one that was closed meanwhile says nothing against it', async (t) => {
    const [place, a, b] = await stage(t, 2);
    const location = 'proxy_http_version 1.1; proxy_set_header Connection "";';
    const edge = await startPools(place, [pool('north', of(a)), pool('south', of(b))], { block: 'keepalive 8;', location, workers: 1 });
    for (let i = 0; i < 10; i++) assert.deepEqual([await answers(edge, 'north.example', 1), await answers(edge, 'south.example', 1)], [{ a: 1 }, { b: 1 }]);
    assert.deepEqual([a.connections, b.connections], [1, 1]);
    for (let i = 0; i < 10; i++) {
        a.closeIdle();
        assert.deepEqual(await answers(edge, 'north.example', 1), { a: 1 });
    }
    assert.deepEqual(lines(edge.log(), /left out/), []);
});

test('a kept connection that was stale sends the request to no server that is known to fail, and forgives nobody', async (t) => {
    const [place, a, b] = await stage(t, 2);
    const location = 'proxy_http_version 1.1; proxy_set_header Connection "";';
    const edge = await startPools(place, [pool('north', of(a), of(b))], { directive: 'zone=u:64k fail_timeout=1h', block: 'keepalive 8;', location, workers: 1 });
    b.behaviour = 'drop';
    await waitFor('b to be left out', async () => (await edge.ask('north.example')) && b.requests > 0);
    await edge.ask('north.example');
    a.behaviour = 'stale';
    const { requests, connections } = a;
    assert.deepEqual(await answers(edge, 'north.example', 5), { a: 5 });
    assert.deepEqual([a.requests, a.connections, b.requests], [requests + 5, connections + 5, 1]);
    assert.deepEqual(lines(edge.log(), /requests have failed at all servers/), []);
});

test('kept connections of all servers that were stale: the request goes to one of them anew', async (t) => {
    const [place, a, b] = await stage(t, 2);
    const location = 'proxy_http_version 1.1; proxy_set_header Connection "";';
    const edge = await startPools(place, [pool('north', of(a), of(b))], { block: 'keepalive 8;', location, workers: 1 });
    await waitFor('connections to both', async () => (await edge.ask('north.example')) && a.requests > 0 && b.requests > 0);
    a.behaviour = b.behaviour = 'stale';
    const before = a.requests + b.requests;
    for (let i = 0; i < 10; i++) assert.equal((await edge.ask('north.example')).status, 200);
    assert.equal(a.requests + b.requests, before + 10);
    assert.deepEqual(lines(edge.log(), /left out|failed at all/), []);
});

test('unix sockets and addresses of IPv6 are servers like others', async (t) => {
    const [place] = await stage(t, 0);
    const socket = await startServer('socket', place.path('sock/origin.sock'));
    const six = Object.values(os.networkInterfaces()).flat().some(({ address }) => address === '::1') ? await startServer('six', [0, '::1']) : undefined;
    if (!six) t.diagnostic('there is no ::1 here: addresses of IPv6 were not asked');
    t.after(() => Promise.all([socket.close(), six?.close()]));
    const edge = await startPools(place, [pool('north', of(socket)), pool('south', of(six ?? socket))]);
    assert.deepEqual(await answers(edge, 'north.example', 3), { socket: 3 });
    assert.deepEqual(await answers(edge, 'south.example', 3), { [six ? 'six' : 'socket']: 3 });
});

test('servers that are reached over TLS take up sessions', async (t) => {
    const [place] = await stage(t, 0);
    const { certificate, key } = makeCertificate(place);
    const tls = { cert: place.read(certificate.slice(place.dir.length)), key: place.read(key.slice(place.dir.length)), maxVersion: 'TLSv1.2' };
    const a = await startServer('a', 0, { tls });
    t.after(() => a.close());
    const edge = await startPools(place, [pool('north', of(a))], { workers: 1, server: `${headers} location / { proxy_pass https://origin; }` });
    assert.deepEqual(await answers(edge, 'north.example', 4), { a: 4 });
    assert.equal(a.reused, 3);
    await change(place, edge, 2, [pool('north', of(a, { weight: 2 }))]);
    assert.deepEqual(await answers(edge, 'north.example', 2), { a: 2 });
});

// ---- workers

test('what a killed worker had counted is not counted any more', async (t) => {
    const [place, a, b] = await stage(t, 2);
    place.expect(/worker process \d+ exited on signal 9/);
    const edge = await startPools(place, [pool('north', of(a), of(b))]);
    const held = await hold(edge, 'north.example', a);
    a.behaviour = 'answer';
    assert.deepEqual(await answers(edge, 'north.example', 20), { b: 20 });
    const workers = children(edge.program.child.pid);
    for (const pid of workers) process.kill(pid, 'SIGKILL');
    await held.reply;
    await waitFor('new workers', () => children(edge.program.child.pid).filter((pid) => !workers.includes(pid)).length === workers.length);
    await waitFor('a to be given requests again', async () => (await edge.ask('north.example').catch(() => ({}))).text === 'a');
    assert.ok(lines(edge.log(), /\[notice\].*process \d+ is gone, the 1 requests that it had at servers of zone "u" are no longer counted/).length > 0);
    a.waiting.length = 0;
});

test('a reload keeps what is known: counts of workers that end, and who was left out', async (t) => {
    const [place, a, b, c] = await stage(t, 3);
    const edge = await startPools(place, [pool('north', of(a), of(b)), pool('south', of(b), of(c))], { directive: 'zone=u:64k fail_timeout=1h' });
    c.behaviour = 'drop';
    await waitFor('c to fail', async () => (await edge.ask('south.example')) && c.requests > 0);
    const held = await hold(edge, 'north.example', a);
    a.behaviour = c.behaviour = 'answer';
    const old = children(edge.program.child.pid);
    edge.reload();
    await waitFor('the reload', () => lines(edge.log(), /gracefully shutting down/).length >= 2);
    await waitFor('new workers', () => children(edge.program.child.pid).filter((pid) => !old.includes(pid)).length === 2);
    assert.deepEqual(await answers(edge, 'north.example', 20), { b: 20 });
    assert.deepEqual(await answers(edge, 'south.example', 20), { b: 20 });
    a.release();
    assert.equal((await held.reply).text, 'a');
    await waitFor('a to be given requests again', async () => (await edge.ask('north.example')).text === 'a');
});

test('a zone that is full is told once, and all are served', async (t) => {
    const [place] = await stage(t, 0);
    const socket = await startServer('socket', place.path('sock/o'));
    t.after(() => socket.close());
    // the same socket under many names
    const names = Array.from({ length: 128 }, (_, i) => `unix:${place.path('sock')}${[...i.toString(2).padStart(7, '0')].map((bit) => (bit === '1' ? '/./' : '///')).join('')}o`);
    const edge = await startPools(place, [pool('north', ...names.map((name) => of(name))), pool('south', of(socket))], { directive: 'zone=u:32k' });
    assert.deepEqual(await answers(edge, 'north.example', 60), { socket: 60 });
    assert.deepEqual(await answers(edge, 'south.example', 10), { socket: 10 });
    assert.equal(lines(edge.log(), /\[warn\].*zone "u" is full with \d+ servers/).length, 1);
    await change(place, edge, 2, [pool('south', of(socket))]);
    assert.deepEqual(await answers(edge, 'south.example', 10), { socket: 10 });
});
