
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


static ngx_http_bell_metric_def_t  ngx_http_bell_signed_reused = {
    "firstbell_signed_tokens_reused_total", NULL, NULL, NGX_HTTP_BELL_COUNTER,
    "Requests with a token whose reuse is to be noticed, and that was used "
    "before."
};


static ngx_http_bell_metric_def_t  ngx_http_bell_signed_forgotten = {
    "firstbell_signed_tokens_forgotten_total", NULL, NULL,
    NGX_HTTP_BELL_COUNTER,
    "Uses of tokens that bell_signed_replay had no room to remember; those "
    "that count once were refused."
};


/* in the order of NGX_HTTP_BELL_SIGNED_REWRITTEN and its like */

static ngx_http_bell_metric_def_t  ngx_http_bell_signed_playlists[] = {

    { "firstbell_signed_playlists_total", "result", "rewritten",
      NGX_HTTP_BELL_COUNTER,
      "Playlists where bell_signed_hls is on: with tokens, without because "
      "none could be made, or opaque, because they came compressed or in "
      "part." },

    { "firstbell_signed_playlists_total", "result", "unsigned",
      NGX_HTTP_BELL_COUNTER, NULL },

    { "firstbell_signed_playlists_total", "result", "opaque",
      NGX_HTTP_BELL_COUNTER, NULL }
};


static ngx_http_bell_metric_def_t  ngx_http_bell_signed_uris = {
    "firstbell_signed_playlist_uris_total", NULL, NULL, NGX_HTTP_BELL_COUNTER,
    "URIs of playlists that were given a token."
};


static ngx_http_bell_metric_def_t  ngx_http_bell_signed_long_lines = {
    "firstbell_signed_playlist_long_lines_total", NULL, NULL,
    NGX_HTTP_BELL_COUNTER,
    "Lines of playlists too long to be read, and left as they are."
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

    for (i = 0; i < NGX_HTTP_BELL_SIGNED_PLAYLISTS; i++) {
        smcf->playlists[i] = smcf->core->add_metric(cf,
                                           &ngx_http_bell_signed_playlists[i]);
        if (smcf->playlists[i] == NULL) {
            return NGX_ERROR;
        }
    }

    smcf->computed = smcf->core->add_metric(cf,
                                            &ngx_http_bell_signed_computed);
    smcf->reused = smcf->core->add_metric(cf, &ngx_http_bell_signed_reused);
    smcf->forgotten = smcf->core->add_metric(cf,
                                             &ngx_http_bell_signed_forgotten);
    smcf->uris = smcf->core->add_metric(cf, &ngx_http_bell_signed_uris);
    smcf->long_lines = smcf->core->add_metric(cf,
                                             &ngx_http_bell_signed_long_lines);

    return smcf->computed && smcf->reused && smcf->forgotten && smcf->uris
           && smcf->long_lines
           ? NGX_OK : NGX_ERROR;
}
