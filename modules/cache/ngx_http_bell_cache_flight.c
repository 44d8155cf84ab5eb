
/*
 * Flights: what is being brought, so that many wait for one.  A flight names
 * the process that brings it, and counts those who look at it by the slots of
 * their processes: whoever is killed leaves nothing behind that could not be
 * told from the living.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_flight.h"
#include "ngx_http_bell_cache_purge.h"
#include "ngx_http_bell_cache_shelf.h"


#define NGX_HTTP_BELL_CACHE_FLIGHTS  1024   /* a power of two */
#define NGX_HTTP_BELL_CACHE_SHARE    3      /* of what is free beside it */


static uint16_t *ngx_http_bell_cache_flying_of(
    ngx_http_bell_cache_shared_t *sh, uint32_t tenant_id);
static ngx_uint_t ngx_http_bell_cache_changed(
    ngx_http_bell_cache_zone_t *zone, bell_cache_hash *hash,
    ngx_http_bell_cache_found_t *found);
static void ngx_http_bell_cache_leave_as(ngx_http_bell_cache_zone_t *zone,
    const ngx_http_bell_core_api_t *core, ngx_http_bell_cache_ref_t *ref,
    ngx_uint_t lands);
static ngx_http_bell_cache_join_e ngx_http_bell_cache_start(
    ngx_http_bell_cache_ctx_t *ctx, bell_cache_hash *hash,
    ngx_http_bell_cache_how_e how, uint64_t pool,
    ngx_http_bell_cache_flight_t **started);
static void ngx_http_bell_cache_forget_slot(ngx_http_bell_cache_zone_t *zone,
    ngx_uint_t slot);


size_t
ngx_http_bell_cache_flights_size(void)
{
    return NGX_HTTP_BELL_CACHE_FLIGHTS
           * (sizeof(ngx_http_bell_cache_flight_t) + sizeof(uint32_t));
}


ngx_uint_t
ngx_http_bell_cache_flights_most(void)
{
    return NGX_HTTP_BELL_CACHE_FLIGHTS;
}


size_t
ngx_http_bell_cache_places_size(void)
{
    return bell_places_size(NGX_HTTP_BELL_CACHE_FLIGHTS);
}


/*
 * Serials go on, so that nobody takes a flight for the one that he had before
 * the zone began anew.
 */

void
ngx_http_bell_cache_flights_reset(ngx_http_bell_cache_shared_t *sh)
{
    uint32_t  n;

    ngx_memzero(sh->flights, ngx_http_bell_cache_flights_size());

    sh->buckets = (uint32_t *) (sh->flights + NGX_HTTP_BELL_CACHE_FLIGHTS);

    for (n = 1; n < NGX_HTTP_BELL_CACHE_FLIGHTS; n++) {
        sh->flights[n - 1].next = n + 1;
    }

    ngx_memzero(sh->flying_of, sizeof(sh->flying_of));
    ngx_memzero(sh->windows, sizeof(sh->windows));

    sh->free_flight = 1;
    sh->flying = 0;
    sh->held = 0;

    bell_places_init(sh->places, NGX_HTTP_BELL_CACHE_FLIGHTS);
}


/* ---- readers */

