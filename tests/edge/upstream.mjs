// What the tests of bell_upstream share: origins that can be told how to behave, directories with pools, an edge in front of them.

import { chmodSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';

import { modulePath } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { probePath, publish, snapshot, startEdge, tenant } from './support.mjs';

/** An origin that answers with its name. `behaviour` of requests: "answer", "hold" (until release), "drop" (the connection is cut), "fail" (500),
 *  "stale" (a connection that had a request is cut at the next one).
 *  `health` of GET /ready: a status, or "silent". `listen`: a port, a path, or [port, address]. `tls`: {cert, key}. */
export async function startServer(name, listen = 0, { tls } = {}) {
    const origin = { name, behaviour: 'answer', health: 200, requests: 0, checks: 0, connections: 0, methods: [], waiting: [], reused: 0 };
    const served = new WeakSet();
    const answer = (request, response) => {
        if (origin.behaviour === 'stale' && served.has(request.socket)) return request.socket.destroy();
        served.add(request.socket);
        origin.requests++;
        origin.methods.push(request.method);
        if (request.socket.isSessionReused?.()) origin.reused++;
        if (origin.behaviour === 'drop') return request.socket.destroy();
        if (origin.behaviour === 'fail') return response.writeHead(500).end(name);
        if (origin.behaviour === 'hold') return origin.waiting.push(() => response.end(name));
        response.end(name);
    };
    const check = (request, response) => {
        origin.checks++;
        origin.checkHost = request.headers.host;
        if (origin.health !== 'silent') response.writeHead(origin.health).end();
    };
    const handler = (request, response) => {
        request.resume();
        request.on('end', () => (request.url === '/ready' ? check : answer)(request, response));
    };
    const server = tls ? https.createServer(tls, handler) : http.createServer(handler);
    server.on('connection', () => origin.connections++);
    server.on('error', () => {});
    const [at, address = '127.0.0.1'] = [listen].flat();
    await new Promise((resolve, reject) => {
        server.once('error', reject);
        if (typeof at === 'string') server.listen(at, resolve);
        else server.listen(at, address, resolve);
    });
    server.unref(); // a test that failed before it could close it ends all the same
    if (typeof at === 'string') chmodSync(at, 0o666);
    const { port } = server.address();
    origin.address = typeof at === 'string' ? `unix:${at}` : `${address.includes(':') ? `[${address}]` : address}:${port}`;
    origin.port = port;
    origin.release = () => {
        origin.behaviour = 'answer';
        for (const go of origin.waiting.splice(0)) go();
    };
    origin.closeIdle = () => server.closeIdleConnections();
    origin.close = () =>
        new Promise((resolve) => {
            server.close(resolve);
            server.closeAllConnections();
        });
    return origin;
}

/** A server of a pool; `over` replaces weight and state. */
export const of = (origin, over = {}) => ({ address: origin.address ?? origin, weight: 1, state: 'up', ...over });

export const pool = (name, ...servers) => ({ name, servers });

/** Two districts with pools of their own, one without, one whose pool is nowhere. */
export const tenants = [
    tenant(1, 'north', ['north.example'], { upstream: 'north' }),
    tenant(2, 'south', ['south.example'], { upstream: 'south' }),
    tenant(3, 'east', ['east.example']),
    tenant(4, 'west', ['west.example'], { upstream: 'nowhere' }),
];

export function loadUpstream(modules) {
    return `load_module ${modulePath(undefined, modules)};\nload_module ${modulePath('ngx_http_bell_upstream_module', modules)};`;
}

/** Core, the module and the probe. */
export const loadWithProbe = (place) => `${loadUpstream()}\nload_module ${probePath(place)};`;

export const headers = 'add_header Bell-Upstream $bell_upstream always; add_header Bell-Version $bell_directory_version always; add_header Bell-Reason $bell_reason always;';

/** An edge whose upstream has `directive` ("zone=u:64k …") and `servers` beside it. */
export function startPools(place, pools, { directive = 'zone=u:64k', servers, location = '', block = '', server, ...options } = {}) {
    const lines = (servers ?? []).map((origin) => `server ${origin.address ?? origin};`).join(' ');
    const http = `upstream origin { bell_upstream ${directive}; ${lines || 'server 127.0.0.1:1;'} ${block} }`;
    server ??= `${headers} location / { proxy_pass http://origin; ${location} }`;
    const bytes = snapshot(1, tenants, undefined, { pools });
    return startEdge(place, { load: loadUpstream(), bytes, http, server, ...options });
}

/** Puts pools in service, and waits until the edge has them. */
export async function change(place, edge, version, pools) {
    publish(place, snapshot(version, tenants, undefined, { pools }));
    await waitFor(`version ${version}`, async () => (await edge.ask('nobody.example')).headers['bell-version'] === String(version));
}

/** How often each name answered `count` requests, one after the other. */
export async function answers(edge, host, count) {
    const seen = {};
    for (let i = 0; i < count; i++) {
        const { status, text } = await edge.ask(host);
        const what = status === 200 ? text : status;
        seen[what] = (seen[what] ?? 0) + 1;
    }
    return seen;
}

/** Sends requests until `origin` holds one; gives {reply}, the answer that is to come. Others are answered meanwhile. */
export async function hold(edge, host, origin) {
    origin.behaviour = 'hold';
    const before = origin.waiting.length;
    for (let i = 0; i < 1000; i++) {
        let answered = false;
        const reply = edge.ask(host).catch((error) => error).finally(() => (answered = true));
        await waitFor('a request to be held, or answered by another', () => answered || origin.waiting.length > before);
        if (!answered) return { reply }; // not the promise itself: that would be waited for
    }
    throw new Error(`${origin.name} was given no request`);
}
