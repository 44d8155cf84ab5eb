// The statements, with the joins of origin/courses/outline.c. $1 tenant, $2 user, $3 course; those that are the same for everybody: $2 course.

const me = `WITH me AS (
    SELECT e.id, e.role, k.title AS class_title FROM enrollments e JOIN classes k ON k.tenant_id = $1 AND k.id = e.class_id
    WHERE e.tenant_id = $1 AND e.user_id = $2 AND k.course_id = $3 AND e.status = 1 AND k.status = 1 AND e.role IN (3, 4)
    ORDER BY e.role, e.id LIMIT 1)`;

export const head = `${me} SELECT c.id, c.title, me.class_title FROM me JOIN courses c ON c.tenant_id = $1 AND c.id = $3`;

const utc = (column) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;

const epoch = (column) => `floor(date_part('epoch', ${column}))::bigint`;

const progress = (time) => `coalesce(p.status, 0), coalesce(p.percent, 0), p.score_hundredths, coalesce(p.position_ms, 0), coalesce(p.time_spent_s, 0),
        ${time('p.started_at')}, ${time('p.completed_at')}`;

export const items = `${me}
    SELECT m.id, m.title, l.id, l.title, i.id, i.kind, i.title,
        CASE WHEN me.role = 3 THEN (
            SELECT json_agg(json_build_object('item_id', x.item_id, 'title', x.title, 'need_score', trim_scale(x.need_hundredths / 100.0),
                'have_score', trim_scale(x.have_hundredths / 100.0))) FROM missing_prerequisites($1, me.id, i.id) x) END,
        ${progress(utc)}
    FROM me JOIN items i ON i.tenant_id = $1 AND i.course_id = $3 AND NOT i.retired
    JOIN lessons l ON l.tenant_id = $1 AND l.id = i.lesson_id JOIN modules m ON m.tenant_id = $1 AND m.id = l.module_id
    LEFT JOIN progress p ON p.tenant_id = $1 AND p.enrollment_id = me.id AND p.item_id = i.id
    ORDER BY m.position, m.id, l.position, l.id, i.position, i.id LIMIT 2000`;

// What is the student's own, and what is everybody's.

export const own = `${me}
    SELECT c.content_version, c.id, c.title, me.class_title, me.role, p.item_id, ${progress(epoch)}
    FROM me JOIN courses c ON c.tenant_id = $1 AND c.id = $3
    LEFT JOIN progress p ON p.tenant_id = $1 AND p.enrollment_id = me.id LIMIT 20000`;

export const contentItems = `SELECT c.content_version, m.id, m.title, l.id, l.title, i.id, i.kind, i.title FROM courses c
    JOIN items i ON i.tenant_id = $1 AND i.course_id = c.id AND NOT i.retired
    JOIN lessons l ON l.tenant_id = $1 AND l.id = i.lesson_id JOIN modules m ON m.tenant_id = $1 AND m.id = l.module_id
    WHERE c.tenant_id = $1 AND c.id = $2 ORDER BY m.position, m.id, l.position, l.id, i.position, i.id LIMIT 2000`;

export const contentPrerequisites = `SELECT q.item_id, r.id, r.title, q.minimum_score_hundredths
    FROM items i JOIN prerequisites q ON q.tenant_id = $1 AND q.item_id = i.id
    JOIN items r ON r.tenant_id = $1 AND r.id = q.required_item_id AND NOT r.retired
    WHERE i.tenant_id = $1 AND i.course_id = $2 AND NOT i.retired ORDER BY q.item_id, r.id LIMIT 20000`;
