
/*
 * What was purged hard is judged when it is next asked for, which may be
 * never.  So that it leaves memory as well, one worker goes over the index,
 * some places at a time: what a hard purge is about is taken out.  When it is
 * through, and no fetch is under way that began before the purge, what is left
 * of it are bytes in free chunks, whoever gave these back and why.  They are
 * overwritten, without the lock; then it goes over what is in files (see
 * ngx_http_bell_cache_unshelve.c).  Up to which number nothing is left is told
 * among the metrics.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache.h"
#include "ngx_http_bell_cache_purge.h"
#include "ngx_http_bell_cache_shelf.h"


#define NGX_HTTP_BELL_CACHE_ERASE_REST_MS  250
#define NGX_HTTP_BELL_CACHE_ERASE_TURN_MS  2
#define NGX_HTTP_BELL_CACHE_ERASE_FILES_MS 5
#define NGX_HTTP_BELL_CACHE_ERASE_LOOKS    256      /* at places, each turn */
#define NGX_HTTP_BELL_CACHE_ERASE_HEADS    16
#define NGX_HTTP_BELL_CACHE_ERASE_BYTES    (256 * 1024)
#define NGX_HTTP_BELL_CACHE_ERASE_CHUNKS   64       /* nobody has meanwhile */
#define NGX_HTTP_BELL_CACHE_ERASE_CHAINS   16       /* of so many, each turn */


static void ngx_http_bell_cache_erase(ngx_event_t *ev);
static ngx_msec_t ngx_http_bell_cache_erase_turn(
    ngx_http_bell_cache_main_conf_t *bmcf, ngx_http_bell_cache_zone_t *zone,
    u_char *room, ngx_log_t *log);
static void ngx_http_bell_cache_erase_from(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_erases_e step);
static ngx_msec_t ngx_http_bell_cache_erase_step(
    ngx_http_bell_cache_zone_t *zone, u_char *room);
static ngx_msec_t ngx_http_bell_cache_erase_flights(
    ngx_http_bell_cache_zone_t *zone);
static ngx_uint_t ngx_http_bell_cache_erase_owns(
    ngx_http_bell_cache_main_conf_t *bmcf, ngx_http_bell_cache_zone_t *zone);
static void ngx_http_bell_cache_erase_some(ngx_http_bell_cache_zone_t *zone,
    u_char *room);
static uint64_t ngx_http_bell_cache_erase_entry(
    ngx_http_bell_cache_zone_t *zone, const bell_cache_entry *entry,
    ngx_http_bell_cache_entry_t *e, u_char *room);
static void ngx_http_bell_cache_erase_chunks(ngx_http_bell_cache_zone_t *zone);
static uint32_t ngx_http_bell_cache_erase_chain(
    ngx_http_bell_cache_zone_t *zone, uint32_t wiped, ngx_uint_t *layouts);
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
    ngx_uint_t                        i;
    ngx_msec_t                        rest;
    ngx_http_bell_cache_zone_t      **zones;
    ngx_http_bell_cache_main_conf_t  *bmcf;

    bmcf = ngx_http_bell_cache_timer_conf(ev);
    zones = bmcf->zones.elts;
    rest = NGX_HTTP_BELL_CACHE_ERASE_REST_MS;
    room = NULL;

    for (i = 0; i < bmcf->zones.nelts; i++) {
        if (zones[i]->sh->erasure.done >= zones[i]->sh->hard) {
            continue;
        }

        if (room == NULL) {
            room = ngx_alloc(NGX_HTTP_BELL_CACHE_END_BYTES, ev->log);
        }

        if (room) {
            rest = ngx_min(rest, ngx_http_bell_cache_erase_turn(bmcf, zones[i],
                                                                room,
                                                                ev->log));
        }
    }

    if (room) {
        ngx_free(room);
    }

    ngx_add_timer(ev, rest);
}


/* How long it rests then. */

static ngx_msec_t
ngx_http_bell_cache_erase_turn(ngx_http_bell_cache_main_conf_t *bmcf,
    ngx_http_bell_cache_zone_t *zone, u_char *room, ngx_log_t *log)
{
    ngx_uint_t                    owns;
    ngx_msec_t                    rest;
    ngx_http_bell_cache_erases_e  step;

    rest = NGX_HTTP_BELL_CACHE_ERASE_TURN_MS;

    ngx_http_bell_cache_lock(zone);

    owns = ngx_http_bell_cache_erase_owns(bmcf, zone);
    step = zone->sh->erasure.step;

    if (owns && step != NGX_HTTP_BELL_CACHE_IN_CHUNKS
        && step != NGX_HTTP_BELL_CACHE_IN_FILES)
    {
        rest = ngx_http_bell_cache_erase_step(zone, room);
    }

    ngx_http_bell_cache_unlock(zone);

    if (!owns) {
        return NGX_HTTP_BELL_CACHE_ERASE_REST_MS;
    }

    if (step == NGX_HTTP_BELL_CACHE_IN_CHUNKS) {
        ngx_http_bell_cache_erase_chunks(zone);

    } else if (step == NGX_HTTP_BELL_CACHE_IN_FILES) {
        ngx_http_bell_cache_unshelve(zone, room, log);
        rest = NGX_HTTP_BELL_CACHE_ERASE_FILES_MS;
    }

    ngx_http_bell_cache_delete_doomed(zone, log);

    return rest;
}


static void
ngx_http_bell_cache_erase_from(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_erases_e step)
{
    zone->sh->erasure.step = step;
    zone->sh->erasure.at = 1;
    zone->sh->erasure.late = 0;
}


/* Under the lock: what is done there. */

