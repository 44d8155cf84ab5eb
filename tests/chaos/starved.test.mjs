// A worker that is stopped, and an api without descriptors.
// time bound: 290 s

import net from 'node:net';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { waitFor } from '../lib/wait.mjs';
import { Load, assertServes, chance, openTown } from './harness.mjs';

const DESCRIPTORS = 64; // a worker's listening socket, logs, loop and connections to PostgreSQL take about a third of them

const dice = chance();
const place = newPlace();
let town, load;
before(async () => {
    const under = ['sh', '-c', `ulimit -n ${DESCRIPTORS}; exec "$@"`, 'sh'];
    town = await openTown(place, { under });
    load = new Load(town);
    await load.start();
});
after(() => place.stop());

test('a worker that is stopped for a while holds up its own requests only, and then goes on', async () => {
    const stopped = dice.pick(town.workers());
    process.kill(stopped, 'SIGSTOP');
    const mark = load.ledger.length;
    await waitFor('the other worker to serve', () => load.ledger.length > mark + 50, 60);
    process.kill(stopped, 'SIGCONT');
    await load.goesOn();
    await assertServes(town);
});

test('a flood of connections takes all descriptors: those who are connected are served, and all are when it is over', async () => {
    const flood = Array.from({ length: 3 * DESCRIPTORS }, () => net.connect(town.api.socketPath).on('error', () => {}));
    await waitFor('the log to say so', () => place.read('log/error.log').includes('no descriptors left'));
    const mark = load.ledger.length;
    await waitFor('saves to go on meanwhile', () => load.ledger.length > mark + 20, 60);
    flood.forEach((socket) => socket.destroy());
    await load.goesOn();
    await assertServes(town);
});

test('every acknowledged save is there exactly once', async () => {
    await load.stop();
    await load.assertNothingLost();
});
