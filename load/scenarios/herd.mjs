// Herds: many ask for the same in the same moment, what is not there, what has just ended, what may not be kept, what comes slowly; and a steady flow over
// the ends of an object. How often the origin is asked, and how long they wait, beside nginx's own cache and Varnish. Two workers.

import { freePort } from '../../tests/lib/place.mjs';
import { modulePath, startNginx, tempPaths } from '../../tests/lib/server-nginx.mjs';
import { waitFor } from '../../tests/lib/wait.mjs';
import { httpLoad } from '../lib/generator.mjs';
import { BODY_MS, HEAD_MS, ORIGIN_MS, startHerdOrigin } from '../lib/herd-origin.mjs';
import { startVarnish } from '../lib/peer-cache.mjs';
import { median } from '../lib/report.mjs';

export const title = 'herds: requests that reach the origin, and how long clients wait, beside proxy_cache and Varnish';

const AGE_MS = 2200; // after so long an object of one second has ended
const FLOW_CONNECTIONS = 128;

/** Each case: what the origin says of the answer, and how it comes; how many ask at once, or a rate and for how long; what goes before; and the bars:
 *  requests at the origin, milliseconds. */
const cases = {
    'cold object': { clients: 500, control: 'max-age=60', bars: { asked: 2, p50: 215 } },
    'just expired, with stale-while-revalidate': {
        clients: 500, control: 'max-age=1, stale-while-revalidate=60', before: 1, ages: true, bars: { asked: 2, p50: 8, max: 20 },
    },
    'just expired, without': { clients: 500, control: 'max-age=1', before: 1, ages: true, bars: { asked: 2 } },
    'uncacheable, the first time': { clients: 20, control: 'private', bars: { p50: 420 } },
    'uncacheable, the second time': { clients: 20, control: 'private', before: 20, bars: { p50: 215 } },
    'slow body': { clients: 50, control: 'max-age=60', kind: 'slow', bars: { first: 5 } },
    'flow over expiries': { rate: 2000, seconds: 4, control: 'max-age=1, stale-while-revalidate=60', before: 1, bars: { p999: 5 } },
};

/** What a row is made of: its name, of all rounds, and the unit. */
const figures = {
    asked: ['requests at the origin, most of all rounds', (rounds) => Math.max(...rounds), ''],
    p50: ['p50', median, 'ms'],
    max: ['slowest, of the best round', (rounds) => Math.min(...rounds), 'ms'],
    first: ["first byte, p50, behind the origin's own", median, 'ms'],
    p999: ['p99.9, of the best round', (rounds) => Math.min(...rounds), 'ms'],
};
const HERD = ['asked', 'p50', 'max'];
const SLOW = ['asked', 'first', 'p50'];
const FLOW = ['asked', 'p50', 'p999', 'max'];
const figuresOf = ({ rate, kind }) => (rate ? FLOW : kind === 'slow' ? SLOW : HERD);

export async function play(place, report, { quick, say }) {
    const origin = await startHerdOrigin();
    const { contenders, missing } = await startEdges(place, origin.port);
    const rounds = quick ? 1 : 5;
    say(`${contenders.map(({ name }) => name).join(', ')}; ${rounds} rounds`);
    const seen = new Map(Object.keys(cases).flatMap((name) => contenders.map((one) => [`${name} ${one.name}`, []])));
    try {
        for (let round = 0; round < rounds; round++) {
            const turned = contenders.map((_, i) => contenders[(i + round) % contenders.length]);
            for (const name of Object.keys(cases)) await playCase(place, origin, turned, name, round, seen);
        }
    } finally {
        origin.close();
    }
    for (const [name, one] of Object.entries(cases)) {
        for (const { name: contender, ours } of contenders) addRows(report, `${titleOf(name, one)}: ${contender}`, one, seen.get(`${name} ${contender}`), ours);
        for (const [contender, why] of Object.entries(missing)) report.row({ name: `${titleOf(name, one)}: ${contender}`, unit: '', why });
    }
    report.note(`the origin takes ${ORIGIN_MS} ms, of a slow body ${HEAD_MS} ms to its head and ${BODY_MS} ms from there; medians of ${rounds} rounds, the maximum of the best one`);
    report.note('proxy_cache with lock, background_update, and use_stale where the origin allows it (stale-while-revalidate); Varnish with grace where the origin allows it, too');
}

