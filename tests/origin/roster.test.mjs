// `firstbell roster import`: the demo district of 10,000 students, every kind of broken zip, deltas, and what must not happen.

import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';

import { app } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { mustRun } from '../lib/run.mjs';
import { firstbell, mustFirstbell, writeSettings } from '../lib/server-firstbell.mjs';
import { postgresBin, startPostgres } from '../lib/server-postgres.mjs';
import { waitFor } from '../lib/wait.mjs';
import { headers, makeZip, manifest, readZip, school, writeRoster } from './roster-zip.mjs';

/** The files that are used, and their tables. */
const kinds = { orgs: 'orgs', academicSessions: 'academic_sessions', courses: 'courses', classes: 'classes', users: 'users', enrollments: 'enrollments' };
const tables = ['academic_sessions', 'class_terms', 'classes', 'courses', 'enrollments', 'orgs', 'user_orgs', 'users', 'accounts', 'sessions'];

let place;
let postgres;

before(async () => {
    place = newPlace();
    postgres = await startPostgres(place);
    writeSettings(place);
});
after(() => place.stop());

/** Two empty tenants, a (1) and b (2). */
async function twoTenants() {
    await postgres.sql('postgres', 'TRUNCATE tenants RESTART IDENTITY CASCADE');
    await mustFirstbell(place, ['tenant', 'add', 'a', '--title', 'A', '--host', 'a.localhost']);
    await mustFirstbell(place, ['tenant', 'add', 'b', '--title', 'B', '--host', 'b.localhost']);
}

const importZip = (tenant, zip, ...options) => firstbell(place, ['roster', 'import', '--tenant', tenant, ...options, zip]);
const mustImport = (tenant, zip, ...options) => mustFirstbell(place, ['roster', 'import', '--tenant', tenant, ...options, zip]);
const imports = (tenant) => postgres.rows('postgres', `SELECT * FROM roster_imports WHERE tenant_id = ${tenant} ORDER BY id`);
const number = async (sql) => Number(await postgres.sql('postgres', sql));

async function district(name, ...args) {
    const zip = place.path(name);
    await mustRun([path.join(app(), 'bin/district'), '--out', zip, ...args]);
    return zip;
}

function roster(rows, options) {
    const zip = writeRoster(place.path('small.zip'), rows, options);
    chmodSync(zip, 0o644);
    return zip;
}

/** Everything an import may touch, down to which transaction wrote each row. */
async function checksums() {
    const one = (table) => `SELECT '${table}', count(*), md5(coalesce(string_agg(t.xmin::text || t::text, ',' ORDER BY t::text), '')) FROM ${table} t`;
    return postgres.sql('postgres', `${tables.map(one).join(' UNION ALL ')} ORDER BY 1`);
}

/** Tenant a is refused the zip, with a sentence, nothing changed, and a record of it. */
async function refused(zip, pattern, { options = [] } = {}) {
    const [was, records] = [await checksums(), (await imports(1)).length];
    const result = await importZip('a', zip, ...options);
    assert.equal(result.code, 1, result.stdout + result.stderr);
    assert.match(result.stderr, pattern);
    assert.equal(result.stdout, '');
    assert.equal(await checksums(), was, 'a refused roster changed something');
    const now = await imports(1);
    const last = now.at(-1);
    assert.equal(now.length, records + 1);
    assert.equal(last.outcome, 2);
    assert.ok(last.errors > 0 && last.report.errors.length > 0);
    assert.deepEqual([last.inserted, last.updated, last.deleted], [0, 0, 0]);
    return result;
}

