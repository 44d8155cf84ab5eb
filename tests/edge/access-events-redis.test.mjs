// bell_access_events when Redis is away, hangs, is full or refuses, when workers end, and when somebody floods: requests go on as ever, what cannot be
// kept is counted, and what can arrives.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import http from 'node:http';
import { test } from 'node:test';

import { children } from '../lib/run.mjs';
import { waitFor } from '../lib/wait.mjs';
import { FILM, batches, errors, events, noted, sawEvents, signed, withEdge } from './access-events.mjs';
import { lines } from './support.mjs';

const ours = (edge) => errors(edge).filter((line) => /bell_access_events/.test(line));
const never = { buffer: '1m interval=60s' }; // nothing is sent before the worker ends
const edgeTest = (name, options, body) => test(name, (t) => withEdge(t, options, (all) => body({ ...all, t })));
const workers = (edge) => children(edge.program.child.pid).filter((pid) => existsSync(`/proc/${pid}`));

async function ask(edge, count, options) {
    for (let n = 0; n < count; n++) await edge.get('small', options);
}

const gone = (pids) => waitFor('the old workers to go', () => pids.every((pid) => !existsSync(`/proc/${pid}`)));

edgeTest('Redis is away for a time: what waits arrives when it is there, the complaint is one', {}, async ({ edge, redis }) => {
    await edge.get('small');
    await sawEvents(redis, 1, 1);
    await redis.kill();
    await waitFor('the loss', () => ours(edge).length > 0);
    await ask(edge, 20);
    await ask(edge, 5, { id: 2 });
    await redis.start(); // with nothing in it
    await sawEvents(redis, 1, 20);
    await sawEvents(redis, 2, 5);
    await waitFor('the tenants', async () => (await noted(redis)).join() === '1,2');
    await waitFor('the count', async () => (await edge.figures()).sent === 26);
    assert.equal(ours(edge).length, 1);
    assert.match(ours(edge)[0], /\[error\].*bell_access_events_redis: 127\.0\.0\.1:\d+ cannot be used: .*; it is tried again until it can/);
    assert.equal(lines(edge.log(), /\[notice\].*bell_access_events_redis: .* is reached again/).length, 1);
});

const small = { buffer: '64k batch=4k interval=10ms' };

edgeTest('one that floods takes half of the buffer, and others are told of all the same', small, async ({ edge, redis }) => {
    await redis.kill();
    await waitFor('the loss', () => ours(edge).length > 0);
    await ask(edge, 300);
    const { dropped_share: dropped, ...flood } = await edge.figures();
    assert.ok(dropped > 100 && dropped < 160, `${dropped}`); // 32k hold some 170
    assert.deepEqual(flood, { sent: 0, dropped_full: 0, dropped_refused: 0, dropped_exit: 0, dropped_unfit: 0 });
    await ask(edge, 20, { id: 2 });
    assert.equal((await edge.figures()).dropped_share, dropped);
    await redis.start();
    await sawEvents(redis, 2, 20);
    await sawEvents(redis, 1, 300 - dropped);
    await waitFor('the count', async () => (await edge.figures()).sent === 320 - dropped);
    assert.equal((await events(redis, 1)).length, 300 - dropped);
    await ask(edge, 200);
    await sawEvents(redis, 1, 500 - dropped);
    assert.equal((await edge.figures()).dropped_share, dropped);
});

edgeTest('when many flood the buffer is full: counted, and its bound holds', small, async ({ edge, redis }) => {
    await redis.kill();
    await waitFor('the loss', () => ours(edge).length > 0);
    for (let id = 1; id <= 12; id++) await ask(edge, 130, { id });
    const figures = await edge.figures();
    assert.ok(figures.dropped_full > 0 && figures.dropped_share > 0, JSON.stringify(figures));
    await redis.start();
    const kept = 12 * 130 - figures.dropped_full - figures.dropped_share;
    assert.ok(kept * 150 < 65_536, `${kept}`);
    await waitFor('what was kept', async () => (await edge.figures()).sent === kept);
    let seen = 0;
    for (let id = 1; id <= 12; id++) seen += (await redis.ask(['exists', `bell:access:{${id}}`])) === '1' ? (await events(redis, id)).length : 0;
    assert.equal(seen, kept);
});

