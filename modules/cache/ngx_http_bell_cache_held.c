
/*
 * Long bodies of hits.  As a rule a hit is copied at once, and holds nothing of
 * the zone.  But a client may have a hundred requests on one connection, and
 * read none of the answers: what is copied for one connection has a bound, and
 * beyond it a body stays where it is, held by a flight that has all of it
 * already, and is copied piece by piece as the client takes it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_flight.h"
#include "ngx_http_bell_cache_purge.h"
#include "ngx_http_bell_cache_reader.h"
#include "ngx_http_bell_cache_shelf.h"


#define NGX_HTTP_BELL_CACHE_COPIED_BYTES  (2 * 1024 * 1024)


static ngx_int_t ngx_http_bell_cache_hold_body(
    ngx_http_bell_cache_ctx_t *ctx);
static ngx_http_bell_cache_flight_t *ngx_http_bell_cache_hold_new(
    ngx_http_bell_cache_ctx_t *ctx, bell_cache_hash *hash,
    ngx_http_bell_cache_entry_t *e);
static ngx_int_t ngx_http_bell_cache_send_held(ngx_http_bell_cache_ctx_t *ctx);


/*
 * What is copied for this connection, over all its streams.  Those whose
 * numbers are alike in this share it; it is a bound and not an account.
 */

size_t *
ngx_http_bell_cache_copied(ngx_http_bell_cache_ctx_t *ctx)
{
    return &ctx->bmcf->copied[ctx->request->connection->number
                              % NGX_HTTP_BELL_CACHE_COPIED];
}


ngx_int_t
ngx_http_bell_cache_serve_held(ngx_http_bell_cache_ctx_t *ctx)
{
    uint64_t   len;
    ngx_int_t  rc;

    len = ctx->found.entry.body_bytes;

    if (ctx->found.file || len <= NGX_HTTP_BELL_CACHE_ROOM_BYTES
        || ctx->request->method == NGX_HTTP_HEAD
        || *ngx_http_bell_cache_copied(ctx) + len
           <= NGX_HTTP_BELL_CACHE_COPIED_BYTES)
    {
        return NGX_ABORT;
    }

    ngx_http_bell_cache_leaves(ctx);

    rc = ngx_http_bell_cache_hold_body(ctx);

    if (rc == NGX_OK) {
        return ngx_http_bell_cache_send_held(ctx);
    }

    if (rc == NGX_DECLINED) {
        return ngx_http_bell_cache_look(ctx);
    }

    /* no more can be held: one at a time is copied, however long it is */

    if (*ngx_http_bell_cache_copied(ctx) == 0) {
        return NGX_ABORT;
    }

    ctx->passed = 1;
    ngx_http_bell_cache_says(ctx, NGX_HTTP_BELL_CACHE_METRIC_FULL,
                             BELL_OUTCOME_MISS);

    return NGX_DECLINED;
}


/*
 * NGX_OK: the flight is in ctx->flight, one for all who are sent this object;
 * NGX_DECLINED: it is not what was found any more; NGX_ERROR: there is no room.
 */

static ngx_int_t
ngx_http_bell_cache_hold_body(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_int_t                      rc;
    bell_cache_hash                hash;
    const bell_cache_entry        *entry;
    ngx_http_bell_process_t        self;
    ngx_http_bell_cache_zone_t    *zone;
    ngx_http_bell_cache_entry_t    e;
    ngx_http_bell_cache_flight_t  *flight;

    zone = ctx->zone;
    self = ctx->bmcf->core->self();

    if (self.epoch == 0) {
        return NGX_ERROR;
    }

    /* by its number, spread over the buckets: no key has this hash */

    hash.words[0] = ctx->found.entry.id * 0x9e3779b97f4a7c15;
    hash.words[1] = ~ctx->found.entry.id;

    rc = NGX_DECLINED;

    ngx_http_bell_cache_lock(zone);
    ngx_http_bell_cache_flight_enter(zone, self);

    entry = bell_cache_index_find(zone->sh->index, &ctx->found.hash);

    if (entry) {
        ngx_memcpy(&e, entry->payload, sizeof(e));
    }

    if (entry && e.id == ctx->found.entry.id
        && e.version == ctx->found.entry.version
        && !ngx_http_bell_cache_struck(zone, &ctx->asked, e.url, e.checked))
    {
        flight = ngx_http_bell_cache_flight_find(zone->sh, &hash);

        if (flight == NULL) {
            flight = ngx_http_bell_cache_hold_new(ctx, &hash, &e);
        }

        rc = NGX_ERROR;

        if (flight && flight->refs[self.slot] < UINT16_MAX) {
            ngx_http_bell_cache_flight_refs(flight, self.slot, 1);

            /* no purge that is known by now is about it */

            flight->checked = ngx_http_bell_cache_purge_count(zone);

            ctx->flight.number = (uint32_t) (flight - zone->sh->flights) + 1;
            ctx->flight.serial = flight->serial;

            rc = NGX_OK;
        }
    }

    ngx_http_bell_cache_unlock(zone);

    return rc;
}


