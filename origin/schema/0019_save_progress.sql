-- Saves of progress, many in one commit (origin/db/batch.h). The rules of a save are here and nowhere else: for clients (origin/progress) and for what
-- edges saw (origin/jobs). Their plans are made once a connection: to make them anew for each call, as PostgreSQL would because they seem to be cheaper
-- then, takes longer than a batch.

-- Saves what students of one tenant, the current one, have done of items; an element of each array is one save. A video is completed by its percent, a
-- reading or an assignment by the student's word, a quiz only by an attempt (quizzes take no percent either). Nothing goes back: status and percent
-- are the greatest seen, times the earliest; of positions the last one given counts, in the order of the arrays. Time cannot pass faster than the
-- clock between two saves, nor backwards when the clock was set; of saves of one item that came together the longest time counts, because they were
-- made in the same moment. All that is saved is one event in the outbox.
--
-- A row for each element, by its number from 1: refused is 0 when it is saved, 2 for an item that is not this student's, 3 for one that is locked,
-- with the titles of what has to be finished first. Two that save the same rows at the same time lock them in the same order.
CREATE FUNCTION save_progress(tenant integer, users bigint[], items bigint[], positions_ms integer[], percents smallint[], times_s integer[],
                              words boolean[])
    RETURNS TABLE (n integer, refused smallint, missing text, status smallint, percent smallint, score_hundredths integer, position_ms integer,
                   time_spent_s integer, started_at timestamptz, completed_at timestamptz)
    LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT a.n::integer, a.item_id, a.position_ms, a.percent, a.time_s, s.enrollment_id, s.kind, s.locked,
               (s.kind = 1 AND a.percent >= 90) OR (s.kind IN (2, 4) AND a.word) AS done
        FROM unnest(users, items, positions_ms, percents, times_s, words) WITH ORDINALITY
             AS a (user_id, item_id, position_ms, percent, time_s, word, n)
        LEFT JOIN LATERAL student_item(tenant, a.user_id, a.item_id) s ON true
    ), merged AS MATERIALIZED (
        SELECT a.enrollment_id, a.item_id, min(a.kind) AS kind, bool_or(a.done) AS done, max(a.percent) AS percent, max(a.time_s) AS time_s,
               (array_agg(a.position_ms ORDER BY a.n DESC) FILTER (WHERE a.position_ms IS NOT NULL))[1] AS position_ms
        FROM asked a WHERE NOT a.locked GROUP BY a.enrollment_id, a.item_id
    ), saved AS (
        INSERT INTO progress AS p (tenant_id, enrollment_id, item_id, status, percent, position_ms, time_spent_s, started_at, completed_at)
        SELECT tenant, m.enrollment_id, m.item_id, CASE WHEN m.done THEN 2 ELSE 1 END,
               CASE WHEN m.done THEN 100 WHEN m.kind = 3 THEN 0 ELSE least(m.percent, 99) END,
               coalesce(m.position_ms, 0), m.time_s, now(), CASE WHEN m.done THEN now() END
        FROM merged m ORDER BY m.enrollment_id, m.item_id
        ON CONFLICT (tenant_id, enrollment_id, item_id) DO UPDATE SET
            status = greatest(p.status, excluded.status), percent = greatest(p.percent, excluded.percent),
            -- 0 is the beginning, or that none was given
            position_ms = CASE WHEN excluded.position_ms > 0 THEN excluded.position_ms ELSE
                coalesce((SELECT m.position_ms FROM merged m WHERE m.enrollment_id = p.enrollment_id AND m.item_id = p.item_id), p.position_ms) END,
            time_spent_s = p.time_spent_s
                + greatest(0, least(excluded.time_spent_s, 1 + ceil(extract(epoch FROM now() - p.updated_at))::integer)),
            started_at = coalesce(p.started_at, excluded.started_at), completed_at = coalesce(p.completed_at, excluded.completed_at),
            updated_at = now()
        RETURNING p.*
    ), told AS (
        INSERT INTO outbox (tenant_id, topic, payload)
        SELECT tenant, 'progress.saved', jsonb_build_object('saves', jsonb_agg(jsonb_build_object(
                   'enrollment_id', s.enrollment_id, 'item_id', s.item_id, 'status', s.status, 'percent', s.percent,
                   'position_ms', s.position_ms, 'time_spent_s', s.time_spent_s)))
        FROM saved s HAVING count(*) > 0
    )
    SELECT a.n, CASE WHEN a.enrollment_id IS NULL THEN 2 WHEN a.locked THEN 3 ELSE 0 END::smallint,
           CASE WHEN a.locked THEN (SELECT string_agg(m.title, '; ') FROM missing_prerequisites(tenant, a.enrollment_id, a.item_id) m) END,
           s.status, s.percent, s.score_hundredths, s.position_ms, s.time_spent_s, s.started_at, s.completed_at
    FROM asked a LEFT JOIN saved s ON s.enrollment_id = a.enrollment_id AND s.item_id = a.item_id;
