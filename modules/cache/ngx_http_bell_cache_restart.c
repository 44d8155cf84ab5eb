
/*
 * An nginx begins, and has what the one before it has left in files; and ends,
 * and leaves it in its order.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_journal.h"
#include "ngx_http_bell_cache_purge.h"


#define NGX_HTTP_BELL_CACHE_WRITTEN  8192   /* records in a buffer */


static ngx_int_t ngx_http_bell_cache_read_table(
    ngx_http_bell_cache_zone_t *zone, ngx_uint_t is_late, uint64_t *ids,
    uint64_t *checked, ngx_log_t *log);
static int ngx_libc_cdecl ngx_http_bell_cache_cmp_stamps(const void *one,
    const void *two);
static ngx_uint_t ngx_http_bell_cache_restore(ngx_http_bell_cache_zone_t *zone,
    bell_shelf_object *objects, ngx_uint_t n);
static ngx_int_t ngx_http_bell_cache_write_table(
    ngx_http_bell_cache_zone_t *zone, ngx_uint_t is_left, ngx_log_t *log);
static ngx_uint_t ngx_http_bell_cache_fill(ngx_http_bell_cache_zone_t *zone,
    u_char *buf, uint32_t first, uint32_t *number, ngx_uint_t is_left);


/* ---- an nginx begins */

void
ngx_http_bell_cache_journal_key(ngx_http_bell_cache_zone_t *zone)
{
    u_char              name[NGX_MAX_PATH], bytes[BELL_SHELF_PREFACE_BYTES];
    ngx_fd_t            fd;
    bell_shelf_preface  p;

    fd = ngx_http_bell_cache_open_own(zone->shelf, "index", O_RDONLY, name);

    if (fd == NGX_INVALID_FILE) {
        return;
    }

    if (ngx_http_bell_cache_read_at(fd, bytes, sizeof(bytes), 0) == NGX_OK
        && bell_shelf_preface_read(bytes, &p))
    {
        ngx_memcpy(zone->sh->key, p.key, sizeof(p.key));
    }

    (void) ngx_close_file(fd);
}


ngx_int_t
ngx_http_bell_cache_journal_open(ngx_http_bell_cache_zone_t *zone,
    ngx_uint_t is_late, ngx_log_t *log)
{
    u_char                            name[NGX_MAX_PATH];
    uint64_t                          ids, checked;
    ngx_int_t                         rc, known;
    struct timeval                    tv;
    ngx_http_bell_cache_lock_file_t  *lock;

    lock = zone->shelf->lock;

    ngx_http_bell_cache_boot(lock->boot);

    lock->purges = ngx_http_bell_cache_open_own(zone->shelf, "purges",
                                                O_RDWR|O_CREAT, name);

    if (lock->purges != NGX_INVALID_FILE) {
        lock->table = ngx_http_bell_cache_open_own(zone->shelf, "index",
                                                   O_RDWR|O_CREAT, name);
    }

    if (lock->purges == NGX_INVALID_FILE || lock->table == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      "bell_cache_zone: \"%s\" cannot be made", name);
        return NGX_ERROR;
    }

    /* ids go on, whatever is lost: a millisecond has a million of them */

    ngx_gettimeofday(&tv);

    ids = (uint64_t) (tv.tv_sec * 1000 + tv.tv_usec / 1000) << 20;
    checked = 0;

    rc = ngx_http_bell_cache_read_table(zone, is_late, &ids, &checked, log);

    /* of a zone that is used somebody may take one just now */

    ngx_http_bell_cache_lock(zone);
    zone->sh->ids = ngx_max(zone->sh->ids, ids);
    ngx_http_bell_cache_unlock(zone);

    /* known: whatever was purged is; a zone that is used has its own purges */

    known = rc != NGX_DECLINED && !is_late
            ? ngx_http_bell_cache_read_purges(zone) : NGX_DECLINED;

    ngx_http_bell_cache_purges_restored(zone, known == NGX_OK, checked);

    zone->sh->shelf->before = zone->sh->ids;
    zone->sh->shelf->off = 0;
    zone->sh->shelf->anew = 0;

    if (rc != NGX_OK
        && ngx_http_bell_cache_write_table(zone, 0, log) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_bell_cache_write_preface(zone, lock->table,
                                          zone->sh->shelf->slots, 0, 0)
        != NGX_OK)
    {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      "bell_cache_zone: \"%s\" cannot be written", name);
        return NGX_ERROR;
    }

    ngx_http_bell_cache_journal_begin(zone);
    ngx_http_bell_cache_journal_end(zone);

    return NGX_OK;
}


