#include "origin/content/item.h"
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

/* $4 position in ms or NULL, $5 percent, $6 seconds spent, $7 completed. A video is completed by its percent, a reading or an assignment by
 * the student's word, a quiz only by an attempt. Time cannot pass faster than the clock between two saves, nor
 * backwards when the clock was set. The event goes to the
 * outbox in the same transaction. */
const fb_stmt fb_sql_progress_save = {
    "progress_save",
    "WITH target AS (SELECT s.enrollment_id, s.kind, s.course_id, (s.kind = 1 AND $5::smallint >= 90) OR (s.kind IN (2, 4) AND $7::boolean) AS done "
    "  FROM student_item($1, $2, $3) s WHERE NOT s.locked), "
    "saved AS (INSERT INTO progress AS p (tenant_id, enrollment_id, item_id, status, percent, position_ms, time_spent_s, started_at, completed_at) "
    "  SELECT $1, t.enrollment_id, $3, CASE WHEN t.done THEN 2 ELSE 1 END, "
    "         CASE WHEN t.done THEN 100 WHEN t.kind = 3 THEN 0 ELSE least($5::smallint, 99) END, "
    "         coalesce($4::integer, 0), $6::integer, now(), CASE WHEN t.done THEN now() END FROM target t "
    "  ON CONFLICT (tenant_id, enrollment_id, item_id) DO UPDATE SET "
    "    status = greatest(p.status, excluded.status), percent = greatest(p.percent, excluded.percent), "
    "    position_ms = coalesce($4::integer, p.position_ms), "
    "    time_spent_s = p.time_spent_s + greatest(0, least(excluded.time_spent_s, 1 + ceil(extract(epoch FROM now() - p.updated_at))::integer)), "
    "    started_at = coalesce(p.started_at, excluded.started_at), completed_at = coalesce(p.completed_at, excluded.completed_at), updated_at = "
    "now() "
    "  RETURNING p.*), "
    "told AS (INSERT INTO outbox (tenant_id, topic, payload) "
    "  SELECT p.tenant_id, 'progress.saved', jsonb_build_object('enrollment_id', p.enrollment_id, 'item_id', p.item_id, 'status', p.status, "
    "         'percent', p.percent, 'position_ms', p.position_ms, 'time_spent_s', p.time_spent_s) FROM saved p) "
    "SELECT " FB_PROGRESS_COLUMNS " FROM saved p",
    7,
};

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
