// A school behind the edge as it is shipped, with everything by which edges keep answers and forget them: two districts, a lesson with a segment, keys for
// signed addresses, Redis and the jobs.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';

import { parseExposition, value } from '../edge/exposition.mjs';
import { Client } from '../lib/client.mjs';
import { freePort } from '../lib/place.mjs';
import { mustRun } from '../lib/run.mjs';
import { mustFirstbell, startJobs } from '../lib/server-firstbell.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';
import { addSchool, openSchool, password } from '../origin/school.mjs';
import { startEdge } from './stack.mjs';

export const SEGMENT = Buffer.alloc(200 * 1024, 'firstbell ');
export const FILM = Buffer.alloc(3 * 1024 * 1024, 'longer than what is kept in memory ');

/** Everything started; the edge has read the purges that the imports have written. */
export async function openKept(place) {
    const redis = await startRedis(place); // where the edge's configuration looks for it
    const port = await freePort();
    const school = await openSchool(place, { settings: { public_port: port, redis: `unix:${redis.socket}`, directory_snapshot_interval_s: 0, media_key_settle_s: 0 } });
    await addSchool(place, 'south', 'south.localhost');
    const kept = new Kept(place, school);
    place.folder('course/demo/media/rain/360p', 0o755);
    place.write('course/demo/media/rain/360p/s0.m4s', SEGMENT);
    place.write('course/demo/media/rain/all.mp4', FILM);
    await kept.importCourse();
    for (const tenant of ['demo', 'south']) {
        await kept.must('sign-key', 'new', place.path(`keys/${tenant}-1.key`));
        await kept.addKey(tenant);
    }
    await startJobs(place);
    kept.edge = await startEdge(place, port, (conf) => conf.replace('worker_processes 1;', 'worker_processes 2;'), { hosts: ['demo.localhost', 'south.localhost'], level: 'info' });
    kept.asset = Number(await school.postgres.sql('postgres', "SELECT id FROM assets WHERE tenant_id = 1 AND key = 'rain'"));
    await waitFor('the edge to ask for tokens', async () => (await kept.nobody().get(`/media/${kept.asset}/poster.jpg`)).status === 403);
    await waitFor('the edge to have read the purges of the imports', () => /it has read none before/.test(place.read('log/edge.error.log')));
    return kept;
}

class Kept {
    constructor(place, school) {
        Object.assign(this, { place, school, clients: [] });
        this.must = (...args) => mustFirstbell(place, args);
        this.sql = (text) => school.postgres.sql('postgres', text);
    }

    importCourse() {
        execFileSync('chmod', ['-R', 'a+rX', this.place.path('course')]);
        return this.must('course', 'import', '--tenant', 'demo', '--course', 'course-demo', this.place.path('course/demo'));
    }

    addKey(tenant) {
        return this.must('tenant', 'key', 'add', '--tenant', tenant, '--use', 'path', '--alg', 'hex', '--file', this.place.path(`keys/${tenant}-1.key`), `${tenant}-1`);
    }

    nobody(host = 'demo.localhost') {
        const client = new Client({ port: this.edge.port, ca: this.edge.ca, host });
        this.clients.push(client);
        return client;
    }

    async signedIn(username, host) {
        const client = this.nobody(host);
        await waitFor('the sign-in', async () => (await client.post('/api/v1/sessions', { username, password })).status === 201);
        return client;
    }

    /** How often the edge has asked the origin for something to keep. */
    async fetches() {
        const text = await mustRun(['curl', '--silent', '--fail', '--max-time', '20', '--unix-socket', this.place.path('sock/edge-status.sock'), 'http://edge/metrics']);
        return value(parseExposition(text), 'firstbell_cache_fetches_total');
    }

    /** What `body` gives; and the origin was not asked for it. */
    async withoutOrigin(body) {
        const before = await this.fetches();
        const result = await body();
        assert.equal(await this.fetches(), before, 'the origin was asked');
        return result;
    }

    /** An address of the lesson's file for whoever the client is, as a page gets it. */
    async addressOf(client, file) {
        const item = Number(await this.sql("SELECT id FROM items WHERE tenant_id = 1 AND key = 'rain-video'"));
        const { status, json, text } = await client.get(`/api/v1/items/${item}/media`);
        assert.equal(status, 200, text);
        return json.url.replace('master.m3u8', file);
    }

    /** One that was made here: by a district's key, for so many seconds. */
    async signed(tenant, file, { lifetime = 600 } = {}) {
        const words = ['--key', this.place.path(`keys/${tenant}-1.key`), '--tenant', tenant, '--lifetime', String(lifetime), '--prefix', `/media/${this.asset}/`];
        return (await this.must('sign', ...words, `/media/${this.asset}/${file}`)).trim();
    }

    /** Asks until it is stored, and gives a hit. */
    stored(client, path) {
        return waitFor(`${path} to be stored`, async () => {
            const reply = await client.get(path);
            assert.equal(reply.status, 200, reply.text);
            return isHit(reply) && reply;
        });
    }

    async close() {
        for (const client of this.clients) client.close();
        await this.place.stop();
    }
}

export const cacheStatus = ({ headers }) => headers['cache-status'];
export const isHit = (reply) => /^firstbell;hit;ttl=\d+$/.test(cacheStatus(reply) ?? '');
