/* `firstbell jobs`: publishes the directory (directory_publish.h), sends purges (purge_relay.h), reads what edges saw (access_reader.h), follows the
 * calendars (calendar_clock.h), claims what is due, runs it, sleeps until PostgreSQL wakes it (LISTEN firstbell_queue) or the next job is due. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "origin/db/pg.h"
#include "origin/jobs/access_reader.h"
#include "origin/jobs/calendar_clock.h"
#include "origin/jobs/directory_publish.h"
#include "origin/jobs/purge_relay.h"
#include "origin/jobs/queue.h"
#include "origin/server/commands.h"
#include "origin/server/log.h"
#include "origin/server/options.h"
#include "origin/server/pid_file.h"

#define IDLE_MAX_MS       60000
#define TAKEN_PAUSE_MS    100 /* what is due is in other workers' hands */
#define SCHEDULE_EVERY_MS 600000
#define SILENCE_S         5 /* past the time-out of a statement, by which PostgreSQL should have ended it itself */
#define RECONNECT_MIN_MS  250
#define RECONNECT_MAX_MS  10000

typedef enum {
    PASS_EMPTY, /* nothing is due */
    PASS_WORKED,
    PASS_BROKEN, /* the connection is of no use any more */
} pass_result;

typedef struct {
    const fb_settings *settings;
    PGconn *c;
    sigset_t waiting_mask; /* the mask in which the stop signals get through */
    int64_t schedule_at_ms;
    bool once;
    bool failed; /* any job, with --once */
    bool away;   /* PostgreSQL is, and that has been logged */
    fb_queue_batch batch;
} worker;

static volatile sig_atomic_t stopping;
static volatile sig_atomic_t reopening;

static void on_signal(int signal_number) {
    if (signal_number == SIGUSR1) {
        reopening = 1;
    } else {
        stopping = 1;
    }
}

/* The signals are let in only while the worker waits, so that none is lost between a look at the flags and the wait. During a job they stay
 * pending, and the job is finished first. */
static void hold_signals(worker *w) {
    static const int signals[] = {SIGTERM, SIGINT, SIGUSR1};
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t held;
    sigemptyset(&held);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaddset(&held, signals[i]);
        sigaction(signals[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &held, &w->waiting_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigdelset(&w->waiting_mask, signals[i]);
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); /* settings are read at the start only */
}

/* SIGUSR1: the log was moved away, and a new one is to be written. */
static void reopen_log_when_asked(const worker *w) {
    struct timespec now = {0, 0};
    sigset_t asked;
    sigemptyset(&asked);
    sigaddset(&asked, SIGUSR1);
    if (!reopening && sigtimedwait(&asked, NULL, &now) != SIGUSR1) {
        return;
    }
    reopening = 0;
    if (!w->once && !fb_log_open(w->settings->error_log)) {
        fb_log(FB_LOG_ERROR, "jobs: error_log %s cannot be opened again: %s", w->settings->error_log, strerror(errno));
    }
}

static bool must_stop(void) {
    sigset_t pending;
    sigpending(&pending);
    return stopping || sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1;
}

static int64_t monotonic_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits for the socket (-1: for none), a stop signal, or the time to pass. */
static void wait_ms(const worker *w, int fd, long ms) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    if (!must_stop()) {
        ppoll(&p, 1, &t, &w->waiting_mask);
    }
}

static bool run(PGconn *c, const char *sql, char *reason, size_t reason_len) {
    PGresult *r = fb_pg_query(c, sql, 0, NULL);
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK;
    if (!ok) {
        fb_pg_reason(c, reason, reason_len);
    }
    PQclear(r);
    return ok;
}

static bool try_connect(worker *w, char *reason, size_t reason_len) {
    w->c = fb_pg_open(w->settings, "fb_app", "jobs");
    if (!w->c || PQstatus(w->c) != CONNECTION_OK) {
        fb_pg_reason(w->c, reason, reason_len);
        return false;
    }
    if (!fb_pg_is_direct(w->c, reason, reason_len) || !fb_pg_role_is_walled(w->c, reason, reason_len)) {
        return false;
    }
    char timeout[64];
    snprintf(timeout, sizeof timeout, "SET statement_timeout = '%lds'", w->settings->jobs_statement_timeout_s);
    return run(w->c, timeout, reason, reason_len) && run(w->c, "LISTEN firstbell_queue", reason, reason_len);
}

/* Until there is a connection, or the worker must stop (false). One line when PostgreSQL is away, one when it is back. */
static bool connect_worker(worker *w) {
    char reason[300];
    long pause_ms = RECONNECT_MIN_MS;
    while (!must_stop()) {
        if (try_connect(w, reason, sizeof reason)) {
            if (w->away) {
                fb_log(FB_LOG_NOTICE, "jobs: PostgreSQL is back");
            }
            w->away = false;
            return true;
        }
        PQfinish(w->c);
        w->c = NULL;
        if (!w->away) {
            fb_log(FB_LOG_ERROR, "jobs: PostgreSQL cannot be used as fb_app: %s%s", reason, w->once ? "" : "; trying until it can");
        }
        w->away = true;
        if (w->once) {
            return false;
        }
        wait_ms(w, -1, pause_ms / 2 + random() % (pause_ms / 2));
        pause_ms = pause_ms * 2 > RECONNECT_MAX_MS ? RECONNECT_MAX_MS : pause_ms * 2;
    }
    return false;
}

static void forget_notifications(PGconn *c) {
    PGnotify *n;
    while ((n = PQnotifies(c)) != NULL) {
        PQfreemem(n);
    }
}

