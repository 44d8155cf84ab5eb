
/*
 * The shelf: which objects are in files, under the lock of the zone.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_load.h"
#include "ngx_http_bell_cache_shelf.h"


#define NGX_HTTP_BELL_CACHE_PROMISED  4     /* a quarter at most is loads' */


typedef struct {
    ngx_http_bell_cache_zone_t   *zone;
    uint64_t                      but;      /* its file stays */
    ngx_uint_t                    count;
} ngx_http_bell_cache_off_shelf_t;


static void ngx_http_bell_cache_off_shelf(void *data,
    const bell_cache_entry *entry);
static void ngx_http_bell_cache_filed_as(ngx_http_bell_cache_filed_t *filed,
    const bell_shelf_object *o, uint64_t stamp);
static void ngx_http_bell_cache_slot_changed(
    ngx_http_bell_cache_shelf_shared_t *sh, uint32_t number);


/* ---- laying out */

static size_t
ngx_http_bell_cache_changed_size(ngx_uint_t files)
{
    return (files / 64 + 1) * sizeof(uint64_t);
}


size_t
ngx_http_bell_cache_shelf_size(ngx_http_bell_cache_shelf_t *shelf,
    ngx_uint_t tenants)
{
    return ngx_align(sizeof(ngx_http_bell_cache_shelf_shared_t),
                     BELL_CACHE_INDEX_ALIGN)
           + ngx_align(ngx_http_bell_cache_changed_size(shelf->files),
                       BELL_CACHE_INDEX_ALIGN)
           + bell_cache_index_size(shelf->files, tenants);
}


void
ngx_http_bell_cache_shelf_lay_out(ngx_http_bell_cache_zone_t *zone, u_char *p)
{
    ngx_http_bell_cache_shelf_t         *shelf;
    ngx_http_bell_cache_shelf_shared_t  *sh;

    shelf = zone->shelf;
    sh = (ngx_http_bell_cache_shelf_shared_t *) p;

    ngx_memzero(sh, sizeof(*sh));

    p += ngx_align(sizeof(*sh), BELL_CACHE_INDEX_ALIGN);

    sh->changed = (uint64_t *) p;

    p += ngx_align(ngx_http_bell_cache_changed_size(shelf->files),
                   BELL_CACHE_INDEX_ALIGN);

    sh->index = p;
    sh->slots = (uint32_t) shelf->files;
    sh->capacity = shelf->disk;

    sh->off = 1;

    shelf->sh = sh;
    zone->sh->shelf = sh;
}


ngx_int_t
ngx_http_bell_cache_shelf_clear(ngx_http_bell_cache_zone_t *zone)
{
    ngx_http_bell_cache_shelf_shared_t  *sh;

    sh = zone->sh->shelf;

    /* what the table has is true no longer, whatever is marked */

    ngx_memzero(sh->changed, ngx_http_bell_cache_changed_size(sh->slots));

    sh->anew = 1;
    sh->ndoomed = 0;
    sh->promised = 0;

    return bell_cache_index_init(sh->index,
                                 bell_cache_index_size(sh->slots,
                                                  (uint32_t) zone->tenants),
                                 sh->slots, (uint32_t) zone->tenants,
                                 sh->capacity)
           ? NGX_OK : NGX_ERROR;
}


/* ---- what goes */

static void
ngx_http_bell_cache_slot_changed(ngx_http_bell_cache_shelf_shared_t *sh,
    uint32_t number)
{
    (void) __atomic_fetch_or(&sh->changed[number / 64],
                             (uint64_t) 1 << (number % 64), __ATOMIC_RELEASE);
}


void
ngx_http_bell_cache_shelf_doom(ngx_http_bell_cache_zone_t *zone, uint64_t id)
{
    ngx_http_bell_cache_shelf_shared_t  *sh;

    sh = zone->sh->shelf;

    /* one that finds no room here is found by who goes round */

    if (sh->ndoomed < NGX_HTTP_BELL_CACHE_DOOMED) {
        sh->doomed[sh->ndoomed++] = id;
    }
}


static void
ngx_http_bell_cache_off_shelf(void *data, const bell_cache_entry *entry)
{
    ngx_http_bell_cache_off_shelf_t *off = data;

    ngx_http_bell_cache_filed_t          filed;
    ngx_http_bell_cache_shelf_shared_t  *sh;

    sh = off->zone->sh->shelf;

    ngx_memcpy(&filed, entry->payload, sizeof(filed));

    if (filed.id != off->but) {
        ngx_http_bell_cache_shelf_doom(off->zone, filed.id);
    }

    ngx_http_bell_cache_slot_changed(sh, bell_cache_index_number(sh->index,
                                                                 entry));
    off->count++;
}


/* ---- room */

