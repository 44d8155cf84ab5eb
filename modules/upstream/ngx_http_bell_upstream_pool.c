
/*
 * What a worker knows of the pools: copies of the directory's records, made
 * when a request needs one and the directory is another than it was.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_bell_upstream.h"


/* Pools that a worker keeps for their next request, of an upstream. */
#define NGX_HTTP_BELL_UPSTREAM_NAMES_MAX  1024


/* a name that was asked for, whether there is such a pool or not */

typedef struct {
    ngx_str_node_t                  node;
    ngx_queue_t                     queue;
    uint64_t                        version;  /* of the directory, as read */
    ngx_uint_t                      told;     /* that there is none */
    ngx_http_bell_upstream_pool_t  *pool;     /* NULL: none, or no servers */
    u_char                          name[1];
} ngx_http_bell_upstream_name_t;


static ngx_http_bell_upstream_pool_t *ngx_http_bell_upstream_servers(
    ngx_http_bell_upstream_conf_t *bcf, ngx_log_t *log);
static ngx_http_bell_upstream_name_t *ngx_http_bell_upstream_find_name(
    ngx_http_bell_upstream_conf_t *bcf, ngx_str_t *name, ngx_log_t *log);
static void ngx_http_bell_upstream_drop_name(
    ngx_http_bell_upstream_conf_t *bcf, ngx_http_bell_upstream_name_t *n);
static ngx_int_t ngx_http_bell_upstream_load(
    ngx_http_bell_upstream_conf_t *bcf, ngx_http_bell_upstream_name_t *n,
    ngx_log_t *log);
static ngx_int_t ngx_http_bell_upstream_renew(
    ngx_http_bell_upstream_conf_t *bcf, ngx_http_bell_upstream_name_t *n,
    ngx_str_t *record, ngx_uint_t *full, ngx_log_t *log);
static ngx_http_bell_upstream_pool_t *ngx_http_bell_upstream_read_pool(
    ngx_str_t *name, ngx_str_t *record, ngx_log_t *log);
static ngx_http_bell_upstream_pool_t *ngx_http_bell_upstream_create_pool(
    ngx_str_t *name, ngx_uint_t n, ngx_log_t *log);
static void ngx_http_bell_upstream_say_full(
    ngx_http_bell_upstream_conf_t *bcf, ngx_str_t *name, ngx_log_t *log);


/* for one record at a time */

static u_char  ngx_http_bell_upstream_record[BELL_DIRECTORY_RECORD_MAX];


ngx_int_t
ngx_http_bell_upstream_open_pools(ngx_http_bell_upstream_conf_t *bcf,
    ngx_log_t *log)
{
    ngx_int_t  rc;

    ngx_rbtree_init(&bcf->names, &bcf->sentinel, ngx_str_rbtree_insert_value);
    ngx_queue_init(&bcf->recent);
    bcf->nnames = 0;

    bcf->found = ngx_alloc(bcf->sh->n * sizeof(uint32_t), log);
    if (bcf->found == NULL) {
        return NGX_ERROR;
    }

    bcf->servers = ngx_http_bell_upstream_servers(bcf, log);
    if (bcf->servers == NULL) {
        return NGX_ERROR;
    }

    ngx_http_bell_upstream_lock(bcf);
    rc = ngx_http_bell_upstream_register(bcf, bcf->servers);
    ngx_http_bell_upstream_unlock(bcf);

    if (rc != NGX_OK) {
        ngx_http_bell_upstream_say_full(bcf, &bcf->servers->name, log);
    }

    return NGX_OK;
}


void
ngx_http_bell_upstream_close_pools(ngx_http_bell_upstream_conf_t *bcf)
{
    ngx_queue_t  *q;

    if (bcf->found == NULL) {
        return;
    }

    while (!ngx_queue_empty(&bcf->recent)) {
        q = ngx_queue_last(&bcf->recent);
        ngx_http_bell_upstream_drop_name(bcf, ngx_queue_data(q,
                                        ngx_http_bell_upstream_name_t, queue));
    }

    if (bcf->servers) {
        ngx_http_bell_upstream_release_pool(bcf->servers);
        bcf->servers = NULL;
    }

    ngx_free(bcf->found);
    bcf->found = NULL;
}


/* The "server" lines as a pool of their own. */

