
/*
 * What this module counts.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_signed.h"


static ngx_http_bell_metric_def_t  ngx_http_bell_signed_computed = {
    "firstbell_signed_signatures_computed_total", NULL, NULL,
    NGX_HTTP_BELL_COUNTER,
    "Public-key signatures of requests that were not known and had to be "
    "verified."
};


ngx_int_t
ngx_http_bell_signed_add_metrics(ngx_conf_t *cf,
    ngx_http_bell_signed_main_conf_t *smcf)
{
    ngx_uint_t                  i;
    ngx_http_bell_metric_def_t  def;

    for (i = 0; i < BELL_SIGNED_REASONS; i++) {
        def.name = "firstbell_signed_requests_total";
        def.label = "reason";
        def.value = bell_signed_reason_name(i);
        def.type = NGX_HTTP_BELL_COUNTER;
        def.help = i ? NULL : "Requests where a signature was asked for, by "
                              "$bell_signed_reason.";

        smcf->requests[i] = smcf->core->add_metric(cf, &def);
        if (smcf->requests[i] == NULL) {
            return NGX_ERROR;
        }
    }

    smcf->computed = smcf->core->add_metric(cf,
                                            &ngx_http_bell_signed_computed);

    return smcf->computed ? NGX_OK : NGX_ERROR;
}
