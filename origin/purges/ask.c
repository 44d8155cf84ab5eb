/* POST /api/v1/purges: the tenant is the session's, and nothing in the body can name another one. */
#include <stdlib.h>

#include "origin/purges/purges.h"
#include "origin/purges/wish.h"
#include "origin/server/json_in.h"
#include "origin/server/reply.h"
#include "origin/server/worker.h"

const fb_stmt fb_sql_purge_ask = {"purge_ask", FB_PURGE_ASK_SQL, FB_PURGE_PARAMS};

enum { OUTCOME, ID, WAIT_S };

static void refuse_host(fb_job *job, const fb_purge_wish *w) {
    fb_reply_problem(
        job, FB_PROBLEM_INVALID,
        bell_arena_printf(&job->arena, "%s is no host of this district; a district purges what is served under its own hosts.", w->name));
}

static void refuse_many(fb_job *job, unsigned wait_s) {
    const char *detail =
        bell_arena_printf(&job->arena,
                          "A district may ask for %ld purges a minute. Try again in %u seconds, or with a prefix or a tag, which take "
                          "many answers back at once.",
                          job->worker->settings->purges_a_minute_max, wait_s);
    fb_reply_problem_after(job, FB_PROBLEM_TOO_MANY, detail, wait_s);
}

static void answer(fb_job *job) {
    const PGresult *r = fb_rows(job, 0);
    bell_json j;

    switch (fb_col_i64(r, 0, OUTCOME)) {
    case FB_PURGE_FOREIGN_HOST:
        refuse_host(job, job->state);
        return;
    case FB_PURGE_TOO_MANY:
        refuse_many(job, (unsigned)fb_col_i64(r, 0, WAIT_S));
        return;
    default:
        break;
    }
    fb_reply_json_begin(job, &j);
    bell_json_object_open(&j);
    fb_col_write_int(&j, "id", r, 0, ID);
    bell_json_object_close(&j);
    fb_reply_json(job, &j, 202);
}

static void ask(fb_job *job, fb_purge_wish *w) {
    job->state = w;
    fb_call_add(job, &fb_sql_purge_ask, fb_text_i64(job, job->tenant_id), fb_text_i64(job, (int64_t)job->session.user_id), fb_purge_kind_param(w),
                fb_purge_hard_param(w), w->name, w->host, w->value, fb_text_i64(job, job->worker->settings->purges_a_minute_max));
    fb_await_db(job, answer);
}

/* What is to be purged is the one member that has a kind's name. NULL: the job has been answered. */
static const json_t *find_kind(fb_job *job, const json_t *body, bell_purge_kind *kind) {
    const json_t *found = NULL;
    unsigned n = 0;

    for (unsigned k = 0; k < BELL_PURGE_KINDS; k++) {
        const json_t *value = json_object_get(body, bell_purge_kind_name((bell_purge_kind)k));
        if (value != NULL) {
            *kind = (bell_purge_kind)k;
            found = value;
            n++;
        }
    }
    if (n != 1) {
        fb_reply_problem(job, FB_PROBLEM_INVALID, "One of \"url\", \"prefix\", \"tag\" and \"all\" is expected, and only one.");
        return NULL;
    }
    if (*kind == BELL_PURGE_ALL ? !json_is_true(found) : !json_is_string(found)) {
        fb_reply_problem(job, FB_PROBLEM_INVALID, "\"url\", \"prefix\" and \"tag\" are texts, and \"all\" is true.");
        return NULL;
    }
    return found;
}

/* NULL: the job has been answered. */
static fb_purge_wish *read_wish(fb_job *job, const json_t *body) {
    fb_purge_wish *w = bell_arena_zalloc(&job->arena, sizeof *w);
    const json_t *hard = json_object_get(body, "hard");
    bell_purge_kind kind = BELL_PURGE_ALL;

    if (w == NULL) {
        fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
        return NULL;
    }
    const json_t *value = find_kind(job, body, &kind);
    if (value == NULL) {
        return NULL;
    }
    if (hard != NULL && !json_is_boolean(hard)) {
        fb_reply_problem(job, FB_PROBLEM_INVALID, "\"hard\" is true or false.");
        return NULL;
    }
    w->is_hard = json_is_true(hard);
    const char *fault = fb_purge_wish_of(w, kind, (bell_str){json_string_value(value), json_string_length(value)});
    if (fault != NULL) {
        fb_reply_problem(job, FB_PROBLEM_INVALID, bell_arena_printf(&job->arena, "\"%s\" is not right: %s.", bell_purge_kind_name(kind), fault));
        return NULL;
    }
    return w;
}

void fb_purge_ask(fb_job *job) {
    static const char *const names[] = {"url", "prefix", "tag", "all", "hard", NULL};

    json_t *body = fb_json_body(job);
    if (body == NULL) {
        return;
    }
    fb_purge_wish *w = fb_json_only(job, body, names) ? read_wish(job, body) : NULL;
    json_decref(body);
    if (w == NULL) {
        return;
    }
    if (strcmp(job->worker->settings->redis, "-") == 0) {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, "Purges cannot be sent from here: no Redis is set up, through which the edges hear of them.");
        return;
    }
    ask(job, w);
}
