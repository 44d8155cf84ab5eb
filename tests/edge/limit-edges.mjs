// What the tests of limits over all edges share: edges that have one Redis, and who asks them for more than they may give.

import assert from 'node:assert/strict';
import http from 'node:http';

import { freePort } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { modulePath, startNginx } from '../lib/server-nginx.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';
import { said, sequence } from './limit.mjs';
import { ask, nginxConf, publish, snapshot, tenant } from './support.mjs';

export const HOST = 'north.example';

const pages = `
    location = /figures { bell_limit off; bell_status json; }
    location = /who { bell_limit off; bell_limit_status 256; }`;

/** Starts `n` edges with two workers each. `policies` are lines of the http block, `locations` of the server; `redis` is where they find it (startRedis),
 *  false: nowhere, or words for bell_limit_redis; `leases` a line; `clock` what all edges run under (newClock). Gives {redis, edges}. */
export async function openEdges(place, n, { policies, locations, redis, leases = '', password, clock } = {}) {
    const own = redis ?? (await startRedis(place, { password }));
    const words = typeof own === 'string' ? own : `unix:${own ? own.socket : place.path('sock/nobody.sock')}`;
    publishLimits(place, 1, {});
    const secret = password ? `password_file=${place.write('redis.password', password, 0o640)}` : '';
    const lines = `bell_limit_zone zone=limits:1m; bell_limit_redis ${words} connect_timeout=1s ${secret}; ${leases}\n${policies}`;
    const edges = [];
    for (let i = 1; i <= n; i++) edges.push(await startOne(place, `edge${i}`, { http: lines, server: `${said} ${locations} ${pages}`, clock }));
    return { redis: own, edges };
}

/** The directory, with limits of the district that is asked for: {scale: 200}. */
export function publishLimits(place, version, limits) {
    publish(place, snapshot(version, [tenant(1, 'north', [HOST], { limits }), tenant(2, 'south', ['south.example'])]));
}

async function startOne(place, name, { http, server, clock }) {
    const port = await freePort();
    const modules = clock && 'build';
    const load = ['core', 'limit', 'status'].map((module) => `load_module ${modulePath(`ngx_http_bell_${module}_module`, modules)};`).join('\n');
    const nginx = await startNginx(place, { conf: nginxConf(place, port, { load, http, server }), port, name, modules, under: clock?.under });
    const edge = { ...nginx, port, ask: (path, key, more) => ask(port, HOST, path, { headers: key === undefined ? {} : { 'x-key': key }, ...more }) };
    edge.workers = () => children(nginx.program.child.pid);
    edge.status = async () => (await ask(port, HOST, '/who')).json;
    edge.figure = async (name, label) => figure((await ask(port, HOST, '/figures')).json, name, label);
    edge.owner = () => ownerOf(edge);
    return edge;
}

/** A value of bell_status json; label: {name: value}. */
function figure(json, name, label = {}) {
    const sample = json[name].samples.find(({ labels = {} }) => Object.entries(label).every(([key, value]) => labels[key] === value));
    return sample.value;
}

/** The worker that said last that it exchanges, once it lives and there is one. */
function ownerOf(edge) {
    return waitFor('a worker that exchanges with Redis', () => {
        const all = [...edge.log().matchAll(/\] (\d+)#\d+: bell_limit: this worker exchanges with Redis now/g)];
        const pid = Number(all.at(-1)?.[1]);
        return edge.workers().includes(pid) && pid;
    });
}

/** Until each edge is lent, and knows of all. */
export async function shared(edges, count = edges.length) {
    for (const edge of edges) {
        await waitFor(`${count} edges that are lent`, async () => {
            const { edges: now } = await edge.status();
            return now.redis_lends && now.count === count;
        });
    }
}

/** Until all keys that an edge has in use are lent. */
export const lent = (edge) => waitFor('the keys to be lent', async () => {
    const { keys, keys_lent: n } = (await edge.status()).edges;
    return keys > 0 && n === keys;
});

/** What may pass at most in so many seconds; `owed`: seconds of the rate that a store did not hear of in time. */
export function most(seconds, { rate = 10, burst = 9, edges = 2, owed = 1 } = {}) {
    return rate * (seconds + owed) + Math.max(burst + 1, 0.3 * rate + 1) + edges;
}

/** What has passed while edges were asked (Pressure) is no more than a rule gives. */
export function assertWithin({ passed, asked, seconds }, options) {
    assert.ok(passed <= most(seconds, options), `${passed} of ${asked} passed in ${seconds.toFixed(2)} s, ${most(seconds, options).toFixed(0)} may`);
}

/** Asks until so many have passed of a budget that does not come back, and sees that there are no more. Each edge begins by itself: what is new to an
 *  edge has a share there, which the others hear of with the first exchange. */
export async function passesExactly(count, edges, path, key) {
    let passed = 0;
    const one = async (edge) => (passed += (await edge.ask(path, key)).status === 200);
    for (const edge of edges) {
        await one(edge);
        await lent(edge);
    }
    await waitFor(`${count} to pass`, async () => {
        for (const edge of edges) await one(edge);
        return passed >= count;
    });
    for (const edge of edges) await sequence(5, () => one(edge));
    assert.equal(passed, count);
}

/** Asks edges over `connections` of each, one request behind the other, until stop(). Other answers than 200 and 429 are errors, which stop() gives. */
export class Pressure {
    constructor(edges, path, key, { connections = 4 } = {}) {
        Object.assign(this, { edges, path, key, isOver: false, agent: new http.Agent({ keepAlive: true }) });
        this.counts = { asked: 0, passed: 0, byEdge: edges.map(() => 0) };
        this.begun = this.now();
        this.all = Promise.all(edges.flatMap((edge, i) => Array.from({ length: connections }, () => this.ask(edge, i))));
        this.all.catch(() => (this.isOver = true));
    }

    now() {
        return { at: performance.now(), ...this.counts, byEdge: [...this.counts.byEdge] };
    }

    async ask(edge, i) {
        while (!this.isOver) {
            const { status } = await retried(() => edge.ask(this.path, this.key, { agent: this.agent }));
            if (status !== 200 && status !== 429) throw new Error(`${status} is no answer of a limit`);
            this.counts.asked++;
            this.counts.passed += status === 200;
            this.counts.byEdge[i] += status === 200;
        }
    }

    /** What has happened since a moment that now() gave: {seconds, asked, passed, byEdge}. */
    since(then) {
        const now = this.now();
        const byEdge = now.byEdge.map((n, i) => n - then.byEdge[i]);
        return { seconds: (now.at - then.at) / 1000, asked: now.asked - then.asked, passed: now.passed - then.passed, byEdge };
    }

    /** Goes on for so long, and gives what happened meanwhile. */
    async lasts(seconds) {
        const then = this.now();
        await waitFor(`${seconds} s of requests`, () => this.isOver || this.since(then).seconds >= seconds, seconds + 60);
        return this.since(then);
    }

    /** Ends it, and gives all that has happened. */
    async stop() {
        this.isOver = true;
        await this.all;
        this.agent.destroy();
        return this.since(this.begun);
    }
}

/** A connection may be of a worker that has just been killed. */
async function retried(request) {
    for (let tries = 0; ; tries++) {
        try {
            return await request();
        } catch (error) {
            if (tries === 5 || !['ECONNRESET', 'ECONNREFUSED', 'EPIPE'].includes(error.code)) throw error;
        }
    }
}
