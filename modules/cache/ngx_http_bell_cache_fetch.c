
/*
 * Detached fetches.  The connection is a real one of nginx's, for requests
 * live and die with theirs; its descriptor is an eventfd that nobody reads.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <sys/eventfd.h>

#include "ngx_http_bell_cache_copy.h"
#include "ngx_http_bell_cache_fetch.h"


static ngx_connection_t *ngx_http_bell_cache_connect(
    ngx_http_request_t *client);
static ngx_int_t ngx_http_bell_cache_fill(ngx_connection_t *c,
    ngx_http_request_t *client);
static ngx_int_t ngx_http_bell_cache_log(ngx_connection_t *c,
    ngx_http_request_t *client);
static void ngx_http_bell_cache_disconnect(ngx_connection_t *c);
static ssize_t ngx_http_bell_cache_recv(ngx_connection_t *c, u_char *buf,
    size_t size);
static ssize_t ngx_http_bell_cache_send(ngx_connection_t *c, u_char *buf,
    size_t size);
static ssize_t ngx_http_bell_cache_recv_chain(ngx_connection_t *c,
    ngx_chain_t *in, off_t limit);
static ngx_chain_t *ngx_http_bell_cache_send_chain(ngx_connection_t *c,
    ngx_chain_t *in, off_t limit);

static void ngx_http_bell_cache_run(ngx_event_t *ev);
static void ngx_http_bell_cache_listen(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_cache_process_header(ngx_http_request_t *r);
static ngx_int_t ngx_http_bell_cache_reinit_request(ngx_http_request_t *r);
static void ngx_http_bell_cache_event(ngx_event_t *ev);
static void ngx_http_bell_cache_end(void *data);


/* how a fetch is recognised: nginx forgets r->ctx in internal redirects */

typedef struct {
    ngx_http_connection_t         hc;       /* first: c->data before a request */
    ngx_http_log_ctx_t            log;
    ngx_http_bell_cache_fetch_t  *fetch;
} ngx_http_bell_cache_connection_t;


ngx_int_t
ngx_http_bell_cache_fetch(ngx_http_request_t *client,
    const ngx_http_bell_core_api_t *core, ngx_http_bell_cache_drops_pt drops,
    ngx_table_elt_t *adds, ngx_uint_t n, ngx_http_bell_cache_fetch_t *fetch)
{
    ngx_uint_t                         i;
    ngx_connection_t                  *c;
    ngx_http_cleanup_t                *cln;
    ngx_http_request_t                *r;
    ngx_http_bell_cache_connection_t  *hc;

    c = ngx_http_bell_cache_connect(client);
    if (c == NULL) {
        return NGX_DECLINED;
    }

    hc = c->data;

    r = ngx_http_create_request(c);

    if (r == NULL) {
        ngx_http_bell_cache_disconnect(c);
        return NGX_ERROR;
    }

    c->data = r;

    if (ngx_http_bell_cache_copy_request(r, client, drops) != NGX_OK
        || ngx_http_bell_cache_copy_context(r, client, core) != NGX_OK)
    {
        goto failed;
    }

    for (i = 0; i < n; i++) {
        if (ngx_http_bell_cache_copy_field(r, &adds[i]) != NGX_OK) {
            goto failed;
        }
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        goto failed;
    }

    cln->handler = ngx_http_bell_cache_end;
    cln->data = fetch;

    hc->fetch = fetch;
    fetch->request = r;
    fetch->upstream = NULL;
    fetch->held = NULL;
    fetch->last = 0;
    fetch->failed = 0;

    /* it may be ended before it begins */

    c->read->handler = ngx_http_bell_cache_event;
    c->write->handler = ngx_http_bell_cache_event;

    return NGX_OK;

failed:

    r->logged = 1;
    ngx_http_free_request(r, 0);
    ngx_http_bell_cache_disconnect(c);

    return NGX_ERROR;
}


/* ---- the connection */

