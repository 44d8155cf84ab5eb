// Trust between edge and origin: what is answered without a right context of an edge, what the log says, keys side by side, and a real edge in front.

import assert from 'node:assert/strict';
import { chmodSync, rmSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { Client, raw } from '../lib/client.mjs';
import { edgeContext, headFromEdge, localKey, newKey, nowSeconds, putEdgeKey } from '../lib/edge-context.mjs';
import { freePort, newPlace } from '../lib/place.mjs';
import { firstbell, mustFirstbell, originClient, startApi, writeSettings } from '../lib/server-firstbell.mjs';
import { modulePath, startNginx, tempPaths } from '../lib/server-nginx.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';
import { waitFor } from '../lib/wait.mjs';
import { publish, snapshot, tenant } from '../edge/support.mjs';

const QUIET_MS = 10_000; // between two lines of one cause
const password = 'a long password for tests';
const place = newPlace();
const bound = newKey('edge-south'); // may speak for tenant 2 only
let api, routes, student, studentId;

before(async () => {
    const postgres = await startPostgres(place);
    writeSettings(place, { settings: { workers: 1 } });
    putEdgeKey(place, bound, { tenants: [2] });
    ({ routes } = JSON.parse(await mustFirstbell(place, ['routes'])));
    for (const name of ['north', 'south']) {
        await mustFirstbell(place, ['tenant', 'add', name, '--title', `District ${name}`, '--host', `${name}.localhost`]);
        await mustFirstbell(place, ['user', 'add', '--tenant', name, '--username', 'student', '--role', 'student', '--given', 'Sam', '--family', 'Student']);
        await mustFirstbell(place, ['user', 'passwd', '--tenant', name, 'student'], { input: password });
    }
    studentId = (await postgres.sql('postgres', "SELECT id FROM users WHERE tenant_id = 1 AND username = 'student'")).trim();
    api = await startApi(place);
    student = originClient(api.socketPath, 1);
    await student.signIn('student', password);
});
after(() => place.stop());

const log = () => place.read('log/error.log');
const me = (edge, headers) => student.get('/api/v1/me', { edge, headers });

/** Every route and method, one that is in no table, with their addresses. */
const requests = () => [
    ...routes.flatMap(({ methods, pattern, without_tenant }) => methods.map((method) => ({ method, target: pattern.replaceAll('{id}', '1').replace('{path}', 'app.css'), without_tenant }))),
    { method: 'GET', target: '/nothing' },
    { method: 'DELETE', target: '/sign-in' },
    { method: 'OPTIONS', target: '/api/v1/me' },
];

/** The one answer that shows nothing. */
function assertNothing(reply, what) {
    assert.equal(reply.status, 404, `${what}: ${reply.status} ${reply.text.slice(0, 200)}`);
    assert.equal(reply.headers['content-type'], 'application/problem+json', what);
    assert.deepEqual({ ...reply.json, request_id: '' }, { type: '/problems/not-found', title: 'There is nothing here under this address.', status: 404, request_id: '' }, what);
    assert.deepEqual([reply.headers['set-cookie'], reply.headers.allow, reply.headers.location], [undefined, undefined, undefined], what);
}

describe('every route', () => {
    const strangers = {
        'no context': () => null,
        'a key that nobody gave': (tenant) => ({ tenant, key: newKey('local') }),
        'a key of another name': (tenant) => ({ tenant, key: newKey('edge-9') }),
        'an edge that may not serve the tenant': () => ({ tenant: 1, key: bound }),
        'a context of 40 seconds ago': (tenant) => ({ tenant, time: nowSeconds() - 40 }), // not 31: between two clocks a second may turn
        'a context from the future': (tenant) => ({ tenant, time: nowSeconds() + 45 }),
        'a context for another target': (tenant) => ({ tenant, target: '/elsewhere' }),
        'a context for another method': (tenant) => ({ tenant, method: 'TRACE' }),
    };

    for (const [what, edge] of Object.entries(strangers)) {
        test(`${what}: nothing is there, also for a valid session`, async () => {
            const { cookie } = student.cookieHeader();
            for (const { method, target, without_tenant } of requests()) {
                const body = ['POST', 'PUT'].includes(method) ? { json: { username: 'student', password } } : {};
                for (const headers of [{ cookie }, { cookie, accept: 'text/html' }]) {
                    const client = originClient(api.socketPath, 1); // a refused body ends the connection
                    const reply = await client.request(method, target, { ...body, headers, edge: edge(1) }).finally(() => client.close());
                    if (without_tenant) assert.equal(reply.status, 200, target);
                    else assertNothing(reply, `${method} ${target}`);
                }
            }
        });
    }

    test('the edge that may serve a tenant does', async () => {
        assert.equal((await me({ tenant: 1 })).status, 200);
        assert.equal((await student.get('/sign-in', { edge: { tenant: 2, key: bound } })).status, 200);
    });
});

test('one context, and nothing that looks like it', async () => {
    const good = edgeContext({ tenant: 1, target: '/sign-in' });
    const other = edgeContext({ tenant: 2, target: '/sign-in' });
    const ask = (...lines) => raw({ socketPath: api.socketPath }, ['GET /sign-in HTTP/1.1', 'Host: x', 'Connection: close', ...lines, '', ''].join('\r\n'));
    assert.match(await ask(`Bell-Context: ${good}`), /^HTTP\/1\.1 200 /);
    const mac = good.slice(good.lastIndexOf('.') + 1);
    const [version, id, time, , ...rest] = good.split('.');
    for (const lines of [
        ['Bell-Tenant: 1'],
        [`Bell-Context: ${good}`, `Bell-Context: ${good}`],
        [`Bell-Context: ${good}`, `bell-context: ${other}`],
        [`Bell-Context: ${good}, ${other}`],
        [`Bell-Context: ${good}=`],
        [`Bell-Context: ${good.slice(0, -1)}`],
        [`Bell-Context: "${good}"`],
        [`Bell-Context: ${good.toUpperCase()}`],
        [`Bell-Context: ${good.replace(mac, Buffer.from(mac, 'base64url').toString('hex'))}`],
        [`Bell-Context: ${[version, id, time, 2, ...rest].join('.')}`],
        [`Bell-Context: ${[version, id, Number(time) + 1, 1, ...rest].join('.')}`],
        [`Bell-Context: ${[version, id, `0${time}`, 1, ...rest].join('.')}`],
        ['Bell-Context: '],
        ['Bell-Context: v1........'],
        [`Bell-Context: ${'x'.repeat(5000)}`],
    ]) {
        assert.match(await ask(...lines), /^HTTP\/1\.1 404 /, lines.join(' '));
    }
});

test('nobody reads the body of a stranger, and nobody says "continue" to one', async () => {
    const head = ['POST /api/v1/sessions HTTP/1.1', 'Host: x', 'Content-Type: application/json', 'Content-Length: 1000000', 'Expect: 100-continue', '', ''].join('\r\n');
    const answer = await raw({ socketPath: api.socketPath }, head); // the body never comes
    assert.match(answer, /^HTTP\/1\.1 404 /);
    assert.match(answer, /^Connection: close\r$/m);
});

test('within 30 s a context counts again for the same request, and for no other', async () => {
    const time = nowSeconds() - 15;
    for (let i = 0; i < 3; i++) assert.equal((await me({ tenant: 1, time })).status, 200);
    const value = edgeContext({ tenant: 1, target: '/api/v1/me', time });
    assert.equal((await student.get('/api/v1/me', { edge: null, headers: { 'bell-context': value } })).status, 200);
    assertNothing(await student.get('/api/v1/courses', { edge: null, headers: { 'bell-context': value } }), 'another target');
});

test('the id of the request is that of the context', async () => {
    const reply = await me({ tenant: 1, requestId: 'from-the-edge' }, { 'x-request-id': 'from-somebody' });
    assert.equal(reply.headers['x-request-id'], 'from-the-edge');
});

test('whom the edge names is whom the session names, or nothing is answered', async () => {
    assert.equal((await me({ tenant: 1, subject: studentId })).status, 200);
    assertNothing(await me({ tenant: 1, subject: `${studentId}1` }), 'another person');
    assertNothing(await me({ tenant: 1, subject: `0${studentId}` }), 'another spelling');
    assertNothing(await me({ tenant: 1, subject: studentId, role: 'teacher' }), 'another role');
    assert.equal((await me({ tenant: 1, subject: studentId, role: 'student' })).status, 200);
    assert.match(log(), /the edge names another person, or another role, than the session does/);
    const nobody = originClient(api.socketPath, 1, { subject: studentId });
    assert.equal((await nobody.get('/api/v1/me')).status, 401, 'a name alone is no session');
    nobody.close();
});

for (const [what, seconds, sentence] of [
    ['behind', -300, /key local: the context is 3\d\d s old and may be 30: the edge's clock is behind ours or ours ahead, or it was replayed \((\d+) such since the last line, \d+ since/g],
    ['ahead', 300, /key local: the context is (?:300|2\d\d) s from the future and may be 30: the edge's clock is ahead of ours or ours behind \((\d+) such since the last line, \d+ since/g],
]) {
    test(`an edge whose clock is five minutes ${what} is refused, and the log says so, not too often`, async () => {
        const counts = () => [...log().matchAll(sentence)].map(([, count]) => Number(count));
        const began = performance.now();
        for (let i = 0; i < 40; i++) assertNothing(await me({ tenant: 1, time: nowSeconds() + seconds }), what);
        const told = await waitFor('lines that count them all', () => counts().reduce((sum, n) => sum + n, 0) >= 40 && counts(), 60);
        const most = 2 + (performance.now() - began) / QUIET_MS;
        assert.ok(told.length <= most, `${told.length} lines for 40 requests`);
        assert.equal((await me({ tenant: 1 })).status, 200);
    });
}

test('each cause is in the log, with the key, and without the context', () => {
    for (const cause of [/there is no Bell-Context: it did not come through an edge/, /there is more than one Bell-Context/, /key edge-9: no edge has this key/,
        /key local: the MAC does not match/, /key edge-south: the edge may not speak for this tenant/, /key local: it is no context/]) {
        assert.match(log(), cause);
    }
    assert.doesNotMatch(log(), /v1\.local\./);
    assert.doesNotMatch(log(), new RegExp(localKey.secret.toString('hex').slice(0, 12)));
});

describe('keys', () => {
    const reload = () => {
        const before = log().split('reloaded:').length;
        api.program.child.kill('SIGHUP');
        return waitFor('the reload', () => log().split('reloaded:').length > before);
    };
    const served = async (key, tenantId = 1) => {
        const client = originClient(api.socketPath, tenantId, { key }); // of the new workers
        return (await client.get('/sign-in').finally(() => client.close())).status === 200;
    };

    test('edge-key new makes one, the api takes it, and both of an edge count until the old one is removed', async () => {
        const said = await mustFirstbell(place, ['edge-key', 'new', 'edge-1']);
        assert.match(said, /keys\/edges\/edge-1\.key is made\. Copy it to the edge.*bell_context_key FILE;\nThe api, process \d+, was told/s);
        const [hex] = place.read('keys/edges/edge-1.key').split('\n');
        assert.match(hex, /^[0-9a-f]{64}$/);
        const key = { id: 'edge-1', secret: Buffer.from(hex, 'hex') };
        await waitFor('the new key to count', () => served(key));
        assert.ok(await served(localKey), 'and the other one');

        await mustFirstbell(place, ['edge-key', 'new', 'edge-1-2', '--tenant', 'south']);
        const [second, list] = place.read('keys/edges/edge-1-2.key').split('\n');
        assert.equal(list, 'tenants 2');
        const next = { id: 'edge-1-2', secret: Buffer.from(second, 'hex') };
        await waitFor('the next key to count', () => served(next, 2));
        assert.ok(await served(key), 'the one before counts, too');
        assert.ok(!(await served(next, 1)), 'it is for south only');

        rmSync(place.path('keys/edges/edge-1.key'));
        await reload();
        await waitFor('the key that was removed to count no longer', async () => !(await served(key)));
        assert.ok(await served(next, 2));
    });

    test('edge-key new says what is wrong', async () => {
        for (const [args, code, pattern] of [
            [['local'], 1, /keys\/edges\/local\.key: there is a key local already; to exchange it, make one of another name, such as local-2/],
            [['a.b'], 2, /"a\.b" cannot name a key/],
            [['x'.repeat(33)], 2, /cannot name a key: 1 to 32 letters/],
            [[], 2, /1 words were expected/],
            [['edge-7', '--tenant', 'nowhere'], 1, /nowhere/],
        ]) {
            const { code: got, stderr } = await firstbell(place, ['edge-key', 'new', ...args]);
            assert.equal(got, code, stderr);
            assert.match(stderr, pattern);
        }
        assert.equal((await firstbell(place, ['edge-key', 'new', 'edge-7', '--tenant', 'nowhere'])).code, 1, 'no half key was left behind');
    });

    test('a key that others may read is refused: a reload leaves the old workers, a start fails', async () => {
        chmodSync(place.path('keys/edges/edge-south.key'), 0o644);
        api.program.child.kill('SIGHUP');
        await waitFor('the refusal', () => /reload refused, the old workers go on: .*edge-south\.key: the key may be read or written by others \(mode 0644\)/.test(log()));
        assert.ok(await served(localKey));
        const conf = writeSettings(place, { name: 'conf/second.conf', settings: { listen: `unix:${place.path('sock/second.sock')}`, pid_file: place.path('pid/second.pid') } });
        const second = await firstbell(place, ['api'], { conf });
        assert.equal(second.code, 1);
        assert.match(second.stderr, /edge-south\.key: the key may be read or written by others/);
        chmodSync(place.path('keys/edges/edge-south.key'), 0o600);

        const none = writeSettings(place, { name: 'conf/none.conf', settings: { listen: `unix:${place.path('sock/none.sock')}`, pid_file: place.path('pid/none.pid'), edge_keys_dir: place.folder('none') } });
        assert.match((await firstbell(place, ['api'], { conf: none })).stderr, /edge_keys_dir .*none holds no key, so no edge would be believed; `firstbell edge-key new NAME` makes one/);
    });
});

describe('behind a real edge', () => {
    let port;
    const ask = (target, { method = 'GET', host = 'north.localhost', headers = {}, ...more } = {}) => {
        const client = new Client({ port, host });
        return client.request(method, target, { headers, ...more }).finally(() => client.close());
    };

    before(async () => {
        port = await freePort();
        publish(place, snapshot(1, [tenant(1, 'north', ['north.localhost']), tenant(2, 'south', ['south.localhost'])]), 'edge.snapshot');
        await startNginx(place, { port, conf: `load_module ${modulePath()};
events { worker_connections 64; }
http {
    ${tempPaths(place)}
    access_log off;
    bell_directory zone=tenants:256k file=${place.path('edge.snapshot')};
    bell_tenant on;
    bell_context_key ${place.path('keys/edges/edge-south.key')};
    upstream api { server unix:${api.socketPath}; keepalive 4; }
    server {
        listen 127.0.0.1:${port};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_set_header Bell-Context $bell_context;
        location / { proxy_pass http://api; }
        location /moved/ { proxy_pass http://api/; }
        location /posted { proxy_method POST; proxy_pass http://api; }
        location /rewritten/ { rewrite ^/rewritten(/.*)$ $1 break; proxy_pass http://api; }
        location /without/ { proxy_set_header Host $host; proxy_pass http://api; }
    }
}
` });
    });

    test('what the edge passes on as it came is answered, whatever is in the target', async () => {
        const at = { host: 'south.localhost' };
        for (const target of ['/sign-in', '/sign-in?next=/courses/%37&x=%C3%A4', '/web/app.css']) assert.equal((await ask(target, at)).status, 200, target);
        assert.equal((await ask('/web/app.css', { ...at, method: 'HEAD' })).status, 200);
        assert.equal((await ask('/rewritten/sign-in?x=%20', at)).status, 200, 'a rewrite is known to the edge');
        const reply = await ask('/api/v1/sessions', { ...at, method: 'POST', json: { username: 'student', password } });
        assert.equal(reply.status, 201, reply.text);
    });

    test('a tenant that the key does not name, and a location that changes the target or the method, are refused by the origin', async () => {
        assertNothing(await ask('/sign-in'), 'another tenant');
        const at = { host: 'south.localhost' };
        assertNothing(await ask('/moved/sign-in', at), 'a URI in proxy_pass');
        assertNothing(await ask('/posted', at), 'proxy_method');
        assertNothing(await ask('/without/sign-in', at), 'no header');
    });

    test('a client cannot bring a context of its own', async () => {
        const headers = { 'bell-context': edgeContext({ tenant: 1, target: '/sign-in' }) };
        assertNothing(await ask('/sign-in', { headers }), 'of another tenant');
        assertNothing(await ask('/without/sign-in', { host: 'south.localhost', headers: { 'bell-context': edgeContext({ tenant: 2, target: '/without/sign-in' }) } }), 'past the edge\'s own');
    });
});

test('a port of the origin that is reached directly gives nothing away', async () => {
    const port = await freePort();
    const settings = { listen: `127.0.0.1:${port}`, pid_file: place.path('pid/port.pid'), workers: 1 };
    const conf = writeSettings(place, { name: 'conf/port.conf', settings });
    const { client } = await startApi(place, { conf, name: 'api-port', port });
    client.close();
    const stranger = new Client({ port });
    for (const path of ['/', '/sign-in', '/web/app.css', '/api/v1/me', '/api/v1/account-rules']) assertNothing(await stranger.get(path), path);
    assert.equal((await stranger.get('/healthz')).text, 'ok\n');
    stranger.close();
    assert.match(await raw({ port }, headFromEdge('GET /sign-in HTTP/1.1', ['Connection: close'])), /^HTTP\/1\.1 200 /);
});

test('what the edge takes away of a role is not there; what it adds is not, either', async () => {
    const courses = (edge) => student.get('/api/v1/courses', { edge });
    assert.equal((await courses({ tenant: 1, scopes: 'self content' })).status, 200);
    assert.equal((await courses({ tenant: 1, scopes: 'self' })).status, 403);
    assert.equal((await courses({ tenant: 1, scopes: 'nonsense' })).status, 403);
    assert.equal((await me({ tenant: 1, scopes: 'self' })).status, 200);
    assert.equal((await student.get('/api/v1/district', { edge: { tenant: 1, scopes: 'district' } })).status, 403);
});
