
/*
 * Pools of servers from the tenant directory, for an upstream {} block.
 *
 * What all workers share of a server lies in the zone: an entry for each
 * server of each pool that is in use, with what is known of its health and
 * with a count of its requests for each worker.  A worker writes its own
 * counts only, so they need no lock; those of a worker that died are taken
 * away by whoever finds its process gone.  Everything else is changed under
 * the mutex of the zone, which nginx's master unlocks when a worker dies
 * with it.
 *
 * What a worker knows of a pool is a copy of its own: addresses, weights, and
 * where the entries are.  Requests hold a reference to it, so that a change
 * of the directory takes nothing away from under them.
 */

#ifndef _NGX_HTTP_BELL_UPSTREAM_H_INCLUDED_
#define _NGX_HTTP_BELL_UPSTREAM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "bell_balance.h"
#include "ngx_http_bell_core.h"


/* nginx knows a module by its name: the one thing here that others see */
extern ngx_module_t  ngx_http_bell_upstream_module;


#pragma GCC visibility push(hidden)

/* "unix:", a path, and no NUL: what the directory takes */
#define NGX_HTTP_BELL_UPSTREAM_ADDRESS_LEN  112

/* the name of the pool that an upstream's "server" lines are; no other has @ */
#define NGX_HTTP_BELL_UPSTREAM_SERVERS      "@servers"

#define NGX_HTTP_BELL_UPSTREAM_NO_SLOT      ((ngx_uint_t) -1)


/* ---- in the zone */

typedef struct {
    ngx_atomic_t                     used;       /* the rest is whole */
    ngx_atomic_t                     generation; /* of whom the entry was */

    ngx_uint_t                       pool;       /* index */
    bell_server_state                state;      /* in the directory */
    uint32_t                         hash;       /* of the address */
    uint32_t                         address_len;
    u_char                           address[NGX_HTTP_BELL_UPSTREAM_ADDRESS_LEN];

    bell_health                      health;
    ngx_msec_t                       checked_ms; /* its last check began */
    ngx_uint_t                       unchecked;  /* there was none yet */

    ngx_atomic_t                     requests;   /* since it was added */
    ngx_atomic_t                     failures;

    uint32_t                         active[1];  /* requests, by worker slot */
} ngx_http_bell_upstream_entry_t;


typedef struct {
    ngx_atomic_t                     used;
    size_t                           name_len;
    u_char                           name[BELL_DIRECTORY_NAME_MAX + 1];
} ngx_http_bell_upstream_pool_sh_t;


typedef struct {
    ngx_uint_t                         n;          /* of pools and of entries */
    size_t                             entry_size; /* bytes */
    u_char                            *entries;
    ngx_http_bell_upstream_pool_sh_t  *pools;

    ngx_uint_t                         nslots;
    ngx_atomic_t                       slots_used; /* those behind never were */
    ngx_atomic_t                      *slots;      /* pid, 0: free */

    ngx_atomic_t                       checker;    /* pid, 0: nobody */
    ngx_atomic_t                       checker_ms; /* its last sign of life */

    ngx_atomic_t                       full;       /* that it is was told */
} ngx_http_bell_upstream_sh_t;


/* ---- in a worker */

typedef struct {
    ngx_str_t                        name;       /* the address as text */
    ngx_sockaddr_t                   sockaddr;
    socklen_t                        socklen;
    uint32_t                         weight;
    bell_server_state                state;

    ngx_http_bell_upstream_entry_t  *entry;      /* NULL: no room */
    ngx_atomic_uint_t                generation; /* of the entry */

#if (NGX_HTTP_SSL)
    ngx_ssl_session_t               *session;
#endif
} ngx_http_bell_upstream_server_t;


typedef struct {
    ngx_pool_t                       *pool;      /* that it lies in itself */
    ngx_uint_t                        refs;
    ngx_str_t                         name;
    ngx_str_t                         record;    /* that it was made of */
    ngx_uint_t                        n;
    ngx_http_bell_upstream_server_t  *servers;
    uint64_t                         *shares;    /* for one choice at a time */
} ngx_http_bell_upstream_pool_t;


