/* Tokens whose signature this worker has verified, and what they claim: a signature is worth some hundred microseconds, and a student's is the
 * same with every request. Found by a keyed hash, trusted only when equal byte for byte. What can change is asked each time by the caller: the
 * clock, the tenant, the session's row. Keys are the worker's for as long as it lives: a rotation brings new workers. */
#ifndef FB_TOKEN_CACHE_H
#define FB_TOKEN_CACHE_H

#include "bell_token.h"

#define FB_TOKEN_CACHE_SLOTS 4096 /* a token of some 400 bytes each, when all are taken */
#define FB_TOKEN_CACHE_WAYS  4    /* tokens whose hashes meet have so many slots; with one, every eighth of 512 students would have none to keep */

typedef struct fb_token_cache fb_token_cache;

/* NULL: no memory, or no randomness for the key. */
fb_token_cache *fb_token_cache_new(void);
void fb_token_cache_free(fb_token_cache *c);

/* The claims of a token that was put, NULL when it is not here. Good until the next put. */
const bell_token_claims *fb_token_cache_get(const fb_token_cache *c, bell_str token);
/* A token whose signature holds. When those whose hashes meet it fill their slots, the one that was put first goes. */
void fb_token_cache_put(fb_token_cache *c, bell_str token, const bell_token_claims *claims);

#endif
