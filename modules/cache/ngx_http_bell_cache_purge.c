
/*
 * What was purged: tags and URLs as hashes in a table, prefixes as texts, "all"
 * as a number.  Purges of a zone are counted; an object knows up to which one
 * it was asked about.
 *
 * The table is bounded.  What is pushed out of it is remembered as "something
 * of this tenant": his objects that were not asked about since are taken for
 * purged then.  That costs him a refresh of each, and nobody else anything.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_purge.h"
#include "ngx_http_bell_cache_shelf.h"


#define NGX_HTTP_BELL_CACHE_WAYS      4
#define NGX_HTTP_BELL_CACHE_PREFIXES  64


/* numbers of purges, 0: none */

typedef struct {
    uint64_t      soft;
    uint64_t      hard;
} ngx_http_bell_cache_purged_t;


typedef struct {
    uint64_t                      hash;     /* the tenant is in it, too */
    uint32_t                      tenant_id;
    uint32_t                      unused;
    ngx_http_bell_cache_purged_t  when;
} ngx_http_bell_cache_purged_hash_t;


typedef struct {
    uint32_t                      tenant_id;
    uint32_t                      taken;
    ngx_atomic_t                  last;     /* purge of whatever kind */
    uint64_t                      last_tag;
    ngx_http_bell_cache_purged_t  all;
} ngx_http_bell_cache_purged_tenant_t;


typedef struct {
    uint64_t                      number;   /* 0: nobody's */
    uint32_t                      tenant_id;
    uint16_t                      host_len;
    uint16_t                      value_len;
    uint32_t                      is_hard;
    u_char                        text[BELL_PURGE_HOST_BYTES_MAX + 754];
} ngx_http_bell_cache_purged_prefix_t;


struct ngx_http_bell_cache_purges_s {
    uint64_t                              changed[NGX_HTTP_BELL_CACHE_PURGE_WORDS];
                                                    /* see the journal */
    uint64_t                              count;
    ngx_http_bell_cache_purged_t          everything;
    uint32_t                              nsets;    /* powers of two */
    uint32_t                              ntenants;
    ngx_http_bell_cache_purged_tenant_t   others;   /* who found no place */
    ngx_http_bell_cache_purged_prefix_t   prefixes[NGX_HTTP_BELL_CACHE_PREFIXES];

    /* then tenants, then sets of ways */
};


static void ngx_http_bell_cache_purge_changes(
    ngx_http_bell_cache_purges_t *purges, void *p, size_t len);
static ngx_http_bell_cache_purged_tenant_t *ngx_http_bell_cache_purged_tenants(
    ngx_http_bell_cache_purges_t *purges);
static ngx_http_bell_cache_purged_hash_t *ngx_http_bell_cache_purged_set(
    ngx_http_bell_cache_purges_t *purges, uint64_t hash);
static ngx_http_bell_cache_purged_tenant_t *ngx_http_bell_cache_purged_tenant(
    ngx_http_bell_cache_purges_t *purges, uint32_t tenant_id,
    ngx_uint_t create);
static void ngx_http_bell_cache_purge_hash(ngx_http_bell_cache_purges_t *purges,
    uint32_t tenant_id, uint64_t hash, ngx_uint_t is_hard);
static void ngx_http_bell_cache_purge_prefix(
    ngx_http_bell_cache_purges_t *purges, const bell_purge *p);
static ngx_http_bell_cache_purged_prefix_t *ngx_http_bell_cache_prefix_room(
    ngx_http_bell_cache_purges_t *purges);
static void ngx_http_bell_cache_purge_all(ngx_http_bell_cache_purges_t *purges,
    uint32_t tenant_id, uint64_t number, ngx_uint_t is_hard);
static void ngx_http_bell_cache_purge_said(
    ngx_http_bell_cache_purged_t *when, uint64_t number, ngx_uint_t is_hard);
static void ngx_http_bell_cache_purge_later(
    ngx_http_bell_cache_purged_t *when,
    const ngx_http_bell_cache_purged_t *other);
static ngx_http_bell_cache_purged_t ngx_http_bell_cache_purged_when(
    ngx_http_bell_cache_purges_t *purges, const bell_cache_question *asked,
    uint64_t url, uint64_t *tags, ngx_uint_t ntags);
static void ngx_http_bell_cache_purged_prefixes(
    ngx_http_bell_cache_purges_t *purges, const bell_cache_question *asked,
    ngx_http_bell_cache_purged_t *when);


