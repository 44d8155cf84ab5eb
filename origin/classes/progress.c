#include "origin/classes/classes.h"
#include "origin/content/item.h"
#include "origin/content/sql.h"
#include "origin/server/reply.h"

const fb_stmt fb_sql_class_head = {
    "class_head",
    "SELECT k.id, k.title, c.id, c.title FROM classes k JOIN courses c ON c.tenant_id = $1 AND c.id = k.course_id "
    "WHERE k.tenant_id = $1 AND k.id = $3 AND k.status = 1 AND " FB_SQL_TAUGHT,
    3,
};

const fb_stmt fb_sql_class_items = {
    "class_items",
    "SELECT i.id, i.title, i.kind FROM classes k JOIN items i ON i.tenant_id = $1 AND i.course_id = k.course_id AND NOT i.retired "
    "JOIN lessons l ON l.tenant_id = $1 AND l.id = i.lesson_id JOIN modules m ON m.tenant_id = $1 AND m.id = l.module_id "
    "WHERE k.tenant_id = $1 AND k.id = $3 AND " FB_SQL_TAUGHT " ORDER BY m.position, m.id, l.position, l.id, i.position, i.id LIMIT 500",
    3,
};

/* One row a student and item; a student without items has one row with item columns NULL. In the order of class_items within a student. */
const fb_stmt fb_sql_class_progress = {
    "class_progress",
    "SELECT u.id, u.given_name, u.family_name, i.id, coalesce(p.status, 0), coalesce(p.percent, 0), p.score_hundredths, " FB_SQL_TIME(
        "p.updated_at") " "
                        "FROM classes k JOIN enrollments e ON e.tenant_id = $1 AND e.class_id = k.id AND e.role = 3 AND e.status = 1 "
                        "JOIN users u ON u.tenant_id = $1 AND u.id = e.user_id AND u.status = 1 "
                        "LEFT JOIN (items i JOIN lessons l ON l.tenant_id = $1 AND l.id = i.lesson_id JOIN modules m ON m.tenant_id = $1 AND m.id = "
                        "l.module_id) "
                        "  ON i.tenant_id = $1 AND i.course_id = k.course_id AND NOT i.retired "
                        "LEFT JOIN progress p ON p.tenant_id = $1 AND p.enrollment_id = e.id AND p.item_id = i.id "
                        "WHERE k.tenant_id = $1 AND k.id = $3 AND " FB_SQL_TAUGHT
                        " ORDER BY u.family_name, u.given_name, u.id, m.position, m.id, l.position, l.id, i.position, i.id LIMIT 100000",
    3,
};

enum { USER_ID, GIVEN_NAME, FAMILY_NAME, ITEM_ID, STATUS, PERCENT, SCORE, UPDATED_AT };

static void write_item(bell_json *j, const PGresult *r, int row) {
    bell_json_object_open(j);
    fb_col_write_int(j, "id", r, row, 0);
    fb_col_write_str(j, "title", r, row, 1);
    bell_json_key(j, "kind");
    bell_json_z(j, fb_item_kind_name(fb_col_i64(r, row, 2)));
    bell_json_object_close(j);
}

static void write_cell(bell_json *j, const PGresult *r, int row) {
    bell_json_object_open(j);
    bell_json_key(j, "status");
    bell_json_z(j, fb_progress_status_name(fb_col_i64(r, row, STATUS)));
    fb_col_write_int(j, "percent", r, row, PERCENT);
    bell_json_key(j, "score");
    if (PQgetisnull(r, row, SCORE)) {
        bell_json_null(j);
    } else {
        bell_json_fixed(j, fb_col_i64(r, row, SCORE), 2);
    }
    bell_json_object_close(j);
}

/* What is said of a student over all items: rows [first, end). */
static void write_summary(bell_json *j, const PGresult *r, int first, int end) {
    int64_t sum = 0, completed = 0, n = 0;
    bell_str last = BELL_STR_NULL;

    for (int row = first; row < end; row++) {
        if (PQgetisnull(r, row, ITEM_ID)) {
            continue;
        }
        n++;
        sum += fb_col_i64(r, row, PERCENT);
        completed += fb_col_i64(r, row, STATUS) == 2;
        bell_str at = fb_col(r, row, UPDATED_AT); /* of one form: the order of the text is that of time */
        if (at.len > 0 && (last.p == NULL || memcmp(at.p, last.p, last.len) > 0)) {
            last = at;
        }
    }
    bell_json_key(j, "percent");
    bell_json_int(j, n > 0 ? (sum + n / 2) / n : 0);
    bell_json_key(j, "completed");
    bell_json_int(j, completed);
    bell_json_key(j, "last_activity_at");
    if (last.p == NULL) {
        bell_json_null(j);
    } else {
        bell_json_str(j, last);
    }
}

static int write_student(bell_json *j, const PGresult *r, int first) {
    int end = first + 1;
    while (end < PQntuples(r) && bell_str_eq(fb_col(r, end, USER_ID), fb_col(r, first, USER_ID))) {
        end++;
    }
    bell_json_object_open(j);
    fb_col_write_int(j, "user_id", r, first, USER_ID);
    fb_col_write_str(j, "given_name", r, first, GIVEN_NAME);
    fb_col_write_str(j, "family_name", r, first, FAMILY_NAME);
    write_summary(j, r, first, end);
    bell_json_key(j, "items");
    bell_json_array_open(j);
    for (int row = first; row < end; row++) {
        if (!PQgetisnull(r, row, ITEM_ID)) {
            write_cell(j, r, row);
        }
    }
    bell_json_array_close(j);
    bell_json_object_close(j);
    return end;
}

static void answer(fb_job *job) {
    const PGresult *head = fb_rows(job, 0), *rows = fb_rows(job, 2);
    bell_json j;

    if (PQntuples(head) == 0) {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
        return;
    }
    fb_reply_json_begin(job, &j);
    bell_json_object_open(&j);
    fb_col_write_int(&j, "id", head, 0, 0);
    fb_col_write_str(&j, "title", head, 0, 1);
    bell_json_key(&j, "course");
    bell_json_object_open(&j);
    fb_col_write_int(&j, "id", head, 0, 2);
    fb_col_write_str(&j, "title", head, 0, 3);
    bell_json_object_close(&j);
    fb_rows_write(&j, "items", fb_rows(job, 1), write_item);
    bell_json_key(&j, "students");
    bell_json_array_open(&j);
    for (int row = 0; row < PQntuples(rows);) {
        row = write_student(&j, rows, row);
    }
    bell_json_array_close(&j);
    bell_json_object_close(&j);
    fb_reply_json(job, &j, 200);
}

void fb_class_progress(fb_job *job) {
    const char *tenant = fb_text_i64(job, job->tenant_id), *user = fb_text_i64(job, (int64_t)job->session.user_id);
    const char *class_id = fb_text_i64(job, (int64_t)job->ids[0]);

    fb_call_add(job, &fb_sql_class_head, tenant, user, class_id);
    fb_call_add(job, &fb_sql_class_items, tenant, user, class_id);
    fb_call_add(job, &fb_sql_class_progress, tenant, user, class_id);
    fb_await_db(job, answer);
}