static ngx_msec_t
ngx_http_bell_cache_erase_step(ngx_http_bell_cache_zone_t *zone, u_char *room)
{
    ngx_http_bell_cache_erasure_t  *erasure;

    erasure = &zone->sh->erasure;

    switch (erasure->step) {

    case NGX_HTTP_BELL_CACHE_RESTS:
        erasure->target_seen = ngx_http_bell_cache_purge_seen(zone);
        erasure->target = ngx_http_bell_cache_purge_count(zone);

        ngx_http_bell_cache_erase_from(zone, NGX_HTTP_BELL_CACHE_IN_MEMORY);
        break;

    case NGX_HTTP_BELL_CACHE_IN_MEMORY:
        ngx_http_bell_cache_erase_some(zone, room);

        if (erasure->at > zone->sh->objects) {
            erasure->step = NGX_HTTP_BELL_CACHE_IN_FLIGHT;
        }

        break;

    case NGX_HTTP_BELL_CACHE_IN_FLIGHT:
        return ngx_http_bell_cache_erase_flights(zone);

    default: /* NGX_HTTP_BELL_CACHE_BY_NAME */

        if (zone->shelf == NULL || zone->sh->shelf->ndoomed == 0) {
            erasure->done = erasure->target;
            erasure->seen = erasure->target_seen;
            erasure->step = NGX_HTTP_BELL_CACHE_RESTS;
        }
    }

    return NGX_HTTP_BELL_CACHE_ERASE_TURN_MS;
}


/*
 * What was being fetched has come to be stored, perhaps: once more, then.  When
 * none of that is under way, nothing of it comes to files any more.
 */

static ngx_msec_t
ngx_http_bell_cache_erase_flights(ngx_http_bell_cache_zone_t *zone)
{
    if (ngx_http_bell_cache_is_fetching_since(zone,
                                              zone->sh->erasure.target))
    {
        return NGX_HTTP_BELL_CACHE_ERASE_REST_MS;
    }

    ngx_http_bell_cache_erase_from(zone,
                                   zone->sh->erasure.late
                                   ? NGX_HTTP_BELL_CACHE_IN_MEMORY
                                   : NGX_HTTP_BELL_CACHE_IN_CHUNKS);

    return NGX_HTTP_BELL_CACHE_ERASE_TURN_MS;
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
    erasure->step = NGX_HTTP_BELL_CACHE_RESTS;

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
            && ((e.times.flags & BELL_TIMES_INVALID)
                || (e.checked < erasure->target
                    && !ngx_http_bell_cache_purged_not(zone, entry->tenant_id,
                                                       e.checked))))
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

    /*
     * What cannot be read is nobody's to keep; nor is what somebody has asked
     * for since it was purged, and the origin has not confirmed.
     */

    if (!(e->times.flags & BELL_TIMES_INVALID)
        && bytes.len == e->head_bytes
        && ngx_http_bell_cache_parse_head(bytes, &found) == NGX_OK
        && bell_cache_key_read(found.key, &asked)
        && !ngx_http_bell_cache_purged_hard(zone, &asked, e->url, found.tags,
                                            found.head->ntags, e->checked))
    {
        return 0;
    }

    hash = entry->hash;

    ngx_http_bell_cache_remove(zone, &hash);

    return e->head_bytes + e->body_bytes;
}


/* ---- what is overwritten */

/*
 * Free chunks that were used, some at a time: nobody has them meanwhile.  Who
 * dies with them leaves them to the next one, who begins with them.  A zone
 * that begins anew has others there.
 */

static void
ngx_http_bell_cache_erase_chunks(ngx_http_bell_cache_zone_t *zone)
{
    uint32_t                       n, chain;
    ngx_uint_t                     i, layouts;
    ngx_http_bell_cache_shared_t  *sh;

    sh = zone->sh;
    chain = 0;
    layouts = 0;

    for (i = 0; i < NGX_HTTP_BELL_CACHE_ERASE_CHAINS; i++) {
        chain = ngx_http_bell_cache_erase_chain(zone, chain, &layouts);

        if (chain == 0) {
            return;
        }

        for (n = chain; n && sh->layouts == layouts; /* void */ ) {
            n = bell_chunks_wipe(sh->chunks, n);
        }
    }

    (void) ngx_http_bell_cache_erase_chain(zone, chain, &layouts);
}


/* The next one, behind one that is done; takes the lock.  0: there is none. */

static uint32_t
ngx_http_bell_cache_erase_chain(ngx_http_bell_cache_zone_t *zone,
    uint32_t wiped, ngx_uint_t *layouts)
{
    ngx_http_bell_cache_shared_t   *sh;
    ngx_http_bell_cache_erasure_t  *erasure;

    sh = zone->sh;
    erasure = &sh->erasure;

    ngx_http_bell_cache_lock(zone);

    if (wiped && sh->layouts == *layouts) {
        bell_chunks_give_wiped(sh->chunks, wiped);
        erasure->wiping = 0;
    }

    if (erasure->wiping == 0) {
        erasure->wiping = bell_chunks_take_used(sh->chunks,
                                           NGX_HTTP_BELL_CACHE_ERASE_CHUNKS);
    }

    if (erasure->wiping == 0) {
        ngx_http_bell_cache_erase_from(zone,
                                       zone->shelf && !sh->shelf->off
                                       ? NGX_HTTP_BELL_CACHE_IN_FILES
                                       : NGX_HTTP_BELL_CACHE_BY_NAME);
    }

    wiped = erasure->wiping;
    *layouts = sh->layouts;

    ngx_http_bell_cache_unlock(zone);

    return wiped;
}


/* ---- how far that is */

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
