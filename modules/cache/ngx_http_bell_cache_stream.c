
/*
 * Readers who wait: for a head, then for each piece of a body.  They are woken
 * and look what has come; nothing is asked in intervals but whether who brings
 * it still lives.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache.h"
#include "ngx_http_bell_cache_load.h"
#include "ngx_http_bell_cache_reader.h"
#include "ngx_http_bell_cache_shelf.h"


#define NGX_HTTP_BELL_CACHE_WATCH  1000     /* ms */


static void ngx_http_bell_cache_read(ngx_http_request_t *r);
static void ngx_http_bell_cache_write(ngx_http_request_t *r);
static void ngx_http_bell_cache_progress(ngx_http_bell_cache_ctx_t *ctx);
static void ngx_http_bell_cache_begin(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, ngx_uint_t state);
static void ngx_http_bell_cache_fails(ngx_http_bell_cache_ctx_t *ctx,
    ngx_uint_t status);
static void ngx_http_bell_cache_is_refused(ngx_http_bell_cache_ctx_t *ctx);
static void ngx_http_bell_cache_begin_object(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, ngx_uint_t state);
static ngx_int_t ngx_http_bell_cache_head_of(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, ngx_http_bell_cache_found_t *found);
static ngx_int_t ngx_http_bell_cache_is_his(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, ngx_http_bell_cache_found_t *found);
static void ngx_http_bell_cache_send_head(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight);
static void ngx_http_bell_cache_more(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight);
static ngx_int_t ngx_http_bell_cache_next(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight);
static ngx_int_t ngx_http_bell_cache_next_fed(ngx_http_bell_cache_ctx_t *ctx);
static ngx_int_t ngx_http_bell_cache_piece(ngx_http_bell_cache_ctx_t *ctx,
    uint64_t left);
static ngx_uint_t ngx_http_bell_cache_is_busy(ngx_http_bell_cache_ctx_t *ctx);
static void ngx_http_bell_cache_wait_to_come(ngx_http_bell_cache_ctx_t *ctx);
static void ngx_http_bell_cache_wait_to_write(ngx_http_bell_cache_ctx_t *ctx);
static void ngx_http_bell_cache_watched(ngx_event_t *ev);


/* ---- waiting */

ngx_int_t
ngx_http_bell_cache_waits_for(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_event_t         *rev;
    ngx_http_request_t  *r;

    r = ctx->request;
    rev = r->connection->read;

    r->read_event_handler = ngx_http_bell_cache_read;
    r->write_event_handler = ngx_http_bell_cache_write;

    if (!ctx->waits) {
        ngx_queue_insert_tail(&ctx->zone->readers, &ctx->queue);
        ctx->waits = 1;
    }

    ngx_add_timer(rev, ctx->blcf->wait);

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_bell_cache_watch(ctx->bmcf);
    ngx_http_bell_cache_tell_reader(ctx);

    return NGX_DONE;
}


void
ngx_http_bell_cache_tell_reader(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_post_event(&ctx->event, &ngx_posted_events);
}


void
ngx_http_bell_cache_woken(ngx_http_bell_cache_zone_t *zone)
{
    ngx_queue_t                *q;
    ngx_http_bell_cache_ctx_t  *ctx;

    for (q = ngx_queue_head(&zone->readers);
         q != ngx_queue_sentinel(&zone->readers);
         q = ngx_queue_next(q))
    {
        ctx = ngx_queue_data(q, ngx_http_bell_cache_ctx_t, queue);
        ngx_http_bell_cache_tell_reader(ctx);
    }
}


