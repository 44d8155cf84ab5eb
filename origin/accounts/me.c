#include "bell_role.h"
#include "origin/accounts/accounts.h"
#include "origin/content/person.h"
#include "origin/server/reply.h"
#include "origin/server/route.h"

const fb_stmt fb_sql_me = {
    "me",
    "SELECT u.id, u.given_name, u.family_name, u.username, u.role, t.id, t.name, t.title, t.locale "
    "FROM users u JOIN tenants t ON t.id = u.tenant_id WHERE u.tenant_id = $1 AND u.id = $2",
    2,
};

static void answer(fb_job *job) {
    const PGresult *r = fb_rows(job, 0);
    uint32_t role = (uint32_t)fb_col_i64(r, 0, 4);
    bell_json j;

    fb_reply_json_begin(job, &j);
    bell_json_object_open(&j);
    fb_person_write(&j, r, 0, 0);
    bell_json_key(&j, "role");
    bell_json_z(&j, bell_role_name(role));
    bell_json_key(&j, "home");
    bell_json_z(&j, fb_role_home(role));
    bell_json_key(&j, "makes_codes"); /* aides are called teachers too, and make none */
    bell_json_bool(&j, (fb_role_scopes(role) & FB_SCOPE_CODES) != 0);
    bell_json_key(&j, "tenant");
    bell_json_object_open(&j);
    fb_col_write_int(&j, "id", r, 0, 5);
    fb_col_write_str(&j, "name", r, 0, 6);
    fb_col_write_str(&j, "title", r, 0, 7);
    fb_col_write_str(&j, "locale", r, 0, 8);
    bell_json_object_close(&j);
    bell_json_object_close(&j);
    fb_reply_json(job, &j, 200);
}

void fb_me(fb_job *job) {
    fb_call_add(job, &fb_sql_me, fb_text_i64(job, job->tenant_id), fb_text_i64(job, (int64_t)job->session.user_id));
    fb_await_db(job, answer);
}
