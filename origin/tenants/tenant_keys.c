/* `firstbell tenant key add|list|end`: keys that edges verify with for a district, and the window in which each counts. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>
#include <unistd.h>

#include "bell_directory_image.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"
#include "origin/tenants/tenants.h"

typedef struct {
    const char *tenant, *kid, *use, *alg, *file, *from, *until, *at;
    char material[BELL_DIRECTORY_MATERIAL_MAX + 2];
} key_wish;

static bool check_word(const char *option, const char *word) {
    if (bell_directory_is_word(bell_str_of(word))) {
        return true;
    }
    fprintf(stderr, "firstbell: --%s is \"%s\", expected 1 to 63 small letters, digits and any of _ . -\n", option, word);
    return false;
}

static bool check_kid(const char *kid) {
    bell_str s = bell_str_of(kid);
    if (s.len > 0 && bell_directory_is_text(s, BELL_DIRECTORY_NAME_MAX)) {
        return true;
    }
    fprintf(stderr, "firstbell: the key's id must be 1 to %d bytes of UTF-8\n", BELL_DIRECTORY_NAME_MAX);
    return false;
}

/* YYYY-MM-DDTHH:MM:SSZ: PostgreSQL would take many more forms, some of which mean another moment elsewhere. */
static bool check_time(const char *option, const char *text) {
    static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
    bool right = !text || strlen(text) == sizeof form - 1;
    for (size_t i = 0; text && right && form[i]; i++) {
        right = form[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == form[i];
    }
    if (!right) {
        fprintf(stderr, "firstbell: --%s is \"%s\", expected a time in UTC such as 2026-08-31T08:00:00Z\n", option, text);
    }
    return right;
}

/* The file without white space at its end. */
static bool read_material(key_wish *w) {
    int fd = open(w->file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, w->material, sizeof w->material - 1);
    int why = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (n < 0) {
        fprintf(stderr, "firstbell: %s cannot be read: %s\n", w->file, strerror(why));
        return false;
    }
    while (n > 0 && strchr(" \t\r\n", w->material[n - 1])) {
        n--;
    }
    w->material[n] = 0;
    bell_str text = {w->material, (size_t)n};
    if (n == 0 || strlen(w->material) != text.len || !bell_directory_is_text(text, BELL_DIRECTORY_MATERIAL_MAX)) {
        fprintf(stderr, "firstbell: %s holds no key: 1 to %d bytes of text are expected\n", w->file, BELL_DIRECTORY_MATERIAL_MAX);
        return false;
    }
    return true;
}

int fb_cmd_tenant_key_add(const fb_settings *s, int argc, char **argv) {
    static key_wish w;
    char id[FB_TENANT_ID_BYTES];
    fb_option options[] = {{"tenant", &w.tenant, 1, true, 0}, {"use", &w.use, 1, true, 0},    {"alg", &w.alg, 1, true, 0},
                           {"file", &w.file, 1, true, 0},     {"from", &w.from, 1, false, 0}, {"until", &w.until, 1, false, 0}};
    if (!fb_options_parse(argc, argv, options, 6, &w.kid, 1)) {
        return 2;
    }
    bool ok = check_word("use", w.use) && check_word("alg", w.alg) && check_kid(w.kid) && check_time("from", w.from) &&
              check_time("until", w.until) && read_material(&w);
    PGconn *c = ok ? fb_tenant_begin(s, "tenant key add", w.tenant, id) : NULL;
    ok = c &&
         fb_pg_do(c,
                  "INSERT INTO tenant_keys (tenant_id, use, kid, alg, material, from_at, until_at)"
                  " VALUES ($1::int, $2, $3, $4, $5, $6::timestamptz, $7::timestamptz)"
                  " ON CONFLICT (tenant_id, use, kid) DO UPDATE SET alg = EXCLUDED.alg, material = EXCLUDED.material,"
                  " from_at = EXCLUDED.from_at, until_at = EXCLUDED.until_at, added_at = CASE WHEN (tenant_keys.alg, tenant_keys.material)"
                  " IS DISTINCT FROM (EXCLUDED.alg, EXCLUDED.material) THEN EXCLUDED.added_at ELSE tenant_keys.added_at END",
                  7, (const char *const[]){id, w.use, w.kid, w.alg, w.material, w.from, w.until}) &&
         fb_tenant_commit(c);
    PQfinish(c);
    OPENSSL_cleanse(w.material, sizeof w.material);
    return ok ? 0 : 1;
}

int fb_cmd_tenant_key_end(const fb_settings *s, int argc, char **argv) {
    static key_wish w;
    char id[FB_TENANT_ID_BYTES];
    fb_option options[] = {{"tenant", &w.tenant, 1, true, 0}, {"use", &w.use, 1, true, 0}, {"at", &w.at, 1, false, 0}};
    if (!fb_options_parse(argc, argv, options, 3, &w.kid, 1)) {
        return 2;
    }
    PGconn *c = check_time("at", w.at) ? fb_tenant_begin(s, "tenant key end", w.tenant, id) : NULL;
    PGresult *r = c ? fb_pg_exec(c,
                                 "UPDATE tenant_keys SET until_at = coalesce($4::timestamptz, now())"
                                 " WHERE tenant_id = $1::int AND use = $2 AND kid = $3",
                                 4, (const char *const[]){id, w.use, w.kid, w.at})
                    : NULL;
    bool ok = r && strcmp(PQcmdTuples(r), "1") == 0;
    if (r && !ok) {
        fprintf(stderr, "firstbell: \"%s\" has no key \"%s\" for %s; `firstbell tenant key list` shows those there are\n", w.tenant, w.kid, w.use);
    }
    PQclear(r);
    ok = ok && fb_tenant_commit(c);
    PQfinish(c);
    return ok ? 0 : 1;
}

int fb_cmd_tenant_key_list(const fb_settings *s, int argc, char **argv) {
    const char *tenant;
    char id[FB_TENANT_ID_BYTES];
    fb_option options[] = {{"tenant", &tenant, 1, true, 0}};
    if (!fb_options_parse(argc, argv, options, 1, NULL, 0)) {
        return 2;
    }
    PGconn *c = fb_tenant_begin(s, "tenant key list", tenant, id);
    PGresult *r = c ? fb_pg_exec(c,
                                 "SELECT use, kid, alg, coalesce(to_char(from_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), '-'),"
                                 " coalesce(to_char(until_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), '-'),"
                                 " CASE WHEN until_at <= now() THEN 'ended' WHEN from_at > now() THEN 'waits' ELSE 'counts' END"
                                 " FROM tenant_keys WHERE tenant_id = $1::int ORDER BY use, kid",
                                 1, (const char *const[]){id})
                    : NULL;
    if (r) {
        puts("use\tkid\talg\tfrom\tuntil\tstate");
    }
    for (int i = 0; r && i < PQntuples(r); i++) {
        printf("%s\t%s\t%s\t%s\t%s\t%s\n", PQgetvalue(r, i, 0), PQgetvalue(r, i, 1), PQgetvalue(r, i, 2), PQgetvalue(r, i, 3), PQgetvalue(r, i, 4),
               PQgetvalue(r, i, 5));
    }
    bool ok = r != NULL;
    PQclear(r);
    PQfinish(c);
    return ok ? 0 : 1;
}
