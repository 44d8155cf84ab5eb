/* `firstbell calendar extend`: events that go on without an end are laid out further, and those of a district that has another time zone anew.
 * `firstbell jobs` calls it when that is due. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "origin/calendar/store.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"

/* What ends sooner is laid out further; less than FB_CALENDAR_DAYS_AHEAD, so that it is not due each day. */
#define FURTHER_S (370 * (int64_t)86400)

typedef struct {
    const fb_calendar_tenant *t;
    int64_t from_s, to_s;
    unsigned steps;
    const char *uid; /* for sentences */
} extension;

static void note(void *arg, unsigned line, bool is_mistake, const char *sentence) {
    const extension *x = arg;
    (void)line;
    (void)is_mistake;
    fprintf(stderr, "firstbell: the event \"%s\" of %s is laid out no further: %s\n", x->uid, x->t->name, sentence);
}

/* One that cannot be laid out any more (a zone that is gone) is told and left as it is, and looked at again the next time. */
static bool extend_event(extension *x, const char *id, const char *ics) {
    char why[FB_CALENDAR_WHY_BYTES];
    fb_calendar_spans spans;
    fb_calendar c;
    bool ok = true;

    if (fb_calendar_read(&c, bell_str_of(ics), x->t->zone, note, x) && c.nevents == 1) {
        if (fb_calendar_expand(c.root, &c.events[0], x->t->zone, x->from_s, x->to_s, &x->steps, &spans, why)) {
            ok = fb_calendar_put_spans(x->t, id, x->from_s, x->to_s, &spans);
        } else {
            note(x, 0, true, why);
        }
        free(spans.all);
    }
    fb_calendar_fini(&c);
    return ok;
}

static bool extend_tenant(const fb_settings *s, const char *name, int64_t now_s) {
    fb_calendar_tenant t = {0};
    extension x = {&t, fb_calendar_from(now_s), fb_calendar_to(now_s), FB_CALENDAR_STEPS_MAX, ""};
    int64_t further_s = now_s + FURTHER_S;
    char further[24];

    snprintf(further, sizeof further, "%lld", (long long)further_s);
    bool ok = fb_calendar_begin(s, "calendar extend", name, true, &t);
    PGresult *r = ok ? fb_pg_exec(t.c,
                                  "SELECT id, uid, ics FROM calendar_events WHERE tenant_id = $1::integer "
                                  "AND (laid_out_until IS NULL OR laid_out_until < to_timestamp($2::bigint)) ORDER BY id",
                                  2, (const char *const[]){t.tenant, further})
                     : NULL;
    ok = r != NULL;
    for (int row = 0; ok && x.steps > 0 && row < PQntuples(r); row++) { /* the rest the next time */
        x.uid = PQgetvalue(r, row, 1);
        ok = extend_event(&x, PQgetvalue(r, row, 0), PQgetvalue(r, row, 2));
    }
    ok = ok && fb_calendar_commit(&t);
    PQclear(r);
    fb_calendar_close(&t);
    return ok;
}

int fb_cmd_calendar_extend(const fb_settings *s, int argc, char **argv) {
    char further[24];
    int64_t now_s = (int64_t)time(NULL), further_s = now_s + FURTHER_S;

    if (!fb_options_parse(argc, argv, NULL, 0, NULL, 0)) {
        return 2;
    }
    snprintf(further, sizeof further, "%lld", (long long)further_s);
    PGconn *c = fb_pg_connect(s, "fb_operator", "calendar extend");
    PGresult *r = c ? fb_pg_exec(c, "SELECT t.name FROM calendar_tenants_to_lay_out(to_timestamp($1::bigint)) x JOIN tenants t ON t.id = x.tenant", 1,
                                 (const char *const[]){further})
                    : NULL;
    PQfinish(c);
    bool ok = r != NULL;
    for (int row = 0; r && row < PQntuples(r); row++) {
        ok = extend_tenant(s, PQgetvalue(r, row, 0), now_s) && ok; /* one district's trouble is not the others' */
    }
    PQclear(r);
    return ok ? 0 : 1;
}
