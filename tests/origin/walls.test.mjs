// The walls between districts, as the database itself builds them: first that each is there, then that none lets anything through.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { startPostgres } from '../lib/server-postgres.mjs';

let place;
let postgres;

before(async () => {
    place = newPlace();
    postgres = await startPostgres(place);
});
after(() => place.stop());

// ---- every wall is there ----

/** Everything of ours that has a tenant_id: tables, partitions, views. One sentence for each fault of a wall. */
const faultsOfWalls = `
    WITH ours AS (
        SELECT c.oid, c.oid::regclass::text AS name, c.relkind, c.relowner, c.relrowsecurity, c.relforcerowsecurity, c.reloptions
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'f', 'm', 'v')
          AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnum > 0 AND NOT a.attisdropped)
    ), policies AS (
        SELECT p.polrelid, p.polpermissive, p.polcmd, pg_get_expr(p.polqual, p.polrelid) AS qual, pg_get_expr(p.polwithcheck, p.polrelid) AS wcheck,
               (SELECT bool_or(r.role = 0 OR pg_has_role('fb_app', r.role, 'member')) FROM unnest(p.polroles) r (role)) AS for_app
        FROM pg_policy p
    ), wall (expression) AS (VALUES ('(tenant_id = ( SELECT current_tenant() AS current_tenant))'))
    SELECT name || ': ' || fault AS fault FROM (
        SELECT name, 'row security is not enabled' AS fault FROM ours WHERE relkind IN ('r', 'p') AND NOT relrowsecurity
        UNION ALL
        SELECT name, 'row security is not forced' FROM ours WHERE relkind IN ('r', 'p') AND NOT relforcerowsecurity
        UNION ALL
        SELECT name, 'there is no policy of the wall' FROM ours, wall
        WHERE relkind IN ('r', 'p')
          AND NOT EXISTS (SELECT FROM policies p WHERE p.polrelid = oid AND p.polcmd = '*' AND p.qual = expression AND p.wcheck = expression)
        UNION ALL
        SELECT name, 'a policy lets fb_app see more than the wall: ' || coalesce(p.qual, p.wcheck) FROM ours JOIN policies p ON p.polrelid = oid, wall
        WHERE p.polpermissive AND p.for_app AND (p.qual <> expression OR p.wcheck <> expression)
        UNION ALL
        SELECT name, 'fb_app owns it' FROM ours WHERE pg_has_role('fb_app', relowner, 'member')
        UNION ALL
        SELECT name, 'a view must be security_invoker' FROM ours WHERE relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)
        UNION ALL
        SELECT name, 'a materialized view or foreign table has no row security' FROM ours WHERE relkind IN ('m', 'f')
    ) f ORDER BY 1`;

const faultsOfRole = `
    SELECT 'fb_app is ' || what AS fault
    FROM pg_roles, LATERAL (VALUES (rolsuper, 'a superuser'), (rolbypassrls, 'above row security'), (rolcreaterole, 'a maker of roles'),
                                   (rolcreatedb, 'a maker of databases'), (rolreplication, 'a replica')) v (has, what)
    WHERE rolname = 'fb_app' AND has
    UNION ALL
    SELECT 'fb_app is a member of ' || roleid::regrole FROM pg_auth_members WHERE member = 'fb_app'::regrole
    UNION ALL
    SELECT 'fb_app owns ' || c.oid::regclass FROM pg_class c WHERE relowner = 'fb_app'::regrole
    UNION ALL
    SELECT 'fb_app may create in ' || nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND has_schema_privilege('fb_app', oid, 'CREATE')
    UNION ALL
    SELECT 'fb_app may make temporary tables' WHERE has_database_privilege('fb_app', current_database(), 'TEMPORARY')`;

/** What runs with rights of its own: it looks across districts, or gives the planner figures. A new one belongs here only after somebody has thought about what it gives away. */
const functionsAcross = [
    'calendar_apply(timestamp with time zone)', 'calendar_tenants_to_lay_out(timestamp with time zone)',
    'calendar_tidy(timestamp with time zone,timestamp with time zone)', 'calendar_told()', 'calendar_warm_claim(timestamp with time zone)',
    'directory_ask()', 'directory_check_tenant(integer)', 'directory_deltas_after(bigint,integer)', 'directory_mark(integer,smallint,text)', 'directory_mark_part()',
    'directory_mark_pool()', 'directory_mark_revocation()', 'directory_mark_tenant()', 'directory_next(bigint)',
    'directory_put(bigint,bigint,bytea,integer,integer)', 'directory_read(integer[],text[],integer[],text[])', 'directory_rows()',
    'directory_session_ttl()', 'directory_session_ttl_is(integer)', 'directory_standing()', 'directory_take()',
    'purges_after(bigint,integer)', 'purges_number(bigint,integer)', 'queue_claim(integer,integer)', 'queue_next_run()', 'roster_analyze()',
];
const definerFunctions = `
    SELECT p.oid::regprocedure::text AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.prosecdef AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' ORDER BY 1`;