typedef enum {
    NGX_HTTP_BELL_UPSTREAM_CHECK_NONE = 0,
    NGX_HTTP_BELL_UPSTREAM_CHECK_TCP,
    NGX_HTTP_BELL_UPSTREAM_CHECK_HTTP
} ngx_http_bell_upstream_check_e;


/* "bell_upstream" of one upstream {} block */

typedef struct {
    ngx_shm_zone_t                   *shm_zone;  /* NULL: there is none here */
    ngx_http_bell_upstream_sh_t      *sh;        /* NULL: abandoned */
    ngx_slab_pool_t                  *shpool;

    const ngx_http_bell_core_api_t   *core;
    ngx_cycle_t                      *cycle;     /* that it is part of */
    ngx_http_upstream_srv_conf_t     *uscf;
    ngx_uint_t                        initialized;

    ngx_str_t                         default_pool;
    ngx_uint_t                        max_fails;
    ngx_msec_t                        fail_timeout;
    ngx_msec_t                        slow_start;

    ngx_http_bell_upstream_check_e    check;
    ngx_str_t                         check_path;
    ngx_str_t                         check_host;
    ngx_str_t                         check_request;
    ngx_msec_t                        interval;
    ngx_msec_t                        timeout;
    ngx_uint_t                        fall;
    ngx_uint_t                        rise;

    bell_health_rules                 rules;     /* of the above */

    ngx_str_t                         conf_file; /* where it is configured */
    ngx_uint_t                        conf_line;

    /* of this worker */

    ngx_uint_t                        slot;
    ngx_http_bell_upstream_pool_t    *servers;   /* the "server" lines */
    ngx_rbtree_t                      names;     /* pools of the directory */
    ngx_rbtree_node_t                 sentinel;
    ngx_queue_t                       recent;    /* the same, last used first */
    ngx_uint_t                        nnames;
    uint32_t                         *found;     /* room for n indices */

    ngx_event_t                       timer;
    ngx_connection_t                  dummy;     /* for the timer's log */
    uint64_t                          refreshed; /* directory version */
    ngx_queue_t                       checks;    /* in flight */
    ngx_uint_t                        nchecks;
    ngx_uint_t                        next;      /* entry to look at */
    ngx_uint_t                        starting;  /* of checks is under way */
} ngx_http_bell_upstream_conf_t;


typedef struct {
    const ngx_http_bell_core_api_t   *core;
    ngx_array_t                       upstreams; /* of conf_t * */
} ngx_http_bell_upstream_main_conf_t;


/* ---- ngx_http_bell_upstream_conf.c */

/* the directive, and what nginx calls when all of the block is read */
char *ngx_http_bell_upstream(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_bell_upstream_init(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *uscf);


/* ---- ngx_http_bell_upstream_peer.c */

ngx_int_t ngx_http_bell_upstream_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *uscf);

/* where the request went last, NULL: nowhere through this module */
ngx_str_t *ngx_http_bell_upstream_of(ngx_http_request_t *r);


/* ---- ngx_http_bell_upstream_pool.c */

ngx_int_t ngx_http_bell_upstream_open_pools(
    ngx_http_bell_upstream_conf_t *bcf, ngx_log_t *log);
void ngx_http_bell_upstream_close_pools(ngx_http_bell_upstream_conf_t *bcf);

/*
 * The pool of that name as it is in this version of the directory or in a
 * later one; read only when this worker has an older one.  *pool is NULL when
 * there is no such pool, or it has no servers; it is good until the event loop
 * turns.  NGX_ERROR: the pool could not be read, nor was it before; *pool is
 * NULL, and it has been logged.
 */
ngx_int_t ngx_http_bell_upstream_find_pool(ngx_http_bell_upstream_conf_t *bcf,
    ngx_str_t *name, uint64_t version, ngx_http_bell_upstream_pool_t **pool,
    ngx_log_t *log);

