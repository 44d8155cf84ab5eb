
/*
 * Loads: what is fetched for a flight, and what becomes of it.  The answer is
 * stored; or is what was stored, confirmed; or is for one client alone, whom
 * it is fed to as it comes; or is no answer.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache.h"
#include "ngx_http_bell_cache_load.h"
#include "ngx_http_bell_cache_parts.h"
#include "ngx_http_bell_cache_purge.h"
#include "ngx_http_bell_cache_shelf.h"


#define NGX_HTTP_BELL_CACHE_IGNORED  65536  /* bytes of a body nobody wants */
#define NGX_HTTP_BELL_CACHE_FAILED_S 1      /* how long a failure passes */


static ngx_int_t ngx_http_bell_cache_copy_found(ngx_pool_t *pool,
    ngx_http_bell_cache_found_t *from, ngx_http_bell_cache_found_t *to);
static ngx_int_t ngx_http_bell_cache_copy_str(ngx_pool_t *pool, bell_str *s);
static ngx_int_t ngx_http_bell_cache_load_head(
    ngx_http_bell_cache_fetch_t *fetch, ngx_http_request_t *r);
static void ngx_http_bell_cache_load_refused(
    ngx_http_bell_cache_load_t *load);
static ssize_t ngx_http_bell_cache_load_body(
    ngx_http_bell_cache_fetch_t *fetch, u_char *p, size_t len);

static ssize_t ngx_http_bell_cache_load_store(
    ngx_http_bell_cache_load_t *load, u_char *p, size_t len);
static ngx_int_t ngx_http_bell_cache_load_write(
    ngx_http_bell_cache_load_t *load, u_char *p, size_t len);
static ngx_int_t ngx_http_bell_cache_load_stored(
    ngx_http_bell_cache_load_t *load);


static const ngx_http_bell_cache_sink_t  ngx_http_bell_cache_load_sink = {
    ngx_http_bell_cache_load_head,
    ngx_http_bell_cache_load_body,
    ngx_http_bell_cache_load_done
};


/* ---- its beginning */

ngx_int_t
ngx_http_bell_cache_load(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_ref_t *flight, ngx_uint_t behind)
{
    ngx_uint_t                   i, n;
    ngx_pool_t                  *pool;
    ngx_table_elt_t              adds[NGX_HTTP_BELL_CACHE_ADDS];
    ngx_http_bell_cache_ref_t    own;
    ngx_http_bell_cache_load_t  *load;

    own = *flight;
    pool = ngx_create_pool(4096, ngx_cycle->log);

    if (pool == NULL) {
        goto failed;
    }

    load = ngx_pcalloc(pool, sizeof(ngx_http_bell_cache_load_t));

    if (load == NULL) {
        goto failed;
    }

    load->pool = pool;
    load->flight = own;

    if (ngx_http_bell_cache_load_copy(load, ctx) != NGX_OK) {
        goto failed;
    }

    load->fetch.sink = &ngx_http_bell_cache_load_sink;
    load->fetch.data = load;
    load->checked = ctx->zone->sh->flights[own.number - 1].checked;

    n = ngx_http_bell_cache_adds(load, adds);

    /* what a load could not evaluate: its connection is nobody's */

    for (i = 0; i < NGX_HTTP_BELL_CACHE_VARIABLES; i++) {
        (void) ngx_http_get_indexed_variable(ctx->request,
                                             ctx->bmcf->variables[i]);
    }

    if (ngx_http_bell_cache_fetch(ctx->request, ctx->bmcf->core,
                                  ngx_http_bell_cache_drops, adds, n,
                                  &load->fetch)
        != NGX_OK)
    {
        goto failed;
    }

    load->ctx.request = load->fetch.request;

    if (!behind) {
        load->reader = ctx;
        ctx->load = load;
    }

    ngx_http_bell_cache_load_queue(load);

    return NGX_OK;

failed:

    ngx_http_bell_cache_load_ends(ctx->zone, ctx->bmcf->core, &own,
                                  NGX_HTTP_BELL_CACHE_APART, 0);
    ngx_http_bell_cache_land(ctx->zone, ctx->bmcf->core, &own);

    if (pool) {
        ngx_destroy_pool(pool);
    }

    return NGX_ERROR;
}


