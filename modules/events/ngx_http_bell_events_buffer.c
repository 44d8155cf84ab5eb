
/*
 * Events that wait.
 *
 * The memory is cells of one size.  A batch is a chain of them with lines of
 * one tenant, so that what Redis has answered gives its room back at once,
 * whoever still waits before it.
 *
 * No tenant may have more cells than are free: one that floods gets half of
 * the buffer, two get a third each, and there is room always for who has
 * nothing yet (the dynamic thresholds of Choudhury and Hahne, 1998).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_events.h"


static ngx_int_t ngx_http_bell_events_alloc(ngx_http_bell_events_t *e);
static void ngx_http_bell_events_link(ngx_http_bell_events_t *e);
static ngx_http_bell_events_tenant_t **ngx_http_bell_events_bucket(
    ngx_http_bell_events_t *e, uint32_t tenant_id);
static ngx_http_bell_events_tenant_t *ngx_http_bell_events_find(
    ngx_http_bell_events_t *e, uint32_t tenant_id);
static uint32_t ngx_http_bell_events_need(
    ngx_http_bell_events_batch_t *b, size_t n);
static ngx_http_bell_events_batch_t *ngx_http_bell_events_begin(
    ngx_http_bell_events_t *e, uint32_t tenant_id);
static void ngx_http_bell_events_append(ngx_http_bell_events_t *e,
    ngx_http_bell_events_batch_t *b, const char *p, size_t n);
static void ngx_http_bell_events_end(ngx_http_bell_events_t *e,
    ngx_http_bell_events_batch_t *b);


ngx_http_bell_events_t *
ngx_http_bell_events_create(ngx_http_bell_events_main_conf_t *emcf,
    ngx_log_t *log)
{
    ngx_http_bell_events_t  *e;

    e = ngx_calloc(sizeof(ngx_http_bell_events_t), log);
    if (e == NULL) {
        return NULL;
    }

    e->conf = emcf;
    e->log = log;
    e->cells = emcf->buffer / NGX_HTTP_BELL_EVENTS_CELL;

    if (ngx_http_bell_events_alloc(e) != NGX_OK) {
        ngx_http_bell_events_free(e);
        return NULL;
    }

    ngx_queue_init(&e->open);
    ngx_queue_init(&e->due);
    ngx_queue_init(&e->flight);
    ngx_queue_init(&e->free_batches);

    ngx_http_bell_events_link(e);

    ngx_sprintf((u_char *) e->length, "%ui%Z", emcf->stream);

    return e;
}


static ngx_int_t
ngx_http_bell_events_alloc(ngx_http_bell_events_t *e)
{
    size_t  buckets;

    for (buckets = 1; buckets < e->cells; buckets *= 2) { /* void */ }

    e->mask = buckets - 1;

    e->bytes = ngx_alloc((size_t) e->cells * NGX_HTTP_BELL_EVENTS_CELL,
                         e->log);
    e->next = ngx_alloc(e->cells * sizeof(uint32_t), e->log);
    e->batches = ngx_calloc(e->cells * sizeof(ngx_http_bell_events_batch_t),
                            e->log);
    e->tenants = ngx_calloc(e->cells * sizeof(ngx_http_bell_events_tenant_t),
                            e->log);
    e->buckets = ngx_calloc(buckets * sizeof(ngx_http_bell_events_tenant_t *),
                            e->log);
    e->text = ngx_alloc(e->conf->batch, e->log);

    return (e->bytes && e->next && e->batches && e->tenants && e->buckets
            && e->text)
           ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_bell_events_link(ngx_http_bell_events_t *e)
{
    uint32_t  i;

    for (i = 0; i < e->cells; i++) {
        e->next[i] = i + 1;
        ngx_queue_insert_tail(&e->free_batches, &e->batches[i].queue);
        e->tenants[i].next = e->free_tenants;
        e->free_tenants = &e->tenants[i];
    }

    e->free_cell = 0;
    e->free_cells = e->cells;
}


void
ngx_http_bell_events_free(ngx_http_bell_events_t *e)
{
    if (e->bytes) {
        ngx_free(e->bytes);
    }

    if (e->next) {
        ngx_free(e->next);
    }

    if (e->batches) {
        ngx_free(e->batches);
    }

    if (e->tenants) {
        ngx_free(e->tenants);
    }

    if (e->buckets) {
        ngx_free(e->buckets);
    }

    if (e->text) {
        ngx_free(e->text);
    }

    ngx_free(e);
}


/* ---- tenants */

static ngx_http_bell_events_tenant_t **
ngx_http_bell_events_bucket(ngx_http_bell_events_t *e, uint32_t tenant_id)
{
    ngx_http_bell_events_tenant_t  **t;

    /* numbers of tenants are given one by one: no hash spreads them better */

    for (t = &e->buckets[tenant_id & e->mask]; *t; t = &(*t)->next) {
        if ((*t)->id == tenant_id) {
            break;
        }
    }

    return t;
}


static ngx_http_bell_events_tenant_t *
ngx_http_bell_events_find(ngx_http_bell_events_t *e, uint32_t tenant_id)
{
    return *ngx_http_bell_events_bucket(e, tenant_id);
}


/* ---- events */

