/* Times of an event as they stand in a file: which moment each is, in whose zone. */
#ifndef FB_CALENDAR_TIMES_H
#define FB_CALENDAR_TIMES_H

#include <libical/ical.h>
#include <stdbool.h>
#include <stdint.h>

#define FB_CALENDAR_WHY_BYTES 200

typedef struct {
    struct icaltimetype local; /* without a zone */
    icaltimezone *zone;
    int64_t at_s; /* Unix seconds; of a day its beginning */
} fb_calendar_time;

typedef struct {
    fb_calendar_time start;
    int64_t lasts_s; /* of what has an hour */
    int days;        /* of days, at least 1 */
    int64_t end_s;
} fb_calendar_when;

/* The time `value` of a property: with TZID in a zone of `root` or of the system, in UTC with a Z, else in `own`. false: a sentence in why. */
bool fb_calendar_time_of(icalcomponent *root, icalproperty *p, struct icaltimetype value, icaltimezone *own, fb_calendar_time *out,
                         char why[FB_CALENDAR_WHY_BYTES]) __attribute__((warn_unused_result));

/* DTSTART with DTEND or DURATION of an event. false: a sentence in why. */
bool fb_calendar_when_of(icalcomponent *root, icalcomponent *event, icaltimezone *own, fb_calendar_when *out, char why[FB_CALENDAR_WHY_BYTES])
    __attribute__((warn_unused_result));

/* The same length from another beginning, a local time in that zone. */
int64_t fb_calendar_end_of(const fb_calendar_when *w, struct icaltimetype local, int64_t start_s);

/* Less than 0 when it is negative. */
int64_t fb_calendar_duration_s(struct icaldurationtype d);

/* Unix seconds of a local time in a zone. */
int64_t fb_calendar_seconds(struct icaltimetype local, icaltimezone *zone);

#endif
