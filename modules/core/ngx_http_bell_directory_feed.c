
/*
 * The directory's feed from Redis: who reads, what is asked when, and what
 * else Redis is asked: the end of the stream, the time.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <stdio.h>

#include "ngx_http_bell_directory_feed.h"


/* Together they are what a dead feeder's place stays empty at most. */
#define NGX_HTTP_BELL_TICK_MS   150
#define NGX_HTTP_BELL_LEASE_MS  700

#define NGX_HTTP_BELL_TAIL_MS   3000     /* between looks at the stream's end */
#define NGX_HTTP_BELL_TIME_MS   60000
#define NGX_HTTP_BELL_CLOCK_S   60       /* clocks may be apart */
#define NGX_HTTP_BELL_RETRY_MS  250      /* doubles up to 4 s */


static void ngx_http_bell_feed_timer(ngx_event_t *ev);
static ngx_uint_t ngx_http_bell_feed_elect(ngx_http_bell_feed_t *f);
static void ngx_http_bell_feed_take_over(ngx_http_bell_feed_t *f);
static void ngx_http_bell_feed_resign(ngx_http_bell_feed_t *f);
static void ngx_http_bell_feed_ready(ngx_http_bell_redis_t *redis);
static void ngx_http_bell_feed_lost(ngx_http_bell_redis_t *redis);
static void ngx_http_bell_feed_ask_tail(ngx_http_bell_feed_t *f);
static void ngx_http_bell_feed_tail(ngx_http_bell_redis_t *redis,
    redisReply *reply);
static void ngx_http_bell_feed_ask_clock(ngx_http_bell_feed_t *f);
static void ngx_http_bell_feed_clock(ngx_http_bell_redis_t *redis,
    redisReply *reply);


static ngx_http_bell_feed_t  *ngx_http_bell_feed;


/* ---- who */

void
ngx_http_bell_directory_feed_start(ngx_http_bell_directory_t *d,
    ngx_http_bell_redis_conf_t *redis, ngx_log_t *log)
{
    ngx_http_bell_feed_t  *f;

    f = ngx_calloc(sizeof(ngx_http_bell_feed_t), log);
    if (f == NULL) {
        return;
    }

    ngx_http_bell_feed = f;

    f->d = d;
    f->log = log;

    f->redis.conf = redis;
    f->redis.ready = ngx_http_bell_feed_ready;
    f->redis.lost = ngx_http_bell_feed_lost;
    f->redis.data = f;

    ngx_http_bell_directory_watch(d, ngx_http_bell_feed_timer, f, log);
}


ngx_uint_t
ngx_http_bell_directory_feed_stop(void)
{
    ngx_http_bell_feed_t  *f;

    f = ngx_http_bell_feed;

    if (f == NULL) {
        return 0;
    }

    ngx_http_bell_feed = NULL;

    if (f->d->timer.timer_set) {
        ngx_del_timer(&f->d->timer);
    }

    ngx_http_bell_feed_resign(f);

    ngx_free(f);

    return 1;
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
            ngx_http_bell_feed_next(f);
        }

    } else if (f->elected) {
        ngx_log_error(NGX_LOG_NOTICE, f->log, 0,
                      "bell_directory: this worker was silent for too long, "
                      "process %P feeds the directory now",
                      (ngx_pid_t) f->d->sh->feeder);

        ngx_http_bell_feed_resign(f);
    }

    /* workers that start together do not stay in step */

    ngx_add_timer(ev, NGX_HTTP_BELL_TICK_MS / 2
                      + ngx_random() % (NGX_HTTP_BELL_TICK_MS / 2 + 1));
}


/* 1: this process is the feeder, and has shown so. */

