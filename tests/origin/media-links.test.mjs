// Addresses of media as the origin gives them out: to whom, for what and how long, and under which key of the district. Tokens are verified here with
// nothing of ours, byte for byte as lua-free/bell_path_token.h says. time bound: 300 s

import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';

import { nowSeconds } from '../lib/edge-context.mjs';
import { newPlace } from '../lib/place.mjs';
import { mustFirstbell, originClient } from '../lib/server-firstbell.mjs';
import { waitFor } from '../lib/wait.mjs';
import { addSchool, itemsByTitle, openSchool } from './school.mjs';

const LIFETIME = 800;
const SETTLE = 3600;
const VIDEO = 'How rain begins';
const QUIZ = 'Rain: check yourself';
const WALK = 'Find a stream';
const place = newPlace();
const secrets = {};
let school;
let student;
let items;
let me;

before(async () => {
    school = await openSchool(place, { settings: { media_link_lifetime_s: LIFETIME, media_key_settle_s: SETTLE, workers: 1 } });
    await addSchool(place, 'other', 'other.localhost');
    student = await school.signIn('student.demo');
    items = await itemsByTitle(student, school.courseId);
    me = (await student.get('/api/v1/me')).json;
});
after(() => place.stop());

const sql = (text) => school.postgres.sql('postgres', text);
const media = (client, title = VIDEO) => client.get(`/api/v1/items/${items[title].id}/media`);
const firstLesson = async (client) => {
    const { json } = await client.get(`/api/v1/courses/${school.courseId}`);
    return (await client.get(`/api/v1/lessons/${json.modules[0].lessons[0].id}`)).json;
};

async function addKey(kid, { encoding = 'hex', words = [], text } = {}) {
    secrets[kid] = randomBytes(32);
    const file = place.write(`keys/${kid}.key`, text ?? `${secrets[kid].toString(encoding)}\n`, 0o600);
    await mustFirstbell(place, ['tenant', 'key', 'add', '--tenant', 'demo', '--use', 'path', '--alg', encoding, '--file', file, ...words, kid]);
}

const removeKeys = () => sql("DELETE FROM tenant_keys WHERE use = 'path'");
const age = (kid, seconds) => sql(`UPDATE tenant_keys SET added_at = now() - interval '${seconds} s' WHERE kid = '${kid}'`);

/** The parts of an address whose MAC is right. */
function opened(address) {
    const [, prefix, parts, mac, rest] = /^(\/media\/\d+\/)bell-token=(.*)\.([\w-]{43})\/(.*)$/.exec(address) ?? [];
    assert.ok(mac, address);
    const [version, kid, tenant, from, until, subject, data, ...more] = parts.split('.');
    assert.equal(mac, createHmac('sha256', secrets[kid]).update(`firstbell path token\n\n${prefix}\n${parts}`).digest('base64url'), address);
    assert.deepEqual([version, from, data, more], ['v1', '', '', []]);
    return { kid, prefix, rest, tenant: Number(tenant), until: Number(until), subject: Buffer.from(subject, 'base64url').toString() };
}

/** What signs now: the key's id. */
const signer = async () => opened((await media(student)).json.url).kid;

test('a district without a key has plain addresses, which do not end', async () => {
    const reply = await media(student);
    assert.equal(reply.status, 200);
    assert.equal(reply.headers['cache-control'], 'private, no-store');
    const { url, folders, ...rest } = reply.json;
    assert.match(url, /^\/media\/\d+\/master\.m3u8$/);
    assert.deepEqual(folders, [url.replace('master.m3u8', '')]);
    assert.deepEqual(rest, { expires: null, expires_in_s: null });
    const lesson = await firstLesson(student);
    assert.deepEqual([lesson.media, lesson.items[0].content.hls], [{ expires: null, expires_in_s: null }, url]);
    assert.equal((await student.get(url)).status, 200);
});

test('an item without files has none', async () => {
    assert.deepEqual((await media(student, WALK)).json, { url: null, expires: null, expires_in_s: null, folders: [] });
});

