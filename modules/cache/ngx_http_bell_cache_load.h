
/*
 * A load, as its own files know it (see ngx_http_bell_cache_load.c).
 */

#ifndef _NGX_HTTP_BELL_CACHE_LOAD_H_INCLUDED_
#define _NGX_HTTP_BELL_CACHE_LOAD_H_INCLUDED_


#include "bell_fields.h"

#include "ngx_http_bell_cache.h"


#pragma GCC visibility push(hidden)


typedef struct {
    bell_str                      name;
    bell_str                      value;
} ngx_http_bell_cache_line_t;


struct ngx_http_bell_cache_load_s {
    ngx_http_bell_cache_fetch_t   fetch;
    ngx_pool_t                   *pool;

    ngx_http_bell_cache_ctx_t     ctx;      /* what is asked, of its own */
    ngx_http_bell_cache_ctx_t    *reader;   /* who has begun it, or NULL */
    ngx_http_bell_cache_ref_t     flight;
    ngx_http_bell_cache_found_t   stale;    /* entry.kind 0: nothing */

    ngx_queue_t                   queue;    /* zone->loads */
    ngx_event_t                   turn;     /* has not come for so long */

    uint64_t                      checked;  /* purges, when it began */
    ngx_msec_t                    begun_ms;

    bell_response_meta            meta;
    ngx_array_t                   lines;    /* of its fields */

    int64_t                       length;   /* of the body, -1: not known */
    uint64_t                      complete; /* of what it is a part of, or 0 */
    uint64_t                      written;
    uint64_t                      ignored;
    uint64_t                      skips;    /* that its reader has already */
    ngx_buf_t                    *piece;    /* for its reader */

    uint64_t                      file_id;  /* 0: there is none */
    ngx_fd_t                      file_fd;
    uint32_t                      file_crc; /* of the body */
    ngx_buf_t                    *batch;    /* came, and is not in it yet */
    ngx_queue_t                   batches;  /* zone->batches */
    ngx_event_t                   flush;

    ngx_queue_t                   passing;  /* zone->passing */
    ngx_event_t                   lag;      /* somebody has been waited for */
    uint64_t                      lag_at;   /* "written" when that began, */
    uint64_t                      lag_low;  /* and who is below is left */
    ngx_msec_t                    lag_since;
    ngx_msec_t                    lag_ms;

    unsigned                      waits:1;  /* for a place */
    unsigned                      authorized:1;
    unsigned                      validates:1;
    unsigned                      stores:1; /* in the flight's chains */
    unsigned                      feeds:1;  /* its reader, and nobody else */
    unsigned                      ended:1;  /* the flight is told */
    unsigned                      full:1;   /* the zone had no room */
    unsigned                      too_long:1;   /* it is to have a window */
    unsigned                      passes:1; /* and has one, for all */
    unsigned                      stalled:1;
};


/* ---- ngx_http_bell_cache_store.c */

/* Its fields, as they are judged and as they are kept. */
ngx_int_t ngx_http_bell_cache_gather(ngx_http_bell_cache_load_t *load,
    ngx_http_request_t *r);
/* NGX_DECLINED: it is not stored, for that reason. */
ngx_int_t ngx_http_bell_cache_store(ngx_http_bell_cache_load_t *load,
    ngx_http_request_t *r, bell_store_verdict *verdict);
/* That answers to this are not stored, for so many seconds. */
void ngx_http_bell_cache_remember(ngx_http_bell_cache_load_t *load,
    bell_store_verdict verdict, time_t seconds);


/* What may be stored of it: of a part, a part. */
bell_cache_policy ngx_http_bell_cache_policy(ngx_http_bell_cache_load_t *load);


/* Parts of it, for who makes another head. */
bool ngx_http_bell_cache_line_at(void *data, unsigned i, bell_str *name,
    bell_str *value);
void ngx_http_bell_cache_rules(ngx_http_bell_cache_load_t *load,
    bell_response_meta *meta, bell_stored_rules *rules);
bell_cache_scope ngx_http_bell_cache_scope_of(bell_response_scope scope);
/* NGX_DECLINED: it is longer than a head may be. */
ngx_int_t ngx_http_bell_cache_compose(ngx_http_bell_cache_load_t *load,
    bell_str key, bell_str names, bell_cache_scope scope,
    const bell_cache_tags *tags, bell_str fields, bell_str *out);


/* ---- ngx_http_bell_cache_batch.c: what comes is written together */

/*
 * Of a flight whose body is in a file; as a sink's body(): what cannot be
 * written, or is too much, goes to the load's reader alone.
 */
ssize_t ngx_http_bell_cache_batch(ngx_http_bell_cache_load_t *load,
    ngx_http_bell_cache_flight_t *flight, u_char *p, size_t len);
