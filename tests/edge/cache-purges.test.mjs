// Purges from Redis: each reaches all workers and zones once, whoever dies or was away, and what was missed takes everything for stale.

import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, readSync, readdirSync, unlinkSync } from 'node:fs';
import { test } from 'node:test';

import { freePort, newPlace } from '../lib/place.mjs';
import { modulePath, testNginx } from '../lib/server-nginx.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { children } from '../lib/run.mjs';
import { waitFor } from '../lib/wait.mjs';
import { lines, nginxConf, startEdge, startOrigin } from './support.mjs';

const load = ['core', 'cache', 'status'].map((name) => `load_module ${modulePath(`ngx_http_bell_${name}_module`)};`).join('\n');
const [NORTH, SOUTH] = [1, 2];

/** The least that an edge needs, as modules/cache/README.md says it. */
const leastUser = 'user cache on >s3cret resetkeys ~bell:purges resetchannels -@all +xinfo +xread';

const SECRET = 'known of a pupil. ';

/** A test with a Redis and an edge of two workers and two zones; each answer of the origin begins with another number, and those below /large are 200 KB. */
function purgeTest(name, body, { before = async () => {}, words = '' } = {}) {
    test(name, async () => {
        const place = newPlace();
        let origin;
        try {
            const redis = await startRedis(place, { settings: leastUser });
            await before(redis);
            let served = 0;
            let isDown = false;
            const goDown = () => (isDown = true);
            origin = await startOrigin(place.path('sock/origin.sock'), (request, response) => {
                if (isDown) response.statusCode = 503;
                response.setHeader('Cache-Control', isDown ? 'no-store' : 'public, max-age=3600');
                response.setHeader('Cache-Scope', 'public');
                response.setHeader('Cache-Tag', `all, tag${new URL(request.url, 'http://x').pathname.replaceAll('/', '-')}`);
                response.end(`${++served} ${request.url.startsWith('/large/') ? SECRET.repeat(11_000) : ''}`);
                return true;
            });
            const password = place.write('conf/cache.password', 's3cret\n', 0o600);
            const folder = place.folder('cache');
            const files = () => readdirSync(folder, { recursive: true }).filter((file) => /^[0-9a-f]\/[0-9a-f]{2}\/[0-9a-f]{16}$/.test(file));
            const http = `bell_cache_zone zone=one:4m ${words && `${words} path=${folder}`}; bell_cache_zone zone=two:4m;
                bell_cache_purges 127.0.0.1:${redis.port} user=cache password_file=${password} connect_timeout=10s timeout=10s;`;
            const location = (path, zone) => `location ${path} { bell_cache ${zone}; proxy_pass http://unix:${place.path('sock/origin.sock')}; }`;
            const edge = await startEdge(place, { load, http, server: `${location('/', 'one')} ${location('/two/', 'two')} location = /figures { bell_status json; }` });
            const get = async (path, host = 'north.example') => {
                const { status, text } = await edge.ask(host, path);
                assert.equal(status, 200);
                return parseInt(text, 10);
            };
            let number = 0;
            const add = (what, { at = ++number, tenant = NORTH, how = 'hard' } = {}) => {
                number = at;
                return redis.ask(['XADD', 'bell:purges', `${at}-0`, 'p', `1 ${at} ${Date.now()} ${tenant} ${how} ${what}`]);
            };
            const renewed = async (path, than, host) => {
                let now;
                await waitFor(`another answer for ${path}`, async () => (now = await get(path, host)) !== than);
                return now;
            };
            await body({ place, folder, redis, edge, get, add, renewed, files, goDown });
        } finally {
            origin?.close();
            await place.stop();
        }
    });
}

const readsNow = (edge) => lines(edge.log(), /this worker reads purges now/).length;
const reading = (edge) => waitFor('a worker to read', () => readsNow(edge) > 0);

/** The first purge has been read, in both zones: from here on what is said of one purge is said of that alone. */
const firstRead = async (edge, add) => {
    await reading(edge);
    await add('tag none');
    await waitFor('the first purge to be read', () => lines(edge.log(), /it has read none before; .* behind number 1\b|purge of tenant 1: tag/).length >= 2);
};
const lostItsPlace = (edge) => lines(edge.log(), /\[(warn|error)\].*all that it has is stale now/);

