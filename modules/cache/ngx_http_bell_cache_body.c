
/*
 * Readers who are answered with what is still being brought: a body, piece by
 * piece, as fast as it comes and the client takes it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache.h"
#include "ngx_http_bell_cache_load.h"
#include "ngx_http_bell_cache_parts.h"
#include "ngx_http_bell_cache_reader.h"
#include "ngx_http_bell_cache_shelf.h"


static ngx_int_t ngx_http_bell_cache_next(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight);
static size_t ngx_http_bell_cache_next_bytes(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, u_char *p, size_t len);
static ngx_int_t ngx_http_bell_cache_next_none(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, ngx_uint_t state);
static ngx_int_t ngx_http_bell_cache_next_own(ngx_http_bell_cache_ctx_t *ctx);
static ngx_int_t ngx_http_bell_cache_next_fed(ngx_http_bell_cache_ctx_t *ctx);
static ngx_uint_t ngx_http_bell_cache_is_busy(ngx_http_bell_cache_ctx_t *ctx);
static void ngx_http_bell_cache_wait_to_come(ngx_http_bell_cache_ctx_t *ctx,
    ngx_uint_t goes_on);
static void ngx_http_bell_cache_wait_to_write(ngx_http_bell_cache_ctx_t *ctx,
    ngx_uint_t goes_on);


void
ngx_http_bell_cache_more(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight)
{
    ngx_int_t            rc;
    ngx_uint_t           goes_on;
    ngx_chain_t          out;
    ngx_http_request_t  *r;

    r = ctx->request;
    goes_on = 0;

    if (flight && flight->window) {
        ngx_http_bell_cache_window_read(ctx);
    }

    for ( ;; ) {
        if (ngx_http_bell_cache_is_busy(ctx)) {
            ngx_http_bell_cache_wait_to_write(ctx, goes_on);
            return;
        }

        rc = ctx->parts ? ngx_http_bell_cache_parts_piece(ctx, flight)
                        : ngx_http_bell_cache_next(ctx, flight);

        if (rc == NGX_DECLINED) {
            ngx_http_bell_cache_ends(ctx, ngx_http_bell_cache_parts_next(ctx));
            return;
        }

        if (rc == NGX_AGAIN) {
            ngx_http_bell_cache_wait_to_come(ctx, goes_on);
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

        goes_on = 1;
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
        return ngx_http_bell_cache_next_none(ctx, flight, state);
    }

    if (ngx_http_bell_cache_piece(ctx, published - ctx->sent) != NGX_OK) {
        return NGX_ERROR;
    }

    b = ctx->piece;

    n = ngx_min((uint64_t) (b->end - b->start), published - ctx->sent);
    n = ngx_http_bell_cache_next_bytes(ctx, flight, b->start, n);

    if (ngx_http_bell_cache_flight(ctx->zone, &ctx->flight) != flight) {
        return NGX_ERROR;
    }

    /* others could not wait for him, and what was copied is something else */

    if (ctx->sent < __atomic_load_n(&flight->floor, __ATOMIC_SEQ_CST)) {
        return ngx_http_bell_cache_next_own(ctx);
    }

    if (n == 0 && published != ctx->sent) {
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


/*
 * From where they are.  What was in chunks may have gone to a file, and its
 * chunks to a window, while they were copied.
 */

static size_t
ngx_http_bell_cache_next_bytes(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, u_char *p, size_t len)
{
    size_t    n;
    uint32_t  window;

    do {
        window = __atomic_load_n(&flight->window, __ATOMIC_SEQ_CST);

        if (window) {
            n = ngx_http_bell_cache_window_copy(ctx, flight, p, len);

        } else if (__atomic_load_n(&flight->filed, __ATOMIC_SEQ_CST)) {
            n = ngx_http_bell_cache_file_read(ctx, flight, p, len);

        } else {
            n = bell_chunks_read(ctx->zone->sh->chunks, flight->entry.body,
                                 ctx->sent, p, len);
        }

        ngx_memory_barrier();

    } while (window != __atomic_load_n(&flight->window, __ATOMIC_SEQ_CST));

    return n;
}


/* He has all that has come. */

static ngx_int_t
ngx_http_bell_cache_next_none(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, ngx_uint_t state)
{
    uint32_t  window;

    switch (state) {

    case NGX_HTTP_BELL_CACHE_PASSING:

        window = __atomic_load_n(&flight->window, __ATOMIC_SEQ_CST);

        if (window) {
            __atomic_store_n(&ctx->zone->sh->windows[window - 1].hungry, 1,
                             __ATOMIC_SEQ_CST);
        }

        /* fall through */

    case NGX_HTTP_BELL_CACHE_COMING:
        return NGX_AGAIN;

    case NGX_HTTP_BELL_CACHE_APART:

        /* grown too large to be shared: the rest is fed, by his own load */

        return ctx->load || ctx->fed ? ngx_http_bell_cache_next_fed(ctx)
                                     : ngx_http_bell_cache_next_own(ctx);

    default:
        return NGX_ERROR;
    }
}


/* The rest of it comes by a load that he has to himself, or not at all. */

static ngx_int_t
ngx_http_bell_cache_next_own(ngx_http_bell_cache_ctx_t *ctx)
{
    return ngx_http_bell_cache_resume(ctx) == NGX_OK
           ? ngx_http_bell_cache_next_fed(ctx) : NGX_ERROR;
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

ngx_int_t
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


/*
 * The client has taken all that there is.  He is woken by what comes for others
 * as well, and waits no longer for that.
 */

static void
ngx_http_bell_cache_wait_to_come(ngx_http_bell_cache_ctx_t *ctx,
    ngx_uint_t goes_on)
{
    ngx_connection_t  *c;

    c = ctx->request->connection;

    if (c->write->timer_set && !c->write->delayed) {
        ngx_del_timer(c->write);
    }

    if (goes_on || !c->read->timer_set) {
        ngx_add_timer(c->read, ctx->blcf->wait);
    }
}


/* Nor has he more time to take something because others are sent more. */

static void
ngx_http_bell_cache_wait_to_write(ngx_http_bell_cache_ctx_t *ctx,
    ngx_uint_t goes_on)
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

    if (!wev->delayed && (goes_on || !wev->timer_set)) {
        ngx_add_timer(wev, clcf->send_timeout);
    }

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        ngx_http_bell_cache_ends(ctx, NGX_ERROR);
    }
}
