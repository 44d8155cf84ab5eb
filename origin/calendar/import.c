/* `firstbell calendar import`: a file, or the roster's academic sessions. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "origin/calendar/changes.h"
#include "origin/server/commands.h"
#include "origin/server/options.h"

#define FROM_ROSTER "--from-roster"

/* Bounded by what a calendar may have: one byte more is read, and refused behind. */
static bool read_file(const char *path, bell_buf *out) {
    FILE *f = fopen(path, "re");
    size_t n = 1;

    bell_buf_init(out, FB_CALENDAR_FILE_MAX_BYTES + 1);
    while (f && n > 0 && out->len <= FB_CALENDAR_FILE_MAX_BYTES) {
        char bytes[65536];
        size_t most = FB_CALENDAR_FILE_MAX_BYTES + 1 - out->len;
        n = fread(bytes, 1, most < sizeof bytes ? most : sizeof bytes, f);
        bell_buf_add(out, bytes, n);
    }
    bool ok = f && !ferror(f) && !out->failed;
    if (!ok) {
        fprintf(stderr, "firstbell: %s cannot be read: %s\n", path, out->failed ? "no memory" : strerror(errno));
    }
    if (f) {
        fclose(f);
    }
    return ok;
}

static bool says_roster(int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], FROM_ROSTER) == 0) {
            return true;
        }
    }
    return false;
}

static const char *without_folders(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

int fb_cmd_calendar_import(const fb_settings *s, int argc, char **argv) {
    const char *tenant = NULL, *path = NULL;
    fb_option options[] = {{"tenant", &tenant, 1, true, 0}, {"from-roster", NULL, 0, false, 0}};
    bool roster = says_roster(argc, argv);
    bell_buf text;
    fb_calendar_tenant t = {0};

    if (!fb_options_parse(argc, argv, options, 2, &path, roster ? 0 : 1)) {
        return 2;
    }
    bell_buf_init(&text, 0);
    const fb_calendar_from_where from = {roster ? "the roster" : without_folders(path), roster ? FB_CALENDAR_FROM_ROSTER : FB_CALENDAR_FROM_FILE,
                                         roster};
    bool ok = (roster || read_file(path, &text)) && fb_calendar_begin(s, "calendar import", tenant, true, &t);
    if (ok && roster) {
        ok = fb_calendar_of_roster(&t, &text);
    }
    ok = ok && fb_calendar_take_in(&t, &from, bell_buf_str(&text));
    bell_buf_fini(&text);
    fb_calendar_close(&t);
    return ok ? 0 : 1;
}
