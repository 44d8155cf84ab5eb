// URI Signing (RFC 9246) with claims that are encrypted: keys that open them from files and from the directory, apart from those that sign.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { CompactEncrypt, SignJWT } from 'jose';

import { newPlace } from '../lib/place.mjs';
import { modulePath, testNginx } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { nginxConf, publish, snapshot, startEdge, startOrigin, tenant } from './support.mjs';

const place = newPlace();
place.expect(/\[emerg\]/); // what is refused at the start
place.expect(/cannot be used: /); // a key of the directory

const signing = randomBytes(32);
const [d128, d192, d256, own, next, foreign] = [16, 24, 32, 16, 32, 16].map((n) => randomBytes(n));
const text = (key) => key.toString('base64url');
const file = (name, content, mode = 0o600) => {
    const path = place.write(name, content);
    chmodSync(path, mode);
    return path;
};

/** A token for all of the host under HS256, with claims of its own. */
function token(claims, { key = signing, kid = 's1' } = {}) {
    const payload = { cdniuc: 'regex:.*', exp: Math.floor(Date.now() / 1000) + 3600, ...claims };
    return new SignJWT(payload).setProtectedHeader({ alg: 'HS256', kid }).sign(key);
}

const encrypted = (plain, key, { kid, enc = `A${key.length * 8}GCM` } = {}) =>
    new CompactEncrypt(Buffer.from(plain)).setProtectedHeader({ alg: 'dir', enc, ...(kid && { kid }) }).encrypt(key);

let version = 0;
const opening = (kid, key, over = {}) => ({ kid, use: 'opening', alg: 'base64url', key: text(key), ...over });
const signer = { kid: 's1', use: 'uri-signing', alg: 'base64url', key: text(signing) };
function directory(keys = [opening('o1', own)]) {
    return snapshot(++version, [
        tenant(1, 'north', ['north.example'], { keys: [signer, ...keys] }),
        tenant(2, 'south', ['south.example'], { keys: [signer, opening('o1', foreign)] }),
    ]);
}

const load = ['ngx_http_bell_core_module', 'ngx_http_bell_signed_module'].map((name) => `load_module ${modulePath(name)};`).join('\n');
const http = () => `bell_tenant on; upstream origin { server unix:${place.path('sock/origin.sock')}; }
    bell_signed_issuer filed uri-signing secret=s1:${file('s1', text(signing))} private_key=d128:${file('d128', text(d128))} host=north.example
        private_key=d192:${file('d192', text(d192))} private_key=d256:${file('d256', `${text(d256)}\n`)};
    bell_signed_issuer hex uri-signing private_key=h:${file('h', own.toString('hex'))} encoding=hex secret=s1:${file('s1hex', signing.toString('hex'))} host=north.example;
    bell_signed_issuer theirs uri-signing private_use=opening;
    bell_signed_issuer mixed uri-signing private_key=d128:${place.path('d128')};
    bell_signed_issuer closed uri-signing;`;
