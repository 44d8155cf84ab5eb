
/*
 * A store on nginx's event loop.
 *
 * hiredis opens its sockets and closes them; in between nginx watches them,
 * level triggered, because hiredis reads once and at most 16k at each event.
 * They count as idle connections, so that a worker that ends closes them, and
 * with them the store: the timer, which is cancelable, holds nobody up.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/rand.h>

#include "ngx_http_bell_store.h"


struct ngx_http_bell_store_s {
    ngx_http_bell_store_conf_t    *conf;
    ngx_log_t                     *log;
    bell_redis                    *redis;   /* NULL: the worker ends */
    ngx_http_bell_store_turned_pt  turned;
    void                          *data;

    ngx_event_t                    timer;
    ngx_connection_t               dummy;   /* for the timer's log */
};


/* Outlives the store when that is closed within hiredis' callback. */

typedef struct {
    ngx_connection_t              *connection;
    bell_redis_io                 *io;
    ngx_http_bell_store_t         *store;
} ngx_http_bell_store_watch_t;


static int64_t ngx_http_bell_store_now(void *data);
static uint64_t ngx_http_bell_store_random(void *data);
static void ngx_http_bell_store_arm(void *data, uint32_t ms);
static void ngx_http_bell_store_disarm(void *data);
static void ngx_http_bell_store_timer(ngx_event_t *ev);
static void *ngx_http_bell_store_watch(void *data, int fd, bell_redis_io *io);
static void ngx_http_bell_store_want(void *watched, bool read, bool write);
static void ngx_http_bell_store_want_event(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t on);
static void ngx_http_bell_store_unwatch(void *watched);
static void ngx_http_bell_store_read_handler(ngx_event_t *ev);
static void ngx_http_bell_store_write_handler(ngx_event_t *ev);
static void ngx_http_bell_store_log(void *data, bell_redis_level level,
    const char *line);
static void ngx_http_bell_store_turned(void *data, bool is_ready);
static void ngx_http_bell_store_end(ngx_http_bell_store_t *store);


static const bell_redis_loop  ngx_http_bell_store_loop = {
    .now_ms = ngx_http_bell_store_now,
    .random = ngx_http_bell_store_random,
    .arm = ngx_http_bell_store_arm,
    .disarm = ngx_http_bell_store_disarm,
    .watch = ngx_http_bell_store_watch,
    .want = ngx_http_bell_store_want,
    .unwatch = ngx_http_bell_store_unwatch,
    .log = ngx_http_bell_store_log,
    .turned = ngx_http_bell_store_turned
};


/* ---- open and close */

ngx_http_bell_store_t *
ngx_http_bell_store_open(ngx_http_bell_store_conf_t *conf, ngx_log_t *log,
    ngx_http_bell_store_turned_pt turned, void *data)
{
    const char             *reason;
    bell_redis_loop         loop;
    ngx_http_bell_store_t  *store;

    store = ngx_calloc(sizeof(ngx_http_bell_store_t), log);
    if (store == NULL) {
        return NULL;
    }

    store->conf = conf;
    store->log = log;
    store->turned = turned;
    store->data = data;

    store->dummy.fd = (ngx_socket_t) -1;
    store->dummy.data = store;

    store->timer.handler = ngx_http_bell_store_timer;
    store->timer.data = &store->dummy;
    store->timer.log = log;
    store->timer.cancelable = 1;

    loop = ngx_http_bell_store_loop;
    loop.data = store;

    store->redis = bell_redis_new(&conf->options, &loop, &reason);

    if (store->redis == NULL) {
        ngx_log_error(NGX_LOG_ALERT, log, 0, "%V: %V cannot be opened: %s",
                      &conf->directive, &conf->addresses, reason);
        ngx_free(store);
        return NULL;
    }

    return store;
}


void
ngx_http_bell_store_close(ngx_http_bell_store_t *store)
{
    if (store == NULL) {
        return;
    }

    ngx_http_bell_store_end(store);

    ngx_free(store);
}


/* The store's owner still has it, and is told by each of its commands. */

static void
ngx_http_bell_store_end(ngx_http_bell_store_t *store)
{
    bell_redis  *redis;

    redis = store->redis;

    if (redis) {
        store->redis = NULL;
        bell_redis_free(redis);
    }
}


/* ---- for others */

const char *
ngx_http_bell_store_command(ngx_http_bell_store_t *store,
    const bell_redis_call *call)
{
    return store->redis ? bell_redis_command(store->redis, call)
                        : "the worker ends";
}


const char *
ngx_http_bell_store_eval(ngx_http_bell_store_t *store,
    const bell_redis_script *script, const bell_redis_call *call)
{
    return store->redis ? bell_redis_eval(store->redis, script, call)
                        : "the worker ends";
}


bell_redis_channel *
ngx_http_bell_store_listen(ngx_http_bell_store_t *store, bell_str name,
    bell_redis_listener listener, void *data)
{
    return store->redis ? bell_redis_listen(store->redis, name, listener, data)
                        : NULL;
}


