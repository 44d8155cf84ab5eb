// Signing in at the district's own provider, in a browser: button, provider, back. And the page that says why not.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { freePort, newPlace } from '../lib/place.mjs';
import { startProvider } from '../lib/oidc-provider.mjs';
import { mustFirstbell } from '../lib/server-firstbell.mjs';
import { waitFor } from '../lib/wait.mjs';
import { CHROMEBOOK, checkPage, openBrowser, openPage, PHONE, shown, signOut } from './browser.mjs';
import { openStack } from './stack.mjs';

const place = newPlace();
const accounts = {
    ann: { email: 'ann@school.example', email_verified: true },
    eve: { email: 'eve@elsewhere.example', email_verified: true },
};
let stack;
let browser;
let provider;

before(async () => {
    stack = await openStack(place, { settings: { fetch_private_hosts: 'localhost', fetch_ca_file: place.path('tls/ca.crt') } });
    const redirectUri = `${stack.origin}/sign-in/oidc/1/callback`;
    const clients = [{ client_id: 'firstbell', client_secret: 'a secret of this test', redirect_uris: [redirectUri] }];
    provider = await startProvider({ certificate: stack.certificate, port: await freePort(), accounts, clients });
    await stack.postgres.sql('postgres', "UPDATE users SET email = 'ann@school.example' WHERE username = 'student.demo'");
    const secret = place.write('secret', 'a secret of this test\n', 0o600);
    const named = ['--title', 'School ID', '--issuer', provider.origin, '--client-id', 'firstbell', '--secret-file', secret, '--link-by', 'email'];
    await mustFirstbell(place, ['tenant', 'oidc', 'add', '--tenant', 'demo', ...named]);
    browser = await openBrowser(stack);
});

after(async () => {
    await browser?.close();
    await provider?.close();
    await place.stop();
});

const LOOKS = [PHONE, CHROMEBOOK].flatMap((viewport) => ['light', 'dark'].map((colorScheme) => ({ viewport, colorScheme })));

async function check(page, name) {
    for (const { viewport, colorScheme } of LOOKS) {
        await page.setViewportSize(viewport);
        await page.emulateMedia({ colorScheme });
        await checkPage(page, name, colorScheme);
    }
}

/** From the sign-in page through the provider's own form. */
async function signInElsewhere(page, login, from = '/sign-in') {
    await waitFor('the button of the provider', async () => {
        await page.goto(from);
        return page.isVisible('text=Sign in with School ID');
    });
    await page.click('text=Sign in with School ID');
    await page.waitForURL(`${provider.origin}/**`);
    await page.fill('input[name=login]', login);
    await page.click('button');
    await page.waitForURL(`${stack.origin}/**`);
}

test('button, provider, and back on the page that was wanted', async () => {
    const page = await openPage(browser, stack);
    page.allowed.push(/status of 401/, /favicon\.ico/); // asked for after signing out; of the provider
    await page.goto(`/courses/${stack.ids.course}`);
    await page.waitForURL((url) => url.pathname === '/sign-in');
    await signInElsewhere(page, 'ann', page.url());
    assert.equal(page.url(), `${stack.origin}/courses/${stack.ids.course}`);
    await shown(page);
    const me = await page.evaluate(() => fetch('/api/v1/me').then((answer) => answer.json()));
    assert.equal(me.username, 'student.demo');
    await signOut(page);
    assert.equal(await page.evaluate(() => fetch('/api/v1/me').then((answer) => answer.status)), 401);
    assert.deepEqual(page.problems, []);
    await page.context().close();
});

test('without a script', async () => {
    const page = await openPage(browser, stack, { javaScriptEnabled: false });
    await signInElsewhere(page, 'ann');
    assert.equal(new URL(page.url()).pathname, '/courses');
    await page.context().close();
});

test('the sign-in page with the button, in every look and with the keyboard', async () => {
    const page = await openPage(browser, stack);
    await page.goto('/sign-in');
    await check(page, 'sign-in-providers');
    await page.focus('#sign-in-form button[type=submit]');
    const stops = [];
    for (let i = 0; i < 2; i++) {
        await page.keyboard.press('Tab');
        stops.push(await page.evaluate(() => document.activeElement.textContent));
    }
    assert.deepEqual(stops, ['Sign in with pictures', 'Sign in with School ID']);
    await page.context().close();
});

test('somebody whom nobody here knows: a sentence, a number to tell, and the way back', async () => {
    const page = await openPage(browser, stack);
    page.allowed.push(/status of 403/, /favicon\.ico/);
    await signInElsewhere(page, 'eve');
    assert.match(await page.textContent('main'), /School ID knows you, but nobody here is known by that account\. Please ask your teacher/);
    assert.match(await page.textContent('.request-id'), /^[0-9a-f]{32}$/);
    await check(page, 'sign-in-elsewhere-unknown');
    await page.click('text=Back to the sign-in page');
    await page.waitForURL('**/sign-in');
    await page.context().close();
});
