// The directory from Redis: a change is seen by every worker, gaps lead to a whole fetch, and whoever dies, hangs or is away harms nobody.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';

import { freePort, newPlace } from '../lib/place.mjs';
import { testNginx } from '../lib/server-nginx.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';
import { Publisher, startFedEdge } from './feed.mjs';
import { delta, lines, loadProbe, newKey, nginxConf, replyWithReport, snapshot, tenant, twoTenants } from './support.mjs';

/** A test with a Redis that has version 1, and an edge that has taken it. */
function fedTest(name, options, body) {
    test(name, async () => {
        const place = newPlace();
        try {
            const key = newKey(place, 'publisher');
            const redis = await startRedis(place, options.redis);
            const publisher = new Publisher(redis, { key, tenants: options.tenants });
            await publisher.snapshot();
            const edge = await startFedEdge(place, redis, { key, ...(typeof options.edge === 'function' ? options.edge(place) : options.edge) });
            await edge.sees(1);
            await body({ place, key, redis, publisher, edge });
        } finally {
            await place.stop();
        }
    });
}

const errors = (edge) => lines(edge.log(), /\[error\]/);

const probed = { edge: (place) => ({ load: loadProbe(place) }) };

fedTest('a change is seen by every worker: a tenant that comes, moves, is suspended and goes', probed, async ({ edge, publisher }) => {
    const west = tenant(3, 'west', ['west.example'], { locale: 'fr' });
    await edge.sees(await publisher.put([west]));
    for (const [, report] of await edge.everyWorker('west.example')) assert.deepEqual([report.name, report.locale, report.version], ['west', 'fr', '2']);
    await edge.sees(await publisher.put([{ ...west, hosts: ['far.west.example'] }]));
    assert.equal((await edge.ask('west.example')).status, 404);
    assert.equal((await edge.ask('far.west.example')).json.name, 'west');
    await edge.sees(await publisher.put([{ ...west, hosts: ['far.west.example'], status: 'suspended' }]));
    assert.equal((await edge.ask('far.west.example')).status, 503);
    await edge.sees(await publisher.put([], [3]));
    assert.equal((await edge.ask('far.west.example')).status, 404);
    // one copy for a slot that had nothing; after that the last change is replayed
    const status = (await edge.ask('north.example')).headers['probe-status'];
    assert.match(status, /^0 version=5 tenants=2 snapshots=1 deltas=4 refused=0 gaps=0 copies=1 changed=1 feeder=\d+ clock_wrong=0$/);
    assert.equal(Number(/feeder=(\d+)/.exec(status)[1]), await edge.feeder());
    assert.deepEqual(errors(edge), []);
});

fedTest('many changes at once: all arrive, in one process and in the other', {}, async ({ edge, publisher }) => {
    const words = [];
    for (let n = 0; n < 300; n++) {
        const document = publisher.next([tenant(100 + (n % 50), `d-${n % 50}`, [`d-${n % 50}.example`], { locale: n % 2 ? 'de' : 'it' })]);
        words.push(publisher.add(document, publisher.version));
        if (words.length === 8) await words.shift();
        await words.at(-1); // a stream's ids ascend
    }
    await Promise.all(words);
    await edge.sees(301);
    for (const [, report] of await edge.everyWorker('d-49.example')) assert.deepEqual([report.locale, report.version], ['de', '301']);
    assert.deepEqual(errors(edge), []);
});

fedTest('a gap leads to a whole fetch, once the snapshot is there', {}, async ({ edge, publisher, redis, key }) => {
    await publisher.put([tenant(3, 'lost', ['lost.example'])]); // version 2
    await edge.sees(2);
    publisher.version = 5; // 3 to 5 never came
    publisher.tenants.push(tenant(5, 'unseen', ['unseen.example']));
    await publisher.put([tenant(6, 'later', ['later.example'])]);
    await waitFor('the gap', () => lines(edge.log(), /\[notice\].*it leads from version 5 to 6, and version 2 is in service; a snapshot is asked for/).length > 0);
    assert.equal(await edge.version(), 2);
    await publisher.snapshot();
    await edge.sees(6);
    assert.equal((await edge.ask('unseen.example')).json.name, 'unseen');
    await edge.sees(await publisher.put([tenant(7, 'on', ['on.example'])]));
    assert.deepEqual(errors(edge), []);
});

