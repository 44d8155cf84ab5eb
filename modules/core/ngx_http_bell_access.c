
/*
 * The rooms before an answer, one handler for all of them.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_access.h"
#include "ngx_http_bell_context.h"


static ngx_int_t ngx_http_bell_access_handler(ngx_http_request_t *r);


ngx_int_t
ngx_http_bell_access_add(ngx_conf_t *cf, ngx_uint_t room,
    ngx_http_handler_pt handler)
{
    ngx_uint_t               i;
    ngx_http_conf_ctx_t     *ctx = cf->ctx;
    ngx_http_bell_access_t  *a;

    a = ngx_http_bell_access_conf(ctx->main_conf);

    if (room > NGX_HTTP_BELL_ROOM_LIMIT) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "there is no room %ui before an answer", room);
        return NGX_ERROR;
    }

    if (a->nelts == NGX_HTTP_BELL_ACCESS_MAX) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "more than %ui modules stand before an answer",
                      (ngx_uint_t) NGX_HTTP_BELL_ACCESS_MAX);
        return NGX_ERROR;
    }

    /* behind those of the same room */

    for (i = a->nelts++; i > 0 && a->rooms[i - 1] > room; i--) {
        a->rooms[i] = a->rooms[i - 1];
        a->handlers[i] = a->handlers[i - 1];
    }

    a->rooms[i] = room;
    a->handlers[i] = handler;

    return NGX_OK;
}


ngx_int_t
ngx_http_bell_access_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_conf_ctx_t        *ctx = cf->ctx;
    ngx_http_core_main_conf_t  *cmcf;

    if (ngx_http_bell_access_conf(ctx->main_conf)->nelts == 0) {
        return NGX_OK;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_bell_access_handler;

    return NGX_OK;
}


/*
 * Under "satisfy any" nginx lets a request in that another module is for: who
 * is refused here passes the rooms behind, too, so that limits hold for it.
 */

static ngx_int_t
ngx_http_bell_access_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc, refused, let_in;
    ngx_uint_t                 i;
    ngx_http_bell_access_t    *a;
    ngx_http_core_loc_conf_t  *clcf;

    a = ngx_http_bell_access_conf(r->main_conf);
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    refused = NGX_DECLINED;
    let_in = 0;

    for (i = 0; i < a->nelts; i++) {
        rc = a->handlers[i](r);

        if (rc == NGX_DECLINED) {
            continue;
        }

        if (rc == NGX_OK) {
            let_in = 1;

        } else if (clcf->satisfy == NGX_HTTP_SATISFY_ANY
                   && (rc == NGX_HTTP_UNAUTHORIZED
                       || rc == NGX_HTTP_FORBIDDEN))
        {
            refused = rc;

        } else {
            return rc;
        }
    }

    return let_in ? NGX_OK : refused;
}
