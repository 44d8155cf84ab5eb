// What a hit costs: an object from the cache, with the tenant told apart and its address checked, beside the same bytes as a static file of nginx, from
// nginx's own cache, and behind a check in Lua. One worker on one core, the load on the other.

import { createHmac } from 'node:crypto';
import { chmodSync, existsSync } from 'node:fs';

import { freePort } from '../../tests/lib/place.mjs';
import { children } from '../../tests/lib/run.mjs';
import { modulePath, startNginx, tempPaths } from '../../tests/lib/server-nginx.mjs';
import { publish, snapshot, tenant } from '../../tests/edge/support.mjs';
import { BROWSER, workerMicroseconds } from '../lib/edge-worker.mjs';
import { median } from '../lib/report.mjs';
import { playRounds } from '../lib/rounds.mjs';

export const title = 'a hit of the cache, with all checks: CPU a request beside a static file, proxy_cache, and the Lua way';

const TENANTS = 100;
const ADDRESSES = 512;
const HEX = 'aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899';
const UNTIL = Math.floor(Date.now() / 1000) + 86_400;
const SIZES = { '4 KiB': 4096, '200 KiB': 204_800 };
const LUA_MODULES = ['/usr/lib/nginx/modules/ndk_http_module.so', '/usr/lib/nginx/modules/ngx_http_lua_module.so'];

const hmac = (text) => createHmac('sha256', Buffer.from(HEX, 'hex')).update(text);
const signed = ({ id }, file) => {
    const head = `v1.p1.${id}..${UNTIL}.${Buffer.from('42').toString('base64url')}.`;
    return `/films/bell-token=${head}.${hmac(`firstbell path token\n\n/films/\n${head}`).digest('base64url')}/${file}`;
};
const plain = (_, file) => `/films/${file}`;

const PROXY_CACHE = 'proxy_cache cache; proxy_cache_key $server_port$host$uri; proxy_cache_valid 200 1d; proxy_pass http://origin;';

/** Each way: how an address is made, and what answers it. */
const ways = {
    ours: { sign: signed, tenants: true, location: () => 'bell_signed path; bell_cache hits; proxy_pass http://origin;' },
    'ours, without checks': { sign: plain, location: () => 'bell_cache hits; proxy_pass http://origin;' },
    'a static file': { sign: plain, location: (place, file) => `root ${place.path('origin')}; try_files /${file} =404;` },
    proxy_cache: { sign: plain, location: () => `${PROXY_CACHE}` },
    'Lua, HMAC-SHA256 through ffi, and proxy_cache': {
        sign: (_, file) => `/films/${file}?token=${hmac(`${UNTIL}/films/${file}`).digest('hex')}&expires=${UNTIL}`,
        location: () => `access_by_lua_block { check() } ${PROXY_CACHE}`,
        lua: true,
    },
};

/** The bars: CPU of a request of the peer over ours. */
const BARS = { '4 KiB': { 'a static file': 1.25, 'Lua, HMAC-SHA256 through ffi, and proxy_cache': 2.6 }, '200 KiB': { proxy_cache: 0.94 } };

const LUA = `init_by_lua_block {
        local ffi = require "ffi"
        ffi.cdef [[
            typedef struct evp_md_st EVP_MD;
            const EVP_MD *EVP_sha256(void);
            unsigned char *HMAC(const EVP_MD *md, const void *key, int key_len, const unsigned char *d, size_t n, unsigned char *out, unsigned int *len);
            int CRYPTO_memcmp(const void *a, const void *b, size_t len);
        ]]
        local C, md, out, len, wanted = ffi.C, ffi.C.EVP_sha256(), ffi.new("unsigned char[32]"), ffi.new("unsigned int[1]"), ffi.new("unsigned char[32]")
        local key = ("${HEX}"):gsub("..", function(b) return string.char(tonumber(b, 16)) end)
        function check()
            local token, expires = ngx.var.arg_token, ngx.var.arg_expires
            if not token or #token ~= 64 or not expires or tonumber(expires) <= ngx.time() then return ngx.exit(403) end
            local text = expires .. ngx.var.uri
            C.HMAC(md, key, #key, text, #text, out, len)
            for i = 0, 31 do wanted[i] = tonumber(token:sub(2 * i + 1, 2 * i + 2), 16) or 0 end
            if C.CRYPTO_memcmp(out, wanted, 32) ~= 0 then return ngx.exit(403) end
        end
    }`;

