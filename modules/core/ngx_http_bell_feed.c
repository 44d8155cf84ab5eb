
/*
 * A feed: who reads, what is asked, and what an answer consists of.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <stdio.h>

#include "ngx_http_bell_feed.h"


/* Together they are what a dead feeder's place stays empty at most. */
#define NGX_HTTP_BELL_FEED_TICK_MS   150
#define NGX_HTTP_BELL_FEED_LEASE_MS  700

#define NGX_HTTP_BELL_FEED_BLOCK_MS  1000    /* that XREAD waits at Redis */


static void ngx_http_bell_feed_timer(ngx_event_t *ev);
static ngx_uint_t ngx_http_bell_feed_elect(ngx_http_bell_feed_t *f);
static ngx_uint_t ngx_http_bell_feed_is_alive(ngx_http_bell_feed_t *f,
    ngx_pid_t feeder);
static void ngx_http_bell_feed_take_over(ngx_http_bell_feed_t *f);
static void ngx_http_bell_feed_resign(ngx_http_bell_feed_t *f);

static void ngx_http_bell_feed_ready(ngx_http_bell_redis_t *redis);
static void ngx_http_bell_feed_lost(ngx_http_bell_redis_t *redis);
static void ngx_http_bell_feed_reply(ngx_http_bell_redis_t *redis,
    redisReply *reply);
static ngx_uint_t ngx_http_bell_feed_is_nothing(redisReply *reply);

static void ngx_http_bell_feed_tail(ngx_http_bell_feed_t *f,
    redisReply *reply);
static void ngx_http_bell_feed_entries(ngx_http_bell_feed_t *f,
    redisReply *reply);
static redisReply *ngx_http_bell_feed_list(redisReply *reply);
static void ngx_http_bell_feed_entry(ngx_http_bell_feed_t *f,
    redisReply *reply, ngx_http_bell_feed_entry_t *entry);
static uint64_t ngx_http_bell_feed_number(redisReply *id);


/* ---- who */

void
ngx_http_bell_feed_start(ngx_http_bell_feed_t *f,
    ngx_http_bell_redis_conf_t *redis)
{
    f->redis.conf = redis;
    f->redis.ready = ngx_http_bell_feed_ready;
    f->redis.lost = ngx_http_bell_feed_lost;
    f->redis.data = f;

    f->dummy.fd = (ngx_socket_t) -1;
    f->dummy.data = f;

    f->timer.handler = ngx_http_bell_feed_timer;
    f->timer.data = &f->dummy;
    f->timer.log = f->log;

    /* a worker that finishes its last requests is not held by it */

    f->timer.cancelable = 1;

    ngx_add_timer(&f->timer, 1);
}


void
ngx_http_bell_feed_stop(ngx_http_bell_feed_t *f)
{
    if (f->timer.timer_set) {
        ngx_del_timer(&f->timer);
    }

    ngx_http_bell_feed_resign(f);
}


static void
ngx_http_bell_feed_timer(ngx_event_t *ev)
{
    ngx_connection_t      *c;
    ngx_http_bell_feed_t  *f;

    c = ev->data;
    f = c->data;

    if (ngx_exiting || ngx_quit || ngx_terminate) {
        ngx_http_bell_feed_resign(f);
        return;
    }

    if (ngx_http_bell_feed_elect(f)) {

        if (!f->elected) {
            ngx_http_bell_feed_take_over(f);

        } else if (f->step == NGX_HTTP_BELL_FEED_IDLE) {
            f->def->next(f);
        }

    } else if (f->elected) {
        ngx_log_error(NGX_LOG_NOTICE, f->log, 0,
                      "%s: this worker was silent for too long, process %P "
                      "%s now",
                      f->def->name, (ngx_pid_t) f->sh->feeder, f->def->work);

        ngx_http_bell_feed_resign(f);
    }

    /* workers that start together do not stay in step */

    ngx_add_timer(ev, NGX_HTTP_BELL_FEED_TICK_MS / 2
                      + ngx_random() % (NGX_HTTP_BELL_FEED_TICK_MS / 2 + 1));
}


/* 1: this process is the feeder, and has shown so. */

static ngx_uint_t
ngx_http_bell_feed_elect(ngx_http_bell_feed_t *f)
{
    ngx_atomic_uint_t         feeder;
    ngx_http_bell_feed_sh_t  *sh;

    sh = f->sh;
    feeder = sh->feeder;

    if (feeder == (ngx_atomic_uint_t) ngx_pid) {
        sh->feeder_ms = ngx_current_msec;
        return 1;
    }

    if (feeder && ngx_http_bell_feed_is_alive(f, (ngx_pid_t) feeder)) {
        return 0;
    }

    /* before the change, so that nobody sees a new feeder that looks silent */

    sh->feeder_ms = ngx_current_msec;

    return ngx_atomic_cmp_set(&sh->feeder, feeder, ngx_pid);
}


