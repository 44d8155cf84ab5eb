// Coming in by a code of a class's sheet, by pictures, and again after a reset: with a browser, a printer and a mailbox.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { waitFor } from '../lib/wait.mjs';
import { startSmtp } from '../lib/server-smtp.mjs';
import { CHROMEBOOK, checkPage, open, openBrowser, openPage, PHONE, shown, signIn, signOut, until } from './browser.mjs';
import { openStack } from './stack.mjs';

const require = createRequire(import.meta.url);
const jsQR = require('jsqr');
const { PNG } = require('pngjs');

const place = newPlace();
const LOOKS = [PHONE, CHROMEBOOK].flatMap((viewport) => ['light', 'dark'].map((colorScheme) => ({ viewport, colorScheme })));
const fresh = 'seven otters under glass';
const shots = process.env.FB_TEST_SHOTS;
if (shots) mkdirSync(shots, { recursive: true });

let stack;
let browser;
let mailbox;
let classId;
const sql = (text) => stack.postgres.sql('postgres', text);

before(async () => {
    mailbox = await startSmtp();
    stack = await openStack(place, { settings: { smtp_url: `smtp+plain://127.0.0.1:${mailbox.port}`, smtp_from: 'bell@example.org' } });
    browser = await openBrowser(stack);
    classId = Number(await sql("SELECT e.class_id FROM enrollments e JOIN users u USING (tenant_id) WHERE u.id = e.user_id AND e.role = 4 AND u.username = 'teacher.demo' ORDER BY 1 LIMIT 1"));
});
after(async () => {
    await browser?.close();
    await place.stop();
    await mailbox?.close();
});

async function withPage(login, work, options = {}) {
    const page = await openPage(browser, stack, options);
    try {
        if (login) await signIn(page, login);
        await work(page);
        assert.deepEqual(page.problems, []);
    } finally {
        await page.context().close();
    }
}

async function check(page, name) {
    for (const { viewport, colorScheme } of LOOKS) {
        await page.setViewportSize(viewport);
        await page.emulateMedia({ colorScheme });
        await checkPage(page, name, colorScheme);
    }
    await page.setViewportSize(CHROMEBOOK);
}

/** Students of the class without a password; the first ones that no test has taken. */
let taken = 0;
async function nextStudent() {
    const rows = await stack.postgres.rows('postgres', `SELECT u.id, u.username, u.given_name, u.family_name FROM users u JOIN enrollments e ON e.tenant_id = u.tenant_id AND e.user_id = u.id
        WHERE e.class_id = ${classId} AND e.role = 3 AND u.username <> 'student.demo' ORDER BY u.id OFFSET ${taken++} LIMIT 1`);
    return rows[0];
}

/** A code for one student, made by the teacher in a browser. */
async function codeFor(student) {
    let code;
    await withPage('teacher.demo', async (page) => {
        await open(page, `/classes/${classId}/codes`);
        await page.click(`tr[data-student="${student.id}"] button`);
        await page.click('dialog button[value=yes]');
        code = await page.textContent('.slip-code');
    });
    return code;
}

async function home(page, username) {
    await page.waitForURL('**/courses');
    await shown(page);
    assert.equal(await page.evaluate(() => fetch('/api/v1/me').then((reply) => reply.json()).then((me) => me.username)), username);
}

test('a teacher makes a sheet, which prints on A4 and Letter; its QR code leads a student in', async () => {
    const student = await nextStudent();
    let address;
    await withPage('teacher.demo', async (page) => {
        await open(page, `/classes/${classId}`);
        await page.click('text=Sign-in codes');
        await page.waitForURL('**/codes');
        await shown(page);
        await check(page, 'codes');
        await page.click('text=Make code sheet');
        await page.waitForSelector('.slip');
        assert.equal(await page.evaluate(() => document.activeElement.id), 'slips-title');
        await check(page, 'codes-sheet');
        address = await readQr(page, student);
        assert.equal(address, `${stack.origin}/activate#${await page.textContent(`.slip[data-user="${student.id}"] .slip-code`)}`);
        await print(page);
        await page.click('text=Make code sheet');
        await page.waitForSelector('dialog[open]');
        await check(page, 'codes-again');
        await page.keyboard.press('Escape');
        await page.reload();
        await shown(page);
        assert.equal(await page.locator('.slip').count(), 0, 'codes are shown once');
    });
    await withPage(null, async (page) => {
        await page.goto(address);
        await page.waitForSelector('#new-password');
        assert.equal(await page.textContent('h1'), `Hello ${student.given_name} ${[...student.family_name][0]}.`);
        assert.equal(new URL(page.url()).hash, '', 'the code does not stay in the address');
        await page.fill('#new-password', fresh);
        await page.check('#show-new-password');
        await page.click('button[type=submit]');
        await home(page, student.username);
    });
});

