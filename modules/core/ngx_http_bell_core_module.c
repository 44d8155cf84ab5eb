
/*
 * Firstbell's edge, core: which district a request belongs to.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_context.h"
#include "ngx_http_bell_context_key.h"


#define NGX_HTTP_BELL_TENANT_NAME    0
#define NGX_HTTP_BELL_TENANT_ID      1
#define NGX_HTTP_BELL_TENANT_STATUS  2
#define NGX_HTTP_BELL_TENANT_LOCALE  3

#define NGX_HTTP_BELL_INTERVAL_MS    1000


typedef struct {
    ngx_http_bell_directory_t    *directory;    /* NULL: not configured */
    ngx_http_bell_context_key_t  *context_key;  /* NULL: not configured */
} ngx_http_bell_core_main_conf_t;


typedef struct {
    ngx_flag_t                  tenant;

    /* where "bell_tenant on" stands, for messages */
    ngx_str_t                   conf_file;
    ngx_uint_t                  conf_line;
} ngx_http_bell_core_srv_conf_t;


static ngx_int_t ngx_http_bell_tenant_handler(ngx_http_request_t *r);
static void ngx_http_bell_drop_headers(ngx_http_request_t *r);
static void ngx_http_bell_drop_header(ngx_table_elt_t *h);

static ngx_int_t ngx_http_bell_tenant_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_bell_context_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_bell_directory_version_variable(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data);

