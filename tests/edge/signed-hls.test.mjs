// bell_signed_hls: playlists whose URIs are given tokens, played through by a small client, and what becomes of headers, ranges, caches and bodies.

import assert from 'node:assert/strict';
import { createHmac, createSign, generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import { after, before, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';

import { nowSeconds } from '../lib/edge-context.mjs';
import { newPlace } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { http2Words, modulePath, testNginx } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { lines, nginxConf, publish, snapshot, startEdge, startOrigin, tenant } from './support.mjs';

const place = newPlace();
place.expect(/\[emerg\]/); // what is refused at the start
place.expect(/open\(\) ".*gone\.m3u8" failed/);
place.expect(/so many URIs that it would be more than/);

const HEX = 'aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899';
const OTHER_HEX = '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff';
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const TYPE = 'application/vnd.apple.mpegurl';

/** A key of the directory. */
const key = (use, kid, alg, text, over = {}) => ({ kid, use, alg, key: text, ...over });
const pathKeys = [key('path', 'p1', 'hex', HEX)];
const otherKeys = [
    key('akamai', 'a1', 'hex', HEX),
    key('google-cdn', 'g1', 'base64url', Buffer.from(HEX, 'hex').toString('base64url')),
    key('cloudfront', 'c1', 'public', rsa.publicKey.export({ type: 'spki', format: 'pem' })),
];
let version = 0;
const directory = (keys = [...pathKeys, ...otherKeys]) => snapshot(++version, [tenant(1, 'north', ['north.example'], { keys })]);

const b64 = (bytes) => bytes.toString('base64').replaceAll('+', '-').replaceAll('=', '_').replaceAll('/', '~');

/** A CloudFront URL with a policy for what a pattern names. */
function cloudfront(target, pattern = target, until = nowSeconds() + 3600) {
    const policy = Buffer.from(`{"Statement":[{"Resource":"http://north.example${pattern}","Condition":{"DateLessThan":{"AWS:EpochTime":${until}}}}]}`);
    const signature = createSign('sha1').update(policy).sign(rsa.privateKey);
    return `${target}${target.includes('?') ? '&' : '?'}Policy=${b64(policy)}&Signature=${b64(signature)}&Key-Pair-Id=c1`;
}

/** The component for what is below a prefix. */
function pathToken(prefix, { until = nowSeconds() + 3600, subject = '42' } = {}) {
    const head = `v1.p1.1..${until}.${Buffer.from(subject).toString('base64url')}.`;
    return `bell-token=${head}.${createHmac('sha256', Buffer.from(HEX, 'hex')).update(`firstbell path token\n\n${prefix}\n${head}`).digest('base64url')}`;
}

// ---- the course: a master playlist, three media playlists, keys, and a low-latency one among them

const master = (kind) => `#EXTM3U\n#EXT-X-VERSION:9\r
#EXT-X-SESSION-KEY:METHOD=AES-128,URI="/${kind}/keys/k1?v=1"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",URI="audio/index.m3u8"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="720/index.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"
720/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2
http://north.example/${kind}/c7/1080/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=3
https://other.example/${kind}/c7/index.m3u8
`;
const media = (kind) => `#EXTM3U\r\n#EXT-X-TARGETDURATION:4\r\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1\r
#EXT-X-KEY:METHOD=AES-128,URI="/${kind}/keys/k1",IV=0x01\r
#EXT-X-MAP:URI="init.mp4"\r
#EXTINF:4,first\r
s1.ts?a=b\r
#EXTINF:4,\r
../common/s2.ts\r
#EXT-X-PART:DURATION=1,URI="p3.1.mp4",INDEPENDENT=YES\r
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="p3.2.mp4"\r
#EXT-X-RENDITION-REPORT:URI="../1080/index.m3u8",LAST-MSN=1,LAST-PART=0`;
const kinds = ['path', 'ak', 'go', 'in'];

function writeCourse(kind) {
    for (const folder of ['keys', 'c7/720', 'c7/1080', 'c7/audio', 'c7/common', 'c8']) mkdirSync(place.path(`www/${kind}/${folder}`), { recursive: true });
    place.write(`www/${kind}/keys/k1`, 'a key');
    place.write(`www/${kind}/c7/master.m3u8`, master(kind));
    place.write(`www/${kind}/c7/common/s2.ts`, 'shared');
    place.write(`www/${kind}/c8/s1.ts`, 'of another course');
    for (const rendition of ['720', '1080', 'audio']) {
        place.write(`www/${kind}/c7/${rendition}/index.m3u8`, media(kind));
        for (const file of ['init.mp4', 's1.ts', 'p3.1.mp4', 'p3.2.mp4']) place.write(`www/${kind}/c7/${rendition}/${file}`, `${rendition} ${file}`);
    }
}

// ---- the edge

const load = (modules) =>
    ['ngx_http_bell_core_module', 'ngx_http_bell_signed_module', 'ngx_http_bell_status_module'].map((name) => `load_module ${modulePath(name, modules)};`).join('\n');
const said = `add_header Reason "$bell_signed_reason" always; add_header Ends "$bell_signed_expires" always; add_header Subject "$bell_signed_subject" always;
    add_header Version "$bell_directory_version" always; add_header Worker $pid always;`;
const server = () => `
    ${said}
    types { ${TYPE} m3u8; } default_type video/mp2t; root ${place.path('www')};
    location /path/ { bell_signed films ours; bell_signed_hls ours; }
    location /ak/ { bell_signed films old; bell_signed_hls old; }
    location /go/ { bell_signed films google; bell_signed_hls google; }
    location /in/ { bell_signed films ours; bell_signed_hls inherit; }
    location /up/ { bell_signed ours; satisfy any; allow all; bell_signed_hls ours subject=$arg_s data=up below=/up/; proxy_pass http://origin; }
    location /up/unbuffered/ { bell_signed_hls ours; proxy_pass http://origin; proxy_buffering off; }
    location /cached/ { bell_signed_hls ours subject=$arg_s; proxy_pass http://origin; proxy_cache kept; proxy_cache_key $uri; proxy_cache_valid 1h; proxy_ignore_headers Cache-Control; }
    location /gz/ { bell_signed_hls ours; gzip on; gzip_static on; gzip_min_length 0; gzip_types *; gzip_http_version 1.0; }
    location /short/ { bell_signed ours; satisfy any; allow all; bell_signed_hls ours lifetime=1s; proxy_pass http://origin; }
    location /longer/ { bell_signed films ours; bell_signed_hls ours lifetime=2h outlive=on; proxy_pass http://origin; }
    location /either/ { bell_signed ours; satisfy any; allow all; bell_signed_hls ours; proxy_pass http://origin; }
    location /added/ { bell_signed_hls ours; addition_types ${TYPE}; add_after_body /added/tail.ts; expires 1h; }
    location /error/ { bell_signed_hls ours; error_page 404 /error/sorry.m3u8; }
    location /figures { bell_status json; }`;
const httpLines = () => `bell_tenant on; upstream origin { server unix:${place.path('sock/origin.sock')}; }
    proxy_cache_path ${place.folder('cache')} keys_zone=kept:1m;
    bell_signed_issuer films cloudfront;
    bell_signed_issuer ours path;
    bell_signed_issuer old akamai name=hdnts;
    bell_signed_issuer google google-cdn;
    server { listen unix:${place.path('sock/h2.sock')}${http2Words()}; server_name north.example; ${said} root ${place.path('www')}; types { ${TYPE} m3u8; }
        location / { bell_signed_hls ours; } location /up/ { bell_signed_hls ours; proxy_pass http://origin; } }`;

let edge;
let origin;
const answers = new Map(); // what the origin says to a path: (request, response, seen)

before(async () => {
    for (const kind of kinds) writeCourse(kind);
    origin = await startOrigin(place.path('sock/origin.sock'), (request, response, seen) => {
        const answer = answers.get(seen.url.replace(/\?.*/, ''));
        if (!answer) return false;
        answer(request, response, seen);
        return true;
    });
    edge = await startEdge(place, { load: load(), server: server(), http: httpLines(), bytes: directory() });
});
after(async () => {
    await origin?.close();
    await place.stop();
});

const ask = (path, options) => edge.ask('north.example', path, options);

/** With the body as bytes. */
function askBytes(path, headers = {}, port = edge.port) {
    return new Promise((resolve, reject) => {
        const request = http.request({ host: '127.0.0.1', port, path, headers: { host: 'north.example', ...headers }, agent: false }, async (response) => {
            const chunks = [];
            for await (const chunk of response) chunks.push(chunk);
            resolve({ status: response.statusCode, headers: response.headers, bytes: Buffer.concat(chunks) });
        });
        request.on('error', reject).end();
    });
}

async function metric(name, result) {
    const { json } = await ask('/figures');
    return json[name].samples.find(({ labels }) => result === undefined || labels.result === result).value;
}

async function publishAll(keys) {
    publish(place, directory(keys));
    const seen = new Set();
    await waitFor('every worker to have it', async () => {
        const { headers } = await ask('/up/x');
        if (headers.version === String(version)) seen.add(headers.worker);
        return seen.size === 2;
    });
}

/** The URIs of a playlist, in order. */
const urisOf = (text) => [...text.matchAll(/^[^#\r\n][^\r\n]*|URI="([^"]*)"/gm)].map(([line, uri]) => uri ?? line);
const targetOf = (uri, from) => {
    const { host, pathname, search } = new URL(uri, `http://north.example${from}`);
    return host === 'north.example' ? pathname + search : undefined;
};

/** As a player does, all that it names: {target: status}; foreign: URIs of other hosts. */
async function play(start) {
    const seen = new Map();
    const foreign = [];
    const todo = [start];
    while (todo.length > 0) {
        const target = todo.shift();
        if (seen.has(target)) continue;
        const { status, headers, text } = await ask(target);
        seen.set(target, status);
        if (status !== 200 || headers['content-type'] !== TYPE) continue;
        for (const uri of urisOf(text)) {
            const next = targetOf(uri, target);
            if (next) todo.push(next);
            else foreign.push(uri);
        }
    }
    return { seen, foreign };
}

const plain = (target) => target.replace(/bell-token=[^/]*\//, '').replace(/([?&])(hdnts|URLPrefix|Expires|KeyName|Signature|Policy|Key-Pair-Id)=[^&]*/g, '$1').replace(/[?&]+$/, '').replace(/\?&+/, '?');

// ---- chains

const starts = {
    path: () => cloudfront('/path/c7/master.m3u8'),
    ak: () => cloudfront('/ak/c7/master.m3u8'),
    go: () => cloudfront('/go/c7/master.m3u8'),
    in: () => cloudfront('/in/c7/master.m3u8', '/in/*'),
};

for (const kind of kinds) {
    test(`${kind}: master, renditions, keys, segments and parts play through; without their tokens they are refused`, async () => {
        const { seen, foreign } = await play(starts[kind]());
        assert.deepEqual([...new Set(foreign)], [`https://other.example/${kind}/c7/index.m3u8`]);
        assert.deepEqual([...seen].filter(([, status]) => status !== 200), []);
        const expected = ['720', '1080', 'audio'].flatMap((rendition) => ['index.m3u8', 'init.mp4', 's1.ts?a=b', 'p3.1.mp4', 'p3.2.mp4'].map((file) => `/${kind}/c7/${rendition}/${file}`));
        expected.push(`/${kind}/c7/master.m3u8`, `/${kind}/c7/common/s2.ts`, `/${kind}/keys/k1`, `/${kind}/keys/k1?v=1`);
        assert.deepEqual([...new Set([...seen.keys()].map(plain))].sort(), expected.sort());
        for (const target of new Set([...seen.keys()].map(plain))) assert.equal((await ask(target)).status, 403, target);
    });

    test(`${kind}: a token that was changed, or taken to another course, is refused`, async () => {
        const { seen } = await play(starts[kind]());
        const segment = [...seen.keys()].find((target) => /720\/.*s1\.ts/.test(target));
        const moved = segment.replace('/c7/', '/c8/').replace('/720/', '/');
        if (kind !== 'in') assert.equal((await ask(moved)).status, 403, moved); // the policy is for both
        const mark = { path: '.NDI.', ak: 'exp=', go: 'Expires=', in: 'Signature=' }[kind];
        const at = kind === 'path' ? segment.indexOf('bell-token=') + 30 : segment.indexOf(mark) + mark.length;
        const changed = segment.slice(0, at) + (segment[at] === '1' ? '2' : '1') + segment.slice(at + 1);
        assert.equal((await ask(changed)).status, 403, changed);
        assert.equal((await ask(segment)).status, 200);
    });
}

test('one token for a directory, and no wider one elsewhere', async () => {
    const { text } = await ask(cloudfront('/path/c7/720/index.m3u8'));
    const tokens = new Set(urisOf(text).map((uri) => `${/^(.*\/)bell-token=/.exec(uri)[1]}`));
    assert.deepEqual([...tokens].sort(), ['/path/c7/1080/', '/path/c7/720/', '/path/c7/common/', '/path/keys/']);
    const line = urisOf((await ask(cloudfront('/ak/c7/720/index.m3u8'))).text);
    assert.equal(new Set(line.filter((uri) => /^(s1|p3|init)/.test(uri)).map((uri) => /hdnts=.*/.exec(uri)[0])).size, 1);
    assert.match(line.find((uri) => uri.includes('/keys/k1')), /acl=\/ak\/keys\/k1~/);
});

test('a playlist that came with a path token: no token inside another, and one that is inherited goes as far as it went', async () => {
    const below = `/path/c7/${pathToken('/path/c7/')}`;
    const { status, text } = await ask(`${below}/720/index.m3u8`);
    assert.equal(status, 200);
    for (const uri of urisOf(text)) {
        assert.match(uri, /^\/path\/(keys|c7\/(720|1080|common))\/bell-token=v1h\.p1\.1\.[^/]*\/[^/]*$/);
        assert.equal((await ask(uri)).status, 200, uri);
    }
    const inherited = urisOf((await ask(`/in/c7/${pathToken('/in/c7/')}/720/index.m3u8`)).text);
    assert.equal(inherited[0], '/in/keys/k1');
    assert.ok(inherited.slice(1).every((uri) => uri.startsWith('/in/c7/bell-token=v1.p1.1.')), inherited.join('\n'));
    assert.equal((await ask(inherited[1])).status, 200);
});

// ---- times and subjects

const uriOf = async (target) => urisOf((await ask(target)).text)[0];
const reply = (text, headers = {}) => (request, response) => response.writeHead(200, { 'content-type': TYPE, etag: '"e"', 'last-modified': new Date(0).toUTCString(), 'accept-ranges': 'bytes', ...headers }).end(text);

test('a token ends with the one that the playlist was asked with, and by itself', async () => {
    const until = nowSeconds() + 1000;
    const [uri] = urisOf((await ask(cloudfront('/path/c7/720/index.m3u8', undefined, until))).text).slice(1);
    assert.equal((await ask(uri)).headers.ends, String(until));
    answers.set('/longer/a.m3u8', reply('#EXTM3U\ns1.ts\n'));
    const longer = (await ask(await uriOf(cloudfront('/longer/a.m3u8', undefined, until)))).headers;
    assert.ok(Number(longer.ends) > nowSeconds() + 6000 && Number(longer.ends) <= nowSeconds() + 7200, longer.ends);
    answers.set('/short/a.m3u8', reply('#EXTM3U\nsegments/s1.ts\n'));
    const short = await uriOf('/short/a.m3u8');
    await waitFor('its end', async () => (await ask(short)).headers.reason === 'expired');
});

test('a token is for whom the playlist was for, or for whom the operator says', async () => {
    const { text } = await ask(`/path/c7/${pathToken('/path/c7/', { subject: 'student 7' })}/master.m3u8`);
    assert.equal((await ask(urisOf(text)[1])).headers.subject, 'student 7');
    answers.set('/up/a.m3u8', reply('#EXTM3U\nsegments/s1.ts\n/else/s2.ts\n'));
    const { text: named } = await ask('/up/a.m3u8?s=teacher');
    assert.equal((await ask(urisOf(named)[0])).headers.subject, 'teacher');
    assert.equal(urisOf(named)[1], '/else/s2.ts'); // not below what may be signed
    // let in by others, with a token that does not count: its subject is nobody's word
    answers.set('/either/a.m3u8', reply('#EXTM3U\ns1.ts\n'));
    const either = await uriOf(`/either/${pathToken('/either/', { until: nowSeconds() - 1, subject: 'eve' })}/a.m3u8`);
    assert.deepEqual(((h) => [h.reason, h.subject])((await ask(either)).headers), ['ok', undefined]);
});

// ---- headers

test('an answer that is rewritten is nobody\'s to keep, whole, and the same for HEAD', async () => {
    for (const path of [cloudfront('/path/c7/master.m3u8'), '/up/a.m3u8?s=x']) {
        const { headers } = await ask(path);
        for (const name of ['etag', 'last-modified', 'accept-ranges', 'content-length', 'expires']) assert.equal(headers[name], undefined, `${name} of ${path}`);
        assert.equal(headers['cache-control'], 'private, no-store');
        assert.equal(headers['content-type'], TYPE);
        const head = await ask(path, { method: 'HEAD' });
        const names = (list) => Object.keys(list).filter((name) => name !== 'date' && name !== 'transfer-encoding' && name !== 'worker').sort();
        assert.deepEqual([head.status, head.text, names(head.headers)], [200, '', names(headers)]);
    }
    // a segment beside it is kept as ever
    const uri = urisOf((await ask(cloudfront('/path/c7/720/index.m3u8'))).text)[2];
    const { headers } = await ask(uri, { headers: { range: 'bytes=0-2' } });
    assert.deepEqual([headers['content-range'], typeof headers.etag], ['bytes 0-2/9', 'string']);
});

test('what a client has, or wants a part of, makes no 304, 412 or 206; the upstream is asked for all of it', async () => {
    const etag = (await ask('/added/tail.ts')).headers.etag;
    assert.equal(typeof etag, 'undefined'); // nothing is there yet
    const conditions = [
        { 'if-none-match': '*' },
        { 'if-none-match': '"e"' },
        { 'if-modified-since': new Date(Date.now() + 1e6).toUTCString() },
        { 'if-unmodified-since': new Date(1).toUTCString() },
        { 'if-match': '"other"' },
        { range: 'bytes=0-5' },
        { range: 'bytes=0-5', 'if-range': '"e"' },
    ];
    const path = cloudfront('/path/c7/720/index.m3u8');
    const whole = (await ask(path)).text;
    for (const headers of conditions) {
        const file = await ask(path, { headers });
        assert.deepEqual([file.status, file.text.length], [200, whole.length], JSON.stringify(headers));
        const before = origin.requests.length;
        const proxied = await ask('/up/a.m3u8?s=x', { headers });
        assert.equal(proxied.status, 200, JSON.stringify(headers));
        assert.match(proxied.text, /bell-token=/);
        assert.deepEqual(Object.keys(headers).filter((name) => name in origin.requests[before].headers), []);
    }
    // what has another name is not taken for one before it is there
    await ask('/up/other.ts', { headers: { range: 'bytes=0-5', 'accept-encoding': 'gzip' } });
    const { headers } = origin.requests.at(-1);
    assert.deepEqual([headers.range, headers['accept-encoding']], ['bytes=0-5', 'gzip']);
});

test('types, case, parameters, other types and other statuses', async () => {
    for (const type of [TYPE, 'Application/VND.Apple.MPEGURL', 'application/x-mpegurl; charset=utf-8', 'audio/mpegurl;a=b', 'AUDIO/X-MPEGURL ; charset="utf-8"']) {
        answers.set('/up/typed', reply('#EXTM3U\nsegments/s1.ts\n', { 'content-type': type }));
        assert.match((await ask('/up/typed?s=x')).text, /bell-token=/, type);
    }
    for (const type of ['text/plain', 'application/vnd.apple.mpegurls', 'video/mp2t; application/x-mpegurl', '']) {
        answers.set('/up/typed', reply('#EXTM3U\nsegments/s1.ts\n', { 'content-type': type }));
        const { text, headers } = await ask('/up/typed?s=x');
        assert.deepEqual([text, headers.etag], ['#EXTM3U\nsegments/s1.ts\n', '"e"'], type);
    }
    answers.set('/up/made.m3u8', (request, response) => response.writeHead(201, { 'content-type': TYPE }).end('#EXTM3U\ns1.ts\n'));
    assert.equal((await ask('/up/made.m3u8?s=x')).text, '#EXTM3U\ns1.ts\n');
    answers.set('/up/page.m3u8', reply('<html>\nsegments/s1.ts\n'));
    assert.equal((await ask('/up/page.m3u8?s=x')).text, '<html>\nsegments/s1.ts\n');
});

test('an error page stays what it is', async () => {
    mkdirSync(place.path('www/error'));
    place.write('www/error/sorry.m3u8', '#EXTM3U\ns1.ts\n');
    const { status, text } = await ask('/error/gone.m3u8');
    assert.deepEqual([status, text], [404, '#EXTM3U\ns1.ts\n']);
});

// ---- bodies

test('a body of one byte at a time, and one in one piece, are the same', async () => {
    const text = media('up');
    answers.set('/up/whole.m3u8', reply(text));
    const dribble = async (request, response) => {
        response.writeHead(200, { 'content-type': TYPE });
        for (const byte of Buffer.from(text)) {
            if (!response.write(Buffer.of(byte))) await new Promise((resolve) => response.once('drain', resolve));
            await new Promise(setImmediate);
        }
        response.end();
    };
    for (const path of ['/up/dribbled.m3u8', '/up/unbuffered/dribbled.m3u8']) answers.set(path, dribble);
    answers.set('/up/unbuffered/whole.m3u8', reply(text));
    const masked = async (path) => (await ask(path)).text.replace(/bell-token=[^/]*/g, 'T');
    for (const folder of ['/up/', '/up/unbuffered/']) {
        const whole = await masked(`${folder}whole.m3u8`);
        assert.equal((whole.match(/\/T\//g) ?? []).length, folder === '/up/' ? 5 : 7, whole);
        assert.equal(await masked(`${folder}dribbled.m3u8`), whole);
    }
});

test('a live playlist that waits for its next line has sent those before', async () => {
    let finish;
    answers.set('/up/unbuffered/live.m3u8', (request, response) => {
        response.writeHead(200, { 'content-type': TYPE });
        response.write('#EXTM3U\ns1.ts\ns2');
        finish = () => response.end('.ts\n');
    });
    await new Promise((resolve, reject) => {
        const request = http.request({ host: '127.0.0.1', port: edge.port, path: '/up/unbuffered/live.m3u8', headers: { host: 'north.example' }, agent: false }, (response) => {
            let text = '';
            response.setEncoding('utf8').on('data', (piece) => {
                text += piece;
                if (finish && /\/s1\.ts\n$/.test(text)) finish();
            });
            response.on('end', () => (/\/s1\.ts\n\/up\/unbuffered\/bell-token=.*\/s2\.ts\n$/.test(text) ? resolve() : reject(new Error(text)))).on('error', reject);
        });
        request.on('error', reject).end();
    });
});

test('gzip: rewritten first, compressed then; a compressed file beside it is left alone', async () => {
    mkdirSync(place.path('www/gz'));
    place.write('www/gz/a.m3u8', `#EXTM3U\n${'s1.ts\n'.repeat(5000)}`);
    place.write('www/gz/a.m3u8.gz', gzipSync('#EXTM3U\nold.ts\n'));
    const { headers, bytes } = await askBytes('/gz/a.m3u8', { 'accept-encoding': 'gzip' });
    assert.equal(headers['content-encoding'], 'gzip');
    const text = gunzipSync(bytes).toString();
    assert.equal(text.match(/^\/gz\/bell-token=v1h[^/]*\/s1\.ts$/gm).length, 5000);
    assert.equal((await ask('/gz/a.m3u8')).text.length, text.length);
});

test('an upstream that compresses unasked: left as it is, counted and said', async () => {
    const before = await metric('firstbell_signed_playlists_total', 'opaque');
    answers.set('/up/zipped.m3u8', reply(gzipSync('#EXTM3U\ns1.ts\n'), { 'content-encoding': 'gzip' }));
    const { bytes, headers } = await askBytes('/up/zipped.m3u8?s=x', { 'accept-encoding': 'gzip' });
    assert.deepEqual([gunzipSync(bytes).toString(), headers.etag], ['#EXTM3U\ns1.ts\n', '"e"']);
    assert.equal('accept-encoding' in origin.requests.at(-1).headers, false);
    assert.equal((await metric('firstbell_signed_playlists_total', 'opaque')) - before, 1);
    assert.match(edge.log(), /the playlist came compressed, its URIs are left without tokens/);
});

test('proxy_cache keeps what the upstream said; each client has tokens of his own', async () => {
    answers.set('/cached/a.m3u8', reply('#EXTM3U\ns1.ts\n'));
    const of = async (subject, headers) => {
        const { status, text } = await ask(`/cached/a.m3u8?s=${subject}`, { headers });
        return [status, text.match(/bell-token=v1h\.p1\.1\.\.\d+\.([^.]*)\./)?.[1]];
    };
    const before = origin.requests.length;
    assert.deepEqual(await of('ann'), [200, Buffer.from('ann').toString('base64url')]);
    assert.deepEqual(await of('bob', { 'if-none-match': '"e"', range: 'bytes=0-3' }), [200, Buffer.from('bob').toString('base64url')]);
    assert.equal(origin.requests.length - before, 1);
});

for (const order of ['cache signed', 'signed cache']) {
    test(`bell_cache keeps what the upstream said; each client has tokens of his own: modules ${order}`, async (t) => {
        const own = newPlace();
        t.after(() => own.stop());
        const names = ['core', ...order.split(' '), 'status'];
        const kept = await startEdge(own, {
            load: names.map((name) => `load_module ${modulePath(`ngx_http_bell_${name}_module`)};`).join('\n'),
            http: `upstream origin { server unix:${place.path('sock/origin.sock')}; } bell_signed_issuer ours path; bell_cache_zone zone=main:4m;`,
            server: 'location / { bell_cache main; bell_cache_query drop=s; bell_signed_hls ours subject=$arg_s; proxy_pass http://origin; }',
            bytes: directory(),
        });
        const path = `/kept/${order.replace(' ', '-')}.m3u8`;
        answers.set(path, reply('#EXTM3U\ns1.ts\n', { 'cache-control': 'max-age=60' }));
        const before = origin.requests.length;
        for (const subject of ['ann', 'bob', 'ann']) {
            const { status, text, headers } = await kept.ask('north.example', `${path}?s=${subject}`);
            assert.equal(status, 200);
            assert.equal(text.match(/bell-token=v1h\.p1\.1\.\.\d+\.([^.]*)\./)?.[1], Buffer.from(subject).toString('base64url'), text);
            assert.deepEqual([headers['cache-control'], headers.etag], ['private, no-store', undefined]);
        }
        assert.equal(origin.requests.length - before, 1);
    });
}

test('what is added by a subrequest is not read; "expires" does not make it keepable', async () => {
    mkdirSync(place.path('www/added'));
    place.write('www/added/a.m3u8', '#EXTM3U\ns1.ts\n');
    place.write('www/added/tail.ts', 's2.ts\n');
    const { text, headers } = await ask('/added/a.m3u8');
    assert.match(text, /^#EXTM3U\n\/added\/bell-token=[^/]*\/s1\.ts\ns2\.ts\n$/);
    assert.match(headers['cache-control'], /private, no-store/);
});

test('HTTP/2: files and an upstream, many at a time', async () => {
    answers.set('/up/h2.m3u8', reply(`#EXTM3U\n${'s1.ts\n'.repeat(3000)}`));
    const session = http2.connect('http://north.example', { createConnection: () => new (http.Agent)().createConnection({ path: place.path('sock/h2.sock') }) });
    const get = (path) =>
        new Promise((resolve, reject) => {
            const stream = session.request({ ':path': path, ':authority': 'north.example' });
            let text = '';
            stream.setEncoding('utf8').on('data', (piece) => (text += piece)).on('end', () => resolve(text)).on('error', reject);
        });
    const all = await Promise.all(Array.from({ length: 8 }, (_, i) => get(i % 2 ? '/up/h2.m3u8' : '/gz/a.m3u8')));
    all.forEach((text, i) => assert.equal(text.match(/^\/(up|gz)\/bell-token=v1h[^/]*\/s1\.ts$/gm)?.length, i % 2 ? 3000 : 5000));
    session.close();
});

// ---- bounds

test('lines: one too long is passed on and counted, one that would become too much ends the answer', async () => {
    const before = await metric('firstbell_signed_playlist_long_lines_total');
    const long = `s0.ts?${'x'.repeat(20000)}`;
    answers.set('/up/long.m3u8', reply(`#EXTM3U\n${long}\ns1.ts\n`));
    const { text } = await ask('/up/long.m3u8?s=x');
    assert.ok(text.startsWith(`#EXTM3U\n${long}\n/up/bell-token=`));
    assert.equal((await metric('firstbell_signed_playlist_long_lines_total')) - before, 1);
    answers.set('/up/many.m3u8', reply(`#EXTM3U\n#EXT-X-PART:${'URI="a",'.repeat(1500)}\n`));
    await assert.rejects(ask('/up/many.m3u8?s=x'), /ECONNRESET|aborted|socket hang up|Parse Error/);
    assert.match(edge.log(), /so many URIs that it would be more than 65536 bytes/);
});

/** Memory of the workers, in kB, at the most so far. */
const peak = (nginx) => Math.max(...children(nginx.program.child.pid).map((pid) => Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1])));

test('20 MB for a client who is slow: what is not sent is not read, and the worker does not grow', async () => {
    const lot = newPlace(); // in a place of its own: what is said about memory holds for the release build alone
    const small = await startOrigin(lot.path('sock/origin.sock'), (request, response) => {
        response.writeHead(200, { 'content-type': TYPE });
        const piece = Buffer.from(`${'#EXTINF:4.0,\nsegment.ts\n'.repeat(1000)}`);
        let left = 840;
        const more = () => {
            while (left > 0) if (!response.write(left-- === 840 ? '#EXTM3U\n' : piece)) return void response.once('drain', more);
            response.end();
        };
        more();
        return true;
    });
    try {
        const nginx = await startEdge(lot, {
            modules: 'build', load: load('build'), workers: 1, bytes: directory(),
            server: 'proxy_temp_path tmp/none; proxy_max_temp_file_size 0; location / { bell_signed_hls ours; proxy_pass http://origin; } location /plain/ { bell_signed_hls off; proxy_pass http://origin; }',
            http: `bell_tenant on; upstream origin { server unix:${lot.path('sock/origin.sock')}; } bell_signed_issuer ours path;`,
        });
        const slowly = (path) =>
            new Promise((resolve, reject) => {
                const request = http.request({ host: '127.0.0.1', port: nginx.port, path, headers: { host: 'north.example' }, agent: false }, async (response) => {
                    let count = 0;
                    let bytes = 0;
                    let rest = '';
                    for await (const chunk of response) {
                        const text = rest + chunk.toString('latin1');
                        const end = text.lastIndexOf('\n') + 1;
                        count += text.slice(0, end).split('segment.ts\n').length - 1;
                        rest = text.slice(end);
                        bytes += chunk.length;
                        if (bytes % 16 === 0) await new Promise(setImmediate);
                    }
                    resolve({ count, bytes });
                });
                request.on('error', reject).end();
            });
        assert.equal((await slowly('/plain/live/a.m3u8')).count, 839_000);
        const before = peak(nginx);
        const { count, bytes } = await slowly('/live/a.m3u8');
        assert.equal(count, 839_000);
        assert.ok(bytes > 80_000_000, `${bytes}`);
        assert.ok(peak(nginx) - before < 4096, `${peak(nginx) - before} kB more`);
    } finally {
        await small.close();
        await lot.stop();
    }
});

// ---- keys

test('keys change with the directory; without one the playlist goes out as it is, counted and said', async () => {
    const before = await metric('firstbell_signed_playlists_total', 'unsigned');
    const uris = await metric('firstbell_signed_playlist_uris_total');
    const kid = async () => /bell-token=v1h\.([^.]*)/.exec(await uriOf('/up/a.m3u8?s=x'))?.[1];
    assert.equal(await kid(), 'p1');
    assert.equal((await metric('firstbell_signed_playlist_uris_total')) - uris, 1);
    await publishAll([key('path', 'p1', 'hex', HEX, { until: nowSeconds() + 60 }), key('path', 'p2', 'hex', OTHER_HEX), ...otherKeys]);
    assert.equal(await kid(), 'p2'); // the other would end before its tokens
    await publishAll(otherKeys);
    const { text, headers } = await ask('/up/a.m3u8?s=x');
    assert.deepEqual([text, headers.etag], ['#EXTM3U\nsegments/s1.ts\n/else/s2.ts\n', '"e"']);
    assert.equal((await metric('firstbell_signed_playlists_total', 'unsigned')) - before, 1);
    assert.match(edge.log(), /the issuer has no key here to sign with, the playlist's URIs are left without tokens/);
    await publishAll();
    await ask(`/up/a.m3u8?s=${'x'.repeat(65)}`); // longer than a token's subject may be
    assert.match(edge.log(), /no token can be made for its directory, subject and data/);
});

// ---- configuration

const refusals = [
    ['bell_signed_hls nobody;', /there is no issuer "nobody" above/],
    ['bell_signed_hls films;', /"films" is of kind "cloudfront", for which this edge can only verify: .*"inherit"/],
    ['bell_signed_hls cookies;', /tokens of "cookies" stand in a cookie or header, not in URIs/],
    ['bell_signed_hls public;', /issuer "public" has public keys only/],
    ['bell_signed_hls ours lifetime=0;', /"lifetime=0": a time from one second to 365 days is expected/],
    ['bell_signed_hls ours lifetime=x;', /a time from one second/],
    ['bell_signed_hls ours below=media;', /"below=media": a path is expected that begins and ends/],
    ['bell_signed_hls ours below=/a/../;', /a path is expected/],
    ['bell_signed_hls ours outlive=maybe;', /"outlive=maybe" says nothing/],
    ['bell_signed_hls ours colour=red;', /"colour=red" says nothing to issuers of kind path/],
    ['bell_signed_hls google subject=x;', /"subject=x" says nothing to issuers of kind google-cdn/],
    ['bell_signed_hls inherit lifetime=1h;', /"lifetime=1h" says nothing to "inherit"/],
    ['bell_signed_hls ours; bell_signed_hls off;', /"bell_signed_hls" directive is duplicate/],
];

test('what cannot work is refused with a sentence', async () => {
    const file = place.write('public.pem', rsa.publicKey.export({ type: 'spki', format: 'pem' }));
    for (const [directive, sentence] of refusals) {
        const more = `${httpLines()} bell_signed_issuer cookies akamai location=cookie; bell_signed_issuer public path key=k1:${file};`;
        const conf = nginxConf(place, edge.port, { load: load(), http: more, server: `location / { ${directive} }` });
        const { code, stderr } = await testNginx(place, { conf, name: 'refused' });
        const log = stderr + place.read('log/refused.error.log');
        assert.notEqual(code, 0, directive);
        assert.match(log, sentence, directive);
    }
});