ngx_http_bell_cache_join_e
ngx_http_bell_cache_join(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_how_e how, ngx_http_bell_cache_ref_t *ref)
{
    uint64_t                       pool;
    bell_cache_hash               *hash;
    ngx_http_bell_process_t        self;
    ngx_http_bell_cache_join_e     join;
    ngx_http_bell_cache_zone_t    *zone;
    ngx_http_bell_cache_flight_t  *flight;

    zone = ctx->zone;
    self = ctx->bmcf->core->self();
    hash = ctx->variant_key.len ? &ctx->variant_hash : &ctx->hash;

    if (self.epoch == 0) {
        return NGX_HTTP_BELL_CACHE_NO_ROOM;
    }

    ngx_http_bell_cache_ask_url(ctx);
    pool = ngx_http_bell_cache_pool(ctx);

    ngx_http_bell_cache_lock(zone);
    ngx_http_bell_cache_flight_enter(zone, self);

    flight = ngx_http_bell_cache_flight_find(zone->sh, hash);

    /* what was asked before a change is not for who asks behind it */

    if (flight
        && ngx_http_bell_cache_place_of(zone, flight) != BELL_PLACE_WAITS
        && ngx_http_bell_cache_struck(zone, &ctx->asked, ctx->url,
                                      flight->checked))
    {
        ngx_http_bell_cache_flight_unlink(zone->sh, flight);
        flight = NULL;
    }

    if (flight && flight->refs[self.slot] == UINT16_MAX) {

        /* as many of one process as can be counted */

        flight = NULL;
        join = NGX_HTTP_BELL_CACHE_NO_ROOM;

    } else if (flight) {
        join = NGX_HTTP_BELL_CACHE_JOINED;

        if (how == NGX_HTTP_BELL_CACHE_WAITS) {
            ngx_http_bell_cache_flight_refs(flight, self.slot, 1);
            ngx_http_bell_cache_place_behind(zone, flight, 0);
        }

    } else if (ngx_http_bell_cache_changed(zone, hash, &ctx->found)) {
        join = NGX_HTTP_BELL_CACHE_CHANGED;

    } else {
        join = ngx_http_bell_cache_start(ctx, hash, how, pool, &flight);
    }

    if (flight) {
        ref->number = (uint32_t) (flight - zone->sh->flights) + 1;
        ref->serial = flight->serial;
    }

    ngx_http_bell_cache_unlock(zone);
    ngx_http_bell_cache_tell_owners(zone, ctx->bmcf->core);

    /* a reference that is nobody's */

    if (join == NGX_HTTP_BELL_CACHE_JOINED
        && how != NGX_HTTP_BELL_CACHE_WAITS)
    {
        ref->number = 0;
    }

    return join;
}


/* Under the lock: a flight of this process. */

static ngx_http_bell_cache_join_e
ngx_http_bell_cache_start(ngx_http_bell_cache_ctx_t *ctx,
    bell_cache_hash *hash, ngx_http_bell_cache_how_e how, uint64_t pool,
    ngx_http_bell_cache_flight_t **started)
{
    ngx_http_bell_cache_zone_t    *zone;
    ngx_http_bell_cache_flight_t  *flight;

    zone = ctx->zone;
    *started = NULL;

    flight = ngx_http_bell_cache_flight_new(zone->sh, hash,
                                            ctx->asked.tenant_id);

    if (flight == NULL) {

        /* where it is said how much is fetched, nothing is beside that */

        if (!ctx->blcf->fetches.set || how == NGX_HTTP_BELL_CACHE_FIRST) {
            return NGX_HTTP_BELL_CACHE_NO_ROOM;
        }

        zone->sh->refused++;
        return NGX_HTTP_BELL_CACHE_REFUSED;
    }

    flight->owner = ctx->bmcf->core->self();
    flight->checked = ngx_http_bell_cache_purge_count(zone);

    if (ngx_http_bell_cache_place(ctx, flight, pool, how)
        == BELL_PLACE_REFUSED)
    {
        ngx_http_bell_cache_flight_free(zone, flight);
        return NGX_HTTP_BELL_CACHE_REFUSED;
    }

    ngx_http_bell_cache_flight_refs(flight, flight->owner.slot,
                             how == NGX_HTTP_BELL_CACHE_BEHIND ? 1 : 2);
    *started = flight;

    return NGX_HTTP_BELL_CACHE_STARTED;
}


