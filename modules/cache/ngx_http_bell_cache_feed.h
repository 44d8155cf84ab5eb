
/*
 * Purges from the origin, for all zones of this edge.
 *
 * Redis holds them in one stream for all edges (bell:purges; an entry has the
 * id <number>-0 and a line of bell_purge.h in its field "p"), numbered from 1
 * on without a gap.  It is read as ngx_http_bell_feed.h says.
 *
 * Each zone keeps the number of the last purge that it has seen.  The one
 * above is applied; one that is not above has been; one further on means that
 * purges are gone that this zone has never seen, and then all that it has
 * becomes stale.  So it does for a zone that sees the feed for the first time,
 * and for one that has seen a higher number than the stream ends with: it is
 * another stream then.
 */

#ifndef _NGX_HTTP_BELL_CACHE_FEED_H_INCLUDED_
#define _NGX_HTTP_BELL_CACHE_FEED_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_bell_redis.h"


#pragma GCC visibility push(hidden)


typedef struct {
    ngx_http_bell_redis_conf_t  *redis;     /* NULL: there is no feed */
    ngx_shm_zone_t              *shm_zone;
} ngx_http_bell_cache_feed_conf_t;


/*
 * "bell_cache_purges ADDRESS:PORT | unix:PATH [user=NAME] …", of the http
 * block: NGX_CONF_OK, or what nginx makes a sentence of.
 */
char *ngx_http_bell_cache_feed_set(ngx_conf_t *cf,
    ngx_http_bell_cache_feed_conf_t *conf);

/* In a worker: from here on it stands for election. */
void ngx_http_bell_cache_feed_start(ngx_cycle_t *cycle,
    ngx_http_bell_cache_feed_conf_t *conf);

/* Gives the feed up, if this process has it; 1: there was one. */
ngx_uint_t ngx_http_bell_cache_feed_stop(void);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_CACHE_FEED_H_INCLUDED_ */
