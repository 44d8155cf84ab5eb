// Who asks: bell_session, with sessions as the origin signs them, tokens of issuers that a district trusts, and an origin that is told.

import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { raw } from '../lib/client.mjs';
import { newKey, nowSeconds, putEdgeKey, readContext } from '../lib/edge-context.mjs';
import { jws, newIssuer, newSessionKey, session, sessionClaims } from '../lib/jose.mjs';
import { newPlace } from '../lib/place.mjs';
import { modulePath, testNginx } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { lines, nginxConf, probePath, publish, snapshot, startEdge, startOrigin, tenant } from './support.mjs';

const place = newPlace();
place.expect(/\[emerg\]/); // what is refused at the start
const edgeKey = newKey('edge-1');
const [ours, next, foreign] = [newSessionKey(), newSessionKey(), newSessionKey()];
const sis = newIssuer();
const second = newIssuer({ issuer: 'https://idp.example', kind: 'rsa', kid: 'r1' });
const third = newIssuer({ issuer: 'https://lms.example', kind: 'ec', kid: 'e1' });
let origin;
let edge;
let version = 0;

const putKeys = (...keys) => {
    const file = place.write('sessions.new', keys.map((key) => (typeof key === 'string' ? key : key.pem)).join(''));
    renameSync(file, place.path('sessions.pem'));
};
const key = (kid, issuer, over = {}) => ({ kid, use: 'token', alg: 'jwks', key: issuer, ...over });

/** The directory as it is unless a test changes it: north trusts three issuers, south none. */
function directory({ keys, revoked, north = {} } = {}) {
    keys ??= [
        key('sis', sis.document({ roles: ['teacher'], scopes: ['classes', 'content'] })),
        key('idp', second.document()),
        key('lms', third.document()),
    ];
    return snapshot(++version, [tenant(1, 'north', ['north.example'], { keys, ...north }), tenant(2, 'south', ['south.example'])], undefined, { revoked });
}

const loadLines = (...files) => files.map((file) => `load_module ${file};`).join('\n');
const [core, module_, status] = [undefined, 'ngx_http_bell_session_module', 'ngx_http_bell_status_module'].map((name) => modulePath(name));
// the probe stands for a module that limits; nginx would ask it before the session, which is loaded first
const load = () => loadLines(core, module_, status, probePath(place));
const said = `add_header Status "$bell_session_status" always; add_header Subject "$bell_subject" always; add_header Role "$bell_role" always;
    add_header Scopes "$bell_scopes" always; add_header Session "$bell_session_id" always; add_header Version "$bell_directory_version" always; add_header Worker $pid always;`;
const server = `
    ${said}
    proxy_set_header Bell-Context $bell_context;
    access_log ${place.path('log/access.log')} who;
    location / { proxy_pass http://origin; }
    location /off { bell_session off; proxy_pass http://origin; }
    location /required { bell_session required; proxy_pass http://origin; }
    location /either { bell_session required; satisfy any; deny all; proxy_pass http://origin; }
    location /other-cookie { bell_session_cookie other; proxy_pass http://origin; }
    location /moved { proxy_pass http://origin/gone; proxy_intercept_errors on; error_page 404 /elsewhere; }
    location /elsewhere { internal; proxy_pass http://origin; }
    location /page-of-401 { bell_session required; error_page 401 /required; }
    location /any { bell_session required; satisfy any; allow all; proxy_pass http://origin; }
    location /figures { bell_session off; bell_status json; }`;
const http = () => `upstream origin { server unix:${place.path('sock/origin.sock')}; }
    bell_context_key ${place.path('keys/edges/edge-1.key')};
    log_format who '$uri [$bell_session_status] [$bell_subject] [$bell_reason]';
    bell_session_keys ${place.path('sessions.pem')};
    bell_session_cache zone=sessions:1m;
    bell_session on;`;

