// Saves of progress: every student saves where they are, at 512 connections, as acknowledged after a commit that is on the disk. Beside the api fastify + pg in
// four forms, each with the same whole save (session, prerequisites, row, outbox), and pgbench with the same as one call. All over unix sockets, no edge.

import assert from 'node:assert/strict';
import path from 'node:path';

import { Client } from '../../tests/lib/client.mjs';
import { mustRun } from '../../tests/lib/run.mjs';
import { startApi } from '../../tests/lib/server-firstbell.mjs';
import { postgresBin } from '../../tests/lib/server-postgres.mjs';
import { measure } from '../lib/generator.mjs';
import { startFastify } from '../lib/peer-node.mjs';
import { compare, playRounds } from '../lib/rounds.mjs';
import { median } from '../lib/report.mjs';
import { openDistrict } from '../lib/scene.mjs';

export const title = 'saves of progress at 64 and 512 connections, beside fastify + pg and pgbench; how long they take at 60 percent of that';

const NODE_RATIO_MIN = 5;
const PGBENCH_RATIO_MIN = 3;
const P99_MAX_MS = 50;
const TENANT = 1;
const ITEMS = 8; // of a student
const FORMS = [
    { name: 'fastify x1', processes: 1, connections: 16 },
    { name: 'fastify x2', processes: 2, connections: 16 },
    { name: 'fastify x1, function', processes: 1, connections: 16, byFunction: true },
    { name: 'fastify x2, function', processes: 2, connections: 16, byFunction: true },
];
const PGBENCH = 'pgbench, function';
const SETTINGS = { workers: 2 };

export async function play(place, report, { quick, withPeers, say }) {
    const district = await openDistrict(place, { ...(quick && { students: 32, schools: 1, pupils: 200 }), settings: SETTINGS });
    const items = await openItems(district);
    const requests = place.write('requests', saves(district, items).join('\n'));
    const api = await startApi(place);
    api.client.close();
    const us = { name: 'firstbell', pid: api.program.child.pid, socket: api.socketPath };
    const { peers, missing } = withPeers ? await startFastify(place, district, FORMS, say) : { peers: [], missing: 'the peers were left out' };
    const run = { database: district.postgres.program.child.pid, requests, contextKey: district.edgeKey, tenant: TENANT, seconds: quick ? 1 : 3 };
    for (const peer of peers) await assertSameContract(us, peer, district, items[0]);
    if (peers.length > 0) say(`the answers of ${[us, ...peers].map((c) => c.name).join(', ')} are the same`);
    const bench = await preparePgbench(place, district, items);
    for (const server of [us, ...peers]) await measure({ ...run, server, connections: 64 }); // warm: plans, compiled code, rows that are there
    for (const connections of quick ? [16] : [64, 512]) {
        const measureOne = async (server, round) => {
            const out = server.name === PGBENCH ? await bench(connections, run.seconds) : await measure({ ...run, server, connections, seed: round + 1 });
            say(`${connections} connections, round ${round + 1}: ${server.name} ${Math.round(out.per_second)} saves/s`);
            return out;
        };
        const results = await playRounds([us, ...peers, { name: PGBENCH }], quick ? 1 : 5, measureOne);
        addThroughput(report, connections, results, us, missing);
        await addLatency(report, run, connections, results, us, quick);
    }
    await addHot(report, district);
    report.note('all with synchronous_commit and fsync on; a save is the session, whether the item is theirs and open, the row, and the event in the outbox; pgbench has one connection for every 16 of the others');
}

/** Videos and readings: what a student may save at any time. */
async function openItems({ postgres, courseId }) {
    const rows = await postgres.rows('postgres', `SELECT id FROM items WHERE course_id = ${courseId} AND kind IN (1, 2) AND NOT retired ORDER BY id LIMIT ${ITEMS}`);
    return rows.map(({ id }) => id);
}

/** Each student saves each item in turn, further on each time round. */
function saves({ students }, items) {
    return items.flatMap((item, i) => students.map(({ cookie }) =>
        `PUT /api/v1/items/${item}/progress\tCookie: ${cookie}\tContent-Type: application/json\t=${JSON.stringify({ position_s: 10.5 + i, percent: 40 + i, time_spent_s: 5 })}`));
}

