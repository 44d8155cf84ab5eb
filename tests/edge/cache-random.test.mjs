// bell_cache against a model of RFC 9111 (cache-model.mjs): visitors of several districts ask for this and that by chance, change things, and leave; what is
// stored is taken back; the origin fails now and then; workers are killed and the configuration is loaded again. Every answer is held against what the
// origin has made, when, and for whom; and in the end the zone has room for as much as at the beginning.
// auto/test random goes on for an hour; FB_CACHE_SECONDS says how long; FB_CHAOS_SEED=N makes the same choices again.
// time bound: 600 s

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { chance } from '../lib/chance.mjs';
import { newSessionKey, session } from '../lib/jose.mjs';
import { newPlace } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { startRedis } from '../lib/server-redis.mjs';
import { waitFor } from '../lib/wait.mjs';
import { startCacheOrigin } from './cache-origin.mjs';
import { bodyOf, etagOf, languageOf, LANGUAGES, METHODS, Model, whomOf } from './cache-model.mjs';
import { RandomPurges } from './cache-random-purges.mjs';
import { Visitor } from './cache-visitors.mjs';
import { askUntil, fresh, nothingFlies, startCacheEdge, store, zoneFigure } from './cache.mjs';
import { lines, tenant } from './support.mjs';

const SECONDS = Number(process.env.FB_CACHE_SECONDS ?? 12);
const VISITORS = 16;
const PATHS = 24;
const ANSWER_SECONDS = 60;
const STRIKE_MS = 700; // from one blow to the next
const PURGE_MS = 150;
const FORGET_STRIKES = 20; // after so many the origin forgets who has asked
const ZONE_BYTES = 4 << 20;
const FILL = 120; // objects of FILL_BYTES are more than the zone has room for
const FILL_BYTES = 50_000;
const HOSTS = [
    { host: 'north.example', tenant: 1 },
    { host: 'learn.north.example', tenant: 1 },
    { host: 'south.example', tenant: 2 },
    { host: 'east.example', tenant: 3 },
];

const dice = chance();
const place = newPlace();
place.expect(/exited on signal 9/);
place.expect(/shared memory zone "[a-z_]+" was locked by/); // by one who was killed in the few steps that he had the lock
const model = new Model(dice, HOSTS, PATHS);
const key = newSessionKey();
let origin;
let edge;
let purges;
let room; // bytes that the zone holds when it is full
let oneObject; // bytes that an object of FILL_BYTES takes there: whole chunks, its head among them; all but less than one is used of a full zone
let isOver = false;

/** Who may ask: nobody, two students and a teacher of each district. */
const nobody = { subject: '-', role: '-', isKnown: false, headers: {} };
const people = new Map([1, 2, 3].map((aud) => {
    const person = (subject, role) => {
        const token = session(key, { aud: String(aud), sub: subject, role, exp: Math.floor(Date.now() / 1000) + SECONDS + 7200 });
        return { subject, role: String(role), isKnown: true, headers: { cookie: `__Host-bell_session=${token}` } };
    };
    return [aud, [nobody, nobody, person('11', 7), person('12', 7), person('13', 8)]];
}));

before(async () => {
    origin = await startCacheOrigin();
    forget();
    const redis = await startRedis(place);
    const tenants = [tenant(1, 'north', ['north.example', 'learn.north.example']), tenant(2, 'south', ['south.example']), tenant(3, 'east', ['east.example'])];
    edge = await startCacheEdge(place, origin, {
        tenants,
        zone: `zone=main:${ZONE_BYTES} largest=100k${dice.pick(['', ` disk=16m path=${place.folder('cache')}`])}`, // in every second run with files
        http: `bell_session_keys ${place.write('sessions.pem', key.pem)}; bell_session_cache zone=sessions:1m;
            bell_cache_purges 127.0.0.1:${redis.port};`,
        server: 'bell_session on; location / { proxy_pass http://bare; }',
    });
    purges = new RandomPurges({ dice, model, redis, log: place.path('log/nginx.error.log') });
    await purges.taken();
    room = await fill('before');
});

after(async () => {
    isOver = true;
    await origin?.close();
    await place.stop();
});

/** What the origin has counted of an hour is much. */
function forget() {
    for (let i = 0; i < PATHS; i++) origin.script(`/thing/${i}`, (asked) => model.answer(asked));
}

/** Stores more than there is room for; gives the most bytes that the zone had. */
async function fill(when) {
    let most = 0;
    const empty = await zoneFigure(edge, 'bytes');
    for (let n = 0; n < FILL; n++) {
        await store(edge, origin, `/${when}/${n}`, { headers: fresh, body: 'x'.repeat(FILL_BYTES) });
        most = Math.max(most, await zoneFigure(edge, 'bytes'));
        oneObject ??= most - empty; // the first time there is room for all of it
    }
    return most;
}

/** A note of a long run is told by auto/test. */
const say = (t, what) => t.diagnostic(SECONDS > 60 ? `note: ${what}` : what);

// ---- visitors

const RANGES = ['bytes=2-5', 'bytes=0-0', 'bytes=3-', 'bytes=-4', 'bytes=1-999999', 'bytes=90000-210000', 'bytes=250000-250009'];

