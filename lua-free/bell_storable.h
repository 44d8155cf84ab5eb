/* Whether a shared cache may store a response, and if not, why (RFC 9111, section 3), with the rules of a school's edge above it:
 *   - an answer to a request whose asker is known is stored only if the origin says for whom it is (Cache-Scope);
 *   - a response with Set-Cookie is not stored, unless the operator says so. */
#ifndef BELL_STORABLE_H
#define BELL_STORABLE_H

#include "bell_freshness.h"

#pragma GCC visibility push(hidden)

typedef enum {
    BELL_STORE,
    BELL_STORE_NOT_METHOD,        /* another method than GET */
    BELL_STORE_NOT_REQUEST,       /* the request said no-store */
    BELL_STORE_NOT_STATUS,        /* interim; of a precondition or a range (304, 412, 416; 206 unless told); must-understand and not understood */
    BELL_STORE_NOT_VARY,          /* Vary: * matches no request */
    BELL_STORE_NOT_SET_COOKIE,    /* Set-Cookie */
    BELL_STORE_NOT_NO_STORE,      /* no-store */
    BELL_STORE_NOT_PRIVATE,       /* private */
    BELL_STORE_NOT_SCOPE,         /* the asker is known and there is no Cache-Scope */
    BELL_STORE_NOT_SCOPE_UNKNOWN, /* a Cache-Scope that is none of the three */
    BELL_STORE_NOT_SUBJECT,       /* Cache-Scope: private, and nobody knows who asked */
    BELL_STORE_NOT_AUTHORIZATION, /* the request had Authorization, and nothing allows it (section 3.5) */
    BELL_STORE_NOT_EXPLICIT,      /* neither a lifetime nor public, and not a status that is cacheable without (section 3) */
    BELL_STORE_NOT_USABLE,        /* stale on arrival, nothing to validate it with, and no window in which it might be served */
    BELL_STORE_NOT_SIZE,          /* these three are for the caller to find: longer than what can be kept */
    BELL_STORE_NOT_PART,          /* not the part that was asked for (bell_range.h) */
    BELL_STORE_NOT_DIRECT,        /* another answer has led to it, and that one said for whom it is */
    BELL_STORE_VERDICTS,
} bell_store_verdict;

/* Asked when a response arrives, and again when a 304 has updated what is stored: what is refused then is dropped.
 * With BELL_STORE, m->scope says for whom the key must be; BELL_SCOPE_NONE is everybody of the tenant. */
bell_store_verdict bell_storable(const bell_response_meta *m, const bell_cache_policy *policy);

/* A token for logs, metrics and the detail of Cache-Status: "stored", "method", "set-cookie", … */
const char *bell_storable_name(bell_store_verdict verdict);

#pragma GCC visibility pop

#endif
