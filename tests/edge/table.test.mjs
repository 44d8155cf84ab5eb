// The table of core's functions: what a module gets by it, and with which sentence it is refused. The module is tests/edge/probe.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { modulePath, testNginx } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { lines, loadProbe, nginxConf, probePath, publish, report, snapshot, startEdge, tenant, twoTenants } from './support.mjs';

const place = newPlace();
place.expect(/\[emerg\]/); // refusals are half of this file
let edge;

const said = `default_type application/json; return 200 '{"subject":"$bell_subject","role":"$bell_role","class":"$bell_class","reason":"$bell_reason"}';`;
// "return" answers before the access phase, where the probe is
const server = `
    access_log ${place.path('log/access.log')} why;
    root ${place.dir};
    location / { try_files /page =404; }
    location /off { try_files /page =404; }
    location /who { probe_identify u-17; error_page 404 = @said; }
    location @said { ${said} }
    location /twice { probe_identify u-17; error_page 404 /other; }
    location /other { probe_identify u-18; error_page 401 = @said; }
    location /same { probe_identify u-17; error_page 404 /again; }
    location /again { probe_identify u-17; error_page 404 = @said; }
    location /refused { probe_refuse "the exam is over"; error_page 403 = @said; }
    location /refused-twice { probe_refuse "the exam is over"; error_page 403 /refused-again; }
    location /refused-again { probe_refuse "another"; error_page 403 = @said; }
    location /long { probe_refuse ${'x'.repeat(400)}; error_page 403 = @said; }
    location /find-host { probe_look_up LEARN.south.example.; try_files /page =404; }
    location /find-nobody { probe_look_up nobody.example; try_files /page =404; }
    location /find-nonsense { probe_look_up "a b"; try_files /page =404; }
    location /records { probe_pool api; try_files /page =404; }
    location /no-pool { probe_pool nowhere; try_files /page =404; }
    location /revoked { probe_session u-17; try_files /page =404; }
    location /not-revoked { probe_session u-18; try_files /page =404; }
    location /bare-refusal { probe_refuse "the exam is over"; }
    location /pid { return 200 $pid; }
    location /sub { add_before_body /page; add_after_body /page; try_files /page =404; }
`;

before(async () => {
    place.write('page', 'page\n');
    const http = `bell_tenant on; recursive_error_pages on; log_format why '$status $bell_tenant [$bell_reason]';`;
    const tenants = [...twoTenants, tenant(3, 'closed', ['closed.example'], { status: 'suspended' })];
    tenants[1].hosts.push('learn.south.example');
    const pools = [{ name: 'api', servers: [{ address: '127.0.0.1:8080', weight: 1, state: 'up' }] }];
    const revoked = [{ tenant: 1, subject: 'u-17', before: 100, until: Math.floor(Date.now() / 1000) + 86400 }];
    const bytes = snapshot(3, tenants, undefined, { pools, revoked });
    edge = await startEdge(place, { load: loadProbe(place), bytes, server, http });
});

after(() => place.stop());

test('a module sees the tenant', async () => {
    const { headers, text } = await edge.ask('north.example');
    assert.equal(text, 'page\n');
    assert.equal(headers['probe-tenant'], 'north');
    assert.equal((await edge.ask('south.example')).headers['probe-tenant'], 'south');
});

test('a module is given copies of records, and which version they are of', async () => {
    assert.equal((await edge.ask('north.example', '/records')).headers['probe-records'], 'tenant 1, pool 1 in 3');
    assert.equal((await edge.ask('north.example', '/no-pool')).headers['probe-records'], 'tenant 1, none 0 in 3');
});

test('a module is told which sessions were ended: of this tenant, and of no other', async () => {
    assert.equal((await edge.ask('north.example', '/revoked')).headers['probe-session'], 'revoked');
    assert.equal((await edge.ask('north.example', '/not-revoked')).headers['probe-session'], 'good');
    assert.equal((await edge.ask('south.example', '/revoked')).headers['probe-session'], 'good');
});

test('a module is told what the directory is and what its feed has done', async () => {
    const { headers } = await edge.ask('north.example');
    assert.equal(headers['probe-status'], '0 version=3 tenants=3 snapshots=1 deltas=0 refused=0 gaps=0 copies=0 changed=1 feeder=0 clock_wrong=0');
});

