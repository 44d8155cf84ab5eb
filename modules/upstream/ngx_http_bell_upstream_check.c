
/*
 * What is done beside the requests: the counts of dead workers are taken
 * away, and one worker, the checker, follows the directory and asks the
 * servers how they are.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_upstream.h"


/* Each worker looks around so often; the checker more often when it has to. */
#define NGX_HTTP_BELL_UPSTREAM_TICK_MS     1000

/* A checker that has shown no sign of life for so long is replaced. */
#define NGX_HTTP_BELL_UPSTREAM_SILENT_MS   5000

/* Checks that are in flight at a time. */
#define NGX_HTTP_BELL_UPSTREAM_CHECKS_MAX  32

/* Of an answer: as much as a status takes. */
#define NGX_HTTP_BELL_UPSTREAM_HEAD_LEN    16

#define NGX_HTTP_BELL_UPSTREAM_WHY_LEN     160


typedef struct {
    ngx_queue_t                      queue;
    ngx_http_bell_upstream_conf_t   *conf;

    ngx_http_bell_upstream_entry_t  *entry;
    ngx_atomic_uint_t                generation;

    /* copies: the entry may become another server's meanwhile */

    ngx_str_t                        name;
    u_char                           address[NGX_HTTP_BELL_UPSTREAM_ADDRESS_LEN];
    ngx_str_t                        pool;
    u_char                           pool_name[BELL_DIRECTORY_NAME_MAX + 1];
    ngx_sockaddr_t                   sockaddr;

    ngx_peer_connection_t            peer;
    ngx_log_t                        log;
    ngx_uint_t                       connected;
    ngx_uint_t                       closed;     /* by the server */
    size_t                           sent;
    size_t                           len;
    u_char                           head[NGX_HTTP_BELL_UPSTREAM_HEAD_LEN];
} ngx_http_bell_upstream_probe_t;


static void ngx_http_bell_upstream_tick(ngx_event_t *ev);
static ngx_uint_t ngx_http_bell_upstream_is_checker(
    ngx_http_bell_upstream_conf_t *bcf);
static void ngx_http_bell_upstream_stand_down(
    ngx_http_bell_upstream_conf_t *bcf);
static void ngx_http_bell_upstream_end_checks(
    ngx_http_bell_upstream_conf_t *bcf);
static void ngx_http_bell_upstream_refresh(ngx_http_bell_upstream_conf_t *bcf);
static void ngx_http_bell_upstream_start_checks(
    ngx_http_bell_upstream_conf_t *bcf);
static ngx_uint_t ngx_http_bell_upstream_is_due(
    ngx_http_bell_upstream_conf_t *bcf, ngx_http_bell_upstream_entry_t *e);
static void ngx_http_bell_upstream_start_check(
    ngx_http_bell_upstream_conf_t *bcf, ngx_http_bell_upstream_entry_t *e);
static ngx_int_t ngx_http_bell_upstream_copy_entry(
    ngx_http_bell_upstream_probe_t *probe);
static void ngx_http_bell_upstream_connect(
    ngx_http_bell_upstream_probe_t *probe);
static void ngx_http_bell_upstream_check_write(ngx_event_t *ev);
static void ngx_http_bell_upstream_check_read(ngx_event_t *ev);
static ngx_int_t ngx_http_bell_upstream_check_connected(
    ngx_http_bell_upstream_probe_t *probe);
static void ngx_http_bell_upstream_check_answer(
    ngx_http_bell_upstream_probe_t *probe);
static void ngx_http_bell_upstream_passed(
    ngx_http_bell_upstream_probe_t *probe);
static void ngx_http_bell_upstream_not_passed(
    ngx_http_bell_upstream_probe_t *probe, const char *fmt, ...);
static void ngx_http_bell_upstream_judge(
    ngx_http_bell_upstream_probe_t *probe, ngx_uint_t passed, ngx_str_t *why);
static void ngx_http_bell_upstream_end_check(
    ngx_http_bell_upstream_probe_t *probe);


void
ngx_http_bell_upstream_watch(ngx_http_bell_upstream_conf_t *bcf,
    ngx_log_t *log)
{
    ngx_queue_init(&bcf->checks);

    bcf->dummy.fd = (ngx_socket_t) -1;
    bcf->dummy.data = bcf;

    bcf->timer.handler = ngx_http_bell_upstream_tick;
    bcf->timer.data = &bcf->dummy;
    bcf->timer.log = log;
    bcf->timer.cancelable = 1;

    /* workers that start together need not look around together */

    ngx_add_timer(&bcf->timer, 1 + ngx_random() % 50);
}