const server = () => `
    add_header Reason "$bell_signed_reason" always; add_header Subject "$bell_signed_subject" always; add_header Version "$bell_directory_version" always; add_header Worker $pid always;
    ${['filed', 'hex', 'theirs', 'mixed', 'closed'].map((name) => `location /${name} { bell_signed ${name}; proxy_pass http://origin; }`).join('\n    ')}
    location /open { proxy_pass http://origin; }`;

let edge;
let origin;

before(async () => {
    origin = await startOrigin(place.path('sock/origin.sock'));
    edge = await startEdge(place, { load, server: server(), http: http(), bytes: directory() });
});
after(async () => {
    await origin?.close();
    await place.stop();
});

/** {status, reason, subject} of a request with a token that says this. */
async function ask(where, claims, { host = 'north.example', ...key } = {}) {
    const { status, headers } = await edge.ask(host, `/${where}?URISigningPackage=${await token(claims, key)}`);
    return [status, headers.reason, headers.subject];
}

test('an address and a subject are opened with the key that is named, or fits', async () => {
    for (const [kid, key] of [['d128', d128], ['d192', d192], ['d256', d256]]) {
        const sub = await encrypted(`student of ${kid}`, key, { kid });
        assert.deepEqual(await ask('filed', { sub, cdniip: await encrypted('127.0.0.1', key, { kid }) }), [200, 'ok', `student of ${kid}`]);
        assert.deepEqual(await ask('filed', { cdniip: await encrypted('127.0.0.0/8', key) }), [200, 'ok', undefined]);
        assert.deepEqual(await ask('filed', { cdniip: await encrypted('192.0.2.0/24', key, { kid }) }), [403, 'address', undefined]);
    }
    assert.deepEqual(await ask('hex', { cdniip: await encrypted('127.0.0.1', own, { kid: 'h' }) }), [200, 'ok', undefined]);
});

test('what cannot be opened is refused, and a subject left out', async () => {
    const address = await encrypted('127.0.0.1', d128, { kid: 'd128' });
    const flipped = `${address.slice(0, -3)}${address.at(-3) === 'A' ? 'B' : 'A'}${address.slice(-2)}`;
    assert.deepEqual(await ask('filed', { cdniip: flipped }), [403, 'malformed', undefined]);
    assert.deepEqual(await ask('filed', { cdniip: await encrypted('127.0.0.1', foreign, { kid: 'd128' }) }), [403, 'malformed', undefined]);
    assert.deepEqual(await ask('filed', { cdniip: await encrypted('127.0.0.1', d128, { kid: 'nobody' }) }), [403, 'key', undefined]);
    assert.deepEqual(await ask('filed', { cdniip: await encrypted('127.0.0.1', d128, { kid: 'd256' }) }), [403, 'algorithm', undefined]);
    assert.deepEqual(await ask('filed', { cdniip: '127.0.0.1' }), [403, 'unsupported', undefined]); // unencrypted
    assert.deepEqual(await ask('filed', { sub: await encrypted('ann', foreign, { kid: 'd128' }) }), [200, 'ok', undefined]);
    assert.deepEqual(await ask('closed', { cdniip: address }), [403, 'unsupported', undefined]); // no key that opens
});

test('what opens does not sign, and what signs does not open', async () => {
    assert.deepEqual(await ask('filed', {}, { key: d256, kid: 'd256' }), [403, 'key', undefined]);
    assert.deepEqual(await ask('filed', { cdniip: await encrypted('127.0.0.1', signing, { kid: 's1' }) }), [403, 'key', undefined]);
});

test('keys of a tenant that open: its own alone, and they change without a reload', async () => {
    const of = (key, kid) => encrypted('127.0.0.1', key, { kid });
    assert.deepEqual(await ask('theirs', { cdniip: await of(own, 'o1') }), [200, 'ok', undefined]);
    assert.deepEqual(await ask('theirs', { cdniip: await of(foreign, 'o1') }), [403, 'malformed', undefined]);
    assert.deepEqual(await ask('theirs', { cdniip: await of(foreign, 'o1') }, { host: 'south.example' }), [200, 'ok', undefined]);
    assert.deepEqual(await ask('closed', { cdniip: await of(own, 'o1') }), [403, 'unsupported', undefined]);
    assert.deepEqual(await ask('mixed', { cdniip: await of(d128, 'd128') }), [200, 'ok', undefined]); // signed under the tenant's
    assert.deepEqual(await ask('mixed', { cdniip: await of(own, 'o1') }), [403, 'key', undefined]);
    publish(place, directory([opening('o2', next), opening('o1', own, { until: Math.floor(Date.now() / 1000) - 10 }), opening('short', randomBytes(20))]));
    const seen = new Set();
    await waitFor('every worker to have it', async () => {
        const { headers } = await edge.ask('north.example', '/open');
        if (headers.version === String(version)) seen.add(headers.worker);
        return seen.size === 2;
    });
    assert.deepEqual(await ask('theirs', { cdniip: await of(next, 'o2') }), [200, 'ok', undefined]);
    assert.deepEqual(await ask('theirs', { cdniip: await of(own, 'o1') }), [403, 'key', undefined]);
    const [first, second] = [randomBytes(16), randomBytes(16)];
    publish(place, directory([opening('o4', first), opening('o5', second)]));
    seen.clear();
    await waitFor('every worker to have the next ones', async () => {
        const { headers } = await edge.ask('north.example', '/open');
        if (headers.version === String(version)) seen.add(headers.worker);
        return seen.size === 2;
    });
    for (const key of [first, second]) assert.deepEqual(await ask('theirs', { cdniip: await of(key) }), [200, 'ok', undefined], 'no key is named, and one follows the other');
    assert.deepEqual(await ask('theirs', { cdniip: await of(own) }), [403, 'malformed', undefined]);
    assert.match(edge.log(), /key "short" of tenant "north" for "opening" cannot be used: expected 16, 24 or 32 bytes/);
    assert.doesNotMatch(edge.log(), /URISigningPackage=/);
});

test('what is refused at the start', async () => {
    const refused = async (line, pattern) => {
        const { code, stderr } = await testNginx(place, { conf: nginxConf(place, 8080, { load, http: `bell_tenant off; bell_signed_issuer a ${line};` }) });
        assert.notEqual(code, 0, line);
        assert.match(stderr, pattern);
    };
    await refused(`uri-signing private_key=k:${file('shown', text(d128), 0o640)}`, /can be read or written by others than its owner: chmod 600/);
    await refused(`uri-signing private_key=k:${file('twenty', text(randomBytes(20)))}`, /the key in ".*twenty" cannot be used: expected 16, 24 or 32 bytes, for AES/);
    await refused(`uri-signing private_key=k:${file('nonsense', '!')}`, /the key in ".*nonsense" cannot be used: expected a secret/);
    await refused(`uri-signing private_key=${place.path('d128')}`, /is not ID:FILE/);
    await refused(`uri-signing private_key=k:${place.path('nothing')}`, /key file ".*nothing" cannot be opened/);
    await refused('uri-signing private_use=', /"private_use=" of issuer "a" is not understood/);
    await refused(`uri-signing private_use=opening private_key=k:${place.path('d128')}`, /"private_use=opening" is of keys in the directory, and issuer "a" has/);
    await refused(`uri-signing private_use=opening secret=k:${place.path('s1')}`, /"private_use=opening" is of keys in the directory, and issuer "a" has/);
    await refused(`cat private_key=k:${place.path('d128')}`, /issuers of kind "cat" have no parameter "private_key=/);
});