void
ngx_http_bell_store_status(ngx_http_bell_store_t *store,
    bell_redis_status *status)
{
    if (store->redis) {
        bell_redis_status_of(store->redis, status);
        return;
    }

    ngx_memzero(status, sizeof(bell_redis_status));
    status->reason = "the worker ends";
}


/* ---- time, chance, and the log */

static int64_t
ngx_http_bell_store_now(void *data)
{
    return (int64_t) ngx_current_msec;
}


static uint64_t
ngx_http_bell_store_random(void *data)
{
    uint64_t  n;

    return RAND_bytes((u_char *) &n, sizeof(n)) == 1 ? n
                                                     : (uint64_t) ngx_random();
}


/* nginx leaves a timer alone that is set to almost the same time. */

static void
ngx_http_bell_store_arm(void *data, uint32_t ms)
{
    ngx_http_bell_store_t  *store = data;

    if (store->timer.timer_set) {
        ngx_del_timer(&store->timer);
    }

    ngx_add_timer(&store->timer, (ngx_msec_t) ms);
}


static void
ngx_http_bell_store_disarm(void *data)
{
    ngx_http_bell_store_t  *store = data;

    if (store->timer.timer_set) {
        ngx_del_timer(&store->timer);
    }
}


static void
ngx_http_bell_store_timer(ngx_event_t *ev)
{
    ngx_connection_t       *c;
    ngx_http_bell_store_t  *store;

    c = ev->data;
    store = c->data;

    /* it had no connection when nginx closed those that were idle */

    if (ngx_exiting) {
        ngx_http_bell_store_end(store);
        return;
    }

    bell_redis_tick(store->redis);
}


static void
ngx_http_bell_store_log(void *data, bell_redis_level level, const char *line)
{
    ngx_http_bell_store_t  *store = data;

    ngx_uint_t  severity;

    severity = level == BELL_REDIS_ERROR_LINE ? NGX_LOG_ERR : NGX_LOG_NOTICE;

    ngx_log_error(severity, store->log, 0, "%V: %s", &store->conf->directive,
                  line);
}


static void
ngx_http_bell_store_turned(void *data, bool is_ready)
{
    ngx_http_bell_store_t  *store = data;

    if (store->turned) {
        store->turned(store->data, is_ready);
    }
}


/* ---- sockets */

static void *
ngx_http_bell_store_watch(void *data, int fd, bell_redis_io *io)
{
    ngx_http_bell_store_t  *store = data;

    ngx_connection_t             *c;
    ngx_http_bell_store_watch_t  *watch;

    watch = ngx_calloc(sizeof(ngx_http_bell_store_watch_t), store->log);
    if (watch == NULL) {
        return NULL;
    }

    c = ngx_get_connection(fd, store->log);
    if (c == NULL) {
        ngx_free(watch);
        return NULL;
    }

    c->data = watch;
    c->idle = 1;
    c->read->handler = ngx_http_bell_store_read_handler;
    c->write->handler = ngx_http_bell_store_write_handler;
    c->read->log = store->log;
    c->write->log = store->log;

    watch->connection = c;
    watch->io = io;
    watch->store = store;

    return watch;
}


static void
ngx_http_bell_store_want(void *watched, bool read, bool write)
{
    ngx_http_bell_store_watch_t  *watch = watched;

    ngx_http_bell_store_want_event(watch->connection->read, NGX_READ_EVENT,
                                   read);
    ngx_http_bell_store_want_event(watch->connection->write, NGX_WRITE_EVENT,
                                   write);
}


/* Where this fails a timer of the client's notices. */

static void
ngx_http_bell_store_want_event(ngx_event_t *ev, ngx_int_t event, ngx_uint_t on)
{
    if (on && !ev->active) {
        (void) ngx_add_event(ev, event, NGX_LEVEL_EVENT);

    } else if (!on && ev->active) {
        (void) ngx_del_event(ev, event, 0);
    }
}


/* The socket is left alone: hiredis closes it. */

static void
ngx_http_bell_store_unwatch(void *watched)
{
    ngx_http_bell_store_watch_t  *watch = watched;

    ngx_connection_t  *c;

    c = watch->connection;

    ngx_http_bell_store_want(watch, false, false);

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;

    ngx_free(watch);
}


static void
ngx_http_bell_store_read_handler(ngx_event_t *ev)
{
    ngx_connection_t             *c;
    ngx_http_bell_store_watch_t  *watch;

    c = ev->data;
    watch = c->data;

    /* a worker that ends asks so */

    if (c->close) {
        ngx_http_bell_store_end(watch->store);
        return;
    }

    bell_redis_io_ready(watch->io, true, false);
}


static void
ngx_http_bell_store_write_handler(ngx_event_t *ev)
{
    ngx_connection_t             *c;
    ngx_http_bell_store_watch_t  *watch;

    c = ev->data;
    watch = c->data;

    bell_redis_io_ready(watch->io, false, true);
}
