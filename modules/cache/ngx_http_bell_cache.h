
/*
 * The cache.  A reader is a client's request that looks for a stored answer;
 * a load is a request of the edge's own that brings one (see
 * ngx_http_bell_cache_fetch.h); a flight is what readers of all workers see of
 * a load, in shared memory.  Nobody waits for a lock over more than a few
 * steps, and nobody holds one while he waits.
 *
 *     reader ---- finds ---> object in the zone: a hit, copied out
 *        |                      ^
 *        +---- joins ---> flight|---- becomes ----+
 *                           ^
 *                         load (in one worker), bytes as they arrive
 */

#ifndef _NGX_HTTP_BELL_CACHE_H_INCLUDED_
#define _NGX_HTTP_BELL_CACHE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "bell_cache_index.h"
#include "bell_cache_key.h"
#include "bell_cache_status.h"
#include "bell_cache_tags.h"
#include "bell_chunks.h"
#include "bell_conditional.h"
#include "bell_freshness.h"
#include "bell_places.h"
#include "bell_storable.h"
#include "bell_stored_fields.h"
#include "bell_vary.h"

#include "ngx_http_bell_core.h"
#include "ngx_http_bell_cache_feed.h"
#include "ngx_http_bell_cache_fetch.h"


extern ngx_module_t  ngx_http_bell_cache_module;


#pragma GCC visibility push(hidden)


extern ngx_module_t  ngx_http_bell_cache_filter_module;


#define NGX_HTTP_BELL_CACHE_KEY_BYTES    9216   /* of a key, variants too */
#define NGX_HTTP_BELL_CACHE_HEAD_BYTES   65536  /* what stands before a body */
#define NGX_HTTP_BELL_CACHE_NAME_BYTES   512    /* "name;hit" in a field */
#define NGX_HTTP_BELL_CACHE_CHUNK        1024   /* of a zone, with its head */
#define NGX_HTTP_BELL_CACHE_PIECE_BYTES  65536  /* copied out at a time */
#define NGX_HTTP_BELL_CACHE_WINDOW_BYTES 262144 /* of what is not kept */
#define NGX_HTTP_BELL_CACHE_TRIES        4      /* look-ups of one request */
#define NGX_HTTP_BELL_CACHE_VARIABLES    8      /* of a client's connection */


/* ---- what is stored */

typedef enum {
    NGX_HTTP_BELL_CACHE_OBJECT = 1,
    NGX_HTTP_BELL_CACHE_FORK,       /* answers are under keys of their own */
    NGX_HTTP_BELL_CACHE_PASS        /* what is answered is not stored */
} ngx_http_bell_cache_kind_e;


/* the payload of an entry of the index */

typedef struct {
    bell_freshness_times  times;        /* PASS: how long it is remembered */
    uint64_t              id;           /* of this object, never another's */
    uint64_t              url;          /* bell_cache_url_hash() */
    uint64_t              body_bytes;   /* PASS: too many of them, 0: none */
    uint64_t              checked;      /* purges up to it are in "times" */
    uint32_t              head;         /* chains of chunks, 0: none */
    uint32_t              body;
    uint32_t              head_bytes;
    uint8_t               kind;
    uint8_t               reason;       /* PASS: bell_store_verdict */
    uint16_t              version;      /* another one with every put() */
} ngx_http_bell_cache_entry_t;


/* at the beginning of the chain "head"; the texts follow in this order */

typedef struct {
    uint32_t              key_bytes;
    uint32_t              names_bytes;  /* FORK: of Vary */
    uint32_t              ntags;        /* 8 bytes each */
    uint32_t              fields_bytes; /* bell_stored_write() */
    uint32_t              scope;        /* bell_cache_scope */
    uint32_t              authorized;   /* the request had Authorization */
    int64_t               modified_s;   /* Last-Modified, or BELL_NO_TIME */
    uint64_t              complete;     /* of a part: bytes of the whole, */
    uint64_t              first;        /* and its first; complete 0: none */
} ngx_http_bell_cache_head_t;


