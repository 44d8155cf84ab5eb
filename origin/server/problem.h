/* What can go wrong for a user, once: problem details (RFC 9457). `type` is stable; `title` is a sentence that a teacher can read. */
#ifndef FB_PROBLEM_H
#define FB_PROBLEM_H

#include "bell_json.h"

typedef enum {
    FB_PROBLEM_BAD_REQUEST,
    FB_PROBLEM_BAD_JSON,
    FB_PROBLEM_INVALID,
    FB_PROBLEM_PASSWORD,
    FB_PROBLEM_CREDENTIALS,
    FB_PROBLEM_SIGN_IN_REQUIRED,
    FB_PROBLEM_FORBIDDEN,
    FB_PROBLEM_CROSS_SITE,
    FB_PROBLEM_FORM_TOKEN,
    FB_PROBLEM_CODE,
    FB_PROBLEM_NOT_FOUND,
    FB_PROBLEM_METHOD,
    FB_PROBLEM_TIMEOUT,
    FB_PROBLEM_LOCKED,
    FB_PROBLEM_NAME_TAKEN,
    FB_PROBLEM_TOO_LARGE,
    FB_PROBLEM_TARGET_TOO_LONG,
    FB_PROBLEM_MEDIA_TYPE,
    FB_PROBLEM_RANGE,
    FB_PROBLEM_EXPECTATION,
    FB_PROBLEM_TOO_MANY_TRIES,
    FB_PROBLEM_TOO_MANY,
    FB_PROBLEM_HEADERS_TOO_LARGE,
    FB_PROBLEM_INTERNAL,
    FB_PROBLEM_NOT_IMPLEMENTED,
    FB_PROBLEM_BUSY,
    FB_PROBLEM_DATABASE,
    FB_PROBLEM_DEADLINE,
    FB_PROBLEM_MEDIA_KEY,
    FB_PROBLEM_VERSION,
    FB_PROBLEM_COUNT
} fb_problem;

unsigned fb_problem_status(fb_problem p);
const char *fb_problem_name(fb_problem p);
/* Seconds for Retry-After; 0: none. */
unsigned fb_problem_retry_after_s(fb_problem p);
/* The problem for a status that the HTTP codec refused with. */
fb_problem fb_problem_of_status(unsigned status);

/* {"type":"/problems/NAME","title","status","detail","request_id"}; detail may be NULL. */
void fb_problem_write(bell_json *j, fb_problem p, const char *detail, bell_str request_id);

#endif
