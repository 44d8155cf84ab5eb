
/*
 * The arguments of a directive that names a store.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_bell_redis.h"
#include "ngx_http_bell_store.h"


#define NGX_HTTP_BELL_STORE_IN_FLIGHT_MAX  1000000


/* What there is but addresses; TLS is made of it when all is read. */

typedef struct {
    ngx_http_bell_store_conf_t  *conf;
    ngx_flag_t                   tls;
    ngx_str_t                    ca;
    ngx_str_t                    cert;
    ngx_str_t                    key;
    ngx_str_t                    name;
} ngx_http_bell_store_args_t;


static char *ngx_http_bell_store_parse_word(ngx_conf_t *cf,
    ngx_http_bell_store_args_t *args, ngx_str_t *word);
static char *ngx_http_bell_store_parse_limits(ngx_conf_t *cf,
    ngx_http_bell_store_args_t *args, ngx_str_t *word);
static char *ngx_http_bell_store_parse_tls(ngx_conf_t *cf,
    ngx_http_bell_store_args_t *args, ngx_str_t *word);
static char *ngx_http_bell_store_parse_seed(ngx_conf_t *cf,
    ngx_http_bell_store_args_t *args, ngx_str_t *word);
static ngx_uint_t ngx_http_bell_store_value(ngx_str_t *word, const char *name,
    ngx_str_t *value);
static char *ngx_http_bell_store_parse_time(ngx_conf_t *cf, ngx_str_t *word,
    ngx_str_t *value, uint32_t *to);
static char *ngx_http_bell_store_make_tls(ngx_conf_t *cf,
    ngx_http_bell_store_args_t *args);
static bell_str ngx_http_bell_store_file(ngx_conf_t *cf, ngx_str_t *file,
    char **rv);
static void ngx_http_bell_store_free_tls(void *data);
static char *ngx_http_bell_store_join(ngx_conf_t *cf,
    ngx_http_bell_store_conf_t *conf);


char *
ngx_http_bell_store_parse(ngx_conf_t *cf, ngx_http_bell_store_conf_t *conf)
{
    char                        *rv;
    ngx_str_t                   *value;
    const char                  *reason;
    ngx_uint_t                   i;
    ngx_http_bell_store_args_t   args;

    value = cf->args->elts;

    conf->directive = value[0];
    bell_redis_options_init(&conf->options);

    ngx_memzero(&args, sizeof(ngx_http_bell_store_args_t));
    args.conf = conf;

    for (i = 1; i < cf->args->nelts; i++) {
        rv = ngx_http_bell_store_parse_word(cf, &args, &value[i]);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    rv = ngx_http_bell_store_make_tls(cf, &args);

    if (rv == NGX_CONF_OK) {
        rv = ngx_http_bell_store_join(cf, conf);
    }

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    reason = bell_redis_options_check(&conf->options);

    if (reason) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" cannot be used: %s",
                           &conf->directive, reason);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_bell_store_parse_word(ngx_conf_t *cf,
    ngx_http_bell_store_args_t *args, ngx_str_t *word)
{
    ngx_str_t            value, password;
    bell_redis_options  *o;

    o = &args->conf->options;

    if (word->len == 7 && ngx_strncmp(word->data, "cluster", 7) == 0) {
        o->is_cluster = true;
        return NGX_CONF_OK;
    }

    if (ngx_http_bell_store_value(word, "user=", &value)) {
        o->user.p = (char *) value.data;
        o->user.len = value.len;
        return NGX_CONF_OK;
    }

    if (ngx_http_bell_store_value(word, "password_file=", &value)) {

        if (ngx_http_bell_redis_read_password(cf, &value, &password)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

        o->password.p = (char *) password.data;
        o->password.len = password.len;
        return NGX_CONF_OK;
    }

    if (word->len >= 3 && ngx_strncmp(word->data, "tls", 3) == 0) {
        return ngx_http_bell_store_parse_tls(cf, args, word);
    }

    return ngx_http_bell_store_parse_limits(cf, args, word);
}


static char *
ngx_http_bell_store_parse_limits(ngx_conf_t *cf,
    ngx_http_bell_store_args_t *args, ngx_str_t *word)
{
    ngx_int_t            n;
    ngx_str_t            value;
    bell_redis_options  *o;

    o = &args->conf->options;

    if (ngx_http_bell_store_value(word, "connect_timeout=", &value)) {
        return ngx_http_bell_store_parse_time(cf, word, &value,
                                              &o->connect_ms);
    }

    if (ngx_http_bell_store_value(word, "timeout=", &value)) {
        return ngx_http_bell_store_parse_time(cf, word, &value,
                                              &o->timeout_ms);
    }

    if (ngx_http_bell_store_value(word, "in_flight=", &value)) {
        n = ngx_atoi(value.data, value.len);

        if (n < 1 || n > NGX_HTTP_BELL_STORE_IN_FLIGHT_MAX) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"%V\": a number from 1 to %d is "
                               "expected", word,
                               NGX_HTTP_BELL_STORE_IN_FLIGHT_MAX);
            return NGX_CONF_ERROR;
        }

        o->in_flight_max = (uint32_t) n;
        return NGX_CONF_OK;
    }

    return ngx_http_bell_store_parse_seed(cf, args, word);
}


