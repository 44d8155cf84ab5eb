/* What a teacher may do for the students of a class: see who can sign in, make a sheet of codes for those who cannot yet, reset one. Whatever is
 * not a student of a class that one teaches does not exist here. */
#include "origin/accounts/accounts.h"
#include "origin/accounts/one_code.h"
#include "origin/content/person.h"
#include "origin/content/sql.h"
#include "origin/server/codes.h"
#include "origin/server/log.h"
#include "origin/server/reply.h"
#include "origin/server/worker.h"

#define STUDENTS_MAX "1000"

/* A student by the roster of the person and by that of the class: a teacher who is enrolled like a student stays a teacher. */
#define STUDENT                                                                                                                                      \
    "EXISTS (SELECT FROM enrollments e WHERE e.tenant_id = $1 AND e.class_id = $3 AND e.user_id = u.id AND e.role = 3 AND e.status = 1) "            \
    "AND u.role = 7 AND u.status = 1 AND u.enabled"

const fb_stmt fb_sql_codes_class = {
    "codes_class",
    "SELECT k.id, k.title, v.given_name, v.family_name, " FB_SQL_TIME(
        "v.at") ", v.codes "
                "FROM classes k LEFT JOIN LATERAL (SELECT u.given_name, u.family_name, n.at, n.codes FROM account_events n "
                "  JOIN users u ON u.tenant_id = $1 AND u.id = n.actor_id WHERE n.tenant_id = $1 AND n.class_id = k.id AND n.action = 1 "
                "  ORDER BY n.id DESC LIMIT 1) v ON true "
                "WHERE k.tenant_id = $1 AND k.id = $3 AND k.status = 1 AND " FB_SQL_TAUGHT,
    3,
};

/* Those without a code first, so that in a class past the bound the next sheet goes on where the last one ended. */
const fb_stmt fb_sql_codes_students = {
    "codes_students",
    "SELECT u.id, u.given_name, u.family_name, u.username, coalesce(a.kind, 0), " FB_SQL_TIME(
        "c.expires_at") " FROM classes k JOIN users u ON u.tenant_id = $1 AND " STUDENT
                        " LEFT JOIN accounts a ON a.tenant_id = $1 AND a.user_id = u.id "
                        "LEFT JOIN account_codes c ON c.tenant_id = $1 AND c.user_id = u.id AND c.expires_at > now() "
                        "WHERE k.tenant_id = $1 AND k.id = $3 AND k.status = 1 AND " FB_SQL_TAUGHT
                        " ORDER BY c.user_id IS NOT NULL, u.family_name, u.given_name, u.id LIMIT " STUDENTS_MAX,
    3,
};

const fb_stmt fb_sql_codes_put = {
    "codes_put",
    "WITH put AS (SELECT account_codes_put($1, $4::bigint[], $5::text[], $6) AS id), "
    "logged AS (INSERT INTO account_events (tenant_id, action, actor_id, class_id, codes) SELECT $1, 1, $2, $3, count(*) FROM put) "
    "SELECT id, " FB_SQL_TIME("now() + make_interval(days => $6)") " FROM put ORDER BY id",
    6,
};

const fb_stmt fb_sql_codes_student_reset = {
    "codes_student_reset",
    "WITH who AS (SELECT u.id, u.given_name, u.family_name, u.username FROM users u JOIN classes k ON k.tenant_id = $1 AND k.id = $3 AND k.status = "
    "1 "
    "  WHERE u.tenant_id = $1 AND u.id = $4 AND " STUDENT " AND " FB_SQL_TAUGHT "), "
    "done AS (SELECT account_reset($1, who.id, $5, $6) AS id FROM who), "
    "logged AS (INSERT INTO account_events (tenant_id, action, actor_id, user_id, class_id) SELECT $1, 3, $2, id, $3 FROM done) "
    "SELECT who.id, who.given_name, who.family_name, who.username, " FB_SQL_TIME(
        "now() + make_interval(days => $6)") " FROM who JOIN done ON done.id = who.id",
    6,
};

enum { ID, GIVEN_NAME, FAMILY_NAME, USERNAME, KIND, CODE_UNTIL };

