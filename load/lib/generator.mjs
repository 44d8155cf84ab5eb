// Runs http_load, and says what the servers and the database spent meanwhile.

import { spawn } from 'node:child_process';
import path from 'node:path';

import { build, checkout } from '../../tests/lib/app.mjs';
import { cpuMicroseconds, family } from './process.mjs';

/** One phase: {answered, per_second, p50_us, …} of http_load with `cpu` and `database_cpu`, microseconds a request. A connection that breaks, an
 *  answer that is not 2xx or none at all makes it fail, for a figure of half a service says nothing. */
export async function measure({ server, database, requests, connections, seconds, rate, contextKey, tenant, seed = 1 }) {
    const args = ['--to', `unix:${server.socket}`, '--connections', connections, '--seconds', seconds, '--requests', requests, '--seed', seed];
    if (rate) args.push('--rate', rate);
    if (contextKey) args.push('--context-key', contextKey, '--tenant', tenant);
    const before = spent(server, database);
    const out = await httpLoad(args.map(String));
    const after = spent(server, database);
    if (out.answered === 0 || out.good !== out.answered || out.errors > 0 || out.unanswered > 0 || out.unsent > 0) {
        const counts = ['answered', 'good', 'errors', 'due', 'unsent', 'unanswered'].map((name) => `${name} ${out[name]}`);
        throw new Error(`${server.name} at ${connections} connections did not answer all: ${counts.join(', ')}`);
    }
    return { ...out, cpu: (after.server - before.server) / out.answered, database_cpu: (after.database - before.database) / out.answered };
}

function spent(server, database) {
    return { server: cpuMicroseconds(family(server.pid)), database: cpuMicroseconds(family(database)) };
}

/** Runs http_load; gives what it printed. */
export function httpLoad(args) {
    return new Promise((resolve, reject) => {
        const child = spawn(path.join(checkout, build, 'http_load'), args, { stdio: ['ignore', 'pipe', 'pipe'] });
        const parts = { out: '', err: '' };
        child.stdout.on('data', (bytes) => (parts.out += bytes));
        child.stderr.on('data', (bytes) => (parts.err += bytes));
        child.on('error', reject);
        child.on('close', (code) => (code === 0 ? resolve(JSON.parse(parts.out)) : reject(new Error(parts.err.trim()))));
    });
}
