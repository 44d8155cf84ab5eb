// Signed tokens, made with Node's crypto alone: sessions as the origin signs them, and JSON Web Tokens of others.

import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A key of the origin: {privateKey, id, pem}, pem being its public half. */
export function newSessionKey() {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const id = createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest().subarray(0, 8).toString('base64url');
    return { privateKey, id, pem: publicKey.export({ type: 'spki', format: 'pem' }) };
}

const now = () => Math.floor(Date.now() / 1000);

/** A session's claims; `over` replaces members. */
export function sessionClaims(over = {}) {
    return { aud: '1', sub: '42', sid: randomBytes(16).toString('hex'), role: 7, iat: now() - 5, exp: now() + 3600, ...over };
}

/** A session of that key. `header` replaces what stands there. */
export function session(key, over, header = `{"alg":"ES256","typ":"JWT","kid":"${key.id}"}`) {
    return jws(key.privateKey, header, sessionClaims(over));
}

/** header and claims as objects or as texts; the key decides how it is signed. */
export function jws(privateKey, header, claims) {
    const input = `${encode(header)}.${encode(claims)}`;
    const kind = privateKey.asymmetricKeyType;
    const options = kind === 'ec' ? { key: privateKey, dsaEncoding: 'ieee-p1363' } : privateKey;
    return `${input}.${sign(kind === 'ed25519' ? null : 'sha256', Buffer.from(input), options).toString('base64url')}`;
}

/** An issuer of access tokens: {document(over), token(over, header)} with a key of that kind ('ed25519', 'rsa', 'ec'). */
export function newIssuer({ issuer = 'https://sis.example', audience = 'api', kind = 'ed25519', kid = 'k1' } = {}) {
    const { publicKey, privateKey } = generateKeyPairSync(kind, kind === 'rsa' ? { modulusLength: 2048 } : kind === 'ec' ? { namedCurve: 'P-256' } : {});
    const alg = { ed25519: 'EdDSA', rsa: 'RS256', ec: 'ES256' }[kind];
    return {
        document: (over = {}) => JSON.stringify({ issuer, audience, keys: [{ ...publicKey.export({ format: 'jwk' }), kid }], ...over }),
        token: (over = {}, header = { alg, kid }) => jws(privateKey, header, { iss: issuer, aud: audience, sub: 'ann', iat: now() - 5, exp: now() + 3600, ...over }),
    };
}
