
/*
 * Firstbell's edge: who was sent what, told to the origin through Redis.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_events.h"


#define NGX_HTTP_BELL_EVENTS_BUFFER      (4 * 1024 * 1024)
#define NGX_HTTP_BELL_EVENTS_BUFFER_MIN  (64 * 1024)
#define NGX_HTTP_BELL_EVENTS_BUFFER_MAX  (1024 * 1024 * 1024)
#define NGX_HTTP_BELL_EVENTS_BATCH       (16 * 1024)
#define NGX_HTTP_BELL_EVENTS_BATCH_MIN   (4 * 1024)
#define NGX_HTTP_BELL_EVENTS_INTERVAL    2000
#define NGX_HTTP_BELL_EVENTS_STREAM      10000
#define NGX_HTTP_BELL_EVENTS_STREAM_MIN  10
#define NGX_HTTP_BELL_EVENTS_STREAM_MAX  1000000


static ngx_int_t ngx_http_bell_events_handler(ngx_http_request_t *r);

static ngx_int_t ngx_http_bell_events_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_bell_events_postconfiguration(ngx_conf_t *cf);
static void *ngx_http_bell_events_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_bell_events_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_bell_events_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_bell_events_redis(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_bell_events_buffer(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_bell_events_option(ngx_conf_t *cf,
    ngx_http_bell_events_main_conf_t *emcf, ngx_str_t *word);
static ngx_int_t ngx_http_bell_events_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_bell_events_init_process(ngx_cycle_t *cycle);
static void ngx_http_bell_events_exit_process(ngx_cycle_t *cycle);
static void ngx_http_bell_events_end_process(
    ngx_http_bell_events_main_conf_t *emcf);


static ngx_command_t  ngx_http_bell_events_commands[] = {

    { ngx_string("bell_access_events"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_bell_events_loc_conf_t, on),
      NULL },

    { ngx_string("bell_access_events_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_bell_events_redis,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("bell_access_events_buffer"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_bell_events_buffer,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_bell_events_module_ctx = {
    ngx_http_bell_events_preconfiguration,  /* preconfiguration */
    ngx_http_bell_events_postconfiguration, /* postconfiguration */

    ngx_http_bell_events_create_main_conf,  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_bell_events_create_loc_conf,  /* create location configuration */
    ngx_http_bell_events_merge_loc_conf    /* merge location configuration */
};


ngx_module_t  ngx_http_bell_events_module = {
    NGX_MODULE_V1,
    &ngx_http_bell_events_module_ctx,      /* module context */
    ngx_http_bell_events_commands,         /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_bell_events_init_module,      /* init module */
    ngx_http_bell_events_init_process,     /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_bell_events_exit_process,     /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* Without a master: whose events go on in this process through a reload. */

static ngx_http_bell_events_main_conf_t  *ngx_http_bell_events_live;


/*
 * In the log phase: the answer is out, or what could be sent of it.  Nothing
 * is waited for here, and nothing fails.
 */

static ngx_int_t
ngx_http_bell_events_handler(ngx_http_request_t *r)
{
    ngx_int_t                          rc;
    const bell_tenant                 *tenant;
    bell_access_event                  event;
    ngx_http_bell_events_loc_conf_t   *elcf;
    ngx_http_bell_events_main_conf_t  *emcf;

    elcf = ngx_http_get_module_loc_conf(r, ngx_http_bell_events_module);

    if (!elcf->on || r != r->main || r->method != NGX_HTTP_GET) {
        return NGX_OK;
    }

    emcf = ngx_http_get_module_main_conf(r, ngx_http_bell_events_module);

    tenant = emcf->core->tenant(r);

    if (tenant == NULL || emcf->events == NULL) {
        return NGX_OK;
    }

    rc = ngx_http_bell_events_request(r, emcf, &event);

    if (rc == NGX_OK) {
        ngx_http_bell_events_add(emcf->events, tenant->id, &event);

    } else if (rc == NGX_ERROR) {
        ngx_http_bell_events_count(emcf->events, NGX_HTTP_BELL_EVENTS_UNFIT,
                                   1);
    }

    return NGX_OK;
}


/* ---- configuration */

static ngx_int_t
ngx_http_bell_events_preconfiguration(ngx_conf_t *cf)
{
    ngx_str_t                          name;
    ngx_http_bell_events_main_conf_t  *emcf;

    emcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_events_module);

    emcf->core = ngx_http_bell_core_load(cf, &ngx_http_bell_events_module);
    if (emcf->core == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&name, "request_id");

    emcf->request_id = ngx_http_get_variable_index(cf, &name);
    if (emcf->request_id == NGX_ERROR) {
        return NGX_ERROR;
    }

    return ngx_http_bell_events_add_metrics(cf, emcf);
}


