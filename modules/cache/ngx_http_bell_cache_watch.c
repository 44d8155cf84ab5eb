
/*
 * What a worker does by itself, besides requests: its timers; and whether those
 * live who bring what its readers wait for.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache.h"


#define NGX_HTTP_BELL_CACHE_WATCH  1000     /* ms */


static void ngx_http_bell_cache_watched(ngx_event_t *ev);


/* ---- timers */

void
ngx_http_bell_cache_timer(ngx_http_bell_cache_main_conf_t *bmcf,
    ngx_event_t *ev, ngx_event_handler_pt handler, ngx_msec_t ms)
{
    bmcf->dummy.fd = (ngx_socket_t) -1;
    bmcf->dummy.data = bmcf;

    ev->handler = handler;
    ev->data = &bmcf->dummy;
    ev->log = ngx_cycle->log;

    /* a worker that finishes its last requests is not held by it */

    ev->cancelable = 1;

    ngx_add_timer(ev, ms);
}


ngx_http_bell_cache_main_conf_t *
ngx_http_bell_cache_timer_conf(ngx_event_t *ev)
{
    ngx_connection_t  *dummy;

    dummy = ev->data;

    return dummy->data;
}


/* ---- whether those who bring something live */

void
ngx_http_bell_cache_watch(ngx_http_bell_cache_main_conf_t *bmcf)
{
    if (bmcf->watch.timer_set) {
        return;
    }

    ngx_http_bell_cache_timer(bmcf, &bmcf->watch, ngx_http_bell_cache_watched,
                              NGX_HTTP_BELL_CACHE_WATCH);
}


static void
ngx_http_bell_cache_watched(ngx_event_t *ev)
{
    ngx_uint_t                        i, waiting;
    ngx_http_bell_cache_zone_t      **zones;
    ngx_http_bell_cache_main_conf_t  *bmcf;

    bmcf = ngx_http_bell_cache_timer_conf(ev);
    zones = bmcf->zones.elts;
    waiting = 0;

    for (i = 0; i < bmcf->zones.nelts; i++) {
        if (!ngx_queue_empty(&zones[i]->readers)
            || !ngx_queue_empty(&zones[i]->loads))
        {
            ngx_http_bell_cache_sweep(zones[i], bmcf->core);
            waiting = 1;

            /* who gave them a place may have died before he said so */

            ngx_http_bell_cache_loads_woken(zones[i]);

            /* a zone that has begun anew knows nobody who waits */

            if (zones[i]->layouts != zones[i]->sh->layouts) {
                zones[i]->layouts = zones[i]->sh->layouts;
                ngx_http_bell_cache_woken(zones[i]);
            }
        }
    }

    if (waiting) {
        ngx_http_bell_cache_watch(bmcf);
    }
}
