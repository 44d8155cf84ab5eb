-- The calendar: when a district's bells ring, its exams are sat and its deadlines end, and what the edges are told then (origin/calendar).
--
-- What is told at a moment is a function of these tables and of that moment, never of what was told before: whoever was away for a while, or is started
-- in the middle of an exam, comes to the same (calendar_apply). Times of a district's events are in its own time zone, and lie here as moments.

ALTER TABLE tenants ADD COLUMN time_zone text COLLATE "C" NOT NULL DEFAULT 'UTC' CHECK (time_zone ~ '^[A-Za-z][A-Za-z0-9_+/-]{0,62}$');

-- What a kind of event does in a district, where it is not what it does everywhere (calendar_effect).
CREATE TABLE calendar_kinds (
    tenant_id integer NOT NULL REFERENCES tenants,
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 3),    -- 1 bell, 2 exam, 3 deadline
    before_s integer CHECK (before_s BETWEEN 0 AND 86400),
    after_s integer CHECK (after_s BETWEEN 0 AND 86400),
    scale integer CHECK (scale BETWEEN 1 AND 10000),        -- of all limits, percent
    submissions integer CHECK (submissions BETWEEN 1 AND 10000), -- of those for submissions
    warm_before_s integer CHECK (warm_before_s BETWEEN 0 AND 86400), -- 0: nothing is warmed
    warm_courses integer CHECK (warm_courses BETWEEN 1 AND 10000),
    PRIMARY KEY (tenant_id, kind)
);

-- An event with all its recurrences, as it was imported.
CREATE TABLE calendar_events (
    tenant_id integer NOT NULL REFERENCES tenants,
    id bigint GENERATED ALWAYS AS IDENTITY,
    uid text COLLATE "C" NOT NULL CHECK (octet_length(uid) BETWEEN 1 AND 255),
    source smallint NOT NULL CHECK (source BETWEEN 1 AND 2), -- 1 a file, 2 the roster
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 3),
    summary text NOT NULL CHECK (octet_length(summary) <= 800),
    ics text NOT NULL CHECK (octet_length(ics) <= 262144),   -- what it is laid out from again
    laid_out_until timestamptz,                              -- NULL: to be laid out anew; 'infinity': there is no more of it
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, uid)
);
CREATE INDEX calendar_events_laid_out ON calendar_events (laid_out_until NULLS FIRST) WHERE laid_out_until IS NULL OR laid_out_until < 'infinity';

-- Each time that it takes place. peak_at is when all come; from_at to until_at is while the edges are told otherwise.
CREATE TABLE calendar_occurrences (
    tenant_id integer NOT NULL REFERENCES tenants,
    event_id bigint NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at >= starts_at),
    peak_at timestamptz NOT NULL,
    from_at timestamptz NOT NULL,
    until_at timestamptz NOT NULL CHECK (until_at >= from_at),
    warm_at timestamptz,   -- NULL: nothing is warmed for it
    warmed_at timestamptz, -- when that was begun
    PRIMARY KEY (tenant_id, event_id, starts_at),
    FOREIGN KEY (tenant_id, event_id) REFERENCES calendar_events ON DELETE CASCADE
);
CREATE INDEX calendar_occurrences_open ON calendar_occurrences USING gist (tstzrange(from_at, until_at));
CREATE INDEX calendar_occurrences_from ON calendar_occurrences (from_at);
CREATE INDEX calendar_occurrences_until ON calendar_occurrences (until_at);
CREATE INDEX calendar_occurrences_warm ON calendar_occurrences (warm_at) WHERE warmed_at IS NULL;
CREATE INDEX calendar_occurrences_starts ON calendar_occurrences (tenant_id, starts_at);

-- What the edges have been told, where it is not what the table of tenants says.
CREATE TABLE calendar_now (
    tenant_id integer PRIMARY KEY REFERENCES tenants,
    scale integer NOT NULL,
    submissions integer NOT NULL,
    exam boolean NOT NULL
);

-- Who changed a calendar, and what came of it.
CREATE TABLE calendar_changes (
    tenant_id integer NOT NULL REFERENCES tenants,
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT now(),
    what smallint NOT NULL CHECK (what BETWEEN 1 AND 4), -- 1 a file, 2 the roster, 3 events were removed, 4 a kind was set
    outcome smallint NOT NULL CHECK (outcome BETWEEN 1 AND 2), -- 1 done, 2 refused
    subject text NOT NULL CHECK (octet_length(subject) <= 800), -- the file, the UID, the kind
    added integer NOT NULL DEFAULT 0,
    updated integer NOT NULL DEFAULT 0,
    unchanged integer NOT NULL DEFAULT 0,
    removed integer NOT NULL DEFAULT 0,
    skipped integer NOT NULL DEFAULT 0,
    errors integer NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id)
);