test('what a module counts is one number of all workers, and a collector is asked', async () => {
    const figures = async (path) => {
        const { headers } = await edge.ask('north.example', path);
        return /^answers_total\(counter\) kind=answer (\d+) kind=refusal (\d+); last_status\(gauge\) (\d+); load_ratio\(gauge\) server=a"b\\c<d> data=of the probe -25\/10\^2$/
            .exec(headers['probe-metrics'])?.slice(1).map(Number) ?? assert.fail(headers['probe-metrics']);
    };
    const [answers, refusals] = await figures('/');
    assert.deepEqual(await figures('/bare-refusal'), [answers + 1, refusals, 200]);
    assert.deepEqual(await figures('/'), [answers + 1, refusals + 1, 403]);
    const workers = new Set();
    let asked = 0;
    for (; workers.size < 2 && asked < 10_000; asked += 8) {
        const replies = await Promise.all(Array.from({ length: 8 }, () => edge.ask('north.example', '/pid')));
        for (const { text } of replies) workers.add(text);
    }
    assert.equal(workers.size, 2);
    assert.deepEqual(await figures('/'), [answers + 2 + asked, refusals + 1, 200]);
});

test('a request of nobody has a context without a tenant', async () => {
    const { status, headers } = await edge.ask('nobody.example');
    assert.equal(status, 404);
    assert.equal(headers['probe-tenant'], 'none');
});

test('who asks is known to the variables, also after an internal redirect', async () => {
    const { json, headers } = await edge.ask('north.example', '/who');
    assert.deepEqual(json, { subject: 'u-17', role: 'teacher', class: '7b', reason: '' });
    assert.equal(headers['probe-subject'], 'u-17 teacher 7b');
});

test('a request has one subject: another is refused, the same is not', async () => {
    const other = await edge.ask('north.example', '/twice');
    assert.equal(other.json.subject, 'u-17');
    assert.equal(other.json.reason, 'there is another subject than u-18');
    const same = await edge.ask('north.example', '/same');
    assert.deepEqual(same.json, { subject: 'u-17', role: 'teacher', class: '7b', reason: '' });
});

test('what was charged stays charged through internal redirects and subrequests', async () => {
    for (const path of ['/', '/who', '/same', '/refused-twice', '/sub']) {
        const { headers } = await edge.ask('north.example', path);
        assert.equal(headers['probe-charged'], '1', path);
    }
});

test('a reason is in the variable and in the error log; the first one stays', async () => {
    const { json } = await edge.ask('north.example', '/refused');
    assert.equal(json.reason, 'refused: the exam is over');
    assert.ok(lines(edge.log(), /\[info\].*refused: the exam is over.*host: "north\.example"/).length > 0);
    assert.equal((await edge.ask('north.example', '/refused-twice')).json.reason, 'refused: the exam is over');
    assert.ok(lines(edge.log(), /refused: another/).length > 0);
});

test('a long reason is cut', async () => {
    const { json } = await edge.ask('north.example', '/long');
    assert.equal(json.reason, `refused: ${'x'.repeat(400)}`.slice(0, 255));
});

test("core's own refusals have a reason in the access log", async () => {
    await edge.ask('nobody.example', '/unknown');
    await edge.ask('closed.example', '/closed');
    // a line is written behind the answer
    const logged = (pattern) => waitFor(`a line ${pattern}`, () => pattern.test(place.read('log/access.log')));
    await logged(/^404 - \[host \\x22nobody\.example\\x22 belongs to no tenant of directory version 3\]$/m);
    await logged(/^503 closed \[tenant \\x22closed\\x22 is suspended\]$/m);
});

test('a module looks up any host', async () => {
    assert.equal((await edge.ask('north.example', '/find-host')).headers['probe-found'], 'south in 3');
    assert.equal((await edge.ask('north.example', '/find-nobody')).headers['probe-found'], 'nobody in 3');
    assert.equal((await edge.ask('north.example', '/find-nonsense')).headers['probe-found'], 'nobody in 3');
});

