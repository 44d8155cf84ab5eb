// What a hit costs: an object from the cache, with the tenant told apart and its address checked, beside the same bytes as a static file of nginx, from
// nginx's own cache, behind a check in Lua, and from other caches. One worker, thread or process on one core, the load on the other.

import { createHmac } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import http from 'node:http';

import { freePort } from '../../tests/lib/place.mjs';
import { children } from '../../tests/lib/run.mjs';
import { http2Words, makeCertificate, modulePath, startNginx, tempPaths } from '../../tests/lib/server-nginx.mjs';
import { publish, snapshot, tenant } from '../../tests/edge/support.mjs';
import { BROWSER, workerMicroseconds } from '../lib/edge-worker.mjs';
import { httpLoad } from '../lib/generator.mjs';
import { h2Microseconds, hasH2load, WHY_NO_H2LOAD } from '../lib/h2load.mjs';
import { startHaproxy, startTrafficserver, startVarnish } from '../lib/peer-cache.mjs';
import { hasLua, LUA_CHECK, LUA_MODULES, luaHttp, signQuery, WHY_NO_LUA } from '../lib/peer-lua.mjs';
import { median } from '../lib/report.mjs';
import { playRounds } from '../lib/rounds.mjs';

export const title = 'a hit of the cache, with all checks: CPU a request beside a static file, proxy_cache, Lua, Varnish, HAProxy and Traffic Server';

const TENANTS = 100;
const ADDRESSES = 512;
const FEW_ADDRESSES = 64; // of 200 KiB, so that all fit wherever they are kept; over HTTP/2, where each connection asks for all of them in turn
const HEX = 'aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899';
const UNTIL = Math.floor(Date.now() / 1000) + 86_400;
const CORE = 0; // of whoever serves
const SIZES = { '4 KiB': 4096, '200 KiB': 204_800 };
const OVER_TLS = '4 KiB over HTTP/2 and TLS 1.3';
const TLS_COST_MAX = 8; // percent
const FILL_TRIES = 5;
const SENDS_AGE = /^(ours|Varnish|HAProxy|Traffic Server)/;

const signPath = ({ id }, file) => {
    const head = `v1.p1.${id}..${UNTIL}.${Buffer.from('42').toString('base64url')}.`;
    const signature = createHmac('sha256', Buffer.from(HEX, 'hex')).update(`firstbell path token\n\n/films/\n${head}`).digest('base64url');
    return `/films/bell-token=${head}.${signature}/${file}`;
};
const signedQuery = (_, file) => signQuery(HEX, UNTIL, `/films/${file}`);
const plain = (_, file) => `/films/${file}`;

const OURS = 'bell_signed path; bell_cache hits; proxy_pass http://origin;';
const PROXY_CACHE = 'proxy_cache cache; proxy_cache_key $server_port$host$uri; proxy_cache_valid 200 1d; proxy_pass http://origin;';
const staticFile = (place, file) => `root ${place.path('origin')}; try_files /${file} =404;`;
const openedStaticFile = (place, file) => `open_file_cache off; ${staticFile(place, file)}`;
/** A word of nginx's configuration has fewer than 4096 bytes. */
const fromMemory = (_, file) => `set $quarter ${'x'.repeat(Number(/-(\d+)\./.exec(file)[1]) / 4)}; return 200 $quarter$quarter$quarter$quarter;`;

const FROM_MEMORY = 'nginx itself, from its configuration'; // what nobody who is its module can cost less than
const KEPT_OPEN = 'a static file, open_file_cache';
const LUA = 'Lua, HMAC-SHA256 through ffi, and proxy_cache';
const HAPROXY_HMAC = 'HAProxy, HMAC-SHA256 and its cache';

