// How exact a budget is that four edges share: ten times its rate is asked for, unevenly, and what passes in every 60 s is counted, in the quiet, while
// a node of the Redis Cluster is killed, and while slots move to another one.

import { freePort } from '../../tests/lib/place.mjs';
import { modulePath, startNginx, tempPaths } from '../../tests/lib/server-nginx.mjs';
import { startRedisCluster } from '../../tests/lib/server-redis-cluster.mjs';
import { waitFor } from '../../tests/lib/wait.mjs';
import { ask, publish, snapshot, tenant } from '../../tests/edge/support.mjs';
import { keepToSecondCore } from './edge-worker.mjs';
import { httpLoad } from './generator.mjs';

const RATE = 1000; // of the budget, a second
const OFFERED = [4000, 3000, 2000, 1000]; // at each edge
const WINDOW_S = 60;
const SETTLE_S = 10;
const SAMPLE_MS = 250;
const OVER_MAX = 1; // percent of the budget
const UNDER_MAX = 3;
const HOST = 'north.example';

/** What happens in the middle of each phase, to the node that has the budget. */
const phases = {
    'nothing happens': async () => {},
    'its node is killed': kill,
    'its slot moves to another node': move,
};

export async function playEdges(place, report, { quick, say }) {
    const window_s = quick ? 4 : WINDOW_S;
    publish(place, snapshot(1, [tenant(1, 'north', [HOST])]));
    const cluster = await startRedisCluster(place);
    const edges = [];
    for (let i = 1; i <= OFFERED.length; i++) edges.push(await startEdge(place, `edge${i}`, cluster));
    const requests = place.write('requests-edges', `GET /budget\tHost: ${HOST}\n`);
    keepToSecondCore();
    const seconds = (quick ? 2 : SETTLE_S) + Object.keys(phases).length * window_s * 1.5 + 5;
    const load = Promise.all(edges.map(({ port }, i) => httpLoad(['--to', port, '--connections', 64, '--rate', OFFERED[i], '--seconds', Math.ceil(seconds), '--requests', requests].map(String))));
    await sampled(edges, quick ? 2 : SETTLE_S);
    for (const [what, happen] of Object.entries(phases)) {
        say(`four edges, ${OFFERED.reduce((a, b) => a + b)} requests a second for a budget of ${RATE}: ${what}`);
        const samples = sampled(edges, window_s * 1.5);
        samples.catch(() => {}); // told where it is waited for
        await new Promise((resolve) => setTimeout(resolve, window_s * 250));
        await happen(place, cluster);
        addRows(report, what, windows(await samples, window_s));
    }
    const outcomes = await load;
    const broken = outcomes.reduce((sum, { errors, unanswered }) => sum + errors + unanswered, 0);
    report.row({ name: 'four edges: requests without an answer', value: broken, unit: '', bar: { value_max: 1 } });
    report.note(`a budget of ${RATE} a second (burst 100) over four edges with two workers each and a Redis Cluster of six nodes; ${OFFERED.join(', ')} requests a ` +
        `second were sent to them; what passed in every ${window_s} s, from ${SAMPLE_MS} ms to ${SAMPLE_MS} ms, beside what the rate allows`);
}

async function startEdge(place, name, cluster) {
    const port = await freePort();
    const conf = `${['core', 'limit', 'status'].map((one) => `load_module ${modulePath(`ngx_http_bell_${one}_module`)};`).join('\n')}
worker_processes 2;
events { worker_connections 512; }
http {
    ${tempPaths(place)}
    access_log off;
    keepalive_requests 100000000;
    bell_directory zone=tenants:1m file=${place.path('directory.snapshot')} interval=1h;
    bell_tenant on;
    bell_limit_zone zone=limits:1m;
    bell_limit_redis ${cluster.nodes.map(({ port: at }) => `127.0.0.1:${at}`).join(' ')} cluster;
    bell_limit_policy budget rate=${RATE}/s burst=99 by=tenant over=edges;
    server {
        listen 127.0.0.1:${port};
        location / { bell_limit budget; empty_gif; }
        location = /figures { bell_status json; }
    }
}
`;
    await startNginx(place, { conf, port, name, level: 'warn' });
    return { port };
}

/** Every SAMPLE_MS for so long: {at_s, passed}, of all edges together. */
async function sampled(edges, seconds) {
    const samples = [];
    const from = performance.now();
    while (performance.now() - from < seconds * 1000) {
        const before = performance.now();
        const counts = await Promise.all(edges.map(passedAt));
        samples.push({ at_s: (before + performance.now()) / 2000, passed: counts.reduce((a, b) => a + b) });
        await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    }
    return samples;
}

async function passedAt({ port }) {
    const { json } = await ask(port, HOST, '/figures');
    return json.firstbell_limit_requests_total.samples.find(({ labels }) => labels.policy === 'budget' && labels.result === 'passed').value;
}

/** By how many percent of the budget each window of so many seconds was over it, or under (negative). */
function windows(samples, seconds) {
    const out = [];
    for (const [i, first] of samples.entries()) {
        const last = samples.find(({ at_s }, n) => n > i && at_s - first.at_s >= seconds);
        if (last) out.push(((last.passed - first.passed) / (RATE * (last.at_s - first.at_s)) - 1) * 100);
    }
    return out;
}

function addRows(report, what, percents) {
    report.row({ name: `four edges, ${what}: most over the budget`, value: Math.max(0, ...percents), unit: '%', bar: { value_max: OVER_MAX } });
    report.row({ name: `four edges, ${what}: most under it`, value: Math.max(0, ...percents.map((p) => -p)), unit: '%', bar: { value_max: UNDER_MAX } });
}

async function kill(place, cluster) {
    const primary = await cluster.ownerOf(await cluster.slot('{t1}'));
    const replica = await cluster.replicaOf(primary);
    await cluster.ask(replica, ['config', 'set', 'cluster-replica-no-failover', 'no']);
    await place.stopProgram(primary.program, 'SIGKILL');
}

async function move(_, cluster) {
    const slot = await cluster.slot('{t1}');
    const from = await waitFor('a node to have the slot', () => cluster.ownerOf(slot).catch(() => null));
    const to = (await cluster.primaries()).find((node) => node !== from);
    await cluster.beginMove(slot, from, to);
    await cluster.moveKeys(slot, from, to);
    await cluster.endMove(slot, from, to);
}
