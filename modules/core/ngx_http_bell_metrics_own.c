
/*
 * What core itself tells of an edge: requests that it refused, the directory
 * and its feed.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_core_conf.h"


typedef struct {
    const char               *name;
    ngx_http_bell_metric_e    type;
    const char               *help;
    size_t                    offset;       /* of an uint64_t */
} ngx_http_bell_own_counter_t;


static void ngx_http_bell_tell(ngx_http_bell_sink_t *sink, const char *name,
    ngx_http_bell_metric_e type, const char *help, int64_t value,
    ngx_uint_t digits);
static void ngx_http_bell_tell_info(ngx_http_bell_sink_t *sink);
static void ngx_http_bell_tell_counters(ngx_http_bell_sink_t *sink,
    ngx_http_bell_counters_t *counters);


static const ngx_http_bell_metric_def_t  ngx_http_bell_refused[] = {

    { "firstbell_core_refused_requests_total", "outcome", "no-directory",
      NGX_HTTP_BELL_COUNTER,
      "Requests that were answered by core in place of a tenant." },

    { "firstbell_core_refused_requests_total", "outcome", "unknown-host",
      NGX_HTTP_BELL_COUNTER, NULL },

    { "firstbell_core_refused_requests_total", "outcome", "misdirected",
      NGX_HTTP_BELL_COUNTER, NULL },

    { "firstbell_core_refused_requests_total", "outcome", "suspended",
      NGX_HTTP_BELL_COUNTER, NULL },

    { "firstbell_core_refused_requests_total", "outcome", "read-only",
      NGX_HTTP_BELL_COUNTER, NULL }
};


static const ngx_http_bell_own_counter_t  ngx_http_bell_own_counters[] = {

    { "firstbell_directory_snapshots_total", NGX_HTTP_BELL_COUNTER,
      "Snapshots of the directory that came in service.",
      offsetof(ngx_http_bell_counters_t, snapshots) },

    { "firstbell_directory_deltas_total", NGX_HTTP_BELL_COUNTER,
      "Deltas of the directory that came in service.",
      offsetof(ngx_http_bell_counters_t, deltas) },

    { "firstbell_directory_refused_documents_total", NGX_HTTP_BELL_COUNTER,
      "Snapshots and deltas that were refused: torn, not signed by a key of "
      "this edge, impossible, or without room.",
      offsetof(ngx_http_bell_counters_t, refused) },

    { "firstbell_directory_gaps_total", NGX_HTTP_BELL_COUNTER,
      "Deltas that led from a version which this edge had not reached.",
      offsetof(ngx_http_bell_counters_t, gaps) },

    { "firstbell_directory_copies_total", NGX_HTTP_BELL_COUNTER,
      "Times that a whole image was copied before it was changed.",
      offsetof(ngx_http_bell_counters_t, copies) },

    { "firstbell_directory_takeovers_total", NGX_HTTP_BELL_COUNTER,
      "Workers that took the feed from Redis over.",
      offsetof(ngx_http_bell_counters_t, feeders) },

    { "firstbell_directory_redis_connects_total", NGX_HTTP_BELL_COUNTER,
      "Connections to Redis that were made.",
      offsetof(ngx_http_bell_counters_t, redis_connects) },

    { "firstbell_directory_redis_failures_total", NGX_HTTP_BELL_COUNTER,
      "Connections to Redis that failed, or were lost.",
      offsetof(ngx_http_bell_counters_t, redis_failures) },

    { "firstbell_directory_state_failures_total", NGX_HTTP_BELL_COUNTER,
      "Times that the state could not be written to disk.",
      offsetof(ngx_http_bell_counters_t, state_failures) },

    { "firstbell_directory_clock_wrong_total", NGX_HTTP_BELL_COUNTER,
      "Times that this machine's clock was found far from that of Redis.",
      offsetof(ngx_http_bell_counters_t, clock_wrong) },

    { "firstbell_directory_clock_ahead_seconds", NGX_HTTP_BELL_GAUGE,
      "How far this machine's clock was ahead of that of Redis, at last.",
      offsetof(ngx_http_bell_counters_t, clock_ahead_s) },

    { "firstbell_directory_changed_timestamp_seconds", NGX_HTTP_BELL_GAUGE,
      "When the directory changed last, as Unix time; 0: not yet.",
      offsetof(ngx_http_bell_counters_t, changed_s) }
};


