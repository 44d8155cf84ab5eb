
/*
 * What was purged hard is judged when it is next asked for, which may be
 * never.  So that it leaves memory as well, one worker goes over the index,
 * some places at a time: what a hard purge is about is taken out, and its
 * bytes are overwritten.  When it is through, and no fetch is under way that
 * began before the purge, nothing of it is left; up to which number that is so
 * is told among the metrics.
 *
 * The file of what is in memory goes with it.  What is in files alone is
 * judged when it is next asked for: its tags are in the file itself.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache.h"
#include "ngx_http_bell_cache_purge.h"
#include "ngx_http_bell_cache_shelf.h"


#define NGX_HTTP_BELL_CACHE_ERASE_REST_MS  250
#define NGX_HTTP_BELL_CACHE_ERASE_TURN_MS  2
#define NGX_HTTP_BELL_CACHE_ERASE_LOOKS    256      /* at places, each turn */
#define NGX_HTTP_BELL_CACHE_ERASE_HEADS    16
#define NGX_HTTP_BELL_CACHE_ERASE_BYTES    (256 * 1024)


static void ngx_http_bell_cache_erase(ngx_event_t *ev);
static ngx_uint_t ngx_http_bell_cache_erase_turn(
    ngx_http_bell_cache_main_conf_t *bmcf, ngx_http_bell_cache_zone_t *zone,
    u_char *room);
static ngx_uint_t ngx_http_bell_cache_erase_owns(
    ngx_http_bell_cache_main_conf_t *bmcf, ngx_http_bell_cache_zone_t *zone);
static void ngx_http_bell_cache_erase_some(ngx_http_bell_cache_zone_t *zone,
    u_char *room);
static uint64_t ngx_http_bell_cache_erase_entry(
    ngx_http_bell_cache_zone_t *zone, const bell_cache_entry *entry,
    ngx_http_bell_cache_entry_t *e, u_char *room);
static ngx_uint_t ngx_http_bell_cache_is_fetching_since(
    ngx_http_bell_cache_zone_t *zone, uint64_t purge);


void
ngx_http_bell_cache_erase_start(ngx_http_bell_cache_main_conf_t *bmcf)
{
    if (bmcf->zones.nelts == 0) {
        return;
    }

    ngx_http_bell_cache_timer(bmcf, &bmcf->erase, ngx_http_bell_cache_erase,
                              NGX_HTTP_BELL_CACHE_ERASE_REST_MS);
}


static void
ngx_http_bell_cache_erase(ngx_event_t *ev)
{
    u_char                           *room;
    ngx_uint_t                        i, working;
    ngx_http_bell_cache_zone_t      **zones;
    ngx_http_bell_cache_main_conf_t  *bmcf;

    bmcf = ngx_http_bell_cache_timer_conf(ev);
    zones = bmcf->zones.elts;
    working = 0;
    room = NULL;

    for (i = 0; i < bmcf->zones.nelts; i++) {
        if (zones[i]->sh->erasure.done >= zones[i]->sh->hard) {
            continue;
        }

        if (room == NULL) {
            room = ngx_alloc(NGX_HTTP_BELL_CACHE_HEAD_BYTES, ev->log);
        }

        if (room) {
            working |= ngx_http_bell_cache_erase_turn(bmcf, zones[i], room);
        }
    }

    if (room) {
        ngx_free(room);
    }

    ngx_add_timer(ev, working ? NGX_HTTP_BELL_CACHE_ERASE_TURN_MS
                              : NGX_HTTP_BELL_CACHE_ERASE_REST_MS);
}


/* Whether there is more to do at once. */

static ngx_uint_t
ngx_http_bell_cache_erase_turn(ngx_http_bell_cache_main_conf_t *bmcf,
    ngx_http_bell_cache_zone_t *zone, u_char *room)
{
    ngx_uint_t                      more;
    ngx_http_bell_cache_erasure_t  *erasure;

    erasure = &zone->sh->erasure;
    more = 0;

    ngx_http_bell_cache_lock(zone);

    if (!ngx_http_bell_cache_erase_owns(bmcf, zone)) {
        ngx_http_bell_cache_unlock(zone);
        return 0;
    }

    if (erasure->at == 0) {
        erasure->at = 1;
        erasure->late = 0;
        erasure->target_seen = ngx_http_bell_cache_purge_seen(zone);
        erasure->target = ngx_http_bell_cache_purge_count(zone);
    }

    ngx_http_bell_cache_erase_some(zone, room);

    if (erasure->at <= zone->sh->objects) {
        more = 1;

    } else {
        erasure->at = 0;

        /* what is being fetched may come to be stored: once more, then */

        if (!erasure->late
            && !ngx_http_bell_cache_is_fetching_since(zone, erasure->target))
        {
            erasure->done = erasure->target;
            erasure->seen = erasure->target_seen;
        }
    }

    ngx_http_bell_cache_unlock(zone);

    return more;
}


