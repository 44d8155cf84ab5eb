// A table of what a cache has in files, as ngx_http_bell_cache_journal.c writes it (lua-free/bell_shelf.h), with as many objects as wanted: nobody has to
// fetch a million of them to see how long they take to be read.

import { readFileSync, writeFileSync } from 'node:fs';

const RECORD = 128;
const OBJECT = 8; // where it begins, behind the mark
const SUM = 120;
const PLACES = { hash: 0, born: 16, fresh: 24, status: 46, id: 48, body: 64, bytes: 80, stamp: 88, tenant: 96, head: 100, queue: 110 };
const KEY = 8 + 36; // in the preface

/** Adds objects to the table of an nginx that has ended, up to `count`. `order(n)` says which came n-th: a table that was left in order has them so. */
export function fillTable(file, count, order = (n) => n) {
    const former = readFileSync(file);
    const table = Buffer.alloc((count + 1) * RECORD);
    former.copy(table);
    const key = table.subarray(KEY, KEY + 16);
    const first = Buffer.from(table.subarray(RECORD, 2 * RECORD));
    if (!first.subarray(SUM).equals(sumOf(key, first, 1))) throw new Error(`${file} has no object, or its form is another one`);
    const id = first.readBigUInt64LE(OBJECT + PLACES.id);
    for (let n = former.length / RECORD; n <= count; n++) {
        const record = table.subarray(n * RECORD, (n + 1) * RECORD);
        first.copy(record);
        writeObject(record, n, id - BigInt(n), order(n));
        sumOf(key, record, n).copy(record, SUM);
    }
    writeFileSync(file, table);
}

function writeObject(record, n, id, stamp) {
    const put = (place, value) => record.writeBigUInt64LE(BigInt(value), OBJECT + PLACES[place]);
    record.writeUInt32LE(Math.imul(n, 2654435761) >>> 0, OBJECT + PLACES.hash);
    record.writeUInt32LE(Math.imul(n ^ 0x5bd1e995, 2246822519) >>> 0, OBJECT + PLACES.hash + 4);
    put('id', id);
    put('body', 20_000);
    put('bytes', 20_000 + 600 + RECORD);
    put('stamp', stamp);
    record.writeUInt32LE((n % 1000) + 1, OBJECT + PLACES.tenant);
    record.writeUInt32LE(600, OBJECT + PLACES.head);
}

/** SipHash-2-4 of mark, object and slot. */
function sumOf(key, record, slot) {
    const text = Buffer.alloc(SUM + 8);
    record.copy(text, 0, 0, SUM);
    text.writeUInt32LE(slot, SUM);
    return siphash(key, text);
}

/** Of bytes whose number is a multiple of 8. Words are halves, the lower one first: numbers of 64 bits are slow here. */
function siphash(key, text) {
    const [k0, k1, k2, k3] = [0, 4, 8, 12].map((at) => key.readUInt32LE(at));
    const v = new Uint32Array([0x70736575 ^ k0, 0x736f6d65 ^ k1, 0x6e646f6d ^ k2, 0x646f7261 ^ k3, 0x6e657261 ^ k0, 0x6c796765 ^ k1, 0x79746573 ^ k2, 0x74656462 ^ k3]);
    const block = (lo, hi) => {
        v[6] ^= lo;
        v[7] ^= hi;
        rounds(v, 2);
        v[0] ^= lo;
        v[1] ^= hi;
    };
    for (let at = 0; at < text.length; at += 8) block(text.readUInt32LE(at), text.readUInt32LE(at + 4));
    block(0, (text.length & 255) << 24);
    v[4] ^= 0xff;
    rounds(v, 4);
    const out = Buffer.alloc(8);
    out.writeUInt32LE((v[0] ^ v[2] ^ v[4] ^ v[6]) >>> 0, 0);
    out.writeUInt32LE((v[1] ^ v[3] ^ v[5] ^ v[7]) >>> 0, 4);
    return out;
}

function rounds(v, count) {
    for (let i = 0; i < count; i++) {
        add(v, 0, 2);
        rotate(v, 2, 13);
        mix(v, 2, 0);
        rotate(v, 0, 32);
        add(v, 4, 6);
        rotate(v, 6, 16);
        mix(v, 6, 4);
        add(v, 0, 6);
        rotate(v, 6, 21);
        mix(v, 6, 0);
        add(v, 4, 2);
        rotate(v, 2, 17);
        mix(v, 2, 4);
        rotate(v, 4, 32);
    }
}

function add(v, to, from) {
    const low = v[to] + v[from];
    v[to + 1] += v[from + 1] + (low > 0xffffffff ? 1 : 0);
    v[to] = low;
}

function mix(v, to, from) {
    v[to] ^= v[from];
    v[to + 1] ^= v[from + 1];
}

function rotate(v, at, bits) {
    const [lo, hi] = [v[at], v[at + 1]];
    if (bits === 32) {
        [v[at], v[at + 1]] = [hi, lo];
        return;
    }
    v[at] = (lo << bits) | (hi >>> (32 - bits));
    v[at + 1] = (hi << bits) | (lo >>> (32 - bits));
}
