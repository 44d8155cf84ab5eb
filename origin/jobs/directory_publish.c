#define _GNU_SOURCE 1
#include "origin/jobs/directory_publish.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "origin/jobs/directory_file.h"
#include "origin/jobs/directory_redis.h"
#include "origin/jobs/directory_round.h"
#include "origin/jobs/kinds.h"
#include "origin/server/log.h"

#define LOCK_KEY      "5187402231" /* any number that stays the same */
#define LOOK_EVERY_MS 1000         /* whether Redis still has everything */
#define BUSY_MS       100          /* another publisher has the lock */
#define PAUSE_MIN_MS  100
#define PAUSE_MAX_MS  10000
#define AWAY_TOLD_MS  60000
#define CLASHES_MAX   20
#define DELTAS_A_TIME "32"
#define FOREVER_MS    INT64_MAX

typedef enum {
    ROUND_DONE,
    ROUND_BUSY,   /* somebody else is publishing */
    ROUND_FAILED, /* the sentence is in error */
    ROUND_AWAY,   /* and it is that PostgreSQL is, which the queue's worker says as well */
} round_result;

struct fb_directory_publisher {
    const fb_settings *settings;
    PGconn *c;       /* NULL: none */
    fb_redis *redis; /* NULL: there is none */
    int stop_fd;
    pthread_t thread;
    bool once;
    bool due;               /* a mark may be there, or something may be missing somewhere */
    uint64_t version;       /* the last that this one knows of */
    int64_t snapshot_at_ms; /* when Redis and the file had theirs last; 0: never */
    int64_t next_at_ms;     /* not before */
    int64_t look_at_ms;
    long pause_ms;
    int64_t away_since_ms; /* PostgreSQL; 0: it is not */
    bool failing;          /* and that has been logged */
    char error[FB_DIRECTORY_ERROR_BYTES];
};

static int64_t monotonic_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool fail(fb_directory_publisher *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool fail(fb_directory_publisher *p, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->error, sizeof p->error, fmt, ap);
    va_end(ap);
    return false;
}

/* ---- PostgreSQL */

static bool run(fb_directory_publisher *p, const char *sql, int nparams, const char *const *params) {
    PGresult *r = fb_pg_query(p->c, sql, nparams, params);
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK;
    PQclear(r);
    if (!ok) {
        char reason[300];
        fb_pg_reason(p->c, reason, sizeof reason);
        fail(p, "PostgreSQL refuses: %s", *reason ? reason : "the connection was closed");
    }
    return ok;
}

static bool is_connected(fb_directory_publisher *p) {
    char reason[300], text[64];
    if (p->c && PQstatus(p->c) == CONNECTION_OK) {
        return true;
    }
    PQfinish(p->c);
    p->c = fb_pg_open(p->settings, "fb_app", "directory");
    p->due = true;
    if (!p->c || PQstatus(p->c) != CONNECTION_OK) {
        fb_pg_reason(p->c, reason, sizeof reason);
        return fail(p, "PostgreSQL cannot be used as fb_app: %s", reason);
    }
    if (!fb_pg_is_direct(p->c, reason, sizeof reason) || !fb_pg_role_is_walled(p->c, reason, sizeof reason)) {
        PQfinish(p->c);
        p->c = NULL;
        return fail(p, "PostgreSQL cannot be used as fb_app: %s", reason);
    }
    snprintf(text, sizeof text, "SET statement_timeout = '%lds'", p->settings->jobs_statement_timeout_s);
    bool ok = run(p, text, 0, NULL) && run(p, "SET lock_timeout = '20s'", 0, NULL) && run(p, "LISTEN firstbell_directory", 0, NULL);
    snprintf(text, sizeof text, "%ld", p->settings->session_ttl_s);
    if (!ok || !run(p, "SELECT directory_session_ttl_is($1::integer)", 1, (const char *const[]){text})) {
        PQfinish(p->c); /* one that does not listen would be waited for without an end */
        p->c = NULL;
        return false;
    }
    return true;
}

