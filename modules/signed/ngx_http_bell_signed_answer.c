
/*
 * What a verdict gives the client: a refusal, a renewed token, or leave.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_signed.h"


static ngx_int_t ngx_http_bell_signed_redirect(ngx_http_request_t *r,
    ngx_http_bell_signed_ctx_t *ctx);


ngx_int_t
ngx_http_bell_signed_answer(ngx_http_request_t *r,
    ngx_http_bell_signed_ctx_t *ctx)
{
    ngx_str_t                          name;
    ngx_http_core_loc_conf_t          *clcf;
    ngx_http_bell_signed_main_conf_t  *smcf;

    if (ctx->redirect.len) {
        return ngx_http_bell_signed_redirect(r, ctx);
    }

    if (ctx->reason != BELL_SIGNED_OK) {
        clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

        /* where any is enough, another may yet let it in */

        if (clcf->satisfy != NGX_HTTP_SATISFY_ANY) {
            smcf = ngx_http_get_module_main_conf(r,
                                                 ngx_http_bell_signed_module);
            smcf->core->reason(r, "a signed address is needed here: %s",
                               bell_signed_reason_name(ctx->reason));
        }

        return NGX_HTTP_FORBIDDEN;
    }

    if (ctx->set_cookie.len) {
        ngx_str_set(&name, "Set-Cookie");

        if (ngx_http_bell_signed_add_field(r, &name, &ctx->set_cookie)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        /* once, also when an internal redirect comes by here again */
        ctx->set_cookie.len = 0;
    }

    if (ctx->field_name.len) {
        if (ngx_http_bell_signed_add_field(r, &ctx->field_name,
                                           &ctx->field_value)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ctx->field_name.len = 0;
    }

    return NGX_OK;
}


/* To the renewed token, or where the token sends those whom it refuses. */

static ngx_int_t
ngx_http_bell_signed_redirect(ngx_http_request_t *r,
    ngx_http_bell_signed_ctx_t *ctx)
{
    ngx_http_clear_location(r);

    r->headers_out.location = ngx_list_push(&r->headers_out.headers);
    if (r->headers_out.location == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(r->headers_out.location, sizeof(ngx_table_elt_t));

    r->headers_out.location->hash = 1;
    ngx_str_set(&r->headers_out.location->key, "Location");
    r->headers_out.location->value = ctx->redirect;

    return ctx->redirect_status ? ctx->redirect_status
                                : NGX_HTTP_MOVED_TEMPORARILY;
}


ngx_int_t
ngx_http_bell_signed_add_field(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key = *name;
    h->value = *value;

    return NGX_OK;
}