purgeTest('by URL, prefix, tag and all: what is meant is fetched again, in both zones, and nothing else', async ({ edge, get, add, renewed }) => {
    await firstRead(edge, add);
    const paths = ['/a', '/a?b', '/b/1', '/b/2', '/c', '/two/a'];
    const seen = {};
    const look = async () => Object.fromEntries(await Promise.all([...paths.map(async (path) => [path, await get(path)]), get('/a', 'south.example').then((n) => ['south', n])]));
    Object.assign(seen, await look());
    assert.deepEqual(await look(), seen, 'all is stored');
    const cases = [
        ['url north.example /a', ['/a']],
        ['prefix north.example /b/', ['/b/1', '/b/2']],
        ['tag tag-c', ['/c']],
        ['prefix north.example /two/', ['/two/a']],
        ['tag all', paths],
        ['all', paths],
    ];
    for (const [what, meant] of cases) {
        await add(what);
        await renewed(meant[0], seen[meant[0]]);
        const now = await look();
        for (const path of [...paths, 'south']) assert.equal(now[path] !== seen[path], meant.includes(path), `${what}: ${path}`);
        Object.assign(seen, now);
    }
    await add('all', { tenant: SOUTH });
    await renewed('/a', seen.south, 'south.example');
    assert.equal(await get('/a'), seen['/a']);
});

purgeTest('a URL and a prefix are about a host by whatever port it was asked for', async ({ edge, get, add, renewed }) => {
    await firstRead(edge, add);
    const hosts = ['north.example', 'north.example:1', 'north.example:080', 'north.example:8443'];
    const look = async () => Object.fromEntries(await Promise.all(hosts.map(async (host) => [host, await get('/a', host)])));
    let seen = await look();
    assert.deepEqual(await look(), seen, 'all is stored');
    for (const what of ['url north.example /a', 'prefix north.example:8443 /']) {
        await add(what);
        for (const host of hosts) await renewed('/a', seen[host], host);
        seen = await look();
    }
});

purgeTest('what came while it was away is read when it is back, in its order', async ({ redis, edge, get, add, renewed }) => {
    await firstRead(edge, add);
    const first = await get('/a');
    await redis.ask(['ACL', 'SETUSER', 'cache', '-xread']);
    await redis.ask(['CLIENT', 'KILL', 'USER', 'cache']);
    await waitFor('the line', () => lines(edge.log(), /cannot be used: .*NOPERM/).length > 0);
    await add('tag none');
    await add('url north.example /a');
    await add('tag none');
    assert.equal(await get('/a'), first);
    await redis.ask(['ACL', 'SETUSER', 'cache', '+xread']);
    await renewed('/a', first);
    assert.deepEqual(lostItsPlace(edge), []);
});

purgeTest('a gap: everything is stale, and it goes on behind it', async ({ edge, get, add, renewed }) => {
    await firstRead(edge, add);
    const [first, second] = [await get('/a'), await get('/two/a')];
    await add('tag none', { at: 7 });
    await renewed('/a', first);
    await renewed('/two/a', second);
    assert.equal(lines(edge.log(), /some were gone before they were read; .* behind number 7/).length, 2);
    const now = await get('/a');
    await add('url north.example /a');
    await renewed('/a', now);
});

purgeTest('an edge that begins behind many purges begins at their end', async ({ redis, edge, get, add, renewed }) => {
    await waitFor('both zones', () => lines(edge.log(), /it has read none before; .* behind number 500/).length === 2);
    const first = await get('/a');
    await add('url north.example /a', { at: 501 });
    await renewed('/a', first);
}, { before: (redis) => redis.ask(['EVAL', "for i = 1, 500 do redis.call('XADD', 'bell:purges', i .. '-0', 'p', '1 ' .. i .. ' 5 1 hard all') end", '0']) });

purgeTest('a line that nobody understands: everything is stale', async ({ redis, edge, get, add, renewed }) => {
    await firstRead(edge, add);
    const first = await get('/a');
    await redis.ask(['XADD', 'bell:purges', '2-0', 'p', 'nonsense']);
    await renewed('/a', first);
    assert.ok(lines(edge.log(), /\[error\].*one could not be understood/).length > 0);
});

purgeTest('a stream whose numbers have begun anew', async ({ redis, edge, get, add, renewed }) => {
    await firstRead(edge, add);
    await add('tag none', { at: 900 });
    await waitFor('the gap', () => lines(edge.log(), /behind number 900/).length === 2);
    const first = await get('/a');
    await redis.ask(['DEL', 'bell:purges']);
    await add('tag none', { at: 1 });
    await renewed('/a', first);
    assert.ok(lines(edge.log(), /their numbers have begun anew; .* behind number 1/).length > 0);
    const now = await get('/a');
    await add('url north.example /a', { at: 2 });
    await renewed('/a', now);
});

