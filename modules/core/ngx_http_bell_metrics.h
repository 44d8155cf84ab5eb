
/*
 * The metrics registry: what modules count, in shared memory.
 *
 * A metric's cells are found by its name and label, so that a reload, also
 * one with other modules, goes on where the former configuration was.  Each
 * metric has a cell a row, and workers share rows only when there are more of
 * them than rows: an addition is atomic, because the workers of two
 * generations have the same numbers, but hardly ever meets another one.
 */

#ifndef _NGX_HTTP_BELL_METRICS_H_INCLUDED_
#define _NGX_HTTP_BELL_METRICS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_core.h"


#pragma GCC visibility push(hidden)


/* what core itself counts: requests that it let nobody see */

typedef enum {
    NGX_HTTP_BELL_REFUSED_NO_DIRECTORY,
    NGX_HTTP_BELL_REFUSED_UNKNOWN_HOST,
    NGX_HTTP_BELL_REFUSED_MISDIRECTED,
    NGX_HTTP_BELL_REFUSED_SUSPENDED,
    NGX_HTTP_BELL_REFUSED_READ_ONLY,
    NGX_HTTP_BELL_REFUSED_N
} ngx_http_bell_refused_e;


typedef struct ngx_http_bell_metrics_s  ngx_http_bell_metrics_t;


/* of a configuration, with its zone; NULL: no memory */
ngx_http_bell_metrics_t *ngx_http_bell_metrics_create(ngx_conf_t *cf);

/* core's own metrics; NGX_ERROR has been logged */
ngx_int_t ngx_http_bell_metrics_add_own(ngx_conf_t *cf);

void ngx_http_bell_count_refused(ngx_http_request_t *r,
    ngx_http_bell_refused_e why);

/* what the table calls so */
ngx_http_bell_metric_t *ngx_http_bell_add_metric(ngx_conf_t *cf,
    const ngx_http_bell_metric_def_t *def);
ngx_int_t ngx_http_bell_add_collector(ngx_conf_t *cf,
    ngx_http_bell_collect_pt collect, void *data);
void ngx_http_bell_count(ngx_http_bell_metric_t *metric, ngx_int_t n);
void ngx_http_bell_gauge(ngx_http_bell_metric_t *metric, int64_t value);
void ngx_http_bell_collect(ngx_cycle_t *cycle, ngx_http_bell_sink_t *sink);

/* core's and the directory's part of that */
void ngx_http_bell_collect_own(ngx_cycle_t *cycle,
    ngx_http_bell_sink_t *sink);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_METRICS_H_INCLUDED_ */
