#include "origin/jobs/purge_relay.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "origin/jobs/purge_redis.h"
#include "origin/jobs/purge_rows.h"
#include "origin/server/log.h"

#define LOOK_EVERY_MS 1000 /* whether Redis still has everything */
#define BUSY_MS       100  /* another relay has the lock */
#define PACE_MS       20   /* what comes between two rounds goes together */
#define PAUSE_MIN_MS  100
#define PAUSE_MAX_MS  10000
#define AWAY_TOLD_MS  60000
#define WAIT_MAX_MS   60000
#define UNKNOWN       UINT64_MAX /* what Redis has: not everything, or nobody knows */

typedef enum {
    ROUND_DONE,
    ROUND_BUSY,   /* somebody else is at it */
    ROUND_FAILED, /* the sentence is in rows.error */
    ROUND_AWAY,   /* and it is that PostgreSQL is, which the queue's worker says as well */
} round_result;

struct fb_purge_relay {
    const fb_settings *settings;
    fb_purge_rows rows;
    fb_redis *redis;
    int stop_fd;
    pthread_t thread;
    bool once;
    bool due;          /* something may wait, or be missing in Redis */
    uint64_t in_redis; /* the last number there, behind a round that left nothing over */
    int64_t next_at_ms;
    int64_t look_at_ms;
    long pause_ms;
    int64_t away_since_ms; /* PostgreSQL; 0: it is not */
    bool failing;          /* and that has been logged */
};

static int64_t monotonic_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool must_stop(const fb_purge_relay *r) {
    struct pollfd stop = {.fd = r->stop_fd, .events = POLLIN};
    return poll(&stop, 1, 0) == 1;
}

/* ---- a round */

typedef struct {
    fb_purge_relay *relay;
    uint64_t last; /* in Redis */
} sending;

static bool send_line(void *arg, uint64_t sequence, bell_str line) {
    sending *s = arg;
    if (must_stop(s->relay) || !fb_purge_redis_add(s->relay->redis, sequence, line, s->relay->settings->purges_stream_max)) {
        return false;
    }
    s->last = sequence;
    return true;
}

/* Redis away is Redis' own line in the log and no failure of the round: the next look tries again. */
static bool send_missing(fb_purge_relay *r, uint64_t in_redis, uint64_t last) {
    uint64_t keep = (uint64_t)r->settings->purges_stream_max;
    uint64_t oldest = last > keep ? last - keep : 0; /* what is before it would be trimmed at once */
    sending s = {r, in_redis};
    fb_purges_result result = fb_purge_rows_each(&r->rows, in_redis > oldest ? in_redis : oldest, send_line, &s);
    if (result == FB_PURGES_SENT) {
        fb_redis_is_well(r->redis);
        r->in_redis = s.last;
    }
    return result != FB_PURGES_FAILED;
}

/* Numbers are given whether Redis is there or not, because a purge's moment is that of its number: what edges fetch while Redis is away is newer. */
static bool round_with_lock(fb_purge_relay *r) {
    uint64_t in_redis, last;
    bool redis_is_up = fb_purge_redis_last(r->redis, &in_redis);
    r->in_redis = UNKNOWN;
    return fb_purge_rows_number(&r->rows, in_redis, &last) && (!redis_is_up || send_missing(r, in_redis, last));
}

static round_result run_round(fb_purge_relay *r) {
    int taken = fb_purge_rows_connect(&r->rows) ? fb_purge_rows_lock(&r->rows, r->once) : -1;
    if (taken <= 0) {
        return taken == 0 ? ROUND_BUSY : ROUND_AWAY;
    }
    r->due = false;
    bool ok = round_with_lock(r);
    fb_purge_rows_unlock(&r->rows);
    r->due = r->due || !ok || !r->rows.c; /* without a connection nobody would say that a purge was asked for */
    return ok ? ROUND_DONE : r->rows.c ? ROUND_FAILED : ROUND_AWAY;
}

/* One line when it begins to fail, one when it works again. PostgreSQL away is told late: it may be away for this one alone. */
static void report(fb_purge_relay *r, round_result result) {
    r->away_since_ms = result != ROUND_AWAY ? 0 : r->away_since_ms ? r->away_since_ms : monotonic_ms();
    bool away_long = result == ROUND_AWAY && (r->once || monotonic_ms() - r->away_since_ms > AWAY_TOLD_MS);
    if ((result == ROUND_FAILED || away_long) && !r->failing) {
        fb_log(FB_LOG_ERROR, "purges are not sent: %s%s", r->rows.error, r->once ? "" : "; trying until they can be");
    } else if (result == ROUND_DONE && r->failing) {
        fb_log(FB_LOG_NOTICE, "purges are sent again");
    }
    r->failing = result == ROUND_FAILED || away_long || (result != ROUND_DONE && r->failing);
}

/* ---- the thread */

