#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "origin/roster/merge.h"
#include "origin/roster/stage.h"

/* Statements give out at most this many rows, and with each the number of all. */
#define ROWS_MAX "100"

static const fb_roster_count *count_of(const fb_roster_merge *m, const char *file) {
    return &m->report->counts[bell_oneroster_index(bell_oneroster_find(bell_str_of(file)))];
}

static bool is_present(const fb_roster_merge *m, const char *file) {
    return count_of(m, file)->rows > 0;
}

static uint64_t number(const PGresult *r, int row, int column) {
    return strtoull(PQgetvalue(r, row, column), NULL, 10);
}

/* Each row has a name, and no two the same: only then can it be asked who refers to whom. What is wrong has been reported already. */
static bool is_distinct(const fb_roster_merge *m, const char *file) {
    return count_of(m, file)->nameless == 0 && count_of(m, file)->repeated == 0;
}

/* What the statement counted beyond the rows it gave out. */
static void add_the_rest(const fb_roster_merge *m, const PGresult *r, int total_column) {
    int n = PQntuples(r);

    if (n > 0) {
        fb_roster_more_errors(m->report, number(r, 0, total_column) - (uint64_t)n);
    }
}

/* ---- one id, two rows ---- */

static bool check_duplicates(const fb_roster_merge *m, const bell_oneroster_file *f) {
    char sql[512];

    snprintf(sql, sizeof(sql),
             "SELECT s.line, d.line, s.\"sourcedId\", count(*) OVER () "
             "FROM (SELECT \"sourcedId\", min(line) AS line FROM stage_%s WHERE \"sourcedId\" IS NOT NULL GROUP BY 1 HAVING count(*) > 1) d "
             "JOIN stage_%s s ON s.\"sourcedId\" = d.\"sourcedId\" AND s.line > d.line ORDER BY s.line LIMIT " ROWS_MAX,
             f->name, f->name);
    PGresult *r = fb_pg_exec(m->pg, sql, 0, NULL);
    if (r == NULL) {
        return false;
    }
    for (int i = 0; i < PQntuples(r); i++) {
        bool personal = f->columns[BELL_ONEROSTER_SOURCED_ID].personal;
        fb_roster_error(m->report, f->name, number(r, i, 0), "the sourcedId %s%s%sis on line %" PRIu64 " already; each record has one of its own",
                        personal ? "" : "\"", personal ? "" : PQgetvalue(r, i, 2), personal ? "" : "\" ", number(r, i, 1));
    }
    add_the_rest(m, r, 3);
    m->report->counts[bell_oneroster_index(f)].repeated = PQntuples(r) > 0 ? number(r, 0, 3) : 0;
    PQclear(r);
    return true;
}

/* ---- references ---- */

typedef struct {
    const char *file, *column;
    const char *to;    /* file */
    const char *types; /* of the record referred to, as an array; NULL: any */
    const char *must;  /* the same in words */
} reference;

static const reference references[] = {
    {"academicSessions", "parentSourcedId", "academicSessions", NULL, NULL},
    {"orgs", "parentSourcedId", "orgs", NULL, NULL},
    {"courses", "schoolYearSourcedId", "academicSessions", "{3}", "must refer to a session of type schoolYear"},
    {"courses", "orgSourcedId", "orgs", NULL, NULL},
    {"classes", "courseSourcedId", "courses", NULL, NULL},
    {"classes", "schoolSourcedId", "orgs", "{2}", "must refer to an org of type school"},
    {"classes", "termSourcedIds", "academicSessions", "{2,3,4}", "must refer to sessions of type term, semester or schoolYear"},
    {"users", "orgSourcedIds", "orgs", NULL, NULL},
    {"enrollments", "classSourcedId", "classes", NULL, NULL},
    {"enrollments", "schoolSourcedId", "orgs", "{2}", "must refer to an org of type school"},
    {"enrollments", "userSourcedId", "users", NULL, NULL},
};

/* The table of the roster that a file goes to. */
static const char *table_of(const char *file) {
    return strcmp(file, "academicSessions") == 0 ? "academic_sessions" : file;
}

static const bell_oneroster_column *column_of(const char *file, const char *column) {
    const bell_oneroster_file *f = bell_oneroster_find(bell_str_of(file));

    return &f->columns[bell_oneroster_column_index(f, column)];
}

