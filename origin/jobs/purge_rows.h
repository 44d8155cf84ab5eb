/* The table purges as its relay sees it, over a connection of its own as fb_app. What fails leaves a sentence in `error`. */
#ifndef FB_JOBS_PURGE_ROWS_H
#define FB_JOBS_PURGE_ROWS_H

#include "bell_str.h"
#include "origin/db/pg.h"

#define FB_PURGE_ERROR_BYTES 500

typedef struct {
    const fb_settings *settings;
    PGconn *c; /* NULL: none */
    char error[FB_PURGE_ERROR_BYTES];
} fb_purge_rows;

/* Connects, where it is not connected already, and listens for purges that are asked for (firstbell_purges). */
bool fb_purge_rows_connect(fb_purge_rows *t) __attribute__((warn_unused_result));
void fb_purge_rows_close(fb_purge_rows *t);

/* The lock of the one relay that works. 1 taken, 0 somebody else has it, which `wait` waits for, -1 failed. */
int fb_purge_rows_lock(fb_purge_rows *t, bool wait);
/* The connection is closed where that fails, and the lock goes with it. */
void fb_purge_rows_unlock(fb_purge_rows *t);

/* Numbers all that waits, above a number that readers have seen; *last is the highest number there is. */
bool fb_purge_rows_number(fb_purge_rows *t, uint64_t above, uint64_t *last) __attribute__((warn_unused_result));

/* false: it cannot go on now. */
typedef bool (*fb_purge_send)(void *arg, uint64_t sequence, bell_str line);

typedef enum {
    FB_PURGES_SENT,    /* all of them */
    FB_PURGES_STOPPED, /* send() said so */
    FB_PURGES_FAILED,
} fb_purges_result;

/* Gives the lines of those behind a number to send(), in their order. */
fb_purges_result fb_purge_rows_each(fb_purge_rows *t, uint64_t after, fb_purge_send send, void *arg) __attribute__((warn_unused_result));

#endif
