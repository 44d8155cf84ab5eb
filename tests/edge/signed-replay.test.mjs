// bell_signed_replay: a Common Access Token that counts once counts once, whichever worker, issuer or spelling it comes by, and only when all else is right.

import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { checkout } from '../lib/app.mjs';
import { nowSeconds } from '../lib/edge-context.mjs';
import { newPlace } from '../lib/place.mjs';
import { modulePath, testNginx } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { lines, nginxConf, pinToWorkers, snapshot, startEdge, startOrigin, tenant } from './support.mjs';

const place = newPlace();
place.expect(/\[emerg\]/); // what is refused at the start

const vectors = JSON.parse(readFileSync(path.join(checkout, 'tests/vectors/cat.json'), 'utf8'));
const HEX = 'aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899';
const OTHER_HEX = '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff';
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/* ---- tokens, in as much of CBOR as they need */

function head(major, n) {
    if (n < 24) return Buffer.from([(major << 5) | n]); // the shortest form is what is signed
    if (n < 256) return Buffer.from([(major << 5) | 24, n]);
    if (n < 65536) return Buffer.from([(major << 5) | 25, n >> 8, n & 255]);
    const bytes = Buffer.alloc(5);
    bytes[0] = (major << 5) | 26;
    bytes.writeUInt32BE(n, 1);
    return bytes;
}

function cbor(value) {
    if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
    if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
    if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
    if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)]);
    return Buffer.concat([head(5, value.size), ...[...value].flat().map(cbor)]);
}

const ISS = 1, EXP = 4, CTI = 7, REPLAY = 308, URI = 312, METHODS = 313;
const ONCE = 1, NOTICED = 2;

/** The claims of a token; `over` says more, and undefined takes one away. */
function claims(over = []) {
    const all = new Map([[ISS, 'school'], [EXP, nowSeconds() + 3600], [CTI, randomBytes(16)], [REPLAY, ONCE], ...over]);
    for (const [label, value] of [...all]) if (value === undefined) all.delete(label);
    return all;
}

const message = (tag, parts) => Buffer.concat([head(6, 61), head(6, tag), cbor(parts)]).toString('base64url');

/** A token under HS256, of the first key unless it is said otherwise. */
function token(over, { hex = HEX, kid = 'k1' } = {}) {
    const [secure, payload] = [cbor(new Map([[1, 5]])), cbor(claims(over))];
    const mac = createHmac('sha256', Buffer.from(hex, 'hex')).update(cbor(['MAC0', secure, Buffer.alloc(0), payload])).digest();
    return message(17, [secure, new Map([[4, Buffer.from(kid)]]), payload, mac]);
}

/** Two tokens under ES256 that say the same: whoever has one can write the other. */
function twins(over) {
    const [secure, payload] = [cbor(new Map([[1, -7]])), cbor(claims(over))];
    const one = sign('sha256', cbor(['Signature1', secure, Buffer.alloc(0), payload]), { key: ec.privateKey, dsaEncoding: 'ieee-p1363' });
    const s = P256_ORDER - BigInt(`0x${one.subarray(32).toString('hex')}`);
    const other = Buffer.concat([one.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]);
    return [one, other].map((signature) => message(18, [secure, new Map([[4, Buffer.from('e1')]]), payload, signature]));
}

/* ---- the edge */

const key = (kid, hex) => ({ kid, use: 'cat', alg: 'hex', key: hex });
const { k1_hex: vectorKey } = vectors.keys;
const bytes = () => snapshot(1, [
    tenant(1, 'north', ['north.example'], { keys: [key('k1', HEX), key('k2', OTHER_HEX), { kid: 'u1', use: 'uri-signing', alg: 'hex', key: HEX }, { kid: 'e1', use: 'cat', alg: 'public', key: ec.publicKey.export({ type: 'spki', format: 'pem' }) }] }),
    tenant(2, 'south', ['south.example'], { keys: [key('k1', HEX)] }),
    tenant(3, 'west', ['cdn.school.example'], { keys: [key('k1', vectorKey)] }),
]);
const load = ['ngx_http_bell_core_module', 'ngx_http_bell_signed_module', 'ngx_http_bell_status_module'].map((name) => `load_module ${modulePath(name)};`).join('\n');
const issuers = `bell_signed_issuer cats cat issuer=school;
    bell_signed_issuer others cat use=cat issuer=school param=OTHER field=X-Other cookie=other;
    bell_signed_issuer twice cat use=cat issuer=school;
    bell_signed_issuer here cat use=cat issuer=school host=north.example;
    bell_signed_issuer uris uri-signing renewal_key=u1;
    bell_signed_issuer often uri-signing many_uses=on;`;
