// bell_fair: who has a place at the origin, who is next, who has to go and what he is told; places are given back whatever becomes of a request. What is
// asked of the origin, and in which order, is the origin's to say; each step waits until the edge has come where it is to be.

import assert from 'node:assert/strict';
import http2 from 'node:http2';

import { freePort } from '../lib/place.mjs';
import { children } from '../lib/run.mjs';
import { http2Words } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { Visitor, askAll, leaveAll, over, visitors, visitorsByWorker } from './cache-visitors.mjs';
import { askUntil, control, figures, isHit, leaves, stale } from './cache.mjs';
import { NORTH, SOUTH, counted, fairTest, isRefused, placed, poolFigure } from './fair.mjs';

fairTest('so many at once, over both workers; then who has none is next', 'places=2 queue=20', async ({ edge, order, hold, ask, finish, taken }) => {
    hold('/n1', '/n2', '/n3', '/n4', '/s1', '/s2');
    const [one, other] = await visitorsByWorker(edge.port, 3);
    const replies = [await ask('/n1', { on: one.visitors[0] }), await ask('/n2', { on: other.visitors[0] })];
    replies.push(await ask('/n3', { on: one.visitors[1], waits: 1 }), await ask('/n4', { on: other.visitors[1], waits: 2 }));
    replies.push(await ask('/s1', { host: SOUTH, on: one.visitors[2], waits: 3 }), await ask('/s2', { host: SOUTH, on: other.visitors[2], waits: 4 }));
    await taken(2);
    assert.deepEqual(order, ['/n1', '/n2']);
    await finish('/n1', '/s1');
    assert.deepEqual(order, ['/n1', '/n2', '/s1']);
    for (let done = 1; done < 6; done++) {
        const path = await waitFor('the next', () => order[done]);
        await finish(path);
    }
    await over(replies);
    assert.deepEqual(replies.map((reply) => reply.body), ['/n1', '/n2', '/n3', '/n4', '/s1', '/s2']);
    assert.deepEqual(replies.map((reply) => reply.headers.fair), ['passed', 'passed', 'waited', 'waited', 'waited', 'waited']);
    assert.ok(order.indexOf('/n3') < order.indexOf('/n4'));
    assert.deepEqual([await counted(edge, 'passed'), await counted(edge, 'waited')], [2, 4]);
    leaveAll([...one.visitors, ...other.visitors]);
});

fairTest('classes of a tenant take turns, and students of a class', 'places=1 queue=20', async ({ order, hold, ask, finish }) => {
    const hero = ['/h1', '/h2', '/h3', '/h4'];
    hold('/first', ...hero, '/b', '/c');
    const replies = [await ask('/first')];
    for (const [i, path] of hero.entries()) replies.push(await ask(path, { class: 'hero', address: '10.0.0.1', waits: i + 1 }));
    replies.push(await ask('/b', { class: 'hero', address: '10.0.0.2', waits: 5 })); // another student of it
    replies.push(await ask('/c', { class: '7b', address: '10.0.0.3', waits: 6 })); // another class
    for (const [path, next] of [['/first', '/h1'], ['/h1', '/c'], ['/c', '/b'], ['/b', '/h2'], ['/h2', '/h3'], ['/h3', '/h4'], ['/h4']]) await finish(path, next);
    await over(replies);
    assert.deepEqual(order, ['/first', '/h1', '/c', '/b', '/h2', '/h3', '/h4']);
});

