// bell_cache with files: what is too large for memory is in a file, and goes to who waits while it is written; the bytes are right whatever happens to
// the file, and no file stays that nobody names.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, linkSync, lstatSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, truncateSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';

import { nginxProgram } from '../lib/app.mjs';
import { freePort, newPlace } from '../lib/place.mjs';
import { noLeaks, testNginx } from '../lib/server-nginx.mjs';
import { children, environment, run, testUser, whyNoFiles } from '../lib/run.mjs';
import { waitFor } from '../lib/wait.mjs';
import { startCacheOrigin } from './cache-origin.mjs';
import { Visitor, all, askAll, leaveAll, over, tally, visitors } from './cache-visitors.mjs';
import { askUntil, cacheHttp, control, fresh, isHit, leaves, loadCache, outcome, stale, startCacheEdge, store } from './cache.mjs';
import { lines, nginxConf, publish, reloadEdge, snapshot, twoTenants } from './support.mjs';

const SMALL = 'zone=main:4m largest=16k disk=16m largest_file=1m';

/** A body whose every place says where it is. */
const bodyOf = (size, word = 'file') => Array.from({ length: Math.ceil(size / 16) }, (_, i) => `${word} ${i}`.padEnd(15).concat('\n')).join('').slice(0, size);

/** A test with an origin, a place, and an edge whose zone has files. `again` starts another edge on them. */
function filesTest(name, body, { words = SMALL, server = 'location / { proxy_pass http://origin; }', expect = [], ...options } = {}) {
    test(name, async () => {
        const place = newPlace();
        place.expect(/exited on signal 9/);
        place.expect(/shared memory zone "main" was locked by/);
        for (const pattern of expect) place.expect(pattern);
        const origin = await startCacheOrigin();
        const folder = place.folder('cache');
        const start = (more = {}) => startCacheEdge(place, origin, { zone: `${words} path=${folder}`, server, ...options, ...more });
        try {
            await body({ place, origin, folder, edge: await start(), start });
        } finally {
            await origin.close();
            await place.stop();
        }
    });
}

/** All files of objects, by path. */
const filesOf = (folder) => readdirSync(folder, { recursive: true }).map((name) => `${folder}/${name}`)
    .filter((file) => /\/[0-9a-f]\/[0-9a-f]{2}\/[0-9a-f]{16}$/.test(file) && existsSync(file));
const tempOf = (folder) => readdirSync(`${folder}/temp`);
const oneFile = async (folder) => {
    await waitFor('one file', () => filesOf(folder).length === 1);
    return filesOf(folder)[0];
};
const workers = (edge) => children(edge.program.child.pid);
const get = (edge, path, headers = {}, options = {}) => edge.ask('north.example', path, { headers, ...options });

// ---- what is served

for (const [how, server] of [['by sendfile', 'sendfile on; location / { proxy_pass http://origin; }'], ['read', 'location / { proxy_pass http://origin; }'],
    ['by threads', 'sendfile on; aio threads; location / { proxy_pass http://origin; }'],
    ['from descriptors that stay open', 'sendfile on; open_file_cache max=100; location / { proxy_pass http://origin; }']]) {
    filesTest(`a large object is in a file, and the same from there: ${how}`, async ({ origin, edge, folder }) => {
        for (const size of [16_385, 300_001, 1_000_000]) {
            const body = bodyOf(size, `${size}`);
            const path = `/size/${size}`;
            origin.script(path, { headers: { ...fresh, 'content-type': 'video/mp4', etag: '"f"' }, body });
            assert.equal((await get(edge, path)).text, body);
            for (let i = 0; i < 4; i++) {
                const reply = await get(edge, path);
                assert.deepEqual([reply.status, outcome(reply), reply.text === body], [200, 'hit', true]);
                assert.deepEqual([reply.headers['content-type'], reply.headers['content-length']], ['video/mp4', String(size)]);
            }
            const part = await get(edge, path, { range: 'bytes=100-8299' });
            assert.deepEqual([part.status, part.text], [206, body.slice(100, 8300)]);
            assert.equal(part.headers['content-range'], `bytes 100-8299/${size}`);
            const end = await get(edge, path, { range: 'bytes=-10' });
            assert.deepEqual([end.status, end.text], [206, body.slice(-10)]);
            const two = await get(edge, path, { range: 'bytes=0-3,10-13' });
            assert.equal(two.status, 206);
            assert.ok(two.text.includes(body.slice(0, 4)) && two.text.includes(body.slice(10, 14)));
            assert.equal((await get(edge, path, { range: `bytes=${size}-` })).status, 416);
            const head = await get(edge, path, {}, { method: 'HEAD' });
            assert.deepEqual([head.status, head.headers['content-length'], head.text], [200, String(size), '']);
            assert.equal((await get(edge, path, { 'if-none-match': '"f"' })).status, 304);
            assert.equal(origin.count(path), 1);
        }
        assert.equal(filesOf(folder).length, 3);
        assert.deepEqual(tempOf(folder), []);
    }, { server });
}

