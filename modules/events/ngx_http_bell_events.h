
/*
 * Access events: what the files of this module share.
 *
 *     module   directives, the handler of the log phase
 *     request  what of an object was sent to whom, as an event
 *     buffer   events that wait, in batches by tenant, within a bound
 *     send     batches on their way to Redis
 *     metrics  what is counted
 *
 * The form of events and what is said to Redis are in lua-free
 * (bell_access_event.h).
 */

#ifndef _NGX_HTTP_BELL_EVENTS_H_INCLUDED_
#define _NGX_HTTP_BELL_EVENTS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_core.h"
#include "ngx_http_bell_redis.h"
#include "bell_access_event.h"


extern ngx_module_t  ngx_http_bell_events_module;


#pragma GCC visibility push(hidden)


/* ---- what becomes of an event */

typedef enum {
    NGX_HTTP_BELL_EVENTS_SENT = 0,
    NGX_HTTP_BELL_EVENTS_FULL,          /* no room in the buffer */
    NGX_HTTP_BELL_EVENTS_SHARE,         /* none left for this tenant */
    NGX_HTTP_BELL_EVENTS_REFUSED,       /* Redis will not have it */
    NGX_HTTP_BELL_EVENTS_EXIT,          /* not sent when the worker ended */
    NGX_HTTP_BELL_EVENTS_UNFIT,         /* no event can say it */

    NGX_HTTP_BELL_EVENTS_RESULTS
} ngx_http_bell_events_result_e;


/* ---- configuration */

typedef struct ngx_http_bell_events_s  ngx_http_bell_events_t;


typedef struct {
    const ngx_http_bell_core_api_t  *core;
    ngx_http_bell_redis_conf_t      *redis;         /* NULL: not configured */
    size_t                           buffer;        /* bytes, of a worker */
    size_t                           batch;         /* bytes of its text */
    ngx_msec_t                       interval;      /* to the next batch */
    ngx_uint_t                       stream;        /* batches that one keeps */
    ngx_int_t                        request_id;    /* index of a variable */
    ngx_uint_t                       asked;         /* "on" at any place */
    ngx_http_bell_metric_t          *results[NGX_HTTP_BELL_EVENTS_RESULTS];

    ngx_http_bell_events_t          *events;        /* of this process */
} ngx_http_bell_events_main_conf_t;


typedef struct {
    ngx_flag_t                       on;
} ngx_http_bell_events_loc_conf_t;


/* For the preconfiguration handler. */
ngx_int_t ngx_http_bell_events_add_metrics(ngx_conf_t *cf,
    ngx_http_bell_events_main_conf_t *emcf);


/* ---- a request */

/*
 * Its texts lie in the request.  NGX_DECLINED: it is no access of anybody;
 * NGX_ERROR: what was sent cannot be said in an event.
 */
ngx_int_t ngx_http_bell_events_request(ngx_http_request_t *r,
    ngx_http_bell_events_main_conf_t *emcf, bell_access_event *event);


/* ---- the buffer */

#define NGX_HTTP_BELL_EVENTS_CELL    1024   /* bytes */


typedef struct ngx_http_bell_events_tenant_s  ngx_http_bell_events_tenant_t;


/* Lines of one tenant, in cells, each of which names the next. */

typedef struct {
    ngx_queue_t                      queue;     /* open, due or in flight */
    ngx_http_bell_events_tenant_t   *tenant;
    uint32_t                         first;     /* cells */
    uint32_t                         last;
    uint32_t                         cells;
    uint32_t                         bytes;
    uint32_t                         lines;
    uint32_t                         replies;   /* while it is in flight */
    ngx_uint_t                       outcome;   /* the worst of them */
} ngx_http_bell_events_batch_t;


/* Is there as long as it has cells. */

struct ngx_http_bell_events_tenant_s {
    ngx_http_bell_events_tenant_t   *next;      /* of the bucket, or free */
    uint32_t                         id;
    uint32_t                         cells;
    ngx_http_bell_events_batch_t    *open;      /* takes lines; may be NULL */
};


/*
 * The events of one worker, and its connection.  All memory is taken when it
 * begins.  Nothing here waits: a log handler writes a line into a cell, and
 * sending is the business of timers and of posted events.
 */

struct ngx_http_bell_events_s {
    ngx_http_bell_events_main_conf_t  *conf;
    ngx_log_t                         *log;

    u_char                            *bytes;       /* cells */
    uint32_t                          *next;        /* of a cell */
    uint32_t                           free_cell;   /* the first one */
    uint32_t                           free_cells;
    uint32_t                           cells;

    ngx_http_bell_events_batch_t      *batches;     /* as many as cells */
    ngx_queue_t                        free_batches;

    ngx_http_bell_events_tenant_t     *tenants;     /* likewise */
    ngx_http_bell_events_tenant_t     *free_tenants;
    ngx_http_bell_events_tenant_t    **buckets;
    uint32_t                           mask;

    ngx_queue_t                        open;        /* wait for the timer */
    ngx_queue_t                        due;
    ngx_queue_t                        flight;
    ngx_uint_t                         in_flight;
    ngx_uint_t                         overdue;     /* so are open ones */

    ngx_http_bell_redis_t              redis;
    ngx_event_t                        tick;        /* makes open ones due */
    ngx_event_t                        pause;       /* Redis takes nothing */
    ngx_event_t                        post;        /* something is due */
    ngx_connection_t                   dummy;       /* for the timers' log */
    ngx_uint_t                         told;        /* of a refusal */
    time_t                             told_s;

    char                              *text;        /* room for a batch */
    char                               line[BELL_ACCESS_LINE_BYTES];
    char                               length[NGX_INT_T_LEN + 1];
};


/* NULL: no memory */
ngx_http_bell_events_t *ngx_http_bell_events_create(
    ngx_http_bell_events_main_conf_t *emcf, ngx_log_t *log);
void ngx_http_bell_events_free(ngx_http_bell_events_t *e);

/* Keeps the event, or counts why not. */
void ngx_http_bell_events_add(ngx_http_bell_events_t *e, uint32_t tenant_id,
    const bell_access_event *event);

/* All that took lines are due. */
void ngx_http_bell_events_make_due(ngx_http_bell_events_t *e);

/* A batch's text, as one piece; the next call overwrites it. */
char *ngx_http_bell_events_text(ngx_http_bell_events_t *e,
    ngx_http_bell_events_batch_t *b);

/* Counts the batch, which is in no queue any more, and gives its room back. */
void ngx_http_bell_events_settle(ngx_http_bell_events_t *e,
    ngx_http_bell_events_batch_t *b, ngx_http_bell_events_result_e result);


/* ---- sending */

void ngx_http_bell_events_open(ngx_http_bell_events_t *e);

/* Sends what it can within half a second; what is left is counted and lost. */
void ngx_http_bell_events_close(ngx_http_bell_events_t *e);

/* The batch is full: it goes out when nginx is done with what it does now. */
void ngx_http_bell_events_post(ngx_http_bell_events_t *e);


static ngx_inline void
ngx_http_bell_events_count(ngx_http_bell_events_t *e,
    ngx_http_bell_events_result_e result, ngx_int_t n)
{
    e->conf->core->count(e->conf->results[result], n);
}


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_EVENTS_H_INCLUDED_ */
