/* Back from the provider. The order of checks: the attempt (cookie, state, not answered before), the issuer (RFC 9207), the code for tokens, the ID
 * token's signature and claims, and only then who it is. */
#include <time.h>

#include "bell_jwt.h"
#include "bell_url.h"
#include "origin/accounts/oidc/cache.h"
#include "origin/accounts/oidc/flow.h"
#include "origin/accounts/oidc/keys.h"
#include "origin/accounts/oidc/oidc.h"
#include "origin/server/reply.h"
#include "origin/server/session.h"

#define CODE_MAX_BYTES 4096

/* An attempt that is answered a second time finds its state here; kept until its cookie has ended. */
const fb_stmt fb_sql_oidc_state_use = {
    "oidc_state_use",
    "INSERT INTO oidc_used_states (tenant_id, state, expires_at) VALUES ($1, $2, to_timestamp($3) + interval '1 minute') "
    "ON CONFLICT (tenant_id, state) DO NOTHING RETURNING 1",
    3,
};

static void refuse_token(fb_job *job, bell_jwt_verdict v) {
    const char *why = bell_arena_printf(&job->arena, "its ID token is refused: %s", bell_jwt_verdict_text(v));
    fb_oidc_refuse(job, FB_OIDC_UNTRUSTED, why != NULL ? why : "its ID token is refused");
}

static bell_jwt_verdict check_claims(fb_job *job, const json_t *claims, bell_jwa alg) {
    const fb_oidc_flow *f = job->state;
    char nonce[FB_OIDC_RANDOM_LEN + 1];
    bell_id_token_expected e = {.issuer = bell_str_of(f->provider.issuer),
                                .client_id = bell_str_of(f->provider.client_id),
                                .access_token = bell_str_of(f->tokens.access_token),
                                .alg = alg,
                                .now_s = (int64_t)time(NULL)};

    if (!fb_oidc_derive(&f->attempt, "nonce", nonce)) {
        return BELL_JWT_NONCE;
    }
    e.nonce = bell_str_of(nonce);
    return bell_id_token_check(claims, &e);
}

static void check_token(fb_job *job) {
    fb_oidc_flow *f = job->state;
    const fb_oidc_cached *c = fb_oidc_cache_get(job->tenant_id, f->provider.issuer);
    json_t *claims;
    bell_jwa alg = BELL_JWA_NONE;

    if (c == NULL || c->keys == NULL) {
        fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
        return;
    }
    bell_jwt_verdict v = bell_jwt_verify(c->keys, BELL_JWT_ID_TOKEN, bell_str_of(f->tokens.id_token), &claims, &alg);
    if ((v == BELL_JWT_UNKNOWN_KEY || v == BELL_JWT_BAD_SIGNATURE) && !f->keys_fetched_again) {
        f->keys_fetched_again = true; /* the provider may have new keys, perhaps under the old name */
        fb_oidc_need_keys(job, check_token, true);
        return;
    }
    if (v == BELL_JWT_OK) {
        v = check_claims(job, claims, alg);
    }
    if (v == BELL_JWT_OK) {
        fb_oidc_identify(job, claims);
    } else {
        refuse_token(job, v);
    }
    json_decref(claims);
}

static void have_tokens(fb_job *job) {
    fb_oidc_need_keys(job, check_token, false);
}

/* The error codes of RFC 6749, 4.1.2.1 and OpenID Connect Core, 3.1.2.6. */
static void answer_error(fb_job *job) {
    static const char *const denied[] = {"access_denied", "login_required", "interaction_required", "consent_required", "account_selection_required"};
    static const char *const passing[] = {"temporarily_unavailable", "server_error"};
    const fb_oidc_flow *f = job->state;
    const char *name = fb_oidc_error_name(&job->arena, f->error);
    const char *why = bell_arena_printf(&job->arena, "it answers the sign-in with the error %s", name != NULL ? name : "(none)");
    fb_oidc_message m = FB_OIDC_BROKEN;

    for (size_t i = 0; name != NULL && i < sizeof(denied) / sizeof(*denied); i++) {
        m = strcmp(name, denied[i]) == 0 ? FB_OIDC_DENIED : m;
    }
    for (size_t i = 0; name != NULL && i < sizeof(passing) / sizeof(*passing); i++) {
        m = strcmp(name, passing[i]) == 0 ? FB_OIDC_UNAVAILABLE : m;
    }
    fb_oidc_refuse(job, m, why != NULL ? why : "it answers the sign-in with an error");
}

