// The peer of `load/run api`: the same contract as GET /api/v1/courses/{id}, on fastify and pg as their documentation sets them up: a pool, named
// prepared statements, @fastify/jwt with its cache of verified tokens, a response schema, one process or two by node:cluster. The settings come
// as JSON in the first argument: {socket, pgSocket, publicKey, processes, pipeline, connections}.

import cluster from 'node:cluster';
import { readFileSync, rmSync } from 'node:fs';

import cookie from '@fastify/cookie';
import jwt from '@fastify/jwt';
import Fastify from 'fastify';
import pg from 'pg';

import { course } from './outline.mjs';
import { courseSchema } from './schema.mjs';
import { head, items } from './sql.mjs';

const settings = JSON.parse(process.argv[2]);

if (settings.processes > 1 && cluster.isPrimary) {
    rmSync(settings.socket, { force: true });
    for (let i = 0; i < settings.processes; i++) cluster.fork();
    process.on('SIGTERM', () => {
        for (const worker of Object.values(cluster.workers)) worker.kill('SIGTERM');
        process.exit(0);
    });
} else {
    await serve();
}

async function serve() {
    const pool = new pg.Pool({
        host: settings.pgSocket,
        user: 'fb_app',
        database: 'firstbell',
        max: settings.connections,
        pipeline: settings.pipeline,
    });
    pg.types.setTypeParser(20, Number); // bigint: our ids are far below 2^53
    const app = Fastify({ logger: false });
    await app.register(cookie);
    await app.register(jwt, {
        secret: { public: readFileSync(settings.publicKey, 'utf8') },
        cookie: { cookieName: '__Host-bell_session', signed: false },
        verify: { algorithms: ['ES256'], cache: 10000 },
    });
    app.get('/api/v1/courses/:id', { schema: courseSchema }, async (request, reply) => {
        const tenant = request.headers['bell-tenant'];
        await request.jwtVerify({ onlyCookie: true });
        if (request.user.aud !== tenant) return reply.code(401).send({ title: 'Please sign in.' });
        const rows = await read(pool, tenant, request.user, request.params.id);
        if (!rows) return reply.code(404).send({ title: 'Not found.' });
        reply.header('cache-control', 'private, no-store');
        return course(rows.head, rows.items);
    });
    if (settings.processes === 1) rmSync(settings.socket, { force: true });
    await app.listen({ path: settings.socket });
    process.on('SIGTERM', () => process.exit(0));
}

// The session's row is checked and the tenant set in the transaction that reads. With pg's pipeline mode the four statements go out together.
async function read(pool, tenant, user, courseId) {
    const client = await pool.connect();
    let broken;
    try {
        const statements = [
            { text: 'BEGIN' },
            { name: 'session_enter', text: 'SELECT session_enter($1, $2, $3, $4)', values: [tenant, user.sid, user.sub, user.role] },
            { name: 'course_head', text: head, values: [tenant, user.sub, courseId] },
            { name: 'course_items', text: items, values: [tenant, user.sub, courseId], rowMode: 'array' },
            { text: 'COMMIT' },
        ];
        const results = settings.pipeline ? await Promise.all(statements.map((s) => client.query(s))) : await oneByOne(client, statements);
        return results[2].rows.length === 1 && { head: results[2].rows[0], items: results[3].rows };
    } catch (error) {
        broken = error;
        throw error;
    } finally {
        client.release(broken);
    }
}

async function oneByOne(client, statements) {
    const results = [];
    for (const statement of statements) results.push(await client.query(statement));
    return results;
}
