// The demo lesson by addresses that the origin signs and the edge asks for, as the shipped configuration has it: the page plays by them, gets new ones before
// they end and after, and says why it stands still when there are none. Addresses are good for seconds here, so that all of it happens.
// time bound: 900 s

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Client } from '../lib/client.mjs';
import { newPlace } from '../lib/place.mjs';
import { mustFirstbell } from '../lib/server-firstbell.mjs';
import { waitFor } from '../lib/wait.mjs';
import { CHROMEBOOK, checkPage, open, openBrowser, openPage, PHONE, shown, signIn, until } from './browser.mjs';
import { openStack, password } from './stack.mjs';

const PATIENTLY = { seconds: 60 };
const REFUSED = /Failed to load resource: the server responded with a status of (401|403|502|503)/; // what these tests make happen
const TOKEN = /^\/media\/(\d+)\/bell-token=v1\.media-1\.1\.\.(\d{10})\.([\w-]+)\.\.[\w-]{43}\//;
const place = newPlace();
let stack;
let browser;
let page;
let asked; // paths below /media/ that the page has asked for

before(async () => {
    stack = await openStack(place, { settings: { media_link_lifetime_s: 16, media_key_settle_s: 0 } });
    browser = await openBrowser(stack);
    page = await openPage(browser, stack);
    page.allowed.push(REFUSED);
    asked = [];
    page.on('request', (request) => {
        const { pathname } = new URL(request.url());
        if (pathname.startsWith('/media/')) asked.push(pathname);
    });
    await signIn(page, 'student.demo');
});

after(async () => {
    await browser?.close();
    await place.stop();
});