const http = () => `bell_tenant on; upstream origin { server unix:${place.path('sock/origin.sock')}; }
    bell_signed_replay zone=replay:32k;
    ${issuers}`;
const server = () => `
    recursive_error_pages on;
    add_header Reason "$bell_signed_reason" always; add_header Use "$bell_signed_use" always; add_header Worker $pid always;
    location / { bell_signed cats; proxy_pass http://origin; }
    location /others { bell_signed others cats; proxy_pass http://origin; }
    location /uris { bell_signed uris; proxy_pass http://origin; }
    location /often { bell_signed often; proxy_pass http://origin; }
    location /here { bell_signed here; proxy_pass http://origin; }
    location /handed { bell_signed cats; error_page 404 = /over; proxy_intercept_errors on; proxy_pass http://origin/gone; }
    location /over { internal; bell_signed twice; error_page 404 = /back; proxy_intercept_errors on; proxy_pass http://origin/gone; }
    location /back { internal; bell_signed cats; proxy_pass http://origin; }
    location /pages/ { bell_signed cats; ssi on; default_type text/html; root ${place.path('www')}; }
    location /files/ { bell_signed cats; root ${place.path('www')}; }
    location /open { proxy_pass http://origin; }
    location /figures { bell_signed off; bell_status json; }`;

let edge;
let origin;

before(async () => {
    origin = await startOrigin(place.path('sock/origin.sock'), (request, response, seen) => {
        if (!seen.url.startsWith('/gone')) return false;
        response.writeHead(404).end('gone');
        return true;
    });
    place.folder('www', 0o755);
    place.folder('www/pages', 0o755);
    place.write('www/pages/whole.html', 'begin <!--# include virtual="/pages/part.html" --> <!--# include virtual="/pages/part.html" --> end');
    place.write('www/pages/part.html', 'part');
    place.folder('www/files', 0o755);
    place.write('www/files/part', 'part');
    edge = await startEdge(place, { load, server: server(), http: http(), bytes: bytes() });
});
after(async () => {
    await origin?.close();
    await place.stop();
});

const ask = (target, { host = 'north.example', ...options } = {}) => edge.ask(host, target, options);
const verdict = ({ status, headers }) => [status, headers.reason];
const figure = async (name) => (await ask('/figures')).json[name].samples[0].value;
const [GOOD, USED] = [[200, 'ok'], [403, 'replayed']];

test('the vector: its first use counts, and another worker knows of it', async () => {
    const { request } = vectors.vectors.find(({ id }) => id === 'catreplay-1-seen');
    const target = `${request.uri}?CAT=${request.headers['CTA-Common-Access-Token']}`;
    const workers = await pinToWorkers(edge.port, 2, request.host);
    assert.deepEqual(verdict(await workers[0].ask(request.host, target)), GOOD);
    for (const worker of [workers[1], workers[0], workers[1]]) assert.deepEqual(verdict(await worker.ask(request.host, target)), USED);
    workers.forEach((worker) => worker.close());
});

test('of many uses at the same time, over both workers, one counts', async () => {
    for (let i = 0; i < 20; i++) {
        const target = `/race?CAT=${token()}`;
        const answers = (await Promise.all(Array.from({ length: 12 }, () => ask(target)))).map(verdict);
        assert.deepEqual(answers.filter(([status]) => status === 200), [GOOD]);
        assert.deepEqual(answers.filter(([status]) => status !== 200), Array.from({ length: 11 }, () => USED));
    }
});

test('what is refused for another reason has used nothing up', async () => {
    const over = [[CTI, randomBytes(16)], [URI, new Map([[3, new Map([[0, '/only']])]])], [METHODS, ['GET']]];
    const [only, forged] = [token(over), token(over, { hex: OTHER_HEX })];
    assert.deepEqual(verdict(await ask(`/elsewhere?CAT=${only}`)), [403, 'resource']);
    assert.deepEqual(verdict(await ask(`/only?CAT=${only}`, { method: 'POST' })), [403, 'method']);
    assert.deepEqual(verdict(await ask(`/only?CAT=${forged}`)), [403, 'signature']);
    assert.deepEqual(verdict(await ask(`/here/../only?CAT=${only}`)), [403, 'path']);
    assert.deepEqual(verdict(await ask(`/only?CAT=${only}`)), GOOD);
    assert.deepEqual(verdict(await ask(`/only?CAT=${only}`)), USED);
    // a host that the issuer is not for
    const there = token();
    assert.deepEqual(verdict(await ask(`/here?CAT=${there}`, { host: 'south.example' })), [403, 'resource']);
    assert.deepEqual(verdict(await ask(`/a?CAT=${there}`, { host: 'south.example' })), GOOD);
});

