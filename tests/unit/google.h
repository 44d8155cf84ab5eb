/* What the tests of Google's two CDNs share: keys, texts under HMAC-SHA1 or Ed25519 in base64url, and a check that looks at the target as well. */
#ifndef GOOGLE_H
#define GOOGLE_H

#include "bell_base64.h"
#include "signed.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

/* base64url with padding, as Google's samples for Python and Java write it; `padded` false: as those for Go. */
static inline void google_base64(const void *bytes, size_t len, bool padded, char *out) {
    size_t n = bell_base64url_encode(bytes, len, out);

    while (padded && n % 4 != 0) {
        out[n++] = '=';
    }
    out[n] = '\0';
}

static inline size_t google_unhex(const char *hex, unsigned char *out) {
    size_t n = strlen(hex) / 2;

    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (unsigned char)byte;
    }
    return n;
}

static inline bell_signed_key *google_secret(const char *id, bell_signed_alg alg, const char *hex) {
    const char *why;
    bell_signed_key *k = bell_signed_key_secret(bell_str_of(id), alg, bell_str_of(hex), true, &why);

    assert_non_null(k);
    return k;
}

/* The public half of a seed. */
static inline bell_signed_key *google_public(const char *id, const char *seed_hex) {
    unsigned char seed[32], raw[32];
    char text[64];
    size_t len = sizeof(raw);
    const char *why;

    assert_int_equal(google_unhex(seed_hex, seed), 32);
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
    assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, raw, &len), 1);
    EVP_PKEY_free(pkey);
    google_base64(raw, len, true, text);
    bell_signed_key *k = bell_signed_key_public(bell_str_of(id), bell_str_of(text), &why);
    assert_non_null(k);
    return k;
}

/* 64 bytes. */
static inline void google_ed25519(const char *seed_hex, const char *text, unsigned char *signature) {
    unsigned char seed[32];
    size_t len = 64;

    assert_int_equal(google_unhex(seed_hex, seed), 32);
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey), 1);
    assert_int_equal(EVP_DigestSign(ctx, signature, &len, (const unsigned char *)text, strlen(text)), 1);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
}

/* The length. */
static inline unsigned google_hmac(const EVP_MD *md, const char *key_hex, const char *text, unsigned char *mac) {
    unsigned char key[64];
    unsigned len = 0;
    size_t n = google_unhex(key_hex, key);

    assert_non_null(HMAC(md, key, (int)n, (const unsigned char *)text, strlen(text), mac, &len));
    return len;
}

static inline bool google_holds(bell_str text, const char *piece) {
    return text.len > 0 && memmem(text.p, text.len, piece, strlen(piece)) != NULL;
}

/* Nothing of a token is left in the target, whatever the verdict. */
static inline void google_check_target(bell_signed_reason r, const bell_signed_result *out) {
    if (r != BELL_SIGNED_MISSING) {
        assert_non_null(out->target.p);
        assert_false(google_holds(out->target, "Signature=") || google_holds(out->target, "edge-cache-token=") || google_holds(out->target, "hmac="));
    }
}

/* Rows of tables are written with marks: <text> and [text] are its base64url with and without padding, $ and ^ the signature so, ! the padding of $
 * escaped. `signature` may be NULL. */
static inline void google_expand(const char *row, const unsigned char *signature, size_t len, char *out, size_t size) {
    size_t n = 0;

    for (const char *p = row; *p != '\0'; p++) {
        char piece[600] = {*p, '\0'};
        if (*p == '<' || *p == '[') {
            const char *end = strchr(p, *p == '<' ? '>' : ']');
            assert_non_null(end);
            google_base64(p + 1, (size_t)(end - p - 1), *p == '<', piece);
            p = end;
        } else if (signature != NULL && (*p == '$' || *p == '^' || *p == '!')) {
            google_base64(signature, len, *p == '$', piece);
            strcat(piece, *p != '!' ? "" : len == 20 ? "%3D" : "%3d%3D");
        }
        n += (size_t)snprintf(out + n, size - n, "%s", piece);
        assert_true(n < size);
    }
    out[n] = '\0';
}

/* Finds one of the "published_known_answers" in published_known_answers by its name. */
static inline const char *google_answer(const json_t *file, const char *name) {
    const json_t *v;
    size_t i;

    json_array_foreach(json_object_get(file, "published_known_answers"), i, v) {
        if (strcmp(json_string_value(json_object_get(v, "name")), name) == 0) {
            return json_string_value(json_object_get(v, "value"));
        }
    }
    fail_msg("no known answer \"%s\"", name);
    return NULL;
}

#endif
