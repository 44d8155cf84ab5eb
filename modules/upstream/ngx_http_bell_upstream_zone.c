
/*
 * What all workers know of the servers: entries, counts, who is alive.
 *
 * A process that is killed at any point here leaves an entry or a pool that
 * is whole, or one that is not used: "used" is set last and taken away first.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_upstream.h"


/* Workers of several generations that a zone has counts for, at least. */
#define NGX_HTTP_BELL_UPSTREAM_SLOTS_MIN  16
#define NGX_HTTP_BELL_UPSTREAM_SLOTS_MAX  1024


static ngx_int_t ngx_http_bell_upstream_create_zone(
    ngx_http_bell_upstream_conf_t *bcf);
static ngx_int_t ngx_http_bell_upstream_create_entries(
    ngx_http_bell_upstream_conf_t *bcf, ngx_http_bell_upstream_sh_t *sh);
static ngx_uint_t ngx_http_bell_upstream_clear_slot(
    ngx_http_bell_upstream_sh_t *sh, ngx_uint_t slot);
static ngx_int_t ngx_http_bell_upstream_pool_index(
    ngx_http_bell_upstream_sh_t *sh, ngx_str_t *name);
static ngx_int_t ngx_http_bell_upstream_claim_pool(
    ngx_http_bell_upstream_sh_t *sh, ngx_str_t *name);
static ngx_uint_t ngx_http_bell_upstream_entries_of(
    ngx_http_bell_upstream_conf_t *bcf, ngx_uint_t pool);
static ngx_http_bell_upstream_entry_t *ngx_http_bell_upstream_take_entry(
    ngx_http_bell_upstream_conf_t *bcf, ngx_uint_t nfound,
    ngx_http_bell_upstream_server_t *server);
static ngx_http_bell_upstream_entry_t *ngx_http_bell_upstream_claim_entry(
    ngx_http_bell_upstream_sh_t *sh, ngx_uint_t *from, ngx_uint_t pool,
    ngx_http_bell_upstream_server_t *server);
static ngx_uint_t ngx_http_bell_upstream_is_gone(ngx_pid_t pid);