const faults = async (sql) => (await postgres.rows('postgres', sql)).map(({ fault }) => fault);

describe('every wall is there', () => {
    test('each table with a tenant_id is behind a forced policy that fb_app cannot take away', async () => {
        assert.deepEqual(await faults(faultsOfWalls), []);
    });

    test('the table of tenants too, by its id', async () => {
        const [table] = await postgres.rows('postgres', "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'tenants'::regclass");
        assert.deepEqual(table, { relrowsecurity: true, relforcerowsecurity: true });
    });

    test('fb_app is an ordinary role that owns nothing', async () => {
        assert.deepEqual(await faults(faultsOfRole), []);
    });

    test('only the known functions run with rights of their own', async () => {
        const names = (await postgres.rows('postgres', definerFunctions)).map(({ name }) => name);
        assert.deepEqual(names, functionsAcross);
    });
});

describe('the check finds a wall that is missing', () => {
    const wall = 'tenant_id = (SELECT current_tenant())';
    const holes = {
        'a table without row security': [
            'CREATE TABLE naked (tenant_id integer, note text)',
            ['naked: row security is not enabled', 'naked: row security is not forced', 'naked: there is no policy of the wall'],
        ],
        'a table in another schema': [
            'CREATE SCHEMA other; CREATE TABLE other.naked (tenant_id integer)',
            ['other.naked: row security is not enabled', 'other.naked: row security is not forced', 'other.naked: there is no policy of the wall'],
        ],
        'row security that is not forced': ["CREATE TABLE half (tenant_id integer); CALL tenant_wall('half'); ALTER TABLE half NO FORCE ROW LEVEL SECURITY",
            ['half: row security is not forced']],
        'a policy that checks no writes': [
            `CREATE TABLE half (tenant_id integer); ALTER TABLE half ENABLE ROW LEVEL SECURITY; ALTER TABLE half FORCE ROW LEVEL SECURITY;
             CREATE POLICY wall ON half USING (${wall}) WITH CHECK (true)`,
            [/^half: a policy lets fb_app see more than the wall/, 'half: there is no policy of the wall'],
        ],
        'a second policy that opens the wall': [
            "CREATE TABLE open (tenant_id integer); CALL tenant_wall('open'); CREATE POLICY everybody ON open FOR SELECT USING (true)",
            ['open: a policy lets fb_app see more than the wall: true'],
        ],
        'a partition that can be named directly': [
            "CREATE TABLE parts (tenant_id integer) PARTITION BY HASH (tenant_id); CALL tenant_wall('parts'); CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
            ['parts_0: row security is not enabled', 'parts_0: row security is not forced', 'parts_0: there is no policy of the wall'],
        ],
        'a table of fb_app': ["CREATE TABLE mine (tenant_id integer); CALL tenant_wall('mine'); ALTER TABLE mine OWNER TO fb_app", ['mine: fb_app owns it']],
        'a view with the rights of its owner': ['CREATE VIEW seen AS SELECT tenant_id, id FROM users', ['seen: a view must be security_invoker']],
        'a materialized view': ['CREATE MATERIALIZED VIEW kept AS SELECT tenant_id, id FROM users', ['kept: a materialized view or foreign table has no row security']],
    };
    for (const [what, [ddl, expected]] of Object.entries(holes)) {
        test(what, async () => {
            const found = JSON.parse(await postgres.sql('postgres', `BEGIN; ${ddl}; SELECT coalesce(json_agg(f.fault), '[]') FROM (${faultsOfWalls}) f; ROLLBACK`));
            assert.equal(found.length, expected.length, found.join('\n'));
            found.forEach((fault, i) => (expected[i] instanceof RegExp ? assert.match(fault, expected[i]) : assert.equal(fault, expected[i])));
        });
    }

    test('a role that was given more', async () => {
        const text = `BEGIN; GRANT pg_read_all_data TO fb_app; ALTER ROLE fb_app BYPASSRLS; SELECT json_agg(f.fault) FROM (${faultsOfRole}) f; ROLLBACK`;
        assert.deepEqual(JSON.parse(await postgres.sql('postgres', text)), ['fb_app is above row security', 'fb_app is a member of pg_read_all_data']);
    });
});

