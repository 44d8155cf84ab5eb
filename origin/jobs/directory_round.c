#include "origin/jobs/directory_round.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "origin/jobs/directory_doc.h"

#define SERIALIZATION_FAILED "40001"
#define NUMBER_BYTES         24
#define LITERAL_MAX_BYTES    (64u << 20) /* of the ids and names of one round */

enum { MARK_TENANT = 1, MARK_POOL, MARK_REVOCATION, MARK_SNAPSHOT };

/* What the marks named: for the document, and as PostgreSQL's literals of arrays. */
typedef struct {
    fb_directory_named named;
    bell_buf tenants, pools, revoked_tenants, revoked_subjects;
    bool any, asked;
} marks;

static bool refuse(fb_directory_round *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(fb_directory_round *r, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->error, sizeof r->error, fmt, ap);
    va_end(ap);
    return false;
}

bool fb_directory_key_of(const fb_settings *s, bell_directory_key **key, char *err, size_t err_len) {
    struct stat st;
    *key = NULL;
    if (strcmp(s->directory_key, "-") == 0) {
        return true;
    }
    if (stat(s->directory_key, &st) != 0) {
        snprintf(err, err_len, "directory_key %s cannot be read: %s", s->directory_key, strerror(errno));
        return false;
    }
    if ((st.st_mode & 077) != 0) {
        snprintf(err, err_len, "directory_key %s may be read or written by others (mode %04o); expected 0600", s->directory_key,
                 (unsigned)st.st_mode & 07777);
        return false;
    }
    *key = bell_directory_key_load(s->directory_key, err, err_len);
    return *key != NULL;
}

PGresult *fb_directory_round_ask(fb_directory_round *r, const char *sql, int nparams, const char *const *params) {
    PGresult *result = fb_pg_query(r->c, sql, nparams, params);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
        return result;
    }
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    r->clashed = state && strcmp(state, SERIALIZATION_FAILED) == 0;
    char reason[300];
    fb_pg_reason(r->c, reason, sizeof reason);
    refuse(r, "PostgreSQL refused a statement of the directory: %s", *reason ? reason : "the connection was closed");
    PQclear(result);
    return NULL;
}

static bool tell(fb_directory_round *r, const char *sql) {
    PGresult *result = fb_directory_round_ask(r, sql, 0, NULL);
    PQclear(result);
    return result != NULL;
}

static uint64_t number_at(const PGresult *r, int column) {
    return strtoull(PQgetvalue(r, 0, column), NULL, 10);
}

bool fb_directory_round_standing(fb_directory_round *r, fb_directory_standing *out) {
    PGresult *result = fb_directory_round_ask(r, "SELECT version, coalesce(oldest_from, version), waiting > 0 FROM directory_standing()", 0, NULL);
    bool ok = result && PQntuples(result) == 1;
    if (ok) {
        *out = (fb_directory_standing){number_at(result, 0), number_at(result, 1), *PQgetvalue(result, 0, 2) == 't'};
    } else if (result) {
        refuse(r, "the table directory_state has no row; it was changed by hand");
    }
    PQclear(result);
    return ok;
}

/* ---- marks */

/* One more element of an array's literal, quoted. */
static void add_element(bell_buf *b, bell_str s) {
    bell_buf_add(b, b->len > 1 ? ",\"" : "\"", b->len > 1 ? 2 : 1);
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\') {
            bell_buf_add(b, "\\", 1);
        }
        bell_buf_add(b, s.p + i, 1);
    }
    bell_buf_add(b, "\"", 1);
}

static bool end_array(bell_buf *b) {
    bell_buf_add(b, "}", 2); /* with its NUL */
    return !b->failed;
}

static void take_mark(marks *m, const PGresult *r, int i) {
    bell_str tenant = {PQgetvalue(r, i, 1), (size_t)PQgetlength(r, i, 1)};
    bell_str which = {PQgetvalue(r, i, 2), (size_t)PQgetlength(r, i, 2)};
    int what = atoi(PQgetvalue(r, i, 0));
    m->any = m->any || what != MARK_SNAPSHOT;
    switch (what) {
    case MARK_TENANT:
        m->named.tenants[m->named.ntenants++] = (uint32_t)strtoul(tenant.p, NULL, 10);
        add_element(&m->tenants, tenant);
        break;
    case MARK_POOL:
        m->named.pools[m->named.npools++] = which;
        add_element(&m->pools, which);
        break;
    case MARK_REVOCATION:
        add_element(&m->revoked_tenants, tenant);
        add_element(&m->revoked_subjects, which);
        break;
    default:
        m->asked = true;
    }
}

/* r: what directory_take() gave; the names point into it. */
static bool marks_of(marks *m, const PGresult *r) {
    bell_buf *const lists[] = {&m->tenants, &m->pools, &m->revoked_tenants, &m->revoked_subjects};
    bool ok = true;
    memset(m, 0, sizeof *m);
    for (size_t i = 0; i < 4; i++) {
        bell_buf_init(lists[i], LITERAL_MAX_BYTES);
        bell_buf_add(lists[i], "{", 1);
    }
    m->named.tenants = calloc((size_t)PQntuples(r) + 1, sizeof *m->named.tenants);
    m->named.pools = calloc((size_t)PQntuples(r) + 1, sizeof *m->named.pools);
    if (!m->named.tenants || !m->named.pools) {
        return false;
    }
    for (int i = 0; i < PQntuples(r); i++) {
        take_mark(m, r, i);
    }
    for (size_t i = 0; i < 4; i++) {
        ok = end_array(lists[i]) && ok;
    }
    return ok;
}

