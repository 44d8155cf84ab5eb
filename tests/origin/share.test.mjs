// Whose answers are, as the origin tells the caches of edges: every route that can be read is on the list below, by whom its answers are shared, and what
// is sent is held against it. Whoever adds a route adds it here, on purpose: what is shared is given to others without the origin being asked.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { mustFirstbell, originClient, startApi, writeSettings } from '../lib/server-firstbell.mjs';
import { openSchool } from './school.mjs';

/** By route, by whom its answers are shared, and under which tags. */
const ROUTES = {
    '/healthz': ['nobody'],
    '/readyz': ['nobody'],
    '/sign-in': ['nobody'], // the token of its form
    '/sign-in/oidc/{id}': ['nobody'],
    '/sign-in/oidc/{id}/callback': ['nobody'],
    '/api/v1/sessions': ['nobody'],
    '/api/v1/me': ['nobody'],
    '/api/v1/account-rules': ['district', 'account-rules'],
    '/api/v1/courses': ['nobody'],
    '/api/v1/courses/{id}': ['nobody'], // enrollment, progress
    '/api/v1/lessons/{id}': ['nobody'], // and addresses of one's own
    '/api/v1/items/{id}/media': ['nobody'],
    '/media/{id}/{path}': ['token', 'course-COURSE, asset-ASSET'],
    '/api/v1/classes': ['nobody'],
    '/api/v1/classes/{id}/progress': ['nobody'],
    '/api/v1/classes/{id}/codes': ['nobody'],
    '/api/v1/district': ['nobody'], // the session's row
    '/api/v1/purges': ['nobody'],
    '/': ['nobody'],
    '/web/{path}': ['district', 'web'],
    '/account': ['nobody'], // the token of a form, here and in all that follow but two
    '/activate': ['district', 'web'],
    '/reset': ['district', 'web'],
    '/courses': ['nobody'],
    '/courses/{id}': ['nobody'],
    '/lessons/{id}': ['nobody'],
    '/classes': ['nobody'],
    '/classes/{id}': ['nobody'],
    '/classes/{id}/codes': ['nobody'],
    '/people': ['nobody'],
    '/district': ['nobody'],
};
const PAGES = 'max-age=10, stale-while-revalidate=30, stale-if-error=86400';
const FILES = 'max-age=86400, stale-while-revalidate=3600, stale-if-error=86400';
const UNTOLD = 'max-age=60, stale-while-revalidate=60, stale-if-error=3600';

const place = newPlace();
const ids = {};
let school;
let routes;
let student;
let nobody;

before(async () => {
    school = await openSchool(place);
    const number = async (text) => Number(await school.postgres.sql('postgres', text));
    routes = JSON.parse(await mustFirstbell(place, ['routes'])).routes.filter(({ methods }) => methods.includes('GET'));
    ids.course = school.courseId;
    ids.lesson = await number("SELECT id FROM lessons WHERE tenant_id = 1 AND key = 'rain'");
    ids.item = await number("SELECT id FROM items WHERE tenant_id = 1 AND key = 'rain-video'");
    ids.asset = await number("SELECT id FROM assets WHERE tenant_id = 1 AND key = 'rain'");
    ids.class = await number("SELECT class_id FROM enrollments e JOIN users u ON u.tenant_id = 1 AND u.id = e.user_id WHERE e.tenant_id = 1 AND u.username = 'teacher.demo' AND e.status = 1 LIMIT 1");
    student = await school.signIn('student.demo');
    nobody = originClient(school.api.socketPath, 1);
});
after(() => place.stop());

const kinds = { courses: 'course', lessons: 'lesson', items: 'item', classes: 'class', media: 'asset' };

/** An address of the route that there is. */
const addressOf = (pattern) =>
    pattern.replace(/([a-z]+)\/\{id\}/, (all, plural) => `${plural}/${ids[kinds[plural]] ?? 1}`).replace('{path}', pattern.startsWith('/media') ? 'poster.jpg' : 'app.css');

const said = ({ headers }) => [headers['cdn-cache-control'], headers['cache-scope'], headers['cache-tag'], headers['surrogate-key']];
const NOTHING = [undefined, undefined, undefined, undefined];

test('every route that can be read is on the list, and is what the list says', () => {
    const table = Object.fromEntries(routes.map(({ pattern, shared_by: by }) => [pattern, by]));
    assert.deepEqual(table, Object.fromEntries(Object.entries(ROUTES).map(([pattern, [by]]) => [pattern, by])));
});

