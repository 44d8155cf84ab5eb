#include "bell_token.h"
#include "bell_base64.h"
#include "bell_es256.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_ID_HASH_BYTES 8
#define KEY_ID_LEN        BELL_BASE64URL_LEN(KEY_ID_HASH_BYTES)
#define SIGNATURE_LEN     BELL_BASE64URL_LEN(BELL_ES256_SIGNATURE_BYTES)
#define CLOCK_SKEW_S      60
#define HEADER_BEGIN      "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\""
#define HEADER_END        "\"}"
#define HEADER_BYTES      (sizeof(HEADER_BEGIN) - 1 + KEY_ID_LEN + sizeof(HEADER_END) - 1)

struct bell_token_key {
    EVP_PKEY *pkey;
    bool is_private;
    char id[KEY_ID_LEN + 1];
    char header[BELL_BASE64URL_LEN(HEADER_BYTES) + 1]; /* encoded: what every token of this key begins with */
};

/* A key with a pass phrase is refused instead of asking a terminal for it. */
static int no_pass_phrase(char *buf, int size, int for_writing, void *arg) {
    (void)buf, (void)size, (void)for_writing, (void)arg;
    return -1;
}

static EVP_PKEY *read_pem(FILE *f, bool *is_private) {
    EVP_PKEY *pkey;

    ERR_set_mark();
    pkey = PEM_read_PrivateKey(f, NULL, no_pass_phrase, NULL);
    *is_private = pkey != NULL;
    if (pkey == NULL) {
        rewind(f);
        pkey = PEM_read_PUBKEY(f, NULL, no_pass_phrase, NULL);
    }
    ERR_pop_to_mark();
    return pkey;
}

static bool is_p256(const EVP_PKEY *pkey) {
    char group[32];
    size_t len;

    return EVP_PKEY_is_a(pkey, "EC") && EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) == 1 && strcmp(group, "prime256v1") == 0;
}

/* The id must not depend on how the file spells the point, so that the private and the public file of one key agree. */
static bool name_key(bell_token_key *k) {
    unsigned char hash[EVP_MAX_MD_SIZE], *der = NULL;
    char header[HEADER_BYTES + 1];
    bool good = false;
    int len;

    if (EVP_PKEY_set_utf8_string_param(k->pkey, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "uncompressed") != 1) {
        return false;
    }
    len = i2d_PUBKEY(k->pkey, &der);
    if (len > 0 && EVP_Digest(der, (size_t)len, hash, NULL, EVP_sha256(), NULL) == 1) {
        bell_base64url_encode(hash, KEY_ID_HASH_BYTES, k->id);
        snprintf(header, sizeof(header), HEADER_BEGIN "%s" HEADER_END, k->id);
        bell_base64url_encode(header, HEADER_BYTES, k->header);
        good = true;
    }
    OPENSSL_free(der);
    return good;
}

bell_token_key *bell_token_key_load(const char *path, char *err, size_t err_len) {
    bell_token_key *k = calloc(1, sizeof(*k));
    FILE *f = k ? fopen(path, "re") : NULL;

    if (f == NULL) {
        snprintf(err, err_len, "%s: cannot read the key: %s", path, k ? strerror(errno) : "out of memory");
        free(k);
        return NULL;
    }
    k->pkey = read_pem(f, &k->is_private);
    fclose(f);
    if (k->pkey == NULL) {
        snprintf(err, err_len, "%s: found no PEM key without a pass phrase; expected a P-256 private key or public key", path);
    } else if (!is_p256(k->pkey)) {
        snprintf(err, err_len, "%s: the key is not on the curve P-256; make one with openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
                 path);
    } else if (!name_key(k)) {
        snprintf(err, err_len, "%s: OpenSSL could not derive the key's id", path);
    } else {
        return k;
    }
    bell_token_key_free(k);
    return NULL;
}

void bell_token_key_free(bell_token_key *k) {
    if (k == NULL) {
        return;
    }
    EVP_PKEY_free(k->pkey);
    free(k);
}

typedef enum { BUNDLE_KEY, BUNDLE_END, BUNDLE_WRONG, BUNDLE_PRIVATE } bundle_block;

static bell_token_key *public_from_der(const unsigned char *der, long len) {
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &der, len);
    bell_token_key *k = pkey != NULL && is_p256(pkey) ? calloc(1, sizeof(*k)) : NULL;

    if (k == NULL) {
        EVP_PKEY_free(pkey);
        return NULL;
    }
    k->pkey = pkey;
    if (!name_key(k)) {
        bell_token_key_free(k);
        return NULL;
    }
    return k;
}

