
/*
 * What this module counts.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_session.h"


static ngx_http_bell_metric_def_t  ngx_http_bell_session_computed = {
    "firstbell_session_signatures_computed_total", NULL, NULL,
    NGX_HTTP_BELL_COUNTER,
    "Tokens whose signature was not known and had to be verified."
};


ngx_int_t
ngx_http_bell_session_add_metrics(ngx_conf_t *cf,
    ngx_http_bell_session_main_conf_t *smcf)
{
    ngx_uint_t                  i;
    ngx_http_bell_metric_def_t  def;

    for (i = 0; i < BELL_SESSION_VERDICTS; i++) {
        def.name = "firstbell_session_requests_total";
        def.label = "status";
        def.value = bell_session_verdict_name(i);
        def.type = NGX_HTTP_BELL_COUNTER;
        def.help = i ? NULL : "Requests where a session was looked for, by "
                              "$bell_session_status.";

        smcf->requests[i] = smcf->core->add_metric(cf, &def);
        if (smcf->requests[i] == NULL) {
            return NGX_ERROR;
        }
    }

    smcf->computed = smcf->core->add_metric(cf,
                                            &ngx_http_bell_session_computed);

    return smcf->computed ? NGX_OK : NGX_ERROR;
}