void ngx_http_bell_upstream_release_pool(ngx_http_bell_upstream_pool_t *pool);

/* ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH */
ngx_int_t ngx_http_bell_upstream_address(u_char *text, size_t len,
    ngx_sockaddr_t *sockaddr, socklen_t *socklen);


/* ---- ngx_http_bell_upstream_zone.c */

/* ngx_shm_zone_t's init; shm_zone->data is the conf */
ngx_int_t ngx_http_bell_upstream_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);

/* A worker comes and goes; counts of those that died are taken away. */
void ngx_http_bell_upstream_enter(ngx_http_bell_upstream_conf_t *bcf,
    ngx_log_t *log);
void ngx_http_bell_upstream_leave(ngx_http_bell_upstream_conf_t *bcf);
void ngx_http_bell_upstream_sweep(ngx_http_bell_upstream_conf_t *bcf,
    ngx_log_t *log);

void ngx_http_bell_upstream_lock(ngx_http_bell_upstream_conf_t *bcf);
void ngx_http_bell_upstream_unlock(ngx_http_bell_upstream_conf_t *bcf);

ngx_http_bell_upstream_entry_t *ngx_http_bell_upstream_entry(
    ngx_http_bell_upstream_sh_t *sh, ngx_uint_t i);

/*
 * Gives the servers of a pool their entries, and takes away those of servers
 * that it has no more; under the lock.  Where there is no room servers have
 * none, and NGX_DECLINED is returned.
 */
ngx_int_t ngx_http_bell_upstream_register(ngx_http_bell_upstream_conf_t *bcf,
    ngx_http_bell_upstream_pool_t *pool);

/* Whether all that register() would do is done; without the lock. */
ngx_uint_t ngx_http_bell_upstream_is_registered(
    ngx_http_bell_upstream_pool_t *pool);

/* The directory has that pool no more; under the lock. */
void ngx_http_bell_upstream_forget(ngx_http_bell_upstream_conf_t *bcf,
    ngx_str_t *name);

/* Requests at the server of an entry, of all workers. */
ngx_uint_t ngx_http_bell_upstream_sum(ngx_http_bell_upstream_sh_t *sh,
    ngx_http_bell_upstream_entry_t *e);

/* Requests that the server has now. */
ngx_uint_t ngx_http_bell_upstream_active(ngx_http_bell_upstream_conf_t *bcf,
    ngx_http_bell_upstream_server_t *server);

/*
 * One more for the entry while it is of that generation, 1: it was counted.
 * One less: an entry becomes no other server's while anything is counted.
 */
ngx_uint_t ngx_http_bell_upstream_count(ngx_http_bell_upstream_conf_t *bcf,
    ngx_http_bell_upstream_entry_t *entry, ngx_atomic_uint_t generation);
void ngx_http_bell_upstream_uncount(ngx_http_bell_upstream_conf_t *bcf,
    ngx_http_bell_upstream_entry_t *entry);


/* ---- ngx_http_bell_upstream_check.c */

/* The timer of each worker: the dead are swept, one worker is the checker. */
void ngx_http_bell_upstream_watch(ngx_http_bell_upstream_conf_t *bcf,
    ngx_log_t *log);
void ngx_http_bell_upstream_unwatch(ngx_http_bell_upstream_conf_t *bcf);

/*
 * The process goes on with another configuration: the same as unwatch, but
 * the zone, which may be gone, is not touched, now or by what still has bcf.
 */
void ngx_http_bell_upstream_abandon(ngx_http_bell_upstream_conf_t *bcf);


/* ---- ngx_http_bell_upstream_metrics.c */

/* for the preconfiguration handler */
ngx_int_t ngx_http_bell_upstream_add_metrics(ngx_conf_t *cf,
    ngx_http_bell_upstream_main_conf_t *bmcf);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_UPSTREAM_H_INCLUDED_ */
