
/*
 * What a zone with files knows, on disk: a table with a record for each object
 * of the shelf, in the place that its entry has, and an image of what was
 * purged.  Both are written behind what they tell of; an nginx that begins
 * reads them, and opens no file of an object for it.
 *
 * Places that were changed are marked; the keeper writes them.  Purges are
 * written by who notes them, before he goes on: the image is said to be torn
 * while that lasts, and what is torn, or was written before the machine went
 * down, is taken for "something of everybody was purged".
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_journal.h"
#include "ngx_http_bell_cache_purge.h"


#define NGX_HTTP_BELL_CACHE_LAYOUT      2
#define NGX_HTTP_BELL_CACHE_FLUSHED     2048    /* records at a time */
#define NGX_HTTP_BELL_CACHE_BLOCK       4096    /* of an image */
#define NGX_HTTP_BELL_CACHE_BOOT        "/proc/sys/kernel/random/boot_id"


/* a part of an image */

typedef struct {
    uint64_t                      sum;
    uint64_t                      number;
    u_char                        bytes[NGX_HTTP_BELL_CACHE_PURGE_BLOCK];
} ngx_http_bell_cache_block_t;


static uint64_t ngx_http_bell_cache_block_sum(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_block_t *block);


/* ---- bytes */

uint64_t
ngx_http_bell_cache_layout(void)
{
    return (uint64_t) NGX_HTTP_BELL_CACHE_LAYOUT << 48
           | (uint64_t) sizeof(ngx_http_bell_cache_head_t) << 32
           | ngx_http_bell_cache_purges_layout();
}


void
ngx_http_bell_cache_boot(char *boot)
{
    ngx_fd_t  fd;

    ngx_memzero(boot, BELL_SHELF_BOOT_BYTES);

    fd = ngx_open_file((u_char *) NGX_HTTP_BELL_CACHE_BOOT, NGX_FILE_RDONLY,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        return;
    }

    (void) ngx_http_bell_cache_read_at(fd, boot, BELL_SHELF_BOOT_BYTES, 0);
    (void) ngx_close_file(fd);
}


/* NGX_DECLINED: there is less. */