/** What a phone's camera reads from the slip. */
async function readQr(page, student) {
    await page.emulateMedia({ colorScheme: 'light' });
    const png = PNG.sync.read(await page.locator(`.slip[data-user="${student.id}"] .qr`).screenshot());
    return jsQR(new Uint8ClampedArray(png.data), png.width, png.height)?.data;
}

/** On paper: only slips, none cut by a page's end, in both formats. */
async function print(page) {
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    assert.equal(await page.isVisible('.site-header'), false);
    assert.equal(await page.isVisible('.table-scroll'), false);
    assert.ok(await page.isVisible('.slip-code'));
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(255, 255, 255)');
    if (shots) {
        await page.setViewportSize({ width: 703, height: 1032 }); // A4 within its margins
        await page.screenshot({ path: path.join(shots, 'sheet-on-paper.png') });
        await page.setViewportSize(CHROMEBOOK);
    }
    for (const format of ['A4', 'Letter']) {
        const pdf = await page.pdf({ format, preferCSSPageSize: false });
        const pages = pdf.toString('latin1').match(/\/Type\s*\/Page\b/g).length;
        const slips = await page.locator('.slip').count();
        assert.ok(pages >= Math.ceil(slips / 8) && pages <= Math.ceil(slips / 6) + 1, `${slips} slips on ${pages} pages of ${format}`);
        if (shots) writeFileSync(path.join(shots, `sheet-${format}.pdf`), pdf);
    }
    await page.emulateMedia({ media: null });
}

test('a code is typed; what is wrong is said beside its field', async () => {
    const student = await nextStudent();
    const code = await codeFor(student);
    await withPage(null, async (page) => {
        page.allowed.push(/status of (403|422)/);
        await page.goto('/sign-in');
        await page.click('text=I have a code');
        await page.waitForURL('**/activate');
        await check(page, 'activate');
        await page.click('button[type=submit]');
        assert.equal(await page.textContent('#code-error'), 'Enter the code from your paper.');
        await page.fill('#code', 'CDF-HJK-MNP');
        await page.keyboard.press('Enter');
        await until(page, 'the refusal', () => document.getElementById('code-error').textContent.includes('not right'));
        assert.equal(await page.getAttribute('#code', 'aria-invalid'), 'true');
        await check(page, 'activate-wrong');
        await page.fill('#code', code.toLowerCase().replaceAll('-', ' '));
        await page.keyboard.press('Enter');
        await page.waitForSelector('#new-password');
        assert.ok((await page.textContent('#step')).includes(student.username));
        await check(page, 'activate-password');
        await page.fill('#new-password', 'short');
        await page.click('button[type=submit]');
        assert.match(await page.textContent('#new-password-error'), /too short/);
        await page.fill('#new-password', 'password123');
        await page.fill('#password-again', 'password124');
        await page.click('button[type=submit]');
        assert.match(await page.textContent('#password-again-error'), /not the same/);
        await page.fill('#password-again', 'password123');
        await page.click('button[type=submit]');
        await until(page, 'the refusal', () => document.getElementById('new-password-error').textContent.includes('easy to guess'));
        assert.equal(await page.evaluate(() => document.activeElement.id), 'new-password');
        await check(page, 'activate-refused');
        await page.fill('#new-password', fresh);
        await page.fill('#password-again', fresh);
        await page.keyboard.press('Enter');
        await home(page, student.username);
        await page.goto(`/activate#${code}`);
        await until(page, 'the refusal of a used code', () => document.getElementById('code-error').textContent.includes('has been used'));
    });
});