/* One worker does it; when he dies, the next one begins at the beginning. */

static ngx_uint_t
ngx_http_bell_cache_erase_owns(ngx_http_bell_cache_main_conf_t *bmcf,
    ngx_http_bell_cache_zone_t *zone)
{
    ngx_http_bell_process_t         self;
    ngx_http_bell_cache_erasure_t  *erasure;

    erasure = &zone->sh->erasure;
    self = bmcf->core->self();

    if (erasure->owner.slot == self.slot
        && erasure->owner.epoch == self.epoch)
    {
        return self.epoch != 0;
    }

    if (self.epoch == 0 || bmcf->core->lives(erasure->owner)) {
        return 0;
    }

    erasure->owner = self;
    erasure->at = 0;

    return 1;
}


static void
ngx_http_bell_cache_erase_some(ngx_http_bell_cache_zone_t *zone, u_char *room)
{
    uint64_t                        bytes;
    ngx_uint_t                      looks, heads;
    const bell_cache_entry         *entry;
    ngx_http_bell_cache_entry_t     e;
    ngx_http_bell_cache_erasure_t  *erasure;

    erasure = &zone->sh->erasure;
    bytes = 0;
    heads = 0;

    for (looks = 0; looks < NGX_HTTP_BELL_CACHE_ERASE_LOOKS; looks++) {

        if (erasure->at > zone->sh->objects
            || heads == NGX_HTTP_BELL_CACHE_ERASE_HEADS
            || bytes > NGX_HTTP_BELL_CACHE_ERASE_BYTES)
        {
            return;
        }

        entry = bell_cache_index_at(zone->sh->index, erasure->at++);

        if (entry == NULL) {
            continue;
        }

        ngx_memcpy(&e, entry->payload, sizeof(e));

        if (e.kind == NGX_HTTP_BELL_CACHE_OBJECT
            && e.checked < erasure->target
            && !ngx_http_bell_cache_purged_not(zone, entry->tenant_id,
                                               e.checked))
        {
            heads++;
            bytes += ngx_http_bell_cache_erase_entry(zone, entry, &e, room);
        }
    }
}


/* How many bytes have gone. */

static uint64_t
ngx_http_bell_cache_erase_entry(ngx_http_bell_cache_zone_t *zone,
    const bell_cache_entry *entry, ngx_http_bell_cache_entry_t *e,
    u_char *room)
{
    bell_str                     bytes;
    bell_cache_hash              hash;
    bell_cache_question          asked;
    ngx_http_bell_cache_found_t  found;

    if (e->head_bytes > NGX_HTTP_BELL_CACHE_HEAD_BYTES) {
        return 0;
    }

    bytes.p = (char *) room;
    bytes.len = bell_chunks_read(zone->sh->chunks, e->head, 0, room,
                                 e->head_bytes);

    /* what cannot be read is nobody's to keep */

    if (bytes.len == e->head_bytes
        && ngx_http_bell_cache_parse_head(bytes, &found) == NGX_OK
        && bell_cache_key_read(found.key, &asked)
        && !ngx_http_bell_cache_purged_hard(zone, &asked, e->url, found.tags,
                                            found.head->ntags, e->checked))
    {
        return 0;
    }

    hash = entry->hash;

    ngx_http_bell_cache_wipe(zone, e->body, e->body_bytes);
    ngx_http_bell_cache_wipe(zone, e->head, e->head_bytes);
    ngx_http_bell_cache_remove(zone, &hash);

    if (zone->shelf) {
        ngx_http_bell_cache_shelf_forget(zone, &hash, 0);
    }

    return e->head_bytes + e->body_bytes;
}


static ngx_uint_t
ngx_http_bell_cache_is_fetching_since(ngx_http_bell_cache_zone_t *zone,
    uint64_t purge)
{
    ngx_uint_t                     i;
    ngx_http_bell_cache_flight_t  *flight;

    for (i = 0; i < ngx_http_bell_cache_flights_most(); i++) {
        flight = &zone->sh->flights[i];

        if (flight->state != NGX_HTTP_BELL_CACHE_FREE
            && flight->checked < purge)
        {
            return 1;
        }
    }

    return 0;
}


uint64_t
ngx_http_bell_cache_erased(ngx_http_bell_cache_zone_t *zone)
{
    uint64_t  seen;

    /* in this order: what was seen is among what is to be done */

    seen = ngx_http_bell_cache_purge_seen(zone);

    return __atomic_load_n(&zone->sh->erasure.done, __ATOMIC_ACQUIRE)
           >= __atomic_load_n(&zone->sh->hard, __ATOMIC_ACQUIRE)
           ? seen : zone->sh->erasure.seen;
}
