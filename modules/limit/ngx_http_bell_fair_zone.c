
/*
 * What all workers share: places, how many there are at each pool, counts.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/rand.h>

#include "ngx_http_bell_fair.h"


/* What was found out in a sweep: nobody is asked twice. */

typedef struct {
    const ngx_http_bell_core_api_t  *core;
    ngx_http_bell_process_t          process[BELL_FAIR_OWNERS];
    u_char                           lives[BELL_FAIR_OWNERS];
} ngx_http_bell_fair_census_t;


static ngx_int_t ngx_http_bell_fair_create_zone(ngx_shm_zone_t *shm_zone,
    ngx_http_bell_fair_main_conf_t *fmcf);
static uint32_t ngx_http_bell_fair_items(size_t size);
static void ngx_http_bell_fair_check_room(ngx_shm_zone_t *shm_zone,
    ngx_http_bell_fair_main_conf_t *fmcf);
static bool ngx_http_bell_fair_lives(void *data, uint32_t slot,
    uint32_t epoch);


ngx_int_t
ngx_http_bell_fair_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_bell_fair_main_conf_t *former = data;

    ngx_http_bell_fair_main_conf_t  *fmcf;

    fmcf = shm_zone->data;
    fmcf->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (former) {

        /* a reload: who waits goes on waiting, and has his turn */

        fmcf->sh = former->sh;
        fmcf->fair = former->fair;

    } else if (shm_zone->shm.exists) {
        fmcf->sh = fmcf->shpool->data;
        fmcf->fair = fmcf->sh + 1;

    } else if (ngx_http_bell_fair_create_zone(shm_zone, fmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_bell_fair_check_room(shm_zone, fmcf);

    return NGX_OK;
}


/* What one pool may have should never leave nothing for another. */

static void
ngx_http_bell_fair_check_room(ngx_shm_zone_t *shm_zone,
    ngx_http_bell_fair_main_conf_t *fmcf)
{
    uint64_t                     most;
    ngx_uint_t                   i;
    ngx_http_bell_fair_pool_t  **pools;

    most = 0;
    pools = fmcf->pools.elts;

    for (i = 0; i < fmcf->pools.nelts; i++) {
        most += pools[i]->queue + (pools[i]->places ? pools[i]->places
                                                    : pools[i]->max);
    }

    if (most > bell_fair_room(fmcf->fair)) {
        ngx_log_error(NGX_LOG_WARN, shm_zone->shm.log, 0,
                      "bell_fair_zone: zone \"%V\" has room for %uD requests, "
                      "and its pools may have %uL: when it is full the next "
                      "one is refused, whoever's it is; make it larger, or "
                      "places=, max= and queue= smaller",
                      &shm_zone->shm.name, bell_fair_room(fmcf->fair), most);
    }
}


/* All that the zone has, in one piece; pages are aligned. */

static ngx_int_t
ngx_http_bell_fair_create_zone(ngx_shm_zone_t *shm_zone,
    ngx_http_bell_fair_main_conf_t *fmcf)
{
    size_t    size;
    uint32_t  items;

    size = fmcf->shpool->pfree * ngx_pagesize;

    fmcf->sh = ngx_slab_calloc(fmcf->shpool, size);

    items = ngx_http_bell_fair_items(size);

    if (fmcf->sh == NULL || items == 0) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "bell_fair_zone: zone \"%V\" of %uz bytes cannot be "
                      "laid out: make it larger", &shm_zone->shm.name,
                      shm_zone->shm.size);
        return NGX_ERROR;
    }

    if (RAND_bytes(fmcf->sh->seed, BELL_SIPHASH_KEY_BYTES) != 1) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "bell_fair_zone: OpenSSL gave no randomness");
        return NGX_ERROR;
    }

    fmcf->fair = fmcf->sh + 1;
    bell_fair_init(fmcf->fair, items);

    fmcf->shpool->data = fmcf->sh;

    return NGX_OK;
}


/* As many as there is room for; 0: for none. */

static uint32_t
ngx_http_bell_fair_items(size_t size)
{
    uint32_t  low, high, n;

    size -= ngx_min(size, sizeof(ngx_http_bell_fair_sh_t));

    low = 0;
    high = BELL_FAIR_ITEMS_MAX;

    while (low < high) {
        n = low + (high - low + 1) / 2;

        if (bell_fair_size(n) <= size) {
            low = n;

        } else {
            high = n - 1;
        }
    }

    return low;
}