test('who may not see the item gets no address of it', async () => {
    const locked = await media(student, QUIZ);
    assert.deepEqual([locked.status, locked.json.type], [409, '/problems/locked']);
    assert.match(locked.json.detail, /How rain begins/);
    const teacher = await school.signIn('teacher.demo');
    assert.deepEqual([(await media(teacher)).status, (await media(teacher, QUIZ)).json.folders], [200, []], 'to a teacher all is open; a quiz is given out without files');
    assert.equal((await media(await school.signIn('operator.demo'))).status, 403);
    const stranger = await school.signIn('student.demo', 2);
    assert.equal((await media(stranger)).status, 404, 'of another district');
    assert.equal((await student.get('/api/v1/items/987654321/media')).status, 404);
    const elsewhere = await sql(`UPDATE enrollments SET status = 2 WHERE tenant_id = 1 AND user_id = ${me.id} RETURNING id`);
    assert.ok(elsewhere);
    assert.equal((await media(student)).status, 404, 'who is not of the course any more');
    await sql(`UPDATE enrollments SET status = 1 WHERE tenant_id = 1 AND user_id = ${me.id}`);
    assert.equal((await media(student)).status, 200);
});

test('with a key an address is for the district, the person, the folder of the asset, and a time', async () => {
    await addKey('m1');
    const begin = nowSeconds();
    const { json } = await media(student);
    const end = nowSeconds();
    const { until, ...token } = opened(json.url);
    const plain = `/media/${token.prefix.split('/')[2]}/`;
    assert.deepEqual(token, { kid: 'm1', prefix: plain, rest: 'master.m3u8', tenant: 1, subject: String(me.id) });
    assert.ok(until > begin + LIFETIME * 0.8 && until <= end + LIFETIME, `${until}`);
    assert.equal(Date.parse(json.expires) / 1000, until);
    assert.ok(json.expires_in_s >= until - end && json.expires_in_s <= until - begin, `${json.expires_in_s}`);
    assert.deepEqual(json.folders, [json.url.replace('master.m3u8', '')]);

    const lesson = await firstLesson(student);
    const { hls, poster, captions, transcript } = lesson.items[0].content;
    for (const [address, file] of [[hls, 'master.m3u8'], [poster, 'poster.jpg'], [captions[0].src, 'captions.en.vtt']]) {
        const { until: ends, ...same } = opened(address);
        assert.deepEqual(same, { ...token, rest: file });
        assert.equal(Date.parse(lesson.media.expires) / 1000, ends);
    }
    assert.match(transcript, /"media:rain\/poster\.jpg"/, 'text is left as it is');
    assert.equal(lesson.items[1].content, null, 'what is locked has no address');

    const teacher = await school.signIn('teacher.demo');
    assert.notEqual(opened((await media(teacher)).json.url).subject, token.subject);
    const other = await school.signIn('student.demo', 2);
    const theirs = Object.values(await itemsByTitle(other, Number(await sql("SELECT id FROM courses WHERE tenant_id = 2 AND sourced_id = 'course-demo'"))));
    assert.match((await other.get(`/api/v1/items/${theirs[0].id}/media`)).json.url, /^\/media\/\d+\/master\.m3u8$/, 'a key of one district is none of another');
});

test('who asks again soon gets the same address, which the browser has kept', async () => {
    await waitFor('two answers within an eighth of the time', async () => (await media(student)).json.url === (await media(student)).json.url);
});

test('a new key signs when every edge has it, the former one until then', async () => {
    await addKey('m2');
    assert.equal(await signer(), 'm1', 'neither has been there for long, and either would do; nothing changes without need');
    await age('m1', 3 * SETTLE);
    assert.equal(await signer(), 'm1');
    await age('m2', SETTLE + 5);
    assert.equal(await signer(), 'm2');
    await addKey('m3', { words: ['--from', new Date(Date.now() - 60_000).toISOString().replace(/\.\d+/, '')] });
    await age('m3', 2 * SETTLE);
    assert.equal(await signer(), 'm2', 'it began a minute ago');
    await addKey('m4', { words: ['--from', '2099-01-01T00:00:00Z'] });
    await age('m4', SETTLE + 1);
    assert.equal(await signer(), 'm2', 'it has not begun');
    await age('m2', 2 * SETTLE);
    const known = await sql("SELECT added_at FROM tenant_keys WHERE kid = 'm2'");
    const again = ['tenant', 'key', 'add', '--tenant', 'demo', '--use', 'path', '--alg', 'hex', '--file', place.path('keys/m2.key'), 'm2'];
    await mustFirstbell(place, again);
    assert.equal(await sql("SELECT added_at FROM tenant_keys WHERE kid = 'm2'"), known, 'the same key again is no new one');
    await addKey('m2');
    assert.notEqual(await sql("SELECT added_at FROM tenant_keys WHERE kid = 'm2'"), known, 'another one of the same name is');
    assert.equal(await signer(), 'm1');
});