const hasty = { buffer: '1m interval=10ms', timeouts: 'connect_timeout=1s timeout=1s' };

edgeTest('Redis hangs: nothing else does, and what was in flight arrives, perhaps twice', hasty, async ({ edge, redis }) => {
    await edge.get('small');
    await sawEvents(redis, 1, 1);
    redis.pause();
    try {
        await ask(edge, 10);
        await waitFor('the loss', () => ours(edge).length > 0);
        await ask(edge, 10);
    } finally {
        redis.resume();
    }
    await sawEvents(redis, 1, 21);
    await waitFor('the count', async () => (await edge.figures()).sent === 21);
    assert.match(ours(edge)[0], /bell_access_events_redis: .* cannot be used: it (does not answer a command in time|takes no connection within 1000 ms)/);
});

edgeTest('Redis is full: events wait, one complaint says so, and they arrive when there is room', {}, async ({ edge, redis }) => {
    await redis.ask(['config', 'set', 'maxmemory', '1']);
    await ask(edge, 10);
    await waitFor('the complaint', () => ours(edge).length > 0);
    await ask(edge, 10);
    assert.match(ours(edge)[0], /\[error\].*bell_access_events: Redis refuses access events, which are kept as long as there is room: OOM command not allowed/);
    await redis.ask(['config', 'set', 'maxmemory', '0']);
    await sawEvents(redis, 1, 20);
    await waitFor('the count', async () => (await edge.figures()).sent === 20);
    assert.equal(ours(edge).length, 1);
});

edgeTest('a user who may not, and a key of another type: counted and told once, and others are served', {}, async ({ edge, redis }) => {
    await redis.ask(['acl', 'setuser', 'events', '-xadd']);
    await ask(edge, 5);
    await waitFor('the refusals', async () => (await edge.figures()).dropped_refused === 5);
    await redis.ask(['acl', 'setuser', 'events', '+xadd']);
    await edge.get('small');
    await sawEvents(redis, 1, 1);
    await redis.ask(['set', 'bell:access:{2}', 'something else']);
    await ask(edge, 3, { id: 2 });
    await waitFor('its refusals', async () => (await edge.figures()).dropped_refused === 8);
    await edge.get('small');
    await sawEvents(redis, 1, 2);
    assert.equal(ours(edge).filter((line) => /bell_access_events: Redis refuses access events, which are dropped: NOPERM /.test(line)).length, 1);
});

edgeTest('a stream that nobody reads keeps its newest batches', { buffer: '1m interval=10ms stream=10' }, async ({ edge, redis }) => {
    const info = async () => (await redis.ask(['xinfo', 'stream', 'bell:access:{1}'])).split('\n');
    const number = (all, name) => Number(all[all.indexOf(name) + 1]);
    for (let n = 1; n <= 30; n++) {
        await edge.get('small', { subject: `s-${n}` });
        await waitFor(`batch ${n}`, async () => (await edge.figures()).sent === n);
    }
    const all = await info();
    assert.equal(number(all, 'entries-added'), 30);
    assert.ok(number(all, 'length') >= 10 && number(all, 'length') < 20, `${number(all, 'length')}`);
    assert.equal((await events(redis, 1)).at(-1).subject, 's-30');
});

edgeTest('a batch is as long as it may be, and no longer', { buffer: '1m batch=4k interval=60s' }, async ({ edge, redis }) => {
    await ask(edge, 100);
    await waitFor('all but the last batch', async () => (await edge.figures()).sent > 70);
    const sizes = (await batches(redis, 1)).map((batch) => batch.reduce((sum, event) => sum + JSON.stringify(event).length + 1, 0));
    assert.ok(Math.max(...sizes) <= 4096 && Math.max(...sizes) > 3800, `${sizes}`);
});

