
/*
 * hiredis' reader makes objects of what Redis says; each begins here.  One
 * that is not made ends the connection.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_bell_redis_guard.h"


#define NGX_HTTP_BELL_REDIS_ELEMENTS  (1024 * 1024)    /* of a list */
#define NGX_HTTP_BELL_REDIS_DEPTH     8                /* of lists */


#if (HIREDIS_MAJOR >= 1)
typedef size_t  ngx_http_bell_redis_elements_t;
#else
typedef int     ngx_http_bell_redis_elements_t;
#endif


static ngx_uint_t ngx_http_bell_redis_is_asked(const redisReadTask *task);
static void *ngx_http_bell_redis_string(const redisReadTask *task, char *s,
    size_t len);
static void *ngx_http_bell_redis_list(const redisReadTask *task,
    ngx_http_bell_redis_elements_t n);
static void *ngx_http_bell_redis_integer(const redisReadTask *task,
    long long n);
static void *ngx_http_bell_redis_nil(const redisReadTask *task);
#if (HIREDIS_MAJOR >= 1)
static void *ngx_http_bell_redis_double(const redisReadTask *task, double n,
    char *s, size_t len);
static void *ngx_http_bell_redis_bool(const redisReadTask *task, int n);
#endif


/* hiredis' own, and those with ours in their place: the same for all */

static redisReplyObjectFunctions  ngx_http_bell_redis_theirs;
static redisReplyObjectFunctions  ngx_http_bell_redis_ours;


void
ngx_http_bell_redis_guard(redisAsyncContext *ac,
    ngx_http_bell_redis_guard_t *guard)
{
    if (ngx_http_bell_redis_ours.createNil == NULL) {
        ngx_http_bell_redis_theirs = *ac->c.reader->fn;

        ngx_http_bell_redis_ours = ngx_http_bell_redis_theirs;
        ngx_http_bell_redis_ours.createString = ngx_http_bell_redis_string;
        ngx_http_bell_redis_ours.createArray = ngx_http_bell_redis_list;
        ngx_http_bell_redis_ours.createInteger = ngx_http_bell_redis_integer;
        ngx_http_bell_redis_ours.createNil = ngx_http_bell_redis_nil;
#if (HIREDIS_MAJOR >= 1)
        ngx_http_bell_redis_ours.createDouble = ngx_http_bell_redis_double;
        ngx_http_bell_redis_ours.createBool = ngx_http_bell_redis_bool;
#endif
    }

    guard->asked = 0;
    guard->said = NULL;

    ac->c.reader->fn = &ngx_http_bell_redis_ours;
    ac->c.reader->privdata = guard;
}


/* An answer's own beginning is the end of a question. */

static ngx_uint_t
ngx_http_bell_redis_is_asked(const redisReadTask *task)
{
    ngx_http_bell_redis_guard_t *guard = task->privdata;

    if (task->parent) {
        return 1;
    }

    if (guard->asked) {
        guard->asked--;
        return 1;
    }

    /* an error is what Redis says to whom it sends away: hiredis knows it */

    if (task->type == REDIS_REPLY_ERROR) {
        return 1;
    }

    guard->said = "it answers what nobody has asked";

    return 0;
}


static void *
ngx_http_bell_redis_string(const redisReadTask *task, char *s, size_t len)
{
    size_t  i;

    /* an error goes to the log, where a line is a line */

    for (i = 0; task->type == REDIS_REPLY_ERROR && i < len; i++) {
        if ((u_char) s[i] < 0x20 || s[i] == 0x7f) {
            s[i] = '?';
        }
    }

    return ngx_http_bell_redis_is_asked(task)
           ? ngx_http_bell_redis_theirs.createString(task, s, len) : NULL;
}


static void *
ngx_http_bell_redis_list(const redisReadTask *task,
    ngx_http_bell_redis_elements_t n)
{
    ngx_uint_t                    depth;
    const redisReadTask          *t;
    ngx_http_bell_redis_guard_t  *guard;

    guard = task->privdata;
    depth = 0;

    for (t = task; t; t = t->parent) {
        depth++;
    }

    if ((size_t) n > NGX_HTTP_BELL_REDIS_ELEMENTS
        || depth > NGX_HTTP_BELL_REDIS_DEPTH)
    {
        guard->said = "it says more than anybody has asked for";
        return NULL;
    }

    return ngx_http_bell_redis_is_asked(task)
           ? ngx_http_bell_redis_theirs.createArray(task, n) : NULL;
}


static void *
ngx_http_bell_redis_integer(const redisReadTask *task, long long n)
{
    return ngx_http_bell_redis_is_asked(task)
           ? ngx_http_bell_redis_theirs.createInteger(task, n) : NULL;
}


static void *
ngx_http_bell_redis_nil(const redisReadTask *task)
{
    return ngx_http_bell_redis_is_asked(task)
           ? ngx_http_bell_redis_theirs.createNil(task) : NULL;
}


#if (HIREDIS_MAJOR >= 1)

static void *
ngx_http_bell_redis_double(const redisReadTask *task, double n, char *s,
    size_t len)
{
    return ngx_http_bell_redis_is_asked(task)
           ? ngx_http_bell_redis_theirs.createDouble(task, n, s, len) : NULL;
}


static void *
ngx_http_bell_redis_bool(const redisReadTask *task, int n)
{
    return ngx_http_bell_redis_is_asked(task)
           ? ngx_http_bell_redis_theirs.createBool(task, n) : NULL;
}

#endif
