/* Purges in Redis: the stream bell:purges has an entry SEQUENCE-0 for each, with the field p, a line of lua-free/bell_purge.h. An id stands there
 * once, and ids only rise, so that Redis itself keeps order and refuses a second one. Commands: XADD, XINFO. */
#ifndef FB_JOBS_PURGE_REDIS_H
#define FB_JOBS_PURGE_REDIS_H

#include <stdint.h>

#include "bell_str.h"
#include "origin/db/redis.h"

#define FB_PURGE_SEQUENCE_MAX (1ull << 53)

/* The highest number that the stream has had; 0: there is no stream. false: Redis is away, or refuses, which has been logged. */
bool fb_purge_redis_last(fb_redis *r, uint64_t *last) __attribute__((warn_unused_result));

/* Adds a line; one that is there already changes nothing. keep: about so many stay. false: Redis is away, or refuses, which has been logged. */
bool fb_purge_redis_add(fb_redis *r, uint64_t sequence, bell_str line, long keep) __attribute__((warn_unused_result));

#endif
