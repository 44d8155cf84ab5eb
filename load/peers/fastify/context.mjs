// What the edge says of a request, verified as the api does it (lua-free/bell_context.h).

import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';

const WINDOW_S = 30;

/** {id, secret} of a key's file, ID.key. */
export function readKey(file) {
    return { id: path.basename(file, '.key'), secret: Buffer.from(readFileSync(file, 'utf8').slice(0, 64), 'hex') };
}

/** The tenant of a request, as text; undefined without a right context. */
export function tenantOf(key, { method, url, headers }) {
    const value = headers['bell-context'] ?? '';
    const cut = value.lastIndexOf('.');
    const head = value.slice(0, cut);
    const mac = createHmac('sha256', key.secret).update(`${head}\n${method} ${url}`).digest('base64url');
    const given = Buffer.from(value.slice(cut + 1));
    if (given.length !== mac.length || !timingSafeEqual(given, Buffer.from(mac))) return undefined;
    const [version, id, time, tenant] = head.split('.');
    const isNow = Math.abs(Date.now() / 1000 - Number(time)) <= WINDOW_S;
    return version === 'v1' && id === key.id && isNow ? tenant : undefined;
}