/** {method, headers, who, at, acknowledged}: headers are those of interest to the model. */
function ask(thing, kind) {
    const who = dice.pick(people.get(thing.tenant));
    const headers = { 'accept-language': dice.pick(LANGUAGES) };
    const method = kind === 0 ? dice.pick(METHODS) : kind === 3 ? 'HEAD' : 'GET';
    if (kind === 1 || kind === 5) headers.range = dice.pick(RANGES);
    if (kind === 5) headers['if-range'] = etagOf(thing, who, headers);
    if (kind === 2) headers['if-none-match'] = etagOf(thing, who, headers);
    if (METHODS.includes(method)) headers['content-length'] = 0;
    return { method, headers, who, at: Date.now(), acknowledged: thing.acknowledged };
}

async function visit() {
    let visitor;
    while (!isOver) {
        if (!visitor || visitor.isClosed) visitor = await Visitor.open(edge.port);
        const thing = dice.pick(model.list);
        const kind = dice.below(20);
        const question = ask(thing, kind);
        const { method, headers, who } = question;
        const reply = visitor.ask(thing.path, { method, host: thing.host, headers: { ...headers, ...who.headers, 'x-who': `${who.subject}:${who.role}` } });
        if (kind === 4 && !model.isCalm) {
            visitor.leave();
            visitor = undefined;
            continue;
        }
        if (await within(reply)) model.judge(thing, question, reply);
        else return model.wrong.push(`${method} ${thing.host}${thing.path}: no end of the answer within ${ANSWER_SECONDS} s, ${reply.bytes} bytes so far`);
    }
    return visitor?.leave();
}

/** Whether the answer ends in time. */
async function within(reply) {
    let timer;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, ANSWER_SECONDS * 1000, 'late')));
    const first = await Promise.race([reply.ended, late]);
    clearTimeout(timer);
    return first !== 'late';
}

// ---- what happens to them

const workers = () => children(edge.program.child.pid);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A worker is killed, or the configuration is loaded again. */
async function strike() {
    if (dice.below(4) === 0) {
        const former = workers();
        edge.reload();
        await waitFor('new workers', () => workers().filter((pid) => !former.includes(pid)).length >= 2);
    } else {
        const victim = dice.pick(workers());
        process.kill(victim, 'SIGKILL');
        await waitFor('a worker in its place', () => !workers().includes(victim) && workers().length >= 2);
    }
    await pause(STRIKE_MS);
}

async function takeBack(end) {
    while (performance.now() < end && model.wrong.length === 0) {
        await purges.purge();
        await pause(PURGE_MS);
    }
}

/** Blows until the end, or until something is wrong. Gives the most bytes that the zone had. */
async function strikes(end) {
    let most = 0;
    for (let n = 1; performance.now() < end && model.wrong.length === 0; n++) {
        await strike();
        if (n % FORGET_STRIKES === 0) forget();
        const bytes = await waitFor('the figures of the zone', () => zoneFigure(edge, 'bytes')); // who tells them may be killed
        most = Math.max(most, bytes);
    }
    return most;
}

test('every answer is one that the origin has made, for who has asked, and not older than it may be', async (t) => {
    const visits = Array.from({ length: VISITORS }, visit);
    const end = performance.now() + SECONDS * 1000;
    const [most] = await Promise.all([strikes(end), takeBack(end)]);
    model.isCalm = true;
    const enough = model.counts.whole + 20 * VISITORS;
    await waitFor('some answers in the calm', () => model.counts.whole >= enough || model.wrong.length > 0);
    isOver = true;
    await Promise.all(visits);
    const { counts, wrong } = model;
    say(t, JSON.stringify({ ...counts, purges: purges.count, most }));
    assert.deepEqual(wrong.slice(0, 5), []);
    assert.deepEqual(lines(edge.log(), /some were gone before they were read|one could not be understood/).slice(0, 5), [], 'no purge was missed');
    assert.ok(most <= ZONE_BYTES, `the zone holds ${most} bytes of ${ZONE_BYTES}`);
    assert.ok(counts.hits > 0 && counts.whole > 0 && counts.changes > 0 && purges.count > 0);
    assert.ok(counts.softer * 10 < counts.hits, 'few are taken for purged that nobody meant');
});

test('when all is over, everything is answered, nothing is being fetched, and there is room for as much as before', async (t) => {
    for (const thing of model.list) {
        const headers = { 'accept-language': LANGUAGES[0], 'x-who': '-:-' };
        const reply = await askUntil(edge, thing.host, thing.path, `an answer of ${thing.path}`, ({ status }) => status === 200, { headers });
        const version = Number(reply.headers['x-version']); // a change that nobody was told of may have gone unseen
        assert.ok(version >= thing.acknowledged && reply.text === bodyOf(thing, version, languageOf(thing, headers), whomOf(thing, nobody)), thing.path);
    }
    await nothingFlies(edge);
    const now = await fill('after');
    say(t, `full: ${room} bytes before, ${now} bytes now; laid out ${await zoneFigure(edge, 'begun_anew')} times`);
    assert.ok(Math.abs(now - room) <= oneObject, `the zone was full with ${room} bytes and is with ${now}`);
});
