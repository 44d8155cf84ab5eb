#include "origin/server/token_cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "bell_siphash.h"

typedef struct {
    bell_token_claims claims;
    size_t len;
    char token[];
} slot;

struct fb_token_cache {
    unsigned char key[BELL_SIPHASH_KEY_BYTES];
    slot *slots[FB_TOKEN_CACHE_SLOTS];
};

fb_token_cache *fb_token_cache_new(void) {
    fb_token_cache *c = calloc(1, sizeof(*c));
    if (c != NULL && getrandom(c->key, sizeof(c->key), 0) != (ssize_t)sizeof(c->key)) {
        free(c);
        return NULL;
    }
    return c;
}

void fb_token_cache_free(fb_token_cache *c) {
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < FB_TOKEN_CACHE_SLOTS; i++) {
        free(c->slots[i]);
    }
    free(c);
}

/* The first of the slots where a token may be: those of a set are in the order they were put, the newest first. */
static size_t set_of(const fb_token_cache *c, bell_str token) {
    return (size_t)(bell_siphash(c->key, token) % (FB_TOKEN_CACHE_SLOTS / FB_TOKEN_CACHE_WAYS)) * FB_TOKEN_CACHE_WAYS;
}

const bell_token_claims *fb_token_cache_get(const fb_token_cache *c, bell_str token) {
    slot *const *set = &c->slots[set_of(c, token)];

    for (size_t i = 0; i < FB_TOKEN_CACHE_WAYS && set[i] != NULL; i++) {
        if (bell_str_eq_secret((bell_str){set[i]->token, set[i]->len}, token)) {
            return &set[i]->claims;
        }
    }
    return NULL;
}

void fb_token_cache_put(fb_token_cache *c, bell_str token, const bell_token_claims *claims) {
    slot **set = &c->slots[set_of(c, token)];
    slot *s = malloc(sizeof(*s) + token.len);

    if (s == NULL) {
        return; /* it is verified again next time */
    }
    s->claims = *claims;
    s->len = token.len;
    memcpy(s->token, token.p, token.len);
    free(set[FB_TOKEN_CACHE_WAYS - 1]);
    for (size_t i = FB_TOKEN_CACHE_WAYS - 1; i > 0; i--) {
        set[i] = set[i - 1];
    }
    set[0] = s;
}
