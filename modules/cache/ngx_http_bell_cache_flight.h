
/*
 * Flights, as their own files know them (see ngx_http_bell_cache_flight.c).
 * All of it under the lock.
 */

#ifndef _NGX_HTTP_BELL_CACHE_FLIGHT_H_INCLUDED_
#define _NGX_HTTP_BELL_CACHE_FLIGHT_H_INCLUDED_


#include "ngx_http_bell_cache.h"


#pragma GCC visibility push(hidden)


/* Who has the slot from now on: the references of who had it before are gone. */
void ngx_http_bell_cache_flight_enter(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_process_t self);

/* The one of that hash; NULL: there is none that could be joined. */
ngx_http_bell_cache_flight_t *ngx_http_bell_cache_flight_find(
    ngx_http_bell_cache_shared_t *sh, bell_cache_hash *hash);
/* NULL: there are too many, of this tenant or in all. */
ngx_http_bell_cache_flight_t *ngx_http_bell_cache_flight_new(
    ngx_http_bell_cache_shared_t *sh, bell_cache_hash *hash,
    uint32_t tenant_id);
/* It is found no more. */
void ngx_http_bell_cache_flight_unlink(ngx_http_bell_cache_shared_t *sh,
    ngx_http_bell_cache_flight_t *flight);
/* Its chains are given back; nobody has a reference. */
void ngx_http_bell_cache_flight_free(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight);
void ngx_http_bell_cache_flight_refs(ngx_http_bell_cache_flight_t *flight,
    ngx_uint_t slot, ngx_int_t n);
/* NGX_DECLINED: it may not have so many chunks more. */
ngx_int_t ngx_http_bell_cache_flight_room(ngx_http_bell_cache_zone_t *zone,
    ngx_http_bell_cache_flight_t *flight, uint64_t chunks);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_CACHE_FLIGHT_H_INCLUDED_ */
