// A PostgreSQL of one's own: a copy of a stopped cluster that already has the roles and the newest schema.

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { app, cache, fill } from './app.mjs';
import { mustRun, run, testUser } from './run.mjs';
import { writeSettings } from './server-firstbell.mjs';
import { waitFor } from './wait.mjs';

/** The programs of the newest PostgreSQL that is installed, as auto/up chooses. */
export function postgresBin() {
    const versions = readdirSync('/usr/lib/postgresql').map(Number).sort((a, b) => b - a);
    return `/usr/lib/postgresql/${versions[0]}/bin`;
}

/** Starts PostgreSQL in the place; the roles and the schema are there, no tenant yet. Options: settings, lines for postgresql.conf. */
export async function startPostgres(place, { settings = '' } = {}) {
    const postgres = new Postgres(place, settings);
    const template = await clusterTemplate(place);
    execFileSync('cp', ['-a', template, postgres.data]);
    postgres.configure();
    await postgres.start();
    return postgres;
}

/** A further server of the place, in folders of its own, which the caller fills: neither configured nor started. */
export function postgresAt(place, { data, sockets, settings = '' }) {
    return new Postgres(place, settings, { data, sockets });
}

class Postgres {
    constructor(place, settings, { data = 'pg', sockets = 'sock' } = {}) {
        this.place = place;
        this.settings = settings;
        this.name = data;
        this.data = place.path(data);
        this.sockets = place.path(sockets);
    }

    configure() {
        const conf = path.join(app(), 'conf/postgresql');
        const ident = this.place.write('conf/pg_ident.conf', fill(readFileSync(`${conf}/pg_ident.conf.in`, 'utf8'), { OS_USER: testUser.name }));
        const lines = [
            `include '${conf}/postgresql.conf'`,
            `unix_socket_directories = '${this.sockets}'`,
            `hba_file = '${conf}/pg_hba.conf'`,
            `ident_file = '${ident}'`,
            'fsync = off', // the machine does not lose power during a test
            'shared_buffers = 16MB',
            this.settings,
        ];
        this.place.write(`${this.name}/postgresql.conf`, `${lines.join('\n')}\n`);
    }

    async start() {
        const program = this.place.start(this.name === 'pg' ? 'postgres' : this.name, [`${postgresBin()}/postgres`, '-D', this.data], { stopSignal: 'SIGINT' });
        this.program = program;
        await waitFor('PostgreSQL to take connections', () => {
            this.place.assertRunning(program);
            const lines = this.place.read(`${this.name}/postmaster.pid`).split('\n');
            return lines[0] === String(program.child.pid) && lines[7]?.trim().replace('standby', 'ready') === 'ready'; // not what one that was killed has left
        });
    }

    async stop(signal = 'SIGINT') {
        await this.place.stopProgram(this.program, signal);
    }

    /** Runs SQL as a role (fb_app, fb_operator, fb_owner, postgres); gives what psql prints: a line a row, fields parted by |. */
    async sql(role, text, { database = 'firstbell', port = 5432 } = {}) {
        const result = await this.trySql(role, text, { database, port });
        if (result.code !== 0) throw new Error(`psql as ${role}: ${result.stderr.trim()}\n${text}`);
        return result.stdout.trimEnd();
    }

    /** The same for SQL that may be refused: {code, stdout, stderr}. */
    trySql(role, text, { database = 'firstbell', port = 5432 } = {}) {
        const psql = [`${postgresBin()}/psql`, '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', this.sockets, '-p', String(port), '-U', role, '-d', database];
        return run(psql, { input: text });
    }

