#include "origin/db/pg.h"

#include <stdio.h>
#include <string.h>

#include "bell_str.h"

static void ignore_notice(void *arg, const char *message) {
    (void)arg;
    (void)message;
}

/* libpq's texts end in a line feed and may go over several lines; a sentence for the operator is the first, without its severity. */
static bell_str first_line(const char *text) {
    static const char *const severities[] = {"ERROR:  ", "FATAL:  ", "PANIC:  "};
    for (size_t i = 0; text && i < sizeof severities / sizeof *severities; i++) {
        if (strncmp(text, severities[i], strlen(severities[i])) == 0) {
            text += strlen(severities[i]);
        }
    }
    return (bell_str){text, text ? strcspn(text, "\n") : 0};
}

void fb_pg_reason(const PGconn *c, char *out, size_t out_len) {
    bell_str reason = first_line(PQerrorMessage(c));
    snprintf(out, out_len, "%.*s", BELL_STR_ARG(reason));
}

static void report_result(const PGconn *c, const PGresult *r, const char *what) {
    const char *primary = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    bell_str reason = first_line(primary ? primary : PQerrorMessage(c));
    fprintf(stderr, "firstbell: %s: %.*s\n", what, BELL_STR_ARG(reason));
}

PGconn *fb_pg_open(const fb_settings *s, const char *role, const char *name) {
    char application[64];
    snprintf(application, sizeof application, "firstbell %s", name);
    /* Later words win over those of the conninfo in dbname: the role is ours to choose, the time-out the operator's. */
    const char *words[] = {"connect_timeout", "dbname", "user", "application_name", "client_encoding", NULL};
    const char *values[] = {"5", s->database, role, application, "UTF8", NULL};
    PGconn *c = PQconnectdbParams(words, values, 1);
    if (c) {
        PQsetNoticeProcessor(c, ignore_notice, NULL);
    }
    return c;
}

PGconn *fb_pg_connect(const fb_settings *s, const char *role, const char *name) {
    PGconn *c = fb_pg_open(s, role, name);
    if (c && PQstatus(c) == CONNECTION_OK) {
        return c;
    }
    char reason[256];
    fb_pg_reason(c, reason, sizeof reason);
    fprintf(stderr, "firstbell: cannot connect to PostgreSQL as %s (setting database = %s): %s\n", role, s->database, reason);
    PQfinish(c);
    return NULL;
}

bool fb_pg_role_is_walled(PGconn *c, char *err, size_t err_len) {
    PGresult *r = PQexec(c, "SELECT current_user, " FB_PG_ROLE_LOOKS_OVER);
    bool ok = PQresultStatus(r) == PGRES_TUPLES_OK;
    if (!ok) {
        fb_pg_reason(c, err, err_len);
    } else if (strcmp(PQgetvalue(r, 0, 1), "f") != 0) {
        snprintf(err, err_len, FB_PG_ROLE_REFUSED, PQgetvalue(r, 0, 0));
        ok = false;
    }
    PQclear(r);
    return ok;
}

static bool is_success(const PGresult *r) {
    ExecStatusType status = PQresultStatus(r);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

PGresult *fb_pg_exec(PGconn *c, const char *sql, int nparams, const char *const *params) {
    PGresult *r = PQexecParams(c, sql, nparams, NULL, params, NULL, NULL, 0);
    if (r && is_success(r)) {
        return r;
    }
    char what[96];
    int shown = (int)strcspn(sql, "\n");
    shown = shown > 50 ? 50 : shown;
    snprintf(what, sizeof what, "PostgreSQL refused \"%.*s%s\"", shown, sql, sql[shown] ? "…" : "");
    report_result(c, r, what);
    PQclear(r);
    return NULL;
}

bool fb_pg_do(PGconn *c, const char *sql, int nparams, const char *const *params) {
    PGresult *r = fb_pg_exec(c, sql, nparams, params);
    PQclear(r);
    return r != NULL;
}

bool fb_pg_begin_tenant(PGconn *c, int32_t tenant_id) {
    char id[16];
    snprintf(id, sizeof id, "%d", tenant_id);
    return fb_pg_do(c, "BEGIN", 0, NULL) && fb_pg_do(c, "SELECT set_config('app.tenant', $1, true)", 1, (const char *const[]){id});
}

int32_t fb_pg_tenant_id(PGconn *c, const char *name) {
    PGresult *r = fb_pg_exec(c, "SELECT id FROM tenants WHERE name = $1", 1, (const char *const[]){name});
    if (!r) {
        return 0;
    }
    uint64_t id = 0;
    if (PQntuples(r) == 0) {
        fprintf(stderr, "firstbell: there is no tenant named \"%s\"; `firstbell tenant list` shows those there are\n", name);
    } else if (!bell_str_to_u64(bell_str_of(PQgetvalue(r, 0, 0)), INT32_MAX, &id)) {
        fprintf(stderr, "firstbell: the id of tenant \"%s\" is \"%s\", which is not a number\n", name, PQgetvalue(r, 0, 0));
        id = 0;
    }
    PQclear(r);
    return (int32_t)id;
}

void fb_pg_report(PGconn *c, const char *what) {
    report_result(c, NULL, what);
}
