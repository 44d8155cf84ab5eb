#include "origin/calendar/times.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "origin/calendar/ics.h"

#define DAY_S         86400
#define LASTS_MAX_S   (31 * (int64_t)DAY_S)
#define YEAR_MIN      1970
#define YEAR_MAX      2100
#define ZONE_NAME_MAX 63

static bool refuse(char why[FB_CALENDAR_WHY_BYTES], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(char why[FB_CALENDAR_WHY_BYTES], const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, FB_CALENDAR_WHY_BYTES, fmt, ap);
    va_end(ap);
    return false;
}

/* ---- zones */

/* A name of the tz database, never a path. */
static bool is_zone_name(const char *name) {
    size_t len = strlen(name);
    return len > 0 && len <= ZONE_NAME_MAX && name[0] >= 'A' && name[0] <= 'Z' && strstr(name, "//") == NULL && name[len - 1] != '/' &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") == len;
}

icaltimezone *fb_calendar_zone(const char *name) {
    return is_zone_name(name) ? icaltimezone_get_builtin_timezone(name) : NULL;
}

static bool zone_of(icalcomponent *root, icalproperty *p, const struct icaltimetype *value, icaltimezone *own, icaltimezone **zone,
                    char why[FB_CALENDAR_WHY_BYTES]) {
    icalparameter *param = icalproperty_get_first_parameter(p, ICAL_TZID_PARAMETER);
    const char *name = param ? icalparameter_get_tzid(param) : NULL;

    if (icaltime_is_utc(*value)) {
        *zone = icaltimezone_get_utc_timezone();
    } else if (name && !value->is_date) {
        *zone = icalcomponent_get_timezone(root, name);
        *zone = *zone ? *zone : fb_calendar_zone(name[0] == '/' ? name + 1 : name);
    } else {
        *zone = own;
    }
    return *zone ||
           refuse(why, "%s has the time zone \"%.60s\", which is neither in the file nor known here", icalproperty_get_property_name(p), name);
}

/* ---- moments */

static bool is_time(const struct icaltimetype *t) {
    return t->year >= YEAR_MIN && t->year <= YEAR_MAX && t->month >= 1 && t->month <= 12 && t->day >= 1 &&
           t->day <= icaltime_days_in_month(t->month, t->year) && t->hour >= 0 && t->hour <= 23 && t->minute >= 0 && t->minute <= 59 &&
           t->second >= 0 && t->second <= 60;
}

/* The offset of a zone at a moment. */
static int64_t offset_at(icaltimezone *zone, int64_t at_s) {
    struct icaltimetype t = icaltime_from_timet_with_zone((time_t)at_s, 0, icaltimezone_get_utc_timezone());
    return icaltimezone_get_utc_offset_of_utc_time(zone, &t, NULL);
}

/* By the offset of the day before, where that is right; else by that of the day behind. So a time that is there twice, when clocks are set back, is
 * the first, and one that they leave out, when they are set forward, counts by the offset of before (RFC 5545, section 3.3.5). */
int64_t fb_calendar_seconds(struct icaltimetype local, icaltimezone *zone) {
    icaltimezone *utc = icaltimezone_get_utc_timezone();

    local.is_date = 0;
    int64_t naive_s = (int64_t)icaltime_as_timet_with_zone(local, utc);
    if (zone == utc) {
        return naive_s;
    }
    int64_t before_s = offset_at(zone, naive_s - DAY_S), after_s = offset_at(zone, naive_s + DAY_S);
    if (before_s != after_s && offset_at(zone, naive_s - before_s) != before_s && offset_at(zone, naive_s - after_s) == after_s) {
        return naive_s - after_s;
    }
    return naive_s - before_s;
}

