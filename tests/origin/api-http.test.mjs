// The origin's HTTP over its socket: what is refused, what is bounded, and what goes on working behind it. The codec's cases are unit tests.

import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';

import { raw } from '../lib/client.mjs';
import { headFromEdge } from '../lib/edge-context.mjs';
import { newPlace } from '../lib/place.mjs';
import { openSchool } from './school.mjs';
import { waitFor } from '../lib/wait.mjs';

const place = newPlace();
let school, at;
before(async () => {
    school = await openSchool(place, { settings: { body_max_bytes: 65536, head_max_bytes: 8192, request_deadline_ms: 5000, idle_timeout_ms: 2500 } });
    at = { socketPath: school.api.socketPath };
});
after(() => place.stop());

const head = (line, ...lines) => headFromEdge(line, lines);
const status = (text) => Number(text.split(' ')[1]);

test('malformed requests get their status, a sentence, and the end of the connection', async () => {
    const cases = [
        ['GET / HTTP/1.1\nHost: a\n\n', 400],
        [head('GET  / HTTP/1.1'), 400],
        [head('GET / HTTP/1.1', 'Host: second'), 400],
        [head('GET / HTTP/2.0'), 505],
        [head('GET http://demo.localhost/ HTTP/1.1'), 400],
        [head('BREW / HTTP/1.1'), 501],
        [head('GET / HTTP/1.1', 'A : b'), 400],
        [head('GET / HTTP/1.1', 'A: b', ' folded'), 400],
        [head('POST / HTTP/1.1', 'Content-Length: 1', 'Content-Length: 1'), 400],
        [head('POST / HTTP/1.1', 'Content-Length: 5', 'Transfer-Encoding: chunked'), 400],
        [head('POST / HTTP/1.1', 'Transfer-Encoding: gzip, chunked'), 501],
        [head('GET / HTTP/1.1', `A: ${'x'.repeat(9000)}`), 431],
        [head('GET / HTTP/1.1', ...Array.from({ length: 70 }, (_, i) => `H${i}: x`)), 431],
    ];
    for (const [bytes, expected] of cases) {
        const text = await raw(at, bytes);
        assert.equal(status(text), expected, JSON.stringify(bytes.slice(0, 80)));
        assert.match(text, /Connection: close/);
        assert.match(text, /application\/problem\+json/);
        assert.match(text, /"request_id":"[0-9a-f]{32}"/);
    }
});

test('two requests in one packet get two answers in order', async () => {
    const two = head('GET /healthz HTTP/1.1') + head('GET /api/v1/me HTTP/1.1', 'Connection: close');
    const text = await raw(at, two);
    assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 401']);
});

