/* `firstbell user add|passwd`: people who are in no roster, and passwords. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "origin/accounts/password.h"
#include "origin/accounts/user_cli.h"
#include "origin/db/pg.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"

#define NAME_MAX_BYTES     200
#define USERNAME_MAX_BYTES 200

static const struct {
    const char *name, *number; /* users.role */
} roles[] = {
    {"administrator", "1"}, {"aide", "2"},    {"guardian", "3"}, {"parent", "4"},    {"proctor", "5"},
    {"relative", "6"},      {"student", "7"}, {"teacher", "8"},  {"operator", "20"}, {"district-admin", "21"},
};
#define ROLES (sizeof roles / sizeof *roles)

static const char *role_number(const char *name) {
    for (size_t i = 0; i < ROLES; i++) {
        if (strcmp(roles[i].name, name) == 0) {
            return roles[i].number;
        }
    }
    fprintf(stderr, "firstbell: there is no role \"%s\"; the roles are", name);
    for (size_t i = 0; i < ROLES; i++) {
        fprintf(stderr, "%s %s", i ? "," : "", roles[i].name);
    }
    fprintf(stderr, "\n");
    return NULL;
}

static bool is_text(const char *text, size_t most_bytes) {
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return false;
        }
    }
    return len >= 1 && len <= most_bytes && bell_str_is_utf8(bell_str_of(text));
}

static bool check_username(const char *username) {
    if (is_text(username, USERNAME_MAX_BYTES) && !strchr(username, ' ')) {
        return true;
    }
    fprintf(stderr, "firstbell: a user name has 1 to %d bytes of UTF-8 without spaces\n", USERNAME_MAX_BYTES);
    return false;
}

/* A sign-in asks for a user name without regard to case; two people who differ in case only could not be told apart. */
static bool username_is_free(PGconn *c, const char *tenant, const char *username, const char *sourced_id) {
    PGresult *r = fb_pg_exec(c,
                             "SELECT sourced_id FROM users WHERE tenant_id = $1::int AND lower(username) = lower($2::text COLLATE \"C\")"
                             " AND sourced_id <> $3 LIMIT 1",
                             3, (const char *const[]){tenant, username, sourced_id});
    bool free = r && PQntuples(r) == 0;
    if (r && !free) {
        fprintf(stderr, "firstbell: the user name %s is taken already, by the person with sourcedId %s\n", username, PQgetvalue(r, 0, 0));
    }
    PQclear(r);
    return free;
}

/* "local-" and the user name in small letters (of ASCII, as lower() does with collation "C"). */
static void local_sourced_id(const char *username, char out[USERNAME_MAX_BYTES + 8]) {
    size_t n = (size_t)sprintf(out, "local-");
    for (; *username; username++) {
        out[n++] = *username >= 'A' && *username <= 'Z' ? (char)(*username | 0x20) : *username;
    }
    out[n] = 0;
}

static bool add_user(PGconn *c, int32_t tenant_id, const char *username, const char *role, const char *given, const char *family) {
    char tenant[16];
    char sourced_id[USERNAME_MAX_BYTES + 8];
    snprintf(tenant, sizeof tenant, "%d", tenant_id);
    local_sourced_id(username, sourced_id);
    if (!fb_pg_begin_tenant(c, tenant_id) || !username_is_free(c, tenant, username, sourced_id)) {
        return false;
    }
    PGresult *r = fb_pg_exec(c,
                             "INSERT INTO users (tenant_id, sourced_id, role, username, given_name, family_name) VALUES ($1, $2, $3, $4, $5, $6)"
                             " ON CONFLICT (tenant_id, sourced_id) DO UPDATE SET status = 1, enabled = true, role = EXCLUDED.role,"
                             " username = EXCLUDED.username, given_name = EXCLUDED.given_name, family_name = EXCLUDED.family_name, updated_at = now()"
                             " RETURNING id",
                             6, (const char *const[]){tenant, sourced_id, role, username, given, family});
    bool ok = r && fb_pg_do(c, "COMMIT", 0, NULL);
    if (ok) {
        printf("%s\n", PQgetvalue(r, 0, 0));
    }
    PQclear(r);
    return ok;
}

