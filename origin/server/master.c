#include "origin/server/master.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "origin/server/listen.h"
#include "origin/server/log.h"
#include "origin/server/pid_file.h"
#include "origin/server/worker.h"

#define RESPAWN_WAIT_MS 1000                 /* after a worker that did not live that long */
#define KILL_AFTER_MS   3000                 /* past the workers' own drain time-out */
#define SLOTS           (2 * FB_WORKERS_MAX) /* during a reload two generations run */

/* Times are milliseconds of the monotonic clock: a step of the other one must not keep workers from being started. */
typedef struct {
    pid_t pid; /* 0: free */
    int64_t started_ms;
    bool retiring;
} slot;

typedef struct {
    const fb_settings *settings;
    const fb_route *routes;
    const fb_stmt *const *statements;
    const fb_stmt *batched;
    fb_worker prepared; /* copied by fork */
    int listen_fd;
    unsigned wanted;
    slot slots[SLOTS];
    bool stopping;
    bool reload_waits; /* for the workers of the last one to end */
    int64_t respawn_not_before_ms, kill_at_ms;
    sigset_t signals, before;
} master;

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void run_child(master *m, pid_t parent) {
    static const int defaults[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};

    prctl(PR_SET_PDEATHSIG, SIGTERM); /* no worker without a master */
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        signal(defaults[i], SIG_DFL);
    }
    signal(SIGHUP, SIG_IGN);
    sigprocmask(SIG_SETMASK, &m->before, NULL);
    m->prepared.master_pid = parent;
    if (getppid() != parent) {
        _exit(1);
    }
    int rc = fb_worker_run(&m->prepared, m->listen_fd, m->routes, m->statements, m->batched);
    fb_worker_unprepare(&m->prepared);
    exit(rc);
}

static void spawn(master *m) {
    slot *s = NULL;
    for (unsigned i = 0; i < SLOTS && s == NULL; i++) {
        if (m->slots[i].pid == 0) {
            s = &m->slots[i];
        }
    }
    if (s == NULL) {
        return;
    }
    fflush(NULL);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        run_child(m, parent);
    }
    if (pid < 0) {
        fb_log(FB_LOG_ERROR, "a worker cannot be started: %s", strerror(errno));
        m->respawn_not_before_ms = now_ms() + RESPAWN_WAIT_MS;
        return;
    }
    *s = (slot){.pid = pid, .started_ms = now_ms()};
}

static unsigned count(const master *m, bool retiring_too) {
    unsigned n = 0;
    for (unsigned i = 0; i < SLOTS; i++) {
        n += m->slots[i].pid != 0 && (retiring_too || !m->slots[i].retiring);
    }
    return n;
}

static void keep_up(master *m) {
    if (m->stopping || now_ms() < m->respawn_not_before_ms) {
        return;
    }
    for (unsigned n = count(m, false); n < m->wanted; n++) {
        spawn(m);
    }
}

static void signal_all(master *m, int sig) {
    for (unsigned i = 0; i < SLOTS; i++) {
        if (m->slots[i].pid != 0) {
            kill(m->slots[i].pid, sig);
        }
    }
}

static void retire_all(master *m) {
    for (unsigned i = 0; i < SLOTS; i++) {
        m->slots[i].retiring = m->slots[i].pid != 0;
    }
}

static void note_end(master *m, slot *s, int status) {
    bool expected = s->retiring || m->stopping;

    if (WIFSIGNALED(status)) {
        fb_log(expected ? FB_LOG_WARNING : FB_LOG_ERROR, "worker %d was ended by signal %d", (int)s->pid, WTERMSIG(status));
    } else if (!expected) {
        fb_log(FB_LOG_ERROR, "worker %d ended with code %d", (int)s->pid, WEXITSTATUS(status));
    }
    if (!expected && now_ms() - s->started_ms < RESPAWN_WAIT_MS) {
        m->respawn_not_before_ms = now_ms() + RESPAWN_WAIT_MS;
    }
    *s = (slot){0};
}

static void reap(master *m) {
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (unsigned i = 0; i < SLOTS; i++) {
            if (m->slots[i].pid == pid) {
                note_end(m, &m->slots[i], status);
            }
        }
    }
}

