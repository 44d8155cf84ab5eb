
/*
 * Deltas: the slot that nobody reads is brought up to date, changed, and
 * switched to.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <stdio.h>

#include <openssl/err.h>

#include "ngx_http_bell_directory.h"


static ngx_int_t ngx_http_bell_directory_apply_batch(
    ngx_http_bell_directory_t *d, bell_str *documents, ngx_uint_t n,
    ngx_uint_t *failed, char *reason);
static ngx_int_t ngx_http_bell_directory_first(ngx_http_bell_directory_t *d,
    bell_str *documents, ngx_uint_t n, ngx_uint_t *first, char *reason);
static ngx_int_t ngx_http_bell_directory_change(ngx_http_bell_directory_t *d,
    ngx_http_bell_directory_slot_t *slot, bell_str document, char *reason);
static void ngx_http_bell_directory_catch_up(ngx_http_bell_directory_t *d,
    ngx_http_bell_directory_slot_t *slot,
    ngx_http_bell_directory_slot_t *current);
static ngx_uint_t ngx_http_bell_directory_replay(ngx_http_bell_directory_t *d,
    ngx_http_bell_directory_slot_t *slot);
static void ngx_http_bell_directory_keep(ngx_http_bell_directory_batch_t *batch,
    bell_str *documents, ngx_uint_t n, uint64_t from, uint64_t to);


ngx_int_t
ngx_http_bell_directory_apply_deltas(ngx_http_bell_directory_t *d,
    bell_str *documents, ngx_uint_t n, char reason[NGX_HTTP_BELL_REASON_LEN])
{
    char        ignored[NGX_HTTP_BELL_REASON_LEN];
    ngx_int_t   rc;
    ngx_uint_t  failed;

    reason[0] = '\0';

    rc = ngx_http_bell_directory_apply_batch(d, documents, n, &failed, reason);

    if (rc == NGX_OK || rc == NGX_DONE) {
        return rc;
    }

    if (rc == NGX_AGAIN) {
        d->sh->counters.gaps++;

    } else {
        d->sh->counters.refused++;
    }

    if (failed) {
        (void) ngx_http_bell_directory_apply_batch(d, documents, failed,
                                                   &failed, ignored);
    }

    return rc;
}


/* *failed: which of the documents it was that is not taken. */

static ngx_int_t
ngx_http_bell_directory_apply_batch(ngx_http_bell_directory_t *d,
    bell_str *documents, ngx_uint_t n, ngx_uint_t *failed, char *reason)
{
    uint64_t                         version;
    ngx_int_t                        rc;
    ngx_uint_t                       i, first;
    ngx_http_bell_directory_sh_t    *sh;
    ngx_http_bell_directory_slot_t  *slot, *current;

    sh = d->sh;

    rc = ngx_http_bell_directory_first(d, documents, n, &first, reason);

    if (rc != NGX_OK) {
        *failed = first;
        return rc;
    }

    current = &sh->slots[sh->published & 1];
    slot = ngx_http_bell_directory_begin(d);

    ngx_http_bell_directory_catch_up(d, slot, current);

    for (i = first; i < n; i++) {

        rc = ngx_http_bell_directory_change(d, slot, documents[i], reason);

        if (rc != NGX_OK) {
            *failed = i;

            /* the slot's own version again, or 0 for what is half done */

            slot->version = bell_directory_version(slot->image, sh->capacity);

            return rc;
        }
    }

    version = bell_directory_version(slot->image, sh->capacity);

    ngx_http_bell_directory_keep(&sh->batch, documents + first, n - first,
                                 current->version, version);

    slot->snapshot_len = 0;
    slot->snapshot_crc = 0;

    ngx_http_bell_directory_publish(d, slot);

    sh->counters.deltas += n - first;

    return NGX_OK;
}


/* Which document is the first that says something new. */

