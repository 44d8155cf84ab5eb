
/*
 * The feed of purges: who reads, what is asked when, and what each zone does
 * about it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <stdio.h>

#include "ngx_http_bell_cache_feed.h"
#include "ngx_http_bell_cache_purge.h"


#define NGX_HTTP_BELL_PURGES          "bell:purges"

/* Together they are what a dead feeder's place stays empty at most. */
#define NGX_HTTP_BELL_PURGES_TICK_MS   150
#define NGX_HTTP_BELL_PURGES_LEASE_MS  700

#define NGX_HTTP_BELL_PURGES_BLOCK_MS  1000  /* that XREAD waits at Redis */
#define NGX_HTTP_BELL_PURGES_ENTRIES   64    /* of one XREAD, at most */
#define NGX_HTTP_BELL_PURGES_TAIL_MS   3000  /* between looks at the end */

/*
 * A Redis that came back empty is filled in the order of numbers, and ends
 * before what was seen as long as that takes.
 */
#define NGX_HTTP_BELL_PURGES_FILL_MS   10000


/* what was asked last and has not been answered */

typedef enum {
    NGX_HTTP_BELL_PURGES_OFF = 0,       /* there is no connection */
    NGX_HTTP_BELL_PURGES_IDLE,          /* nothing: the next tick asks */
    NGX_HTTP_BELL_PURGES_TAIL,
    NGX_HTTP_BELL_PURGES_READ
} ngx_http_bell_purges_step_e;


typedef struct {
    ngx_atomic_t                   feeder;      /* a pid, 0: nobody */
    volatile ngx_msec_t            feeder_ms;   /* when it showed itself */
} ngx_http_bell_purges_sh_t;


typedef struct {
    ngx_array_t                   *zones;       /* of pointers to them */
    ngx_http_bell_purges_sh_t     *sh;
    ngx_http_bell_redis_t          redis;
    ngx_log_t                     *log;
    ngx_event_t                    timer;
    ngx_connection_t               dummy;       /* for the timer's log */

    ngx_uint_t                     elected;
    ngx_http_bell_purges_step_e    step;
    ngx_msec_t                     tail_ms;     /* when it is due */
    ngx_msec_t                     read_ms;     /* not before */

    ngx_uint_t                     behind;      /* the stream ends too early */
    ngx_msec_t                     behind_ms;   /* since then */
    ngx_uint_t                     told;        /* of an entry of strangers */
} ngx_http_bell_purges_t;


/* an entry of the stream */

typedef struct {
    uint64_t                       number;
    bell_str                       line;        /* NULL p: there is none */
} ngx_http_bell_purges_entry_t;


static ngx_int_t ngx_http_bell_purges_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);

static void ngx_http_bell_purges_timer(ngx_event_t *ev);
static ngx_uint_t ngx_http_bell_purges_elect(ngx_http_bell_purges_t *f);
static void ngx_http_bell_purges_resign(ngx_http_bell_purges_t *f);
static void ngx_http_bell_purges_ready(ngx_http_bell_redis_t *redis);
static void ngx_http_bell_purges_lost(ngx_http_bell_redis_t *redis);

static ngx_uint_t ngx_http_bell_purges_due(ngx_msec_t ms);
static void ngx_http_bell_purges_next(ngx_http_bell_purges_t *f);
static void ngx_http_bell_purges_ask(ngx_http_bell_purges_t *f,
    ngx_http_bell_purges_step_e step, ngx_http_bell_redis_reply_pt handler,
    ngx_msec_t extra_ms, const char **words, ngx_uint_t n);
static ngx_http_bell_purges_t *ngx_http_bell_purges_answered(
    ngx_http_bell_redis_t *redis, redisReply *reply, int type);

static void ngx_http_bell_purges_ask_tail(ngx_http_bell_purges_t *f);
static void ngx_http_bell_purges_tail(ngx_http_bell_redis_t *redis,
    redisReply *reply);
static uint64_t ngx_http_bell_purges_last(redisReply *reply);
static void ngx_http_bell_purges_compare(ngx_http_bell_purges_t *f,
    uint64_t last);

static uint64_t ngx_http_bell_purges_seen(ngx_http_bell_purges_t *f);
static void ngx_http_bell_purges_ask_entries(ngx_http_bell_purges_t *f);
static void ngx_http_bell_purges_entries(ngx_http_bell_redis_t *redis,
    redisReply *reply);
static redisReply *ngx_http_bell_purges_list(redisReply *reply);
static ngx_int_t ngx_http_bell_purges_entry(redisReply *reply,
    ngx_http_bell_purges_entry_t *entry);
