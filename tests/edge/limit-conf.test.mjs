// What is said of limits that cannot be meant, and that the example of the README is one that can.

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

async function judge(http, { load = loadLines('core', 'limit'), server } = {}) {
    publish(place, snapshot(1, twoTenants));
    return testNginx(place, { conf: nginxConf(place, 8080, { load, http, server }) });
}

const zone = 'bell_limit_zone zone=limits:1m;';
const redis = 'bell_limit_redis 127.0.0.1:6379;';
const policy = (...words) => `${zone} bell_limit_policy p ${words.join(' ')};`;
const location = (...lines) => ({ server: `location / { ${lines.join(' ')} }` });
const good = policy('rate=1/s', 'by=address');

const refusals = [
    ['a zone without a size', 'bell_limit_zone zone=limits;', /invalid "zone=limits": zone=NAME:SIZE is expected/],
    ['a zone without a name', 'bell_limit_zone zone=:1m;', /invalid "zone=:1m": zone=NAME:SIZE is expected, a name and a size of 256k or more/],
    ['a zone that is too small', 'bell_limit_zone zone=limits:64k;', /invalid "zone=limits:64k"/],
    ['something else than a zone', 'bell_limit_zone limits:1m;', /invalid "limits:1m"/],
    ['two zones', `${zone} bell_limit_zone zone=more:1m;`, /"bell_limit_zone" directive is duplicate/],
    ['policies without a zone', 'bell_limit_policy p rate=1/s by=address;', /"bell_limit_policy" needs memory that all workers share: add "bell_limit_zone/],
    ['no rate', policy('by=address'), /policy "p" needs rate=N\/TIME/],
    ['nobody for whom it counts', policy('rate=1/s'), /policy "p" needs by=WHAT or key=TEXT/],
    ['a rate without a time', policy('rate=5', 'by=address'), /invalid "rate=5": a number and a time, as rate=20\/s/],
    ['a rate of nothing', policy('rate=0/s', 'by=address'), /invalid "rate=0\/s"/],
    ['a rate in no time', policy('rate=5/0s', 'by=address'), /invalid "rate=5\/0s"/],
    ['a rate in something', policy('rate=5/x', 'by=address'), /invalid "rate=5\/x"/],
    ['a rate with nothing behind', policy('rate=5/', 'by=address'), /invalid "rate=5\/"/],
    ['a rate that is too high', policy('rate=1000001/s', 'by=address'), /policy "p": at most 1000000 in a second/],
    ['a burst', policy('rate=1/s', 'by=address', 'burst=-1'), /invalid "burst=-1": a number from 0 to 1000000000/],
    ['a burst that never comes back', policy('rate=1/300d', 'by=address', 'burst=1000'), /policy "p": .*71 years/],
    ['by something', policy('rate=1/s', 'by=school'), /invalid "by=school": one or several of address, subject, role, class, tenant and route/],
    ['by something twice', policy('rate=1/s', 'by=role,role'), /invalid "by=role,role"/],
    ['by nothing', policy('rate=1/s', 'by='), /invalid "by="/],
    ['by a comma', policy('rate=1/s', 'by=role,'), /invalid "by=role,"/],
    ['a key that is the same for all', policy('rate=1/s', 'key=all'), /invalid "key=all": a text with variables/],
    ['a key of an unknown variable', policy('rate=1/s', 'key=$no_such'), /unknown "no_such" variable/],
    ['a cost of nothing', policy('rate=1/s', 'by=role', 'cost=0'), /invalid "cost=0"/],
    ['a cost that is never there', policy('rate=1/s', 'by=role', 'burst=3', 'cost=5'), /policy "p": a request costs 5, and no more than 4 can be used at once: burst= is to be 4 or more/],
    ['a status', policy('rate=1/s', 'by=role', 'status=403'), /invalid "status=403": 429 or 503/],
    ['a jitter', policy('rate=1/s', 'by=role', 'jitter=2h'), /invalid "jitter=2h": a time from 0 to 1h/],
    ['a network', policy('rate=1/s', 'by=address', 'ipv6=64'), /invalid "ipv6=64": the bits of a network/],
    ['a network of no bits', policy('rate=1/s', 'by=address', 'ipv6=/0'), /invalid "ipv6=\/0"/],
    ['over something', policy('rate=1/s', 'by=role', 'over=schools'), /invalid "over=schools": over=edges is expected/],
    ['over all edges without Redis', policy('rate=1/s', 'by=role', 'over=edges'), /policy "p" holds over all edges, which share it by Redis: add "bell_limit_redis ADDRESS:PORT;"/],
    ['over all edges, and hardly ever', `${redis} ${policy('rate=1/60d', 'by=role', 'burst=150', 'over=edges')}`, /policy "p": over all edges, a burst that comes back within 17 years/],
    ['two Redis', `${redis} ${redis}`, /"bell_limit_redis" directive is duplicate/],
    ['a Redis by its name', 'bell_limit_redis redis.example:6379;', /bell_limit_redis|redis\.example/],
    ['leases of something', 'bell_limit_leases many;', /invalid "many": zone=NAME:SIZE is expected, or edges=N/],
    ['leases of too many edges', 'bell_limit_leases edges=65;', /invalid "edges=65": .* from 1 to 64/],
    ['leases of no edges', 'bell_limit_leases edges=0;', /invalid "edges=0"/],
    ['leases without a size', 'bell_limit_leases zone=leases;', /invalid "zone=leases": zone=NAME:SIZE is expected, a name and a size of 32k or more/],
    ['leases with too little', 'bell_limit_leases zone=leases:8k;', /invalid "zone=leases:8k"/],
    ['leases twice', 'bell_limit_leases edges=2; bell_limit_leases zone=leases:1m;', /"bell_limit_leases" directive is duplicate/],
    ['leases in the zone of keys', `${redis} ${policy('rate=1/s', 'by=role', 'over=edges')} bell_limit_leases zone=limits:1m;`, /zone "limits" is that of "bell_limit_zone", and leases need one of their own/],
    ['a parameter twice', policy('rate=1/s', 'by=role', 'rate=2/s'), /"rate=2\/s": that parameter is duplicate/],
    ['a scale that is none', policy('rate=1/s', 'by=role', 'scale=class'), /invalid "scale=class": tenant or submissions is expected/],
    ['an unknown parameter', policy('rate=1/s', 'by=role', 'nodelay'), /invalid parameter "nodelay": "bell_limit_policy" takes a name/],
    ['a policy twice', `${good} bell_limit_policy p rate=1/s by=role;`, /there is a policy "p" already/],
    ['a name that is a word', `${zone} bell_limit_policy dry_run rate=1/s by=role;`, /"dry_run" cannot be a policy's name/],
    ['a name that is long', `${zone} bell_limit_policy ${'n'.repeat(65)} rate=1/s by=role;`, /cannot be a policy's name: 1 to 64/],
    ['a name that is not ASCII', `${zone} bell_limit_policy "gr\u00fcn" rate=1/s by=role;`, /cannot be a policy's name/],
    ['65 policies', zone + Array.from({ length: 65 }, (_, i) => `bell_limit_policy p${i} rate=1/s by=role;`).join(' '), /more than 64 policies/],
    ['a limit of no policy', good, /there is no policy "q": "bell_limit_policy q \.\.\." belongs above this line/, location('bell_limit q;')],
    ['a limit twice', good, /policy "p" stands here already/, location('bell_limit p;', 'bell_limit p dry_run;')],
    ['a dry run of nothing', good, /"bell_limit" directive has "dry_run" and names no policy/, location('bell_limit dry_run;')],
    ['off, and a limit', good, /"bell_limit" directive is "off" and has a policy at the same level/, location('bell_limit p;', 'bell_limit off;')],
    ['a limit, and off', good, /"bell_limit" directive is "off" and has a policy/, location('bell_limit off;', 'bell_limit p;')],
    ['17 limits', zone + Array.from({ length: 17 }, (_, i) => `bell_limit_policy p${i} rate=1/s by=role;`).join(' '), /more than 16 policies at one place/,
        location(`bell_limit ${Array.from({ length: 17 }, (_, i) => `p${i}`).join(' ')};`)],
    ['who is allowed', good, /invalid "friends": an address, a network as 192\.0\.2\.0\/24, or a text with variables/, location('bell_limit_allow friends;')],
    ['who is allowed, and off', good, /"bell_limit_allow" directive is "off" and allows somebody/, location('bell_limit_allow 192.0.2.1;', 'bell_limit_allow off;')],
    ['how many are shown', good, /invalid "0": how many keys are shown is a number from 1 to 256/, location('bell_limit_status 0;')],
    ['two that answer', good, /"bell_limit_status" directive is duplicate, or beside another/, location('bell_limit_status;', 'bell_limit_status 5;')],
];

for (const [what, http, pattern, options] of refusals) {
    test(`refused: ${what}`, async () => {
        const { code, stderr } = await judge(http, options);
        assert.notEqual(code, 0, stderr);
        assert.match(stderr, pattern);
        assert.match(stderr, /\[emerg\]/);
    });
}

test('without core, or before it, the module is refused with a sentence', async () => {
    assert.match((await judge('', { load: loadLines('limit') })).stderr, /module "ngx_http_bell_limit_module" needs ngx_http_bell_core_module, which is not loaded/);
    assert.match((await judge('', { load: loadLines('limit', 'core') })).stderr, /module "ngx_http_bell_limit_module" is loaded before ngx_http_bell_core_module/);
});

test('the module alone, without a zone or a policy, is no burden', async () => {
    const { code, stderr } = await judge('');
    assert.equal(code, 0, stderr);
});

test('everything that it takes is taken', async () => {
    const all = policy('rate=600/10m', 'burst=99', 'by=address,subject,role,class,tenant,route', '"key=$host$uri"', 'cost=$arg_cost', 'status=503', 'jitter=30s', 'ipv6=/56');
    const over = `${redis} bell_limit_leases zone=leases:64k edges=4; bell_limit_policy o rate=1/s by=tenant over=edges; bell_limit o;`;
    const { code, stderr } = await judge(`${all} ${over} bell_limit p dry_run; bell_limit_allow 192.0.2.0/24 unix: $arg_friend; bell_limit_headers on;`, location('bell_limit off;', 'bell_limit_allow off;', 'bell_limit_headers off;'));
    assert.equal(code, 0, stderr);
});

test('the example of the README is accepted', async () => {
    const readme = readFileSync(path.join(checkout, 'modules/limit/README.md'), 'utf8');
    const [example] = /(?<=```nginx\n)[^`]*(?=```)/.exec(readme);
    const http = /http \{\n([^]*?)\n {4}server \{/.exec(example)[1].replace(/ *(bell_directory|bell_tenant|bell_session\w*) .*\n/g, '');
    const server = /server \{\n([^]*)\n {4}\}\n/.exec(example)[1].replace(/ *listen .*\n/, '').replace(/bell_session required;/g, '');
    const { code, stderr } = await judge(http, { server });
    assert.equal(code, 0, stderr);
});
