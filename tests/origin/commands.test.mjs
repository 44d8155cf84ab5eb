// The program `firstbell` itself: what it says, and its exit codes 0 done, 1 failed, 2 wrong usage.

import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { app } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { run } from '../lib/run.mjs';

let place;
before(() => (place = newPlace()));
after(() => place.stop());

const firstbell = (args, env) => run([path.join(app(), 'bin/firstbell'), ...args], { env });

test('help, --help and --version say what there is', async () => {
    const help = await firstbell(['help']);
    assert.equal(help.code, 0);
    for (const command of ['api', 'jobs', 'migrate', 'tenant add', 'tenant list', 'roster import', 'user add', 'user passwd', 'course import', 'settings']) {
        assert.match(help.stdout, new RegExp(`^  ${command}\\b`, 'm'));
    }
    assert.deepEqual(await firstbell(['--help']), help);
    assert.match((await firstbell(['--version'])).stdout, /^firstbell \d+\.\d+\.\d+\n$/);
    const usage = await firstbell(['tenant', 'add', '--help']);
    assert.deepEqual([usage.code, usage.stderr], [0, '']);
    assert.match(usage.stdout, /^Usage: firstbell \[-c FILE\] tenant add NAME --title TITLE/);
});

test('wrong usage is exit code 2 and a sentence', async () => {
    const cases = [
        [[], /^Usage: firstbell/],
        [['nonsense'], /^firstbell: there is no command "nonsense"/],
        [['tenant'], /^firstbell: tenant has no command ""/],
        [['tenant', 'nonsense'], /^firstbell: tenant has no command "nonsense"/],
        [['--nonsense'], /^firstbell: there is no option "--nonsense"/],
        [['-c'], /^firstbell: the name of a settings file must follow -c/],
        [['settings', 'x'], /^firstbell: settings takes no arguments\nUsage: firstbell \[-c FILE\] settings\n$/],
    ];
    for (const [args, pattern] of cases) {
        const { code, stdout, stderr } = await firstbell(args);
        assert.deepEqual([code, stdout], [2, ''], args.join(' '));
        assert.match(stderr, pattern);
    }
});

test('the settings come from -c, else from FIRSTBELL_CONF, and an error in them has file and line', async () => {
    const wrong = place.write('conf/wrong.conf', 'workers = 2\nworkers = many\n');
    const expected = `firstbell: ${wrong}:2: workers is set a second time; keep one of the lines\n`;
    assert.deepEqual(await firstbell(['-c', wrong, 'migrate']), { code: 1, signal: null, stdout: '', stderr: expected });
    assert.equal((await firstbell(['migrate'], { FIRSTBELL_CONF: wrong })).stderr, expected);
    const { code, stderr } = await firstbell(['-c', '/nonexistent.conf', 'migrate'], { FIRSTBELL_CONF: wrong });
    assert.equal(code, 1);
    assert.match(stderr, /the settings file \/nonexistent\.conf cannot be read: No such file or directory/);
});

test('what `settings` prints is a settings file', async () => {
    const { code, stdout } = await firstbell(['settings']);
    assert.equal(code, 0);
    const printed = place.write('conf/printed.conf', stdout);
    const { stderr } = await firstbell(['-c', printed, 'migrate']);
    assert.doesNotMatch(stderr, /printed\.conf/);
});

test('standard output that cannot be written is a failure', async () => {
    const { code, stderr } = await run(['sh', '-c', 'exec "$0" help >/dev/full', path.join(app(), 'bin/firstbell')]);
    assert.equal(code, 1);
    assert.equal(stderr, 'firstbell: standard output cannot be written\n');
});