before(async () => {
    origin = await startOrigin(place.path('sock/origin.sock'), (request, response, seen) => {
        if (!seen.url.startsWith('/gone')) return false;
        response.writeHead(404).end('gone');
        return true;
    });
    putEdgeKey(place, edgeKey);
    putKeys(ours);
    edge = await startEdge(place, { load: load(), server, http: http(), bytes: directory() });
});
after(async () => {
    await origin?.close();
    await place.stop();
});

const withCookie = (token, host = 'north.example', path = '/') => edge.ask(host, path, { headers: { cookie: `theme=dark; __Host-bell_session=${token}` } });
const withBearer = (token, host = 'north.example', path = '/') => edge.ask(host, path, { headers: { authorization: `Bearer ${token}` } });
const heard = ({ status, headers }) => ({ status, verdict: headers.status, subject: headers.subject ?? '', role: headers.role ?? '', scopes: headers.scopes ?? '' });

/** What the edge has counted: {computed, requests: {status: number}}. */
async function figures() {
    const { json } = await edge.ask('north.example', '/figures');
    const samples = (name) => json[`firstbell_session_${name}_total`].samples;
    return {
        computed: samples('signatures_computed')[0].value,
        requests: Object.fromEntries(samples('requests').map(({ labels, value }) => [labels.status, value])),
    };
}

/** Puts a directory in service, seen by every worker. */
async function publishAll(options) {
    publish(place, directory(options));
    const seen = new Set();
    await waitFor('every worker to have it', async () => {
        const { headers } = await edge.ask('north.example');
        if (headers.version === String(version)) seen.add(headers.worker);
        return seen.size === 2;
    });
}

test('a session says who asks, in the variables and to the origin', async () => {
    const claims = sessionClaims({ sub: '18446744073709551615' });
    const reply = await withCookie(session(ours, claims));
    assert.deepEqual(heard(reply), { status: 200, verdict: 'valid', subject: '18446744073709551615', role: 'student', scopes: '' });
    assert.equal(reply.headers.session, claims.sid);
    const context = readContext(reply.json.headers['bell-context'], { key: edgeKey, method: 'GET', target: '/' });
    assert.deepEqual([context.tenant, context.subject, context.role, context.scopes], [1, '18446744073709551615', 'student', '']);
});

test('it counts in every worker, again and again, and its signature was verified once', async () => {
    const token = session(ours);
    const before_ = await figures();
    const workers = new Set();
    await waitFor('both workers', async () => {
        const reply = await withCookie(token);
        assert.equal(heard(reply).subject, '42');
        workers.add(reply.headers.worker);
        return workers.size === 2;
    });
    const { computed, requests } = await figures();
    assert.equal(computed - before_.computed, 1);
    assert.ok(requests.valid - before_.requests.valid >= 2);
});

test('a request without one is nobody’s', async () => {
    const reply = await edge.ask('north.example');
    assert.deepEqual(heard(reply), { status: 200, verdict: 'none', subject: '', role: '', scopes: '' });
    assert.equal(readContext(reply.json.headers['bell-context'], { key: edgeKey, target: '/' }).subject, '');
});

test('where it is off, nobody is looked for', async () => {
    assert.deepEqual(heard(await withCookie(session(ours), 'north.example', '/off')), { status: 200, verdict: undefined, subject: '', role: '', scopes: '' });
});

