/* How long a stored response may be used, and how: RFC 9111, section 4.2, with RFC 5861 (stale answers), RFC 8246 (immutable) and RFC 9213
 * (CDN-Cache-Control), as a shared cache. Pure functions; `now_s` is the wall clock in seconds.
 *
 * Two rules stand above all others:
 *   - no-cache, must-revalidate, proxy-revalidate and s-maxage, which includes the latter, beat every rule by which something stale may be served;
 *   - in exam mode nothing stale is served. */
#ifndef BELL_FRESHNESS_H
#define BELL_FRESHNESS_H

#include "bell_response_meta.h"

#pragma GCC visibility push(hidden)

/* What an operator decides for a location. {0} is the strictest: explicit lifetimes only, nothing stale, nothing stored that section 3 leaves open.
 */
typedef struct {
    uint32_t default_ttl_s;   /* lifetime of a response that says nothing and has no Last-Modified; 0: none */
    uint32_t heuristic_max_s; /* bounds the tenth of the time since Last-Modified; 0: no such lifetime */
    uint32_t default_swr_s;   /* stale-while-revalidate of a response that says nothing of it and has a lifetime */
    uint32_t default_sie_s;   /* stale-if-error of a response that says nothing of it */
    uint32_t stale_max_s;     /* nothing is served that has been stale for longer, whoever allows it */
    bool store_set_cookie;    /* store responses with Set-Cookie */
    bool store_partial;       /* store 206 */
    bool scope_optional;      /* an answer to Authorization that the edge does not know needs no Cache-Scope, but what RFC 9111, 3.5 asks for */
} bell_cache_policy;

/* Flags of bell_freshness_times. */
enum {
    BELL_TIMES_NO_CACHE = 1 << 0,    /* every use needs validation */
    BELL_TIMES_NEVER_STALE = 1 << 1, /* must-revalidate, proxy-revalidate or s-maxage */
    BELL_TIMES_IMMUTABLE = 1 << 2,
    BELL_TIMES_VALIDATOR = 1 << 3, /* there is an ETag or a Last-Modified to ask with */
    BELL_TIMES_HEURISTIC = 1 << 4, /* the lifetime is the operator's or a guess */
    BELL_TIMES_INVALID = 1 << 5,   /* an unsafe method or a hard purge struck it (RFC 9111, section 4.4) */
};

/* What is kept of it all for each stored response: made when it arrives, and again when a 304 has updated its fields. It has no padding; it may be
 * kept in shared memory and in files. */
typedef struct {
    int64_t born_s;       /* when it had age 0: the age is now - born_s */
    uint32_t fresh_s;     /* lifetime, from born_s on */
    uint32_t swr_s;       /* how long after it the response may be served while it is refreshed behind */
    uint32_t sie_s;       /* how long after it when the origin fails */
    uint32_t stale_max_s; /* bound on what a request allows */
    uint32_t fetch_ms;    /* how long the fetch took, for bell_freshness_refresh_early(); the caller's, begins as 0 */
    uint16_t flags;
    uint16_t status;
} bell_freshness_times;

_Static_assert(sizeof(bell_freshness_times) == 32, "an index of a million objects has one each");

/* The freshness lifetime (section 4.2.1): of s-maxage, max-age and Expires - Date the first that is there, a malformed one being 0; else, for a
 * status that is heuristically cacheable and for public, a tenth of Date - Last-Modified (section 4.2.2) or the operator's. *heuristic says which. */
uint32_t bell_freshness_lifetime_s(const bell_response_meta *m, const bell_cache_policy *policy, bool *heuristic);
/* corrected_initial_age (section 4.2.3). */
uint32_t bell_freshness_initial_age_s(const bell_response_meta *m);
bell_freshness_times bell_freshness_compute(const bell_response_meta *m, const bell_cache_policy *policy);

/* RFC 9110, section 15.1. */
bool bell_freshness_is_heuristic_status(unsigned status);

/* The value of Age: 0 to 2^31. */
uint32_t bell_freshness_age_s(const bell_freshness_times *t, int64_t now_s);
/* What is left of the lifetime; negative: how long it has been over. 0 is stale. */
int64_t bell_freshness_ttl_s(const bell_freshness_times *t, int64_t now_s);

/* The ends of lifetime and windows: the first second in which the response is no longer fresh, or may no longer be served so. */
int64_t bell_freshness_fresh_until_s(const bell_freshness_times *t);
int64_t bell_freshness_swr_until_s(const bell_freshness_times *t);
int64_t bell_freshness_sie_until_s(const bell_freshness_times *t);

typedef enum {
    BELL_FRESH,                   /* answer from the store */
    BELL_STALE_REVALIDATE_BEHIND, /* answer from the store, and refresh without letting anybody wait */
    BELL_MUST_VALIDATE,           /* ask the origin first; with nothing stored, fetch */
    BELL_ONLY_IF_CACHED_504,      /* the request forbids that: answer 504 (section 5.2.1.7) */
} bell_freshness_verdict;

/* "fresh", "stale", "validate", "only-if-cached". */
const char *bell_freshness_verdict_name(bell_freshness_verdict verdict);

/* t: NULL when nothing is stored. rq: NULL, or {0}, when clients are not followed; a request can make the answer stricter, and with max-stale allow
 * what the response's own directives, the operator's bound and exam mode leave open. */
bell_freshness_verdict bell_freshness_judge(const bell_freshness_times *t, const bell_cache_request *rq, int64_t now_s, bool exam);

/* Whether what is stored may be served although the origin failed: status 0, it could not be reached or gave no whole answer (section 4.2.4), or 500,
 * 502, 503, 504 (RFC 5861, section 4; RFC 9111, section 4.3.3). Other answers of the origin are answers: false. A failure that was stored is stale in
 * the place of no other. */
bool bell_freshness_on_error(const bell_freshness_times *t, const bell_cache_request *rq, unsigned status, int64_t now_s, bool exam);

/* A soft purge: the lifetime is over now. It may be served while it is refreshed for at least swr_s more, if anything stale may be. */
void bell_freshness_soften(bell_freshness_times *t, int64_t now_s, uint32_t swr_s);
/* It is not served before the origin has confirmed it, not even when the origin fails. */
void bell_freshness_invalidate(bell_freshness_times *t);

/* Early refresh by chance, so that of many readers of a hot object about one refreshes it shortly before its end (Vattani, Chierichetti, Lowenstein:
 * Optimal Probabilistic Cache Stampede Prevention, VLDB 2015): true when fetch_ms * beta * -ln(1 - random) reaches what is left.
 * beta: 1 is the paper's; more refreshes sooner, 0 never before the end. random: uniform in [0, 1). */
bool bell_freshness_refresh_early(int64_t left_ms, uint32_t fetch_ms, double beta, double random);

#pragma GCC visibility pop

#endif
