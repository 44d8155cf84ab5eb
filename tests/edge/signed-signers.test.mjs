// The signers that others wrote for their CDNs sign on the fly, and what they make is taken as it is; whatever is changed in it is refused.

import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync } from 'node:fs';
import http from 'node:http';
import { after, before, test } from 'node:test';

import { getSignedCookies as awsCookies, getSignedUrl as awsUrl } from '@aws-sdk/cloudfront-signer';
import EdgeAuth from 'akamai-edgeauth';
import * as acs from 'aws-cloudfront-sign';
import { SignJWT } from 'jose';

import { newPlace } from '../lib/place.mjs';
import { modulePath } from '../lib/server-nginx.mjs';
import { snapshot, startEdge, startOrigin } from './support.mjs';

const MUTATIONS = 10_000;
const HOST = 'cdn.school.example';
const place = newPlace();
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pkcs8 = ({ privateKey }) => privateKey.export({ type: 'pkcs8', format: 'pem' });
const spki = ({ publicKey }) => publicKey.export({ type: 'spki', format: 'pem' });
const akamaiKey = randomBytes(32).toString('hex');
const jwtKey = randomBytes(32);
const inAnHour = () => new Date(Date.now() + 3_600_000);

let edge;
let origin;

const secret = (name, text) => {
    const file = place.write(name, text);
    chmodSync(file, 0o600);
    return file;
};

before(async () => {
    origin = await startOrigin(place.path('sock/origin.sock'));
    const keys = `key=KRSA:${place.write('rsa.pem', spki(rsa))} key=KEC:${place.write('ec.pem', spki(ec))} host=${HOST}`;
    const akamai = `akamai secret=k:${secret('akamai', akamaiKey)} host=${HOST}`;
    const lines = `bell_tenant off; client_header_buffer_size 8k;
    upstream origin { server unix:${place.path('sock/origin.sock')}; }
    bell_signed_scheme https;
    bell_signed_cache zone=signatures:1m;
    bell_signed_issuer cloudfront cloudfront ${keys};
    bell_signed_issuer akamai ${akamai} name=hdnts;
    bell_signed_issuer akamai-url ${akamai} name=hdnts escape=on;
    bell_signed_issuer akamai-cookie ${akamai} location=cookie name=hdntl;
    bell_signed_issuer jwt uri-signing secret=k1:${secret('jwt', jwtKey.toString('hex'))} encoding=hex issuer=school;`;
    const server = `server_name ${HOST};
        add_header Reason "$bell_signed_reason" always;
        location / { bell_signed cloudfront; proxy_pass http://origin; }
        location /live/ { bell_signed akamai; proxy_pass http://origin; }
        location /vod/ { bell_signed akamai-url; proxy_pass http://origin; }
        location /cookie/ { bell_signed akamai-cookie; proxy_pass http://origin; }
        location /jwt/ { bell_signed jwt; proxy_pass http://origin; }`;
    const load = [undefined, 'ngx_http_bell_signed_module'].map((name) => `load_module ${modulePath(name)};`).join('\n');
    edge = await startEdge(place, { load, server, http: lines, bytes: snapshot(1, []) });
});
after(async () => {
    agent.destroy();
    await origin?.close();
    await place.stop();
});

const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });

/** {status, reason, url}: url is what the origin saw. */
function ask(path, headers = {}) {
    return new Promise((resolve, reject) => {
        const request = http.request({ host: '127.0.0.1', port: edge.port, path, agent, headers: { host: HOST, ...headers } }, async (answer) => {
            let text = '';
            for await (const chunk of answer) text += chunk;
            resolve({ status: answer.statusCode, reason: answer.headers.reason, url: answer.statusCode === 200 ? JSON.parse(text).url : undefined });
        });
        request.on('error', reject).end();
    });
}

const target = (url) => url.slice(`https://${HOST}`.length);
const cookieHeader = (cookies) => Object.entries(cookies).map(([name, value]) => `${name}=${value}`).join('; ');
const isTaken = async (path, url, headers) => assert.deepEqual(await ask(path, headers), { status: 200, reason: 'ok', url }, path);

test('@aws-sdk/cloudfront-signer: URLs and cookies, canned and custom, RSA and ECDSA', async () => {
    const dateLessThan = inAnHour().toISOString();
    for (const [keyPairId, pair] of [['KRSA', rsa], ['KEC', ec]]) {
        const by = { keyPairId, privateKey: pkcs8(pair) };
        const odd = target(awsUrl({ url: `https://${HOST}/a%20b/film,1.mp4?size=large`, dateLessThan, ...by }));
        await isTaken(odd, odd.replace(/&.*/, ''));
        const policy = JSON.stringify({ Statement: [{ Resource: `https://${HOST}/videos/*`, Condition: { DateLessThan: { 'AWS:EpochTime': Math.floor(inAnHour() / 1000) } } }] });
        const custom = new URL(awsUrl({ url: `https://${HOST}/videos/master.m3u8`, policy, ...by }));
        await isTaken(custom.pathname + custom.search, '/videos/master.m3u8');
        await isTaken(`/videos/seg1.ts${custom.search}`, '/videos/seg1.ts');
        await isTaken('/videos/seg2.ts', '/videos/seg2.ts', { cookie: cookieHeader(awsCookies({ url: `https://${HOST}/videos/x`, policy, ...by })) });
        await isTaken('/film.mp4', '/film.mp4', { cookie: cookieHeader(awsCookies({ url: `https://${HOST}/film.mp4`, dateLessThan, ...by })) });
    }
});

