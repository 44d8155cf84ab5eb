
/*
 * The directory's feed from Redis: who takes it over, what is asked when, and
 * what Redis is asked besides documents: the time.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_bell_directory_feed.h"


#define NGX_HTTP_BELL_TIME_MS   60000
#define NGX_HTTP_BELL_CLOCK_S   60       /* clocks may be apart */
#define NGX_HTTP_BELL_RETRY_MS  250      /* doubles up to 4 s */


static ngx_int_t ngx_http_bell_directory_feed_begin(
    ngx_http_bell_feed_t *feed);
static ngx_uint_t ngx_http_bell_directory_feed_engaged(
    ngx_http_bell_feed_t *feed, ngx_pid_t feeder);
static void ngx_http_bell_directory_feed_ready(ngx_http_bell_feed_t *feed);
static void ngx_http_bell_directory_feed_lost(ngx_http_bell_feed_t *feed);
static void ngx_http_bell_directory_feed_tail(ngx_http_bell_feed_t *feed,
    uint64_t last);
static void ngx_http_bell_directory_feed_ask_clock(
    ngx_http_bell_directory_feed_t *f);
static void ngx_http_bell_directory_feed_clock(ngx_http_bell_feed_t *feed,
    redisReply *reply);
static void ngx_http_bell_directory_feed_compare_clocks(
    ngx_http_bell_directory_feed_t *f, int64_t ahead);


static const ngx_http_bell_feed_def_t  ngx_http_bell_directory_feed_def = {
    "bell_directory",
    "feeds the directory",
    "bell:directory:deltas",
    "d",
    NGX_HTTP_BELL_FEED_ENTRIES,
    ngx_http_bell_directory_feed_begin,
    ngx_http_bell_directory_feed_engaged,
    ngx_http_bell_directory_feed_ready,
    ngx_http_bell_directory_feed_lost,
    ngx_http_bell_directory_feed_next,
    ngx_http_bell_directory_feed_tail,
    ngx_http_bell_directory_feed_deltas
};


static ngx_http_bell_directory_feed_t  *ngx_http_bell_directory_feed;


/* ---- who */

void
ngx_http_bell_directory_feed_start(ngx_http_bell_directory_t *d,
    ngx_http_bell_redis_conf_t *redis, ngx_log_t *log)
{
    ngx_http_bell_directory_feed_t  *f;

    f = ngx_calloc(sizeof(ngx_http_bell_directory_feed_t), log);
    if (f == NULL) {
        return;
    }

    ngx_http_bell_directory_feed = f;

    f->d = d;

    f->feed.def = &ngx_http_bell_directory_feed_def;
    f->feed.sh = &d->sh->feed;
    f->feed.data = f;
    f->feed.log = log;

    ngx_http_bell_directory_sweep(d, log);

    ngx_http_bell_feed_start(&f->feed, redis);
}


ngx_uint_t
ngx_http_bell_directory_feed_stop(void)
{
    ngx_http_bell_directory_feed_t  *f;

    f = ngx_http_bell_directory_feed;

    if (f == NULL) {
        return 0;
    }

    ngx_http_bell_directory_feed = NULL;

    ngx_http_bell_feed_stop(&f->feed);

    ngx_free(f);

    return 1;
}


static ngx_int_t
ngx_http_bell_directory_feed_begin(ngx_http_bell_feed_t *feed)
{
    ngx_http_bell_directory_t       *d;
    ngx_http_bell_directory_feed_t  *f;

    f = feed->data;
    d = f->d;

    if (ngx_http_bell_directory_lock(d, feed->log) != NGX_OK) {
        return NGX_AGAIN;
    }

    /* what the former feeder had not written to its end is cut off */

    ngx_http_bell_directory_state_load(d, &f->state, 1, feed->log);

    d->sh->counters.feeders++;

    ngx_http_bell_directory_unlock(d);

    f->gap = 0;
    f->tries = 0;
    f->last = 0;
    f->keep_ms = ngx_current_msec;

    return NGX_OK;
}


/* Who is changing the directory has the lock, and nobody else could. */

static ngx_uint_t
ngx_http_bell_directory_feed_engaged(ngx_http_bell_feed_t *feed,
    ngx_pid_t feeder)
{
    ngx_http_bell_directory_feed_t  *f;

    f = feed->data;

    return f->d->sh->writer == (ngx_atomic_uint_t) feeder;
}