static ngx_connection_t *
ngx_http_bell_cache_connect(ngx_http_request_t *client)
{
    int                fd;
    ngx_connection_t  *c;

    fd = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

    if (fd == -1) {
        ngx_log_error(NGX_LOG_ALERT, client->connection->log, ngx_errno,
                      "eventfd() failed");
        return NULL;
    }

    c = ngx_get_connection(fd, client->connection->log);

    if (c == NULL) {
        (void) close(fd);
        return NULL;
    }

#if (NGX_STAT_STUB)
    (void) ngx_atomic_fetch_add(ngx_stat_active, 1);
#endif

    c->pool = ngx_create_pool(1024, ngx_cycle->log);

    if (c->pool == NULL) {
        ngx_http_bell_cache_disconnect(c);
        return NULL;
    }

    if (ngx_http_bell_cache_fill(c, client) != NGX_OK) {
        ngx_http_bell_cache_disconnect(c);
        return NULL;
    }

    return c;
}


static ngx_int_t
ngx_http_bell_cache_fill(ngx_connection_t *c, ngx_http_request_t *client)
{
    ngx_connection_t                  *cc;
    ngx_http_core_srv_conf_t          *cscf;
    ngx_http_bell_cache_connection_t  *hc;

    cc = client->connection;

    hc = ngx_pcalloc(c->pool, sizeof(ngx_http_bell_cache_connection_t));
    if (hc == NULL) {
        return NGX_ERROR;
    }

    c->data = hc;

    cscf = ngx_http_get_module_srv_conf(client, ngx_http_core_module);

    hc->hc.addr_conf = client->http_connection->addr_conf;
    hc->hc.conf_ctx = cscf->ctx;

    c->buffer = ngx_create_temp_buf(c->pool, 8);
    c->sockaddr = ngx_palloc(c->pool, cc->socklen);
    c->local_sockaddr = ngx_palloc(c->pool, cc->local_socklen);

    if (c->buffer == NULL || c->sockaddr == NULL || c->local_sockaddr == NULL
        || ngx_http_bell_cache_copy(c->pool, &c->addr_text, &cc->addr_text)
           != NGX_OK
        || ngx_http_bell_cache_log(c, client) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(c->sockaddr, cc->sockaddr, cc->socklen);
    c->socklen = cc->socklen;

    if (cc->local_sockaddr) {
        ngx_memcpy(c->local_sockaddr, cc->local_sockaddr, cc->local_socklen);
        c->local_socklen = cc->local_socklen;

    } else {
        c->local_sockaddr = NULL;
    }

    c->type = SOCK_STREAM;
    c->listening = cc->listening;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->start_time = ngx_current_msec;

    c->recv = ngx_http_bell_cache_recv;
    c->send = ngx_http_bell_cache_send;
    c->recv_chain = ngx_http_bell_cache_recv_chain;
    c->send_chain = ngx_http_bell_cache_send_chain;

    /* what is done to sockets would be refused by this one, or wait for it */

    c->tcp_nodelay = NGX_TCP_NODELAY_DISABLED;
    c->tcp_nopush = NGX_TCP_NOPUSH_DISABLED;

    c->read->log = c->log;
    c->read->active = 1;
    c->read->eof = 1;

    c->write->log = c->log;
    c->write->active = 1;
    c->write->ready = 1;

    return NGX_OK;
}


/* Lines of the log name the client who has asked first, and what for. */

static ngx_int_t
ngx_http_bell_cache_log(ngx_connection_t *c, ngx_http_request_t *client)
{
    ngx_log_t                         *log;
    ngx_http_bell_cache_connection_t  *hc;

    hc = c->data;

    log = ngx_palloc(c->pool, sizeof(ngx_log_t));
    if (log == NULL) {
        return NGX_ERROR;
    }

    *log = *client->connection->log;

    hc->log.connection = c;
    hc->log.request = NULL;
    hc->log.current_request = NULL;

    log->data = &hc->log;
    log->action = "fetching for the cache";
    log->connection = c->number;

    c->log = log;
    c->pool->log = log;
    c->log_error = NGX_ERROR_INFO;

    return NGX_OK;
}


static void
ngx_http_bell_cache_disconnect(ngx_connection_t *c)
{
    if (c->pool) {
        ngx_http_close_connection(c);
        return;
    }

#if (NGX_STAT_STUB)
    (void) ngx_atomic_fetch_add(ngx_stat_active, -1);
#endif

    ngx_close_connection(c);
}


static ssize_t
ngx_http_bell_cache_recv(ngx_connection_t *c, u_char *buf, size_t size)
{
    return NGX_AGAIN;
}


static ssize_t
ngx_http_bell_cache_recv_chain(ngx_connection_t *c, ngx_chain_t *in,
    off_t limit)
{
    return NGX_AGAIN;
}


static ngx_chain_t *
ngx_http_bell_cache_send_chain(ngx_connection_t *c, ngx_chain_t *in,
    off_t limit)
{
    /* what comes as far as here has passed by the filters that take it */

    ngx_log_error(NGX_LOG_ALERT, c->log, 0,
                  "an answer to the cache itself is about to be sent");

    return NGX_CHAIN_ERROR;
}


static ssize_t
ngx_http_bell_cache_send(ngx_connection_t *c, u_char *buf, size_t size)
{
    (void) ngx_http_bell_cache_send_chain(c, NULL, 0);

    return NGX_ERROR;
}


/* ---- its way */

void
ngx_http_bell_cache_fetch_begin(ngx_http_bell_cache_fetch_t *fetch)
{
    ngx_connection_t  *c;

    c = fetch->request->connection;

    c->write->handler = ngx_http_bell_cache_run;
    ngx_post_event(c->write, &ngx_posted_events);
}


static void
ngx_http_bell_cache_run(ngx_event_t *ev)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    c = ev->data;
    r = c->data;

    c->write->handler = ngx_http_bell_cache_event;

    if (c->close) {
        ngx_http_bell_cache_event(ev);
        return;
    }

    rc = r->content_handler(r);

    if (rc == NGX_DONE) {
        ngx_http_bell_cache_listen(r);
    }

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


/*
 * The origin is being asked.  One that could not even be may have ended the
 * fetch by now; one that has no place for it yet ("bell_fair") is asked later.
 */

static void
ngx_http_bell_cache_listen(ngx_http_request_t *r)
{
    ngx_http_upstream_t          *u;
    ngx_http_bell_cache_fetch_t  *fetch;

    u = r->upstream;
    fetch = ngx_http_bell_cache_fetch_of(r);

    if (fetch == NULL || u == NULL || u->process_header == NULL
        || u->process_header == ngx_http_bell_cache_process_header)
    {
        return;
    }

    if (fetch->upstream == NULL) {
        fetch->upstream = u;
    }

    fetch->process_header = u->process_header;
    fetch->reinit_request = u->reinit_request;

    u->process_header = ngx_http_bell_cache_process_header;
    u->reinit_request = ngx_http_bell_cache_reinit_request;
}


/*
 * What the origin says before its answer (103 and the like) is no answer: it
 * is passed over, however much of it there is.
 */

static ngx_int_t
ngx_http_bell_cache_process_header(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_http_upstream_t          *u;
    ngx_http_bell_cache_fetch_t  *fetch;

    u = r->upstream;
    fetch = ngx_http_bell_cache_fetch_of(r);

    for ( ;; ) {
        u->process_header = fetch->process_header;

        rc = u->process_header(r);

        fetch->process_header = u->process_header;
        u->process_header = ngx_http_bell_cache_process_header;

        if (rc != NGX_OK || u->headers_in.status_n < 100
            || u->headers_in.status_n >= 200 || u->headers_in.status_n == 101)
        {
            return rc;
        }

        /* as it was before the first byte, but for what was read */

        ngx_memzero(&u->headers_in.status_n,
                    sizeof(u->headers_in)
                    - offsetof(ngx_http_upstream_headers_in_t, status_n));

        u->headers_in.content_length_n = -1;
        u->headers_in.last_modified_time = -1;

        if (ngx_list_init(&u->headers_in.headers, r->pool, 8,
                          sizeof(ngx_table_elt_t))
            != NGX_OK
            || u->reinit_request(r) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }
}


/* Another server is asked, or the same one once more: all is as it began. */

static ngx_int_t
ngx_http_bell_cache_reinit_request(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_http_upstream_t          *u;
    ngx_http_bell_cache_fetch_t  *fetch;

    u = r->upstream;
    fetch = ngx_http_bell_cache_fetch_of(r);

    u->process_header = fetch->process_header;

    rc = fetch->reinit_request(r);

    fetch->process_header = u->process_header;
    u->process_header = ngx_http_bell_cache_process_header;

    return rc;
}


/*
 * What is held may be taken now; or it is to end: because nobody wants it any
 * more, or the worker has been waited for long enough.
 */

static void
ngx_http_bell_cache_event(ngx_event_t *ev)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    c = ev->data;
    r = c->data;

    if (c->close) {
        r->main->count++;
        ngx_http_finalize_request(r, NGX_HTTP_CLIENT_CLOSED_REQUEST);

    } else if (ev->write) {
        r->write_event_handler(r);

        /* the request is there until those are run that were posted */

        if (!c->destroyed) {
            ngx_http_bell_cache_listen(r);
        }
    }

    ngx_http_run_posted_requests(c);
}


void
ngx_http_bell_cache_fetch_more(ngx_http_bell_cache_fetch_t *fetch)
{
    ngx_post_event(fetch->request->connection->write, &ngx_posted_events);
}


void
ngx_http_bell_cache_fetch_abort(ngx_http_bell_cache_fetch_t *fetch)
{
    fetch->failed = 1;
    fetch->request->connection->close = 1;

    ngx_post_event(fetch->request->connection->write, &ngx_posted_events);
}


static void
ngx_http_bell_cache_end(void *data)
{
    ngx_http_bell_cache_fetch_t  *fetch = data;

    ngx_http_bell_cache_connection_t  *hc;

    hc = (ngx_http_bell_cache_connection_t *) fetch->request->http_connection;

    /* the request may go on for a while, and finds nobody */

    hc->fetch = NULL;

    fetch->sink->done(fetch, fetch->last && !fetch->failed);
}


ngx_http_bell_cache_fetch_t *
ngx_http_bell_cache_fetch_of(ngx_http_request_t *r)
{
    ngx_http_bell_cache_connection_t  *hc;

    if (r->connection->send_chain != ngx_http_bell_cache_send_chain) {
        return NULL;
    }

    hc = (ngx_http_bell_cache_connection_t *) r->http_connection;

    return hc->fetch;
}


ngx_uint_t
ngx_http_bell_cache_fetch_is_direct(ngx_http_request_t *r)
{
    ngx_http_bell_cache_fetch_t  *fetch;

    fetch = ngx_http_bell_cache_fetch_of(r);

    return fetch->upstream == NULL || fetch->upstream == r->upstream;
}


ngx_int_t
ngx_http_bell_cache_fetch_header(ngx_http_request_t *r,
    ngx_http_bell_cache_fetch_t *fetch)
{
    r->header_sent = 1;
    r->filter_need_in_memory = 1;

    /* as it comes, not when a buffer is full */

    if (r->upstream) {
        r->upstream->buffering = 0;
    }

    if (fetch->failed || fetch->sink->head(fetch, r) != NGX_OK) {
        fetch->failed = 1;
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_bell_cache_fetch_body(ngx_http_request_t *r,
    ngx_http_bell_cache_fetch_t *fetch, ngx_chain_t *in)
{
    ssize_t       n;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (in && ngx_chain_add_copy(r->pool, &fetch->held, in) != NGX_OK) {
        fetch->failed = 1;
    }

    while (fetch->held && !fetch->failed) {
        b = fetch->held->buf;

        if (ngx_buf_in_memory(b) && b->last > b->pos) {
            n = fetch->sink->body(fetch, b->pos, b->last - b->pos);

            if (n == NGX_ERROR) {
                fetch->failed = 1;
                break;
            }

            b->pos += n;

            if (b->pos < b->last) {

                /* the write filter, whose bit it is, is never reached */

                r->buffered |= NGX_HTTP_WRITE_BUFFERED;
                return NGX_AGAIN;
            }
        }

        b->file_pos = b->file_last;

        if (b->last_buf) {
            fetch->last = 1;
        }

        cl = fetch->held;
        fetch->held = cl->next;
        ngx_free_chain(r->pool, cl);
    }

    r->buffered &= ~NGX_HTTP_WRITE_BUFFERED;

    return fetch->failed ? NGX_ERROR : NGX_OK;
}
