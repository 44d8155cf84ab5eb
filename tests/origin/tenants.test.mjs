// `firstbell tenant add|list`.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { firstbell, mustFirstbell, writeSettings } from '../lib/server-firstbell.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';

let place;
let postgres;

before(async () => {
    place = newPlace();
    postgres = await startPostgres(place);
    writeSettings(place);
});
after(() => place.stop());
beforeEach(() => postgres.sql('postgres', 'TRUNCATE tenants, directory_dirty RESTART IDENTITY CASCADE'));

const add = (...args) => firstbell(place, ['tenant', 'add', ...args]);
const mustAdd = (...args) => mustFirstbell(place, ['tenant', 'add', ...args]);
const tenants = () => postgres.rows('fb_operator', 'SELECT id, name, title, locale, status, hosts FROM directory_rows()');
/** The districts that the publisher has to look at. */
const marks = async () => (await postgres.rows('postgres', 'SELECT DISTINCT tenant_id FROM directory_dirty ORDER BY 1')).map(({ tenant_id: id }) => id);

async function refused(args, pattern, code = 1) {
    const before_ = await tenants();
    const result = await add(...args);
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, pattern);
    assert.equal(result.stdout, '');
    assert.deepEqual(await tenants(), before_);
}

test('adds a district, prints its id, and has the directory published', async () => {
    assert.equal(await mustAdd('demo', '--title', 'Démo District', '--host', 'Demo.Localhost.', '--host=[::1]:8443', '--locale', 'pt-BR'), '1\n');
    assert.deepEqual(await tenants(), [{ id: 1, name: 'demo', title: 'Démo District', locale: 'pt-BR', status: 1, hosts: ['[::1]', 'demo.localhost'] }]);
    assert.deepEqual(await marks(), [1]);
});

test('is idempotent, and takes no number of a later district', async () => {
    for (let i = 0; i < 3; i++) assert.equal(await mustAdd('demo', '--title', 'Demo', '--host', 'demo.localhost'), '1\n');
    assert.equal(await mustAdd('other', '--title', 'Other', '--host', 'other.localhost'), '2\n');
});

test('brings title, locale and hosts up to date, and takes no host away', async () => {
    await mustAdd('demo', '--title', 'Demo', '--host', 'a.example', '--locale', 'ar');
    const { code, stderr } = await add('demo', '--title', 'Demo 2', '--host', 'b.example');
    assert.equal(code, 0);
    assert.equal(stderr, 'firstbell: note: demo keeps the host a.example, which was not named\n');
    const [{ title, locale, hosts }] = await tenants();
    assert.deepEqual([title, locale, hosts], ['Demo 2', 'ar', ['a.example', 'b.example']]);
});

test('a host of another district is refused whole', async () => {
    await mustAdd('one', '--title', 'One', '--host', 'one.example');
    await refused(
        ['two', '--title', 'Two', '--host', 'two.example', '--host', 'ONE.example'],
        /^firstbell: the host one\.example belongs to the tenant "one" already; nothing was changed\n$/,
    );
    assert.deepEqual(await marks(), [1]);
});

describe('what is wrong is said', () => {
    const right = ['--title', 'T', '--host', 'a.example'];
    const cases = {
        'a name with capitals': [['Demo', ...right], /"Demo" cannot name a tenant/],
        'a name with a hyphen at the end': [['demo-', ...right], /"demo-" cannot name a tenant/],
        'a name of 64 bytes': [['a'.repeat(64), ...right], /cannot name a tenant/],
        'an underscore in a host': [['demo', '--title', 'T', '--host', 'a_b.example'], /"a_b\.example" is not a host name/],
        'a host that is not ASCII': [['demo', '--title', 'T', '--host', 'schüle.example'], /punycode/],
        'a title of 201 characters': [['demo', '--title', 'é'.repeat(201), '--host', 'a.example'], /the title must be 1 to 200 characters/],
        'a locale that is none': [['demo', ...right, '--locale', 'english_US'], /"english_US" is not a language tag/],
        'no host': [['demo', '--title', 'T'], /--host is missing[^]*Usage: /, 2],
        'no title': [['demo', '--host', 'a.example'], /--title is missing/, 2],
        'a title twice': [['demo', ...right, '--title', 'U'], /--title may be given only once/, 2],
        'an unknown option': [['demo', ...right, '--nonsense'], /there is no option --nonsense here/, 2],
        'two names': [['demo', 'two', ...right], /"two" is one word too many/, 2],
    };
    for (const [what, [args, pattern, code]] of Object.entries(cases)) {
        test(what, () => refused(args, pattern, code));
    }
});

test('a title of 200 characters that are more bytes is taken', async () => {
    await mustAdd('demo', '--title', 'é'.repeat(200), '--host', 'a.example');
});

test('list shows every district', async () => {
    await mustAdd('one', '--title', 'One', '--host', 'one.example', '--host', 'eins.example');
    await mustAdd('two', '--title', 'Two', '--host', 'two.example', '--locale', 'es');
    assert.equal(
        await mustFirstbell(place, ['tenant', 'list']),
        'id\tname\tstatus\tlocale\ttitle\thosts\n1\tone\tactive\ten\tOne\teins.example one.example\n2\ttwo\tactive\tes\tTwo\ttwo.example\n',
    );
});
