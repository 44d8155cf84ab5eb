// `firstbell migrate` against databases of its own, with folders of migrations that are right and wrong.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { app } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { firstbell, writeSettings } from '../lib/server-firstbell.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';
import { waitFor } from '../lib/wait.mjs';

let place;
let postgres;
let count = 0;

let late; // one that waits in vain for another, beside all the tests, because its bound is half a minute

before(async () => {
    place = newPlace();
    postgres = await startPostgres(place);
    late = await waitInVain();
});
after(() => place.stop());

async function waitInVain() {
    const it = await newCase({ '0001_a.sql': 'CREATE TABLE a (x int);' });
    const held = postgres.trySql('fb_owner', `SELECT pg_advisory_lock(4733141092) \\g /dev/null\n\\! while [ ! -e ${place.path('late')} ]; do sleep 0.02; done`, { database: it.name });
    await waitFor('the lock to be held', async () => (await it.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")) === '1');
    const end = it.migrate().finally(() => place.write('late', ''));
    return { it, held, end };
}

/** An empty database and a folder with these files (name → text). */
async function newCase(files) {
    const name = `case_${++count}`;
    await postgres.sql('postgres', `CREATE DATABASE ${name} OWNER fb_owner TEMPLATE template0`);
    await postgres.sql('postgres', 'ALTER SCHEMA public OWNER TO fb_owner', { database: name });
    for (const [file, text] of Object.entries(files)) place.write(`${name}/${file}`, text);
    place.folder(name);
    const settings = { database: `host=${place.path('sock')} dbname=${name}`, schema_dir: place.path(name) };
    const conf = writeSettings(place, { settings, name: `conf/${name}.conf` });
    return {
        name,
        migrate: () => firstbell(place, ['migrate'], { conf }),
        write: (file, text) => place.write(`${name}/${file}`, text),
        sql: (text) => postgres.sql('fb_owner', text, { database: name }),
        versions: () => postgres.sql('fb_app', 'SELECT version FROM schema_migrations ORDER BY 1', { database: name }),
    };
}

async function refused(it, pattern) {
    const { code, stderr } = await it.migrate();
    assert.equal(code, 1, stderr);
    assert.match(stderr, pattern);
    assert.equal(stderr.trim().split('\n').length, 1, 'one sentence');
}

test('the schema of Firstbell is applied once, in order', async () => {
    const it = await newCase({});
    const conf = writeSettings(place, { settings: { database: `host=${place.path('sock')} dbname=${it.name}` }, name: 'conf/schema.conf' });
    const files = readdirSync(path.join(app(), 'schema')).sort();
    const first = await firstbell(place, ['migrate'], { conf });
    assert.deepEqual(first, { code: 0, signal: null, stdout: files.map((file) => `applied ${file}\n`).join(''), stderr: '' });
    const again = await firstbell(place, ['migrate'], { conf });
    assert.deepEqual(again, { code: 0, signal: null, stdout: `the schema is up to date (version ${files.length})\n`, stderr: '' });
    assert.equal(await it.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'schema_migrations'"), 'fb_owner');
    assert.equal((await postgres.trySql('fb_app', 'DELETE FROM schema_migrations', { database: it.name })).code, 3);
});

test('a new file is applied on top of the old ones', async () => {
    const it = await newCase({ '0001_a.sql': 'CREATE TABLE a (x int);' });
    assert.equal((await it.migrate()).code, 0);
    it.write('0002_b.sql', 'CREATE TABLE b (x int); INSERT INTO b VALUES (1);');
    assert.equal((await it.migrate()).stdout, 'applied 0002_b.sql\n');
    assert.equal(await it.versions(), '1\n2');
    assert.equal(await it.sql('SELECT x FROM b'), '1');
});

test('two that start at once take turns', async () => {
    const it = await newCase({ '0001_a.sql': 'SELECT pg_sleep(0.3); CREATE TABLE a (x int);', '0002_b.sql': 'CREATE TABLE b (x int);' });
    const both = await Promise.all([it.migrate(), it.migrate()]);
    assert.deepEqual(both.map(({ code, stderr }) => [code, stderr]), [[0, ''], [0, '']]);
    assert.deepEqual(both.map(({ stdout }) => stdout).sort(), ['applied 0001_a.sql\napplied 0002_b.sql\n', 'the schema is up to date (version 2)\n']);
});

test('one that finds another at work waits for it, and then looks again at what there is to do', async () => {
    const it = await newCase({ '0001_a.sql': 'SELECT pg_advisory_lock_shared(7); CREATE TABLE a (x int);', '0002_b.sql': 'CREATE TABLE b (x int);' });
    const go = place.path(`go-${it.name}`);
    const held = it.sql(`SELECT pg_advisory_lock(7) \\g /dev/null\n\\! while [ ! -e ${go} ]; do sleep 0.02; done`);
    const waiting = (granted, n) =>
        waitFor(`${n} with granted = ${granted}`, async () => {
            const where = `locktype = 'advisory' AND granted = ${granted} AND database = (SELECT oid FROM pg_database WHERE datname = '${it.name}')`;
            return Number(await postgres.sql('postgres', `SELECT count(*) FROM pg_locks WHERE ${where}`)) === n;
        });
    await waiting(true, 1);
    const first = it.migrate();
    await waiting(false, 1); // in its first file
    const second = it.migrate();
    await waiting(false, 2); // before the first look
    place.write(`go-${it.name}`, '');
    await held;
    assert.deepEqual(await first, { code: 0, signal: null, stdout: 'applied 0001_a.sql\napplied 0002_b.sql\n', stderr: '' });
    assert.deepEqual(await second, { code: 0, signal: null, stdout: 'the schema is up to date (version 2)\n', stderr: '' });
});

test('a failing file leaves nothing behind; those before it stay', async () => {
    const it = await newCase({
        '0001_a.sql': 'CREATE TABLE a (x int);',
        '0002_b.sql': '-- größer\nCREATE TABLE b (x int);\n\nSELECT größe\n  FROM nowhere;\n',
    });
    await refused(it, /0002_b\.sql:5: PostgreSQL refused statement 2 of the file: relation "nowhere" does not exist; nothing of the file was applied/);
    assert.equal(await it.versions(), '1');
    assert.equal(await it.sql("SELECT to_regclass('b') IS NULL"), 't');
    it.write('0002_b.sql', 'CREATE TABLE b (x int);');
    assert.equal((await it.migrate()).stdout, 'applied 0002_b.sql\n');
});

test('a file that was applied must not change', async () => {
    const it = await newCase({ '0001_a.sql': 'CREATE TABLE a (x int);' });
    await it.migrate();
    it.write('0001_a.sql', 'CREATE TABLE a (x bigint);');
    await refused(it, /0001_a\.sql was changed after the database had applied 0001_a\.sql; put it back/);
});

test('a database that is newer than the files is left alone', async () => {
    const it = await newCase({ '0001_a.sql': 'SELECT 1;' });
    await it.migrate();
    await it.sql("INSERT INTO schema_migrations (version, name, sha256) VALUES (2, '0002_b.sql', 'x')");
    await refused(it, /the database is at version 2, newer than the files of .* \(1\)/);
});

describe('a folder is refused before the database is touched', () => {
    const folders = {
        'with a gap': [{ '0001_a.sql': '', '0003_c.sql': '' }, /there is no migration 0002 before 0003_c\.sql/],
        'with a number twice': [{ '0001_a.sql': '', '0001_b.sql': '' }, /0001_a\.sql and 0001_b\.sql have the same number/],
        'that begins with another number': [{ '0002_b.sql': '' }, /there is no migration 0001 before 0002_b\.sql/],
        'with a file without a number': [{ '0001_a.sql': '', 'notes.sql': '' }, /notes\.sql: a migration is named NNNN_name\.sql/],
        'without files': [{ 'README.md': '' }, /holds no migrations/],
        'with a NUL byte': [{ '0001_a.sql': 'SELECT 1;\0' }, /0001_a\.sql is no migration/],
    };
    for (const [what, [files, pattern]] of Object.entries(folders)) {
        test(what, async () => {
            const it = await newCase(files);
            await refused(it, pattern);
            assert.equal(await it.sql("SELECT to_regclass('schema_migrations') IS NULL"), 't');
        });
    }
});

test('a file may not end its own transaction', async () => {
    const it = await newCase({ '0001_a.sql': 'SELECT 1; COMMIT;' });
    await refused(it, /0001_a\.sql: the file ends its own transaction/);
});

test('a file may not copy from the client', async () => {
    const it = await newCase({ '0001_a.sql': 'CREATE TABLE a (x int); COPY a FROM STDIN;' });
    await refused(it, /0001_a\.sql: statement 2 is a COPY/);
});

test('a database that does not answer is a sentence', async () => {
    const conf = writeSettings(place, { settings: { database: 'host=/nonexistent dbname=x' }, name: 'conf/nowhere.conf' });
    const { code, stderr } = await firstbell(place, ['migrate'], { conf });
    assert.equal(code, 1);
    assert.match(stderr, /^firstbell: cannot connect to PostgreSQL as fb_owner \(setting database = host=\/nonexistent dbname=x\): .*\n$/);
});

test('one that waits for another in vain ends after its bound with a sentence, and has done nothing', async () => {
    const { code, stderr } = await late.end;
    assert.equal(stderr, 'firstbell: another `firstbell migrate` has been at work for 30 s; try again when it is done\n');
    assert.equal(code, 1);
    assert.equal(await late.it.sql("SELECT to_regclass('schema_migrations') IS NULL"), 't');
    assert.equal((await late.held).code, 0);
    assert.equal((await late.it.migrate()).stdout, 'applied 0001_a.sql\n');
});