fedTest('a stream that was cut short while nobody looked: the end of the stream tells', {}, async ({ edge, publisher, redis }) => {
    publisher.next([tenant(3, 'cut', ['cut.example'])]);
    await publisher.add('x', 2);
    await redis.ask(['del', 'bell:directory:deltas']);
    await publisher.snapshot();
    await edge.sees(2);
});

fedTest('a delta that is not signed, or torn: refused with a reason, and a snapshot brings the edge on', {}, async ({ place, edge, publisher }) => {
    const forged = delta(1, 2, { tenants: [tenant(1, 'forged', ['north.example'])] });
    await publisher.add(forged, 2);
    await waitFor('the refusal', () => errors(edge).length > 0);
    assert.match(errors(edge)[0], /a delta of Redis is refused: it is not signed; version 1 stays in service until there is a snapshot/);
    assert.equal((await edge.ask('north.example')).json.name, 'north');
    publisher.version = 2;
    await publisher.snapshot();
    await edge.sees(2);
    const good = publisher.next([tenant(3, 'third', ['third.example'])]);
    const torn = publisher.next([tenant(4, 'fourth', ['fourth.example'])]).slice(0, -3);
    await publisher.add(good, 3);
    await publisher.add(torn, 4);
    await edge.sees(3);
    await waitFor('the second refusal', () => errors(edge).length > 1);
    assert.match(errors(edge)[1], /a delta of Redis is refused: the payload is \d+ bytes, the header says \d+: the file is torn or was changed; version 3 stays/);
    await publisher.snapshot();
    await edge.sees(4);
    await edge.sees(await publisher.put([tenant(5, 'fifth', ['fifth.example'])]));
});

fedTest('a snapshot that is not signed is refused once', {}, async ({ edge, publisher, redis, key }) => {
    await redis.ask(['set', 'bell:directory:snapshot'], { input: snapshot(9, [tenant(1, 'forged', ['north.example'])]) });
    await waitFor('the refusal', () => errors(edge).length > 0);
    assert.match(errors(edge)[0], /the snapshot of Redis is refused: it is not signed; version 1 stays in service/);
    await edge.sees(await publisher.put([tenant(3, 'west', ['west.example'])]));
    assert.equal(errors(edge).length, 1);
});

fedTest('Redis killed, and started empty: what is in service stays, and the next change goes on from it', {}, async ({ edge, publisher, redis }) => {
    await redis.kill();
    await waitFor('the loss', () => lines(edge.log(), /\[error\].*bell_redis: .* cannot be used: .*; it is tried again until it can/).length === 1);
    for (const [, report] of await edge.everyWorker()) assert.equal(report.version, '1');
    await redis.start();
    await waitFor('Redis again', () => lines(edge.log(), /\[notice\].*bell_redis: .* is reached again/).length > 0);
    assert.equal(await edge.version(), 1);
    await edge.sees(await publisher.put([tenant(3, 'west', ['west.example'])]));
    assert.equal(errors(edge).length, 1);
});

