/* `firstbell tenant add|list`: districts and the host names they answer to. */
#include <stdlib.h>
#include <string.h>

#include "bell_directory.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"
#include "origin/tenants/tenants.h"

#define HOSTS_MAX       64
#define TITLE_MAX_CHARS 200

typedef struct {
    const char *name, *title, *locale; /* locale NULL: as it is, or "en" */
    char hosts[HOSTS_MAX][BELL_HOST_MAX_BYTES + 1];
    int nhosts;
} tenant_wish;

static bool is_name(const char *name) {
    size_t len = strlen(name);
    return len >= 1 && len <= BELL_DIRECTORY_NAME_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len && name[0] != '-' &&
           name[len - 1] != '-';
}

/* Subtags of 1 to 8 letters and digits, the first of 2 to 8 letters (the shape of RFC 5646, not its registry). */
static bool is_locale(const char *locale) {
    if (strlen(locale) > BELL_DIRECTORY_LOCALE_MAX) {
        return false;
    }
    bell_str rest = bell_str_of(locale);
    for (bool first = true;; first = false) {
        bell_str tag = bell_str_cut(&rest, '-');
        if (tag.len < (first ? 2 : 1) || tag.len > 8) {
            return false;
        }
        for (size_t i = 0; i < tag.len; i++) {
            char low = (char)(tag.p[i] | 0x20);
            if (!(low >= 'a' && low <= 'z') && (first || tag.p[i] < '0' || tag.p[i] > '9')) {
                return false;
            }
        }
        if (rest.len == 0) {
            return locale[strlen(locale) - 1] != '-';
        }
    }
}

bool fb_tenant_title_is_right(const char *title) {
    size_t chars = 0;
    for (const char *p = title; *p; p++) {
        chars += ((unsigned char)*p & 0xC0) != 0x80;
    }
    if (!bell_str_is_utf8(bell_str_of(title)) || chars < 1 || chars > TITLE_MAX_CHARS) {
        fprintf(stderr, "firstbell: the title must be 1 to %d characters in UTF-8\n", TITLE_MAX_CHARS);
        return false;
    }
    return true;
}

bool fb_tenant_locale_is_right(const char *locale) {
    if (!is_locale(locale)) {
        fprintf(stderr, "firstbell: \"%s\" is not a language tag such as en, ar or pt-BR\n", locale);
        return false;
    }
    return true;
}

static bool check_wish(const tenant_wish *w) {
    if (!is_name(w->name)) {
        fprintf(stderr, "firstbell: \"%s\" cannot name a tenant: 1 to 63 small letters, digits and hyphens, with none of these at the ends\n",
                w->name);
        return false;
    }
    return fb_tenant_title_is_right(w->title) && (!w->locale || fb_tenant_locale_is_right(w->locale));
}

static bool add_wished_host(tenant_wish *w, const char *host) {
    char *out = w->hosts[w->nhosts];
    if (!fb_tenant_host_of(host, out)) {
        return false;
    }
    for (int i = 0; i < w->nhosts; i++) {
        if (strcmp(w->hosts[i], out) == 0) {
            return true;
        }
    }
    w->nhosts++;
    return true;
}

/* Inserts the tenant, or brings its title and locale up to date. Leaves its id, as text, in id. */
static bool put_tenant(PGconn *c, const tenant_wish *w, char id[16]) {
    const char *const row[] = {w->name, w->title, w->locale};
    /* Not INSERT … ON CONFLICT: that takes a number from the sequence each time, and tenants have small ones. */
    PGresult *r = fb_pg_exec(c, "UPDATE tenants SET title = $2, locale = coalesce($3, locale) WHERE name = $1 RETURNING id", 3, row);
    if (r && PQntuples(r) == 0) {
        PQclear(r);
        r = fb_pg_exec(c, "INSERT INTO tenants (name, title, locale) VALUES ($1, $2, coalesce($3, 'en')) RETURNING id", 3, row);
    }
    if (!r) {
        return false;
    }
    snprintf(id, 16, "%s", PQgetvalue(r, 0, 0));
    PQclear(r);
    return fb_pg_do(c, "SELECT set_config('app.tenant', $1, true)", 1, (const char *const[]){id});
}

/* A host that is not named any more stays: taking a name away cuts a district off, which nobody should do by leaving out a word. */
static bool report_kept_hosts(PGconn *c, const tenant_wish *w, const char *id) {
    PGresult *r = fb_pg_exec(c, "SELECT host FROM tenant_hosts WHERE tenant_id = $1 ORDER BY host", 1, &id);
    for (int i = 0; r && i < PQntuples(r); i++) {
        int k = 0;
        while (k < w->nhosts && strcmp(w->hosts[k], PQgetvalue(r, i, 0)) != 0) {
            k++;
        }
        if (k == w->nhosts) {
            fprintf(stderr, "firstbell: note: %s keeps the host %s, which was not named\n", w->name, PQgetvalue(r, i, 0));
        }
    }
    PQclear(r);
    return r != NULL;
}

static bool add_tenant(PGconn *c, const tenant_wish *w) {
    char id[16];
    if (!fb_pg_do(c, "BEGIN", 0, NULL) || !put_tenant(c, w, id)) {
        return false;
    }
    for (int i = 0; i < w->nhosts; i++) {
        if (!fb_tenant_host_put(c, id, w->hosts[i])) {
            return false;
        }
    }
    if (!report_kept_hosts(c, w, id) || !fb_tenant_commit(c)) {
        return false;
    }
    printf("%s\n", id);
    return true;
}

int fb_cmd_tenant_add(const fb_settings *s, int argc, char **argv) {
    static tenant_wish w;
    const char *hosts[HOSTS_MAX];
    fb_option options[] = {
        {"title", &w.title, 1, true, 0},
        {"host", hosts, HOSTS_MAX, true, 0},
        {"locale", &w.locale, 1, false, 0},
    };
    if (!fb_options_parse(argc, argv, options, 3, &w.name, 1)) {
        return 2;
    }
    bool ok = check_wish(&w);
    for (int i = 0; ok && i < options[1].seen; i++) {
        ok = add_wished_host(&w, hosts[i]);
    }
    PGconn *c = ok ? fb_pg_connect(s, "fb_operator", "tenant add") : NULL;
    ok = c && add_tenant(c, &w);
    PQfinish(c);
    return ok ? 0 : 1;
}

int fb_cmd_tenant_list(const fb_settings *s, int argc, char **argv) {
    if (!fb_options_parse(argc, argv, NULL, 0, NULL, 0)) {
        return 2;
    }
    PGconn *c = fb_pg_connect(s, "fb_operator", "tenant list");
    PGresult *r = c ? fb_pg_exec(c, "SELECT id, name, status, locale, title, array_to_string(hosts, ' ') FROM directory_rows()", 0, NULL) : NULL;
    if (r) {
        puts("id\tname\tstatus\tlocale\ttitle\thosts");
    }
    for (int i = 0; r && i < PQntuples(r); i++) {
        const char *status = bell_tenant_status_name((bell_tenant_status)atoi(PQgetvalue(r, i, 2)));
        printf("%s\t%s\t%s\t%s\t%s\t%s\n", PQgetvalue(r, i, 0), PQgetvalue(r, i, 1), status ? status : "?", PQgetvalue(r, i, 3), PQgetvalue(r, i, 4),
               PQgetvalue(r, i, 5));
    }
    bool ok = r != NULL;
    PQclear(r);
    PQfinish(c);
    return ok ? 0 : 1;
}
