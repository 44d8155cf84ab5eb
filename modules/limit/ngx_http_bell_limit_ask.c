
/*
 * A request passes the limits of its location, in one of core's rooms.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_limit.h"


/* a key is near its limit when no more than this part of it remains */
#define NGX_HTTP_BELL_LIMIT_NEAR  5


static ngx_int_t ngx_http_bell_limit_collect_asks(ngx_http_request_t *r,
    ngx_http_bell_limit_ctx_t *ctx, ngx_uint_t room);
static ngx_int_t ngx_http_bell_limit_add_ask(ngx_http_request_t *r,
    ngx_http_bell_limit_ctx_t *ctx, ngx_http_bell_limit_use_t *use);
static ngx_int_t ngx_http_bell_limit_ask_all(ngx_http_request_t *r,
    ngx_http_bell_limit_ctx_t *ctx, ngx_uint_t first);
static ngx_int_t ngx_http_bell_limit_take(ngx_http_request_t *r,
    ngx_http_bell_limit_ctx_t *ctx, ngx_http_bell_limit_ask_t *ask,
    int64_t now_us);
static void ngx_http_bell_limit_dry_run(ngx_http_request_t *r,
    ngx_http_bell_limit_ctx_t *ctx, ngx_http_bell_limit_ask_t *ask);
static void ngx_http_bell_limit_settle(ngx_http_bell_limit_ctx_t *ctx,
    ngx_http_bell_limit_result_e result, ngx_http_bell_limit_ask_t *ask);
static void ngx_http_bell_limit_give_back(ngx_http_request_t *r,
    ngx_http_bell_limit_ctx_t *ctx, int64_t now_us);
static ngx_int_t ngx_http_bell_limit_is_allowed(ngx_http_request_t *r,
    ngx_http_bell_limit_loc_conf_t *llcf);
static ngx_int_t ngx_http_bell_limit_let_in(ngx_http_request_t *r,
    ngx_uint_t room);


/*
 * Again after an internal redirect: a policy is asked once in a request's
 * life, and none after one has refused it, so that the page that says so can
 * be fetched.
 */

