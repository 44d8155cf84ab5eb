// What edges keep, from the origin's word to the student's browser, with the configuration that is shipped: what one student has asked for another one
// gets without the origin; nobody gets what is not for them, stored or not; what changes is gone.
// time bound: 600 s

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { Client } from '../lib/client.mjs';
import { freePort, newPlace } from '../lib/place.mjs';
import { mustRun } from '../lib/run.mjs';
import { mustFirstbell, startApi, startJobs } from '../lib/server-firstbell.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';
import { parseExposition, value } from '../edge/exposition.mjs';
import { addSchool, openSchool, password } from '../origin/school.mjs';
import { startEdge } from './stack.mjs';

const place = newPlace();
const clients = [];
const SEGMENT = Buffer.alloc(200 * 1024, 'firstbell ');
let edge;
let school;
let student;
let other; // of the same class as far as anybody here is concerned
let asset;

before(async () => {
    const redis = await startRedis(place); // where the edge's configuration looks for it
    const port = await freePort();
    school = await openSchool(place, { settings: { public_port: port, redis: `unix:${redis.socket}`, directory_snapshot_interval_s: 0, media_key_settle_s: 0 } });
    await addSchool(place, 'south', 'south.localhost');
    place.folder('course/demo/media/rain/360p', 0o755);
    place.write('course/demo/media/rain/360p/s0.m4s', SEGMENT);
    await importCourse();
    for (const tenant of ['demo', 'south']) {
        const file = place.path(`keys/${tenant}-1.key`);
        await must('sign-key', 'new', file);
        await must('tenant', 'key', 'add', '--tenant', tenant, '--use', 'path', '--alg', 'hex', '--file', file, `${tenant}-1`);
    }
    await startJobs(place);
    edge = await startEdge(place, port, (conf) => conf.replace('worker_processes 1;', 'worker_processes 2;'), { hosts: ['demo.localhost', 'south.localhost'], level: 'info' });
    student = await signedIn('student.demo');
    other = await signedIn('teacher.demo');
    asset = Number(await school.postgres.sql('postgres', "SELECT id FROM assets WHERE tenant_id = 1 AND key = 'rain'"));
    await waitFor('the edge to ask for tokens', async () => (await nobody().get(`/media/${asset}/poster.jpg`)).status === 403);
    await waitFor('the edge to have read the purges of the imports', () => /it has read none before/.test(place.read('log/edge.error.log')));
});
after(async () => {
    for (const client of clients) client.close();
    await place.stop();
});

const must = (...args) => mustFirstbell(place, args);
const importCourse = () => {
    execFileSync('chmod', ['-R', 'a+rX', place.path('course')]);
    return must('course', 'import', '--tenant', 'demo', '--course', 'course-demo', place.path('course/demo'));
};

function nobody(host = 'demo.localhost') {
    const client = new Client({ port: edge.port, ca: edge.ca, host });
    clients.push(client);
    return client;
}

async function signedIn(username, host) {
    const client = nobody(host);
    await waitFor('the sign-in', async () => (await client.post('/api/v1/sessions', { username, password })).status === 201);
    return client;
}

const status = ({ headers }) => headers['cache-status'];
const isHit = (reply) => /^firstbell;hit;ttl=\d+$/.test(status(reply) ?? '');

/** How often the edge has asked the origin for something to keep. */
async function fetches() {
    const text = await mustRun(['curl', '--silent', '--fail', '--max-time', '20', '--unix-socket', place.path('sock/edge-status.sock'), 'http://edge/metrics']);
    return value(parseExposition(text), 'firstbell_cache_fetches_total');
}

/** The answers that `body` brings, and that the origin was not asked for any. */
async function withoutOrigin(body) {
    const before = await fetches();
    const result = await body();
    assert.equal(await fetches(), before, 'the origin was asked');
    return result;
}

/** An address of the file for whoever the client is, as a lesson gives it. */
async function addressOf(client, file) {
    const item = Number(await school.postgres.sql('postgres', "SELECT id FROM items WHERE tenant_id = 1 AND key = 'rain-video'"));
    const { status: code, json, text } = await client.get(`/api/v1/items/${item}/media`);
    assert.equal(code, 200, text);
    return json.url.replace('master.m3u8', file);
}

/** A signed address that this process has made: for a tenant, for so many seconds. */
const signed = async (tenant, file, { lifetime = 600 } = {}) =>
    (await must('sign', '--key', place.path(`keys/${tenant}-1.key`), '--tenant', tenant, '--lifetime', String(lifetime), '--prefix', `/media/${asset}/`, `/media/${asset}/${file}`)).trim();

/** Asks until it is stored, and gives a hit. */
const stored = (client, path) => waitFor(`${path} to be stored`, async () => {
    const reply = await client.get(path);
    assert.equal(reply.status, 200, reply.text);
    return isHit(reply) && reply;
});

