/* `firstbell migrate`: the numbered files of schema_dir, in order, each in a transaction of its own that also records it with its checksum. */
#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "bell_hex.h"
#include "origin/db/pg.h"
#include "origin/server/commands.h"

#define FILE_MAX_BYTES (4 << 20)
#define FILES_MAX      9999
#define NUMBER_DIGITS  4
#define SHA256_HEX     64
#define LOCK_KEY       "4733141092" /* any number that stays the same */
#define LOCK_WAIT_S    "30"
#define LOCK_NOT_GIVEN "55P03" /* SQLSTATE lock_not_available */

typedef struct {
    char *name; /* NNNN_name.sql; owned */
    char *text; /* NUL-terminated; owned */
    size_t len;
    char sha256[SHA256_HEX + 1];
} migration;

typedef struct {
    migration *files;
    int n;
} migrations;

static void free_migrations(migrations *m) {
    for (int i = 0; i < m->n; i++) {
        free(m->files[i].name);
        free(m->files[i].text);
    }
    free(m->files);
    *m = (migrations){0};
}

static bool hash_text(migration *f) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (!EVP_Digest(f->text, f->len, digest, &len, EVP_sha256(), NULL) || len * 2 != SHA256_HEX) {
        return false;
    }
    bell_hex_encode(digest, len, f->sha256);
    f->sha256[SHA256_HEX] = '\0';
    return true;
}

static bool read_text(const char *dir, migration *f) {
    char path[FB_SETTING_TEXT_MAX + 300];
    snprintf(path, sizeof path, "%s/%s", dir, f->name);
    FILE *in = fopen(path, "re");
    if (!in) {
        fprintf(stderr, "firstbell: %s cannot be read: %s\n", path, strerror(errno));
        return false;
    }
    f->text = malloc(FILE_MAX_BYTES + 1);
    f->len = f->text ? fread(f->text, 1, FILE_MAX_BYTES + 1, in) : 0;
    bool failed = !f->text || ferror(in);
    fclose(in);
    if (failed) {
        fprintf(stderr, "firstbell: %s cannot be read: %s\n", path, strerror(errno));
        return false;
    }
    if (f->len > FILE_MAX_BYTES || memchr(f->text, 0, f->len)) {
        fprintf(stderr, "firstbell: %s is no migration: it has over %d MiB, or a NUL byte\n", path, FILE_MAX_BYTES >> 20);
        return false;
    }
    f->text[f->len] = 0;
    if (!hash_text(f)) {
        fprintf(stderr, "firstbell: %s cannot be hashed with SHA-256\n", path);
        return false;
    }
    return true;
}

static int is_sql_file(const struct dirent *e) {
    size_t len = strlen(e->d_name);
    return len > 4 && strcmp(e->d_name + len - 4, ".sql") == 0 && e->d_name[0] != '.';
}

/* The number of NNNN_name.sql; 0 for another name. */
static int file_number(const char *name) {
    int number = 0;
    for (int i = 0; i < NUMBER_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return 0;
        }
        number = number * 10 + (name[i] - '0');
    }
    return name[NUMBER_DIGITS] == '_' ? number : 0;
}

static bool check_name(const char *dir, const char *name, const char *previous, int expected) {
    int number = file_number(name);
    if (number == expected) {
        return true;
    }
    if (number == 0) {
        fprintf(stderr, "firstbell: %s/%s: a migration is named NNNN_name.sql, with a number from 0001\n", dir, name);
    } else if (previous && number == expected - 1) {
        fprintf(stderr, "firstbell: %s: %s and %s have the same number; the newer one must get the next free number\n", dir, previous, name);
    } else {
        fprintf(stderr, "firstbell: %s: there is no migration %04d before %s; the numbers must have no gap\n", dir, expected, name);
    }
    return false;
}

static bool read_migrations(const char *dir, migrations *m) {
    struct dirent **entries = NULL;
    int n = scandir(dir, &entries, is_sql_file, alphasort);
    if (n < 0) {
        fprintf(stderr, "firstbell: schema_dir %s cannot be read: %s\n", dir, strerror(errno));
        return false;
    }
    m->files = calloc((size_t)n + 1, sizeof *m->files);
    bool ok = m->files && n <= FILES_MAX;
    if (n == 0) {
        fprintf(stderr, "firstbell: schema_dir %s holds no migrations (files named NNNN_name.sql)\n", dir);
        ok = false;
    }
    for (int i = 0; ok && i < n; i++) {
        migration *f = &m->files[m->n++];
        f->name = strdup(entries[i]->d_name);
        ok = f->name && check_name(dir, f->name, i > 0 ? m->files[i - 1].name : NULL, i + 1) && read_text(dir, f);
    }
    for (int i = 0; i < n; i++) {
        free(entries[i]);
    }
    free(entries);
    return ok;
}

/* The line on which the character with that 1-based number stands (PostgreSQL counts characters, not bytes). */
static unsigned line_of(const char *text, unsigned long position) {
    unsigned line = 1;
    for (unsigned long seen = 1; *text; text++) {
        if (((unsigned char)*text & 0xC0) != 0x80 && seen++ >= position) {
            break;
        }
        line += *text == '\n';
    }
    return line;
}

static void report_failed(const char *dir, const migration *f, const PGresult *r, unsigned statement) {
    const char *position = PQresultErrorField(r, PG_DIAG_STATEMENT_POSITION);
    const char *primary = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(r, PG_DIAG_MESSAGE_DETAIL);
    fprintf(stderr, "firstbell: %s/%s:", dir, f->name);
    if (position) {
        fprintf(stderr, "%u:", line_of(f->text, strtoul(position, NULL, 10)));
    }
    fprintf(stderr, " PostgreSQL refused statement %u of the file: %s%s%s; nothing of the file was applied\n", statement,
            primary ? primary : PQresultErrorMessage(r), detail ? ": " : "", detail ? detail : "");
}

