
/*
 * What a fetch takes over from the request of the client who began it.
 */

#ifndef _NGX_HTTP_BELL_CACHE_COPY_H_INCLUDED_
#define _NGX_HTTP_BELL_CACHE_COPY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_fetch.h"


#pragma GCC visibility push(hidden)


/* NGX_OK, or NGX_ERROR: no memory. */

ngx_int_t ngx_http_bell_cache_copy_request(ngx_http_request_t *r,
    ngx_http_request_t *client, ngx_http_bell_cache_drops_pt drops);
ngx_int_t ngx_http_bell_cache_copy_field(ngx_http_request_t *r,
    ngx_table_elt_t *from);
ngx_int_t ngx_http_bell_cache_copy_context(ngx_http_request_t *r,
    ngx_http_request_t *client, const ngx_http_bell_core_api_t *core);

/* With a NUL behind; "to" may be "from". */
ngx_int_t ngx_http_bell_cache_copy(ngx_pool_t *pool, ngx_str_t *to,
    ngx_str_t *from);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_CACHE_COPY_H_INCLUDED_ */
