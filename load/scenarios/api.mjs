// The api beside Node: an authenticated read of one course's outline with progress on 30 items under row level security. Every contender reads the
// same PostgreSQL through the same unix socket and is asked over a unix socket, with no edge in front.

import assert from 'node:assert/strict';

import { Client } from '../../tests/lib/client.mjs';
import { nowSeconds } from '../../tests/lib/edge-context.mjs';
import { children } from '../../tests/lib/run.mjs';
import { startApi } from '../../tests/lib/server-firstbell.mjs';
import { measure } from '../lib/generator.mjs';
import { startFastify } from '../lib/peer-node.mjs';
import { memory } from '../lib/process.mjs';
import { median } from '../lib/report.mjs';
import { compare, playRounds } from '../lib/rounds.mjs';
import { openDistrict } from '../lib/scene.mjs';

export const title = "one course's progress (30 items, row level security) at 64 and 512 connections, beside fastify + pg";

const RATIO_MIN = 4;
const TENANT = 1;
const MEMORY_MAX_MIB = 32;
// The peer in each of its forms; connections are those to PostgreSQL, a process. The first four are as the documentation of fastify and pg has them; the
// others keep between requests what the api keeps, which is code of our own.
const FORMS = [
    { name: 'fastify x1', processes: 1, connections: 16 },
    { name: 'fastify x2', processes: 2, connections: 16 },
    { name: 'fastify x1 pipelined', processes: 1, connections: 16, pipeline: true },
    { name: 'fastify x2 pipelined', processes: 2, connections: 16, pipeline: true },
    { name: 'fastify x1 kept', processes: 1, connections: 4, pipeline: true, kept: true },
    { name: 'fastify x2 kept', processes: 2, connections: 4, pipeline: true, kept: true },
    { name: 'fastify x1 kept, shared', processes: 1, connections: 2, pipeline: true, kept: true, shared: true },
    { name: 'fastify x2 kept, shared', processes: 2, connections: 4, pipeline: true, kept: true, shared: true },
];
const SETTINGS = { workers: 2, db_waiting_max: 1024 }; // closed loops of 512 connections are not to be shed

export async function play(place, report, { quick, withPeers, say }) {
    const district = await openDistrict(place, { ...(quick && { students: 32, schools: 1, pupils: 200 }), settings: SETTINGS });
    const requests = place.write('requests', district.students.map((s) => requestLine(district, s)).join('\n'));
    const api = await startApi(place);
    api.client.close();
    const us = { name: 'firstbell', pid: api.program.child.pid, socket: api.socketPath };
    const { peers, missing } = withPeers ? await startFastify(place, district, FORMS, say) : { peers: [], missing: 'the peers were left out' };
    const edge = { contextKey: district.edgeKey, tenant: TENANT };
    const run = { database: district.postgres.program.child.pid, requests, ...edge, seconds: quick ? 1 : 3 };
    const rounds = quick ? 1 : 5;
    for (const peer of peers) await assertSameContract(us, peer, district);
    if (peers.length > 0) say(`the answers of ${[us, ...peers].map((c) => c.name).join(', ')} are the same`);
    for (const contender of [us, ...peers]) await measure({ ...run, server: contender, connections: 64 }); // warm: plans, caches, compiled code

    for (const connections of quick ? [16] : [64, 512]) {
        const results = await playRounds([us, ...peers], rounds, async (server, round) => {
            const out = await measure({ ...run, server, connections, seed: round + 1 });
            say(`${connections} connections, round ${round + 1}: ${server.name} ${Math.round(out.per_second)} requests/s`);
            return out;
        });
        addThroughput(report, connections, results, us, missing);
        if (peers.length > 0) await addLatency(report, run, connections, results, us, rounds);
    }
    addMemory(report, us);
    report.note('peers: fastify and pg of load/package.json and its Node; each statement group in a transaction with session_enter; kept: the outline between requests, as we do');
}

const requestLine = (district, student) => `GET /api/v1/courses/${district.courseId}\tCookie: ${student.cookie}`;

