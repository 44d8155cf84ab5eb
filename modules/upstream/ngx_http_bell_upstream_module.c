
/*
 * Firstbell's edge, upstream: which server of its district's pool a request
 * goes to.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_upstream.h"


static ngx_int_t ngx_http_bell_upstream_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_bell_upstream_add_variables(ngx_conf_t *cf);
static void *ngx_http_bell_upstream_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_bell_upstream_init_main_conf(ngx_conf_t *cf,
    void *conf);
static void *ngx_http_bell_upstream_create_srv_conf(ngx_conf_t *cf);
static ngx_int_t ngx_http_bell_upstream_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_bell_upstream_init_process(ngx_cycle_t *cycle);
static void ngx_http_bell_upstream_exit_process(ngx_cycle_t *cycle);


static ngx_command_t  ngx_http_bell_upstream_commands[] = {

    { ngx_string("bell_upstream"),
      NGX_HTTP_UPS_CONF|NGX_CONF_1MORE,
      ngx_http_bell_upstream,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_bell_upstream_module_ctx = {
    ngx_http_bell_upstream_add_variables,  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_http_bell_upstream_create_main_conf, /* create main configuration */
    ngx_http_bell_upstream_init_main_conf, /* init main configuration */

    ngx_http_bell_upstream_create_srv_conf, /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_bell_upstream_module = {
    NGX_MODULE_V1,
    &ngx_http_bell_upstream_module_ctx,    /* module context */
    ngx_http_bell_upstream_commands,       /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_bell_upstream_init_module,    /* init module */
    ngx_http_bell_upstream_init_process,   /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_bell_upstream_exit_process,   /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* whose timers run, of a process without a master */

static ngx_http_bell_upstream_main_conf_t  *ngx_http_bell_upstream_live;


static ngx_http_variable_t  ngx_http_bell_upstream_vars[] = {

    { ngx_string("bell_upstream"), NULL, ngx_http_bell_upstream_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


static ngx_int_t
ngx_http_bell_upstream_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t  *name;

    name = ngx_http_bell_upstream_of(r);

    if (name == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->len = name->len;
    v->data = name->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_upstream_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t                 *var, *v;
    ngx_http_bell_upstream_main_conf_t  *bmcf;

    bmcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_bell_upstream_module);

    /* what it uses has been there since that version */

    bmcf->core = ngx_http_bell_core_load_version(cf,
                                           &ngx_http_bell_upstream_module, 4);
    if (bmcf->core == NULL) {
        return NGX_ERROR;
    }

    for (v = ngx_http_bell_upstream_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return ngx_http_bell_upstream_add_metrics(cf, bmcf);
}


static void *
ngx_http_bell_upstream_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_bell_upstream_main_conf_t  *bmcf;

    bmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_upstream_main_conf_t));
    if (bmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&bmcf->upstreams, cf->pool, 2,
                       sizeof(ngx_http_bell_upstream_conf_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return bmcf;
}


/*
 * nginx lets another balancer take the place of ours with a warning.  Its
 * upstream module comes before all that are loaded, so the blocks have been
 * gone through.
 */

static char *
ngx_http_bell_upstream_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_bell_upstream_main_conf_t  *bmcf = conf;

    ngx_uint_t                           i;
    ngx_http_bell_upstream_conf_t      **bcfp;

    bcfp = bmcf->upstreams.elts;

    for (i = 0; i < bmcf->upstreams.nelts; i++) {

        if (!bcfp[i]->initialized) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "upstream \"%V\": another way of choosing a server "
                          "takes the place of \"bell_upstream\" in %V:%ui; "
                          "only \"keepalive\" goes with it",
                          &bcfp[i]->uscf->host, &bcfp[i]->conf_file,
                          bcfp[i]->conf_line);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static void *
ngx_http_bell_upstream_create_srv_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_upstream_conf_t));
}


/*
 * Without a master ("master_process off") the process lives on after a
 * reload, init_process is not called again, and the timers of the former
 * configuration would go on in memory that is given back.
 */

static ngx_int_t
ngx_http_bell_upstream_init_module(ngx_cycle_t *cycle)
{
    ngx_uint_t                           i;
    ngx_http_bell_upstream_conf_t      **bcfp;
    ngx_http_bell_upstream_main_conf_t  *bmcf;

    bmcf = ngx_http_bell_upstream_live;

    if (bmcf == NULL) {
        return NGX_OK;
    }

    ngx_http_bell_upstream_live = NULL;

    bcfp = bmcf->upstreams.elts;

    for (i = 0; i < bmcf->upstreams.nelts; i++) {
        ngx_http_bell_upstream_abandon(bcfp[i]);
        ngx_http_bell_upstream_close_pools(bcfp[i]);
    }

    return ngx_http_bell_upstream_init_process(cycle);
}


static ngx_int_t
ngx_http_bell_upstream_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                           i;
    ngx_http_bell_upstream_conf_t      **bcfp;
    ngx_http_bell_upstream_main_conf_t  *bmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    bmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_bell_upstream_module);
    if (bmcf == NULL) {
        return NGX_OK;
    }

    bcfp = bmcf->upstreams.elts;

    for (i = 0; i < bmcf->upstreams.nelts; i++) {
        ngx_http_bell_upstream_enter(bcfp[i], cycle->log);

        if (ngx_http_bell_upstream_open_pools(bcfp[i], cycle->log) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_http_bell_upstream_watch(bcfp[i], cycle->log);
    }

    if (ngx_process == NGX_PROCESS_SINGLE) {
        ngx_http_bell_upstream_live = bmcf;
    }

    return NGX_OK;
}


static void
ngx_http_bell_upstream_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                           i;
    ngx_http_bell_upstream_conf_t      **bcfp;
    ngx_http_bell_upstream_main_conf_t  *bmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return;
    }

    bmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_bell_upstream_module);
    if (bmcf == NULL) {
        return;
    }

    bcfp = bmcf->upstreams.elts;

    for (i = 0; i < bmcf->upstreams.nelts; i++) {
        ngx_http_bell_upstream_unwatch(bcfp[i]);
        ngx_http_bell_upstream_close_pools(bcfp[i]);
        ngx_http_bell_upstream_leave(bcfp[i]);
    }
}