// ---- no wall lets anything through ----

const [A, B] = [1, 2];
const id = (tenant) => tenant * 1000;

/** One row of each table, as columns in SQL; tenant_id goes without saying. In the order in which rows can be put in. */
const fixtures = {
    tenant_hosts: (t) => ({ host: `'t${t}.example'` }),
    academic_sessions: (t) => ({ id: id(t), sourced_id: "'s'", title: "'2026'", type: 3, start_date: "'2026-08-01'", end_date: "'2027-07-31'", school_year: 2027 }),
    orgs: (t) => ({ id: id(t), sourced_id: "'o'", name: "'School'", type: 2 }),
    courses: (t) => ({ id: id(t), sourced_id: "'c'", title: "'Course'", org_id: id(t) }),
    classes: (t) => ({ id: id(t), sourced_id: "'k'", title: "'Class'", class_type: 2, course_id: id(t), school_id: id(t) }),
    class_terms: (t) => ({ class_id: id(t), academic_session_id: id(t) }),
    users: (t) => ({ id: id(t), sourced_id: "'u'", role: 7, username: "'u'", given_name: "'G'", family_name: "'F'" }),
    user_orgs: (t) => ({ user_id: id(t), org_id: id(t) }),
    enrollments: (t) => ({ id: id(t), sourced_id: "'e'", class_id: id(t), user_id: id(t), role: 3 }),
    roster_imports: (t) => ({ id: id(t), file: "'f.zip'", started_at: 'now()', finished_at: 'now()', outcome: 1 }),
    paths: (t) => ({ id: id(t), key: "'p'", title: "'Path'" }),
    path_courses: (t) => ({ path_id: id(t), course_id: id(t), position: 0 }),
    modules: (t) => ({ id: id(t), course_id: id(t), key: "'m'", position: 0, title: "'Module'" }),
    lessons: (t) => ({ id: id(t), course_id: id(t), module_id: id(t), key: "'l'", position: 0, title: "'Lesson'" }),
    assets: (t) => ({ id: id(t), course_id: id(t), key: "'a'" }),
    items: (t) => ({ id: id(t), course_id: id(t), lesson_id: id(t), key: "'i'", position: 0, kind: 2, title: "'Item'", content: "'{}'" }),
    prerequisites: (t) => ({ item_id: id(t), required_item_id: id(t) + 1 }),
    progress: (t) => ({ enrollment_id: id(t), item_id: id(t) }),
    item_views: (t) => ({ user_id: id(t), item_id: id(t), fetched_ms: "'{[0,4000)}'", duration_ms: 8000, first_at: 'now()', last_at: 'now()' }),
    access_streams: () => ({ position: "'1-0'" }),
    accounts: (t) => ({ user_id: id(t), login: "'u'", password_hash: "'$argon2id$'" }),
    sessions: (t) => ({ sid: `lpad('${t}', 32, '0')`, user_id: id(t), expires_at: "now() + interval '1 hour'" }),
    account_sources: (t) => ({ user_id: id(t), source: `'a' || repeat('${t}', 32)` }),
    throttle_buckets: (t) => ({ bucket: `'b${t}'`, failures: 1, last_at: 'now()', expires_at: "now() + interval '1 hour'" }),
    account_codes: (t) => ({ user_id: id(t), code_hash: `repeat('${t}', 64)`, expires_at: "now() + interval '1 hour'" }),
    reset_links: (t) => ({ user_id: id(t), link_hash: `repeat('${t}', 64)`, expires_at: "now() + interval '1 hour'" }),
    account_events: (t) => ({ id: id(t), action: 1, actor_id: id(t), class_id: id(t), codes: 1 }),
    identity_providers: (t) => ({ id: id(t), title: "'P'", issuer: "'https://p'", client_id: "'c'", token_auth: 3, scopes: "'openid'", link_by: 1, link_claim: "'email'" }),
    user_identities: (t) => ({ provider_id: id(t), subject: "'s'", user_id: id(t) }),
    oidc_used_states: (t) => ({ state: `repeat('${t}', 43)`, expires_at: "now() + interval '1 hour'" }),
    tenant_keys: (t) => ({ use: "'signed'", kid: "'k'", alg: "'hs256'", material: "'m'" }),
    directory_revocations: (t) => ({ subject: `'${id(t)}'`, before_at: 'now()', until_at: "now() + interval '1 hour'" }),
    directory_dirty: (t) => ({ id: id(t), what: 1 }),
    queue: (t) => ({ id: id(t), kind: "'k'" }),
    purges: (t) => ({ id: id(t), kind: 3, hard: true, value: "'tag'" }),
    calendar_kinds: (t) => ({ kind: 1, scale: 200 }),
    calendar_events: (t) => ({ id: id(t), uid: "'u'", source: 1, kind: 1, summary: "'Bell'", ics: "'BEGIN:VCALENDAR'", laid_out_until: "'infinity'" }),
    calendar_occurrences: (t) => ({ event_id: id(t), starts_at: 'now()', ends_at: 'now()', peak_at: 'now()', from_at: 'now()', until_at: 'now()' }),
    calendar_now: () => ({ scale: 200, submissions: 200, exam: false }),
    calendar_changes: (t) => ({ id: id(t), what: 1, outcome: 1, subject: "'f'" }),
    outbox: (t) => ({ id: id(t), topic: "'t'", payload: "'{}'" }),
};
/** Rows that others need and that are no fixture of their own. */
const besides = { items: (t) => ({ ...fixtures.items(t), id: id(t) + 1, key: "'i2'" }) };

