
/*
 * nginx's own secure links, as kinds of issuers.
 */

#ifndef _NGX_HTTP_BELL_SIGNED_LINK_H_INCLUDED_
#define _NGX_HTTP_BELL_SIGNED_LINK_H_INCLUDED_


#include "ngx_http_bell_signed.h"


#pragma GCC visibility push(hidden)


#define NGX_HTTP_BELL_SIGNED_LINK_NAMES  4


/* of "secure-link"; zeros before it is configured */

typedef struct {
    ngx_http_complex_value_t  *link;    /* of "secure_link" */
    ngx_http_complex_value_t  *text;    /* of "secure_link_md5" */

    /* found in them */

    bell_str                   params[NGX_HTTP_BELL_SIGNED_LINK_NAMES];
    size_t                     nparams;
    bell_str                   cookies[NGX_HTTP_BELL_SIGNED_LINK_NAMES];
    size_t                     ncookies;
    bool                       served_path;
    bool                       has_secret;
} ngx_http_bell_signed_link_t;


/* Both are options; NGX_ERROR: they cannot be read. */
ngx_int_t ngx_http_bell_signed_set_link(ngx_conf_t *cf,
    ngx_http_bell_signed_link_t *link, ngx_str_t *value);
ngx_int_t ngx_http_bell_signed_set_link_text(ngx_conf_t *cf,
    ngx_http_bell_signed_link_t *link, ngx_str_t *value);

/* Behind all options: NGX_ERROR, with a line, when something is missing. */
ngx_int_t ngx_http_bell_signed_link_ready(ngx_conf_t *cf,
    ngx_http_bell_signed_issuer_t *issuer);

bell_signed_reason ngx_http_bell_signed_link_check(
    const bell_signed_call *call, const void *options,
    bell_signed_result *out);
ngx_uint_t ngx_http_bell_signed_link_cookies(const void *options,
    bell_str *names);

/* "/PREFIX/HASH/LINK" and a secret */
bell_signed_reason ngx_http_bell_signed_link_secret_check(
    const bell_signed_call *call, const void *options,
    bell_signed_result *out);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_SIGNED_LINK_H_INCLUDED_ */