void
ngx_http_bell_cache_shelf_room(ngx_http_bell_cache_zone_t *zone,
    uint64_t bytes)
{
    bell_cache_evicted                   evicted;
    ngx_http_bell_cache_off_shelf_t      off;
    ngx_http_bell_cache_shelf_shared_t  *sh;

    sh = zone->sh->shelf;

    off.zone = zone;
    off.but = 0;
    off.count = 0;

    evicted.gone = ngx_http_bell_cache_off_shelf;
    evicted.data = &off;

    while (bell_cache_index_bytes(sh->index) + sh->promised + bytes
           > sh->capacity)
    {
        if (!bell_cache_index_evict(sh->index, &evicted)) {
            break;
        }
    }

    sh->evicted += off.count;
}


/*
 * What is being written counts as what is there: loads have a quarter at most,
 * and others go for them.
 */

ngx_int_t
ngx_http_bell_cache_shelf_promise(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight, uint64_t bytes)
{
    uint64_t                             more;
    ngx_http_bell_cache_shelf_shared_t  *sh;

    sh = zone->sh->shelf;

    if (bytes <= flight->promised) {
        return NGX_OK;
    }

    more = bytes - flight->promised;

    if (sh->off
        || sh->promised + more > sh->capacity / NGX_HTTP_BELL_CACHE_PROMISED)
    {
        return NGX_DECLINED;
    }

    ngx_http_bell_cache_shelf_room(zone, more);

    sh->promised += more;
    flight->promised = bytes;

    return NGX_OK;
}


void
ngx_http_bell_cache_shelf_released(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight)
{
    if (flight->promised) {
        zone->sh->shelf->promised -= flight->promised;
        flight->promised = 0;
    }
}


/* ---- objects */

ngx_int_t
ngx_http_bell_cache_shelf_put(ngx_http_bell_cache_zone_t *zone,
    const bell_shelf_object *o)
{
    uint32_t                             number;
    ngx_uint_t                           replaced;
    bell_cache_evicted                   evicted;
    ngx_http_bell_cache_filed_t          filed;
    ngx_http_bell_cache_off_shelf_t      off;
    ngx_http_bell_cache_shelf_shared_t  *sh;

    sh = zone->sh->shelf;

    ngx_http_bell_cache_filed_as(&filed, o, ++sh->stamps);

    off.zone = zone;
    off.but = o->id;
    off.count = 0;

    evicted.gone = ngx_http_bell_cache_off_shelf;
    evicted.data = &off;

    replaced = bell_cache_index_find(sh->index, &o->hash) != NULL;

    number = bell_cache_index_put(sh->index, &o->hash, o->tenant_id, o->bytes,
                                  &filed, sizeof(filed), &evicted);

    sh->evicted += off.count - (replaced && off.count ? 1 : 0);

    if (number == 0) {
        ngx_http_bell_cache_shelf_doom(zone, o->id);
        return NGX_ERROR;
    }

    ngx_http_bell_cache_slot_changed(sh, number);

    return NGX_OK;
}


ngx_int_t
ngx_http_bell_cache_shelf_restore(ngx_http_bell_cache_zone_t *zone,
    const bell_shelf_object *o)
{
    uint32_t                             number;
    ngx_http_bell_cache_filed_t          filed;
    ngx_http_bell_cache_shelf_shared_t  *sh;

    sh = zone->sh->shelf;

    ngx_http_bell_cache_filed_as(&filed, o, o->stamp);

    number = bell_cache_index_restore(sh->index, &o->hash, o->tenant_id,
                                      o->bytes, o->queue, o->hits, &filed,
                                      sizeof(filed));

    if (number == 0) {
        return NGX_DECLINED;
    }

    sh->stamps = ngx_max(sh->stamps, o->stamp);

    return NGX_OK;
}


static void
ngx_http_bell_cache_filed_as(ngx_http_bell_cache_filed_t *filed,
    const bell_shelf_object *o, uint64_t stamp)
{
    ngx_memzero(filed, sizeof(*filed));

    filed->times = o->times;
    filed->id = o->id;
    filed->url = o->url;
    filed->body_bytes = o->body_bytes;
    filed->checked = o->checked;
    filed->stamp = stamp;
    filed->head_bytes = o->head_bytes;
    filed->kind = o->kind;
}


ngx_int_t
ngx_http_bell_cache_shelf_renewed(ngx_http_bell_cache_load_t *load,
    ngx_int_t written, const bell_shelf_object *o)
{
    ngx_http_bell_cache_zone_t   *zone;
    ngx_http_bell_cache_filed_t   filed;

    zone = load->ctx.zone;

    if (ngx_http_bell_cache_shelf_of(zone, &load->stale.hash, &filed) != NGX_OK
        || filed.id != load->stale.entry.id)
    {
        return NGX_DECLINED;
    }

    if (written != NGX_OK) {

        /* what the file says is true no longer */

        ngx_http_bell_cache_shelf_forget(zone, &load->stale.hash, 0);
        return NGX_DECLINED;
    }

    return ngx_http_bell_cache_shelf_put(zone, o);
}


