/* Cache-Control of requests and responses (RFC 9111, section 5.2, with RFC 5861 and RFC 8246), and CDN-Cache-Control (RFC 9213).
 *
 * What is received in several lines is added line by line. Nothing is allocated; slices point into the lines.
 * Numbers are seconds, at most BELL_DELTA_MAX_S. Names compare without case; unknown directives are stepped over, their quoted strings too.
 *
 * What is said twice or badly is read in the sense that stores and reuses least (RFC 9111, section 4.2.1):
 *   - of several values the one that is met soonest counts: the smallest, for min-fresh the largest;
 *   - a number that is none, or has white space around its "=", is 0; one above 2^31 is 2^31;
 *   - an argument where none belongs is ignored for what forbids (no-store), and makes what permits (public) as good as absent;
 *   - field names that are none leave no-cache and private without an argument: they hold for the whole response;
 *   - a quoted string that does not end makes a response one that may not be reused without validation (no-cache). */
#ifndef BELL_CACHE_CONTROL_H
#define BELL_CACHE_CONTROL_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_DELTA_MAX_S 2147483648u /* RFC 9111, section 1.2.2 */

/* delta-seconds: digits only, at most BELL_DELTA_MAX_S (a larger number becomes that); false: not digits, or none. */
bool bell_delta_seconds(bell_str s, uint32_t *seconds) __attribute__((warn_unused_result));

/* Directives, as bits. */
enum {
    BELL_CC_MAX_AGE = 1 << 0,
    BELL_CC_S_MAXAGE = 1 << 1,
    BELL_CC_STALE_WHILE_REVALIDATE = 1 << 2,
    BELL_CC_STALE_IF_ERROR = 1 << 3,
    BELL_CC_MIN_FRESH = 1 << 4,
    BELL_CC_MAX_STALE = 1 << 5,
    BELL_CC_NO_STORE = 1 << 6,
    BELL_CC_NO_CACHE = 1 << 7, /* of the whole response; no-cache="a" only names a field */
    BELL_CC_PRIVATE = 1 << 8,  /* likewise */
    BELL_CC_PUBLIC = 1 << 9,
    BELL_CC_MUST_REVALIDATE = 1 << 10,
    BELL_CC_PROXY_REVALIDATE = 1 << 11,
    BELL_CC_MUST_UNDERSTAND = 1 << 12,
    BELL_CC_NO_TRANSFORM = 1 << 13,
    BELL_CC_IMMUTABLE = 1 << 14,
    BELL_CC_ONLY_IF_CACHED = 1 << 15,
};

#define BELL_CC_NAMES_MAX 4 /* arguments of no-cache and private that are kept; with more, the directive holds for the whole response */

/* Of a response; begins as {0}. A number is 0 when its bit is not set. */
typedef struct {
    uint32_t set;
    uint32_t max_age_s;
    uint32_t s_maxage_s;
    uint32_t stale_while_revalidate_s;
    uint32_t stale_if_error_s;
    uint32_t nnames;
    bell_str names[BELL_CC_NAMES_MAX]; /* each a list of field names: "a, b" */
} bell_cache_control;

/* One line of Cache-Control. The bytes must outlive *cc. */
void bell_cache_control_add(bell_cache_control *cc, bell_str line);

/* One line of CDN-Cache-Control, which is a Dictionary: keys in lower case, a later value instead of an earlier one (field names add up). A value of
 * a type that the directive does not have is bad in the sense above. true: the line is a Dictionary with at least one member; false: *cc is as
 * before, and the whole field is to be ignored when the line was not empty. */
bool bell_cdn_cache_control_add(bell_cache_control *cc, bell_str line) __attribute__((warn_unused_result));

/* Whether no-cache or private names the field: it is not to be stored. */
bool bell_cache_control_names(const bell_cache_control *cc, bell_str field_name);

/* Of a request; begins as {0}, which asks for nothing. Requests give advice (RFC 9111, section 5.2.1): not to follow clients is to leave it so. */
typedef struct {
    uint32_t set;
    uint32_t max_age_s;
    uint32_t min_fresh_s;
    uint32_t max_stale_s; /* BELL_DELTA_MAX_S for max-stale without a value */
    uint32_t stale_if_error_s;
    bool has_cache_control;
    bool pragma_no_cache;
} bell_cache_request;

void bell_cache_request_add(bell_cache_request *rq, bell_str line);
/* One line of Pragma (RFC 9111, section 5.4): "no-cache" counts in a request without Cache-Control. */
void bell_cache_request_add_pragma(bell_cache_request *rq, bell_str line);
/* The request does not want a stored response without validation. */
bool bell_cache_request_no_cache(const bell_cache_request *rq);

#pragma GCC visibility pop

#endif
