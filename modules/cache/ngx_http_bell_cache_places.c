
/*
 * How many fetch at once, of one tenant and in all: who would be one too many
 * waits in the zone, where whoever ends a fetch, in whatever worker, gives
 * his place to the next.  The order is that of bell_places.h.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache.h"
#include "ngx_http_bell_cache_load.h"
#include "ngx_http_bell_cache_purge.h"


#define NGX_HTTP_BELL_CACHE_QUEUE      256
#define NGX_HTTP_BELL_CACHE_QUEUE_MAX  512  /* flights are 1024 in all */


static uint32_t ngx_http_bell_cache_number(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight);
static void ngx_http_bell_cache_refuse(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight);
static void ngx_http_bell_cache_turns(ngx_http_bell_cache_zone_t *zone);
static void ngx_http_bell_cache_load_look(ngx_http_bell_cache_load_t *load);
static void ngx_http_bell_cache_load_turn(ngx_event_t *ev);
static void ngx_http_bell_cache_load_unqueue(
    ngx_http_bell_cache_load_t *load);
static ngx_int_t ngx_http_bell_cache_fetches_option(ngx_conf_t *cf,
    ngx_http_bell_cache_fetches_t *fetches, ngx_str_t *word);


/* ---- places, under the lock */

static uint32_t
ngx_http_bell_cache_number(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight)
{
    return (uint32_t) (flight - zone->sh->flights) + 1;
}


bell_place
ngx_http_bell_cache_place_of(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight)
{
    return bell_places_of(zone->sh->places,
                          ngx_http_bell_cache_number(zone, flight));
}


bell_place
ngx_http_bell_cache_place(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, uint64_t pool,
    ngx_http_bell_cache_how_e how)
{
    uint32_t                        pushed_out;
    bell_place                      place;
    bell_place_asked                asked;
    ngx_http_bell_cache_zone_t     *zone;
    ngx_http_bell_cache_fetches_t  *fetches;

    zone = ctx->zone;
    fetches = &ctx->blcf->fetches;

    if (!fetches->set) {
        return BELL_PLACE_NONE;
    }

    asked.tenant_id = ctx->asked.tenant_id;
    asked.pool = pool;
    asked.behind = how == NGX_HTTP_BELL_CACHE_BEHIND;
    asked.of_tenant = (uint16_t) fetches->tenant;
    asked.of_pool = (uint16_t) fetches->pool;

    /* who has his answer by another way as well does not wait for this one */

    asked.queue = how == NGX_HTTP_BELL_CACHE_FIRST
                  ? 0 : (uint16_t) fetches->queue;

    place = bell_places_ask(zone->sh->places,
                            ngx_http_bell_cache_number(zone, flight), &asked,
                            &pushed_out);

    if (pushed_out) {
        ngx_http_bell_cache_refuse(zone, &zone->sh->flights[pushed_out - 1]);
    }

    if (place == BELL_PLACE_REFUSED && how != NGX_HTTP_BELL_CACHE_FIRST) {
        zone->sh->refused++;
    }

    ngx_http_bell_cache_turns(zone);

    return place;
}


/* It waits no more, and will not be asked for. */

static void
ngx_http_bell_cache_refuse(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight)
{
    flight->status = NGX_HTTP_SERVICE_UNAVAILABLE;
    flight->refused = 1;

    ngx_http_bell_cache_flight_ends(zone, flight, NGX_HTTP_BELL_CACHE_FAILED);

    zone->sh->refused++;
    zone->to_wake |= (uint64_t) 1 << flight->owner.slot;
    zone->to_wake |= __atomic_exchange_n(&flight->waiters, 0,
                                         __ATOMIC_SEQ_CST);
}


void
ngx_http_bell_cache_place_behind(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight, ngx_uint_t behind)
{
    bell_places_behind(zone->sh->places,
                       ngx_http_bell_cache_number(zone, flight), behind);

    ngx_http_bell_cache_turns(zone);
}


