
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


#define NGX_HTTP_BELL_CACHE_STATUS_BYTES  1024


static ngx_int_t ngx_http_bell_cache_add_field(ngx_http_request_t *r,
    bell_str name, bell_str value);
static void ngx_http_bell_cache_content_type(ngx_http_request_t *r,
    bell_str value);
static void ngx_http_bell_cache_condition_of(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_found_t *found);
static ngx_int_t ngx_http_bell_cache_is(bell_str name, const char *lowcase);
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
    bell_str               rest;
    bell_stored_field      field;
    ngx_http_request_t    *r;
    bell_freshness_times  *times;

    r = ctx->request;
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

    rest.p = (char *) age;
    rest.len = ngx_sprintf(age, "%uD", bell_freshness_age_s(times, ngx_time()))
               - age;

    if (ngx_http_bell_cache_push(r, BELL_STR("Age"), rest) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->status.has_ttl = true;
    ctx->status.ttl_s = bell_freshness_ttl_s(times, ngx_time());

    ngx_http_bell_cache_condition_of(ctx, found);

    return NGX_OK;
}


/* Fields that nginx has a place for are there, too: filters look there. */

static ngx_int_t
ngx_http_bell_cache_add_field(ngx_http_request_t *r, bell_str name,
    bell_str value)
{
    int64_t           time_s;
    ngx_table_elt_t  *h;

    if (ngx_http_bell_cache_is(name, "content-type")) {
        ngx_http_bell_cache_content_type(r, value);
        return NGX_OK;
    }

    if (ngx_http_bell_cache_is(name, "content-length")
        || ngx_http_bell_cache_is(name, "accept-ranges"))
    {
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

    if (ngx_http_bell_cache_is(name, "date")) {
        r->headers_out.date = h;

    } else if (ngx_http_bell_cache_is(name, "etag")) {
        r->headers_out.etag = h;

    } else if (ngx_http_bell_cache_is(name, "server")) {
        r->headers_out.server = h;

    } else if (ngx_http_bell_cache_is(name, "content-encoding")) {
        r->headers_out.content_encoding = h;

    } else if (ngx_http_bell_cache_is(name, "last-modified")) {
        r->headers_out.last_modified = h;

        if (bell_http_date_parse(value, ngx_time(), &time_s) && time_s >= 0) {
            r->headers_out.last_modified_time = time_s;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_cache_is(bell_str name, const char *lowcase)
{
    return name.len == ngx_strlen(lowcase)
           && ngx_strncasecmp((u_char *) (uintptr_t) name.p,
                              (u_char *) (uintptr_t) lowcase, name.len)
              == 0;
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
    bell_str                 value, block;
    bell_fields              fields;
    bell_validators          stored;
    ngx_http_request_t      *r;
    bell_condition_request   condition;

    r = ctx->request;
    block = found->fields;

    ngx_memzero(&stored, sizeof(stored));

    stored.status = found->entry.times.status;
    stored.modified_s = BELL_NO_TIME;
    stored.date_s = BELL_NO_TIME;

    (void) bell_stored_field_of(&block, BELL_STR("etag"), 0, &stored.etag);

    if (bell_stored_field_of(&block, BELL_STR("last-modified"), 0, &value)
        && !bell_http_date_parse(value, ngx_time(), &stored.modified_s))
    {
        stored.modified_s = BELL_NO_TIME;
    }

    if (!bell_stored_field_of(&block, BELL_STR("date"), 0, &value)
        || !bell_http_date_parse(value, ngx_time(), &stored.date_s))
    {
        stored.date_s = found->entry.times.born_s;
    }

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

    ctx->status.fwd_status = (unsigned) from->upstream->headers_in.status_n;
    ctx->headed = 1;

    return NGX_OK;
}


/* ---- what the cache says */

ngx_int_t
ngx_http_bell_cache_tell(ngx_http_bell_cache_ctx_t *ctx)
{
    size_t               n;
    char                *p;
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

    p = ngx_pnalloc(r->pool, NGX_HTTP_BELL_CACHE_STATUS_BYTES);
    if (p == NULL) {
        return NGX_ERROR;
    }

    n = bell_cache_status_write(&ctx->status, upstream, p,
                                NGX_HTTP_BELL_CACHE_STATUS_BYTES);

    if (n == 0) {
        return NGX_OK;
    }

    return ngx_http_bell_cache_push(r, BELL_STR("Cache-Status"),
                                    (bell_str) { p, n });
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
