/* Who it is: somebody who is linked already, or a person of the roster who is linked now, once, by the claim that the operator chose. */
#include "origin/accounts/oidc/flow.h"
#include "origin/accounts/oidc/oidc.h"
#include "origin/server/log.h"
#include "origin/server/reply.h"
#include "origin/server/route.h"
#include "origin/server/session.h"

/* Operators (role 20) are above the district: its provider does not vouch for them, nor for who was linked before becoming one. */
const fb_stmt fb_sql_oidc_identity = {
    "oidc_identity",
    "SELECT u.id, u.role, u.enabled AND u.status = 1 AND u.role <> 20 FROM user_identities i "
    "JOIN users u ON u.tenant_id = i.tenant_id AND u.id = i.user_id WHERE i.tenant_id = $1 AND i.provider_id = $2 AND i.subject = $3",
    3,
};

const fb_stmt fb_sql_oidc_find_by_email = {
    "oidc_find_by_email",
    "SELECT id FROM users WHERE tenant_id = $1 AND email_key = lower($2::text COLLATE \"default\") AND status = 1 AND enabled AND role <> 20 LIMIT 2",
    2,
};
const fb_stmt fb_sql_oidc_find_by_username = {
    "oidc_find_by_username",
    "SELECT id FROM users WHERE tenant_id = $1 AND login_key = lower($2::text COLLATE \"C\") AND status = 1 AND enabled AND role <> 20 LIMIT 2",
    2,
};
const fb_stmt fb_sql_oidc_find_by_sourced_id = {
    "oidc_find_by_sourced_id",
    "SELECT id FROM users WHERE tenant_id = $1 AND sourced_id = $2 AND status = 1 AND enabled AND role <> 20",
    2,
};

/* Nothing is put in when the subject or the person is linked already; the identity is read behind it, in the same group. */
const fb_stmt fb_sql_oidc_link = {
    "oidc_link",
    "INSERT INTO user_identities (tenant_id, provider_id, subject, user_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING 1",
    4,
};

static void opened(fb_job *job) {
    fb_oidc_flow *f = job->state;

    switch (fb_open_finish(job, &f->opening, 0)) {
    case FB_OPENED:
        fb_reply_header(job, "Set-Cookie: " FB_OIDC_COOKIE "=; Max-Age=0; " FB_COOKIE_ATTRIBUTES);
        fb_reply_redirect(job, f->attempt.next[0] != '\0' ? f->attempt.next : fb_role_home(f->opening.role));
        return;
    case FB_OPEN_REFUSED: /* disabled a moment ago */
        fb_oidc_refuse(job, FB_OIDC_DISABLED, "the person is disabled or has left");
        return;
    case FB_OPEN_FAILED:
        return;
    }
}

/* The rows of fb_sql_oidc_identity; there is one. */
static void open_session(fb_job *job, const PGresult *r) {
    fb_oidc_flow *f = job->state;

    if (!bell_str_eq(fb_col(r, 0, 2), BELL_STR("t"))) {
        fb_oidc_refuse(job, FB_OIDC_DISABLED, "the person is disabled or has left");
        return;
    }
    f->opening = (fb_opening){.user_id = (uint64_t)fb_col_i64(r, 0, 0), .role = (uint32_t)fb_col_i64(r, 0, 1)};
    if (fb_open_call(job, &f->opening)) {
        fb_await_db(job, opened);
    }
}

static void call_identity(fb_job *job) {
    const fb_oidc_flow *f = job->state;
    fb_call_add(job, &fb_sql_oidc_identity, fb_text_i64(job, job->tenant_id), fb_text_i64(job, (int64_t)f->provider.id), f->subject);
}

static void linked(fb_job *job) {
    const fb_oidc_flow *f = job->state;
    const PGresult *r = fb_rows(job, 1);

    if (PQntuples(r) == 0 || (uint64_t)fb_col_i64(r, 0, 0) != f->candidate_id) {
        fb_oidc_refuse(job, FB_OIDC_TAKEN, "the person is linked with another account of the provider");
        return;
    }
    if (PQntuples(fb_rows(job, 0)) == 1) {
        fb_log(FB_LOG_NOTICE, "request %s: tenant %d: user %llu is now linked with an account of identity provider %llu", job->request_id,
               job->tenant_id, (unsigned long long)f->candidate_id, (unsigned long long)f->provider.id);
    }
    open_session(job, r);
}

