-- The queue: work that commits together with what caused it. The outbox: what happened, for whoever listens.

CREATE TABLE queue (
    tenant_id integer NOT NULL REFERENCES tenants,
    id bigint GENERATED ALWAYS AS IDENTITY,
    kind text COLLATE "C" NOT NULL,
    -- While a job with this key waits, another is not added: many causes, one effect.
    dedupe_key text COLLATE "C",
    payload jsonb NOT NULL DEFAULT '{}',
    state smallint NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 2), -- 0 waiting, 1 running, 2 failed for good; done rows are deleted
    attempts smallint NOT NULL DEFAULT 0,
    run_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz, -- a running job past its lease is anybody's again
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000); -- rows live for a moment; dead ones slow every claim
CREATE UNIQUE INDEX queue_dedupe ON queue (tenant_id, kind, dedupe_key) WHERE state = 0 AND dedupe_key IS NOT NULL;
CREATE INDEX queue_waiting ON queue (tenant_id, run_at, id) WHERE state = 0; -- a tenant's oldest, and from tenant to tenant
CREATE INDEX queue_due ON queue (run_at) WHERE state = 0;                    -- when the next one is due
CREATE INDEX queue_leases ON queue (lease_until) WHERE state = 1;
CALL tenant_wall('queue');
CREATE POLICY queue_claim ON queue TO fb_system USING (true) WITH CHECK (true);
GRANT SELECT, UPDATE ON queue TO fb_system;

-- Claims up to `most` jobs across tenants, each tenant's oldest first and the tenants in turn. All further work on a job is done by the
-- application role under the job's own tenant. The cost follows the number of tenants that wait, not the length of the queue: the recursion
-- hops through queue_waiting from tenant to tenant, and of each only the head is read. The heads together hold four claims and more, so that
-- workers who claim at the same moment and skip each other's rows still find some.
CREATE FUNCTION queue_claim(most integer, lease_s integer)
    RETURNS TABLE (tenant_id integer, id bigint, kind text, payload jsonb, attempts smallint)
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH RECURSIVE waiting (tenant) AS (
        (SELECT q.tenant_id FROM queue q WHERE q.state = 0 ORDER BY q.tenant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT q.tenant_id FROM queue q WHERE q.state = 0 AND q.tenant_id > w.tenant ORDER BY q.tenant_id LIMIT 1)
        FROM waiting w WHERE w.tenant IS NOT NULL
    ), heads AS (
        SELECT w.tenant, h.id, h.run_at
        FROM waiting w
        CROSS JOIN LATERAL (SELECT q.id, q.run_at FROM queue q WHERE q.tenant_id = w.tenant AND q.state = 0 AND q.run_at <= now()
                            ORDER BY q.run_at, q.id LIMIT (SELECT 4 + 4 * most / count(*) FROM waiting)) h
        UNION ALL
        (SELECT q.tenant_id, q.id, q.run_at FROM queue q WHERE q.state = 1 AND q.lease_until < now() ORDER BY q.lease_until LIMIT 4 * most)
    ), turns AS (
        SELECT h.tenant, h.id, h.run_at, row_number() OVER (PARTITION BY h.tenant ORDER BY h.run_at, h.id) AS turn FROM heads h
    ), chosen AS (
        SELECT q.tenant_id, q.id
        FROM (SELECT t.* FROM turns t ORDER BY t.turn, t.run_at, t.tenant LIMIT 4 * most) t
        JOIN queue q ON q.tenant_id = t.tenant AND q.id = t.id
        -- Asked again under the row's lock: another worker may have had it in between.
        WHERE (q.state = 0 AND q.run_at <= now()) OR (q.state = 1 AND q.lease_until < now())
        ORDER BY t.turn, t.run_at, t.tenant
        LIMIT most
        FOR UPDATE OF q SKIP LOCKED
    )
    UPDATE queue q
    SET state = 1, attempts = q.attempts + 1, lease_until = now() + make_interval(secs => lease_s)
    FROM chosen c
    WHERE q.tenant_id = c.tenant_id AND q.id = c.id
    RETURNING q.tenant_id, q.id, q.kind, q.payload, q.attempts
$$;
REVOKE ALL ON FUNCTION queue_claim(integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION queue_claim(integer, integer) TO fb_app;
ALTER FUNCTION queue_claim(integer, integer) OWNER TO fb_system;

-- When the next job is due or the next lease ends, over all tenants: how long a worker may sleep. NULL when nothing waits.
CREATE FUNCTION queue_next_run() RETURNS timestamptz
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT least((SELECT min(run_at) FROM queue WHERE state = 0), (SELECT min(lease_until) FROM queue WHERE state = 1))
$$;
REVOKE ALL ON FUNCTION queue_next_run() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION queue_next_run() TO fb_app;
ALTER FUNCTION queue_next_run() OWNER TO fb_system;

-- Puts one job in under the current tenant and wakes the workers at commit. NULL when an equal one waits already.
CREATE FUNCTION queue_put(kind text, dedupe_key text, payload jsonb, run_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    new_id bigint;
BEGIN
    INSERT INTO queue (tenant_id, kind, dedupe_key, payload, run_at)
    VALUES (current_tenant(), queue_put.kind, queue_put.dedupe_key, queue_put.payload, coalesce(queue_put.run_at, now()))
    ON CONFLICT (tenant_id, kind, dedupe_key) WHERE state = 0 AND dedupe_key IS NOT NULL DO NOTHING
    RETURNING id INTO new_id;
    PERFORM pg_notify('firstbell_queue', '');
    RETURN new_id;
END $$;
GRANT EXECUTE ON FUNCTION queue_put(text, text, jsonb, timestamptz) TO fb_app, fb_operator;

CREATE TABLE outbox (
    tenant_id integer NOT NULL REFERENCES tenants,
    id bigint GENERATED ALWAYS AS IDENTITY,
    topic text COLLATE "C" NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX outbox_age ON outbox (tenant_id, created_at);
CALL tenant_wall('outbox');
