/* The relay of purges: a thread of `firstbell jobs` with connections of its own, for a job that takes long must not hold a purge up.
 *
 * A purge is a row (0016_purges.sql) that wakes every relay when it is committed (NOTIFY firstbell_purges). Whoever has the lock numbers what waits,
 * also while Redis is away, and adds to the stream in Redis (purge_redis.h) what is missing there. Nothing is noted about what was sent: the stream
 * itself knows its last number, so that a death between the two loses and doubles nothing, and a Redis that comes back empty is filled again. All
 * relays look once a second whether Redis has what it had. */
#ifndef FB_JOBS_PURGE_RELAY_H
#define FB_JOBS_PURGE_RELAY_H

#include "origin/server/settings.h"

typedef struct fb_purge_relay fb_purge_relay;

/* Begins, where the settings name a Redis; signals must be blocked already. false: no memory, or no thread; a sentence was logged. *out is NULL where
 * there is no Redis. */
bool fb_purge_relay_start(const fb_settings *s, fb_purge_relay **out) __attribute__((warn_unused_result));
/* Ends what is under way and gives everything back. */
void fb_purge_relay_stop(fb_purge_relay *r);

/* Numbers and sends what there is, once, and waits for another relay's lock. false: PostgreSQL could not be used; a sentence was logged. */
bool fb_purge_relay_once(const fb_settings *s) __attribute__((warn_unused_result));

#endif
