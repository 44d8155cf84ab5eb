// Places at an origin that is full: one tenant asks fifty times as much as its share, another one less than its own. How much later that one is answered, who is
// refused, and how places are shared by weight when both ask too much. Beside us nginx's limit_conn and max_conns, and HAProxy's queue. Two workers (threads).

import { freePort } from '../../tests/lib/place.mjs';
import { modulePath, startNginx, tempPaths } from '../../tests/lib/server-nginx.mjs';
import { waitFor } from '../../tests/lib/wait.mjs';
import { startSlowOrigin } from '../../tests/edge/slow-origin.mjs';
import { ask, publish, snapshot, tenant } from '../../tests/edge/support.mjs';
import { httpLoad } from '../lib/generator.mjs';
import { limitConnHttp, limitConnServers, maxConnsHttp, startHaproxyPlaces } from '../lib/peer-places.mjs';
import { median } from '../lib/report.mjs';
import { playRounds } from '../lib/rounds.mjs';

export const title = 'fairness: a tenant beside another one at 50 times its share, and weights 1 to 3, beside limit_conn, max_conns and HAProxy';

const PLACES = 16;
const ANSWER_MS = 40;
const CAPACITY = (PLACES * 1000) / ANSWER_MS; // requests a second
const SHARE = CAPACITY / 2;
const CALM_RATE = Math.round(SHARE * 0.6);
const FLOOD_RATE = SHARE * 50;
const BOTH_RATE = Math.round(CAPACITY * 2.5); // of each of the two with weights
const ROUNDS = 5;
const SECONDS = 6;
const SETTLE_MS = 2000;

const SLOWER_MAX = 2; // times as long as alone, p99
const ERROR_MAX = 5; // percent
const WEIGHT = 3;

const HOSTS = { calm: 'calm.example', flood: 'flood.example', one: 'one.example', three: 'three.example' };

const OURS = 'ours';
const AUTO = 'ours, places found out';

export async function play(place, report, { quick, say }) {
    const origin = await startSlowOrigin({ workers: PLACES, milliseconds: ANSWER_MS });
    try {
        const { contenders, missing, figures } = await start(place, origin);
        const rounds = quick ? 1 : ROUNDS;
        say(`${contenders.length} contenders, ${rounds} rounds: ${CALM_RATE} requests a second alone, and beside ${FLOOD_RATE}; the origin can answer ${CAPACITY}`);
        const results = await playRounds(contenders, rounds, (one, round) => playRound(place, origin, one, round, quick ? 2 : SECONDS));
        for (const one of contenders) addRows(report, one, results.get(one), await playWeights(place, origin, one, quick ? 2 : SECONDS));
        report.row({ name: `${AUTO}: how many`, value: await placesFound(figures), unit: '' });
        for (const [name, why] of Object.entries(missing)) report.row({ name, unit: '', why });
    } finally {
        await origin.close();
    }
    report.note(`an origin with ${PLACES} workers that takes ${ANSWER_MS} ms for each answer; the calm tenant's ${CALM_RATE} requests a second take ${(CALM_RATE / CAPACITY) * 100} % of it, ` +
        `the other one sends ${FLOOD_RATE} a second over 512 connections; with weights both send ${BOTH_RATE} a second, and shares are the time for which the origin had whose requests`);
    report.note('limit_conn gives each tenant a part that no other gets, by its weight; max_conns and HAProxy know no tenants, HAProxy, less first, orders its queue by how much a tenant asked in the last second');
}

// ---- contenders

async function start(place, origin) {
    const names = [OURS, AUTO, 'peer: nginx, limit_conn for each tenant', 'peer: nginx, max_conns'];
    const contenders = [];
    for (const name of names) contenders.push({ name, port: await freePort(), ours: name === OURS });
    const conf = nginxConf(place, origin.port, contenders.map(({ port }) => port));
    const ids = Object.entries(HOSTS);
    publish(place, snapshot(1, ids.map(([name, host], i) => tenant(i + 1, name, [host], name === 'three' ? { limits: { fair_weight: WEIGHT * 100 } } : {}))));
    await startNginx(place, { conf, port: contenders[0].port, name: 'edge', level: 'crit' });
    const missing = {};
    for (const lessFirst of [false, true]) {
        const name = `peer: HAProxy, maxconn and its queue${lessFirst ? ', less first' : ''}`;
        try {
            contenders.push({ ...(await startHaproxyPlaces(place, { origin: origin.port, places: PLACES, lessFirst })), name });
        } catch (error) {
            missing[name] = error.message;
        }
    }
    return { contenders, missing, figures: contenders[0].port };
}

