#include "origin/jobs/queue.h"

#include <stdlib.h>
#include <string.h>

#include "bell_str.h"
#include "origin/db/pg.h"
#include "origin/server/log.h"

#define TEXT_OF(n)      #n
#define NUMBER_TEXT(n)  TEXT_OF(n)
#define UNKNOWN_KIND    10 /* attempts: a newer program may know it by then */
#define UNIQUE_VIOLATED "23505"

/* Only the row that is still this worker's: the number of attempts is the token of the claim, for every claim counts one up. */
#define MINE " FROM queue WHERE tenant_id = $1::int AND id = $2::bigint AND state = 1 AND attempts = $3::int"

enum { TENANT, ID, KIND, PAYLOAD, ATTEMPTS };

bool fb_queue_claim(PGconn *c, const fb_settings *s, fb_queue_batch *b) {
    b->n = 0;
    PGresult *r = fb_pg_query(c, "SELECT * FROM queue_claim(" NUMBER_TEXT(FB_QUEUE_BATCH) ", " NUMBER_TEXT(FB_QUEUE_LEASE_S) ")", 0, NULL);
    bool ok = PQresultStatus(r) == PGRES_TUPLES_OK;
    for (int i = 0; ok && i < PQntuples(r) && i < FB_QUEUE_BATCH; i++) {
        fb_queue_job *j = &b->jobs[b->n++];
        *j = (fb_queue_job){.c = c, .settings = s, .tenant_id = atoi(PQgetvalue(r, i, TENANT)), .attempts = atoi(PQgetvalue(r, i, ATTEMPTS))};
        snprintf(j->tenant, sizeof j->tenant, "%d", j->tenant_id);
        snprintf(j->id, sizeof j->id, "%s", PQgetvalue(r, i, ID));
        j->kind = strdup(PQgetvalue(r, i, KIND));
        j->payload = strdup(PQgetvalue(r, i, PAYLOAD));
        ok = j->kind && j->payload; /* without memory the leases run out, and somebody else takes the jobs */
    }
    PQclear(r);
    return ok;
}

void fb_queue_batch_free(fb_queue_batch *b) {
    for (int i = 0; i < b->n; i++) {
        free(b->jobs[i].kind);
        free(b->jobs[i].payload);
    }
    b->n = 0;
}

static bool quietly(PGconn *c, const char *sql, int nparams, const char *const *params) {
    PGresult *r = fb_pg_query(c, sql, nparams, params);
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK;
    PQclear(r);
    return ok;
}

static bool begin(fb_queue_job *j) {
    return fb_queue_job_do(j, "BEGIN", 0, NULL) &&
           fb_queue_job_do(j, "SELECT set_config('app.tenant', $1, true)", 1, (const char *const[]){j->tenant});
}

/* Locks the job's row until the end of the transaction. 1: it is ours; 0: it was taken over; -1: failed. It waits for whoever has the row: a claim
 * that began before ours was seen locks it for a moment and lets it go, and passing it over would leave the job until its lease ends. */
static int lock_row(fb_queue_job *j) {
    char attempts[16];
    snprintf(attempts, sizeof attempts, "%d", j->attempts);
    PGresult *r = fb_queue_job_exec(j, "SELECT 1" MINE " FOR UPDATE", 3, (const char *const[]){j->tenant, j->id, attempts});
    int mine = r ? PQntuples(r) : -1;
    PQclear(r);
    return mine;
}

static bool run_kind(fb_queue_job *j, const fb_kind *k) {
    if (!k) {
        return fb_queue_job_fail(j, "this program knows no work of the kind \"%s\"", j->kind);
    }
    if (j->attempts > k->max_attempts) {
        return fb_queue_job_fail(j, "the worker ended %d times while it ran this job", k->max_attempts);
    }
    return k->run(j) &&
           fb_queue_job_do(j, "DELETE FROM queue WHERE tenant_id = $1::int AND id = $2::bigint", 2, (const char *const[]){j->tenant, j->id}) &&
           fb_queue_job_do(j, "COMMIT", 0, NULL);
}

/* Waiting again, twice as long each time up to 10 minutes, the last half of it by chance so that many failures do not come back together. */
static const char retry_sql[] = "UPDATE queue SET state = CASE WHEN $3::int >= $5::int THEN 2 ELSE 0 END, lease_until = NULL, last_error = $4,"
                                " run_at = now() + make_interval(secs => least(600, 2 ^ least($3::int, 10)) * (0.5 + random() / 2))"
                                " WHERE tenant_id = $1::int AND id = $2::bigint AND state = 1 AND attempts = $3::int";

