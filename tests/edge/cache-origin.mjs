// An origin whose every byte is the test's: it counts who asks for what, answers each path by a script, and sends an answer piece by piece as it is told.
// It speaks HTTP on bare sockets, because a server that knows HTTP would mend what a test breaks on purpose.

import net from 'node:net';

import { freePort } from '../lib/place.mjs';
import { waitFor } from '../lib/wait.mjs';

/** May stand among the pieces of an answer: the connection is reset, or closed, there. */
export const RESET = Symbol('reset');
export const CLOSE = Symbol('close');

const NO_BODY = new Set([204, 304]);
const REASONS = { 200: 'OK', 206: 'Partial Content', 304: 'Not Modified', 404: 'Not Found', 500: 'Internal Server Error', 503: 'Service Unavailable' };

/** Starts one on a port of its own: {port, script, count, asked, arrived, down, up, close}. */
export async function startCacheOrigin() {
    const origin = new CacheOrigin(await freePort());
    await origin.up();
    return origin;
}

/* An answer is an object, or a function of the request that gives one:
 *     status, reason      200
 *     headers             an object; a value that is a list makes several lines, null leaves a line out that is there by itself (date)
 *     body | pieces       a text, or a list of texts, RESET and CLOSE
 *     length              what is said of it: "exact" (Content-Length), "chunked", "none" (the end of the connection tells), or a number that is a lie
 *     early               what goes out before the head, an interim answer
 *     instead             RESET or CLOSE: no answer at all
 *     held                nothing is sent by itself: each next() of the request sends the head, then a piece */
class CacheOrigin {
    constructor(port) {
        this.port = port;
        this.scripts = new Map();
        this.sockets = new Set();
        this.connections = 0;
    }

    /** Says how requests for that path are answered: the first one by the first answer and so on, those behind by the last one. Counts begin anew. */
    script(path, ...answers) {
        this.scripts.set(path, { answers, asked: [] });
    }

    /** The requests for that path since script(), in the order in which they came; of one method where one is named. */
    asked(path, method) {
        const { asked } = this.scripts.get(path);
        return method ? asked.filter((request) => request.method === method) : asked;
    }

    count(path, method) {
        return this.asked(path, method).length;
    }

    /** Waits until so many requests for it have come, and gives the last of them. */
    arrived(path, count = 1) {
        return waitFor(`request ${count} for ${path} at the origin`, () => this.asked(path)[count - 1]);
    }

    async up() {
        this.server = net.createServer((socket) => this.#serve(socket));
        await new Promise((resolve, reject) => {
            this.server.once('error', reject);
            this.server.listen(this.port, '127.0.0.1', 1024, resolve);
        });
        this.server.unref(); // a test that failed before it could close it ends all the same
    }

    /** Nobody listens any more, and all connections are gone. */
    async down() {
        const closed = new Promise((resolve) => this.server.close(resolve));
        for (const socket of this.sockets) socket.destroy();
        await closed;
    }

    close() {
        return this.down();
    }

    #serve(socket) {
        let received = Buffer.alloc(0);
        this.connections++;
        this.sockets.add(socket);
        socket.setNoDelay(true);
        socket.on('error', () => {});
        socket.on('close', () => this.sockets.delete(socket));
        socket.on('data', (bytes) => {
            received = Buffer.concat([received, bytes]);
            for (let read; (read = readRequest(received)); received = received.subarray(read.bytes)) this.#answer(socket, read.request);
        });
    }

    #answer(socket, request) {
        const script = this.scripts.get(request.path) ?? { answers: [{ status: 404, headers: { 'cache-control': 'no-store' }, body: `no script for ${request.path}` }], asked: [] };
        const asked = new Asked(socket, request);
        script.asked.push(asked);
        const answer = script.answers[Math.min(script.asked.length, script.answers.length) - 1];
        asked.answerWith(typeof answer === 'function' ? answer(asked, script.asked.length) : answer);
    }
}

