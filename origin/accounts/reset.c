/* Asking for a mail with a link to a new password. The answer is the same for a name that exists and one that does not, and so is the work: one row
 * in the queue. */
#include <string.h>

#include "origin/accounts/accounts.h"
#include "origin/accounts/throttle.h"
#include "origin/server/json_in.h"
#include "origin/server/reply.h"
#include "origin/server/worker.h"

#define WHO_MAX_BYTES    254
#define PEOPLE_OF_A_MAIL "5" /* brothers and sisters with the address of a parent */

/* User name or mail address; without anybody the job of nobody. The link leads to the host that the request came for when it is one of the
 * district's: what else a client writes there must not get into a mail. */
const fb_stmt fb_sql_reset_ask = {
    "reset_ask",
    "WITH found AS ("
    "SELECT u.id FROM users u WHERE u.tenant_id = $1 AND u.status = 1 AND u.login_key = lower($2::text COLLATE \"C\") AND u.email_key IS NOT NULL "
    "AND u.enabled AND u.role <> 20 UNION "
    "SELECT u.id FROM users u WHERE u.tenant_id = $1 AND u.status = 1 AND u.email_key = lower($2::text COLLATE \"default\") "
    "AND u.enabled AND u.role <> 20 ORDER BY 1 LIMIT " PEOPLE_OF_A_MAIL "), "
    "host AS (SELECT coalesce((SELECT h.host FROM tenant_hosts h WHERE h.tenant_id = $1 AND h.host = lower($3::text COLLATE \"C\")), "
    "                         (SELECT min(h.host) FROM tenant_hosts h WHERE h.tenant_id = $1)) AS host) "
    "SELECT queue_put('mail.reset', 'user:' || p.id, jsonb_build_object('user_id', p.id, 'host', host.host), NULL) "
    "FROM host, (SELECT id FROM found UNION ALL SELECT 0 WHERE NOT EXISTS (SELECT FROM found)) p",
    3,
};

typedef struct {
    bell_str who;
    fb_throttle try;
} asking;

static bool has_relay(const fb_job *job) {
    return strcmp(job->worker->settings->smtp_url, "-") != 0;
}

static void answer_asked(fb_job *job) {
    bell_json j;
    fb_reply_json_begin(job, &j);
    bell_json_object_open(&j);
    bell_json_object_close(&j);
    fb_reply_json(job, &j, 202);
}

static const char *host_of(fb_job *job) {
    bell_str host = job->request->host;
    const char *colon = host.len > 0 ? memrchr(host.p, ':', host.len) : NULL;
    if (colon != NULL && host.p[host.len - 1] != ']') {
        host.len = (size_t)(colon - host.p);
    }
    return fb_text(job, host);
}

static void ask(fb_job *job) {
    asking *a = job->state;
    fb_call_add(job, &fb_sql_reset_ask, fb_text_i64(job, job->tenant_id), a->who.p, host_of(job));
    fb_await_db(job, answer_asked);
}

/* Every asking counts as a try that failed: mails are sent to people, and few in a row are enough. */
static void admitted(fb_job *job) {
    asking *a = job->state;
    unsigned wait_s = fb_throttle_admits(job, &a->try, 0);
    if (wait_s > 0) {
        fb_throttle_refuse(job, wait_s);
    } else {
        fb_throttle_failed(job, &a->try, ask);
    }
}

static void begin(fb_job *job, const json_t *who) {
    asking *a = bell_arena_zalloc(&job->arena, sizeof *a);
    if (a == NULL) {
        fb_reply_problem(job, FB_PROBLEM_BUSY, NULL);
        return;
    }
    a->who = bell_str_trim(bell_str_of(fb_text(job, (bell_str){json_string_value(who), json_string_length(who)})));
    a->who = bell_str_of(fb_text(job, a->who));
    if (a->who.len == 0 || a->who.len > WHO_MAX_BYTES) {
        fb_reply_problem(job, FB_PROBLEM_INVALID, "Type your user name or your e-mail address.");
        return;
    }
    job->state = a;
    fb_throttle_check_call(job, &a->try, FB_THROTTLE_MAIL, a->who);
    fb_await_db(job, admitted);
}

void fb_reset_ask(fb_job *job) {
    static const char *const names[] = {"who", NULL};
    if (!has_relay(job)) {
        fb_reply_problem(job, FB_PROBLEM_NOT_FOUND, "Mails are not sent here. Ask your teacher or the school office for a new code.");
        return;
    }
    json_t *body = fb_json_body(job);
    if (body == NULL) {
        return;
    }
    if (fb_json_only(job, body, names)) {
        json_t *who = json_object_get(body, "who");
        if (json_is_string(who)) {
            begin(job, who);
        } else {
            fb_reply_problem(job, FB_PROBLEM_INVALID, "\"who\" is expected, as text: a user name or an e-mail address.");
        }
    }
    json_decref(body);
}

/* What a page for somebody who is not signed in has to know. */
void fb_account_rules(fb_job *job) {
    bell_json j;
    fb_reply_json_begin(job, &j);
    bell_json_object_open(&j);
    bell_json_key(&j, "mail");
    bell_json_bool(&j, has_relay(job));
    bell_json_key(&j, "password_min_length");
    bell_json_int(&j, job->worker->settings->password_min_length);
    bell_json_object_close(&j);
    fb_share_say(job, "account-rules");
    fb_reply_json(job, &j, 200);
}
