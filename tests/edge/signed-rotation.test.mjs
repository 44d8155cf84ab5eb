// Keys of signers change hands under load: an administrator adds one, signers take it, the former one ends; two edges follow with no reload, and no request
// that counts is refused meanwhile. All is real from `firstbell tenant key` on. time bound: 150 s

import assert from 'node:assert/strict';
import { createSign, generateKeyPairSync } from 'node:crypto';
import { chmodSync } from 'node:fs';
import http from 'node:http';
import { after, before, test } from 'node:test';

import { nowSeconds } from '../lib/edge-context.mjs';
import { newPlace } from '../lib/place.mjs';
import { mustFirstbell } from '../lib/server-firstbell.mjs';
import { modulePath } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { ask, askEveryWorker } from './support.mjs';
import { openTwoEdges } from './two-edges.mjs';

const place = newPlace();
place.write('www/part', 'x'.repeat(1000));
chmodSync(place.path('www'), 0o755);

const ROUNDS = 3;
const CLIENTS = 4; // of each edge
const HOST = 't1.example';
const load = ['ngx_http_bell_core_module', 'ngx_http_bell_signed_module'].map((name) => `load_module ${modulePath(name)};`).join('\n');
const edge = {
    load,
    http: 'bell_tenant on; bell_signed_cache zone=signatures:1m; bell_signed_issuer films cloudfront; bell_signed_issuer ours path;',
    server: `keepalive_requests 100000000;
        add_header Reason $bell_signed_reason always; add_header Key $bell_signed_key always; add_header Worker $pid always;
        location / { return 200 '{"worker":$pid}'; default_type application/json; }
        location /signed/ { bell_signed films ours; root ${place.path('www')}; try_files /part =404; }`,
};

let both, crowd;

before(async () => {
    both = await openTwoEdges(place, { tenants: 3, edge });
    crowd = new Crowd(both.edges);
});
after(async () => {
    await crowd?.stop();
    both?.wire.close();
    await place.stop();
});

/** CloudFront URLs under a key of one's own: some that were asked for before, and others. */
function films(kid) {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const sign = (n) => {
        const target = `/signed/film-${n % 20}.ts`;
        const until = nowSeconds() + 3600;
        const policy = `{"Statement":[{"Resource":"http://${HOST}${target}","Condition":{"DateLessThan":{"AWS:EpochTime":${until}}}}]}`;
        const signature = createSign('sha1').update(policy).sign(privateKey, 'base64').replaceAll('+', '-').replaceAll('=', '_').replaceAll('/', '~');
        return `${target}?Expires=${until}&Signature=${signature}&Key-Pair-Id=${kid}`;
    };
    return { kid, use: 'cloudfront', alg: 'public', file: place.write(`keys/${kid}.pem`, publicKey.export({ type: 'spki', format: 'pem' })), sign };
}

/** Tokens in the path, made by `firstbell sign`. */
async function ours(kid) {
    const file = place.path(`keys/${kid}.key`);
    await mustFirstbell(place, ['sign-key', 'new', file]);
    const signed = (await mustFirstbell(place, ['sign', '--key', file, '--tenant', 't1', '--subject', '42', '/signed/x'])).trim();
    return { kid, use: 'path', alg: 'hex', file, sign: (n) => `${signed.slice(0, -1)}part-${n}.ts` };
}

const give = ({ kid, use, alg, file }) => mustFirstbell(place, ['tenant', 'key', 'add', '--tenant', 't1', '--use', use, '--alg', alg, '--file', file, kid]);
const end = ({ kid, use }) => mustFirstbell(place, ['tenant', 'key', 'end', '--tenant', 't1', '--use', use, kid]);
const reasonAt = async ({ port }, signer) => (await ask(port, HOST, signer.sign(0))).headers.reason;
const everywhere = (reason, signer) =>
    Promise.all(both.edges.map((one) => waitFor(`${signer.kid} to be "${reason}" at each edge`, async () => (await reasonAt(one, signer)) === reason)));

/** Clients of both edges who ask all the time, each time signed by one of those who sign now. */
class Crowd {
    constructor(edges) {
        Object.assign(this, { now: [], refused: [], counts: new Map(), turns: new Map(), stopped: false });
        this.clients = edges.flatMap(({ port }, n) => Array.from({ length: CLIENTS }, (_, i) => this.client(`${n}-${i}`, port)));
    }

    async client(name, port) {
        const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
        for (let n = 0; !this.stopped; n++) {
            this.turns.set(name, n);
            if (this.now.length === 0) {
                await new Promise((resolve) => setTimeout(resolve, 10));
                continue;
            }
            const signer = this.now[n % this.now.length];
            const { status, headers } = await ask(port, HOST, signer.sign(n), { agent }).catch((error) => ({ status: String(error), headers: {} }));
            if (status !== 200 || headers.key !== signer.kid) this.refused.push(`${signer.kid}: ${status} ${headers.reason} ${headers.key}`);
            this.counts.set(signer.kid, (this.counts.get(signer.kid) ?? 0) + 1);
        }
        agent.destroy();
    }

    /** Once every client has begun another request than it was at: what signed the former ones is in no request any more. */
    async turn(times = 1) {
        const before = new Map(this.turns);
        await waitFor('each client to go on', () => [...this.turns].every(([name, n]) => n >= before.get(name) + times));
    }

    async stop() {
        this.stopped = true;
        await Promise.all(this.clients);
    }
}

test('keys of signers are exchanged under load, again and again, and no request that counts is refused', async () => {
    const workers = await Promise.all(both.edges.map(async ({ port }) => [...(await askEveryWorker(port, HOST)).keys()].sort()));
    let former = [];
    for (let round = 1; round <= ROUNDS; round++) {
        const next = [films(`films-${round}`), await ours(`ours-${round}`)];
        for (const signer of next) await give(signer);
        for (const signer of next) await everywhere('ok', signer);
        crowd.now = [...former, ...next];
        await crowd.turn(20); // signers take the new key one after the other
        crowd.now = next;
        await crowd.turn(10);
        for (const signer of former) await end(signer);
        for (const signer of former) await everywhere('key', signer);
        await crowd.turn(10);
        former = next;
    }
    assert.deepEqual(crowd.refused, []);
    assert.equal(crowd.counts.size, 2 * ROUNDS);
    for (const [kid, count] of crowd.counts) assert.ok(count >= 10 * CLIENTS, `${kid} signed ${count} requests`);
    for (const [n, { port }] of both.edges.entries()) assert.deepEqual([...(await askEveryWorker(port, HOST)).keys()].sort(), workers[n]);
});
