/* The directory in Redis:
 *
 *   bell:directory:deltas     a stream; the entry VERSION-0 has the field d, the delta into that version
 *   bell:directory:snapshot   the newest snapshot that was put there
 *   bell:directory:version    the version of the last delta that was added: what a publisher has to go on from
 *
 * An edge takes the snapshot, then what the stream has behind its version. A snapshot is never older than where the stream begins. */
#ifndef FB_JOBS_DIRECTORY_REDIS_H
#define FB_JOBS_DIRECTORY_REDIS_H

#include <stdint.h>

#include "bell_str.h"
#include "origin/db/redis.h"

typedef struct {
    uint64_t version;  /* of the last delta; 0: there is none */
    uint64_t snapshot; /* 0: there is none */
} fb_directory_in_redis;

/* false: Redis is away. */
bool fb_directory_redis_look(fb_redis *r, fb_directory_in_redis *out) __attribute__((warn_unused_result));

/* Adds a delta; one that is there already, or an older one than the stream's last, changes nothing. keep: about so many stay. false: Redis is away
 * or refuses. */
bool fb_directory_redis_add(fb_redis *r, uint64_t version, bell_str delta, long keep) __attribute__((warn_unused_result));
bool fb_directory_redis_set(fb_redis *r, bell_str snapshot) __attribute__((warn_unused_result));

#endif
