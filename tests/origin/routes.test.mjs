// Every route of the origin, from the table that the program itself prints, asked by all who may not: a route without a rule fails here. Whoever adds
// a route that is open to everybody adds it to the list below, on purpose.
// time bound: 600 s

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { mustFirstbell, originClient, startApi, writeSettings } from '../lib/server-firstbell.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';

/** What answers without a session. */
const OPEN = `
    GET /healthz
    GET /readyz
    POST /api/v1/sessions
    DELETE /api/v1/sessions/current
    GET /sign-in
    POST /sign-in
    GET /sign-in/oidc/{id}
    GET /sign-in/oidc/{id}/callback
    POST /sign-out
    GET /api/v1/account-rules
    POST /api/v1/activation/person
    POST /api/v1/activation
    POST /api/v1/reset-links
    GET /
    GET /web/{path}
    GET /activate
    GET /reset`.trim().split(/\n\s*/);

/** Of these, what answers without a tenant. */
const WITHOUT_TENANT = ['GET /healthz', 'GET /readyz'];

/** What each role may, by its number in users.role; `user add` knows it under `word`. Nobody has more than this list says. */
const ROLES = {
    1: { word: 'administrator', name: 'school_admin', scopes: ['self'] },
    2: { word: 'aide', name: 'teacher', scopes: ['self', 'content', 'classes'] },
    3: { word: 'guardian', name: 'guardian', scopes: ['self'] },
    4: { word: 'parent', name: 'guardian', scopes: ['self'] },
    5: { word: 'proctor', name: 'none', scopes: [] },
    6: { word: 'relative', name: 'guardian', scopes: ['self'] },
    7: { word: 'student', name: 'student', scopes: ['self', 'content', 'progress'] },
    8: { word: 'teacher', name: 'teacher', scopes: ['self', 'content', 'classes', 'codes'] },
    20: { word: 'operator', name: 'operator', scopes: ['self', 'district', 'people', 'purges'] },
    21: { word: 'district-admin', name: 'district_admin', scopes: ['self', 'district', 'purges'] },
};

const NOBODY = '987654321'; // an id that nothing has
const password = 'a long password for tests';
const place = newPlace();
const people = {}; // 'student 1' → a signed-in client of tenant 1
let api, table, routes;

before(async () => {
    await startPostgres(place);
    writeSettings(place);
    table = JSON.parse(await mustFirstbell(place, ['routes']));
    routes = table.routes.flatMap(({ methods, ...route }) => methods.map((method) => ({ ...route, method, name: `${method} ${route.pattern}` })));
    for (const name of ['north', 'south']) {
        await mustFirstbell(place, ['tenant', 'add', name, '--title', `District ${name}`, '--host', `${name}.localhost`]);
        for (const { word } of Object.values(ROLES)) await addPerson(name, word);
    }
    api = await startApi(place);
    for (const { word } of Object.values(ROLES)) {
        for (const tenant of [1, 2]) {
            people[`${word} ${tenant}`] = originClient(api.socketPath, tenant);
            await people[`${word} ${tenant}`].signIn(`${word}.demo`, password);
        }
    }
});
after(() => place.stop());

async function addPerson(tenant, word) {
    const username = `${word}.demo`;
    await mustFirstbell(place, ['user', 'add', '--tenant', tenant, '--username', username, '--role', word, '--given', 'Pat', '--family', 'Person']);
    await mustFirstbell(place, ['user', 'passwd', '--tenant', tenant, username], { input: password });
}

const guarded = () => routes.filter((route) => route.scopes.length > 0);
const isOpen = (route) => OPEN.includes(route.name);

/** Asks for a route as a program would that knows it: with a body of the right type where one belongs. */
function ask(client, { method, pattern, kind }, headers = {}) {
    const path = pattern.replaceAll('{id}', NOBODY).replace('{path}', 'a.txt');
    const takesBody = ['POST', 'PUT', 'PATCH'].includes(method);
    const body = !takesBody ? {} : kind === 'form' ? { form: { form_token: 'x' } } : { json: {} };
    return client.request(method, path, { ...body, headers });
}

