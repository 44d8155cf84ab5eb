/* `firstbell directory show`: where the published directory stands. */
#include <string.h>

#include "origin/db/pg.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"

int fb_cmd_directory_show(const fb_settings *s, int argc, char **argv) {
    fb_option options[] = {{"version", NULL, 0, false, 0}};
    if (!fb_options_parse(argc, argv, options, 1, NULL, 0)) {
        return 2;
    }
    PGconn *c = fb_pg_connect(s, "fb_operator", "directory show");
    PGresult *r = c ? fb_pg_exec(c,
                                 "SELECT s.version, s.oldest_from, s.waiting, (SELECT count(*) FROM tenants), (SELECT count(*) FROM tenant_hosts),"
                                 " (SELECT count(*) FROM pools) FROM directory_standing() s",
                                 0, NULL)
                    : NULL;
    bool ok = r && PQntuples(r) == 1;
    if (ok && options[0].seen) {
        puts(PQgetvalue(r, 0, 0));
    } else if (ok) {
        printf("version\t%s\ndeltas from\t%s\nchanges waiting\t%s\ntenants\t%s\nhosts\t%s\npools\t%s\nfile\t%s\n", PQgetvalue(r, 0, 0),
               PQgetisnull(r, 0, 1) ? "-" : PQgetvalue(r, 0, 1), PQgetvalue(r, 0, 2), PQgetvalue(r, 0, 3), PQgetvalue(r, 0, 4), PQgetvalue(r, 0, 5),
               s->directory_file);
    }
    PQclear(r);
    PQfinish(c);
    return ok ? 0 : 1;
}