void
ngx_http_bell_cache_reader_event(ngx_event_t *ev)
{
    ngx_connection_t           *c;
    ngx_http_bell_cache_ctx_t  *ctx;

    ctx = ev->data;
    c = ctx->request->connection;

    ngx_http_set_log_request(c->log, ctx->request);

    ngx_http_bell_cache_progress(ctx);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_bell_cache_read(ngx_http_request_t *r)
{
    ngx_event_t                   *rev;
    ngx_http_bell_cache_ctx_t     *ctx;
    ngx_http_bell_cache_flight_t  *flight;

    rev = r->connection->read;
    ctx = ngx_http_get_module_ctx(r, ngx_http_bell_cache_module);

    if (!rev->timedout) {
        ngx_http_test_reading(r);
        return;
    }

    rev->timedout = 0;

    flight = ngx_http_bell_cache_flight(ctx->zone, &ctx->flight);

    if (flight
        && ngx_http_bell_cache_place_of(ctx->zone, flight) == BELL_PLACE_WAITS)
    {
        ngx_http_bell_cache_is_refused(ctx);
        return;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "bell_cache: what another request of this edge fetches has "
                  "not come within \"bell_cache_wait\"");

    if (ctx->begun) {
        ngx_http_bell_cache_ends(ctx, NGX_ERROR);
        return;
    }

    ngx_http_bell_cache_fails(ctx, NGX_HTTP_GATEWAY_TIME_OUT);
}


static void
ngx_http_bell_cache_write(ngx_http_request_t *r)
{
    ngx_event_t                *wev;
    ngx_connection_t           *c;
    ngx_http_bell_cache_ctx_t  *ctx;

    c = r->connection;
    wev = c->write;
    ctx = ngx_http_get_module_ctx(r, ngx_http_bell_cache_module);

    if (wev->timedout) {
        c->timedout = 1;

        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "client timed out");

        ngx_http_bell_cache_ends(ctx, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    if (!ctx->begun || wev->delayed) {
        return;
    }

    if (ngx_http_output_filter(r, NULL) == NGX_ERROR) {
        ngx_http_bell_cache_ends(ctx, NGX_ERROR);
        return;
    }

    ngx_http_bell_cache_progress(ctx);
}


static void
ngx_http_bell_cache_progress(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_uint_t                     state;
    ngx_http_bell_cache_flight_t  *flight;

    if (!ctx->waits) {
        return;
    }

    /* who is fed by his own load needs no flight, and has a head */

    if (ctx->headed) {

        if (ctx->begun) {
            ngx_http_bell_cache_more(ctx, NULL);

        } else {
            ngx_http_bell_cache_send_head(ctx, NULL);
        }

        return;
    }

    flight = ngx_http_bell_cache_flight(ctx->zone, &ctx->flight);

    if (flight == NULL) {

        /* the zone has begun anew */

        if (ctx->begun) {
            ngx_http_bell_cache_ends(ctx, NGX_ERROR);

        } else {
            ngx_http_bell_cache_look_again(ctx);
        }

        return;
    }

    /* first to be woken, then to look: nothing comes between unseen */

    ngx_http_bell_cache_waits(ctx->bmcf->core, flight);

    state = __atomic_load_n(&flight->state, __ATOMIC_SEQ_CST);

    if (!ctx->begun) {
        ngx_http_bell_cache_begin(ctx, flight, state);
        return;
    }

    ngx_http_bell_cache_more(ctx, flight);
}


/* ---- a head */

static void
ngx_http_bell_cache_begin(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, ngx_uint_t state)
{
    ngx_uint_t  own;

    own = ctx->load != NULL || ctx->fed;

    switch (state) {

    case NGX_HTTP_BELL_CACHE_ASKING:
        return;

    case NGX_HTTP_BELL_CACHE_COMING:
    case NGX_HTTP_BELL_CACHE_DONE:
        ngx_http_bell_cache_begin_object(ctx, flight, state);
        return;

    case NGX_HTTP_BELL_CACHE_APART:

        if (own && flight->entry.head) {
            ngx_http_bell_cache_begin_object(ctx, flight, state);
            return;
        }

        break;

    case NGX_HTTP_BELL_CACHE_FAILED:

        if (flight->refused) {
            ngx_http_bell_cache_is_refused(ctx);
            return;
        }

        ngx_http_bell_cache_fails(ctx, flight->status ? flight->status
                                                      : NGX_HTTP_BAD_GATEWAY);
        return;

    case NGX_HTTP_BELL_CACHE_AGAIN:
        ctx->confirmed = flight->confirmed;
        break;

    default: /* NGX_HTTP_BELL_CACHE_ORPHANED */
        break;
    }

    ngx_http_bell_cache_look_again(ctx);
}


static void
ngx_http_bell_cache_fails(ngx_http_bell_cache_ctx_t *ctx, ngx_uint_t status)
{
    ngx_int_t  rc;

    ngx_http_bell_cache_leaves(ctx);

    rc = ngx_http_bell_cache_serve_stale(ctx, status);

    if (rc == NGX_DECLINED) {
        ngx_http_bell_cache_says(ctx, NGX_HTTP_BELL_CACHE_METRIC_ERROR,
                                 ctx->status.outcome);
        ctx->status.collapsed = ctx->joined;
        ctx->status.detail = status == NGX_HTTP_GATEWAY_TIME_OUT
                             ? BELL_STR("timeout") : BELL_STR("failed");

        rc = status < NGX_HTTP_BAD_REQUEST ? NGX_HTTP_BAD_GATEWAY : status;
    }

    ngx_http_bell_cache_ends(ctx, rc);
}


/* Nobody was asked for it. */

static void
ngx_http_bell_cache_is_refused(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_http_bell_cache_leaves(ctx);
    ngx_http_bell_cache_ends(ctx, ngx_http_bell_cache_refused(ctx));
}


static void
ngx_http_bell_cache_begin_object(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, ngx_uint_t state)
{
    off_t                         length;
    ngx_int_t                     rc;
    ngx_http_bell_cache_found_t   found;

    rc = ngx_http_bell_cache_head_of(ctx, flight, &found);

    if (rc == NGX_OK) {
        rc = ngx_http_bell_cache_is_his(ctx, flight, &found);
    }

    if (rc == NGX_DECLINED) {
        ngx_http_bell_cache_look_again(ctx);
        return;
    }

    if (rc != NGX_OK) {
        ngx_http_bell_cache_ends(ctx, NGX_ERROR);
        return;
    }

    length = state == NGX_HTTP_BELL_CACHE_DONE
             ? (off_t) flight->entry.body_bytes : (off_t) flight->length;

    /* a part of it can be cut out when its length is known */

    if (length < 0 && ctx->joined && ctx->request->headers_in.range) {
        return;
    }

    ngx_http_bell_cache_may_resume(ctx, &found);

    ctx->status.fwd_status = found.entry.times.status;
    ctx->status.stored = state != NGX_HTTP_BELL_CACHE_APART;
    ctx->status.collapsed = ctx->joined;

    if (ngx_http_bell_cache_answer(ctx, &found, length) != NGX_OK) {
        ngx_http_bell_cache_ends(ctx, NGX_ERROR);
        return;
    }

    if (length >= 0) {
        ctx->request->allow_ranges = 1;
        ctx->request->single_range = 1;
    }

    ngx_http_bell_cache_send_head(ctx, flight);
}


static ngx_int_t
ngx_http_bell_cache_head_of(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, ngx_http_bell_cache_found_t *found)
{
    u_char    *p;
    bell_str   bytes;

    ngx_memzero(found, sizeof(*found));

    found->entry = flight->entry;

    if (found->entry.head_bytes > NGX_HTTP_BELL_CACHE_HEAD_BYTES) {
        return NGX_DECLINED;
    }

    p = ngx_palloc(ctx->request->pool, found->entry.head_bytes);
    if (p == NULL) {
        return NGX_ERROR;
    }

    bytes.p = (char *) p;
    bytes.len = bell_chunks_read(ctx->zone->sh->chunks, found->entry.head, 0,
                                 p, found->entry.head_bytes);

    ngx_memory_barrier();

    return ngx_http_bell_cache_flight(ctx->zone, &ctx->flight)
           && bytes.len == found->entry.head_bytes
           && ngx_http_bell_cache_parse_head(bytes, found) == NGX_OK
           ? NGX_OK : NGX_DECLINED;
}


/* What has come may be for others than this one: another role, or language. */

static ngx_int_t
ngx_http_bell_cache_is_his(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, ngx_http_bell_cache_found_t *found)
{
    ngx_int_t         rc;
    bell_cache_hash  *hash;

    hash = &ctx->hash;

    if (found->head->scope != BELL_CACHE_PUBLIC || found->names.len) {
        rc = ngx_http_bell_cache_ask_variant(ctx,
                                       (bell_cache_scope) found->head->scope,
                                       found->names);
        if (rc != NGX_OK) {
            return rc;
        }

        hash = &ctx->variant_hash;
    }

    return hash->words[0] == flight->stored_as.words[0]
           && hash->words[1] == flight->stored_as.words[1]
           ? NGX_OK : NGX_DECLINED;
}


static void
ngx_http_bell_cache_send_head(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = ctx->request;

    ctx->begun = 1;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        ngx_http_bell_cache_leaves(ctx);
        ngx_http_finalize_request(r, rc);
        return;
    }

    ngx_http_bell_cache_more(ctx, flight);
}


/* ---- a body */

static void
ngx_http_bell_cache_more(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight)
{
    ngx_int_t            rc;
    ngx_chain_t          out;
    ngx_http_request_t  *r;

    r = ctx->request;

    for ( ;; ) {
        if (ngx_http_bell_cache_is_busy(ctx)) {
            ngx_http_bell_cache_wait_to_write(ctx);
            return;
        }

        rc = ngx_http_bell_cache_next(ctx, flight);

        if (rc == NGX_AGAIN) {
            ngx_http_bell_cache_wait_to_come(ctx);
            return;
        }

        if (rc == NGX_ERROR) {
            ngx_http_bell_cache_ends(ctx, NGX_ERROR);
            return;
        }

        out.buf = ctx->piece;
        out.next = NULL;

        rc = ngx_http_output_filter(r, &out);

        if (rc == NGX_ERROR) {
            ngx_http_bell_cache_ends(ctx, NGX_ERROR);
            return;
        }

        if (ctx->whole) {
            ngx_http_bell_cache_leaves(ctx);
            ngx_http_finalize_request(r, rc);
            return;
        }
    }
}


/*
 * The next piece, in ctx->piece.  NGX_AGAIN: it has not come yet; NGX_ERROR:
 * it will not, and the client is to see that his answer is cut off.
 */

static ngx_int_t
ngx_http_bell_cache_next(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight)
{
    size_t       n;
    int64_t      length;
    uint64_t     published;
    ngx_buf_t   *b;
    ngx_uint_t   state;

    if (ctx->headed) {
        return ngx_http_bell_cache_next_fed(ctx);
    }

    state = __atomic_load_n(&flight->state, __ATOMIC_SEQ_CST);
    published = __atomic_load_n(&flight->published, __ATOMIC_SEQ_CST);
    length = flight->length;

    if (ctx->sent == published && length != (int64_t) published
        && state != NGX_HTTP_BELL_CACHE_DONE)
    {
        if (state == NGX_HTTP_BELL_CACHE_COMING) {
            return NGX_AGAIN;
        }

        /* grown too large to be shared: the rest is fed, to each by his load */

        return state == NGX_HTTP_BELL_CACHE_APART
               && (ctx->load || ctx->fed
                   || ngx_http_bell_cache_resume(ctx) == NGX_OK)
               ? ngx_http_bell_cache_next_fed(ctx) : NGX_ERROR;
    }

    if (ngx_http_bell_cache_piece(ctx, published - ctx->sent) != NGX_OK) {
        return NGX_ERROR;
    }

    b = ctx->piece;

    n = ngx_min((uint64_t) (b->end - b->start), published - ctx->sent);
    n = __atomic_load_n(&flight->filed, __ATOMIC_SEQ_CST)
        ? ngx_http_bell_cache_file_read(ctx, flight, b->start, n)
        : bell_chunks_read(ctx->zone->sh->chunks, flight->entry.body,
                           ctx->sent, b->start, n);

    ngx_memory_barrier();

    if (ngx_http_bell_cache_flight(ctx->zone, &ctx->flight) != flight
        || (n == 0 && published != ctx->sent))
    {
        return NGX_ERROR;
    }

    b->last = b->start + n;
    ctx->sent += n;

    ctx->whole = length >= 0 ? ctx->sent == (uint64_t) length
                             : (state == NGX_HTTP_BELL_CACHE_DONE
                                && ctx->sent == published);

    b->memory = n != 0;
    b->flush = !ctx->whole;
    b->last_buf = ctx->whole;
    b->last_in_chain = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_cache_next_fed(ngx_http_bell_cache_ctx_t *ctx)
{
    size_t      n;
    ngx_buf_t  *b, *from;

    from = ctx->load ? ctx->load->piece : ctx->rest;
    n = from ? from->last - from->pos : 0;

    if (n == 0 && !ctx->fed) {
        return NGX_AGAIN;
    }

    if (n == 0 && !ctx->fed_whole) {
        return NGX_ERROR;
    }

    if (ngx_http_bell_cache_piece(ctx, n) != NGX_OK) {
        return NGX_ERROR;
    }

    b = ctx->piece;
    n = ngx_min(n, (size_t) (b->end - b->start));

    if (n) {
        b->last = ngx_cpymem(b->start, from->pos, n);
        from->pos += n;
    }

    ctx->whole = ctx->fed && ctx->fed_whole
                 && (from == NULL || from->pos == from->last);

    b->memory = n != 0;
    b->flush = !ctx->whole;
    b->last_buf = ctx->whole;
    b->last_in_chain = 1;

    if (ctx->load) {
        ngx_http_bell_cache_load_more(ctx->load);
    }

    return NGX_OK;
}


/* A buffer of this request's own, for so much or a part of it. */

static ngx_int_t
ngx_http_bell_cache_piece(ngx_http_bell_cache_ctx_t *ctx, uint64_t left)
{
    size_t               room;
    ngx_buf_t           *b;
    ngx_http_request_t  *r;

    r = ctx->request;
    room = ngx_min(left, NGX_HTTP_BELL_CACHE_PIECE_BYTES);

    b = ctx->piece;

    if (b == NULL) {
        b = ngx_calloc_buf(r->pool);
        if (b == NULL) {
            return NGX_ERROR;
        }

        b->tag = (ngx_buf_tag_t) &ngx_http_bell_cache_module;
        ctx->piece = b;
    }

    if ((size_t) (b->end - b->start) < room) {

        /* once more at most: small at first, for a body that comes in drops */

        room = b->start ? NGX_HTTP_BELL_CACHE_PIECE_BYTES
                        : ngx_max(room, 4096);

        b->start = ngx_palloc(r->pool, room);
        if (b->start == NULL) {
            return NGX_ERROR;
        }

        b->end = b->start + room;
    }

    b->pos = b->start;
    b->last = b->start;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_bell_cache_is_busy(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    return r->buffered || r->postponed || r->connection->buffered
           || (ctx->piece && ctx->piece->pos != ctx->piece->last);
}


/* The client has taken all that there is. */

static void
ngx_http_bell_cache_wait_to_come(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_connection_t  *c;

    c = ctx->request->connection;

    if (c->write->timer_set && !c->write->delayed) {
        ngx_del_timer(c->write);
    }

    ngx_add_timer(c->read, ctx->blcf->wait);
}


static void
ngx_http_bell_cache_wait_to_write(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_event_t               *wev;
    ngx_connection_t          *c;
    ngx_http_core_loc_conf_t  *clcf;

    c = ctx->request->connection;
    wev = c->write;

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    clcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_core_module);

    if (!wev->delayed) {
        ngx_add_timer(wev, clcf->send_timeout);
    }

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        ngx_http_bell_cache_ends(ctx, NGX_ERROR);
    }
}


/* ---- whether those who bring something live */

void
ngx_http_bell_cache_watch(ngx_http_bell_cache_main_conf_t *bmcf)
{
    if (bmcf->watch.timer_set) {
        return;
    }

    bmcf->dummy.fd = (ngx_socket_t) -1;

    bmcf->watch.handler = ngx_http_bell_cache_watched;
    bmcf->watch.data = &bmcf->dummy;
    bmcf->watch.log = ngx_cycle->log;
    bmcf->watch.cancelable = 1;

    bmcf->dummy.data = bmcf;

    ngx_add_timer(&bmcf->watch, NGX_HTTP_BELL_CACHE_WATCH);
}


static void
ngx_http_bell_cache_watched(ngx_event_t *ev)
{
    ngx_uint_t                        i, waiting;
    ngx_connection_t                 *dummy;
    ngx_http_bell_cache_zone_t      **zones;
    ngx_http_bell_cache_main_conf_t  *bmcf;

    dummy = ev->data;
    bmcf = dummy->data;
    zones = bmcf->zones.elts;
    waiting = 0;

    for (i = 0; i < bmcf->zones.nelts; i++) {
        if (!ngx_queue_empty(&zones[i]->readers)
            || !ngx_queue_empty(&zones[i]->loads))
        {
            ngx_http_bell_cache_sweep(zones[i], bmcf->core);
            waiting = 1;

            /* who gave them a place may have died before he said so */

            ngx_http_bell_cache_loads_woken(zones[i]);

            /* a zone that has begun anew knows nobody who waits */

            if (zones[i]->layouts != zones[i]->sh->layouts) {
                zones[i]->layouts = zones[i]->sh->layouts;
                ngx_http_bell_cache_woken(zones[i]);
            }
        }
    }

    if (waiting) {
        ngx_http_bell_cache_watch(bmcf);
    }
}
