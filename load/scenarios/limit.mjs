// What limits cost: three of them, by address, student and class, with a million keys in use, beside the same answer without. Beside us nginx's own
// limit_req, a bucket in Lua's shared dictionary, a script in Redis for each request, and HAProxy's tables. Two workers (threads). And how exact a budget
// is that four edges share.

import http from 'node:http';

import { freePort } from '../../tests/lib/place.mjs';
import { children } from '../../tests/lib/run.mjs';
import { modulePath, startNginx, tempPaths } from '../../tests/lib/server-nginx.mjs';
import { startRedis } from '../../tests/lib/server-redis.mjs';
import { publish, snapshot, tenant } from '../../tests/edge/support.mjs';
import { BROWSER, workerMicroseconds } from '../lib/edge-worker.mjs';
import { httpLoad } from '../lib/generator.mjs';
import { playEdges } from '../lib/limit-edges.mjs';
import { BURST, hasLuaRedis, LUA_DICT_CHECK, LUA_REDIS_CHECK, luaDictHttp, luaRedisHttp, startHaproxyTables, WHY_NO_LUA_REDIS } from '../lib/peer-limit.mjs';
import { hasLua, LUA_MODULES, WHY_NO_LUA } from '../lib/peer-lua.mjs';
import { median } from '../lib/report.mjs';
import { playRounds } from '../lib/rounds.mjs';

export const title = 'three limits with a million keys: CPU a request beside limit_req, Lua, Redis, HAProxy; a budget over four edges: how exact it is';

const ADDED_MAX_US = 0.5;
const WITH_FIELDS_MAX_US = 1.0;
const BYTES_A_KEY_MAX = 64;
const ROUNDS = 12;
const SAMPLE = 4000;
const TENANTS = 100;

const OURS = 'ours';
const FIELDS = 'ours, with RateLimit fields';
const BARE = 'nothing';
const REDIS = 'peer: Lua, a script in Redis';
const HAPROXY = 'peer: HAProxy, stick tables';
const HAPROXY_BARE = 'HAProxy, nothing';

/** What stands in the location, and the bar. */
const ways = {
    [BARE]: { check: '' },
    [OURS]: { check: 'bell_limit address student class;', bar: ADDED_MAX_US },
    [FIELDS]: { check: 'bell_limit address student class; bell_limit_headers on;', bar: WITH_FIELDS_MAX_US },
    'peer: limit_req': { check: ['addresses', 'students', 'classes'].map((zone) => `limit_req zone=${zone} burst=${BURST} nodelay;`).join(' ') },
    'peer: Lua, buckets in a shared dictionary': { check: LUA_DICT_CHECK, why: !hasLua && WHY_NO_LUA },
    [REDIS]: { check: LUA_REDIS_CHECK, why: !hasLua ? WHY_NO_LUA : !hasLuaRedis && WHY_NO_LUA_REDIS, redis: true },
};

export async function play(place, report, { quick, say }) {
    await playCosts(place, report, { quick, say });
    await playEdges(place, report, { quick, say });
}

async function playCosts(place, report, { quick, say }) {
    const people = quick ? 1000 : 333_334;
    const zoneKib = Math.ceil((people * 3 * 48) / 1024) + 256; // 48 bytes a key, and what stands before them
    const tenants = Array.from({ length: TENANTS }, (_, n) => tenant(n + 1, `district-${n}`, [`district-${n}.firstbell.example`]));
    publish(place, snapshot(1, tenants));
    const requests = writeRequests(place, people, tenants);
    const played = Object.entries(ways).filter(([, { why }]) => !why).map(([name]) => name);
    const contenders = await start(place, played, zoneKib, people * 3);
    for (const contender of contenders.filter(({ name }) => name !== BARE && name !== HAPROXY_BARE && name !== FIELDS)) await fill(contender, requests, people);
    const remembered = await countRemembered(contenders.find(({ name }) => name === FIELDS).port, people, tenants);
    const rounds = quick ? 1 : ROUNDS;
    say(`${people * 3} keys, ${contenders.length} contenders, ${rounds} rounds`);
    const results = await playRounds(contenders, rounds, (contender, round) => workerMicroseconds(contender, requests, round, Math.floor((round * people) / rounds)));
    const of = (name) => results.get(contenders.find((one) => one.name === name));
    for (const [name, { why, bar }] of Object.entries(ways).filter(([one]) => one !== BARE)) addRows(report, name, of(BARE), why ? null : of(name), { why, bar });
    addRows(report, HAPROXY, of(HAPROXY_BARE), of(HAPROXY), { why: contenders.why });
    report.row({ name: 'memory of a key that is in use', value: (zoneKib * 1024) / (people * 3), unit: 'bytes', bar: { value_max: BYTES_A_KEY_MAX } });
    report.row({ name: `of ${SAMPLE} people asked for again, those of whom all three keys were known`, value: (remembered / SAMPLE) * 100, unit: '%' });
    report.note(`three limits, ${people * 3} keys in use, two workers or threads (Redis, where there is one, counts as well); each round asks from another place in them`);
}