void
ngx_http_bell_upstream_unwatch(ngx_http_bell_upstream_conf_t *bcf)
{
    if (bcf->timer.handler == NULL) {
        return;
    }

    if (bcf->timer.timer_set) {
        ngx_del_timer(&bcf->timer);
    }

    ngx_http_bell_upstream_stand_down(bcf);
}


void
ngx_http_bell_upstream_abandon(ngx_http_bell_upstream_conf_t *bcf)
{
    if (bcf->timer.timer_set) {
        ngx_del_timer(&bcf->timer);
    }

    /* so that no check that ends here begins another */

    bcf->starting = 1;

    ngx_http_bell_upstream_end_checks(bcf);

    bcf->slot = NGX_HTTP_BELL_UPSTREAM_NO_SLOT;
    bcf->sh = NULL;
}


static void
ngx_http_bell_upstream_tick(ngx_event_t *ev)
{
    ngx_msec_t                      ms;
    ngx_connection_t               *dummy;
    ngx_http_bell_upstream_conf_t  *bcf;

    dummy = ev->data;
    bcf = dummy->data;

    if (ngx_exiting || ngx_terminate || ngx_quit) {
        ngx_http_bell_upstream_stand_down(bcf);
        return;
    }

    ngx_http_bell_upstream_sweep(bcf, ev->log);

    if (ngx_http_bell_upstream_is_checker(bcf)) {
        ngx_http_bell_upstream_refresh(bcf);
        ngx_http_bell_upstream_start_checks(bcf);
    }

    ms = NGX_HTTP_BELL_UPSTREAM_TICK_MS;

    if (bcf->check != NGX_HTTP_BELL_UPSTREAM_CHECK_NONE) {
        ms = ngx_min(ms, bcf->interval);
    }

    ngx_add_timer(ev, ms);
}


/*
 * Nothing but the number in the zone says who it is: one that was replaced
 * begins no check any more, and what its last ones find does not count.
 */

static ngx_uint_t
ngx_http_bell_upstream_is_checker(ngx_http_bell_upstream_conf_t *bcf)
{
    ngx_atomic_uint_t             owner;
    ngx_http_bell_upstream_sh_t  *sh;

    sh = bcf->sh;

    owner = sh->checker;

    if (owner != (ngx_atomic_uint_t) ngx_pid) {

        if (owner != 0
            && (kill((ngx_pid_t) owner, 0) == 0 || ngx_errno != NGX_ESRCH)
            && (ngx_msec_int_t) (ngx_current_msec - sh->checker_ms)
               < NGX_HTTP_BELL_UPSTREAM_SILENT_MS)
        {
            return 0;
        }

        if (!ngx_atomic_cmp_set(&sh->checker, owner, ngx_pid)) {
            return 0;
        }

        /* what it had seen of the directory is not ours to rely on */

        bcf->refreshed = 0;
    }

    sh->checker_ms = ngx_current_msec;

    return 1;
}


static void
ngx_http_bell_upstream_stand_down(ngx_http_bell_upstream_conf_t *bcf)
{
    ngx_http_bell_upstream_end_checks(bcf);

    (void) ngx_atomic_cmp_set(&bcf->sh->checker, ngx_pid, 0);
}


static void
ngx_http_bell_upstream_end_checks(ngx_http_bell_upstream_conf_t *bcf)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&bcf->checks)) {
        q = ngx_queue_head(&bcf->checks);
        ngx_http_bell_upstream_end_check(ngx_queue_data(q,
                                       ngx_http_bell_upstream_probe_t, queue));
    }
}


/*
 * Pools that changed are read again although nobody asks for them: servers
 * that were taken away are not checked any more.
 */

