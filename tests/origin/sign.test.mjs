// `firstbell sign` and `firstbell sign-key new`: what is printed is verified here with nothing of ours, byte for byte as lua-free/bell_path_token.h says.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { chmodSync, statSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { firstbell, mustFirstbell, writeSettings } from '../lib/server-firstbell.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';

let place;
let key;

before(async () => {
    place = newPlace();
    await startPostgres(place);
    writeSettings(place);
    for (const name of ['north', 'south']) await mustFirstbell(place, ['tenant', 'add', name, '--title', name, '--host', `${name}.example`]);
    key = place.path('keys/s1.key');
    assert.match(await mustFirstbell(place, ['sign-key', 'new', key]), /^\S+\/keys\/s1\.key is made\. `firstbell sign --key /);
});
after(() => place.stop());

const text = (part) => Buffer.from(part, 'base64url').toString();

/** The parts of the token of a URL whose MAC is right. */
function opened(url, { host = '', secret = place.read('keys/s1.key').trim() } = {}) {
    const [, prefix, parts, mac, rest] = /^(?:https?:\/\/[^/]+)?(\/.*)bell-token=(.*)\.([\w-]{43})(\/.*)\n$/.exec(url);
    const right = createHmac('sha256', Buffer.from(secret, 'hex')).update(`firstbell path token\n${host}\n${prefix}\n${parts}`).digest('base64url');
    assert.equal(mac, right, url);
    const [version, kid, tenant, from, until, subject, data, ...more] = parts.split('.');
    assert.deepEqual(more, []);
    return { prefix, rest, version, kid, tenant: Number(tenant), from, until: Number(until), subject: text(subject), data: text(data) };
}

test('a key is a file for its owner alone, and one that is there is left alone', async () => {
    assert.match(place.read('keys/s1.key'), /^[0-9a-f]{64}\n$/);
    assert.equal(statSync(key).mode & 0o777, 0o600);
    const before_ = place.read('keys/s1.key');
    const again = await firstbell(place, ['sign-key', 'new', key]);
    assert.deepEqual([again.code, place.read('keys/s1.key')], [1, before_]);
    assert.match(again.stderr, /s1\.key is there already; to exchange a key, make one of another name/);
    for (const name of ['k', 'a.b.key', '.key', `${'x'.repeat(33)}.key`]) {
        const wrong = await firstbell(place, ['sign-key', 'new', place.path(`keys/${name}`)]);
        assert.equal(wrong.code, 2, name);
        assert.match(wrong.stderr, /expected a file ID\.key/);
    }
});

test('a URL is signed for a district, a subject and a time', async () => {
    const begin = Math.floor(Date.now() / 1000);
    const { until, ...rest } = opened(await mustFirstbell(place, ['sign', '--key', key, '--tenant', 'south', '--subject', 's-17', 'https://south.example/courses/c7/m.m3u8?x=1']));
    const end = Math.floor(Date.now() / 1000);
    assert.deepEqual(rest, { prefix: '/courses/c7/', rest: '/m.m3u8?x=1', version: 'v1', kid: 's1', tenant: 2, from: '', subject: 's-17', data: '' });
    assert.ok(until >= begin + 3600 && until <= end + 3600, `${until}`);
});

test('prefix, lifetime, beginning, data and host are as they are asked for', async () => {
    const url = await mustFirstbell(place, ['sign', '--key', key, '--tenant=north', '--prefix', '/courses/', '--lifetime', '60', '--from', '2026-08-31T08:00:00Z',
        '--data', 'room 4', '--one-host', 'https://North.example:443/courses/c7/m.m3u8']);
    const from = Date.parse('2026-08-31T08:00:00Z') / 1000;
    assert.deepEqual(opened(url, { host: 'north.example' }),
        { prefix: '/courses/', rest: '/c7/m.m3u8', version: 'v1h', kid: 's1', tenant: 1, from: `${from}`, until: from + 60, subject: '', data: 'room 4' });
    assert.ok(url.startsWith('https://North.example:443/courses/bell-token=v1h.s1.1.'), url);
});

test('a path alone is signed as well, and without --tenant for edges without a directory', async () => {
    const { tenant, prefix, rest } = opened(await mustFirstbell(place, ['sign', '--key', key, '/a/b.ts']));
    assert.deepEqual([tenant, prefix, rest], [0, '/a/', '/b.ts']);
});

test('what is wrong is said, and nothing is printed', async () => {
    const open = place.write('keys/open.key', place.read('keys/s1.key'));
    chmodSync(open, 0o644);
    for (const [args, code, pattern] of [
        [['--key', key], 2, /1 words were expected/],
        [['/a/b'], 2, /key/],
        [['--key', key, '--lifetime', '0', '/a/b'], 2, /--lifetime is "0", expected 1 to 31536000 seconds/],
        [['--key', key, '--lifetime', '1h', '/a/b'], 2, /--lifetime is "1h"/],
        [['--key', key, '--from', '2026-08-31', '/a/b'], 2, /expected a time in UTC such as/],
        [['--key', key, '--tenant', 'nowhere', '/a/b'], 1, /there is no tenant named "nowhere"/],
        [['--key', open, '/a/b'], 1, /open\.key: the key may be read or written by others \(mode 0644\)/],
        [['--key', place.path('keys/none.key'), '/a/b'], 1, /none\.key: the key cannot be read: No such file/],
        [['--key', key, '--prefix', '/c/', '/a/b'], 1, /the URL is not below "\/c\/"/],
        [['--key', key, '--one-host', '/a/b'], 1, /a path alone has no host/],
        [['--key', key, '--subject', 'ä', '/a/b'], 1, /subject and data must be printable ASCII/],
        [['--key', key, '/a/../b'], 1, /expected https:\/\/HOST\/PATH or \/PATH/],
    ]) {
        const result = await firstbell(place, ['sign', ...args]);
        assert.deepEqual([result.code, result.stdout], [code, ''], `${args}: ${result.stderr}`);
        assert.match(result.stderr, pattern);
    }
});