ngx_int_t
ngx_http_bell_upstream_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_bell_upstream_conf_t  *obcf = data;

    ngx_http_bell_upstream_conf_t  *bcf;

    bcf = shm_zone->data;

    bcf->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (obcf) {

        /* a reload: what is known of the servers stays */

        bcf->sh = obcf->sh;
        return NGX_OK;
    }

    if (shm_zone->shm.exists) {
        bcf->sh = bcf->shpool->data;
        return NGX_OK;
    }

    if (ngx_http_bell_upstream_create_zone(bcf) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "bell_upstream: zone \"%V\" of %uz bytes has no room "
                      "for a server beside the counts of its workers: make "
                      "it larger in %V:%ui",
                      &shm_zone->shm.name, shm_zone->shm.size,
                      &bcf->conf_file, bcf->conf_line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_upstream_create_zone(ngx_http_bell_upstream_conf_t *bcf)
{
    ngx_uint_t                    n;
    ngx_core_conf_t              *ccf;
    ngx_http_bell_upstream_sh_t  *sh;

    sh = ngx_slab_calloc(bcf->shpool, sizeof(ngx_http_bell_upstream_sh_t));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    /* old workers that end their answers count beside the new ones */

    ccf = (ngx_core_conf_t *) ngx_get_conf(bcf->cycle->conf_ctx,
                                           ngx_core_module);

    n = 4 * (ngx_uint_t) ngx_max(ccf->worker_processes, 1);
    n = ngx_max(n, NGX_HTTP_BELL_UPSTREAM_SLOTS_MIN);
    sh->nslots = ngx_min(n, NGX_HTTP_BELL_UPSTREAM_SLOTS_MAX);

    sh->slots = ngx_slab_calloc(bcf->shpool,
                                sh->nslots * sizeof(ngx_atomic_t));
    if (sh->slots == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_bell_upstream_create_entries(bcf, sh) != NGX_OK) {
        return NGX_ERROR;
    }

    bcf->sh = sh;
    bcf->shpool->data = sh;

    return NGX_OK;
}


/* All that is left of the zone; entries do not share cache lines. */

static ngx_int_t
ngx_http_bell_upstream_create_entries(ngx_http_bell_upstream_conf_t *bcf,
    ngx_http_bell_upstream_sh_t *sh)
{
    size_t  size;

    sh->entry_size = ngx_align(offsetof(ngx_http_bell_upstream_entry_t, active)
                               + sh->nslots * sizeof(uint32_t), 64);

    size = bcf->shpool->pfree * ngx_pagesize;

    sh->n = size / (sh->entry_size + sizeof(ngx_http_bell_upstream_pool_sh_t));

    if (sh->n == 0) {
        return NGX_ERROR;
    }

    sh->entries = ngx_slab_alloc(bcf->shpool, size);
    if (sh->entries == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(sh->entries, size);

    sh->pools = (ngx_http_bell_upstream_pool_sh_t *)
                    (sh->entries + sh->n * sh->entry_size);

    return NGX_OK;
}


ngx_http_bell_upstream_entry_t *
ngx_http_bell_upstream_entry(ngx_http_bell_upstream_sh_t *sh, ngx_uint_t i)
{
    return (ngx_http_bell_upstream_entry_t *)
               (sh->entries + i * sh->entry_size);
}


void
ngx_http_bell_upstream_lock(ngx_http_bell_upstream_conf_t *bcf)
{
    ngx_shmtx_lock(&bcf->shpool->mutex);
}


void
ngx_http_bell_upstream_unlock(ngx_http_bell_upstream_conf_t *bcf)
{
    ngx_shmtx_unlock(&bcf->shpool->mutex);
}


/* ---- workers */

void
ngx_http_bell_upstream_enter(ngx_http_bell_upstream_conf_t *bcf,
    ngx_log_t *log)
{
    ngx_uint_t                    i;
    ngx_atomic_uint_t             used;
    ngx_http_bell_upstream_sh_t  *sh;

    sh = bcf->sh;

    bcf->slot = NGX_HTTP_BELL_UPSTREAM_NO_SLOT;

    ngx_http_bell_upstream_sweep(bcf, log);

    for (i = 0; i < sh->nslots; i++) {

        if (sh->slots[i] != 0 || !ngx_atomic_cmp_set(&sh->slots[i], 0, ngx_pid))
        {
            continue;
        }

        (void) ngx_http_bell_upstream_clear_slot(sh, i);

        do {
            used = sh->slots_used;
        } while (used < i + 1
                 && !ngx_atomic_cmp_set(&sh->slots_used, used, i + 1));

        bcf->slot = i;

        return;
    }

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "bell_upstream: zone \"%V\" was made for %ui workers, older "
                  "ones that end their answers included: this one chooses "
                  "servers and its requests are not counted; give the zone "
                  "another size and reload when workers are to be more",
                  &bcf->shm_zone->shm.name, sh->nslots);
}


void
ngx_http_bell_upstream_leave(ngx_http_bell_upstream_conf_t *bcf)
{
    ngx_uint_t  slot;

    slot = bcf->slot;

    if (slot == NGX_HTTP_BELL_UPSTREAM_NO_SLOT) {
        return;
    }

    bcf->slot = NGX_HTTP_BELL_UPSTREAM_NO_SLOT;

    (void) ngx_http_bell_upstream_clear_slot(bcf->sh, slot);

    bcf->sh->slots[slot] = 0;
}


/*
 * A slot that is being swept names who sweeps it, so that one who dies at it
 * leaves it to the next.
 */

void
ngx_http_bell_upstream_sweep(ngx_http_bell_upstream_conf_t *bcf,
    ngx_log_t *log)
{
    ngx_uint_t                    i, n;
    ngx_pid_t                     pid;
    ngx_http_bell_upstream_sh_t  *sh;

    sh = bcf->sh;

    for (i = 0; i < sh->slots_used; i++) {

        pid = (ngx_pid_t) sh->slots[i];

        if (pid == 0 || i == bcf->slot
            || !ngx_http_bell_upstream_is_gone(pid)
            || !ngx_atomic_cmp_set(&sh->slots[i], pid, ngx_pid))
        {
            continue;
        }

        n = ngx_http_bell_upstream_clear_slot(sh, i);

        sh->slots[i] = 0;

        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "bell_upstream: process %P is gone, the %ui requests "
                      "that it had at servers of zone \"%V\" are no longer "
                      "counted", pid, n, &bcf->shm_zone->shm.name);
    }
}


/* our own number in another's slot is that of a dead one, who had it before */

static ngx_uint_t
ngx_http_bell_upstream_is_gone(ngx_pid_t pid)
{
    return pid == ngx_pid || (kill(pid, 0) == -1 && ngx_errno == NGX_ESRCH);
}


static ngx_uint_t
ngx_http_bell_upstream_clear_slot(ngx_http_bell_upstream_sh_t *sh,
    ngx_uint_t slot)
{
    ngx_uint_t                       i, n;
    ngx_http_bell_upstream_entry_t  *e;

    n = 0;

    for (i = 0; i < sh->n; i++) {
        e = ngx_http_bell_upstream_entry(sh, i);

        n += e->active[slot];
        e->active[slot] = 0;
    }

    return n;
}


