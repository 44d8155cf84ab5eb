
/*
 * "bell_directory": where the directory lies, where it comes from, and whose
 * word is taken for it.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/err.h>

#include "ngx_http_bell_context.h"


typedef char *(*ngx_http_bell_parameter_pt)(ngx_conf_t *cf,
    ngx_http_bell_directory_t *d, ngx_str_t *value);


typedef struct {
    ngx_str_t                   name;
    ngx_http_bell_parameter_pt  handler;
} ngx_http_bell_parameter_t;


static char *ngx_http_bell_directory_parameter(ngx_conf_t *cf,
    ngx_http_bell_directory_t *d, ngx_str_t *word);
static char *ngx_http_bell_directory_zone(ngx_conf_t *cf,
    ngx_http_bell_directory_t *d, ngx_str_t *value);
static char *ngx_http_bell_directory_file(ngx_conf_t *cf,
    ngx_http_bell_directory_t *d, ngx_str_t *value);
static char *ngx_http_bell_directory_state(ngx_conf_t *cf,
    ngx_http_bell_directory_t *d, ngx_str_t *value);
static char *ngx_http_bell_directory_redis(ngx_conf_t *cf,
    ngx_http_bell_directory_t *d, ngx_str_t *value);
static char *ngx_http_bell_directory_key(ngx_conf_t *cf,
    ngx_http_bell_directory_t *d, ngx_str_t *value);
static void ngx_http_bell_directory_free_key(void *data);
static char *ngx_http_bell_directory_interval(ngx_conf_t *cf,
    ngx_http_bell_directory_t *d, ngx_str_t *value);


static ngx_http_bell_parameter_t  ngx_http_bell_directory_parameters[] = {
    { ngx_string("zone="), ngx_http_bell_directory_zone },
    { ngx_string("file="), ngx_http_bell_directory_file },
    { ngx_string("state="), ngx_http_bell_directory_state },
    { ngx_string("redis="), ngx_http_bell_directory_redis },
    { ngx_string("key="), ngx_http_bell_directory_key },
    { ngx_string("interval="), ngx_http_bell_directory_interval },
    { ngx_null_string, NULL }
};


char *
ngx_http_bell_directory_parse(ngx_conf_t *cf, ngx_http_bell_directory_t *d)
{
    char        *rv;
    ngx_str_t   *value;
    ngx_uint_t   i;

    d->redis = NGX_CONF_UNSET;
    d->interval = NGX_HTTP_BELL_INTERVAL_MS;
    d->conf_file = cf->conf_file->file.name;
    d->conf_line = cf->conf_file->line;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        rv = ngx_http_bell_directory_parameter(cf, d, &value[i]);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (d->redis == NGX_CONF_UNSET) {
        d->redis = 0;
    }

    if (d->shm_zone == NULL
        || (d->file.len != 0) == (d->state.len != 0))
    {
        return "needs both zone=NAME:SIZE and file=PATH, or zone=NAME:SIZE, "
               "redis=on and state=PATH";
    }

    if ((d->state.len != 0) != d->redis) {
        return "takes redis=on and state=PATH together: what comes from Redis "
               "is kept there";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_bell_directory_parameter(ngx_conf_t *cf, ngx_http_bell_directory_t *d,
    ngx_str_t *word)
{
    ngx_str_t                   value;
    ngx_http_bell_parameter_t  *p;

    for (p = ngx_http_bell_directory_parameters; p->name.len; p++) {

        if (word->len >= p->name.len
            && ngx_strncmp(word->data, p->name.data, p->name.len) == 0)
        {
            value.data = word->data + p->name.len;
            value.len = word->len - p->name.len;

            return p->handler(cf, d, &value);
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\": \"bell_directory\" takes "
                       "zone=NAME:SIZE, file=PATH and interval=TIME, or "
                       "redis=on and state=PATH, and key=FILE", word);

    return NGX_CONF_ERROR;
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

    name.data = value->data;

    p = (u_char *) ngx_strchr(name.data, ':');

    if (p == NULL || p == name.data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone \"zone=%V\": zone=NAME:SIZE is "
                           "expected, zone=tenants:1m for one", value);
        return NGX_CONF_ERROR;
    }

    name.len = p - name.data;

    s.data = p + 1;
    s.len = value->data + value->len - s.data;

    size = ngx_parse_size(&s);

    if (size < (ssize_t) (8 * ngx_pagesize)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size in \"zone=%V\": at least %uzk is "
                           "expected, zone=%V:1m for one", value,
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

    if (value->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "file= is empty: the path of the directory's "
                           "snapshot is expected");
        return NGX_CONF_ERROR;
    }

    d->file = *value;

    if (ngx_conf_full_name(cf->cycle, &d->file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_bell_directory_state(ngx_conf_t *cf, ngx_http_bell_directory_t *d,
    ngx_str_t *value)
{
    static const char  suffix[] = ".deltas";

    u_char  *p;

    if (d->state.len) {
        return "takes one state=PATH";
    }

    if (value->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "state= is empty: the path of a file is expected, "
                           "in a folder that the workers may write to");
        return NGX_CONF_ERROR;
    }

    d->state = *value;

    if (ngx_conf_full_name(cf->cycle, &d->state, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    p = ngx_pnalloc(cf->pool, d->state.len + sizeof(suffix));
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    d->deltas.data = p;
    d->deltas.len = d->state.len + sizeof(suffix) - 1;

    p = ngx_cpymem(p, d->state.data, d->state.len);
    ngx_memcpy(p, suffix, sizeof(suffix));

    return NGX_CONF_OK;
}


static char *
ngx_http_bell_directory_redis(ngx_conf_t *cf, ngx_http_bell_directory_t *d,
    ngx_str_t *value)
{
    if (d->redis != NGX_CONF_UNSET) {
        return "takes redis= once";
    }

    if (value->len == 2 && ngx_strncmp(value->data, "on", 2) == 0) {
        d->redis = 1;

    } else if (value->len == 3 && ngx_strncmp(value->data, "off", 3) == 0) {
        d->redis = 0;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"redis=%V\": redis=on or redis=off is "
                           "expected", value);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/*
 * Read here, by who may read it; the workers need not.  A reload reads it
 * anew.
 */

