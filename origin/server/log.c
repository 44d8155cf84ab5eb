#include "origin/server/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int log_fd = STDERR_FILENO;

bool fb_log_open(const char *path) {
    int fd = STDERR_FILENO;
    if (strcmp(path, "-") != 0) {
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (fd < 0) {
            return false;
        }
    }
    if (log_fd == STDERR_FILENO || fd == STDERR_FILENO) {
        log_fd = fd;
        return true;
    }
    /* In one step: a thread that writes a line meanwhile must not find the number closed, or somebody else's. */
    bool ok = dup3(fd, log_fd, O_CLOEXEC) >= 0;
    close(fd);
    return ok;
}

void fb_log(fb_log_level level, const char *fmt, ...) {
    static const char *const names[] = {"error", "warning", "notice"};
    char line[1024], when[32];
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    int n = snprintf(line, sizeof(line), "%s %s %d: ", when, names[level], (int)getpid());

    va_list ap;
    va_start(ap, fmt);
    int m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
    va_end(ap);
    if (m < 0) {
        m = 0;
    }
    size_t len = (size_t)n + (size_t)m;
    if (len > sizeof(line) - 2) {
        len = sizeof(line) - 2;
    }
    for (size_t i = (size_t)n; i < len; i++) { /* one event, one line, and nothing that a terminal obeys */
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) {
            line[i] = ' ';
        }
    }
    line[len++] = '\n';
    if (write(log_fd, line, len) < 0) {
        return; /* a log that cannot be written has nobody to tell */
    }
}
