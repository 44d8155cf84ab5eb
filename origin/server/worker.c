#include "origin/server/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "origin/server/conn.h"
#include "origin/server/log.h"

#define ACCEPT_BATCH      64
#define RESULTS_MAX_BYTES (4 << 20) /* rows that many requests share, a worker */
#define BURST_MIN         64        /* requests at once: fewer leave nothing behind that is worth looking for */
#define OWN_DESCRIPTORS   64        /* logs, pipes, the loop, and two a connection to PostgreSQL while one is cancelled */
#define NPOOLS            3

/* Every client is a descriptor, and one more while a file is sent. Distributions let 1024 be open and allow far more: we take what is allowed. */
static void raise_open_files(const fb_settings *s) {
    rlim_t wanted = (rlim_t)(2 * s->connections_max + 2 * (s->db_connections + s->db_heavy_connections + s->db_batch_connections) + OWN_DESCRIPTORS);
    struct rlimit l;

    if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur >= wanted) {
        return;
    }
    l.rlim_cur = l.rlim_max < wanted ? l.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur < wanted) {
        fb_log(FB_LOG_WARNING,
               "%lu files may be open and connections_max = %ld may need %lu: raise the limit of open files (LimitNOFILE of systemd) or lower "
               "connections_max; at the limit new connections wait",
               (unsigned long)l.rlim_cur, s->connections_max, (unsigned long)wanted);
    }
}

bool fb_worker_prepare(fb_worker *w, const fb_settings *s, char *err, size_t err_len) {
    memset(w, 0, sizeof(*w));
    w->settings = s;
    raise_open_files(s);
    if (!fb_static_load(&w->web, s->web_root, err, err_len)) {
        return false;
    }
    if (!fb_session_keys_load(&w->session_keys, s, (int64_t)time(NULL), err, err_len)) {
        fb_static_free(&w->web);
        return false;
    }
    if (!fb_edge_keys_load(&w->edge_keys, s->edge_keys_dir, err, err_len)) {
        fb_worker_unprepare(w);
        return false;
    }
    return true;
}

void fb_worker_unprepare(fb_worker *w) {
    fb_static_free(&w->web);
    fb_session_keys_free(&w->session_keys);
    fb_edge_keys_free(&w->edge_keys);
}

static void set_accepting(fb_worker *w, bool on) {
    if (w->accepting == on) {
        return;
    }
    w->accepting = on;
    if (on) {
        event_add(w->listen_event, NULL);
    } else {
        event_del(w->listen_event);
    }
}

static void on_accept(evutil_socket_t fd, short what, void *arg) {
    fb_worker *w = arg;
    (void)what;

    for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
        if (w->nconns >= (unsigned)w->settings->connections_max) {
            set_accepting(w, false); /* the next ones wait in the listen queue until one closes */
            return;
        }
        int c = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (c < 0) {
            if (errno == EMFILE || errno == ENFILE) {
                fb_log(FB_LOG_ERROR, "no descriptors left at %u connections: raise the limit of open files or lower connections_max", w->nconns);
                set_accepting(w, false); /* until a connection closes or a second has passed */
            }
            return;
        }
        if (fb_conn_open(w, c)) {
            w->nconns++;
        } else {
            close(c);
        }
    }
}

void fb_worker_conn_closed(fb_worker *w) {
    w->nconns--;
    if (w->draining && w->nconns == 0) {
        event_base_loopbreak(w->base);
    } else if (!w->draining) {
        set_accepting(w, true);
    }
}

static void on_drain_timeout(evutil_socket_t fd, short what, void *arg) {
    fb_worker *w = arg;
    (void)fd;
    (void)what;
    fb_log(FB_LOG_WARNING, "stopping with %u connections still open after %ld ms", w->nconns, w->settings->drain_timeout_ms);
    event_base_loopbreak(w->base);
}

static void drain(fb_worker *w) {
    long ms = w->settings->drain_timeout_ms;
    struct timeval tv = {ms / 1000, (ms % 1000) * 1000};

    if (w->draining) {
        return;
    }
    w->draining = true;
    set_accepting(w, false);
    fb_conn_close_idle(w);
    if (w->nconns == 0) {
        event_base_loopbreak(w->base);
        return;
    }
    w->drain_timer = evtimer_new(w->base, on_drain_timeout, w);
    event_add(w->drain_timer, &tv);
}