static ngx_uint_t
ngx_http_bell_feed_elect(ngx_http_bell_feed_t *f)
{
    ngx_atomic_uint_t              owner;
    ngx_http_bell_directory_sh_t  *sh;

    sh = f->d->sh;
    owner = sh->feeder;

    if (owner == (ngx_atomic_uint_t) ngx_pid) {
        sh->feeder_ms = ngx_current_msec;
        return 1;
    }

    /*
     * Who is changing the directory shows no other sign of life; its place
     * would be of no use, because it has the lock.
     */

    if (owner
        && (kill((ngx_pid_t) owner, 0) == 0 || ngx_errno != NGX_ESRCH)
        && (sh->writer == owner
            || (ngx_msec_int_t) (ngx_current_msec - sh->feeder_ms)
               < NGX_HTTP_BELL_LEASE_MS))
    {
        return 0;
    }

    /* before the change, so that nobody sees a new feeder that looks silent */

    sh->feeder_ms = ngx_current_msec;

    return ngx_atomic_cmp_set(&sh->feeder, owner, ngx_pid);
}


static void
ngx_http_bell_feed_take_over(ngx_http_bell_feed_t *f)
{
    ngx_http_bell_directory_t  *d;

    d = f->d;

    if (ngx_http_bell_directory_lock(d, f->log) != NGX_OK) {
        return;
    }

    /* what the former feeder had not written to its end is cut off */

    ngx_http_bell_directory_state_load(d, &f->state, 1, f->log);

    d->sh->counters.feeders++;
    d->sh->feeder_ms = ngx_current_msec;

    ngx_http_bell_directory_unlock(d);

    f->elected = 1;
    f->gap = 0;
    f->tries = 0;
    f->last = 0;
    f->keep_ms = ngx_current_msec;

    ngx_log_error(NGX_LOG_INFO, f->log, 0,
                  "bell_directory: this worker feeds the directory now");

    ngx_http_bell_redis_open(&f->redis, f->log);
}


static void
ngx_http_bell_feed_resign(ngx_http_bell_feed_t *f)
{
    f->elected = 0;
    f->step = NGX_HTTP_BELL_FEED_OFF;

    ngx_http_bell_redis_close(&f->redis);

    (void) ngx_atomic_cmp_set(&f->d->sh->feeder, ngx_pid, 0);
}


static void
ngx_http_bell_feed_ready(ngx_http_bell_redis_t *redis)
{
    ngx_http_bell_feed_t  *f;

    f = redis->data;

    f->d->sh->counters.redis_connects++;

    /* it may be another one, or have lost what it had */

    f->last = 0;
    f->head_ms = ngx_current_msec;
    f->clock_ms = ngx_current_msec;
    f->tail_ms = ngx_current_msec + NGX_HTTP_BELL_TAIL_MS;
    f->try_ms = ngx_current_msec;

    ngx_http_bell_feed_next(f);
}


static void
ngx_http_bell_feed_lost(ngx_http_bell_redis_t *redis)
{
    ngx_http_bell_feed_t  *f;

    f = redis->data;

    f->step = NGX_HTTP_BELL_FEED_OFF;
    f->d->sh->counters.redis_failures++;
}


/* ---- what */

ngx_uint_t
ngx_http_bell_feed_due(ngx_msec_t ms)
{
    return (ngx_msec_int_t) (ngx_current_msec - ms) >= 0;
}


void
ngx_http_bell_feed_next(ngx_http_bell_feed_t *f)
{
    uint64_t  version;

    version = ngx_http_bell_directory_version(f->d);

    if (ngx_http_bell_feed_due(f->head_ms)
        || ((f->gap || version == 0) && ngx_http_bell_feed_due(f->try_ms)))
    {
        ngx_http_bell_feed_ask_head(f);

    } else if (ngx_http_bell_feed_due(f->clock_ms)) {
        ngx_http_bell_feed_ask_clock(f);

    } else if (f->gap || version == 0) {
        f->step = NGX_HTTP_BELL_FEED_IDLE;

    } else if (ngx_http_bell_feed_due(f->tail_ms)) {
        ngx_http_bell_feed_ask_tail(f);

    } else {
        ngx_http_bell_feed_ask_deltas(f, version);
    }
}


void
ngx_http_bell_feed_ask(ngx_http_bell_feed_t *f, ngx_http_bell_feed_step_e step,
    ngx_http_bell_redis_reply_pt handler, ngx_msec_t extra_ms,
    const char **words, ngx_uint_t n)
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


