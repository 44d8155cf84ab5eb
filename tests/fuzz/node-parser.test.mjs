// The codec against Node's HTTP parser, on the tables of tests/unit/http_cases.h and on the corpus of the fuzz target: two readers that cut the same
// bytes in different places are how requests are smuggled. Whatever our codec takes, Node takes and cuts in the same way; why ours may be stricter,
// or in one case laxer, is said here by class.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { Duplex } from 'node:stream';
import { before, describe, test } from 'node:test';

import { checkout } from '../lib/app.mjs';

const build = path.join(checkout, process.env.FB_TEST_BUILD ?? 'build-asan');
const corpus = path.join(checkout, 'tests/fuzz/corpus/http');

/** What we refuse and Node may take, by the words of our reason, and why that is right. */
const stricter = {
    'a line ends in a line feed without': 'RFC 9112, 2.2 allows to refuse it; readers disagree about it',
    'the only expectation known here': 'RFC 9110, 10.1.1: 417; Node leaves it to the handler',
    'the Host header is not a host': 'RFC 9112, 3.2 demands 400; Node does not look',
    'there are two Host headers': 'RFC 9112, 3.2 demands 400; Node keeps the first',
    'there is no Host header': 'RFC 9112, 3.2 demands 400 in HTTP/1.1; a tenant is found by it, so that HTTP/1.0 needs it too',
    'the method is not known here': 'RFC 9110, 9.1: a server has the methods that it has',
    'other forms are for proxies': 'RFC 9112, 3.2.2: nginx in front of us turns every target into origin form',
    'holds a byte that must be percent-encoded': 'RFC 9112, 3.2: a fragment or a byte above ASCII is no part of a target',
    'there are too many headers': 'RFC 9110, 5.4: a bound of our own',
    'the request target is too long': 'RFC 9112, 3: a bound of our own',
    'the only transfer coding known here': 'RFC 9112, 6.1: 501',
    'two Transfer-Encoding headers': 'RFC 9112, 6.3: nobody sends them in good faith',
    'the Transfer-Encoding is empty': 'RFC 9112, 6.1: the list has one coding at least',
    'the Content-Length is not one number': 'RFC 9112, 6.3',
    'only HTTP/1.0 and HTTP/1.1': 'RFC 9112, 2.3: other versions are not spoken',
    'does not end in an HTTP version': 'RFC 9112, 3: HTTP/0.9 is not spoken',
    'does not begin with a method and one space': 'RFC 9112, 2.2 and 3: an empty line before the request, other white space',
    'a header has no name': 'RFC 9112, 5.1: no white space before the colon',
    'a header is folded': 'RFC 9112, 5.2 allows to refuse it',
    'a header holds a control byte': 'RFC 9110, 5.5',
    'a Transfer-Encoding in a request of HTTP/1.0': 'RFC 9112, 6.1: the framing is to be treated as faulty',
    'the body is malformed': 'RFC 9112, 7.1: chunks exactly by the grammar',
    'the body is too large': 'RFC 9110, 15.5.14: a bound of our own',
};

/** What some versions of Node refuse and we take: Node's code, the bytes that show it, and why that is right. */
const laxer = [
    ['HPE_INVALID_CONTENT_LENGTH', /\r\n0+(;[^\r\n]*)?\r\n([^\r\n]+\r\n)*content-length *:/i, 'RFC 9112, 7.1.2: trailers are dropped, none can be about framing'],
];

let frames;
before(() => {
    const files = readdirSync(corpus).sort().map((name) => path.join(corpus, name));
    const show = (args) => execFileSync(path.join(build, 'fuzz/frames'), args, { maxBuffer: 256 << 20 }).toString().trimEnd().split('\n').map(JSON.parse);
    frames = [...show(['--table']), ...show(files)];
});

/** One connection without a socket: `bytes` come in one by one, each in a turn of the loop, so that a request is through before what stands behind it
 *  is read; what the server says is dropped. */
class Wire extends Duplex {
    constructor(bytes) {
        super({ allowHalfOpen: true });
        this.bytes = bytes;
        this.at = 0;
        setImmediate(() => this.sendOne());
    }

    sendOne() {
        if (this.destroyed) return;
        const last = this.at === this.bytes.length;
        this.push(last ? null : this.bytes.subarray(this.at, ++this.at));
        if (!last) setImmediate(() => this.sendOne());
    }

    _read() {}

    _write(chunk, encoding, done) {
        done();
    }

    setTimeout() {}
}