static pass_result run_batch(worker *w) {
    fb_queue_result result = FB_QUEUE_DONE;
    for (int i = 0; i < w->batch.n && result != FB_QUEUE_BROKEN; i++) {
        if (must_stop()) {
            fb_queue_give_back(&w->batch.jobs[i]);
            continue;
        }
        result = fb_queue_run(&w->batch.jobs[i]);
        w->failed = w->failed || result != FB_QUEUE_DONE;
    }
    return result == FB_QUEUE_BROKEN ? PASS_BROKEN : w->batch.n > 0 ? PASS_WORKED : PASS_EMPTY;
}

static pass_result one_pass(worker *w) {
    forget_notifications(w->c);
    bool claimed = fb_queue_claim(w->c, w->settings, &w->batch);
    pass_result result = claimed ? run_batch(w) : PASS_BROKEN;
    fb_queue_batch_free(&w->batch);
    return result;
}

static pass_result schedule(worker *w) {
    if (w->once || monotonic_ms() < w->schedule_at_ms) {
        return PASS_WORKED;
    }
    w->schedule_at_ms = monotonic_ms() + SCHEDULE_EVERY_MS;
    return fb_queue_schedule(w->c) ? PASS_WORKED : PASS_BROKEN;
}

/* Sleeps until a notification, the next job that is due, or the next look at the schedule. */
static pass_result sleep_until_due(worker *w) {
    long ms = fb_queue_wait_ms(w->c, IDLE_MAX_MS);
    if (ms < 0) {
        return PASS_BROKEN;
    }
    int64_t schedule_ms = w->schedule_at_ms - monotonic_ms();
    ms = schedule_ms < ms ? (schedule_ms < 0 ? 0 : (long)schedule_ms) : ms;
    PGnotify *n = PQnotifies(w->c); /* it came with the answer above */
    if (n) {
        PQfreemem(n);
        return PASS_WORKED;
    }
    if (PQstatus(w->c) != CONNECTION_OK) {
        return PASS_BROKEN; /* it ended behind the answer above: there is no socket to wait for */
    }
    wait_ms(w, PQsocket(w->c), ms < TAKEN_PAUSE_MS ? TAKEN_PAUSE_MS : ms);
    return PQconsumeInput(w->c) ? PASS_WORKED : PASS_BROKEN;
}

static void lose_connection(worker *w) {
    char reason[300];
    fb_pg_reason(w->c, reason, sizeof reason);
    fb_log(FB_LOG_ERROR, "jobs: the connection to PostgreSQL is lost: %s", *reason ? reason : "it was closed");
    w->away = true;
    PQfinish(w->c);
    w->c = NULL;
}

static int work(worker *w) {
    long pause_ms = 0;
    while (!must_stop()) {
        reopen_log_when_asked(w);
        if (!w->c && !connect_worker(w)) {
            return w->once;
        }
        pass_result result = schedule(w);
        result = result == PASS_BROKEN ? result : one_pass(w);
        if (result == PASS_EMPTY && w->once) {
            break;
        }
        result = result == PASS_EMPTY ? sleep_until_due(w) : result;
        if (result != PASS_BROKEN) {
            pause_ms = 0;
            continue;
        }
        lose_connection(w);
        if (w->once) {
            return 1;
        }
        /* PostgreSQL that takes connections and refuses every statement must not be asked in a tight loop. */
        wait_ms(w, -1, pause_ms);
        pause_ms = pause_ms == 0 ? RECONNECT_MIN_MS : pause_ms * 2 > RECONNECT_MAX_MS ? RECONNECT_MAX_MS : pause_ms * 2;
    }
    return w->once && w->failed;
}

int fb_cmd_jobs(const fb_settings *s, int argc, char **argv) {
    static worker w;
    fb_option options[] = {{"once", NULL, 0, false, 0}};
    if (!fb_options_parse(argc, argv, options, 1, NULL, 0)) {
        return 2;
    }
    w.settings = s;
    w.once = options[0].seen > 0;
    char err[300];
    /* --once may run beside a worker, for claims keep them apart, and speaks to whoever called it. */
    int pid_fd = w.once ? -1 : fb_pid_file_take(s->jobs_pid_file, err, sizeof err);
    if (!w.once && pid_fd < 0) {
        fprintf(stderr, "firstbell: %s\n", err);
        return 1;
    }
    if (!w.once && !fb_log_open(s->error_log)) {
        fprintf(stderr, "firstbell: error_log %s cannot be opened: %s\n", s->error_log, strerror(errno));
        return 1;
    }
    srandom((unsigned)monotonic_ms());
    fb_pg_bound_wait((unsigned)s->jobs_statement_timeout_s + SILENCE_S);
    hold_signals(&w);
    fb_directory_publisher *publisher = w.once ? NULL : fb_directory_publisher_start(s);
    fb_access_reader *reader = NULL;
    fb_purge_relay *relay = NULL;
    fb_calendar_clock *calendar = w.once ? NULL : fb_calendar_clock_start(s);
    bool begun = w.once || (publisher && calendar && fb_access_reader_start(s, &reader) && fb_purge_relay_start(s, &relay));
    int code = begun ? work(&w) : 1;
    fb_calendar_clock_stop(calendar);
    fb_purge_relay_stop(relay);
    fb_access_reader_stop(reader);
    fb_directory_publisher_stop(publisher);
    if (w.once && w.c) {
        bool followed = fb_calendar_clock_once(s), published = fb_directory_publish_once(s), sent = fb_purge_relay_once(s),
             read = fb_access_read_once(s);
        code = followed && published && sent && read ? code : 1;
    }
    PQfinish(w.c);
    if (!w.once) {
        fb_log(FB_LOG_NOTICE, "jobs: stopped");
        fb_pid_file_leave(pid_fd, s->jobs_pid_file);
    }
    return code;
}
