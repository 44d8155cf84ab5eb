#include "bell_signed_key.h"

#include "bell_base64.h"
#include "bell_hex.h"
#include "bell_jwk.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#define MATERIAL_MAX  16384
#define RSA_MIN_BITS  2048
#define RSA_MAX_BITS  4096 /* what a signature costs us grows with it */
#define RSA_E_BITS    32
#define ED25519_BYTES 32

static const char out_of_memory[] = "out of memory";

/* ---- public keys */

static EVP_PKEY *from_pem(bell_str text, const char **why) {
    BIO *in = BIO_new_mem_buf(text.p, (int)text.len);
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    EVP_PKEY *pkey = NULL;
    long len = 0;

    *why = "the PEM block cannot be read";
    if (in != NULL && PEM_read_bio(in, &name, &header, &der, &len) == 1) {
        const unsigned char *p = der;
        if (strstr(name, "PRIVATE KEY") != NULL) {
            *why = "this is a private key, which stays with whoever signs; expected the public one (\"-----BEGIN PUBLIC KEY-----\")";
        } else if (strcmp(name, PEM_STRING_PUBLIC) != 0) {
            *why = "expected a PEM block \"PUBLIC KEY\"";
        } else {
            pkey = d2i_PUBKEY(NULL, &p, len);
            if (pkey != NULL && p != der + len) {
                EVP_PKEY_free(pkey);
                pkey = NULL;
            }
        }
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    if (der != NULL) {
        OPENSSL_clear_free(der, (size_t)len);
    }
    BIO_free(in);
    return pkey;
}

static EVP_PKEY *from_jwk(bell_str text, const char **why) {
    bell_jwk jwk;

    *why = "the JWK is of no use here: expected a public RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA) key for signatures";
    if (!bell_jwk_parse(text, &jwk)) {
        return NULL;
    }
    if (jwk.alg == BELL_JWA_PS256) { /* no issuer here signs with it, and a key is for one algorithm */
        EVP_PKEY_free(jwk.pkey);
        return NULL;
    }
    return jwk.pkey;
}

static bell_str without_padding(bell_str s) {
    if (s.len % 4 == 0) {
        for (int i = 0; i < 2 && s.len > 0 && s.p[s.len - 1] == '='; i++) {
            s.len--;
        }
    }
    return s;
}

static EVP_PKEY *from_raw(bell_str text, const char **why) {
    unsigned char raw[BELL_BASE64URL_LEN(ED25519_BYTES)];

    *why = "expected a public key: a PEM block, a JWK, or the 32 bytes of an Ed25519 key in base64url";
    text = without_padding(text);
    if (text.len > sizeof(raw) || bell_base64url_decode(text, raw) != ED25519_BYTES) {
        return NULL;
    }
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, ED25519_BYTES);
}

static bool is_good_rsa(const EVP_PKEY *pkey) {
    BIGNUM *e = NULL;
    int bits = EVP_PKEY_get_bits(pkey);

    bool good = bits >= RSA_MIN_BITS && bits <= RSA_MAX_BITS && EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_odd(e) &&
                !BN_is_one(e) && BN_num_bits(e) <= RSA_E_BITS;
    BN_free(e);
    return good;
}

static bool is_p256(const EVP_PKEY *pkey) {
    char group[32];
    size_t len;

    return EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) == 1 && strcmp(group, "prime256v1") == 0;
}

static bool take_type(bell_signed_key *k, const char **why) {
    if (EVP_PKEY_is_a(k->pkey, "RSA") && is_good_rsa(k->pkey)) {
        k->type = BELL_SIGNED_RSA;
    } else if (EVP_PKEY_is_a(k->pkey, "EC") && is_p256(k->pkey)) {
        k->type = BELL_SIGNED_P256;
    } else if (EVP_PKEY_is_a(k->pkey, "ED25519")) {
        k->type = BELL_SIGNED_EDDSA;
    } else {
        *why = "expected RSA of 2048 to 4096 bits, P-256 or Ed25519";
        return false;
    }
    return true;
}

