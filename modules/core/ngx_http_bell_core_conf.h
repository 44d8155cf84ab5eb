
/*
 * Core's main configuration, for its own files.
 */

#ifndef _NGX_HTTP_BELL_CORE_CONF_H_INCLUDED_
#define _NGX_HTTP_BELL_CORE_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_access.h"
#include "ngx_http_bell_context.h"
#include "ngx_http_bell_context_key.h"
#include "ngx_http_bell_directory_feed.h"
#include "ngx_http_bell_metrics.h"


typedef struct {
    ngx_http_bell_directory_t    *directory;    /* NULL: not configured */
    ngx_http_bell_context_key_t  *context_key;  /* likewise */
    ngx_http_bell_redis_conf_t   *redis;        /* likewise */
    ngx_http_bell_metrics_t      *metrics;
    ngx_http_bell_access_t        access;
    ngx_http_bell_metric_t       *refused[NGX_HTTP_BELL_REFUSED_N];
    ngx_array_t                   wakers;       /* of ngx_http_bell_process.c */
} ngx_http_bell_core_main_conf_t;


#endif /* _NGX_HTTP_BELL_CORE_CONF_H_INCLUDED_ */
