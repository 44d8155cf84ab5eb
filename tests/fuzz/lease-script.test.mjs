// The script that a Redis runs for a lease, against the C function that the tests of the edges use (lua-free/bell_lease_store.c): random exchanges of
// random edges go to a real server, and what it answers is given to the C function, which has to say the same, number by number.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { checkout } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { mustRun, run } from '../lib/run.mjs';
import { startRedis } from '../lib/server-redis.mjs';

const build = path.join(checkout, process.env.FB_TEST_BUILD ?? 'build-asan');
const KEYS = 12;
const STEPS = 600; // of a key
const BEGIN_US = 1_800_000_000_000_000;

let place;
let redis;

/** The text of the C constant. */
function script() {
    const source = readFileSync(path.join(checkout, 'lua-free/bell_lease_store.c'), 'utf8');
    const [, literals] = /bell_lease_script\[\] =\n((?:\s*"(?:[^"\\]|\\.)*")+);/.exec(source);
    return [...literals.matchAll(/"(?:[^"\\]|\\.)*"/g)].map(([literal]) => JSON.parse(literal)).join('');
}

before(async () => {
    place = newPlace();
    redis = await startRedis(place);
});

after(() => place?.stop());

/** Numbers by lot of a seed: below n. */
function lots(seed) {
    let state = BigInt(seed) * 2654435761n + 1n;
    return (n) => {
        state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffff_ffff_ffff_ffffn;
        return Number((state >> 33n) % BigInt(n));
    };
}

const oneOf = (lot, list) => list[lot(list.length)];

/** Exchanges of one key, in order: {request, now}. `edges` are as many as take part, which may be more than the store remembers. */
function* exchanges(seed) {
    const lot = lots(seed);
    const edges = oneOf(lot, [1, 2, 4, 8, 70]);
    const rules = [0, 1].map(() => [oneOf(lot, [1, 37, 1000, 10_000, 2_000_000, 3_600_000_000]), lot(100)]);
    const known = Array.from({ length: edges }, () => ({ epoch: 1, number: 0, spent: 0 }));
    let now = BEGIN_US;
    for (let step = 0; step < STEPS; step++) {
        const edge = lot(edges);
        const k = known[edge];
        const [unit, burst] = rules[lot(10) === 0 ? 1 : 0];
        now += oneOf(lot, [0, 1, 1000, 20_000, 100_000, 100_000, 250_000, 600_000, 3_000_000, lot(20) ? 5000 : 70_000_000, lot(30) ? 5000 : -3_600_000_000]);
        if (lot(60) === 0) Object.assign(k, { epoch: k.epoch + 1, number: 0, spent: 0 });
        k.number += lot(15) === 0 ? 0 : 1; // else it comes once more
        k.spent = Math.max(0, k.spent + (lot(20) === 0 ? -lot(5) : lot(oneOf(lot, [1, 3, 30, 500]))));
        const since = Math.min(k.spent, lot(50));
        const seen = lot(3) ? 0 : now + lot(3_000_000) - 1_000_000;
        const want = oneOf(lot, [0, 0, 1, 5, 100, 1_000_000]);
        const age = oneOf(lot, [0, 0, 1, 400_000, 4_000_000, 80_000_000]);
        const numbers = [edge + 1, k.epoch, k.number, k.spent, since, lot(40), want, age, seen, unit, burst * unit, Math.min(edges, 64)];
        yield { request: numbers.join(' '), now };
    }
}

/** What redis-cli prints, a line a command. */
async function tell(commands) {
    const said = await mustRun(['redis-cli', '-s', redis.socket], { input: `${commands.join('\n')}\n` });
    const lines = said.trimEnd().split('\n');
    assert.equal(lines.length, commands.length, said.slice(0, 500));
    return lines;
}

async function compare(name, lines) {
    const folder = path.dirname(place.write(`${name}/steps`, lines.join('\n')));
    const said = await run([path.join(build, 'fuzz/fuzz_lease'), folder], { env: { FB_LEASE_COMPARE: '1' } });
    assert.equal(said.code, 0, `${name}: the script and C do not agree\n${said.stderr}`);
    await assertDifferenceShows(name, lines);
}

/** The comparison is one: with another number in the last line it fails. */
async function assertDifferenceShows(name, lines) {
    const words = lines.at(-1).split(' ');
    words[words.length - 2] = String(Number(words[words.length - 2]) + 1);
    const folder = path.dirname(place.write(`${name}-wrong/steps`, [...lines.slice(0, -1), words.join(' ')].join('\n')));
    const said = await run([path.join(build, 'fuzz/fuzz_lease'), folder], { env: { FB_LEASE_COMPARE: '1' } });
    assert.notEqual(said.code, 0);
}

describe('the script of leases', () => {
    test('does what the C function does, at any time', async () => {
        const text = script();
        const clock = "redis.call('TIME')";
        assert.equal(text.split(clock).length, 2);
        const sha = await redis.ask(['SCRIPT', 'LOAD', text.replace(clock, '{ARGV[2], ARGV[3]}')]);
        const granted = [];
        for (let key = 1; key <= KEYS; key++) {
            const steps = [...exchanges(key)];
            const said = await tell(steps.map(({ request, now }) => `EVALSHA ${sha} 1 key-${key} "${request}" ${Math.floor(now / 1e6)} ${now % 1e6}`));
            granted.push(...said.map((line) => line.split(' ')[1]));
            await compare(`seed-${key}`, steps.map(({ request }, i) => `${request}\t${said[i]}`));
        }
        assert.ok(granted.filter((units) => units !== '0').length > STEPS, 'units were given');
    });

    test('has the clock of the server, and its keys end by themselves', async () => {
        const sha = await redis.ask(['SCRIPT', 'LOAD', script()]);
        const steps = [...exchanges(99)].slice(0, 200).map(({ request }) => request.split(' '));
        for (const numbers of steps) numbers[8] = '0';
        const requests = steps.map((numbers) => numbers.join(' '));
        const said = await tell(requests.map((request) => `EVALSHA ${sha} 1 rl:{t9}:key "${request}"`));
        await compare('clock', requests.map((request, i) => `${request}\t${said[i]}`));
        const [seconds] = (await redis.ask(['TIME'])).split('\n');
        const last = Number(said.at(-1).split(' ')[4]) / 1e6;
        assert.ok(Math.abs(Number(seconds) - last) < 60, `${last} at ${seconds}`);
        const left = Number(await redis.ask(['PTTL', 'rl:{t9}:key']));
        assert.ok(left > 0, `${left}`);
    });
});
