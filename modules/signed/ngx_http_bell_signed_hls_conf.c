
/*
 * bell_signed_hls off | inherit [below=PREFIX] | ISSUER [OPTION=VALUE]…
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_signed_hls.h"


#define NGX_HTTP_BELL_SIGNED_HLS_LIFETIME      (4 * 60 * 60)  /* seconds */
#define NGX_HTTP_BELL_SIGNED_HLS_LIFETIME_MAX  (365 * 24 * 60 * 60)


static char *ngx_http_bell_signed_hls_issuer(ngx_conf_t *cf,
    ngx_http_bell_signed_hls_t *hls, ngx_str_t *name);
static char *ngx_http_bell_signed_hls_option(ngx_conf_t *cf,
    ngx_http_bell_signed_hls_t *hls, ngx_str_t *arg);
static char *ngx_http_bell_signed_hls_text(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t **text);


char *
ngx_http_bell_signed_hls(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_signed_loc_conf_t  *slcf = conf;

    char                              *rv;
    ngx_str_t                         *value;
    ngx_uint_t                         i;
    ngx_http_bell_signed_hls_t        *hls;
    ngx_http_bell_signed_main_conf_t  *smcf;

    if (slcf->hls != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        slcf->hls = NULL;
        return NGX_CONF_OK;
    }

    hls = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_signed_hls_t));
    if (hls == NULL) {
        return NGX_CONF_ERROR;
    }

    hls->lifetime_s = NGX_HTTP_BELL_SIGNED_HLS_LIFETIME;

    rv = ngx_http_bell_signed_hls_issuer(cf, hls, &value[1]);

    for (i = 2; rv == NGX_CONF_OK && i < cf->args->nelts; i++) {
        rv = ngx_http_bell_signed_hls_option(cf, hls, &value[i]);
    }

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_signed_module);

    if (smcf->piece == NULL) {
        smcf->piece = ngx_palloc(cf->pool, NGX_HTTP_BELL_SIGNED_PIECE);
        if (smcf->piece == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    slcf->hls = hls;

    return rv;
}


static char *
ngx_http_bell_signed_hls_issuer(ngx_conf_t *cf,
    ngx_http_bell_signed_hls_t *hls, ngx_str_t *name)
{
    int64_t                            until_s;
    ngx_http_bell_signed_issuer_t     *issuer;
    ngx_http_bell_signed_main_conf_t  *smcf;

    if (ngx_strcmp(name->data, "inherit") == 0) {
        return NGX_CONF_OK;
    }

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_signed_module);

    issuer = ngx_http_bell_signed_find_issuer(cf, smcf, name);
    if (issuer == NULL) {
        return NGX_CONF_ERROR;
    }

    if (issuer->kind->hls == BELL_HLS_NONE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is of kind \"%s\", for which this edge can "
                           "only verify: name an issuer of kind \"path\", "
                           "\"akamai\" or \"google-cdn\", or \"inherit\" to "
                           "hand on what the playlist was asked with", name,
                           issuer->kind->name);
        return NGX_CONF_ERROR;
    }

    if (issuer->kind->hls == BELL_HLS_AKAMAI
        && ((bell_akamai_options *) issuer->options)->location
           != BELL_AKAMAI_QUERY)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "tokens of \"%V\" stand in a cookie or header, not "
                           "in URIs: name an issuer with location=query",
                           name);
        return NGX_CONF_ERROR;
    }

    until_s = 1;

    if (issuer->files.nkeys
        && bell_hls_choose_key(&issuer->files, issuer->mac_alg, 0, &until_s)
           == NULL)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "issuer \"%V\" has public keys only, with which "
                           "nobody can sign: give it a \"secret=ID:FILE\"",
                           name);
        return NGX_CONF_ERROR;
    }

    hls->issuer = issuer;

    return NGX_CONF_OK;
}


static char *
ngx_http_bell_signed_hls_option(ngx_conf_t *cf,
    ngx_http_bell_signed_hls_t *hls, ngx_str_t *arg)
{
    bell_str   below;
    ngx_str_t  name, value;

    if (!ngx_http_bell_signed_split(arg, &name, &value)) {
        goto invalid;
    }

    if (ngx_http_bell_signed_is(&name, "below")) {
        below.p = (char *) value.data;
        below.len = value.len;

        if (value.len == 0 || value.data[0] != '/'
            || value.data[value.len - 1] != '/'
            || !bell_signed_is_plain_target(below))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\": a path is expected that begins and "
                               "ends with \"/\", without names of dots", arg);
            return NGX_CONF_ERROR;
        }

        hls->below = value;
        return NGX_CONF_OK;
    }

    if (hls->issuer == NULL) {
        goto invalid;
    }

    if (ngx_http_bell_signed_is(&name, "lifetime")) {
        hls->lifetime_s = ngx_parse_time(&value, 1);

        if (hls->lifetime_s <= 0
            || hls->lifetime_s > NGX_HTTP_BELL_SIGNED_HLS_LIFETIME_MAX)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\": a time from one second to 365 days "
                               "is expected", arg);
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    if (ngx_http_bell_signed_is(&name, "outlive")) {
        hls->outlive = ngx_http_bell_signed_is(&value, "on");

        if (!hls->outlive && !ngx_http_bell_signed_is(&value, "off")) {
            goto invalid;
        }

        return NGX_CONF_OK;
    }

    /* Google's tokens say nothing of the kind */

    if (hls->issuer->kind->hls != BELL_HLS_GOOGLE_CDN) {

        if (ngx_http_bell_signed_is(&name, "subject")) {
            return ngx_http_bell_signed_hls_text(cf, &value, &hls->subject);
        }

        if (ngx_http_bell_signed_is(&name, "data")) {
            return ngx_http_bell_signed_hls_text(cf, &value, &hls->data);
        }
    }

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V\" says nothing to %s%s", arg,
                       hls->issuer ? "issuers of kind " : "\"inherit\"",
                       hls->issuer ? hls->issuer->kind->name : "");

    return NGX_CONF_ERROR;
}


static char *
ngx_http_bell_signed_hls_text(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t **text)
{
    ngx_http_compile_complex_value_t  ccv;

    *text = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (*text == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = *text;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}
