// bell_access_events: who was sent which bytes of what, as it is in the streams of Redis.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { after, before, test } from 'node:test';

import { raw } from '../lib/client.mjs';
import { newSessionKey, session } from '../lib/jose.mjs';
import { freePort, newPlace } from '../lib/place.mjs';
import { http2Words, modulePath, testNginx } from '../lib/server-nginx.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';
import { FILM, errors, eventLines, events, leastUser, load, noted, sawEvents, signed, startEventEdge } from './access-events.mjs';
import { nginxConf, publish, snapshot, startOrigin, twoTenants } from './support.mjs';

const place = newPlace();
place.expect(/\[emerg\]/); // what is refused at the start
const ours = newSessionKey();
let redis;
let edge;
let origin;
let h2Port;
let seen = 0; // events of north so far

const server = () => `
    location /files/ { bell_signed ours; bell_access_events on; root ${place.path('www')}; }
    location /files/slow { bell_signed ours; bell_access_events on; limit_rate 100k; alias ${place.path('www/files/film.mp4')}; }
    location /files/silent { bell_signed ours; root ${place.path('www')}; }
    location /files/named { bell_signed ours; bell_access_events on; root ${place.path('www')}; try_files /none @named; }
    location @named { bell_access_events on; root ${place.path('www')}; rewrite ^ /files/small break; }
    location /files/zip { bell_signed ours; bell_access_events on; gzip on; gzip_min_length 1; gzip_types *; alias ${place.path('www/files/small')}; }
    location /files/parts { bell_signed ours; bell_access_events on; add_before_body /files/inner; add_after_body /files/inner; addition_types *; alias ${place.path('www/files/small')}; }
    location /files/inner { internal; bell_access_events on; alias ${place.path('www/files/small')}; }
    location /files/kept/ { bell_signed ours; bell_access_events on; bell_cache films; proxy_pass http://origin; }
    location /files/far/ { bell_signed ours; bell_access_events on; proxy_pass http://origin; }
    location /home/ { bell_session on; bell_access_events on; alias ${place.path('www/files')}/; }
    location /files/both { bell_session on; bell_signed ours; bell_access_events on; alias ${place.path('www/files/small')}; }
    location /figures { bell_status json; }`;

before(async () => {
    redis = await startRedis(place, { settings: leastUser });
    origin = await startOrigin(place.path('sock/origin.sock'), (request, response) => {
        if (/kept/.test(request.url)) return sendFilm(request, response);
        const [from, to, size] = /\d+-\d+-[\d*]+$/.exec(request.url)[0].split('-');
        const encoding = /zipped/.test(request.url) ? { 'content-encoding': 'gzip' } : {};
        response.writeHead(206, { 'content-range': `bytes ${from}-${to}/${size}`, ...encoding }).end(Buffer.alloc(Number(to) - Number(from) + 1));
        return true;
    });
    place.write('sessions.pem', ours.pem);
    h2Port = await freePort();
    const words = http2Words();
    const h2 = words.startsWith(';') ? `listen 127.0.0.1:${h2Port}; ${words.slice(2)};` : `listen 127.0.0.1:${h2Port}${words};`;
    const more = `bell_cache_zone zone=films:4m largest=16k; bell_session_keys ${place.path('sessions.pem')}; upstream origin { server unix:${place.path('sock/origin.sock')}; }
    server { ${h2} ${server()} }`;
    edge = await startEventEdge(place, redis, { load: `${load}\nload_module ${modulePath('ngx_http_bell_cache_module')};`, more, server: server() });
});
after(async () => {
    await origin?.close();
    await place.stop();
});

/** The film, or what of it was asked for. */
function sendFilm({ headers: { range } }, response) {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
    const headers = { 'cache-control': 'max-age=60', etag: '"film"' };
    if (from === undefined) response.writeHead(200, { ...headers, 'content-length': FILM.length }).end(FILM);
    else response.writeHead(206, { ...headers, 'content-range': `bytes ${from}-${to}/${FILM.length}`, 'content-length': to - from + 1 }).end(FILM.subarray(Number(from), Number(to) + 1));
    return true;
}

