#include "bell_jwt.h"
#include "bell_base64.h"
#include "bell_es256.h"
#include "bell_jws.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <stdlib.h>

/* RFC 7515, 4.1.9 lets "application/" be left out, and RFC 9068 names both forms. */
static bool is_typ(const json_t *typ, bell_jwt_kind kind) {
    bell_str s = bell_jws_text(typ);

    return typ == NULL || bell_str_ieq(s, BELL_STR("JWT")) ||
           (kind == BELL_JWT_ACCESS_TOKEN && (bell_str_ieq(s, BELL_STR("at+jwt")) || bell_str_ieq(s, BELL_STR("application/at+jwt"))));
}

/* The one key that the header means. */
static bell_jwt_verdict find_key(const bell_jwks *set, bell_jwt_kind kind, const json_t *header, const bell_jwk **found) {
    const json_t *kid = json_object_get(header, "kid");
    bell_jwa alg = bell_jwa_of(bell_jws_text(json_object_get(header, "alg")));
    bool same_name = false;

    *found = NULL;
    if (alg == BELL_JWA_NONE) {
        return BELL_JWT_ALGORITHM;
    }
    if (json_object_get(header, "crit") != NULL || (kid != NULL && !json_is_string(kid)) || !is_typ(json_object_get(header, "typ"), kind)) {
        return BELL_JWT_MALFORMED;
    }
    for (size_t i = 0; i < set->nkeys; i++) {
        const bell_jwk *k = &set->keys[i];
        if (kid != NULL && !bell_str_eq(bell_jws_text(kid), bell_str_of(k->kid))) {
            continue;
        }
        same_name = kid != NULL;
        if (k->alg == alg && *found != NULL) {
            return BELL_JWT_UNKNOWN_KEY; /* two could be meant */
        }
        *found = k->alg == alg ? k : *found;
    }
    if (*found != NULL) {
        return BELL_JWT_OK;
    }
    return same_name ? BELL_JWT_ALGORITHM : BELL_JWT_UNKNOWN_KEY;
}

static bool verify_begin(EVP_MD_CTX *ctx, const bell_jwk *k) {
    EVP_PKEY_CTX *options;

    if (EVP_DigestVerifyInit(ctx, &options, k->alg == BELL_JWA_EDDSA ? NULL : EVP_sha256(), NULL, k->pkey) != 1) {
        return false;
    }
    return k->alg != BELL_JWA_PS256 || (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
                                        EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1);
}