    /** The next session of that application_name loses its connection as it gives its advisory lock back, and none behind it; until restored() is called. */
    async breakNextUnlock(application) {
        const unlock = 'trap.pg_advisory_unlock(bigint)';
        await this.sql('postgres', `CREATE SCHEMA trap; GRANT USAGE ON SCHEMA trap TO fb_app; CREATE SEQUENCE trap.times; GRANT USAGE ON trap.times TO fb_app;
            CREATE FUNCTION ${unlock} RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
                IF current_setting('application_name') = '${application}' AND nextval('trap.times') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
                RETURN pg_catalog.pg_advisory_unlock($1);
            END $$;
            ALTER ROLE fb_app SET search_path = trap, pg_catalog, public;`);
        const isBroken = async () => (await this.sql('postgres', 'SELECT is_called FROM trap.times')) === 't';
        const restored = () => this.sql('postgres', 'ALTER ROLE fb_app RESET search_path; DROP SCHEMA trap CASCADE');
        return { isBroken, restored };
    }

    /** The rows of one SELECT as objects. */
    async rows(role, select) {
        return JSON.parse(await this.sql(role, `SELECT coalesce(json_agg(r), '[]') FROM (${select.trim().replace(/;$/, '')}) r`));
    }
}

/** Everything that the template is made of. */
function templateKey() {
    const hash = createHash('sha256').update(`2 ${postgresBin()} ${testUser.name}`);
    const prefix = app();
    const files = [...list(`${prefix}/schema`), `${prefix}/conf/postgresql/roles.sql`, `${prefix}/conf/postgresql/postgresql.conf`];
    for (const file of files) hash.update(file).update(readFileSync(file));
    return hash.digest('hex').slice(0, 16);
}

function list(folder) {
    return readdirSync(folder).sort().map((name) => path.join(folder, name));
}

/** The directory of the stopped cluster, made when it is not there yet. One test file makes it, the others wait. */
async function clusterTemplate(place) {
    const template = path.join(cache, `pg-${templateKey()}`);
    if (existsSync(template)) return template;
    const lock = `${template}.lock`;
    await waitFor(`the lock ${lock}; remove it when no test runs`, () => existsSync(template) || takeLock(lock), 120);
    try {
        if (!existsSync(template)) await makeTemplate(place, template);
    } finally {
        rmSync(lock, { recursive: true, force: true });
    }
    return template;
}

/** A lock whose holder has died is taken over. */
function takeLock(lock) {
    try {
        mkdirSync(lock);
        writeFileSync(`${lock}/pid`, String(process.pid));
        return true;
    } catch (error) {
        if (error.code !== 'EEXIST') throw error;
    }
    const holder = existsSync(`${lock}/pid`) ? readFileSync(`${lock}/pid`, 'utf8') : '';
    if (holder && !existsSync(`/proc/${holder}`)) rmSync(lock, { recursive: true, force: true });
    return false;
}

async function makeTemplate(place, template) {
    removeOldTemplates();
    const postgres = new Postgres(place, '');
    const initdb = ['--username=postgres', '--auth=peer', '--encoding=UTF8', '--locale=C.UTF-8', '--data-checksums', '--wal-segsize=1', '--no-sync'];
    await mustRun([`${postgresBin()}/initdb`, '-D', postgres.data, ...initdb], { cwd: place.dir });
    postgres.configure();
    await postgres.start();
    await postgres.sql('postgres', readFileSync(path.join(app(), 'conf/postgresql/roles.sql'), 'utf8'), { database: 'postgres' });
    const settings = writeSettings(place, { name: 'conf/template.conf' });
    await mustRun([path.join(app(), 'bin/firstbell'), '-c', settings, 'migrate'], { cwd: place.dir });
    await postgres.stop();
    rmSync(place.path('log/postgres.out'));
    spawnSync('cp', ['-a', postgres.data, `${template}.new`]);
    rmSync(postgres.data, { recursive: true });
    renameSync(`${template}.new`, template);
    chownSync(template, testUser.uid, testUser.gid);
}

/** Templates of other schemas: at most the three newest are worth their space. */
function removeOldTemplates() {
    const old = spawnSync('sh', ['-c', 'ls -dt "$1"/pg-*[0-9a-f] 2>/dev/null | tail -n +3', 'sh', cache], { encoding: 'utf8' }).stdout.split('\n');
    old.filter(Boolean).forEach((dir) => rmSync(dir, { recursive: true, force: true }));
}
