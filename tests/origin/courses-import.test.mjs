// `firstbell course import`: what is refused, what stays, what a reader of the media sees.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { firstbell, writeSettings } from '../lib/server-firstbell.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';

let place;
let postgres;
let count = 0;

before(async () => {
    place = newPlace();
    postgres = await startPostgres(place);
    writeSettings(place);
    place.folder('courses', 0o755);
});
after(() => place.stop());
/** Two districts with two courses each, without content. */
async function reset() {
    rmSync(place.path('media'), { recursive: true });
    place.folder('media');
    await postgres.sql('postgres', `
        TRUNCATE tenants RESTART IDENTITY CASCADE;
        INSERT INTO tenants (name, title) VALUES ('one', 'One'), ('two', 'Two');
        INSERT INTO orgs (tenant_id, id, sourced_id, name, type) OVERRIDING SYSTEM VALUE SELECT t, 1, 'o', 'O', 2 FROM generate_series(1, 2) t;
        INSERT INTO courses (tenant_id, id, sourced_id, title, org_id, status) OVERRIDING SYSTEM VALUE
        SELECT t, c.id, c.sourced_id, 'C', 1, c.status FROM generate_series(1, 2) t, (VALUES (1, 'c1', 1), (2, 'c2', 1), (3, 'gone', 2)) c (id, sourced_id, status)`);
}

const paragraph = (text) => ({ blocks: [{ type: 'paragraph', text }] });
const reading = (key, more = {}) => ({ key, kind: 'reading', title: key, content: paragraph(key), ...more });
const quiz = (key, more = {}) => ({
    key, kind: 'quiz', title: key,
    content: { pass_score: 60, questions: [{ id: 'q', prompt: 'P', kind: 'single', choices: [{ id: 'a', text: 'A' }, { id: 'b', text: 'B' }], answer: ['a'], explanation: 'E' }] },
    ...more,
});
const video = (key, more = {}) => ({
    key, kind: 'video', title: key,
    content: { hls: 'media:rain/master.m3u8', poster: 'media:rain/poster.jpg', duration_s: 60, captions: [{ lang: 'en', label: 'English', src: 'media:rain/en.vtt' }] },
    ...more,
});
const rain = { 'rain/master.m3u8': '#EXTM3U', 'rain/poster.jpg': 'jpg', 'rain/en.vtt': 'WEBVTT', 'rain/v0/s0.ts': 'ts' };
const courseOf = (items, more = {}) => ({ title: 'C', modules: [{ key: 'm', title: 'M', lessons: [{ key: 'l', title: 'L', items }] }], ...more });
const plain = () => courseOf([reading('a'), quiz('b', { requires: [{ item: 'a' }] }), reading('c', { requires: [{ item: 'b', minimum_score: 72.5 }] })]);
const withRain = () => courseOf([video('film')], { assets: [{ key: 'rain' }] });

/** Writes a file, each folder on the way as the user who runs the servers. */
function write(file, text) {
    const parts = path.dirname(file).split('/');
    parts.forEach((_, i) => place.folder(parts.slice(0, i + 1).join('/')));
    place.write(file, text);
}

/** A folder with the course and its media; `course` may be text. */
function folder(course, media = {}) {
    const name = `courses/${++count}`;
    write(`${name}/course.json`, typeof course === 'string' ? course : JSON.stringify(course));
    for (const [file, text] of Object.entries(media)) write(`${name}/media/${file}`, text);
    return place.path(name);
}

const importDir = (dir, { tenant = 'one', course = 'c1', ...options } = {}) =>
    firstbell(place, ['course', 'import', '--tenant', tenant, '--course', course, dir], options);

async function mustImport(course, media, options) {
    const { code, stdout, stderr } = await importDir(folder(course, media), options);
    assert.equal(code, 0, stderr);
    return stdout;
}

const tree = (table, columns = 'id, key, position, title, retired') =>
    postgres.rows('postgres', `SELECT ${columns} FROM ${table} WHERE tenant_id = 1 ORDER BY id`);
const everything = () =>
    postgres.sql('postgres', ['modules', 'lessons', 'items', 'assets', 'prerequisites'].map((t) => `SELECT '${t}', t.* FROM ${t} t ORDER BY 1, 2, 3;`).join('\n'));
const mediaFiles = (tenant = 1) =>
    execFileSync('find', ['.', '-type', 'f'], { cwd: place.path(`media/${tenant}`) }).toString().trim().split('\n').sort();

