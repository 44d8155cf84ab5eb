#include "origin/jobs/access_reader.h"

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

#include "origin/jobs/access_round.h"
#include "origin/server/log.h"

#define BATCHES_A_STEP 16   /* one transaction; a batch has at most 64 KiB */
#define STEPS_A_TURN   8    /* then the next tenant has its turn, */
#define TURN_MAX_MS    5000 /* or when a step ends that long after the first began */
#define SWEEP_EVERY_MS 60000
#define PAUSE_MIN_MS   100
#define PAUSE_MAX_MS   10000
#define AWAY_TOLD_MS   60000
#define TOLD_EVERY_MS  60000

/* What is told about events at most once a minute, with how much of it there was. */
typedef enum { TELL_MALFORMED, TELL_LOST, TELL_ANEW, TELL_NO_VIDEO, TELL_REFUSED, TELLS } tell;

typedef enum {
    PASS_IDLE,   /* nothing is left to do for now */
    PASS_MORE,   /* at once again */
    PASS_FAILED, /* something; tried again after a pause */
    PASS_AWAY,   /* the same, and the pass ends: a connection is of no use */
} pass_result;

struct fb_access_reader {
    const fb_settings *settings;
    PGconn *c; /* NULL: none */
    fb_redis *redis;
    fb_videos *videos;
    int stop_fd;
    pthread_t thread;
    bool once;
    int64_t sweep_at_ms;
    long pause_ms;
    bool no_postgres;      /* in this pass */
    int64_t away_since_ms; /* PostgreSQL; 0: it is not */
    bool failing;          /* and that has been logged */
    struct {
        int64_t next_ms;
        uint64_t held;
    } told[TELLS];
    char error[FB_ACCESS_ERROR_BYTES];
};

static int64_t monotonic_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool must_stop(const fb_access_reader *r) {
    struct pollfd stop = {.fd = r->stop_fd, .events = POLLIN};
    return poll(&stop, 1, 0) == 1;
}

/* ---- what is said */

/* Whether it is time to say it again; *n is how often it happened since it was said last. */
static bool is_to_be_told(fb_access_reader *r, tell what, uint64_t *n) {
    int64_t now = monotonic_ms();
    r->told[what].held += *n;
    if (*n == 0 || now < r->told[what].next_ms) {
        return false;
    }
    *n = r->told[what].held;
    r->told[what].held = 0;
    r->told[what].next_ms = now + TOLD_EVERY_MS;
    return true;
}

static void tell_round(fb_access_reader *r, const fb_access_round *round) {
    uint64_t malformed = round->counts.malformed, lost = round->lost, anew = round->anew, no_video = round->no_video[0] != 0;
    if (is_to_be_told(r, TELL_MALFORMED, &malformed)) {
        fb_log(FB_LOG_WARNING, "access events: %llu could not be read and were skipped, the last of tenant %d", (unsigned long long)malformed,
               round->tenant_id);
    }
    if (is_to_be_told(r, TELL_LOST, &lost)) {
        fb_log(FB_LOG_WARNING, "access events: %llu batches were cut off their stream before they were read, the last of tenant %d",
               (unsigned long long)lost, round->tenant_id);
    }
    if (is_to_be_told(r, TELL_ANEW, &anew)) {
        fb_log(FB_LOG_WARNING,
               "access events: Redis has lost the stream that was read before (%llu times), the last of tenant %d; reading goes on in the new one",
               (unsigned long long)anew, round->tenant_id);
    }
    if (is_to_be_told(r, TELL_NO_VIDEO, &no_video)) {
        fb_log(FB_LOG_WARNING, "access events: a video of tenant %d cannot be read, and who fetches it is not noted: %s", round->tenant_id,
               round->no_video);
    }
}

/* One line when it begins to fail, one when it works again. PostgreSQL away is told late: the queue's worker says that, too. */
static void report(fb_access_reader *r, pass_result result) {
    int64_t now = monotonic_ms();
    r->away_since_ms = !r->no_postgres ? 0 : r->away_since_ms ? r->away_since_ms : now;
    bool late = r->no_postgres && !r->once && now - r->away_since_ms <= AWAY_TOLD_MS;
    if (*r->error && !late && !r->failing) {
        fb_log(FB_LOG_ERROR, "access events are not read: %s%s", r->error, r->once ? "" : "; trying until they can be");
        r->failing = true;
    } else if (result < PASS_FAILED && r->failing) {
        fb_log(FB_LOG_NOTICE, "access events are read again");
        r->failing = false;
    }
}

/* ---- PostgreSQL */

static bool fail(fb_access_reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool fail(fb_access_reader *r, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->error, sizeof r->error, fmt, ap);
    va_end(ap);
    return false;
}

static bool set(fb_access_reader *r, const char *sql, char *reason, size_t reason_len) {
    PGresult *result = fb_pg_query(r->c, sql, 0, NULL);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!ok) {
        fb_pg_reason(r->c, reason, reason_len);
    }
    PQclear(result);
    return ok;
}

