#include "origin/accounts/oidc/cache.h"

#include <stdlib.h>
#include <time.h>

#define METADATA_BYTES (16 * 1024)

static fb_oidc_cached table[FB_OIDC_CACHED_MAX]; /* of this process, which is one worker */
static uint64_t uses;

int64_t fb_oidc_now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec + 1; /* never 0, which stands for "none" */
}

static void forget(fb_oidc_cached *c) {
    free(c->issuer);
    bell_arena_fini(&c->arena);
    bell_jwks_free(c->keys);
    memset(c, 0, sizeof(*c));
}

fb_oidc_cached *fb_oidc_cache_get(int32_t tenant_id, const char *issuer) {
    fb_oidc_cached *oldest = &table[0];

    for (size_t i = 0; i < FB_OIDC_CACHED_MAX; i++) {
        fb_oidc_cached *c = &table[i];
        if (c->issuer != NULL && c->tenant_id == tenant_id && strcmp(c->issuer, issuer) == 0) {
            c->used = ++uses;
            return c;
        }
        oldest = c->used < oldest->used ? c : oldest;
    }
    forget(oldest);
    oldest->issuer = strdup(issuer);
    oldest->tenant_id = tenant_id;
    oldest->used = ++uses;
    bell_arena_init(&oldest->arena, METADATA_BYTES);
    return oldest->issuer != NULL ? oldest : NULL;
}

bool fb_oidc_cache_put_metadata(fb_oidc_cached *c, bell_str json, int64_t until_s, const char **why) {
    fb_oidc_metadata m;
    bell_arena arena;

    bell_arena_init(&arena, METADATA_BYTES);
    if (!fb_oidc_metadata_parse(&arena, json, c->issuer, &m, why)) {
        bell_arena_fini(&arena);
        return false;
    }
    bell_arena_fini(&c->arena);
    c->arena = arena;
    c->metadata = m;
    c->metadata_until_s = until_s;
    return true;
}

bool fb_oidc_cache_put_keys(fb_oidc_cached *c, bell_str json, int64_t until_s, int64_t again_s, const char **why) {
    bell_jwks *keys = bell_jwks_parse(json, why);

    if (keys == NULL) {
        return false;
    }
    bell_jwks_free(c->keys);
    c->keys = keys;
    c->keys_until_s = until_s;
    c->keys_again_s = again_s;
    c->keys_version++;
    return true;
}