static ngx_int_t
ngx_http_bell_directory_first(ngx_http_bell_directory_t *d,
    bell_str *documents, ngx_uint_t n, ngx_uint_t *first, char *reason)
{
    bool                 whole;
    uint64_t             version;
    ngx_uint_t           i;
    bell_directory_head  head;

    version = ngx_http_bell_directory_version(d);

    *first = 0;

    for (i = 0; i < n; i++) {
        *first = i;

        if (!bell_directory_peek(documents[i], &head, &whole, reason,
                                 NGX_HTTP_BELL_REASON_LEN))
        {
            return NGX_DECLINED;
        }

        if (version && head.version <= version) {
            continue;
        }

        if (version && head.from == version) {
            return NGX_OK;
        }

        /* found here, the other slot need not be touched for it */

        snprintf(reason, NGX_HTTP_BELL_REASON_LEN,
                 "it leads from version %llu to %llu, and version %llu is in "
                 "service",
                 (unsigned long long) head.from,
                 (unsigned long long) head.version,
                 (unsigned long long) version);

        return NGX_AGAIN;
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_http_bell_directory_change(ngx_http_bell_directory_t *d,
    ngx_http_bell_directory_slot_t *slot, bell_str document, char *reason)
{
    bell_directory_verdict  verdict;

    slot->version = 0;

    ngx_memory_barrier();

    verdict = bell_directory_apply(slot->image, d->sh->capacity, document,
                                   &d->keys, ngx_time(), reason,
                                   NGX_HTTP_BELL_REASON_LEN);

    /* of a signature that failed, which nginx would wonder about */
    ERR_clear_error();

    switch (verdict) {

    case BELL_DIRECTORY_OK:
        return NGX_OK;

    case BELL_DIRECTORY_GAP:
        return NGX_AGAIN;

    default:
        return NGX_DECLINED;
    }
}


/* Makes the idle slot say what the one in service says. */

static void
ngx_http_bell_directory_catch_up(ngx_http_bell_directory_t *d,
    ngx_http_bell_directory_slot_t *slot,
    ngx_http_bell_directory_slot_t *current)
{
    ngx_http_bell_directory_batch_t  *batch;

    batch = &d->sh->batch;

    if (slot->version == current->version) {
        return;
    }

    if (slot->version
        && batch->to == current->version
        && batch->from == slot->version
        && ngx_http_bell_directory_replay(d, slot))
    {
        return;
    }

    slot->version = 0;

    ngx_memory_barrier();

    bell_directory_copy(slot->image, current->image, d->sh->capacity);

    ngx_memory_barrier();

    slot->version = current->version;

    d->sh->counters.copies++;
}


static ngx_uint_t
ngx_http_bell_directory_replay(ngx_http_bell_directory_t *d,
    ngx_http_bell_directory_slot_t *slot)
{
    bool                              whole;
    char                              reason[NGX_HTTP_BELL_REASON_LEN];
    bell_str                          rest, document;
    bell_directory_head               head;
    bell_directory_keys               keys;
    ngx_http_bell_directory_batch_t  *batch;

    batch = &d->sh->batch;

    /*
     * Their signatures were verified when they came; a reload may have taken
     * the key away since.
     */

    keys.nkeys = 0;

    slot->version = 0;

    ngx_memory_barrier();

    rest.p = (char *) batch->bytes;
    rest.len = batch->len;

    while (rest.len) {
        if (!bell_directory_peek(rest, &head, &whole, reason, sizeof(reason)))
        {
            return 0;
        }

        document.p = rest.p;
        document.len = head.bytes;

        if (bell_directory_apply(slot->image, d->sh->capacity, document, &keys,
                                 ngx_time(), reason, sizeof(reason))
            != BELL_DIRECTORY_OK)
        {
            return 0;
        }

        rest.p += head.bytes;
        rest.len -= head.bytes;
    }

    slot->version = bell_directory_version(slot->image, d->sh->capacity);

    return slot->version == batch->to;
}


static void
ngx_http_bell_directory_keep(ngx_http_bell_directory_batch_t *batch,
    bell_str *documents, ngx_uint_t n, uint64_t from, uint64_t to)
{
    size_t      len;
    u_char     *p;
    ngx_uint_t  i;

    batch->to = 0;

    ngx_memory_barrier();

    len = 0;

    for (i = 0; i < n; i++) {
        len += documents[i].len;
    }

    if (len > batch->size) {
        return;
    }

    p = batch->bytes;

    for (i = 0; i < n; i++) {
        p = ngx_cpymem(p, documents[i].p, documents[i].len);
    }

    batch->len = len;
    batch->from = from;

    ngx_memory_barrier();

    batch->to = to;
}
