#include <stdio.h>
#include <string.h>

#include "origin/registry.h"
#include "origin/server/codes.h"
#include "origin/server/commands.h"
#include "origin/server/master.h"

int fb_cmd_api(const fb_settings *s, int argc, char **argv) {
    if (argc != 1) {
        fprintf(stderr, "firstbell: api takes no words; found \"%s\"\n", argv[1]);
        return 2;
    }
    fb_codes_keys keys; /* each worker reads them again; what is wrong with them is said here */
    char err[FB_SETTING_TEXT_MAX + 200];
    if (!fb_codes_keys_load(&keys, s->codes_key, err, sizeof err)) {
        fprintf(stderr, "firstbell: %s\n", err);
        return 1;
    }
    explicit_bzero(&keys, sizeof keys);
    return fb_master_run(s, fb_routes, fb_statements, fb_batched_statement);
}