static void found(fb_job *job) {
    fb_oidc_flow *f = job->state;
    const PGresult *r = fb_rows(job, 0);

    if (PQntuples(r) != 1) {
        bool none = PQntuples(r) == 0;
        fb_oidc_refuse(job, none ? FB_OIDC_UNKNOWN : FB_OIDC_AMBIGUOUS, none ? "nobody fits the account" : "more than one person fits the account");
        return;
    }
    f->candidate_id = (uint64_t)fb_col_i64(r, 0, 0);
    fb_call_add(job, &fb_sql_oidc_link, fb_text_i64(job, job->tenant_id), fb_text_i64(job, (int64_t)f->provider.id), f->subject,
                fb_text_i64(job, (int64_t)f->candidate_id));
    call_identity(job);
    fb_await_db(job, linked);
}

static void find_person(fb_job *job) {
    static const fb_stmt *const finders[] = {[FB_OIDC_BY_EMAIL] = &fb_sql_oidc_find_by_email,
                                             [FB_OIDC_BY_USERNAME] = &fb_sql_oidc_find_by_username,
                                             [FB_OIDC_BY_SOURCED_ID] = &fb_sql_oidc_find_by_sourced_id};
    const fb_oidc_flow *f = job->state;

    if (f->claim == NULL) {
        const char *why = bell_arena_printf(&job->arena, "neither the ID token nor the user information has a claim %s", f->provider.claim);
        fb_oidc_refuse(job, FB_OIDC_UNKNOWN, why != NULL ? why : "a claim is missing");
    } else if (f->provider.link_by == FB_OIDC_BY_EMAIL && !f->claim_is_verified) {
        fb_oidc_refuse(job, FB_OIDC_UNVERIFIED, "the e-mail address is not verified (email_verified)");
    } else {
        fb_call_add(job, finders[f->provider.link_by], fb_text_i64(job, job->tenant_id), f->claim);
        fb_await_db(job, found);
    }
}

static void take_claim(fb_job *job, const json_t *claims) {
    fb_oidc_flow *f = job->state;
    f->claim = fb_oidc_claim(&job->arena, claims, f->provider.claim);
    f->claim_is_verified = fb_oidc_claim_is_true(claims, "email_verified");
}

/* OpenID Connect Core, 5.3.2: only when it is about the subject of the ID token. */
static void got_userinfo(fb_job *job) {
    fb_oidc_flow *f = job->state;

    if (f->fetch.outcome != FB_FETCH_ANSWERED || f->fetch.status != 200) {
        fb_oidc_reply_message(job, fb_oidc_fetch_failed(job, "user information"), f->provider.title);
        return;
    }
    json_t *info = json_loadb(f->fetch.body.p, f->fetch.body.len, JSON_REJECT_DUPLICATES, NULL);
    const char *subject = fb_oidc_claim(&job->arena, info, "sub");
    bool is_about_them = subject != NULL && strcmp(subject, f->subject) == 0;
    if (is_about_them) {
        take_claim(job, info);
    }
    json_decref(info);
    if (is_about_them) {
        find_person(job);
    } else {
        fb_oidc_refuse(job, FB_OIDC_UNTRUSTED, "its user information is about somebody else");
    }
}

static void ask_userinfo(fb_job *job) {
    fb_oidc_flow *f = job->state;
    const char *bearer = bell_arena_printf(&job->arena, "Bearer %s", f->tokens.access_token);

    if (bearer == NULL) {
        fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
        return;
    }
    f->fetch = (fb_fetch){.url = f->metadata.userinfo_endpoint, .authorization = bearer, .max_bytes = FB_OIDC_DOCUMENT_MAX};
    fb_await_fetch(job, &f->fetch, got_userinfo);
}

static void have_identity(fb_job *job) {
    const fb_oidc_flow *f = job->state;
    const PGresult *r = fb_rows(job, 0);

    if (PQntuples(r) == 1) {
        open_session(job, r);
    } else if (f->claim == NULL && f->metadata.userinfo_endpoint != NULL && f->tokens.access_token != NULL) {
        ask_userinfo(job);
    } else {
        find_person(job);
    }
}

void fb_oidc_identify(fb_job *job, const json_t *claims) {
    fb_oidc_flow *f = job->state;
    const char *required = f->provider.require_claim;

    f->subject = fb_oidc_claim(&job->arena, claims, "sub");
    if (f->subject == NULL) {
        fb_oidc_refuse(job, FB_OIDC_UNTRUSTED, "the subject has control characters");
        return;
    }
    if (required != NULL) {
        const char *value = fb_oidc_claim(&job->arena, claims, required);
        if (value == NULL || strcmp(value, f->provider.require_value) != 0) {
            fb_oidc_refuse(job, FB_OIDC_OUTSIDE, "the ID token does not have the claim that the operator requires");
            return;
        }
    }
    take_claim(job, claims);
    call_identity(job);
    fb_await_db(job, have_identity);
}
