// The page of a suspended district, from the operator's command to the browser: with its own words in whatever script, on a phone and a Chromebook, light
// and dark.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { mustFirstbell, startJobs, writeSettings } from '../lib/server-firstbell.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';
import { waitFor } from '../lib/wait.mjs';
import { CHROMEBOOK, checkPage, openBrowser, openPage, PHONE } from './browser.mjs';
import { startEdge } from './stack.mjs';

const place = newPlace();
const LOOKS = [PHONE, CHROMEBOOK].flatMap((viewport) => ['light', 'dark'].map((colorScheme) => ({ viewport, colorScheme })));
let browser;
let page;

before(async () => {
    await startPostgres(place);
    writeSettings(place);
    await mustFirstbell(place, ['tenant', 'add', 'demo', '--title', 'Demo District', '--host', 'demo.localhost']);
    await startJobs(place);
    const edge = await startEdge(place);
    browser = await openBrowser(edge);
    page = await openPage(browser, edge);
    page.allowed.push(/status of 50[23]/); // what is asked for here
});

after(async () => {
    await browser?.close();
    await place.stop();
});

/** Changes the district and waits until its page has that text. */
async function says(text, ...changes) {
    await mustFirstbell(place, ['tenant', 'set', 'demo', ...changes]);
    await waitFor(`the page with ${text}`, async () => {
        await page.goto('/courses');
        return (await page.textContent('main')).includes(text);
    });
}

async function checkLooks(name) {
    for (const { viewport, colorScheme } of LOOKS) {
        await page.setViewportSize(viewport);
        await page.emulateMedia({ colorScheme });
        await checkPage(page, name, colorScheme);
    }
}

test('without a notice it has words of ours, and the title of the district', async () => {
    await says('Please ask your school', '--status', 'suspended');
    assert.equal(await page.textContent('.district'), 'Demo District');
    await checkLooks('suspended');
});

test('with a notice it has those of the district, line by line, and runs nothing of them', async () => {
    const notice = 'The water main in Harbor Street has burst.\n\nAll schools are closed until Monday, 8:00. <script>document.title = "taken"</script>\nQuestions: office@demo.example';
    await says('Harbor Street', '--notice', notice);
    assert.equal(await page.textContent('.notice'), notice);
    assert.equal(await page.getAttribute('.notice', 'lang'), 'en');
    assert.match(await page.title(), /^Paused · Demo District · Firstbell$/);
    await checkLooks('suspended-notice');
});

test('a notice that is written from right to left stands so, and one long word makes nothing scroll', async () => {
    const notice = `المدارس مغلقة حتى يوم الاثنين.\nhttps://demo.example/${'closed-'.repeat(40)}`;
    await says('المدارس', '--title', 'مديرية التعليم', '--locale', 'ar', '--notice', notice);
    assert.equal(await page.getAttribute('.notice', 'lang'), 'ar');
    assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector('.notice')).direction), 'rtl');
    assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector('h1')).direction), 'ltr');
    await checkLooks('suspended-right-to-left');
});