/** Each way: how an address is made, and what answers it, a location of the nginx or a peer that is started. */
const ways = {
    ours: { sign: signPath, tenants: true, location: () => OURS },
    'ours, without checks': { sign: plain, location: () => 'bell_cache hits; proxy_pass http://origin;' },
    [FROM_MEMORY]: { sign: plain, sizes: ['4 KiB'], location: fromMemory },
    'a static file': { sign: plain, location: openedStaticFile },
    [KEPT_OPEN]: { sign: plain, location: staticFile },
    proxy_cache: { sign: plain, location: () => PROXY_CACHE },
    [LUA]: { sign: signedQuery, location: () => `${LUA_CHECK} ${PROXY_CACHE}`, why: !hasLua && WHY_NO_LUA },
    Varnish: { sign: plain, start: (place, origin) => startVarnish(place, { origin, core: CORE, settings: { thread_pools: 1 } }) },
    HAProxy: { sign: plain, start: (place, origin) => startHaproxy(place, 'plain', { origin, core: CORE }) },
    [HAPROXY_HMAC]: { sign: signedQuery, start: (place, origin) => startHaproxy(place, 'hmac', { origin, core: CORE, values: { KEYS: place.path('conf/keys.map') } }) },
    'Traffic Server': { sign: plain, start: (place, origin) => startTrafficserver(place, { origin, core: CORE }) },
};

/** The bars: CPU of a request of the peer over ours. */
const BARS = {
    '4 KiB': { 'a static file': 1.25, [KEPT_OPEN]: 1.25, [LUA]: 2.6, Varnish: 2.2, HAProxy: 1.0, [HAPROXY_HMAC]: 2.0 },
    '200 KiB': { proxy_cache: 0.94, Varnish: 1.4 },
};

export async function play(place, report, { quick, say }) {
    const keys = [{ kid: 'p1', use: 'path', alg: 'hex', key: HEX }];
    const tenants = Array.from({ length: TENANTS }, (_, n) => tenant(n + 1, `district-${n}`, [`district-${n}.firstbell.example`], { keys }));
    publish(place, snapshot(1, tenants));
    place.write('conf/keys.map', tenants.map(({ hosts: [host] }) => `${host} ${Buffer.from(HEX, 'hex').toString('base64')}\n`).join(''));
    for (const bytes of Object.values(SIZES)) place.write(`origin/part-${bytes}.ts`, 'x'.repeat(bytes));
    chmodSync(place.path('origin'), 0o755);
    const { contenders, missing } = await start(place, tenants);
    const asked = () => readFileSync(place.path('log/origin.log'), 'utf8').length;
    for (const contender of contenders) await check(contender, asked);
    const rounds = quick ? 1 : 12;
    say(`${contenders.length} contenders, ${rounds} rounds`);
    const results = await playRounds(contenders, rounds, async (contender, round) => {
        const before = asked();
        const us = await contender.measure(round);
        if (asked() !== before) throw new Error(`${contender.name}, ${contender.size}: the origin was asked while hits were measured`);
        return us;
    });
    for (const size of Object.keys(SIZES)) addRows(report, size, contenders.filter((one) => one.size === size), results, missing);
    addTlsRows(report, contenders, results);
    report.note(`${ADDRESSES} addresses of ${TENANTS} tenants (${FEW_ADDRESSES} of 200 KiB, and over HTTP/2, there of one); ours, Varnish, HAProxy and Traffic Server send Age, ours Cache-Status as well`);
    report.note("a ratio is that of the CPU of a request, the peer's over ours, and the median of the rounds");
}

