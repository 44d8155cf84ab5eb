/* `firstbell tenant host add|remove|move`: the names a district answers to. */
#include <string.h>

#include "bell_directory_image.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"
#include "origin/tenants/tenants.h"

PGconn *fb_tenant_begin(const fb_settings *s, const char *command, const char *name, char id[FB_TENANT_ID_BYTES]) {
    PGconn *c = fb_pg_connect(s, "fb_operator", command);
    int32_t tenant = c ? fb_pg_tenant_id(c, name) : 0;
    if (tenant == 0 || !fb_pg_begin_tenant(c, tenant)) {
        PQfinish(c);
        return NULL;
    }
    snprintf(id, FB_TENANT_ID_BYTES, "%d", tenant);
    return c;
}

bool fb_tenant_commit(PGconn *c) {
    return fb_pg_do(c, "COMMIT", 0, NULL);
}

bool fb_tenant_host_of(const char *text, char out[BELL_HOST_MAX_BYTES + 1]) {
    bool wild = strncmp(text, "*.", 2) == 0;
    long len = bell_host_normalize(bell_str_of(wild ? text + 2 : text), out);
    if (wild && len > 0 && len <= BELL_HOST_MAX_BYTES - 2) {
        memmove(out + 2, out, (size_t)len + 1);
        out[0] = '*';
        out[1] = '.';
        len = bell_directory_is_host(bell_str_of(out)) ? len + 2 : -1;
    }
    if (len > 0 && (!wild || out[0] == '*')) {
        return true;
    }
    fprintf(stderr, "firstbell: \"%s\" is not a host name or an address (an international name is given in punycode, xn--…)%s\n", text,
            wild ? "; behind *. a name of two labels or more is expected" : "");
    return false;
}

/* Whose host it is: 1 the tenant's own, 0 nobody's, -1 somebody else's, whose name is in `owner` then; -2 failed. */
static int owner_of(PGconn *c, const char *id, const char *host, char owner[64]) {
    PGresult *r = fb_pg_exec(c, "SELECT t.id, t.name FROM tenant_hosts h JOIN tenants t ON t.id = h.tenant_id WHERE h.host = $1", 1, &host);
    if (!r) {
        return -2;
    }
    int whose = PQntuples(r) == 0 ? 0 : strcmp(PQgetvalue(r, 0, 0), id) == 0 ? 1 : -1;
    snprintf(owner, 64, "%s", PQntuples(r) == 1 ? PQgetvalue(r, 0, 1) : "?");
    PQclear(r);
    return whose;
}

bool fb_tenant_host_put(PGconn *c, const char *id, const char *host) {
    const char *const row[] = {id, host};
    PGresult *r = fb_pg_exec(c, "INSERT INTO tenant_hosts (tenant_id, host) VALUES ($1, $2) ON CONFLICT (host) DO NOTHING", 2, row);
    if (!r) {
        return false;
    }
    bool put = strcmp(PQcmdTuples(r), "1") == 0;
    PQclear(r);
    char owner[64];
    int whose = put ? 1 : owner_of(c, id, host, owner);
    if (whose == 0 || whose == -1) {
        fprintf(stderr, "firstbell: the host %s belongs to the tenant \"%s\" already; nothing was changed\n", host, owner);
    }
    return whose == 1;
}

/* false with a sentence when the host is not the tenant's. */
static bool is_owned(PGconn *c, const char *id, const char *name, const char *host) {
    char owner[64];
    int whose = owner_of(c, id, host, owner);
    if (whose == 0) {
        fprintf(stderr, "firstbell: the host %s belongs to no tenant; nothing was changed\n", host);
    } else if (whose == -1) {
        fprintf(stderr, "firstbell: the host %s belongs to the tenant \"%s\" and not to \"%s\"; nothing was changed\n", host, owner, name);
    }
    return whose == 1;
}

int fb_cmd_tenant_host_add(const fb_settings *s, int argc, char **argv) {
    const char *name, *text;
    char host[BELL_HOST_MAX_BYTES + 1], id[FB_TENANT_ID_BYTES];
    fb_option options[] = {{"tenant", &name, 1, true, 0}};
    if (!fb_options_parse(argc, argv, options, 1, &text, 1)) {
        return 2;
    }
    PGconn *c = fb_tenant_host_of(text, host) ? fb_tenant_begin(s, "tenant host add", name, id) : NULL;
    bool ok = c && fb_tenant_host_put(c, id, host) && fb_tenant_commit(c);
    PQfinish(c);
    return ok ? 0 : 1;
}

int fb_cmd_tenant_host_remove(const fb_settings *s, int argc, char **argv) {
    const char *name, *text;
    char host[BELL_HOST_MAX_BYTES + 1], id[FB_TENANT_ID_BYTES];
    fb_option options[] = {{"tenant", &name, 1, true, 0}};
    if (!fb_options_parse(argc, argv, options, 1, &text, 1)) {
        return 2;
    }
    PGconn *c = fb_tenant_host_of(text, host) ? fb_tenant_begin(s, "tenant host remove", name, id) : NULL;
    bool ok = c && is_owned(c, id, name, host) &&
              fb_pg_do(c, "DELETE FROM tenant_hosts WHERE tenant_id = $1::int AND host = $2", 2, (const char *const[]){id, host}) &&
              fb_tenant_commit(c);
    PQfinish(c);
    return ok ? 0 : 1;
}

/* In one transaction and one document, so that the host belongs to somebody at every moment. */
static bool move(PGconn *c, const char *id, const char *name, const char *to, const char *host) {
    int32_t target = is_owned(c, id, name, host) ? fb_pg_tenant_id(c, to) : 0;
    char target_id[FB_TENANT_ID_BYTES];
    snprintf(target_id, sizeof target_id, "%d", target);
    return target > 0 &&
           fb_pg_do(c, "UPDATE tenant_hosts SET tenant_id = $3::int WHERE tenant_id = $1::int AND host = $2", 3,
                    (const char *const[]){id, host, target_id}) &&
           fb_tenant_commit(c);
}

int fb_cmd_tenant_host_move(const fb_settings *s, int argc, char **argv) {
    const char *name, *to, *text;
    char host[BELL_HOST_MAX_BYTES + 1], id[FB_TENANT_ID_BYTES];
    fb_option options[] = {{"tenant", &name, 1, true, 0}, {"to", &to, 1, true, 0}};
    if (!fb_options_parse(argc, argv, options, 2, &text, 1)) {
        return 2;
    }
    PGconn *c = fb_tenant_host_of(text, host) ? fb_tenant_begin(s, "tenant host move", name, id) : NULL;
    bool ok = c && move(c, id, name, to, host);
    PQfinish(c);
    return ok ? 0 : 1;
}
