// What a request costs in the one worker of an nginx, and what a browser sends with it.

import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

import { httpLoad } from './generator.mjs';
import { cpuMicroseconds } from './process.mjs';

export const CONNECTIONS = 48;

/** Header lines of a request file. */
export const BROWSER = [
    'User-Agent: Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36',
    'Accept: */*', 'Accept-Encoding: gzip, deflate, br', 'Accept-Language: en-US,en;q=0.9',
].join('\t');

/** Microseconds of CPU a request, of the worker alone (or of `pids`), over a second, the requests in turn from the one with number `from`. The load keeps
 *  to another core, where there is one. */
export async function workerMicroseconds({ name, port, worker, pids = [worker] }, requests, round, from = 0) {
    keepToSecondCore();
    const before = cpuMicroseconds(pids);
    const out = await httpLoad(['--to', port, '--connections', CONNECTIONS, '--seconds', 1, '--requests', requests, '--seed', round + 1, '--from', from].map(String));
    if (out.good !== out.answered || out.errors > 0) throw new Error(`${name} answered ${out.good} of ${out.answered} well, ${out.errors} connections broke`);
    return (cpuMicroseconds(pids) - before) / out.answered;
}

/** This process and those that it starts from now on, where there is a second core. */
export function keepToSecondCore() {
    if (availableParallelism() > 1) execFileSync('taskset', ['-p', '-c', '1', String(process.pid)], { stdio: 'ignore' });
}