static char *
ngx_http_bell_directory_key(ngx_conf_t *cf, ngx_http_bell_directory_t *d,
    ngx_str_t *value)
{
    char                 err[NGX_HTTP_BELL_REASON_LEN];
    ngx_str_t            file;
    ngx_pool_cleanup_t  *cln;
    bell_directory_key  *key;

    if (value->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "key= is empty: the path of a public key is "
                           "expected, Ed25519 in PEM form");
        return NGX_CONF_ERROR;
    }

    if (d->keys.nkeys == BELL_DIRECTORY_KEYS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "too many key=: %d are the most",
                           BELL_DIRECTORY_KEYS_MAX);
        return NGX_CONF_ERROR;
    }

    file = *value;

    if (ngx_conf_full_name(cf->cycle, &file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    key = bell_directory_key_load((char *) file.data, err, sizeof(err));

    /* of the attempts at other forms, which nginx would wonder about */
    ERR_clear_error();

    if (key == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "key=%V: %s", value, err);
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_bell_directory_free_key;
    cln->data = key;

    d->keys.keys[d->keys.nkeys++] = key;

    return NGX_CONF_OK;
}


static void
ngx_http_bell_directory_free_key(void *data)
{
    bell_directory_key_free(data);
}


static char *
ngx_http_bell_directory_interval(ngx_conf_t *cf, ngx_http_bell_directory_t *d,
    ngx_str_t *value)
{
    d->interval = (ngx_msec_t) ngx_parse_time(value, 0);

    if (d->interval == (ngx_msec_t) NGX_ERROR
        || d->interval < NGX_HTTP_BELL_INTERVAL_MIN_MS
        || d->interval > NGX_HTTP_BELL_INTERVAL_MAX_MS)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"interval=%V\": a time from 10ms to 1h "
                           "is expected, interval=1s for one", value);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
