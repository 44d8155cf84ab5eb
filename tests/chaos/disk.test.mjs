// Disks that are full: the one of the logs, the one of the media, the one of PostgreSQL's write-ahead log. Each is a small tmpfs, which only root can
// mount.
// time bound: 290 s

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, cpSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { testUser } from '../lib/run.mjs';
import { firstbell } from '../lib/server-firstbell.mjs';
import { waitFor } from '../lib/wait.mjs';
import { Load, assertServes, openTown, restartPostgres } from './harness.mjs';

const skip = process.getuid() === 0 ? false : 'only root can mount a small file system';
const place = newPlace();
const mounts = [];
let town, load;
before(async () => {
    if (skip) return;
    const logs = mount('small-log', '256k');
    const media = mount('small-media', '256k');
    const settings = { access_log: path.join(logs, 'access.log'), error_log: path.join(logs, 'error.log'), media_root: media };
    town = await openTown(place, { students: 4, settings });
    load = new Load(town);
    await load.start();
});
after(async () => {
    if (town) await Promise.all([place.stopProgram(town.api.program), place.stopProgram(town.postgres.program)]);
    mounts.forEach((folder) => execFileSync('umount', ['-l', folder]));
    await place.stop();
});

function mount(name, size) {
    const folder = place.folder(name);
    const owner = `size=${size},uid=${testUser.uid},gid=${testUser.gid},mode=0700`;
    execFileSync('mount', ['-t', 'tmpfs', '-o', owner, 'firstbell-test', folder]);
    mounts.push(folder);
    return folder;
}

/** Takes all that is left, and again what is freed when it is called again. */
function fill(folder) {
    const { bavail, bsize } = statfsSync(folder);
    try {
        appendFileSync(path.join(folder, 'filler'), Buffer.alloc(bavail * bsize));
    } catch (error) {
        if (error.code !== 'ENOSPC') throw error; // somebody was faster: full all the same
    }
}

const makeRoom = (folder) => rmSync(path.join(folder, 'filler'));

test('the disk of the logs is full: requests are served all the same, and lost lines are counted', { skip }, async () => {
    fill(place.path('small-log'));
    await load.goesOn();
    await waitFor('the log to be full', () => statfsSync(place.path('small-log')).bavail === 0);
    await load.goesOn();
    await assertServes(town);
    makeRoom(place.path('small-log'));
    const size = () => place.read('small-log/access.log').length;
    const before = size();
    await load.goesOn();
    await waitFor('the access log to be written again', () => size() > before);
});

test('the disk of the media is full: a course is refused with a sentence, and the old one stays', { skip }, async () => {
    const outline = () => town.postgres.sql('postgres', 'SELECT max(xmin::text) FROM items');
    const before = await outline();
    place.write('course/media/clip/large.bin', Buffer.alloc(400 * 1024));
    const result = await firstbell(place, ['course', 'import', '--tenant', 'demo', '--course', 'course-demo', place.path('course')]);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /No space left on device/);
    assert.equal(await outline(), before);
    assert.ok(readdirSync(place.path('small-media/1')).includes('clip'));
    await load.goesOn();
    rmSync(place.path('course/media/clip/large.bin'));
});

test('the disk of the write-ahead log is full: nothing is acknowledged that is not kept, and it goes on when there is room', { skip }, async () => {
    place.expect(/PANIC:.*No space left on device/);
    place.expect(/was terminated by signal 6/);
    await town.postgres.stop();
    await moveWal();
    await restartPostgres(town);
    await load.goesOn('saves on the small disk');
    const { program } = town.postgres;
    const mark = load.failures.length;
    await waitFor('saves to be refused', () => {
        fill(place.path('small-wal')); // checkpoints free files, which are taken as well
        return load.failures.slice(mark).some((f) => f.status === 503);
    }, 90);
    makeRoom(place.path('small-wal'));
    await waitFor('PostgreSQL to have come back by itself or to have ended', async () => !program.running || isUp(), 60);
    if (!program.running) await restartPostgres(town);
    await load.goesOn();
    await assertServes(town);
    removeCores(place.path('pg')); // of the PANIC
});

const isUp = async () => (await town.postgres.trySql('postgres', 'SELECT 1')).code === 0;

/** The write-ahead log on a disk of its own, with so little set aside that new files are needed all the time. */
async function moveWal() {
    const wal = mount('small-wal', '12m');
    cpSync(place.path('pg/pg_wal'), wal, { recursive: true });
    execFileSync('chown', ['-R', `${testUser.uid}:${testUser.gid}`, wal]);
    rmSync(place.path('pg/pg_wal'), { recursive: true });
    execFileSync('ln', ['-s', wal, place.path('pg/pg_wal')]);
    town.postgres.settings = 'min_wal_size = 2MB\nmax_wal_size = 4MB\nwal_recycle = off';
    town.postgres.configure();
}

function removeCores(folder) {
    for (const name of readdirSync(folder)) if (/^core(\.\d+)?$/.test(name)) rmSync(path.join(folder, name));
}

test('every acknowledged save is there exactly once', { skip }, async () => {
    await load.stop();
    console.log(`# ${load.ledger.length} acknowledged, ${load.failures.length} refused or broken`);
    await load.assertNothingLost();
});
