
/*
 * bell_signed_issuer NAME KIND [key=ID:FILE] [secret=ID:FILE] [OPTION=VALUE]…
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_signed_options.h"


static ngx_http_bell_signed_issuer_t *ngx_http_bell_signed_create_issuer(
    ngx_conf_t *cf, ngx_http_bell_signed_main_conf_t *smcf);
static ngx_int_t ngx_http_bell_signed_set_issuer(ngx_conf_t *cf,
    ngx_http_bell_signed_issuer_t *issuer, ngx_str_t *name, ngx_str_t *value);
static char *ngx_http_bell_signed_read_keys(ngx_conf_t *cf,
    ngx_http_bell_signed_issuer_t *issuer);
static ngx_int_t ngx_http_bell_signed_set_encoding(ngx_conf_t *cf,
    ngx_http_bell_signed_issuer_t *issuer, ngx_str_t *value);
static ngx_int_t ngx_http_bell_signed_set_keyless(ngx_conf_t *cf,
    ngx_http_bell_signed_issuer_t *issuer, ngx_str_t *value);
static ngx_int_t ngx_http_bell_signed_add_host(ngx_conf_t *cf,
    ngx_http_bell_signed_issuer_t *issuer, ngx_str_t *value);


char *
ngx_http_bell_signed_issuer(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_int_t                       rc;
    ngx_str_t                      *arg, name, value;
    ngx_uint_t                      i;
    ngx_http_bell_signed_issuer_t  *issuer;

    issuer = ngx_http_bell_signed_create_issuer(cf, conf);
    if (issuer == NULL) {
        return NGX_CONF_ERROR;
    }

    arg = cf->args->elts;

    for (i = 3; i < cf->args->nelts; i++) {

        rc = ngx_http_bell_signed_split(&arg[i], &name, &value)
             ? ngx_http_bell_signed_set_issuer(cf, issuer, &name, &value)
             : NGX_DECLINED;

        if (rc == NGX_DECLINED) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "issuers of kind \"%s\" have no parameter "
                               "\"%V\"", issuer->kind->name, &arg[i]);
            return NGX_CONF_ERROR;
        }

        if (rc == NGX_ERROR) {
            return NGX_CONF_ERROR;
        }
    }

    if (issuer->kind->ready && issuer->kind->ready(cf, issuer) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_bell_signed_read_keys(cf, issuer);
}


static ngx_http_bell_signed_issuer_t *
ngx_http_bell_signed_create_issuer(ngx_conf_t *cf,
    ngx_http_bell_signed_main_conf_t *smcf)
{
    ngx_str_t                       *arg;
    ngx_uint_t                       i;
    ngx_http_bell_signed_kind_t     *kind;
    ngx_http_bell_signed_issuer_t   *issuer, **issuers;

    arg = cf->args->elts;
    issuers = smcf->issuers.elts;

    for (i = 0; i < smcf->issuers.nelts; i++) {
        if (issuers[i]->name.len == arg[1].len
            && ngx_strncmp(issuers[i]->name.data, arg[1].data, arg[1].len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "there is an issuer \"%V\" already", &arg[1]);
            return NULL;
        }
    }

    kind = ngx_http_bell_signed_find_kind(&arg[2]);

    if (kind == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "there is no kind of issuers \"%V\"", &arg[2]);
        return NULL;
    }

    issuer = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_signed_issuer_t));
    issuers = ngx_array_push(&smcf->issuers);
    if (issuer == NULL || issuers == NULL) {
        return NULL;
    }

    issuer->name = arg[1];
    issuer->kind = kind;
    issuer->mac_alg = kind->mac_alg;
    issuer->hex = kind->hex;
    issuer->use = arg[2];

    issuer->options = ngx_pcalloc(cf->pool, kind->size);
    if (issuer->options == NULL) {
        return NULL;
    }

    if (kind->defaults) {
        ngx_memcpy(issuer->options, kind->defaults, kind->size);
    }

    *issuers = issuer;

    return issuer;
}


static ngx_int_t
ngx_http_bell_signed_set_issuer(ngx_conf_t *cf,
    ngx_http_bell_signed_issuer_t *issuer, ngx_str_t *name, ngx_str_t *value)
{
    /* read behind all others, which say what they are */

    if (ngx_http_bell_signed_is(name, "key")
        || ngx_http_bell_signed_is(name, "secret"))
    {
        return NGX_OK;
    }

    if (ngx_http_bell_signed_is(name, "use")) {
        issuer->use = *value;
        return NGX_OK;
    }

    if (ngx_http_bell_signed_is(name, "encoding")) {
        return ngx_http_bell_signed_set_encoding(cf, issuer, value);
    }

    if (ngx_http_bell_signed_is(name, "keyless")) {
        return ngx_http_bell_signed_set_keyless(cf, issuer, value);
    }

    if (ngx_http_bell_signed_is(name, "host")) {
        return ngx_http_bell_signed_add_host(cf, issuer, value);
    }

    return ngx_http_bell_signed_set_option(cf, issuer, name, value);
}