static bool connect_as_app(fb_access_reader *r, char *reason, size_t reason_len) {
    char timeout[64];
    r->c = fb_pg_open(r->settings, "fb_app", "access");
    if (!r->c || PQstatus(r->c) != CONNECTION_OK) {
        fb_pg_reason(r->c, reason, reason_len);
        return false;
    }
    snprintf(timeout, sizeof timeout, "SET statement_timeout = '%lds'", r->settings->jobs_statement_timeout_s);
    return fb_pg_is_direct(r->c, reason, reason_len) && fb_pg_role_is_walled(r->c, reason, reason_len) && set(r, timeout, reason, reason_len) &&
           set(r, "SET lock_timeout = '20s'", reason, reason_len);
}

static bool is_connected(fb_access_reader *r) {
    char reason[300];
    if (r->c && PQstatus(r->c) == CONNECTION_OK) {
        return true;
    }
    PQfinish(r->c);
    r->no_postgres = !connect_as_app(r, reason, sizeof reason);
    if (r->no_postgres) {
        PQfinish(r->c);
        r->c = NULL;
        return fail(r, "PostgreSQL cannot be used as fb_app: %s", reason);
    }
    return true;
}

/* ---- a tenant's turn */

/* One batch alone, and if that is what PostgreSQL cannot store, without it. */
static fb_access_result step_slowly(fb_access_reader *r, fb_access_round *round) {
    uint64_t one = 1;
    round->most = 1;
    fb_access_result result = fb_access_round_run(round);
    if (result != FB_ACCESS_REFUSED) {
        return result;
    }
    char id[FB_ACCESS_ID_BYTES], why[sizeof round->error];
    fb_access_id_write(round->position, id);
    memcpy(why, round->error, sizeof why);
    if (is_to_be_told(r, TELL_REFUSED, &one)) {
        fb_log(FB_LOG_ERROR, "access events: batch %s of tenant %d is passed over: %s", id, round->tenant_id, why);
    }
    round->pass_over = round->position;
    result = fb_access_round_run(round);
    return result == FB_ACCESS_REFUSED ? FB_ACCESS_FAILED : result;
}

static fb_access_result read_tenant(fb_access_reader *r, int32_t tenant) {
    fb_access_round round = {.c = r->c, .redis = r->redis, .videos = r->videos, .settings = r->settings, .tenant_id = tenant, .most = BATCHES_A_STEP};
    fb_access_result result = FB_ACCESS_MORE;
    int64_t end_ms = monotonic_ms() + TURN_MAX_MS;
    for (int i = 0; i < STEPS_A_TURN && result == FB_ACCESS_MORE && monotonic_ms() < end_ms && !must_stop(r); i++) {
        result = fb_access_round_run(&round);
        result = result == FB_ACCESS_REFUSED ? step_slowly(r, &round) : result;
        round.most = result == FB_ACCESS_MORE && round.most < BATCHES_A_STEP ? 2 * round.most : round.most;
        if (result == FB_ACCESS_MORE) {
            tell_round(r, &round);
        }
    }
    if (result == FB_ACCESS_FAILED) {
        r->no_postgres = PQstatus(r->c) != CONNECTION_OK;
        fail(r, "%s", round.error);
    }
    return result;
}

/* Takes its turn; what is left of it is in the set again. */
static pass_result take_turn(fb_access_reader *r, int32_t tenant) {
    fb_access_result result = read_tenant(r, tenant);
    if (result == FB_ACCESS_ALL_READ || result == FB_ACCESS_NOBODY) {
        return PASS_IDLE;
    }
    fb_access_answer back = fb_access_put_back(r->redis, tenant); /* a failure is mended by the next sweep */
    if (result == FB_ACCESS_NO_REDIS || back == FB_ACCESS_AWAY || r->no_postgres) {
        return PASS_AWAY;
    }
    if (result == FB_ACCESS_FAILED) {
        return PASS_FAILED;
    }
    return result == FB_ACCESS_MORE ? PASS_MORE : PASS_IDLE; /* who is busy with it may miss what came now: looked at with the next interval */
}

/* ---- a pass over those that have something */

/* The one that says more. */
static pass_result both(pass_result a, pass_result b) {
    return a > b ? a : b;
}

/* All tenants that have a stream, whether they are in the set or not. */
static pass_result sweep(fb_access_reader *r) {
    PGresult *tenants = fb_pg_query(r->c, "SELECT id FROM directory_rows()", 0, NULL);
    pass_result result = PQresultStatus(tenants) == PGRES_TUPLES_OK ? PASS_IDLE : PASS_AWAY;
    if (result == PASS_AWAY) {
        r->no_postgres = PQstatus(r->c) != CONNECTION_OK;
        fail(r, "PostgreSQL refuses the list of tenants");
    }
    for (int i = 0; i < PQntuples(tenants) && result != PASS_AWAY && !must_stop(r); i++) {
        int32_t id = atoi(PQgetvalue(tenants, i, 0));
        fb_access_answer there = fb_access_has_entries(r->redis, id);
        result = both(result, there == FB_ACCESS_AWAY ? PASS_AWAY : there == FB_ACCESS_NONE ? PASS_IDLE : take_turn(r, id));
    }
    PQclear(tenants);
    if (result != PASS_AWAY) {
        r->sweep_at_ms = monotonic_ms() + SWEEP_EVERY_MS;
    }
    return result;
}

