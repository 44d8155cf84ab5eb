/* Who asks, as an edge finds it out from a token with public keys alone: sessions of our own (bell_token.h), and access tokens of issuers that a
 * tenant trusts (bell_issuer.h). Opening a token verifies its signature and reads what it says, which is worth keeping (bell_sigcache.h). Judging it
 * asks what changes: for whom, and when. What only the directory knows (who was signed out, which issuers count) is the caller's to ask. */
#ifndef BELL_SESSION_H
#define BELL_SESSION_H

#include "bell_issuer.h"
#include "bell_token.h"

#pragma GCC visibility push(hidden)

/* The most, each: those of the context that the edge passes on. */
#define BELL_SESSION_SUBJECT_BYTES 64
#define BELL_SESSION_ROLE_BYTES    32
#define BELL_SESSION_SCOPES_BYTES  256
#define BELL_SESSION_NO_SCOPES     "none" /* no scope is called so */
#define BELL_SESSION_TEXT_BYTES    (BELL_SESSION_SUBJECT_BYTES + BELL_SESSION_ROLE_BYTES + BELL_TOKEN_SID_BYTES + BELL_SESSION_SCOPES_BYTES)
#define BELL_SESSION_SKEW_S        60 /* by which a token may be of the future */

/* The texts stand one behind the other, so that the first bell_session_bytes() bytes are all of it. */
typedef struct {
    uint64_t source;  /* whose signature holds: a key of ours or an issuer's document, by a hash */
    int64_t issued_s; /* Unix seconds */
    int64_t not_before_s;
    int64_t expires_s;
    uint32_t tenant_id;
    uint16_t subject_bytes, role_bytes, sid_bytes, scopes_bytes;
    char text[BELL_SESSION_TEXT_BYTES];
} bell_session;

typedef enum {
    BELL_SESSION_OK,
    BELL_SESSION_NONE, /* no token was sent */
    BELL_SESSION_MALFORMED,
    BELL_SESSION_ALGORITHM, /* one that is not accepted, or not the key's */
    BELL_SESSION_UNKNOWN_KEY,
    BELL_SESSION_BAD_SIGNATURE,
    BELL_SESSION_WRONG_ISSUER,
    BELL_SESSION_WRONG_AUDIENCE,
    BELL_SESSION_WRONG_TENANT,
    BELL_SESSION_BAD_SUBJECT, /* of somebody whom no context could name */
    BELL_SESSION_EXPIRED,
    BELL_SESSION_NOT_YET,
    BELL_SESSION_SIGNED_OUT, /* the subject, or all of the tenant, since it began */
    BELL_SESSION_VERDICTS
} bell_session_verdict;

/* A session of ours: the subject is the user's number, the role its name. */
bell_session_verdict bell_session_open(const bell_token_key *const *keys, size_t nkeys, bell_str token, bell_session *out)
    __attribute__((warn_unused_result));
/* An access token (RFC 9068) of an issuer that the tenant trusts: the subject is "ISSUER:SUB", where ISSUER is our name for it. No colon is in a
 * number of ours, so that nobody else's subject is taken for one of us. Roles and scopes are those that the tenant lets the issuer give; it has
 * always scopes, BELL_SESSION_NO_SCOPES when it was given none. */
bell_session_verdict bell_session_open_foreign(const bell_issuer *issuer, uint32_t tenant_id, bell_str token, bell_session *out)
    __attribute__((warn_unused_result));
/* The tenant and the clock: OK, WRONG_TENANT, EXPIRED or NOT_YET. */
bell_session_verdict bell_session_judge(const bell_session *s, uint32_t tenant_id, int64_t now_s) __attribute__((warn_unused_result));

/* What `source` is for a key of ours. */
uint64_t bell_session_source(const bell_token_key *k);

size_t bell_session_bytes(const bell_session *s);
/* Whether the first `bytes` bytes are a whole one. */
bool bell_session_is_whole(const bell_session *s, size_t bytes);
/* They point into *s; an empty text is absent. */
bell_str bell_session_subject(const bell_session *s);
bell_str bell_session_role(const bell_session *s);
bell_str bell_session_sid(const bell_session *s);
bell_str bell_session_scopes(const bell_session *s);

/* "valid", "none", "expired": words for logs and variables. */
const char *bell_session_verdict_name(bell_session_verdict v);

#pragma GCC visibility pop

#endif