describe('the tree', () => {
    beforeEach(reset);

    test('goes in, in the order of the file, with prerequisites', async () => {
        assert.equal(await mustImport(plain()), 'imported 1 modules, 1 lessons, 3 items, 0 assets\n');
        const items = await tree('items', 'id, key, position, kind, content, retired');
        assert.deepEqual(items.map(({ key, position, kind, retired }) => [key, position, kind, retired]), [
            ['a', 0, 2, false], ['b', 1, 3, false], ['c', 2, 2, false],
        ]);
        assert.deepEqual(items[0].content, paragraph('a'));
        const [a, b, c] = items.map(({ id }) => id);
        const needs = await postgres.rows('postgres', 'SELECT item_id, required_item_id AS needs, minimum_score_hundredths AS least FROM prerequisites ORDER BY 1');
        assert.deepEqual(needs, [{ item_id: b, needs: a, least: null }, { item_id: c, needs: b, least: 7250 }]);
    });

    test('the same again writes no row anew', async () => {
        await mustImport(plain());
        const rows = "SELECT xmin::text, key FROM items UNION ALL SELECT xmin::text, key FROM lessons UNION ALL SELECT xmin::text, key FROM modules";
        const before_ = await postgres.rows('postgres', rows);
        await mustImport(plain());
        assert.deepEqual(await postgres.rows('postgres', rows), before_);
    });

    test('ids stay by key through moves, new titles and other lessons', async () => {
        await mustImport(plain());
        const ids = Object.fromEntries((await tree('items')).map(({ key, id }) => [key, id]));
        const next = plain();
        next.modules.unshift({ key: 'm0', title: 'New', lessons: [{ key: 'l0', title: 'New', items: [reading('c'), reading('d')] }] });
        next.modules[1].lessons[0].items = [quiz('b'), reading('a', { title: 'New title' })];
        await mustImport(next);
        const items = await tree('items', 'i.id, i.key, i.position, i.title, i.retired, (SELECT key FROM lessons l WHERE l.tenant_id = i.tenant_id AND l.id = i.lesson_id) AS lesson'.replaceAll('i.', 'items.'));
        const d = items.find(({ key }) => key === 'd').id;
        assert.deepEqual(items, [
            { id: ids.a, key: 'a', position: 1, title: 'New title', retired: false, lesson: 'l' },
            { id: ids.b, key: 'b', position: 0, title: 'b', retired: false, lesson: 'l' },
            { id: ids.c, key: 'c', position: 0, title: 'c', retired: false, lesson: 'l0' },
            { id: d, key: 'd', position: 1, title: 'd', retired: false, lesson: 'l0' },
        ]);
        assert.equal(await postgres.sql('postgres', 'SELECT count(*) FROM prerequisites'), '0');
        assert.deepEqual((await tree('modules')).map(({ key, position }) => [key, position]), [['m', 1], ['m0', 0]]);
    });

    test('what vanished is retired, and comes back under its id', async () => {
        const two = plain();
        two.modules.push({ key: 'm2', title: 'M2', lessons: [{ key: 'l2', title: 'L2', items: [reading('x')] }] });
        await mustImport(two);
        const retired = async () => (await Promise.all(['modules', 'lessons', 'items'].map((table) => tree(table)))).flat().filter((row) => row.retired).map(({ key }) => key);
        const before_ = await tree('items', 'id, key');
        await mustImport(plain());
        assert.deepEqual(await retired(), ['m2', 'l2', 'x']);
        await mustImport(two);
        assert.deepEqual(await retired(), []);
        assert.deepEqual(await tree('items', 'id, key'), before_);
    });

    test('takes back what edges keep of the course, with the change or not at all', async () => {
        const purges = () => postgres.rows('postgres', 'SELECT tenant_id AS tenant, actor_id AS actor, kind, hard, value, by_change FROM purges ORDER BY id');
        const ofCourse = { tenant: 1, actor: null, kind: 3, hard: true, value: 'course-1', by_change: true };
        await mustImport(withRain(), rain);
        assert.deepEqual(await purges(), [ofCourse]);
        await mustImport(withRain(), { ...rain, 'rain/v0/s0.ts': 'another' });
        assert.deepEqual(await purges(), [ofCourse, ofCourse], 'also when only its files are others');
        await mustImport(plain(), {}, { tenant: 'two', course: 'c2' });
        assert.deepEqual((await purges()).at(-1), { ...ofCourse, tenant: 2, value: 'course-2' });
        assert.equal((await importDir(folder(courseOf([reading('film')])))).code, 1, 'the key was a video\'s');
        assert.equal((await purges()).length, 3);
        await postgres.sql('postgres', "UPDATE courses SET title = 'D'");
        assert.equal((await purges()).length, 3, 'what edges keep has no title');
    });

    test('other courses and other districts are not touched', async () => {
        await mustImport(plain(), {}, { course: 'c2' });
        await mustImport(plain(), {}, { tenant: 'two' });
        const others = () => postgres.rows('postgres', 'SELECT tenant_id, course_id, id, key, retired FROM items WHERE (tenant_id, course_id) <> (1, 1) ORDER BY id');
        const before_ = await others();
        await mustImport(courseOf([reading('z')]));
        assert.deepEqual(await others(), before_);
        assert.equal(before_.length, 6);
    });
});