static bundle_block next_block(BIO *in, bell_token_key **key) {
    char *name, *header;
    unsigned char *der;
    long len;
    bundle_block what;

    *key = NULL;
    if (PEM_read_bio(in, &name, &header, &der, &len) != 1) {
        return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE ? BUNDLE_END : BUNDLE_WRONG;
    }
    what = strstr(name, "PRIVATE KEY") != NULL ? BUNDLE_PRIVATE : BUNDLE_WRONG;
    if (strcmp(name, PEM_STRING_PUBLIC) == 0) {
        *key = public_from_der(der, len);
        what = *key != NULL ? BUNDLE_KEY : BUNDLE_WRONG;
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(der, (size_t)len);
    return what;
}

/* Fills keys; *n, also of those that were read before something was wrong. */
static bundle_block read_bundle(BIO *in, bell_token_key **keys, size_t max, size_t *n) {
    for (*n = 0;;) {
        bell_token_key *k;
        bundle_block what = next_block(in, &k);

        if (what != BUNDLE_KEY) {
            return what;
        }
        if (*n == max) {
            bell_token_key_free(k);
            return BUNDLE_KEY;
        }
        keys[(*n)++] = k;
    }
}

static void explain_bundle(bundle_block what, const char *path, size_t n, size_t max, char *err, size_t err_len) {
    switch (what) {
    case BUNDLE_PRIVATE:
        snprintf(err, err_len, "%s: holds a private key, which could sign; expected the public halves only", path);
        break;
    case BUNDLE_WRONG:
        snprintf(err, err_len, "%s: key %zu cannot be used: expected public keys on the curve P-256 in PEM form", path, n + 1);
        break;
    case BUNDLE_KEY:
        snprintf(err, err_len, "%s: holds more than %zu keys", path, max);
        break;
    case BUNDLE_END:
        snprintf(err, err_len, "%s: holds no public key; expected some on the curve P-256 in PEM form", path);
    }
}

long bell_token_keys_parse(bell_str text, const char *path, bell_token_key **keys, size_t max, char *err, size_t err_len) {
    BIO *in;
    bundle_block what;
    size_t n = 0;

    ERR_set_mark();
    in = BIO_new_mem_buf(text.len > 0 ? text.p : "", (int)text.len);
    what = in != NULL ? read_bundle(in, keys, max, &n) : BUNDLE_WRONG;
    BIO_free(in);
    ERR_pop_to_mark();
    if (what == BUNDLE_END && n > 0) {
        return (long)n;
    }
    explain_bundle(what, path, n, max, err, err_len);
    while (n > 0) {
        bell_token_key_free(keys[--n]);
    }
    return -1;
}

const char *bell_token_key_id(const bell_token_key *k) {
    return k->id;
}

long bell_token_key_public(const bell_token_key *k, char *out, size_t room) {
    BIO *pem;
    char *text;
    long len;

    ERR_set_mark();
    pem = BIO_new(BIO_s_mem());
    len = pem != NULL && PEM_write_bio_PUBKEY(pem, k->pkey) == 1 ? BIO_get_mem_data(pem, &text) : -1;
    if (len >= 0 && (size_t)len < room) {
        memcpy(out, text, (size_t)len);
        out[len] = '\0';
    } else {
        len = -1;
    }
    BIO_free(pem);
    ERR_pop_to_mark();
    return len;
}

static bool hkdf(const unsigned char *secret, size_t len, bell_str label, unsigned char out[BELL_TOKEN_SECRET_BYTES]) {
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, "SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)label.p, label.len),
        OSSL_PARAM_construct_end(),
    };
    bool good = ctx != NULL && EVP_KDF_derive(ctx, out, BELL_TOKEN_SECRET_BYTES, params) == 1;

    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return good;
}

bool bell_token_key_derive(const bell_token_key *k, bell_str label, unsigned char out[BELL_TOKEN_SECRET_BYTES]) {
    unsigned char number[BELL_ES256_NUMBER_BYTES];
    BIGNUM *d = NULL;
    bool good;

    ERR_set_mark();
    good = k->is_private && EVP_PKEY_get_bn_param(k->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &d) == 1 &&
           BN_bn2binpad(d, number, sizeof(number)) == BELL_ES256_NUMBER_BYTES && hkdf(number, sizeof(number), label, out);
    BN_clear_free(d);
    OPENSSL_cleanse(number, sizeof(number));
    ERR_pop_to_mark();
    return good;
}

