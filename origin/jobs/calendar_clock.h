/* The calendar in `firstbell jobs`: a thread with a connection of its own, for an hour that has come must not wait for a job that takes long.
 *
 * Each time that something may begin or end, when a calendar was changed (NOTIFY firstbell_calendar), when the clock was set, and once a minute, it
 * has PostgreSQL bring what edges are told to what the calendars say of this moment (calendar_apply); what is to be told goes the way of all changes
 * of the directory. Nothing is remembered of the moment before, so that it does not matter who was away when.
 *
 * Ahead of an event it has the edges of the setting warm_edges warmed, one district after the other, by `firstbell warm`. */
#ifndef FB_JOBS_CALENDAR_CLOCK_H
#define FB_JOBS_CALENDAR_CLOCK_H

#include "origin/server/settings.h"

typedef struct fb_calendar_clock fb_calendar_clock;

/* NULL: no memory, or no thread; a sentence was logged. Signals must be blocked already. */
fb_calendar_clock *fb_calendar_clock_start(const fb_settings *s) __attribute__((warn_unused_result));
/* Ends what is under way, also a warming, and gives everything back. */
void fb_calendar_clock_stop(fb_calendar_clock *k);

/* Lays out what is to be laid out, and applies this moment, once; warms nothing. false: PostgreSQL could not be used; a sentence was logged. */
bool fb_calendar_clock_once(const fb_settings *s) __attribute__((warn_unused_result));

#endif
