
/*
 * The zone: an index of objects and their bytes in chunks, under one lock of
 * few steps.  Who looks for an object takes no lock: he copies, and asks
 * afterwards whether it was still the one that he wanted.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/rand.h>

#include "bell_siphash.h"

#include "ngx_http_bell_cache.h"
#include "ngx_http_bell_cache_purge.h"
#include "ngx_http_bell_cache_shelf.h"


#define NGX_HTTP_BELL_CACHE_OBJECT_BYTES  (6 * 1024)   /* with its entry */
#define NGX_HTTP_BELL_CACHE_TENANTS       1024
#define NGX_HTTP_BELL_CACHE_LARGEST       (1024 * 1024)
#define NGX_HTTP_BELL_CACHE_SMALLEST      (1024 * 1024)    /* of a zone */


static ngx_int_t ngx_http_bell_cache_zone_init(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_int_t ngx_http_bell_cache_lay_out(ngx_http_bell_cache_zone_t *zone,
    u_char *p, size_t size);
static void *ngx_http_bell_cache_cut(u_char **p, size_t *size, size_t need);
static ngx_int_t ngx_http_bell_cache_clear(ngx_http_bell_cache_zone_t *zone);
static void ngx_http_bell_cache_gone(void *data,
    const bell_cache_entry *entry);
static ngx_int_t ngx_http_bell_cache_find_locked(
    ngx_http_bell_cache_zone_t *zone, bell_cache_hash *hash,
    bell_cache_entry *entry);
static ngx_int_t ngx_http_bell_cache_is_still(
    ngx_http_bell_cache_zone_t *zone, ngx_http_bell_cache_found_t *found);
static char *ngx_http_bell_cache_zone_option(ngx_conf_t *cf,
    ngx_http_bell_cache_zone_t *zone, ngx_str_t *word);


/* zones of this module are told apart by it */

static ngx_uint_t  ngx_http_bell_cache_zone_tag;


/* ---- the lock */

/*
 * nginx opens the lock of a worker that dies with it; what he was changing is
 * in no state at all then.
 */

void
ngx_http_bell_cache_lock(ngx_http_bell_cache_zone_t *zone)
{
    ngx_http_bell_cache_shared_t  *sh;

    sh = zone->sh;

    ngx_shmtx_lock(&zone->shpool->mutex);

    if (sh->holder) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "bell_cache_zone: process %P died while it changed zone "
                      "\"%V\", which begins anew, empty",
                      (ngx_pid_t) sh->holder, &zone->shm_zone->shm.name);

        sh->holder = ngx_pid;
        (void) ngx_http_bell_cache_clear(zone);
    }

    sh->holder = ngx_pid;
    ngx_memory_barrier();
}


