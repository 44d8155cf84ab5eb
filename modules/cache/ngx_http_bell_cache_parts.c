
/*
 * Answers that are put together from parts.  The first of them says how long
 * the whole is and which version it is of; those behind it are of the same
 * strong tag (RFC 9111, 3.4), or the client is cut off, and sees it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_cache_parts.h"
#include "ngx_http_bell_cache_purge.h"
#include "ngx_http_bell_cache_reader.h"
#include "ngx_http_bell_cache_shelf.h"


#define NGX_HTTP_BELL_CACHE_PART_BYTES  (1024 * 1024)
#define NGX_HTTP_BELL_CACHE_AHEAD       4   /* parts that are waited for */


static ngx_int_t ngx_http_bell_cache_parts_wish(
    ngx_http_bell_cache_ctx_t *ctx, bell_range_wish *wish);
static ngx_int_t ngx_http_bell_cache_parts_at(
    ngx_http_bell_cache_parts_t *parts, uint64_t complete);
static ngx_int_t ngx_http_bell_cache_parts_look(
    ngx_http_bell_cache_ctx_t *ctx);
static ngx_int_t ngx_http_bell_cache_parts_head(
    ngx_http_bell_cache_ctx_t *ctx, ngx_http_bell_cache_found_t *found);
static ngx_int_t ngx_http_bell_cache_parts_range(
    ngx_http_bell_cache_ctx_t *ctx, ngx_http_bell_cache_found_t *found);
static ngx_int_t ngx_http_bell_cache_parts_unsatisfiable(
    ngx_http_bell_cache_ctx_t *ctx, uint64_t complete);
static ngx_int_t ngx_http_bell_cache_parts_send(
    ngx_http_bell_cache_ctx_t *ctx);
static ngx_int_t ngx_http_bell_cache_content_range(
    ngx_http_bell_cache_ctx_t *ctx, bell_range *range, uint64_t complete);
static ngx_int_t ngx_http_bell_cache_parts_fit(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_found_t *found);
static ngx_uint_t ngx_http_bell_cache_parts_is(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_found_t *found);
static bell_str ngx_http_bell_cache_strong_tag(
    ngx_http_bell_cache_found_t *found);
static ngx_int_t ngx_http_bell_cache_parts_read(
    ngx_http_bell_cache_ctx_t *ctx, ngx_http_bell_cache_flight_t *flight,
    uint64_t at, size_t len);


uint64_t
ngx_http_bell_cache_part_bytes(ngx_http_bell_cache_zone_t *zone)
{
    return ngx_min(zone->largest, NGX_HTTP_BELL_CACHE_PART_BYTES);
}


/* ---- who is answered so */

/* NGX_DECLINED: he wants all of it, or no range that could be cut out. */

static ngx_int_t
ngx_http_bell_cache_parts_wish(ngx_http_bell_cache_ctx_t *ctx,
    bell_range_wish *wish)
{
    bell_str     value, second;
    bell_fields  fields;

    if (ctx->request->method != NGX_HTTP_GET) {
        return NGX_DECLINED;
    }

    fields = ngx_http_bell_cache_fields_in(ctx->request);

    return fields.field(fields.data, BELL_STR("range"), 0, &value)
           && !fields.field(fields.data, BELL_STR("range"), 1, &second)
           && bell_range_read(value, wish)
           ? NGX_OK : NGX_DECLINED;
}


ngx_uint_t
ngx_http_bell_cache_parts_wants(ngx_http_bell_cache_ctx_t *ctx)
{
    bell_range_wish  wish;

    return ngx_http_bell_cache_parts_wish(ctx, &wish) == NGX_OK;
}


