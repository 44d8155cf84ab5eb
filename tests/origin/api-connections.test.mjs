// The origin's connections over real sockets: slow, silent, greedy and many peers. Everything that a peer can make the worker hold has a bound.
// time bound: 600 s

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';

import { headFromEdge } from '../lib/edge-context.mjs';
import { newPlace } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { startApi, writeSettings } from '../lib/server-firstbell.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';
import { waitFor } from '../lib/wait.mjs';

const CONNECTIONS_MAX = 16;

const place = newPlace();
let api;
before(async () => startPostgres(place));
after(() => place.stop());

/** The api with one worker, in place of the one before. */
async function serve(settings, options) {
    if (api) await place.stopProgram(api.program);
    writeSettings(place, { settings: { workers: 1, ...settings } });
    api = await startApi(place, options);
    api.client.close();
}

/** One end of a connection: what came back so far, and whether the server has ended it. */
class Peer {
    constructor() {
        this.text = '';
        this.ended = false;
        this.socket = net.connect({ path: api.socketPath, allowHalfOpen: true });
        this.socket.on('data', (chunk) => (this.text += chunk.toString('latin1')));
        this.socket.on('end', () => (this.ended = true));
        this.socket.on('close', () => (this.ended = true));
        this.socket.on('error', () => (this.ended = true)); // what was sent behind the end
    }

    send(bytes) {
        this.socket.write(bytes);
        return this;
    }

    statuses() {
        return [...this.text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]));
    }

    answers(n) {
        return waitFor(`${n} answers`, () => this.statuses().length >= n && this.statuses(), 60);
    }

    async end() {
        await waitFor('the server to end the connection', () => this.ended, 60);
        this.socket.destroy();
        return this.statuses();
    }
}

const head = (line, ...lines) => headFromEdge(line, lines);
const health = head('GET /healthz HTTP/1.1');

