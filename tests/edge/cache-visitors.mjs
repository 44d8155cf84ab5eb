// Clients on bare sockets, hundreds of them in one process: what each has of its answer can be looked at while it comes.

import net from 'node:net';

import { waitFor } from '../lib/wait.mjs';

/** A connection that stays until it is left, or closed by the other side. */
export class Visitor {
    static open(port) {
        return new Promise((resolve, reject) => {
            const visitor = new Visitor(net.connect(port, '127.0.0.1', () => resolve(visitor)));
            visitor.socket.once('error', reject);
        });
    }

    constructor(socket) {
        this.socket = socket;
        this.isClosed = false;
        this.received = Buffer.alloc(0);
        socket.setNoDelay(true);
        socket.on('error', () => {});
        socket.on('data', (bytes) => {
            this.received = Buffer.concat([this.received, bytes]);
            this.#read();
        });
        socket.on('close', () => {
            this.isClosed = true;
            this.reply?.closed();
        });
        socket.on('end', () => socket.destroy());
    }

    /** Asks, when the answer before is over; gives the answer as it comes. */
    ask(target, { method = 'GET', host = 'north.example', headers = {} } = {}) {
        if (this.reply && !this.reply.isOver) throw new Error('the answer before is not over');
        const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
        this.reply = new Reply(this, method);
        if (this.isClosed) this.reply.closed();
        this.socket.write(`${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${lines.join('')}\r\n`);
        return this.reply;
    }

    leave() {
        this.socket.destroy();
    }

    #read() {
        if (this.reply) this.received = this.reply.take(this.received);
    }
}

/** An answer: status, headers (names in lower case, several lines joined), body as text so far, interim statuses. hasHead; isWhole: all has come that
 *  the head promised; isCut: the connection ended before; isOver: one of the two, and `ended` resolves then. */
class Reply {
    constructor(visitor, method) {
        this.visitor = visitor;
        this.method = method;
        this.interim = [];
        this.hasHead = false;
        this.isWhole = false;
        this.isCut = false;
        this.pieces = [];
        this.bytes = 0; // of the body
        this.ended = new Promise((resolve) => (this.tellEnd = resolve));
    }

    get isOver() {
        return this.isWhole || this.isCut;
    }

    get body() {
        if (this.pieces.length > 1) this.pieces = [Buffer.concat(this.pieces)];
        return this.pieces.length === 0 ? '' : this.pieces[0].toString('latin1');
    }

    /** Takes its own from these bytes and gives the rest. */
    take(bytes) {
        let rest = bytes;
        while (!this.hasHead) {
            const end = rest.indexOf('\r\n\r\n');
            if (end < 0) return rest;
            this.#head(...rest.subarray(0, end).toString('latin1').split('\r\n'));
            rest = rest.subarray(end + 4);
        }
        if (!this.isOver) rest = this.#body(rest);
        if (this.isOver) this.tellEnd();
        return rest;
    }

    /** The connection has ended. */
    closed() {
        if (this.isOver) return;
        if (this.hasHead && this.left === Infinity && !this.isChunked) this.isWhole = true;
        else this.isCut = true;
        this.tellEnd();
    }

