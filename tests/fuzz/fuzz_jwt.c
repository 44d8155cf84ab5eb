/* The first byte says what the rest is: 'k' a key set, 't' a token, 'h' a header that gets a payload and a right signature, anything else a payload
 * that gets a right header and signature, so that the claims are read. The key is made anew by each process: no input can depend on it. */
#include "bell_base64.h"
#include "bell_jwt.h"
#include "fuzz.h"

#include <string.h>

#define NOW 1800000000

static EVP_PKEY *pkey;
static bell_jwks *set;

static void make_key(void) {
    unsigned char raw[32];
    char x[BELL_BASE64URL_LEN(32) + 1], text[200];
    size_t len = sizeof(raw);
    const char *why;

    pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    fuzz_assert(pkey != NULL && EVP_PKEY_get_raw_public_key(pkey, raw, &len) == 1);
    bell_base64url_encode(raw, len, x);
    snprintf(text, sizeof(text), "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"one\",\"x\":\"%s\"}]}", x);
    set = bell_jwks_parse(bell_str_of(text), &why);
    fuzz_assert(set != NULL && set->nkeys == 1);
}

static bell_jwt_verdict check(const char *token, size_t len) {
    bell_id_token_expected e = {BELL_STR("https://idp"), BELL_STR("us"), BELL_STR("n1"), BELL_STR("token"), BELL_JWA_EDDSA, NOW};
    json_t *claims;
    bell_jwt_verdict v = bell_jwt_verify(set, BELL_JWT_ID_TOKEN, (bell_str){token, len}, &claims, &e.alg);

    if (v == BELL_JWT_OK && bell_id_token_check(claims, &e) == BELL_JWT_OK) {
        fuzz_assert(strcmp(json_string_value(json_object_get(claims, "iss")), "https://idp") == 0);
        fuzz_assert(strcmp(json_string_value(json_object_get(claims, "nonce")), "n1") == 0);
        fuzz_assert(json_string_length(json_object_get(claims, "sub")) > 0);
    }
    json_decref(claims);
    return v;
}

static void check_signed(bell_str header, bell_str payload) {
    static char token[16384];
    unsigned char sig[64];
    size_t sig_len = sizeof(sig);

    if (header.len > 3000 || payload.len > 8000) {
        return;
    }
    size_t len = bell_base64url_encode(header.p, header.len, token);
    token[len++] = '.';
    len += bell_base64url_encode(payload.p, payload.len, token + len);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    fuzz_assert(EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1);
    fuzz_assert(EVP_DigestSign(ctx, sig, &sig_len, (unsigned char *)token, len) == 1);
    EVP_MD_CTX_free(ctx);
    token[len++] = '.';
    len += bell_base64url_encode(sig, sig_len, token + len);
    fuzz_assert(check(token, len) != BELL_JWT_BAD_SIGNATURE);
}

static void check_set(bell_str text) {
    const char *why = NULL;
    bell_jwks *s = bell_jwks_parse(text, &why);

    fuzz_assert((s == NULL) == (why != NULL));
    for (size_t i = 0; s != NULL && i < s->nkeys; i++) {
        fuzz_assert(s->keys[i].pkey != NULL && s->keys[i].alg != BELL_JWA_NONE);
    }
    bell_jwks_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (set == NULL) {
        make_key();
    }
    if (size == 0) {
        return 0;
    }
    bell_str rest = {(const char *)data + 1, size - 1};
    switch (data[0]) {
    case 'k':
        check_set(rest);
        break;
    case 't':
        fuzz_assert(check(rest.p, rest.len) != BELL_JWT_OK);
        break;
    case 'h':
        check_signed(rest, BELL_STR("{\"sub\":\"ann\"}"));
        break;
    default:
        check_signed(BELL_STR("{\"alg\":\"EdDSA\",\"kid\":\"one\"}"), rest);
    }
    return 0;
}