test('aws-cloudfront-sign: URLs, a range of addresses, cookies', async () => {
    const options = { keypairId: 'KRSA', privateKeyString: pkcs8(rsa), expireTime: inAnHour().getTime() };
    await isTaken(target(acs.getSignedUrl(`https://${HOST}/film.mp4`, options)), '/film.mp4');
    await isTaken(target(acs.getSignedUrl(`https://${HOST}/film.mp4`, { ...options, ipRange: '127.0.0.0/8' })), '/film.mp4');
    assert.equal((await ask(target(acs.getSignedUrl(`https://${HOST}/film.mp4`, { ...options, ipRange: '192.0.2.0/24' })))).reason, 'address');
    await isTaken('/films/1.mp4', '/films/1.mp4', { cookie: cookieHeader(acs.getSignedCookies(`https://${HOST}/films/*`, options)) });
});

test('akamai-edgeauth: tokens for patterns and for one URL, in the query and in a cookie', async () => {
    const acl = new EdgeAuth({ key: akamaiKey, windowSeconds: 600, escapeEarly: false }).generateACLToken(['/live/class7/*', '/cookie/*']);
    await isTaken(`/live/class7/seg.ts?hdnts=${acl}`, '/live/class7/seg.ts');
    assert.equal((await ask(`/live/class8/seg.ts?hdnts=${acl}`)).reason, 'resource');
    await isTaken('/cookie/seg.ts', '/cookie/seg.ts', { cookie: `hdntl=${acl}` });
    const url = new EdgeAuth({ key: akamaiKey, windowSeconds: 600, escapeEarly: true }).generateURLToken('/vod/a/movie.mp4');
    await isTaken(`/vod/a/movie.mp4?hdnts=${url}`, '/vod/a/movie.mp4');
    assert.equal((await ask(`/vod/b/movie.mp4?hdnts=${url}`)).reason, 'signature');
});

const signedJwt = (claims) => new SignJWT({ iss: 'school', cdniuc: `regex:https://cdn\\.school\\.example/jwt/.*`, ...claims }).setProtectedHeader({ alg: 'HS256', kid: 'k1' }).setExpirationTime('1h').sign(jwtKey);

test('jose: URI Signing', async () => {
    const token = await signedJwt();
    await isTaken(`/jwt/seg.ts?URISigningPackage=${token}`, '/jwt/seg.ts');
    await isTaken('/jwt/seg.ts', '/jwt/seg.ts', { cookie: `URISigningPackage=${token}` });
    assert.equal((await ask(`/other/seg.ts?URISigningPackage=${token}`)).reason, 'missing');
});

/** Numbers that are the same each time. */
function chance(seed) {
    let state = seed;
    return (below) => (state = (state * 48271) % 0x7fffffff) % below;
}

/** The text with one bit of one byte from `from` on changed, such that it can still stand in a request line; undefined: this one cannot. */
function flip(text, from, dice) {
    const bytes = Buffer.from(text, 'latin1');
    const at = from + dice(bytes.length - from);
    bytes[at] ^= 1 << dice(7);
    return bytes[at] > 0x20 && bytes[at] < 0x7f ? bytes.toString('latin1') : undefined;
}

test(`one bit changed anywhere, ${MUTATIONS} times: refused`, async () => {
    const dateLessThan = inAnHour().toISOString();
    const by = { keyPairId: 'KRSA', privateKey: pkcs8(rsa) };
    const acl = new EdgeAuth({ key: akamaiKey, windowSeconds: 600, escapeEarly: false }).generateACLToken('/live/class7/*');
    // what is protected begins behind the first byte of a path, or with the token
    const signed = [
        [target(awsUrl({ url: `https://${HOST}/film.mp4`, dateLessThan, ...by })), 1],
        [target(awsUrl({ url: `https://${HOST}/film.mp4`, dateLessThan, keyPairId: 'KEC', privateKey: pkcs8(ec) })), 1],
        [`/live/class7/seg.ts?hdnts=${acl}`, '/live/class7/seg.ts?'.length],
        [`/jwt/seg.ts?URISigningPackage=${await signedJwt()}`, '/jwt/seg.ts?'.length],
    ];
    for (const [good] of signed) assert.equal((await ask(good)).status, 200, good);
    const dice = chance(4711);
    const taken = [];
    let tried = 0;
    const one = async () => {
        while (tried < MUTATIONS) {
            const [good, from] = signed[tried % signed.length];
            const bad = flip(good, from, dice);
            if (bad === undefined) continue;
            tried++;
            const { status } = await ask(bad);
            if (status === 200) taken.push(bad);
        }
    };
    await Promise.all(Array.from({ length: 8 }, one));
    assert.deepEqual(taken, []);
});