/*
 * NGX_OK: places are as in the file; NGX_AGAIN: they are others now, and it is
 * to be written; NGX_DECLINED: it tells nothing.
 */

static ngx_int_t
ngx_http_bell_cache_read_table(ngx_http_bell_cache_zone_t *zone,
    ngx_uint_t is_late, uint64_t *ids, uint64_t *checked, ngx_log_t *log)
{
    u_char              *bytes;
    uint64_t             slots, i;
    ngx_fd_t             fd;
    ngx_int_t            rc;
    ngx_msec_t           begun;
    ngx_uint_t           n, ordered, restored;
    ngx_file_info_t      fi;
    bell_shelf_object   *objects;
    bell_shelf_preface   p;

    fd = zone->shelf->lock->table;
    begun = ngx_current_msec;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR
        || ngx_file_size(&fi) < BELL_SHELF_PREFACE_BYTES)
    {
        return NGX_DECLINED;
    }

    slots = ngx_file_size(&fi) / BELL_SHELF_RECORD_BYTES;
    bytes = ngx_alloc(slots * BELL_SHELF_RECORD_BYTES, log);

    if (bytes == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_http_bell_cache_read_at(fd, bytes, slots * BELL_SHELF_RECORD_BYTES,
                                    0)
        != NGX_OK
        || !bell_shelf_preface_read(bytes, &p)
        || p.layout != ngx_http_bell_cache_layout()
        || (is_late
            && ngx_memcmp(p.key, zone->sh->key, sizeof(p.key)) != 0))
    {
        ngx_free(bytes);
        return NGX_DECLINED;
    }

    ngx_memcpy(zone->sh->key, p.key, sizeof(p.key));

    /* in place, to the front: an object is shorter than its record */

    objects = (bell_shelf_object *) bytes;
    ordered = 1;

    for (i = 1, n = 0; i < slots; i++) {
        bell_shelf_object  o;

        if (!bell_shelf_record_read(zone->sh->key, i,
                                    bytes + i * BELL_SHELF_RECORD_BYTES, &o))
        {
            ordered = 0;
            continue;
        }

        ordered = ordered && (n == 0 || objects[n - 1].stamp < o.stamp);
        objects[n++] = o;

        *checked = ngx_max(*checked, o.checked);
        *ids = ngx_max(*ids, o.id);
    }

    *ids = ngx_max(*ids, p.ids);

    if (!ordered) {
        ngx_qsort(objects, n, sizeof(bell_shelf_object),
                  ngx_http_bell_cache_cmp_stamps);
    }

    restored = ngx_http_bell_cache_restore(zone, objects, n);

    rc = ordered && restored == n && n + 1 == slots ? NGX_OK : NGX_AGAIN;

    ngx_free(bytes);

    ngx_time_update();

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "bell_cache_zone: zone \"%V\" has %ui objects in files, "
                  "read in %M ms", &zone->shm_zone->shm.name, restored,
                  ngx_current_msec - begun);

    return rc;
}


static int ngx_libc_cdecl
ngx_http_bell_cache_cmp_stamps(const void *one, const void *two)
{
    const bell_shelf_object  *a, *b;

    a = one;
    b = two;

    return a->stamp < b->stamp ? -1 : a->stamp > b->stamp;
}


/* Of two for one key the latter counts. */

static ngx_uint_t
ngx_http_bell_cache_restore(ngx_http_bell_cache_zone_t *zone,
    bell_shelf_object *objects, ngx_uint_t n)
{
    ngx_uint_t                    i, restored;
    ngx_http_bell_cache_filed_t   filed;

    restored = 0;

    for (i = 0; i < n; i++) {
        ngx_http_bell_cache_lock(zone);

        if (bell_cache_index_find(zone->sh->index, &objects[i].hash) == NULL) {

            if (ngx_http_bell_cache_shelf_of(zone, &objects[i].hash, &filed)
                == NGX_OK)
            {
                ngx_http_bell_cache_shelf_forget(zone, &objects[i].hash, 0);
                restored--;
            }

            if (ngx_http_bell_cache_shelf_restore(zone, &objects[i])
                == NGX_OK)
            {
                restored++;
            }
        }

        ngx_http_bell_cache_unlock(zone);
    }

    return restored;
}


/* ---- a table as a whole */

/*
 * In the places of entries; or, when nginx ends, in the order in which they
 * would go, which is that in which they are read again.
 */

