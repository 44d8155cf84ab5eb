
/*
 * A request's way to a place, and back: it asks for one when its body has come
 * from the client, waits without holding anything of the origin, and gives the
 * place back when the origin has answered, in whatever way that ends.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_fair.h"


static ngx_http_bell_fair_ctx_t *ngx_http_bell_fair_ctx(
    ngx_http_request_t *r);
static void ngx_http_bell_fair_cleanup(void *data);

static void ngx_http_bell_fair_ask(ngx_http_request_t *r);
static void ngx_http_bell_fair_know(ngx_http_bell_fair_ctx_t *ctx,
    ngx_http_bell_fair_result_e result);
static void ngx_http_bell_fair_end(ngx_http_bell_fair_ctx_t *ctx,
    ngx_http_bell_fair_result_e result);
static void ngx_http_bell_fair_wait(ngx_http_bell_fair_ctx_t *ctx);
static void ngx_http_bell_fair_waited(ngx_event_t *ev);
static void ngx_http_bell_fair_call(ngx_http_bell_fair_ctx_t *ctx,
    ngx_http_bell_fair_stand_e stand);
static void ngx_http_bell_fair_turn(ngx_http_request_t *r);

static void ngx_http_bell_fair_begin(ngx_http_bell_fair_ctx_t *ctx);
static void ngx_http_bell_fair_finalize(ngx_http_request_t *r, ngx_int_t rc);
static void ngx_http_bell_fair_learn(ngx_http_bell_fair_ctx_t *ctx,
    ngx_uint_t status);
static ngx_uint_t ngx_http_bell_fair_is_stream(ngx_http_request_t *r);
static void ngx_http_bell_fair_held(ngx_event_t *ev);


/* ---- the request's own */

ngx_http_bell_fair_ctx_t *
ngx_http_bell_fair_get_ctx(ngx_http_request_t *r)
{
    ngx_http_cleanup_t        *cln;
    ngx_http_bell_fair_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_bell_fair_module);

    if (ctx) {
        return ctx;
    }

    /* r->ctx was zeroed by an internal redirect */

    for (cln = r->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_bell_fair_cleanup) {
            ctx = cln->data;
            ngx_http_set_ctx(r, ctx, ngx_http_bell_fair_module);
            return ctx;
        }
    }

    return NULL;
}


static ngx_http_bell_fair_ctx_t *
ngx_http_bell_fair_ctx(ngx_http_request_t *r)
{
    ngx_http_cleanup_t        *cln;
    ngx_http_bell_fair_ctx_t  *ctx;

    ctx = ngx_http_bell_fair_get_ctx(r);

    if (ctx) {
        return ctx;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_bell_fair_ctx_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (ctx == NULL || cln == NULL) {
        return NULL;
    }

    ctx->request = r;
    ctx->fmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_fair_module);

    ctx->timer.data = ctx;
    ctx->timer.log = r->connection->log;

    cln->handler = ngx_http_bell_fair_cleanup;
    cln->data = ctx;

    ngx_http_set_ctx(r, ctx, ngx_http_bell_fair_module);

    return ctx;
}


/* The request ends, for whatever reason. */

static void
ngx_http_bell_fair_cleanup(void *data)
{
    ngx_http_bell_fair_ctx_t *ctx = data;

    switch (ctx->stand) {

    case NGX_HTTP_BELL_FAIR_WAITS:
    case NGX_HTTP_BELL_FAIR_CALLED:
        ngx_http_bell_fair_know(ctx, NGX_HTTP_BELL_FAIR_LEFT);
        break;

    case NGX_HTTP_BELL_FAIR_TURNED_AWAY:
        ngx_http_bell_fair_know(ctx, NGX_HTTP_BELL_FAIR_REFUSED);
        break;

    case NGX_HTTP_BELL_FAIR_TIMED_OUT:
        ngx_http_bell_fair_know(ctx, NGX_HTTP_BELL_FAIR_LATE);
        break;

    default:
        break;
    }

    ngx_http_bell_fair_give(ctx);
}


void
ngx_http_bell_fair_give(ngx_http_bell_fair_ctx_t *ctx)
{
    int64_t  now_us;

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }

    ctx->stand = NGX_HTTP_BELL_FAIR_OUTSIDE;

    if (ctx->item == 0) {
        return;
    }

    now_us = ngx_http_bell_fair_lock(ctx->fmcf);

    bell_fair_give(ctx->fmcf->fair, ctx->item, now_us);
    ctx->item = 0;

    ngx_http_bell_fair_unlock(ctx->fmcf);
}


