#include "origin/jobs/calendar_clock.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "bell_str.h"
#include "origin/db/pg.h"
#include "origin/jobs/calendar_child.h"
#include "origin/server/log.h"

#define LOOK_EVERY_MS  1000 /* whether the clock has come to something, or was set */
#define APPLY_EVERY_MS 60000
#define TIDY_EVERY_MS  3600000
#define PAUSE_MIN_MS   100
#define PAUSE_MAX_MS   10000
#define AWAY_TOLD_MS   60000
#define FURTHER_DAYS   "370" /* as origin/calendar/extend.c has it */
#define EXTEND_MOST_MS 3600000
#define WARM_LATE_MS   60000 /* `firstbell warm` ends by itself when the event begins; so long after it, it does not any more */
#define NEVER_MS       INT64_MAX
#define TENANT_BYTES   64
#define EDGE_BYTES     300

typedef enum { WAIT_STOP, WAIT_POSTGRES, WAIT_WARM, WAIT_EXTEND, WAITS } wait_cause;

/* A district that is being warmed, edge by edge. */
typedef struct {
    fb_child child;
    char tenant[TENANT_BYTES];
    char courses[16];
    int64_t until_ms; /* monotonic: the event begins */
    bell_str edges;   /* of the setting; those that are left */
} warming;

struct fb_calendar_clock {
    const fb_settings *settings;
    PGconn *c; /* NULL: none */
    int stop_fd;
    pthread_t thread;
    bool once;
    bool due;
    int64_t seen_ms;  /* the clock, when it was looked at last */
    int64_t next_ms;  /* by the clock: something else may hold from then on */
    int64_t apply_ms; /* monotonic, at the latest */
    int64_t tidy_ms;
    int64_t retry_ms; /* monotonic, not before; after a failure */
    long pause_ms;
    int64_t away_since_ms; /* PostgreSQL; 0: it is not */
    bool failing;          /* and that has been logged */
    warming warm;
    fb_child extend;
};