void
ngx_http_bell_events_add(ngx_http_bell_events_t *e, uint32_t tenant_id,
    const bell_access_event *event)
{
    size_t                          n;
    uint32_t                        need;
    ngx_http_bell_events_batch_t   *b;
    ngx_http_bell_events_tenant_t  *t;

    n = bell_access_event_write(event, e->line);

    if (n == 0) {
        ngx_http_bell_events_count(e, NGX_HTTP_BELL_EVENTS_UNFIT, 1);
        return;
    }

    t = ngx_http_bell_events_find(e, tenant_id);
    b = t ? t->open : NULL;

    if (b && b->bytes + n > e->conf->batch) {
        ngx_http_bell_events_end(e, b);
        b = NULL;
    }

    need = ngx_http_bell_events_need(b, n);

    if (need > e->free_cells) {
        ngx_http_bell_events_count(e, NGX_HTTP_BELL_EVENTS_FULL, 1);
        return;
    }

    if (need && t && t->cells + need > e->free_cells) {
        ngx_http_bell_events_count(e, NGX_HTTP_BELL_EVENTS_SHARE, 1);
        return;
    }

    if (b == NULL) {
        b = ngx_http_bell_events_begin(e, tenant_id);
    }

    ngx_http_bell_events_append(e, b, e->line, n);
}


/* How many more cells the batch takes for n bytes; NULL: a new one. */

static uint32_t
ngx_http_bell_events_need(ngx_http_bell_events_batch_t *b, size_t n)
{
    size_t  room;

    room = b ? (size_t) b->cells * NGX_HTTP_BELL_EVENTS_CELL - b->bytes : 0;

    return n <= room ? 0 : (n - room + NGX_HTTP_BELL_EVENTS_CELL - 1)
                           / NGX_HTTP_BELL_EVENTS_CELL;
}


/* There are as many tenants and batches as cells, and a cell is free. */

static ngx_http_bell_events_batch_t *
ngx_http_bell_events_begin(ngx_http_bell_events_t *e, uint32_t tenant_id)
{
    ngx_queue_t                     *q;
    ngx_http_bell_events_batch_t    *b;
    ngx_http_bell_events_tenant_t   *t, **bucket;

    bucket = ngx_http_bell_events_bucket(e, tenant_id);
    t = *bucket;

    if (t == NULL) {
        t = e->free_tenants;
        e->free_tenants = t->next;

        t->next = NULL;
        t->id = tenant_id;
        t->cells = 0;

        *bucket = t;
    }

    q = ngx_queue_head(&e->free_batches);
    ngx_queue_remove(q);

    b = ngx_queue_data(q, ngx_http_bell_events_batch_t, queue);

    ngx_memzero(b, sizeof(ngx_http_bell_events_batch_t));

    b->tenant = t;
    t->open = b;

    if (ngx_queue_empty(&e->open) && !e->tick.timer_set) {
        ngx_add_timer(&e->tick, e->conf->interval);
    }

    ngx_queue_insert_tail(&e->open, &b->queue);

    return b;
}


static void
ngx_http_bell_events_append(ngx_http_bell_events_t *e,
    ngx_http_bell_events_batch_t *b, const char *p, size_t n)
{
    size_t    used, part;
    uint32_t  cell;

    b->lines++;

    while (n) {
        used = b->bytes % NGX_HTTP_BELL_EVENTS_CELL;

        if (used == 0) {
            cell = e->free_cell;
            e->free_cell = e->next[cell];
            e->free_cells--;

            if (b->cells == 0) {
                b->first = cell;

            } else {
                e->next[b->last] = cell;
            }

            b->last = cell;
            b->cells++;
            b->tenant->cells++;
        }

        part = ngx_min(n, NGX_HTTP_BELL_EVENTS_CELL - used);

        ngx_memcpy(e->bytes + (size_t) b->last * NGX_HTTP_BELL_EVENTS_CELL
                   + used, p, part);

        b->bytes += part;
        p += part;
        n -= part;
    }
}


/* ---- batches */

/* It takes no more lines. */

static void
ngx_http_bell_events_end(ngx_http_bell_events_t *e,
    ngx_http_bell_events_batch_t *b)
{
    b->tenant->open = NULL;

    ngx_queue_remove(&b->queue);
    ngx_queue_insert_tail(&e->due, &b->queue);

    ngx_http_bell_events_post(e);
}


void
ngx_http_bell_events_make_due(ngx_http_bell_events_t *e)
{
    ngx_queue_t                   *q;
    ngx_http_bell_events_batch_t  *b;

    while (!ngx_queue_empty(&e->open)) {
        q = ngx_queue_head(&e->open);
        b = ngx_queue_data(q, ngx_http_bell_events_batch_t, queue);

        b->tenant->open = NULL;

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&e->due, q);
    }
}


char *
ngx_http_bell_events_text(ngx_http_bell_events_t *e,
    ngx_http_bell_events_batch_t *b)
{
    char      *p;
    size_t     left, part;
    uint32_t   cell;

    p = e->text;
    cell = b->first;

    for (left = b->bytes; left; left -= part) {
        part = ngx_min(left, NGX_HTTP_BELL_EVENTS_CELL);
        p = (char *) ngx_cpymem(p, e->bytes + (size_t) cell
                                              * NGX_HTTP_BELL_EVENTS_CELL,
                                part);

        if (cell != b->last) {
            cell = e->next[cell];
        }
    }

    return e->text;
}


void
ngx_http_bell_events_settle(ngx_http_bell_events_t *e,
    ngx_http_bell_events_batch_t *b, ngx_http_bell_events_result_e result)
{
    ngx_http_bell_events_tenant_t  *t, **bucket;

    ngx_http_bell_events_count(e, result, b->lines);

    t = b->tenant;

    e->next[b->last] = e->free_cell;
    e->free_cell = b->first;
    e->free_cells += b->cells;
    t->cells -= b->cells;

    ngx_queue_insert_tail(&e->free_batches, &b->queue);

    if (t->cells == 0) {
        bucket = ngx_http_bell_events_bucket(e, t->id);
        *bucket = t->next;
        t->next = e->free_tenants;
        e->free_tenants = t;
    }
}
