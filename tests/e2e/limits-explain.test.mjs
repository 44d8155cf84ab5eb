// `firstbell limits explain`, and what bell_limit_status says of somebody who is asked about.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { freePort, newPlace } from '../lib/place.mjs';
import { firstbell, mustFirstbell, writeSettings } from '../lib/server-firstbell.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';
import { loadLines, sequence } from '../edge/limit.mjs';
import { ask, probePath, snapshot, startEdge, tenant } from '../edge/support.mjs';

const place = newPlace();
let edge;
let port; // of who operates the edge
let page;

before(async () => {
    place.write('ok.txt', 'ok');
    await startPostgres(place);
    writeSettings(place);
    await mustFirstbell(place, ['tenant', 'add', 'north', '--title', 'North', '--host', 'north.example']);
    page = `http://unix:${place.path('sock/status.sock')}:/limits`;
    port = await freePort();
    edge = await startEdge(place, {
        load: `${loadLines('core', 'limit')}\nload_module ${probePath(place)};`,
        bytes: snapshot(1, [tenant(1, 'north', ['north.example'])]),
        http: `bell_limit_zone zone=limits:1m; bell_limit_redis unix:${place.path('sock/nobody.sock')}; bell_limit_leases edges=4;
            bell_limit_policy student rate=10/h burst=9 by=subject;
            bell_limit_policy district rate=100/h burst=99 by=tenant over=edges;
            bell_limit_policy route rate=10/h burst=9 by=subject,route;
            bell_tenant on;
            server {
                listen unix:${place.path('sock/status.sock')};
                listen 127.0.0.1:${port};
                bell_tenant off;
                location = /limits { bell_limit_status; }
                location = /nothing { alias ${place.path('ok.txt')}; }
            }`,
        server: `location /ann { probe_identify "ann lee"; bell_limit student district route; alias ${place.path('ok.txt')}; }`,
    });
});
after(() => place.stop());

test('what is left to somebody is told, though he is near no limit', async () => {
    assert.deepEqual(await sequence(3, () => edge.ask('north.example', '/ann')), [200, 200, 200]);
    const { code, stdout, stderr } = await firstbell(place, ['limits', 'explain', '--edge', page, '--edge', `http://127.0.0.1:${port}/limits`, 'north', 'ann lee']);
    assert.deepEqual([code, stderr], [0, '']);
    const rows = stdout.trimEnd().split('\n').map((line) => line.split('\t'));
    assert.deepEqual(rows.map(([from, policy, key, left]) => [from, policy, key, left]), [page, `http://127.0.0.1:${port}/limits`].flatMap((from) => [
        [from, 'student', 'subject ann lee', '7 of 10 left'],
        [from, 'district', 'the district', '88 of 100 left'], // 22 of this edge's 25, and four of them
    ]));
    assert.match(rows[0][4], /^all of it in 10\d\d\.\d s$/);
    assert.equal(rows[1][6], 'over all edges: share, 0 in hand');
});

test('who is refused is told how often, and of others nothing is said', async () => {
    await sequence(9, () => edge.ask('north.example', '/ann'));
    const { stdout } = await firstbell(place, ['limits', 'explain', '--edge', page, 'north', 'ann lee']);
    assert.match(stdout, /\tstudent\tsubject ann lee\t0 of 10 left\t.*\trefused 2 times$/m);
    const other = await firstbell(place, ['limits', 'explain', '--edge', page, 'north', 'ann']);
    assert.match(other.stdout, /\tstudent\tsubject ann\t10 of 10 left\tall of it in 0\.0 s\trefused 0 times$/m);
});

test('half a question is none, and an edge that does not answer is told', async () => {
    for (const query of ['?tenant=1', '?subject=ann', '?tenant=x&subject=ann', '?tenant=1&subject=']) {
        assert.equal((await ask(port, 'edge', `/limits${query}`)).status, 400, query);
    }
    const cases = [
        [['--edge', `http://127.0.0.1:${port}/nothing`, 'north', 'ann'], /answers something else than a page of "bell_limit_status"/],
        [['--edge', `http://127.0.0.1:${port}/nowhere`, 'north', 'ann'], /answered with 404; --edge is the address of a page/],
        [['--edge', `http://unix:${place.path('sock/none.sock')}:/limits`, 'north', 'ann'], /does not say anything: /],
        [['--edge', page, 'nobody', 'ann'], /nobody/],
    ];
    for (const [args, pattern] of cases) {
        const { code, stderr } = await firstbell(place, ['limits', 'explain', ...args]);
        assert.equal(code, 1, stderr);
        assert.match(stderr, pattern);
    }
    assert.equal((await firstbell(place, ['limits', 'explain', 'north', 'ann'])).code, 2);
});
