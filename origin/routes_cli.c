/* `firstbell routes`: the table of routes and the roles, as JSON, for whoever checks who may do what. */
#include <stdio.h>

#include "bell_json.h"
#include "bell_role.h"
#include "origin/registry.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"

#define TABLE_MAX_BYTES (1 << 20)

static void write_scopes(bell_json *j, unsigned scopes) {
    bell_json_key(j, "scopes");
    bell_json_array_open(j);
    for (unsigned bit = 1; bit != 0 && bit <= scopes; bit <<= 1) {
        if (scopes & bit) {
            bell_json_z(j, fb_scope_name(bit));
        }
    }
    bell_json_array_close(j);
}

static void write_roles(bell_json *j) {
    bell_json_key(j, "roles");
    bell_json_array_open(j);
    for (const fb_role *r = fb_roles; r->home != NULL; r++) {
        bell_json_object_open(j);
        bell_json_key(j, "number");
        bell_json_int(j, r->number);
        bell_json_key(j, "name");
        bell_json_z(j, bell_role_name(r->number));
        bell_json_key(j, "home");
        bell_json_z(j, r->home);
        write_scopes(j, r->scopes);
        bell_json_object_close(j);
    }
    bell_json_array_close(j);
}

static void write_methods(bell_json *j, unsigned methods) {
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{BELL_HTTP_GET, "GET"}, {BELL_HTTP_POST, "POST"}, {BELL_HTTP_PUT, "PUT"}, {BELL_HTTP_PATCH, "PATCH"}, {BELL_HTTP_DELETE, "DELETE"}};
    bell_json_key(j, "methods");
    bell_json_array_open(j);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (methods & names[i].bit) {
            bell_json_z(j, names[i].name);
        }
    }
    bell_json_array_close(j);
}

static void write_route(bell_json *j, const fb_route *r) {
    bell_json_object_open(j);
    write_methods(j, r->methods);
    bell_json_key(j, "pattern");
    bell_json_z(j, r->pattern);
    bell_json_key(j, "kind");
    bell_json_z(j, r->is_page ? "page" : r->is_form ? "form" : "plain");
    write_scopes(j, r->scope);
    bell_json_key(j, "without_tenant");
    bell_json_bool(j, r->without_tenant);
    bell_json_key(j, "shared_by");
    bell_json_z(j, fb_share_name(r->share));
    bell_json_key(j, "shed_class");
    bell_json_int(j, r->shed_class);
    bell_json_object_close(j);
}

int fb_cmd_routes(const fb_settings *s, int argc, char **argv) {
    bell_buf out;
    bell_json j;

    (void)s;
    if (!fb_options_parse(argc, argv, NULL, 0, NULL, 0)) {
        return 2;
    }
    bell_buf_init(&out, TABLE_MAX_BYTES);
    bell_json_init(&j, &out);
    bell_json_object_open(&j);
    write_roles(&j);
    bell_json_key(&j, "routes");
    bell_json_array_open(&j);
    for (const fb_route *r = fb_routes; r->pattern != NULL; r++) {
        write_route(&j, r);
    }
    bell_json_array_close(&j);
    bell_json_object_close(&j);
    bool ok = bell_json_done(&j);
    if (ok) {
        printf("%.*s\n", (int)out.len, out.p);
    } else {
        fprintf(stderr, "firstbell: no memory\n");
    }
    bell_buf_fini(&out);
    return ok ? 0 : 1;
}
