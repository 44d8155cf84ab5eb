/* One's own sessions: which are open, and ending them. */
#include "origin/accounts/accounts.h"
#include "origin/accounts/open.h"
#include "origin/content/sql.h"
#include "origin/server/reply.h"
#include "origin/server/session.h"

const fb_stmt fb_sql_sessions_mine = {
    "sessions_mine",
    "SELECT id, device, " FB_SQL_TIME("created_at") ", sid = $3 "
                                                    "FROM sessions WHERE tenant_id = $1 AND user_id = $2 AND expires_at > now() ORDER BY id DESC",
    3,
};

const fb_stmt fb_sql_session_end_mine = {
    "session_end_mine",
    "DELETE FROM sessions WHERE tenant_id = $1 AND user_id = $2 AND id = $3 RETURNING sid = $4",
    4,
};

static void write_session(bell_json *j, const PGresult *r, int row) {
    bell_json_object_open(j);
    fb_col_write_int(j, "id", r, row, 0);
    fb_col_write_str(j, "device", r, row, 1);
    fb_col_write_str(j, "created_at", r, row, 2);
    bell_json_key(j, "current");
    bell_json_bool(j, bell_str_eq(fb_col(r, row, 3), BELL_STR("t")));
    bell_json_object_close(j);
}

static void answer_list(fb_job *job) {
    fb_reply_rows(job, "sessions", write_session);
}

void fb_sessions_list(fb_job *job) {
    fb_call_add(job, &fb_sql_sessions_mine, fb_text_i64(job, job->tenant_id), fb_text_i64(job, (int64_t)job->session.user_id), job->session.sid);
    fb_await_db(job, answer_list);
}

static void answer_all_ended(fb_job *job) {
    fb_session_take_away(job);
    fb_reply_empty(job, 204);
}

static void answer_others_ended(fb_job *job) {
    fb_reply_empty(job, 204);
}

void fb_sessions_end_all(fb_job *job) {
    bool others = bell_str_eq(job->request->query, BELL_STR("others"));

    if (!others && job->request->query.len > 0) {
        fb_reply_problem(job, FB_PROBLEM_INVALID, "After the question mark only \"others\" is known here.");
        return;
    }
    fb_sessions_end_call(job, job->session.user_id, others ? job->session.sid : NULL);
    fb_await_db(job, others ? answer_others_ended : answer_all_ended);
}

static void answer_one_ended(fb_job *job) {
    const PGresult *r = fb_rows(job, 0);

    if (PQntuples(r) == 0) {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
    } else if (bell_str_eq(fb_col(r, 0, 0), BELL_STR("t"))) {
        answer_all_ended(job);
    } else {
        fb_reply_empty(job, 204);
    }
}

void fb_session_end_one(fb_job *job) {
    fb_call_add(job, &fb_sql_session_end_mine, fb_text_i64(job, job->tenant_id), fb_text_i64(job, (int64_t)job->session.user_id),
                fb_text_i64(job, (int64_t)job->ids[0]), job->session.sid);
    fb_await_db(job, answer_one_ended);
}