describe('what many ask for', () => {
    test('is a hit for the second student, with the same bytes and headers and each header once', async () => {
        const first = await student.get('/web/app.css');
        assert.match(status(first), /^firstbell;fwd=uri-miss;fwd-status=200;stored;ttl=\d+$/);
        const again = await withoutOrigin(() => other.get('/web/app.css'));
        assert.ok(isHit(again), status(again));
        assert.equal(again.text, first.text);
        const same = ({ headers: { age, date, 'cache-status': _, 'x-request-id': id, ...rest } }) => rest;
        assert.deepEqual(same(again), same(first));
        assert.equal(again.headers['x-content-type-options'], 'nosniff');
        assert.equal(again.headers['cache-control'], 'no-cache', 'browsers ask again');
        for (const name of ['cdn-cache-control', 'cache-scope', 'cache-tag', 'surrogate-key']) assert.equal(again.headers[name], undefined, name);
        assert.equal((await other.get('/web/app.css', { headers: { 'if-none-match': again.headers.etag } })).status, 304);
    });

    test('every route that is shared is stored by the edge, and no other is looked for', async () => {
        const { routes } = JSON.parse(await must('routes'));
        for (const { pattern, methods, shared_by: by } of routes) {
            if (!methods.includes('GET') || pattern === '/media/{id}/{path}') continue;
            const path = pattern.replaceAll('{id}', '1').replace('{path}', 'app.css');
            if (by === 'district') {
                await stored(student, path);
                assert.ok(isHit(await nobody().get(`${path}?a=${pattern.length}`)), `${path}: a query is nothing to it`);
            } else {
                assert.equal(status(await other.get(path)), undefined, path);
            }
        }
    });

    test('a segment is one for all who have an address of their own for it, whole and in parts', async () => {
        const mine = await addressOf(student, '360p/s0.m4s');
        const theirs = await addressOf(other, '360p/s0.m4s');
        assert.notEqual(mine, theirs);
        await stored(student, mine);
        for (const client of [student, other, nobody()]) {
            const whole = await withoutOrigin(() => client.get(theirs));
            assert.ok(isHit(whole) && whole.bytes.equals(SEGMENT), status(whole));
            assert.equal(whole.headers['cache-control'], 'private, max-age=3600');
            assert.match(whole.headers['content-security-policy'], /sandbox/);
        }
        const part = await withoutOrigin(() => other.get(theirs, { headers: { range: 'bytes=100000-100099' } }));
        assert.deepEqual([part.status, part.headers['content-range'], part.bytes.equals(SEGMENT.subarray(100000, 100100))], [206, `bytes 100000-100099/${SEGMENT.length}`, true]);
    });

    test('what is personal is never stored', async () => {
        const me = async (client) => (await client.get('/api/v1/me')).json.username;
        for (let i = 0; i < 3; i++) assert.deepEqual([await me(student), await me(other)], ['student.demo', 'teacher.demo']);
        const page = await student.get('/courses');
        assert.deepEqual([status(page), page.headers['cache-control']], [undefined, 'no-store']);
        assert.deepEqual([(await nobody().get('/courses')).status, (await nobody().get('/api/v1/courses')).status], [303, 401]);
    });
});

