
/*
 * Which server a request, and each further try of it, goes to.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_upstream.h"


#define NGX_HTTP_BELL_UPSTREAM_NOBODY  ((ngx_uint_t) -1)


/* who may be chosen, each only when nobody of the kind before is there */

typedef enum {
    NGX_HTTP_BELL_UPSTREAM_WELL,        /* not tried yet, nothing against it */
    NGX_HTTP_BELL_UPSTREAM_STALE,       /* tried on a connection of before */
    NGX_HTTP_BELL_UPSTREAM_LEFT_OUT,    /* not tried yet, requests failed */
    NGX_HTTP_BELL_UPSTREAM_NONE
} ngx_http_bell_upstream_kind_e;


/* Lives in the pool of the request, and is found by its cleanup. */

typedef struct {
    ngx_http_request_t               *request;
    ngx_http_bell_upstream_conf_t    *conf;
    ngx_http_bell_upstream_pool_t    *pool;
    uintptr_t                        *tried;      /* a bit for each server */
    uintptr_t                        *stale;      /* likewise */

    ngx_uint_t                        current;    /* index, or NOBODY */
    ngx_uint_t                        trial;      /* it was left out */
    ngx_http_bell_upstream_entry_t   *counted;    /* NULL: it was not */
} ngx_http_bell_upstream_peer_t;


#define NGX_HTTP_BELL_UPSTREAM_BITS  (8 * sizeof(uintptr_t))

#define ngx_http_bell_upstream_bit(i)                                        \
    ((uintptr_t) 1 << (i) % NGX_HTTP_BELL_UPSTREAM_BITS)

#define ngx_http_bell_upstream_is_set(bits, i)                               \
    ((bits)[(i) / NGX_HTTP_BELL_UPSTREAM_BITS] & ngx_http_bell_upstream_bit(i))

#define ngx_http_bell_upstream_set(bits, i)                                  \
    (bits)[(i) / NGX_HTTP_BELL_UPSTREAM_BITS] |= ngx_http_bell_upstream_bit(i)

#define ngx_http_bell_upstream_clear(bits, i)                                \
    (bits)[(i) / NGX_HTTP_BELL_UPSTREAM_BITS] &= ~ngx_http_bell_upstream_bit(i)


static ngx_http_bell_upstream_pool_t *ngx_http_bell_upstream_pool_of(
    ngx_http_request_t *r, ngx_http_bell_upstream_conf_t *bcf);
static ngx_uint_t ngx_http_bell_upstream_count_tries(
    ngx_http_bell_upstream_peer_t *bp);
static void ngx_http_bell_upstream_cleanup(void *data);
static ngx_int_t ngx_http_bell_upstream_get(ngx_peer_connection_t *pc,
    void *data);
static ngx_uint_t ngx_http_bell_upstream_choose(
    ngx_http_bell_upstream_peer_t *bp);
static ngx_uint_t ngx_http_bell_upstream_choose_of(
    ngx_http_bell_upstream_peer_t *bp, ngx_http_bell_upstream_kind_e kind);
static ngx_http_bell_upstream_kind_e ngx_http_bell_upstream_kind_of(
    ngx_http_bell_upstream_peer_t *bp, ngx_uint_t i);
static bell_health_state ngx_http_bell_upstream_health_of(
    ngx_http_bell_upstream_conf_t *bcf,
    ngx_http_bell_upstream_server_t *server);
static void ngx_http_bell_upstream_forgive(ngx_http_bell_upstream_peer_t *bp);
static void ngx_http_bell_upstream_begin_trial(
    ngx_http_bell_upstream_peer_t *bp);
static void ngx_http_bell_upstream_refuse(ngx_http_bell_upstream_peer_t *bp);
static void ngx_http_bell_upstream_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state);
static ngx_uint_t ngx_http_bell_upstream_was_stale(ngx_peer_connection_t *pc,
    ngx_http_bell_upstream_peer_t *bp);
