/* What a client is told of its rate limits: the fields RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-11, of May 2026: Lists of
 * Strings with parameters), Retry-After (RFC 9110, section 10.2.3) with some seconds by lot, and why it was refused, as problem details (RFC 9457)
 * with the draft's types.
 *
 * The fields are of one answer to one client: they are set behind the cache and never stored. */
#ifndef BELL_RATELIMIT_H
#define BELL_RATELIMIT_H

#include "bell_buf.h"
#include "bell_gcra.h"

#pragma GCC visibility push(hidden)

#define BELL_RATELIMIT_POLICIES_MAX 16
#define BELL_RATELIMIT_NAME_MAX     64  /* bytes of a policy's name */
#define BELL_RATELIMIT_KEY_MAX      64  /* bytes of a partition's key */
#define BELL_RATELIMIT_ITEM_MAX     320 /* bytes that an item takes at most, with its comma */

typedef enum { BELL_RATELIMIT_REQUESTS, BELL_RATELIMIT_CONTENT_BYTES, BELL_RATELIMIT_CONCURRENT_REQUESTS } bell_ratelimit_unit;

typedef struct {
    bell_str name;      /* 1 to BELL_RATELIMIT_NAME_MAX printable ASCII characters */
    uint64_t quota;     /* q: so many units */
    uint64_t window_s;  /* w: in so many seconds; 0: not told */
    bell_str partition; /* pk: who shares the quota, any bytes, as a hash of a key; empty: not told */
    bell_ratelimit_unit unit;
} bell_ratelimit_policy;

/* Whether a name may be one. */
bool bell_ratelimit_name_fits(bell_str name);

/* A policy as text: what of its items is the same in every answer, so that it is made once. */
typedef struct {
    uint16_t policy_len, head_len, tail_len;
    char policy[BELL_RATELIMIT_ITEM_MAX]; /* its item of RateLimit-Policy */
    char head[2 * BELL_RATELIMIT_NAME_MAX + 8];
    char tail[2 * BELL_RATELIMIT_KEY_MAX];
} bell_ratelimit_item;

/* false: a name or a key that does not fit. */
bool bell_ratelimit_prepare(const bell_ratelimit_policy *policy, bell_ratelimit_item *item) __attribute__((warn_unused_result));

/* The value of RateLimit-Policy; and of RateLimit, with what the limits answered, in the same order. Bytes written to out, without NUL; -1: there is
 * no room, or not 1 to BELL_RATELIMIT_POLICIES_MAX items. An item takes BELL_RATELIMIT_ITEM_MAX bytes at most. */
long bell_ratelimit_write_policy(const bell_ratelimit_item *const *items, size_t n, char *out, size_t room) __attribute__((warn_unused_result));
/* r: what remains; t: whole seconds, rounded up, until there is more; without t when nothing is missing. */
long bell_ratelimit_write_now(const bell_ratelimit_item *const *items, const bell_gcra_answer *answers, size_t n, char *out, size_t room)
    __attribute__((warn_unused_result));

/* Seconds for Retry-After: never earlier than retry_after_us or than t above, at least 1, and up to spread_s more by lot, so that who was refused in
 * the same moment does not come back in the same moment. random: any number. */
uint32_t bell_ratelimit_retry_s(const bell_gcra_answer *refused, uint32_t spread_s, uint64_t random);

typedef enum {
    BELL_RATELIMIT_QUOTA_EXCEEDED,   /* 429 */
    BELL_RATELIMIT_REDUCED_CAPACITY, /* 503 */
    BELL_RATELIMIT_ABNORMAL_USAGE,   /* 429 */
    BELL_RATELIMIT_PROBLEM_COUNT
} bell_ratelimit_problem;

unsigned bell_ratelimit_status(bell_ratelimit_problem problem);
const char *bell_ratelimit_type(bell_ratelimit_problem problem);
/* The body of application/problem+json. detail: a sentence, may be empty. violated: names of policies, which only BELL_RATELIMIT_QUOTA_EXCEEDED and
 * _ABNORMAL_USAGE name. What does not fit shows in out->failed. */
void bell_ratelimit_write_problem(bell_buf *out, bell_ratelimit_problem problem, bell_str detail, const bell_str *violated, size_t n,
                                  bell_str request_id);

#pragma GCC visibility pop

#endif
