
/*
 * Readers who wait: for a head, then for more of a body.  They are woken and
 * look what has come; nothing is asked in intervals but whether who brings it
 * still lives.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache.h"
#include "ngx_http_bell_cache_load.h"
#include "ngx_http_bell_cache_parts.h"
#include "ngx_http_bell_cache_reader.h"
#include "ngx_http_bell_cache_shelf.h"


static void ngx_http_bell_cache_read(ngx_http_request_t *r);
static ngx_uint_t ngx_http_bell_cache_has_left(ngx_http_request_t *r);
static void ngx_http_bell_cache_write(ngx_http_request_t *r);
static void ngx_http_bell_cache_progress(ngx_http_bell_cache_ctx_t *ctx);
static void ngx_http_bell_cache_begin(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, ngx_uint_t state);
static ngx_uint_t ngx_http_bell_cache_is_past(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight);
static void ngx_http_bell_cache_fails(ngx_http_bell_cache_ctx_t *ctx,
    ngx_uint_t status);
static void ngx_http_bell_cache_is_refused(ngx_http_bell_cache_ctx_t *ctx);
static void ngx_http_bell_cache_begin_object(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, ngx_uint_t state);
static void ngx_http_bell_cache_begin_part(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, ngx_http_bell_cache_found_t *found);
static ngx_int_t ngx_http_bell_cache_head_of(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, ngx_http_bell_cache_found_t *found);
static ngx_int_t ngx_http_bell_cache_is_his(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, ngx_http_bell_cache_found_t *found);


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
        ngx_http_bell_cache_leaves(ctx);
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

        /* what is done behind him ("post_action") is done by this request */

        if (ngx_http_bell_cache_has_left(r)) {
            ngx_http_bell_cache_leaves(ctx);
        }

        ngx_http_test_reading(r);
        return;
    }

    rev->timedout = 0;

    /* a fetch of his own has its own bounds, such as proxy_read_timeout */

    if (ctx->headed && ctx->load) {
        ngx_add_timer(rev, ctx->blcf->wait);
        return;
    }

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


/*
 * As ngx_http_test_reading() sees it, which ends the request then, or leads it
 * elsewhere: by what was waited for it would be answered there once more.
 */

static ngx_uint_t
ngx_http_bell_cache_has_left(ngx_http_request_t *r)
{
    char               buf[1];
    ssize_t            n;
    ngx_connection_t  *c;

    c = r->connection;

#if (NGX_HTTP_V2)
    if (r->stream) {
        return c->error;
    }
#endif

#if (NGX_HTTP_V3)
    if (c->quic) {
        return c->read->error;
    }
#endif

#if (NGX_HAVE_EPOLLRDHUP)
    if ((ngx_event_flags & NGX_USE_EPOLL_EVENT) && ngx_use_epoll_rdhup) {
        return c->read->pending_eof;
    }
#endif

    n = recv(c->fd, buf, 1, MSG_PEEK);

    return n == 0 || (n == -1 && ngx_socket_errno != NGX_EAGAIN);
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

    /* he takes more */

    if (wev->timer_set) {
        ngx_del_timer(wev);
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

    /* who sends what is stored already needs no flight */

    if (ctx->parts && ctx->parts->found) {
        ngx_http_bell_cache_more(ctx, NULL);
        return;
    }

    /* nor does who is fed by his own load, and has a head */

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

    if (!ctx->begun || (ctx->parts && !ctx->parts->open)) {
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
    case NGX_HTTP_BELL_CACHE_PASSING:
    case NGX_HTTP_BELL_CACHE_DONE:

        if (ngx_http_bell_cache_is_past(ctx, flight)) {
            break;
        }

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


/*
 * What is not kept is there for who has it from its beginning.  Others, and
 * those who want a part of it, look again, and find that it is too large.
 */

static ngx_uint_t
ngx_http_bell_cache_is_past(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight)
{
    if (__atomic_load_n(&flight->window, __ATOMIC_SEQ_CST) == 0) {
        return 0;
    }

    return __atomic_load_n(&flight->floor, __ATOMIC_SEQ_CST) > 0
           || (ctx->joined && ctx->request->headers_in.range)
           || (flight->length >= 0 && ngx_http_bell_cache_parts_wants(ctx));
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

    length = state == NGX_HTTP_BELL_CACHE_DONE && flight->window == 0
             ? (off_t) flight->entry.body_bytes : (off_t) flight->length;

    if (ctx->parts) {
        ngx_http_bell_cache_begin_part(ctx, flight, &found);
        return;
    }

    if (state == NGX_HTTP_BELL_CACHE_COMING
        && ngx_http_bell_cache_parts_are_sooner(ctx, flight))
    {
        rc = ngx_http_bell_cache_parts(ctx, flight->length, 1);

        if (rc != NGX_ABORT) {
            ngx_http_bell_cache_ends(ctx, rc);
            return;
        }
    }

    /* a part of it can be cut out when its length is known */

    if (length < 0 && ctx->joined && ctx->request->headers_in.range) {
        return;
    }

    ngx_http_bell_cache_may_resume(ctx, &found);

    ctx->status.fwd_status = found.entry.times.status;
    ctx->status.stored = state != NGX_HTTP_BELL_CACHE_APART
                         && flight->window == 0;
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


static void
ngx_http_bell_cache_begin_part(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, ngx_http_bell_cache_found_t *found)
{
    ngx_int_t  rc;

    if (!ctx->begun) {
        ctx->status.fwd_status = found->entry.times.status;
        ctx->status.stored = 1;
        ctx->status.collapsed = ctx->joined;
    }

    rc = ngx_http_bell_cache_parts_begin(ctx, found);

    if (rc != NGX_OK) {
        ngx_http_bell_cache_ends(ctx, rc);
        return;
    }

    ngx_http_bell_cache_more(ctx, flight);
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

    p = ngx_palloc(ctx->pool, found->entry.head_bytes);
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

    if (ctx->nobody
        && ctx->variant_hash.words[0] == flight->stored_as.words[0]
        && ctx->variant_hash.words[1] == flight->stored_as.words[1])
    {
        return NGX_OK;
    }

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


void
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
