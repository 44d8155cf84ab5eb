// Requests as issuers' own signers make them, tests/vectors, through nginx: who is let in, what the origin is told, and that no token is left in a log.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { checkout } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { environment } from '../lib/run.mjs';
import { modulePath } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { snapshot, startEdge, startOrigin } from './support.mjs';

/** RFC 9246, its complex example, and the keys that it names. */
const RFC = {
    kid: 'P5UpOv0eMq1wcxLf7WxIg09JdSYGYFDOWkldueaImf0',
    jwk: { kty: 'EC', crv: 'P-256', use: 'sig', x: 'be807S4O7dzB6I4hTiCUvmxCI6FuxWba1xYBlLSSsZ8', y: 'rOGC4vI69g-WF9AGEVI37sNNwbjIzBxSjLvIL7f3RBA' },
    opens: 'f-WbjxBC3dPuI3d24kP2hfvos7Qz688UTi6aB0hN998',
    secret: '4uFxxV7fhNmrtiah2d1fFg',
    token: [
        'eyJhbGciOiJFUzI1NiIsImtpZCI6IlA1VXBPdjBlTXExd2N4TGY3V3hJZzA5SmRTWUdZRkRPV2tsZHVlYUltZjAifQ.eyJhdWQiOiJkQ0ROIExMQyIsInN1YiI6ImV5SmxibU1pT2lKQk1USTRSME5',
        'OSWl3aVlXeG5Jam9pWkdseUlpd2lhMmxrSWpvaVppMVhZbXA0UWtNelpGQjFTVE5rTWpSclVESm9ablp2Y3pkUmVqWTRPRlZVYVRaaFFqQm9Uams1T0NKOS4uTWJUOHRXZXQwMVZWSGp1Uy40S1A3Q',
        'UplZlU3MGIuUmNfbzN0Q2ZXb1BrSWR5U3NZdGZNdyIsImNkbmlpcCI6ImV5SmxibU1pT2lKQk1USTRSME5OSWl3aVlXeG5Jam9pWkdseUlpd2lhMmxrSWpvaVppMVhZbXA0UWtNelpGQjFTVE5rTWp',
        'SclVESm9ablp2Y3pkUmVqWTRPRlZVYVRaaFFqQm9Uams1T0NKOS4uczYxNHpfX2F0SzRDaWppYy5pZVNtN28ybzdySXFDWWJERXhkb3lRLkpVblBMUXpCZjJkUGhCUFJUeEhLd3ciLCJjZG5pdiI6M',
        'SwiZXhwIjoxNjQxMDc5MjIzLCJpYXQiOjE2NDA5MDY0MjMsImlzcyI6InVDRE4gSW5jIiwianRpIjoiNURBYWZMaFpBZmhzYmUiLCJuYmYiOjE2NDA5OTI4MjMsImNkbml1YyI6InJlZ2V4Omh0dHA',
        '6Ly9jZG5pXFwuZXhhbXBsZS9mb28vYmFyL1swLTldezN9XFwucG5nIn0.MgV1AIvlWf3rjUqWGKlpR1CcCpF8N5FX7xlZ0wGCqfJY3KpqTrVNKaEWVXGoo12oVgQ7J2KoRtcr2ah9dsjqOA',
    ].join(''),
};

const place = newPlace();
const library = execFileSync('sh', ['-c', 'ls /usr/lib/*/faketime/libfaketime.so.1'], { encoding: 'utf8' }).split('\n')[0];
const read = (name) => JSON.parse(readFileSync(path.join(checkout, 'tests/vectors', `${name}.json`), 'utf8'));
const [cloudfront, akamai, google, uriSigning, cat, link] = ['cloudfront', 'akamai', 'google', 'rfc9246-uri-signing', 'cat', 'nginx-secure-link'].map(read);
const issuers = []; // lines of the configuration
const servers = new Map(); // a line -> the name of its issuer, which has a socket of its own
const cases = [];

const secret = (text) => {
    const file = place.write(`secret-${issuers.length}-${cases.length}-${Math.random()}`, text);
    execFileSync('chmod', ['600', file]);
    return file;
};
const pem = (name, text) => place.write(`${name}.pem`, text);

