// Somebody in Redis' place who says what no Redis says: it costs him his connection, and no worker anything. To the feed of the directory, and to limits
// over all edges, which have a client each. The words one by one are tests/unit/test_bell_redis_hostile.c.

import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { waitFor } from '../lib/wait.mjs';
import { startFedEdge } from './feed.mjs';
import { newKey } from './limit.mjs';
import { openEdges } from './limit-edges.mjs';
import { lines } from './support.mjs';

const says = [
    ['one answer too many', '+OK\r\n+OK\r\n:1\r\n'],
    ['a list without end', '*2147483647\r\n'],
    ['lists in lists', '*1\r\n'.repeat(3000)],
    ['half of an answer, and hangs up', '*2\r\n:1\r\n', true],
    ['an error with a terminal\'s commands', '-ERR \x1b[2Jgone\r\n'],
    ['another protocol', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
];

/** Answers PING as Redis does, and all else with `text`. Gives {address, connections, close}. */
async function impostor(text, isTorn) {
    const sockets = new Set();
    const made = { connections: 0 };
    const server = net.createServer((socket) => {
        made.connections++;
        sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => sockets.delete(socket));
        socket.on('data', (bytes) => {
            if (bytes.includes('PING')) socket.write('+PONG\r\n');
            else isTorn ? socket.end(text) : socket.write(text);
        });
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    made.address = `127.0.0.1:${server.address().port}`;
    made.close = () => {
        server.close();
        for (const socket of sockets) socket.destroy();
    };
    return made;
}

async function withImpostor([, text, isTorn], body) {
    const place = newPlace();
    const redis = await impostor(text, isTorn);
    try {
        await body(place, redis);
    } finally {
        redis.close();
        await place.stop(); // which finds a worker that was ended by a signal
    }
}

const both = (edge) => waitFor('both workers', () => edge.workers().length === 2 && edge.workers());

for (const row of says) {
    test(`to the feed: ${row[0]}`, () => withImpostor(row, async (place, redis) => {
        const edge = await startFedEdge(place, redis, { timeouts: 'connect_timeout=500ms timeout=500ms' });
        const workers = await both(edge);
        await waitFor('the line', () => lines(edge.log(), /\[error\].*bell_redis: 127\.0\.0\.1:\d+ cannot be used: |\[error\].*bell_directory/).length > 0);
        await waitFor('it to be tried again', () => redis.connections > 2);
        assert.deepEqual(edge.workers(), workers);
        assert.doesNotMatch(edge.log(), /\x1b/);
    }));

    test(`to limits: ${row[0]}`, () => withImpostor(row, async (place, redis) => {
        place.write('ok.txt', 'ok');
        const policies = 'bell_limit_policy hour rate=20/h burst=19 key=$http_x_key over=edges;';
        const locations = `location /hour { bell_limit hour; alias ${place.path('ok.txt')}; }`;
        const { edges } = await openEdges(place, 1, { redis: redis.address, policies, locations, leases: 'bell_limit_leases edges=4;' });
        const workers = await both(edges[0]);
        const key = newKey();
        const passed = [];
        await waitFor('the line', async () => {
            passed.push((await edges[0].ask('/hour', key)).status);
            return lines(edges[0].log(), /\[error\].*bell_limit: Redis lends nothing of budgets over all edges: .+; until it does, this edge has 1\/4 of each/).length > 0;
        });
        while (passed.length < 12) passed.push((await edges[0].ask('/hour', key)).status);
        assert.equal(passed.filter((status) => status === 200).length, 5, 'a quarter of 20: neither all of it nor nothing');
        assert.deepEqual(edges[0].workers(), workers);
        await waitFor('that nothing is lent to be told', async () => !(await edges[0].status()).edges.redis_lends);
        assert.doesNotMatch(edges[0].log(), /\x1b/);
    }));
}
