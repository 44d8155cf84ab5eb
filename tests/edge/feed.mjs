// What the tests of the feed from Redis share: an edge that is fed, and who publishes to Redis as `firstbell jobs` does.

import { existsSync } from 'node:fs';

import { freePort } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { startNginx } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { ask, askEveryWorker, delta, lines, nginxConf, snapshot, twoTenants } from './support.mjs';

const SNAPSHOT = 'bell:directory:snapshot';
const DELTAS = 'bell:directory:deltas';

/** The lines of configuration of an edge with its state in a folder of the place (state). */
export function fedLines(place, redis, { key, zone = '512k', timeouts = 'connect_timeout=3s timeout=3s', more = '', state = 'state' } = {}) {
    place.folder(state);
    return `bell_redis ${redis.address ?? `unix:${redis.socket}`} ${timeouts} ${more};
    bell_directory zone=tenants:${zone} redis=on state=${place.path(state, 'directory')} ${key ? `key=${key.file}` : ''};`;
}

/** Starts such an edge: {program, port, ask, log, reload, workers, feeder, versions, sees}. */
export async function startFedEdge(place, redis, { name = 'nginx', key, zone, timeouts, more, state, under, ...options } = {}) {
    const port = await freePort();
    const directory = fedLines(place, redis, { key, zone, timeouts, more, state });
    const nginx = await startNginx(place, { conf: nginxConf(place, port, { directory, ...options }), port, name, under });
    const edge = { ...nginx, port, directory, ask: (host, path, more) => ask(port, host, path, more) };
    edge.workers = () => children(nginx.program.child.pid).filter((pid) => existsSync(`/proc/${pid}`));
    edge.feeder = () => feederOf(edge);
    edge.version = async (host = 'north.example') => Number((await edge.ask(host).catch(() => undefined))?.json?.version ?? 0);
    edge.sees = (version, host) => waitFor(`version ${version} on the edge`, async () => (await edge.version(host)) === version);
    edge.everyWorker = (host = 'north.example') => askEveryWorker(port, host);
    return edge;
}

/** The worker that said last that it feeds, once it lives and there is one. */
function feederOf(edge) {
    return waitFor('a worker that feeds', () => {
        const said = lines(edge.log(), /this worker feeds the directory now/).at(-1);
        const pid = Number(/\] (\d+)#/.exec(said ?? '')?.[1]);
        return edge.workers().includes(pid) && pid;
    });
}

/** Publishes to a Redis: {version, tenants, snapshot(), put(change), add(document, version)}. */
export class Publisher {
    constructor(redis, { key, tenants = twoTenants } = {}) {
        Object.assign(this, { redis, key, version: 0, tenants: [...tenants], documents: [] });
    }

    bytes() {
        return snapshot(this.version, this.tenants, undefined, { key: this.key });
    }

    /** The snapshot of what has been published so far; of the next version when there was nothing. */
    async snapshot() {
        this.version ||= 1;
        await this.redis.ask(['set', SNAPSHOT], { input: this.bytes() });
    }

    /** A document of the stream. */
    add(document, version) {
        return this.redis.ask(['xadd', DELTAS, `${version}-0`, 'd'], { input: document });
    }

    /** The next delta's bytes; whole tenants take the place of those with their number. */
    next(tenants, removed = []) {
        const bytes = delta(this.version, this.version + 1, { tenants, ...(removed.length ? { removed } : {}) }, { key: this.key });
        const ids = new Set([...tenants.map(({ id }) => id), ...removed]);
        this.tenants = [...this.tenants.filter(({ id }) => !ids.has(id)), ...tenants].sort((a, b) => a.id - b.id);
        this.version++;
        return bytes;
    }

    async put(tenants, removed) {
        await this.add(this.next(tenants, removed), this.version);
        return this.version;
    }
}