/* ---- the lock */

/*
 * nginx opens the lock of a worker that dies with it.  What that one left half
 * done is made anew.
 */

int64_t
ngx_http_bell_fair_lock(ngx_http_bell_fair_main_conf_t *fmcf)
{
    int64_t  now_us;

    ngx_shmtx_lock(&fmcf->shpool->mutex);

    now_us = ngx_http_bell_limit_now_us();

    if (bell_fair_enter(fmcf->fair, now_us)) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "bell_fair_zone: a process died while it changed zone "
                      "\"%V\", which has been put in order again",
                      &fmcf->shm_zone->shm.name);
    }

    return now_us;
}


void
ngx_http_bell_fair_unlock(ngx_http_bell_fair_main_conf_t *fmcf)
{
    uint64_t    slots;
    ngx_uint_t  slot;

    slots = bell_fair_to_wake(fmcf->fair);

    bell_fair_leave(fmcf->fair);
    ngx_shmtx_unlock(&fmcf->shpool->mutex);

    for (slot = 0; slots; slot++, slots >>= 1) {
        if (slots & 1) {
            fmcf->core->wake(slot);
        }
    }
}


/* ---- the dead */

void
ngx_http_bell_fair_sweep(ngx_http_bell_fair_main_conf_t *fmcf, int64_t now_us)
{
    uint32_t                     n;
    ngx_http_bell_fair_census_t  census;

    ngx_memzero(&census, sizeof(ngx_http_bell_fair_census_t));

    census.core = fmcf->core;

    n = bell_fair_sweep(fmcf->fair, ngx_http_bell_fair_lives, &census, now_us);

    if (n) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "bell_fair: %uD requests of processes that are gone had "
                      "places or waited for one", n);
    }
}


void
ngx_http_bell_fair_sweep_sometimes(ngx_http_bell_fair_main_conf_t *fmcf,
    int64_t now_us)
{
    if (ngx_current_msec - fmcf->swept >= 1000) {
        fmcf->swept = ngx_current_msec;
        ngx_http_bell_fair_sweep(fmcf, now_us);
    }
}


static bool
ngx_http_bell_fair_lives(void *data, uint32_t slot, uint32_t epoch)
{
    ngx_http_bell_fair_census_t *census = data;

    if (census->process[slot].epoch != epoch) {
        census->process[slot].slot = slot;
        census->process[slot].epoch = epoch;
        census->lives[slot] = census->core->lives(census->process[slot]) != 0;
    }

    return census->lives[slot];
}


/* ---- pools */

uint32_t
ngx_http_bell_fair_origin(ngx_http_bell_fair_main_conf_t *fmcf,
    ngx_http_bell_fair_pool_t *pool, uint64_t key, ngx_str_t *text,
    int64_t now_us)
{
    u_char                       *p, *last;
    uint32_t                      n, places;
    bell_fair_figures             figures;
    ngx_http_bell_fair_origin_t  *origin;

    n = bell_fair_pool(fmcf->fair, key);
    origin = &fmcf->sh->origins[n];

    bell_fair_read(fmcf->fair, n, &figures);

    /* pools beyond those that have numbers of their own share one */

    if (origin->key != key && figures.taken == 0 && figures.waiting == 0) {
        p = origin->name;
        last = p + NGX_HTTP_BELL_FAIR_NAME;

        p = ngx_slprintf(p, last, text->len ? "%V %V" : "%V", &pool->name,
                         text);

        origin->len = p - origin->name;
        origin->key = key;

        bell_concurrency_init(&origin->concurrency, &pool->rule,
                              pool->start, now_us);
    }

    places = pool->places ? pool->places
                          : bell_concurrency_limit(&origin->concurrency,
                                                   &pool->rule);

    if (places != figures.places) {
        bell_fair_set_places(fmcf->fair, n, places, now_us);
    }

    return n;
}


/* ---- counts */

void
ngx_http_bell_fair_count(ngx_http_bell_fair_main_conf_t *fmcf,
    ngx_http_bell_fair_result_e result, ngx_uint_t rank)
{
    (void) ngx_atomic_fetch_add(&fmcf->sh->counts[result][rank], 1);
}