static void
ngx_http_bell_upstream_refresh(ngx_http_bell_upstream_conf_t *bcf)
{
    u_char                             text[BELL_DIRECTORY_NAME_MAX + 1];
    ngx_str_t                          name;
    ngx_uint_t                         i;
    ngx_http_bell_upstream_pool_t     *pool;
    ngx_http_bell_upstream_pool_sh_t  *p;
    ngx_http_bell_directory_status_t   status;

    if (bcf->core->directory_status((ngx_cycle_t *) ngx_cycle, &status)
        != NGX_OK
        || status.version == bcf->refreshed)
    {
        return;
    }

    for (i = 0; i < bcf->sh->n; i++) {
        p = &bcf->sh->pools[i];

        if (!p->used || p->name_len > BELL_DIRECTORY_NAME_MAX
            || p->name[0] == '@')
        {
            continue;
        }

        ngx_memcpy(text, p->name, p->name_len);

        name.data = text;
        name.len = p->name_len;

        (void) ngx_http_bell_upstream_find_pool(bcf, &name, status.version,
                                                &pool, bcf->timer.log);
    }

    bcf->refreshed = status.version;
}


/* ---- checks */

static void
ngx_http_bell_upstream_start_checks(ngx_http_bell_upstream_conf_t *bcf)
{
    ngx_uint_t                       i;
    ngx_http_bell_upstream_entry_t  *e;

    /* one that ends at once leads here again */

    if (bcf->check == NGX_HTTP_BELL_UPSTREAM_CHECK_NONE || bcf->starting
        || ngx_exiting || ngx_terminate || ngx_quit)
    {
        return;
    }

    /* a check may have ended after another worker took over */

    if (bcf->sh->checker != (ngx_atomic_uint_t) ngx_pid) {
        return;
    }

    bcf->starting = 1;

    for (i = 0;
         i < bcf->sh->n && bcf->nchecks < NGX_HTTP_BELL_UPSTREAM_CHECKS_MAX;
         i++)
    {
        e = ngx_http_bell_upstream_entry(bcf->sh, bcf->next);

        bcf->next = (bcf->next + 1) % bcf->sh->n;

        if (ngx_http_bell_upstream_is_due(bcf, e)) {
            ngx_http_bell_upstream_start_check(bcf, e);
        }
    }

    bcf->starting = 0;
}


static ngx_uint_t
ngx_http_bell_upstream_is_due(ngx_http_bell_upstream_conf_t *bcf,
    ngx_http_bell_upstream_entry_t *e)
{
    ngx_queue_t                     *q;
    ngx_http_bell_upstream_probe_t  *probe;

    if (!e->used || e->state == BELL_SERVER_DOWN
        || (!e->unchecked
            && (ngx_msec_int_t) (ngx_current_msec - e->checked_ms)
               < (ngx_msec_int_t) bcf->interval))
    {
        return 0;
    }

    for (q = ngx_queue_head(&bcf->checks);
         q != ngx_queue_sentinel(&bcf->checks);
         q = ngx_queue_next(q))
    {
        probe = ngx_queue_data(q, ngx_http_bell_upstream_probe_t, queue);

        if (probe->entry == e) {
            return 0;
        }
    }

    return 1;
}


static void
ngx_http_bell_upstream_start_check(ngx_http_bell_upstream_conf_t *bcf,
    ngx_http_bell_upstream_entry_t *e)
{
    ngx_http_bell_upstream_probe_t  *probe;

    probe = ngx_calloc(sizeof(ngx_http_bell_upstream_probe_t), bcf->timer.log);
    if (probe == NULL) {
        return;
    }

    probe->conf = bcf;
    probe->entry = e;

    ngx_queue_insert_tail(&bcf->checks, &probe->queue);
    bcf->nchecks++;

    if (ngx_http_bell_upstream_copy_entry(probe) != NGX_OK) {
        ngx_http_bell_upstream_end_check(probe);
        return;
    }

    ngx_http_bell_upstream_connect(probe);
}


static ngx_int_t
ngx_http_bell_upstream_copy_entry(ngx_http_bell_upstream_probe_t *probe)
{
    ngx_int_t                          rc;
    ngx_http_bell_upstream_conf_t     *bcf;
    ngx_http_bell_upstream_entry_t    *e;
    ngx_http_bell_upstream_pool_sh_t  *p;

    bcf = probe->conf;
    e = probe->entry;
    rc = NGX_DECLINED;

    ngx_http_bell_upstream_lock(bcf);

    if (e->used && e->pool < bcf->sh->n
        && e->address_len <= NGX_HTTP_BELL_UPSTREAM_ADDRESS_LEN)
    {
        p = &bcf->sh->pools[e->pool];

        probe->generation = e->generation;

        probe->name.data = probe->address;
        probe->name.len = e->address_len;
        ngx_memcpy(probe->address, e->address, e->address_len);

        probe->pool.data = probe->pool_name;
        probe->pool.len = ngx_min(p->name_len, BELL_DIRECTORY_NAME_MAX);
        ngx_memcpy(probe->pool_name, p->name, probe->pool.len);

        e->checked_ms = ngx_current_msec;
        e->unchecked = 0;

        rc = NGX_OK;
    }

    ngx_http_bell_upstream_unlock(bcf);

    return rc;
}