/* ---- counts: each worker writes its own */

ngx_uint_t
ngx_http_bell_upstream_sum(ngx_http_bell_upstream_sh_t *sh,
    ngx_http_bell_upstream_entry_t *e)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < sh->slots_used; i++) {
        n += e->active[i];
    }

    return n;
}


ngx_uint_t
ngx_http_bell_upstream_active(ngx_http_bell_upstream_conf_t *bcf,
    ngx_http_bell_upstream_server_t *server)
{
    if (bcf->sh == NULL || server->entry == NULL
        || server->entry->generation != server->generation)
    {
        return 0;
    }

    return ngx_http_bell_upstream_sum(bcf->sh, server->entry);
}


ngx_uint_t
ngx_http_bell_upstream_count(ngx_http_bell_upstream_conf_t *bcf,
    ngx_http_bell_upstream_entry_t *entry, ngx_atomic_uint_t generation)
{
    if (entry == NULL || bcf->slot == NGX_HTTP_BELL_UPSTREAM_NO_SLOT) {
        return 0;
    }

    entry->active[bcf->slot]++;

    ngx_memory_barrier();

    if (entry->generation == generation) {
        return 1;
    }

    /* the entry has become another server's */

    if (entry->active[bcf->slot]) {
        entry->active[bcf->slot]--;
    }

    return 0;
}


void
ngx_http_bell_upstream_uncount(ngx_http_bell_upstream_conf_t *bcf,
    ngx_http_bell_upstream_entry_t *entry)
{
    if (bcf->slot == NGX_HTTP_BELL_UPSTREAM_NO_SLOT
        || entry->active[bcf->slot] == 0)
    {
        return;
    }

    entry->active[bcf->slot]--;
}


/* ---- entries */

ngx_uint_t
ngx_http_bell_upstream_is_registered(ngx_http_bell_upstream_pool_t *pool)
{
    ngx_uint_t                        i;
    ngx_http_bell_upstream_server_t  *server;

    for (i = 0; i < pool->n; i++) {
        server = &pool->servers[i];

        if (server->entry == NULL
            || !server->entry->used
            || server->entry->generation != server->generation
            || server->entry->state != server->state)
        {
            return 0;
        }
    }

    return 1;
}


ngx_int_t
ngx_http_bell_upstream_register(ngx_http_bell_upstream_conf_t *bcf,
    ngx_http_bell_upstream_pool_t *pool)
{
    ngx_int_t                         index;
    ngx_uint_t                        i, from, nfound, is_new, full;
    ngx_http_bell_upstream_sh_t      *sh;
    ngx_http_bell_upstream_entry_t   *e;
    ngx_http_bell_upstream_server_t  *server;

    sh = bcf->sh;
    is_new = 0;
    full = 0;
    from = 0;

    index = ngx_http_bell_upstream_pool_index(sh, &pool->name);

    if (index == NGX_DECLINED) {
        index = ngx_http_bell_upstream_claim_pool(sh, &pool->name);
        is_new = 1;
    }

    nfound = 0;

    if (index != NGX_DECLINED) {
        nfound = ngx_http_bell_upstream_entries_of(bcf, index);
    }

    for (i = 0; i < pool->n; i++) {
        server = &pool->servers[i];

        e = ngx_http_bell_upstream_take_entry(bcf, nfound, server);

        if (e == NULL && index != NGX_DECLINED) {
            e = ngx_http_bell_upstream_claim_entry(sh, &from, index, server);

            if (e && !is_new) {
                bell_health_came(&e->health, ngx_current_msec);
            }
        }

        server->entry = e;
        server->generation = e ? e->generation : 0;

        full |= (e == NULL);
    }

    /* those that nobody took are no longer in the pool */

    for (i = 0; i < nfound; i++) {
        if (bcf->found[i] < sh->n) {
            ngx_http_bell_upstream_entry(sh, bcf->found[i])->used = 0;
        }
    }

    return full ? NGX_DECLINED : NGX_OK;
}


