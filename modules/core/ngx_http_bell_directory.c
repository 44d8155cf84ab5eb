
/*
 * The tenant directory in shared memory: the zone, publishing, reading.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <stdio.h>

#include <openssl/err.h>

#include "ngx_http_bell_directory.h"


static ngx_int_t ngx_http_bell_directory_create(ngx_http_bell_directory_t *d);
static ngx_int_t ngx_http_bell_directory_create_batch(
    ngx_http_bell_directory_t *d);
static ngx_http_bell_directory_slot_t *ngx_http_bell_directory_enter(
    ngx_http_bell_directory_t *d, ngx_atomic_uint_t *generation);
static ngx_uint_t ngx_http_bell_directory_torn(ngx_http_bell_directory_t *d,
    ngx_atomic_uint_t generation);
static ngx_int_t ngx_http_bell_directory_fill(ngx_http_bell_directory_t *d,
    ngx_http_bell_directory_slot_t *slot, bell_str snapshot, char *reason);
static ngx_int_t ngx_http_bell_directory_check_version(
    ngx_http_bell_directory_t *d, ngx_http_bell_directory_slot_t *from,
    char *reason);
static void ngx_http_bell_directory_explain_size(
    ngx_http_bell_directory_t *d, bell_str snapshot, char *reason);


ngx_int_t
ngx_http_bell_directory_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_bell_directory_t  *od = data;

    ngx_slab_pool_t            *shpool;
    ngx_http_bell_directory_t  *d;

    d = shm_zone->data;
    d->shm_zone = shm_zone;

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (od) {

        /*
         * A reload with a zone of the same name and size: what is in service
         * stays so.  The file is not applied here, because this reload may
         * still fail on a later line, and the old workers go on; the elected
         * worker is asked to judge it again, so that who reloads with a bad
         * file in place is told so.
         */

        d->sh = od->sh;
        d->sh->recheck = 1;

        return NGX_OK;
    }

    if (shm_zone->shm.exists) {
        d->sh = shpool->data;
        return NGX_OK;
    }

    if (ngx_http_bell_directory_create(d) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "bell_directory: zone \"%V\" of %uz bytes cannot be laid "
                      "out: make it larger in %V:%ui",
                      &shm_zone->shm.name, shm_zone->shm.size, &d->conf_file,
                      d->conf_line);
        return NGX_ERROR;
    }

    shpool->data = d->sh;

    if (d->state.len) {
        return ngx_http_bell_directory_state_begin(d, shm_zone->shm.log);
    }

    return ngx_http_bell_directory_file_load(d, shm_zone->shm.log);
}


static ngx_int_t
ngx_http_bell_directory_create(ngx_http_bell_directory_t *d)
{
    ngx_uint_t                     i;
    ngx_slab_pool_t               *shpool;
    ngx_http_bell_directory_sh_t  *sh;

    shpool = (ngx_slab_pool_t *) d->shm_zone->shm.addr;

    sh = ngx_slab_calloc(shpool, sizeof(ngx_http_bell_directory_sh_t));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    d->sh = sh;

    if (ngx_http_bell_directory_create_batch(d) != NGX_OK) {
        return NGX_ERROR;
    }

    /* all that is left of the zone, in two halves */

    sh->capacity = shpool->pfree / 2 * ngx_pagesize;

    if (sh->capacity == 0) {
        return NGX_ERROR;
    }

    for (i = 0; i < 2; i++) {
        sh->slots[i].image = ngx_slab_alloc(shpool, sh->capacity);
        if (sh->slots[i].image == NULL) {
            return NGX_ERROR;
        }
    }

    /*
     * The counters leave at 0: "nothing published" is a state like others.
     * The last look was longer ago than any interval, also on a machine
     * whose clock began a minute ago.
     */

    sh->polled_ms = ngx_current_msec - NGX_HTTP_BELL_INTERVAL_MAX_MS;

    return NGX_OK;
}


/* 1/32 of the zone, at least 64k, but no more than a quarter of a small one. */

