// bell_cache with files when nginx begins again: what was stored is there, with its order, its tags and what was purged, whether nginx was told to end or
// everything was killed; and nothing that is half, damaged, or another's is served.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, statSync, truncateSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';

import { nginxProgram } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { children, mustRun } from '../lib/run.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';
import { startCacheOrigin } from './cache-origin.mjs';
import { askAll, leaveAll, visitors } from './cache-visitors.mjs';
import { askUntil, cacheStatus, control, fresh, isHit, outcome, startCacheEdge, store, zoneFigure } from './cache.mjs';
import { lines } from './support.mjs';

const RECORD = 128;
const bodyOf = (size, word = 'file') => Array.from({ length: Math.ceil(size / 16) }, (_, i) => `${word} ${i}`.padEnd(15).concat('\n')).join('').slice(0, size);

const filesOf = (folder) => readdirSync(folder, { recursive: true }).map((name) => `${folder}/${name}`).filter((file) => /\/[0-9a-f]{16}$/.test(file) && !file.includes('/temp/'));
const stored = (folder, count) => waitFor(`${count} files`, () => filesOf(folder).length === count);
const recorded = (folder, count) => waitFor(`${count} records`, () => recordsOf(folder).length === count);
const recordsOf = (folder) => {
    const bytes = readFileSync(`${folder}/index`);
    return Array.from({ length: bytes.length / RECORD - 1 }, (_, i) => bytes.subarray((i + 1) * RECORD, (i + 2) * RECORD)).filter((record) => record.some((byte) => byte !== 0));
};
const get = (edge, path, headers = {}, options = {}) => edge.ask('north.example', path, { headers, ...options });

/** Ends an edge; "killed": all of its processes at once, with no word. */
const ends = {
    told: ({ place, edge }) => place.stopProgram(edge.program),
    killed: async ({ place, edge }) => {
        const { pid } = edge.program.child;
        process.kill(pid, 'SIGSTOP'); // that it puts nobody in the places of the dead
        for (const worker of children(pid)) process.kill(worker, 'SIGKILL');
        await place.stopProgram(edge.program, 'SIGKILL');
        await waitFor('all to be gone', () => !readdirSync('/proc').some((name) => /^\d+$/.test(name) && commandOf(name).includes(`${place.dir}/`)));
    },
};

function commandOf(pid) {
    try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
        return '';
    }
}

/** A test with an origin and an edge with files; `again(how)` ends the edge and starts another one in its place. */
function restartTest(name, body, { words = 'disk=16m', size = '4m', server = 'location / { proxy_pass http://origin; }', ...options } = {}) {
    test(name, async () => {
        const place = newPlace();
        place.expect(/exited on signal 9/);
        const origin = await startCacheOrigin();
        const folder = place.folder('cache');
        const start = (more = {}) => startCacheEdge(place, origin, { zone: `zone=main:${size} largest=64k ${words} path=${folder}`, server, ...options, ...more });
        try {
            const t = { place, origin, folder, edge: await start() };
            t.again = async (how = 'told', { between = async () => {}, ...more } = {}) => {
                await ends[how](t);
                await between();
                t.edge = await start(more);
                return t.edge;
            };
            await body(t);
        } finally {
            await origin.close();
            await place.stop();
        }
    });
}

