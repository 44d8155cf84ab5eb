#include "origin/jobs/kinds.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bell_str.h"
#include "origin/db/pg.h"

const fb_kind fb_kinds[] = {
    {"directory.publish", fb_directory_publish, 20, false},
    {"sessions.sweep", fb_sessions_sweep, 5, true},
    {"throttle.sweep", fb_throttle_sweep, 5, true},
    {"outbox.trim", fb_outbox_trim, 5, true},
    {"codes.sweep", fb_codes_sweep, 5, true},
    {"purges.trim", fb_purges_trim, 5, true},
    {"mail.reset", fb_mail_reset, 12, false}, /* for about an hour; who still wants it asks again */
};
const size_t fb_kinds_count = sizeof fb_kinds / sizeof *fb_kinds;

const fb_kind *fb_kind_find(const char *name) {
    for (size_t i = 0; i < fb_kinds_count; i++) {
        if (strcmp(fb_kinds[i].name, name) == 0) {
            return &fb_kinds[i];
        }
    }
    return NULL;
}

bool fb_queue_job_fail(fb_queue_job *j, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(j->error, sizeof j->error, fmt, ap);
    va_end(ap);
    return false;
}

PGresult *fb_queue_job_exec(fb_queue_job *j, const char *sql, int nparams, const char *const *params) {
    PGresult *r = fb_pg_query(j->c, sql, nparams, params);
    ExecStatusType status = PQresultStatus(r);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
        return r;
    }
    const char *primary = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    fb_queue_job_fail(j, "PostgreSQL refused a statement of the job: %s", primary ? primary : PQerrorMessage(j->c));
    PQclear(r);
    return NULL;
}

bool fb_queue_job_do(fb_queue_job *j, const char *sql, int nparams, const char *const *params) {
    PGresult *r = fb_queue_job_exec(j, sql, nparams, params);
    PQclear(r);
    return r != NULL;
}
