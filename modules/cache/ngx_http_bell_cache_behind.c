
/*
 * Small objects are in memory, and in files besides, so that an nginx that
 * begins again has them: they are written behind, some of them at a time, by
 * the worker that has put them.  What is found in a file only is brought back.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_purge.h"
#include "ngx_http_bell_cache_shelf.h"


#define NGX_HTTP_BELL_CACHE_BEHIND_ITEMS  1024  /* a power of two */
#define NGX_HTTP_BELL_CACHE_BEHIND_MS     10
#define NGX_HTTP_BELL_CACHE_BEHIND_FILES  8     /* each time */
#define NGX_HTTP_BELL_CACHE_BEHIND_BYTES  (256 * 1024)
#define NGX_HTTP_BELL_CACHE_WORTH_S       10    /* of what is not written */
#define NGX_HTTP_BELL_CACHE_BACK_BYTES    65536 /* of what is brought back */
#define NGX_HTTP_BELL_CACHE_HITS          1024  /* entries, each time */


typedef struct {
    bell_cache_hash               hash;
    uint64_t                      id;
} ngx_http_bell_cache_item_t;


struct ngx_http_bell_cache_behind_s {
    ngx_http_bell_cache_zone_t   *zone;
    ngx_event_t                   event;
    ngx_connection_t              dummy;
    ngx_uint_t                    first;    /* of those that wait */
    ngx_uint_t                    count;
    ngx_http_bell_cache_item_t    items[NGX_HTTP_BELL_CACHE_BEHIND_ITEMS];
};


static void ngx_http_bell_cache_behind_turn(ngx_event_t *ev);
static size_t ngx_http_bell_cache_write_small(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_item_t *item, ngx_log_t *log);
static ngx_uint_t ngx_http_bell_cache_is_worth_it(
    ngx_http_bell_cache_entry_t *e);
static ngx_int_t ngx_http_bell_cache_entry_of(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_item_t *item, bell_cache_entry *entry,
    ngx_http_bell_cache_entry_t *e);
static ngx_int_t ngx_http_bell_cache_write_file(
    ngx_http_bell_cache_zone_t *zone, uint64_t id, u_char *p, size_t len,
    ngx_log_t *log);
static void ngx_http_bell_cache_put_back(ngx_http_bell_cache_ctx_t *ctx,
    bell_shelf_object *o, ngx_http_bell_cache_file_t *file, bell_str head,
    bell_str body);


/* ---- to files */

void
ngx_http_bell_cache_behind(ngx_http_bell_cache_zone_t *zone,
    const bell_cache_hash *hash, uint64_t id)
{
    ngx_http_bell_cache_item_t    *item;
    ngx_http_bell_cache_shelf_t   *shelf;
    ngx_http_bell_cache_behind_t  *behind;

    shelf = zone->shelf;

    if (shelf == NULL || shelf->sh->off) {
        return;
    }

    behind = shelf->behind;

    if (behind == NULL) {
        behind = ngx_calloc(sizeof(*behind), ngx_cycle->log);
        if (behind == NULL) {
            return;
        }

        behind->zone = zone;
        behind->dummy.fd = (ngx_socket_t) -1;
        behind->dummy.data = behind;
        behind->event.handler = ngx_http_bell_cache_behind_turn;
        behind->event.data = &behind->dummy;
        behind->event.log = ngx_cycle->log;
        behind->event.cancelable = 1;

        shelf->behind = behind;
    }

    /* who finds no place is not in a file until it is fetched again */

    if (behind->count == NGX_HTTP_BELL_CACHE_BEHIND_ITEMS) {
        return;
    }

    item = &behind->items[(behind->first + behind->count++)
                          & (NGX_HTTP_BELL_CACHE_BEHIND_ITEMS - 1)];
    item->hash = *hash;
    item->id = id;

    if (!behind->event.timer_set) {
        ngx_add_timer(&behind->event, NGX_HTTP_BELL_CACHE_BEHIND_MS);
    }
}


static void
ngx_http_bell_cache_behind_turn(ngx_event_t *ev)
{
    size_t                         bytes;
    ngx_uint_t                     n;
    ngx_connection_t              *dummy;
    ngx_http_bell_cache_item_t    *item;
    ngx_http_bell_cache_behind_t  *behind;

    dummy = ev->data;
    behind = dummy->data;
    bytes = 0;

    for (n = 0; behind->count && n < NGX_HTTP_BELL_CACHE_BEHIND_FILES
                && bytes < NGX_HTTP_BELL_CACHE_BEHIND_BYTES; n++)
    {
        item = &behind->items[behind->first];

        bytes += ngx_http_bell_cache_write_small(behind->zone, item, ev->log);

        behind->first = (behind->first + 1)
                        & (NGX_HTTP_BELL_CACHE_BEHIND_ITEMS - 1);
        behind->count--;
    }

    ngx_http_bell_cache_delete_doomed(behind->zone, ev->log);

    if (behind->count && !ev->timer_set) {
        ngx_add_timer(ev, NGX_HTTP_BELL_CACHE_BEHIND_MS);
    }
}