describe('media', () => {
    beforeEach(reset);

    test('are copied below the district and the asset', async () => {
        await mustImport(withRain(), rain);
        assert.deepEqual(mediaFiles(), Object.keys(rain).map((file) => `./${file}`).sort());
        assert.equal(readFileSync(place.path('media/1/rain/v0/s0.ts'), 'utf8'), 'ts');
        assert.deepEqual(await tree('assets', 'course_id, key'), [{ course_id: 1, key: 'rain' }]);
    });

    test('are replaced whole: a file that is no more there goes', async () => {
        await mustImport(withRain(), rain);
        const { 'rain/v0/s0.ts': gone, ...kept } = rain;
        await mustImport(withRain(), { ...kept, 'rain/v1/s1.ts': gone });
        assert.deepEqual(mediaFiles(), [...Object.keys(kept), 'rain/v1/s1.ts'].map((file) => `./${file}`).sort());
        assert.deepEqual(readdirSync(place.path('media/1')), ['rain'], 'nothing else is left');
    });

    test('what an interrupted import left is cleared away', async () => {
        write('media/1/.new-rain/half.ts', 'x');
        await mustImport(withRain(), rain);
        assert.deepEqual(readdirSync(place.path('media/1')), ['rain']);
        assert.ok(!existsSync(place.path('media/1/rain/half.ts')));
    });

    test('the older ones come back when the commit fails', async () => {
        await mustImport(withRain(), rain);
        // A constraint that is checked at commit: the last moment at which anything can fail.
        await postgres.sql('postgres', `
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$;
            CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON items DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`);
        try {
            const { code, stderr } = await importDir(folder(courseOf([video('film', { title: 'New' })], { assets: [{ key: 'rain' }, { key: 'snow' }] }), { ...rain, 'rain/en.vtt': 'new', 'snow/x': 'x' }));
            assert.equal(code, 1);
            assert.match(stderr, /not today/);
            assert.deepEqual(mediaFiles(), Object.keys(rain).map((file) => `./${file}`).sort());
            assert.equal(readFileSync(place.path('media/1/rain/en.vtt'), 'utf8'), 'WEBVTT');
            assert.deepEqual(readdirSync(place.path('media/1')), ['rain']);
        } finally {
            await postgres.sql('postgres', 'DROP TRIGGER refuse ON items; DROP FUNCTION refuse()');
        }
    });

    test('a reader never finds a file missing while they are replaced', async () => {
        await mustImport(withRain(), rain);
        const dir = folder(withRain(), rain);
        const file = place.path('media/1/rain/v0/s0.ts');
        let busy = true;
        let reads = 0;
        const imports = (async () => {
            for (let i = 0; i < 5; i++) assert.equal((await importDir(dir)).code, 0);
        })().finally(() => (busy = false));
        while (busy) {
            assert.equal(readFileSync(file, 'utf8'), 'ts');
            reads++;
            await new Promise((resolve) => setImmediate(resolve));
        }
        await imports;
        assert.ok(reads > 100, `${reads} reads`);
    });

    test('an asset belongs to one course', async () => {
        await mustImport(withRain(), rain);
        const { code, stderr } = await importDir(folder(withRain(), rain), { course: 'c2' });
        assert.equal(code, 1);
        assert.match(stderr, /"rain" is the key of an asset of another course/);
        await mustImport(withRain(), rain, { tenant: 'two' });
        assert.deepEqual(mediaFiles(2), mediaFiles(1));
    });
});

