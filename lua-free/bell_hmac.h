/* HMAC (RFC 2104) under a secret that is used again and again: the two hashes are kept as they stand behind the secret's own block, so that a use
 * costs two copies and the blocks of what is hashed. The hashes are OpenSSL's. A prepared secret is only read from then on: by any number of threads,
 * and copied like any other value. */
#ifndef BELL_HMAC_H
#define BELL_HMAC_H

#include <openssl/md5.h>
#include <openssl/sha.h>

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_HMAC_MAX 32 /* bytes of a MAC */

typedef enum { BELL_HMAC_NONE, BELL_HMAC_MD5, BELL_HMAC_SHA1, BELL_HMAC_SHA256 } bell_hmac_hash;

typedef union {
    MD5_CTX md5;
    SHA_CTX sha1;
    SHA256_CTX sha256;
} bell_hmac_state;

typedef struct {
    bell_hmac_hash hash; /* NONE: memory of zeros, no secret yet */
    bell_hmac_state inner, outer;
} bell_hmac;

/* false: no such hash. The secret may have any length; who is done with it cleanses *h (OPENSSL_cleanse). */
bool bell_hmac_init(bell_hmac *h, bell_hmac_hash hash, const void *secret, size_t len) __attribute__((warn_unused_result));

/* Over pieces that stand one behind the other. The MAC's length, 0 without a secret. */
size_t bell_hmac_of(const bell_hmac *h, const bell_str *pieces, size_t n, unsigned char out[BELL_HMAC_MAX]);

#pragma GCC visibility pop

#endif
