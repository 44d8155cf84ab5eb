// The edge's own configuration, conf/nginx/edge.conf.in, as it is installed: filled in, checked by nginx, and asked over TLS.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import http2 from 'node:http2';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { app, fill, nginxProgram } from '../lib/app.mjs';
import { canConnect, Client, raw } from '../lib/client.mjs';
import { edgeContext, nowSeconds, putEdgeKey, readContext } from '../lib/edge-context.mjs';
import { newSessionKey, session } from '../lib/jose.mjs';
import { freePort, newPlace } from '../lib/place.mjs';
import { children, mustRun, run } from '../lib/run.mjs';
import { http2Words, makeCertificate, noLeaks } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { parseExposition, value } from './exposition.mjs';
import { lines, newKey, publish, snapshot, startOrigin, tenant } from './support.mjs';

const place = newPlace();
const mediaKey = randomBytes(32).toString('hex');
const tenants = [tenant(1, 'demo', ['demo.localhost']),
    tenant(2, 'closed', ['closed.localhost'], { status: 'suspended' }), tenant(3, 'reading', ['reading.localhost'], { status: 'read-only' }),
    tenant(4, 'paused', ['paused.localhost'], { status: 'suspended', title: 'Bezirk <b>Süd</b>', locale: 'de', notice: 'Zurück am "Montag".\n</p><script>alert(1)</script>' }),
    tenant(5, 'signing', ['signing.localhost'], { keys: [{ kid: 'm1', use: 'path', alg: 'hex', key: mediaKey }] })];
const nginx = (...args) => [nginxProgram(), '-e', place.path('log/edge-error.log'), '-c', place.path('conf/nginx.conf'), ...args];
let key;
const sessionKey = newSessionKey();
let port;
let origin;
let ca;
let client;