static ngx_http_bell_cache_flight_t *
ngx_http_bell_cache_hold_new(ngx_http_bell_cache_ctx_t *ctx,
    bell_cache_hash *hash, ngx_http_bell_cache_entry_t *e)
{
    uint64_t                       chunks;
    ngx_http_bell_cache_zone_t    *zone;
    ngx_http_bell_cache_flight_t  *flight;

    zone = ctx->zone;
    chunks = bell_chunks_for(zone->sh->chunks, e->body_bytes);

    flight = ngx_http_bell_cache_flight_new(zone->sh, hash,
                                            ctx->asked.tenant_id);
    if (flight == NULL) {
        return NULL;
    }

    if (ngx_http_bell_cache_flight_room(zone, flight, chunks) != NGX_OK) {
        ngx_http_bell_cache_flight_free(zone, flight);
        return NULL;
    }

    ngx_http_bell_cache_hold(zone, e->body);

    flight->owner = ctx->bmcf->core->self();
    flight->stored_as = ctx->found.hash;
    flight->entry = *e;
    flight->entry.head = 0;
    flight->length = (int64_t) e->body_bytes;
    flight->published = e->body_bytes;
    flight->held = chunks;
    flight->state = NGX_HTTP_BELL_CACHE_DONE;

    zone->sh->held += chunks;

    return flight;
}


/* Piece by piece, of which each has to be sent before the next is copied. */

static ngx_int_t
ngx_http_bell_cache_send_held(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_int_t                      rc;
    ngx_http_request_t            *r;
    ngx_http_bell_cache_flight_t  *flight;

    r = ctx->request;
    flight = ngx_http_bell_cache_flight(ctx->zone, &ctx->flight);

    if (flight == NULL) {
        return ngx_http_bell_cache_look(ctx);
    }

    if (ngx_http_bell_cache_answer(ctx, &ctx->found,
                                   ctx->found.entry.body_bytes)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->allow_ranges = 1;
    r->single_range = 1;

    ctx->joined = 0;

    rc = ngx_http_bell_cache_waits_for(ctx);

    if (rc == NGX_DONE) {
        ngx_http_bell_cache_send_head(ctx, flight);
    }

    return rc;
}


/* ---- at once */

ngx_int_t
ngx_http_bell_cache_body_of(ngx_http_bell_cache_ctx_t *ctx, ngx_chain_t *out)
{
    size_t               len;
    ngx_buf_t           *b;
    ngx_http_request_t  *r;

    if (ctx->found.file) {
        return ngx_http_bell_cache_file_body(ctx, out);
    }

    r = ctx->request;
    len = r->method == NGX_HTTP_HEAD ? 0 : ctx->found.entry.body_bytes;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    if (len) {
        b->start = ngx_http_bell_cache_room_take(ctx, len);
        if (b->start == NULL) {
            return NGX_ERROR;
        }

        if (ngx_http_bell_cache_copy_body(ctx->zone, &ctx->found, 0, b->start,
                                          len)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }

        b->pos = b->start;
        b->last = b->start + len;
        b->end = b->last;
        b->memory = 1;
    }

    b->last_buf = 1;
    b->last_in_chain = 1;

    out->buf = b;
    out->next = NULL;

    return NGX_OK;
}
