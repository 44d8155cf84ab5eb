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
);
CREATE UNIQUE INDEX queue_dedupe ON queue (tenant_id, kind, dedupe_key) WHERE state = 0 AND dedupe_key IS NOT NULL;
CREATE INDEX queue_ready ON queue (state, run_at);
CALL tenant_wall('queue');
CREATE POLICY queue_claim ON queue TO fb_system USING (true) WITH CHECK (true);
GRANT SELECT, UPDATE ON queue TO fb_system;

-- Claims up to `most` jobs across tenants, each tenant's oldest first and the tenants in turn. All further work on a job is done by the
-- application role under the job's own tenant.
CREATE FUNCTION queue_claim(most integer, lease_s integer)
    RETURNS TABLE (tenant_id integer, id bigint, kind text, payload jsonb, attempts smallint)
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH ready AS (
        SELECT q.tenant_id, q.id, q.run_at, row_number() OVER (PARTITION BY q.tenant_id ORDER BY q.run_at, q.id) AS turn
        FROM queue q
        WHERE (q.state = 0 AND q.run_at <= now()) OR (q.state = 1 AND q.lease_until < now())
    ), chosen AS (
        SELECT q.tenant_id, q.id
        FROM ready r
        JOIN queue q ON q.tenant_id = r.tenant_id AND q.id = r.id
        WHERE (q.state = 0 AND q.run_at <= now()) OR (q.state = 1 AND q.lease_until < now())
        ORDER BY r.turn, r.run_at, r.tenant_id
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

-- When the next waiting job is due, over all tenants: how long a worker may sleep. NULL when nothing waits.
CREATE FUNCTION queue_next_run() RETURNS timestamptz
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT min(CASE WHEN state = 0 THEN run_at ELSE lease_until END) FROM queue WHERE state < 2
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
