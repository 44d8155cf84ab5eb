
/*
 * What is asked of the origin in other words than the client's: about what is
 * stored, or for a part of it; and not what is his own affair.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "bell_conditional.h"
#include "bell_range.h"

#include "ngx_http_bell_cache_load.h"


static ngx_uint_t ngx_http_bell_cache_conditions(
    ngx_http_bell_cache_load_t *load, ngx_table_elt_t *adds);
static ngx_uint_t ngx_http_bell_cache_range_of(
    ngx_http_bell_cache_load_t *load, ngx_table_elt_t *adds);
static void ngx_http_bell_cache_condition(ngx_table_elt_t *h, ngx_str_t *name,
    u_char *lowcase, u_char *p, size_t len);


ngx_uint_t
ngx_http_bell_cache_adds(ngx_http_bell_cache_load_t *load,
    ngx_table_elt_t *adds)
{
    ngx_uint_t  n;

    n = ngx_http_bell_cache_conditions(load, adds);

    return n + ngx_http_bell_cache_range_of(load, &adds[n]);
}


/* What is stored is asked about by its tag and its date (RFC 9111, 4.3.1). */

static ngx_uint_t
ngx_http_bell_cache_conditions(ngx_http_bell_cache_load_t *load,
    ngx_table_elt_t *adds)
{
    static ngx_str_t  match = ngx_string("If-None-Match");
    static ngx_str_t  since = ngx_string("If-Modified-Since");

    size_t      len;
    u_char     *p;
    bell_str    value, fields;
    ngx_uint_t  n;

    n = 0;
    fields = load->stale.fields;

    if (load->stale.entry.kind != NGX_HTTP_BELL_CACHE_OBJECT) {
        return 0;
    }

    if (bell_stored_field_of(&fields, BELL_STR("etag"), 0, &value)) {
        p = ngx_pnalloc(load->pool, BELL_CONDITION_ETAG_BYTES + 1);

        len = p ? bell_condition_write_etags(&value, 1, (char *) p,
                                             BELL_CONDITION_ETAG_BYTES)
                : 0;

        if (len) {
            ngx_http_bell_cache_condition(&adds[n++], &match,
                                          (u_char *) "if-none-match", p, len);
        }
    }

    if (bell_stored_field_of(&fields, BELL_STR("last-modified"), 0, &value)) {
        ngx_http_bell_cache_condition(&adds[n++], &since,
                                      (u_char *) "if-modified-since",
                                      (u_char *) value.p, value.len);
    }

    load->validates = n != 0;

    return n;
}


/* A part is asked for as it is cut, whatever of it the client wants. */

static ngx_uint_t
ngx_http_bell_cache_range_of(ngx_http_bell_cache_load_t *load,
    ngx_table_elt_t *adds)
{
    static ngx_str_t  name = ngx_string("Range");

    u_char               *p;
    bell_range            part;
    bell_cache_question  *asked;

    asked = &load->ctx.asked;

    if (asked->part_bytes == 0) {
        return 0;
    }

    p = ngx_pnalloc(load->pool, BELL_RANGE_TEXT);
    if (p == NULL) {
        return 0;
    }

    part = bell_range_part(asked->part_first, asked->part_bytes);

    ngx_http_bell_cache_condition(adds, &name, (u_char *) "range", p,
                                  bell_range_write(&part, (char *) p));

    return 1;
}


/*
 * An answer to who asked for a part: just that, of something whose length is
 * told, and with a body of the length that both say.
 */

ngx_uint_t
ngx_http_bell_cache_is_part(ngx_http_bell_cache_load_t *load,
    ngx_http_request_t *r)
{
    bell_str              value;
    uint64_t              complete;
    bell_range            range, part;
    bell_cache_question  *asked;

    asked = &load->ctx.asked;
    part = bell_range_part(asked->part_first, asked->part_bytes);

    if (load->meta.status != NGX_HTTP_PARTIAL_CONTENT
        || !ngx_http_bell_cache_list_field(&r->upstream->headers_in.headers,
                                           BELL_STR("content-range"), 0,
                                           &value)
        || !bell_content_range_read(value, &range, &complete)
        || !bell_range_is_part(&range, complete,
                               r->headers_out.content_length_n, &part))
    {
        return 0;
    }

    load->complete = complete;

    return 1;
}


static void
ngx_http_bell_cache_condition(ngx_table_elt_t *h, ngx_str_t *name,
    u_char *lowcase, u_char *p, size_t len)
{
    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->key = *name;
    h->value.data = p;
    h->value.len = len;
    h->lowcase_key = lowcase;
    h->hash = ngx_hash_key(lowcase, name->len);
}


/*
 * What is about this client's connection, his part of it or his copy is not
 * asked of the origin: the answer is for others, too.
 */

ngx_uint_t
ngx_http_bell_cache_drops(ngx_str_t *name)
{
    static ngx_str_t  drops[] = {
        ngx_string("connection"),
        ngx_string("keep-alive"),
        ngx_string("proxy-connection"),
        ngx_string("te"),
        ngx_string("trailer"),
        ngx_string("transfer-encoding"),
        ngx_string("upgrade"),
        ngx_string("http2-settings"),
        ngx_string("expect"),
        ngx_string("content-length"),
        ngx_string("content-type"),
        ngx_string("content-encoding"),
        ngx_string("range"),
        ngx_string("if-range"),
        ngx_string("if-match"),
        ngx_string("if-none-match"),
        ngx_string("if-modified-since"),
        ngx_string("if-unmodified-since")
    };

    ngx_uint_t  i;

    for (i = 0; i < sizeof(drops) / sizeof(drops[0]); i++) {
        if (drops[i].len == name->len
            && ngx_strncasecmp(drops[i].data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}