describe('whom it is not for', () => {
    test('another district never gets it, by its own address or by that of the first', async () => {
        const south = nobody('south.localhost');
        await stored(student, '/web/js/api.js');
        const file = await south.get('/web/js/api.js');
        assert.match(status(file), /fwd=uri-miss/, 'pages are kept for each district');
        const address = await signed('demo', '360p/s0.m4s');
        await stored(student, address);
        assert.equal((await south.get(address)).status, 403, 'the token is another district\'s');
        await waitFor('the edge to know the key of the other district', async () => (await south.get(await signed('south', 'none.jpg'))).status === 404);
        const own = await south.get(await signed('south', '360p/s0.m4s'));
        assert.equal(own.status, 404, 'the same path, with a good token of its own: there is no such asset there');
    });

    test('an address that has ended is refused although what it leads to is stored', async () => {
        const brief = await signed('demo', '360p/s0.m4s', { lifetime: 2 });
        await stored(student, await signed('demo', '360p/s0.m4s'));
        await waitFor('it to end', async () => (await nobody().get(brief)).status === 403);
        const refused = await student.get(brief);
        assert.deepEqual([refused.status, status(refused)], [403, undefined]);
        assert.ok(isHit(await nobody().get(await signed('demo', '360p/s0.m4s'))));
        assert.equal((await student.get(`/media/${asset}/360p/s0.m4s`)).status, 403, 'a session alone');
    });

    test('a district that is suspended gets nothing that is stored, and has it again when it is back', async () => {
        const address = await signed('demo', '360p/s0.m4s');
        await stored(student, '/web/app.css');
        await must('tenant', 'set', 'demo', '--status', 'suspended');
        await waitFor('the district to be suspended', async () => (await student.get('/web/app.css')).status === 503);
        const refused = await student.get(address);
        assert.deepEqual([refused.status, status(refused)], [503, undefined]);
        await must('tenant', 'set', 'demo', '--status', 'active');
        await waitFor('the district to be back', async () => (await student.get('/web/app.css')).status === 200);
        assert.ok(isHit(await student.get(address)));
    });

    test('who is signed out is, whatever is stored', async () => {
        const leaving = await signedIn('student.demo');
        const { cookie } = leaving.cookieHeader();
        assert.equal((await leaving.delete('/api/v1/sessions/current')).status, 204);
        const left = nobody();
        await stored(left, '/web/app.css');
        assert.equal((await left.get('/api/v1/me', { headers: { cookie } })).status, 401);
        assert.equal((await left.get(`/media/${asset}/360p/s0.m4s`, { headers: { cookie } })).status, 403);
    });

    test('where the edge asks for no token, what was stored while it did is not found', async () => {
        await stored(student, await signed('demo', 'poster.jpg'));
        await school.postgres.sql('postgres', "DELETE FROM tenant_keys WHERE tenant_id = 1 AND use = 'path'");
        await must('tenant', 'set', 'demo', '--title', 'Without keys'); // the publisher looks
        const plain = `/media/${asset}/poster.jpg`;
        await waitFor('the edge to ask for no token', async () => (await student.get(plain)).status === 200);
        const byRow = await student.get(plain);
        assert.match(status(byRow), /^firstbell;fwd=bypass/);
        assert.equal((await nobody().get(plain)).status, 401);
        await must('tenant', 'key', 'add', '--tenant', 'demo', '--use', 'path', '--alg', 'hex', '--file', place.path('keys/demo-1.key'), 'demo-1');
        await waitFor('the edge to ask for one again', async () => (await student.get(plain)).status === 403);
        assert.ok(isHit(await nobody().get(await signed('demo', 'poster.jpg'))), 'it is still there');
    });
});

describe('what changes', () => {
    test('is seen through the edge when it was imported, and nobody had to purge', async () => {
        const captions = await signed('demo', 'captions.en.vtt');
        assert.doesNotMatch((await stored(student, captions)).text, /Hail/);
        const file = 'course/demo/media/rain/captions.en.vtt';
        place.write(file, `${readFileSync(place.path(file), 'utf8')}\nNOTE Hail\n`);
        await importCourse();
        await waitFor('the new captions', async () => /Hail/.test((await other.get(captions)).text));
        assert.match((await stored(student, captions)).text, /Hail/);
    });

    test('is asked for anew when an operator purges it, by tag or by address, and what was not meant stays', async () => {
        const segment = await signed('demo', '360p/s0.m4s');
        const poster = await signed('demo', 'poster.jpg');
        for (const [words, meant, kept] of [
            [['--tag', `asset-${asset}`], [segment, poster], []],
            [['--url', `${edge.origin}/media/${asset}/poster.jpg`], [poster], [segment]],
            [['--prefix', `${edge.origin}/media/${asset}/360p/`], [segment], [poster]],
        ]) {
            for (const path of [segment, poster]) await stored(student, path);
            await must('purge', '--tenant', 'demo', '--hard', ...words);
            for (const path of meant) await waitFor(`${words.join(' ')} to be about ${path}`, async () => !isHit(await other.get(path)));
            for (const path of kept) assert.ok(isHit(await other.get(path)), `${words.join(' ')}: ${path}`);
        }
    });
});

describe('an origin that is away', () => {
    test('what is kept is served, also when it is stale, but not in an exam; what is not is refused in words', async () => {
        const segment = await signed('demo', '360p/s0.m4s');
        await stored(student, segment);
        await stored(student, '/web/app.css');
        await place.stopProgram(school.api.program);
        const stale = await waitFor('the page to be stale', async () => {
            const reply = await student.get('/web/app.css');
            assert.equal(reply.status, 200);
            return /^firstbell;hit;.*ttl=-\d+/.test(status(reply)) && reply;
        }, 60);
        assert.match(stale.headers['content-type'], /^text\/css/);
        assert.ok(isHit(await other.get(segment)));
        assert.equal((await other.get('/web/js/page.js')).status >= 500, true);
        await must('tenant', 'set', 'demo', '--status', 'exam');
        await waitFor('nothing stale to be served', async () => (await student.get('/web/app.css')).status === 502);
        assert.ok(isHit(await other.get(segment)), 'what is fresh is');
        await must('tenant', 'set', 'demo', '--status', 'active');
        await waitFor('the page to be served again', async () => (await student.get('/web/app.css')).status === 200);
        school.api = await startApi(place);
        await stored(student, '/web/app.css');
    });
});