const refused = [
    ['of another key', () => session(foreign), 'unknown-key'],
    ['that names our key and was signed by another', () => session({ ...foreign, id: ours.id }), 'bad-signature'],
    ['with other claims than were signed', () => session(ours).replace(/\.([^.]+)\./, `.${Buffer.from(JSON.stringify(sessionClaims({ sub: '1' }))).toString('base64url')}.`), 'bad-signature'],
    ['of another tenant', () => session(ours, { aud: '2' }), 'wrong-tenant'],
    ['that has ended', () => session(ours, { iat: nowSeconds() - 100, exp: nowSeconds() - 1 }), 'expired'],
    ['of the future', () => session(ours, { iat: nowSeconds() + 600, exp: nowSeconds() + 900 }), 'not-yet'],
    ['without an algorithm', () => session(ours, {}, `{"alg":"none","typ":"JWT","kid":"${ours.id}"}`), 'malformed'],
    ['with a critical header', () => session(ours, {}, `{"alg":"ES256","typ":"JWT","kid":"${ours.id}","crit":["b64"]}`), 'malformed'],
    ['with a claim twice', () => jws(ours.privateKey, `{"alg":"ES256","typ":"JWT","kid":"${ours.id}"}`, JSON.stringify(sessionClaims()).replace('{', '{"aud":"1",')), 'malformed'],
    ['without a subject', () => session(ours, { sub: undefined }), 'malformed'],
    ['of an issuer, in a cookie', () => sis.token(), 'malformed'],
    ['of rubbish', () => 'a.b.c', 'malformed'],
    ['that is long', () => 'x'.repeat(3000), 'malformed'],
];
for (const [name, make, verdict] of refused) {
    test(`a session ${name} is nobody's`, async () => {
        const token = make();
        const logged = () => lines(edge.log(), /\[info\].*bell_session: the session of a request to tenant "north" does not count/).filter((line) => line.includes(`: ${verdict},`)).length;
        const before_ = logged();
        for (let i = 0; i < 3; i++) {
            assert.deepEqual(heard(await withCookie(token)), { status: 200, verdict, subject: '', role: '', scopes: '' });
        }
        assert.equal(logged() - before_, verdict === 'expired' ? 0 : 3);
        assert.ok(!edge.log().includes(token.slice(0, 60)), 'no token is in the log');
    });
}

test('a session counts at its own tenant alone, though its signature is known', async () => {
    const token = session(ours);
    assert.equal(heard(await withCookie(token)).verdict, 'valid');
    assert.equal(heard(await withCookie(token, 'south.example')).verdict, 'wrong-tenant');
    assert.equal(heard(await withCookie(session(ours, { aud: '2' }), 'south.example')).verdict, 'valid');
});

test('a cookie that stands there twice, or in two lines, is none', async () => {
    const token = session(ours);
    const twice = await edge.ask('north.example', '/', { headers: { cookie: `__Host-bell_session=${token}; __Host-bell_session=${token}` } });
    assert.equal(heard(twice).verdict, 'none');
    const head = `GET / HTTP/1.1\r\nHost: north.example\r\nCookie: a=b\r\nCookie: __Host-bell_session=${token}\r\nConnection: close\r\n\r\n`;
    assert.match(await raw({ port: edge.port }, head), /\r\nStatus: none\r\n/);
});

test('the cookie may have another name', async () => {
    const reply = await edge.ask('north.example', '/other-cookie', { headers: { cookie: `other=${session(ours)}` } });
    assert.equal(heard(reply).subject, '42');
    assert.equal(heard(await withCookie(session(ours), 'north.example', '/other-cookie')).verdict, 'none');
});

test('where a session is required, others are answered 401', async () => {
    const none = await edge.ask('north.example', '/required');
    assert.deepEqual([none.status, none.headers['www-authenticate']], [401, 'Bearer']);
    const expired = await withCookie(session(ours, { exp: nowSeconds() - 1 }), 'north.example', '/required');
    assert.deepEqual([expired.status, expired.headers['www-authenticate']], [401, 'Bearer']);
    assert.equal((await withCookie(session(ours), 'north.example', '/required')).status, 200);
    assert.ok(lines(edge.log(), /\[info\].*a session or a token is needed here: expired/).length > 0);
});

test('a session satisfies where any of several is enough', async () => {
    assert.equal((await edge.ask('north.example', '/either')).status, 401);
    assert.equal((await withCookie(session(ours), 'north.example', '/either')).status, 200);
});

