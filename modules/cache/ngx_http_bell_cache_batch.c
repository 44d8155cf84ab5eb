
/*
 * What comes for a file comes in pieces of a proxy buffer, of 4 KiB as a rule.
 * Written one by one, each would be a page of its own in the system's memory,
 * to be looked for whenever the file is sent.  So they are gathered, and
 * written as far as the next 64 KiB.
 *
 * What is not in the file is not published.  When somebody waits, what has
 * come is written as soon as no more of it is at hand; who comes to wait for
 * what was gathered while nobody did asks for it (see
 * ngx_http_bell_cache_waits()).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_load.h"
#include "ngx_http_bell_cache_shelf.h"


#define NGX_HTTP_BELL_CACHE_BATCH_BYTES  NGX_HTTP_BELL_CACHE_PIECE_BYTES


static ngx_int_t ngx_http_bell_cache_batch_add(
    ngx_http_bell_cache_load_t *load, ngx_http_bell_cache_flight_t *flight,
    u_char *p, size_t len, size_t *taken);
static ngx_int_t ngx_http_bell_cache_batch_new(
    ngx_http_bell_cache_load_t *load);
static ngx_int_t ngx_http_bell_cache_batch_flush(
    ngx_http_bell_cache_load_t *load);
static ngx_uint_t ngx_http_bell_cache_batch_is_wanted(
    ngx_http_bell_cache_flight_t *flight);
static void ngx_http_bell_cache_batch_event(ngx_event_t *ev);


ssize_t
ngx_http_bell_cache_batch(ngx_http_bell_cache_load_t *load,
    ngx_http_bell_cache_flight_t *flight, u_char *p, size_t len)
{
    size_t   taken;
    ssize_t  n;

    if (ngx_http_bell_cache_batch_add(load, flight, p, len, &taken) != NGX_OK)
    {
        if (ngx_http_bell_cache_load_too_large(load) != NGX_OK) {
            return NGX_ERROR;
        }

        n = ngx_http_bell_cache_load_pass(load, p + taken, len - taken);

        return n == NGX_ERROR ? NGX_ERROR : (ssize_t) taken + n;
    }

    if (load->batch->pos == load->batch->last) {
        return len;
    }

    /* first to tell, then to look: who comes meanwhile sees, or is seen */

    __atomic_store_n(&flight->batched, 1, __ATOMIC_SEQ_CST);

    if (ngx_http_bell_cache_batch_is_wanted(flight)) {
        __atomic_store_n(&flight->batched, 0, __ATOMIC_SEQ_CST);
        ngx_post_event(&load->flush, &ngx_posted_events);
    }

    return len;
}


/* NGX_DECLINED: so many were taken, and what is in the batch stays there. */

static ngx_int_t
ngx_http_bell_cache_batch_add(ngx_http_bell_cache_load_t *load,
    ngx_http_bell_cache_flight_t *flight, u_char *p, size_t len,
    size_t *taken)
{
    size_t  n;

    *taken = 0;

    if (ngx_http_bell_cache_file_room(load, flight, len) != NGX_OK
        || (load->batch == NULL
            && ngx_http_bell_cache_batch_new(load) != NGX_OK))
    {
        return NGX_DECLINED;
    }

    while (*taken < len) {

        n = NGX_HTTP_BELL_CACHE_BATCH_BYTES
            - load->written % NGX_HTTP_BELL_CACHE_BATCH_BYTES;
        n = ngx_min(n, len - *taken);

        load->batch->last = ngx_cpymem(load->batch->last, p + *taken, n);
        load->written += n;
        *taken += n;

        if (load->written % NGX_HTTP_BELL_CACHE_BATCH_BYTES == 0
            && ngx_http_bell_cache_batch_flush(load) != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_cache_batch_new(ngx_http_bell_cache_load_t *load)
{
    load->batch = ngx_create_temp_buf(load->pool,
                                      NGX_HTTP_BELL_CACHE_BATCH_BYTES);
    if (load->batch == NULL) {
        return NGX_ERROR;
    }

    load->flush.handler = ngx_http_bell_cache_batch_event;
    load->flush.data = load;
    load->flush.log = ngx_cycle->log;

    ngx_queue_insert_tail(&load->ctx.zone->batches, &load->batches);

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_cache_batch_flush(ngx_http_bell_cache_load_t *load)
{
    size_t      len;
    ngx_buf_t  *b;

    b = load->batch;
    len = b->last - b->pos;

    if (len == 0) {
        return NGX_OK;
    }

    if (ngx_http_bell_cache_file_write(load, b->pos, len,
                                       (off_t) (load->written - len))
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    b->last = b->pos;

    ngx_http_bell_cache_load_has(load);

    return NGX_OK;
}


/* Somebody has a reference besides the load. */

static ngx_uint_t
ngx_http_bell_cache_batch_is_wanted(ngx_http_bell_cache_flight_t *flight)
{
    return __atomic_load_n(&flight->nrefs, __ATOMIC_SEQ_CST) > 1;
}


/* Behind all that this turn of the loop has brought. */

static void
ngx_http_bell_cache_batch_event(ngx_event_t *ev)
{
    ngx_http_bell_cache_load_t *load = ev->data;

    ngx_http_bell_cache_flight_t  *flight;

    flight = ngx_http_bell_cache_flight(load->ctx.zone, &load->flight);

    if (!load->stores || flight == NULL
        || ngx_http_bell_cache_batch_flush(load) == NGX_OK)
    {
        return;
    }

    if (ngx_http_bell_cache_load_too_large(load) == NGX_OK) {

        if (load->feeds) {
            ngx_http_bell_cache_tell_reader(load->reader);
        }

        return;
    }

    ngx_http_bell_cache_fetch_abort(&load->fetch);
}


void
ngx_http_bell_cache_batches_woken(ngx_http_bell_cache_zone_t *zone)
{
    ngx_queue_t                   *q;
    ngx_http_bell_cache_load_t    *load;
    ngx_http_bell_cache_flight_t  *flight;

    for (q = ngx_queue_head(&zone->batches);
         q != ngx_queue_sentinel(&zone->batches);
         q = ngx_queue_next(q))
    {
        load = ngx_queue_data(q, ngx_http_bell_cache_load_t, batches);
        flight = ngx_http_bell_cache_flight(zone, &load->flight);

        if (flight && ngx_http_bell_cache_batch_is_wanted(flight)) {
            ngx_post_event(&load->flush, &ngx_posted_events);
        }
    }
}


/* What broke off is shown to those who see it break off, as far as it came. */

void
ngx_http_bell_cache_batch_ends(ngx_http_bell_cache_load_t *load)
{
    ngx_http_bell_cache_flight_t  *flight;

    ngx_queue_remove(&load->batches);

    if (load->flush.posted) {
        ngx_delete_posted_event(&load->flush);
    }

    flight = ngx_http_bell_cache_flight(load->ctx.zone, &load->flight);

    if (load->stores && flight
        && ngx_http_bell_cache_batch_flush(load) != NGX_OK)
    {
        (void) ngx_http_bell_cache_load_too_large(load);
    }
}
