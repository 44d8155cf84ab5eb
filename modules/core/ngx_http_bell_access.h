
/*
 * The rooms that a request passes before it is answered (who asks, limits):
 * one handler of nginx's access phase that walks what other modules have
 * added, in the order of the rooms.  nginx's own order would be that of
 * load_module, backwards.
 */

#ifndef _NGX_HTTP_BELL_ACCESS_H_INCLUDED_
#define _NGX_HTTP_BELL_ACCESS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_core.h"


#pragma GCC visibility push(hidden)


#define NGX_HTTP_BELL_ACCESS_MAX  16


typedef struct {
    ngx_uint_t             nelts;
    ngx_uint_t             rooms[NGX_HTTP_BELL_ACCESS_MAX]; /* ascending */
    ngx_http_handler_pt    handlers[NGX_HTTP_BELL_ACCESS_MAX];
} ngx_http_bell_access_t;


/* what the table calls access */
ngx_int_t ngx_http_bell_access_add(ngx_conf_t *cf, ngx_uint_t room,
    ngx_http_handler_pt handler);

/* for core's postconfiguration handler */
ngx_int_t ngx_http_bell_access_init(ngx_conf_t *cf);

/* of core's main configuration */
ngx_http_bell_access_t *ngx_http_bell_access_conf(void **main_conf);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_ACCESS_H_INCLUDED_ */