void
ngx_http_bell_cache_place_give(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight)
{
    bell_places_give(zone->sh->places,
                     ngx_http_bell_cache_number(zone, flight));

    ngx_http_bell_cache_turns(zone);
}


static void
ngx_http_bell_cache_turns(ngx_http_bell_cache_zone_t *zone)
{
    uint32_t  n;

    while ((n = bell_places_next(zone->sh->places)) != 0) {
        zone->to_wake |= (uint64_t) 1 << zone->sh->flights[n - 1].owner.slot;
    }
}


void
ngx_http_bell_cache_tell_owners(ngx_http_bell_cache_zone_t *zone,
    const ngx_http_bell_core_api_t *core)
{
    uint64_t    slots;
    ngx_uint_t  slot;

    slots = zone->to_wake;
    zone->to_wake = 0;

    for (slot = 0; slots; slot++, slots >>= 1) {
        if (slots & 1) {
            core->wake(slot);
        }
    }
}


uint64_t
ngx_http_bell_cache_pool(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_str_t                       name;
    ngx_http_bell_cache_fetches_t  *fetches;

    fetches = &ctx->blcf->fetches;

    if (!fetches->set || fetches->name == NULL
        || ngx_http_complex_value(ctx->request, fetches->name, &name)
           != NGX_OK)
    {
        return fetches->upstream;
    }

    return ngx_murmur_hash2(name.data, name.len);
}


/* ---- loads of this process that wait for their turn */

void
ngx_http_bell_cache_load_queue(ngx_http_bell_cache_load_t *load)
{
    ngx_http_bell_cache_zone_t    *zone;
    ngx_http_bell_cache_flight_t  *flight;

    zone = load->ctx.zone;
    flight = ngx_http_bell_cache_flight(zone, &load->flight);

    if (flight
        && ngx_http_bell_cache_place_of(zone, flight) != BELL_PLACE_WAITS
        && !flight->refused)
    {
        ngx_http_bell_cache_load_begin(load);
        return;
    }

    ngx_queue_insert_tail(&zone->loads, &load->queue);
    load->waits = 1;

    load->turn.handler = ngx_http_bell_cache_load_turn;
    load->turn.data = load;
    load->turn.log = ngx_cycle->log;

    ngx_add_timer(&load->turn, load->ctx.blcf->wait);

    ngx_http_bell_cache_watch(load->ctx.bmcf);
    ngx_http_bell_cache_load_look(load);
}


void
ngx_http_bell_cache_loads_woken(ngx_http_bell_cache_zone_t *zone)
{
    ngx_queue_t                 *q, *next;
    ngx_http_bell_cache_load_t  *load;

    for (q = ngx_queue_head(&zone->loads);
         q != ngx_queue_sentinel(&zone->loads);
         q = next)
    {
        next = ngx_queue_next(q);

        load = ngx_queue_data(q, ngx_http_bell_cache_load_t, queue);
        ngx_http_bell_cache_load_look(load);
    }
}


static void
ngx_http_bell_cache_load_look(ngx_http_bell_cache_load_t *load)
{
    bell_place                     place;
    ngx_http_bell_cache_zone_t    *zone;
    ngx_http_bell_cache_flight_t  *flight;

    zone = load->ctx.zone;
    flight = ngx_http_bell_cache_flight(zone, &load->flight);

    place = flight ? ngx_http_bell_cache_place_of(zone, flight)
                   : BELL_PLACE_NONE;

    if (place == BELL_PLACE_WAITS) {
        return;
    }

    ngx_http_bell_cache_load_unqueue(load);

    if (place == BELL_PLACE_NONE) {

        /* pushed out, or the zone has begun anew: nobody waits for it */

        load->ended = 1;
        ngx_http_bell_cache_fetch_abort(&load->fetch);
        return;
    }

    /* what was changed while it waited is no change behind its question */

    ngx_http_bell_cache_lock(zone);

    flight = ngx_http_bell_cache_flight(zone, &load->flight);

    if (flight) {
        flight->checked = ngx_http_bell_cache_purge_count(zone);
        load->checked = flight->checked;
    }

    ngx_http_bell_cache_unlock(zone);

    ngx_http_bell_cache_load_begin(load);
}