/** Byte for byte, for three students. */
async function assertSameContract(us, peer, district) {
    for (const student of district.students.slice(0, 3)) {
        const [mine, theirs] = [await ask(us, district, student), await ask(peer, district, student)];
        assert.equal(mine.status, 200, mine.text);
        assert.equal(mine.json.modules.flatMap((m) => m.lessons.flatMap((l) => l.items)).length, 30);
        assert.equal(JSON.stringify(theirs.json), JSON.stringify(mine.json), `${peer.name} answers something else`);
    }
    const stranger = { cookie: `${district.students[0].cookie.slice(0, -2)}AA` };
    for (const server of [us, peer]) assert.equal((await ask(server, district, stranger)).status, 401, `${server.name} takes a wrong signature`);
    for (const edge of [null, { tenant: TENANT, time: nowSeconds() - 31 }, { tenant: TENANT, target: '/' }]) {
        for (const server of [us, peer]) assert.equal((await ask(server, district, district.students[0], edge)).status, 404, `${server.name} takes a wrong context`);
    }
}

async function ask(server, district, student, edge = { tenant: TENANT }) {
    const client = new Client({ socketPath: server.socket, headers: { cookie: student.cookie }, edge });
    return client.get(`/api/v1/courses/${district.courseId}`).finally(() => client.close());
}

function addThroughput(report, connections, results, us, missing) {
    const at = `${connections} connections`;
    const perSecond = (out) => out.per_second;
    const c = compare(results, us, perSecond);
    const d = compare(new Map([...results].filter(([contender]) => !/kept/.test(contender.name))), us, perSecond);
    report.row({ name: `${at}: requests, median, fastify + pg`, value: d.ours, unit: '1/s', peer: d.peer, ratio: d.ratio, bar: { ratio_min: RATIO_MIN }, why: missing });
    report.row({ name: `${at}: requests, median, every form`, value: c.ours, unit: '1/s', peer: c.peer, ratio: c.ratio, bar: { ratio_min: RATIO_MIN }, why: missing });
    report.row({ name: `${at}: requests, best, every form`, value: c.best, unit: '1/s', peer: c.peerBest, bar: { ratio_min: RATIO_MIN }, why: missing });
    if (!c.strongest) return;
    const of = (contender, field) => median(results.get(contender).map((out) => out[field]));
    report.row({ name: `${at}: CPU of the api`, value: of(us, 'cpu'), unit: 'us/request', peer: of(c.strongest, 'cpu') });
    report.row({ name: `${at}: CPU of PostgreSQL`, value: of(us, 'database_cpu'), unit: 'us/request', peer: of(c.strongest, 'database_cpu') });
    report.note(`${at}: the best peer is ${c.peerName}, the best as documented ${d.peerName}`);
}

/** Both at the same rate, 70 percent of what the best peer can do; a latency counts from the moment the request was due. */
async function addLatency(report, run, connections, results, us, rounds) {
    const c = compare(results, us, (out) => out.per_second);
    const rate = Math.max(1, Math.floor(median(results.get(c.strongest).map((out) => out.per_second)) * 0.7));
    const paced = await playRounds([us, c.strongest], Math.min(rounds, 3), (server, round) => measure({ ...run, server, connections, rate, seed: round + 1 }));
    for (const p of ['p50', 'p99']) {
        const of = (contender) => median(paced.get(contender).map((out) => out[`${p}_us`])) / 1000;
        report.row({ name: `${connections} connections, ${rate} requests/s: ${p}`, value: of(us), unit: 'ms', peer: of(c.strongest) });
    }
}

function addMemory(report, us) {
    const workers = children(us.pid).map(memory);
    for (const kind of ['rss', 'pss']) {
        const value = Math.max(...workers.map((m) => m[kind]));
        report.row({ name: `memory of a worker after the run, ${kind.toUpperCase()}`, value, unit: 'MiB', bar: { value_max: MEMORY_MAX_MIB } });
    }
}