ngx_http_bell_feed_t *
ngx_http_bell_feed_answered(ngx_http_bell_redis_t *redis, redisReply *reply,
    int type)
{
    ngx_http_bell_feed_t  *f;

    f = redis->data;

    if (!f->elected || f->d->sh->feeder != (ngx_atomic_uint_t) ngx_pid) {
        f->step = NGX_HTTP_BELL_FEED_IDLE;
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


void
ngx_http_bell_feed_in_vain(ngx_http_bell_feed_t *f)
{
    f->try_ms = ngx_current_msec
                + (NGX_HTTP_BELL_RETRY_MS << ngx_min(f->tries, 4));
    f->tries++;
}


/* ---- the end of the stream: a wake-up may have been missed */

static void
ngx_http_bell_feed_ask_tail(ngx_http_bell_feed_t *f)
{
    const char  *words[3];

    words[0] = "XINFO";
    words[1] = "STREAM";
    words[2] = NGX_HTTP_BELL_DELTAS;

    ngx_http_bell_feed_ask(f, NGX_HTTP_BELL_FEED_TAIL,
                           ngx_http_bell_feed_tail, 0, words, 3);
}


static void
ngx_http_bell_feed_tail(ngx_http_bell_redis_t *redis, redisReply *reply)
{
    int                    type;
    size_t                 i, n;
    redisReply            *name, *value;
    ngx_http_bell_feed_t  *f;

    /* an error of this name: there is no stream yet, or not any more */

    type = reply->type == REDIS_REPLY_ERROR
           && ngx_strncmp(reply->str, "ERR no such key", 15) == 0
           ? REDIS_REPLY_ERROR : REDIS_REPLY_ARRAY;

    f = ngx_http_bell_feed_answered(redis, reply, type);
    if (f == NULL) {
        return;
    }

    f->tail_ms = ngx_current_msec + NGX_HTTP_BELL_TAIL_MS;

    n = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;

    for (i = 0; i + 1 < n; i += 2) {
        name = reply->element[i];
        value = reply->element[i + 1];

        if (name->type == REDIS_REPLY_STRING
            && value->type == REDIS_REPLY_STRING
            && ngx_strcmp(name->str, "last-generated-id") == 0)
        {
            f->last = strtoull(value->str, NULL, 10);
        }
    }

    ngx_http_bell_feed_next(f);
}


/* ---- the clock */

static void
ngx_http_bell_feed_ask_clock(ngx_http_bell_feed_t *f)
{
    const char  *words[1];

    words[0] = "TIME";

    ngx_http_bell_feed_ask(f, NGX_HTTP_BELL_FEED_CLOCK,
                           ngx_http_bell_feed_clock, 0, words, 1);
}


static void
ngx_http_bell_feed_clock(ngx_http_bell_redis_t *redis, redisReply *reply)
{
    int64_t                        ahead;
    ngx_uint_t                     wrong;
    ngx_http_bell_feed_t          *f;
    ngx_http_bell_directory_sh_t  *sh;

    f = ngx_http_bell_feed_answered(redis, reply, REDIS_REPLY_ARRAY);
    if (f == NULL) {
        return;
    }

    f->clock_ms = ngx_current_msec + NGX_HTTP_BELL_TIME_MS;

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
        && reply->element[0]->type == REDIS_REPLY_STRING)
    {
        sh = f->d->sh;

        ahead = ngx_time() - strtoll(reply->element[0]->str, NULL, 10);
        wrong = ahead > NGX_HTTP_BELL_CLOCK_S || ahead < -NGX_HTTP_BELL_CLOCK_S;

        sh->counters.clock_ahead_s = ahead;

        if (wrong && !sh->clock_is_wrong) {
            sh->counters.clock_wrong++;
            ngx_log_error(NGX_LOG_ERR, f->log, 0,
                          "bell_directory: this machine's clock is %L s %s "
                          "that of Redis: sessions, signatures and "
                          "revocations are judged by it; set the one that is "
                          "wrong", ahead < 0 ? -ahead : ahead,
                          ahead < 0 ? "behind" : "ahead of");

        } else if (!wrong && sh->clock_is_wrong) {
            ngx_log_error(NGX_LOG_NOTICE, f->log, 0,
                          "bell_directory: this machine's clock agrees with "
                          "that of Redis again");
        }

        sh->clock_is_wrong = wrong;
    }

    ngx_http_bell_feed_next(f);
}
