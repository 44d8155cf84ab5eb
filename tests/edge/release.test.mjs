// What users run: the modules as they are installed, in the distribution's nginx (or the one that auto/configure --with-nginx built), without sanitizers.
// Everything else of tests/edge runs with them.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { testNginx } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { loadProbe, nginxConf, publish, snapshot, startEdge, twoTenants } from './support.mjs';

const modules = 'build';

test('nginx -t takes the release modules', async (t) => {
    const place = newPlace();
    t.after(() => place.stop());
    publish(place, snapshot(1, twoTenants));
    const { code, stderr } = await testNginx(place, { conf: nginxConf(place, 8080, { modules, load: loadProbe(place, modules) }), modules });
    assert.equal(code, 0, stderr);
});

test('requests, a change of the directory and a reload', async (t) => {
    const place = newPlace();
    t.after(() => place.stop());
    const edge = await startEdge(place, { modules, load: loadProbe(place, modules) });
    const reply = await edge.ask('north.example');
    assert.equal(reply.json.name, 'north');
    assert.equal(reply.headers['probe-tenant'], 'north');
    assert.equal((await edge.ask('nobody.example')).status, 404);
    const before = children(edge.program.child.pid);
    edge.reload();
    await waitFor('the old workers to go', () => before.every((pid) => !existsSync(`/proc/${pid}`)));
    publish(place, snapshot(2, twoTenants));
    await waitFor('version 2', async () => (await edge.ask('south.example')).json?.version === '2');
});