static bool is_sid(bell_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f'))) {
            return false;
        }
    }
    return s.len == BELL_TOKEN_SID_BYTES;
}

static bool sign(const bell_token_key *k, bell_str input, unsigned char raw[BELL_ES256_SIGNATURE_BYTES]) {
    unsigned char der[BELL_ES256_DER_BYTES];
    size_t len = sizeof(der);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, k->pkey) == 1 &&
                EVP_DigestSign(ctx, der, &len, (const unsigned char *)input.p, input.len) == 1;

    EVP_MD_CTX_free(ctx);
    return good && bell_es256_raw_from_der(der, len, raw);
}

long bell_token_mint(const bell_token_key *k, const bell_token_claims *c, char *out) {
    char claims[256];
    unsigned char raw[BELL_ES256_SIGNATURE_BYTES];
    size_t len = sizeof(k->header) - 1;
    int n;

    if (!k->is_private || !is_sid((bell_str){c->sid, strnlen(c->sid, sizeof(c->sid))})) {
        return -1;
    }
    n = snprintf(claims, sizeof(claims), "{\"aud\":\"%u\",\"sub\":\"%llu\",\"sid\":\"%s\",\"role\":%u,\"iat\":%lld,\"exp\":%lld}", c->tenant_id,
                 (unsigned long long)c->user_id, c->sid, c->role, (long long)c->issued_s, (long long)c->expires_s);
    if (n < 0 || (size_t)n >= sizeof(claims)) {
        return -1;
    }
    memcpy(out, k->header, len);
    out[len++] = '.';
    len += bell_base64url_encode(claims, (size_t)n, out + len);
    if (!sign(k, (bell_str){out, len}, raw)) {
        return -1;
    }
    out[len++] = '.';
    return (long)(len + bell_base64url_encode(raw, sizeof(raw), out + len));
}

/* OpenSSL leaves what went wrong in the thread's error queue, where nginx would find it and blame a connection: the queue is left as it was. */
static bool signature_matches(const bell_token_key *k, bell_str input, const unsigned char raw[BELL_ES256_SIGNATURE_BYTES]) {
    unsigned char der[BELL_ES256_DER_BYTES];
    EVP_MD_CTX *ctx;
    bool good;
    int len;

    ERR_set_mark();
    len = bell_es256_der_from_raw(raw, der);
    ctx = len > 0 ? EVP_MD_CTX_new() : NULL;
    good = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, k->pkey) == 1 &&
           EVP_DigestVerify(ctx, der, (size_t)len, (const unsigned char *)input.p, input.len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_pop_to_mark();
    return good;
}

/* Compares encoded headers byte for byte: nothing is parsed before the signature holds. NULL: no key matches. */
static const bell_token_key *find_key(const bell_token_key *const *keys, size_t nkeys, bell_str header) {
    for (size_t i = 0; i < nkeys; i++) {
        if (bell_str_eq(header, bell_str_of(keys[i]->header))) {
            return keys[i];
        }
    }
    return NULL;
}

/* A header that is no key's: whether it could be one's, for the sake of the log. */
static bell_token_verdict judge_header(bell_str header) {
    char text[BELL_TOKEN_MAX_BYTES];
    bell_str decoded = {text, 0};
    long len = bell_base64url_decode(header, (unsigned char *)text);

    if (len != HEADER_BYTES) {
        return BELL_TOKEN_MALFORMED;
    }
    decoded.len = (size_t)len;
    if (!bell_str_starts(decoded, BELL_STR(HEADER_BEGIN)) || !bell_str_eq((bell_str){text + len - 2, 2}, BELL_STR(HEADER_END))) {
        return BELL_TOKEN_MALFORMED;
    }
    return BELL_TOKEN_UNKNOWN_KEY;
}

static bool take_number(const json_t *claims, const char *name, int64_t min, int64_t max, int64_t *out) {
    const json_t *v = json_object_get(claims, name);

    *out = json_integer_value(v);
    return json_is_integer(v) && *out >= min && *out <= max;
}

static bool take_decimal(const json_t *claims, const char *name, uint64_t max, uint64_t *out) {
    const json_t *v = json_object_get(claims, name);

    return json_is_string(v) && bell_str_to_u64((bell_str){json_string_value(v), json_string_length(v)}, max, out);
}