static ngx_uint_t
ngx_http_bell_feed_is_alive(ngx_http_bell_feed_t *f, ngx_pid_t feeder)
{
    if (kill(feeder, 0) == -1 && ngx_errno == NGX_ESRCH) {
        return 0;
    }

    if (f->def->engaged && f->def->engaged(f, feeder)) {
        return 1;
    }

    return (ngx_msec_int_t) (ngx_current_msec - f->sh->feeder_ms)
           < NGX_HTTP_BELL_FEED_LEASE_MS;
}


static void
ngx_http_bell_feed_take_over(ngx_http_bell_feed_t *f)
{
    if (f->def->begin && f->def->begin(f) != NGX_OK) {
        return;
    }

    /* that may have taken a while */

    ngx_time_update();
    f->sh->feeder_ms = ngx_current_msec;

    f->elected = 1;

    ngx_log_error(NGX_LOG_INFO, f->log, 0, "%s: this worker %s now",
                  f->def->name, f->def->work);

    ngx_http_bell_redis_open(&f->redis, f->log);
}


static void
ngx_http_bell_feed_resign(ngx_http_bell_feed_t *f)
{
    f->elected = 0;
    f->step = NGX_HTTP_BELL_FEED_OFF;

    ngx_http_bell_redis_close(&f->redis);

    (void) ngx_atomic_cmp_set(&f->sh->feeder, ngx_pid, 0);
}


/* ---- what is asked, and answered */

static void
ngx_http_bell_feed_ready(ngx_http_bell_redis_t *redis)
{
    ngx_http_bell_feed_t  *f;

    f = redis->data;

    f->tail_ms = ngx_current_msec + NGX_HTTP_BELL_FEED_TAIL_MS;

    f->def->ready(f);
}


static void
ngx_http_bell_feed_lost(ngx_http_bell_redis_t *redis)
{
    ngx_http_bell_feed_t  *f;

    f = redis->data;

    f->step = NGX_HTTP_BELL_FEED_OFF;

    if (f->def->lost) {
        f->def->lost(f);
    }
}


ngx_uint_t
ngx_http_bell_feed_due(ngx_msec_t ms)
{
    return (ngx_msec_int_t) (ngx_current_msec - ms) >= 0;
}


void
ngx_http_bell_feed_rest(ngx_http_bell_feed_t *f)
{
    f->step = NGX_HTTP_BELL_FEED_IDLE;
}


void
ngx_http_bell_feed_ask(ngx_http_bell_feed_t *f,
    ngx_http_bell_feed_reply_pt handler, int type, ngx_msec_t extra_ms,
    const char **words, ngx_uint_t n)
{
    size_t      lengths[NGX_HTTP_BELL_FEED_WORDS];
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        lengths[i] = ngx_strlen(words[i]);
    }

    f->step = NGX_HTTP_BELL_FEED_ASKED;
    f->handler = handler;
    f->type = type;

    /* when it fails lost() says so */

    (void) ngx_http_bell_redis_command(&f->redis, ngx_http_bell_feed_reply,
                                       extra_ms, n, words, lengths);
}


/* It may have come when another process has long been the feeder. */

static void
ngx_http_bell_feed_reply(ngx_http_bell_redis_t *redis, redisReply *reply)
{
    ngx_http_bell_feed_t  *f;

    f = redis->data;

    if (!f->elected || f->sh->feeder != (ngx_atomic_uint_t) ngx_pid) {
        ngx_http_bell_feed_rest(f);
        return;
    }

    if (reply->type != f->type && !ngx_http_bell_feed_is_nothing(reply)) {
        ngx_http_bell_redis_fail(redis, "%s",
                                 reply->type == REDIS_REPLY_ERROR
                                     ? reply->str
                                     : "it answers in an unknown way");
        return;
    }

    f->handler(f, reply);
}


/* XINFO says by an error what others say by nil. */

static ngx_uint_t
ngx_http_bell_feed_is_nothing(redisReply *reply)
{
    return reply->type == REDIS_REPLY_NIL
           || (reply->type == REDIS_REPLY_ERROR
               && ngx_strncmp(reply->str, "ERR no such key", 15) == 0);
}