END $$;
GRANT EXECUTE ON FUNCTION save_progress(integer, bigint[], bigint[], integer[], smallint[], integer[], boolean[]) TO fb_app;

-- The same for clients of several tenants: each tenant's saves are made under that tenant, behind its wall, in the order of tenants. Only what comes
-- with a session that holds is saved (as session_enter has it); refused is 1 for the others.
CREATE FUNCTION save_progress_batch(tenants integer[], sids text[], users bigint[], roles smallint[], items bigint[], positions_ms integer[],
                                    percents smallint[], times_s integer[], words boolean[])
    RETURNS TABLE (n integer, refused smallint, missing text, status smallint, percent smallint, score_hundredths integer, position_ms integer,
                   time_spent_s integer, started_at timestamptz, completed_at timestamptz)
    LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    tenant integer;
    theirs record;
BEGIN
    FOR tenant IN SELECT DISTINCT t FROM unnest(tenants) t ORDER BY t LOOP
        PERFORM set_config('app.tenant', tenant::text, true);
        SELECT array_agg(a.n::integer ORDER BY a.n) FILTER (WHERE a.holds) AS ns,
               array_agg(a.n::integer) FILTER (WHERE NOT a.holds) AS ended,
               array_agg(a.user_id ORDER BY a.n) FILTER (WHERE a.holds) AS users,
               array_agg(a.item_id ORDER BY a.n) FILTER (WHERE a.holds) AS items,
               array_agg(a.position_ms ORDER BY a.n) FILTER (WHERE a.holds) AS positions_ms,
               array_agg(a.percent ORDER BY a.n) FILTER (WHERE a.holds) AS percents,
               array_agg(a.time_s ORDER BY a.n) FILTER (WHERE a.holds) AS times_s,
               array_agg(a.word ORDER BY a.n) FILTER (WHERE a.holds) AS words
        INTO theirs
        FROM (SELECT b.*, EXISTS (SELECT FROM sessions s JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
                                  WHERE s.tenant_id = tenant AND s.sid = b.sid AND s.user_id = b.user_id AND s.expires_at > now()
                                    AND u.role = b.role AND u.enabled AND u.status = 1) AS holds
              FROM unnest(tenants, sids, users, roles, items, positions_ms, percents, times_s, words) WITH ORDINALITY
                   AS b (tenant_id, sid, user_id, role, item_id, position_ms, percent, time_s, word, n)
              WHERE b.tenant_id = tenant) a;
        RETURN QUERY SELECT e.n, 1::smallint, NULL::text, NULL::smallint, NULL::smallint, NULL::integer, NULL::integer, NULL::integer,
                            NULL::timestamptz, NULL::timestamptz
                     FROM unnest(theirs.ended) e (n);
        IF theirs.ns IS NOT NULL THEN
            RETURN QUERY SELECT theirs.ns[s.n], s.refused, s.missing, s.status, s.percent, s.score_hundredths, s.position_ms, s.time_spent_s,
                                s.started_at, s.completed_at
                         FROM save_progress(tenant, theirs.users, theirs.items, theirs.positions_ms, theirs.percents, theirs.times_s, theirs.words) s;
        END IF;
    END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION save_progress_batch(integer[], text[], bigint[], smallint[], bigint[], integer[], smallint[], integer[], boolean[]) TO fb_app;