test('it is the same token in another place, another spelling, and with another issuer', async () => {
    const one = token();
    assert.deepEqual(verdict(await ask(`/a?CAT=${one}`)), GOOD);
    assert.deepEqual(verdict(await ask('/a', { headers: { 'cta-common-access-token': one } })), USED);
    assert.deepEqual(verdict(await ask('/a', { headers: { cookie: `cta-common-access-token=${one}` } })), USED);
    assert.deepEqual(verdict(await ask('/a', { headers: { 'cta-common-access-token': Buffer.from(one, 'base64url').toString('base64') } })), USED);
    assert.deepEqual(verdict(await ask(`/others?OTHER=${one}`)), USED);
    assert.deepEqual(verdict(await ask(`/others?CAT=${one}`)), USED);
    const id = randomBytes(16);
    const [first, second] = [token([[CTI, id]]), token([[CTI, id], [EXP, nowSeconds() + 60]])];
    assert.deepEqual([verdict(await ask(`/a?CAT=${first}`)), verdict(await ask(`/a?CAT=${second}`))], [GOOD, USED]);
    // ids are of an issuer's key
    assert.deepEqual(verdict(await ask(`/a?CAT=${token([[CTI, id]], { hex: OTHER_HEX, kid: 'k2' })}`)), GOOD);
});

test('a token without an id is known by what it says, however its signature is written', async () => {
    const [one, other] = twins([[CTI, undefined]]);
    assert.notEqual(one, other);
    assert.deepEqual(verdict(await ask(`/a?CAT=${one}`)), GOOD);
    assert.deepEqual([verdict(await ask(`/a?CAT=${other}`)), verdict(await ask(`/a?CAT=${one}`))], [USED, USED]);
    const [, unused] = twins([[CTI, undefined], [EXP, nowSeconds() + 1800]]);
    assert.deepEqual(verdict(await ask(`/a?CAT=${unused}`)), GOOD);
});

test('two districts with the same key and the same id are two', async () => {
    const target = `/a?CAT=${token()}`;
    for (const host of ['north.example', 'south.example']) {
        assert.deepEqual(verdict(await ask(target, { host })), GOOD);
        assert.deepEqual(verdict(await ask(target, { host })), USED);
    }
});

test('one request uses it once, whatever it passes by; the next one is another', async () => {
    const handed = `/handed?CAT=${token()}`;
    const first = await ask(handed);
    assert.deepEqual([verdict(first), first.json?.url], [GOOD, '/back']);
    assert.equal((await ask(handed)).status, 403);
    const page = `/pages/whole.html?CAT=${token()}`;
    assert.equal((await ask(page)).text, 'begin part part end');
    assert.deepEqual(verdict(await ask(page)), USED);
    const head = `/a?CAT=${token()}`;
    assert.equal((await ask(head, { method: 'HEAD' })).status, 200);
    assert.deepEqual(verdict(await ask(head)), USED);
    const part = `/files/part?CAT=${token()}`;
    assert.equal((await ask(part, { headers: { range: 'bytes=0-1' } })).status, 206);
    assert.deepEqual(verdict(await ask(part, { headers: { range: 'bytes=2-3' } })), USED);
});

test('where reuse is to be noticed, it is, and nobody is refused', async () => {
    const target = `/a?CAT=${token([[REPLAY, NOTICED]])}`;
    const before = await figure('firstbell_signed_tokens_reused_total');
    const uses = [];
    for (let i = 0; i < 3; i++) {
        const answer = await ask(target);
        assert.deepEqual(verdict(answer), GOOD);
        uses.push(answer.headers.use);
    }
    assert.deepEqual(uses, ['first', 'again', 'again']);
    assert.equal((await figure('firstbell_signed_tokens_reused_total')) - before, 2);
    const free = await ask(`/a?CAT=${token([[REPLAY, 0]])}`);
    assert.deepEqual([verdict(free), free.headers.use], [GOOD, undefined]);
});

