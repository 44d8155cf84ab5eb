-- Tenants and the wall between them.
--
-- Every table with a tenant_id is put behind tenant_wall(): row level security, enabled and forced, one policy. The tenant of a transaction is
-- set with set_config('app.tenant', …, true). After such a transaction the setting reads '' rather than NULL, hence the nullif.

CREATE FUNCTION current_tenant() RETURNS integer
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.tenant', true), '')::integer;

CREATE PROCEDURE tenant_wall(t regclass)
    LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant_wall ON %s USING (tenant_id = (SELECT current_tenant())) '
                   'WITH CHECK (tenant_id = (SELECT current_tenant()))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO fb_app, fb_operator', t);
END $$;

REVOKE ALL ON PROCEDURE tenant_wall(regclass) FROM PUBLIC;

CREATE TABLE tenants (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    title text NOT NULL CHECK (title <> '' AND length(title) <= 200),
    status smallint NOT NULL DEFAULT 1 CHECK (status BETWEEN 1 AND 4), -- 1 active, 2 read-only, 3 exam, 4 suspended
    locale text NOT NULL DEFAULT 'en' CHECK (locale ~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$' AND length(locale) <= 35),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- tenants has no tenant_id: its own id is the tenant.
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_wall ON tenants USING (id = (SELECT current_tenant()));
CREATE POLICY operator_all ON tenants TO fb_operator USING (true) WITH CHECK (true);
CREATE POLICY directory_read ON tenants FOR SELECT TO fb_system USING (true);
GRANT SELECT ON tenants TO fb_app, fb_operator, fb_system;
GRANT INSERT, UPDATE ON tenants TO fb_operator;

CREATE TABLE tenant_hosts (
    tenant_id integer NOT NULL REFERENCES tenants,
    host text COLLATE "C" NOT NULL CHECK (host = lower(host) AND length(host) BETWEEN 1 AND 253),
    PRIMARY KEY (tenant_id, host),
    UNIQUE (host) -- a name belongs to one tenant
);
CALL tenant_wall('tenant_hosts');
CREATE POLICY operator_all ON tenant_hosts TO fb_operator USING (true) WITH CHECK (true);
CREATE POLICY directory_read ON tenant_hosts FOR SELECT TO fb_system USING (true);
GRANT SELECT ON tenant_hosts TO fb_system;

-- What the published directory holds: every tenant with its names. Only this function sees all tenants on behalf of fb_app.
CREATE FUNCTION directory_rows()
    RETURNS TABLE (id integer, name text, title text, status smallint, locale text, hosts text[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT t.id, t.name, t.title, t.status, t.locale,
           coalesce((SELECT array_agg(h.host ORDER BY h.host) FROM tenant_hosts h WHERE h.tenant_id = t.id), '{}')
    FROM tenants t ORDER BY t.id
$$;
CREATE SEQUENCE directory_version AS bigint;
GRANT USAGE ON SEQUENCE directory_version TO fb_app, fb_operator;

REVOKE ALL ON FUNCTION directory_rows() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION directory_rows() TO fb_app, fb_operator;
GRANT CREATE ON SCHEMA public TO fb_system; -- a new owner must be able to create
ALTER FUNCTION directory_rows() OWNER TO fb_system;
GRANT USAGE ON SCHEMA public TO fb_app, fb_operator, fb_system;
