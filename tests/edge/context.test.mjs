// What the edge tells the origin of each request, under its own key: bell_context_key and $bell_context, with a real nginx and an origin that echoes.

import assert from 'node:assert/strict';
import { chmodSync, rmSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { raw } from '../lib/client.mjs';
import { keyFile, newKey, nowSeconds, putEdgeKey, readContext } from '../lib/edge-context.mjs';
import { newPlace } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { testNginx } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { ask, lines, loadProbe, nginxConf, publish, reloadEdge, snapshot, startEdge, startOrigin, twoTenants } from './support.mjs';

const place = newPlace();
const key = newKey('edge-1');
let origin;
let edge;
const server = `
    proxy_set_header Bell-Context $bell_context;
    location / { proxy_pass http://origin; }
    location /variable { set $up origin; proxy_pass http://$up; }
    location /rewritten { rewrite ^/rewritten/(.*)$ /$1 break; proxy_pass http://origin; }
    location /redirected { rewrite ^/redirected(.*)$ /elsewhere$1 last; }
    location /elsewhere { internal; proxy_pass http://origin; }
    location = /lost { proxy_pass http://origin/gone; error_page 404 = @named; proxy_intercept_errors on; }
    location @named { proxy_pass http://origin; }`;

before(async () => {
    origin = await startOrigin(place.path('sock/origin.sock'), (request, response, seen) => {
        if (!seen.url.startsWith('/gone')) return false;
        response.writeHead(404).end('gone');
        return true;
    });
    putEdgeKey(place, key, { tenants: [1] });
    const http = `upstream origin { server unix:${place.path('sock/origin.sock')}; }\nbell_context_key ${place.path('keys/edges/edge-1.key')};`;
    edge = await startEdge(place, { server, http, load: loadProbe(place) });
});

after(async () => {
    await origin?.close();
    await place.stop();
});

/** What the origin was told of the last request: the parts of a context whose MAC is right for the method and target that it saw. */
const told = ({ headers, method, url }) => readContext(headers['bell-context'], { key, method, target: url });

for (const target of ['/', '/a?b=c&d', '/a%2Fb/%C3%A4?q=%20', '/a//b/../c', '/a?', "/!$&'()*+,;=:@~-._", '/%7euser']) {
    test(`the context of ${target} holds for the target as the origin receives it`, async () => {
        const { json } = await edge.ask('north.example', target);
        assert.equal(json.url, target);
        const context = told(json);
        assert.deepEqual([context.version, context.id, context.tenant], ['v1', 'edge-1', 1]);
        assert.ok(Math.abs(context.time - nowSeconds()) < 20);
        assert.match(context.requestId, /^[0-9a-f]{32}$/);
    });
}

for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    test(`the context of ${method} holds for that method`, async () => {
        const { json } = await ask(edge.port, 'north.example', '/x', { method });
        assert.equal(told(json).tenant, 1);
        assert.throws(() => readContext(json.headers['bell-context'], { key, method: 'HEAD', target: '/x' }));
    });
}

test('HEAD is told as HEAD', async () => {
    const answer = await raw({ port: edge.port }, 'HEAD /head HTTP/1.1\r\nHost: north.example\r\nConnection: close\r\n\r\n');
    assert.match(answer, /^HTTP\/1\.1 200 /);
    const seen = origin.requests.at(-1);
    assert.deepEqual([seen.method, told(seen).tenant], ['HEAD', 1]);
});

test('an absolute target is told as the origin receives it', async () => {
    await raw({ port: edge.port }, 'GET http://north.example/abs?x HTTP/1.1\r\nHost: north.example\r\nConnection: close\r\n\r\n');
    const seen = origin.requests.at(-1);
    assert.deepEqual([seen.url, told(seen).tenant], ['/abs?x', 1]);
    await raw({ port: edge.port }, 'GET http://north.example?x HTTP/1.1\r\nHost: north.example\r\nConnection: close\r\n\r\n');
    assert.equal(told(origin.requests.at(-1)).tenant, 1);
});

for (const [path, target] of [['/variable/a%20b?c', '/variable/a%20b?c'], ['/rewritten/a%20b%3F?c=%20', '/a%20b%3F?c=%20'], ['/redirected/a%25b?c', '/elsewhere/a%25b?c'],
    ['/rewritten/%C3%A4', '/%C3%A4'], ['/lost?x', '/lost?x']]) {
    test(`${path} is told as ${target}, which is what the origin receives`, async () => {
        const { text } = await edge.ask('north.example', path);
        const json = JSON.parse(text);
        assert.equal(json.url, target);
        assert.equal(told(json).tenant, 1);
    });
}

test('requests on one connection have a context each', async () => {
    const one = (path) => `GET ${path} HTTP/1.1\r\nHost: north.example\r\n\r\n`;
    const before = origin.requests.length;
    await raw({ port: edge.port }, one('/1') + one('/2') + one('/3'), { until: /(?:"url":"\/\d".*){3}\}/s });
    const seen = origin.requests.slice(before);
    assert.deepEqual(seen.map((request) => [request.url, told(request).tenant]), [['/1', 1], ['/2', 1], ['/3', 1]]);
    assert.equal(new Set(seen.map((request) => told(request).requestId)).size, 3);
});

