
/*
 * What this module counts.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_events.h"


static const char  *ngx_http_bell_events_names[] = {
    "sent",
    "dropped_full",
    "dropped_share",
    "dropped_refused",
    "dropped_exit",
    "dropped_unfit"
};


ngx_int_t
ngx_http_bell_events_add_metrics(ngx_conf_t *cf,
    ngx_http_bell_events_main_conf_t *emcf)
{
    ngx_uint_t                  i;
    ngx_http_bell_metric_def_t  def;

    for (i = 0; i < NGX_HTTP_BELL_EVENTS_RESULTS; i++) {
        def.name = "firstbell_access_events_total";
        def.label = "result";
        def.value = ngx_http_bell_events_names[i];
        def.type = NGX_HTTP_BELL_COUNTER;
        def.help = i ? NULL : "Access events, by what became of them.";

        emcf->results[i] = emcf->core->add_metric(cf, &def);
        if (emcf->results[i] == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