static void schedule_next(fb_purge_relay *r, round_result result) {
    int64_t now = monotonic_ms();
    switch (result) {
    case ROUND_DONE:
        r->pause_ms = PAUSE_MIN_MS;
        r->next_at_ms = now + PACE_MS;
        break;
    case ROUND_BUSY:
        r->next_at_ms = now + BUSY_MS;
        break;
    default:
        r->next_at_ms = now + r->pause_ms;
        r->pause_ms = r->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : r->pause_ms * 2;
    }
}

/* Redis may be back, may have been replaced by an empty one, or may not have taken everything. PostgreSQL is not asked. */
static void look(fb_purge_relay *r) {
    uint64_t in_redis;
    r->look_at_ms = monotonic_ms() + LOOK_EVERY_MS;
    if (fb_purge_redis_last(r->redis, &in_redis)) {
        r->due = r->due || in_redis != r->in_redis;
    }
}

/* A purge was asked for. */
static void read_notifications(fb_purge_relay *r) {
    PGnotify *n;
    while (r->rows.c && (n = PQnotifies(r->rows.c)) != NULL) {
        r->due = true;
        PQfreemem(n);
    }
}

/* Waits for a purge, for what is due by the clock, or for the end. */
static void wait_for_cause(fb_purge_relay *r) {
    int64_t now = monotonic_ms(), at = r->look_at_ms;
    struct pollfd fds[2] = {{.fd = r->stop_fd, .events = POLLIN}, {.fd = r->rows.c && !r->due ? PQsocket(r->rows.c) : -1, .events = POLLIN}};
    at = r->due && r->next_at_ms < at ? r->next_at_ms : at;
    if (poll(fds, 2, at <= now ? 0 : at - now > WAIT_MAX_MS ? WAIT_MAX_MS : (int)(at - now)) < 0 && errno != EINTR) {
        fb_log(FB_LOG_ERROR, "purges: poll: %s", strerror(errno));
    }
    if (r->rows.c && fds[1].revents && !PQconsumeInput(r->rows.c)) {
        r->due = true; /* the connection has ended: the next round makes another */
    }
    read_notifications(r);
}

static void *relay_until_stopped(void *arg) {
    fb_purge_relay *r = arg;
    while (!must_stop(r)) {
        wait_for_cause(r);
        if (monotonic_ms() >= r->look_at_ms) {
            look(r);
        }
        if (!r->due || monotonic_ms() < r->next_at_ms || must_stop(r)) {
            continue;
        }
        round_result result = run_round(r);
        report(r, result);
        schedule_next(r, result);
        read_notifications(r);
    }
    return NULL;
}

static void relay_free(fb_purge_relay *r) {
    fb_purge_rows_close(&r->rows);
    fb_redis_free(r->redis);
    if (r->stop_fd >= 0) {
        close(r->stop_fd);
    }
    free(r);
}

static fb_purge_relay *relay_new(const fb_settings *s, bool once) {
    fb_purge_relay *r = calloc(1, sizeof *r);
    if (!r) {
        return NULL;
    }
    *r = (fb_purge_relay){.settings = s, .rows = {.settings = s}, .once = once, .due = true, .in_redis = UNKNOWN, .pause_ms = PAUSE_MIN_MS};
    r->stop_fd = eventfd(0, EFD_CLOEXEC);
    r->redis = fb_redis_new(s);
    if (r->stop_fd < 0 || !r->redis) {
        relay_free(r);
        return NULL;
    }
    fb_redis_hush(r->redis); /* the publisher of the directory says whether Redis is there */
    return r;
}

bool fb_purge_relay_start(const fb_settings *s, fb_purge_relay **out) {
    *out = NULL;
    if (!fb_redis_is_set(s)) {
        return true;
    }
    fb_purge_relay *r = relay_new(s, false);
    int why = r ? pthread_create(&r->thread, NULL, relay_until_stopped, r) : ENOMEM;
    if (why != 0) {
        fb_log(FB_LOG_ERROR, "the relay of purges cannot begin: %s", strerror(why));
        if (r) {
            relay_free(r);
        }
        return false;
    }
    *out = r;
    return true;
}

void fb_purge_relay_stop(fb_purge_relay *r) {
    uint64_t one = 1;
    if (r && write(r->stop_fd, &one, sizeof one) == (ssize_t)sizeof one && pthread_join(r->thread, NULL) == 0) {
        relay_free(r);
    }
}

bool fb_purge_relay_once(const fb_settings *s) {
    if (!fb_redis_is_set(s)) {
        return true;
    }
    fb_purge_relay *r = relay_new(s, true);
    if (!r) {
        fb_log(FB_LOG_ERROR, "purges are not sent: no memory");
        return false;
    }
    round_result result = run_round(r);
    report(r, result);
    relay_free(r);
    return result == ROUND_DONE;
}
