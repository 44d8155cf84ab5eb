// What an edge tells of itself: figures that move by what was done, of all workers, through deaths and reloads, in two formats; and its health.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import https from 'node:https';
import { after, before, test } from 'node:test';

import { freePort, newPlace } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { makeCertificate, modulePath, testNginx } from '../lib/server-nginx.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';
import { parseExposition, value } from './exposition.mjs';
import { Publisher, startFedEdge } from './feed.mjs';
import { ask, nginxConf, probePath, publish, snapshot, startEdge, tenant, twoTenants } from './support.mjs';

const place = newPlace();
place.expect(/exited on signal 9/); // a worker is killed here
const tenants = [...twoTenants, tenant(3, 'closed', ['closed.example'], { status: 'suspended' })];
const REFUSED = 'firstbell_core_refused_requests_total';
let edge;
let tlsPort;
let ca;

const load = () => `load_module ${modulePath()};\nload_module ${modulePath('ngx_http_bell_status_module')};`;
const locations = `location = /metrics { bell_status; } location = /json { bell_status json; } location = /healthz { bell_health; } location = /page { ssi on; ssi_types *; alias ${place.path('page')}; } location / { return 200 $pid; }`;
const statusServer = (port) => `server { listen 127.0.0.1:${port}; bell_tenant off; gzip on; gzip_min_length 1; gzip_types text/plain application/json; charset utf-8; ${locations} }`;

function options() {
    const tls = `server { listen 127.0.0.1:${tlsPort} ssl; ssl_certificate ${place.path('tls/edge.crt')}; ssl_certificate_key ${place.path('tls/edge.key')}; location / { return 200; } }`;
    return { load: load(), tenants, http: `bell_tenant on; ${statusServer(edge?.statusPort)} ${tls}`, server: 'location / { return 200 $pid; }' };
}

before(async () => {
    ({ ca } = makeCertificate(place, ['north.example', 'south.example']));
    tlsPort = await freePort();
    edge = { statusPort: await freePort() };
    place.write('page', 'before <!--# include virtual="/metrics" --><!--# include virtual="/healthz" --> after');
    Object.assign(edge, await startEdge(place, options()));
});

after(() => place.stop());

async function figures(port = edge.statusPort) {
    const reply = await ask(port, 'edge', '/metrics');
    assert.equal(reply.status, 200);
    return parseExposition(reply.text);
}

const refused = (families) => Object.fromEntries(families[REFUSED].samples.map(({ labels, value }) => [labels.outcome, value]));

function misdirected() {
    return new Promise((resolve, reject) => {
        const request = https.get({ host: '127.0.0.1', port: tlsPort, servername: 'north.example', ca, agent: false, headers: { host: 'south.example' } }, (response) => {
            response.resume();
            response.on('end', () => resolve(response.statusCode));
        });
        request.on('error', reject);
    });
}

