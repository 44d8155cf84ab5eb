#include "origin/jobs/purge_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bell_purge.h"
#include "origin/server/log.h"

#define LOCK_KEY     "5187402232" /* any number that stays the same */
#define NUMBER_BATCH "1000"
#define SEND_BATCH   "100"
#define NUMBER_BYTES 24

enum { SEQUENCE, AT_MS, TENANT, KIND, HARD, HOST, VALUE };

static bool fail(fb_purge_rows *t, const char *what) {
    char reason[300];
    fb_pg_reason(t->c, reason, sizeof reason);
    snprintf(t->error, sizeof t->error, "%s: %s", what, *reason ? reason : "the connection was closed");
    return false;
}

/* The rows of a statement. NULL: it failed. */
static PGresult *ask(fb_purge_rows *t, const char *sql, int nparams, const char *const *params) {
    PGresult *r = fb_pg_query(t->c, sql, nparams, params);
    if (PQresultStatus(r) == PGRES_TUPLES_OK || PQresultStatus(r) == PGRES_COMMAND_OK) {
        return r;
    }
    PQclear(r);
    fail(t, "PostgreSQL refuses");
    return NULL;
}

static bool run(fb_purge_rows *t, const char *sql) {
    PGresult *r = ask(t, sql, 0, NULL);
    PQclear(r);
    return r != NULL;
}

static bool is_usable(fb_purge_rows *t) {
    char reason[300];
    if (!t->c || PQstatus(t->c) != CONNECTION_OK) {
        return fail(t, "PostgreSQL cannot be used as fb_app");
    }
    if (!fb_pg_is_direct(t->c, reason, sizeof reason) || !fb_pg_role_is_walled(t->c, reason, sizeof reason)) {
        snprintf(t->error, sizeof t->error, "PostgreSQL cannot be used as fb_app: %s", reason);
        return false;
    }
    return true;
}

bool fb_purge_rows_connect(fb_purge_rows *t) {
    char timeout[64];
    if (t->c && PQstatus(t->c) == CONNECTION_OK) {
        return true;
    }
    fb_purge_rows_close(t);
    t->c = fb_pg_open(t->settings, "fb_app", "purges");
    snprintf(timeout, sizeof timeout, "SET statement_timeout = '%lds'", t->settings->jobs_statement_timeout_s);
    bool ok = is_usable(t) && run(t, timeout) && run(t, "SET lock_timeout = '20s'") && run(t, "LISTEN firstbell_purges");
    if (!ok) {
        fb_purge_rows_close(t);
    }
    return ok;
}

void fb_purge_rows_close(fb_purge_rows *t) {
    PQfinish(t->c);
    t->c = NULL;
}

int fb_purge_rows_lock(fb_purge_rows *t, bool wait) {
    if (wait) {
        return run(t, "SELECT pg_advisory_lock(" LOCK_KEY ")") ? 1 : -1;
    }
    PGresult *r = ask(t, "SELECT pg_try_advisory_lock(" LOCK_KEY ")", 0, NULL);
    int taken = r ? *PQgetvalue(r, 0, 0) == 't' : -1;
    PQclear(r);
    return taken;
}

void fb_purge_rows_unlock(fb_purge_rows *t) {
    char kept[sizeof t->error];
    memcpy(kept, t->error, sizeof kept);
    if (PQstatus(t->c) != CONNECTION_OK || !run(t, "SELECT pg_advisory_unlock(" LOCK_KEY ")")) {
        fb_purge_rows_close(t);
    }
    memcpy(t->error, kept, sizeof kept);
}

bool fb_purge_rows_number(fb_purge_rows *t, uint64_t above, uint64_t *last) {
    char text[NUMBER_BYTES];
    bool more = true;
    snprintf(text, sizeof text, "%llu", (unsigned long long)above);
    while (more) {
        PGresult *r = ask(t, "SELECT numbered = " NUMBER_BATCH ", newest FROM purges_number($1, " NUMBER_BATCH ")", 1, (const char *const[]){text});
        if (!r) {
            return false;
        }
        more = *PQgetvalue(r, 0, 0) == 't';
        *last = strtoull(PQgetvalue(r, 0, 1), NULL, 10);
        PQclear(r);
    }
    return true;
}

/* ---- lines */

static bell_str text_at(const PGresult *r, int row, int column) {
    return (bell_str){PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column)};
}

/* A row that was changed by hand into what no edge would read stands for all of its tenant's answers: what it was about can only be among them, and
 * without a line under its number every edge would take what it has of everybody for stale. */
static bell_str line_of(const PGresult *r, int row, char out[BELL_PURGE_BYTES_MAX]) {
    bell_purge p = {
        .sequence = strtoull(PQgetvalue(r, row, SEQUENCE), NULL, 10),
        .at_ms = strtoll(PQgetvalue(r, row, AT_MS), NULL, 10),
        .tenant_id = (uint32_t)strtoul(PQgetvalue(r, row, TENANT), NULL, 10),
        .is_hard = *PQgetvalue(r, row, HARD) == 't',
        .kind = (bell_purge_kind)(atoi(PQgetvalue(r, row, KIND)) - 1),
        .host = text_at(r, row, HOST),
        .value = text_at(r, row, VALUE),
    };
    long len = bell_purge_write(&p, out, BELL_PURGE_BYTES_MAX);
    if (len < 0) {
        fb_log(FB_LOG_ERROR, "purge %llu of tenant %u cannot be sent as it is: %s; all answers of the tenant are taken back",
               (unsigned long long)p.sequence, p.tenant_id, bell_purge_fault(&p) ? bell_purge_fault(&p) : "it is too long");
        p.kind = BELL_PURGE_ALL;
        p.host = p.value = BELL_STR_NULL;
        len = bell_purge_write(&p, out, BELL_PURGE_BYTES_MAX);
    }
    return (bell_str){out, len < 0 ? 0 : (size_t)len};
}

fb_purges_result fb_purge_rows_each(fb_purge_rows *t, uint64_t after, fb_purge_send send, void *arg) {
    char text[NUMBER_BYTES], line[BELL_PURGE_BYTES_MAX];
    for (;;) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)after);
        PGresult *r = ask(t, "SELECT * FROM purges_after($1, " SEND_BATCH ")", 1, (const char *const[]){text});
        if (!r) {
            return FB_PURGES_FAILED;
        }
        int n = PQntuples(r);
        bool ok = true;
        for (int i = 0; ok && i < n; i++) {
            after = strtoull(PQgetvalue(r, i, SEQUENCE), NULL, 10);
            ok = send(arg, after, line_of(r, i, line));
        }
        PQclear(r);
        if (!ok || n == 0) {
            return ok ? FB_PURGES_SENT : FB_PURGES_STOPPED;
        }
    }
}
