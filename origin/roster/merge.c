#include "origin/roster/merge.h"

#include <stdlib.h>

/* The merge, statement by statement in order. $1 is the tenant, which every statement names besides the wall. A row that is equal is not written:
 * a second import of the same zip changes nothing. A row that says tobedeleted only sets the status of a record that is there.
 *
 * Orgs and sessions refer to their own kind: their parents are set behind the rows (a LINK), and a record counts as updated where its parent differs.
 * class_terms and user_orgs are lists within a record; a record counts as updated where its list differs. */

typedef enum { UPDATE, INSERT, DELETE, LINK } action;

typedef struct {
    const char *file;
    action action;
    bool bulk_only;
    const char *sql;
} step;

/* A record that is to be deleted. */
#define TO_BE_DELETED(table, stage)                                                                                                                  \
    "UPDATE " table " t SET status = 2, updated_at = now() FROM " stage " s "                                                                        \
    "WHERE t.tenant_id = $1::integer AND t.sourced_id = s.\"sourcedId\" AND s.status = 2 AND t.status <> 2"

/* A staged record that the roster does not have. */
#define IS_NEW(table) "s.status = 1 AND NOT EXISTS (SELECT FROM " table " t WHERE t.tenant_id = $1::integer AND t.sourced_id = s.\"sourcedId\")"

#define LINK_PARENTS(table, stage)                                                                                                                   \
    "UPDATE " table " t SET parent_id = p.id FROM " stage " s "                                                                                      \
    "LEFT JOIN " table " p ON p.tenant_id = $1::integer AND p.sourced_id = s.\"parentSourcedId\" "                                                   \
    "WHERE t.tenant_id = $1::integer AND t.sourced_id = s.\"sourcedId\" AND s.status = 1 AND t.parent_id IS DISTINCT FROM p.id"

