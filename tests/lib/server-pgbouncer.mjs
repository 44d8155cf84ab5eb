// pgbouncer in transaction mode in front of the place's PostgreSQL: every transaction may be given another session.

import { waitFor } from './wait.mjs';

/** Starts it with at most `size` sessions at PostgreSQL. Gives {program, conninfo}. */
export async function startPgbouncer(place, { size = 2 } = {}) {
    const users = place.write('conf/pgbouncer.users', '"fb_app" ""\n"fb_operator" ""\n"fb_owner" ""\n');
    const conf = place.write('conf/pgbouncer.ini', `[databases]
firstbell = host=${place.path('sock')} dbname=firstbell
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = ${place.path('sock')}
pool_mode = transaction
default_pool_size = ${size}
max_client_conn = 200
auth_type = trust
auth_file = ${users}
admin_users = fb_owner
logfile = ${place.path('log/pgbouncer.log')}
pidfile = ${place.path('pid/pgbouncer.pid')}
`);
    const program = place.start('pgbouncer', ['/usr/sbin/pgbouncer', '-q', conf], { stopSignal: 'SIGINT' });
    await waitFor('pgbouncer to listen', () => {
        place.assertRunning(program);
        return place.read('log/pgbouncer.log').includes('process up');
    });
    return { program, conninfo: `host=${place.path('sock')} port=6432 dbname=firstbell` };
}
