#include "origin/roster/zip.h"

#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bell_csv.h"

#define READ_BYTES            65536
#define RATIO_FREE_BYTES      (UINT64_C(1) << 20)
#define MANIFEST_RECORD_BYTES 4096

bool fb_roster_zip_open(fb_roster_zip *z, const char *path, fb_roster_report *report) {
    struct stat st;

    *z = (fb_roster_zip){.report = report, .path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (z->fd < 0 || fstat(z->fd, &st) != 0) {
        fb_roster_error(report, NULL, 0, "the file cannot be opened: %s", strerror(errno));
        z->broken = true;
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        fb_roster_error(report, NULL, 0, "this is not a file; name the zip itself");
        z->broken = true;
        return false;
    }
    z->zip_bytes = (uint64_t)st.st_size;
    return true;
}

void fb_roster_zip_close(fb_roster_zip *z) {
    if (z->archive != NULL) {
        archive_read_free(z->archive);
        z->archive = NULL;
    }
    if (z->fd >= 0) {
        close(z->fd);
        z->fd = -1;
    }
}

/* The one way a walk ends early. */
static bool give_up(fb_roster_zip *z, const char *what) {
    const char *reason = archive_error_string(z->archive);

    z->broken = true;
    fb_roster_error(z->report, z->name[0] != '\0' ? z->name : NULL, 0, "%s (%s): the zip is damaged or cut off; export and send it again", what,
                    reason != NULL ? reason : "no reason given");
    return false;
}

bool fb_roster_zip_rewind(fb_roster_zip *z) {
    if (z->archive != NULL) {
        archive_read_free(z->archive);
    }
    z->name[0] = '\0';
    z->entries = 0;
    z->archive = archive_read_new();
    /* The seekable reader alone: it follows the central directory, which a zip that was cut off does not have. */
    if (z->archive == NULL || lseek(z->fd, 0, SEEK_SET) != 0 || archive_read_support_format_zip_seekable(z->archive) != ARCHIVE_OK) {
        fb_roster_error(z->report, NULL, 0, "the file cannot be read: %s", strerror(errno));
        z->broken = true;
        return false;
    }
    if (archive_read_open_fd(z->archive, z->fd, READ_BYTES) != ARCHIVE_OK) {
        return give_up(z, "this is not a whole zip");
    }
    return true;
}

/* ---- entries ---- */

/* What packing programs of desktops leave behind. */
static bool is_harmless(const char *name) {
    size_t n = strlen(name);

    return (n > 0 && name[n - 1] == '/') || strncmp(name, "__MACOSX/", 9) == 0 || strcmp(name, ".DS_Store") == 0 || strcmp(name, "Thumbs.db") == 0;
}

static void printable(const char *name, char out[48]) {
    size_t n = strlen(name);

    snprintf(out, 48, "%.40s%s", name, n > 40 ? "..." : "");
    for (char *p = out; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7F) {
            *p = '?';
        }
    }
}

static bool refuse_entry(fb_roster_zip *z, const char *name, const char *sentence) {
    char show[48];

    printable(name, show);
    fb_roster_error(z->report, NULL, 0, "the zip holds \"%s\"%s", show, sentence);
    return false;
}

/* Puts the name without ".csv" into z->name; manifest.csv counts as a file here. false: a mistake is in the report. */
static bool take_name(fb_roster_zip *z, const char *name) {
    size_t n = strlen(name);

    if (strchr(name, '/') != NULL || strchr(name, '\\') != NULL) {
        return refuse_entry(z, name, "; the files of a roster stand at the root of the zip, in no folder");
    }
    if (n <= 4 || n - 4 >= sizeof(z->name) || strcmp(name + n - 4, ".csv") != 0) {
        return refuse_entry(z, name, ", which is not a file of OneRoster 1.1");
    }
    bell_str base = {name, n - 4};
    if (!bell_str_eq(base, BELL_STR("manifest")) && bell_oneroster_find(base) == NULL) {
        return refuse_entry(z, name, ", which is not a file of OneRoster 1.1 (names are compared with case)");
    }
    memcpy(z->name, name, n - 4);
    z->name[n - 4] = '\0';
    return true;
}

static bool may_be_read(fb_roster_zip *z, struct archive_entry *e) {
    if (archive_entry_is_encrypted(e)) {
        fb_roster_error(z->report, z->name, 0, "the file is encrypted; send a zip without a password");
    } else if (archive_entry_filetype(e) != AE_IFREG) {
        fb_roster_error(z->report, z->name, 0, "this is a link or a device, not a file");
    } else if (archive_entry_size_is_set(e) && (uint64_t)archive_entry_size(e) > FB_ROSTER_ENTRY_BYTES_MAX) {
        fb_roster_error(z->report, z->name, 0, "the file says it holds %" PRId64 " bytes; at most %" PRIu64 " are read",
                        (int64_t)archive_entry_size(e), FB_ROSTER_ENTRY_BYTES_MAX);
    } else {
        return true;
    }
    return false;
}

/* The next entry that is not harmless. *ok says whether it may be read. */
static bool next_entry(fb_roster_zip *z, bool *ok) {
    struct archive_entry *e;

    while (z->entries++ < FB_ROSTER_ENTRIES_MAX) {
        z->name[0] = '\0';
        z->entry_bytes = 0;
        int rc = archive_read_next_header(z->archive, &e);
        if (rc == ARCHIVE_EOF) {
            return false;
        }
        if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN) {
            return give_up(z, "the zip cannot be read");
        }
        const char *name = archive_entry_pathname(e);
        if (name != NULL && is_harmless(name)) {
            continue;
        }
        *ok = take_name(z, name != NULL ? name : "(a name that is not plain)") && may_be_read(z, e);
        return true;
    }
    fb_roster_error(z->report, NULL, 0, "the zip holds more than %d entries", FB_ROSTER_ENTRIES_MAX);
    z->broken = true;
    return false;
}