static const step steps[] = {
    /* ---- academicSessions ---- */
    {"academicSessions", UPDATE, false,
     "UPDATE academic_sessions t SET status = 1, title = s.title, type = s.type, start_date = s.\"startDate\", end_date = s.\"endDate\", "
     "school_year = s.\"schoolYear\", updated_at = now() "
     "FROM stage_academicSessions s "
     "WHERE t.tenant_id = $1::integer AND t.sourced_id = s.\"sourcedId\" AND s.status = 1 "
     "AND ((t.status, t.title, t.type, t.start_date, t.end_date, t.school_year) "
     "IS DISTINCT FROM (s.status, s.title, s.type, s.\"startDate\", s.\"endDate\", s.\"schoolYear\") "
     "OR (SELECT p.sourced_id FROM academic_sessions p WHERE p.tenant_id = $1::integer AND p.id = t.parent_id) "
     "IS DISTINCT FROM s.\"parentSourcedId\")"},
    {"academicSessions", INSERT, false,
     "INSERT INTO academic_sessions (tenant_id, sourced_id, title, type, start_date, end_date, school_year) "
     "SELECT $1::integer, s.\"sourcedId\", s.title, s.type, s.\"startDate\", s.\"endDate\", s.\"schoolYear\" "
     "FROM stage_academicSessions s WHERE " IS_NEW("academic_sessions") " ORDER BY s.line"},
    {"academicSessions", LINK, false, LINK_PARENTS("academic_sessions", "stage_academicSessions")},
    {"academicSessions", DELETE, false, TO_BE_DELETED("academic_sessions", "stage_academicSessions")},

    /* ---- orgs ---- */
    {"orgs", UPDATE, false,
     "UPDATE orgs t SET status = 1, name = s.name, type = s.type, identifier = s.identifier, updated_at = now() "
     "FROM stage_orgs s "
     "WHERE t.tenant_id = $1::integer AND t.sourced_id = s.\"sourcedId\" AND s.status = 1 "
     "AND ((t.status, t.name, t.type, t.identifier) IS DISTINCT FROM (s.status, s.name, s.type, s.identifier) "
     "OR (SELECT p.sourced_id FROM orgs p WHERE p.tenant_id = $1::integer AND p.id = t.parent_id) IS DISTINCT FROM s.\"parentSourcedId\")"},
    {"orgs", INSERT, false,
     "INSERT INTO orgs (tenant_id, sourced_id, name, type, identifier) "
     "SELECT $1::integer, s.\"sourcedId\", s.name, s.type, s.identifier "
     "FROM stage_orgs s WHERE " IS_NEW("orgs") " ORDER BY s.line"},
    {"orgs", LINK, false, LINK_PARENTS("orgs", "stage_orgs")},
    {"orgs", DELETE, false, TO_BE_DELETED("orgs", "stage_orgs")},

    /* ---- courses ---- */
    {"courses", UPDATE, false,
     "UPDATE courses t SET status = 1, title = s.title, course_code = s.\"courseCode\", grades = s.grades, subjects = s.subjects, "
     "subject_codes = s.\"subjectCodes\", org_id = o.id, school_year_id = y.id, updated_at = now() "
     "FROM stage_courses s "
     "JOIN orgs o ON o.tenant_id = $1::integer AND o.sourced_id = s.\"orgSourcedId\" "
     "LEFT JOIN academic_sessions y ON y.tenant_id = $1::integer AND y.sourced_id = s.\"schoolYearSourcedId\" "
     "WHERE t.tenant_id = $1::integer AND t.sourced_id = s.\"sourcedId\" AND s.status = 1 "
     "AND (t.status, t.title, t.course_code, t.grades, t.subjects, t.subject_codes, t.org_id, t.school_year_id) "
     "IS DISTINCT FROM (s.status, s.title, s.\"courseCode\", s.grades, s.subjects, s.\"subjectCodes\", o.id, y.id)"},
    {"courses", INSERT, false,
     "INSERT INTO courses (tenant_id, sourced_id, title, course_code, grades, subjects, subject_codes, org_id, school_year_id) "
     "SELECT $1::integer, s.\"sourcedId\", s.title, s.\"courseCode\", s.grades, s.subjects, s.\"subjectCodes\", o.id, y.id "
     "FROM stage_courses s "
     "JOIN orgs o ON o.tenant_id = $1::integer AND o.sourced_id = s.\"orgSourcedId\" "
     "LEFT JOIN academic_sessions y ON y.tenant_id = $1::integer AND y.sourced_id = s.\"schoolYearSourcedId\" "
     "WHERE " IS_NEW("courses") " ORDER BY s.line"},
    {"courses", DELETE, false, TO_BE_DELETED("courses", "stage_courses")},

    /* ---- classes, with their terms ---- */
    {"classes", UPDATE, false,
     "WITH want AS (SELECT DISTINCT c.id AS class_id, a.id AS session_id "
     "FROM stage_classes s CROSS JOIN LATERAL unnest(s.\"termSourcedIds\") r (ref) "
     "JOIN classes c ON c.tenant_id = $1::integer AND c.sourced_id = s.\"sourcedId\" "
     "JOIN academic_sessions a ON a.tenant_id = $1::integer AND a.sourced_id = r.ref WHERE s.status = 1), "
     "have AS (SELECT l.class_id, l.academic_session_id FROM class_terms l "
     "JOIN classes c ON c.tenant_id = $1::integer AND c.id = l.class_id "
     "JOIN stage_classes s ON s.\"sourcedId\" = c.sourced_id AND s.status = 1 WHERE l.tenant_id = $1::integer), "
     "changed AS ((TABLE want EXCEPT TABLE have) UNION ALL (TABLE have EXCEPT TABLE want)) "
     "UPDATE classes t SET status = 1, title = s.title, class_code = s.\"classCode\", class_type = s.\"classType\", location = s.location, "
     "grades = s.grades, subjects = s.subjects, subject_codes = s.\"subjectCodes\", periods = s.periods, course_id = c.id, school_id = o.id, "
     "updated_at = now() "
     "FROM stage_classes s "
     "JOIN courses c ON c.tenant_id = $1::integer AND c.sourced_id = s.\"courseSourcedId\" "
     "JOIN orgs o ON o.tenant_id = $1::integer AND o.sourced_id = s.\"schoolSourcedId\" "
     "WHERE t.tenant_id = $1::integer AND t.sourced_id = s.\"sourcedId\" AND s.status = 1 "
     "AND ((t.status, t.title, t.class_code, t.class_type, t.location, t.grades, t.subjects, t.subject_codes, t.periods, t.course_id, t.school_id) "
     "IS DISTINCT FROM (s.status, s.title, s.\"classCode\", s.\"classType\", s.location, s.grades, s.subjects, s.\"subjectCodes\", s.periods, c.id, "
     "o.id) "
     "OR t.id IN (SELECT class_id FROM changed))"},
    {"classes", INSERT, false,
     "INSERT INTO classes (tenant_id, sourced_id, title, class_code, class_type, location, grades, subjects, subject_codes, periods, course_id, "
     "school_id) "
     "SELECT $1::integer, s.\"sourcedId\", s.title, s.\"classCode\", s.\"classType\", s.location, s.grades, s.subjects, s.\"subjectCodes\", "
     "s.periods, c.id, o.id "
     "FROM stage_classes s "
     "JOIN courses c ON c.tenant_id = $1::integer AND c.sourced_id = s.\"courseSourcedId\" "
     "JOIN orgs o ON o.tenant_id = $1::integer AND o.sourced_id = s.\"schoolSourcedId\" "
     "WHERE " IS_NEW("classes") " ORDER BY s.line"},
    {"classes", LINK, false,
     "INSERT INTO class_terms (tenant_id, class_id, academic_session_id) "
     "SELECT DISTINCT $1::integer, c.id, a.id "
     "FROM stage_classes s CROSS JOIN LATERAL unnest(s.\"termSourcedIds\") r (ref) "
     "JOIN classes c ON c.tenant_id = $1::integer AND c.sourced_id = s.\"sourcedId\" "
     "JOIN academic_sessions a ON a.tenant_id = $1::integer AND a.sourced_id = r.ref "
     "WHERE s.status = 1 AND NOT EXISTS (SELECT FROM class_terms l "
     "WHERE l.tenant_id = $1::integer AND l.class_id = c.id AND l.academic_session_id = a.id)"},
    {"classes", LINK, false,
     "DELETE FROM class_terms l USING stage_classes s, classes c, academic_sessions a "
     "WHERE l.tenant_id = $1::integer AND c.tenant_id = $1::integer AND c.id = l.class_id AND c.sourced_id = s.\"sourcedId\" AND s.status = 1 "
     "AND a.tenant_id = $1::integer AND a.id = l.academic_session_id AND NOT a.sourced_id = ANY (s.\"termSourcedIds\")"},
    {"classes", DELETE, false, TO_BE_DELETED("classes", "stage_classes")},

    /* ---- users, with their orgs; no account is made or touched ---- */
    {"users", UPDATE, false,
     "WITH want AS (SELECT DISTINCT u.id AS user_id, o.id AS org_id "
     "FROM stage_users s CROSS JOIN LATERAL unnest(s.\"orgSourcedIds\") r (ref) "
     "JOIN users u ON u.tenant_id = $1::integer AND u.sourced_id = s.\"sourcedId\" "
     "JOIN orgs o ON o.tenant_id = $1::integer AND o.sourced_id = r.ref WHERE s.status = 1), "
     "have AS (SELECT l.user_id, l.org_id FROM user_orgs l "
     "JOIN users u ON u.tenant_id = $1::integer AND u.id = l.user_id "
     "JOIN stage_users s ON s.\"sourcedId\" = u.sourced_id AND s.status = 1 WHERE l.tenant_id = $1::integer), "
     "changed AS ((TABLE want EXCEPT TABLE have) UNION ALL (TABLE have EXCEPT TABLE want)) "
     "UPDATE users t SET status = 1, enabled = s.\"enabledUser\", role = s.role, username = s.username, user_ids = s.\"userIds\", "
     "given_name = s.\"givenName\", family_name = s.\"familyName\", middle_name = s.\"middleName\", identifier = s.identifier, email = s.email, "
     "sms = s.sms, phone = s.phone, agent_sourced_ids = s.\"agentSourcedIds\", grades = s.grades, updated_at = now() "
     "FROM stage_users s "
     "WHERE t.tenant_id = $1::integer AND t.sourced_id = s.\"sourcedId\" AND s.status = 1 "
     "AND ((t.status, t.enabled, t.role, t.username, t.user_ids, t.given_name, t.family_name, t.middle_name, t.identifier, t.email, t.sms, t.phone, "
     "t.agent_sourced_ids, t.grades) "
     "IS DISTINCT FROM (s.status, s.\"enabledUser\", s.role, s.username, s.\"userIds\", s.\"givenName\", s.\"familyName\", s.\"middleName\", "
     "s.identifier, s.email, s.sms, s.phone, s.\"agentSourcedIds\", s.grades) "
     "OR t.id IN (SELECT user_id FROM changed))"},
    {"users", INSERT, false,
     "INSERT INTO users (tenant_id, sourced_id, enabled, role, username, user_ids, given_name, family_name, middle_name, identifier, email, sms, "
     "phone, agent_sourced_ids, grades) "
     "SELECT $1::integer, s.\"sourcedId\", s.\"enabledUser\", s.role, s.username, s.\"userIds\", s.\"givenName\", s.\"familyName\", "
     "s.\"middleName\", s.identifier, s.email, s.sms, s.phone, s.\"agentSourcedIds\", s.grades "
     "FROM stage_users s WHERE " IS_NEW("users") " ORDER BY s.line"},
    {"users", LINK, false,
     "INSERT INTO user_orgs (tenant_id, user_id, org_id) "
     "SELECT DISTINCT $1::integer, u.id, o.id "
     "FROM stage_users s CROSS JOIN LATERAL unnest(s.\"orgSourcedIds\") r (ref) "
     "JOIN users u ON u.tenant_id = $1::integer AND u.sourced_id = s.\"sourcedId\" "
     "JOIN orgs o ON o.tenant_id = $1::integer AND o.sourced_id = r.ref "
     "WHERE s.status = 1 AND NOT EXISTS (SELECT FROM user_orgs l WHERE l.tenant_id = $1::integer AND l.user_id = u.id AND l.org_id = o.id)"},
    {"users", LINK, false,
     "DELETE FROM user_orgs l USING stage_users s, users u, orgs o "
     "WHERE l.tenant_id = $1::integer AND u.tenant_id = $1::integer AND u.id = l.user_id AND u.sourced_id = s.\"sourcedId\" AND s.status = 1 "
     "AND o.tenant_id = $1::integer AND o.id = l.org_id AND NOT o.sourced_id = ANY (s.\"orgSourcedIds\")"},
    {"users", DELETE, false, TO_BE_DELETED("users", "stage_users")},

    /* ---- enrollments ---- */
    {"enrollments", UPDATE, false,
     "UPDATE enrollments t SET status = 1, class_id = c.id, user_id = u.id, role = s.role, is_primary = coalesce(s.\"primary\", false), "
     "begin_date = s.\"beginDate\", end_date = s.\"endDate\", updated_at = now() "
     "FROM stage_enrollments s "
     "JOIN classes c ON c.tenant_id = $1::integer AND c.sourced_id = s.\"classSourcedId\" "
     "JOIN users u ON u.tenant_id = $1::integer AND u.sourced_id = s.\"userSourcedId\" "
     "WHERE t.tenant_id = $1::integer AND t.sourced_id = s.\"sourcedId\" AND s.status = 1 "
     "AND (t.status, t.class_id, t.user_id, t.role, t.is_primary, t.begin_date, t.end_date) "
     "IS DISTINCT FROM (s.status, c.id, u.id, s.role, coalesce(s.\"primary\", false), s.\"beginDate\", s.\"endDate\")"},
    {"enrollments", INSERT, false,
     "INSERT INTO enrollments (tenant_id, sourced_id, class_id, user_id, role, is_primary, begin_date, end_date) "
     "SELECT $1::integer, s.\"sourcedId\", c.id, u.id, s.role, coalesce(s.\"primary\", false), s.\"beginDate\", s.\"endDate\" "
     "FROM stage_enrollments s "
     "JOIN classes c ON c.tenant_id = $1::integer AND c.sourced_id = s.\"classSourcedId\" "
     "JOIN users u ON u.tenant_id = $1::integer AND u.sourced_id = s.\"userSourcedId\" "
     "WHERE " IS_NEW("enrollments") " ORDER BY s.line"},
    {"enrollments", DELETE, false, TO_BE_DELETED("enrollments", "stage_enrollments")},
    /* A full snapshot: who is not in it has left. For enrollments only; other records stay until a file says tobedeleted. */
    {"enrollments", DELETE, true,
     "UPDATE enrollments t SET status = 2, updated_at = now() "
     "WHERE t.tenant_id = $1::integer AND t.status = 1 AND NOT t.sourced_id ^@ 'local-' "
     "AND NOT EXISTS (SELECT FROM stage_enrollments s WHERE s.\"sourcedId\" = t.sourced_id)"},
};

static bool run_step(const fb_roster_merge *m, const step *st, fb_roster_count *c) {
    PGresult *r = fb_pg_exec(m->pg, st->sql, 1, &m->tenant);

    if (r == NULL) {
        return false;
    }
    uint64_t n = strtoull(PQcmdTuples(r), NULL, 10);
    PQclear(r);
    switch (st->action) {
    case UPDATE:
        c->updated += n;
        break;
    case INSERT:
        c->inserted += n;
        break;
    case DELETE:
        c->deleted += n;
        break;
    case LINK:
        return true; /* counted with its record */
    }
    if (!st->bulk_only) {
        c->unchanged -= n;
    }
    return true;
}

bool fb_roster_apply(const fb_roster_merge *m) {
    for (size_t i = 0; i < BELL_ONEROSTER_FILES; i++) {
        m->report->counts[i].unchanged = m->report->counts[i].rows;
    }
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        fb_roster_count *c = &m->report->counts[bell_oneroster_index(bell_oneroster_find(bell_str_of(steps[i].file)))];

        if (c->rows == 0 || (steps[i].bulk_only && c->mode != BELL_ONEROSTER_BULK)) {
            continue;
        }
        if (!run_step(m, &steps[i], c)) {
            return false;
        }
    }
    return true;
}