for (const how of ['told', 'killed']) {
    restartTest(`what is in memory and in files is there again: ${how}`, async (t) => {
        const { origin, folder } = t;
        const large = bodyOf(300_000);
        await store(t.edge, origin, '/small', { headers: { ...fresh, 'content-type': 'text/html', 'x-of-origin': 'yes', etag: '"s"' }, body: 'small' });
        await store(t.edge, origin, '/empty', { headers: fresh, body: '' });
        await store(t.edge, origin, '/large', { headers: { ...fresh, 'content-type': 'video/mp4' }, body: large });
        await store(t.edge, origin, '/varies', { headers: { ...fresh, vary: 'accept-language' }, body: 'deutsch' }, { headers: { 'accept-language': 'de' } });
        await stored(folder, 5);
        await recorded(folder, 5);
        await t.again(how);
        assert.equal(lines(t.edge.log(), /zone "main" has 5 objects in files/).length, 1);
        for (let i = 0; i < 3; i++) {
            const small = await get(t.edge, '/small');
            assert.deepEqual([outcome(small), small.text, small.headers['content-type'], small.headers['x-of-origin'], small.headers.etag], ['hit', 'small', 'text/html', 'yes', '"s"']);
            assert.equal((await get(t.edge, '/small', { 'if-none-match': '"s"' })).status, 304);
            const [empty, all] = [await get(t.edge, '/empty'), await get(t.edge, '/large')];
            assert.deepEqual([outcome(empty), empty.text], ['hit', '']);
            assert.deepEqual([outcome(all), all.text === large, all.headers['content-type']], ['hit', true, 'video/mp4']);
            assert.equal((await get(t.edge, '/large', { range: 'bytes=16-31' })).text, large.slice(16, 32));
            const varies = await get(t.edge, '/varies', { 'accept-language': 'de' });
            assert.deepEqual([outcome(varies), varies.text], ['hit', 'deutsch']);
        }
        for (const path of ['/small', '/empty', '/large', '/varies']) assert.equal(origin.count(path), 1, path);
        // and once more, and what is stored anew is there, too
        await store(t.edge, origin, '/later', { headers: fresh, body: 'later' });
        await recorded(folder, 6);
        await t.again(how);
        for (const [path, text] of [['/small', 'small'], ['/large', large], ['/later', 'later']]) {
            const reply = await get(t.edge, path);
            assert.deepEqual([outcome(reply), reply.text === text, origin.count(path)], ['hit', true, 1]);
        }
    });

    restartTest(`what was purged is not fresh again: ${how}`, async (t) => {
        const { origin, folder } = t;
        for (const path of ['/a', '/b']) await store(t.edge, origin, path, { headers: fresh, body: 'before' });
        await recorded(folder, 2);
        origin.script('/a', (asked) => ({ headers: fresh, body: asked.method === 'GET' ? 'after' : '' }));
        assert.equal((await get(t.edge, '/a', {}, { method: 'POST' })).status, 200);
        await t.again(how);
        const [a, b] = [await get(t.edge, '/a'), await get(t.edge, '/b')];
        assert.deepEqual([a.text, b.text, outcome(b)], ['after', 'before', 'hit']);
        await t.again(how); // and not once more
        assert.equal((await get(t.edge, '/a')).text, 'after');
        assert.equal(origin.count('/b'), 1);
    });

    restartTest(`a 304 is remembered: ${how}`, async (t) => {
        const { origin, folder } = t;
        const large = bodyOf(200_000);
        for (const [path, body] of [['/small', 'small'], ['/large', large]]) {
            origin.script(path, { headers: control('max-age=10', { age: '20', etag: '"1"', 'x-of-origin': 'one' }), body }, { status: 304, headers: control('max-age=60', { etag: '"1"', 'x-of-origin': 'two' }) });
            await get(t.edge, path);
        }
        await stored(folder, 2);
        for (const path of ['/small', '/large']) assert.equal((await get(t.edge, path)).headers['x-of-origin'], 'two');
        if (how === 'killed') await waitFor('records of it', () => recordsOf(folder).length === 2 && recordsOf(folder).every((record) => record.readUInt32LE(8 + 16 + 8) === 60));
        await t.again(how);
        for (const [path, body] of [['/small', 'small'], ['/large', large]]) {
            const reply = await get(t.edge, path);
            assert.deepEqual([outcome(reply), reply.text === body, reply.headers['x-of-origin'], origin.count(path)], ['hit', true, 'two', 2]);
        }
    });
}

restartTest('what is asked for is in memory from then on, and what is pushed out of memory is in its file', async (t) => {
    const { origin, folder } = t;
    const body = (n) => bodyOf(40_000, `${n}`);
    const paths = Array.from({ length: 60 }, (_, n) => `/${n}`); // more than memory holds
    for (const [n, path] of paths.entries()) {
        origin.script(path, { headers: fresh, body: body(n) });
        await get(t.edge, path);
        await stored(folder, n + 1);
    }
    for (const [n, path] of paths.entries()) assert.ok((await get(t.edge, path)).text === body(n), path);
    assert.equal(paths.reduce((sum, path) => sum + origin.count(path), 0), 60);
    await recorded(folder, 60);
    await t.again();
    assert.ok((await get(t.edge, '/7')).text === body(7));
    for (const file of filesOf(folder)) unlinkSync(file);
    const reply = await get(t.edge, '/7');
    assert.deepEqual([outcome(reply), reply.text === body(7), origin.count('/7')], ['hit', true, 1]);
}, { size: '2m' });

