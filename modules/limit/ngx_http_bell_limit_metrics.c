
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
}