static ngx_int_t
ngx_http_bell_directory_create_batch(ngx_http_bell_directory_t *d)
{
    size_t                            size;
    ngx_slab_pool_t                  *shpool;
    ngx_http_bell_directory_batch_t  *batch;

    shpool = (ngx_slab_pool_t *) d->shm_zone->shm.addr;

    size = ngx_max(shpool->pfree / 32, NGX_HTTP_BELL_BATCH_MIN / ngx_pagesize);
    size = ngx_min(size, shpool->pfree / 4) * ngx_pagesize;

    if (size == 0) {
        return NGX_OK;
    }

    batch = &d->sh->batch;

    batch->bytes = ngx_slab_alloc(shpool, size);
    batch->size = size;

    return batch->bytes ? NGX_OK : NGX_ERROR;
}


/*
 * What is read between these two may be torn by a writer: the image checks
 * itself, and the caller reads again when it was.
 */

static ngx_http_bell_directory_slot_t *
ngx_http_bell_directory_enter(ngx_http_bell_directory_t *d,
    ngx_atomic_uint_t *generation)
{
    *generation = d->sh->published;

    if (*generation == 0) {
        return NULL;
    }

    ngx_memory_barrier();

    return &d->sh->slots[*generation & 1];
}


static ngx_uint_t
ngx_http_bell_directory_torn(ngx_http_bell_directory_t *d,
    ngx_atomic_uint_t generation)
{
    ngx_memory_barrier();

    return d->sh->writing - generation >= 2;
}


bell_directory_match
ngx_http_bell_directory_find(ngx_http_bell_directory_t *d, bell_str host,
    bell_tenant *tenant, ngx_http_bell_directory_found_t *found)
{
    bell_directory_match             rc;
    ngx_http_bell_directory_slot_t  *slot;

    do {
        slot = ngx_http_bell_directory_enter(d, &found->generation);

        if (slot == NULL) {
            found->version = 0;
            return BELL_DIRECTORY_NOBODY;
        }

        found->version = slot->version;

        rc = bell_directory_find_traced(slot->image, d->sh->capacity, host,
                                        tenant, &found->trace);

    } while (ngx_http_bell_directory_torn(d, found->generation));

    return rc;
}


ngx_uint_t
ngx_http_bell_directory_confirm(ngx_http_bell_directory_t *d,
    ngx_atomic_uint_t *generation, uint64_t *version,
    bell_directory_trace *trace)
{
    uint64_t                         now;
    ngx_uint_t                       same;
    ngx_atomic_uint_t                current;
    ngx_http_bell_directory_slot_t  *slot;

    do {
        slot = ngx_http_bell_directory_enter(d, &current);

        if (slot == NULL) {
            return 0;
        }

        now = slot->version;

        same = bell_directory_is_unchanged(slot->image, d->sh->capacity,
                                           trace, *version);

    } while (ngx_http_bell_directory_torn(d, current));

    if (same) {
        *generation = current;
        *version = now;
    }

    return same;
}


uint64_t
ngx_http_bell_directory_version(ngx_http_bell_directory_t *d)
{
    uint64_t                         version;
    ngx_atomic_uint_t                generation;
    ngx_http_bell_directory_slot_t  *slot;

    do {
        slot = ngx_http_bell_directory_enter(d, &generation);

        if (slot == NULL) {
            return 0;
        }

        version = slot->version;

    } while (ngx_http_bell_directory_torn(d, generation));

    return version;
}


ngx_uint_t
ngx_http_bell_directory_is_revoked(ngx_http_bell_directory_t *d,
    uint32_t tenant_id, bell_str subject, int64_t began_s)
{
    ngx_uint_t                       revoked;
    ngx_atomic_uint_t                generation;
    ngx_http_bell_directory_slot_t  *slot;

    do {
        slot = ngx_http_bell_directory_enter(d, &generation);

        if (slot == NULL) {
            return 0;
        }

        revoked = bell_directory_is_revoked(slot->image, d->sh->capacity,
                                            tenant_id, subject, began_s);

    } while (ngx_http_bell_directory_torn(d, generation));

    return revoked;
}


size_t
ngx_http_bell_directory_record(ngx_http_bell_directory_t *d,
    uint32_t tenant_id, bell_str pool, void *out, uint64_t *version)
{
    size_t                           len, capacity;
    ngx_atomic_uint_t                generation;
    ngx_http_bell_directory_slot_t  *slot;

    capacity = d->sh->capacity;

    do {
        slot = ngx_http_bell_directory_enter(d, &generation);

        if (slot == NULL) {
            *version = 0;
            return 0;
        }

        *version = slot->version;

        len = tenant_id ? bell_directory_copy_tenant(slot->image, capacity,
                                                     tenant_id, out)
                        : bell_directory_copy_pool(slot->image, capacity,
                                                   pool, out);

    } while (ngx_http_bell_directory_torn(d, generation));

    return len;
}