/** The issuer of such a line, one for all that want the same. */
function issuer(kind, options) {
    const line = `${kind} ${options}`;
    if (!servers.has(line)) {
        servers.set(line, `i${servers.size}`);
        issuers.push(`bell_signed_issuer ${servers.get(line)} ${line};`);
    }
    return servers.get(line);
}

const add = (vector, name) => cases.push({ ...vector, issuer: name });
const hosts = 'host=cdn.school.example host=media.school.example host=x.example host=evil.example';

const cloudfrontKeys = cloudfront.trusted_keys.map(({ id, public_pem: text }) => `key=${id}:${pem(id, text)}`).join(' ');
cloudfront.vectors.forEach((vector) => add(vector, issuer('cloudfront', `${cloudfrontKeys} host=cdn.school.example`)));

const akamaiSecrets = new Map();
const akamaiSecret = (hex) => akamaiSecrets.get(hex) ?? akamaiSecrets.set(hex, secret(hex)).get(hex);
const salts = new Map();
const onOff = (flag) => (flag ? 'on' : 'off');
akamai.vectors.forEach((vector) => {
    const { location, param, algorithm, key, transition_key: other, salt, escape, ignore_query: ignore } = vector.config;
    if (salt && !salts.has(salt)) salts.set(salt, secret(salt));
    const keys = [key, other].filter(Boolean).map((hex, i) => `secret=k${i}:${akamaiSecret(hex)}`);
    const words = [...keys, `location=${location}`, `name=${param}`, `algorithm=${algorithm}`, `escape=${onOff(escape)}`, `ignore_query=${onOff(ignore)}`];
    add(vector, issuer('akamai', [...words, ...(salt ? [`salt=${salts.get(salt)}`] : []), hosts].join(' ')));
});

const googleSecrets = Object.entries(google.keys.cloudcdn).filter(([id]) => /^k\d/.test(id)).map(([id, text]) => `secret=${id}:${secret(text)}`);
google.vectors.filter(({ mode }) => mode === 'cloudcdn').forEach((vector) => add(vector, issuer('google-cdn', `${googleSecrets.join(' ')} ${hosts}`)));

const mediaKeys = google.keys.mediacdn.ks1.public_raw_base64url.map((text, i) => `key=ks1:${pem(`ks1-${i}`, text)}`).join(' ');
const { query_param: dualParam, cookie: dualCookie, shared_secret_hex: dualSecret } = google.keys.mediacdn_dual;
const dual = `${mediaKeys} secret=shared:${secret(dualSecret)} encoding=hex param=${dualParam} cookie=${dualCookie} ${hosts}`;
google.vectors.filter(({ mode }) => mode !== 'cloudcdn').forEach((vector) => {
    const name = issuer('media-cdn', vector.mode === 'mediacdn' ? `${mediaKeys} ${hosts}` : `${dual} algorithm=${/sha1/.test(vector.id) ? 'sha1' : 'sha256'}`);
    add(vector, name);
});

const uriKeys = Object.entries(uriSigning.policy.keys).map(([id, { hex, jwk }]) => (hex ? `secret=${id}:${secret(hex)}` : `key=${id}:${pem(`jwk-${id}`, JSON.stringify(jwk))}`));
const { iss, id: audience, renewal_kid: renewalKey } = uriSigning.policy;
const uriOptions = `encoding=hex issuer=${iss} audience=${audience} plain_address=on renewal_key=${renewalKey} ${hosts}`;
uriSigning.vectors.forEach((vector) => add(vector, issuer('uri-signing', `${uriKeys.join(' ')} ${uriOptions}`)));