test('a tenant that the key may not speak for gets no context, and the log says so', async () => {
    const { json } = await edge.ask('south.example', '/');
    assert.equal(json.headers['bell-context'], undefined);
    assert.equal(lines(edge.log(), /key "edge-1" may not speak for tenant "south"/).length, 1);
});

test('who asks is in it, when a module has found that out', async (t) => {
    const own = newPlace();
    t.after(() => own.stop());
    const echo = await startOrigin(own.path('sock/origin.sock'));
    t.after(() => echo.close());
    putEdgeKey(own, key);
    const http = `upstream origin { server unix:${own.path('sock/origin.sock')}; }\nbell_context_key ${own.path('keys/edges/edge-1.key')};`;
    const identified = await startEdge(own, { server: `${server}\nlocation /who { probe_identify 17; proxy_pass http://origin; }`, http, load: loadProbe(own) });
    const context = told((await identified.ask('south.example', '/who')).json);
    assert.deepEqual([context.tenant, context.subject, context.role, context.scopes], [2, '17', 'teacher', '']);
    assert.equal(told((await identified.ask('south.example', '/')).json).subject, '');
});

test('the file is read when the configuration is: workers that come later do without it', async () => {
    const file = place.path('keys/edges/edge-1.key');
    const workers = children(edge.program.child.pid);
    place.expect(/exited on signal 9/);
    rmSync(file);
    workers.forEach((pid) => process.kill(pid, 'SIGKILL'));
    await waitFor('new workers', () => children(edge.program.child.pid).filter((pid) => !workers.includes(pid)).length === workers.length);
    const { json } = await waitFor('an answer', () => edge.ask('north.example', '/again').catch(() => false));
    assert.equal(told(json).tenant, 1);
    putEdgeKey(place, key, { tenants: [1] });
});

test('a reload takes a key that was changed', async () => {
    putEdgeKey(place, key, { tenants: [1, 2] });
    await reloadEdge(edge);
    assert.equal(told((await edge.ask('south.example', '/')).json).tenant, 2);
});

// ---- mistakes

async function check(line, { mode = 0o600, text = keyFile(key), name = 'edge-1.key' } = {}) {
    place.expect(/\[emerg\].*bell_context_key/);
    publish(place, snapshot(1, twoTenants));
    place.write(`wrong/${name}`, text, 0o600);
    chmodSync(place.path('wrong', name), mode);
    const conf = nginxConf(place, 8080, { http: line.replaceAll('FILE', place.path('wrong', name)) });
    const { code, stderr } = await testNginx(place, { conf });
    assert.doesNotMatch(stderr, new RegExp(key.secret.toString('hex').slice(0, 16)), 'the secret is in no message');
    return { code, stderr };
}

test('a good key passes', async () => {
    const { code, stderr } = await check('bell_context_key FILE;');
    assert.equal(code, 0, stderr);
});

for (const [what, pattern, line, options] of [
    ['a key that others may read', /\[emerg\].* bell_context_key .*edge-1\.key: the key may be read or written by others \(mode 0644\); expected 0600.*nginx-t\.conf:\d+/, 'bell_context_key FILE;', { mode: 0o644 }],
    ['a file that is not there', /edge-2\.key: cannot read the key: No such file/, 'bell_context_key edge-2.key;'],
    ['a name that is no id', /edge 1\.key: its name is no id of a key/, 'bell_context_key "FILE";', { name: 'edge 1.key' }],
    ['a file that is no key', /line 1: expected the key, 64 hex digits/, 'bell_context_key FILE;', { text: 'secret\n' }],
    ['names in place of numbers', /line 2: expected "tenants ID ID\.\.\." with the numbers of tenants/, 'bell_context_key FILE;', { text: `${keyFile(key)}tenants north\n` }],
    ['two keys', /"bell_context_key" directive is duplicate: an edge speaks under one key/, 'bell_context_key FILE; bell_context_key FILE;'],
    ['a key in a server', /"bell_context_key" directive is not allowed here/, 'server { listen 127.0.0.1:1; bell_context_key FILE; }'],
]) {
    test(`refused at the start: ${what}`, async () => {
        const { code, stderr } = await check(line, options);
        assert.notEqual(code, 0);
        assert.match(stderr, pattern);
    });
}

test('without a key, or where bell_tenant is off, no context is sent', async (t) => {
    const own = newPlace();
    t.after(() => own.stop());
    const echo = await startOrigin(own.path('sock/origin.sock'));
    t.after(() => echo.close());
    const upstream = `upstream origin { server unix:${own.path('sock/origin.sock')}; }`;
    const without = await startEdge(own, { server, http: upstream });
    const headers = { 'Bell-Context': 'forged' };
    assert.equal((await ask(without.port, 'north.example', '/', { headers })).json.headers['bell-context'], undefined);
});
