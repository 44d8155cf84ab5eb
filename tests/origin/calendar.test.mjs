// The calendar: what is imported, shown, refused and removed, what the edges are told when its hour comes, and that it does not matter who was away then.
// time bound: 600 s

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';

import { app } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { firstbell, mustFirstbell, writeSettings } from '../lib/server-firstbell.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';
import { waitFor } from '../lib/wait.mjs';

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
let place;
let postgres;

before(async () => {
    place = newPlace();
    postgres = await startPostgres(place);
    writeSettings(place, { settings: { error_log: '-' } });
});
after(() => place.stop());
beforeEach(async () => {
    await postgres.sql('postgres', 'TRUNCATE tenants RESTART IDENTITY CASCADE');
    await must('tenant', 'add', 'demo', '--title', 'Demo', '--host', 'demo.example');
    await must('tenant', 'add', 'other', '--title', 'Other', '--host', 'other.example');
});

const must = (...args) => mustFirstbell(place, args);

/** A moment as iCalendar has it, in UTC. */
const stamp = (ms) => new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '');
const event = (uid, lines) => ['BEGIN:VEVENT', `UID:${uid}`, ...lines, 'END:VEVENT'].join('\r\n');
const file = (name, ...events) => place.write(name, ['BEGIN:VCALENDAR', 'VERSION:2.0', ...events, 'END:VCALENDAR', ''].join('\r\n'));
const bell = (uid, ms, more = []) => event(uid, ['CATEGORIES:bell', `SUMMARY:Bell ${uid}`, `DTSTART:${stamp(ms)}`, ...more]);
const importFile = (name, ...events) => must('calendar', 'import', '--tenant', 'demo', file(name, ...events));

/** Rounded to a second, because iCalendar knows no less. */
const soon = (ms) => Math.floor((Date.now() + ms) / 1000) * 1000;

const occurrences = (tenant = 1) => postgres.rows('postgres', `SELECT e.uid, (extract(epoch FROM o.starts_at) * 1000)::bigint AS at
    FROM calendar_occurrences o JOIN calendar_events e ON e.tenant_id = o.tenant_id AND e.id = o.event_id WHERE o.tenant_id = ${tenant} ORDER BY o.starts_at, e.uid`);
const changes = () => postgres.rows('postgres', `SELECT tenant_id, what, outcome, subject, added, updated, unchanged, removed, skipped, errors FROM calendar_changes ORDER BY id`);
const everything = () => Promise.all(['calendar_events', 'calendar_occurrences', 'calendar_kinds', 'calendar_now'].map((table) => postgres.sql('postgres', `SELECT * FROM ${table} t ORDER BY t::text`)));

/** What the calendar tells the edges of a district at a moment: {scale, submissions, exam}, {} when nothing. */
async function told(iso, tenant = 1) {
    await postgres.sql('fb_app', `SELECT changed FROM calendar_apply('${iso}')`);
    const rows = await postgres.rows('postgres', `SELECT scale, submissions, exam FROM calendar_now WHERE tenant_id = ${tenant}`);
    return rows[0] ?? {};
}

// ---- import, show, remove