ngx_int_t
ngx_http_bell_cache_read_at(ngx_fd_t fd, void *p, size_t len, off_t at)
{
    u_char   *to;
    ssize_t   n;

    for (to = p; len; to += n, at += n, len -= n) {
        n = pread(fd, to, len, at);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            n = 0;

        } else if (n <= 0) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/* "is_left": all is on disk, whatever becomes of the machine. */

ngx_int_t
ngx_http_bell_cache_write_preface(ngx_http_bell_cache_zone_t *zone,
    ngx_fd_t fd, uint64_t slots, ngx_uint_t is_clean, ngx_uint_t is_left)
{
    u_char              bytes[BELL_SHELF_PREFACE_BYTES];
    bell_shelf_preface  p;

    ngx_memzero(&p, sizeof(p));

    p.layout = ngx_http_bell_cache_layout();
    p.slots = slots;
    p.ids = zone->sh->ids;
    p.seen = zone->sh->seen;
    p.is_clean = (uint32_t) is_clean;

    ngx_memcpy(p.key, zone->sh->key, sizeof(p.key));

    if (!is_left) {
        ngx_memcpy(p.boot, zone->shelf->lock->boot, sizeof(p.boot));
    }

    bell_shelf_preface_write(&p, bytes);

    return ngx_http_bell_cache_write_at(fd, bytes, sizeof(bytes), 0);
}


/* ---- purges */

void
ngx_http_bell_cache_journal_begin(ngx_http_bell_cache_zone_t *zone)
{
    struct flock                  fl;
    ngx_http_bell_cache_shelf_t  *shelf;

    shelf = zone->shelf;

    if (shelf == NULL || shelf->sh->off || shelf->lock == NULL) {
        return;
    }

    ngx_memzero(&fl, sizeof(fl));
    fl.l_type = F_WRLCK;
    fl.l_whence = SEEK_SET;
    fl.l_start = 1;
    fl.l_len = 1;

    while (fcntl(shelf->lock->fd, F_SETLKW, &fl) == -1
           && ngx_errno == NGX_EINTR)
    {
        /* void */
    }

    if (ngx_http_bell_cache_write_preface(zone, shelf->lock->purges,
                                          zone->sh->objects, 0, 0)
        != NGX_OK)
    {
        ngx_http_bell_cache_file_failed(zone, ngx_cycle->log, ngx_errno,
                                        "cannot be written",
                                        (u_char *) "purges");
    }
}


void
ngx_http_bell_cache_journal_end(ngx_http_bell_cache_zone_t *zone)
{
    struct flock                  fl;
    ngx_http_bell_cache_shelf_t  *shelf;

    shelf = zone->shelf;

    if (shelf == NULL || shelf->sh->off || shelf->lock == NULL) {
        return;
    }

    if (ngx_http_bell_cache_write_purges(zone) != NGX_OK
        || ngx_http_bell_cache_write_preface(zone, shelf->lock->purges,
                                             zone->sh->objects, 1, 0)
           != NGX_OK)
    {
        ngx_http_bell_cache_file_failed(zone, ngx_cycle->log, ngx_errno,
                                        "cannot be written",
                                        (u_char *) "purges");
    }

    ngx_memzero(&fl, sizeof(fl));
    fl.l_type = F_UNLCK;
    fl.l_whence = SEEK_SET;
    fl.l_start = 1;
    fl.l_len = 1;

    (void) fcntl(shelf->lock->fd, F_SETLK, &fl);
}


/* What cannot be written stays marked. */

ngx_int_t
ngx_http_bell_cache_write_purges(ngx_http_bell_cache_zone_t *zone)
{
    size_t                        size, at;
    u_char                       *image;
    uint64_t                     *changed, bit;
    ngx_uint_t                    n;
    ngx_http_bell_cache_block_t   block;

    image = ngx_http_bell_cache_purges_image(zone, &size, &changed);

    for (n = 0, at = 0; at < size; n++, at += sizeof(block.bytes)) {
        bit = (uint64_t) 1 << (n % 64);

        if (!(changed[n / 64] & bit)) {
            continue;
        }

        (void) __atomic_fetch_and(&changed[n / 64], ~bit, __ATOMIC_SEQ_CST);

        ngx_memzero(&block, sizeof(block));
        ngx_memcpy(block.bytes, image + at,
                   ngx_min(size - at, sizeof(block.bytes)));

        block.number = n;
        block.sum = ngx_http_bell_cache_block_sum(zone, &block);

        if (ngx_http_bell_cache_write_at(zone->shelf->lock->purges, &block,
                                         sizeof(block),
                                         (off_t) (n + 1)
                                         * NGX_HTTP_BELL_CACHE_BLOCK)
            != NGX_OK)
        {
            (void) __atomic_fetch_or(&changed[n / 64], bit, __ATOMIC_SEQ_CST);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static uint64_t
ngx_http_bell_cache_block_sum(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_block_t *block)
{
    bell_str  bytes;

    bytes.p = (char *) &block->number;
    bytes.len = sizeof(*block) - offsetof(ngx_http_bell_cache_block_t, number);

    return bell_siphash(zone->sh->key, bytes);
}


/* NGX_DECLINED: nobody knows what was purged. */

ngx_int_t
ngx_http_bell_cache_read_purges(ngx_http_bell_cache_zone_t *zone)
{
    size_t                        size, at;
    u_char                        bytes[BELL_SHELF_PREFACE_BYTES], *image;
    uint64_t                     *changed;
    ngx_uint_t                    n;
    bell_shelf_preface            p;
    ngx_http_bell_cache_block_t   block;

    static const char  left[BELL_SHELF_BOOT_BYTES];

    image = ngx_http_bell_cache_purges_image(zone, &size, &changed);

    if (ngx_http_bell_cache_read_at(zone->shelf->lock->purges, bytes,
                                    sizeof(bytes), 0)
        != NGX_OK
        || !bell_shelf_preface_read(bytes, &p)
        || p.layout != ngx_http_bell_cache_layout()
        || p.slots != zone->sh->objects || !p.is_clean
        || ngx_memcmp(p.key, zone->sh->key, sizeof(p.key)) != 0)
    {
        return NGX_DECLINED;
    }

    zone->sh->seen = p.seen;

    if (ngx_memcmp(p.boot, zone->shelf->lock->boot, sizeof(p.boot)) != 0
        && ngx_memcmp(p.boot, left, sizeof(p.boot)) != 0)
    {
        return NGX_DECLINED;
    }

    for (n = 0, at = 0; at < size; n++, at += sizeof(block.bytes)) {

        if (ngx_http_bell_cache_read_at(zone->shelf->lock->purges, &block,
                                        sizeof(block),
                                        (off_t) (n + 1)
                                        * NGX_HTTP_BELL_CACHE_BLOCK)
            != NGX_OK
            || block.number != n
            || block.sum != ngx_http_bell_cache_block_sum(zone, &block))
        {
            return NGX_DECLINED;
        }

        ngx_memcpy(image + at, block.bytes,
                   ngx_min(size - at, sizeof(block.bytes)));
    }

    return NGX_OK;
}


/* ---- records, as they change */

ngx_uint_t
ngx_http_bell_cache_journal_flush(ngx_http_bell_cache_zone_t *zone,
    ngx_log_t *log)
{
    u_char                               record[BELL_SHELF_RECORD_BYTES];
    uint64_t                             bits, *changed;
    uint32_t                             slot;
    ngx_uint_t                           w, n;
    bell_shelf_object                    o;
    const bell_cache_entry              *entry;
    ngx_http_bell_cache_shelf_shared_t  *sh;

    sh = zone->sh->shelf;

    if (sh->anew) {
        sh->anew = 0;

        if (ftruncate(zone->shelf->lock->table, BELL_SHELF_PREFACE_BYTES)
            == -1)
        {
            sh->anew = 1;
            return 0;
        }
    }

    (void) ngx_http_bell_cache_purges_image(zone, NULL, &changed);

    for (w = 0; w < NGX_HTTP_BELL_CACHE_PURGE_WORDS; w++) {
        if (changed[w]) {
            ngx_http_bell_cache_journal_begin(zone);
            ngx_http_bell_cache_journal_end(zone);
            break;
        }
    }

    for (w = 0, n = 0; w <= sh->slots / 64; w++) {

        if (sh->changed[w] == 0) {
            continue;
        }

        if (n >= NGX_HTTP_BELL_CACHE_FLUSHED) {
            return 1;
        }

        bits = __atomic_exchange_n(&sh->changed[w], 0, __ATOMIC_ACQUIRE);

        for ( /* void */ ; bits; bits &= bits - 1, n++) {
            slot = (uint32_t) (w * 64 + __builtin_ctzll(bits));

            if (slot == 0 || slot > sh->slots) {
                continue;
            }

            ngx_http_bell_cache_lock(zone);

            entry = bell_cache_index_at(sh->index, slot);

            if (entry) {
                ngx_http_bell_cache_shelf_object(entry, &o);
            }

            ngx_http_bell_cache_unlock(zone);

            bell_shelf_record_write(zone->sh->key, slot, entry ? &o : NULL,
                                    record);

            if (ngx_http_bell_cache_write_at(zone->shelf->lock->table, record,
                                             sizeof(record),
                                             (off_t) slot * sizeof(record))
                != NGX_OK)
            {
                (void) __atomic_fetch_or(&sh->changed[w], bits,
                                         __ATOMIC_RELEASE);
                ngx_http_bell_cache_file_failed(zone, log, ngx_errno,
                                                "cannot be written",
                                                (u_char *) "index");
                return 0;
            }
        }
    }

    return 0;
}
