
/*
 * A request of the edge's own: what a client has asked for is fetched through
 * the same location's handler, on a connection that leads nowhere, so that it
 * goes on whether the client stays or not, and holds nothing of his.
 */

#ifndef _NGX_HTTP_BELL_CACHE_FETCH_H_INCLUDED_
#define _NGX_HTTP_BELL_CACHE_FETCH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_core.h"


#pragma GCC visibility push(hidden)


typedef struct ngx_http_bell_cache_fetch_s  ngx_http_bell_cache_fetch_t;


/*
 * Who is told of what comes.  head() once, when r->headers_out and the
 * upstream's own header are there; body() of each piece, of which it says how
 * much it has taken, the rest is shown again when ..._more() is called; done()
 * at last, in any case.  NGX_ERROR from one of the former ends the fetch.
 * "whole": all has come that the origin had to say.
 */

typedef struct {
    ngx_int_t  (*head)(ngx_http_bell_cache_fetch_t *fetch,
        ngx_http_request_t *r);
    ssize_t    (*body)(ngx_http_bell_cache_fetch_t *fetch, u_char *p,
        size_t len);
    void       (*done)(ngx_http_bell_cache_fetch_t *fetch, ngx_uint_t whole);
} ngx_http_bell_cache_sink_t;


struct ngx_http_bell_cache_fetch_s {
    const ngx_http_bell_cache_sink_t  *sink;
    void                              *data;    /* the sink's */

    ngx_http_request_t                *request;
    ngx_http_upstream_t               *upstream;    /* who was asked first */
    ngx_chain_t                       *held;    /* what was not taken yet */
    ngx_int_t                        (*process_header)(ngx_http_request_t *r);
    ngx_int_t                        (*reinit_request)(ngx_http_request_t *r);

    unsigned                           last:1;  /* of the body has come */
    unsigned                           failed:1;
};


/*
 * Makes one, which begins when it is told to, behind the turn of the loop:
 * nothing is told before it returns.  "fetch" lives until done() returns.  Fields whose
 * names "drops" says yes to are not sent; those of "adds" (of n) are.
 *
 *     NGX_OK        done() will be called
 *     NGX_DECLINED  no connection is free, and it will not
 *     NGX_ERROR     no memory, likewise
 */

typedef ngx_uint_t (*ngx_http_bell_cache_drops_pt)(ngx_str_t *name);

ngx_int_t ngx_http_bell_cache_fetch(ngx_http_request_t *client,
    const ngx_http_bell_core_api_t *core, ngx_http_bell_cache_drops_pt drops,
    ngx_table_elt_t *adds, ngx_uint_t n, ngx_http_bell_cache_fetch_t *fetch);

void ngx_http_bell_cache_fetch_begin(ngx_http_bell_cache_fetch_t *fetch);

/* Behind the turn of the loop, too: what is held is shown again. */

void ngx_http_bell_cache_fetch_more(ngx_http_bell_cache_fetch_t *fetch);

/* Likewise: it ends, whatever is to come. */

void ngx_http_bell_cache_fetch_abort(ngx_http_bell_cache_fetch_t *fetch);

/* NULL: this request is not a fetch, or has told its end. */

ngx_http_bell_cache_fetch_t *ngx_http_bell_cache_fetch_of(
    ngx_http_request_t *r);

/*
 * Of one that has a head: who was asked has answered, and has not led it to
 * another upstream (X-Accel-Redirect), whose words are not his.
 */

ngx_uint_t ngx_http_bell_cache_fetch_is_direct(ngx_http_request_t *r);

/* For the filters. */

ngx_int_t ngx_http_bell_cache_fetch_header(ngx_http_request_t *r,
    ngx_http_bell_cache_fetch_t *fetch);
ngx_int_t ngx_http_bell_cache_fetch_body(ngx_http_request_t *r,
    ngx_http_bell_cache_fetch_t *fetch, ngx_chain_t *in);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_CACHE_FETCH_H_INCLUDED_ */
