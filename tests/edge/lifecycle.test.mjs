// Processes that die, and configurations that are loaded again: the directory stays whole and goes on following its file.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { waitFor } from '../lib/wait.mjs';
import { askEveryWorker, lines, nginxConf, publish, reloadEdge, replyWithReport, snapshot, startEdge, startOrigin, tenant, twoTenants } from './support.mjs';

/** A test with a place and an edge of its own. */
function edgeTest(name, options, body) {
    test(name, async () => {
        const place = newPlace();
        try {
            const edge = await startEdge(place, typeof options === 'function' ? options(place) : options);
            await body(place, edge);
        } finally {
            await place.stop();
        }
    });
}

async function changeIsSeen(place, edge, version, tenants = twoTenants) {
    publish(place, snapshot(version, tenants));
    await waitFor(`version ${version} on the edge`, async () => (await edge.ask('north.example')).json?.version === String(version));
}

/** Writes a configuration in the place of the running one and reloads: resolves when other workers serve. */
async function reload(place, edge, options = {}) {
    writeConf(place, edge, options);
    await reloadEdge(edge);
}

function writeConf(place, edge, options) {
    const errorLog = place.path('log/nginx.error.log');
    place.write('conf/nginx.conf', `daemon off;\npid ${place.path('pid/nginx.pid')};\nerror_log ${errorLog} info;\n${nginxConf(place, edge.port, options)}`);
}

/** Reloads with a configuration that nginx must refuse; gives the lines it says. */
async function refusedReload(place, edge, options) {
    const before = lines(edge.log(), /\[emerg\]/).length;
    writeConf(place, edge, options);
    edge.reload();
    await waitFor('the refusal', () => lines(edge.log(), /\[emerg\]/).length > before);
    return lines(edge.log(), /\[emerg\]/).slice(before).join('\n');
}

edgeTest('kill -9 of every worker: the successors serve and follow the file', {}, async (place, edge) => {
    place.expect(/exited on signal 9/);
    await changeIsSeen(place, edge, 2);
    const before = children(edge.program.child.pid);
    for (const pid of before) process.kill(pid, 'SIGKILL');
    await waitFor('the successors', () => children(edge.program.child.pid).filter((pid) => !before.includes(pid)).length === 2);
    const workers = await askEveryWorker(edge.port, 'north.example');
    for (const [, report] of workers) assert.equal(report.version, '2');
    await changeIsSeen(place, edge, 3);
});

const large = Array.from({ length: 8000 }, (_, n) => tenant(100 + n, `district-${n}`, [`district-${n}.example`, `learn.district-${n}.example`]));

edgeTest(
    'kill -9 of the worker that writes, in the middle: the next one takes over, nothing torn is ever served',
    (place) => ({ directory: `bell_directory zone=tenants:8m file=${place.path('directory.snapshot')} interval=20ms;`, tenants: twoTenants }),
    async (place, edge) => {
        place.expect(/exited on signal 9/);
        const takenOver = () => lines(edge.log(), /died while it changed the directory/).length;
        let version = 1;
        for (let round = 0; round < 60 && takenOver() < 3; round++) {
            const bytes = snapshot(++version, [...twoTenants, ...large]);
            publish(place, bytes);
            const kill = performance.now() + 10 + (round % 12) * 6;
            await waitFor('the moment to kill', () => performance.now() > kill);
            for (const pid of children(edge.program.child.pid)) process.kill(pid, 'SIGKILL');
            const served = await waitFor('an answer', async () => (await edge.ask('north.example').catch(() => undefined))?.json);
            assert.equal(served.name, 'north');
            assert.ok([version, version - 1].includes(Number(served.version)), `version ${served.version} is served, ${version} was published`);
            await waitFor(`version ${version}`, async () => (await edge.ask('district-7999.example').catch(() => undefined))?.json?.version === String(version));
        }
        assert.ok(takenOver() > 0, 'no worker was caught while it wrote');
    },
);

edgeTest('a reload keeps what is in service, and the new workers follow the file', {}, async (place, edge) => {
    await changeIsSeen(place, edge, 2);
    await reload(place, edge);
    assert.equal((await edge.ask('north.example')).json.version, '2');
    await changeIsSeen(place, edge, 3);
    assert.equal(lines(edge.log(), /\[error\]/).length, 0);
});

edgeTest('a reload with a bad file in place: one line, and the old directory serves on', {}, async (place, edge) => {
    publish(place, 'torn');
    await waitFor('the refusal', () => lines(edge.log(), /\[error\].*is refused/).length === 1);
    await reload(place, edge);
    await waitFor('the refusal after the reload', () => lines(edge.log(), /\[error\].*is refused/).length === 2);
    const workers = await askEveryWorker(edge.port, 'north.example');
    for (const [, report] of workers) assert.equal(report.version, '1');
    await changeIsSeen(place, edge, 2);
    assert.equal(lines(edge.log(), /\[error\].*is refused/).length, 2);
});

