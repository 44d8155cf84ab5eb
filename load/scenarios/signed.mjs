// What it costs to check signed requests: an object of 4 KiB from nginx's own cache, asked for by addresses that are signed, with the check and without.
// Beside us the ways that nginx users have: secure_link (MD5), and an HMAC-SHA256 in Lua. One worker on one core, the load on the other.

import { createHash, createHmac, createSign, generateKeyPairSync } from 'node:crypto';
import { chmodSync } from 'node:fs';

import { freePort } from '../../tests/lib/place.mjs';
import { children } from '../../tests/lib/run.mjs';
import { modulePath, startNginx, tempPaths } from '../../tests/lib/server-nginx.mjs';
import { startRedis } from '../../tests/lib/server-redis.mjs';
import { parseExposition, value } from '../../tests/edge/exposition.mjs';
import { ask, publish, snapshot, tenant } from '../../tests/edge/support.mjs';
import { BROWSER, workerMicroseconds } from '../lib/edge-worker.mjs';
import { hasLua, LUA_CHECK, LUA_MODULES, luaHttp, signQuery, WHY_NO_LUA } from '../lib/peer-lua.mjs';
import { median } from '../lib/report.mjs';
import { playRounds } from '../lib/rounds.mjs';

export const title = 'checking signed addresses: CPU a request beside the same answer unchecked, secure_link, and an HMAC in Lua';

const ADDED_MAX_US = 2.0;
const TENANTS = 100;
const ADDRESSES = 512;
const EVENT = 'an access event, behind such a token';
const HEX = 'aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899';
const UNTIL = Math.floor(Date.now() / 1000) + 86_400;

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const hmac = (text) => createHmac('sha256', Buffer.from(HEX, 'hex')).update(text);

const signPath = ({ id }, file) => {
    const head = `v1.p1.${id}..${UNTIL}.${Buffer.from('42').toString('base64url')}.`;
    return `/films/bell-token=${head}.${hmac(`firstbell path token\n\n/films/\n${head}`).digest('base64url')}/${file}`;
};

/** Each way: how an address is signed, what checks it, beside what (nothing, unless `beside` says what), and the bar. */
const ways = {
    'CloudFront, RSA-2048, known signature': {
        sign: ({ hosts: [host] }, file) => {
            const policy = `{"Statement":[{"Resource":"http://${host}/films/${file}","Condition":{"DateLessThan":{"AWS:EpochTime":${UNTIL}}}}]}`;
            const signature = createSign('sha1').update(policy).sign(privateKey, 'base64').replaceAll('+', '-').replaceAll('=', '_').replaceAll('/', '~');
            return `/films/${file}?Expires=${UNTIL}&Signature=${signature}&Key-Pair-Id=n1`;
        },
        check: 'bell_signed cloudfront;',
        bar: { value_max: ADDED_MAX_US },
    },
    'our token in the path, HMAC-SHA256': {
        sign: signPath,
        check: 'bell_signed path;',
        bar: { value_max: ADDED_MAX_US },
    },
    'Akamai, HMAC-SHA256': {
        sign: (_, file) => {
            const body = `exp=${UNTIL}~acl=/films/*`;
            return `/films/${file}?__token__=${body}~hmac=${hmac(body).digest('hex')}`;
        },
        check: 'bell_signed akamai;',
        bar: { value_max: ADDED_MAX_US },
    },
    [EVENT]: { sign: signPath, beside: 'bell_signed path;', check: 'bell_signed path; bell_access_events on;' },
    'peer: secure_link, MD5': {
        sign: (_, file) => `/films/${file}?md5=${createHash('md5').update(`${UNTIL}/films/${file} secret`).digest('base64url')}&expires=${UNTIL}`,
        check: 'secure_link $arg_md5,$arg_expires; secure_link_md5 "$secure_link_expires$uri secret"; if ($secure_link != "1") { return 403; }',
        peer: true,
    },
    'peer: Lua, HMAC-SHA256 through ffi': {
        sign: (_, file) => signQuery(HEX, UNTIL, `/films/${file}`),
        check: LUA_CHECK,
        peer: true,
        lua: true,
    },
};

