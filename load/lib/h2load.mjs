// A client for HTTP/2 over TLS 1.3: h2load, of Debian's nghttp2-client.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';

import { CONNECTIONS, keepToSecondCore } from './edge-worker.mjs';
import { cpuMicroseconds } from './process.mjs';

const H2LOAD = '/usr/bin/h2load';
const AT_ONCE = 8; // requests of a connection
const SECONDS = 2;

export const hasH2load = existsSync(H2LOAD);
export const WHY_NO_H2LOAD = 'nghttp2-client is not installed (auto/deps load)';

/** Microseconds of CPU a request, handshakes among it. `targets` is a file of addresses, one a line; all are of one host. */
export async function h2Microseconds({ name, port, pids }, { targets, host, headers = [] }) {
    keepToSecondCore();
    const before = cpuMicroseconds(pids);
    const fields = [`:authority: ${host}`, ...headers].flatMap((field) => ['-H', field]);
    const argv = ['-c', CONNECTIONS, '-m', AT_ONCE, '-t', 1, '-D', SECONDS, '-B', `https://127.0.0.1:${port}`, '-i', targets, ...fields];
    const said = await run(argv.map(String));
    const used = cpuMicroseconds(pids) - before;
    const number = (pattern) => Number(pattern.exec(said)?.[1] ?? NaN);
    const [done, good] = [number(/requests: .* (\d+) done/), number(/status codes: (\d+) 2xx/)];
    if (!/Application protocol: h2/.test(said) || !/TLS Protocol: TLSv1\.3/.test(said)) throw new Error(`${name} did not speak HTTP/2 over TLS 1.3:\n${said}`);
    if (!(done > 0) || done !== good) throw new Error(`${name} answered ${good} of ${done} well:\n${said}`);
    return used / done;
}

function run(argv) {
    return new Promise((resolve, reject) => {
        const child = spawn(H2LOAD, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
        let said = '';
        for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (said += bytes));
        child.on('error', reject);
        child.on('close', (code) => (code === 0 ? resolve(said) : reject(new Error(`h2load ended with ${code}:\n${said}`))));
    });
}
