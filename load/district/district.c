/* `district`: writes a deterministic district as a OneRoster 1.1 CSV zip. The same arguments give the same bytes, at any size in little memory:
 * every row is a function of the seed and its number.
 *
 *   district --schools N --students N --seed S --out FILE.zip [--broken KIND]
 *
 * The people are invented. The first school is a middle school; in it teacher.demo teaches the one class of course-demo, "Earth Science 7", to 28
 * students, student.demo among them. --broken makes one mistake of a kind in an otherwise whole district, for tests of whoever reads it. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "load/district/members.h"
#include "load/district/options.h"
#include "load/district/organisation.h"
#include "load/district/school.h"
#include "load/district/zip.h"

static void write_district(const options *opt) {
    writer w = {.opt = opt};

    open_zip(&w);
    write_manifest(&w);
    if (opt->broken == ZIP_BOMB) {
        write_bomb(&w);
    } else {
        write_orgs(&w);
    }
    write_sessions(&w);
    write_courses(&w);
    write_classes(&w);
    write_users(&w);
    write_enrollments(&w);
    close_zip(&w);
}

/* The last third is gone, and the list of contents with it. */
static void cut_off(const char *path) {
    FILE *f = fopen(path, "r+b");

    if (f == NULL || fseek(f, 0, SEEK_END) != 0) {
        die(path, "cannot be opened again");
    }
    long size = ftell(f);
    fclose(f);
    if (truncate(path, size / 3 * 2) != 0) {
        die(path, "cannot be cut off");
    }
}

int main(int argc, char **argv) {
    options opt = {.seed = 1};

    if (!read_options(argc, argv, &opt)) {
        return usage();
    }
    for (uint64_t i = 0; i < opt.schools; i++) {
        opt.weights += shapes[type_of(i)].weight;
    }
    setenv("TZ", "UTC", 1); /* a zip holds local times */
    write_district(&opt);
    if (opt.broken == TRUNCATED_ZIP) {
        cut_off(opt.path);
    }
    return 0;
}
