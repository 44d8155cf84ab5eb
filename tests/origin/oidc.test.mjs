// Signing in at another provider: with the real npm oidc-provider over TLS, and with one that lies. time bound: 420 s

import assert from 'node:assert/strict';
import { chmodSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';

import { browse, halfHash, jws, newKey, startLiar, startProvider } from '../lib/oidc-provider.mjs';
import { freePort, newPlace } from '../lib/place.mjs';
import { firstbell, mustFirstbell, originClient, startApi } from '../lib/server-firstbell.mjs';
import { makeCertificate } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { addSchool, openSchool } from './school.mjs';

const place = newPlace();
const SECRET = 'a secret of the test: +&=%~';
const HOSTS = { 1: 'demo.localhost', 2: 'other.localhost' };
const COOKIE = '__Host-bell_oidc';
const accounts = {
    ann: { email: 'Ann@School.example', email_verified: true, preferred_username: 'STUDENT.demo', hd: 'school.example' },
    tom: { email: 'tom@school.example', email_verified: false, preferred_username: 'teacher.demo' },
    olu: { email: 'olu@school.example', email_verified: true, preferred_username: 'operator.demo' },
    eve: { email: 'eve@elsewhere.example', email_verified: true, preferred_username: 'eve' },
    two: { email: 'two@school.example', email_verified: true },
};
let school, certificate, ca, port, provider, liar;

const clientOf = (id, tenant, extra = {}) => ({ client_id: id, client_secret: SECRET, redirect_uris: [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `https://${HOSTS[tenant]}/sign-in/oidc/${n}/callback`), ...extra });
const clients = [
    clientOf('firstbell', 1),
    clientOf('other', 2),
    clientOf('posts', 1, { token_endpoint_auth_method: 'client_secret_post' }),
    clientOf('public', 1, { token_endpoint_auth_method: 'none', client_secret: undefined }),
];

const sql = (text) => school.postgres.sql('postgres', text);
const people = (values) => sql(`UPDATE users SET ${values.set} WHERE ${values.where}`);

async function addProvider(tenant, options) {
    const given = { title: 'School ID', 'client-id': 'firstbell', 'link-by': 'email', 'secret-file': place.path('secret'), ...options };
    const args = Object.entries(given).filter(([, value]) => value !== undefined).flatMap(([name, value]) => [`--${name}`, value]);
    const out = await mustFirstbell(place, ['tenant', 'oidc', 'add', '--tenant', tenant, ...args]);
    return Number(out.split('\n')[0]);
}

/** A browser at a district. */
const browser = (tenant = 1) => {
    const client = originClient(school.api.socketPath, tenant);
    client.hostHeader = HOSTS[tenant];
    return client;
};

/** From the button to the provider: its address, or the page that says why not. */
async function begin(client, id, query = '') {
    const reply = await client.get(`/sign-in/oidc/${id}${query}`);
    return { ...reply, location: reply.headers.location && new URL(reply.headers.location) };
}

const pathOf = (address) => new URL(address).pathname + new URL(address).search;

/** The whole way with the real provider; the reply of the callback. */
async function signIn(client, id, query) {
    const { location, status, text } = await begin(client, id, query);
    assert.equal(status, 303, text);
    return client.get(pathOf(await browse(location.href, ca)));
}

const whoIs = async (client) => (await client.get('/api/v1/me')).json?.username;

function refused(reply, status, sentence) {
    assert.equal(reply.status, status, reply.text);
    assert.match(reply.headers['content-type'], /^text\/html/);
    assert.match(reply.text, sentence);
    assert.equal(reply.headers['cache-control'], 'no-store');
    assert.ok(!/__Host-bell_session=[^;]/.test(String(reply.headers['set-cookie'])), 'no session was opened');
}

before(async () => {
    certificate = makeCertificate(place);
    ca = certificate.ca;
    port = await freePort();
    const settings = {
        workers: 1, // what one worker remembers is asserted
        fetch_ca_file: certificate.caFile,
        fetch_private_hosts: 'localhost',
        fetch_timeout_ms: 4000,
        fetches_max: 4,
        fetches_waiting_max: 4,
        oidc_secrets_dir: place.path('keys/oidc'),
        oidc_keys_again_s: 1,
    };
    place.write('secret', `${SECRET}\n`, 0o600);
    school = await openSchool(place, { settings });
    await addSchool(place, 'other', 'other.localhost');
    provider = await startProvider({ certificate, port, accounts, clients });
    liar = await startLiar({ certificate });
    await people({ set: "email = 'ann@school.example'", where: "username = 'student.demo'" });
    await people({ set: "email = 'tom@school.example'", where: "username = 'teacher.demo'" });
    await people({ set: "email = 'olu@school.example'", where: "username = 'operator.demo'" });
    await sql("UPDATE users SET email = 'two@school.example' WHERE id IN (SELECT id FROM users WHERE username NOT LIKE '%demo' ORDER BY tenant_id, id LIMIT 2)");
});
after(async () => {
    await provider?.close();
    await liar?.close();
    await place.stop();
});

describe('with a real provider', () => {
    let id;
    before(async () => {
        id = await addProvider('demo', { issuer: provider.origin });
    });
    beforeEach(() => {
        provider.autoLogin = 'ann';
    });

    test('the sign-in page links to it, without a script', async () => {
        const client = browser();
        const link = new RegExp(`<a class="button button-wide" href="/sign-in/oidc/${id}">Sign in with School ID</a>`);
        await waitFor('the page to have heard of the provider', async () => link.test((await client.get('/sign-in')).text));
        assert.match((await client.get('/sign-in?next=/courses/1')).text, new RegExp(`href="/sign-in/oidc/${id}\\?next=/courses/1"`));
        assert.doesNotMatch((await client.get('/sign-in?next=//evil.example')).text, /evil/);
        assert.doesNotMatch((await browser(2).get('/sign-in')).text, /oidc/);
    });

    test('it is asked by code with PKCE, state and nonce, and the cookie is bound to the host', async () => {
        const { location, headers } = await begin(browser(), id);
        const ask = Object.fromEntries(location.searchParams);
        assert.equal(location.origin, provider.origin);
        assert.equal(ask.response_type, 'code');
        assert.equal(ask.client_id, 'firstbell');
        assert.equal(ask.redirect_uri, `https://demo.localhost/sign-in/oidc/${id}/callback`);
        assert.equal(ask.scope, 'openid email');
        assert.equal(ask.code_challenge_method, 'S256');
        assert.equal(new Set([ask.state, ask.nonce, ask.code_challenge]).size, 3);
        for (const value of [ask.state, ask.nonce, ask.code_challenge]) assert.match(value, /^[\w-]{43}$/);
        const [cookie] = headers['set-cookie'].filter((line) => line.startsWith(COOKIE));
        for (const part of ['Path=/', 'Secure', 'HttpOnly', 'SameSite=Lax', 'Max-Age=600']) assert.ok(cookie.includes(part), `${part} in ${cookie}`);
        assert.ok(!cookie.includes(ask.state), 'the state alone makes no cookie');
    });

    test('who is found by a verified e-mail address is signed in, and linked with the subject', async () => {
        const client = browser();
        const reply = await signIn(client, id);
        assert.equal(reply.status, 303, reply.text);
        assert.equal(reply.headers.location, '/courses');
        assert.equal(await whoIs(client), 'student.demo');
        assert.ok(!client.cookies.has(COOKIE));
        assert.equal(await sql(`SELECT subject FROM user_identities WHERE tenant_id = 1 AND provider_id = ${id}`), 'ann');
        await people({ set: "email = 'changed@school.example'", where: "username = 'student.demo'" });
        const again = browser();
        assert.equal((await signIn(again, id)).status, 303);
        assert.equal(await whoIs(again), 'student.demo');
    });

    test('one goes on to the page that was wanted, and to none elsewhere', async () => {
        assert.equal((await signIn(browser(), id, '?next=/courses/1')).headers.location, '/courses/1');
        for (const next of ['//evil.example', 'https://evil.example', '/%5Cevil.example', '/a?b']) {
            assert.equal((await signIn(browser(), id, `?next=${next}`)).headers.location, '/courses', next);
        }
    });

    test('an address that went to somebody else does not open the account of the one before', async () => {
        accounts.imp = { email: 'changed@school.example', email_verified: true };
        provider.autoLogin = 'imp';
        refused(await signIn(browser(), id), 403, /School ID knows you under another account/);
        await mustFirstbell(place, ['tenant', 'oidc', 'unlink', '--tenant', 'demo', 'Student.demo']);
        assert.equal((await signIn(browser(), id)).status, 303);
        await mustFirstbell(place, ['tenant', 'oidc', 'unlink', '--tenant', 'demo', 'student.demo']);
        await people({ set: "email = 'ann@school.example'", where: "username = 'student.demo'" });
    });

    test('nobody gets in by an address that is not verified, by one that nobody or several have, and no operator', async () => {
        const cases = { tom: /has not verified your e-mail address/, eve: /nobody here is known/, two: /more than one person/, olu: /nobody here is known/ };
        await people({ set: "email = 'two@school.example'", where: "tenant_id = 1 AND username LIKE '%demo' AND role = 8 AND username <> 'teacher.demo'" });
        for (const [who, sentence] of Object.entries(cases)) {
            provider.autoLogin = who;
            refused(await signIn(browser(), id), 403, sentence);
        }
        assert.equal(await sql('SELECT count(*) FROM user_identities'), '0');
    });

    test('who was disabled, has left, became an operator or stopped at the provider is told so', async () => {
        assert.equal((await signIn(browser(), id)).status, 303);
        await people({ set: 'enabled = false', where: "tenant_id = 1 AND username = 'student.demo'" });
        refused(await signIn(browser(), id), 403, /Your account here is not active/);
        await people({ set: 'enabled = true, status = 2', where: "tenant_id = 1 AND username = 'student.demo'" });
        refused(await signIn(browser(), id), 403, /Your account here is not active/);
        await people({ set: 'status = 1, role = 20', where: "tenant_id = 1 AND username = 'student.demo'" });
        refused(await signIn(browser(), id), 403, /Your account here is not active/);
        await people({ set: 'role = 7', where: "tenant_id = 1 AND username = 'student.demo'" });
        provider.autoLogin = 'nobody';
        refused(await signIn(browser(), id), 403, /School ID did not sign you in/);
    });

    test('an answer is good once, for the browser that asked, at the district that asked', async () => {
        const client = browser();
        const { location } = await begin(client, id);
        const answer = pathOf(await browse(location.href, ca));
        const cookie = client.cookies.get(COOKIE);
        refused(await browser().get(answer), 400, /another browser/);
        const other = browser(2);
        const otherId = await addProvider('other', { issuer: provider.origin, 'client-id': 'other' });
        other.cookies.set(COOKIE, cookie);
        refused(await other.get(answer), 400, /another browser/);
        refused(await other.get(answer.replace(/oidc\/\d+/, `oidc/${otherId}`)), 400, /another browser/);
        const mixed = browser();
        await begin(mixed, id);
        refused(await mixed.get(answer), 400, /another browser/);
        assert.equal((await client.get(answer)).status, 303);
        assert.equal(await whoIs(client), 'student.demo');
        const replay = browser();
        replay.cookies.set(COOKIE, cookie);
        refused(await replay.get(answer), 400, /was used already/);
        // The same code with a new attempt: the provider has it spent, and the verifier is not its own.
        const third = browser();
        const { location: next } = await begin(third, id);
        const spent = new URL(answer, 'https://demo.localhost');
        spent.searchParams.set('state', next.searchParams.get('state'));
        refused(await third.get(spent.pathname + spent.search), 400, /Please begin again/);
    });

    test('the same subject at another district is another matter', async () => {
        const otherId = await addProvider('other', { issuer: provider.origin, 'client-id': 'other' });
        const client = browser(2);
        assert.equal((await signIn(client, otherId)).status, 303);
        assert.equal((await client.get('/api/v1/me')).json.tenant.name, 'other');
        assert.equal(await sql("SELECT count(DISTINCT user_id) FROM user_identities WHERE subject = 'ann'"), '2');
        assert.equal((await browser(2).get(`/sign-in/oidc/${id}`)).status, id === otherId ? 303 : 404);
    });

    test('the cookie of another key, or one that was changed, is none', async () => {
        const client = browser();
        const { location } = await begin(client, id);
        const answer = pathOf(await browse(location.href, ca));
        client.cookies.set(COOKIE, client.cookies.get(COOKIE).replace(/~(\d{10})~/, (_, s) => `~${Number(s) + 1}~`));
        refused(await client.get(answer), 400, /Please begin again/);
    });

    test('the secret goes by basic, by post, or not at all; without its file the person hears who can help', async () => {
        const posts = await addProvider('demo', { issuer: provider.origin, 'client-id': 'posts', auth: 'post' });
        const client = browser();
        assert.equal((await signIn(client, posts)).status, 303);
        const open = await addProvider('demo', { issuer: provider.origin, 'client-id': 'public', 'secret-file': undefined });
        assert.equal((await signIn(browser(), open)).status, 303);
        const file = place.path(`keys/oidc/1-${posts}`);
        assert.equal(statSync(file).mode & 0o777, 0o600);
        assert.equal(statSync(place.path('keys/oidc')).mode & 0o777, 0o700);
        chmodSync(file, 0o640);
        refused(await signIn(browser(), posts), 502, /tell the people who look after Firstbell/);
        chmodSync(file, 0o600);
        writeFileSync(file, 'another secret');
        refused(await signIn(browser(), posts), 502, /cannot be used here/);
        for (const it of [posts, open]) await mustFirstbell(place, ['tenant', 'oidc', 'remove', '--tenant', 'demo', String(it)]);
        assert.ok(!existsSync(file));
        assert.equal((await browser().get(`/sign-in/oidc/${posts}`)).status, 404);
    });

    test('a required claim keeps out who is of another house; a user name finds without regard to case', async () => {
        const byName = { issuer: provider.origin, 'link-by': 'username', require: 'hd=school.example', scopes: 'openid profile' };
        assert.equal(await addProvider('demo', byName), id, 'the same issuer and client are the same provider');
        await sql('DELETE FROM user_identities');
        await provider.close();
        provider = await startProvider({ certificate, port, accounts, clients, conform: false, autoLogin: 'ann' });
        const client = browser();
        // The provider came up with other keys: the token names one that is not known here, and they are fetched again.
        await waitFor('keys to be fetched again', async () => (await signIn(client, id)).status === 303);
        assert.equal(await whoIs(client), 'student.demo');
        provider.autoLogin = 'eve';
        refused(await signIn(browser(), id), 403, /does not belong to your district/);
        await addProvider('demo', { issuer: provider.origin });
    });

    test('each algorithm of a provider, and new keys while it runs', async () => {
        for (const alg of ['PS256', 'ES256', 'EdDSA', 'RS256']) {
            await provider.close();
            const asked = clients.map((client) => ({ ...client, id_token_signed_response_alg: alg }));
            const keys = [newKey(`new-${alg}`, alg), ...(alg === 'RS256' ? [] : [newKey('spare')])];
            provider = await startProvider({ certificate, port, accounts, clients: asked, keys, autoLogin: 'ann' });
            const client = browser();
            await waitFor(`a sign-in with ${alg}`, async () => (await signIn(client, id)).status === 303);
            assert.equal(await whoIs(client), 'student.demo');
        }
    });

    test('a provider that is away: 503 with a sentence, and recovery without a restart', async () => {
        const { location } = await begin(browser(), id);
        assert.ok(location);
        const client = browser();
        const { location: before } = await begin(client, id);
        const answer = pathOf(await browse(before.href, ca));
        await provider.close();
        const away = await client.get(answer);
        refused(away, 503, /School ID cannot be reached right now/);
        assert.ok(Number(away.headers['retry-after']) > 0);
        await startApiAgain(); // nothing is remembered of it
        refused(await begin(browser(), id), 503, /School ID cannot be reached right now/);
        provider = await startProvider({ certificate, port, accounts, clients, autoLogin: 'ann' });
        await waitFor('the provider to be back', async () => (await begin(browser(), id)).status === 303);
        assert.equal((await signIn(browser(), id)).status, 303);
    });
});

async function startApiAgain() {
    await place.stopProgram(school.api.program);
    school.api = await startApi(place);
}

describe('with a provider that lies', () => {
    let id, right;
    before(async () => {
        id = await addProvider('demo', { issuer: liar.origin, title: 'Liar & <Sons>' });
        right = { ...liar };
    });
    beforeEach(() => Object.assign(liar, right));

    /** A sign-in with what the liar says now. `query` replaces parameters of its answer (undefined: left out). */
    async function attempt(query = {}, client = browser()) {
        const { location, status, text } = await begin(client, id);
        assert.equal(status, 303, text);
        liar.nonce = location.searchParams.get('nonce');
        const all = { code: 'c', state: location.searchParams.get('state'), iss: liar.origin, ...query };
        const answer = new URLSearchParams(Object.entries(all).filter(([, value]) => value !== undefined));
        return client.get(`/sign-in/oidc/${id}/callback?${answer}`);
    }
    const untrusted = async (query) => refused(await attempt(query), 502, /Liar &amp; &lt;Sons&gt; sent an answer that could not be verified/);

    test('what is right is taken', async () => {
        const reply = await attempt();
        assert.equal(reply.status, 303, reply.text);
        const authorization = Buffer.from(liar.last['/token'].headers.authorization.replace('Basic ', ''), 'base64').toString();
        assert.equal(authorization, `firstbell:${encodeURIComponent(SECRET)}`);
        assert.match(liar.last['/token'].form.get('code_verifier'), /^[\w-]{43}$/);
        assert.equal(liar.last['/token'].form.get('redirect_uri'), `https://demo.localhost/sign-in/oidc/${id}/callback`);
        liar.claims = () => ({ aud: ['firstbell', 'more'], azp: 'firstbell' });
        assert.equal((await attempt()).status, 303);
    });

    const now = () => Math.floor(Date.now() / 1000);
    const lies = {
        'another nonce': { nonce: 'x'.repeat(43) },
        'no nonce': { nonce: undefined },
        'another audience': { aud: 'somebody-else' },
        'several audiences and no azp': { aud: ['firstbell', 'somebody-else'] },
        'the azp of another': { azp: 'somebody-else' },
        'another issuer': { iss: 'https://evil.example' },
        'an end in the past': { exp: now() - 3600 },
        'no end': { exp: undefined },
        'a beginning in the future': { iat: now() + 3600, exp: now() + 7200 },
        'no subject': { sub: undefined },
        'a subject that is too long': { sub: 'x'.repeat(256) },
        'the hash of another access token': { at_hash: halfHash('another') },
    };
    for (const [what, claims] of Object.entries(lies)) {
        test(`an ID token with ${what}`, async () => {
            liar.claims = () => claims;
            await untrusted();
        });
    }

    const forgeries = {
        'that nobody signed (alg none)': (claims) => jws({ alg: 'none' }, claims),
        'that nobody signed under the name of a key': (claims) => jws({ alg: 'none', kid: 'k1' }, claims),
        'signed with the public key as a secret (HS256)': (claims) => jws({ alg: 'HS256', kid: 'k1' }, claims, { secret: JSON.stringify(liar.keys[0].public) }),
        'signed by another key': (claims) => jws({ alg: 'RS256', kid: 'k1' }, claims, newKey('k1')),
        'with the key it is signed by in its header': (claims) => {
            const key = newKey('k1');
            return jws({ alg: 'RS256', kid: 'k1', jwk: key.public }, claims, key);
        },
        'of another type': (claims) => jws({ alg: 'RS256', kid: 'k1', typ: 'at+jwt' }, claims, liar.keys[0]),
        'that was cut': (claims) => jws({ alg: 'RS256', kid: 'k1' }, claims, liar.keys[0]).slice(0, -3),
        'of 60 kB': (claims) => jws({ alg: 'RS256', kid: 'k1' }, { ...claims, groups: 'x'.repeat(60_000) }, liar.keys[0]),
    };
    for (const [what, forge] of Object.entries(forgeries)) {
        test(`an ID token ${what}`, async () => {
            liar.idToken = forge;
            await untrusted();
        });
    }

    test('an unknown key: the keys are fetched again, but not again and again', async () => {
        const stranger = newKey('stranger');
        liar.idToken = (claims) => jws({ alg: 'RS256', kid: 'stranger' }, claims, stranger);
        await waitFor('the keys to be fetched for it', async () => {
            const before = liar.asked['/jwks'];
            await untrusted();
            return liar.asked['/jwks'] > before;
        });
        const before = liar.asked['/jwks'];
        const begun = performance.now();
        let tries = 0;
        for (; tries < 6; tries++) await untrusted();
        const fetched = liar.asked['/jwks'] - before;
        assert.ok(fetched <= 1 + (performance.now() - begun) / 1000, `${fetched} fetches for ${tries} tries`);
        liar.keys = [stranger, ...right.keys];
        await waitFor('the new key to be known', async () => (await attempt()).status === 303);
    });

    test('an answer of another issuer, or a second of anything', async () => {
        await untrusted({ iss: 'https://evil.example' });
        assert.equal((await attempt({ iss: undefined })).status, 303, 'it does not say that it names itself');
        const client = browser();
        const { location } = await begin(client, id);
        const state = location.searchParams.get('state');
        refused(await client.get(`/sign-in/oidc/${id}/callback?code=a&code=b&state=${state}`), 400, /Please begin again/);
        refused(await client.get(`/sign-in/oidc/${id}/callback`), 400, /Please begin again/);
    });

    test('errors of the provider in plain words, without its own', async () => {
        for (const [error, status, sentence] of [['access_denied', 403, /did not sign you in/], ['temporarily_unavailable', 503, /try again in a moment/], ['invalid_scope', 502, /tell the people/], ['<script>', 502, /tell the people/]]) {
            const reply = await attempt({ code: undefined, error, error_description: '<img src=x> call 555-1234' });
            refused(reply, status, sentence);
            assert.doesNotMatch(reply.text, /555|<img|<script>/);
        }
        refused(await attempt({ code: undefined }), 502, /cannot be used here/);
        liar.token = () => ({ status: 401, json: { error: 'invalid_client' } });
        refused(await attempt(), 502, /cannot be used here/);
        liar.token = () => ({ status: 500, raw: 'oops' });
        refused(await attempt(), 503, /cannot be reached right now/);
    });

    const rubbish = {
        'of 300 kB': 'x'.repeat(300_000),
        'that is deep': '['.repeat(100_000),
        'deep within an object': `{"id_token":${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}}`,
        'that is no JSON': '<html>hello</html>',
        'with names twice': '{"id_token":"a.b.c","id_token":"d.e.f"}',
        'that is empty': '',
    };
    for (const [what, raw] of Object.entries(rubbish)) {
        test(`an answer of the token endpoint ${what}`, async () => {
            liar.token = () => ({ raw });
            refused(await attempt(), 502, /cannot be used here/);
        });
    }

    test('a redirect of the token endpoint is not followed', async () => {
        liar.token = (response) => void response.writeHead(307, { location: `${liar.origin}/elsewhere` }).end();
        refused(await attempt(), 502, /cannot be used here/);
        assert.equal(liar.asked['/elsewhere'], undefined);
    });

    test('a slow provider is waited for in bounds, and nobody else waits with it', async () => {
        const other = await addProvider('other', { issuer: provider.origin, 'client-id': 'other' });
        assert.equal((await signIn(browser(2), other)).status, 303);
        liar.token = () => void 0; // never answers
        const slow = [1, 2, 3, 4].map(() => attempt());
        await waitFor('two of four to be asked, two waiting for their turn', () => liar.asked['/token'] >= 2);
        const refusal = await attempt();
        assert.equal(refusal.status, 503, refusal.text);
        assert.ok(Number(refusal.headers['retry-after']) > 0);
        assert.equal((await signIn(browser(2), other)).status, 303, 'another district signs in meanwhile');
        for (const reply of await Promise.all(slow)) {
            assert.equal(reply.status, 503, reply.text);
            assert.match(reply.text, /cannot be reached right now|unavailable|busy|moment/i);
        }
        liar.token = right.token;
        assert.equal((await attempt()).status, 303);
    });
});

describe('addresses that are not public', () => {
    test('a provider that names one is not followed there', async () => {
        const inner = await startLiar({ certificate });
        const id = await addProvider('demo', { issuer: liar.origin, 'client-id': 'second' });
        liar.configuration = () => ({
            issuer: liar.origin,
            authorization_endpoint: `${liar.origin}/authorize`,
            token_endpoint: `https://127.0.0.1:${inner.port}/token`,
            jwks_uri: `${liar.origin}/jwks`,
        });
        await startApiAgain();
        const client = browser();
        const { location } = await begin(client, id);
        refused(await client.get(`/sign-in/oidc/${id}/callback?code=c&state=${location.searchParams.get('state')}`), 503, /cannot be reached/);
        assert.deepEqual(inner.asked, {});
        assert.match(place.read('log/error.log'), /its address is not public/);
        await inner.close();
    });
});

describe('the command line', () => {
    const add = (...args) => firstbell(place, ['tenant', 'oidc', 'add', '--tenant', 'demo', '--title', 'T', '--client-id', 'c', ...args]);
    const wrong = {
        'an issuer without TLS': [['--issuer', 'http://idp.example', '--link-by', 'email'], /https URL/],
        'an issuer with a query': [['--issuer', 'https://idp.example/?a=b', '--link-by', 'email'], /without a query/],
        'no way to find people': [['--issuer', 'https://idp.example', '--link-by', 'name'], /--link-by is email, username or sourced-id/],
        'sourced-id without a claim': [['--issuer', 'https://idp.example', '--link-by', 'sourced-id'], /--claim is needed/],
        'scopes without openid': [['--issuer', 'https://idp.example', '--link-by', 'email', '--scopes', 'email'], /openid must be in it/],
        'a requirement without a value': [['--issuer', 'https://idp.example', '--link-by', 'email', '--require', 'hd'], /CLAIM=VALUE/],
        'a way to send a secret that is not there': [['--issuer', 'https://idp.example', '--link-by', 'email', '--auth', 'post'], /need a secret/],
        'a secret that is not sent': [['--issuer', 'https://idp.example', '--link-by', 'email', '--auth', 'none', '--secret-file', 'secret'], /--auth is basic or post/],
        'a secret that cannot be read': [['--issuer', 'https://idp.example', '--link-by', 'email', '--secret-file', '/nonexistent'], /cannot be read/],
    };
    for (const [what, [args, sentence]] of Object.entries(wrong)) {
        test(`refuses ${what}`, async () => {
            const { code, stderr } = await add(...args);
            assert.equal(code, 1);
            assert.match(stderr, sentence);
        });
    }

    test('says what to register, lists without secrets, removes what is there only', async () => {
        const out = await mustFirstbell(place, ['tenant', 'oidc', 'add', '--tenant', 'demo', '--title', 'T', '--client-id', 'c', '--issuer', 'https://idp.example', '--link-by', 'sourced-id', '--claim', 'person', '--require', 'tid=a=b', '--secret-file', place.path('secret')]);
        const id = out.split('\n')[0];
        assert.equal(out, `${id}\nredirect URI: https://demo.localhost/sign-in/oidc/${id}/callback\n`);
        const list = await mustFirstbell(place, ['tenant', 'oidc', 'list', '--tenant', 'demo']);
        assert.ok(list.includes(`${id}\tT\thttps://idp.example\tc\tbasic\tthere\tsourced-id\tperson\topenid\ttid=a=b\t0\n`), list);
        assert.ok(!list.includes(SECRET));
        await mustFirstbell(place, ['tenant', 'oidc', 'remove', '--tenant', 'demo', id]);
        const again = await firstbell(place, ['tenant', 'oidc', 'remove', '--tenant', 'demo', id]);
        assert.equal(again.code, 1);
        assert.match(again.stderr, /has no identity provider/);
        assert.match((await firstbell(place, ['tenant', 'oidc', 'unlink', '--tenant', 'demo', 'nobody'])).stderr, /nobody with the user name/);
        assert.equal((await firstbell(place, ['tenant', 'oidc'])).code, 2);
    });

    test('states that were answered are forgotten when their cookies have ended', async () => {
        await sql("DELETE FROM oidc_used_states; INSERT INTO oidc_used_states VALUES (1, repeat('a', 43), now() - interval '1 second'), (1, repeat('b', 43), now() + interval '1 hour')");
        await sql("INSERT INTO queue (tenant_id, kind) VALUES (1, 'sessions.sweep')");
        await mustFirstbell(place, ['jobs', '--once']);
        assert.equal(await sql('SELECT state FROM oidc_used_states'), 'b'.repeat(43));
    });

    test('no secret, code or token is in a log', () => {
        const log = place.read('log/error.log') + place.read('log/access.log');
        assert.ok(!log.includes(SECRET));
        assert.doesNotMatch(log, /eyJ[\w-]+\.|code=|state=/);
    });
});
