#include "origin/content/item.h"
#include "origin/progress/progress.h"
#include "origin/server/json_in.h"
#include "origin/server/reply.h"
#include "origin/server/worker.h"

#define POSITION_MAX_S   86400
#define TIME_SPENT_MAX_S 120 /* between two saves */

const fb_stmt fb_sql_progress_save = {
    "progress_save",
    "SELECT p.n, p.refused, p.missing, " FB_PROGRESS_COLUMNS " FROM save_progress_batch($1, $2, $3, $4, $5, $6, $7, $8, $9) p",
    9,
};

/* Its first columns: the element's number is the batcher's. */
enum { SAVED_REFUSED = 1, SAVED_MISSING, SAVED_PROGRESS };

/* As save_progress_batch says it. */
enum { REFUSED_NO, REFUSED_SESSION, REFUSED_NOT_THEIRS, REFUSED_LOCKED };

void fb_progress_reply_locked(fb_job *job, const char *missing) {
    fb_reply_problem(job, FB_PROBLEM_LOCKED, bell_arena_printf(&job->arena, "To be finished first: %s", missing));
}

static void answer(fb_job *job) {
    int row;
    const PGresult *saved = fb_batch_rows(job, &row);
    bell_json j;

    switch (fb_col_i64(saved, row, SAVED_REFUSED)) {
    case REFUSED_NO:
        fb_reply_json_begin(job, &j);
        bell_json_object_open(&j);
        bell_json_key(&j, "item_id");
        bell_json_int(&j, (int64_t)job->ids[0]);
        fb_item_write_progress(&j, saved, row, SAVED_PROGRESS);
        bell_json_object_close(&j);
        fb_reply_json(job, &j, 200);
        return;
    case REFUSED_SESSION:
        fb_reply_sign_in(job);
        return;
    case REFUSED_LOCKED:
        fb_progress_reply_locked(job, PQgetvalue(saved, row, SAVED_MISSING));
        return;
    default:
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
    }
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
    fb_await_batch(job, job->worker->batcher, &fb_sql_progress_save, answer, fb_text_i64(job, (int64_t)job->ids[0]),
                   s.has_position ? fb_text_i64(job, s.position_ms) : NULL, fb_text_i64(job, s.percent), fb_text_i64(job, s.time_spent_s),
                   s.completed ? "true" : "false");
}
