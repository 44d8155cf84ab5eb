/* The Cache-Status field of an answer (RFC 9211): what this cache did, behind what caches nearer to the origin said. Allocates nothing. */
#ifndef BELL_CACHE_STATUS_H
#define BELL_CACHE_STATUS_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

/* A hit, or why the request went forward (section 2.2). */
typedef enum {
    BELL_OUTCOME_HIT,       /* from the store, also stale: ttl tells */
    BELL_OUTCOME_BYPASS,    /* the cache was told not to handle it */
    BELL_OUTCOME_METHOD,    /* the method's semantics need it */
    BELL_OUTCOME_URI_MISS,  /* nothing stored for the URI */
    BELL_OUTCOME_VARY_MISS, /* something stored, for other request fields */
    BELL_OUTCOME_MISS,      /* nothing stored that fits; which of the two before is not known */
    BELL_OUTCOME_REQUEST,   /* fresh, but the request's directives asked for validation or another age */
    BELL_OUTCOME_STALE,     /* stale */
    BELL_OUTCOME_PARTIAL,   /* a part was stored, but not all that was asked for */
} bell_cache_outcome;

typedef struct {
    bell_str cache; /* this cache's name: a token is written as one, anything else as a string */
    bell_cache_outcome outcome;
    unsigned fwd_status; /* what the origin answered, 0: not said. This and the next two have no meaning with a hit and are not written then. */
    bool stored;         /* the answer was stored */
    bool collapsed;      /* the request shared another's fetch */
    bool has_ttl;
    int64_t ttl_s;   /* what was left of the lifetime when the answer was sent; negative: how long it had been stale */
    bell_str key;    /* the cache's key, or its hash; p NULL: not said */
    bell_str detail; /* for people, a token or a string; p NULL: not said */
} bell_cache_status;

/* Writes the field's value into out[0..cap): `upstream` (the values received, joined with ", "; empty: none), then one entry of our own. Bytes of it,
 * without a NUL.
 * What was received and is no List is left out, as it would spoil the whole field. When there is no room, detail is left out, then key, then what was
 * received; key and detail also when they have bytes that a string cannot have. 0: not even the rest fits, or the cache's name cannot be written. */
size_t bell_cache_status_write(const bell_cache_status *s, bell_str upstream, char *out, size_t cap) __attribute__((warn_unused_result));

/* "hit", "uri-miss", …: the words of the field, for variables and metrics. */
const char *bell_cache_outcome_name(bell_cache_outcome outcome);

#pragma GCC visibility pop

#endif