// the complex example of the RFC, whose address and subject are encrypted: what was signed and encrypted by those who wrote it
const rfcKeys = `key=${RFC.kid}:${pem('rfc', JSON.stringify(RFC.jwk))}`;
const rfcOptions = '"issuer=uCDN Inc" "audience=dCDN LLC" many_uses=on host=cdni.example';
const rfcOpened = issuer('uri-signing', `${rfcKeys} private_key=${RFC.opens}:${secret(RFC.secret)} ${rfcOptions}`);
const rfcClosed = issuer('uri-signing', `${rfcKeys} ${rfcOptions}`);
const rfc = (id, name, client, more) => {
    const request = { uri: `/foo/bar/042.png?URISigningPackage=${RFC.token}`, scheme: 'http', host: 'cdni.example', client_ip: client };
    add({ id: `rfc9246-${id}`, now: 1641000000, request, ...more }, name);
};
rfc('inside', rfcOpened, '2001:db8:1::2', { expect: 'allow', subject: 'UserToken' });
rfc('outside', rfcOpened, '2001:db9::1', { expect: 'deny', reason: 'ip' });
rfc('no-key', rfcClosed, '2001:db8:1::2', { expect: 'deny', reason: 'unsupported' });

const { k1_hex: k1, k2_hex: k2, e1_public_pem: e1 } = cat.keys;
const catKeys = `secret=k1:${secret(k1)} secret=k2:${secret(k2)} key=e1:${pem('cat-e1', e1)} encoding=hex`;
const { issuer: catIssuer, audience: catAudience, query_param: catParam, header: catField } = cat.policy;
const catOptions = `issuer=${catIssuer} audience=${catAudience} param=${catParam} field=${catField} cookie=${catField} renewal_window=60s ${hosts}`;
cat.vectors.forEach((vector) => add(vector, issuer('cat', `${catKeys} ${catOptions}`)));

// what nginx itself said to them: with which class of reason it refuses, it does not tell
const linkKinds = {
    '/p/': `secure-link "link=$arg_md5,$arg_expires" "text=$arg_expires$uri$remote_addr $bell_signed_secret" secret=s:${secret('c2VjcmV0')}`,
    '/ne/': `secure-link link=$arg_md5 "text=$uri $bell_signed_secret" secret=s:${secret('czM')}`,
    '/old/': `secure-link-secret secret=s:${secret('ZW5pZ21h')}`,
};
link.vectors.forEach(({ uri, ...vector }) => {
    const request = { uri, scheme: 'http', host: 'cdn.school.example', client_ip: '127.0.0.1' };
    const [, options] = Object.entries(linkKinds).find(([prefix]) => uri.startsWith(prefix));
    add({ ...vector, now: 1800000000, request }, issuer(options.split(' ')[0], `${options.slice(options.indexOf(' ') + 1)} ${hosts}`));
});

let edge;
let origin;

const socketOf = (name) => place.path(`sock/${name}.sock`);
const log = `log_format all '$request|$request_uri|$http_referer|$bell_signed_status|$bell_signed_reason|$bell_signed_key';`;
const serverOf = (name) => `server {
        listen unix:${socketOf(name)};
        server_name cdn.school.example media.school.example;
        add_header Reason "$bell_signed_reason" always;
        add_header Key "$bell_signed_key" always;
        add_header Subject "$bell_signed_subject" always;
        bell_signed ${name};
        location / { proxy_set_header Host $http_host; proxy_pass http://origin; }
    }`;

/** Seconds since 1970, at once for all that the edge asks for. */
function setClock(seconds) {
    const text = new Date(seconds * 1000).toISOString().replace('T', ' ').replace(/\..*/, '');
    place.write('clock.new', `${text}\n`);
    renameSync(place.path('clock.new'), place.path('clock'));
}

before(async () => {
    setClock(1800000000);
    origin = await startOrigin(place.path('sock/origin.sock'));
    const under = ['env', `LD_PRELOAD=${library}`, `FAKETIME_TIMESTAMP_FILE=${place.path('clock')}`, 'FAKETIME_NO_CACHE=1', 'FAKETIME_DONT_FAKE_MONOTONIC=1', 'DONT_FAKE_MONOTONIC=1', 'TZ=UTC', `ASAN_OPTIONS=${environment.ASAN_OPTIONS}:verify_asan_link_order=0`];
    const lines = `bell_tenant off; client_header_buffer_size 8k; large_client_header_buffers 4 32k;
    upstream origin { server unix:${place.path('sock/origin.sock')}; }
    set_real_ip_from unix:; real_ip_header X-Client;
    bell_signed_scheme $http_x_scheme; bell_signed_country $http_x_country; bell_signed_asn $http_x_asn;
    bell_signed_cache zone=signatures:1m; bell_signed_replay zone=replay:1m;
    ${issuers.join('\n    ')}
    ${log} access_log ${place.path('log/access.log')} all;
    ${[...servers.values()].map(serverOf).join('\n    ')}`;
    const load = [undefined, 'ngx_http_bell_signed_module'].map((name) => `load_module ${modulePath(name)};`).join('\n');
    const main = 'env LD_PRELOAD; env FAKETIME_TIMESTAMP_FILE; env FAKETIME_NO_CACHE; env FAKETIME_DONT_FAKE_MONOTONIC; env DONT_FAKE_MONOTONIC; env TZ;';
    edge = await startEdge(place, { load, main, http: lines, bytes: snapshot(1, []), workers: 1, under });
});
after(async () => {
    await origin?.close();
    await place.stop();
});

