// Two edges follow the directory while hosts change hands all the time, and what feeds them dies, is away, or has another time. Whoever asks is
// answered all the while, with the tenant that the host had in the version that the answer names, and no edge ever goes back.
// time bound: 290 s

import './release-build.mjs';

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import http from 'node:http';
import { after, before, test } from 'node:test';

import { ask, lines, pinToWorkers } from '../edge/support.mjs';
import { Session, openTwoEdges, publishedDeltas } from '../edge/two-edges.mjs';
import { newPlace } from '../lib/place.mjs';
import { waitFor } from '../lib/wait.mjs';
import { chance, delay, kill } from './harness.mjs';

const TENANTS = 60;
const WORKERS = 2; // of each edge
const CLIENTS = 4; // of each edge
const PAUSE_MS = 10; // of a client
const CHANGE_MS = 40; // from one change to the next
const PARTITION_MS = 60_000;
const CLOCK_S = 300;

/** What changes hands: names of their own, names below t1's wildcard, and a wildcard below t2's. */
const moving = ['m1.example', 'm2.example', 'm3.example', 'w1.t1.example', 'w2.t1.example', '*.deep.t2.example'];
const asked = ['m1.example', 'm2.example', 'm3.example', 'w1.t1.example', 'w2.t1.example', 'a.deep.t2.example', 'a.t2.example', 't3.example', 'a.t4.example'];

const dice = chance();
const place = newPlace();
place.expect(/\[alert\] .*worker process \d+ exited on signal 9/);
const library = execFileSync('sh', ['-c', 'ls /usr/lib/*/faketime/libfaketime.so.1 2>/dev/null || true'], { encoding: 'utf8' }).split('\n').find(Boolean);
let both, crowd, changes;

before(async () => {
    both = await openTwoEdges(place, { tenants: TENANTS });
    await waitFor('both edges to be as the database', async () => {
        const version = await both.version();
        return (await Promise.all(both.edges.map((edge) => ask(edge.port, 't1.example')))).every(({ headers }) => headers.version === String(version));
    });
    crowd = new Crowd(await both.version());
    crowd.start(both.edges);
    changes = new Changes(both.postgres);
    changes.start();
});
after(async () => {
    await crowd?.stop();
    await changes?.stop();
    both?.wire.close();
    await place.stop();
});

/** Clients who ask each edge all the time. answers: {version, host, status, tenant}; wrong: sentences. */
class Crowd {
    constructor(version) {
        Object.assign(this, { first: version, answers: [], wrong: [], killed: new Set(), broken: 0, stopped: false });
    }

    start(edges) {
        this.clients = edges.flatMap((edge) => {
            const seen = { edge: edge.port, version: this.first };
            return Array.from({ length: CLIENTS }, (_, i) => this.keepAsking(seen, i));
        });
    }

    async keepAsking(seen, i) {
        for (const own = { agent: null, worker: 0 }; !this.stopped; i++) {
            await this.askOne(seen, own, asked[i % asked.length]);
            await delay(PAUSE_MS);
        }
    }

    /** A connection that dies with its worker is begun anew, as every client does, and is answered then. Nothing else may go wrong. One that has had no
     *  answer yet may be any worker's. */
    async askOne(seen, own, host) {
        const floor = seen.version;
        for (let tries = 0; ; tries++) {
            own.agent ??= new http.Agent({ keepAlive: true, maxSockets: 1 });
            const reply = await ask(seen.edge, host, '/', { agent: own.agent }).catch((error) => ({ error }));
            if (!reply.error) return this.judge(seen, own, host, floor, reply);
            this.broken++;
            if (tries > 0 || !this.mayHaveDied(own.worker)) return this.wrong.push(`${host} got no answer from worker ${own.worker}: ${reply.error.message}`);
            own.agent.destroy();
            Object.assign(own, { agent: null, worker: 0 });
        }
    }

    mayHaveDied(worker) {
        return this.killed.has(worker) || (worker === 0 && this.killed.size > 0);
    }

    judge(seen, own, host, floor, { status, headers }) {
        const version = Number(headers.version);
        own.worker = Number(headers.worker);
        this.answers.push({ version, host, status, tenant: headers.tenant });
        if (version < floor) this.wrong.push(`${host} was answered in version ${version} when the edge had been in ${floor}`);
        seen.version = Math.max(seen.version, version);
    }

    async stop() {
        this.stopped = true;
        await Promise.all(this.clients);
    }
}

/** Hosts that change hands by chance. */
class Changes {
    constructor(postgres) {
        Object.assign(this, { session: new Session(postgres), made: 0, marks: 0, stopped: false });
    }

    start() {
        this.done = this.keepChanging();
    }

    async keepChanging() {
        for (; !this.stopped; this.made++) {
            const host = dice.pick(moving);
            await this.session.ask(dice.below(3) === 0 ? `DELETE FROM tenant_hosts WHERE host = '${host}'` : give(host, `t${1 + dice.below(TENANTS)}`));
            await delay(CHANGE_MS);
        }
    }

    /** A host that nobody had; gives its name. */
    async mark() {
        const host = `mark-${++this.marks}.example`;
        await this.session.ask(give(host, 't5'));
        return host;
    }

