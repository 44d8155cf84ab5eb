
/*
 * What "bell_fair_zone", "bell_fair_pool", "bell_fair" and "bell_fair_rank"
 * say.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_fair.h"


/* some 200 requests that have a place or wait */
#define NGX_HTTP_BELL_FAIR_ZONE_MIN  (128 * 1024)


typedef enum {
    NGX_HTTP_BELL_FAIR_NUMBER,
    NGX_HTTP_BELL_FAIR_MSEC,
    NGX_HTTP_BELL_FAIR_SEC
} ngx_http_bell_fair_kind_e;


typedef struct {
    ngx_str_t                        name;      /* with '=' */
    size_t                           offset;    /* of ..._pool_t */
    ngx_http_bell_fair_kind_e        kind;
    ngx_int_t                        least;
    ngx_int_t                        most;
    const char                      *expected;
} ngx_http_bell_fair_param_t;


static ngx_int_t ngx_http_bell_fair_parse(ngx_conf_t *cf,
    ngx_http_bell_fair_pool_t *pool, ngx_str_t *word);
static ngx_int_t ngx_http_bell_fair_value(ngx_http_bell_fair_param_t *param,
    ngx_str_t *value, ngx_http_bell_fair_pool_t *pool);
static char *ngx_http_bell_fair_check(ngx_conf_t *cf,
    ngx_http_bell_fair_pool_t *pool);
static ngx_http_bell_fair_pool_t *ngx_http_bell_fair_find_pool(
    ngx_http_bell_fair_main_conf_t *fmcf, ngx_str_t *name);
static char *ngx_http_bell_fair_text(ngx_conf_t *cf, ngx_str_t *word,
    size_t len, ngx_http_complex_value_t **to);


static ngx_http_bell_fair_param_t  ngx_http_bell_fair_params[] = {

    { ngx_string("places="), offsetof(ngx_http_bell_fair_pool_t, places),
      NGX_HTTP_BELL_FAIR_NUMBER, 1, 100000,
      "a number from 1 to 100000, or \"auto\"" },

    { ngx_string("min="), offsetof(ngx_http_bell_fair_pool_t, min),
      NGX_HTTP_BELL_FAIR_NUMBER, 1, 100000, "a number from 1 to 100000" },

    { ngx_string("max="), offsetof(ngx_http_bell_fair_pool_t, max),
      NGX_HTTP_BELL_FAIR_NUMBER, 1, 100000, "a number from 1 to 100000" },

    { ngx_string("start="), offsetof(ngx_http_bell_fair_pool_t, start),
      NGX_HTTP_BELL_FAIR_NUMBER, 1, 100000, "a number from 1 to 100000" },

    { ngx_string("queue="), offsetof(ngx_http_bell_fair_pool_t, queue),
      NGX_HTTP_BELL_FAIR_NUMBER, 0, 100000, "a number from 0 to 100000" },

    { ngx_string("wait="), offsetof(ngx_http_bell_fair_pool_t, wait),
      NGX_HTTP_BELL_FAIR_MSEC, 10, 600000, "a time from 10ms to 10m" },

    { ngx_string("hold="), offsetof(ngx_http_bell_fair_pool_t, hold),
      NGX_HTTP_BELL_FAIR_MSEC, 0, 3600000, "a time from 0 to 1h" },

    { ngx_string("jitter="), offsetof(ngx_http_bell_fair_pool_t, jitter_s),
      NGX_HTTP_BELL_FAIR_SEC, 0, 3600, "a time from 0 to 1h" },

    { ngx_null_string, 0, NGX_HTTP_BELL_FAIR_NUMBER, 0, 0, NULL }
};


/* bell_fair_zone zone=NAME:SIZE */

char *
ngx_http_bell_fair_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_fair_main_conf_t  *fmcf = conf;

    size_t      size;
    ngx_str_t  *value, name;

    if (fmcf->shm_zone) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_http_bell_limit_parse_zone(cf, &value[1],
                                       NGX_HTTP_BELL_FAIR_ZONE_MIN,
                                       "places:1m", &name, &size)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    fmcf->shm_zone = ngx_shared_memory_add(cf, &name, size,
                                           &ngx_http_bell_fair_module);
    if (fmcf->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    fmcf->shm_zone->init = ngx_http_bell_fair_init_zone;
    fmcf->shm_zone->data = fmcf;

    return NGX_CONF_OK;
}


/* bell_fair_pool NAME PARAMETER... */