CALL tenant_wall('calendar_kinds');
CALL tenant_wall('calendar_events');
CALL tenant_wall('calendar_occurrences');
CALL tenant_wall('calendar_now');
CALL tenant_wall('calendar_changes');
CREATE POLICY calendar_read ON calendar_kinds FOR SELECT TO fb_system USING (true);
CREATE POLICY calendar_read ON calendar_events FOR SELECT TO fb_system USING (true);
CREATE POLICY calendar_all ON calendar_occurrences TO fb_system USING (true) WITH CHECK (true);
CREATE POLICY calendar_all ON calendar_now TO fb_system USING (true) WITH CHECK (true);
GRANT SELECT ON calendar_kinds, calendar_events TO fb_system;
GRANT SELECT, UPDATE, DELETE ON calendar_occurrences TO fb_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON calendar_now TO fb_system;

CREATE FUNCTION calendar_told() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM directory_mark(CASE WHEN TG_OP = 'DELETE' THEN OLD.tenant_id ELSE NEW.tenant_id END, 1::smallint, NULL);
    RETURN NULL;
END $$;
CREATE TRIGGER directory_mark AFTER INSERT OR DELETE ON calendar_now FOR EACH ROW EXECUTE FUNCTION calendar_told();
CREATE TRIGGER directory_mark_update AFTER UPDATE ON calendar_now FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION calendar_told();

-- ---- what an event does

-- A bell is about its beginning, a deadline about its end, an exam about all of it. Limits are raised before that and until after it.
CREATE FUNCTION calendar_effect(tenant integer)
    RETURNS TABLE (kind smallint, before_s integer, after_s integer, scale integer, submissions integer, exam boolean, warm_before_s integer,
                   warm_courses integer)
    LANGUAGE sql STABLE
    AS $$
    SELECT d.kind, coalesce(k.before_s, d.before_s), coalesce(k.after_s, d.after_s), coalesce(k.scale, d.scale), coalesce(k.submissions, d.submissions),
           d.kind = 2, coalesce(k.warm_before_s, d.warm_before_s), coalesce(k.warm_courses, d.warm_courses)
    FROM (VALUES (1::smallint, 600, 900, 300, 300, 1200, 50), (2::smallint, 600, 900, 200, 300, 1800, 50), (3::smallint, 3600, 900, 200, 500, 0, 50))
         d (kind, before_s, after_s, scale, submissions, warm_before_s, warm_courses)
    LEFT JOIN calendar_kinds k ON k.tenant_id = tenant AND k.kind = d.kind
    $$;

CREATE FUNCTION calendar_peak(of_kind smallint, starts timestamptz, ends timestamptz) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN of_kind = 3 THEN ends ELSE starts END;
CREATE FUNCTION calendar_peak_end(of_kind smallint, starts timestamptz, ends timestamptz) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN of_kind = 1 THEN starts ELSE ends END;

-- An event's occurrences are these, in seconds since 1970; those that stay keep what was done for them. Older ones than the first moment stay as well.
CREATE FUNCTION calendar_lay_out(tenant integer, event bigint, begins_at timestamptz, starts bigint[], ends bigint[], until timestamptz) RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM calendar_occurrences o
    WHERE o.tenant_id = tenant AND o.event_id = event AND o.ends_at > begins_at
      AND NOT EXISTS (SELECT FROM unnest(starts, ends) n (s, e) WHERE to_timestamp(n.s) = o.starts_at AND to_timestamp(n.e) = o.ends_at);
    INSERT INTO calendar_occurrences (tenant_id, event_id, starts_at, ends_at, peak_at, from_at, until_at, warm_at)
    SELECT tenant, event, n.s, n.e, p.at, p.at - make_interval(secs => f.before_s),
           calendar_peak_end(e.kind, n.s, n.e) + make_interval(secs => f.after_s),
           CASE WHEN f.warm_before_s > 0 THEN p.at - make_interval(secs => f.warm_before_s) END
    FROM (SELECT to_timestamp(u.s) AS s, to_timestamp(u.e) AS e FROM unnest(starts, ends) u (s, e)) n
    JOIN calendar_events e ON e.tenant_id = tenant AND e.id = event
    JOIN calendar_effect(tenant) f ON f.kind = e.kind,
    LATERAL (SELECT calendar_peak(e.kind, n.s, n.e) AS at) p
    ON CONFLICT DO NOTHING;
    UPDATE calendar_events e SET laid_out_until = until WHERE e.tenant_id = tenant AND e.id = event;
END $$;

