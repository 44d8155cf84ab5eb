/* Signing in at another provider: OpenID Connect's authorization code flow with PKCE, for providers that a tenant has set up (`firstbell tenant
 * oidc`). No account is made by it: somebody who signs in is linked with a person of the roster, once, by the claim that the operator chose. */
#ifndef FB_OIDC_H
#define FB_OIDC_H

#include "origin/server/job.h"

extern const fb_stmt fb_sql_oidc_provider, fb_sql_oidc_providers, fb_sql_oidc_state_use, fb_sql_oidc_identity, fb_sql_oidc_find_by_email,
    fb_sql_oidc_find_by_username, fb_sql_oidc_find_by_sourced_id, fb_sql_oidc_link;

/* GET /sign-in/oidc/{id}: to the provider. */
void fb_oidc_start(fb_job *job);
/* GET /sign-in/oidc/{id}/callback: back from it. */
void fb_oidc_callback(fb_job *job);
/* GET /sign-in: the page, with a link for each provider of the tenant. */
void fb_sign_in_page(fb_job *job);

#endif
