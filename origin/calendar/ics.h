/* Events of an iCalendar file (RFC 5545), read with libical from what text.h leaves of it, and checked: what is here can be laid out (expand.h).
 *
 * Of which kind an event is, its CATEGORIES say (bell, exam, deadline); where they do not, the first word of its SUMMARY does ("Exam: algebra"). */
#ifndef FB_CALENDAR_ICS_H
#define FB_CALENDAR_ICS_H

#include <libical/ical.h>

#include "origin/calendar/text.h"

#define FB_CALENDAR_UID_MAX     255
#define FB_CALENDAR_SUMMARY_MAX 800 /* bytes; what is longer is cut */

typedef enum { FB_CALENDAR_UNKNOWN, FB_CALENDAR_BELL, FB_CALENDAR_EXAM, FB_CALENDAR_DEADLINE } fb_calendar_kind;

/* "bell", "exam", "deadline"; NULL for another value. */
const char *fb_calendar_kind_name(fb_calendar_kind k);
/* FB_CALENDAR_UNKNOWN: it is none of them. Letters of either case. */
fb_calendar_kind fb_calendar_kind_of(bell_str word);

/* All that has one UID: the event itself, and those of its recurrences that are otherwise (RECURRENCE-ID). */
typedef struct {
    const char *uid;
    char summary[FB_CALENDAR_SUMMARY_MAX + 1];
    fb_calendar_kind kind;
    bool is_cancelled; /* all of it */
    unsigned line;
    icalcomponent *master;  /* NULL: recurrences alone */
    icalcomponent **others; /* with a RECURRENCE-ID */
    size_t nothers;
    const size_t *parts; /* of the text: 1 + nothers, or nothers */
    size_t nparts;
} fb_calendar_event;

/* What was found: a mistake, or that something was passed over. `line` 0: about the whole file. */
typedef void (*fb_calendar_note)(void *arg, unsigned line, bool is_mistake, const char *sentence);

typedef struct {
    fb_calendar_text text;
    icalcomponent *root; /* has the time zones, and all events as children */
    icalcomponent **components;
    size_t *order; /* parts of the text, those of one UID next to each other */
    fb_calendar_event *events;
    size_t nevents;
    size_t skipped; /* UIDs of no known kind */
} fb_calendar;

/* false: there were mistakes. zone: the district's, in which times without one are. To be given back in either case. */
bool fb_calendar_read(fb_calendar *c, bell_str file, icaltimezone *zone, fb_calendar_note note, void *arg) __attribute__((warn_unused_result));
void fb_calendar_fini(fb_calendar *c);

/* A file with that event alone, from which it can be read again. false: no memory, or larger than 256 KiB. */
bool fb_calendar_write_event(const fb_calendar *c, const fb_calendar_event *e, bell_buf *out) __attribute__((warn_unused_result));

/* A time zone of the system's by its name (America/New_York, UTC). NULL: there is none. Owned by libical. */
icaltimezone *fb_calendar_zone(const char *name);

#endif
