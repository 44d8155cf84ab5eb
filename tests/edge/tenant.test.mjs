// Which tenant a request belongs to, and that it stays so on all its ways through nginx.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { after, before, test } from 'node:test';

import { raw } from '../lib/client.mjs';
import { freePort, newPlace } from '../lib/place.mjs';
import { makeCertificate } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { ask, publish, replyWithReport, report, snapshot, startEdge, startOrigin, tenant, twoTenants } from './support.mjs';

const place = newPlace();
let edge;
let origin;

const tenants = [...twoTenants, tenant(3, 'closed', ['closed.example'], { status: 'suspended' }), tenant(4, 'city', ['xn--mnchen-3ya.example'])];

const server = `
    location / { ${replyWithReport} }
    location /proxied { proxy_pass http://origin; proxy_set_header Bell-District $bell_tenant_id; }
    location /rewritten { rewrite ^ /target last; }
    location /tried { root ${place.dir}; try_files /nowhere /target; }
    location /named { root ${place.dir}; try_files /nowhere @named; }
    location @named { ${replyWithReport} }
    location /failing { error_page 403 /target; deny all; }
    location /failing-twice { error_page 403 = @again; deny all; }
    location @again { rewrite ^ /target last; }
    location /sub { add_before_body /target; root ${place.dir}; try_files /page =404; default_type text/html; }
    location /target { internal; ${replyWithReport} }
`;

before(async () => {
    place.write('page', 'END');
    origin = await startOrigin(place.path('sock/origin.sock'));
    const http = `upstream origin { server unix:${place.path('sock/origin.sock')}; }`;
    edge = await startEdge(place, { tenants, version: 7, server, http });
});

after(async () => {
    await origin?.close();
    await place.stop();
});

const north = { name: 'north', id: '1', status: 'active', locale: 'en', version: '7' };

function withoutWorker({ worker, ...rest }) {
    return rest;
}

for (const host of ['north.example', 'NORTH.Example', 'north.example:8443', 'north.example.', 'learn.north.example', 'North.Example.:80']) {
    test(`Host ${host} is north's`, async () => {
        const reply = await edge.ask(host);
        assert.equal(reply.status, 200);
        assert.deepEqual(withoutWorker(reply.json), north);
    });
}

test('the other tenant has its own id, status and locale', async () => {
    const { json } = await edge.ask('south.example');
    assert.deepEqual(withoutWorker(json), { name: 'south', id: '2', status: 'read-only', locale: 'es', version: '7' });
});

for (const host of ['nobody.example', 'example', 'x.north.example', '127.0.0.1', '[::1]', 'north.example.evil.test', 'under_score.example']) {
    test(`Host ${host} is nobody's: 404`, async () => {
        assert.equal((await edge.ask(host)).status, 404);
    });
}

test('an absolute target names the host, whatever the Host header says', async () => {
    const reply = await raw({ port: edge.port }, 'GET http://south.example/ HTTP/1.1\r\nHost: north.example\r\nConnection: close\r\n\r\n');
    assert.match(reply, /"name":"south"/);
});

test('two Host headers are refused', async () => {
    const reply = await raw({ port: edge.port }, 'GET / HTTP/1.1\r\nHost: north.example\r\nHost: south.example\r\n\r\n');
    assert.match(reply, /^HTTP\/1\.1 400 /);
});

