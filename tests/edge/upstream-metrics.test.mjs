// What bell_status tells of pools and their servers.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { modulePath } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { answers, change, headers, hold, loadUpstream, of, pool, startPools, startServer } from './upstream.mjs';

/** {address: value} of the servers of a pool. */
async function figures(edge, what, name) {
    const { json } = await edge.ask('north.example', '/figures');
    const samples = json[`firstbell_upstream_server_${what}`].samples.filter(({ labels }) => labels.upstream === 'origin' && labels.pool === name);
    return Object.fromEntries(samples.map(({ labels, value }) => [labels.server, value]));
}

test('each server of a pool is told of: whether it is used, what it has and had, and what failed there', async (t) => {
    const place = newPlace();
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name) => startServer(name)));
    t.after(async () => {
        await place.stop();
        await Promise.all([a, b, c].map((origin) => origin.close()));
    });
    const edge = await startPools(place, [pool('north', of(a), of(b), of(c, { state: 'drain' }))], {
        load: `${loadUpstream()}\nload_module ${modulePath('ngx_http_bell_status_module')};`,
        directive: 'zone=u:64k max_fails=2 fail_timeout=1h',
        server: `${headers} location / { proxy_pass http://origin; } location = /figures { bell_status json; }`,
    });
    const seen = await answers(edge, 'north.example', 20);
    assert.deepEqual(await figures(edge, 'requests_total', 'north'), { [a.address]: seen.a, [b.address]: seen.b, [c.address]: 0 });
    assert.deepEqual(await figures(edge, 'usable', 'north'), { [a.address]: 1, [b.address]: 1, [c.address]: 0 });
    assert.deepEqual(await figures(edge, 'failures_total', 'north'), { [a.address]: 0, [b.address]: 0, [c.address]: 0 });

    const held = await hold(edge, 'north.example', a);
    assert.deepEqual(await figures(edge, 'requests_now', 'north'), { [a.address]: 1, [b.address]: 0, [c.address]: 0 });
    a.release();
    assert.equal((await held.reply).text, 'a');
    await waitFor('nothing to be under way', async () => (await figures(edge, 'requests_now', 'north'))[a.address] === 0);

    b.behaviour = 'drop';
    await waitFor('b to be left out', async () => {
        await edge.ask('north.example');
        return (await figures(edge, 'usable', 'north'))[b.address] === 0;
    });
    assert.deepEqual(await figures(edge, 'failures_total', 'north'), { [a.address]: 0, [b.address]: 2, [c.address]: 0 });

    await change(place, edge, 2, [pool('north', of(a))]);
    await edge.ask('north.example');
    assert.deepEqual(await figures(edge, 'usable', 'north'), { [a.address]: 1 });
});
