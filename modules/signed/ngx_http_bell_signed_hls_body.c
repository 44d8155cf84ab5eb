
/*
 * Playlists whose URIs are given tokens: the body, piece by piece as it comes.
 * What is read is done with when a call returns, but for what finds no room:
 * of buffers there are a few, each sent and used again.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_signed_hls.h"


#define NGX_HTTP_BELL_SIGNED_HLS_BUFFERED  0x08  /* of r->buffered */

#define NGX_HTTP_BELL_SIGNED_HLS_BUFS      4     /* and as many more, where one
                                                    line needs them */
#define NGX_HTTP_BELL_SIGNED_HLS_SIZE      16384
#define NGX_HTTP_BELL_SIGNED_HLS_STEP      4096  /* bytes read at a time */


static ngx_int_t ngx_http_bell_signed_hls_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_bell_signed_hls_read(ngx_http_request_t *r,
    ngx_http_bell_signed_hls_ctx_t *ctx, bell_buf *piece);
static ngx_int_t ngx_http_bell_signed_hls_read_buf(ngx_http_request_t *r,
    ngx_http_bell_signed_hls_ctx_t *ctx, ngx_buf_t *b, bell_buf *piece);
static ngx_uint_t ngx_http_bell_signed_hls_is_full(
    ngx_http_bell_signed_hls_ctx_t *ctx);
static ngx_int_t ngx_http_bell_signed_hls_put(ngx_http_request_t *r,
    ngx_http_bell_signed_hls_ctx_t *ctx, bell_buf *piece);
static ngx_buf_t *ngx_http_bell_signed_hls_new_buf(ngx_http_request_t *r,
    ngx_http_bell_signed_hls_ctx_t *ctx);
static ngx_buf_t *ngx_http_bell_signed_hls_mark(ngx_http_request_t *r,
    ngx_http_bell_signed_hls_ctx_t *ctx);
static ngx_int_t ngx_http_bell_signed_hls_flush(ngx_http_request_t *r,
    ngx_http_bell_signed_hls_ctx_t *ctx);
static ngx_int_t ngx_http_bell_signed_hls_send(ngx_http_request_t *r,
    ngx_http_bell_signed_hls_ctx_t *ctx);
static void ngx_http_bell_signed_hls_count(ngx_http_request_t *r,
    ngx_http_bell_signed_hls_ctx_t *ctx);
static ngx_int_t ngx_http_bell_signed_hls_init(ngx_conf_t *cf);


static ngx_http_module_t  ngx_http_bell_signed_hls_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_bell_signed_hls_init,         /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_bell_signed_hls_module = {
    NGX_MODULE_V1,
    &ngx_http_bell_signed_hls_module_ctx,  /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_output_body_filter_pt  ngx_http_next_body_filter;


static ngx_int_t
ngx_http_bell_signed_hls_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    int64_t                            until_s;
    bell_buf                           piece;
    ngx_int_t                          rc;
    ngx_http_bell_signed_hls_ctx_t    *ctx;
    ngx_http_bell_signed_main_conf_t  *smcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_bell_signed_hls_module);

    if (ctx == NULL || r->header_only) {
        return ngx_http_next_body_filter(r, in);
    }

    if (in && ngx_chain_add_copy(r->pool, &ctx->in, in) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->in == NULL && ctx->busy == NULL) {
        return ngx_http_next_body_filter(r, NULL);
    }

    smcf = ngx_http_get_module_main_conf(r, ngx_http_bell_signed_module);

    /* a key of the directory may be another one since, or none */

    if (ctx->conf->issuer) {
        ctx->hls.key = ngx_http_bell_signed_hls_key(r, ctx->conf->issuer,
                                                    &ctx->key, &until_s);
    }

    ctx->hls.room.p = smcf->room;
    ctx->hls.room.left = BELL_HLS_ROOM;

    /* memory of its own, as much as it may ever want: it never asks for any */

    bell_buf_init(&piece, NGX_HTTP_BELL_SIGNED_PIECE);
    piece.p = smcf->piece;
    piece.cap = NGX_HTTP_BELL_SIGNED_PIECE;

    do {
        if (ngx_http_bell_signed_hls_read(r, ctx, &piece) == NGX_ERROR) {
            return NGX_ERROR;
        }

        rc = ngx_http_bell_signed_hls_send(r, ctx);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

    } while (ctx->in && !ngx_http_bell_signed_hls_is_full(ctx));

    ngx_http_bell_signed_hls_count(r, ctx);

    if (ctx->in) {
        r->buffered |= NGX_HTTP_BELL_SIGNED_HLS_BUFFERED;
        return NGX_AGAIN;
    }

    r->buffered &= ~NGX_HTTP_BELL_SIGNED_HLS_BUFFERED;

    return rc;
}


