// What edges saw becomes views and progress: `firstbell jobs` reads the streams of access events, whatever is in them and whatever dies in between.
// time bound: 900 s

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';

import { app } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { firstbell, mustFirstbell, originClient, startApi, writeSettings } from '../lib/server-firstbell.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';
import { addSchool, holdLock, itemsByTitle, password } from './school.mjs';

let place;
let postgres;
let redis;
let api;
let courseId;
const [A, B] = [1, 2];

before(async () => {
    place = newPlace();
    postgres = await startPostgres(place);
    redis = await startRedis(place);
    writeConf('firstbell', {});
    for (const name of ['demo', 'other']) {
        await addSchool(place, name, `${name}.localhost`);
        await mustFirstbell(place, ['course', 'import', '--tenant', name, '--course', 'course-demo', films()]);
    }
    api = await startApi(place);
    courseId = Number(await sql(`SELECT id FROM courses WHERE tenant_id = ${A} AND sourced_id = 'course-demo'`));
});
after(() => place.stop());
beforeEach(async () => {
    await sql('TRUNCATE item_views, access_streams, progress, outbox');
    await redis.ask(['FLUSHALL']);
    await redis.ask(['ACL', 'SETUSER', 'default', 'reset', 'on', 'nopass', '~*', '&*', '+@all']);
});
afterEach(async () => {
    for (const worker of workers.splice(0)) assert.deepEqual(await place.stopProgram(worker.program), [0, null]);
});

const sql = (text) => postgres.sql('postgres', text);
const writeConf = (name, settings) => {
    const all = { error_log: '-', redis: `unix:${redis.socket}`, access_interval_ms: 50, access_completion_percent: 90, jobs_pid_file: place.path(`pid/${name}.pid`), ...settings };
    return writeSettings(place, { settings: all, name: `conf/${name}.conf` });
};

// ---- the films

/** Two films in one asset, and a third that opens when the first is done. "rain" has two renditions of ten segments of 4 s, of 1000 and of 3000 bytes
 *  each; "wind" is one file with four byte ranges of 500 bytes and 10 s behind 100 bytes of its own; "sun" is long. */