static ngx_uint_t ngx_http_bell_upstream_has_other(
    ngx_http_bell_upstream_peer_t *bp);
static void ngx_http_bell_upstream_failed(ngx_http_bell_upstream_peer_t *bp);
static void ngx_http_bell_upstream_answered(
    ngx_http_bell_upstream_peer_t *bp);
static ngx_http_bell_upstream_entry_t *ngx_http_bell_upstream_entry_of(
    ngx_http_bell_upstream_conf_t *bcf,
    ngx_http_bell_upstream_server_t *server);
#if (NGX_HTTP_SSL)
static ngx_int_t ngx_http_bell_upstream_set_session(ngx_peer_connection_t *pc,
    void *data);
static void ngx_http_bell_upstream_save_session(ngx_peer_connection_t *pc,
    void *data);
#endif


ngx_int_t
ngx_http_bell_upstream_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *uscf)
{
    ngx_uint_t                      n;
    ngx_pool_cleanup_t             *cln;
    ngx_http_upstream_t            *u;
    ngx_http_bell_upstream_peer_t  *bp;
    ngx_http_bell_upstream_conf_t  *bcf;

    bcf = ngx_http_conf_upstream_srv_conf(uscf,
                                          ngx_http_bell_upstream_module);

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_bell_upstream_peer_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    bp = cln->data;

    ngx_memzero(bp, sizeof(ngx_http_bell_upstream_peer_t));

    bp->request = r;
    bp->conf = bcf;
    bp->current = NGX_HTTP_BELL_UPSTREAM_NOBODY;

    bp->pool = ngx_http_bell_upstream_pool_of(r, bcf);
    if (bp->pool == NULL) {
        return NGX_ERROR;
    }

    bp->pool->refs++;
    cln->handler = ngx_http_bell_upstream_cleanup;

    n = bp->pool->n / NGX_HTTP_BELL_UPSTREAM_BITS + 1;

    bp->tried = ngx_pcalloc(r->pool, 2 * n * sizeof(uintptr_t));
    if (bp->tried == NULL) {
        return NGX_ERROR;
    }

    bp->stale = bp->tried + n;

    u = r->upstream;

    u->peer.data = bp;
    u->peer.get = ngx_http_bell_upstream_get;
    u->peer.free = ngx_http_bell_upstream_free;
    u->peer.tries = ngx_http_bell_upstream_count_tries(bp);
#if (NGX_HTTP_SSL)
    u->peer.set_session = ngx_http_bell_upstream_set_session;
    u->peer.save_session = ngx_http_bell_upstream_save_session;
#endif

    return NGX_OK;
}


/*
 * The tenant's own, then the default one, then the "server" lines.  A pool
 * whose servers are all down is one that is there: what its operator wants to
 * be away does not move elsewhere.  NULL: it is not known which, for want of
 * memory, and a district's requests do not go where they may not belong.
 */

static ngx_http_bell_upstream_pool_t *
ngx_http_bell_upstream_pool_of(ngx_http_request_t *r,
    ngx_http_bell_upstream_conf_t *bcf)
{
    ngx_str_t                          name;
    uint64_t                           version;
    const bell_tenant                 *tenant;
    ngx_http_bell_ctx_t               *ctx;
    ngx_http_bell_upstream_pool_t     *pool;
    ngx_http_bell_directory_status_t   status;

    if (bcf->sh == NULL) {

        /* a connection of a configuration that was left behind */

        return NULL;
    }

    tenant = bcf->core->tenant(r);

    if (tenant) {
        ctx = bcf->core->context(r);
        version = ctx ? ctx->directory_version : 0;

    } else if (bcf->default_pool.len
               && bcf->core->directory_status((ngx_cycle_t *) ngx_cycle,
                                              &status)
                  == NGX_OK)
    {
        version = status.version;

    } else {
        return bcf->servers;
    }

    if (tenant && tenant->upstream[0]) {
        name.data = (u_char *) tenant->upstream;
        name.len = ngx_strlen(tenant->upstream);

        if (ngx_http_bell_upstream_find_pool(bcf, &name, version, &pool,
                                             r->connection->log)
            != NGX_OK
            || pool)
        {
            return pool;
        }
    }

    if (bcf->default_pool.len) {
        if (ngx_http_bell_upstream_find_pool(bcf, &bcf->default_pool, version,
                                             &pool, r->connection->log)
            != NGX_OK
            || pool)
        {
            return pool;
        }
    }

    return bcf->servers;
}