filesTest('those who wait read while it is written; of unknown length, it goes to a file when it has grown', async ({ origin, edge, folder }) => {
    const body = bodyOf(200_000);
    for (const length of ['exact', 'chunked']) {
        const path = `/slow/${length}`;
        origin.script(path, { headers: fresh, pieces: [body.slice(0, 10_000), body.slice(10_000, 120_000), body.slice(120_000)], length, held: true });
        const replies = askAll(await visitors(edge.port, 12), path);
        const asked = await origin.arrived(path);
        asked.next();
        asked.next();
        if (length === 'exact') await all(replies, 'the first piece', (reply) => reply.bytes === 10_000);
        else await waitFor('the first piece', () => replies.some((reply) => reply.bytes === 10_000));
        asked.next();
        if (length === 'exact') await all(replies, 'the second piece', (reply) => reply.bytes === 120_000);
        else await waitFor('the second piece', () => replies.some((reply) => reply.bytes === 120_000));
        assert.equal(tempOf(folder).length, 1);
        asked.rest();
        await over(replies);
        assert.deepEqual(tally(replies, (reply) => reply.isWhole && reply.body === body), { true: 12 });
        const reply = await get(edge, path);
        assert.deepEqual([outcome(reply), reply.text === body, origin.count(path)], ['hit', true, 1]);
        leaveAll(replies.map((one) => one.visitor));
    }
    assert.equal(filesOf(folder).length, 2);
});

/** How many times these processes have written something: to files, sockets and each other. */
const written = (pids) => pids.reduce((sum, pid) => sum + Number(/^syscw: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'latin1'))[1]), 0);

filesTest('a body that comes in small pieces is not written in as many, when nobody waits for it', async ({ origin, edge, folder }) => {
    const body = bodyOf(1_000_000, 'new');
    const former = { headers: control('max-age=10, stale-while-revalidate=600', { age: '20' }), body: bodyOf(50_000, 'old') };
    origin.script('/a', former, { headers: fresh, body });
    await get(edge, '/a');
    const before = written(workers(edge));
    assert.equal(outcome(await get(edge, '/a')), 'stale hit');
    await askUntil(edge, 'north.example', '/a', 'the new one', ({ headers }) => headers['content-length'] === '1000000', { method: 'HEAD' });
    const writes = written(workers(edge)) - before; // a proxy buffer has 4 or 8 KiB
    assert.ok(writes < 90, `${writes} writes, where 16 hold all of it`);
    assert.ok((await get(edge, '/a')).text === body);
    await waitFor('the former file to go', () => filesOf(folder).length === 1);
});

