// bell_cache against a model of RFC 9111: visitors ask for this and that by chance, change things, and leave; the origin fails now and then; workers are
// killed and the configuration is loaded again. Every answer is held against what the origin has made, when, and for whom.
// FB_CACHE_SECONDS=3600 goes on for an hour; FB_CHAOS_SEED=N makes the same choices again.
// time bound: 3900 s

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { chance } from '../lib/chance.mjs';
import { newPlace } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { waitFor } from '../lib/wait.mjs';
import { CLOSE, RESET, startCacheOrigin } from './cache-origin.mjs';
import { Visitor } from './cache-visitors.mjs';
import { askUntil, cacheStatus, fresh, startCacheEdge, store } from './cache.mjs';
import { tenant } from './support.mjs';

const SECONDS = Number(process.env.FB_CACHE_SECONDS ?? 12);
const VISITORS = 16;
const PATHS = 40;
const ANSWER_SECONDS = 60;
const STRIKE_MS = 700; // from one blow to the next
const EARLY_S = 3; // Age is of whole seconds, and so is Date
const LATE_S = 30; // and the time that a fetch takes may count as age, too (RFC 9111, 4.2.3)
const HOSTS = ['north.example', 'south.example'];
const LANGUAGES = ['de', 'en', 'fr'];

const dice = chance();
const place = newPlace();
place.expect(/exited on signal 9/);
place.expect(/shared memory zone "main" was locked by/); // by one who was killed in the few steps that he had the lock
const wrong = [];
const counts = { whole: 0, hits: 0, stale: 0, errors: 0, cut: 0, changes: 0, parts: 0, confirmed: 0 };
let origin;
let edge;
let isCalm = false; // nothing breaks any more
let isOver = false;

/** What there is at a path of each host, and how long its answers last. */
const things = new Map();
for (let i = 0; i < PATHS; i++) {
    const maxAge = dice.pick([0, 1, 2, 5, 60]);
    const rules = {
        maxAge,
        behind: dice.pick([0, 0, 2, 30]),
        ifError: dice.pick([0, 0, 30]),
        isStrict: dice.below(5) === 0,
        varies: dice.below(3) === 0,
        length: dice.pick(['exact', 'exact', 'chunked', 'none']),
        size: dice.pick([0, 10, 1000, 5000, 70_000]),
    };
    for (const host of HOSTS) things.set(`${host}/thing/${i}`, { ...rules, host, path: `/thing/${i}`, version: 1, acknowledged: 1 });
}

/** The body of a version in a language: who has a part of it can tell which. */
function bodyOf({ host, path, size }, version, language) {
    const line = `${host}${path} ${language} ${version}\n`;
    return size === 0 ? '' : line.repeat(Math.ceil(size / line.length));
}

function controlOf({ maxAge, behind, ifError, isStrict }) {
    const directives = [`max-age=${maxAge}`, behind && `stale-while-revalidate=${behind}`, ifError && `stale-if-error=${ifError}`, isStrict && 'must-revalidate'];
    return directives.filter(Boolean).join(', ');
}

const languageOf = (thing, headers) => (thing.varies ? headers['accept-language'] : 'all');

/** What the origin says: the truth of this moment, or something goes wrong. */
function say(asked) {
    const thing = things.get(`${asked.headers.host}${asked.path}`);
    if (asked.method === 'POST') {
        thing.version++;
        return { status: 204, headers: { 'x-version': thing.version } };
    }
    const language = languageOf(thing, asked.headers);
    const etag = `"${language}-${thing.version}"`;
    const headers = { 'cache-control': controlOf(thing), etag, 'x-version': thing.version, 'x-language': language, 'x-made': Date.now(), ...(thing.varies && { vary: 'Accept-Language' }) };
    const fault = isCalm ? 99 : dice.below(60);
    if (fault === 0) return { status: 503, body: 'out of order' };
    if (fault === 1) return { instead: dice.pick([CLOSE, RESET]) };
    if (asked.headers['if-none-match'] === etag) return { status: 304, headers };
    const body = bodyOf(thing, thing.version, language);
    const cut = Math.floor(body.length / 2);
    if (fault === 2 && cut > 0) return { headers, pieces: [body.slice(0, cut), RESET], length: thing.length === 'chunked' ? 'chunked' : body.length };
    return { headers, pieces: [body.slice(0, cut), body.slice(cut)], length: thing.length };
}

before(async () => {
    origin = await startCacheOrigin();
    for (let i = 0; i < PATHS; i++) origin.script(`/thing/${i}`, say);
    const tenants = HOSTS.map((host, i) => tenant(i + 1, host.split('.')[0], [host]));
    edge = await startCacheEdge(place, origin, { tenants, server: 'location / { proxy_pass http://bare; }', zone: 'zone=main:2m largest=64k' });
});

after(async () => {
    isOver = true;
    await origin?.close();
    await place.stop();
});

// ---- what an answer may be

