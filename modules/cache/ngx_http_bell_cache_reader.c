
/*
 * Readers: clients' requests.  What is stored is looked for, judged, and
 * answered with; or a load is begun, or one that flies is joined, and its
 * answer passed on as it comes.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache.h"
#include "ngx_http_bell_cache_parts.h"
#include "ngx_http_bell_cache_purge.h"
#include "ngx_http_bell_cache_reader.h"
#include "ngx_http_bell_cache_shelf.h"


/* how long what was softly purged is served while it is refreshed, at least */

#define NGX_HTTP_BELL_CACHE_SOFT_S  60


static ngx_http_bell_cache_ctx_t *ngx_http_bell_cache_reader(
    ngx_http_request_t *r, ngx_http_bell_cache_loc_conf_t *blcf);
static void ngx_http_bell_cache_reader_cleanup(void *data);
static void ngx_http_bell_cache_forget(ngx_http_bell_cache_ctx_t *ctx);
static ngx_int_t ngx_http_bell_cache_find_any(ngx_http_bell_cache_ctx_t *ctx,
    bell_cache_hash *hash, bell_str key);
static void ngx_http_bell_cache_purges_of(ngx_http_bell_cache_ctx_t *ctx);
static ngx_int_t ngx_http_bell_cache_judge(ngx_http_bell_cache_ctx_t *ctx);
static ngx_int_t ngx_http_bell_cache_serve(ngx_http_bell_cache_ctx_t *ctx);
static void ngx_http_bell_cache_refresh(ngx_http_bell_cache_ctx_t *ctx);
static ngx_int_t ngx_http_bell_cache_wait(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_how_e how);
static ngx_int_t ngx_http_bell_cache_look_past(ngx_http_bell_cache_ctx_t *ctx);


/*
 * In the phase before content: what stands before an answer has let the
 * request in.  NGX_DECLINED: the location's handler answers it, as it would
 * without a cache.
 */

ngx_int_t
ngx_http_bell_cache_handler(ngx_http_request_t *r)
{
    ngx_int_t                        rc;
    ngx_http_bell_cache_ctx_t       *ctx;
    ngx_http_bell_cache_loc_conf_t  *blcf;

    blcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_cache_module);

    if (blcf->zone == NULL || r != r->main || r->content_handler == NULL
        || blcf->no_upstream || r->post_action
        || ngx_http_bell_cache_fetch_of(r)
        || ngx_http_get_module_ctx(r, ngx_http_bell_cache_module))
    {
        return NGX_DECLINED;
    }

    ctx = ngx_http_bell_cache_reader(r, blcf);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_bell_cache_passes(ctx);

    if (rc == NGX_OK) {
        rc = ngx_http_discard_request_body(r);

        if (rc != NGX_OK) {
            return rc;
        }

        rc = ngx_http_bell_cache_look(ctx);
    }

    return rc == NGX_ERROR ? NGX_HTTP_INTERNAL_SERVER_ERROR : rc;
}


static ngx_http_bell_cache_ctx_t *
ngx_http_bell_cache_reader(ngx_http_request_t *r,
    ngx_http_bell_cache_loc_conf_t *blcf)
{
    ngx_http_cleanup_t         *cln;
    ngx_http_bell_cache_ctx_t  *ctx;

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_bell_cache_ctx_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (ctx == NULL || cln == NULL) {
        return NULL;
    }

    ctx->request = r;
    ctx->pool = r->pool;
    ctx->blcf = blcf;
    ctx->zone = blcf->zone;
    ctx->bmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_cache_module);
    ctx->status.cache = ngx_http_bell_cache_str(&blcf->name);

    ctx->event.handler = ngx_http_bell_cache_reader_event;
    ctx->event.data = ctx;
    ctx->event.log = r->connection->log;

    cln->handler = ngx_http_bell_cache_reader_cleanup;
    cln->data = ctx;

    ngx_http_set_ctx(r, ctx, ngx_http_bell_cache_module);

    return ctx;
}


/* The request ends, for whatever reason. */

static void
ngx_http_bell_cache_reader_cleanup(void *data)
{
    ngx_http_bell_cache_ctx_t *ctx = data;

    ngx_http_bell_cache_leaves(ctx);

    ngx_http_bell_cache_forget(ctx);
    ngx_http_bell_cache_parts_end(ctx);
}


/* What a load of its own has left. */

static void
ngx_http_bell_cache_forget(ngx_http_bell_cache_ctx_t *ctx)
{
    if (ctx->rest_pool) {
        ngx_destroy_pool(ctx->rest_pool);
        ctx->rest_pool = NULL;
    }

    ctx->rest = NULL;
    ctx->fed = 0;
    ctx->fed_whole = 0;
}