static ngx_int_t
ngx_http_bell_events_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_handler_pt               *h;
    ngx_http_core_main_conf_t         *cmcf;
    ngx_http_bell_events_main_conf_t  *emcf;

    emcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_events_module);

    if (!emcf->asked) {
        return NGX_OK;
    }

    if (emcf->redis == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"bell_access_events on\" needs to know where Redis is: "
                      "add \"bell_access_events_redis ADDRESS:PORT;\" to the "
                      "http block");
        return NGX_ERROR;
    }

    if (emcf->batch > emcf->buffer / 4) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"bell_access_events_buffer\": a batch may take a "
                      "quarter of the buffer: a buffer of %uz bytes is too "
                      "small for one of %uz", emcf->buffer, emcf->batch);
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_bell_events_handler;

    return NGX_OK;
}


static void *
ngx_http_bell_events_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_bell_events_main_conf_t  *emcf;

    /* set by ngx_pcalloc(): redis and events are NULL, asked is 0 */

    emcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_events_main_conf_t));
    if (emcf == NULL) {
        return NULL;
    }

    emcf->batch = NGX_HTTP_BELL_EVENTS_BATCH;
    emcf->interval = NGX_HTTP_BELL_EVENTS_INTERVAL;
    emcf->stream = NGX_HTTP_BELL_EVENTS_STREAM;

    return emcf;
}


static void *
ngx_http_bell_events_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_bell_events_loc_conf_t  *elcf;

    elcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_events_loc_conf_t));
    if (elcf == NULL) {
        return NULL;
    }

    elcf->on = NGX_CONF_UNSET;

    return elcf;
}


static char *
ngx_http_bell_events_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_bell_events_loc_conf_t  *prev = parent;
    ngx_http_bell_events_loc_conf_t  *conf = child;

    ngx_http_bell_events_main_conf_t  *emcf;

    ngx_conf_merge_value(conf->on, prev->on, 0);

    emcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_events_module);

    if (conf->on) {
        emcf->asked = 1;
    }

    if (emcf->buffer == 0) {
        emcf->buffer = NGX_HTTP_BELL_EVENTS_BUFFER;
    }

    return NGX_CONF_OK;
}


/* bell_access_events_redis ADDRESS:PORT | unix:PATH [user=NAME] … */

static char *
ngx_http_bell_events_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_events_main_conf_t  *emcf = conf;

    if (emcf->redis) {
        return "is duplicate";
    }

    emcf->redis = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_redis_conf_t));
    if (emcf->redis == NULL) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_bell_redis_parse(cf, emcf->redis);
}


/* bell_access_events_buffer SIZE [batch=SIZE] [interval=TIME] [stream=N] */

