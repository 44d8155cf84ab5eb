// What a shared cache may answer (RFC 9111, 5861): things at an origin, of several districts and for whom they are, what is known of their versions, and
// the judge of every answer. It knows nothing of how a cache works; what it allows is what the origin has said, and what was acknowledged to whom.

import { CLOSE, RESET } from './cache-origin.mjs';
import { cacheStatus } from './cache.mjs';

const EARLY_S = 3; // Age is of whole seconds, and so is Date
const LATE_S = 30; // and the time that a fetch takes may count as age, too (RFC 9111, 4.2.3)
const SOFT_S = 60; // what was softly purged is served while it is refreshed, for so long at least
const ANSWERED = [200, 206, 304];
const NOBODYS = 's-'; // for whom it is when who asks is not known

export const LANGUAGES = ['de', 'en', 'fr'];
export const METHODS = ['POST', 'POST', 'PUT', 'DELETE'];
export const TAGS = 5;
export const LARGE = 300_000; // bytes of what is stored in parts

/** `paths` things at each of these hosts; a host is {host, tenant}. */
export class Model {
    constructor(dice, hosts, paths) {
        this.dice = dice;
        this.things = new Map();
        this.wrong = [];
        this.counts = { whole: 0, hits: 0, stale: 0, rescued: 0, errors: 0, cut: 0, changes: 0, parts: 0, confirmed: 0, softer: 0 };
        this.isCalm = false; // nothing breaks any more
        for (let i = 0; i < paths; i++) {
            const rules = rulesOf(dice, i);
            for (const at of hosts) this.things.set(`${at.host}/thing/${i}`, { ...rules, ...at, path: `/thing/${i}`, version: 1, acknowledged: 1, softUntil: 0 });
        }
    }

    get list() {
        return [...this.things.values()];
    }

    /** What the origin says: the truth of this moment, or something goes wrong. */
    answer(asked) {
        const thing = this.things.get(`${asked.headers.host}${asked.path}`);
        if (METHODS.includes(asked.method)) return this.#change(thing);
        const fault = this.isCalm ? 99 : this.dice.below(60);
        if (fault === 0) return { status: 503, body: 'out of order' };
        if (fault === 1) return { instead: this.dice.pick([CLOSE, RESET]) };
        const [subject, role] = asked.headers['x-who'].split(':');
        const who = { subject, role };
        const headers = headersOf(thing, who, asked.headers);
        if (asked.headers['if-none-match'] === headers.etag) return { status: 304, headers };
        const whole = bodyOf(thing, thing.version, headers['x-language'], headers['x-whom']);
        const { status, body = whole, ...more } = partOf(asked.headers, headers, whole) ?? {};
        if (status === 416) return { status, headers: more };
        const cut = Math.floor(body.length / 2);
        const length = status === 206 ? 'exact' : thing.length;
        const answer = { status, headers: { ...headers, ...more }, pieces: [body.slice(0, cut), body.slice(cut)], length };
        if (fault === 2 && cut > 0) return { ...answer, pieces: [body.slice(0, cut), RESET], length: length === 'chunked' ? 'chunked' : body.length };
        return answer;
    }