/* As much of the input as there is room for. */

static ngx_int_t
ngx_http_bell_signed_hls_read(ngx_http_request_t *r,
    ngx_http_bell_signed_hls_ctx_t *ctx, bell_buf *piece)
{
    ngx_int_t     rc;
    ngx_buf_t    *b, *mark;
    ngx_chain_t  *cl;

    while (ctx->in) {
        cl = ctx->in;
        b = cl->buf;

        rc = ngx_http_bell_signed_hls_read_buf(r, ctx, b, piece);

        if (rc == NGX_AGAIN) {

            /* what was put together has to go, small as it may be */

            return ngx_http_bell_signed_hls_flush(r, ctx);
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }

        if (b->last_buf || b->last_in_chain) {
            mark = ngx_http_bell_signed_hls_mark(r, ctx);
            if (mark == NULL) {
                return NGX_ERROR;
            }

            mark->last_buf = b->last_buf;
            mark->last_in_chain = b->last_in_chain;
        }

        if (b->flush && ngx_http_bell_signed_hls_flush(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        ctx->in = cl->next;
        ngx_free_chain(r->pool, cl);
    }

    return NGX_OK;
}


/* Line by line, so that no piece becomes much at a time. */

static ngx_int_t
ngx_http_bell_signed_hls_read_buf(ngx_http_request_t *r,
    ngx_http_bell_signed_hls_ctx_t *ctx, ngx_buf_t *b, bell_buf *piece)
{
    u_char    *end;
    size_t     len;
    bell_str   bytes;

    if (b->in_file && !ngx_buf_in_memory(b)) {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                      "bell_signed_hls: a playlist in a file, not in memory");
        return NGX_ERROR;
    }

    while (ngx_buf_in_memory(b) && b->pos < b->last) {

        if (ngx_http_bell_signed_hls_is_full(ctx)) {
            return NGX_AGAIN;
        }

        len = ngx_min(b->last - b->pos, NGX_HTTP_BELL_SIGNED_HLS_STEP);
        end = memchr(b->pos, LF, len);

        bytes.p = (char *) b->pos;
        bytes.len = end ? (size_t) (end - b->pos) + 1 : len;

        bell_buf_reset(piece);

        if (!bell_m3u8_feed(&ctx->m3u8, bytes, piece)) {
            goto failed;
        }

        b->pos += bytes.len;

        if (ngx_http_bell_signed_hls_put(r, ctx, piece) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (b->last_buf || b->last_in_chain) {
        bell_buf_reset(piece);

        if (!bell_m3u8_end(&ctx->m3u8, piece)) {
            goto failed;
        }

        return ngx_http_bell_signed_hls_put(r, ctx, piece);
    }

    return NGX_OK;

failed:

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "bell_signed_hls: one line of the playlist has so many URIs "
                  "that it would be more than %d bytes with their tokens",
                  NGX_HTTP_BELL_SIGNED_PIECE);

    return NGX_ERROR;
}


static ngx_uint_t
ngx_http_bell_signed_hls_is_full(ngx_http_bell_signed_hls_ctx_t *ctx)
{
    return ctx->nbufs >= NGX_HTTP_BELL_SIGNED_HLS_BUFS && ctx->free == NULL
           && (ctx->buf == NULL || ctx->buf->last == ctx->buf->end);
}


static ngx_int_t
ngx_http_bell_signed_hls_put(ngx_http_request_t *r,
    ngx_http_bell_signed_hls_ctx_t *ctx, bell_buf *piece)
{
    char       *p, *end;
    size_t      n;
    ngx_buf_t  *b;

    p = piece->p;
    end = piece->p + piece->len;

    while (p < end) {
        b = ctx->buf;

        if (b == NULL || b->last == b->end) {
            b = ngx_http_bell_signed_hls_new_buf(r, ctx);
            if (b == NULL) {
                return NGX_ERROR;
            }
        }

        n = ngx_min(end - p, b->end - b->last);
        b->last = ngx_cpymem(b->last, p, n);
        p += n;
    }

    return NGX_OK;
}


/* Behind "out"; something is put into it at once. */

static ngx_buf_t *
ngx_http_bell_signed_hls_new_buf(ngx_http_request_t *r,
    ngx_http_bell_signed_hls_ctx_t *ctx)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (ctx->free) {
        cl = ctx->free;
        ctx->free = cl->next;

    } else {
        cl = ngx_alloc_chain_link(r->pool);
        if (cl == NULL) {
            return NULL;
        }

        cl->buf = ngx_create_temp_buf(r->pool, NGX_HTTP_BELL_SIGNED_HLS_SIZE);
        if (cl->buf == NULL) {
            return NULL;
        }

        cl->buf->tag = (ngx_buf_tag_t) &ngx_http_bell_signed_hls_module;
        ctx->nbufs++;
    }

    b = cl->buf;
    b->pos = b->start;
    b->last = b->start;
    b->flush = 0;

    cl->next = NULL;
    *ctx->last_out = cl;
    ctx->last_out = &cl->next;
    ctx->buf = b;

    return b;
}


/* What can carry a sign behind all that was put together so far. */

static ngx_buf_t *
ngx_http_bell_signed_hls_mark(ngx_http_request_t *r,
    ngx_http_bell_signed_hls_ctx_t *ctx)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = ctx->buf;

    if (b) {
        return b;
    }

    cl = ngx_alloc_chain_link(r->pool);
    b = ngx_calloc_buf(r->pool);
    if (cl == NULL || b == NULL) {
        return NULL;
    }

    /* not used again: who has it may not have read it yet */

    b->sync = 1;

    cl->buf = b;
    cl->next = NULL;
    *ctx->last_out = cl;
    ctx->last_out = &cl->next;

    return b;
}


