// What the tests of bell_fair share: an edge of two workers before an origin that answers when a test says so, and what the edge says of its places.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { waitFor } from '../lib/wait.mjs';
import { startCacheOrigin } from './cache-origin.mjs';
import { Visitor, leaveAll } from './cache-visitors.mjs';
import { fresh, loadCache, nothingFlies, startCacheEdge } from './cache.mjs';

export const NORTH = 'north.example';
export const SOUTH = 'south.example';

export const loadFair = () => loadCache(['core', 'session', 'cache', 'limit', 'status']);

/** What the edge found, in headers of each answer, and the page of who is refused. */
const said = `add_header Fair $bell_fair_status always; add_header Reason $bell_reason always;
    error_page 503 /_full;
    location = /_full { internal; default_type application/problem+json; return 200 $bell_limit_problem; }
    location = /who { bell_cache off; bell_limit_status; }`;

/** A location whose requests have places in the pool; who asks says what rank, address and class he has. */
export const placed = (path, more = '', fair = '') => `location ${path} { bell_cache off; bell_fair origin class=$http_x_class ${fair}; bell_fair_rank $http_x_rank; proxy_pass http://origin; ${more} }`;

/** The lines of the http block, with the parameters of the pool "origin". */
export const fairHttp = (pool) => `bell_fair_zone zone=places:1m;
    bell_fair_pool origin ${pool};
    set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;`;

/** A figure of the pool "origin": 'places', 'places_taken', 'requests_waiting'. */
export async function poolFigure(edge, name) {
    const { json } = await edge.ask(NORTH, '/figures');
    return json[`firstbell_fair_${name}`].samples.find(({ labels }) => labels.pool === 'origin')?.value ?? 0;
}

/** How many requests of a rank had that result. */
export async function counted(edge, result, rank = 3) {
    const { json } = await edge.ask(NORTH, '/figures');
    return json.firstbell_fair_requests_total.samples.find(({ labels }) => labels.result === result && labels.rank === String(rank)).value;
}

export const isRefused = (reply, status = 'refused') => {
    assert.equal(reply.status, 503);
    assert.equal(reply.headers.fair, status);
    assert.match(reply.headers['retry-after'], /^[1-9]\d*$/);
    assert.equal(reply.headers['content-type'], 'application/problem+json');
    assert.equal(JSON.parse(reply.body).type, 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity');
    assert.match(reply.headers.reason, /^pool "origin" is full: \d+ requests are there at once/);
};

/** A test with an edge whose pool has these parameters. Behind it nobody has a place and nobody waits. */
export function fairTest(name, pool, body, { server = placed('/'), http = '', ...options } = {}) {
    test(name, async () => {
        const place = newPlace();
        place.expect(/exited on signal 9/);
        place.expect(/shared memory zone "\w+" was locked by/);
        const origin = await startCacheOrigin();
        const order = []; // paths, as the origin is asked for them
        const those = [];
        try {
            const edge = await startCacheEdge(place, origin, { load: loadFair(), http: `${fairHttp(pool)}\n${http}`, server: `${said}\n${server}`, ...options });
            const waiting = (count) => waitFor(`${count} requests to wait`, async () => (await poolFigure(edge, 'requests_waiting')) === count);
            const taken = (count) => waitFor(`${count} places to be taken`, async () => (await poolFigure(edge, 'places_taken')) === count);
            /** Has answers held at the origin. */
            const hold = (...paths) => paths.forEach((path) => origin.script(path, () => order.push(path) && { headers: fresh, body: path, held: true }));
            /** Somebody asks for it; the edge has it waiting, or the origin has it, when this is over. */
            const ask = async (path, { host = NORTH, on, waits, rank, address, class: of, method, headers = {} } = {}) => {
                const visitor = on ?? (await Visitor.open(edge.port));
                those.push(visitor);
                const who = { ...(rank && { 'X-Rank': rank }), ...(address && { 'X-Real-IP': address }), ...(of && { 'X-Class': of }) };
                const reply = visitor.ask(path, { host, method, headers: { ...who, ...headers } });
                if (waits === undefined) await origin.arrived(path);
                else await waiting(waits);
                return reply;
            };
            /** The origin answers; the next is there when this is over. */
            const finish = async (path, next) => {
                origin.asked(path).at(-1).rest();
                if (next) await waitFor(`${next} at the origin`, () => order.includes(next));
            };
            await body({ edge, origin, order, waiting, taken, hold, ask, finish, place });
            leaveAll(those);
            await nothingFlies(edge);
            await taken(0);
            await waiting(0);
        } finally {
            leaveAll(those);
            await origin.close();
            await place.stop();
        }
    });
}
