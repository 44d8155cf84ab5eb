/* What the tests of Akamai's tokens share: one key, tokens over any text, and a check that looks at the target as well. */
#ifndef AKAMAI_H
#define AKAMAI_H

#include "bell_akamai.h"
#include "signed.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#define KEY   "aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899"
#define OTHER "00112233445566778899aabbccddeeff"
#define NOW   1800000000
#define EXP   "exp=1800000600"

static inline bell_signed_key *new_key(const char *id, bell_signed_alg alg, const char *hex) {
    const char *why = NULL;
    bell_signed_key *k = bell_signed_key_secret(bell_str_of(id), alg, bell_str_of(hex), true, &why);

    assert_null(why);
    assert_non_null(k);
    return k;
}

static const bell_akamai_options plain = {.name = {"hdnts", 5}, .alg = BELL_SIGNED_HMAC_SHA256};

static const EVP_MD *digest_of(bell_signed_alg alg) {
    return alg == BELL_SIGNED_HMAC_MD5 ? EVP_md5() : alg == BELL_SIGNED_HMAC_SHA1 ? EVP_sha1() : EVP_sha256();
}

/* "BODY~hmac=…" with the MAC over BODY and what is hashed behind it, whatever these say. */
static inline void sign_text(bell_signed_alg alg, const char *hex, const char *body, const char *hashed, char *out, size_t size) {
    unsigned char key[64], mac[EVP_MAX_MD_SIZE];
    char text[2048];
    unsigned len = 0;
    size_t n = 0;

    for (; hex[2 * n] != '\0'; n++) {
        char pair[3] = {hex[2 * n], hex[2 * n + 1], '\0'};
        key[n] = (unsigned char)strtoul(pair, NULL, 16);
    }
    snprintf(text, sizeof(text), "%s%s", body, hashed);
    assert_non_null(HMAC(digest_of(alg), key, (int)n, (const unsigned char *)text, strlen(text), mac, &len));
    size_t used = (size_t)snprintf(out, size, "%s~hmac=", body);
    for (unsigned i = 0; i < len; i++) {
        used += (size_t)snprintf(out + used, size - used, "%02x", mac[i]);
    }
    assert_true(used < size);
}

/* Nothing of a token is left in the target, whatever the verdict. */
static inline bell_signed_reason check(signed_case *c, const bell_signed_keys *keys, const bell_akamai_options *o, bell_signed_result *out) {
    bell_signed_call call = signed_call(c, keys);
    bell_signed_reason r = bell_akamai_check(&call, o, out);

    if (r != BELL_SIGNED_MISSING) {
        assert_non_null(out->target.p);
        assert_true(out->target.len == 0 || memmem(out->target.p, out->target.len, "hmac=", 5) == NULL);
    }
    return r;
}

static inline bell_signed_reason check_one(signed_case *c, const bell_akamai_options *o, bell_signed_result *out) {
    bell_signed_keys keys = {{new_key("one", o->alg, KEY)}, 1};
    bell_signed_reason r = check(c, &keys, o, out);

    if (r != BELL_SIGNED_OK) {
        assert_true(out->set_cookie.len == 0);
    }
    out->key_id = out->key_id.p != NULL ? BELL_STR("one") : BELL_STR_NULL; /* the key goes */
    signed_keys_free(&keys);
    return r;
}

#endif
