
/*
 * The directory's feed from Redis.
 *
 * Redis holds a snapshot (the string bell:directory:snapshot) and the deltas
 * behind it (the stream bell:directory:deltas; an entry has the id
 * <version>-0 and the document in its field "d").  One worker of an edge, the
 * feeder, reads them for all; the zone says which, and how lately it has
 * shown itself alive.  Another takes its place when it is gone or silent.
 */

#ifndef _NGX_HTTP_BELL_DIRECTORY_FEED_H_INCLUDED_
#define _NGX_HTTP_BELL_DIRECTORY_FEED_H_INCLUDED_


#include "ngx_http_bell_directory.h"
#include "ngx_http_bell_redis.h"


#pragma GCC visibility push(hidden)


/* In a worker: from here on it stands for election. */
void ngx_http_bell_directory_feed_start(ngx_http_bell_directory_t *d,
    ngx_http_bell_redis_conf_t *redis, ngx_log_t *log);

/* Gives the feed up, if this process has it; 1: there was one. */
ngx_uint_t ngx_http_bell_directory_feed_stop(void);


/* Below: between the two files of the feed. */

#define NGX_HTTP_BELL_SNAPSHOT  "bell:directory:snapshot"
#define NGX_HTTP_BELL_DELTAS    "bell:directory:deltas"


/* what was asked last and has not been answered */

typedef enum {
    NGX_HTTP_BELL_FEED_OFF = 0,         /* there is no connection */
    NGX_HTTP_BELL_FEED_IDLE,            /* nothing: the next tick asks */
    NGX_HTTP_BELL_FEED_HEAD,
    NGX_HTTP_BELL_FEED_FETCH,
    NGX_HTTP_BELL_FEED_TAIL,
    NGX_HTTP_BELL_FEED_CLOCK,
    NGX_HTTP_BELL_FEED_READ
} ngx_http_bell_feed_step_e;


typedef struct {
    ngx_http_bell_directory_t  *d;
    ngx_http_bell_redis_t       redis;
    ngx_http_bell_state_t       state;
    ngx_log_t                  *log;

    ngx_uint_t                  elected;
    ngx_http_bell_feed_step_e   step;

    ngx_uint_t                  gap;         /* a snapshot is needed */
    ngx_uint_t                  tries;       /* to get one, in vain */
    ngx_msec_t                  try_ms;      /* not before */

    ngx_msec_t                  head_ms;     /* when these are due */
    ngx_msec_t                  tail_ms;
    ngx_msec_t                  clock_ms;
    ngx_msec_t                  keep_ms;     /* the state is tried again */

    uint64_t                    last;        /* of the stream, as it said */

    uint64_t                    refused;     /* snapshot: not asked again */
    ngx_msec_t                  refused_ms;  /* before that */
    uint64_t                    told;        /* version a line was about */
} ngx_http_bell_feed_t;


/* 1: that moment has come */
ngx_uint_t ngx_http_bell_feed_due(ngx_msec_t ms);

/* Asks what is to be asked next. */
void ngx_http_bell_feed_next(ngx_http_bell_feed_t *f);
void ngx_http_bell_feed_ask_head(ngx_http_bell_feed_t *f);
void ngx_http_bell_feed_ask_deltas(ngx_http_bell_feed_t *f, uint64_t version);

void ngx_http_bell_feed_ask(ngx_http_bell_feed_t *f,
    ngx_http_bell_feed_step_e step, ngx_http_bell_redis_reply_pt handler,
    ngx_msec_t extra_ms, const char **words, ngx_uint_t n);

/*
 * NULL: the reply is not for this process any more, or it is of another type
 * (and not nil) and the connection is given up, with what Redis said.
 */
ngx_http_bell_feed_t *ngx_http_bell_feed_answered(
    ngx_http_bell_redis_t *redis, redisReply *reply, int type);

/* A snapshot is needed and there was none: the next try is later. */
void ngx_http_bell_feed_in_vain(ngx_http_bell_feed_t *f);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_DIRECTORY_FEED_H_INCLUDED_ */