static char *
ngx_http_bell_events_buffer(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_events_main_conf_t  *emcf = conf;

    char        *rv;
    ssize_t      size;
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (emcf->buffer) {
        return "is duplicate";
    }

    value = cf->args->elts;

    size = ngx_parse_size(&value[1]);

    if (size < NGX_HTTP_BELL_EVENTS_BUFFER_MIN
        || size > NGX_HTTP_BELL_EVENTS_BUFFER_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size \"%V\": 64k to 1g is expected, of "
                           "each worker", &value[1]);
        return NGX_CONF_ERROR;
    }

    emcf->buffer = size;

    rv = NGX_CONF_OK;

    for (i = 2; i < cf->args->nelts && rv == NGX_CONF_OK; i++) {
        rv = ngx_http_bell_events_option(cf, emcf, &value[i]);
    }

    return rv;
}


static char *
ngx_http_bell_events_option(ngx_conf_t *cf,
    ngx_http_bell_events_main_conf_t *emcf, ngx_str_t *word)
{
    ngx_int_t   n;
    ngx_str_t   s;

    if (ngx_strncmp(word->data, "batch=", 6) == 0) {
        s.data = word->data + 6;
        s.len = word->len - 6;

        n = ngx_parse_size(&s);

        if (n >= NGX_HTTP_BELL_EVENTS_BATCH_MIN
            && n <= BELL_ACCESS_BATCH_BYTES)
        {
            emcf->batch = n;
            return NGX_CONF_OK;
        }

    } else if (ngx_strncmp(word->data, "interval=", 9) == 0) {
        s.data = word->data + 9;
        s.len = word->len - 9;

        n = ngx_parse_time(&s, 0);

        if (n >= 10 && n <= 60 * 1000) {
            emcf->interval = n;
            return NGX_CONF_OK;
        }

    } else if (ngx_strncmp(word->data, "stream=", 7) == 0) {
        n = ngx_atoi(word->data + 7, word->len - 7);

        if (n >= NGX_HTTP_BELL_EVENTS_STREAM_MIN
            && n <= NGX_HTTP_BELL_EVENTS_STREAM_MAX)
        {
            emcf->stream = n;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\": batch=SIZE from 4k to 64k, "
                       "interval=TIME from 10ms to 60s and stream=N from %d to "
                       "%d are expected", word,
                       NGX_HTTP_BELL_EVENTS_STREAM_MIN,
                       NGX_HTTP_BELL_EVENTS_STREAM_MAX);

    return NGX_CONF_ERROR;
}


/* ---- processes */

/*
 * Without a master ("master_process off") the process lives on after a
 * reload, and init_process is not called again.
 */

static ngx_int_t
ngx_http_bell_events_init_module(ngx_cycle_t *cycle)
{
    if (ngx_http_bell_events_live == NULL) {
        return NGX_OK;
    }

    ngx_http_bell_events_end_process(ngx_http_bell_events_live);

    return ngx_http_bell_events_init_process(cycle);
}


static ngx_int_t
ngx_http_bell_events_init_process(ngx_cycle_t *cycle)
{
    ngx_http_bell_events_main_conf_t  *emcf;

    /* cache manager and loader come here, too */

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    emcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_bell_events_module);

    if (emcf == NULL || !emcf->asked) {
        return NGX_OK;
    }

    emcf->events = ngx_http_bell_events_create(emcf, cycle->log);

    if (emcf->events == NULL) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                      "bell_access_events: there is no memory for a buffer of "
                      "%uz bytes: this worker tells no access events",
                      emcf->buffer);
        return NGX_OK;
    }

    ngx_http_bell_events_open(emcf->events);

    if (ngx_process == NGX_PROCESS_SINGLE) {
        ngx_http_bell_events_live = emcf;
    }

    return NGX_OK;
}


static void
ngx_http_bell_events_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_bell_events_main_conf_t  *emcf;

    emcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_bell_events_module);

    if (emcf) {
        ngx_http_bell_events_end_process(emcf);
    }
}


static void
ngx_http_bell_events_end_process(ngx_http_bell_events_main_conf_t *emcf)
{
    ngx_http_bell_events_live = NULL;

    if (emcf->events) {
        ngx_http_bell_events_close(emcf->events);
        ngx_http_bell_events_free(emcf->events);
        emcf->events = NULL;
    }
}