/* It waits for nothing any more, and is fed by nobody. */

void
ngx_http_bell_cache_leaves(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_connection_t              *c;
    ngx_http_bell_cache_flight_t  *flight;

    c = ctx->request->connection;

    if (ctx->waits) {
        ngx_queue_remove(&ctx->queue);
        ctx->waits = 0;

        if (c->read->timer_set) {
            ngx_del_timer(c->read);
        }
    }

    if (ctx->event.posted) {
        ngx_delete_posted_event(&ctx->event);
    }

    if (ctx->load) {
        ngx_http_bell_cache_load_left(ctx->load);
        ctx->load = NULL;
    }

    flight = ngx_http_bell_cache_flight(ctx->zone, &ctx->flight);

    if (flight && flight->window) {
        ngx_http_bell_cache_window_read(ctx);
    }

    if (ctx->flight.number) {
        ngx_http_bell_cache_leave(ctx->zone, ctx->bmcf->core, &ctx->flight);
    }
}


/* ---- what is stored */

/* Results as of the handler; NGX_DONE: it was answered, or waits. */

ngx_int_t
ngx_http_bell_cache_look(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ctx->blcf->no_upstream) {
        ctx->passed = 1;
        ngx_http_bell_cache_says(ctx, NGX_HTTP_BELL_CACHE_METRIC_BYPASS,
                                 BELL_OUTCOME_BYPASS);
        return NGX_DECLINED;
    }

    if (ctx->tries++ == NGX_HTTP_BELL_CACHE_TRIES) {
        ctx->passed = 1;
        ngx_http_bell_cache_says(ctx, NGX_HTTP_BELL_CACHE_METRIC_UNCACHEABLE,
                                 BELL_OUTCOME_MISS);
        return NGX_DECLINED;
    }

    ctx->variant_key = (bell_str) { NULL, 0 };
    ctx->nobody = 0;

    rc = ngx_http_bell_cache_find_any(ctx, &ctx->hash, ctx->key);

    if (rc == NGX_OK && ctx->found.entry.kind == NGX_HTTP_BELL_CACHE_FORK) {
        rc = ngx_http_bell_cache_ask_variant(ctx,
                                   (bell_cache_scope) ctx->found.head->scope,
                                   ctx->found.names);

        if (rc == NGX_DECLINED
            && ctx->found.head->scope != BELL_CACHE_PUBLIC)
        {
            rc = ngx_http_bell_cache_ask_nobody(ctx, ctx->found.names);
        }

        if (rc == NGX_DECLINED) {

            /* nobody who could have an answer of this kind */

            ctx->found.entry.kind = 0;
            ctx->passed = 1;
            ngx_http_bell_cache_says(ctx,
                                     NGX_HTTP_BELL_CACHE_METRIC_UNCACHEABLE,
                                     BELL_OUTCOME_VARY_MISS);
            return NGX_DECLINED;
        }

        if (rc == NGX_OK) {
            rc = ngx_http_bell_cache_find_any(ctx, &ctx->variant_hash,
                                              ctx->variant_key);
        }
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (ctx->found.entry.kind == NGX_HTTP_BELL_CACHE_PASS) {
        ctx->found.entry.kind = 0;

        if (bell_freshness_ttl_s(&ctx->found.entry.times, ngx_time()) > 0) {
            return ngx_http_bell_cache_look_past(ctx);
        }
    }

    if (ctx->found.entry.kind == NGX_HTTP_BELL_CACHE_OBJECT) {
        ngx_http_bell_cache_purges_of(ctx);
    }

    return ngx_http_bell_cache_judge(ctx);
}


/* What was found is as old as purges have made it until now. */

static void
ngx_http_bell_cache_purges_of(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_http_bell_cache_purged(ctx->zone, &ctx->asked,
                               ngx_max(ctx->blcf->policy.default_swr_s,
                                       NGX_HTTP_BELL_CACHE_SOFT_S),
                               &ctx->found);
}


/* It is known that there is nothing, and why. */

