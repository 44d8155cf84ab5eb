
/*
 * Firstbell's edge: the cache.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "bell_invalidate.h"

#include "ngx_http_bell_cache.h"
#include "ngx_http_bell_cache_load.h"
#include "ngx_http_bell_cache_purge.h"
#include "ngx_http_bell_cache_shelf.h"


static ngx_int_t ngx_http_bell_cache_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_cache_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static void ngx_http_bell_cache_invalidate(ngx_http_bell_cache_ctx_t *ctx);
static void ngx_http_bell_cache_answer_field(ngx_http_request_t *r,
    const char *name, bell_str *value);
static ngx_int_t ngx_http_bell_cache_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

static ngx_int_t ngx_http_bell_cache_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_bell_cache_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_bell_cache_filter_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_bell_cache_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_bell_cache_init_process(ngx_cycle_t *cycle);
static void ngx_http_bell_cache_exit_process(ngx_cycle_t *cycle);
static void ngx_http_bell_cache_exit_master(ngx_cycle_t *cycle);
static void ngx_http_bell_cache_wake_all(ngx_cycle_t *cycle, void *data);


static ngx_conf_enum_t  ngx_http_bell_cache_scopes[] = {
    { ngx_string("required"), 0 },
    { ngx_string("optional"), 1 },
    { ngx_null_string, 0 }
};


#define NGX_HTTP_BELL_CACHE_ANYWHERE                                          \
    NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF


static ngx_command_t  ngx_http_bell_cache_commands[] = {

    { ngx_string("bell_cache_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_bell_cache_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_cache_purges"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_bell_cache_purges,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_cache"),
      NGX_HTTP_BELL_CACHE_ANYWHERE|NGX_CONF_TAKE1,
      ngx_http_bell_cache,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_cache_bypass"),
      NGX_HTTP_BELL_CACHE_ANYWHERE|NGX_CONF_1MORE,
      ngx_http_set_predicate_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_cache_loc_conf_t, bypass),
      NULL },

    { ngx_string("bell_cache_exam"),
      NGX_HTTP_BELL_CACHE_ANYWHERE|NGX_CONF_1MORE,
      ngx_http_set_predicate_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_cache_loc_conf_t, exam),
      NULL },

    { ngx_string("bell_cache_query"),
      NGX_HTTP_BELL_CACHE_ANYWHERE|NGX_CONF_1MORE,
      ngx_http_bell_cache_query,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_cache_default_ttl"),
      NGX_HTTP_BELL_CACHE_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_cache_loc_conf_t, default_ttl),
      NULL },

    { ngx_string("bell_cache_heuristic_max"),
      NGX_HTTP_BELL_CACHE_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_cache_loc_conf_t, heuristic_max),
      NULL },

    { ngx_string("bell_cache_default_swr"),
      NGX_HTTP_BELL_CACHE_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_cache_loc_conf_t, default_swr),
      NULL },

    { ngx_string("bell_cache_default_sie"),
      NGX_HTTP_BELL_CACHE_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_cache_loc_conf_t, default_sie),
      NULL },

    { ngx_string("bell_cache_stale_max"),
      NGX_HTTP_BELL_CACHE_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_cache_loc_conf_t, stale_max),
      NULL },

    { ngx_string("bell_cache_uncacheable"),
      NGX_HTTP_BELL_CACHE_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_cache_loc_conf_t, uncacheable),
      NULL },

    { ngx_string("bell_cache_wait"),
      NGX_HTTP_BELL_CACHE_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_cache_loc_conf_t, wait),
      NULL },

    { ngx_string("bell_cache_fetches"),
      NGX_HTTP_BELL_CACHE_ANYWHERE|NGX_CONF_1MORE,
      ngx_http_bell_cache_fetches,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_cache_refresh_early"),
      NGX_HTTP_BELL_CACHE_ANYWHERE|NGX_CONF_TAKE1,
      ngx_http_bell_cache_early,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_cache_set_cookie"),
      NGX_HTTP_BELL_CACHE_ANYWHERE|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_cache_loc_conf_t, set_cookie),
      NULL },

    { ngx_string("bell_cache_scope"),
      NGX_HTTP_BELL_CACHE_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_cache_loc_conf_t, scope_optional),
      &ngx_http_bell_cache_scopes },

    { ngx_string("bell_cache_client_control"),
      NGX_HTTP_BELL_CACHE_ANYWHERE|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_cache_loc_conf_t, client_control),
      NULL },

    { ngx_string("bell_cache_name"),
      NGX_HTTP_BELL_CACHE_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_cache_loc_conf_t, name),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_bell_cache_module_ctx = {
    ngx_http_bell_cache_preconfiguration,  /* preconfiguration */
    ngx_http_bell_cache_postconfiguration, /* postconfiguration */

    ngx_http_bell_cache_create_main_conf,  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_bell_cache_create_loc_conf,   /* create location configuration */
    ngx_http_bell_cache_merge_loc_conf     /* merge location configuration */
};


