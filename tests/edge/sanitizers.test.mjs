// That the harness sees what a sanitizer says about nginx and its modules: each fault is planted by the probe, and stopping the place has to fail.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { app, nginxBuild } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { run } from '../lib/run.mjs';
import { waitFor } from '../lib/wait.mjs';
import { loadProbe, startEdge } from './support.mjs';

const skip = nginxBuild === 'build-asan' && existsSync(path.join(app(), 'sbin/nginx')) ? false : `nginx of ${nginxBuild} is built without sanitizers`;

const faults = [
    ['heap', 'a write past an allocation of the pool', /AddressSanitizer: heap-buffer-overflow/, /ngx_http_bell_probe_fault/],
    ['shift', 'undefined behaviour', /runtime error: shift exponent 40 is too large/],
    ['leak', 'memory that is lost, when the worker ends', /LeakSanitizer: detected memory leaks/, /ngx_http_bell_probe_fault/],
];

for (const [fault, what, ...patterns] of faults) {
    test(`the harness catches ${what}`, { skip }, async () => {
        const place = newPlace();
        const server = `location / { root ${place.dir}; try_files /nothing =404; } location /fault { probe_fault ${fault}; }`;
        const edge = await startEdge(place, { load: loadProbe(place), server, workers: 1 });
        await edge.ask('north.example', '/fault').catch(() => {}); // its worker may be gone
        await waitFor('a worker', async () => (await edge.ask('north.example').catch(() => undefined))?.status === 404);
        await place.stopProgram(edge.program);
        const log = edge.log();
        for (const pattern of patterns) assert.match(log, pattern);
        await assert.rejects(place.stop(), patterns[0]);
    });
}

test('a command in which a sanitizer finds something is no ordinary failure', async () => {
    await assert.rejects(run(['sh', '-c', 'echo "==1==ERROR: AddressSanitizer: heap-use-after-free" >&2; exit 1']), /a sanitizer found something/);
    assert.equal((await run(['sh', '-c', 'echo "nginx: [emerg] no" >&2; exit 1'])).code, 1);
});