static void
ngx_http_bell_upstream_connect(ngx_http_bell_upstream_probe_t *probe)
{
    ngx_int_t               rc;
    ngx_connection_t       *c;
    ngx_peer_connection_t  *pc;

    pc = &probe->peer;

    if (ngx_http_bell_upstream_address(probe->name.data, probe->name.len,
                                       &probe->sockaddr, &pc->socklen)
        != NGX_OK)
    {
        ngx_http_bell_upstream_not_passed(probe, "that is no address");
        return;
    }

    /* what goes wrong is told when it is news, not at every check */

    probe->log = *ngx_cycle->log;
    probe->log.log_level = ngx_min(probe->log.log_level, NGX_LOG_ALERT);

    pc->sockaddr = &probe->sockaddr.sockaddr;
    pc->name = &probe->name;
    pc->get = ngx_event_get_peer;
    pc->log = &probe->log;
    pc->log_error = NGX_ERROR_ERR;

    ngx_set_socket_errno(0);

    rc = ngx_event_connect_peer(pc);

    if (rc == NGX_DECLINED) {
        ngx_http_bell_upstream_not_passed(probe, "it cannot be connected to "
                                          "(%s)", strerror(ngx_socket_errno));
        return;
    }

    if (rc == NGX_ERROR || rc == NGX_BUSY) {

        /* no descriptor or connection of ours: that says nothing of it */

        ngx_http_bell_upstream_end_check(probe);
        return;
    }

    c = pc->connection;

    c->data = probe;
    c->idle = 1;
    c->read->handler = ngx_http_bell_upstream_check_read;
    c->write->handler = ngx_http_bell_upstream_check_write;

    ngx_add_timer(c->read, probe->conf->timeout);

    if (rc == NGX_OK) {
        ngx_http_bell_upstream_check_write(c->write);
    }
}


static void
ngx_http_bell_upstream_check_write(ngx_event_t *ev)
{
    ssize_t                          n;
    ngx_str_t                       *request;
    ngx_connection_t                *c;
    ngx_http_bell_upstream_probe_t  *probe;

    c = ev->data;
    probe = c->data;

    if (ngx_http_bell_upstream_check_connected(probe) != NGX_OK) {
        return;
    }

    if (probe->conf->check == NGX_HTTP_BELL_UPSTREAM_CHECK_TCP) {
        ngx_http_bell_upstream_passed(probe);
        return;
    }

    request = &probe->conf->check_request;

    while (probe->sent < request->len) {

        n = c->send(c, request->data + probe->sent,
                    request->len - probe->sent);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n <= 0) {
            ngx_http_bell_upstream_not_passed(probe, "it closed the "
                                              "connection");
            return;
        }

        probe->sent += n;
    }

    if (ngx_handle_write_event(c->write, 0) != NGX_OK
        || ngx_handle_read_event(c->read, 0) != NGX_OK)
    {
        ngx_http_bell_upstream_end_check(probe);
    }
}


static void
ngx_http_bell_upstream_check_read(ngx_event_t *ev)
{
    ssize_t                          n;
    ngx_connection_t                *c;
    ngx_http_bell_upstream_probe_t  *probe;

    c = ev->data;
    probe = c->data;

    if (c->close) {

        /* this worker ends */

        ngx_http_bell_upstream_end_check(probe);
        return;
    }

    if (ev->timedout) {
        ngx_http_bell_upstream_not_passed(probe, probe->connected
                                          ? "no answer within %Mms"
                                          : "no connection within %Mms",
                                          probe->conf->timeout);
        return;
    }

    if (ngx_http_bell_upstream_check_connected(probe) != NGX_OK) {
        return;
    }

    while (probe->len < NGX_HTTP_BELL_UPSTREAM_HEAD_LEN) {

        n = c->recv(c, probe->head + probe->len,
                    NGX_HTTP_BELL_UPSTREAM_HEAD_LEN - probe->len);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n <= 0) {
            probe->closed = 1;
            break;
        }

        probe->len += n;
    }

    ngx_http_bell_upstream_check_answer(probe);
}


/* NGX_OK: it is; otherwise there is no check any more */