filesTest('who comes to wait has what has come until then, also what came while nobody did', async ({ origin, edge, folder }) => {
    const body = bodyOf(200_000);
    for (const length of ['exact', 'chunked']) {
        const path = `/slow/${length}`;
        origin.script(path, { headers: fresh, pieces: [body.slice(0, 30_000), body.slice(30_000, 120_000), body.slice(120_000)], length, held: true });
        const [first] = askAll(await visitors(edge.port, 1), path);
        const asked = await origin.arrived(path);
        asked.next();
        asked.next();
        await all([first], 'the first piece', (reply) => reply.bytes === 30_000);
        await leaves(edge, first.visitor);
        asked.next();
        await waitFor('what fills 64 KiB, and no more', () => statSync(`${folder}/temp/${tempOf(folder)[0]}`).size === 65_536);
        const replies = askAll(await visitors(edge.port, 6), path);
        await all(replies, 'all that has come', (reply) => reply.bytes === 120_000);
        asked.rest();
        await over(replies);
        assert.deepEqual(tally(replies, (reply) => reply.isWhole && reply.body === body), { true: 6 });
        assert.equal(origin.count(path), 1);
        leaveAll(replies.map((one) => one.visitor));
    }
});

filesTest('a body that breaks off leaves no file; one that is larger than a file may be is not stored', async ({ origin, edge, folder }) => {
    const body = bodyOf(100_000);
    origin.script('/cut', { headers: fresh, pieces: [body], length: 150_000, held: true }, { headers: fresh, body });
    const [reply] = askAll(await visitors(edge.port, 1), '/cut');
    const asked = await origin.arrived('/cut');
    asked.rest();
    await all([reply], 'what there is', () => reply.bytes === 100_000);
    asked.socket.destroy();
    await over([reply]);
    assert.ok(reply.isCut);
    await waitFor('no file', () => tempOf(folder).length === 0);
    assert.deepEqual(filesOf(folder), []);
    assert.equal((await get(edge, '/cut')).text, body);
    for (const length of ['exact', 'chunked']) {
        const huge = bodyOf(1_100_000);
        origin.script(`/huge/${length}`, { headers: fresh, body: huge, length });
        for (let i = 0; i < 2; i++) assert.ok((await get(edge, `/huge/${length}`)).text === huge);
        assert.equal(origin.count(`/huge/${length}`), 2);
    }
    assert.equal(filesOf(folder).length, 1);
    await waitFor('no file', () => tempOf(folder).length === 0);
    leaveAll([reply.visitor]);
});

filesTest('a 304 makes what is in a file true again: other fields, the same bytes, no other file', async ({ origin, edge, folder }) => {
    const body = bodyOf(50_000);
    origin.script('/a', { headers: stale('', { 'x-of-origin': 'one' }), body }, { status: 304, headers: control('max-age=60', { 'x-of-origin': 'two', etag: '"1"' }) });
    assert.equal((await get(edge, '/a')).headers['x-of-origin'], 'one');
    const file = await oneFile(folder);
    for (let i = 0; i < 3; i++) {
        const reply = await get(edge, '/a');
        assert.deepEqual([reply.status, reply.text === body, reply.headers['x-of-origin']], [200, true, 'two']);
    }
    assert.equal(origin.asked('/a')[1].headers['if-none-match'], '"1"');
    assert.deepEqual([origin.count('/a'), filesOf(folder)], [2, [file]]);
});

filesTest('what is changed by an unsafe method, or is there anew, is not served from its former file', async ({ origin, edge, folder }) => {
    await store(edge, origin, '/a', { headers: fresh, body: bodyOf(50_000, 'old') });
    const former = await oneFile(folder);
    origin.script('/a', (asked) => ({ headers: asked.method === 'GET' ? fresh : {}, body: asked.method === 'GET' ? bodyOf(60_000, 'new') : '' }));
    await get(edge, '/a', {}, { method: 'POST' });
    assert.ok((await get(edge, '/a')).text === bodyOf(60_000, 'new'));
    assert.ok((await get(edge, '/a')).text === bodyOf(60_000, 'new'));
    await waitFor('the former file to go', () => !existsSync(former));
    const large = await oneFile(folder);
    // and small ones in memory and large ones in files take each other's places
    origin.script('/a', (asked) => ({ headers: fresh, body: asked.method === 'GET' ? 'small' : '' }));
    await get(edge, '/a', {}, { method: 'POST' });
    for (let i = 0; i < 2; i++) assert.equal((await get(edge, '/a')).text, 'small');
    await waitFor('the file of the large one to go', () => !existsSync(large));
    origin.script('/a', (asked) => ({ headers: fresh, body: asked.method === 'GET' ? bodyOf(70_000) : '' }));
    await get(edge, '/a', {}, { method: 'POST' });
    for (let i = 0; i < 2; i++) assert.ok((await get(edge, '/a')).text === bodyOf(70_000));
    await oneFile(folder);
});