static void ngx_http_bell_purges_apply(ngx_http_bell_purges_t *f,
    ngx_http_bell_purges_entry_t *entry);
static void ngx_http_bell_purges_anew(ngx_http_bell_purges_t *f,
    ngx_uint_t level, ngx_http_bell_cache_zone_t *zone, uint64_t number,
    const char *why);


static ngx_http_bell_purges_t  *ngx_http_bell_purges;


/* ---- configuration */

char *
ngx_http_bell_cache_feed_set(ngx_conf_t *cf,
    ngx_http_bell_cache_feed_conf_t *conf)
{
    ngx_str_t  name;

    if (conf->redis) {
        return "is duplicate";
    }

    conf->redis = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_redis_conf_t));
    if (conf->redis == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_str_set(&name, "bell_cache_purges");

    conf->shm_zone = ngx_shared_memory_add(cf, &name, 8 * ngx_pagesize,
                                           &ngx_http_bell_cache_module);
    if (conf->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    conf->shm_zone->init = ngx_http_bell_purges_init_zone;

    return ngx_http_bell_redis_parse(cf, conf->redis);
}


static ngx_int_t
ngx_http_bell_purges_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_slab_pool_t  *shpool;

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (data == NULL && !shm_zone->shm.exists) {
        shpool->data = ngx_slab_calloc(shpool,
                                       sizeof(ngx_http_bell_purges_sh_t));
    }

    shm_zone->data = shpool->data;

    return shm_zone->data ? NGX_OK : NGX_ERROR;
}


/* ---- who */

void
ngx_http_bell_cache_feed_start(ngx_cycle_t *cycle,
    ngx_http_bell_cache_feed_conf_t *conf)
{
    ngx_array_t             *zones;
    ngx_http_bell_purges_t  *f;

    zones = ngx_http_bell_cache_zones(cycle);

    if (conf->redis == NULL || zones == NULL || zones->nelts == 0) {
        return;
    }

    f = ngx_calloc(sizeof(ngx_http_bell_purges_t), cycle->log);
    if (f == NULL) {
        return;
    }

    ngx_http_bell_purges = f;

    f->zones = zones;
    f->sh = conf->shm_zone->data;
    f->log = cycle->log;

    f->redis.conf = conf->redis;
    f->redis.ready = ngx_http_bell_purges_ready;
    f->redis.lost = ngx_http_bell_purges_lost;
    f->redis.data = f;

    f->dummy.fd = (ngx_socket_t) -1;
    f->dummy.data = f;

    f->timer.handler = ngx_http_bell_purges_timer;
    f->timer.data = &f->dummy;
    f->timer.log = cycle->log;

    /* a worker that finishes its last requests is not held by it */

    f->timer.cancelable = 1;

    ngx_add_timer(&f->timer, 1);
}


ngx_uint_t
ngx_http_bell_cache_feed_stop(void)
{
    ngx_http_bell_purges_t  *f;

    f = ngx_http_bell_purges;

    if (f == NULL) {
        return 0;
    }

    ngx_http_bell_purges = NULL;

    if (f->timer.timer_set) {
        ngx_del_timer(&f->timer);
    }

    ngx_http_bell_purges_resign(f);

    ngx_free(f);

    return 1;
}


static void
ngx_http_bell_purges_timer(ngx_event_t *ev)
{
    ngx_connection_t        *c;
    ngx_http_bell_purges_t  *f;

    c = ev->data;
    f = c->data;

    if (ngx_exiting || ngx_quit || ngx_terminate) {
        ngx_http_bell_purges_resign(f);
        return;
    }

    if (ngx_http_bell_purges_elect(f)) {

        if (!f->elected) {
            f->elected = 1;

            ngx_log_error(NGX_LOG_INFO, f->log, 0,
                          "bell_cache_purges: this worker reads purges now");

            ngx_http_bell_redis_open(&f->redis, f->log);

        } else if (f->step == NGX_HTTP_BELL_PURGES_IDLE) {
            ngx_http_bell_purges_next(f);
        }

    } else if (f->elected) {
        ngx_log_error(NGX_LOG_NOTICE, f->log, 0,
                      "bell_cache_purges: this worker was silent for too "
                      "long, process %P reads purges now",
                      (ngx_pid_t) f->sh->feeder);

        ngx_http_bell_purges_resign(f);
    }

    /* workers that start together do not stay in step */

    ngx_add_timer(ev, NGX_HTTP_BELL_PURGES_TICK_MS / 2
                      + ngx_random() % (NGX_HTTP_BELL_PURGES_TICK_MS / 2 + 1));
}