static void on_signal(evutil_socket_t sig, short what, void *arg) {
    fb_worker *w = arg;
    (void)what;

    if (sig == SIGUSR1) {
        if (!fb_log_open(w->settings->error_log) || !fb_access_log_reopen(&w->access_log, w->settings->access_log)) {
            fb_log(FB_LOG_ERROR, "a log cannot be opened again: %s; the old file is used on", strerror(errno));
        }
        return;
    }
    drain(w);
}

/* What a burst has freed lies between what stays, and the allocator keeps it for ever unless it is asked: at eight in the morning every connection
 * has a request in hand, a minute later none. */
static void give_back_memory(fb_worker *w) {
    if (w->busy_peak >= BURST_MIN && w->nbusy <= w->busy_peak / 4) {
        malloc_trim(0);
        w->busy_peak = w->nbusy;
    }
}

static void on_second(evutil_socket_t fd, short what, void *arg) {
    fb_worker *w = arg;
    (void)fd;
    (void)what;
    fb_access_log_flush(&w->access_log);
    fb_context_tell(w);
    give_back_memory(w);
    fb_conn_drop_gone(w);
    if (w->npools_settled == NPOOLS && !w->draining && w->nconns < (unsigned)w->settings->connections_max) {
        set_accepting(w, true);
    }
    if (getppid() != w->master_pid && !w->draining) { /* the master is gone, and with it whoever would restart us */
        fb_log(FB_LOG_ERROR, "the master process has gone; stopping");
        drain(w);
    }
}

static bool set_up_events(fb_worker *w) {
    static const int signals[] = {SIGTERM, SIGINT, SIGUSR1};
    struct timeval second = {1, 0};

    w->listen_event = event_new(w->base, w->listen_fd, EV_READ | EV_PERSIST, on_accept, w);
    w->second_timer = event_new(w->base, -1, EV_PERSIST, on_second, w);
    if (w->listen_event == NULL || w->second_timer == NULL) {
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        w->signal_events[i] = evsignal_new(w->base, signals[i], on_signal, w);
        if (w->signal_events[i] == NULL || event_add(w->signal_events[i], NULL) != 0) {
            return false;
        }
    }
    return event_add(w->second_timer, &second) == 0;
}

/* Until now a request would have been refused for want of a database that is on its way: after a reload or a crash, new connections wait in the
 * listen queue for these milliseconds instead. */
static void on_pool_settled(void *arg) {
    fb_worker *w = arg;
    w->npools_settled++;
    if (w->npools_settled == NPOOLS && !w->draining) {
        set_accepting(w, true);
    }
}

static fb_fetcher *new_fetcher(fb_worker *w) {
    const fb_settings *s = w->settings;
    fb_fetcher_options o = {.ca_file = s->fetch_ca_file,
                            .private_hosts = s->fetch_private_hosts,
                            .connect_timeout_ms = s->fetch_connect_timeout_ms,
                            .timeout_ms = s->fetch_timeout_ms,
                            .running_max = (unsigned)s->fetches_max,
                            .waiting_max = (unsigned)s->fetches_waiting_max};
    return fb_fetcher_new(w->base, &o);
}

/* One batch at a time a connection: what comes meanwhile is the next one. */
static bool set_up_batches(fb_worker *w, const fb_pool_options *as, const fb_stmt *batched) {
    const fb_settings *s = w->settings;
    unsigned connections = (unsigned)s->db_batch_connections;
    fb_pool_options o = *as;
    fb_batcher_options b = {.stmt = batched,
                            .batches = connections,
                            .waiting_max = (unsigned)s->db_batch_waiting_max,
                            .timeout_ms = (unsigned)s->db_statement_timeout_ms};

    w->batch_statements[0] = &fb_sql_batch_open;
    w->batch_statements[1] = batched;
    o.name = "batch";
    o.connections = o.waiting_max = connections;
    o.statement_timeout_ms = b.timeout_ms;
    o.statements = w->batch_statements;
    w->batch_pool = fb_pool_new(w->base, &o);
    w->batcher = w->batch_pool != NULL ? fb_batcher_new(w->base, w->batch_pool, &b) : NULL;
    return w->batcher != NULL;
}