// ---- what happens to files

const damages = [
    ['is deleted', (file) => unlinkSync(file), /No such file/],
    ['is cut off', (file) => truncateSync(file, 20_000), /is not what was written/],
    ['is empty', (file) => truncateSync(file, 0), /is not what was written/],
    ['has another end', (file) => { const bytes = readFileSync(file); bytes[bytes.length - 200] ^= 1; writeFileSync(file, bytes); }, /is not what was written/],
    ['is another object', (file, other) => writeFileSync(file, readFileSync(other)), /is not what was written/],
];
for (const [how, damage, said] of damages) {
    filesTest(`a file ${how}: it is a miss, one line says so, and the next answer is right`, async ({ origin, edge, folder }) => {
        const body = bodyOf(50_000);
        await store(edge, origin, '/other', { headers: fresh, body: bodyOf(50_000, 'other') });
        const other = await oneFile(folder);
        await store(edge, origin, '/a', { headers: fresh, body });
        damage(filesOf(folder).find((file) => file !== other), other);
        const reply = await get(edge, '/a');
        assert.deepEqual([reply.status, reply.text === body, outcome(reply)], [200, true, 'uri-miss 200']);
        assert.equal(lines(edge.log(), said).length, 1);
        assert.equal(outcome(await get(edge, '/a')), 'hit');
        assert.equal(outcome(await get(edge, '/other')), 'hit');
        assert.equal(origin.count('/a'), 2);
    });
}

filesTest('who is sent a file has all of it, although it is deleted meanwhile', async ({ origin, edge, folder }) => {
    const body = bodyOf(12_000_000); // more than sockets hold
    await store(edge, origin, '/a', { headers: fresh, body });
    const visitor = await Visitor.open(edge.port);
    visitor.socket.pause();
    const reply = visitor.ask('/a');
    const file = await oneFile(folder);
    await waitFor('a worker to have it open', () => workers(edge).some((pid) => readdirSync(`/proc/${pid}/fd`).some((fd) => linkOf(pid, fd) === file)));
    unlinkSync(file);
    visitor.socket.resume();
    await over([reply]);
    assert.ok(reply.isWhole && reply.body === body);
    visitor.leave();
}, { server: 'sendfile on; location / { proxy_pass http://origin; }', words: 'zone=main:4m largest=16k disk=128m' });

function linkOf(pid, fd) {
    try {
        return execFileSync('readlink', [`/proc/${pid}/fd/${fd}`]).toString().trim();
    } catch {
        return undefined;
    }
}

filesTest('a path that cannot be written: answers are right, one line a minute says why, and it is stored when it can', async ({ origin, edge, folder }) => {
    const body = bodyOf(50_000);
    origin.script('/a', { headers: fresh, body });
    rmSync(`${folder}/temp`, { recursive: true });
    for (let i = 0; i < 4; i++) {
        const reply = await get(edge, '/a');
        assert.deepEqual([reply.status, reply.text === body], [200, true]);
    }
    assert.equal(lines(edge.log(), /\[error\].*cannot be made/).length, 1);
    assert.deepEqual(filesOf(folder), []);
    await reloadEdge(edge); // makes folders that are not there
    await askUntil(edge, 'north.example', '/a', 'a hit', isHit);
    await oneFile(folder);
});

filesTest('the disk is full: who began it has all of it, and nothing of it stays', async ({ origin, edge, folder }) => {
    const body = bodyOf(400_000);
    for (const length of ['exact', 'chunked']) {
        origin.script(`/a/${length}`, { headers: fresh, body, length });
        const replies = askAll(await visitors(edge.port, 1), `/a/${length}`);
        await over(replies);
        assert.deepEqual(tally(replies, (reply) => reply.isWhole && reply.body === body), { true: 1 });
    }
    assert.equal(lines(edge.log(), /\[error\].*cannot be written.*File too large/).length, 1);
    await waitFor('no file', () => tempOf(folder).length === 0);
    assert.deepEqual(filesOf(folder), []);
    await store(edge, origin, '/small', { headers: fresh, body: bodyOf(50_000) });
    await oneFile(folder);
}, { expect: [/File too large/], under: ['sh', '-c', 'trap "" XFSZ; ulimit -f 256; exec "$@"', 'sh'], level: 'notice' });

