/* Inside of the pool: one connection and its states. Used by pool.c and pool_conn.c only. */
#ifndef FB_POOL_CONN_H
#define FB_POOL_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "origin/db/pool.h"

typedef enum {
    FB_POOL_CONN_DOWN,       /* waits for its next try */
    FB_POOL_CONN_CONNECTING, /* libpq is connecting */
    FB_POOL_CONN_PREPARING,  /* the program's statements are being prepared */
    FB_POOL_CONN_READY,
} fb_pool_conn_state;

/* A group's place in the pool; outlives a group that is cancelled. */
typedef struct fb_ticket {
    fb_group *group; /* NULL: cancelled */
    unsigned ncalls;
    unsigned next_call; /* the call whose results come next */
    struct fb_ticket *next;
} fb_ticket;

typedef struct {
    fb_pool *pool;
    PGconn *pg;
    fb_pool_conn_state state;
    struct event socket_event;
    struct event timer;
    bool socket_armed;
    short socket_interest;
    unsigned tries; /* in a row without success */
    bool reported;  /* the log knows that it is down */
    fb_ticket *flight_head, *flight_tail;
    unsigned nflight;
    unsigned nprepared; /* while preparing: statements answered */
    bool prepare_failed;
} fb_pool_conn;

struct fb_pool {
    struct event_base *base;
    fb_pool_options options;
    fb_pool_conn *conns;
    unsigned nconns;
    unsigned nready;
    fb_ticket *waiting_head, *waiting_tail;
    unsigned nwaiting;
    bool settled; /* options.settled was called */
    bool closing;
};

void fb_pool_conn_start(fb_pool_conn *c, fb_pool *p);
void fb_pool_conn_stop(fb_pool_conn *c);
void fb_pool_conn_send(fb_pool_conn *c, fb_ticket *t);

/* The ready connection with the fewest groups in flight; NULL when all are full. */
fb_pool_conn *fb_pool_pick(fb_pool *p);
/* Something changed: sends what waits, or ends it when no connection is up. */
void fb_pool_pump(fb_pool *p);
/* Tells the owner once that it is known whether there is a database. */
void fb_pool_settle(fb_pool *p);
/* Frees the ticket and tells its group, if it is still wanted. FB_GROUP_OK leaves the outcome as it is. */
void fb_ticket_end(fb_ticket *t, fb_group_outcome lost);

#endif
