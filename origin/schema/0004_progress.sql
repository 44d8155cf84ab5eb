-- One row a student's enrollment and item. Saves only ever move forward: status and percent are the greatest seen, times the earliest. Updated
-- columns are in no index, so that updates stay HOT.

CREATE TABLE progress (
    tenant_id integer NOT NULL REFERENCES tenants,
    enrollment_id bigint NOT NULL,
    item_id bigint NOT NULL,
    status smallint NOT NULL DEFAULT 0 CHECK (status BETWEEN 0 AND 2), -- 0 not started, 1 in progress, 2 completed
    percent smallint NOT NULL DEFAULT 0 CHECK (percent BETWEEN 0 AND 100),
    score_hundredths integer CHECK (score_hundredths BETWEEN 0 AND 10000), -- best attempt, of 100
    position_ms integer NOT NULL DEFAULT 0 CHECK (position_ms >= 0),
    time_spent_s integer NOT NULL DEFAULT 0 CHECK (time_spent_s >= 0),
    started_at timestamptz,
    completed_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, enrollment_id, item_id),
    FOREIGN KEY (tenant_id, enrollment_id) REFERENCES enrollments,
    FOREIGN KEY (tenant_id, item_id) REFERENCES items
) PARTITION BY HASH (tenant_id);

DO $$
BEGIN
    FOR i IN 0..7 LOOP
        EXECUTE format('CREATE TABLE progress_%s PARTITION OF progress FOR VALUES WITH (MODULUS 8, REMAINDER %s) WITH (fillfactor = 80)', i, i);
        -- A partition can be named directly: it has a wall of its own.
        EXECUTE format('CALL tenant_wall(%L)', 'progress_' || i);
    END LOOP;
END $$;
CALL tenant_wall('progress');

-- Which required items an enrollment has not met yet. Empty: the item is open.
CREATE FUNCTION missing_prerequisites(tenant integer, enrollment bigint, item bigint)
    RETURNS TABLE (item_id bigint, title text, need_hundredths integer, have_hundredths integer)
    LANGUAGE sql STABLE AS $$
    SELECT r.id, r.title, q.minimum_score_hundredths, p.score_hundredths
    FROM prerequisites q
    JOIN items r ON r.tenant_id = tenant AND r.id = q.required_item_id
    LEFT JOIN progress p ON p.tenant_id = tenant AND p.enrollment_id = enrollment AND p.item_id = q.required_item_id
    WHERE q.tenant_id = tenant AND q.item_id = item AND NOT r.retired
      AND NOT (coalesce(p.status, 0) = 2 AND (q.minimum_score_hundredths IS NULL OR coalesce(p.score_hundredths, 0) >= q.minimum_score_hundredths))
    ORDER BY r.id
$$;
GRANT EXECUTE ON FUNCTION missing_prerequisites(integer, bigint, bigint) TO fb_app;

-- The item as one student meets it: through which enrollment, and whether it is still locked. No row: it is not theirs.
CREATE FUNCTION student_item(tenant integer, student bigint, item bigint)
    RETURNS TABLE (enrollment_id bigint, kind smallint, course_id bigint, locked boolean)
    LANGUAGE sql STABLE AS $$
    SELECT e.id, i.kind, i.course_id, EXISTS (SELECT FROM missing_prerequisites(tenant, e.id, i.id))
    FROM items i
    JOIN classes k ON k.tenant_id = tenant AND k.course_id = i.course_id AND k.status = 1
    JOIN enrollments e ON e.tenant_id = tenant AND e.class_id = k.id AND e.user_id = student AND e.role = 3 AND e.status = 1
    WHERE i.tenant_id = tenant AND i.id = item AND NOT i.retired
    ORDER BY e.id LIMIT 1
$$;
GRANT EXECUTE ON FUNCTION student_item(integer, bigint, bigint) TO fb_app;