describe('what is imported', () => {
    test('is shown in the time zone of the district, and changes nothing when it comes again', async () => {
        await must('tenant', 'set', 'demo', '--time-zone', 'America/New_York');
        const day = new Date(soon(30 * DAY)).toISOString().slice(0, 10);
        const ics = file('bells.ics',
            event('one', ['CATEGORIES:bell', 'SUMMARY:First\\, of all', `DTSTART:${day.replaceAll('-', '')}T080000`, 'RRULE:FREQ=DAILY;COUNT=3']),
            event('due', ['SUMMARY:Deadline: essay', `DTSTART;VALUE=DATE:${day.replaceAll('-', '')}`]));
        assert.equal(await must('calendar', 'import', '--tenant', 'demo', ics), '2 added, 0 updated, 0 unchanged, 0 removed, 0 passed over\n');
        const end = new Date(Date.parse(day) + 2 * DAY).toISOString().slice(0, 10);
        const next = new Date(Date.parse(day) + DAY).toISOString().slice(0, 10);
        const shown = (await must('calendar', 'show', '--tenant', 'demo', '--from', day, '--to', end)).split('\n').map((line) => line.split('\t'));
        assert.deepEqual(shown[0], ['time zone America/New_York']);
        assert.equal(shown[1][0], 'begins');
        assert.deepEqual(shown.slice(2, -1), [
            [`${day} 00:00`, `${next} 00:00`, 'deadline', `${day} 23:00`, `${next} 00:15`, '200%', '500%', '-', 'Deadline: essay', 'due'],
            [`${day} 08:00`, `${day} 08:00`, 'bell', `${day} 07:50`, `${day} 08:15`, '300%', '300%', `${day} 07:40`, 'First, of all', 'one'],
            [`${next} 08:00`, `${next} 08:00`, 'bell', `${next} 07:50`, `${next} 08:15`, '300%', '300%', `${next} 07:40`, 'First, of all', 'one'],
        ]);
        const before_ = await everything();
        assert.equal(await must('calendar', 'import', '--tenant', 'demo', ics), '0 added, 0 updated, 2 unchanged, 0 removed, 0 passed over\n');
        assert.deepEqual((await everything()).slice(1), before_.slice(1));
        assert.equal(await postgres.sql('postgres', 'SELECT count(*) FROM calendar_events'), '2');
        assert.deepEqual((await changes()).map(({ what, outcome, subject, added, unchanged }) => [what, outcome, subject, added, unchanged]), [[1, 1, 'bells.ics', 2, 0], [1, 1, 'bells.ics', 0, 2]]);
    });

    test('what another file says of an event takes the place of what was said before, and what is cancelled goes', async () => {
        const at = soon(DAY);
        await importFile('a.ics', bell('a', at), bell('b', at));
        assert.equal(await importFile('b.ics', bell('a', at + MINUTE), bell('b', at, ['STATUS:CANCELLED'])), '0 added, 1 updated, 0 unchanged, 1 removed, 0 passed over\n');
        assert.deepEqual(await occurrences(), [{ uid: 'a', at: at + MINUTE }]);
    });

    test('what is of no kind is told with its line and passed over', async () => {
        const result = await firstbell(place, ['calendar', 'import', '--tenant', 'demo', file('mixed.ics', event('lunch', ['SUMMARY:Lunch', `DTSTART:${stamp(soon(DAY))}`]), bell('a', soon(DAY)))]);
        assert.equal(result.code, 0, result.stderr);
        assert.equal(result.stderr, 'mixed.ics:3: note: "Lunch" is no bell, exam or deadline and was passed over\n');
        assert.equal(result.stdout, '1 added, 0 updated, 0 unchanged, 0 removed, 1 passed over\n');
        assert.deepEqual((await occurrences()).map(({ uid }) => uid), ['a']);
    });

    test('a mistake refuses all of it, with file and line, and is on record', async () => {
        await importFile('good.ics', bell('a', soon(DAY)));
        const before_ = await everything();
        const bad = file('bad.ics', bell('b', soon(DAY)), event('c', ['CATEGORIES:exam']), event('d', ['CATEGORIES:bell', 'DTSTART;TZID=Mars/Utopia:20260831T080000']));
        const result = await firstbell(place, ['calendar', 'import', '--tenant', 'demo', bad]);
        assert.equal(result.code, 1);
        assert.equal(result.stdout, '');
        assert.deepEqual(result.stderr.trimEnd().split('\n'), [
            'bad.ics:9: the event is wrong: it has no DTSTART',
            'bad.ics:13: the event is wrong: DTSTART has the time zone "Mars/Utopia", which is neither in the file nor known here',
            'firstbell: bad.ics was refused: 2 mistakes; nothing was changed',
        ]);
        assert.deepEqual(await everything(), before_);
        assert.deepEqual((await changes()).at(-1), { tenant_id: 1, what: 1, outcome: 2, subject: 'bad.ics', added: 0, updated: 0, unchanged: 0, removed: 0, skipped: 0, errors: 2 });
    });

    test('what is no calendar, no file and no district is refused', async () => {
        for (const [args, pattern, code] of [
            [['--tenant', 'demo', place.write('zip.ics', 'PK\x03\x04')], /^zip\.ics:1: there is no colon in it\n.*zip\.ics was refused: 1 mistake; nothing was changed\n$/s, 1],
            [['--tenant', 'demo', place.write('empty.ics', '')], /^empty\.ics: the file is empty\n/, 1],
            [['--tenant', 'demo', place.path('none.ics')], /none\.ics cannot be read: No such file or directory/, 1],
            [['--tenant', 'nobody', file('x.ics', bell('a', soon(DAY)))], /there is no tenant named "nobody"/, 1],
            [['--tenant', 'demo'], /1 words were expected, there are 0/, 2],
            [['--tenant', 'demo', '--from-roster', 'x.ics'], /"x\.ics" is one word too many/, 2],
            [['--tenant', 'demo', '--from-roster'], /the roster has no academic session/, 1],
        ]) {
            const result = await firstbell(place, ['calendar', 'import', ...args]);
            assert.equal(result.code, code, result.stderr);
            assert.match(result.stderr, pattern);
        }
        assert.deepEqual(await occurrences(), []);
    });

    test('no other district is touched: not by the same UID, not by removing all', async () => {
        const at = soon(DAY);
        await importFile('demo.ics', bell('a', at));
        await must('calendar', 'import', '--tenant', 'other', file('other.ics', bell('a', at + MINUTE)));
        assert.deepEqual([await occurrences(1), await occurrences(2)], [[{ uid: 'a', at }], [{ uid: 'a', at: at + MINUTE }]]);
        await must('calendar', 'set', '--tenant', 'other', 'bell', '--before', '0');
        assert.equal(await must('calendar', 'remove', '--tenant', 'demo', '--all'), '1 removed\n');
        assert.deepEqual([await occurrences(1), await occurrences(2)], [[], [{ uid: 'a', at: at + MINUTE }]]);
        assert.doesNotMatch(await must('calendar', 'show', '--tenant', 'demo'), /bell/);
        assert.deepEqual((await changes()).map(({ tenant_id, what }) => [tenant_id, what]), [[1, 1], [2, 1], [2, 4], [1, 3]]);
    });

    test('one event is removed by its UID; one that is not there is told', async () => {
        await importFile('two.ics', bell('a', soon(DAY)), bell('b', soon(DAY)));
        assert.equal(await must('calendar', 'remove', '--tenant', 'demo', '--uid', 'a'), '1 removed\n');
        assert.deepEqual((await occurrences()).map(({ uid }) => uid), ['b']);
        const again = await firstbell(place, ['calendar', 'remove', '--tenant', 'demo', '--uid', 'a']);
        assert.equal(again.code, 1);
        assert.match(again.stderr, /the calendar of demo has no event "a"/);
        assert.equal((await firstbell(place, ['calendar', 'remove', '--tenant', 'demo'])).code, 2);
    });

    test('the last days of the roster’s academic sessions are deadlines; those that leave it go', async () => {
        const day = (ms) => new Date(soon(ms)).toISOString().slice(0, 10);
        await postgres.sql('postgres', `INSERT INTO academic_sessions (tenant_id, sourced_id, status, title, type, start_date, end_date, school_year)
            VALUES (1, 't1', 1, 'Fall; term', 4, '${day(-50 * DAY)}', '${day(50 * DAY)}', 2026), (1, 't2', 1, 'Spring', 4, '${day(51 * DAY)}', '${day(90 * DAY)}', 2027),
                   (1, 't3', 2, 'Gone', 4, '${day(0)}', '${day(60 * DAY)}', 2026), (2, 't1', 1, 'Elsewhere', 4, '${day(0)}', '${day(70 * DAY)}', 2026)`);
        await importFile('bells.ics', bell('a', soon(DAY)));
        assert.equal(await must('calendar', 'import', '--tenant', 'demo', '--from-roster'), '2 added, 0 updated, 0 unchanged, 0 removed, 0 passed over\n');
        const shown = await must('calendar', 'show', '--tenant', 'demo', '--from', day(49 * DAY), '--to', day(100 * DAY));
        assert.match(shown, new RegExp(`^${day(50 * DAY)} 00:00\t${day(51 * DAY)} 00:00\tdeadline\t.*\tEnd of Fall; term\troster:t1$`, 'm'));
        await postgres.sql('postgres', "UPDATE academic_sessions SET status = 2 WHERE tenant_id = 1 AND sourced_id = 't2'");
        assert.equal(await must('calendar', 'import', '--tenant', 'demo', '--from-roster'), '0 added, 0 updated, 1 unchanged, 1 removed, 0 passed over\n');
        assert.deepEqual((await occurrences()).map(({ uid }) => uid), ['a', 'roster:t1']);
        assert.deepEqual(await occurrences(2), []);
    });
});