test('no room is left on the disk, in the middle of everything: answers are right, and it goes on when there is room', { skip: process.getuid() === 0 ? whyNoFiles() : 'only root can mount a small disk' }, async () => {
    const place = newPlace();
    const origin = await startCacheOrigin();
    const folder = place.folder('cache');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=700', 'tmpfs', folder]);
    chownSync(folder, testUser.uid, testUser.gid);
    try {
        const edge = await startCacheEdge(place, origin, { zone: `zone=main:1m largest=16k disk=64m files=512 path=${folder}` });
        const bodies = Array.from({ length: 40 }, (_, n) => bodyOf(n % 3 ? 150_000 : 4000, `${n}`));
        bodies.forEach((body, n) => origin.script(`/${n}`, { headers: fresh, body, length: n % 2 ? 'exact' : 'chunked' }));
        for (let round = 0; round < 3; round++) {
            for (const [n, body] of bodies.entries()) assert.ok((await get(edge, `/${n}`)).text === body, `/${n}`);
        }
        assert.equal(lines(edge.log(), /\[error\].*No space left on device/).length, 1);
        await waitFor('no half file', () => tempOf(folder).length === 0);
        for (const file of filesOf(folder)) unlinkSync(file);
        for (const [n, body] of bodies.entries()) assert.ok((await get(edge, `/${n}`)).text === body, `/${n}`);
        await store(edge, origin, '/after', { headers: fresh, body: bodyOf(20_000) });
        await place.stopProgram(edge.program);
    } finally {
        await origin.close();
        execFileSync('umount', ['--lazy', folder]);
        await place.stop();
    }
});

filesTest('files have a bound: others go, by shares, and their files with them', async ({ origin, edge, folder }) => {
    const body = bodyOf(100_000);
    for (let n = 0; n < 40; n++) {
        origin.script(`/${n}`, { headers: fresh, body });
        await get(edge, `/${n}`, {}, {});
    }
    await store(edge, origin, '/south', { headers: fresh, body: bodyOf(90_000) }, { host: 'south.example' });
    for (let n = 40; n < 80; n++) {
        origin.script(`/${n}`, { headers: fresh, body });
        await get(edge, `/${n}`);
    }
    await waitFor('files to go', () => filesOf(folder).reduce((sum, file) => sum + (existsSync(file) ? statSync(file).size : 0), 0) <= 2 * 1024 * 1024);
    assert.equal(outcome(await edge.ask('south.example', '/south')), 'hit');
    assert.equal(outcome(await get(edge, '/0')), 'uri-miss 200');
    const { json } = await get(edge, '/figures');
    const figure = (name) => json[`firstbell_cache_${name}`].samples.find(({ labels }) => labels.zone === 'main').value;
    assert.ok(figure('files') > 5 && figure('files') <= 21, JSON.stringify(json));
    assert.ok(figure('file_bytes') > 500_000 && figure('file_bytes') <= 2 * 1024 * 1024);
    assert.ok(figure('files_evicted_total') >= 60);
    assert.equal(figure('file_failures_total'), 0);
    assert.ok(figure('file_index_bytes') > 0);
}, { words: 'zone=main:4m largest=16k disk=2m' });

