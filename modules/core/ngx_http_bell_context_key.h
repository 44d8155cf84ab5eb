
/*
 * The edge's key, and the header by which it tells the origin which request
 * it passes on: lua-free/bell_context.h.
 */

#ifndef _NGX_HTTP_BELL_CONTEXT_KEY_H_INCLUDED_
#define _NGX_HTTP_BELL_CONTEXT_KEY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "bell_context.h"


#pragma GCC visibility push(hidden)


typedef struct {
    bell_context_key  *key;
    ngx_int_t          request_id;  /* index of $request_id */
} ngx_http_bell_context_key_t;


/*
 * "bell_context_key FILE": a slot of the configuration, which holds a pointer
 * to ngx_http_bell_context_key_t.
 */
char *ngx_http_bell_context_key(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* $bell_context */
ngx_int_t ngx_http_bell_signed_context_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

/* NULL: "bell_context_key" is not configured */
ngx_http_bell_context_key_t *ngx_http_bell_request_key(ngx_http_request_t *r);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_CONTEXT_KEY_H_INCLUDED_ */