/* 1 taken, 0 somebody else's, -1 failed. */
static int lock(fb_directory_publisher *p) {
    if (p->once) {
        return run(p, "SELECT pg_advisory_lock(" LOCK_KEY ")", 0, NULL) ? 1 : -1;
    }
    PGresult *r = fb_pg_query(p->c, "SELECT pg_try_advisory_lock(" LOCK_KEY ")", 0, NULL);
    int taken = PQresultStatus(r) == PGRES_TUPLES_OK ? *PQgetvalue(r, 0, 0) == 't' : -1;
    PQclear(r);
    if (taken < 0) {
        fail(p, "PostgreSQL refuses the lock of the publisher");
    }
    return taken;
}

/* What came with the answers above; our own are of what was just published. */
static void read_notifications(fb_directory_publisher *p) {
    PGnotify *n;
    while ((n = PQnotifies(p->c)) != NULL) {
        p->due = p->due || n->be_pid != PQbackendPID(p->c);
        PQfreemem(n);
    }
}

/* ---- handing out */

/* Every delta that is kept and that Redis has not. */
static bool hand_deltas(fb_directory_publisher *p, uint64_t after) {
    char number[24];
    for (;;) {
        snprintf(number, sizeof number, "%llu", (unsigned long long)after);
        PGresult *r = fb_pg_query(p->c, "SELECT version, document FROM directory_deltas_after($1::bigint, " DELTAS_A_TIME ")", 1,
                                  (const char *const[]){number});
        if (PQresultStatus(r) != PGRES_TUPLES_OK) {
            PQclear(r);
            return fail(p, "PostgreSQL refuses the deltas of the directory");
        }
        int n = PQntuples(r);
        bool ok = true;
        for (int i = 0; ok && i < n; i++) {
            size_t len;
            unsigned char *delta = PQunescapeBytea((const unsigned char *)PQgetvalue(r, i, 1), &len);
            after = strtoull(PQgetvalue(r, i, 0), NULL, 10);
            ok = delta && fb_directory_redis_add(p->redis, after, (bell_str){(const char *)delta, len}, p->settings->directory_deltas_keep);
            PQfreemem(delta);
        }
        PQclear(r);
        if (!ok || n == 0) {
            return ok;
        }
    }
}

static bool write_file(fb_directory_publisher *p, bell_str snapshot) {
    const char *path = p->settings->directory_file;
    return fb_directory_file_replace(path, snapshot) || fail(p, "the directory file %s cannot be replaced: %s", path, strerror(errno));
}

/* Redis away is Redis' own line in the log and no failure of the round: the next look tries again. */
static bool hand_out(fb_directory_publisher *p, const fb_directory_round *r, const fb_directory_in_redis *in_redis, bool redis_is_up) {
    bell_str snapshot = bell_buf_str(&r->snapshot);
    bool ok = true;
    if (redis_is_up && in_redis->version < r->version) {
        redis_is_up = hand_deltas(p, in_redis->version);
    }
    if (redis_is_up && snapshot.len > 0) {
        redis_is_up = fb_directory_redis_set(p->redis, snapshot);
    }
    if (redis_is_up) {
        fb_redis_is_well(p->redis);
    }
    if (snapshot.len > 0) {
        p->snapshot_at_ms = monotonic_ms();
        ok = write_file(p, snapshot);
    }
    return ok;
}

/* ---- a round */

/* Whether the whole state is wanted though nothing changed. */
static bool is_snapshot_due(const fb_directory_publisher *p, const fb_directory_standing *s, const fb_directory_in_redis *in_redis, bool redis_is_up,
                            uint64_t file) {
    bool time = monotonic_ms() - p->snapshot_at_ms >= p->settings->directory_snapshot_interval_s * 1000 || p->snapshot_at_ms == 0;
    if (file == 0 || (file != s->version && (!redis_is_up || time))) {
        return true;
    }
    return redis_is_up && (in_redis->snapshot == 0 || in_redis->snapshot < s->oldest_from || (in_redis->snapshot < s->version && time));
}