ngx_http_bell_cache_join_e
ngx_http_bell_cache_alone(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_ref_t *ref)
{
    uint64_t                       pool;
    ngx_http_bell_process_t        self;
    ngx_http_bell_cache_join_e     join;
    ngx_http_bell_cache_zone_t    *zone;
    ngx_http_bell_cache_flight_t  *flight;

    zone = ctx->zone;
    self = ctx->bmcf->core->self();

    if (self.epoch == 0) {
        return NGX_HTTP_BELL_CACHE_NO_ROOM;
    }

    pool = ngx_http_bell_cache_pool(ctx);

    ngx_http_bell_cache_lock(zone);
    ngx_http_bell_cache_flight_enter(zone, self);

    join = ngx_http_bell_cache_start(ctx, &ctx->hash,
                                     NGX_HTTP_BELL_CACHE_WAITS, pool, &flight);

    if (join == NGX_HTTP_BELL_CACHE_STARTED) {
        ngx_http_bell_cache_flight_unlink(zone->sh, flight);
        ngx_http_bell_cache_flight_refs(flight, self.slot, -1);

        ref->number = (uint32_t) (flight - zone->sh->flights) + 1;
        ref->serial = flight->serial;
    }

    ngx_http_bell_cache_unlock(zone);
    ngx_http_bell_cache_tell_owners(zone, ctx->bmcf->core);

    return join;
}


/*
 * Somebody has brought it, or confirmed it, since this reader looked: no
 * flight is there any more, and another one is not needed.
 */

static ngx_uint_t
ngx_http_bell_cache_changed(ngx_http_bell_cache_zone_t *zone,
    bell_cache_hash *hash, ngx_http_bell_cache_found_t *found)
{
    const bell_cache_entry       *entry;
    ngx_http_bell_cache_entry_t   e;

    entry = bell_cache_index_find(zone->sh->index, hash);

    if (entry == NULL) {
        return ngx_http_bell_cache_shelf_changed(zone, hash, found);
    }

    ngx_memcpy(&e, entry->payload, sizeof(e));

    return e.id != found->entry.id || e.version != found->entry.version;
}


void
ngx_http_bell_cache_leave(ngx_http_bell_cache_zone_t *zone,
    const ngx_http_bell_core_api_t *core, ngx_http_bell_cache_ref_t *ref)
{
    ngx_http_bell_cache_leave_as(zone, core, ref, 0);
}


void
ngx_http_bell_cache_land(ngx_http_bell_cache_zone_t *zone,
    const ngx_http_bell_core_api_t *core, ngx_http_bell_cache_ref_t *ref)
{
    ngx_http_bell_cache_leave_as(zone, core, ref, 1);
}


static void
ngx_http_bell_cache_leave_as(ngx_http_bell_cache_zone_t *zone,
    const ngx_http_bell_core_api_t *core, ngx_http_bell_cache_ref_t *ref,
    ngx_uint_t lands)
{
    ngx_http_bell_process_t        self;
    ngx_http_bell_cache_flight_t  *flight;

    self = core->self();

    ngx_http_bell_cache_lock(zone);

    flight = ngx_http_bell_cache_flight(zone, ref);

    if (flight && flight->refs[self.slot]) {

        if (lands) {
            ngx_http_bell_cache_place_give(zone, flight);
        }

        ngx_http_bell_cache_flight_refs(flight, self.slot, -1);

        /* who has left was perhaps the one who was waited for, or the last */

        if (flight->window) {
            zone->to_wake |= (uint64_t) 1 << flight->owner.slot;
        }

        /* what is left is its load's */

        if (flight->nrefs == 1) {
            ngx_http_bell_cache_place_behind(zone, flight, 1);
        }

        if (flight->nrefs == 0) {
            ngx_http_bell_cache_flight_free(zone, flight);
        }
    }

    ngx_http_bell_cache_unlock(zone);
    ngx_http_bell_cache_tell_owners(zone, core);

    ref->number = 0;
}


ngx_http_bell_cache_flight_t *
ngx_http_bell_cache_flight(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_ref_t *ref)
{
    ngx_http_bell_cache_flight_t  *flight;

    if (ref->number == 0) {
        return NULL;
    }

    flight = &zone->sh->flights[ref->number - 1];

    return flight->serial == ref->serial ? flight : NULL;
}


