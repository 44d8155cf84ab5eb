// A video that is fetched through the edge is completed for the student: nginx tells Redis what it sent, `firstbell jobs` reads that, the api shows it.
// time bound: 600 s

import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { app } from '../lib/app.mjs';
import { Client } from '../lib/client.mjs';
import { newPlace } from '../lib/place.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';
import { openStack, password } from './stack.mjs';

const PATIENTLY = { seconds: 60 };
const place = newPlace();
let stack;
let redis;

before(async () => {
    redis = await startRedis(place);
    const settings = { redis: `unix:${redis.socket}`, access_interval_ms: 50, access_completion_percent: 90, access_prefetch_s: 600 };
    stack = await openStack(place, { settings, edit: withEvents });
});
after(() => place.stop());

/** The edge's configuration with what modules/events/README.md adds to it. */
function withEvents(conf) {
    const module = `load_module ${path.join(app(), 'modules/ngx_http_bell_events_module.so')};\n`;
    const lines = `bell_access_events on;\n bell_access_events_redis unix:${redis.socket};\n bell_access_events_buffer 1m interval=10ms;\n`;
    const edited = conf.replace(/^load_module .*status_module\.so;\n/m, `$&${module}`).replace(/^ +bell_session on;\n/m, `$&${lines}`);
    assert.ok(edited.includes(module) && edited.includes(lines));
    return edited;
}

async function signedIn(username) {
    const client = new Client({ port: stack.port, ca: stack.ca });
    await waitFor('the sign-in', async () => (await client.post('/api/v1/sessions', { username, password }, PATIENTLY)).status === 201);
    return client;
}

/** A machine with much else to do answers 503 in between. */
const get = (client, target) =>
    waitFor(`200 for ${target}`, async () => {
        const reply = await client.get(target, PATIENTLY);
        return reply.status === 200 && reply;
    });

/** What a player does: the playlists, then the segments [from, to). */
async function play(client, from, to) {
    const { json } = await get(client, `/api/v1/lessons/${stack.ids.lesson}`);
    const { hls } = json.items.find(({ id }) => id === stack.ids.video).content;
    const base = `${path.dirname(hls)}/360p/`;
    await get(client, hls);
    const { text } = await get(client, `${base}index.m3u8`);
    const segments = text.split('\n').filter((line) => line && !line.startsWith('#'));
    for (const segment of segments.slice(from, to)) await get(client, base + segment.trim());
    return segments.length;
}

async function video(client) {
    const { json } = await get(client, `/api/v1/courses/${stack.ids.course}`);
    return json.modules.flatMap((module) => module.lessons.flatMap((lesson) => lesson.items)).find(({ id }) => id === stack.ids.video);
}

const seconds = async (username) => Number(await stack.postgres.sql('postgres', `
    SELECT coalesce(sum(upper(r) - lower(r)), 0) / 1000 FROM item_views v JOIN users u ON u.tenant_id = v.tenant_id AND u.id = v.user_id, unnest(v.fetched_ms) r
    WHERE u.username = '${username}' AND v.item_id = ${stack.ids.video}`));

test('half of a video is half of its time, all of it completes it, for the student alone', async () => {
    const [student, teacher] = [await signedIn('student.demo'), await signedIn('teacher.demo')];
    const n = await play(student, 0, 5);
    await waitFor('the view', async () => (await seconds('student.demo')) >= 20);
    assert.equal(await seconds('student.demo'), 20);
    assert.equal((await video(student)).status, 'not_started');
    await play(teacher, 0, n);
    await waitFor('the view of the teacher', async () => (await seconds('teacher.demo')) >= 54);
    await play(student, 5, n);
    await waitFor('the progress', async () => (await video(student)).status === 'completed');
    assert.equal((await video(student)).percent, 100);
    assert.equal(await stack.postgres.sql('postgres', 'SELECT count(*) FROM progress'), '1');
    student.close();
    teacher.close();
});
