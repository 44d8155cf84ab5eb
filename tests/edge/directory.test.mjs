// The directory while the edge runs: a change is seen by all workers, a bad file changes nothing and is reported once.

import assert from 'node:assert/strict';
import { chmodSync, renameSync, rmSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { waitFor } from '../lib/wait.mjs';
import { askEveryWorker, lines, publish, snapshot, startEdge, tenant, twoTenants } from './support.mjs';

const place = newPlace();
let edge;
let version = 1;

const refusals = () => lines(edge.log(), /\[error\].*bell_directory/);

before(async () => {
    edge = await startEdge(place);
});

after(() => place.stop());

/** Puts bytes in place, waits for the line that refuses them, lets several turns of the feed pass, and gives that one line. */
async function refusedOnce(put, ignored = /^$/) {
    const before = refusals().length;
    const since = () => refusals().slice(before).filter((line) => !ignored.test(line));
    put();
    await waitFor('the refusal', () => since().length > 0);
    await turnsOfTheFeed();
    const said = since();
    assert.equal(said.length, 1, said.join('\n'));
    assert.match(said[0], new RegExp(`directory\\.snapshot" is refused: .*; version ${version} stays in service$`));
    await assertInService();
    return said[0];
}

/** That something does not happen again cannot be waited for: six turns of the feed, of 50 ms each, are let pass. */
async function turnsOfTheFeed() {
    const end = performance.now() + 300;
    await waitFor('six turns of the feed', () => performance.now() > end);
}

async function assertInService() {
    const workers = await askEveryWorker(edge.port, 'north.example');
    for (const [, report] of workers) assert.deepEqual([report.name, report.version], ['north', String(version)]);
}

async function publishNext(tenants = twoTenants) {
    publish(place, snapshot(++version, tenants));
    await waitFor(`version ${version} on the edge`, async () => (await edge.ask('north.example')).json?.version === String(version));
    await assertInService();
}

test('a change is seen by every worker, without a reload', async () => {
    const before = await askEveryWorker(edge.port, 'north.example');
    assert.equal((await edge.ask('new.example')).status, 404);
    await publishNext([...twoTenants, tenant(3, 'new', ['new.example'])]);
    const now = await askEveryWorker(edge.port, 'new.example');
    assert.deepEqual([...now.keys()].sort(), [...before.keys()].sort());
    for (const [, report] of now) assert.deepEqual([report.name, report.version], ['new', '2']);
    assert.equal(lines(edge.log(), /\[notice\].*bell_directory: version 2 is in service, after 1/).length, 1);
});

test('a tenant is suspended, renamed, moved to another host, and taken away', async () => {
    await publishNext([twoTenants[0], tenant(2, 'south', ['south.example'], { status: 'suspended' })]);
    assert.equal((await edge.ask('south.example')).status, 503);
    await publishNext([twoTenants[0], tenant(2, 'south-east', ['east.example'])]);
    assert.equal((await edge.ask('south.example')).status, 404);
    assert.deepEqual((await edge.ask('east.example')).json.name, 'south-east');
    await publishNext([twoTenants[0]]);
    assert.equal((await edge.ask('east.example')).status, 404);
});

test('many changes in a row: no request is ever answered for another tenant', async () => {
    await publishNext();
    let asking = true;
    const wrong = [];
    let asked = 0;
    const client = async (host, name) => {
        while (asking) {
            const { status, json } = await edge.ask(host);
            asked++;
            if (status !== 200 || json.name !== name) wrong.push(`${host}: ${status} ${json?.name}`);
        }
    };
    const clients = [client('north.example', 'north'), client('south.example', 'south')];
    for (let i = 0; i < 20; i++) {
        const many = Array.from({ length: 50 + i * 7 }, (_, n) => tenant(100 + n, `t${n}-${i}`, [`t${n}-${i}.example`]));
        await publishNext([...twoTenants, ...many]);
    }
    asking = false;
    await Promise.all(clients);
    assert.deepEqual(wrong, []);
    assert.ok(asked > 20);
});

test('a file that is cut off is refused', async () => {
    const whole = snapshot(version + 1, twoTenants);
    await refusedOnce(() => publish(place, whole.slice(0, -20)));
});

test('a file with one changed byte is refused', async () => {
    const line = await refusedOnce(() => publish(place, snapshot(version + 1, twoTenants).replace('north.example', 'north.exbmple')));
    assert.match(line, /checksum/);
});

test('an empty file is refused', async () => {
    await refusedOnce(() => publish(place, ''));
});

test('something else altogether is refused', async () => {
    await refusedOnce(() => publish(place, 'server { listen 80; }\n'));
});

test('a well-formed file that says nonsense is refused with the place', async () => {
    const bad = [tenant(1, 'north', ['north.example']), tenant(2, 'south', ['a_b.example'])];
    const line = await refusedOnce(() => publish(place, snapshot(version + 1, bad)));
    assert.match(line, /tenants\[1\]\.hosts\[0\]: "a_b\.example" is not a host name/);
});

test('an older version is refused', async () => {
    const line = await refusedOnce(() => publish(place, snapshot(1, [tenant(9, 'old', ['north.example'])])));
    assert.match(line, /its version 1 is older than the one in service/);
});

test('the same version with another content is refused', async () => {
    const line = await refusedOnce(() => publish(place, snapshot(version, [tenant(9, 'other', ['north.example'])])));
    assert.match(line, /every change needs a higher version/);
});

test('a file that is too large for the zone is refused with the size that is needed', async () => {
    const many = Array.from({ length: 5000 }, (_, n) => tenant(100 + n, `district-${n}`, [`district-${n}.example`]));
    const line = await refusedOnce(() => publish(place, snapshot(version + 1, [...twoTenants, ...many])));
    assert.match(line, /it does not fit into the \d+ bytes of a half of the zone: zone=tenants:\d+k is needed/);
});

test('a file that goes away is reported, and its return is nothing new', async () => {
    await publishNext();
    const line = await refusedOnce(() => renameSync(place.path('directory.snapshot'), place.path('away')));
    assert.match(line, /it cannot be opened: No such file or directory/);
    const before = refusals().length;
    renameSync(place.path('away'), place.path('directory.snapshot'));
    await turnsOfTheFeed();
    assert.equal(refusals().length, before);
    await assertInService();
});

test('a file that may not be read is reported once, and read when it may be', async () => {
    const line = await refusedOnce(() => {
        place.write('sealed', snapshot(version + 1, twoTenants), 0);
        renameSync(place.path('sealed'), place.path('directory.snapshot'));
    });
    assert.match(line, /it cannot be opened: Permission denied/);
    chmodSync(place.path('directory.snapshot'), 0o644);
    version++;
    await waitFor('the file to be read', async () => (await edge.ask('north.example')).json.version === String(version));
});

test('a folder in the place of the file is refused', async () => {
    // a folder cannot take a file's place at once: a turn of the feed may come between
    await refusedOnce(() => {
        rmSync(place.path('directory.snapshot'));
        place.folder('directory.snapshot');
    }, /No such file or directory/);
    rmSync(place.path('directory.snapshot'), { recursive: true });
});

test('after all that the next good file is taken', async () => {
    await publishNext();
});