static bool signature_matches(const bell_jwk *k, bell_str input, const unsigned char *signature, size_t len) {
    unsigned char der[BELL_ES256_DER_BYTES];

    if (k->alg == BELL_JWA_ES256) {
        int n = len == BELL_ES256_SIGNATURE_BYTES ? bell_es256_der_from_raw(signature, der) : -1;
        if (n < 0) {
            return false;
        }
        signature = der;
        len = (size_t)n;
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx != NULL && verify_begin(ctx, k) && EVP_DigestVerify(ctx, signature, len, (const unsigned char *)input.p, input.len) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

static bell_jwt_verdict verify(const bell_jwks *set, bell_jwt_kind kind, bell_str token, unsigned char *room, json_t **claims, bell_jwa *alg) {
    const bell_jwk *key;
    bell_jws jws;

    if (!bell_jws_split(token, &jws)) {
        return BELL_JWT_MALFORMED;
    }
    json_t *head = bell_jws_object(jws.header, room);
    bell_jwt_verdict v = head != NULL ? find_key(set, kind, head, &key) : BELL_JWT_MALFORMED;
    json_decref(head);
    if (v != BELL_JWT_OK) {
        return v;
    }
    long len = bell_base64url_decode(jws.signature, room);
    if (len <= 0) {
        return BELL_JWT_MALFORMED;
    }
    if (!signature_matches(key, jws.input, room, (size_t)len)) {
        return BELL_JWT_BAD_SIGNATURE;
    }
    *alg = key->alg;
    *claims = bell_jws_object(jws.payload, room);
    return *claims != NULL ? BELL_JWT_OK : BELL_JWT_MALFORMED;
}

bell_jwt_verdict bell_jwt_verify(const bell_jwks *set, bell_jwt_kind kind, bell_str token, json_t **claims, bell_jwa *alg) {
    *claims = NULL;
    if (token.len == 0 || token.len > BELL_JWT_MAX_BYTES) {
        return BELL_JWT_MALFORMED;
    }
    unsigned char *room = malloc(token.len);
    if (room == NULL) {
        return BELL_JWT_MALFORMED;
    }
    ERR_set_mark(); /* OpenSSL's queue is left as it was */
    bell_jwt_verdict v = verify(set, kind, token, room, claims, alg);
    ERR_pop_to_mark();
    free(room);
    return v;
}

static bell_jwt_verdict check_audience(const json_t *claims, bell_str client_id) {
    const json_t *aud = json_object_get(claims, "aud"), *azp = json_object_get(claims, "azp"), *one;
    bool named = bell_str_eq(bell_jws_text(aud), client_id);
    size_t i;

    json_array_foreach(aud, i, one) {
        named = named || bell_str_eq(bell_jws_text(one), client_id);
    }
    if (!named || (azp == NULL && json_array_size(aud) > 1) || (azp != NULL && !bell_str_eq(bell_jws_text(azp), client_id))) {
        return BELL_JWT_AUDIENCE;
    }
    return BELL_JWT_OK;
}

bool bell_jwt_date(const json_t *claims, const char *name, double *out) {
    const json_t *v = json_object_get(claims, name);
    *out = json_number_value(v);
    return json_is_number(v) && *out >= 0 && *out < 1e11;
}

static bell_jwt_verdict check_times(const json_t *claims, int64_t now_s) {
    double exp, iat, nbf, now = (double)now_s;

    if (!bell_jwt_date(claims, "exp", &exp) || !bell_jwt_date(claims, "iat", &iat)) {
        return BELL_JWT_MALFORMED;
    }
    if (exp + BELL_JWT_CLOCK_SKEW_S <= now || iat + BELL_JWT_LIFETIME_S <= now) {
        return BELL_JWT_EXPIRED;
    }
    if (iat - BELL_JWT_CLOCK_SKEW_S > now) {
        return BELL_JWT_NOT_YET;
    }
    if (json_object_get(claims, "nbf") == NULL) {
        return BELL_JWT_OK;
    }
    if (!bell_jwt_date(claims, "nbf", &nbf)) {
        return BELL_JWT_MALFORMED;
    }
    return nbf - BELL_JWT_CLOCK_SKEW_S > now ? BELL_JWT_NOT_YET : BELL_JWT_OK;
}

/* base64url of the left half of the hash that the algorithm goes with (OpenID Connect Core, 3.1.3.6; for Ed25519 SHA-512). */
static bell_jwt_verdict check_at_hash(const json_t *claims, const bell_id_token_expected *e) {
    const json_t *at_hash = json_object_get(claims, "at_hash");
    unsigned char hash[EVP_MAX_MD_SIZE];
    char want[BELL_BASE64URL_LEN(EVP_MAX_MD_SIZE / 2) + 1];
    unsigned len;

    if (at_hash == NULL || e->access_token.p == NULL) {
        return BELL_JWT_OK;
    }
    if (EVP_Digest(e->access_token.p, e->access_token.len, hash, &len, e->alg == BELL_JWA_EDDSA ? EVP_sha512() : EVP_sha256(), NULL) != 1) {
        return BELL_JWT_AT_HASH;
    }
    bell_base64url_encode(hash, len / 2, want);
    return bell_str_eq(bell_jws_text(at_hash), bell_str_of(want)) ? BELL_JWT_OK : BELL_JWT_AT_HASH;
}

bell_jwt_verdict bell_id_token_check(const json_t *claims, const bell_id_token_expected *e) {
    bell_str sub = bell_jws_text(json_object_get(claims, "sub")), nonce = bell_jws_text(json_object_get(claims, "nonce"));
    bell_jwt_verdict v;

    if (e->issuer.len == 0 || !bell_str_eq(bell_jws_text(json_object_get(claims, "iss")), e->issuer)) {
        return BELL_JWT_ISSUER;
    }
    if ((v = check_audience(claims, e->client_id)) != BELL_JWT_OK || (v = check_times(claims, e->now_s)) != BELL_JWT_OK) {
        return v;
    }
    if (e->nonce.len == 0 || nonce.p == NULL || !bell_str_eq_secret(nonce, e->nonce)) {
        return BELL_JWT_NONCE;
    }
    if (sub.len == 0 || sub.len > BELL_JWT_SUBJECT_MAX || memchr(sub.p, '\0', sub.len) != NULL) {
        return BELL_JWT_SUBJECT;
    }
    return check_at_hash(claims, e);
}

const char *bell_jwt_verdict_text(bell_jwt_verdict v) {
    static const char *const texts[] = {
        [BELL_JWT_OK] = "the token is valid",
        [BELL_JWT_MALFORMED] = "the token is malformed or lacks a claim",
        [BELL_JWT_ALGORITHM] = "the algorithm is not accepted, or is not the one of the key",
        [BELL_JWT_UNKNOWN_KEY] = "the token names no key, or not exactly one, of the provider's key set",
        [BELL_JWT_BAD_SIGNATURE] = "the signature does not match",
        [BELL_JWT_ISSUER] = "the token is of another issuer",
        [BELL_JWT_AUDIENCE] = "the token is for another client",
        [BELL_JWT_EXPIRED] = "the token has expired",
        [BELL_JWT_NOT_YET] = "the token is of the future: compare the clocks",
        [BELL_JWT_NONCE] = "the nonce is not the one of this sign-in",
        [BELL_JWT_SUBJECT] = "the subject is missing or too long",
        [BELL_JWT_AT_HASH] = "the access token is not the one that belongs to the ID token",
    };
    return texts[v];
}