/* 1: this process is the feeder, and has shown so. */

static ngx_uint_t
ngx_http_bell_purges_elect(ngx_http_bell_purges_t *f)
{
    ngx_atomic_uint_t           owner;
    ngx_http_bell_purges_sh_t  *sh;

    sh = f->sh;
    owner = sh->feeder;

    if (owner == (ngx_atomic_uint_t) ngx_pid) {
        sh->feeder_ms = ngx_current_msec;
        return 1;
    }

    if (owner
        && (kill((ngx_pid_t) owner, 0) == 0 || ngx_errno != NGX_ESRCH)
        && (ngx_msec_int_t) (ngx_current_msec - sh->feeder_ms)
           < NGX_HTTP_BELL_PURGES_LEASE_MS)
    {
        return 0;
    }

    /* before the change, so that nobody sees a new feeder that looks silent */

    sh->feeder_ms = ngx_current_msec;

    return ngx_atomic_cmp_set(&sh->feeder, owner, ngx_pid);
}


static void
ngx_http_bell_purges_resign(ngx_http_bell_purges_t *f)
{
    f->elected = 0;
    f->step = NGX_HTTP_BELL_PURGES_OFF;

    ngx_http_bell_redis_close(&f->redis);

    (void) ngx_atomic_cmp_set(&f->sh->feeder, ngx_pid, 0);
}


/* It may be another Redis, or have lost what it had. */

static void
ngx_http_bell_purges_ready(ngx_http_bell_redis_t *redis)
{
    ngx_http_bell_purges_t  *f;

    f = redis->data;

    f->tail_ms = ngx_current_msec;
    f->read_ms = ngx_current_msec;

    ngx_http_bell_purges_next(f);
}


static void
ngx_http_bell_purges_lost(ngx_http_bell_redis_t *redis)
{
    ngx_http_bell_purges_t  *f;

    f = redis->data;

    f->step = NGX_HTTP_BELL_PURGES_OFF;
}


/* ---- what */

static ngx_uint_t
ngx_http_bell_purges_due(ngx_msec_t ms)
{
    return (ngx_msec_int_t) (ngx_current_msec - ms) >= 0;
}


static void
ngx_http_bell_purges_next(ngx_http_bell_purges_t *f)
{
    if (ngx_http_bell_purges_due(f->tail_ms)) {
        ngx_http_bell_purges_ask_tail(f);

    } else if (ngx_http_bell_purges_due(f->read_ms)) {
        ngx_http_bell_purges_ask_entries(f);

    } else {
        f->step = NGX_HTTP_BELL_PURGES_IDLE;
    }
}


static void
ngx_http_bell_purges_ask(ngx_http_bell_purges_t *f,
    ngx_http_bell_purges_step_e step, ngx_http_bell_redis_reply_pt handler,
    ngx_msec_t extra_ms, const char **words, ngx_uint_t n)
{
    size_t      lengths[8];
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        lengths[i] = ngx_strlen(words[i]);
    }

    f->step = step;

    /* when it fails lost() says so */

    (void) ngx_http_bell_redis_command(&f->redis, handler, extra_ms, n, words,
                                       lengths);
}


/*
 * NULL: the reply is not for this process any more, or it is of another type
 * (and not nil) and the connection is given up, with what Redis said.
 */

static ngx_http_bell_purges_t *
ngx_http_bell_purges_answered(ngx_http_bell_redis_t *redis, redisReply *reply,
    int type)
{
    ngx_http_bell_purges_t  *f;

    f = redis->data;

    if (!f->elected || f->sh->feeder != (ngx_atomic_uint_t) ngx_pid) {
        f->step = NGX_HTTP_BELL_PURGES_IDLE;
        return NULL;
    }

    if (reply->type != type && reply->type != REDIS_REPLY_NIL) {
        ngx_http_bell_redis_fail(redis, "%s",
                                 reply->type == REDIS_REPLY_ERROR
                                     ? reply->str
                                     : "it answers in an unknown way");
        return NULL;
    }

    return f;
}


/* ---- the end of the stream: it may be another one than before */

static void
ngx_http_bell_purges_ask_tail(ngx_http_bell_purges_t *f)
{
    const char  *words[3];

    words[0] = "XINFO";
    words[1] = "STREAM";
    words[2] = NGX_HTTP_BELL_PURGES;

    ngx_http_bell_purges_ask(f, NGX_HTTP_BELL_PURGES_TAIL,
                             ngx_http_bell_purges_tail, 0, words, 3);
}