static char *
ngx_http_bell_store_parse_tls(ngx_conf_t *cf, ngx_http_bell_store_args_t *args,
    ngx_str_t *word)
{
    if (word->len == 3) {
        args->tls = 1;
        return NGX_CONF_OK;
    }

    if (ngx_http_bell_store_value(word, "tls_ca=", &args->ca)
        || ngx_http_bell_store_value(word, "tls_cert=", &args->cert)
        || ngx_http_bell_store_value(word, "tls_key=", &args->key)
        || ngx_http_bell_store_value(word, "tls_name=", &args->name))
    {
        return NGX_CONF_OK;
    }

    return ngx_http_bell_store_parse_seed(cf, args, word);
}


static char *
ngx_http_bell_store_parse_seed(ngx_conf_t *cf,
    ngx_http_bell_store_args_t *args, ngx_str_t *word)
{
    bell_str             text;
    bell_redis_options  *o;

    o = &args->conf->options;

    text.p = (char *) word->data;
    text.len = word->len;

    if (o->nseeds == BELL_REDIS_SEEDS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is one address too many, %d are the most",
                           word, BELL_REDIS_SEEDS_MAX);
        return NGX_CONF_ERROR;
    }

    if (!bell_redis_endpoint_of(text, &o->seeds[o->nseeds])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\": \"%V\" takes addresses "
                           "such as 127.0.0.1:6379, [::1]:6379 and unix:PATH "
                           "(host names are not resolved), cluster, "
                           "user=NAME, password_file=FILE, tls, tls_ca=FILE, "
                           "tls_cert=FILE, tls_key=FILE, tls_name=NAME, "
                           "connect_timeout=TIME, timeout=TIME and "
                           "in_flight=NUMBER", word, &args->conf->directive);
        return NGX_CONF_ERROR;
    }

    o->nseeds++;

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_http_bell_store_value(ngx_str_t *word, const char *name, ngx_str_t *value)
{
    size_t  len;

    len = ngx_strlen(name);

    if (word->len < len || ngx_strncmp(word->data, name, len) != 0) {
        return 0;
    }

    value->data = word->data + len;
    value->len = word->len - len;

    return 1;
}


static char *
ngx_http_bell_store_parse_time(ngx_conf_t *cf, ngx_str_t *word,
    ngx_str_t *value, uint32_t *to)
{
    ngx_int_t  ms;

    ms = ngx_parse_time(value, 0);

    if (ms < 10 || ms > 60 * 1000) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\": a time from 10ms to 60s is "
                           "expected", word);
        return NGX_CONF_ERROR;
    }

    *to = (uint32_t) ms;

    return NGX_CONF_OK;
}


/*
 * Read here, by who may read it; the workers need not.  A reload reads it
 * anew.
 */

static char *
ngx_http_bell_store_make_tls(ngx_conf_t *cf, ngx_http_bell_store_args_t *args)
{
    char                  *rv;
    const char            *reason;
    bell_redis_tls        *tls;
    ngx_pool_cleanup_t    *cln;
    bell_redis_tls_files   files;

    if (!args->tls) {
        if (args->ca.len || args->cert.len || args->key.len || args->name.len)
        {
            return "takes tls_ca=, tls_cert=, tls_key= and tls_name= together "
                   "with tls";
        }

        return NGX_CONF_OK;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    rv = NGX_CONF_OK;

    files.ca_file = ngx_http_bell_store_file(cf, &args->ca, &rv);
    files.cert_file = ngx_http_bell_store_file(cf, &args->cert, &rv);
    files.key_file = ngx_http_bell_store_file(cf, &args->key, &rv);
    files.name.p = (char *) args->name.data;
    files.name.len = args->name.len;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    tls = bell_redis_tls_new(&files, &reason);

    if (tls == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" cannot use TLS: %s",
                           &args->conf->directive, reason);
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_bell_store_free_tls;
    cln->data = tls;

    args->conf->options.tls = tls;

    return NGX_CONF_OK;
}


static bell_str
ngx_http_bell_store_file(ngx_conf_t *cf, ngx_str_t *file, char **rv)
{
    bell_str  s;

    s.p = NULL;
    s.len = 0;

    if (file->len) {

        if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
            *rv = NGX_CONF_ERROR;
            return s;
        }

        s.p = (char *) file->data;
        s.len = file->len;
    }

    return s;
}


static void
ngx_http_bell_store_free_tls(void *data)
{
    bell_redis_tls_free(data);
}


/* The words that are addresses, with spaces between, for messages. */

static char *
ngx_http_bell_store_join(ngx_conf_t *cf, ngx_http_bell_store_conf_t *conf)
{
    u_char      *p;
    size_t       len;
    ngx_uint_t   i;

    len = 0;

    for (i = 0; i < conf->options.nseeds; i++) {
        len += ngx_strlen(conf->options.seeds[i].host) + sizeof(":65535 ");
    }

    p = ngx_pnalloc(cf->pool, len + 1);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    conf->addresses.data = p;

    for (i = 0; i < conf->options.nseeds; i++) {
        p = ngx_sprintf(p, conf->options.seeds[i].port ? "%s%s:%ui" : "%s%s",
                        i ? " " : "", conf->options.seeds[i].host,
                        (ngx_uint_t) conf->options.seeds[i].port);
    }

    conf->addresses.len = p - conf->addresses.data;

    return NGX_CONF_OK;
}
