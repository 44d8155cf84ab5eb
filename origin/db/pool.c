#include "origin/db/pool.h"

#include <stdlib.h>

#include "origin/db/pool_conn.h"

/* Waiting groups go out as soon as a connection has room: first come, first served. */
static void pump(fb_pool *p) {
    while (p->waiting_head != NULL) {
        fb_pool_conn *c = fb_pool_pick(p);
        if (c == NULL) {
            return;
        }
        fb_ticket *t = p->waiting_head;
        p->waiting_head = t->next;
        if (p->waiting_head == NULL) {
            p->waiting_tail = NULL;
        }
        p->nwaiting--;
        t->next = NULL;
        if (t->group == NULL) { /* cancelled while it waited */
            free(t);
        } else {
            fb_pool_conn_send(c, t);
        }
    }
}

void fb_pool_pump(fb_pool *p) {
    pump(p);
    /* Nobody left to wait for: waiting would only end in a time-out. */
    if (p->nready > 0) {
        return;
    }
    while (p->waiting_head != NULL) {
        fb_ticket *t = p->waiting_head;
        p->waiting_head = t->next;
        p->nwaiting--;
        fb_ticket_end(t, FB_GROUP_LOST);
    }
    p->waiting_tail = NULL;
}

void fb_pool_settle(fb_pool *p) {
    if (p->settled) {
        return;
    }
    p->settled = true;
    p->options.settled(p->options.settled_arg);
}

fb_pool_conn *fb_pool_pick(fb_pool *p) {
    fb_pool_conn *best = NULL;
    for (unsigned i = 0; i < p->nconns; i++) {
        fb_pool_conn *c = &p->conns[i];
        if (c->state != FB_POOL_CONN_READY || c->nflight >= FB_POOL_IN_FLIGHT_MAX) {
            continue;
        }
        if (best == NULL || c->nflight < best->nflight) {
            best = c;
        }
    }
    return best;
}

fb_pool *fb_pool_new(struct event_base *base, const fb_pool_options *o) {
    fb_pool *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        return NULL;
    }
    p->base = base;
    p->options = *o;
    p->conns = calloc(o->connections, sizeof(*p->conns));
    if (p->conns == NULL) {
        free(p);
        return NULL;
    }
    p->nconns = o->connections;
    for (unsigned i = 0; i < p->nconns; i++) {
        fb_pool_conn_start(&p->conns[i], p);
    }
    return p;
}

void fb_pool_free(fb_pool *p) {
    if (p == NULL) {
        return;
    }
    p->closing = true;
    for (unsigned i = 0; i < p->nconns; i++) {
        fb_pool_conn_stop(&p->conns[i]);
    }
    p->nready = 0;
    fb_pool_pump(p);
    free(p->conns);
    free(p);
}

bool fb_pool_ready(const fb_pool *p) {
    return p->nready > 0;
}

unsigned fb_pool_pressure_percent(const fb_pool *p) {
    return p->options.waiting_max == 0 ? 0 : p->nwaiting * 100 / p->options.waiting_max;
}

fb_pool_verdict fb_pool_send(fb_pool *p, fb_group *g) {
    if (p->nready == 0) {
        return FB_POOL_DOWN;
    }
    fb_pool_conn *c = p->waiting_head == NULL ? fb_pool_pick(p) : NULL;
    if (c == NULL && p->nwaiting >= p->options.waiting_max) {
        return FB_POOL_FULL;
    }

    fb_ticket *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return FB_POOL_FULL;
    }
    t->group = g;
    g->ticket = t;
    g->outcome = FB_GROUP_OK;
    if (c != NULL) {
        fb_pool_conn_send(c, t);
        return FB_POOL_SENT;
    }
    if (p->waiting_tail != NULL) {
        p->waiting_tail->next = t;
    } else {
        p->waiting_head = t;
    }
    p->waiting_tail = t;
    p->nwaiting++;
    return FB_POOL_SENT;
}

void fb_group_cancel(fb_group *g) {
    if (g->ticket != NULL) {
        g->ticket->group = NULL;
    }
    g->ticket = NULL;
    fb_group_clear(g);
}

void fb_group_clear(fb_group *g) {
    for (unsigned i = 0; i < FB_GROUP_CALLS_MAX; i++) {
        PQclear(g->results[i]);
        g->results[i] = NULL;
    }
    g->ncalls = 0;
}

void fb_ticket_end(fb_ticket *t, fb_group_outcome lost) {
    fb_group *g = t->group;
    free(t);
    if (g == NULL) {
        return;
    }
    g->ticket = NULL;
    if (lost != FB_GROUP_OK) {
        g->outcome = lost;
    }
    g->done(g, g->arg);
}
