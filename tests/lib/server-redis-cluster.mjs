// A Redis Cluster of one's own: six nodes on ports of the loopback, three primaries and a replica for each, that keep nothing on disk. No replica takes
// over by itself unless a test lets it: on a machine that is busy, one that is late would.

import { readFileSync } from 'node:fs';
import net from 'node:net';

import { freePort } from './place.mjs';
import { mustRun, run } from './run.mjs';
import { waitFor } from './wait.mjs';

const NODES = 6;
const SLOTS = 16384;
const BUS = 10_000; // nodes talk to each other on a port so far above

/** Options: settings, lines for each redis.conf; nodeTimeout in ms, after which the others take a node for dead; user and password, of whom the nodes
 *  and commands here sign in as. */
export async function startRedisCluster(place, { settings = '', nodeTimeout = 4000, user, password } = {}) {
    const cluster = new RedisCluster(place, { settings, nodeTimeout, user, password });
    await cluster.start();
    return cluster;
}

/** A port that is free, as is the one for the nodes among themselves; both below those that the system gives to connections. */
async function freePair() {
    const end = Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/)[0]);
    for (;;) {
        const port = await freePort();
        if (port + BUS < end && (await isFree(port + BUS))) return port;
    }
}

function isFree(port) {
    return new Promise((resolve) => {
        const server = net.createServer();
        server.on('error', () => resolve(false));
        server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
}

class RedisCluster {
    constructor(place, options) {
        Object.assign(this, { place, nodes: [], ...options });
    }

    async start() {
        for (let i = 0; i < NODES; i++) this.nodes.push(await this.#startNode(i));
        await Promise.all(this.nodes.map((node) => waitFor(`node ${node.name} to answer`, () => this.#answers(node))));
        const addresses = this.nodes.map(({ port }) => `127.0.0.1:${port}`);
        await mustRun(['redis-cli', ...this.#auth(), '--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes'], { seconds: 120 });
        await waitFor('the cluster to be whole', async () => {
            const states = await Promise.all(this.nodes.map((node) => this.info(node)));
            return states.every((state) => state.cluster_state === 'ok' && state.cluster_slots_ok === String(SLOTS));
        }, 120);
        await waitFor('three replicas to follow', async () => {
            const roles = await Promise.all(this.nodes.map((node) => this.replication(node)));
            return roles.filter(({ role, master_link_status: link }) => role === 'slave' && link === 'up').length === NODES / 2;
        }, 120);
    }

    async #startNode(number) {
        const name = `redis-${number}`;
        const port = await freePair();
        const conf = this.place.write(`conf/${name}.conf`, `bind 127.0.0.1
port ${port}
dir ${this.place.folder(name)}
save ""
appendonly no
daemonize no
cluster-enabled yes
cluster-config-file nodes.conf
cluster-node-timeout ${this.nodeTimeout}
cluster-replica-no-failover yes
cluster-require-full-coverage no
repl-diskless-sync yes
repl-diskless-sync-delay 0
repl-timeout 10
cluster-allow-replica-migration no
${this.settings}
`);
        return { name, port, conf, program: this.place.start(name, ['redis-server', conf]), starts: 1 };
    }

    async #answers(node) {
        this.place.assertRunning(node.program);
        return (await this.#cli(node, ['ping'])).stdout === 'PONG\n';
    }

    #auth() {
        return this.user ? ['--no-auth-warning', '--user', this.user, '--pass', this.password] : [];
    }

    #cli(node, words, options = {}) {
        return run(['redis-cli', '-h', '127.0.0.1', '-p', String(node.port), ...this.#auth(), ...words], options);
    }

    /** One command at one node; what redis-cli prints. An error of Redis' is an error. */
    async ask(node, words) {
        const { stdout, stderr, code } = await this.#cli(node, ['-e', ...words]);
        if (code !== 0) throw new Error(`${words.join(' ')} at ${node.name}: ${stderr}${stdout}`);
        return stdout.replace(/\n$/, '');
    }

    /** Many commands, each where its key is; the strings that they give, "(nil)" for none. */
    async askAll(commands) {
        const node = this.nodes.find(({ program }) => program.running);
        const { stdout } = await this.#cli(node, ['-c', '--no-raw'], { input: `${commands.join('\n')}\n`, seconds: 120 });
        return stdout.split('\n').filter((line) => /^(".*"|\(nil\))$/.test(line)).map((line) => line.replace(/^"(.*)"$/, '$1'));
    }

    #fields(text) {
        return Object.fromEntries(text.split(/\r?\n/).filter((line) => line.includes(':')).map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
    }

    async info(node) {
        return this.#fields(await this.ask(node, ['cluster', 'info']));
    }

    async replication(node) {
        return this.#fields(await this.ask(node, ['info', 'replication']));
    }

    id(node) {
        return this.ask(node, ['cluster', 'myid']);
    }

    async slot(key) {
        return Number(await this.ask(this.running()[0], ['cluster', 'keyslot', key]));
    }

    running() {
        return this.nodes.filter(({ program, stopped }) => program.running && !stopped);
    }

    async primaries() {
        const found = [];
        for (const node of this.running()) if ((await this.replication(node)).role === 'master') found.push(node);
        return found;
    }

    /** Who follows a primary. */
    async replicaOf(primary) {
        for (const node of this.running()) {
            const { role, master_port: port } = await this.replication(node);
            if (role === 'slave' && Number(port) === primary.port) return node;
        }
        throw new Error(`${primary.name} has no replica`);
    }

    /** Which primary has the slot, as it says itself. */
    async ownerOf(slot) {
        for (const node of await this.primaries()) {
            const mine = (await this.ask(node, ['cluster', 'nodes'])).split('\n').find((line) => line.includes('myself'));
            const ranges = mine.split(' ').slice(8).filter((word) => !word.startsWith('[')).map((word) => word.split('-').map(Number));
            if (ranges.some(([first, last = first]) => first <= slot && slot <= last)) return node;
        }
        throw new Error(`nobody has slot ${slot}`);
    }

    /** Ends a primary by SIGKILL, with commands under way, and lets its replica take over. What it has acknowledged is at the replica by then: Redis
     *  replicates behind the answer, so one that dies between the two loses it, which is not what is tested here. */
    async killPrimary(primary) {
        const replica = await this.replicaOf(primary);
        await this.ask(replica, ['config', 'set', 'cluster-replica-no-failover', 'no']);
        await this.ask(primary, ['client', 'pause', '60000', 'write']);
        await waitFor('the replica to have all', async () => {
            const [ours, theirs] = [await this.replication(primary), await this.replication(replica)];
            return Number(theirs.slave_repl_offset) >= Number(ours.master_repl_offset);
        });
        await this.place.stopProgram(primary.program, 'SIGKILL');
        return replica;
    }

    /** Starts a node that was killed; it comes back as whose replica it has become. */
    async restart(node) {
        node.program = this.place.start(`${node.name}-${++node.starts}`, ['redis-server', node.conf]);
        await waitFor(`node ${node.name} to follow`, async () => {
            await this.#answers(node);
            const { role, master_link_status: link } = await this.replication(node);
            return role === 'slave' && link === 'up';
        }, 120);
    }

    /** It takes connections and answers nothing until resume(). */
    pause(node) {
        node.stopped = true;
        node.program.child.kill('SIGSTOP');
    }

    resume(node) {
        node.program.child.kill('SIGCONT');
        node.stopped = false;
    }

    /** Begins to move a slot: from now on keys that are gone are asked for at the other node. */
    async beginMove(slot, from, to) {
        await this.ask(to, ['cluster', 'setslot', String(slot), 'importing', await this.id(from)]);
        await this.ask(from, ['cluster', 'setslot', String(slot), 'migrating', await this.id(to)]);
    }

    /** Moves the keys of a slot, and says how many. */
    async moveKeys(slot, from, to) {
        let moved = 0;
        for (;;) {
            const keys = (await this.ask(from, ['cluster', 'getkeysinslot', String(slot), '100'])).split('\n').filter(Boolean);
            if (keys.length === 0) return moved;
            const auth = this.user ? ['AUTH2', this.user, this.password] : [];
            await this.ask(from, ['migrate', '127.0.0.1', String(to.port), '', '0', '10000', ...auth, 'KEYS', ...keys]);
            moved += keys.length;
        }
    }

    async endMove(slot, from, to) {
        const id = await this.id(to);
        for (const node of [to, from]) await this.ask(node, ['cluster', 'setslot', String(slot), 'node', id]);
        for (const node of await this.primaries()) await this.ask(node, ['cluster', 'setslot', String(slot), 'node', id]);
    }

    /** All nodes say the same of who has which slot. */
    async agreed() {
        const check = ['redis-cli', ...this.#auth(), '--cluster', 'check', `127.0.0.1:${this.running()[0].port}`];
        await waitFor('the nodes to agree', async () => (await run(check)).code === 0, 120);
    }

    /** Moves so many slots from one primary to another while everything goes on, as operators do it. */
    async reshard(from, to, slots) {
        await this.agreed();
        const argv = ['redis-cli', ...this.#auth(), '--cluster', 'reshard', `127.0.0.1:${to.port}`, '--cluster-from', await this.id(from), '--cluster-to', await this.id(to)];
        await mustRun([...argv, '--cluster-slots', String(slots), '--cluster-yes'], { seconds: 300 });
    }
}
