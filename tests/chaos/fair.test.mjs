// bell_fair before an origin that can do so much and no more: what each district gets of it. The origin counts whose requests it has and for how long; what
// is asserted is how many of whom, and who was before whom, never how long it took. The origin and all clients are this process: what it is late with, it is
// late with for all, and no answer comes while it gives none.
// time bound: 600 s

import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { waitFor } from '../lib/wait.mjs';
import { counted, loadFair, NORTH, poolFigure, SOUTH } from '../edge/fair.mjs';
import { startSlowOrigin } from '../edge/slow-origin.mjs';
import { snapshot, startEdge, tenant } from '../edge/support.mjs';

const AGAIN_MS = 300; // who was refused comes again behind that
const SECONDS = 180;

/** One request: {status, headers}. */
function get(port, host, headers, agent) {
    return new Promise((resolve, reject) => {
        const request = http.get({ host: '127.0.0.1', port, path: '/', agent, headers: { host, ...headers } }, (response) => {
            response.resume().on('end', () => resolve({ status: response.statusCode, headers: response.headers }));
        });
        request.on('error', reject);
    });
}

/** So many clients of a host who ask again as soon as they are answered: {answered, refused, reasons, overtaken, stop, leave}. overtaken: for each answer, how many
 *  requests of the host `others` came to the origin since it was asked for. */
function gather(edge, origin, host, count, { headers = {}, others, keepAlive = true } = {}) {
    const crowd = { answered: 0, refused: 0, reasons: new Set(), overtaken: [], goes: true };
    const agent = new http.Agent({ keepAlive, maxSockets: count });
    const client = async () => {
        while (crowd.goes) {
            const before = others && origin.of(others).came;
            const { status, headers: told } = await get(edge.port, host, headers, agent);
            if (status === 200) {
                crowd.answered++;
                if (others) crowd.overtaken.push(origin.of(others).came - before);
                continue;
            }
            assert.equal(status, 503);
            assert.match(told['retry-after'], /^[1-9]\d*$/);
            crowd.refused++;
            crowd.reasons.add(told.reason.replace(/\d+/g, 'N'));
            await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
        }
    };
    const all = Promise.all(Array.from({ length: count }, client));
    crowd.stop = async () => {
        crowd.goes = false;
        await all;
        agent.destroy();
    };
    crowd.leave = () => {
        crowd.goes = false;
        agent.destroy();
    };
    all.catch(() => {}); // told by stop()
    return crowd;
}

/** body({edge, origin, crowd}); south: what stands in the directory of that district. Behind it nobody has a place. */
function loadTest(name, { workers, milliseconds, pool, south = {}, fair = '' }, body) {
    test(name, async () => {
        const place = newPlace();
        const origin = await startSlowOrigin({ workers, milliseconds });
        const crowds = [];
        try {
            const edge = await startEdge(place, {
                load: loadFair(),
                connections: 2048,
                bytes: snapshot(1, [tenant(1, 'north', [NORTH]), tenant(2, 'south', [SOUTH], south)]),
                http: `bell_fair_zone zone=places:1m; bell_fair_pool origin wait=600s ${pool};
                    upstream origin { server 127.0.0.1:${origin.port}; keepalive 64; }
                    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_read_timeout 600s;`,
                server: `location = /figures { bell_status json; }
                    location / { bell_fair origin class=$http_x_class ${fair}; add_header Reason $bell_reason always; proxy_pass http://origin; }`,
            });
            const crowd = (...how) => {
                crowds.push(gather(edge, origin, ...how));
                return crowds.at(-1);
            };
            await body({ edge, origin, crowd });
            for (const one of crowds) await one.stop();
            assert.equal(await poolFigure(edge, 'places_taken'), 0);
            assert.equal(await poolFigure(edge, 'requests_waiting'), 0);
        } finally {
            for (const one of crowds) one.leave();
            await origin.close();
            await place.stop();
        }
    });
}

/** Waits until the origin has answered so many, all hosts together, and gives what each of the hosts had of it meanwhile: [{answered, held_ms}]. */
async function meanwhile(origin, hosts, count) {
    const now = () => hosts.map((host) => ({ ...origin.of(host) }));
    const before = now();
    const since = () => now().map((one, i) => ({ answered: one.answered - before[i].answered, held_ms: one.held_ms - before[i].held_ms }));
    await waitFor(`${count} answers`, () => since().reduce((sum, { answered }) => sum + answered, 0) >= count, SECONDS);
    return since();
}

/** Nobody's requests are one worker's, which may be slower than the other. */
const anyWorker = { keepAlive: false };

const isWithin = (value, expected, part, what) => assert.ok(value > expected * (1 - part) && value < expected * (1 + part), `${what}: 1 to ${value}`);
const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

