
/*
 * What a tenant says of itself in the edge's own answers: its title, and its
 * notice while it is suspended.  Looked up when a page asks for it.  There is
 * no variable with the bare words: an operator of a district writes them, and
 * one page that forgets to escape them would be everybody's problem.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "bell_escape.h"
#include "ngx_http_bell_context.h"


/* \u0026 has six bytes for one */
#define NGX_HTTP_BELL_NOTICE_MAX  (6 * BELL_DIRECTORY_RECORD_MAX)


static ngx_int_t ngx_http_bell_notice_value(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, bell_str text, ngx_uint_t json);


ngx_int_t
ngx_http_bell_notice_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    void               *record;
    size_t              len;
    uint64_t            version;
    bell_str            text;
    ngx_int_t           rc;
    const bell_tenant  *tenant;

    tenant = ngx_http_bell_context_tenant(r);

    if (tenant == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    record = ngx_alloc(BELL_DIRECTORY_RECORD_MAX, r->connection->log);
    if (record == NULL) {
        return NGX_ERROR;
    }

    len = ngx_http_bell_directory_record(ngx_http_bell_request_directory(r),
                                         tenant->id, BELL_STR_NULL, record,
                                         &version);

    text = bell_record_get(record, len,
                           data & ~(uintptr_t) NGX_HTTP_BELL_NOTICE_JSON);

    rc = ngx_http_bell_notice_value(r, v, text,
                                    data & NGX_HTTP_BELL_NOTICE_JSON);

    ngx_free(record);

    return rc;
}


static ngx_int_t
ngx_http_bell_notice_value(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, bell_str text, ngx_uint_t json)
{
    bell_buf  b;

    bell_buf_init(&b, NGX_HTTP_BELL_NOTICE_MAX);

    if (json) {
        bell_escape_json(&b, text);

    } else {
        bell_escape_html(&b, text);
    }

    if (b.len == 0 && !b.failed) {
        bell_buf_fini(&b);
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = b.failed ? NULL : ngx_pnalloc(r->pool, b.len);

    if (v->data == NULL) {
        bell_buf_fini(&b);
        return NGX_ERROR;
    }

    (void) ngx_cpymem(v->data, b.p, b.len);

    v->len = b.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    bell_buf_fini(&b);

    return NGX_OK;
}
