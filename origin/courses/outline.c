#include "origin/content/item.h"
#include "origin/courses/courses.h"
#include "origin/courses/enrolled_sql.h"
#include "origin/server/reply.h"

const fb_stmt fb_sql_course_head = {
    "course_head",
    FB_ENROLLED_IN("$3") "SELECT c.id, c.title, me.class_title FROM me JOIN courses c ON c.tenant_id = $1 AND c.id = $3",
    3,
};

const fb_stmt fb_sql_course_items = {
    "course_items",
    FB_ENROLLED_IN("$3") "SELECT m.id, m.title, l.id, l.title, i.id, i.kind, i.title, CASE WHEN me.role = 3 THEN " FB_MISSING_COLUMN
                         " END, " FB_PROGRESS_COLUMNS " "
                         "FROM me JOIN items i ON i.tenant_id = $1 AND i.course_id = $3 AND NOT i.retired "
                         "JOIN lessons l ON l.tenant_id = $1 AND l.id = i.lesson_id JOIN modules m ON m.tenant_id = $1 AND m.id = l.module_id "
                         "LEFT JOIN progress p ON p.tenant_id = $1 AND p.enrollment_id = me.id AND p.item_id = i.id "
                         "ORDER BY m.position, m.id, l.position, l.id, i.position, i.id LIMIT 2000",
    3,
};

enum { MODULE_ID, MODULE_TITLE, LESSON_ID, LESSON_TITLE, ITEM_ID, ITEM_KIND, ITEM_TITLE, MISSING, PROGRESS };

static void write_item(bell_json *j, const PGresult *r, int row) {
    bell_json_object_open(j);
    fb_col_write_int(j, "id", r, row, ITEM_ID);
    bell_json_key(j, "kind");
    bell_json_z(j, fb_item_kind_name(fb_col_i64(r, row, ITEM_KIND)));
    fb_col_write_str(j, "title", r, row, ITEM_TITLE);
    fb_item_write_progress(j, r, row, PROGRESS);
    fb_item_write_lock(j, r, row, MISSING);
    bell_json_object_close(j);
}

static void open_named(bell_json *j, const PGresult *r, int row, int id_col, const char *children) {
    bell_json_object_open(j);
    fb_col_write_int(j, "id", r, row, id_col);
    fb_col_write_str(j, "title", r, row, id_col + 1);
    bell_json_key(j, children);
    bell_json_array_open(j);
}

static void close_named(bell_json *j) {
    bell_json_array_close(j);
    bell_json_object_close(j);
}

static bool same(const PGresult *r, int row, int col) {
    return row > 0 && bell_str_eq(fb_col(r, row, col), fb_col(r, row - 1, col));
}

/* The rows come in order; a module and a lesson open where their id changes. */
static void write_modules(bell_json *j, const PGresult *r) {
    int n = PQntuples(r);

    for (int row = 0; row < n; row++) {
        bool new_module = !same(r, row, MODULE_ID), new_lesson = new_module || !same(r, row, LESSON_ID);
        if (new_lesson && row > 0) {
            close_named(j);
        }
        if (new_module && row > 0) {
            close_named(j);
        }
        if (new_module) {
            open_named(j, r, row, MODULE_ID, "lessons");
        }
        if (new_lesson) {
            open_named(j, r, row, LESSON_ID, "items");
        }
        write_item(j, r, row);
    }
    if (n > 0) {
        close_named(j);
        close_named(j);
    }
}

static int64_t mean_percent(const PGresult *r) {
    int64_t sum = 0, n = PQntuples(r);
    for (int row = 0; row < n; row++) {
        sum += fb_col_i64(r, row, PROGRESS + 1);
    }
    return n > 0 ? (sum + n / 2) / n : 0;
}

static void answer(fb_job *job) {
    const PGresult *head = fb_rows(job, 0), *items = fb_rows(job, 1);
    bell_json j;

    if (PQntuples(head) == 0) {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
        return;
    }
    fb_reply_json_begin(job, &j);
    bell_json_object_open(&j);
    fb_col_write_int(&j, "id", head, 0, 0);
    fb_col_write_str(&j, "title", head, 0, 1);
    fb_col_write_str(&j, "class_title", head, 0, 2);
    bell_json_key(&j, "percent");
    bell_json_int(&j, mean_percent(items));
    bell_json_key(&j, "modules");
    bell_json_array_open(&j);
    write_modules(&j, items);
    bell_json_array_close(&j);
    bell_json_object_close(&j);
    fb_reply_json(job, &j, 200);
}

void fb_course_outline(fb_job *job) {
    const char *tenant = fb_text_i64(job, job->tenant_id), *user = fb_text_i64(job, (int64_t)job->session.user_id);
    const char *course = fb_text_i64(job, (int64_t)job->ids[0]);

    fb_call_add(job, &fb_sql_course_head, tenant, user, course);
    fb_call_add(job, &fb_sql_course_items, tenant, user, course);
    fb_await_db(job, answer);
}
