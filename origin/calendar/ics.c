#include "origin/calendar/ics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "origin/calendar/times.h"

#define HEAD              "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Firstbell//calendar//EN\r\n"
#define TAIL              "END:VCALENDAR\r\n"
#define WRITTEN_MAX_BYTES 262144

/* of a time zone: rules, and how often the hours of one of them begin in two years */
#define ZONE_RULES_MAX   32
#define ZONE_CHANGES_MAX 4

static const char *const kind_names[] = {NULL, "bell", "exam", "deadline"};

typedef struct {
    fb_calendar *c;
    icaltimezone *zone;
    fb_calendar_note note;
    void *arg;
    bool has_mistakes;
} reader;

static void say(reader *r, unsigned line, bool is_mistake, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static void say(reader *r, unsigned line, bool is_mistake, const char *fmt, ...) {
    char sentence[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    r->has_mistakes = r->has_mistakes || is_mistake;
    r->note(r->arg, line, is_mistake, sentence);
}

const char *fb_calendar_kind_name(fb_calendar_kind k) {
    return k > FB_CALENDAR_UNKNOWN && k <= FB_CALENDAR_DEADLINE ? kind_names[k] : NULL;
}

fb_calendar_kind fb_calendar_kind_of(bell_str word) {
    for (int k = FB_CALENDAR_BELL; k <= FB_CALENDAR_DEADLINE; k++) {
        if (bell_str_ieq(word, bell_str_of(kind_names[k]))) {
            return (fb_calendar_kind)k;
        }
    }
    return FB_CALENDAR_UNKNOWN;
}

/* ---- parts */

/* libical leaves a note in place of what it could not read. */
static const char *fault_of(icalcomponent *c) {
    icalproperty *p = icalcomponent_get_first_property(c, ICAL_XLICERROR_PROPERTY);
    const char *text = p ? icalproperty_get_xlicerror(p) : NULL;

    for (icalcomponent *in = icalcomponent_get_first_component(c, ICAL_ANY_COMPONENT); !text && in;
         in = icalcomponent_get_next_component(c, ICAL_ANY_COMPONENT)) {
        text = fault_of(in);
    }
    return p && !text ? "it cannot be read" : text;
}

static icalcomponent *parse(reader *r, const fb_calendar_part *part, icalcomponent_kind kind) {
    bell_str text = fb_calendar_text_of(&r->c->text, part);
    char *copy = strndup(text.p, text.len);
    icalcomponent *c = copy ? icalparser_parse_string(copy) : NULL;
    const char *fault = c && icalcomponent_isa(c) == kind ? fault_of(c) : "it cannot be read";

    free(copy);
    if (fault) {
        say(r, part->line, true, "%s: %.200s", kind == ICAL_VEVENT_COMPONENT ? "the event is wrong" : "the time zone is wrong", fault);
        if (c) {
            icalcomponent_free(c);
        }
        return NULL;
    }
    return c;
}

/* Hours that begin more than a few times a year are none of a zone, and would be followed for long: libical lays out a zone's rules for all years. */
static bool is_seldom(struct icaltimetype start, struct icalrecurrencetype rule) {
    struct icaltimetype t;
    int n = 0;

    start.zone = NULL;
    rule.until = start;
    rule.until.year += 2;
    icalrecur_iterator *it = rule.freq == ICAL_YEARLY_RECURRENCE ? icalrecur_iterator_new(rule, start) : NULL;
    while (it && n <= ZONE_CHANGES_MAX && !icaltime_is_null_time(t = icalrecur_iterator_next(it)) && t.year < start.year + 2) {
        n++;
    }
    if (it) {
        icalrecur_iterator_free(it);
    }
    return it && n <= ZONE_CHANGES_MAX;
}

static bool are_hours_right(icalcomponent *c, int *rules) {
    bool ok = (icalcomponent_isa(c) == ICAL_XSTANDARD_COMPONENT || icalcomponent_isa(c) == ICAL_XDAYLIGHT_COMPONENT) &&
              icalcomponent_get_first_property(c, ICAL_DTSTART_PROPERTY) && icalcomponent_get_first_property(c, ICAL_TZOFFSETTO_PROPERTY) &&
              icalcomponent_get_first_property(c, ICAL_TZOFFSETFROM_PROPERTY);
    struct icaltimetype start = icalcomponent_get_dtstart(c); /* not in the loop: a component has one place where it is looked through */

    for (icalproperty *p = icalcomponent_get_first_property(c, ICAL_RRULE_PROPERTY); ok && p;
         p = icalcomponent_get_next_property(c, ICAL_RRULE_PROPERTY)) {
        ok = ++*rules <= ZONE_RULES_MAX && is_seldom(start, icalproperty_get_rrule(p));
    }
    return ok;
}

static bool is_zone_right(reader *r, const fb_calendar_part *part, icalcomponent *zone) {
    icalproperty *id = icalcomponent_get_first_property(zone, ICAL_TZID_PROPERTY);
    bool ok = id && icalproperty_get_tzid(id) && *icalproperty_get_tzid(id), has_hours = false;
    int rules = 0;

    for (icalcomponent *c = icalcomponent_get_first_component(zone, ICAL_ANY_COMPONENT); ok && c;
         c = icalcomponent_get_next_component(zone, ICAL_ANY_COMPONENT)) {
        ok = are_hours_right(c, &rules);
        has_hours = true;
    }
    if (!ok || !has_hours) {
        say(r, part->line, true,
            "the time zone is wrong: expected a TZID, and STANDARD or DAYLIGHT with DTSTART, TZOFFSETFROM, TZOFFSETTO and at most an RRULE that is "
            "yearly");
    }
    return ok && has_hours;
}

static bool add_zones(reader *r) {
    for (size_t i = 0; i < r->c->text.nzones; i++) {
        const fb_calendar_part *part = &r->c->text.zones[i];
        icalcomponent *zone = parse(r, part, ICAL_VTIMEZONE_COMPONENT);
        if (zone && !is_zone_right(r, part, zone)) {
            icalcomponent_free(zone);
        } else if (zone) {
            icalcomponent_add_component(r->c->root, zone);
        }
    }
    return !r->has_mistakes;
}

/* Empty: it has none. */
static const char *uid_of(icalcomponent *c) {
    icalproperty *p = icalcomponent_get_first_property(c, ICAL_UID_PROPERTY);
    const char *uid = p ? icalproperty_get_uid(p) : NULL;
    return uid ? uid : "";
}

static bool is_uid_right(const char *uid) {
    size_t len = strlen(uid);
    for (size_t i = 0; i < len; i++) { /* an escaped line feed is one by now */
        if ((unsigned char)uid[i] < ' ' || uid[i] == 0x7F) {
            return false;
        }
    }
    return len > 0 && len <= FB_CALENDAR_UID_MAX;
}

static void add_events(reader *r) {
    fb_calendar *c = r->c;

    for (size_t i = 0; i < c->text.nevents; i++) {
        const fb_calendar_part *part = &c->text.events[i];
        icalcomponent *event = parse(r, part, ICAL_VEVENT_COMPONENT);
        const char *uid = event ? uid_of(event) : "";
        if (event && !is_uid_right(uid)) {
            say(r, part->line, true, "the event has no UID of 1 to %d bytes, in one line", FB_CALENDAR_UID_MAX);
            icalcomponent_free(event);
            event = NULL;
        }
        if (event) {
            icalcomponent_add_component(c->root, event);
        }
        c->components[i] = event;
    }
}

/* ---- what an event says */

/* Words with commas between. */
static fb_calendar_kind kind_in(bell_str words) {
    fb_calendar_kind kind = FB_CALENDAR_UNKNOWN;
    while (words.len > 0 && kind == FB_CALENDAR_UNKNOWN) {
        kind = fb_calendar_kind_of(bell_str_trim(bell_str_cut(&words, ',')));
    }
    return kind;
}

static fb_calendar_kind kind_of(icalcomponent *c, const char *summary) {
    for (icalproperty *p = icalcomponent_get_first_property(c, ICAL_CATEGORIES_PROPERTY); p;
         p = icalcomponent_get_next_property(c, ICAL_CATEGORIES_PROPERTY)) {
        const char *words = icalproperty_get_categories(p);
        fb_calendar_kind kind = words ? kind_in(bell_str_of(words)) : FB_CALENDAR_UNKNOWN;
        if (kind != FB_CALENDAR_UNKNOWN) {
            return kind;
        }
    }
    return fb_calendar_kind_of((bell_str){summary, strcspn(summary, " :")});
}

/* Cut where a character ends; a line's end is a space. */
static void take_summary(fb_calendar_event *e, icalcomponent *c) {
    const char *text = icalcomponent_get_summary(c);
    size_t len = text ? strlen(text) : 0;

    len = len > FB_CALENDAR_SUMMARY_MAX ? FB_CALENDAR_SUMMARY_MAX : len;
    while (len > 0 && text[len] != '\0' && ((unsigned char)text[len] & 0xC0) == 0x80) {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        e->summary[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7F ? ' ' : text[i];
    }
    e->summary[len] = '\0';
}

static unsigned line_of(const reader *r, size_t part) {
    return r->c->text.events[part].line;
}

static bool is_rule_right(reader *r, unsigned line, icalcomponent *c) {
    icalproperty *p = icalcomponent_get_first_property(c, ICAL_RRULE_PROPERTY);
    struct icalrecurrencetype rule;

    if (icalcomponent_count_properties(c, ICAL_RRULE_PROPERTY) > 1 || icalcomponent_count_properties(c, ICAL_EXRULE_PROPERTY) > 0) {
        say(r, line, true, "the event has more than one RRULE, or an EXRULE; one RRULE with EXDATE and RDATE is expected");
        return false;
    }
    if (!p) {
        return true;
    }
    rule = icalproperty_get_rrule(p);
    if (rule.freq < ICAL_DAILY_RECURRENCE || rule.freq > ICAL_YEARLY_RECURRENCE || (rule.rscale && strcasecmp(rule.rscale, "GREGORIAN") != 0)) {
        say(r, line, true, "the event's RRULE is none that is followed: daily, weekly, monthly or yearly is expected");
        return false;
    }
    return true;
}

static bool has_range(icalcomponent *c) {
    icalproperty *p = icalcomponent_get_first_property(c, ICAL_RECURRENCEID_PROPERTY);
    return p && icalproperty_get_first_parameter(p, ICAL_RANGE_PARAMETER);
}

static void check_times(reader *r, unsigned line, fb_calendar_kind kind, icalcomponent *c) {
    char why[FB_CALENDAR_WHY_BYTES];
    fb_calendar_when when;

    if (has_range(c)) {
        say(r, line, true, "the event changes all recurrences from one on (RANGE); an event of its own from there on is expected");
    } else if (!fb_calendar_when_of(r->c->root, c, r->zone, &when, why)) {
        say(r, line, true, "the event is wrong: %s", why);
    } else if (kind == FB_CALENDAR_BELL && when.start.local.is_date) {
        say(r, line, true, "a bell has an hour, and this event is a day");
    }
}

/* The parts of one UID, order[0..n). */
static void take_group(reader *r, const size_t *parts, size_t n) {
    fb_calendar *c = r->c;
    fb_calendar_event *e = &c->events[c->nevents];
    icalcomponent *first = c->components[parts[0]];

    *e = (fb_calendar_event){.uid = uid_of(first), .line = line_of(r, parts[0]), .parts = parts, .nparts = n};
    e->others = calloc(n, sizeof(icalcomponent *));
    for (size_t i = 0; e->others && i < n; i++) {
        icalcomponent *part = c->components[parts[i]];
        if (icalcomponent_get_first_property(part, ICAL_RECURRENCEID_PROPERTY)) {
            e->others[e->nothers++] = part;
        } else if (e->master) {
            say(r, line_of(r, parts[i]), true, "the event has the UID of that in line %u", e->line);
        } else {
            e->master = part;
            e->line = line_of(r, parts[i]);
        }
    }
    take_summary(e, e->master ? e->master : first);
    e->kind = kind_of(e->master ? e->master : first, e->summary);
    e->is_cancelled = e->master && icalcomponent_get_status(e->master) == ICAL_STATUS_CANCELLED;
    c->nevents++; /* from here on it is given back with the others */
    if (!e->others) {
        say(r, e->line, true, "there is no memory for it");
    }
}

static void check_group(reader *r, const fb_calendar_event *e) {
    for (size_t i = 0; i < e->nparts; i++) {
        icalcomponent *part = r->c->components[e->parts[i]];
        if (is_rule_right(r, line_of(r, e->parts[i]), part)) {
            check_times(r, line_of(r, e->parts[i]), e->kind, part);
        }
    }
}

static void forget_last(fb_calendar *c) {
    free(c->events[--c->nevents].others);
}

/* ---- all of it */

static const fb_calendar *sorted; /* the commands have one thread */

static int by_uid(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    int order = strcmp(uid_of(sorted->components[x]), uid_of(sorted->components[y]));
    return order ? order : (x > y) - (x < y);
}

static void take_events(reader *r) {
    fb_calendar *c = r->c;
    size_t n = 0;

    for (size_t i = 0; i < c->text.nevents; i++) {
        if (c->components[i]) {
            c->order[n++] = i;
        }
    }
    sorted = c;
    qsort(c->order, n, sizeof *c->order, by_uid);
    for (size_t i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && strcmp(uid_of(c->components[c->order[i]]), uid_of(c->components[c->order[next]])) == 0; next++) {
        }
        take_group(r, &c->order[i], next - i);
        const fb_calendar_event *e = &c->events[c->nevents - 1];
        if (e->kind == FB_CALENDAR_UNKNOWN) {
            say(r, e->line, false, "\"%.100s\" is no bell, exam or deadline and was passed over", e->summary);
            c->skipped++;
            forget_last(c);
        } else {
            check_group(r, e);
        }
    }
}

bool fb_calendar_read(fb_calendar *c, bell_str file, icaltimezone *zone, fb_calendar_note note, void *arg) {
    reader r = {.c = c, .zone = zone, .note = note, .arg = arg};
    char why[FB_CALENDAR_WHY_BYTES];
    unsigned line;

    memset(c, 0, sizeof *c);
    icalerror_set_errors_are_fatal(0);
    if (!fb_calendar_text_read(file, &c->text, &line, why, sizeof why)) {
        say(&r, line, true, "%s", why);
        return false;
    }
    c->root = icalcomponent_new_vcalendar();
    c->components = calloc(c->text.nevents + 1, sizeof(icalcomponent *));
    c->order = calloc(c->text.nevents + 1, sizeof *c->order);
    c->events = calloc(c->text.nevents + 1, sizeof *c->events);
    if (!c->root || !c->components || !c->order || !c->events) {
        say(&r, 0, true, "there is no memory for it");
    } else if (c->text.nevents == 0) {
        say(&r, 0, true, "there is no event in it");
    } else if (add_zones(&r)) {
        add_events(&r);
        take_events(&r);
    }
    return !r.has_mistakes;
}

void fb_calendar_fini(fb_calendar *c) {
    while (c->nevents > 0) {
        forget_last(c);
    }
    if (c->root) {
        icalcomponent_free(c->root);
    }
    free(c->components);
    free(c->order);
    free(c->events);
    fb_calendar_text_fini(&c->text);
    memset(c, 0, sizeof *c);
}

/* ---- one event as a file */

/* The zone's own line says its name; an event that names it has the same bytes behind "TZID=". */
static bool names_zone(const fb_calendar *c, const fb_calendar_event *e, const fb_calendar_part *zone) {
    bell_str rest = fb_calendar_text_of(&c->text, zone);
    char name[300];

    while (rest.len > 0) {
        bell_str line = bell_str_cut(&rest, '\n');
        if (line.len < sizeof "TZID:" || strncasecmp(line.p, "TZID:", 5) != 0) {
            continue;
        }
        snprintf(name, sizeof name, "%.*s", (int)(line.len - sizeof "TZID:"), line.p + 5); /* without the line's CR */
        for (size_t i = 0; i < e->nparts; i++) {
            bell_str text = fb_calendar_text_of(&c->text, &c->text.events[e->parts[i]]);
            if (memmem(text.p, text.len, name, strlen(name))) {
                return true;
            }
        }
    }
    return false;
}

bool fb_calendar_write_event(const fb_calendar *c, const fb_calendar_event *e, bell_buf *out) {
    bell_buf_init(out, WRITTEN_MAX_BYTES);
    bell_buf_add_z(out, HEAD);
    for (size_t i = 0; i < c->text.nzones; i++) {
        if (names_zone(c, e, &c->text.zones[i])) {
            bell_buf_add_str(out, fb_calendar_text_of(&c->text, &c->text.zones[i]));
        }
    }
    for (size_t i = 0; i < e->nparts; i++) {
        bell_buf_add_str(out, fb_calendar_text_of(&c->text, &c->text.events[e->parts[i]]));
    }
    bell_buf_add_z(out, TAIL);
    return !out->failed;
}
