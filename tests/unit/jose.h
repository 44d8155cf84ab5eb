/* Keys as a JWK Set writes them, and signed tokens, for the tests that verify them. */
#ifndef JOSE_H
#define JOSE_H

#include "bell_base64.h"
#include "unit.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void jose_number(EVP_PKEY *k, const char *name, int bytes, char *out) {
    unsigned char raw[600];
    BIGNUM *n = NULL;

    assert_int_equal(EVP_PKEY_get_bn_param(k, name, &n), 1);
    int len = bytes > 0 ? BN_bn2binpad(n, raw, bytes) : BN_bn2bin(n, raw);
    bell_base64url_encode(raw, (size_t)len, out);
    BN_free(n);
}

/* The members of a JWK of that key. */
static void jose_rsa(EVP_PKEY *k, char *out, size_t room) {
    char n[800], e[20];

    jose_number(k, OSSL_PKEY_PARAM_RSA_N, 0, n);
    jose_number(k, OSSL_PKEY_PARAM_RSA_E, 0, e);
    snprintf(out, room, "\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"", n, e);
}

static void jose_p256(EVP_PKEY *k, char *out, size_t room) {
    char x[100], y[100];

    jose_number(k, OSSL_PKEY_PARAM_EC_PUB_X, 32, x);
    jose_number(k, OSSL_PKEY_PARAM_EC_PUB_Y, 32, y);
    snprintf(out, room, "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"", x, y);
}

static void jose_ed25519(EVP_PKEY *k, char *out, size_t room) {
    unsigned char raw[32];
    char x[100];
    size_t len = sizeof(raw);

    assert_int_equal(EVP_PKEY_get_raw_public_key(k, raw, &len), 1);
    bell_base64url_encode(raw, len, x);
    snprintf(out, room, "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"", x);
}

static size_t jose_raw_from_der(unsigned char *sig, size_t len) {
    const unsigned char *p = sig;
    ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)len);

    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(s), sig, 32), 32);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(s), sig + 32, 32), 32);
    ECDSA_SIG_free(s);
    return 64;
}

/* A token with this header and payload; key NULL: signed with `secret` by HMAC-SHA-256, or with nothing when that is NULL, too. */
static inline char *jose_sign(const char *header, const char *payload, EVP_PKEY *key, bool pss, const char *secret) {
    static char token[20000];
    unsigned char sig[600];
    size_t len = bell_base64url_encode(header, strlen(header), token), sig_len = sizeof(sig);

    token[len++] = '.';
    len += bell_base64url_encode(payload, strlen(payload), token + len);
    if (key == NULL && secret == NULL) {
        strcpy(token + len, ".");
        return token;
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY *mac = secret != NULL ? EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, (const unsigned char *)secret, strlen(secret)) : NULL;
    EVP_PKEY_CTX *options;
    assert_int_equal(
        EVP_DigestSignInit(ctx, &options, key != NULL && EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256(), NULL, key != NULL ? key : mac), 1);
    if (pss) {
        EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
    }
    assert_int_equal(EVP_DigestSign(ctx, sig, &sig_len, (unsigned char *)token, len), 1);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(mac);
    if (key != NULL && EVP_PKEY_is_a(key, "EC")) {
        sig_len = jose_raw_from_der(sig, sig_len);
    }
    token[len++] = '.';
    bell_base64url_encode(sig, sig_len, token + len);
    return token;
}

#endif