/*
 * One for each server that may be chosen now; nginx gives one more for a kept
 * connection that was stale.
 */

static ngx_uint_t
ngx_http_bell_upstream_count_tries(ngx_http_bell_upstream_peer_t *bp)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < bp->pool->n; i++) {
        n += ngx_http_bell_upstream_kind_of(bp, i)
             != NGX_HTTP_BELL_UPSTREAM_NONE;
    }

    return ngx_max(n, 1);
}


static void
ngx_http_bell_upstream_cleanup(void *data)
{
    ngx_http_bell_upstream_peer_t  *bp = data;

    if (bp->counted) {
        ngx_http_bell_upstream_uncount(bp->conf, bp->counted);
        bp->counted = NULL;
    }

    ngx_http_bell_upstream_release_pool(bp->pool);
}


/* nginx forgets r->ctx at internal redirects; cleanups it keeps. */

ngx_str_t *
ngx_http_bell_upstream_of(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t             *cln;
    ngx_http_bell_upstream_peer_t  *bp;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        bp = cln->data;

        if (cln->handler == ngx_http_bell_upstream_cleanup
            && bp->request == r)
        {
            return &bp->pool->name;
        }
    }

    return NULL;
}


/* ---- choice */

static ngx_int_t
ngx_http_bell_upstream_get(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_bell_upstream_peer_t  *bp = data;

    ngx_uint_t                        i;
    ngx_http_bell_upstream_server_t  *server;

    pc->cached = 0;
    pc->connection = NULL;

    i = ngx_http_bell_upstream_choose(bp);

    if (i == NGX_HTTP_BELL_UPSTREAM_NOBODY) {
        ngx_http_bell_upstream_refuse(bp);
        pc->name = &bp->pool->name;
        return NGX_BUSY;
    }

    server = &bp->pool->servers[i];

    ngx_http_bell_upstream_set(bp->tried, i);
    ngx_http_bell_upstream_clear(bp->stale, i);

    bp->current = i;
    ngx_http_bell_upstream_begin_trial(bp);

    if (ngx_http_bell_upstream_count(bp->conf, server->entry,
                                     server->generation))
    {
        bp->counted = server->entry;
        (void) ngx_atomic_fetch_add(&server->entry->requests, 1);
    }

    pc->sockaddr = &server->sockaddr.sockaddr;
    pc->socklen = server->socklen;
    pc->name = &server->name;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_bell_upstream_choose(ngx_http_bell_upstream_peer_t *bp)
{
    ngx_uint_t  i;

    i = ngx_http_bell_upstream_choose_of(bp, NGX_HTTP_BELL_UPSTREAM_WELL);

    if (i != NGX_HTTP_BELL_UPSTREAM_NOBODY) {
        return i;
    }

    /* a kept connection was closed under its try: nothing is against it */

    i = ngx_http_bell_upstream_choose_of(bp, NGX_HTTP_BELL_UPSTREAM_STALE);

    if (i != NGX_HTTP_BELL_UPSTREAM_NOBODY) {
        return i;
    }

    i = ngx_http_bell_upstream_choose_of(bp, NGX_HTTP_BELL_UPSTREAM_LEFT_OUT);

    if (i != NGX_HTTP_BELL_UPSTREAM_NOBODY) {
        ngx_http_bell_upstream_forgive(bp);
    }

    return i;
}


static ngx_uint_t
ngx_http_bell_upstream_choose_of(ngx_http_bell_upstream_peer_t *bp,
    ngx_http_bell_upstream_kind_e kind)
{
    size_t                            a, b;
    uint64_t                          chance[2];
    ngx_uint_t                        i;
    ngx_http_bell_upstream_pool_t    *pool;
    ngx_http_bell_upstream_entry_t   *e;
    ngx_http_bell_upstream_server_t  *server;

    pool = bp->pool;

    for (i = 0; i < pool->n; i++) {
        server = &pool->servers[i];

        if (ngx_http_bell_upstream_kind_of(bp, i) != kind) {
            pool->shares[i] = 0;
            continue;
        }

        e = ngx_http_bell_upstream_entry_of(bp->conf, server);

        pool->shares[i] = e ? bell_health_share(&e->health, server->weight,
                                                bp->conf->slow_start,
                                                ngx_current_msec)
                            : bell_balance_share(server->weight, 0, 0);
    }

    chance[0] = (uint64_t) ngx_random() << 31 ^ ngx_random();
    chance[1] = (uint64_t) ngx_random() << 31 ^ ngx_random();

    if (!bell_balance_draw(pool->shares, pool->n, chance, &a, &b)) {
        return NGX_HTTP_BELL_UPSTREAM_NOBODY;
    }

    return a != b
           && bell_balance_is_better(
                  ngx_http_bell_upstream_active(bp->conf, &pool->servers[a]),
                  pool->shares[a],
                  ngx_http_bell_upstream_active(bp->conf, &pool->servers[b]),
                  pool->shares[b])
           ? b : a;
}


/* One that checks hold to be down is chosen by nobody. */

static ngx_http_bell_upstream_kind_e
ngx_http_bell_upstream_kind_of(ngx_http_bell_upstream_peer_t *bp,
    ngx_uint_t i)
{
    bell_health_state                 health;
    ngx_http_bell_upstream_server_t  *server;

    server = &bp->pool->servers[i];

    if (server->state != BELL_SERVER_UP) {
        return NGX_HTTP_BELL_UPSTREAM_NONE;
    }

    health = ngx_http_bell_upstream_health_of(bp->conf, server);

    if (health == BELL_HEALTH_DOWN) {
        return NGX_HTTP_BELL_UPSTREAM_NONE;
    }

    if (ngx_http_bell_upstream_is_set(bp->stale, i)) {
        return NGX_HTTP_BELL_UPSTREAM_STALE;
    }

    if (ngx_http_bell_upstream_is_set(bp->tried, i)) {
        return NGX_HTTP_BELL_UPSTREAM_NONE;
    }

    return health == BELL_HEALTH_LEFT_OUT ? NGX_HTTP_BELL_UPSTREAM_LEFT_OUT
                                          : NGX_HTTP_BELL_UPSTREAM_WELL;
}


static bell_health_state
ngx_http_bell_upstream_health_of(ngx_http_bell_upstream_conf_t *bcf,
    ngx_http_bell_upstream_server_t *server)
{
    ngx_http_bell_upstream_entry_t  *e;

    e = ngx_http_bell_upstream_entry_of(bcf, server);

    return e ? bell_health_of(&e->health, &bcf->rules, ngx_current_msec)
             : BELL_HEALTH_UP;
}


/* NULL: there was no room for it, the directory or the edge has it no more */

static ngx_http_bell_upstream_entry_t *
ngx_http_bell_upstream_entry_of(ngx_http_bell_upstream_conf_t *bcf,
    ngx_http_bell_upstream_server_t *server)
{
    return bcf->sh && server->entry
           && server->entry->generation == server->generation
           ? server->entry : NULL;
}


static void
ngx_http_bell_upstream_forgive(ngx_http_bell_upstream_peer_t *bp)
{
    ngx_uint_t                       i;
    ngx_http_bell_upstream_entry_t  *e;

    ngx_http_bell_upstream_lock(bp->conf);

    for (i = 0; i < bp->pool->n; i++) {
        e = ngx_http_bell_upstream_entry_of(bp->conf, &bp->pool->servers[i]);

        if (e) {
            bell_health_forgive(&e->health);
        }
    }

    ngx_http_bell_upstream_unlock(bp->conf);

    ngx_log_error(NGX_LOG_WARN, bp->request->connection->log, 0,
                  "bell_upstream: requests have failed at all servers of pool "
                  "\"%V\" that are left: they are used again, nothing else "
                  "being there", &bp->pool->name);
}


static void
ngx_http_bell_upstream_begin_trial(ngx_http_bell_upstream_peer_t *bp)
{
    ngx_http_bell_upstream_entry_t  *e;

    bp->trial = 0;

    e = ngx_http_bell_upstream_entry_of(bp->conf,
                                        &bp->pool->servers[bp->current]);

    if (e == NULL || !e->health.left_out) {
        return;
    }

    ngx_http_bell_upstream_lock(bp->conf);

    bell_health_try(&e->health, &bp->conf->rules, ngx_current_msec);

    ngx_http_bell_upstream_unlock(bp->conf);

    bp->trial = 1;
}


/* Why there is nobody; nginx answers 502 and logs "no live upstreams". */

static void
ngx_http_bell_upstream_refuse(ngx_http_bell_upstream_peer_t *bp)
{
    ngx_uint_t                        i, draining, down, checks;
    ngx_http_bell_upstream_server_t  *server;

    draining = 0;
    down = 0;
    checks = 0;

    for (i = 0; i < bp->pool->n; i++) {
        server = &bp->pool->servers[i];

        if (server->state == BELL_SERVER_DRAIN) {
            draining++;

        } else if (server->state == BELL_SERVER_DOWN) {
            down++;

        } else if (ngx_http_bell_upstream_health_of(bp->conf, server)
                   == BELL_HEALTH_DOWN)
        {
            checks++;
        }
    }

    bp->conf->core->reason(bp->request, "pool \"%V\" has no server to go to: "
                           "of %ui, %ui failed their checks, %ui are drained, "
                           "%ui are down", &bp->pool->name, bp->pool->n,
                           checks, draining, down);
}


/* ---- what came of it */

static void
ngx_http_bell_upstream_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state)
{
    ngx_http_bell_upstream_peer_t  *bp = data;

    if (bp->counted) {
        ngx_http_bell_upstream_uncount(bp->conf, bp->counted);
        bp->counted = NULL;
    }

    if (bp->current != NGX_HTTP_BELL_UPSTREAM_NOBODY) {

        if (!(state & NGX_PEER_FAILED)) {
            ngx_http_bell_upstream_answered(bp);

        } else if (ngx_http_bell_upstream_was_stale(pc, bp)) {
            ngx_http_bell_upstream_set(bp->stale, bp->current);

        } else {
            ngx_http_bell_upstream_failed(bp);
        }

        bp->current = NGX_HTTP_BELL_UPSTREAM_NOBODY;
    }

    if (pc->tries) {
        pc->tries--;
    }
}


