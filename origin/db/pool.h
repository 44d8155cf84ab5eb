/* A pipelined PostgreSQL pool of one worker: one lane. A group is the statements of one step of one request: what opens it (the tenant, the
 * session, the time-out), the statements, one Sync. Between two Syncs all is one implicit transaction, so an error undoes its own group and no
 * neighbour's; up to in_flight_max groups of many requests are under way on a connection at once. Every statement of the program is prepared
 * when a connection opens, so that a statement that is wrong is known at start-up.
 *
 * Bounds: connections, groups in flight a connection, groups waiting; past them a group is refused and the caller answers 503. While no
 * connection is up, groups are refused at once. A connection whose first group takes long is given no further ones; one that does not answer at
 * all is given up (pool_watch.c), and the next try goes to the next host of the conninfo (hosts.c).
 *
 * Never blocks the loop: names of hosts are looked up beside it (resolver.c), unless a service file of libpq's names them. */
#ifndef FB_POOL_H
#define FB_POOL_H

#include <libpq-fe.h>

#include "bell_str.h"

struct event_base;

#define FB_GROUP_CALLS_MAX    6
#define FB_STMT_PARAMS_MAX    16
#define FB_POOL_IN_FLIGHT_MAX 16 /* groups a connection */

typedef struct {
    const char *name; /* unique over the program */
    const char *sql;
    unsigned nparams;
} fb_stmt;

typedef struct {
    const fb_stmt *stmt;
    const char *params[FB_STMT_PARAMS_MAX]; /* text; NULL is SQL's NULL; alive until the group is done or cancelled */
} fb_call;

typedef enum {
    FB_GROUP_OK,
    FB_GROUP_SQL_ERROR, /* sqlstate and message are set; nothing of the group happened */
    FB_GROUP_LOST,      /* the connection broke: a write may or may not have happened */
} fb_group_outcome;

typedef struct fb_group fb_group;
typedef void (*fb_group_done)(fb_group *g, void *arg);

/* Owned by the caller, who keeps it alive until `done` was called or fb_group_cancel. */
struct fb_group {
    fb_call calls[FB_GROUP_CALLS_MAX];
    unsigned ncalls;
    unsigned timeout_ms;                   /* of each of its statements, as its first call tells PostgreSQL */
    PGresult *results[FB_GROUP_CALLS_MAX]; /* one a call, in order, when OK; freed by fb_group_clear */
    fb_group_outcome outcome;
    char sqlstate[6];
    char message[160];
    fb_group_done done;
    void *arg;
    struct fb_ticket *ticket; /* its place in the pool; NULL when not under way */
};

typedef struct fb_pool fb_pool;

typedef struct {
    const char *name;     /* of the lane, for the log */
    const char *database; /* libpq conninfo */
    const char *user;
    const char *application;
    unsigned connections;
    unsigned in_flight_max; /* groups a connection, 1 to FB_POOL_IN_FLIGHT_MAX */
    unsigned waiting_max;
    unsigned statement_timeout_ms; /* of a statement that no group's time-out covers: the one that opens a group */
    /* false behind a pooler that gives every transaction another session: nothing is kept in a session then. Statements go out unnamed, and
     * in_flight_max is to be 1. */
    bool prepared;
    const fb_stmt *const *statements; /* NULL-terminated */
    /* Called once: a connection is up, or the first attempt at one has failed, which takes seconds at most. May be called from within
     * fb_pool_new. */
    void (*settled)(void *arg);
    void *settled_arg;
} fb_pool_options;

/* NULL: out of memory. The texts of the options must outlive the pool. */
fb_pool *fb_pool_new(struct event_base *base, const fb_pool_options *o);
/* Breaks off what is under way: each group ends as LOST. */
void fb_pool_free(fb_pool *p);

/* A connection is up. */
bool fb_pool_ready(const fb_pool *p);
/* Groups waiting, in percent of waiting_max: what shedding goes by. */
unsigned fb_pool_pressure_percent(const fb_pool *p);

typedef enum { FB_POOL_SENT, FB_POOL_FULL, FB_POOL_DOWN } fb_pool_verdict;

/* Sends the group, or lets it wait for room. FULL or DOWN: nothing was begun and `done` will not be called. `done` is never called from within. */
fb_pool_verdict fb_pool_send(fb_pool *p, fb_group *g) __attribute__((warn_unused_result));
/* The caller does not want the answer any more. A group that waits gives up its place at once; one that keeps PostgreSQL busy is cancelled there. A
 * neighbour that such a cancel hits by chance is undone as a whole by PostgreSQL and sent again by the pool. */
void fb_group_cancel(fb_group *g);
/* Frees the results; the group may be used again. */
void fb_group_clear(fb_group *g);

#endif