test('who is let in by another module is not told why not, and a limit is asked all the same', async () => {
    const reply = await edge.ask('north.example', '/any');
    assert.deepEqual([reply.status, reply.headers['probe-limit'], reply.headers['www-authenticate']], [200, 'nobody', undefined]);
    await waitFor('the access log', () => /\/any \[none\] \[-\] \[-\]/.test(place.read('log/access.log')));
});

test('a page of 401 that needs a session itself is one answer with one challenge', async () => {
    const answer = await raw({ port: edge.port }, 'GET /page-of-401 HTTP/1.1\r\nHost: north.example\r\nConnection: close\r\n\r\n');
    assert.match(answer, /^HTTP\/1\.1 401 /);
    assert.equal(answer.match(/\r\nWWW-Authenticate:/g).length, 1);
});

test('a limit by who asks comes behind, though its module was loaded later', async () => {
    assert.equal((await withCookie(session(ours))).headers['probe-limit'], '42');
    assert.equal((await edge.ask('north.example')).headers['probe-limit'], 'nobody');
    assert.equal((await edge.ask('north.example', '/required')).headers['probe-limit'], undefined, 'refused before');
});

test('who asks is known also after an internal redirect, and found out once', async () => {
    const reply = await withCookie(session(ours), 'north.example', '/moved');
    assert.deepEqual([reply.status, reply.json.url], [404, '/elsewhere']);
    assert.equal(heard(reply).subject, '42');
    await waitFor('the access log', () => /\/elsewhere \[valid\] \[42\] \[-\]/.test(place.read('log/access.log')));
});

// ---- tokens in Authorization

test('our own sessions count there as well, before a cookie', async () => {
    const reply = await edge.ask('north.example', '/', { headers: { authorization: `bearer  ${session(ours, { sub: '7' })} `, cookie: `__Host-bell_session=${session(ours)}` } });
    assert.deepEqual(heard(reply), { status: 200, verdict: 'valid', subject: '7', role: 'student', scopes: '' });
});

test('other schemes are nobody’s business here: the cookie counts', async () => {
    const headers = { authorization: 'Basic YTpi', cookie: `__Host-bell_session=${session(ours)}` };
    assert.equal(heard(await edge.ask('north.example', '/', { headers })).subject, '42');
});

test('tokens of the issuers that a district trusts count: EdDSA, RS256, ES256', async () => {
    for (const [issuer, subject] of [[sis, 'sis:ann'], [second, 'idp:ann'], [third, 'lms:ann']]) {
        const token = issuer.token();
        for (let i = 0; i < 4; i++) {
            assert.deepEqual(heard(await withBearer(token)), { status: 200, verdict: 'valid', subject, role: '', scopes: 'none' });
        }
    }
});

test('an issuer gives the roles and scopes that it may give', async () => {
    const reply = await withBearer(sis.token({ role: 'teacher', scope: 'classes people content' }));
    assert.deepEqual(heard(reply), { status: 200, verdict: 'valid', subject: 'sis:ann', role: 'teacher', scopes: 'classes content' });
    const context = readContext(reply.json.headers['bell-context'], { key: edgeKey, target: '/' });
    assert.deepEqual([context.subject, context.role, context.scopes], ['sis:ann', 'teacher', 'classes content']);
    const less = await withBearer(sis.token({ role: 'operator', scope: 'people' }));
    assert.deepEqual([heard(less).role, heard(less).scopes], ['', 'none']);
    assert.equal(readContext(less.json.headers['bell-context'], { key: edgeKey, target: '/' }).scopes, 'none');
});

