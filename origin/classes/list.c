#include "origin/classes/classes.h"
#include "origin/server/reply.h"

const fb_stmt fb_sql_classes_mine = {
    "classes_mine",
    "SELECT k.id, k.title, c.id, c.title, o.name, "
    "(SELECT string_agg(s.title, ', ' ORDER BY s.start_date) FROM class_terms t JOIN academic_sessions s ON s.tenant_id = $1 AND s.id = "
    "t.academic_session_id "
    " WHERE t.tenant_id = $1 AND t.class_id = k.id), "
    "(SELECT count(*) FROM enrollments s JOIN users u ON u.tenant_id = $1 AND u.id = s.user_id AND u.status = 1 WHERE s.tenant_id = $1 AND "
    "s.class_id = k.id AND s.role = 3 AND s.status = 1), "
    "(SELECT coalesce(round(avg(coalesce(p.percent, 0))), 0) FROM enrollments s "
    " JOIN users u ON u.tenant_id = $1 AND u.id = s.user_id AND u.status = 1 "
    " JOIN items i ON i.tenant_id = $1 AND i.course_id = k.course_id AND NOT i.retired "
    " LEFT JOIN progress p ON p.tenant_id = $1 AND p.enrollment_id = s.id AND p.item_id = i.id "
    " WHERE s.tenant_id = $1 AND s.class_id = k.id AND s.role = 3 AND s.status = 1) "
    "FROM (SELECT DISTINCT e.class_id FROM enrollments e WHERE e.tenant_id = $1 AND e.user_id = $2 AND e.role = 4 AND e.status = 1) e "
    "JOIN classes k ON k.tenant_id = $1 AND k.id = e.class_id AND k.status = 1 "
    "JOIN courses c ON c.tenant_id = $1 AND c.id = k.course_id "
    "JOIN orgs o ON o.tenant_id = $1 AND o.id = k.school_id "
    "ORDER BY k.title, k.id LIMIT 200",
    2,
};

static void write_class(bell_json *j, const PGresult *r, int row) {
    bell_json_object_open(j);
    fb_col_write_int(j, "id", r, row, 0);
    fb_col_write_str(j, "title", r, row, 1);
    fb_col_write_int(j, "course_id", r, row, 2);
    fb_col_write_str(j, "course_title", r, row, 3);
    fb_col_write_str(j, "school", r, row, 4);
    fb_col_write_str(j, "term", r, row, 5);
    fb_col_write_int(j, "students", r, row, 6);
    fb_col_write_int(j, "average_percent", r, row, 7);
    bell_json_object_close(j);
}

static void answer(fb_job *job) {
    fb_reply_rows(job, "classes", write_class);
}

void fb_classes_list(fb_job *job) {
    fb_call_add(job, &fb_sql_classes_mine, fb_text_i64(job, job->tenant_id), fb_text_i64(job, (int64_t)job->session.user_id));
    fb_await_db(job, answer);
}
