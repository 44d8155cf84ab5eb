
/*
 * The directory's feed from Redis.
 *
 * Redis holds a snapshot (the string bell:directory:snapshot) and the deltas
 * behind it (the stream bell:directory:deltas; an entry has the id
 * <version>-0 and the document in its field "d").  The stream is read as
 * ngx_http_bell_feed.h says; where entries are gone, the snapshot is fetched.
 */

#ifndef _NGX_HTTP_BELL_DIRECTORY_FEED_H_INCLUDED_
#define _NGX_HTTP_BELL_DIRECTORY_FEED_H_INCLUDED_


#include "ngx_http_bell_directory.h"
#include "ngx_http_bell_feed.h"


#pragma GCC visibility push(hidden)


/* In a worker: from here on it stands for election. */
void ngx_http_bell_directory_feed_start(ngx_http_bell_directory_t *d,
    ngx_http_bell_redis_conf_t *redis, ngx_log_t *log);

/* Gives the feed up, if this process has it; 1: there was one. */
ngx_uint_t ngx_http_bell_directory_feed_stop(void);


/* Below: between the two files of the feed. */

typedef struct {
    ngx_http_bell_feed_t        feed;
    ngx_http_bell_directory_t  *d;
    ngx_http_bell_state_t       state;

    ngx_uint_t                  gap;         /* a snapshot is needed */
    ngx_uint_t                  tries;       /* to get one, in vain */
    ngx_msec_t                  try_ms;      /* not before */

    ngx_msec_t                  head_ms;     /* when these are due */
    ngx_msec_t                  clock_ms;
    ngx_msec_t                  keep_ms;     /* the state is tried again */

    uint64_t                    last;        /* of the stream, as it said */

    uint64_t                    refused;     /* snapshot: not asked again */
    ngx_msec_t                  refused_ms;  /* before that */
    uint64_t                    told;        /* version a line was about */
} ngx_http_bell_directory_feed_t;


/* Asks what is to be asked next. */
void ngx_http_bell_directory_feed_next(ngx_http_bell_feed_t *feed);

void ngx_http_bell_directory_feed_ask_head(ngx_http_bell_directory_feed_t *f);
void ngx_http_bell_directory_feed_ask_deltas(
    ngx_http_bell_directory_feed_t *f, uint64_t version);

/* What the stream had. */
void ngx_http_bell_directory_feed_deltas(ngx_http_bell_feed_t *feed,
    ngx_http_bell_feed_entry_t *entry, ngx_uint_t n);

/* A snapshot is needed and there was none: the next try is later. */
void ngx_http_bell_directory_feed_in_vain(ngx_http_bell_directory_feed_t *f);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_DIRECTORY_FEED_H_INCLUDED_ */
