
/*
 * What this module counts.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_purge.h"
#include "ngx_http_bell_cache_shelf.h"


static void ngx_http_bell_cache_collect(ngx_cycle_t *cycle,
    ngx_http_bell_sink_t *sink, void *data);
static void ngx_http_bell_cache_collect_files(
    ngx_http_bell_cache_main_conf_t *bmcf, ngx_http_bell_sink_t *sink);


/* in the order of ngx_http_bell_cache_metric_e */

static const char  *ngx_http_bell_cache_words[] = {
    "hit",
    "stale",
    "miss",
    "collapsed",
    "revalidated",
    "bypass",
    "method",
    "uncacheable",
    "full",
    "error",
    "refused"
};


const char *
ngx_http_bell_cache_word(ngx_http_bell_cache_metric_e metric)
{
    return ngx_http_bell_cache_words[metric];
}


ngx_int_t
ngx_http_bell_cache_add_metrics(ngx_conf_t *cf,
    ngx_http_bell_cache_main_conf_t *bmcf)
{
    ngx_uint_t                  i;
    ngx_http_bell_metric_def_t  def;

    for (i = 0; i < NGX_HTTP_BELL_CACHE_METRICS; i++) {
        def.name = "firstbell_cache_requests_total";
        def.label = "result";
        def.value = ngx_http_bell_cache_words[i];
        def.type = NGX_HTTP_BELL_COUNTER;
        def.help = i ? NULL : "Requests where bell_cache is on, by what the "
                              "cache did with them.";

        bmcf->requests[i] = bmcf->core->add_metric(cf, &def);
        if (bmcf->requests[i] == NULL) {
            return NGX_ERROR;
        }
    }

    def.name = "firstbell_cache_fetches_total";
    def.label = NULL;
    def.value = NULL;
    def.help = "Requests of the edge's own that fetched for the cache.";

    bmcf->fetches = bmcf->core->add_metric(cf, &def);

    return bmcf->fetches
           && bmcf->core->add_collector(cf, ngx_http_bell_cache_collect, bmcf)
              == NGX_OK
           ? NGX_OK : NGX_ERROR;
}


/* What zones hold; each figure is right for itself. */

static void
ngx_http_bell_cache_collect(ngx_cycle_t *cycle, ngx_http_bell_sink_t *sink,
    void *data)
{
    static const char  *names[] = {
        "firstbell_cache_objects",
        "firstbell_cache_bytes",
        "firstbell_cache_fetches_now",
        "firstbell_cache_fetches_waiting",
        "firstbell_cache_fetches_refused_total",
        "firstbell_cache_begun_anew",
        "firstbell_cache_purges_seen",
        "firstbell_cache_purges_erased"
    };

    static const char  *helps[] = {
        "Entries that a zone holds.",
        "Bytes of a zone's chunks that its entries have.",
        "Fetches that others can join now.",
        "Fetches that wait for a place, by bell_cache_fetches.",
        "Fetches that were not begun, because too many waited or too long.",
        "Times that a zone was laid out.",
        "Number of the last purge of the feed that a zone knows of.",
        "Number up to which what was purged hard has left a zone's memory and "
        "files."
    };

    int64_t                           values[8];
    ngx_uint_t                        i, j;
    ngx_http_bell_label_t             label;
    ngx_http_bell_cache_zone_t      **zones;
    ngx_http_bell_cache_shared_t     *sh;
    ngx_http_bell_cache_main_conf_t  *bmcf;

    bmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_bell_cache_module);
    zones = bmcf->zones.elts;

    for (j = 0; bmcf->zones.nelts && j < 8; j++) {
        sink->family(sink, names[j],
                     j == 4 ? NGX_HTTP_BELL_COUNTER : NGX_HTTP_BELL_GAUGE,
                     helps[j]);

        for (i = 0; i < bmcf->zones.nelts; i++) {
            sh = zones[i]->sh;

            values[0] = bell_cache_index_count(sh->index);
            values[1] = bell_cache_index_bytes(sh->index);
            values[2] = sh->flying;
            values[3] = bell_places_waiting(sh->places);
            values[4] = (int64_t) sh->refused;
            values[5] = sh->layouts;
            values[6] = (int64_t) ngx_http_bell_cache_purge_seen(zones[i]);
            values[7] = (int64_t) ngx_http_bell_cache_erased(zones[i]);

            label.name = "zone";
            label.value = zones[i]->shm_zone->shm.name;

            sink->sample(sink, &label, 1, values[j], 0);
        }
    }

    ngx_http_bell_cache_collect_files(bmcf, sink);
}


static void
ngx_http_bell_cache_collect_files(ngx_http_bell_cache_main_conf_t *bmcf,
    ngx_http_bell_sink_t *sink)
{
    static const char  *names[] = {
        "firstbell_cache_files",
        "firstbell_cache_file_bytes",
        "firstbell_cache_files_evicted_total",
        "firstbell_cache_file_failures_total",
        "firstbell_cache_file_index_bytes"
    };

    static const char  *helps[] = {
        "Objects that a zone has in files.",
        "Bytes of a zone's files, and of those that are being written.",
        "Files that went because others needed their room.",
        "Files that could not be read or written, or were not what they "
        "should be.",
        "Memory of a zone that its index of files takes, for as many as it may "
        "have."
    };

    int64_t                               values[5];
    ngx_uint_t                            i, j, told;
    ngx_http_bell_label_t                 label;
    ngx_http_bell_cache_zone_t          **zones;
    ngx_http_bell_cache_shelf_shared_t   *sh;

    zones = bmcf->zones.elts;

    for (j = 0; j < 5; j++) {
        told = 0;

        for (i = 0; i < bmcf->zones.nelts; i++) {
            sh = zones[i]->sh->shelf;

            if (sh == NULL) {
                continue;
            }

            values[0] = bell_cache_index_count(sh->index);
            values[1] = bell_cache_index_bytes(sh->index) + sh->promised;
            values[2] = sh->evicted;
            values[3] = sh->failures;
            values[4] = ngx_http_bell_cache_shelf_size(zones[i]->shelf,
                                                       zones[i]->tenants);

            label.name = "zone";
            label.value = zones[i]->shm_zone->shm.name;

            if (!told++) {
                sink->family(sink, names[j],
                             j == 2 || j == 3 ? NGX_HTTP_BELL_COUNTER
                                              : NGX_HTTP_BELL_GAUGE, helps[j]);
            }

            sink->sample(sink, &label, 1, values[j], 0);
        }
    }
}
