// `firstbell warm`: what a district will ask for is kept by the edge before it asks, and the origin is not asked for it afterwards.
// time bound: 600 s

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { freePort, newPlace } from '../lib/place.mjs';
import { firstbell } from '../lib/server-firstbell.mjs';
import { waitFor } from '../lib/wait.mjs';
import { isHit, openKept, SEGMENT } from './kept.mjs';

const FILES = ['master.m3u8', '360p/s0.m4s', 'all.mp4', 'captions.en.vtt', 'poster.jpg'];
const place = newPlace();
let kept;
let edge;
let student;

before(async () => {
    kept = await openKept(place);
    edge = ['--edge', `https://127.0.0.1:${kept.edge.port}`, '--ca-file', place.path('tls/ca.crt')];
    student = await kept.signedIn('student.demo');
});
after(() => kept.close());

const warm = (words, options) => firstbell(place, ['warm', '--tenant', 'demo', ...edge, ...words], options);

async function mustWarm(words, options) {
    const { code, stdout, stderr } = await warm(words, options);
    assert.deepEqual([code, stderr], [0, ''], stdout);
    return stdout;
}

/** Nothing of the district is kept any more. */
async function forget() {
    await kept.must('purge', '--tenant', 'demo', '--all', '--hard');
    const probe = await kept.signed('demo', 'poster.jpg');
    await waitFor('all to be forgotten', async () => !isHit(await student.get(probe)));
    await kept.must('purge', '--tenant', 'demo', '--all', '--hard'); // and the probe
    await waitFor('the purge to be sent', async () => (await kept.sql('SELECT count(*) FROM purges WHERE sequence IS NULL')) === '0');
}

test('the files of the courses that most are active in: afterwards the origin is asked for none of them', async () => {
    const item = await kept.sql("SELECT id FROM items WHERE tenant_id = 1 AND key = 'rain-video'");
    assert.equal((await student.put(`/api/v1/items/${item}/progress`, { position_s: 1, percent: 10, time_spent_s: 1 })).status, 200);
    const said = await mustWarm(['--courses', '1']);
    assert.match(said, /^1 course, 5 addresses\nasked 5, hit 0, stored 5, not stored 0, failed 0 in \d+\.\d s\n$/, 'somebody has done something in it');
    await kept.withoutOrigin(async () => {
        for (const file of FILES) {
            for (const client of [student, kept.nobody()]) {
                const reply = await client.get(await kept.addressOf(student, file));
                assert.ok(reply.status === 200 && isHit(reply), `${file}: ${reply.status} ${reply.headers['cache-status']}`);
                if (file.endsWith('.m4s')) assert.ok(reply.bytes.equals(SEGMENT));
            }
        }
    });
    assert.match(await kept.withoutOrigin(() => mustWarm(['--courses', '100'])), /^\d+ courses, 5 addresses\nasked 5, hit 5, stored 0, /, 'the others have no files');
});

test('a list: paths, addresses of the district, with and without a token', async () => {
    const list = place.write('conf/list', `# before the bell\n\n/web/app.css\n/media/${kept.asset}/360p/s0.m4s\r\n  ${await kept.signed('demo', 'poster.jpg')}\n${kept.edge.origin}/web/js/api.js?a=b\n`);
    assert.match(await mustWarm(['--urls', list]), /^asked 4, hit [12], stored [23], not stored 0, failed 0 in /);
    for (const path of ['/web/app.css', '/web/js/api.js']) assert.ok(/;hit;/.test((await student.get(path)).headers['cache-status']), path);
    assert.match(await mustWarm(['--urls', '-'], { input: '/web/app.css\n' }), /^asked 1, /);
});

test('what is not kept is told, with why, by the exit code as well, and without a token', async () => {
    const { code, stdout, stderr } = await warm(['--urls', '-', '--connections', '1'], { input: `/courses\n/api/v1/me\n/media/${kept.asset}/none.m4s\n/media/${kept.asset}/none.mp4\n/readyz\n/web/app.css\n` });
    assert.deepEqual([code, stderr], [1, '']);
    const lines = stdout.trimEnd().split('\n').map((line) => line.trim());
    assert.match(lines[0], /^asked 6, hit \d, stored \d, not stored 1, failed 4 in /);
    assert.deepEqual(lines.slice(1).sort(), [
        `1 × answered with 303, such as ${kept.edge.origin}/courses`,
        `1 × answered with 401, such as ${kept.edge.origin}/api/v1/me`,
        `1 × not stored: nobody keeps it on the way, such as ${kept.edge.origin}/readyz`,
        `2 × answered with 404, such as ${kept.edge.origin}/media/${kept.asset}/none.m4s`,
    ].sort());
});