typedef struct ngx_http_bell_cache_file_s  ngx_http_bell_cache_file_t;


/* a copy in a process's own memory, with its texts */

typedef struct {
    bell_cache_hash               hash;
    uint32_t                      number;   /* of the index */
    ngx_http_bell_cache_entry_t   entry;
    ngx_http_bell_cache_head_t   *head;
    bell_str                      key;
    bell_str                      names;
    uint64_t                     *tags;
    bell_str                      fields;
    ngx_http_bell_cache_file_t   *file;     /* its body is there, or NULL */
} ngx_http_bell_cache_found_t;


/* ---- flights */

typedef enum {
    NGX_HTTP_BELL_CACHE_FREE = 0,
    NGX_HTTP_BELL_CACHE_ASKING,     /* nothing has come yet */
    NGX_HTTP_BELL_CACHE_COMING,     /* the head is there */
    NGX_HTTP_BELL_CACHE_PASSING,    /* likewise, and the body is not kept */
    NGX_HTTP_BELL_CACHE_DONE,       /* and all of the body */
    NGX_HTTP_BELL_CACHE_APART,      /* not to be shared: everybody for himself */
    NGX_HTTP_BELL_CACHE_AGAIN,      /* to be looked for anew */
    NGX_HTTP_BELL_CACHE_FAILED,     /* "status", or without one: cut off */
    NGX_HTTP_BELL_CACHE_ORPHANED    /* who had it is dead */
} ngx_http_bell_cache_state_e;


typedef struct {
    uint64_t                     serial;    /* another one with every use */
    uint32_t                     state;
    uint32_t                     next;      /* of the bucket, or a free one */
    uint32_t                     linked;    /* is in the bucket */
    uint32_t                     status;    /* FAILED */
    uint32_t                     refused;   /* FAILED: it never had a place */
    bell_cache_hash              hash;      /* of what was asked */
    ngx_http_bell_process_t      owner;
    uint32_t                     tenant_id;
    uint64_t                     checked;   /* purges, when it was asked */
    ngx_atomic_t                 waiters;   /* a bit a slot, to be woken */
    uint32_t                     nrefs;
    uint16_t                     refs[NGX_HTTP_BELL_PROCESSES];

    /* since COMING: what is there of an object */

    bell_cache_hash              stored_as;
    ngx_http_bell_cache_entry_t  entry;
    int64_t                      length;    /* of the body, -1: not known */
    ngx_atomic_t                 published; /* bytes of the body */
    uint64_t                     held;      /* chunks that it has */
    uint64_t                     confirmed; /* AGAIN: this object is true */
    uint32_t                     filed;     /* the body is in a file */
    uint32_t                     batched;   /* more has come than is there */
    uint64_t                     promised;  /* bytes of files to it */

    /* since PASSING: of the body behind "window_at" the last bytes are there */

    uint32_t                     window;    /* of the zone, 0: it is kept */
    uint64_t                     window_at;
    uint64_t                     window_bytes;
    ngx_atomic_t                 floor;     /* the first byte that is there */
} ngx_http_bell_cache_flight_t;


/* how far those are who read what is not kept */

typedef struct {
    uint64_t                     serial;    /* of the flight, 0: of none */
    uint32_t                     tenant_id;
    uint32_t                     stalled;   /* it waits for who is behind */
    uint32_t                     hungry;    /* somebody has all that has come */
    uint64_t                     low[NGX_HTTP_BELL_PROCESSES];
} ngx_http_bell_cache_window_t;


/* which one; a number alone may be another's by now */

typedef struct {
    uint32_t                     number;    /* 0: none */
    uint64_t                     serial;
} ngx_http_bell_cache_ref_t;


/* ---- a zone */

typedef struct ngx_http_bell_cache_purges_s  ngx_http_bell_cache_purges_t;


/* one worker goes over the indexes, and takes out what was purged hard */