void
ngx_http_bell_cache_waits(const ngx_http_bell_core_api_t *core,
    ngx_http_bell_cache_flight_t *flight)
{
    (void) __atomic_fetch_or(&flight->waiters,
                             (ngx_atomic_uint_t) 1 << core->self().slot,
                             __ATOMIC_SEQ_CST);

    /* some of it has come, and was kept back while nobody waited */

    if (__atomic_load_n(&flight->batched, __ATOMIC_SEQ_CST)
        && __atomic_exchange_n(&flight->batched, 0, __ATOMIC_SEQ_CST))
    {
        core->wake(flight->owner.slot);
    }
}


void
ngx_http_bell_cache_wake(const ngx_http_bell_core_api_t *core,
    ngx_http_bell_cache_flight_t *flight)
{
    ngx_uint_t         slot;
    ngx_atomic_uint_t  waiters;

    waiters = __atomic_exchange_n(&flight->waiters, 0, __ATOMIC_SEQ_CST);

    for (slot = 0; waiters; slot++, waiters >>= 1) {
        if (waiters & 1) {
            core->wake(slot);
        }
    }
}


/* ---- flights, under the lock */

ngx_http_bell_cache_flight_t *
ngx_http_bell_cache_flight_find(ngx_http_bell_cache_shared_t *sh,
    bell_cache_hash *hash)
{
    uint32_t                       n;
    ngx_http_bell_cache_flight_t  *flight;

    n = sh->buckets[hash->words[0] & (NGX_HTTP_BELL_CACHE_FLIGHTS - 1)];

    while (n) {
        flight = &sh->flights[n - 1];

        if (flight->hash.words[0] == hash->words[0]
            && flight->hash.words[1] == hash->words[1])
        {
            return flight;
        }

        n = flight->next;
    }

    return NULL;
}


/* Of a tenant; those whose numbers are alike in this share one. */

static uint16_t *
ngx_http_bell_cache_flying_of(ngx_http_bell_cache_shared_t *sh,
    uint32_t tenant_id)
{
    return &sh->flying_of[tenant_id % NGX_HTTP_BELL_CACHE_FLYING_OF];
}


/*
 * A tenant has three times as many as are free at most (Choudhury and Hahne,
 * "Dynamic queue length thresholds", 1998): one alone three quarters of all,
 * and however many have what they may, something is left for who has little.
 */

ngx_http_bell_cache_flight_t *
ngx_http_bell_cache_flight_new(ngx_http_bell_cache_shared_t *sh,
    bell_cache_hash *hash, uint32_t tenant_id)
{
    uint16_t                      *own;
    uint32_t                       n, *bucket;
    ngx_http_bell_cache_flight_t  *flight;

    n = sh->free_flight;
    own = ngx_http_bell_cache_flying_of(sh, tenant_id);

    if (n == 0
        || *own >= NGX_HTTP_BELL_CACHE_SHARE
                   * (NGX_HTTP_BELL_CACHE_FLIGHTS - sh->flying))
    {
        return NULL;
    }

    flight = &sh->flights[n - 1];
    sh->free_flight = flight->next;
    sh->flying++;
    *own += 1;

    ngx_memzero(flight, sizeof(*flight));

    flight->tenant_id = tenant_id;

    bucket = &sh->buckets[hash->words[0] & (NGX_HTTP_BELL_CACHE_FLIGHTS - 1)];

    flight->next = *bucket;
    *bucket = n;

    flight->linked = 1;
    flight->hash = *hash;
    flight->state = NGX_HTTP_BELL_CACHE_ASKING;
    flight->length = -1;
    flight->serial = ++sh->serials;

    return flight;
}


void
ngx_http_bell_cache_flight_unlink(ngx_http_bell_cache_shared_t *sh,
    ngx_http_bell_cache_flight_t *flight)
{
    uint32_t  n, *at;

    if (!flight->linked) {
        return;
    }

    n = (uint32_t) (flight - sh->flights) + 1;
    at = &sh->buckets[flight->hash.words[0]
                      & (NGX_HTTP_BELL_CACHE_FLIGHTS - 1)];

    while (*at != n) {
        at = &sh->flights[*at - 1].next;
    }

    *at = flight->next;
    flight->linked = 0;
}