static ngx_int_t
ngx_http_bell_cache_look_past(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_int_t           rc;
    bell_store_verdict  reason;

    reason = (bell_store_verdict) ctx->found.entry.reason;

    if (ctx->parts) {
        return ngx_http_bell_cache_parts_pass(ctx);
    }

    if (reason == BELL_STORE_NOT_SIZE) {
        rc = ngx_http_bell_cache_parts(ctx, ctx->found.entry.body_bytes, 1);

        if (rc != NGX_ABORT) {
            return rc;
        }
    }

    ngx_http_bell_cache_says(ctx, NGX_HTTP_BELL_CACHE_METRIC_UNCACHEABLE,
                             BELL_OUTCOME_MISS);
    ctx->status.detail = bell_str_of(bell_storable_name(reason));

    /* a fetch is of all of it, of which he wants a part */

    if (ngx_http_bell_cache_parts_wants(ctx)) {
        ctx->passed = 1;
        return NGX_DECLINED;
    }

    return ngx_http_bell_cache_look_first(ctx);
}


/*
 * Nobody waits for another one, but one of them is brought as if it could be
 * stored: when it can, the others have it again.
 */

ngx_int_t
ngx_http_bell_cache_look_first(ngx_http_bell_cache_ctx_t *ctx)
{
    return ngx_http_bell_cache_wait(ctx, NGX_HTTP_BELL_CACHE_FIRST);
}


/* In memory, or in a file. */

static ngx_int_t
ngx_http_bell_cache_find_any(ngx_http_bell_cache_ctx_t *ctx,
    bell_cache_hash *hash, bell_str key)
{
    ngx_int_t  rc;

    rc = ngx_http_bell_cache_find(ctx->zone, ctx->pool, hash, key,
                                  &ctx->found);

    if (rc == NGX_DECLINED && ctx->zone->shelf) {
        rc = ngx_http_bell_cache_file_find(ctx, hash, key);
    }

    return rc;
}


static ngx_int_t
ngx_http_bell_cache_judge(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_int_t              rc;
    ngx_uint_t             stored;
    bell_freshness_times  *times;

    stored = ctx->found.entry.kind == NGX_HTTP_BELL_CACHE_OBJECT;
    times = stored ? &ctx->found.entry.times : NULL;

    /* what was confirmed for this request may be stale by now */

    if (stored && ctx->confirmed == ctx->found.entry.id
        && !(times->flags & BELL_TIMES_INVALID))
    {
        ngx_http_bell_cache_says(ctx, NGX_HTTP_BELL_CACHE_METRIC_REVALIDATED,
                                 BELL_OUTCOME_STALE);
        ctx->status.fwd_status = NGX_HTTP_NOT_MODIFIED;
        ctx->status.collapsed = ctx->joined;
        return ngx_http_bell_cache_serve(ctx);
    }

    switch (bell_freshness_judge(times, &ctx->control, ngx_time(), ctx->exam))
    {

    case BELL_FRESH:
        ngx_http_bell_cache_says(ctx,
                                 bell_freshness_ttl_s(times, ngx_time()) > 0
                                 ? NGX_HTTP_BELL_CACHE_METRIC_HIT
                                 : NGX_HTTP_BELL_CACHE_METRIC_STALE,
                                 BELL_OUTCOME_HIT);

        /* of many who ask shortly before its end about one refreshes it */

        if (bell_freshness_refresh_early(
                           bell_freshness_ttl_s(times, ngx_time()) * 1000,
                           times->fetch_ms, ctx->blcf->early / 100.0,
                           (ngx_random() & 0xffffff) / 16777216.0))
        {
            ngx_http_bell_cache_refresh(ctx);
        }

        return ngx_http_bell_cache_serve(ctx);

    case BELL_STALE_REVALIDATE_BEHIND:
        ngx_http_bell_cache_says(ctx, NGX_HTTP_BELL_CACHE_METRIC_STALE,
                                 BELL_OUTCOME_HIT);
        ngx_http_bell_cache_refresh(ctx);
        return ngx_http_bell_cache_serve(ctx);

    case BELL_ONLY_IF_CACHED_504:
        ngx_http_bell_cache_says(ctx, NGX_HTTP_BELL_CACHE_METRIC_ERROR,
                                 stored ? BELL_OUTCOME_STALE
                                        : BELL_OUTCOME_URI_MISS);
        ctx->status.detail = BELL_STR("only-if-cached");
        return NGX_HTTP_GATEWAY_TIME_OUT;

    default: /* BELL_MUST_VALIDATE */

        if (ctx->parts && ctx->parts->peeks) {
            return ngx_http_bell_cache_parts_give_up(ctx);
        }

        if (!stored && ctx->parts == NULL
            && ngx_http_bell_cache_parts_wants(ctx))
        {
            rc = ngx_http_bell_cache_parts(ctx, 0, 0);

            if (rc != NGX_ABORT) {
                return rc;
            }
        }

        return ngx_http_bell_cache_look_up(ctx);
    }
}


/* At the origin. */

