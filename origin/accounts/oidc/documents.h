/* What a provider answers: its configuration (OpenID Connect Discovery 1.0, 3), what its token endpoint says (RFC 6749, 5), and claims. Pure: text
 * in, a verdict out. */
#ifndef FB_OIDC_DOCUMENTS_H
#define FB_OIDC_DOCUMENTS_H

#include <jansson.h>

#include "bell_arena.h"

#define FB_OIDC_DOCUMENT_MAX (256 * 1024) /* bytes of any answer of a provider */
#define FB_OIDC_CLAIM_MAX    320          /* bytes of a claim that finds a person; an e-mail address has at most 254 */

typedef struct {
    const char *authorization_endpoint, *token_endpoint, *jwks_uri;
    const char *userinfo_endpoint; /* NULL without one */
    bool says_iss;                 /* names itself in its answers (RFC 9207) */
} fb_oidc_metadata;

/* Strings go into the arena. false: *why is a static sentence. */
bool fb_oidc_metadata_parse(bell_arena *arena, bell_str json, const char *issuer, fb_oidc_metadata *out, const char **why)
    __attribute__((warn_unused_result));
/* The same in another arena. */
bool fb_oidc_metadata_copy(bell_arena *arena, const fb_oidc_metadata *in, fb_oidc_metadata *out) __attribute__((warn_unused_result));

typedef struct {
    const char *id_token, *access_token; /* access_token may be NULL */
    const char *error;                   /* "invalid_grant" and its like: letters, digits and _ only; NULL without one */
} fb_oidc_tokens;

/* false: it is no answer of a token endpoint. */
bool fb_oidc_tokens_parse(bell_arena *arena, bell_str json, fb_oidc_tokens *out) __attribute__((warn_unused_result));

/* The text of a claim in the arena; NULL when it is absent, no text, empty, too long, or has control characters. */
const char *fb_oidc_claim(bell_arena *arena, const json_t *claims, const char *name);
/* true, or "true" as some send it. */
bool fb_oidc_claim_is_true(const json_t *claims, const char *name);

/* An error code that may stand in a log: its letters, digits and underscores, at most 60; NULL when none is left. */
const char *fb_oidc_error_name(bell_arena *arena, bell_str code);

#endif
