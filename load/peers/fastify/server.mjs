// The peer of `load/run api` and `load/run progress`: the same contract as GET /api/v1/courses/{id} and PUT /api/v1/items/{id}/progress, on fastify and pg as their documentation sets them up: named prepared
// statements, @fastify/jwt with its cache of verified tokens, a response schema, one process or two by node:cluster. The settings come as JSON in
// the first argument: {socket, pgSocket, publicKey, edgeKey, processes, connections} and what makes the variants, {pipeline, shared, kept, byFunction}.

import cluster from 'node:cluster';
import { readFileSync, rmSync } from 'node:fs';

import cookie from '@fastify/cookie';
import jwt from '@fastify/jwt';
import Fastify from 'fastify';

import { readKey, tenantOf } from './context.mjs';
import { openDatabase } from './database.mjs';
import { KeptCourses } from './kept.mjs';
import { course } from './outline.mjs';
import { save, saveSchema } from './save.mjs';
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
    const database = openDatabase(settings);
    const kept = settings.kept && new KeptCourses(database);
    const app = Fastify({ logger: false });
    await app.register(cookie);
    await app.register(jwt, {
        secret: { public: readFileSync(settings.publicKey, 'utf8') },
        cookie: { cookieName: '__Host-bell_session', signed: false },
        verify: { algorithms: ['ES256'], cache: 10000 },
    });
    const edgeKey = readKey(settings.edgeKey);
    /** For somebody who is signed in; undefined is what they may not know of. */
    const answering = (find) => async (request, reply) => {
        const tenant = tenantOf(edgeKey, request.raw);
        if (!tenant) return reply.code(404).send({ title: 'Not found.' });
        await request.jwtVerify({ onlyCookie: true });
        if (request.user.aud !== tenant) return reply.code(401).send({ title: 'Please sign in.' });
        const answer = await find(tenant, request.user, request.params.id, request.body);
        if (!answer) return reply.code(404).send({ title: 'Not found.' });
        reply.header('cache-control', 'private, no-store');
        return answer;
    };
    app.get('/api/v1/courses/:id', { schema: courseSchema }, answering((tenant, user, id) => (kept ? kept.read(tenant, user, id) : read(database, tenant, user, id))));
    app.put('/api/v1/items/:id/progress', { schema: saveSchema }, answering((...asked) => save(database, settings.byFunction, ...asked)));
    if (settings.processes === 1) rmSync(settings.socket, { force: true });
    await app.listen({ path: settings.socket });
    process.on('SIGTERM', () => process.exit(0));
}

async function read(database, tenant, user, courseId) {
    const values = [tenant, user.sub, courseId];
    const [own, content] = await database.transaction(tenant, user, [
        { name: 'course_head', text: head, values },
        { name: 'course_items', text: items, values, rowMode: 'array' },
    ]);
    return own.rows.length === 1 ? course(own.rows[0], content.rows) : undefined;
}