static ngx_int_t
ngx_http_bell_cache_write_table(ngx_http_bell_cache_zone_t *zone,
    ngx_uint_t is_left, ngx_log_t *log)
{
    u_char      *buf, name[NGX_MAX_PATH], to[NGX_MAX_PATH];
    uint32_t     first, number;
    ngx_fd_t     fd;
    ngx_int_t    rc;
    ngx_uint_t   n;

    (void) ngx_sprintf(name, "%V/index.new%Z", &zone->shelf->path->name);
    (void) ngx_sprintf(to, "%V/index%Z", &zone->shelf->path->name);

    buf = ngx_alloc(NGX_HTTP_BELL_CACHE_WRITTEN * BELL_SHELF_RECORD_BYTES,
                    log);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_delete_file(name);

    fd = ngx_http_bell_cache_open_own(zone->shelf, "index.new",
                                      O_RDWR|O_CREAT|O_EXCL, name);
    rc = fd == NGX_INVALID_FILE
         ? NGX_ERROR
         : ngx_http_bell_cache_write_preface(zone, fd, zone->sh->shelf->slots,
                                             is_left, is_left);

    n = NGX_HTTP_BELL_CACHE_WRITTEN;

    for (first = 1, number = 0;
         rc == NGX_OK && n == NGX_HTTP_BELL_CACHE_WRITTEN;
         first += n)
    {
        n = ngx_http_bell_cache_fill(zone, buf, first, &number, is_left);
        rc = ngx_http_bell_cache_write_at(fd, buf, n * BELL_SHELF_RECORD_BYTES,
                                          (off_t) first
                                          * BELL_SHELF_RECORD_BYTES);
    }

    if (rc == NGX_OK && is_left && fsync(fd) == -1) {
        rc = NGX_ERROR;
    }

    if (rc == NGX_OK && ngx_rename_file(name, to) == NGX_FILE_ERROR) {
        rc = NGX_ERROR;
    }

    if (rc == NGX_OK) {
        (void) ngx_close_file(zone->shelf->lock->table);
        zone->shelf->lock->table = fd;

    } else {
        ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                      "bell_cache_zone: \"%s\" cannot be written", name);

        if (fd != NGX_INVALID_FILE) {
            (void) ngx_close_file(fd);
        }
    }

    ngx_free(buf);

    return rc;
}


/* How many there are from "first" on, of those that fit: none in between. */

static ngx_uint_t
ngx_http_bell_cache_fill(ngx_http_bell_cache_zone_t *zone, u_char *buf,
    uint32_t first, uint32_t *number, ngx_uint_t is_left)
{
    uint32_t                 slot;
    ngx_uint_t               n, last;
    bell_shelf_object        o;
    const bell_cache_entry  *entry;

    last = 0;

    for (n = 0; n < NGX_HTTP_BELL_CACHE_WRITTEN; n++) {
        slot = first + (uint32_t) n;

        if (slot > zone->sh->shelf->slots) {
            break;
        }

        entry = is_left ? bell_cache_index_next(zone->sh->shelf->index, number)
                        : bell_cache_index_at(zone->sh->shelf->index, slot);

        if (entry) {
            ngx_http_bell_cache_shelf_object(entry, &o);

            if (is_left) {
                o.stamp = slot;
            }

            last = n + 1;

        } else if (is_left) {
            break;
        }

        bell_shelf_record_write(zone->sh->key, slot, entry ? &o : NULL,
                                buf + n * BELL_SHELF_RECORD_BYTES);
    }

    return last;
}


/* ---- an nginx ends: the last process of all writes */

void
ngx_http_bell_cache_journal_leave(ngx_http_bell_cache_zone_t *zone,
    ngx_log_t *log)
{
    ngx_http_bell_cache_shelf_t  *shelf;

    shelf = zone->shelf;

    /* who died in the middle of a change has left no order */

    if (shelf == NULL || shelf->lock == NULL || shelf->sh == NULL
        || shelf->sh->off || zone->sh->holder)
    {
        return;
    }

    if (ngx_http_bell_cache_write_table(zone, 1, log) != NGX_OK
        || ngx_http_bell_cache_write_purges(zone) != NGX_OK
        || fsync(shelf->lock->purges) == -1
        || ngx_http_bell_cache_write_preface(zone, shelf->lock->purges,
                                             zone->sh->objects, 1, 1)
           != NGX_OK
        || fsync(shelf->lock->purges) == -1)
    {
        ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                      "bell_cache_zone: what is in the files of zone \"%V\" "
                      "could not be written down in its order",
                      &zone->shm_zone->shm.name);
    }
}