describe('one connection', () => {
    before(() => serve({ head_max_bytes: 8192, body_max_bytes: 65536, request_deadline_ms: 3000, idle_timeout_ms: 4000 }));

    test('bytes that two readers could cut in two ways are refused, and nothing behind them is read', async () => {
        const post = (...lines) => head('POST /healthz HTTP/1.1', ...lines);
        const shapes = {
            'length, then coding': [post('Content-Length: 4', 'Transfer-Encoding: chunked') + '0\r\n\r\n', 400],
            'coding, then length': [post('Transfer-Encoding: chunked', 'Content-Length: 4') + '0\r\n\r\n', 400],
            'two lengths': [post('Content-Length: 0', 'Content-Length: 5') + 'abcde', 400],
            'two equal lengths': [post('Content-Length: 5', 'Content-Length: 5') + 'abcde', 400],
            'a list of lengths': [post('Content-Length: 5, 5') + 'abcde', 400],
            'a signed length': [post('Content-Length: +5') + 'abcde', 400],
            'a coding in disguise': [post('Transfer-Encoding: xchunked') + '0\r\n\r\n', 501],
            'two codings': [post('Transfer-Encoding: chunked', 'Transfer-Encoding: identity') + '0\r\n\r\n', 400],
            'a coding that is not last': [post('Transfer-Encoding: chunked, gzip') + '0\r\n\r\n', 501],
            'white space before the colon': [post('Transfer-Encoding : chunked') + '0\r\n\r\n', 400],
            'a vertical tab in a coding': [post('Transfer-Encoding: \x0bchunked') + '0\r\n\r\n', 400],
            'a coding in HTTP/1.0': [head('POST /healthz HTTP/1.0', 'Connection: keep-alive', 'Transfer-Encoding: chunked') + '0\r\n\r\n', 400],
            'a folded header': [post('X: y', ' Content-Length: 5') + 'abcde', 400],
            'a bare line feed': [post('X: y\nContent-Length: 5') + 'abcde', 400],
            'a bare carriage return': [post('X: y\rContent-Length: 5') + 'abcde', 400],
            'a NUL': [post('X: y\0z', 'Content-Length: 5') + 'abcde', 400],
            'an empty line before the request': [`\r\n${health}`, 400],
            'a chunk without its line end': [`${post('Transfer-Encoding: chunked')}3\r\nabc0\r\n\r\n`, 400],
            'a chunk size that overflows': [`${post('Transfer-Encoding: chunked')}10000000000000003\r\nabc\r\n0\r\n\r\n`, 413],
            'a line feed behind a chunk size': [`${post('Transfer-Encoding: chunked')}3\nabc\r\n0\r\n\r\n`, 400],
            'a line end in a quoted extension': [`${post('Transfer-Encoding: chunked')}3;a="\r\nabc\r\n0\r\n\r\n`, 400],
            'an absolute target': [head('GET http://other.example/healthz HTTP/1.1'), 400],
            'two hosts': [head('GET /healthz HTTP/1.1', 'Host: other.example'), 400],
        };
        for (const [name, [bytes, status]] of Object.entries(shapes)) {
            const peer = new Peer().send(bytes + health);
            assert.deepEqual(await peer.end(), [status], name);
            assert.match(peer.text, /Connection: close\r\n/, name);
            assert.match(peer.text, /application\/problem\+json/, name);
        }
    });

    test('many requests in one packet are answered in their order', async () => {
        const paths = ['/healthz', '/readyz', '/none'];
        const expected = Array.from({ length: 300 }, (_, i) => `order-${i}`);
        const peer = new Peer();
        peer.socket.end(expected.map((id, i) => head(`GET ${paths[i % 3]} HTTP/1.1`, `X-Request-Id: ${id}`)).join(''));
        await peer.end();
        assert.deepEqual([...peer.text.matchAll(/^X-Request-Id: (.*)\r$/gm)].map((match) => match[1]), expected);
        assert.deepEqual(new Set(peer.statuses()), new Set([200, 404]));
    });

    test('a peer that has nothing more to send gets its answers', async () => {
        const chunked = head('POST /healthz HTTP/1.1', 'Transfer-Encoding: chunked');
        const peer = new Peer();
        peer.socket.end(`${health}${chunked}3\r\nabc\r\n0\r\n\r\n${head('GET /readyz HTTP/1.1')}`);
        assert.deepEqual(await peer.end(), [200, 405, 200]);
        const cut = new Peer();
        cut.socket.end('GET /healthz HTT');
        assert.deepEqual(await cut.end(), [], 'half a request has no answer');
    });

    test('who sends a byte at a time is told when the time is over, however busy the connection looks', async () => {
        const trickle = async (start) => {
            const peer = new Peer().send(start);
            const drip = setInterval(() => peer.ended || peer.send('a'), 50);
            await peer.answers(1).finally(() => clearInterval(drip));
            return peer.end();
        };
        const body = head('POST /healthz HTTP/1.1', 'Content-Length: 60000');
        const chunks = `${head('POST /healthz HTTP/1.1', 'Transfer-Encoding: chunked')}ffff\r\n`;
        assert.deepEqual(await Promise.all(['GET /', `${body}x`, chunks].map(trickle)), [[408], [408], [408]]);
    });

    test('a kept connection is let go after its idle time, without a word', async () => {
        const peer = new Peer().send(health);
        await peer.answers(1);
        assert.deepEqual(await peer.end(), [200]);
    });

    test('100 Continue is said to a body that somebody wants, and to no other', async () => {
        const expect = (path, length) => head(`POST ${path} HTTP/1.1`, 'Expect: 100-continue', `Content-Length: ${length}`);
        const wanted = new Peer().send(expect('/api/v1/sessions', 2));
        assert.deepEqual(await wanted.answers(1), [100]);
        wanted.send(`{}${health}`);
        assert.deepEqual(await wanted.answers(3), [100, 415, 200], 'the connection goes on');
        wanted.socket.destroy();
        const unwanted = [['/none', 2, 404], ['/healthz', 2, 405], ['/api/v1/sessions', 65537, 413]];
        for (const [path, length, status] of unwanted) {
            const peer = new Peer().send(expect(path, length));
            assert.deepEqual(await peer.end(), [status], path);
        }
        const along = new Peer().send(`${expect('/api/v1/sessions', 2)}{}`);
        assert.deepEqual(await along.answers(1), [415], 'the body was here already');
        along.socket.destroy();
        assert.deepEqual(await new Peer().send(head('POST /healthz HTTP/1.1', 'Expect: 200-ok', 'Content-Length: 2')).end(), [417]);
    });

    test('who sends and sends and never reads is stopped, then let go', async () => {
        const peer = new Peer();
        peer.socket.pause();
        peer.send(head('GET /web/app.css HTTP/1.1').repeat(100000));
        await waitFor('the worker to let it go', () => place.read('log/access.log').includes('/web/app.css') && (peer.socket.destroyed || peer.ended), 60);
        const answered = place.read('log/access.log').split('\n').filter((line) => line.includes('"path":"/web/app.css"')).length;
        assert.ok(answered > 0 && answered < 500, `${answered} requests were answered for a peer that reads nothing`);
        peer.socket.destroy();
        assert.deepEqual(await new Peer().send(head('GET /healthz HTTP/1.1', 'Connection: close')).end(), [200]);
    });
});