const playing = () => { const video = document.querySelector('video'); return !video.paused && video.currentTime > 0.5; };
const ended = () => document.querySelector('video').ended;
const newClient = () => new Client({ port: stack.port, ca: stack.ca });
const bare = (path) => path.replace(/bell-token=[^/]*\//, '');
const mediaState = (state) => page.locator(`.media-state[data-media-state=${state}]`);

/** The page as it is now on a phone and a Chromebook, light and dark. */
async function checkLooks(name) {
    for (const viewport of [PHONE, CHROMEBOOK]) {
        await page.setViewportSize(viewport);
        for (const colorScheme of ['dark', 'light']) {
            await page.emulateMedia({ colorScheme });
            await checkPage(page, name, colorScheme);
        }
    }
}

async function startToPlay() {
    asked.length = 0;
    const library = page.waitForResponse((response) => response.url().endsWith('/web/vendor/hls.mjs'));
    await open(page, `/lessons/${stack.ids.lesson}`);
    await (await library).finished(); // it is there when somebody presses the button, as it mostly is
    await page.click('.play-button');
    await until(page, 'the video to play', playing, 120);
}

const newest = () => asked.filter((path) => TOKEN.test(path)).sort((a, b) => TOKEN.exec(a)[2] - TOKEN.exec(b)[2]).at(-1);

/** The video stands still, and the newest address that it was loaded by has ended. */
async function sleepPastTheEnd() {
    await page.evaluate(() => document.querySelector('video').pause());
    const client = newClient();
    await waitFor('the newest address to end', async () => {
        const address = newest();
        return (await client.get(address, PATIENTLY)).status === 403 && address === newest();
    }, 120);
    client.close();
}

test('a page that was open before there was a key goes on when there is one', async () => {
    await open(page, `/lessons/${stack.ids.lesson}`);
    const file = place.path('keys/media-1.key');
    await mustFirstbell(place, ['sign-key', 'new', file]);
    await mustFirstbell(place, ['tenant', 'key', 'add', '--tenant', 'demo', '--use', 'path', '--alg', 'hex', '--file', file, 'media-1']);
    const client = newClient();
    await waitFor('the edge to ask for tokens', async () => (await client.get('/media/1/poster.jpg', PATIENTLY)).status === 403);
    client.close();
    await page.click('.play-button');
    await until(page, 'the video to play', playing, 120);
    assert.ok(asked.some((path) => path.endsWith('.m4s')) && asked.filter((path) => path.endsWith('.m4s')).every((path) => TOKEN.test(path)), asked.join('\n'));
    assert.equal(await page.locator('.media-state:not([hidden])').count(), 0);
});

test('the page plays to the end by signed addresses, each good for less than that', async () => {
    await startToPlay();
    const me = await page.evaluate(() => fetch('/api/v1/me').then((answer) => answer.json()));
    await until(page, 'the end of the video', ended, 240);
    assert.ok(asked.some((path) => path.endsWith('.m3u8')) && asked.some((path) => path.endsWith('poster.jpg')), asked.join('\n'));
    assert.ok(asked.every((path) => TOKEN.test(path)), asked.join('\n'));
    assert.ok(asked.every((path) => Buffer.from(TOKEN.exec(path)[3], 'base64url').toString() === String(me.id)), 'they are for the student');
    assert.ok(new Set(asked.map((path) => TOKEN.exec(path)[2])).size > 1, 'more than one was needed');
    assert.equal(await page.locator('.media-state:not([hidden])').count(), 0);

    const status = (path) => page.evaluate((address) => fetch(address, { cache: 'no-store' }).then((answer) => answer.status), path);
    const plain = bare(asked.at(-1));
    assert.equal(await status(plain), 403, 'with a session and without a token');
    assert.equal(await status(asked.find((path) => TOKEN.test(path))), 403, 'the first of them, which has ended');
});

test('captions and pictures that are wanted late come by a new address', async () => {
    await page.click('button:has-text("Captions")');
    await until(page, 'a caption to be shown', () => [...document.querySelector('video').textTracks].some((track) => track.mode === 'showing' && track.cues?.length > 10));
    const picture = page.locator('section.item img').first();
    await picture.scrollIntoViewIfNeeded();
    await waitFor('the picture', () => picture.evaluate((node) => node.complete && node.naturalWidth > 600));
    await page.click('button:has-text("Captions")'); // the choice would be remembered
});

test('an address is enough: without a cookie the playlists and segments come', async () => {
    const student = newClient();
    await waitFor('the sign-in', async () => (await student.post('/api/v1/sessions', { username: 'student.demo', password }, PATIENTLY)).status === 201);
    const nobody = newClient();
    const { url } = await waitFor('all of it by one address', async () => {
        const { status, json } = await student.get(`/api/v1/items/${stack.ids.video}/media`, PATIENTLY);
        if (status !== 200) return false;
        const base = json.url.slice(0, json.url.lastIndexOf('/'));
        const codes = [];
        for (const path of [json.url, `${base}/360p/index.m3u8`, `${base}/poster.jpg`]) codes.push((await nobody.get(path, PATIENTLY)).status);
        return codes.every((code) => code === 200) && json;
    });
    assert.equal((await nobody.get(bare(url), PATIENTLY)).status, 403);
    assert.equal((await nobody.get(`/api/v1/items/${stack.ids.video}/media`, PATIENTLY)).status, 401);
    student.close();
    nobody.close();
});

test('Firstbell away when the address has ended: the page says so, and goes on by itself', async () => {
    await startToPlay();
    await sleepPastTheEnd();
    await stack.stopApi();
    await page.evaluate(() => void document.querySelector('video').play().catch(() => {}));
    await mediaState('waiting').waitFor({ timeout: 120_000 });
    assert.match(await mediaState('waiting').textContent(), /It goes on by itself as soon as Firstbell answers again\./);
    await checkLooks('lesson-media-waiting');
    await stack.startApi();
    await page.locator('.media-state').waitFor({ state: 'hidden', timeout: 180_000 });
    await page.evaluate(() => (document.querySelector('video').playbackRate = 3));
    await until(page, 'the end of the video', ended, 240);
});

test('whoever has been signed out is told, and goes on after signing in again', async () => {
    await startToPlay();
    await sleepPastTheEnd();
    await page.context().clearCookies();
    await page.evaluate(() => void document.querySelector('video').play().catch(() => {}));
    await mediaState('signed-out').waitFor({ timeout: 120_000 });
    assert.match(await mediaState('signed-out').textContent(), /You have been signed out\. Sign in again, and the video goes on where you were\./);
    assert.equal(await mediaState('signed-out').locator('a').getAttribute('href'), `/sign-in?next=${encodeURIComponent(`/lessons/${stack.ids.lesson}`)}`);
    await checkLooks('lesson-media-signed-out');

    const other = await page.context().newPage(); // another tab
    await other.goto('/sign-in');
    await other.fill('#username', 'student.demo');
    await other.fill('#password', password);
    await other.click('#sign-in-form button[type=submit]');
    await other.waitForURL((url) => url.pathname !== '/sign-in');
    await shown(other);
    await other.close();
    await page.evaluate(() => {
        const video = document.querySelector('video');
        video.pause();
        video.playbackRate = 3;
        void video.play().catch(() => {});
    });
    await page.locator('.media-state').waitFor({ state: 'hidden', timeout: 120_000 });
    await until(page, 'the end of the video', ended, 240);
});

test('no page had another console error', () => {
    assert.deepEqual(page.problems, []);
});
