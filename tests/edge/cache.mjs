// What the tests of bell_cache share: an edge with a cache in front of an origin, what its answers say of the cache, and how many requests it works at.

import assert from 'node:assert/strict';
import { Agent } from 'node:http';

import { modulePath } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { startEdge } from './support.mjs';

/** Fields of an answer: with that Cache-Control; one that may be stored; one that is stale when it comes, but can be validated. `more` are further ones. */
export const control = (value, more = {}) => ({ 'cache-control': value, ...more });
export const fresh = control('max-age=60');
export const stale = (directives, more = {}) => control(['max-age=10', directives].filter(Boolean).join(', '), { age: '20', etag: '"1"', ...more });

/** An HTTP-date so many seconds from now. */
export const at = (seconds) => new Date(Date.now() + seconds * 1000).toUTCString();

/** The modules that the tests load, core first. */
export function loadCache(modules = ['core', 'session', 'cache', 'status']) {
    return modules.map((name) => `load_module ${modulePath(`ngx_http_bell_${name}_module`)};`).join('\n');
}

/** How the edge speaks to the origin, and what helps the tests: nothing by chance, who answered, who asked, how many requests are worked at. */
const common = `
        bell_cache_refresh_early off;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_set_header Fetcher $pid;
        add_header Worker $pid always;
        location = /worker { bell_cache off; return 204; }
        location = /load { bell_cache off; stub_status; }
        location = /figures { bell_cache off; bell_status json; }`;

/** The lines of the http block: a zone, and the origin, with kept connections and, as "bare", without: where one that was kept breaks, nginx asks again. */
export function cacheHttp(origin, { zone = 'zone=main:16m' } = {}) {
    return `bell_cache_zone ${zone};
        upstream origin { server 127.0.0.1:${origin.port}; keepalive 16; }
        upstream bare { server 127.0.0.1:${origin.port}; }`;
}

/** An edge of two workers whose server has `bell_cache main` and `server`. `options` as startEdge's, and zone. */
export async function startCacheEdge(place, origin, { server = 'location / { proxy_pass http://origin; }', http = '', zone, connections = 2048, ...options } = {}) {
    const all = `${cacheHttp(origin, { zone })}\n${http}`;
    const edge = await startEdge(place, { load: loadCache(), connections, http: all, server: `bell_cache main;\n${common}\n${server}`, ...options });
    return { ...edge, watcher: new Agent({ keepAlive: true, maxSockets: 1 }) };
}

/** What this edge's cache says of itself in Cache-Status: {cache, hit, ttl, fwd, 'fwd-status', stored, collapsed, …}; it stands behind what caches nearer
 *  to the origin say. */
export function cacheStatus({ headers }) {
    const value = headers['cache-status'];
    if (!value) throw new Error('the answer has no Cache-Status');
    const last = value.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g).at(-1).trim();
    const [cache, ...parameters] = last.match(/(?:[^;"]|"(?:[^"\\]|\\.)*")+/g).map((text) => text.trim());
    const status = { cache };
    for (const parameter of parameters) {
        const [, name, text] = /^([^=]+)(?:=(.*))?$/s.exec(parameter);
        status[name] = text === undefined ? true : /^-?\d+$/.test(text) ? Number(text) : text;
    }
    return status;
}

/** The part of it that says what happened: "hit", "stale hit", "uri-miss", "uri-miss collapsed", …, with what the origin answered: "stale 304". */
export function outcome(reply) {
    const { hit, ttl, fwd, collapsed, 'fwd-status': status } = cacheStatus(reply);
    if (hit) return ttl < 0 ? 'stale hit' : 'hit';
    return [fwd, status, collapsed && 'collapsed'].filter(Boolean).join(' ');
}

/** A herd has all of an answer an instant before it is stored: what comes then may still share its fetch. */
export const isHit = (reply) => reply.status === 200 && outcome(reply) === 'hit';

/** How many connections the edge has, how many of them ask for nothing, and at how many requests it works, its own among them, without the connection by
 *  which this is asked. */
export async function figures(edge) {
    const { text } = await edge.ask('north.example', '/load', { agent: edge.watcher });
    const [active, writing, idle] = [/Active connections: (\d+)/, /Writing: (\d+)/, /Waiting: (\d+)/].map((pattern) => Number(pattern.exec(text)[1]));
    return { active: active - 1, writing: writing - 1, idle };
}

/** What is counted of the zone "main": 'objects', 'fetches_now', … */
export async function zoneFigure(edge, name) {
    const { json } = await edge.ask('north.example', '/figures');
    return json[`firstbell_cache_${name}`].samples.find(({ labels }) => labels.zone === 'main').value;
}

/** Nothing is being fetched, and nobody holds what was. */
export function nothingFlies(edge) {
    return waitFor('all fetches to be over', async () => (await zoneFigure(edge, 'fetches_now')) === 0);
}

/** Waits until the edge works at so many requests, and all who are connected have asked. */
export function atWork(edge, count) {
    return waitFor(`the edge to work at ${count} requests`, async () => {
        const { writing, idle } = await figures(edge);
        return writing >= count && idle === 0;
    });
}

/** Makes a visitor leave, and waits until the edge has seen it. */
export async function leaves(edge, visitor) {
    const { active } = await figures(edge);
    visitor.leave();
    await waitFor('the edge to see that a visitor has left', async () => (await figures(edge)).active < active);
}

/** Asks until the answer is so, and gives it. */
export function askUntil(edge, host, path, what, is, options) {
    return waitFor(what, async () => {
        const reply = await edge.ask(host, path, options);
        return is(reply) && reply;
    });
}

/** Has an answer stored, and sees that it is; gives what is answered from the store. */
export async function store(edge, origin, path, answer, { host = 'north.example', headers = {} } = {}) {
    origin.script(path.split('?')[0], answer);
    await edge.ask(host, path, { headers });
    const reply = await edge.ask(host, path, { headers });
    assert.equal(outcome(reply), 'hit', `${path} is stored`);
    return reply;
}