test('no address outlives its key, and a key that lasts is preferred', async () => {
    await removeKeys();
    await addKey('m1');
    const ends = nowSeconds() + 300;
    await addKey('m5', { words: ['--until', new Date(ends * 1000).toISOString().replace(/\.\d+/, '')] });
    await age('m1', 3 * SETTLE);
    await age('m5', 2 * SETTLE);
    assert.equal(await signer(), 'm1');
    await mustFirstbell(place, ['tenant', 'key', 'end', '--tenant', 'demo', '--use', 'path', 'm1']);
    const { kid, until } = opened((await media(student)).json.url);
    assert.deepEqual([kid, until], ['m5', ends]);
});

test('a key in base64url signs, one that no token can name or that is none does not', async () => {
    await removeKeys();
    await addKey('m6', { encoding: 'base64url' });
    await age('m6', 3 * SETTLE);
    await addKey('dotted.name');
    await addKey('broken', { text: 'no digits' });
    for (const kid of ['dotted.name', 'broken']) await age(kid, 2 * SETTLE);
    assert.equal(await signer(), 'm6');
});

test('where there are keys and none can sign, that is said, and the lesson is read all the same', async () => {
    await removeKeys();
    await addKey('m7', { words: ['--until', '2026-01-01T00:00:00Z'] });
    const reply = await media(student);
    assert.deepEqual([reply.status, reply.json.type], [503, '/problems/media-key']);
    assert.ok(Number(reply.headers['retry-after']) > 0);
    const lesson = await firstLesson(student);
    assert.match(lesson.items[0].content.hls, /^\/media\/\d+\/master\.m3u8$/);
    await waitFor('the line in the log', () => /no key of tenant 1 can sign addresses of media; "m7": its time is over, or has not begun/.test(place.read('log/error.log')));
    assert.ok(!place.read('log/error.log').includes(secrets.m7.toString('hex')));
    // what is wrong with one district's is not hidden by another's
    await mustFirstbell(place, ['tenant', 'key', 'add', '--tenant', 'other', '--use', 'path', '--alg', 'hex', '--file', place.path('keys/m7.key'), '--until', '2026-01-01T00:00:00Z', 'm8']);
    const other = await school.signIn('student.demo', 2);
    const theirs = await sql("SELECT min(id) FROM items WHERE tenant_id = 2 AND kind = 1");
    assert.equal((await media(student)).status, 503);
    assert.equal((await other.get(`/api/v1/items/${theirs}/media`)).status, 503);
    await waitFor('the line about the other one', () => /no key of tenant 2 can sign addresses of media; "m8"/.test(place.read('log/error.log')));
    await removeKeys();
});

test('without a session: only what the edge has found a token for, and only of its district', async () => {
    const { url } = (await media(student)).json;
    const socket = school.api.socketPath;
    const status = async (tenant, edge, address = url) => {
        const client = originClient(socket, tenant, edge);
        const reply = await client.get(address);
        client.close();
        return reply.status;
    };
    assert.equal(await status(1, {}), 401);
    assert.equal(await status(1, { scopes: 'by-token' }), 200);
    assert.equal(await status(2, { scopes: 'by-token' }), 404);
    for (const scopes of ['by-token content', 'content', 'BY-TOKEN']) assert.equal(await status(1, { scopes }), 401, scopes);
    assert.equal(await status(1, { scopes: 'by-token', subject: String(me.id) }), 401, 'who is named needs a session');
    for (const address of ['/api/v1/me', '/api/v1/courses', `/api/v1/items/${items[VIDEO].id}/media`]) assert.equal(await status(1, { scopes: 'by-token' }, address), 401, address);
    const operator = await school.signIn('operator.demo');
    const { cookie } = operator.cookieHeader();
    const client = originClient(socket, 1, { scopes: 'by-token' });
    assert.equal((await client.get(url, { headers: { cookie } })).status, 200, 'a session that is there as well has no part in it');
    client.close();
    const bySession = originClient(socket, 1);
    assert.equal((await bySession.get(url, { headers: { cookie } })).status, 403);
    bySession.close();
});
