
/*
 * Which worker exchanges with Redis for its edge: it stands in shared memory,
 * by its slot and epoch; another takes its place when it is gone, or silent.
 * An exchange that a dead one had under way has failed: the next one makes it
 * good, because what was spent is told by a count that only goes up.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_limit_exchange.h"


#define NGX_HTTP_BELL_LIMIT_TICK_MS      20     /* of the owner */
#define NGX_HTTP_BELL_LIMIT_WATCH_MS     150    /* of the others */
#define NGX_HTTP_BELL_LIMIT_SILENT_US    700000


static void ngx_http_bell_limit_exchange_tick(ngx_event_t *ev);
static ngx_uint_t ngx_http_bell_limit_elect(ngx_http_bell_limit_exchange_t *x);
static ngx_uint_t ngx_http_bell_limit_owner_works(
    ngx_http_bell_limit_exchange_t *x, ngx_atomic_uint_t owner,
    ngx_atomic_uint_t now_us);
static ngx_atomic_uint_t ngx_http_bell_limit_self(
    ngx_http_bell_limit_exchange_t *x);
static void ngx_http_bell_limit_take_over(ngx_http_bell_limit_exchange_t *x);
static void ngx_http_bell_limit_resign(ngx_http_bell_limit_exchange_t *x);


ngx_http_bell_limit_exchange_t  *ngx_http_bell_limit_exchange;


ngx_int_t
ngx_http_bell_limit_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                        i;
    ngx_http_bell_limit_exchange_t   *x;
    ngx_http_bell_limit_main_conf_t  *lmcf;

    ngx_http_bell_limit_exchange = NULL;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    lmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_bell_limit_module);

    if (lmcf == NULL || !lmcf->leases.used) {
        return NGX_OK;
    }

    x = ngx_pcalloc(cycle->pool, sizeof(ngx_http_bell_limit_exchange_t));
    if (x == NULL) {
        return NGX_ERROR;
    }

    x->lmcf = lmcf;
    x->log = cycle->log;

    lmcf->core->store_script(&x->lease, bell_str_of(bell_lease_script));
    lmcf->core->store_script(&x->edges, bell_str_of(bell_edges_script));

    ngx_queue_init(&x->free);

    for (i = 0; i < NGX_HTTP_BELL_LIMIT_FLIGHTS; i++) {
        ngx_queue_insert_tail(&x->free, &x->flights[i].queue);
    }

    x->dummy.fd = (ngx_socket_t) -1;
    x->dummy.data = x;

    x->timer.handler = ngx_http_bell_limit_exchange_tick;
    x->timer.data = &x->dummy;
    x->timer.log = cycle->log;
    x->timer.cancelable = 1;

    ngx_add_timer(&x->timer, 1);

    ngx_http_bell_limit_exchange = x;

    return NGX_OK;
}


void
ngx_http_bell_limit_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_bell_limit_exchange_t  *x;

    x = ngx_http_bell_limit_exchange;

    if (x == NULL) {
        return;
    }

    if (x->timer.timer_set) {
        ngx_del_timer(&x->timer);
    }

    ngx_http_bell_limit_resign(x);
}


/* ---- who */

static void
ngx_http_bell_limit_exchange_tick(ngx_event_t *ev)
{
    ngx_connection_t                *c;
    ngx_http_bell_limit_exchange_t  *x;

    c = ev->data;
    x = c->data;

    if (ngx_exiting || ngx_quit || ngx_terminate) {
        ngx_http_bell_limit_resign(x);
        return;
    }

    if (ngx_http_bell_limit_elect(x)) {

        if (!x->is_owner) {
            ngx_http_bell_limit_take_over(x);
        }

        ngx_http_bell_limit_round(x);

    } else if (x->is_owner) {
        ngx_log_error(NGX_LOG_NOTICE, x->log, 0,
                      "bell_limit: this worker was silent for too long, "
                      "another one exchanges with Redis now");

        ngx_http_bell_limit_resign(x);
    }

    ngx_add_timer(ev, x->is_owner ? NGX_HTTP_BELL_LIMIT_TICK_MS
                                  : NGX_HTTP_BELL_LIMIT_WATCH_MS);
}


