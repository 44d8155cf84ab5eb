
/*
 * What a client gets: the stored fields as nginx's own filters want them, Age,
 * and what the cache has to say for itself.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "bell_conditional.h"
#include "bell_http_date.h"

#include "ngx_http_bell_cache.h"
#include "ngx_http_bell_cache_parts.h"


#define NGX_HTTP_BELL_CACHE_STATUS_BYTES  1024


typedef enum {
    NGX_HTTP_BELL_CACHE_FIELD_OTHER = 0,
    NGX_HTTP_BELL_CACHE_FIELD_UNSENT,       /* nginx says it itself */
    NGX_HTTP_BELL_CACHE_FIELD_CONTENT_TYPE,
    NGX_HTTP_BELL_CACHE_FIELD_DATE,
    NGX_HTTP_BELL_CACHE_FIELD_ETAG,
    NGX_HTTP_BELL_CACHE_FIELD_SERVER,
    NGX_HTTP_BELL_CACHE_FIELD_CONTENT_ENCODING,
    NGX_HTTP_BELL_CACHE_FIELD_LAST_MODIFIED
} ngx_http_bell_cache_field_e;


static ngx_int_t ngx_http_bell_cache_add_field(ngx_http_request_t *r,
    bell_str name, bell_str value);
static ngx_http_bell_cache_field_e ngx_http_bell_cache_field_of(
    bell_str name);
static void ngx_http_bell_cache_content_type(ngx_http_request_t *r,
    bell_str value);
static void ngx_http_bell_cache_condition_of(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_found_t *found);
static void ngx_http_bell_cache_validators(ngx_http_bell_cache_found_t *found,
    bell_validators *stored);
static ngx_int_t ngx_http_bell_cache_is(bell_str name, const char *lowcase);
static size_t ngx_http_bell_cache_number(u_char *out, int64_t n);
static size_t ngx_http_bell_cache_tell_hit(ngx_http_bell_cache_ctx_t *ctx,
    char *out);
