#define _GNU_SOURCE 1
#include "origin/server/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "origin/server/pid_file.h"

bool fb_key_fail(const char *path, const char *what) {
    fprintf(stderr, "firstbell: %s: %s: %s\n", path, what, strerror(errno));
    return false;
}

/* What root makes belongs to the owner of the folder, who runs the api and has to read it. */
static bool give_to_owner(int fd, const char *path) {
    char folder[FB_KEY_PATH_BYTES];
    struct stat st;

    if (geteuid() != 0) {
        return true;
    }
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = 0;
    return stat(folder[0] ? folder : "/", &st) == 0 && fchown(fd, st.st_uid, st.st_gid) == 0;
}

static bool put(const char *path, const char *bytes, size_t len, mode_t mode) {
    char fresh[FB_KEY_PATH_BYTES + 8];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    unlink(fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, bytes, len) == (ssize_t)len && give_to_owner(fd, path) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
    if (fd >= 0 && close(fd) != 0) {
        ok = false;
    }
    if (!ok || rename(fresh, path) != 0) {
        fb_key_fail(path, "the key cannot be written");
        unlink(fresh);
        return false;
    }
    return true;
}

bool fb_key_file_put(const char *path, const char *bytes, size_t len) {
    return put(path, bytes, len, 0600);
}

bool fb_key_file_put_public(const char *path, const char *bytes, size_t len) {
    return put(path, bytes, len, 0644);
}

bool fb_key_dir_sync(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return ok || fb_key_fail(path, "the folder cannot be brought to the disk");
}

int fb_key_dir_lock(const char *dir, const char *setting) {
    bool made = mkdir(dir, 0700) == 0;
    if (!made && errno != EEXIST) {
        fprintf(stderr, "firstbell: %s: %s cannot be made: %s\n", dir, setting, strerror(errno));
        return -1;
    }
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && made && !give_to_owner(fd, dir)) {
        fprintf(stderr, "firstbell: %s: %s cannot be given to who runs the api: %s\n", dir, setting, strerror(errno));
        close(fd);
        return -1;
    }
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        return fd;
    }
    if (fd >= 0 && errno == EWOULDBLOCK) {
        fprintf(stderr, "firstbell: %s: somebody else is at the keys; try again when that is done\n", dir);
    } else {
        fprintf(stderr, "firstbell: %s: %s cannot be opened: %s\n", dir, setting, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

void fb_key_reload_api(const fb_settings *s) {
    pid_t pid = fb_pid_file_owner(s->pid_file);
    if (pid > 0 && kill(pid, SIGHUP) == 0) {
        printf("The api, process %d, was told to take the keys (SIGHUP).\n", (int)pid);
    } else {
        printf("No api runs with the pid file %s; one that starts takes the keys.\n", s->pid_file);
    }
}