test('where bell_tenant is off there is a context, and no directory has no tenant', async (t) => {
    const own = newPlace();
    t.after(() => own.stop());
    own.write('page', 'page\n');
    const location = `location / { root ${own.dir}; probe_identify u-17; probe_look_up north.example; try_files /page =404; }`;
    const off = await startEdge(own, { load: loadProbe(own), directory: '', http: 'bell_tenant off;', server: location });
    const { headers } = await off.ask('nobody.example');
    assert.equal(headers['probe-tenant'], 'none');
    assert.equal(headers['probe-subject'], 'u-17 teacher 7b');
    assert.equal(headers['probe-found'], 'nobody in 0');
});

test('through reloads, also failed ones, the module keeps its table', async (t) => {
    const own = newPlace();
    own.expect(/unknown directive "no_such"/);
    t.after(() => own.stop());
    own.write('page', 'page\n');
    const options = { load: loadProbe(own), server: `location / { root ${own.dir}; try_files /page =404; }` };
    const again = await startEdge(own, options);
    const head = own.read('conf/nginx.conf').split('load_module')[0];
    own.write('conf/nginx.conf', head + nginxConf(own, again.port, { ...options, server: 'no_such;' }));
    again.reload();
    await waitFor('the refusal', () => /unknown directive "no_such"/.test(again.log()));
    assert.equal((await again.ask('north.example')).headers['probe-tenant'], 'north');
    own.write('conf/nginx.conf', head + nginxConf(own, again.port, options));
    again.reload();
    await waitFor('the reload', () => lines(again.log(), /gracefully shutting down/).length >= 2);
    assert.equal((await again.ask('south.example')).headers['probe-tenant'], 'south');
});

// ---- refusals: `nginx -t` with load_module lines

async function refused(load, pattern, { env } = {}) {
    publish(place, snapshot(3, twoTenants));
    const conf = nginxConf(place, 8080, { load, server: `location / { default_type text/plain; return 200 '${report}'; }` });
    const { code, stderr } = await testNginx(place, { conf, env });
    assert.notEqual(code, 0, stderr);
    assert.match(stderr, pattern);
}

test('without core a module is refused and told to load it', async () => {
    await refused(`load_module ${probePath(place)};`, /\[emerg\].*module "ngx_http_bell_probe_module" needs ngx_http_bell_core_module, which is not loaded: add "load_module modules\/ngx_http_bell_core_module\.so;" above the line that loads it/);
});

test('before core a module is refused and told the order', async () => {
    await refused(`load_module ${probePath(place)};\nload_module ${modulePath()};`, /module "ngx_http_bell_probe_module" is loaded before ngx_http_bell_core_module, which it needs: load core first, its "load_module" belongs above the others/);
});

test('a module of a newer release is refused', async () => {
    await refused(loadProbe(place), /module "ngx_http_bell_probe_module" is newer than the ngx_http_bell_core_module that is loaded: it needs version 8 of core's functions and this is 7; install modules of one release and restart nginx/, { env: { PROBE_VERSION: '8' } });
});

test('a module of a release that is too old is refused', async () => {
    await refused(loadProbe(place), /module "ngx_http_bell_probe_module" is too old for the ngx_http_bell_core_module that is loaded: it was made for version 0 of core's functions and 2 to 7 are served/, { env: { PROBE_VERSION: '0' } });
});

for (const [what, env, pattern] of [
    ['of a name that is not ours', { PROBE_METRIC: 'probe_x_total' }, /the metric "probe_x_total" has a name that is not firstbell_ and up to 70 of a-z, 0-9, _/],
    ['of a name that no exposition may have', { PROBE_METRIC: 'firstbell_x-y_total' }, /has a name that is not firstbell_/],
    ['that is a counter by another name', { PROBE_METRIC: 'firstbell_probe_x' }, /the metric "firstbell_probe_x" is a counter, whose name ends with _total/],
    ['that is there already', { PROBE_METRIC: 'firstbell_probe_answers_total', PROBE_LABEL: 'kind' }, /the metric "firstbell_probe_answers_total" is there already$/m],
    ['that is there with another label', { PROBE_METRIC: 'firstbell_core_refused_requests_total', PROBE_LABEL: 'kind' }, /there already, of another type or with another label/],
    ['with a label that no exposition may have', { PROBE_METRIC: 'firstbell_probe_x_total', PROBE_LABEL: 'a-b' }, /has a label that is too long, or not of a-z, 0-9, _/],
]) {
    test(`a metric ${what} is refused`, () => refused(loadProbe(place), pattern, { env }));
}