static char *
ngx_http_bell_signed_read_keys(ngx_conf_t *cf,
    ngx_http_bell_signed_issuer_t *issuer)
{
    ngx_str_t   *arg, name, value;
    ngx_uint_t   i, which;

    arg = cf->args->elts;

    for (i = 3; i < cf->args->nelts; i++) {

        (void) ngx_http_bell_signed_split(&arg[i], &name, &value);

        if (ngx_http_bell_signed_is(&name, "key")) {
            which = NGX_HTTP_BELL_SIGNED_PUBLIC;

        } else if (ngx_http_bell_signed_is(&name, "secret")) {
            which = NGX_HTTP_BELL_SIGNED_SECRET;

        } else if (ngx_http_bell_signed_is(&name, "private_key")) {
            which = NGX_HTTP_BELL_SIGNED_PRIVATE;

        } else {
            continue;
        }

        if (ngx_http_bell_signed_key_file(cf, issuer, &value, which)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (issuer->private_use.len
        && (issuer->files.nkeys || issuer->private_files.nkeys))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"private_use=%V\" is of keys in the directory, "
                           "and issuer \"%V\" has keys from files",
                           &issuer->private_use, &issuer->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_bell_signed_set_encoding(ngx_conf_t *cf,
    ngx_http_bell_signed_issuer_t *issuer, ngx_str_t *value)
{
    issuer->hex = ngx_http_bell_signed_is(value, "hex");

    if (issuer->hex || ngx_http_bell_signed_is(value, "base64url")) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"encoding=%V\": secrets are in \"hex\" or "
                       "\"base64url\"", value);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_bell_signed_set_keyless(ngx_conf_t *cf,
    ngx_http_bell_signed_issuer_t *issuer, ngx_str_t *value)
{
    issuer->keyless = ngx_http_bell_signed_is(value, "pass");

    if (issuer->keyless || ngx_http_bell_signed_is(value, "refuse")) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"keyless=%V\": requests of tenants without a key "
                       "either \"pass\", or the issuer will \"refuse\" them",
                       value);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_bell_signed_add_host(ngx_conf_t *cf,
    ngx_http_bell_signed_issuer_t *issuer, ngx_str_t *value)
{
    ngx_str_t  *host;

    if (issuer->hosts == NULL) {
        issuer->hosts = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
        if (issuer->hosts == NULL) {
            return NGX_ERROR;
        }
    }

    host = ngx_array_push(issuer->hosts);
    if (host == NULL) {
        return NGX_ERROR;
    }

    ngx_strlow(value->data, value->data, value->len);

    *host = *value;

    return NGX_OK;
}


ngx_http_bell_signed_issuer_t *
ngx_http_bell_signed_find_issuer(ngx_conf_t *cf,
    ngx_http_bell_signed_main_conf_t *smcf, ngx_str_t *name)
{
    ngx_uint_t                       i;
    ngx_http_bell_signed_issuer_t  **issuers;

    issuers = smcf->issuers.elts;

    for (i = 0; i < smcf->issuers.nelts; i++) {
        if (issuers[i]->name.len == name->len
            && ngx_strncmp(issuers[i]->name.data, name->data, name->len) == 0)
        {
            return issuers[i];
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "there is no issuer \"%V\" above: add "
                       "\"bell_signed_issuer %V KIND …;\" to the http block",
                       name, name);

    return NULL;
}


ngx_uint_t
ngx_http_bell_signed_split(ngx_str_t *arg, ngx_str_t *name, ngx_str_t *value)
{
    u_char  *eq;

    eq = ngx_strlchr(arg->data, arg->data + arg->len, '=');

    ngx_str_null(value);
    *name = *arg;

    if (eq == NULL) {
        return 0;
    }

    name->len = eq - arg->data;

    value->data = eq + 1;
    value->len = arg->len - name->len - 1;

    return 1;
}


ngx_uint_t
ngx_http_bell_signed_is(ngx_str_t *name, const char *word)
{
    return name->len == ngx_strlen(word)
           && ngx_strncmp(name->data, word, name->len) == 0;
}
