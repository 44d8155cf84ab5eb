
/*
 * The texts of the status module: all figures of the edge as JSON or for
 * Prometheus, as a chain of buffers that grows with them.
 */

#ifndef _NGX_HTTP_BELL_STATUS_H_INCLUDED_
#define _NGX_HTTP_BELL_STATUS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_core.h"


#pragma GCC visibility push(hidden)


/* of a whole text; what passes it is an error, never cut */
#define NGX_HTTP_BELL_STATUS_MAX  (8 * 1024 * 1024)


typedef enum {
    NGX_HTTP_BELL_STATUS_PROMETHEUS = 1,
    NGX_HTTP_BELL_STATUS_JSON = 2
} ngx_http_bell_status_format_e;


/*
 * All figures in that format; the chain is of the pool, its last buffer is
 * marked so, *size is that of the text in bytes.  NULL: no memory, or more
 * than NGX_HTTP_BELL_STATUS_MAX, which the log says.
 */
ngx_chain_t *ngx_http_bell_status_text(ngx_pool_t *pool, ngx_log_t *log,
    const ngx_http_bell_core_api_t *core,
    ngx_http_bell_status_format_e format, size_t *size);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_STATUS_H_INCLUDED_ */