static pass_result read_those_in_the_set(fb_access_reader *r) {
    int32_t tenants[FB_ACCESS_TENANTS_MAX];
    size_t n;
    pass_result result = fb_access_tenants(r->redis, tenants, &n) == FB_ACCESS_AWAY ? PASS_AWAY : PASS_IDLE;
    for (size_t i = 0; i < n && result != PASS_AWAY && !must_stop(r); i++) {
        fb_access_answer taken = is_connected(r) ? fb_access_take(r->redis, tenants[i]) : FB_ACCESS_AWAY;
        result = both(result, taken == FB_ACCESS_AWAY ? PASS_AWAY : taken == FB_ACCESS_NONE ? PASS_IDLE : take_turn(r, tenants[i]));
    }
    return n == FB_ACCESS_TENANTS_MAX ? both(result, PASS_MORE) : result;
}

/* Without the media no event could be understood: they wait in Redis, as long as the edges keep them there. */
static bool has_media(fb_access_reader *r) {
    const char *root = r->settings->media_root;
    return access(root, R_OK | X_OK) == 0 || fail(r, "media_root %s cannot be read: %s", root, strerror(errno));
}

static pass_result run_pass(fb_access_reader *r) {
    r->error[0] = 0;
    r->no_postgres = false;
    if (!has_media(r)) {
        report(r, PASS_FAILED);
        return PASS_FAILED;
    }
    pass_result result = PASS_IDLE;
    if (monotonic_ms() >= r->sweep_at_ms) {
        result = is_connected(r) ? sweep(r) : PASS_AWAY;
    }
    result = result == PASS_AWAY ? result : both(result, read_those_in_the_set(r));
    report(r, result);
    if (result != PASS_AWAY) {
        fb_redis_is_well(r->redis);
    }
    return result;
}

/* ---- the thread */

static long pause_after(fb_access_reader *r, pass_result result) {
    if (result < PASS_FAILED) {
        r->pause_ms = PAUSE_MIN_MS;
        return result == PASS_MORE ? 0 : r->settings->access_interval_ms;
    }
    long pause = r->pause_ms;
    r->pause_ms = pause * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : pause * 2;
    return pause;
}

static void *read_until_stopped(void *arg) {
    fb_access_reader *r = arg;
    while (!must_stop(r)) {
        struct pollfd stop = {.fd = r->stop_fd, .events = POLLIN};
        long ms = pause_after(r, run_pass(r));
        if (poll(&stop, 1, (int)ms) < 0 && errno != EINTR) {
            fail(r, "poll: %s", strerror(errno));
        }
    }
    return NULL;
}

static void reader_free(fb_access_reader *r) {
    PQfinish(r->c);
    fb_redis_free(r->redis);
    fb_videos_free(r->videos);
    if (r->stop_fd >= 0) {
        close(r->stop_fd);
    }
    free(r);
}

static fb_access_reader *reader_new(const fb_settings *s, bool once) {
    fb_access_reader *r = calloc(1, sizeof *r);
    if (!r) {
        return NULL;
    }
    *r = (fb_access_reader){.settings = s, .once = once, .pause_ms = PAUSE_MIN_MS, .stop_fd = eventfd(0, EFD_CLOEXEC)};
    r->redis = fb_redis_new(s);
    r->videos = fb_videos_new();
    if (r->stop_fd < 0 || !r->redis || !r->videos) {
        reader_free(r);
        return NULL;
    }
    fb_redis_hush(r->redis); /* the publisher of the directory says whether Redis is there */
    return r;
}

bool fb_access_reader_start(const fb_settings *s, fb_access_reader **out) {
    *out = NULL;
    if (!fb_redis_is_set(s)) {
        return true;
    }
    fb_access_reader *r = reader_new(s, false);
    int why = r ? pthread_create(&r->thread, NULL, read_until_stopped, r) : ENOMEM;
    if (why != 0) {
        fb_log(FB_LOG_ERROR, "the reader of access events cannot begin: %s", strerror(why));
        if (r) {
            reader_free(r);
        }
        return false;
    }
    *out = r;
    return true;
}

void fb_access_reader_stop(fb_access_reader *r) {
    uint64_t one = 1;
    if (r && write(r->stop_fd, &one, sizeof one) == (ssize_t)sizeof one && pthread_join(r->thread, NULL) == 0) {
        reader_free(r);
    }
}

bool fb_access_read_once(const fb_settings *s) {
    if (!fb_redis_is_set(s)) {
        return true;
    }
    fb_access_reader *r = reader_new(s, true);
    if (!r) {
        fb_log(FB_LOG_ERROR, "access events are not read: no memory");
        return false;
    }
    pass_result result;
    do {
        r->sweep_at_ms = 0;
        result = run_pass(r);
    } while (result == PASS_MORE);
    bool ok = r->error[0] == 0; /* Redis away is the publisher's to tell, as the edges keep what they have */
    reader_free(r);
    return ok;
}
