// What a person reads who has written something wrong: each mistake is refused at the start with a sentence that says where and what to do.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { freePort, newPlace } from '../lib/place.mjs';
import { startNginx, testNginx } from '../lib/server-nginx.mjs';
import { ask, nginxConf, publish, snapshot, tenant, twoTenants } from './support.mjs';

const place = newPlace();
place.expect(/\[emerg\]/); // that is what this file is about

after(() => place.stop());

const good = snapshot(1, twoTenants);
const many = Array.from({ length: 3000 }, (_, n) => tenant(100 + n, `district-${n}`, [`district-${n}.example`]));

/** `nginx -t` with a bell_directory line (FILE stands for the snapshot's path) and a snapshot. */
async function check(directory, { bytes = good, ...options } = {}) {
    if (bytes !== undefined) publish(place, bytes);
    const conf = nginxConf(place, 8080, { directory: directory.replaceAll('FILE', place.path('directory.snapshot')), ...options });
    const { code, stderr } = await testNginx(place, { conf });
    return { code, said: stderr };
}

async function refused(directory, pattern, options) {
    const { code, said } = await check(directory, options);
    assert.notEqual(code, 0, said);
    assert.match(said, pattern);
}

test('a good configuration with a good file passes', async () => {
    const { code, said } = await check('bell_directory zone=tenants:256k file=FILE interval=1s;');
    assert.equal(code, 0, said);
});

const wrong = [
    ['bell_directory zone=tenants:256k;', /invalid number of arguments in "bell_directory" directive/],
    ['bell_directory zone=tenants:256k interval=1s;', /"bell_directory" directive needs both zone=NAME:SIZE and file=PATH, or zone=NAME:SIZE, redis=on and state=PATH in .*nginx-t\.conf:\d+/],
    ['bell_directory file=FILE interval=1s;', /needs both zone=NAME:SIZE and file=PATH/],
    ['bell_directory zone=tenants file=FILE;', /invalid zone "zone=tenants": zone=NAME:SIZE is expected, zone=tenants:1m for one in .*nginx-t\.conf:\d+/],
    ['bell_directory zone=:1m file=FILE;', /invalid zone "zone=:1m"/],
    ['bell_directory zone=tenants:4k file=FILE;', /invalid size in "zone=tenants:4k": at least 32k is expected/],
    ['bell_directory zone=tenants:much file=FILE;', /invalid size in "zone=tenants:much"/],
    ['bell_directory zone=tenants:1m file=;', /file= is empty: the path of the directory's snapshot is expected/],
    ['bell_directory zone=tenants:1m file=FILE interval=soon;', /invalid "interval=soon": a time from 10ms to 1h is expected, interval=1s for one/],
    ['bell_directory zone=tenants:1m file=FILE interval=0;', /invalid "interval=0"/],
    ['bell_directory zone=tenants:1m file=FILE interval=2h;', /invalid "interval=2h"/],
    ['bell_directory zone=tenants:1m file=FILE every=1s;', /invalid parameter "every=1s": "bell_directory" takes zone=NAME:SIZE, file=PATH and interval=TIME, or redis=on and state=PATH, and key=FILE/],
    ['bell_directory zone=a:1m zone=b:1m file=FILE;', /"bell_directory" directive takes one zone=NAME:SIZE in .*nginx-t\.conf:\d+/],
    ['bell_directory zone=a:1m file=FILE file=FILE;', /"bell_directory" directive takes one file=PATH/],
    ['bell_directory zone=a:1m file=FILE; bell_directory zone=b:1m file=FILE;', /"bell_directory" directive is duplicate: an edge has one directory/],
];

for (const [directory, pattern] of wrong) {
    test(`refused: ${directory}`, () => refused(directory, pattern));
}

test('bell_tenant without a directory', () =>
    refused('', /"bell_tenant on" in .*nginx-t\.conf:\d+ needs a directory to find tenants in: add "bell_directory zone=tenants:1m file=PATH;" to the http block/));

const line = 'bell_directory zone=tenants:256k file=FILE;';
const advice = /; the edge has no other directory to start with: let "firstbell jobs" write the file, or correct "bell_directory" in .*nginx-t\.conf:\d+$/m;

const badFiles = [
    ['a torn file', good.slice(0, -5), /directory\.snapshot" is refused: /],
    ['a changed file', good.replace('north', 'nerth'), /is refused: .*checksum/],
    ['an empty file', '', /is refused: /],
    ['a file of another kind', '<html>', /is refused: /],
    ['a host of two tenants', snapshot(1, [twoTenants[0], tenant(2, 'thief', ['north.example'])]), /tenants\[1\]\.hosts: "north\.example" belongs to the tenant 1 already/],
];

for (const [name, bytes, pattern] of badFiles) {
    test(`at the start ${name} is refused with the file, the reason and the remedy`, async () => {
        await refused(line, pattern, { bytes });
        await refused(line, advice, { bytes });
    });
}

test('at the start a missing file is refused by name', async () => {
    const missing = `bell_directory zone=tenants:256k file=${place.path('nowhere.snapshot')};`;
    await refused(missing, /bell_directory: ".*nowhere\.snapshot" is refused: it cannot be opened: No such file or directory; the edge has no other/);
    await refused(missing, advice);
});

test('a zone that is too small: the size that is said is enough', async () => {
    const bytes = snapshot(1, [...twoTenants, ...many]);
    const { said } = await check('bell_directory zone=tenants:64k file=FILE;', { bytes });
    const needed = /it does not fit into the \d+ bytes of a half of the zone: zone=(tenants:\d+k) is needed/.exec(said);
    assert.ok(needed, said);
    const port = await freePort();
    const directory = `bell_directory zone=${needed[1]} file=${place.path('directory.snapshot')};`;
    const { program } = await startNginx(place, { conf: nginxConf(place, port, { directory }), port });
    assert.equal((await ask(port, 'district-2999.example')).json.name, 'district-2999');
    await place.stopProgram(program);
});
