/* `firstbell edge-key new`: a key of an edge (bell_context.h) in edge_keys_dir. The edge gets a copy of the file, which both keep to themselves. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "bell_buf.h"
#include "bell_context.h"
#include "origin/db/pg.h"
#include "origin/server/commands.h"
#include "origin/server/key_file.h"
#include "origin/server/options.h"

#define SECRET_BYTES   32
#define TENANTS_MAX    256
#define FILE_MAX_BYTES 8192

static bool add_secret(bell_buf *b) {
    unsigned char secret[SECRET_BYTES];

    if (getrandom(secret, sizeof(secret), 0) != (ssize_t)sizeof(secret)) {
        fprintf(stderr, "firstbell: the system gave no randomness: %s\n", strerror(errno));
        return false;
    }
    for (size_t i = 0; i < sizeof(secret); i++) {
        bell_buf_printf(b, "%02x", secret[i]);
    }
    bell_buf_add_char(b, '\n');
    explicit_bzero(secret, sizeof(secret));
    return true;
}

/* The file has the tenants' numbers, which never change. */
static bool add_tenants(const fb_settings *s, bell_buf *b, const char *const *names, int n) {
    PGconn *c = n > 0 ? fb_pg_connect(s, "fb_operator", "edge-key") : NULL;
    bool ok = n == 0 || c != NULL;

    for (int i = 0; ok && i < n; i++) {
        int32_t id = fb_pg_tenant_id(c, names[i]);
        ok = id != 0;
        bell_buf_printf(b, "%s %d", i == 0 ? "tenants" : "", (int)id);
    }
    if (n > 0) {
        bell_buf_add_char(b, '\n');
    }
    PQfinish(c);
    return ok;
}

static bool is_free(const char *path, const char *name) {
    if (access(path, F_OK) != 0) {
        return true;
    }
    fprintf(stderr,
            "firstbell: %s: there is a key %s already; to exchange it, make one of another name, such as %s-2, give it to the edge, and remove this "
            "one\n",
            path, name, name);
    return false;
}

static bool make_key(const fb_settings *s, const char *name, const char *const *tenants, int ntenants, const char *path) {
    bell_buf b;
    int lock = fb_key_dir_lock(s->edge_keys_dir, "edge_keys_dir");

    bell_buf_init(&b, FILE_MAX_BYTES);
    bool ok = lock >= 0 && is_free(path, name) && add_secret(&b) && add_tenants(s, &b, tenants, ntenants) && !b.failed &&
              fb_key_file_put(path, b.p, b.len) && fb_key_dir_sync(s->edge_keys_dir);
    if (b.p != NULL) {
        explicit_bzero(b.p, b.len);
    }
    bell_buf_fini(&b);
    if (lock >= 0) {
        close(lock);
    }
    return ok;
}

int fb_cmd_edge_key_new(const fb_settings *s, int argc, char **argv) {
    static const char *tenants[TENANTS_MAX];
    const char *name;
    char path[FB_KEY_PATH_BYTES];
    fb_option options[] = {{"tenant", tenants, TENANTS_MAX, false, 0}};

    if (!fb_options_parse(argc, argv, options, 1, &name, 1)) {
        return 2;
    }
    if (!bell_context_is_id(bell_str_of(name))) {
        fprintf(stderr, "firstbell: \"%s\" cannot name a key: 1 to %d letters, digits, - and _ are expected\n", name, BELL_CONTEXT_ID_BYTES);
        return 2;
    }
    snprintf(path, sizeof(path), "%s/%s.key", s->edge_keys_dir, name);
    if (!make_key(s, name, tenants, options[0].seen, path)) {
        return 1;
    }
    printf("%s is made. Copy it to the edge, readable for root alone, and name it there: bell_context_key FILE;\n", path);
    fb_key_reload_api(s);
    return 0;
}
