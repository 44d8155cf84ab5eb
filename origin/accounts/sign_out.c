#include "origin/accounts/accounts.h"
#include "origin/server/reply.h"
#include "origin/server/session.h"

const fb_stmt fb_sql_session_delete = {
    "session_delete",
    "DELETE FROM sessions WHERE tenant_id = $1 AND sid = $2 AND user_id = $3",
    3,
};

static void answer_api(fb_job *job) {
    fb_session_take_away(job);
    fb_reply_empty(job, 204);
}

static void answer_form(fb_job *job) {
    fb_session_take_away(job);
    fb_reply_redirect(job, "/sign-in#signed-out");
}

static void sign_out(fb_job *job, fb_step answer) {
    if (!job->has_session) {
        answer(job);
        return;
    }
    fb_call_add(job, &fb_sql_session_delete, fb_text_i64(job, job->tenant_id), job->session.sid, fb_text_i64(job, (int64_t)job->session.user_id));
    fb_await_db(job, answer);
}

void fb_sign_out_api(fb_job *job) {
    sign_out(job, answer_api);
}

void fb_sign_out_form(fb_job *job) {
    sign_out(job, answer_form);
}
