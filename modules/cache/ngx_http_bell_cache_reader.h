
/*
 * Readers, as their own files know them: ..._reader.c looks and answers,
 * ..._stream.c waits and begins to pass on what comes, ..._body.c goes on.
 */

#ifndef _NGX_HTTP_BELL_CACHE_READER_H_INCLUDED_
#define _NGX_HTTP_BELL_CACHE_READER_H_INCLUDED_


#include "ngx_http_bell_cache.h"


#pragma GCC visibility push(hidden)


/* ---- ngx_http_bell_cache_reader.c */

void ngx_http_bell_cache_leaves(ngx_http_bell_cache_ctx_t *ctx);
/* For what its key says; results as of the phase's handler. */
ngx_int_t ngx_http_bell_cache_look(ngx_http_bell_cache_ctx_t *ctx);
ngx_int_t ngx_http_bell_cache_look_first(ngx_http_bell_cache_ctx_t *ctx);
ngx_int_t ngx_http_bell_cache_look_up(ngx_http_bell_cache_ctx_t *ctx);
ngx_int_t ngx_http_bell_cache_serve_stale(ngx_http_bell_cache_ctx_t *ctx,
    ngx_uint_t status);
/* Nobody was asked: what is stale, or 503 that tells when to come again. */
ngx_int_t ngx_http_bell_cache_refused(ngx_http_bell_cache_ctx_t *ctx);
void ngx_http_bell_cache_look_again(ngx_http_bell_cache_ctx_t *ctx);
/* With what the handler would have returned. */
void ngx_http_bell_cache_ends(ngx_http_bell_cache_ctx_t *ctx, ngx_int_t rc);


/* ---- ngx_http_bell_cache_stream.c */

/* ctx->flight is set.  NGX_DONE. */
ngx_int_t ngx_http_bell_cache_waits_for(ngx_http_bell_cache_ctx_t *ctx);
void ngx_http_bell_cache_reader_event(ngx_event_t *ev);
/*
 * What was put together goes out, and what there is of the body; the request
 * may be gone behind it.
 */
void ngx_http_bell_cache_send_head(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight);


/* ---- ngx_http_bell_cache_held.c */

/* How much of long bodies is copied for this connection. */
size_t *ngx_http_bell_cache_copied(ngx_http_bell_cache_ctx_t *ctx);
/*
 * What was found, if it is too much to be copied as well; results as of the
 * phase's handler.  NGX_ABORT: it is not.
 */
ngx_int_t ngx_http_bell_cache_serve_held(ngx_http_bell_cache_ctx_t *ctx);
/* All of its body, copied, or as a file; NGX_DECLINED: it has gone meanwhile. */
ngx_int_t ngx_http_bell_cache_body_of(ngx_http_bell_cache_ctx_t *ctx,
    ngx_chain_t *out);


/* ---- ngx_http_bell_cache_body.c */

/*
 * Behind the head: all that there is now, as the client takes it.  The flight
 * may be NULL for who is fed by his own load.  The request may be gone behind
 * it.
 */
void ngx_http_bell_cache_more(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight);


/* ---- ngx_http_bell_cache_window.c */

/* Of a flight with a window: where this process's readers are is to be told. */
void ngx_http_bell_cache_window_read(ngx_http_bell_cache_ctx_t *ctx);
/* So many bytes of it from ctx->sent on, or fewer. */
size_t ngx_http_bell_cache_window_copy(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, u_char *p, size_t len);
/* ctx->piece is empty, and has room for so much or a part of it. */
ngx_int_t ngx_http_bell_cache_piece(ngx_http_bell_cache_ctx_t *ctx,
    uint64_t left);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_CACHE_READER_H_INCLUDED_ */
