// An origin with so many workers, each of whose answers takes so long: what more comes waits in its own queue, first come, first served. It counts by host
// who comes, who is answered, and for how long it had his requests. What it can do is workers, not CPU.

import http from 'node:http';

const BODY = 'x'.repeat(1024);

const once = (act) => {
    let done = false;
    return () => {
        if (!done) act();
        done = true;
    };
};

/** {port, most, has, of(host), close}, and `workers`, which may be changed. most: how many requests it had at most at a time; has: how many it has.
 *  of(host): {came, answered, held_ms}, the last being the time from coming to answer of all that were answered, together. */
export async function startSlowOrigin({ workers, milliseconds }) {
    const hosts = new Map();
    const origin = { workers, most: 0, has: 0, of: (host) => hosts.get(host) ?? hosts.set(host, { came: 0, answered: 0, held_ms: 0 }).get(host) };
    const queue = [];
    let busy = 0;

    const work = () => {
        while (busy < origin.workers && queue.length > 0) {
            const { response, host, came, leaves } = queue.shift();
            busy++;
            setTimeout(() => {
                busy--;
                origin.of(host).answered++;
                origin.of(host).held_ms += performance.now() - came;
                leaves(); // before its answer, behind which the next one may be here at once
                response.writeHead(200, { 'Content-Length': BODY.length }).end(BODY);
                work();
            }, milliseconds);
        }
    };
    const server = http.createServer({ keepAlive: true, keepAliveTimeout: 600_000 }, (request, response) => {
        const { host } = request.headers;
        origin.of(host).came++;
        origin.most = Math.max(origin.most, ++origin.has);
        const leaves = once(() => origin.has--);
        response.on('close', leaves);
        queue.push({ response, host, came: performance.now(), leaves });
        work();
    });
    server.listen(0, '127.0.0.1', 4096);
    await new Promise((resolve) => server.once('listening', resolve));
    origin.port = server.address().port;
    origin.close = () =>
        new Promise((resolve) => {
            server.close(resolve);
            server.closeAllConnections();
        });
    return origin;
}