const refusedTokens = [
    ['of an issuer that nobody knows', () => newIssuer({ kid: 'k9' }).token(), 'unknown-key'],
    ['that another has signed', () => newIssuer().token(), 'bad-signature'],
    ['for another audience', () => sis.token({ aud: 'mail' }), 'wrong-audience'],
    ['that says it is of another issuer', () => sis.token({ iss: 'https://idp.example' }), 'wrong-issuer'],
    ['that has ended', () => sis.token({ exp: nowSeconds() - 1 }), 'expired'],
    ['of the future', () => sis.token({ nbf: nowSeconds() + 600 }), 'not-yet'],
    ['of a subject that is too long', () => sis.token({ sub: 'x'.repeat(61) }), 'bad-subject'],
    ['with the algorithm "none"', () => `${Buffer.from('{"alg":"none"}').toString('base64url')}.${sis.token().split('.')[1]}.`, 'wrong-algorithm'],
    ['with another algorithm than its key', () => second.token({}, { alg: 'PS256', kid: 'r1' }), 'wrong-algorithm'],
    ['with a critical header', () => sis.token({}, { alg: 'EdDSA', kid: 'k1', crit: ['exp'] }), 'malformed'],
    ['of another type', () => sis.token({}, { alg: 'EdDSA', kid: 'k1', typ: 'logout+jwt' }), 'malformed'],
    ['that is empty', () => '', 'none'],
];
for (const [name, make, verdict] of refusedTokens) {
    test(`a token ${name} is answered ${verdict === 'none' ? 'as nobody' : '401'}`, async () => {
        const token = make();
        for (let i = 0; i < 3; i++) {
            const reply = await withBearer(token);
            assert.deepEqual(heard(reply), { status: verdict === 'none' ? 200 : 401, verdict, subject: '', role: '', scopes: '' });
            assert.equal(reply.headers['www-authenticate'], verdict === 'none' ? undefined : 'Bearer error="invalid_token"');
        }
    });
}

test("a token of one district's issuer is not known at another, though its signature is", async () => {
    const token = sis.token();
    assert.equal((await withBearer(token)).status, 200);
    assert.deepEqual(heard(await withBearer(token, 'south.example')), { status: 401, verdict: 'unknown-key', subject: '', role: '', scopes: '' });
});

// ---- what changes while tokens are out

const everywhere = async (ask, check) => {
    const workers = new Set();
    await waitFor('both workers', async () => {
        const reply = await ask();
        check(reply);
        workers.add(reply.headers.worker);
        return workers.size === 2;
    });
};

test('who was signed out is nobody in every worker; who signs in again is somebody', async () => {
    const token = session(ours, { sub: '77', iat: nowSeconds() - 50 });
    const bob = sis.token({ sub: 'bob', iat: nowSeconds() - 60 });
    await everywhere(() => withCookie(token), (reply) => assert.equal(heard(reply).subject, '77'));
    await publishAll({ revoked: [{ tenant: 1, subject: '77', before: nowSeconds() - 40, until: nowSeconds() + 3600 }, { tenant: 1, subject: 'sis:bob', before: nowSeconds(), until: nowSeconds() + 3600 }] });
    await everywhere(() => withCookie(token), (reply) => assert.deepEqual(heard(reply), { status: 200, verdict: 'signed-out', subject: '', role: '', scopes: '' }));
    assert.equal(heard(await withCookie(session(ours, { sub: '77', iat: nowSeconds() - 30 }))).subject, '77');
    assert.equal(heard(await withCookie(session(ours, { sub: '78', iat: nowSeconds() - 50 }))).subject, '78');
    assert.equal(heard(await withBearer(bob)).verdict, 'signed-out');
});

test('a district whose sessions were ended has none that began before', async () => {
    const [before_, after_] = [session(ours, { iat: nowSeconds() - 50 }), session(ours, { iat: nowSeconds() - 10 })];
    assert.equal(heard(await withCookie(before_)).verdict, 'valid');
    await publishAll({ north: { sessions_from: nowSeconds() - 20 } });
    await everywhere(() => withCookie(before_), (reply) => assert.equal(heard(reply).verdict, 'signed-out'));
    assert.equal(heard(await withCookie(after_)).verdict, 'valid');
    await publishAll();
});

