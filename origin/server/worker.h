/* One worker process of the api: its loop, its pool, its connections. */
#ifndef FB_WORKER_H
#define FB_WORKER_H

#include "origin/db/batch.h"
#include "origin/db/result_cache.h"
#include "origin/server/access_log.h"
#include "origin/server/context.h"
#include "origin/server/edge_keys.h"
#include "origin/server/fetch.h"
#include "origin/server/helper.h"
#include "origin/server/route.h"
#include "origin/server/session_keys.h"
#include "origin/server/settings.h"
#include "origin/server/static_files.h"
#include "origin/server/token_cache.h"

struct event;
struct fb_conn;

struct fb_worker {
    const fb_settings *settings;
    struct event_base *base;
    fb_pool *pool;       /* the fast lane */
    fb_pool *heavy_pool; /* the heavy lane */
    fb_pool *batch_pool; /* the batch lane: what is saved for many clients in one commit */
    fb_batcher *batcher; /* of the saves of progress, over that lane */
    const fb_stmt *batch_statements[3];
    fb_result_cache *results;
    fb_helper *helper;
    fb_fetcher *fetcher;
    const fb_route *routes;
    fb_static_files web;
    fb_session_keys session_keys;
    fb_edge_keys edge_keys;
    fb_context_refusal context_refusals[FB_CONTEXT_CAUSES];
    fb_token_cache *tokens; /* verified with them */
    fb_access_log access_log;

    int listen_fd;
    int master_pid;
    struct event *listen_event;
    struct event *signal_events[3];
    struct event *second_timer;
    struct event *drain_timer;
    struct fb_conn *conns; /* all open ones, a list */
    unsigned nconns;
    unsigned nbusy, busy_peak; /* connections with a request in hand: now, and the most since memory was last given back */
    unsigned npools_settled;   /* of all lanes; nothing is accepted before */
    bool accepting;
    bool draining;
};

/* What a worker needs from the disk, checked once by the master before it forks: false with a sentence in err. */
bool fb_worker_prepare(fb_worker *w, const fb_settings *s, char *err, size_t err_len) __attribute__((warn_unused_result));
void fb_worker_unprepare(fb_worker *w);

/* The pool of a lane; what goes over the batch lane goes through `batcher`. */
fb_pool *fb_worker_pool(const fb_worker *w, fb_lane lane);
/* How full what waits for a lane is: what shedding goes by. */
unsigned fb_worker_pressure_percent(const fb_worker *w, fb_lane lane);

/* Serves until it is told to stop (SIGTERM: drain). `batched` is the statement of the batch lane. Returns the process's exit code. */
int fb_worker_run(fb_worker *w, int listen_fd, const fb_route *routes, const fb_stmt *const *statements, const fb_stmt *batched);

/* A connection has closed: there is room for another. */
void fb_worker_conn_closed(fb_worker *w);

#endif
