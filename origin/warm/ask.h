/* Asks an edge for a list of addresses, paced, over a few connections and within a time, and counts what it says it did with them. */
#ifndef FB_WARM_ASK_H
#define FB_WARM_ASK_H

#include "origin/warm/urls.h"

#define FB_WARM_REASONS_MAX 16

typedef struct {
    const char *edge;    /* "HOST:PORT" to connect to, whatever an address names; NULL: what it names */
    const char *ca_file; /* PEM; NULL: the system's */
    long rate;           /* addresses a second */
    long connections;
    long seconds; /* in all; what has not been asked for by then is not */
} fb_warm_way;

/* Why something is not kept: a sentence, how often, and one of the addresses, without its token. */
typedef struct {
    char text[160];
    char example[400];
    size_t n;
} fb_warm_reason;

typedef struct {
    size_t asked, hit, stored, unkept, failed; /* unkept: answered 200, and not stored */
    double seconds;
    fb_warm_reason reasons[FB_WARM_REASONS_MAX]; /* of what is unkept or failed; the last one stands for all further ones */
    size_t nreasons;
} fb_warm_result;

/* false: it could not even begin; a sentence has been written. */
bool fb_warm_ask(const fb_warm_urls *u, const fb_warm_way *way, fb_warm_result *result) __attribute__((warn_unused_result));

/* What one answer's Cache-Status (RFC 9211) says of the cache that is nearest to who asked, the last of the list: "hit", "stored", or why it was not,
 * in `why`. */
typedef enum { FB_WARM_HIT, FB_WARM_STORED, FB_WARM_UNKEPT } fb_warm_verdict;
fb_warm_verdict fb_warm_judge(bell_str cache_status, char *why, size_t why_len);

#endif
