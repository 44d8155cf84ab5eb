// What an operator can set about providers of sign-in: how long their configuration is used, a sign-in may take, and a connection is waited for.

import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';

import { startLiar } from '../lib/oidc-provider.mjs';
import { newPlace } from '../lib/place.mjs';
import { mustFirstbell, originClient, startApi, writeSettings } from '../lib/server-firstbell.mjs';
import { makeCertificate } from '../lib/server-nginx.mjs';
import { waitFor } from '../lib/wait.mjs';
import { openSchool } from './school.mjs';

const CONFIGURATION = '/.well-known/openid-configuration';
const place = newPlace();
let school, liar, id, settings;

async function addProvider(issuer, clientId) {
    const options = { tenant: 'demo', title: 'School ID', issuer, 'client-id': clientId, 'link-by': 'email', auth: 'none' };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
    return Number((await mustFirstbell(place, ['tenant', 'oidc', 'add', ...args])).split('\n')[0]);
}

const begin = async (provider = id) => {
    const client = originClient(school.api.socketPath, 1);
    client.hostHeader = 'demo.localhost';
    return client.get(`/sign-in/oidc/${provider}`);
};

async function restart(changed) {
    await place.stopProgram(school.api.program);
    writeSettings(place, { settings: { ...settings, ...changed } });
    school.api = await startApi(place);
}

before(async () => {
    const certificate = makeCertificate(place);
    settings = {
        workers: 1,
        fetch_ca_file: certificate.caFile,
        fetch_private_hosts: 'localhost',
        fetch_connect_timeout_ms: 300,
        oidc_secrets_dir: place.path('keys/oidc'),
        oidc_attempt_s: 90,
        oidc_cache_s: 3600,
    };
    school = await openSchool(place, { settings });
    liar = await startLiar({ certificate });
    id = await addProvider(liar.origin, 'firstbell');
});
after(async () => {
    await liar?.close();
    await place.stop();
});

test('a sign-in has the time that is set', async () => {
    const reply = await begin();
    assert.equal(reply.status, 303, reply.text);
    const [cookie] = reply.headers['set-cookie'].filter((line) => line.startsWith('__Host-bell_oidc='));
    assert.match(cookie, /; Max-Age=90(;|$)/);
});

test('the configuration is used for the time that is set', async () => {
    await begin();
    const before = liar.asked[CONFIGURATION];
    for (let i = 0; i < 5; i++) assert.equal((await begin()).status, 303);
    assert.equal(liar.asked[CONFIGURATION], before, 'an hour has not passed');
    await restart({ oidc_cache_s: 1 });
    assert.equal((await begin()).status, 303);
    const asked = liar.asked[CONFIGURATION];
    await waitFor('the configuration to be asked for again', async () => {
        assert.equal((await begin()).status, 303);
        return liar.asked[CONFIGURATION] > asked;
    });
});

test('who takes a connection and says nothing is given up in the time that is set, before the whole time for an answer', async () => {
    const silent = net.createServer();
    await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const sockets = [];
    silent.on('connection', (socket) => sockets.push(socket.on('error', () => {})));
    await restart({ fetch_timeout_ms: 60000, request_deadline_ms: 60000 });
    const provider = await addProvider(`https://localhost:${silent.address().port}`, 'silent');
    const reply = await begin(provider);
    assert.equal(reply.status, 503);
    assert.match(reply.text, /School ID cannot be reached right now/);
    sockets.forEach((socket) => socket.destroy());
    silent.close();
});
