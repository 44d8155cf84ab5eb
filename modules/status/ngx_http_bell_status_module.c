
/*
 * Firstbell's edge, status: metrics for who watches it, and whether it can
 * serve for who balances loads onto it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "bell_exposition.h"
#include "bell_json.h"
#include "ngx_http_bell_status.h"


/* when a load balancer that got a 503 had better ask again, seconds */
#define NGX_HTTP_BELL_HEALTH_AGAIN_S  "1"


typedef struct {
    const ngx_http_bell_core_api_t  *core;
} ngx_http_bell_status_main_conf_t;


typedef struct {
    ngx_uint_t                       format;    /* 0: no "bell_status" here */
} ngx_http_bell_status_loc_conf_t;


static ngx_int_t ngx_http_bell_status_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_health_handler(ngx_http_request_t *r);
static void ngx_http_bell_health_write(bell_buf *b, ngx_int_t rc,
    ngx_http_bell_directory_status_t *status);
static ngx_int_t ngx_http_bell_status_begin(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_status_send(ngx_http_request_t *r,
    ngx_uint_t status, const char *type, ngx_chain_t *text, size_t size);
static ngx_int_t ngx_http_bell_status_header(ngx_http_request_t *r,
    const char *name, const char *value);

static ngx_int_t ngx_http_bell_status_load(ngx_conf_t *cf);
static void *ngx_http_bell_status_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_bell_status_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_bell_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_bell_health(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_bell_status_take(ngx_conf_t *cf,
    ngx_http_handler_pt handler);


static ngx_command_t  ngx_http_bell_status_commands[] = {

    { ngx_string("bell_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_bell_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_health"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_bell_health,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_bell_status_module_ctx = {
    ngx_http_bell_status_load,             /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_http_bell_status_create_main_conf, /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_bell_status_create_loc_conf,  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_bell_status_module = {
    NGX_MODULE_V1,
    &ngx_http_bell_status_module_ctx,      /* module context */
    ngx_http_bell_status_commands,         /* module directives */
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


static ngx_int_t
ngx_http_bell_status_handler(ngx_http_request_t *r)
{
    size_t                             size;
    ngx_int_t                          rc;
    ngx_chain_t                       *text;
    ngx_http_bell_status_loc_conf_t   *slcf;
    ngx_http_bell_status_main_conf_t  *smcf;

    rc = ngx_http_bell_status_begin(r);

    if (rc != NGX_OK) {
        return rc;
    }

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_status_module);
    smcf = ngx_http_get_module_main_conf(r, ngx_http_bell_status_module);

    text = ngx_http_bell_status_text(r->pool, r->connection->log, smcf->core,
                                     slcf->format, &size);
    if (text == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_bell_status_send(r, NGX_HTTP_OK,
                           slcf->format == NGX_HTTP_BELL_STATUS_JSON
                               ? "application/json" : BELL_EXPOSITION_TYPE,
                           text, size);
}


static ngx_int_t
ngx_http_bell_health_handler(ngx_http_request_t *r)
{
    bell_buf                           b;
    ngx_int_t                          rc;
    ngx_uint_t                         code;
    ngx_chain_t                       *text;
    ngx_http_bell_directory_status_t   status;
    ngx_http_bell_status_main_conf_t  *smcf;

    rc = ngx_http_bell_status_begin(r);

    if (rc != NGX_OK) {
        return rc;
    }

    smcf = ngx_http_get_module_main_conf(r, ngx_http_bell_status_module);

    rc = smcf->core->directory_status((ngx_cycle_t *) ngx_cycle, &status);

    code = status.version ? NGX_HTTP_OK : NGX_HTTP_SERVICE_UNAVAILABLE;

    bell_buf_init(&b, 1024);
    ngx_http_bell_health_write(&b, rc, &status);

    text = ngx_alloc_chain_link(r->pool);

    if (text) {
        text->next = NULL;
        text->buf = b.failed ? NULL : ngx_create_temp_buf(r->pool, b.len);
    }

    if (text == NULL || text->buf == NULL) {
        bell_buf_fini(&b);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    text->buf->last = ngx_cpymem(text->buf->last, b.p, b.len);
    text->buf->last_in_chain = 1;

    bell_buf_fini(&b);

    if (code != NGX_HTTP_OK
        && ngx_http_bell_status_header(r, "Retry-After",
                                       NGX_HTTP_BELL_HEALTH_AGAIN_S)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_bell_status_send(r, code, "application/json", text,
                                     ngx_buf_size(text->buf));
}


static void
ngx_http_bell_health_write(bell_buf *b, ngx_int_t rc,
    ngx_http_bell_directory_status_t *status)
{
    bell_json  j;

    bell_json_init(&j, b);
    bell_json_object_open(&j);

    bell_json_key(&j, "status");
    bell_json_z(&j, status->version ? "ok" : "unavailable");

    if (status->version) {
        bell_json_key(&j, "directory_version");
        bell_json_int(&j, status->version);
        bell_json_key(&j, "tenants");
        bell_json_int(&j, status->tenants);

    } else {
        bell_json_key(&j, "reason");
        bell_json_z(&j, rc == NGX_OK
                        ? "no directory is in service yet: there is no state "
                          "on disk, and Redis has given none"
                        : "this edge has no directory: bell_directory is not "
                          "configured");
    }

    bell_json_object_close(&j);
    bell_buf_add_char(b, '\n');
}


static ngx_int_t
ngx_http_bell_status_begin(ngx_http_request_t *r)
{
    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_bell_status_header(r, "Allow", "GET, HEAD") == NGX_OK
               ? NGX_HTTP_NOT_ALLOWED : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_discard_request_body(r);
}


static ngx_int_t
ngx_http_bell_status_send(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, ngx_chain_t *text, size_t size)
{
    ngx_int_t     rc;
    const char   *end;
    ngx_chain_t  *last;

    /* in a page of server-side includes, the page is not over with it */

    for (last = text; last->next; last = last->next) { /* void */ }

    last->buf->last_buf = (r == r->main);

    /* figures of a moment, in nobody's cache */

    if (ngx_http_bell_status_header(r, "Cache-Control", "no-store")
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = size;
    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_lowcase = NULL;

    /* without parameters: what "gzip_types" and its like compare */

    end = ngx_strchr(type, ';');
    r->headers_out.content_type_len = end ? (size_t) (end - type)
                                          : ngx_strlen(type);

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, text);
}


static ngx_int_t
ngx_http_bell_status_header(ngx_http_request_t *r, const char *name,
    const char *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = (u_char *) value;
    h->value.len = ngx_strlen(value);

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_status_load(ngx_conf_t *cf)
{
    ngx_http_bell_status_main_conf_t  *smcf;

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_status_module);

    smcf->core = ngx_http_bell_core_load(cf, &ngx_http_bell_status_module);

    return smcf->core ? NGX_OK : NGX_ERROR;
}


static void *
ngx_http_bell_status_create_main_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_status_main_conf_t));
}


static void *
ngx_http_bell_status_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_status_loc_conf_t));
}


static char *
ngx_http_bell_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_status_loc_conf_t  *slcf = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    slcf->format = NGX_HTTP_BELL_STATUS_PROMETHEUS;

    if (cf->args->nelts > 1) {

        if (ngx_strcmp(value[1].data, "json") == 0) {
            slcf->format = NGX_HTTP_BELL_STATUS_JSON;

        } else if (ngx_strcmp(value[1].data, "prometheus") != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"bell_status\" is \"%V\"; \"json\" or "
                               "\"prometheus\" is expected", &value[1]);
            return NGX_CONF_ERROR;
        }
    }

    return ngx_http_bell_status_take(cf, ngx_http_bell_status_handler);
}


static char *
ngx_http_bell_health(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_bell_status_take(cf, ngx_http_bell_health_handler);
}


static char *
ngx_http_bell_status_take(ngx_conf_t *cf, ngx_http_handler_pt handler)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "is duplicate, or beside another directive that answers here";
    }

    clcf->handler = handler;

    return NGX_CONF_OK;
}
