// Identity providers over TLS: the real one of the npm package oidc-provider, and one that lies, for what no real provider would say.

import { createHash, createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import https from 'node:https';

import Provider from 'oidc-provider';

export function newKey(kid, alg = 'RS256') {
    const types = { RS256: ['rsa', { modulusLength: 2048 }], PS256: ['rsa', { modulusLength: 2048 }], ES256: ['ec', { namedCurve: 'P-256' }], EdDSA: ['ed25519', {}] };
    const { privateKey, publicKey } = generateKeyPairSync(...types[alg]);
    const named = (key) => ({ ...key.export({ format: 'jwk' }), kid, alg, use: 'sig' });
    return { kid, alg, privateKey, jwk: named(privateKey), public: named(publicKey) };
}

/** An HTTPS server on 127.0.0.1 whose connections end with it. certificate: of makeCertificate(). */
function listen(handler, certificate, port) {
    const server = https.createServer({ cert: readFileSync(certificate.certificate), key: readFileSync(certificate.key) }, handler);
    return new Promise((resolve, reject) => {
        server.on('error', reject);
        server.listen(port, '127.0.0.1', () => {
            const close = () =>
                new Promise((closed) => {
                    server.close(closed);
                    server.closeAllConnections();
                });
            resolve({ port: server.address().port, close });
        });
    });
}

/** The real provider. accounts: {id: claims}; clients as oidc-provider takes them; keys: newKey()s. Who signs in is asked with a form, or is
 *  `provider.autoLogin` at once. conform: claims of scopes are given by the userinfo endpoint only, as the standard says. */
export async function startProvider({ certificate, port, accounts, clients, keys = [newKey('first')], conform = true, autoLogin }) {
    const provider = { autoLogin, origin: `https://localhost:${port}` };
    const real = new Provider(provider.origin, {
        clients,
        jwks: { keys: keys.map(({ jwk }) => jwk) },
        cookies: { keys: ['a key of this test'] },
        conformIdTokenClaims: conform,
        claims: { email: ['email', 'email_verified'], profile: ['preferred_username', 'name'], openid: ['sub', 'hd'] },
        features: { devInteractions: { enabled: false } },
        enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'] },
        ttl: { AccessToken: 600, AuthorizationCode: 60, IdToken: 600, Session: 600, Grant: 600, Interaction: 600 },
        interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
        findAccount: (_, id) => accounts[id] && { accountId: id, claims: () => ({ sub: id, ...accounts[id] }) },
        loadExistingGrant: async (ctx) => {
            const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
            grant.addOIDCScope('openid email profile');
            await grant.save();
            return grant;
        },
    });
    const answer = real.callback();
    const interact = async (request, response) => {
        const login = provider.autoLogin ?? new URL(request.url, provider.origin).searchParams.get('login');
        if (login === 'nobody') return real.interactionFinished(request, response, { error: 'access_denied', error_description: 'They said no.' });
        if (login) return real.interactionFinished(request, response, { login: { accountId: login } });
        response.setHeader('content-type', 'text/html; charset=utf-8');
        return response.end('<!doctype html><html lang="en"><title>School ID</title><h1>School ID</h1><form><label>Who are you? <input name="login"></label><button>Go on</button></form>');
    };
    const handler = (request, response) => {
        const work = request.url.startsWith('/interaction/') ? interact(request, response) : answer(request, response);
        Promise.resolve(work).catch((error) => response.writeHead(500).end(String(error)));
    };
    return Object.assign(provider, await listen(handler, certificate, port));
}

/** Follows the provider's own redirects as a browser does, until it sends somewhere else. Gives that address. */
export async function browse(url, ca) {
    const jar = new Map();
    const home = new URL(url).origin;
    for (let hops = 0; hops < 10 && new URL(url).origin === home; hops++) {
        const { headers, status, text } = await get(url, ca, jar);
        if (!headers.location) throw new Error(`the provider stops at ${url}: ${status} ${text}`);
        url = new URL(headers.location, url).href;
    }
    return url;
}

function get(url, ca, jar) {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    return new Promise((resolve, reject) => {
        const request = https.get(url, { ca, headers: cookie ? { cookie } : {} }, (response) => {
            for (const line of response.headers['set-cookie'] ?? []) {
                const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
                jar.set(name, value);
            }
            let text = '';
            response.on('data', (chunk) => (text += chunk));
            response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
        });
        request.on('error', reject);
    });
}

const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A compact JWS; key: newKey(), or {secret} for HMAC, or nothing. */
export function jws(header, claims, key) {
    const input = `${encode(header)}.${encode(claims)}`;
    if (!key) return `${input}.`;
    if (key.secret) return `${input}.${createHmac('sha256', key.secret).update(input).digest('base64url')}`;
    const options = key.alg === 'ES256' ? { key: key.privateKey, dsaEncoding: 'ieee-p1363' } : key.alg === 'PS256' ? { key: key.privateKey, padding: 6, saltLength: 32 } : key.privateKey;
    return `${input}.${sign(key.alg === 'EdDSA' ? null : 'sha256', Buffer.from(input), options).toString('base64url')}`;
}

export const halfHash = (text) => createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url');

/** A provider that says whatever a test wants: its answers are functions that the test replaces. asked counts requests by path, last holds the last of each. */
export async function startLiar({ certificate, port = 0, keys = [newKey('k1')] }) {
    const liar = { keys, asked: {}, last: {} };
    liar.configuration = () => ({
        issuer: liar.origin,
        authorization_endpoint: `${liar.origin}/authorize`,
        token_endpoint: `${liar.origin}/token`,
        jwks_uri: `${liar.origin}/jwks`,
    });
    liar.jwks = () => ({ keys: liar.keys.map((key) => key.public) });
    liar.claims = () => ({});
    liar.idToken = (claims) => jws({ alg: liar.keys[0].alg, kid: liar.keys[0].kid, typ: 'JWT' }, claims, liar.keys[0]);
    liar.token = () => {
        const now = Math.floor(Date.now() / 1000);
        const right = { iss: liar.origin, aud: 'firstbell', sub: 'ann', iat: now, exp: now + 300, nonce: liar.nonce, email: 'ann@school.example', email_verified: true };
        const claims = Object.fromEntries(Object.entries({ ...right, ...liar.claims(right) }).filter(([, value]) => value !== undefined));
        return { access_token: randomBytes(16).toString('hex'), token_type: 'Bearer', id_token: liar.idToken(claims) };
    };
    const documents = { '/.well-known/openid-configuration': 'configuration', '/jwks': 'jwks', '/token': 'token' };
    const handler = async (request, response) => {
        const path = new URL(request.url, 'https://x').pathname;
        liar.asked[path] = (liar.asked[path] ?? 0) + 1;
        const chunks = [];
        for await (const chunk of request) chunks.push(chunk);
        liar.last[path] = { headers: request.headers, form: new URLSearchParams(Buffer.concat(chunks).toString()) };
        const what = await liar[documents[path] ?? 'configuration'](response);
        if (what === undefined) return; // the test answers, or nobody does
        response.writeHead(what.status ?? 200, { 'content-type': 'application/json' });
        response.end(what.raw ?? JSON.stringify(what.json ?? what));
    };
    const server = await listen((request, response) => handler(request, response).catch(() => response.destroy()), certificate, port);
    return Object.assign(liar, server, { origin: `https://localhost:${server.port}` });
}