// ---- what the edges are told, by a clock that is given

describe('at a given moment', () => {
    const day = () => new Date(soon(20 * DAY)).toISOString().slice(0, 10);
    const at = (time) => `${day()}T${time}Z`;
    const ms = (time) => Date.parse(at(time));
    const window = { scale: 300, submissions: 300, exam: false };

    test('limits are raised from ten minutes before a bell until fifteen after, whoever looked when', async () => {
        await importFile('bell.ics', bell('a', ms('08:00:00')));
        const table = [['07:49:59', {}], ['07:50:00', window], ['08:00:00', window], ['08:14:59', window], ['08:15:00', {}], ['23:00:00', {}]];
        for (const [time, expected] of [...table, ...[...table].reverse(), table[2], table[0], table[3], table[5]]) assert.deepEqual(await told(at(time)), expected, time);
    });

    test('next is when something else may hold', async () => {
        await importFile('bell.ics', bell('a', ms('08:00:00')));
        const next = (time) => postgres.sql('fb_app', `SELECT to_char(next_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM calendar_apply('${at(time)}')`);
        assert.deepEqual([await next('06:00:00'), await next('07:40:00'), await next('07:50:00'), await next('08:15:00')], [at('07:40:00'), at('07:50:00'), at('08:15:00'), '']);
    });

    test('an exam is told for as long as it lasts, a deadline by its end, and the greatest factor counts', async () => {
        await importFile('day.ics',
            event('exam', ['CATEGORIES:exam', `DTSTART:${stamp(ms('09:00:00'))}`, `DTEND:${stamp(ms('11:00:00'))}`]),
            event('due', ['CATEGORIES:deadline', `DTSTART:${stamp(ms('10:00:00'))}`, `DTEND:${stamp(ms('12:00:00'))}`]),
            bell('a', ms('10:30:00')));
        const exam = { scale: 200, submissions: 300, exam: true };
        assert.deepEqual(await told(at('08:50:00')), exam);
        assert.deepEqual(await told(at('10:00:00')), exam);
        assert.deepEqual(await told(at('10:20:00')), { scale: 300, submissions: 300, exam: true });
        assert.deepEqual(await told(at('11:00:00')), { scale: 200, submissions: 500, exam: true });
        assert.deepEqual(await told(at('11:15:00')), { scale: 200, submissions: 500, exam: false });
        assert.deepEqual(await told(at('12:15:00')), {});
        assert.deepEqual(await told(at('10:00:00'), 2), {});
    });

    test('a district may have it otherwise, also lower, and have the default back', async () => {
        await importFile('bell.ics', bell('a', ms('08:00:00')));
        assert.equal(await must('calendar', 'set', '--tenant', 'demo', 'bell', '--scale', '50', '--submissions', '150', '--before', '30', '--after', '1'),
            'scale 50%, submissions 150%, 30 minutes before, 1 after, warmed 20 minutes before, 50 courses\n');
        assert.deepEqual(await told(at('07:30:00')), { scale: 50, submissions: 150, exam: false });
        assert.deepEqual(await told(at('08:01:00')), {});
        await must('calendar', 'set', '--tenant', 'demo', 'bell', '--before', 'default');
        assert.deepEqual(await told(at('07:30:00')), {});
        assert.deepEqual(await told(at('07:50:00')), { scale: 50, submissions: 150, exam: false });
        for (const [words, pattern] of [[['bell', '--scale', '0'], /--scale is "0", expected 1 to 10000, or default/], [['lunch', '--scale', '1'], /"lunch" is no kind of event/]]) {
            const result = await firstbell(place, ['calendar', 'set', '--tenant', 'demo', ...words]);
            assert.equal(result.code, 2);
            assert.match(result.stderr, pattern);
        }
    });

    test('the directory has it in the district’s own limits, and says exam only of a district that is active', async () => {
        const parts = async () => (await postgres.rows('postgres', `SELECT part, a, n FROM directory_read(ARRAY[1], NULL, ARRAY[]::integer[], ARRAY[]::text[]) WHERE part IN (1, 4) ORDER BY part, a`))
            .map(({ part, a, n }) => (part === 1 ? ['status', n] : [a, n]));
        await must('tenant', 'set', 'demo', '--limit', 'seats=50', '--limit', 'scale=200');
        await importFile('exam.ics', event('exam', ['CATEGORIES:exam', `DTSTART:${stamp(ms('09:00:00'))}`, `DTEND:${stamp(ms('11:00:00'))}`]));
        assert.deepEqual(await parts(), [['status', 1], ['scale', 200], ['seats', 50]]);
        await told(at('10:00:00'));
        assert.deepEqual(await parts(), [['status', 3], ['scale', 400], ['scale-submissions', 600], ['seats', 50]]);
        await must('tenant', 'set', 'demo', '--status', 'read-only');
        assert.deepEqual((await parts())[0], ['status', 2]);
        await told(at('12:00:00'));
        assert.deepEqual(await parts(), [['status', 2], ['scale', 200], ['seats', 50]]);
    });

    test('warming is claimed once, by district, and not when the bell has rung', async () => {
        const claim = (time) => postgres.sql('fb_app', `SELECT tenant, courses, for_s FROM calendar_warm_claim('${at(time)}')`);
        await importFile('bells.ics', bell('a', ms('08:00:00')), bell('b', ms('08:05:00')), bell('c', ms('14:00:00')));
        await must('calendar', 'import', '--tenant', 'other', file('o.ics', bell('a', ms('08:00:00'))));
        await must('calendar', 'set', '--tenant', 'other', 'bell', '--courses', '7');
        assert.equal(await claim('07:39:59'), '');
        assert.equal(await claim('07:50:00'), 'demo|50|600');
        assert.equal(await claim('07:50:00'), 'other|7|600');
        assert.equal(await claim('07:51:00'), '');
        assert.equal(await claim('14:00:00'), '');
    });
});

