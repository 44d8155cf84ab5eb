// A student learns, and a teacher sees it: the video with saved progress, the reading, the quiz, what they open, and the class list.
// time bound: 900 s

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { waitFor } from '../lib/wait.mjs';
import { open, openBrowser, openPage, PHONE, shown, signIn, until } from './browser.mjs';
import { openStack, password } from './stack.mjs';

const place = newPlace();
let stack;
let browser;
let student;
let teacher;

before(async () => {
    stack = await openStack(place);
    browser = await openBrowser(stack);
    student = await openPage(browser, stack);
    await signIn(student, 'student.demo');
    teacher = await openPage(browser, stack);
    await signIn(teacher, 'teacher.demo');
});

after(async () => {
    await browser?.close();
    await place.stop();
});

const lesson = () => `/lessons/${stack.ids.lesson}`;
const playing = () => { const video = document.querySelector('video'); return !video.paused && video.currentTime > 0.5; };
const item = (page, title) => page.locator('section.item', { has: page.getByRole('heading', { level: 2, name: title }) });

/** What the database holds of the student's video. */
async function savedVideo() {
    const select = `SELECT p.status, p.percent, p.position_ms, p.time_spent_s FROM progress p WHERE p.tenant_id = 1 AND p.item_id = ${stack.ids.video}`;
    return (await stack.postgres.rows('postgres', select))[0];
}

test('the course says what is locked and why', async () => {
    await open(student, `/courses/${stack.ids.course}`);
    const row = student.locator('.item-row', { hasText: 'Check yourself: the water cycle' }).first();
    assert.equal(await row.getAttribute('data-status'), 'locked');
    assert.match(await row.textContent(), /Opens when you complete “The journey of a drop of water”\./);
    assert.equal(await row.locator('a').count(), 0);
});

test('nothing of the video is loaded before somebody plays it', async () => {
    const asked = [];
    student.on('request', (request) => asked.push(request.url()));
    await open(student, lesson());
    await student.waitForSelector('.play-button');
    assert.deepEqual(asked.filter((url) => /\.(m3u8|m4s|mp4)$/.test(url)), []);
});

test('ten seconds of play are saved, seen after a reload, and play goes on from there', async () => {
    await open(student, lesson());
    await student.click('.play-button');
    await until(student, 'the video to play', playing);
    await until(student, 'its sound to be decoded', () => document.querySelector('video').webkitAudioDecodedByteCount > 0);
    await student.waitForSelector('.save-state[data-save-state=saved]', { timeout: 40_000 });
    await student.evaluate(() => document.querySelector('video').pause());
    await waitFor('the place where play stopped to be in the database', async () => {
        const place = await student.evaluate(() => document.querySelector('video').currentTime);
        return Math.abs((await savedVideo())?.position_ms / 1000 - place) < 1;
    });
    const saved = await savedVideo();
    assert.ok(saved.time_spent_s >= 9 && saved.percent >= 15 && saved.percent < 60, JSON.stringify(saved));

    await student.reload();
    await student.waitForSelector('.play-button');
    const seconds = Math.round(saved.position_ms / 1000);
    assert.match(await student.textContent('.play-button'), new RegExp(`Continue at 0:${String(seconds).padStart(2, '0')}`));
    assert.match(await item(student, 'The journey').locator('.item-status').textContent(), /In progress, \d+%/);
    await student.click('.play-button');
    await until(student, 'the video to play on', playing);
    const where = await student.evaluate(() => document.querySelector('video').currentTime);
    assert.ok(where >= seconds - 1 && where < seconds + 15, `plays at ${where}, stopped at ${seconds}`);
});

test('captions can be turned on, and the choice is remembered', async () => {
    await student.click('button:has-text("Captions")');
    await until(student, 'a caption to be shown', () => [...document.querySelector('video').textTracks].some((track) => track.mode === 'showing' && track.cues?.length > 10));
    await open(student, lesson());
    assert.equal(await student.getAttribute('button:has-text("Captions")', 'aria-pressed'), 'true');
    await student.click('summary:has-text("Transcript")');
    assert.match(await student.textContent('.transcript'), /This is evaporation\./);
});

test('what is played offline is kept on the device and sent later', async () => {
    const before = await savedVideo();
    student.allowed.push(/ERR_INTERNET_DISCONNECTED/);
    await student.click('.play-button');
    await until(student, 'the video to play', playing);
    await until(student, 'the rest of the video to be there', () => { const { buffered } = document.querySelector('video'); return buffered.length && buffered.end(buffered.length - 1) > document.querySelector('video').currentTime + 6; });
    await student.context().setOffline(true);
    await until(student, 'some seconds to pass', `document.querySelector('video').currentTime > ${before.position_ms / 1000 + 3}`);
    await student.evaluate(() => document.querySelector('video').pause());
    await student.waitForSelector('.save-state[data-save-state=waiting]');
    assert.equal((await savedVideo()).position_ms, before.position_ms);
    await student.context().setOffline(false);
    await student.waitForSelector('.save-state[data-save-state=saved]');
    await waitFor('the save to be in the database', async () => (await savedVideo()).position_ms > before.position_ms);
    assert.deepEqual(await student.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('firstbell.progress'))), []);
});

test('the end of the video opens the quiz on the same page', async () => {
    await open(student, lesson());
    assert.match(await item(student, 'Check yourself').textContent(), /Opens when you complete/);
    await student.click('.play-button');
    await until(student, 'the video to play', playing);
    await student.evaluate(() => (document.querySelector('video').playbackRate = 4));
    await until(student, 'the end of the video', () => document.querySelector('video').ended, 90);
    await student.waitForSelector('form.quiz');
    await waitFor('the live region to say so', async () => /Now open: Check yourself/.test(await student.textContent('#live')));
    assert.equal((await savedVideo()).status, 2);
});