static ngx_int_t
ngx_http_bell_upstream_check_connected(ngx_http_bell_upstream_probe_t *probe)
{
    int        err;
    socklen_t  len;

    if (probe->connected) {
        return NGX_OK;
    }

    err = 0;
    len = sizeof(int);

    if (getsockopt(probe->peer.connection->fd, SOL_SOCKET, SO_ERROR,
                   (void *) &err, &len)
        == -1)
    {
        err = ngx_socket_errno;
    }

    if (err) {
        ngx_http_bell_upstream_not_passed(probe, "it cannot be connected to "
                                          "(%s)", strerror(err));
        return NGX_ERROR;
    }

    probe->connected = 1;

    return NGX_OK;
}


static void
ngx_http_bell_upstream_check_answer(ngx_http_bell_upstream_probe_t *probe)
{
    int               status;
    bell_str          head;
    ngx_connection_t  *c;

    c = probe->peer.connection;

    head.p = (char *) probe->head;
    head.len = probe->len;

    status = bell_health_status(head);

    if (status == 0 && probe->closed) {
        ngx_http_bell_upstream_not_passed(probe, "it closed the connection "
                                          "without an answer");
        return;
    }

    if (status == 0) {
        if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
            ngx_http_bell_upstream_end_check(probe);
        }

        return;
    }

    if (status >= 200 && status < 300) {
        ngx_http_bell_upstream_passed(probe);

    } else if (status > 0) {
        ngx_http_bell_upstream_not_passed(probe, "it answered %V with status "
                                          "%d", &probe->conf->check_path,
                                          status);

    } else {
        ngx_http_bell_upstream_not_passed(probe, "its answer is not HTTP/1");
    }
}


/* ---- verdicts: each ends the check */

static void
ngx_http_bell_upstream_passed(ngx_http_bell_upstream_probe_t *probe)
{
    ngx_str_t  why;

    ngx_str_null(&why);

    ngx_http_bell_upstream_judge(probe, 1, &why);
}


static void
ngx_http_bell_upstream_not_passed(ngx_http_bell_upstream_probe_t *probe,
    const char *fmt, ...)
{
    u_char      text[NGX_HTTP_BELL_UPSTREAM_WHY_LEN];
    va_list     args;
    ngx_str_t   why;

    va_start(args, fmt);
    why.len = ngx_vslprintf(text, text + sizeof(text), fmt, args) - text;
    va_end(args);

    why.data = text;

    ngx_http_bell_upstream_judge(probe, 0, &why);
}


static void
ngx_http_bell_upstream_judge(ngx_http_bell_upstream_probe_t *probe,
    ngx_uint_t passed, ngx_str_t *why)
{
    ngx_uint_t                       changed;
    ngx_http_bell_upstream_conf_t   *bcf;
    ngx_http_bell_upstream_entry_t  *e;

    bcf = probe->conf;
    e = probe->entry;
    changed = 0;

    ngx_http_bell_upstream_lock(bcf);

    /* what a worker finds that was replaced meanwhile is late */

    if (e->used && e->generation == probe->generation
        && bcf->sh->checker == (ngx_atomic_uint_t) ngx_pid)
    {
        changed = bell_health_checked(&e->health, &bcf->rules, passed,
                                      ngx_current_msec);
    }

    ngx_http_bell_upstream_unlock(bcf);

    if (changed && passed) {
        ngx_log_error(NGX_LOG_NOTICE, bcf->timer.log, 0,
                      "bell_upstream: server %V of pool \"%V\" is up: its "
                      "checks pass", &probe->name, &probe->pool);

    } else if (changed) {
        ngx_log_error(NGX_LOG_WARN, bcf->timer.log, 0,
                      "bell_upstream: server %V of pool \"%V\" is down, its "
                      "checks fail: %V", &probe->name, &probe->pool, why);
    }

    ngx_http_bell_upstream_end_check(probe);
}


static void
ngx_http_bell_upstream_end_check(ngx_http_bell_upstream_probe_t *probe)
{
    ngx_http_bell_upstream_conf_t  *bcf;

    bcf = probe->conf;

    if (probe->peer.connection) {
        ngx_close_connection(probe->peer.connection);
    }

    ngx_queue_remove(&probe->queue);
    bcf->nchecks--;

    ngx_free(probe);

    /* there may be others that waited for this one to end */

    ngx_http_bell_upstream_start_checks(bcf);
}
