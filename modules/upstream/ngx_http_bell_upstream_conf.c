
/*
 * "bell_upstream": what it says, and what else stands in the block.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_upstream.h"


/* days are as good as for ever, and a share must not overflow */
#define NGX_HTTP_BELL_UPSTREAM_TIME_MAX_MS  (24 * 3600 * 1000)


/* A parameter that is a number or a time within bounds. */

typedef struct {
    ngx_str_t      name;
    size_t         offset;
    ngx_uint_t     is_time;         /* milliseconds, or a number */
    ngx_uint_t     min;
    ngx_uint_t     max;
    ngx_uint_t     preset;
    ngx_uint_t     of_checks;       /* goes with check= only */
    const char    *expected;
} ngx_http_bell_upstream_param_t;


static ngx_int_t ngx_http_bell_upstream_is_first(ngx_conf_t *cf,
    ngx_uint_t i);
static ngx_int_t ngx_http_bell_upstream_parse(ngx_conf_t *cf,
    ngx_http_bell_upstream_conf_t *bcf, ngx_str_t *word, ngx_str_t *of_checks);
static ngx_int_t ngx_http_bell_upstream_parse_param(ngx_conf_t *cf,
    ngx_http_bell_upstream_conf_t *bcf, ngx_str_t *word, ngx_str_t *of_checks);
static ngx_int_t ngx_http_bell_upstream_parse_zone(ngx_conf_t *cf,
    ngx_http_bell_upstream_conf_t *bcf, ngx_str_t *value);
static ngx_int_t ngx_http_bell_upstream_parse_default(ngx_conf_t *cf,
    ngx_http_bell_upstream_conf_t *bcf, ngx_str_t *value);
static ngx_int_t ngx_http_bell_upstream_parse_check(ngx_conf_t *cf,
    ngx_http_bell_upstream_conf_t *bcf, ngx_str_t *value);
static ngx_int_t ngx_http_bell_upstream_parse_host(ngx_conf_t *cf,
    ngx_http_bell_upstream_conf_t *bcf, ngx_str_t *value);
static ngx_int_t ngx_http_bell_upstream_make_request(ngx_conf_t *cf,
    ngx_http_bell_upstream_conf_t *bcf);
static ngx_uint_t ngx_http_bell_upstream_is_word(ngx_str_t *value);


static ngx_http_bell_upstream_param_t  ngx_http_bell_upstream_params[] = {

    { ngx_string("max_fails="),
      offsetof(ngx_http_bell_upstream_conf_t, max_fails),
      0, 0, 1000, 1, 0, "a number from 0 to 1000" },

    { ngx_string("fail_timeout="),
      offsetof(ngx_http_bell_upstream_conf_t, fail_timeout),
      1, 10, NGX_HTTP_BELL_UPSTREAM_TIME_MAX_MS, 10000, 0,
      "a time from 10ms to 24h" },

    { ngx_string("slow_start="),
      offsetof(ngx_http_bell_upstream_conf_t, slow_start),
      1, 0, NGX_HTTP_BELL_UPSTREAM_TIME_MAX_MS, 0, 0,
      "a time from 0 to 24h" },

    { ngx_string("interval="),
      offsetof(ngx_http_bell_upstream_conf_t, interval),
      1, 10, 3600 * 1000, 5000, 1, "a time from 10ms to 1h" },

    { ngx_string("timeout="),
      offsetof(ngx_http_bell_upstream_conf_t, timeout),
      1, 10, 60 * 1000, 2000, 1, "a time from 10ms to 60s" },

    { ngx_string("fall="),
      offsetof(ngx_http_bell_upstream_conf_t, fall),
      0, 1, 1000, 3, 1, "a number from 1 to 1000" },

    { ngx_string("rise="),
      offsetof(ngx_http_bell_upstream_conf_t, rise),
      0, 1, 1000, 2, 1, "a number from 1 to 1000" },

    { ngx_null_string, 0, 0, 0, 0, 0, 0, NULL }
};


