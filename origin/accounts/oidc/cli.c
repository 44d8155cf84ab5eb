/* `firstbell tenant oidc add|list|remove|unlink`: the identity providers of a district. Secrets are copied from a file into oidc_secrets_dir. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bell_str.h"
#include "origin/accounts/oidc/flow.h"
#include "origin/db/pg.h"
#include "origin/server/commands.h"
#include "origin/server/fetch_target.h"
#include "origin/server/files.h"
#include "origin/server/options.h"

#define SECRET_MAX_BYTES 512
#define PATH_BYTES       (FB_SETTING_TEXT_MAX + 64)

typedef struct {
    const char *tenant, *title, *issuer, *client_id, *secret_file, *auth, *link_by, *claim, *scopes, *require;
    char secret[SECRET_MAX_BYTES + 1];
    size_t secret_len;
    char require_claim[65];
    const char *require_value; /* NULL: none */
    char auth_number[12], link_number[12];
} wish;

/* From 1; NULL-terminated. 0: none of them. */
static int index_of(const char *word, const char *const *words) {
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], word) == 0) {
            return i + 1;
        }
    }
    return 0;
}

static bool is_visible(const char *text, size_t most, bool ascii_only) {
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < ' ' || c == 0x7f || (ascii_only && (c == ' ' || c > 0x7e))) {
            return false;
        }
    }
    return len >= 1 && len <= most && bell_str_is_utf8(bell_str_of(text));
}

static bool has_word(const char *list, const char *word) {
    return fb_fetch_host_is_listed(list, word);
}

static bool refuse(const char *sentence) {
    fprintf(stderr, "firstbell: %s\n", sentence);
    return false;
}

static bool check_link(wish *w) {
    static const char *const names[] = {"email", "username", "sourced-id", NULL};
    static const char *const claims[] = {"email", "preferred_username", NULL};
    static const char *const scopes[] = {"openid email", "openid profile", "openid"};
    int by = index_of(w->link_by, names);

    if (by == 0) {
        return refuse("--link-by is email, username or sourced-id: what of the roster a person is found by at the first sign-in");
    }
    snprintf(w->link_number, sizeof(w->link_number), "%d", by);
    w->claim = w->claim != NULL ? w->claim : claims[by - 1];
    w->scopes = w->scopes != NULL ? w->scopes : scopes[by - 1];
    if (w->claim == NULL) {
        return refuse("--claim is needed with --link-by sourced-id: no claim is made for it; which one does the provider use?");
    }
    if (!is_visible(w->claim, 64, true)) {
        return refuse("--claim names a claim in 1 to 64 visible ASCII characters");
    }
    if (!is_visible(w->scopes, 200, false) || !has_word(w->scopes, "openid")) {
        return refuse("--scopes is a list such as \"openid email\"; openid must be in it");
    }
    return true;
}

static bool check_require(wish *w) {
    const char *cut = w->require != NULL ? strchr(w->require, '=') : NULL;
    if (w->require == NULL) {
        return true;
    }
    if (cut == NULL || cut == w->require || (size_t)(cut - w->require) >= sizeof(w->require_claim) || !is_visible(cut + 1, 255, false)) {
        return refuse("--require is CLAIM=VALUE, for instance hd=district.example");
    }
    snprintf(w->require_claim, sizeof(w->require_claim), "%.*s", (int)(cut - w->require), w->require);
    w->require_value = cut + 1;
    return true;
}

static bool check_wish(wish *w) {
    if (!is_visible(w->title, 80, false)) {
        return refuse("--title is what stands on the button behind \"Sign in with\", at most 80 bytes of UTF-8");
    }
    if (!fb_fetch_url_is_https(w->issuer, NULL) || strchr(w->issuer, '?') != NULL) {
        return refuse("--issuer is the provider's issuer identifier, an https URL without a query, exactly as the provider writes it");
    }
    if (!is_visible(w->client_id, 255, true)) {
        return refuse("--client-id is 1 to 255 visible ASCII characters");
    }
    return check_link(w) && check_require(w);
}