/* 1: it is this one, and has shown that it lives. */

static ngx_uint_t
ngx_http_bell_limit_elect(ngx_http_bell_limit_exchange_t *x)
{
    ngx_atomic_uint_t                 owner, self, now_us;
    ngx_http_bell_limit_leases_sh_t  *sh;

    sh = x->lmcf->leases.sh;

    owner = sh->owner;
    self = ngx_http_bell_limit_self(x);
    now_us = (ngx_atomic_uint_t) ngx_http_bell_limit_now_us();

    if (self == 0) {
        return 0;   /* all slots are taken: others see to it */
    }

    if (owner != self
        && ngx_http_bell_limit_owner_works(x, owner, now_us))
    {
        return 0;
    }

    /* before the change, so that nobody sees a new owner that looks silent */

    sh->seen_us = now_us;

    return owner == self || ngx_atomic_cmp_set(&sh->owner, owner, self);
}


static ngx_uint_t
ngx_http_bell_limit_owner_works(ngx_http_bell_limit_exchange_t *x,
    ngx_atomic_uint_t owner, ngx_atomic_uint_t now_us)
{
    ngx_http_bell_process_t  process;

    if (owner == 0) {
        return 0;
    }

    process.slot = (uint32_t) owner;
    process.epoch = (uint32_t) ((uint64_t) owner >> 32);

    /* it may have shown itself since this one has read the clock */

    return x->lmcf->core->lives(process)
           && (ngx_atomic_int_t) (now_us - x->lmcf->leases.sh->seen_us)
              < NGX_HTTP_BELL_LIMIT_SILENT_US;
}


/* 0: it has no slot */

static ngx_atomic_uint_t
ngx_http_bell_limit_self(ngx_http_bell_limit_exchange_t *x)
{
    ngx_http_bell_process_t  self;

    self = x->lmcf->core->self();

    return self.epoch ? (ngx_atomic_uint_t) ((uint64_t) self.epoch << 32
                                             | self.slot)
                      : 0;
}


/*
 * A worker that was stopped for a while may no longer.  One that ends has lost
 * its store; what it had under way is for the next owner to see to.
 */

ngx_uint_t
ngx_http_bell_limit_owns(ngx_http_bell_limit_exchange_t *x)
{
    return x->is_owner && !ngx_exiting
           && x->lmcf->leases.sh->owner == ngx_http_bell_limit_self(x);
}


static void
ngx_http_bell_limit_take_over(ngx_http_bell_limit_exchange_t *x)
{
    size_t            place;
    bell_leases_key  *key;

    x->store = x->lmcf->core->store_open(x->lmcf->leases.redis, x->log, NULL,
                                         NULL);
    if (x->store == NULL) {
        return;
    }

    x->is_owner = 1;
    x->failing = 0;
    x->told = 0;
    x->crowded = 0;
    x->uncounted = 0;
    x->beat_us = 0;

    /* whoever had one under way is not there for its answer */

    place = 0;

    for ( ;; ) {
        key = bell_leases_next(x->lmcf->leases.table, &place);

        if (key == NULL) {
            break;
        }

        bell_lease_failed(&key->lease, key->lease.number);
    }

    ngx_http_bell_limit_lease_count(x->lmcf, NGX_HTTP_BELL_LIMIT_OWNERS);

    ngx_log_error(NGX_LOG_INFO, x->log, 0,
                  "bell_limit: this worker exchanges with Redis now");
}


static void
ngx_http_bell_limit_resign(ngx_http_bell_limit_exchange_t *x)
{
    ngx_http_bell_store_t  *store;

    /* what is under way has failed: the next owner says so */

    x->is_owner = 0;

    store = x->store;
    x->store = NULL;

    if (store) {
        x->lmcf->core->store_close(store);
    }

    if (ngx_http_bell_limit_self(x)) {
        (void) ngx_atomic_cmp_set(&x->lmcf->leases.sh->owner,
                                  ngx_http_bell_limit_self(x), 0);
    }
}
