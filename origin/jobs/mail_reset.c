/* mail.reset: a mail with a link to a new password. The token is made here and leaves only with the mail; the database gets its hash, in the
 * transaction that ends the job, so that a mail that was put off carries a new one. Neither the address nor the token is logged. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "origin/jobs/kinds.h"
#include "origin/jobs/mail.h"
#include "origin/server/codes.h"
#include "origin/server/log.h"

#define AGAIN_AFTER_S "120" /* who asks again sooner gets one mail; the first is on its way */

enum { EMAIL, GIVEN_NAME, FAMILY_NAME, USERNAME, TITLE };

typedef struct {
    char user[24];
    char host[256];
} wanted;

static bool read_payload(fb_queue_job *j, wanted *w) {
    json_t *payload = json_loads(j->payload, 0, NULL);
    json_int_t user = json_integer_value(json_object_get(payload, "user_id"));
    const char *host = json_string_value(json_object_get(payload, "host"));
    snprintf(w->user, sizeof w->user, "%lld", (long long)user);
    snprintf(w->host, sizeof w->host, "%s", host != NULL ? host : "");
    json_decref(payload);
    return user >= 0 && (user == 0 || w->host[0] != 0);
}

/* Whom the mail is for; no row: nobody any more, or a mail has just been sent. */
static PGresult *find_person(fb_queue_job *j, const wanted *w) {
    return fb_queue_job_exec(
        j,
        "SELECT u.email, u.given_name, u.family_name, u.username, t.title FROM users u JOIN tenants t ON t.id = u.tenant_id"
        " WHERE u.tenant_id = $1::int AND u.id = $2::bigint AND u.enabled AND u.status = 1 AND u.role <> 20 AND u.email IS NOT NULL"
        " AND NOT EXISTS (SELECT FROM reset_links l WHERE l.tenant_id = $1::int AND l.user_id = u.id"
        " AND l.created_at > now() - interval '" AGAIN_AFTER_S " s')",
        2, (const char *const[]){j->tenant, w->user});
}

static bool store_link(fb_queue_job *j, const wanted *w, const char *hash) {
    char ttl[16];
    snprintf(ttl, sizeof ttl, "%ld", j->settings->reset_link_ttl_s);
    return fb_queue_job_do(
               j,
               "INSERT INTO reset_links (tenant_id, user_id, link_hash, expires_at) VALUES ($1, $2, $3, now() + make_interval(secs => $4))"
               " ON CONFLICT (tenant_id, user_id) DO UPDATE SET link_hash = EXCLUDED.link_hash, created_at = now(),"
               " expires_at = EXCLUDED.expires_at",
               4, (const char *const[]){j->tenant, w->user, hash, ttl}) &&
           fb_queue_job_do(j, "INSERT INTO account_events (tenant_id, action, user_id) VALUES ($1, 5, $2)", 2,
                           (const char *const[]){j->tenant, w->user});
}

/* A name in a mail's text: what steers a terminal or a reader is left out. */
static void add_name(bell_buf *out, const char *name) {
    for (; *name; name++) {
        bell_buf_add_char(out, (unsigned char)*name < 0x20 || *name == 0x7f ? ' ' : *name);
    }
}

static void write_text(bell_buf *out, const fb_queue_job *j, const PGresult *r, const wanted *w, const char *token) {
    bell_buf_add_z(out, "Hello ");
    add_name(out, PQgetvalue(r, 0, GIVEN_NAME));
    bell_buf_add_char(out, ' ');
    add_name(out, PQgetvalue(r, 0, FAMILY_NAME));
    bell_buf_add_z(out, ",\n\nsomebody, probably you, has asked for a new password for the user name\n\n    ");
    add_name(out, PQgetvalue(r, 0, USERNAME));
    bell_buf_add_z(out, "\n\nat ");
    add_name(out, PQgetvalue(r, 0, TITLE));
    bell_buf_printf(out, ". To set it, open this address within %ld minutes:\n\n    https://%s", j->settings->reset_link_ttl_s / 60, w->host);
    if (j->settings->public_port != 443) {
        bell_buf_printf(out, ":%ld", j->settings->public_port);
    }
    bell_buf_printf(out,
                    "/reset#%s\n\nIt works once. If it was not you, you need not do anything: your password stays as it is.\n\n"
                    "Nobody reads answers to this mail.\n",
                    token);
}

static fb_mail_outcome send_mail(fb_queue_job *j, const PGresult *r, const wanted *w, const char *token, char *why, size_t why_len) {
    char id[64];
    bell_buf text;
    bell_buf_init(&text, 16 * 1024);
    write_text(&text, j, r, w, token);
    snprintf(id, sizeof id, "%s.%s.%d.%lld", j->tenant, j->id, j->attempts, (long long)time(NULL));
    fb_mail m = {.from = j->settings->smtp_from,
                 .from_name = bell_str_of(PQgetvalue(r, 0, TITLE)),
                 .to = PQgetvalue(r, 0, EMAIL),
                 .subject = "Your new password",
                 .domain = w->host,
                 .id = id,
                 .date_s = (int64_t)time(NULL),
                 .text = bell_buf_str(&text)};
    fb_mail_outcome outcome = FB_MAIL_LATER;
    snprintf(why, why_len, "no memory");
    if (!text.failed) {
        outcome = fb_mail_send(j->settings, &m, why, why_len);
    }
    if (text.p != NULL) {
        explicit_bzero(text.p, text.len);
    }
    bell_buf_fini(&text);
    return outcome;
}

static bool mail_person(fb_queue_job *j, const wanted *w, const PGresult *r) {
    char token[FB_LINK_BYTES + 1];
    char hash[FB_CODE_HASH_BYTES + 1];
    char why[200];
    const fb_codes_keys *keys = fb_codes_keys_of(j->settings);

    if (keys == NULL || !fb_link_new(token) || !fb_code_hash(keys, 0, FB_CODE_OF_LINK, j->tenant_id, bell_str_of(token), hash)) {
        return fb_queue_job_fail(j, "no link could be made: see codes_key");
    }
    if (!store_link(j, w, hash)) {
        return false;
    }
    fb_mail_outcome outcome = send_mail(j, r, w, token, why, sizeof why);
    explicit_bzero(token, sizeof token);
    if (outcome == FB_MAIL_LATER) {
        return fb_queue_job_fail(j, "the mail could not be handed to the relay: %s", why);
    }
    if (outcome == FB_MAIL_NEVER) {
        fb_log(FB_LOG_WARNING, "job %s of tenant %s: the relay refuses the mail to user %s for good: %s", j->id, j->tenant, w->user, why);
    }
    return true;
}

bool fb_mail_reset(fb_queue_job *j) {
    wanted w;
    if (!read_payload(j, &w)) {
        return fb_queue_job_fail(j, "the payload names no person or no host");
    }
    if (strcmp(w.user, "0") == 0) {
        return true; /* nobody: a name that does not exist costs what one does that exists */
    }
    if (strcmp(j->settings->smtp_url, "-") == 0) {
        return fb_queue_job_fail(j, "there is no relay: smtp_url");
    }
    PGresult *r = find_person(j, &w);
    bool ok = r != NULL;
    if (ok && PQntuples(r) == 1) {
        if (fb_mail_address_is_plain(bell_str_of(PQgetvalue(r, 0, EMAIL)))) {
            ok = mail_person(j, &w, r);
        } else {
            fb_log(FB_LOG_WARNING, "job %s of tenant %s: user %s has no mail address that can be used", j->id, j->tenant, w.user);
        }
    }
    PQclear(r);
    return ok;
}