function judge(thing, question, reply) {
    const say_ = (what) => wrong.push(`${question.method} ${thing.host}${thing.path} (${controlOf(thing)}): ${what}: ${reply.status} ${JSON.stringify(reply.headers)}`);
    const language = languageOf(thing, question.headers);
    if (reply.isCut) {
        counts.cut++;
        if (reply.hasHead && reply.status === 200 && !bodyOf(thing, reply.headers['x-version'], language).startsWith(reply.body)) say_('cut off, and mixed');
        return;
    }
    if ([502, 503, 504].includes(reply.status)) {
        counts.errors++;
        return;
    }
    if (reply.status === 416) {
        if (thing.size > 0) say_('there is such a part');
        return;
    }
    if (question.method === 'POST') {
        counts.changes++;
        if (reply.status !== 204) return say_('no answer to a change');
        thing.acknowledged = Math.max(thing.acknowledged, Number(reply.headers['x-version']));
        return;
    }
    judgeContent(thing, question, reply, language, say_);
    judgeAge(thing, question, reply, say_);
}

function judgeContent(thing, question, reply, language, say_) {
    const version = Number(reply.headers['x-version']);
    const body = bodyOf(thing, version, language);
    if (reply.headers['x-language'] !== language) return say_('another variant');
    if (version < question.acknowledged) return say_(`version ${question.acknowledged} had been acknowledged before it was asked`);
    if (reply.status === 304) {
        counts.confirmed++;
        return question.headers['if-none-match'] === reply.headers.etag ? undefined : say_('a 304 for another version');
    }
    if (reply.status === 206) {
        counts.parts++;
        return reply.body === body.slice(2, 6) ? undefined : say_(`another part: ${reply.body}`);
    }
    counts.whole++;
    if (reply.status !== 200) return say_('an answer of another kind');
    return question.method === 'HEAD' || reply.body === body ? undefined : say_(`another body, of ${reply.bytes} bytes`);
}

function judgeAge(thing, question, reply, say_) {
    const status = cacheStatus(reply);
    const age = Number(reply.headers.age ?? 0);
    const made = Number(reply.headers['x-made']);
    const [least, most] = [(question.at - made) / 1000 - EARLY_S, (Date.now() - made) / 1000 + LATE_S];
    if (age < least || age > most) say_(`it is ${age} s old by its Age, which should be between ${least} and ${most}`);
    if (!status.hit) return;
    counts.hits++;
    if (age + status.ttl !== thing.maxAge) say_('its Age and what is left of it are not its lifetime');
    if (status.ttl > 0) return;
    counts.stale++;
    if (thing.isStrict) say_('it is stale, and must not be');
    if (-status.ttl >= thing.behind) say_('it is stale, and past its window');
}

// ---- visitors

async function visit() {
    let visitor;
    while (!isOver) {
        if (!visitor || visitor.isClosed) visitor = await Visitor.open(edge.port);
        const thing = dice.pick([...things.values()]);
        const kind = dice.below(20);
        const headers = { 'accept-language': dice.pick(LANGUAGES) };
        if (kind === 1) headers.range = 'bytes=2-5';
        if (kind === 2) headers['if-none-match'] = `"${languageOf(thing, headers)}-${thing.version}"`;
        const method = kind === 0 ? 'POST' : kind === 3 ? 'HEAD' : 'GET';
        if (method === 'POST') headers['content-length'] = 0;
        const question = { method, headers, at: Date.now(), acknowledged: thing.acknowledged };
        const reply = visitor.ask(thing.path, { method, host: thing.host, headers });
        if (kind === 4 && !isCalm) {
            visitor.leave();
            visitor = undefined;
            continue;
        }
        if (await within(reply)) judge(thing, question, reply);
        else return wrong.push(`${method} ${thing.host}${thing.path}: no end of the answer within ${ANSWER_SECONDS} s, ${reply.bytes} bytes so far`);
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

const workers = () => children(edge.program.child.pid);

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
    await new Promise((resolve) => setTimeout(resolve, STRIKE_MS));
}

test('every answer is one that the origin has made, for who has asked, and not older than it may be', async (t) => {
    const visits = Array.from({ length: VISITORS }, visit);
    const end = performance.now() + SECONDS * 1000;
    while (performance.now() < end && wrong.length === 0) await strike();
    isCalm = true;
    const enough = counts.whole + 20 * VISITORS;
    await waitFor('some answers in the calm', () => counts.whole >= enough || wrong.length > 0);
    isOver = true;
    await Promise.all(visits);
    t.diagnostic(JSON.stringify(counts));
    assert.deepEqual(wrong.slice(0, 5), []);
    assert.ok(counts.hits > 0 && counts.whole > 0 && counts.changes > 0);
});

test('when all is over, everything is answered, and there is room for as much as before', async () => {
    for (const thing of things.values()) {
        const headers = { 'accept-language': LANGUAGES[0] };
        const reply = await askUntil(edge, thing.host, thing.path, `an answer of ${thing.path}`, ({ status }) => status === 200, { headers });
        const version = Number(reply.headers['x-version']); // a change that nobody was told of may have gone unseen
        assert.ok(version >= thing.acknowledged && reply.text === bodyOf(thing, version, languageOf(thing, headers)), thing.path);
    }
    for (let n = 0; n < 30; n++) await store(edge, origin, `/after/${n}`, { headers: fresh, body: 'x'.repeat(50_000) });
});
