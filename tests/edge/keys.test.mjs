// Whose word is taken for the directory: with key=, only what one of those keys has signed.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { testNginx } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { askEveryWorker, lines, newKey, nginxConf, publish, snapshot, startEdge, twoTenants } from './support.mjs';

const place = newPlace();
place.expect(/\[emerg\]/); // what is refused at the start
const old = newKey(place, 'old');
const next = newKey(place, 'next');
const foreign = newKey(place, 'foreign');
const line = (...keys) => `bell_directory zone=tenants:256k file=${place.path('directory.snapshot')} interval=50ms ${keys.map((key) => `key=${key}`).join(' ')};`;
let edge;
let version = 1;

before(async () => {
    edge = await startEdge(place, { directory: line(old.file, next.file), bytes: snapshot(1, twoTenants, undefined, { key: old }) });
});

after(() => place.stop());

async function inService(expected) {
    await waitFor(`version ${expected}`, async () => (await edge.ask('north.example')).json?.version === String(expected));
    for (const [, { version: seen }] of await askEveryWorker(edge.port, 'north.example')) assert.equal(Number(seen), expected);
}

const refusals = () => lines(edge.log(), /\[error\].*is refused/);

test('both keys of a rotation are taken', async () => {
    for (const key of [old, next]) {
        publish(place, snapshot(++version, twoTenants, undefined, { key }));
        await inService(version);
    }
});

const signed = () => snapshot(version + 1, twoTenants, undefined, { key: old });
const refusedOnes = [
    ['one that is not signed', () => snapshot(version + 1, twoTenants), /it is not signed; version \d+ stays/],
    ['one of another key', () => snapshot(version + 1, twoTenants, undefined, { key: foreign }), /signed with the key [\w-]+, which is none of this edge's/],
    ['a forged id of the key', () => snapshot(version + 1, twoTenants, undefined, { key: { ...foreign, id: old.id } }), /its signature is wrong/],
    ['a version that was not signed', () => signed().replace(/^(bell-directory 2 0) \d+/, '$1 900000'), /its signature is wrong/],
    ['content that was not signed', () => signed().replace('District north', 'District worth'), /checksum does not match/],
];

for (const [name, make, reason] of refusedOnes) {
    test(`refused: ${name}`, async () => {
        const before = refusals().length;
        publish(place, make());
        await waitFor('the refusal', () => refusals().length > before);
        assert.match(refusals().at(-1), reason);
        await inService(version);
    });
}

test('a reload takes the keys anew: a key that was taken away is refused from then on, also under what is in service', async () => {
    const same = snapshot(++version, twoTenants, undefined, { key: old });
    publish(place, same);
    await inService(version);
    place.write('conf/nginx.conf', `daemon off;\npid ${place.path('pid/nginx.pid')};\nerror_log ${place.path('log/nginx.error.log')} info;\n${nginxConf(place, edge.port, { directory: line(next.file) })}`);
    edge.reload();
    const refused = () => lines(edge.log(), new RegExp(`signed with the key ${old.id}, which is none`)).length > 0;
    // the old workers, until they have gone, still take what the old key has signed
    await waitFor('the refusal', () => {
        publish(place, same);
        return refused();
    });
    await inService(version);
    publish(place, snapshot(++version, twoTenants, undefined, { key: next }));
    await inService(version);
});

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' });
const wrong = [
    ['a file that is missing', () => 'nowhere.pub', /key=nowhere\.pub: .*nowhere\.pub cannot be read: No such file or directory in .*nginx-t\.conf:\d+/],
    ['a file without a key', () => place.write('empty.pub', 'nothing'), /empty\.pub holds no key: expected an Ed25519 key in PEM form/],
    ['a key of another kind', () => place.write('rsa.pub', rsa), /rsa\.pub holds a key of another kind: expected Ed25519/],
    ['no path', () => '', /key= is empty: the path of a public key is expected/],
];

for (const [name, file, reason] of wrong) {
    test(`refused at the start: ${name}`, async () => {
        const { code, stderr } = await testNginx(place, { conf: nginxConf(place, 8080, { directory: line(file()) }) });
        assert.notEqual(code, 0);
        assert.match(stderr, reason);
    });
}

test('eight keys are taken, nine are not', async () => {
    const check = (n) => testNginx(place, { conf: nginxConf(place, 8080, { directory: line(...Array(n).fill(next.file)) }) });
    const eight = await check(8);
    assert.equal(eight.code, 0, eight.stderr);
    assert.match((await check(9)).stderr, /too many key=: 8 are the most/);
});
