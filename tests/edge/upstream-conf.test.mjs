// What is said of a bell_upstream that cannot be meant, and that the example of its README is one that can.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';

import { checkout } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { modulePath, testNginx } from '../lib/server-nginx.mjs';
import { nginxConf, publish, snapshot, twoTenants } from './support.mjs';
import { loadUpstream } from './upstream.mjs';

const place = newPlace();
place.expect(/\[emerg\]/); // refusals are what this file is about

async function judge(http, { load = loadUpstream() } = {}) {
    publish(place, snapshot(1, twoTenants));
    return testNginx(place, { conf: nginxConf(place, 8080, { load, http }) });
}

const block = (...body) => `upstream origin { ${body.join(' ')} }`;
const server = 'server 127.0.0.1:1;';
const zone = 'bell_upstream zone=u:64k';

const refusals = [
    ['no zone', block('bell_upstream default=api;', server), /"bell_upstream" directive needs zone=NAME:SIZE/],
    ['a zone without a size', block('bell_upstream zone=u;', server), /invalid "zone=u": zone=NAME:SIZE is expected, with a size of 32k or more/],
    ['a zone that is too small', block('bell_upstream zone=u:16k;', server), /invalid "zone=u:16k"/],
    ['a zone without a name', block('bell_upstream zone=:64k;', server), /invalid "zone=:64k"/],
    ['the zone of another', `${block(`${zone};`, server)} upstream two { ${zone}; ${server} }`, /zone "u" is another upstream's already/],
    ['twice', block(`${zone};`, `${zone};`, server), /"bell_upstream" directive is duplicate/],
    ['a zone twice', block(`${zone} zone=v:64k;`, server), /parameter "zone" is duplicate/],
    ['a check twice', block(`${zone} check=tcp fall=2 check=/ready;`, server), /parameter "check" is duplicate/],
    ['an unknown parameter', block(`${zone} weights=1;`, server), /invalid parameter "weights=1": "bell_upstream" takes zone=NAME:SIZE, default=POOL/],
    ['a word', block(`${zone} fast;`, server), /invalid parameter "fast"/],
    ['a default that is no name', block(`${zone} default=API;`, server), /invalid "default=API": the name of a pool of the directory is expected/],
    ['an empty default', block(`${zone} default=;`, server), /invalid "default="/],
    ['max_fails', block(`${zone} max_fails=x;`, server), /invalid "max_fails=x": a number from 0 to 1000 is expected/],
    ['fail_timeout', block(`${zone} fail_timeout=0;`, server), /invalid "fail_timeout=0": a time from 10ms to 24h is expected/],
    ['slow_start', block(`${zone} slow_start=25h;`, server), /invalid "slow_start=25h": a time from 0 to 24h is expected/],
    ['check', block(`${zone} check=ready;`, server), /invalid "check=ready": check=tcp or check=\/PATH is expected/],
    ['a check with a space', block(`${zone} "check=/a b";`, server), /invalid "check=\/a b"/],
    ['check_host', block(`${zone} check=/ready check_host=;`, server), /invalid "check_host="/],
    ['interval', block(`${zone} check=tcp interval=1ms;`, server), /invalid "interval=1ms": a time from 10ms to 1h is expected/],
    ['timeout', block(`${zone} check=tcp timeout=2m;`, server), /invalid "timeout=2m": a time from 10ms to 60s is expected/],
    ['fall', block(`${zone} check=tcp fall=0;`, server), /invalid "fall=0": a number from 1 to 1000 is expected/],
    ['rise', block(`${zone} check=tcp rise=1001;`, server), /invalid "rise=1001"/],
    ['how to check, but not what', block(`${zone} interval=1s;`, server), /"interval=1s" says how servers are checked: it goes with check=tcp or check=\/PATH/],
    ['below keepalive', block(server, 'keepalive 4;', `${zone};`), /"bell_upstream" directive comes too late: it belongs above "keepalive"/],
    ['another balancer above', block('ip_hash;', server, `${zone};`), /comes too late|unknown directive "ip_hash"/],
    ['another balancer below', block(`${zone};`, server, 'hash $uri;'), /another way of choosing a server takes the place of "bell_upstream" in .*:\d+|unknown directive "hash"/],
    ['a zone of nginx', block(`${zone};`, server, 'zone n 64k;'), /the directive "zone" does not go with "bell_upstream" in .*:\d+, which has its own/],
    ['a backup above', block('server 127.0.0.1:1 backup;', server, `${zone};`), /takes "weight" and "down" and nothing else, not backup/],
    ['a limit above', block('server 127.0.0.1:1 max_conns=1;', `${zone};`), /nothing else, not max_conns/],
    ['max_fails of a server above', block('server 127.0.0.1:1 max_fails=2;', `${zone};`), /nothing else, not max_fails and fail_timeout/],
    ['a great weight above', block('server 127.0.0.1:1 weight=1001;', `${zone};`), /nothing else, not a weight above 1000/],
    ['a backup below', block(`${zone};`, 'server 127.0.0.1:1 backup;'), /balancing method does not support parameter "backup"/],
];

for (const [what, http, pattern] of refusals) {
    test(`refused: ${what}`, async () => {
        const { code, stderr } = await judge(http);
        assert.notEqual(code, 0, stderr);
        assert.match(stderr, pattern);
        assert.match(stderr, /\[emerg\]/);
    });
}

test('without core, or before it, the module is refused with a sentence', async () => {
    const upstream = `load_module ${modulePath('ngx_http_bell_upstream_module')};`;
    assert.match((await judge('', { load: upstream })).stderr, /module "ngx_http_bell_upstream_module" needs ngx_http_bell_core_module, which is not loaded/);
    const { stderr } = await judge('', { load: `${upstream}\nload_module ${modulePath()};` });
    assert.match(stderr, /module "ngx_http_bell_upstream_module" is loaded before ngx_http_bell_core_module/);
});

test('everything that it takes is taken', async () => {
    const all = `${zone} default=api max_fails=3 fail_timeout=5s slow_start=30s check=/readyz check_host=localhost interval=2s timeout=1s fall=3 rise=2;`;
    const { code, stderr } = await judge(block('server 127.0.0.1:1 weight=2;', all, 'server 127.0.0.1:2 down;', 'keepalive 8;'));
    assert.equal(code, 0, stderr);
});

test('the example of the README is accepted', async () => {
    const readme = readFileSync(path.join(checkout, 'modules/upstream/README.md'), 'utf8');
    const [example] = /(?<=```nginx\n)[^`]*(?=```)/.exec(readme);
    const upstream = /upstream firstbell_api \{[^}]*\}/.exec(example)[0];
    const { code, stderr } = await judge(upstream);
    assert.equal(code, 0, stderr);
});

after(() => place.stop());
