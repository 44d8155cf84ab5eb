#include "bell_jwk.h"
#include "bell_base64.h"

#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <stdlib.h>

#define RSA_MIN_BITS     2048
#define RSA_MAX_BITS     4096 /* what a signature costs us grows with it */
#define NUMBER_MAX_BYTES (RSA_MAX_BITS / 8 + 1)
#define P256_BYTES       32
#define ED25519_BYTES    32

static bell_str member(const json_t *key, const char *name) {
    const json_t *v = json_object_get(key, name);
    return json_is_string(v) ? (bell_str){json_string_value(v), json_string_length(v)} : BELL_STR_NULL;
}

bell_jwa bell_jwa_of(bell_str name) {
    static const struct {
        const char *name;
        bell_jwa alg;
    } names[] = {{"RS256", BELL_JWA_RS256}, {"PS256", BELL_JWA_PS256}, {"ES256", BELL_JWA_ES256}, {"EdDSA", BELL_JWA_EDDSA}};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (bell_str_eq(name, bell_str_of(names[i].name))) {
            return names[i].alg;
        }
    }
    return BELL_JWA_NONE;
}

/* A number in base64url, at most `room` bytes; -1: none. */
static long take_bytes(const json_t *key, const char *name, unsigned char *out, size_t room) {
    unsigned char decoded[BELL_BASE64URL_LEN(NUMBER_MAX_BYTES)];
    bell_str text = member(key, name);

    if (text.len == 0 || text.len > sizeof(decoded)) {
        return -1;
    }
    long n = bell_base64url_decode(text, decoded);
    if (n <= 0 || (size_t)n > room) {
        return -1;
    }
    memcpy(out, decoded, (size_t)n);
    return n;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *build) {
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;

    if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return pkey;
}

static EVP_PKEY *rsa_key(const json_t *key) {
    unsigned char n_bytes[NUMBER_MAX_BYTES], e_bytes[4];
    long n_len = take_bytes(key, "n", n_bytes, sizeof(n_bytes)), e_len = take_bytes(key, "e", e_bytes, sizeof(e_bytes));

    if (n_len < 0 || e_len < 0) {
        return NULL;
    }
    BIGNUM *n = BN_bin2bn(n_bytes, (int)n_len, NULL), *e = BN_bin2bn(e_bytes, (int)e_len, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;
    if (n != NULL && e != NULL && build != NULL && BN_num_bits(n) >= RSA_MIN_BITS && BN_num_bits(n) <= RSA_MAX_BITS && BN_is_odd(n) && BN_is_odd(e) &&
        !BN_is_one(e) && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
        pkey = from_params("RSA", build);
    }
    OSSL_PARAM_BLD_free(build);
    BN_free(n);
    BN_free(e);
    return pkey;
}

/* OpenSSL refuses a point that is not on the curve. */
static EVP_PKEY *p256_key(const json_t *key) {
    unsigned char point[1 + 2 * P256_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};

    if (take_bytes(key, "x", point + 1, P256_BYTES) != P256_BYTES || take_bytes(key, "y", point + 1 + P256_BYTES, P256_BYTES) != P256_BYTES) {
        return NULL;
    }
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;
    if (build != NULL && OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1) {
        pkey = from_params("EC", build);
    }
    OSSL_PARAM_BLD_free(build);
    return pkey;
}

static EVP_PKEY *ed25519_key(const json_t *key) {
    unsigned char x[ED25519_BYTES];

    return take_bytes(key, "x", x, sizeof(x)) == ED25519_BYTES ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, sizeof(x)) : NULL;
}

static bool is_for_signatures(const json_t *key) {
    const json_t *use = json_object_get(key, "use"), *ops = json_object_get(key, "key_ops"), *op;
    size_t i;

    if (use != NULL && !bell_str_eq(member(key, "use"), BELL_STR("sig"))) {
        return false;
    }
    if (ops == NULL) {
        return true;
    }
    json_array_foreach(ops, i, op) {
        if (json_is_string(op) && strcmp(json_string_value(op), "verify") == 0) {
            return true;
        }
    }
    return false;
}

/* The algorithm that this key is for; NONE: the key is of no use. */
static bell_jwa alg_of(const json_t *key) {
    bell_str kty = member(key, "kty"), crv = member(key, "crv");
    bell_jwa own = BELL_JWA_NONE;

    if (bell_str_eq(kty, BELL_STR("RSA"))) {
        own = BELL_JWA_RS256;
    } else if (bell_str_eq(kty, BELL_STR("EC")) && bell_str_eq(crv, BELL_STR("P-256"))) {
        own = BELL_JWA_ES256;
    } else if (bell_str_eq(kty, BELL_STR("OKP")) && bell_str_eq(crv, BELL_STR("Ed25519"))) {
        own = BELL_JWA_EDDSA;
    }
    if (json_object_get(key, "alg") == NULL) {
        return own;
    }
    bell_jwa said = bell_jwa_of(member(key, "alg"));
    if (own == BELL_JWA_RS256 && said == BELL_JWA_PS256) {
        return BELL_JWA_PS256;
    }
    return said == own ? own : BELL_JWA_NONE;
}

static bool take_key(const json_t *key, bell_jwk *out) {
    const json_t *kid = json_object_get(key, "kid");

    if (kid != NULL && (!json_is_string(kid) || json_string_length(kid) > BELL_JWK_KID_MAX)) {
        return false;
    }
    *out = (bell_jwk){.alg = alg_of(key)};
    if (out->alg == BELL_JWA_NONE || !is_for_signatures(key) || json_object_get(key, "d") != NULL) {
        return false;
    }
    if (kid != NULL) {
        memcpy(out->kid, json_string_value(kid), json_string_length(kid));
    }
    if (out->alg == BELL_JWA_ES256) {
        out->pkey = p256_key(key);
    } else {
        out->pkey = out->alg == BELL_JWA_EDDSA ? ed25519_key(key) : rsa_key(key);
    }
    return out->pkey != NULL;
}

static bell_jwks *take_set(const json_t *keys, const char **why) {
    const json_t *key;
    size_t i;

    if (!json_is_array(keys)) {
        *why = "the key set is not a JSON object with an array \"keys\"";
        return NULL;
    }
    if (json_array_size(keys) > BELL_JWKS_KEYS_MAX) {
        *why = "the key set has more than 32 keys";
        return NULL;
    }
    bell_jwks *set = calloc(1, sizeof(*set));
    if (set == NULL) {
        *why = "out of memory";
        return NULL;
    }
    ERR_set_mark(); /* what OpenSSL says of keys that are left out stays here */
    json_array_foreach(keys, i, key) {
        if (take_key(key, &set->keys[set->nkeys])) {
            set->nkeys++;
        }
    }
    ERR_pop_to_mark();
    return set;
}

bell_jwks *bell_jwks_parse(bell_str text, const char **why) {
    json_t *json = text.len > 0 ? json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    bell_jwks *set = take_set(json_object_get(json, "keys"), why);

    json_decref(json);
    return set;
}

bool bell_jwk_parse(bell_str text, bell_jwk *out) {
    json_t *json = text.len > 0 ? json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES, NULL) : NULL;

    ERR_set_mark();
    bool ok = json_is_object(json) && take_key(json, out);
    ERR_pop_to_mark();
    json_decref(json);
    return ok;
}

void bell_jwks_free(bell_jwks *set) {
    if (set == NULL) {
        return;
    }
    for (size_t i = 0; i < set->nkeys; i++) {
        EVP_PKEY_free(set->keys[i].pkey);
    }
    free(set);
}
