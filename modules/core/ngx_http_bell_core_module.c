
/*
 * Firstbell's edge, core: which district a request belongs to.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_core_conf.h"
#include "ngx_http_bell_header.h"
#include "ngx_http_bell_process.h"


#define NGX_HTTP_BELL_TENANT_NAME    0
#define NGX_HTTP_BELL_TENANT_ID      1
#define NGX_HTTP_BELL_TENANT_STATUS  2
#define NGX_HTTP_BELL_TENANT_LOCALE  3

/* when who writes to a read-only tenant may try again, seconds */
#define NGX_HTTP_BELL_READ_ONLY_S    "300"


typedef struct {
    ngx_flag_t                  tenant;

    /* where "bell_tenant on" stands, for messages */
    ngx_str_t                   conf_file;
    ngx_uint_t                  conf_line;
} ngx_http_bell_core_srv_conf_t;


static ngx_int_t ngx_http_bell_tenant_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_admit(ngx_http_request_t *r,
    ngx_http_bell_directory_t *d, bell_tenant *tenant);
static ngx_uint_t ngx_http_bell_misdirected(ngx_http_request_t *r,
    ngx_http_bell_directory_t *d, bell_tenant *tenant);
static ngx_int_t ngx_http_bell_retry_after(ngx_http_request_t *r);
static void ngx_http_bell_drop_headers(ngx_http_request_t *r);

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
static void ngx_http_bell_core_exit_process(ngx_cycle_t *cycle);
static void *ngx_http_bell_core_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_bell_core_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_bell_core_create_srv_conf(ngx_conf_t *cf);
static char *ngx_http_bell_core_merge_srv_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_bell_directory(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_bell_redis(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_bell_tenant(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_http_bell_core_commands[] = {

    { ngx_string("bell_directory"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
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

    { ngx_string("bell_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_bell_redis,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
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
    ngx_http_bell_core_init_main_conf,     /* init main configuration */

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
    ngx_http_bell_core_exit_process,       /* exit process */
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

    { ngx_string("bell_tenant_title_html"), NULL, ngx_http_bell_notice_variable,
      BELL_RECORD_TITLE, 0, 0 },

    { ngx_string("bell_tenant_title_json"), NULL, ngx_http_bell_notice_variable,
      BELL_RECORD_TITLE|NGX_HTTP_BELL_NOTICE_JSON, 0, 0 },

    { ngx_string("bell_tenant_notice_html"), NULL,
      ngx_http_bell_notice_variable, BELL_RECORD_NOTICE, 0, 0 },

    { ngx_string("bell_tenant_notice_json"), NULL,
      ngx_http_bell_notice_variable,
      BELL_RECORD_NOTICE|NGX_HTTP_BELL_NOTICE_JSON, 0, 0 },

    { ngx_string("bell_directory_version"), NULL,
      ngx_http_bell_directory_version_variable, 0, 0, 0 },

    { ngx_string("bell_context"), NULL,
      ngx_http_bell_signed_context_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("bell_subject"), NULL, ngx_http_bell_context_variable,
      offsetof(ngx_http_bell_ctx_t, subject), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("bell_role"), NULL, ngx_http_bell_context_variable,
      offsetof(ngx_http_bell_ctx_t, role), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("bell_scopes"), NULL, ngx_http_bell_context_variable,
      offsetof(ngx_http_bell_ctx_t, scopes), NGX_HTTP_VAR_NOCACHEABLE, 0 },

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
    uint64_t                         expected;
    ngx_int_t                        rc;
    ngx_http_bell_ctx_t             *ctx;
    ngx_http_bell_core_srv_conf_t   *bscf;
    ngx_http_bell_core_main_conf_t  *bmcf;

    bscf = ngx_http_get_module_srv_conf(r, ngx_http_bell_core_module);

    if (!bscf->tenant) {
        return NGX_DECLINED;
    }

    bmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_core_module);

    expected = ngx_http_bell_expect_host(bmcf->directory,
                                         &r->headers_in.server);

    ngx_http_bell_drop_headers(r);

    ctx = ngx_http_bell_context(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_bell_find_host(bmcf->directory, &r->headers_in.server,
                                 expected, &ctx->tenant,
                                 &ctx->directory_version);

    if (rc != NGX_OK && ctx->directory_version == 0) {
        ngx_http_bell_count_refused(r, NGX_HTTP_BELL_REFUSED_NO_DIRECTORY);
        ngx_http_bell_reason(r, "no directory is in service yet: there is no "
                             "state on disk, and Redis has given none");

        return NGX_HTTP_NOT_FOUND;
    }

    if (rc != NGX_OK) {
        ngx_http_bell_count_refused(r, NGX_HTTP_BELL_REFUSED_UNKNOWN_HOST);
        ngx_http_bell_reason(r, "host \"%V\" belongs to no tenant of "
                             "directory version %uL",
                             &r->headers_in.server, ctx->directory_version);

        return NGX_HTTP_NOT_FOUND;
    }

    return ngx_http_bell_admit(r, bmcf->directory, &ctx->tenant);
}


static ngx_int_t
ngx_http_bell_admit(ngx_http_request_t *r, ngx_http_bell_directory_t *d,
    bell_tenant *tenant)
{
    if (ngx_http_bell_misdirected(r, d, tenant)) {
        ngx_http_bell_count_refused(r, NGX_HTTP_BELL_REFUSED_MISDIRECTED);
        ngx_http_bell_reason(r, "host \"%V\" belongs to another tenant than "
                             "the name that TLS was begun with",
                             &r->headers_in.server);

        return NGX_HTTP_MISDIRECTED_REQUEST;
    }

    if (tenant->status == BELL_TENANT_SUSPENDED) {
        ngx_http_bell_count_refused(r, NGX_HTTP_BELL_REFUSED_SUSPENDED);
        ngx_http_bell_reason(r, "tenant \"%s\" is suspended", tenant->name);

        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    if (tenant->status == BELL_TENANT_READ_ONLY
        && !(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_OPTIONS)))
    {
        ngx_http_bell_count_refused(r, NGX_HTTP_BELL_REFUSED_READ_ONLY);
        ngx_http_bell_reason(r, "tenant \"%s\" is read-only: no %V now",
                             tenant->name, &r->method_name);

        return ngx_http_bell_retry_after(r) == NGX_OK
               ? NGX_HTTP_SERVICE_UNAVAILABLE
               : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DECLINED;
}


/*
 * A connection of TLS that was begun for one tenant's name is not good for
 * another's (RFC 9110, 7.4).  One that named nobody is good for all: a client
 * need not send a name, and the certificate was the edge's to choose.
 */

static ngx_uint_t
ngx_http_bell_misdirected(ngx_http_request_t *r, ngx_http_bell_directory_t *d,
    bell_tenant *tenant)
{
#if (NGX_HTTP_SSL)

    uint64_t     version;
    ngx_str_t    name;
    bell_tenant  other;

    if (r->connection->ssl == NULL) {
        return 0;
    }

    name.data = (u_char *) SSL_get_servername(r->connection->ssl->connection,
                                              TLSEXT_NAMETYPE_host_name);
    if (name.data == NULL) {
        return 0;
    }

    name.len = ngx_strlen(name.data);

    /* mostly it is the same to the byte */

    if (name.len == r->headers_in.server.len
        && (ngx_memcmp(name.data, r->headers_in.server.data, name.len) == 0
            || ngx_strncasecmp(name.data, r->headers_in.server.data, name.len)
               == 0))
    {
        return 0;
    }

    return ngx_http_bell_find_host(d, &name,
                                   ngx_http_bell_expect_host(d, &name),
                                   &other, &version)
           == NGX_OK
           && other.id != tenant->id;

#else

    return 0;

#endif
}


static ngx_int_t
ngx_http_bell_retry_after(ngx_http_request_t *r)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    ngx_str_set(&h->key, "Retry-After");
    ngx_str_set(&h->value, NGX_HTTP_BELL_READ_ONLY_S);

    return NGX_OK;
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


ngx_http_bell_directory_t *
ngx_http_bell_request_directory(ngx_http_request_t *r)
{
    ngx_http_bell_core_main_conf_t  *bmcf;

    bmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_core_module);

    return bmcf->directory;
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

    return ngx_http_bell_metrics_add_own(cf);
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

    return ngx_http_bell_access_init(cf);
}


ngx_http_bell_access_t *
ngx_http_bell_access_conf(void **main_conf)
{
    ngx_http_bell_core_main_conf_t  *bmcf;

    bmcf = main_conf[ngx_http_bell_core_module.ctx_index];

    return &bmcf->access;
}


/*
 * Without a master ("master_process off") the process lives on after a
 * reload, init_process is not called again, and the timer of the former
 * configuration would go on in memory that is given back.
 */

static ngx_int_t
ngx_http_bell_core_init_module(ngx_cycle_t *cycle)
{
    if (ngx_http_bell_processes_create(cycle->log) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_bell_directory_file_unwatch()
        || ngx_http_bell_directory_feed_stop())
    {
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
    ngx_http_bell_directory_t       *d;
    ngx_http_bell_core_main_conf_t  *bmcf;

    /* cache manager and loader come here, too */

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    if (ngx_http_bell_process_enter(cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    d = ngx_http_bell_cycle_directory(cycle);

    if (d == NULL) {
        return NGX_OK;
    }

    ngx_http_bell_hosts_keep(d, cycle->pool);

    if (d->redis) {
        bmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                                   ngx_http_bell_core_module);
        ngx_http_bell_directory_feed_start(d, bmcf->redis, cycle->log);

    } else {
        ngx_http_bell_directory_file_watch(d, cycle->log);
    }

    return NGX_OK;
}


/* The feed has a connection, which nginx would count as forgotten. */

static void
ngx_http_bell_core_exit_process(ngx_cycle_t *cycle)
{
    (void) ngx_http_bell_directory_feed_stop();
    ngx_http_bell_process_leave();
}


static void *
ngx_http_bell_core_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_bell_core_main_conf_t  *bmcf;

    /* set by ngx_pcalloc(): all pointers NULL */

    bmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_core_main_conf_t));
    if (bmcf == NULL) {
        return NULL;
    }

    bmcf->metrics = ngx_http_bell_metrics_create(cf);

    return bmcf->metrics ? bmcf : NULL;
}


static char *
ngx_http_bell_core_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_bell_core_main_conf_t  *bmcf = conf;

    ngx_http_bell_directory_t       *d;

    d = bmcf->directory;

    if (d && d->redis && bmcf->redis == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"bell_directory\" with redis=on in %V:%ui needs to "
                      "know where Redis is: add \"bell_redis ADDRESS:PORT;\" "
                      "to the http block", &d->conf_file, d->conf_line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
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

    if (bmcf->directory) {
        return "is duplicate: an edge has one directory";
    }

    bmcf->directory = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_directory_t));
    if (bmcf->directory == NULL) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_bell_directory_parse(cf, bmcf->directory);
}


static char *
ngx_http_bell_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_core_main_conf_t  *bmcf = conf;

    if (bmcf->redis) {
        return "is duplicate";
    }

    bmcf->redis = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_redis_conf_t));
    if (bmcf->redis == NULL) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_bell_redis_parse(cf, bmcf->redis);
}


static char *
ngx_http_bell_tenant(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_core_srv_conf_t  *bscf = conf;

    bscf->conf_file = cf->conf_file->file.name;
    bscf->conf_line = cf->conf_file->line;

    return ngx_conf_set_flag_slot(cf, cmd, conf);
}
