/* Conditional requests (RFC 9110 section 13) as a cache answers them (RFC 9111 4.3.2), and as it asks them itself (4.3.1, 4.3.4). */
#ifndef BELL_CONDITIONAL_H
#define BELL_CONDITIONAL_H

#include "bell_fields.h"

#pragma GCC visibility push(hidden)

#define BELL_NO_TIME                 INT64_MIN
#define BELL_CONDITION_ETAGS_MAX     16   /* that are sent along */
#define BELL_CONDITION_ETAG_BYTES    1024 /* a longer one is not sent along */
#define BELL_CONDITION_STRONG_DATE_S 1    /* how much older than Date a Last-Modified must be to be a strong validator (RFC 9110 8.8.2.2) */

/* What an answer says of its own version. */
typedef struct {
    unsigned status;
    bell_str etag;      /* as sent; empty: none */
    int64_t modified_s; /* Last-Modified, Unix seconds, or BELL_NO_TIME */
    int64_t date_s;     /* Date, or without one when it was received; BELL_NO_TIME: not known */
} bell_validators;

typedef struct {
    const bell_fields *fields;
    bool is_read; /* GET or HEAD */
    /* Reads an HTTP-date (RFC 9110 5.6.7), one with two digits for its year by the clock; false: it is none. As bell_http_date_parse() does. */
    bool (*date)(bell_str text, int64_t now_s, int64_t *unix_s);
    int64_t now_s; /* Unix seconds */
} bell_condition_request;

typedef enum {
    BELL_CONDITION_HOLDS,        /* or there is none: answer as without it */
    BELL_CONDITION_NOT_MODIFIED, /* 304 */
    BELL_CONDITION_FAILED,       /* 412 */
    BELL_CONDITION_FORWARD,      /* for the origin alone to say: If-Match, If-Unmodified-Since */
} bell_condition;

/* As a cache that holds this answer and may use it: If-None-Match (weakly compared), and without that If-Modified-Since, against Last-Modified or
 * else Date. Conditions on an answer that is not 2xx are not looked at, nor dates that are none. Tags that are not well-formed are equal when all of
 * their bytes are. HOLDS, NOT_MODIFIED or FORWARD. */
bell_condition bell_condition_at_cache(const bell_condition_request *r, const bell_validators *stored);
/* As the owner of a resource, in the order of RFC 9110 13.2.2. NULL: there is nothing there yet. HOLDS, NOT_MODIFIED or FAILED. */
bell_condition bell_condition_at_origin(const bell_condition_request *r, const bell_validators *current);

/* Whether a Range of the request counts: there is no If-Range, or it names just this version, strongly compared (RFC 9110 13.1.5). */
bool bell_condition_takes_range(const bell_condition_request *r, const bell_validators *current);

/* Writes the If-None-Match to validate stored answers with: each tag once, in their order, as it was sent. Those that do not fit are left out, and
 * those that would be something else in a list: with a comma outside of quotes, or an odd quote. Its bytes, 0: no tag. */
size_t bell_condition_write_etags(const bell_str *etags, size_t netags, char *out, size_t room);

/* Which of the stored answers that a request was validated with a 304 is about (RFC 9111 4.3.4): selected[i] is set for each of n. With a strong tag
 * those that have it; else the latest one with the same weak tag, or without a tag the same Last-Modified. A 304 that says nothing of its version is
 * taken for the one answer that was asked about. Their number; 0: the 304 updates nothing, and the request is to be sent again without conditions. */
unsigned bell_condition_select(const bell_validators *stored, unsigned n, const bell_validators *answer, bool *selected);

/* Whether the 200 that a HEAD was answered with is about the answer that is stored for GET (RFC 9111 4.3.5): ETag, Last-Modified and Content-Length,
 * as far as it has them, are the stored ones. true: its fields update the stored ones; false: what is stored is stale. Lengths in bytes, -1: not
 * said. */
bool bell_condition_head_agrees(const bell_validators *stored, int64_t stored_bytes, const bell_validators *answer, int64_t answer_bytes);

#pragma GCC visibility pop

#endif