void
ngx_http_bell_cache_flight_free(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight)
{
    ngx_http_bell_cache_shared_t  *sh;

    sh = zone->sh;

    ngx_http_bell_cache_flight_unlink(sh, flight);

    ngx_http_bell_cache_drop(zone, flight->entry.head);
    ngx_http_bell_cache_drop(zone, flight->entry.body);

    ngx_http_bell_cache_shelf_released(zone, flight);

    if (flight->window) {
        sh->windows[flight->window - 1].serial = 0;
    }

    sh->held -= flight->held;
    sh->flying--;
    *ngx_http_bell_cache_flying_of(sh, flight->tenant_id) -= 1;

    flight->serial = 0;
    flight->state = NGX_HTTP_BELL_CACHE_FREE;
    flight->next = sh->free_flight;
    sh->free_flight = (uint32_t) (flight - sh->flights) + 1;
}


void
ngx_http_bell_cache_flight_ends(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight, ngx_http_bell_cache_state_e state)
{
    ngx_http_bell_cache_flight_unlink(zone->sh, flight);

    __atomic_store_n(&flight->state, state, __ATOMIC_SEQ_CST);
}


/*
 * Flights have half of the chunks at most: what is stored has to give way to
 * them, and would else be gone for what nobody may ask for again.  Those of
 * one tenant have three quarters of that: clients who hardly read can keep
 * theirs for as long as they like, and others' have to go on.
 */

