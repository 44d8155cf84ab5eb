
/*
 * Verified signatures in shared memory (bell_sigcache.h): the zone and the
 * directive for it, "zone=NAME:SIZE [slot=SIZE]".  Compiled into each module
 * that has one; hidden, so that each has its own.
 */

#ifndef _NGX_HTTP_BELL_SIGCACHE_H_INCLUDED_
#define _NGX_HTTP_BELL_SIGCACHE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "bell_sigcache.h"


#pragma GCC visibility push(hidden)


typedef struct {
    ngx_shm_zone_t  *shm_zone;
    ngx_str_t        directive;
    void            *cells;
    size_t           slot_bytes;
} ngx_http_bell_sigcache_t;


/*
 * For the directive's handler; the pointer in "conf" is set.  The zone belongs
 * to the module, and has slots of slot_bytes unless it is said otherwise.
 */
char *ngx_http_bell_sigcache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf,
    ngx_module_t *module, size_t slot_bytes);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_SIGCACHE_H_INCLUDED_ */
