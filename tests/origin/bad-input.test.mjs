// What strangers and mistaken programs send to the api: JSON that is no good, bodies that are too large, and ids of another district. The cases
// follow the table of routes in origin/registry.c: a route that has none fails here.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { checkout } from '../lib/app.mjs';
import { raw } from '../lib/client.mjs';
import { headFromEdge } from '../lib/edge-context.mjs';
import { newPlace } from '../lib/place.mjs';
import { addSchool, itemsByTitle, openSchool } from './school.mjs';

const BODY_MAX = 262144;
const NOBODY = 987654321; // an id that no district has

const place = newPlace();
let school;
const people = {}; // 'student 1' → a client of tenant 1
before(async () => {
    // a relay, so that mails can be asked for; nothing here is so right that one would be sent
    const settings = { body_max_bytes: BODY_MAX, smtp_url: 'smtp+plain://127.0.0.1:9', smtp_from: 'school@example.org' };
    school = await openSchool(place, { settings });
    await addSchool(place, 'other', 'other.localhost');
    for (const tenant of [1, 2]) {
        for (const role of ['student', 'teacher', 'operator']) people[`${role} ${tenant}`] = await school.signIn(`${role}.demo`, tenant);
    }
});
after(() => place.stop());

/** The table of routes as 'METHOD pattern', pages as 'PAGE pattern'. */
function routeTable() {
    const source = readFileSync(path.join(checkout, 'origin/registry.c'), 'utf8');
    const rows = source.slice(source.indexOf('fb_routes[] = {'), source.indexOf('fb_statements[] = {')).split('\n').filter((line) => line.includes('"/'));
    return rows.map((line) => {
        const [, macro, method, pattern] = /^\s*(\w+)\(\s*(?:(\w+),\s*)?"([^"]+)"/.exec(line) ?? [];
        assert.ok(pattern, `a route that is written in another way than the others: ${line}`);
        return `${{ PAGE: 'PAGE', FORM: 'POST', OPEN: 'GET', SHARED: 'GET', BY_TOKEN: 'GET' }[macro] ?? method} ${pattern}`;
    });
}

const routes = routeTable();
const one = async (sql) => Number(await school.postgres.sql('postgres', sql));

