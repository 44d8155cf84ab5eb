#include "origin/calendar/changes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOTES_SHOWN_MAX 20

typedef struct {
    fb_calendar_tenant *t;
    const fb_calendar_from_where *from;
    fb_calendar_change change;
    long notes;
    int64_t from_s, to_s;
    unsigned steps;
    bool failed; /* PostgreSQL: the sentence has been written */
} taking;

static void note(void *arg, unsigned line, bool is_mistake, const char *sentence) {
    taking *im = arg;

    im->change.errors += is_mistake;
    if (im->notes++ >= NOTES_SHOWN_MAX) {
        return;
    }
    if (line > 0) {
        fprintf(stderr, "%s:%u: %s%s\n", im->from->file, line, is_mistake ? "" : "note: ", sentence);
    } else {
        fprintf(stderr, "%s: %s%s\n", im->from->file, is_mistake ? "" : "note: ", sentence);
    }
}

/* ---- one event */

static bool drop_cancelled(taking *im, const fb_calendar_event *e) {
    long n = fb_calendar_drop_events(im->t, im->from->source, e->uid);
    im->change.removed += n > 0 ? n : 0;
    return n >= 0;
}

static bool put(taking *im, const fb_calendar *c, const fb_calendar_event *e, const fb_calendar_spans *spans) {
    char id[24];
    bell_buf ics;

    bool ok = fb_calendar_write_event(c, e, &ics);
    bell_buf_add_char(&ics, '\0');
    if (!ok || ics.failed) {
        bell_buf_fini(&ics);
        note(im, e->line, true, "the event with its time zones is larger than 262144 bytes");
        return true;
    }
    fb_calendar_put result = fb_calendar_put_event(im->t, im->from->source, e, ics.p, id);
    bell_buf_fini(&ics);
    im->change.added += result == FB_CALENDAR_ADDED;
    im->change.updated += result == FB_CALENDAR_UPDATED;
    im->change.unchanged += result == FB_CALENDAR_UNCHANGED;
    return result != FB_CALENDAR_FAILED && fb_calendar_put_spans(im->t, id, im->from_s, im->to_s, spans);
}

/* Behind a mistake nothing is written any more, and all are looked for. */
static bool take(taking *im, const fb_calendar *c, const fb_calendar_event *e) {
    char why[FB_CALENDAR_WHY_BYTES];
    fb_calendar_spans spans;
    bool ok = true;

    if (!fb_calendar_expand(c->root, e, im->t->zone, im->from_s, im->to_s, &im->steps, &spans, why)) {
        char sentence[FB_CALENDAR_WHY_BYTES + 40];
        snprintf(sentence, sizeof sentence, "the event is wrong: %s", why);
        note(im, e->line, true, sentence);
    } else if (im->change.errors == 0) {
        ok = e->is_cancelled ? drop_cancelled(im, e) : put(im, c, e, &spans);
    }
    free(spans.all);
    return ok;
}

static bool drop_others(taking *im, const fb_calendar *c) {
    long n = im->from->whole ? fb_calendar_drop_others(im->t, im->from->source, c) : 0;
    im->change.removed += n > 0 ? n : 0;
    return n >= 0;
}

static void take_all(taking *im, fb_calendar *c) {
    bool ok = true;

    for (size_t i = 0; ok && i < c->nevents; i++) {
        ok = take(im, c, &c->events[i]);
    }
    im->change.skipped = (long)c->skipped;
    if (ok && im->change.errors == 0) {
        ok = drop_others(im, c);
    }
    im->failed = !ok;
    if (ok && im->change.errors == 0 && !fb_calendar_has_room(im->t)) {
        im->change.errors++;
    }
}

/* ---- the end of it */