describe('is refused, and nothing is changed', () => {
    let unchanged;

    before(async () => {
        await reset();
        await mustImport(plain());
        unchanged = await everything();
    });

    const item = 'modules[0].lessons[0].items[0]';
    const blocks = (...list) => courseOf([reading('a', { content: { blocks: list } })]);
    const cases = {
        'text that is not JSON': ['{"title": "C",\n "modules": }', 'course.json: line 2: this is not JSON'],
        'a member twice': ['{"title": "C", "title": "D", "modules": []}', 'course.json: line 1: this is not JSON: duplicate object key'],
        'an array': ['[]', 'course.json: expected an object, found an array'],
        'an unknown member': [{ ...plain(), mudules: [] }, 'course.json: there is no member "mudules" here'],
        'a misspelt "requires"': [courseOf([reading('a', { require: [] })]), `course.json: ${item}: there is no member "require" here`],
        'no modules': [{ title: 'C', modules: [] }, 'course.json: modules: expected 1 to 200 elements, found 0'],
        'modules of another kind': [{ title: 'C', modules: {} }, 'course.json: modules: expected an array, found an object'],
        'a title that is a number': [{ ...plain(), title: 7 }, 'course.json: title: expected a text of 1 to 500 bytes, found a number'],
        'an empty title': [courseOf([reading('a', { title: '' })]), `course.json: ${item}.title: expected a text of 1 to 500 bytes, found an empty one`],
        'a key twice': [courseOf([reading('a'), reading('a')]), 'course.json: modules[0].lessons[0].items[1]: the key "a" is used a second time'],
        'a key with a space': [courseOf([reading('a b')]), `course.json: ${item}: the key "a b" may only have`],
        'an unknown kind': [courseOf([reading('a', { kind: 'film' })]), `course.json: ${item}: there is no kind "film"`],
        'no content': [courseOf([reading('a', { content: undefined })]), `course.json: ${item}.content: expected an object, found nothing`],
        'an unknown block': [blocks({ type: 'table' }), `course.json: ${item}.content.blocks[0]: there is no block of type "table"`],
        'an image without alt': [{ ...blocks({ type: 'image', src: 'media:rain/poster.jpg' }), assets: [{ key: 'rain' }] }, `course.json: ${item}.content.blocks[0]: an image needs "alt"`],
        'a quiz without an answer': [courseOf([quiz('a', { content: { pass_score: 60, questions: [] } })]), `course.json: ${item}.content: this is not a quiz`],
        'a due date that is none': [courseOf([reading('a', { kind: 'assignment', content: { ...paragraph('x'), due_on: '18.12.2026' } })]), `course.json: ${item}.content.due_on: expected a date`],
        'a content of 300 KiB': [blocks({ type: 'paragraph', text: 'a'.repeat(300 << 10) }), `course.json: ${item}.content: the content is larger than 256 KiB`],
        'a prerequisite that is not there': [courseOf([reading('a', { requires: [{ item: 'zz' }] })]), `course.json: ${item}.requires[0]: there is no item with the key "zz"`],
        'a prerequisite twice': [courseOf([reading('a', { requires: [{ item: 'b' }, { item: 'b' }] }), reading('b')]), `course.json: ${item}.requires[1]: the item "b" is required a second time`],
        'a score over 100': [courseOf([reading('a', { requires: [{ item: 'b', minimum_score: 101 }] }), quiz('b')]), `course.json: ${item}.requires[0]: minimum_score: expected a number from 0 to 100`],
        'a score of a reading': [courseOf([reading('a', { requires: [{ item: 'b', minimum_score: 50 }] }), reading('b')]), `course.json: ${item}.requires[0]: minimum_score can never be reached`],
        'an item that needs itself': [courseOf([reading('a', { requires: [{ item: 'a' }] })]), 'course.json: items require each other in a circle, so that none could ever be opened: a → a'],
        'a circle': [
            courseOf([reading('x'), reading('a', { requires: [{ item: 'x' }, { item: 'c' }] }), reading('b', { requires: [{ item: 'a' }] }), reading('c', { requires: [{ item: 'b' }] })]),
            'course.json: items require each other in a circle, so that none could ever be opened: a → c → b → a',
        ],
        'an asset that is not listed': [courseOf([video('a')]), `course.json: ${item}.content.hls: "media:rain/master.m3u8" names the asset "rain", which "assets" does not list`],
        'a way out of an asset': [{ ...blocks({ type: 'image', alt: '', src: 'media:rain/../../etc/passwd' }), assets: [{ key: 'rain' }] }, `course.json: ${item}.content.blocks[0].src: "media:rain/../../etc/passwd" must name a file`],
        'an asset with capitals': [{ ...plain(), assets: [{ key: 'Rain' }] }, 'course.json: assets[0]: the key "Rain" may only have small letters'],
        'a file that is not there': [withRain(), 'course.json: modules[0].lessons[0].items[0].content.captions[0].src: there is no file media/rain/en.vtt', { ...rain, 'rain/en.vtt': undefined }],
        'an asset without a folder': [{ ...plain(), assets: [{ key: 'snow' }] }, 'media/snow: No such file or directory'],
        'a file with a space in its name': [withRain(), 'media/rain/a b.ts: a file\'s name may only have', { ...rain, 'rain/a b.ts': 'x' }],
        'a hidden file': [withRain(), 'media/rain/.DS_Store: a file\'s name may only have', { ...rain, 'rain/.DS_Store': 'x' }],
    };
    for (const [what, [course, sentence, media = {}]] of Object.entries(cases)) {
        test(what, async () => {
            const files = Object.fromEntries(Object.entries({ ...rain, ...media }).filter(([, text]) => text !== undefined));
            const dir = folder(course, files);
            const { code, stdout, stderr } = await importDir(dir);
            assert.equal(code, 1, stderr);
            assert.equal(stdout, '');
            assert.ok(stderr.startsWith(`firstbell: ${dir}/${sentence}`), stderr);
            assert.match(stderr, /was refused \(\d+ errors?\); nothing was changed\n$/);
            assert.equal(await everything(), unchanged);
            assert.deepEqual(readdirSync(place.path('media/1')), []);
        });
    }
});

