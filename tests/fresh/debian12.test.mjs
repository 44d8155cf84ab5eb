// The README's two commands on a Debian 12 in which nothing is installed: auto/up with what it prints, again without a network, auto/test.
// time bound: 14400 s

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { callsSucceed, curlLines, newMachine, step, testsPass, whyNot } from './machine.mjs';

test('Debian 12', { skip: whyNot() }, async (t) => {
    let machine;
    let printed;
    try {
        machine = await newMachine('bookworm');
        t.diagnostic(`note: what is said in it is kept in ${machine.log}`);

        await step(t, machine, 'auto/up installs, builds and starts everything', async () => {
            printed = await machine.must('./auto/up', { seconds: 3600 });
            assert.match(printed, /^Firstbell is up: https:/m);
            return (await machine.must('nginx -v 2>&1; node --version')).trim().replace('\n', '; node ');
        });

        await step(t, machine, 'the calls that it prints succeed', () => callsSucceed(machine, printed));

        await step(t, machine, 'a second auto/up says the same', async () => {
            assert.deepEqual(curlLines(await machine.must('./auto/up', { seconds: 300 })), curlLines(printed));
        });

        await step(t, machine, 'auto/down leaves no process', async () => {
            await machine.must('./auto/down');
            assert.equal(await machine.must('cat /proc/[0-9]*/comm | grep -vE "^(bash|cat|grep)$" || true'), '');
        });

        await step(t, machine, 'with the network cut auto/up starts everything, and the calls succeed', async () => {
            const calls = curlLines(printed).map((call) => `${call} >/dev/null &&`).join('\n');
            assert.match(await machine.must('tail -n +3 /proc/net/dev', { cut: true }), /^ *lo:.*\n$/, 'there is no network');
            const cut = await machine.must(`./auto/up && ${calls} ./auto/down`, { seconds: 300, cut: true });
            assert.deepEqual(curlLines(cut), curlLines(printed));
            assert.match(cut, /^Firstbell is down/m);
        });

        await step(t, machine, 'auto/test passes', () => testsPass(machine, '', 7200));
    } finally {
        machine?.remove();
    }
});