describe('an id of another district', () => {
    const classId = () => one("SELECT min(e.class_id) FROM enrollments e JOIN users u ON u.id = e.user_id WHERE e.tenant_id = 1 AND u.username = 'teacher.demo'");
    const classmate = async () => one(`SELECT min(e.user_id) FROM enrollments e JOIN users u ON u.id = e.user_id
        WHERE e.class_id = ${await classId()} AND e.role = 3 AND u.username <> 'student.demo'`);
    const outline = async () => (await people['student 1'].get(`/api/v1/courses/${school.courseId}`)).json;
    const itemId = async () => Object.values(await itemsByTitle(people['student 1'], school.courseId))[0].id;
    const courseId = () => school.courseId;
    const lessonId = async () => (await outline()).modules[0].lessons[0].id;
    const mediaId = async () => /\/media\/(\d+)\//.exec((await people['student 1'].get(`/api/v1/lessons/${await lessonId()}`)).text)[1];

    /** Who asks, the ids of tenant 1 that stand in the address, and what is sent. */
    const cases = {
        'GET /api/v1/courses/{id}': { role: 'student', ids: [courseId] },
        'GET /api/v1/lessons/{id}': { role: 'student', ids: [lessonId] },
        'GET /media/{id}/{path}': { role: 'student', ids: [mediaId], rest: 'poster.jpg' },
        'GET /api/v1/items/{id}/media': { role: 'student', ids: [itemId] },
        'PUT /api/v1/items/{id}/progress': { role: 'student', ids: [itemId], json: { percent: 50 } },
        'POST /api/v1/items/{id}/attempts': { role: 'student', ids: [itemId], json: { answers: {} } },
        'GET /api/v1/classes/{id}/progress': { role: 'teacher', ids: [classId] },
        'GET /api/v1/classes/{id}/codes': { role: 'teacher', ids: [classId] },
        'POST /api/v1/classes/{id}/codes': { role: 'teacher', ids: [classId], json: {} },
        'POST /api/v1/classes/{id}/students/{id}/reset': { role: 'teacher', ids: [classId, classmate], json: {} },
        'POST /api/v1/people/{id}/reset': { role: 'operator', ids: [classmate], json: {} },
        'PAGE /courses/{id}': { role: 'student', ids: [courseId] },
        'PAGE /lessons/{id}': { role: 'student', ids: [lessonId] },
        'PAGE /classes/{id}': { role: 'teacher', ids: [classId] },
        'PAGE /classes/{id}/codes': { role: 'teacher', ids: [classId] },
    };

    /** Ways to a district's own sign-in provider need one: their walls are watched in the file named. */
    const elsewhere = {
        'GET /sign-in/oidc/{id}': 'tests/origin/oidc.test.mjs',
        'GET /sign-in/oidc/{id}/callback': 'tests/origin/oidc.test.mjs',
        'DELETE /api/v1/sessions/{id}': 'tests/origin/api-account.test.mjs', // a session of anybody else
    };

    const ask = async (who, route, ids) => {
        const [method, pattern] = route.split(' ');
        const { rest = '', json } = cases[route];
        const left = [...ids];
        const address = pattern.replace(/\{id\}/g, () => left.shift()).replace('{path}', rest);
        const { status, json: answer, text } = await people[who].request(method === 'PAGE' ? 'GET' : method, address, { json });
        if (answer) delete answer.request_id;
        return { status, body: answer ?? text.replace(/name="form_token" value="[^"]*"/g, '') }; // a form's token is another one each time
    };

    /** Every row of tenant 1 in every table. */
    const everything = async () => {
        const tables = await school.postgres.rows('postgres', `SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
            WHERE c.relkind = 'r' AND a.attname = 'tenant_id' AND c.relnamespace = 'public'::regnamespace ORDER BY 1`);
        const sum = ({ name }) => `SELECT '${name}', md5(coalesce(string_agg(t.xmin::text || t::text, ',' ORDER BY t::text), '')) FROM ${name} t WHERE tenant_id = 1`;
        return school.postgres.sql('postgres', `${tables.map(sum).join(' UNION ALL ')} ORDER BY 1`);
    };

    test('every route with an id has a case, and every case a route', () => {
        assert.deepEqual(routes.filter((route) => route.includes('{id}')).sort(), [...Object.keys(cases), ...Object.keys(elsewhere)].sort());
    });

    for (const [route, { role, ids }] of Object.entries(cases)) {
        test(`${route}: as if it did not exist`, async () => {
            const real = [];
            for (const id of ids) real.push(await id());
            const before = await everything();
            const never = await ask(`${role} 2`, route, ids.map(() => NOBODY));
            assert.deepEqual(await ask(`${role} 2`, route, real), never);
            assert.equal(await everything(), before, 'something was written');
            assert.equal(never.status, route.startsWith('PAGE') ? 200 : 404, 'a page is the same for every id; what it shows comes through the api');
            assert.ok((await ask(`${role} 1`, route, real)).status < 400 || route.includes('attempts'), 'it does exist');
        });
    }
});

describe('a body that is no good', () => {
    const latin1 = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xe4]), Buffer.from('"}')]);
    const texts = [
        ['cut off', '{"a":', /^Line 1, column \d+: not well-formed JSON\.$/],
        ['empty', '', /^Line 1, column 1: not well-formed JSON\.$/],
        ['deep', `{"a":${'['.repeat(100000)}`, /^Line 1, column 37: arrays and objects are nested more than 32 deep\.$/],
        ['of very many values', `{"a":[${'1,'.repeat(20000)}1]}`, /^Line 1, column \d+: there are more than 10000 values\.$/],
        ['with a name twice', '{"a":1,\n"a":2}', /^Line 2, column 3: a name stands twice in one object\.$/],
        ['not UTF-8', latin1, /^Line 1, column 7: a NUL, or a byte that is not UTF-8\.$/],
        ['with a NUL', '{"a":"\0"}', /^Line 1, column 7: a NUL, or a byte that is not UTF-8\.$/],
        ['with an escaped NUL', '{"a":"\\u0000"}', /not well-formed JSON/],
        ['with half a character', '{"a":"\\ud800"}', /not well-formed JSON/],
        ['with a second value behind it', '{} {}', /not well-formed JSON/],
    ];

    /** Routes that read JSON, with an address that exists and who may use it. */
    const readers = {
        'POST /api/v1/sessions': ['student', () => '/api/v1/sessions'],
        'POST /api/v1/activation/person': ['student', () => '/api/v1/activation/person'],
        'POST /api/v1/activation': ['student', () => '/api/v1/activation'],
        'POST /api/v1/reset-links': ['student', () => '/api/v1/reset-links'],
        'POST /api/v1/people/search': ['operator', () => '/api/v1/people/search'],
        'POST /api/v1/purges': ['operator', () => '/api/v1/purges'],
        'PUT /api/v1/me/password': ['student', () => '/api/v1/me/password'],
        'PUT /api/v1/items/{id}/progress': ['student', async () => `/api/v1/items/${await anItem()}/progress`],
        'POST /api/v1/items/{id}/attempts': ['student', async () => `/api/v1/items/${await anItem()}/attempts`],
    };
    /** Routes whose body, if there is one, is read and dropped. */
    const without = ['POST /api/v1/classes/{id}/codes', 'POST /api/v1/classes/{id}/students/{id}/reset', 'POST /api/v1/people/{id}/reset'];
    const anItem = async () => Object.values(await itemsByTitle(people['student 1'], school.courseId))[0].id;

    test('every route that takes a body is known here', () => {
        const takers = routes.filter((route) => /^(POST|PUT|PATCH) \/api\//.test(route));
        assert.deepEqual(takers.sort(), [...Object.keys(readers), ...without].sort());
    });

    for (const [route, [role, address]] of Object.entries(readers)) {
        test(`${route}: 400 with a sentence that says where`, async () => {
            const to = await address();
            const send = (body, type = 'application/json') => people[`${role} 1`].request(route.split(' ')[0], to, { body, headers: { 'content-type': type } });
            for (const [what, body, sentence] of texts) {
                const reply = await send(body);
                assert.deepEqual([reply.status, reply.json.type], [400, '/problems/bad-json'], what);
                assert.match(reply.json.detail, sentence, what);
                assert.ok(reply.json.detail.length < 120);
            }
            assert.equal((await send('[]')).status, 422);
            assert.equal((await send('{}', 'text/plain')).status, 415);
            const large = await send(JSON.stringify({ a: 'x'.repeat(BODY_MAX) }));
            assert.deepEqual([large.status, large.json.type], [413, '/problems/too-large']);
        });
    }

    test('in chunks that never end is 413 before the end, wherever it goes', async () => {
        const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
        for (const address of ['/api/v1/sessions', '/sign-in', '/none']) {
            const head = headFromEdge(`POST ${address} HTTP/1.1`, ['Transfer-Encoding: chunked']);
            assert.match(await raw({ socketPath: school.api.socketPath }, head + chunk.repeat(BODY_MAX / 0x4000 + 1)), /^HTTP\/1\.1 413 /, address);
        }
    });

    test('leaves a worker that serves on', async () => {
        assert.equal((await people['student 1'].get('/api/v1/me')).status, 200);
    });
});
