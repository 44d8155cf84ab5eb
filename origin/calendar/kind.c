/* `firstbell calendar set`: what a kind of event does in a district. */
#include <stdio.h>
#include <string.h>

#include "origin/calendar/store.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"

#define MINUTES_MAX 1440
#define PERCENT_MAX 10000
#define COURSES_MAX 10000
#define DEFAULT     "default" /* takes a value away */

enum { SCALE, SUBMISSIONS, BEFORE, AFTER, WARM_BEFORE, COURSES, WORDS };

typedef struct {
    const char *option;
    uint64_t least, most;
    unsigned unit; /* what the column counts in */
} word;

static const word words[WORDS] = {
    [SCALE] = {"scale", 1, PERCENT_MAX, 1},  [SUBMISSIONS] = {"submissions", 1, PERCENT_MAX, 1},  [BEFORE] = {"before", 0, MINUTES_MAX, 60},
    [AFTER] = {"after", 0, MINUTES_MAX, 60}, [WARM_BEFORE] = {"warm-before", 0, MINUTES_MAX, 60}, [COURSES] = {"courses", 1, COURSES_MAX, 1},
};

/* A number as the column has it, "-1" for the default; NULL, a sentence has been written. */
static const char *value_of(const word *w, const char *text, char out[24]) {
    uint64_t n;
    if (strcmp(text, DEFAULT) == 0) {
        return "-1";
    }
    if (!bell_str_to_u64(bell_str_of(text), w->most, &n) || n < w->least) {
        fprintf(stderr, "firstbell: --%s is \"%s\", expected %llu to %llu, or " DEFAULT "\n", w->option, text, (unsigned long long)w->least,
                (unsigned long long)w->most);
        return NULL;
    }
    snprintf(out, 24, "%llu", (unsigned long long)n * w->unit);
    return out;
}

/* What is not named stays as it is. */
static bool set(const fb_calendar_tenant *t, const char *kind, const char *const values[WORDS]) {
    static const char sql[] =
        "INSERT INTO calendar_kinds AS k (tenant_id, kind, scale, submissions, before_s, after_s, warm_before_s, warm_courses) "
        "VALUES ($1::integer, $2::smallint, nullif($3::integer, -1), nullif($4::integer, -1), nullif($5::integer, -1), nullif($6::integer, -1), "
        " nullif($7::integer, -1), nullif($8::integer, -1)) "
        "ON CONFLICT (tenant_id, kind) DO UPDATE SET scale = nullif(coalesce($3::integer, k.scale), -1), "
        " submissions = nullif(coalesce($4::integer, k.submissions), -1), before_s = nullif(coalesce($5::integer, k.before_s), -1), "
        " after_s = nullif(coalesce($6::integer, k.after_s), -1), warm_before_s = nullif(coalesce($7::integer, k.warm_before_s), -1), "
        " warm_courses = nullif(coalesce($8::integer, k.warm_courses), -1)";
    const char *const params[] = {t->tenant,      kind,          values[SCALE],       values[SUBMISSIONS],
                                  values[BEFORE], values[AFTER], values[WARM_BEFORE], values[COURSES]};
    return fb_pg_do(t->c, sql, 8, params) && fb_pg_do(t->c, "SELECT calendar_lay_windows($1::integer, $2::smallint)", 2, params);
}

static bool print(const fb_calendar_tenant *t, const char *kind) {
    PGresult *r = fb_pg_exec(t->c,
                             "SELECT scale, greatest(submissions, scale), before_s / 60, after_s / 60, warm_before_s / 60, warm_courses "
                             "FROM calendar_effect($1::integer) WHERE kind = $2::smallint",
                             2, (const char *const[]){t->tenant, kind});
    if (r) {
        printf("scale %s%%, submissions %s%%, %s minutes before, %s after, warmed %s minutes before, %s courses\n", PQgetvalue(r, 0, 0),
               PQgetvalue(r, 0, 1), PQgetvalue(r, 0, 2), PQgetvalue(r, 0, 3), PQgetvalue(r, 0, 4), PQgetvalue(r, 0, 5));
    }
    PQclear(r);
    return r != NULL;
}

static bool run(const fb_settings *s, const char *tenant, fb_calendar_kind k, const char *const values[WORDS]) {
    fb_calendar_change change = {.deed = FB_CALENDAR_DID_SET, .subject = fb_calendar_kind_name(k), .updated = 1};
    fb_calendar_tenant t = {0};
    char kind[4];

    snprintf(kind, sizeof kind, "%d", (int)k);
    bool ok = fb_calendar_begin(s, "calendar set", tenant, true, &t) && set(&t, kind, values) && fb_calendar_record(&t, &change) && print(&t, kind) &&
              fb_calendar_commit(&t);
    fb_calendar_close(&t);
    return ok;
}

int fb_cmd_calendar_set(const fb_settings *s, int argc, char **argv) {
    const char *tenant = NULL, *kind = NULL, *texts[WORDS] = {NULL}, *values[WORDS] = {NULL};
    char numbers[WORDS][24];
    fb_option options[WORDS + 1] = {{"tenant", &tenant, 1, true, 0}};

    for (int i = 0; i < WORDS; i++) {
        options[i + 1] = (fb_option){words[i].option, &texts[i], 1, false, 0};
    }
    if (!fb_options_parse(argc, argv, options, WORDS + 1, &kind, 1)) {
        return 2;
    }
    fb_calendar_kind k = fb_calendar_kind_of(bell_str_of(kind));
    if (k == FB_CALENDAR_UNKNOWN) {
        fprintf(stderr, "firstbell: \"%s\" is no kind of event; bell, exam or deadline is expected\n", kind);
        return 2;
    }
    for (int i = 0; i < WORDS; i++) {
        values[i] = texts[i] ? value_of(&words[i], texts[i], numbers[i]) : NULL;
        if (texts[i] && !values[i]) {
            return 2;
        }
    }
    return run(s, tenant, k, values) ? 0 : 1;
}
