
/*
 * Files of the shelf, as they are written: by the worker whose load brings the
 * object, in a folder of their own until they are whole.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_load.h"
#include "ngx_http_bell_cache_purge.h"
#include "ngx_http_bell_cache_shelf.h"


#define NGX_HTTP_BELL_CACHE_STEP_BYTES  (1024 * 1024)   /* promised at a time */


static ngx_int_t ngx_http_bell_cache_file_create(
    ngx_http_bell_cache_load_t *load, uint64_t id);
static ngx_int_t ngx_http_bell_cache_file_append(
    ngx_http_bell_cache_load_t *load, u_char *p, size_t len, off_t at);
static ngx_int_t ngx_http_bell_cache_file_finish(
    ngx_http_bell_cache_load_t *load, ngx_http_bell_cache_flight_t *flight,
    bell_shelf_object *o);
static void ngx_http_bell_cache_file_close(ngx_http_bell_cache_load_t *load);


/* ---- its beginning */

ngx_int_t
ngx_http_bell_cache_file_begin(ngx_http_bell_cache_load_t *load)
{
    uint64_t                     id;
    ngx_http_bell_cache_zone_t  *zone;

    zone = load->ctx.zone;

    if (zone->shelf == NULL || zone->sh->shelf->off
        || load->length > zone->shelf->largest)
    {
        return NGX_DECLINED;
    }

    ngx_http_bell_cache_lock(zone);
    id = ++zone->sh->ids;
    ngx_http_bell_cache_unlock(zone);

    return ngx_http_bell_cache_file_create(load, id);
}


