#include "origin/server/context.h"

#include <stdio.h>
#include <time.h>

#include "bell_role.h"
#include "origin/server/job.h"
#include "origin/server/log.h"
#include "origin/server/reply.h"
#include "origin/server/request_id.h"
#include "origin/server/route.h"
#include "origin/server/worker.h"

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + 1; /* 0 is never */
}

/* "v1.ID.…" → ID, for the log. */
static void note_key_id(fb_context *c, bell_str value) {
    bell_str rest = value;
    bell_str_cut(&rest, '.');
    bell_str id = bell_str_cut(&rest, '.');
    if (bell_context_is_id(id)) {
        memcpy(c->key_id, id.p, id.len);
        c->key_id[id.len] = '\0';
    }
}

/* The scopes that are named, words with spaces between; all of them when none is. Words that are no scope of ours name nothing. */
static unsigned scopes_of(bell_str words) {
    unsigned scopes = 0;

    if (words.len == 0) {
        return ~0u;
    }
    while (words.len > 0) {
        scopes |= fb_scope_of(bell_str_cut(&words, ' '));
    }
    return scopes;
}

void fb_context_read(fb_job *job) {
    const bell_http_request *q = job->request;
    const fb_edge_keys *k = &job->worker->edge_keys;
    bell_str value = bell_http_header_get(q, BELL_STR("Bell-Context"));
    fb_context *c = &job->context;
    bell_context_claims claims;
    int64_t now_s = (int64_t)time(NULL);

    memset(c, 0, sizeof(*c));
    c->scopes = ~0u;
    job->tenant_id = 0;
    if (value.p == NULL || bell_http_header_count(q, BELL_STR("Bell-Context")) != 1) {
        c->cause = value.p == NULL ? FB_CONTEXT_ABSENT : FB_CONTEXT_TWICE;
        return;
    }
    c->cause = bell_context_verify(k->keys, k->nkeys, value, q->method_name, q->target, now_s, &claims);
    if (c->cause != BELL_CONTEXT_OK) {
        note_key_id(c, value);
        c->ahead_s = claims.time_s - now_s;
        return;
    }
    job->tenant_id = (int32_t)claims.tenant_id;
    memcpy(c->subject, claims.subject.p, claims.subject.len);
    memcpy(c->role, claims.role.p, claims.role.len);
    c->by_token = claims.subject.len == 0 && bell_str_eq(claims.scopes, BELL_STR(BELL_CONTEXT_BY_TOKEN));
    c->scopes = c->by_token ? ~0u : scopes_of(claims.scopes);
    fb_request_id_take(claims.request_id, job->request_id);
}

bool fb_context_fits_session(fb_job *job) {
    char user[24];

    if (job->context.subject[0] == '\0' || !job->has_session) {
        return true;
    }
    snprintf(user, sizeof(user), "%llu", (unsigned long long)job->session.user_id);
    if (strcmp(user, job->context.subject) == 0 &&
        (job->context.role[0] == '\0' || strcmp(job->context.role, bell_role_name(job->session.role)) == 0)) {
        return true;
    }
    job->context.cause = FB_CONTEXT_OTHER_SUBJECT;
    return false;
}

static void describe(const fb_context *c, char *out, size_t out_len) {
    const char *id = c->key_id[0] != '\0' ? c->key_id : "?";

    switch (c->cause) {
    case FB_CONTEXT_ABSENT:
        snprintf(out, out_len, "there is no Bell-Context: it did not come through an edge that has a bell_context_key");
        break;
    case FB_CONTEXT_TWICE:
        snprintf(out, out_len, "there is more than one Bell-Context");
        break;
    case FB_CONTEXT_OTHER_SUBJECT:
        snprintf(out, out_len, "the edge names another person, or another role, than the session does");
        break;
    case BELL_CONTEXT_TOO_OLD:
        snprintf(out, out_len, "key %s: the context is %lld s old and may be %d: the edge's clock is behind ours or ours ahead, or it was replayed",
                 id, (long long)-c->ahead_s, BELL_CONTEXT_WINDOW_S);
        break;
    case BELL_CONTEXT_FROM_FUTURE:
        snprintf(out, out_len, "key %s: the context is %lld s from the future and may be %d: the edge's clock is ahead of ours or ours behind", id,
                 (long long)c->ahead_s, BELL_CONTEXT_WINDOW_S);
        break;
    default:
        snprintf(out, out_len, "key %s: %s", id, bell_context_verdict_text((bell_context_verdict)c->cause));
    }
}

static void say(fb_context_refusal *r, int64_t now) {
    fb_log(FB_LOG_WARNING, "%s (%llu such since the last line, %llu since this worker began)", r->why, (unsigned long long)r->unsaid,
           (unsigned long long)r->total);
    r->unsaid = 0;
    r->said_ms = now;
}

void fb_context_refuse(fb_job *job) {
    fb_context_refusal *r = &job->worker->context_refusals[job->context.cause];
    int64_t now = now_ms();
    char cause[200];

    describe(&job->context, cause, sizeof(cause));
    snprintf(r->why, sizeof(r->why), "request %.32s: %s", job->request_id, cause);
    r->total++;
    r->unsaid++;
    if (r->said_ms == 0 || now - r->said_ms >= FB_CONTEXT_QUIET_MS) {
        say(r, now);
    }
    job->route = NULL;
    job->tenant_id = 0; /* nothing of the tenant's is shown, not even a page */
    job->has_session = false;
    fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
}

void fb_context_tell(fb_worker *w) {
    int64_t now = now_ms();

    for (size_t i = 0; i < FB_CONTEXT_CAUSES; i++) {
        fb_context_refusal *r = &w->context_refusals[i];
        if (r->unsaid > 0 && now - r->said_ms >= FB_CONTEXT_QUIET_MS) {
            say(r, now);
        }
    }
}