async function assertSameContract(us, peer, district, item) {
    const body = { position_s: 12.25, percent: 41, time_spent_s: 0 };
    const asked = (server, cookie, id) => {
        const client = new Client({ socketPath: server.socket, headers: { cookie }, edge: { tenant: TENANT } });
        return client.put(`/api/v1/items/${id}/progress`, body).finally(() => client.close());
    };
    for (const { cookie } of district.students.slice(0, 3)) {
        const [mine, theirs] = [await asked(us, cookie, item), await asked(peer, cookie, item)];
        assert.equal(mine.status, 200, mine.text);
        assert.deepEqual(theirs.json, mine.json, `${peer.name} answers something else`);
        for (const server of [us, peer]) assert.equal((await asked(server, cookie, 999_999)).status, 404, server.name);
        for (const server of [us, peer]) assert.equal((await asked(server, `${cookie.slice(0, -2)}AA`, item)).status, 401, server.name);
    }
}

/** pgbench as the application's role, each transaction the save of somebody by chance. Gives bench(connections, seconds): {per_second}. */
async function preparePgbench(place, { postgres, students }, items) {
    const who = students.map(({ id, sid }, n) => `(${n + 1}, '${sid}', ${id})`);
    await postgres.sql('postgres', `CREATE TABLE bench_students (n int PRIMARY KEY, sid text NOT NULL, user_id bigint NOT NULL);
        INSERT INTO bench_students VALUES ${who.join(', ')};
        CREATE TABLE bench_items (n int PRIMARY KEY, id bigint NOT NULL);
        INSERT INTO bench_items VALUES ${items.map((id, n) => `(${n + 1}, ${id})`).join(', ')};
        GRANT SELECT ON bench_students, bench_items TO fb_app; ANALYZE bench_students, bench_items`);
    const script = place.write('save.sql', `\\set s random(1, ${students.length})
\\set i random(1, ${items.length})
SELECT p.* FROM bench_students s, bench_items i, save_progress_batch(ARRAY[1], ARRAY[s.sid], ARRAY[s.user_id], ARRAY[7::smallint], ARRAY[i.id], ARRAY[10500], ARRAY[40::smallint], ARRAY[5], ARRAY[false]) p WHERE s.n = :s AND i.n = :i;
`);
    const argv = [path.join(postgresBin(), 'pgbench'), '-n', '-M', 'prepared', '-j', '1', '-f', script, '-h', place.path('sock'), '-U', 'fb_app'];
    return async (connections, seconds) => {
        const stdout = await mustRun([...argv, '-c', String(Math.max(4, connections / 16)), '-T', String(seconds), 'firstbell']);
        return { per_second: Number(/^tps = ([\d.]+)/m.exec(stdout)[1]) };
    };
}

function addThroughput(report, connections, results, us, missing) {
    const at = `${connections} connections`;
    const perSecond = (out) => out.per_second;
    const node = compare(new Map([...results].filter(([contender]) => contender.name !== PGBENCH)), us, perSecond);
    const bench = compare(new Map([...results].filter(([contender]) => contender === us || contender.name === PGBENCH)), us, perSecond);
    report.row({ name: `${at}: saves, median, best form of fastify + pg`, value: node.ours, unit: '1/s', peer: node.peer, ratio: node.ratio, bar: { ratio_min: NODE_RATIO_MIN }, why: missing });
    report.row({ name: `${at}: saves, median, pgbench`, value: bench.ours, unit: '1/s', peer: bench.peer, ratio: bench.ratio, bar: { ratio_min: PGBENCH_RATIO_MIN } });
    const of = (field) => median(results.get(us).map((out) => out[field]));
    report.row({ name: `${at}: CPU of the api`, value: of('cpu'), unit: 'us/save' });
    report.row({ name: `${at}: CPU of PostgreSQL`, value: of('database_cpu'), unit: 'us/save' });
    if (node.peerName) report.note(`${at}: the best form is ${node.peerName}`);
}

/** At 60 percent of what it can do; a latency counts from the moment the save was due. */
async function addLatency(report, run, connections, results, us, quick) {
    const rate = Math.max(1, Math.floor(median(results.get(us).map((out) => out.per_second)) * 0.6));
    const paced = (await playRounds([us], quick ? 1 : 3, (server, round) => measure({ ...run, server, connections, rate, seed: round + 1 }))).get(us);
    report.row({ name: `${connections} connections, ${rate} saves/s: p50`, value: median(paced.map((out) => out.p50_us)) / 1000, unit: 'ms' });
    report.row({ name: `${connections} connections, ${rate} saves/s: p99`, value: median(paced.map((out) => out.p99_us)) / 1000, unit: 'ms', bar: { value_max: P99_MAX_MS } });
}

/** Updates that touched no index. */
async function addHot(report, { postgres }) {
    const [{ hot }] = await postgres.rows('postgres', "SELECT 100.0 * sum(n_tup_hot_upd) / sum(n_tup_upd) AS hot FROM pg_stat_user_tables WHERE relname ~ '^progress_[0-7]$' AND n_tup_upd > 0");
    report.row({ name: 'updates of progress that are HOT', value: Number(hot), unit: '%' });
}