/* Sends the whole file; counts the statements, so that an error without a position can still be found. */
static bool run_file(PGconn *c, const char *dir, const migration *f) {
    bool ok = PQsendQuery(c, f->text) == 1;
    if (!ok) {
        fb_pg_report(c, f->name);
    }
    PGresult *r;
    for (unsigned statement = 1; (r = fb_pg_next_result(c)) != NULL; statement++) {
        ExecStatusType status = PQresultStatus(r);
        bool copy = status == PGRES_COPY_IN || status == PGRES_COPY_OUT;
        if (copy) {
            fprintf(stderr, "firstbell: %s/%s: statement %u is a COPY from or to the client, which a migration cannot do\n", dir, f->name, statement);
        } else if (ok && status == PGRES_FATAL_ERROR) {
            report_failed(dir, f, r, statement);
        }
        ok = ok && (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY);
        PQclear(r);
        if (copy) {
            break; /* the connection is of no use any more and will be closed */
        }
    }
    if (ok && PQtransactionStatus(c) != PQTRANS_INTRANS) {
        fprintf(stderr, "firstbell: %s/%s: the file ends its own transaction; BEGIN, COMMIT and ROLLBACK do not belong in a migration\n", dir,
                f->name);
        return false;
    }
    return ok;
}

static bool apply(PGconn *c, const char *dir, const migration *f, int version) {
    char number[16];
    snprintf(number, sizeof number, "%d", version);
    const char *const row[] = {number, f->name, f->sha256};
    bool ok = fb_pg_do(c, "BEGIN", 0, NULL) && run_file(c, dir, f) &&
              fb_pg_do(c, "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)", 3, row) && fb_pg_do(c, "COMMIT", 0, NULL);
    if (ok) {
        printf("applied %s\n", f->name);
        fflush(stdout);
    }
    return ok;
}

/* Two programs that migrate at once take turns. Every other lock that a migration waits for is bounded in the same way. */
static bool take_lock(PGconn *c) {
    if (!fb_pg_do(c, "SET lock_timeout = '" LOCK_WAIT_S "s'", 0, NULL)) {
        return false;
    }
    PGresult *r = fb_pg_query(c, "SELECT pg_advisory_lock(" LOCK_KEY ")", 0, NULL);
    bool ok = PQresultStatus(r) == PGRES_TUPLES_OK;
    if (!ok) {
        const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
        if (state && strcmp(state, LOCK_NOT_GIVEN) == 0) {
            fprintf(stderr, "firstbell: another `firstbell migrate` has been at work for " LOCK_WAIT_S " s; try again when it is done\n");
        } else {
            fb_pg_report(c, "cannot take the lock of migrations");
        }
    }
    PQclear(r);
    return ok;
}

static bool create_record(PGconn *c) {
    return fb_pg_do(c,
                    "CREATE TABLE IF NOT EXISTS schema_migrations (version integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,"
                    " applied_at timestamptz NOT NULL DEFAULT now())",
                    0, NULL) &&
           fb_pg_do(c, "GRANT SELECT ON schema_migrations TO fb_app, fb_operator", 0, NULL);
}

/* How many of the files are in the database already; -1 when the two do not fit together. */
static int count_applied(PGconn *c, const char *dir, const migrations *m) {
    PGresult *r = fb_pg_exec(c, "SELECT version, name, sha256 FROM schema_migrations ORDER BY version", 0, NULL);
    if (!r) {
        return -1;
    }
    int applied = PQntuples(r);
    if (applied > m->n) {
        fprintf(stderr, "firstbell: the database is at version %s, newer than the files of %s (%d); use the program that migrated it\n",
                PQgetvalue(r, applied - 1, 0), dir, m->n);
        applied = -1;
    }
    for (int i = 0; i < applied; i++) {
        if (atoi(PQgetvalue(r, i, 0)) != i + 1) {
            fprintf(stderr, "firstbell: the table schema_migrations has no version %d; it was changed by hand\n", i + 1);
            applied = -1;
        } else if (strcmp(PQgetvalue(r, i, 2), m->files[i].sha256) != 0) {
            fprintf(stderr, "firstbell: %s/%s was changed after the database had applied %s; put it back and write a new migration\n", dir,
                    m->files[i].name, PQgetvalue(r, i, 1));
            applied = -1;
        }
    }
    PQclear(r);
    return applied;
}

static bool migrate(PGconn *c, const char *dir, const migrations *m) {
    if (!take_lock(c) || !create_record(c)) {
        return false;
    }
    int applied = count_applied(c, dir, m);
    if (applied < 0) {
        return false;
    }
    if (applied == m->n) {
        printf("the schema is up to date (version %d)\n", applied);
        return true;
    }
    for (int i = applied; i < m->n; i++) {
        if (!apply(c, dir, &m->files[i], i + 1)) {
            return false;
        }
    }
    return true;
}

int fb_cmd_migrate(const fb_settings *s, int argc, char **argv) {
    (void)argv;
    if (argc > 1) {
        fprintf(stderr, "firstbell: migrate takes no arguments\n");
        return 2;
    }
    migrations m = {0};
    bool ok = read_migrations(s->schema_dir, &m);
    PGconn *c = ok ? fb_pg_connect(s, "fb_owner", "migrate") : NULL;
    ok = c && migrate(c, s->schema_dir, &m);
    PQfinish(c);
    free_migrations(&m);
    return ok ? 0 : 1;
}
