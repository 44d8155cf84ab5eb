
/*
 * Readers, as their own files know them: ..._reader.c looks and answers,
 * ..._stream.c waits and passes on what comes.
 */

#ifndef _NGX_HTTP_BELL_CACHE_READER_H_INCLUDED_
#define _NGX_HTTP_BELL_CACHE_READER_H_INCLUDED_


#include "ngx_http_bell_cache.h"


#pragma GCC visibility push(hidden)


/* ---- ngx_http_bell_cache_reader.c */

void ngx_http_bell_cache_leaves(ngx_http_bell_cache_ctx_t *ctx);
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


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_CACHE_READER_H_INCLUDED_ */