export async function play(place, report, { quick, say }) {
    const keys = [{ kid: 'p1', use: 'path', alg: 'hex', key: HEX }];
    const tenants = Array.from({ length: TENANTS }, (_, n) => tenant(n + 1, `district-${n}`, [`district-${n}.firstbell.example`], { keys }));
    publish(place, snapshot(1, tenants));
    const hasLua = LUA_MODULES.every(existsSync);
    const rounds = quick ? 1 : 12;
    const contenders = [];
    for (const [size, bytes] of Object.entries(SIZES)) {
        place.write(`origin/part-${bytes}.ts`, 'x'.repeat(bytes));
        for (const [name, way] of Object.entries(ways)) {
            if (way.lua && !hasLua) continue;
            // objects of 200 KiB are few, so that all of them fit wherever they are kept
            const lines = Array.from({ length: bytes > 65_536 ? 64 : ADDRESSES }, (_, i) => {
                const one = tenants[i % TENANTS];
                return `GET ${way.sign(one, `lesson-${i}-${bytes}.ts`)}\tHost: ${one.hosts[0]}\t${BROWSER}`;
            });
            const requests = place.write(`requests-${contenders.length}`, lines.join('\n'));
            contenders.push({ size, bytes, name, way, port: await freePort(), requests });
        }
    }
    chmodSync(place.path('origin'), 0o755);
    const worker = await startEdge(place, contenders, hasLua);
    const measure = ({ name, size, port, requests }, round) => workerMicroseconds({ name: `${name}, ${size}`, port, worker }, requests, round);
    for (const contender of contenders) await measure(contender, 0); // each answer once, so that it is there
    say(`${contenders.length} contenders, ${rounds} rounds`);
    const results = await playRounds(contenders, rounds, measure);
    for (const size of Object.keys(SIZES)) addRows(report, size, contenders.filter((one) => one.size === size), results);
    report.note(`${ADDRESSES} addresses (64 of 200 KiB) of ${TENANTS} tenants; ours sends Age and Cache-Status`);
    report.note("a ratio is that of the CPU of a request, the peer's over ours, and the median of the rounds");
}

function addRows(report, size, contenders, results) {
    const of = (name) => results.get(contenders.find((one) => one.name === name));
    for (const { name } of contenders) report.row({ name: `${size}: ${name}, CPU a request, best`, value: Math.min(...of(name)), unit: 'us' });
    for (const [peer, bar] of Object.entries(BARS[size])) {
        const theirs = of(peer);
        if (!theirs) {
            report.row({ name: `${size}: ours beside ${peer}`, unit: 'x', why: 'libnginx-mod-http-lua is not installed (auto/deps load)' });
            continue;
        }
        const ratio = median(of('ours').map((us, round) => theirs[round] / us));
        report.row({ name: `${size}: ours beside ${peer}`, value: median(of('ours')), unit: 'us', peer: median(theirs), ratio, bar: { ratio_min: bar } });
    }
}

async function startEdge(place, contenders, hasLua) {
    const modules = [modulePath(), modulePath('ngx_http_bell_signed_module'), modulePath('ngx_http_bell_cache_module'), ...(hasLua ? LUA_MODULES : [])];
    const servers = contenders.map(({ port, bytes, way }) => `server { listen 127.0.0.1:${port}; ${way.tenants ? '' : 'bell_tenant off;'}
        location / { proxy_set_header Bytes ${bytes}; ${way.location(place, `part-${bytes}.ts`)} } }`);
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
    bell_cache_zone zone=hits:128m;
    ${hasLua ? LUA : ''}
    upstream origin { server unix:${place.path('sock/origin.sock')}; }
    ${servers.join('\n    ')}
    server {
        listen unix:${place.path('sock/origin.sock')};
        bell_tenant off;
        location / { root ${place.path('origin')}; try_files /part-$http_bytes.ts =404; add_header Cache-Control max-age=86400; }
    }
}
`;
    const nginx = await startNginx(place, { conf, port: contenders[0].port, name: 'edge', level: 'warn' });
    return children(nginx.program.child.pid)[0];
}
