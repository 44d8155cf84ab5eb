/* Keys of those who sign requests. A key is bound to one family of algorithms when it is read; what a token says never chooses one. */
#ifndef BELL_SIGNED_KEY_H
#define BELL_SIGNED_KEY_H

#include <openssl/evp.h>
#include <stddef.h>

#include "bell_hmac.h"

#pragma GCC visibility push(hidden)

#define BELL_SIGNED_KEYS_MAX     32
#define BELL_SIGNED_KEY_ID_BYTES 128
#define BELL_SIGNED_SECRET_MAX   256 /* bytes of a shared secret */
#define BELL_SIGNED_MAC_MAX      BELL_HMAC_MAX

typedef enum {
    BELL_SIGNED_HMAC_MD5 = 1,
    BELL_SIGNED_HMAC_SHA1,
    BELL_SIGNED_HMAC_SHA256,
    BELL_SIGNED_RSA_SHA1, /* PKCS #1 v1.5; keys of 2048 to 4096 bits */
    BELL_SIGNED_RSA_SHA256,
    BELL_SIGNED_ECDSA_SHA1,   /* P-256, signature in DER */
    BELL_SIGNED_ECDSA_SHA256, /* the same; callers whose signatures are r and s alone turn them into DER */
    BELL_SIGNED_ED25519,
} bell_signed_alg;

typedef enum { BELL_SIGNED_SECRET = 1, BELL_SIGNED_RSA, BELL_SIGNED_P256, BELL_SIGNED_EDDSA } bell_signed_key_type;

/* What a request needs comes first: of the keys of a thousand districts none is in a processor's nearest cache. */
typedef struct {
    int64_t from_s, until_s; /* Unix seconds, until_s excluded; 0: open on that side */
    bell_signed_key_type type;
    bell_signed_alg mac_alg; /* the one HMAC that a secret is for */
    uint64_t fingerprint;    /* of type and material: what verdicts are kept under */
    EVP_PKEY *pkey;          /* of public keys */
    size_t id_len;
    char id[BELL_SIGNED_KEY_ID_BYTES + 1]; /* "" where tokens name none */
    bell_hmac mac;
    unsigned char secret[BELL_SIGNED_SECRET_MAX];
    size_t secret_len;
} bell_signed_key;

typedef struct {
    bell_signed_key *keys[BELL_SIGNED_KEYS_MAX];
    size_t nkeys;
} bell_signed_keys;

/* Tells the processor that the first of them will be read soon. */
static inline void bell_signed_keys_prefetch(const bell_signed_keys *keys) {
    for (size_t at = 0; keys->nkeys > 0 && at < offsetof(bell_signed_key, secret); at += 64) {
        __builtin_prefetch((const char *)keys->keys[0] + at);
    }
}

/* A public key: PEM (SubjectPublicKeyInfo), a JWK, or 32 raw bytes of Ed25519 in base64url; or a shared secret in hexadecimal digits (`hex`) or
 * base64url, padded or not. White space around it is no fault. Valid for ever until the caller says otherwise. NULL: *why is a static sentence
 * without the key. */
bell_signed_key *bell_signed_key_public(bell_str id, bell_str material, const char **why) __attribute__((warn_unused_result));
bell_signed_key *bell_signed_key_secret(bell_str id, bell_signed_alg mac_alg, bell_str material, bool hex, const char **why)
    __attribute__((warn_unused_result));
void bell_signed_key_free(bell_signed_key *k);

/* The MAC of a secret over pieces that stand one behind the other; its length, 0 when the key is no secret. */
size_t bell_signed_mac(const bell_signed_key *k, const bell_str *pieces, size_t n, unsigned char out[BELL_SIGNED_MAC_MAX]);
/* Whether the algorithm is of the family that the key is bound to. */
bool bell_signed_key_takes(const bell_signed_key *k, bell_signed_alg alg);
/* By OpenSSL, whatever verdicts are kept. false also for an algorithm that is not the key's. */
bool bell_signed_key_verify(const bell_signed_key *k, bell_signed_alg alg, bell_str bytes, bell_str signature);

#pragma GCC visibility pop

#endif