    #head(line, ...lines) {
        const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(line) ?? [];
        if (!status) throw new Error(`no head of an answer: ${JSON.stringify(line)}`);
        if (Number(status) < 200) this.interim.push(Number(status));
        else this.#fields(Number(status), lines);
    }

    #fields(status, lines) {
        const headers = {};
        for (const field of lines) {
            const cut = field.indexOf(':');
            const name = field.slice(0, cut).toLowerCase();
            const value = field.slice(cut + 1).trim();
            headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
        }
        Object.assign(this, { status, headers, hasHead: true });
        this.#measure();
    }

    /** How much body there will be. */
    #measure() {
        this.isChunked = /chunked/i.test(this.headers['transfer-encoding'] ?? '');
        this.left = this.isChunked ? Infinity : Number(this.headers['content-length'] ?? Infinity);
        if (this.method === 'HEAD' || this.status === 204 || this.status === 304) this.left = 0;
        this.isWhole = this.left === 0;
    }

    #body(bytes) {
        return this.isChunked ? this.#chunks(bytes) : this.#plain(bytes);
    }

    #plain(bytes) {
        const own = bytes.subarray(0, Math.min(bytes.length, this.left));
        this.#add(own);
        this.left -= own.length;
        this.isWhole = this.left === 0;
        return bytes.subarray(own.length);
    }

    #add(own) {
        if (own.length > 0) this.pieces.push(own);
        this.bytes += own.length;
    }

    /** Whole chunks are taken; the beginning of one stays in what is given back. */
    #chunks(bytes) {
        let rest = bytes;
        while (!this.isWhole) {
            const line = rest.indexOf('\r\n');
            if (line < 0) return rest;
            const size = parseInt(rest.subarray(0, line).toString('latin1'), 16);
            const next = line + 2 + size + 2;
            if (rest.length < next) return rest;
            this.#add(rest.subarray(line + 2, line + 2 + size));
            this.isWhole = size === 0;
            rest = rest.subarray(next);
        }
        return rest;
    }
}

/** So many connections, all of them there. */
export function visitors(port, count) {
    return Promise.all(Array.from({ length: count }, () => Visitor.open(port)));
}

/** Connections to each of two workers, `each` of them: [{worker, visitors}]. GET `path` answers with the worker's pid in a header Worker. */
export async function visitorsByWorker(port, each, { host = 'north.example', path = '/worker' } = {}) {
    const byWorker = new Map();
    for (let round = 0; round < 500; round++) {
        const fresh = await visitors(port, 2 * each);
        const replies = fresh.map((visitor) => visitor.ask(path, { host }));
        await over(replies);
        for (const { headers, visitor } of replies) byWorker.set(headers.worker, [...(byWorker.get(headers.worker) ?? []), visitor]);
        const enough = [...byWorker].filter(([, those]) => those.length >= each);
        leaveAll([...byWorker.values()].flatMap((those) => those.splice(each))); // one of the two gets more than enough
        if (enough.length === 2) return enough.map(([worker, those]) => ({ worker: Number(worker), visitors: those }));
    }
    throw new Error(`of ${[...byWorker].map(([worker, those]) => `worker ${worker} ${those.length}`)} connections, ${each} each were wanted`);
}

export function leaveAll(those) {
    for (const visitor of those) visitor.leave();
}

/** All of them ask at once: the answers as they come. `target` and `options` may be functions of the visitor's number. */
export function askAll(those, target, options = {}) {
    const of = (what, i) => (typeof what === 'function' ? what(i) : what);
    return those.map((visitor, i) => visitor.ask(of(target, i), of(options, i)));
}

/** Waits until `is` holds for all answers; what they have is said where it does not. */
export async function all(replies, what, is) {
    await waitFor(`${what} of ${replies.length} answers`, () => replies.every(is)).catch((error) => {
        const [open] = replies.filter((reply) => !is(reply));
        const has = { status: open.status, headers: open.headers, bytes: open.bytes, isWhole: open.isWhole, isCut: open.isCut };
        throw new Error(`${error.message}: ${replies.filter((reply) => !is(reply)).length} lack it, one has ${JSON.stringify(has)}`);
    });
    return replies;
}

/** Waits for the ends of all answers. */
export const over = (replies) => all(replies, 'the ends', (reply) => reply.isOver);

/** How often each of some values occurs: {"200": 12, "504": 3}. */
export function tally(replies, of = (reply) => (reply.isCut ? 'cut' : reply.status)) {
    const counts = {};
    for (const reply of replies) counts[of(reply)] = (counts[of(reply)] ?? 0) + 1;
    return counts;
}