test('no Host (HTTP/1.0) is nobody: 404', async () => {
    assert.match(await raw({ port: edge.port }, 'GET / HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 404 /);
});

test('a suspended tenant is answered 503', async () => {
    assert.equal((await edge.ask('closed.example')).status, 503);
});

for (const [method, status] of [['GET', 200], ['HEAD', 200], ['OPTIONS', 200], ['POST', 503], ['PUT', 503], ['PATCH', 503], ['DELETE', 503], ['PROPFIND', 503]]) {
    test(`a tenant that is read-only: ${method} is answered ${status}`, async () => {
        const reply = await ask(edge.port, 'south.example', '/', { method });
        assert.equal(reply.status, status);
        assert.equal(reply.headers['retry-after'], status === 503 ? '300' : undefined);
    });
}

const hosts = [
    ['xn--schler-3ya.north.example', 404, 'IDN in punycode, of nobody'],
    ['XN--MNCHEN-3YA.EXAMPLE', 200, 'IDN in punycode, another case'],
    ['münchen.example', 404, 'IDN that is not in punycode'],
    ['north.example..', 404, 'two trailing dots'],
    ['north.example:', 200, 'a colon and no port'],
    ['.north.example', 404, 'an empty label'],
];

for (const [host, status, what] of hosts) {
    test(`Host: ${what}: ${status}`, async () => {
        const reply = await raw({ port: edge.port }, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
        assert.match(reply, status === 200 ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 (400|404) /);
    });
}

test('the name that TLS was begun with and the host are of one tenant: 421 otherwise', async (t) => {
    const own = newPlace();
    t.after(() => own.stop());
    const { certificate, key } = makeCertificate(own, ['north.example']);
    const tls = await freePort();
    const server = `listen 127.0.0.1:${tls} ssl; ssl_certificate ${certificate}; ssl_certificate_key ${key}; access_log ${own.path('log/access.log')} why; location / { ${replyWithReport} }`;
    await startEdge(own, { tenants, server, http: `bell_tenant on; log_format why '$status [$bell_reason]';` });
    const over = (servername, host) =>
        new Promise((resolve, reject) => {
            const request = https.request({ host: '127.0.0.1', port: tls, servername, rejectUnauthorized: false, agent: false, headers: { host } }, (response) => {
                response.resume();
                response.on('end', () => resolve(response.statusCode));
            });
            request.on('error', reject);
            request.end();
        });
    const table = [
        ['north.example', 'north.example', 200],
        ['NORTH.example', 'north.example:8443', 200],
        ['north.example', 'learn.north.example', 200], // of the same tenant
        ['', 'south.example', 200], // no name
        ['nobody.example', 'south.example', 200],
        ['north.example', 'south.example', 421],
        ['learn.north.example', 'south.example', 421],
        ['south.example', 'closed.example', 421], // not even that it is suspended
        ['north.example', 'nobody.example', 404],
    ];
    for (const [servername, host, status] of table) assert.equal(await over(servername, host), status, `${servername} for ${host}`);
    assert.match(readFileSync(own.path('log/access.log'), 'utf8'), /^421 \[host \\x22south\.example\\x22 belongs to another tenant than the name that TLS was begun with\]$/m);
});

test('the origin is told the tenant by the edge, and no Bell- header of the client reaches it', async () => {
    const headers = { 'Bell-District': '2', 'bell-context': 'forged', 'BELL-Subject': 'teacher', Bellman: 'stays', 'X-Bell-District': 'stays too' };
    const { json } = await ask(edge.port, 'north.example', '/proxied', { headers });
    assert.equal(json.headers['bell-district'], '1');
    assert.deepEqual(json.names.filter((name) => /^bell[-_]/i.test(name)), ['Bell-District']);
    assert.equal(json.headers.bellman, 'stays');
    assert.equal(json.headers['x-bell-district'], 'stays too');
    assert.equal(json.names.some((name) => /keep-alive/i.test(name)), false);
    assert.doesNotMatch(JSON.stringify(json), /forged|teacher/);
});

test('the same header many times, and more headers than one block of the list holds', async () => {
    const smuggled = 'Bell-District: 2\r\nX-Filler: f\r\n'.repeat(40);
    const reply = await raw({ port: edge.port }, `GET /proxied HTTP/1.1\r\nHost: north.example\r\n${smuggled}Connection: close\r\n\r\n`);
    const seen = origin.requests.at(-1);
    assert.match(reply, /^HTTP\/1\.1 200 /);
    assert.equal(seen.headers['bell-district'], '1');
    assert.equal(seen.names.filter((name) => name === 'X-Filler').length, 40);
});

for (const path of ['/rewritten', '/tried', '/named', '/failing', '/failing-twice']) {
    test(`the tenant is known after the internal redirect of ${path}`, async () => {
        const { text } = await edge.ask('north.example', path);
        assert.deepEqual(withoutWorker(JSON.parse(text)), north);
    });
}

test('the tenant is known in a subrequest', async () => {
    const { text } = await edge.ask('south.example', '/sub');
    assert.match(text, /"name":"south".*END$/s);
});

test('requests for different tenants on one connection do not mix', async () => {
    const request = (host) => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
    const text = await raw({ port: edge.port }, request('north.example') + request('south.example') + request('north.example'), {
        until: /(?:"name".*){3}\}/s,
    });
    assert.deepEqual([...text.matchAll(/"name":"(\w+)"/g)].map((match) => match[1]), ['north', 'south', 'north']);
});

test('where bell_tenant is off, the variables are empty and every host is served', async (t) => {
    const own = newPlace();
    t.after(() => own.stop());
    const off = await startEdge(own, { server: `bell_tenant off; location / { default_type text/plain; return 200 '${report}'; }` });
    const reply = await off.ask('nobody.example');
    assert.equal(reply.status, 200);
    assert.match(reply.text, /"name":"","id":"","status":"","locale":"","version":"1"/);
});

test('the only tenant answers for every name, until there is a second', async (t) => {
    const own = newPlace();
    t.after(() => own.stop());
    const single = await startEdge(own, { tenants: [twoTenants[0]], version: 1, defaultTenant: 1 });
    for (const host of ['north.example', '127.0.0.1', 'school-server', '[::1]', 'under_score']) {
        assert.equal((await single.ask(host)).json?.name, 'north', host);
    }
    assert.match(await raw({ port: single.port }, 'GET / HTTP/1.0\r\n\r\n'), /"name":"north"/);
    publish(own, snapshot(2, twoTenants));
    await waitFor('the second tenant', async () => (await single.ask('south.example')).json?.name === 'south');
    assert.equal((await single.ask('school-server')).status, 404);
    assert.match(await raw({ port: single.port }, 'GET / HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 404 /);
    assert.equal((await single.ask('north.example')).json.name, 'north');
});