-- A kind does something else from now on.
CREATE FUNCTION calendar_lay_windows(tenant integer, of_kind smallint) RETURNS void
    LANGUAGE sql AS $$
    UPDATE calendar_occurrences o
    SET from_at = o.peak_at - make_interval(secs => f.before_s),
        until_at = calendar_peak_end(e.kind, o.starts_at, o.ends_at) + make_interval(secs => f.after_s),
        warm_at = CASE WHEN f.warm_before_s > 0 THEN o.peak_at - make_interval(secs => f.warm_before_s) END
    FROM calendar_events e, calendar_effect(tenant) f
    WHERE o.tenant_id = tenant AND e.tenant_id = tenant AND e.id = o.event_id AND e.kind = of_kind AND f.kind = of_kind
    $$;

-- Other hours of the same days.
CREATE FUNCTION calendar_zone_changed() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    UPDATE calendar_events e SET laid_out_until = NULL WHERE e.tenant_id = NEW.id;
    PERFORM pg_notify('firstbell_calendar', '');
    RETURN NULL;
END $$;
CREATE TRIGGER calendar_zone AFTER UPDATE OF time_zone ON tenants
    FOR EACH ROW WHEN (OLD.time_zone IS DISTINCT FROM NEW.time_zone) EXECUTE FUNCTION calendar_zone_changed();

-- ---- what the edges are told

CREATE FUNCTION calendar_scaled(base text, percent integer) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    RETURN greatest(1, least(10000, least(10000, base::bigint) * percent / 100));
-- The limits of a district with the factors of its calendar; NULL: it has none now.
CREATE FUNCTION calendar_limits(limits jsonb, scale integer, submissions integer) RETURNS jsonb
    LANGUAGE sql STABLE
    RETURN CASE WHEN scale IS NULL THEN limits ELSE limits || jsonb_build_object(
        'scale', calendar_scaled(coalesce(limits ->> 'scale', '100'), scale),
        'scale-submissions', calendar_scaled(coalesce(limits ->> 'scale-submissions', limits ->> 'scale', '100'), submissions)) END;

