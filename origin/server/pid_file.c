#include "origin/server/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int fb_pid_file_take(const char *path, char *err, size_t err_len) {
    char text[24] = "";
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0) {
        snprintf(err, err_len, "the pid file %s cannot be opened: %s", path, strerror(errno));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (read(fd, text, sizeof(text) - 1) < 0) {
            text[0] = '\0';
        }
        snprintf(err, err_len, "another one runs already as process %ld (%s is locked); stop it first", strtol(text, NULL, 10), path);
        close(fd);
        return -1;
    }
    int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || write(fd, text, (size_t)n) != n) {
        snprintf(err, err_len, "the pid file %s cannot be written: %s", path, strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

pid_t fb_pid_file_owner(const char *path) {
    char text[24] = "";
    long pid = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return 0;
    }
    if (flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK && read(fd, text, sizeof(text) - 1) > 0) {
        pid = strtol(text, NULL, 10);
    }
    close(fd);
    return pid > 1 ? (pid_t)pid : 0;
}

void fb_pid_file_leave(int fd, const char *path) {
    unlink(path);
    close(fd);
}
