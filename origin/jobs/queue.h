/* The queue table as a worker sees it: claims, the run of one job, what becomes of it. */
#ifndef FB_JOBS_QUEUE_H
#define FB_JOBS_QUEUE_H

#include "origin/jobs/kinds.h"

#define FB_QUEUE_BATCH   50
#define FB_QUEUE_LEASE_S 120 /* for the whole of a batch; a job that runs is guarded by its row's lock besides */

typedef struct {
    fb_queue_job jobs[FB_QUEUE_BATCH];
    int n;
} fb_queue_batch;

typedef enum {
    FB_QUEUE_DONE,   /* or taken over by another worker meanwhile */
    FB_QUEUE_FAILED, /* will be tried again, or not: it has been logged */
    FB_QUEUE_BROKEN, /* the connection is of no use any more */
} fb_queue_result;

/* Claims what is due. false: PostgreSQL refused or is gone. The batch is to be freed in either case. */
bool fb_queue_claim(PGconn *c, const fb_settings *s, fb_queue_batch *b) __attribute__((warn_unused_result));
void fb_queue_batch_free(fb_queue_batch *b);

fb_queue_result fb_queue_run(fb_queue_job *j) __attribute__((warn_unused_result));
/* Gives a claimed job back as if it had never been taken. */
void fb_queue_give_back(fb_queue_job *j);

/* Sees to it that every tenant has each hourly kind waiting or running; the first run is at a random moment of the next hour. */
bool fb_queue_schedule(PGconn *c) __attribute__((warn_unused_result));

/* Milliseconds until something is due; 0 when something is; at most most_ms, also when nothing waits. -1: PostgreSQL refused or is gone. */
long fb_queue_wait_ms(PGconn *c, long most_ms);

#endif