test('for Prometheus: a strict reader takes all of it', async () => {
    const reply = await ask(edge.statusPort, 'edge', '/metrics');
    assert.equal(reply.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    assert.equal(reply.headers['cache-control'], 'no-store');
    assert.equal(Number(reply.headers['content-length']), Buffer.byteLength(reply.text));
    const families = parseExposition(reply.text);
    assert.ok(Object.keys(families).length > 15);
    for (const [name, family] of Object.entries(families)) {
        assert.match(name, /^firstbell_(core|directory)_[a-z_]+$/);
        assert.match(family.help, /^[A-Z].*\.$/, name);
    }
    assert.equal(value(families, 'firstbell_directory_version'), 1);
    assert.equal(value(families, 'firstbell_directory_tenants'), 3);
    assert.equal(value(families, 'firstbell_directory_snapshots_total'), 1);
    const changed = value(families, 'firstbell_directory_changed_timestamp_seconds');
    assert.ok(Math.abs(changed - Date.now() / 1000) < 600, String(changed));
    assert.match(families.firstbell_core_info.samples[0].labels.nginx, /^\d+\.\d+\.\d+$/);
});

test('in a page of server-side includes, which goes on behind them', async () => {
    const { text } = await ask(edge.statusPort, 'edge', '/page');
    assert.match(text, /^before # HELP [^]*"status":"ok"[^]* after$/);
});

test('as JSON the same figures', async () => {
    const reply = await ask(edge.statusPort, 'edge', '/json');
    assert.equal(reply.headers['content-type'], 'application/json');
    const families = await figures();
    assert.deepEqual(Object.keys(reply.json), Object.keys(families));
    const moving = 'firstbell_directory_unchanged_seconds';
    delete reply.json[moving];
    delete families[moving];
    assert.deepEqual(reply.json, JSON.parse(JSON.stringify(families)));
});

test('each way of being refused is counted, once a request, whichever worker it was; what is served is not', async () => {
    const begin = refused(await figures());
    const expected = { ...begin, 'unknown-host': begin['unknown-host'] + 40, suspended: begin.suspended + 2, 'read-only': begin['read-only'] + 1, misdirected: begin.misdirected + 1 };
    const workers = new Set();
    for (let i = 0; workers.size < 2 && i < 1000; i++) {
        for (const { text } of await Promise.all(Array.from({ length: 8 }, () => edge.ask('north.example')))) workers.add(text);
    }
    assert.equal(workers.size, 2);
    for (let i = 0; i < 5; i++) await Promise.all(Array.from({ length: 8 }, () => edge.ask('nobody.example')));
    for (let i = 0; i < 2; i++) assert.equal((await edge.ask('closed.example')).status, 503);
    assert.equal((await edge.ask('south.example')).status, 200);
    assert.equal((await ask(edge.port, 'south.example', '/', { method: 'POST' })).status, 503);
    assert.equal(await misdirected(), 421);
    assert.deepEqual(refused(await figures()), expected);
});

test('the directory: a change moves its figures, and so does a file that is refused', async () => {
    const bytes = snapshot(2, [...tenants, tenant(4, 'west', ['west.example'], { notice: 'x'.repeat(4000) })]);
    publish(place, bytes);
    await waitFor('version 2', async () => value(await figures(), 'firstbell_directory_version') === 2);
    publish(place, 'rubbish');
    await waitFor('the refusal', async () => value(await figures(), 'firstbell_directory_refused_documents_total') === 1);
    const families = await figures();
    assert.equal(value(families, 'firstbell_directory_tenants'), 4);
    assert.equal(value(families, 'firstbell_directory_snapshots_total'), 2);
    const fill = value(families, 'firstbell_directory_fill_ratio');
    assert.ok(fill >= 0.01 && fill <= 0.2, String(fill));
    publish(place, bytes);
});

test('HEAD has the headers of GET and nothing more; other methods are refused with what is allowed', async () => {
    for (const path of ['/metrics', '/json', '/healthz']) {
        const head = await ask(edge.statusPort, 'edge', path, { method: 'HEAD' });
        assert.equal(head.status, 200);
        assert.equal(head.text, '');
        assert.ok(Number(head.headers['content-length']) > 0);
        for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
            const other = await ask(edge.statusPort, 'edge', path, { method, body: method === 'POST' ? 'x' : undefined });
            assert.deepEqual([other.status, other.headers.allow], [405, 'GET, HEAD'], `${method} ${path}`);
        }
    }
});

test('compressed for who takes it', async () => {
    const reply = await ask(edge.statusPort, 'edge', '/metrics', { headers: { 'accept-encoding': 'gzip' } });
    assert.equal(reply.headers['content-encoding'], 'gzip');
});

test('a worker that is killed takes no figure with it', async () => {
    const begin = refused(await figures());
    const [victim] = children(edge.program.child.pid);
    process.kill(victim, 'SIGKILL');
    await waitFor('two other workers', () => children(edge.program.child.pid).filter((pid) => pid !== victim && existsSync(`/proc/${pid}`)).length === 2);
    assert.deepEqual(refused(await figures()), begin);
    for (let i = 0; i < 20; i++) await edge.ask('nobody.example');
    assert.equal(refused(await figures())['unknown-host'], begin['unknown-host'] + 20);
});

test('a reload goes on counting, also one with other modules before it, and one that fails', async (t) => {
    const own = newPlace();
    own.expect(/unknown directive "no_such"/);
    t.after(() => own.stop());
    const statusPort = await freePort();
    const http = `bell_tenant on; ${statusServer(statusPort)}`;
    const server = 'location / { return 200 $pid; }';
    const mine = await startEdge(own, { load: load(), http, server });
    const head = own.read('conf/nginx.conf').split('load_module')[0];
    const workers = () => children(mine.program.child.pid);
    const reload = (changes) => {
        const former = workers();
        own.write('conf/nginx.conf', head + nginxConf(own, mine.port, { load: load(), http, server, ...changes }));
        mine.reload();
        return (count) => waitFor(`${count} new workers alone`, () => workers().length === count && !workers().some((pid) => former.includes(pid)));
    };
    for (let i = 0; i < 7; i++) await mine.ask('nobody.example');

    reload({ server: 'no_such;' });
    await waitFor('the refusal', () => /unknown directive "no_such"/.test(mine.log()));
    await mine.ask('nobody.example');
    assert.equal(refused(await figures(statusPort))['unknown-host'], 8);

    const probe = `load_module ${modulePath()};\nload_module ${probePath(own)};\nload_module ${modulePath('ngx_http_bell_status_module')};`;
    await reload({ load: probe, workers: 1 })(1);
    await mine.ask('nobody.example');
    const families = await figures(statusPort);
    assert.equal(refused(families)['unknown-host'], 9);
    assert.deepEqual(families.firstbell_probe_load_ratio, { type: 'gauge', help: 'A ratio\nof \\ two lines.', samples: [{ labels: { server: 'a"b\\c<d>', data: 'of the probe' }, value: -0.25 }] });
    assert.equal(value(families, 'firstbell_probe_answers_total', { kind: 'refusal' }), 0);

    await reload({})(2);
    await mine.ask('nobody.example');
    const last = await figures(statusPort);
    assert.equal(refused(last)['unknown-host'], 10);
    assert.equal(last.firstbell_probe_load_ratio, undefined);
});

test('healthy: a directory is in service', async () => {
    const reply = await ask(edge.statusPort, 'edge', '/healthz');
    assert.deepEqual([reply.status, reply.json], [200, { status: 'ok', directory_version: 2, tenants: 4 }]);
    assert.equal(reply.headers['content-type'], 'application/json');
    assert.equal(reply.headers['cache-control'], 'no-store');
});

test('fed by Redis: unavailable until there is a directory; the feed is in the figures', async (t) => {
    const own = newPlace();
    t.after(() => own.stop());
    const redis = await startRedis(own);
    const statusPort = await freePort();
    const fed = await startFedEdge(own, redis, { load: load(), http: `bell_tenant on; ${statusServer(statusPort)}` });
    const health = await ask(statusPort, 'edge', '/healthz');
    assert.deepEqual([health.status, health.json], [503, { status: 'unavailable', reason: 'no directory is in service yet: there is no state on disk, and Redis has given none' }]);
    assert.equal(health.headers['retry-after'], '1');
    assert.equal((await fed.ask('north.example')).status, 404);
    assert.equal(refused(await figures(statusPort))['no-directory'], 1);
    const publisher = new Publisher(redis);
    await publisher.snapshot();
    await fed.sees(1);
    await publisher.put([tenant(9, 'new', ['new.example'])]);
    await fed.sees(2);
    assert.equal((await ask(statusPort, 'edge', '/healthz')).status, 200);
    const families = await figures(statusPort);
    const names = ['version', 'tenants', 'snapshots_total', 'deltas_total', 'gaps_total', 'takeovers_total', 'redis_connects_total', 'redis_failures_total', 'state_failures_total', 'clock_wrong_total', 'clock_ahead_seconds'];
    assert.deepEqual(names.map((name) => value(families, `firstbell_directory_${name}`)).slice(0, 4), [2, 3, 1, 1]);
    assert.ok(names.slice(5, 7).every((name) => value(families, `firstbell_directory_${name}`) >= 1));
    assert.ok(names.slice(7).every((name) => value(families, `firstbell_directory_${name}`) === 0));
    assert.equal(value(families, 'firstbell_directory_feeder_pid'), await fed.feeder());
});

test('without bell_directory: unavailable, with the reason; figures of core alone', async (t) => {
    const own = newPlace();
    t.after(() => own.stop());
    const bare = await startEdge(own, { load: load(), directory: '', http: 'bell_tenant off;', server: locations });
    const health = await bare.ask('edge', '/healthz');
    assert.deepEqual([health.status, health.json], [503, { status: 'unavailable', reason: 'this edge has no directory: bell_directory is not configured' }]);
    assert.deepEqual(Object.keys(await figures(bare.port)), [REFUSED, 'firstbell_core_info']);
});

test('a client that reads slowly gets all of it', async () => {
    const { default: net } = await import('node:net');
    const socket = net.connect({ port: edge.statusPort, host: '127.0.0.1', readableHighWaterMark: 16 });
    socket.write('GET /metrics HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n');
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (part) => {
        text += part;
        socket.pause();
        setImmediate(() => socket.resume());
    });
    await once(socket, 'end');
    parseExposition(text.slice(text.indexOf('\r\n\r\n') + 4));
});

for (const [what, lines, pattern] of [
    ['another word', 'location = /x { bell_status xml; }', /"bell_status" is "xml"; "json" or "prometheus" is expected/],
    ['twice', 'location = /x { bell_status; bell_status json; }', /"bell_status" directive is duplicate, or beside another directive that answers here/],
    ['beside another', 'location = /x { bell_status; bell_health; }', /"bell_health" directive is duplicate, or beside another directive that answers here/],
    ['outside of a location', 'bell_health;', /"bell_health" directive is not allowed here/],
]) {
    test(`${what} is refused`, async (t) => {
        const own = newPlace();
        own.expect(/\[emerg\]/);
        t.after(() => own.stop());
        publish(own, snapshot(1, twoTenants));
        const { code, stderr } = await testNginx(own, { conf: nginxConf(own, 8080, { load: load(), server: lines }) });
        assert.notEqual(code, 0);
        assert.match(stderr, pattern);
    });
}
