#include "origin/accounts/throttle.h"

#include "origin/accounts/open.h"
#include "origin/server/reply.h"
#include "origin/server/session.h"

const fb_stmt fb_sql_throttle_take = {
    "throttle_take",
    "SELECT wait_s, pair, is_first, account_bucket, source_bucket FROM throttle_take($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    10,
};

const fb_stmt fb_sql_throttle_failed = {
    "throttle_failed",
    "SELECT throttle_failed($1, $2, $3)",
    3,
};

const fb_stmt fb_sql_throttle_succeeded = {
    "throttle_succeeded",
    "SELECT throttle_succeeded($1, $2, $3)",
    3,
};

const fb_stmt fb_sql_throttle_release = {
    "throttle_release",
    "SELECT throttle_release($1, $2)",
    2,
};

const fb_stmt fb_sql_throttle_forget = {
    "throttle_forget",
    "SELECT throttle_forget($1, $2, $3)",
    3,
};

/* Tries that are free, seconds of the first wait, of the longest, and until wrong tries are forgotten: as the statement's parameters. */
static const struct {
    const char *name, *by_login, *free, *base_s, *most_s, *keep_s;
} kinds[] = {
    [FB_THROTTLE_PASSWORD] = {"password", "true", "5", "2", "300", "86400"},
    [FB_THROTTLE_PICTURES] = {"pictures", "true", "5", "10", "3600", "172800"},
    [FB_THROTTLE_MAIL] = {"mail", "false", "3", "60", "3600", "86400"},
    [FB_THROTTLE_CODE] = {"code", "false", "5", "2", "300", "86400"},
};

/* The digest of the device's cookie; NULL without one. */
static const char *read_device(fb_job *job) {
    bell_str value = fb_cookie(job->request, BELL_STR(FB_DEVICE_COOKIE));
    char device[FB_SOURCE_BYTES + 1];

    if (!fb_session_is_sid(value)) {
        return NULL;
    }
    fb_source_digest('d', value, device);
    return fb_text(job, bell_str_of(device));
}

void fb_throttle_check_call(fb_job *job, fb_throttle *t, fb_throttle_kind kind, bell_str subject) {
    char address[FB_SOURCE_BYTES + 1];

    *t = (fb_throttle){0};
    fb_client_source(job->request, address);
    fb_call_add(job, &fb_sql_throttle_take, fb_text_i64(job, job->tenant_id), kinds[kind].name, fb_text(job, subject), kinds[kind].by_login,
                read_device(job), fb_text(job, bell_str_of(address)), kinds[kind].free, kinds[kind].base_s, kinds[kind].most_s, kinds[kind].keep_s);
}

static const char *text_or_null(fb_job *job, const PGresult *r, int col) {
    return PQgetisnull(r, 0, col) ? NULL : fb_text(job, fb_col(r, 0, col));
}

unsigned fb_throttle_admits(fb_job *job, fb_throttle *t, unsigned i) {
    const PGresult *r = fb_rows(job, i);

    t->pair = fb_text(job, fb_col(r, 0, 1));
    t->is_first = bell_str_eq(fb_col(r, 0, 2), BELL_STR("t"));
    t->account_bucket = text_or_null(job, r, 3);
    t->source_bucket = text_or_null(job, r, 4);
    return (unsigned)fb_col_i64(r, 0, 0);
}

void fb_throttle_refuse(fb_job *job, unsigned wait_s) {
    const char *detail = wait_s < 120 ? bell_arena_printf(&job->arena, "Try again in %u seconds.", wait_s)
                                      : bell_arena_printf(&job->arena, "Try again in %u minutes.", (wait_s + 59) / 60);
    fb_reply_problem_after(job, FB_PROBLEM_TOO_MANY_TRIES, detail, wait_s);
}

void fb_throttle_failed(fb_job *job, fb_throttle *t, fb_step next) {
    const char *source = t->is_first ? t->source_bucket : NULL;

    if (t->account_bucket == NULL && source == NULL) {
        next(job);
        return;
    }
    fb_call_add(job, &fb_sql_throttle_failed, fb_text_i64(job, job->tenant_id), t->account_bucket, source);
    fb_await_db(job, next);
}

void fb_throttle_succeeded_call(fb_job *job, const fb_throttle *t) {
    fb_call_add(job, &fb_sql_throttle_succeeded, fb_text_i64(job, job->tenant_id), t->pair, t->source_bucket);
}

void fb_throttle_release(fb_job *job, const fb_throttle *t, fb_step next) {
    fb_call_add(job, &fb_sql_throttle_release, fb_text_i64(job, job->tenant_id), t->pair);
    fb_await_db(job, next);
}

void fb_throttle_forget_call(fb_job *job, fb_throttle_kind kind, bell_str subject) {
    fb_call_add(job, &fb_sql_throttle_forget, fb_text_i64(job, job->tenant_id), kinds[kind].name, fb_text(job, subject));
}
