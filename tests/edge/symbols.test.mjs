// nginx loads modules with global symbols: a function that two of them export is silently the first one's for both, and one that a module takes from
// another by name is whichever was loaded first. So modules export what nginx loads them by, core its table besides, and nobody binds to a name of ours.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { app, checkout } from '../lib/app.mjs';
import { mustRun } from '../lib/run.mjs';
import { newPlace } from '../lib/place.mjs';
import { probePath } from './support.mjs';

const folder = path.join(app(undefined, 'build'), 'modules'); // sanitizers have symbols of their own
const modules = readdirSync(folder).filter((name) => name.endsWith('.so'));
const exportsOf = { 'ngx_http_bell_core_module.so': ['ngx_http_bell_core_api'] };

async function names(file, which) {
    const listed = await mustRun(['nm', '-D', `--${which}-only`, '--format=posix', file]);
    return listed.split('\n').filter(Boolean).map((line) => line.split(' ')[0].replace(/@.*/, ''));
}

async function bindsToNothingOfOurs(file) {
    const ours = (await names(file, 'undefined')).filter((name) => /bell|^fb_/.test(name));
    assert.deepEqual(ours, []);
}

test('there are modules to look at, one a folder of modules/', () => {
    const folders = readdirSync(path.join(checkout, 'modules'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    assert.equal(modules.length, folders.length);
});

for (const file of modules) {
    test(`${file} exports what nginx loads it by, and nothing else`, async () => {
        const expected = [path.basename(file, '.so'), 'ngx_module_names', 'ngx_module_order', 'ngx_modules', ...(exportsOf[file] ?? [])];
        assert.deepEqual((await names(path.join(folder, file), 'defined')).sort(), expected.sort());
    });

    test(`${file} binds to no name of ours`, () => bindsToNothingOfOurs(path.join(folder, file)));
}

test("a module that uses core's table binds to no name of ours either", async (t) => {
    const place = newPlace();
    t.after(() => place.stop());
    await bindsToNothingOfOurs(probePath(place, 'build'));
});