static ngx_http_bell_upstream_pool_t *
ngx_http_bell_upstream_servers(ngx_http_bell_upstream_conf_t *bcf,
    ngx_log_t *log)
{
    ngx_str_t                         name;
    ngx_uint_t                        i, j, n;
    ngx_http_upstream_server_t       *us;
    ngx_http_bell_upstream_pool_t    *pool;
    ngx_http_bell_upstream_server_t  *server;

    us = bcf->uscf->servers->elts;
    n = 0;

    for (i = 0; i < bcf->uscf->servers->nelts; i++) {
        n += us[i].naddrs;
    }

    ngx_str_set(&name, NGX_HTTP_BELL_UPSTREAM_SERVERS);

    pool = ngx_http_bell_upstream_create_pool(&name, n, log);
    if (pool == NULL) {
        return NULL;
    }

    for (i = 0; i < bcf->uscf->servers->nelts; i++) {
        for (j = 0; j < us[i].naddrs; j++) {
            server = &pool->servers[pool->n++];

            /* these lie in the configuration, which a worker keeps */

            server->name = us[i].addrs[j].name;
            server->socklen = us[i].addrs[j].socklen;
            ngx_memcpy(&server->sockaddr, us[i].addrs[j].sockaddr,
                       server->socklen);

            server->weight = us[i].weight;
            server->state = us[i].down ? BELL_SERVER_DOWN : BELL_SERVER_UP;
        }
    }

    return pool;
}


/* ---- pools of the directory */

ngx_int_t
ngx_http_bell_upstream_find_pool(ngx_http_bell_upstream_conf_t *bcf,
    ngx_str_t *name, uint64_t version, ngx_http_bell_upstream_pool_t **pool,
    ngx_log_t *log)
{
    ngx_http_bell_upstream_name_t  *n;

    *pool = NULL;

    n = ngx_http_bell_upstream_find_name(bcf, name, log);
    if (n == NULL) {
        return NGX_ERROR;
    }

    if (n->version < version
        && ngx_http_bell_upstream_load(bcf, n, log) != NGX_OK)
    {
        if (n->pool == NULL) {
            ngx_log_error(NGX_LOG_ERR, log, 0,
                          "bell_upstream: there is no memory to read pool "
                          "\"%V\"", name);
            return NGX_ERROR;
        }

        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "bell_upstream: there is no memory to read pool \"%V\", "
                      "what was read before is used", name);
    }

    *pool = n->pool;

    return NGX_OK;
}


static ngx_http_bell_upstream_name_t *
ngx_http_bell_upstream_find_name(ngx_http_bell_upstream_conf_t *bcf,
    ngx_str_t *name, ngx_log_t *log)
{
    uint32_t                        hash;
    ngx_queue_t                    *q;
    ngx_http_bell_upstream_name_t  *n;

    hash = ngx_crc32_short(name->data, name->len);

    n = (ngx_http_bell_upstream_name_t *)
            ngx_str_rbtree_lookup(&bcf->names, name, hash);

    if (n) {
        ngx_queue_remove(&n->queue);
        ngx_queue_insert_head(&bcf->recent, &n->queue);
        return n;
    }

    if (bcf->nnames >= NGX_HTTP_BELL_UPSTREAM_NAMES_MAX) {
        q = ngx_queue_last(&bcf->recent);
        ngx_http_bell_upstream_drop_name(bcf, ngx_queue_data(q,
                                        ngx_http_bell_upstream_name_t, queue));
    }

    n = ngx_calloc(sizeof(ngx_http_bell_upstream_name_t) + name->len, log);
    if (n == NULL) {
        return NULL;
    }

    ngx_memcpy(n->name, name->data, name->len);

    n->node.str.data = n->name;
    n->node.str.len = name->len;
    n->node.node.key = hash;

    ngx_rbtree_insert(&bcf->names, &n->node.node);
    ngx_queue_insert_head(&bcf->recent, &n->queue);
    bcf->nnames++;

    return n;
}


static void
ngx_http_bell_upstream_drop_name(ngx_http_bell_upstream_conf_t *bcf,
    ngx_http_bell_upstream_name_t *n)
{
    if (n->pool) {
        ngx_http_bell_upstream_release_pool(n->pool);
    }

    ngx_rbtree_delete(&bcf->names, &n->node.node);
    ngx_queue_remove(&n->queue);
    bcf->nnames--;

    ngx_free(n);
}


/*
 * The record is read under the lock, so that entries follow the directory in
 * its own order, whichever worker is the first to see a change.
 */

