/* The header Bell-Context, by which an edge tells the origin which request it passes on, for which tenant, and who asks:
 *
 *   v1.KEY.TIME.TENANT.SUBJECT.ROLE.SCOPES.REQUEST_ID.MAC
 *
 * One line of printable ASCII. KEY is the id of the edge's key, TIME Unix seconds and TENANT the tenant's number, both decimal without a leading
 * zero; the next four are base64url without padding (RFC 4648, section 5) and may be empty: the alphabets have no dot, so the parts cannot run into
 * each other. MAC is base64url of HMAC-SHA256 (RFC 2104) under the edge's own key, over all that stands before its dot, a line feed, the method, a
 * space and the target as the origin receives it.
 *
 * Verification looks at the MAC first, in constant time, and reads the parts after it; then it compares the clocks (BELL_CONTEXT_WINDOW_S to both
 * sides) and asks whether the key may speak for that tenant. Each context has one spelling: no other form is taken.
 *
 * Without a SUBJECT, the SCOPES can be BELL_CONTEXT_BY_TOKEN: a token of ours in the address (bell_path_token.h) is for this target, and the edge has
 * let the request in by it. Nobody is named then, whoever asked: the answer is one for all who have such a token. The token itself goes no further
 * than the edge.
 *
 * Within the window, a context counts again for the same request: the same method, target and tenant. It says nothing about headers and body. */
#ifndef BELL_CONTEXT_H
#define BELL_CONTEXT_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_CONTEXT_MAX_BYTES     768 /* of the header's value, NUL included */
#define BELL_CONTEXT_WINDOW_S      30
#define BELL_CONTEXT_ID_BYTES      32 /* of a key's id: letters, digits, - and _ */
#define BELL_CONTEXT_SUBJECT_BYTES 64 /* the most, each; printable ASCII */
#define BELL_CONTEXT_ROLE_BYTES    32
#define BELL_CONTEXT_SCOPES_BYTES  256
#define BELL_CONTEXT_REQUEST_BYTES 64
#define BELL_CONTEXT_BY_TOKEN      "by-token"
#define BELL_CONTEXT_TEXT_BYTES    (BELL_CONTEXT_SUBJECT_BYTES + BELL_CONTEXT_ROLE_BYTES + BELL_CONTEXT_SCOPES_BYTES + BELL_CONTEXT_REQUEST_BYTES)

/* A key of one edge. It holds a prepared MAC that every use sets back: not for two threads at once, and fine on both sides of a fork. */
typedef struct bell_context_key bell_context_key;

typedef struct {
    int64_t time_s; /* Unix seconds, the edge's clock */
    uint32_t tenant_id;
    bell_str subject; /* who asks, as the edge has verified it; empty: it has verified nobody */
    bell_str role, scopes;
    bell_str request_id;
    const bell_context_key *key;        /* set by verifying: whose it is, from BAD_MAC on */
    char text[BELL_CONTEXT_TEXT_BYTES]; /* what the strings point into after verifying */
} bell_context_claims;

typedef enum {
    BELL_CONTEXT_OK,
    BELL_CONTEXT_MALFORMED,
    BELL_CONTEXT_UNKNOWN_KEY,
    BELL_CONTEXT_BAD_MAC, /* another key, or made for another method or target */
    BELL_CONTEXT_TOO_OLD, /* the claims are filled from here on */
    BELL_CONTEXT_FROM_FUTURE,
    BELL_CONTEXT_WRONG_TENANT,
    BELL_CONTEXT_VERDICTS
} bell_context_verdict;

/* A key from the text of its file: a line of 64 hex digits, which are the 32 bytes of the secret; then any number of lines "tenants ID ID…" with the
 * numbers of the tenants that it may speak for, or "tenants *" for all, which is also meant by none. NULL: err holds a sentence, without the secret.
 */
bell_context_key *bell_context_key_parse(bell_str id, bell_str text, char *err, size_t err_len);
/* From a file ID.key, which nobody but its owner may read or write. NULL: err holds a sentence with the path. */
bell_context_key *bell_context_key_load(const char *path, char *err, size_t err_len);
void bell_context_key_free(bell_context_key *k);
const char *bell_context_key_id(const bell_context_key *k);
bool bell_context_key_serves(const bell_context_key *k, uint32_t tenant_id);
/* Whether a key could have that id. */
bool bell_context_is_id(bell_str id);

/* Writes the header's value and NUL; its length, or -1: a part is too long or not printable, the method or target has a control byte or a space, the
 * key does not serve the tenant, or OpenSSL failed. */
long bell_context_write(bell_context_key *k, const bell_context_claims *c, bell_str method, bell_str target, char out[BELL_CONTEXT_MAX_BYTES])
    __attribute__((warn_unused_result));

bell_context_verdict bell_context_verify(bell_context_key *const *keys, size_t nkeys, bell_str value, bell_str method, bell_str target, int64_t now_s,
                                         bell_context_claims *out) __attribute__((warn_unused_result));
/* Half a sentence for logs: "the MAC does not match". */
const char *bell_context_verdict_text(bell_context_verdict v);

#pragma GCC visibility pop

#endif
