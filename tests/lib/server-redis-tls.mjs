// A Redis that speaks TLS, and what is to be seen of who connects to it with good certificates and bad ones.

import { freePort } from './place.mjs';
import { makeCertificate } from './server-nginx.mjs';
import { startRedis } from './server-redis.mjs';

export const NAME = 'redis.school.example';

/** Redis with a port for TLS that asks nobody for a certificate, and one that asks everybody; `plain` is a third, without TLS. Gives {redis, ours, others,
 *  open, closed, plain}: addresses, and what two certificate authorities have made: {certificate, key, caFile}. */
export async function startTlsRedis(place) {
    const ours = makeCertificate(place, [NAME, '127.0.0.1'], 'tls-ours');
    const others = makeCertificate(place, [NAME, '127.0.0.1'], 'tls-others');
    const files = `tls-cert-file ${ours.certificate}\ntls-key-file ${ours.key}\ntls-ca-cert-file ${ours.caFile}`;
    const [open, closed] = [await freePort(), await freePort()];
    const redis = await startRedis(place, { settings: `${files}\ntls-port ${open}\ntls-auth-clients no` });
    await startRedis(place, { name: 'closed', settings: `${files}\ntls-port ${closed}\ntls-auth-clients yes` });
    return { redis, ours, others, open: `127.0.0.1:${open}`, closed: `127.0.0.1:${closed}`, plain: `127.0.0.1:${redis.port}` };
}

/** Who is let in, and who is not: [what, where, {ca, cert, key, name}, what is said of it (undefined: it goes well)]. */
export const cases = ({ ours, others, open, closed, plain }) => [
    ['its CA', open, { ca: ours.caFile }],
    ['its CA and its name', open, { ca: ours.caFile, name: NAME }],
    ['its CA and its address', open, { ca: ours.caFile, name: '127.0.0.1' }],
    ['a certificate of ours that it asks for', closed, { ca: ours.caFile, cert: ours.certificate, key: ours.key, name: NAME }],
    ['another CA', open, { ca: others.caFile }, /TLS fails: its certificate is not taken: .*(self-signed certificate|local issuer)/],
    ['the CAs of the system', open, { name: NAME }, /TLS fails: its certificate is not taken: .*(self-signed certificate|local issuer)/],
    ['another name', open, { ca: ours.caFile, name: 'redis.other.example' }, /TLS fails: its certificate is not taken: .*[Hh]ostname mismatch/],
    ['another address', open, { ca: ours.caFile, name: '127.0.0.2' }, /TLS fails: its certificate is not taken: .*IP address mismatch/],
    ['no certificate of ours, and it asks for one', closed, { ca: ours.caFile }, /TLS fails: .*certificate required|reset by peer/],
    ['a certificate of another CA, and it asks for one', closed, { ca: ours.caFile, cert: others.certificate, key: others.key }, /TLS fails: .*unknown ca|reset by peer/],
    ['a Redis without TLS', plain, { ca: ours.caFile }, /it takes a connection and says nothing in TLS/],
];
