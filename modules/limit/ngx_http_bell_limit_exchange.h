
/*
 * What the worker that exchanges with Redis for its edge keeps of it.
 */

#ifndef _NGX_HTTP_BELL_LIMIT_EXCHANGE_H_INCLUDED_
#define _NGX_HTTP_BELL_LIMIT_EXCHANGE_H_INCLUDED_


#include "ngx_http_bell_limit.h"


#pragma GCC visibility push(hidden)


#define NGX_HTTP_BELL_LIMIT_FLIGHTS  512


/* An exchange that is under way; the key may be another one meanwhile. */

typedef struct {
    ngx_queue_t                       queue;    /* of those that are free */
    bell_leases_key                  *key;
    bell_limits_name                  name;
    uint64_t                          epoch;
    uint64_t                          number;
} ngx_http_bell_limit_flight_t;


typedef struct {
    ngx_http_bell_limit_main_conf_t  *lmcf;
    ngx_log_t                        *log;

    ngx_event_t                       timer;
    ngx_connection_t                  dummy;    /* for the timer's log */

    ngx_uint_t                        is_owner; /* unsigned  is_owner:1 */
    ngx_http_bell_store_t            *store;    /* of the owner */
    bell_redis_script                 lease;
    bell_redis_script                 edges;

    size_t                            place;    /* where it goes on */
    ngx_queue_t                       free;     /* flights */
    ngx_uint_t                        out;      /* not free */
    ngx_uint_t                        is_ready; /* unsigned  is_ready:1 */
    ngx_uint_t                        failing;  /* unsigned  failing:1 */
    ngx_uint_t                        told;     /* unsigned  told:1 */

    ngx_uint_t                        is_beating;   /* unsigned :1 */
    ngx_uint_t                        crowded;  /* unsigned  crowded:1 */
    ngx_uint_t                        uncounted;    /* unsigned :1 */
    int64_t                           beat_us;  /* when it is due */

    ngx_http_bell_limit_flight_t      flights[NGX_HTTP_BELL_LIMIT_FLIGHTS];
} ngx_http_bell_limit_exchange_t;


/* of this process; NULL: no policy holds over all edges, or it is no worker */

extern ngx_http_bell_limit_exchange_t  *ngx_http_bell_limit_exchange;


/* ngx_http_bell_limit_owner.c: 0, this one is not the owner, or no longer */

ngx_uint_t ngx_http_bell_limit_owns(ngx_http_bell_limit_exchange_t *x);

/* ngx_http_bell_limit_exchange.c: does what is due; of the owner */

void ngx_http_bell_limit_round(ngx_http_bell_limit_exchange_t *x);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_LIMIT_EXCHANGE_H_INCLUDED_ */
