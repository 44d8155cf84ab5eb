
/*
 * The store of core's table as a module uses it: "probe_redis ADDRESS...;"
 * opens one in each worker, and "probe_count KEY;" answers with what a script
 * counts, while the request waits, which no module of the edge would do.  A
 * test's only, never installed.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <hiredis/hiredis.h>

#include "ngx_http_bell_core.h"


typedef struct {
    const ngx_http_bell_core_api_t  *core;
    ngx_http_bell_store_conf_t       store_conf;
    ngx_http_bell_store_t           *store;    /* of this worker */
    bell_redis_script                script;
    ngx_uint_t                       turns;    /* ready or not, of both */
} ngx_http_bell_probe_redis_main_conf_t;


typedef struct {
    ngx_str_t                        key;
} ngx_http_bell_probe_redis_loc_conf_t;


/* one count under way; outlives the request when that is given up */

typedef struct {
    ngx_http_request_t              *r;
} ngx_http_bell_probe_redis_count_t;


static ngx_int_t ngx_http_bell_probe_redis_handler(ngx_http_request_t *r);
static void ngx_http_bell_probe_redis_counted(void *data,
    const bell_redis_result *result);
static ngx_int_t ngx_http_bell_probe_redis_answer(ngx_http_request_t *r,
    ngx_uint_t status, const char *fmt, ...);
static void ngx_http_bell_probe_redis_cleanup(void *data);
static void ngx_http_bell_probe_redis_turned(void *data, ngx_uint_t is_ready);
static ngx_int_t ngx_http_bell_probe_redis_load(ngx_conf_t *cf);
static void *ngx_http_bell_probe_redis_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_bell_probe_redis_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_bell_probe_redis(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_bell_probe_redis_set_count(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static ngx_int_t ngx_http_bell_probe_redis_init_process(ngx_cycle_t *cycle);
static void ngx_http_bell_probe_redis_exit_process(ngx_cycle_t *cycle);


static ngx_command_t  ngx_http_bell_probe_redis_commands[] = {

    { ngx_string("probe_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_bell_probe_redis,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("probe_count"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_bell_probe_redis_set_count,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_probe_redis_loc_conf_t, key),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_bell_probe_redis_module_ctx = {
    ngx_http_bell_probe_redis_load,        /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_http_bell_probe_redis_create_main_conf, /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_bell_probe_redis_create_loc_conf, /* create location conf */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_bell_probe_redis_module = {
    NGX_MODULE_V1,
    &ngx_http_bell_probe_redis_module_ctx, /* module context */
    ngx_http_bell_probe_redis_commands,    /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_bell_probe_redis_init_process, /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_bell_probe_redis_exit_process, /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_bell_probe_redis_handler(ngx_http_request_t *r)
{
    bell_redis_call                         call;
    const char                             *reason;
    ngx_http_cleanup_t                     *cln;
    ngx_http_bell_probe_redis_count_t      *count;
    ngx_http_bell_probe_redis_loc_conf_t   *plcf;
    ngx_http_bell_probe_redis_main_conf_t  *pmcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_probe_redis_module);
    pmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_probe_redis_module);

    cln = ngx_http_cleanup_add(r, 0);
    count = ngx_alloc(sizeof(ngx_http_bell_probe_redis_count_t),
                      r->connection->log);
    if (cln == NULL || count == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    count->r = r;
    cln->handler = ngx_http_bell_probe_redis_cleanup;
    cln->data = count;

    ngx_memzero(&call, sizeof(bell_redis_call));
    call.key.p = (char *) plcf->key.data;
    call.key.len = plcf->key.len;
    call.deadline_ms = 1000;
    call.handler = ngx_http_bell_probe_redis_counted;
    call.data = count;

    reason = pmcf->core->store_eval(pmcf->store, &pmcf->script, &call);

    if (reason) {
        cln->handler = NULL;
        ngx_free(count);
        return ngx_http_bell_probe_redis_answer(r, 503, "not taken: %s",
                                                reason);
    }

    r->main->count++;

    return NGX_DONE;
}


static void
ngx_http_bell_probe_redis_counted(void *data, const bell_redis_result *result)
{
    ngx_http_bell_probe_redis_count_t *count = data;

    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_cleanup_t  *cln;
    ngx_http_request_t  *r;

    static const char   *outcomes[] = { "done", "refused", "undone", "unsure" };

    r = count->r;

    if (r == NULL) {
        ngx_free(count);
        return;
    }

    for (cln = r->cleanup; cln; cln = cln->next) {
        if (cln->data == count) {
            cln->handler = NULL;
        }
    }

    ngx_free(count);

    c = r->connection;

    if (result->outcome == BELL_REDIS_DONE) {
        rc = ngx_http_bell_probe_redis_answer(r, 200, "%L",
                                         (int64_t) result->reply->integer);
    } else {
        rc = ngx_http_bell_probe_redis_answer(r, 503, "%s: %s",
                                         outcomes[result->outcome],
                                         result->reason);
    }

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_bell_probe_redis_answer(ngx_http_request_t *r, ngx_uint_t status,
    const char *fmt, ...)
{
    va_list       args;
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    b = ngx_create_temp_buf(r->pool, 512);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    va_start(args, fmt);
    b->last = ngx_vslprintf(b->pos, b->end, fmt, args);
    va_end(args);

    b->last_buf = 1;

    r->headers_out.status = status;
    r->headers_out.content_length_n = b->last - b->pos;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static void
ngx_http_bell_probe_redis_cleanup(void *data)
{
    ngx_http_bell_probe_redis_count_t *count = data;

    count->r = NULL;
}


static void
ngx_http_bell_probe_redis_turned(void *data, ngx_uint_t is_ready)
{
    ngx_http_bell_probe_redis_main_conf_t *pmcf = data;

    pmcf->turns++;

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0, "probe_redis is %s",
                  is_ready ? "ready" : "not ready");
}


static ngx_int_t
ngx_http_bell_probe_redis_load(ngx_conf_t *cf)
{
    const char                             *version;
    ngx_http_bell_probe_redis_main_conf_t  *pmcf;

    /* one that was built with an older header knows of no stores */

    version = getenv("PROBE_VERSION");

    if (version && atoi(version) < 7) {
        return NGX_OK;
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf,
                                          ngx_http_bell_probe_redis_module);

    pmcf->core = ngx_http_bell_core_load(cf, &ngx_http_bell_probe_redis_module);

    return pmcf->core ? NGX_OK : NGX_ERROR;
}


static void *
ngx_http_bell_probe_redis_create_main_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_probe_redis_main_conf_t));
}


static void *
ngx_http_bell_probe_redis_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_probe_redis_loc_conf_t));
}


