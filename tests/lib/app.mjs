// What is tested: an installed copy (bin, modules, schema, web, conf), as auto/up makes it, because a checkout below /root is unreadable to the
// user who runs the servers. FB_TEST_BUILD names the build of the programs, FB_TEST_MODULES that of the modules (and of nginx, where it was built from
// source); build unless said otherwise.

import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const checkout = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** Where the programs under test were built. */
export const build = process.env.FB_TEST_BUILD ?? 'build';

/** A directory that outlives the test run: the installed copy and the template of the database cluster. */
export const cache = makeCache();

function makeCache() {
    const dir = path.join(os.tmpdir(), `firstbell-tests-${process.getuid()}`);
    mkdirSync(dir, { recursive: true, mode: 0o755 });
    const { uid, mode } = lstatSync(dir); // itself: a link of somebody else would lead the installation anywhere
    if (uid !== process.getuid() || (mode & 0o022) !== 0) {
        throw new Error(`${dir} belongs to user ${uid} with mode ${(mode & 0o777).toString(8)}; it must be ours alone. Remove it.`);
    }
    return dir;
}

/** The build of the modules under test. */
export const nginxBuild = process.env.FB_TEST_MODULES ?? 'build';

const installed = new Map();

/** The prefix of the installed copy, brought up to date once a test file. Two test files that start at once wait for each other. `programs` names
 *  another build than the one under test: what is said about memory holds for the release build alone; `modules` another build of nginx's modules:
 *  "build" has those that users run. */
export function app(programs = build, modules = nginxBuild) {
    const name = [checkout.replaceAll('/', '_'), programs, ...(modules === 'build' ? [] : [modules])].join('-');
    if (!installed.has(name)) {
        const prefix = path.join(cache, `app${name}`);
        const install = ['auto/install', programs, prefix, modules];
        execFileSync('flock', [path.join(cache, 'install.lock'), ...install], { cwd: checkout, stdio: ['ignore', 'ignore', 'inherit'] });
        installed.set(name, prefix);
    }
    return installed.get(name);
}

/** The nginx that goes with those modules: one that was built from source, or the distribution's. By its whole path, because a binary upgrade starts
 *  what it was started as. */
export function nginxProgram(modules) {
    const folders = [path.join(app(undefined, modules), 'sbin'), '/usr/local/sbin', '/usr/sbin', '/usr/local/bin', '/usr/bin'];
    const found = folders.map((folder) => path.join(folder, 'nginx')).find((file) => existsSync(file));
    if (!found) throw new Error(`nginx was found in none of ${folders.join(', ')}`);
    return found;
}

/** Puts values in the place of @NAME@; a name without a value is an error, so that a template and its users cannot drift apart. */
export function fill(template, values) {
    return template.replace(/@([A-Z][A-Z0-9_]*)@/g, (found, name) => {
        if (!(name in values)) throw new Error(`the template asks for ${found}, and nothing was given for it`);
        return String(values[name]);
    });
}