/* One line end behind it is not part of it. */
static bool read_secret(wish *w) {
    if (w->secret_file == NULL) {
        return true;
    }
    int fd = open(w->secret_file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, w->secret, SECRET_MAX_BYTES + 1);
    if (n < 0) {
        fprintf(stderr, "firstbell: the secret cannot be read from %s: %s\n", w->secret_file, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    if (n < 0) {
        return false;
    }
    size_t len = (size_t)n;
    while (len > 0 && (w->secret[len - 1] == '\n' || w->secret[len - 1] == '\r')) {
        len--;
    }
    w->secret_len = len;
    if (len == 0 || len > SECRET_MAX_BYTES || memchr(w->secret, '\0', len) != NULL || memchr(w->secret, '\n', len) != NULL) {
        return refuse("the secret is one line of 1 to 512 bytes");
    }
    return true;
}

/* The folder of secrets, made when it is not there. What root makes belongs to the owner of the folder around it, who runs the api. */
static bool make_folder(const char *dir, struct stat *st) {
    char *parent = strdup(dir), *slash = parent != NULL ? strrchr(parent, '/') : NULL;
    bool made = mkdir(dir, 0700) == 0;

    if (made && slash != NULL && geteuid() == 0) {
        *(slash == parent ? slash + 1 : slash) = '\0';
        if (stat(parent, st) != 0 || chown(dir, st->st_uid, st->st_gid) != 0) {
            fprintf(stderr, "firstbell: the folder of secrets (oidc_secrets_dir) %s cannot be given to who runs the api: %s\n", dir, strerror(errno));
            free(parent);
            return false;
        }
    }
    free(parent);
    if (stat(dir, st) != 0 || !S_ISDIR(st->st_mode)) {
        fprintf(stderr, "firstbell: the folder of secrets (oidc_secrets_dir) %s: %s\n", dir, strerror(errno));
        return false;
    }
    return true;
}

static bool fill_secret(int fd, const wish *w, const struct stat *folder) {
    return write(fd, w->secret, w->secret_len) == (ssize_t)w->secret_len && (geteuid() != 0 || fchown(fd, folder->st_uid, folder->st_gid) == 0) &&
           fsync(fd) == 0;
}

/* Whole or not at all, also after a power cut. */
static bool write_secret(const char *dir, int32_t tenant_id, uint64_t provider_id, const wish *w) {
    char path[PATH_BYTES], fresh[PATH_BYTES + 8];
    struct stat folder;

    if (!make_folder(dir, &folder)) {
        return false;
    }
    fb_oidc_secret_path(dir, tenant_id, provider_id, path, sizeof(path));
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    unlink(fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && fill_secret(fd, w, &folder);
    ok = (fd < 0 || close(fd) == 0) && ok && rename(fresh, path) == 0 && fb_sync_folder(dir);
    if (!ok) {
        fprintf(stderr, "firstbell: the secret cannot be written to %s: %s\n", path, strerror(errno));
        unlink(fresh);
    }
    return ok;
}

static bool has_secret(const fb_settings *s, int32_t tenant_id, uint64_t provider_id) {
    char path[PATH_BYTES];
    fb_oidc_secret_path(s->oidc_secrets_dir, tenant_id, provider_id, path, sizeof(path));
    return access(path, F_OK) == 0;
}

static bool choose_auth(wish *w) {
    static const char *const names[] = {"basic", "post", "none", NULL};
    int auth = w->auth != NULL ? index_of(w->auth, names) : w->secret_file != NULL ? FB_OIDC_AUTH_BASIC : FB_OIDC_AUTH_NONE;

    if (auth == 0 || (auth == FB_OIDC_AUTH_NONE && w->secret_file != NULL)) {
        return refuse("--auth is basic or post, how the secret is sent, or none, which goes without --secret-file");
    }
    snprintf(w->auth_number, sizeof(w->auth_number), "%d", auth);
    return true;
}

/* 0: failed. */
static uint64_t put_provider(PGconn *c, const char *tenant, const wish *w) {
    const char *const row[] = {tenant,          w->title,       w->issuer,
                               w->client_id,    w->auth_number, w->scopes,
                               w->link_number,  w->claim,       w->require_value != NULL ? w->require_claim : NULL,
                               w->require_value};
    PGresult *r = fb_pg_exec(c,
                             "INSERT INTO identity_providers AS p (tenant_id, title, issuer, client_id, token_auth, scopes, link_by, link_claim,"
                             " require_claim, require_value) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
                             " ON CONFLICT (tenant_id, issuer, client_id) DO UPDATE SET title = EXCLUDED.title, token_auth = EXCLUDED.token_auth,"
                             " scopes = EXCLUDED.scopes, link_by = EXCLUDED.link_by, link_claim = EXCLUDED.link_claim,"
                             " require_claim = EXCLUDED.require_claim, require_value = EXCLUDED.require_value RETURNING id",
                             10, row);
    uint64_t id = r != NULL ? strtoull(PQgetvalue(r, 0, 0), NULL, 10) : 0;
    PQclear(r);
    return id;
}

static bool print_redirect_uris(PGconn *c, const char *tenant, uint64_t id) {
    PGresult *r = fb_pg_exec(c, "SELECT host FROM tenant_hosts WHERE tenant_id = $1 ORDER BY host", 1, &tenant);
    printf("%llu\n", (unsigned long long)id);
    for (int i = 0; r != NULL && i < PQntuples(r); i++) {
        printf("redirect URI: https://%s/sign-in/oidc/%llu/callback\n", PQgetvalue(r, i, 0), (unsigned long long)id);
    }
    bool ok = r != NULL;
    PQclear(r);
    return ok;
}

static bool add_provider(PGconn *c, const fb_settings *s, int32_t tenant_id, const wish *w) {
    char tenant[16];
    snprintf(tenant, sizeof(tenant), "%d", tenant_id);
    uint64_t id = fb_pg_begin_tenant(c, tenant_id) ? put_provider(c, tenant, w) : 0;
    if (id == 0) {
        return false;
    }
    if (w->secret_len > 0 && !write_secret(s->oidc_secrets_dir, tenant_id, id, w)) {
        return false;
    }
    if (strcmp(w->auth_number, "3") != 0 && !has_secret(s, tenant_id, id)) {
        return refuse("--auth basic and --auth post need a secret: give it with --secret-file FILE");
    }
    return print_redirect_uris(c, tenant, id) && fb_pg_do(c, "COMMIT", 0, NULL);
}

int fb_cmd_oidc_add(const fb_settings *s, int argc, char **argv) {
    static wish w;
    fb_option options[] = {
        {"tenant", &w.tenant, 1, true, 0},       {"title", &w.title, 1, true, 0},     {"issuer", &w.issuer, 1, true, 0},
        {"client-id", &w.client_id, 1, true, 0}, {"link-by", &w.link_by, 1, true, 0}, {"secret-file", &w.secret_file, 1, false, 0},
        {"auth", &w.auth, 1, false, 0},          {"claim", &w.claim, 1, false, 0},    {"scopes", &w.scopes, 1, false, 0},
        {"require", &w.require, 1, false, 0},
    };
    if (!fb_options_parse(argc, argv, options, 10, NULL, 0)) {
        return 2;
    }
    bool ok = check_wish(&w) && choose_auth(&w) && read_secret(&w);
    PGconn *c = ok ? fb_pg_connect(s, "fb_operator", "tenant oidc add") : NULL;
    int32_t tenant_id = c != NULL ? fb_pg_tenant_id(c, w.tenant) : 0;
    ok = tenant_id != 0 && add_provider(c, s, tenant_id, &w);
    PQfinish(c);
    explicit_bzero(w.secret, sizeof(w.secret));
    return ok ? 0 : 1;
}

static void print_provider(const fb_settings *s, int32_t tenant_id, const PGresult *r, int row) {
    static const char *const auths[] = {"?", "basic", "post", "none"}, *const links[] = {"?", "email", "username", "sourced-id"};
    uint64_t id = strtoull(PQgetvalue(r, row, 0), NULL, 10);
    int auth = atoi(PQgetvalue(r, row, 4));

    printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", PQgetvalue(r, row, 0), PQgetvalue(r, row, 1), PQgetvalue(r, row, 2), PQgetvalue(r, row, 3),
           auths[auth],
           auth == FB_OIDC_AUTH_NONE      ? "-"
           : has_secret(s, tenant_id, id) ? "there"
                                          : "missing",
           links[atoi(PQgetvalue(r, row, 5))], PQgetvalue(r, row, 6), PQgetvalue(r, row, 7), PQgetvalue(r, row, 8), PQgetvalue(r, row, 9));
}

static bool list_providers(PGconn *c, const fb_settings *s, int32_t tenant_id) {
    char tenant[16];
    snprintf(tenant, sizeof(tenant), "%d", tenant_id);
    PGresult *r = !fb_pg_begin_tenant(c, tenant_id)
                      ? NULL
                      : fb_pg_exec(c,
                                   "SELECT p.id, p.title, p.issuer, p.client_id, p.token_auth, p.link_by, p.link_claim, p.scopes,"
                                   " coalesce(p.require_claim || '=' || p.require_value, '-'),"
                                   " (SELECT count(*) FROM user_identities i WHERE i.tenant_id = p.tenant_id AND i.provider_id = p.id)"
                                   " FROM identity_providers p WHERE p.tenant_id = $1::int ORDER BY p.id",
                                   1, (const char *const[]){tenant});
    if (r != NULL) {
        puts("id\ttitle\tissuer\tclient_id\tauth\tsecret\tlink_by\tclaim\tscopes\trequire\tpeople");
    }
    for (int i = 0; r != NULL && i < PQntuples(r); i++) {
        print_provider(s, tenant_id, r, i);
    }
    bool ok = r != NULL;
    PQclear(r);
    return ok;
}

int fb_cmd_oidc_list(const fb_settings *s, int argc, char **argv) {
    const char *tenant;
    fb_option options[] = {{"tenant", &tenant, 1, true, 0}};
    if (!fb_options_parse(argc, argv, options, 1, NULL, 0)) {
        return 2;
    }
    PGconn *c = fb_pg_connect(s, "fb_operator", "tenant oidc list");
    int32_t tenant_id = c != NULL ? fb_pg_tenant_id(c, tenant) : 0;
    bool ok = tenant_id != 0 && list_providers(c, s, tenant_id);
    PQfinish(c);
    return ok ? 0 : 1;
}

static bool remove_provider(PGconn *c, const fb_settings *s, int32_t tenant_id, const char *id_text) {
    char tenant[16], path[PATH_BYTES];
    uint64_t id;
    snprintf(tenant, sizeof(tenant), "%d", tenant_id);
    if (!bell_str_to_u64(bell_str_of(id_text), INT64_MAX, &id) || !fb_pg_begin_tenant(c, tenant_id)) {
        return refuse("the provider is named by its number; `firstbell tenant oidc list` shows it");
    }
    PGresult *r =
        fb_pg_exec(c, "DELETE FROM identity_providers WHERE tenant_id = $1::int AND id = $2::bigint", 2, (const char *const[]){tenant, id_text});
    bool there = r != NULL && strcmp(PQcmdTuples(r), "1") == 0;
    if (r != NULL && !there) {
        fprintf(stderr, "firstbell: the district has no identity provider %s\n", id_text);
    }
    PQclear(r);
    if (!there || !fb_pg_do(c, "COMMIT", 0, NULL)) {
        return false;
    }
    fb_oidc_secret_path(s->oidc_secrets_dir, tenant_id, id, path, sizeof(path));
    if (unlink(path) != 0 && errno != ENOENT) {
        fprintf(stderr, "firstbell: the provider is removed, but its secret %s is not: %s\n", path, strerror(errno));
        return false;
    }
    return true;
}

int fb_cmd_oidc_remove(const fb_settings *s, int argc, char **argv) {
    const char *tenant, *id;
    fb_option options[] = {{"tenant", &tenant, 1, true, 0}};
    if (!fb_options_parse(argc, argv, options, 1, &id, 1)) {
        return 2;
    }
    PGconn *c = fb_pg_connect(s, "fb_operator", "tenant oidc remove");
    int32_t tenant_id = c != NULL ? fb_pg_tenant_id(c, tenant) : 0;
    bool ok = tenant_id != 0 && remove_provider(c, s, tenant_id, id);
    PQfinish(c);
    return ok ? 0 : 1;
}

/* Who was linked wrongly must not stay signed in by it. */
static bool unlink_people(PGconn *c, int32_t tenant_id, const char *username) {
    char tenant[16];
    snprintf(tenant, sizeof(tenant), "%d", tenant_id);
    if (!fb_pg_begin_tenant(c, tenant_id)) {
        return false;
    }
    PGresult *r = fb_pg_exec(c,
                             "WITH gone AS (DELETE FROM user_identities i USING users u WHERE i.tenant_id = $1::int AND u.tenant_id = i.tenant_id"
                             " AND u.id = i.user_id AND u.login_key = lower($2::text COLLATE \"C\") RETURNING i.user_id)"
                             " SELECT count(*), sum(sessions_end($1::int, user_id, NULL)) FROM gone",
                             2, (const char *const[]){tenant, username});
    bool any = r != NULL && strcmp(PQgetvalue(r, 0, 0), "0") != 0;
    if (r != NULL && !any) {
        fprintf(stderr, "firstbell: nobody with the user name %s is linked with an account elsewhere\n", username);
    }
    PQclear(r);
    return any && fb_pg_do(c, "COMMIT", 0, NULL);
}

int fb_cmd_oidc_unlink(const fb_settings *s, int argc, char **argv) {
    const char *tenant, *username;
    fb_option options[] = {{"tenant", &tenant, 1, true, 0}};
    if (!fb_options_parse(argc, argv, options, 1, &username, 1)) {
        return 2;
    }
    PGconn *c = fb_pg_connect(s, "fb_operator", "tenant oidc unlink");
    int32_t tenant_id = c != NULL ? fb_pg_tenant_id(c, tenant) : 0;
    bool ok = tenant_id != 0 && unlink_people(c, tenant_id, username);
    PQfinish(c);
    return ok ? 0 : 1;
}
