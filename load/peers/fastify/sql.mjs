// The statements, with the joins of origin/courses/outline.c. $1 tenant, $2 user, $3 course.

const me = `WITH me AS (
    SELECT e.id, e.role, k.title AS class_title FROM enrollments e JOIN classes k ON k.tenant_id = $1 AND k.id = e.class_id
    WHERE e.tenant_id = $1 AND e.user_id = $2 AND k.course_id = $3 AND e.status = 1 AND k.status = 1 AND e.role IN (3, 4)
    ORDER BY e.role, e.id LIMIT 1)`;

export const head = `${me} SELECT c.id, c.title, me.class_title FROM me JOIN courses c ON c.tenant_id = $1 AND c.id = $3`;

const utc = (column) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;

export const items = `${me}
    SELECT m.id, m.title, l.id, l.title, i.id, i.kind, i.title,
        CASE WHEN me.role = 3 THEN (
            SELECT json_agg(json_build_object('item_id', x.item_id, 'title', x.title, 'need_score', trim_scale(x.need_hundredths / 100.0),
                'have_score', trim_scale(x.have_hundredths / 100.0))) FROM missing_prerequisites($1, me.id, i.id) x) END,
        coalesce(p.status, 0), coalesce(p.percent, 0), p.score_hundredths, coalesce(p.position_ms, 0), coalesce(p.time_spent_s, 0),
        ${utc('p.started_at')}, ${utc('p.completed_at')}
    FROM me JOIN items i ON i.tenant_id = $1 AND i.course_id = $3 AND NOT i.retired
    JOIN lessons l ON l.tenant_id = $1 AND l.id = i.lesson_id JOIN modules m ON m.tenant_id = $1 AND m.id = l.module_id
    LEFT JOIN progress p ON p.tenant_id = $1 AND p.enrollment_id = me.id AND p.item_id = i.id
    ORDER BY m.position, m.id, l.position, l.id, i.position, i.id LIMIT 2000`;
