// A peer that runs on Node: the Node of load/package.json, with the peer's files and packages in the place, because the user who runs it need not
// be able to read the checkout.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { checkout } from '../../tests/lib/app.mjs';
import { canConnectTo } from './sockets.mjs';
import { waitFor } from '../../tests/lib/wait.mjs';

/** Starts load/peers/NAME/server.mjs and waits for its socket. Gives {name, pid, socket, program}. Throws a sentence when its packages are missing. */
export async function startNodePeer(place, peer, title, settings) {
    const node = nodeBinary();
    const folder = place.path('peers');
    if (!existsSync(folder)) copyPeers(folder);
    const socket = place.path('sock', `${title.replaceAll(/\W+/g, '-')}.sock`);
    const argv = [node, path.join(folder, 'peers', peer, 'server.mjs'), JSON.stringify({ socket, ...settings })];
    const program = place.start(`peer-${title.replaceAll(/\W+/g, '-')}`, argv);
    await waitFor(`${title} to take connections`, async () => {
        place.assertRunning(program);
        return canConnectTo(socket);
    }, 60);
    return { name: title, pid: program.child.pid, socket, program };

    function nodeBinary() {
        const binary = `node_modules/node-linux-${os.arch()}/bin/node`;
        if (!existsSync(path.join(checkout, 'load', binary))) throw new Error(`load/${binary} is missing; auto/deps load installs it`);
        return place.path('peers', binary);
    }
}

/** The peer fastify in each of these forms. Gives {peers, missing}: a sentence about what is not there, or null. */
export async function startFastify(place, district, forms, say) {
    const peers = [];
    let missing = null;
    for (const { name, ...form } of forms) {
        const settings = { pgSocket: place.path('sock'), publicKey: district.publicKey, edgeKey: district.edgeKey, ...form };
        try {
            peers.push(await startNodePeer(place, 'fastify', name, settings));
        } catch (error) {
            missing = `the peer ${name} is missing: ${error.message.split('\n')[0]}`;
            say(missing);
        }
    }
    return { peers, missing };
}

function copyPeers(folder) {
    execFileSync('mkdir', ['-m', '755', folder]);
    execFileSync('cp', ['-r', 'package.json', 'peers', 'node_modules', folder], { cwd: path.join(checkout, 'load') });
    execFileSync('chmod', ['-R', 'a+rX', folder]);
}
