
/*
 * Fair sharing of an origin: what the configuration says, what lies in shared
 * memory, and where a request stands.
 *
 * Who is next and who has to go (bell_fair.h), and how many an origin can have
 * at a time (bell_concurrency.h), are lua-free's to say.
 */

#ifndef _NGX_HTTP_BELL_FAIR_H_INCLUDED_
#define _NGX_HTTP_BELL_FAIR_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_core.h"
#include "bell_concurrency.h"
#include "bell_fair.h"
#include "bell_json.h"
#include "bell_siphash.h"
#include "ngx_http_bell_limit_common.h"


#pragma GCC visibility push(hidden)


/* nginx finds it in the list of this file's modules */

extern ngx_module_t  ngx_http_bell_fair_module;


#define NGX_HTTP_BELL_FAIR_NAME    64   /* bytes of a pool's, for people */
#define NGX_HTTP_BELL_FAIR_KNOWN   256  /* tenants whose weight a worker has */


/* As $bell_fair_status, and what is counted of each rank. */

typedef enum {
    NGX_HTTP_BELL_FAIR_PASSED,          /* there was a place */
    NGX_HTTP_BELL_FAIR_WAITED,          /* behind a wait there was one */
    NGX_HTTP_BELL_FAIR_REFUSED,         /* the queue was full */
    NGX_HTTP_BELL_FAIR_LATE,            /* it has waited as long as it may */
    NGX_HTTP_BELL_FAIR_LEFT,            /* the client went while it waited */
    NGX_HTTP_BELL_FAIR_RESULTS
} ngx_http_bell_fair_result_e;


/* "bell_fair_pool" */

typedef struct {
    ngx_str_t                        name;
    ngx_uint_t                       places;    /* 0: found out */
    bell_concurrency_rule            rule;      /* while they are */
    ngx_uint_t                       min;
    ngx_uint_t                       max;
    ngx_uint_t                       start;
    ngx_uint_t                       queue;
    ngx_msec_t                       wait;      /* of the highest rank */
    ngx_msec_t                       hold;      /* behind the head */
    ngx_uint_t                       jitter_s;
} ngx_http_bell_fair_pool_t;


/* A pool that bell_fair.h has a number for. */

typedef struct {
    uint64_t                         key;       /* 0: nobody's */
    size_t                           len;
    u_char                           name[NGX_HTTP_BELL_FAIR_NAME];
    bell_concurrency                 concurrency;
} ngx_http_bell_fair_origin_t;


/* All of the zone: this, and behind it the places. */

typedef struct {
    u_char                           seed[BELL_SIPHASH_KEY_BYTES];
    ngx_atomic_t                     counts[NGX_HTTP_BELL_FAIR_RESULTS]
                                           [BELL_FAIR_RANKS + 1];
    ngx_http_bell_fair_origin_t      origins[BELL_FAIR_POOLS];
} ngx_http_bell_fair_sh_t;


typedef struct {
    uint32_t                         tenant_id; /* 0: nobody's */
    uint32_t                         weight;
    uint64_t                         revision;
} ngx_http_bell_fair_known_t;


typedef struct {
    const ngx_http_bell_core_api_t  *core;
    ngx_array_t                      pools;     /* of ..._pool_t * */

    ngx_shm_zone_t                  *shm_zone;  /* NULL: none */
    ngx_slab_pool_t                 *shpool;
    ngx_http_bell_fair_sh_t         *sh;
    void                            *fair;      /* bell_fair.h */

    /* of this worker */

    ngx_http_bell_fair_known_t      *known;
    ngx_msec_t                       swept;
} ngx_http_bell_fair_main_conf_t;


typedef struct {
    ngx_http_bell_fair_pool_t       *pool;      /* NULL: off */
    ngx_uint_t                       set;       /* unsigned  set:1 */
    ngx_http_complex_value_t        *key;       /* NULL: none */
    ngx_http_complex_value_t        *weight;    /* NULL: the directory's */
    ngx_http_complex_value_t        *class;     /* NULL: core's */
    ngx_http_complex_value_t        *rank;      /* NULL: the default */

    /* of this worker: the location's handler has been seen to ask nobody */

    ngx_uint_t                       no_upstream; /* unsigned no_upstream:1 */
} ngx_http_bell_fair_loc_conf_t;


/* Where a request stands; changed by ngx_http_bell_fair_place.c alone. */

typedef enum {
    NGX_HTTP_BELL_FAIR_OUTSIDE,         /* it has asked for nothing */
    NGX_HTTP_BELL_FAIR_WAITS,
    NGX_HTTP_BELL_FAIR_CALLED,          /* has a place, and has not begun */
    NGX_HTTP_BELL_FAIR_TURNED_AWAY,     /* pushed out, and not told yet */
    NGX_HTTP_BELL_FAIR_TIMED_OUT,       /* likewise */
    NGX_HTTP_BELL_FAIR_INSIDE           /* the origin has it */
} ngx_http_bell_fair_stand_e;