fairTest('a full queue: the lowest rank goes first, a submission is the last', 'places=1 queue=3', async ({ edge, order, hold, ask, finish, waiting }) => {
    hold('/first', '/1', '/5', '/3', '/10a', '/10b', '/10c', '/10d', '/9', '/2');
    const first = await ask('/first');
    const replies = {};
    const asks = async (path, options) => (replies[path] = await ask(path, options));
    await asks('/1', { rank: 1, waits: 1 });
    await asks('/5', { rank: 5, waits: 2 });
    await asks('/3', { waits: 3 }); // of rank 3, where nothing is said
    for (const [path, goes, rank] of [['/10a', '/1', 1], ['/10b', '/3', 3], ['/10c', '/5', 5]]) {
        await asks(path, { rank: 10, host: SOUTH, waits: 3 });
        await over([replies[goes]]);
        isRefused(replies[goes]);
        assert.equal(await counted(edge, 'refused', rank), 1);
    }
    await over([await asks('/9', { rank: 9, waits: 3 }), await asks('/10d', { rank: 10, host: SOUTH, waits: 3 })]);
    isRefused(replies['/9']);
    isRefused(replies['/10d']);
    await waiting(3);
    await finish('/first', '/10a');
    await finish('/10a', '/10b');
    await finish('/10b', '/10c');
    await finish('/10c');
    await over([first, replies['/10a'], replies['/10b'], replies['/10c']]);
    assert.deepEqual(order, ['/first', '/10a', '/10b', '/10c']);
});

fairTest('of one rank, who has most of the queue goes', 'places=1 queue=3', async ({ order, hold, ask, finish }) => {
    hold('/first', '/n1', '/n2', '/n3', '/n4', '/s1');
    const first = await ask('/first');
    const mine = [await ask('/n1', { waits: 1 }), await ask('/n2', { waits: 2 }), await ask('/n3', { waits: 3 })];
    isRefused((await over([await ask('/n4', { waits: 3 })]))[0]);
    const other = await ask('/s1', { host: SOUTH, waits: 3 });
    await over([mine[2]]);
    isRefused(mine[2]);
    await finish('/first', '/s1'); // north has had all the time
    await finish('/s1', '/n1');
    await finish('/n1', '/n2');
    await finish('/n2');
    await over([first, other, mine[0], mine[1]]);
    assert.deepEqual(order, ['/first', '/s1', '/n1', '/n2']);
});

fairTest('who has waited for as long as his rank may is told so; the lower the rank, the sooner', 'places=1 queue=9 wait=3s', async ({ edge, order, hold, ask, finish }) => {
    hold('/first', '/1', '/10');
    const first = await ask('/first');
    const [submission, prefetch] = [await ask('/10', { rank: 10, waits: 1 }), await ask('/1', { rank: 1, waits: 2 })];
    await over([prefetch]);
    isRefused(prefetch, 'late');
    assert.equal(submission.hasHead, false);
    await over([submission]);
    isRefused(submission, 'late');
    assert.deepEqual([await counted(edge, 'late', 1), await counted(edge, 'late', 10)], [1, 1]);
    await finish('/first');
    await over([first]);
    assert.deepEqual(order, ['/first']);
});

fairTest('who leaves while he waits is nobody’s turn; who leaves while he is served gives his place back', 'places=1 queue=9', async ({ edge, order, hold, ask, finish, waiting, origin }) => {
    hold('/n1', '/n2', '/n3', '/n4');
    const running = await ask('/n1');
    const [leaving, next, last] = [await ask('/n2', { waits: 1 }), await ask('/n3', { waits: 2 }), await ask('/n4', { waits: 3 })];
    await leaves(edge, leaving.visitor);
    await waiting(2);
    assert.equal(await counted(edge, 'left'), 1);
    await leaves(edge, running.visitor);
    await origin.arrived('/n3');
    await finish('/n3', '/n4');
    await finish('/n4');
    await over([next, last]);
    assert.deepEqual(order, ['/n1', '/n3', '/n4']);
});

const workers = (edge) => children(edge.program.child.pid);

