/* Session tokens: compact JWS (RFC 7515) signed with ES256 (RFC 7518, 3.4), claims of RFC 7519.
 * Header: exactly {"alg":"ES256","typ":"JWT","kid":KID}. Verification comes before any claim is parsed. One key, one algorithm:
 * another alg, "crit", an unknown kid, duplicate claims and trailing bytes are refused. */
#ifndef BELL_TOKEN_H
#define BELL_TOKEN_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_TOKEN_MAX_BYTES    1024
#define BELL_TOKEN_SECRET_BYTES 32
#define BELL_TOKEN_SID_BYTES    32 /* 128 bits as lower-case hex */

typedef struct bell_token_key bell_token_key;

typedef struct {
    uint32_t tenant_id; /* "aud", as a decimal string */
    uint64_t user_id;   /* "sub", as a decimal string */
    char sid[BELL_TOKEN_SID_BYTES + 1];
    uint32_t role;    /* "role" */
    int64_t issued_s; /* "iat", Unix seconds */
    int64_t expires_s;
} bell_token_claims;

typedef enum {
    BELL_TOKEN_OK,
    BELL_TOKEN_MALFORMED,
    BELL_TOKEN_UNKNOWN_KEY,
    BELL_TOKEN_BAD_SIGNATURE,
    BELL_TOKEN_EXPIRED,
    BELL_TOKEN_NOT_YET, /* issued more than 60 s in the future */
    BELL_TOKEN_WRONG_TENANT,
} bell_token_verdict;

/* A PEM file with a P-256 private key (signs and verifies) or public key (verifies). NULL: err holds a sentence with the path. */
bell_token_key *bell_token_key_load(const char *path, char *err, size_t err_len);
void bell_token_key_free(bell_token_key *k);

/* The public keys that stand one behind the other in the text of a PEM file, at most max: their number, or -1 and a sentence in err (none, more than
 * max, one of another kind, a private key, which has no business where others read it). `path` is for the sentence. */
long bell_token_keys_parse(bell_str text, const char *path, bell_token_key **keys, size_t max, char *err, size_t err_len)
    __attribute__((warn_unused_result));

/* The key id: base64url of the first 8 bytes of SHA-256 over the DER SubjectPublicKeyInfo. */
const char *bell_token_key_id(const bell_token_key *k);

/* The public half in PEM form, with NUL, for bell_token_keys_parse(); its length, or -1: no room, or OpenSSL failed. */
long bell_token_key_public(const bell_token_key *k, char *out, size_t room) __attribute__((warn_unused_result));

/* A secret of 32 bytes that only the holder of the private key can make: HKDF-SHA256 (RFC 5869) of its number with the label as info. One label,
 * one use. false: a public key, or OpenSSL failed. */
bool bell_token_key_derive(const bell_token_key *k, bell_str label, unsigned char out[BELL_TOKEN_SECRET_BYTES]) __attribute__((warn_unused_result));

/* Writes the token and NUL to out (BELL_TOKEN_MAX_BYTES); its length, or -1 (no private key, OpenSSL failed). */
long bell_token_mint(const bell_token_key *k, const bell_token_claims *c, char *out) __attribute__((warn_unused_result));

bell_token_verdict bell_token_verify(const bell_token_key *const *keys, size_t nkeys, bell_str token, uint32_t tenant_id, int64_t now_s,
                                     bell_token_claims *out) __attribute__((warn_unused_result));
/* Whether some key's signature holds: OK and the claims, whoever they are for and whenever, and the key; MALFORMED, UNKNOWN_KEY or BAD_SIGNATURE. */
bell_token_verdict bell_token_open(const bell_token_key *const *keys, size_t nkeys, bell_str token, bell_token_claims *out,
                                   const bell_token_key **key) __attribute__((warn_unused_result));
/* What bell_token_verify says of claims whose signature holds: OK, WRONG_TENANT, NOT_YET or EXPIRED. */
bell_token_verdict bell_token_judge(const bell_token_claims *c, uint32_t tenant_id, int64_t now_s) __attribute__((warn_unused_result));
/* A sentence for logs: "the signature does not match". */
const char *bell_token_verdict_text(bell_token_verdict v);

#pragma GCC visibility pop

#endif