bool fb_calendar_time_of(icalcomponent *root, icalproperty *p, struct icaltimetype value, icaltimezone *own, fb_calendar_time *out,
                         char why[FB_CALENDAR_WHY_BYTES]) {
    if (!is_time(&value)) {
        return refuse(why, "%s is no time from %d to %d", icalproperty_get_property_name(p), YEAR_MIN, YEAR_MAX);
    }
    if (!zone_of(root, p, &value, own, &out->zone, why)) {
        return false;
    }
    out->local = value;
    out->local.zone = NULL;
    out->local.is_daylight = 0;
    out->at_s = fb_calendar_seconds(out->local, out->zone);
    return true;
}

/* ---- how long */

static bool has_lasting_days(fb_calendar_when *w, int64_t days, char why[FB_CALENDAR_WHY_BYTES]) {
    w->days = (int)(days < 1 ? 1 : days);
    return (days >= 0 && days <= LASTS_MAX_S / DAY_S) || refuse(why, "it ends before it begins, or lasts longer than 31 days");
}

static bool has_lasting(fb_calendar_when *w, int64_t seconds, char why[FB_CALENDAR_WHY_BYTES]) {
    w->lasts_s = seconds;
    return (seconds >= 0 && seconds <= LASTS_MAX_S) || refuse(why, "it ends before it begins, or lasts longer than 31 days");
}

/* Days between two dates, whatever their hours are anywhere. */
static int64_t days_between(struct icaltimetype a, struct icaltimetype b) {
    icaltimezone *utc = icaltimezone_get_utc_timezone();
    return (fb_calendar_seconds(b, utc) - fb_calendar_seconds(a, utc)) / DAY_S;
}

int64_t fb_calendar_duration_s(struct icaldurationtype d) {
    int64_t seconds = ((int64_t)d.weeks * 7 + d.days) * DAY_S + (int64_t)d.hours * 3600 + (int64_t)d.minutes * 60 + d.seconds;
    return d.is_neg ? -seconds : seconds;
}

static bool find_end(icalcomponent *root, icalcomponent *event, icaltimezone *own, fb_calendar_when *w, char why[FB_CALENDAR_WHY_BYTES]) {
    icalproperty *p = icalcomponent_get_first_property(event, ICAL_DTEND_PROPERTY);
    fb_calendar_time end = {.at_s = 0};

    if (p) {
        struct icaltimetype value = icalproperty_get_dtend(p);
        if (!fb_calendar_time_of(root, p, value, own, &end, why)) {
            return false;
        }
        if (value.is_date != w->start.local.is_date) {
            return refuse(why, "one of DTSTART and DTEND is a day, and the other has an hour");
        }
        return value.is_date ? has_lasting_days(w, days_between(w->start.local, end.local), why) : has_lasting(w, end.at_s - w->start.at_s, why);
    }
    p = icalcomponent_get_first_property(event, ICAL_DURATION_PROPERTY);
    if (p) {
        int64_t seconds = fb_calendar_duration_s(icalproperty_get_duration(p));
        return w->start.local.is_date ? has_lasting_days(w, seconds / DAY_S, why) : has_lasting(w, seconds, why);
    }
    return w->start.local.is_date ? has_lasting_days(w, 1, why) : has_lasting(w, 0, why);
}

int64_t fb_calendar_end_of(const fb_calendar_when *w, struct icaltimetype local, int64_t start_s) {
    if (!w->start.local.is_date) {
        return start_s + w->lasts_s;
    }
    icaltime_adjust(&local, w->days, 0, 0, 0);
    return fb_calendar_seconds(local, w->start.zone);
}

bool fb_calendar_when_of(icalcomponent *root, icalcomponent *event, icaltimezone *own, fb_calendar_when *out, char why[FB_CALENDAR_WHY_BYTES]) {
    icalproperty *p = icalcomponent_get_first_property(event, ICAL_DTSTART_PROPERTY);

    memset(out, 0, sizeof *out);
    if (!p) {
        return refuse(why, "it has no DTSTART");
    }
    if (!fb_calendar_time_of(root, p, icalproperty_get_dtstart(p), own, &out->start, why) || !find_end(root, event, own, out, why)) {
        return false;
    }
    out->end_s = fb_calendar_end_of(out, out->start.local, out->start.at_s);
    return true;
}