static bool take_fingerprint(bell_signed_key *k, const unsigned char *bytes, size_t len) {
    unsigned char hash[EVP_MAX_MD_SIZE], kind[2] = {(unsigned char)k->type, (unsigned char)k->mac_alg};
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    bool ok = ctx != NULL && EVP_DigestInit_ex2(ctx, EVP_sha256(), NULL) == 1 && EVP_DigestUpdate(ctx, kind, sizeof(kind)) == 1 &&
              EVP_DigestUpdate(ctx, bytes, len) == 1 && EVP_DigestFinal_ex(ctx, hash, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    if (ok) {
        memcpy(&k->fingerprint, hash, sizeof(k->fingerprint));
    }
    OPENSSL_cleanse(hash, sizeof(hash));
    return ok;
}

static bool take_public(bell_signed_key *k, bell_str text, const char **why) {
    unsigned char *der = NULL;

    if (bell_str_starts(text, BELL_STR("-----BEGIN"))) {
        k->pkey = from_pem(text, why);
    } else {
        k->pkey = bell_str_starts(text, BELL_STR("{")) ? from_jwk(text, why) : from_raw(text, why);
    }
    if (k->pkey == NULL || !take_type(k, why)) {
        return false;
    }
    int len = i2d_PUBKEY(k->pkey, &der);
    bool ok = len > 0 && take_fingerprint(k, der, (size_t)len);
    OPENSSL_free(der);
    *why = out_of_memory;
    return ok;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Lines of a file end in white space, and nothing else that is read here does. */
static bell_str trim_lines(bell_str s) {
    while (s.len > 0 && is_blank(s.p[s.len - 1])) {
        s.len--;
    }
    while (s.len > 0 && is_blank(s.p[0])) {
        s.p++;
        s.len--;
    }
    return s;
}

/* A key with its id and nothing else. An issuer whose tokens name no key has one of no name. */
static bell_signed_key *new_key(bell_str id, bell_str *material, const char **why) {
    if (id.len > BELL_SIGNED_KEY_ID_BYTES || (id.len > 0 && memchr(id.p, '\0', id.len) != NULL)) {
        *why = "the id of a key has at most 128 bytes, none of them NUL";
        return NULL;
    }
    *material = trim_lines(*material);
    if (material->len == 0 || material->len > MATERIAL_MAX) {
        *why = "expected a key of at most 16 kB, found none";
        return NULL;
    }
    bell_signed_key *k = calloc(1, sizeof(*k));
    if (k == NULL) {
        *why = out_of_memory;
    } else if (id.len > 0) {
        memcpy(k->id, id.p, id.len);
        k->id_len = id.len;
    }
    return k;
}

bell_signed_key *bell_signed_key_public(bell_str id, bell_str material, const char **why) {
    bell_signed_key *k = new_key(id, &material, why);

    if (k == NULL) {
        return NULL;
    }
    ERR_set_mark(); /* what OpenSSL says of a key that is not taken stays here */
    bool ok = take_public(k, material, why);
    ERR_pop_to_mark();
    if (!ok) {
        bell_signed_key_free(k);
        return NULL;
    }
    *why = NULL;
    return k;
}

/* ---- secrets */

/* -1: malformed, or too long. */
static long read_hex(bell_str text, unsigned char out[BELL_SIGNED_SECRET_MAX]) {
    return text.len <= 2 * BELL_SIGNED_SECRET_MAX && bell_hex_decode(text, BELL_HEX_ANY, out) ? (long)(text.len / 2) : -1;
}

static long read_secret(bell_str text, bool hex, unsigned char out[BELL_SIGNED_SECRET_MAX]) {
    unsigned char decoded[BELL_BASE64URL_LEN(BELL_SIGNED_SECRET_MAX)];

    if (hex) {
        return read_hex(text, out);
    }
    text = without_padding(text);
    if (text.len > sizeof(decoded)) {
        return -1;
    }
    long n = bell_base64url_decode(text, decoded);
    if (n > 0) {
        memcpy(out, decoded, (size_t)n);
    }
    OPENSSL_cleanse(decoded, sizeof(decoded));
    return n;
}

static bell_hmac_hash hash_of(bell_signed_alg mac_alg) {
    switch (mac_alg) {
    case BELL_SIGNED_HMAC_MD5:
        return BELL_HMAC_MD5;
    case BELL_SIGNED_HMAC_SHA1:
        return BELL_HMAC_SHA1;
    case BELL_SIGNED_HMAC_SHA256:
        return BELL_HMAC_SHA256;
    default:
        return BELL_HMAC_NONE;
    }
}

static bool take_secret(bell_signed_key *k, bell_str material, bool hex, const char **why) {
    long n = read_secret(material, hex, k->secret);

    if (n <= 0) {
        *why = hex ? "expected a secret of at most 256 bytes, two hexadecimal digits each" : "expected a secret of at most 256 bytes in base64url";
        return false;
    }
    k->secret_len = (size_t)n;
    *why = "there is no HMAC of this algorithm";
    return bell_hmac_init(&k->mac, hash_of(k->mac_alg), k->secret, k->secret_len) && take_fingerprint(k, k->secret, k->secret_len);
}

bell_signed_key *bell_signed_key_secret(bell_str id, bell_signed_alg mac_alg, bell_str material, bool hex, const char **why) {
    bell_signed_key *k = new_key(id, &material, why);

    if (k == NULL) {
        return NULL;
    }
    k->type = BELL_SIGNED_SECRET;
    k->mac_alg = mac_alg;
    ERR_set_mark();
    bool ok = take_secret(k, material, hex, why);
    ERR_pop_to_mark();
    if (!ok) {
        bell_signed_key_free(k);
        return NULL;
    }
    *why = NULL;
    return k;
}

void bell_signed_key_free(bell_signed_key *k) {
    if (k == NULL) {
        return;
    }
    EVP_PKEY_free(k->pkey);
    OPENSSL_cleanse(&k->mac, sizeof(k->mac));
    OPENSSL_cleanse(k->secret, sizeof(k->secret));
    free(k);
}

/* ---- use */

size_t bell_signed_mac(const bell_signed_key *k, const bell_str *pieces, size_t n, unsigned char out[BELL_SIGNED_MAC_MAX]) {
    return bell_hmac_of(&k->mac, pieces, n, out);
}

bool bell_signed_key_takes(const bell_signed_key *k, bell_signed_alg alg) {
    switch (k->type) {
    case BELL_SIGNED_SECRET:
        return alg == k->mac_alg;
    case BELL_SIGNED_RSA:
        return alg == BELL_SIGNED_RSA_SHA1 || alg == BELL_SIGNED_RSA_SHA256;
    case BELL_SIGNED_P256:
        return alg == BELL_SIGNED_ECDSA_SHA1 || alg == BELL_SIGNED_ECDSA_SHA256;
    case BELL_SIGNED_EDDSA:
        return alg == BELL_SIGNED_ED25519;
    default:
        return false;
    }
}

static const EVP_MD *md_of(bell_signed_alg alg) {
    if (alg == BELL_SIGNED_ED25519) {
        return NULL; /* it has its own */
    }
    return alg == BELL_SIGNED_RSA_SHA1 || alg == BELL_SIGNED_ECDSA_SHA1 ? EVP_sha1() : EVP_sha256();
}

bool bell_signed_key_verify(const bell_signed_key *k, bell_signed_alg alg, bell_str bytes, bell_str signature) {
    if (k->pkey == NULL || !bell_signed_key_takes(k, alg) || signature.len == 0) {
        return false;
    }
    ERR_set_mark();
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, md_of(alg), NULL, k->pkey) == 1 &&
              EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.len, (const unsigned char *)bytes.p, bytes.len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_pop_to_mark();
    return ok;
}
