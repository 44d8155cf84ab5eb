/* One step in the reading of a tenant's access events: a few batches become views and progress in one transaction, which also moves the position in
 * the stream. Who holds the row of the position reads; there may be many who try. */
#ifndef FB_JOBS_ACCESS_ROUND_H
#define FB_JOBS_ACCESS_ROUND_H

#include "origin/db/pg.h"
#include "origin/jobs/access_fetches.h"
#include "origin/jobs/access_stream.h"
#include "origin/jobs/access_video.h"

#define FB_ACCESS_ERROR_BYTES 400

typedef enum {
    FB_ACCESS_ALL_READ, /* the stream has nothing further */
    FB_ACCESS_MORE,     /* something was read, and more may be there */
    FB_ACCESS_BUSY,     /* somebody else reads this stream */
    FB_ACCESS_NOBODY,   /* there is no such tenant */
    FB_ACCESS_NO_REDIS, /* it is away, or refuses */
    FB_ACCESS_FAILED,   /* the sentence is in error */
    FB_ACCESS_REFUSED,  /* PostgreSQL cannot store what the events say; the sentence is in error */
} fb_access_result;

typedef struct {
    PGconn *c; /* as fb_app */
    fb_redis *redis;
    fb_videos *videos;
    const fb_settings *settings;
    int32_t tenant_id;
    size_t most;            /* batches */
    fb_access_id pass_over; /* of a batch that has no effect but that its events count as malformed; 0-0: none */
    /* What came of it; of a step that was not committed it says nothing. */
    fb_access_counts counts;
    uint64_t lost; /* batches that were cut off the stream before they were read */
    bool anew;     /* the stream is another one than the one that was read before */
    fb_access_id position;
    char error[FB_ACCESS_ERROR_BYTES];
    char no_video[FB_VIDEO_ERROR_BYTES + 100]; /* a video that cannot be read, if there was one */
} fb_access_round;

/* Leaves no transaction open. */
fb_access_result fb_access_round_run(fb_access_round *r) __attribute__((warn_unused_result));

/* ---- for access_apply.c */

/* A statement of the round. NULL: it failed, with the sentence in error, and `refused` says whether it was about the data (SQLSTATE 22, 23 and 54).
 */
PGresult *fb_access_query(fb_access_round *r, const char *sql, int nparams, const char *const *params, bool *refused)
    __attribute__((warn_unused_result));

/* Turns the fetches into views and progress, inside the round's transaction, and counts what becomes of each. */
bool fb_access_apply(fb_access_round *r, fb_access_fetches *f, bool *refused) __attribute__((warn_unused_result));

#endif
