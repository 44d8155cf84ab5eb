#include "origin/accounts/oidc/keys.h"

_Static_assert(FB_OIDC_KEY_BYTES == BELL_TOKEN_SECRET_BYTES, "a derived secret is a key");

size_t fb_oidc_keys(const fb_worker *w, unsigned char keys[FB_SESSION_KEYS_MAX][FB_OIDC_KEY_BYTES]) {
    const fb_session_keys *k = &w->session_keys;

    for (size_t i = 0; i < k->nkeys; i++) {
        if (!bell_token_key_derive(k->keys[i], BELL_STR("firstbell oidc attempt"), keys[i])) {
            return i;
        }
    }
    return k->nkeys;
}
