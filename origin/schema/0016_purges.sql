-- What takes answers back from the caches of the edges (lua-free/bell_purge.h). A row is what somebody asked for and the record that it was asked for.
--
-- `firstbell jobs` gives the sequence number when it sends the row on, never who asks: numbers given by those who ask become visible in another order
-- than that of the numbers, and an edge that has seen 8 would never look for 7 again.

CREATE TABLE purges (
    tenant_id integer NOT NULL REFERENCES tenants,
    id bigint GENERATED ALWAYS AS IDENTITY,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor_id bigint, -- who asked; NULL: the command line
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 4), -- 1 a URL, 2 all that begin so, 3 a tag, 4 all of the tenant's
    hard boolean NOT NULL, -- gone at once; else stale, and refreshed behind the next one who asks
    host text COLLATE "C" CHECK (octet_length(host) BETWEEN 1 AND 270),            -- of 1 and 2, as keys of the cache have it: perhaps with a port
    value text COLLATE "C" CHECK (octet_length(value) BETWEEN 1 AND 7900),         -- target, path or tag; NULL with 4
    sequence bigint CHECK (sequence > 0), -- NULL: not numbered yet
    numbered_at timestamptz,              -- what was fetched later is not meant
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, actor_id) REFERENCES users,
    CHECK ((host IS NOT NULL) = (kind <= 2) AND (value IS NOT NULL) = (kind <= 3)),
    CHECK ((sequence IS NULL) = (numbered_at IS NULL))
);
CREATE INDEX purges_waiting ON purges (id) WHERE sequence IS NULL;
CREATE UNIQUE INDEX purges_sequence ON purges (sequence) WHERE sequence IS NOT NULL;
CREATE INDEX purges_asked ON purges (tenant_id, asked_at);
CALL tenant_wall('purges');
CREATE POLICY purges_relay ON purges TO fb_system USING (true) WITH CHECK (true);
GRANT SELECT, UPDATE ON purges TO fb_system;

-- The number that was given last. A row of its own, because rows of purges end.
CREATE TABLE purge_state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    sequence bigint NOT NULL DEFAULT 0 CHECK (sequence >= 0)
);
INSERT INTO purge_state DEFAULT VALUES;
GRANT SELECT, UPDATE ON purge_state TO fb_system;

-- ---- who asks

-- outcome: 1 it is asked for; 2 the host is none of the tenant's; 3 the tenant has asked `most` times within a minute, and may again in wait_s. host_name
-- is the host without its port. Of one tenant one after another, so that `most` is not passed by many at once.
CREATE FUNCTION purge_ask(tenant integer, actor bigint, purge_kind smallint, is_hard boolean, host_name text, purge_host text, purge_value text,
                          most integer, OUT outcome smallint, OUT purge_id bigint, OUT wait_s integer)
    LANGUAGE plpgsql AS $$
DECLARE
    full_until timestamptz;
BEGIN
    IF host_name IS NOT NULL AND NOT EXISTS (
        SELECT FROM tenant_hosts h WHERE h.tenant_id = tenant
        AND (h.host = host_name OR (starts_with(h.host, '*.') AND right(host_name, length(h.host) - 1) = substr(h.host, 2)
                                    AND length(host_name) >= length(h.host)))) THEN
        outcome := 2;
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(518740223, tenant);
    SELECT p.asked_at + interval '1 minute' INTO full_until FROM purges p
    WHERE p.tenant_id = tenant AND p.asked_at > clock_timestamp() - interval '1 minute'
    ORDER BY p.asked_at DESC OFFSET most - 1 LIMIT 1;
    IF FOUND THEN
        outcome := 3;
        wait_s := greatest(1, least(60, ceil(extract(epoch FROM full_until - clock_timestamp()))));
        RETURN;
    END IF;
    INSERT INTO purges (tenant_id, actor_id, kind, hard, host, value)
    VALUES (tenant, actor, purge_kind, is_hard, purge_host, purge_value) RETURNING id INTO purge_id;
    PERFORM pg_notify('firstbell_purges', '');
    outcome := 1;
END $$;
GRANT EXECUTE ON FUNCTION purge_ask(integer, bigint, smallint, boolean, text, text, text, integer) TO fb_app, fb_operator;

-- ---- who sends them on

-- Numbers what waits and can be seen, at most so many, in the order in which it was asked for; without a gap behind the number that was given last, which
-- is `above` where that is higher: a database that was restored counts from an older number than what edges have seen. Two at once number one after the
-- other: the row of purge_state is locked first, and the statement behind sees what the other one has done. The moment is taken behind the look, so that
-- whatever was changed in a transaction that asked was changed before it.
CREATE FUNCTION purges_number(above bigint, most integer, OUT numbered integer, OUT newest bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE purge_state s SET sequence = greatest(s.sequence, above) RETURNING s.sequence INTO newest;
    UPDATE purges p SET sequence = newest + w.place, numbered_at = clock_timestamp()
    FROM (SELECT o.tenant_id, o.id, row_number() OVER (ORDER BY o.id) AS place
          FROM (SELECT q.tenant_id, q.id FROM purges q WHERE q.sequence IS NULL ORDER BY q.id LIMIT most) o) w
    WHERE p.tenant_id = w.tenant_id AND p.id = w.id;
    GET DIAGNOSTICS numbered = ROW_COUNT;
    newest := newest + numbered;
    UPDATE purge_state s SET sequence = newest WHERE numbered > 0;
END $$;

-- Those behind a number, in their order, at most so many.
CREATE FUNCTION purges_after(after_sequence bigint, most integer)
    RETURNS TABLE (sequence bigint, at_ms bigint, tenant integer, kind smallint, hard boolean, host text, value text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT p.sequence, ceil(extract(epoch FROM p.numbered_at) * 1000)::bigint, p.tenant_id, p.kind, p.hard, p.host, p.value
    FROM purges p WHERE p.sequence > after_sequence ORDER BY p.sequence LIMIT most
$$;

REVOKE ALL ON FUNCTION purges_number(bigint, integer), purges_after(bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION purges_number(bigint, integer), purges_after(bigint, integer) TO fb_app;
ALTER FUNCTION purges_number(bigint, integer) OWNER TO fb_system;
ALTER FUNCTION purges_after(bigint, integer) OWNER TO fb_system;