/*
 * A connection that was kept and that the server closed at that moment says
 * nothing against it; a time-out does, and so does what it answered.
 */

static ngx_uint_t
ngx_http_bell_upstream_was_stale(ngx_peer_connection_t *pc,
    ngx_http_bell_upstream_peer_t *bp)
{
    ngx_connection_t  *c;

    c = pc->connection;

    return pc->cached
           && bp->request->upstream->headers_in.status_n == 0
           && !(c && (c->read->timedout || c->write->timedout));
}


/* Whether requests could go to a server beside this one. */

static ngx_uint_t
ngx_http_bell_upstream_has_other(ngx_http_bell_upstream_peer_t *bp)
{
    ngx_uint_t                        i;
    ngx_http_bell_upstream_server_t  *server;

    for (i = 0; i < bp->pool->n; i++) {
        server = &bp->pool->servers[i];

        if (i != bp->current && server->state == BELL_SERVER_UP
            && ngx_http_bell_upstream_health_of(bp->conf, server)
               != BELL_HEALTH_DOWN)
        {
            return 1;
        }
    }

    return 0;
}


static void
ngx_http_bell_upstream_failed(ngx_http_bell_upstream_peer_t *bp)
{
    ngx_uint_t                        changed;
    ngx_http_bell_upstream_conf_t    *bcf;
    ngx_http_bell_upstream_entry_t   *e;
    ngx_http_bell_upstream_server_t  *server;

    bcf = bp->conf;
    server = &bp->pool->servers[bp->current];

    e = ngx_http_bell_upstream_entry_of(bcf, server);

    if (e) {
        (void) ngx_atomic_fetch_add(&e->failures, 1);
    }

    /* where there is nobody else, leaving it out helps nobody */

    if (e == NULL || !ngx_http_bell_upstream_has_other(bp)) {
        return;
    }

    ngx_http_bell_upstream_lock(bcf);

    changed = bell_health_failed(&e->health, &bcf->rules, ngx_current_msec);

    ngx_http_bell_upstream_unlock(bcf);

    if (changed) {
        ngx_log_error(NGX_LOG_WARN, bp->request->connection->log, 0,
                      "bell_upstream: server %V of pool \"%V\" is left out "
                      "for %Mms: %ui requests failed within that time",
                      &server->name, &bp->pool->name, bcf->fail_timeout,
                      bcf->max_fails);
    }
}