/* ---- the table */

static ngx_uint_t
ngx_http_bell_cache_purge_sets(ngx_uint_t objects)
{
    ngx_uint_t  n;

    for (n = 16; n < objects / 16 && n < 16384; n *= 2) { /* void */ }

    return n;
}


/* as many tenants as sets */

size_t
ngx_http_bell_cache_purges_size(ngx_uint_t objects)
{
    ngx_uint_t  n;

    n = ngx_http_bell_cache_purge_sets(objects);

    return sizeof(ngx_http_bell_cache_purges_t)
           + n * sizeof(ngx_http_bell_cache_purged_tenant_t)
           + n * NGX_HTTP_BELL_CACHE_WAYS
             * sizeof(ngx_http_bell_cache_purged_hash_t);
}


void
ngx_http_bell_cache_purges_init(ngx_http_bell_cache_purges_t *purges,
    ngx_uint_t objects)
{
    ngx_memzero(purges, ngx_http_bell_cache_purges_size(objects));

    purges->nsets = (uint32_t) ngx_http_bell_cache_purge_sets(objects);
    purges->ntenants = purges->nsets;
}


void
ngx_http_bell_cache_purges_reset(ngx_http_bell_cache_purges_t *purges)
{
    uint32_t  n;
    uint64_t  count;

    n = purges->nsets;
    count = purges->count;

    ngx_memzero(purges, sizeof(*purges)
                + n * sizeof(ngx_http_bell_cache_purged_tenant_t)
                + n * NGX_HTTP_BELL_CACHE_WAYS
                  * sizeof(ngx_http_bell_cache_purged_hash_t));

    purges->nsets = n;
    purges->ntenants = n;

    /* loads that have begun are checked up to what it was */

    purges->count = count;
}


static void
ngx_http_bell_cache_purge_changes(ngx_http_bell_cache_purges_t *purges,
    void *p, size_t len)
{
    size_t  n, last;

    n = (size_t) ((u_char *) p - (u_char *) purges);
    last = (n + len - 1) / NGX_HTTP_BELL_CACHE_PURGE_BLOCK;

    for (n /= NGX_HTTP_BELL_CACHE_PURGE_BLOCK; n <= last; n++) {
        (void) __atomic_fetch_or(&purges->changed[n / 64],
                                 (uint64_t) 1 << (n % 64), __ATOMIC_SEQ_CST);
    }
}


void
ngx_http_bell_cache_purges_lost(ngx_http_bell_cache_purges_t *purges)
{
    ngx_memset(purges->changed, 0xff, sizeof(purges->changed));

    __atomic_store_n(&purges->everything.soft, ++purges->count,
                     __ATOMIC_RELEASE);
}


u_char *
ngx_http_bell_cache_purges_image(ngx_http_bell_cache_zone_t *zone,
    size_t *size, uint64_t **changed)
{
    uint32_t                       n;
    ngx_http_bell_cache_purges_t  *purges;

    purges = zone->sh->purges;
    n = purges->nsets;

    if (size) {
        *size = sizeof(*purges)
                + n * sizeof(ngx_http_bell_cache_purged_tenant_t)
                + n * NGX_HTTP_BELL_CACHE_WAYS
                  * sizeof(ngx_http_bell_cache_purged_hash_t);
    }

    *changed = purges->changed;

    return (u_char *) purges;
}


uint32_t
ngx_http_bell_cache_purges_layout(void)
{
    return (uint32_t) (sizeof(ngx_http_bell_cache_purges_t)
                       ^ sizeof(ngx_http_bell_cache_purged_tenant_t) << 20
                       ^ sizeof(ngx_http_bell_cache_purged_hash_t) << 26);
}


void
ngx_http_bell_cache_purges_restored(ngx_http_bell_cache_zone_t *zone,
    ngx_uint_t known, uint64_t checked)
{
    ngx_http_bell_cache_purges_t  *purges;

    ngx_http_bell_cache_lock(zone);

    purges = zone->sh->purges;

    if (known) {
        ngx_memset(purges->changed, 0xff, sizeof(purges->changed));
    }

    /* what comes is told from what was, even if some of that is lost */

    purges->count = ngx_max(purges->count, checked);

    /* nobody knows how far who was here before had come with erasing */

    zone->sh->hard = purges->count;

    if (!known) {
        ngx_http_bell_cache_purges_lost(purges);
    }

    ngx_http_bell_cache_unlock(zone);
}