restartTest('they go in the order in which they would have gone', async (t) => {
    const { origin, folder } = t;
    const body = bodyOf(70_000);
    const ask = async (from, to) => {
        for (let n = from; n < to; n++) {
            origin.script(`/${n}`, { headers: fresh, body });
            await get(t.edge, `/${n}`);
        }
    };
    await ask(0, 64);
    await get(t.edge, '/3');
    await get(t.edge, '/3');
    await stored(folder, 64);
    await t.again();
    await ask(64, 84);
    await stored(folder, 64);
    const left = [];
    for (let n = 0; n < 64; n++) {
        origin.script(`/${n}`, { headers: control('no-store'), body: 'gone' });
        if ((await get(t.edge, `/${n}`)).text === body) left.push(n);
    }
    assert.deepEqual(left, [3, ...Array.from({ length: 43 }, (_, i) => 21 + i)]);
}, { words: 'disk=64m files=64' });

restartTest('what is asked for in memory is not the first to go from files', async (t) => {
    const { origin, folder } = t;
    await store(t.edge, origin, '/hot', { headers: fresh, body: 'hot' });
    await recorded(folder, 1);
    for (let n = 0; n < 4; n++) { // what is recorded was so in a turn of the keeper, and before the next one he has told of hits
        await store(t.edge, origin, `/turn/${n}`, { headers: fresh, body: 'turn' });
        await recorded(folder, n + 2);
    }
    for (let n = 0; n < 100; n++) {
        origin.script(`/${n}`, { headers: fresh, body: bodyOf(70_000) });
        await get(t.edge, `/${n}`);
    }
    await stored(folder, 64);
    await t.again();
    assert.deepEqual([(await get(t.edge, '/hot')).text, origin.count('/hot')], ['hot', 1]);
}, { words: 'disk=64m files=64' });

// ---- what is damaged

restartTest('records that are damaged are not there, and the others are', async (t) => {
    const { origin, folder } = t;
    for (let n = 0; n < 20; n++) await store(t.edge, origin, `/${n}`, { headers: fresh, body: bodyOf(70_000, `${n}`) });
    await recorded(folder, 20);
    await t.again('killed', {
        between: async () => {
            const bytes = readFileSync(`${folder}/index`);
            for (let n = 1; n <= 10; n++) bytes[n * RECORD + 8 * n] ^= 1;
            bytes.copy(bytes, 15 * RECORD, 16 * RECORD, 17 * RECORD); // one in the place of another
            writeFileSync(`${folder}/index`, bytes.subarray(0, 20 * RECORD + 60)); // and one is cut off
        },
    });
    assert.equal(lines(t.edge.log(), /has 8 objects in files/).length, 1);
    let again = 0;
    for (let n = 0; n < 20; n++) {
        assert.ok((await get(t.edge, `/${n}`)).text === bodyOf(70_000, `${n}`), `${n}`);
        again += origin.count(`/${n}`) - 1;
    }
    assert.equal(again, 12);
});

for (const [what, damage, is] of [
    ['is deleted', (folder) => unlinkSync(`${folder}/index`), 'uri-miss 200'],
    ['is of another key', (folder) => { const bytes = readFileSync(`${folder}/index`); bytes.fill(7, 0, RECORD); writeFileSync(`${folder}/index`, bytes); }, 'uri-miss 200'],
    ['is empty', (folder) => truncateSync(`${folder}/index`, 0), 'uri-miss 200'],
]) {
    restartTest(`the table ${what}: it begins anew, and files of before go`, async (t) => {
        const { origin, folder } = t;
        await store(t.edge, origin, '/a', { headers: fresh, body: 'before' });
        await stored(folder, 1);
        const [file] = filesOf(folder);
        await t.again('told', { between: async () => damage(folder) });
        assert.equal(outcome(await get(t.edge, '/a')), is);
        assert.ok(existsSync(file) || filesOf(folder).length <= 1);
        await askUntil(t.edge, 'north.example', '/a', 'a hit', isHit);
    });
}

for (const [what, damage] of [
    ['is deleted', (folder) => unlinkSync(`${folder}/purges`)],
    ['is damaged', (folder) => { const bytes = readFileSync(`${folder}/purges`); bytes[bytes.length >> 1] ^= 1; writeFileSync(`${folder}/purges`, bytes); }],
    ['was torn', (folder) => { const bytes = readFileSync(`${folder}/purges`); bytes.fill(0, 0, RECORD); writeFileSync(`${folder}/purges`, bytes); }],
]) {
    restartTest(`what was purged ${what}: all that there is is served once more while it is refreshed`, async (t) => {
        const { origin, folder } = t;
        await store(t.edge, origin, '/a', { headers: fresh, body: 'before' });
        await recorded(folder, 1);
        await t.again('told', { between: async () => damage(folder) });
        const reply = await get(t.edge, '/a');
        assert.equal(reply.text, 'before');
        assert.ok(cacheStatus(reply).hit && cacheStatus(reply).ttl <= 0, reply.headers['cache-status']);
        await origin.arrived('/a', 2);
    });
}

