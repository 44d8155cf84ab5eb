
/*
 * What is too long to be kept whole is kept in parts of one size, each of them
 * an object under a key of its own, a stored 206.  Who asks for a range of it,
 * or for all of it, is sent one part behind the other; what of them is not
 * there is fetched, as any object is.
 */

#ifndef _NGX_HTTP_BELL_CACHE_PARTS_H_INCLUDED_
#define _NGX_HTTP_BELL_CACHE_PARTS_H_INCLUDED_


#include "bell_range.h"

#include "ngx_http_bell_cache.h"


#pragma GCC visibility push(hidden)


/* of a request that is answered from parts */

struct ngx_http_bell_cache_parts_s {
    bell_range_wish               wish;
    bell_range                    range;    /* what he gets of it */
    uint64_t                      complete; /* bytes of the whole */
    uint64_t                      at;       /* the next one that he gets */
    bell_range                    part;     /* that it is in */
    bell_str                      etag;     /* of the first, strong, or empty */
    ngx_pool_t                   *pool;     /* of the part, behind the first */

    bell_str                      key;      /* of the whole */
    bell_cache_hash               hash;
    bell_str                      variant_key;
    bell_cache_hash               variant_hash;
    ngx_http_bell_cache_found_t   whole;    /* what was found of that */

    unsigned                      partial:1;    /* 206, else 200 */
    unsigned                      large:1;  /* it is known to be too long */
    unsigned                      peeks:1;  /* nothing is fetched for it yet */
    unsigned                      found:1;  /* the part is in the zone */
    unsigned                      open:1;   /* and is what it should be */
    unsigned                      nobody:1; /* is the variant */
};


/* How long parts are. */
uint64_t ngx_http_bell_cache_part_bytes(ngx_http_bell_cache_zone_t *zone);

/* It is a GET of one range of bytes. */
ngx_uint_t ngx_http_bell_cache_parts_wants(ngx_http_bell_cache_ctx_t *ctx);
/* What he wants of what is coming would be long in coming. */
ngx_uint_t ngx_http_bell_cache_parts_are_sooner(
    ngx_http_bell_cache_ctx_t *ctx, ngx_http_bell_cache_flight_t *flight);

/*
 * Of something that has so many bytes, or 0: not known.  "fetches": parts that
 * are not there are fetched, else they are looked for only.  NGX_ABORT: that
 * is none of this; otherwise as ngx_http_bell_cache_look().
 */
ngx_int_t ngx_http_bell_cache_parts(ngx_http_bell_cache_ctx_t *ctx,
    uint64_t complete, ngx_uint_t fetches);
/* The first part is not there: as if it had not been looked for. */
ngx_int_t ngx_http_bell_cache_parts_give_up(ngx_http_bell_cache_ctx_t *ctx);

/* It is known that the part is not to be had: he asks for himself. */
ngx_int_t ngx_http_bell_cache_parts_pass(ngx_http_bell_cache_ctx_t *ctx);

/* The part is ctx->found, and may be used. */
ngx_int_t ngx_http_bell_cache_parts_found(ngx_http_bell_cache_ctx_t *ctx);
/* Its head has come.  NGX_OK: what is behind it is for him. */
ngx_int_t ngx_http_bell_cache_parts_begin(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_found_t *found);
/*
 * In ctx->piece, as of ngx_http_bell_cache_next().  NGX_DECLINED: it is to be
 * looked for, by ngx_http_bell_cache_parts_next().
 */
ngx_int_t ngx_http_bell_cache_parts_piece(ngx_http_bell_cache_ctx_t *ctx,
    ngx_http_bell_cache_flight_t *flight);
ngx_int_t ngx_http_bell_cache_parts_next(ngx_http_bell_cache_ctx_t *ctx);

void ngx_http_bell_cache_parts_end(ngx_http_bell_cache_ctx_t *ctx);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_CACHE_PARTS_H_INCLUDED_ */
