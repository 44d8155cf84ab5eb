/* bell_redis.h on libevent: the table of functions that its client asks of a loop, for one store on one event base. */
#ifndef FB_REDIS_LOOP_H
#define FB_REDIS_LOOP_H

#include "bell_redis.h"

struct event_base;
typedef struct fb_redis_loop fb_redis_loop;

/* On that base. Lines of the client's go to fb_log with `name` before them, which is borrowed; turned may be NULL. NULL: no memory. */
fb_redis_loop *fb_redis_loop_new(struct event_base *base, const char *name, void (*turned)(void *data, bool is_ready), void *data)
    __attribute__((warn_unused_result));
/* The store is of these options, and reached through fb_redis_loop_store(). false, and *reason: as of bell_redis_new(). */
bool fb_redis_loop_open(fb_redis_loop *l, const bell_redis_options *o, const char **reason) __attribute__((warn_unused_result));
bell_redis *fb_redis_loop_store(fb_redis_loop *l);
/* Closes the store, whose commands get their results, and takes all its events off the base. */
void fb_redis_loop_free(fb_redis_loop *l);

#endif