static ngx_int_t
ngx_http_bell_cache_file_create(ngx_http_bell_cache_load_t *load, uint64_t id)
{
    u_char                        name[NGX_MAX_PATH];
    ngx_http_bell_cache_zone_t   *zone;

    zone = load->ctx.zone;

    (void) ngx_http_bell_cache_file_name(zone->shelf->temp, id, name);

    load->file_fd = ngx_open_tempfile(name, 1, NGX_FILE_OWNER_ACCESS);

    if (load->file_fd == NGX_INVALID_FILE) {
        ngx_http_bell_cache_file_failed(zone, ngx_cycle->log, ngx_errno,
                                        "cannot be made", name);
        load->full = 1;
        return NGX_DECLINED;
    }

    load->file_id = id;
    load->file_crc = 0;

    /* he may come to read when it has another name, or none any more */

    if (load->reader) {
        (void) ngx_http_bell_cache_file_follow(load->reader, id);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_bell_cache_file_spill(ngx_http_bell_cache_load_t *load,
    ngx_http_bell_cache_flight_t *flight)
{
    size_t      n;
    u_char     *p;
    uint64_t    at;
    ngx_int_t   rc;

    if (load->ctx.zone->shelf == NULL || load->ctx.zone->sh->shelf->off
        || ngx_http_bell_cache_file_create(load, flight->entry.id) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    p = ngx_palloc(load->pool, NGX_HTTP_BELL_CACHE_PIECE_BYTES);
    rc = p ? NGX_OK : NGX_DECLINED;

    for (at = 0; rc == NGX_OK && at < load->written; at += n) {
        n = ngx_min(load->written - at, NGX_HTTP_BELL_CACHE_PIECE_BYTES);
        n = bell_chunks_read(load->ctx.zone->sh->chunks, flight->entry.body,
                             at, p, n);

        rc = n ? ngx_http_bell_cache_file_write(load, p, n, at)
               : NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        ngx_http_bell_cache_file_abandon(load);
        return NGX_DECLINED;
    }

    /* from here on its bytes are read from there, those before as well */

    ngx_http_bell_cache_lock(load->ctx.zone);

    if (ngx_http_bell_cache_flight(load->ctx.zone, &load->flight) == flight) {
        __atomic_store_n(&flight->filed, 1, __ATOMIC_SEQ_CST);
    }

    ngx_http_bell_cache_unlock(load->ctx.zone);

    load->full = 0;

    return NGX_OK;
}


/* ---- a body */

ngx_int_t
ngx_http_bell_cache_file_room(ngx_http_bell_cache_load_t *load,
    ngx_http_bell_cache_flight_t *flight, size_t len)
{
    uint64_t                     need;
    ngx_int_t                    rc;
    ngx_http_bell_cache_zone_t  *zone;

    zone = load->ctx.zone;
    need = load->written + len;

    if (need > (uint64_t) zone->shelf->largest) {
        return NGX_DECLINED;
    }

    if (load->length < 0 && need > flight->promised) {

        ngx_http_bell_cache_lock(zone);
        rc = ngx_http_bell_cache_shelf_promise(zone, flight,
                                  ngx_align(need,
                                            NGX_HTTP_BELL_CACHE_STEP_BYTES));
        ngx_http_bell_cache_unlock(zone);

        if (rc != NGX_OK) {
            load->full = 1;
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_bell_cache_file_write(ngx_http_bell_cache_load_t *load, u_char *p,
    size_t len, off_t at)
{
    bell_str  bytes;

    if (ngx_http_bell_cache_file_append(load, p, len, at) != NGX_OK) {
        return NGX_DECLINED;
    }

    bytes.p = (char *) p;
    bytes.len = len;

    load->file_crc = bell_crc32c(load->file_crc, bytes);

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_cache_file_append(ngx_http_bell_cache_load_t *load, u_char *p,
    size_t len, off_t at)
{
    u_char  name[NGX_MAX_PATH];

    if (ngx_http_bell_cache_write_at(load->file_fd, p, len, at) == NGX_OK) {
        return NGX_OK;
    }

    (void) ngx_http_bell_cache_file_name(load->ctx.zone->shelf->temp,
                                         load->file_id, name);
    ngx_http_bell_cache_file_failed(load->ctx.zone, ngx_cycle->log, ngx_errno,
                                    "cannot be written", name);
    load->full = 1;

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_bell_cache_write_at(ngx_fd_t fd, const void *p, size_t len, off_t at)
{
    ssize_t        n;
    const u_char  *from;

    for (from = p; len; from += n, at += n, len -= n) {
        n = pwrite(fd, from, len, at);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            n = 0;

        } else if (n <= 0) {
            if (n == 0) {
                ngx_set_errno(NGX_ENOSPC);
            }

            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* ---- its end */

/* NGX_ERROR: nobody is to be told that it is done. */

ngx_int_t
ngx_http_bell_cache_file_stored(ngx_http_bell_cache_load_t *load)
{
    ngx_int_t                      rc;
    bell_shelf_object              o;
    ngx_http_bell_cache_zone_t    *zone;
    ngx_http_bell_cache_filed_t    filed;
    ngx_http_bell_cache_flight_t  *flight;

    zone = load->ctx.zone;
    flight = ngx_http_bell_cache_flight(zone, &load->flight);

    if (flight == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_http_bell_cache_file_finish(load, flight, &o);

    ngx_http_bell_cache_lock(zone);

    if (ngx_http_bell_cache_flight(zone, &load->flight) == NULL) {
        ngx_http_bell_cache_shelf_doom(zone, load->file_id);
        ngx_http_bell_cache_unlock(zone);
        return NGX_ERROR;
    }

    flight->entry.body_bytes = load->written;

    ngx_http_bell_cache_shelf_released(zone, flight);

    if (rc == NGX_OK) {

        if (ngx_http_bell_cache_is_newer(zone, &o.hash, o.checked)
            || (ngx_http_bell_cache_shelf_of(zone, &o.hash, &filed) == NGX_OK
                && filed.kind == NGX_HTTP_BELL_CACHE_OBJECT
                && filed.checked > o.checked))
        {
            ngx_http_bell_cache_shelf_doom(zone, o.id);

        } else {
            ngx_http_bell_cache_remove(zone, &o.hash);
            (void) ngx_http_bell_cache_shelf_put(zone, &o);
        }
    }

    ngx_http_bell_cache_flight_ends(zone, flight, NGX_HTTP_BELL_CACHE_DONE);

    ngx_http_bell_cache_unlock(zone);

    load->ended = 1;

    ngx_http_bell_cache_wake(load->ctx.bmcf->core, flight);
    ngx_http_bell_cache_delete_doomed(zone, ngx_cycle->log);

    return NGX_OK;
}


/* Head and trailer, then its own name.  NGX_DECLINED: it is not stored. */

static ngx_int_t
ngx_http_bell_cache_file_finish(ngx_http_bell_cache_load_t *load,
    ngx_http_bell_cache_flight_t *flight, bell_shelf_object *o)
{
    size_t                        len;
    u_char                       *end;
    ngx_int_t                     rc;
    ngx_http_bell_cache_entry_t  *entry;

    entry = &flight->entry;
    entry->times.fetch_ms = (uint32_t) (ngx_current_msec - load->begun_ms);

    ngx_memzero(o, sizeof(*o));

    o->hash = flight->stored_as;
    o->times = entry->times;
    o->id = load->file_id;
    o->url = entry->url;
    o->body_bytes = load->written;
    o->checked = entry->checked;
    o->tenant_id = load->ctx.asked.tenant_id;
    o->head_bytes = entry->head_bytes;
    o->body_crc = load->file_crc;
    o->kind = NGX_HTTP_BELL_CACHE_OBJECT;

    len = o->head_bytes + BELL_SHELF_TRAILER_BYTES;
    o->bytes = o->body_bytes + len;

    end = ngx_palloc(load->pool, len);

    if (end == NULL
        || bell_chunks_read(load->ctx.zone->sh->chunks, entry->head, 0, end,
                            o->head_bytes)
           != o->head_bytes)
    {
        ngx_http_bell_cache_file_close(load);
        return NGX_DECLINED;
    }

    bell_shelf_trailer_write(load->ctx.zone->sh->key, o, end);

    rc = ngx_http_bell_cache_file_append(load, end, len,
                                         (off_t) load->written);

    if (rc == NGX_OK) {
        rc = ngx_http_bell_cache_file_rename(load->ctx.zone, load->file_id);
    }

    ngx_http_bell_cache_file_close(load);

    return rc;
}


ngx_int_t
ngx_http_bell_cache_file_rename(ngx_http_bell_cache_zone_t *zone, uint64_t id)
{
    u_char  from[NGX_MAX_PATH], to[NGX_MAX_PATH];

    (void) ngx_http_bell_cache_file_name(zone->shelf->temp, id, from);
    (void) ngx_http_bell_cache_file_name(zone->shelf->path, id, to);

    if (ngx_rename_file(from, to) == NGX_FILE_ERROR
        && (ngx_errno != NGX_ENOENT
            || ngx_create_full_path(to, 0700) != 0
            || ngx_rename_file(from, to) == NGX_FILE_ERROR))
    {
        ngx_http_bell_cache_file_failed(zone, ngx_cycle->log, ngx_errno,
                                        "cannot be renamed", to);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* Those who wait can read what is whole until it is swept. */

static void
ngx_http_bell_cache_file_close(ngx_http_bell_cache_load_t *load)
{
    (void) ngx_close_file(load->file_fd);
    load->file_fd = NGX_INVALID_FILE;
}


/* Who has it open reads on. */

void
ngx_http_bell_cache_file_abandon(ngx_http_bell_cache_load_t *load)
{
    u_char  name[NGX_MAX_PATH];

    if (load->file_id == 0 || load->file_fd == NGX_INVALID_FILE) {
        return;
    }

    ngx_http_bell_cache_file_close(load);

    (void) ngx_http_bell_cache_file_name(load->ctx.zone->shelf->temp,
                                         load->file_id, name);
    (void) ngx_delete_file(name);
}


/* ---- one that is true again */

ngx_int_t
ngx_http_bell_cache_file_renew(ngx_http_bell_cache_load_t *load,
    bell_freshness_times *times, bell_str head, bell_shelf_object *o)
{
    off_t                         at;
    size_t                        len;
    u_char                       *end, name[NGX_MAX_PATH];
    ssize_t                       n;
    ngx_fd_t                      fd;
    bell_shelf_object             is;
    ngx_http_bell_cache_zone_t   *zone;

    zone = load->ctx.zone;

    if (ngx_http_bell_cache_shelf_get(zone, &load->stale.hash, o) != NGX_OK
        || o->id != load->stale.entry.id)
    {
        return NGX_DECLINED;
    }

    (void) ngx_http_bell_cache_file_name(zone->shelf->path, o->id, name);

    fd = ngx_open_file(name, NGX_FILE_RDWR|NGX_FILE_NONBLOCK, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        return NGX_ERROR;
    }

    len = ngx_max(o->head_bytes, head.len) + BELL_SHELF_TRAILER_BYTES;
    end = ngx_palloc(load->pool, len);

    if (end == NULL
        || ngx_http_bell_cache_file_end(zone, fd, o, end, &is) != NGX_OK)
    {
        goto failed;
    }

    /* what is written over and over begins anew some time */

    if (o->bytes > 2 * o->body_bytes + NGX_HTTP_BELL_CACHE_HEAD_BYTES) {
        goto failed;
    }

    at = (off_t) o->bytes;

    o->times = *times;
    o->checked = load->checked;
    o->head_bytes = (uint32_t) head.len;
    o->body_crc = is.body_crc;

    len = head.len + BELL_SHELF_TRAILER_BYTES;
    o->bytes += len;

    ngx_memcpy(end, head.p, head.len);
    bell_shelf_trailer_write(zone->sh->key, o, end);

    n = pwrite(fd, end, len, at);

    if (n != (ssize_t) len) {
        ngx_http_bell_cache_file_failed(zone, ngx_cycle->log,
                                        n == -1 ? ngx_errno : NGX_ENOSPC,
                                        "cannot be written", name);
        goto failed;
    }

    (void) ngx_close_file(fd);

    return NGX_OK;

failed:

    (void) ngx_close_file(fd);

    return NGX_ERROR;
}