/* ---- the end of the stream */

void
ngx_http_bell_feed_ask_tail(ngx_http_bell_feed_t *f)
{
    const char  *words[3];

    words[0] = "XINFO";
    words[1] = "STREAM";
    words[2] = f->def->stream;

    ngx_http_bell_feed_ask(f, ngx_http_bell_feed_tail, REDIS_REPLY_ARRAY, 0,
                           words, 3);
}


static void
ngx_http_bell_feed_tail(ngx_http_bell_feed_t *f, redisReply *reply)
{
    size_t       i, n;
    uint64_t     last;
    redisReply  *name, *value;

    f->tail_ms = ngx_current_msec + NGX_HTTP_BELL_FEED_TAIL_MS;

    last = 0;
    n = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;

    for (i = 0; i + 1 < n; i += 2) {
        name = reply->element[i];
        value = reply->element[i + 1];

        if (name->type == REDIS_REPLY_STRING
            && value->type == REDIS_REPLY_STRING
            && ngx_strcmp(name->str, "last-generated-id") == 0)
        {
            last = strtoull(value->str, NULL, 10);
        }
    }

    f->def->tail(f, last);
}


/* ---- entries */

void
ngx_http_bell_feed_ask_entries(ngx_http_bell_feed_t *f, uint64_t number)
{
    char         id[NGX_INT64_LEN + 3], count[NGX_INT_T_LEN + 1];
    char         block[NGX_INT_T_LEN + 1];
    const char  *words[NGX_HTTP_BELL_FEED_WORDS];

    snprintf(count, sizeof(count), "%lu",
             (unsigned long) ngx_min(f->def->count,
                                     NGX_HTTP_BELL_FEED_ENTRIES));
    snprintf(block, sizeof(block), "%d", NGX_HTTP_BELL_FEED_BLOCK_MS);
    snprintf(id, sizeof(id), "%llu-0", (unsigned long long) number);

    words[0] = "XREAD";
    words[1] = "COUNT";
    words[2] = count;
    words[3] = "BLOCK";
    words[4] = block;
    words[5] = "STREAMS";
    words[6] = f->def->stream;
    words[7] = id;

    ngx_http_bell_feed_ask(f, ngx_http_bell_feed_entries, REDIS_REPLY_ARRAY,
                           NGX_HTTP_BELL_FEED_BLOCK_MS, words, 8);
}


static void
ngx_http_bell_feed_entries(ngx_http_bell_feed_t *f, redisReply *reply)
{
    ngx_uint_t                   i, n;
    redisReply                  *list;
    ngx_http_bell_feed_entry_t   entries[NGX_HTTP_BELL_FEED_ENTRIES];

    list = ngx_http_bell_feed_list(reply);

    n = list ? ngx_min(list->elements, NGX_HTTP_BELL_FEED_ENTRIES) : 0;

    for (i = 0; i < n; i++) {
        ngx_http_bell_feed_entry(f, list->element[i], &entries[i]);
    }

    f->def->entries(f, entries, n);
}


/* [[stream, [[id, [name, value, ...]], ...]]]: the entries; NULL: none */

static redisReply *
ngx_http_bell_feed_list(redisReply *reply)
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


static void
ngx_http_bell_feed_entry(ngx_http_bell_feed_t *f, redisReply *reply,
    ngx_http_bell_feed_entry_t *entry)
{
    size_t       i;
    redisReply  *fields, *name, *value;

    entry->number = 0;
    entry->value = BELL_STR_NULL;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
        return;
    }

    entry->number = ngx_http_bell_feed_number(reply->element[0]);

    fields = reply->element[1];

    for (i = 0;
         fields->type == REDIS_REPLY_ARRAY && i + 1 < fields->elements;
         i += 2)
    {
        name = fields->element[i];
        value = fields->element[i + 1];

        if (name->type == REDIS_REPLY_STRING
            && value->type == REDIS_REPLY_STRING
            && ngx_strcmp(name->str, f->def->field) == 0)
        {
            entry->value = (bell_str) { value->str, value->len };
            return;
        }
    }
}


static uint64_t
ngx_http_bell_feed_number(redisReply *id)
{
    uint64_t  number;
    bell_str  rest, first;

    if (id->type != REDIS_REPLY_STRING) {
        return 0;
    }

    rest = (bell_str) { id->str, id->len };
    first = bell_str_cut(&rest, '-');

    return bell_str_eq(rest, BELL_STR("0"))
           && bell_str_to_u64(first, UINT64_MAX - 1, &number)
           ? number : 0;
}