/** How Node cuts the bytes: {requests, end: 'more' | 'refused' | 'close', code}. */
function readByNode(bytes) {
    return new Promise((resolve) => {
        const requests = [];
        const result = { requests, end: 'close', code: null };
        const server = http.createServer({ insecureHTTPParser: false, keepAliveTimeout: 0, requestTimeout: 0 }, (request, response) => {
            const seen = { method: request.method, target: request.url, body: [], whole: false };
            requests.push(seen);
            request.on('data', (chunk) => seen.body.push(chunk));
            request.on('end', () => {
                seen.whole = true;
                response.end();
            });
            request.on('error', () => {});
        });
        server.on('checkExpectation', (request, response) => server.emit('request', request, response));
        server.on('clientError', (error, wire) => {
            result.end = error.code === 'HPE_INVALID_EOF_STATE' ? 'more' : 'refused';
            result.code = error.code;
            wire.destroy();
        });
        const wire = new Wire(bytes);
        wire.on('close', () => {
            server.close();
            const whole = requests.filter((seen) => seen.whole);
            resolve({ ...result, requests: whole.map(({ method, target, body }) => ({ method, target, body: Buffer.concat(body).toString('base64url') })) });
        });
        wire.on('error', () => {});
        server.emit('connection', wire);
    });
}

/** What is wrong between two readings of the same bytes, as a sentence; undefined when all is well. */
function difference(ours, theirs, bytes) {
    for (const [i, request] of ours.requests.entries()) {
        if (i >= theirs.requests.length) {
            if (theirs.end !== 'refused') return `we read ${ours.requests.length} requests, Node ${theirs.requests.length}, and it does not object`;
            const known = laxer.some(([code, pattern]) => code === theirs.code && pattern.test(bytes.toString('latin1')));
            return known ? undefined : `we take what Node refuses with ${theirs.code}: ${JSON.stringify(request)}`;
        }
        const other = theirs.requests[i];
        for (const key of ['method', 'target', 'body']) {
            if (request[key] !== other[key]) return `request ${i + 1}: ${key} is ${JSON.stringify(request[key])} here and ${JSON.stringify(other[key])} there`;
        }
    }
    if (ours.end !== 'refused' && theirs.requests.length > ours.requests.length) {
        return `Node reads ${theirs.requests.length} requests, we ${ours.requests.length} (${ours.end})`;
    }
    if (ours.end === 'refused' && theirs.end !== 'refused') {
        const known = Object.keys(stricter).some((words) => ours.reason.includes(words));
        if (!known) return `we refuse with "${ours.reason}" what Node takes, and nobody has said why`;
    }
    return undefined;
}

describe('our codec and the parser of Node', () => {
    test('cut the same bytes in the same places', async () => {
        const wrong = [];
        for (const ours of frames) {
            const bytes = Buffer.from(ours.bytes, 'base64url');
            const theirs = await readByNode(bytes);
            const what = difference(ours, theirs, bytes);
            if (what) wrong.push(`${path.basename(ours.name)}: ${what}\n    ${JSON.stringify(bytes.toString('latin1').slice(0, 300))}`);
        }
        assert.deepEqual(wrong, [], `\n${wrong.join('\n')}`);
    });

    test('are both really asked', () => {
        assert.ok(frames.length > 250, `${frames.length} inputs`);
        assert.ok(frames.filter((ours) => ours.requests.length > 0).length > 30);
        assert.ok(frames.filter((ours) => ours.requests.length > 1).length > 5);
        assert.ok(frames.filter((ours) => ours.requests.some((request) => request.body !== '')).length > 10);
        assert.ok(frames.filter((ours) => ours.end === 'refused').length > 150);
    });

    test('every class of what is refused has an input', () => {
        const refused = frames.filter((ours) => ours.end === 'refused').map((ours) => ours.reason);
        assert.deepEqual(Object.keys(stricter).filter((words) => !refused.some((reason) => reason.includes(words))), []);
    });

    test('would be told apart', () => {
        const request = { method: 'POST', target: '/', body: 'YQ' };
        const more = { requests: [request], end: 'more' };
        const tell = (ours, theirs) => difference(ours, theirs, Buffer.from('x'));
        assert.equal(tell(more, more), undefined);
        assert.match(tell(more, { requests: [{ ...request, body: '' }], end: 'more' }), /body is "YQ" here and "" there/);
        assert.match(tell(more, { requests: [], end: 'more' }), /does not object/);
        assert.match(tell(more, { requests: [request, request], end: 'more' }), /Node reads 2 requests, we 1/);
        assert.match(tell(more, { requests: [], end: 'refused', code: 'HPE_INVALID_METHOD' }), /we take what Node refuses/);
        assert.match(tell({ requests: [], end: 'refused', reason: 'a mood' }, more), /nobody has said why/);
    });
});