void
ngx_http_bell_directory_status(ngx_http_bell_directory_t *d,
    ngx_http_bell_directory_status_t *status)
{
    size_t                           capacity;
    ngx_atomic_uint_t                generation;
    ngx_http_bell_directory_slot_t  *slot;

    capacity = d->sh->capacity;

    status->feeder = (ngx_pid_t) d->sh->feed.feeder;
    status->counters = d->sh->counters;

    do {
        slot = ngx_http_bell_directory_enter(d, &generation);

        if (slot == NULL) {
            return;
        }

        status->version = slot->version;
        status->tenants = bell_directory_tenant_count(slot->image, capacity);
        status->fill_percent = bell_directory_fill_percent(slot->image,
                                                           capacity);
        status->revoked_dropped = bell_directory_revoked_dropped(slot->image,
                                                                 capacity);

    } while (ngx_http_bell_directory_torn(d, generation));
}


ngx_int_t
ngx_http_bell_directory_lock(ngx_http_bell_directory_t *d, ngx_log_t *log)
{
    ngx_atomic_uint_t              owner;
    ngx_http_bell_directory_sh_t  *sh;

    sh = d->sh;

    owner = sh->writer;

    if (owner == 0) {
        return ngx_atomic_cmp_set(&sh->writer, 0, ngx_pid) ? NGX_OK
                                                           : NGX_AGAIN;
    }

    /*
     * A lock is given back before the event loop turns, so one with our own
     * pid is a dead process's too, whose number we were given.
     */

    if (owner != (ngx_atomic_uint_t) ngx_pid
        && (kill((ngx_pid_t) owner, 0) == 0 || ngx_errno != NGX_ESRCH))
    {
        return NGX_AGAIN;
    }

    /* of several that see the death one gets the lock */

    if (!ngx_atomic_cmp_set(&sh->writer, owner, ngx_pid)) {
        return NGX_AGAIN;
    }

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "bell_directory: process %P died while it changed the "
                  "directory, its work is taken over; version %uL was and is "
                  "in service",
                  (ngx_pid_t) owner, ngx_http_bell_directory_version(d));

    return NGX_OK;
}


void
ngx_http_bell_directory_unlock(ngx_http_bell_directory_t *d)
{
    (void) ngx_atomic_cmp_set(&d->sh->writer, ngx_pid, 0);
}


void
ngx_http_bell_directory_sweep(ngx_http_bell_directory_t *d, ngx_log_t *log)
{
    if (ngx_http_bell_directory_lock(d, log) == NGX_OK) {
        ngx_http_bell_directory_unlock(d);
    }
}


ngx_http_bell_directory_slot_t *
ngx_http_bell_directory_begin(ngx_http_bell_directory_t *d)
{
    ngx_http_bell_directory_sh_t  *sh;

    sh = d->sh;

    /* from here on readers of the generation before the last look again */

    sh->writing = sh->published + 1;

    ngx_memory_barrier();

    return &sh->slots[sh->writing & 1];
}


void
ngx_http_bell_directory_publish(ngx_http_bell_directory_t *d,
    ngx_http_bell_directory_slot_t *slot)
{
    slot->version = bell_directory_version(slot->image, d->sh->capacity);

    ngx_memory_barrier();

    d->sh->published = d->sh->writing;

    d->sh->counters.changed_s = ngx_time();
}


