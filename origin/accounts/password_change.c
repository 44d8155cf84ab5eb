/* A new password for oneself, with the old one. Wrong old ones count like wrong sign-ins: an open session is no way around the throttle. */
#include <stdlib.h>

#include "origin/accounts/accounts.h"
#include "origin/accounts/open.h"
#include "origin/accounts/password.h"
#include "origin/server/json_in.h"
#include "origin/server/reply.h"
#include "origin/server/route.h"

const fb_stmt fb_sql_password_mine = {
    "password_mine",
    "SELECT login, password_hash FROM accounts WHERE tenant_id = $1 AND user_id = $2",
    2,
};

/* Only over the password that was checked; of two changes at once one finds another. A link that somebody had sent to the mailbox is void with it. */
const fb_stmt fb_sql_password_change = {
    "password_change",
    "WITH changed AS (UPDATE accounts SET password_hash = $4, kind = 1, password_changed_at = now() "
    "  WHERE tenant_id = $1 AND user_id = $2 AND password_hash = $3 RETURNING user_id), "
    "void AS (DELETE FROM reset_links l USING changed WHERE l.tenant_id = $1 AND l.user_id = changed.user_id) "
    "SELECT 1 FROM changed",
    4,
};

/* For a helper thread; it outlives a job that is cancelled. */
typedef struct {
    fb_task task;
    char *old, *fresh, *hash;
    char fresh_hash[FB_PASSWORD_ENCODED_MAX];
    bool right, made;
} work;

typedef struct {
    bell_str old, fresh;
    work *work;
    fb_throttle try;
    fb_opening opening;
} change;

static void work_run(void *arg) {
    work *w = arg;
    w->right = fb_password_verify(w->hash, bell_str_of(w->old));
    w->made = w->right && fb_password_hash(bell_str_of(w->fresh), w->fresh_hash);
}

static void wipe(char *z) {
    if (z != NULL) {
        explicit_bzero(z, strlen(z));
    }
    free(z);
}

static void work_drop(fb_task *t) {
    work *w = (work *)t;
    wipe(w->old);
    wipe(w->fresh);
    free(w->hash);
    free(w);
}

static work *work_new(const change *c, const char *hash) {
    work *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return NULL;
    }
    w->task = (fb_task){.run = work_run, .drop = work_drop, .arg = w};
    w->old = strndup(c->old.p, c->old.len);
    w->fresh = strndup(c->fresh.p, c->fresh.len);
    w->hash = strdup(hash);
    if (w->old == NULL || w->fresh == NULL || w->hash == NULL) {
        work_drop(&w->task);
        return NULL;
    }
    return w;
}

static void answer_wrong(fb_job *job) {
    fb_reply_problem(job, FB_PROBLEM_INVALID, "The old password is not right.");
}

static void answer_busy(fb_job *job) {
    fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
}

static void answer_changed(fb_job *job) {
    change *c = job->state;
    fb_open_outcome outcome = PQntuples(fb_rows(job, 0)) == 1 ? fb_open_finish(job, &c->opening, 3) : FB_OPEN_REFUSED;

    if (outcome == FB_OPEN_REFUSED) {
        answer_wrong(job);
    } else if (outcome == FB_OPENED) {
        fb_reply_empty(job, 204);
    }
}

/* In one transaction: the password, the end of all sessions, and a new one here. When another change was faster, nothing has the hash any more
 * and nothing is opened. */
static void write_change(fb_job *job) {
    change *c = job->state;
    const char *fresh_hash = fb_text(job, bell_str_of(c->work->fresh_hash));

    if (!c->work->right) {
        fb_throttle_failed(job, &c->try, answer_wrong);
        return;
    }
    if (!c->work->made) {
        fb_throttle_release(job, &c->try, answer_busy);
        return;
    }
    fb_call_add(job, &fb_sql_password_change, fb_text_i64(job, job->tenant_id), fb_text_i64(job, (int64_t)job->session.user_id),
                c->opening.password_hash, fresh_hash);
    fb_throttle_succeeded_call(job, &c->try);
    fb_sessions_end_call(job, job->session.user_id, NULL);
    c->opening.password_hash = fresh_hash;
    if (fb_open_call(job, &c->opening)) {
        fb_await_db(job, answer_changed);
    }
}

static void check_old(fb_job *job) {
    change *c = job->state;
    unsigned wait_s = fb_throttle_admits(job, &c->try, 0);

    if (wait_s > 0) {
        fb_throttle_refuse(job, wait_s);
        return;
    }
    c->work = work_new(c, c->opening.password_hash);
    if (c->work == NULL || !fb_try_task(job, &c->work->task, write_change)) {
        fb_throttle_release(job, &c->try, answer_busy);
    }
}

static void ask_throttle(fb_job *job) {
    change *c = job->state;
    const PGresult *r = fb_rows(job, 0);

    if (PQntuples(r) == 0 || PQgetisnull(r, 0, 1)) {
        fb_reply_problem(job, FB_PROBLEM_INVALID, "Your account has no password. Ask your school how you sign in.");
        return;
    }
    bell_str login = bell_str_of(fb_text(job, fb_col(r, 0, 0)));
    c->opening = (fb_opening){.user_id = job->session.user_id, .role = job->session.role, .password_hash = fb_text(job, fb_col(r, 0, 1))};
    fb_throttle_check_call(job, &c->try, FB_THROTTLE_PASSWORD, login);
    fb_await_db(job, check_old);
}

static bool take_text(fb_job *job, json_t *body, const char *name, bell_str *out) {
    json_t *v = json_object_get(body, name);
    if (!json_is_string(v) || json_string_length(v) == 0 || json_string_length(v) > FB_PASSWORD_MAX_BYTES) {
        return false;
    }
    *out = bell_str_of(fb_text(job, (bell_str){json_string_value(v), json_string_length(v)}));
    return out->len > 0;
}

void fb_password_change(fb_job *job) {
    static const char *const names[] = {"old", "new", NULL};
    change *c = bell_arena_zalloc(&job->arena, sizeof(*c));
    json_t *body = c != NULL ? fb_json_body(job) : NULL;

    if (c == NULL) {
        answer_busy(job);
    }
    if (body == NULL) {
        return;
    }
    bool known = fb_json_only(job, body, names);
    bool whole = known && take_text(job, body, "old", &c->old) && take_text(job, body, "new", &c->fresh);
    json_decref(body);
    if (!whole) {
        if (known) {
            fb_reply_problem(job, FB_PROBLEM_INVALID, "\"old\" and \"new\" are expected, both as text of at most 256 bytes.");
        }
        return;
    }
    const char *problem = fb_password_problem(c->fresh);
    if (problem != NULL) {
        fb_reply_problem(job, FB_PROBLEM_INVALID, problem);
        return;
    }
    job->state = c;
    fb_call_add(job, &fb_sql_password_mine, fb_text_i64(job, job->tenant_id), fb_text_i64(job, (int64_t)job->session.user_id));
    fb_await_db(job, ask_throttle);
}
