/* The publisher of the directory: a thread of `firstbell jobs` with connections of its own, for a job that takes long must not hold a change up.
 *
 * A change commits together with a mark (0013_directory.sql) and wakes every publisher (NOTIFY firstbell_directory). Whoever has the lock takes all
 * marks that are there and makes one delta of them, the next version, in one transaction; then it hands out what PostgreSQL keeps: to Redis, and to
 * the file. What was not handed out when it died is found missing by the next one, and once a second by all. */
#ifndef FB_JOBS_DIRECTORY_PUBLISH_H
#define FB_JOBS_DIRECTORY_PUBLISH_H

#include "origin/server/settings.h"

typedef struct fb_directory_publisher fb_directory_publisher;

/* Begins; signals must be blocked already. NULL: no memory, or no thread; a sentence was logged. */
fb_directory_publisher *fb_directory_publisher_start(const fb_settings *s) __attribute__((warn_unused_result));
/* Ends what is under way and gives everything back. */
void fb_directory_publisher_stop(fb_directory_publisher *p);

/* Publishes what there is, once, and waits for another publisher's lock. false: a sentence was logged. */
bool fb_directory_publish_once(const fb_settings *s) __attribute__((warn_unused_result));

#endif