char *
ngx_http_bell_fair_pool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_fair_main_conf_t  *fmcf = conf;

    ngx_str_t                   *value;
    ngx_uint_t                   i;
    ngx_http_bell_fair_pool_t   *pool, **slot;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0
        || value[1].len > NGX_HTTP_BELL_FAIR_NAME / 2)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" cannot be a pool's name: it has %d bytes "
                           "at most, and is not \"off\"", &value[1],
                           NGX_HTTP_BELL_FAIR_NAME / 2);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_bell_fair_find_pool(fmcf, &value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "there is a pool \"%V\" already", &value[1]);
        return NGX_CONF_ERROR;
    }

    pool = ngx_palloc(cf->pool, sizeof(ngx_http_bell_fair_pool_t));
    slot = ngx_array_push(&fmcf->pools);

    if (pool == NULL || slot == NULL) {
        return NGX_CONF_ERROR;
    }

    *slot = pool;

    pool->name = value[1];
    pool->places = NGX_CONF_UNSET_UINT;
    pool->min = NGX_CONF_UNSET_UINT;
    pool->max = NGX_CONF_UNSET_UINT;
    pool->start = NGX_CONF_UNSET_UINT;
    pool->queue = NGX_CONF_UNSET_UINT;
    pool->wait = NGX_CONF_UNSET_MSEC;
    pool->hold = NGX_CONF_UNSET_MSEC;
    pool->jitter_s = NGX_CONF_UNSET_UINT;

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_bell_fair_parse(cf, pool, &value[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_http_bell_fair_check(cf, pool);
}


/* NGX_ERROR has been logged */

static ngx_int_t
ngx_http_bell_fair_parse(ngx_conf_t *cf, ngx_http_bell_fair_pool_t *pool,
    ngx_str_t *word)
{
    ngx_str_t                    value;
    ngx_http_bell_fair_param_t  *param;

    for (param = ngx_http_bell_fair_params; param->name.len; param++) {

        if (word->len < param->name.len
            || ngx_strncmp(word->data, param->name.data, param->name.len) != 0)
        {
            continue;
        }

        value.data = word->data + param->name.len;
        value.len = word->len - param->name.len;

        switch (ngx_http_bell_fair_value(param, &value, pool)) {

        case NGX_OK:
            return NGX_OK;

        case NGX_DECLINED:
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\": that parameter is duplicate", word);
            return NGX_ERROR;

        default:
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"%V\": %s is expected", word,
                               param->expected);
            return NGX_ERROR;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\": \"bell_fair_pool\" takes a "
                       "name, places=N or places=auto, min=N, max=N, start=N, "
                       "queue=N, wait=TIME, hold=TIME and jitter=TIME", word);

    return NGX_ERROR;
}


/* NGX_DECLINED: it has been said already */

static ngx_int_t
ngx_http_bell_fair_value(ngx_http_bell_fair_param_t *param, ngx_str_t *value,
    ngx_http_bell_fair_pool_t *pool)
{
    ngx_int_t    n;
    ngx_uint_t  *to;

    /* numbers and times are words of the same size */

    to = (ngx_uint_t *) ((u_char *) pool + param->offset);

    if (*to != NGX_CONF_UNSET_UINT) {
        return NGX_DECLINED;
    }

    if (param->offset == offsetof(ngx_http_bell_fair_pool_t, places)
        && value->len == 4 && ngx_strncmp(value->data, "auto", 4) == 0)
    {
        *to = 0;
        return NGX_OK;
    }

    n = (param->kind == NGX_HTTP_BELL_FAIR_NUMBER)
        ? ngx_atoi(value->data, value->len)
        : ngx_parse_time(value, param->kind == NGX_HTTP_BELL_FAIR_SEC);

    if (n == NGX_ERROR || n < param->least || n > param->most) {
        return NGX_ERROR;
    }

    *to = n;

    return NGX_OK;
}


static char *
ngx_http_bell_fair_check(ngx_conf_t *cf, ngx_http_bell_fair_pool_t *pool)
{
    if (pool->places != NGX_CONF_UNSET_UINT && pool->places != 0
        && (pool->min != NGX_CONF_UNSET_UINT
            || pool->max != NGX_CONF_UNSET_UINT
            || pool->start != NGX_CONF_UNSET_UINT))
    {
        return "has places=N, and min=, max= or start= of a number that is "
               "to be found out";
    }

    ngx_conf_init_uint_value(pool->places, 0);
    ngx_conf_init_uint_value(pool->min, 4);
    ngx_conf_init_uint_value(pool->max, ngx_max(pool->min, 1000));
    ngx_conf_init_uint_value(pool->start,
                             ngx_min(ngx_max(pool->min, 20), pool->max));
    ngx_conf_init_uint_value(pool->queue, 256);
    ngx_conf_init_msec_value(pool->wait, 10000);
    ngx_conf_init_msec_value(pool->hold, 30000);
    ngx_conf_init_uint_value(pool->jitter_s, 5);

    if (pool->min > pool->max || pool->start < pool->min
        || pool->start > pool->max)
    {
        return "has a min= above its max=, or a start= that is not between";
    }

    pool->rule.min = pool->min;
    pool->rule.max = pool->max;

    return NGX_CONF_OK;
}