filesTest('what nobody names is found and deleted, and what is not the cache\'s stays', async ({ origin, edge, place, folder }) => {
    await store(edge, origin, '/a', { headers: fresh, body: bodyOf(50_000) });
    const file = await oneFile(folder);
    const old = new Date(Date.now() - 3_600_000);
    for (const name of ['0', '0/00', '0/01']) place.folder(`cache/${name}`);
    const put = (name, bytes) => {
        const path = place.write(`cache/${name}`, bytes);
        utimesSync(path, old, old);
        return path;
    };
    const lost = [put('temp/00000000000000aa', 'half'), put('0/00/0000000000000a00', 'nothing'), put('0/01/0000000000000010', readFileSync(file))];
    const kept = [put('0/00/notes.txt', 'mine'), put('temp/notes', 'mine')];
    utimesSync(file, old, old);
    await reloadEdge(edge); // another worker goes round
    await waitFor('what is lost to go', () => lost.every((path) => !existsSync(path)));
    for (const path of kept) assert.ok(existsSync(path), path);
    assert.equal(outcome(await get(edge, '/a')), 'hit');
});

filesTest('a worker that is killed while it writes: those who wait begin anew, and what he wrote goes', async ({ origin, edge, folder }) => {
    const body = bodyOf(100_000);
    origin.script('/a', { headers: fresh, pieces: [body, 'never'], held: true }, { headers: fresh, body });
    const [reply] = askAll(await visitors(edge.port, 1), '/a');
    const asked = await origin.arrived('/a');
    asked.next();
    asked.next();
    await all([reply], 'the first piece', () => reply.bytes === 100_000);
    const [temp] = tempOf(folder);
    process.kill(Number(asked.headers.fetcher), 'SIGKILL');
    await over([reply]);
    await waitFor('a right answer', async () => { // until it is known that he died, who joins what he brought is cut off as well
        const another = await Visitor.open(edge.port);
        const now = another.ask('/a');
        await now.ended;
        another.leave();
        return now.isWhole && now.body === body;
    });
    const old = new Date(Date.now() - 3_600_000);
    utimesSync(`${folder}/temp/${temp}`, old, old);
    await waitFor('its file to go', () => !existsSync(`${folder}/temp/${temp}`));
    leaveAll([reply.visitor]);
});

// ---- whose files they are

