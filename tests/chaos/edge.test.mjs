// Students save through the edge, and nginx or what is behind it dies.
// time bound: 290 s

import { after, before, test } from 'node:test';

import { startEdge } from '../e2e/stack.mjs';
import { Client } from '../lib/client.mjs';
import { newPlace } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { startApi, startJobs } from '../lib/server-firstbell.mjs';
import { waitFor } from '../lib/wait.mjs';
import { Load, assertServes, chance, kill, openTown } from './harness.mjs';

const dice = chance();
const place = newPlace();
place.expect(/\[alert\] .*worker process \d+ exited on signal 9/);
let town, edge, load;
before(async () => {
    town = await openTown(place);
    await startJobs(place);
    edge = await startEdge(place);
    load = new Load(town, { connect: throughEdge });
    await load.start();
});
after(() => place.stop());

function throughEdge(student) {
    return new Client({ port: edge.port, ca: edge.ca, headers: { cookie: student.cookie } });
}

test('a worker of nginx is killed, and the saves go on', async () => {
    const old = children(edge.program.child.pid);
    kill(dice.pick(old));
    await waitFor('a worker in its place', () => children(edge.program.child.pid).some((pid) => !old.includes(pid)));
    await load.goesOn();
    await assertServes(town, throughEdge);
});

test('the master of nginx is killed, and the saves go on with the next one', async () => {
    const orphans = children(edge.program.child.pid);
    kill(edge.program.child.pid);
    await edge.program.exited;
    orphans.forEach(kill); // they would hold the port; a service manager ends them
    const { program } = await waitFor('nginx to start again', () => edge.restart());
    edge.program = program;
    await load.goesOn();
    await assertServes(town, throughEdge);
});

test('the origin is away and comes back, and the edge goes on with it', async () => {
    await place.stopProgram(town.api.program);
    const before = load.failures.length;
    await waitFor('the edge to say that the origin is away', () => load.failures.slice(before).some((f) => [502, 503, 504].includes(f.status)));
    town.api = await startApi(place);
    town.api.client.close();
    await load.goesOn();
    await assertServes(town, throughEdge);
});

test('every acknowledged save is there exactly once', async () => {
    await load.stop();
    console.log(`# ${load.ledger.length} acknowledged, ${load.failures.length} refused or broken`);
    await load.assertNothingLost();
});