static ngx_int_t
ngx_http_bell_upstream_load(ngx_http_bell_upstream_conf_t *bcf,
    ngx_http_bell_upstream_name_t *n, ngx_log_t *log)
{
    uint64_t    version;
    ngx_int_t   rc;
    ngx_str_t   record;
    ngx_uint_t  full;

    full = 0;

    record.data = ngx_http_bell_upstream_record;

    ngx_http_bell_upstream_lock(bcf);

    record.len = bcf->core->copy_pool((ngx_cycle_t *) ngx_cycle, &n->node.str,
                                      record.data, &version);

    rc = ngx_http_bell_upstream_renew(bcf, n, &record, &full, log);

    ngx_http_bell_upstream_unlock(bcf);

    if (full) {
        ngx_http_bell_upstream_say_full(bcf, &n->node.str, log);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    n->version = version;

    if (n->pool) {
        n->told = 0;

    } else if (!n->told) {
        n->told = 1;
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "bell_upstream: pool \"%V\" is not in version %uL of "
                      "the directory, or has no servers there: the default "
                      "serves those that it was meant for", &n->node.str,
                      version);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_bell_upstream_renew(ngx_http_bell_upstream_conf_t *bcf,
    ngx_http_bell_upstream_name_t *n, ngx_str_t *record, ngx_uint_t *full,
    ngx_log_t *log)
{
    ngx_http_bell_upstream_pool_t  *pool;

    pool = n->pool;

    if (pool && pool->record.len == record->len
        && ngx_memcmp(pool->record.data, record->data, record->len) == 0)
    {
        if (!ngx_http_bell_upstream_is_registered(pool)) {
            *full = ngx_http_bell_upstream_register(bcf, pool) != NGX_OK;
        }

        return NGX_OK;
    }

    pool = NULL;

    if (record->len) {
        pool = ngx_http_bell_upstream_read_pool(&n->node.str, record, log);
        if (pool == NULL) {
            return NGX_ERROR;
        }
    }

    if (pool && pool->n == 0) {
        ngx_http_bell_upstream_release_pool(pool);
        pool = NULL;
    }

    if (n->pool) {
        ngx_http_bell_upstream_release_pool(n->pool);
    }

    n->pool = pool;

    if (pool == NULL) {
        ngx_http_bell_upstream_forget(bcf, &n->node.str);
        return NGX_OK;
    }

    *full = ngx_http_bell_upstream_register(bcf, pool) != NGX_OK;

    return NGX_OK;
}


static ngx_http_bell_upstream_pool_t *
ngx_http_bell_upstream_read_pool(ngx_str_t *name, ngx_str_t *record,
    ngx_log_t *log)
{
    bell_str                          list, rest;
    ngx_uint_t                        n;
    bell_record_server                s;
    ngx_http_bell_upstream_pool_t    *pool;
    ngx_http_bell_upstream_server_t  *server;

    list = bell_record_get(record->data, record->len, BELL_RECORD_SERVERS);

    n = 0;

    for (rest = list; bell_record_next_server(&rest, &s); n++) { /* void */ }

    pool = ngx_http_bell_upstream_create_pool(name, n, log);
    if (pool == NULL) {
        return NULL;
    }

    pool->record.len = record->len;
    pool->record.data = ngx_pnalloc(pool->pool, record->len);

    if (pool->record.data == NULL) {
        ngx_http_bell_upstream_release_pool(pool);
        return NULL;
    }

    ngx_memcpy(pool->record.data, record->data, record->len);

    list = bell_record_get(pool->record.data, pool->record.len,
                           BELL_RECORD_SERVERS);

    while (pool->n < n && bell_record_next_server(&list, &s)) {
        server = &pool->servers[pool->n];

        server->name.data = (u_char *) s.address.p;
        server->name.len = s.address.len;
        server->weight = s.weight;
        server->state = s.state;

        if (ngx_http_bell_upstream_address(server->name.data,
                                           server->name.len,
                                           &server->sockaddr, &server->socklen)
            != NGX_OK)
        {
            ngx_log_error(NGX_LOG_ERR, log, 0,
                          "bell_upstream: \"%V\" in pool \"%V\" is no address, "
                          "it is left out", &server->name, name);
            n--;
            continue;
        }

        pool->n++;
    }

    return pool;
}


static ngx_http_bell_upstream_pool_t *
ngx_http_bell_upstream_create_pool(ngx_str_t *name, ngx_uint_t n,
    ngx_log_t *log)
{
    ngx_pool_t                     *p;
    ngx_http_bell_upstream_pool_t  *pool;

    p = ngx_create_pool(1024, log);
    if (p == NULL) {
        return NULL;
    }

    /* it outlives whoever's log that is */

    p->log = ngx_cycle->log;

    pool = ngx_pcalloc(p, sizeof(ngx_http_bell_upstream_pool_t));

    if (pool) {
        pool->pool = p;
        pool->refs = 1;
        pool->name.data = ngx_pstrdup(p, name);
        pool->name.len = name->len;
        pool->servers = ngx_pcalloc(p,
                              n * sizeof(ngx_http_bell_upstream_server_t) + 1);
        pool->shares = ngx_palloc(p, n * sizeof(uint64_t) + 1);
    }

    if (pool == NULL || pool->name.data == NULL || pool->servers == NULL
        || pool->shares == NULL)
    {
        ngx_destroy_pool(p);
        return NULL;
    }

    return pool;
}


void
ngx_http_bell_upstream_release_pool(ngx_http_bell_upstream_pool_t *pool)
{
#if (NGX_HTTP_SSL)
    ngx_uint_t  i;
#endif

    if (--pool->refs > 0) {
        return;
    }

#if (NGX_HTTP_SSL)
    for (i = 0; i < pool->n; i++) {
        if (pool->servers[i].session) {
            ngx_ssl_free_session(pool->servers[i].session);
        }
    }
#endif

    ngx_destroy_pool(pool->pool);
}


static void
ngx_http_bell_upstream_say_full(ngx_http_bell_upstream_conf_t *bcf,
    ngx_str_t *name, ngx_log_t *log)
{
    if (!ngx_atomic_cmp_set(&bcf->sh->full, 0, 1)) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "bell_upstream: zone \"%V\" is full with %ui servers: those "
                  "that have no room, of pool \"%V\" and of others, are used "
                  "without being checked or counted; make the zone larger in "
                  "%V:%ui (this is said once)",
                  &bcf->shm_zone->shm.name, bcf->sh->n, name,
                  &bcf->conf_file, bcf->conf_line);
}


/* ---- addresses */

ngx_int_t
ngx_http_bell_upstream_address(u_char *text, size_t len,
    ngx_sockaddr_t *sockaddr, socklen_t *socklen)
{
    u_char     *p;
    ngx_int_t   port;

    ngx_memzero(sockaddr, sizeof(ngx_sockaddr_t));

    if (len > 5 && ngx_strncmp(text, "unix:", 5) == 0) {

        if (len - 5 >= sizeof(sockaddr->sockaddr_un.sun_path)) {
            return NGX_ERROR;
        }

        sockaddr->sockaddr_un.sun_family = AF_UNIX;
        ngx_memcpy(sockaddr->sockaddr_un.sun_path, text + 5, len - 5);
        *socklen = sizeof(struct sockaddr_un);

        return NGX_OK;
    }

    p = text + len;

    while (p > text && p[-1] != ':') {
        p--;
    }

    port = p > text ? ngx_atoi(p, text + len - p) : NGX_ERROR;

    if (port < 1 || port > 65535 || p - 1 == text) {
        return NGX_ERROR;
    }

    len = p - 1 - text;

#if (NGX_HAVE_INET6)
    if (text[0] == '[') {

        if (len < 3 || text[len - 1] != ']'
            || ngx_inet6_addr(text + 1, len - 2,
                              sockaddr->sockaddr_in6.sin6_addr.s6_addr)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        sockaddr->sockaddr_in6.sin6_family = AF_INET6;
        sockaddr->sockaddr_in6.sin6_port = htons((in_port_t) port);
        *socklen = sizeof(struct sockaddr_in6);

        return NGX_OK;
    }
#endif

    sockaddr->sockaddr_in.sin_addr.s_addr = ngx_inet_addr(text, len);

    if (sockaddr->sockaddr_in.sin_addr.s_addr == INADDR_NONE) {
        return NGX_ERROR;
    }

    sockaddr->sockaddr_in.sin_family = AF_INET;
    sockaddr->sockaddr_in.sin_port = htons((in_port_t) port);
    *socklen = sizeof(struct sockaddr_in);

    return NGX_OK;
}
