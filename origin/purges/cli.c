/* `firstbell purge`: takes stored answers of a district back, for whoever runs the machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "origin/db/pg.h"
#include "origin/purges/wish.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"

#define OPTIONS 6

/* In the order of bell_purge_kind, behind --tenant; --hard is the last. */
enum { TENANT, FIRST_KIND, HARD = FIRST_KIND + BELL_PURGE_KINDS };

/* false: a sentence has been written. */
static bool note(PGconn *c, const fb_settings *s, const char *tenant_name, const fb_purge_wish *w) {
    char tenant[16], most[24];
    int32_t tenant_id = fb_pg_tenant_id(c, tenant_name);
    snprintf(tenant, sizeof tenant, "%d", tenant_id);
    snprintf(most, sizeof most, "%ld", s->purges_a_minute_max);
    const char *const params[FB_PURGE_PARAMS] = {tenant, NULL, fb_purge_kind_param(w), fb_purge_hard_param(w), w->name, w->host, w->value, most};
    PGresult *r = tenant_id > 0 && fb_pg_begin_tenant(c, tenant_id) ? fb_pg_exec(c, FB_PURGE_ASK_SQL, FB_PURGE_PARAMS, params) : NULL;
    int outcome = r && PQntuples(r) == 1 ? atoi(PQgetvalue(r, 0, 0)) : 0;
    bool ok = outcome == FB_PURGE_ASKED && fb_pg_do(c, "COMMIT", 0, NULL);
    if (outcome == FB_PURGE_FOREIGN_HOST) {
        fprintf(stderr, "firstbell: %s is no host of the tenant \"%s\"; nothing was purged\n", w->name, tenant_name);
    } else if (outcome == FB_PURGE_TOO_MANY) {
        fprintf(
            stderr,
            "firstbell: the tenant \"%s\" has asked for %s purges within a minute (purges_a_minute_max); try again in %s seconds, or with a prefix"
            " or a tag\n",
            tenant_name, most, PQgetvalue(r, 0, 2));
    } else if (ok) {
        printf("%s\n", PQgetvalue(r, 0, 1));
    }
    PQclear(r);
    return ok;
}

/* The kind that was named and its text. false: none, or more than one. */
static bool find_kind(const fb_option *options, const char *const *texts, bell_purge_kind *kind, const char **text) {
    int n = 0;
    for (int k = 0; k < BELL_PURGE_KINDS; k++) {
        if (options[FIRST_KIND + k].seen > 0) {
            *kind = (bell_purge_kind)k;
            *text = texts[k];
            n++;
        }
    }
    if (n != 1) {
        fprintf(stderr, "firstbell: one of --url, --prefix, --tag and --all is expected, and only one\n");
    }
    return n == 1;
}

int fb_cmd_purge(const fb_settings *s, int argc, char **argv) {
    static fb_purge_wish w;
    const char *tenant, *texts[BELL_PURGE_KINDS] = {NULL}, *text = NULL;
    fb_option options[OPTIONS] = {{"tenant", &tenant, 1, true, 0}, {"url", &texts[0], 1, false, 0}, {"prefix", &texts[1], 1, false, 0},
                                  {"tag", &texts[2], 1, false, 0}, {"all", NULL, 0, false, 0},      {"hard", NULL, 0, false, 0}};
    bell_purge_kind kind = BELL_PURGE_ALL;
    if (!fb_options_parse(argc, argv, options, OPTIONS, NULL, 0) || !find_kind(options, texts, &kind, &text)) {
        return 2;
    }
    if (strcmp(s->redis, "-") == 0) {
        fprintf(stderr, "firstbell: the setting redis names no Redis, through which the edges hear of purges; nothing was purged\n");
        return 1;
    }
    w.is_hard = options[HARD].seen > 0;
    const char *fault = fb_purge_wish_of(&w, kind, bell_str_of(text));
    if (fault) {
        fprintf(stderr, "firstbell: --%s \"%s\" is not right: %s\n", bell_purge_kind_name(kind), text, fault);
        return 1;
    }
    PGconn *c = fb_pg_connect(s, "fb_operator", "purge");
    bool ok = c && note(c, s, tenant, &w);
    PQfinish(c);
    return ok ? 0 : 1;
}
