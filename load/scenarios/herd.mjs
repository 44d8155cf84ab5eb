// Herds: many ask for the same in the same moment, what is not there, what has just ended, what may not be kept. How often the origin is asked, and how
// long they wait, beside nginx's own cache and Varnish. Two workers; the origin takes 200 ms for each answer.

import { existsSync } from 'node:fs';
import http from 'node:http';

import { freePort } from '../../tests/lib/place.mjs';
import { modulePath, startNginx, tempPaths } from '../../tests/lib/server-nginx.mjs';
import { waitFor } from '../../tests/lib/wait.mjs';
import { httpLoad } from '../lib/generator.mjs';
import { median } from '../lib/report.mjs';

export const title = 'herds: requests that reach the origin, and how long clients wait, beside proxy_cache and Varnish';

const ORIGIN_MS = 200;
const VARNISH = '/usr/sbin/varnishd';

/** Each case: what the origin says of the answer, how many ask, what went before, and the bars (milliseconds). */
const cases = {
    'cold object': { clients: 500, control: 'max-age=60', bars: { asked: 2, p50: 215 } },
    'just expired, with stale-while-revalidate': {
        clients: 500, control: 'max-age=1, stale-while-revalidate=60', ages: true, bars: { asked: 2, p50: 8, max: 20 },
    },
    'just expired, without': { clients: 500, control: 'max-age=1', ages: true, bars: { asked: 2 } },
    'uncacheable, the first time': { clients: 20, control: 'private', bars: { p50: 420 } },
    'uncacheable, the second time': { clients: 20, control: 'private', before: 20, bars: { p50: 215 } },
};

export async function play(place, report, { quick, say }) {
    const origin = await startOrigin();
    const contenders = await startEdges(place, origin.port);
    const rounds = quick ? 1 : 5;
    say(`${contenders.map(({ name }) => name).join(', ')}; ${rounds} rounds`);
    const seen = new Map(Object.keys(cases).flatMap((name) => contenders.map((one) => [`${name} ${one.name}`, []])));
    try {
        for (let round = 0; round < rounds; round++) {
            for (const [name, one] of Object.entries(cases)) {
                const turned = contenders.map((_, i) => contenders[(i + round) % contenders.length]);
                await playCase(place, origin, turned, name, one, round, seen);
            }
        }
    } finally {
        origin.server.close();
        origin.server.closeAllConnections();
    }
    for (const [name, { bars, clients }] of Object.entries(cases)) {
        for (const one of contenders) {
            addRows(report, `${name}, ${clients} clients: ${one.name}`, seen.get(`${name} ${one.name}`), one.ours ? bars : {});
        }
    }
    if (!existsSync(VARNISH)) report.note('Varnish is not installed (the package varnish), and was not measured');
    report.note(`the origin takes ${ORIGIN_MS} ms; medians of ${rounds} rounds, the maximum of the best one; proxy_cache with lock, use_stale updating and background_update`);
}

/** What has to age ages for all at the same time; then one after the other is asked by the herd. */
async function playCase(place, origin, contenders, name, { clients, control, ages, before }, round, seen) {
    const path = (one) => encodeURIComponent(`${control};${one.name};${name};${round}`);
    const ask = (one, n) => {
        const requests = place.write('requests', `GET /${path(one)}\tHost: herd.example`);
        return httpLoad(['--to', one.port, '--connections', n, '--total', n, '--seconds', 30, '--requests', requests].map(String));
    };
    if (ages || before) for (const one of contenders) await ask(one, before ?? 1);
    if (ages) await new Promise((resolve) => setTimeout(resolve, 2200));
    for (const one of contenders) {
        const was = origin.asked();
        const out = await ask(one, clients);
        if (out.good !== clients) throw new Error(`${one.name}, ${name}: ${out.good} of ${clients} were answered well`);
        seen.get(`${name} ${one.name}`).push({ asked: origin.asked() - was, p50: out.p50_us / 1000, max: out.max_us / 1000 });
        await waitFor('the origin to be idle', () => origin.idle()); // a refresh behind the herd is its own
    }
}

function addRows(report, name, rounds, bars) {
    const bar = (max) => (max === undefined ? undefined : { value_max: max });
    const most = Math.max(...rounds.map(({ asked }) => asked));
    report.row({ name: `${name}: requests at the origin, most of all rounds`, value: most, unit: '', bar: bar(bars.asked) });
    report.row({ name: `${name}: p50`, value: median(rounds.map(({ p50 }) => p50)), unit: 'ms', bar: bar(bars.p50) });
    report.row({ name: `${name}: slowest, of the best round`, value: Math.min(...rounds.map(({ max }) => max)), unit: 'ms', bar: bar(bars.max) });
}

/** Counts; the path says what is said of the answer. */
async function startOrigin() {
    let asked = 0;
    let busy = 0;
    const body = 'x'.repeat(4096);
    const server = http.createServer({ keepAlive: true, keepAliveTimeout: 60_000 }, (request, response) => {
        asked++;
        busy++;
        setTimeout(() => {
            busy--;
            response.writeHead(200, { 'Cache-Control': decodeURIComponent(request.url.slice(1)).split(';')[0], 'Content-Length': body.length });
            response.end(body);
        }, ORIGIN_MS);
    });
    server.listen(0, '127.0.0.1', 4096);
    await new Promise((resolve) => server.once('listening', resolve));
    return { server, port: server.address().port, asked: () => asked, idle: () => busy === 0 };
}

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
    if (existsSync(VARNISH)) contenders.push(await startVarnish(place, origin));
    return contenders;
}

async function startVarnish(place, origin) {
    const port = await freePort();
    const at = (n) => `127.0.0.1:${n}`;
    const program = place.start('varnish', [VARNISH, '-F', '-a', at(port), '-b', at(origin), '-n', place.path('varnish'), '-s', 'malloc,64m']);
    await waitFor('Varnish to answer', () => place.assertRunning(program) ?? answers(port));
    return { name: 'Varnish', port };
}

const answers = (port) =>
    new Promise((resolve) => {
        const request = http.get({ host: '127.0.0.1', port, path: '/' }, (response) => response.resume().on('end', () => resolve(true)));
        request.on('error', () => resolve(false));
    });