static void
ngx_http_bell_cache_load_unqueue(ngx_http_bell_cache_load_t *load)
{
    ngx_queue_remove(&load->queue);
    load->waits = 0;

    if (load->turn.timer_set) {
        ngx_del_timer(&load->turn);
    }
}


/*
 * Those who wait for it have bounds of their own; what nobody waits for is
 * given up.
 */

static void
ngx_http_bell_cache_load_turn(ngx_event_t *ev)
{
    ngx_http_bell_cache_load_t *load = ev->data;

    ngx_http_bell_cache_zone_t    *zone;
    ngx_http_bell_cache_flight_t  *flight;

    zone = load->ctx.zone;

    ngx_http_bell_cache_lock(zone);

    flight = ngx_http_bell_cache_flight(zone, &load->flight);

    if (flight && flight->nrefs == 1
        && ngx_http_bell_cache_place_of(zone, flight) == BELL_PLACE_WAITS)
    {
        ngx_http_bell_cache_place_give(zone, flight);
        ngx_http_bell_cache_refuse(zone, flight);
    }

    ngx_http_bell_cache_unlock(zone);
    ngx_http_bell_cache_tell_owners(zone, load->ctx.bmcf->core);

    ngx_add_timer(ev, load->ctx.blcf->wait);

    ngx_http_bell_cache_load_look(load);
}


/* ---- bell_cache_fetches off | [tenant=N] [pool=N] [queue=N] [name=TEXT] */

char *
ngx_http_bell_cache_fetches(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_cache_loc_conf_t *blcf = conf;

    ngx_str_t                      *value;
    ngx_uint_t                      i;
    ngx_http_bell_cache_fetches_t  *fetches;

    fetches = &blcf->fetches;

    if (fetches->set != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        fetches->set = 0;
        return NGX_CONF_OK;
    }

    fetches->set = 1;
    fetches->queue = NGX_HTTP_BELL_CACHE_QUEUE;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_bell_cache_fetches_option(cf, fetches, &value[i])
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (fetches->tenant == 0 && fetches->pool == 0) {
        return "needs tenant=N or pool=N, or is off";
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_bell_cache_fetches_option(ngx_conf_t *cf,
    ngx_http_bell_cache_fetches_t *fetches, ngx_str_t *word)
{
    ngx_int_t                          n;
    ngx_str_t                          text;
    ngx_http_compile_complex_value_t   ccv;

    if (ngx_strncmp(word->data, "tenant=", 7) == 0) {
        n = ngx_atoi(word->data + 7, word->len - 7);

        if (n >= 1 && n <= 1000) {
            fetches->tenant = n;
            return NGX_OK;
        }

    } else if (ngx_strncmp(word->data, "pool=", 5) == 0) {
        n = ngx_atoi(word->data + 5, word->len - 5);

        if (n >= 1 && n <= 1000) {
            fetches->pool = n;
            return NGX_OK;
        }

    } else if (ngx_strncmp(word->data, "queue=", 6) == 0) {
        n = ngx_atoi(word->data + 6, word->len - 6);

        if (n >= 0 && n <= NGX_HTTP_BELL_CACHE_QUEUE_MAX) {
            fetches->queue = n;
            return NGX_OK;
        }

    } else if (ngx_strncmp(word->data, "name=", 5) == 0 && word->len > 5) {
        text.data = word->data + 5;
        text.len = word->len - 5;

        fetches->name = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
        if (fetches->name == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &text;
        ccv.complex_value = fetches->name;

        return ngx_http_compile_complex_value(&ccv);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\": tenant=N and pool=N from 1 "
                       "to 1000, queue=N from 0 to %d, name=TEXT, or off "
                       "alone are expected", word,
                       NGX_HTTP_BELL_CACHE_QUEUE_MAX);

    return NGX_ERROR;
}