describe('many connections', () => {
    test('past connections_max a peer waits, and is served when another one leaves', async () => {
        await serve({ connections_max: CONNECTIONS_MAX });
        const peers = Array.from({ length: CONNECTIONS_MAX }, () => new Peer().send(health));
        for (const peer of peers) await peer.answers(1);
        const late = Array.from({ length: 3 }, () => new Peer().send(health));
        await peers[0].send(health).answers(2); // two turns of the loop later
        await peers[1].send(health).answers(2);
        assert.deepEqual(late.map((peer) => peer.text), ['', '', '']);
        for (const [i, peer] of late.entries()) {
            peers[i].socket.destroy();
            await peer.answers(1);
        }
        [...peers, ...late].forEach((peer) => peer.socket.destroy());
        assert.deepEqual(await new Peer().send(head('GET /healthz HTTP/1.1', 'Connection: close')).end(), [200]);
    });

    test('without descriptors new peers wait, the operator is told, and all goes on when there are some', async () => {
        await serve({ connections_max: 512 }, { under: ['prlimit', '--nofile=128:128', '--'] });
        assert.match(place.read('log/error.log'), /128 files may be open and connections_max = 512 may need \d+: raise the limit of open files/);
        const peers = Array.from({ length: 200 }, () => new Peer().send(health));
        await waitFor('the worker to run out', () => place.read('log/error.log').includes('no descriptors left at'));
        await waitFor('most of them to be served', () => peers.filter((peer) => peer.statuses().length === 1).length > 64);
        assert.ok(peers.some((peer) => peer.text === ''), 'somebody waits');
        while (peers.some((peer) => peer.text === '')) {
            peers.filter((peer) => peer.text !== '' && !peer.socket.destroyed).forEach((peer) => peer.socket.destroy());
            await waitFor('those who waited to be served', () => peers.every((peer) => peer.socket.destroyed || peer.text !== '') || peers.some((peer) => !peer.socket.destroyed && peer.text !== ''), 60);
        }
        peers.forEach((peer) => peer.socket.destroy());
    });

    // glibc hands out memory in pieces with a header of 8 bytes, rounded up to 16, and keeps some of what was given back: a quarter more is its own.
    test('an idle connection costs less than 1 kB of resident memory', async () => {
        const count = 5000;
        const bound = 1024 * 1.25;
        await serve({ connections_max: 6000, idle_timeout_ms: 3600000 }, { build: 'build' });
        const [worker] = children(api.program.child.pid);
        const resident = () => {
            const of = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${worker}/smaps_rollup`, 'utf8'))[1]);
            return 1024 * of('Pss_Anon');
        };
        const open = async (n) => {
            const peers = Array.from({ length: n }, () => new Peer().send(health));
            for (const peer of peers) await peer.answers(1);
            return peers;
        };
        const peers = await open(20); // what is made once is there
        const before = resident();
        while (peers.length < count + 20) peers.push(...(await open(100)));
        const each = (resident() - before) / count;
        assert.ok(each < bound, `${Math.round(each)} bytes an idle connection`);

        peers.forEach((peer) => peer.send(health.slice(0, 20))); // all of them are in the middle of a request at once
        await waitFor('a buffer for each of them', () => (resident() - before) / count > 2048, 60);
        const burst = peers.length;
        peers.push(...(await open(100))); // those who come in the middle stay behind it in memory
        peers.slice(0, burst).forEach((peer) => peer.send(health.slice(20)));
        for (const peer of peers.slice(0, burst)) await peer.answers(2);
        await waitFor('what the burst took to be given back', () => (resident() - before) / count < bound, 30);
        peers.forEach((peer) => peer.socket.destroy());
        await waitFor('the worker to serve on', async () => (await new Peer().send(head('GET /healthz HTTP/1.1', 'Connection: close')).end())[0] === 200);
    });
});
