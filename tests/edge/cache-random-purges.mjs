// Purges by chance, through Redis, and how it is known that the edge has taken one: another one behind it, of a tenant that there is not, is in its log.
// Workers that read purges are killed meanwhile: such a line may never be written, so another one is sent.

import { openSync, readSync } from 'node:fs';

import { waitFor } from '../lib/wait.mjs';
import { acknowledge, TAGS } from './cache-model.mjs';

const MARKS = 8; // tenants that there are not, in turn
const FIRST_MARK = 1001;
const MARK_SECONDS = 3;
const MARK_TRIES = 20;
const KEPT = 5000; // purges in Redis
const FETCH_MS = 10_000; // what was asked for before a purge is taken for purged, and the origin may be slow to answer it

export class RandomPurges {
    constructor({ dice, model, redis, log }) {
        Object.assign(this, { dice, model, redis, number: 0, marks: 0, count: 0 });
        this.log = new LogLines(log, /purge of tenant (\d+): tag, hard/g);
    }

    /** One of a kind by chance. Hard: the things are others by then, and when it has been taken nobody gets the former ones. Soft: they are stale. */
    async purge() {
        const { dice, model } = this;
        const thing = dice.pick(model.list);
        const isHard = dice.below(3) > 0;
        const [what, isMeant] = dice.pick(kinds(thing, dice));
        const meant = model.list.filter((one) => one.tenant === thing.tenant && isMeant(one));
        const versions = new Map(isHard ? meant.map((one) => [one, ++one.version]) : []);
        if (!isHard) for (const one of meant) one.softUntil = Infinity;
        await this.#add(thing.tenant, `${isHard ? 'hard' : 'soft'} ${what}`);
        await this.taken();
        for (const [one, version] of versions) acknowledge(one, version);
        if (!isHard) for (const one of meant) one.softUntil = Date.now() + FETCH_MS;
        this.count++;
    }

    /** Waits until the edge has taken all that was said so far. */
    async taken() {
        for (let tries = 1; ; tries++) {
            const mark = FIRST_MARK + (this.marks++ % MARKS);
            const before = this.log.count(mark);
            await this.#add(mark, 'hard tag mark');
            try {
                return await waitFor('a purge to be taken by the edge', () => this.log.count(mark) > before, MARK_SECONDS);
            } catch (error) {
                if (tries === MARK_TRIES) throw error;
            }
        }
    }

    #add(tenant, what) {
        const number = ++this.number;
        return this.redis.ask(['XADD', 'bell:purges', 'MAXLEN', '~', String(KEPT), `${number}-0`, 'p', `1 ${number} ${Date.now()} ${tenant} ${what}`]);
    }
}

/** What may be said of a thing, and which things of its tenant that means. */
function kinds(thing, dice) {
    const tag = `tag-${dice.below(TAGS)}`;
    const url = [`url ${thing.host} ${thing.path}`, (one) => one === thing];
    return [
        url, url, url,
        [`prefix ${thing.host} ${thing.path}`, (one) => one.host === thing.host && one.path.startsWith(thing.path)],
        [`tag ${tag}`, (one) => one.tag === tag],
        ['all', () => true],
    ];
}

/** How often a line was written, by the number in it; a log is read as it grows. */
class LogLines {
    constructor(file, pattern) {
        Object.assign(this, { file: openSync(file, 'r'), pattern, counts: new Map(), rest: '' });
    }

    count(number) {
        const bytes = Buffer.alloc(65_536);
        for (let n; (n = readSync(this.file, bytes)) > 0;) {
            const text = this.rest + bytes.toString('latin1', 0, n);
            const end = text.lastIndexOf('\n') + 1;
            for (const [, found] of text.slice(0, end).matchAll(this.pattern)) this.counts.set(Number(found), (this.counts.get(Number(found)) ?? 0) + 1);
            this.rest = text.slice(end);
        }
        return this.counts.get(number) ?? 0;
    }
}
