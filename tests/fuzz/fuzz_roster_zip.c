/* A roster's zip, walked twice as an import walks it: names, sizes and the manifest are judged, and nothing inflates past its bounds.
 * longest input: 2048 bytes */
#include "origin/roster/zip.h"

#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#define INFLATED_MAX (4u << 20) /* what an input of 2048 bytes may give: a MiB that is free, then 200 times its size, twice */

/* Reads every file to its end; gives how many there were. */
static unsigned read_files(fb_roster_zip *z) {
    static char buf[65536];
    unsigned files = 0;

    while (fb_roster_zip_next(z)) {
        long n;

        fuzz_assert(z->name[0] != '\0' && strchr(z->name, '/') == NULL);
        do {
            n = fb_roster_zip_read(z, buf, sizeof(buf));
            fuzz_assert(n <= (long)sizeof(buf) && (n >= 0 || z->broken));
        } while (n > 0);
        files++;
    }
    return files;
}

static void walk(const char *path) {
    static fb_roster_report report; /* too large for a stack */
    bell_oneroster_manifest m;
    fb_roster_zip z;

    memset(&report, 0, sizeof(report));
    report.zip_name = "fuzz.zip";
    memset(&m, 0, sizeof(m));
    fuzz_assert(fb_roster_zip_open(&z, path, &report));
    bool planned = fb_roster_zip_plan(&z, &m);

    fuzz_assert(planned == (report.errors.total == 0));
    if (planned) {
        unsigned present = 0, files;

        for (size_t i = 0; i < BELL_ONEROSTER_FILES; i++) {
            present += m.modes[i] != BELL_ONEROSTER_ABSENT;
        }
        if (fb_roster_zip_rewind(&z)) {
            files = read_files(&z);
            fuzz_assert(z.broken || files == present);
        }
        fuzz_assert(z.broken == (report.errors.total > 0));
    }
    fuzz_assert(z.inflated_bytes < INFLATED_MAX);
    fb_roster_zip_close(&z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    int fd = memfd_create("fuzz.zip", MFD_CLOEXEC);

    fuzz_assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    walk(path);
    close(fd);
    return 0;
}