static bool round_with_lock(fb_directory_publisher *p) {
    fb_directory_round r = {.c = p->c, .settings = p->settings};
    fb_directory_in_redis in_redis = {0, 0};
    fb_directory_standing standing;
    bool redis_is_up = p->redis && fb_directory_redis_look(p->redis, &in_redis);
    uint64_t file = fb_directory_file_version(p->settings->directory_file);
    uint64_t seen = in_redis.version > in_redis.snapshot ? in_redis.version : in_redis.snapshot;
    bool ok = fb_directory_round_standing(&r, &standing);
    if (ok) {
        /* A database that was restored from a backup counts from an older number than what edges have seen. */
        r.above = file > seen ? file : seen;
        r.want_snapshot = r.above > standing.version || is_snapshot_due(p, &standing, &in_redis, redis_is_up, file);
        r.snapshot_with_it = !redis_is_up || p->settings->directory_snapshot_interval_s == 0;
        r.version = standing.version;
        ok = (!standing.waiting && !r.want_snapshot) || fb_directory_round_run(&r);
        for (int i = 0; !ok && r.clashed && i < CLASHES_MAX; i++) {
            bell_buf_fini(&r.snapshot);
            ok = fb_directory_round_run(&r);
        }
        if (ok) {
            p->version = r.version;
            ok = hand_out(p, &r, &in_redis, redis_is_up);
        } else {
            fail(p, "%s", r.error);
        }
        bell_buf_fini(&r.snapshot);
    } else {
        fail(p, "%s", r.error);
    }
    return ok;
}

static round_result run_round(fb_directory_publisher *p) {
    int taken = is_connected(p) ? lock(p) : -1;
    if (taken <= 0) {
        return taken == 0 ? ROUND_BUSY : ROUND_AWAY;
    }
    p->due = false;
    bool ok = round_with_lock(p);
    char kept[FB_DIRECTORY_ERROR_BYTES];
    memcpy(kept, p->error, sizeof kept);
    if (PQstatus(p->c) != CONNECTION_OK || !run(p, "SELECT pg_advisory_unlock(" LOCK_KEY ")", 0, NULL)) {
        PQfinish(p->c); /* the lock goes with it */
        p->c = NULL;
    }
    memcpy(p->error, kept, sizeof kept);
    p->due = p->due || !ok || !p->c; /* without a connection nobody would say that something has changed */
    return ok ? ROUND_DONE : p->c ? ROUND_FAILED : ROUND_AWAY;
}

/* One line when it begins to fail, one when it works again. PostgreSQL away is told late: it may be away for this one alone. */
static void report(fb_directory_publisher *p, round_result result) {
    p->away_since_ms = result != ROUND_AWAY ? 0 : p->away_since_ms ? p->away_since_ms : monotonic_ms();
    bool away_long = result == ROUND_AWAY && (p->once || monotonic_ms() - p->away_since_ms > AWAY_TOLD_MS);
    if ((result == ROUND_FAILED || away_long) && !p->failing) {
        fb_log(FB_LOG_ERROR, "the directory is not published: %s%s", p->error, p->once ? "" : "; trying until it can be");
    } else if (result == ROUND_DONE && p->failing) {
        fb_log(FB_LOG_NOTICE, "the directory is published again");
    }
    p->failing = result == ROUND_FAILED || away_long || (result != ROUND_DONE && p->failing);
}

/* ---- the thread */

static void schedule_next(fb_directory_publisher *p, round_result result) {
    int64_t now = monotonic_ms();
    switch (result) {
    case ROUND_DONE:
        p->pause_ms = PAUSE_MIN_MS;
        p->next_at_ms = now + p->settings->directory_publish_interval_ms;
        break;
    case ROUND_BUSY:
        p->next_at_ms = now + BUSY_MS;
        break;
    default:
        p->next_at_ms = now + p->pause_ms;
        p->pause_ms = p->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : p->pause_ms * 2;
    }
}

/* Redis may have been replaced by an empty one, or come back without the newest; a snapshot may have become due. PostgreSQL is not asked. */
static void look(fb_directory_publisher *p) {
    fb_directory_in_redis in_redis;
    p->look_at_ms = monotonic_ms() + LOOK_EVERY_MS;
    if (!fb_directory_redis_look(p->redis, &in_redis)) {
        return;
    }
    bool time = monotonic_ms() - p->snapshot_at_ms >= p->settings->directory_snapshot_interval_s * 1000;
    /* A reader needs the deltas from the snapshot on; how far they reach back is looked up in the round. */
    p->due = p->due || in_redis.version != p->version || in_redis.snapshot == 0 ||
             (time && (in_redis.snapshot < p->version || fb_directory_file_version(p->settings->directory_file) != p->version));
}