/** What is measured: {contenders: [{size, name, pids, measure, …}], missing: {name: why}}. */
async function start(place, tenants) {
    const missing = Object.fromEntries(Object.entries(ways).filter(([, { why }]) => why).map(([name, { why }]) => [name, why]));
    const contenders = [];
    for (const [size, bytes] of Object.entries(SIZES)) {
        for (const [name, way] of Object.entries(ways).filter(([one, { sizes = [size] }]) => !missing[one] && sizes.includes(size))) {
            contenders.push(contend(place, tenants, { size, bytes, name, way, port: way.start ? undefined : await freePort() }));
        }
    }
    for (const name of hasH2load ? [KEPT_OPEN, 'ours'] : []) contenders.push(contendOverTls(place, tenants[0], { name, port: await freePort() }));
    const origin = await freePort();
    const worker = await startEdge(place, contenders, tenants[0].hosts[0], origin);
    for (const one of contenders.filter(({ way }) => !way.start)) one.pids = () => [worker];
    for (const [name, way] of Object.entries(ways).filter(([, { start: starts }]) => starts)) {
        try {
            const { port, pids } = await way.start(place, origin);
            for (const one of contenders.filter((contender) => contender.way === way)) Object.assign(one, { port, pids });
        } catch (error) {
            missing[name] = error.message;
        }
    }
    return { contenders: contenders.filter(({ name }) => !missing[name]), missing };
}

function contend(place, tenants, { size, bytes, name, way, port }) {
    const questions = Array.from({ length: size === '4 KiB' ? ADDRESSES : FEW_ADDRESSES }, (_, i) => {
        const one = tenants[i % tenants.length];
        return { host: one.hosts[0], target: way.sign(one, `lesson-${i}-${bytes}.ts`) };
    });
    const lines = questions.map(({ host, target }) => `GET ${target}\tHost: ${host}\t${BROWSER}`);
    const requests = place.write(`requests-${name.replaceAll(/\W+/g, '-')}-${bytes}`, lines.join('\n'));
    const contender = { size, bytes, name, way, port, questions, requests };
    contender.measure = (round) => workerMicroseconds({ name: `${name}, ${size}`, port: contender.port, pids: contender.pids() }, requests, round);
    return contender;
}

function contendOverTls(place, one, { name, port }) {
    const bytes = SIZES['4 KiB'];
    const contender = contend(place, [one], { size: OVER_TLS, bytes, name, way: ways[name], port });
    const targets = place.write(`targets-${port}`, contender.questions.map(({ target }) => `https://127.0.0.1:${port}${target}`).join('\n'));
    const headers = BROWSER.split('\t');
    contender.measure = () => h2Microseconds({ name: `${name}, ${OVER_TLS}`, port, pids: contender.pids() }, { targets, host: one.hosts[0], headers });
    return contender;
}

/** Before anything is measured: everything is there, and a hit, with the right bytes and its age; a wrong signature is refused. */
async function check(contender, asked) {
    const { name, size, port, bytes, way, questions } = contender;
    const fail = (what) => {
        throw new Error(`${name}, ${size}: ${what}`);
    };
    if (!(await isFilled(contender, asked))) fail('it asks the origin again and again for what it should have');
    if (size === OVER_TLS) return;
    const before = asked();
    const { status, body, headers } = await get(port, questions[0]);
    if (status !== 200 || body !== 'x'.repeat(bytes)) fail(`${status} and ${body.length} bytes, expected 200 and ${bytes}`);
    if (asked() !== before) fail('no hit');
    if (SENDS_AGE.test(name) && !/^\d+$/.test(headers.age ?? '')) fail('a hit without Age');
    if (way.sign === plain) return;
    const wrong = await get(port, { ...questions[0], target: questions[0].target.replace(UNTIL, UNTIL + 1) });
    if (wrong.status !== 403) fail(`${wrong.status} for a wrong signature, expected 403`);
}

/** Asks for everything until nothing is fetched any more. */
async function isFilled({ measure, questions, port, requests, size }, asked) {
    const all = ['--to', port, '--connections', 8, '--total', questions.length, '--seconds', 30, '--requests', requests].map(String);
    for (let tries = 0; tries < FILL_TRIES; tries++) {
        const before = asked();
        await (size === OVER_TLS ? measure(0) : httpLoad(all));
        if (tries > 0 && asked() === before) return true;
    }
    return false;
}

function get(port, { host, target }) {
    return new Promise((resolve, reject) => {
        const request = http.get({ host: '127.0.0.1', port, path: target, headers: { Host: host }, agent: false }, (response) => {
            let body = '';
            response.setEncoding('latin1').on('data', (text) => (body += text));
            response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }));
        });
        request.on('error', reject);
    });
}

