
/*
 * Options of an issuer: what its kind has of them, and how their values are
 * read into the options of its verifier.
 */

#ifndef _NGX_HTTP_BELL_SIGNED_OPTIONS_H_INCLUDED_
#define _NGX_HTTP_BELL_SIGNED_OPTIONS_H_INCLUDED_


#include "ngx_http_bell_signed.h"


#pragma GCC visibility push(hidden)


#define NGX_HTTP_BELL_SIGNED_FLAG       1   /* bool: on, off */
#define NGX_HTTP_BELL_SIGNED_TEXT       2   /* bell_str */
#define NGX_HTTP_BELL_SIGNED_TIME       3   /* int64_t, seconds */
#define NGX_HTTP_BELL_SIGNED_SECONDS    4   /* unsigned */
#define NGX_HTTP_BELL_SIGNED_LOCATION   5   /* bell_akamai_location */
#define NGX_HTTP_BELL_SIGNED_ALGORITHM  6   /* bell_signed_alg of MACs; goes
                                               for the issuer's secrets, too */
#define NGX_HTTP_BELL_SIGNED_SECRETS    ((size_t) -1)  /* for them alone */
#define NGX_HTTP_BELL_SIGNED_FILE       7   /* bell_str: a secret */
#define NGX_HTTP_BELL_SIGNED_AUDIENCE   8   /* a list of bell_str, and how
                                               many; one more each time */
#define NGX_HTTP_BELL_SIGNED_LINK       9   /* the two of a secure link */
#define NGX_HTTP_BELL_SIGNED_LINK_TEXT  10
#define NGX_HTTP_BELL_SIGNED_OPENS      11  /* ID:FILE, read with other keys */
#define NGX_HTTP_BELL_SIGNED_OPENS_USE  12  /* the issuer's private_use */


/* NGX_DECLINED: the kind has no such option. */
ngx_int_t ngx_http_bell_signed_set_option(ngx_conf_t *cf,
    ngx_http_bell_signed_issuer_t *issuer, ngx_str_t *name, ngx_str_t *value);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_SIGNED_OPTIONS_H_INCLUDED_ */
