#include "origin/district/district.h"

#include "origin/content/sql.h"
#include "origin/server/reply.h"

const fb_stmt fb_sql_district_counts = {
    "district_counts",
    "SELECT t.id, t.name, t.title, t.locale, "
    "(SELECT count(*) FROM orgs o WHERE o.tenant_id = $1 AND o.status = 1 AND o.type = 2), "
    "(SELECT count(*) FROM classes k WHERE k.tenant_id = $1 AND k.status = 1), "
    "(SELECT count(*) FROM courses c WHERE c.tenant_id = $1 AND c.status = 1), "
    "(SELECT count(*) FROM users u WHERE u.tenant_id = $1 AND u.status = 1 AND u.role = 7), "
    "(SELECT count(*) FROM users u WHERE u.tenant_id = $1 AND u.status = 1 AND u.role = 8), "
    "(SELECT count(*) FROM enrollments e WHERE e.tenant_id = $1 AND e.status = 1) "
    "FROM tenants t WHERE t.id = $1",
    1,
};

const fb_stmt fb_sql_district_imports = {
    "district_imports",
    "SELECT id, file, " FB_SQL_TIME("started_at") ", " FB_SQL_TIME(
        "finished_at") ", outcome, inserted, updated, unchanged, deleted, errors "
                       "FROM roster_imports WHERE tenant_id = $1 ORDER BY id DESC LIMIT 10",
    1,
};

/* A job that is planned for later does not wait, unless it was tried before. */
const fb_stmt fb_sql_district_queue = {
    "district_queue",
    "SELECT count(*) FILTER (WHERE state = 0 AND (run_at <= now() OR attempts > 0)), "
    "count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 2) FROM queue WHERE tenant_id = $1",
    1,
};

static void write_counts(bell_json *j, const PGresult *r) {
    static const char *const names[] = {"schools", "classes", "courses", "students", "teachers", "enrollments"};

    bell_json_key(j, "tenant");
    bell_json_object_open(j);
    fb_col_write_int(j, "id", r, 0, 0);
    fb_col_write_str(j, "name", r, 0, 1);
    fb_col_write_str(j, "title", r, 0, 2);
    fb_col_write_str(j, "locale", r, 0, 3);
    bell_json_object_close(j);
    bell_json_key(j, "counts");
    bell_json_object_open(j);
    for (int i = 0; i < 6; i++) {
        bell_json_key(j, names[i]);
        bell_json_int(j, fb_col_i64(r, 0, 4 + i));
    }
    bell_json_object_close(j);
}

static void write_imports(bell_json *j, const PGresult *r) {
    static const char *const counts[] = {"inserted", "updated", "unchanged", "deleted", "errors"};

    bell_json_key(j, "imports");
    bell_json_array_open(j);
    for (int row = 0; row < PQntuples(r); row++) {
        bell_json_object_open(j);
        fb_col_write_int(j, "id", r, row, 0);
        fb_col_write_str(j, "file", r, row, 1);
        fb_col_write_str(j, "started_at", r, row, 2);
        fb_col_write_str(j, "finished_at", r, row, 3);
        bell_json_key(j, "outcome");
        bell_json_z(j, fb_col_i64(r, row, 4) == 1 ? "done" : "refused");
        for (int i = 0; i < 5; i++) {
            bell_json_key(j, counts[i]);
            bell_json_int(j, fb_col_i64(r, row, 5 + i));
        }
        bell_json_object_close(j);
    }
    bell_json_array_close(j);
}

static void write_queue(bell_json *j, const PGresult *r) {
    static const char *const names[] = {"waiting", "running", "failed"};

    bell_json_key(j, "queue");
    bell_json_object_open(j);
    for (int i = 0; i < 3; i++) {
        bell_json_key(j, names[i]);
        bell_json_int(j, fb_col_i64(r, 0, i));
    }
    bell_json_object_close(j);
}

static void answer(fb_job *job) {
    bell_json j;

    fb_reply_json_begin(job, &j);
    bell_json_object_open(&j);
    write_counts(&j, fb_rows(job, 0));
    write_imports(&j, fb_rows(job, 1));
    write_queue(&j, fb_rows(job, 2));
    bell_json_object_close(&j);
    fb_reply_json(job, &j, 200);
}

void fb_district(fb_job *job) {
    const char *tenant = fb_text_i64(job, job->tenant_id);

    fb_call_add(job, &fb_sql_district_counts, tenant);
    fb_call_add(job, &fb_sql_district_imports, tenant);
    fb_call_add(job, &fb_sql_district_queue, tenant);
    fb_await_db(job, answer);
}
