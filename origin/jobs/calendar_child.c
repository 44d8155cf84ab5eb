#define _GNU_SOURCE 1
#include "origin/jobs/calendar_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "origin/server/log.h"

#define PROGRAM "/proc/self/exe" /* also when another one was installed meanwhile */

/* The jobs hold signals back and leave some out; a command does neither. */
static bool set_signals(posix_spawnattr_t *attr) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    return posix_spawnattr_setsigmask(attr, &none) == 0 && posix_spawnattr_setsigdefault(attr, &all) == 0 &&
           posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) == 0;
}

/* Nothing to read, one pipe for all it says, and none of our connections. */
static bool set_files(posix_spawn_file_actions_t *files, int out) {
    return posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0 &&
           posix_spawn_file_actions_adddup2(files, out, STDOUT_FILENO) == 0 && posix_spawn_file_actions_adddup2(files, out, STDERR_FILENO) == 0 &&
           posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1) == 0;
}

static int spawn(fb_child *child, char *const *argv, int out) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    int why = ENOMEM;

    if (posix_spawn_file_actions_init(&files) != 0) {
        return why;
    }
    if (posix_spawnattr_init(&attr) == 0) {
        if (set_files(&files, out) && set_signals(&attr)) {
            why = posix_spawn(&child->pid, PROGRAM, &files, &attr, argv, environ);
        }
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&files);
    return why;
}

bool fb_child_start(fb_child *child, const fb_settings *s, const char *const *words, int64_t until_ms) {
    char *argv[FB_CHILD_WORDS_MAX + 4] = {(char *)(uintptr_t) "firstbell", (char *)(uintptr_t) "-c", (char *)(uintptr_t)s->file};
    int ends[2];

    for (size_t i = 0; i < FB_CHILD_WORDS_MAX && words[i]; i++) {
        argv[3 + i] = (char *)(uintptr_t)words[i];
    }
    child->pid = 0;
    child->len = 0;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        fb_log(FB_LOG_ERROR, "%s: %s", child->name, strerror(errno));
        return false;
    }
    int why = spawn(child, argv, ends[1]);
    close(ends[1]);
    if (why != 0) {
        fb_log(FB_LOG_ERROR, "%s cannot begin: %s", child->name, strerror(why));
        close(ends[0]);
        child->pid = 0;
        return false;
    }
    child->fd = ends[0];
    child->until_ms = until_ms;
    return true;
}

static void log_line(fb_child *child) {
    if (child->len > 0) {
        fb_log(FB_LOG_NOTICE, "%s: %.*s", child->name, (int)child->len, child->line);
    }
    child->len = 0;
}

/* What does not fit in a line is left out. */
static void take_byte(fb_child *child, char byte) {
    if (byte == '\n') {
        log_line(child);
    } else if (child->len < sizeof child->line) {
        child->line[child->len++] = byte;
    }
}

static int reap(fb_child *child) {
    int status = 0;
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR) {
        continue;
    }
    close(child->fd);
    child->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool fb_child_read(fb_child *child, int *code) {
    char bytes[4096];
    ssize_t n = read(child->fd, bytes, sizeof bytes);

    for (ssize_t i = 0; i < n; i++) {
        take_byte(child, bytes[i]);
    }
    if (n > 0 || (n < 0 && errno == EINTR)) {
        return false;
    }
    log_line(child);
    *code = reap(child);
    return true;
}

void fb_child_look(fb_child *child, int64_t now_ms) {
    if (fb_child_runs(child) && now_ms >= child->until_ms) {
        fb_log(FB_LOG_ERROR, "%s did not end in its time, and is killed", child->name);
        child->until_ms = INT64_MAX;
        kill(child->pid, SIGKILL);
    }
}

/* One that has stopped, or heeds no signal, would be waited for in vain. */
void fb_child_stop(fb_child *child) {
    if (fb_child_runs(child)) {
        kill(child->pid, SIGKILL);
        reap(child);
    }
}
