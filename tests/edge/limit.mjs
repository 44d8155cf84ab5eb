// What the tests of bell_limit share: an edge with limits in front of an origin, and what its answers say of them.

import { modulePath } from '../lib/server-nginx.mjs';

export const loadLines = (...names) => names.map((name) => `load_module ${modulePath(`ngx_http_bell_${name}_module`)};`).join('\n');

/** Says what the module found, in headers of each answer. */
export const said = `add_header Limit $bell_limit_status always; add_header Limit-Policy $bell_limit_policy always; add_header Reason $bell_reason always;
    add_header Worker $pid always;`;

/** The page of those that are refused: what the module says of it, as problem+json. */
export const problemPage = `error_page 429 503 /_limited;
    location = /_limited { internal; default_type application/problem+json; return 200 $bell_limit_problem; }`;

let last = 0;

/** A key that nobody has used. */
export const newKey = () => `k${++last}`;

/** An address that nobody has used; realip takes it from X-Real-IP. */
export const newAddress = () => `10.${++last >> 16}.${(last >> 8) & 255}.${last & 255}`;

/** How many of `count` requests at the same time were answered with each status: {200: 5, 429: 35}. */
export async function tally(count, request) {
    const seen = {};
    for (const { status } of await Promise.all(Array.from({ length: count }, request))) seen[status] = (seen[status] ?? 0) + 1;
    return seen;
}

/** The same, one after the other. */
export async function sequence(count, request) {
    const seen = [];
    for (let i = 0; i < count; i++) seen.push((await request()).status);
    return seen;
}

/** A List of Strings with parameters (RFC 9651), as these fields are: [{name, r, t}, …]. Whatever else is an error. */
export function parseList(text) {
    const items = [];
    let rest = text;
    for (;;) {
        const [item, name, parameters] = /^"([ !#-[\]-~]*)"((?:;[a-z]+=\d+)*)/.exec(rest) ?? [];
        if (item === undefined) throw new Error(`no List of Strings: ${text}`);
        const pairs = parameters.split(';').slice(1).map((pair) => pair.split('='));
        items.push({ name, ...Object.fromEntries(pairs.map(([key, value]) => [key, Number(value)])) });
        rest = rest.slice(item.length);
        if (rest === '') return items;
        if (!rest.startsWith(', ')) throw new Error(`no List of Strings: ${text}`);
        rest = rest.slice(2);
    }
}

/** What an answer says: {policy: [...], now: [...]}; undefined where it has no fields. */
export function rateLimit({ headers }) {
    const [policy, now] = [headers['ratelimit-policy'], headers.ratelimit];
    return policy === undefined && now === undefined ? undefined : { policy: parseList(policy), now: parseList(now) };
}
