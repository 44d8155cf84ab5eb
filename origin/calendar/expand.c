#include "origin/calendar/expand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX      200000 /* of one rule: daily for more than five hundred years */
#define EXCLUDED_MAX   4096
#define LOCAL_DAY(t)   ((int64_t)(t).year * 10000 + (t).month * 100 + (t).day)
#define NEVER_INCLUDED INT64_MIN

/* A recurrence that does not take place, or elsewhere: by its moment, or all of a day. */
typedef struct {
    int64_t at_s; /* NEVER_INCLUDED: of a day */
    int64_t day;
} excluded;

typedef struct {
    icalcomponent *root;
    icaltimezone *own;
    int64_t from_s, to_s;
    unsigned *steps; /* that may still be made */
    fb_calendar_when when;
    excluded *out_of; /* EXDATE, RECURRENCE-ID */
    size_t nout_of;
    fb_calendar_spans *spans;
    char *why;
} expansion;

static bool refuse(expansion *x, const char *why) {
    snprintf(x->why, FB_CALENDAR_WHY_BYTES, "%s", why);
    return false;
}

/* ---- spans */

static bool is_excluded(const expansion *x, struct icaltimetype local, int64_t start_s) {
    for (size_t i = 0; i < x->nout_of; i++) {
        const excluded *e = &x->out_of[i];
        if (e->at_s == NEVER_INCLUDED ? e->day == LOCAL_DAY(local) : e->at_s == start_s) {
            return true;
        }
    }
    return false;
}

static bool add(expansion *x, int64_t start_s, int64_t end_s) {
    fb_calendar_spans *s = x->spans;

    if (start_s >= x->to_s) {
        s->has_more = true;
        return true;
    }
    if (end_s < x->from_s) {
        return true;
    }
    if (s->n == FB_CALENDAR_SPANS_MAX) {
        return refuse(x, "it takes place more than 4400 times within 400 days");
    }
    if (s->n == s->room) {
        size_t room = s->room ? 2 * s->room : 64;
        fb_calendar_span *all = realloc(s->all, room * sizeof *all);
        if (!all) {
            return refuse(x, "there is no memory for it");
        }
        s->all = all;
        s->room = room;
    }
    s->all[s->n++] = (fb_calendar_span){start_s, end_s};
    return true;
}

static bool add_recurrence(expansion *x, struct icaltimetype local) {
    int64_t start_s = fb_calendar_seconds(local, x->when.start.zone);
    return is_excluded(x, local, start_s) || add(x, start_s, fb_calendar_end_of(&x->when, local, start_s));
}

static int by_start(const void *a, const void *b) {
    const fb_calendar_span *x = a, *y = b;
    return x->start_s != y->start_s ? (x->start_s > y->start_s) - (x->start_s < y->start_s) : (x->end_s < y->end_s) - (x->end_s > y->end_s);
}

/* Of two with one beginning the longer stays. */
static void put_in_order(fb_calendar_spans *s) {
    size_t n = 0;

    if (s->n == 0) {
        return;
    }
    qsort(s->all, s->n, sizeof *s->all, by_start);
    for (size_t i = 1; i < s->n; i++) {
        if (s->all[i].start_s != s->all[n].start_s) {
            s->all[++n] = s->all[i];
        }
    }
    s->n = n + 1;
}

/* ---- what is taken out */

static bool exclude(expansion *x, icalproperty *p, struct icaltimetype value) {
    fb_calendar_time t = {.at_s = 0};

    if (!fb_calendar_time_of(x->root, p, value, x->when.start.zone, &t, x->why)) {
        return false;
    }
    if (x->nout_of == EXCLUDED_MAX) {
        return refuse(x, "more than 4096 of its recurrences are taken out or changed");
    }
    bool is_day = value.is_date && !x->when.start.local.is_date;
    x->out_of[x->nout_of++] = (excluded){is_day ? NEVER_INCLUDED : t.at_s, LOCAL_DAY(t.local)};
    return true;
}

static bool find_excluded(expansion *x, const fb_calendar_event *e) {
    icalproperty *p = icalcomponent_get_first_property(e->master, ICAL_EXDATE_PROPERTY);
    bool ok = true;

    for (; ok && p; p = icalcomponent_get_next_property(e->master, ICAL_EXDATE_PROPERTY)) {
        ok = exclude(x, p, icalproperty_get_exdate(p));
    }
    for (size_t i = 0; ok && i < e->nothers; i++) {
        p = icalcomponent_get_first_property(e->others[i], ICAL_RECURRENCEID_PROPERTY);
        ok = exclude(x, p, icalproperty_get_recurrenceid(p));
    }
    return ok;
}

/* ---- rules */

/* Of a day all of it. */
static int64_t last_moment(const expansion *x, struct icaltimetype until) {
    if (icaltime_is_utc(until)) {
        return fb_calendar_seconds(until, icaltimezone_get_utc_timezone());
    }
    if (until.is_date) {
        until.hour = 23;
        until.minute = until.second = 59;
    }
    return fb_calendar_seconds(until, x->when.start.zone);
}

