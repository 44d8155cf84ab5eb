#include "origin/calendar/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 32768 /* unfolded */
#define DEPTH_MAX      8

typedef struct {
    bell_str rest;
    unsigned number; /* of the line that is read next */
    unsigned line;   /* of the one in `text`, where it begins */
    bell_buf text;   /* it, unfolded */
    bell_str names[DEPTH_MAX];
    int depth;
    fb_calendar_part *part; /* of which lines are kept; NULL: of none */
    int part_depth;
    bool is_zone; /* the part is */
    fb_calendar_text *out;
    char *why;
    size_t why_len;
} reader;

static bool refuse(reader *r, const char *why) {
    snprintf(r->why, r->why_len, "%s", why);
    return false;
}

/* ---- lines */

/* One line as it stands in the file, without its end. */
static bell_str take_line(reader *r) {
    const char *end = memchr(r->rest.p, '\n', r->rest.len);
    size_t len = end ? (size_t)(end - r->rest.p) : r->rest.len;
    bell_str line = {r->rest.p, len};

    r->rest.p += len + (end != NULL);
    r->rest.len -= len + (end != NULL);
    r->number++;
    if (line.len > 0 && line.p[line.len - 1] == '\r') {
        line.len--;
    }
    return line;
}

static bool is_continued(const reader *r) {
    return r->rest.len > 0 && (r->rest.p[0] == ' ' || r->rest.p[0] == '\t');
}

/* The next line with those that continue it. false: the file has ended, or it is too long (the sentence is written). */
static bool next_line(reader *r, bool *ok) {
    *ok = true;
    if (r->rest.len == 0) {
        return false;
    }
    r->line = r->number;
    bell_buf_reset(&r->text);
    bell_buf_add_str(&r->text, take_line(r));
    while (is_continued(r)) {
        bell_str more = take_line(r);
        bell_buf_add(&r->text, more.p + 1, more.len - 1);
    }
    *ok = !r->text.failed || refuse(r, "the line is longer than 32768 bytes");
    return *ok;
}

/* ---- what is kept */

/* The name of a property: what stands before its first ';' or ':'. */
static bell_str name_of(bell_str line) {
    size_t n = 0;
    while (n < line.len && line.p[n] != ';' && line.p[n] != ':') {
        n++;
    }
    return (bell_str){line.p, n};
}

static bool is_used(bell_str name) {
    static const char *const used[] = {"UID",    "DTSTART", "DTEND",         "DURATION", "RRULE",  "RDATE",
                                       "EXDATE", "EXRULE",  "RECURRENCE-ID", "SUMMARY",  "STATUS", "CATEGORIES"};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) {
        if (bell_str_ieq(name, bell_str_of(used[i]))) {
            return true;
        }
    }
    return false;
}

/* Of control characters only tabs: what is kept is printed, and written to logs. */
static void add_line(bell_buf *out, bell_str line) {
    size_t at = out->len;

    bell_buf_add_str(out, line);
    bell_buf_add(out, "\r\n", 2);
    for (size_t i = at; !out->failed && i < at + line.len; i++) {
        unsigned char byte = (unsigned char)out->p[i];
        out->p[i] = (byte < ' ' && byte != '\t') || byte == 0x7F ? '?' : out->p[i];
    }
}

static bool is_name(bell_str name, const char *what) {
    return bell_str_ieq(name, bell_str_of(what));
}

/* Of an event its own lines, of a time zone those of its STANDARD and DAYLIGHT, too. */
static bool keep(reader *r) {
    add_line(&r->out->text, bell_buf_str(&r->text));
    r->part->len = r->out->text.len - r->part->at;
    if (r->out->text.failed) {
        return refuse(r, "there is no memory for it");
    }
    return r->part->len <= FB_CALENDAR_PART_MAX_BYTES ||
           refuse(r, r->is_zone ? "the time zone is larger than 65536 bytes" : "the event is larger than 65536 bytes");
}

static bool begin_part(reader *r, fb_calendar_part *parts, size_t *n, size_t most, const char *too_many) {
    if (*n == most) {
        return refuse(r, too_many);
    }
    r->part = &parts[(*n)++];
    *r->part = (fb_calendar_part){.line = r->line, .at = r->out->text.len};
    r->part_depth = r->depth;
    r->is_zone = parts == r->out->zones;
    return true;
}

