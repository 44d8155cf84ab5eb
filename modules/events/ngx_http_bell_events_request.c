
/*
 * What of an object was sent to whom.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_events.h"


/* what HTTP/2 puts around at most so much of a body */
#define NGX_HTTP_BELL_EVENTS_FRAME         9
#define NGX_HTTP_BELL_EVENTS_FRAME_BODY    8192


static ngx_int_t ngx_http_bell_events_who(ngx_http_bell_ctx_t *ctx,
    bell_access_event *event);
static ngx_int_t ngx_http_bell_events_what(ngx_http_request_t *r,
    bell_access_event *event);
static ngx_int_t ngx_http_bell_events_part(ngx_table_elt_t *h,
    bell_access_event *event);
static ngx_int_t ngx_http_bell_events_number(u_char **p, u_char *last,
    u_char end, int64_t *to);
static int64_t ngx_http_bell_events_sent(ngx_http_request_t *r, int64_t all);
static bell_str ngx_http_bell_events_str(ngx_str_t *s);


ngx_int_t
ngx_http_bell_events_request(ngx_http_request_t *r,
    ngx_http_bell_events_main_conf_t *emcf, bell_access_event *event)
{
    ngx_int_t                   rc;
    ngx_time_t                 *tp;
    ngx_http_bell_ctx_t        *ctx;
    ngx_http_variable_value_t  *id;

    ctx = emcf->core->context(r);

    if (ctx == NULL || ngx_http_bell_events_who(ctx, event) != NGX_OK) {
        return NGX_DECLINED;
    }

    rc = ngx_http_bell_events_what(r, event);

    if (rc != NGX_OK) {
        return rc;
    }

    id = ngx_http_get_indexed_variable(r, emcf->request_id);

    if (id == NULL || id->not_found) {
        return NGX_ERROR;
    }

    event->id.p = (char *) id->data;
    event->id.len = id->len;

    event->path = ngx_http_bell_events_str(&r->unparsed_uri);

    tp = ngx_timeofday();
    event->at_ms = (int64_t) tp->sec * 1000 + tp->msec;

    return NGX_OK;
}


/* A session is of who sits there; a token may be of whoever passed it on. */

static ngx_int_t
ngx_http_bell_events_who(ngx_http_bell_ctx_t *ctx, bell_access_event *event)
{
    if (ctx->subject.len) {
        event->subject = ngx_http_bell_events_str(&ctx->subject);
        event->by = BELL_STR("session");
        event->issuer = BELL_STR_NULL;
        return NGX_OK;
    }

    if (ctx->token_subject.len) {
        event->subject = ngx_http_bell_events_str(&ctx->token_subject);
        event->by = ngx_http_bell_events_str(&ctx->token_kind);
        event->issuer = ngx_http_bell_events_str(&ctx->token_issuer);
        return NGX_OK;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_bell_events_what(ngx_http_request_t *r, bell_access_event *event)
{
    int64_t           all, sent;
    ngx_uint_t        status;
    ngx_table_elt_t  *encoding;

    status = r->err_status ? r->err_status : r->headers_out.status;

    event->status = status;
    event->from = 0;

    if (status == NGX_HTTP_PARTIAL_CONTENT) {

        /* of several parts nobody knows how far they went */

        if (ngx_http_bell_events_part(r->headers_out.content_range, event)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        all = event->to - event->from;

    } else if (status == NGX_HTTP_OK) {
        event->size = r->headers_out.content_length_n;
        all = event->size;

    } else {
        return NGX_DECLINED;
    }

    /* the size of what was compressed is none of the object */

    encoding = r->headers_out.content_encoding;

    if (encoding && encoding->value.len) {
        event->size = -1;
    }

    sent = ngx_http_bell_events_sent(r, all);

    if (sent <= 0) {
        return NGX_DECLINED;
    }

    event->to = event->from + sent;

    return NGX_OK;
}


/* "bytes 0-99/1000", of nginx itself or of an upstream */

static ngx_int_t
ngx_http_bell_events_part(ngx_table_elt_t *h, bell_access_event *event)
{
    u_char   *p, *last;
    int64_t   end;

    if (h == NULL || h->value.len < 6
        || ngx_strncasecmp(h->value.data, (u_char *) "bytes ", 6) != 0)
    {
        return NGX_ERROR;
    }

    p = h->value.data + 6;
    last = h->value.data + h->value.len;

    if (ngx_http_bell_events_number(&p, last, '-', &event->from) != NGX_OK
        || ngx_http_bell_events_number(&p, last, '/', &end) != NGX_OK
        || end < event->from)
    {
        return NGX_ERROR;
    }

    event->to = end + 1;
    event->size = -1;

    if (last - p == 1 && *p == '*') {
        return NGX_OK;
    }

    return ngx_http_bell_events_number(&p, last, '\0', &event->size);
}


/* Digits up to "end" or, where that is 0, to the end of the text. */

static ngx_int_t
ngx_http_bell_events_number(u_char **p, u_char *last, u_char end, int64_t *to)
{
    u_char    *start, *s;
    uint64_t   n;
    bell_str   digits;

    start = *p;

    for (s = start; s < last && *s >= '0' && *s <= '9'; s++) { /* void */ }

    if (end ? (s == last || *s != end) : s != last) {
        return NGX_ERROR;
    }

    digits.p = (char *) start;
    digits.len = s - start;

    if (!bell_str_to_u64(digits, BELL_ACCESS_NUMBER_MAX - 1, &n)) {
        return NGX_ERROR;
    }

    *to = n;
    *p = s + (end ? 1 : 0);

    return NGX_OK;
}


/* Bytes of the body that the network has taken; all of them: -1 is unknown. */

static int64_t
ngx_http_bell_events_sent(ngx_http_request_t *r, int64_t all)
{
    int64_t  sent;

    sent = r->connection->sent - (off_t) r->header_size;

#if (NGX_HTTP_V2)

    /*
     * nginx counts the frames' heads, too, and not how many there were: what
     * broke off is told as if frames had been full.
     */

    if (r->stream && sent > 0
        && !(r->stream->out_closed && !r->connection->error))
    {
        sent -= (sent + NGX_HTTP_BELL_EVENTS_FRAME
                 + NGX_HTTP_BELL_EVENTS_FRAME_BODY - 1)
                / (NGX_HTTP_BELL_EVENTS_FRAME
                   + NGX_HTTP_BELL_EVENTS_FRAME_BODY)
                * NGX_HTTP_BELL_EVENTS_FRAME;
    }

#endif

    return all >= 0 && sent > all ? all : sent;
}


static bell_str
ngx_http_bell_events_str(ngx_str_t *s)
{
    bell_str  t;

    t.p = (char *) s->data;
    t.len = s->len;

    return t;
}