static ngx_http_bell_cache_purged_tenant_t *
ngx_http_bell_cache_purged_tenants(ngx_http_bell_cache_purges_t *purges)
{
    return (ngx_http_bell_cache_purged_tenant_t *) (purges + 1);
}


static ngx_http_bell_cache_purged_hash_t *
ngx_http_bell_cache_purged_set(ngx_http_bell_cache_purges_t *purges,
    uint64_t hash)
{
    ngx_http_bell_cache_purged_hash_t  *ways;

    ways = (ngx_http_bell_cache_purged_hash_t *)
               (ngx_http_bell_cache_purged_tenants(purges) + purges->ntenants);

    return ways + (hash & (purges->nsets - 1)) * NGX_HTTP_BELL_CACHE_WAYS;
}


/*
 * The record of a tenant; without a place of his own it is that of all such.
 * Places are never given back.
 */

static ngx_http_bell_cache_purged_tenant_t *
ngx_http_bell_cache_purged_tenant(ngx_http_bell_cache_purges_t *purges,
    uint32_t tenant_id, ngx_uint_t create)
{
    uint32_t                              i, n;
    ngx_http_bell_cache_purged_tenant_t  *tenants;

    tenants = ngx_http_bell_cache_purged_tenants(purges);
    n = tenant_id * 2654435761u;

    for (i = 0; i < 16; i++) {
        ngx_http_bell_cache_purged_tenant_t *t;

        t = &tenants[(n + i) & (purges->ntenants - 1)];

        if (!__atomic_load_n(&t->taken, __ATOMIC_ACQUIRE)) {

            if (!create) {
                break;
            }

            t->tenant_id = tenant_id;
            __atomic_store_n(&t->taken, 1, __ATOMIC_RELEASE);
        }

        if (t->tenant_id == tenant_id) {

            if (create) {
                ngx_http_bell_cache_purge_changes(purges, t, sizeof(*t));
            }

            return t;
        }
    }

    return &purges->others;
}


/* ---- what is said */

static void
ngx_http_bell_cache_purge_said(ngx_http_bell_cache_purged_t *when,
    uint64_t number, ngx_uint_t is_hard)
{
    if (is_hard) {
        when->hard = number;

    } else {
        when->soft = number;
    }
}


static void
ngx_http_bell_cache_purge_later(ngx_http_bell_cache_purged_t *when,
    const ngx_http_bell_cache_purged_t *other)
{
    when->soft = ngx_max(when->soft, other->soft);
    when->hard = ngx_max(when->hard, other->hard);
}


static void
ngx_http_bell_cache_purge_all(ngx_http_bell_cache_purges_t *purges,
    uint32_t tenant_id, uint64_t number, ngx_uint_t is_hard)
{
    ngx_http_bell_cache_purged_t          when;
    ngx_http_bell_cache_purged_tenant_t  *t;

    ngx_memzero(&when, sizeof(when));
    ngx_http_bell_cache_purge_said(&when, number, is_hard);

    t = ngx_http_bell_cache_purged_tenant(purges, tenant_id, 1);

    ngx_http_bell_cache_purge_later(&t->all, &when);
}


static void
ngx_http_bell_cache_purge_hash(ngx_http_bell_cache_purges_t *purges,
    uint32_t tenant_id, uint64_t hash, ngx_uint_t is_hard)
{
    ngx_uint_t                            i;
    ngx_http_bell_cache_purged_hash_t    *way, *oldest;
    ngx_http_bell_cache_purged_tenant_t  *t;

    way = ngx_http_bell_cache_purged_set(purges, hash);
    oldest = way;

    for (i = 0; i < NGX_HTTP_BELL_CACHE_WAYS; i++, way++) {

        if (way->hash == hash && way->tenant_id == tenant_id) {
            ngx_http_bell_cache_purge_said(&way->when, purges->count, is_hard);
            ngx_http_bell_cache_purge_changes(purges, way, sizeof(*way));
            return;
        }

        if (ngx_max(way->when.soft, way->when.hard)
            < ngx_max(oldest->when.soft, oldest->when.hard))
        {
            oldest = way;
        }
    }

    if (oldest->when.soft || oldest->when.hard) {
        t = ngx_http_bell_cache_purged_tenant(purges, oldest->tenant_id, 1);
        ngx_http_bell_cache_purge_later(&t->all, &oldest->when);
    }

    ngx_memzero(oldest, sizeof(*oldest));
    ngx_http_bell_cache_purge_changes(purges, oldest, sizeof(*oldest));

    oldest->hash = hash;
    oldest->tenant_id = tenant_id;
    ngx_http_bell_cache_purge_said(&oldest->when, purges->count, is_hard);
}