ngx_uint_t
ngx_http_bell_cache_parts_are_sooner(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight)
{
    uint64_t         published;
    bell_range       range;
    bell_range_wish  wish;

    published = __atomic_load_n(&flight->published, __ATOMIC_SEQ_CST);

    return flight->length > 0
           && ngx_http_bell_cache_parts_wish(ctx, &wish) == NGX_OK
           && bell_range_resolve(&wish, flight->length, &range)
           && range.first > published
           && range.first - published > NGX_HTTP_BELL_CACHE_AHEAD
                                 * ngx_http_bell_cache_part_bytes(ctx->zone);
}


ngx_int_t
ngx_http_bell_cache_parts(ngx_http_bell_cache_ctx_t *ctx, uint64_t complete,
    ngx_uint_t fetches)
{
    ngx_http_request_t           *r;
    ngx_http_bell_cache_parts_t  *parts;

    r = ctx->request;

    parts = ngx_pcalloc(r->pool, sizeof(ngx_http_bell_cache_parts_t));
    if (parts == NULL) {
        return NGX_ERROR;
    }

    parts->large = fetches != 0;
    parts->peeks = !fetches;

    if (ngx_http_bell_cache_parts_wish(ctx, &parts->wish) == NGX_OK) {
        parts->partial = 1;

    } else if (r->headers_in.range == NULL || r->method == NGX_HTTP_HEAD) {

        /* all of it: from what there is, or else as without it */

        parts->wish = (bell_range_wish) { false, 0, BELL_RANGE_BYTES_MAX };
        parts->peeks = 1;

    } else {
        return NGX_ABORT;
    }

    if (ngx_http_bell_cache_parts_at(parts, complete) != NGX_OK) {
        return NGX_ABORT;
    }

    parts->key = ctx->key;
    parts->hash = ctx->hash;
    parts->variant_key = ctx->variant_key;
    parts->variant_hash = ctx->variant_hash;
    parts->nobody = ctx->nobody;
    parts->whole = ctx->found;

    ctx->parts = parts;

    /* it is no try to see what is there; and else it is once a request */

    ctx->tries = parts->peeks ? ctx->tries - 1 : 0;

    return ngx_http_bell_cache_parts_look(ctx);
}


/*
 * Where it begins, as far as is known.  What is past the end is past the last
 * part, too, which says how long the whole is.
 */

static ngx_int_t
ngx_http_bell_cache_parts_at(ngx_http_bell_cache_parts_t *parts,
    uint64_t complete)
{
    bell_range  range;

    if (complete == 0) {
        parts->at = parts->wish.first;
        return parts->wish.is_suffix ? NGX_DECLINED : NGX_OK;
    }

    parts->at = bell_range_resolve(&parts->wish, complete, &range)
                ? range.first : complete - 1;

    return NGX_OK;
}


ngx_int_t
ngx_http_bell_cache_parts_give_up(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_http_bell_cache_parts_t  *parts;

    parts = ctx->parts;

    ctx->parts = NULL;
    ctx->asked.part_first = 0;
    ctx->asked.part_bytes = 0;
    ctx->key = parts->key;
    ctx->hash = parts->hash;
    ctx->variant_key = parts->variant_key;
    ctx->variant_hash = parts->variant_hash;
    ctx->nobody = parts->nobody;
    ctx->found = parts->whole;

    if (!parts->large) {
        return ngx_http_bell_cache_look_up(ctx);
    }

    ngx_http_bell_cache_says(ctx, NGX_HTTP_BELL_CACHE_METRIC_UNCACHEABLE,
                             BELL_OUTCOME_MISS);
    ctx->status.detail = bell_str_of(bell_storable_name(BELL_STORE_NOT_SIZE));

    return ngx_http_bell_cache_look_first(ctx);
}


/* ---- one part behind the other */

