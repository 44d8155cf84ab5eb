#include "origin/db/pg.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "bell_str.h"
#include "origin/db/hosts.h"

static unsigned wait_seconds = 3600;
static _Thread_local const PGconn *silent; /* the connection that was given up because nothing came; its libpq only knows that it was closed */

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
    if (c != NULL && c == silent) {
        snprintf(out, out_len, "no answer for %u s", wait_seconds);
        return;
    }
    bell_str reason = first_line(PQerrorMessage(c));
    snprintf(out, out_len, "%.*s", BELL_STR_ARG(reason));
}

static void report_result(const PGconn *c, const PGresult *r, const char *what) {
    if (c == silent) {
        fprintf(stderr, "firstbell: %s: no answer for %u s\n", what, wait_seconds);
        return;
    }
    const char *primary = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    bell_str reason = first_line(primary ? primary : PQerrorMessage(c));
    fprintf(stderr, "firstbell: %s: %.*s\n", what, BELL_STR_ARG(reason));
}

static bool has_direct(const fb_settings *s) {
    return strcmp(s->direct_database, "-") != 0;
}

static const char *database_of(const fb_settings *s) {
    return has_direct(s) ? s->direct_database : s->database;
}

PGconn *fb_pg_open(const fb_settings *s, const char *role, const char *name) {
    char application[64];
    snprintf(application, sizeof application, "firstbell %s", name);
    fb_pg_words w;
    fb_pg_words_fill(&w, database_of(s), NULL, role, application);
    silent = NULL;
    PGconn *c = PQconnectdbParams(w.words, w.values, 1);
    if (c) {
        PQsetNoticeProcessor(c, ignore_notice, NULL);
    }
    return c;
}

PGconn *fb_pg_connect(const fb_settings *s, const char *role, const char *name) {
    PGconn *c = fb_pg_open(s, role, name);
    char reason[256];
    bool up = c && PQstatus(c) == CONNECTION_OK;
    if (up && fb_pg_is_direct(c, reason, sizeof reason)) {
        return c;
    }
    if (!up) {
        fb_pg_reason(c, reason, sizeof reason);
    }
    const char *setting = has_direct(s) ? "direct_database" : "database";
    fprintf(stderr, "firstbell: cannot connect to PostgreSQL as %s (setting %s = %s): %s\n", role, setting, database_of(s), reason);
    PQfinish(c);
    return NULL;
}

bool fb_pg_role_is_walled(PGconn *c, char *err, size_t err_len) {
    PGresult *r = fb_pg_query(c, "SELECT current_user, " FB_PG_ROLE_LOOKS_OVER, 0, NULL);
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

/* A pooler makes up the process id that it tells its clients. */
bool fb_pg_is_direct(PGconn *c, char *err, size_t err_len) {
    PGresult *r = fb_pg_query(c, "SELECT pg_backend_pid()", 0, NULL);
    bool ok = PQresultStatus(r) == PGRES_TUPLES_OK;
    if (!ok) {
        fb_pg_reason(c, err, err_len);
    } else if (atoi(PQgetvalue(r, 0, 0)) != PQbackendPID(c)) {
        snprintf(err, err_len,
                 "a pooler stands in between, and a session of its own is needed; name PostgreSQL itself in the setting direct_database");
        ok = false;
    }
    PQclear(r);
    return ok;
}

void fb_pg_bound_wait(unsigned seconds) {
    wait_seconds = seconds;
}

static int64_t monotonic_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until the result is complete. When nothing comes until then, the socket is shut, and libpq finds its connection lost. */
static void wait_for_result(PGconn *c, int64_t until_ms) {
    while (PQisBusy(c)) {
        struct pollfd p = {.fd = PQsocket(c), .events = (short)(PQflush(c) > 0 ? POLLIN | POLLOUT : POLLIN)};
        int64_t left_ms = until_ms - monotonic_ms();
        int ready = left_ms > 0 ? poll(&p, 1, (int)left_ms) : 0;
        if (ready == 0) {
            silent = c;
            shutdown(p.fd, SHUT_RDWR);
        }
        if ((ready < 0 && errno != EINTR) || (ready >= 0 && !PQconsumeInput(c))) {
            return; /* PQgetResult says why */
        }
    }
}

PGresult *fb_pg_next_result(PGconn *c) {
    wait_for_result(c, monotonic_ms() + (int64_t)wait_seconds * 1000);
    return PQgetResult(c);
}

PGresult *fb_pg_query(PGconn *c, const char *sql, int nparams, const char *const *params) {
    PGresult *last = NULL;

    if (PQsendQueryParams(c, sql, nparams, NULL, params, NULL, NULL, 0) != 1) {
        return NULL;
    }
    for (;;) {
        PGresult *r = fb_pg_next_result(c);
        if (r == NULL) {
            return last;
        }
        PQclear(last);
        last = r;
        ExecStatusType status = PQresultStatus(r);
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || PQstatus(c) == CONNECTION_BAD) {
            return last;
        }
    }
}

static bool is_success(const PGresult *r) {
    ExecStatusType status = PQresultStatus(r);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

PGresult *fb_pg_exec(PGconn *c, const char *sql, int nparams, const char *const *params) {
    PGresult *r = fb_pg_query(c, sql, nparams, params);
    if (r && is_success(r)) {
        return r;
    }
    char what[96];
    int shown = (int)strcspn(sql, "\n");
    shown = shown > 50 ? 50 : shown;
    snprintf(what, sizeof what, "PostgreSQL refused \"%.*s%s\"", shown, sql, strlen(sql) > (size_t)shown ? "…" : "");
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
