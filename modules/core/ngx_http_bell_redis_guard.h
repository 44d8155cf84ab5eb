
/*
 * What Redis may say on a connection of ngx_http_bell_redis.h.
 */

#ifndef _NGX_HTTP_BELL_REDIS_GUARD_H_INCLUDED_
#define _NGX_HTTP_BELL_REDIS_GUARD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <hiredis/async.h>


#pragma GCC visibility push(hidden)


typedef struct {
    ngx_uint_t       asked;     /* commands that have no answer yet */
    const char      *said;      /* what was wrong, NULL: nothing */
} ngx_http_bell_redis_guard_t;


/*
 * From now on hiredis takes what nobody has asked, or nobody could want, for a
 * fault of the connection, which it ends.  By itself it would end the process:
 * it asserts that somebody has asked.  "guard" lives as long as the context.
 */
void ngx_http_bell_redis_guard(redisAsyncContext *ac,
    ngx_http_bell_redis_guard_t *guard);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_REDIS_GUARD_H_INCLUDED_ */
