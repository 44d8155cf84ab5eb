#include "origin/courses/courses.h"
#include "origin/server/reply.h"

/* Percent of a course: the mean over its items. The next lesson: the first, in order, with an item that is not completed. */
const fb_stmt fb_sql_courses_mine = {
    "courses_mine",
    "SELECT c.id, c.title, k.title, o.name, n.items, n.completed, n.percent, "
    "(SELECT u.given_name || ' ' || u.family_name FROM enrollments t JOIN users u ON u.tenant_id = $1 AND u.id = t.user_id "
    " WHERE t.tenant_id = $1 AND t.class_id = k.id AND t.role = 4 AND t.status = 1 ORDER BY t.is_primary DESC, t.id LIMIT 1), "
    "(SELECT l.id FROM items i JOIN lessons l ON l.tenant_id = $1 AND l.id = i.lesson_id JOIN modules m ON m.tenant_id = $1 AND m.id = l.module_id "
    " LEFT JOIN progress p ON p.tenant_id = $1 AND p.enrollment_id = e.id AND p.item_id = i.id "
    " WHERE i.tenant_id = $1 AND i.course_id = c.id AND NOT i.retired AND coalesce(p.status, 0) < 2 ORDER BY m.position, l.position LIMIT 1) "
    "FROM (SELECT DISTINCT ON (k.course_id) e.id, e.class_id FROM enrollments e JOIN classes k ON k.tenant_id = $1 AND k.id = e.class_id "
    "      WHERE e.tenant_id = $1 AND e.user_id = $2 AND e.status = 1 AND e.role IN (3, 4) AND k.status = 1 ORDER BY k.course_id, e.role, e.id) e "
    "JOIN classes k ON k.tenant_id = $1 AND k.id = e.class_id "
    "JOIN courses c ON c.tenant_id = $1 AND c.id = k.course_id "
    "JOIN orgs o ON o.tenant_id = $1 AND o.id = k.school_id "
    "CROSS JOIN LATERAL (SELECT count(*) AS items, count(*) FILTER (WHERE p.status = 2) AS completed, "
    "                    coalesce(round(avg(coalesce(p.percent, 0))), 0) AS percent "
    "  FROM items i LEFT JOIN progress p ON p.tenant_id = $1 AND p.enrollment_id = e.id AND p.item_id = i.id "
    "  WHERE i.tenant_id = $1 AND i.course_id = c.id AND NOT i.retired) n "
    "ORDER BY n.items = 0, c.title, c.id LIMIT 200",
    2,
};

static void write_course(bell_json *j, const PGresult *r, int row) {
    bell_json_object_open(j);
    fb_col_write_int(j, "id", r, row, 0);
    fb_col_write_str(j, "title", r, row, 1);
    fb_col_write_str(j, "class_title", r, row, 2);
    fb_col_write_str(j, "school", r, row, 3);
    fb_col_write_int(j, "items", r, row, 4);
    fb_col_write_int(j, "items_completed", r, row, 5);
    fb_col_write_int(j, "percent", r, row, 6);
    fb_col_write_str(j, "teacher", r, row, 7);
    fb_col_write_int_or_null(j, "next_lesson_id", r, row, 8);
    bell_json_object_close(j);
}

static void answer(fb_job *job) {
    fb_reply_rows(job, "courses", write_course);
}

void fb_courses_list(fb_job *job) {
    fb_call_add(job, &fb_sql_courses_mine, fb_text_i64(job, job->tenant_id), fb_text_i64(job, (int64_t)job->session.user_id));
    fb_await_db(job, answer);
}
