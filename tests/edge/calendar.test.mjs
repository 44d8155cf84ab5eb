// A bell rings: a policy with scale= lets more through on an edge, and as much as before when that is over. Through all there is in between: PostgreSQL,
// `firstbell jobs`, Redis, the feed.
// time bound: 300 s

import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { app } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { mustFirstbell, writeSettings } from '../lib/server-firstbell.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';
import { startFedEdge } from './feed.mjs';
import { loadLines, newKey, rateLimit, said, sequence, tally } from './limit.mjs';

const place = newPlace();
let edge;

// so slow that nothing comes back while a test runs
const policies = `
    bell_limit_zone zone=limits:1m;
    bell_limit_policy plain rate=10/h burst=9 key=$http_x_key;
    bell_limit_policy scaled rate=10/h burst=9 key=$http_x_key scale=tenant;
    bell_limit_policy upload rate=10/h burst=9 key=$http_x_key scale=submissions cost=$arg_cost;
    bell_limit_policy second rate=4/h burst=3 key=$http_x_key;`;

const server = `
    ${said}
    root ${place.dir};
    add_header Status $bell_tenant_status always;
    add_header Version $bell_directory_version always;
    location /plain { bell_limit plain; bell_limit_headers on; try_files /page =404; }
    location /scaled { bell_limit scaled; bell_limit_headers on; try_files /page =404; }
    location /upload { bell_limit upload; bell_limit_headers on; try_files /page =404; }
    location /both { bell_limit scaled second; bell_limit_headers on; try_files /page =404; }
    location /who { bell_limit_status 256; }`;

const must = (...args) => mustFirstbell(place, args);
const stamp = (ms) => new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '');

/** An event that is under way from now on. */
const importEvent = (kind) => must('calendar', 'import', '--tenant', 'north', place.write(`${kind}.ics`, `BEGIN:VCALENDAR
BEGIN:VEVENT
UID:${kind}
CATEGORIES:${kind}
DTSTART:${stamp(Date.now())}
DTEND:${stamp(Date.now() + 3600_000)}
END:VEVENT
END:VCALENDAR
`));

before(async () => {
    place.write('page', 'page\n');
    await startPostgres(place);
    const redis = await startRedis(place);
    const conf = writeSettings(place, { settings: { error_log: '-', redis: `unix:${redis.socket}` } });
    await must('tenant', 'add', 'north', '--title', 'North', '--host', 'north.example');
    await must('tenant', 'add', 'south', '--title', 'South', '--host', 'south.example');
    place.start('jobs', [path.join(app(), 'bin/firstbell'), '-c', conf, 'jobs']);
    const key = { file: place.path('keys/directory.pub.pem') };
    edge = await startFedEdge(place, redis, { key, zone: '1m', load: loadLines('core', 'limit'), http: policies, server });
    await waitFor('the directory', async () => (await get('/who')).status === 200);
});
after(() => place.stop());

const get = (location, key, host = 'north.example') => edge.ask(host, location, key ? { headers: { 'X-Key': key } } : {});

/** What can be used at once. */
const quota = async (location, host) => rateLimit(await get(location, newKey(), host))?.policy[0].q;
const quotaIs = (location, expected) => waitFor(`${location} to let ${expected} pass`, async () => {
    for (let i = 0; i < 8; i++) if ((await quota(location)) !== expected) return false; // both workers
    return true;
});

test('while nothing is on, what the configuration says holds', async () => {
    await quotaIs('/scaled', 10);
    assert.deepEqual([await quota('/plain'), await quota('/upload')], [10, 10]);
});

test('a bell lets three times as much pass, of that district and by policies that say so; and no more when it is over', async () => {
    const early = newKey();
    assert.deepEqual(await tally(14, () => get('/scaled', early)), { 200: 10, 429: 4 });
    await importEvent('bell');
    await quotaIs('/scaled', 28);
    assert.deepEqual([await quota('/plain'), await quota('/scaled', 'south.example'), await quota('/upload')], [10, 10, 28]);
    const late = newKey();
    assert.deepEqual(await tally(40, () => get('/scaled', late)), { 200: 28, 429: 12 });
    const fields = rateLimit(await get('/scaled', late));
    assert.deepEqual([fields.policy[0].q, fields.policy[0].w, fields.now[0].r], [28, 3360, 0]);

    // who had used all of it before has used all of it now, and what comes back comes back three times as fast
    const reply = await get('/scaled', early);
    assert.equal(reply.status, 429);
    assert.ok(Number(reply.headers['retry-after']) <= 125, reply.headers['retry-after']);

    await must('calendar', 'remove', '--tenant', 'north', '--all');
    await quotaIs('/scaled', 10);
    for (const key of [early, late]) {
        const refused = await get('/scaled', key);
        assert.equal(refused.status, 429);
        assert.ok(Number(refused.headers['retry-after']) <= 365, 'nobody waits longer than the rule has it');
    }
    const next = newKey();
    assert.deepEqual(await tally(14, () => get('/scaled', next)), { 200: 10, 429: 4 });
});

test('what a later policy refuses is given back by the rule by which it was taken', async () => {
    await importEvent('bell');
    await quotaIs('/scaled', 28);
    const key = newKey();
    assert.deepEqual(await sequence(6, () => get('/both', key)), [200, 200, 200, 200, 429, 429]);
    assert.equal(rateLimit(await get('/scaled', key)).now[0].r, 28 - 5);
    await must('calendar', 'remove', '--tenant', 'north', '--all');
    await quotaIs('/scaled', 10);
});

test('at a deadline submissions have five times as much, all else twice; in an exam the district is told to be in one', async () => {
    await importEvent('exam');
    await quotaIs('/scaled', 19);
    const reply = await get('/upload', newKey());
    assert.equal(rateLimit(reply).policy[0].q, 28);
    assert.equal(reply.headers.status, 'exam');
    await must('calendar', 'import', '--tenant', 'north', place.write('due.ics', `BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:due\nCATEGORIES:deadline\nDTSTART:${stamp(Date.now() + 600_000)}\nEND:VEVENT\nEND:VCALENDAR\n`));
    await quotaIs('/upload', 46);
    assert.equal(await quota('/scaled'), 19);

    // what costs more than there is without the event can be afforded now, and counts as all there is behind it
    assert.equal((await get('/upload?cost=40', newKey())).status, 200);
    await must('calendar', 'remove', '--tenant', 'north', '--all');
    await quotaIs('/upload', 10);
    const reply2 = await get('/upload?cost=40', newKey());
    assert.deepEqual([reply2.status, rateLimit(reply2).now[0].r, reply2.headers.status], [200, 0, 'active']);
});

test('a district may always have more or less than others', async () => {
    await must('tenant', 'set', 'north', '--limit', 'scale=50');
    await quotaIs('/scaled', 5);
    assert.equal(await quota('/upload'), 5);
    const key = newKey();
    assert.deepEqual(await tally(8, () => get('/scaled', key)), { 200: 5, 429: 3 });
    const { json } = await get('/who');
    const seen = json.near.find((entry) => entry.key === `key ${key}`);
    assert.deepEqual([seen.used_percent, seen.remaining, seen.refused], [100, 0, 3]);
    await must('tenant', 'set', 'north', '--limit', 'scale=-');
    await quotaIs('/scaled', 10);
});