/* The origin is asked now, whatever time that it has waited to be. */

void
ngx_http_bell_cache_load_begin(ngx_http_bell_cache_load_t *load)
{
    load->begun_ms = ngx_current_msec;

    load->ctx.bmcf->core->count(load->ctx.bmcf->fetches, 1);

    ngx_http_bell_cache_fetch_begin(&load->fetch);
}


/* All that it asks for, of its own: the client may leave at any time. */

ngx_int_t
ngx_http_bell_cache_load_copy(ngx_http_bell_cache_load_t *load,
    ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_pool_t                 *pool;
    ngx_http_bell_cache_ctx_t  *own;

    pool = load->pool;
    own = &load->ctx;

    own->pool = pool;
    own->bmcf = ctx->bmcf;
    own->blcf = ctx->blcf;
    own->zone = ctx->zone;
    own->asked = ctx->asked;
    own->key = ctx->key;
    own->hash = ctx->hash;
    own->url = ctx->url;
    own->has_url = ctx->has_url;
    own->role = ctx->role;
    own->subject = ctx->subject;
    own->exam = ctx->exam;
    own->control = ctx->control;
    own->variant_key = ctx->variant_key;
    own->variant_hash = ctx->variant_hash;
    own->nobody = ctx->nobody;

    load->authorized = ctx->request->headers_in.authorization != NULL;

    if (ngx_http_bell_cache_copy_str(pool, &own->asked.host) != NGX_OK
        || ngx_http_bell_cache_copy_str(pool, &own->asked.target) != NGX_OK
        || ngx_http_bell_cache_copy_str(pool, &own->key) != NGX_OK
        || ngx_http_bell_cache_copy_str(pool, &own->variant_key) != NGX_OK
        || ngx_http_bell_cache_copy_str(pool, &own->role) != NGX_OK
        || ngx_http_bell_cache_copy_str(pool, &own->subject) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->found.entry.kind != NGX_HTTP_BELL_CACHE_OBJECT) {
        return NGX_OK;
    }

    return ngx_http_bell_cache_copy_found(pool, &ctx->found, &load->stale);
}


static ngx_int_t
ngx_http_bell_cache_copy_found(ngx_pool_t *pool,
    ngx_http_bell_cache_found_t *from, ngx_http_bell_cache_found_t *to)
{
    u_char    *p;
    bell_str   bytes;

    p = ngx_palloc(pool, from->entry.head_bytes);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, from->head, from->entry.head_bytes);

    bytes.p = (char *) p;
    bytes.len = from->entry.head_bytes;

    *to = *from;

    return ngx_http_bell_cache_parse_head(bytes, to);
}