typedef enum {
    NGX_HTTP_BELL_CACHE_RESTS = 0,
    NGX_HTTP_BELL_CACHE_IN_MEMORY,      /* goes over what is there */
    NGX_HTTP_BELL_CACHE_IN_FLIGHT,      /* waits for what began before */
    NGX_HTTP_BELL_CACHE_IN_CHUNKS,      /* overwrites what was left there */
    NGX_HTTP_BELL_CACHE_IN_FILES,
    NGX_HTTP_BELL_CACHE_BY_NAME         /* waits for names to be deleted */
} ngx_http_bell_cache_erases_e;


typedef struct {
    ngx_http_bell_process_t        owner;
    ngx_http_bell_cache_erases_e   step;
    uint32_t                       at;      /* a place of the index */
    uint32_t                       late;    /* something came behind it */
    uint32_t                       wiping;  /* free chunks, 0: none */
    uint64_t                       target;  /* purges that it looks for */
    uint64_t                       target_seen;
    uint64_t                       done;    /* purges whose bytes are gone */
    uint64_t                       seen;    /* of the feed, likewise */
} ngx_http_bell_cache_erasure_t;
typedef struct ngx_http_bell_cache_shelf_s  ngx_http_bell_cache_shelf_t;
typedef struct ngx_http_bell_cache_shelf_shared_s
    ngx_http_bell_cache_shelf_shared_t;


#define NGX_HTTP_BELL_CACHE_FLYING_OF  1024
#define NGX_HTTP_BELL_CACHE_WINDOWS    32


typedef struct {
    ngx_atomic_t                   holder;  /* of the lock: a pid, 0: nobody */
    uint64_t                       ids;
    uint64_t                       serials;
    uint16_t                       versions;
    ngx_uint_t                     layouts; /* times that it began anew */
    uint64_t                       seen;    /* of the feed of purges */
    u_char                         key[BELL_SIPHASH_KEY_BYTES];

    uint32_t                       free_flight;
    uint32_t                       flying;
    uint16_t                       flying_of[NGX_HTTP_BELL_CACHE_FLYING_OF];
                                            /* by tenants' numbers */
    uint64_t                       held;    /* chunks that flights have */
    uint32_t                       epochs[NGX_HTTP_BELL_PROCESSES];
                                            /* of who has references */

    uint32_t                      *buckets; /* of flights */
    ngx_http_bell_cache_flight_t  *flights; /* the first is number 1 */
    uint64_t                       hard;    /* number of the last that erases */
    ngx_http_bell_cache_erasure_t  erasure;
    ngx_http_bell_cache_window_t   windows[NGX_HTTP_BELL_CACHE_WINDOWS];
    void                          *places;  /* of flights, by their numbers */
    uint64_t                       refused; /* that had none */
    ngx_http_bell_cache_purges_t  *purges;
    ngx_http_bell_cache_shelf_shared_t  *shelf;     /* NULL: no files */
    uint32_t                      *refs;    /* of chains, by first chunk */
    void                          *index;
    void                          *chunks;
    uint32_t                       nchunks;
    uint32_t                       objects; /* of the index, at most */
} ngx_http_bell_cache_shared_t;


/*
 * An object that this process has seen under way to be refreshed: who asks for
 * it in the next moment need not look, and take the lock for it.
 */

#define NGX_HTTP_BELL_CACHE_TRIED     64    /* objects, by their ids */
#define NGX_HTTP_BELL_CACHE_TRIED_MS  10

typedef struct {
    uint64_t                       id;      /* 0: none */
    ngx_msec_t                     until;
} ngx_http_bell_cache_tried_t;


typedef struct {
    ngx_shm_zone_t                *shm_zone;
    ngx_http_bell_cache_shared_t  *sh;
    ngx_slab_pool_t               *shpool;
    ngx_uint_t                     objects;     /* entries, 0: by the size */
    ngx_uint_t                     tenants;
    size_t                         largest;     /* bytes of a body */
    ngx_queue_t                    readers;     /* that wait, of this process */
    ngx_queue_t                    loads;       /* that have no place yet */
    ngx_queue_t                    batches;     /* of loads that write files */
    ngx_queue_t                    passing;     /* loads that are not kept */
    ngx_event_t                    low;         /* see the window */
    const ngx_http_bell_core_api_t  *core;      /* for it */
    uint64_t                       to_wake;     /* a bit a slot, see tell() */
    ngx_uint_t                     layouts;     /* that these know of */
    ngx_http_bell_cache_tried_t    tried[NGX_HTTP_BELL_CACHE_TRIED];
    ngx_http_bell_cache_shelf_t   *shelf;       /* NULL: no files */
} ngx_http_bell_cache_zone_t;


