
/*
 * The edge context: what has been found out about a request on its way.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_context.h"


#define NGX_HTTP_BELL_WHY_LEN  255


static ngx_http_bell_ctx_t *ngx_http_bell_create_context(
    ngx_http_request_t *r);
static void ngx_http_bell_context_cleanup(void *data);
static ngx_uint_t ngx_http_bell_same(ngx_str_t *a, ngx_str_t *b);
static u_char *ngx_http_bell_append(u_char *p, ngx_str_t *to,
    ngx_str_t *from);


ngx_http_bell_ctx_t *
ngx_http_bell_get_context(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t   *cln;
    ngx_http_bell_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_bell_core_module);

    if (ctx) {
        return ctx;
    }

    /* a subrequest, or r->ctx was zeroed by an internal redirect */

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_bell_context_cleanup) {
            ctx = cln->data;
            ngx_http_set_ctx(r, ctx, ngx_http_bell_core_module);
            return ctx;
        }
    }

    return NULL;
}


ngx_http_bell_ctx_t *
ngx_http_bell_context(ngx_http_request_t *r)
{
    ngx_http_bell_ctx_t  *ctx;

    ctx = ngx_http_bell_get_context(r);

    return ctx ? ctx : ngx_http_bell_create_context(r);
}


static ngx_http_bell_ctx_t *
ngx_http_bell_create_context(ngx_http_request_t *r)
{
    ngx_http_bell_ctx_t  *ctx;
    ngx_pool_cleanup_t   *cln;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_bell_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;

    ngx_memzero(ctx, sizeof(ngx_http_bell_ctx_t));

    /* nothing to clean up: the handler is what the context is found by */
    cln->handler = ngx_http_bell_context_cleanup;

    ngx_http_set_ctx(r, ctx, ngx_http_bell_core_module);

    return ctx;
}


static void
ngx_http_bell_context_cleanup(void *data)
{
    /* void */
}


const bell_tenant *
ngx_http_bell_context_tenant(ngx_http_request_t *r)
{
    ngx_http_bell_ctx_t  *ctx;

    ctx = ngx_http_bell_get_context(r);

    return (ctx && ctx->tenant.id) ? &ctx->tenant : NULL;
}


ngx_int_t
ngx_http_bell_identify(ngx_http_request_t *r, ngx_str_t *subject,
    ngx_str_t *role, ngx_str_t *class)
{
    u_char               *p;
    ngx_http_bell_ctx_t  *ctx;

    ctx = ngx_http_bell_context(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ctx->subject.len) {
        return ngx_http_bell_same(&ctx->subject, subject)
               && ngx_http_bell_same(&ctx->role, role)
               && ngx_http_bell_same(&ctx->class, class)
               ? NGX_OK : NGX_DECLINED;
    }

    p = ngx_pnalloc(r->pool, subject->len + role->len + class->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    p = ngx_http_bell_append(p, &ctx->subject, subject);
    p = ngx_http_bell_append(p, &ctx->role, role);
    (void) ngx_http_bell_append(p, &ctx->class, class);

    return NGX_OK;
}


ngx_int_t
ngx_http_bell_grant(ngx_http_request_t *r, ngx_str_t *scopes)
{
    u_char               *p;
    ngx_http_bell_ctx_t  *ctx;

    ctx = ngx_http_bell_context(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ctx->scopes.len) {
        return ngx_http_bell_same(&ctx->scopes, scopes) ? NGX_OK
                                                        : NGX_DECLINED;
    }

    p = ngx_pnalloc(r->pool, scopes->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_http_bell_append(p, &ctx->scopes, scopes);

    return NGX_OK;
}


static ngx_uint_t
ngx_http_bell_same(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len
           && (a->len == 0 || ngx_memcmp(a->data, b->data, a->len) == 0);
}


static u_char *
ngx_http_bell_append(u_char *p, ngx_str_t *to, ngx_str_t *from)
{
    to->data = p;
    to->len = from->len;

    return from->len ? ngx_cpymem(p, from->data, from->len) : p;
}


void
ngx_http_bell_reason(ngx_http_request_t *r, const char *fmt, ...)
{
    u_char               *p, buf[NGX_HTTP_BELL_WHY_LEN];
    va_list               args;
    ngx_str_t             why;
    ngx_http_bell_ctx_t  *ctx;

    va_start(args, fmt);
    p = ngx_vslprintf(buf, buf + NGX_HTTP_BELL_WHY_LEN, fmt, args);
    va_end(args);

    why.data = buf;
    why.len = p - buf;

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0, "%V", &why);

    /* without memory the log has it at least */

    ctx = ngx_http_bell_context(r);

    if (ctx == NULL || ctx->reason.len) {
        return;
    }

    p = ngx_pstrdup(r->pool, &why);

    if (p) {
        ctx->reason.data = p;
        ctx->reason.len = why.len;
    }
}
