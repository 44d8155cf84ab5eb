
/*
 * What is too large to be kept is passed on by a window (see
 * ngx_http_bell_cache_window.c).  Who cannot keep up with the others, or is one
 * of many where there is no room for a window, has a part already.  He gets the
 * rest by a load of his own, which takes its turn as others do, when both
 * answers have the same strong tag: then they are the same, byte by byte (RFC
 * 9110, 8.8.1).  Else he is cut off, and sees it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache.h"
#include "ngx_http_bell_cache_load.h"


static ngx_int_t ngx_http_bell_cache_resume_head(
    ngx_http_bell_cache_fetch_t *fetch, ngx_http_request_t *r);
static ssize_t ngx_http_bell_cache_resume_body(
    ngx_http_bell_cache_fetch_t *fetch, u_char *p, size_t len);
static void ngx_http_bell_cache_resume_done(
    ngx_http_bell_cache_fetch_t *fetch, ngx_uint_t whole);


static const ngx_http_bell_cache_sink_t  ngx_http_bell_cache_resume_sink = {
    ngx_http_bell_cache_resume_head,
    ngx_http_bell_cache_resume_body,
    ngx_http_bell_cache_resume_done
};


/* The head is of this request's pool. */

void
ngx_http_bell_cache_may_resume(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_found_t *found)
{
    bell_str  fields;

    fields = found->fields;

    if (!bell_stored_field_of(&fields, BELL_STR("etag"), 0, &ctx->etag)
        || ctx->etag.len < 2 || ctx->etag.p[0] != '"')
    {
        ctx->etag = (bell_str) { NULL, 0 };
    }
}


ngx_int_t
ngx_http_bell_cache_resume(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_pool_t                  *pool;
    ngx_http_bell_cache_ref_t    own;
    ngx_http_bell_cache_load_t  *load;

    if (ctx->etag.len == 0) {
        return NGX_DECLINED;
    }

    /* he may have begun it himself, and could not keep up with the others */

    if (ctx->load) {
        ngx_http_bell_cache_load_left(ctx->load);
        ctx->load = NULL;
    }

    own.number = 0;

    if (ngx_http_bell_cache_alone(ctx, &own) != NGX_HTTP_BELL_CACHE_STARTED
        && ctx->blcf->fetches.set)
    {
        return NGX_DECLINED;
    }

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

    load->fetch.sink = &ngx_http_bell_cache_resume_sink;
    load->fetch.data = load;
    load->skips = ctx->sent;
    load->feeds = 1;
    load->ended = 1;

    if (ngx_http_bell_cache_fetch(ctx->request, ctx->bmcf->core,
                                  ngx_http_bell_cache_drops, NULL, 0,
                                  &load->fetch)
        != NGX_OK)
    {
        goto failed;
    }

    load->reader = ctx;
    ctx->load = load;
    ctx->headed = 1;

    ngx_http_bell_cache_leave(ctx->zone, ctx->bmcf->core, &ctx->flight);

    if (own.number) {
        ngx_http_bell_cache_load_queue(load);

    } else {
        ngx_http_bell_cache_load_begin(load);
    }

    return NGX_OK;

failed:

    ngx_http_bell_cache_land(ctx->zone, ctx->bmcf->core, &own);

    if (pool) {
        ngx_destroy_pool(pool);
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_bell_cache_resume_head(ngx_http_bell_cache_fetch_t *fetch,
    ngx_http_request_t *r)
{
    bell_str                     etag;
    ngx_http_bell_cache_load_t  *load;

    load = fetch->data;

    return load->reader && r->upstream
           && r->upstream->headers_in.status_n == NGX_HTTP_OK
           && r->headers_out.status == NGX_HTTP_OK
           && ngx_http_bell_cache_list_field(&r->upstream->headers_in.headers,
                                             BELL_STR("etag"), 0, &etag)
           && bell_str_eq(etag, load->reader->etag)
           ? NGX_OK : NGX_ERROR;
}


static ssize_t
ngx_http_bell_cache_resume_body(ngx_http_bell_cache_fetch_t *fetch, u_char *p,
    size_t len)
{
    size_t                       n;
    ssize_t                      fed;
    ngx_http_bell_cache_load_t  *load;

    load = fetch->data;

    n = ngx_min(load->skips - load->ignored, len);
    load->ignored += n;

    if (n == len) {
        return n;
    }

    /* it has come as far as he had, and is as slow as he is from here on */

    if (load->flight.number) {
        ngx_http_bell_cache_land(load->ctx.zone, load->ctx.bmcf->core,
                                 &load->flight);
    }

    fed = ngx_http_bell_cache_load_feed(load, p + n, len - n);

    return fed == NGX_ERROR ? NGX_ERROR : (ssize_t) n + fed;
}


static void
ngx_http_bell_cache_resume_done(ngx_http_bell_cache_fetch_t *fetch,
    ngx_uint_t whole)
{
    ngx_http_bell_cache_load_t  *load;

    load = fetch->data;

    ngx_http_bell_cache_load_done(fetch, whole
                                         && load->ignored == load->skips);
}