static ngx_int_t
ngx_http_bell_cache_copy_str(ngx_pool_t *pool, bell_str *s)
{
    u_char  *p;

    p = ngx_pnalloc(pool, s->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (s->len) {
        ngx_memcpy(p, s->p, s->len);
    }

    s->p = (char *) p;

    return NGX_OK;
}


/* ---- what comes */

static ngx_int_t
ngx_http_bell_cache_load_head(ngx_http_bell_cache_fetch_t *fetch,
    ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    ngx_uint_t                   status;
    bell_store_verdict           verdict;
    ngx_http_bell_cache_load_t  *load;

    load = fetch->data;

    status = r->upstream ? r->upstream->headers_in.status_n : 0;

    /* the location's handler asks nobody: nothing is to be stored here, ever */

    if (r->upstream == NULL
        && r->headers_out.status < NGX_HTTP_INTERNAL_SERVER_ERROR)
    {
        load->ctx.blcf->no_upstream = 1;
        load->ended = 1;

        ngx_http_bell_cache_load_ends(load->ctx.zone, load->ctx.bmcf->core,
                                      &load->flight,
                                      NGX_HTTP_BELL_CACHE_AGAIN, 0);
        return NGX_ERROR;
    }

    /*
     * What nginx says itself is no answer.  A head that could not be read to
     * its end has left a status, too.
     */

    if (status == 0 || status != r->headers_out.status) {

        if (status == 0
            && r->headers_out.status == NGX_HTTP_SERVICE_UNAVAILABLE)
        {
            ngx_http_bell_cache_load_refused(load);
        }

        ngx_http_bell_cache_load_failed(load, r->headers_out.status);
        return NGX_OK;
    }

    if (ngx_http_bell_cache_gather(load, r) != NGX_OK) {
        return NGX_ERROR;
    }

    if (status == NGX_HTTP_NOT_MODIFIED && load->validates) {
        return ngx_http_bell_cache_confirm(load);
    }

    if (load->stale.entry.kind == NGX_HTTP_BELL_CACHE_OBJECT
        && bell_freshness_on_error(&load->stale.entry.times, NULL, status,
                                   ngx_time(), load->ctx.exam))
    {
        ngx_http_bell_cache_load_failed(load, status);
        return NGX_OK;
    }

    rc = ngx_http_bell_cache_store(load, r, &verdict);

    if (rc == NGX_DECLINED) {
        return ngx_http_bell_cache_load_apart(load, verdict);
    }

    return rc;
}


/* The origin was not asked: it has no place for more ("bell_fair"). */

static void
ngx_http_bell_cache_load_refused(ngx_http_bell_cache_load_t *load)
{
    ngx_http_bell_cache_zone_t    *zone;
    ngx_http_bell_cache_flight_t  *flight;

    zone = load->ctx.zone;

    ngx_http_bell_cache_lock(zone);

    flight = ngx_http_bell_cache_flight(zone, &load->flight);

    if (flight) {
        flight->refused = 1;
        zone->sh->refused++;
    }

    ngx_http_bell_cache_unlock(zone);
}


static ssize_t
ngx_http_bell_cache_load_body(ngx_http_bell_cache_fetch_t *fetch, u_char *p,
    size_t len)
{
    ngx_http_bell_cache_load_t  *load;

    load = fetch->data;

    if (load->stores) {
        return ngx_http_bell_cache_load_store(load, p, len);
    }

    if (load->feeds || load->passes) {
        return ngx_http_bell_cache_load_pass(load, p, len);
    }

    load->ignored += len;

    return load->ignored > NGX_HTTP_BELL_CACHE_IGNORED ? NGX_ERROR
                                                       : (ssize_t) len;
}


static ssize_t
ngx_http_bell_cache_load_store(ngx_http_bell_cache_load_t *load, u_char *p,
    size_t len)
{
    ngx_int_t                      rc;
    ngx_http_bell_cache_flight_t  *flight;

    flight = ngx_http_bell_cache_flight(load->ctx.zone, &load->flight);

    if (flight == NULL
        || (load->length >= 0
            && load->written + len > (uint64_t) load->length))
    {
        return NGX_ERROR;
    }

    if (flight->filed) {
        return ngx_http_bell_cache_batch(load, flight, p, len);
    }

    rc = ngx_http_bell_cache_load_write(load, p, len);

    if (rc == NGX_OK) {
        ngx_http_bell_cache_wake(load->ctx.bmcf->core, flight);
        return len;
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (ngx_http_bell_cache_file_spill(load, flight) == NGX_OK) {
        return ngx_http_bell_cache_batch(load, flight, p, len);
    }

    return ngx_http_bell_cache_load_too_large(load) == NGX_OK
           ? ngx_http_bell_cache_load_pass(load, p, len) : NGX_ERROR;
}


/*
 * Into the flight's chunks, of which there are enough when its length is known.
 * Under the lock: where the zone begins anew, they are somebody else's from
 * then on.  NGX_DECLINED: there is no room.
 */

static ngx_int_t
ngx_http_bell_cache_load_write(ngx_http_bell_cache_load_t *load, u_char *p,
    size_t len)
{
    bell_str                       bytes;
    uint64_t                       after;
    ngx_int_t                      rc;
    ngx_http_bell_cache_zone_t    *zone;
    ngx_http_bell_cache_flight_t  *flight;

    zone = load->ctx.zone;
    after = load->written + len;

    bytes.p = (char *) p;
    bytes.len = len;

    ngx_http_bell_cache_lock(zone);

    flight = ngx_http_bell_cache_flight(zone, &load->flight);

    if (flight == NULL) {
        rc = NGX_ERROR;

    } else if (load->length < 0 && after > zone->largest) {
        rc = NGX_DECLINED;

    } else if (load->length < 0
               && ngx_http_bell_cache_flight_grow(zone, flight, after)
                  != NGX_OK)
    {
        load->full = 1;
        rc = NGX_DECLINED;

    } else if (bell_chunks_write(zone->sh->chunks, flight->entry.body,
                                 load->written, bytes)
               != len)
    {
        rc = NGX_ERROR;

    } else {
        load->written = after;
        __atomic_store_n(&flight->published, after, __ATOMIC_SEQ_CST);
        rc = NGX_OK;
    }

    ngx_http_bell_cache_unlock(zone);

    return rc;
}


void
ngx_http_bell_cache_load_has(ngx_http_bell_cache_load_t *load)
{
    ngx_http_bell_cache_zone_t    *zone;
    ngx_http_bell_cache_flight_t  *flight;

    zone = load->ctx.zone;

    ngx_http_bell_cache_lock(zone);

    flight = ngx_http_bell_cache_flight(zone, &load->flight);

    if (flight) {
        __atomic_store_n(&flight->published, load->written, __ATOMIC_SEQ_CST);
    }

    ngx_http_bell_cache_unlock(zone);

    if (flight) {
        ngx_http_bell_cache_wake(load->ctx.bmcf->core, flight);
    }
}


/*
 * A body of unknown length has grown past all bounds, or the disk is full.
 * Where others have begun it, too, it goes on to all of them, and is not kept.
 */

ngx_int_t
ngx_http_bell_cache_load_too_large(ngx_http_bell_cache_load_t *load)
{
    ngx_http_bell_cache_remember(load, BELL_STORE_NOT_SIZE,
                                 load->full ? NGX_HTTP_BELL_CACHE_FAILED_S
                                            : load->ctx.blcf->uncacheable);

    load->stores = 0;
    load->ended = 1;

    if (ngx_http_bell_cache_window_begin(load) == NGX_OK) {
        return NGX_OK;
    }

    load->feeds = 1;
    load->piece = load->batch;

    ngx_http_bell_cache_load_ends(load->ctx.zone, load->ctx.bmcf->core,
                                  &load->flight, NGX_HTTP_BELL_CACHE_APART, 0);

    return load->reader ? NGX_OK : NGX_ERROR;
}


ssize_t
ngx_http_bell_cache_load_feed(ngx_http_bell_cache_load_t *load, u_char *p,
    size_t len)
{
    size_t  room;

    if (load->reader == NULL) {
        return NGX_ERROR;
    }

    if (load->piece == NULL) {
        load->piece = ngx_create_temp_buf(load->pool,
                                          NGX_HTTP_BELL_CACHE_PIECE_BYTES);
        if (load->piece == NULL) {
            return NGX_ERROR;
        }
    }

    if (load->piece->pos == load->piece->last) {
        load->piece->pos = load->piece->start;
        load->piece->last = load->piece->start;
    }

    room = ngx_min((size_t) (load->piece->end - load->piece->last), len);

    load->piece->last = ngx_cpymem(load->piece->last, p, room);

    ngx_http_bell_cache_tell_reader(load->reader);

    return room;
}


void
ngx_http_bell_cache_load_done(ngx_http_bell_cache_fetch_t *fetch,
    ngx_uint_t whole)
{
    ngx_http_bell_cache_ctx_t   *reader;
    ngx_http_bell_cache_load_t  *load;

    load = fetch->data;

    if (load->batch) {
        ngx_http_bell_cache_batch_ends(load);
    }

    if (load->stores) {
        if (!whole
            || (load->length >= 0 && load->written != (uint64_t) load->length)
            || ngx_http_bell_cache_load_stored(load) != NGX_OK)
        {
            ngx_http_bell_cache_load_ends(load->ctx.zone,
                                          load->ctx.bmcf->core, &load->flight,
                                          NGX_HTTP_BELL_CACHE_FAILED, 0);
        }

    } else if (load->passes) {
        ngx_http_bell_cache_window_ends(load, whole);

    } else if (!load->ended) {

        /* nginx has led it elsewhere (X-Accel-Redirect), or it was ended */

        if (ngx_exiting || ngx_terminate) {
            ngx_http_bell_cache_load_ends(load->ctx.zone,
                                          load->ctx.bmcf->core, &load->flight,
                                          NGX_HTTP_BELL_CACHE_ORPHANED, 0);
        } else {
            ngx_http_bell_cache_load_failed(load, NGX_HTTP_BAD_GATEWAY);
        }
    }

    ngx_http_bell_cache_file_abandon(load);

    reader = load->reader;

    if (reader) {
        reader->load = NULL;
        reader->fed = load->feeds;
        reader->fed_whole = whole;

        /* what he has not taken yet is his from now on */

        if (load->feeds && load->piece) {
            reader->rest = load->piece;
            reader->rest_pool = load->pool;
            load->pool = NULL;
        }

        ngx_http_bell_cache_tell_reader(reader);
    }

    if (load->turn.timer_set) {
        ngx_del_timer(&load->turn);
    }

    if (load->waits) {
        ngx_queue_remove(&load->queue);
    }

    ngx_http_bell_cache_land(load->ctx.zone, load->ctx.bmcf->core,
                             &load->flight);

    if (load->pool) {
        ngx_destroy_pool(load->pool);
    }
}


/* Whole and right: it is what others find from now on. */

static ngx_int_t
ngx_http_bell_cache_load_stored(ngx_http_bell_cache_load_t *load)
{
    ngx_http_bell_cache_zone_t    *zone;
    ngx_http_bell_cache_entry_t    entry;
    ngx_http_bell_cache_flight_t  *flight;

    if (load->file_id) {
        return ngx_http_bell_cache_file_stored(load);
    }

    zone = load->ctx.zone;

    ngx_http_bell_cache_lock(zone);

    flight = ngx_http_bell_cache_flight(zone, &load->flight);

    if (flight == NULL) {
        ngx_http_bell_cache_unlock(zone);
        return NGX_ERROR;
    }

    flight->entry.body_bytes = load->written;
    flight->entry.times.fetch_ms = (uint32_t)
                                   (ngx_current_msec - load->begun_ms);

    entry = flight->entry;

    if (!ngx_http_bell_cache_is_newer(zone, &flight->stored_as,
                                      entry.checked))
    {
        ngx_http_bell_cache_hold(zone, entry.head);
        ngx_http_bell_cache_hold(zone, entry.body);

        (void) ngx_http_bell_cache_put(zone, &flight->stored_as,
                                       load->ctx.asked.tenant_id, &entry);
    }

    ngx_http_bell_cache_flight_ends(zone, flight, NGX_HTTP_BELL_CACHE_DONE);

    ngx_http_bell_cache_unlock(zone);

    load->ended = 1;

    ngx_http_bell_cache_wake(load->ctx.bmcf->core, flight);
    ngx_http_bell_cache_behind(zone, &flight->stored_as, entry.id);

    return NGX_OK;
}


/* What is there was asked for behind a change that this one knows nothing of. */

ngx_uint_t
ngx_http_bell_cache_is_newer(ngx_http_bell_cache_zone_t *zone,
    bell_cache_hash *hash, uint64_t checked)
{
    const bell_cache_entry       *entry;
    ngx_http_bell_cache_entry_t   e;

    entry = bell_cache_index_find(zone->sh->index, hash);

    if (entry == NULL) {
        return 0;
    }

    ngx_memcpy(&e, entry->payload, sizeof(e));

    return e.kind == NGX_HTTP_BELL_CACHE_OBJECT && e.checked > checked;
}


/* ---- its end */

/* Takes the lock; who waits is told. */

void
ngx_http_bell_cache_load_ends(ngx_http_bell_cache_zone_t *zone,
    const ngx_http_bell_core_api_t *core, ngx_http_bell_cache_ref_t *ref,
    ngx_http_bell_cache_state_e state, ngx_uint_t status)
{
    ngx_http_bell_cache_flight_t  *flight;

    ngx_http_bell_cache_lock(zone);

    flight = ngx_http_bell_cache_flight(zone, ref);

    if (flight) {
        flight->status = (uint32_t) status;
        ngx_http_bell_cache_flight_ends(zone, flight, state);

        /* the rest is as slow as its reader, and the origin has answered */

        if (state == NGX_HTTP_BELL_CACHE_APART) {
            ngx_http_bell_cache_place_give(zone, flight);
        }
    }

    ngx_http_bell_cache_unlock(zone);
    ngx_http_bell_cache_tell_owners(zone, core);

    if (flight) {
        ngx_http_bell_cache_wake(core, flight);
    }
}


void
ngx_http_bell_cache_load_failed(ngx_http_bell_cache_load_t *load,
    ngx_uint_t status)
{
    load->ended = 1;

    ngx_http_bell_cache_load_ends(load->ctx.zone, load->ctx.bmcf->core,
                                  &load->flight, NGX_HTTP_BELL_CACHE_FAILED,
                                  status);
}


/*
 * The answer is for him alone who has asked; others ask for themselves.  That
 * it is so is remembered, that the next who come need not wait to learn it.
 */

ngx_int_t
ngx_http_bell_cache_load_apart(ngx_http_bell_cache_load_t *load,
    bell_store_verdict verdict)
{
    ngx_int_t   rc;
    ngx_uint_t  status;

    status = load->fetch.request->upstream->headers_in.status_n;

    ngx_http_bell_cache_remember(load, verdict,
                                 status >= 500 || load->full
                                 ? NGX_HTTP_BELL_CACHE_FAILED_S
                                 : load->ctx.blcf->uncacheable);

    load->ended = 1;

    ngx_http_bell_cache_load_ends(load->ctx.zone, load->ctx.bmcf->core,
                                  &load->flight, NGX_HTTP_BELL_CACHE_APART, 0);

    /* who wants a part of it looks again, and asks for that */

    if (load->reader == NULL || load->ctx.asked.part_bytes
        || (verdict == BELL_STORE_NOT_SIZE && load->ctx.blcf->uncacheable
            && ngx_http_bell_cache_parts_wants(load->reader)))
    {
        return NGX_ERROR;
    }

    load->feeds = 1;

    rc = ngx_http_bell_cache_answer_as(load->reader, load->fetch.request);

    /* nothing of it is the flight's, which is as slow as he is from here on */

    ngx_http_bell_cache_leave(load->ctx.zone, load->ctx.bmcf->core,
                              &load->reader->flight);
    ngx_http_bell_cache_land(load->ctx.zone, load->ctx.bmcf->core,
                             &load->flight);

    return rc;
}


void
ngx_http_bell_cache_load_more(ngx_http_bell_cache_load_t *load)
{
    ngx_http_bell_cache_fetch_more(&load->fetch);
}


/* Others may still wait for what it brings. */

void
ngx_http_bell_cache_load_left(ngx_http_bell_cache_load_t *load)
{
    load->reader = NULL;

    if (load->feeds) {
        ngx_http_bell_cache_fetch_abort(&load->fetch);
    }
}