static void
ngx_http_bell_upstream_answered(ngx_http_bell_upstream_peer_t *bp)
{
    ngx_uint_t                        changed;
    ngx_http_bell_upstream_conf_t    *bcf;
    ngx_http_bell_upstream_entry_t   *e;
    ngx_http_bell_upstream_server_t  *server;

    bcf = bp->conf;
    server = &bp->pool->servers[bp->current];

    e = ngx_http_bell_upstream_entry_of(bcf, server);

    /* a client that went away proves nothing of the server */

    if (e == NULL || !bp->trial
        || bp->request->upstream->headers_in.status_n == 0)
    {
        return;
    }

    ngx_http_bell_upstream_lock(bcf);

    changed = bell_health_answered(&e->health, ngx_current_msec);

    ngx_http_bell_upstream_unlock(bcf);

    if (changed) {
        ngx_log_error(NGX_LOG_NOTICE, bp->request->connection->log, 0,
                      "bell_upstream: server %V of pool \"%V\" is used again: "
                      "a request was answered",
                      &server->name, &bp->pool->name);
    }
}


/* ---- sessions of TLS, a server's own */

#if (NGX_HTTP_SSL)

static ngx_int_t
ngx_http_bell_upstream_set_session(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_bell_upstream_peer_t  *bp = data;

    ngx_ssl_session_t  *session;

    if (bp->current == NGX_HTTP_BELL_UPSTREAM_NOBODY) {
        return NGX_OK;
    }

    session = bp->pool->servers[bp->current].session;

    return session ? ngx_ssl_set_session(pc->connection, session) : NGX_OK;
}


static void
ngx_http_bell_upstream_save_session(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_bell_upstream_peer_t  *bp = data;

    ngx_ssl_session_t                *session;
    ngx_http_bell_upstream_server_t  *server;

    if (bp->current == NGX_HTTP_BELL_UPSTREAM_NOBODY) {
        return;
    }

    session = ngx_ssl_get_session(pc->connection);
    if (session == NULL) {
        return;
    }

    server = &bp->pool->servers[bp->current];

    if (server->session) {
        ngx_ssl_free_session(server->session);
    }

    server->session = session;
}

#endif
