/* Blocking Redis for `firstbell jobs`: one connection that is made when it is needed, bounded in time, and made again after a pause that grows.
 * Whether Redis is away is logged when it changes. */
#ifndef FB_REDIS_H
#define FB_REDIS_H

#include <hiredis/hiredis.h>

#include "origin/server/settings.h"

typedef struct fb_redis fb_redis;

/* For the settings redis, redis_user, redis_password_file and redis_timeout_ms; nothing is connected yet. NULL: no memory. Freed with
 * fb_redis_free. */
fb_redis *fb_redis_new(const fb_settings *s) __attribute__((warn_unused_result));
void fb_redis_free(fb_redis *r);

/* Leaves it to another connection of the process to say that Redis is away and back. */
void fb_redis_hush(fb_redis *r);

/* The setting names a Redis. */
bool fb_redis_is_set(const fb_settings *s);

/* One command of argc words of those lengths. NULL: Redis is away, or its pause is not over. A reply may be an error of Redis' own; it is freed with
 * freeReplyObject. */
redisReply *fb_redis_do(fb_redis *r, int argc, const char **argv, const size_t *lengths) __attribute__((warn_unused_result));

/* Writes the line about a reply that is an error Redis keeps giving (NOPERM, OOM, READONLY), once until fb_redis_is_well. */
void fb_redis_complain(fb_redis *r, const char *what, const redisReply *reply);
void fb_redis_is_well(fb_redis *r);

#endif