/** One line for each person: an address, a student and a class of his own, in an order that no cache line knows. */
function writeRequests(place, people, tenants) {
    const lines = Array.from({ length: people }, (_, i) => person((i * 7919) % people, tenants));
    return place.write('requests', lines.map(({ host, headers }) => `GET /lesson/7/part/12.ts\tHost: ${host}\t${headers.join('\t')}\t${BROWSER}`).join('\n'));
}

function person(n, tenants) {
    const address = `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
    return { host: tenants[n % tenants.length].hosts[0], headers: [`X-Real-IP: ${address}`, `X-Student: student-${n}`, `X-Class: class-${n}`] };
}

/** Each person once. */
async function fill({ name, port }, requests, people) {
    const out = await httpLoad(['--to', port, '--connections', 32, '--total', people, '--seconds', 300, '--requests', requests].map(String));
    if (out.good !== people) throw new Error(`${name}: ${out.good} of ${people} were answered well when the keys were made`);
}

/** How many people's second request was counted as that, by all three limits. Everybody has asked once. */
async function countRemembered(port, people, tenants) {
    let count = 0;
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < SAMPLE; i++) {
        const { host, headers } = person((i * 104_729) % people, tenants);
        const fields = { Host: host, ...Object.fromEntries(headers.map((line) => line.split(': '))) };
        const told = await new Promise((resolve, reject) => {
            http.get({ host: '127.0.0.1', port, path: '/lesson', headers: fields, agent }, (response) => response.resume().on('end', () => resolve(response.headers.ratelimit ?? '')))
                .on('error', reject);
        });
        const left = [...told.matchAll(/;r=(\d+)/g)].map(([, r]) => Number(r));
        if (left.length !== 3) throw new Error(`RateLimit has not three limits: "${told}"`);
        if (left.every((r) => r < BURST)) count++;
    }
    agent.destroy();
    return count;
}

async function start(place, played, zoneKib, keys) {
    const contenders = [];
    for (const name of played) contenders.push({ name, port: await freePort() });
    const redis = played.includes(REDIS) ? await startRedis(place) : null;
    const nginx = await startNginx(place, { conf: edgeConf(place, contenders, { zoneKib, keys, redis }), port: contenders[0].port, name: 'edge', level: 'warn' });
    const workers = children(nginx.program.child.pid);
    for (const one of contenders) one.pids = ways[one.name].redis ? [...workers, redis.program.child.pid] : workers;
    try {
        for (const [name, limited] of [[HAPROXY_BARE, false], [HAPROXY, true]]) {
            const { port, pids } = await startHaproxyTables(place, limited, keys);
            contenders.push({ name, port, pids: pids() });
        }
    } catch (error) {
        contenders.why = error.message;
    }
    return contenders;
}

function edgeConf(place, contenders, { zoneKib, keys, redis }) {
    const zone = (name, key) => `limit_req_zone ${key} zone=${name}:${Math.ceil((keys / 3) * 192 / 2 ** 20) + 1}m rate=1r/m;`;
    const modules = [modulePath(), modulePath('ngx_http_bell_limit_module'), ...(hasLua ? LUA_MODULES : [])];
    return `${modules.map((file) => `load_module ${file};`).join('\n')}
worker_processes 2;
worker_cpu_affinity 01 10;
events { worker_connections 512; }
http {
    ${tempPaths(place)}
    access_log off;
    keepalive_requests 100000000;
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Real-IP;
    bell_directory zone=tenants:8m file=${place.path('directory.snapshot')} interval=1h;
    bell_tenant on;
    bell_limit_zone zone=limits:${zoneKib}k;
    bell_limit_policy address rate=1/h burst=${BURST} by=address;
    bell_limit_policy student rate=1/h burst=${BURST} key=$http_x_student;
    bell_limit_policy class rate=1/h burst=${BURST} key=$http_x_class;
    limit_req_status 429;
    ${zone('addresses', '$binary_remote_addr')}
    ${zone('students', '$http_x_student')}
    ${zone('classes', '$http_x_class')}
    ${hasLua ? luaDictHttp(keys) : ''}
    ${redis ? luaRedisHttp(redis.socket) : ''}
    ${contenders.map(({ name, port }) => `server { listen 127.0.0.1:${port}; location / { ${ways[name].check} empty_gif; } }`).join('\n    ')}
}
`;
}

function addRows(report, name, bare, limited, { why, bar }) {
    if (!limited) {
        report.row({ name: `${name}: three limits add`, unit: 'us', why });
        return;
    }
    report.row({ name: `${name}: three limits add, best of each`, value: Math.min(...limited) - Math.min(...bare), unit: 'us', ...(bar && { bar: { value_max: bar } }) });
    report.row({ name: `${name}: three limits add, median of the rounds`, value: median(limited.map((us, i) => us - bare[i])), unit: 'us' });
}