static void marks_free(marks *m) {
    free(m->named.tenants);
    free(m->named.pools);
    bell_buf_fini(&m->tenants);
    bell_buf_fini(&m->pools);
    bell_buf_fini(&m->revoked_tenants);
    bell_buf_fini(&m->revoked_subjects);
}

/* ---- documents */

/* m NULL: everything, as a snapshot. */
static bool write_document(fb_directory_round *r, const marks *m, uint64_t from, const bell_directory_key *key, bell_buf *out) {
    const char *const named[] = {m ? bell_buf_str(&m->tenants).p : NULL, m ? bell_buf_str(&m->pools).p : NULL,
                                 m ? bell_buf_str(&m->revoked_tenants).p : NULL, m ? bell_buf_str(&m->revoked_subjects).p : NULL};
    PGresult *result = fb_directory_round_ask(r, "SELECT * FROM directory_read($1::integer[], $2::text[], $3::integer[], $4::text[])", 4, named);
    if (!result) {
        return false;
    }
    fb_directory_content c;
    bool ok = fb_directory_content_of(&c, result, m ? &m->named : NULL);
    c.doc.from = from;
    c.doc.version = r->version;
    ok = ok && bell_directory_write(out, &c.doc, key);
    fb_directory_content_free(&c);
    PQclear(result);
    return ok ||
           refuse(r,
                  "version %llu of the directory could not be written: no memory, more than %u MiB, a directory_key that cannot sign, or something"
                  " in the tables that no edge would take",
                  (unsigned long long)r->version, BELL_DIRECTORY_DOCUMENT_MAX >> 20);
}

static bool next_version(fb_directory_round *r, uint64_t *from) {
    char above[NUMBER_BYTES];
    snprintf(above, sizeof above, "%llu", (unsigned long long)r->above);
    PGresult *result = fb_directory_round_ask(r, "SELECT from_version, version FROM directory_next($1::bigint)", 1, (const char *const[]){above});
    if (!result) {
        return false;
    }
    *from = number_at(result, 0);
    r->version = number_at(result, 1);
    PQclear(result);
    return true;
}

static bool keep_delta(fb_directory_round *r, uint64_t from, const bell_buf *delta) {
    char numbers[4][NUMBER_BYTES];
    size_t escaped_len;
    bell_str text = bell_buf_str(delta);
    unsigned char *escaped = PQescapeByteaConn(r->c, (const unsigned char *)text.p, text.len, &escaped_len);
    snprintf(numbers[0], NUMBER_BYTES, "%llu", (unsigned long long)from);
    snprintf(numbers[1], NUMBER_BYTES, "%llu", (unsigned long long)r->version);
    snprintf(numbers[2], NUMBER_BYTES, "%ld", r->settings->directory_deltas_keep);
    snprintf(numbers[3], NUMBER_BYTES, "%ld", r->settings->directory_deltas_keep_s);
    if (!escaped) {
        return refuse(r, "no memory for a delta of %zu bytes", text.len);
    }
    PGresult *result = fb_directory_round_ask(r, "SELECT directory_put($1::bigint, $2::bigint, $3::bytea, $4::integer, $5::integer)", 5,
                                              (const char *const[]){numbers[0], numbers[1], (const char *)escaped, numbers[2], numbers[3]});
    PQfreemem(escaped);
    PQclear(result);
    return result != NULL;
}

static bool make_delta(fb_directory_round *r, const marks *m, const bell_directory_key *key) {
    uint64_t from;
    bell_buf delta;
    if (!next_version(r, &from)) {
        return false;
    }
    bell_buf_init(&delta, BELL_DIRECTORY_DOCUMENT_MAX);
    r->published = write_document(r, m, from, key, &delta) && keep_delta(r, from, &delta);
    bell_buf_fini(&delta);
    return r->published;
}

/* Marks and state are of one snapshot of the database, which begins with the first of these statements: behind the lock. */
static bool run_within(fb_directory_round *r, const bell_directory_key *key) {
    fb_directory_standing standing;
    PGresult *taken = fb_directory_round_standing(r, &standing) ? fb_directory_round_ask(r, "SELECT * FROM directory_take()", 0, NULL) : NULL;
    if (!taken) {
        return false;
    }
    marks m;
    bool ok = marks_of(&m, taken) || refuse(r, "no memory for %d changes of the directory", PQntuples(taken));
    bool changed = ok && (m.any || r->above > standing.version);
    r->version = standing.version;
    ok = ok && (!changed || make_delta(r, &m, key));
    if (ok && (r->want_snapshot || m.asked || (changed && r->snapshot_with_it))) {
        ok = write_document(r, NULL, 0, key, &r->snapshot);
    }
    marks_free(&m);
    PQclear(taken);
    return ok;
}

bool fb_directory_round_run(fb_directory_round *r) {
    bell_directory_key *key;
    bell_buf_init(&r->snapshot, BELL_DIRECTORY_DOCUMENT_MAX);
    r->published = r->clashed = false;
    if (!fb_directory_key_of(r->settings, &key, r->error, sizeof r->error)) {
        return false;
    }
    bool ok = tell(r, "BEGIN ISOLATION LEVEL REPEATABLE READ") && run_within(r, key) && tell(r, "COMMIT");
    bell_directory_key_free(key);
    if (!ok) {
        r->published = false;
        char kept[FB_DIRECTORY_ERROR_BYTES];
        memcpy(kept, r->error, sizeof kept);
        bool clashed = r->clashed;
        if (PQstatus(r->c) == CONNECTION_OK && !tell(r, "ROLLBACK")) {
            clashed = false;
        }
        r->clashed = clashed;
        memcpy(r->error, kept, sizeof kept);
    }
    return ok;
}