/* ---- configuration */

typedef enum {
    NGX_HTTP_BELL_CACHE_METRIC_HIT = 0,
    NGX_HTTP_BELL_CACHE_METRIC_STALE,
    NGX_HTTP_BELL_CACHE_METRIC_MISS,
    NGX_HTTP_BELL_CACHE_METRIC_COLLAPSED,
    NGX_HTTP_BELL_CACHE_METRIC_REVALIDATED,
    NGX_HTTP_BELL_CACHE_METRIC_BYPASS,
    NGX_HTTP_BELL_CACHE_METRIC_METHOD,
    NGX_HTTP_BELL_CACHE_METRIC_UNCACHEABLE,
    NGX_HTTP_BELL_CACHE_METRIC_FULL,
    NGX_HTTP_BELL_CACHE_METRIC_ERROR,
    NGX_HTTP_BELL_CACHE_METRIC_REFUSED,
    NGX_HTTP_BELL_CACHE_METRICS
} ngx_http_bell_cache_metric_e;


/* room for a body that a request has, or that waits for one */

#define NGX_HTTP_BELL_CACHE_ROOM_BYTES  16384
#define NGX_HTTP_BELL_CACHE_ROOMS       64      /* of a process */

#define NGX_HTTP_BELL_CACHE_COPIED      1024

typedef struct ngx_http_bell_cache_room_s  ngx_http_bell_cache_room_t;

struct ngx_http_bell_cache_room_s {
    ngx_http_bell_cache_room_t      *next;
    ngx_http_bell_cache_room_t     **list;      /* where it goes back to */
    u_char                           bytes[];
};


typedef struct {
    const ngx_http_bell_core_api_t  *core;
    ngx_pool_t                      *pool;      /* of the configuration */
    ngx_http_bell_cache_room_t      *rooms;     /* that nobody has */
    ngx_uint_t                       nrooms;
    size_t                           copied[NGX_HTTP_BELL_CACHE_COPIED];
                                                /* bytes, by connections */
    ngx_array_t                      zones;     /* of zone_t * */
    ngx_int_t                        variables[NGX_HTTP_BELL_CACHE_VARIABLES];
    ngx_http_bell_metric_t          *requests[NGX_HTTP_BELL_CACHE_METRICS];
    ngx_http_bell_metric_t          *fetches;
    ngx_http_bell_cache_feed_conf_t  feed;
    ngx_event_t                      watch;     /* of owners that may be dead */
    ngx_event_t                      keep;      /* goes round the files */
    ngx_event_t                      erase;     /* and over the index */
    ngx_connection_t                 dummy;
} ngx_http_bell_cache_main_conf_t;


/* how many fetch at once; the queue is of the zone */

typedef struct {
    ngx_uint_t                       set;       /* 0: as many as come */
    ngx_uint_t                       tenant;    /* of one at a pool, 0: any */
    ngx_uint_t                       pool;
    ngx_uint_t                       queue;
    ngx_http_complex_value_t        *name;      /* of the pool, NULL: */
    uint64_t                         upstream;  /* the location's, hashed */
} ngx_http_bell_cache_fetches_t;


