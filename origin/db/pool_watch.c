/* What is in flight is looked at ten times a second: statements that nobody wants any more are cancelled, and connections that do not answer are
 * given up. */
#include <stdlib.h>

#include "origin/db/pool_conn.h"

#define WATCH_EVERY_MS  100
#define CANCEL_AFTER_MS 100  /* a statement that is nearly done is cheaper than its cancel */
#define CANCEL_WAIT_MS  2000 /* for the cancel to take effect */
#define SUSPECT_MS      500  /* of silence while work is under way: is the server there? An idle connection is asked. */
#define PROBE_MS        1000 /* for an answer to that */
#define GRACE_MS        1000 /* past the time-out of its statements, by which PostgreSQL should have ended a group itself */

static void on_cancel_done(evutil_socket_t fd, short what, void *arg) {
    fb_pool_conn *c = arg;
    (void)fd;
    (void)what;

    fb_cancel_end(c->cancel);
    c->cancel = NULL;
    if (c->cancel_for == NULL) {
        c->cancel_began_ms = 0;
        fb_pool_pump(c->pool);
    }
}

bool fb_pool_conn_is_cancelling(const fb_pool_conn *c) {
    return c->cancel_began_ms != 0;
}

void fb_pool_conn_cancel_forget(fb_pool_conn *c, const fb_ticket *t) {
    if (c->cancel_for != t) {
        return;
    }
    c->cancel_for = NULL;
    if (c->cancel == NULL) {
        c->cancel_began_ms = 0;
    }
}

void fb_pool_conn_cancel_drop(fb_pool_conn *c) {
    if (c->cancel != NULL) {
        event_del(&c->cancel_event);
        fb_cancel_end(c->cancel);
    }
    c->cancel = NULL;
    c->cancel_for = NULL;
    c->cancel_began_ms = 0;
}

/* When the cancel cannot even begin, the bound for its effect runs all the same. */
void fb_pool_conn_cancel(fb_pool_conn *c) {
    fb_ticket *t = c->flight.head;
    int64_t now_ms = fb_pool_now_ms();

    if (t == NULL || t->group != NULL || t->probe || fb_pool_conn_is_cancelling(c) || now_ms - c->head_since_ms < CANCEL_AFTER_MS) {
        return;
    }
    c->cancel_began_ms = now_ms;
    c->cancel_for = t;
    for (t = t->next; t != NULL; t = t->next) {
        t->exposed = true;
    }
    c->cancel = fb_cancel_start(c->pg);
    if (c->cancel != NULL) {
        event_assign(&c->cancel_event, c->pool->base, fb_cancel_fd(c->cancel), EV_READ, on_cancel_done, c);
        event_add(&c->cancel_event, NULL);
    }
}

static int64_t silent_ms(const fb_pool_conn *c, int64_t now_ms) {
    return now_ms - (c->heard_ms > c->head_since_ms ? c->heard_ms : c->head_since_ms);
}

/* Idle connections that have not been heard of since the silence began. */
static void probe_idle(fb_pool *p, int64_t since_ms) {
    for (unsigned i = 0; i < p->nconns; i++) {
        fb_pool_conn *c = &p->conns[i];
        if (c->state == FB_POOL_CONN_READY && c->flight.n == 0 && !c->leaving && c->heard_ms < since_ms && !fb_pool_conn_is_cancelling(c)) {
            (void)fb_pool_conn_probe(c); /* without memory it is asked the next time */
        }
    }
}

/* A connection that was idle does not answer: those that are busy and silent for as long are not slow, they are gone. */
static void give_up_silent(fb_pool *p, int64_t now_ms) {
    for (unsigned i = 0; i < p->nconns; i++) {
        fb_pool_conn *c = &p->conns[i];
        if (c->state == FB_POOL_CONN_READY && c->flight.n > 0 && silent_ms(c, now_ms) >= PROBE_MS) {
            fb_pool_conn_down(c, "PostgreSQL does not answer");
        }
    }
}

static void look_at(fb_pool_conn *c, int64_t now_ms) {
    const fb_ticket *t = c->flight.head;
    int64_t silent = t != NULL ? silent_ms(c, now_ms) : 0;

    if (fb_pool_conn_is_cancelling(c) && now_ms - c->cancel_began_ms >= CANCEL_WAIT_MS) {
        fb_pool_conn_down(c, "a statement could not be cancelled");
    } else if (t == NULL) {
        return;
    } else if (t->probe && silent >= PROBE_MS) {
        give_up_silent(c->pool, now_ms);
    } else if (!t->probe && silent >= (int64_t)t->ncalls * t->timeout_ms + GRACE_MS) {
        fb_pool_conn_down(c, "PostgreSQL does not answer");
    } else {
        fb_pool_conn_cancel(c);
        if (silent >= SUSPECT_MS) {
            probe_idle(c->pool, now_ms - silent);
        }
    }
}

static bool has_work(const fb_pool *p) {
    for (unsigned i = 0; i < p->nconns; i++) {
        if (p->conns[i].flight.n > 0 || fb_pool_conn_is_cancelling(&p->conns[i])) {
            return true;
        }
    }
    return false;
}

static void on_watch(evutil_socket_t fd, short what, void *arg) {
    fb_pool *p = arg;
    int64_t now_ms = fb_pool_now_ms();
    (void)fd;
    (void)what;

    for (unsigned i = 0; i < p->nconns; i++) {
        if (p->conns[i].state == FB_POOL_CONN_READY) {
            look_at(&p->conns[i], now_ms);
        }
    }
    p->watching = false;
    if (has_work(p)) {
        fb_pool_watch(p);
    }
}

void fb_pool_watch(fb_pool *p) {
    struct timeval tv = {0, WATCH_EVERY_MS * 1000};
    if (!p->watching) {
        p->watching = true;
        event_add(&p->watch, &tv);
    }
}

void fb_pool_watch_init(fb_pool *p) {
    event_assign(&p->watch, p->base, -1, 0, on_watch, p);
}