test('what is asked for other than to be read is nobody\'s', async () => {
    for (const route of JSON.parse(await mustFirstbell(place, ['routes'])).routes) {
        if (!route.methods.includes('GET')) assert.equal(route.shared_by, 'nobody', route.pattern);
    }
});

test('every answer says what its route is, whoever asks, and where it is no answer nothing', async () => {
    const shared = new Set();
    for (const who of [null, 'student.demo', 'teacher.demo', 'operator.demo']) {
        const client = who ? await school.signIn(who) : nobody;
        for (const { pattern } of routes) {
            const [by, tags] = ROUTES[pattern];
            const reply = await client.get(addressOf(pattern));
            const where = `${pattern} as ${who ?? 'nobody'}: ${reply.status}`;
            if (by !== 'district' || reply.status !== 200) {
                assert.deepEqual(said(reply), NOTHING, where);
            } else {
                assert.deepEqual(said(reply), [PAGES, 'public', tags, undefined], where);
                assert.equal(reply.headers['set-cookie'], undefined, where);
                assert.match(reply.headers['cache-control'], /no-cache|no-store/, `what browsers keep cannot be taken back: ${where}`);
                shared.add(pattern);
            }
        }
    }
    assert.deepEqual([...shared].sort(), Object.keys(ROUTES).filter((pattern) => ROUTES[pattern][0] === 'district').sort());
});

test('what is shared is the same for everybody', async () => {
    for (const [pattern, [by]] of Object.entries(ROUTES)) {
        if (by !== 'district') continue;
        const answers = [];
        for (const who of [null, 'student.demo', 'teacher.demo']) {
            const { status, headers, text } = await (who ? await school.signIn(who) : nobody).get(addressOf(pattern));
            answers.push(JSON.stringify([status, headers['content-type'], headers.etag, text]));
        }
        assert.equal(new Set(answers).size, 1, pattern);
    }
});

test('a file of a lesson is shared by those with a token that an edge has checked, and by nobody with a session', async () => {
    const address = addressOf('/media/{id}/{path}');
    const tags = `course-${ids.course}, asset-${ids.asset}`;
    const byToken = originClient(school.api.socketPath, 1, { scopes: 'by-token' });
    const file = await byToken.get(address);
    assert.deepEqual([file.status, ...said(file)], [200, UNTOLD, 'public', tags, undefined], 'no Redis: what cannot be taken back is not kept long');
    assert.equal(file.headers['cache-control'], 'private, max-age=3600');
    const part = await byToken.get(address, { headers: { range: 'bytes=0-1' } });
    assert.deepEqual([part.status, ...said(part)], [206, UNTOLD, 'public', tags, undefined]);
    const same = await byToken.get(address, { headers: { 'if-none-match': file.headers.etag } });
    assert.deepEqual([same.status, ...said(same)], [304, UNTOLD, 'public', tags, undefined], 'what is stored takes its lifetime from this');
    const { cookie } = student.cookieHeader();
    assert.deepEqual(said(await byToken.get(address, { headers: { cookie } })), said(file), 'whoever asks first');
    for (const wrong of [`${address}.none`, '/media/987654321/poster.jpg']) assert.deepEqual([(await byToken.get(wrong)).status, ...said(await byToken.get(wrong))], [404, ...NOTHING]);
    assert.deepEqual([(await student.get(address)).status, ...said(await student.get(address))], [200, ...NOTHING]);
    byToken.close();
});

test('an ended session does not end what comes by a token', async () => {
    const gone = await school.signIn('student.demo');
    const { cookie } = gone.cookieHeader();
    assert.equal((await gone.request('DELETE', '/api/v1/sessions/current')).status, 204);
    const byToken = originClient(school.api.socketPath, 1, { scopes: 'by-token' });
    assert.equal((await byToken.get(addressOf('/media/{id}/{path}'), { headers: { cookie } })).status, 200);
    assert.equal((await nobody.get(addressOf('/media/{id}/{path}'), { headers: { cookie } })).status, 401);
    byToken.close();
});

test('where a Redis tells edges what is taken back, files of lessons are kept for long', async () => {
    await place.stopProgram(school.api.program);
    const name = randomBytes(4).toString('hex');
    const conf = writeSettings(place, { settings: { redis: `unix:${place.path('sock/nobody.sock')}` }, name: `conf/${name}.conf` });
    school.api = await startApi(place, { conf, name });
    const byToken = originClient(school.api.socketPath, 1, { scopes: 'by-token' });
    assert.deepEqual(said(await byToken.get(addressOf('/media/{id}/{path}'))).slice(0, 2), [FILES, 'public']);
    byToken.close();
});