/** What is told of one request more of north's, besides its id and its time. */
async function told(count = 1) {
    seen += count;
    const all = await sawEvents(redis, 1, seen);
    assert.equal(all.length, seen);
    return all.slice(-count).map(({ id, at, ...rest }) => rest);
}

const token = { subject: 's-17', by: 'path', issuer: 'ours' };
const whole = { ...token, path: '/files/film.mp4', from: 0, to: FILM.length, size: FILM.length, status: 200 };

test('a whole object, and a part of it: who, what, from where to where; never the token', async () => {
    const from = Date.now() - 5000;
    await edge.get('film.mp4');
    assert.deepEqual(await told(), [whole]);
    await edge.get('film.mp4', { headers: { range: 'bytes=1000-1999' } });
    assert.deepEqual(await told(), [{ ...whole, from: 1000, to: 2000, status: 206 }]);
    await edge.get('film.mp4', { headers: { range: 'bytes=-7' } });
    assert.deepEqual(await told(), [{ ...whole, from: FILM.length - 7, status: 206 }]);
    await edge.get('', { path: `${signed('%66ilm.mp4')}?quality=high` });
    assert.deepEqual(await told(), [{ ...whole, path: '/files/%66ilm.mp4' }]);
    const all = await events(redis, 1);
    assert.ok(all.every(({ at }) => at > from && at < Date.now() + 5000));
    assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
    assert.doesNotMatch(await redis.ask(['--json', 'xrange', 'bell:access:{1}', '-', '+']), /bell-token|v1\.p1|quality/);
});

test('requests of one connection are told one by one', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let n = 0; n < 3; n++) assert.equal((await edge.ask('north.example', signed('small'), { agent })).status, 200);
    agent.destroy();
    assert.deepEqual(await told(3), Array(3).fill({ ...whole, path: '/files/small', to: 10, size: 10 }));
});

test('the streams of tenants are their own, and each tenant is noted', async () => {
    await edge.get('small', { id: 2, subject: 'other' });
    const [event] = await sawEvents(redis, 2, 1);
    assert.equal(event.subject, 'other');
    await waitFor('both to be noted', async () => (await noted(redis)).join() === '1,2');
    assert.equal((await events(redis, 1)).length, seen);
});

test('a session says who it is, also where a token names another', async () => {
    const cookie = `__Host-bell_session=${session(ours, { sub: '4711' })}`;
    const event = { subject: '4711', by: 'session', path: '/home/small', from: 0, to: 10, size: 10, status: 200 };
    await edge.get('', { path: '/home/small', headers: { cookie } });
    assert.deepEqual(await told(), [event]);
    await edge.get('', { path: signed('both'), headers: { cookie } });
    assert.deepEqual(await told(), [{ ...event, path: '/files/both' }]);
});

test('subjects and paths of every kind are told as they are', async () => {
    const subject = 'zoe "the\\one" <b>';
    place.write('www/files/\u00eb "q"', 'x');
    await edge.get('', { path: signed('%C3%AB%20"q"', { subject }) });
    assert.deepEqual(await told(), [{ ...token, subject, path: '/files/%C3%AB%20%22q%22', from: 0, to: 1, size: 1, status: 200 }]);
});

test('what an upstream sends a part of is told in its words', async () => {
    await edge.get('', { path: signed('far/100-199-1000'), headers: { range: 'bytes=100-199' } });
    assert.deepEqual(await told(), [{ ...token, path: '/files/far/100-199-1000', from: 100, to: 200, size: 1000, status: 206 }]);
    await edge.get('', { path: signed('far/5-5-*'), headers: { range: 'bytes=5-5' } });
    assert.deepEqual(await told(), [{ ...token, path: '/files/far/5-5-*', from: 5, to: 6, size: -1, status: 206 }]);
});

