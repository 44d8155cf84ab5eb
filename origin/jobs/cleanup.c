/* What every tenant gets once an hour: expired sessions, wrong tries that no longer count and old events go, in batches, so that no transaction is
 * long. A job that found a full batch puts its next run at once, otherwise in an hour; its row and the next one commit together. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "origin/jobs/kinds.h"

#define BATCH_ROWS 5000
#define BATCH_TEXT "5000"

/* Runs a DELETE; adds to *full whether there was as much as one batch takes. */
static bool delete_batch(fb_queue_job *j, const char *sql, int nparams, const char *const *params, bool *full) {
    PGresult *r = fb_queue_job_exec(j, sql, nparams, params);
    if (!r) {
        return false;
    }
    *full = *full || atol(PQcmdTuples(r)) >= BATCH_ROWS;
    PQclear(r);
    return true;
}

static bool put_next(fb_queue_job *j, bool full) {
    return fb_queue_job_do(j, "SELECT queue_put($1, '" FB_QUEUE_HOURLY "', '{}', now() + $2::interval)", 2,
                           (const char *const[]){j->kind, full ? "0" : "1 hour"});
}

bool fb_sessions_sweep(fb_queue_job *j) {
    bool full = false;
    return delete_batch(j,
                        "DELETE FROM sessions WHERE tenant_id = $1::int AND sid IN (SELECT sid FROM sessions WHERE tenant_id = $1::int"
                        " AND expires_at <= now() ORDER BY expires_at LIMIT " BATCH_TEXT ")",
                        1, (const char *const[]){j->tenant}, &full) &&
           delete_batch(j,
                        "DELETE FROM oidc_used_states WHERE tenant_id = $1::int AND state IN (SELECT state FROM oidc_used_states"
                        " WHERE tenant_id = $1::int AND expires_at <= now() ORDER BY expires_at LIMIT " BATCH_TEXT ")",
                        1, (const char *const[]){j->tenant}, &full) &&
           delete_batch(j,
                        "DELETE FROM directory_revocations WHERE tenant_id = $1::int AND subject IN (SELECT subject FROM directory_revocations"
                        " WHERE tenant_id = $1::int AND until_at <= now() ORDER BY until_at LIMIT " BATCH_TEXT ")",
                        1, (const char *const[]){j->tenant}, &full) &&
           put_next(j, full);
}

/* Codes and links that nobody used in time. */
bool fb_codes_sweep(fb_queue_job *j) {
    bool full = false;
    return delete_batch(j,
                        "DELETE FROM account_codes WHERE tenant_id = $1::int AND user_id IN (SELECT user_id FROM account_codes WHERE"
                        " tenant_id = $1::int AND expires_at <= now() ORDER BY expires_at LIMIT " BATCH_TEXT ")",
                        1, (const char *const[]){j->tenant}, &full) &&
           delete_batch(j,
                        "DELETE FROM reset_links WHERE tenant_id = $1::int AND user_id IN (SELECT user_id FROM reset_links WHERE"
                        " tenant_id = $1::int AND expires_at <= now() ORDER BY expires_at LIMIT " BATCH_TEXT ")",
                        1, (const char *const[]){j->tenant}, &full) &&
           put_next(j, full);
}

bool fb_throttle_sweep(fb_queue_job *j) {
    bool full = false;
    return delete_batch(j,
                        "DELETE FROM throttle_buckets WHERE tenant_id = $1::int AND bucket IN (SELECT bucket FROM throttle_buckets"
                        " WHERE tenant_id = $1::int AND expires_at <= now() ORDER BY expires_at LIMIT " BATCH_TEXT ")",
                        1, (const char *const[]){j->tenant}, &full) &&
           delete_batch(j,
                        "DELETE FROM account_sources WHERE tenant_id = $1::int AND (user_id, source) IN (SELECT user_id, source FROM account_sources"
                        " WHERE tenant_id = $1::int AND seen_at < now() - interval '180 days' ORDER BY seen_at LIMIT " BATCH_TEXT ")",
                        1, (const char *const[]){j->tenant}, &full) &&
           put_next(j, full);
}

/* Jobs that failed for good are kept as long as events are. */
bool fb_outbox_trim(fb_queue_job *j) {
    char days[16];
    snprintf(days, sizeof days, "%ld", j->settings->outbox_keep_days);
    const char *const params[] = {j->tenant, days};
    bool full = false;
    return delete_batch(j,
                        "DELETE FROM outbox WHERE tenant_id = $1::int AND id IN (SELECT id FROM outbox WHERE tenant_id = $1::int"
                        " AND created_at < now() - make_interval(days => $2::int) ORDER BY created_at LIMIT " BATCH_TEXT ")",
                        2, params, &full) &&
           delete_batch(j,
                        "DELETE FROM queue WHERE tenant_id = $1::int AND id IN (SELECT id FROM queue WHERE tenant_id = $1::int AND state = 2"
                        " AND created_at < now() - make_interval(days => $2::int) ORDER BY id LIMIT " BATCH_TEXT ")",
                        2, params, &full) &&
           put_next(j, full);
}

/* One that waits for its number stays, however old; where there is no Redis, changes write theirs all the same, and nothing gives them numbers. */
bool fb_purges_trim(fb_queue_job *j) {
    char days[16];
    snprintf(days, sizeof days, "%ld", j->settings->purges_keep_days);
    bool full = false;
    return delete_batch(j,
                        "DELETE FROM purges WHERE tenant_id = $1::int AND id IN (SELECT id FROM purges WHERE tenant_id = $1::int"
                        " AND (sequence IS NOT NULL OR by_change AND $3::boolean) AND asked_at < now() - make_interval(days => $2::int)"
                        " ORDER BY asked_at LIMIT " BATCH_TEXT ")",
                        3, (const char *const[]){j->tenant, days, strcmp(j->settings->redis, "-") == 0 ? "t" : "f"}, &full) &&
           put_next(j, full);
}
