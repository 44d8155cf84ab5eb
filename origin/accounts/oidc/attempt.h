/* One attempt to sign in at another provider, from the redirect to it until its answer. It lives in a cookie of the browser that began it: signed,
 * bound to tenant and provider, with an end. State, nonce and PKCE verifier (RFC 7636) are derived from the cookie's random number and travel
 * without it, so the answer fits only into the browser that asked. That an attempt is answered once is kept in oidc_used_states. */
#ifndef FB_OIDC_ATTEMPT_H
#define FB_OIDC_ATTEMPT_H

#include "bell_base64.h"
#include "bell_buf.h"

#define FB_OIDC_COOKIE       "__Host-bell_oidc"
#define FB_OIDC_KEY_BYTES    32
#define FB_OIDC_RANDOM_LEN   BELL_BASE64URL_LEN(32)
#define FB_OIDC_COOKIE_BYTES 640 /* the longest value with NUL */
#define FB_OIDC_NEXT_MAX     256

typedef struct {
    int32_t tenant_id;
    uint64_t provider_id;
    int64_t expires_s; /* Unix seconds */
    char random[FB_OIDC_RANDOM_LEN + 1];
    char next[FB_OIDC_NEXT_MAX + 1]; /* the page to go on to, a path of ours; "" for the role's home */
} fb_oidc_attempt;

typedef const unsigned char fb_oidc_key[FB_OIDC_KEY_BYTES];

/* false: the system gave no randomness. */
bool fb_oidc_attempt_new(fb_oidc_attempt *a) __attribute__((warn_unused_result));
/* The cookie's value. false: it does not fit, or OpenSSL failed. */
bool fb_oidc_attempt_seal(const fb_oidc_attempt *a, fb_oidc_key *key, char out[FB_OIDC_COOKIE_BYTES]) __attribute__((warn_unused_result));
/* Reads a value that one of the keys has sealed. false: it is none, or of another tenant or provider, or past its end. */
bool fb_oidc_attempt_open(bell_str value, fb_oidc_key *keys, size_t nkeys, int32_t tenant_id, uint64_t provider_id, int64_t now_s, fb_oidc_attempt *a)
    __attribute__((warn_unused_result));

/* base64url of SHA-256 over purpose and random number. Purposes: "state", "nonce", "verifier". */
bool fb_oidc_derive(const fb_oidc_attempt *a, const char *purpose, char out[FB_OIDC_RANDOM_LEN + 1]) __attribute__((warn_unused_result));
/* S256 of a verifier (RFC 7636, 4.2). */
bool fb_oidc_challenge(const char *verifier, char out[FB_OIDC_RANDOM_LEN + 1]) __attribute__((warn_unused_result));

/* Percent-encodes all but the unreserved characters of RFC 3986. */
void fb_oidc_escape(bell_buf *b, bell_str value);
/* "name=value" with the value percent-encoded, behind '?' or '&' as `b` asks for; the first one of a form stands alone. */
void fb_oidc_param(bell_buf *b, const char *name, bell_str value);

#endif