before(async () => {
    key = newKey(place, 'publisher');
    place.write('keys/directory.pub.pem', readFileSync(key.file));
    publish(place, snapshot(3, tenants, undefined, { key }));
    ({ ca } = makeCertificate(place, ['demo.localhost', 'closed.localhost', 'reading.localhost', 'paused.localhost', 'signing.localhost', 'nobody.localhost']));
    symlinkSync(app(), place.path('app'));
    putEdgeKey(place);
    place.write('keys/sessions.pub.pem', sessionKey.pem);
    port = await freePort();
    const template = readFileSync(path.join(app(), 'conf/nginx/edge.conf.in'), 'utf8').replace('proxy_read_timeout 30s', 'proxy_read_timeout 3s')
        .replace('rate=50/s burst=499', 'rate=1/m burst=499') // nothing of it comes back while a test runs
        .replace(/(map \$host \$bell_strict_transport \{\n\s+default) "";/, '$1 ""; closed.localhost "max-age=31536000";');
    const values = { MODULES: path.join(app(), 'modules'), STATE: place.dir, SOCK: place.path('sock'), PORT: port, WORKERS: 2, HTTP2: http2Words() };
    // a binary upgrade hands on only the environment that is named
    const environment = 'env ASAN_OPTIONS;\nenv LSAN_OPTIONS;\nenv UBSAN_OPTIONS;\n';
    place.write('conf/nginx.conf', environment + fill(template, values));
    origin = await startOrigin(place.path('sock/api.sock'), answer);
    await mustRun(nginx());
    await waitFor('the edge to listen', () => canConnect(port));
    client = new Client({ port, ca });
});

after(async () => {
    client?.close();
    await origin?.close();
    const pid = existsSync(place.path('pid/nginx.pid')) && Number(place.read('pid/nginx.pid'));
    if (pid) {
        process.kill(pid, 'SIGQUIT');
        await waitFor('the edge to end', () => !existsSync(`/proc/${pid}`));
    }
    await place.stop();
});

const media = Buffer.alloc(8 * 1024 * 1024, 'firstbell ');

/** Special answers of the origin; everything else is echoed. */
function answer(request, response, seen) {
    if (seen.url === '/media/1/all.mp4') return sendRange(request, response);
    if (seen.url === '/slow') return true;
    if (seen.url === '/text') return send(response, 200, 'text/css', 'p { margin: 0 }\n'.repeat(200));
    if (seen.url === '/guarded') {
        for (const [name, value] of [['x-content-type-options', 'nosniff'], ['cache-control', 'private'], ['content-security-policy', "default-src 'self'"]]) response.setHeader(name, value);
        return send(response, 503, 'text/plain', 'busy');
    }
    if (seen.url === '/api/v1/none') return send(response, 404, 'application/problem+json', '{"type":"/problems/not-found"}');
    if (seen.url.startsWith('/drop') && origin.requests.filter((other) => other.url === seen.url).length === 1) {
        request.socket.destroy();
        return true;
    }
    return false;
}

function send(response, status, type, text) {
    response.writeHead(status, { 'content-type': type });
    response.end(text);
    return true;
}

function sendRange(request, response) {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    if (from === undefined) response.writeHead(200, { 'content-type': 'video/mp4', 'content-length': media.length });
    else response.writeHead(206, { 'content-type': 'video/mp4', 'content-range': `bytes ${from}-${to}/${media.length}` });
    response.end(from === undefined ? media : media.subarray(Number(from), Number(to) + 1));
    return true;
}

/** Requests of an origin that is not there. */
async function withoutOrigin(body) {
    await origin.close();
    try {
        await body();
    } finally {
        origin = await startOrigin(place.path('sock/api.sock'), answer);
    }
}

/** Headers of the edge's own answers. */
function assertSafe(reply) {
    const { headers } = reply;
    assert.deepEqual([headers['cache-control'], headers['x-content-type-options'], headers['referrer-policy']], ['no-store', 'nosniff', 'same-origin']);
    assert.deepEqual([headers['cross-origin-opener-policy'], headers['cross-origin-resource-policy']], ['same-origin', 'same-origin']);
    assert.match(headers['permissions-policy'], /camera=\(\)/);
    assert.match(headers['content-security-policy'], /^default-src 'none'.*frame-ancestors 'none'$/);
    assert.doesNotMatch(headers['content-security-policy'], /unsafe/);
}

function assertPage(reply, status, heading) {
    assert.equal(reply.status, status);
    assert.equal(reply.headers['content-type'], 'text/html; charset=utf-8');
    assert.match(reply.text, new RegExp(`<h1>${heading}</h1>`));
    assert.match(reply.text, /<html lang="en" dir="ltr">/);
    assert.match(reply.headers['content-security-policy'], /^default-src 'none'/);
    assertSafe(reply);
    const style = createHash('sha256').update(/<style>([^]*?)<\/style>/.exec(reply.text)[1]).digest('base64');
    assert.ok(reply.headers['content-security-policy'].includes(`style-src 'sha256-${style}'`), 'the style of the page is the one that is allowed');
    assert.match(reply.headers['x-request-id'], /^[0-9a-f]{32}$/);
}

function assertProblem(reply, status, type) {
    assert.equal(reply.status, status);
    assert.equal(reply.headers['content-type'].split(';')[0], 'application/problem+json');
    assert.equal(reply.json.type, `/problems/${type}`);
    assertSafe(reply);
    assert.equal(reply.json.status, status);
    assert.equal(reply.json.request_id, reply.headers['x-request-id']);
    assert.ok(reply.json.title && reply.json.detail);
}

test('nginx has nothing to remark about the configuration', async () => {
    const { code, stderr } = await run(nginx('-t'), { env: noLeaks });
    assert.equal(code, 0, stderr);
    assert.deepEqual(lines(stderr, /\[(warn|error|crit|alert|emerg)\]/), []);
});

test('what the origin says about itself is not said twice', async () => {
    const own = { 'x-content-type-options': 'nosniff', 'cache-control': 'private', 'content-security-policy': "default-src 'self'" };
    const reply = await client.get('/guarded');
    for (const [name, value] of Object.entries(own)) assert.equal(reply.headers[name], value, name);
    assert.equal(reply.headers['retry-after'], undefined);
});

test('Strict-Transport-Security is sent where the operator says so, on every answer', async () => {
    const host = `closed.localhost:${port}`;
    for (const path of ['/courses', '/api/v1/me']) assert.equal((await client.get(path, { host })).headers['strict-transport-security'], 'max-age=31536000');
    for (const path of ['/courses', '/guarded']) assert.equal((await client.get(path)).headers['strict-transport-security'], undefined);
});

test('a request reaches the origin over verified HTTPS with exactly the headers of the contract', async () => {
    const reply = await client.get('/courses?x=1', { headers: { cookie: 'a=b', 'x-forwarded-for': '6.6.6.6', 'x-request-id': 'mine' } });
    assert.equal(reply.status, 200);
    const { headers, names, url } = reply.json;
    assert.equal(url, '/courses?x=1');
    assert.equal(headers.host, `demo.localhost:${port}`);
    const context = readContext(headers['bell-context'], { target: '/courses?x=1' });
    assert.deepEqual([context.tenant, context.id, context.requestId, context.subject], [1, 'local', headers['x-request-id'], '']);
    assert.equal(headers['x-forwarded-for'], '127.0.0.1');
    assert.match(headers['x-request-id'], /^[0-9a-f]{32}$/);
    assert.equal(headers.connection, undefined);
    assert.equal(headers.cookie, 'a=b');
    assert.equal(reply.headers['x-request-id'], headers['x-request-id']);
    assert.equal(reply.headers.server, 'nginx');
    assert.equal(reply.headers['strict-transport-security'], undefined);
    assert.equal(names.filter((name) => /^(host|bell-.*|x-request-id|x-forwarded-for)$/i.test(name)).length, 4);
});

test('another authority does not verify', async () => {
    const other = newPlace();
    const stranger = new Client({ port, ca: makeCertificate(other).ca });
    await assert.rejects(stranger.get('/'), /certificate|signature/);
    stranger.close();
    await other.stop();
});

test("a client's Bell- headers do not reach the origin, by HTTP/1.1 or HTTP/2", async () => {
    const forged = edgeContext({ tenant: 2, target: '/' });
    const { json } = await client.get('/', { headers: { 'Bell-Context': forged, 'Bell-Role': 'operator' } });
    assert.equal(readContext(json.headers['bell-context'], { target: '/' }).tenant, 1);
    assert.equal(json.headers['bell-role'], undefined);
    const seen = JSON.parse((await overHttp2({ ':path': '/', 'bell-context': forged, 'bell-role': 'operator' })).text);
    assert.equal(readContext(seen.headers['bell-context'], { target: '/' }).tenant, 1);
    assert.equal(seen.headers['bell-role'], undefined);
    assert.equal(seen.headers.host, `demo.localhost:${port}`);
});

function overHttp2(headers) {
    return new Promise((resolve, reject) => {
        const lookup = (_, { all }, done) => done(null, all ? [{ address: '127.0.0.1', family: 4 }] : '127.0.0.1', 4);
        const session = http2.connect(`https://demo.localhost:${port}`, { ca, lookup });
        session.on('error', reject);
        const stream = session.request(headers);
        let text = '';
        let status;
        stream.on('response', (reply) => (status = reply[':status']));
        stream.on('data', (chunk) => (text += chunk));
        stream.on('error', reject);
        stream.on('end', () => session.close(() => resolve({ status, text })));
        stream.end();
    });
}

test('connections to the origin are kept', async () => {
    const before = origin.connections;
    for (let i = 0; i < 20; i++) {
        const one = new Client({ port, ca });
        assert.equal((await one.get(`/kept/${i}`)).status, 200);
        one.close();
    }
    assert.ok(origin.connections - before <= 2, `${origin.connections - before} new connections for 20 requests`);
});

test('a kept connection that the origin closes: GET is tried again, POST is not', async () => {
    await client.get('/');
    assert.equal((await client.get('/drop/get')).status, 200);
    assert.equal(origin.requests.filter(({ url }) => url === '/drop/get').length, 2);
    await client.get('/');
    assert.equal((await client.post('/drop/post', {})).status, 502);
    assert.equal(origin.requests.filter(({ url }) => url === '/drop/post').length, 1);
});

test('a body arrives whole', async () => {
    const body = 'x'.repeat(900_000);
    assert.equal((await client.post('/api/v1/echo', { body })).json.body, JSON.stringify({ body }));
});

test('an unknown host gets a page, a program gets a problem', async () => {
    assertPage(await client.get('/courses', { host: 'nobody.localhost' }), 404, 'No school is found under this address');
    assertPage(await client.post('/sign-in', undefined, { host: 'nobody.localhost', form: { a: 'b' } }), 404, 'No school is found under this address');
    assertProblem(await client.get('/api/v1/me', { host: 'nobody.localhost' }), 404, 'unknown-host');
});

test('a suspended district gets its page with Retry-After', async () => {
    const page = await client.get('/courses', { host: 'closed.localhost' });
    assertPage(page, 503, 'Your district is paused for now');
    assert.equal(page.headers['retry-after'], '3600');
    const problem = await client.get('/api/v1/me', { host: 'closed.localhost' });
    assertProblem(problem, 503, 'suspended');
    assert.equal(problem.headers['retry-after'], '3600');
    assert.equal(problem.json.detail, 'Please ask your school when it will be back.');
});

test('a suspended district speaks for itself, in its language, and in words only', async () => {
    const host = 'paused.localhost';
    const page = await client.get('/courses', { host });
    assertPage(page, 503, 'Your district is paused for now');
    assert.match(page.text, /<title>Paused · Bezirk &lt;b&gt;Süd&lt;\/b&gt; · Firstbell<\/title>/);
    assert.match(page.text, /<p class="district" lang="de" dir="auto">Bezirk &lt;b&gt;Süd&lt;\/b&gt;<\/p>/);
    assert.match(page.text, /<p class="notice" lang="de" dir="auto">Zurück am &quot;Montag&quot;\.&#10;&lt;\/p&gt;&lt;script&gt;alert\(1\)&lt;\/script&gt;<\/p>/);
    assert.doesNotMatch(page.text, /<script|Please ask your school|<!--/);
    const problem = await client.get('/api/v1/me', { host });
    assertProblem(problem, 503, 'suspended');
    assert.equal(problem.json.detail, 'Zurück am "Montag".\n</p><script>alert(1)</script>');
    assert.equal(problem.json.district, 'Bezirk <b>Süd</b>');
    assertPage(await client.post('/sign-in', undefined, { host, form: { a: 'b' } }), 503, 'Your district is paused for now');
});

test('a district that is read-only can be read; who writes gets a page, or a problem, with one Retry-After', async () => {
    const host = 'reading.localhost';
    assert.equal((await client.get('/courses', { host })).status, 200);
    const page = await client.post('/courses', undefined, { host, form: { a: 'b' } });
    assertPage(page, 503, 'Nothing can be saved at the moment');
    assert.equal(page.headers['retry-after'], '300');
    const problem = await client.post('/api/v1/x', {}, { host });
    assertProblem(problem, 503, 'read-only');
    assert.equal(problem.headers['retry-after'], '300');
    await withoutOrigin(async () => {
        const away = await client.get('/courses', { host });
        assertPage(away, 502, 'We cannot be reached right now');
        assert.equal(away.headers['retry-after'], '5');
    });
});

test('an origin that is away: 502 with Retry-After, and served again when it is back', async () => {
    await withoutOrigin(async () => {
        const page = await client.get('/courses');
        assertPage(page, 502, 'We cannot be reached right now');
        assert.equal(page.headers['retry-after'], '5');
        const problem = await client.post('/api/v1/sessions', {});
        assertProblem(problem, 502, 'unavailable');
        assert.equal(problem.headers['retry-after'], '5');
    });
    assert.equal((await client.get('/courses')).status, 200);
});

test('an origin that is too slow: 504 with Retry-After', async () => {
    const page = await client.get('/slow');
    assertPage(page, 504, 'We cannot be reached right now');
    assert.equal(page.headers['retry-after'], '5');
});

/** The component for what is below a prefix, as lua-free/bell_path_token.h says. */
function pathToken(prefix, { id, subject = '42', secret = mediaKey }) {
    const head = `v1.m1.${id}..${nowSeconds() + 600}.${Buffer.from(subject).toString('base64url')}.`;
    return `bell-token=${head}.${createHmac('sha256', Buffer.from(secret, 'hex')).update(`firstbell path token\n\n${prefix}\n${head}`).digest('base64url')}`;
}

test('files of lessons: where the district has a key for their addresses, by a token alone, which the origin is told of', async () => {
    const host = 'signing.localhost';
    for (const path of ['/media/7/master.m3u8', `/media/7/${pathToken('/media/8/', { id: 5 })}/a.m4s`, `/media/7/${pathToken('/media/7/', { id: 1 })}/a.m4s`,
        `/media/7/${pathToken('/media/7/', { id: 5, secret: '00'.repeat(32) })}/a.m4s`]) {
        assertPage(await client.get(path, { host }), 403, 'This address is not good, or no longer');
    }
    const signed = `/media/7/${pathToken('/media/7/', { id: 5 })}/360p/a.m4s`;
    const told = async (headers, address = signed) => {
        const { status, json } = await client.get(address, { host, headers });
        assert.deepEqual([status, json.url], [200, '/media/7/360p/a.m4s']);
        return readContext(json.headers['bell-context'], { target: '/media/7/360p/a.m4s' });
    };
    const alone = await told({});
    assert.deepEqual([alone.tenant, alone.subject, alone.role, alone.scopes], [5, '', '', 'by-token']);
    const signedIn = await told({ cookie: `__Host-bell_session=${session(sessionKey, { aud: '5', role: 8 })}` });
    assert.deepEqual([signedIn.tenant, signedIn.subject, signedIn.role, signedIn.scopes], [5, '', '', 'by-token'], 'the answer is for all who have such a token');
    const nobody = await told({}, `/media/7/${pathToken('/media/7/', { id: 5, subject: '' })}/360p/a.m4s`);
    assert.deepEqual([nobody.subject, nobody.scopes], ['', 'by-token'], 'also by a token that names nobody');
    assert.ok(!place.read('log/edge-access.log').includes('bell-token=v1.m1.5'), 'a token that counts is in no log');
});

test('a token is in no log either where a request is refused before anybody looks for it', async () => {
    for (const [host, front] of [['closed.localhost', '/media/7'], ['nobody.localhost', '/media/7'], ['signing.localhost', '/elsewhere'], ['signing.localhost', '']]) {
        const { headers } = await client.get(`${front}/${pathToken('/media/7/', { id: 5 })}/gone/a.m4s?b=/${pathToken('/', { id: 5 })}/`, { host });
        const line = await waitFor('the line', () => place.read('log/edge-access.log').split('\n').find((text) => text.includes(headers['x-request-id']) && text.endsWith('}')));
        assert.equal(JSON.parse(line).path, `${front}/bell-token=...`, host);
    }
    assert.doesNotMatch(place.read('log/edge-access.log'), /bell-token=v1/);
    assert.doesNotMatch(place.read('log/edge-error.log'), /bell-token=v1/);
});

test('and where it has none, as ever', async () => {
    const { status, json } = await client.get('/media/7/master.m3u8');
    assert.equal(status, 200);
    assert.equal(readContext(json.headers['bell-context'], { target: '/media/7/master.m3u8' }).scopes, '');
    assert.equal((await client.get(`/media/7/${pathToken('/media/7/', { id: 1 })}/a`)).status, 403);
});

test("the origin's own errors pass as they are", async () => {
    const reply = await client.get('/api/v1/none');
    assert.equal(reply.status, 404);
    assert.equal(reply.json.type, '/problems/not-found');
    assert.equal(reply.headers['retry-after'], undefined);
});

test('a body of more than 1 MiB is refused', async () => {
    // the answer comes before the body has been sent
    const head = { 'content-length': String(2 * 1024 * 1024), connection: 'close' };
    assertPage(await client.request('POST', '/sign-in', { headers: head, body: 'x' }), 413, 'What you sent is too large');
    assertProblem(await client.request('POST', '/api/v1/x', { headers: head, body: 'x' }), 413, 'too-large');
});

test('who asks for too much at once is told when to come back, and nobody else is', async () => {
    const asking = (sub) => ({ headers: { cookie: `__Host-bell_session=${session(sessionKey, { role: 8, sub })}` } });
    for (let i = 0; i < 500; i++) assert.equal((await client.get('/text', asking('4711'))).status, 200);
    const page = await client.get('/text', asking('4711'));
    assertPage(page, 429, 'That was too much at once');
    assert.match(page.headers['retry-after'], /^[1-9]\d*$/);
    const problem = await client.get('/api/v1/text', asking('4711'));
    assert.equal(problem.status, 429);
    assert.equal(problem.headers['content-type'], 'application/problem+json');
    assert.match(problem.json.type, /#quota-exceeded$/);
    assert.equal(problem.json.request_id, problem.headers['x-request-id']);
    assertSafe(problem);
    assert.equal((await client.get('/text', asking('4712'))).status, 200);
    await waitFor('the access log', () => /"subject":"4711".*"status":429,"reason":"limit \\"person\\" is used up/.test(place.read('log/edge-access.log')));
    const told = await mustRun(['curl', '-sS', '--unix-socket', place.path('sock/edge-status.sock'), 'http://edge/limits']);
    assert.deepEqual(JSON.parse(told).near.map(({ policy, tenant_id: id, key: text }) => [policy, id, text]), [['person', 1, 'subject 4711']]);
});

test('headers beyond the bound are refused', async () => {
    assert.equal((await client.get('/', { headers: { 'x-large': 'x'.repeat(20_000) } })).status, 400);
});

test('plain HTTP on the HTTPS port: reading is sent on, writing is refused in words', async () => {
    const ask = (head) => raw({ port }, `${head} HTTP/1.1\r\nHost: demo.localhost:${port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    const get = await ask('GET /courses?q=1');
    assert.match(get, /^HTTP\/1\.1 302 /);
    assert.match(get, new RegExp(`^Location: https://demo\\.localhost:${port}/courses\\?q=1\r$`, 'm'));
    assert.match(await ask('POST /sign-in'), /^HTTP\/1\.1 400 [^]*<h1>This address begins with https<\/h1>/);
    assert.match(await ask('POST /api/v1/sessions'), /^HTTP\/1\.1 400 [^]*"type":"\/problems\/plain-http"/);
});

test("the edge's own pages have no address of their own", async () => {
    assertPage(await client.get('/_edge/suspended.html'), 404, 'No school is found under this address');
});

test('media pass whole and in ranges, larger than what the edge buffers', async () => {
    const whole = await client.get('/media/1/all.mp4');
    assert.equal(whole.status, 200);
    assert.ok(whole.bytes.equals(media));
    const part = await client.get('/media/1/all.mp4', { headers: { range: 'bytes=1000000-2000000' } });
    assert.equal(part.status, 206);
    assert.ok(part.bytes.equals(media.subarray(1000000, 2000001)));
});

test('text is compressed for who takes it', async () => {
    const reply = await client.get('/text', { headers: { 'accept-encoding': 'gzip' } });
    assert.equal(reply.headers['content-encoding'], 'gzip');
    assert.ok(reply.bytes.length < 500);
    assert.equal((await client.get('/text')).headers['content-encoding'], undefined);
});

test('HTTP/1.0 without Host is refused by name, not broken', () => {
    const hello = 'GET / HTTP/1.0\r\n\r\n';
    const reply = execFileSync('openssl', ['s_client', '-quiet', '-ign_eof', '-connect', `127.0.0.1:${port}`], { input: hello, stdio: ['pipe', 'pipe', 'ignore'] });
    assert.match(reply.toString(), /^HTTP\/1\.1 404 [^]*No school is found/);
});

test('the origin is told whose session it is, and the log, too', async () => {
    const cookie = `__Host-bell_session=${session(sessionKey, { role: 8 })}`;
    const { json, headers } = await client.get('/whose', { headers: { cookie } });
    const { subject, role } = readContext(json.headers['bell-context'], { target: '/whose' });
    assert.deepEqual([subject, role], ['42', 'teacher']);
    await waitFor('the line', () => place.read('log/edge-access.log').includes(headers['x-request-id']));
    const line = JSON.parse(place.read('log/edge-access.log').split('\n').find((text) => text.includes(headers['x-request-id'])));
    assert.deepEqual([line.subject, line.session], ['42', 'valid']);
    const nobody = await client.get('/whose', { headers: { cookie: `${cookie}x` } });
    assert.equal(readContext(nobody.json.headers['bell-context'], { target: '/whose' }).subject, '');
});

test('TLS 1.1 is refused', async () => {
    const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'];
    const { code, stdout, stderr } = await run(['openssl', ...args]);
    assert.notEqual(code, 0, stdout);
    assert.match(stderr, /protocol version|unsupported protocol|no protocols available/);
});

test('the access log is one JSON object a line: with request id, tenant and times, without queries and cookies', async () => {
    const reply = await client.get('/logged/here?token=SECRET', { headers: { cookie: 'session=SECRET', referer: 'https://demo.localhost/?SECRET' } });
    const id = reply.headers['x-request-id'];
    await waitFor('the line', () => place.read('log/edge-access.log').includes(id));
    const log = place.read('log/edge-access.log').trimEnd().split('\n').map((line) => JSON.parse(line));
    const line = log.find(({ request_id }) => request_id === id);
    assert.equal(line.tenant, 'demo');
    assert.equal(line.directory_version, '3');
    assert.equal(line.path, '/logged/here');
    assert.equal(line.status, 200);
    assert.equal(line.host, 'demo.localhost');
    assert.equal(typeof line.seconds, 'number');
    assert.match(line.upstream_seconds, /^\d+\.\d+$/);
    assert.doesNotMatch(place.read('log/edge-access.log'), /SECRET/);
    assert.equal(line.reason, '');
    assert.ok(log.some(({ tenant: name, status, reason }) => name === '' && status === 404 && /^host ".*" belongs to no tenant of directory version 3$/.test(reason)));
});

test('metrics and health are on a socket of their own, and nowhere else', async () => {
    const ask = (target) => run(['curl', '--silent', '--fail', '--max-time', '20', '--unix-socket', place.path('sock/edge-status.sock'), `http://edge${target}`]);
    const health = await ask('/healthz');
    assert.deepEqual(JSON.parse(health.stdout), { status: 'ok', directory_version: 3, tenants: 5 });
    assert.equal(value(parseExposition((await ask('/metrics')).stdout), 'firstbell_directory_version'), 3);
    assert.ok(JSON.parse((await ask('/status')).stdout).firstbell_core_refused_requests_total);
    assert.equal((await ask('/')).code, 22);
    assert.equal((await client.get('/metrics')).json.url, '/metrics', 'the origin is asked');
});

test('a binary upgrade: the new master begins from the file, takes the ports over, and serves when the old one has gone', async () => {
    const pidOf = (name) => existsSync(place.path(name)) && Number(place.read(name).trim());
    const old = pidOf('pid/nginx.pid');
    process.kill(old, 'SIGUSR2');
    await waitFor('the old pid file', () => pidOf('pid/nginx.pid.oldbin') === old);
    const successor = await waitFor('the new master', () => pidOf('pid/nginx.pid'));
    assert.notEqual(successor, old);
    await waitFor('its workers', () => children(successor).length === 2);
    process.kill(old, 'SIGQUIT');
    await waitFor('the old master to go', () => !existsSync(`/proc/${old}`));
    const upgraded = new Client({ port, ca });
    assert.equal((await upgraded.get('/courses')).status, 200);
    publish(place, snapshot(4, tenants, undefined, { key }));
    await waitFor('the new version', async () => {
        const id = (await upgraded.get('/version')).headers['x-request-id'];
        const line = place.read('log/edge-access.log').split('\n').find((text) => text.includes(id));
        return line && JSON.parse(line).directory_version === '4';
    });
    upgraded.close();
});