    /** Another version, now and then of the neighbour that Content-Location names as well. */
    #change(thing) {
        const neighbour = this.things.get(`${thing.host}${thing.neighbour}`);
        const versions = { 'x-version': ++thing.version };
        if (!neighbour || this.dice.below(3) > 0) return { status: 204, headers: versions };
        return { status: 204, headers: { ...versions, 'content-location': neighbour.path, 'x-neighbour': ++neighbour.version } };
    }

    // ---- what an answer may be

    judge(thing, question, reply) {
        const say = (what) => this.wrong.push(`${question.method} ${thing.host}${thing.path} (${controlOf(thing)}) for ${JSON.stringify(question.who)}, ` +
            `${JSON.stringify(question.headers)}: ${what}: ${reply.status} ${JSON.stringify(reply.headers)}`);
        if (reply.isCut) this.#judgeCut(thing, question, reply, say);
        else if ([502, 503, 504].includes(reply.status)) this.counts.errors++;
        else if (METHODS.includes(question.method)) this.#judgeChange(thing, reply, say);
        else if (reply.status === 416) isPast(thing, question.headers.range) || say('there is such a part');
        else {
            this.#judgeContent(thing, question, reply, say);
            this.#judgeAge(thing, question, reply, say);
        }
    }

    #judgeCut(thing, question, reply, say) {
        this.counts.cut++;
        if (!reply.hasHead || reply.status !== 200) return;
        const { 'x-version': version, 'x-whom': whom } = reply.headers;
        if (!isFor(thing, question.who, whom)) say('it is for somebody else');
        if (!bodyOf(thing, version, languageOf(thing, question.headers), whom).startsWith(reply.body)) say('cut off, and mixed');
    }

    #judgeChange(thing, reply, say) {
        this.counts.changes++;
        if (reply.status !== 204) return say('no answer to a change');
        acknowledge(thing, Number(reply.headers['x-version']));
        if (reply.headers['x-neighbour']) acknowledge(this.things.get(`${thing.host}${thing.neighbour}`), Number(reply.headers['x-neighbour']));
    }

    #judgeContent(thing, question, reply, say) {
        const [version, language, whom] = [Number(reply.headers['x-version']), languageOf(thing, question.headers), reply.headers['x-whom']];
        const body = bodyOf(thing, version, language, whom);
        if (reply.headers['x-language'] !== language) return say('another variant');
        if (!isFor(thing, question.who, whom)) return say('it is for somebody else');
        if (version < question.acknowledged) return say(`version ${question.acknowledged} had been acknowledged before it was asked`);
        if (['cache-tag', 'cache-scope'].some((name) => name in reply.headers)) return say('it has fields that are for the cache');
        if (reply.status === 304) {
            this.counts.confirmed++;
            return question.headers['if-none-match'] === reply.headers.etag ? undefined : say('a 304 for another version');
        }
        if (reply.status === 206) return this.#judgePart(question, reply, body, say);
        this.counts.whole++;
        if (reply.status !== 200) return say('an answer of another kind');
        return question.method === 'HEAD' || reply.body === body ? undefined : say(`another body, of ${reply.bytes} bytes`);
    }

    #judgePart(question, reply, body, say) {
        const [, unit, from, to] = /^(bytes)=(\d*)-(\d*)$/.exec(question.headers.range ?? '') ?? [];
        this.counts.parts++;
        if (!unit) return say('a part that nobody asked for');
        if (question.headers['if-range'] && question.headers['if-range'] !== reply.headers.etag) return say('a part of another version than was asked for');
        const first = from === '' ? Math.max(0, body.length - Number(to)) : Number(from);
        const last = from === '' || to === '' ? body.length - 1 : Math.min(Number(to), body.length - 1);
        if (reply.headers['content-range'] !== `bytes ${first}-${last}/${body.length}`) return say(`another part, expected ${first} to ${last} of ${body.length}`);
        return question.method === 'HEAD' || reply.body === body.slice(first, last + 1) ? undefined : say(`the part is another: ${reply.body.slice(0, 100)}`);
    }

    /** More may be taken for softly purged than was meant, `softer` of them: what an edge forgets of purges stands for all of a tenant. */
    #judgeAge(thing, question, reply, say) {
        const status = cacheStatus(reply);
        const age = Number(reply.headers.age ?? 0);
        const made = Number(reply.headers['x-made']);
        const isSoft = made <= thing.softUntil;
        const [least, most] = [(question.at - made) / 1000 - EARLY_S, (Date.now() - made) / 1000 + LATE_S];
        if (age < least || age > most) say(`it is ${age} s old by its Age, which should be between ${least} and ${most}`);
        if (status.hit && !thing.scope && reply.headers['x-whom'] !== NOBODYS) say('stored, for somebody who is known, and the origin did not say for whom it is');
        if (!status.hit) return this.#judgeRescue(thing, status, age, say);
        this.counts.hits++;
        if (age + status.ttl > thing.maxAge) say('its Age and what is left of it are more than its lifetime');
        if (age + status.ttl < thing.maxAge && !isSoft) this.counts.softer++;
        if (status.ttl > 0) return;
        this.counts.stale++;
        if (thing.isStrict) say('it is stale, and must not be');
        const isAged = age + status.ttl === thing.maxAge; // and not taken for purged
        if (-status.ttl >= (isAged && !isSoft ? thing.behind : Math.max(thing.behind, SOFT_S))) say('it is stale, and past its window');
    }

    /** Something stale in the place of an error: the origin was asked, and this is not what it said. */
    #judgeRescue(thing, status, age, say) {
        if (status.fwd !== 'stale' || ANSWERED.includes(status['fwd-status'])) return;
        this.counts.rescued++;
        if (thing.isStrict || thing.ifError === 0) say('it is stale, in the place of an error, and must not be');
        else if (age - thing.maxAge >= thing.ifError + EARLY_S) say('it is stale, in the place of an error, and past its window');
    }
}