/* A text that finds no place is said of all that the tenant has. */

static void
ngx_http_bell_cache_purge_prefix(ngx_http_bell_cache_purges_t *purges,
    const bell_purge *p)
{
    ngx_http_bell_cache_purged_prefix_t  *prefix;

    if (p->host.len + p->value.len > sizeof(prefix->text)) {
        ngx_http_bell_cache_purge_all(purges, p->tenant_id, purges->count,
                                      p->is_hard);
        return;
    }

    prefix = ngx_http_bell_cache_prefix_room(purges);
    ngx_http_bell_cache_purge_changes(purges, prefix, sizeof(*prefix));

    prefix->number = purges->count;
    prefix->tenant_id = p->tenant_id;
    prefix->is_hard = p->is_hard;
    prefix->host_len = (uint16_t) p->host.len;
    prefix->value_len = (uint16_t) p->value.len;

    ngx_memcpy(ngx_cpymem(prefix->text, p->host.p, p->host.len), p->value.p,
               p->value.len);
}


/* A free place, or the oldest of the tenant who has most of them. */

static ngx_http_bell_cache_purged_prefix_t *
ngx_http_bell_cache_prefix_room(ngx_http_bell_cache_purges_t *purges)
{
    ngx_uint_t                            i, j, n, most;
    ngx_http_bell_cache_purged_prefix_t  *prefix, *oldest;

    most = 0;
    oldest = NULL;

    for (i = 0; i < NGX_HTTP_BELL_CACHE_PREFIXES; i++) {
        prefix = &purges->prefixes[i];

        if (prefix->number == 0) {
            return prefix;
        }

        n = 0;

        for (j = 0; j < NGX_HTTP_BELL_CACHE_PREFIXES; j++) {
            n += purges->prefixes[j].tenant_id == prefix->tenant_id;
        }

        if (n > most || (n == most && prefix->number < oldest->number)) {
            most = n;
            oldest = prefix;
        }
    }

    ngx_http_bell_cache_purge_all(purges, oldest->tenant_id, oldest->number,
                                  oldest->is_hard);

    return oldest;
}


ngx_int_t
ngx_http_bell_cache_purge(ngx_http_bell_cache_zone_t *zone,
    const bell_purge *p, ngx_log_t *log)
{
    uint64_t                              hash;
    const char                           *fault;
    ngx_http_bell_cache_purges_t         *purges;
    ngx_http_bell_cache_purged_tenant_t  *t;

    fault = bell_purge_fault(p);
    hash = 0;

    if (fault == NULL && p->kind == BELL_PURGE_URL
        && !bell_cache_url_hash(zone->sh->key, p->tenant_id, p->host, p->value,
                                &hash))
    {
        fault = "its URL is too long";
    }

    if (fault) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "a purge of tenant %uD was refused: %s", p->tenant_id,
                      fault);
        return NGX_ERROR;
    }

    ngx_http_bell_cache_journal_begin(zone);
    ngx_http_bell_cache_lock(zone);

    purges = zone->sh->purges;
    purges->count++;
    ngx_http_bell_cache_purge_changes(purges, purges,
                       offsetof(ngx_http_bell_cache_purges_t, prefixes));

    if (p->is_hard) {
        __atomic_store_n(&zone->sh->hard, purges->count, __ATOMIC_RELEASE);
    }

    switch (p->kind) {

    case BELL_PURGE_TAG:
        hash = bell_cache_tag_hash(zone->sh->key, p->tenant_id, p->value);

        /* fall through */

    case BELL_PURGE_URL:
        ngx_http_bell_cache_purge_hash(purges, p->tenant_id, hash, p->is_hard);
        break;

    case BELL_PURGE_PREFIX:
        ngx_http_bell_cache_purge_prefix(purges, p);
        break;

    default: /* BELL_PURGE_ALL */
        ngx_http_bell_cache_purge_all(purges, p->tenant_id, purges->count,
                                      p->is_hard);
    }

    t = ngx_http_bell_cache_purged_tenant(purges, p->tenant_id, 1);

    if (p->kind == BELL_PURGE_TAG) {
        t->last_tag = purges->count;
    }

    __atomic_store_n(&t->last, purges->count, __ATOMIC_RELEASE);

    ngx_http_bell_cache_unlock(zone);
    ngx_http_bell_cache_journal_end(zone);

    ngx_log_error(NGX_LOG_INFO, log, 0,
                  "purge of tenant %uD: %s, %s", p->tenant_id,
                  bell_purge_kind_name(p->kind), p->is_hard ? "hard" : "soft");

    return NGX_OK;
}