static void ngx_http_bell_cache_hide(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_cache_upstream_status(ngx_http_request_t *r,
    bell_str *value);


static const bell_stored_rules  ngx_http_bell_cache_hidden_rules;


void
ngx_http_bell_cache_says(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_metric_e metric, bell_cache_outcome outcome)
{
    ctx->metric = metric;
    ctx->status.outcome = outcome;
    ctx->status.has_ttl = false;
    ctx->status.collapsed = false;
    ctx->status.stored = false;
    ctx->status.fwd_status = 0;
    ctx->status.detail = (bell_str) { NULL, 0 };
}


ngx_int_t
ngx_http_bell_cache_answer(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_found_t *found, off_t length)
{
    u_char                 age[NGX_INT64_LEN];
    time_t                 now;
    bell_str               rest;
    bell_stored_field      field;
    ngx_http_request_t    *r;
    bell_freshness_times  *times;

    r = ctx->request;
    now = ngx_time();
    times = &found->entry.times;
    rest = found->fields;

    r->headers_out.status = times->status;
    r->headers_out.content_length_n = length;
    r->disable_not_modified = 1;

    while (bell_stored_next(&rest, &field)) {
        if (!field.is_hidden
            && ngx_http_bell_cache_add_field(r, field.name, field.value)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (found->head->modified_s >= 0) {
        r->headers_out.last_modified_time = found->head->modified_s;
    }

    rest.p = (char *) age;
    rest.len = ngx_http_bell_cache_number(age,
                                          bell_freshness_age_s(times, now));

    if (ngx_http_bell_cache_push(r, BELL_STR("Age"), rest) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->status.has_ttl = true;
    ctx->status.ttl_s = bell_freshness_ttl_s(times, now);

    if (r->headers_in.if_none_match || r->headers_in.if_modified_since
        || r->headers_in.range || r->headers_in.if_range)
    {
        ngx_http_bell_cache_condition_of(ctx, found);
    }

    return NGX_OK;
}


/* Fields that nginx has a place for are there, too: filters look there. */

static ngx_int_t
ngx_http_bell_cache_add_field(ngx_http_request_t *r, bell_str name,
    bell_str value)
{
    ngx_table_elt_t              *h;
    ngx_http_bell_cache_field_e   field;

    field = ngx_http_bell_cache_field_of(name);

    if (field == NGX_HTTP_BELL_CACHE_FIELD_UNSENT) {
        return NGX_OK;
    }

    if (field == NGX_HTTP_BELL_CACHE_FIELD_CONTENT_TYPE) {
        ngx_http_bell_cache_content_type(r, value);
        return NGX_OK;
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) (uintptr_t) name.p;
    h->key.len = name.len;
    h->value.data = (u_char *) (uintptr_t) value.p;
    h->value.len = value.len;

    switch (field) {

    case NGX_HTTP_BELL_CACHE_FIELD_DATE:
        r->headers_out.date = h;
        break;

    case NGX_HTTP_BELL_CACHE_FIELD_ETAG:
        r->headers_out.etag = h;
        break;

    case NGX_HTTP_BELL_CACHE_FIELD_SERVER:
        r->headers_out.server = h;
        break;

    case NGX_HTTP_BELL_CACHE_FIELD_CONTENT_ENCODING:
        r->headers_out.content_encoding = h;
        break;

    case NGX_HTTP_BELL_CACHE_FIELD_LAST_MODIFIED:
        r->headers_out.last_modified = h;
        break;

    default:
        break;
    }

    return NGX_OK;
}


/* By the length first: most names are compared with one or none. */

static ngx_http_bell_cache_field_e
ngx_http_bell_cache_field_of(bell_str name)
{
    switch (name.len) {

    case sizeof("Date") - 1:
        if (ngx_http_bell_cache_is(name, "date")) {
            return NGX_HTTP_BELL_CACHE_FIELD_DATE;
        }

        return ngx_http_bell_cache_is(name, "etag")
               ? NGX_HTTP_BELL_CACHE_FIELD_ETAG
               : NGX_HTTP_BELL_CACHE_FIELD_OTHER;

    case sizeof("Server") - 1:
        return ngx_http_bell_cache_is(name, "server")
               ? NGX_HTTP_BELL_CACHE_FIELD_SERVER
               : NGX_HTTP_BELL_CACHE_FIELD_OTHER;

    case sizeof("Content-Type") - 1:
        return ngx_http_bell_cache_is(name, "content-type")
               ? NGX_HTTP_BELL_CACHE_FIELD_CONTENT_TYPE
               : NGX_HTTP_BELL_CACHE_FIELD_OTHER;

    case sizeof("Last-Modified") - 1:
        if (ngx_http_bell_cache_is(name, "last-modified")) {
            return NGX_HTTP_BELL_CACHE_FIELD_LAST_MODIFIED;
        }

        return ngx_http_bell_cache_is(name, "accept-ranges")
               ? NGX_HTTP_BELL_CACHE_FIELD_UNSENT
               : NGX_HTTP_BELL_CACHE_FIELD_OTHER;

    case sizeof("Content-Length") - 1:
        return ngx_http_bell_cache_is(name, "content-length")
               ? NGX_HTTP_BELL_CACHE_FIELD_UNSENT
               : NGX_HTTP_BELL_CACHE_FIELD_OTHER;

    case sizeof("Content-Encoding") - 1:
        return ngx_http_bell_cache_is(name, "content-encoding")
               ? NGX_HTTP_BELL_CACHE_FIELD_CONTENT_ENCODING
               : NGX_HTTP_BELL_CACHE_FIELD_OTHER;

    default:
        return NGX_HTTP_BELL_CACHE_FIELD_OTHER;
    }
}


/* "lowcase" has no bytes that differ from others in bit 0x20 alone but letters */

static ngx_int_t
ngx_http_bell_cache_is(bell_str name, const char *lowcase)
{
    size_t  i;

    for (i = 0; i < name.len; i++) {
        if ((name.p[i] | 0x20) != lowcase[i]) {
            return 0;
        }
    }

    return lowcase[i] == '\0';
}


static void
ngx_http_bell_cache_content_type(ngx_http_request_t *r, bell_str value)
{
    u_char  *semicolon;

    r->headers_out.content_type.data = (u_char *) (uintptr_t) value.p;
    r->headers_out.content_type.len = value.len;
    r->headers_out.content_type_lowcase = NULL;

    /* filters that go by types look at what stands before parameters */

    semicolon = ngx_strlchr((u_char *) (uintptr_t) value.p,
                            (u_char *) (uintptr_t) value.p + value.len, ';');

    r->headers_out.content_type_len = semicolon
                                      ? (size_t) (semicolon
                                                  - (u_char *) value.p)
                                      : value.len;
}


ngx_int_t
ngx_http_bell_cache_push(ngx_http_request_t *r, bell_str name, bell_str value)
{
    u_char           *p;
    ngx_table_elt_t  *h;

    p = ngx_pnalloc(r->pool, value.len + 1);
    h = ngx_list_push(&r->headers_out.headers);

    if (p == NULL || h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));
    ngx_memcpy(p, value.p, value.len);

    h->hash = 1;
    h->key.data = (u_char *) (uintptr_t) name.p;
    h->key.len = name.len;
    h->value.data = p;
    h->value.len = value.len;

    return NGX_OK;
}


/*
 * Conditions of the request, and its Range: nginx asks both conditions of a
 * request that has two, where the tag alone counts (RFC 9110, 13.1.3).
 */

static void
ngx_http_bell_cache_condition_of(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_found_t *found)
{
    bell_fields              fields;
    bell_validators          stored;
    ngx_http_request_t      *r;
    bell_condition_request   condition;

    r = ctx->request;

    ngx_http_bell_cache_validators(found, &stored);

    fields = ngx_http_bell_cache_fields_in(r);

    condition.fields = &fields;
    condition.is_read = true;
    condition.date = bell_http_date_parse;
    condition.now_s = ngx_time();

    if (bell_condition_at_cache(&condition, &stored)
        == BELL_CONDITION_NOT_MODIFIED)
    {
        r->headers_out.status = NGX_HTTP_NOT_MODIFIED;
        r->headers_out.content_type.len = 0;
        r->headers_in.range = NULL;
        ngx_http_clear_content_length(r);

        if (r->headers_out.content_encoding) {
            r->headers_out.content_encoding->hash = 0;
            r->headers_out.content_encoding = NULL;
        }

        return;
    }

    if (r->headers_in.range
        && (stored.status != NGX_HTTP_OK
            || !bell_condition_takes_range(&condition, &stored)))
    {
        r->headers_in.range = NULL;
    }

    r->headers_in.if_range = NULL;
}


static void
ngx_http_bell_cache_validators(ngx_http_bell_cache_found_t *found,
    bell_validators *stored)
{
    bell_str  value, block;

    block = found->fields;

    ngx_memzero(stored, sizeof(*stored));

    stored->status = found->entry.times.status;
    stored->modified_s = found->head->modified_s;

    (void) bell_stored_field_of(&block, BELL_STR("etag"), 0, &stored->etag);

    if (!bell_stored_field_of(&block, BELL_STR("date"), 0, &value)
        || !bell_http_date_parse(value, ngx_time(), &stored->date_s))
    {
        stored->date_s = found->entry.times.born_s;
    }
}


ngx_uint_t
ngx_http_bell_cache_takes_range(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_found_t *found)
{
    bell_fields              fields;
    bell_validators          stored;
    bell_condition_request   condition;

    ngx_http_bell_cache_validators(found, &stored);

    fields = ngx_http_bell_cache_fields_in(ctx->request);

    condition.fields = &fields;
    condition.is_read = true;
    condition.date = bell_http_date_parse;
    condition.now_s = ngx_time();

    return bell_condition_takes_range(&condition, &stored);
}


/* As it came, of a load for this one alone; it is copied, the load may end. */

ngx_int_t
ngx_http_bell_cache_answer_as(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_request_t *from)
{
    u_char              *p;
    bell_str             name, value;
    ngx_uint_t           i;
    ngx_list_part_t     *part;
    ngx_table_elt_t     *h;
    ngx_http_request_t  *r;

    r = ctx->request;

    r->headers_out.status = from->headers_out.status;
    r->headers_out.content_length_n = from->headers_out.content_length_n;
    r->headers_out.last_modified_time = from->headers_out.last_modified_time;

    for (part = &from->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash == 0) {
                continue;
            }

            p = ngx_pnalloc(r->pool, h[i].key.len + h[i].value.len + 1);
            if (p == NULL) {
                return NGX_ERROR;
            }

            name = (bell_str) { (char *) p, h[i].key.len };
            p = ngx_cpymem(p, h[i].key.data, h[i].key.len);

            value = (bell_str) { (char *) p, h[i].value.len };
            ngx_memcpy(p, h[i].value.data, h[i].value.len);

            if (ngx_http_bell_cache_add_field(r, name, value) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    if (from->upstream->headers_in.content_type) {
        h = from->upstream->headers_in.content_type;

        p = ngx_pstrdup(r->pool, &h->value);
        if (p == NULL) {
            return NGX_ERROR;
        }

        ngx_http_bell_cache_content_type(r,
                                      (bell_str) { (char *) p, h->value.len });
    }

    /* a fetch is of all of it: his part is cut out */

    if (r->headers_out.status == NGX_HTTP_OK
        && r->headers_out.content_length_n >= 0
        && (r->headers_in.range == NULL
            || ngx_http_bell_cache_parts_wants(ctx)))
    {
        r->allow_ranges = 1;
        r->single_range = 1;
    }

    ctx->status.fwd_status = (unsigned) from->upstream->headers_in.status_n;
    ctx->headed = 1;

    return NGX_OK;
}


/* ---- what the cache says */

ngx_int_t
ngx_http_bell_cache_tell(ngx_http_bell_cache_ctx_t *ctx)
{
    size_t               n;
    char                 out[NGX_HTTP_BELL_CACHE_STATUS_BYTES];
    bell_str             upstream;
    ngx_http_request_t  *r;

    r = ctx->request;

    /* what comes from the zone was looked at when it was stored */

    if (ctx->passed || ctx->headed) {
        ngx_http_bell_cache_hide(r);
    }

    if (ctx->passed && r->upstream && ctx->status.fwd_status == 0) {
        ctx->status.fwd_status = (unsigned) r->upstream->headers_in.status_n;
    }

    if (ngx_http_bell_cache_upstream_status(r, &upstream) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->status.outcome == BELL_OUTCOME_HIT && ctx->status.has_ttl
        && ctx->status.detail.p == NULL && upstream.len == 0)
    {
        n = ngx_http_bell_cache_tell_hit(ctx, out);

    } else {
        n = bell_cache_status_write(&ctx->status, upstream, out, sizeof(out));
    }

    if (n == 0) {
        return NGX_OK;
    }

    return ngx_http_bell_cache_push(r, BELL_STR("Cache-Status"),
                                    (bell_str) { out, n });
}


/* As bell_cache_status_write() has it; most answers are such. */

static size_t
ngx_http_bell_cache_tell_hit(ngx_http_bell_cache_ctx_t *ctx, char *out)
{
    bell_str  *hit;

    hit = &ctx->blcf->hit;

    ngx_memcpy(out, hit->p, hit->len);

    return hit->len + ngx_http_bell_cache_number((u_char *) out + hit->len,
                                                 ctx->status.ttl_s);
}


/* In decimal digits, NGX_INT64_LEN bytes at most. */

static size_t
ngx_http_bell_cache_number(u_char *out, int64_t n)
{
    u_char    digits[NGX_INT64_LEN], *p, *end;
    uint64_t  left;

    end = digits + sizeof(digits);
    p = end;
    left = n < 0 ? -(uint64_t) n : (uint64_t) n;

    do {
        *--p = (u_char) ('0' + left % 10);
        left /= 10;
    } while (left);

    if (n < 0) {
        *--p = '-';
    }

    ngx_memcpy(out, p, end - p);

    return end - p;
}


/* What is for caches that stand where this one does. */

static void
ngx_http_bell_cache_hide(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash
                && bell_stored_class_of(&ngx_http_bell_cache_hidden_rules,
                                        ngx_http_bell_cache_str(&h[i].key))
                   == BELL_STORED_HIDDEN)
            {
                h[i].hash = 0;
            }
        }
    }
}


/* Of caches nearer to the origin; ours stands behind theirs, in one line. */

static ngx_int_t
ngx_http_bell_cache_upstream_status(ngx_http_request_t *r, bell_str *value)
{
    u_char           *p;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    *value = (bell_str) { NULL, 0 };

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash == 0
                || !ngx_http_bell_cache_is(ngx_http_bell_cache_str(&h[i].key),
                                           "cache-status"))
            {
                continue;
            }

            h[i].hash = 0;

            p = ngx_pnalloc(r->pool, value->len + 2 + h[i].value.len);
            if (p == NULL) {
                return NGX_ERROR;
            }

            if (value->len) {
                ngx_memcpy(p, value->p, value->len);
                ngx_memcpy(p + value->len, ", ", 2);
                ngx_memcpy(p + value->len + 2, h[i].value.data,
                           h[i].value.len);
                value->len += 2 + h[i].value.len;

            } else {
                ngx_memcpy(p, h[i].value.data, h[i].value.len);
                value->len = h[i].value.len;
            }

            value->p = (char *) p;
        }
    }

    return NGX_OK;
}