/* Nothing more comes. */
void ngx_http_bell_cache_batch_ends(ngx_http_bell_cache_load_t *load);
/* Of a process that was woken: somebody may have come to wait. */
void ngx_http_bell_cache_batches_woken(ngx_http_bell_cache_zone_t *zone);


/* ---- ngx_http_bell_cache_window.c: what is not kept, and passed on to all */

/* Others than its reader wait for it, and each of them could go on alone. */
ngx_uint_t ngx_http_bell_cache_window_may(ngx_http_bell_cache_load_t *load,
    ngx_http_request_t *r);
/* That it is too large: who looks again, for a part of it, finds that. */
void ngx_http_bell_cache_window_known(ngx_http_bell_cache_load_t *load);
/* Under the lock, chains for it and a head; NGX_DECLINED: there is no room. */
ngx_int_t ngx_http_bell_cache_window_take(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight, uint64_t head_bytes);
/*
 * What has come so far is the first of it, and what is in the batch behind
 * that.  NGX_DECLINED: nobody else waits for it, or there is no room.
 */
ngx_int_t ngx_http_bell_cache_window_begin(ngx_http_bell_cache_load_t *load);
void ngx_http_bell_cache_window_has(ngx_http_bell_cache_load_t *load);
/* What comes of what is too large; as a sink's body(). */
ssize_t ngx_http_bell_cache_load_pass(ngx_http_bell_cache_load_t *load,
    u_char *p, size_t len);
/* As a sink's body(). */
ssize_t ngx_http_bell_cache_window_write(ngx_http_bell_cache_load_t *load,
    u_char *p, size_t len);
void ngx_http_bell_cache_window_ends(ngx_http_bell_cache_load_t *load,
    ngx_uint_t whole);
/* Of a process that was woken: there may be room again, or nobody left. */
void ngx_http_bell_cache_windows_woken(ngx_http_bell_cache_zone_t *zone);


/* ---- ngx_http_bell_cache_confirm.c */

/* A 304: what is stored is true. */
ngx_int_t ngx_http_bell_cache_confirm(ngx_http_bell_cache_load_t *load);


/* ---- ngx_http_bell_cache_adds.c */

#define NGX_HTTP_BELL_CACHE_ADDS  3

/* Fields for the origin about what is stored, and about a part; how many. */
ngx_uint_t ngx_http_bell_cache_adds(ngx_http_bell_cache_load_t *load,
    ngx_table_elt_t *adds);
/* Of clients' fields those that are not for the origin. */
ngx_uint_t ngx_http_bell_cache_drops(ngx_str_t *name);
/* What came is the part that was asked for. */
ngx_uint_t ngx_http_bell_cache_is_part(ngx_http_bell_cache_load_t *load,
    ngx_http_request_t *r);


/* ---- ngx_http_bell_cache_load.c */

/* What is asked, of its own: the reader may go at any time. */
ngx_int_t ngx_http_bell_cache_load_copy(ngx_http_bell_cache_load_t *load,
    ngx_http_bell_cache_ctx_t *ctx);
/* To its reader, and nobody else. */
ssize_t ngx_http_bell_cache_load_feed(ngx_http_bell_cache_load_t *load,
    u_char *p, size_t len);
void ngx_http_bell_cache_load_done(ngx_http_bell_cache_fetch_t *fetch,
    ngx_uint_t whole);
/* What was written until now can be read: those who wait are told. */
void ngx_http_bell_cache_load_has(ngx_http_bell_cache_load_t *load);
/*
 * It is stored no more: all who have begun get the rest by a window, or its
 * reader alone does, and what is in the batch is the first of that.
 * NGX_ERROR: nobody wants it.
 */
ngx_int_t ngx_http_bell_cache_load_too_large(
    ngx_http_bell_cache_load_t *load);
/* It has a place. */
void ngx_http_bell_cache_load_begin(ngx_http_bell_cache_load_t *load);
void ngx_http_bell_cache_load_ends(ngx_http_bell_cache_zone_t *zone,
    const ngx_http_bell_core_api_t *core, ngx_http_bell_cache_ref_t *ref,
    ngx_http_bell_cache_state_e state, ngx_uint_t status);
void ngx_http_bell_cache_load_failed(ngx_http_bell_cache_load_t *load,
    ngx_uint_t status);
/* Under the lock: what is there was asked for behind a change. */
ngx_uint_t ngx_http_bell_cache_is_newer(ngx_http_bell_cache_zone_t *zone,
    bell_cache_hash *hash, uint64_t checked);
ngx_int_t ngx_http_bell_cache_load_apart(ngx_http_bell_cache_load_t *load,
    bell_store_verdict verdict);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_CACHE_LOAD_H_INCLUDED_ */