/* Of a main request; survives internal redirects. */

typedef struct {
    ngx_http_request_t              *request;
    ngx_http_bell_fair_main_conf_t  *fmcf;
    ngx_http_bell_fair_pool_t       *pool;
    ngx_http_bell_fair_stand_e       stand;

    uint32_t                         item;      /* 0: none */
    uint32_t                         origin;    /* its number */
    ngx_uint_t                       rank;
    int64_t                          asked_us;
    int64_t                          begun_us;

    ngx_event_t                      timer;     /* of the wait, or the hold */

    ngx_uint_t                       is_known;  /* unsigned  is_known:1 */
    ngx_http_bell_fair_result_e      result;    /* when it is known */

    /* the upstream's own, which is called behind ours */

    ngx_http_upstream_t             *upstream;
    void                           (*finalize)(ngx_http_request_t *r,
                                               ngx_int_t rc);
} ngx_http_bell_fair_ctx_t;


/* ngx_http_bell_fair_module.c */

extern const char  *ngx_http_bell_fair_results[NGX_HTTP_BELL_FAIR_RESULTS];

/* ngx_http_bell_fair_conf.c */

char *ngx_http_bell_fair_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_bell_fair_pool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_bell_fair(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_bell_fair_rank(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ngx_http_bell_fair_zone.c */

ngx_int_t ngx_http_bell_fair_init_zone(ngx_shm_zone_t *shm_zone, void *data);

/*
 * All that is done in the zone stands between these two; the time that calls
 * of bell_fair.h and bell_concurrency.h want, microseconds of one clock for
 * all workers.  Behind the second, whoever is to know of it is woken.
 */
int64_t ngx_http_bell_fair_lock(ngx_http_bell_fair_main_conf_t *fmcf);
void ngx_http_bell_fair_unlock(ngx_http_bell_fair_main_conf_t *fmcf);

/* What processes had that are gone; the second, once in a second at most. */
void ngx_http_bell_fair_sweep(ngx_http_bell_fair_main_conf_t *fmcf,
    int64_t now_us);
void ngx_http_bell_fair_sweep_sometimes(ngx_http_bell_fair_main_conf_t *fmcf,
    int64_t now_us);
/*
 * The number of the pool of that key, with as many places as it has now; the
 * name is what people are told.  Under the lock.
 */
uint32_t ngx_http_bell_fair_origin(ngx_http_bell_fair_main_conf_t *fmcf,
    ngx_http_bell_fair_pool_t *pool, uint64_t key, ngx_str_t *text,
    int64_t now_us);
void ngx_http_bell_fair_count(ngx_http_bell_fair_main_conf_t *fmcf,
    ngx_http_bell_fair_result_e result, ngx_uint_t rank);

/* ngx_http_bell_fair_who.c */

/*
 * Whose request it is, and what it is for; *key and *text are the pool's.
 * NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_bell_fair_who(ngx_http_request_t *r,
    ngx_http_bell_fair_loc_conf_t *flcf, bell_fair_asked *asked,
    uint64_t *key, ngx_str_t *text);

/* ngx_http_bell_fair_place.c */

/* NULL: the request has none yet */
ngx_http_bell_fair_ctx_t *ngx_http_bell_fair_get_ctx(ngx_http_request_t *r);
/* in the place of the location's own, which it calls */
ngx_int_t ngx_http_bell_fair_content(ngx_http_request_t *r);
/* an answer begins */
void ngx_http_bell_fair_head(ngx_http_request_t *r,
    ngx_http_bell_fair_ctx_t *ctx);
/* gives back whatever it has, once */
void ngx_http_bell_fair_give(ngx_http_bell_fair_ctx_t *ctx);
/* for core's on_wake */
void ngx_http_bell_fair_woken(ngx_cycle_t *cycle, void *data);

/* ngx_http_bell_fair_refuse.c */

/* what it is refused with; sets Retry-After */
ngx_int_t ngx_http_bell_fair_refuse(ngx_http_bell_fair_ctx_t *ctx,
    ngx_http_bell_fair_result_e result);
/* whether the answer is that of a full origin, for $bell_limit_problem */
ngx_uint_t ngx_http_bell_fair_is_refused(ngx_http_request_t *r);

/* ngx_http_bell_fair_metrics.c */

ngx_int_t ngx_http_bell_fair_add_metrics(ngx_conf_t *cf,
    ngx_http_bell_fair_main_conf_t *fmcf);
/* the member "pools" of "bell_limit_status" */
void ngx_http_bell_fair_write_status(bell_json *j, ngx_http_request_t *r);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_FAIR_H_INCLUDED_ */