    async stop() {
        this.stopped = true;
        await this.done;
        await this.session.close();
    }
}

const give = (host, tenant) => `INSERT INTO tenant_hosts (tenant_id, host) SELECT id, '${host}' FROM tenants WHERE name = '${tenant}'
    ON CONFLICT (host) DO UPDATE SET tenant_id = EXCLUDED.tenant_id`;

/** A change that is made now is with every worker of both edges. */
async function converge() {
    const host = await changes.mark();
    for (const edge of both.edges) {
        const clients = await pinToWorkers(edge.port, WORKERS, 't1.example');
        for (const client of clients) await waitFor(`${host} in worker ${client.worker}`, async () => (await client.ask(host)).headers.tenant === 't5');
        clients.forEach((client) => client.close());
    }
}

const nothingWrong = () => assert.deepEqual(crowd.wrong.slice(0, 5), [], `${crowd.wrong.length} of ${crowd.answers.length} answers were wrong`);

test('the workers that feed are killed', async () => {
    for (let round = 0; round < 3; round++) {
        for (const edge of both.edges) {
            const feeder = await edge.feeder();
            crowd.killed.add(feeder);
            kill(feeder);
            await waitFor('two workers again, and one of them feeding', async () => edge.workers().length === WORKERS && (await edge.feeder()) !== feeder);
        }
        await converge();
    }
    nothingWrong();
});

test('Redis is restarted, empty', async () => {
    await both.redis.kill();
    await both.redis.start();
    await converge();
    nothingWrong();
});

test('what is sent to Redis and by it is lost for a minute', async () => {
    both.wire.cut();
    const end = performance.now() + PARTITION_MS;
    const [before, made] = [crowd.answers.length, changes.made];
    try {
        await waitFor('both edges to notice', () => both.edges.every((edge) => lines(edge.log(), /\[error\].*bell_redis: .* cannot be used: it does not answer/).length > 0));
        await delay(end - performance.now());
    } finally {
        both.wire.mend();
    }
    assert.ok(crowd.answers.length - before > 100 && changes.made - made > 100, 'others ask and change meanwhile');
    await converge();
    nothingWrong();
});

test('an edge whose clock is five minutes behind says so, and follows all the same', { skip: library ? false : 'libfaketime is not installed (auto/deps long)' }, async () => {
    const under = ['env', `LD_PRELOAD=${library}`, `FAKETIME=-${CLOCK_S}`, 'FAKETIME_DONT_FAKE_MONOTONIC=1', 'DONT_FAKE_MONOTONIC=1'];
    const edge = await both.startEdge('late', { under, main: 'env FAKETIME;' });
    const said = await waitFor('the line', () => lines(edge.log(), /\[error\].*this machine's clock is \d+ s behind that of Redis/)[0]);
    assert.match(said, /clock is (29\d|30\d) s behind that of Redis: sessions, signatures and revocations are judged by it; set the one that is wrong/);
    const host = await changes.mark();
    await waitFor('the change', async () => (await edge.ask(host)).headers.tenant === 't5');
    await place.stopProgram(edge.program);
});

test('every answer named the tenant that its host had in that version', async () => {
    await converge();
    await changes.stop();
    await crowd.stop();
    const truth = truthOf(await publishedDeltas(both.postgres), crowd.first);
    const wrong = crowd.answers.filter(({ version, host, status, tenant }) => {
        const owner = truth(version, host);
        return owner ? status !== 200 || tenant !== owner : status !== 404 || tenant;
    });
    console.log(`# ${crowd.answers.length} answers, ${changes.made} changes, ${crowd.broken} connections died with their worker`);
    assert.deepEqual(wrong.slice(0, 5), [], `${wrong.length} of ${crowd.answers.length} answers were wrong`);
    nothingWrong();
});

/** Who had a host in a version, by the deltas behind the first one; undefined: nobody. */
function truthOf(deltas, first) {
    const names = new Map(); // tenant -> name
    const owners = new Map(); // host or wildcard -> tenant
    for (let id = 1; id <= TENANTS; id++) put(names, owners, { id, name: `t${id}`, hosts: [`t${id}.example`, `*.t${id}.example`] });
    const history = new Map(asked.map((host) => [host, [{ version: first, owner: find(names, owners, host) }]]));
    for (const { version, tenants } of deltas.filter((delta) => delta.version > first)) {
        const changed = new Set(tenants.map(({ id }) => id));
        for (const [host, id] of owners) if (changed.has(id)) owners.delete(host);
        tenants.forEach((tenant) => put(names, owners, tenant));
        for (const [host, past] of history) past.push({ version, owner: find(names, owners, host) });
    }
    return (version, host) => history.get(host).findLast((then) => then.version <= version).owner;
}

function put(names, owners, { id, name, hosts }) {
    names.set(id, name);
    for (const host of hosts) owners.set(host, id);
}

/** By its own name, or by the longest wildcard. */
function find(names, owners, host) {
    const labels = host.split('.');
    const wildcards = labels.slice(1).map((_, i) => `*.${labels.slice(i + 1).join('.')}`);
    const id = [host, ...wildcards].map((name) => owners.get(name)).find((owner) => owner !== undefined);
    return names.get(id);
}
