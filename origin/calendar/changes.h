/* What an import into a calendar does: mistakes with file and line, then all of it or nothing. */
#ifndef FB_CALENDAR_CHANGES_H
#define FB_CALENDAR_CHANGES_H

#include "origin/calendar/store.h"

typedef struct {
    const char *file; /* for people */
    fb_calendar_source source;
    bool whole; /* what is not in it is dropped, of that source */
} fb_calendar_from_where;

/* Takes the events in, in the transaction of t, and commits; or writes mistakes to standard error, leaves everything as it was, and records that. */
bool fb_calendar_take_in(fb_calendar_tenant *t, const fb_calendar_from_where *from, bell_str text) __attribute__((warn_unused_result));

/* What there is of the roster's academic sessions, as a calendar: the last day of each is a deadline. false: a sentence has been written. */
bool fb_calendar_of_roster(const fb_calendar_tenant *t, bell_buf *out) __attribute__((warn_unused_result));

#endif