/** {status, reason, key, headers, seen}: what the client is told, and what the origin saw of it. */
function send({ issuer: name, request, uri }) {
    const { method = 'GET', scheme = 'https', host, client_ip: client, headers = {}, geo_country: country, asn } = request ?? {};
    const before = origin.requests.length;
    return new Promise((resolve, reject) => {
        const extra = { Host: host, 'X-Client': client, 'X-Scheme': scheme, ...(country && { 'X-Country': country }), ...(asn && { 'X-Asn': asn }) };
        const sent = http.request({ socketPath: socketOf(name), method, path: request?.uri ?? uri, headers: { ...headers, ...extra }, agent: false }, (answer) => {
            answer.resume().on('end', () => resolve({ status: answer.statusCode, reason: answer.headers.reason, key: answer.headers.key, headers: answer.headers, seen: origin.requests[before] }));
        });
        sent.on('error', reject).end();
    });
}

/** One vocabulary for the words that the vectors have of a reason. */
const words = { uri: 'resource', ip: 'address', geo: 'country', replay: 'replayed' };
const tokens = /md5=|Signature=|Policy=|hmac=|hmac%3d|URISigningPackage=|CAT=|edge-cache-token=|URLPrefix=/i;

test('every vector: who is let in, why not, and an origin that sees no token', async () => {
    const wrong = [];
    const order = [...cases].sort((a, b) => a.now - b.now);
    let now = 1800000000;
    for (const vector of order) {
        if (vector.now !== now) {
            now = vector.now;
            setClock(now);
            await waitFor('the clock', async () => Math.abs(Date.parse((await send({ ...order[0], issuer: vector.issuer })).headers.date) / 1000 - now) < 2);
        }
        if (vector.cti_seen_before) assert.equal((await send(vector)).reason, 'ok'); // its first use
        const { status, reason, headers, seen } = await send(vector);
        const expected = vector.expect === 'allow' ? 'ok' : (words[vector.reason] ?? vector.reason);
        const good = /redirect/.test(vector.id) ? 302 : 200;
        const known = expected === undefined ? ['signature', 'missing', 'expired'].includes(reason) : reason === expected;
        if (!known || status !== (expected === 'ok' ? good : 403)) wrong.push(`${vector.id}: ${status} ${reason}, expected ${expected}`);
        if (vector.subject && headers.subject !== vector.subject) wrong.push(`${vector.id}: for ${headers.subject}, expected ${vector.subject}`);
        if (vector.expect_renewal && !headers['set-cookie'] && !headers.location && !headers['cta-common-access-token']) wrong.push(`${vector.id}: not renewed`);
        if (status === 200 && (tokens.test(seen.url) || tokens.test(seen.headers.cookie ?? ''))) wrong.push(`${vector.id}: the origin saw ${seen.url} ${seen.headers.cookie ?? ''}`);
    }
    assert.deepEqual(wrong, []);
    assert.ok(cases.length > 262, `${cases.length} vectors`);
});

test('no log shows a token that somebody would take', async () => {
    const shown = (text) => text.split('\n').filter((line) => tokens.test(line) && !/\|missing\||is needed here: missing/.test(line));
    assert.deepEqual(shown(place.read('log/access.log')), []);
    assert.deepEqual(shown(edge.log()), []);
    assert.match(edge.log(), /is needed here: expired/);
});