ngx_int_t
ngx_http_bell_cache_look_up(ngx_http_bell_cache_ctx_t *ctx)
{
    bell_cache_outcome     why;
    bell_freshness_times  *times;

    times = &ctx->found.entry.times;

    if (ctx->found.entry.kind != NGX_HTTP_BELL_CACHE_OBJECT) {
        why = ctx->variant_key.len ? BELL_OUTCOME_VARY_MISS
                                   : BELL_OUTCOME_URI_MISS;

    } else if (bell_freshness_ttl_s(times, ngx_time()) > 0
               && !(times->flags & (BELL_TIMES_INVALID|BELL_TIMES_NO_CACHE)))
    {
        why = BELL_OUTCOME_REQUEST;

    } else {
        why = BELL_OUTCOME_STALE;
    }

    ngx_http_bell_cache_says(ctx, NGX_HTTP_BELL_CACHE_METRIC_MISS, why);

    return ngx_http_bell_cache_wait(ctx, NGX_HTTP_BELL_CACHE_WAITS);
}


/* Out of the zone.  NGX_DONE, whatever the client makes of it. */

static ngx_int_t
ngx_http_bell_cache_serve(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_chain_t          out;
    ngx_http_request_t  *r;

    if (ctx->parts) {
        return ngx_http_bell_cache_parts_found(ctx);
    }

    rc = ngx_http_bell_cache_serve_held(ctx);

    if (rc != NGX_ABORT) {
        return rc;
    }

    r = ctx->request;

    rc = ngx_http_bell_cache_body_of(ctx, &out);

    if (rc == NGX_DECLINED) {
        return ngx_http_bell_cache_look(ctx);
    }

    if (rc == NGX_ERROR
        || ngx_http_bell_cache_answer(ctx, &ctx->found,
                                      ctx->found.entry.body_bytes)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->allow_ranges = 1;
    ctx->begun = 1;

    ngx_http_bell_cache_leaves(ctx);

    rc = ngx_http_send_header(r);

    /* NGX_AGAIN: the client takes it slowly, and the body goes behind it */

    if (rc != NGX_ERROR && rc <= NGX_OK && !r->header_only) {
        rc = ngx_http_output_filter(r, &out);
    }

    ngx_http_finalize_request(r, rc);

    return NGX_DONE;
}


/*
 * The origin failed.  What is stale may do, when it may be served then.
 * NGX_DECLINED: it may not.
 */

ngx_int_t
ngx_http_bell_cache_serve_stale(ngx_http_bell_cache_ctx_t *ctx,
    ngx_uint_t status)
{
    bell_freshness_times  times;

    if (ctx->found.entry.kind != NGX_HTTP_BELL_CACHE_OBJECT) {
        return NGX_DECLINED;
    }

    /*
     * What a purge has struck while he waited is not served.  One that makes
     * stale lets something be stale for a while, to those who come behind it:
     * it is no reason to serve what would not have been served without it.
     */

    times = ctx->found.entry.times;

    ngx_http_bell_cache_purges_of(ctx);

    if ((ctx->found.entry.times.flags & BELL_TIMES_INVALID)
        || !bell_freshness_on_error(&times, &ctx->control, (unsigned) status,
                                    ngx_time(), ctx->exam))
    {
        return NGX_DECLINED;
    }

    ngx_http_bell_cache_says(ctx, NGX_HTTP_BELL_CACHE_METRIC_STALE,
                             BELL_OUTCOME_STALE);
    ctx->status.fwd_status = (unsigned) status;
    ctx->status.detail = BELL_STR("stale-if-error");

    return ngx_http_bell_cache_serve(ctx);
}


ngx_int_t
ngx_http_bell_cache_refused(ngx_http_bell_cache_ctx_t *ctx)
{
    u_char     *p;
    ngx_int_t   rc;
    ngx_uint_t  seconds;

    rc = ngx_http_bell_cache_serve_stale(ctx, NGX_HTTP_SERVICE_UNAVAILABLE);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    ngx_http_bell_cache_says(ctx, NGX_HTTP_BELL_CACHE_METRIC_REFUSED,
                             ctx->status.outcome);
    ctx->status.detail = BELL_STR("refused");

    ctx->bmcf->core->reason(ctx->request, "too much is being fetched for "
                            "others, and too many wait (bell_cache_fetches, "
                            "bell_fair)");

    /* not all of them in the same second again */

    seconds = 1 + ngx_random() % ngx_max(ctx->blcf->wait / 1000, 1);

    p = ngx_pnalloc(ctx->request->pool, NGX_INT_T_LEN);

    if (p == NULL
        || ngx_http_bell_cache_push(ctx->request, BELL_STR("Retry-After"),
                                    (bell_str) { (char *) p,
                                        ngx_sprintf(p, "%ui", seconds) - p })
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_HTTP_SERVICE_UNAVAILABLE;
}


/* ---- what is brought */

/* Nobody waits for it; where it cannot be begun now, the next one will. */

static void
ngx_http_bell_cache_refresh(ngx_http_bell_cache_ctx_t *ctx)
{
    uint64_t                      id;
    ngx_http_bell_cache_ref_t     ref;
    ngx_http_bell_cache_join_e    join;
    ngx_http_bell_cache_tried_t  *tried;

    id = ctx->found.entry.id;
    tried = &ctx->zone->tried[id % NGX_HTTP_BELL_CACHE_TRIED];

    if (tried->id == id
        && (ngx_msec_int_t) (tried->until - ngx_current_msec) > 0)
    {
        return;
    }

    join = ngx_http_bell_cache_join(ctx, NGX_HTTP_BELL_CACHE_BEHIND, &ref);

    if (join == NGX_HTTP_BELL_CACHE_STARTED
        || join == NGX_HTTP_BELL_CACHE_JOINED)
    {
        tried->id = id;
        tried->until = ngx_current_msec + NGX_HTTP_BELL_CACHE_TRIED_MS;
    }

    if (join == NGX_HTTP_BELL_CACHE_STARTED) {
        (void) ngx_http_bell_cache_load(ctx, &ref, 1);
    }
}


static ngx_int_t
ngx_http_bell_cache_wait(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_how_e how)
{
    ngx_http_bell_cache_leaves(ctx);

    switch (ngx_http_bell_cache_join(ctx, how, &ctx->flight)) {

    case NGX_HTTP_BELL_CACHE_STARTED:
        ctx->joined = 0;

        if (ngx_http_bell_cache_load(ctx, &ctx->flight, 0) != NGX_OK) {
            ngx_http_bell_cache_leaves(ctx);
            ctx->passed = 1;
            return NGX_DECLINED;
        }

        return ngx_http_bell_cache_waits_for(ctx);

    case NGX_HTTP_BELL_CACHE_JOINED:

        if (how == NGX_HTTP_BELL_CACHE_FIRST) {
            ctx->passed = 1;
            return NGX_DECLINED;
        }

        ctx->joined = 1;
        ctx->metric = NGX_HTTP_BELL_CACHE_METRIC_COLLAPSED;

        return ngx_http_bell_cache_waits_for(ctx);

    case NGX_HTTP_BELL_CACHE_CHANGED:
        return ngx_http_bell_cache_look(ctx);

    case NGX_HTTP_BELL_CACHE_REFUSED:

        if (how == NGX_HTTP_BELL_CACHE_FIRST) {
            ctx->passed = 1;
            return NGX_DECLINED;
        }

        return ngx_http_bell_cache_refused(ctx);

    default: /* NGX_HTTP_BELL_CACHE_NO_ROOM */
        ctx->passed = 1;
        ngx_http_bell_cache_says(ctx, NGX_HTTP_BELL_CACHE_METRIC_FULL,
                                 ctx->status.outcome);
        return NGX_DECLINED;
    }
}


/* Once more, behind a wait: NGX_DECLINED goes on to the location's handler. */

void
ngx_http_bell_cache_look_again(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_http_bell_cache_leaves(ctx);
    ngx_http_bell_cache_forget(ctx);

    ngx_http_bell_cache_ends(ctx, ngx_http_bell_cache_look(ctx));
}


void
ngx_http_bell_cache_ends(ngx_http_bell_cache_ctx_t *ctx, ngx_int_t rc)
{
    ngx_http_request_t  *r;

    /* it may be gone by now */

    if (rc == NGX_DONE) {
        return;
    }

    r = ctx->request;

    ngx_http_bell_cache_leaves(ctx);

    /* it may be led elsewhere, where nothing of this is known */

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    /* behind the head of an answer there is no other one */

    if (ctx->parts && ctx->begun && rc != NGX_HTTP_REQUEST_TIME_OUT) {
        rc = NGX_ERROR;
    }

    if (rc == NGX_DECLINED) {
        ctx->passed = 1;

        r->write_event_handler = ngx_http_core_run_phases;

        r->phase_handler++;
        ngx_http_core_run_phases(r);

        return;
    }

    ngx_http_finalize_request(r, rc == NGX_ERROR && !ctx->begun
                                 ? NGX_HTTP_INTERNAL_SERVER_ERROR : rc);
}