test('what a cache puts together from parts is told as the range that it is', async () => {
    for (let i = 0; i < 2; i++) {
        await edge.get('', { path: signed('kept/film.mp4'), headers: { range: 'bytes=20000-39999' } });
        assert.deepEqual(await told(), [{ ...token, path: '/files/kept/film.mp4', from: 20_000, to: 40_000, size: FILM.length, status: 206 }]);
    }
});

test('of compressed answers the size is not known', async () => {
    await edge.get('', { path: signed('zip'), headers: { 'accept-encoding': 'gzip' } });
    const [event] = await told();
    assert.ok(event.to > 0);
    assert.deepEqual({ ...event, to: 0 }, { ...token, path: '/files/zip', from: 0, to: 0, size: -1, status: 200 });
    await edge.get('', { path: signed('far/zipped-0-9-100'), headers: { range: 'bytes=0-9' } });
    assert.deepEqual(await told(), [{ ...token, path: '/files/far/zipped-0-9-100', from: 0, to: 10, size: -1, status: 206 }]);
});

test('an internal redirect keeps who asked, and subrequests are not requests', async () => {
    await edge.get('named');
    assert.deepEqual(await told(), [{ ...token, path: '/files/named', from: 0, to: 10, size: 10, status: 200 }]);
    assert.equal((await edge.get('parts')).text, '012345678901234567890123456789');
    const [{ path, size }] = await told();
    assert.deepEqual({ path, size }, { path: '/files/parts', size: -1 });
});

test('what is no access of anybody is not told', async () => {
    const north = (path, options) => edge.ask('north.example', path, options);
    assert.equal((await north('/files/film.mp4')).status, 403);
    assert.equal((await north(signed('nothing'))).status, 404);
    assert.equal((await north(signed('film.mp4'), { method: 'HEAD' })).status, 200);
    assert.equal((await north(signed('film.mp4'), { method: 'POST' })).status, 405);
    assert.equal((await north(signed('silent'))).status, 404);
    assert.equal((await north('/home/small')).status, 200); // nobody has said who it is
    assert.equal((await edge.ask('nobody.example', signed('small'))).status, 404);
    assert.equal((await north(signed('film.mp4'), { headers: { range: 'bytes=9000000-' } })).status, 416);
    const { headers } = await edge.get('small');
    assert.equal((await told()).length, 1);
    const fresh = await north(signed('small'), { headers: { 'if-none-match': headers.etag } });
    assert.equal(fresh.status, 304);
    await edge.get('film.mp4');
    assert.deepEqual(await told(), [whole]);
});

test('what no event can say is counted', async () => {
    const { dropped_unfit: before } = await edge.figures();
    await edge.get('film.mp4', { headers: { range: 'bytes=0-1,10-11' } });
    assert.equal((await edge.figures()).dropped_unfit, before + 1);
    assert.equal((await edge.ask('north.example', signed('x'.repeat(2100)))).status, 404);
    assert.equal((await edge.figures()).dropped_unfit, before + 1);
    await edge.get('', { path: signed('far/' + '/'.repeat(2100) + '0-9-10'), headers: { range: 'bytes=0-9' } });
    assert.equal((await edge.figures()).dropped_unfit, before + 2);
    await edge.get('small');
    assert.equal((await told()).length, 1);
});

/** Reads the beginning of a slow answer and goes away; how much came. */
async function goAway() {
    const request = http.get({ host: '127.0.0.1', port: edge.port, path: signed('slow'), agent: false, headers: { host: 'north.example' } });
    const [response] = await once(request, 'response');
    const [chunk] = await once(response, 'data');
    request.destroy();
    return chunk.length;
}

test('a client that goes away in the middle was sent what it was sent', async () => {
    const got = await goAway();
    const [event] = await told();
    assert.ok(event.to >= got && event.to < FILM.length, `${event.to}`);
    assert.deepEqual(event, { ...whole, path: '/files/slow', to: event.to });
});

/** One answer over HTTP/2, or its beginning; how much came. */
async function overHttp2(path, { whole, range }) {
    const client = http2.connect(`http://127.0.0.1:${h2Port}`);
    client.on('error', () => {});
    try {
        const stream = client.request({ ':path': path, ':authority': 'north.example', ...(range ? { range } : {}) });
        let got = 0;
        for await (const chunk of stream) {
            got += chunk.length;
            if (!whole) break;
        }
        return got;
    } finally {
        client.destroy();
    }
}