static void write_student(bell_json *j, const PGresult *r, int row) {
    bell_json_object_open(j);
    fb_person_write(j, r, row, ID);
    fb_person_write_kind(j, r, row, KIND);
    fb_col_write_str_or_null(j, "code_until", r, row, CODE_UNTIL);
    bell_json_object_close(j);
}

static void write_last_sheet(bell_json *j, const PGresult *r) {
    bell_json_key(j, "last_sheet");
    if (PQgetisnull(r, 0, 4)) {
        bell_json_null(j);
        return;
    }
    bell_json_object_open(j);
    fb_col_write_str(j, "given_name", r, 0, 2);
    fb_col_write_str(j, "family_name", r, 0, 3);
    fb_col_write_str(j, "at", r, 0, 4);
    fb_col_write_int(j, "codes", r, 0, 5);
    bell_json_object_close(j);
}

static void answer_list(fb_job *job) {
    const PGresult *head = fb_rows(job, 0);
    const PGresult *r = fb_rows(job, 1);
    bell_json j;

    if (PQntuples(head) == 0) {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
        return;
    }
    fb_reply_json_begin(job, &j);
    bell_json_object_open(&j);
    fb_col_write_int(&j, "id", head, 0, 0);
    fb_col_write_str(&j, "title", head, 0, 1);
    bell_json_key(&j, "valid_days");
    bell_json_int(&j, job->worker->settings->code_valid_days);
    write_last_sheet(&j, head);
    fb_rows_write(&j, "students", r, write_student);
    bell_json_object_close(&j);
    fb_reply_json(job, &j, 200);
}

static void ask_class(fb_job *job, fb_step next) {
    const char *tenant = fb_text_i64(job, job->tenant_id);
    const char *teacher = fb_text_i64(job, (int64_t)job->session.user_id);
    const char *class_id = fb_text_i64(job, (int64_t)job->ids[0]);
    fb_call_add(job, &fb_sql_codes_class, tenant, teacher, class_id);
    fb_call_add(job, &fb_sql_codes_students, tenant, teacher, class_id);
    fb_await_db(job, next);
}

void fb_class_codes_list(fb_job *job) {
    ask_class(job, answer_list);
}

/* ---- a sheet ---- */

typedef struct {
    int64_t id;
    const char *given_name, *family_name, *username;
    char code[FB_CODE_BYTES + 1];
} slip;

typedef struct {
    slip *slips;
    size_t nslips;
} sheet;

static void write_slip(bell_json *j, const slip *s) {
    char shown[FB_CODE_SHOWN_BYTES + 1];
    fb_code_show(s->code, shown);
    bell_json_object_open(j);
    bell_json_key(j, "id");
    bell_json_int(j, s->id);
    bell_json_key(j, "given_name");
    bell_json_z(j, s->given_name);
    bell_json_key(j, "family_name");
    bell_json_z(j, s->family_name);
    bell_json_key(j, "username");
    bell_json_z(j, s->username);
    bell_json_key(j, "code");
    bell_json_z(j, shown);
    bell_json_object_close(j);
}

/* Only those for whom a code was put; r has their ids. */
static void write_slips(bell_json *j, const sheet *s, const PGresult *r) {
    bell_json_array_open(j);
    for (size_t i = 0; i < s->nslips; i++) {
        for (int row = 0; row < PQntuples(r); row++) {
            if (fb_col_i64(r, row, 0) == s->slips[i].id) {
                write_slip(j, &s->slips[i]);
                break;
            }
        }
    }
    bell_json_array_close(j);
}

static void answer_sheet(fb_job *job) {
    sheet *s = job->state;
    const PGresult *r = fb_rows(job, 0);
    bell_json j;

    fb_reply_json_begin(job, &j);
    bell_json_object_open(&j);
    bell_json_key(&j, "expires_at");
    bell_json_str(&j, PQntuples(r) > 0 ? fb_col(r, 0, 1) : BELL_STR_NULL);
    bell_json_key(&j, "codes");
    write_slips(&j, s, r);
    bell_json_object_close(&j);
    explicit_bzero(s->slips, s->nslips * sizeof *s->slips);
    fb_reply_json(job, &j, 201);
}

