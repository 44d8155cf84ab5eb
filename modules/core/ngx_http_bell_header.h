
/*
 * Headers that a client sent, and those of them that go no further.
 */

#ifndef _NGX_HTTP_BELL_HEADER_H_INCLUDED_
#define _NGX_HTTP_BELL_HEADER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Elements cannot be taken out of the list, others point into it.  So the
 * header becomes an empty one of the connection itself: proxy_pass and
 * grpc_pass do not send it on, and to FastCGI and its like it says nothing.
 */

static ngx_inline void
ngx_http_bell_drop_header(ngx_table_elt_t *h)
{
    static u_char  name[] = "keep-alive";

    h->key.data = name;
    h->key.len = sizeof(name) - 1;
    h->lowcase_key = name;
    h->hash = ngx_hash_key(name, sizeof(name) - 1);

    ngx_str_set(&h->value, "");
}


static ngx_inline ngx_uint_t
ngx_http_bell_has_cookies(ngx_http_request_t *r)
{
#if (nginx_version >= 1023000)
    return r->headers_in.cookie != NULL;
#else
    return r->headers_in.cookies.nelts != 0;
#endif
}


#endif /* _NGX_HTTP_BELL_HEADER_H_INCLUDED_ */