test('over HTTP/2: all of an answer, a part, and one that broke off', async () => {
    assert.equal(await overHttp2(signed('film.mp4'), { whole: true }), FILM.length);
    assert.deepEqual(await told(), [whole]);
    await overHttp2(signed('film.mp4'), { whole: true, range: 'bytes=10-29' });
    assert.deepEqual(await told(), [{ ...whole, from: 10, to: 30, status: 206 }]);
    await overHttp2(signed('slow'), { whole: false });
    const [event] = await told();
    assert.ok(event.to > 0 && event.to < 1_000_000, `${event.to}`); // what the window of the stream lets through
});

test('requests of HTTP/1.0, and of before', async () => {
    await raw({ port: edge.port }, `GET ${signed('small')} HTTP/1.0\r\nHost: north.example\r\n\r\n`);
    assert.deepEqual(await told(), [{ ...token, path: '/files/small', from: 0, to: 10, size: 10, status: 200 }]);
    await raw({ port: edge.port }, `GET ${signed('small')}\r\n`);
    await edge.get('small');
    assert.equal((await told()).length, 1);
});

test('all that was told is counted, and nothing was complained of', async () => {
    await waitFor('the count', async () => (await edge.figures()).sent === seen + (await events(redis, 2)).length);
    const { sent, dropped_unfit: unfit, ...rest } = await edge.figures();
    assert.deepEqual(rest, { dropped_full: 0, dropped_share: 0, dropped_refused: 0, dropped_exit: 0 });
    assert.deepEqual(errors(edge).filter((line) => /bell_access|bell_redis/.test(line)), []);
});

test('what cannot be is refused at the start, with what would do', async () => {
    publish(place, snapshot(1, twoTenants), 'other.snapshot');
    const on = 'location / { bell_access_events on; }';
    const refused = async (httpLines, pattern, inside = on) => {
        const directory = `bell_directory zone=tenants:256k file=${place.path('other.snapshot')};`;
        const { code, stderr } = await testNginx(place, { conf: nginxConf(place, 8080, { load, directory, http: httpLines, server: inside }) });
        assert.equal(code === 0, pattern === undefined, stderr);
        if (pattern) assert.match(stderr, pattern);
    };
    const there = 'bell_access_events_redis 127.0.0.1:6379;';
    await refused('', /"bell_access_events on" needs to know where Redis is: add "bell_access_events_redis ADDRESS:PORT;" to the http block/);
    await refused('', undefined, 'location / { bell_access_events off; }');
    await refused(there, undefined);
    await refused(there + there, /"bell_access_events_redis" directive is duplicate/);
    await refused('bell_access_events_redis redis.example:6379;', /invalid address "redis\.example:6379"/);
    await refused('bell_access_events_redis 127.0.0.1:6379 nonsense=1;', /invalid parameter "nonsense=1": "bell_access_events_redis" takes an address/);
    await refused(`${there} bell_access_events_buffer 32k;`, /invalid size "32k": 64k to 1g is expected, of each worker/);
    await refused(`${there} bell_access_events_buffer 64k; bell_access_events_buffer 64k;`, /is duplicate/);
    await refused(`${there} bell_access_events_buffer 64k batch=32k;`, /a buffer of 65536 bytes is too small for one of 32768/);
    for (const option of ['batch=2k', 'batch=65k', 'interval=9ms', 'interval=2m', 'stream=9', 'stream=x', 'more=1', 'batch=']) {
        await refused(`${there} bell_access_events_buffer 1m ${option};`, new RegExp(`invalid parameter "${option}": batch=SIZE from 4k to 64k, interval=TIME from 10ms to 60s and stream=N from 10 to 1000000 are expected`));
    }
    await refused(eventLines(place, { port: 6379 }).replace('bell_signed_issuer ours path;', ''), undefined);
});
