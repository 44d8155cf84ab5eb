// The demo video behind signed addresses, played by hls.js in Chromium in three ways: a token in the path, CloudFront's cookies, and a playlist that is
// rewritten on its way. Each plays, and stops when its token ends.
// time bound: 900 s

import assert from 'node:assert/strict';
import { createSign, generateKeyPairSync } from 'node:crypto';
import { chmodSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { app } from '../lib/app.mjs';
import { nowSeconds } from '../lib/edge-context.mjs';
import { freePort, newPlace } from '../lib/place.mjs';
import { mustFirstbell, writeSettings } from '../lib/server-firstbell.mjs';
import { modulePath, startNginx, tempPaths } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { openBrowser, openPage, until } from './browser.mjs';
import { demoCourse } from './stack.mjs';

const place = newPlace();
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
let origin;
let browser;

/** It pauses by itself when it has played a second, so that however slow the test is, most is still to be loaded then. */
const player = `import Hls from '/hls.mjs';
    const video = document.querySelector('video');
    const hls = new Hls({ enableWorker: false, startLevel: 0, maxBufferLength: 4, maxMaxBufferLength: 4, backBufferLength: 4 });
    const seen = (globalThis.seen = { played: false, refused: 0, fatal: false });
    hls.on(Hls.Events.ERROR, (event, data) => {
        if (data.response?.code === 403) seen.refused++;
        seen.fatal ||= data.fatal;
    });
    video.addEventListener('timeupdate', () => {
        if (seen.played || video.currentTime < 1) return;
        seen.played = true;
        video.pause();
    });
    globalThis.open = (url) => {
        hls.loadSource(url);
        hls.attachMedia(video);
        void video.play().catch(() => {}); // a pause ends the promise
    };
    globalThis.goOn = () => void video.play().catch(() => {});
    globalThis.state = () => ({ ...seen, at: video.currentTime, duration: video.duration, ready: video.readyState, ended: video.ended,
        loaded: video.buffered.length ? video.buffered.end(video.buffered.length - 1) : 0 });
    document.title = 'ready';`;

function conf(port, media) {
    const secret = place.write('p1.key', `${'a1'.repeat(32)}\n`);
    chmodSync(secret, 0o600);
    const key = place.write('films.pem', rsa.publicKey.export({ type: 'spki', format: 'pem' }));
    place.write('www/player.html', '<!doctype html><html lang="en"><title>Player</title><link rel="icon" href="data:,"><video muted></video><script type="module" src="player.mjs"></script></html>');
    place.write('www/player.mjs', player);
    return `load_module ${modulePath()};\nload_module ${modulePath('ngx_http_bell_signed_module')};
worker_processes 1;
events { worker_connections 256; }
http {
    ${tempPaths(place)}
    access_log off;
    types { text/html html; text/javascript mjs; application/vnd.apple.mpegurl m3u8; video/mp4 mp4 m4s; text/vtt vtt; }
    bell_signed_issuer films cloudfront key=films:${key} host=demo.localhost;
    bell_signed_issuer ours path secret=p1:${secret} host=demo.localhost;
    server {
        listen 127.0.0.1:${port};
        server_name demo.localhost;
        root ${place.path('www')};
        location = /hls.mjs { alias ${path.join(app(), 'web/vendor/hls.mjs')}; }
        location /path/ { bell_signed ours; alias ${media}/; }
        location /cookie/ { bell_signed films; alias ${media}/; }
        location /rewritten/ { bell_signed films ours; bell_signed_hls ours; alias ${media}/; }
    }
}
`;
}

before(async () => {
    const port = await freePort();
    origin = `http://demo.localhost:${port}`;
    writeSettings(place);
    await startNginx(place, { conf: conf(port, path.join(demoCourse(), 'media/water-cycle')), port });
    browser = await openBrowser({ spki: '' });
});

after(async () => {
    await browser?.close();
    await place.stop();
});

/** CloudFront's words for what a pattern names: {Policy, Signature, Key-Pair-Id}. */
function cloudfront(pattern, ends) {
    const b64 = (bytes) => bytes.toString('base64').replaceAll('+', '-').replaceAll('=', '_').replaceAll('/', '~');
    const policy = Buffer.from(`{"Statement":[{"Resource":"${origin}${pattern}","Condition":{"DateLessThan":{"AWS:EpochTime":${ends}}}}]}`);
    return { Policy: b64(policy), Signature: b64(createSign('sha1').update(policy).sign(rsa.privateKey)), 'Key-Pair-Id': 'films' };
}

/** Each gives the address of the playlist for a student until it ends. */
const ways = {
    async path(page, lifetime) {
        const words = ['sign', '--key', place.path('p1.key'), '--subject', 'student', '--lifetime', String(lifetime), `${origin}/path/master.m3u8`];
        return (await mustFirstbell(place, words)).trim();
    },
    async cookie(page, lifetime) {
        const words = Object.entries(cloudfront('/cookie/*', nowSeconds() + lifetime));
        await page.context().addCookies(words.map(([name, value]) => ({ name: `CloudFront-${name}`, value, url: origin })));
        return `${origin}/cookie/master.m3u8`;
    },
    async rewritten(page, lifetime) {
        return `${origin}/rewritten/master.m3u8?${new URLSearchParams(cloudfront('/rewritten/master.m3u8', nowSeconds() + lifetime))}`;
    },
};

/** Plays a second. A machine that needs longer for that than the token is good for gets one that is good for twice as long. */
async function playASecond(page, way) {
    for (let lifetime = 15; ; lifetime *= 2) {
        await page.goto('/player.html');
        await until(page, 'the player to be there', () => document.title === 'ready');
        const url = await ways[way](page, lifetime);
        await page.evaluate((address) => globalThis.open(address), url);
        const state = await until(page, 'the video to play, or to be refused', () => (globalThis.seen.played || globalThis.seen.fatal ? globalThis.state() : undefined), 120 + lifetime);
        if (state.played) return { url, lifetime, state };
        assert.ok(state.refused > 0 && lifetime < 300, JSON.stringify(state));
    }
}

const carries = {
    path: (url) => /\/path\/bell-token=v1\.p1\.0\./.test(url),
    cookie: (url) => /\/cookie\/\d+p\/[^?=]*$/.test(url),
    rewritten: (url) => /\/rewritten\/\d+p\/bell-token=v1h\.p1\.0\.[^/]*\/[^/?]*$/.test(url),
};

for (const way of Object.keys(ways)) {
    test(`${way}: the video plays, and stops when the token ends`, async () => {
        const page = await openPage(browser, { origin });
        const segments = [];
        page.on('request', (request) => /\.m4s/.test(request.url()) && segments.push(request.url()));
        const { url, lifetime, state } = await playASecond(page, way);
        assert.ok(state.at >= 1 && state.duration > 50 && state.loaded < state.duration - 20, JSON.stringify(state));
        assert.ok(segments.length > 0 && segments.every(carries[way]), segments.join('\n'));

        // the very segment that it has had is refused from then on
        await waitFor('the token to end', () => page.evaluate((address) => fetch(address, { cache: 'no-store' }).then(({ status }) => status === 403), segments[0]), lifetime + 60);
        assert.equal(await page.evaluate((address) => fetch(address, { cache: 'no-store' }).then(({ status }) => status), url), 403);

        // what is loaded plays on; nothing follows
        await page.evaluate(() => globalThis.goOn());
        await until(page, 'the rest to be refused', () => globalThis.seen.fatal && globalThis.seen.refused > 0, 120);
        const stopped = await until(page, 'the video to stand still', () => {
            const now = globalThis.state();
            return now.ready <= HTMLMediaElement.HAVE_CURRENT_DATA && now.loaded - now.at < 0.5 ? now : undefined;
        }, 120);
        assert.ok(!stopped.ended && stopped.at > state.at && stopped.at < stopped.duration - 10, JSON.stringify(stopped));
        assert.deepEqual(page.problems.filter((problem) => !/403 \(Forbidden\)/.test(problem)), []);
        await page.context().close();
    });
}
