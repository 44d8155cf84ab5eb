
/*
 * What the other modules of the edge may use of core: the edge context of a
 * request, that is what has been found out about it on its way.
 *
 * nginx loads modules with global symbols, so core exports its
 * ngx_http_bell_core_module and nothing else.  The functions declared here
 * are for core's own files as yet; a module in a shared object of its own
 * will be given them as a versioned table.
 */

#ifndef _NGX_HTTP_BELL_CORE_H_INCLUDED_
#define _NGX_HTTP_BELL_CORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "bell_directory.h"


#pragma GCC visibility push(hidden)

/*
 * Lives in the pool of the main request and is shared by its subrequests.
 * It is a copy: nothing in it points into shared memory, so that a
 * connection that stays for hours keeps no version of the directory.
 */

typedef struct {
    bell_tenant    tenant;
    uint64_t       directory_version;   /* the one the tenant was found in */
} ngx_http_bell_ctx_t;


/*
 * NULL: "bell_tenant" is off here, the host is nobody's, or the request has
 * not come as far as the phase where tenants are told apart (an answer to
 * a malformed request, for one).  Survives internal redirects, error_page
 * and named locations, where nginx forgets r->ctx.
 */
ngx_http_bell_ctx_t *ngx_http_bell_core_get_ctx(ngx_http_request_t *r);


#pragma GCC visibility pop


extern ngx_module_t  ngx_http_bell_core_module;


#endif /* _NGX_HTTP_BELL_CORE_H_INCLUDED_ */