/* Adds one to the lists of ids and hashes. */
static bool put_slip(fb_job *job, const fb_codes_keys *keys, slip *s, bell_buf *ids, bell_buf *hashes) {
    char hash[FB_CODE_HASH_BYTES + 1];
    const char *comma = ids->len > 1 ? "," : "";
    if (!fb_code_new(s->code) || !fb_code_hash(keys, 0, FB_CODE_OF_SHEET, job->tenant_id, bell_str_of(s->code), hash)) {
        return false;
    }
    bell_buf_printf(ids, "%s%lld", comma, (long long)s->id);
    bell_buf_printf(hashes, "%s%s", comma, hash);
    return true;
}

/* The rows of students without a password as slips. */
static bool take_slips(fb_job *job, sheet *s, const PGresult *r) {
    s->slips = bell_arena_zalloc(&job->arena, ((size_t)PQntuples(r) + 1) * sizeof *s->slips);
    for (int row = 0; s->slips != NULL && row < PQntuples(r); row++) {
        if (fb_col_i64(r, row, KIND) == 0) {
            s->slips[s->nslips++] = (slip){.id = fb_col_i64(r, row, ID),
                                           .given_name = fb_text(job, fb_col(r, row, GIVEN_NAME)),
                                           .family_name = fb_text(job, fb_col(r, row, FAMILY_NAME)),
                                           .username = fb_text(job, fb_col(r, row, USERNAME))};
        }
    }
    return s->slips != NULL;
}

static bool put_slips(fb_job *job, sheet *s, bell_buf *ids, bell_buf *hashes) {
    const fb_codes_keys *keys = fb_codes_keys_of(job->worker->settings);
    bool ok = keys != NULL;
    bell_buf_add_char(ids, '{');
    bell_buf_add_char(hashes, '{');
    for (size_t i = 0; ok && i < s->nslips; i++) {
        ok = put_slip(job, keys, &s->slips[i], ids, hashes);
    }
    bell_buf_add_char(ids, '}');
    bell_buf_add_char(hashes, '}');
    return ok && !ids->failed && !hashes->failed;
}

static void store_sheet(fb_job *job, sheet *s) {
    bell_buf ids, hashes;
    bell_buf_init(&ids, 64 * 1024);
    bell_buf_init(&hashes, 128 * 1024);
    if (!put_slips(job, s, &ids, &hashes)) {
        fb_reply_problem(job, FB_PROBLEM_INTERNAL, NULL);
    } else {
        fb_call_add(job, &fb_sql_codes_put, fb_text_i64(job, job->tenant_id), fb_text_i64(job, (int64_t)job->session.user_id),
                    fb_text_i64(job, (int64_t)job->ids[0]), fb_text(job, bell_buf_str(&ids)), fb_text(job, bell_buf_str(&hashes)),
                    fb_text_i64(job, job->worker->settings->code_valid_days));
        fb_await_db(job, answer_sheet);
    }
    bell_buf_fini(&ids);
    bell_buf_fini(&hashes);
}

static void make_sheet(fb_job *job) {
    sheet *s = bell_arena_zalloc(&job->arena, sizeof *s);

    if (PQntuples(fb_rows(job, 0)) == 0) {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, NULL);
    } else if (s == NULL || !take_slips(job, s, fb_rows(job, 1))) {
        fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
    } else {
        job->state = s;
        store_sheet(job, s);
    }
}

void fb_class_codes_make(fb_job *job) {
    ask_class(job, make_sheet);
}

/* ---- one student ---- */

void fb_class_student_reset(fb_job *job) {
    fb_one_code *c = fb_one_code_new(job);
    if (c == NULL) {
        return;
    }
    fb_call_add(job, &fb_sql_codes_student_reset, fb_text_i64(job, job->tenant_id), fb_text_i64(job, (int64_t)job->session.user_id),
                fb_text_i64(job, (int64_t)job->ids[0]), fb_text_i64(job, (int64_t)job->ids[1]), c->hash,
                fb_text_i64(job, job->worker->settings->code_valid_days));
    fb_await_db(job, fb_one_code_answer);
}