export async function play(place, report, { quick, say }) {
    const keys = [
        { kid: 'n1', use: 'cloudfront', alg: 'public', key: publicKey.export({ type: 'spki', format: 'pem' }) },
        { kid: 'p1', use: 'path', alg: 'hex', key: HEX },
        { kid: 'a1', use: 'akamai', alg: 'hex', key: HEX },
    ];
    const tenants = Array.from({ length: TENANTS }, (_, n) => tenant(n + 1, `district-${n}`, [`district-${n}.firstbell.example`], { keys }));
    publish(place, snapshot(1, tenants));
    place.write('origin/part.ts', 'x'.repeat(4096));
    chmodSync(place.path('origin'), 0o755);
    const played = Object.entries(ways).filter(([, { lua }]) => !lua || hasLua);
    const { worker, ports, metrics } = await startEdge(place, played);
    const contenders = played.flatMap(([name, { sign }], way) => {
        const lines = Array.from({ length: ADDRESSES }, (_, i) => {
            const one = tenants[i % TENANTS];
            return `GET ${sign(one, `lesson-${i}.ts`)}\tHost: ${one.hosts[0]}\t${BROWSER}`;
        });
        const requests = place.write(`requests-${way}`, lines.join('\n'));
        return ['without', 'with'].map((which) => ({ name, which, port: ports[way][which], requests }));
    });
    const measure = ({ name, which, port, requests }, round) => workerMicroseconds({ name: `${name} ${which}`, port, worker }, requests, round);
    for (const contender of contenders) await measure(contender, 0); // each answer and each signature once
    say(`${contenders.length} contenders, ${quick ? 1 : 16} rounds`);
    const results = await playRounds(contenders, quick ? 1 : 16, measure);
    for (const [name, way] of Object.entries(ways)) addRows(report, name, way, contenders, results);
    const { text } = await ask(metrics, 'metrics');
    const events = (result) => value(parseExposition(text), 'firstbell_access_events_total', { result }) ?? 0;
    const dropped = ['full', 'share', 'refused', 'exit', 'unfit'].reduce((sum, why) => sum + events(`dropped_${why}`), 0);
    report.row({ name: 'access events that Redis took, of all', value: (events('sent') / (events('sent') + dropped)) * 100, unit: '%' });
    report.note(`an object of 4 KiB from nginx's cache (proxy_cache, open files kept), ${ADDRESSES} addresses of ${TENANTS} tenants, whose keys are in the directory; the same ` +
        'signed addresses with the check and without, one worker, tenants told apart in both; each signature verified once before');
}

function addRows(report, name, { bar, peer }, contenders, results) {
    const [plain, checked] = ['without', 'with'].map((which) => contenders.find((one) => one.name === name && one.which === which)).map((one) => results.get(one));
    if (!plain) {
        report.row({ name: `${name}: adds`, unit: 'us', why: WHY_NO_LUA });
        return;
    }
    report.row({ name: `${name}: CPU a request without it, best`, value: Math.min(...plain), unit: 'us' });
    report.row({ name: `${name}: adds, best of each`, value: Math.min(...checked) - Math.min(...plain), unit: 'us', ...(!peer && { bar }) });
    report.row({ name: `${name}: adds, median of the rounds`, value: median(checked.map((us, i) => us - plain[i])), unit: 'us' });
}

async function startEdge(place, played) {
    const ports = [];
    const servers = [];
    for (const [, { check, beside = '' }] of played) {
        const pair = { without: await freePort(), with: await freePort() };
        ports.push(pair);
        servers.push(serverConf(place, pair.without, beside), serverConf(place, pair.with, check));
    }
    const metrics = await freePort();
    const redis = await startRedis(place);
    const ours = ['core', 'signed', 'events', 'status'].map((name) => modulePath(`ngx_http_bell_${name}_module`));
    const modules = [...ours, ...(hasLua ? LUA_MODULES : [])];
    const conf = `${modules.map((file) => `load_module ${file};`).join('\n')}
worker_processes 1;
worker_cpu_affinity 01;
events { worker_connections 512; }
http {
    ${tempPaths(place)}
    access_log off;
    keepalive_requests 100000000;
    open_file_cache max=20000 inactive=1h;
    open_file_cache_valid 1h;
    proxy_cache_path ${place.path('cache')} keys_zone=cache:8m levels=1:2 inactive=1d use_temp_path=off;
    bell_directory zone=tenants:8m file=${place.path('directory.snapshot')} interval=1h;
    bell_tenant on;
    bell_signed_cache zone=signatures:16m;
    bell_access_events_redis unix:${redis.socket};
    bell_signed_issuer cloudfront cloudfront;
    bell_signed_issuer path path;
    bell_signed_issuer akamai akamai;
    ${hasLua ? luaHttp(HEX) : ''}
    ${servers.join('\n    ')}
    server { listen 127.0.0.1:${metrics}; bell_tenant off; location / { bell_status; } }
    server { listen unix:${place.path('sock/origin.sock')}; bell_tenant off; location / { root ${place.path('origin')}; try_files /part.ts =404; add_header Cache-Control max-age=86400; } }
}
`;
    const nginx = await startNginx(place, { conf, port: ports[0].without, name: 'edge', level: 'warn' });
    const [worker] = children(nginx.program.child.pid);
    return { worker, ports, metrics };
}

function serverConf(place, port, check) {
    return `server {
        listen 127.0.0.1:${port};
        location / {
            ${check}
            proxy_cache cache;
            proxy_cache_key $server_port$host$uri;
            proxy_cache_valid 200 1d;
            proxy_pass http://unix:${place.path('sock/origin.sock')};
        }
    }`;
}
