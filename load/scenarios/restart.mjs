// An edge that begins again with a cache of a million objects in files: how long until it answers one of them from there, beside the same edge without any,
// and how much memory its index takes.

import http from 'node:http';
import { readFileSync } from 'node:fs';

import { nginxProgram } from '../../tests/lib/app.mjs';
import { freePort } from '../../tests/lib/place.mjs';
import { modulePath, tempPaths } from '../../tests/lib/server-nginx.mjs';
import { waitFor } from '../../tests/lib/wait.mjs';
import { median } from '../lib/report.mjs';
import { fillTable } from '../lib/shelf-table.mjs';

export const title = 'a cache of 1,000,000 objects in files: how long after a start it serves them, and what its index takes';

const READY_MAX_S = 2;
const INDEX_MAX_BYTES = 200;

export async function play(place, report, { quick, say }) {
    const count = quick ? 10_000 : 1_000_000;
    const rounds = quick ? 1 : 5;
    const origin = await startOrigin();
    try {
        const edge = { place, count, port: await freePort(), folder: place.folder('cache') };
        edge.conf = place.write('conf/edge.conf', conf(edge, origin.address().port));
        const empty = await repeat(rounds, () => begins(edge, () => true));
        const bytes = await indexBytes(edge);
        await ends(edge);
        fillTable(`${edge.folder}/index`, count);
        say(`${count} records, ${(count * 128) / 1e6} MB`);
        const ordered = await repeat(rounds, () => begins(edge, isHit));
        await ends(edge);
        fillTable(`${edge.folder}/index`, 1);
        fillTable(`${edge.folder}/index`, count, (n) => 1 + ((n * 7919) % count));
        const [mixed] = await repeat(1, () => begins(edge, isHit));
        report.row({ name: `${count} objects, from the start to a hit, median of ${rounds}`, value: median(ordered), unit: 's', peer: median(empty), bar: { value_max: READY_MAX_S } });
        report.row({ name: 'the worst of these', value: Math.max(...ordered), unit: 's', peer: Math.max(...empty), bar: { value_max: READY_MAX_S } });
        report.row({ name: 'the same when the table is in no order, as after kill -9', value: mixed, unit: 's', bar: { value_max: READY_MAX_S } });
        report.row({ name: 'memory of the index, an object', value: bytes / count, unit: 'bytes', bar: { value_max: INDEX_MAX_BYTES } });
        report.note('the peer is the same nginx with the same memory and nothing in files; two workers; what is read is in the page cache of the system');
        const [, read] = /has \d+ objects in files, read in (\d+) ms/.exec(place.read('log/edge.error.log').split('\n').filter((line) => /objects in files/.test(line)).at(-1));
        report.note(`nginx says of the last start that it read the table in ${read} ms`);
    } finally {
        origin.close();
        origin.closeAllConnections();
    }
}

const isHit = ({ headers }) => /hit/.test(headers['cache-status'] ?? '');

function startOrigin() {
    const origin = http.createServer((request, response) => {
        response.writeHead(200, { 'cache-control': 'max-age=86400' });
        response.end('x'.repeat(4096));
    });
    return new Promise((resolve) => origin.listen(0, '127.0.0.1', () => resolve(origin)));
}

function conf({ place, count, port, folder }, origin) {
    const load = ['core', 'cache', 'status'].map((name) => `load_module ${modulePath(`ngx_http_bell_${name}_module`)};`).join('\n');
    return `${load}
daemon off;
pid ${place.path('pid/edge.pid')};
error_log ${place.path('log/edge.error.log')} notice;
worker_processes 2;
events { worker_connections 512; }
http {
    ${tempPaths(place)}
    access_log off;
    bell_cache_zone zone=main:512m path=${folder} disk=100g files=${count};
    server {
        listen 127.0.0.1:${port};
        location / { bell_cache main; proxy_pass http://127.0.0.1:${origin}; }
        location = /figures { bell_status json; }
    }
}
`;
}

/** So many starts, the seconds of each; the last edge stays. */
async function repeat(rounds, start) {
    const seconds = [];
    for (let round = 0; round < rounds; round++) seconds.push(await start());
    return seconds;
}

/** Starts it, when it has ended; seconds until the answer is so. */
async function begins(edge, is) {
    await ends(edge);
    const began = performance.now();
    edge.program = edge.place.start('edge', [nginxProgram(), '-p', `${edge.place.dir}/`, '-c', edge.conf, '-e', edge.place.path('log/edge.error.log')], { stopSignal: 'SIGQUIT' });
    for (;;) {
        edge.place.assertRunning(edge.program);
        const reply = await ask(edge.port, '/a').catch(() => undefined);
        if (reply && reply.status === 200 && is(reply)) return (performance.now() - began) / 1000;
        await new Promise((resolve) => setTimeout(resolve, 2));
    }
}

async function ends(edge) {
    if (!edge.program) return;
    await waitFor('a record of the object', () => readFileSync(`${edge.folder}/index`).subarray(128, 256).some((byte) => byte !== 0));
    await edge.place.stopProgram(edge.program);
    edge.program = undefined;
}

async function indexBytes(edge) {
    const { text } = await ask(edge.port, '/figures');
    const [, bytes] = /"firstbell_cache_file_index_bytes"[^0-9-]*?(\d+)(?![^}]*:\s*")/.exec(text) ?? [];
    if (!bytes) throw new Error(`there is no firstbell_cache_file_index_bytes in ${text.slice(0, 2000)}`);
    return Number(bytes);
}

function ask(port, path) {
    return new Promise((resolve, reject) => {
        const request = http.get({ host: '127.0.0.1', port, path, agent: false }, async (response) => {
            let text = '';
            for await (const chunk of response) text += chunk;
            resolve({ status: response.statusCode, headers: response.headers, text });
        });
        request.on('error', reject);
    });
}
