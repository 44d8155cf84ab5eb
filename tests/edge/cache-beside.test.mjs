// bell_cache beside what nginx does by itself: rates, handlers of its own, error_page, post_action, the next server of an upstream, balancers before it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { freePort, newPlace } from '../lib/place.mjs';
import { testNginx } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { CLOSE, startCacheOrigin } from './cache-origin.mjs';
import { leaveAll, over, visitors } from './cache-visitors.mjs';
import { atWork, cacheHttp, figures, fresh, isHit, loadCache, outcome, startCacheEdge } from './cache.mjs';
import { lines, nginxConf } from './support.mjs';

const place = newPlace();
place.expect(/\[emerg\]/); // what is refused at the start
let origin;
let edge;
let balanced;

const server = () => `
    location / { proxy_pass http://origin; }
    location /slowly/ { limit_rate 2000; proxy_pass http://origin; }
    location /twice/ { proxy_pass http://twice; }
    location = /own { stub_status; }
    location = /counts { bell_status json; }
    location /acts/ { post_action /told; proxy_pass http://origin; }
    location = /told { proxy_pass http://origin; }
    location /instead/ { error_page 502 = /patient; proxy_pass http://origin; }
    location = /patient { bell_cache off; access_log ${place.path('log/patient.log')} how; proxy_ignore_client_abort on; proxy_pass http://origin; }
    location /files/ { internal; bell_cache off; alias ${place.path('files')}/; }
    location /socket/ { proxy_set_header Upgrade $http_upgrade; proxy_pass http://origin; }
    location /inner/ { internal; proxy_pass http://origin; }
    location /closed/ { error_page 404 /gone; proxy_pass http://origin; }
    location = /gone { bell_cache off; return 200 "the edge's own page"; }`;

before(async () => {
    origin = await startCacheOrigin();
    balanced = await freePort();
    edge = await startCacheEdge(place, origin, {
        server: server(),
        http: `log_format how '$uri $status';
            upstream twice { server 127.0.0.1:${origin.port} max_fails=0; server 127.0.0.1:${origin.port} max_fails=0; }
            server {
                listen 127.0.0.1:${balanced} proxy_protocol;
                location / { bell_cache main; proxy_set_header Host $host; proxy_set_header Asker $proxy_protocol_addr:$server_port; proxy_pass http://origin; }
            }`,
    });
});

after(async () => {
    await origin?.close();
    await place.stop();
});

const get = (path, options) => edge.ask('north.example', path, options);

test('a head that goes out in parts, because the client may have no more of it at once: the body goes behind it, from the store as well', async () => {
    const path = '/slowly/a';
    origin.script(path, { headers: { ...fresh, 'x-long': 'l'.repeat(2500) }, body: 'the body' });
    for (const expected of ['uri-miss 200', 'hit', 'hit']) {
        const reply = await get(path);
        assert.deepEqual([outcome(reply), reply.text], [expected, 'the body']);
    }
});

test('an interim answer behind another try is passed over, too', async () => {
    const path = '/twice/early';
    const early = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n';
    origin.script(path, { instead: CLOSE }, { early: `${early}${early}`, headers: fresh, body: 'the answer' });
    for (const expected of ['uri-miss 200', 'hit']) {
        const reply = await get(path);
        assert.deepEqual([reply.status, outcome(reply), reply.text], [200, expected, 'the answer']);
    }
    assert.equal(origin.count(path), 2);
});

test('a location whose handler asks nobody is served as it would be without a cache', async () => {
    for (let i = 0; i < 8; i++) {
        const [own, counts] = await Promise.all([get('/own'), get('/counts')]);
        assert.deepEqual([own.status, counts.status], [200, 200]);
        assert.match(own.text, /^Active connections: /);
        assert.ok(counts.json.firstbell_cache_requests_total);
    }
});

test('post_action is done once for each visit, whatever comes from the store', async () => {
    const path = '/acts/a';
    origin.script(path, { headers: fresh, body: 'the answer' });
    origin.script('/told', { headers: fresh, body: 'told' });
    const outcomes = [];
    for (let visit = 1; visit <= 3; visit++) {
        outcomes.push(outcome(await get(path)));
        await waitFor(`visit ${visit} to be told`, () => origin.count('/told') >= visit);
    }
    assert.deepEqual(outcomes, ['uri-miss 200', 'hit', 'hit']);
    assert.equal(origin.count('/told'), 3);
});

test('who leaves while he waits is told of by post_action, once, and what he has waited for is not his there', async () => {
    const path = '/acts/left';
    const held = { headers: fresh, body: 'told', held: true };
    origin.script(path, { headers: fresh, body: 'the answer', held: true });
    origin.script('/told', held, held, { headers: fresh, body: 'told' });
    const some = await visitors(edge.port, 2);
    some.forEach((visitor) => visitor.ask(path));
    const asked = await origin.arrived(path);
    await atWork(edge, 2);
    leaveAll(some);
    await origin.arrived('/told', 2);
    asked.rest();
    let visits = some.length;
    const reply = await waitFor('the answer to be stored', async () => {
        visits++;
        const answered = await get(path);
        return isHit(answered) && answered;
    });
    assert.equal(reply.text, 'the answer');
    await waitFor('those visits to be told', () => origin.count('/told') >= visits);
    origin.asked('/told').slice(0, 2).forEach((told) => told.rest());
    await waitFor('the edge to be done', async () => (await figures(edge)).writing === 0);
    assert.deepEqual([origin.count('/told'), origin.count(path)], [visits, 1]);
});