filesTest('a reload keeps them; a second nginx on the same path is refused, and so are other bounds', async ({ place, origin, edge, folder }) => {
    await store(edge, origin, '/a', { headers: fresh, body: bodyOf(50_000) });
    await reloadEdge(edge);
    assert.equal(outcome(await get(edge, '/a')), 'hit');
    const second = place.write('conf/second.conf', readFileSync(edge.file, 'utf8').replaceAll(String(edge.port), String(await freePort())).replace(/pid .*;/, `pid ${place.path('pid/second.pid')};`));
    const { code, stderr } = await testStart(place, second);
    assert.notEqual(code, 0);
    assert.match(stderr, /is another nginx's/);
    writeFileSync(edge.file, readFileSync(edge.file, 'utf8').replace('disk=16m', 'disk=32m'));
    edge.reload();
    await waitFor('the line', () => lines(edge.log(), /cannot have its files elsewhere, or other bounds/).length === 1);
    assert.equal(outcome(await get(edge, '/a')), 'hit');
    assert.equal(filesOf(folder).length, 1);
}, { expect: [/\[emerg\] .*(cannot have its files|is another nginx's)/] });

const startOf = (place, file) => [nginxProgram(), '-p', `${place.dir}/`, '-c', file, '-e', 'stderr'];

function testStart(place, file) {
    return run(startOf(place, file), { cwd: place.dir, env: noLeaks });
}

/** A configuration to start by hand, whose zone has files in that folder. */
async function confOf(place, name, folder, main = '') {
    const conf = nginxConf(place, await freePort(), { load: loadCache(), main, http: cacheHttp({ port: 1 }, { zone: `${SMALL} path=${folder}` }), server: 'location / { return 200; }' });
    return place.write(`conf/${name}.conf`, `daemon off; pid ${place.path(`pid/${name}.pid`)}; error_log stderr info;\n${conf}`);
}

test('links that somebody has put in the place of the zone\'s own files lead nowhere', async () => {
    const place = newPlace();
    publish(place, snapshot(1, twoTenants));
    const origin = await startCacheOrigin();
    try {
        const victim = place.write('conf/victim', 'of somebody else');
        const elsewhere = place.folder('elsewhere');
        const cases = [
            ['lock', (link) => symlinkSync(victim, link), /"[^"]*\/lock" cannot be made/],
            ['purges', (link) => symlinkSync(victim, link), /"[^"]*\/purges" cannot be made/],
            ['index', (link) => symlinkSync(victim, link), /"[^"]*\/index" cannot be made/],
            ['purges', (link) => linkSync(victim, link), /"[^"]*\/purges" cannot be made/],
            ['index', (link) => execFileSync('mkfifo', [link]), /"[^"]*\/index" cannot be made/],
            ['temp', (link) => symlinkSync(elsewhere, link), /"[^"]*\/temp" cannot be made, or is no folder/],
        ];
        for (const [i, [name, put, pattern]] of cases.entries()) {
            const folder = place.folder(`cache-${i}`);
            put(`${folder}/${name}`);
            const { code, stderr } = await testStart(place, await confOf(place, `links-${i}`, folder));
            assert.notEqual(code, 0);
            assert.match(stderr, pattern);
        }
        const folder = place.folder('cache');
        symlinkSync(victim, `${folder}/index.new`);
        const edge = await startCacheEdge(place, origin, { zone: `${SMALL} path=${folder}` });
        await store(edge, origin, '/a', { headers: fresh, body: bodyOf(50_000) });
        await place.stopProgram(edge.program);
        assert.ok(lstatSync(`${folder}/index`).isFile());
        assert.equal(readFileSync(victim, 'utf8'), 'of somebody else');
        assert.deepEqual(readdirSync(elsewhere), []);
    } finally {
        await origin.close();
        await place.stop();
    }
});

test('root gives the workers\' user nothing that is not the cache\'s', { skip: process.getuid() === 0 ? false : 'only root gives files away' }, async () => {
    const place = newPlace();
    publish(place, snapshot(1, twoTenants));
    try {
        const group = execFileSync('id', ['-gn', testUser.name], { encoding: 'utf8' }).trim();
        const elsewhere = place.path('elsewhere');
        mkdirSync(elsewhere);
        const folder = place.folder('cache');
        symlinkSync(elsewhere, `${folder}/temp`);
        const [file, ...args] = startOf(place, await confOf(place, 'root', folder, `user ${testUser.name} ${group};`));
        const { status, stderr } = spawnSync(file, args, { cwd: place.dir, env: { ...environment, ...noLeaks }, encoding: 'utf8', timeout: 20_000 });
        assert.match(stderr, /"[^"]*\/temp" cannot be made, or is no folder/);
        assert.notEqual(status, 0);
        assert.equal(statSync(elsewhere).uid, 0);
    } finally {
        await place.stop();
    }
});

test('what cannot be meant is refused at the start', async () => {
    const place = newPlace();
    place.expect(/\[emerg\]/);
    const folder = place.folder('cache');
    publish(place, snapshot(1, twoTenants));
    try {
        const conf = async (zone) => nginxConf(place, await freePort(), { load: loadCache(), http: cacheHttp({ port: 1 }, { zone }), server: 'location / { return 200; }' });
        const cases = [
            [`zone=main:4m disk=2m`, /has words about files, but no "path="/],
            [`zone=main:4m path=${folder} levels=3`, /invalid parameter "levels=3"/],
            [`zone=main:4m path=${folder} disk=1k`, /invalid parameter "disk=1k"/],
            [`zone=main:4m path=${folder} disk=2m largest_file=1m`, /more than an eighth/],
            [`zone=main:4m path=${folder} files=1000000`, /cannot be laid out/],
            [`zone=main:4m path=${folder}; bell_cache_zone zone=other:4m path=${folder}`, /is duplicate|used/],
        ];
        for (const [zone, pattern] of cases) {
            const { code, stderr } = await testNginx(place, { conf: await conf(zone) });
            assert.notEqual(code, 0, zone);
            assert.match(stderr, pattern);
        }
        const { code, stderr } = await testNginx(place, { conf: await conf(`zone=main:4m path=${folder} levels=2:2:1 files=1000`) });
        assert.equal(code, 0, stderr);
        chmodSync(folder, 0o700);
    } finally {
        await place.stop();
    }
});
