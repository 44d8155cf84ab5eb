// Other caches as peers: Varnish, HAProxy and Apache Traffic Server, each in the foreground, in folders of the place, on a port of the loopback address.
// Each start gives {name, port, pids}, `pids` being a function: all processes whose CPU it costs. Throws a sentence when the peer is not installed.

import { copyFileSync, existsSync, readFileSync, readdirSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';

import { checkout, fill } from '../../tests/lib/app.mjs';
import { freePort } from '../../tests/lib/place.mjs';
import { testUser } from '../../tests/lib/run.mjs';
import { waitFor } from '../../tests/lib/wait.mjs';
import { family } from './process.mjs';

const ROOM_MB = 256; // each keeps what it stores in so much memory

/** The default VCL: what may be stored and for how long is what the origin says. `settings` are its parameters (-p); with `core` it keeps to that one. */
export async function startVarnish(place, { origin, core, settings = {} }) {
    const argv = ['-F', '-a', `127.0.0.1:@PORT@`, '-b', `127.0.0.1:${origin}`, '-n', place.path('varnish'), '-s', `malloc,${ROOM_MB}m`];
    for (const [name, value] of Object.entries(settings)) argv.push('-p', `${name}=${value}`);
    return start(place, { name: 'Varnish', debian: 'varnish', program: '/usr/sbin/varnishd', argv, core });
}

/** load/peers/haproxy/KIND.cfg.in. `values` are further words of it: {NAME: text}; `name` tells several of a kind apart. */
export async function startHaproxy(place, kind, { origin, core, name = kind, values = {} }) {
    const port = await freePort();
    const text = configured(`haproxy/${kind}.cfg.in`, { PORT: port, ORIGIN: origin, ROOM_MB, ...values });
    const argv = ['-db', '-f', place.write(`conf/haproxy-${name}.cfg`, text)];
    return start(place, { name: `HAProxy, ${name}`, debian: 'haproxy', program: '/usr/sbin/haproxy', argv, core, port });
}

const TRAFFICSERVER = '/etc/trafficserver';

/** The distribution's configuration, copied, with its folders moved (runroot.yaml), one thread, no log, and one rule that maps all to the origin. */
export async function startTrafficserver(place, { origin, core }) {
    const port = await freePort();
    const home = place.folder('trafficserver');
    for (const folder of ['etc', 'run', 'log', 'cache']) place.folder(`trafficserver/${folder}`);
    for (const entry of existsSync(TRAFFICSERVER) ? readdirSync(TRAFFICSERVER, { withFileTypes: true }) : []) {
        if (entry.isFile()) copyFileSync(path.join(TRAFFICSERVER, entry.name), path.join(home, 'etc', entry.name));
    }
    place.write('trafficserver/etc/remap.config', `map / http://127.0.0.1:${origin}/\n`);
    place.write('trafficserver/etc/storage.config', `${home}/cache ${ROOM_MB}M\n`);
    const runroot = place.write('trafficserver/runroot.yaml', configured('trafficserver/runroot.yaml.in', { HOME: home }));
    const env = {
        PROXY_CONFIG_HTTP_SERVER_PORTS: `${port}:ip-in=127.0.0.1`,
        PROXY_CONFIG_ADMIN_USER_ID: `#${testUser.uid}`,
        PROXY_CONFIG_EXEC_THREAD_AUTOCONFIG: '0',
        PROXY_CONFIG_EXEC_THREAD_LIMIT: '1',
        PROXY_CONFIG_CACHE_RAM_CACHE_SIZE: `${ROOM_MB}M`,
        PROXY_CONFIG_LOG_LOGGING_ENABLED: '0',
    };
    return start(place, { name: 'Traffic Server', debian: 'trafficserver', program: '/usr/bin/traffic_server', argv: [`--run-root=${runroot}`], env, core, port });
}

async function start(place, { name, debian, program, argv, env, core, port }) {
    if (!existsSync(program)) throw new Error(`${debian} is not installed (auto/deps load)`);
    const own = port ?? await freePort();
    const pinned = core === undefined ? [] : ['taskset', '-c', String(core)];
    const words = argv.map((word) => word.replace('@PORT@', own));
    const started = place.start(name.replaceAll(/\W+/g, '-').toLowerCase(), [...pinned, program, ...words], { env });
    await waitFor(`${name} to answer`, () => {
        place.assertRunning(started);
        return answers(own);
    });
    return { name, port: own, pids: () => family(started.child.pid) };
}

const answers = (port) =>
    new Promise((resolve) => {
        const request = http.get({ host: '127.0.0.1', port, path: '/', agent: false }, (response) => response.resume().on('end', () => resolve(true)));
        request.on('error', () => resolve(false));
    });

const configured = (file, values) => fill(readFileSync(path.join(checkout, 'load/peers', file), 'utf8'), values);
