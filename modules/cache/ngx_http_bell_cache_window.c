
/*
 * Windows.  What turns out to be too large to be kept while many wait for it is
 * passed on to all of them, by one load: of its body there are the last bytes
 * only, in chunks that are written round and round.  Each process tells how far
 * the last of its readers is, and what he has not read yet is not overwritten,
 * so that it goes as fast as they take it.
 *
 * One who hardly reads would hold up all others.  While somebody else has all
 * that there is, he is waited for a second, for each quarter of the window at
 * most; then the others go on.  What he lacks he gets by a load of his own (see
 * ngx_http_bell_cache_resume.c).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_flight.h"
#include "ngx_http_bell_cache_load.h"
#include "ngx_http_bell_cache_reader.h"
#include "ngx_http_bell_cache_shelf.h"


#define NGX_HTTP_BELL_CACHE_WINDOW_LEAST  (64 * 1024)
#define NGX_HTTP_BELL_CACHE_LAG_MS        1000


static ngx_int_t ngx_http_bell_cache_window_new(
    ngx_http_bell_cache_zone_t *zone, ngx_http_bell_cache_flight_t *flight);
static uint64_t ngx_http_bell_cache_window_room(
    ngx_http_bell_cache_zone_t *zone, ngx_http_bell_cache_flight_t *flight);
static void ngx_http_bell_cache_window_open(ngx_http_bell_cache_load_t *load);
static ngx_int_t ngx_http_bell_cache_window_put(
    ngx_http_bell_cache_load_t *load, ngx_http_bell_cache_flight_t *flight,
    u_char *p, size_t len);
static uint64_t ngx_http_bell_cache_window_lowest(
    ngx_http_bell_cache_load_t *load, ngx_http_bell_cache_flight_t *flight);
static size_t ngx_http_bell_cache_window_next(
    ngx_http_bell_cache_load_t *load, ngx_http_bell_cache_flight_t *flight,
    size_t len);
static void ngx_http_bell_cache_window_stalls(
    ngx_http_bell_cache_load_t *load);
static void ngx_http_bell_cache_window_goes_on(
    ngx_http_bell_cache_load_t *load, ngx_http_bell_cache_flight_t *flight);
static void ngx_http_bell_cache_window_lags(ngx_event_t *ev);
static void ngx_http_bell_cache_window_tell(ngx_event_t *ev);


/* ---- its beginning */

ngx_uint_t
ngx_http_bell_cache_window_may(ngx_http_bell_cache_load_t *load,
    ngx_http_request_t *r)
{
    bell_str                       etag;
    ngx_http_bell_cache_flight_t  *flight;

    flight = ngx_http_bell_cache_flight(load->ctx.zone, &load->flight);

    /* who falls behind goes on alone, and needs a strong tag for that */

    return flight && flight->nrefs > (load->reader ? 2 : 1)
           && load->length > 0 && load->ctx.asked.part_bytes == 0
           && load->ctx.blcf->uncacheable
           && ngx_http_bell_cache_list_field(&r->upstream->headers_in.headers,
                                             BELL_STR("etag"), 0, &etag)
           && etag.len >= 2 && etag.p[0] == '"';
}


void
ngx_http_bell_cache_window_known(ngx_http_bell_cache_load_t *load)
{
    if (load->full) {
        ngx_http_bell_cache_remember(load, BELL_STORE_NOT_USABLE, 1);

    } else {
        ngx_http_bell_cache_remember(load, BELL_STORE_NOT_SIZE,
                                     load->ctx.blcf->uncacheable);
    }
}