/* Records the failure in a transaction of its own. */
static bool record_failure(fb_queue_job *j, const char *sentence, int max_attempts) {
    char attempts[16];
    char most[16];
    snprintf(attempts, sizeof attempts, "%d", j->attempts);
    snprintf(most, sizeof most, "%d", max_attempts);
    if (!quietly(j->c, "ROLLBACK", 0, NULL) || !begin(j)) {
        return false;
    }
    const char *const params[] = {j->tenant, j->id, attempts, sentence, most};
    PGresult *r = fb_pg_query(j->c, retry_sql, 5, params);
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK;
    bool equal_waits = state && strcmp(state, UNIQUE_VIOLATED) == 0;
    PQclear(r);
    if (equal_waits) {
        /* An equal job was put in meanwhile and does the same: this one is not needed any more. */
        ok = quietly(j->c, "ROLLBACK", 0, NULL) && begin(j) && fb_queue_job_do(j, "DELETE" MINE, 3, params);
    }
    return ok && quietly(j->c, "COMMIT", 0, NULL);
}

static fb_queue_result fail(fb_queue_job *j, const fb_kind *k) {
    char sentence[sizeof j->error];
    snprintf(sentence, sizeof sentence, "%.*s", (int)strcspn(j->error, "\n"), j->error);
    if (PQstatus(j->c) != CONNECTION_OK) {
        return FB_QUEUE_BROKEN;
    }
    int most = k ? k->max_attempts : UNKNOWN_KIND;
    fb_log(j->attempts >= most ? FB_LOG_ERROR : FB_LOG_WARNING, "job %s of tenant %s, %s, attempt %d of %d: %s", j->id, j->tenant, j->kind,
           j->attempts, most, sentence);
    if (!record_failure(j, sentence, most)) {
        return PQstatus(j->c) == CONNECTION_OK && quietly(j->c, "ROLLBACK", 0, NULL) ? FB_QUEUE_FAILED : FB_QUEUE_BROKEN;
    }
    return FB_QUEUE_FAILED;
}

fb_queue_result fb_queue_run(fb_queue_job *j) {
    const fb_kind *k = fb_kind_find(j->kind);
    int mine = begin(j) ? lock_row(j) : -1;
    if (mine == 0) {
        return quietly(j->c, "ROLLBACK", 0, NULL) ? FB_QUEUE_DONE : FB_QUEUE_BROKEN;
    }
    return mine > 0 && run_kind(j, k) ? FB_QUEUE_DONE : fail(j, k);
}

void fb_queue_give_back(fb_queue_job *j) {
    char attempts[16];
    snprintf(attempts, sizeof attempts, "%d", j->attempts);
    const char *const params[] = {j->tenant, j->id, attempts};
    bool ok = begin(j) && fb_queue_job_do(j,
                                          "UPDATE queue SET state = 0, attempts = attempts - 1, lease_until = NULL"
                                          " WHERE tenant_id = $1::int AND id = $2::bigint AND state = 1 AND attempts = $3::int",
                                          3, params);
    /* When an equal job waits by now, the row stays as it is and its lease runs out. */
    quietly(j->c, ok ? "COMMIT" : "ROLLBACK", 0, NULL);
}

static bool schedule_tenant(PGconn *c, const char *tenant) {
    bool ok = quietly(c, "BEGIN", 0, NULL) && quietly(c, "SELECT set_config('app.tenant', $1, true)", 1, &tenant);
    for (size_t i = 0; ok && i < fb_kinds_count; i++) {
        if (fb_kinds[i].hourly) {
            ok = quietly(c,
                         "SELECT queue_put($2::text, '" FB_QUEUE_HOURLY "', '{}', now() + random() * interval '1 hour')"
                         " WHERE NOT EXISTS (SELECT FROM queue WHERE tenant_id = $1::int AND kind = $2::text AND dedupe_key = '" FB_QUEUE_HOURLY "'"
                         " AND state < 2)",
                         2, (const char *const[]){tenant, fb_kinds[i].name});
        }
    }
    return ok && quietly(c, "COMMIT", 0, NULL);
}

bool fb_queue_schedule(PGconn *c) {
    PGresult *r = fb_pg_query(c, "SELECT id FROM directory_rows()", 0, NULL);
    bool ok = PQresultStatus(r) == PGRES_TUPLES_OK;
    for (int i = 0; ok && i < PQntuples(r); i++) {
        ok = schedule_tenant(c, PQgetvalue(r, i, 0));
    }
    PQclear(r);
    return ok;
}

long fb_queue_wait_ms(PGconn *c, long most_ms) {
    PGresult *r = fb_pg_query(c, "SELECT ceil(extract(epoch FROM queue_next_run() - clock_timestamp()) * 1000)::bigint", 0, NULL);
    long ms = -1;
    if (PQresultStatus(r) == PGRES_TUPLES_OK) {
        ms = PQgetisnull(r, 0, 0) ? most_ms : atol(PQgetvalue(r, 0, 0));
        ms = ms < 0 ? 0 : ms > most_ms ? most_ms : ms;
    }
    PQclear(r);
    return ms;
}
