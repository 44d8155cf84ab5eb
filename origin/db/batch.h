/* Group commit: what many clients save at the same time goes to PostgreSQL as one statement of one transaction, and each is answered when that is
 * committed. What has gathered goes out as soon as a connection is free: nobody waits for a timer, and the longer a commit takes, the more of them
 * share the next one.
 *
 * The statement takes an array a column, in which each client has one element, and gives a row for each, whose first column is the element's number,
 * from 1. What is wrong with one of them is said in its row. When the statement fails as a whole, its rows are sent again one at a time, so that an
 * error is the answer to those alone who cause it.
 *
 * Bounds: rows of a batch, batches under way, rows waiting; past them a row is refused and the caller answers 503. */
#ifndef FB_BATCH_H
#define FB_BATCH_H

#include "origin/db/pool.h"

#define FB_BATCH_ROWS_MAX 256

typedef struct fb_batcher fb_batcher;
typedef struct fb_batched fb_batched;
typedef void (*fb_batched_done)(fb_batched *b, void *arg);

/* One client's row. Owned by the caller, who keeps it and its texts alive until `done` was called or fb_batched_cancel. */
struct fb_batched {
    const char *params[FB_STMT_PARAMS_MAX]; /* text, one for each array; NULL is SQL's NULL */
    fb_batched_done done;
    void *arg;
    /* When `done` is called. As of a group; with OK, `rows` is the batch's result and `row` this one's in it, both until `done` returns. With an
     * error nothing of this row happened. */
    fb_group_outcome outcome;
    const PGresult *rows;
    int row;
    char sqlstate[6];
    char message[160];
    /* The batcher's own. */
    fb_batcher *batcher;    /* NULL: not under way */
    struct fb_batch *batch; /* NULL: it waits */
    unsigned place;         /* in the batch */
    bool alone;             /* was part of a batch that failed */
    fb_batched *prev, *next;
};

typedef struct {
    const fb_stmt *stmt; /* at most FB_STMT_PARAMS_MAX arrays */
    unsigned batches;    /* under way at a time */
    unsigned waiting_max;
    unsigned timeout_ms; /* of the statement */
} fb_batcher_options;

/* What opens a batch; a pool for batches prepares it with their statements. */
extern const fb_stmt fb_sql_batch_open;

/* NULL: out of memory. The pool outlives it. */
fb_batcher *fb_batcher_new(struct event_base *base, fb_pool *pool, const fb_batcher_options *o);
/* No row is under way any more. */
void fb_batcher_free(fb_batcher *b);

/* Rows waiting, in percent of waiting_max: what shedding goes by. */
unsigned fb_batcher_pressure_percent(const fb_batcher *b);

/* FULL or DOWN: nothing was begun and `done` will not be called. `done` is never called from within. */
fb_pool_verdict fb_batcher_add(fb_batcher *b, fb_batched *row) __attribute__((warn_unused_result));
/* The caller does not want the answer any more: what waits is not sent, what is under way may still happen. A batch that nobody waits for is
 * cancelled. */
void fb_batched_cancel(fb_batched *row);

#endif
