// Workers know of each other: each has a slot, wakes others by theirs, and is known to be dead when it is. The module in tests/edge/probe tells.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { waitFor } from '../lib/wait.mjs';
import { loadProbe, pinToWorkers, reloadEdge, startEdge } from './support.mjs';

const place = newPlace();
place.expect(/exited on signal 9/);
let edge;

before(async () => {
    // a file, not "return": that answers before the access phase, where the probe is
    const server = `
        add_header Worker $pid always;
        root ${place.dir};
        location / { try_files /page =404; }
        location /wake { probe_wake on; try_files /page =404; }`;
    place.write('page', 'page\n');
    edge = await startEdge(place, { load: loadProbe(place), server });
});

after(() => place.stop());

const workers = () => children(edge.program.child.pid);

/** What a worker says of itself, and of another process. */
async function about(worker, of = { slot: 0, epoch: 0 }, path = '/') {
    const { headers } = await worker.ask('north.example', `${path}?slot=${of.slot}&epoch=${of.epoch}`);
    const [slot, epoch, woken, other] = headers['probe-process'].split(' ');
    return { slot: Number(slot), epoch: Number(epoch), woken: Number(woken), other };
}

async function pinned(run) {
    const pins = await pinToWorkers(edge.port, 2, 'north.example');
    try {
        return await run(pins);
    } finally {
        for (const pin of pins) pin.close();
    }
}

test('each has a slot of its own, and lives', () => pinned(async ([one, two]) => {
    const [first, second] = [await about(one), await about(two)];
    assert.notEqual(first.slot, second.slot);
    assert.ok(first.epoch > 0 && second.epoch > 0);
    assert.equal((await about(one, second)).other, 'lives');
    assert.equal((await about(one, first)).other, 'lives');
    for (const nobody of [{ slot: 0, epoch: 0 }, { ...second, epoch: second.epoch + 1 }, { slot: 63, epoch: 1 }, { slot: 64, epoch: 1 }]) {
        assert.equal((await about(one, nobody)).other, 'dead', JSON.stringify(nobody));
    }
}));

test('one wakes the others, as often as he likes', () => pinned(async ([one, two]) => {
    const before = await about(two);
    await about(one, undefined, '/wake');
    const woken = await waitFor('the other to be woken', async () => {
        const now = await about(two);
        return now.woken > before.woken && now;
    });
    const own = (await about(one)).woken;
    for (let i = 0; i < 20; i++) await about(one, undefined, '/wake');
    await waitFor('it to be woken again', async () => (await about(two)).woken > woken.woken);
    assert.equal((await about(one)).woken, own, 'nobody wakes himself');
}));

test('one that is killed is dead to the others, and the next in its slot is somebody else', async () => {
    const dead = await pinned(async ([one, two]) => {
        const victim = await about(two);
        process.kill(two.worker, 'SIGKILL');
        await waitFor('a worker in its place', () => !workers().includes(two.worker) && workers().length === 2);
        assert.equal((await about(one, victim)).other, 'dead');
        return victim;
    });
    await pinned(async (pins) => {
        const all = await Promise.all(pins.map((pin) => about(pin)));
        const next = all.find(({ slot }) => slot === dead.slot);
        assert.ok(next && next.epoch > dead.epoch, `its slot is taken again: ${JSON.stringify(all)}`);
    });
});

test('workers of a former configuration keep their slots while they live, and give them back', async () => {
    const old = await pinned(async (pins) => {
        const before = await Promise.all(pins.map((pin) => about(pin)));
        for (const pin of pins) pin.close(); // they would keep the old workers
        return before;
    });
    for (let round = 0; round < 35; round++) await reloadEdge(edge); // were slots not given back, all would be used up
    await pinned(async (pins) => {
        for (const pin of pins) {
            for (const former of old) assert.equal((await about(pin, former)).other, 'dead');
            assert.ok((await about(pin)).epoch > 0);
        }
        await about(pins[0], undefined, '/wake');
        await waitFor('the other to be woken', async () => (await about(pins[1])).woken > 0);
    });
});
