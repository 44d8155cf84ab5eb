
/*
 * Figures as text.  One family or sample is written at a time, into a small
 * buffer of its own, and goes from there into chunks of the request's pool.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "bell_exposition.h"
#include "bell_json.h"
#include "ngx_http_bell_status.h"


#define NGX_HTTP_BELL_STATUS_CHUNK  8192

/* of one family's head or one sample */
#define NGX_HTTP_BELL_STATUS_LINE   (64 * 1024)


typedef struct {
    ngx_http_bell_sink_t            sink;       /* the first: they are one */
    ngx_http_bell_status_format_e   format;
    ngx_pool_t                     *pool;

    const char                     *family;     /* NULL: none yet */
    bell_json                       json;
    bell_buf                        line;

    ngx_chain_t                    *first;
    ngx_chain_t                    *last;       /* NULL: none yet */
    size_t                          size;
    ngx_uint_t                      failed;
} ngx_http_bell_status_sink_t;


static void ngx_http_bell_status_family(ngx_http_bell_sink_t *sink,
    const char *name, ngx_http_bell_metric_e type, const char *help);
static void ngx_http_bell_status_sample(ngx_http_bell_sink_t *sink,
    const ngx_http_bell_label_t *labels, ngx_uint_t n, int64_t value,
    ngx_uint_t digits);
static void ngx_http_bell_status_json_family(ngx_http_bell_status_sink_t *s,
    const char *type, const char *help);
static void ngx_http_bell_status_json_sample(ngx_http_bell_status_sink_t *s,
    const ngx_http_bell_label_t *labels, ngx_uint_t n, int64_t value,
    ngx_uint_t digits);
static void ngx_http_bell_status_json_end(ngx_http_bell_status_sink_t *s);
static void ngx_http_bell_status_flush(ngx_http_bell_status_sink_t *s);
static ngx_buf_t *ngx_http_bell_status_room(ngx_http_bell_status_sink_t *s);


ngx_chain_t *
ngx_http_bell_status_text(ngx_pool_t *pool, ngx_log_t *log,
    const ngx_http_bell_core_api_t *core,
    ngx_http_bell_status_format_e format, size_t *size)
{
    ngx_http_bell_status_sink_t  s;

    ngx_memzero(&s, sizeof(ngx_http_bell_status_sink_t));

    s.sink.family = ngx_http_bell_status_family;
    s.sink.sample = ngx_http_bell_status_sample;
    s.format = format;
    s.pool = pool;

    bell_buf_init(&s.line, NGX_HTTP_BELL_STATUS_LINE);
    bell_json_init(&s.json, &s.line);

    if (format == NGX_HTTP_BELL_STATUS_JSON) {
        bell_json_object_open(&s.json);
    }

    core->collect((ngx_cycle_t *) ngx_cycle, &s.sink);

    if (format == NGX_HTTP_BELL_STATUS_JSON) {
        ngx_http_bell_status_json_end(&s);
    }

    bell_buf_fini(&s.line);

    if (s.failed || s.last == NULL) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "bell_status: the figures of this edge cannot be told: "
                      "no memory, a line of more than %d or a text of more "
                      "than %d bytes",
                      NGX_HTTP_BELL_STATUS_LINE, NGX_HTTP_BELL_STATUS_MAX);
        return NULL;
    }

    s.last->buf->last_in_chain = 1;

    *size = s.size;

    return s.first;
}


static void
ngx_http_bell_status_family(ngx_http_bell_sink_t *sink, const char *name,
    ngx_http_bell_metric_e type, const char *help)
{
    const char                   *word;
    ngx_http_bell_status_sink_t  *s = (ngx_http_bell_status_sink_t *) sink;

    word = (type == NGX_HTTP_BELL_COUNTER) ? "counter" : "gauge";

    if (s->format == NGX_HTTP_BELL_STATUS_JSON) {

        if (s->family) {
            bell_json_array_close(&s->json);
            bell_json_object_close(&s->json);
        }

        bell_json_key(&s->json, name);
        ngx_http_bell_status_json_family(s, word, help);

    } else {
        bell_exposition_family(&s->line, name, word, bell_str_of(help));
    }

    s->family = name;

    ngx_http_bell_status_flush(s);
}