function addRows(report, size, contenders, results, missing) {
    const of = (name) => results.get(contenders.find((one) => one.name === name));
    for (const { name } of contenders) report.row({ name: `${size}: ${name}, CPU a request, best`, value: Math.min(...of(name)), unit: 'us' });
    for (const [peer, bar] of Object.entries(BARS[size])) {
        const name = `${size}: ours beside ${peer}`;
        if (missing[peer]) {
            report.row({ name, unit: 'us', why: missing[peer] });
            continue;
        }
        const theirs = of(peer);
        const ratio = median(of('ours').map((us, round) => theirs[round] / us));
        report.row({ name, value: median(of('ours')), unit: 'us', peer: median(theirs), ratio, bar: { ratio_min: bar } });
    }
}

function addTlsRows(report, contenders, results) {
    const name = `${OVER_TLS}: checks and cache cost more than a static file`;
    if (!hasH2load) {
        report.row({ name, unit: '%', why: WHY_NO_H2LOAD });
        return;
    }
    const [theirs, ours] = [KEPT_OPEN, 'ours'].map((one) => results.get(contenders.find((c) => c.size === OVER_TLS && c.name === one)));
    report.row({ name: `${OVER_TLS}: a static file, CPU a request, best`, value: Math.min(...theirs), unit: 'us' });
    report.row({ name: `${OVER_TLS}: ours, CPU a request, best`, value: Math.min(...ours), unit: 'us' });
    report.row({ name, value: median(ours.map((us, round) => (us / theirs[round] - 1) * 100)), unit: '%', bar: { value_max: TLS_COST_MAX } });
}

async function startEdge(place, contenders, tlsHost, origin) {
    const modules = [modulePath(), modulePath('ngx_http_bell_signed_module'), modulePath('ngx_http_bell_cache_module'), ...(hasLua ? LUA_MODULES : [])];
    const { certificate, key } = makeCertificate(place, [tlsHost]);
    const tls = `ssl_certificate ${certificate}; ssl_certificate_key ${key}; ssl_protocols TLSv1.3;`;
    const servers = contenders.filter(({ way }) => way.location).map(({ port, size, bytes, way }) => `server {
        listen 127.0.0.1:${port}${size === OVER_TLS ? ` ssl${http2Words()}; ${tls}` : ';'} ${way.tenants ? '' : 'bell_tenant off;'}
        location / { ${way.location(place, `part-${bytes}.ts`)} } }`);
    const conf = `${modules.map((file) => `load_module ${file};`).join('\n')}
worker_processes 1;
worker_cpu_affinity 01;
events { worker_connections 512; }
http {
    ${tempPaths(place)}
    access_log off;
    sendfile on;
    keepalive_requests 100000000;
    open_file_cache max=20000 inactive=1h;
    open_file_cache_valid 1h;
    proxy_cache_path ${place.path('cache')} keys_zone=cache:8m levels=1:2 inactive=1d use_temp_path=off;
    bell_directory zone=tenants:8m file=${place.path('directory.snapshot')} interval=1h;
    bell_tenant on;
    bell_signed_cache zone=signatures:16m;
    bell_signed_issuer path path;
    bell_cache_zone zone=hits:128m largest=64k path=${place.path('files')} disk=1g;
    ${hasLua ? luaHttp(HEX) : ''}
    upstream origin { server 127.0.0.1:${origin}; }
    ${servers.join('\n    ')}
    server {
        listen 127.0.0.1:${origin};
        bell_tenant off;
        access_log ${place.path('log/origin.log')};
        location ~ -(\\d+)\\.ts$ { root ${place.path('origin')}; try_files /part-$1.ts =404; add_header Cache-Control max-age=86400; }
    }
}
`;
    const nginx = await startNginx(place, { conf, port: contenders[0].port, name: 'edge', level: 'warn' });
    return children(nginx.program.child.pid)[0];
}
