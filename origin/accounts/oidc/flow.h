/* What the steps of a sign-in at another provider share. */
#ifndef FB_OIDC_FLOW_H
#define FB_OIDC_FLOW_H

#include "origin/accounts/oidc/attempt.h"
#include "origin/accounts/oidc/documents.h"
#include "origin/accounts/oidc/page.h"
#include "origin/accounts/open.h"
#include "origin/server/fetch.h"

typedef enum { FB_OIDC_AUTH_BASIC = 1, FB_OIDC_AUTH_POST, FB_OIDC_AUTH_NONE } fb_oidc_auth;
typedef enum { FB_OIDC_BY_EMAIL = 1, FB_OIDC_BY_USERNAME, FB_OIDC_BY_SOURCED_ID } fb_oidc_link_by;

/* A row of identity_providers; strings in the job's arena. */
typedef struct {
    uint64_t id;
    const char *title, *issuer, *client_id, *scopes, *claim;
    const char *require_claim, *require_value; /* NULL: none */
    fb_oidc_auth auth;
    fb_oidc_link_by link_by;
} fb_oidc_provider;

typedef struct {
    fb_oidc_provider provider;
    fb_oidc_metadata metadata;
    fb_oidc_attempt attempt;
    fb_fetch fetch;
    fb_step then; /* what waits for metadata or keys */
    uint64_t keys_version;
    bool keys_fetched_again;

    bell_str code, error, iss; /* of the provider's answer */
    fb_oidc_tokens tokens;
    const char *subject;
    const char *claim;      /* what finds the person */
    bool claim_is_verified; /* of an e-mail address: the provider says so */
    uint64_t candidate_id;
    fb_opening opening;
} fb_oidc_flow;

/* A flow in job->state. NULL: answered. */
fb_oidc_flow *fb_oidc_flow_new(fb_job *job);

/* After fb_sql_oidc_provider as the i-th statement of the group. false: there is no such provider, answered. */
bool fb_oidc_provider_take(fb_job *job, unsigned i) __attribute__((warn_unused_result));
/* Where the provider sends the browser back to; what is registered there. NULL: out of memory. */
const char *fb_oidc_redirect_uri(fb_job *job);

/* Has flow->metadata filled, then goes on to `then`; or answers. */
void fb_oidc_need_metadata(fb_job *job, fb_step then);
/* Goes on to `then` with keys in the provider's place of the cache; or answers. again: those that are there do not do. */
void fb_oidc_need_keys(fb_job *job, fb_step then, bool again);
/* Sends the code to the token endpoint, then goes on to `then` with flow->tokens; or answers. */
void fb_oidc_get_tokens(fb_job *job, fb_step then);
/* Logs why and answers. */
void fb_oidc_refuse(fb_job *job, fb_oidc_message m, const char *why);
/* What a fetch that did not answer 200 stands for; logged. */
fb_oidc_message fb_oidc_fetch_failed(fb_job *job, const char *what);

/* Finds the person of flow->subject, or by the claim (`claims` of the ID token), and opens the session. */
void fb_oidc_identify(fb_job *job, const json_t *claims);

/* The secret file of a provider: DIR/TENANT-PROVIDER. */
void fb_oidc_secret_path(const char *dir, int32_t tenant_id, uint64_t provider_id, char *out, size_t out_len);

#endif