purgeTest('a worker that is killed while it reads: another one goes on', async ({ place, edge, get, add, renewed }) => {
    place.expect(/exited on signal 9/);
    await firstRead(edge, add);
    for (let i = 0; i < 4; i++) {
        const first = await get('/a');
        const reader = Number(/ (\d+)#\d+: bell_cache_purges: this worker reads/.exec(lines(edge.log(), /this worker reads purges now/).at(-1))[1]);
        const before = readsNow(edge);
        process.kill(reader, 'SIGKILL');
        await add('url north.example /a');
        await renewed('/a', first);
        await waitFor('another reader', () => readsNow(edge) > before);
        await waitFor('both workers', () => children(edge.program.child.pid).length === 2);
    }
});

purgeTest('a reload keeps what was seen', async ({ edge, get, add, renewed }) => {
    await firstRead(edge, add);
    const first = await get('/a');
    await add('url north.example /a');
    const second = await renewed('/a', first);
    const before = readsNow(edge);
    edge.reload();
    await waitFor('a new reader', () => readsNow(edge) > before);
    assert.equal(await get('/a'), second);
    await add('url north.example /a');
    await renewed('/a', second);
    assert.deepEqual(lostItsPlace(edge), []);
});

/** What is counted of a zone. */
async function figure(edge, name, zone = 'one') {
    const { json } = await edge.ask('north.example', '/figures');
    return json[`firstbell_cache_${name}`].samples.find(({ labels }) => labels.zone === zone).value;
}

const erased = (edge, number) =>
    waitFor(`both zones to have erased up to ${number}`, async () => (await figure(edge, 'purges_erased')) === number && (await figure(edge, 'purges_erased', 'two')) === number);

purgeTest('what is purged hard leaves memory, though nobody asks for it again; how far that is, is told', async ({ edge, get, add }) => {
    await firstRead(edge, add);
    const paths = ['/a', '/b/1', '/b/2', '/c', '/d', '/two/a'];
    for (const path of paths) await get(path);
    const objects = async () => [await figure(edge, 'objects'), await figure(edge, 'objects', 'two')];
    assert.deepEqual(await objects(), [5, 1]);
    const bytes = await figure(edge, 'bytes');
    const steps = [
        ['url north.example /a', [4, 1]],
        ['prefix north.example /b/', [2, 1]],
        ['tag tag-c', [1, 1]],
        ['tag tag-d', [1, 1], { how: 'soft' }],
        ['all', [1, 1], { tenant: SOUTH }],
        ['all', [0, 0]],
    ];
    for (const [i, [what, left, how]] of steps.entries()) {
        await add(what, how);
        await erased(edge, i + 2);
        assert.deepEqual(await objects(), left, what);
        assert.equal(await figure(edge, 'purges_seen'), i + 2);
    }
    assert.ok((await figure(edge, 'bytes')) < bytes);
});

purgeTest('workers that are killed while they erase: others go on', async ({ place, edge, get, add }) => {
    place.expect(/exited on signal 9/);
    place.expect(/shared memory zone ".*" was locked by/);
    await firstRead(edge, add);
    for (let round = 2; round < 6; round++) {
        for (let n = 0; n < 40; n++) await get(`/many/${n}`);
        await add('prefix north.example /many/');
        for (const pid of children(edge.program.child.pid)) process.kill(pid, 'SIGKILL');
        await waitFor('the edge to answer', () => edge.ask('north.example', '/figures').then(({ status }) => status === 200, () => false));
        await erased(edge, round);
        assert.equal(await figure(edge, 'objects'), 0);
    }
});

/** Whether a zone has these bytes, in whatever place: as the master sees it, which nobody kills. */
function hasInMemory(edge, text) {
    const { pid } = edge.program.child;
    const shared = readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n').filter((line) => / rw-s .*\/dev\/zero/.test(line));
    assert.ok(shared.length > 0, 'zones are where they are looked for');
    const memory = openSync(`/proc/${pid}/mem`, 'r');
    try {
        return shared.some((line) => {
            const [from, to] = line.split(' ')[0].split('-').map((hex) => parseInt(hex, 16));
            const bytes = Buffer.alloc(to - from);
            return readSync(memory, bytes, 0, bytes.length, from) === bytes.length && bytes.includes(text);
        });
    } finally {
        closeSync(memory);
    }
}

purgeTest('bytes of what was purged hard are overwritten, and their room is others’ again, whoever is killed meanwhile', async ({ place, edge, get, add }) => {
    place.expect(/exited on signal 9/);
    place.expect(/shared memory zone ".*" was locked by/);
    await firstRead(edge, add);
    for (let round = 2; round < 8; round++) {
        for (let n = 0; n < 12; n++) await get(`/large/${n}`);
        assert.equal(await figure(edge, 'objects'), 12); // there would be no room for so many if some were lost each time
        assert.ok(hasInMemory(edge, SECRET));
        await add('prefix north.example /large/');
        await waitFor('some of it to go', async () => (await figure(edge, 'objects')) < 12);
        if (round % 2) for (const pid of children(edge.program.child.pid)) process.kill(pid, 'SIGKILL');
        await waitFor('the edge to answer', () => edge.ask('north.example', '/figures').then(({ status }) => status === 200, () => false));
        await erased(edge, round);
        assert.equal(await figure(edge, 'objects'), 0);
        assert.ok(!hasInMemory(edge, SECRET));
    }
});

purgeTest('what was purged hard and is there anew has left none of its bytes', async ({ edge, get, add, renewed }) => {
    await firstRead(edge, add);
    const first = await get('/large/a');
    await add('url north.example /large/a');
    const second = await renewed('/large/a', first);
    await erased(edge, 2);
    assert.ok(!hasInMemory(edge, `${first} ${SECRET}`));
    assert.ok(hasInMemory(edge, `${second} ${SECRET}`));
});

const FILES = 'largest=64k disk=64m'; // what is below /large is in files alone

purgeTest('what is purged hard leaves files, though nobody asks for it again', async ({ edge, get, add, files }) => {
    await firstRead(edge, add);
    for (const path of ['/large/a', '/large/b/1', '/large/b/2', '/large/c', '/large/d', '/small', '/large/e']) await get(path);
    await get('/large/a', 'south.example');
    await waitFor('all to be in files', () => files().length === 8);
    const steps = [
        ['url north.example /large/a', 7],
        ['prefix north.example /large/b/', 5],
        ['tag tag-large-c', 4],
        ['tag tag-large-d', 4, { how: 'soft' }],
        ['url north.example /small', 3],
        ['prefix north.example /else/', 3],
        ['all', 1],
        ['all', 0, { tenant: SOUTH }],
    ];
    for (const [i, [what, left, how]] of steps.entries()) {
        await add(what, how);
        await erased(edge, i + 2);
        assert.equal(files().length, left, what);
        assert.equal(await figure(edge, 'files'), left, what);
    }
    assert.equal(await figure(edge, 'file_failures_total'), 0);
}, { words: FILES });

purgeTest('what was asked for since it was purged hard, and the origin did not confirm, goes as well', async ({ edge, get, add, files, goDown }) => {
    await firstRead(edge, add);
    for (const path of ['/large/a', '/small']) await get(path);
    await waitFor('both to be in files', () => files().length === 2);
    goDown();
    await add('all');
    const status = async (path) => (await edge.ask('north.example', path)).status;
    for (const path of ['/large/a', '/small']) await waitFor(`${path} to be fetched`, async () => (await status(path)) !== 200);
    await erased(edge, 2);
    assert.deepEqual([files(), await figure(edge, 'files'), hasInMemory(edge, SECRET)], [[], 0, false]);
}, { words: FILES });

purgeTest('workers that are killed while they delete files: others go on', async ({ place, folder, edge, get, add, files }) => {
    place.expect(/exited on signal 9/);
    place.expect(/shared memory zone ".*" was locked by/);
    await firstRead(edge, add);
    for (let round = 2; round < 5; round++) {
        for (let n = 0; n < 40; n++) await get(`/large/${n}`);
        const anew = await figure(edge, 'begun_anew');
        await add('tag all');
        await waitFor('some of them to go', () => files().length < 40);
        for (const pid of children(edge.program.child.pid)) process.kill(pid, 'SIGKILL');
        await waitFor('the edge to answer', () => edge.ask('north.example', '/figures').then(({ status }) => status === 200, () => false));
        await erased(edge, round);
        assert.equal(await figure(edge, 'files'), 0);
        // of a zone that was being changed when he was killed, the keeper finds them some time
        if ((await figure(edge, 'begun_anew')) === anew) assert.deepEqual(files(), []);
        else for (const file of files()) unlinkSync(`${folder}/${file}`);
    }
}, { words: FILES });

test('what cannot be meant is refused at the start', async () => {
    const place = newPlace();
    place.expect(/\[emerg\] .*(is duplicate|invalid address)/);
    try {
        const conf = async (http) => nginxConf(place, await freePort(), { load, http, server: 'location / { return 200; }' });
        const cases = [
            ['bell_cache_purges 127.0.0.1:1; bell_cache_purges 127.0.0.1:2;', /"bell_cache_purges" directive is duplicate/],
            ['bell_cache_purges nowhere;', /invalid address "nowhere"/],
        ];
        for (const [http, pattern] of cases) {
            const { code, stderr } = await testNginx(place, { conf: await conf(http) });
            assert.notEqual(code, 0);
            assert.match(stderr, pattern);
        }
    } finally {
        await place.stop();
    }
});
