/* `firstbell roster import`: zip → staging → checks → merge, in one transaction; the report at the end. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "origin/roster/merge.h"
#include "origin/roster/stage.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"

/* With the tenant's id the key of an advisory lock: "rost" in ASCII. */
#define LOCK_CLASS       "1919906676"
#define REPORT_BYTES_MAX (1 << 20)

typedef struct {
    const char *tenant_name, *path;
    bool strict, allow_mass_change;
} options;

typedef struct {
    const options *opt;
    PGconn *pg;
    int32_t tenant_id;
    char tenant[16];
    char started[64];
    double started_s; /* monotonic */
    fb_roster_report *report;
    fb_roster_zip zip;
    bell_oneroster_manifest manifest;
} roster_import;

typedef enum { DONE, REFUSED, FAILED } outcome;

static double monotonic_s(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the transaction ---- */

/* One import a tenant at a time: another would wait for nothing but to be refused. */
static bool lock_tenant(const roster_import *im) {
    PGresult *r = fb_pg_exec(im->pg, "SELECT pg_try_advisory_xact_lock(" LOCK_CLASS ", $1::integer)", 1, (const char *const[]){im->tenant});
    bool ok = r != NULL && PQgetvalue(r, 0, 0)[0] == 't';

    if (r != NULL && !ok) {
        fprintf(stderr, "firstbell: another roster of tenant \"%s\" is being imported; wait until it is done and import again\n",
                im->opt->tenant_name);
    }
    PQclear(r);
    return ok;
}

/* A first import fills tables of which PostgreSQL has no figures yet; it takes them for nearly empty and would loop over one side of a join for each
 * row of the other. Joins by hash cost the same whatever it believes. */
static bool tune(const roster_import *im) {
    static const char *const settings[] = {"SET LOCAL enable_nestloop = off", "SET LOCAL work_mem = '64MB'", "SET LOCAL jit = off"};

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (!fb_pg_do(im->pg, settings[i], 0, NULL)) {
            return false;
        }
    }
    return true;
}

static bool begin(roster_import *im) {
    /* Staging is the only use of temporary buffers here; they must be set before the first. */
    if (!fb_pg_do(im->pg, "SET temp_buffers = '32MB'", 0, NULL) || !fb_pg_begin_tenant(im->pg, im->tenant_id) || !lock_tenant(im) || !tune(im)) {
        return false;
    }
    PGresult *r = fb_pg_exec(im->pg, "SELECT now()", 0, NULL);
    if (r == NULL) {
        return false;
    }
    snprintf(im->started, sizeof(im->started), "%s", PQgetvalue(r, 0, 0));
    PQclear(r);
    return fb_roster_stage_create(im->pg);
}

/* ---- reading ---- */

static void show_progress(const char *what, const char *file) {
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "%s%s\n", what, file);
    }
}

/* *whole: every file that is used was read to its end. */
static outcome stage_all(roster_import *im, bool *whole) {
    *whole = true;
    if (!fb_roster_zip_rewind(&im->zip)) {
        return REFUSED;
    }
    while (fb_roster_zip_next(&im->zip)) {
        const bell_oneroster_file *f = bell_oneroster_find(bell_str_of(im->zip.name));
        size_t at = bell_oneroster_index(f);

        if (!fb_roster_is_used(f)) {
            continue;
        }
        show_progress("reading ", f->name);
        im->report->counts[at].mode = im->manifest.modes[at];
        fb_roster_staged staged = fb_roster_stage_file(im->pg, &im->zip, f, im->manifest.modes[at]);
        if (staged == FB_ROSTER_STAGE_LOST) {
            return FAILED;
        }
        *whole = *whole && staged == FB_ROSTER_STAGED;
    }
    return im->zip.broken ? REFUSED : DONE;
}

static bool analyze_staged(const roster_import *im) {
    char sql[64];

    for (size_t i = 0; i < BELL_ONEROSTER_FILES; i++) {
        snprintf(sql, sizeof(sql), "ANALYZE stage_%s", bell_oneroster_files[i].name);
        if (fb_roster_is_used(&bell_oneroster_files[i]) && !fb_pg_do(im->pg, sql, 0, NULL)) {
            return false;
        }
    }
    return true;
}

/* ---- the record of it ---- */

static const char *digits(uint64_t v, char buf[24]) {
    snprintf(buf, 24, "%" PRIu64, v);
    return buf;
}

static bool insert_record(const roster_import *im, bool done, const bell_buf *json) {
    static const char sql[] = "INSERT INTO roster_imports (tenant_id, file, started_at, finished_at, outcome, inserted, updated, unchanged, deleted, "
                              "errors, report) VALUES ($1::integer, $2, $3::timestamptz, clock_timestamp(), $4::smallint, $5::integer, $6::integer, "
                              "$7::integer, $8::integer, $9::integer, $10::jsonb)";
    fb_roster_count sum = fb_roster_total(im->report);
    char n[5][24];
    const char *file = bell_str_is_utf8(bell_str_of(im->report->zip_name)) ? im->report->zip_name : "roster.zip";
    const char *const params[] = {im->tenant,
                                  file,
                                  im->started,
                                  done ? "1" : "2",
                                  digits(sum.inserted, n[0]),
                                  digits(sum.updated, n[1]),
                                  digits(sum.unchanged, n[2]),
                                  digits(sum.deleted, n[3]),
                                  digits(im->report->errors.total, n[4]),
                                  json->p};

    return fb_pg_do(im->pg, sql, 10, params);
}

