
/*
 * The processes of an edge, those of a former configuration among them: each
 * has a slot, by which the others know whether it lives, and wake it.
 */

#ifndef _NGX_HTTP_BELL_PROCESS_H_INCLUDED_
#define _NGX_HTTP_BELL_PROCESS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_bell_core.h"


#pragma GCC visibility push(hidden)


/* In the master, before it forks for the first time: slots for all of them. */

ngx_int_t ngx_http_bell_processes_create(ngx_log_t *log);

/* In a worker: takes a slot; without a free one it has none, and that is said. */

ngx_int_t ngx_http_bell_process_enter(ngx_cycle_t *cycle);
void ngx_http_bell_process_leave(void);

ngx_int_t ngx_http_bell_process_on_wake(ngx_conf_t *cf,
    ngx_http_bell_wake_pt handler, void *data);
ngx_http_bell_process_t ngx_http_bell_process_self(void);
ngx_uint_t ngx_http_bell_process_lives(ngx_http_bell_process_t process);
void ngx_http_bell_process_wake(ngx_uint_t slot);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_PROCESS_H_INCLUDED_ */