function films() {
    const folder = place.folder('films', 0o755);
    const media = path.join(folder, 'media/sky');
    const segments = (n, seconds) => Array.from({ length: n }, (_, i) => `#EXTINF:${seconds},\n${String(i).padStart(3, '0')}.m4s`).join('\n');
    const put = (name, bytes) => {
        mkdirSync(path.dirname(path.join(media, name)), { recursive: true });
        writeFileSync(path.join(media, name), bytes);
    };
    put('rain/master.m3u8', '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow/index.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\nhigh/index.m3u8\n');
    for (const [rendition, bytes] of [['low', 1000], ['high', 3000]]) {
        put(`rain/${rendition}/index.m3u8`, `#EXTM3U\n#EXT-X-MAP:URI="init.mp4"\n${segments(10, '4.0')}\n#EXT-X-ENDLIST\n`);
        put(`rain/${rendition}/init.mp4`, 'init');
        for (let i = 0; i < 10; i++) put(`rain/${rendition}/00${i}.m4s`, Buffer.alloc(bytes, i));
    }
    put('wind/index.m3u8', `#EXTM3U\n${[0, 1, 2, 3].map((i) => `#EXTINF:10,\n#EXT-X-BYTERANGE:500${i === 0 ? '@100' : ''}\nall.mp4`).join('\n')}\n#EXT-X-ENDLIST\n`);
    put('wind/all.mp4', Buffer.alloc(2100));
    put('sun/index.m3u8', `#EXTM3U\n${segments(100, '40')}\n#EXT-X-ENDLIST\n`);
    for (let i = 0; i < 100; i++) put(`sun/0${String(i).padStart(2, '0')}.m4s`, Buffer.alloc(100, i));
    const film = (key, file, seconds, more = {}) => ({ key, kind: 'video', title: key, content: { hls: `media:sky/${file}`, duration_s: seconds }, ...more });
    const items = [
        film('rain', 'rain/master.m3u8', 40),
        film('wind', 'wind/index.m3u8', 40, { requires: [{ item: 'rain' }] }),
        film('sun', 'sun/index.m3u8', 4000),
        { key: 'words', kind: 'reading', title: 'words', content: { blocks: [{ type: 'paragraph', text: 'x' }] } },
    ];
    const course = { title: 'Sky', assets: [{ key: 'sky' }], modules: [{ key: 'm', title: 'M', lessons: [{ key: 'l', title: 'L', items }] }] };
    writeFileSync(path.join(folder, 'course.json'), JSON.stringify(course));
    execFileSync('chmod', ['-R', 'a+rX', folder]);
    return folder;
}

const userId = async (username, tenant = A) => Number(await sql(`SELECT id FROM users WHERE tenant_id = ${tenant} AND username = '${username}'`));
const itemId = async (key, tenant = A) => Number(await sql(`SELECT id FROM items WHERE tenant_id = ${tenant} AND key = '${key}' AND NOT retired`));
const assetId = async (tenant = A) => Number(await sql(`SELECT id FROM assets WHERE tenant_id = ${tenant} AND key = 'sky'`));

// ---- events, as an edge writes them

const HOUR_AGO = Date.now() - 3600_000;
let requests = 0;

/** Of the student of the demo, of a file of the asset, whole unless from and to are there. `s` seconds behind an hour ago. */
function event({ subject, asset, file, from = 0, to, size = to, s = 0, by = 'session', ...more }) {
    const id = (++requests).toString(16).padStart(32, '0');
    return { at: HOUR_AGO + s * 1000, subject: String(subject), by, path: `/media/${asset}/${file}`, from, to, size, status: from === 0 && to === size ? 200 : 206, id, ...more };
}

const line = (e) => (typeof e === 'string' ? e : JSON.stringify(e));
const stream = (tenant) => `bell:access:{${tenant}}`;

/** A batch, in the form that lua-free/bell_access_event.h documents. */
async function add(tenant, events, { id = '*' } = {}) {
    const text = events.map((e) => `${line(e)}\n`).join('');
    const given = await redis.ask(['XADD', stream(tenant), 'MAXLEN', '~', '10000', id, 'v', '1', 'events'], { input: text });
    await redis.ask(['SADD', 'bell:access:tenants', String(tenant)]);
    return given;
}

/** Segments of "rain", one each 4 s, as a player fetches them. */
async function playing({ username = 'student.demo', tenant = A, from = 0, to = 10, pace = 4, rendition = 'low', file = (i) => `rain/${rendition}/00${i}.m4s`, bytes = 1000 } = {}) {
    const [subject, asset] = [await userId(username, tenant), await assetId(tenant)];
    return Array.from({ length: to - from }, (_, i) => event({ subject, asset, file: file(from + i), to: bytes, s: (from + i) * pace }));
}

// ---- what comes of them

const once = async (conf = place.path('conf/firstbell.conf')) => {
    const { code, stderr } = await firstbell(place, ['jobs', '--once'], { conf });
    assert.equal(code, 0, stderr);
    return stderr;
};
const views = (tenant = A) => postgres.rows('postgres', `
    SELECT u.username, i.key, v.fetched_ms::text, v.duration_ms, v.completed_at IS NOT NULL AS completed,
           round(extract(epoch FROM v.first_at) * 1000 - ${HOUR_AGO})::int AS first, round(extract(epoch FROM v.last_at) * 1000 - ${HOUR_AGO})::int AS last
    FROM item_views v JOIN users u ON u.tenant_id = v.tenant_id AND u.id = v.user_id JOIN items i ON i.tenant_id = v.tenant_id AND i.id = v.item_id
    WHERE v.tenant_id = ${tenant} ORDER BY u.username, i.key`);
const fetched = async (tenant = A) => (await views(tenant)).map(({ username, key, fetched_ms: ms }) => `${username} ${key} ${ms}`);
const standing = async (tenant = A) => (await postgres.rows('postgres', `
    SELECT position, entries_added, events, counted, strangers, others, malformed, batches_lost, begun_anew FROM access_streams WHERE tenant_id = ${tenant}`))[0];
const progress = () => postgres.rows('postgres', `
    SELECT u.username, i.key, p.status, p.percent FROM progress p JOIN enrollments e ON e.tenant_id = p.tenant_id AND e.id = p.enrollment_id
    JOIN users u ON u.tenant_id = p.tenant_id AND u.id = e.user_id JOIN items i ON i.tenant_id = p.tenant_id AND i.id = p.item_id ORDER BY 1, 2`);
const inStream = async (tenant = A) => Number(await redis.ask(['XLEN', stream(tenant)]));

const workers = [];
let workerCount = 0;

function startWorker(settings = {}) {
    const name = `jobs${++workerCount}`;
    const conf = writeConf(name, settings);
    const program = place.start(name, [path.join(app(), 'bin/firstbell'), '-c', conf, 'jobs']);
    const worker = { program, log: () => place.read(`log/${name}.out`) };
    workers.push(worker);
    return worker;
}
const killWorker = async (worker) => {
    workers.splice(workers.indexOf(worker), 1);
    await place.stopProgram(worker.program, 'SIGKILL');
};
const allRead = (tenant = A) => waitFor('the stream to be read', async () => (await inStream(tenant)) === 0 && (await standing(tenant))?.events > 0);

describe('views', () => {
    test('are the distinct time of a film that was fetched, whatever the rendition', async () => {
        const [subject, asset] = [await userId('student.demo'), await assetId()];
        const of = (file, to, more) => event({ subject, asset, file, to, ...more });
        await add(A, [of('rain/low/000.m4s', 1000), of('rain/low/001.m4s', 1000, { s: 4 }), of('rain/high/001.m4s', 3000, { s: 5 })]);
        await add(A, [of('rain/high/003.m4s', 3000, { s: 9 }), of('rain/high/002.m4s', 3000, { s: 12 })]);
        assert.equal(await once(), '');
        assert.deepEqual(await views(), [{ username: 'student.demo', key: 'rain', fetched_ms: '{[0,16000)}', duration_ms: 40000, completed: false, first: 0, last: 12000 }]);
        const { position, ...counts } = await standing();
        assert.match(position, /^\d+-\d+$/);
        assert.deepEqual(counts, { entries_added: 2, events: 5, counted: 5, strangers: 0, others: 0, malformed: 0, batches_lost: 0, begun_anew: 0 });
        assert.deepEqual([await inStream(), await redis.ask(['SMEMBERS', 'bell:access:tenants'])], [0, '']);
    });

    test('a part of a file is that part of its time, and parts that adjoin are one', async () => {
        const [subject, asset] = [await userId('student.demo'), await assetId()];
        const part = (from, to) => event({ subject, asset, file: 'rain/low/002.m4s', from, to, size: 1000 });
        await add(A, [part(500, 750), part(0, 500)]);
        await once();
        assert.deepEqual(await fetched(), ['student.demo rain {[8000,11000)}']);
        await add(A, [part(900, 1000)]);
        await once();
        assert.deepEqual(await fetched(), ['student.demo rain {[8000,11000),[11600,12000)}']);
    });

    test('byte ranges of one file are known', async () => {
        const [subject, asset] = [await userId('student.demo'), await assetId()];
        await add(A, [event({ subject, asset, file: 'wind/all.mp4', from: 0, to: 600, size: 2100 }), event({ subject, asset, file: 'wind/all.mp4', from: 1600, to: 2100, size: 2100 })]);
        await once();
        assert.deepEqual(await fetched(), ['student.demo wind {[0,10000),[30000,40000)}']);
        await add(A, [event({ subject, asset, file: 'wind/all.mp4', to: 2100 })]);
        await once();
        assert.deepEqual(await fetched(), ['student.demo wind {[0,40000)}']);
    });

    test('an event that comes again, and events in any order, make the same', async () => {
        const events = await playing({ to: 6 });
        await add(A, events);
        await once();
        const [view] = await views();
        await add(A, [...events].reverse());
        await add(A, [events[2], events[2]]);
        await once();
        assert.deepEqual(await views(), [view]);
        await sql('TRUNCATE item_views');
        await add(A, [events[5], events[1], events[0]]);
        await add(A, [events[3], events[2], events[4]]);
        await once();
        assert.deepEqual(await views(), [view]);
    });

    test('what is none of a film, or of nobody here, is counted and no more', async () => {
        const [subject, asset] = [await userId('student.demo'), await assetId()];
        const good = event({ subject, asset, file: 'rain/low/000.m4s', to: 1000 });
        const others = [
            { ...good, path: `/media/${asset}/rain/low/init.mp4` }, { ...good, path: `/media/${asset}/rain/master.m3u8` }, { ...good, path: '/courses' },
            { ...good, path: `/media/${asset + 100}/rain/low/000.m4s` }, { ...good, path: `/media/${asset}/../${asset}/rain/low/000.m4s` }, { ...good, path: '/media/x/y' },
            { ...good, size: 999, to: 999 }, // of another edition
        ];
        const strangers = [
            { ...good, subject: '999999' }, { ...good, subject: '0' }, { ...good, subject: 'sis:ann' }, { ...good, subject: '99999999999999999999' },
            { ...good, by: 'path', issuer: 'ours' }, { ...good, by: 'cloudfront', issuer: 'cdn' },
        ];
        await add(A, [...others, ...strangers]);
        await add(A, [good]);
        assert.equal(await once(), '');
        assert.deepEqual(await fetched(), ['student.demo rain {[0,4000)}']);
        const { events, counted, strangers: foreign, others: rest, malformed } = await standing();
        assert.deepEqual([events, counted, foreign, rest, malformed], [14, 1, strangers.length, others.length, 0]);
    });

    test('bad bytes are skipped, with a count and a line, and hold nothing up', async () => {
        const [good] = await playing({ to: 1 });
        const bad = ['', '{', 'null', '[]', '\u00ff\u0000', '{"at":1}', JSON.stringify({ ...good, more: 1 }), JSON.stringify({ ...good, status: 404 }), '['.repeat(2000),
            JSON.stringify({ ...good, from: 10, to: 5 }), JSON.stringify({ ...good, at: 1 }), JSON.stringify({ ...good, at: Date.now() + 3 * 86400_000 }), 'x'.repeat(5000)];
        await add(A, [...bad, good]);
        await redis.ask(['XADD', stream(A), '*', 'v', '2', 'events', 'of a later form']);
        await redis.ask(['XADD', stream(A), '*', 'something', 'else']);
        await redis.ask(['XADD', stream(A), '*', 'v', '1', 'events'], { input: `${'y'.repeat(70000)}\n` });
        const stderr = await once();
        assert.match(stderr, /warning \d+: access events: 16 could not be read and were skipped, the last of tenant 1\n$/);
        assert.equal(stderr.split('\n').length, 2);
        const { events, counted, malformed } = await standing();
        assert.deepEqual([events, counted, malformed, await inStream()], [17, 1, 16, 0]);
        assert.deepEqual(await fetched(), ['student.demo rain {[0,4000)}']);
    });

    test('what PostgreSQL cannot store is passed over alone', async () => {
        await sql(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.user_id = ${await userId('teacher.demo')} THEN RAISE EXCEPTION 'not this one' USING ERRCODE = '22003'; END IF; RETURN NEW; END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON item_views FOR EACH ROW EXECUTE FUNCTION refuse()`);
        try {
            for (let i = 0; i < 3; i++) await add(A, await playing({ from: i, to: i + 1 }));
            const bad = await add(A, await playing({ username: 'teacher.demo', to: 2 }));
            for (let i = 3; i < 6; i++) await add(A, await playing({ from: i, to: i + 1 }));
            assert.match(await once(), new RegExp(`batch ${bad} of tenant 1 is passed over: PostgreSQL refuses: not this one`));
            assert.deepEqual(await fetched(), ['student.demo rain {[0,24000)}']);
            const { events, counted, malformed } = await standing();
            assert.deepEqual([events, counted, malformed], [8, 6, 2]);
        } finally {
            await sql('DROP TRIGGER refuse ON item_views; DROP FUNCTION refuse()');
        }
    });

    test('a new edition of a course is known at once', async () => {
        await add(A, await playing({ to: 1 }));
        const worker = startWorker();
        await waitFor('the view', async () => (await views()).length === 1);
        const folder = films();
        writeFileSync(path.join(folder, 'media/sky/rain/low/000.m4s'), Buffer.alloc(500));
        await mustFirstbell(place, ['course', 'import', '--tenant', 'demo', '--course', 'course-demo', folder]);
        const [e] = await playing({ to: 1, username: 'teacher.demo' });
        await add(A, [{ ...e, to: 500, size: 500 }]);
        await waitFor('the view of the new edition', async () => (await fetched()).includes('teacher.demo rain {[0,4000)}'));
        assert.equal(worker.log(), '');
        await mustFirstbell(place, ['course', 'import', '--tenant', 'demo', '--course', 'course-demo', films()]);
    });
});

describe('completion', () => {
    const status = async (title, client) => {
        const item = (await itemsByTitle(client, courseId))[title];
        return [item.status, item.percent, item.locked];
    };
    const student = async () => {
        const client = originClient(api.socketPath, A);
        await client.signIn('student.demo', password);
        return client;
    };

    test('of a film that was fetched as one watches appears in the outline, and opens what waits for it', async () => {
        const client = await student();
        await add(A, await playing({ to: 8 }));
        await once();
        assert.deepEqual(await status('rain', client), ['not_started', 0, false]);
        assert.deepEqual(await status('wind', client), ['not_started', 0, true]);
        await add(A, await playing({ from: 8, to: 9 }));
        await once();
        assert.deepEqual(await status('rain', client), ['completed', 100, false]);
        assert.deepEqual(await status('wind', client), ['not_started', 0, false]);
        assert.equal((await views())[0].completed, true);
        client.close();
    });

    test('stays what it is, whatever comes again or is saved', async () => {
        const client = await student();
        await add(A, await playing());
        await once();
        const told = await postgres.rows('postgres', 'SELECT topic, payload FROM outbox');
        assert.deepEqual(told.map(({ topic, payload }) => [topic, payload.saves.map(({ status, percent }) => [status, percent])]), [['progress.saved', [[2, 100]]]]);
        await add(A, await playing({ pace: 5 }));
        await once();
        assert.equal(await sql('SELECT count(*) FROM outbox'), '1');
        const id = await itemId('rain');
        const { json } = await client.put(`/api/v1/items/${id}/progress`, { percent: 10, position_s: 4 });
        assert.deepEqual([json.status, json.percent, json.position_s], ['completed', 100, 4]);
        client.close();
    });

    test('keeps what a client has saved', async () => {
        const client = await student();
        const id = await itemId('rain');
        await client.put(`/api/v1/items/${id}/progress`, { percent: 40, position_s: 16, time_spent_s: 1 });
        await add(A, await playing());
        await once();
        const item = (await itemsByTitle(client, courseId)).rain;
        assert.deepEqual([item.status, item.percent, item.position_s, item.time_spent_s], ['completed', 100, 16, 1]);
        client.close();
    });

    test('is none when fetched faster than anybody watches, but for what a player has in hand', async () => {
        const [subject, asset] = [await userId('student.demo'), await assetId()];
        const sun = (pace) => Array.from({ length: 100 }, (_, i) => event({ subject, asset, file: `sun/0${String(i).padStart(2, '0')}.m4s`, to: 100, s: i * pace }));
        await add(A, sun(0.1));
        await once();
        assert.deepEqual(await fetched(), ['student.demo sun {[0,4000000)}']);
        assert.deepEqual(await progress(), []);
        await add(A, sun(17.3)); // 99 × 17.3 = 1712.7 s, of 3600 / 2 - 60 = 1740
        await once();
        assert.deepEqual(await progress(), []);
        await add(A, sun(17.6)); // 1742.4 s
        await once();
        assert.deepEqual(await progress(), [{ username: 'student.demo', key: 'sun', status: 2, percent: 100 }]);
    });

    test('is none of a film that is locked', async () => {
        const [subject, asset] = [await userId('student.demo'), await assetId()];
        await add(A, [event({ subject, asset, file: 'wind/all.mp4', to: 2100 })]);
        await once();
        assert.deepEqual(await fetched(), ['student.demo wind {[0,40000)}']);
        assert.deepEqual(await progress(), []);
    });

    test('is none for who is no student of the course', async () => {
        for (const username of ['teacher.demo', 'operator.demo']) await add(A, await playing({ username }));
        await sql(`UPDATE enrollments SET status = 2 WHERE tenant_id = ${A} AND user_id = ${await userId('student.demo')}`);
        try {
            await add(A, await playing());
            await once();
            assert.equal((await views()).length, 3);
            assert.deepEqual(await progress(), []);
        } finally {
            await sql(`UPDATE enrollments SET status = 1 WHERE tenant_id = ${A} AND user_id = ${await userId('student.demo')}`);
        }
    });

    test('is none where the setting says so', async () => {
        await add(A, await playing());
        await once(writeConf('off', { access_completion_percent: 0 }));
        assert.deepEqual(await fetched(), ['student.demo rain {[0,40000)}']);
        assert.deepEqual(await progress(), []);
    });

    test('begins with what the setting says', async () => {
        const conf = writeConf('all', { access_completion_percent: 100, access_prefetch_s: 0 });
        await add(A, await playing({ to: 9 }));
        await once(conf);
        assert.deepEqual(await progress(), []);
        const [last] = await playing({ from: 9 });
        await add(A, [{ ...last, at: HOUR_AGO + 19_000 }]); // it was fetched before the one before, and 32 s are more than the 20 that it takes
        await once(conf);
        assert.deepEqual(await progress(), [{ username: 'student.demo', key: 'rain', status: 2, percent: 100 }]);
    });
});

describe('the wall between districts', () => {
    test('a stream says nothing about people and films of another one', async () => {
        const mine = await playing();
        const theirs = await playing({ tenant: B });
        const [subject, asset, otherSubject, otherAsset] = [await userId('student.demo'), await assetId(), await userId('student.demo', B), await assetId(B)];
        const mixed = [
            ...theirs.map((e) => ({ ...e, subject: String(subject) })), // ours, of their film
            ...mine.map((e) => ({ ...e, subject: String(otherSubject) })), // theirs, of our film
        ];
        assert.notEqual(asset, otherAsset);
        await add(A, [...theirs, ...mixed]);
        assert.equal(await once(), '');
        assert.deepEqual([await views(A), await views(B), await progress()], [[], [], []]);
        const { events, counted } = await standing(A);
        assert.deepEqual([events, counted, await standing(B)], [30, 0, undefined]);
        await add(B, theirs);
        await once();
        assert.deepEqual([await fetched(A), await fetched(B)], [[], ['student.demo rain {[0,40000)}']]);
    });

    test('a number of no district, and what is no number, leave the set', async () => {
        for (const member of ['999', 'x', '', '-1', '01', '99999999999999999999', '1 ']) await redis.ask(['SADD', 'bell:access:tenants', member]);
        await redis.ask(['XADD', stream(999), '*', 'v', '1', 'events', 'x']);
        const worker = startWorker();
        await waitFor('the set to be empty', async () => (await redis.ask(['SCARD', 'bell:access:tenants'])) === '0');
        assert.equal(await sql('SELECT count(*) FROM access_streams'), '0');
        assert.equal(worker.log(), '');
    });
});

describe('access show', () => {
    const shown = async (name) => Object.fromEntries((await mustFirstbell(place, ['access', 'show', '--tenant', name])).trimEnd().split('\n').map((row) => row.split('\t')));

    test('says how far the events were read, and what became of them', async () => {
        await add(A, [...(await playing()), 'x', { ...(await playing({ to: 1 }))[0], subject: '999999' }]);
        await once();
        const { position, 'last read': at, ...counts } = await shown('demo');
        assert.match(position, /^\d{13}-0$/);
        assert.match(at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
        assert.deepEqual(counts, { events: '12', counted: '10', 'of nobody here': '1', 'of no video': '0', 'could not be read': '1', 'batches lost': '0', 'begun anew': '0', views: '1', completed: '1' });
        assert.deepEqual([(await shown('other')).position, (await shown('other')).views, (await shown('other'))['last read']], ['0-0', '0', 'never']);
    });

    test('of a district that is not there', async () => {
        const { code, stderr } = await firstbell(place, ['access', 'show', '--tenant', 'nobody']);
        assert.equal(code, 1);
        assert.match(stderr, /^firstbell: there is no tenant named "nobody"/);
    });
});

describe('whatever dies', () => {
    test('a reader that is killed inside its transaction: position and effects agree', async () => {
        await add(A, await playing({ to: 3 }));
        await once();
        const before_ = await standing();
        const hold = holdLock({ place, postgres }, 'LOCK TABLE item_views');
        await hold.ready;
        await add(A, await playing({ from: 3, to: 6 }));
        const worker = startWorker();
        const waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'firstbell access' AND wait_event_type = 'Lock'";
        await waitFor('the reader to be in its transaction', async () => (await sql(waits)) === '1');
        await killWorker(worker);
        hold.release();
        await hold.done;
        await waitFor('PostgreSQL to notice', async () => (await sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'firstbell access'")) === '0');
        assert.deepEqual([await standing(), await fetched()], [before_, ['student.demo rain {[0,12000)}']]);
        await once(); // which finds it though it is in no set
        assert.deepEqual(await fetched(), ['student.demo rain {[0,24000)}']);
        assert.deepEqual([(await standing()).events, (await standing()).entries_added, await inStream()], [6, 2, 0]);
    });

    test('a reader that is killed between its commit and the removal from the stream', async () => {
        await redis.ask(['ACL', 'SETUSER', 'default', '-xtrim']);
        await add(A, await playing({ to: 3 }));
        await add(A, await playing({ from: 3, to: 5 }));
        const worker = startWorker();
        await waitFor('the commit', async () => (await standing())?.events === 5);
        await killWorker(worker);
        assert.equal(await inStream(), 2);
        await redis.ask(['ACL', 'SETUSER', 'default', '+xtrim']);
        await add(A, await playing({ from: 5, to: 6 }));
        assert.equal(await once(), '');
        const { events, counted, entries_added: entries, batches_lost: lost } = await standing();
        assert.deepEqual([events, counted, entries, lost, await inStream()], [6, 6, 3, 0, 0]);
        assert.deepEqual(await fetched(), ['student.demo rain {[0,24000)}']);
    });

    test('a Redis that refuses to remove what was read: reading goes on', async () => {
        await redis.ask(['ACL', 'SETUSER', 'default', '-xtrim']);
        const worker = startWorker();
        for (let i = 0; i < 4; i++) {
            await add(A, await playing({ from: i, to: i + 1 }));
            await waitFor('the event', async () => (await standing())?.events === i + 1);
        }
        await waitFor('the line', () => /Redis at .* refuses to remove access events that were read: NOPERM/.test(worker.log()));
        await redis.ask(['ACL', 'SETUSER', 'default', '+xtrim']);
        await add(A, await playing({ from: 4, to: 5 }));
        await allRead();
        const { events, entries_added: entries, batches_lost: lost } = await standing();
        assert.deepEqual([events, entries, lost], [5, 5, 0]);
    });

    test('two readers at once: each event counts once, in every district', async () => {
        const batches = 60;
        for (const tenant of [A, B]) {
            const events = await playing({ tenant });
            for (let i = 0; i < batches / 2; i++) await add(tenant, events);
        }
        startWorker();
        startWorker();
        for (const tenant of [A, B]) {
            const events = await playing({ tenant });
            for (let i = 0; i < batches / 2; i++) await add(tenant, events);
        }
        for (const tenant of [A, B]) {
            await waitFor('all to be read', async () => (await standing(tenant))?.events >= batches * 10 && (await inStream(tenant)) === 0);
            const { events, counted, entries_added: entries, batches_lost: lost, begun_anew: anew } = await standing(tenant);
            assert.deepEqual([events, counted, entries, lost, anew], [batches * 10, batches * 10, batches, 0, 0]);
            assert.deepEqual(await fetched(tenant), ['student.demo rain {[0,40000)}']);
        }
        assert.equal(await sql("SELECT count(*) FROM outbox WHERE topic = 'progress.saved'"), '2');
    });

    test('a Redis that comes back empty, with ids that go back', async () => {
        const worker = startWorker();
        await add(A, await playing({ to: 3 }));
        await allRead();
        await redis.stop();
        await redis.start();
        await add(A, await playing({ from: 3, to: 5 }), { id: '5-1' });
        await waitFor('the new stream to be read', async () => (await standing()).position === '5-1');
        await waitFor('the line', () => /Redis has lost the stream that was read before \(1 times\), the last of tenant 1/.test(worker.log()));
        const { events, entries_added: entries, begun_anew: anew, batches_lost: lost } = await standing();
        assert.deepEqual([events, entries, anew, lost], [5, 1, 1, 0]);
        assert.deepEqual(await fetched(), ['student.demo rain {[0,20000)}']);
        await add(A, await playing({ from: 5, to: 6 }));
        await waitFor('what comes then', async () => (await standing()).events === 6);
        assert.equal((await standing()).begun_anew, 1);
    });

    test('a stream that somebody removed, with ids that go on', async () => {
        await add(A, await playing({ to: 2 }));
        await add(A, await playing({ from: 2, to: 3 }));
        await once();
        await redis.ask(['DEL', stream(A)]);
        await once();
        await add(A, await playing({ from: 3, to: 4 }));
        assert.match(await once(), /Redis has lost the stream/);
        const { events, begun_anew: anew, batches_lost: lost } = await standing();
        assert.deepEqual([events, anew, lost], [4, 1, 0]);
        assert.deepEqual(await fetched(), ['student.demo rain {[0,16000)}']);
    });

    test('batches that were cut off before they were read are counted', async () => {
        await add(A, await playing({ to: 1 }));
        await once();
        for (let i = 1; i < 5; i++) await add(A, await playing({ from: i, to: i + 1 }));
        await redis.ask(['XTRIM', stream(A), 'MAXLEN', '1']);
        assert.match(await once(), /access events: 3 batches were cut off their stream before they were read, the last of tenant 1/);
        const { events, batches_lost: lost, entries_added: entries } = await standing();
        assert.deepEqual([events, lost, entries], [2, 3, 5]);
        await add(A, await playing({ from: 5, to: 6 }));
        assert.equal(await once(), '');
        assert.deepEqual(await fetched(), ['student.demo rain {[0,4000),[16000,24000)}']);
    });

    test('a Redis that is away', async () => {
        const worker = startWorker();
        await add(A, await playing({ to: 1 }));
        await allRead();
        await redis.stop();
        await waitFor('the line', () => /Redis at unix:.* cannot be used/.test(worker.log()));
        await redis.start();
        await add(A, await playing({ from: 1, to: 2 }));
        await waitFor('the event', async () => (await standing()).events === 2);
        await add(A, await playing({ from: 2, to: 3 }));
        await waitFor('the event', async () => (await standing()).events === 3);
        const { entries_added: entries, begun_anew: anew } = await standing();
        assert.deepEqual([entries, anew], [2, 1], 'this Redis came back empty, and had as many at once');
        assert.equal(worker.log().match(/cannot be used/g).length, 1);
    });

    test('a PostgreSQL that is away', async () => {
        const worker = startWorker();
        await add(A, await playing({ to: 1 }));
        await allRead();
        const next = await playing({ from: 1, to: 2 });
        await postgres.stop();
        await waitFor('the worker to notice', () => worker.log().includes('connection to PostgreSQL is lost'));
        await add(A, next);
        await postgres.start();
        await waitFor('the event', async () => (await standing()).events === 2);
        assert.deepEqual(await fetched(), ['student.demo rain {[0,8000)}']);
    });

    test('media that are not there: the events wait', async () => {
        const worker = startWorker();
        await waitFor('the reader', async () => (await sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'firstbell access'")) === '1');
        renameSync(place.path('media'), place.path('media.away'));
        try {
            await waitFor('the line', () => /access events are not read: media_root .*\/media cannot be read: No such file or directory; trying until they can be/.test(worker.log()));
            await add(A, await playing({ to: 1 }));
            assert.equal(await inStream(), 1);
        } finally {
            renameSync(place.path('media.away'), place.path('media'));
        }
        await allRead();
        await waitFor('the line', () => worker.log().includes('access events are read again'));
        assert.deepEqual(await fetched(), ['student.demo rain {[0,4000)}']);
    });

    test('a film whose playlist is not there: a line, and the others go on', async () => {
        const playlist = place.path('media/1/sky/wind/index.m3u8');
        renameSync(playlist, `${playlist}.away`);
        try {
            const [subject, asset] = [await userId('student.demo'), await assetId()];
            await add(A, [event({ subject, asset, file: 'wind/all.mp4', to: 2100 }), ...(await playing({ to: 1 }))]);
            assert.match(await once(), /a video of tenant 1 cannot be read, and who fetches it is not noted: media:sky\/wind\/index\.m3u8: No such file or directory/);
            assert.deepEqual(await fetched(), ['student.demo rain {[0,4000)}']);
        } finally {
            renameSync(`${playlist}.away`, playlist);
        }
    });
});
