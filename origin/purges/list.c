/* GET /api/v1/purges: who has asked for what, newest first. */
#include "origin/content/sql.h"
#include "origin/purges/purges.h"
#include "origin/purges/wish.h"
#include "origin/server/reply.h"

/* The newest purges are found by purges_asked. */
const fb_stmt fb_sql_purges_list = {
    "purges_list",
    "SELECT p.id, " FB_SQL_TIME("p.asked_at") ", u.given_name || ' ' || u.family_name, p.kind, p.hard, p.host, p.value, p.sequence, p.by_change "
                                              "FROM purges p LEFT JOIN users u ON u.tenant_id = $1 AND u.id = p.actor_id "
                                              "WHERE p.tenant_id = $1 ORDER BY p.asked_at DESC, p.id DESC LIMIT 50",
    1,
};

enum { ID, ASKED_AT, BY, KIND, HARD, HOST, VALUE, SEQUENCE, BY_CHANGE };

static void write_purge(bell_json *j, const PGresult *r, int row) {
    int64_t kind = fb_col_i64(r, row, KIND) - 1;

    bell_json_object_open(j);
    fb_col_write_int(j, "id", r, row, ID);
    fb_col_write_str(j, "asked_at", r, row, ASKED_AT);
    fb_col_write_str_or_null(j, "by", r, row, BY);
    bell_json_key(j, "by_change");
    bell_json_bool(j, bell_str_eq(fb_col(r, row, BY_CHANGE), BELL_STR("t")));
    bell_json_key(j, "kind");
    bell_json_z(j, kind < 0 || kind >= BELL_PURGE_KINDS ? "none" : bell_purge_kind_name((bell_purge_kind)kind));
    bell_json_key(j, "hard");
    bell_json_bool(j, bell_str_eq(fb_col(r, row, HARD), BELL_STR("t")));
    fb_col_write_str_or_null(j, "host", r, row, HOST);
    fb_col_write_str_or_null(j, "value", r, row, VALUE);
    fb_col_write_int_or_null(j, "sequence", r, row, SEQUENCE);
    bell_json_object_close(j);
}

static void answer(fb_job *job) {
    fb_reply_rows(job, "purges", write_purge);
}

void fb_purges_list(fb_job *job) {
    fb_call_add(job, &fb_sql_purges_list, fb_text_i64(job, job->tenant_id));
    fb_await_db(job, answer);
}
