// Chromium through playwright-core, and what every page must keep: no console error, no violation of the CSP, nothing that axe finds, no sideways scrolling.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

import { chromium } from 'playwright-core';

import { waitFor } from '../lib/wait.mjs';
import { password } from './stack.mjs';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const AXE_RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const QUIET = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run', '--disable-quic', '--mute-audio'];

export const PHONE = { width: 360, height: 740 };
export const CHROMEBOOK = { width: 1366, height: 768 };

/** FB_TEST_SHOTS=DIR: screenshots of every page go there. */
const shots = process.env.FB_TEST_SHOTS;
if (shots) mkdirSync(shots, { recursive: true });

/** Debian's Chromium; it trusts the stack's own key and no other certificate that is not publicly trusted. */
export async function openBrowser(stack) {
    const args = [...QUIET, `--ignore-certificate-errors-spki-list=${stack.spki}`];
    if (process.getuid() === 0) args.push('--no-sandbox');
    return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args });
}

/** A page in a context of its own. Options as newContext's. page.problems are console errors and exceptions; those that match page.allowed are not kept. */
export async function openPage(browser, stack, { viewport = CHROMEBOOK, ...options } = {}) {
    const context = await browser.newContext({ baseURL: stack.origin, viewport, locale: 'en-US', timezoneId: 'UTC', ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    page.problems = [];
    page.allowed = [];
    const keep = (text) => page.allowed.some((pattern) => pattern.test(text)) || page.problems.push(text);
    page.on('console', (message) => message.type() === 'error' && keep(`${message.text()} (${message.location().url})`));
    page.on('pageerror', (error) => keep(`uncaught: ${error.message}`));
    return page;
}

/** Signs in by the form and waits for the page that follows to be shown. */
export async function signIn(page, username, { next = '' } = {}) {
    await page.goto(next ? `/sign-in?next=${encodeURIComponent(next)}` : '/sign-in');
    await page.fill('#username', username);
    await page.fill('#password', password);
    await page.click('#sign-in-form button[type=submit]');
    await page.waitForURL((url) => url.pathname !== '/sign-in');
    await shown(page);
}

/** The page has what it was asked for (or says why not). */
export async function shown(page) {
    await page.waitForSelector('#content:not([aria-busy])', { state: 'attached' });
}

export async function open(page, address) {
    await page.goto(address);
    await shown(page);
}

/** Calls a function in the page until it gives something true. (playwright's waitForFunction needs eval, which the pages' CSP forbids.) */
export function until(page, what, inPage, seconds = 60) {
    return waitFor(what, () => page.evaluate(inPage), seconds);
}

export async function signOut(page) {
    await page.click('text=Sign out');
    await page.waitForURL('**/sign-in#signed-out');
}

/** What every page must keep, in the state that it is in now; makes a screenshot NAME-WIDTH-SCHEME.png. */
export async function checkPage(page, name, scheme = 'light') {
    const width = page.viewportSize().width;
    if (shots) await page.screenshot({ path: path.join(shots, `${name}-${width}-${scheme}.png`), fullPage: true });
    const where = `${name}, ${width} px, ${scheme}`;
    assert.deepEqual(await page.evaluate(facts), { headings: 1, main: 1, sideways: 0, titled: true, language: true }, where);
    if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axeSource); // once a document: it is large
    const found = await page.evaluate((rules) => globalThis.axe.run(document, { runOnly: rules, resultTypes: ['violations'] }), AXE_RULES);
    assert.deepEqual(found.violations.map(violation), [], `axe finds something on ${where}`);
    assert.deepEqual(page.problems, [], `console errors on ${where}`);
}

function facts() {
    return {
        headings: document.querySelectorAll('h1').length,
        main: document.querySelectorAll('main').length,
        sideways: Math.max(0, document.documentElement.scrollWidth - innerWidth),
        titled: document.title.endsWith('· Firstbell') && document.title.length > 12,
        language: document.documentElement.lang.startsWith('en') && document.documentElement.dir === 'ltr',
    };
}

function violation({ id, help, nodes }) {
    return `${id}: ${help}: ${nodes.map((node) => node.target.join(' ')).slice(0, 3).join(', ')}`;
}