describe('the demo district', () => {
    let zip;

    before(async () => {
        await twoTenants();
        zip = await district('demo.zip', '--schools', '12', '--students', '10000', '--seed', '1');
        await mustImport('a', zip);
    });

    test('is the same bytes for the same arguments', async () => {
        const again = await district('again.zip', '--schools', '12', '--students', '10000', '--seed', '1');
        const other = await district('other.zip', '--schools', '12', '--students', '10000', '--seed', '2');
        assert.ok(readFileSync(zip).equals(readFileSync(again)));
        assert.ok(!readFileSync(zip).equals(readFileSync(other)));
    });

    test('arrives whole', async () => {
        const files = readZip(zip);
        for (const [file, table] of Object.entries(kinds)) {
            const rows = files[`${file}.csv`].trimEnd().split('\r\n').length - 1;
            assert.equal(await number(`SELECT count(*) FROM ${table} WHERE tenant_id = 1 AND status = 1`), rows, file);
        }
        assert.equal(await number('SELECT count(*) FROM users WHERE role = 7'), 10000);
        assert.equal(await number('SELECT count(*) FROM orgs WHERE type = 2'), 12);
        assert.equal(await number('SELECT count(*) FROM user_orgs'), await number('SELECT count(*) FROM users'));
        assert.ok((await number('SELECT count(*) FROM enrollments')) > 60000);
        assert.equal(await number('SELECT count(*) FROM accounts'), 0);
        const [record] = await imports(1);
        assert.equal(record.outcome, 1);
        assert.equal(record.file, 'demo.zip');
        const all = Object.values(kinds).map((table) => `(SELECT count(*) FROM ${table})`);
        assert.equal(record.inserted, await number(`SELECT ${all.join(' + ')}`));
    });

    test('holds the class of the demo course', async () => {
        const of = (where) =>
            'SELECT count(*) FROM enrollments e JOIN classes k ON k.id = e.class_id JOIN courses c ON c.id = k.course_id ' +
            `JOIN users u ON u.id = e.user_id WHERE c.sourced_id = 'course-demo' AND c.title = 'Earth Science 7' AND ${where}`;
        const taken = (username) => `SELECT count(*) FROM enrollments e JOIN users u ON u.id = e.user_id WHERE u.username = '${username}'`;
        assert.equal(await number("SELECT count(*) FROM classes k JOIN courses c ON c.id = k.course_id WHERE c.sourced_id = 'course-demo'"), 1);
        assert.equal(await number(of('e.role = 3')), 28);
        assert.equal(await number(of("e.role = 4 AND u.username = 'teacher.demo'")), 1);
        assert.equal(await number(of("e.role = 3 AND u.username = 'student.demo'")), 1);
        assert.equal(await number(taken('student.demo')), 6);
        assert.equal(await number(taken('teacher.demo')), 5);
        assert.ok((await number('SELECT max(n) FROM (SELECT count(*) AS n FROM enrollments WHERE role = 3 GROUP BY class_id) s')) <= 30);
    });

    test('a second import writes nothing', async () => {
        const was = await checksums();
        const report = await mustImport('a', zip);
        assert.match(report, /enrollments +bulk +\d+ +0 +0 +\d+ +0\n/);
        assert.equal(await checksums(), was);
        const last = (await imports(1)).at(-1);
        assert.deepEqual([last.outcome, last.inserted, last.updated, last.deleted, last.errors], [1, 0, 0, 0, 0]);
        assert.equal(last.unchanged, (await imports(1))[0].inserted);
    });

    test('an importer that is killed leaves nothing', async () => {
        const was = await checksums();
        const argv = [path.join(app(), 'bin/firstbell'), '-c', place.path('conf/firstbell.conf'), 'roster', 'import', '--tenant', 'b', zip];
        const importer = place.start('importer', argv);
        const busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'firstbell roster import' AND query LIKE 'INSERT INTO%'";
        await waitFor('the importer to write', async () => {
            place.assertRunning(importer);
            return (await number(busy)) > 0;
        });
        await place.stopProgram(importer, 'SIGKILL');
        const connected = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'firstbell roster import'";
        await waitFor('PostgreSQL to notice', async () => (await number(connected)) === 0, 60);
        assert.equal(await checksums(), was);
        assert.deepEqual(await imports(2), []);
    });

    test('another tenant takes the same zip, and the first is not touched', async () => {
        const roster = tables.slice(0, 8);
        const of = async (tenant) => Promise.all(roster.map((table) => number(`SELECT count(*) FROM ${table} WHERE tenant_id = ${tenant}`)));
        const users = () => postgres.sql('postgres', "SELECT md5(string_agg(xmin::text || u::text, ',' ORDER BY id)) FROM users u WHERE tenant_id = 1");
        const was = await users();
        await mustImport('b', zip);
        assert.deepEqual(await of(2), await of(1));
        assert.equal(await users(), was);
        assert.equal(await number('SELECT count(*) FROM enrollments e JOIN classes k ON k.id = e.class_id WHERE k.tenant_id <> e.tenant_id'), 0);
    });

    test('a second import at the same time is turned away', async () => {
        const holder = spawnLock(2);
        await waitFor('the lock', async () => (await number("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")) > 0);
        const result = await importZip('b', zip);
        holder.kill('SIGTERM');
        assert.equal(result.code, 1);
        assert.match(result.stderr, /another roster of tenant "b" is being imported/);
    });
});

