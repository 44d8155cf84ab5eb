// Safety headers: on every answer of every route, to whoever asks.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { checkout } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { originClient } from '../lib/server-firstbell.mjs';
import { openSchool } from './school.mjs';

const ALWAYS = {
    'x-content-type-options': /^nosniff$/,
    'referrer-policy': /^same-origin$/,
    'permissions-policy': /camera=\(\).*geolocation=\(\).*microphone=\(\)/,
    'cross-origin-opener-policy': /^same-origin$/,
    'cross-origin-resource-policy': /^same-origin$/,
    'content-security-policy': /frame-ancestors 'none'/,
    'cache-control': /./,
    'x-request-id': /./,
};
const STORABLE = /^\/(web|media)\//; // the same for everybody who may have them at all

const place = newPlace();
let school;
before(async () => {
    school = await openSchool(place);
});
after(() => place.stop());

/** Every route of the table as [method, path], with 1 for an id. */
function routes() {
    const text = readFileSync(path.join(checkout, 'origin/registry.c'), 'utf8');
    const found = [];
    for (const [, macro, first, rest] of text.matchAll(/^ {4}(ROUTE|SHARED|BY_TOKEN|OPEN|PAGE|FORM)\( *([^,]+),([^\n]*)/gm)) {
        const pattern = /"(\/[^"]*)"/.exec(`${first},${rest}`)[1].replace('{id}', '1').replace('{path}', 'app.css');
        const methods = macro === 'ROUTE' ? first.split('|').map((one) => one.trim()) : [macro === 'FORM' ? 'POST' : 'GET'];
        for (const method of methods) found.push([method, pattern]);
    }
    return found;
}

function assertSafe(reply, where) {
    for (const [name, pattern] of Object.entries(ALWAYS)) assert.match(reply.headers[name] ?? '', pattern, `${name} of ${where}`);
    assert.doesNotMatch(reply.headers['content-security-policy'], /unsafe|\*/, where);
    const isPage = /^text\/html/.test(reply.headers['content-type'] ?? '');
    assert.match(reply.headers['content-security-policy'], isPage ? /script-src 'self'/ : /^default-src '(none|self)'/, where);
}

test('every answer of every route has them, and what is personal is stored by nobody', async () => {
    const all = routes();
    assert.ok(all.length > 25 && all.some(([method, url]) => method === 'DELETE' && url === '/api/v1/sessions/1'), `routes are read from the table: ${all.length}`);
    for (const who of [null, 'student.demo', 'teacher.demo', 'operator.demo']) {
        for (const [method, url] of all) {
            const client = who ? await signedIn(who) : originClient(school.api.socketPath, 1);
            for (const headers of [{}, { accept: 'text/html' }]) {
                const where = `${method} ${url} as ${who ?? 'nobody'}`;
                const reply = await client.request(method, url, { headers: method === 'GET' || method === 'DELETE' ? headers : { ...headers, 'content-type': 'application/json' } });
                assertSafe(reply, where);
                if (reply.status !== 200 || !STORABLE.test(url)) assert.match(reply.headers['cache-control'], /no-store|^no-cache$/, where);
                if (/json/.test(reply.headers['content-type'] ?? '')) assert.match(reply.headers['cache-control'], /no-store/, where);
                if (/^text\/html/.test(reply.headers['content-type'] ?? '')) assert.doesNotMatch(reply.text, /\{\{/, `a mark was not filled: ${where}`);
            }
        }
    }
});

const sessions = new Map();

/** The open session of somebody, opened again when a route has ended it. */
async function signedIn(who) {
    const client = sessions.get(who);
    if (client && (await client.get('/api/v1/me')).status === 200) return client;
    sessions.set(who, await school.signIn(who));
    return sessions.get(who);
}

test('also answers that no route gives', async () => {
    const client = originClient(school.api.socketPath, 1);
    assertSafe(await client.get('/nothing'), 'an unknown path');
    assertSafe(await client.get('/nothing', { headers: { accept: 'text/html' } }), 'an unknown page');
    assertSafe(await client.post('/api/v1/me', {}), 'a wrong method');
    assertSafe(await client.get('/sign-in', { edge: null }), 'no tenant');
    assertSafe(await client.get('/api/v1/me', { headers: { [`x-${'y'.repeat(100)}`]: 'z'.repeat(20000) } }), 'a head that is too large');
    const file = await client.get('/web/app.css');
    const same = await client.get('/web/app.css', { headers: { 'if-none-match': file.headers.etag } });
    assert.equal(same.status, 304);
    assert.equal(same.headers['content-security-policy'], undefined, 'it would take the place of the one that came with the file');
});