void
ngx_http_bell_cache_purge_url(ngx_http_bell_cache_zone_t *zone,
    uint32_t tenant_id, uint64_t url)
{
    ngx_http_bell_cache_purges_t         *purges;
    ngx_http_bell_cache_purged_tenant_t  *t;

    ngx_http_bell_cache_journal_begin(zone);
    ngx_http_bell_cache_lock(zone);

    purges = zone->sh->purges;
    purges->count++;
    ngx_http_bell_cache_purge_changes(purges, purges,
                       offsetof(ngx_http_bell_cache_purges_t, prefixes));

    ngx_http_bell_cache_purge_hash(purges, tenant_id, url, 1);

    t = ngx_http_bell_cache_purged_tenant(purges, tenant_id, 1);

    __atomic_store_n(&t->last, purges->count, __ATOMIC_RELEASE);

    ngx_http_bell_cache_unlock(zone);
    ngx_http_bell_cache_journal_end(zone);
}


void
ngx_http_bell_cache_purge_everything(ngx_http_bell_cache_zone_t *zone,
    ngx_log_t *log)
{
    ngx_http_bell_cache_purges_t  *purges;

    ngx_http_bell_cache_journal_begin(zone);
    ngx_http_bell_cache_lock(zone);

    purges = zone->sh->purges;
    ngx_http_bell_cache_purge_changes(purges, purges,
                       offsetof(ngx_http_bell_cache_purges_t, prefixes));

    __atomic_store_n(&purges->everything.soft, ++purges->count,
                     __ATOMIC_RELEASE);

    ngx_http_bell_cache_unlock(zone);
    ngx_http_bell_cache_journal_end(zone);

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "purges were missed: all that zone \"%V\" holds is "
                  "refreshed when it is next asked for",
                  &zone->shm_zone->shm.name);
}


uint64_t
ngx_http_bell_cache_purge_count(ngx_http_bell_cache_zone_t *zone)
{
    return __atomic_load_n(&zone->sh->purges->count, __ATOMIC_ACQUIRE);
}


uint64_t
ngx_http_bell_cache_purge_seen(ngx_http_bell_cache_zone_t *zone)
{
    return __atomic_load_n(&zone->sh->seen, __ATOMIC_ACQUIRE);
}


void
ngx_http_bell_cache_purge_saw(ngx_http_bell_cache_zone_t *zone,
    uint64_t sequence)
{
    ngx_http_bell_cache_journal_begin(zone);
    __atomic_store_n(&zone->sh->seen, sequence, __ATOMIC_RELEASE);
    ngx_http_bell_cache_journal_end(zone);
}


/* ---- what is asked of an object */

void
ngx_http_bell_cache_purged(ngx_http_bell_cache_zone_t *zone,
    const bell_cache_question *asked, uint32_t swr_s,
    ngx_http_bell_cache_found_t *found)
{
    uint64_t                              last;
    const bell_cache_entry               *entry;
    ngx_http_bell_cache_entry_t           e;
    ngx_http_bell_cache_purged_t          when;
    ngx_http_bell_cache_purges_t         *purges;
    ngx_http_bell_cache_purged_tenant_t  *t;

    purges = zone->sh->purges;

    t = ngx_http_bell_cache_purged_tenant(purges, asked->tenant_id, 0);
    last = __atomic_load_n(&t->last, __ATOMIC_ACQUIRE);

    if (last <= found->entry.checked
        && __atomic_load_n(&purges->everything.soft, __ATOMIC_ACQUIRE)
           <= found->entry.checked)
    {
        return;
    }

    ngx_http_bell_cache_lock(zone);

    when = ngx_http_bell_cache_purged_when(purges, asked, found->entry.url,
                                           found->tags, found->head->ntags);

    if (when.hard > found->entry.checked) {
        bell_freshness_invalidate(&found->entry.times);
    }

    if (when.soft > found->entry.checked) {
        bell_freshness_soften(&found->entry.times, ngx_time(), swr_s);
    }

    found->entry.checked = purges->count;

    entry = bell_cache_index_find(zone->sh->index, &found->hash);

    if (entry) {
        ngx_memcpy(&e, entry->payload, sizeof(e));

        /* one that was confirmed meanwhile has times of its own */

        if (e.id == found->entry.id && e.version == found->entry.version
            && e.checked < found->entry.checked)
        {
            e.times = found->entry.times;
            e.checked = found->entry.checked;

            (void) bell_cache_index_set(zone->sh->index, &found->hash, &e,
                                        sizeof(e));
        }
    }

    ngx_http_bell_cache_shelf_set(zone, found);

    ngx_http_bell_cache_unlock(zone);
}