function insert(table, tenant, row) {
    const columns = { tenant_id: tenant, ...row };
    return `INSERT INTO ${table} (${Object.keys(columns)}) OVERRIDING SYSTEM VALUE VALUES (${Object.values(columns)})`;
}

const fixtureOf = (table) => fixtures[table.parent ?? table.name];

/** Tables with a tenant_id, partitions with their parent, and how many rows each district has there. */
async function tablesWithRows() {
    const tables = await postgres.rows(
        'postgres',
        `SELECT c.oid::regclass::text AS name, (SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = c.oid) AS parent
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE a.attname = 'tenant_id' AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%'
         ORDER BY 1`,
    );
    const counts = tables.map(({ name }) => `SELECT '${name}' AS name, ${A} AS t, count(*)::int FROM ${name} WHERE tenant_id = ${A}
        UNION ALL SELECT '${name}', ${B}, count(*)::int FROM ${name} WHERE tenant_id = ${B}`);
    const rows = await postgres.rows('postgres', counts.join(' UNION ALL '));
    return tables.map((table) => ({
        ...table,
        rows: Object.fromEntries(rows.filter(({ name }) => name === table.name).map(({ t, count }) => [t, count])),
    }));
}

const REFUSED = '42501';
const OTHER_PARTITION = '23514';

/** What the role may and may not do in a table while the district is `mine` (null: unset); each as {sql, expected: what may come of it}. */
function attempts(table, mine) {
    const own = mine ? table.rows[mine] : 0;
    const others = [A, B].filter((t) => t !== mine);
    const refused = table.parent ? [REFUSED, OTHER_PARTITION] : [REFUSED];
    return [
        { sql: `SELECT FROM ${table.name}`, expected: [`rows ${own}`] },
        { sql: `UPDATE ${table.name} SET tenant_id = tenant_id`, expected: [`rows ${own}`] },
        { sql: `TRUNCATE ${table.name}`, expected: [REFUSED] },
        ...others.flatMap((other) => [
            { sql: `SELECT FROM ${table.name} WHERE tenant_id = ${other}`, expected: ['rows 0'] },
            { sql: `SELECT FROM ${table.name} WHERE tenant_id = ${other} FOR UPDATE`, expected: ['rows 0'] },
            { sql: `UPDATE ${table.name} SET tenant_id = tenant_id WHERE tenant_id = ${other}`, expected: ['rows 0'] },
            { sql: `UPDATE ${table.name} SET tenant_id = ${other}`, expected: own > 0 ? refused : ['rows 0'] },
            { sql: `DELETE FROM ${table.name} WHERE tenant_id = ${other}`, expected: ['rows 0'] },
            { sql: insert(table.name, other, fixtureOf(table)(other)), expected: refused },
            { sql: `${insert(table.name, other, fixtureOf(table)(other))} ON CONFLICT DO NOTHING`, expected: refused },
        ]),
    ];
}

