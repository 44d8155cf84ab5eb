// How long a change of the directory takes: from its transaction in PostgreSQL until every worker of two edges answers in a version that has it, while
// others ask the edges all the time.

import { openTwoEdges, publishedDeltas, Session } from '../../tests/edge/two-edges.mjs';
import { pinToWorkers } from '../../tests/edge/support.mjs';
import { waitFor } from '../../tests/lib/wait.mjs';
import { httpLoad } from './generator.mjs';

const CHANGES_A_SECOND = 100;
const VISIBLE_MAX_MS = 1000; // p99
const WORKERS = 2; // of each edge
const SESSIONS = 4; // that change
const CHANGED = 400; // tenants, in turn
const LOOK_MS = 4; // from one look at a worker to the next
const REQUESTS_A_SECOND = 400; // of each edge
const CONNECTIONS = 16;

export async function playChanges(place, report, { quick, say }) {
    const tenants = quick ? 500 : 5000;
    const seconds = quick ? 3 : 30;
    const both = await openTwoEdges(place, { tenants, zone: '64m', postgresSettings: 'fsync = on' });
    say(`${tenants} tenants are on both edges; ${CHANGES_A_SECOND} changes a second for ${seconds} s`);
    const watchers = (await Promise.all(both.edges.map((edge) => pinToWorkers(edge.port, WORKERS, 't1.example')))).flat().map((client) => new Watcher(client));
    const watching = Promise.all(watchers.map((watcher) => watcher.watch()));
    const steady = Promise.all(both.edges.map((edge) => ask(place, edge, tenants, seconds + 1)));
    [watching, steady].forEach((promise) => promise.catch(() => {})); // what goes wrong is told below, where they are awaited
    const began = performance.now();
    const sent = await change(both.postgres, seconds * CHANGES_A_SECOND);
    const rate = sent.length / ((performance.now() - began) / 1000);
    const deltas = await allPublished(both, sent, watchers);
    const answers = await steady;
    watchers.forEach((watcher) => (watcher.stopped = true));
    await watching;
    both.wire.close();
    addRows(report, { rate, seconds, ms: delays(sent, deltas, watchers), answers, watchers });
    report.note(`changes: two edges of ${WORKERS} workers each, ${tenants} tenants, PostgreSQL with fsync, the publisher with its defaults; a change counts from ` +
        `before its transaction until the last worker was seen to answer in a version that has it, each being asked every ${LOOK_MS} ms`);
}

/** Asks one worker again and again; `seen` has the moment at which each version was there first. */
class Watcher {
    constructor(client) {
        Object.assign(this, { client, seen: [], asked: 0, failed: 0, stopped: false });
    }

    get version() {
        return this.seen.at(-1)?.version ?? 0;
    }

    async watch() {
        while (!this.stopped) {
            const { status, headers } = await this.client.ask(`t${1 + (this.asked++ % CHANGED)}.example`);
            const version = Number(headers.version);
            if (status !== 200) this.failed++;
            if (version > this.version) this.seen.push({ version, at: performance.now() });
            await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        }
        this.client.close();
    }

    /** When it answered in that version, or a later one. */
    sawAt(version) {
        return this.seen.find((one) => one.version >= version).at;
    }
}

/** Steady requests to one edge, for tenants that nobody changes. */
function ask(place, edge, tenants, seconds) {
    const hosts = Array.from({ length: Math.min(tenants - CHANGED, 1000) }, (_, n) => `GET /\tHost: t${CHANGED + 1 + n}.example`);
    const requests = place.write(`requests-${edge.port}`, hosts.join('\n'));
    return httpLoad(['--to', edge.port, '--connections', CONNECTIONS, '--seconds', seconds, '--rate', REQUESTS_A_SECOND, '--requests', requests].map(String));
}

/** Changes tenants at their rate, or later when PostgreSQL is behind; gives when each was sent. */
async function change(postgres, count) {
    const sessions = Array.from({ length: SESSIONS }, () => new Session(postgres));
    const sent = [];
    const began = performance.now();
    await Promise.all(sessions.map(async (session, own) => {
        for (let k = own; k < count; k += SESSIONS) {
            const early = began + (k * 1000) / CHANGES_A_SECOND - performance.now();
            if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
            sent[k] = performance.now();
            await session.ask(`UPDATE tenants SET locale = 'en-c${k}' WHERE id = ${tenantOf(k)}`);
        }
    }));
    await Promise.all(sessions.map((session) => session.close()));
    return sent;
}

const tenantOf = (k) => 1 + (k % CHANGED);
const changeOf = ({ locale }) => Number(/^en-c(\d+)$/.exec(locale)?.[1] ?? -1);

/** Waits until the last change of each tenant was published, and every worker has seen that. */
async function allPublished(both, sent, watchers) {
    const last = Math.max(0, sent.length - CHANGED);
    const deltas = await waitFor('the last change to be published', async () => {
        const published = await publishedDeltas(both.postgres);
        const there = new Set(published.flatMap(({ tenants }) => tenants.map(changeOf)));
        return sent.every((_, k) => k < last || there.has(k)) && published;
    });
    const { version } = deltas.at(-1);
    await waitFor('every worker to have it', () => watchers.every((watcher) => watcher.version >= version));
    return deltas;
}

/** Milliseconds of each change. One that another of its tenant has overtaken is there with it. */
function delays(sent, deltas, watchers) {
    const waiting = new Map(); // tenant -> changes that no version has yet
    sent.forEach((_, k) => waiting.set(tenantOf(k), [...(waiting.get(tenantOf(k)) ?? []), k]));
    const ms = [];
    for (const { version, tenants } of deltas) {
        const at = Math.max(...watchers.map((watcher) => watcher.sawAt(version)));
        for (const tenant of tenants) {
            const queue = waiting.get(tenant.id) ?? [];
            while (queue.length > 0 && queue[0] <= changeOf(tenant)) ms.push(at - sent[queue.shift()]);
        }
    }
    if (ms.length !== sent.length) throw new Error(`${sent.length} changes were made and ${ms.length} arrived`);
    return ms.sort((a, b) => a - b);
}

function addRows(report, { rate, seconds, ms, answers, watchers }) {
    const part = (share) => ms[Math.min(ms.length - 1, Math.floor(ms.length * share))];
    const failed = answers.map((a) => a.answered - a.good + a.errors + a.unanswered + a.unsent).concat(watchers.map((w) => w.failed));
    const asked = answers.reduce((sum, a) => sum + a.answered, 0);
    report.row({ name: `changes of tenants, for ${seconds} s`, value: rate, unit: '/s' });
    report.row({ name: 'a change in every worker of both edges, p50', value: part(0.5), unit: 'ms' });
    report.row({ name: 'a change in every worker of both edges, p99', value: part(0.99), unit: 'ms', bar: { value_max: VISIBLE_MAX_MS } });
    report.row({ name: 'a change in every worker of both edges, longest', value: ms.at(-1), unit: 'ms' });
    report.row({ name: 'requests meanwhile', value: asked / seconds, unit: '/s' });
    report.row({ name: 'requests that failed meanwhile', value: failed.reduce((sum, n) => sum + n, 0), unit: '', bar: { value_max: 1 } });
}