test('pictures are chosen and used with the keyboard alone', async () => {
    const student = await nextStudent();
    await sql(`UPDATE users SET grades = '{KG}' WHERE id = ${student.id}`);
    const code = await codeFor(student);
    const focus = (page) => page.evaluate(() => document.activeElement.dataset.picture ?? document.activeElement.id ?? document.activeElement.textContent);
    const tabTo = async (page, what) => {
        for (let i = 0; i < 60; i++) {
            if ((await page.evaluate(() => document.activeElement.dataset.picture ?? document.activeElement.textContent)) === what) return;
            await page.keyboard.press('Tab');
        }
        assert.fail(`Tab does not reach ${what}; it is at ${await focus(page)}`);
    };
    const choose = async (page) => {
        await tabTo(page, 'cat');
        for (const key of ['Enter', 'ArrowRight', 'ArrowDown', 'Space', 'ArrowLeft', 'Enter', 'Enter']) await page.keyboard.press(key);
        assert.equal(await page.locator('.picture-slot[data-full]').count(), 4); // cat, moon, sun, sun
    };
    await withPage(null, async (page) => {
        page.allowed.push(/status of 401/);
        await page.goto(`/activate#${code}`);
        await page.waitForSelector('.pictures');
        await check(page, 'activate-pictures');
        await page.keyboard.press('Tab');
        await choose(page);
        assert.deepEqual(await page.locator('.picture-slot').allTextContents(), ['cat', 'moon', 'sun', 'sun']);
        await check(page, 'activate-pictures-chosen');
        await tabTo(page, 'Save and sign in');
        await page.keyboard.press('Enter');
        await home(page, student.username);
        await signOut(page);

        await page.goto('/sign-in');
        await page.focus('#username');
        await page.keyboard.type(student.username);
        await tabTo(page, 'Sign in with pictures');
        await page.keyboard.press('Enter');
        await page.waitForSelector('.pictures');
        await check(page, 'sign-in-pictures');
        for (let i = 0; i < 4; i++) await page.keyboard.press('Enter'); // four times the first one
        await tabTo(page, 'Sign in');
        await page.keyboard.press('Enter');
        await until(page, 'the refusal', () => document.getElementById('message').textContent.includes('pictures are not right'));
        assert.equal(await page.locator('.picture-slot[data-full]').count(), 0);
        await choose(page);
        assert.ok(!(await page.locator('.picture-slot').allTextContents()).includes('moon'), 'what is chosen is not shown');
        await check(page, 'sign-in-pictures-chosen');
        await tabTo(page, 'Sign in');
        await page.keyboard.press('Enter');
        await home(page, student.username);
    });
});

test('a reset by the teacher ends a session at once, and an operator finds people', async () => {
    const student = await nextStudent();
    const code = await codeFor(student);
    await withPage(null, async (page) => {
        page.allowed.push(/status of 401/);
        await page.goto(`/activate#${code}`);
        await page.fill('#new-password', fresh);
        await page.fill('#password-again', fresh);
        await page.keyboard.press('Enter');
        await home(page, student.username);
        const next = await codeFor(student);
        assert.notEqual(next, code);
        await page.goto('/courses');
        await page.waitForURL('**/sign-in**');
        await page.goto(`/activate#${next}`);
        await page.waitForSelector('#new-password');
    });
    await withPage('operator.demo', async (page) => {
        await open(page, '/people');
        await check(page, 'people');
        await page.fill('#query', student.family_name);
        await page.keyboard.press('Enter');
        await page.waitForSelector('tbody tr');
        await check(page, 'people-found');
        await page.click(`tr:has-text("${student.username}") button`);
        await page.waitForSelector('dialog[open]');
        await check(page, 'people-reset');
        await page.click('dialog button[value=yes]');
        await page.waitForSelector('.slip');
        await check(page, 'people-slip');
        await page.fill('#query', 'nobody has this name');
        await page.keyboard.press('Enter');
        await page.waitForSelector('text=Nobody was found');
    });
});

test('a reset by mail: the link in the mail leads to a new password', async () => {
    const student = await nextStudent();
    await sql(`UPDATE users SET email = 'kid@example.org', given_name = 'Zoë' WHERE id = ${student.id}`);
    await withPage(null, async (page) => {
        page.allowed.push(/status of 403/);
        await page.goto('/sign-in');
        await page.click('text=I have forgotten my password');
        await page.waitForSelector('#who');
        await check(page, 'reset');
        await page.click('button[type=submit]');
        assert.match(await page.textContent('#who-error'), /Enter your user name/);
        await page.fill('#who', student.username);
        await page.keyboard.press('Enter');
        await page.waitForSelector('text=Look into your mail');
        await check(page, 'reset-sent');
        const mail = await mailbox.waitForMail();
        const [link] = mail.text.match(/https:\S+/);
        assert.ok(link.startsWith(`${stack.origin}/reset#`), link);
        await waitFor('the job to be over, with which the link begins to count', async () => (await sql('SELECT count(*) FROM reset_links')) !== '0');
        await page.goto('about:blank');
        await page.goto(link);
        await page.waitForSelector('#new-password');
        assert.equal(await page.textContent('h1'), `Hello Zoë ${[...student.family_name][0]}.`);
        assert.equal(new URL(page.url()).hash, '');
        await page.fill('#new-password', 'nine quiet lanterns');
        await page.fill('#password-again', 'nine quiet lanterns');
        await page.keyboard.press('Enter');
        await home(page, student.username);
        await page.goto('about:blank');
        await page.goto(link);
        await until(page, 'the refusal of a used link', () => document.body.textContent.includes('has been used'));
        await check(page, 'reset-used');
    });
});

test('without a relay the page names people who help', async () => {
    await withPage(null, async (page) => {
        await page.route('**/api/v1/account-rules', (route) => route.fulfill({ json: { mail: false, password_min_length: 8 } })); // what such an api answers: accounts-mail.test.mjs
        await page.goto('/reset');
        await page.waitForSelector('text=Ask your teacher or the school office. They give you a code');
        await check(page, 'reset-without-mail');
    });
});