static ngx_int_t ngx_http_bell_core_add_variables(ngx_conf_t *cf);
static ngx_int_t ngx_http_bell_core_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_bell_core_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_bell_core_init_process(ngx_cycle_t *cycle);
static void *ngx_http_bell_core_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_bell_core_create_srv_conf(ngx_conf_t *cf);
static char *ngx_http_bell_core_merge_srv_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_bell_directory(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_bell_directory_zone(ngx_conf_t *cf,
    ngx_http_bell_directory_t *d, ngx_str_t *value);
static char *ngx_http_bell_directory_file(ngx_conf_t *cf,
    ngx_http_bell_directory_t *d, ngx_str_t *value);
static char *ngx_http_bell_directory_interval(ngx_conf_t *cf,
    ngx_http_bell_directory_t *d, ngx_str_t *value);
static char *ngx_http_bell_tenant(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_http_bell_core_commands[] = {

    { ngx_string("bell_directory"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE23,
      ngx_http_bell_directory,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_context_key"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_bell_context_key,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_bell_core_main_conf_t, context_key),
      NULL },

    { ngx_string("bell_tenant"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_FLAG,
      ngx_http_bell_tenant,
      NGX_HTTP_SRV_CONF_OFFSET,
      offsetof(ngx_http_bell_core_srv_conf_t, tenant),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_bell_core_module_ctx = {
    ngx_http_bell_core_add_variables,      /* preconfiguration */
    ngx_http_bell_core_init,               /* postconfiguration */

    ngx_http_bell_core_create_main_conf,   /* create main configuration */
    NULL,                                  /* init main configuration */

    ngx_http_bell_core_create_srv_conf,    /* create server configuration */
    ngx_http_bell_core_merge_srv_conf,     /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_bell_core_module = {
    NGX_MODULE_V1,
    &ngx_http_bell_core_module_ctx,        /* module context */
    ngx_http_bell_core_commands,           /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_bell_core_init_module,        /* init module */
    ngx_http_bell_core_init_process,       /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_variable_t  ngx_http_bell_core_vars[] = {

    { ngx_string("bell_tenant"), NULL, ngx_http_bell_tenant_variable,
      NGX_HTTP_BELL_TENANT_NAME, 0, 0 },

    { ngx_string("bell_tenant_id"), NULL, ngx_http_bell_tenant_variable,
      NGX_HTTP_BELL_TENANT_ID, 0, 0 },

    { ngx_string("bell_tenant_status"), NULL, ngx_http_bell_tenant_variable,
      NGX_HTTP_BELL_TENANT_STATUS, 0, 0 },

    { ngx_string("bell_tenant_locale"), NULL, ngx_http_bell_tenant_variable,
      NGX_HTTP_BELL_TENANT_LOCALE, 0, 0 },

    { ngx_string("bell_directory_version"), NULL,
      ngx_http_bell_directory_version_variable, 0, 0, 0 },

    { ngx_string("bell_context"), NULL,
      ngx_http_bell_signed_context_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("bell_subject"), NULL, ngx_http_bell_context_variable,
      offsetof(ngx_http_bell_ctx_t, subject), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("bell_role"), NULL, ngx_http_bell_context_variable,
      offsetof(ngx_http_bell_ctx_t, role), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("bell_class"), NULL, ngx_http_bell_context_variable,
      offsetof(ngx_http_bell_ctx_t, class), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("bell_reason"), NULL, ngx_http_bell_context_variable,
      offsetof(ngx_http_bell_ctx_t, reason), NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


/*
 * The phase runs once in a request, before the rewrites: neither subrequests
 * nor internal redirects come here again.
 */

static ngx_int_t
ngx_http_bell_tenant_handler(ngx_http_request_t *r)
{
    ngx_int_t                        rc;
    ngx_http_bell_ctx_t             *ctx;
    ngx_http_bell_core_srv_conf_t   *bscf;
    ngx_http_bell_core_main_conf_t  *bmcf;

    bscf = ngx_http_get_module_srv_conf(r, ngx_http_bell_core_module);

    if (!bscf->tenant) {
        return NGX_DECLINED;
    }

    bmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_core_module);

    ngx_http_bell_drop_headers(r);

    ctx = ngx_http_bell_context(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_bell_find_host(bmcf->directory, &r->headers_in.server,
                                 &ctx->tenant, &ctx->directory_version);

    if (rc != NGX_OK) {
        ngx_http_bell_reason(r, "host \"%V\" belongs to no tenant of "
                             "directory version %uL",
                             &r->headers_in.server, ctx->directory_version);

        return NGX_HTTP_NOT_FOUND;
    }

    if (ctx->tenant.status == BELL_TENANT_SUSPENDED) {
        ngx_http_bell_reason(r, "tenant \"%s\" is suspended",
                             ctx->tenant.name);

        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    return NGX_DECLINED;
}


/*
 * What the edge knows of a request reaches the origin in Bell-* headers: a
 * client's own are dropped.
 */

static void
ngx_http_bell_drop_headers(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len >= 5
                && h[i].lowcase_key[0] == 'b'
                && ngx_memcmp(h[i].lowcase_key, "bell", 4) == 0
                && (h[i].lowcase_key[4] == '-' || h[i].lowcase_key[4] == '_'))
            {
                ngx_http_bell_drop_header(&h[i]);
            }
        }
    }
}


/*
 * Elements cannot be taken out of the list, others point into it.  So the
 * header becomes an empty one of the connection itself: proxy_pass and
 * grpc_pass do not send it on, and to FastCGI and its like it says nothing.
 */

static void
ngx_http_bell_drop_header(ngx_table_elt_t *h)
{
    static u_char  name[] = "keep-alive";

    h->key.data = name;
    h->key.len = sizeof(name) - 1;
    h->lowcase_key = name;
    h->hash = ngx_hash_key(name, sizeof(name) - 1);

    ngx_str_set(&h->value, "");
}


static ngx_int_t
ngx_http_bell_tenant_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char             *p;
    const char         *text;
    const bell_tenant  *tenant;

    tenant = ngx_http_bell_context_tenant(r);

    if (tenant == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    switch (data) {

    case NGX_HTTP_BELL_TENANT_NAME:
        text = tenant->name;
        break;

    case NGX_HTTP_BELL_TENANT_STATUS:
        text = bell_tenant_status_name(tenant->status);
        break;

    case NGX_HTTP_BELL_TENANT_LOCALE:
        text = tenant->locale;
        break;

    default: /* NGX_HTTP_BELL_TENANT_ID */
        p = ngx_pnalloc(r->pool, NGX_INT32_LEN + 1);
        if (p == NULL) {
            return NGX_ERROR;
        }

        *ngx_sprintf(p, "%uD", tenant->id) = '\0';
        text = (char *) p;
        break;
    }

    v->len = text ? ngx_strlen(text) : 0;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = (u_char *) text;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_context_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t            *s;
    ngx_http_bell_ctx_t  *ctx;

    ctx = ngx_http_bell_get_context(r);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    s = (ngx_str_t *) ((char *) ctx + data);

    if (s->len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    /* what is not known yet may be so later */

    v->len = s->len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = s->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_directory_version_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                          *p;
    uint64_t                         version;
    ngx_http_bell_ctx_t             *ctx;
    ngx_http_bell_core_main_conf_t  *bmcf;

    bmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_core_module);

    if (bmcf->directory == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    ctx = ngx_http_bell_get_context(r);

    version = (ctx && ctx->tenant.id)
                  ? ctx->directory_version
                  : ngx_http_bell_directory_version(bmcf->directory);

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(p, "%uL", version) - p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = p;

    return NGX_OK;
}


ngx_http_bell_context_key_t *
ngx_http_bell_request_key(ngx_http_request_t *r)
{
    ngx_http_bell_core_main_conf_t  *bmcf;

    bmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_core_module);

    return bmcf->context_key;
}


static ngx_int_t
ngx_http_bell_core_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_bell_core_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_core_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_POST_READ_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_bell_tenant_handler;

    return NGX_OK;
}


/*
 * Without a master ("master_process off") the process lives on after a
 * reload, init_process is not called again, and the timer of the former
 * configuration would go on in memory that is given back.
 */

static ngx_int_t
ngx_http_bell_core_init_module(ngx_cycle_t *cycle)
{
    if (ngx_http_bell_directory_file_unwatch()) {
        return ngx_http_bell_core_init_process(cycle);
    }

    return NGX_OK;
}


ngx_http_bell_directory_t *
ngx_http_bell_cycle_directory(ngx_cycle_t *cycle)
{
    ngx_http_bell_core_main_conf_t  *bmcf;

    bmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_bell_core_module);

    return bmcf ? bmcf->directory : NULL;
}


static ngx_int_t
ngx_http_bell_core_init_process(ngx_cycle_t *cycle)
{
    ngx_http_bell_directory_t  *d;

    /* cache manager and loader come here, too */

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    d = ngx_http_bell_cycle_directory(cycle);

    if (d) {
        ngx_http_bell_directory_file_watch(d, cycle->log);
    }

    return NGX_OK;
}


static void *
ngx_http_bell_core_create_main_conf(ngx_conf_t *cf)
{
    /* set by ngx_pcalloc(): directory = NULL, context_key = NULL */

    return ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_core_main_conf_t));
}


static void *
ngx_http_bell_core_create_srv_conf(ngx_conf_t *cf)
{
    ngx_http_bell_core_srv_conf_t  *bscf;

    bscf = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_core_srv_conf_t));
    if (bscf == NULL) {
        return NULL;
    }

    bscf->tenant = NGX_CONF_UNSET;

    return bscf;
}


static char *
ngx_http_bell_core_merge_srv_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_bell_core_srv_conf_t   *prev = parent;
    ngx_http_bell_core_srv_conf_t   *conf = child;
    ngx_http_bell_core_main_conf_t  *bmcf;

    if (conf->tenant == NGX_CONF_UNSET) {
        conf->conf_file = prev->conf_file;
        conf->conf_line = prev->conf_line;
    }

    ngx_conf_merge_value(conf->tenant, prev->tenant, 0);

    bmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_core_module);

    if (conf->tenant && bmcf->directory == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"bell_tenant on\" in %V:%ui needs a directory to find "
                      "tenants in: add \"bell_directory zone=tenants:1m "
                      "file=PATH;\" to the http block",
                      &conf->conf_file, conf->conf_line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_bell_directory(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_core_main_conf_t  *bmcf = conf;

    char                            *rv;
    ngx_str_t                       *value;
    ngx_uint_t                       i;
    ngx_http_bell_directory_t       *d;

    if (bmcf->directory) {
        return "is duplicate: an edge has one directory";
    }

    d = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_directory_t));
    if (d == NULL) {
        return NGX_CONF_ERROR;
    }

    d->interval = NGX_HTTP_BELL_INTERVAL_MS;
    d->conf_file = cf->conf_file->file.name;
    d->conf_line = cf->conf_file->line;

    value = cf->args->elts;
    rv = NGX_CONF_OK;

    for (i = 1; i < cf->args->nelts && rv == NGX_CONF_OK; i++) {

        if (ngx_strncmp(value[i].data, "zone=", 5) == 0) {
            rv = ngx_http_bell_directory_zone(cf, d, &value[i]);

        } else if (ngx_strncmp(value[i].data, "file=", 5) == 0) {
            rv = ngx_http_bell_directory_file(cf, d, &value[i]);

        } else if (ngx_strncmp(value[i].data, "interval=", 9) == 0) {
            rv = ngx_http_bell_directory_interval(cf, d, &value[i]);

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\": \"bell_directory\" "
                               "takes zone=NAME:SIZE, file=PATH and "
                               "interval=TIME", &value[i]);
            rv = NGX_CONF_ERROR;
        }
    }

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (d->shm_zone == NULL || d->file.len == 0) {
        return "needs both zone=NAME:SIZE and file=PATH";
    }

    bmcf->directory = d;

    return NGX_CONF_OK;
}