/** A request as the origin has it: {method, target, path, headers, body}, isGone, and what is still to be sent of its answer. */
class Asked {
    constructor(socket, request) {
        Object.assign(this, request);
        this.socket = socket;
        this.parts = [];
    }

    get isGone() {
        return this.socket.destroyed;
    }

    answerWith(answer) {
        this.parts = partsOf(answer, this);
        if (!answer.held) this.rest();
    }

    /** Sends what comes next: the head, or a piece. */
    next() {
        if (this.parts.length === 0) throw new Error(`all of the answer for ${this.path} was sent`);
        this.#send(this.parts.splice(0, 1));
    }

    /** Sends all that is left. */
    rest() {
        this.#send(this.parts.splice(0));
    }

    #send(parts) {
        const breaks = parts.findIndex((part) => typeof part === 'symbol');
        const bytes = parts.slice(0, breaks < 0 ? parts.length : breaks);
        if (bytes.length > 0 && this.socket.writable) this.socket.write(Buffer.concat(bytes));
        if (parts[breaks] === CLOSE) this.socket.end();
        if (parts[breaks] === RESET) this.socket.resetAndDestroy();
    }
}

/** The answer as it is sent: the head, the pieces, and what ends it. Where one piece is the last, its end is in it, so that no piece is nothing. */
function partsOf(answer, { method }) {
    if (answer.instead) return [answer.instead];
    const { status = 200, reason = REASONS[status] ?? 'Answer', headers = {}, body = '', pieces = [body], length = 'exact', early = '' } = answer;
    const hasBody = method !== 'HEAD' && !NO_BODY.has(status);
    const isChunked = length === 'chunked';
    const all = { date: new Date().toUTCString(), ...lengthHeader(length, status, pieces), ...headers };
    const lines = Object.entries(all).flatMap(([name, values]) => [values].flat().filter((value) => value !== null).map((value) => `${name}: ${value}\r\n`));
    const parts = [Buffer.from(`${early}HTTP/1.1 ${status} ${reason}\r\n${lines.join('')}\r\n`, 'latin1')];
    if (!hasBody) return parts;
    const sent = pieces.filter((piece) => piece !== '');
    for (const piece of sent) parts.push(typeof piece === 'symbol' ? piece : bytesOf(piece, isChunked));
    const isBroken = sent.some((piece) => typeof piece === 'symbol');
    if (isChunked && !isBroken) parts.push(Buffer.concat([parts.pop(), Buffer.from('0\r\n\r\n')]));
    if (length === 'none' && !isBroken) parts.push(CLOSE);
    return parts;
}

function lengthHeader(length, status, pieces) {
    if (length === 'chunked') return { 'transfer-encoding': 'chunked' };
    if (length === 'none' || NO_BODY.has(status)) return {};
    const exact = () => pieces.filter((piece) => typeof piece !== 'symbol').reduce((sum, piece) => sum + Buffer.byteLength(piece), 0);
    return { 'content-length': length === 'exact' ? exact() : length };
}

function bytesOf(piece, isChunked) {
    const bytes = Buffer.from(piece);
    return isChunked ? Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]) : bytes;
}

/** The first request in these bytes, and how many of them it has; nothing until it is whole. nginx sends bodies with their length. */
function readRequest(bytes) {
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    const [line, ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
    const [method, target] = line.split(' ');
    const headers = {};
    for (const text of lines) {
        const [, name, value] = /^([^:]+):[ \t]*(.*?)[ \t]*$/.exec(text);
        const key = name.toLowerCase();
        headers[key] = key in headers ? `${headers[key]}, ${value}` : value;
    }
    const size = Number(headers['content-length'] ?? 0);
    if (bytes.length < end + 4 + size) return undefined;
    const body = bytes.subarray(end + 4, end + 4 + size).toString();
    return { bytes: end + 4 + size, request: { method, target, path: target.split('?')[0], headers, body } };
}
