// Others that keep an origin from having too many requests: nginx with what it has by itself, and HAProxy with its queue, as it comes and with the tenants
// that ask less before those that ask more.

import { startHaproxy } from './peer-cache.mjs';

/** A part of the places for each tenant that nobody else gets (limit_conn); parts: {HOST: places}. */
export const limitConnHttp = 'limit_conn_zone $host zone=conns:1m;';
export const limitConnServers = (port, parts, pass) => Object.entries(parts).map(([host, places]) => `server {
        listen 127.0.0.1:${port};
        server_name ${host};
        location / { limit_conn conns ${places}; ${pass} }
    }`).join('\n    ');

/** So many for all, whoever comes first (max_conns); what is more is answered 502. */
export const maxConnsHttp = (origin, places) => `upstream most { zone most 64k; server 127.0.0.1:${origin} max_conns=${places}; keepalive ${places}; }`;

/** The lower the number, the sooner: requests of the last second. */
const LESS_FIRST = `    http-request track-sc0 req.hdr(host) table tenants
    http-request set-priority-class sc0_http_req_rate(tenants)`;

/** {name, port, pids}. */
export const startHaproxyPlaces = (place, { origin, places, lessFirst }) =>
    startHaproxy(place, 'places', { origin, name: lessFirst ? 'less-first' : 'first-come', values: { PLACES: places, PRIORITY: lessFirst ? LESS_FIRST : '' } });