test('a body may come in chunks and in pieces, with the next request behind it', async () => {
    const json = JSON.stringify({ username: 'student.demo', password: 'wrong wrong wrong' });
    const chunks = [...json].map((c) => `1\r\n${c}\r\n`).join('');
    const post = head('POST /api/v1/sessions HTTP/1.1', 'Content-Type: application/json', 'Transfer-Encoding: chunked');
    const bytes = `${post}${chunks}0\r\nTrailer: x\r\n\r\n${head('GET /healthz HTTP/1.1', 'Connection: close')}`;
    assert.deepEqual((await raw(at, bytes)).match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 401', 'HTTP/1.1 200']);
    const slow = await new Promise((resolve, reject) => {
        const socket = net.connect(at.socketPath);
        let text = '';
        socket.on('data', (c) => (text += c)).on('end', () => resolve(text)).on('error', reject);
        (async () => {
            for (let i = 0; i < bytes.length; i += 37) await new Promise((done) => socket.write(bytes.slice(i, i + 37), done));
        })();
    });
    assert.deepEqual(slow.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 401', 'HTTP/1.1 200']);
});

test('bodies over the bound are 413, announced or not', async () => {
    const announced = head('POST /api/v1/sessions HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 65537');
    assert.equal(status(await raw(at, announced)), 413);
    const piece = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
    const chunked = head('POST /api/v1/sessions HTTP/1.1', 'Content-Type: application/json', 'Transfer-Encoding: chunked') + piece.repeat(5);
    assert.equal(status(await raw(at, chunked)), 413);
    assert.equal(status(await raw(at, head('POST /api/v1/sessions HTTP/1.1', 'Transfer-Encoding: chunked') + 'zz\r\n')), 400);
});

test('100-continue is given before the body', async () => {
    const text = await raw(at, head('POST /api/v1/sessions HTTP/1.1', 'Expect: 100-continue', 'Content-Length: 2'), { until: /\r\n\r\n/ });
    assert.match(text, /^HTTP\/1\.1 100 Continue\r\n\r\n/);
});

test('who sends too slowly is told so, who sends nothing is let go', async () => {
    const [slow, body, nothing] = await Promise.all([
        raw(at, 'GET / HTTP/1.1\r\nHost: demo'),
        raw(at, head('POST /api/v1/sessions HTTP/1.1', 'Content-Length: 10') + 'abc'),
        raw(at, ''),
    ]);
    assert.equal(status(slow), 408);
    assert.equal(status(body), 408);
    assert.equal(nothing, '');
});

test('HEAD is GET without the body', async () => {
    const get = await raw(at, head('GET /sign-in HTTP/1.1', 'Connection: close'));
    const answer = await raw(at, head('HEAD /sign-in HTTP/1.1', 'Connection: close'));
    assert.equal(answer.slice(-4), '\r\n\r\n');
    assert.equal(answer.match(/Content-Length: \d+/)[0], get.match(/Content-Length: \d+/)[0]);
});

test('pages have a policy, files an ETag, and a wrong method names the right ones', async () => {
    const { client } = school.api;
    const page = await client.get('/sign-in');
    assert.match(page.headers['content-security-policy'], /script-src 'self'/);
    assert.doesNotMatch(page.headers['content-security-policy'], /unsafe/);
    assert.equal(page.headers['x-content-type-options'], 'nosniff');
    assert.deepEqual([page.headers['cache-control'], page.headers.etag], ['no-store', undefined], 'a page with a form is made for one reader');
    const file = await client.get('/web/app.css');
    for (const tag of [file.headers.etag, `"x", W/${file.headers.etag}`, '*']) {
        assert.equal((await client.get('/web/app.css', { headers: { 'if-none-match': tag } })).status, 304, tag);
    }
    assert.equal((await client.get('/web/js/../sign-in.html')).status, 404);
    assert.equal((await client.get('/web/none.js')).status, 404);
    const wrong = await client.post('/api/v1/courses', {});
    assert.deepEqual([wrong.status, wrong.headers.allow], [405, 'GET, HEAD']);
});

test('the request id of the edge is kept when it is well-formed', async () => {
    const { client } = school.api;
    const kept = await client.get('/nothing', { headers: { 'x-request-id': 'edge-0123_AB' } });
    assert.deepEqual([kept.headers['x-request-id'], kept.json.request_id], ['edge-0123_AB', 'edge-0123_AB']);
    for (const id of ['a b', 'x'.repeat(65), '"']) {
        const reply = await client.get('/nothing', { headers: { 'x-request-id': id } });
        assert.match(reply.headers['x-request-id'], /^[0-9a-f]{32}$/);
    }
});

test('the access log has a line of JSON for each, without secrets', async () => {
    const client = await school.signIn('student.demo');
    await client.get('/api/v1/me?token=secret', { headers: { 'x-request-id': 'look-for-me' } });
    const line = await waitFor('the access log', () => place.read('log/access.log').split('\n').find((l) => l.includes('look-for-me')));
    const entry = JSON.parse(line);
    assert.deepEqual([entry.route, entry.path, entry.status, entry.tenant_id, entry.method], ['/api/v1/me', '/api/v1/me', 200, 1, 'GET']);
    assert.ok(entry.user_id > 0 && entry.duration_us > 0 && entry.sent_bytes > 100);
    assert.ok(!place.read('log/access.log').includes('secret'));
    assert.ok(!place.read('log/access.log').includes('eyJ'));
});
