/* `firstbell pool set|list|remove`: the servers that districts are placed on. */
#include <stdlib.h>
#include <string.h>

#include "bell_directory_image.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"
#include "origin/tenants/tenants.h"

#define SERVERS_MAX 400

typedef struct {
    char address[128], weight[8], state[4];
} server;

static bool set_part(server *out, bell_str part) {
    bell_str value = part;
    bell_str name = bell_str_cut(&value, '=');
    uint64_t weight;
    if (bell_str_eq(name, BELL_STR("weight")) && bell_str_to_u64(value, BELL_DIRECTORY_WEIGHT_MAX, &weight) && weight > 0) {
        snprintf(out->weight, sizeof out->weight, "%u", (unsigned)weight);
        return true;
    }
    if (bell_str_eq(name, BELL_STR("state")) && bell_server_state_of(value) != 0) {
        snprintf(out->state, sizeof out->state, "%d", (int)bell_server_state_of(value));
        return true;
    }
    fprintf(stderr, "firstbell: \"%.*s\" is said of the server %s; expected weight=1 to weight=%d, or state=up, state=drain, state=down\n",
            BELL_STR_ARG(part), out->address, BELL_DIRECTORY_WEIGHT_MAX);
    return false;
}

/* ADDRESS[,weight=N][,state=up|drain|down] */
static bool parse_server(const char *text, server *out) {
    bell_str rest = bell_str_of(text);
    bell_str address = bell_str_cut(&rest, ',');
    if (!bell_directory_is_server(address)) {
        fprintf(stderr, "firstbell: \"%.*s\" is not the address of a server: ADDRESS:PORT with a numeric address, or unix:PATH, is expected\n",
                BELL_STR_ARG(address));
        return false;
    }
    *out = (server){.weight = "1", .state = "1"};
    snprintf(out->address, sizeof out->address, "%.*s", BELL_STR_ARG(address));
    bool ok = true;
    while (ok && rest.len > 0) {
        ok = set_part(out, bell_str_cut(&rest, ','));
    }
    return ok;
}

/* Servers that are not named any more leave the pool; the others are touched only where something is new about them. */
static bool put_pool(PGconn *c, const char *name, const server *servers, int n) {
    bool ok = fb_pg_do(c, "BEGIN", 0, NULL) && fb_pg_do(c, "INSERT INTO pools (name) VALUES ($1) ON CONFLICT DO NOTHING", 1, &name) &&
              fb_pg_do(c, "SELECT FROM pools WHERE name = $1 FOR UPDATE", 1, &name) &&
              fb_pg_do(c, "CREATE TEMPORARY TABLE named (address text) ON COMMIT DROP", 0, NULL);
    for (int i = 0; ok && i < n; i++) {
        ok = fb_pg_do(c, "INSERT INTO named VALUES ($1)", 1, (const char *const[]){servers[i].address}) &&
             fb_pg_do(c,
                      "INSERT INTO pool_servers AS s (pool, address, weight, state) VALUES ($1, $2, $3, $4) ON CONFLICT (pool, address) DO UPDATE"
                      " SET weight = EXCLUDED.weight, state = EXCLUDED.state WHERE (s.weight, s.state) <> (EXCLUDED.weight, EXCLUDED.state)",
                      4, (const char *const[]){name, servers[i].address, servers[i].weight, servers[i].state});
    }
    return ok && fb_pg_do(c, "DELETE FROM pool_servers s WHERE pool = $1 AND NOT EXISTS (SELECT FROM named n WHERE n.address = s.address)", 1, &name);
}

int fb_cmd_pool_set(const fb_settings *s, int argc, char **argv) {
    static const char *texts[SERVERS_MAX];
    static server servers[SERVERS_MAX];
    const char *name;
    fb_option options[] = {{"server", texts, SERVERS_MAX, true, 0}};
    if (!fb_options_parse(argc, argv, options, 1, &name, 1)) {
        return 2;
    }
    bool ok = bell_directory_is_name(bell_str_of(name));
    if (!ok) {
        fprintf(stderr, "firstbell: \"%s\" cannot name a pool: 1 to 63 small letters, digits and hyphens\n", name);
    }
    for (int i = 0; ok && i < options[0].seen; i++) {
        ok = parse_server(texts[i], &servers[i]);
        for (int k = 0; ok && k < i; k++) {
            if (strcmp(servers[k].address, servers[i].address) == 0) {
                fprintf(stderr, "firstbell: the server %s is named twice\n", servers[i].address);
                ok = false;
            }
        }
    }
    PGconn *c = ok ? fb_pg_connect(s, "fb_operator", "pool set") : NULL;
    ok = c && put_pool(c, name, servers, options[0].seen) && fb_tenant_commit(c);
    PQfinish(c);
    return ok ? 0 : 1;
}

/* A pool that a district is placed on stays. */
static bool remove_pool(PGconn *c, const char *name) {
    if (!fb_pg_do(c, "BEGIN", 0, NULL)) {
        return false;
    }
    PGresult *r =
        fb_pg_exec(c, "SELECT (SELECT count(*) FROM pools WHERE name = $1), count(t.id), min(t.name) FROM tenants t WHERE t.upstream = $1", 1, &name);
    bool ok = r != NULL;
    if (r && strcmp(PQgetvalue(r, 0, 0), "0") == 0) {
        fprintf(stderr, "firstbell: there is no pool named \"%s\"; `firstbell pool list` shows those there are\n", name);
        ok = false;
    } else if (r && strcmp(PQgetvalue(r, 0, 1), "0") != 0) {
        fprintf(stderr, "firstbell: the pool \"%s\" serves %s tenants, \"%s\" among them; `firstbell tenant set NAME --upstream …` moves one\n", name,
                PQgetvalue(r, 0, 1), PQgetvalue(r, 0, 2));
        ok = false;
    }
    PQclear(r);
    return ok && fb_pg_do(c, "DELETE FROM pools WHERE name = $1", 1, &name);
}

int fb_cmd_pool_remove(const fb_settings *s, int argc, char **argv) {
    const char *name;
    if (!fb_options_parse(argc, argv, NULL, 0, &name, 1)) {
        return 2;
    }
    PGconn *c = fb_pg_connect(s, "fb_operator", "pool remove");
    bool ok = c && remove_pool(c, name) && fb_tenant_commit(c);
    PQfinish(c);
    return ok ? 0 : 1;
}

int fb_cmd_pool_list(const fb_settings *s, int argc, char **argv) {
    if (!fb_options_parse(argc, argv, NULL, 0, NULL, 0)) {
        return 2;
    }
    PGconn *c = fb_pg_connect(s, "fb_operator", "pool list");
    PGresult *r = c ? fb_pg_exec(c,
                                 "SELECT p.name, s.address, s.weight, s.state FROM pools p LEFT JOIN pool_servers s ON s.pool = p.name"
                                 " ORDER BY p.name, s.address",
                                 0, NULL)
                    : NULL;
    if (r) {
        puts("pool\tserver\tweight\tstate");
    }
    for (int i = 0; r && i < PQntuples(r); i++) {
        const char *state = bell_server_state_name((bell_server_state)atoi(PQgetvalue(r, i, 3)));
        printf("%s\t%s\t%s\t%s\n", PQgetvalue(r, i, 0), PQgetisnull(r, i, 1) ? "-" : PQgetvalue(r, i, 1), PQgetvalue(r, i, 2), state ? state : "-");
    }
    bool ok = r != NULL;
    PQclear(r);
    PQfinish(c);
    return ok ? 0 : 1;
}