/* Waits for a change, for what is due by the clock, or for the end. */
static void wait_for_cause(fb_directory_publisher *p) {
    int64_t now = monotonic_ms(), at = p->due ? p->next_at_ms : FOREVER_MS;
    struct pollfd fds[2] = {{.fd = p->stop_fd, .events = POLLIN}, {.fd = p->c && !p->due ? PQsocket(p->c) : -1, .events = POLLIN}};
    at = p->redis && !p->due && p->look_at_ms < at ? p->look_at_ms : at;
    int ms = at == FOREVER_MS ? -1 : at <= now ? 0 : at - now > 60000 ? 60000 : (int)(at - now);
    if (poll(fds, 2, ms) < 0 && errno != EINTR) {
        fail(p, "poll: %s", strerror(errno));
    }
    if (p->c && fds[1].revents && !PQconsumeInput(p->c)) {
        p->due = true; /* the connection has ended: the next round makes another */
    }
    if (p->c) {
        read_notifications(p);
    }
}

static bool must_stop(const fb_directory_publisher *p) {
    struct pollfd stop = {.fd = p->stop_fd, .events = POLLIN};
    return poll(&stop, 1, 0) == 1;
}

static void *publish_until_stopped(void *arg) {
    fb_directory_publisher *p = arg;
    while (!must_stop(p)) {
        wait_for_cause(p);
        int64_t now = monotonic_ms();
        if (p->redis && now >= p->look_at_ms) {
            look(p);
        }
        if (!p->due || now < p->next_at_ms || must_stop(p)) {
            continue;
        }
        round_result result = run_round(p);
        report(p, result);
        schedule_next(p, result);
        if (p->c) {
            read_notifications(p);
        }
    }
    return NULL;
}

static void publisher_free(fb_directory_publisher *p) {
    PQfinish(p->c);
    fb_redis_free(p->redis);
    if (p->stop_fd >= 0) {
        close(p->stop_fd);
    }
    free(p);
}

static fb_directory_publisher *publisher_new(const fb_settings *s, bool once) {
    fb_directory_publisher *p = calloc(1, sizeof *p);
    if (!p) {
        return NULL;
    }
    *p = (fb_directory_publisher){.settings = s, .once = once, .due = true, .pause_ms = PAUSE_MIN_MS, .stop_fd = eventfd(0, EFD_CLOEXEC)};
    p->redis = fb_redis_is_set(s) ? fb_redis_new(s) : NULL;
    if (p->stop_fd < 0 || (fb_redis_is_set(s) && !p->redis)) {
        publisher_free(p);
        return NULL;
    }
    return p;
}

fb_directory_publisher *fb_directory_publisher_start(const fb_settings *s) {
    fb_directory_publisher *p = publisher_new(s, false);
    int why = p ? pthread_create(&p->thread, NULL, publish_until_stopped, p) : ENOMEM;
    if (why != 0) {
        fb_log(FB_LOG_ERROR, "the publisher of the directory cannot begin: %s", strerror(why));
        if (p) {
            publisher_free(p);
        }
        return NULL;
    }
    return p;
}

void fb_directory_publisher_stop(fb_directory_publisher *p) {
    uint64_t one = 1;
    if (p && write(p->stop_fd, &one, sizeof one) == (ssize_t)sizeof one && pthread_join(p->thread, NULL) == 0) {
        publisher_free(p);
    }
}

bool fb_directory_publish_once(const fb_settings *s) {
    fb_directory_publisher *p = publisher_new(s, true);
    if (!p) {
        fb_log(FB_LOG_ERROR, "the directory is not published: no memory");
        return false;
    }
    round_result result = run_round(p);
    report(p, result);
    publisher_free(p);
    return result == ROUND_DONE;
}

/* A job that an older program put into the queue. */
bool fb_directory_publish(fb_queue_job *j) {
    return fb_queue_job_do(j, "SELECT directory_ask()", 0, NULL);
}
