
/*
 * Values of an issuer's options.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_signed_link.h"
#include "ngx_http_bell_signed_options.h"
#include "bell_akamai.h"
#include "bell_cat.h"


#define NGX_HTTP_BELL_SIGNED_AUDIENCES  8


static ngx_int_t ngx_http_bell_signed_set(ngx_conf_t *cf,
    ngx_http_bell_signed_issuer_t *issuer,
    ngx_http_bell_signed_option_t *option, ngx_str_t *value);
static ngx_int_t ngx_http_bell_signed_set_flag(bool *flag, ngx_str_t *value);
static ngx_int_t ngx_http_bell_signed_set_word(ngx_conf_enum_t *e,
    ngx_str_t *value);
static ngx_int_t ngx_http_bell_signed_set_file(ngx_conf_t *cf, bell_str *text,
    ngx_str_t *path);
static ngx_int_t ngx_http_bell_signed_add_audience(ngx_conf_t *cf,
    bell_cat_options *o, ngx_str_t *value);


static ngx_conf_enum_t  ngx_http_bell_signed_locations[] = {
    { ngx_string("query"), BELL_AKAMAI_QUERY },
    { ngx_string("cookie"), BELL_AKAMAI_COOKIE },
    { ngx_string("header"), BELL_AKAMAI_HEADER },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_bell_signed_algorithms[] = {
    { ngx_string("sha256"), BELL_SIGNED_HMAC_SHA256 },
    { ngx_string("sha1"), BELL_SIGNED_HMAC_SHA1 },
    { ngx_string("md5"), BELL_SIGNED_HMAC_MD5 },
    { ngx_null_string, 0 }
};


ngx_int_t
ngx_http_bell_signed_set_option(ngx_conf_t *cf,
    ngx_http_bell_signed_issuer_t *issuer, ngx_str_t *name, ngx_str_t *value)
{
    ngx_http_bell_signed_option_t  *option;

    for (option = issuer->kind->options; option && option->name; option++) {
        if (ngx_strlen(option->name) == name->len
            && ngx_strncmp(option->name, name->data, name->len) == 0)
        {
            break;
        }
    }

    if (option == NULL || option->name == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_http_bell_signed_set(cf, issuer, option, value) == NGX_OK) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V=%V\" of issuer \"%V\" is not understood", name,
                       value, &issuer->name);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_bell_signed_set(ngx_conf_t *cf, ngx_http_bell_signed_issuer_t *issuer,
    ngx_http_bell_signed_option_t *option, ngx_str_t *value)
{
    char       *p;
    bell_str   *text;
    ngx_int_t   n;

    p = (char *) issuer->options + option->offset;

    switch (option->kind) {

    case NGX_HTTP_BELL_SIGNED_FLAG:
        return ngx_http_bell_signed_set_flag((bool *) p, value);

    case NGX_HTTP_BELL_SIGNED_TEXT:
        text = (bell_str *) p;
        text->p = (char *) value->data;
        text->len = value->len;
        return NGX_OK;

    case NGX_HTTP_BELL_SIGNED_TIME:
        n = ngx_parse_time(value, 1);
        *(int64_t *) p = n;
        return n > 0 ? NGX_OK : NGX_ERROR;

    case NGX_HTTP_BELL_SIGNED_SECONDS:
        n = ngx_parse_time(value, 1);

        if (n < 0 || (uint64_t) n > UINT32_MAX) {
            return NGX_ERROR;
        }

        *(unsigned *) p = (unsigned) n;
        return NGX_OK;

    case NGX_HTTP_BELL_SIGNED_LOCATION:
        n = ngx_http_bell_signed_set_word(ngx_http_bell_signed_locations,
                                          value);

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        *(bell_akamai_location *) p = (bell_akamai_location) n;
        return NGX_OK;

    case NGX_HTTP_BELL_SIGNED_ALGORITHM:
        n = ngx_http_bell_signed_set_word(ngx_http_bell_signed_algorithms,
                                          value);

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        issuer->mac_alg = (bell_signed_alg) n;

        if (option->offset != NGX_HTTP_BELL_SIGNED_SECRETS) {
            *(bell_signed_alg *) p = (bell_signed_alg) n;
        }

        return NGX_OK;

    case NGX_HTTP_BELL_SIGNED_FILE:
        return ngx_http_bell_signed_set_file(cf, (bell_str *) p, value);

    case NGX_HTTP_BELL_SIGNED_LINK:
        return ngx_http_bell_signed_set_link(cf, issuer->options, value);

    case NGX_HTTP_BELL_SIGNED_LINK_TEXT:
        return ngx_http_bell_signed_set_link_text(cf, issuer->options, value);

    case NGX_HTTP_BELL_SIGNED_OPENS:
        return NGX_OK;

    case NGX_HTTP_BELL_SIGNED_OPENS_USE:
        issuer->private_use = *value;
        return value->len ? NGX_OK : NGX_ERROR;

    default: /* NGX_HTTP_BELL_SIGNED_AUDIENCE */
        return ngx_http_bell_signed_add_audience(cf, issuer->options, value);
    }
}


static ngx_int_t
ngx_http_bell_signed_set_flag(bool *flag, ngx_str_t *value)
{
    *flag = value->len == 2 && ngx_strncmp(value->data, "on", 2) == 0;

    return *flag || (value->len == 3 && ngx_strncmp(value->data, "off", 3) == 0)
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_bell_signed_set_word(ngx_conf_enum_t *e, ngx_str_t *value)
{
    for ( /* void */ ; e->name.len; e++) {
        if (e->name.len == value->len
            && ngx_strncmp(e->name.data, value->data, value->len) == 0)
        {
            return e->value;
        }
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_bell_signed_set_file(ngx_conf_t *cf, bell_str *text, ngx_str_t *path)
{
    u_char     *p;
    ngx_str_t   secret;

    if (ngx_http_bell_signed_secret_file(cf, path, &secret) != NGX_OK) {
        return NGX_ERROR;
    }

    p = ngx_pstrdup(cf->pool, &secret);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_explicit_memzero(secret.data, secret.len);

    text->p = (char *) p;
    text->len = secret.len;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_signed_add_audience(ngx_conf_t *cf, bell_cat_options *o,
    ngx_str_t *value)
{
    bell_str  *list;

    list = (bell_str *) o->audiences;

    if (list == NULL) {
        list = ngx_palloc(cf->pool,
                          NGX_HTTP_BELL_SIGNED_AUDIENCES * sizeof(bell_str));
        if (list == NULL) {
            return NGX_ERROR;
        }

        o->audiences = list;
    }

    if (o->naudiences == NGX_HTTP_BELL_SIGNED_AUDIENCES) {
        return NGX_ERROR;
    }

    list[o->naudiences].p = (char *) value->data;
    list[o->naudiences++].len = value->len;

    return NGX_OK;
}