static void have_metadata(fb_job *job) {
    const fb_oidc_flow *f = job->state;

    if (f->iss.p != NULL ? !bell_str_eq(f->iss, bell_str_of(f->provider.issuer)) : f->metadata.says_iss) {
        fb_oidc_refuse(job, FB_OIDC_UNTRUSTED, "the answer does not come from the issuer that was asked (iss)");
    } else if (f->error.p != NULL) {
        answer_error(job);
    } else if (f->code.len == 0 || f->code.len > CODE_MAX_BYTES) {
        fb_oidc_refuse(job, FB_OIDC_BROKEN, "its answer has neither a code nor an error");
    } else {
        fb_oidc_get_tokens(job, have_tokens);
    }
}

static void have_provider(fb_job *job) {
    if (!fb_oidc_provider_take(job, 0)) {
        return;
    }
    if (PQntuples(fb_rows(job, 1)) == 0) {
        fb_oidc_refuse(job, FB_OIDC_STALE, "the attempt was answered before");
    } else {
        fb_oidc_need_metadata(job, have_metadata);
    }
}

/* Whether the parameter is there at most once and well-formed; NULL p when absent. */
static bool take_param(fb_job *job, const char *name, bell_str *out) {
    int found = bell_form_get(&job->arena, job->request->query, bell_str_of(name), out);
    if (found == 0) {
        *out = BELL_STR_NULL;
    }
    return found >= 0;
}

static bool open_attempt(fb_job *job, fb_oidc_flow *f) {
    unsigned char keys[FB_SESSION_KEYS_MAX][FB_OIDC_KEY_BYTES];
    size_t nkeys = fb_oidc_keys(job->worker, keys);
    bool good = fb_oidc_attempt_open(fb_cookie(job->request, BELL_STR(FB_OIDC_COOKIE)), keys, nkeys, job->tenant_id, job->ids[0], (int64_t)time(NULL),
                                     &f->attempt);
    explicit_bzero(keys, sizeof(keys));
    return good;
}

void fb_oidc_callback(fb_job *job) {
    fb_oidc_flow *f = fb_oidc_flow_new(job);
    char state[FB_OIDC_RANDOM_LEN + 1];
    bell_str given;

    if (f == NULL) {
        return;
    }
    f->provider.id = job->ids[0];
    if (!take_param(job, "state", &given) || !take_param(job, "code", &f->code) || !take_param(job, "error", &f->error) ||
        !take_param(job, "iss", &f->iss)) {
        fb_oidc_refuse(job, FB_OIDC_STALE, "the answer is malformed, or says something twice");
    } else if (!open_attempt(job, f)) {
        fb_oidc_refuse(job, FB_OIDC_STALE, "the browser has no cookie of an attempt at this provider that is still open");
    } else if (!fb_oidc_derive(&f->attempt, "state", state) || given.p == NULL || !bell_str_eq_secret(given, bell_str_of(state))) {
        fb_oidc_refuse(job, FB_OIDC_STALE, "the state is not the one of this browser's attempt");
    } else {
        fb_call_add(job, &fb_sql_oidc_provider, fb_text_i64(job, job->tenant_id), fb_text_i64(job, (int64_t)job->ids[0]));
        fb_call_add(job, &fb_sql_oidc_state_use, fb_text_i64(job, job->tenant_id), fb_text(job, bell_str_of(state)),
                    fb_text_i64(job, f->attempt.expires_s));
        fb_await_db(job, have_provider);
    }
}
