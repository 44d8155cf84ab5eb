// Every page in every state, on a phone and a Chromebook, light and dark: axe finds nothing, nothing scrolls sideways, no console error.
// time bound: 900 s

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { CHROMEBOOK, checkPage, open, openBrowser, openPage, PHONE, shown, signIn } from './browser.mjs';
import { openStack } from './stack.mjs';

const place = newPlace();
const LOOKS = [PHONE, CHROMEBOOK].flatMap((viewport) => ['light', 'dark'].map((colorScheme) => ({ viewport, colorScheme })));
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

/** Runs `work` with a page. login: who is signed in. */
async function withPage(login, work, options = {}) {
    const page = await openPage(browser, stack, options);
    try {
        if (login) await signIn(page, login);
        await work(page);
    } finally {
        await page.context().close();
    }
}

/** The page as it is now, in every look. */
async function check(page, name) {
    for (const { viewport, colorScheme } of LOOKS) {
        await page.setViewportSize(viewport);
        await page.emulateMedia({ colorScheme });
        await checkPage(page, name, colorScheme);
    }
}

test('sign-in in all its states', () =>
    withPage(null, async (page) => {
        page.allowed.push(/status of 401/);
        for (const state of ['', '#wrong', '#busy', '#wait', '#wait-long', '#signed-out']) {
            await page.goto('about:blank');
            await page.goto(`/sign-in${state}`);
            await check(page, `sign-in${state.replace('#', '-')}`);
        }
        await page.click('#sign-in-form button[type=submit]');
        await check(page, 'sign-in-empty');
        await page.fill('#username', 'student.demo');
        await page.fill('#password', 'not the password');
        await page.keyboard.press('Enter');
        await page.waitForSelector('#message:not([hidden])');
        await check(page, 'sign-in-refused');
    }));

test('the pages of a student', () =>
    withPage('student.demo', async (page) => {
        await check(page, 'courses');
        for (const [name, address] of [['course', `/courses/${stack.ids.course}`], ['lesson', `/lessons/${stack.ids.lesson}`], ['lesson-second', `/lessons/${stack.ids.secondLesson}`], ['lesson-locked', `/lessons/${stack.ids.lockedLesson}`]]) {
            await open(page, address);
            await check(page, name);
        }
        await open(page, `/lessons/${stack.ids.lesson}`);
        await page.click('summary:has-text("Transcript")');
        await page.click('.play-button');
        await page.waitForSelector('video[controls]');
        await check(page, 'lesson-playing');
    }));

test('my account', () =>
    withPage('student.demo', async (page) => {
        await open(page, '/account');
        await check(page, 'account');
        await page.click('text=Change password >> nth=-1');
        await page.waitForSelector('#old-password-error:not([hidden])');
        await check(page, 'account-wrong');
    }));

test('the pages of a teacher', () =>
    withPage('teacher.demo', async (page) => {
        await check(page, 'classes');
        await page.click('h2 a:has-text("Earth Science 7")');
        await page.waitForURL('**/classes/*');
        await shown(page);
        await check(page, 'class');
        for (const [name, address] of [['preview-courses', '/courses'], ['preview-course', `/courses/${stack.ids.course}`], ['preview-lesson', `/lessons/${stack.ids.lesson}`]]) {
            await open(page, address);
            await check(page, name);
        }
        assert.equal(await page.locator('text=Mark as').count(), 0);
        assert.equal(await page.locator('.status').count(), 0);
    }));

test('the page of an operator', () => withPage('operator.demo', (page) => check(page, 'district')));

test('what is not there and what is not for me', () =>
    withPage('student.demo', async (page) => {
        page.allowed.push(/status of 40[34]/);
        for (const [name, address] of [['course-404', '/courses/999999'], ['lesson-404', '/lessons/999999']]) {
            await open(page, address);
            assert.equal(await page.getAttribute('[data-state=error]', 'data-status'), '404', name);
            await check(page, name);
        }
        const answer = await page.goto('/nothing');
        assert.equal(answer.status(), 404);
        await check(page, 'not-found');
        for (const name of ['forbidden', 'unavailable']) {
            await page.goto(`/web/error/${name}.html`);
            await check(page, name);
        }
        await open(page, '/classes'); // a teacher's page: one's own comes instead
        assert.equal(new URL(page.url()).pathname, '/courses');
    }));

test('offline: a sentence, and the page comes back by itself', () =>
    withPage('student.demo', async (page) => {
        page.allowed.push(/ERR_INTERNET_DISCONNECTED/);
        let hold = true;
        await page.route('**/api/v1/courses', (route) => (hold ? page.context().setOffline(true).then(() => route.abort('internetdisconnected')) : route.continue()));
        await page.goto('/courses');
        await page.waitForSelector('[data-state=waiting]');
        await check(page, 'courses-waiting');
        await page.waitForSelector('[data-state=error][data-status="0"]', { timeout: 60_000 });
        await check(page, 'courses-offline');
        hold = false;
        await page.context().setOffline(false);
        await page.waitForSelector('.course-card');
        await check(page, 'courses');
    }));

test('a narrow screen, a finger, forced colours and reduced motion keep the lesson whole', async () => {
    const narrow = { viewport: { width: 320, height: 640 } };
    const finger = { viewport: PHONE, hasTouch: true, isMobile: true };
    for (const [name, options] of Object.entries({ narrow, finger, forced: { forcedColors: 'active' }, still: { reducedMotion: 'reduce' } })) {
        await withPage('student.demo', async (page) => {
            await open(page, `/lessons/${stack.ids.lesson}`);
            const small = await page.evaluate(smallTargets, name === 'finger' ? 44 : 24);
            assert.deepEqual(small, [], `targets that are too small: ${name}`);
            await checkPage(page, `lesson-${name}`); // last: a screenshot of the whole page ends the emulation of touch
        }, options);
    }
});

/** Buttons, and links that stand alone, below a size in CSS pixels. */
function smallTargets(size) {
    const nodes = [...document.querySelectorAll('button, input, summary, .button, .site-nav a')].filter((node) => node.checkVisibility() && !node.closest('label'));
    return nodes.filter((node) => { const box = node.getBoundingClientRect(); return box.height < size - 0.5 || box.width < 24; }).map((node) => node.outerHTML.slice(0, 80));
}

test('while the origin is away the edge says so, and a page in the browser waits calmly', async () => {
    const page = await openPage(browser, stack);
    await signIn(page, 'student.demo');
    page.allowed.push(/status of 50\d/);
    await stack.stopApi();
    const answer = await page.goto('/courses');
    assert.ok([502, 503, 504].includes(answer.status()));
    assert.match(answer.headers()['content-type'], /^text\/html/);
    await stack.startApi();
    await open(page, '/courses');
    assert.ok(await page.isVisible('.course-card'));

    let stopped;
    await page.route('**/api/v1/courses', async (route) => {
        await (stopped ??= stack.stopApi()); // between the page and what it asks for
        await route.continue();
    });
    await page.goto('/courses');
    await page.waitForSelector('[data-state=waiting]');
    await checkPage(page, 'courses-busy');
    await stack.startApi();
    await page.waitForSelector('.course-card', { timeout: 60_000 });
    await page.context().close();
});
