
/*
 * A store on nginx's event loop: what core's table has of bell_redis.h.
 */

#ifndef _NGX_HTTP_BELL_STORE_H_INCLUDED_
#define _NGX_HTTP_BELL_STORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_core.h"


#pragma GCC visibility push(hidden)


char *ngx_http_bell_store_parse(ngx_conf_t *cf,
    ngx_http_bell_store_conf_t *conf);

ngx_http_bell_store_t *ngx_http_bell_store_open(
    ngx_http_bell_store_conf_t *conf, ngx_log_t *log,
    ngx_http_bell_store_turned_pt turned, void *data);
void ngx_http_bell_store_close(ngx_http_bell_store_t *store);

const char *ngx_http_bell_store_command(ngx_http_bell_store_t *store,
    const bell_redis_call *call);
const char *ngx_http_bell_store_eval(ngx_http_bell_store_t *store,
    const bell_redis_script *script, const bell_redis_call *call);
bell_redis_channel *ngx_http_bell_store_listen(ngx_http_bell_store_t *store,
    bell_str name, bell_redis_listener listener, void *data);
void ngx_http_bell_store_status(ngx_http_bell_store_t *store,
    bell_redis_status *status);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_STORE_H_INCLUDED_ */