fedTest('Redis restarted with an older directory: the newer one stays', {}, async ({ edge, publisher, redis, key }) => {
    await edge.sees(await publisher.put([tenant(3, 'west', ['west.example'])]));
    await redis.stop();
    await redis.start();
    const former = new Publisher(redis, { key });
    await former.snapshot();
    await waitFor('the warning', () => lines(edge.log(), /\[warn\].*Redis' snapshot has version 1, and version 2 stays in service/).length > 0);
    assert.equal((await edge.ask('west.example')).json.name, 'west');
    await publisher.snapshot();
    await edge.sees(await publisher.put([tenant(4, 'east', ['east.example'])]));
});

fedTest('Redis paused for longer than its answers may take: nothing fails, and what was missed arrives', {}, async ({ edge, publisher, redis }) => {
    redis.pause();
    await waitFor('the loss', () => errors(edge).length > 0);
    assert.match(errors(edge)[0], /bell_redis: .* cannot be used: it does not answer a command in time/);
    const end = performance.now() + 3000;
    while (performance.now() < end) assert.equal(await edge.version(), 1);
    redis.resume();
    await edge.sees(await publisher.put([tenant(3, 'west', ['west.example'])]));
});

const large = Array.from({ length: 2000 }, (_, n) => tenant(100 + n, `district-${n}`, [`district-${n}.example`, `learn.district-${n}.example`]));

fedTest('kill -9 of the worker that feeds, also while it writes: nothing torn is served, the next one goes on', { tenants: [...twoTenants, ...large], edge: { zone: '16m' } }, async ({ place, edge, publisher }) => {
    place.expect(/exited on signal 9/);
    for (let round = 0; round < 8; round++) {
        const feeder = await edge.feeder();
        const change = large.slice(0, 400).map((one) => ({ ...one, locale: `r-${round}` }));
        const version = await publisher.put(change);
        const kill = performance.now() + round * 8;
        await waitFor('the moment to kill', () => performance.now() > kill);
        process.kill(feeder, 'SIGKILL');
        const served = await waitFor('an answer', () => edge.version());
        assert.ok([version, version - 1].includes(served), `version ${served} is served, ${version} was published`);
        await edge.sees(version);
        assert.equal((await edge.ask('district-399.example')).json.locale, `r-${round}`);
        assert.equal((await edge.ask('district-1999.example')).json.name, 'district-1999');
        await waitFor('two workers, and none of them the one that died', () => !edge.workers().includes(feeder) && edge.workers().length === 2);
    }
    assert.deepEqual(errors(edge).filter((line) => !/refused from byte/.test(line)), []);
});

fedTest('a feeding worker that hangs is replaced, and steps back when it goes on', {}, async ({ place, edge, publisher }) => {
    await edge.sees(await publisher.put([tenant(3, 'west', ['west.example'])]));
    const deltas = place.path('state/directory.deltas');
    await waitFor('it on disk', () => existsSync(deltas) && readFileSync(deltas, 'utf8').includes('bell-directory 2 1 2 '));
    const feeder = await edge.feeder();
    process.kill(feeder, 'SIGSTOP');
    try {
        await publisher.put([tenant(4, 'east', ['east.example'])]);
        await waitFor('another feeder', async () => (await edge.feeder()) !== feeder);
    } finally {
        process.kill(feeder, 'SIGCONT');
    }
    await edge.sees(3);
    await waitFor('it to step back', () => lines(edge.log(), new RegExp(`${feeder}#.*this worker was silent for too long, process \\d+ feeds the directory now`)).length > 0);
    await edge.sees(await publisher.put([tenant(5, 'fifth', ['fifth.example'])]));
});

fedTest('a reload: old workers go at once, the new ones feed, and what is in service stays', {}, async ({ place, edge, publisher, key }) => {
    await edge.sees(await publisher.put([tenant(3, 'west', ['west.example'])]));
    const before = edge.workers();
    edge.reload();
    await waitFor('the old workers to go', () => before.every((pid) => !existsSync(`/proc/${pid}`)));
    assert.equal(await edge.version(), 2);
    await edge.sees(await publisher.put([tenant(4, 'east', ['east.example'])]));
    assert.deepEqual(errors(edge), []);
});

const acl = { settings: 'user edge on >s3cret-of-the-edge ~bell:* +@all' };

fedTest('over TCP, with a user and a password from a file; a wrong one is told', { redis: acl }, async ({ place, edge, publisher, redis, key }) => {
    const password = (content) => `user=edge password_file=${place.write('conf/password', content, 0o600)}`;
    const options = { key, name: 'other', more: password('wrong\n') };
    const address = { address: `127.0.0.1:${redis.port}` };
    const refused = await startFedEdge(place, address, options);
    await waitFor('the refusal', () => errors(refused).length > 0);
    assert.match(errors(refused)[0], /bell_redis: 127\.0\.0\.1:\d+ cannot be used: AUTH is refused: WRONGPASS/);
    await place.stopProgram(refused.program);
    const other = await startFedEdge(place, address, { ...options, name: 'third', more: password('s3cret-of-the-edge\n') });
    await edge.sees(await publisher.put([tenant(3, 'west', ['west.example'])]));
    await other.sees(2);
    assert.match(await redis.ask(['client', 'list']), /user=edge/);
    assert.doesNotMatch(other.log() + refused.log(), /s3cret|wrong/);
});

/** Between the edge and Redis: it answers TIME itself, `ahead` seconds off. */
async function startClock(redis) {
    const clock = { ahead: 0, asked: 0, port: await freePort(), sockets: new Set() };
    const server = net.createServer((socket) => {
        const upstream = net.connect(redis.socket);
        for (const one of [socket, upstream]) {
            clock.sockets.add(one);
            one.on('error', () => {});
            one.on('close', () => { socket.destroy(); upstream.destroy(); });
        }
        upstream.pipe(socket);
        socket.on('data', (bytes) => {
            if (!bytes.includes('$4\r\nTIME\r\n')) return upstream.write(bytes);
            clock.asked++;
            const now = String(Math.floor(Date.now() / 1000) + clock.ahead);
            socket.write(`*2\r\n$${now.length}\r\n${now}\r\n$1\r\n0\r\n`);
        });
    });
    await new Promise((resolve) => server.listen(clock.port, '127.0.0.1', resolve));
    clock.hangUp = () => clock.sockets.forEach((socket) => socket.destroy());
    clock.close = () => { clock.hangUp(); server.close(); };
    return clock;
}

fedTest('a clock that is wrong is told once and counted, and told once when it is right again', {}, async ({ place, redis, key }) => {
    const clock = await startClock(redis);
    try {
        clock.ahead = 300;
        const edge = await startFedEdge(place, { address: `127.0.0.1:${clock.port}` }, { key, name: 'other', load: loadProbe(place) });
        const wrong = () => errors(edge).filter((line) => /this machine's clock is 30\d s behind that of Redis/.test(line)).length;
        const right = () => lines(edge.log(), /\[notice\].*this machine's clock agrees with that of Redis again/).length;
        await waitFor('the line', () => wrong() === 1);
        const askAgain = async () => {
            const asked = clock.asked;
            clock.hangUp();
            await waitFor('TIME', () => clock.asked > asked);
        };
        await askAgain();
        clock.ahead = 30;
        await askAgain();
        await waitFor('the other line', () => right() === 1);
        await askAgain();
        assert.deepEqual([wrong(), right()], [1, 1]);
        assert.match((await edge.ask('north.example')).headers['probe-status'], /clock_wrong=1$/);
    } finally {
        clock.close();
    }
});

test('without a state and without Redis the edge starts, answers 404 with that reason, and serves when Redis comes', async () => {
    const place = newPlace();
    try {
        const key = newKey(place, 'publisher');
        const redis = await startRedis(place);
        await redis.stop();
        const http = `bell_tenant on; log_format why '$status [$bell_reason]';`;
        const server = `access_log ${place.path('log/access.log')} why; location / { ${replyWithReport} }`;
        const edge = await startFedEdge(place, redis, { key, http, server });
        assert.match(edge.log(), /\[warn\].*there is no directory to start with, every host is answered 404 until Redis gives one/);
        assert.equal((await edge.ask('north.example')).status, 404);
        await waitFor('the access log', () => /^404 \[no directory is in service yet: there is no state on disk, and Redis has given none\]$/m.test(place.read('log/access.log')));
        await redis.start();
        const publisher = new Publisher(redis, { key });
        await publisher.snapshot();
        await edge.sees(1);
        await edge.sees(await publisher.put([tenant(3, 'west', ['west.example'])]));
    } finally {
        await place.stop();
    }
});

test('what is wrong with bell_redis is said at the start', async () => {
    const place = newPlace();
    place.expect(/\[emerg\]/);
    const state = `zone=tenants:256k redis=on state=${place.path('state')}`;
    const open = place.write('conf/open', 'secret\n', 0o644);
    const empty = place.write('conf/empty', '\n', 0o600);
    const cases = [
        [`bell_directory ${state};`, /"bell_directory" with redis=on in .*:\d+ needs to know where Redis is: add "bell_redis ADDRESS:PORT;" to the http block/],
        [`bell_redis redis.example:6379; bell_directory ${state};`, /invalid address "redis\.example:6379": ADDRESS:PORT is expected, .*host names are not resolved/],
        [`bell_redis 127.0.0.1; bell_directory ${state};`, /invalid address "127\.0\.0\.1"/],
        [`bell_redis [::1]:1 timeout=2h; bell_directory ${state};`, /invalid "timeout=2h": a time from 10ms to 60s is expected/],
        [`bell_redis [::1]:1 connect_timeout=1ms; bell_directory ${state};`, /invalid "connect_timeout=1ms"/],
        [`bell_redis [::1]:1 user=edge; bell_directory ${state};`, /"bell_redis" directive takes user= together with password_file=/],
        [`bell_redis [::1]:1 password_file=nowhere; bell_directory ${state};`, /password_file=nowhere cannot be opened/],
        [`bell_redis [::1]:1 password_file=${open}; bell_directory ${state};`, /password_file=.* may be read by everybody: "chmod o= /],
        [`bell_redis [::1]:1 password_file=${empty}; bell_directory ${state};`, /holds no password: one line of 1 to 511 bytes is expected/],
        [`bell_redis [::1]:1 db=1; bell_directory ${state};`, /invalid parameter "db=1": "bell_redis" takes an address, user=NAME, /],
        [`bell_redis [::1]:1; bell_redis [::1]:2; bell_directory ${state};`, /"bell_redis" directive is duplicate/],
        [`bell_redis [::1]:1; bell_directory zone=tenants:256k redis=on;`, /needs both zone=NAME:SIZE and file=PATH, or zone=NAME:SIZE, redis=on and state=PATH/],
        [`bell_redis [::1]:1; bell_directory ${state} file=x;`, /needs both zone=NAME:SIZE and file=PATH, or zone=NAME:SIZE, redis=on and state=PATH/],
        [`bell_redis [::1]:1; bell_directory zone=tenants:256k state=x;`, /takes redis=on and state=PATH together/],
        [`bell_redis [::1]:1; bell_directory zone=tenants:256k file=x redis=on;`, /takes redis=on and state=PATH together/],
        [`bell_redis [::1]:1; bell_directory ${state} redis=off;`, /takes redis= once/],
        [`bell_redis [::1]:1; bell_directory zone=tenants:256k redis=yes state=x;`, /invalid "redis=yes": redis=on or redis=off is expected/],
        [`bell_redis [::1]:1; bell_directory zone=tenants:256k redis=on state=;`, /state= is empty/],
    ];
    try {
        for (const [directory, reason] of cases) {
            const { code, stderr } = await testNginx(place, { conf: nginxConf(place, 8080, { directory }) });
            assert.notEqual(code, 0, `${directory}\n${stderr}`);
            assert.match(stderr, reason);
        }
        const good = await testNginx(place, { conf: nginxConf(place, 8080, { directory: `bell_redis [::1]:6379; bell_directory ${state};` }) });
        assert.equal(good.code, 0, good.stderr);
    } finally {
        await place.stop();
    }
});