test('an issuer that is taken away, ends, has not begun or changes: its tokens count no longer', async () => {
    const token = sis.token({ role: 'teacher' });
    const document = sis.document({ roles: ['teacher'] });
    const cases = [
        [[key('sis', document)], 200, 'teacher'],
        [[], 401, ''],
        [[key('sis', document, { until: nowSeconds() - 1 })], 401, ''],
        [[key('sis', document, { from: nowSeconds() + 600 })], 401, ''],
        [[key('sis', document, { from: nowSeconds() - 600, until: nowSeconds() + 600 })], 200, 'teacher'],
        [[key('sis', sis.document())], 200, ''],
        [[key('sis', sis.document({ audience: 'mail' }))], 401, ''],
        [[key('sis', document, { use: 'cloudfront' })], 401, ''],
    ];
    for (const [keys, status, role] of cases) {
        await publishAll({ keys });
        await everywhere(() => withBearer(token), (reply) => assert.deepEqual([reply.status, heard(reply).role], [status, role]));
    }
});

test('an issuer that cannot be used is told of, and the others count', async () => {
    await publishAll({ keys: [key('sis', sis.document()), key('bad', '{"issuer":"x"}'), key('old', third.document(), { alg: 'pem' })] });
    await everywhere(() => withBearer(sis.token()), (reply) => assert.equal(reply.status, 200));
    assert.ok(lines(edge.log(), /\[warn\].*issuer "bad" of tenant "north" cannot be used: "audience" is missing/).length > 0);
    assert.ok(lines(edge.log(), /\[warn\].*issuer "old" of tenant "north" cannot be used: its algorithm is not "jwks"/).length > 0);
    await publishAll();
});

/** Waits until every worker says so of a session. */
async function soon(what, token, verdict) {
    const workers = new Set();
    await waitFor(what, async () => {
        const reply = await withCookie(token);
        if (heard(reply).verdict === verdict) workers.add(reply.headers.worker);
        return workers.size === 2;
    });
}

test('keys move on without a reload: the next one counts when it signs, the old one while it is in the file', async () => {
    const old = session(ours);
    putKeys(ours, next);
    await everywhere(() => withCookie(session(next)), (reply) => assert.equal(heard(reply).verdict, 'valid'));
    await everywhere(() => withCookie(old), (reply) => assert.equal(heard(reply).verdict, 'valid'));
    putKeys(next);
    await soon('the old key to count no longer, though its signature is known', old, 'unknown-key');
    putKeys(ours, next);
    await soon('the first key again', old, 'valid');
    assert.ok(lines(edge.log(), /\[notice\].*bell_session_keys: 2 keys of sessions count from now on/).length >= 2);
});

test('a file of keys that is torn or gone changes nothing, and is told of once by each worker', async () => {
    const token = session(ours);
    for (const [spoil, pattern] of [[() => putKeys(ours.pem.slice(0, 60)), /\[error\].*bell_session_keys: .*sessions\.pem: key 1 cannot be used/], [() => renameSync(place.path('sessions.pem'), place.path('away')), /\[error\].*bell_session_keys: ".*sessions\.pem" cannot be read/]]) {
        spoil();
        await waitFor('both workers to tell', async () => {
            await withCookie(token);
            return lines(edge.log(), pattern).length === 2;
        });
        await everywhere(() => withCookie(token), (reply) => assert.equal(heard(reply).verdict, 'valid'));
        assert.equal(lines(edge.log(), pattern).length, 2);
    }
    putKeys(ours, next);
    await soon('the keys again', token, 'valid');
});