function nginxConf(place, origin, [ours, auto, limitConn, maxConns]) {
    const parts = { [HOSTS.calm]: PLACES / 2, [HOSTS.flood]: PLACES / 2, [HOSTS.one]: PLACES / (1 + WEIGHT), [HOSTS.three]: (PLACES / (1 + WEIGHT)) * WEIGHT };
    const fair = (port, pool) => `server {
        listen 127.0.0.1:${port};
        bell_tenant on;
        location = /figures { bell_status json; }
        location / { bell_fair ${pool}; proxy_pass http://origin; }
    }`;
    return `${['core', 'limit', 'status'].map((one) => `load_module ${modulePath(`ngx_http_bell_${one}_module`)};`).join('\n')}
worker_processes 2;
worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http {
    ${tempPaths(place)}
    access_log off;
    keepalive_requests 100000000;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    bell_directory zone=tenants:1m file=${place.path('directory.snapshot')} interval=1h;
    bell_fair_zone zone=places:4m;
    bell_fair_pool said places=${PLACES};
    bell_fair_pool found places=auto;
    upstream origin { server 127.0.0.1:${origin}; keepalive ${PLACES}; }
    ${limitConnHttp}
    ${maxConnsHttp(origin, PLACES)}
    ${fair(ours, 'said')}
    ${fair(auto, 'found')}
    ${limitConnServers(limitConn, parts, 'proxy_pass http://origin;')}
    server { listen 127.0.0.1:${maxConns}; location / { proxy_pass http://most; } }
}
`;
}

async function placesFound(port) {
    const { json } = await ask(port, HOSTS.calm, '/figures');
    return json.firstbell_fair_places.samples.find(({ labels }) => labels.pool === 'found')?.value ?? null;
}

// ---- a tenant alone, and beside a flood

const load = (place, { port }, who, { rate, connections, seconds, seed = 1 }) => {
    const requests = place.write(`requests-${who}`, `GET /lesson\tHost: ${HOSTS[who]}\n`);
    return httpLoad(['--to', port, '--connections', connections, '--rate', rate, '--seconds', seconds, '--requests', requests, '--seed', seed].map(String));
};

const isIdle = (origin) => waitFor('the origin to be idle', () => origin.has === 0);

async function playRound(place, origin, contender, round, seconds) {
    const calm = { rate: CALM_RATE, connections: 64, seconds, seed: round + 1 };
    await isIdle(origin);
    const alone = await load(place, contender, 'calm', calm);
    await isIdle(origin);
    const flooding = load(place, contender, 'flood', { rate: FLOOD_RATE, connections: 512, seconds: seconds + 2 });
    flooding.catch(() => {}); // told where it is waited for
    await waitFor('the flood to have the places', () => origin.has >= PLACES / 2);
    const before = { ...origin.of(HOSTS.flood) };
    const beside = await load(place, contender, 'calm', calm);
    const served = origin.of(HOSTS.flood).answered - before.answered;
    const flood = await flooding;
    return { alone: alone.p99_us / 1000, beside: beside.p99_us / 1000, refused: alone.due - alone.good + (beside.due - beside.good), flood, served: served / seconds };
}

// ---- two that ask too much, with weights 1 and 3

async function playWeights(place, origin, contender, seconds) {
    await isIdle(origin);
    const both = ['one', 'three'].map((who, i) => load(place, contender, who, { rate: BOTH_RATE, connections: 256, seconds: seconds + SETTLE_MS / 1000 + 1, seed: i + 1 }));
    both.forEach((one) => one.catch(() => {}));
    const held = () => ['one', 'three'].map((who) => origin.of(HOSTS[who]).held_ms);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const from = held();
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const [one, three] = held().map((ms, i) => ms - from[i]);
    await Promise.all(both);
    return three / one;
}

function addRows(report, { name, ours }, rounds, times) {
    const of = (pick) => rounds.map(pick);
    const row = (what, value, unit, bar) => report.row({ name: `${name}: ${what}`, value, unit, ...(ours && bar && { bar: { value_max: bar } }) });
    row('p99 alone', median(of(({ alone }) => alone)), 'ms');
    row('p99 beside the flood', median(of(({ beside }) => beside)), 'ms');
    row('p99 beside the flood, times that alone', median(of(({ alone, beside }) => beside / alone)), '', SLOWER_MAX);
    row('requests of the calm one that were not served', of(({ refused }) => refused).reduce((a, b) => a + b), '', 1);
    row('of the flood, refused', median(of(({ flood }) => (1 - flood.good / flood.answered) * 100)), '%');
    row('of the flood, answered a second', median(of(({ served }) => served)), '');
    row(`time of places at weights 1 to ${WEIGHT}, times the other’s`, times, '');
    row('the same, off by', Math.abs(times / WEIGHT - 1) * 100, '%', ERROR_MAX);
}