static bool begin(reader *r, bell_str name) {
    if (r->depth == 0 ? !is_name(name, "VCALENDAR") : is_name(name, "VCALENDAR")) {
        return refuse(r, r->depth == 0 ? "BEGIN:VCALENDAR was expected: this is no calendar" : "a calendar begins within another one");
    }
    if (r->depth == DEPTH_MAX) {
        return refuse(r, "components stand in one another more than 8 deep");
    }
    bell_str kept = {strndup(name.p, name.len), name.len};
    if (!kept.p) {
        return refuse(r, "there is no memory for it");
    }
    r->names[r->depth++] = kept;
    bool ok = true;
    if (r->depth == 2 && is_name(name, "VEVENT")) {
        ok = begin_part(r, r->out->events, &r->out->nevents, FB_CALENDAR_EVENTS_MAX, "there are more than 10000 events");
    } else if (r->depth == 2 && is_name(name, "VTIMEZONE")) {
        ok = begin_part(r, r->out->zones, &r->out->nzones, FB_CALENDAR_ZONES_MAX, "there are more than 100 time zones");
    }
    return ok && (!r->part || (r->depth > r->part_depth && !r->is_zone) || keep(r));
}

static bool end(reader *r, bell_str name) {
    if (r->depth == 0 || !bell_str_ieq(name, r->names[r->depth - 1])) {
        return refuse(r, "it ends what has not begun, or before what stands in it has ended");
    }
    bool ok = !r->part || (r->depth > r->part_depth && !r->is_zone) || keep(r);
    if (r->part && r->depth == r->part_depth) {
        r->part = NULL;
    }
    free((char *)(uintptr_t)r->names[--r->depth].p);
    return ok;
}

static bool take(reader *r) {
    bell_str line = bell_buf_str(&r->text);

    if (line.len == 0) {
        return true;
    }
    bell_str name = name_of(line), value = {line.p + name.len, line.len - name.len};
    if (value.len == 0) {
        return refuse(r, "there is no colon in it");
    }
    if (is_name(name, "BEGIN") || is_name(name, "END")) {
        bell_str what = bell_str_trim((bell_str){value.p + 1, value.len - 1});
        return is_name(name, "BEGIN") ? begin(r, what) : end(r, what);
    }
    if (r->depth == 0) {
        return refuse(r, "BEGIN:VCALENDAR was expected: this is no calendar");
    }
    bool kept = r->part && (r->is_zone || (r->depth == r->part_depth && is_used(name)));
    return !kept || keep(r);
}

static bool read_all(reader *r) {
    bool ok = true;
    while (ok && next_line(r, &ok)) {
        ok = take(r);
    }
    if (ok && r->depth > 0) {
        ok = refuse(r, "the file ends within a component: it is not whole");
    } else if (ok && r->number == 1) {
        r->line = 0;
        ok = refuse(r, "the file is empty");
    }
    return ok;
}

bool fb_calendar_text_read(bell_str file, fb_calendar_text *out, unsigned *line, char *why, size_t why_len) {
    reader r = {.rest = file, .number = 1, .out = out, .why = why, .why_len = why_len};

    memset(out, 0, sizeof *out);
    *line = 0;
    bell_buf_init(&out->text, FB_CALENDAR_FILE_MAX_BYTES + (1u << 20));
    if (file.len > FB_CALENDAR_FILE_MAX_BYTES) {
        return refuse(&r, "the file is larger than 8 MiB");
    }
    if (bell_str_starts(file, BELL_STR("\xEF\xBB\xBF"))) {
        r.rest = (bell_str){file.p + 3, file.len - 3};
    }
    if (!bell_str_is_utf8(file)) {
        return refuse(&r, "the file is not UTF-8");
    }
    out->zones = calloc(FB_CALENDAR_ZONES_MAX, sizeof *out->zones);
    out->events = calloc(FB_CALENDAR_EVENTS_MAX, sizeof *out->events);
    if (!out->zones || !out->events) {
        return refuse(&r, "there is no memory for it");
    }
    bell_buf_init(&r.text, LINE_MAX_BYTES);
    bool ok = read_all(&r);
    *line = ok ? 0 : r.line;
    while (r.depth > 0) {
        free((char *)(uintptr_t)r.names[--r.depth].p);
    }
    bell_buf_fini(&r.text);
    return ok;
}

void fb_calendar_text_fini(fb_calendar_text *t) {
    bell_buf_fini(&t->text);
    free(t->zones);
    free(t->events);
    memset(t, 0, sizeof *t);
}
