/* What a worker remembers of providers: configuration and keys for oidc_cache_s seconds, and for a few seconds that one could not be had, so that
 * a provider that is down is not asked by everybody. Per tenant and issuer; the one longest unused gives way. Seconds are of the monotonic clock. */
#ifndef FB_OIDC_CACHE_H
#define FB_OIDC_CACHE_H

#include "bell_jwk.h"
#include "origin/accounts/oidc/documents.h"
#include "origin/accounts/oidc/page.h"

#define FB_OIDC_CACHED_MAX 128 /* providers, a worker */

typedef struct {
    int32_t tenant_id;
    char *issuer;
    bell_arena arena; /* of the metadata */
    fb_oidc_metadata metadata;
    int64_t metadata_until_s; /* 0: there is none */
    bell_jwks *keys;          /* NULL: none */
    int64_t keys_until_s;
    int64_t keys_again_s; /* not fetched for an unknown key before that */
    uint64_t keys_version;
    int64_t failed_until_s;
    fb_oidc_message failed_as;
    uint64_t used;
} fb_oidc_cached;

/* Finds or makes the place of a provider; valid until the next call. NULL: out of memory. */
fb_oidc_cached *fb_oidc_cache_get(int32_t tenant_id, const char *issuer);

/* Both take what was fetched; false: *why is a static sentence and what was there stays. */
bool fb_oidc_cache_put_metadata(fb_oidc_cached *c, bell_str json, int64_t until_s, const char **why) __attribute__((warn_unused_result));
bool fb_oidc_cache_put_keys(fb_oidc_cached *c, bell_str json, int64_t until_s, int64_t again_s, const char **why) __attribute__((warn_unused_result));

int64_t fb_oidc_now_s(void);

#endif