test('who is led elsewhere by error_page is there by the rules of that place: his leaving ends nothing where proxy_ignore_client_abort is on', async () => {
    const path = '/instead/a';
    origin.script(path, { instead: CLOSE });
    origin.script('/patient', { headers: fresh, body: 'in its time', held: true });
    const [visitor] = await visitors(edge.port, 1);
    visitor.ask(path);
    const asked = await origin.arrived('/patient');
    visitor.leave();
    asked.rest();
    await waitFor('the visit to be over', () => lines(place.read('log/patient.log'), /patient/).length > 0);
    assert.deepEqual(lines(place.read('log/patient.log'), /patient/), ['/patient 200']);
    assert.equal(asked.isGone, false);
});

test('what X-Accel-Redirect leads to: a file is stored by what the origin said of it, an answer of another upstream is nobody’s to keep', async () => {
    place.write('files/a.txt', 'from the disk');
    origin.script('/inner/a', { headers: fresh, body: 'from within' });
    const cases = [
        ['/led/file', '/files/a.txt', 'max-age=60', 'from the disk', 1],
        ['/led/own-file', '/files/a.txt', 'private', 'from the disk', 3],
        ['/led/inner', '/inner/a', 'max-age=60', 'from within', 3],
        ['/led/own-inner', '/inner/a', 'private', 'from within', 3],
    ];
    for (const [path, to, said, body, count] of cases) {
        origin.script(path, { headers: { 'cache-control': said, 'x-accel-redirect': to } });
        for (let i = 0; i < 3; i++) {
            const reply = await get(path);
            assert.deepEqual([path, reply.status, reply.text], [path, 200, body]);
        }
        assert.deepEqual([path, origin.count(path)], [path, count]);
    }
});

test('who asks for a WebSocket is answered by the origin', async () => {
    origin.script('/socket/a', ({ headers: { upgrade = 'none' } }) => ({ headers: fresh, body: upgrade }));
    assert.equal((await get('/socket/a')).text, 'none');
    const reply = await get('/socket/a', { headers: { upgrade: 'WebSocket', connection: 'Upgrade' } });
    assert.deepEqual([reply.text, outcome(reply)], ['WebSocket', 'bypass 200']);
    assert.equal(outcome(await get('/socket/a', { headers: { upgrade: 'h2c', connection: 'Upgrade' } })), 'hit');
});

test('what a balancer says of the client is known to the fetch', async () => {
    const path = '/balanced';
    origin.script(path, { headers: fresh, body: 'the answer' });
    const [visitor] = await visitors(balanced, 1);
    visitor.socket.write('PROXY TCP4 203.0.113.7 127.0.0.1 4000 80\r\n');
    const [reply] = await over([visitor.ask(path)]);
    visitor.leave();
    assert.deepEqual([reply.status, reply.body], [200, 'the answer']);
    assert.equal(origin.asked(path)[0].headers.asker, `203.0.113.7:${balanced}`);
});

test('an error_page of the edge’s own failures is no hindrance, and what the origin answers is left as it is', async () => {
    const path = '/closed/a';
    origin.script(path, { status: 404, headers: fresh, body: 'the origin’s own page' });
    for (const expected of ['uri-miss 404', 'hit']) {
        const reply = await get(path);
        assert.deepEqual([reply.status, outcome(reply), reply.text], [404, expected, 'the origin’s own page']);
    }
});

test('an error_page in the place of what the origin answers is refused where answers are stored', async () => {
    const cases = [
        ['proxy_intercept_errors on; location / { error_page 404 /gone; proxy_pass http://origin; }', 1],
        ['error_page 404 /gone; location / { proxy_intercept_errors on; proxy_pass http://origin; }', 1],
        ['error_page 404 /gone; location / { bell_cache off; proxy_intercept_errors on; proxy_pass http://origin; }', 0],
        ['location / { proxy_intercept_errors on; proxy_pass http://origin; }', 0],
        ['error_page 502 /gone; location / { proxy_pass http://origin; }', 0],
    ];
    for (const [directives, expected] of cases) {
        const server = `bell_cache main; ${directives}`;
        const { code, stderr } = await testNginx(place, { conf: nginxConf(place, await freePort(), { load: loadCache(), http: cacheHttp(origin), server }) });
        assert.equal(code, expected, `${directives}: ${stderr}`);
        if (expected) assert.match(stderr, /"bell_cache" cannot be where an "error_page" takes the place .* in location "\/"/);
    }
});