void
ngx_http_bell_cache_unlock(ngx_http_bell_cache_zone_t *zone)
{
    ngx_memory_barrier();
    zone->sh->holder = 0;

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


/* ---- chains */

/* What readers still stream gives no room when it goes from the index. */

ngx_int_t
ngx_http_bell_cache_spare(ngx_http_bell_cache_zone_t *zone, uint64_t chunks)
{
    bell_cache_evicted             evicted;
    ngx_http_bell_cache_shared_t  *sh;

    sh = zone->sh;

    evicted.gone = ngx_http_bell_cache_gone;
    evicted.data = zone;

    while (bell_chunks_free(sh->chunks) < chunks) {
        if (chunks > sh->nchunks
            || !bell_cache_index_evict(sh->index, &evicted))
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


uint32_t
ngx_http_bell_cache_take(ngx_http_bell_cache_zone_t *zone, uint64_t bytes)
{
    uint32_t                       n, chain;
    ngx_http_bell_cache_shared_t  *sh;

    sh = zone->sh;
    n = bell_chunks_for(sh->chunks, bytes);

    if (ngx_http_bell_cache_spare(zone, n) != NGX_OK) {
        return 0;
    }

    chain = bell_chunks_take(sh->chunks, n);

    if (chain) {
        sh->refs[chain] = 1;
    }

    return chain;
}


void
ngx_http_bell_cache_hold(ngx_http_bell_cache_zone_t *zone, uint32_t chain)
{
    if (chain) {
        zone->sh->refs[chain]++;
    }
}


void
ngx_http_bell_cache_drop(ngx_http_bell_cache_zone_t *zone, uint32_t chain)
{
    if (chain && --zone->sh->refs[chain] == 0) {
        bell_chunks_give(zone->sh->chunks, chain);
    }
}


static void
ngx_http_bell_cache_gone(void *data, const bell_cache_entry *entry)
{
    ngx_http_bell_cache_zone_t *zone = data;

    ngx_http_bell_cache_entry_t  e;

    ngx_memcpy(&e, entry->payload, sizeof(e));

    ngx_http_bell_cache_drop(zone, e.head);
    ngx_http_bell_cache_drop(zone, e.body);
}


/* ---- objects */

bell_cache_hash
ngx_http_bell_cache_hash_of(ngx_http_bell_cache_zone_t *zone, bell_str key)
{
    bell_cache_hash  hash;

    bell_siphash128(zone->sh->key, key, (unsigned char *) hash.words);

    return hash;
}


ngx_int_t
ngx_http_bell_cache_put(ngx_http_bell_cache_zone_t *zone,
    bell_cache_hash *hash, uint32_t tenant_id,
    ngx_http_bell_cache_entry_t *entry)
{
    uint64_t                       bytes;
    bell_cache_evicted             evicted;
    ngx_http_bell_cache_shared_t  *sh;

    sh = zone->sh;

    evicted.gone = ngx_http_bell_cache_gone;
    evicted.data = zone;

    bytes = entry->head ? bell_chunks_for(sh->chunks, entry->head_bytes) : 0;

    if (entry->body) {
        bytes += bell_chunks_for(sh->chunks, entry->body_bytes);
    }

    bytes *= NGX_HTTP_BELL_CACHE_CHUNK;

    entry->version = ++sh->versions;

    /* who looks for what was purged may have passed its place already */

    if (entry->kind == NGX_HTTP_BELL_CACHE_OBJECT
        && entry->checked < sh->erasure.target)
    {
        sh->erasure.late = 1;
    }

    if (bell_cache_index_put(sh->index, hash, tenant_id, bytes, entry,
                             sizeof(*entry), &evicted)
        == 0)
    {
        ngx_http_bell_cache_drop(zone, entry->head);
        ngx_http_bell_cache_drop(zone, entry->body);

        return NGX_ERROR;
    }

    ngx_http_bell_cache_shelf_forget(zone, hash, entry->id);

    return NGX_OK;
}


void
ngx_http_bell_cache_remove(ngx_http_bell_cache_zone_t *zone,
    bell_cache_hash *hash)
{
    bell_cache_evicted  evicted;

    evicted.gone = ngx_http_bell_cache_gone;
    evicted.data = zone;

    (void) bell_cache_index_remove(zone->sh->index, hash, &evicted);

    ngx_http_bell_cache_shelf_forget(zone, hash, 0);
}


/* Nothing is there, or somebody changes that part of the index just now. */

static ngx_int_t
ngx_http_bell_cache_find_locked(ngx_http_bell_cache_zone_t *zone,
    bell_cache_hash *hash, bell_cache_entry *entry)
{
    const bell_cache_entry  *e;

    ngx_http_bell_cache_lock(zone);

    e = bell_cache_index_find(zone->sh->index, hash);

    if (e) {
        *entry = *e;
    }

    ngx_http_bell_cache_unlock(zone);

    return e ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_http_bell_cache_find(ngx_http_bell_cache_zone_t *zone, ngx_pool_t *pool,
    bell_cache_hash *hash, bell_str key, ngx_http_bell_cache_found_t *found)
{
    u_char                        *p;
    bell_str                       bytes;
    bell_cache_entry               entry;
    ngx_http_bell_cache_shared_t  *sh;

    sh = zone->sh;

    ngx_memzero(found, sizeof(*found));

    found->hash = *hash;
    found->number = bell_cache_index_get(sh->index, hash, &entry);

    if (found->number == 0
        && ngx_http_bell_cache_find_locked(zone, hash, &entry) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ngx_memcpy(&found->entry, entry.payload, sizeof(found->entry));

    if (found->entry.head_bytes > NGX_HTTP_BELL_CACHE_HEAD_BYTES) {
        goto nothing;
    }

    p = ngx_palloc(pool, found->entry.head_bytes);
    if (p == NULL) {
        found->entry.kind = 0;
        return NGX_ERROR;
    }

    bytes.p = (char *) p;
    bytes.len = bell_chunks_read(sh->chunks, found->entry.head, 0, p,
                                 found->entry.head_bytes);

    if (bytes.len != found->entry.head_bytes
        || ngx_http_bell_cache_is_still(zone, found) != NGX_OK
        || ngx_http_bell_cache_parse_head(bytes, found) != NGX_OK
        || found->key.len != key.len
        || ngx_memcmp(found->key.p, key.p, key.len) != 0)
    {
        goto nothing;
    }

    bell_cache_index_touch(sh->index, found->number);

    return NGX_OK;

nothing:

    found->entry.kind = 0;

    return NGX_DECLINED;
}


/*
 * The bytes that were copied until now were those of this object.  Its chains
 * may have been somebody else's in between, and be its own again: a head goes
 * with each 304, and the next one is written where the last but one was.
 */

static ngx_int_t
ngx_http_bell_cache_is_still(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_found_t *found)
{
    bell_cache_entry             entry;
    ngx_http_bell_cache_entry_t  e;

    ngx_memory_barrier();

    if (bell_cache_index_get(zone->sh->index, &found->hash, &entry) == 0
        && ngx_http_bell_cache_find_locked(zone, &found->hash, &entry)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ngx_memcpy(&e, entry.payload, sizeof(e));

    return e.id == found->entry.id && e.version == found->entry.version
           ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_http_bell_cache_copy_body(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_found_t *found, uint64_t at, u_char *out, size_t len)
{
    if (len == 0) {
        return NGX_OK;
    }

    if (bell_chunks_read(zone->sh->chunks, found->entry.body, at, out, len)
        != len)
    {
        return NGX_DECLINED;
    }

    return ngx_http_bell_cache_is_still(zone, found);
}


ngx_int_t
ngx_http_bell_cache_parse_head(bell_str bytes,
    ngx_http_bell_cache_found_t *found)
{
    u_char                      *p;
    uint64_t                     need;
    ngx_http_bell_cache_head_t  *head;

    if (bytes.len < sizeof(ngx_http_bell_cache_head_t)) {
        return NGX_ERROR;
    }

    head = (ngx_http_bell_cache_head_t *) (uintptr_t) bytes.p;

    need = sizeof(*head) + (uint64_t) head->ntags * sizeof(uint64_t)
           + head->key_bytes + head->names_bytes + head->fields_bytes;

    if (need != bytes.len) {
        return NGX_ERROR;
    }

    p = (u_char *) (head + 1);

    found->head = head;
    found->tags = (uint64_t *) (uintptr_t) p;
    p += head->ntags * sizeof(uint64_t);

    found->key = (bell_str) { (char *) p, head->key_bytes };
    p += head->key_bytes;

    found->names = (bell_str) { (char *) p, head->names_bytes };
    p += head->names_bytes;

    found->fields = (bell_str) { (char *) p, head->fields_bytes };

    return NGX_OK;
}


/* ---- laying out */

static ngx_int_t
ngx_http_bell_cache_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_bell_cache_zone_t  *old = data;

    u_char                      *p;
    size_t                       size;
    ngx_http_bell_cache_zone_t  *zone;

    zone = shm_zone->data;
    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (old) {
        if (old->objects != zone->objects || old->tenants != zone->tenants) {
            ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                          "bell_cache_zone: zone \"%V\" cannot have other "
                          "\"objects\" or \"tenants\" without another name or "
                          "size", &shm_zone->shm.name);
            return NGX_ERROR;
        }

        zone->sh = old->sh;
        return ngx_http_bell_cache_shelf_open(zone, old, shm_zone->shm.log);
    }

    if (shm_zone->shm.exists) {
        zone->sh = zone->shpool->data;
        return NGX_OK;
    }

    /* all that the zone has, in one piece; pages are aligned */

    size = zone->shpool->pfree * ngx_pagesize;
    p = ngx_slab_alloc(zone->shpool, size);

    if (p == NULL || ngx_http_bell_cache_lay_out(zone, p, size) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "bell_cache_zone: zone \"%V\" of %uz bytes cannot be "
                      "laid out: make it larger, or \"objects\" fewer",
                      &shm_zone->shm.name, shm_zone->shm.size);
        return NGX_ERROR;
    }

    zone->shpool->data = zone->sh;

    return ngx_http_bell_cache_shelf_open(zone, NULL, shm_zone->shm.log);
}


static ngx_int_t
ngx_http_bell_cache_lay_out(ngx_http_bell_cache_zone_t *zone, u_char *p,
    size_t size)
{
    size_t                         need;
    u_char                        *files;
    ngx_uint_t                     objects;
    ngx_http_bell_cache_shared_t  *sh;

    sh = ngx_http_bell_cache_cut(&p, &size, sizeof(*sh));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(sh, sizeof(*sh));

    zone->sh = sh;

    if (zone->shelf) {
        need = ngx_http_bell_cache_shelf_size(zone->shelf, zone->tenants);
        files = ngx_http_bell_cache_cut(&p, &size, need);

        if (files == NULL) {
            return NGX_ERROR;
        }

        ngx_http_bell_cache_shelf_lay_out(zone, files);
    }

    objects = zone->objects ? zone->objects
                            : size / NGX_HTTP_BELL_CACHE_OBJECT_BYTES + 1;
    sh->objects = (uint32_t) objects;

    sh->flights = ngx_http_bell_cache_cut(&p, &size,
                                          ngx_http_bell_cache_flights_size());
    sh->places = ngx_http_bell_cache_cut(&p, &size,
                                         ngx_http_bell_cache_places_size());
    sh->purges = ngx_http_bell_cache_cut(&p, &size,
                               ngx_http_bell_cache_purges_size(objects));
    sh->index = ngx_http_bell_cache_cut(&p, &size,
                              bell_cache_index_size(objects, zone->tenants));

    if (sh->flights == NULL || sh->places == NULL || sh->purges == NULL
        || sh->index == NULL)
    {
        return NGX_ERROR;
    }

    /* a word of "refs" for each chunk; they are numbered from 1 */

    if (size < 64 * 1024) {
        return NGX_ERROR;
    }

    sh->nchunks = (size - 3 * BELL_CHUNKS_ALIGN)
                  / (NGX_HTTP_BELL_CACHE_CHUNK + sizeof(uint32_t));

    sh->refs = ngx_http_bell_cache_cut(&p, &size,
                                  (sh->nchunks + 1) * sizeof(uint32_t));
    sh->chunks = p;

    if (RAND_bytes(sh->key, sizeof(sh->key)) != 1) {
        return NGX_ERROR;
    }

    ngx_http_bell_cache_purges_init(sh->purges, objects);

    return ngx_http_bell_cache_clear(zone);
}


static void *
ngx_http_bell_cache_cut(u_char **p, size_t *size, size_t need)
{
    void  *cut;

    need = ngx_align(need, BELL_CACHE_INDEX_ALIGN);

    if (need > *size) {
        return NULL;
    }

    cut = *p;
    *p += need;
    *size -= need;

    return cut;
}


/* Empty.  Who has a flight finds another serial, or none, in its place. */

static ngx_int_t
ngx_http_bell_cache_clear(ngx_http_bell_cache_zone_t *zone)
{
    ngx_http_bell_cache_shared_t  *sh;

    sh = zone->sh;
    sh->layouts++;

    ngx_http_bell_cache_flights_reset(sh);
    ngx_http_bell_cache_purges_reset(sh->purges);

    ngx_memzero(sh->refs, (sh->nchunks + 1) * sizeof(uint32_t));

    sh->erasure.wiping = 0;

    if (sh->shelf) {
        ngx_http_bell_cache_purges_lost(sh->purges);

        if (ngx_http_bell_cache_shelf_clear(zone) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return bell_chunks_init(sh->chunks,
                            bell_chunks_size(sh->nchunks,
                                             NGX_HTTP_BELL_CACHE_CHUNK),
                            sh->nchunks, NGX_HTTP_BELL_CACHE_CHUNK)
           && bell_cache_index_init(sh->index,
                                    (char *) sh->refs - (char *) sh->index,
                                    sh->objects, (uint32_t) zone->tenants,
                                    (uint64_t) sh->nchunks
                                    * NGX_HTTP_BELL_CACHE_CHUNK)
           ? NGX_OK : NGX_ERROR;
}


/* ---- bell_cache_zone zone=NAME:SIZE [objects=N] [tenants=N] [largest=SIZE] … */

char *
ngx_http_bell_cache_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bell_cache_main_conf_t *bmcf = conf;

    char                         *rv;
    u_char                       *colon;
    ssize_t                       size;
    ngx_str_t                    *value, name, s;
    ngx_uint_t                    i;
    ngx_http_bell_cache_zone_t   *zone, **slot;

    value = cf->args->elts;
    colon = NULL;

    if (ngx_strncmp(value[1].data, "zone=", 5) == 0) {
        name.data = value[1].data + 5;
        name.len = value[1].len - 5;
        colon = ngx_strlchr(name.data, name.data + name.len, ':');
    }

    if (colon == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not zone=NAME:SIZE", &value[1]);
        return NGX_CONF_ERROR;
    }

    s.data = colon + 1;
    s.len = name.data + name.len - s.data;
    name.len = colon - name.data;

    size = ngx_parse_size(&s);

    if (name.len == 0 || size == NGX_ERROR
        || size < NGX_HTTP_BELL_CACHE_SMALLEST)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\": a name and a size of 1m or more are "
                           "expected, as in zone=lessons:256m", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_bell_cache_zone_of(cf, &name)) {
        return "is duplicate";
    }

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_http_bell_cache_zone_t));
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    zone->tenants = NGX_HTTP_BELL_CACHE_TENANTS;
    zone->largest = ngx_min(NGX_HTTP_BELL_CACHE_LARGEST, size / 16);
    ngx_queue_init(&zone->readers);
    ngx_queue_init(&zone->loads);
    ngx_queue_init(&zone->batches);
    ngx_queue_init(&zone->passing);

    rv = NGX_CONF_OK;

    for (i = 2; i < cf->args->nelts && rv == NGX_CONF_OK; i++) {
        rv = ngx_http_bell_cache_zone_option(cf, zone, &value[i]);
    }

    if (rv == NGX_CONF_OK && zone->shelf) {
        rv = ngx_http_bell_cache_shelf_add(cf, zone, size);
    }

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (zone->largest > (size_t) size / 4) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "one object may take a quarter of a zone, but "
                           "\"largest\" is more than that of \"%V\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    zone->shm_zone = ngx_shared_memory_add(cf, &name, size,
                                           &ngx_http_bell_cache_zone_tag);
    slot = ngx_array_push(&bmcf->zones);

    if (zone->shm_zone == NULL || slot == NULL) {
        return NGX_CONF_ERROR;
    }

    zone->shm_zone->init = ngx_http_bell_cache_zone_init;
    zone->shm_zone->data = zone;

    *slot = zone;

    return NGX_CONF_OK;
}


static char *
ngx_http_bell_cache_zone_option(ngx_conf_t *cf,
    ngx_http_bell_cache_zone_t *zone, ngx_str_t *word)
{
    ssize_t    n;
    ngx_str_t  s;

    n = ngx_http_bell_cache_shelf_option(cf, zone, word);

    if (n != NGX_DECLINED) {
        return n == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    if (ngx_strncmp(word->data, "objects=", 8) == 0) {
        n = ngx_atoi(word->data + 8, word->len - 8);

        if (n >= 64 && n <= 100 * 1000 * 1000) {
            zone->objects = n;
            return NGX_CONF_OK;
        }

    } else if (ngx_strncmp(word->data, "tenants=", 8) == 0) {
        n = ngx_atoi(word->data + 8, word->len - 8);

        if (n >= 1 && n <= 1000 * 1000) {
            zone->tenants = n;
            return NGX_CONF_OK;
        }

    } else if (ngx_strncmp(word->data, "largest=", 8) == 0) {
        s.data = word->data + 8;
        s.len = word->len - 8;

        n = ngx_parse_size(&s);

        if (n >= 1024) {
            zone->largest = n;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\": objects=N from 64 to "
                       "100000000, tenants=N from 1 to 1000000 and "
                       "largest=SIZE of 1k or more are expected", word);

    return NGX_CONF_ERROR;
}


/* NULL: there is none of that name (yet) */

ngx_http_bell_cache_zone_t *
ngx_http_bell_cache_zone_of(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_uint_t                        i;
    ngx_http_bell_cache_zone_t      **zones;
    ngx_http_bell_cache_main_conf_t  *bmcf;

    bmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_bell_cache_module);
    zones = bmcf->zones.elts;

    for (i = 0; i < bmcf->zones.nelts; i++) {
        if (zones[i]->shm_zone->shm.name.len == name->len
            && ngx_strncmp(zones[i]->shm_zone->shm.name.data, name->data,
                           name->len)
               == 0)
        {
            return zones[i];
        }
    }

    return NULL;
}