ngx_int_t
ngx_http_bell_directory_apply(ngx_http_bell_directory_t *d, bell_str snapshot,
    char reason[NGX_HTTP_BELL_REASON_LEN])
{
    bool                             whole;
    ngx_int_t                        rc;
    bell_directory_head              head;
    ngx_http_bell_directory_slot_t  *slot, from;

    reason[0] = '\0';

    if (!bell_directory_peek(snapshot, &head, &whole, reason,
                             NGX_HTTP_BELL_REASON_LEN))
    {
        d->sh->counters.refused++;
        return NGX_DECLINED;
    }

    ngx_memzero(&from, sizeof(ngx_http_bell_directory_slot_t));
    from.version = head.version;
    from.snapshot_len = snapshot.len;
    from.snapshot_crc = ngx_crc32_long((u_char *) snapshot.p, snapshot.len);

    rc = ngx_http_bell_directory_check_version(d, &from, reason);

    /* in service since before a reload, perhaps, that has other keys */

    if (rc == NGX_DONE
        && !bell_directory_open(snapshot, &d->keys, &head, reason,
                                NGX_HTTP_BELL_REASON_LEN))
    {
        ERR_clear_error();
        rc = NGX_DECLINED;
    }

    if (rc == NGX_OK) {
        slot = ngx_http_bell_directory_begin(d);
        rc = ngx_http_bell_directory_fill(d, slot, snapshot, reason);
    }

    if (rc == NGX_DECLINED) {
        d->sh->counters.refused++;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    slot->snapshot_len = from.snapshot_len;
    slot->snapshot_crc = from.snapshot_crc;

    ngx_http_bell_directory_publish(d, slot);

    d->sh->counters.snapshots++;

    return NGX_OK;
}


ngx_int_t
ngx_http_bell_directory_check(ngx_http_bell_directory_t *d, bell_str snapshot,
    char reason[NGX_HTTP_BELL_REASON_LEN])
{
    reason[0] = '\0';

    return ngx_http_bell_directory_fill(d, ngx_http_bell_directory_begin(d),
                                        snapshot, reason);
}


static ngx_int_t
ngx_http_bell_directory_fill(ngx_http_bell_directory_t *d,
    ngx_http_bell_directory_slot_t *slot, bell_str snapshot, char *reason)
{
    bell_directory_verdict  verdict;

    slot->version = 0;

    ngx_memory_barrier();

    verdict = bell_directory_load(slot->image, d->sh->capacity, snapshot,
                                  &d->keys, ngx_time(), reason,
                                  NGX_HTTP_BELL_REASON_LEN);

    /* of a signature that failed, which nginx would wonder about */
    ERR_clear_error();

    if (verdict == BELL_DIRECTORY_FULL) {
        ngx_http_bell_directory_explain_size(d, snapshot, reason);
    }

    return verdict == BELL_DIRECTORY_OK ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_bell_directory_check_version(ngx_http_bell_directory_t *d,
    ngx_http_bell_directory_slot_t *from, char *reason)
{
    ngx_http_bell_directory_sh_t    *sh;
    ngx_http_bell_directory_slot_t  *current;

    sh = d->sh;

    if (sh->published == 0) {
        return NGX_OK;
    }

    current = &sh->slots[sh->published & 1];

    if (from->version > current->version) {
        return NGX_OK;
    }

    if (from->version < current->version) {
        snprintf(reason, NGX_HTTP_BELL_REASON_LEN,
                 "its version %llu is older than the one in service; to go "
                 "back on purpose, publish the former content under a higher "
                 "version",
                 (unsigned long long) from->version);

        return NGX_DECLINED;
    }

    if (from->snapshot_len == current->snapshot_len
        && from->snapshot_crc == current->snapshot_crc)
    {
        return NGX_DONE;
    }

    snprintf(reason, NGX_HTTP_BELL_REASON_LEN,
             "its version is in service already, with another content; every "
             "change needs a higher version");

    return NGX_DECLINED;
}


static void
ngx_http_bell_directory_explain_size(ngx_http_bell_directory_t *d,
    bell_str snapshot, char *reason)
{
    size_t      pages, needed;
    ngx_str_t  *zone;

    /*
     * Two halves, a page for the counters, and the batch; the slab takes some
     * 40 bytes a page and a few hundred for itself, which 1/64 and 16k cover.
     */

    pages = (bell_directory_capacity_of(snapshot) + ngx_pagesize - 1)
            / ngx_pagesize;
    needed = (2 * pages + 1) * ngx_pagesize;
    needed += needed / 31 + NGX_HTTP_BELL_BATCH_MIN;
    needed += needed / 64 + 16 * 1024;

    zone = &d->shm_zone->shm.name;

    snprintf(reason, NGX_HTTP_BELL_REASON_LEN,
             "it does not fit into the %zu bytes of a half of the zone: "
             "zone=%.*s:%zuk is needed",
             d->sh->capacity, (int) zone->len, zone->data,
             (needed + 1023) / 1024);
}
