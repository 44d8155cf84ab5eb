#include "bell_quiz.h"
#include "origin/content/item.h"
#include "origin/progress/progress.h"
#include "origin/server/json_in.h"
#include "origin/server/reply.h"

const fb_stmt fb_sql_attempt_target = {
    "attempt_target",
    "SELECT s.kind, (SELECT string_agg(m.title, '; ') FROM missing_prerequisites($1, s.enrollment_id, $3) m), i.content "
    "FROM student_item($1, $2, $3) s JOIN items i ON i.tenant_id = $1 AND i.id = $3",
    3,
};

/* $4 score in hundredths, $5 passed. The best score counts; a quiz that was passed stays passed. */
const fb_stmt fb_sql_attempt_save = {
    "attempt_save",
    "WITH saved AS (INSERT INTO progress AS p (tenant_id, enrollment_id, item_id, status, percent, score_hundredths, started_at, completed_at) "
    "  SELECT $1, s.enrollment_id, $3, CASE WHEN $5::boolean THEN 2 ELSE 1 END, CASE WHEN $5::boolean THEN 100 ELSE least($4::integer / 100, 99) "
    "END, "
    "         $4::integer, now(), CASE WHEN $5::boolean THEN now() END FROM student_item($1, $2, $3) s WHERE NOT s.locked AND s.kind = 3 "
    "  ON CONFLICT (tenant_id, enrollment_id, item_id) DO UPDATE SET "
    "    status = greatest(p.status, excluded.status), percent = greatest(p.percent, excluded.percent), "
    "    score_hundredths = greatest(p.score_hundredths, excluded.score_hundredths), started_at = coalesce(p.started_at, excluded.started_at), "
    "    completed_at = coalesce(p.completed_at, excluded.completed_at), updated_at = now() "
    "  RETURNING p.*), "
    "told AS (INSERT INTO outbox (tenant_id, topic, payload) "
    "  SELECT p.tenant_id, 'quiz.attempted', jsonb_build_object('enrollment_id', p.enrollment_id, 'item_id', p.item_id, 'score_hundredths', "
    "$4::integer, "
    "         'passed', $5::boolean) FROM saved p) "
    "SELECT " FB_PROGRESS_COLUMNS " FROM saved p",
    5,
};

/* The answer to this attempt is written when it is graded, and sent when it is stored. */
typedef struct {
    bell_buf questions;
    bell_quiz_result result;
} attempt;

static void answer(fb_job *job) {
    attempt *a = job->state;
    const PGresult *saved = fb_rows(job, 0);
    bell_json j;

    if (PQntuples(saved) == 0) {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
    } else {
        fb_reply_json_begin(job, &j);
        bell_json_object_open(&j);
        bell_json_key(&j, "score");
        bell_json_fixed(&j, a->result.score_hundredths, 2);
        bell_json_key(&j, "passed");
        bell_json_bool(&j, a->result.passed);
        bell_json_key(&j, "status");
        bell_json_z(&j, fb_progress_status_name(fb_col_i64(saved, 0, 0)));
        bell_json_key(&j, "best_score");
        bell_json_fixed(&j, fb_col_i64(saved, 0, 2), 2);
        bell_json_key(&j, "questions");
        bell_json_raw(&j, bell_buf_str(&a->questions));
        bell_json_object_close(&j);
        fb_reply_json(job, &j, 201);
    }
}

/* The graded questions move to the arena, which goes with the job. */
static bool keep_questions(fb_job *job, attempt *a, bell_buf *written) {
    char *copy = bell_arena_strdup(&job->arena, bell_buf_str(written));
    a->questions = (bell_buf){.p = copy, .len = written->len};
    return copy != NULL;
}

static bool grade(fb_job *job, attempt *a, bell_str content, const char **problem) {
    char err[160] = "";
    bell_buf out;
    bell_json j;

    bell_buf_init(&out, FB_JOB_ARENA_BYTES / 2);
    bell_json_init(&j, &out);
    bool ok = bell_quiz_grade(content, bell_buf_str(&job->body), &a->result, &j, err, sizeof(err));
    if (!ok) {
        *problem = bell_arena_printf(&job->arena, "%s", err);
    } else if (!bell_json_done(&j) || !keep_questions(job, a, &out)) {
        ok = false;
    }
    bell_buf_fini(&out);
    return ok;
}

static void grade_and_save(fb_job *job) {
    const PGresult *target = fb_rows(job, 0);
    attempt *a = bell_arena_zalloc(&job->arena, sizeof(*a));
    const char *problem = NULL;

    if (PQntuples(target) == 0) {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
        return;
    }
    if (!PQgetisnull(target, 0, 1)) {
        fb_progress_reply_locked(job, PQgetvalue(target, 0, 1));
        return;
    }
    if (fb_col_i64(target, 0, 0) != FB_ITEM_QUIZ) {
        fb_reply_problem(job, FB_PROBLEM_INVALID, "This is not a quiz.");
        return;
    }
    if (a == NULL || !grade(job, a, fb_col(target, 0, 2), &problem)) {
        fb_reply_problem(job, problem != NULL ? FB_PROBLEM_INVALID : FB_PROBLEM_BUSY, problem);
        return;
    }
    job->state = a;
    fb_call_add(job, &fb_sql_attempt_save, fb_text_i64(job, job->tenant_id), fb_text_i64(job, (int64_t)job->session.user_id),
                fb_text_i64(job, (int64_t)job->ids[0]), fb_text_i64(job, a->result.score_hundredths), a->result.passed ? "true" : "false");
    fb_await_db(job, answer);
}

void fb_attempt(fb_job *job) {
    json_t *body = fb_json_body(job); /* its shape; what is in it is checked when it is graded */

    if (body == NULL) {
        return;
    }
    json_decref(body);
    fb_call_add(job, &fb_sql_attempt_target, fb_text_i64(job, job->tenant_id), fb_text_i64(job, (int64_t)job->session.user_id),
                fb_text_i64(job, (int64_t)job->ids[0]));
    fb_await_db(job, grade_and_save);
}