static void
ngx_http_bell_directory_feed_ready(ngx_http_bell_feed_t *feed)
{
    ngx_http_bell_directory_feed_t  *f;

    f = feed->data;

    f->d->sh->counters.redis_connects++;

    f->last = 0;
    f->head_ms = ngx_current_msec;
    f->clock_ms = ngx_current_msec;
    f->try_ms = ngx_current_msec;

    ngx_http_bell_directory_feed_next(feed);
}


static void
ngx_http_bell_directory_feed_lost(ngx_http_bell_feed_t *feed)
{
    ngx_http_bell_directory_feed_t  *f;

    f = feed->data;

    f->d->sh->counters.redis_failures++;
}


/* ---- what */

void
ngx_http_bell_directory_feed_next(ngx_http_bell_feed_t *feed)
{
    uint64_t                         version;
    ngx_uint_t                       lacks;
    ngx_http_bell_directory_feed_t  *f;

    f = feed->data;

    version = ngx_http_bell_directory_version(f->d);
    lacks = f->gap || version == 0;

    if (ngx_http_bell_feed_due(f->head_ms)
        || (lacks && ngx_http_bell_feed_due(f->try_ms)))
    {
        ngx_http_bell_directory_feed_ask_head(f);

    } else if (ngx_http_bell_feed_due(f->clock_ms)) {
        ngx_http_bell_directory_feed_ask_clock(f);

    } else if (lacks) {
        ngx_http_bell_feed_rest(feed);

    } else if (ngx_http_bell_feed_due(feed->tail_ms)) {
        ngx_http_bell_feed_ask_tail(feed);

    } else {
        ngx_http_bell_directory_feed_ask_deltas(f, version);
    }
}


void
ngx_http_bell_directory_feed_in_vain(ngx_http_bell_directory_feed_t *f)
{
    f->try_ms = ngx_current_msec
                + (NGX_HTTP_BELL_RETRY_MS << ngx_min(f->tries, 4));
    f->tries++;
}


/* The end of the stream: a wake-up may have been missed. */

static void
ngx_http_bell_directory_feed_tail(ngx_http_bell_feed_t *feed, uint64_t last)
{
    ngx_http_bell_directory_feed_t  *f;

    f = feed->data;

    if (last) {
        f->last = last;
    }

    ngx_http_bell_directory_feed_next(feed);
}


/* ---- the clock */

static void
ngx_http_bell_directory_feed_ask_clock(ngx_http_bell_directory_feed_t *f)
{
    const char  *words[1];

    words[0] = "TIME";

    ngx_http_bell_feed_ask(&f->feed, ngx_http_bell_directory_feed_clock,
                           REDIS_REPLY_ARRAY, 0, words, 1);
}


static void
ngx_http_bell_directory_feed_clock(ngx_http_bell_feed_t *feed,
    redisReply *reply)
{
    ngx_http_bell_directory_feed_t  *f;

    f = feed->data;

    f->clock_ms = ngx_current_msec + NGX_HTTP_BELL_TIME_MS;

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
        && reply->element[0]->type == REDIS_REPLY_STRING)
    {
        ngx_http_bell_directory_feed_compare_clocks(f,
                    ngx_time() - strtoll(reply->element[0]->str, NULL, 10));
    }

    ngx_http_bell_directory_feed_next(feed);
}


static void
ngx_http_bell_directory_feed_compare_clocks(ngx_http_bell_directory_feed_t *f,
    int64_t ahead)
{
    ngx_uint_t                     wrong;
    ngx_http_bell_directory_sh_t  *sh;

    sh = f->d->sh;

    wrong = ahead > NGX_HTTP_BELL_CLOCK_S || ahead < -NGX_HTTP_BELL_CLOCK_S;

    sh->counters.clock_ahead_s = ahead;

    if (wrong && !sh->clock_is_wrong) {
        sh->counters.clock_wrong++;
        ngx_log_error(NGX_LOG_ERR, f->feed.log, 0,
                      "bell_directory: this machine's clock is %L s %s "
                      "that of Redis: sessions, signatures and "
                      "revocations are judged by it; set the one that is "
                      "wrong", ahead < 0 ? -ahead : ahead,
                      ahead < 0 ? "behind" : "ahead of");

    } else if (!wrong && sh->clock_is_wrong) {
        ngx_log_error(NGX_LOG_NOTICE, f->feed.log, 0,
                      "bell_directory: this machine's clock agrees with "
                      "that of Redis again");
    }

    sh->clock_is_wrong = wrong;
}