ngx_int_t
ngx_http_bell_metrics_add_own(ngx_conf_t *cf)
{
    ngx_uint_t                       i;
    ngx_http_bell_core_main_conf_t  *bmcf;

    bmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_core_module);

    for (i = 0; i < NGX_HTTP_BELL_REFUSED_N; i++) {
        bmcf->refused[i] = ngx_http_bell_add_metric(cf,
                                                    &ngx_http_bell_refused[i]);
        if (bmcf->refused[i] == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_http_bell_count_refused(ngx_http_request_t *r,
    ngx_http_bell_refused_e why)
{
    ngx_http_bell_core_main_conf_t  *bmcf;

    bmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_core_module);

    ngx_http_bell_count(bmcf->refused[why], 1);
}


void
ngx_http_bell_collect_own(ngx_cycle_t *cycle, ngx_http_bell_sink_t *sink)
{
    ngx_http_bell_directory_t         *d;
    ngx_http_bell_directory_status_t   status;

    ngx_http_bell_tell_info(sink);

    d = ngx_http_bell_cycle_directory(cycle);

    if (d == NULL) {
        return;
    }

    ngx_memzero(&status, sizeof(ngx_http_bell_directory_status_t));
    ngx_http_bell_directory_status(d, &status);

    ngx_http_bell_tell(sink, "firstbell_directory_version",
                       NGX_HTTP_BELL_GAUGE,
                       "The version in service, 0: none.",
                       status.version, 0);

    ngx_http_bell_tell(sink, "firstbell_directory_tenants",
                       NGX_HTTP_BELL_GAUGE, "Tenants of that version.",
                       status.tenants, 0);

    ngx_http_bell_tell(sink, "firstbell_directory_fill_ratio",
                       NGX_HTTP_BELL_GAUGE,
                       "How much of its half of the zone that version takes.",
                       status.fill_percent, 2);

    ngx_http_bell_tell(sink, "firstbell_directory_dropped_revocations",
                       NGX_HTTP_BELL_GAUGE,
                       "Revocations that it has no room for: those sessions "
                       "live until they expire. Make the zone larger.",
                       status.revoked_dropped, 0);

    ngx_http_bell_tell(sink, "firstbell_directory_feeder_pid",
                       NGX_HTTP_BELL_GAUGE,
                       "The worker that reads Redis; 0: none, or the directory "
                       "comes from a file.",
                       status.feeder, 0);

    ngx_http_bell_tell(sink, "firstbell_directory_unchanged_seconds",
                       NGX_HTTP_BELL_GAUGE,
                       "Time since the directory changed last.",
                       status.counters.changed_s
                           ? ngx_max(0, ngx_time() - status.counters.changed_s)
                           : 0,
                       0);

    ngx_http_bell_tell_counters(sink, &status.counters);
}


static void
ngx_http_bell_tell_info(ngx_http_bell_sink_t *sink)
{
    u_char                 version[NGX_INT_T_LEN];
    ngx_http_bell_label_t  labels[2];

    labels[0].name = "nginx";
    ngx_str_set(&labels[0].value, NGINX_VERSION);

    labels[1].name = "core";
    labels[1].value.data = version;
    labels[1].value.len = ngx_sprintf(version, "%ui",
                                      (ngx_uint_t) NGX_HTTP_BELL_CORE_VERSION)
                          - version;

    sink->family(sink, "firstbell_core_info", NGX_HTTP_BELL_GAUGE,
                 "Always 1: the versions of nginx and of core's functions.");
    sink->sample(sink, labels, 2, 1, 0);
}


static void
ngx_http_bell_tell_counters(ngx_http_bell_sink_t *sink,
    ngx_http_bell_counters_t *counters)
{
    size_t                              n, i;
    const ngx_http_bell_own_counter_t  *c;

    c = ngx_http_bell_own_counters;
    n = sizeof(ngx_http_bell_own_counters)
        / sizeof(ngx_http_bell_own_counter_t);

    for (i = 0; i < n; i++) {
        ngx_http_bell_tell(sink, c[i].name, c[i].type, c[i].help,
                           *(int64_t *) ((char *) counters + c[i].offset), 0);
    }
}


static void
ngx_http_bell_tell(ngx_http_bell_sink_t *sink, const char *name,
    ngx_http_bell_metric_e type, const char *help, int64_t value,
    ngx_uint_t digits)
{
    sink->family(sink, name, type, help);
    sink->sample(sink, NULL, 0, value, digits);
}