/* $1 tenant, $2 the file referred to is a full snapshot, $3 types. A snapshot is all there is; otherwise the roster's own records count too. */
static void reference_sql(const reference *ref, char *sql, size_t len) {
    bool is_list = column_of(ref->file, ref->column)->type == BELL_ONEROSTER_GUID_LIST;
    const char *type = ref->types != NULL ? "type" : "NULL::smallint";

    snprintf(sql, len,
             "SELECT s.line, r.ref, k.status, k.type, count(*) OVER () "
             "FROM stage_%s s CROSS JOIN LATERAL unnest(%ss.\"%s\"%s) r (ref) "
             "LEFT JOIN (SELECT \"sourcedId\" AS id, status, %s AS type FROM stage_%s UNION ALL "
             "SELECT d.sourced_id, d.status, %s FROM %s d WHERE NOT $2::boolean AND d.tenant_id = $1::integer "
             "AND NOT EXISTS (SELECT FROM stage_%s n WHERE n.\"sourcedId\" = d.sourced_id)) k ON k.id = r.ref "
             "WHERE s.status = 1 AND r.ref IS NOT NULL "
             "AND (k.id IS NULL OR k.status <> 1 OR NOT coalesce(k.type = ANY ($3::smallint[]), true)) "
             "ORDER BY s.line LIMIT " ROWS_MAX,
             ref->file, is_list ? "" : "ARRAY[", ref->column, is_list ? "" : "]", type, ref->to, type, table_of(ref->to), ref->to);
}

static void report_reference(const fb_roster_merge *m, const reference *ref, const PGresult *r, int row) {
    bool personal = column_of(ref->file, ref->column)->personal, bulk = count_of(m, ref->to)->mode == BELL_ONEROSTER_BULK;
    const char *where = bulk ? "is not in" : "is neither in the roster nor in";
    char what[320] = "a record";

    if (!personal) {
        snprintf(what, sizeof(what), "\"%s\"", PQgetvalue(r, row, 1));
    }
    if (PQgetisnull(r, row, 2)) {
        fb_roster_error(m->report, ref->file, number(r, row, 0), "%s refers to %s, which %s %s.csv", ref->column, what, where, ref->to);
    } else if (number(r, row, 2) != BELL_ONEROSTER_ACTIVE) {
        fb_roster_error(m->report, ref->file, number(r, row, 0), "%s refers to %s of %s, which is to be deleted", ref->column, what, ref->to);
    } else {
        const char *type = bell_oneroster_word_of(column_of(ref->to, "type")->words, (int)number(r, row, 3));
        fb_roster_error(m->report, ref->file, number(r, row, 0), "%s %s; %s is of type %s", ref->column, ref->must, what, type);
    }
}

static bool check_reference(const fb_roster_merge *m, const reference *ref) {
    const char *bulk = count_of(m, ref->to)->mode == BELL_ONEROSTER_BULK ? "true" : "false";
    const char *const params[] = {m->tenant, bulk, ref->types};
    char sql[1200];

    reference_sql(ref, sql, sizeof(sql));
    PGresult *r = fb_pg_exec(m->pg, sql, 3, params);
    if (r == NULL) {
        return false;
    }
    for (int i = 0; i < PQntuples(r); i++) {
        report_reference(m, ref, r, i);
    }
    add_the_rest(m, r, 4);
    PQclear(r);
    return true;
}

/* ---- rules within a table ---- */

typedef struct {
    const char *file;
    const char *sentence;
    const char *sql; /* $1 tenant → line, number of all */
} rule;

/* Who stands above whom, over what is staged and, beneath it, what the roster has. A chain that comes back, or does not end, is wrong. */
#define CHAIN(stage, table)                                                                                                                          \
    "WITH RECURSIVE edge AS ("                                                                                                                       \
    "SELECT \"sourcedId\" AS id, \"parentSourcedId\" AS parent FROM " stage " WHERE status = 1 UNION ALL "                                           \
    "SELECT t.sourced_id, p.sourced_id FROM " table " t JOIN " table " p ON p.tenant_id = $1::integer AND p.id = t.parent_id "                       \
    "WHERE t.tenant_id = $1::integer AND NOT EXISTS (SELECT FROM " stage " n WHERE n.\"sourcedId\" = t.sourced_id)), "                               \
    "up AS (SELECT s.line, s.\"sourcedId\" AS id, s.\"parentSourcedId\" AS at, 1 AS steps FROM " stage " s WHERE s.status = 1 UNION ALL "            \
    "SELECT u.line, u.id, e.parent, u.steps + 1 FROM up u JOIN edge e ON e.id = u.at WHERE u.at <> u.id AND u.steps < 32) "                          \
    "SELECT line, count(*) OVER () FROM up WHERE at = id OR (steps = 32 AND at IS NOT NULL) ORDER BY line LIMIT " ROWS_MAX