static void
ngx_http_bell_fair_know(ngx_http_bell_fair_ctx_t *ctx,
    ngx_http_bell_fair_result_e result)
{
    ctx->is_known = 1;
    ctx->result = result;

    ngx_http_bell_fair_count(ctx->fmcf, result, ctx->rank);
}


/* ---- asking */

/*
 * In the place of the location's handler.  A place is wanted when the origin
 * can begin: who sends his homework over a slow line has none meanwhile.
 */

ngx_int_t
ngx_http_bell_fair_content(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_bell_fair_ctx_t  *ctx;

    ctx = ngx_http_bell_fair_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* led here by what it was answered elsewhere: it has one place at most */

    ngx_http_bell_fair_give(ctx);

    rc = ngx_http_read_client_request_body(r, ngx_http_bell_fair_ask);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


static void
ngx_http_bell_fair_ask(ngx_http_request_t *r)
{
    int64_t                         now_us;
    uint64_t                        key;
    ngx_str_t                       text;
    bell_fair_state                 state;
    bell_fair_asked                 asked;
    ngx_http_bell_process_t         self;
    ngx_http_bell_fair_ctx_t       *ctx;
    ngx_http_bell_fair_loc_conf_t  *flcf;

    ctx = ngx_http_bell_fair_get_ctx(r);
    flcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_fair_module);

    ngx_memzero(&asked, sizeof(bell_fair_asked));

    if (ngx_http_bell_fair_who(r, flcf, &asked, &key, &text) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    ctx->pool = flcf->pool;
    ctx->rank = asked.rank;

    self = ctx->fmcf->core->self();

    if (self.epoch == 0) {

        /* a process without a slot could not be woken, nor swept behind */

        ngx_http_bell_fair_begin(ctx);
        return;
    }

    asked.slot = self.slot;
    asked.epoch = self.epoch;
    asked.token = (uint64_t) (uintptr_t) ctx;

    now_us = ngx_http_bell_fair_lock(ctx->fmcf);

    ctx->origin = ngx_http_bell_fair_origin(ctx->fmcf, ctx->pool, key, &text,
                                            now_us);

    state = bell_fair_ask(ctx->fmcf->fair, ctx->origin, &asked, now_us,
                          &ctx->item);

    ngx_http_bell_fair_unlock(ctx->fmcf);

    ctx->asked_us = now_us;
    ctx->begun_us = now_us;

    switch (state) {

    case BELL_FAIR_HAS:
        ctx->stand = NGX_HTTP_BELL_FAIR_INSIDE;
        ngx_http_bell_fair_know(ctx, NGX_HTTP_BELL_FAIR_PASSED);
        ngx_http_bell_fair_begin(ctx);
        break;

    case BELL_FAIR_WAITS:
        ngx_http_bell_fair_wait(ctx);
        break;

    default:
        ngx_http_bell_fair_end(ctx, NGX_HTTP_BELL_FAIR_REFUSED);
    }
}


/* It is not served. */

static void
ngx_http_bell_fair_end(ngx_http_bell_fair_ctx_t *ctx,
    ngx_http_bell_fair_result_e result)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = ctx->request;

    ngx_http_bell_fair_give(ctx);
    ngx_http_bell_fair_know(ctx, result);

    rc = ngx_http_bell_fair_refuse(ctx, result);

    ngx_http_finalize_request(r, rc);
}


/* ---- waiting */

/* The lower its rank, the sooner it has waited for long enough. */

static void
ngx_http_bell_fair_wait(ngx_http_bell_fair_ctx_t *ctx)
{
    ngx_msec_t           patience;
    ngx_http_request_t  *r;

    r = ctx->request;

    ctx->stand = NGX_HTTP_BELL_FAIR_WAITS;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_bell_fair_turn;

    patience = ctx->pool->wait * ctx->rank / BELL_FAIR_RANKS;

    ctx->timer.handler = ngx_http_bell_fair_waited;
    ngx_add_timer(&ctx->timer, ngx_max(patience, 1));

    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        ngx_http_bell_fair_give(ctx);
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }
}


