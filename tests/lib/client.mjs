// An HTTP client over TLS, TCP or a unix socket, with cookies, a Host of its own and a certificate authority.

import http from 'node:http';
import https from 'node:https';
import net from 'node:net';

import { edgeContext } from './edge-context.mjs';

/** where: {port} or {socketPath}; ca: PEM, which makes it HTTPS; host: for Host and SNI (default demo.localhost); headers: sent with every request;
 *  edge: what edgeContext() makes a Bell-Context of for every request ({tenant, …}), for who speaks to the origin in an edge's place. */
export class Client {
    constructor({ port, socketPath, ca, host = 'demo.localhost', headers = {}, edge }) {
        this.target = socketPath ? { socketPath } : { host: '127.0.0.1', port };
        this.host = host;
        this.ca = ca;
        this.hostHeader = ca ? `${host}:${port}` : host;
        this.headers = headers;
        this.edge = edge;
        this.cookies = new Map();
        this.agent = new (ca ? https : http).Agent({ keepAlive: true });
    }

    get(path, options = {}) {
        return this.request('GET', path, options);
    }

    post(path, json, options = {}) {
        return this.request('POST', path, { json, ...options });
    }

    put(path, json, options = {}) {
        return this.request('PUT', path, { json, ...options });
    }

    delete(path, options = {}) {
        return this.request('DELETE', path, options);
    }

    /** Gives {status, headers, bytes, text, json}; json is undefined when the body is none. Redirects are not followed.
     *  options: headers, json | form | body, host (Host and SNI of this request), edge (null: without a context), seconds. */
    request(method, path, { headers = {}, json, form, body, host, edge = this.edge, seconds = 15 } = {}) {
        const content = encodeBody({ json, form, body });
        const all = { host: host ?? this.hostHeader, ...this.cookieHeader(), ...content.headers, ...contextHeader(edge, method, path), ...this.headers, ...headers };
        const options = { ...this.target, method, path, headers: all, agent: this.agent, timeout: seconds * 1000 };
        if (this.ca) Object.assign(options, { ca: this.ca, servername: (host ?? this.host).replace(/:\d+$/, '') });
        return new Promise((resolve, reject) => {
            const request = (this.ca ? https : http).request(options, (response) => {
                const parts = [];
                response.on('data', (bytes) => parts.push(bytes));
                response.on('error', reject);
                response.on('end', () => {
                    this.keepCookies(response.headers['set-cookie'] ?? []);
                    resolve(answer(response, Buffer.concat(parts)));
                });
            });
            request.on('timeout', () => request.destroy(new Error(`${method} ${path}: no answer within ${seconds} s`)));
            request.on('error', reject);
            request.end(content.bytes);
        });
    }

    cookieHeader() {
        if (this.cookies.size === 0) return {};
        return { cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ') };
    }

    keepCookies(lines) {
        for (const line of lines) {
            const [pair] = line.split(';');
            const cut = pair.indexOf('=');
            const name = pair.slice(0, cut).trim();
            if (/;\s*max-age=0\b/i.test(line)) this.cookies.delete(name);
            else this.cookies.set(name, pair.slice(cut + 1).trim());
        }
    }

    /** Signs in through the API; fails when the origin does not answer 201. */
    async signIn(username, password) {
        const reply = await this.post('/api/v1/sessions', { username, password });
        if (reply.status !== 201) throw new Error(`sign-in of ${username}: ${reply.status} ${reply.text}`);
        return reply.json;
    }

    /** Posts a form as a browser does: with the token of the page that it is on (the sign-in page, unless said otherwise). */
    async submit(path, fields, { page = '/sign-in', ...options } = {}) {
        const { text } = await this.get(page);
        const [, token] = /name="form_token" value="([^"]+)"/.exec(text) ?? [];
        if (!token) throw new Error(`${page} has no form with a token`);
        return this.request('POST', path, { form: { form_token: token, ...fields }, ...options });
    }

    /** Closes kept connections, so that a server can drain at once. */
    close() {
        this.agent.destroy();
    }
}

function contextHeader(edge, method, target) {
    return edge ? { 'bell-context': edgeContext({ method, target, ...edge }) } : {};
}

function encodeBody({ json, form, body }) {
    if (json !== undefined) return withType('application/json', JSON.stringify(json));
    if (form !== undefined) return withType('application/x-www-form-urlencoded', new URLSearchParams(form).toString());
    return { headers: body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }, bytes: body };
}

function withType(type, text) {
    return { headers: { 'content-type': type, 'content-length': Buffer.byteLength(text) }, bytes: text };
}

function answer(response, bytes) {
    const text = bytes.toString();
    const isJson = /\bjson\b/.test(response.headers['content-type'] ?? '');
    return { status: response.statusCode, headers: response.headers, bytes, text, json: isJson && text ? JSON.parse(text) : undefined };
}

/** Whether something listens on the port of 127.0.0.1; any other trouble than a refused connection is an error. */
export function canConnect(port) {
    return new Promise((resolve, reject) => {
        const socket = net.connect(port, '127.0.0.1', () => {
            socket.destroy();
            resolve(true);
        });
        socket.on('error', (error) => (error.code === 'ECONNREFUSED' ? resolve(false) : reject(error)));
    });
}

/** Sends bytes as they are and gives everything that comes back until the server closes, or until `until` (a pattern) matches. */
export function raw({ port, socketPath }, bytes, { until, seconds = 10 } = {}) {
    return new Promise((resolve, reject) => {
        const socket = net.connect(socketPath ? { path: socketPath } : { host: '127.0.0.1', port });
        let text = '';
        const end = () => {
            socket.destroy();
            resolve(text);
        };
        socket.setTimeout(seconds * 1000, () => socket.destroy(new Error(`no end of the answer within ${seconds} s; so far: ${JSON.stringify(text)}`)));
        socket.on('error', reject);
        socket.on('end', end);
        socket.on('data', (chunk) => {
            text += chunk.toString('latin1');
            if (until?.test(text)) end();
        });
        socket.write(bytes);
    });
}