/** A session that holds the lock of a tenant's import until it is ended. */
function spawnLock(tenant) {
    const sql = `BEGIN; SELECT pg_advisory_xact_lock(1919906676, ${tenant}); SELECT pg_sleep(60);`;
    const holder = place.start('psql', [`${postgresBin()}/psql`, '-XAtq', '-h', place.path('sock'), '-U', 'fb_operator', '-d', 'firstbell', '-c', sql]);
    return holder.child;
}

describe('a broken district is refused with file and line', () => {
    before(async () => {
        await twoTenants();
        await mustImport('a', await district('whole.zip', '--schools', '3', '--students', '300', '--seed', '1'));
    });

    const broken = [
        ['missing-column', /^courses\.csv:1: the column title is missing$/m],
        ['unknown-reference', /^classes\.csv:6: courseSourcedId refers to "course-of-nobody", which is not in courses\.csv$/m],
        ['duplicate-sourcedid', /^users\.csv:22: the sourcedId is on line 2 already/m],
        ['bad-enum', /^orgs\.csv:4: type must be one of .*; found "School"$/m],
        ['bad-date', /^academicSessions\.csv:3: endDate must be a date .*; found "2027-02-29"$/m],
        ['nul-byte', /^users\.csv:22: .*NUL/m],
        ['invalid-utf8', /^users\.csv:22: .*UTF-8/m],
        ['long-field', /^users\.csv:22: .*longer than/m],
        ['bad-quote', /^users\.csv:22: .*quote/m],
        ['truncated-zip', /^broken\.zip: this is not a whole zip /m],
        ['zip-bomb', /^orgs\.csv: the zip inflates to more than 200 times its size/m],
        ['manifest-mismatch', /^manifest\.csv: file\.demographics is listed as bulk, but the zip does not hold demographics\.csv$/m],
        ['wrong-version', /^manifest\.csv:3: oneroster\.version is "1\.2"; this version of Firstbell reads OneRoster 1\.1/m],
        ['in-a-folder', /^broken\.zip: the zip holds "district\/manifest\.csv"; the files of a roster stand at the root/m],
        ['org-circle', /^orgs\.csv:2: parentSourcedId leads into a circle/m],
    ];
    for (const [kind, pattern] of broken) {
        test(kind, async () => {
            const zip = await district('broken.zip', '--schools', '3', '--students', '300', '--seed', '1', '--broken', kind);
            const { stderr } = await refused(zip, pattern);
            assert.match(stderr, /^firstbell: broken\.zip was refused: \d+ mistakes?; nothing was changed$/m);
        });
    }
});