static ngx_int_t
ngx_http_bell_upstream_pool_index(ngx_http_bell_upstream_sh_t *sh,
    ngx_str_t *name)
{
    ngx_uint_t                         i;
    ngx_http_bell_upstream_pool_sh_t  *p;

    for (i = 0; i < sh->n; i++) {
        p = &sh->pools[i];

        if (p->used && p->name_len == name->len
            && ngx_memcmp(p->name, name->data, name->len) == 0)
        {
            return i;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_bell_upstream_claim_pool(ngx_http_bell_upstream_sh_t *sh,
    ngx_str_t *name)
{
    ngx_uint_t                         i;
    ngx_http_bell_upstream_pool_sh_t  *p;

    for (i = 0; i < sh->n; i++) {
        p = &sh->pools[i];

        if (p->used) {
            continue;
        }

        p->name_len = name->len;
        ngx_memcpy(p->name, name->data, name->len);

        ngx_memory_barrier();

        p->used = 1;

        return i;
    }

    return NGX_DECLINED;
}


/* The indices of a pool's entries, into bcf->found; how many they are. */

static ngx_uint_t
ngx_http_bell_upstream_entries_of(ngx_http_bell_upstream_conf_t *bcf,
    ngx_uint_t pool)
{
    ngx_uint_t                       i, n;
    ngx_http_bell_upstream_entry_t  *e;

    n = 0;

    for (i = 0; i < bcf->sh->n; i++) {
        e = ngx_http_bell_upstream_entry(bcf->sh, i);

        if (e->used && e->pool == pool) {
            bcf->found[n++] = i;
        }
    }

    return n;
}


/* The entry that a server has already; it is taken from those found. */

static ngx_http_bell_upstream_entry_t *
ngx_http_bell_upstream_take_entry(ngx_http_bell_upstream_conf_t *bcf,
    ngx_uint_t nfound, ngx_http_bell_upstream_server_t *server)
{
    uint32_t                         hash;
    ngx_uint_t                       i;
    ngx_http_bell_upstream_entry_t  *e;

    hash = ngx_crc32_short(server->name.data, server->name.len);

    for (i = 0; i < nfound; i++) {

        if (bcf->found[i] >= bcf->sh->n) {
            continue;
        }

        e = ngx_http_bell_upstream_entry(bcf->sh, bcf->found[i]);

        if (e->hash != hash || e->address_len != server->name.len
            || ngx_memcmp(e->address, server->name.data, e->address_len) != 0)
        {
            continue;
        }

        if (e->state != BELL_SERVER_UP && server->state == BELL_SERVER_UP) {
            bell_health_came(&e->health, ngx_current_msec);
        }

        e->state = server->state;

        bcf->found[i] = (uint32_t) -1;

        return e;
    }

    return NULL;
}


/*
 * One that is free, from *from on: an entry whose server was taken away is
 * not before the last of its requests has ended.
 */

static ngx_http_bell_upstream_entry_t *
ngx_http_bell_upstream_claim_entry(ngx_http_bell_upstream_sh_t *sh,
    ngx_uint_t *from, ngx_uint_t pool, ngx_http_bell_upstream_server_t *server)
{
    ngx_uint_t                       i;
    ngx_http_bell_upstream_entry_t  *e;

    if (server->name.len > NGX_HTTP_BELL_UPSTREAM_ADDRESS_LEN) {
        return NULL;
    }

    for (i = *from; i < sh->n; i++) {
        e = ngx_http_bell_upstream_entry(sh, i);

        if (e->used || ngx_http_bell_upstream_sum(sh, e) != 0) {
            continue;
        }

        e->generation++;

        ngx_memory_barrier();

        /* who counts looks at the generation behind that, and sees this one */

        if (ngx_http_bell_upstream_sum(sh, e) != 0) {
            continue;
        }

        e->pool = pool;
        e->state = server->state;
        e->hash = ngx_crc32_short(server->name.data, server->name.len);
        e->address_len = (uint32_t) server->name.len;
        ngx_memcpy(e->address, server->name.data, server->name.len);
        ngx_memzero(&e->health, sizeof(bell_health));
        e->checked_ms = 0;
        e->unchecked = 1;
        e->requests = 0;
        e->failures = 0;

        ngx_memory_barrier();

        e->used = 1;

        *from = i + 1;

        return e;
    }

    *from = sh->n;

    return NULL;
}


void
ngx_http_bell_upstream_forget(ngx_http_bell_upstream_conf_t *bcf,
    ngx_str_t *name)
{
    ngx_int_t   index;
    ngx_uint_t  i, n;

    index = ngx_http_bell_upstream_pool_index(bcf->sh, name);

    if (index == NGX_DECLINED) {
        return;
    }

    n = ngx_http_bell_upstream_entries_of(bcf, index);

    for (i = 0; i < n; i++) {
        ngx_http_bell_upstream_entry(bcf->sh, bcf->found[i])->used = 0;
    }

    bcf->sh->pools[index].used = 0;
}