static bool take_claims(const json_t *claims, bell_token_claims *c) {
    const json_t *sid = json_object_get(claims, "sid");
    uint64_t tenant_id;
    int64_t role;

    if (!take_decimal(claims, "aud", UINT32_MAX, &tenant_id) || !take_decimal(claims, "sub", UINT64_MAX, &c->user_id)) {
        return false;
    }
    if (!json_is_string(sid) || !is_sid((bell_str){json_string_value(sid), json_string_length(sid)})) {
        return false;
    }
    if (!take_number(claims, "role", 0, UINT32_MAX, &role) || !take_number(claims, "iat", 0, INT64_MAX, &c->issued_s) ||
        !take_number(claims, "exp", 0, INT64_MAX, &c->expires_s)) {
        return false;
    }
    memcpy(c->sid, json_string_value(sid), sizeof(c->sid));
    c->tenant_id = (uint32_t)tenant_id;
    c->role = (uint32_t)role;
    return true;
}

static bool parse_claims(bell_str encoded, bell_token_claims *c) {
    char text[BELL_TOKEN_MAX_BYTES];
    long len = bell_base64url_decode(encoded, (unsigned char *)text);
    json_t *claims = len > 0 ? json_loadb(text, (size_t)len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    bool good = take_claims(claims, c);

    json_decref(claims);
    return good;
}

bell_token_verdict bell_token_judge(const bell_token_claims *c, uint32_t tenant_id, int64_t now_s) {
    if (c->tenant_id != tenant_id) {
        return BELL_TOKEN_WRONG_TENANT;
    }
    if (c->issued_s > CLOCK_SKEW_S && c->issued_s - CLOCK_SKEW_S > now_s) {
        return BELL_TOKEN_NOT_YET;
    }
    return c->expires_s <= now_s ? BELL_TOKEN_EXPIRED : BELL_TOKEN_OK;
}

bell_token_verdict bell_token_open(const bell_token_key *const *keys, size_t nkeys, bell_str token, bell_token_claims *out,
                                   const bell_token_key **key) {
    bell_str signature = token, header, claims, input;
    unsigned char raw[SIGNATURE_LEN];
    bell_token_claims c = {0};

    if (token.len == 0 || token.len >= BELL_TOKEN_MAX_BYTES) {
        return BELL_TOKEN_MALFORMED;
    }
    header = bell_str_cut(&signature, '.');
    claims = bell_str_cut(&signature, '.');
    input = (bell_str){token.p, header.len + 1 + claims.len};
    if (claims.len == 0 || signature.len != SIGNATURE_LEN || bell_base64url_decode(signature, raw) != BELL_ES256_SIGNATURE_BYTES) {
        return BELL_TOKEN_MALFORMED;
    }
    *key = find_key(keys, nkeys, header);
    if (*key == NULL) {
        return judge_header(header);
    }
    if (!signature_matches(*key, input, raw)) {
        return BELL_TOKEN_BAD_SIGNATURE;
    }
    if (!parse_claims(claims, &c)) {
        return BELL_TOKEN_MALFORMED;
    }
    *out = c;
    return BELL_TOKEN_OK;
}

bell_token_verdict bell_token_verify(const bell_token_key *const *keys, size_t nkeys, bell_str token, uint32_t tenant_id, int64_t now_s,
                                     bell_token_claims *out) {
    const bell_token_key *key;
    bell_token_claims c;
    bell_token_verdict verdict = bell_token_open(keys, nkeys, token, &c, &key);

    if (verdict == BELL_TOKEN_OK) {
        verdict = bell_token_judge(&c, tenant_id, now_s);
    }
    if (verdict == BELL_TOKEN_OK) {
        *out = c;
    }
    return verdict;
}

const char *bell_token_verdict_text(bell_token_verdict v) {
    switch (v) {
    case BELL_TOKEN_OK:
        return "the token is valid";
    case BELL_TOKEN_MALFORMED:
        return "the token is malformed";
    case BELL_TOKEN_UNKNOWN_KEY:
        return "the token names a key that is not known here";
    case BELL_TOKEN_BAD_SIGNATURE:
        return "the signature does not match";
    case BELL_TOKEN_EXPIRED:
        return "the session has expired";
    case BELL_TOKEN_NOT_YET:
        return "the token was issued in the future: compare the clocks of edge and origin";
    case BELL_TOKEN_WRONG_TENANT:
        return "the token belongs to another tenant";
    }
    return "the verdict is not known";
}
