-- The four roles of Firstbell and its database. Run by the cluster's superuser on the database "postgres"; may be run again.
--   fb_owner     owns the database and all tables; only `firstbell migrate` connects as it. NOINHERIT: it holds fb_system only to hand functions over to it.
--   fb_app       api and jobs: owns nothing, sees one tenant at a time.
--   fb_operator  the command line: what fb_app may, and the table of tenants.
--   fb_system    nobody signs in as it: it owns the few functions that look across tenants.

DO $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT * FROM (VALUES ('fb_owner', 'LOGIN NOINHERIT'), ('fb_app', 'LOGIN'), ('fb_operator', 'LOGIN'), ('fb_system', 'NOLOGIN')) v (name, options) LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r.name) THEN
            EXECUTE format('CREATE ROLE %I %s', r.name, r.options);
        END IF;
    END LOOP;
END $$;
GRANT fb_system TO fb_owner;

SELECT 'CREATE DATABASE firstbell OWNER fb_owner ENCODING ''UTF8'' TEMPLATE template0'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'firstbell') \gexec

\connect firstbell
ALTER SCHEMA public OWNER TO fb_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON DATABASE firstbell FROM PUBLIC;
GRANT CONNECT ON DATABASE firstbell TO fb_app, fb_operator;
GRANT TEMPORARY ON DATABASE firstbell TO fb_operator;