static ngx_int_t
ngx_http_bell_cache_parts_look(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_http_bell_cache_parts_t  *parts;

    parts = ctx->parts;

    ngx_http_bell_cache_leaves(ctx);
    ngx_memzero(&ctx->found, sizeof(ngx_http_bell_cache_found_t));

    parts->found = 0;
    parts->open = 0;
    parts->part = bell_range_part(parts->at,
                                  ngx_http_bell_cache_part_bytes(ctx->zone));

    return ngx_http_bell_cache_ask_part(ctx, parts->at) == NGX_OK
           ? ngx_http_bell_cache_look(ctx) : NGX_ERROR;
}


/*
 * What the head was made of stays; each part behind it takes no more room.
 * Without a strong tag there is none that could be put behind it.
 */

ngx_int_t
ngx_http_bell_cache_parts_next(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_int_t                     rc;
    ngx_pool_t                   *former;
    ngx_event_t                  *wev;
    ngx_http_bell_cache_parts_t  *parts;

    parts = ctx->parts;
    wev = ctx->request->connection->write;

    if (wev->timer_set && !wev->delayed) {
        ngx_del_timer(wev);
    }

    if (parts->etag.len == 0) {
        return NGX_ERROR;
    }

    former = parts->pool;

    parts->pool = ngx_create_pool(4096, ngx_cycle->log);

    if (parts->pool == NULL) {
        parts->pool = former;
        return NGX_ERROR;
    }

    ctx->pool = parts->pool;

    if (parts->at > parts->part.last) {
        ctx->tries = 0;
    }

    rc = ngx_http_bell_cache_parts_look(ctx);

    if (former) {
        ngx_destroy_pool(former);
    }

    return rc;
}


void
ngx_http_bell_cache_parts_end(ngx_http_bell_cache_ctx_t *ctx)
{
    if (ctx->parts && ctx->parts->pool) {
        ngx_destroy_pool(ctx->parts->pool);
        ctx->parts->pool = NULL;
    }
}


ngx_int_t
ngx_http_bell_cache_parts_found(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_bell_cache_parts_begin(ctx, &ctx->found);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx->parts->found = 1;

    if (ngx_http_bell_cache_waits_for(ctx) != NGX_DONE) {
        ngx_http_bell_cache_leaves(ctx);
        ngx_http_finalize_request(ctx->request, NGX_ERROR);
    }

    return NGX_DONE;
}


ngx_int_t
ngx_http_bell_cache_parts_begin(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_found_t *found)
{
    ngx_int_t  rc;

    rc = ctx->begun ? ngx_http_bell_cache_parts_fit(ctx, found)
                    : ngx_http_bell_cache_parts_head(ctx, found);

    if (rc == NGX_OK) {
        ctx->parts->open = 1;
    }

    return rc;
}


/* ---- the head of the answer */

