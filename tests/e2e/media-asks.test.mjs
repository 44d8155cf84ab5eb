// How often a page asks for new addresses of files: what is missing, an answer that does not come, and Firstbell away may not make it ask without an end.
// Pauses are counted and ended by hand here: nothing waits for a minute.
// time bound: 600 s

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { open, openBrowser, openPage, signIn } from './browser.mjs';
import { openStack } from './stack.mjs';

const place = newPlace();
let stack;
let browser;

before(async () => {
    stack = await openStack(place);
    browser = await openBrowser(stack);
});

after(async () => {
    await browser?.close();
    await place.stop();
});

/** The student's page of the lesson, with `media` of its video, which is asked for like any other, and `asks()`: how often that was. */
async function openLesson(options = {}) {
    const page = await openPage(browser, stack);
    page.allowed.push(/Failed to load resource/); // what these tests make happen
    if (options.init) await page.addInitScript(options.init);
    await signIn(page, 'student.demo');
    await open(page, `/lessons/${stack.ids.lesson}`);
    await page.evaluate(async (item) => {
        const real = { fetch: fetch.bind(globalThis), setTimeout: setTimeout.bind(globalThis) };
        Object.assign(globalThis, { real, pauses: [], asks: 0 });
        globalThis.fetch = (address, ...rest) => {
            globalThis.asks += String(address).endsWith('/media');
            return real.fetch(address, ...rest);
        };
        const { Media } = await import(`${location.origin}/web/js/media.js`);
        globalThis.media = new Media(item, null);
    }, stack.ids.video);
    page.asks = () => page.evaluate(() => globalThis.asks);
    return page;
}

/** From here on the page's clock stands, and its pauses do not end by themselves: they are in `pauses`, {end, ms}. settled() waits for what can go on
 *  without them, next() for one more. */
const holdPauses = (page) =>
    page.evaluate(() => {
        const { real, pauses } = globalThis;
        const now = Date.now();
        Date.now = () => now;
        globalThis.setTimeout = (end, ms, ...rest) => (ms >= 400 ? -pauses.push({ end, ms }) : real.setTimeout(end, ms, ...rest));
        globalThis.settled = () => new Promise((resolve) => real.setTimeout(resolve, 0));
        globalThis.next = async () => {
            const before = pauses.length;
            while (pauses.length === before) await globalThis.settled();
        };
    });

const answerWith = (page, status) => page.route('**/api/v1/items/*/media', (route) => route.fulfill({ status, contentType: 'application/problem+json', body: '{}' }));

test('pictures that are missing make the page ask once, and not once each', async () => {
    const page = await openLesson();
    await page.evaluate(async () => {
        for (let i = 0; i < 12; i++) {
            const picture = document.createElement('img');
            const failed = new Promise((resolve) => picture.addEventListener('error', resolve, { once: true }));
            picture.src = `/media/1/missing-${i}.jpg`;
            globalThis.media.retry(picture);
            await failed;
            await globalThis.media.wait();
        }
    });
    assert.equal(await page.asks(), 1);
    assert.deepEqual(page.problems, []);
    await page.context().close();
});

test('Firstbell away: of all that wait for the files of an item one asks, with growing pauses, and all go on', async () => {
    const page = await openLesson();
    await holdPauses(page);
    await answerWith(page, 503);
    await page.evaluate(async () => {
        const { media, pauses } = globalThis;
        media.refused();
        globalThis.waits = Promise.all(Array.from({ length: 12 }, () => media.wait()));
        while (!pauses.some(({ ms }) => ms < 20_000)) await globalThis.settled();
        await globalThis.settled();
    });
    const backoffs = () => page.evaluate(() => globalThis.pauses.map(({ ms }) => ms).filter((ms) => ms !== 20_000));
    assert.deepEqual([await page.asks(), (await backoffs()).length], [1, 1]);
    for (let i = 0; i < 5; i++) {
        await page.evaluate(async () => {
            const more = globalThis.next();
            globalThis.pauses.at(-1).end();
            await more;
        });
    }
    const pauses = await backoffs();
    assert.ok(pauses.length === 6 && pauses.every((ms, i) => ms >= 500 * 2 ** i && ms <= 1000 * 2 ** i), pauses.join());
    assert.equal(await page.asks(), 1, 'tries within a moment are one');
    await page.unroute('**/api/v1/items/*/media');
    assert.deepEqual(await page.evaluate(() => { globalThis.media.hurry(); return globalThis.waits; }), Array(12).fill(true));
    assert.equal(await page.asks(), 2);
    await page.context().close();
});

test('a page that nobody looks at stops asking after some tries, and goes on when somebody does', async () => {
    const page = await openLesson();
    await holdPauses(page);
    await answerWith(page, 503);
    const tries = await page.evaluate(async () => {
        const { media, pauses } = globalThis;
        globalThis.look = 'hidden';
        Object.defineProperty(document, 'visibilityState', { get: () => globalThis.look });
        media.refused();
        globalThis.waits = media.wait();
        while (!pauses.some(({ ms }) => ms < 20_000)) await globalThis.settled();
        for (let ended = 1; ended < 40; ended++) {
            const { length } = pauses;
            pauses.at(-1).end();
            for (let i = 0; i < 20; i++) await globalThis.settled();
            if (pauses.length === length) return ended;
        }
        return 40;
    });
    assert.equal(tries, 10);
    await page.unroute('**/api/v1/items/*/media');
    const gone = await page.evaluate(() => {
        globalThis.look = 'visible';
        document.dispatchEvent(new Event('visibilitychange'));
        return globalThis.waits;
    });
    assert.equal(gone, true);
    await page.context().close();
});

test('an answer that does not come is not waited for without an end', async () => {
    const page = await openLesson();
    await holdPauses(page);
    await page.route('**/api/v1/items/*/media', () => {});
    const state = await page.evaluate(async () => {
        const { media, pauses } = globalThis;
        media.refused();
        const good = media.fresh();
        for (let i = 0; i < 1000 && pauses.length === 0; i++) await globalThis.settled();
        pauses[0].end();
        return [await good, media.state];
    });
    assert.deepEqual(state, [false, 'waiting']);
    await page.context().close();
});

test('a browser that plays HLS itself: what breaks at one place again and again is given up', async () => {
    const page = await openLesson({
        init: () => {
            for (const name of ['MediaSource', 'ManagedMediaSource', 'WebKitMediaSource']) delete globalThis[name];
            HTMLMediaElement.prototype.canPlayType = () => 'maybe';
            // it has what lies before the place that breaks, and so begins to play each time
            document.addEventListener('error', ({ target }) => target instanceof HTMLVideoElement && target.dispatchEvent(new Event('playing')), true);
        },
    });
    await page.route('**/media/**/master.m3u8', (route) => route.fulfill({ status: 404 }));
    await page.click('.play-button');
    await page.locator('.notice-error:not([hidden])').waitFor({ timeout: 120_000 });
    assert.match(await page.locator('.notice-error:not([hidden])').textContent(), /The video cannot be played just now/);
    assert.equal(await page.asks(), 1);
    await page.context().close();
});
