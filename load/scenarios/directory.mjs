// What it costs to tell tenants apart: nginx with a directory of 50,000 tenants and 150,000 host names beside the same nginx without one. Both answer
// from memory; one worker on one core, the load on the other. What it costs to find out who asks, on top. And how long a change takes until all workers of two edges know it.

import { freePort } from '../../tests/lib/place.mjs';
import { children } from '../../tests/lib/run.mjs';
import { modulePath, startNginx, tempPaths, testNginx } from '../../tests/lib/server-nginx.mjs';
import { publish, snapshot, tenant } from '../../tests/edge/support.mjs';
import { playChanges } from '../lib/directory-changes.mjs';
import { playSessions } from '../lib/directory-sessions.mjs';
import { BROWSER, CONNECTIONS, workerMicroseconds } from '../lib/edge-worker.mjs';
import { median } from '../lib/report.mjs';
import { playRounds } from '../lib/rounds.mjs';

export const title = 'telling 50,000 tenants apart: CPU a request beside a bare nginx, the shared memory that it takes, how fast a change is everywhere';

const LOOKUP_MAX_US = 0.3;
const ZONE_MAX_MIB = 128;
const HOSTS_ASKED = 4096;
const DRAWN = 32_768;

export async function play(place, report, { quick, say }) {
    await playLookups(place, report, { quick, say });
    await playChanges(place, report, { quick, say });
}

async function playLookups(place, report, { quick, say }) {
    const tenants = Array.from({ length: quick ? 500 : 50_000 }, (_, n) => district(n));
    publish(place, snapshot(1, tenants));
    const zoneKib = await zoneNeeded(place);
    say(`${tenants.length} tenants with ${tenants.length * 3} host names want zone=tenants:${zoneKib}k`);
    const bare = await startEdge(place, 'bare', zoneKib, 'off');
    const told = await startEdge(place, 'told apart', zoneKib, 'on');
    const contenders = Object.entries(draws).flatMap(([draw, hosts]) => {
        const requests = place.write(`requests-${draw}`, hosts(tenants).map((host) => `GET /lesson/7/part/12.ts\tHost: ${host}\t${BROWSER}`).join('\n'));
        return [bare, told].map((server) => ({ ...server, draw, requests }));
    });
    const results = await playRounds(contenders, quick ? 1 : 24, (contender, round) => workerMicroseconds(contender, contender.requests, round));
    for (const draw of Object.keys(draws)) addCost(report, contenders.filter((contender) => contender.draw === draw).map((contender) => results.get(contender)), draw);
    report.row({ name: 'shared memory for it, both versions side by side', value: zoneKib / 1024, unit: 'MiB', bar: { value_max: ZONE_MAX_MIB } });
    report.note(`${tenants.length} tenants, three names each, asked for over ${CONNECTIONS} connections in three ways: ${HOSTS_ASKED} names from all over the ` +
        `directory in turn; ${DRAWN} requests of which the n-th busiest name has a share of 1/n, as schools have; and ${DRAWN} of which all names have ` +
        'the same share, as nowhere is seen: it shows what a name costs that was not asked for lately. One worker on one core');
    const stop = ({ program }) => place.stopProgram(program);
    await Promise.all([bare, told].map(stop));
    const start = (name, more) => startEdge(place, name, zoneKib, 'on', more);
    await playSessions(place, report, { quick, tenants, start, stop, measure: workerMicroseconds, browser: BROWSER });
}

/** Which hosts are asked for, and the bar for that. */
const draws = {
    [`${HOSTS_ASKED} names`]: asked,
    'as schools have': (tenants) => drawn(tenants, zipf),
    'all alike': (tenants) => drawn(tenants, (count, dice) => Math.floor(dice() * count)),
};
const HAS_BAR = new Set([`${HOSTS_ASKED} names`, 'as schools have']);

function district(n) {
    const name = `district-${n}`;
    return tenant(n + 1, name, [`${name}.firstbell.example`, `learn.${name}.k12.example`, `*.${name}.k12.example`], { upstream: 'api', region: 'eu-1' });
}

/** Names all over the directory, the three kinds in turn. */
function asked(tenants) {
    return Array.from({ length: HOSTS_ASKED }, (_, i) => {
        const { hosts } = tenants[(i * 7919) % tenants.length];
        return hosts[i % 3].replace('*', 'www');
    });
}

/** Names by chance, which is the same each time: number(count, dice) says which of all. */
function drawn(tenants, number) {
    const dice = chance(7);
    return Array.from({ length: DRAWN }, () => {
        const n = number(tenants.length * 3, dice);
        return tenants[(n * 7919) % tenants.length].hosts[n % 3].replace('*', 'www');
    });
}

/** 0 to count - 1, of which n comes with a chance of 1/(n + 1), by the integral of that. */
function zipf(count, dice) {
    return Math.min(count - 1, Math.floor(Math.exp(dice() * Math.log(count + 1))) - 1);
}

function chance(seed) {
    let state = seed;
    return () => (state = (state * 48271) % 0x7fffffff) / 0x7fffffff;
}

/** What nginx itself says that the zone must have, KiB. */
async function zoneNeeded(place) {
    place.expect(/directory\.snapshot" is refused: it does not fit/);
    const { stderr } = await testNginx(place, { conf: edgeConf(place, 8080, 32, 'on') });
    const [, kib] = /zone=tenants:(\d+)k is needed/.exec(stderr) ?? [];
    if (!kib) throw new Error(`nginx did not say which zone it wants: ${stderr}`);
    return Number(kib);
}

function edgeConf(place, port, zoneKib, on, { load = '', http = '' } = {}) {
    return `load_module ${modulePath()};
${load}
worker_processes 1;
worker_cpu_affinity 01;
events { worker_connections 512; }
http {
    ${tempPaths(place)}
    access_log off;
    keepalive_requests 100000000;
    bell_directory zone=tenants:${zoneKib}k file=${place.path('directory.snapshot')};
    bell_tenant ${on};
    ${http}
    server {
        listen 127.0.0.1:${port};
        location / { empty_gif; }
    }
}
`;
}

async function startEdge(place, name, zoneKib, on, more) {
    const port = await freePort();
    const nginx = await startNginx(place, { conf: edgeConf(place, port, zoneKib, on, more), port, name: name.replaceAll(' ', '-'), level: 'warn' });
    const [worker] = children(nginx.program.child.pid);
    return { name, port, worker, program: nginx.program };
}

function addCost(report, [without, having], draw) {
    const best = Math.min(...having) - Math.min(...without);
    const name = (what) => `${draw}: ${what}`;
    report.row({ name: name('CPU a request without tenants, best'), value: Math.min(...without), unit: 'us' });
    report.row({ name: name('CPU a request with tenants, best'), value: Math.min(...having), unit: 'us' });
    report.row({ name: name('telling tenants apart adds, best of each'), value: best, unit: 'us', ...(HAS_BAR.has(draw) && { bar: { value_max: LOOKUP_MAX_US } }) });
    report.row({ name: name('telling tenants apart adds, median of the rounds'), value: median(having.map((us, i) => us - without[i])), unit: 'us' });
}