/** Makes each attempt in a subtransaction that is rolled back; gives those with another outcome than expected. */
async function unexpected(role, mine, list) {
    const steps = list.map(
        ({ sql, expected }) => `
        BEGIN
            EXECUTE $sql$${sql}$sql$;
            GET DIAGNOSTICS n = ROW_COUNT;
            got := 'rows ' || n;
            RAISE EXCEPTION USING ERRCODE = 'ZZ000';
        EXCEPTION WHEN OTHERS THEN
            got := CASE SQLSTATE WHEN 'ZZ000' THEN got ELSE SQLSTATE END;
        END;
        IF got <> ALL (ARRAY['${expected.join("','")}']) THEN
            wrong := wrong || ('${expected.join(' or ')} was expected, ' || got || ' came: ' || $sql$${sql}$sql$);
        END IF;`,
    );
    const text = `
        BEGIN;
        ${mine ? `SELECT set_config('app.tenant', '${mine}', true) \\g /dev/null` : ''}
        DO $do$ DECLARE n bigint; got text; wrong text[] := '{}'; BEGIN ${steps.join('')}
            PERFORM set_config('app.wrong', array_to_json(wrong)::text, true);
        END $do$;
        SELECT current_setting('app.wrong');
        ROLLBACK;`;
    return JSON.parse(await postgres.sql(role, text));
}

describe('no wall lets anything through', () => {
    let tables;

    before(async () => {
        const rows = (t) => Object.entries(fixtures).flatMap(([table, row]) => [...(besides[table] ? [[table, besides[table](t)]] : []), [table, row(t)]]);
        await postgres.sql('fb_operator', "INSERT INTO tenants (name, title) VALUES ('a', 'A'), ('b', 'B')");
        for (const t of [A, B]) {
            const inserts = rows(t).map(([table, row]) => `${insert(table, t, row)};`);
            await postgres.sql('fb_app', `BEGIN; SELECT set_config('app.tenant', '${t}', true) \\g /dev/null\n${inserts.join('\n')} COMMIT;`);
        }
        tables = await tablesWithRows();
    });

    test('every table with a tenant_id has a fixture, and both districts a row in it', () => {
        assert.deepEqual(tables.filter((table) => !fixtureOf(table)).map(({ name }) => name), [], 'these tables need a fixture above');
        assert.deepEqual(tables.filter(({ parent, rows }) => !parent && (!rows[A] || !rows[B])).map(({ name }) => name), []);
        assert.ok(tables.some(({ parent }) => parent), 'partitions are among them');
    });

    for (const mine of [A, B, null]) {
        test(`as fb_app, with ${mine ? `the district ${mine}` : 'no district'} set`, async () => {
            assert.deepEqual(await unexpected('fb_app', mine, tables.flatMap((table) => attempts(table, mine))), []);
        });

        // Only which districts there are, and their names, is the operator's business across districts.
        test(`as fb_operator, with ${mine ? `the district ${mine}` : 'no district'} set`, async () => {
            const walled = tables.filter(({ name }) => name !== 'tenant_hosts');
            assert.deepEqual(await unexpected('fb_operator', mine, walled.flatMap((table) => attempts(table, mine))), []);
        });
    }

    test('the table of tenants shows fb_app its own row and lets it change nothing', async () => {
        for (const mine of [A, B, null]) {
            const wrong = await unexpected('fb_app', mine, [
                { sql: 'SELECT FROM tenants', expected: [`rows ${mine ? 1 : 0}`] },
                { sql: `SELECT FROM tenants WHERE id <> ${mine ?? 0}`, expected: ['rows 0'] },
                { sql: "UPDATE tenants SET title = 'x'", expected: [REFUSED] },
                { sql: 'DELETE FROM tenants', expected: [REFUSED] },
                { sql: "INSERT INTO tenants (name, title) VALUES ('c', 'C')", expected: [REFUSED] },
            ]);
            assert.deepEqual(wrong, []);
        }
    });

    test('the attempts can fail: an open table gives every row away', async () => {
        await postgres.sql('postgres', "ALTER TABLE outbox DISABLE ROW LEVEL SECURITY");
        try {
            const wrong = await unexpected('fb_app', A, attempts(tables.find(({ name }) => name === 'outbox'), A));
            assert.ok(wrong.some((line) => line.includes('rows 0 was expected, rows 1 came: SELECT')), wrong.join('\n'));
            assert.ok(wrong.some((line) => line.includes('DELETE')), wrong.join('\n'));
        } finally {
            await postgres.sql('postgres', "ALTER TABLE outbox ENABLE ROW LEVEL SECURITY");
        }
    });

    test('after a transaction with a district, a connection is without one again', async () => {
        const text = `BEGIN; SELECT set_config('app.tenant', '${A}', true) \\g /dev/null\nCOMMIT; SELECT count(*) FROM users; SELECT current_tenant() IS NULL`;
        assert.equal(await postgres.sql('fb_app', text), '0\nt');
    });
});