test('what is taken back is asked for again', async () => {
    await forget();
    assert.match(await mustWarm(['--courses', '1', '--rate', '10000', '--connections', '1']), /asked 5, hit 0, stored 5, /);
});

test('addresses that are wrong are named by their lines, and nothing is asked for', async () => {
    const { code, stdout, stderr } = await kept.withoutOrigin(() => warm(['--urls', '-'], { input: '/web/app.css\nhttps://south.localhost/\nweb/app.css\n/a b\n/../x\n' }));
    assert.deepEqual([code, stdout], [1, '']);
    const lines = stderr.trimEnd().split('\n');
    assert.equal(lines[0], 'firstbell: standard input, line 2: "https://south.localhost/" is not right: its host is none of the district');
    assert.deepEqual(lines.map((line) => /line (\d)/.exec(line)[1]), ['2', '3', '4', '5']);
});

test('its time is a bound, and what was not asked for is told', async () => {
    const { code, stdout, stderr } = await warm(['--courses', '1', '--rate', '1', '--for', '1']);
    assert.equal(code, 1);
    assert.match(stdout, /asked [01], /);
    assert.match(stderr, /^firstbell: the time was over before [45] of 5 addresses were asked for; a greater --rate or --for takes more\n$/);
});

test('it waits for the time that it is told', async () => {
    const at = new Date(Date.now() + 2000);
    await mustWarm(['--urls', '-', '--at', at.toISOString().replace(/\.\d+Z/, 'Z')], { input: '/web/app.css\n' });
    assert.ok(Date.now() >= Math.floor(at / 1000) * 1000, 'it was then');
});

test('an edge that is not there, or is not who it should be, is a failure of each', async () => {
    const away = await firstbell(place, ['warm', '--tenant', 'demo', '--edge', `https://127.0.0.1:${await freePort()}`, '--urls', '-'], { input: '/web/app.css\n' });
    assert.equal(away.code, 1);
    assert.match(away.stdout, /^asked 1, hit 0, stored 0, not stored 0, failed 1 in .*\n +1 × Failed to connect to 127\.0\.0\.1 port \d+/);
    const unknown = await firstbell(place, ['warm', '--tenant', 'demo', '--edge', `https://127.0.0.1:${kept.edge.port}`, '--urls', '-'], { input: '/web/app.css\n' });
    assert.equal(unknown.code, 1);
    assert.match(unknown.stdout, /failed 1 in .*\n +1 × SSL certificate problem/, 'its authority is not the system\'s');
});

test('wrong words are refused', async () => {
    for (const [words, code, pattern] of [
        [[], 2, /one of --urls and --courses is expected/],
        [['--urls', '-', '--courses', '1'], 2, /and only one/],
        [['--courses', '0'], 2, /--courses is "0", expected 1 to 10000/],
        [['--courses', '1', '--rate', 'fast'], 2, /--rate is "fast", expected 1 to 10000/],
        [['--courses', '1', '--connections', '1000'], 2, /--connections is "1000", expected 1 to 256/],
        [['--courses', '1', '--for', '-1'], 2, /--for is "-1"/],
        [['--courses', '1', '--at', '08:00'], 2, /--at is "08:00", expected a time in UTC/],
        [['--courses', '1', '--at', '2099-01-01T00:00:00Z'], 2, /more than a day from now/],
        [['--urls', place.path('none')], 1, /none cannot be read: No such file/],
        [['--urls', '/dev/null'], 1, /there is nothing to ask for/],
    ]) {
        const said = await warm(words);
        assert.deepEqual([said.code, said.stdout], [code, ''], words.join(' '));
        assert.match(said.stderr, pattern);
    }
    for (const url of ['127.0.0.1', 'http://127.0.0.1:80', 'https://127.0.0.1/a', 'ftp://x']) {
        assert.match((await firstbell(place, ['warm', '--tenant', 'demo', '--courses', '1', '--edge', url])).stderr, /--edge is ".*", expected where an edge listens/, url);
    }
    assert.match((await firstbell(place, ['warm', '--tenant', 'nobody', '--courses', '1'])).stderr, /nobody/);
});