static ngx_int_t
ngx_http_bell_cache_parts_head(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_found_t *found)
{
    off_t                         length;
    ngx_int_t                     rc;
    ngx_http_request_t           *r;
    ngx_http_bell_cache_parts_t  *parts;

    r = ctx->request;
    parts = ctx->parts;

    rc = ngx_http_bell_cache_parts_range(ctx, found);

    if (rc != NGX_OK) {
        return rc;
    }

    length = (off_t) (parts->range.last - parts->range.first + 1);

    if (ngx_http_bell_cache_answer(ctx, found, length) != NGX_OK) {
        return NGX_ERROR;
    }

    if (r->headers_out.status == NGX_HTTP_NOT_MODIFIED) {
        return ngx_http_bell_cache_parts_send(ctx);
    }

    if (parts->partial) {
        if (ngx_http_bell_cache_content_range(ctx, &parts->range,
                                              parts->complete)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

    } else {
        r->headers_out.status = NGX_HTTP_OK;
        r->allow_ranges = 1;
    }

    return ngx_http_bell_cache_parts_send(ctx);
}


/*
 * What he gets of it.  Who is about another version, or asks for more than
 * can be put together, is the origin's to answer.
 */

static ngx_int_t
ngx_http_bell_cache_parts_range(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_found_t *found)
{
    ngx_http_bell_cache_parts_t  *parts;

    parts = ctx->parts;
    parts->complete = found->head->complete;

    if (!ngx_http_bell_cache_parts_is(ctx, found)
        || (parts->partial && !ngx_http_bell_cache_takes_range(ctx, found)))
    {
        return ngx_http_bell_cache_parts_pass(ctx);
    }

    if (!bell_range_resolve(&parts->wish, parts->complete, &parts->range)) {
        return ngx_http_bell_cache_parts_unsatisfiable(ctx, parts->complete);
    }

    /* it is longer, or shorter, than it was thought to be */

    if (parts->range.first < parts->part.first
        || parts->range.first > parts->part.last)
    {
        parts->at = parts->range.first;
        return ngx_http_bell_cache_parts_look(ctx);
    }

    parts->at = parts->range.first;
    parts->etag = ngx_http_bell_cache_strong_tag(found);

    if (parts->etag.len == 0 && parts->range.last > parts->part.last
        && ctx->request->method != NGX_HTTP_HEAD)
    {
        return ngx_http_bell_cache_parts_pass(ctx);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_bell_cache_parts_pass(ngx_http_bell_cache_ctx_t *ctx)
{
    if (ctx->parts->peeks) {
        return ngx_http_bell_cache_parts_give_up(ctx);
    }

    ctx->passed = 1;

    ngx_http_bell_cache_says(ctx, NGX_HTTP_BELL_CACHE_METRIC_UNCACHEABLE,
                             BELL_OUTCOME_MISS);
    ctx->status.detail = bell_str_of(bell_storable_name(BELL_STORE_NOT_PART));

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_bell_cache_parts_unsatisfiable(ngx_http_bell_cache_ctx_t *ctx,
    uint64_t complete)
{
    return ngx_http_bell_cache_content_range(ctx, NULL, complete) == NGX_OK
           ? NGX_HTTP_RANGE_NOT_SATISFIABLE : NGX_ERROR;
}


/* As nginx's own, where others look for it. */

static ngx_int_t
ngx_http_bell_cache_content_range(ngx_http_bell_cache_ctx_t *ctx,
    bell_range *range, uint64_t complete)
{
    u_char              *p;
    ngx_table_elt_t     *h;
    ngx_http_request_t  *r;

    r = ctx->request;

    p = ngx_pnalloc(r->pool, BELL_RANGE_TEXT);
    h = ngx_list_push(&r->headers_out.headers);

    if (p == NULL || h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    ngx_str_set(&h->key, "Content-Range");
    h->value.data = p;
    h->value.len = bell_content_range_write(range, complete, (char *) p);

    r->headers_out.content_range = h;

    return NGX_OK;
}


/* NGX_DONE: there is nothing behind it, or nobody to send it to. */

static ngx_int_t
ngx_http_bell_cache_parts_send(ngx_http_bell_cache_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = ctx->request;

    ctx->begun = 1;
    ctx->parts->peeks = 0;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        ngx_http_bell_cache_leaves(ctx);
        ngx_http_finalize_request(r, rc);
        return NGX_DONE;
    }

    return NGX_OK;
}


/* ---- parts behind the first */

/* NGX_DONE: it is of another version, and he is cut off. */

static ngx_int_t
ngx_http_bell_cache_parts_fit(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_found_t *found)
{
    bell_str                      etag;
    ngx_http_request_t           *r;
    ngx_http_bell_cache_parts_t  *parts;

    r = ctx->request;
    parts = ctx->parts;
    etag = ngx_http_bell_cache_strong_tag(found);

    if (ngx_http_bell_cache_parts_is(ctx, found)
        && bell_str_eq(etag, parts->etag))
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "bell_cache: parts of what is sent are of two versions, "
                  "all that there are of it will be asked about");

    ngx_http_bell_cache_ask_url(ctx);
    ngx_http_bell_cache_purge_url(ctx->zone, ctx->asked.tenant_id, ctx->url);

    ngx_http_bell_cache_leaves(ctx);
    ngx_http_finalize_request(r, NGX_ERROR);

    return NGX_DONE;
}


/* It is that part, and all of it, of something of that length. */

static ngx_uint_t
ngx_http_bell_cache_parts_is(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_found_t *found)
{
    bell_range                    range;
    ngx_http_bell_cache_head_t   *head;
    ngx_http_bell_cache_parts_t  *parts;

    head = found->head;
    parts = ctx->parts;

    range.first = head->first;
    range.last = head->first + found->entry.body_bytes - 1;

    return head->complete == parts->complete
           && bell_range_is_part(&range, head->complete,
                                 (int64_t) found->entry.body_bytes,
                                 &parts->part);
}


static bell_str
ngx_http_bell_cache_strong_tag(ngx_http_bell_cache_found_t *found)
{
    bell_str  etag, fields;

    fields = found->fields;

    if (!bell_stored_field_of(&fields, BELL_STR("etag"), 0, &etag)
        || etag.len < 2 || etag.p[0] != '"')
    {
        etag = (bell_str) { NULL, 0 };
    }

    return etag;
}


/* ---- the body */

ngx_int_t
ngx_http_bell_cache_parts_piece(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight)
{
    uint64_t                      at, left, published;
    ngx_buf_t                    *b;
    ngx_int_t                     rc;
    ngx_uint_t                    state;
    ngx_http_bell_cache_parts_t  *parts;

    parts = ctx->parts;

    if (parts->at > parts->part.last) {
        return NGX_DECLINED;
    }

    at = parts->at - parts->part.first;
    left = ngx_min(parts->part.last, parts->range.last) - parts->at + 1;

    if (!parts->found) {
        state = __atomic_load_n(&flight->state, __ATOMIC_SEQ_CST);
        published = __atomic_load_n(&flight->published, __ATOMIC_SEQ_CST);

        if (published <= at) {
            return state == NGX_HTTP_BELL_CACHE_COMING ? NGX_AGAIN
                                                       : NGX_ERROR;
        }

        left = ngx_min(left, published - at);
    }

    if (ngx_http_bell_cache_piece(ctx, left) != NGX_OK) {
        return NGX_ERROR;
    }

    b = ctx->piece;
    left = ngx_min(left, (uint64_t) (b->end - b->start));

    rc = ngx_http_bell_cache_parts_read(ctx, flight, at, left);

    if (rc != NGX_OK) {
        return rc;
    }

    b->last = b->start + left;
    parts->at += left;

    ctx->whole = parts->at > parts->range.last;

    b->memory = 1;
    b->flush = !ctx->whole;
    b->last_buf = ctx->whole;
    b->last_in_chain = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_cache_parts_read(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, uint64_t at, size_t len)
{
    u_char                      *p;
    ssize_t                      n;
    ngx_http_bell_cache_file_t  *file;

    p = ctx->piece->start;

    if (!ctx->parts->found) {
        n = bell_chunks_read(ctx->zone->sh->chunks, flight->entry.body, at, p,
                             len);

        ngx_memory_barrier();

        return ngx_http_bell_cache_flight(ctx->zone, &ctx->flight) == flight
               && n == (ssize_t) len
               ? NGX_OK : NGX_ERROR;
    }

    file = ctx->found.file;

    if (file == NULL) {
        return ngx_http_bell_cache_copy_body(ctx->zone, &ctx->found, at, p,
                                             len);
    }

    do {
        n = pread(file->fd, p, len, (off_t) at);
    } while (n == -1 && ngx_errno == NGX_EINTR);

    if (n != (ssize_t) len) {
        ngx_http_bell_cache_file_failed(ctx->zone,
                                        ctx->request->connection->log,
                                        n == -1 ? ngx_errno : 0,
                                        "cannot be read", file->name.data);
        return NGX_ERROR;
    }

    return NGX_OK;
}
