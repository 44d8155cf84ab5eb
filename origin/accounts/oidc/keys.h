/* The keys of the attempt's cookie, derived from the keys of sessions: they change with these, and every worker has them. */
#ifndef FB_OIDC_KEYS_H
#define FB_OIDC_KEYS_H

#include "origin/accounts/oidc/attempt.h"
#include "origin/server/session_keys.h"
#include "origin/server/worker.h"

/* Fills keys; how many. The first one signs; 0: OpenSSL failed. Wiped by the caller. */
size_t fb_oidc_keys(const fb_worker *w, unsigned char keys[FB_SESSION_KEYS_MAX][FB_OIDC_KEY_BYTES]);

#endif