static ngx_int_t
ngx_http_bell_signed_hls_flush(ngx_http_request_t *r,
    ngx_http_bell_signed_hls_ctx_t *ctx)
{
    ngx_buf_t  *b;

    if (ctx->out == NULL && !ctx->unflushed) {
        return NGX_OK;
    }

    b = ngx_http_bell_signed_hls_mark(r, ctx);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->flush = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_signed_hls_send(ngx_http_request_t *r,
    ngx_http_bell_signed_hls_ctx_t *ctx)
{
    ngx_int_t     rc;
    ngx_chain_t  *cl, *out;

    if (ctx->out == NULL && ctx->busy == NULL) {
        return NGX_OK;
    }

    for (cl = ctx->out; cl; cl = cl->next) {
        ctx->unflushed = !cl->buf->flush;
    }

    /* a filter behind may end the answer, and so be here again within this */

    out = ctx->out;

    ctx->out = NULL;
    ctx->last_out = &ctx->out;
    ctx->buf = NULL;

    rc = ngx_http_next_body_filter(r, out);

    ngx_chain_update_chains(r->pool, &ctx->free, &ctx->busy, &out,
                        (ngx_buf_tag_t) &ngx_http_bell_signed_hls_module);

    return rc;
}


static void
ngx_http_bell_signed_hls_count(ngx_http_request_t *r,
    ngx_http_bell_signed_hls_ctx_t *ctx)
{
    ngx_http_bell_signed_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_bell_signed_module);

    if (ctx->m3u8.changed != ctx->counted) {
        smcf->core->count(smcf->uris, ctx->m3u8.changed - ctx->counted);
        ctx->counted = ctx->m3u8.changed;
    }

    if (ctx->m3u8.long_lines != ctx->long_lines) {
        smcf->core->count(smcf->long_lines,
                          ctx->m3u8.long_lines - ctx->long_lines);
        ctx->long_lines = ctx->m3u8.long_lines;
    }
}


/* Where nobody asks for it, it stands in nobody's way. */

static ngx_int_t
ngx_http_bell_signed_hls_init(ngx_conf_t *cf)
{
    ngx_http_bell_signed_main_conf_t  *smcf;

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_signed_module);

    if (smcf->piece) {
        ngx_http_next_body_filter = ngx_http_top_body_filter;
        ngx_http_top_body_filter = ngx_http_bell_signed_hls_body_filter;
    }

    return NGX_OK;
}