static ngx_http_bell_fair_pool_t *
ngx_http_bell_fair_find_pool(ngx_http_bell_fair_main_conf_t *fmcf,
    ngx_str_t *name)
{
    ngx_uint_t                   i;
    ngx_http_bell_fair_pool_t  **pools;

    pools = fmcf->pools.elts;

    for (i = 0; i < fmcf->pools.nelts; i++) {

        if (pools[i]->name.len == name->len
            && ngx_memcmp(pools[i]->name.data, name->data, name->len) == 0)
        {
            return pools[i];
        }
    }

    return NULL;
}


/* bell_fair off | POOL [key=TEXT] [class=TEXT] [weight=TEXT] */

char *
ngx_http_bell_fair(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_fair_loc_conf_t *flcf = conf;

    char                            *rv;
    ngx_str_t                       *value;
    ngx_uint_t                       i;
    ngx_http_bell_fair_main_conf_t  *fmcf;

    if (flcf->set) {
        return "is duplicate";
    }

    flcf->set = 1;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        return cf->args->nelts == 2 ? NGX_CONF_OK
                                    : "is \"off\", and more is said";
    }

    fmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_fair_module);

    flcf->pool = ngx_http_bell_fair_find_pool(fmcf, &value[1]);

    if (flcf->pool == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "there is no pool \"%V\": \"bell_fair_pool %V;\" "
                           "belongs above this line, in the http block",
                           &value[1], &value[1]);
        return NGX_CONF_ERROR;
    }

    rv = NGX_CONF_OK;

    for (i = 2; i < cf->args->nelts && rv == NGX_CONF_OK; i++) {

        if (ngx_strncmp(value[i].data, "key=", 4) == 0) {
            rv = ngx_http_bell_fair_text(cf, &value[i], 4, &flcf->key);

        } else if (ngx_strncmp(value[i].data, "weight=", 7) == 0) {
            rv = ngx_http_bell_fair_text(cf, &value[i], 7, &flcf->weight);

        } else if (ngx_strncmp(value[i].data, "class=", 6) == 0) {
            rv = ngx_http_bell_fair_text(cf, &value[i], 6, &flcf->class);

        } else {
            return "takes a pool's name, key=TEXT, class=TEXT and "
                   "weight=TEXT, or is off";
        }
    }

    return rv;
}


static char *
ngx_http_bell_fair_text(ngx_conf_t *cf, ngx_str_t *word, size_t len,
    ngx_http_complex_value_t **to)
{
    ngx_int_t  n;
    ngx_str_t  text;

    if (*to) {
        return "says one parameter twice";
    }

    text.data = word->data + len;
    text.len = word->len - len;

    if (text.len == 0) {
        return "has a parameter without a value";
    }

    /* a number that can be read now is not found to be wrong at eight */

    if (len == 7 && ngx_strlchr(text.data, text.data + text.len, '$') == NULL) {
        n = ngx_atoi(text.data, text.len);

        if (n < 1 || n > BELL_FAIR_WEIGHT_MAX) {
            return "has a weight= that is no number from 1 to 10000";
        }
    }

    *to = ngx_http_bell_limit_compile(cf, &text);

    return *to ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* bell_fair_rank N | TEXT */

char *
ngx_http_bell_fair_rank(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_fair_loc_conf_t *flcf = conf;

    ngx_int_t   n;
    ngx_str_t  *value;

    value = cf->args->elts;

    if (flcf->rank) {
        return "is duplicate";
    }

    if (ngx_strlchr(value[1].data, value[1].data + value[1].len, '$') == NULL)
    {
        n = ngx_atoi(value[1].data, value[1].len);

        if (n < 1 || n > BELL_FAIR_RANKS) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"%V\": a number from 1 (goes first "
                               "when not all can be served) to %d (goes last) "
                               "is expected", &value[1], BELL_FAIR_RANKS);
            return NGX_CONF_ERROR;
        }
    }

    return ngx_http_bell_fair_text(cf, &value[1], 0, &flcf->rank);
}