static int64_t now_ms(clockid_t which) {
    struct timespec now;
    clock_gettime(which, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool must_stop(const fb_calendar_clock *k) {
    struct pollfd stop = {.fd = k->stop_fd, .events = POLLIN};
    return poll(&stop, 1, 0) == 1;
}

/* ---- PostgreSQL */

/* One line when it begins to fail, one when it works again. PostgreSQL away is told late: the queue's worker says so, and it may be away for this one
 * alone. */
static bool fail(fb_calendar_clock *k, const char *what) {
    char reason[300];
    int64_t now = now_ms(CLOCK_MONOTONIC);
    bool away = !k->c || PQstatus(k->c) != CONNECTION_OK;

    fb_pg_reason(k->c, reason, sizeof reason);
    k->away_since_ms = !away ? 0 : k->away_since_ms ? k->away_since_ms : now;
    if (!k->failing && (!away || k->once || now - k->away_since_ms > AWAY_TOLD_MS)) {
        fb_log(FB_LOG_ERROR, "the calendar cannot be followed: %s%s",
               what      ? what
               : *reason ? reason
                         : "the connection was closed",
               k->once ? "" : "; trying until it can be");
        k->failing = true;
    }
    PQfinish(k->c);
    k->c = NULL;
    return false;
}

static PGresult *ask(fb_calendar_clock *k, const char *sql, int nparams, const char *const *params) {
    PGresult *r = fb_pg_query(k->c, sql, nparams, params);
    if (PQresultStatus(r) == PGRES_TUPLES_OK || PQresultStatus(r) == PGRES_COMMAND_OK) {
        return r;
    }
    PQclear(r);
    (void)fail(k, NULL);
    return NULL;
}

static bool run(fb_calendar_clock *k, const char *sql) {
    PGresult *r = ask(k, sql, 0, NULL);
    PQclear(r);
    return r != NULL;
}

static bool is_connected(fb_calendar_clock *k) {
    char text[64], reason[300];

    if (k->c && PQstatus(k->c) == CONNECTION_OK) {
        return true;
    }
    PQfinish(k->c);
    k->c = fb_pg_open(k->settings, "fb_app", "calendar");
    if (!k->c || PQstatus(k->c) != CONNECTION_OK) {
        return fail(k, NULL);
    }
    if (!fb_pg_is_direct(k->c, reason, sizeof reason) || !fb_pg_role_is_walled(k->c, reason, sizeof reason)) {
        return fail(k, reason);
    }
    snprintf(text, sizeof text, "SET statement_timeout = '%lds'", k->settings->jobs_statement_timeout_s);
    return run(k, text) && run(k, "SET lock_timeout = '20s'") && run(k, "LISTEN firstbell_calendar");
}

static void read_notifications(fb_calendar_clock *k) {
    PGnotify *n;
    while (k->c && (n = PQnotifies(k->c)) != NULL) {
        k->due = true;
        PQfreemem(n);
    }
}

/* ---- what holds at this moment */

static void write_moment(int64_t clock_ms, char out[40]) {
    snprintf(out, 40, "%lld.%03d", (long long)(clock_ms / 1000), (int)(clock_ms % 1000));
}

static bool apply(fb_calendar_clock *k, int64_t clock_ms) {
    char moment[40];
    write_moment(clock_ms, moment);
    PGresult *r = ask(k, "SELECT changed, (extract(epoch FROM next_at) * 1000)::bigint FROM calendar_apply(to_timestamp($1::float8))", 1,
                      (const char *const[]){moment});
    if (!r) {
        return false;
    }
    if (atoi(PQgetvalue(r, 0, 0)) > 0) {
        fb_log(FB_LOG_NOTICE, "calendar: what edges are told of %s district%s was changed", PQgetvalue(r, 0, 0),
               strcmp(PQgetvalue(r, 0, 0), "1") == 0 ? "" : "s");
    }
    k->next_ms = PQgetisnull(r, 0, 1) ? NEVER_MS : strtoll(PQgetvalue(r, 0, 1), NULL, 10);
    PQclear(r);
    return true;
}

/* Whether there is something to lay out. */
static bool tidy(fb_calendar_clock *k, int64_t clock_ms, bool *stale) {
    char moment[40];
    write_moment(clock_ms, moment);
    PGresult *r = ask(k, "SELECT calendar_tidy(to_timestamp($1::float8), to_timestamp($1::float8) + interval '" FURTHER_DAYS " days')", 1,
                      (const char *const[]){moment});
    *stale = r && *PQgetvalue(r, 0, 0) == 't';
    PQclear(r);
    return r != NULL;
}

static bool start_extending(fb_calendar_clock *k) {
    snprintf(k->extend.name, sizeof k->extend.name, "calendar extend");
    return fb_child_start(&k->extend, k->settings, (const char *const[]){"calendar", "extend", NULL}, now_ms(CLOCK_MONOTONIC) + EXTEND_MOST_MS);
}

/* Once an hour, and when a calendar was changed: a district may have another time zone. */
static bool look_after(fb_calendar_clock *k, int64_t clock_ms, bool changed) {
    bool stale;
    if ((!changed && now_ms(CLOCK_MONOTONIC) < k->tidy_ms) || fb_child_runs(&k->extend)) {
        return true;
    }
    if (!tidy(k, clock_ms, &stale)) {
        return false;
    }
    k->tidy_ms = now_ms(CLOCK_MONOTONIC) + TIDY_EVERY_MS;
    if (stale && !start_extending(k)) {
        k->tidy_ms = 0; /* with the next round */
    }
    return true;
}

/* ---- warming */

static bool may_warm(const fb_calendar_clock *k) {
    return !k->once && strcmp(k->settings->warm_edges, "-") != 0;
}

/* The next edge; none is left, or the event has begun: the district is done. */
static void warm_next_edge(fb_calendar_clock *k) {
    warming *w = &k->warm;
    const fb_settings *s = k->settings;

    while (!fb_child_runs(&w->child) && w->edges.len > 0) {
        bell_str edge = bell_str_cut(&w->edges, ' ');
        int64_t left_s = (w->until_ms - now_ms(CLOCK_MONOTONIC)) / 1000;
        char url[EDGE_BYTES], rate[16], connections[16], seconds[24];
        if (edge.len == 0 || left_s < 1) {
            continue;
        }
        snprintf(url, sizeof url, "%.*s", BELL_STR_ARG(edge));
        snprintf(rate, sizeof rate, "%ld", s->warm_rate);
        snprintf(connections, sizeof connections, "%ld", s->warm_connections);
        snprintf(seconds, sizeof seconds, "%lld", (long long)left_s);
        snprintf(w->child.name, sizeof w->child.name, "calendar: warm %s", w->tenant);
        bool system_ca = strcmp(s->warm_ca_file, "-") == 0;
        const char *const words[] = {"warm",          "--tenant", w->tenant,       "--courses", w->courses, "--edge", url,
                                     "--rate",        rate,       "--connections", connections, "--for",    seconds,  system_ca ? NULL : "--ca-file",
                                     s->warm_ca_file, NULL};
        if (!fb_child_start(&w->child, s, words, w->until_ms + WARM_LATE_MS)) {
            return;
        }
    }
}

/* Notes the next district as cared for, and begins. */
static bool claim_warming(fb_calendar_clock *k, int64_t clock_ms) {
    char moment[40];

    if (!may_warm(k) || fb_child_runs(&k->warm.child)) {
        return true;
    }
    write_moment(clock_ms, moment);
    PGresult *r = ask(k, "SELECT tenant, courses, for_s FROM calendar_warm_claim(to_timestamp($1::float8))", 1, (const char *const[]){moment});
    if (r && PQntuples(r) == 1) {
        snprintf(k->warm.tenant, sizeof k->warm.tenant, "%s", PQgetvalue(r, 0, 0));
        snprintf(k->warm.courses, sizeof k->warm.courses, "%s", PQgetvalue(r, 0, 1));
        k->warm.until_ms = now_ms(CLOCK_MONOTONIC) + atoll(PQgetvalue(r, 0, 2)) * 1000;
        k->warm.edges = bell_str_of(k->settings->warm_edges);
        warm_next_edge(k);
    }
    PQclear(r);
    return r != NULL;
}

static void read_children(fb_calendar_clock *k, const struct pollfd *fds) {
    int code;
    fb_child_look(&k->warm.child, now_ms(CLOCK_MONOTONIC));
    fb_child_look(&k->extend, now_ms(CLOCK_MONOTONIC));
    if (fds[WAIT_WARM].revents && fb_child_read(&k->warm.child, &code)) {
        warm_next_edge(k);
        k->due = k->due || !fb_child_runs(&k->warm.child); /* perhaps another district's turn */
    }
    if (fds[WAIT_EXTEND].revents && fb_child_read(&k->extend, &code) && code != 0) {
        fb_log(FB_LOG_ERROR, "calendar extend failed; it is tried again within an hour");
    }
}

/* ---- a round */

static bool run_round(fb_calendar_clock *k) {
    int64_t clock_ms = now_ms(CLOCK_REALTIME);
    bool changed = k->due;

    if (!is_connected(k)) {
        return false;
    }
    k->due = false;
    k->seen_ms = clock_ms;
    k->apply_ms = now_ms(CLOCK_MONOTONIC) + APPLY_EVERY_MS;
    if (!apply(k, clock_ms) || !look_after(k, clock_ms, changed) || !claim_warming(k, clock_ms)) {
        return false;
    }
    if (k->failing) {
        fb_log(FB_LOG_NOTICE, "the calendar is followed again");
    }
    k->failing = false;
    k->away_since_ms = 0;
    k->pause_ms = PAUSE_MIN_MS;
    return true;
}

/* A clock that was set back may have left what holds behind it. */
static bool is_time(fb_calendar_clock *k) {
    int64_t clock_ms = now_ms(CLOCK_REALTIME);
    bool set_back = clock_ms < k->seen_ms;
    k->seen_ms = clock_ms;
    return k->due || set_back || clock_ms >= k->next_ms || now_ms(CLOCK_MONOTONIC) >= k->apply_ms;
}

static void wait_for_cause(fb_calendar_clock *k) {
    struct pollfd fds[WAITS] = {
        [WAIT_STOP] = {.fd = k->stop_fd, .events = POLLIN},
        [WAIT_POSTGRES] = {.fd = k->c ? PQsocket(k->c) : -1, .events = POLLIN},
        [WAIT_WARM] = {.fd = fb_child_runs(&k->warm.child) ? k->warm.child.fd : -1, .events = POLLIN},
        [WAIT_EXTEND] = {.fd = fb_child_runs(&k->extend) ? k->extend.fd : -1, .events = POLLIN},
    };
    if (poll(fds, WAITS, k->due && k->retry_ms == 0 ? 0 : LOOK_EVERY_MS) < 0) {
        return; /* a signal */
    }
    if (k->c && fds[WAIT_POSTGRES].revents && !PQconsumeInput(k->c)) {
        PQfinish(k->c); /* it has ended: the next round makes another */
        k->c = NULL;
        k->due = true;
    }
    read_notifications(k);
    read_children(k, fds);
}

static void *follow_until_stopped(void *arg) {
    fb_calendar_clock *k = arg;
    while (!must_stop(k)) {
        if (is_time(k) && now_ms(CLOCK_MONOTONIC) >= k->retry_ms) {
            bool ok = run_round(k);
            k->due = k->due || !ok;
            k->retry_ms = ok ? 0 : now_ms(CLOCK_MONOTONIC) + k->pause_ms;
            k->pause_ms = ok ? PAUSE_MIN_MS : k->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : k->pause_ms * 2;
            read_notifications(k);
        }
        wait_for_cause(k);
    }
    return NULL;
}

/* ---- begin and end */

static fb_calendar_clock *clock_new(const fb_settings *s, bool once) {
    fb_calendar_clock *k = calloc(1, sizeof *k);
    if (!k) {
        return NULL;
    }
    *k = (fb_calendar_clock){.settings = s, .once = once, .due = true, .next_ms = NEVER_MS, .pause_ms = PAUSE_MIN_MS};
    k->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (k->stop_fd < 0) {
        free(k);
        return NULL;
    }
    return k;
}

static void clock_free(fb_calendar_clock *k) {
    fb_child_stop(&k->warm.child);
    fb_child_stop(&k->extend);
    PQfinish(k->c);
    close(k->stop_fd);
    free(k);
}

fb_calendar_clock *fb_calendar_clock_start(const fb_settings *s) {
    fb_calendar_clock *k = clock_new(s, false);
    int why = k ? pthread_create(&k->thread, NULL, follow_until_stopped, k) : ENOMEM;
    if (why != 0) {
        fb_log(FB_LOG_ERROR, "the calendar cannot be followed: %s", strerror(why));
        if (k) {
            clock_free(k);
        }
        return NULL;
    }
    return k;
}

void fb_calendar_clock_stop(fb_calendar_clock *k) {
    uint64_t one = 1;
    if (k && write(k->stop_fd, &one, sizeof one) == (ssize_t)sizeof one && pthread_join(k->thread, NULL) == 0) {
        clock_free(k);
    }
}

/* What is laid out may hold already. */
static bool run_once(fb_calendar_clock *k) {
    int code = 0;
    if (!run_round(k)) {
        return false;
    }
    if (!fb_child_runs(&k->extend)) {
        return true;
    }
    while (!fb_child_read(&k->extend, &code)) {
        continue;
    }
    return apply(k, now_ms(CLOCK_REALTIME)) && code == 0;
}

bool fb_calendar_clock_once(const fb_settings *s) {
    fb_calendar_clock *k = clock_new(s, true);
    if (!k) {
        fb_log(FB_LOG_ERROR, "the calendar cannot be followed: no memory");
        return false;
    }
    bool ok = run_once(k);
    clock_free(k);
    return ok;
}