static void reload(master *m) {
    char err[512];
    fb_worker fresh;

    if (m->stopping) {
        return;
    }
    m->reload_waits = count(m, true) > m->wanted;
    if (m->reload_waits) {
        fb_log(FB_LOG_NOTICE, "the reload waits: the last one is not over yet");
        return;
    }
    if (!fb_worker_prepare(&fresh, m->settings, err, sizeof(err))) {
        fb_log(FB_LOG_ERROR, "reload refused, the old workers go on: %s", err);
        return;
    }
    fb_worker_unprepare(&m->prepared);
    m->prepared = fresh;
    retire_all(m);
    m->respawn_not_before_ms = 0;
    keep_up(m);
    for (unsigned i = 0; i < SLOTS; i++) {
        if (m->slots[i].retiring) {
            kill(m->slots[i].pid, SIGTERM);
        }
    }
    fb_log(FB_LOG_NOTICE, "reloaded: %u new workers", m->wanted);
}

static void stop(master *m) {
    if (!m->stopping) {
        m->kill_at_ms = now_ms() + m->settings->drain_timeout_ms + KILL_AFTER_MS;
    }
    m->stopping = true;
    signal_all(m, SIGTERM);
}

static void on_signal(master *m, int sig) {
    switch (sig) {
    case SIGCHLD:
        reap(m);
        break;
    case SIGHUP:
        reload(m);
        break;
    case SIGUSR1:
        if (!fb_log_open(m->settings->error_log)) {
            fb_log(FB_LOG_ERROR, "error_log %s cannot be opened again: %s", m->settings->error_log, strerror(errno));
        }
        signal_all(m, SIGUSR1);
        break;
    default:
        stop(m);
    }
}

static void supervise(master *m) {
    const struct timespec tick = {0, 200 * 1000 * 1000};

    while (!m->stopping || count(m, true) > 0) {
        keep_up(m);
        int sig = sigtimedwait(&m->signals, NULL, &tick);
        if (sig > 0) {
            on_signal(m, sig);
        }
        reap(m);
        if (m->reload_waits && count(m, true) <= m->wanted) {
            reload(m);
        }
        if (m->stopping && now_ms() > m->kill_at_ms) {
            fb_log(FB_LOG_ERROR, "workers did not end in time and are killed");
            signal_all(m, SIGKILL);
            m->kill_at_ms = INT64_MAX;
        }
    }
}

static void block_signals(master *m) {
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};

    sigemptyset(&m->signals);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        sigaddset(&m->signals, signals[i]);
    }
    sigprocmask(SIG_BLOCK, &m->signals, &m->before);
}

static unsigned workers_wanted(const fb_settings *s) {
    long n = s->workers > 0 ? s->workers : sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > FB_WORKERS_MAX ? FB_WORKERS_MAX : (unsigned)n;
}

int fb_master_run(const fb_settings *s, const fb_route *routes, const fb_stmt *const *statements, const fb_stmt *batched) {
    static master m;
    char err[512];

    m = (master){.settings = s, .routes = routes, .statements = statements, .batched = batched, .wanted = workers_wanted(s)};
    if (!fb_log_open(s->error_log)) {
        fprintf(stderr, "firstbell: error_log %s cannot be opened: %s\n", s->error_log, strerror(errno));
        return 1;
    }
    int pid_fd = fb_pid_file_take(s->pid_file, err, sizeof(err));
    bool ok = pid_fd >= 0 && fb_worker_prepare(&m.prepared, s, err, sizeof(err));
    m.listen_fd = ok ? fb_listen(s->listen, err, sizeof(err)) : -1;
    if (m.listen_fd < 0) {
        fprintf(stderr, "firstbell: %s\n", err);
        fb_log(FB_LOG_ERROR, "%s", err);
    } else {
        block_signals(&m);
        fb_log(FB_LOG_NOTICE, "serving %s with %u workers", s->listen, m.wanted);
        supervise(&m);
        fb_log(FB_LOG_NOTICE, "stopped");
        close(m.listen_fd);
        fb_listen_remove(s->listen);
    }
    if (ok) {
        fb_worker_unprepare(&m.prepared);
    }
    if (pid_fd >= 0) {
        fb_pid_file_leave(pid_fd, s->pid_file);
    }
    return m.listen_fd >= 0 ? 0 : 1;
}
