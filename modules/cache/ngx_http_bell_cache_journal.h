
/*
 * The journal of a zone with files, as its own files know it: ..._journal.c
 * writes what changes, ..._restart.c all at once, and reads it.
 */

#ifndef _NGX_HTTP_BELL_CACHE_JOURNAL_H_INCLUDED_
#define _NGX_HTTP_BELL_CACHE_JOURNAL_H_INCLUDED_


#include "ngx_http_bell_cache_shelf.h"


#pragma GCC visibility push(hidden)


/* Of what is written; another one is not read. */
uint64_t ngx_http_bell_cache_layout(void);
/* Which start of the machine this is. */
void ngx_http_bell_cache_boot(char *boot);
/* NGX_DECLINED: there is less. */
ngx_int_t ngx_http_bell_cache_read_at(ngx_fd_t fd, void *p, size_t len,
    off_t at);
/* "is_left": all is on disk, whatever becomes of the machine. */
ngx_int_t ngx_http_bell_cache_write_preface(
    ngx_http_bell_cache_zone_t *zone, ngx_fd_t fd, uint64_t slots,
    ngx_uint_t is_clean, ngx_uint_t is_left);

/* What was purged: parts that were changed; all. */
ngx_int_t ngx_http_bell_cache_write_purges(
    ngx_http_bell_cache_zone_t *zone);
/* NGX_DECLINED: nobody knows. */
ngx_int_t ngx_http_bell_cache_read_purges(
    ngx_http_bell_cache_zone_t *zone);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_CACHE_JOURNAL_H_INCLUDED_ */
