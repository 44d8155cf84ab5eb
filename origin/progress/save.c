#include "origin/content/save_sql.h"
#include "origin/progress/progress.h"
#include "origin/server/json_in.h"
#include "origin/server/reply.h"

#define POSITION_MAX_S   86400
#define TIME_SPENT_MAX_S 120 /* between two saves */

const fb_stmt fb_sql_item_target = {
    "item_target",
    "SELECT s.kind, (SELECT string_agg(m.title, '; ') FROM missing_prerequisites($1, s.enrollment_id, $3) m) FROM student_item($1, $2, $3) s",
    3,
};

const fb_stmt fb_sql_progress_save = {"progress_save", FB_SQL_PROGRESS_SAVE, 7};

bool fb_progress_refused(fb_job *job) {
    const PGresult *target = fb_rows(job, 0);

    if (PQntuples(target) == 0) {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
        return true;
    }
    if (!PQgetisnull(target, 0, 1)) {
        fb_reply_problem(job, FB_PROBLEM_LOCKED, bell_arena_printf(&job->arena, "To be finished first: %s", PQgetvalue(target, 0, 1)));
        return true;
    }
    return false;
}

static void answer(fb_job *job) {
    const PGresult *saved = fb_rows(job, 1);
    bell_json j;

    if (fb_progress_refused(job)) {
        return;
    }
    if (PQntuples(saved) == 0) { /* locked or left between the two statements */
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
        return;
    }
    fb_reply_json_begin(job, &j);
    bell_json_object_open(&j);
    bell_json_key(&j, "item_id");
    bell_json_int(&j, (int64_t)job->ids[0]);
    fb_item_write_progress(&j, saved, 0, 0);
    bell_json_object_close(&j);
    fb_reply_json(job, &j, 200);
}

typedef struct {
    int64_t position_ms, percent, time_spent_s;
    bool has_position, completed;
} save;

static bool read_save(fb_job *job, json_t *body, save *s) {
    static const char *const names[] = {"position_s", "percent", "time_spent_s", "completed", NULL};
    json_t *completed = json_object_get(body, "completed");
    bool present;

    *s = (save){.completed = json_is_true(completed)};
    if (!fb_json_only(job, body, names) || !fb_json_number(job, body, "position_s", 0, POSITION_MAX_S, 1000, &s->position_ms, &s->has_position) ||
        !fb_json_number(job, body, "percent", 0, 100, 1, &s->percent, &present) ||
        !fb_json_number(job, body, "time_spent_s", 0, TIME_SPENT_MAX_S, 1, &s->time_spent_s, &present)) {
        return false;
    }
    if (completed != NULL && !json_is_boolean(completed)) {
        fb_reply_problem(job, FB_PROBLEM_INVALID, "\"completed\" is true or false.");
        return false;
    }
    return true;
}

void fb_progress_save(fb_job *job) {
    json_t *body = fb_json_body(job);
    save s;

    if (body == NULL) {
        return;
    }
    bool ok = read_save(job, body, &s);
    json_decref(body);
    if (!ok) {
        return;
    }
    const char *tenant = fb_text_i64(job, job->tenant_id), *user = fb_text_i64(job, (int64_t)job->session.user_id);
    const char *item = fb_text_i64(job, (int64_t)job->ids[0]);
    fb_call_add(job, &fb_sql_item_target, tenant, user, item);
    fb_call_add(job, &fb_sql_progress_save, tenant, user, item, s.has_position ? fb_text_i64(job, s.position_ms) : NULL, fb_text_i64(job, s.percent),
                fb_text_i64(job, s.time_spent_s), s.completed ? "true" : "false");
    fb_await_db(job, answer);
}
