// What it costs to find out who asks: nginx that tells tenants apart, without and with bell_session, asked with sessions that it has verified before.

import { newSessionKey, session } from '../../tests/lib/jose.mjs';
import { modulePath } from '../../tests/lib/server-nginx.mjs';
import { median } from './report.mjs';
import { playRounds } from './rounds.mjs';

const SESSIONS = 4096;
const SESSION_MAX_US = 1.5;

/** `start(name, lines)` starts an nginx with those lines in its server and gives it with its worker; `measure(server, requests, round)` its
 *  microseconds a request; `browser` are header lines. */
export async function playSessions(place, report, { quick, tenants, start, stop, measure, browser }) {
    const key = newSessionKey();
    place.write('sessions.pem', key.pem);
    const requests = place.write('requests-sessions', Array.from({ length: quick ? 64 : SESSIONS }, (_, i) => {
        const { id, hosts } = tenants[(i * 7919) % tenants.length];
        const cookie = session(key, { aud: String(id), sub: String(i + 1), exp: Math.floor(Date.now() / 1000) + 43_200 });
        return `GET /lesson/7/part/12.ts\tHost: ${hosts[0]}\tCookie: __Host-bell_session=${cookie}\t${browser}`;
    }).join('\n'));
    const load = `load_module ${modulePath('ngx_http_bell_session_module')};`;
    const lines = `bell_session_keys ${place.path('sessions.pem')}; bell_session_cache zone=sessions:16m slot=512;`;
    const without = await start('no session', { load, http: lines });
    const having = await start('session', { load, http: `${lines} bell_session on;` });
    for (const server of [without, having]) await measure(server, requests, 0); // each signature once
    const results = await playRounds([without, having], quick ? 1 : 24, (server, round) => measure(server, requests, round));
    const [plain, verified] = [without, having].map((server) => results.get(server));
    report.row({ name: 'sessions: CPU a request with tenants, best', value: Math.min(...plain), unit: 'us' });
    report.row({ name: 'sessions: CPU a request with tenants and sessions, best', value: Math.min(...verified), unit: 'us' });
    report.row({ name: 'finding out who asks adds, best of each', value: Math.min(...verified) - Math.min(...plain), unit: 'us', bar: { value_max: SESSION_MAX_US } });
    report.row({ name: 'finding out who asks adds, median of the rounds', value: median(verified.map((us, i) => us - plain[i])), unit: 'us' });
    report.note(`${SESSIONS} sessions of as many people, ES256, each verified once before; both answer from memory, behind the access phase`);
    await Promise.all([without, having].map(stop));
}