static void
ngx_http_bell_purges_tail(ngx_http_bell_redis_t *redis, redisReply *reply)
{
    int                      type;
    ngx_http_bell_purges_t  *f;

    /* an error of this name: there is no stream yet, or not any more */

    type = reply->type == REDIS_REPLY_ERROR
           && ngx_strncmp(reply->str, "ERR no such key", 15) == 0
           ? REDIS_REPLY_ERROR : REDIS_REPLY_ARRAY;

    f = ngx_http_bell_purges_answered(redis, reply, type);
    if (f == NULL) {
        return;
    }

    f->tail_ms = ngx_current_msec + NGX_HTTP_BELL_PURGES_TAIL_MS;

    ngx_http_bell_purges_compare(f, ngx_http_bell_purges_last(reply));

    ngx_http_bell_purges_next(f);
}


/* The highest number that it has had; 0: there is no stream. */

static uint64_t
ngx_http_bell_purges_last(redisReply *reply)
{
    size_t       i, n;
    redisReply  *name, *value;

    n = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;

    for (i = 0; i + 1 < n; i += 2) {
        name = reply->element[i];
        value = reply->element[i + 1];

        if (name->type == REDIS_REPLY_STRING
            && value->type == REDIS_REPLY_STRING
            && ngx_strcmp(name->str, "last-generated-id") == 0)
        {
            return strtoull(value->str, NULL, 10);
        }
    }

    return 0;
}


static void
ngx_http_bell_purges_compare(ngx_http_bell_purges_t *f, uint64_t last)
{
    uint64_t                      seen;
    ngx_uint_t                    i, behind;
    ngx_http_bell_cache_zone_t  **zone;

    if (last == 0) {
        f->behind = 0;
        return;
    }

    zone = f->zones->elts;
    behind = 0;

    for (i = 0; i < f->zones->nelts; i++) {
        seen = ngx_http_bell_cache_purge_seen(zone[i]);

        if (seen == 0) {
            ngx_http_bell_purges_anew(f, NGX_LOG_INFO, zone[i], last,
                                      "it has read none before");

        } else if (seen > last && f->behind
                   && ngx_http_bell_purges_due(f->behind_ms))
        {
            ngx_http_bell_purges_anew(f, NGX_LOG_WARN, zone[i], last,
                                      "their numbers have begun anew");

        } else if (seen > last) {
            behind = 1;
        }
    }

    if (behind && !f->behind) {
        f->behind_ms = ngx_current_msec + NGX_HTTP_BELL_PURGES_FILL_MS;
    }

    f->behind = behind;
}


/* ---- entries */

/* What all zones have seen. */

static uint64_t
ngx_http_bell_purges_seen(ngx_http_bell_purges_t *f)
{
    uint64_t                      seen, least;
    ngx_uint_t                    i;
    ngx_http_bell_cache_zone_t  **zone;

    zone = f->zones->elts;
    least = ngx_http_bell_cache_purge_seen(zone[0]);

    for (i = 1; i < f->zones->nelts; i++) {
        seen = ngx_http_bell_cache_purge_seen(zone[i]);
        least = ngx_min(least, seen);
    }

    return least;
}


static void
ngx_http_bell_purges_ask_entries(ngx_http_bell_purges_t *f)
{
    char         id[NGX_INT64_LEN + 3], count[NGX_INT_T_LEN + 1];
    char         block[NGX_INT_T_LEN + 1];
    const char  *words[8];

    snprintf(count, sizeof(count), "%d", NGX_HTTP_BELL_PURGES_ENTRIES);
    snprintf(block, sizeof(block), "%d", NGX_HTTP_BELL_PURGES_BLOCK_MS);
    snprintf(id, sizeof(id), "%llu-0",
             (unsigned long long) ngx_http_bell_purges_seen(f));

    words[0] = "XREAD";
    words[1] = "COUNT";
    words[2] = count;
    words[3] = "BLOCK";
    words[4] = block;
    words[5] = "STREAMS";
    words[6] = NGX_HTTP_BELL_PURGES;
    words[7] = id;

    ngx_http_bell_purges_ask(f, NGX_HTTP_BELL_PURGES_READ,
                             ngx_http_bell_purges_entries,
                             NGX_HTTP_BELL_PURGES_BLOCK_MS, words, 8);
}


