#include <stdio.h>

#include "origin/registry.h"
#include "origin/server/commands.h"
#include "origin/server/master.h"

int fb_cmd_api(const fb_settings *s, int argc, char **argv) {
    if (argc != 1) {
        fprintf(stderr, "firstbell: api takes no words; found \"%s\"\n", argv[1]);
        return 2;
    }
    return fb_master_run(s, fb_routes, fb_statements);
}
