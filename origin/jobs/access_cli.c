/* `firstbell access show`: how far a district's access events were read, and what became of them. */
#include <stdio.h>

#include "origin/db/pg.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"

static const char *const names[] = {"position",     "events",     "counted",   "of nobody here", "of no video", "could not be read",
                                    "batches lost", "begun anew", "last read", "views",          "completed"};

static const char standing_sql[] =
    "SELECT coalesce(s.position, '0-0'), coalesce(s.events, 0), coalesce(s.counted, 0), coalesce(s.strangers, 0), coalesce(s.others, 0),"
    " coalesce(s.malformed, 0), coalesce(s.batches_lost, 0), coalesce(s.begun_anew, 0),"
    " coalesce(to_char(s.read_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), 'never'), v.n, v.completed"
    " FROM (SELECT count(*) AS n, count(completed_at) AS completed FROM item_views WHERE tenant_id = $1::int) v"
    " LEFT JOIN access_streams s ON s.tenant_id = $1::int";

int fb_cmd_access_show(const fb_settings *s, int argc, char **argv) {
    const char *tenant;
    fb_option options[] = {{"tenant", &tenant, 1, true, 0}};
    if (!fb_options_parse(argc, argv, options, 1, NULL, 0)) {
        return 2;
    }
    PGconn *c = fb_pg_connect(s, "fb_operator", "access show");
    int32_t tenant_id = c ? fb_pg_tenant_id(c, tenant) : 0;
    char id[16];
    snprintf(id, sizeof id, "%d", tenant_id);
    PGresult *r = tenant_id && fb_pg_begin_tenant(c, tenant_id) ? fb_pg_exec(c, standing_sql, 1, (const char *const[]){id}) : NULL;
    for (int i = 0; r && i < PQnfields(r); i++) {
        printf("%s\t%s\n", names[i], PQgetvalue(r, 0, i));
    }
    bool ok = r != NULL;
    PQclear(r);
    PQfinish(c);
    return ok ? 0 : 1;
}