/** From now on nothing before this version is true. */
export function acknowledge(thing, version) {
    thing.acknowledged = Math.max(thing.acknowledged, version);
}

/** How long answers last, whose they are, and how they come. */
function rulesOf(dice, i) {
    return {
        maxAge: dice.pick([0, 1, 2, 5, 60]),
        behind: dice.pick([0, 0, 2, 30]),
        ifError: dice.pick([0, 0, 30]),
        isStrict: dice.below(5) === 0,
        varies: dice.below(3) === 0,
        scope: dice.pick([undefined, 'public', 'public', 'public', 'role', 'private']),
        tag: `tag-${i % TAGS}`,
        neighbour: `/thing/${i + 1}`,
        length: dice.pick(['exact', 'exact', 'chunked', 'none']),
        size: dice.pick([0, 10, 1000, 5000, 70_000, LARGE]),
    };
}

/** The part that was asked for, where just one was, of this version: {status, body, 'content-range'}. */
function partOf({ range, 'if-range': version }, { etag }, whole) {
    const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(range ?? '') ?? [];
    if (from === undefined || (version && version !== etag)) return undefined;
    const first = from === '' ? Math.max(0, whole.length - Number(to)) : Number(from);
    const last = from === '' || to === '' ? whole.length - 1 : Math.min(Number(to), whole.length - 1);
    if (first > last) return { status: 416, 'content-range': `bytes */${whole.length}` };
    return { status: 206, body: whole.slice(first, last + 1), 'content-range': `bytes ${first}-${last}/${whole.length}` };
}

/** Whether a range may begin where there is nothing any more. */
function isPast({ size }, range) {
    const [, from] = /^bytes=(\d*)-/.exec(range ?? '') ?? [];
    return from === '' ? size === 0 : Number(from) >= size;
}

/** The body of a version in a language for somebody: who has a line of it can tell which. */
export function bodyOf({ host, path, size }, version, language, whom) {
    const line = `${version} ${whom} ${language} ${host}${path}\n`;
    return size === 0 ? '' : line.repeat(Math.ceil(size / line.length));
}

function controlOf({ maxAge, behind, ifError, isStrict }) {
    const directives = [`max-age=${maxAge}`, behind && `stale-while-revalidate=${behind}`, ifError && `stale-if-error=${ifError}`, isStrict && 'must-revalidate'];
    return directives.filter(Boolean).join(', ');
}

export const languageOf = (thing, headers) => (thing.varies ? headers['accept-language'] : 'all');

/** For whom an answer to somebody is: without a word of the origin for him alone. */
export function whomOf({ scope }, { subject, role }) {
    if (scope === 'public') return 'all';
    return scope === 'role' ? `r${role}` : `s${subject}`;
}

/** Whether somebody may have what was made for whom. What nobody in particular has got, without a word, is for all (RFC 9111). */
function isFor(thing, who, whom) {
    return whom === whomOf(thing, who) || (!thing.scope && whom === NOBODYS);
}

/** The validator of what there is now. */
export const etagOf = (thing, who, headers) => `"${languageOf(thing, headers)}-${whomOf(thing, who)}-${thing.version}"`;

function headersOf(thing, who, asked) {
    const said = { 'x-version': thing.version, 'x-language': languageOf(thing, asked), 'x-whom': whomOf(thing, who), 'x-made': Date.now() };
    const optional = { ...(thing.varies && { vary: 'Accept-Language' }), ...(thing.scope && { 'cache-scope': thing.scope }) };
    return { 'cache-control': controlOf(thing), etag: etagOf(thing, who, asked), 'cache-tag': `all, ${thing.tag}`, ...said, ...optional };
}