const titleOf = (name, { clients, rate }) => `${name}, ${clients ? `${clients} clients` : `${rate} a second`}`;

/** What has to be there, and to age, is for all at the same time; then one after the other is asked. */
async function playCase(place, origin, contenders, name, round, seen) {
    const one = cases[name];
    const ask = (contender, ...how) => askFor(place, contender, one, `${contender.name};${name};${round}`, how);
    for (const contender of one.before ? contenders : []) await ask(contender, '--connections', one.before, '--total', one.before);
    if (one.ages) await new Promise((resolve) => setTimeout(resolve, AGE_MS));
    const herd = ['--connections', one.clients ?? FLOW_CONNECTIONS, ...(one.rate ? ['--rate', one.rate] : ['--total', one.clients])];
    const alone = one.kind === 'slow' ? (await ask({ name: 'the origin', port: origin.port }, ...herd)).first_p50_us / 1000 : 0;
    for (const contender of contenders) {
        const was = origin.asked();
        const out = await ask(contender, ...herd);
        const wanted = one.clients ?? out.due;
        if (out.good !== wanted || out.unsent > 0) throw new Error(`${contender.name}, ${name}: ${out.good} of ${wanted} were answered well`);
        const [first, p50, p999, max] = [out.first_p50_us, out.p50_us, out.p999_us, out.max_us].map((us) => us / 1000);
        seen.get(`${name} ${contender.name}`).push({ asked: origin.asked() - was, first: first - alone, p50, p999, max });
        await waitFor('the origin to be idle', () => origin.idle()); // a refresh behind the herd is its own
    }
}

function askFor(place, { port }, { control, kind = 'plain', seconds = 30 }, mark, how) {
    const requests = place.write('requests', `GET /${encodeURIComponent(`${control};${kind};${mark}`)}\tHost: herd.example`);
    return httpLoad(['--to', port, '--seconds', seconds, '--requests', requests, ...how].map(String));
}

function addRows(report, name, one, rounds, ours) {
    for (const figure of figuresOf(one)) {
        const [what, of, unit] = figures[figure];
        const bar = ours && figure in one.bars ? { value_max: one.bars[figure] } : undefined;
        report.row({ name: `${name}: ${what}`, value: of(rounds.map((round) => round[figure])), unit, bar });
    }
}

/** {contenders: [{name, port, ours}], missing: {name: why}}. */
async function startEdges(place, origin) {
    const [ours, nginxs] = [await freePort(), await freePort()];
    const conf = `load_module ${modulePath()};
load_module ${modulePath('ngx_http_bell_cache_module')};
worker_processes 2;
worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http {
    ${tempPaths(place)}
    access_log off;
    proxy_cache_path ${place.path('cache')} keys_zone=cache:8m inactive=1d use_temp_path=off;
    bell_cache_zone zone=herd:16m;
    upstream origin { server 127.0.0.1:${origin}; keepalive 64; }
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    server { listen 127.0.0.1:${ours} backlog=4096; location / { bell_cache herd; proxy_pass http://origin; } }
    server {
        listen 127.0.0.1:${nginxs} backlog=4096;
        location / {
            proxy_cache cache;
            proxy_cache_lock on;
            proxy_cache_use_stale error timeout;
            proxy_cache_background_update on;
            proxy_pass http://origin;
        }
    }
}
`;
    await startNginx(place, { conf, port: ours, name: 'edge', level: 'warn' });
    const contenders = [{ name: 'firstbell', port: ours, ours: true }, { name: 'nginx proxy_cache', port: nginxs }];
    try {
        return { contenders: [...contenders, await startVarnish(place, { origin, settings: { default_grace: 0 } })], missing: {} };
    } catch (error) {
        return { contenders, missing: { Varnish: error.message } };
    }
}
