/* Public keys of others as they publish them: JSON Web Key Sets (RFC 7517; RFC 7518, 6; RFC 8037). A key is bound to one algorithm when it is read,
 * by its "alg" or else by its type: RSA to RS256 (PS256 only where the key says so), P-256 to ES256, Ed25519 to EdDSA. What a token says of its
 * algorithm never chooses one. Symmetric keys, private parts, encryption keys, RSA below 2048 or above 4096 bits and unknown types are left out. */
#ifndef BELL_JWK_H
#define BELL_JWK_H

#include <openssl/evp.h>

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_JWKS_KEYS_MAX 32
#define BELL_JWK_KID_MAX   128 /* bytes; a key with a longer id is left out */

typedef enum { BELL_JWA_NONE, BELL_JWA_RS256, BELL_JWA_PS256, BELL_JWA_ES256, BELL_JWA_EDDSA } bell_jwa;

typedef struct {
    EVP_PKEY *pkey;
    bell_jwa alg;
    char kid[BELL_JWK_KID_MAX + 1]; /* "" without one */
} bell_jwk;

typedef struct {
    bell_jwk keys[BELL_JWKS_KEYS_MAX];
    size_t nkeys;
} bell_jwks;

/* NULL: *why is a static sentence (not a JSON object with "keys", more than BELL_JWKS_KEYS_MAX of them, out of memory). A set in which no key is of
 * use is a set of none. */
bell_jwks *bell_jwks_parse(bell_str text, const char **why) __attribute__((warn_unused_result));
void bell_jwks_free(bell_jwks *set);

/* One key alone, a JSON object; its pkey is then the caller's. false: none of use. */
bool bell_jwk_parse(bell_str text, bell_jwk *out) __attribute__((warn_unused_result));

/* "RS256" and its like; BELL_JWA_NONE for what is not accepted here. */
bell_jwa bell_jwa_of(bell_str name);

#pragma GCC visibility pop

#endif