restartTest('a small file that is damaged is a miss', async (t) => {
    const { origin, folder } = t;
    await store(t.edge, origin, '/a', { headers: fresh, body: bodyOf(1000) });
    await recorded(folder, 1);
    await t.again('told', {
        between: async () => {
            const [file] = filesOf(folder);
            const bytes = readFileSync(file);
            bytes[500] ^= 1;
            writeFileSync(file, bytes);
        },
    });
    const reply = await get(t.edge, '/a');
    assert.deepEqual([reply.text === bodyOf(1000), outcome(reply), origin.count('/a')], [true, 'uri-miss 200', 2]);
    assert.equal(lines(t.edge.log(), /is not what was written/).length, 1);
});

restartTest('a large file whose body was changed is found by who goes round', async (t) => {
    const { origin, folder } = t;
    const body = bodyOf(3_000_000);
    await store(t.edge, origin, '/a', { headers: fresh, body });
    await store(t.edge, origin, '/b', { headers: fresh, body: bodyOf(200_000, 'other') });
    await recorded(folder, 2);
    await t.again('told', {
        between: async () => {
            for (const file of filesOf(folder)) {
                const bytes = readFileSync(file);
                if (bytes.length > 1_000_000) bytes[2_900_000] ^= 1;
                writeFileSync(file, bytes);
                utimesSync(file, 0, 0);
            }
        },
    });
    await waitFor('the line', () => lines(t.edge.log(), /is not what was written/).length === 1);
    const reply = await get(t.edge, '/a');
    assert.deepEqual([reply.text === body, outcome(reply), origin.count('/a')], [true, 'uri-miss 200', 2]);
    assert.equal(outcome(await get(t.edge, '/b')), 'hit');
}, { words: 'disk=64m' });

restartTest('killed in the middle of everything: whoever gets an answer gets his own', async (t) => {
    const { origin } = t;
    const bodies = Array.from({ length: 40 }, (_, n) => bodyOf(n % 2 ? 100_000 : 3000, `${n}`));
    bodies.forEach((body, n) => origin.script(`/${n}`, { headers: fresh, body }));
    for (let round = 0; round < 4; round++) {
        let isOver = false;
        let answered = 0;
        const wrong = [];
        const browse = async (seed) => {
            for (let i = seed; !isOver; i += 7) {
                const n = i % bodies.length;
                const method = i % 23 === 0 ? 'POST' : 'GET';
                const reply = await get(t.edge, `/${n}`, {}, { method }).catch(() => undefined);
                if (reply && method === 'GET' && (reply.status !== 200 || reply.text !== bodies[n])) wrong.push(`/${n}: ${reply.status}`);
                if (reply) answered++;
            }
        };
        const browsing = Array.from({ length: 6 }, (_, i) => browse(i + round));
        await waitFor('some answers', () => answered > 150);
        const ended = ends.killed(t);
        isOver = true;
        await Promise.all(browsing);
        await ended;
        assert.deepEqual(wrong, []);
        await t.again('gone');
    }
    for (const [n, body] of bodies.entries()) assert.ok((await get(t.edge, `/${n}`)).text === body, `/${n}`);
});
ends.gone = async () => {};

restartTest('a binary upgrade: the new nginx goes without files until the old one has gone and it was reloaded', async (t) => {
    const { place, origin, folder } = t;
    const body = bodyOf(200_000);
    await store(t.edge, origin, '/a', { headers: fresh, body });
    await recorded(folder, 1);
    const pidOf = (name) => existsSync(place.path(name)) && Number(place.read(name).trim());
    await ends.told(t); // one that somebody's terminal holds is not upgraded
    const file = place.write('conf/daemon.conf', readFileSync(t.edge.file, 'utf8').replace('daemon off;', 'daemon on;'));
    await mustRun([nginxProgram(), '-p', `${place.dir}/`, '-c', file, '-e', place.path('log/nginx.error.log')], { cwd: place.dir });
    const old = await waitFor('the master', () => pidOf('pid/nginx.pid'));
    await waitFor('its workers', () => children(old).length === 2);
    process.kill(old, 'SIGUSR2');
    const successor = await waitFor('the new master', () => pidOf('pid/nginx.pid') !== old && pidOf('pid/nginx.pid'));
    await waitFor('its workers', () => children(successor).length === 2);
    assert.ok(lines(t.edge.log(), /\[warn\].*goes without files until it has gone/).length > 0);
    process.kill(old, 'SIGQUIT');
    await waitFor('the old master to go', () => !existsSync(`/proc/${old}`));
    await store(t.edge, origin, '/meanwhile', { headers: fresh, body: 'meanwhile' });
    const former = children(successor);
    process.kill(successor, 'SIGHUP');
    await waitFor('other workers alone', () => children(successor).length === 2 && !children(successor).some((pid) => former.includes(pid)));
    const reply = await get(t.edge, '/a');
    assert.ok(cacheStatus(reply).hit && reply.text === body, reply.headers['cache-status']);
    assert.equal((await get(t.edge, '/meanwhile')).text, 'meanwhile');
    assert.equal(origin.count('/meanwhile'), 1);
    process.kill(successor, 'SIGQUIT');
    await waitFor('the new master to go', () => !existsSync(`/proc/${successor}`));
});