char *
ngx_http_bell_upstream(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_upstream_conf_t       *bcf = conf;

    ngx_str_t                           *value, of_checks;
    ngx_uint_t                           i;
    ngx_http_upstream_srv_conf_t        *uscf;
    ngx_http_bell_upstream_conf_t      **bcfp;
    ngx_http_bell_upstream_param_t      *param;
    ngx_http_bell_upstream_main_conf_t  *bmcf;

    if (bcf->shm_zone) {
        return "is duplicate";
    }

    uscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_upstream_module);

    if (uscf->peer.init_upstream) {
        return "comes too late: it belongs above \"keepalive\", and no other "
               "way of choosing a server goes with it";
    }

    bmcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_bell_upstream_module);

    bcf->core = bmcf->core;
    bcf->cycle = cf->cycle;
    bcf->uscf = uscf;
    bcf->conf_file = cf->conf_file->file.name;
    bcf->conf_line = cf->conf_file->line;

    ngx_str_set(&bcf->check_host, "localhost");

    for (param = ngx_http_bell_upstream_params; param->name.len; param++) {
        *(ngx_uint_t *) ((char *) bcf + param->offset) = param->preset;
    }

    ngx_str_null(&of_checks);

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_bell_upstream_is_first(cf, i) != NGX_OK
            || ngx_http_bell_upstream_parse(cf, bcf, &value[i], &of_checks)
               != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (bcf->shm_zone == NULL) {
        return "needs zone=NAME:SIZE";
    }

    if (of_checks.len && bcf->check == NGX_HTTP_BELL_UPSTREAM_CHECK_NONE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" says how servers are checked: it goes with "
                           "check=tcp or check=/PATH", &of_checks);
        return NGX_CONF_ERROR;
    }

    bcf->rules.max_fails = bcf->max_fails;
    bcf->rules.fail_timeout_ms = bcf->fail_timeout;
    bcf->rules.rise = bcf->rise;
    bcf->rules.fall = bcf->check == NGX_HTTP_BELL_UPSTREAM_CHECK_NONE
                      ? 0 : bcf->fall;

    if (ngx_http_bell_upstream_make_request(cf, bcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    bcfp = ngx_array_push(&bmcf->upstreams);
    if (bcfp == NULL) {
        return NGX_CONF_ERROR;
    }

    *bcfp = bcf;

    uscf->peer.init_upstream = ngx_http_bell_upstream_init;
    uscf->flags = NGX_HTTP_UPSTREAM_CREATE
                  |NGX_HTTP_UPSTREAM_WEIGHT
                  |NGX_HTTP_UPSTREAM_DOWN;

    return NGX_CONF_OK;
}


/* NGX_ERROR has been logged; so it is below.  Here: it was given already. */

static ngx_int_t
ngx_http_bell_upstream_is_first(ngx_conf_t *cf, ngx_uint_t i)
{
    u_char      *p;
    size_t       len;
    ngx_str_t   *value, name;
    ngx_uint_t   k;

    value = cf->args->elts;

    p = (u_char *) ngx_strchr(value[i].data, '=');
    if (p == NULL) {
        return NGX_OK;
    }

    len = p + 1 - value[i].data;

    for (k = 1; k < i; k++) {

        if (value[k].len < len
            || ngx_strncmp(value[k].data, value[i].data, len) != 0)
        {
            continue;
        }

        name.data = value[i].data;
        name.len = len - 1;

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "parameter \"%V\" is duplicate", &name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_upstream_parse(ngx_conf_t *cf,
    ngx_http_bell_upstream_conf_t *bcf, ngx_str_t *word, ngx_str_t *of_checks)
{
    ngx_str_t  value;

    value.data = (u_char *) ngx_strchr(word->data, '=');

    if (value.data == NULL) {
        value.data = word->data + word->len;

    } else {
        value.data++;
    }

    value.len = word->data + word->len - value.data;

    if (ngx_strncmp(word->data, "zone=", 5) == 0) {
        return ngx_http_bell_upstream_parse_zone(cf, bcf, &value);
    }

    if (ngx_strncmp(word->data, "default=", 8) == 0) {
        return ngx_http_bell_upstream_parse_default(cf, bcf, &value);
    }

    if (ngx_strncmp(word->data, "check=", 6) == 0) {
        return ngx_http_bell_upstream_parse_check(cf, bcf, &value);
    }

    if (ngx_strncmp(word->data, "check_host=", 11) == 0) {
        *of_checks = *word;
        return ngx_http_bell_upstream_parse_host(cf, bcf, &value);
    }

    return ngx_http_bell_upstream_parse_param(cf, bcf, word, of_checks);
}


static ngx_int_t
ngx_http_bell_upstream_parse_param(ngx_conf_t *cf,
    ngx_http_bell_upstream_conf_t *bcf, ngx_str_t *word, ngx_str_t *of_checks)
{
    ngx_int_t                        n;
    ngx_str_t                        s;
    ngx_http_bell_upstream_param_t  *param;

    for (param = ngx_http_bell_upstream_params; param->name.len; param++) {

        if (word->len < param->name.len
            || ngx_strncmp(word->data, param->name.data, param->name.len) != 0)
        {
            continue;
        }

        s.data = word->data + param->name.len;
        s.len = word->len - param->name.len;

        n = param->is_time ? ngx_parse_time(&s, 0) : ngx_atoi(s.data, s.len);

        if (n == NGX_ERROR
            || (ngx_uint_t) n < param->min || (ngx_uint_t) n > param->max)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"%V\": %s is expected", word,
                               param->expected);
            return NGX_ERROR;
        }

        *(ngx_uint_t *) ((char *) bcf + param->offset) = (ngx_uint_t) n;

        if (param->of_checks) {
            *of_checks = *word;
        }

        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\": \"bell_upstream\" takes "
                       "zone=NAME:SIZE, default=POOL, max_fails=NUMBER, "
                       "fail_timeout=TIME, slow_start=TIME, check=tcp or "
                       "check=/PATH, check_host=NAME, interval=TIME, "
                       "timeout=TIME, fall=NUMBER and rise=NUMBER", word);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_bell_upstream_parse_zone(ngx_conf_t *cf,
    ngx_http_bell_upstream_conf_t *bcf, ngx_str_t *value)
{
    u_char     *p;
    ssize_t     size;
    ngx_str_t   name, s;

    p = (u_char *) ngx_strchr(value->data, ':');

    name.data = value->data;
    name.len = p ? (size_t) (p - value->data) : 0;

    size = NGX_ERROR;

    if (p) {
        s.data = p + 1;
        s.len = value->data + value->len - s.data;
        size = ngx_parse_size(&s);
    }

    if (name.len == 0 || size == NGX_ERROR
        || size < (ssize_t) (8 * ngx_pagesize))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"zone=%V\": zone=NAME:SIZE is expected, "
                           "with a size of %uzk or more", value,
                           8 * ngx_pagesize / 1024);
        return NGX_ERROR;
    }

    bcf->shm_zone = ngx_shared_memory_add(cf, &name, size,
                                          &ngx_http_bell_upstream_module);
    if (bcf->shm_zone == NULL) {
        return NGX_ERROR;
    }

    if (bcf->shm_zone->data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is another upstream's already: each "
                           "\"bell_upstream\" has a zone of its own", &name);
        return NGX_ERROR;
    }

    bcf->shm_zone->init = ngx_http_bell_upstream_init_zone;
    bcf->shm_zone->data = bcf;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_upstream_parse_default(ngx_conf_t *cf,
    ngx_http_bell_upstream_conf_t *bcf, ngx_str_t *value)
{
    size_t  i;
    u_char  c;

    bcf->default_pool = *value;

    for (i = 0; i < value->len; i++) {
        c = value->data[i];

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-') {
            break;
        }
    }

    if (value->len == 0 || value->len > BELL_DIRECTORY_NAME_MAX
        || i < value->len)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"default=%V\": the name of a pool of the "
                           "directory is expected (a-z, 0-9 and -)", value);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_upstream_parse_check(ngx_conf_t *cf,
    ngx_http_bell_upstream_conf_t *bcf, ngx_str_t *value)
{
    if (value->len == 3 && ngx_strncmp(value->data, "tcp", 3) == 0) {
        bcf->check = NGX_HTTP_BELL_UPSTREAM_CHECK_TCP;
        return NGX_OK;
    }

    if (value->len && value->data[0] == '/'
        && ngx_http_bell_upstream_is_word(value))
    {
        bcf->check = NGX_HTTP_BELL_UPSTREAM_CHECK_HTTP;
        bcf->check_path = *value;
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"check=%V\": check=tcp or check=/PATH is "
                       "expected", value);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_bell_upstream_parse_host(ngx_conf_t *cf,
    ngx_http_bell_upstream_conf_t *bcf, ngx_str_t *value)
{
    if (value->len && ngx_http_bell_upstream_is_word(value)) {
        bcf->check_host = *value;
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"check_host=%V\": the name that a check asks "
                       "for is expected", value);

    return NGX_ERROR;
}


/* no space, nothing that ends a line */

static ngx_uint_t
ngx_http_bell_upstream_is_word(ngx_str_t *value)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] <= ' ' || value->data[i] > '~') {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_http_bell_upstream_make_request(ngx_conf_t *cf,
    ngx_http_bell_upstream_conf_t *bcf)
{
    u_char  *p;
    size_t   len;

    if (bcf->check != NGX_HTTP_BELL_UPSTREAM_CHECK_HTTP) {
        return NGX_OK;
    }

    len = sizeof("GET  HTTP/1.1" CRLF "Host: " CRLF
                 "User-Agent: firstbell-check" CRLF
                 "Connection: close" CRLF CRLF) - 1
          + bcf->check_path.len + bcf->check_host.len;

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    bcf->check_request.data = p;

    p = ngx_sprintf(p, "GET %V HTTP/1.1" CRLF "Host: %V" CRLF
                    "User-Agent: firstbell-check" CRLF
                    "Connection: close" CRLF CRLF,
                    &bcf->check_path, &bcf->check_host);

    bcf->check_request.len = p - bcf->check_request.data;

    return NGX_OK;
}


/*
 * The "server" lines may stand above "bell_upstream", where nginx takes
 * parameters that belong to another way of choosing.
 */

ngx_int_t
ngx_http_bell_upstream_init(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *uscf)
{
    const char                     *extra;
    ngx_uint_t                      i;
    ngx_http_upstream_server_t     *us;
    ngx_http_bell_upstream_conf_t  *bcf;

    bcf = ngx_http_conf_upstream_srv_conf(uscf,
                                          ngx_http_bell_upstream_module);

    us = uscf->servers->elts;
    extra = NULL;

    for (i = 0; i < uscf->servers->nelts; i++) {

        if (us[i].backup) {
            extra = "backup";

        } else if (us[i].max_conns) {
            extra = "max_conns";

        } else if (us[i].max_fails != 1 || us[i].fail_timeout != 10) {
            extra = "max_fails and fail_timeout";

        } else if (us[i].weight > BELL_BALANCE_WEIGHT_MAX) {
            extra = "a weight above 1000";
        }

        if (extra) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "upstream \"%V\": a \"server\" beside "
                          "\"bell_upstream\" in %V:%ui takes \"weight\" and "
                          "\"down\" and nothing else, not %s", &uscf->host,
                          &bcf->conf_file, bcf->conf_line, extra);
            return NGX_ERROR;
        }
    }

#if (NGX_HTTP_UPSTREAM_ZONE)
    if (uscf->shm_zone) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "upstream \"%V\": the directive \"zone\" does not go "
                      "with \"bell_upstream\" in %V:%ui, which has its own",
                      &uscf->host, &bcf->conf_file, bcf->conf_line);
        return NGX_ERROR;
    }
#endif

    uscf->peer.init = ngx_http_bell_upstream_init_peer;

    bcf->initialized = 1;

    return NGX_OK;
}
