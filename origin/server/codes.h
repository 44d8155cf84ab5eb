/* One-time codes and links, and the keyed hashes under which they are stored.
 *
 * A code has 9 of 21 letters and digits that are told apart in print and by hand (no vowels, so that no word comes out; neither of two that look
 * alike), about 39.5 bits; it is shown as "K7P-2XM-9TW". That is enough because tries are throttled and codes expire. A link's token has 256 bits.
 * Stored is HMAC-SHA-256 under the key of the setting codes_key, over purpose, tenant and code: whoever has only the database can try nothing. */
#ifndef FB_CODES_H
#define FB_CODES_H

#include <stdint.h>

#include "bell_str.h"
#include "origin/server/settings.h"

#define FB_CODE_BYTES       9
#define FB_CODE_SHOWN_BYTES 11 /* with the two hyphens */
#define FB_LINK_BYTES       43 /* base64url of 32 bytes */
#define FB_CODE_HASH_BYTES  64 /* lower-case hex */
#define FB_CODES_KEYS_MAX   4
#define FB_CODES_KEY_MAX    256

/* The first key makes hashes, all are good to find by: a line each in the file, so that a new one can be put on top before the old one goes. */
typedef struct {
    struct {
        unsigned char bytes[FB_CODES_KEY_MAX];
        size_t len;
    } keys[FB_CODES_KEYS_MAX];
    size_t nkeys;
} fb_codes_keys;

typedef enum { FB_CODE_OF_SHEET = 'c', FB_CODE_OF_LINK = 'l' } fb_code_purpose;

/* Reads a file of 1 to 4 lines of 32 to 256 bytes each that nobody but its owner may read. false: a sentence in err that names the file. */
bool fb_codes_keys_load(fb_codes_keys *k, const char *path, char *err, size_t err_len) __attribute__((warn_unused_result));
/* The keys of this process, read when they are first asked for: a worker that starts anew reads them anew. NULL: a line has been logged. */
const fb_codes_keys *fb_codes_keys_of(const fb_settings *s);

/* A new code, without hyphens, or a new link's token, with NUL. false: the system gave no randomness. */
bool fb_code_new(char code[FB_CODE_BYTES + 1]) __attribute__((warn_unused_result));
bool fb_link_new(char token[FB_LINK_BYTES + 1]) __attribute__((warn_unused_result));

/* "K7P2XM9TW" → "K7P-2XM-9TW" */
void fb_code_show(const char code[FB_CODE_BYTES + 1], char shown[FB_CODE_SHOWN_BYTES + 1]);

/* What somebody typed as a code: case, spaces, hyphens and dots do not matter. false: it cannot be a code. */
bool fb_code_read(bell_str typed, char code[FB_CODE_BYTES + 1]) __attribute__((warn_unused_result));

/* The hash under the i-th key, as hex with NUL. false: OpenSSL failed. */
bool fb_code_hash(const fb_codes_keys *k, size_t i, fb_code_purpose purpose, int32_t tenant_id, bell_str code, char hash[FB_CODE_HASH_BYTES + 1])
    __attribute__((warn_unused_result));

/* "{HASH,HASH}": the hashes under every key, as an array for SQL. */
#define FB_CODE_HASHES_MAX (FB_CODES_KEYS_MAX * (FB_CODE_HASH_BYTES + 1) + 3)
bool fb_code_hashes(const fb_codes_keys *k, fb_code_purpose purpose, int32_t tenant_id, bell_str code, char out[FB_CODE_HASHES_MAX])
    __attribute__((warn_unused_result));

#endif