ngx_int_t
ngx_http_bell_cache_window_take(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight, uint64_t head_bytes)
{
    ngx_http_bell_cache_entry_t  *entry;

    entry = &flight->entry;

    if (ngx_http_bell_cache_flight_take(zone, flight, head_bytes,
                                        NGX_HTTP_BELL_CACHE_WINDOW_BYTES)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    entry->head_bytes = (uint32_t) head_bytes;

    if (ngx_http_bell_cache_window_new(zone, flight) == NGX_OK) {
        return NGX_OK;
    }

    ngx_http_bell_cache_drop(zone, entry->head);
    ngx_http_bell_cache_drop(zone, entry->body);

    zone->sh->held -= flight->held;

    entry->head = 0;
    entry->body = 0;
    flight->held = 0;

    return NGX_DECLINED;
}


/* One of the zone's windows, for the chunks that the body has. */

static ngx_int_t
ngx_http_bell_cache_window_new(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight)
{
    ngx_uint_t                     i, own;
    ngx_http_bell_cache_window_t  *windows, *free;

    windows = zone->sh->windows;
    free = NULL;
    own = 0;

    for (i = 0; i < NGX_HTTP_BELL_CACHE_WINDOWS; i++) {

        if (windows[i].serial == 0) {
            free = &windows[i];

        } else if (windows[i].tenant_id == flight->tenant_id) {
            own++;
        }
    }

    /* half of them are one tenant's at most */

    if (free == NULL || own >= NGX_HTTP_BELL_CACHE_WINDOWS / 2) {
        return NGX_DECLINED;
    }

    ngx_memzero(free, sizeof(*free));

    free->serial = flight->serial;
    free->tenant_id = flight->tenant_id;

    flight->window_bytes = ngx_http_bell_cache_window_room(zone, flight);

    /* at last: who sees it goes by the other two */

    __atomic_store_n(&flight->window, (uint32_t) (free - windows) + 1,
                     __ATOMIC_SEQ_CST);

    return NGX_OK;
}


/* What the chunks of the body have, which is more than was asked for. */

static uint64_t
ngx_http_bell_cache_window_room(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight)
{
    return (flight->held
            - bell_chunks_for(zone->sh->chunks, flight->entry.head_bytes))
           * (NGX_HTTP_BELL_CACHE_CHUNK - BELL_CHUNKS_HEAD_BYTES);
}


ngx_int_t
ngx_http_bell_cache_window_begin(ngx_http_bell_cache_load_t *load)
{
    size_t                         left;
    ngx_int_t                      rc;
    ngx_http_bell_cache_zone_t    *zone;
    ngx_http_bell_cache_flight_t  *flight;

    zone = load->ctx.zone;
    left = load->batch ? load->batch->last - load->batch->pos : 0;
    rc = NGX_DECLINED;

    ngx_http_bell_cache_lock(zone);

    flight = ngx_http_bell_cache_flight(zone, &load->flight);

    if (flight && flight->nrefs > (load->reader ? 2 : 1)) {

        /* as much as there is, where that is enough */

        (void) ngx_http_bell_cache_flight_grow(zone, flight,
                                         NGX_HTTP_BELL_CACHE_WINDOW_BYTES);

        if (ngx_http_bell_cache_window_room(zone, flight)
            >= NGX_HTTP_BELL_CACHE_WINDOW_LEAST)
        {
            /* what is in a file stays there */

            flight->window_at = flight->filed ? load->written - left : 0;

            rc = ngx_http_bell_cache_window_new(zone, flight);
        }
    }

    if (rc == NGX_OK) {

        if (left) {
            (void) ngx_http_bell_cache_window_put(load, flight,
                                                  load->batch->pos, left);
            load->batch->last = load->batch->pos;
            flight->published = load->written;
        }

        ngx_http_bell_cache_flight_ends(zone, flight,
                                        NGX_HTTP_BELL_CACHE_PASSING);
        ngx_http_bell_cache_place_give(zone, flight);
    }

    ngx_http_bell_cache_unlock(zone);

    if (rc == NGX_OK) {
        ngx_http_bell_cache_window_has(load);
    }

    return rc;
}


/* Without the lock: it is open. */

void
ngx_http_bell_cache_window_has(ngx_http_bell_cache_load_t *load)
{
    ngx_http_bell_cache_flight_t  *flight;

    ngx_http_bell_cache_tell_owners(load->ctx.zone, load->ctx.bmcf->core);
    ngx_http_bell_cache_window_open(load);

    flight = ngx_http_bell_cache_flight(load->ctx.zone, &load->flight);

    if (flight) {
        ngx_http_bell_cache_wake(load->ctx.bmcf->core, flight);
    }
}


static void
ngx_http_bell_cache_window_open(ngx_http_bell_cache_load_t *load)
{
    ngx_queue_insert_tail(&load->ctx.zone->passing, &load->passing);

    load->lag.handler = ngx_http_bell_cache_window_lags;
    load->lag.data = load;
    load->lag.log = ngx_cycle->log;
    load->lag_at = load->written;

    load->stores = 0;
    load->passes = 1;
    load->ended = 1;
}


/* ---- what comes */

/* Under the lock: behind what is there, at the end of "written". */

static ngx_int_t
ngx_http_bell_cache_window_put(ngx_http_bell_cache_load_t *load,
    ngx_http_bell_cache_flight_t *flight, u_char *p, size_t len)
{
    void      *chunks;
    size_t     n;
    uint64_t   at;
    bell_str   bytes;

    chunks = load->ctx.zone->sh->chunks;
    at = (load->written - len - flight->window_at) % flight->window_bytes;

    while (len) {
        n = ngx_min(len, flight->window_bytes - at);

        bytes.p = (char *) p;
        bytes.len = n;

        if (bell_chunks_write(chunks, flight->entry.body, at, bytes) != n) {
            return NGX_ERROR;
        }

        p += n;
        len -= n;
        at = 0;
    }

    return NGX_OK;
}


ssize_t
ngx_http_bell_cache_load_pass(ngx_http_bell_cache_load_t *load, u_char *p,
    size_t len)
{
    return load->passes ? ngx_http_bell_cache_window_write(load, p, len)
                        : ngx_http_bell_cache_load_feed(load, p, len);
}


ssize_t
ngx_http_bell_cache_window_write(ngx_http_bell_cache_load_t *load, u_char *p,
    size_t len)
{
    size_t                         n;
    ngx_int_t                      rc;
    ngx_http_bell_cache_zone_t    *zone;
    ngx_http_bell_cache_flight_t  *flight;

    zone = load->ctx.zone;
    n = 0;

    if (load->length >= 0 && load->written + len > (uint64_t) load->length) {
        return NGX_ERROR;
    }

    if (len == 0) {
        return 0;
    }

    ngx_http_bell_cache_lock(zone);

    flight = ngx_http_bell_cache_flight(zone, &load->flight);
    rc = flight && flight->nrefs > 1 ? NGX_OK : NGX_ERROR;

    if (rc == NGX_OK) {
        n = ngx_http_bell_cache_window_next(load, flight, len);
    }

    if (n) {
        load->written += n;

        /* first to say that it goes, then to overwrite it */

        if (load->written - flight->window_at > flight->window_bytes) {
            __atomic_store_n(&flight->floor,
                             load->written - flight->window_bytes,
                             __ATOMIC_SEQ_CST);
        }

        rc = ngx_http_bell_cache_window_put(load, flight, p, n);

        __atomic_store_n(&flight->published, load->written, __ATOMIC_SEQ_CST);
    }

    ngx_http_bell_cache_unlock(zone);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    if (n) {
        ngx_http_bell_cache_window_goes_on(load, flight);
        ngx_http_bell_cache_wake(load->ctx.bmcf->core, flight);
    }

    if (n < len) {
        ngx_http_bell_cache_window_stalls(load);
    }

    return n;
}


/* How many bytes may come: none of those that somebody has yet to read goes. */

static size_t
ngx_http_bell_cache_window_next(ngx_http_bell_cache_load_t *load,
    ngx_http_bell_cache_flight_t *flight, size_t len)
{
    uint64_t                       low, until;
    ngx_http_bell_cache_window_t  *window;

    window = &load->ctx.zone->sh->windows[flight->window - 1];

    /* first to say that it waits, then to look: who reads on sees it */

    __atomic_store_n(&window->stalled, 1, __ATOMIC_SEQ_CST);

    low = ngx_http_bell_cache_window_lowest(load, flight);
    low = ngx_max(low, flight->window_at);
    until = low + flight->window_bytes;

    if (until <= load->written) {
        return 0;
    }

    __atomic_store_n(&window->hungry, 0, __ATOMIC_SEQ_CST);

    if (len <= until - load->written) {
        __atomic_store_n(&window->stalled, 0, __ATOMIC_SEQ_CST);
        return len;
    }

    return until - load->written;
}


/* The load has a reference, and reads nothing. */

static uint64_t
ngx_http_bell_cache_window_lowest(ngx_http_bell_cache_load_t *load,
    ngx_http_bell_cache_flight_t *flight)
{
    uint64_t                       low, one;
    ngx_uint_t                     slot;
    ngx_http_bell_cache_window_t  *window;

    window = &load->ctx.zone->sh->windows[flight->window - 1];
    low = load->written;

    for (slot = 0; slot < NGX_HTTP_BELL_PROCESSES; slot++) {

        if (flight->refs[slot] > (slot == flight->owner.slot ? 1 : 0)) {
            one = __atomic_load_n(&window->low[slot], __ATOMIC_SEQ_CST);
            low = ngx_min(low, one);
        }
    }

    return ngx_max(low, load->lag_low);
}


/* ---- who is behind */

static void
ngx_http_bell_cache_window_stalls(ngx_http_bell_cache_load_t *load)
{
    if (load->stalled) {
        return;
    }

    load->stalled = 1;
    load->lag_since = ngx_current_msec;

    ngx_add_timer(&load->lag,
                  load->lag_ms < NGX_HTTP_BELL_CACHE_LAG_MS
                  ? NGX_HTTP_BELL_CACHE_LAG_MS - load->lag_ms : 1);
}


/* The second is for a quarter of the window, however it is divided. */

static void
ngx_http_bell_cache_window_goes_on(ngx_http_bell_cache_load_t *load,
    ngx_http_bell_cache_flight_t *flight)
{
    if (load->stalled) {
        load->stalled = 0;
        load->lag_ms += ngx_current_msec - load->lag_since;

        if (load->lag.timer_set) {
            ngx_del_timer(&load->lag);
        }
    }

    if (load->written - load->lag_at >= flight->window_bytes / 4) {
        load->lag_at = load->written;
        load->lag_ms = 0;
    }
}


static void
ngx_http_bell_cache_window_lags(ngx_event_t *ev)
{
    ngx_http_bell_cache_load_t *load = ev->data;

    uint64_t                       low;
    ngx_http_bell_cache_zone_t    *zone;
    ngx_http_bell_cache_flight_t  *flight;

    zone = load->ctx.zone;

    ngx_http_bell_cache_lock(zone);

    flight = ngx_http_bell_cache_flight(zone, &load->flight);

    /* where nobody else could go on, there is nobody to do it for */

    if (flight
        && __atomic_load_n(&zone->sh->windows[flight->window - 1].hungry,
                           __ATOMIC_SEQ_CST))
    {
        low = ngx_http_bell_cache_window_lowest(load, flight);
        low = ngx_max(low, flight->window_at);

        load->lag_low = ngx_min(low + flight->window_bytes / 4,
                                load->written);
    }

    ngx_http_bell_cache_unlock(zone);

    ngx_add_timer(ev, NGX_HTTP_BELL_CACHE_LAG_MS);

    ngx_http_bell_cache_load_more(load);
}


void
ngx_http_bell_cache_windows_woken(ngx_http_bell_cache_zone_t *zone)
{
    ngx_queue_t                   *q;
    ngx_http_bell_cache_load_t    *load;
    ngx_http_bell_cache_flight_t  *flight;

    for (q = ngx_queue_head(&zone->passing);
         q != ngx_queue_sentinel(&zone->passing);
         q = ngx_queue_next(q))
    {
        load = ngx_queue_data(q, ngx_http_bell_cache_load_t, passing);
        flight = ngx_http_bell_cache_flight(zone, &load->flight);

        if (flight == NULL || flight->nrefs == 1) {
            ngx_http_bell_cache_fetch_abort(&load->fetch);

        } else if (load->stalled) {
            ngx_http_bell_cache_load_more(load);
        }
    }
}


/* ---- readers */

void
ngx_http_bell_cache_window_read(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_http_bell_cache_zone_t  *zone;

    zone = ctx->zone;

    /* once, behind all that this turn of the loop lets them read */

    if (!zone->low.posted) {
        zone->core = ctx->bmcf->core;
        zone->low.handler = ngx_http_bell_cache_window_tell;
        zone->low.data = zone;
        zone->low.log = ngx_cycle->log;

        ngx_post_event(&zone->low, &ngx_posted_events);
    }
}


size_t
ngx_http_bell_cache_window_copy(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, u_char *p, size_t len)
{
    void      *chunks;
    size_t     n;
    uint64_t   at, bytes;

    if (ctx->sent < flight->window_at) {
        return ngx_http_bell_cache_file_read(ctx, flight, p,
                                             ngx_min(len, flight->window_at
                                                          - ctx->sent));
    }

    bytes = flight->window_bytes;

    if (bytes == 0) {
        return 0;
    }

    chunks = ctx->zone->sh->chunks;
    at = (ctx->sent - flight->window_at) % bytes;
    n = ngx_min(len, bytes - at);

    if (bell_chunks_read(chunks, flight->entry.body, at, p, n) != n) {
        return 0;
    }

    return n + (n < len ? bell_chunks_read(chunks, flight->entry.body, 0,
                                           p + n, len - n)
                        : 0);
}


/* How far the last one of this process is: who was left behind has no say. */

static void
ngx_http_bell_cache_window_tell(ngx_event_t *ev)
{
    ngx_http_bell_cache_zone_t *zone = ev->data;

    uint64_t                       low[NGX_HTTP_BELL_CACHE_WINDOWS];
    uint32_t                       self, number;
    ngx_uint_t                     i;
    ngx_queue_t                   *q;
    ngx_http_bell_cache_ctx_t     *ctx;
    ngx_http_bell_cache_window_t  *window;
    ngx_http_bell_cache_flight_t  *flight, *of[NGX_HTTP_BELL_CACHE_WINDOWS];

    self = zone->core->self().slot;
    ngx_memzero(of, sizeof(of));

    for (q = ngx_queue_head(&zone->readers);
         q != ngx_queue_sentinel(&zone->readers);
         q = ngx_queue_next(q))
    {
        ctx = ngx_queue_data(q, ngx_http_bell_cache_ctx_t, queue);
        flight = ngx_http_bell_cache_flight(zone, &ctx->flight);

        /* once: a zone that begins anew has none */

        number = flight ? __atomic_load_n(&flight->window, __ATOMIC_SEQ_CST)
                        : 0;

        if (number == 0) {
            continue;
        }

        i = number - 1;

        if (of[i] == NULL) {
            of[i] = flight;
            low[i] = UINT64_MAX;
        }

        if (ctx->sent >= flight->floor) {
            low[i] = ngx_min(low[i], ctx->sent);
        }
    }

    for (i = 0; i < NGX_HTTP_BELL_CACHE_WINDOWS; i++) {

        if (of[i] == NULL) {
            continue;
        }

        window = &zone->sh->windows[i];

        __atomic_store_n(&window->low[self], low[i], __ATOMIC_SEQ_CST);

        if (__atomic_load_n(&window->stalled, __ATOMIC_SEQ_CST)) {
            zone->core->wake(of[i]->owner.slot);
        }
    }
}


/* ---- its end */

void
ngx_http_bell_cache_window_ends(ngx_http_bell_cache_load_t *load,
    ngx_uint_t whole)
{
    ngx_queue_remove(&load->passing);

    if (load->lag.timer_set) {
        ngx_del_timer(&load->lag);
    }

    if (load->length >= 0 && load->written != (uint64_t) load->length) {
        whole = 0;
    }

    ngx_http_bell_cache_load_ends(load->ctx.zone, load->ctx.bmcf->core,
                                  &load->flight,
                                  whole ? NGX_HTTP_BELL_CACHE_DONE
                                        : NGX_HTTP_BELL_CACHE_FAILED, 0);
}