typedef struct {
    ngx_http_bell_cache_zone_t      *zone;      /* NULL: off */
    bell_cache_policy                policy;
    bell_cache_query_rules           query;
    ngx_http_bell_cache_fetches_t    fetches;
    ngx_array_t                     *bypass;    /* complex values */
    ngx_array_t                     *exam;
    ngx_str_t                        name;
    bell_str                         hit;       /* "name;hit;ttl=" */
    bell_str                         origin;    /* of keys */
    time_t                           default_ttl;
    time_t                           heuristic_max;
    time_t                           default_swr;
    time_t                           default_sie;
    time_t                           stale_max;
    time_t                           uncacheable;
    ngx_msec_t                       wait;
    ngx_flag_t                       set_cookie;
    ngx_uint_t                       scope_optional;
    ngx_int_t                        early;     /* hundredths */
    ngx_flag_t                       client_control;
    unsigned                         query_set:1;
    unsigned                         no_upstream:1; /* as a fetch has seen */
} ngx_http_bell_cache_loc_conf_t;


/* ---- a request */

typedef struct ngx_http_bell_cache_load_s  ngx_http_bell_cache_load_t;
typedef struct ngx_http_bell_cache_parts_s  ngx_http_bell_cache_parts_t;


typedef struct {
    ngx_http_request_t               *request;
    ngx_pool_t                       *pool;     /* of what is found */
    ngx_http_bell_cache_main_conf_t  *bmcf;
    ngx_http_bell_cache_loc_conf_t   *blcf;
    ngx_http_bell_cache_zone_t       *zone;

    bell_cache_question               asked;    /* of everybody */
    bell_cache_request                control;
    bell_str                          key;      /* its bytes */
    bell_cache_hash                   hash;
    bell_cache_question               variant;  /* behind a fork */
    bell_str                          variant_key;
    bell_cache_hash                   variant_hash;
    bell_str                          role;
    bell_str                          subject;
    uint64_t                          url;      /* with "has_url" */

    ngx_http_bell_cache_found_t       found;    /* entry.kind 0: nothing */
    ngx_http_bell_cache_parts_t      *parts;    /* NULL: it is whole */

    ngx_http_bell_cache_ref_t         flight;
    ngx_http_bell_cache_load_t       *load;     /* its own, in this worker */
    ngx_queue_t                       queue;    /* zone->readers */
    ngx_event_t                       event;    /* what it waited for came */
    ngx_buf_t                        *piece;    /* on its way to the client */
    ngx_buf_t                        *rest;     /* of a load that has ended */
    ngx_pool_t                       *rest_pool;
    ngx_http_bell_cache_file_t       *file;     /* of a flight, to be read */
    uint64_t                          sent;     /* of the body */
    uint64_t                          confirmed;
    bell_str                          etag;     /* strong, of what he joined */
    ngx_uint_t                        tries;

    bell_cache_status                 status;
    ngx_http_bell_cache_metric_e      metric;

    unsigned                          exam:1;
    unsigned                          waits:1;  /* is in the queue */
    unsigned                          joined:1; /* another's flight */
    unsigned                          headed:1; /* its load has set a head */
    unsigned                          begun:1;  /* the head is sent */
    unsigned                          whole:1;  /* and the last of the body */
    unsigned                          fed:1;    /* its load fed it, and ended */
    unsigned                          fed_whole:1;
    unsigned                          passed:1; /* to the location's handler */
    unsigned                          unsafe:1; /* and changes something */
    unsigned                          told:1;   /* Cache-Status is written */
    unsigned                          has_url:1;
    unsigned                          nobody:1; /* the variant is nobody's */
} ngx_http_bell_cache_ctx_t;


/* ---- ngx_http_bell_cache_conf.c */

