// A Redis of one's own, on a unix socket and a port, that keeps nothing on disk.

import { existsSync } from 'node:fs';

import { freePort } from './place.mjs';
import { mustRun, run } from './run.mjs';
import { waitFor } from './wait.mjs';

/** Starts it. Options: name; settings, lines for redis.conf; password, which it asks everybody for; under, a command before it. Gives a Redis. */
export async function startRedis(place, { name = 'redis', settings = '', password, under = [] } = {}) {
    const redis = new Redis(place, { name, settings, password, under, port: await freePort() });
    await redis.start();
    return redis;
}

class Redis {
    constructor(place, { name, settings, password, under, port }) {
        Object.assign(this, { place, name, password, under, port, socket: place.path('sock', `${name}.sock`), starts: 0 });
        const auth = password ? `requirepass ${password}` : '';
        this.conf = place.write(`conf/${name}.conf`, `bind 127.0.0.1
port ${port}
unixsocket ${this.socket}
unixsocketperm 700
dir ${place.folder(name)}
save ""
appendonly no
daemonize no
${auth}
${settings}
`);
    }

    /** Starts it, empty; also again after stop() and kill(). */
    async start() {
        this.program = this.place.start(`${this.name}-${++this.starts}`, [...this.under, 'redis-server', this.conf]);
        await waitFor('redis to answer', async () => {
            this.place.assertRunning(this.program);
            return existsSync(this.socket) && (await this.run(['ping'])).stdout === 'PONG\n';
        });
    }

    run(words, { input } = {}) {
        const auth = this.password ? { REDISCLI_AUTH: this.password } : {};
        return run(['redis-cli', '-s', this.socket, ...(input === undefined ? [] : ['-x']), ...words], { input, env: auth });
    }

    /** One command; `input` is its last word. Gives what redis-cli prints, without the line's end. */
    async ask(words, { input } = {}) {
        const auth = this.password ? { REDISCLI_AUTH: this.password } : {};
        const said = await mustRun(['redis-cli', '-s', this.socket, ...(input === undefined ? [] : ['-x']), ...words], { input, env: auth });
        if (/^(ERR|NOAUTH|WRONGTYPE|WRONGPASS|NOPERM|BUSY|OOM)\b/.test(said)) throw new Error(`${words[0]}: ${said.trim()}`);
        return said.replace(/\n$/, '');
    }

    async stop() {
        await this.place.stopProgram(this.program);
    }

    async kill() {
        await this.place.stopProgram(this.program, 'SIGKILL');
    }

    /** It takes connections and answers nothing until resume(). */
    pause() {
        this.program.child.kill('SIGSTOP');
    }

    resume() {
        this.program.child.kill('SIGCONT');
    }
}
