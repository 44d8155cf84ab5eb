
/*
 * What operators are told of places: who has them, who waits, who had to go.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_fair.h"


/* tenants that are shown of a pool */
#define NGX_HTTP_BELL_FAIR_TOP  20


/* A pool as it is at the moment. */

typedef struct {
    bell_fair_figures                figures;
    size_t                           len;
    u_char                           name[NGX_HTTP_BELL_FAIR_NAME];
} ngx_http_bell_fair_seen_t;


typedef struct {
    const char                      *name;
    const char                      *help;
    size_t                           offset;    /* of bell_fair_figures */
} ngx_http_bell_fair_gauge_t;


static void ngx_http_bell_fair_collect(ngx_cycle_t *cycle,
    ngx_http_bell_sink_t *sink, void *data);
static void ngx_http_bell_fair_collect_requests(
    ngx_http_bell_fair_main_conf_t *fmcf, ngx_http_bell_sink_t *sink);
static ngx_uint_t ngx_http_bell_fair_see(ngx_http_bell_fair_main_conf_t *fmcf,
    ngx_uint_t n, ngx_http_bell_fair_seen_t *seen);
static void ngx_http_bell_fair_write_pool(bell_json *j,
    ngx_http_bell_fair_seen_t *seen);
static void ngx_http_bell_fair_write_tenants(bell_json *j,
    bell_fair_tenant *tenants, ngx_uint_t n);


static ngx_http_bell_fair_gauge_t  ngx_http_bell_fair_gauges[] = {

    { "firstbell_fair_places",
      "Requests that a pool can have at a time, said or found out.",
      offsetof(bell_fair_figures, places) },

    { "firstbell_fair_places_taken",
      "Requests that have a place at a pool.",
      offsetof(bell_fair_figures, taken) },

    { "firstbell_fair_requests_waiting",
      "Requests that wait for a place at a pool.",
      offsetof(bell_fair_figures, waiting) },

    { NULL, NULL, 0 }
};


ngx_int_t
ngx_http_bell_fair_add_metrics(ngx_conf_t *cf,
    ngx_http_bell_fair_main_conf_t *fmcf)
{
    return fmcf->core->add_collector(cf, ngx_http_bell_fair_collect, NULL);
}


static void
ngx_http_bell_fair_collect(ngx_cycle_t *cycle, ngx_http_bell_sink_t *sink,
    void *data)
{
    uint32_t                        *value;
    ngx_uint_t                       n;
    ngx_http_bell_label_t            label;
    ngx_http_bell_fair_seen_t        seen;
    ngx_http_bell_fair_gauge_t      *g;
    ngx_http_bell_fair_main_conf_t  *fmcf;

    fmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_bell_fair_module);

    if (fmcf == NULL || fmcf->sh == NULL) {
        return;
    }

    ngx_http_bell_fair_collect_requests(fmcf, sink);

    label.name = "pool";

    for (g = ngx_http_bell_fair_gauges; g->name; g++) {
        sink->family(sink, g->name, NGX_HTTP_BELL_GAUGE, g->help);

        for (n = 0; n < BELL_FAIR_POOLS; n++) {

            if (!ngx_http_bell_fair_see(fmcf, n, &seen)) {
                continue;
            }

            label.value.data = seen.name;
            label.value.len = seen.len;

            value = (uint32_t *) ((u_char *) &seen.figures + g->offset);

            sink->sample(sink, &label, 1, *value, 0);
        }
    }
}


static void
ngx_http_bell_fair_collect_requests(ngx_http_bell_fair_main_conf_t *fmcf,
    ngx_http_bell_sink_t *sink)
{
    u_char                 rank[NGX_INT_T_LEN];
    ngx_uint_t             i, result;
    ngx_http_bell_label_t  labels[2];

    labels[0].name = "rank";
    labels[1].name = "result";

    sink->family(sink, "firstbell_fair_requests_total", NGX_HTTP_BELL_COUNTER,
                 "Requests for an origin, by rank and by what became of them: "
                 "there was a place, or behind a wait; the queue was full; "
                 "they waited too long; the client left.");

    for (i = 1; i <= BELL_FAIR_RANKS; i++) {
        labels[0].value.data = rank;
        labels[0].value.len = ngx_sprintf(rank, "%ui", i) - rank;

        for (result = 0; result < NGX_HTTP_BELL_FAIR_RESULTS; result++) {
            labels[1].value.data =
                                (u_char *) ngx_http_bell_fair_results[result];
            labels[1].value.len = ngx_strlen(labels[1].value.data);

            sink->sample(sink, labels, 2,
                         (int64_t) fmcf->sh->counts[result][i], 0);
        }
    }
}


