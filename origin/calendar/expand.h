/* When an event takes place: its recurrences (RFC 5545, sections 3.8.5 and 3.3.10) within a span of time, as moments. */
#ifndef FB_CALENDAR_EXPAND_H
#define FB_CALENDAR_EXPAND_H

#include "origin/calendar/ics.h"
#include "origin/calendar/times.h"

#define FB_CALENDAR_DAYS_AHEAD 400  /* for which events are laid out; `firstbell jobs` goes on from there */
#define FB_CALENDAR_SPANS_MAX  4400 /* of one event within them */
#define FB_CALENDAR_STEPS_MAX                                                                                                                        \
    20000000 /* recurrences, also past ones, that are looked at for one file, or for one district that is laid out further */

typedef struct {
    int64_t start_s, end_s; /* Unix seconds */
} fb_calendar_span;

typedef struct {
    fb_calendar_span *all; /* in order, no two with one beginning */
    size_t n, room;
    bool has_more; /* behind the last moment that was asked for, there may be */
} fb_calendar_spans;

/* Those that are not over at from_s and begin before to_s. steps: how many recurrences may be looked at; less those that were. false: a sentence in
 * why, without a capital and a full stop. To be given back with free(all) in either case. */
bool fb_calendar_expand(icalcomponent *root, const fb_calendar_event *e, icaltimezone *own, int64_t from_s, int64_t to_s, unsigned *steps,
                        fb_calendar_spans *out, char why[FB_CALENDAR_WHY_BYTES]) __attribute__((warn_unused_result));

#endif
