
/*
 * What operators are told of each policy, when they ask.  Policies are names
 * of the configuration: no more of them than it has.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_limit.h"


static void ngx_http_bell_limit_collect(ngx_cycle_t *cycle,
    ngx_http_bell_sink_t *sink, void *data);


static void ngx_http_bell_limit_collect_leases(
    ngx_http_bell_limit_main_conf_t *lmcf, ngx_http_bell_sink_t *sink);
static void ngx_http_bell_limit_collect_exchanges(
    ngx_http_bell_limit_main_conf_t *lmcf, ngx_http_bell_sink_t *sink);
static void ngx_http_bell_limit_give(ngx_http_bell_sink_t *sink,
    const char *name, ngx_http_bell_metric_e type, const char *help,
    int64_t value);


/* in the order of ngx_http_bell_limit_result_e */

const char  *ngx_http_bell_limit_results[NGX_HTTP_BELL_LIMIT_RESULTS] = {
    "passed", "allowed", "dry_run", "refused"
};


ngx_int_t
ngx_http_bell_limit_add_metrics(ngx_conf_t *cf,
    ngx_http_bell_limit_main_conf_t *lmcf)
{
    return lmcf->core->add_collector(cf, ngx_http_bell_limit_collect, NULL);
}


static void
ngx_http_bell_limit_collect(ngx_cycle_t *cycle, ngx_http_bell_sink_t *sink,
    void *data)
{
    ngx_uint_t                         i, result;
    ngx_http_bell_label_t              labels[2];
    ngx_http_bell_limit_policy_t     **policies;
    ngx_http_bell_limit_main_conf_t   *lmcf;

    lmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_bell_limit_module);

    if (lmcf == NULL || lmcf->sh == NULL || lmcf->policies.nelts == 0) {
        return;
    }

    policies = lmcf->policies.elts;

    labels[0].name = "policy";
    labels[1].name = "result";

    sink->family(sink, "firstbell_limit_requests_total",
                 NGX_HTTP_BELL_COUNTER,
                 "Requests that a limit was asked about, by its answer; what "
                 "a later limit refused is among those that passed.");

    for (i = 0; i < lmcf->policies.nelts; i++) {
        labels[0].value = policies[i]->name;

        for (result = 0; result < NGX_HTTP_BELL_LIMIT_RESULTS; result++) {
            labels[1].value.data =
                               (u_char *) ngx_http_bell_limit_results[result];
            labels[1].value.len = ngx_strlen(labels[1].value.data);

            sink->sample(sink, labels, 2,
                         (int64_t) ngx_http_bell_limit_counted(lmcf,
                                                    policies[i], result), 0);
        }
    }

    if (lmcf->leases.used) {
        ngx_http_bell_limit_collect_leases(lmcf, sink);
        ngx_http_bell_limit_collect_exchanges(lmcf, sink);
    }
}


static void
ngx_http_bell_limit_collect_leases(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_sink_t *sink)
{
    ngx_uint_t             i, keys, n[2];
    ngx_http_bell_label_t  label;

    static const char  *words[] = { "lease", "share" };

    keys = ngx_http_bell_limit_lease_keys(lmcf, &n[0]);
    n[1] = keys - n[0];

    label.name = "spend";

    sink->family(sink, "firstbell_limit_lease_keys", NGX_HTTP_BELL_GAUGE,
                 "Keys in use of limits over all edges, by what they spend: "
                 "what Redis lends, or this edge's share without it.");

    for (i = 0; i < 2; i++) {
        label.value.data = (u_char *) words[i];
        label.value.len = ngx_strlen(words[i]);

        sink->sample(sink, &label, 1, n[i], 0);
    }

    ngx_http_bell_limit_give(sink, "firstbell_limit_lease_keys_most",
                 NGX_HTTP_BELL_GAUGE, "Places for such keys.",
                 bell_leases_places(lmcf->leases.table));

    ngx_http_bell_limit_give(sink, "firstbell_limit_lease_no_room_total",
                 NGX_HTTP_BELL_COUNTER,
                 "Uses of a key for which there was no place: they were of "
                 "this edge's share.",
                 lmcf->leases.sh->counts[NGX_HTTP_BELL_LIMIT_NO_ROOM]);

    ngx_http_bell_limit_give(sink, "firstbell_limit_edges",
                 NGX_HTTP_BELL_GAUGE, "Edges that share budgets.",
                 ngx_http_bell_limit_edges(lmcf));
}


static void
ngx_http_bell_limit_collect_exchanges(ngx_http_bell_limit_main_conf_t *lmcf,
    ngx_http_bell_sink_t *sink)
{
    ngx_uint_t             i;
    ngx_http_bell_label_t  label;

    /* in the order of ngx_http_bell_limit_lease_count_e */

    static const char  *words[] = { "answered", "late", "failed" };

    label.name = "result";

    sink->family(sink, "firstbell_limit_lease_exchanges_total",
                 NGX_HTTP_BELL_COUNTER,
                 "Exchanges with Redis about budgets over all edges, by "
                 "result; \"late\" came behind a newer one.");

    for (i = 0; i < 3; i++) {
        label.value.data = (u_char *) words[i];
        label.value.len = ngx_strlen(words[i]);

        sink->sample(sink, &label, 1, lmcf->leases.sh->counts[i], 0);
    }

    ngx_http_bell_limit_give(sink, "firstbell_limit_lease_owners_total",
                 NGX_HTTP_BELL_COUNTER,
                 "Times that a worker began to exchange for this edge.",
                 lmcf->leases.sh->counts[NGX_HTTP_BELL_LIMIT_OWNERS]);

    ngx_http_bell_limit_give(sink, "firstbell_limit_redis_lends",
                 NGX_HTTP_BELL_GAUGE,
                 "1 while Redis lends of budgets over all edges.",
                 lmcf->leases.sh->is_lending);
}


static void
ngx_http_bell_limit_give(ngx_http_bell_sink_t *sink, const char *name,
    ngx_http_bell_metric_e type, const char *help, int64_t value)
{
    sink->family(sink, name, type, help);
    sink->sample(sink, NULL, 0, value, 0);
}
