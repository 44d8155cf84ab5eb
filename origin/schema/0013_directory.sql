-- What the directory tells an edge about a district, and how a change finds its way there (origin/directory).
--
-- The rules of what may stand here are those of lua-free/bell_directory_rules.c: a document with something else in it would be refused.

-- ---- tenants: where they are served, what they may

CREATE TABLE pools (
    name text COLLATE "C" PRIMARY KEY CHECK (name ~ '^[a-z0-9-]{1,63}$')
);
CREATE TABLE pool_servers (
    pool text COLLATE "C" NOT NULL REFERENCES pools ON DELETE CASCADE,
    address text COLLATE "C" NOT NULL CHECK (octet_length(address) BETWEEN 1 AND 112), -- ADDRESS:PORT or unix:PATH
    weight smallint NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
    state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 3), -- 1 up, 2 drain, 3 down
    PRIMARY KEY (pool, address)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON pools, pool_servers TO fb_operator;
GRANT SELECT ON pools, pool_servers TO fb_system;

CREATE FUNCTION tenant_flags_are_right(flags text[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    RETURN cardinality(flags) <= 256 AND NOT EXISTS (SELECT FROM unnest(flags) f (word) WHERE f.word IS NULL OR f.word !~ '^[a-z0-9_.-]{1,63}$');
CREATE FUNCTION tenant_limits_are_right(limits jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN jsonb_typeof(limits) = 'object' THEN (SELECT count(*) <= 256 AND coalesce(bool_and(
        e.key ~ '^[a-z0-9_.-]{1,63}$' AND jsonb_typeof(e.value) = 'number' AND e.value::text ~ '^[0-9]{1,18}$'), true)
        FROM jsonb_each(limits) e) ELSE false END;

ALTER TABLE tenants
    ADD COLUMN upstream text COLLATE "C" REFERENCES pools,                              -- NULL: the edge's own
    ADD COLUMN cluster text COLLATE "C" CHECK (cluster ~ '^[a-z0-9-]{1,63}$'),          -- of databases
    ADD COLUMN region text COLLATE "C" CHECK (region ~ '^[a-z0-9-]{1,63}$'),
    ADD COLUMN notice text CHECK (notice <> '' AND octet_length(notice) <= 4000),       -- the district's own words while it is suspended
    ADD COLUMN sessions_from timestamptz CHECK (sessions_from >= '1970-01-02'),         -- sessions that began before are over
    ADD COLUMN flags text[] COLLATE "C" NOT NULL DEFAULT '{}' CHECK (tenant_flags_are_right(flags)),
    ADD COLUMN limits jsonb NOT NULL DEFAULT '{}' CHECK (tenant_limits_are_right(limits)); -- name to whole number

CREATE TABLE tenant_keys (
    tenant_id integer NOT NULL REFERENCES tenants,
    use text COLLATE "C" NOT NULL CHECK (use ~ '^[a-z0-9_.-]{1,63}$'), -- what for: the word of the module that uses it
    kid text COLLATE "C" NOT NULL CHECK (octet_length(kid) BETWEEN 1 AND 63),
    alg text COLLATE "C" NOT NULL CHECK (alg ~ '^[a-z0-9_.-]{1,63}$'),
    material text NOT NULL CHECK (octet_length(material) BETWEEN 1 AND 8192),
    from_at timestamptz CHECK (from_at >= '1970-01-02'),
    until_at timestamptz CHECK (until_at >= '1970-01-02'),
    PRIMARY KEY (tenant_id, use, kid)
);
CALL tenant_wall('tenant_keys');
CREATE POLICY directory_read ON tenant_keys FOR SELECT TO fb_system USING (true);
GRANT SELECT ON tenant_keys TO fb_system;

-- ---- people who were signed out everywhere: sessions of theirs that began at before_at or earlier are over, also where only the edge is asked

CREATE TABLE directory_revocations (
    tenant_id integer NOT NULL REFERENCES tenants,
    subject text COLLATE "C" NOT NULL CHECK (octet_length(subject) BETWEEN 1 AND 255), -- of the token
    before_at timestamptz NOT NULL,
    until_at timestamptz NOT NULL, -- none of these sessions lives longer
    PRIMARY KEY (tenant_id, subject)
);
CREATE INDEX directory_revocations_until ON directory_revocations (tenant_id, until_at);
CALL tenant_wall('directory_revocations');
CREATE POLICY directory_read ON directory_revocations FOR SELECT TO fb_system USING (true);
GRANT SELECT ON directory_revocations TO fb_system;

-- ---- marks: what has to be published

-- One mark a change, never one for two transactions: a mark becomes visible together with its change, so that whoever takes a mark sees the change,
-- and nobody waits for anybody. A mark that a second transaction found there and left alone could be taken before that one commits.
CREATE TABLE directory_dirty (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id integer,      -- NULL with 2 and 4
    what smallint NOT NULL CHECK (what BETWEEN 1 AND 4), -- 1 a tenant, 2 a pool, 3 a revocation, 4 somebody wants a snapshot
    which text COLLATE "C"  -- the pool's name, the revocation's subject
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
CALL tenant_wall('directory_dirty');
CREATE POLICY directory_all ON directory_dirty TO fb_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON directory_dirty TO fb_system;

-- The version that was published last, and what readers may have missed.
CREATE TABLE directory_state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version bigint NOT NULL CHECK (version >= 1),
    session_ttl_s integer NOT NULL CHECK (session_ttl_s > 0) -- the setting, as the publisher was started with
);
CREATE TABLE directory_deltas (
    version bigint PRIMARY KEY,
    from_version bigint NOT NULL UNIQUE CHECK (from_version < version),
    document bytea NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE directory_deltas ALTER COLUMN document SET STORAGE EXTERNAL;
INSERT INTO directory_state (version, session_ttl_s) SELECT last_value, 43200 FROM directory_version;
DROP SEQUENCE directory_version;
GRANT SELECT, UPDATE ON directory_state TO fb_system;
GRANT SELECT, INSERT, DELETE ON directory_deltas TO fb_system;

CREATE FUNCTION directory_mark(tenant integer, what smallint, which text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO directory_dirty (tenant_id, what, which) VALUES (tenant, what, which);
    SELECT pg_notify('firstbell_directory', '');
$$;

-- What an edge keeps of a tenant or a pool is a record of 64 KiB with lists of at most 1024: more would make it refuse the document with everything
-- else that is in it.
CREATE FUNCTION directory_check_tenant(tenant integer) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM tenants t,
        LATERAL (SELECT count(*) AS n, coalesce(sum(length(h.host) + 4), 0) AS bytes FROM tenant_hosts h WHERE h.tenant_id = t.id) h,
        LATERAL (SELECT count(*) AS n, coalesce(sum(octet_length(k.use || k.kid || k.alg || k.material) + 40), 0) AS bytes
                 FROM tenant_keys k WHERE k.tenant_id = t.id) k
    WHERE t.id = tenant AND (h.n > 1024 OR k.n > 1024
       OR h.bytes + k.bytes + octet_length(t.title || coalesce(t.notice, '') || array_to_string(t.flags, '++++') || t.limits::text) + 1000
          + 16 * cardinality(t.flags) > 60000);
    IF FOUND THEN
        RAISE EXCEPTION 'an edge takes at most 1024 hosts and 1024 keys of a tenant, and 60000 bytes of all that is said about it'
            USING ERRCODE = 'program_limit_exceeded';
    END IF;
END $$;

CREATE FUNCTION directory_mark_tenant() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        PERFORM directory_check_tenant(NEW.id);
    END IF;
    PERFORM directory_mark(CASE WHEN TG_OP = 'DELETE' THEN OLD.id ELSE NEW.id END, 1::smallint, NULL);
    RETURN NULL;
END $$;
CREATE TRIGGER directory_mark AFTER INSERT OR DELETE ON tenants FOR EACH ROW EXECUTE FUNCTION directory_mark_tenant();
CREATE TRIGGER directory_mark_update AFTER UPDATE ON tenants FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION directory_mark_tenant();

-- Hosts and keys: the tenant that had it, and the one that has it.
CREATE FUNCTION directory_mark_part() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        PERFORM directory_check_tenant(NEW.tenant_id);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM directory_mark(OLD.tenant_id, 1::smallint, NULL);
    END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.tenant_id <> OLD.tenant_id) THEN
        PERFORM directory_mark(NEW.tenant_id, 1::smallint, NULL);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER directory_mark AFTER INSERT OR DELETE ON tenant_hosts FOR EACH ROW EXECUTE FUNCTION directory_mark_part();
CREATE TRIGGER directory_mark_update AFTER UPDATE ON tenant_hosts FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION directory_mark_part();
CREATE TRIGGER directory_mark AFTER INSERT OR DELETE ON tenant_keys FOR EACH ROW EXECUTE FUNCTION directory_mark_part();
CREATE TRIGGER directory_mark_update AFTER UPDATE ON tenant_keys FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION directory_mark_part();

CREATE FUNCTION directory_mark_pool() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM directory_mark(NULL, 2::smallint, to_jsonb(OLD) ->> TG_ARGV[0]);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM directory_mark(NULL, 2::smallint, to_jsonb(NEW) ->> TG_ARGV[0]);
        IF (SELECT count(*) > 400 FROM pool_servers s WHERE s.pool = to_jsonb(NEW) ->> TG_ARGV[0]) THEN
            RAISE EXCEPTION 'an edge takes at most 400 servers of a pool' USING ERRCODE = 'program_limit_exceeded';
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER directory_mark AFTER INSERT OR UPDATE OR DELETE ON pools FOR EACH ROW EXECUTE FUNCTION directory_mark_pool('name');
CREATE TRIGGER directory_mark AFTER INSERT OR UPDATE OR DELETE ON pool_servers FOR EACH ROW EXECUTE FUNCTION directory_mark_pool('pool');

-- A revocation that is taken away again has ended by itself: nobody needs to hear of that.
CREATE FUNCTION directory_mark_revocation() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM directory_mark(NEW.tenant_id, 3::smallint, NEW.subject);
    RETURN NULL;
END $$;
CREATE TRIGGER directory_mark AFTER INSERT ON directory_revocations FOR EACH ROW EXECUTE FUNCTION directory_mark_revocation();
CREATE TRIGGER directory_mark_update AFTER UPDATE ON directory_revocations
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION directory_mark_revocation();

-- ---- what fills the revocations

CREATE FUNCTION directory_revoke(tenant integer, of_user_id bigint, moment timestamptz, ending timestamptz) RETURNS void
    LANGUAGE sql
    BEGIN ATOMIC
    INSERT INTO directory_revocations AS r (tenant_id, subject, before_at, until_at) VALUES (tenant, of_user_id::text, moment, ending)
    ON CONFLICT (tenant_id, subject) DO UPDATE
    SET before_at = greatest(r.before_at, EXCLUDED.before_at), until_at = greatest(r.until_at, EXCLUDED.until_at);
    END;

-- Only what was open is revoked, up to the newest of these sessions: one that is opened in the same transaction, after a change of password,
-- begins later. With keep_sid, up to the second before that one: what began behind it is refused by the origin alone.
CREATE OR REPLACE FUNCTION sessions_end(tenant integer, of_user_id bigint, keep_sid text) RETURNS integer
    LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    n integer;
    newest timestamptz;
    ending timestamptz;
    kept timestamptz;
BEGIN
    WITH gone AS (
        DELETE FROM sessions s WHERE s.tenant_id = tenant AND s.user_id = of_user_id AND s.sid IS DISTINCT FROM keep_sid
        RETURNING s.created_at, s.expires_at
    )
    SELECT count(*), max(g.created_at), max(g.expires_at) INTO n, newest, ending FROM gone g;
    IF keep_sid IS NOT NULL THEN
        SELECT s.created_at - interval '1 s' INTO kept FROM sessions s WHERE s.tenant_id = tenant AND s.user_id = of_user_id AND s.sid = keep_sid;
        newest := least(newest, kept);
    END IF;
    IF n > 0 AND ending > now() THEN
        PERFORM directory_revoke(tenant, of_user_id, newest, ending);
    END IF;
    RETURN n;
END $$;

CREATE FUNCTION directory_session_ttl() RETURNS interval
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    AS $$ SELECT make_interval(secs => session_ttl_s) FROM directory_state $$;

-- Who may not sign in any more is revoked up to now, also without an open session: one may be just being opened.
CREATE OR REPLACE FUNCTION users_end_sessions() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sessions_end(NEW.tenant_id, NEW.id, NULL);
    IF NOT (NEW.enabled AND NEW.status = 1) AND (
           EXISTS (SELECT FROM accounts a WHERE a.tenant_id = NEW.tenant_id AND a.user_id = NEW.id)
           OR EXISTS (SELECT FROM user_identities i WHERE i.tenant_id = NEW.tenant_id AND i.user_id = NEW.id)) THEN
        PERFORM directory_revoke(NEW.tenant_id, NEW.id, now(), now() + directory_session_ttl());
    END IF;
    RETURN NULL;
END $$;

-- ---- what the publisher asks. It calls them in one transaction, REPEATABLE READ, so that marks and state belong together.

-- Takes the marks that are there; as many of one kind are one.
CREATE FUNCTION directory_take() RETURNS TABLE (what smallint, tenant integer, which text)
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH gone AS (DELETE FROM directory_dirty RETURNING directory_dirty.what, directory_dirty.tenant_id, directory_dirty.which)
    SELECT DISTINCT g.what, g.tenant_id, g.which FROM gone g ORDER BY 1, 2, 3
$$;

-- The next version, above another one as well, and the one that it follows.
CREATE FUNCTION directory_next(above bigint) RETURNS TABLE (from_version bigint, version bigint)
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE directory_state s SET version = greatest(s.version, above) + 1
    FROM directory_state b RETURNING b.version, s.version
$$;

-- Tenants, pools and revocations, or with NULL all of them. A row is a part: 1 a tenant, then its 2 hosts, 3 flags, 4 limits and 5 keys; 6 a pool,
-- then its 7 servers; 8 a revocation; 9 how many tenants there are in all (n), and the lowest id of them (m).
CREATE FUNCTION directory_read(tenant_ids integer[], pool_names text[], revoked_tenants integer[], revoked_subjects text[])
    RETURNS TABLE (part smallint, tenant integer, a text, b text, c text, d text, e text, f text, g text, n bigint, m bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT p.* FROM (
        SELECT 1::smallint AS part, t.id AS tenant, t.name AS a, t.title AS b, t.locale AS c, t.upstream AS d, t.cluster AS e, t.region AS f,
               t.notice AS g, t.status::bigint AS n, ceil(extract(epoch FROM t.sessions_from))::bigint AS m
        FROM tenants t WHERE tenant_ids IS NULL OR t.id = ANY (tenant_ids)
        UNION ALL
        SELECT 2, h.tenant_id, h.host, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
        FROM tenant_hosts h WHERE tenant_ids IS NULL OR h.tenant_id = ANY (tenant_ids)
        UNION ALL
        SELECT 3, t.id, w.word, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
        FROM tenants t, unnest(t.flags) w (word) WHERE tenant_ids IS NULL OR t.id = ANY (tenant_ids)
        UNION ALL
        SELECT 4, t.id, l.key, NULL, NULL, NULL, NULL, NULL, NULL, l.value::bigint, NULL
        FROM tenants t, jsonb_each_text(t.limits) l WHERE tenant_ids IS NULL OR t.id = ANY (tenant_ids)
        UNION ALL
        SELECT 5, k.tenant_id, k.use, k.kid, k.alg, k.material, NULL, NULL, NULL,
               floor(extract(epoch FROM k.from_at))::bigint, ceil(extract(epoch FROM k.until_at))::bigint
        FROM tenant_keys k WHERE tenant_ids IS NULL OR k.tenant_id = ANY (tenant_ids)
        UNION ALL
        SELECT 6, NULL, o.name, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM pools o WHERE pool_names IS NULL OR o.name = ANY (pool_names)
        UNION ALL
        SELECT 7, NULL, s.pool, s.address, NULL, NULL, NULL, NULL, NULL, s.weight, s.state
        FROM pool_servers s WHERE pool_names IS NULL OR s.pool = ANY (pool_names)
        UNION ALL
        SELECT 8, r.tenant_id, r.subject, NULL, NULL, NULL, NULL, NULL, NULL,
               floor(extract(epoch FROM r.before_at))::bigint, ceil(extract(epoch FROM r.until_at))::bigint
        FROM directory_revocations r
        WHERE r.until_at > now() AND (revoked_tenants IS NULL OR (r.tenant_id, r.subject) IN (SELECT * FROM unnest(revoked_tenants, revoked_subjects)))
        UNION ALL
        SELECT 9, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, count(*), min(t.id) FROM tenants t
    ) p
    ORDER BY CASE WHEN p.part <= 5 THEN 1 WHEN p.part <= 7 THEN 2 ELSE p.part END, CASE WHEN p.part IN (6, 7) THEN p.a END COLLATE "C",
             p.tenant, p.part, p.a COLLATE "C", p.b COLLATE "C"
$$;

-- Keeps a delta, and of those before it as many and as long as was said; the newest in any case.
CREATE FUNCTION directory_put(delta_from bigint, delta_version bigint, delta bytea, keep integer, keep_s integer) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO directory_deltas (version, from_version, document) VALUES (delta_version, delta_from, delta);
    DELETE FROM directory_deltas d
    WHERE d.version < delta_version AND (d.made_at < now() - make_interval(secs => keep_s)
       OR d.version <= (SELECT o.version FROM directory_deltas o ORDER BY o.version DESC OFFSET keep LIMIT 1));
    SELECT pg_notify('firstbell_directory', '');
$$;

-- Deltas behind a version, oldest first, at most so many.
CREATE FUNCTION directory_deltas_after(after_version bigint, most integer) RETURNS TABLE (version bigint, document bytea)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT d.version, d.document FROM directory_deltas d WHERE d.version > after_version ORDER BY d.version LIMIT most
$$;

-- The version that was published last, where the deltas that are kept begin (NULL: none is), how many marks wait.
CREATE FUNCTION directory_standing() RETURNS TABLE (version bigint, oldest_from bigint, waiting bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT s.version, (SELECT min(d.from_version) FROM directory_deltas d), (SELECT count(*) FROM directory_dirty) FROM directory_state s
$$;

-- The publisher tells how long sessions live.
CREATE FUNCTION directory_session_ttl_is(ttl_s integer) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
    AS $$ UPDATE directory_state s SET session_ttl_s = ttl_s WHERE s.session_ttl_s <> ttl_s $$;

-- Somebody wants a snapshot now.
CREATE FUNCTION directory_ask() RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
    AS $$ SELECT directory_mark(NULL, 4::smallint, NULL) $$;

REVOKE ALL ON FUNCTION directory_mark(integer, smallint, text), directory_check_tenant(integer), directory_mark_tenant(), directory_mark_part(), directory_mark_pool(),
    directory_mark_revocation(), directory_session_ttl(), directory_take(), directory_next(bigint),
    directory_read(integer[], text[], integer[], text[]), directory_put(bigint, bigint, bytea, integer, integer),
    directory_deltas_after(bigint, integer), directory_standing(), directory_session_ttl_is(integer), directory_ask() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION directory_session_ttl() TO fb_app, fb_operator;
GRANT EXECUTE ON FUNCTION directory_take(), directory_next(bigint), directory_read(integer[], text[], integer[], text[]),
    directory_put(bigint, bigint, bytea, integer, integer), directory_deltas_after(bigint, integer), directory_session_ttl_is(integer) TO fb_app;
GRANT EXECUTE ON FUNCTION directory_standing(), directory_ask() TO fb_app, fb_operator;
GRANT EXECUTE ON FUNCTION directory_revoke(integer, bigint, timestamptz, timestamptz) TO fb_app, fb_operator;
ALTER FUNCTION directory_mark(integer, smallint, text) OWNER TO fb_system;
ALTER FUNCTION directory_check_tenant(integer) OWNER TO fb_system;
ALTER FUNCTION directory_mark_tenant() OWNER TO fb_system;
ALTER FUNCTION directory_mark_part() OWNER TO fb_system;
ALTER FUNCTION directory_mark_pool() OWNER TO fb_system;
ALTER FUNCTION directory_mark_revocation() OWNER TO fb_system;
ALTER FUNCTION directory_session_ttl() OWNER TO fb_system;
ALTER FUNCTION directory_take() OWNER TO fb_system;
ALTER FUNCTION directory_next(bigint) OWNER TO fb_system;
ALTER FUNCTION directory_read(integer[], text[], integer[], text[]) OWNER TO fb_system;
ALTER FUNCTION directory_put(bigint, bigint, bytea, integer, integer) OWNER TO fb_system;
ALTER FUNCTION directory_deltas_after(bigint, integer) OWNER TO fb_system;
ALTER FUNCTION directory_standing() OWNER TO fb_system;
ALTER FUNCTION directory_session_ttl_is(integer) OWNER TO fb_system;
ALTER FUNCTION directory_ask() OWNER TO fb_system;

-- What there is so far has never been told in a delta.
INSERT INTO directory_dirty (tenant_id, what) SELECT id, 1 FROM tenants;
