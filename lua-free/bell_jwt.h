/* Tokens of others: compact JWS (RFC 7515) with RS256, PS256, ES256 or EdDSA, checked with a published key set, and the claims of an OpenID Connect
 * ID token (OpenID Connect Core 1.0, 3.1.3.7 and 3.1.3.8; RFC 8725). The header is read to find the key and for nothing else: keys or addresses of
 * keys in it are not looked at, "crit" is refused. No claim is read before the signature holds. Our own sessions are bell_token.h. */
#ifndef BELL_JWT_H
#define BELL_JWT_H

#include <jansson.h>

#include "bell_jwk.h"

#pragma GCC visibility push(hidden)

#define BELL_JWT_MAX_BYTES    16384
#define BELL_JWT_SUBJECT_MAX  255 /* bytes of "sub" */
#define BELL_JWT_CLOCK_SKEW_S 60
#define BELL_JWT_LIFETIME_S   86400 /* an ID token that says it was issued longer ago is refused whatever its "exp" is */

typedef enum {
    BELL_JWT_OK,
    BELL_JWT_MALFORMED,
    BELL_JWT_ALGORITHM,   /* one that is not accepted, or not the one of the key */
    BELL_JWT_UNKNOWN_KEY, /* worth fetching the key set again */
    BELL_JWT_BAD_SIGNATURE,
    BELL_JWT_ISSUER,
    BELL_JWT_AUDIENCE, /* "aud" or "azp" */
    BELL_JWT_EXPIRED,
    BELL_JWT_NOT_YET,
    BELL_JWT_NONCE,
    BELL_JWT_SUBJECT,
    BELL_JWT_AT_HASH,
} bell_jwt_verdict;

/* What the header's "typ" may say, when it says something: "JWT"; of an access token "at+jwt" as well (RFC 9068, 2.1). */
typedef enum { BELL_JWT_ID_TOKEN, BELL_JWT_ACCESS_TOKEN } bell_jwt_kind;

/* OK: *claims is an object that the caller gives back with json_decref, *alg the algorithm of the key. Without "kid" the set must have exactly one
 * key of the token's algorithm. */
bell_jwt_verdict bell_jwt_verify(const bell_jwks *set, bell_jwt_kind kind, bell_str token, json_t **claims, bell_jwa *alg)
    __attribute__((warn_unused_result));
/* A claim that is a NumericDate (RFC 7519, 2) which a clock can show. false: there is none, or another thing. */
bool bell_jwt_date(const json_t *claims, const char *name, double *out);

typedef struct {
    bell_str issuer, client_id, nonce;
    bell_str access_token; /* what "at_hash", when there, is the hash of; NULL p: not compared */
    bell_jwa alg;
    int64_t now_s; /* Unix seconds */
} bell_id_token_expected;

/* Whether verified claims are an ID token for us, in answer to our request, now. */
bell_jwt_verdict bell_id_token_check(const json_t *claims, const bell_id_token_expected *e) __attribute__((warn_unused_result));

/* "the signature does not match", for logs. */
const char *bell_jwt_verdict_text(bell_jwt_verdict v);

#pragma GCC visibility pop

#endif
