// The header Bell-Context as an edge makes it (lua-free/bell_context.h), for tests and load tools that speak to the origin in an edge's place.

import { createHmac, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';

/** The key that this process is an edge with; {id, secret}. */
export const localKey = { id: 'local', secret: randomBytes(32) };

export function newKey(id) {
    return { id, secret: randomBytes(32) };
}

/** The text of a key's file; `tenants` is a list of numbers, or nothing for all. */
export function keyFile({ secret }, tenants) {
    return `${secret.toString('hex')}\n${tenants ? `tenants ${tenants.join(' ')}\n` : ''}`;
}

/** Writes a key where the settings and the edge's configuration look for it: keys/edges/ID.key in the place. Gives its path. */
export function putEdgeKey(place, key = localKey, { tenants } = {}) {
    place.folder('keys');
    return place.write(`keys/edges/${key.id}.key`, keyFile(key, tenants), 0o600);
}

/** The same, unless there is one. */
export function ensureEdgeKey(place) {
    if (!existsSync(place.path(`keys/edges/${localKey.id}.key`))) putEdgeKey(place);
}

export const nowSeconds = () => Math.floor(Date.now() / 1000);

/** The value of the header for a request. */
export function edgeContext({ key = localKey, tenant, method = 'GET', target, time = nowSeconds(), subject = '', role = '', scopes = '', requestId = '' }) {
    const texts = [subject, role, scopes, requestId].map((text) => Buffer.from(text).toString('base64url'));
    const head = ['v1', key.id, time, tenant, ...texts].join('.');
    return `${head}.${mac(key, head, method, target)}`;
}

/** The MAC over the part of the header before it, and the request. */
export function mac(key, head, method, target) {
    return createHmac('sha256', key.secret).update(`${head}\n${method} ${target}`).digest('base64url');
}

/** The parts of a header whose MAC is right for the request; throws for another. */
export function readContext(value, { key = localKey, method = 'GET', target }) {
    const parts = value.split('.');
    const head = parts.slice(0, -1).join('.');
    if (parts.length !== 9 || parts.at(-1) !== mac(key, head, method, target)) throw new Error(`no context for ${method} ${target}: ${value}`);
    const [version, id, time, tenant, ...texts] = parts.slice(0, -1);
    const [subject, role, scopes, requestId] = texts.map((text) => Buffer.from(text, 'base64url').toString());
    return { version, id, time: Number(time), tenant: Number(tenant), subject, role, scopes, requestId };
}

/** A request's head as text, as an edge sends it: `line` is "METHOD TARGET HTTP/1.1", the others are header lines. */
export function headFromEdge(line, lines = [], { tenant = 1, host = 'demo.localhost' } = {}) {
    const [method, target] = line.split(' ');
    return [line, `Host: ${host}`, `Bell-Context: ${edgeContext({ tenant, method, target })}`, ...lines, '', ''].join('\r\n');
}
