
/*
 * Purges.  One costs a few steps, whatever it is about: what it says is noted
 * in the zone, and an object is asked about it when it is next looked for.
 */

#ifndef _NGX_HTTP_BELL_CACHE_PURGE_H_INCLUDED_
#define _NGX_HTTP_BELL_CACHE_PURGE_H_INCLUDED_


#include "bell_purge.h"

#include "ngx_http_bell_cache.h"


#pragma GCC visibility push(hidden)


/*
 * From whatever source, in any worker; takes the lock.  NGX_OK, or NGX_ERROR
 * with a line in the log: it is not one that could be meant.
 */
ngx_int_t ngx_http_bell_cache_purge(ngx_http_bell_cache_zone_t *zone,
    const bell_purge *p, ngx_log_t *log);

/* All of every tenant becomes stale: the feed has lost its place. */
void ngx_http_bell_cache_purge_everything(ngx_http_bell_cache_zone_t *zone,
    ngx_log_t *log);

/* An unsafe method has made this target untrue (RFC 9111, 4.4). */
void ngx_http_bell_cache_purge_url(ngx_http_bell_cache_zone_t *zone,
    uint32_t tenant_id, uint64_t url);

/* The last sequence number of the feed that the zone has seen, 0: none. */
uint64_t ngx_http_bell_cache_purge_seen(ngx_http_bell_cache_zone_t *zone);
void ngx_http_bell_cache_purge_saw(ngx_http_bell_cache_zone_t *zone,
    uint64_t sequence);

/*
 * Of the journal: all that is known of purges, in one piece, and which blocks
 * of it were changed since they were written, a bit each.
 */

#define NGX_HTTP_BELL_CACHE_PURGE_BLOCK  4080
#define NGX_HTTP_BELL_CACHE_PURGE_WORDS  16

u_char *ngx_http_bell_cache_purges_image(ngx_http_bell_cache_zone_t *zone,
    size_t *size, uint64_t **changed);
uint32_t ngx_http_bell_cache_purges_layout(void);
/*
 * The image was read, or nothing is known: then all that there is was softly
 * purged.  "checked" is the highest number that an object was asked about.
 */
void ngx_http_bell_cache_purges_restored(ngx_http_bell_cache_zone_t *zone,
    ngx_uint_t known, uint64_t checked);


/* All zones of a configuration: ngx_http_bell_cache_zone_t *. */
ngx_array_t *ngx_http_bell_cache_zones(ngx_cycle_t *cycle);


/*
 * What is said of a found object since it was last asked about is worked into
 * its times, and kept.  No lock where the tenant has said nothing.
 */
void ngx_http_bell_cache_purged(ngx_http_bell_cache_zone_t *zone,
    const bell_cache_question *asked, uint32_t swr_s,
    ngx_http_bell_cache_found_t *found);

/*
 * Under the lock: whether something was said since purge number "since" that
 * may be about an answer to this, whose tags nobody knows yet; without a
 * target nor its address, but for the hash of it.
 */
ngx_uint_t ngx_http_bell_cache_struck(ngx_http_bell_cache_zone_t *zone,
    const bell_cache_question *asked, uint64_t url, uint64_t since);

/* Under the lock: it was purged hard since it was last asked about. */
ngx_uint_t ngx_http_bell_cache_purged_hard(ngx_http_bell_cache_zone_t *zone,
    const bell_cache_question *asked, uint64_t url, uint64_t *tags,
    ngx_uint_t ntags, uint64_t since);
/* Nothing at all was said of a tenant's since. */
ngx_uint_t ngx_http_bell_cache_purged_not(ngx_http_bell_cache_zone_t *zone,
    uint32_t tenant_id, uint64_t since);

/* How many there were: what is fetched from now on is checked up to here. */
uint64_t ngx_http_bell_cache_purge_count(ngx_http_bell_cache_zone_t *zone);

size_t ngx_http_bell_cache_purges_size(ngx_uint_t objects);
void ngx_http_bell_cache_purges_init(ngx_http_bell_cache_purges_t *purges,
    ngx_uint_t objects);
/* The zone begins anew: nothing is stored that they could be about. */
void ngx_http_bell_cache_purges_reset(ngx_http_bell_cache_purges_t *purges);
/* And what was, in files, is purged: nobody knows of what. */
void ngx_http_bell_cache_purges_lost(ngx_http_bell_cache_purges_t *purges);


/* ---- ngx_http_bell_cache_erase.c: what was purged hard goes */

void ngx_http_bell_cache_erase_start(ngx_http_bell_cache_main_conf_t *bmcf);
/* The last of the feed whose hard purges have left nothing. */
uint64_t ngx_http_bell_cache_erased(ngx_http_bell_cache_zone_t *zone);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_CACHE_PURGE_H_INCLUDED_ */
