// What the tests of the edge share: snapshots of the directory, an nginx that tells what core found, an origin that echoes, requests of every kind.

import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, renameSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';

import { checkout, nginxBuild } from '../lib/app.mjs';
import { freePort } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { modulePath, startNginx, tempPaths } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';

/** A tenant of a snapshot; `over` replaces members. */
export function tenant(id, name, hosts, over = {}) {
    return { id, name, title: `District ${name}`, status: 'active', locale: 'en', hosts, ...over };
}

/** The bytes of a snapshot as `firstbell jobs` publishes it, signed when there is a `key` (newKey). `more`: further members (pools, revoked). */
export function snapshot(version, tenants, defaultTenant, { key, ...more } = {}) {
    return seal(0, version, { version, tenants, ...more, ...(defaultTenant ? { default_tenant: defaultTenant } : {}) }, key);
}

/** The bytes of a delta between two versions; `change` holds tenants, pools, revoked, removed, removed_pools. */
export function delta(from, version, { tenants = [], pools, revoked, removed, removed_pools } = {}, { key } = {}) {
    return seal(from, version, { version, tenants, pools, revoked, removed, removed_pools }, key);
}

function seal(from, version, content, key) {
    const payload = JSON.stringify(content);
    const hash = createHash('sha256').update(payload).digest('hex');
    const header = `bell-directory 2 ${from} ${version} ${Buffer.byteLength(payload)} ${hash} ${key?.id ?? '-'}`;
    return `${header} ${key ? sign(null, Buffer.from(header), key.privateKey).toString('base64url') : '-'}\n${payload}`;
}

/** A key that documents are signed with: {privateKey, id, file}, the file being the public half, for key=. */
export function newKey(place, name) {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const id = createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest().subarray(0, 8).toString('base64url');
    return { privateKey, id, file: place.write(`${name}.pub`, publicKey.export({ type: 'spki', format: 'pem' })) };
}

/** Puts bytes in the place of the snapshot at once, as the publisher does. */
export function publish(place, bytes, name = 'directory.snapshot') {
    const file = place.write(`${name}.new`, bytes);
    renameSync(file, place.path(name));
}

/** The directory most tests begin with, version 1. */
export const twoTenants = [
    tenant(1, 'north', ['north.example', 'learn.north.example']),
    tenant(2, 'south', ['south.example'], { locale: 'es', status: 'read-only' }),
];

/** The variables of core as one JSON line. */
export const report =
    '{"name":"$bell_tenant","id":"$bell_tenant_id","status":"$bell_tenant_status","locale":"$bell_tenant_locale","version":"$bell_directory_version","worker":$pid}';

export const replyWithReport = `default_type application/json; return 200 '${report}';`;

/** A whole configuration: one server, whose body is `server`. The bell_directory line is a parameter, because tests of start-up change it; so are the
 *  load_module lines (`load`) and the build that the modules come from (`modules`). */
export function nginxConf(place, port, { server = `location / { ${replyWithReport} }`, workers = 2, main = '', connections = 128, http: httpLines = '', directory, load, modules } = {}) {
    directory ??= `bell_directory zone=tenants:256k file=${place.path('directory.snapshot')} interval=50ms;`;
    return `${load ?? `load_module ${modulePath(undefined, modules)};`}
worker_processes ${workers};
${main}
events { worker_connections ${connections}; }
http {
    ${tempPaths(place)}
    access_log off;
    ${directory}
    ${/bell_tenant/.test(httpLines) ? '' : 'bell_tenant on;'}
    ${httpLines}
    server {
        listen 127.0.0.1:${port};
        ${server}
    }
}
`;
}

/** The file of the module in tests/edge/probe, copied to the place once: who has it in memory would not survive another writing. `modules` as for
 *  app(). */
export function probePath(place, modules = nginxBuild) {
    const name = 'ngx_http_bell_probe_module.so';
    return existsSync(place.path(name)) ? place.path(name) : place.write(name, readFileSync(path.join(checkout, modules, 'probe', name)));
}

/** load_module lines of core and the probe, in the order that works. */
export function loadProbe(place, modules) {
    return `load_module ${modulePath(undefined, modules)};\nload_module ${probePath(place, modules)};`;
}

/** Starts an edge with a snapshot in place. `options` as nginxConf's, and version, tenants, defaultTenant, or the snapshot's bytes. */
export async function startEdge(place, { tenants = twoTenants, version = 1, defaultTenant, bytes, under, ...options } = {}) {
    publish(place, bytes ?? snapshot(version, tenants, defaultTenant));
    const port = await freePort();
    const nginx = await startNginx(place, { conf: nginxConf(place, port, options), port, modules: options.modules, under });
    return { ...nginx, port, ask: (host, path, options) => ask(port, host, path, options) };
}