void *ngx_http_bell_cache_create_main_conf(ngx_conf_t *cf);
void *ngx_http_bell_cache_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_bell_cache_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
char *ngx_http_bell_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_bell_cache_query(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_bell_cache_early(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_bell_cache_purges(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


/* ---- ngx_http_bell_cache_zone.c: the lock, and what is under it */

char *ngx_http_bell_cache_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_http_bell_cache_zone_t *ngx_http_bell_cache_zone_of(ngx_conf_t *cf,
    ngx_str_t *name);

void ngx_http_bell_cache_lock(ngx_http_bell_cache_zone_t *zone);
void ngx_http_bell_cache_unlock(ngx_http_bell_cache_zone_t *zone);

/*
 * Under the lock: chains of so many bytes, others going as need be; 0: there
 * is no room.  A chain is somebody's until it was dropped as often as held.
 */
uint32_t ngx_http_bell_cache_take(ngx_http_bell_cache_zone_t *zone,
    uint64_t bytes);
ngx_int_t ngx_http_bell_cache_spare(ngx_http_bell_cache_zone_t *zone,
    uint64_t chunks);
void ngx_http_bell_cache_hold(ngx_http_bell_cache_zone_t *zone, uint32_t chain);
void ngx_http_bell_cache_drop(ngx_http_bell_cache_zone_t *zone, uint32_t chain);

/*
 * Under the lock: in place of what had that hash.  The chains are its own; it
 * is given a version, by which who copies tells it from all that was there, and
 * came there, while he did.
 */
ngx_int_t ngx_http_bell_cache_put(ngx_http_bell_cache_zone_t *zone,
    bell_cache_hash *hash, uint32_t tenant_id,
    ngx_http_bell_cache_entry_t *entry);
void ngx_http_bell_cache_remove(ngx_http_bell_cache_zone_t *zone,
    bell_cache_hash *hash);

/*
 * A copy of what has that hash and key, in "pool".  NGX_DECLINED: nothing;
 * NGX_ERROR: no memory of the process.
 */
ngx_int_t ngx_http_bell_cache_find(ngx_http_bell_cache_zone_t *zone,
    ngx_pool_t *pool, bell_cache_hash *hash, bell_str key,
    ngx_http_bell_cache_found_t *found);
/* Of its body into "out"; NGX_DECLINED: it has gone meanwhile. */
ngx_int_t ngx_http_bell_cache_copy_body(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_found_t *found, uint64_t at, u_char *out, size_t len);
ngx_int_t ngx_http_bell_cache_parse_head(bell_str bytes,
    ngx_http_bell_cache_found_t *found);

bell_cache_hash ngx_http_bell_cache_hash_of(ngx_http_bell_cache_zone_t *zone,
    bell_str key);


/* ---- ngx_http_bell_cache_flight.c */

typedef enum {
    NGX_HTTP_BELL_CACHE_STARTED,    /* the caller's to bring */
    NGX_HTTP_BELL_CACHE_JOINED,     /* somebody brings it */
    NGX_HTTP_BELL_CACHE_CHANGED,    /* what was found is not there any more */
    NGX_HTTP_BELL_CACHE_REFUSED,    /* too much is fetched, and too many wait */
    NGX_HTTP_BELL_CACHE_NO_ROOM
} ngx_http_bell_cache_join_e;


/* What a reader does when somebody brings it, or he himself. */

typedef enum {
    NGX_HTTP_BELL_CACHE_WAITS,      /* for it, in both cases */
    NGX_HTTP_BELL_CACHE_FIRST,      /* for his own only */
    NGX_HTTP_BELL_CACHE_BEHIND      /* for none */
} ngx_http_bell_cache_how_e;


/*
 * For the variant of a request, or what is everybody's; takes the lock.
 * STARTED: one reference is the load's, and another one the reader's if he
 * waits; JOINED: one if he waits.  Each is to be left.
 */
ngx_http_bell_cache_join_e ngx_http_bell_cache_join(
    ngx_http_bell_cache_ctx_t *ctx, ngx_http_bell_cache_how_e how,
    ngx_http_bell_cache_ref_t *ref);
void ngx_http_bell_cache_leave(ngx_http_bell_cache_zone_t *zone,
    const ngx_http_bell_core_api_t *core, ngx_http_bell_cache_ref_t *ref);
/* One that nobody joins, for a load of this request's own; it is the load's. */
ngx_http_bell_cache_join_e ngx_http_bell_cache_alone(
    ngx_http_bell_cache_ctx_t *ctx, ngx_http_bell_cache_ref_t *ref);
/* Of a load: it gives its place back, too. */
void ngx_http_bell_cache_land(ngx_http_bell_cache_zone_t *zone,
    const ngx_http_bell_core_api_t *core, ngx_http_bell_cache_ref_t *ref);

/* The one that is meant, or NULL: the zone has begun anew. */
ngx_http_bell_cache_flight_t *ngx_http_bell_cache_flight(
    ngx_http_bell_cache_zone_t *zone, ngx_http_bell_cache_ref_t *ref);

/* Under the lock: chains for "entry"; NGX_DECLINED: there is no room. */
ngx_int_t ngx_http_bell_cache_flight_take(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight, uint64_t head_bytes,
    uint64_t body_bytes);
ngx_int_t ngx_http_bell_cache_flight_grow(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight, uint64_t body_bytes);

/* Under the lock: nobody joins any more. */
void ngx_http_bell_cache_flight_ends(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight, ngx_http_bell_cache_state_e state);

/* Without the lock: all who wait for it, in whatever process. */
void ngx_http_bell_cache_wake(const ngx_http_bell_core_api_t *core,
    ngx_http_bell_cache_flight_t *flight);
/* Of a reader who looks once more, and waits then. */
void ngx_http_bell_cache_waits(const ngx_http_bell_core_api_t *core,
    ngx_http_bell_cache_flight_t *flight);

/* Takes the lock: flights of the dead are orphaned, their references given. */
void ngx_http_bell_cache_sweep(ngx_http_bell_cache_zone_t *zone,
    const ngx_http_bell_core_api_t *core);
/* All of a zone that begins anew, under the lock. */
void ngx_http_bell_cache_flights_reset(ngx_http_bell_cache_shared_t *sh);
size_t ngx_http_bell_cache_flights_size(void);
ngx_uint_t ngx_http_bell_cache_flights_most(void);


/* ---- ngx_http_bell_cache_places.c: how many fetch at once */

char *ngx_http_bell_cache_fetches(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
size_t ngx_http_bell_cache_places_size(void);

/* The pool that a request's fetch would go to, as a number; before the lock. */
uint64_t ngx_http_bell_cache_pool(ngx_http_bell_cache_ctx_t *ctx);
/* Under the lock: for a new flight.  Who goes for it is told by tell(). */
bell_place ngx_http_bell_cache_place(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight, uint64_t pool,
    ngx_http_bell_cache_how_e how);
bell_place ngx_http_bell_cache_place_of(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight);
/* Under the lock, too: somebody waits for it from now on, or nobody. */
void ngx_http_bell_cache_place_behind(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight, ngx_uint_t behind);
void ngx_http_bell_cache_place_give(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight);
/* Without the lock, behind these: the processes that have to look. */
void ngx_http_bell_cache_tell_owners(ngx_http_bell_cache_zone_t *zone,
    const ngx_http_bell_core_api_t *core);

/* It begins when it has a place, which may be now. */
void ngx_http_bell_cache_load_queue(ngx_http_bell_cache_load_t *load);
/* Those of this process whose turn has come, or will not. */
void ngx_http_bell_cache_loads_woken(ngx_http_bell_cache_zone_t *zone);


/* ---- ngx_http_bell_cache_question.c: what is asked, as keys and rules */

/* NGX_OK: it is the cache's and has a key; NGX_DECLINED: it goes by. */
ngx_int_t ngx_http_bell_cache_passes(ngx_http_bell_cache_ctx_t *ctx);
void ngx_http_bell_cache_ask_url(ngx_http_bell_cache_ctx_t *ctx);
/* The key of the part that this byte is in. */
ngx_int_t ngx_http_bell_cache_ask_part(ngx_http_bell_cache_ctx_t *ctx,
    uint64_t at);
/* The key of the variant that this request is to have. */
ngx_int_t ngx_http_bell_cache_ask_variant(ngx_http_bell_cache_ctx_t *ctx,
    bell_cache_scope scope, bell_str names);
/*
 * Where answers are for each of those who are known, the key of what is for
 * all others.  NGX_DECLINED: this one is known.
 */
ngx_int_t ngx_http_bell_cache_ask_nobody(ngx_http_bell_cache_ctx_t *ctx,
    bell_str names);
bell_fields ngx_http_bell_cache_fields_in(ngx_http_request_t *r);
bool ngx_http_bell_cache_list_field(void *data, bell_str name, unsigned nth,
    bell_str *value);
ngx_uint_t ngx_http_bell_cache_is_set(ngx_http_request_t *r,
    ngx_array_t *values);


/* ---- ngx_http_bell_cache_reader.c */

ngx_int_t ngx_http_bell_cache_handler(ngx_http_request_t *r);
/* What has waited looks again; of a process that was woken. */
void ngx_http_bell_cache_woken(ngx_http_bell_cache_zone_t *zone);
/* His load has something for him, or has ended. */
void ngx_http_bell_cache_tell_reader(ngx_http_bell_cache_ctx_t *ctx);


/* ---- ngx_http_bell_cache_room.c */

/* Memory for "size" bytes of a body, which lives as long as the request's pool. */
u_char *ngx_http_bell_cache_room_take(ngx_http_bell_cache_ctx_t *ctx,
    size_t size);


/* ---- ngx_http_bell_cache_watch.c */

/* A timer of this process, one of those in "bmcf"; it finds that again. */
void ngx_http_bell_cache_timer(ngx_http_bell_cache_main_conf_t *bmcf,
    ngx_event_t *ev, ngx_event_handler_pt handler, ngx_msec_t ms);
ngx_http_bell_cache_main_conf_t *ngx_http_bell_cache_timer_conf(
    ngx_event_t *ev);
/* Whether those live who bring something, as long as somebody waits. */
void ngx_http_bell_cache_watch(ngx_http_bell_cache_main_conf_t *bmcf);


/* ---- ngx_http_bell_cache_answer.c */

/* The head of what was found, in r->headers_out. */
ngx_int_t ngx_http_bell_cache_answer(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_found_t *found, off_t length);
/* Of a load that is fed to its reader as it comes. */
ngx_int_t ngx_http_bell_cache_answer_as(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_request_t *from);
ngx_int_t ngx_http_bell_cache_push(ngx_http_request_t *r, bell_str name,
    bell_str value);
/* Whether his Range is about this version (If-Range). */
ngx_uint_t ngx_http_bell_cache_takes_range(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_found_t *found);
/* Cache-Status, once; what is hidden from clients is taken out. */
ngx_int_t ngx_http_bell_cache_tell(ngx_http_bell_cache_ctx_t *ctx);
void ngx_http_bell_cache_says(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_metric_e metric, bell_cache_outcome outcome);


/* ---- ngx_http_bell_cache_load.c */

/*
 * Brings an answer for a flight that was STARTED; "behind": nobody waits for
 * it.  Its reference is the load's.  NGX_ERROR: the flight has ended.
 */
ngx_int_t ngx_http_bell_cache_load(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_ref_t *flight, ngx_uint_t behind);
/* Its reader can take more, or has gone. */
void ngx_http_bell_cache_load_more(ngx_http_bell_cache_load_t *load);
void ngx_http_bell_cache_load_left(ngx_http_bell_cache_load_t *load);


/* ---- ngx_http_bell_cache_resume.c: what he joined is too large to share */

void ngx_http_bell_cache_may_resume(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_found_t *found);
/* The rest of it comes by a load of his own; NGX_DECLINED: it cannot. */
ngx_int_t ngx_http_bell_cache_resume(ngx_http_bell_cache_ctx_t *ctx);


/* ---- ngx_http_bell_cache_metrics.c */

ngx_int_t ngx_http_bell_cache_add_metrics(ngx_conf_t *cf,
    ngx_http_bell_cache_main_conf_t *bmcf);
const char *ngx_http_bell_cache_word(ngx_http_bell_cache_metric_e metric);


static ngx_inline bell_str
ngx_http_bell_cache_str(ngx_str_t *s)
{
    bell_str  b;

    b.p = (char *) s->data;
    b.len = s->len;

    return b;
}


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_CACHE_H_INCLUDED_ */