ngx_int_t
ngx_http_bell_limit_room(ngx_http_request_t *r, ngx_uint_t room)
{
    ngx_int_t                        rc;
    ngx_uint_t                       first;
    ngx_http_bell_limit_ctx_t       *ctx;
    ngx_http_bell_limit_loc_conf_t  *llcf;

    llcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_limit_module);

    if (llcf->uses == NULL || llcf->uses->nelts == 0) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_bell_limit_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->is_known && ctx->result == NGX_HTTP_BELL_LIMIT_REFUSED) {
        return NGX_DECLINED;
    }

    rc = ngx_http_bell_limit_is_allowed(r, llcf);

    if (rc != NGX_DECLINED) {
        return rc == NGX_OK ? ngx_http_bell_limit_let_in(r, room)
                            : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* also on the page of a refusal, wherever that stands */

    ctx->headers |= llcf->headers;

    first = ctx->asks.nelts;

    if (ngx_http_bell_limit_collect_asks(r, ctx, room) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ctx->asks.nelts > first ? ngx_http_bell_limit_ask_all(r, ctx, first)
                                   : NGX_DECLINED;
}


/* All are looked for in memory before the first is asked. */

static ngx_int_t
ngx_http_bell_limit_collect_asks(ngx_http_request_t *r,
    ngx_http_bell_limit_ctx_t *ctx, ngx_uint_t room)
{
    ngx_uint_t                       i;
    ngx_http_bell_limit_use_t       *use;
    ngx_http_bell_limit_loc_conf_t  *llcf;

    llcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_limit_module);

    use = llcf->uses->elts;

    for (i = 0; i < llcf->uses->nelts; i++) {

        if (use[i].policy->room != room || (ctx->asked & use[i].policy->bit)) {
            continue;
        }

        if (ngx_http_bell_limit_add_ask(r, ctx, &use[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_limit_add_ask(ngx_http_request_t *r,
    ngx_http_bell_limit_ctx_t *ctx, ngx_http_bell_limit_use_t *use)
{
    ngx_int_t                         rc;
    ngx_http_bell_limit_ask_t        *ask, a;
    ngx_http_bell_limit_main_conf_t  *lmcf;

    ngx_memzero(&a, sizeof(ngx_http_bell_limit_ask_t));

    a.policy = use->policy;
    a.dry_run = use->dry_run;

    rc = ngx_http_bell_limit_name(r, use->policy, &a.name);

    if (rc != NGX_OK) {

        /* who has no key here may have one behind an internal redirect */

        return rc == NGX_DECLINED ? NGX_OK : NGX_ERROR;
    }

    ngx_http_bell_limit_rule(r, &a);

    if (ngx_http_bell_limit_cost(r, &a) != NGX_OK) {
        return NGX_ERROR;
    }

    ask = ngx_array_push(&ctx->asks);
    if (ask == NULL) {
        return NGX_ERROR;
    }

    *ask = a;
    ctx->asked |= use->policy->bit;

    lmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_limit_module);

    if (use->policy->over_edges) {
        bell_leases_prefetch(lmcf->leases.table, a.name);

    } else {
        bell_limits_prefetch(lmcf->table, a.name);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_limit_ask_all(ngx_http_request_t *r,
    ngx_http_bell_limit_ctx_t *ctx, ngx_uint_t first)
{
    int64_t                     now_us;
    ngx_int_t                   rc;
    ngx_uint_t                  i;
    ngx_http_bell_limit_ask_t  *ask;

    now_us = ngx_http_bell_limit_now_us();

    ask = ctx->asks.elts;

    for (i = first; i < ctx->asks.nelts; i++) {
        rc = ngx_http_bell_limit_take(r, ctx, &ask[i], now_us);

        if (rc == NGX_DECLINED) {
            continue;
        }

        /* those behind it were not asked */

        ctx->asks.nelts = i + 1;

        ngx_http_bell_limit_give_back(r, ctx, now_us);

        return rc;
    }

    ngx_http_bell_limit_settle(ctx, NGX_HTTP_BELL_LIMIT_PASSED, NULL);

    return NGX_DECLINED;
}


/*
 * The one place where a limit is asked and answers: one of this edge's own by
 * its rule, one over all edges by what this edge has been lent.
 */

static ngx_int_t
ngx_http_bell_limit_take(ngx_http_request_t *r,
    ngx_http_bell_limit_ctx_t *ctx, ngx_http_bell_limit_ask_t *ask,
    int64_t now_us)
{
    ngx_http_bell_ctx_t              *core;
    ngx_http_bell_limit_main_conf_t  *lmcf;

    lmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_limit_module);

    core = lmcf->core->context(r);
    if (core == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ask->policy->over_edges) {
        ngx_http_bell_limit_lease_take(r, ask, now_us);

    } else {
        ask->answer = bell_limits_take(lmcf->table, ask->name,
                                       &ask->rule, now_us, ask->cost);
        ask->left = ask->answer.remaining;
    }

    if (!ask->answer.allowed
        || ask->left * NGX_HTTP_BELL_LIMIT_NEAR <= ask->quota)
    {
        ngx_http_bell_limit_note(r, ask, now_us);
    }

    if (ask->answer.allowed) {
        ask->taken = 1;
        core->charged |= ask->policy->bit;

        ngx_http_bell_limit_count(lmcf, ask->policy,
                                  NGX_HTTP_BELL_LIMIT_PASSED);
        return NGX_DECLINED;
    }

    if (ask->dry_run) {
        ngx_http_bell_limit_dry_run(r, ctx, ask);
        return NGX_DECLINED;
    }

    ngx_http_bell_limit_settle(ctx, NGX_HTTP_BELL_LIMIT_REFUSED, ask);

    ngx_http_bell_limit_count(lmcf, ask->policy, NGX_HTTP_BELL_LIMIT_REFUSED);

    return ngx_http_bell_limit_refuse(r, ask);
}


static void
ngx_http_bell_limit_dry_run(ngx_http_request_t *r,
    ngx_http_bell_limit_ctx_t *ctx, ngx_http_bell_limit_ask_t *ask)
{
    ngx_http_bell_limit_main_conf_t  *lmcf;

    lmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_limit_module);

    ngx_http_bell_limit_count(lmcf, ask->policy, NGX_HTTP_BELL_LIMIT_DRY_RUN);

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "bell_limit: policy \"%V\" would refuse this request, and "
                  "only looks here", &ask->policy->name);

    ngx_http_bell_limit_settle(ctx, NGX_HTTP_BELL_LIMIT_DRY_RUN, ask);
}


/* What weighs most stays: refused before dry run, allowed and passed. */

static void
ngx_http_bell_limit_settle(ngx_http_bell_limit_ctx_t *ctx,
    ngx_http_bell_limit_result_e result, ngx_http_bell_limit_ask_t *ask)
{
    if (ctx->is_known && ctx->result >= result) {
        return;
    }

    ctx->is_known = 1;
    ctx->result = result;

    if (ask) {
        ctx->verdict = *ask;
    }
}


/* What the others took, those of the other room included: it is not served. */

static void
ngx_http_bell_limit_give_back(ngx_http_request_t *r,
    ngx_http_bell_limit_ctx_t *ctx, int64_t now_us)
{
    ngx_uint_t                        i;
    ngx_http_bell_ctx_t              *core;
    ngx_http_bell_limit_ask_t        *ask;
    ngx_http_bell_limit_main_conf_t  *lmcf;

    lmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_limit_module);

    core = lmcf->core->context(r);
    ask = ctx->asks.elts;

    if (core == NULL) {
        return;
    }

    for (i = ctx->asks.nelts; i-- > 0; /* void */ ) {

        if (!ask[i].taken) {
            continue;
        }

        ask[i].taken = 0;
        core->charged &= ~ask[i].policy->bit;

        if (ask[i].policy->over_edges) {
            ngx_http_bell_limit_lease_give_back(lmcf, &ask[i], now_us);
            continue;
        }

        bell_limits_give_back(lmcf->table, ask[i].name, &ask[i].rule, now_us,
                              ask[i].cost);

        ask[i].answer = bell_limits_peek(lmcf->table, ask[i].name,
                                         &ask[i].rule, now_us);
    }
}


void
ngx_http_bell_limit_take_back(ngx_http_request_t *r)
{
    ngx_http_bell_limit_ctx_t  *ctx;

    ctx = ngx_http_bell_limit_get_ctx(r);

    if (ctx) {
        ngx_http_bell_limit_give_back(r, ctx, ngx_http_bell_limit_now_us());
    }
}


/* NGX_OK: it is never limited here, NGX_DECLINED: it is, NGX_ERROR */

static ngx_int_t
ngx_http_bell_limit_is_allowed(ngx_http_request_t *r,
    ngx_http_bell_limit_loc_conf_t *llcf)
{
    ngx_str_t                  text;
    ngx_uint_t                 i;
    ngx_http_complex_value_t  *cv;

    if (llcf->cidrs
        && ngx_cidr_match(r->connection->sockaddr, llcf->cidrs) == NGX_OK)
    {
        return NGX_OK;
    }

    if (llcf->allow == NULL) {
        return NGX_DECLINED;
    }

    cv = llcf->allow->elts;

    for (i = 0; i < llcf->allow->nelts; i++) {

        if (ngx_http_complex_value(r, &cv[i], &text) != NGX_OK) {
            return NGX_ERROR;
        }

        if (text.len && (text.len != 1 || text.data[0] != '0')) {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_bell_limit_let_in(ngx_http_request_t *r, ngx_uint_t room)
{
    ngx_uint_t                        i;
    ngx_http_bell_limit_use_t        *use;
    ngx_http_bell_limit_ctx_t        *ctx;
    ngx_http_bell_limit_loc_conf_t   *llcf;
    ngx_http_bell_limit_main_conf_t  *lmcf;

    ctx = ngx_http_bell_limit_get_ctx(r);
    llcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_limit_module);
    lmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_limit_module);

    use = llcf->uses->elts;

    for (i = 0; i < llcf->uses->nelts; i++) {

        if (use[i].policy->room != room || (ctx->asked & use[i].policy->bit)) {
            continue;
        }

        ctx->asked |= use[i].policy->bit;

        ngx_http_bell_limit_count(lmcf, use[i].policy,
                                  NGX_HTTP_BELL_LIMIT_ALLOWED);
    }

    ngx_http_bell_limit_settle(ctx, NGX_HTTP_BELL_LIMIT_ALLOWED, NULL);

    return NGX_DECLINED;
}