static void
ngx_http_bell_purges_entries(ngx_http_bell_redis_t *redis, redisReply *reply)
{
    size_t                         i;
    redisReply                    *list;
    ngx_http_bell_purges_t        *f;
    ngx_http_bell_purges_entry_t   entry;

    f = ngx_http_bell_purges_answered(redis, reply, REDIS_REPLY_ARRAY);
    if (f == NULL) {
        return;
    }

    list = ngx_http_bell_purges_list(reply);

    for (i = 0; list && i < list->elements; i++) {

        if (ngx_http_bell_purges_entry(list->element[i], &entry) == NGX_OK) {
            ngx_http_bell_purges_apply(f, &entry);
            f->told = 0;
            continue;
        }

        /* read again and again it would be the same */

        f->read_ms = ngx_current_msec + NGX_HTTP_BELL_PURGES_TAIL_MS;

        if (!f->told) {
            f->told = 1;
            ngx_log_error(NGX_LOG_ERR, f->log, 0,
                          "bell_cache_purges: the stream " NGX_HTTP_BELL_PURGES
                          " has an entry that no origin has put there; no "
                          "purge behind it is read until it is removed");
        }

        break;
    }

    ngx_http_bell_purges_next(f);
}


/* [[stream, [[id, [name, value, ...]], ...]]]: the entries; NULL: none */

static redisReply *
ngx_http_bell_purges_list(redisReply *reply)
{
    redisReply  *stream;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1) {
        return NULL;
    }

    stream = reply->element[0];

    if (stream->type != REDIS_REPLY_ARRAY || stream->elements != 2
        || stream->element[1]->type != REDIS_REPLY_ARRAY)
    {
        return NULL;
    }

    return stream->element[1];
}


/* NGX_DECLINED: its id is no number of a purge. */

static ngx_int_t
ngx_http_bell_purges_entry(redisReply *reply,
    ngx_http_bell_purges_entry_t *entry)
{
    size_t       i;
    bell_str     id, number;
    redisReply  *fields;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING)
    {
        return NGX_DECLINED;
    }

    id = (bell_str) { reply->element[0]->str, reply->element[0]->len };
    number = bell_str_cut(&id, '-');

    if (!bell_str_to_u64(number, UINT64_MAX - 1, &entry->number)
        || entry->number == 0 || !bell_str_eq(id, BELL_STR("0")))
    {
        return NGX_DECLINED;
    }

    fields = reply->element[1];
    entry->line = BELL_STR_NULL;

    for (i = 0;
         fields->type == REDIS_REPLY_ARRAY && i + 1 < fields->elements;
         i += 2)
    {
        if (fields->element[i]->type == REDIS_REPLY_STRING
            && fields->element[i + 1]->type == REDIS_REPLY_STRING
            && ngx_strcmp(fields->element[i]->str, "p") == 0)
        {
            entry->line.p = fields->element[i + 1]->str;
            entry->line.len = fields->element[i + 1]->len;
        }
    }

    return NGX_OK;
}


static void
ngx_http_bell_purges_apply(ngx_http_bell_purges_t *f,
    ngx_http_bell_purges_entry_t *entry)
{
    uint64_t                      seen;
    ngx_uint_t                    i, good;
    bell_purge                    purge;
    ngx_http_bell_cache_zone_t  **zone;

    good = bell_purge_read(entry->line, &purge)
           && purge.sequence == entry->number;

    zone = f->zones->elts;

    for (i = 0; i < f->zones->nelts; i++) {
        seen = ngx_http_bell_cache_purge_seen(zone[i]);

        if (entry->number <= seen) {
            continue;
        }

        if (entry->number != seen + 1) {
            ngx_http_bell_purges_anew(f, NGX_LOG_WARN, zone[i], entry->number,
                                      "some were gone before they were read");

        } else if (!good
                   || ngx_http_bell_cache_purge(zone[i], &purge, f->log)
                      != NGX_OK)
        {
            ngx_http_bell_purges_anew(f, NGX_LOG_ERR, zone[i], entry->number,
                                      "one could not be understood");

        } else {

            /* behind it: who dies in between has it applied once more */

            ngx_http_bell_cache_purge_saw(zone[i], entry->number);
        }
    }
}


/* The zone has missed some, and nobody knows what they were about. */

static void
ngx_http_bell_purges_anew(ngx_http_bell_purges_t *f, ngx_uint_t level,
    ngx_http_bell_cache_zone_t *zone, uint64_t number, const char *why)
{
    ngx_log_error(level, f->log, 0,
                  "bell_cache_purges: purges of the zone \"%V\": %s; all that "
                  "it has is stale now, and reading goes on behind number %uL",
                  &zone->shm_zone->shm.name, why, number);

    ngx_http_bell_cache_purge_everything(zone, f->log);
    ngx_http_bell_cache_purge_saw(zone, number);
}