/* Nothing of the import stays; that it was tried does. */
static void record_refusal(taking *im) {
    im->change = (fb_calendar_change){
        .deed = im->change.deed, .refused = true, .subject = im->change.subject, .skipped = im->change.skipped, .errors = im->change.errors};
    bool ok = fb_pg_do(im->t->c, "ROLLBACK", 0, NULL) && fb_pg_begin_tenant(im->t->c, im->t->tenant_id) && fb_calendar_record(im->t, &im->change) &&
              fb_pg_do(im->t->c, "COMMIT", 0, NULL);
    if (im->notes > NOTES_SHOWN_MAX) {
        fprintf(stderr, "… and %ld more\n", im->notes - NOTES_SHOWN_MAX);
    }
    fprintf(stderr, "firstbell: %s was refused: %ld mistake%s; nothing was changed%s\n", im->from->file, im->change.errors,
            im->change.errors == 1 ? "" : "s", ok ? "" : ", and the refusal could not be recorded");
}

static bool conclude(taking *im) {
    const fb_calendar_change *ch = &im->change;

    if (im->failed) {
        fprintf(stderr, "firstbell: %s was not imported; nothing was changed\n", im->from->file);
        return false;
    }
    if (ch->errors > 0) {
        record_refusal(im);
        return false;
    }
    if (!fb_calendar_record(im->t, ch) || !fb_calendar_commit(im->t)) {
        fprintf(stderr, "firstbell: %s was not imported; nothing was changed\n", im->from->file);
        return false;
    }
    printf("%ld added, %ld updated, %ld unchanged, %ld removed, %ld passed over\n", ch->added, ch->updated, ch->unchanged, ch->removed, ch->skipped);
    return true;
}

bool fb_calendar_take_in(fb_calendar_tenant *t, const fb_calendar_from_where *from, bell_str text) {
    int64_t now_s = (int64_t)time(NULL);
    taking im = {.t = t,
                 .from = from,
                 .change = {.deed = from->source == FB_CALENDAR_FROM_ROSTER ? FB_CALENDAR_DID_ROSTER : FB_CALENDAR_DID_IMPORT, .subject = from->file},
                 .from_s = fb_calendar_from(now_s),
                 .to_s = fb_calendar_to(now_s),
                 .steps = FB_CALENDAR_STEPS_MAX};
    fb_calendar c;

    if (fb_calendar_read(&c, text, t->zone, note, &im)) {
        take_all(&im, &c);
    }
    im.change.skipped = (long)c.skipped;
    bool ok = conclude(&im);
    fb_calendar_fini(&c);
    return ok;
}

/* ---- the roster */

/* TEXT of RFC 5545, section 3.3.11. Control characters cannot stand in it. */
static void add_text(bell_buf *b, const char *text) {
    for (const char *p = text; *p; p++) {
        if (strchr("\\;,", *p)) {
            bell_buf_add_char(b, '\\');
        }
        bell_buf_add_char(b, (unsigned char)*p < ' ' ? ' ' : *p);
    }
}

static void add_session(bell_buf *b, const PGresult *r, int row) {
    bell_buf_add_z(b, "BEGIN:VEVENT\r\nUID:roster:");
    add_text(b, PQgetvalue(r, row, 0));
    bell_buf_add_z(b, "\r\nCATEGORIES:deadline\r\nSUMMARY:End of ");
    add_text(b, PQgetvalue(r, row, 1));
    bell_buf_add_z(b, "\r\nDTSTART;VALUE=DATE:");
    bell_buf_add_z(b, PQgetvalue(r, row, 2));
    bell_buf_add_z(b, "\r\nEND:VEVENT\r\n");
}

bool fb_calendar_of_roster(const fb_calendar_tenant *t, bell_buf *out) {
    PGresult *r = fb_pg_exec(t->c,
                             "SELECT sourced_id, title, to_char(end_date, 'YYYYMMDD') FROM academic_sessions "
                             "WHERE tenant_id = $1::integer AND status = 1 ORDER BY end_date, sourced_id",
                             1, (const char *const[]){t->tenant});

    bell_buf_init(out, FB_CALENDAR_FILE_MAX_BYTES);
    bell_buf_add_z(out, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n");
    for (int row = 0; r && row < PQntuples(r); row++) {
        add_session(out, r, row);
    }
    bell_buf_add_z(out, "END:VCALENDAR\r\n");
    bool ok = r && PQntuples(r) > 0 && !out->failed;
    if (r && !ok) {
        fprintf(stderr, "firstbell: %s\n", out->failed ? "the roster has too many academic sessions" : "the roster has no academic session");
    }
    PQclear(r);
    return ok;
}