static void
ngx_http_bell_fair_waited(ngx_event_t *ev)
{
    ngx_http_bell_fair_ctx_t *ctx = ev->data;

    int64_t                     now_us;
    bell_fair_state             state;
    ngx_http_bell_fair_stand_e  stand;

    if (ctx->stand != NGX_HTTP_BELL_FAIR_WAITS) {
        return;
    }

    now_us = ngx_http_bell_fair_lock(ctx->fmcf);

    /* it may have waited for a place that a dead process has */

    ngx_http_bell_fair_sweep_sometimes(ctx->fmcf, now_us);

    state = bell_fair_state_of(ctx->fmcf->fair, ctx->item);

    if (state == BELL_FAIR_HAS) {
        stand = NGX_HTTP_BELL_FAIR_CALLED;
        ctx->begun_us = now_us;

    } else {
        stand = state == BELL_FAIR_WAITS ? NGX_HTTP_BELL_FAIR_TIMED_OUT
                                         : NGX_HTTP_BELL_FAIR_TURNED_AWAY;

        bell_fair_give(ctx->fmcf->fair, ctx->item, now_us);
        ctx->item = 0;
    }

    ngx_http_bell_fair_unlock(ctx->fmcf);

    ngx_http_bell_fair_call(ctx, stand);
}


/*
 * Its turn is where its connection's events are handled, as all that happens
 * to a request: a client's, or a fetch of the cache.
 */

static void
ngx_http_bell_fair_call(ngx_http_bell_fair_ctx_t *ctx,
    ngx_http_bell_fair_stand_e stand)
{
    ctx->stand = stand;

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }

    ngx_post_event(ctx->request->connection->write, &ngx_posted_events);
}


void
ngx_http_bell_fair_woken(ngx_cycle_t *cycle, void *data)
{
    int64_t                          now_us;
    uint32_t                         item;
    uint64_t                         token;
    bell_fair_state                  state;
    ngx_http_bell_process_t          self;
    ngx_http_bell_fair_ctx_t        *ctx;
    ngx_http_bell_fair_main_conf_t  *fmcf;

    fmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_bell_fair_module);

    if (fmcf == NULL || fmcf->sh == NULL) {
        return;
    }

    self = fmcf->core->self();

    if (self.epoch == 0 || !bell_fair_is_ready(fmcf->fair, self.slot)) {
        return;
    }

    now_us = ngx_http_bell_fair_lock(fmcf);

    for ( ;; ) {
        item = bell_fair_ready(fmcf->fair, self.slot, self.epoch, &token,
                               &state);
        if (item == 0) {
            break;
        }

        ctx = (ngx_http_bell_fair_ctx_t *) (uintptr_t) token;

        if (ctx->stand != NGX_HTTP_BELL_FAIR_WAITS) {
            continue; /* told twice, or it is about to go */
        }

        ctx->begun_us = now_us;

        ngx_http_bell_fair_call(ctx, state == BELL_FAIR_HAS
                                     ? NGX_HTTP_BELL_FAIR_CALLED
                                     : NGX_HTTP_BELL_FAIR_TURNED_AWAY);
    }

    ngx_http_bell_fair_unlock(fmcf);
}


static void
ngx_http_bell_fair_turn(ngx_http_request_t *r)
{
    ngx_http_bell_fair_ctx_t  *ctx;

    ctx = ngx_http_bell_fair_get_ctx(r);

    switch (ctx->stand) {

    case NGX_HTTP_BELL_FAIR_WAITS:

        if (ngx_handle_write_event(r->connection->write, 0) != NGX_OK) {
            ngx_http_bell_fair_give(ctx);
            ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        }

        break;

    case NGX_HTTP_BELL_FAIR_CALLED:
        ctx->stand = NGX_HTTP_BELL_FAIR_INSIDE;
        ngx_http_bell_fair_know(ctx, NGX_HTTP_BELL_FAIR_WAITED);
        ngx_http_bell_fair_begin(ctx);
        break;

    case NGX_HTTP_BELL_FAIR_TURNED_AWAY:
        ngx_http_bell_fair_end(ctx, NGX_HTTP_BELL_FAIR_REFUSED);
        break;

    case NGX_HTTP_BELL_FAIR_TIMED_OUT:
        ngx_http_bell_fair_end(ctx, NGX_HTTP_BELL_FAIR_LATE);
        break;

    default:
        break;
    }
}


/* ---- at the origin */

/*
 * What the handler has begun is told of its end by the upstream.  Where there
 * is no upstream there is nothing to have a place at.
 */