int fb_cmd_user_add(const fb_settings *s, int argc, char **argv) {
    const char *tenant, *username, *role, *given, *family;
    fb_option options[] = {
        {"tenant", &tenant, 1, true, 0}, {"username", &username, 1, true, 0}, {"role", &role, 1, true, 0},
        {"given", &given, 1, true, 0},   {"family", &family, 1, true, 0},
    };
    if (!fb_options_parse(argc, argv, options, 5, NULL, 0)) {
        return 2;
    }
    const char *number = role_number(role);
    if (!number || !check_username(username)) {
        return 1;
    }
    if (!is_text(given, NAME_MAX_BYTES) || !is_text(family, NAME_MAX_BYTES)) {
        fprintf(stderr, "firstbell: a given or family name has 1 to %d bytes of UTF-8 text\n", NAME_MAX_BYTES);
        return 1;
    }
    PGconn *c = fb_pg_connect(s, "fb_operator", "user add");
    int32_t tenant_id = c ? fb_pg_tenant_id(c, tenant) : 0;
    bool ok = tenant_id && add_user(c, tenant_id, username, number, given, family);
    PQfinish(c);
    return ok ? 0 : 1;
}

/* Reads to the end or to one byte over what can be a password with its line end. -1: cannot be read. */
static ssize_t read_all(int fd, char *out, size_t room) {
    size_t len = 0;
    while (len < room) {
        ssize_t n = read(fd, out + len, room - len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        /* A terminal gives a line at a time, and its end is the end. */
        if (n == 0 || (isatty(fd) && out[len + (size_t)n - 1] == '\n')) {
            return (ssize_t)(len + (size_t)n);
        }
        len += (size_t)n;
    }
    return (ssize_t)len;
}

static ssize_t read_without_echo(int fd, char *out, size_t room) {
    struct termios before, quiet;
    bool terminal = isatty(fd) && tcgetattr(fd, &before) == 0;
    if (terminal) {
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(fd, TCSAFLUSH, &quiet);
        fprintf(stderr, "New password: ");
    }
    ssize_t n = read_all(fd, out, room);
    if (terminal) {
        tcsetattr(fd, TCSAFLUSH, &before);
        fprintf(stderr, "\n");
    }
    return n;
}

/* The password from a file, or from standard input when file is NULL; one line end behind it is not part of it. */
static bool read_password(const char *file, char *out, size_t room, bell_str *password) {
    int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    ssize_t n = fd < 0 ? -1 : read_without_echo(fd, out, room);
    if (n < 0) {
        fprintf(stderr, "firstbell: the password cannot be read from %s: %s\n", file ? file : "standard input", strerror(errno));
    }
    if (file && fd >= 0) {
        close(fd);
    }
    if (n < 0) {
        return false;
    }
    size_t len = (size_t)n;
    if (len > 0 && out[len - 1] == '\n') {
        len -= len > 1 && out[len - 2] == '\r' ? 2 : 1;
    }
    *password = (bell_str){out, len};
    const char *problem = fb_password_problem(*password);
    if (problem) {
        fprintf(stderr, "firstbell: %s\n", problem);
    }
    return !problem;
}

bool fb_user_find(PGconn *c, const char *tenant, const char *username, const char *sourced_id, char id[24]) {
    PGresult *r = fb_pg_exec(c,
                             "SELECT id, status, enabled FROM users WHERE tenant_id = $1::int AND lower(username) = lower($2::text COLLATE \"C\")"
                             " AND ($3::text IS NULL OR sourced_id = $3) ORDER BY status, id LIMIT 2 FOR UPDATE",
                             3, (const char *const[]){tenant, username, sourced_id});
    if (!r) {
        return false;
    }
    /* People who left do not make a name ambiguous; they come last. */
    bool two = PQntuples(r) == 2 && strcmp(PQgetvalue(r, 1, 1), "1") == 0;
    bool ok = false;
    if (PQntuples(r) == 0) {
        fprintf(stderr, "firstbell: nobody has the user name %s%s%s\n", username, sourced_id ? " and the sourcedId " : "",
                sourced_id ? sourced_id : "");
    } else if (two) {
        fprintf(stderr, "firstbell: more than one person has the user name %s; say which with --sourced-id ID\n", username);
    } else if (strcmp(PQgetvalue(r, 0, 1), "1") != 0 || strcmp(PQgetvalue(r, 0, 2), "t") != 0) {
        fprintf(stderr, "firstbell: %s has left the roster or is disabled and gets no password\n", username);
    } else {
        snprintf(id, 24, "%s", PQgetvalue(r, 0, 0));
        ok = true;
    }
    PQclear(r);
    return ok;
}

static bool login_is_free(PGconn *c, const char *tenant, const char *id, const char *username) {
    PGresult *r = fb_pg_exec(c,
                             "SELECT u.sourced_id FROM accounts a JOIN users u ON u.tenant_id = a.tenant_id AND u.id = a.user_id"
                             " WHERE a.tenant_id = $1::int AND a.login = lower($3::text COLLATE \"C\") AND a.user_id <> $2::bigint",
                             3, (const char *const[]){tenant, id, username});
    bool free = r && PQntuples(r) == 0;
    if (r && !free) {
        fprintf(stderr,
                "firstbell: the person with sourcedId %s signs in as %s already; two people cannot have the same user name and a password each\n",
                PQgetvalue(r, 0, 0), username);
    }
    PQclear(r);
    return free;
}

/* A new password ends every session of the person and makes a link to set one void, in the same transaction. */
static bool set_password(PGconn *c, int32_t tenant_id, const char *username, const char *sourced_id, const char *hash) {
    char tenant[16];
    char id[24];
    snprintf(tenant, sizeof tenant, "%d", tenant_id);
    return fb_pg_begin_tenant(c, tenant_id) && fb_user_find(c, tenant, username, sourced_id, id) && login_is_free(c, tenant, id, username) &&
           fb_pg_do(c,
                    "INSERT INTO accounts (tenant_id, user_id, login, password_hash) VALUES ($1, $2, lower($3::text COLLATE \"C\"), $4)"
                    " ON CONFLICT (tenant_id, user_id) DO UPDATE SET login = EXCLUDED.login, password_hash = EXCLUDED.password_hash, kind = 1,"
                    " password_changed_at = now()",
                    4, (const char *const[]){tenant, id, username, hash}) &&
           fb_pg_do(c, "DELETE FROM reset_links WHERE tenant_id = $1::int AND user_id = $2::bigint", 2, (const char *const[]){tenant, id}) &&
           fb_pg_do(c, "SELECT sessions_end($1::int, $2::bigint, NULL)", 2, (const char *const[]){tenant, id}) && fb_pg_do(c, "COMMIT", 0, NULL);
}

int fb_cmd_user_passwd(const fb_settings *s, int argc, char **argv) {
    const char *tenant, *username, *sourced_id = NULL, *file = NULL;
    fb_option options[] = {{"tenant", &tenant, 1, true, 0}, {"sourced-id", &sourced_id, 1, false, 0}, {"password-file", &file, 1, false, 0}};
    if (!fb_options_parse(argc, argv, options, 3, &username, 1)) {
        return 2;
    }
    char text[FB_PASSWORD_MAX_BYTES + 3]; /* a line end, and one byte that shows it was longer */
    char hash[FB_PASSWORD_ENCODED_MAX];
    bell_str password;
    bool ok = read_password(file, text, sizeof text, &password);
    if (ok && !fb_password_hash(password, hash)) {
        fprintf(stderr, "firstbell: the password cannot be hashed: not enough memory\n");
        ok = false;
    }
    explicit_bzero(text, sizeof text);
    PGconn *c = ok ? fb_pg_connect(s, "fb_operator", "user passwd") : NULL;
    int32_t tenant_id = c ? fb_pg_tenant_id(c, tenant) : 0;
    ok = tenant_id && set_password(c, tenant_id, username, sourced_id, hash);
    PQfinish(c);
    return ok ? 0 : 1;
}
