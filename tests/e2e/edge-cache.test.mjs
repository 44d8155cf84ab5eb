// What edges keep, from the origin's word to the student's browser, with the configuration that is shipped: what one student has asked for another one
// gets without the origin; nobody gets what is not for them, stored or not; what changes is gone.
// time bound: 600 s

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { startApi } from '../lib/server-firstbell.mjs';
import { waitFor } from '../lib/wait.mjs';
import { cacheStatus as status, FILM, isHit, openKept, SEGMENT } from './kept.mjs';

const place = newPlace();
let kept;
let edge;
let student;
let other;
let asset;

before(async () => {
    kept = await openKept(place);
    ({ edge, asset } = kept);
    student = await kept.signedIn('student.demo');
    other = await kept.signedIn('teacher.demo');
});
after(() => kept.close());

const must = (...args) => kept.must(...args);
const nobody = (host) => kept.nobody(host);
const signed = (...args) => kept.signed(...args);
const stored = (client, path) => kept.stored(client, path);
const withoutOrigin = (body) => kept.withoutOrigin(body);

describe('what many ask for', () => {
    test('is a hit for the second student, with the same bytes and headers and each header once', async () => {
        const first = await student.get('/web/app.css');
        assert.match(status(first), /^firstbell;fwd=uri-miss;fwd-status=200;stored;ttl=\d+$/);
        const again = await other.get('/web/app.css');
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
                assert.match(status(await nobody().get(`${path}?a=${pattern.length}`)), /^firstbell;hit;/, `${path}: a query is nothing to it`);
            } else {
                assert.equal(status(await other.get(path)), undefined, path);
            }
        }
    });

    test('a segment is one for all who have an address of their own for it, whole and in parts', async () => {
        const mine = await kept.addressOf(student, '360p/s0.m4s');
        const theirs = await kept.addressOf(other, '360p/s0.m4s');
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

    test('so is what is too long for memory', async () => {
        await stored(student, await kept.addressOf(student, 'all.mp4'));
        const theirs = await kept.addressOf(other, 'all.mp4');
        const whole = await withoutOrigin(() => other.get(theirs));
        assert.ok(isHit(whole) && whole.bytes.equals(FILM), status(whole));
        const part = await withoutOrigin(() => other.get(theirs, { headers: { range: 'bytes=2000000-2000099' } }));
        assert.deepEqual([part.status, part.bytes.equals(FILM.subarray(2000000, 2000100))], [206, true]);
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
        const leaving = await kept.signedIn('student.demo');
        const { cookie } = leaving.cookieHeader();
        assert.equal((await leaving.delete('/api/v1/sessions/current')).status, 204);
        const left = nobody();
        await stored(left, '/web/app.css');
        assert.equal((await left.get('/api/v1/me', { headers: { cookie } })).status, 401);
        assert.equal((await left.get(`/media/${asset}/360p/s0.m4s`, { headers: { cookie } })).status, 403);
    });

    test('where the edge asks for no token, what was stored while it did is not found', async () => {
        await stored(student, await signed('demo', 'poster.jpg'));
        await kept.sql("DELETE FROM tenant_keys WHERE tenant_id = 1 AND use = 'path'");
        await must('tenant', 'set', 'demo', '--title', 'Without keys'); // the publisher looks
        const plain = `/media/${asset}/poster.jpg`;
        await waitFor('the edge to ask for no token', async () => (await student.get(plain)).status === 200);
        const byRow = await student.get(plain);
        assert.match(status(byRow), /^firstbell;fwd=bypass/);
        assert.equal((await nobody().get(plain)).status, 401);
        await kept.addKey('demo');
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
        await kept.importCourse();
        await waitFor('the new captions', async () => /Hail/.test((await other.get(captions)).text));
        assert.match((await stored(student, captions)).text, /Hail/);
    });

    test('is asked for anew when an operator purges it, by tag or by address, and what was not meant stays', async () => {
        const segment = await signed('demo', '360p/s0.m4s');
        const poster = await signed('demo', 'poster.jpg');
        for (const [words, meant, others] of [
            [['--tag', `asset-${asset}`], [segment, poster], []],
            [['--url', `${edge.origin}/media/${asset}/poster.jpg`], [poster], [segment]],
            [['--prefix', `${edge.origin}/media/${asset}/360p/`], [segment], [poster]],
        ]) {
            for (const path of [segment, poster]) await stored(student, path);
            await must('purge', '--tenant', 'demo', '--hard', ...words);
            for (const path of meant) await waitFor(`${words.join(' ')} to be about ${path}`, async () => !isHit(await other.get(path)));
            for (const path of others) assert.ok(isHit(await other.get(path)), `${words.join(' ')}: ${path}`);
        }
    });
});

describe('an origin that is away', () => {
    test('what is kept is served, also when it is stale, but not in an exam; what is not is refused in words', async () => {
        const segment = await signed('demo', '360p/s0.m4s');
        await stored(student, segment);
        await stored(student, '/web/app.css');
        await place.stopProgram(kept.school.api.program);
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
        kept.school.api = await startApi(place);
        await stored(student, '/web/app.css');
    });
});