fairTest('a worker that is killed gives its places back, and what waited in it waits no more', 'places=2 queue=9', async ({ edge, origin, order, hold, ask, finish, waiting, taken }) => {
    hold('/n1', '/n2', '/n3', '/n4', '/n5');
    const [one, other] = await visitorsByWorker(edge.port, 3);
    for (const [i, path] of ['/n1', '/n2'].entries()) await ask(path, { on: one.visitors[i] });
    await ask('/n3', { on: one.visitors[2], waits: 1 });
    const replies = [await ask('/n4', { on: other.visitors[0], waits: 2 }), await ask('/n5', { on: other.visitors[1], waits: 3 })];
    process.kill(one.worker, 'SIGKILL');
    await origin.arrived('/n4');
    await origin.arrived('/n5');
    await waiting(0);
    await taken(2);
    for (const path of ['/n4', '/n5']) await finish(path);
    await over(replies);
    assert.deepEqual(replies.map((reply) => reply.body), ['/n4', '/n5']);
    assert.ok(!order.includes('/n3'));
    await waitFor('both workers', () => workers(edge).length === 2 && !workers(edge).includes(one.worker));
    leaveAll([...one.visitors, ...other.visitors]);
});

fairTest('a reload: those who wait have their turns, of before and of now', 'places=1 queue=9', async ({ edge, order, hold, ask, finish }) => {
    hold('/n1', '/n2', '/n3');
    const replies = [await ask('/n1'), await ask('/n2', { waits: 1 })];
    const former = workers(edge);
    edge.reload();
    await waitFor('new workers', () => workers(edge).filter((pid) => !former.includes(pid)).length === 2);
    const [now] = await waitFor('a visitor of a new worker', async () => {
        const those = await visitors(edge.port, 4);
        const told = await over(askAll(those, '/worker'));
        const found = told.filter(({ headers, visitor }) => headers && !former.includes(Number(headers.worker)) && !visitor.isClosed).map(({ visitor }) => visitor);
        leaveAll(those.filter((visitor) => visitor !== found[0]));
        return found.length > 0 && found;
    });
    replies.push(await ask('/n3', { on: now, waits: 2 }));
    await finish('/n1', '/n2');
    await finish('/n2', '/n3');
    await finish('/n3');
    await over(replies);
    assert.deepEqual(replies.map((reply) => reply.body), ['/n1', '/n2', '/n3']);
    assert.deepEqual(order, ['/n1', '/n2', '/n3']);
    await waitFor('the former workers to be gone', () => !workers(edge).some((pid) => former.includes(pid)));
});

const http2Port = await freePort();

fairTest('over HTTP/2 as well: who waits is served, body and all, and a stream that is given up is nobody’s turn', 'places=1 queue=9', async ({ edge, hold, ask, finish, origin, waiting }) => {
    hold('/n1', '/n2', '/homework');
    const running = await ask('/n1');
    const session = http2.connect(`http://127.0.0.1:${http2Port}`);
    const asks = (path, method, body) => {
        const stream = session.request({ ':path': path, ':method': method, ':authority': NORTH });
        const reply = { stream, text: '' };
        stream.on('response', (headers) => (reply.status = headers[':status']));
        stream.on('data', (bytes) => (reply.text += bytes));
        stream.on('error', () => {});
        reply.ended = new Promise((resolve) => stream.on('close', resolve));
        stream.end(body);
        return reply;
    };
    const given = asks('/n2', 'GET');
    await waiting(1);
    const homework = asks('/homework', 'POST', 'homework');
    await waiting(2);
    given.stream.close(http2.constants.NGHTTP2_CANCEL);
    await waiting(1);
    assert.equal(await counted(edge, 'left'), 1);
    await finish('/n1', '/homework');
    assert.equal(origin.asked('/homework')[0].body, 'homework');
    await finish('/homework');
    await homework.ended;
    await over([running]);
    assert.deepEqual([homework.status, homework.text, origin.count('/n2')], [200, '/homework', 0]);
    session.destroy();
}, { server: `listen 127.0.0.1:${http2Port}${http2Words()}; ${placed('/')}` });

// ---- the cache

const cached = 'location /kept { bell_fair origin; bell_fair_rank $http_x_rank; proxy_pass http://origin; }';