static void
ngx_http_bell_fair_begin(ngx_http_bell_fair_ctx_t *ctx)
{
    ngx_int_t                       rc;
    ngx_http_request_t             *r;
    ngx_http_upstream_t            *u;
    ngx_http_core_loc_conf_t       *clcf;
    ngx_http_bell_fair_loc_conf_t  *flcf;

    r = ctx->request;

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    flcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_fair_module);

    rc = clcf->handler(r);

    u = r->upstream;

    if (u == NULL && rc == NGX_OK) {
        flcf->no_upstream = 1;
    }

    if (ctx->stand == NGX_HTTP_BELL_FAIR_INSIDE && ctx->upstream != u) {

        if (u && rc == NGX_DONE) {
            ctx->upstream = u;
            ctx->finalize = u->finalize_request;
            u->finalize_request = ngx_http_bell_fair_finalize;

        } else {
            ngx_http_bell_fair_give(ctx);
        }
    }

    ngx_http_finalize_request(r, rc);
}


/*
 * Once for each upstream, however it ends; without a head where there was no
 * answer, or nginx has another one in its place (proxy_intercept_errors).
 */

static void
ngx_http_bell_fair_finalize(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_http_bell_fair_ctx_t  *ctx;

    ctx = ngx_http_bell_fair_get_ctx(r);

    if (ctx == NULL) {
        return;
    }

    if (ctx->stand == NGX_HTTP_BELL_FAIR_INSIDE) {

        if (!ctx->timer.timer_set
            && (rc == NGX_HTTP_GATEWAY_TIME_OUT
                || rc == NGX_HTTP_SERVICE_UNAVAILABLE))
        {
            ngx_http_bell_fair_learn(ctx, rc);
        }

        ngx_http_bell_fair_give(ctx);
    }

    ctx->finalize(r, rc);
}


/* What an answer says of how many requests its origin can have. */

static void
ngx_http_bell_fair_learn(ngx_http_bell_fair_ctx_t *ctx, ngx_uint_t status)
{
    int64_t                          now_us;
    bell_concurrency                *c;
    bell_fair_figures                figures;
    ngx_http_bell_fair_main_conf_t  *fmcf;

    if (ctx->pool->places) {
        return;
    }

    fmcf = ctx->fmcf;

    now_us = ngx_http_bell_fair_lock(fmcf);

    c = &fmcf->sh->origins[ctx->origin].concurrency;

    bell_fair_read(fmcf->fair, ctx->origin, &figures);

    if (status == NGX_HTTP_SERVICE_UNAVAILABLE
        || status == NGX_HTTP_GATEWAY_TIME_OUT)
    {
        bell_concurrency_overload(c, &ctx->pool->rule, now_us, figures.taken);

    } else {
        bell_concurrency_answer(c, &ctx->pool->rule, now_us,
                                now_us - ctx->begun_us, figures.taken);
    }

    bell_fair_set_places(fmcf->fair, ctx->origin,
                         bell_concurrency_limit(c, &ctx->pool->rule), now_us);

    ngx_http_bell_fair_unlock(fmcf);
}


/*
 * The head of an answer says how quick the origin is.  Of what comes then the
 * origin's part is small, and the client's may be long: a place is not held
 * for hours by a stream, nor by who reads slowly.
 */

void
ngx_http_bell_fair_head(ngx_http_request_t *r, ngx_http_bell_fair_ctx_t *ctx)
{
    ngx_uint_t  status;

    if (ctx->stand != NGX_HTTP_BELL_FAIR_INSIDE) {
        return;
    }

    if (r->upstream == NULL || r->upstream->cleanup == NULL) {

        /* what nginx says itself, when the origin could not be asked */

        ngx_http_bell_fair_give(ctx);
        return;
    }

    status = r->upstream->headers_in.status_n;

    if (status < NGX_HTTP_INTERNAL_SERVER_ERROR
        || status == NGX_HTTP_SERVICE_UNAVAILABLE)
    {
        ngx_http_bell_fair_learn(ctx, status);
    }

    if (ctx->pool->hold == 0 || ngx_http_bell_fair_is_stream(r)) {
        ngx_http_bell_fair_give(ctx);
        return;
    }

    ctx->timer.handler = ngx_http_bell_fair_held;
    ngx_add_timer(&ctx->timer, ctx->pool->hold);
}


static ngx_uint_t
ngx_http_bell_fair_is_stream(ngx_http_request_t *r)
{
    ngx_str_t  *type;

    type = &r->headers_out.content_type;

    return r->headers_out.status == NGX_HTTP_SWITCHING_PROTOCOLS
           || r->upstream->upgrade
           || (type->len >= sizeof("text/event-stream") - 1
               && ngx_strncasecmp(type->data, (u_char *) "text/event-stream",
                                  sizeof("text/event-stream") - 1)
                  == 0);
}


static void
ngx_http_bell_fair_held(ngx_event_t *ev)
{
    ngx_http_bell_fair_give(ev->data);
}