static bool record(const roster_import *im, bool done) {
    bell_buf json;

    bell_buf_init(&json, REPORT_BYTES_MAX);
    bool ok = fb_roster_report_json(im->report, &json);
    bell_buf_add_char(&json, '\0');
    if (ok && !json.failed) {
        ok = insert_record(im, done, &json);
    } else {
        fprintf(stderr, "firstbell: the report of the import did not fit in memory\n");
        ok = false;
    }
    bell_buf_fini(&json);
    return ok;
}

/* Nothing of the import stays; that it was tried does. */
static bool record_refusal(const roster_import *im) {
    return fb_pg_do(im->pg, "ROLLBACK", 0, NULL) && fb_pg_begin_tenant(im->pg, im->tenant_id) && record(im, false) &&
           fb_pg_do(im->pg, "COMMIT", 0, NULL);
}

/* ---- the import ---- */

static outcome take_in(roster_import *im) {
    const fb_roster_merge merge = {.pg = im->pg, .report = im->report, .tenant = im->tenant, .allow_mass_change = im->opt->allow_mass_change};
    bool whole;

    if (!fb_roster_zip_open(&im->zip, im->opt->path, im->report) || !fb_roster_zip_plan(&im->zip, &im->manifest)) {
        return REFUSED;
    }
    outcome staged = stage_all(im, &whole);
    if (staged != DONE) {
        return staged;
    }
    /* Behind a file that broke off every reference to it would look wrong. */
    show_progress("checking", "");
    if (whole && (!analyze_staged(im) || !fb_roster_check(&merge))) {
        return FAILED;
    }
    if (im->report->errors.total > 0) {
        return REFUSED;
    }
    show_progress("writing", "");
    if (!fb_roster_apply(&merge) || !record(im, true) || !fb_pg_do(im->pg, "COMMIT", 0, NULL)) {
        return FAILED;
    }
    /* The roster is in, whatever becomes of this: without it the first plans are slow until autovacuum comes by. */
    if (!fb_pg_do(im->pg, "SELECT roster_analyze()", 0, NULL)) {
        fprintf(stderr, "firstbell: the tables could not be analyzed; answers may be slow for some minutes\n");
    }
    return DONE;
}

static void print_passed_over(const roster_import *im) {
    for (size_t i = 0; i < BELL_ONEROSTER_FILES; i++) {
        if (im->manifest.modes[i] > BELL_ONEROSTER_ABSENT && !fb_roster_is_used(&bell_oneroster_files[i])) {
            printf("%s.csv is not used yet and was passed over\n", bell_oneroster_files[i].name);
        }
    }
}

static int conclude(roster_import *im, outcome result) {
    fb_roster_print_notes(im->report, stderr);
    if (result == DONE) {
        fb_roster_print_counts(im->report, stdout);
        print_passed_over(im);
        printf("%s was imported into tenant \"%s\" in %.1f s\n", im->report->zip_name, im->opt->tenant_name, monotonic_s() - im->started_s);
        return 0;
    }
    if (result == REFUSED) {
        uint64_t n = im->report->errors.total;
        bool recorded = record_refusal(im);
        fprintf(stderr, "firstbell: %s was refused: %" PRIu64 " mistake%s; nothing was changed%s\n", im->report->zip_name, n, n == 1 ? "" : "s",
                recorded ? "" : ", and the refusal could not be recorded");
        return 1;
    }
    fprintf(stderr, "firstbell: %s was not imported; nothing was changed\n", im->report->zip_name);
    return 1;
}

static const char *without_folders(const char *path) {
    const char *slash = strrchr(path, '/');

    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

static int run(roster_import *im) {
    im->tenant_id = fb_pg_tenant_id(im->pg, im->opt->tenant_name);
    if (im->tenant_id == 0) {
        return 1;
    }
    snprintf(im->tenant, sizeof(im->tenant), "%" PRId32, im->tenant_id);
    if (!begin(im)) {
        return 1;
    }
    int code = conclude(im, take_in(im));
    fb_roster_zip_close(&im->zip);
    return code;
}

/* ---- the command line ---- */

static bool read_options(int argc, char **argv, options *opt) {
    fb_option table[] = {
        {.name = "tenant", .values = &opt->tenant_name, .most = 1, .required = true},
        {.name = "strict"},
        {.name = "allow-mass-change"},
    };

    if (!fb_options_parse(argc, argv, table, 3, &opt->path, 1)) {
        return false;
    }
    opt->strict = table[1].seen > 0;
    opt->allow_mass_change = table[2].seen > 0;
    return true;
}

int fb_cmd_roster_import(const fb_settings *s, int argc, char **argv) {
    options opt = {0};

    if (!read_options(argc, argv, &opt)) {
        return 2;
    }
    roster_import im = {.opt = &opt, .started_s = monotonic_s(), .zip = {.fd = -1}, .report = calloc(1, sizeof(fb_roster_report))};
    if (im.report == NULL) {
        fprintf(stderr, "firstbell: out of memory\n");
        return 1;
    }
    im.report->zip_name = without_folders(opt.path);
    im.report->strict = opt.strict;
    im.pg = fb_pg_connect(s, "fb_operator", "roster import");
    int code = im.pg != NULL ? run(&im) : 1;
    PQfinish(im.pg);
    free(im.report);
    return code;
}