describe('a small roster', () => {
    beforeEach(twoTenants);

    test('arrives as it was written', async () => {
        await mustImport('a', roster(school()));
        const people = 'SELECT *, (SELECT count(*) FROM user_orgs o WHERE o.user_id = u.id) AS norgs FROM users u ORDER BY sourced_id';
        const [, anna, ben] = await postgres.rows('postgres', people);
        assert.deepEqual([anna.given_name, anna.family_name, anna.role, anna.norgs], ['Anna', 'O"Hara', 7, 1]);
        assert.deepEqual([anna.user_ids, anna.agent_sourced_ids, anna.grades], [['{SIS:1}', '{LDAP:x}'], ['g1'], ['07']]);
        assert.deepEqual([ben.given_name, ben.family_name, ben.norgs, ben.email], ['Ben\\n', '{tab}', 2, null]);
        const courses =
            'SELECT c.grades, o.sourced_id AS org, y.sourced_id AS year FROM courses c JOIN orgs o ON o.id = c.org_id ' +
            'JOIN academic_sessions y ON y.id = c.school_year_id';
        assert.deepEqual(await postgres.rows('postgres', courses), [{ grades: ['07', '08'], org: 'd', year: 'y' }]);
        assert.equal(await number("SELECT count(*) FROM class_terms t JOIN classes k ON k.id = t.class_id WHERE k.sourced_id = 'k2'"), 2);
        assert.equal(await postgres.sql('postgres', "SELECT p.sourced_id FROM orgs o JOIN orgs p ON p.id = o.parent_id WHERE o.sourced_id = 's'"), 'd');
        const dump = await postgres.sql('postgres', "SELECT u::text FROM users u UNION ALL SELECT report::text FROM roster_imports");
        assert.ok(!dump.includes('top-secret-word'), 'the password column was kept');
    });

    test('what differs is written, what does not is left alone', async () => {
        await mustImport('a', roster(school()));
        const rows = school();
        rows.users[0] = rows.users[0].replace('Anna', 'Hannah');
        rows.users[1] = rows.users[1].replace('"s,d"', 's'); // one org fewer
        rows.classes[1] = rows.classes[1].replace('"fall,y"', 'fall');
        rows.orgs[1] = rows.orgs[1].replace(/d$/, ''); // no parent any more
        rows.enrollments.push('e5,,,k2,s,u2,student,,,');
        await mustImport('a', roster(rows));
        const { report } = (await imports(1)).at(-1);
        const counts = (file) => ['inserted', 'updated', 'unchanged', 'deleted'].map((k) => report.files[file][k]);
        assert.deepEqual(counts('users'), [0, 2, 1, 0]);
        assert.deepEqual(counts('classes'), [0, 1, 1, 0]);
        assert.deepEqual(counts('orgs'), [0, 1, 1, 0]);
        assert.deepEqual(counts('courses'), [0, 0, 1, 0]);
        assert.deepEqual(counts('enrollments'), [1, 0, 4, 0]);
        assert.equal(await number("SELECT count(*) FROM user_orgs o JOIN users u ON u.id = o.user_id WHERE u.sourced_id = 'u2'"), 1);
        assert.equal(await number('SELECT count(*) FROM class_terms'), 2);
        assert.equal(await number('SELECT count(*) FROM orgs WHERE parent_id IS NOT NULL'), 0);
    });

    test('a delta adds, changes and takes away what it names, and nothing else', async () => {
        await mustImport('a', roster(school()));
        const at = '2026-09-01T08:00:00.000Z';
        const rows = {
            users: [
                `u3,active,${at},true,s,student,cem,,Cem,Kaya,,,,,,,07,`,
                `u2,tobedeleted,${at},,,,,,,,,,,,,,,`,
                'u1,active,2026-09-01T08:00:00Z,false,s,student,anna,"{SIS:1},{LDAP:x}",Anna,"O""Hara",,1,,,,g1,07,',
            ],
            enrollments: [`e2,tobedeleted,${at},,,,,,,`, `e9,active,${at},k1,s,u3,student,,,`, `e-unknown,tobedeleted,${at},,,,,,,`],
        };
        await mustImport('a', roster(rows, { modes: { users: 'delta', enrollments: 'delta' } }));
        const { report } = (await imports(1)).at(-1);
        assert.deepEqual(report.files.users, { mode: 'delta', rows: 3, inserted: 1, updated: 1, unchanged: 0, deleted: 1 });
        assert.deepEqual(report.files.enrollments, { mode: 'delta', rows: 3, inserted: 1, updated: 0, unchanged: 1, deleted: 1 });
        const active = (table) => postgres.sql('postgres', `SELECT string_agg(sourced_id, ' ' ORDER BY sourced_id) FROM ${table} WHERE status = 1`);
        assert.equal(await active('enrollments'), 'e1 e3 e4 e9');
        assert.equal(await active('users'), 't1 u1 u3');
        await mustImport('a', roster(school(), {})); // a full snapshot brings them back
        assert.equal(await active('users'), 't1 u1 u2 u3');
        assert.equal(await active('enrollments'), 'e1 e2 e3 e4');
    });

    test('ends the sessions of people who are disabled, leave or change role, and of nobody else', async () => {
        await mustImport('a', roster(school()));
        await mustImport('b', roster(school()));
        await postgres.sql('postgres', `INSERT INTO sessions (tenant_id, sid, user_id, expires_at)
            SELECT tenant_id, rpad(sourced_id || tenant_id, 32, '0'), id, now() + interval '1 hour' FROM users`);
        const open = () => postgres.sql('postgres', "SELECT string_agg(rtrim(sid, '0'), ' ' ORDER BY sid) FROM sessions");
        const changed = (change) => mustImport('a', roster({ ...school(), users: school().users.map(change) }));
        assert.equal(await open(), 't11 t12 u11 u12 u21 u22');
        await changed((row) => row.replace('Anna', 'Hannah'));
        assert.equal(await open(), 't11 t12 u11 u12 u21 u22', 'a new name signs nobody out');
        await changed((row) => row.replace(/^(u1.*),true,/, '$1,false,'));
        await mustImport('a', roster(school()));
        assert.equal(await open(), 't11 t12 u12 u21 u22', 'enabled again, and the old session is gone');
        const left = { users: ['u2,tobedeleted,2026-09-01T08:00:00.000Z,,,,,,,,,,,,,,,'] };
        await mustImport('a', roster(left, { modes: { users: 'delta' } }));
        await mustImport('a', roster(school()));
        assert.equal(await open(), 't11 t12 u12 u22', 'left and came back');
        await changed((row) => row.replace(',teacher,', ',student,'));
        assert.equal(await open(), 't12 u12 u22', 'another role');
    });

    test('records made in Firstbell itself are left alone', async () => {
        await mustImport('a', roster(school()));
        await mustFirstbell(place, ['user', 'add', '--tenant', 'a', '--username', 'op', '--role', 'operator', '--given', 'O', '--family', 'P']);
        const enrollment = "SELECT 1, 'local-e', (SELECT min(id) FROM classes), id, 4 FROM users WHERE sourced_id = 'local-op'";
        await postgres.sql('postgres', `INSERT INTO enrollments (tenant_id, sourced_id, class_id, user_id, role) ${enrollment}`);
        assert.equal(await number("SELECT count(*) FROM enrollments WHERE sourced_id = 'local-e'"), 1);
        const was = await checksums();
        await mustImport('a', roster(school()));
        assert.equal(await checksums(), was);
    });

    test('doubts are warnings, and mistakes with --strict', async () => {
        const rows = school();
        rows.orgs = rows.orgs.map((row) => row.replace(',,,', ',active,2026-08-01T00:00:00Z,'));
        const zip = roster(rows);
        await refused(zip, /^orgs\.csv:2: status or dateLastModified is filled in on 2 rows/m, { options: ['--strict'] });
        const result = await importZip('a', zip);
        assert.equal(result.code, 0, result.stderr);
        assert.match(result.stderr, /^orgs\.csv:2: warning: status or dateLastModified is filled in on 2 rows/m);
    });

    test('files that are not used are passed over with a note', async () => {
        const extra = [['demographics.csv', 'sourcedId,status,dateLastModified\nu1,,\n'], ['__MACOSX/._users.csv', 'x']];
        const report = await mustImport('a', roster(school(), { extra, modes: { demographics: 'bulk' } }));
        assert.match(report, /^demographics\.csv is not used yet and was passed over$/m);
    });
});

