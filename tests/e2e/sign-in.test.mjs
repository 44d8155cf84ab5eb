// Signing in and out, with JavaScript and without.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { openBrowser, openPage, shown, signIn, signOut } from './browser.mjs';
import { openStack, password } from './stack.mjs';

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

async function withPage(options, work) {
    const page = await openPage(browser, stack, options);
    try {
        await work(page);
        assert.deepEqual(page.problems, []);
    } finally {
        await page.context().close();
    }
}

test('errors stand beside their field, and the focus goes to the first', () =>
    withPage({}, async (page) => {
        await page.goto('/sign-in');
        await page.click('#sign-in-form button[type=submit]');
        assert.equal(await page.textContent('#username-error'), 'Enter your user name.');
        assert.equal(await page.getAttribute('#username', 'aria-invalid'), 'true');
        assert.equal(await page.getAttribute('#username', 'aria-describedby'), 'username-error');
        assert.equal(await page.evaluate(() => document.activeElement.id), 'username');
        await page.fill('#username', 'student.demo');
        assert.equal(await page.isVisible('#username-error'), false);
    }));

test('a wrong password is said in words and keeps the user name', () =>
    withPage({}, async (page) => {
        page.allowed.push(/status of 401/);
        await page.goto('/sign-in');
        await page.fill('#username', 'student.demo');
        await page.fill('#password', 'not the password');
        await page.keyboard.press('Enter');
        await page.waitForSelector('#message:not([hidden])');
        assert.match(await page.textContent('#message'), /user name or the password is not right/);
        assert.equal(await page.getAttribute('#message', 'role'), 'alert');
        assert.equal(await page.inputValue('#username'), 'student.demo');
        assert.equal(await page.evaluate(() => document.activeElement.id), 'password');
    }));

test('each role lands on its own page and signs out', async () => {
    for (const [login, home] of [['student.demo', '/courses'], ['teacher.demo', '/classes'], ['operator.demo', '/district']]) {
        await withPage({}, async (page) => {
            await signIn(page, login);
            assert.equal(new URL(page.url()).pathname, home);
            await signOut(page);
            assert.ok(await page.isVisible('#signed-out'));
            await page.goto(home);
            assert.equal(new URL(page.url()).pathname, '/sign-in');
        });
    }
});

test('the page that was asked for comes after signing in, a foreign address does not', () =>
    withPage({}, async (page) => {
        await signIn(page, 'student.demo', { next: `/courses/${stack.ids.course}` });
        assert.equal(new URL(page.url()).pathname, `/courses/${stack.ids.course}`);
        await signOut(page);
        await signIn(page, 'student.demo', { next: '//evil.example/x' });
        assert.equal(page.url(), `${stack.origin}/courses`);
    }));

test('a session that ended leads to sign-in and back', () =>
    withPage({}, async (page) => {
        page.allowed.push(/status of 401/);
        await signIn(page, 'student.demo');
        await page.context().clearCookies();
        await page.evaluate(() => { import('/web/js/page.js').then(({ page: show }) => show(() => [])); }); // what a page does when it is shown
        await page.waitForURL('**/sign-in?next=%2Fcourses');
    }));

test('without JavaScript the form works, says what is wrong, and signs out', () =>
    withPage({ javaScriptEnabled: false }, async (page) => {
        await page.goto('/sign-in');
        await page.fill('#username', 'student.demo');
        await page.fill('#password', 'not the password');
        await page.click('#sign-in-form button[type=submit]');
        await page.waitForURL('**/sign-in#wrong');
        assert.ok(await page.isVisible('#wrong'));
        assert.equal(await page.isVisible('#show-password'), false);
        await page.fill('#username', 'student.demo');
        await page.fill('#password', password);
        await page.click('#sign-in-form button[type=submit]');
        await page.waitForURL((url) => url.pathname === '/courses');
        assert.match(await page.textContent('noscript'), /needs JavaScript/);
        await page.click('text=Sign out');
        await page.waitForURL('**/sign-in#signed-out');
        assert.ok(await page.isVisible('#signed-out'));
    }));

test('the cookie is out of reach of scripts', () =>
    withPage({}, async (page) => {
        await signIn(page, 'student.demo');
        await shown(page);
        const cookies = await page.context().cookies();
        assert.deepEqual(cookies.map(({ name }) => name).sort(), ['__Host-bell_device', '__Host-bell_form', '__Host-bell_session']);
        for (const { name, httpOnly, secure, sameSite } of cookies) {
            assert.deepEqual({ httpOnly, secure, sameSite }, { httpOnly: true, secure: true, sameSite: 'Lax' }, name);
        }
        assert.equal(await page.evaluate(() => document.cookie), '');
    }));