bool fb_roster_zip_next(fb_roster_zip *z) {
    bool ok = false;

    while (!z->broken && next_entry(z, &ok)) {
        if (!ok) { /* the first walk let it pass, so the file changed meanwhile */
            z->broken = true;
            return false;
        }
        if (strcmp(z->name, "manifest") != 0) {
            return true;
        }
    }
    return false;
}

static bool within_bounds(fb_roster_zip *z) {
    if (z->entry_bytes > FB_ROSTER_ENTRY_BYTES_MAX) {
        fb_roster_error(z->report, z->name, 0, "the file inflates to more than %" PRIu64 " bytes, the most one file may have",
                        FB_ROSTER_ENTRY_BYTES_MAX);
    } else if (z->inflated_bytes > FB_ROSTER_TOTAL_BYTES_MAX) {
        fb_roster_error(z->report, z->name, 0, "the zip inflates to more than %" PRIu64 " bytes, the most a roster may have",
                        FB_ROSTER_TOTAL_BYTES_MAX);
    } else if (z->inflated_bytes > RATIO_FREE_BYTES && z->inflated_bytes / FB_ROSTER_RATIO_MAX > z->zip_bytes) {
        fb_roster_error(z->report, z->name, 0, "the zip inflates to more than %d times its size, as a zip bomb does; it was not read on",
                        FB_ROSTER_RATIO_MAX);
    } else {
        return true;
    }
    z->broken = true;
    return false;
}

long fb_roster_zip_read(fb_roster_zip *z, char *buf, size_t cap) {
    la_ssize_t n = archive_read_data(z->archive, buf, cap);

    if (n < 0) {
        give_up(z, "the file cannot be read to its end");
        return -1;
    }
    z->entry_bytes += (uint64_t)n;
    z->inflated_bytes += (uint64_t)n;
    return within_bounds(z) ? (long)n : -1;
}

/* ---- the first walk ---- */

typedef struct {
    fb_roster_zip *zip;
    bell_oneroster_manifest *manifest;
    bool refused;
} manifest_reader;

static bool on_manifest_row(void *arg, const bell_csv_record *rec) {
    manifest_reader *r = arg;
    char err[BELL_ONEROSTER_ERROR_BYTES];

    if (!bell_oneroster_manifest_row(r->manifest, rec->line, rec->fields, rec->nfields, err, sizeof(err))) {
        fb_roster_error(r->zip->report, "manifest", rec->line, "%s", err);
        r->refused = true;
    }
    return !r->refused;
}

static bool read_manifest(fb_roster_zip *z, bell_oneroster_manifest *m) {
    manifest_reader reader = {.zip = z, .manifest = m};
    char buf[4096], err[BELL_ONEROSTER_ERROR_BYTES];
    bell_csv csv;
    long n;
    bool ok = true;
    uint64_t line;

    bell_csv_init(&csv, MANIFEST_RECORD_BYTES, on_manifest_row, &reader);
    while (ok && (n = fb_roster_zip_read(z, buf, sizeof(buf))) > 0) {
        ok = bell_csv_feed(&csv, buf, (size_t)n);
    }
    ok = ok && !z->broken && bell_csv_end(&csv);
    if (!ok && !z->broken && !reader.refused) {
        fb_roster_error(z->report, "manifest", csv.error_line, "%s", csv.error);
    } else if (ok && !bell_oneroster_manifest_end(m, &line, err, sizeof(err))) {
        fb_roster_error(z->report, "manifest", line, "%s", err);
    }
    bell_csv_fini(&csv);
    return ok;
}

/* What the manifest says against what is there. */
static void compare(fb_roster_zip *z, const bell_oneroster_manifest *m, const bool *present) {
    for (size_t i = 0; i < BELL_ONEROSTER_FILES; i++) {
        const char *name = bell_oneroster_files[i].name;

        if (present[i] && m->modes[i] == BELL_ONEROSTER_ABSENT) {
            fb_roster_error(z->report, "manifest", 0, "file.%s is listed as absent, but the zip holds %s.csv", name, name);
        } else if (!present[i] && m->modes[i] != BELL_ONEROSTER_ABSENT) {
            fb_roster_error(z->report, "manifest", 0, "file.%s is listed as %s, but the zip does not hold %s.csv", name,
                            bell_oneroster_mode_name(m->modes[i]), name);
        }
    }
}

bool fb_roster_zip_plan(fb_roster_zip *z, bell_oneroster_manifest *m) {
    bool present[BELL_ONEROSTER_FILES] = {false}, manifest_seen = false, ok;

    if (!fb_roster_zip_rewind(z)) {
        return false;
    }
    while (next_entry(z, &ok)) {
        if (!ok) {
            continue;
        }
        bool is_manifest = strcmp(z->name, "manifest") == 0;
        bool *seen = is_manifest ? &manifest_seen : &present[bell_oneroster_index(bell_oneroster_find(bell_str_of(z->name)))];
        if (*seen) {
            fb_roster_error(z->report, z->name, 0, "the zip holds this file twice");
            continue;
        }
        *seen = true;
        if (is_manifest && !read_manifest(z, m)) {
            return false;
        }
    }
    z->name[0] = '\0';
    if (!z->broken && !manifest_seen) {
        fb_roster_error(z->report, NULL, 0, "manifest.csv is missing; a OneRoster 1.1 zip says there which files it holds");
    }
    if (z->report->errors.total == 0) {
        compare(z, m, present);
    }
    return z->report->errors.total == 0;
}
