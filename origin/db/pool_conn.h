/* Inside of the pool: one connection and its states. Used by pool.c and the other pool_ files only. Times are milliseconds of the monotonic
 * clock. */
#ifndef FB_POOL_CONN_H
#define FB_POOL_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdint.h>

#include "origin/db/canceller.h"
#include "origin/db/hosts.h"
#include "origin/db/pool.h"

typedef enum {
    FB_POOL_CONN_DOWN,       /* waits for its next try */
    FB_POOL_CONN_LOOKING_UP, /* the name of its host is being looked up */
    FB_POOL_CONN_CONNECTING, /* libpq is connecting */
    FB_POOL_CONN_PREPARING,  /* the program's statements are being prepared */
    FB_POOL_CONN_READY,
} fb_pool_conn_state;

typedef struct fb_pool_conn fb_pool_conn;
typedef struct fb_pool_lookup fb_pool_lookup;

/* A group's place in the pool; outlives a group that is cancelled. */
typedef struct fb_ticket {
    fb_group *group; /* NULL: cancelled, or a probe */
    fb_pool *pool;
    fb_pool_conn *conn; /* NULL: it waits */
    unsigned ncalls;
    unsigned next_call; /* the call whose results come next */
    unsigned timeout_ms;
    unsigned retries; /* times that it was sent again because a cancel meant for another had hit it */
    bool probe;       /* a Sync by itself: is anybody there? */
    bool exposed;     /* was in flight while a cancel for its neighbour was */
    struct fb_ticket *prev, *next;
} fb_ticket;

typedef struct {
    fb_ticket *head, *tail;
    unsigned n;
} fb_ticket_list;

struct fb_pool_conn {
    fb_pool *pool;
    PGconn *pg;
    fb_pool_conn_state state;
    struct event socket_event;
    struct event timer;
    bool socket_armed;
    short socket_interest;
    unsigned tries; /* in a row without success */
    unsigned host;  /* the one of pool->hosts that is used, or is tried next */
    bool reported;  /* the log knows that it is down */
    bool leaving;   /* the server became read-only: nothing more is sent, and when the last answer is there another server is looked for */
    fb_ticket_list flight;
    int64_t head_since_ms; /* the first of `flight` has been the one PostgreSQL works on since then */
    int64_t heard_ms;      /* bytes came last */
    unsigned nprepared;    /* while preparing: statements answered */
    bool prepare_failed;
    /* A cancel is under way from cancel_began_ms until the ticket it is for has ended and the canceller has, too; nothing is sent in between. */
    int64_t cancel_began_ms; /* 0: none */
    fb_ticket *cancel_for;
    fb_cancel *cancel; /* NULL: it has ended */
    struct event cancel_event;
};

struct fb_pool {
    struct event_base *base;
    fb_pool_options options;
    fb_pg_hosts hosts;
    fb_pool_lookup *lookups; /* one a host */
    fb_pool_conn *conns;
    unsigned nconns;
    unsigned nready;
    fb_ticket_list waiting;
    struct event watch; /* runs while something is in flight */
    bool watching;
    bool settled; /* options.settled was called */
    bool closing;
};

int64_t fb_pool_now_ms(void);

void fb_ticket_append(fb_ticket_list *l, fb_ticket *t);
void fb_ticket_prepend(fb_ticket_list *l, fb_ticket *t);
void fb_ticket_remove(fb_ticket_list *l, fb_ticket *t);
/* Frees the ticket and tells its group, if it is still wanted. FB_GROUP_OK leaves the outcome as it is. */
void fb_ticket_end(fb_ticket *t, fb_group_outcome lost);

void fb_pool_conn_start(fb_pool_conn *c, fb_pool *p);
void fb_pool_conn_stop(fb_pool_conn *c);
void fb_pool_conn_send(fb_pool_conn *c, fb_ticket *t);
/* A Sync by itself. false: out of memory. */
bool fb_pool_conn_probe(fb_pool_conn *c);
/* The one way down: the socket closed, what was in flight told, the next try set. */
void fb_pool_conn_down(fb_pool_conn *c, const char *reason);

/* The name is looked up: goes on to these addresses, parted by commas; NULL: as the conninfo says. */
void fb_pool_conn_connect(fb_pool_conn *c, const char *addresses);

/* Looks up the name of a host for the connections that wait for it, which are told. false: there is no memory, thread or descriptor for that. */
bool fb_pool_lookup_begin(fb_pool *p, unsigned host);
/* false: out of memory. */
bool fb_pool_lookups_init(fb_pool *p);
void fb_pool_lookups_fini(fb_pool *p);

/* The ready connection that delays a group least; NULL when the group has to wait. */
fb_pool_conn *fb_pool_pick(fb_pool *p);
/* Something changed: sends what waits, or ends it when no connection is up. */
void fb_pool_pump(fb_pool *p);
/* Tells the owner once that it is known whether there is a database. */
void fb_pool_settle(fb_pool *p);

/* Something is in flight: it is looked at from now on. */
void fb_pool_watch(fb_pool *p);
void fb_pool_watch_init(fb_pool *p);
/* Cancels the first ticket in flight on the server when nobody wants it and it has been busy for long enough. */
void fb_pool_conn_cancel(fb_pool_conn *c);
/* Whether a cancel keeps the connection from being used. */
bool fb_pool_conn_is_cancelling(const fb_pool_conn *c);
/* The ticket has ended; when the connection was waiting for that, it waits no more. */
void fb_pool_conn_cancel_forget(fb_pool_conn *c, const fb_ticket *t);
/* The connection goes down: the cancel under way is left to itself. */
void fb_pool_conn_cancel_drop(fb_pool_conn *c);

#endif