static void
ngx_http_bell_status_sample(ngx_http_bell_sink_t *sink,
    const ngx_http_bell_label_t *labels, ngx_uint_t n, int64_t value,
    ngx_uint_t digits)
{
    bell_str                      text;
    ngx_uint_t                    i;
    ngx_http_bell_status_sink_t  *s = (ngx_http_bell_status_sink_t *) sink;

    if (s->format == NGX_HTTP_BELL_STATUS_JSON) {
        ngx_http_bell_status_json_sample(s, labels, n, value, digits);

    } else {
        bell_exposition_begin(&s->line, s->family);

        for (i = 0; i < n; i++) {
            text.p = (char *) labels[i].value.data;
            text.len = labels[i].value.len;

            bell_exposition_label(&s->line, i == 0, labels[i].name, text);
        }

        bell_exposition_end(&s->line, n > 0, value, digits);
    }

    ngx_http_bell_status_flush(s);
}


static void
ngx_http_bell_status_json_family(ngx_http_bell_status_sink_t *s,
    const char *type, const char *help)
{
    bell_json_object_open(&s->json);
    bell_json_key(&s->json, "type");
    bell_json_z(&s->json, type);
    bell_json_key(&s->json, "help");
    bell_json_z(&s->json, help);
    bell_json_key(&s->json, "samples");
    bell_json_array_open(&s->json);
}


static void
ngx_http_bell_status_json_sample(ngx_http_bell_status_sink_t *s,
    const ngx_http_bell_label_t *labels, ngx_uint_t n, int64_t value,
    ngx_uint_t digits)
{
    bell_str    text;
    ngx_uint_t  i;

    bell_json_object_open(&s->json);
    bell_json_key(&s->json, "labels");
    bell_json_object_open(&s->json);

    for (i = 0; i < n; i++) {
        text.p = (char *) labels[i].value.data;
        text.len = labels[i].value.len;

        bell_json_key(&s->json, labels[i].name);
        bell_json_str(&s->json, text);
    }

    bell_json_object_close(&s->json);
    bell_json_key(&s->json, "value");
    bell_json_fixed(&s->json, value, digits);
    bell_json_object_close(&s->json);
}


static void
ngx_http_bell_status_json_end(ngx_http_bell_status_sink_t *s)
{
    if (s->family) {
        bell_json_array_close(&s->json);
        bell_json_object_close(&s->json);
    }

    bell_json_object_close(&s->json);
    bell_buf_add_char(&s->line, '\n');

    if (!bell_json_done(&s->json)) {
        s->failed = 1;
    }

    ngx_http_bell_status_flush(s);
}


static void
ngx_http_bell_status_flush(ngx_http_bell_status_sink_t *s)
{
    size_t      n, left;
    u_char     *p;
    ngx_buf_t  *b;

    s->size += s->line.len;

    if (s->line.failed || s->size > NGX_HTTP_BELL_STATUS_MAX) {
        s->failed = 1;
    }

    p = (u_char *) s->line.p;
    left = s->failed ? 0 : s->line.len;

    while (left) {
        b = ngx_http_bell_status_room(s);

        if (b == NULL) {
            s->failed = 1;
            break;
        }

        n = ngx_min(left, (size_t) (b->end - b->last));

        b->last = ngx_cpymem(b->last, p, n);
        p += n;
        left -= n;
    }

    bell_buf_reset(&s->line);
}


/* The last chunk while it has room for a byte, or a new one. */

static ngx_buf_t *
ngx_http_bell_status_room(ngx_http_bell_status_sink_t *s)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (s->last && s->last->buf->last < s->last->buf->end) {
        return s->last->buf;
    }

    b = ngx_create_temp_buf(s->pool, NGX_HTTP_BELL_STATUS_CHUNK);
    cl = ngx_alloc_chain_link(s->pool);

    if (b == NULL || cl == NULL) {
        return NULL;
    }

    cl->buf = b;
    cl->next = NULL;

    if (s->last) {
        s->last->next = cl;

    } else {
        s->first = cl;
    }

    s->last = cl;

    return b;
}
