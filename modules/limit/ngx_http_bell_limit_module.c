
/*
 * Firstbell's edge: how much anybody may ask for.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_limit.h"


static ngx_int_t ngx_http_bell_limit_address_room(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_limit_limit_room(ngx_http_request_t *r);
static void ngx_http_bell_limit_cleanup(void *data);

static ngx_int_t ngx_http_bell_limit_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_bell_limit_policy_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

static ngx_int_t ngx_http_bell_limit_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_bell_limit_postconfiguration(ngx_conf_t *cf);
static void *ngx_http_bell_limit_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_bell_limit_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_bell_limit_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_bell_limit_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);


static ngx_command_t  ngx_http_bell_limit_commands[] = {

    { ngx_string("bell_limit_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_bell_limit_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_limit_policy"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_http_bell_limit_policy,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_limit_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_bell_limit_redis,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_limit_leases"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_bell_limit_leases,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_limit"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_bell_limit,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_limit_allow"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_bell_limit_allow,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_limit_headers"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_limit_loc_conf_t, headers),
      NULL },

    { ngx_string("bell_limit_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_bell_limit_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_bell_limit_module_ctx = {
    ngx_http_bell_limit_preconfiguration,  /* preconfiguration */
    ngx_http_bell_limit_postconfiguration, /* postconfiguration */

    ngx_http_bell_limit_create_main_conf,  /* create main configuration */
    ngx_http_bell_limit_init_main_conf,    /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_bell_limit_create_loc_conf,   /* create location configuration */
    ngx_http_bell_limit_merge_loc_conf     /* merge location configuration */
};


ngx_module_t  ngx_http_bell_limit_module = {
    NGX_MODULE_V1,
    &ngx_http_bell_limit_module_ctx,       /* module context */
    ngx_http_bell_limit_commands,          /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_bell_limit_init_process,      /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_bell_limit_exit_process,      /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_variable_t  ngx_http_bell_limit_vars[] = {

    { ngx_string("bell_limit_status"), NULL,
      ngx_http_bell_limit_status_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("bell_limit_policy"), NULL,
      ngx_http_bell_limit_policy_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("bell_limit_problem"), NULL,
      ngx_http_bell_limit_problem_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


static ngx_int_t
ngx_http_bell_limit_address_room(ngx_http_request_t *r)
{
    return ngx_http_bell_limit_room(r, NGX_HTTP_BELL_ROOM_ADDRESS);
}


static ngx_int_t
ngx_http_bell_limit_limit_room(ngx_http_request_t *r)
{
    return ngx_http_bell_limit_room(r, NGX_HTTP_BELL_ROOM_LIMIT);
}


ngx_http_bell_limit_ctx_t *
ngx_http_bell_limit_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t         *cln;
    ngx_http_bell_limit_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_bell_limit_module);

    if (ctx) {
        return ctx;
    }

    /* a subrequest, or r->ctx was zeroed by an internal redirect */

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_bell_limit_cleanup) {
            ctx = cln->data;
            ngx_http_set_ctx(r, ctx, ngx_http_bell_limit_module);
            return ctx;
        }
    }

    return NULL;
}


ngx_http_bell_limit_ctx_t *
ngx_http_bell_limit_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t         *cln;
    ngx_http_bell_limit_ctx_t  *ctx;

    ctx = ngx_http_bell_limit_get_ctx(r);

    if (ctx) {
        return ctx;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_bell_limit_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;

    ngx_memzero(ctx, sizeof(ngx_http_bell_limit_ctx_t));

    if (ngx_array_init(&ctx->asks, r->pool, 4,
                       sizeof(ngx_http_bell_limit_ask_t))
        != NGX_OK)
    {
        return NULL;
    }

    /* nothing to clean up: the handler is what the context is found by */
    cln->handler = ngx_http_bell_limit_cleanup;

    ngx_http_set_ctx(r, ctx, ngx_http_bell_limit_module);

    return ctx;
}


static void
ngx_http_bell_limit_cleanup(void *data)
{
    /* void */
}


static ngx_int_t
ngx_http_bell_limit_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const char                 *name;
    ngx_http_bell_limit_ctx_t  *ctx;

    ctx = ngx_http_bell_limit_get_ctx(r);

    if (ctx == NULL || !ctx->is_known) {
        v->not_found = 1;
        return NGX_OK;
    }

    name = ngx_http_bell_limit_results[ctx->result];

    ngx_http_bell_limit_set_variable(v, (u_char *) name, ngx_strlen(name));

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_limit_policy_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                  *name;
    ngx_http_bell_limit_ctx_t  *ctx;

    ctx = ngx_http_bell_limit_get_ctx(r);

    if (ctx == NULL || ctx->verdict.policy == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    name = &ctx->verdict.policy->name;

    ngx_http_bell_limit_set_variable(v, name->data, name->len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_limit_preconfiguration(ngx_conf_t *cf)
{
    ngx_str_t                         request_id = ngx_string("request_id");
    ngx_http_bell_limit_main_conf_t  *lmcf;

    lmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_limit_module);

    /* what it uses has been there since that version */

    lmcf->core = ngx_http_bell_core_load_version(cf,
                                             &ngx_http_bell_limit_module, 7);
    if (lmcf->core == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_bell_limit_add_variables(cf, ngx_http_bell_limit_vars)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    lmcf->request_id = ngx_http_get_variable_index(cf, &request_id);

    if (lmcf->request_id == NGX_ERROR
        || ngx_http_bell_limit_add_metrics(cf, lmcf) != NGX_OK
        || lmcf->core->access(cf, NGX_HTTP_BELL_ROOM_ADDRESS,
                              ngx_http_bell_limit_address_room)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return lmcf->core->access(cf, NGX_HTTP_BELL_ROOM_LIMIT,
                              ngx_http_bell_limit_limit_room);
}


static ngx_int_t
ngx_http_bell_limit_postconfiguration(ngx_conf_t *cf)
{
    return ngx_http_bell_limit_init_filter(cf);
}


static void *
ngx_http_bell_limit_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_bell_limit_main_conf_t  *lmcf;

    lmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_limit_main_conf_t));
    if (lmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&lmcf->policies, cf->pool, 8,
                       sizeof(ngx_http_bell_limit_policy_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return lmcf;
}


static char *
ngx_http_bell_limit_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_bell_limit_main_conf_t  *lmcf = conf;

    if (lmcf->policies.nelts && lmcf->shm_zone == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"bell_limit_policy\" needs memory that all workers "
                      "share: add \"bell_limit_zone zone=limits:16m;\" to the "
                      "http block");
        return NGX_CONF_ERROR;
    }

    return ngx_http_bell_limit_init_leases(cf, lmcf) == NGX_OK
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static void *
ngx_http_bell_limit_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_bell_limit_loc_conf_t  *llcf;

    /* set by ngx_pcalloc(): no uses, nobody is allowed, no status here */

    llcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_limit_loc_conf_t));
    if (llcf == NULL) {
        return NULL;
    }

    llcf->headers = NGX_CONF_UNSET;

    return llcf;
}


static char *
ngx_http_bell_limit_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_bell_limit_loc_conf_t  *prev = parent;
    ngx_http_bell_limit_loc_conf_t  *conf = child;

    if (conf->uses == NULL) {
        conf->uses = prev->uses;
    }

    if (!conf->allow_set) {
        conf->allow_set = prev->allow_set;
        conf->cidrs = prev->cidrs;
        conf->allow = prev->allow;
    }

    ngx_conf_merge_value(conf->headers, prev->headers, 0);

    return NGX_CONF_OK;
}
