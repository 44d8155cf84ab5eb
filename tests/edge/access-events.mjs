// What the tests of access events share: an edge that tells them to a Redis under a user who may do nothing else, tokens, and who reads the streams.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';

import { nowSeconds } from '../lib/edge-context.mjs';
import { newPlace } from '../lib/place.mjs';
import { modulePath } from '../lib/server-nginx.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';
import { lines, snapshot, startEdge, tenant } from './support.mjs';

const HEX = 'aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899';
const PASSWORD = 's3cret-of-the-events';

/** The least that an edge needs, as modules/events/README.md says it. */
export const leastUser = `user events on >${PASSWORD} resetkeys ~bell:access:* resetchannels -@all +xadd +sadd`;

export const load = ['core', 'session', 'signed', 'status', 'events'].map((name) => `load_module ${modulePath(`ngx_http_bell_${name}_module`)};`).join('\n');

/** Where the token stands that lets a subject see all below /files/ (lua-free/bell_path_token.h). */
export function signed(name, { subject = 's-17', id = 1 } = {}) {
    const b64 = (text) => Buffer.from(text).toString('base64url');
    const head = `v1.p1.${id}..${nowSeconds() + 3600}.${b64(subject)}.`;
    const mac = createHmac('sha256', Buffer.from(HEX, 'hex')).update(`firstbell path token\n\n/files/\n${head}`).digest('base64url');
    return `/files/bell-token=${head}.${mac}/${name}`;
}

const names = ['north', 'south', ...Array.from({ length: 10 }, (_, n) => `district-${n + 3}`)];

/** Twelve tenants under one key of theirs; number n is called names[n - 1]. */
export const bytes = () => snapshot(1, names.map((name, n) => tenant(n + 1, name, [`${name}.example`], { keys: [{ kid: 'p1', use: 'path', alg: 'hex', key: HEX }] })));

export const FILM = Buffer.alloc(3_000_000, 'film');

/** Lines for the http block of such an edge; `more` replaces or adds options of the buffer. */
export function eventLines(place, redis, { buffer = '1m interval=10ms', timeouts = 'connect_timeout=10s timeout=10s', more = '' } = {}) {
    const password = place.write('conf/events.password', `${PASSWORD}\n`, 0o600);
    return `bell_access_events_redis 127.0.0.1:${redis.port} user=events password_file=${password} ${timeouts};
    bell_access_events_buffer ${buffer};
    bell_signed_issuer ours path;
    sendfile on;
    ${more}`;
}

export const server = (place) => `
    location /files/ { bell_signed ours; bell_access_events on; root ${place.path('www')}; }
    location /pid { return 200 $pid; }
    location /figures { bell_status json; }`;

/** Starts an edge with one worker unless said otherwise. `options` of startEdge, and of eventLines. */
export async function startEventEdge(place, redis, options = {}) {
    place.folder('www');
    place.write('www/files/film.mp4', FILM);
    place.write('www/files/small', '0123456789');
    const edge = await startEdge(place, { load, bytes: bytes(), workers: 1, server: server(place), ...options, http: eventLines(place, redis, options) });
    edge.figures = async () => {
        const { json } = await edge.ask('north.example', '/figures');
        return Object.fromEntries(json.firstbell_access_events_total.samples.map(({ labels, value }) => [labels.result, value]));
    };
    edge.get = async (name, { id = 1, subject, headers, path } = {}) => {
        const reply = await edge.ask(`${names[id - 1]}.example`, path ?? signed(name, { id, subject }), { headers });
        assert.equal(reply.status, headers?.range ? 206 : 200);
        return reply;
    };
    return edge;
}

/** A test with a place, a Redis and an edge of its own. */
export async function withEdge(t, options, body) {
    const place = newPlace();
    t.after(() => place.stop());
    const redis = await startRedis(place, { settings: `${leastUser}\nstream-node-max-entries 5` });
    const edge = await startEventEdge(place, redis, options);
    await body({ place, redis, edge });
}

/** The batches of a tenant, each a list of events as they are in the stream. */
export async function batches(redis, id) {
    const entries = JSON.parse(await redis.ask(['--json', 'xrange', `bell:access:{${id}}`, '-', '+']));
    return entries.map(([, fields]) => {
        assert.deepEqual([fields[0], fields[1], fields[2], fields.length], ['v', '1', 'events', 4]);
        assert.match(fields[3], /^(\{"at":\d+,"subject":"[^\n]+","by":"[^\n]+","path":"\/[^\n]*","from":\d+,"to":\d+,"size":-?\d+,"status":20[06],"id":"[0-9a-f]{32}"\}\n)+$/);
        return fields[3].trimEnd().split('\n').map((line) => JSON.parse(line));
    });
}

export const events = async (redis, id) => (await batches(redis, id)).flat();

/** The events of a tenant once there are as many of different requests. */
export function sawEvents(redis, id, count) {
    return waitFor(`${count} events of tenant ${id}`, async () => {
        const all = await events(redis, id);
        return new Set(all.map((event) => event.id)).size >= count && all;
    });
}

export const noted = async (redis) => JSON.parse(await redis.ask(['--json', 'smembers', 'bell:access:tenants'])).sort();

export const errors = (edge) => lines(edge.log(), /\[(error|crit|warn)\]/);
