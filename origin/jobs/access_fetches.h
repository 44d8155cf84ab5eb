/* From the lines of access events (bell_access_event.h) to what can be counted: who fetched which bytes of which file of an asset. No I/O. */
#ifndef FB_JOBS_ACCESS_FETCHES_H
#define FB_JOBS_ACCESS_FETCHES_H

#include "bell_arena.h"

typedef struct {
    int64_t user_id, asset_id;
    const char *file;       /* a plain path below the asset; lives as long as the list */
    int64_t from, to, size; /* bytes, from < to; size -1: not known */
    int64_t at_ms;          /* Unix time, never in the future */
} fb_access_fetch;

/* What became of the events. All of them together are `events`; what is none of the others was counted. */
typedef struct {
    uint64_t events;
    uint64_t malformed; /* cannot be read, or of a time that cannot be */
    uint64_t strangers; /* of a subject that is no user of the tenant */
    uint64_t others;    /* of what is no part of a video */
} fb_access_counts;

typedef struct {
    fb_access_fetch *list;
    size_t n, cap;
    bell_arena arena;
    fb_access_counts counts;
} fb_access_fetches;

void fb_access_fetches_init(fb_access_fetches *f);
void fb_access_fetches_fini(fb_access_fetches *f);

/* Adds what a batch's text says. A line that cannot be read spoils itself only. false: out of memory. */
bool fb_access_fetches_add(fb_access_fetches *f, bell_str text, int64_t now_ms) __attribute__((warn_unused_result));

#endif