describe('a full snapshot that takes many enrollments away', () => {
    const many = (n) => {
        const rows = school();
        rows.users = Array.from({ length: 130 }, (_, i) => `u${i},,,true,s,student,u${i},,U,${i},,,,,,,07,`);
        rows.enrollments = Array.from({ length: n }, (_, i) => `e${i},,,k1,s,u${i},student,,,`);
        return rows;
    };
    beforeEach(async () => {
        await twoTenants();
        await mustImport('a', roster(many(130)));
    });

    test('is refused above a fifth of a school, unless it is meant', async () => {
        const zip = roster(many(100)); // 30 of 130
        const sentence = /^enrollments\.csv: the school "School" \(s\) would lose 30 of its 130 active enrollments \(23 percent; .*--allow-mass-change$/m;
        await refused(zip, sentence);
        await mustImport('a', zip, '--allow-mass-change');
        assert.equal(await number('SELECT count(*) FROM enrollments WHERE status = 1'), 100);
        assert.equal((await imports(1)).at(-1).deleted, 30);
    });

    test('is taken within a fifth', async () => {
        await mustImport('a', roster(many(105)));
        assert.equal(await number('SELECT count(*) FROM enrollments WHERE status = 1'), 105);
        assert.equal(await number('SELECT count(*) FROM enrollments WHERE status = 2'), 25);
    });
});

describe('a mistake is named with file and line', () => {
    before(async () => {
        await twoTenants();
        await mustImport('a', roster(school()));
    });

    const edit = (file, line, from, to) => {
        const rows = school();
        rows[file][line] = rows[file][line].replace(from, to);
        return rows;
    };
    const cases = [
        ['a parent that is not there', edit('orgs', 1, /d$/, 'x'), /^orgs\.csv:3: parentSourcedId refers to "x", which is not in orgs\.csv$/m],
        [
            'a class in a district',
            edit('classes', 0, ',s,fall', ',d,fall'),
            /^classes\.csv:2: schoolSourcedId must refer to an org of type school; "d" is of type district$/m,
        ],
        [
            'a course of a term',
            edit('courses', 0, ',y,', ',fall,'),
            /^courses\.csv:2: schoolYearSourcedId must refer to .*schoolYear; "fall" is of type term$/m,
        ],
        [
            'a class in a grading period',
            edit('academicSessions', 1, 'term', 'gradingPeriod'),
            /^classes\.csv:2: termSourcedIds must .*; "fall" is of type gradingPeriod$/m,
        ],
        ['a term that is not there', edit('classes', 1, '"fall,y"', '"fall,nie"'), /^classes\.csv:3: termSourcedIds refers to "nie"/m],
        [
            'a session that is its own ancestor',
            edit('academicSessions', 0, ',,2027', ',fall,2027'),
            /^academicSessions\.csv:2: parentSourcedId leads into a circle/m,
        ],
        [
            'a session that ends before it begins',
            edit('academicSessions', 1, '2027-01-15', '2026-01-15'),
            /^academicSessions\.csv:3: endDate is before startDate$/m,
        ],
        [
            'an enrollment of nobody, who is not named',
            edit('enrollments', 1, 'u2', 'mary.smith'),
            /^enrollments\.csv:3: userSourcedId refers to a record, which is not in users\.csv$/m,
        ],
        ['a row too long', edit('orgs', 1, /$/, ',more'), /^orgs\.csv:3: the row has 8 cells, the header has 7$/m],
        ['a reserved id', edit('users', 0, /^u1/, 'local-u1'), /^users\.csv:2: sourcedId begins with "local-"/m],
        ['an empty name', edit('users', 0, 'Anna', ''), /^users\.csv:2: givenName is empty; a value is required$/m],
        [
            'a record that goes while another stays',
            edit('users', 0, ',,,', ',tobedeleted,,'),
            /^enrollments\.csv:2: userSourcedId refers to a record of users, which is to be deleted$/m,
        ],
        ['no rows', { ...school(), courses: [] }, /^courses\.csv: the file has a header but no rows/m],
    ];
    for (const [name, rows, pattern] of cases) {
        test(name, async () => {
            const { stderr } = await refused(roster(rows), pattern);
            assert.ok(!stderr.includes('mary.smith'));
        });
    }

    test('rows that stand many times cost no more than once, wherever others lead to them', { timeout: 20000 }, async () => {
        const rows = school();
        const [again, there] = [',,,a,school,,b', ',,,b,school,,a'].map((rest, i) => Array.from({ length: 20 }, () => `${'ab'[i]}${rest}`));
        rows.orgs.push('z,,,Z,school,,a', ...again, ...there);
        const users = Array.from({ length: 3000 }, () => rows.users[0]);
        const enrollments = Array.from({ length: 3000 }, (_, n) => rows.enrollments[0].replace(/^[^,]*/, `e${n}`));
        const { stderr } = await refused(roster({ ...rows, users, enrollments }), /^orgs\.csv:\d+: the sourcedId "a" is on line \d+ already/m);
        assert.match(stderr, /^users\.csv:3: the sourcedId is on line 2 already/m);
        assert.doesNotMatch(stderr, /circle|refers to/);
    });

    test('a delta without a status', async () => {
        await refused(roster({ users: ['u9,,,true,s,student,x,,X,Y,,,,,,,,'] }, { modes: { users: 'delta' } }), /^users\.csv:2: status is empty; a value is required$/m);
    });

    test('a delta that refers to nobody', async () => {
        const rows = { enrollments: ['e9,active,2026-09-01T08:00:00Z,nie,s,u1,student,,,'] };
        const sentence = /^enrollments\.csv:2: classSourcedId refers to "nie", which is neither in the roster nor in classes\.csv$/m;
        await refused(roster(rows, { modes: { enrollments: 'delta' } }), sentence);
    });

    test('more mistakes than are printed are counted', async () => {
        const rows = school();
        for (let i = 0; i < 250; i++) rows.orgs.push(`o${i},,,Org,school,,nowhere`);
        const { stderr } = await refused(roster(rows), /^and 150 more mistakes$/m);
        assert.match(stderr, /was refused: 250 mistakes/);
        assert.equal(stderr.trim().split('\n').length, 102);
    });
});

describe('the bytes of a CSV file', () => {
    before(twoTenants);

    const present = (rows) => manifest(Object.fromEntries(Object.keys(rows).map((kind) => [kind, 'bulk'])));
    /** A zip of school() whose files are made by `write` of [kind, lines]; the manifest too. */
    const written = (write) => {
        const rows = school();
        const files = Object.entries(rows).map(([kind, lines]) => [`${kind}.csv`, write(kind, [headers[kind], ...lines])]);
        const zip = place.path('bytes.zip');
        writeFileSync(zip, makeZip([...files, ['manifest.csv', write('manifest', present(rows).trimEnd().split('\r\n'))]]), { mode: 0o644 });
        return zip;
    };
    const usersWith = (line) => written((kind, lines) => Buffer.concat([Buffer.from(`${lines.join('\n')}\n`), kind === 'users' ? line : Buffer.alloc(0)]));

    const line = 'u9,,,true,s,student,NAME,,Given,Family,,,,,,,,';
    const faults = [
        ['a field of 2 MB', line.replace('NAME', 'x'.repeat(2 << 20)), /^users\.csv:5: .*longer than/m],
        ['a field of 2 MB in quotes', line.replace('NAME', `"${'x'.repeat(2 << 20)}"`), /^users\.csv:5: .*longer than/m],
        ['a NUL', line.replace('NAME', 'a\0b'), /^users\.csv:5: .*NUL/m],
        ['Latin-1', Buffer.from(line.replace('NAME', 'm\xfcller'), 'latin1'), /^users\.csv:5: .*UTF-8/m],
        ['UTF-16', Buffer.from(line, 'utf16le'), /^users\.csv:5: .*NUL/m],
        ['a quote that is not closed', line.replace('NAME', '"anna'), /^users\.csv:5: .*quote/m],
        ['a quote in the middle', line.replace('NAME', 'an"na'), /^users\.csv:5: .*quote/m],
        ['text behind a quote', line.replace('NAME', '"an"na'), /^users\.csv:5: .*quote/m],
        ['a line end in quotes', line.replace('NAME', '"an\nna"'), /^users\.csv:5: .*line/m],
        ['a bare carriage return', line.replace('NAME', 'an\rna'), /^users\.csv:5: /m],
        ['a cell too many', `${line},x`, /^users\.csv:5: /m],
        ['a cell too few', line.slice(0, -1), /^users\.csv:5: /m],
    ];
    for (const [what, bytes, pattern] of faults) {
        test(`${what} is named with its line, and nothing is imported`, async () => {
            await refused(usersWith(Buffer.from(bytes)), pattern);
            assert.equal(await number('SELECT count(*) FROM users'), 0);
        });
    }

    test('a zip that is cut off anywhere is refused', async () => {
        const whole = readFileSync(await district('whole.zip', '--schools', '1', '--students', '60', '--seed', '3'));
        const zip = place.path('cut.zip');
        for (let i = 1; i <= 12; i++) {
            writeFileSync(zip, whole.subarray(0, Math.floor((whole.length * i) / 13)), { mode: 0o644 });
            await refused(zip, /cut\.zip: this is not a whole zip|the zip is damaged or cut off/);
        }
        writeFileSync(zip, whole.subarray(0, whole.length - 1), { mode: 0o644 });
        await refused(zip, /not a whole zip|damaged or cut off/);
        assert.equal(await number('SELECT count(*) FROM users'), 0);
    });

    test('a BOM, line ends of both kinds and none at the end, quotes where none are needed: the same roster', async () => {
        await mustImport('a', roster(school()));
        const was = await checksums();
        const quoted = (line) => (line.includes('"') ? line : line.split(',').map((cell) => `"${cell}"`).join(','));
        await mustImport('a', written((kind, lines) => `\ufeff${lines.join('\r\n')}\r\n`));
        await mustImport('a', written((kind, lines) => `\ufeff${lines.join('\n')}`));
        await mustImport('a', written((kind, lines) => `${lines.map(quoted).join('\r\n')}\r\n\r\n`));
        assert.equal(await checksums(), was, 'nothing had to be written again');
    });
});

describe('a zip that is not as it should be', () => {
    before(twoTenants);

    const csv = Object.entries(school()).map(([kind, lines]) => [`${kind}.csv`, [headers[kind], ...lines, ''].join('\n')]);
    const whole = [...csv, ['manifest.csv', manifest(Object.fromEntries(Object.keys(school()).map((kind) => [kind, 'bulk'])))]];
    const zips = [
        [
            'a file that OneRoster does not know',
            makeZip([...whole, ['readme.txt', 'hello']]),
            /^odd\.zip: the zip holds "readme\.txt", which is not a file of OneRoster 1\.1$/m,
        ],
        ['a file in another spelling', makeZip([...whole, ['Users.csv', 'x']]), /compared with case/],
        ['a file twice', makeZip([...whole, ['users.csv', headers.users]]), /^users\.csv: the zip holds this file twice$/m],
        [
            'a file the manifest calls absent',
            makeZip([...whole, ['results.csv', 'x']]),
            /^manifest\.csv: file\.results is listed as absent, but the zip holds results\.csv$/m,
        ],
        [
            'a path that climbs',
            makeZip([...whole, ['../users.csv', 'x']]),
            /^odd\.zip: the zip holds "\.\.\/users\.csv"; the files of a roster stand at the root/m,
        ],
        ['no manifest', makeZip(csv), /^odd\.zip: manifest\.csv is missing/m],
        ['an encrypted zip', makeZip(whole, { flags: 1 }), /the file is encrypted; send a zip without a password/],
        [
            'too many entries',
            makeZip([...whole, ...Array.from({ length: 70 }, (_, i) => [`d${i}/`, ''])]),
            /^odd\.zip: the zip holds more than 64 entries$/m,
        ],
        ['damaged bytes', damage(makeZip(whole)), /the zip is damaged or cut off/],
        ['an empty file', Buffer.alloc(0), /this is not a whole zip/],
        ['no zip at all', Buffer.from('sourcedId,status\n1,active\n'), /this is not a whole zip/],
    ];
    for (const [name, bytes, pattern] of zips) {
        test(name, async () => {
            const zip = place.path('odd.zip');
            writeFileSync(zip, bytes, { mode: 0o644 });
            await refused(zip, pattern);
        });
    }

    test('a folder, and a file that is not there', async () => {
        await refused(place.path('log'), /this is not a file; name the zip itself/);
        await refused(place.path('nothing.zip'), /the file cannot be opened: No such file or directory/);
    });

    test('the command line', async () => {
        const result = await importZip('nobody', place.path('odd.zip'));
        assert.equal(result.code, 1);
        assert.match(result.stderr, /there is no tenant named "nobody"/);
        for (const args of [[], ['--tenant', 'a'], ['--tenant', 'a', 'x.zip', 'y.zip'], ['--tenant', 'a', '--colour', 'x.zip']]) {
            assert.equal((await firstbell(place, ['roster', 'import', ...args])).code, 2, args.join(' '));
        }
    });
});

/** One byte of the first file's data is another one: its checksum tells. */
function damage(zip) {
    const bytes = Buffer.from(zip);
    bytes[bytes.indexOf('District')] ^= 1;
    return bytes;
}
