#include <stdlib.h>
#include <time.h>

#include "bell_url.h"
#include "origin/accounts/next.h"
#include "origin/accounts/oidc/flow.h"
#include "origin/accounts/oidc/keys.h"
#include "origin/accounts/oidc/oidc.h"
#include "origin/server/log.h"
#include "origin/server/reply.h"
#include "origin/server/session.h"
#include "origin/server/worker.h"

#define LOCATION_MAX_BYTES 4096

const fb_stmt fb_sql_oidc_provider = {
    "oidc_provider",
    "SELECT id, title, issuer, client_id, scopes, link_claim, require_claim, require_value, token_auth, link_by "
    "FROM identity_providers WHERE tenant_id = $1 AND id = $2",
    2,
};

fb_oidc_flow *fb_oidc_flow_new(fb_job *job) {
    fb_oidc_flow *f = bell_arena_zalloc(&job->arena, sizeof(*f));
    if (f == NULL) {
        fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
    }
    job->state = f;
    return f;
}

static const char *text_or_null(fb_job *job, const PGresult *r, int col) {
    return PQgetisnull(r, 0, col) ? NULL : fb_text(job, fb_col(r, 0, col));
}

bool fb_oidc_provider_take(fb_job *job, unsigned i) {
    fb_oidc_flow *f = job->state;
    const PGresult *r = fb_rows(job, i);

    if (PQntuples(r) == 0) {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
        return false;
    }
    f->provider = (fb_oidc_provider){.id = (uint64_t)fb_col_i64(r, 0, 0),
                                     .title = fb_text(job, fb_col(r, 0, 1)),
                                     .issuer = fb_text(job, fb_col(r, 0, 2)),
                                     .client_id = fb_text(job, fb_col(r, 0, 3)),
                                     .scopes = fb_text(job, fb_col(r, 0, 4)),
                                     .claim = fb_text(job, fb_col(r, 0, 5)),
                                     .require_claim = text_or_null(job, r, 6),
                                     .require_value = text_or_null(job, r, 7),
                                     .auth = (fb_oidc_auth)fb_col_i64(r, 0, 8),
                                     .link_by = (fb_oidc_link_by)fb_col_i64(r, 0, 9)};
    return true;
}

const char *fb_oidc_redirect_uri(fb_job *job) {
    return bell_arena_printf(&job->arena, "https://%.*s/sign-in/oidc/%llu/callback", BELL_STR_ARG(job->request->host),
                             (unsigned long long)job->ids[0]);
}

static bool give_cookie(fb_job *job) {
    fb_oidc_flow *f = job->state;
    const fb_settings *s = job->worker->settings;
    unsigned char keys[FB_SESSION_KEYS_MAX][FB_OIDC_KEY_BYTES];
    char value[FB_OIDC_COOKIE_BYTES];

    f->attempt.tenant_id = job->tenant_id;
    f->attempt.provider_id = f->provider.id;
    f->attempt.expires_s = (int64_t)time(NULL) + s->oidc_attempt_s;
    bool good = fb_oidc_attempt_new(&f->attempt) && fb_oidc_keys(job->worker, keys) > 0 && fb_oidc_attempt_seal(&f->attempt, &keys[0], value);
    explicit_bzero(keys, sizeof(keys));
    if (good) {
        fb_reply_header(job, "Set-Cookie: " FB_OIDC_COOKIE "=%s; Max-Age=%ld; " FB_COOKIE_ATTRIBUTES, value, s->oidc_attempt_s);
    }
    return good;
}

static bool write_location(fb_job *job, bell_buf *b) {
    const fb_oidc_flow *f = job->state;
    char state[FB_OIDC_RANDOM_LEN + 1], nonce[FB_OIDC_RANDOM_LEN + 1], verifier[FB_OIDC_RANDOM_LEN + 1], challenge[FB_OIDC_RANDOM_LEN + 1];
    const char *redirect_uri = fb_oidc_redirect_uri(job);

    if (redirect_uri == NULL || !fb_oidc_derive(&f->attempt, "state", state) || !fb_oidc_derive(&f->attempt, "nonce", nonce) ||
        !fb_oidc_derive(&f->attempt, "verifier", verifier) || !fb_oidc_challenge(verifier, challenge)) {
        return false;
    }
    bell_buf_add_z(b, f->metadata.authorization_endpoint);
    fb_oidc_param(b, "response_type", BELL_STR("code"));
    fb_oidc_param(b, "client_id", bell_str_of(f->provider.client_id));
    fb_oidc_param(b, "redirect_uri", bell_str_of(redirect_uri));
    fb_oidc_param(b, "scope", bell_str_of(f->provider.scopes));
    fb_oidc_param(b, "state", bell_str_of(state));
    fb_oidc_param(b, "nonce", bell_str_of(nonce));
    fb_oidc_param(b, "code_challenge", bell_str_of(challenge));
    fb_oidc_param(b, "code_challenge_method", BELL_STR("S256"));
    bell_buf_add_char(b, '\0');
    return !b->failed;
}

static void go_to_provider(fb_job *job) {
    bell_buf location;

    bell_buf_init(&location, LOCATION_MAX_BYTES);
    if (give_cookie(job) && write_location(job, &location)) {
        fb_reply_redirect(job, location.p);
    } else {
        fb_log(FB_LOG_ERROR, "request %s: the way to an identity provider could not be written", job->request_id);
        fb_reply_problem(job, FB_PROBLEM_INTERNAL, NULL);
    }
    bell_buf_fini(&location);
}

static void have_provider(fb_job *job) {
    if (fb_oidc_provider_take(job, 0)) {
        fb_oidc_need_metadata(job, go_to_provider);
    }
}

void fb_oidc_start(fb_job *job) {
    fb_oidc_flow *f = fb_oidc_flow_new(job);
    bell_str next;

    if (f == NULL) {
        return;
    }
    if (bell_form_get(&job->arena, job->request->query, BELL_STR("next"), &next) == 1 && next.len <= FB_OIDC_NEXT_MAX && fb_is_own_page(next)) {
        memcpy(f->attempt.next, next.p, next.len); /* the rest is zero */
    }
    fb_call_add(job, &fb_sql_oidc_provider, fb_text_i64(job, job->tenant_id), fb_text_i64(job, (int64_t)job->ids[0]));
    fb_await_db(job, have_provider);
}