fairTest('what is stored waits for nothing; what is fetched has one place, however many wait for it', 'places=1 queue=9', async ({ edge, origin, order, hold, ask, finish }) => {
    origin.script('/kept/a', { headers: control('max-age=60'), body: 'a' });
    await edge.ask(NORTH, '/kept/a');
    await askUntil(edge, NORTH, '/kept/a', 'it to be stored', isHit);
    hold('/n1', '/n2', '/kept/b');
    const running = await ask('/n1');
    const groups = await visitorsByWorker(edge.port, 10);
    const herd = groups.flatMap(({ visitors: those }) => askAll(those, '/kept/b'));
    await waitFor('the fetch to wait', async () => (await poolFigure(edge, 'requests_waiting')) === 1);
    for (let i = 0; i < 20; i++) assert.ok(isHit(await edge.ask(NORTH, '/kept/a')));
    await finish('/n1', '/kept/b');
    const behind = await ask('/n2', { waits: 1 });
    assert.equal(await poolFigure(edge, 'places_taken'), 1);
    await finish('/kept/b', '/n2');
    await finish('/n2');
    await over([running, behind, ...herd]);
    assert.ok(herd.every((reply) => reply.body === '/kept/b'));
    assert.deepEqual(order, ['/n1', '/kept/b', '/n2']);
    leaveAll(herd.map((reply) => reply.visitor));
}, { server: `${cached} ${placed('/')}` });

