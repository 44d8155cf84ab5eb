// An origin that counts who asks, and is slow on purpose. The path says what is said of the answer, and how it comes: CONTROL;KIND;…, escaped.

import http from 'node:http';

/** Milliseconds: until a plain answer, all of it; until the head of a slow one, and how long its body takes from there. */
export const ORIGIN_MS = 200;
export const HEAD_MS = 50;
export const BODY_MS = 1000;
const PIECES = 20;
const BODY = 'x'.repeat(4096);

/** {port, asked, idle, close}. */
export async function startHerdOrigin() {
    const counts = { asked: 0, busy: 0 };
    const server = http.createServer({ keepAlive: true, keepAliveTimeout: 60_000 }, async (request, response) => {
        const [control, kind] = decodeURIComponent(request.url.slice(1)).split(';');
        counts.asked++;
        counts.busy++;
        response.on('close', () => counts.busy--);
        await (kind === 'slow' ? answerSlowly : answer)(response, { 'Cache-Control': control, 'Content-Length': BODY.length });
    });
    server.listen(0, '127.0.0.1', 4096);
    await new Promise((resolve) => server.once('listening', resolve));
    const close = () => server.close() && server.closeAllConnections();
    return { port: server.address().port, asked: () => counts.asked, idle: () => counts.busy === 0, close };
}

const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function answer(response, headers) {
    await later(ORIGIN_MS);
    response.writeHead(200, headers).end(BODY);
}

/** The head with the first piece, then piece by piece. */
async function answerSlowly(response, headers) {
    const piece = Math.ceil(BODY.length / PIECES);
    await later(HEAD_MS);
    response.writeHead(200, headers);
    for (let sent = 0; sent < BODY.length; sent += piece) {
        if (sent > 0) await later(BODY_MS / PIECES);
        response.write(BODY.slice(sent, sent + piece));
    }
    response.end();
}
