// nginx loads modules with global symbols: a function that two of them export is silently the first one's for both.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { app } from '../lib/app.mjs';
import { mustRun } from '../lib/run.mjs';

const folder = path.join(app(), 'modules');

for (const file of readdirSync(folder).filter((name) => name.endsWith('.so'))) {
    test(`${file} exports what nginx loads it by, and nothing else`, async () => {
        const listed = await mustRun(['nm', '-D', '--defined-only', '--format=posix', path.join(folder, file)]);
        const names = listed.trim().split('\n').map((line) => line.split(' ')[0]);
        assert.deepEqual(names.sort(), [path.basename(file, '.so'), 'ngx_module_names', 'ngx_module_order', 'ngx_modules']);
    });
}