// ---- firstbell jobs

/** The file follows each change, for there is no Redis here. */
const directory = (name = 'directory.snapshot') => {
    const bytes = readFileSync(place.path(name));
    return JSON.parse(bytes.subarray(bytes.indexOf(10) + 1));
};
const demoOf = () => directory().tenants.find(({ name }) => name === 'demo');
const raised = { scale: 300, 'scale-submissions': 300 };
const startJobs = (under = [], build) => place.start('jobs', [...under, path.join(app(build), 'bin/firstbell'), '-c', place.path('conf/firstbell.conf'), 'jobs']);
const limitsAre = (expected) => waitFor(`limits of ${JSON.stringify(expected)}`, () => {
    try {
        assert.deepEqual(demoOf()?.limits ?? {}, expected);
        return true;
    } catch {
        return false;
    }
});
describe('firstbell jobs', () => {
    test('--once tells what holds now', async () => {
        await importFile('now.ics', bell('a', soon(0)));
        await must('jobs', '--once');
        assert.deepEqual(demoOf().limits, raised);
        await must('calendar', 'remove', '--tenant', 'demo', '--all');
        await must('jobs', '--once');
        assert.equal(demoOf().limits, undefined);
    });

    test('begun in the middle of an exam, killed and begun again, and when the calendar changes', async () => {
        await importFile('exam.ics', event('exam', ['CATEGORIES:exam', `DTSTART:${stamp(soon(-30 * MINUTE))}`, `DTEND:${stamp(soon(300 * MINUTE))}`]));
        let jobs = startJobs();
        await limitsAre({ scale: 200, 'scale-submissions': 300 });
        assert.equal(demoOf().status, 'exam');
        jobs.child.kill('SIGKILL');
        place.expect(/terminated by signal/);
        await place.stopProgram(jobs);
        await must('calendar', 'set', '--tenant', 'demo', 'exam', '--scale', '150');
        jobs = startJobs();
        await limitsAre({ scale: 150, 'scale-submissions': 300 });
        await must('calendar', 'remove', '--tenant', 'demo', '--all');
        await limitsAre({});
        assert.equal(demoOf().status, 'active');
        await place.stopProgram(jobs);
    });

    test('lays out further what has no end, and anew when a district has another time zone', async () => {
        const day = new Date(soon(10 * DAY)).toISOString().slice(0, 10);
        await importFile('daily.ics', event('a', ['CATEGORIES:bell', `DTSTART:${day.replaceAll('-', '')}T120000`, 'RRULE:FREQ=DAILY']));
        const whole = await occurrences();
        assert.ok(whole.length > 380, `${whole.length} of them`);
        assert.equal(whole[0].at, Date.parse(`${day}T12:00:00Z`));
        await postgres.sql('postgres', "DELETE FROM calendar_occurrences WHERE starts_at > now() + interval '300 days'; UPDATE calendar_events SET laid_out_until = now() + interval '300 days'");
        await must('calendar', 'extend');
        assert.deepEqual(await occurrences(), whole);
        await postgres.sql('postgres', "DELETE FROM calendar_occurrences WHERE starts_at > now() + interval '300 days'; UPDATE calendar_events SET laid_out_until = now() + interval '300 days'");
        await must('jobs', '--once');
        assert.deepEqual(await occurrences(), whole);
        await must('tenant', 'set', 'demo', '--time-zone', 'Asia/Tokyo');
        const jobs = startJobs();
        await waitFor('the hours of Tokyo', async () => (await occurrences())[0].at === Date.parse(`${day}T03:00:00Z`));
        await must('tenant', 'set', 'demo', '--time-zone', 'UTC');
        await waitFor('those of before', async () => (await occurrences())[0].at === whole[0].at);
        await place.stopProgram(jobs);
    });

    test('has edges warmed ahead of a bell, and says what came of it', async () => {
        writeSettings(place, { settings: { error_log: '-', warm_edges: 'https://127.0.0.1:1 https://127.0.0.2:1', warm_ca_file: place.path('keys/sessions.pub.pem'), warm_rate: 20, warm_connections: 2 } });
        await importFile('soon.ics', bell('a', soon(15 * MINUTE)));
        const jobs = startJobs();
        const said = () => place.read('log/jobs.out').match(/calendar: warm demo: .*/g) ?? [];
        await waitFor('two edges', () => said().length >= 4);
        assert.match(said().join('\n'), /0 courses, 0 addresses/);
        await place.stopProgram(jobs);
        writeSettings(place, { settings: { error_log: '-' } });
    });

    test('a wrong time zone is refused', async () => {
        for (const zone of ['Mars/Utopia', '../UTC', 'utc+1 ']) {
            const result = await firstbell(place, ['tenant', 'set', 'demo', '--time-zone', zone]);
            assert.equal(result.code, 1);
            assert.match(result.stderr, /expected the name of a time zone such as America\/New_York or UTC/);
        }
    });
});

