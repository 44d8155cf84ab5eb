#include "origin/jobs/directory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bell_directory_doc.h"
#include "origin/server/files.h"
#include "origin/server/settings.h"

uint64_t fb_directory_snapshot_version(bell_str head) {
    static const bell_str word = {"bell-directory 2 0 ", sizeof "bell-directory 2 0 " - 1};
    uint64_t version;
    if (!bell_str_starts(head, word)) {
        return 0;
    }
    bell_str rest = {head.p + word.len, head.len - word.len};
    bell_str number = bell_str_cut(&rest, ' ');
    return rest.len > 0 && bell_str_to_u64(number, BELL_DIRECTORY_VERSION_MAX, &version) ? version : 0;
}

uint64_t fb_directory_file_version(const char *path) {
    char head[BELL_DIRECTORY_HEADER_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof head);
    if (fd >= 0) {
        close(fd);
    }
    return n > 0 ? fb_directory_snapshot_version((bell_str){head, (size_t)n}) : 0;
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

bool fb_directory_file_replace(const char *path, bell_str text) {
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