static char *
ngx_http_bell_probe_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_probe_redis_main_conf_t *pmcf = conf;

    return pmcf->core->store_parse(cf, &pmcf->store_conf);
}


static char *
ngx_http_bell_probe_redis_set_count(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_bell_probe_redis_handler;

    return ngx_conf_set_str_slot(cf, cmd, conf);
}


static ngx_int_t
ngx_http_bell_probe_redis_init_process(ngx_cycle_t *cycle)
{
    bell_str                                text;
    ngx_http_bell_probe_redis_main_conf_t  *pmcf;

    if (ngx_process != NGX_PROCESS_WORKER) {
        return NGX_OK;
    }

    pmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                          ngx_http_bell_probe_redis_module);

    if (pmcf == NULL || pmcf->store_conf.options.nseeds == 0) {
        return NGX_OK;
    }

    text.p = "return redis.call('INCR', KEYS[1])";
    text.len = ngx_strlen(text.p);

    pmcf->core->store_script(&pmcf->script, text);

    pmcf->store = pmcf->core->store_open(&pmcf->store_conf, cycle->log,
                                         ngx_http_bell_probe_redis_turned,
                                         pmcf);

    return pmcf->store ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_bell_probe_redis_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_bell_probe_redis_main_conf_t  *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                          ngx_http_bell_probe_redis_module);

    if (pmcf && pmcf->store) {
        pmcf->core->store_close(pmcf->store);
        pmcf->store = NULL;
    }
}