ngx_module_t  ngx_http_bell_cache_module = {
    NGX_MODULE_V1,
    &ngx_http_bell_cache_module_ctx,       /* module context */
    ngx_http_bell_cache_commands,          /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_bell_cache_init_module,       /* init module */
    ngx_http_bell_cache_init_process,      /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_bell_cache_exit_process,      /* exit process */
    ngx_http_bell_cache_exit_master,       /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_module_t  ngx_http_bell_cache_filter_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_bell_cache_filter_init,       /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_bell_cache_filter_module = {
    NGX_MODULE_V1,
    &ngx_http_bell_cache_filter_module_ctx, /* module context */
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


static ngx_str_t  ngx_http_bell_cache_variable_name =
    ngx_string("bell_cache_status");

/* what is asked of a client's connection, and not of a fetch's */

static ngx_str_t  ngx_http_bell_cache_variables[
                                            NGX_HTTP_BELL_CACHE_VARIABLES] = {
    ngx_string("scheme"),
    ngx_string("https"),
    ngx_string("server_addr"),
    ngx_string("server_port"),
    ngx_string("proxy_protocol_addr"),
    ngx_string("proxy_protocol_port"),
    ngx_string("proxy_protocol_server_addr"),
    ngx_string("proxy_protocol_server_port")
};

static ngx_http_output_header_filter_pt  ngx_http_bell_cache_next_header;
static ngx_http_output_body_filter_pt    ngx_http_bell_cache_next_body;


/* ---- filters */

static ngx_int_t
ngx_http_bell_cache_header_filter(ngx_http_request_t *r)
{
    ngx_http_bell_cache_ctx_t    *ctx;
    ngx_http_bell_cache_fetch_t  *fetch;

    fetch = ngx_http_bell_cache_fetch_of(r);

    if (fetch) {
        return ngx_http_bell_cache_fetch_header(r, fetch);
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_bell_cache_module);

    if (ctx == NULL || r != r->main || ctx->told) {
        return ngx_http_bell_cache_next_header(r);
    }

    ctx->told = 1;
    ctx->bmcf->core->count(ctx->bmcf->requests[ctx->metric], 1);

    if (ctx->unsafe) {
        ngx_http_bell_cache_invalidate(ctx);
    }

    if (ngx_http_bell_cache_tell(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_bell_cache_next_header(r);
}


static ngx_int_t
ngx_http_bell_cache_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_bell_cache_fetch_t  *fetch;

    fetch = ngx_http_bell_cache_fetch_of(r);

    if (fetch) {
        return ngx_http_bell_cache_fetch_body(r, fetch, in);
    }

    return ngx_http_bell_cache_next_body(r, in);
}


/* What a request has changed is true no more (RFC 9111, 4.4). */

static void
ngx_http_bell_cache_invalidate(ngx_http_bell_cache_ctx_t *ctx)
{
    long                     n;
    char                    *room, *target;
    uint64_t                 url;
    unsigned                 i, count;
    bell_str                 targets[BELL_INVALIDATE_MAX];
    bell_uri_base            base;
    ngx_http_request_t      *r;
    bell_invalidate_answer   answer;

    r = ctx->request;

    base.scheme = ctx->asked.scheme;
    base.host = ctx->asked.host;
    base.target = ctx->asked.target;

    ngx_memzero(&answer, sizeof(answer));

    answer.method = ngx_http_bell_cache_str(&r->method_name);
    answer.status = (unsigned) r->headers_out.status;

    ngx_http_bell_cache_answer_field(r, "location", &answer.location);
    ngx_http_bell_cache_answer_field(r, "content-location",
                                     &answer.content_location);

    room = ngx_pnalloc(r->pool, 4 * BELL_CACHE_URL_BYTES_MAX);
    target = ngx_pnalloc(r->pool, BELL_CACHE_URL_BYTES_MAX);

    if (room == NULL || target == NULL) {
        return;
    }

    count = bell_invalidate_targets(&base, &answer, room,
                                    4 * BELL_CACHE_URL_BYTES_MAX, targets);

    for (i = 0; i < count; i++) {
        n = bell_cache_target_write(targets[i], &ctx->blcf->query, target,
                                    BELL_CACHE_URL_BYTES_MAX);

        if (n >= 0
            && bell_cache_url_hash(ctx->zone->sh->key, ctx->asked.tenant_id,
                                   ctx->asked.host,
                                   (bell_str) { target, n }, &url))
        {
            ngx_http_bell_cache_purge_url(ctx->zone, ctx->asked.tenant_id,
                                          url);
        }
    }
}


static void
ngx_http_bell_cache_answer_field(ngx_http_request_t *r, const char *name,
    bell_str *value)
{
    if (!ngx_http_bell_cache_list_field(&r->headers_out.headers,
                                        bell_str_of(name), 0, value))
    {
        *value = (bell_str) { NULL, 0 };
    }
}


static ngx_int_t
ngx_http_bell_cache_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const char                 *word;
    ngx_http_bell_cache_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r->main, ngx_http_bell_cache_module);

    word = ctx && ctx->told ? ngx_http_bell_cache_word(ctx->metric) : "-";

    v->data = (u_char *) (uintptr_t) word;
    v->len = ngx_strlen(word);
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/* ---- configuration */

static ngx_int_t
ngx_http_bell_cache_preconfiguration(ngx_conf_t *cf)
{
    ngx_uint_t                        i;
    ngx_http_variable_t              *var;
    ngx_http_bell_cache_main_conf_t  *bmcf;

    bmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_cache_module);

    bmcf->core = ngx_http_bell_core_load(cf, &ngx_http_bell_cache_module);
    if (bmcf->core == NULL) {
        return NGX_ERROR;
    }

    var = ngx_http_add_variable(cf, &ngx_http_bell_cache_variable_name,
                                NGX_HTTP_VAR_NOCACHEABLE);
    if (var == NULL) {
        return NGX_ERROR;
    }

    var->get_handler = ngx_http_bell_cache_variable;

    for (i = 0; i < NGX_HTTP_BELL_CACHE_VARIABLES; i++) {
        bmcf->variables[i] = ngx_http_get_variable_index(cf,
                                            &ngx_http_bell_cache_variables[i]);

        if (bmcf->variables[i] == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    if (bmcf->core->on_wake(cf, ngx_http_bell_cache_wake_all, NULL)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_bell_cache_add_metrics(cf, bmcf);
}


static ngx_int_t
ngx_http_bell_cache_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_handler_pt              *h;
    ngx_http_core_main_conf_t        *cmcf;
    ngx_http_bell_cache_main_conf_t  *bmcf;

    bmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_cache_module);

    if (bmcf->zones.nelts == 0) {
        return NGX_OK;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_bell_cache_handler;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_cache_filter_init(ngx_conf_t *cf)
{
    ngx_http_bell_cache_main_conf_t  *bmcf;

    bmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_cache_module);

    if (bmcf->zones.nelts == 0) {
        return NGX_OK;
    }

    ngx_http_bell_cache_next_header = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_bell_cache_header_filter;

    ngx_http_bell_cache_next_body = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_bell_cache_body_filter;

    return NGX_OK;
}


ngx_array_t *
ngx_http_bell_cache_zones(ngx_cycle_t *cycle)
{
    ngx_http_bell_cache_main_conf_t  *bmcf;

    bmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_bell_cache_module);

    return &bmcf->zones;
}


/* ---- processes */

/*
 * Without a master ("master_process off") the process lives on after a
 * reload, and init_process is not called again.
 */

static ngx_int_t
ngx_http_bell_cache_init_module(ngx_cycle_t *cycle)
{
    ngx_http_bell_cache_main_conf_t  *bmcf;

    bmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_bell_cache_module);

    if (ngx_http_bell_cache_feed_stop() && bmcf) {
        ngx_http_bell_cache_feed_start(cycle, &bmcf->feed);
    }

    if (ngx_http_bell_cache_keep_stop() && bmcf) {
        ngx_http_bell_cache_keep_start(bmcf);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_cache_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                        i;
    ngx_http_bell_cache_zone_t      **zones;
    ngx_http_bell_cache_main_conf_t  *bmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    bmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_bell_cache_module);

    if (bmcf == NULL) {
        return NGX_OK;
    }

    /* what whoever was here before has left */

    zones = bmcf->zones.elts;

    for (i = 0; i < bmcf->zones.nelts; i++) {
        ngx_http_bell_cache_sweep(zones[i], bmcf->core);
    }

    ngx_http_bell_cache_feed_start(cycle, &bmcf->feed);
    ngx_http_bell_cache_keep_start(bmcf);
    ngx_http_bell_cache_erase_start(bmcf);

    return NGX_OK;
}


static void
ngx_http_bell_cache_exit_process(ngx_cycle_t *cycle)
{
    (void) ngx_http_bell_cache_feed_stop();
    (void) ngx_http_bell_cache_keep_stop();
}


/* All workers have gone. */

static void
ngx_http_bell_cache_exit_master(ngx_cycle_t *cycle)
{
    ngx_uint_t                        i;
    ngx_http_bell_cache_zone_t      **zones;
    ngx_http_bell_cache_main_conf_t  *bmcf;

    bmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_bell_cache_module);

    if (bmcf == NULL) {
        return;
    }

    zones = bmcf->zones.elts;

    for (i = 0; i < bmcf->zones.nelts; i++) {
        ngx_http_bell_cache_journal_leave(zones[i], cycle->log);
    }
}


static void
ngx_http_bell_cache_wake_all(ngx_cycle_t *cycle, void *data)
{
    ngx_uint_t                        i;
    ngx_http_bell_cache_zone_t      **zones;
    ngx_http_bell_cache_main_conf_t  *bmcf;

    bmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_bell_cache_module);
    zones = bmcf->zones.elts;

    for (i = 0; i < bmcf->zones.nelts; i++) {
        ngx_http_bell_cache_woken(zones[i]);
        ngx_http_bell_cache_loads_woken(zones[i]);
        ngx_http_bell_cache_batches_woken(zones[i]);
        ngx_http_bell_cache_windows_woken(zones[i]);
    }
}