loadTest('a district at fifty times its share: of the other’s requests none is refused, and none waits for the other’s queue', { workers: 4, milliseconds: 40, pool: 'places=4 queue=40' }, async ({ edge, origin, crowd }) => {
    const flood = crowd(NORTH, 100); // two of the four places are its share
    await waitFor('the flood to be there', async () => flood.refused >= 50 && flood.answered > 10 && (await poolFigure(edge, 'requests_waiting')) === 40, SECONDS);
    const calm = crowd(SOUTH, 2, { others: NORTH });
    const [ofFlood, ofCalm] = await meanwhile(origin, [NORTH, SOUTH], 250);
    assert.equal(calm.refused, 0);
    assert.ok(calm.answered > 30, `${calm.answered}`);
    assert.ok(ofFlood.held_ms > 0.9 * ofCalm.held_ms, 'the flood has what the other leaves');
    assert.ok(median(calm.overtaken) <= 12, `while it waits for a place and has one, not the queue: ${median(calm.overtaken)}`);
    assert.deepEqual([...flood.reasons], ['pool "origin" is full: N requests are there at once, N wait, and of these rank N goes first']);
    assert.ok((await counted(edge, 'refused')) >= 50);
    assert.equal(origin.most, 4);
});

loadTest('weights of the directory hold, one to three within a twentieth: in time of places and in answers', { workers: 4, milliseconds: 100, pool: 'places=4 queue=200', south: { limits: { fair_weight: 300 } } }, async ({ edge, origin, crowd }) => {
    const [light, heavy] = [crowd(NORTH, 30, anyWorker), crowd(SOUTH, 30, anyWorker)];
    await waitFor('both to wait', async () => (await poolFigure(edge, 'requests_waiting')) >= 50 && light.answered > 4, SECONDS);
    const [ofLight, ofHeavy] = await meanwhile(origin, [NORTH, SOUTH], 600);
    isWithin(ofHeavy.held_ms / ofLight.held_ms, 3, 0.05, 'time');
    isWithin(ofHeavy.answered / ofLight.answered, 3, 0.05, 'answers');
    assert.equal(light.refused + heavy.refused, 0);
    assert.equal(origin.most, 4);
});

loadTest('weight= goes before the directory', { workers: 4, milliseconds: 100, pool: 'places=4 queue=200', south: { limits: { fair_weight: 300 } }, fair: 'weight=$http_x_weight' }, async ({ edge, origin, crowd }) => {
    crowd(NORTH, 30, { ...anyWorker, headers: { 'x-weight': 50 } });
    crowd(SOUTH, 30, { ...anyWorker, headers: { 'x-weight': 50 } });
    await waitFor('both to wait', async () => (await poolFigure(edge, 'requests_waiting')) >= 50, SECONDS);
    const [north, south] = await meanwhile(origin, [NORTH, SOUTH], 400);
    isWithin(south.held_ms / north.held_ms, 1, 0.05, 'time');
});

loadTest('a class that asks ten times as much has no more than another one of its district', { workers: 4, milliseconds: 100, pool: 'places=4 queue=200' }, async ({ edge, crowd }) => {
    const [hero, small] = [crowd(NORTH, 100, { headers: { 'x-class': 'hero' } }), crowd(NORTH, 10, { headers: { 'x-class': '7b' } })];
    await waitFor('both to wait', async () => (await poolFigure(edge, 'requests_waiting')) >= 100 && small.answered > 4, SECONDS);
    const [ofHero, ofSmall] = [hero.answered, small.answered];
    await waitFor('answers', () => hero.answered - ofHero + small.answered - ofSmall >= 400, SECONDS);
    isWithin((hero.answered - ofHero) / (small.answered - ofSmall), 1, 0.1, 'answers');
    assert.equal(hero.refused + small.refused, 0);
});

loadTest('the number of places is found out, and comes down when the origin has fewer workers', { workers: 16, milliseconds: 50, pool: 'places=auto min=2 start=60 queue=200' }, async ({ edge, origin, crowd }) => {
    const places = () => poolFigure(edge, 'places');
    const all = crowd(NORTH, 70);
    await waitFor('more at the origin than it works on', () => origin.most > 40, SECONDS);
    await waitFor('places to be about as many as it has workers', async () => (await places()) <= 32, SECONDS);
    origin.workers = 4;
    await waitFor('fewer', async () => (await places()) <= 8, SECONDS);
    assert.ok((await places()) >= 2);
    const before = all.answered;
    await waitFor('answers as before', () => all.answered > before + 50, SECONDS);
    assert.equal(all.refused, 0);
});
