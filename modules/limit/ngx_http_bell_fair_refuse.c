
/*
 * What is said to who is not served, for want of a place.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_fair.h"
#include "ngx_http_bell_limit.h"


/* of the time that Retry-After says, before what is added by lot */
#define NGX_HTTP_BELL_FAIR_RETRY_US  60000000


static int64_t ngx_http_bell_fair_drain_us(bell_fair_figures *figures);


ngx_int_t
ngx_http_bell_fair_refuse(ngx_http_bell_fair_ctx_t *ctx,
    ngx_http_bell_fair_result_e result)
{
    u_char                          *p;
    uint32_t                         retry_s;
    ngx_table_elt_t                 *h;
    bell_gcra_answer                 answer;
    bell_fair_figures                figures;
    ngx_http_request_t              *r;
    ngx_http_bell_fair_main_conf_t  *fmcf;

    r = ctx->request;
    fmcf = ctx->fmcf;

    (void) ngx_http_bell_fair_lock(fmcf);

    bell_fair_read(fmcf->fair, ctx->origin, &figures);

    ngx_http_bell_fair_unlock(fmcf);

    if (result == NGX_HTTP_BELL_FAIR_LATE) {
        fmcf->core->reason(r, "pool \"%V\" is full: %uD requests are there at "
                           "once, and rank %ui has waited as long as it may",
                           &ctx->pool->name, figures.places, ctx->rank);

    } else {
        fmcf->core->reason(r, "pool \"%V\" is full: %uD requests are there at "
                           "once, %uD wait, and of these rank %ui goes first",
                           &ctx->pool->name, figures.places, figures.waiting,
                           ctx->rank);
    }

    ngx_http_bell_limit_take_back(r);

    ngx_memzero(&answer, sizeof(bell_gcra_answer));

    answer.retry_after_us = ngx_http_bell_fair_drain_us(&figures);

    retry_s = bell_ratelimit_retry_s(&answer, ctx->pool->jitter_s,
                                     (uint64_t) ngx_random());

    h = ngx_list_push(&r->headers_out.headers);
    p = ngx_pnalloc(r->pool, NGX_INT32_LEN);

    if (h == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    h->hash = 1;
    ngx_str_set(&h->key, "Retry-After");
    h->value.data = p;
    h->value.len = ngx_sprintf(p, "%uD", retry_s) - p;

    return NGX_HTTP_SERVICE_UNAVAILABLE;
}


/* Until those that wait now have had their turns. */

static int64_t
ngx_http_bell_fair_drain_us(bell_fair_figures *figures)
{
    int64_t  us;

    us = figures->hold_us * figures->waiting / ngx_max(figures->places, 1);

    return ngx_min(us, NGX_HTTP_BELL_FAIR_RETRY_US);
}


/* A fetch of the cache was refused: who waits for it is, too. */

ngx_uint_t
ngx_http_bell_fair_is_refused(ngx_http_request_t *r)
{
    ngx_http_bell_fair_ctx_t  *ctx;

    ctx = ngx_http_bell_fair_get_ctx(r->main);

    return r->err_status == NGX_HTTP_SERVICE_UNAVAILABLE
           || (ctx && ctx->is_known
               && (ctx->result == NGX_HTTP_BELL_FAIR_REFUSED
                   || ctx->result == NGX_HTTP_BELL_FAIR_LATE));
}