static bool set_up_pools(fb_worker *w, const fb_stmt *const *statements, const fb_stmt *batched) {
    const fb_settings *s = w->settings;
    fb_pool_options o = {.name = "fast",
                         .database = s->database,
                         .user = "fb_app",
                         .application = "firstbell api",
                         .connections = (unsigned)s->db_connections,
                         .in_flight_max = FB_POOL_IN_FLIGHT_MAX,
                         .waiting_max = (unsigned)s->db_waiting_max,
                         .statement_timeout_ms = (unsigned)s->db_statement_timeout_ms,
                         .prepared = strcmp(s->db_prepared, "on") == 0,
                         .statements = statements,
                         .settled = on_pool_settled,
                         .settled_arg = w};

    if (!o.prepared) { /* see docs/adr: a pooler may hand the session on as soon as one answer is complete */
        o.in_flight_max = 1;
    }
    w->pool = fb_pool_new(w->base, &o);
    o.name = "heavy";
    o.connections = (unsigned)s->db_heavy_connections;
    o.in_flight_max = 1;
    o.waiting_max = (unsigned)s->db_heavy_waiting_max;
    o.statement_timeout_ms = o.statement_timeout_ms > FB_HEAVY_TIMEOUT_MS ? o.statement_timeout_ms : FB_HEAVY_TIMEOUT_MS;
    w->heavy_pool = w->pool != NULL ? fb_pool_new(w->base, &o) : NULL;
    return w->heavy_pool != NULL && set_up_batches(w, &o, batched);
}

fb_pool *fb_worker_pool(const fb_worker *w, fb_lane lane) {
    switch (lane) {
    case FB_LANE_HEAVY:
        return w->heavy_pool;
    case FB_LANE_BATCH:
        return w->batch_pool;
    case FB_LANE_FAST:
        break;
    }
    return w->pool;
}

unsigned fb_worker_pressure_percent(const fb_worker *w, fb_lane lane) {
    return lane == FB_LANE_BATCH ? fb_batcher_pressure_percent(w->batcher) : fb_pool_pressure_percent(fb_worker_pool(w, lane));
}

static bool set_up(fb_worker *w, const fb_stmt *const *statements, const fb_stmt *batched) {
    const fb_settings *s = w->settings;

    if (!fb_access_log_open(&w->access_log, s->access_log)) {
        fb_log(FB_LOG_ERROR, "access_log %s cannot be opened: %s", s->access_log, strerror(errno));
        return false;
    }
    w->base = event_base_new();
    if (w->base == NULL || !set_up_events(w)) {
        return false;
    }
    w->results = fb_result_cache_new(RESULTS_MAX_BYTES);
    w->tokens = fb_token_cache_new();
    w->helper = fb_helper_new(w->base, (unsigned)s->helper_threads, (unsigned)s->helper_queue_max);
    w->fetcher = new_fetcher(w);
    bool made = w->helper != NULL && w->fetcher != NULL && w->results != NULL && w->tokens != NULL;
    return made && set_up_pools(w, statements, batched);
}

static void tear_down(fb_worker *w) {
    fb_conn_close_all(w);
    fb_batcher_free(w->batcher);
    fb_pool_free(w->batch_pool);
    fb_pool_free(w->pool);
    fb_pool_free(w->heavy_pool);
    fb_helper_free(w->helper);
    fb_result_cache_free(w->results);
    fb_fetcher_free(w->fetcher);
    fb_token_cache_free(w->tokens);
    for (size_t i = 0; i < 3; i++) {
        if (w->signal_events[i] != NULL) {
            event_free(w->signal_events[i]);
        }
    }
    struct event *events[] = {w->listen_event, w->second_timer, w->drain_timer};
    for (size_t i = 0; i < 3; i++) {
        if (events[i] != NULL) {
            event_free(events[i]);
        }
    }
    if (w->base != NULL) {
        event_base_free(w->base);
    }
    fb_access_log_close(&w->access_log);
}

int fb_worker_run(fb_worker *w, int listen_fd, const fb_route *routes, const fb_stmt *const *statements, const fb_stmt *batched) {
    signal(SIGPIPE, SIG_IGN);
    w->listen_fd = listen_fd;
    w->routes = routes;
    srand((unsigned)getpid());
    bool ok = set_up(w, statements, batched);
    if (ok) {
        event_base_dispatch(w->base);
    } else {
        fb_log(FB_LOG_ERROR, "a worker could not start");
    }
    tear_down(w);
    return ok ? 0 : 1;
}
