// What is said of bell_fair that cannot be meant, and that the example of the README is one that can.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';

import { checkout } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { testNginx } from '../lib/server-nginx.mjs';
import { loadLines } from './limit.mjs';
import { nginxConf, publish, snapshot, twoTenants } from './support.mjs';

const place = newPlace();
place.expect(/\[emerg\]/); // refusals are what this file is about
after(() => place.stop());

async function judge(http, location = '') {
    publish(place, snapshot(1, twoTenants));
    return testNginx(place, { conf: nginxConf(place, 8080, { load: loadLines('core', 'limit'), http, server: `location / { ${location} return 204; }` }) });
}

const zone = 'bell_fair_zone zone=places:1m;';
const pool = (...words) => `${zone} bell_fair_pool api ${words.join(' ')};`;

const refusals = [
    ['a zone without a size', 'bell_fair_zone zone=places;', '', /invalid "zone=places": zone=NAME:SIZE is expected, a name and a size of 128k or more/],
    ['a zone without a name', 'bell_fair_zone zone=:1m;', '', /invalid "zone=:1m"/],
    ['a zone that is too small', 'bell_fair_zone zone=places:64k;', '', /invalid "zone=places:64k"/],
    ['two zones', `${zone} bell_fair_zone zone=more:1m;`, '', /"bell_fair_zone" directive is duplicate/],
    ['pools without a zone', 'bell_fair_pool api;', '', /"bell_fair_pool" needs memory that all workers share: add "bell_fair_zone/],
    ['a pool twice', `${pool()} bell_fair_pool api;`, '', /there is a pool "api" already/],
    ['a name that is a word', `${zone} bell_fair_pool off;`, '', /"off" cannot be a pool's name/],
    ['a name that is too long', `${zone} bell_fair_pool ${'a'.repeat(33)};`, '', /cannot be a pool's name: it has 32 bytes at most/],
    ['no places', pool('places=0'), '', /invalid "places=0": a number from 1 to 100000, or "auto"/],
    ['places of something', pool('places=many'), '', /invalid "places=many"/],
    ['bounds of a number that is said', pool('places=5', 'max=9'), '', /has places=N, and min=, max= or start=/],
    ['bounds that cross', pool('min=9', 'max=5'), '', /has a min= above its max=/],
    ['a start below', pool('min=9', 'start=5'), '', /start= that is not between/],
    ['a queue', pool('queue=-1'), '', /invalid "queue=-1"/],
    ['a wait of nothing', pool('wait=0'), '', /invalid "wait=0": a time from 10ms to 10m/],
    ['a hold', pool('hold=2h'), '', /invalid "hold=2h": a time from 0 to 1h/],
    ['a jitter', pool('jitter=2h'), '', /invalid "jitter=2h"/],
    ['a parameter twice', pool('queue=1', 'queue=2'), '', /"queue=2": that parameter is duplicate/],
    ['an unknown parameter', pool('nodelay'), '', /invalid parameter "nodelay": "bell_fair_pool" takes a name/],
    ['a pool that is not there', zone, 'bell_fair api;', /there is no pool "api": "bell_fair_pool api;" belongs above/],
    ['a location twice', pool(), 'bell_fair api; bell_fair off;', /"bell_fair" directive is duplicate/],
    ['off and more', pool(), 'bell_fair off key=a;', /is "off", and more is said/],
    ['an unknown word', pool(), 'bell_fair api fast;', /takes a pool's name, key=TEXT, class=TEXT and weight=TEXT/],
    ['a word twice', pool(), 'bell_fair api key=a key=b;', /says one parameter twice/],
    ['a word without a value', pool(), 'bell_fair api class=;', /has a parameter without a value/],
    ['a weight', pool(), 'bell_fair api weight=0;', /weight= that is no number from 1 to 10000/],
    ['an unknown variable', pool(), 'bell_fair api key=$no_such;', /unknown "no_such" variable/],
    ['a rank', pool(), 'bell_fair_rank 11;', /invalid "11": a number from 1 \(goes first/],
    ['a rank twice', pool(), 'bell_fair_rank 1; bell_fair_rank 2;', /"bell_fair_rank" directive is duplicate/],
];

for (const [what, http, location, expected] of refusals) {
    test(`refused: ${what}`, async () => {
        const { code, stderr } = await judge(http, location);
        assert.notEqual(code, 0);
        assert.match(stderr, expected);
    });
}

test('all that can be said', async () => {
    const http = `${zone} bell_fair_pool a places=auto min=2 max=50 start=10 queue=0 wait=5s hold=0 jitter=0; bell_fair_pool b places=12;`;
    const { code, stderr } = await judge(http, 'bell_fair a key=$bell_tenant class=$arg_class weight=$arg_weight; bell_fair_rank $arg_rank;');
    assert.equal(code, 0, stderr);
});

test('a zone that has not room for all that its pools may have is told of', async () => {
    const { code, stderr } = await judge('bell_fair_zone zone=places:128k; bell_fair_pool a places=100 queue=100; bell_fair_pool b places=100 queue=100;');
    assert.equal(code, 0, stderr);
    assert.match(stderr, /\[warn\].*zone "places" has room for \d+ requests, and its pools may have 400/);
    assert.doesNotMatch((await judge(`${zone} bell_fair_pool a places=100 queue=100;`)).stderr, /\[warn\]/);
});

test('the example of the README is accepted', async () => {
    const readme = readFileSync(path.join(checkout, 'modules/limit/README.md'), 'utf8');
    const example = [...readme.matchAll(/(?<=```nginx\n)[^`]*(?=```)/g)].map(([text]) => text).find((text) => text.includes('bell_fair_zone'));
    const [, http, server] = /^([^]*?)\n {4}server \{\n([^]*)\n {4}\}\n/.exec(example);
    publish(place, snapshot(1, twoTenants));
    const conf = nginxConf(place, 8080, { load: loadLines('core', 'limit'), http, server: server.replace(/ *listen .*\n/, '') });
    const { code, stderr } = await testNginx(place, { conf });
    assert.equal(code, 0, stderr);
});