static const rule rules[] = {
    {"academicSessions", "endDate is before startDate",
     "SELECT line, count(*) OVER () FROM stage_academicSessions WHERE status = 1 AND \"endDate\" < \"startDate\" AND $1::integer > 0 ORDER BY line "
     "LIMIT " ROWS_MAX},
    {"enrollments", "endDate is before beginDate",
     "SELECT line, count(*) OVER () FROM stage_enrollments WHERE status = 1 AND \"endDate\" < \"beginDate\" AND $1::integer > 0 ORDER BY line "
     "LIMIT " ROWS_MAX},
    {"academicSessions", "parentSourcedId leads into a circle: sessions would stand above themselves",
     CHAIN("stage_academicSessions", "academic_sessions")},
    {"orgs", "parentSourcedId leads into a circle: orgs would stand above themselves", CHAIN("stage_orgs", "orgs")},
};

static bool check_rule(const fb_roster_merge *m, const rule *k) {
    PGresult *r = fb_pg_exec(m->pg, k->sql, 1, &m->tenant);

    if (r == NULL) {
        return false;
    }
    for (int i = 0; i < PQntuples(r); i++) {
        fb_roster_error(m->report, k->file, number(r, i, 0), "%s", k->sentence);
    }
    add_the_rest(m, r, 1);
    PQclear(r);
    return true;
}

/* ---- too much at once ---- */

/* An export that was cut short looks like everybody left. $1 tenant, $2 enrollments.csv is a full snapshot, $3 and $4 the limits. */
static const char going_sql[] = "SELECT o.name, o.sourced_id, count(*), count(*) FILTER (WHERE e.gone) FROM ("
                                "SELECT c.school_id, coalesce(s.status = 2, $2::boolean) AS gone FROM enrollments e "
                                "JOIN classes c ON c.tenant_id = $1::integer AND c.id = e.class_id "
                                "LEFT JOIN stage_enrollments s ON s.\"sourcedId\" = e.sourced_id "
                                "WHERE e.tenant_id = $1::integer AND e.status = 1 AND NOT e.sourced_id ^@ 'local-') e "
                                "JOIN orgs o ON o.tenant_id = $1::integer AND o.id = e.school_id "
                                "GROUP BY o.id, o.name, o.sourced_id "
                                "HAVING count(*) FILTER (WHERE e.gone) > $3::bigint AND count(*) FILTER (WHERE e.gone) * 100 > count(*) * $4::bigint "
                                "ORDER BY o.sourced_id";

#define DIGITS_OF(n)  DIGITS_OF_(n)
#define DIGITS_OF_(n) #n

static bool check_going(const fb_roster_merge *m) {
    const char *bulk = count_of(m, "enrollments")->mode == BELL_ONEROSTER_BULK ? "true" : "false";
    const char *const params[] = {m->tenant, bulk, DIGITS_OF(FB_ROSTER_GOING_MAX), DIGITS_OF(FB_ROSTER_GOING_PERCENT_MAX)};

    PGresult *r = fb_pg_exec(m->pg, going_sql, 4, params);
    if (r == NULL) {
        return false;
    }
    for (int i = 0; i < PQntuples(r); i++) {
        uint64_t all = number(r, i, 2), going = number(r, i, 3);
        fb_roster_error(m->report, "enrollments", 0,
                        "the school \"%.100s\" (%.100s) would lose %" PRIu64 " of its %" PRIu64 " active enrollments (%" PRIu64
                        " percent; at most %d are "
                        "taken away at once); if that is meant, import again with --allow-mass-change",
                        PQgetvalue(r, i, 0), PQgetvalue(r, i, 1), going, all, going * 100 / all, FB_ROSTER_GOING_PERCENT_MAX);
    }
    PQclear(r);
    return true;
}

/* ---- all of them ---- */

static bool check_references(const fb_roster_merge *m) {
    for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++) {
        const reference *ref = &references[i];

        if (is_present(m, ref->file) && is_distinct(m, ref->to) && !check_reference(m, ref)) {
            return false;
        }
    }
    return true;
}

bool fb_roster_check(const fb_roster_merge *m) {
    for (size_t i = 0; i < BELL_ONEROSTER_FILES; i++) {
        const bell_oneroster_file *f = &bell_oneroster_files[i];
        if (fb_roster_is_used(f) && is_present(m, f->name) && !check_duplicates(m, f)) {
            return false;
        }
    }
    if (!check_references(m)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (is_present(m, rules[i].file) && count_of(m, rules[i].file)->repeated == 0 && !check_rule(m, &rules[i])) {
            return false;
        }
    }
    return m->allow_mass_change || !is_present(m, "enrollments") || check_going(m);
}
