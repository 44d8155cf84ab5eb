/* The reader of access events: a thread of `firstbell jobs` with connections of its own, for a job that takes long must not hold events up until
 * Redis drops them, and a flood of events must hold no job up.
 *
 * Every access_interval_ms it takes tenants out of the set in Redis and reads their streams, in turns of a few batches each; once a minute, and when
 * it begins, it looks at the streams of all tenants, for a reader that died had taken its tenants out of the set. Any number of readers may run. */
#ifndef FB_JOBS_ACCESS_READER_H
#define FB_JOBS_ACCESS_READER_H

#include "origin/server/settings.h"

typedef struct fb_access_reader fb_access_reader;

/* Begins, where the settings name a Redis; signals must be blocked already. false: no memory, or no thread; a sentence was logged. *out is NULL where
 * there is no Redis. */
bool fb_access_reader_start(const fb_settings *s, fb_access_reader **out) __attribute__((warn_unused_result));
/* Ends what is under way and gives everything back. */
void fb_access_reader_stop(fb_access_reader *r);

/* Reads what there is in the streams of all tenants, once. false: something could not be read; a sentence was logged. */
bool fb_access_read_once(const fb_settings *s) __attribute__((warn_unused_result));

#endif