edgeTest('a reload that fails elsewhere changes nothing, and a worker that dies after it is replaced', {}, async (place, edge) => {
    place.expect(/unknown directive "no_such"/);
    place.expect(/exited on signal 9/);
    const other = `bell_directory zone=tenants:256k file=${place.path('other.snapshot')} interval=50ms;`;
    publish(place, snapshot(50, [tenant(1, 'other', ['north.example'])]), 'other.snapshot');
    await refusedReload(place, edge, { directory: other, server: 'no_such;' });
    for (const pid of children(edge.program.child.pid)) process.kill(pid, 'SIGKILL');
    await waitFor('an answer', async () => (await edge.ask('north.example').catch(() => undefined))?.json?.version === '1');
    await changeIsSeen(place, edge, 2);
});

edgeTest('a reload with another file follows that file', {}, async (place, edge) => {
    publish(place, snapshot(5, [tenant(1, 'moved', ['moved.example'])]), 'other.snapshot');
    await reload(place, edge, { directory: `bell_directory zone=tenants:256k file=${place.path('other.snapshot')} interval=50ms;` });
    await waitFor('the other file', async () => (await edge.ask('moved.example')).json?.version === '5');
});

edgeTest('a reload with a larger zone begins anew from the file', {}, async (place, edge) => {
    await reload(place, edge, { directory: `bell_directory zone=tenants:16m file=${place.path('directory.snapshot')} interval=50ms;` });
    await changeIsSeen(place, edge, 2, [...twoTenants, ...large]);
});

edgeTest('a reload with another zone and a bad file is refused whole', {}, async (place, edge) => {
    place.expect(/directory\.snapshot" is refused/);
    publish(place, 'torn');
    const said = await refusedReload(place, edge, { directory: `bell_directory zone=tenants:4m file=${place.path('directory.snapshot')} interval=50ms;` });
    assert.match(said, /is refused: .*; the edge has no other directory to start with/);
    assert.equal((await edge.ask('north.example')).json.version, '1');
    await changeIsSeen(place, edge, 2);
});

test('an old worker with a request in flight ends it, is not held longer, and does not feed the directory', async () => {
    const place = newPlace();
    let release;
    const released = new Promise((resolve) => (release = resolve));
    const origin = await startOrigin(place.path('sock/origin.sock'), (request, response) => {
        released.then(() => response.end('late'));
        return true;
    });
    try {
        const server = `location / { ${replyWithReport} } location /slow { proxy_pass http://unix:${place.path('sock/origin.sock')}; }`;
        const edge = await startEdge(place, { server });
        const slow = edge.ask('north.example', '/slow');
        await waitFor('the request at the origin', () => origin.requests.length === 1);
        const before = children(edge.program.child.pid);
        writeConf(place, edge, { server });
        edge.reload();
        await waitFor('one old worker to go', () => before.filter((pid) => existsSync(`/proc/${pid}`)).length === 1);
        await waitFor('the new workers', () => children(edge.program.child.pid).length === 3);
        await changeIsSeen(place, edge, 2);
        release();
        assert.equal((await slow).text, 'late');
        await waitFor('the other old worker to go', () => before.every((pid) => !existsSync(`/proc/${pid}`)), 5);
    } finally {
        release();
        await origin.close();
        await place.stop();
    }
});

// nginx itself takes no connection after a reload without a master (it is for nginx's own developers): the log tells.
edgeTest('one process without a master: the feed moves to the new configuration', { main: 'master_process off;' }, async (place, edge) => {
    await changeIsSeen(place, edge, 2);
    const other = { main: 'master_process off;', directory: `bell_directory zone=tenants:512k file=${place.path('directory.snapshot')} interval=50ms;` };
    writeConf(place, edge, other);
    edge.reload();
    await waitFor('the reload', () => /\] .*: reconfiguring$/m.test(edge.log()));
    // The new zone may begin with a version that lies there already; the feed is shown by one that comes later.
    let version = 3;
    await waitFor('the feed to go on', () => {
        publish(place, snapshot(version++, twoTenants));
        return /version ([3-9]|\d\d+) is in service, after/.test(edge.log());
    });
    writeConf(place, edge, { ...other, directory: '', http: 'bell_tenant off;' });
    edge.reload();
    await waitFor('the second reload', () => lines(edge.log(), /: reconfiguring$/).length === 2);
    place.assertRunning(edge.program);
    // A signal that comes while nginx reconfigures is noted but wakes nobody, and nothing else would: it is sent until it is heard.
    await waitFor('the end', () => !edge.program.running || (edge.program.child.kill('SIGQUIT'), false));
});
