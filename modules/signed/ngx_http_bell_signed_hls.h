
/*
 * Playlists whose URIs are given tokens: what hls (headers), hls_body and
 * hls_conf (the directive) share.
 */

#ifndef _NGX_HTTP_BELL_SIGNED_HLS_H_INCLUDED_
#define _NGX_HTTP_BELL_SIGNED_HLS_H_INCLUDED_


#include "ngx_http_bell_signed.h"
#include "bell_hls.h"


#pragma GCC visibility push(hidden)


/*
 * A module of its own, because the body is wanted behind nginx's copy filter,
 * which reads files, and in front of gzip; headers are wanted before those
 * that answer 304 and 206.
 */

extern ngx_module_t  ngx_http_bell_signed_hls_module;


struct ngx_http_bell_signed_hls_s {
    ngx_http_bell_signed_issuer_t  *issuer;     /* NULL: "inherit" */
    time_t                          lifetime_s;
    ngx_http_complex_value_t       *subject;    /* NULL: that of the token that
                                                   came with the request */
    ngx_http_complex_value_t       *data;       /* likewise */
    ngx_str_t                       below;      /* empty: all of the host */
    ngx_flag_t                      outlive;
};


/* a context of ngx_http_bell_signed_hls_module: there is one, it is rewritten */

typedef struct {
    ngx_http_bell_signed_hls_t     *conf;
    ngx_str_t                       key;        /* its id */
    ngx_chain_t                    *in;
    ngx_chain_t                    *out;
    ngx_chain_t                   **last_out;
    ngx_chain_t                    *free;
    ngx_chain_t                    *busy;
    ngx_buf_t                      *buf;        /* the last of "out" */
    ngx_uint_t                      nbufs;
    unsigned                        counted;    /* of m3u8.changed */
    unsigned                        long_lines; /* of m3u8.long_lines */
    unsigned                        unflushed:1;
    bell_hls                        hls;
    bell_m3u8                       m3u8;
} ngx_http_bell_signed_hls_ctx_t;


/* The issuer's key of that id, or any, as it is now; *until_s as of
 * bell_hls_choose_key().  NULL: there is none that counts for the host. */

const bell_signed_key *ngx_http_bell_signed_hls_key(ngx_http_request_t *r,
    ngx_http_bell_signed_issuer_t *issuer, ngx_str_t *id, int64_t *until_s);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_SIGNED_HLS_H_INCLUDED_ */