void
ngx_http_bell_cache_shelf_forget(ngx_http_bell_cache_zone_t *zone,
    const bell_cache_hash *hash, uint64_t but)
{
    bell_cache_evicted                   evicted;
    ngx_http_bell_cache_filed_t          filed;
    ngx_http_bell_cache_off_shelf_t      off;
    ngx_http_bell_cache_shelf_shared_t  *sh;

    sh = zone->sh->shelf;

    if (sh == NULL
        || ngx_http_bell_cache_shelf_of(zone, hash, &filed) != NGX_OK
        || filed.id == but)
    {
        return;
    }

    off.zone = zone;
    off.but = 0;
    off.count = 0;

    evicted.gone = ngx_http_bell_cache_off_shelf;
    evicted.data = &off;

    (void) bell_cache_index_remove(sh->index, hash, &evicted);
}


ngx_int_t
ngx_http_bell_cache_shelf_of(ngx_http_bell_cache_zone_t *zone,
    const bell_cache_hash *hash, ngx_http_bell_cache_filed_t *filed)
{
    const bell_cache_entry  *entry;

    if (zone->sh->shelf == NULL) {
        return NGX_DECLINED;
    }

    entry = bell_cache_index_find(zone->sh->shelf->index, hash);

    if (entry == NULL) {
        return NGX_DECLINED;
    }

    ngx_memcpy(filed, entry->payload, sizeof(*filed));

    return NGX_OK;
}


void
ngx_http_bell_cache_shelf_set(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_found_t *found)
{
    const bell_cache_entry              *entry;
    ngx_http_bell_cache_filed_t          filed;
    ngx_http_bell_cache_shelf_shared_t  *sh;

    sh = zone->sh->shelf;

    if (sh == NULL) {
        return;
    }

    entry = bell_cache_index_find(sh->index, &found->hash);

    if (entry == NULL) {
        return;
    }

    ngx_memcpy(&filed, entry->payload, sizeof(filed));

    /* one that was confirmed meanwhile has times of its own */

    if (filed.id != found->entry.id || filed.checked >= found->entry.checked
        || (found->file && filed.stamp != found->file->stamp))
    {
        return;
    }

    filed.times = found->entry.times;
    filed.checked = found->entry.checked;

    ngx_http_bell_cache_slot_changed(sh, bell_cache_index_number(sh->index,
                                                                 entry));
    (void) bell_cache_index_set(sh->index, &found->hash, &filed,
                                sizeof(filed));
}


ngx_uint_t
ngx_http_bell_cache_shelf_changed(ngx_http_bell_cache_zone_t *zone,
    const bell_cache_hash *hash, ngx_http_bell_cache_found_t *found)
{
    ngx_http_bell_cache_filed_t  filed;

    if (ngx_http_bell_cache_shelf_of(zone, hash, &filed) != NGX_OK) {
        return 0;
    }

    return filed.id != found->entry.id
           || (found->file && filed.stamp != found->file->stamp);
}


/* ---- without the lock */

void
ngx_http_bell_cache_shelf_object(const bell_cache_entry *entry,
    bell_shelf_object *o)
{
    ngx_http_bell_cache_filed_t  filed;

    ngx_memcpy(&filed, entry->payload, sizeof(filed));
    ngx_memzero(o, sizeof(*o));

    o->hash = entry->hash;
    o->times = filed.times;
    o->id = filed.id;
    o->url = filed.url;
    o->body_bytes = filed.body_bytes;
    o->checked = filed.checked;
    o->bytes = entry->bytes;
    o->stamp = filed.stamp;
    o->tenant_id = entry->tenant_id;
    o->head_bytes = filed.head_bytes;
    o->kind = filed.kind;
    o->queue = entry->queue;
    o->hits = entry->hits;
}


ngx_int_t
ngx_http_bell_cache_shelf_get(ngx_http_bell_cache_zone_t *zone,
    const bell_cache_hash *hash, bell_shelf_object *o)
{
    uint32_t                             number;
    bell_cache_entry                     entry;
    const bell_cache_entry              *e;
    ngx_http_bell_cache_shelf_shared_t  *sh;

    sh = zone->sh->shelf;

    if (sh == NULL || sh->off) {
        return NGX_DECLINED;
    }

    number = bell_cache_index_get(sh->index, hash, &entry);

    if (number == 0) {

        /* nothing is there, or that part is being changed just now */

        ngx_http_bell_cache_lock(zone);

        e = bell_cache_index_find(sh->index, hash);

        if (e) {
            entry = *e;
            number = bell_cache_index_number(sh->index, e);
        }

        ngx_http_bell_cache_unlock(zone);
    }

    if (number == 0) {
        return NGX_DECLINED;
    }

    bell_cache_index_touch(sh->index, number);
    ngx_http_bell_cache_shelf_object(&entry, o);

    return NGX_OK;
}