ngx_int_t
ngx_http_bell_cache_flight_room(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight, uint64_t chunks)
{
    uint64_t                       most, others;
    ngx_uint_t                     i;
    ngx_http_bell_cache_flight_t  *f;
    ngx_http_bell_cache_shared_t  *sh;

    sh = zone->sh;
    most = sh->nchunks / 2;

    if (sh->held + chunks > most) {
        return NGX_DECLINED;
    }

    most -= most / 4;

    if (sh->held + chunks <= most) {
        return NGX_OK;
    }

    for (i = 0, others = 0; i < NGX_HTTP_BELL_CACHE_FLIGHTS; i++) {
        f = &sh->flights[i];

        if (f != flight && f->state != NGX_HTTP_BELL_CACHE_FREE
            && f->tenant_id == flight->tenant_id)
        {
            others += f->held;
        }
    }

    /* one alone may be as large as any */

    return others == 0 || others + flight->held + chunks <= most
           ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_http_bell_cache_flight_take(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight, uint64_t head_bytes,
    uint64_t body_bytes)
{
    uint64_t                       n;
    ngx_http_bell_cache_shared_t  *sh;

    sh = zone->sh;

    n = bell_chunks_for(sh->chunks, head_bytes)
        + (body_bytes ? bell_chunks_for(sh->chunks, body_bytes) : 0);

    if (ngx_http_bell_cache_flight_room(zone, flight, n) != NGX_OK) {
        return NGX_DECLINED;
    }

    flight->entry.head = ngx_http_bell_cache_take(zone, head_bytes);

    if (flight->entry.head == 0) {
        return NGX_DECLINED;
    }

    if (body_bytes) {
        flight->entry.body = ngx_http_bell_cache_take(zone, body_bytes);

        if (flight->entry.body == 0) {
            ngx_http_bell_cache_drop(zone, flight->entry.head);
            flight->entry.head = 0;
            return NGX_DECLINED;
        }
    }

    flight->held = n;
    sh->held += n;

    return NGX_OK;
}


/* Room for so many bytes of a body in all. */

ngx_int_t
ngx_http_bell_cache_flight_grow(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight, uint64_t body_bytes)
{
    uint64_t                       has, n;
    ngx_http_bell_cache_shared_t  *sh;

    sh = zone->sh;

    has = flight->held - bell_chunks_for(sh->chunks, flight->entry.head_bytes);
    n = bell_chunks_for(sh->chunks, body_bytes);

    if (n <= has) {
        return NGX_OK;
    }

    n -= has;

    if (ngx_http_bell_cache_flight_room(zone, flight, n) != NGX_OK
        || ngx_http_bell_cache_spare(zone, n) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (flight->entry.body == 0) {
        flight->entry.body = bell_chunks_take(sh->chunks, n);
        sh->refs[flight->entry.body] = 1;

    } else if (!bell_chunks_extend(sh->chunks, flight->entry.body, n)) {
        return NGX_DECLINED;
    }

    flight->held += n;
    sh->held += n;

    return NGX_OK;
}


/* ---- processes */

void
ngx_http_bell_cache_flight_refs(ngx_http_bell_cache_flight_t *flight, ngx_uint_t slot,
    ngx_int_t n)
{
    flight->refs[slot] += n;
    flight->nrefs += n;
}


/* Who had the slot before is dead, and so are his references. */

void
ngx_http_bell_cache_flight_enter(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_process_t self)
{
    uint32_t  *epoch;

    epoch = &zone->sh->epochs[self.slot];

    if (*epoch == self.epoch) {
        return;
    }

    if (*epoch) {
        ngx_http_bell_cache_forget_slot(zone, self.slot);
    }

    *epoch = self.epoch;
}


static void
ngx_http_bell_cache_forget_slot(ngx_http_bell_cache_zone_t *zone,
    ngx_uint_t slot)
{
    ngx_uint_t                     i;
    ngx_http_bell_cache_flight_t  *flight;

    for (i = 0; i < NGX_HTTP_BELL_CACHE_FLIGHTS; i++) {
        flight = &zone->sh->flights[i];

        if (flight->state == NGX_HTTP_BELL_CACHE_FREE
            || flight->refs[slot] == 0)
        {
            continue;
        }

        ngx_http_bell_cache_flight_refs(flight, slot,
                                 - (ngx_int_t) flight->refs[slot]);

        if (flight->owner.slot == slot) {
            ngx_http_bell_cache_place_give(zone, flight);

        } else if (flight->window) {
            zone->to_wake |= (uint64_t) 1 << flight->owner.slot;
        }

        /* also one that was overtaken by a change: some may wait for it yet */

        if (flight->owner.slot == slot
            && (flight->state == NGX_HTTP_BELL_CACHE_ASKING
                || flight->state == NGX_HTTP_BELL_CACHE_COMING
                || flight->state == NGX_HTTP_BELL_CACHE_PASSING))
        {
            ngx_http_bell_cache_flight_ends(zone, flight,
                                            NGX_HTTP_BELL_CACHE_ORPHANED);
        }

        if (flight->nrefs == 0) {
            ngx_http_bell_cache_flight_free(zone, flight);
        }
    }
}


/*
 * Of a process that begins, and of those who have waited for a while.  Whoever
 * waits for an orphan is woken, whatever else he may wait for.
 */

void
ngx_http_bell_cache_sweep(ngx_http_bell_cache_zone_t *zone,
    const ngx_http_bell_core_api_t *core)
{
    ngx_uint_t                     i, slot;
    ngx_http_bell_process_t        process;
    ngx_http_bell_cache_shared_t  *sh;

    sh = zone->sh;

    ngx_http_bell_cache_lock(zone);

    if (core->self().epoch) {
        ngx_http_bell_cache_flight_enter(zone, core->self());
    }

    for (slot = 0; slot < NGX_HTTP_BELL_PROCESSES; slot++) {
        process.slot = (uint32_t) slot;
        process.epoch = sh->epochs[slot];

        if (process.epoch && !core->lives(process)) {
            ngx_http_bell_cache_forget_slot(zone, slot);
            sh->epochs[slot] = 0;
        }
    }

    ngx_http_bell_cache_unlock(zone);
    ngx_http_bell_cache_tell_owners(zone, core);

    for (i = 0; i < NGX_HTTP_BELL_CACHE_FLIGHTS; i++) {
        if (sh->flights[i].state == NGX_HTTP_BELL_CACHE_ORPHANED) {
            ngx_http_bell_cache_wake(core, &sh->flights[i]);
        }
    }
}