/* The iterator is given its bound as local time, as it counts, so that it ends there and not centuries later. */
static struct icaltimetype bound_of(const expansion *x, int64_t last_s) {
    struct icaltimetype t = icaltime_from_timet_with_zone((time_t)last_s, 0, x->when.start.zone);
    t.zone = NULL;
    if (x->when.start.local.is_date) {
        t.is_date = 1;
        t.hour = t.minute = t.second = 0;
    }
    return t;
}

static bool walk(expansion *x, icalrecur_iterator *it, int64_t last_s) {
    struct icaltimetype t;
    bool ok = true;

    for (unsigned steps = 0; ok && !icaltime_is_null_time(t = icalrecur_iterator_next(it)); steps++) {
        t.is_date = x->when.start.local.is_date;
        if (fb_calendar_seconds(t, x->when.start.zone) > last_s) {
            break;
        }
        if (*x->steps == 0) {
            return refuse(x, "this calendar has more recurrences, with those that are over, than can be looked at");
        }
        --*x->steps;
        ok = steps < STEPS_MAX ? add_recurrence(x, t) : refuse(x, "its RRULE has too many recurrences");
    }
    return ok;
}

static bool follow_rule(expansion *x, icalproperty *p) {
    struct icalrecurrencetype rule = icalproperty_get_rrule(p);
    int64_t last_s = x->to_s;

    if (!icaltime_is_null_time(rule.until)) {
        int64_t until_s = last_moment(x, rule.until);
        x->spans->has_more = x->spans->has_more || until_s > last_s;
        last_s = until_s < last_s ? until_s : last_s;
    } else {
        x->spans->has_more = true; /* with COUNT perhaps: it is seen when it is laid out again */
    }
    if (last_s < x->when.start.at_s) {
        return true;
    }
    rule.until = bound_of(x, last_s);
    icalrecur_iterator *it = icalrecur_iterator_new(rule, x->when.start.local);
    if (!it) {
        return refuse(x, "its RRULE cannot be followed");
    }
    bool ok = walk(x, it, last_s);
    icalrecur_iterator_free(it);
    return ok;
}

/* ---- dates that are added */

static bool add_date(expansion *x, icalproperty *p) {
    struct icaldatetimeperiodtype v = icalproperty_get_rdate(p);
    bool is_period = icaltime_is_null_time(v.time);
    fb_calendar_time start = {.at_s = 0}, end = {.at_s = 0};

    if (!fb_calendar_time_of(x->root, p, is_period ? v.period.start : v.time, x->when.start.zone, &start, x->why)) {
        return false;
    }
    if (is_excluded(x, start.local, start.at_s)) {
        return true;
    }
    int64_t end_s = fb_calendar_end_of(&x->when, start.local, start.at_s);
    if (is_period && !icaltime_is_null_time(v.period.end)) {
        if (!fb_calendar_time_of(x->root, p, v.period.end, x->when.start.zone, &end, x->why)) {
            return false;
        }
        end_s = end.at_s;
    } else if (is_period) {
        end_s = start.at_s + fb_calendar_duration_s(v.period.duration);
    }
    if (end_s < start.at_s || end_s - start.at_s > 31 * 86400) {
        return refuse(x, "a period of its RDATE ends before it begins, or lasts longer than 31 days");
    }
    return add(x, start.at_s, end_s);
}

static bool expand_master(expansion *x, const fb_calendar_event *e) {
    icalproperty *p;
    bool ok = fb_calendar_when_of(x->root, e->master, x->own, &x->when, x->why) && find_excluded(x, e) && add_recurrence(x, x->when.start.local);

    p = ok ? icalcomponent_get_first_property(e->master, ICAL_RRULE_PROPERTY) : NULL;
    ok = ok && (!p || follow_rule(x, p));
    p = ok ? icalcomponent_get_first_property(e->master, ICAL_RDATE_PROPERTY) : NULL;
    for (; ok && p; p = icalcomponent_get_next_property(e->master, ICAL_RDATE_PROPERTY)) {
        ok = add_date(x, p);
    }
    return ok;
}

/* Recurrences that are otherwise; one that is cancelled is only taken out. */
static bool expand_others(expansion *x, const fb_calendar_event *e) {
    fb_calendar_when when;
    bool ok = true;

    for (size_t i = 0; ok && i < e->nothers; i++) {
        if (icalcomponent_get_status(e->others[i]) != ICAL_STATUS_CANCELLED) {
            ok = fb_calendar_when_of(x->root, e->others[i], x->own, &when, x->why) && add(x, when.start.at_s, when.end_s);
        }
    }
    return ok;
}

bool fb_calendar_expand(icalcomponent *root, const fb_calendar_event *e, icaltimezone *own, int64_t from_s, int64_t to_s, unsigned *steps,
                        fb_calendar_spans *out, char why[FB_CALENDAR_WHY_BYTES]) {
    expansion x = {.root = root, .own = own, .from_s = from_s, .to_s = to_s, .steps = steps, .spans = out, .why = why};

    memset(out, 0, sizeof *out);
    if (e->is_cancelled) {
        return true;
    }
    x.out_of = calloc(EXCLUDED_MAX, sizeof *x.out_of);
    bool ok = x.out_of || refuse(&x, "there is no memory for it");
    ok = ok && (!e->master || expand_master(&x, e)) && expand_others(&x, e);
    free(x.out_of);
    if (ok) {
        put_in_order(out);
    }
    return ok;
}
