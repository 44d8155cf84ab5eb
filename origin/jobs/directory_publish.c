/* directory.publish: every tenant with its hosts, as one file that the edge reads (lua-free/bell_directory.h). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "origin/jobs/directory_doc.h"
#include "origin/jobs/kinds.h"
#include "origin/server/files.h"

#define LOCK_KEY           "5187402231" /* any number that stays the same */
#define SNAPSHOT_MAX_BYTES (256u << 20)

static bool write_snapshot(fb_queue_job *j, const PGresult *r, uint64_t version, bell_buf *out) {
    fb_directory_content c;
    bool ok = fb_directory_content_of(&c, r, NULL);
    c.doc.version = version;
    ok = ok && bell_directory_write(out, &c.doc, NULL);
    fb_directory_content_free(&c);
    return ok ||
           fb_queue_job_fail(j, "the directory of %d rows could not be written: no memory, or over %u MiB", PQntuples(r), SNAPSHOT_MAX_BYTES >> 20);
}

/* The version in the header of the file that is there; 0 when there is none that can be read. */
static uint64_t version_of_file(const char *path) {
    char head[BELL_DIRECTORY_HEADER_MAX + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof head - 1);
    if (fd >= 0) {
        close(fd);
    }
    unsigned long long version;
    head[n > 0 ? n : 0] = 0;
    return n > 0 && sscanf(head, "bell-directory 2 0 %19llu ", &version) == 1 ? version : 0;
}

static bool write_all(int fd, const char *p, size_t len) {
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        p += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool sync_folder_of(const char *path) {
    char folder[FB_SETTING_TEXT_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    slash[slash == folder] = 0;
    return fb_sync_folder(folder);
}

/* A reader sees the old file or the new one, whole, and so does one after a power cut. */
static bool replace_file(const char *path, bell_str text) {
    char temporary[FB_SETTING_TEXT_MAX + 8];
    snprintf(temporary, sizeof temporary, "%s.new", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        return false;
    }
    bool ok = write_all(fd, text.p, text.len) && fsync(fd) == 0;
    ok = close(fd) == 0 && ok;
    ok = ok && rename(temporary, path) == 0 && sync_folder_of(path);
    if (!ok) {
        int why = errno;
        unlink(temporary);
        errno = why;
    }
    return ok;
}

/* Called with the lock held: what is read now is at least as new as what any file before was made of. */
static bool publish(fb_queue_job *j, uint64_t version) {
    PGresult *r = fb_queue_job_exec(j, "SELECT * FROM directory_read(NULL, NULL, NULL, NULL)", 0, NULL);
    if (!r) {
        return false;
    }
    bell_buf text;
    bell_buf_init(&text, SNAPSHOT_MAX_BYTES);
    const char *path = j->settings->directory_file;
    bool ok = write_snapshot(j, r, version, &text);
    if (ok && !replace_file(path, bell_buf_str(&text))) {
        ok = fb_queue_job_fail(j, "the directory file %s cannot be replaced: %s", path, strerror(errno));
    }
    bell_buf_fini(&text);
    PQclear(r);
    return ok;
}

bool fb_directory_publish(fb_queue_job *j) {
    /* Until the end of the transaction, so that two workers write one after the other and the file's version only grows. */
    if (!fb_queue_job_do(j, "SET LOCAL lock_timeout = '20s'", 0, NULL) ||
        !fb_queue_job_do(j, "SELECT pg_advisory_xact_lock(" LOCK_KEY ")", 0, NULL)) {
        return false;
    }
    /* A database that was restored from a backup counts from an older number than the file that edges have seen. */
    char file_version[24];
    snprintf(file_version, sizeof file_version, "%llu", (unsigned long long)version_of_file(j->settings->directory_file));
    if (!fb_queue_job_do(j, "SELECT count(*) FROM directory_take()", 0, NULL)) {
        return false;
    }
    PGresult *r = fb_queue_job_exec(j, "SELECT version FROM directory_next($1::bigint)", 1, (const char *const[]){file_version});
    if (!r) {
        return false;
    }
    uint64_t version = strtoull(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    return publish(j, version);
}
