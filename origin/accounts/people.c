/* What the operator of a district may do for everybody but operators: find a person, reset one. */
#include <stdlib.h>

#include "bell_role.h"
#include "origin/accounts/accounts.h"
#include "origin/accounts/one_code.h"
#include "origin/content/person.h"
#include "origin/content/sql.h"
#include "origin/server/json_in.h"
#include "origin/server/reply.h"
#include "origin/server/worker.h"

#define QUERY_MIN_BYTES 2
#define QUERY_MAX_BYTES 100
#define FOUND_MAX       "50"

/* Prefixes of the user name or of the family name; or, with a comma ($3 and $4 are not NULL), the family name before and a prefix of the given name
 * behind it: a family name may have a comma itself ("King, Jr."). One row more than is shown says that there are more. */
const fb_stmt fb_sql_people_search = {
    "people_search",
    "WITH found AS ("
    "(SELECT u.id FROM users u WHERE u.tenant_id = $1 AND u.status = 1 AND u.login_key ^@ lower($2::text COLLATE \"C\") "
    " ORDER BY u.login_key LIMIT " FOUND_MAX " + 1) UNION "
    "(SELECT u.id FROM users u WHERE u.tenant_id = $1 AND u.status = 1 AND u.family_key ^@ lower($2::text COLLATE \"default\") "
    " ORDER BY u.family_key LIMIT " FOUND_MAX " + 1) UNION "
    "(SELECT u.id FROM users u WHERE u.tenant_id = $1 AND u.status = 1 AND u.family_key = lower($3::text COLLATE \"default\") "
    " AND starts_with(lower(u.given_name COLLATE \"default\"), lower($4::text COLLATE \"default\")) LIMIT " FOUND_MAX " + 1)) "
    "SELECT u.id, u.given_name, u.family_name, u.username, u.role, coalesce(a.kind, 0), " FB_SQL_TIME(
        "c.expires_at") ", "
                        "(SELECT string_agg(o.name, ', ' ORDER BY o.name) FROM user_orgs l JOIN orgs o ON o.tenant_id = $1 AND o.id = l.org_id "
                        " WHERE l.tenant_id = $1 AND l.user_id = u.id) "
                        "FROM found JOIN users u ON u.tenant_id = $1 AND u.id = found.id AND u.enabled AND u.role <> 20 "
                        "LEFT JOIN accounts a ON a.tenant_id = $1 AND a.user_id = u.id "
                        "LEFT JOIN account_codes c ON c.tenant_id = $1 AND c.user_id = u.id AND c.expires_at > now() "
                        "ORDER BY u.family_name, u.given_name, u.id LIMIT " FOUND_MAX " + 1",
    4,
};

const fb_stmt fb_sql_people_reset = {
    "people_reset",
    "WITH who AS (SELECT u.id, u.given_name, u.family_name, u.username FROM users u "
    "  WHERE u.tenant_id = $1 AND u.id = $3 AND u.role <> 20 AND u.status = 1 AND u.enabled), "
    "done AS (SELECT account_reset($1, who.id, $4, $5) AS id FROM who), "
    "logged AS (INSERT INTO account_events (tenant_id, action, actor_id, user_id) SELECT $1, 3, $2, id FROM done) "
    "SELECT who.id, who.given_name, who.family_name, who.username, " FB_SQL_TIME(
        "now() + make_interval(days => $5)") " FROM who JOIN done ON done.id = who.id",
    5,
};

enum { ID, GIVEN_NAME, FAMILY_NAME, USERNAME, ROLE, KIND, CODE_UNTIL, SCHOOLS };

static void write_person(bell_json *j, const PGresult *r, int row) {
    bell_json_object_open(j);
    fb_person_write(j, r, row, ID);
    fb_col_write_str(j, "schools", r, row, SCHOOLS);
    bell_json_key(j, "role");
    bell_json_z(j, bell_role_name((uint32_t)fb_col_i64(r, row, ROLE)));
    fb_person_write_kind(j, r, row, KIND);
    fb_col_write_str_or_null(j, "code_until", r, row, CODE_UNTIL);
    bell_json_object_close(j);
}

static void answer_search(fb_job *job) {
    const PGresult *r = fb_rows(job, 0);
    int most = atoi(FOUND_MAX);
    bell_json j;

    fb_reply_json_begin(job, &j);
    bell_json_object_open(&j);
    bell_json_key(&j, "people");
    bell_json_array_open(&j);
    for (int row = 0; row < PQntuples(r) && row < most; row++) {
        write_person(&j, r, row);
    }
    bell_json_array_close(&j);
    bell_json_key(&j, "more");
    bell_json_bool(&j, PQntuples(r) > most);
    bell_json_object_close(&j);
    fb_reply_json(job, &j, 200);
}

static void search(fb_job *job, bell_str query) {
    bell_str given = query = bell_str_trim(query);
    bell_str family = bell_str_trim(bell_str_cut(&given, ','));
    bool has_comma = family.len < query.len;

    if (family.len < QUERY_MIN_BYTES || query.len > QUERY_MAX_BYTES) {
        fb_reply_problem(job, FB_PROBLEM_INVALID, "Type at least two letters of a family name or a user name.");
        return;
    }
    fb_call_add(job, &fb_sql_people_search, fb_text_i64(job, job->tenant_id), fb_text(job, query), has_comma ? fb_text(job, family) : NULL,
                has_comma ? fb_text(job, bell_str_trim(given)) : NULL);
    fb_await_db(job, answer_search);
}

/* The query is in the body and not in the address: a name does not belong into logs. */
void fb_people_search(fb_job *job) {
    static const char *const names[] = {"query", NULL};
    json_t *body = fb_json_body(job);

    if (body == NULL) {
        return;
    }
    if (fb_json_only(job, body, names)) {
        json_t *query = json_object_get(body, "query");
        if (json_is_string(query)) {
            search(job, bell_str_of(fb_text(job, (bell_str){json_string_value(query), json_string_length(query)})));
        } else {
            fb_reply_problem(job, FB_PROBLEM_INVALID, "\"query\" is expected, as text.");
        }
    }
    json_decref(body);
}

void fb_people_reset(fb_job *job) {
    fb_one_code *c = fb_one_code_new(job);
    if (c == NULL) {
        return;
    }
    fb_call_add(job, &fb_sql_people_reset, fb_text_i64(job, job->tenant_id), fb_text_i64(job, (int64_t)job->session.user_id),
                fb_text_i64(job, (int64_t)job->ids[0]), c->hash, fb_text_i64(job, job->worker->settings->code_valid_days));
    fb_await_db(job, fb_one_code_answer);
}
