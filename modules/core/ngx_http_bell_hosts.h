
/*
 * Which tenant a host name belongs to, as a client or a module wrote it, with
 * what this process has found lately kept beside.
 *
 * What is kept is looked at before it is used: it is as good as a look into
 * the directory while the directory is the same, and when it is not, it is
 * used on if nothing has happened since to any name that it was found by.
 */

#ifndef _NGX_HTTP_BELL_HOSTS_H_INCLUDED_
#define _NGX_HTTP_BELL_HOSTS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_bell_directory.h"


#pragma GCC visibility push(hidden)


/*
 * In a process that answers requests: from here on it keeps what it finds, as
 * long as the pool lives.  Without memory it does not, and finds the same.
 */
void ngx_http_bell_hosts_keep(ngx_http_bell_directory_t *d, ngx_pool_t *pool);

/*
 * What find_host() wants to know of a host in the same turn of the loop.  What
 * is kept of it is on its way from memory from here on, so who has something
 * else to do does it in between.
 */
uint64_t ngx_http_bell_expect_host(ngx_http_bell_directory_t *d,
    ngx_str_t *host);

/*
 * No name, or one that no tenant can have, can only be the default tenant's.
 * NGX_DECLINED: it is nobody's, and *tenant is all zeros.
 */
ngx_int_t ngx_http_bell_find_host(ngx_http_bell_directory_t *d,
    ngx_str_t *host, uint64_t expected, bell_tenant *tenant,
    uint64_t *version);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_HOSTS_H_INCLUDED_ */
