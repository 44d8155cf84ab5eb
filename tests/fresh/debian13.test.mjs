// A Debian 13 in which nothing is installed: its nginx 1.26, PostgreSQL 17, OpenSSL 3.5 and gcc 14 build and run what Debian 12's do.
// time bound: 14400 s

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { callsSucceed, newMachine, step, testsPass, whyNot } from './machine.mjs';

test('Debian 13', { skip: whyNot() }, async (t) => {
    let machine;
    let printed;
    try {
        machine = await newMachine('trixie');
        t.diagnostic(`note: what is said in it is kept in ${machine.log}`);

        await step(t, machine, 'auto/deps installs what Debian calls the same', () => machine.must('./auto/deps test', { seconds: 3600 }).then(() => ''));

        await step(t, machine, 'it brings the newer nginx, PostgreSQL, OpenSSL and gcc', async () => {
            const versions = await machine.must('nginx -v 2>&1; ls /usr/lib/postgresql; openssl version; gcc -dumpfullversion; node --version');
            assert.match(versions, /^nginx version: nginx\/1\.26\.\d+\n17\nOpenSSL 3\.5\..*\n14\./);
            return versions.trim().replaceAll('\n', '; ');
        });

        await step(t, machine, 'auto/configure and make build it without a warning', async () => {
            const said = await machine.must('./auto/configure && make', { seconds: 1800 });
            assert.doesNotMatch(said, /warning:/);
        });

        await step(t, machine, 'auto/up starts everything, and the calls that it prints succeed', async () => {
            printed = await machine.must('./auto/up', { seconds: 1800 });
            await callsSucceed(machine, printed);
        });

        await step(t, machine, 'nginx -t finds nothing in the configuration of the edge', async () => {
            const said = await machine.must('nginx -t -p /var/lib/firstbell/ -c /var/lib/firstbell/conf/nginx.conf -e stderr 2>&1');
            assert.match(said, /test is successful/);
            assert.doesNotMatch(said, /\[(warn|error|alert|emerg)\]/);
            await machine.must('./auto/down');
        });

        await step(t, machine, 'auto/test passes', () => testsPass(machine, '', 7200));
    } finally {
        machine?.remove();
    }
});
