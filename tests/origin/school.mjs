// A small school for the tests of the api: a district of 120 students imported as a roster, the course of tests/origin/course, and passwords.

import { execFileSync } from 'node:child_process';
import { cpSync, chmodSync } from 'node:fs';
import path from 'node:path';

import { app, checkout } from '../lib/app.mjs';
import { mustFirstbell, originClient, startApi, writeSettings } from '../lib/server-firstbell.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';
import { waitFor } from '../lib/wait.mjs';

export const password = 'a long password for tests';

/** PostgreSQL, tenant `demo` (id 1) with roster, course and accounts, and the api. Gives {postgres, api, signIn, courseId}. */
export async function openSchool(place, { settings = {} } = {}) {
    const postgres = await startPostgres(place);
    writeSettings(place, { settings });
    await addSchool(place, 'demo', 'demo.localhost');
    const api = await startApi(place);
    const courseId = Number(await postgres.sql('postgres', "SELECT id FROM courses WHERE tenant_id = 1 AND sourced_id = 'course-demo'"));
    return { postgres, api, courseId, signIn: (username, tenant = 1) => signIn(api, username, tenant) };
}

/** A tenant with the same roster as every other: equal sourced ids, other rows. */
export async function addSchool(place, name, host) {
    await mustFirstbell(place, ['tenant', 'add', name, '--title', `District ${name}`, '--host', host]);
    await mustFirstbell(place, ['roster', 'import', '--tenant', name, districtZip(place)]);
    await mustFirstbell(place, ['course', 'import', '--tenant', name, '--course', 'course-demo', courseFolder(place)]);
    const operator = ['--username', 'operator.demo', '--role', 'operator', '--given', 'Olu', '--family', 'Operator'];
    await mustFirstbell(place, ['user', 'add', '--tenant', name, ...operator]);
    for (const username of ['student.demo', 'teacher.demo', 'operator.demo']) {
        await mustFirstbell(place, ['user', 'passwd', '--tenant', name, username], { input: password });
    }
}

function districtZip(place) {
    const zip = place.path('district.zip');
    execFileSync(path.join(app(), 'bin/district'), ['--schools', '1', '--students', '120', '--seed', '7', '--out', zip]);
    chmodSync(zip, 0o644);
    return zip;
}

function courseFolder(place) {
    const folder = path.join(place.folder('course', 0o755), 'demo');
    cpSync(path.join(checkout, 'tests/origin/course'), folder, { recursive: true });
    execFileSync('chmod', ['-R', 'a+rX', place.path('course')]);
    return folder;
}

/** A client of the origin with an open session. */
async function signIn(api, username, tenant) {
    const client = originClient(api.socketPath, tenant);
    await client.signIn(username, password);
    return client;
}

/** The items of a course's outline by title. */
export async function itemsByTitle(client, courseId) {
    const { json } = await client.get(`/api/v1/courses/${courseId}`);
    const items = json.modules.flatMap((module) => module.lessons.flatMap((lesson) => lesson.items));
    return Object.fromEntries(items.map((item) => [item.title, item]));
}

/** Holds a lock in a session of its own until release() is called. */
export function holdLock({ place, postgres }, statement) {
    const release = place.path(`release-${Math.random()}`);
    const sql = `BEGIN; ${statement};\n\\echo held\n\\! while [ ! -e ${release} ]; do sleep 0.02; done\nCOMMIT;`;
    const done = postgres.sql('postgres', sql);
    done.catch(() => {}); // PostgreSQL may be stopped meanwhile
    const relation = statement.split(' ')[2];
    const granted = `SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = '${relation}'::regclass`;
    const ready = waitFor('the lock', async () => Number(await postgres.sql('postgres', granted)) > 0);
    return { ready, release: () => place.write(release.slice(place.dir.length + 1), ''), done };
}