void
ngx_http_bell_cache_behind_stop(ngx_http_bell_cache_zone_t *zone)
{
    ngx_http_bell_cache_behind_t  *behind;

    behind = zone->shelf->behind;

    if (behind == NULL) {
        return;
    }

    while (behind->count) {
        ngx_http_bell_cache_behind_turn(&behind->event);
    }

    if (behind->event.timer_set) {
        ngx_del_timer(&behind->event);
    }

    ngx_free(behind);
    zone->shelf->behind = NULL;
}


/* How many bytes were worked at. */

static size_t
ngx_http_bell_cache_write_small(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_item_t *item, ngx_log_t *log)
{
    size_t                         len;
    u_char                        *p;
    bell_str                       body;
    bell_cache_entry               entry;
    bell_shelf_object              o;
    const bell_cache_entry        *is;
    ngx_http_bell_cache_entry_t    e, now;

    if (ngx_http_bell_cache_entry_of(zone, item, &entry, &e) != NGX_OK
        || !ngx_http_bell_cache_is_worth_it(&e)
        || e.body_bytes > zone->largest
        || e.head_bytes > NGX_HTTP_BELL_CACHE_HEAD_BYTES)
    {
        return 0;
    }

    ngx_memzero(&o, sizeof(o));

    o.hash = item->hash;
    o.times = e.times;
    o.id = e.id;
    o.url = e.url;
    o.body_bytes = e.body_bytes;
    o.checked = e.checked;
    o.tenant_id = entry.tenant_id;
    o.head_bytes = e.head_bytes;
    o.kind = e.kind;
    o.bytes = o.body_bytes + o.head_bytes + BELL_SHELF_TRAILER_BYTES;

    len = o.bytes;

    p = ngx_alloc(len, log);
    if (p == NULL) {
        return 0;
    }

    body.p = (char *) p;
    body.len = o.body_bytes;

    if (bell_chunks_read(zone->sh->chunks, e.body, 0, p, o.body_bytes)
        != o.body_bytes
        || bell_chunks_read(zone->sh->chunks, e.head, 0, p + o.body_bytes,
                            o.head_bytes)
           != o.head_bytes)
    {
        goto done;
    }

    /* what was copied until now was that object's */

    ngx_memory_barrier();

    if (ngx_http_bell_cache_entry_of(zone, item, &entry, &now) != NGX_OK
        || now.version != e.version)
    {
        goto done;
    }

    o.body_crc = bell_crc32c(0, body);
    bell_shelf_trailer_write(zone->sh->key, &o, p + o.body_bytes);

    if (ngx_http_bell_cache_write_file(zone, o.id, p, len, log) != NGX_OK) {
        goto done;
    }

    ngx_http_bell_cache_lock(zone);

    is = bell_cache_index_find(zone->sh->index, &item->hash);

    if (is) {
        ngx_memcpy(&now, is->payload, sizeof(now));
    }

    if (is && now.id == o.id && now.version == e.version) {
        ngx_http_bell_cache_shelf_room(zone, o.bytes);
        (void) ngx_http_bell_cache_shelf_put(zone, &o);

    } else {
        ngx_http_bell_cache_shelf_doom(zone, o.id);
    }

    ngx_http_bell_cache_unlock(zone);

done:

    ngx_free(p);

    return len;
}


/* It would be old before somebody could begin again. */

static ngx_uint_t
ngx_http_bell_cache_is_worth_it(ngx_http_bell_cache_entry_t *e)
{
    int64_t  until;

    if (e->kind == NGX_HTTP_BELL_CACHE_FORK
        || (e->times.flags & BELL_TIMES_VALIDATOR))
    {
        return 1;
    }

    until = ngx_max(bell_freshness_swr_until_s(&e->times),
                    bell_freshness_sie_until_s(&e->times));
    until = ngx_max(until, bell_freshness_fresh_until_s(&e->times));

    return until > ngx_time() + NGX_HTTP_BELL_CACHE_WORTH_S;
}