test('URI Signing: a token with an id counts once, and so does each that it is renewed to', async () => {
    const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const jwt = (over) => {
        const input = `${encode({ alg: 'HS256', kid: 'u1' })}.${encode({ exp: nowSeconds() + 3600, cdniuc: 'regex:.*', jti: randomBytes(8).toString('hex'), ...over })}`;
        return `URISigningPackage=${input}.${createHmac('sha256', Buffer.from(HEX, 'hex')).update(input).digest('base64url')}`;
    };
    const one = jwt();
    assert.deepEqual(verdict(await ask(`/uris?${one}`)), GOOD);
    assert.deepEqual([verdict(await ask(`/uris?${one}`)), verdict(await ask(`/uris/${one}/b`))], [USED, USED]);
    assert.deepEqual([verdict(await ask(`/often?${one}`)), verdict(await ask(`/often?${one}`))], [GOOD, GOOD]);
    assert.deepEqual(verdict(await ask(`/uris?${jwt({ exp: undefined })}`)), [403, 'malformed']);
    const renewed = `/uris?${jwt({ cdnistt: 1, cdniets: 600 })}`;
    let cookie;
    for (let i = 0; i < 3; i++) {
        const answer = await ask(renewed, { headers: cookie ? { cookie } : {} });
        assert.deepEqual(verdict(answer), GOOD);
        const next = answer.headers['set-cookie'][0].split(';')[0];
        assert.notEqual(next, cookie);
        if (cookie) assert.deepEqual(verdict(await ask(renewed, { headers: { cookie } })), USED);
        cookie = next;
    }
});

test('a reload forgets nothing', async () => {
    const target = `/a?CAT=${token()}`;
    assert.deepEqual(verdict(await ask(target)), GOOD);
    const old = new Set();
    await waitFor('both workers', async () => old.add((await ask('/open')).headers.worker).size === 2);
    edge.reload();
    const verdicts = [];
    await waitFor('a worker of the new configuration', async () => {
        const answer = await ask(target);
        verdicts.push(verdict(answer));
        return !old.has(answer.headers.worker);
    });
    assert.deepEqual(verdicts, verdicts.map(() => USED));
});

test('when there is no room, what counts once is refused, counted and told; what is only noticed is let in', async () => {
    const forgotten = await figure('firstbell_signed_tokens_forgotten_total');
    const places = Math.floor((32 * 1024) / 32); // fewer than that, by what the zone itself needs
    const use = async (over) => {
        const target = `/a?CAT=${token(over)}`;
        return { target, answer: await ask(target) };
    };
    /** Uses new tokens, some at a time, until one is answered otherwise than those for which there is room. */
    const until = async (over, isOther) => {
        for (let i = 0; i < places; i += 16) {
            const found = (await Promise.all(Array.from({ length: 16 }, () => use(over)))).find(({ answer }) => isOther(answer));
            if (found) return found;
        }
        throw new Error(`there is room for ${places}`);
    };
    const refused = await until([], ({ headers }) => headers.reason !== 'ok');
    assert.deepEqual(verdict(refused.answer), [403, 'full']);
    assert.equal(refused.answer.headers.use, 'unknown');
    assert.deepEqual(verdict(await ask(refused.target)), [403, 'full']); // it was not used up
    assert.ok((await figure('firstbell_signed_tokens_forgotten_total')) - forgotten >= 2);
    const told = lines(edge.log(), /bell_signed_replay: zone "replay" is full/);
    assert.ok(told.length > 0 && told.every((line) => !/CAT=|request:/.test(line)), told[0]);
    const noticed = await until([[REPLAY, NOTICED]], ({ headers }) => headers.use !== 'first');
    assert.deepEqual([verdict(noticed.answer), noticed.answer.headers.use], [GOOD, 'unknown']);
    // of one district there is more than all the room, and others find some
    for (let i = 0; i < 2 * places; i += 32) await Promise.all(Array.from({ length: 32 }, () => use([])));
    for (let i = 0; i < 3; i++) assert.deepEqual(verdict(await ask(`/a?CAT=${token()}`, { host: 'south.example' })), GOOD);
    assert.doesNotMatch(edge.log(), /CAT=/);
});

test('what is refused at the start', async () => {
    const refused = async (text, pattern) => {
        const { code, stderr } = await testNginx(place, { conf: nginxConf(place, 8080, { load, http: `bell_tenant off; ${text}` }) });
        assert.notEqual(code, 0, text);
        assert.match(stderr, pattern);
    };
    await refused('bell_signed_replay replay:1m;', /"replay:1m" is not zone=NAME:SIZE/);
    await refused('bell_signed_replay zone=replay;', /"zone=replay" is not zone=NAME:SIZE/);
    await refused('bell_signed_replay zone=:1m;', /a name and a size of 32k or more are expected/);
    await refused('bell_signed_replay zone=replay:1k;', /a name and a size of 32k or more are expected/);
    await refused('bell_signed_replay zone=replay:1m; bell_signed_replay zone=more:1m;', /is duplicate/);
    await refused('bell_signed_cache zone=one:1m; bell_signed_replay zone=one:1m;', /already declared for a different use/);
});
