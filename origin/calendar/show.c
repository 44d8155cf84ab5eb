/* `firstbell calendar show|remove`: what comes, and what does not any more. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "origin/calendar/store.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"

#define ROWS_MAX "10000"

/* YYYY-MM-DD; NULL is right as well. */
static bool is_day(const char *option, const char *text) {
    int y, m, d, end = 0;
    if (!text || (strlen(text) == 10 && sscanf(text, "%4d-%2d-%2d%n", &y, &m, &d, &end) == 3 && end == 10 && y >= 1970 && y <= 2100 && m >= 1 &&
                  m <= 12 && d >= 1 && d <= icaltime_days_in_month(m, y))) {
        return true;
    }
    fprintf(stderr, "firstbell: --%s is \"%s\", expected a day such as 2026-08-31\n", option, text);
    return false;
}

/* Days are the district's, from the first hour of one to the first hour of the other. */
static PGresult *ask(const fb_calendar_tenant *t, const char *from, const char *to) {
    return fb_pg_exec(
        t->c,
        "WITH span AS (SELECT f.day AS first, coalesce($4::date, f.day + 14) AS last "
        " FROM (SELECT coalesce($3::date, (now() AT TIME ZONE $2)::date) AS day) f) "
        "SELECT to_char(o.starts_at AT TIME ZONE $2, 'YYYY-MM-DD HH24:MI'), to_char(o.ends_at AT TIME ZONE $2, 'YYYY-MM-DD HH24:MI'), e.kind, "
        " to_char(o.from_at AT TIME ZONE $2, 'YYYY-MM-DD HH24:MI'), to_char(o.until_at AT TIME ZONE $2, 'YYYY-MM-DD HH24:MI'), "
        " f.scale, greatest(f.submissions, f.scale), coalesce(to_char(o.warm_at AT TIME ZONE $2, 'YYYY-MM-DD HH24:MI'), '-'), e.summary, e.uid "
        "FROM span, calendar_occurrences o JOIN calendar_events e ON e.tenant_id = $1::integer AND e.id = o.event_id "
        " JOIN calendar_effect($1::integer) f ON f.kind = e.kind "
        "WHERE o.tenant_id = $1::integer AND o.until_at > (span.first::timestamp AT TIME ZONE $2) "
        " AND o.from_at < (span.last::timestamp AT TIME ZONE $2) ORDER BY o.starts_at, e.uid LIMIT " ROWS_MAX,
        4, (const char *const[]){t->tenant, t->zone_name, from, to});
}

static void print(const fb_calendar_tenant *t, const PGresult *r) {
    printf("time zone %s\nbegins\tends\tkind\tlimits from\tlimits until\tscale\tsubmissions\twarmed from\tsummary\tuid\n", t->zone_name);
    for (int row = 0; row < PQntuples(r); row++) {
        for (int column = 0; column < PQnfields(r); column++) {
            const char *kind = column == 2 ? fb_calendar_kind_name((fb_calendar_kind)atoi(PQgetvalue(r, row, 2))) : NULL;
            printf("%s%s", column > 0 ? "\t" : "", kind ? kind : PQgetvalue(r, row, column));
            printf("%s", column == 5 || column == 6 ? "%" : "");
        }
        putchar('\n');
    }
}

int fb_cmd_calendar_show(const fb_settings *s, int argc, char **argv) {
    const char *tenant = NULL, *from = NULL, *to = NULL;
    fb_option options[] = {{"tenant", &tenant, 1, true, 0}, {"from", &from, 1, false, 0}, {"to", &to, 1, false, 0}};
    fb_calendar_tenant t = {0};

    if (!fb_options_parse(argc, argv, options, 3, NULL, 0) || !is_day("from", from) || !is_day("to", to)) {
        return 2;
    }
    PGresult *r = fb_calendar_begin(s, "calendar show", tenant, false, &t) ? ask(&t, from, to) : NULL;
    bool ok = r != NULL;
    if (ok) {
        print(&t, r);
    }
    PQclear(r);
    fb_calendar_close(&t);
    return ok ? 0 : 1;
}

/* One event wherever it is from, or all. */
static long drop(const fb_calendar_tenant *t, const char *uid) {
    long files = fb_calendar_drop_events(t, FB_CALENDAR_FROM_FILE, uid);
    long roster = files >= 0 ? fb_calendar_drop_events(t, FB_CALENDAR_FROM_ROSTER, uid) : -1;
    return roster >= 0 ? files + roster : -1;
}

static bool remove_events(const fb_calendar_tenant *t, const char *uid) {
    fb_calendar_change change = {.deed = FB_CALENDAR_DID_REMOVE, .subject = uid ? uid : "all", .removed = drop(t, uid)};

    if (change.removed == 0 && uid) {
        fprintf(stderr, "firstbell: the calendar of %s has no event \"%s\"; `firstbell calendar show` shows those there are\n", t->name, uid);
        return false;
    }
    bool ok = change.removed >= 0 && fb_calendar_record(t, &change) && fb_calendar_commit(t);
    if (ok) {
        printf("%ld removed\n", change.removed);
    }
    return ok;
}

int fb_cmd_calendar_remove(const fb_settings *s, int argc, char **argv) {
    const char *tenant = NULL, *uid = NULL;
    fb_option options[] = {{"tenant", &tenant, 1, true, 0}, {"uid", &uid, 1, false, 0}, {"all", NULL, 0, false, 0}};
    fb_calendar_tenant t = {0};

    if (!fb_options_parse(argc, argv, options, 3, NULL, 0)) {
        return 2;
    }
    if ((uid != NULL) == (options[2].seen > 0)) {
        fprintf(stderr, "firstbell: one of --uid and --all is expected, and only one\n");
        return 2;
    }
    bool ok = fb_calendar_begin(s, "calendar remove", tenant, true, &t) && remove_events(&t, uid);
    fb_calendar_close(&t);
    return ok ? 0 : 1;
}