// ---- the clock goes on, and is set

const library = execFileSync('sh', ['-c', 'ls /usr/lib/*/faketime/libfaketimeMT.so.1 2>/dev/null || true'], { encoding: 'utf8' }).split('\n').find(Boolean);

function setClock(seconds) {
    place.write('clock.new', `${seconds < 0 ? '' : '+'}${seconds}\n`);
    renameSync(place.path('clock.new'), place.path('clock'));
}

test('what is told follows the clock of firstbell jobs, on and back', { skip: library ? false : 'libfaketime is not installed (auto/deps test)' }, async () => {
    const HOUR = 3600;
    await importFile('later.ics', bell('a', soon(HOUR * 1000)), event('exam', ['CATEGORIES:exam', `DTSTART:${stamp(soon(3 * HOUR * 1000))}`, `DURATION:PT1H`]));
    setClock(0);
    const variables = { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: place.path('clock'), FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1', DONT_FAKE_MONOTONIC: '1' };
    const jobs = startJobs(['env', ...Object.entries(variables).map(([name, value]) => `${name}=${value}`)], 'build'); // a preloaded library and a sanitizer do not go together
    await waitFor('the directory', () => demoOf() && true);
    const exam = { scale: 200, 'scale-submissions': 300 };
    for (const [seconds, expected] of [[0, {}], [HOUR - 300, raised], [2 * HOUR, {}], [3 * HOUR + 600, exam], [HOUR, raised], [10 * HOUR, {}]]) {
        setClock(seconds);
        await limitsAre(expected);
    }
    await place.stopProgram(jobs);
});