// ---- what was purged while it was away

/** A test with a Redis as well, whose first purge is read: body({origin, folder, edge, start, add, …}). */
function feedTest(name, body) {
    test(name, async () => {
        const place = newPlace();
        place.expect(/exited on signal 9/);
        const origin = await startCacheOrigin();
        try {
            const redis = await startRedis(place, { settings: 'user cache on >s3cret resetkeys ~bell:purges resetchannels -@all +xinfo +xread' });
            const password = place.write('conf/cache.password', 's3cret\n', 0o600);
            const folder = place.folder('cache');
            const http = `bell_cache_purges 127.0.0.1:${redis.port} user=cache password_file=${password} connect_timeout=10s timeout=10s;`;
            const start = () => startCacheEdge(place, origin, { zone: `zone=main:4m disk=16m path=${folder}`, http });
            const add = (number, what) => redis.ask(['XADD', 'bell:purges', `${number}-0`, 'p', `1 ${number} ${Date.now()} 1 hard ${what}`]);
            const t = { place, origin, folder, start, add, edge: await start() };
            await waitFor('a worker to read', () => lines(t.edge.log(), /this worker reads purges now/).length > 0);
            await add(1, 'tag none');
            await waitFor('the first purge', () => lines(t.edge.log(), /it has read none before|purge of tenant 1: tag/).length >= 1);
            await body(t);
        } finally {
            await origin.close();
            await place.stop();
        }
    });
}

feedTest('what was purged hard, and was in a file yet when all of nginx was killed, goes when it is back', async (t) => {
    const { origin, folder, add } = t;
    for (const path of ['/a', '/b']) await store(t.edge, origin, path, { headers: fresh, body: bodyOf(300_000) });
    await recorded(folder, 2);
    origin.script('/held', { headers: fresh, body: 'held', held: true }); // what is fetched since before is waited for
    const [reply] = askAll(await visitors(t.edge.port, 1), '/held');
    await origin.arrived('/held');
    await add(2, 'url north.example /a');
    await waitFor('the second purge', async () => (await zoneFigure(t.edge, 'purges_seen')) === 2);
    assert.deepEqual([filesOf(folder).length, await zoneFigure(t.edge, 'purges_erased') < 2], [2, true]);
    await ends.killed(t);
    leaveAll([reply.visitor]);
    t.edge = await t.start();
    await waitFor('it to be erased', async () => (await zoneFigure(t.edge, 'purges_erased')) === 2);
    assert.equal(filesOf(folder).length, 1);
    assert.equal(outcome(await get(t.edge, '/b')), 'hit');
});

feedTest('purges of a feed that came while nginx was away are read when it is back', async (t) => {
    const { origin, folder, start, add } = t;
    for (const path of ['/a', '/b', '/c']) await store(t.edge, origin, path, { headers: { ...fresh, 'cache-tag': `tag${path.replace('/', '-')}` }, body: 'before' });
    await stored(folder, 3);
    await add(2, 'tag tag-b');
    await waitFor('the second purge', () => lines(t.edge.log(), /purge of tenant 1: tag/).length >= 1);
    await ends.told(t);
    await add(3, 'tag tag-a');
    t.edge = await start();
    for (const path of ['/a', '/b']) {
        origin.script(path, { headers: fresh, body: 'after' });
        await askUntil(t.edge, 'north.example', path, `another answer for ${path}`, (reply) => reply.text === 'after');
    }
    const reply = await get(t.edge, '/c');
    assert.deepEqual([reply.text, outcome(reply), origin.count('/c')], ['before', 'hit', 1]);
    assert.deepEqual(lines(t.edge.log(), /\[(warn|error)\].*all that it has is stale now/).slice(1), []);
    assert.ok(statSync(`${folder}/purges`).size > 0);
});