static char *
ngx_http_bell_directory_zone(ngx_conf_t *cf, ngx_http_bell_directory_t *d,
    ngx_str_t *value)
{
    u_char     *p;
    ssize_t     size;
    ngx_str_t   name, s;

    if (d->shm_zone) {
        return "takes one zone=NAME:SIZE";
    }

    name.data = value->data + 5;

    p = (u_char *) ngx_strchr(name.data, ':');

    if (p == NULL || p == name.data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone \"%V\": zone=NAME:SIZE is expected, "
                           "zone=tenants:1m for one", value);
        return NGX_CONF_ERROR;
    }

    name.len = p - name.data;

    s.data = p + 1;
    s.len = value->data + value->len - s.data;

    size = ngx_parse_size(&s);

    if (size < (ssize_t) (8 * ngx_pagesize)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size in \"%V\": at least %uzk is expected, "
                           "zone=%V:1m for one", value,
                           (size_t) (8 * ngx_pagesize / 1024), &name);
        return NGX_CONF_ERROR;
    }

    d->shm_zone = ngx_shared_memory_add(cf, &name, size,
                                        &ngx_http_bell_core_module);
    if (d->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    d->shm_zone->init = ngx_http_bell_directory_init_zone;
    d->shm_zone->data = d;

    return NGX_CONF_OK;
}


