// TLS between an edge and Redis: the certificate of Redis is verified, and where something is wrong with it nothing is said to Redis and the reason is in
// the log. hiredis has TLS from 1.0 on, so that Debian 12's has none: there it is seen that such a configuration is refused, and the rest is for Debian 13.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { testNginx } from '../lib/server-nginx.mjs';
import { cases, startTlsRedis } from '../lib/server-redis-tls.mjs';
import { waitFor } from '../lib/wait.mjs';
import { lines, loadProbe, nginxConf, publish, snapshot, startEdge, twoTenants } from './support.mjs';

const HOST = 'north.example';
const server = 'location / { probe_count "{t1}:a"; }';
const place = newPlace();
let tls, refused;

before(async () => {
    tls = await startTlsRedis(place);
    place.expect(/cannot use TLS/);
    publish(place, snapshot(1, twoTenants));
    const conf = nginxConf(place, 8080, { load: loadProbe(place), server, http: `probe_redis ${tls.open} tls tls_ca=${tls.ours.caFile};` });
    const { code, stderr } = await testNginx(place, { conf });
    refused = code === 0 ? '' : stderr;
});
after(() => place.stop());

const words = ({ ca, cert, key, name }) => Object.entries({ tls_ca: ca, tls_cert: cert, tls_key: key, tls_name: name }).map(([word, value]) => value && `${word}=${value}`).filter(Boolean).join(' ');

test('TLS is there, or its absence is said', () => {
    if (refused) assert.match(refused, /\[emerg\].*"probe_redis" cannot use TLS: TLS to Redis needs hiredis 1\.0 or newer with its TLS library, and this was built without/);
});

test('who is let in, and who is not', async (t) => {
    if (refused) {
        t.skip('hiredis was built without TLS on this machine, as that of Debian 12 is; "auto/test fresh/debian13" has it');
        return;
    }
    for (const [what, where, files, reason] of cases(tls)) {
        await t.test(what, async () => {
            const there = newPlace();
            try {
                await tryIt(await startEdge(there, { load: loadProbe(there), server, http: `probe_redis ${where} tls ${words(files)} timeout=500ms;` }), reason);
            } finally {
                await there.stop();
            }
        });
    }
});

async function tryIt(edge, reason) {
    const count = () => edge.ask(HOST, '/');
    if (!reason) {
        const first = await waitFor('a count', async () => {
            const { status, text } = await count();
            return status === 200 && Number(text);
        });
        const all = await Promise.all(Array.from({ length: 100 }, count));
        assert.deepEqual(all.map(({ text }) => Number(text)).sort((a, b) => a - b), Array.from({ length: 100 }, (_, i) => first + 1 + i));
        assert.deepEqual(lines(edge.log(), /\[(error|alert)\]/), []);
        return;
    }
    const { status, text } = await count();
    assert.equal(status, 503);
    assert.match(text, /^(undone|unsure): /);
    const [told] = await waitFor('the reason in the log', () => {
        const found = lines(edge.log(), /\[error\].*probe_redis: Redis cannot be used: /);
        return found.length > 0 && found;
    });
    assert.match(told, reason);
    assert.deepEqual(lines(edge.log(), /stale global SSL error/), []);
}
