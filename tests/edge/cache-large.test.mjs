// bell_cache: what is large. Hits that a client does not take cost no memory.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import { test } from 'node:test';

import { freePort, newPlace } from '../lib/place.mjs';
import { http2Words } from '../lib/server-nginx.mjs';
import { startCacheOrigin } from './cache-origin.mjs';
import { tally } from './cache-visitors.mjs';
import { fresh, nothingFlies, outcome, startCacheEdge } from './cache.mjs';

const NORTH = 'north.example';
const text = (size, letter) => letter.repeat(size);

/** Bytes of a process's own memory. */
const memoryOf = (pid) => Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;

test('a hundred hits on one connection of HTTP/2 that are not read are not copied for it', async () => {
    const place = newPlace();
    const origin = await startCacheOrigin();
    let session;
    try {
        const port = await freePort();
        const edge = await startCacheEdge(place, origin, { zone: 'zone=main:32m', server: `listen 127.0.0.1:${port}${http2Words()}; location / { proxy_pass http://origin; }` });
        const body = text(1_000_000, 'h');
        origin.script('/hit', { headers: fresh, body });
        await edge.ask(NORTH, '/hit');
        session = http2.connect(`http://127.0.0.1:${port}`);
        const ask = (path) => new Promise((resolve, reject) => {
            const stream = session.request({ ':path': path, ':authority': NORTH });
            stream.on('error', reject);
            stream.on('response', (headers) => resolve({ stream, headers }));
            stream.end();
        });
        const one = await ask('/worker');
        one.stream.resume();
        const before = memoryOf(one.headers.worker);
        const answers = await Promise.all(Array.from({ length: 100 }, () => ask('/hit')));
        const grown = memoryOf(one.headers.worker) - before;
        assert.deepEqual(tally(answers, outcome), { hit: 100 });
        assert.ok(grown < 40_000_000, `the worker has ${grown} bytes more`);
        const texts = await Promise.all(answers.map(async ({ stream }) => {
            const parts = [];
            for await (const bytes of stream) parts.push(bytes);
            return Buffer.concat(parts).toString();
        }));
        assert.ok(texts.every((got) => got === body));
        assert.equal(origin.count('/hit'), 1);
        await nothingFlies(edge);
    } finally {
        session?.destroy();
        await origin.close();
        await place.stop();
    }
});
