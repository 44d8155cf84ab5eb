/* The lines of an iCalendar file (RFC 5545, section 3.1), before any library reads them: unfolded, bounded, and no more of them than is used. So a
 * mistake can be told with its line, and what nobody needs (descriptions, alarms, attachments) is not parsed at all. A control character is a '?'. */
#ifndef FB_CALENDAR_TEXT_H
#define FB_CALENDAR_TEXT_H

#include "bell_buf.h"

#define FB_CALENDAR_FILE_MAX_BYTES (8u << 20)
#define FB_CALENDAR_PART_MAX_BYTES 65536 /* of what is kept of one VEVENT or VTIMEZONE */
#define FB_CALENDAR_EVENTS_MAX     10000
#define FB_CALENDAR_ZONES_MAX      100

/* A component, from its BEGIN to its END, a line each, ended by CRLF. */
typedef struct {
    unsigned line; /* of its BEGIN */
    size_t at, len;
} fb_calendar_part;

typedef struct {
    bell_buf text;           /* the parts, one behind the other */
    fb_calendar_part *zones; /* VTIMEZONE */
    size_t nzones;
    fb_calendar_part *events; /* VEVENT */
    size_t nevents;
} fb_calendar_text;

/* Reads a file. false: `why` holds a sentence without a capital and a full stop, *line where (0: the whole file). To be given back in either case. */
bool fb_calendar_text_read(bell_str file, fb_calendar_text *out, unsigned *line, char *why, size_t why_len) __attribute__((warn_unused_result));
void fb_calendar_text_fini(fb_calendar_text *t);

static inline bell_str fb_calendar_text_of(const fb_calendar_text *t, const fb_calendar_part *p) {
    return (bell_str){t->text.p + p->at, p->len};
}

#endif
