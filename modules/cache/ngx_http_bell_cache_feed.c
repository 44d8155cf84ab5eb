
/*
 * The feed of purges: what each zone does about the end of their stream and
 * about its entries.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_feed.h"
#include "ngx_http_bell_cache_purge.h"
#include "ngx_http_bell_feed.h"


#define NGX_HTTP_BELL_PURGES           "bell:purges"
#define NGX_HTTP_BELL_PURGES_ENTRIES   64    /* asked for at once */

/*
 * A Redis that came back empty is filled in the order of numbers, and ends
 * before what was seen as long as that takes.
 */
#define NGX_HTTP_BELL_PURGES_FILL_MS   10000


typedef struct {
    ngx_http_bell_feed_t           feed;
    ngx_array_t                   *zones;       /* of pointers to them */

    ngx_msec_t                     read_ms;     /* not before */

    ngx_uint_t                     behind;      /* the stream ends too early */
    ngx_msec_t                     behind_ms;   /* since then */
    ngx_uint_t                     told;        /* of an entry of strangers */
} ngx_http_bell_purges_t;


static ngx_int_t ngx_http_bell_purges_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);

static void ngx_http_bell_purges_ready(ngx_http_bell_feed_t *feed);
static void ngx_http_bell_purges_next(ngx_http_bell_feed_t *feed);

static void ngx_http_bell_purges_tail(ngx_http_bell_feed_t *feed,
    uint64_t last);
static ngx_uint_t ngx_http_bell_purges_compare(ngx_http_bell_purges_t *f,
    uint64_t last);

static uint64_t ngx_http_bell_purges_seen(ngx_http_bell_purges_t *f);
static void ngx_http_bell_purges_entries(ngx_http_bell_feed_t *feed,
    ngx_http_bell_feed_entry_t *entry, ngx_uint_t n);
static void ngx_http_bell_purges_stop_at(ngx_http_bell_purges_t *f);
static void ngx_http_bell_purges_apply(ngx_http_bell_purges_t *f,
    ngx_http_bell_feed_entry_t *entry);
static void ngx_http_bell_purges_anew(ngx_http_bell_purges_t *f,
    ngx_uint_t level, ngx_http_bell_cache_zone_t *zone, uint64_t number,
    const char *why);


static const ngx_http_bell_feed_def_t  ngx_http_bell_purges_def = {
    "bell_cache_purges",
    "reads purges",
    NGX_HTTP_BELL_PURGES,
    "p",
    NGX_HTTP_BELL_PURGES_ENTRIES,
    NULL,                              /* begin */
    NULL,                              /* engaged */
    ngx_http_bell_purges_ready,
    NULL,                              /* lost */
    ngx_http_bell_purges_next,
    ngx_http_bell_purges_tail,
    ngx_http_bell_purges_entries
};


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
                                       sizeof(ngx_http_bell_feed_sh_t));
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

    f->feed.def = &ngx_http_bell_purges_def;
    f->feed.sh = conf->shm_zone->data;
    f->feed.data = f;
    f->feed.log = cycle->log;

    ngx_http_bell_feed_start(&f->feed, conf->redis);
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

    ngx_http_bell_feed_stop(&f->feed);

    ngx_free(f);

    return 1;
}


/* ---- what is asked */

static void
ngx_http_bell_purges_ready(ngx_http_bell_feed_t *feed)
{
    ngx_http_bell_purges_t  *f;

    f = feed->data;

    /* the end first: it may not be the stream that it was */

    feed->tail_ms = ngx_current_msec;
    f->read_ms = ngx_current_msec;

    ngx_http_bell_purges_next(feed);
}


static void
ngx_http_bell_purges_next(ngx_http_bell_feed_t *feed)
{
    ngx_http_bell_purges_t  *f;

    f = feed->data;

    if (ngx_http_bell_feed_due(feed->tail_ms)) {
        ngx_http_bell_feed_ask_tail(feed);

    } else if (ngx_http_bell_feed_due(f->read_ms)) {
        ngx_http_bell_feed_ask_entries(feed, ngx_http_bell_purges_seen(f));

    } else {
        ngx_http_bell_feed_rest(feed);
    }
}


/* ---- the end of the stream: it may be another one than before */

static void
ngx_http_bell_purges_tail(ngx_http_bell_feed_t *feed, uint64_t last)
{
    ngx_uint_t               behind;
    ngx_http_bell_purges_t  *f;

    f = feed->data;

    behind = last ? ngx_http_bell_purges_compare(f, last) : 0;

    if (behind && !f->behind) {
        f->behind_ms = ngx_current_msec + NGX_HTTP_BELL_PURGES_FILL_MS;
    }

    f->behind = behind;

    ngx_http_bell_purges_next(feed);
}


/* 1: a zone has seen more than the stream has, and not for long. */

static ngx_uint_t
ngx_http_bell_purges_compare(ngx_http_bell_purges_t *f, uint64_t last)
{
    uint64_t                      seen;
    ngx_uint_t                    i, behind;
    ngx_http_bell_cache_zone_t  **zone;

    zone = f->zones->elts;
    behind = 0;

    for (i = 0; i < f->zones->nelts; i++) {
        seen = ngx_http_bell_cache_purge_seen(zone[i]);

        if (seen == 0) {
            ngx_http_bell_purges_anew(f, NGX_LOG_INFO, zone[i], last,
                                      "it has read none before");

        } else if (seen > last && f->behind
                   && ngx_http_bell_feed_due(f->behind_ms))
        {
            ngx_http_bell_purges_anew(f, NGX_LOG_WARN, zone[i], last,
                                      "their numbers have begun anew");

        } else if (seen > last) {
            behind = 1;
        }
    }

    return behind;
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
ngx_http_bell_purges_entries(ngx_http_bell_feed_t *feed,
    ngx_http_bell_feed_entry_t *entry, ngx_uint_t n)
{
    ngx_uint_t               i;
    ngx_http_bell_purges_t  *f;

    f = feed->data;

    for (i = 0; i < n; i++) {

        if (entry[i].number == 0) {
            ngx_http_bell_purges_stop_at(f);
            break;
        }

        ngx_http_bell_purges_apply(f, &entry[i]);
        f->told = 0;
    }

    ngx_http_bell_purges_next(feed);
}


/* An entry with no number: read again and again it would be the same. */

static void
ngx_http_bell_purges_stop_at(ngx_http_bell_purges_t *f)
{
    f->read_ms = ngx_current_msec + NGX_HTTP_BELL_FEED_TAIL_MS;

    if (!f->told) {
        f->told = 1;
        ngx_log_error(NGX_LOG_ERR, f->feed.log, 0,
                      "bell_cache_purges: the stream " NGX_HTTP_BELL_PURGES
                      " has an entry that no origin has put there; no "
                      "purge behind it is read until it is removed");
    }
}


static void
ngx_http_bell_purges_apply(ngx_http_bell_purges_t *f,
    ngx_http_bell_feed_entry_t *entry)
{
    uint64_t                      seen;
    ngx_uint_t                    i, good;
    bell_purge                    purge;
    ngx_http_bell_cache_zone_t  **zone;

    good = bell_purge_read(entry->value, &purge)
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
                   || ngx_http_bell_cache_purge(zone[i], &purge, f->feed.log)
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
    ngx_log_error(level, f->feed.log, 0,
                  "bell_cache_purges: purges of the zone \"%V\": %s; all that "
                  "it has is stale now, and reading goes on behind number %uL",
                  &zone->shm_zone->shm.name, why, number);

    ngx_http_bell_cache_purge_everything(zone, f->feed.log);
    ngx_http_bell_cache_purge_saw(zone, number);
}