static ngx_int_t
ngx_http_bell_cache_entry_of(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_item_t *item, bell_cache_entry *entry,
    ngx_http_bell_cache_entry_t *e)
{
    if (bell_cache_index_get(zone->sh->index, &item->hash, entry) == 0) {
        return NGX_DECLINED;
    }

    ngx_memcpy(e, entry->payload, sizeof(*e));

    return e->id == item->id ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_bell_cache_write_file(ngx_http_bell_cache_zone_t *zone, uint64_t id,
    u_char *p, size_t len, ngx_log_t *log)
{
    u_char     name[NGX_MAX_PATH];
    ngx_fd_t   fd;
    ngx_int_t  rc;

    (void) ngx_http_bell_cache_file_name(zone->shelf->temp, id, name);

    fd = ngx_open_tempfile(name, 1, NGX_FILE_OWNER_ACCESS);

    if (fd == NGX_INVALID_FILE) {
        ngx_http_bell_cache_file_failed(zone, log, ngx_errno,
                                        "cannot be made", name);
        return NGX_ERROR;
    }

    rc = ngx_http_bell_cache_write_at(fd, p, len, 0);

    if (rc != NGX_OK) {
        ngx_http_bell_cache_file_failed(zone, log, ngx_errno,
                                        "cannot be written", name);
    }

    (void) ngx_close_file(fd);

    if (rc == NGX_OK) {
        rc = ngx_http_bell_cache_file_rename(zone, id);
    }

    if (rc != NGX_OK) {
        (void) ngx_delete_file(name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* ---- and back */

/* NGX_DECLINED: its body is not what was written. */

ngx_int_t
ngx_http_bell_cache_bring_back(ngx_http_bell_cache_ctx_t *ctx,
    bell_shelf_object *o, ngx_http_bell_cache_file_t *file, u_char *head)
{
    ssize_t   n;
    bell_str  bytes, body;

    if (o->body_bytes > NGX_HTTP_BELL_CACHE_BACK_BYTES
        || o->body_bytes > ctx->zone->largest)
    {
        return NGX_OK;
    }

    body.len = o->body_bytes;
    body.p = ngx_pnalloc(ctx->pool, body.len + 1);

    if (body.p == NULL) {
        return NGX_ERROR;
    }

    do {
        n = pread(file->fd, (char *) (uintptr_t) body.p, body.len, 0);
    } while (n == -1 && ngx_errno == NGX_EINTR);

    ngx_set_errno(0);

    if (n != (ssize_t) body.len || bell_crc32c(0, body) != file->body_crc) {
        ngx_http_bell_cache_file_lost(ctx, o, file,
                                      "is not what was written");
        return NGX_DECLINED;
    }

    bytes.p = (char *) head;
    bytes.len = o->head_bytes;

    ngx_http_bell_cache_put_back(ctx, o, file, bytes, body);

    return NGX_OK;
}


static void
ngx_http_bell_cache_put_back(ngx_http_bell_cache_ctx_t *ctx,
    bell_shelf_object *o, ngx_http_bell_cache_file_t *file, bell_str head,
    bell_str body)
{
    ngx_http_bell_cache_zone_t   *zone;
    ngx_http_bell_cache_entry_t   entry;
    ngx_http_bell_cache_filed_t   filed;

    zone = ctx->zone;

    ngx_memzero(&entry, sizeof(entry));

    entry.times = o->times;
    entry.id = o->id;
    entry.url = o->url;
    entry.body_bytes = o->body_bytes;
    entry.checked = o->checked;
    entry.head_bytes = o->head_bytes;
    entry.kind = o->kind;

    ngx_http_bell_cache_lock(zone);

    /*
     * Nobody else has, it is what is in the file yet, and no purge may be
     * about it that it was not asked about: what was purged does not come back.
     */

    if (bell_cache_index_find(zone->sh->index, &o->hash)
        || ngx_http_bell_cache_shelf_of(zone, &o->hash, &filed) != NGX_OK
        || filed.id != o->id || filed.stamp != o->stamp
        || ngx_http_bell_cache_struck(zone, &ctx->asked, o->url,
                                      filed.checked))
    {
        goto done;
    }

    /* none that came since is about it */

    entry.times = filed.times;
    entry.checked = ngx_http_bell_cache_purge_count(zone);

    entry.head = ngx_http_bell_cache_take(zone, head.len);

    if (entry.head && body.len) {
        entry.body = ngx_http_bell_cache_take(zone, body.len);
    }

    if (entry.head == 0 || (body.len && entry.body == 0)) {
        ngx_http_bell_cache_drop(zone, entry.head);
        goto done;
    }

    (void) bell_chunks_write(zone->sh->chunks, entry.head, 0, head);

    if (body.len) {
        (void) bell_chunks_write(zone->sh->chunks, entry.body, 0, body);
    }

    if (ngx_http_bell_cache_put(zone, &o->hash, o->tenant_id, &entry)
        == NGX_OK)
    {
        file->head = entry.head;
        file->body = entry.body;
        file->version = entry.version;
    }

done:

    ngx_http_bell_cache_unlock(zone);
}


/*
 * Hits in memory say nothing to the shelf, whose oldest would be the most
 * wanted then.
 */

void
ngx_http_bell_cache_tell_hits(ngx_http_bell_cache_zone_t *zone,
    uint32_t *number)
{
    ngx_uint_t                     n;
    bell_cache_hash                hash;
    bell_cache_entry               filed;
    const bell_cache_entry        *entry;

    for (n = 0; n < NGX_HTTP_BELL_CACHE_HITS; n++) {

        if (++*number > zone->sh->objects) {
            *number = 0;
            return;
        }

        ngx_http_bell_cache_lock(zone);

        entry = bell_cache_index_at(zone->sh->index, *number);
        filed.hits = entry ? entry->hits : 0;

        if (filed.hits) {
            hash = entry->hash;
        }

        ngx_http_bell_cache_unlock(zone);

        if (filed.hits) {
            bell_cache_index_touch(zone->sh->shelf->index,
                                   bell_cache_index_get(zone->sh->shelf->index,
                                                        &hash, &filed));
        }
    }
}