fairTest('a fetch that is refused: who waits for it is told when to come back, or has what is stale where that is allowed', 'places=1 queue=1', async ({ edge, origin, hold, ask, finish, waiting }) => {
    origin.script('/kept/old', { headers: stale('stale-if-error=600'), body: 'old' });
    await edge.ask(NORTH, '/kept/old');
    hold('/first', '/second', '/kept/b', '/kept/old');
    const replies = [await ask('/first'), await ask('/second', { rank: 10, waits: 1 })];
    const refused = await edge.ask(NORTH, '/kept/b');
    assert.equal(refused.status, 503);
    assert.match(refused.headers['retry-after'], /^[1-9]\d*$/);
    assert.equal(refused.json.type, 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity');
    assert.equal((await edge.ask(NORTH, '/kept/old')).text, 'old');
    await waiting(1);
    await finish('/first', '/second');
    await finish('/second');
    await over(replies);
}, { server: `${cached} ${placed('/')}` });

fairTest('a fetch that has waited passes over what the origin says before its answer', 'places=1 queue=9', async ({ origin, order, hold, ask, finish }) => {
    hold('/n1');
    origin.script('/kept/early', { early: 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n', headers: control('max-age=60'), body: 'late' });
    const running = await ask('/n1');
    const reply = await ask('/kept/early', { waits: 1 });
    await finish('/n1');
    await over([running, reply]);
    assert.deepEqual([reply.status, reply.body, order], [200, 'late', ['/n1']]);
}, { server: `${cached} ${placed('/')}` });

// ---- whatever becomes of a request

fairTest('an origin that is down, one that breaks off, one that is too slow: each place is given back', 'places=1 queue=40', async ({ edge, origin, hold, ask, taken, finish }) => {
    await origin.down();
    const those = await visitors(edge.port, 20);
    const replies = await over(askAll(those, '/n1'));
    assert.ok(replies.every((reply) => reply.status === 502));
    await taken(0);
    await origin.up();
    leaveAll(those);
    hold('/cut');
    const cut = await ask('/cut');
    origin.asked('/cut')[0].socket.destroy();
    await over([cut]);
    assert.equal(cut.status, 502);
    hold('/slow', '/n2');
    const slow = await ask('/slow');
    const next = await ask('/n2', { waits: 1 });
    await origin.arrived('/n2');
    await over([slow]);
    assert.equal(slow.status, 504);
    await finish('/n2');
    await over([next]);
    assert.equal(next.body, '/n2');
}, { server: placed('/', 'proxy_read_timeout 2s; proxy_next_upstream off;') });

fairTest('a body comes first: who sends it slowly has no place meanwhile', 'places=1 queue=9', async ({ edge, origin, hold, ask, finish, taken }) => {
    hold('/n1', '/homework');
    const visitor = await Visitor.open(edge.port);
    const { writing } = await figures(edge);
    const reply = visitor.ask('/homework', { method: 'POST', headers: { 'Content-Length': 8 } });
    visitor.socket.write('half');
    await waitFor('the edge to have its head', async () => (await figures(edge)).writing > writing);
    const other = await ask('/n1');
    await taken(1);
    assert.equal(origin.count('/homework'), 0);
    await finish('/n1');
    await over([other]);
    visitor.socket.write('half');
    const asked = await origin.arrived('/homework');
    assert.equal(asked.body, 'halfhalf');
    await taken(1);
    await finish('/homework');
    await over([reply]);
    assert.equal(reply.body, '/homework');
    visitor.leave();
});

fairTest('a body that has come waits with its request', 'places=1 queue=9', async ({ edge, origin, hold, ask, finish, waiting }) => {
    hold('/n1', '/homework');
    const running = await ask('/n1');
    const visitor = await Visitor.open(edge.port);
    const reply = visitor.ask('/homework', { method: 'POST', headers: { 'Content-Length': 8 } });
    visitor.socket.write('homework');
    await waiting(1);
    await finish('/n1', '/homework');
    assert.equal(origin.asked('/homework')[0].body, 'homework');
    await finish('/homework');
    await over([running, reply]);
    visitor.leave();
});

fairTest('a stream has a place until it begins, a long answer for a bounded time', 'places=1 queue=9 hold=1s', async ({ origin, order, hold, ask, finish }) => {
    const streams = ['/events', '/socket'];
    origin.script('/events', () => order.push('/events') && { headers: { 'content-type': 'text/event-stream; charset=utf-8' }, pieces: ['a', 'b'], length: 'chunked', held: true });
    origin.script('/socket', () => order.push('/socket') && { status: 101, reason: 'Switching Protocols', headers: { upgrade: 'websocket', connection: 'upgrade' }, length: 'none', held: true });
    origin.script('/long', () => order.push('/long') && { pieces: ['a', 'b'], length: 'chunked', held: true });
    hold('/n1', '/n2');
    const replies = [];
    for (const path of streams) {
        replies.push(await ask(path, { headers: path === '/socket' ? { Upgrade: 'websocket', Connection: 'upgrade' } : {} }));
        origin.asked(path)[0].next(); // its head, and no more
        const other = await ask(path === '/events' ? '/n1' : '/n2');
        await finish(path === '/events' ? '/n1' : '/n2');
        await over([other]);
    }
    const long = await ask('/long');
    hold('/n3');
    const behind = await ask('/n3', { waits: 1 });
    origin.asked('/long')[0].next();
    await origin.arrived('/n3');
    await finish('/n3');
    await finish('/long');
    origin.asked('/events')[0].rest();
    await over([behind, long, replies[0]]);
    assert.deepEqual([long.body, replies[0].body], ['ab', 'ab']);
    replies[1].visitor.leave();
}, { server: placed('/', 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection;') });

fairTest('who is led elsewhere has one place at most: redirects, pages of errors, subrequests', 'places=1 queue=0', async ({ edge, origin }) => {
    const body = { headers: control('no-store'), body: 'b' };
    origin.script('/moved', { headers: { 'x-accel-redirect': '/there' } });
    origin.script('/there', body);
    origin.script('/gone', { status: 404, headers: control('no-store') });
    origin.script('/parts', { ...body, headers: control('no-store', { 'content-type': 'text/html' }) });
    for (let i = 0; i < 3; i++) {
        assert.equal((await edge.ask(NORTH, '/moved')).text, 'b');
        assert.equal((await edge.ask(NORTH, '/gone')).text, 'b');
        assert.equal((await edge.ask(NORTH, '/parts')).text, 'bb');
    }
    assert.equal(await counted(edge, 'refused'), 0);
}, {
    server: `${placed('/')} ${placed('/gone', 'proxy_intercept_errors on; error_page 404 = /there;')} ${placed('/parts', 'add_after_body /there;')}`,
});

const intercepted = 'proxy_intercept_errors on;';

for (const [what, more] of [['', ''], [', also where nginx answers in its place', intercepted]]) {
    fairTest(`an origin that says it has too much to do gets less, when it has much${what}`, 'min=1 start=4 queue=9', async ({ edge, origin, hold, ask, finish }) => {
        origin.script('/busy', { status: 503, headers: control('no-store') });
        for (let i = 0; i < 5; i++) assert.equal((await edge.ask(NORTH, '/busy')).status, 503);
        assert.equal(await poolFigure(edge, 'places'), 4);
        hold('/n1', '/n2');
        const replies = [await ask('/n1'), await ask('/n2')];
        await waitFor('fewer places', async () => (await edge.ask(NORTH, '/busy')).status === 503 && (await poolFigure(edge, 'places')) === 3);
        await finish('/n1');
        await finish('/n2');
        await over(replies);
    }, { server: placed('/', more) });
}

fairTest('what limits took from who is not served is given back', 'places=1 queue=0', async ({ edge, hold, ask, finish }) => {
    hold('/n1');
    const running = await ask('/n1');
    for (let i = 0; i < 5; i++) assert.equal((await edge.ask(NORTH, '/limited')).status, 503);
    await finish('/n1');
    await over([running]);
    await askUntil(edge, NORTH, '/limited', 'a place', (reply) => reply.status === 404); // the origin's own: it has no script
    assert.equal((await edge.ask(NORTH, '/limited')).status, 429);
}, {
    http: 'bell_limit_zone zone=limits:1m; bell_limit_policy once rate=1/h by=tenant;',
    server: `${placed('/')} ${placed('/limited', 'bell_limit once;')}`,
});

fairTest('who wants no places has none; pools are counted apart by key=', 'places=1 queue=0', async ({ edge, hold, ask, finish, taken }) => {
    hold('/n1', '/free', '/other/a', '/other/b');
    const replies = [await ask('/n1'), await ask('/free'), await ask('/other/a')];
    assert.equal((await edge.ask(NORTH, '/other/b')).status, 503);
    await taken(1);
    for (const path of ['/n1', '/free', '/other/a']) await finish(path);
    await over(replies);
}, { server: `${placed('/')} location /free { bell_fair off; bell_cache off; proxy_pass http://origin; } ${placed('/other', '', 'key=other')}` });

fairTest('operators see who has places and who waits', 'places=1 queue=9', async ({ edge, hold, ask, finish }) => {
    hold('/n1', '/n2', '/s1');
    const replies = [await ask('/n1'), await ask('/n2', { waits: 1, rank: 7 }), await ask('/s1', { host: SOUTH, waits: 2, rank: 10 })];
    const { pools } = (await edge.ask(NORTH, '/who')).json;
    assert.equal(pools.length, 1);
    const { hold_ms: held, ...pool } = pools[0];
    assert.ok(held >= 0);
    assert.deepEqual(pool, {
        name: 'origin',
        places: 1,
        taken: 1,
        waiting: 2,
        waiting_by_rank: [0, 0, 0, 0, 0, 0, 1, 0, 0, 1],
        tenants: [
            { tenant_id: 1, weight: 100, taken: 1, waiting: 1 },
            { tenant_id: 2, weight: 100, taken: 0, waiting: 1 },
        ],
    });
    await finish('/n1', '/s1');
    await finish('/s1', '/n2');
    await finish('/n2');
    await over(replies);
});
