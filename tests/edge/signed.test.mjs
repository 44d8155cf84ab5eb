// bell_signed: keys of tenants and of files, what is known already, several issuers at one place, and a request that goes on without its token.

import assert from 'node:assert/strict';
import { createHash, createHmac, createSign, generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import plainHttp from 'node:http';
import { after, before, test } from 'node:test';

import { raw } from '../lib/client.mjs';
import { nowSeconds } from '../lib/edge-context.mjs';
import { newPlace } from '../lib/place.mjs';
import { modulePath, testNginx } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { lines, nginxConf, publish, snapshot, startEdge, startOrigin, tenant } from './support.mjs';

const place = newPlace();
place.expect(/\[emerg\]/); // what is refused at the start
place.expect(/cannot be used: /); // a key of the directory

const HEX = 'aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899';
const OTHER_HEX = '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff';
const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = ({ publicKey }) => publicKey.export({ type: 'spki', format: 'pem' });
const [north, next, south, filed, both] = [rsa(), rsa(), rsa(), rsa(), rsa()];
const cfKey = (kid, pair, over = {}) => ({ kid, use: 'cloudfront', alg: 'public', key: pem(pair), ...over });
const pathKey = (kid, hex, over = {}) => ({ kid, use: 'path', alg: 'hex', key: hex, ...over });

/** A canned CloudFront URL for one hour, or until `until`. */
function cloudfront(pair, kid, target, { host = 'north.example', until = nowSeconds() + 3600 } = {}) {
    const policy = `{"Statement":[{"Resource":"http://${host}${target}","Condition":{"DateLessThan":{"AWS:EpochTime":${until}}}}]}`;
    const signature = createSign('sha1').update(policy).sign(pair.privateKey, 'base64').replaceAll('+', '-').replaceAll('=', '_').replaceAll('/', '~');
    return `${target}${target.includes('?') ? '&' : '?'}Expires=${until}&Signature=${signature}&Key-Pair-Id=${kid}`;
}

/** The component for what is below a prefix, as lua-free/bell_path_token.h says. */
function pathToken(prefix, { hex = HEX, kid = 'p1', id = 1, until = nowSeconds() + 3600, subject = '42', data = '' } = {}) {
    const b64 = (text) => Buffer.from(text).toString('base64url');
    const head = `v1.${kid}.${id}..${until}.${b64(subject)}.${b64(data)}`;
    const mac = createHmac('sha256', Buffer.from(hex, 'hex')).update(`firstbell path token\n\n${prefix}\n${head}`).digest('base64url');
    return `bell-token=${head}.${mac}`;
}

function akamai(path, hex = HEX) {
    const body = `exp=${nowSeconds() + 3600}~acl=${path}`;
    return `${body}~hmac=${createHmac('sha256', Buffer.from(hex, 'hex')).update(body).digest('hex')}`;
}

let version = 0;
function directory({ keys = [cfKey('n1', north), cfKey('both', both), pathKey('p1', HEX)], west = [] } = {}) {
    const theirs = [cfKey('s1', south), cfKey('both', both), pathKey('p1', OTHER_HEX)];
    const tenants = [tenant(1, 'north', ['north.example'], { keys }), tenant(2, 'south', ['south.example'], { keys: theirs }), tenant(3, 'west', ['west.example'], { keys: west })];
    return snapshot(++version, tenants);
}

const load = ['ngx_http_bell_core_module', 'ngx_http_bell_signed_module', 'ngx_http_bell_status_module'].map((name) => `load_module ${modulePath(name)};`).join('\n');
const secretFile = (name, text, mode = 0o600) => {
    const file = place.write(name, text);
    chmodSync(file, mode);
    return file;
};
const said = `add_header Status "$bell_signed_status" always; add_header Reason "$bell_signed_reason" always; add_header Issuer "$bell_signed_issuer" always;
    add_header Key "$bell_signed_key" always; add_header Subject "$bell_signed_subject" always; add_header Data "$bell_signed_data" always;
    add_header Ends "$bell_signed_expires" always; add_header Version "$bell_directory_version" always; add_header Worker $pid always; add_header Early "$early" always;
    add_header Token-Hash "$bell_signed_token_hash" always;`;
const server = () => `
    ${said}
    set $early $request_uri; # what is read before the token is cut
    access_log ${place.path('log/access.log')} all;
    location / { bell_signed films; proxy_pass http://origin; }
    location /open { proxy_pass http://origin; }
    location /several { bell_signed films ours old; proxy_pass http://origin; }
    location /part/ { bell_signed films; proxy_pass http://origin/other/; }
    location /files/ { bell_signed ours; root ${place.path('www')}; }
    location /filed { bell_signed filed; proxy_pass http://origin; }
    location /either { bell_signed films; satisfy any; allow all; proxy_pass http://origin; }
    location /moved { bell_signed films; error_page 404 /elsewhere; proxy_intercept_errors on; proxy_pass http://origin/gone; }
    location /elsewhere { internal; bell_signed films; proxy_pass http://origin; }
    location /rewritten { rewrite ^/rewritten(.*) /new$1 break; bell_signed films; proxy_pass http://origin; }
    location /files/shut/ { deny all; root ${place.path('www')}; }
    location /files/inside/ { internal; root ${place.path('www')}; }
    location /files/named { try_files /nothing @named; }
    location @named { bell_signed ours; root ${place.path('www')}; }
    location /fall/ { root ${place.path('www')}; error_page 404 = @fall; }
    location @fall { bell_signed ours; proxy_pass http://origin; }
    location /alias/ { bell_signed ours; satisfy any; allow all; alias ${place.path('www')}/files/; }
    location /handed { bell_signed films; error_page 404 /over; proxy_intercept_errors on; proxy_pass http://origin/gone; }
    location /over { internal; bell_signed old; proxy_pass http://origin; }
    location /kept { bell_signed old; error_page 404 /again; proxy_intercept_errors on; proxy_pass http://origin/gone; }
    location /again { internal; bell_signed films old; proxy_pass http://origin; }
    location /added { rewrite ^/added(.*) /new$1?more=1 break; bell_signed films; proxy_pass http://origin; }
    location /field { set $token $http_x_token; bell_signed field; proxy_pass http://origin; }
    location /calm { bell_signed calm; proxy_pass http://origin; }
    location /calmer { bell_signed calm films; proxy_pass http://origin; }
    location /figures { bell_signed off; bell_status json; }`;
const http = () => `bell_tenant on; upstream origin { server unix:${place.path('sock/origin.sock')}; }
    log_format all '$request|$request_uri|$args|$http_referer|$http_cookie|$http_x_token|$bell_signed_status|$bell_signed_key';
    bell_signed_cache zone=signatures:1m;
    bell_signed_issuer films cloudfront;
    bell_signed_issuer ours path;
    bell_signed_issuer calm path keyless=pass;
    bell_signed_issuer old akamai secret=a:${secretFile('akamai', HEX)} location=cookie name=hdntl host=north.example;
    bell_signed_issuer field akamai secret=a:${place.path('akamai')} location=header name=X-Token host=north.example;
    bell_signed_issuer filed cloudfront key=f1:${place.write('filed.pem', pem(filed))} host=north.example;
    bell_signed_issuer uri uri-signing;
    bell_signed_issuer named cloudfront key=f1:${place.path('filed.pem')};
    server {
        listen unix:${place.path('sock/names.sock')};
        server_name exact.example *.wild.example .dot.example ~^re[0-9]+\\.example$;
        bell_tenant off;
        ${said.replace('"$early"', '""')}
        location / { bell_signed named ours old uri; proxy_pass http://origin; }
    }`;

let edge;
let origin;

before(async () => {
    origin = await startOrigin(place.path('sock/origin.sock'), (request, response, seen) => {
        if (!seen.url.startsWith('/gone')) return false;
        response.writeHead(404).end('gone');
        return true;
    });
    mkdirSync(place.path('www/files/c7/720'), { recursive: true });
    place.write('www/files/c7/720/s1.ts', 'a segment');
    place.write('www/files/c8.ts', 'of another course');
    mkdirSync(place.path('www/files/shut'));
    place.write('www/files/shut/a', 'behind "deny all"');
    mkdirSync(place.path('www/files/inside'));
    place.write('www/files/inside/a', 'of an internal location');
    mkdirSync(place.path('www/files/named'));
    place.write('www/files/named/a', 'by way of a named location');
    edge = await startEdge(place, { load, server: server(), http: http(), bytes: directory() });
});
after(async () => {
    await origin?.close();
    await place.stop();
});

const ask = (path, { host = 'north.example', ...options } = {}) => edge.ask(host, path, options);
const verdict = ({ status, headers }) => [status, headers.reason];

async function publishAll(options) {
    publish(place, directory(options));
    const seen = new Set();
    await waitFor('every worker to have it', async () => {
        const { headers } = await ask('/open');
        if (headers.version === String(version)) seen.add(headers.worker);
        return seen.size === 2;
    });
}

/** Lines of the access log, which are written behind the answer. */
async function logged(pattern) {
    await waitFor(`a line ${pattern}`, () => lines(place.read('log/access.log'), pattern).length > 0);
    return lines(place.read('log/access.log'), pattern);
}

async function computed() {
    const { json } = await ask('/figures');
    return json.firstbell_signed_signatures_computed_total.samples[0].value;
}

test('a key of the tenant lets in what it has signed, says so, and is cut from all that follows', async () => {
    const referer = `https://north.example${cloudfront(north, 'n1', '/page?x=1')}`;
    const until = nowSeconds() + 1000;
    const signed = cloudfront(north, 'n1', '/films/a.mp4?size=large', { until });
    const { status, headers, json } = await ask(signed, { headers: { referer, cookie: 'theme=dark;CloudFront-Policy=x; cloudfront-policy=y; a=b' } });
    assert.deepEqual([status, headers.status, headers.reason, headers.issuer, headers.key, headers.ends], [200, 'valid', 'ok', 'films', 'n1', String(until)]);
    assert.equal(json.url, '/films/a.mp4?size=large');
    assert.equal(json.headers.referer, 'https://north.example/page?x=1');
    assert.equal(json.headers.cookie, 'theme=dark; a=b');
    assert.match(headers.early, /Signature=/); // what an operator has set aside is the operator's
    const [line] = await logged(/films\/a\.mp4/);
    assert.equal(line, 'GET /films/a.mp4?size=large HTTP/1.1|/films/a.mp4?size=large|size=large|https://north.example/page?x=1|theme=dark; a=b|-|valid|n1');
});

test('what is not signed, wrongly, by another tenant, or too long ago', async () => {
    const good = cloudfront(north, 'n1', '/films/a.mp4');
    assert.deepEqual(verdict(await ask('/films/a.mp4')), [403, 'missing']);
    assert.deepEqual(verdict(await ask(good.replace('a.mp4', 'b.mp4'))), [403, 'signature']);
    assert.deepEqual(verdict(await ask(cloudfront(south, 's1', '/films/a.mp4'))), [403, 'key']);
    assert.deepEqual(verdict(await ask(cloudfront(south, 'n1', '/films/a.mp4'))), [403, 'signature']);
    assert.deepEqual(verdict(await ask(cloudfront(north, 'n1', '/films/a.mp4', { until: nowSeconds() - 1 }))), [403, 'expired']);
    assert.deepEqual(verdict(await ask(cloudfront(north, 'n1', '/films/a.mp4', { host: 'south.example' }), { host: 'south.example' })), [403, 'key']);
    assert.deepEqual(verdict(await ask(`${good}&Signature=x`)), [403, 'malformed']);
    assert.equal((await ask(good, { method: 'HEAD' })).status, 200);
    const refused = lines(edge.log(), /a signed address is needed here: signature/);
    assert.ok(refused.length > 0 && refused.every((line) => !line.includes('Signature=')), refused[0]);
});

test('a signature is verified once for all workers; when it ends, and whose it is, is asked each time', async () => {
    const until = nowSeconds() + 3;
    const signed = cloudfront(north, 'n1', '/films/known.mp4', { until });
    const before = await computed();
    for (let i = 0; i < 20; i++) assert.equal((await ask(signed)).status, 200);
    assert.equal((await computed()) - before, 1);
    assert.deepEqual(verdict(await ask(signed, { host: 'south.example' })), [403, 'key']);
    await waitFor('its end', async () => (await ask(signed)).headers.reason === 'expired');
    assert.equal((await computed()) - before, 1);
});

test('what was verified for one tenant is verified for another one, too', async () => {
    const b64 = (bytes) => bytes.toString('base64').replaceAll('+', '-').replaceAll('=', '_').replaceAll('/', '~');
    const policy = Buffer.from(`{"Statement":[{"Resource":"*","Condition":{"DateLessThan":{"AWS:EpochTime":${nowSeconds() + 3600}}}}]}`);
    const signed = `/films/a?Policy=${b64(policy)}&Signature=${b64(createSign('sha1').update(policy).sign(both.privateKey))}&Key-Pair-Id=both`;
    const before = await computed();
    for (const host of ['north.example', 'south.example', 'north.example', 'south.example']) assert.equal((await ask(signed, { host })).status, 200);
    assert.equal((await computed()) - before, 2);
});

test('a token in the path: relative addresses inherit it, and the file below is served', async () => {
    const token = pathToken('/files/c7/', { subject: 'student 7', data: 'class' });
    const { status, text, headers } = await ask(`/files/c7/${token}/720/s1.ts`);
    assert.deepEqual([status, text, headers.subject, headers.data, headers.key], [200, 'a segment', 'student 7', 'class', 'p1']);
    assert.deepEqual(verdict(await ask(`/files/c7/${token}/../c8.ts`)), [403, 'path']);
    assert.deepEqual(verdict(await ask(`/files/c7/${token}/%2e%2e/%2e%2e/files/c8.ts`)), [403, 'path']);
    assert.deepEqual(verdict(await ask(`/files/${token}/c8.ts`)), [403, 'signature']);
    assert.deepEqual(verdict(await ask(`/files/c7/${pathToken('/files/c7/', { id: 2, hex: OTHER_HEX })}/720/s1.ts`)), [403, 'signature']);
    assert.deepEqual(verdict(await ask(`/files/c7/${pathToken('/files/c7/', { id: 2 })}/720/s1.ts`)), [403, 'tenant']);
    const [line] = await logged(/720\/s1\.ts/);
    assert.match(line, /^GET \/files\/c7\/720\/s1\.ts HTTP\/1\.1\|\/files\/c7\/720\/s1\.ts\|/);
});

test('several issuers: the first of whom there is a token decides', async () => {
    const issuerOf = async (path, options) => {
        const { status, headers } = await ask(path, options);
        return [status, headers.issuer ?? '', headers.reason];
    };
    assert.deepEqual(await issuerOf(cloudfront(north, 'n1', '/several/a')), [200, 'films', 'ok']);
    assert.deepEqual(await issuerOf(`/several/${pathToken('/several/')}/a`), [200, 'ours', 'ok']);
    assert.deepEqual(await issuerOf('/several/a', { headers: { cookie: `hdntl=${akamai('/several/*')}` } }), [200, 'old', 'ok']);
    assert.deepEqual(await issuerOf('/several/a', { headers: { cookie: `hdntl=${akamai('/several/*', OTHER_HEX)}` } }), [403, 'old', 'signature']);
    assert.deepEqual(await issuerOf('/several/a'), [403, '', 'missing']);
    const bad = cloudfront(south, 'n1', '/several/a');
    assert.deepEqual(await issuerOf(bad, { headers: { cookie: `hdntl=${akamai('/several/*')}` } }), [403, 'films', 'signature']);
    const { json } = await ask('/several/a', { headers: { cookie: `a=b;hdntl=${akamai('/several/*')};c=d` } });
    assert.equal(json.headers.cookie, 'a=b; c=d');
});

test('a token is known in logs by its hash, whoever judged it and whatever came of it', async () => {
    const hashOf = (text) => createHash('sha256').update(text).digest('hex').slice(0, 32);
    const signature = (address) => /Signature=([^&]+)/.exec(address)[1];
    const [ours, theirs] = [cloudfront(north, 'n1', '/several/a'), cloudfront(south, 'n1', '/several/a')];
    assert.equal((await ask(ours)).headers['token-hash'], hashOf(signature(ours)));
    assert.equal((await ask(theirs)).headers['token-hash'], hashOf(signature(theirs)));
    const old = akamai('/several/*');
    assert.equal((await ask('/several/a', { headers: { cookie: `hdntl=${old}` } })).headers['token-hash'], hashOf(old));
    const [token, another] = ['x', 'y'].map((data) => pathToken('/several/', { data }));
    const [first, again, other] = await Promise.all([`${token}/a`, `${token}/b`, `${another}/a`].map((path) => ask(`/several/${path}`)));
    assert.match(first.headers['token-hash'], /^[0-9a-f]{32}$/);
    assert.equal(again.headers['token-hash'], first.headers['token-hash']);
    assert.notEqual(other.headers['token-hash'], first.headers['token-hash']);
    assert.equal((await ask('/several/a')).headers['token-hash'], undefined);
});

test('keys change with the directory: one follows the other with both valid, windows hold, and what cannot be used is named', async () => {
    const before = cloudfront(north, 'n1', '/films/a.mp4');
    const behind = cloudfront(next, 'n2', '/films/a.mp4');
    assert.deepEqual(verdict(await ask(behind)), [403, 'key']);
    await publishAll({ keys: [cfKey('n1', north), cfKey('n2', next), cfKey('bad', north, { alg: 'rot13' })] });
    assert.deepEqual([(await ask(before)).status, (await ask(behind)).status], [200, 200]);
    await publishAll({ keys: [cfKey('n1', north, { until: nowSeconds() - 1 }), cfKey('n2', next)] });
    assert.deepEqual(verdict(await ask(before)), [403, 'key']);
    assert.equal((await ask(behind)).status, 200);
    await publishAll();
    assert.equal((await ask(before)).status, 200);
    assert.match(edge.log(), /key "bad" of tenant "north" for "cloudfront" cannot be used: its algorithm is none of "public", "hex" and "base64url"/);
});

test('keyless=pass: a tenant that has no key of the use is asked for nothing; one that has had one is', async () => {
    const west = (path) => ask(path, { host: 'west.example' });
    const open = await west('/calm/a');
    assert.deepEqual([open.status, open.headers.status, open.json.url], [200, 'missing', '/calm/a']);
    assert.deepEqual(verdict(await west(`/calm/${pathToken('/calm/', { id: 3 })}/a`)), [403, 'key']);
    assert.deepEqual(verdict(await west('/calmer/a')), [403, 'missing'], 'of several, all have to say so');
    assert.deepEqual(verdict(await ask('/calm/a')), [403, 'missing'], 'who has a key');
    assert.deepEqual(verdict(await west('/several/a')), [403, 'missing'], 'where it is not said');
    for (const key of [pathKey('w1', HEX), pathKey('w1', HEX, { until: nowSeconds() - 10 }), pathKey('w1', 'no digits')]) {
        await publishAll({ west: [key] });
        assert.deepEqual(verdict(await west('/calm/a')), [403, 'missing'], JSON.stringify(key));
    }
    await publishAll({ west: [cfKey('w2', south)] });
    assert.equal((await west('/calm/a')).status, 200, 'a key for something else is none');
    await publishAll();
});

test('keys that have ended take no place of one that counts, however many have gone before it', async () => {
    const ended = Array.from({ length: 40 }, (_, i) => pathKey(`a${i}`, HEX, { until: nowSeconds() - 86400 }));
    await publishAll({ keys: [...ended, pathKey('z1', OTHER_HEX)] });
    const target = (kid, hex) => `/several/${pathToken('/several/', { kid, hex })}/a`;
    assert.deepEqual(verdict(await ask(target('z1', OTHER_HEX))), [200, 'ok']);
    assert.deepEqual(verdict(await ask(target('a1', HEX))), [403, 'key']);
    await publishAll();
});

test('a request without a host is nobody\'s, whatever it carries', async () => {
    for (const address of [cloudfront(filed, 'f1', '/filed'), `/several/${pathToken('/several/')}/a`, '/several/a?URISigningPackage=a.b.c&CAT=x&Signature=y']) {
        const text = await raw({ socketPath: place.path('sock/names.sock') }, `GET ${address} HTTP/1.0\r\nReferer: https://north.example${address}\r\n\r\n`);
        assert.match(text, /^HTTP\/1\.1 403 /, address);
    }
});

test('a key from a file is for the hosts that the operator names', async () => {
    assert.equal((await ask(cloudfront(filed, 'f1', '/filed'))).status, 200);
    assert.deepEqual(verdict(await ask(cloudfront(filed, 'f1', '/filed', { host: 'south.example' }), { host: 'south.example' })), [403, 'resource']);
});

test('or for the names of the server, not for what ends there for want of another', async () => {
    const reasonFor = (host) =>
        new Promise((resolve, reject) => {
            const request = plainHttp.request({ socketPath: place.path('sock/names.sock'), path: cloudfront(filed, 'f1', '/a', { host }), headers: { host }, agent: false }, (answer) => {
                answer.resume().on('end', () => resolve(answer.headers.reason));
            });
            request.on('error', reject).end();
        });
    for (const host of ['exact.example', 'a.wild.example', 'b.a.wild.example', 'dot.example', 'a.dot.example', 're12.example']) assert.equal(await reasonFor(host), 'ok', host);
    for (const host of ['other.example', 'wild.example', 'adot.example', 'rex.example', 'xexact.example']) assert.equal(await reasonFor(host), 'resource', host);
});

test('on its further way: other locations, proxy_pass with a path, "satisfy any", a rewrite before', async () => {
    const moved = await ask(cloudfront(north, 'n1', '/moved'));
    assert.deepEqual([moved.status, moved.json?.url], [404, '/elsewhere']);
    assert.equal((await ask(cloudfront(north, 'n1', '/part/a?b=c'))).json.url, '/other/a?b=c');
    assert.equal((await ask('/either')).status, 200);
    assert.equal((await ask(cloudfront(north, 'n1', '/rewritten/a?b=c'))).json.url, '/new/a?b=c');
});

test('a path is served by the location that it has without its token', async () => {
    const below = `/files/${pathToken('/files/')}`;
    assert.equal((await ask(`${below}/c8.ts`)).text, 'of another course');
    assert.equal((await ask(`${below}/shut/a`)).status, 403);
    assert.equal((await ask(`${below}/inside/a`)).status, 404);
    assert.equal((await ask(`/files/named/${pathToken('/files/named/')}/a`)).text, 'by way of a named location');
    const fallen = await ask(`/fall/${pathToken('/fall/')}/a`);
    assert.deepEqual([fallen.status, fallen.json?.url], [200, '/fall/a']);
    assert.equal((await ask('/fall/a')).status, 403);
    // a named location is an internal redirect: what it was asked for is not
    assert.equal((await ask(`/files/named/${pathToken('/files/named/')}/../inside/a`)).status, 404);
});

test('a token that does not count leads nobody out of its location, where others may let it in', async () => {
    assert.equal((await ask('/alias/bell-token=x/c8.ts')).text, 'of another course');
    // without the component these are "/open", "/a", and nothing that there is
    assert.deepEqual([(await ask('/alias/bell-token=x/../open')).json.url, (await ask('/alias/bell-token=x/../a')).status], ['/alias/../open', 403]);
});

test('a token in the last of many Cookie fields is found, and in one of them only', async () => {
    const last = ['cookie', `hdntl=${akamai('/several/*')}`];
    const fields = ['host', 'north.example', ...Array.from({ length: 200 }, (_, i) => [i % 2 ? 'Cookie' : 'X-Other', `a=${i}`]).flat(), ...last];
    const send = (headers) =>
        new Promise((resolve, reject) => {
            const request = plainHttp.request({ port: edge.port, host: '127.0.0.1', path: '/several/a', headers, agent: false }, (response) => {
                response.resume().on('end', () => resolve([response.statusCode, response.headers.reason]));
            });
            request.on('error', reject).end();
        });
    assert.deepEqual(await send(fields), [200, 'ok']);
    assert.deepEqual(await send([...fields, ...last]), [403, 'malformed']);
});

test('tokens of all who are asked are cut, behind an internal redirect, a rewrite, and in fields that were read before', async () => {
    const cookie = (acl) => ({ headers: { cookie: `hdntl=${akamai(acl)}; a=b` } });
    const several = await ask(cloudfront(north, 'n1', '/several/a'), cookie('/several/*'));
    assert.deepEqual([several.headers.issuer, several.json.headers.cookie], ['films', 'a=b']);
    const handed = await ask(cloudfront(north, 'n1', '/handed?a=b'), cookie('/handed'));
    assert.deepEqual([handed.headers.issuer, handed.json.headers.cookie], ['old', 'a=b']);
    assert.deepEqual(verdict(await ask(cloudfront(north, 'n1', '/handed'))), [403, 'missing']);
    const kept = await ask('/kept', cookie('/kept'));
    assert.deepEqual([kept.headers.issuer, kept.headers.reason, kept.json.headers.cookie], ['old', 'ok', 'a=b']);
    assert.equal((await ask(cloudfront(north, 'n1', '/added/a?b=c'))).json.url, '/new/a?more=1&b=c');
    assert.equal((await ask(cloudfront(north, 'n1', '/added/a'))).json.url, '/new/a?more=1');
    assert.equal((await ask('/field', { headers: { 'x-token': akamai('/field') } })).status, 200);
    // a page may have one in its address that asks for something without
    const referer = `https://north.example/several/${pathToken('/several/')}/page`;
    assert.deepEqual(verdict(await ask('/several/a', { headers: { referer } })), [403, 'missing']);
    await logged(/north\.example\/several\/page/);
    const log = place.read('log/access.log');
    assert.match(log, /https:\/\/north.example\/several\/page/);
    assert.doesNotMatch(log, /bell-token=v1/);
    assert.match(log, /\/handed\?a=b/);
    assert.doesNotMatch(log, /Signature=|hmac=/);
});

test('what is refused at the start', async () => {
    const refused = async (text, pattern) => {
        const conf = nginxConf(place, 8080, { load, http: `bell_tenant off; ${text}` });
        const { code, stderr } = await testNginx(place, { conf });
        assert.notEqual(code, 0, text);
        assert.match(stderr, pattern);
    };
    const open = secretFile('open', HEX, 0o644);
    await refused('bell_signed_issuer a nobody;', /there is no kind of issuers "nobody"/);
    await refused('bell_signed_issuer a path; bell_signed_issuer a path;', /there is an issuer "a" already/);
    await refused('bell_signed b;', /there is no issuer "b" above: add "bell_signed_issuer b KIND/);
    await refused('bell_signed_issuer a path colour=red;', /issuers of kind "path" have no parameter "colour=red"/);
    await refused('bell_signed_issuer a path keyless=perhaps;', /"keyless=perhaps": requests of tenants without a key either "pass", or the issuer will "refuse" them/);
    await refused('bell_signed_issuer a path one_host=maybe;', /"one_host=maybe" of issuer "a" is not understood/);
    await refused('bell_signed_issuer a akamai algorithm=crc32;', /"algorithm=crc32" of issuer "a" is not understood/);
    await refused('bell_signed_issuer a akamai location=nose;', /"location=nose" of issuer "a" is not understood/);
    await refused('bell_signed_issuer a akamai long_time=never;', /"long_time=never" of issuer "a" is not understood/);
    await refused('bell_signed_issuer a path encoding=morse;', /secrets are in "hex" or "base64url"/);
    await refused(`bell_signed_issuer a path secret=${open};`, /is not ID:FILE/);
    await refused(`bell_signed_issuer a path secret=k:${open};`, /can be read or written by others than its owner: chmod 600/);
    await refused(`bell_signed_issuer a path secret=k:${secretFile('short', 'zz')};`, /the key in ".*short" cannot be used: /);
    await refused(`bell_signed_issuer a path secret=k:${place.path('nothing')};`, /key file ".*nothing" cannot be opened/);
    await refused(`bell_signed_issuer a cloudfront key=k:${secretFile('void', '')};`, /key file ".*void" is empty/);
    await refused('bell_signed_cache zone=a:1m; bell_signed_cache zone=b:1m;', /is duplicate/);
    await refused('bell_signed_cache zone=a:1m slot=100;', /slot=SIZE/);
});