ngx_uint_t
ngx_http_bell_cache_purged_not(ngx_http_bell_cache_zone_t *zone,
    uint32_t tenant_id, uint64_t since)
{
    return ngx_http_bell_cache_purged_tenant(zone->sh->purges, tenant_id,
                                             0)->last
           <= since;
}


ngx_uint_t
ngx_http_bell_cache_purged_hard(ngx_http_bell_cache_zone_t *zone,
    const bell_cache_question *asked, uint64_t url, uint64_t *tags,
    ngx_uint_t ntags, uint64_t since)
{
    return ngx_http_bell_cache_purged_when(zone->sh->purges, asked, url, tags,
                                           ntags).hard
           > since;
}


ngx_uint_t
ngx_http_bell_cache_struck(ngx_http_bell_cache_zone_t *zone,
    const bell_cache_question *asked, uint64_t url, uint64_t since)
{
    ngx_http_bell_cache_purged_t          when;
    ngx_http_bell_cache_purges_t         *purges;
    ngx_http_bell_cache_purged_tenant_t  *t;

    purges = zone->sh->purges;
    t = ngx_http_bell_cache_purged_tenant(purges, asked->tenant_id, 0);

    if (t->last <= since && purges->everything.soft <= since) {
        return 0;
    }

    when = ngx_http_bell_cache_purged_when(purges, asked, url, NULL, 0);

    return t->last_tag > since || when.soft > since || when.hard > since;
}


static ngx_http_bell_cache_purged_t
ngx_http_bell_cache_purged_when(ngx_http_bell_cache_purges_t *purges,
    const bell_cache_question *asked, uint64_t url, uint64_t *tags,
    ngx_uint_t ntags)
{
    uint64_t                            hash;
    ngx_uint_t                          i, j;
    ngx_http_bell_cache_purged_t        when;
    ngx_http_bell_cache_purged_hash_t  *way;

    when = purges->everything;

    ngx_http_bell_cache_purge_later(&when,
        &ngx_http_bell_cache_purged_tenant(purges, asked->tenant_id, 0)->all);

    for (i = 0; i <= ntags; i++) {
        hash = i ? tags[i - 1] : url;
        way = ngx_http_bell_cache_purged_set(purges, hash);

        for (j = 0; j < NGX_HTTP_BELL_CACHE_WAYS; j++, way++) {
            if (way->hash == hash && way->tenant_id == asked->tenant_id) {
                ngx_http_bell_cache_purge_later(&when, &way->when);
            }
        }
    }

    ngx_http_bell_cache_purged_prefixes(purges, asked, &when);

    return when;
}


static void
ngx_http_bell_cache_purged_prefixes(ngx_http_bell_cache_purges_t *purges,
    const bell_cache_question *asked, ngx_http_bell_cache_purged_t *when)
{
    ngx_uint_t                            i;
    bell_purge                            p;
    ngx_http_bell_cache_purged_t          said;
    ngx_http_bell_cache_purged_prefix_t  *prefix;

    ngx_memzero(&p, sizeof(p));
    p.kind = BELL_PURGE_PREFIX;

    for (i = 0; i < NGX_HTTP_BELL_CACHE_PREFIXES; i++) {
        prefix = &purges->prefixes[i];

        if (prefix->number == 0 || prefix->tenant_id != asked->tenant_id) {
            continue;
        }

        p.tenant_id = prefix->tenant_id;
        p.host = (bell_str) { (char *) prefix->text, prefix->host_len };
        p.value = (bell_str) { (char *) prefix->text + prefix->host_len,
                               prefix->value_len };

        if (asked->target.len == 0
            || bell_purge_is_about(&p, asked->tenant_id, asked->host,
                                   asked->target))
        {
            ngx_memzero(&said, sizeof(said));
            ngx_http_bell_cache_purge_said(&said, prefix->number,
                                           prefix->is_hard);
            ngx_http_bell_cache_purge_later(when, &said);
        }
    }
}