/** Has an edge read its configuration again; resolves when the former workers are gone: until then these take requests as well. */
export async function reloadEdge(edge) {
    const former = children(edge.program.child.pid);
    edge.reload();
    await waitFor('other workers alone', () => {
        const workers = children(edge.program.child.pid);
        return workers.length >= former.length && !workers.some((pid) => former.includes(pid));
    });
}

/** One request, on a connection of its own unless there is an `agent`: {status, headers, text, json}. host null: a request without Host (HTTP/1.0). */
export function ask(port, host, path = '/', { method = 'GET', headers = {}, body, agent = false } = {}) {
    return new Promise((resolve, reject) => {
        const request = http.request({ host: '127.0.0.1', port, path, method, agent, headers: { host, ...headers } }, async (response) => {
            let text = '';
            for await (const chunk of response) text += chunk;
            const json = text && /\bjson\b/.test(response.headers['content-type'] ?? '') ? JSON.parse(text) : undefined;
            resolve({ status: response.statusCode, headers: response.headers, text, json });
        });
        request.on('error', reject);
        request.setTimeout(10_000, () => request.destroy(new Error(`no answer for ${host}${path}`)));
        request.end(body);
    });
}

/** Asks until `count` different workers have answered; gives worker pid → what it reported. */
export async function askEveryWorker(port, host, count = 2) {
    const seen = new Map();
    for (let i = 0; i < 2000 && seen.size < count; i++) {
        // side by side, so that one worker alone does not get them all
        const replies = await Promise.all(Array.from({ length: 8 }, () => ask(port, host)));
        for (const { json } of replies) if (json) seen.set(json.worker, json);
    }
    if (seen.size < count) throw new Error(`only ${seen.size} of ${count} workers answered`);
    return seen;
}

/** A connection that stays to each of `count` workers, which say who they are in a header Worker: [{worker, ask(host, path), close()}]. An answer of
 *  another worker, after a connection was lost, is an error. */
export async function pinToWorkers(port, count, host) {
    const pinned = new Map();
    const others = [];
    const until = Date.now() + 30_000; // a worker that the machine gives no time to takes none
    for (let i = 0; Date.now() < until && pinned.size < count; i++) {
        // side by side, more and more of them, and those that are not kept stay for a while: whoever has got many leaves the next to another one
        const agents = Array.from({ length: Math.min(8 + i, 32) }, () => new http.Agent({ keepAlive: true, maxSockets: 1 }));
        const replies = await Promise.all(agents.map((agent) => ask(port, host, '/', { agent })));
        replies.forEach(({ headers: { worker } }, n) => {
            if (pinned.has(worker)) others.push(agents[n]);
            else pinned.set(worker, agents[n]);
        });
        while (others.length > 48) others.splice(0, 24).forEach((agent) => agent.destroy());
    }
    for (const agent of others) agent.destroy();
    if (pinned.size < count) throw new Error(`only ${pinned.size} of ${count} workers took a connection`);
    return [...pinned].map(([worker, agent]) => ({ worker: Number(worker), ask: askPinned(port, worker, agent), close: () => agent.destroy() }));
}

function askPinned(port, worker, agent) {
    return async (host, path) => {
        const reply = await ask(port, host, path, { agent });
        if (reply.headers.worker !== worker) throw new Error(`worker ${reply.headers.worker} answered in the place of ${worker}`);
        return reply;
    };
}

/** Lines of a log that match. */
export function lines(text, pattern) {
    return text.split('\n').filter((line) => pattern.test(line));
}

/** An origin on a unix socket that answers with what it was sent: {server, connections, requests, close}. `handler` may answer in its place. */
export async function startOrigin(socketPath, handler) {
    const origin = { connections: 0, requests: [] };
    const server = http.createServer(async (request, response) => {
        let body = '';
        for await (const chunk of request) body += chunk;
        const seen = { method: request.method, url: request.url, headers: request.headers, names: request.rawHeaders.filter((_, i) => i % 2 === 0), body };
        origin.requests.push(seen);
        if (handler?.(request, response, seen)) return;
        response.setHeader('content-type', 'application/json');
        response.setHeader('x-request-id', request.headers['x-request-id'] ?? '');
        response.end(JSON.stringify(seen));
    });
    server.on('connection', () => origin.connections++);
    await new Promise((resolve) => server.listen(socketPath, resolve));
    server.unref(); // a test that failed before it could close it ends all the same
    chmodSync(socketPath, 0o666); // the edge is another user when the tests run as root
    origin.close = () =>
        new Promise((resolve) => {
            server.close(resolve);
            server.closeAllConnections?.();
        });
    return origin;
}
