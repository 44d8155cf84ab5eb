// Two edges that are fed through PostgreSQL, `firstbell jobs` and Redis, who changes the directory meanwhile, and what was published: which tenant a
// host had in which version. For chaos and load.

import { createPrivateKey, createPublicKey } from 'node:crypto';
import { spawn } from 'node:child_process';
import net from 'node:net';
import path from 'node:path';

import { app } from '../lib/app.mjs';
import { freePort } from '../lib/place.mjs';
import { asTestUser, environment } from '../lib/run.mjs';
import { writeSettings } from '../lib/server-firstbell.mjs';
import { postgresBin, startPostgres } from '../lib/server-postgres.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';
import { startFedEdge } from './feed.mjs';

/** What every answer says: who was found, in which version, by which worker. */
const server = `
    keepalive_requests 100000000;
    add_header Worker $pid always;
    add_header Tenant $bell_tenant always;
    add_header Version $bell_directory_version always;
    location / { return 200 "ok"; }`;

/** Tenants t1 to t<tenants>, each with the hosts t<n>.example and *.t<n>.example. Gives {postgres, redis, wire, edges, startEdge, version()}; the edges
 *  reach Redis through the wire. Options: settings of firstbell and of PostgreSQL, zone of the edges, and more of theirs (edge, as nginxConf has it). */
export async function openTwoEdges(place, { tenants, settings = {}, postgresSettings, zone = '8m', edge = {} }) {
    const postgres = await startPostgres(place, { settings: postgresSettings });
    const redis = await startRedis(place);
    await postgres.sql('postgres', `INSERT INTO tenants (name, title) SELECT 't' || n, 'District ' || n FROM generate_series(1, ${tenants}) n;
        INSERT INTO tenant_hosts (tenant_id, host) SELECT id, unnest(ARRAY[name || '.example', '*.' || name || '.example']) FROM tenants`);
    const conf = writeSettings(place, { settings: { error_log: '-', redis: `unix:${redis.socket}`, directory_deltas_keep: 100000, ...settings } });
    const publicKey = createPublicKey(createPrivateKey(place.read('keys/directory.pem')));
    const key = { file: place.write('directory.pub', publicKey.export({ type: 'spki', format: 'pem' })) };
    const wire = await startWire(redis);
    const both = { postgres, redis, wire, jobs: place.start('jobs', [path.join(app(), 'bin/firstbell'), '-c', conf, 'jobs']) };
    both.startEdge = (name, more) => startFedEdge(place, { address: `127.0.0.1:${wire.port}` }, { key, name, zone, server, state: `state-${name}`, ...edge, ...more });
    both.version = async () => Number(await postgres.sql('postgres', 'SELECT version FROM directory_state'));
    both.edges = [await both.startEdge('first'), await both.startEdge('second')];
    for (const edge of both.edges) await waitFor('the directory', async () => (await edge.ask('t1.example')).status === 200);
    return both;
}

/** A way to Redis that can be cut: what is sent is swallowed then, both ways, and connections stay open. What lost bytes is hung up when it is mended. */
async function startWire(redis) {
    const wire = { port: await freePort(), isCut: false, pairs: new Set() };
    const listener = net.createServer((near) => {
        const pair = { near, far: net.connect(redis.socket), lost: false };
        wire.pairs.add(pair);
        join(wire, pair, pair.near, pair.far);
        join(wire, pair, pair.far, pair.near);
    });
    await new Promise((resolve) => listener.listen(wire.port, '127.0.0.1', resolve));
    wire.cut = () => (wire.isCut = true);
    wire.mend = () => {
        wire.isCut = false;
        for (const pair of wire.pairs) if (pair.lost) pair.near.destroy();
    };
    wire.close = () => {
        listener.close();
        for (const pair of wire.pairs) pair.near.destroy();
    };
    return wire;
}

function join(wire, pair, from, to) {
    from.on('data', (bytes) => {
        if (wire.isCut) pair.lost = true;
        else to.write(bytes);
    });
    from.on('error', () => {});
    from.on('close', () => {
        wire.pairs.delete(pair);
        to.destroy();
    });
}

/** A psql that stays: ask(sql) resolves when the statement was committed. */
export class Session {
    constructor(postgres, role = 'postgres') {
        const argv = [`${postgresBin()}/psql`, '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', postgres.sockets, '-U', role, '-d', 'firstbell'];
        const [file, ...args] = asTestUser(argv);
        this.child = spawn(file, args, { cwd: '/', env: environment });
        this.waiting = [];
        this.said = '';
        this.child.stdout.on('data', (bytes) => this.hear(String(bytes)));
        this.child.stderr.on('data', (bytes) => (this.why = `${this.why ?? ''}${bytes}`));
        this.child.stdin.on('error', () => {});
        this.gone = new Promise((resolve) => this.child.on('close', resolve));
        this.gone.then(() => this.waiting.splice(0).forEach(({ reject }) => reject(new Error(`psql has ended: ${this.why}`))));
    }

    hear(text) {
        this.said += text;
        const lines = this.said.split('\n');
        this.said = lines.pop();
        for (const line of lines) if (line === '=') this.waiting.shift().resolve();
    }

    ask(sql) {
        return new Promise((resolve, reject) => {
            this.waiting.push({ resolve, reject });
            this.child.stdin.write(`${sql};\n\\echo =\n`);
        });
    }

    close() {
        this.child.stdin.end();
        return this.gone;
    }
}

/** What was published: the tenants of each version as they were put. */
export async function publishedDeltas(postgres) {
    const rows = await postgres.rows('postgres', "SELECT version, convert_from(document, 'UTF8') AS document FROM directory_deltas ORDER BY version");
    return rows.map(({ version, document }) => ({ version: Number(version), ...JSON.parse(document.slice(document.indexOf('\n') + 1)) }));
}