-- As before, with what the calendar says: factors of limits, and that an exam is being sat where the district is active.
SET LOCAL ROLE fb_system; -- whose it is
CREATE OR REPLACE FUNCTION directory_read(tenant_ids integer[], pool_names text[], revoked_tenants integer[], revoked_subjects text[])
    RETURNS TABLE (part smallint, tenant integer, a text, b text, c text, d text, e text, f text, g text, n bigint, m bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT p.* FROM (
        SELECT 1::smallint AS part, t.id AS tenant, t.name AS a, t.title AS b, t.locale AS c, t.upstream AS d, t.cluster AS e, t.region AS f,
               t.notice AS g, CASE WHEN t.status = 1 AND c.exam THEN 3 ELSE t.status END::bigint AS n,
               ceil(extract(epoch FROM t.sessions_from))::bigint AS m
        FROM tenants t LEFT JOIN calendar_now c ON c.tenant_id = t.id WHERE tenant_ids IS NULL OR t.id = ANY (tenant_ids)
        UNION ALL
        SELECT 2, h.tenant_id, h.host, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
        FROM tenant_hosts h WHERE tenant_ids IS NULL OR h.tenant_id = ANY (tenant_ids)
        UNION ALL
        SELECT 3, t.id, w.word, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
        FROM tenants t, unnest(t.flags) w (word) WHERE tenant_ids IS NULL OR t.id = ANY (tenant_ids)
        UNION ALL
        SELECT 4, t.id, l.key, NULL, NULL, NULL, NULL, NULL, NULL, l.value::bigint, NULL
        FROM tenants t LEFT JOIN calendar_now c ON c.tenant_id = t.id, jsonb_each_text(calendar_limits(t.limits, c.scale, c.submissions)) l WHERE tenant_ids IS NULL OR t.id = ANY (tenant_ids)
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
RESET ROLE;

-- ---- what `firstbell jobs` asks; the clock is that of who asks

-- Brings what the edges are told to what the calendar says of a moment. The greatest factor of all events that are under way counts. next_at is when it
-- may say something else; NULL: never.
CREATE FUNCTION calendar_apply(moment timestamptz, OUT changed integer, OUT next_at timestamptz)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    ended integer;
BEGIN
    PERFORM pg_advisory_xact_lock(518740224);
    WITH now_is AS (
        SELECT o.tenant_id, max(f.scale) AS scale, max(greatest(f.submissions, f.scale)) AS submissions, bool_or(f.exam) AS exam
        FROM calendar_occurrences o JOIN calendar_events e ON e.tenant_id = o.tenant_id AND e.id = o.event_id,
             LATERAL calendar_effect(o.tenant_id) f
        WHERE tstzrange(o.from_at, o.until_at) @> moment AND f.kind = e.kind GROUP BY o.tenant_id
    ), gone AS (
        DELETE FROM calendar_now n WHERE NOT EXISTS (SELECT FROM now_is i WHERE i.tenant_id = n.tenant_id) RETURNING 1
    ), put AS (
        INSERT INTO calendar_now AS n (tenant_id, scale, submissions, exam) SELECT i.tenant_id, i.scale, i.submissions, i.exam FROM now_is i
        ON CONFLICT (tenant_id) DO UPDATE SET scale = EXCLUDED.scale, submissions = EXCLUDED.submissions, exam = EXCLUDED.exam
        WHERE (n.scale, n.submissions, n.exam) IS DISTINCT FROM (EXCLUDED.scale, EXCLUDED.submissions, EXCLUDED.exam) RETURNING 1
    )
    SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM put) INTO ended, changed;
    changed := changed + ended;
    SELECT least((SELECT min(o.from_at) FROM calendar_occurrences o WHERE o.from_at > moment),
                 (SELECT min(o.until_at) FROM calendar_occurrences o WHERE o.until_at > moment),
                 (SELECT min(o.warm_at) FROM calendar_occurrences o WHERE o.warm_at > moment AND o.warmed_at IS NULL)) INTO next_at;
END $$;

-- One district for which it is time to warm: those of its events that are not yet begun are noted as cared for. for_s: seconds until the first of them.
CREATE FUNCTION calendar_warm_claim(moment timestamptz) RETURNS TABLE (tenant text, courses integer, for_s integer)
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH due AS (
        SELECT o.tenant_id, o.event_id, o.starts_at, o.peak_at, e.kind
        FROM calendar_occurrences o JOIN calendar_events e ON e.tenant_id = o.tenant_id AND e.id = o.event_id
        WHERE o.warm_at <= moment AND o.warmed_at IS NULL AND o.peak_at > moment
        ORDER BY o.peak_at FOR UPDATE OF o SKIP LOCKED
    ), first AS (
        SELECT d.tenant_id FROM due d ORDER BY d.peak_at, d.tenant_id LIMIT 1
    ), claimed AS (
        UPDATE calendar_occurrences o SET warmed_at = moment FROM due d
        WHERE d.tenant_id = (SELECT tenant_id FROM first) AND o.tenant_id = d.tenant_id AND o.event_id = d.event_id AND o.starts_at = d.starts_at
        RETURNING o.tenant_id, o.peak_at, d.kind
    )
    SELECT t.name, max(f.warm_courses), ceil(extract(epoch FROM min(c.peak_at) - moment))::integer
    FROM claimed c JOIN tenants t ON t.id = c.tenant_id, LATERAL calendar_effect(c.tenant_id) f WHERE f.kind = c.kind GROUP BY t.name
    $$;

-- Whether events are to be laid out, further or anew; what is over for long is thrown away.
CREATE FUNCTION calendar_tidy(moment timestamptz, further_until timestamptz) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM calendar_occurrences o WHERE o.until_at < moment - interval '60 days';
    SELECT EXISTS (SELECT FROM calendar_events e WHERE e.laid_out_until IS NULL OR e.laid_out_until < further_until)
    $$;

-- The districts that have such events.
CREATE FUNCTION calendar_tenants_to_lay_out(further_until timestamptz) RETURNS TABLE (tenant integer)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT t.id FROM tenants t
    WHERE EXISTS (SELECT FROM calendar_events e WHERE e.tenant_id = t.id AND (e.laid_out_until IS NULL OR e.laid_out_until < further_until))
    ORDER BY t.id
    $$;

REVOKE ALL ON FUNCTION calendar_apply(timestamptz), calendar_warm_claim(timestamptz), calendar_tidy(timestamptz, timestamptz),
    calendar_tenants_to_lay_out(timestamptz), calendar_told() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION calendar_apply(timestamptz), calendar_warm_claim(timestamptz), calendar_tidy(timestamptz, timestamptz) TO fb_app;
GRANT EXECUTE ON FUNCTION calendar_tenants_to_lay_out(timestamptz) TO fb_operator;
ALTER FUNCTION calendar_apply(timestamptz) OWNER TO fb_system;
ALTER FUNCTION calendar_warm_claim(timestamptz) OWNER TO fb_system;
ALTER FUNCTION calendar_tidy(timestamptz, timestamptz) OWNER TO fb_system;
ALTER FUNCTION calendar_tenants_to_lay_out(timestamptz) OWNER TO fb_system;
ALTER FUNCTION calendar_told() OWNER TO fb_system;
