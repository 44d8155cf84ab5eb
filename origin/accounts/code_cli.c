/* `firstbell user code|reset`: a one-time code for one person, on standard output. */
#include <stdio.h>
#include <string.h>

#include "origin/accounts/user_cli.h"
#include "origin/db/pg.h"
#include "origin/server/codes.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"

typedef struct {
    const char *command, *sql;
    const char *action; /* account_events */
} code_command;

static const code_command code_for_new = {"user code", "SELECT account_codes_put($1::int, ARRAY[$2::bigint], ARRAY[$3::text], $4::int)", "2"};
static const code_command code_for_reset = {"user reset", "SELECT account_reset($1::int, $2::bigint, $3::text, $4::int)", "3"};

/* Whether a code was put: nobody who has a password gets one without a reset. */
static bool put_code(PGconn *c, const code_command *what, const fb_settings *s, const char *tenant, const char *id, const char *hash) {
    char days[16];
    snprintf(days, sizeof days, "%ld", s->code_valid_days);
    PGresult *r = fb_pg_exec(c, what->sql, 4, (const char *const[]){tenant, id, hash, days});
    bool put = r != NULL && PQntuples(r) == 1;
    if (r != NULL && !put) {
        fprintf(stderr, "firstbell: this person has a password already; `firstbell user reset` makes it void and gives a code\n");
    }
    PQclear(r);
    return put && fb_pg_do(c, "INSERT INTO account_events (tenant_id, action, user_id) VALUES ($1, $2, $3)", 3,
                           (const char *const[]){tenant, what->action, id});
}

static bool run_with(PGconn *c, const code_command *what, const fb_settings *s, const char *tenant_name, const char *username,
                     const char *sourced_id) {
    fb_codes_keys keys;
    char err[FB_SETTING_TEXT_MAX + 200];
    char tenant[16], id[24], code[FB_CODE_BYTES + 1], shown[FB_CODE_SHOWN_BYTES + 1], hash[FB_CODE_HASH_BYTES + 1];

    int32_t tenant_id = fb_pg_tenant_id(c, tenant_name);
    if (tenant_id == 0) {
        return false;
    }
    if (!fb_codes_keys_load(&keys, s->codes_key, err, sizeof err)) {
        fprintf(stderr, "firstbell: %s\n", err);
        return false;
    }
    snprintf(tenant, sizeof tenant, "%d", tenant_id);
    bool ok = fb_code_new(code) && fb_code_hash(&keys, 0, FB_CODE_OF_SHEET, tenant_id, bell_str_of(code), hash) && fb_pg_begin_tenant(c, tenant_id) &&
              fb_user_find(c, tenant, username, sourced_id, id) && put_code(c, what, s, tenant, id, hash) && fb_pg_do(c, "COMMIT", 0, NULL);
    if (ok) {
        fb_code_show(code, shown);
        printf("%s\n", shown);
    }
    explicit_bzero(&keys, sizeof keys);
    return ok;
}

static int run(const code_command *what, const fb_settings *s, int argc, char **argv) {
    const char *tenant, *username, *sourced_id = NULL;
    fb_option options[] = {{"tenant", &tenant, 1, true, 0}, {"sourced-id", &sourced_id, 1, false, 0}};
    if (!fb_options_parse(argc, argv, options, 2, &username, 1)) {
        return 2;
    }
    PGconn *c = fb_pg_connect(s, "fb_operator", what->command);
    bool ok = c != NULL && run_with(c, what, s, tenant, username, sourced_id);
    PQfinish(c);
    return ok ? 0 : 1;
}

int fb_cmd_user_code(const fb_settings *s, int argc, char **argv) {
    return run(&code_for_new, s, argc, argv);
}

int fb_cmd_user_reset(const fb_settings *s, int argc, char **argv) {
    return run(&code_for_reset, s, argc, argv);
}
