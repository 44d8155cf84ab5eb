
/*
 * Firstbell's edge: who gets a place at an origin that cannot have all.
 *
 * What a cache of this edge answers never comes here: a place is asked for
 * where the location's own handler would be called, which is behind the cache,
 * and by what the cache fetches itself.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_fair.h"


static ngx_int_t ngx_http_bell_fair_room(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_fair_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_fair_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

static ngx_int_t ngx_http_bell_fair_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_bell_fair_postconfiguration(ngx_conf_t *cf);
static void *ngx_http_bell_fair_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_bell_fair_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_bell_fair_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_bell_fair_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_bell_fair_init_process(ngx_cycle_t *cycle);


static ngx_command_t  ngx_http_bell_fair_commands[] = {

    { ngx_string("bell_fair_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_bell_fair_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_fair_pool"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_bell_fair_pool,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_fair"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_bell_fair,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_fair_rank"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_bell_fair_rank,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_bell_fair_module_ctx = {
    ngx_http_bell_fair_preconfiguration,   /* preconfiguration */
    ngx_http_bell_fair_postconfiguration,  /* postconfiguration */

    ngx_http_bell_fair_create_main_conf,   /* create main configuration */
    ngx_http_bell_fair_init_main_conf,     /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_bell_fair_create_loc_conf,    /* create location configuration */
    ngx_http_bell_fair_merge_loc_conf      /* merge location configuration */
};


ngx_module_t  ngx_http_bell_fair_module = {
    NGX_MODULE_V1,
    &ngx_http_bell_fair_module_ctx,        /* module context */
    ngx_http_bell_fair_commands,           /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_bell_fair_init_process,       /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_variable_t  ngx_http_bell_fair_vars[] = {

    { ngx_string("bell_fair_status"), NULL,
      ngx_http_bell_fair_status_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


/* in the order of ngx_http_bell_fair_result_e */

const char  *ngx_http_bell_fair_results[NGX_HTTP_BELL_FAIR_RESULTS] = {
    "passed", "waited", "refused", "late", "left"
};


static ngx_http_output_header_filter_pt  ngx_http_bell_fair_next_header;


/*
 * Behind the limits: the request is let in, and whatever phases come, its
 * handler is called in the end, or the cache has it called for a fetch, which
 * has the same one.
 */

static ngx_int_t
ngx_http_bell_fair_room(ngx_http_request_t *r)
{
    ngx_http_bell_fair_ctx_t       *ctx;
    ngx_http_core_loc_conf_t       *clcf;
    ngx_http_bell_fair_loc_conf_t  *flcf;

    flcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_fair_module);
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (flcf->pool == NULL || flcf->no_upstream || clcf->handler == NULL
        || r->content_handler != clcf->handler)
    {
        return NGX_DECLINED;
    }

    /* the page that tells of a refusal may stand anywhere */

    ctx = ngx_http_bell_fair_get_ctx(r);

    if (ctx && ctx->is_known && ctx->result >= NGX_HTTP_BELL_FAIR_REFUSED) {
        return NGX_DECLINED;
    }

    r->content_handler = ngx_http_bell_fair_content;

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_bell_fair_header_filter(ngx_http_request_t *r)
{
    ngx_http_bell_fair_ctx_t  *ctx;

    ctx = (r == r->main) ? ngx_http_bell_fair_get_ctx(r) : NULL;

    if (ctx) {
        ngx_http_bell_fair_head(r, ctx);
    }

    return ngx_http_bell_fair_next_header(r);
}


static ngx_int_t
ngx_http_bell_fair_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const char                *name;
    ngx_http_bell_fair_ctx_t  *ctx;

    ctx = ngx_http_bell_fair_get_ctx(r->main);

    if (ctx == NULL || !ctx->is_known) {
        v->not_found = 1;
        return NGX_OK;
    }

    name = ngx_http_bell_fair_results[ctx->result];

    ngx_http_bell_limit_set_variable(v, (u_char *) name, ngx_strlen(name));

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_fair_preconfiguration(ngx_conf_t *cf)
{
    ngx_http_bell_fair_main_conf_t  *fmcf;

    fmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_fair_module);

    /* what it uses has been there since that version */

    fmcf->core = ngx_http_bell_core_load_version(cf,
                                               &ngx_http_bell_fair_module, 6);
    if (fmcf->core == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_bell_limit_add_variables(cf, ngx_http_bell_fair_vars)
        != NGX_OK
        || ngx_http_bell_fair_add_metrics(cf, fmcf) != NGX_OK
        || fmcf->core->on_wake(cf, ngx_http_bell_fair_woken, NULL) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return fmcf->core->access(cf, NGX_HTTP_BELL_ROOM_LIMIT,
                              ngx_http_bell_fair_room);
}


static ngx_int_t
ngx_http_bell_fair_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_bell_fair_next_header = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_bell_fair_header_filter;

    return NGX_OK;
}


static void *
ngx_http_bell_fair_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_bell_fair_main_conf_t  *fmcf;

    fmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_fair_main_conf_t));
    if (fmcf == NULL) {
        return NULL;
    }

    fmcf->known = ngx_pcalloc(cf->pool, NGX_HTTP_BELL_FAIR_KNOWN
                                        * sizeof(ngx_http_bell_fair_known_t));
    if (fmcf->known == NULL) {
        return NULL;
    }

    if (ngx_array_init(&fmcf->pools, cf->pool, 4,
                       sizeof(ngx_http_bell_fair_pool_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return fmcf;
}


static char *
ngx_http_bell_fair_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_bell_fair_main_conf_t  *fmcf = conf;

    if (fmcf->pools.nelts && fmcf->shm_zone == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"bell_fair_pool\" needs memory that all workers "
                      "share: add \"bell_fair_zone zone=places:1m;\" to the "
                      "http block");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static void *
ngx_http_bell_fair_create_loc_conf(ngx_conf_t *cf)
{
    /* set by ngx_pcalloc(): no pool, no rank */

    return ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_fair_loc_conf_t));
}


static char *
ngx_http_bell_fair_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_bell_fair_loc_conf_t  *prev = parent;
    ngx_http_bell_fair_loc_conf_t  *conf = child;

    if (!conf->set) {
        conf->set = prev->set;
        conf->pool = prev->pool;
        conf->key = prev->key;
        conf->weight = prev->weight;
        conf->class = prev->class;
    }

    if (conf->rank == NULL) {
        conf->rank = prev->rank;
    }

    return NGX_CONF_OK;
}


/* One that comes in the place of a killed one gives back what that one had. */

static ngx_int_t
ngx_http_bell_fair_init_process(ngx_cycle_t *cycle)
{
    int64_t                          now_us;
    ngx_http_bell_fair_main_conf_t  *fmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    fmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_bell_fair_module);

    if (fmcf == NULL || fmcf->sh == NULL) {
        return NGX_OK;
    }

    now_us = ngx_http_bell_fair_lock(fmcf);

    ngx_http_bell_fair_sweep(fmcf, now_us);

    ngx_http_bell_fair_unlock(fmcf);

    return NGX_OK;
}
