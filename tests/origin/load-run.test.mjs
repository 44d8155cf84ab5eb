// The load tools: what http_load counts, and that load/run writes the report that it promises. No figure is asserted.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, test } from 'node:test';

import { app, checkout } from '../lib/app.mjs';
import { httpLoad } from '../../load/lib/generator.mjs';
import { newPlace } from '../lib/place.mjs';

const place = newPlace();
after(() => place.stop());
app(); // what is measured is the installed copy

/** A server that answers with `answer(request, response)`; gives {to, seen, close}. */
async function serve(answer) {
    const seen = [];
    const server = http.createServer((request, response) => {
        let body = '';
        request.on('data', (bytes) => (body += bytes));
        request.on('end', () => {
            seen.push({ method: request.method, url: request.url, headers: request.headers, body });
            answer(request, response);
        });
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { to: String(server.address().port), seen, close: () => server.close() + server.closeAllConnections() };
}

const load = (server, requests, ...more) =>
    httpLoad(['--to', server.to, '--connections', '3', '--seconds', '1', '--requests', place.write('requests', requests), ...more]);

test('http_load sends its requests in turn, with headers and a body', async () => {
    const server = await serve((request, response) => response.end('well'));
    const out = await load(server, '# a comment\nGET /a\tX-One: 1\nPOST /b\tContent-Type: text/plain\thost: b.example\t=four\n');
    server.close();
    assert.equal(out.answered, out.good);
    assert.equal(out.errors + out.unanswered, 0);
    assert.ok(out.answered > 0 && out.first_p50_us <= out.p50_us && out.p50_us <= out.p99_us && out.p99_us <= out.p999_us && out.p999_us <= out.max_us);
    const [a, b] = ['/a', '/b'].map((url) => server.seen.find((request) => request.url === url));
    assert.deepEqual([a.headers['x-one'], a.headers.host, b.headers.host], ['1', 'localhost', 'b.example']);
    assert.deepEqual([b.method, b.body, b.headers['content-length']], ['POST', 'four', '4']);
});

test('http_load tells refusals from answers and broken connections from both', async () => {
    let number = 0;
    const server = await serve((request, response) => {
        number++;
        if (number % 3 === 0) response.socket.destroy();
        else response.writeHead(number % 3 === 1 ? 200 : 503, { 'content-length': 1 }).end('x');
    });
    const out = await load(server, 'GET /\n');
    server.close();
    assert.ok(out.good > 0 && out.good < out.answered && out.errors > 0, JSON.stringify(out));
});

test('at a rate, requests are due whether or not the server answers, and wait for it', async () => {
    let first = true;
    const server = await serve((request, response) => {
        const stall = first ? 400 : 0;
        first = false;
        setTimeout(() => response.end('late'), stall);
    });
    const out = await httpLoad(['--to', server.to, '--connections', '1', '--seconds', '1', '--rate', '100', '--requests', place.write('requests', 'GET /\n')]);
    server.close();
    assert.equal(out.answered, out.due, 'every one is answered in the end');
    assert.ok(out.due > 20);
    assert.ok(out.max_us >= 400_000, 'the stalled one took at least the stall');
    // With one connection the others could not even be sent meanwhile: a count from the sending would show one slow request of many.
    assert.ok(out.p95_us > 20_000, `p95 ${out.p95_us} us counts from when the requests were due`);
});

test('a herd: each connection asks once, all in the same moment', async () => {
    let most = 0;
    const waiting = [];
    const server = await serve((request, response) => {
        most = Math.max(most, waiting.push(response));
        if (waiting.length === 7) for (const each of waiting) each.end('at last');
    });
    const requests = place.write('requests', 'GET /\n');
    const out = await httpLoad(['--to', server.to, '--connections', '7', '--total', '7', '--seconds', '60', '--requests', requests]);
    server.close();
    assert.deepEqual([out.good, out.answered, out.errors, out.unanswered, most], [7, 7, 0, 0, 7]);
});

test('http_load says what is wrong with its arguments', () => {
    const run = (...args) => spawnSync(path.join(checkout, process.env.FB_TEST_BUILD ?? 'build', 'http_load'), args, { encoding: 'utf8' });
    assert.match(run('--rate', 'x').stderr, /--rate "x" is not understood/);
    const requests = place.write('bad', 'nonsense\n');
    const bad = run('--to', '1', '--connections', '1', '--seconds', '1', '--requests', requests);
    assert.equal(bad.status, 1);
    assert.match(bad.stderr, /line 1 is no request/);
});

test('load/run api writes its report, and a row whose peer is missing fails', () => {
    const out = place.folder('reports');
    const run = spawnSync('node', ['load/lib/main.mjs', 'api', '--quick', '--without-peers', '--out', out], { cwd: checkout, encoding: 'utf8' });
    assert.equal(run.status, 1, run.stdout + run.stderr);
    const report = JSON.parse(readFileSync(path.join(out, 'api.json'), 'utf8'));
    assert.equal(report.name, 'api');
    assert.match(report.date, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.ok(report.commit && report.machine);
    assert.equal(report.quick, true);
    for (const row of report.rows) {
        assert.deepEqual(Object.keys(row).slice(0, 7), ['case', 'value', 'unit', 'peer_value', 'ratio', 'bar', 'holds']);
        assert.ok(row.value > 0);
    }
    const compared = report.rows.filter((row) => row.bar?.includes('peer'));
    assert.equal(compared.length, 3);
    assert.ok(compared.every((row) => !row.holds && row.why === 'the peers were left out'));
    assert.match(run.stdout, /requests, median/);
});

test('load/run lists its scenarios', () => {
    const run = spawnSync('load/run', [], { cwd: checkout, encoding: 'utf8' });
    assert.equal(run.status, 0, run.stderr);
    assert.match(run.stdout, /^ {2}api +\S/m);
});