describe('is refused as well', () => {
    beforeEach(reset);

    test('a link among the media', async () => {
        const dir = folder(withRain(), rain);
        symlinkSync('/etc/passwd', path.join(dir, 'media/rain/passwd'));
        const { code, stderr } = await importDir(dir);
        assert.equal(code, 1);
        assert.match(stderr, /media\/rain\/passwd: expected a file, found a link or something else/);
    });

    test('a chain of prerequisites as long as a course is no circle, and closing it is one', async () => {
        const lessons = Array.from({ length: 50 }, (_, l) => ({
            key: `l${l}`, title: 'L',
            items: Array.from({ length: 100 }, (_, i) => reading(`i${l * 100 + i}`, l + i > 0 ? { requires: [{ item: `i${l * 100 + i - 1}` }] } : {})),
        }));
        const course = { title: 'Long', modules: [{ key: 'm', title: 'M', lessons }] };
        assert.match(await mustImport(course), /5000 items/);
        lessons[0].items[0].requires = [{ item: 'i4999' }];
        const { code, stderr } = await importDir(folder(course));
        assert.equal(code, 1);
        assert.match(stderr, /in a circle/);
    });

    test('more errors than anybody reads', async () => {
        const { stderr } = await importDir(folder(courseOf(Array.from({ length: 50 }, (_, i) => reading(`k ${i}`)))));
        assert.equal(stderr.trim().split('\n').length, 21);
        assert.match(stderr, /was refused \(50 errors, of which the first 20 are shown\)/);
    });

    test('a key that meant something of another kind', async () => {
        await mustImport(courseOf([reading('a')]));
        const before_ = await everything();
        const { code, stderr } = await importDir(folder(courseOf([quiz('a')])));
        assert.equal(code, 1);
        assert.match(stderr, /"a" is the key of an item of another kind/);
        assert.equal(await everything(), before_);
    });

    test('a course, a district or a folder that is not there', async () => {
        const dir = folder(plain());
        const refused = async (options, pattern, from = dir) => {
            const { code, stderr } = await importDir(from, options);
            assert.equal(code, 1);
            assert.match(stderr, pattern);
        };
        await refused({ course: 'c9' }, /the tenant has no course with the sourcedId "c9"; a roster import brings courses/);
        await refused({ course: 'gone' }, /no course with the sourcedId "gone"/);
        await refused({ tenant: 'three' }, /there is no tenant named "three"/);
        await refused({}, /\/nonexistent\/course\.json cannot be read: No such file or directory/, '/nonexistent');
    });

    test('a media root that cannot be written', async () => {
        rmSync(place.path('media'), { recursive: true });
        writeFileSync(place.path('media'), '');
        try {
            const { code, stderr } = await importDir(folder(withRain(), rain));
            assert.equal(code, 1);
            assert.match(stderr, /media\/1 cannot be made: Not a directory/);
            assert.equal(await postgres.sql('postgres', 'SELECT count(*) FROM items'), '0');
        } finally {
            rmSync(place.path('media'));
            place.folder('media');
        }
    });
});