/** Refused, and nothing said but that. */
function assertProblem(reply, status, type, what) {
    assert.equal(reply.status, status, `${what}: ${reply.status} ${reply.text.slice(0, 200)}`);
    assert.equal(reply.headers['content-type'], 'application/problem+json', what);
    assert.equal(reply.json.type, `/problems/${type}`, what);
    assert.deepEqual(Object.keys(reply.json).sort(), ['request_id', 'status', 'title', 'type'], what);
    assert.equal(reply.headers['set-cookie'], undefined, what);
}

function assertSentTo(reply, location, what) {
    assert.deepEqual([reply.status, reply.headers.location, reply.text], [303, location, ''], what);
}

const assertMustSignIn = (reply, route) =>
    route.kind === 'page' ? assertSentTo(reply, `/sign-in?next=${route.pattern.replaceAll('{id}', NOBODY)}`, route.name) : assertProblem(reply, 401, 'sign-in-required', route.name);

describe('the table', () => {
    test('has no open route that is not on the list, and the list no other', () => {
        assert.deepEqual(routes.filter((route) => route.scopes.length === 0).map((route) => route.name).sort(), [...OPEN].sort());
        assert.deepEqual(routes.filter((route) => route.without_tenant).map((route) => route.name).sort(), [...WITHOUT_TENANT].sort());
    });

    test('is written in words that are known', () => {
        const scopes = new Set(Object.values(ROLES).flatMap((role) => role.scopes));
        assert.ok(routes.length > 40);
        for (const route of routes) {
            assert.ok(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].includes(route.method), route.name);
            assert.ok(route.scopes.every((scope) => scopes.has(scope)), route.name);
        }
    });

    test('gives each role what it needs and no more', () => {
        const listed = Object.fromEntries(table.roles.map(({ number, name, scopes }) => [number, { name, scopes: scopes.sort() }]));
        const expected = Object.entries(ROLES).filter(([, role]) => role.scopes.length > 0);
        assert.deepEqual(listed, Object.fromEntries(expected.map(([number, { name, scopes }]) => [number, { name, scopes: [...scopes].sort() }])));
    });
});

test('whoever has not signed in is refused, on every route that is not on the list', async () => {
    const nobody = originClient(api.socketPath, 1);
    for (const route of guarded()) {
        assert.ok(!isOpen(route));
        assertMustSignIn(await ask(nobody, route), route);
        if (route.method === 'GET') assert.notEqual((await ask(nobody, { ...route, method: 'HEAD' })).status, 200, `HEAD ${route.pattern}`);
    }
    nobody.close();
});

for (const { word } of Object.values(ROLES)) {
    test(`a valid session of another tenant, as ${word}, is no session here, on every route`, async () => {
        const stranger = originClient(api.socketPath, 1);
        const { cookie } = people[`${word} 2`].cookieHeader();
        assert.notEqual((await ask(people[`${word} 2`], { method: 'GET', pattern: '/api/v1/me' })).status, 401, 'it is valid where it belongs');
        for (const route of guarded()) assertMustSignIn(await ask(stranger, route, { cookie }), route);
        stranger.close();
    });
}

for (const [number, { word, scopes }] of Object.entries(ROLES)) {
    test(`role ${number}, ${word}, gets no further than ${scopes.join(', ') || 'nothing'}, on every route`, async () => {
        const client = people[`${word} 1`];
        const home = table.roles.find((role) => role.number === Number(number))?.home ?? '/courses';
        for (const route of guarded().filter((r) => !r.scopes.every((scope) => scopes.includes(scope)))) {
            const reply = await ask(client, route);
            if (route.kind === 'page' && route.pattern !== home) assertSentTo(reply, home, route.name);
            else assertProblem(reply, 403, 'forbidden', route.name);
        }
    });
}

// Without this, a role that may nothing at all would pass.
test('what a role may is not refused', async () => {
    for (const { word, scopes } of Object.values(ROLES)) {
        for (const route of guarded().filter((r) => r.scopes.every((scope) => scopes.includes(scope)))) {
            if (route.name === 'DELETE /api/v1/sessions') continue; // it would end the session that asks
            const { status, text } = await ask(people[`${word} 1`], route);
            assert.ok(![303, 401, 403].includes(status) && status < 500, `${word}, ${route.name}: ${status} ${text.slice(0, 200)}`);
        }
    }
});