/* 0: nobody has the number */

static ngx_uint_t
ngx_http_bell_fair_see(ngx_http_bell_fair_main_conf_t *fmcf, ngx_uint_t n,
    ngx_http_bell_fair_seen_t *seen)
{
    ngx_http_bell_fair_origin_t  *origin;

    origin = &fmcf->sh->origins[n];

    if (origin->key == 0) {
        return 0;
    }

    (void) ngx_http_bell_fair_lock(fmcf);

    bell_fair_read(fmcf->fair, (uint32_t) n, &seen->figures);

    seen->len = origin->len;
    ngx_memcpy(seen->name, origin->name, origin->len);

    ngx_http_bell_fair_unlock(fmcf);

    return 1;
}


/* ---- "bell_limit_status" */

void
ngx_http_bell_fair_write_status(bell_json *j, ngx_http_request_t *r)
{
    ngx_uint_t                       i, n;
    bell_fair_tenant                 tenants[NGX_HTTP_BELL_FAIR_TOP];
    ngx_http_bell_fair_seen_t        seen;
    ngx_http_bell_fair_main_conf_t  *fmcf;

    fmcf = ngx_http_get_module_main_conf(r, ngx_http_bell_fair_module);

    if (fmcf->sh == NULL) {
        return;
    }

    bell_json_key(j, "pools");
    bell_json_array_open(j);

    for (i = 0; i < BELL_FAIR_POOLS; i++) {

        if (!ngx_http_bell_fair_see(fmcf, i, &seen)) {
            continue;
        }

        (void) ngx_http_bell_fair_lock(fmcf);

        n = bell_fair_tenants(fmcf->fair, (uint32_t) i, tenants,
                              NGX_HTTP_BELL_FAIR_TOP);

        ngx_http_bell_fair_unlock(fmcf);

        bell_json_object_open(j);

        ngx_http_bell_fair_write_pool(j, &seen);
        ngx_http_bell_fair_write_tenants(j, tenants, n);

        bell_json_object_close(j);
    }

    bell_json_array_close(j);
}


static void
ngx_http_bell_fair_write_pool(bell_json *j, ngx_http_bell_fair_seen_t *seen)
{
    bell_str    name;
    ngx_uint_t  i;

    name.p = (char *) seen->name;
    name.len = seen->len;

    bell_json_key(j, "name");
    bell_json_str(j, name);
    bell_json_key(j, "places");
    bell_json_int(j, seen->figures.places);
    bell_json_key(j, "taken");
    bell_json_int(j, seen->figures.taken);
    bell_json_key(j, "waiting");
    bell_json_int(j, seen->figures.waiting);
    bell_json_key(j, "hold_ms");
    bell_json_fixed(j, seen->figures.hold_us, 3);

    bell_json_key(j, "waiting_by_rank");
    bell_json_array_open(j);

    for (i = 1; i <= BELL_FAIR_RANKS; i++) {
        bell_json_int(j, seen->figures.waiting_of[i]);
    }

    bell_json_array_close(j);
}


static void
ngx_http_bell_fair_write_tenants(bell_json *j, bell_fair_tenant *tenants,
    ngx_uint_t n)
{
    ngx_uint_t  i;

    bell_json_key(j, "tenants");
    bell_json_array_open(j);

    for (i = 0; i < n; i++) {
        bell_json_object_open(j);

        bell_json_key(j, "tenant_id");
        bell_json_int(j, (int64_t) tenants[i].tenant);
        bell_json_key(j, "weight");
        bell_json_int(j, tenants[i].weight);
        bell_json_key(j, "taken");
        bell_json_int(j, tenants[i].taken);
        bell_json_key(j, "waiting");
        bell_json_int(j, tenants[i].waiting);

        bell_json_object_close(j);
    }

    bell_json_array_close(j);
}
