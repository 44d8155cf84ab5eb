// TLS between the origin's loop and Redis: as tests/edge/store-tls.test.mjs, through redis_load.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { build, checkout } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { environment } from '../lib/run.mjs';
import { cases, startTlsRedis } from '../lib/server-redis-tls.mjs';
import { waitFor } from '../lib/wait.mjs';

const place = newPlace();
let tls, refused;

before(async () => {
    tls = await startTlsRedis(place);
    const probe = start(tls.open, { ca: tls.ours.caFile });
    await waitFor('a line, or its end', () => probe.lines.length > 0 || probe.ended);
    refused = probe.ended ? probe.errors : '';
    await probe.stop();
});
after(() => place.stop());

/** redis_load, with its lines as they come. It is of the checkout, and runs as the caller. */
function start(where, { ca, cert, key, name }) {
    const files = Object.entries({ ca, cert, key, name }).flatMap(([word, value]) => (value ? [`--tls-${word}`, value] : []));
    const child = spawn(path.join(checkout, build, 'redis_load'), ['--to', where, '--workers', '4', '--deadline-ms', '1000', ...files], { env: environment });
    const load = { lines: [], errors: '', ended: false };
    const exited = new Promise((resolve) => child.on('close', resolve)).then((code) => {
        load.ended = true;
        return code;
    });
    let rest = '';
    child.stdout.on('data', (bytes) => {
        const parts = (rest + bytes).split('\n');
        rest = parts.pop();
        load.lines.push(...parts.map((line) => JSON.parse(line)));
    });
    child.stderr.on('data', (bytes) => (load.errors += bytes));
    load.stop = () => {
        child.kill('SIGTERM');
        return exited;
    };
    return load;
}

test('TLS is there, or its absence is said', () => {
    if (refused) assert.match(refused, /^redis_load: TLS to Redis needs hiredis 1\.0 or newer with its TLS library, and this was built without\n$/);
});

test('who is let in, and who is not', async (t) => {
    if (refused) {
        t.skip('hiredis was built without TLS on this machine, as that of Debian 12 is; "auto/test fresh/debian13" has it');
        return;
    }
    for (const [what, where, files, reason] of cases(tls)) {
        await t.test(what, async () => {
            const load = start(where, files);
            try {
                await waitFor('commands', () => load.ended || (load.lines.at(-1)?.[reason ? 'undone' : 'done'] ?? 0) > 20);
            } finally {
                assert.equal(await load.stop(), 0, load.errors);
            }
            const last = load.lines.at(-1);
            assert.deepEqual([last.twice, last.results], [0, last.given - last.notTaken]);
            if (reason) {
                assert.equal(last.done, 0);
                assert.match(last.why, reason);
                assert.match(load.errors, /Redis cannot be used: /);
            } else {
                assert.deepEqual([last.undone, last.unsure, last.failures], [0, 0, 0]);
            }
        });
    }
});
