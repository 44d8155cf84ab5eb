// bell_signed, kinds secure-link and secure-link-secret: what nginx's own secure links are, with keys of tenants, and a secret that is shown to nobody.
// (What nginx itself takes and refuses is in signed-vectors.)

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';

import { nowSeconds } from '../lib/edge-context.mjs';
import { newPlace } from '../lib/place.mjs';
import { modulePath, testNginx } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { lines, nginxConf, snapshot, startEdge, startOrigin, tenant } from './support.mjs';

const place = newPlace();
place.expect(/\[emerg\]/); // what is refused at the start

const load = ['ngx_http_bell_core_module', 'ngx_http_bell_signed_module'].map((name) => `load_module ${modulePath(name)};`).join('\n');
const md5 = (text, form = 'base64url') => createHash('md5').update(text).digest(form);
const key = (kid, secret, use = 'secure-link') => ({ kid, use, alg: 'base64url', key: Buffer.from(secret).toString('base64url') });
const tenants = [
    tenant(1, 'north', ['north.example'], { keys: [key('old', 'apple'), key('new', 'pear'), key('w', 'enigma', 'secure-link-secret')] }),
    tenant(2, 'south', ['south.example'], { keys: [key('s', 'plum')] }),
    tenant(3, 'bare', ['bare.example']),
];
const link = (path, secret, { until = nowSeconds() + 3600 } = {}) => `${path}?md5=${md5(`${until}${path} ${secret}`)}&expires=${until}`;

const issuers = `bell_signed_issuer links secure-link "link=$arg_md5,$arg_expires" "text=$arg_expires$uri $bell_signed_secret";
    bell_signed_issuer cookies secure-link link=$cookie_seal "text=$uri \${bell_signed_secret}" use=secure-link;
    bell_signed_issuer words secure-link-secret;`;
let edge, origin;

before(async () => {
    origin = await startOrigin(place.path('sock/origin.sock'));
    const http = `bell_tenant on; upstream origin { server unix:${place.path('sock/origin.sock')}; } ${issuers}
        log_format all '$request|$request_uri|$http_referer|$bell_signed_reason|secret=$bell_signed_secret';`;
    const server = `access_log ${place.path('log/access.log')} all; add_header Reason "$bell_signed_reason" always; add_header Key "$bell_signed_key" always; add_header Secret "[$bell_signed_secret]" always;
        location / { bell_signed links; proxy_pass http://origin; }
        location /sealed/ { bell_signed cookies; proxy_pass http://origin; }
        location /old/ { bell_signed words; proxy_pass http://origin; }`;
    edge = await startEdge(place, { load, http, server, bytes: snapshot(1, tenants) });
});
after(async () => {
    await origin?.close();
    await place.stop();
});

const get = async (target, { host = 'north.example', headers } = {}) => {
    const { status, headers: said } = await edge.ask(host, target, { headers });
    return { status, reason: said.reason, key: said.key, secret: said.secret };
};
const good = (kid) => ({ status: 200, reason: 'ok', key: kid, secret: '[]' });
const bad = (reason, kid) => ({ status: 403, reason, key: kid, secret: '[]' });

test('any key of the tenant counts, and none of another one', async () => {
    assert.deepEqual(await get(link('/a.mp4', 'apple')), good('old'));
    assert.deepEqual(await get(link('/a.mp4', 'pear')), good('new'));
    assert.deepEqual(await get(link('/a.mp4', 'plum')), bad('signature'));
    assert.deepEqual(await get(link('/a.mp4', 'plum'), { host: 'south.example' }), good('s'));
    assert.deepEqual(await get(link('/a.mp4', 'apple'), { host: 'bare.example' }), bad('key'));
    assert.deepEqual(await get('/a.mp4'), bad('missing'));
    assert.deepEqual(await get(link('/a.mp4', 'apple', { until: nowSeconds() - 1 })), bad('expired', 'old'));
    assert.deepEqual(await get(link('/a.mp4', 'apple').replace('/a.mp4', '/b.mp4')), bad('signature'));
    assert.deepEqual(await get(link('/a.mp4', '')), bad('signature'));
});

test('the origin and the logs see the address without the link, and the secret is nowhere', async () => {
    const asked = link('/film.mp4', 'apple');
    const query = `${asked}&v=1`;
    assert.equal((await get(query, { headers: { referer: `http://north.example${asked}` } })).status, 200);
    const { url, headers } = origin.requests.at(-1);
    assert.equal(url, '/film.mp4?v=1');
    assert.doesNotMatch(headers.referer ?? '', /md5=/);
    const [line] = await waitFor('the line of the log', () => {
        const found = lines(place.read('log/access.log'), /film\.mp4/);
        return found.length > 0 && found;
    });
    assert.match(line, /^GET \/film\.mp4\?v=1 HTTP\/1\.1\|\/film\.mp4\?v=1\|http:\/\/north\.example\/film\.mp4\|ok\|secret=-$/);
    assert.doesNotMatch(edge.log() + place.read('log/access.log'), /apple|pear|enigma/);
});

test('a parameter whose name is written in another way is not taken: it would go on to the origin', async () => {
    const asked = link('/a.mp4', 'apple');
    assert.deepEqual(await get(asked.replace('md5=', 'MD5=')), bad('malformed'));
    assert.deepEqual(await get(asked.replace('expires=', 'Expires=')), bad('malformed'));
});

test('a link may be in a cookie, which is cut', async () => {
    const seal = md5('/sealed/a.ts apple');
    assert.deepEqual(await get('/sealed/a.ts', { headers: { cookie: `a=1; seal=${seal}; b=2` } }), good('old'));
    assert.equal(origin.requests.at(-1).headers.cookie, 'a=1; b=2');
    assert.deepEqual(await get('/sealed/b.ts', { headers: { cookie: `seal=${seal}` } }), bad('signature'));
    assert.deepEqual(await get('/sealed/b.ts'), bad('missing'));
});

test('the form with a word in the path goes on as /PREFIX/LINK', async () => {
    const digits = md5('top/a.tsenigma', 'hex');
    assert.deepEqual(await get(`/old/${digits}/top/a.ts`), good('w'));
    assert.equal(origin.requests.at(-1).url, '/old/top/a.ts');
    assert.deepEqual(await get(`/old/${digits}/top/b.ts`), bad('signature'));
    assert.deepEqual(await get(`/old/${digits}/top/a.ts`, { host: 'south.example' }), bad('key'));
    assert.deepEqual(await get('/old/top/a.ts'), bad('missing'));
});

test('what is missing in the configuration is said', async () => {
    for (const [options, sentence] of [
        ['', /issuer "x" needs "link=" and "text="/],
        ['link=$arg_md5', /issuer "x" needs "link=" and "text="/],
        ['link=$arg_md5 "text=$uri apple"', /with \$bell_signed_secret in the text/],
        ['link=$arg_a$arg_b$arg_c$arg_d$arg_e "text=$uri $bell_signed_secret"', /"link=\$arg_a\$arg_b.*" of issuer "x" is not understood/],
        ['link=$nothing_like_it "text=$uri $bell_signed_secret"', /unknown "nothing_like_it" variable/],
    ]) {
        const conf = nginxConf(place, edge.port, { load, http: `bell_tenant on; bell_signed_issuer x secure-link ${options};` });
        const { code, stderr } = await testNginx(place, { conf });
        assert.notEqual(code, 0, options);
        assert.match(stderr, sentence);
    }
});
