
/*
 * What operators are told of pools and their servers, when they ask.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_upstream.h"


/* of one server, copied out of its entry */

typedef struct {
    ngx_str_t    pool;
    ngx_str_t    address;
    int64_t      usable;
    int64_t      active;
    int64_t      requests;
    int64_t      failures;
    u_char       pool_name[BELL_DIRECTORY_NAME_MAX + 1];
    u_char       address_text[NGX_HTTP_BELL_UPSTREAM_ADDRESS_LEN];
} ngx_http_bell_upstream_seen_t;


typedef struct {
    const char              *name;
    const char              *help;
    ngx_http_bell_metric_e   type;
    size_t                   offset;    /* in seen_t */
} ngx_http_bell_upstream_family_t;


static void ngx_http_bell_upstream_collect(ngx_cycle_t *cycle,
    ngx_http_bell_sink_t *sink, void *data);
static void ngx_http_bell_upstream_sample(ngx_http_bell_sink_t *sink,
    ngx_http_bell_upstream_conf_t *bcf,
    const ngx_http_bell_upstream_family_t *family);
static ngx_uint_t ngx_http_bell_upstream_see(
    ngx_http_bell_upstream_conf_t *bcf, ngx_uint_t i,
    ngx_http_bell_upstream_seen_t *seen);


static const ngx_http_bell_upstream_family_t
    ngx_http_bell_upstream_families[] =
{
    { "firstbell_upstream_server_usable",
      "1: new requests go to this server; 0: it is drained or down, its checks "
      "fail, or it is left out because requests failed.",
      NGX_HTTP_BELL_GAUGE,
      offsetof(ngx_http_bell_upstream_seen_t, usable) },

    { "firstbell_upstream_server_requests_now",
      "Requests that all workers have under way at this server.",
      NGX_HTTP_BELL_GAUGE,
      offsetof(ngx_http_bell_upstream_seen_t, active) },

    { "firstbell_upstream_server_requests_total",
      "Requests, and further tries of some, that went to this server.",
      NGX_HTTP_BELL_COUNTER,
      offsetof(ngx_http_bell_upstream_seen_t, requests) },

    { "firstbell_upstream_server_failures_total",
      "Those of them that failed for a reason that is the server's.",
      NGX_HTTP_BELL_COUNTER,
      offsetof(ngx_http_bell_upstream_seen_t, failures) }
};


ngx_int_t
ngx_http_bell_upstream_add_metrics(ngx_conf_t *cf,
    ngx_http_bell_upstream_main_conf_t *bmcf)
{
    return bmcf->core->add_collector(cf, ngx_http_bell_upstream_collect, NULL);
}


static void
ngx_http_bell_upstream_collect(ngx_cycle_t *cycle, ngx_http_bell_sink_t *sink,
    void *data)
{
    ngx_uint_t                              i, j;
    ngx_http_bell_upstream_conf_t         **bcfp;
    ngx_http_bell_upstream_main_conf_t     *bmcf;
    const ngx_http_bell_upstream_family_t  *family;

    bmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_bell_upstream_module);

    if (bmcf == NULL || bmcf->upstreams.nelts == 0) {
        return;
    }

    bcfp = bmcf->upstreams.elts;
    family = ngx_http_bell_upstream_families;

    for (i = 0; i < sizeof(ngx_http_bell_upstream_families) / sizeof(*family);
         i++)
    {
        sink->family(sink, family[i].name, family[i].type, family[i].help);

        for (j = 0; j < bmcf->upstreams.nelts; j++) {
            ngx_http_bell_upstream_sample(sink, bcfp[j], &family[i]);
        }
    }
}


static void
ngx_http_bell_upstream_sample(ngx_http_bell_sink_t *sink,
    ngx_http_bell_upstream_conf_t *bcf,
    const ngx_http_bell_upstream_family_t *family)
{
    ngx_uint_t                     i;
    ngx_http_bell_label_t          labels[3];
    ngx_http_bell_upstream_seen_t  seen;

    if (bcf->sh == NULL) {
        return;
    }

    labels[0].name = "upstream";
    labels[0].value = bcf->uscf->host;
    labels[1].name = "pool";
    labels[2].name = "server";

    for (i = 0; i < bcf->sh->n; i++) {

        if (!ngx_http_bell_upstream_see(bcf, i, &seen)) {
            continue;
        }

        labels[1].value = seen.pool;
        labels[2].value = seen.address;

        sink->sample(sink, labels, 3,
                     *(int64_t *) ((char *) &seen + family->offset), 0);
    }
}


/* 0: nobody has the entry */

static ngx_uint_t
ngx_http_bell_upstream_see(ngx_http_bell_upstream_conf_t *bcf, ngx_uint_t i,
    ngx_http_bell_upstream_seen_t *seen)
{
    bell_health                        health;
    ngx_http_bell_upstream_entry_t    *e;
    ngx_http_bell_upstream_pool_sh_t  *pool;

    e = ngx_http_bell_upstream_entry(bcf->sh, i);

    ngx_http_bell_upstream_lock(bcf);

    if (!e->used) {
        ngx_http_bell_upstream_unlock(bcf);
        return 0;
    }

    pool = &bcf->sh->pools[e->pool];

    seen->pool.len = pool->name_len;
    seen->pool.data = seen->pool_name;
    ngx_memcpy(seen->pool_name, pool->name, pool->name_len);

    seen->address.len = e->address_len;
    seen->address.data = seen->address_text;
    ngx_memcpy(seen->address_text, e->address, e->address_len);

    health = e->health;
    seen->usable = e->state == BELL_SERVER_UP;
    seen->active = ngx_http_bell_upstream_sum(bcf->sh, e);
    seen->requests = (int64_t) e->requests;
    seen->failures = (int64_t) e->failures;

    ngx_http_bell_upstream_unlock(bcf);

    seen->usable = seen->usable
                   && bell_health_of(&health, &bcf->rules, ngx_current_msec)
                      == BELL_HEALTH_UP;

    return 1;
}
