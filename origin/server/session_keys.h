/* The keys of sessions. One signs (setting session_key), all verify: it and every key in session_keys_dir, which holds the next one ("next.pem",
 * known everywhere before it signs) and the ones that have signed (KEYID.SECONDS.pem, good until that moment). `firstbell keys rotate` moves them
 * along; workers read them when they start, so a reload of the api takes a change.
 *
 * A key file is a secret: one that others than its owner may read or write is refused. What is derived from a key (fb_session_keys_secret) goes
 * with it. */
#ifndef FB_SESSION_KEYS_H
#define FB_SESSION_KEYS_H

#include "bell_token.h"
#include "origin/server/settings.h"

#define FB_SESSION_KEYS_MAX 16

typedef struct {
    bell_token_key *keys[FB_SESSION_KEYS_MAX]; /* the first signs */
    unsigned char form_secrets[FB_SESSION_KEYS_MAX][BELL_TOKEN_SECRET_BYTES];
    size_t nkeys;
} fb_session_keys;

/* Reads all. false: a sentence in err that names the file. `now_s`, Unix seconds, decides which old ones still count. */
bool fb_session_keys_load(fb_session_keys *k, const fb_settings *s, int64_t now_s, char *err, size_t err_len) __attribute__((warn_unused_result));
void fb_session_keys_free(fb_session_keys *k);

/* "KEYID.SECONDS.pem" → its end, Unix seconds; -1 when the name is of another form. */
int64_t fb_session_key_until(const char *name);

#endif