test('a reload keeps what is known', async () => {
    const token = session(ours);
    assert.equal(heard(await withCookie(token)).verdict, 'valid');
    const before_ = new Set();
    for (let i = 0; i < 20; i++) before_.add((await edge.ask('north.example')).headers.worker);
    edge.reload();
    await waitFor('new workers', async () => !before_.has((await withCookie(token)).headers.worker));
    const { computed } = await figures();
    await everywhere(() => withCookie(token), (reply) => assert.equal(heard(reply).verdict, 'valid'));
    assert.equal((await figures()).computed, computed);
});

test('slots of another size are refused by a reload, and what was goes on', async () => {
    const file = place.path('conf/nginx.conf');
    const conf_ = place.read('conf/nginx.conf');
    place.write('conf/nginx.conf', conf_.replace('zone=sessions:1m', 'zone=sessions:1m slot=512'));
    edge.reload();
    await waitFor('the refusal', () => /\[emerg\].*zone "sessions" has slots of 1024 bytes and cannot change to 512 while nginx runs/.test(edge.log()));
    place.write('conf/nginx.conf', conf_);
    assert.equal(heard(await withCookie(session(ours))).verdict, 'valid', file);
});

test('a token that is longer than a slot is verified each time', async () => {
    const before_ = await figures();
    for (let i = 0; i < 3; i++) assert.equal((await withBearer(sis.token({ note: 'x'.repeat(900) }))).status, 200);
    assert.equal((await figures()).computed - before_.computed, 3);
});

// ---- what is refused at the start

const conf = (lines_, { order = load() } = {}) => nginxConf(place, 8080, { load: order, http: lines_ });
const wrong = [
    ['no file', 'bell_session_keys nowhere.pem;', /bell_session_keys ".*nowhere\.pem" cannot be read .*No such file or directory.* in .*nginx-t\.conf:\d+/],
    ['a file without keys', () => `bell_session_keys ${place.write('empty.pem', '')};`, /empty\.pem: holds no public key/],
    ['a private key', () => `bell_session_keys ${place.write('private.pem', ours.privateKey.export({ type: 'pkcs8', format: 'pem' }))};`, /private\.pem: holds a private key, which could sign/],
    ['two files', () => `bell_session_keys ${place.write('one.pem', ours.pem)}; bell_session_keys ${place.path('one.pem')};`, /is duplicate: one file holds all keys/],
    ['a zone without a size', 'bell_session_cache zone=sessions;', /"zone=sessions" is not zone=NAME:SIZE/],
    ['a zone that is too small', 'bell_session_cache zone=sessions:8k;', /a name and a size of 32k or more are expected/],
    ['a slot of another form', 'bell_session_cache zone=sessions:1m slot=1000;', /"slot=1000" is not slot=SIZE, from 256 to 65536 and a multiple of 64/],
    ['two caches', 'bell_session_cache zone=a:1m; bell_session_cache zone=b:1m;', /is duplicate/],
    ['a cookie without a name', 'bell_session_cookie "";', /"bell_session_cookie" is empty/],
    ['another word', 'bell_session maybe;', /invalid value "maybe"/],
];
for (const [name, line, reason] of wrong) {
    test(`refused at the start: ${name}`, async () => {
        const { code, stderr } = await testNginx(place, { conf: conf(typeof line === 'string' ? line : line()) });
        assert.notEqual(code, 0);
        assert.match(stderr, reason);
    });
}

test('without core, or before it, it is not loaded', async () => {
    const bare = (order) => conf('bell_session on;', { order }).replace(/^ *bell_(directory|tenant) .*$/gm, '');
    const alone = await testNginx(place, { conf: bare(loadLines(module_)) });
    assert.notEqual(alone.code, 0);
    assert.match(alone.stderr, /module "ngx_http_bell_session_module" needs ngx_http_bell_core_module, which is not loaded/);
    const early = await testNginx(place, { conf: bare(loadLines(module_, core)) });
    assert.notEqual(early.code, 0);
    assert.match(early.stderr, /module "ngx_http_bell_session_module" is loaded before ngx_http_bell_core_module/);
});