test('a quiz explains what was not right; the score opens what waits for it', async () => {
    const quiz = item(student, 'Check yourself');
    await quiz.locator('button[type=submit]').click();
    assert.match(await quiz.locator('.save-state').textContent(), /Answer every question first/);
    for (const [question, answers] of [['q1', ['a']], ['q2', ['c']], ['q3', ['a', 'b']], ['q4', ['c']], ['q5', ['a']]]) {
        for (const answer of answers) await quiz.locator(`fieldset[data-question=${question}] input[value=${answer}]`).check();
    }
    await quiz.locator('button[type=submit]').click();
    await student.waitForSelector('.result:not([hidden])');
    assert.match(await quiz.locator('.result').textContent(), /Your score: 60%\. You have passed\./);
    assert.match(await quiz.locator('fieldset[data-question=q2]').textContent(), /Not right yet\. Condensation is the change/);
    assert.match(await quiz.locator('fieldset[data-question=q1]').textContent(), /Right\. The sun warms/);
    const assignment = item(student, 'Make rain in a jar');
    await assignment.locator('button:has-text("Mark as done")').click();
    await assignment.locator('text=You have done this').waitFor();
});

test('a reading is marked as read, and all of it is there after a reload', async () => {
    const reading = item(student, 'Following one drop');
    await reading.locator('button:has-text("Mark as read")').click();
    await reading.locator('text=You have read this').waitFor();
    const image = reading.locator('img');
    await image.scrollIntoViewIfNeeded();
    await waitFor('the picture', () => image.evaluate((node) => node.complete && node.naturalWidth > 600));
    await open(student, `/courses/${stack.ids.course}`);
    const states = await student.locator('.lesson-card').first().locator('.item-row').evaluateAll((rows) => rows.map((row) => row.dataset.status));
    assert.deepEqual(states, ['completed', 'completed', 'completed', 'completed']);
    assert.match(await student.locator('.course-top').textContent(), /4 of 10 items done/);
});

test('the teacher sees the class with it and can sort it', async () => {
    await open(teacher, '/classes');
    const me = await student.evaluate(() => fetch('/api/v1/me').then((answer) => answer.json()));
    await teacher.click('h2 a:has-text("Earth Science 7")');
    await teacher.waitForURL('**/classes/*');
    await shown(teacher);
    assert.equal(await teacher.locator('tbody tr').count(), 28);
    const row = teacher.locator(`tr[data-student="${me.id}"]`);
    assert.equal(await row.locator('th').textContent(), `${me.family_name}, ${me.given_name}`);
    const cells = await row.locator('td .visually-hidden').allTextContents();
    assert.deepEqual(cells.slice(0, 5), ['Completed', 'Completed', 'Completed, score 60%', 'Completed', 'Not started']);
    assert.equal(await teacher.locator('[aria-sort]').getAttribute('aria-sort'), 'ascending');
    await teacher.click('.sort-button:has-text("Progress")');
    assert.equal(await teacher.locator('th[aria-sort]').textContent(), 'Progress');
    assert.equal(await teacher.locator('tbody tr').first().getAttribute('data-student'), String(me.id));
    await teacher.click('.sort-button:has-text("Progress")');
    assert.equal(await teacher.locator('tbody tr').last().getAttribute('data-student'), String(me.id));
});

test('the operator sees the district', async () => {
    const page = await openPage(browser, stack);
    await signIn(page, 'operator.demo');
    assert.equal(await page.textContent('h1'), 'Demo District');
    assert.equal(await page.textContent('[data-count=schools] dd'), '1');
    assert.ok(Number((await page.textContent('[data-count=students] dd')).replace(/\D/g, '')) >= 120);
    assert.match(await page.textContent('table'), /Imported/);
    assert.deepEqual(page.problems, []);
    await page.context().close();
});

/** Presses Tab until the focus is on what matches; the focus must be visible on the way. */
async function tabTo(page, selector, most = 40) {
    for (let i = 0; i < most; i++) {
        await page.keyboard.press('Tab');
        const [found, visible] = await page.evaluate((wanted) => {
            const style = getComputedStyle(document.activeElement);
            return [document.activeElement.matches(wanted), style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2];
        }, selector);
        assert.ok(visible, `the focus can be seen ${i + 1} steps before ${selector}`);
        if (found) return;
    }
    assert.fail(`${selector} was not reached with ${most} steps of Tab`);
}

test('with the keyboard alone: sign in, course, lesson, play', async () => {
    const page = await openPage(browser, stack, { viewport: PHONE });
    await page.goto('/sign-in');
    await until(page, 'the focus in the first field', () => document.activeElement.id === 'username');
    await page.keyboard.type('student.demo');
    await tabTo(page, '#password');
    await page.keyboard.type(password);
    await page.keyboard.press('Enter');
    await page.waitForURL('**/courses');
    await shown(page);
    await tabTo(page, '.skip');
    await page.keyboard.press('Enter');
    await tabTo(page, 'h2 a');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/courses/*');
    await shown(page);
    await tabTo(page, 'h3 a');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/lessons/*');
    await shown(page);
    await tabTo(page, '.play-button');
    await page.keyboard.press('Enter');
    await until(page, 'the video to play', playing);
    await page.keyboard.press('Space');
    await until(page, 'the video to pause', () => document.querySelector('video').paused);
    assert.deepEqual(page.problems, []);
    await page.context().close();
});

test('no page had a console error or broke its Content-Security-Policy', () => {
    assert.deepEqual(student.problems, []);
    assert.deepEqual(teacher.problems, []);
});