edgeTest('a reload: what waits is sent by the worker that goes; so it is when nginx is told to end', never, async ({ edge, redis, place }) => {
    await ask(edge, 7);
    await ask(edge, 2, { id: 2 });
    const before = workers(edge);
    edge.reload();
    await gone(before);
    assert.equal((await events(redis, 1)).length, 7);
    assert.equal((await events(redis, 2)).length, 2);
    assert.deepEqual(await noted(redis), ['1', '2']);
    await edge.get('small');
    await place.stopProgram(edge.program);
    assert.equal((await events(redis, 1)).length, 8);
});

edgeTest('a download that lasts through a reload is told when it ends', never, async ({ edge, redis }) => {
    // the first bytes come, the others when the client goes on
    const request = http.get({ host: '127.0.0.1', port: edge.port, path: signed('film.mp4'), agent: false, headers: { host: 'north.example' } });
    const [response] = await once(request, 'response');
    const before = workers(edge);
    edge.reload();
    await waitFor('the new worker', () => workers(edge).length > before.length || !workers(edge).includes(before[0]));
    let got = 0;
    for await (const chunk of response) got += chunk.length;
    assert.equal(got, FILM.length);
    await gone(before);
    const [event] = await sawEvents(redis, 1, 1);
    assert.equal(event.to, FILM.length);
    assert.deepEqual(errors(edge), []);
});

edgeTest('Redis hangs while a worker ends: it ends, and what was not sent is counted', never, async ({ edge, redis }) => {
    await ask(edge, 7);
    const before = workers(edge);
    redis.pause();
    try {
        edge.reload();
        await gone(before);
        assert.equal((await edge.figures()).dropped_exit, 7);
    } finally {
        redis.resume();
    }
});

edgeTest('Redis is away when a worker ends: likewise', never, async ({ edge, redis }) => {
    await redis.kill();
    await waitFor('the loss', () => ours(edge).length > 0);
    await ask(edge, 3);
    const before = workers(edge);
    edge.reload();
    await gone(before);
    assert.equal((await edge.figures()).dropped_exit, 3);
});

edgeTest('kill -9 of a worker: the next one tells what it serves', {}, async ({ edge, redis, place }) => {
    place.expect(/exited on signal 9/);
    await edge.get('small');
    await waitFor('the first one to be counted', async () => (await edge.figures()).sent === 1);
    const [worker] = workers(edge);
    process.kill(worker, 'SIGKILL');
    await waitFor('another worker', () => workers(edge).length === 1 && !workers(edge).includes(worker));
    await edge.get('small');
    await sawEvents(redis, 1, 2);
    await waitFor('the count', async () => (await edge.figures()).sent === 2);
});

edgeTest('two workers tell all that both have served', { workers: 2 }, async ({ edge, redis }) => {
    const seen = new Set();
    let asked = 0;
    for (; seen.size < 2 && asked < 4000; asked += 8) {
        const replies = await Promise.all(Array.from({ length: 8 }, () => edge.ask('north.example', '/pid').then(({ text }) => seen.add(text)) && edge.get('small')));
        assert.ok(replies.every(({ status }) => status === 200));
    }
    assert.equal(seen.size, 2);
    const all = await sawEvents(redis, 1, asked);
    assert.equal(all.length, asked);
});

// nginx itself takes no connection after a reload without a master, and a signal that comes while it reconfigures wakes nobody
edgeTest('one process without a master: a reload sends what waits', { ...never, main: 'master_process off;' }, async ({ edge, redis }) => {
    await ask(edge, 3);
    edge.reload();
    await sawEvents(redis, 1, 3);
    await waitFor('the end', () => !edge.program.running || (edge.program.child.kill('SIGQUIT'), false));
    assert.equal((await events(redis, 1)).length, 3);
});