static char *
ngx_http_bell_directory_file(ngx_conf_t *cf, ngx_http_bell_directory_t *d,
    ngx_str_t *value)
{
    if (d->file.len) {
        return "takes one file=PATH";
    }

    d->file.data = value->data + 5;
    d->file.len = value->len - 5;

    if (d->file.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "file= is empty: the path of the directory's "
                           "snapshot is expected");
        return NGX_CONF_ERROR;
    }

    if (ngx_conf_full_name(cf->cycle, &d->file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_bell_directory_interval(ngx_conf_t *cf, ngx_http_bell_directory_t *d,
    ngx_str_t *value)
{
    ngx_str_t  s;

    s.data = value->data + 9;
    s.len = value->len - 9;

    d->interval = (ngx_msec_t) ngx_parse_time(&s, 0);

    if (d->interval == (ngx_msec_t) NGX_ERROR
        || d->interval < NGX_HTTP_BELL_INTERVAL_MIN_MS
        || d->interval > NGX_HTTP_BELL_INTERVAL_MAX_MS)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\": a time from 10ms to 1h is "
                           "expected, interval=1s for one", value);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_bell_tenant(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_core_srv_conf_t  *bscf = conf;

    bscf->conf_file = cf->conf_file->file.name;
    bscf->conf_line = cf->conf_file->line;

    return ngx_conf_set_flag_slot(cf, cmd, conf);
}
