#include "origin/db/pool.h"

#include <stdlib.h>
#include <time.h>

#include "origin/db/pool_conn.h"

/* A connection whose first group has kept PostgreSQL busy for longer gets no further ones: they would only wait for it. */
#define SLOW_MS 20

int64_t fb_pool_now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void fb_ticket_append(fb_ticket_list *l, fb_ticket *t) {
    t->next = NULL;
    t->prev = l->tail;
    if (l->tail != NULL) {
        l->tail->next = t;
    } else {
        l->head = t;
    }
    l->tail = t;
    l->n++;
}

void fb_ticket_prepend(fb_ticket_list *l, fb_ticket *t) {
    t->prev = NULL;
    t->next = l->head;
    if (l->head != NULL) {
        l->head->prev = t;
    } else {
        l->tail = t;
    }
    l->head = t;
    l->n++;
}

void fb_ticket_remove(fb_ticket_list *l, fb_ticket *t) {
    if (t->prev != NULL) {
        t->prev->next = t->next;
    } else {
        l->head = t->next;
    }
    if (t->next != NULL) {
        t->next->prev = t->prev;
    } else {
        l->tail = t->prev;
    }
    t->prev = t->next = NULL;
    l->n--;
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

static fb_ticket *take_first(fb_ticket_list *l) {
    fb_ticket *t = l->head;
    l->head = t->next;
    if (l->head != NULL) {
        l->head->prev = NULL;
    } else {
        l->tail = NULL;
    }
    t->next = NULL;
    l->n--;
    return t;
}

/* First come, first served. Whoever is left when no connection is up would wait for nothing but a time-out. */
void fb_pool_pump(fb_pool *p) {
    fb_pool_conn *c;

    while (p->waiting.head != NULL && (c = fb_pool_pick(p)) != NULL) {
        fb_pool_conn_send(c, take_first(&p->waiting));
    }
    while (p->waiting.head != NULL && p->nready == 0) {
        fb_ticket_end(take_first(&p->waiting), FB_GROUP_LOST);
    }
}

void fb_pool_settle(fb_pool *p) {
    if (p->settled) {
        return;
    }
    p->settled = true;
    p->options.settled(p->options.settled_arg);
}

static bool takes_groups(const fb_pool_conn *c, int64_t now_ms) {
    if (c->state != FB_POOL_CONN_READY || c->leaving || c->flight.n >= c->pool->options.in_flight_max || fb_pool_conn_is_cancelling(c)) {
        return false;
    }
    return c->flight.n == 0 || (!c->flight.head->probe && now_ms - c->head_since_ms <= SLOW_MS);
}

/* The fewest groups in flight; among equals the one whose first group is the youngest, for the others may be about to turn out slow. */
fb_pool_conn *fb_pool_pick(fb_pool *p) {
    fb_pool_conn *best = NULL;
    int64_t now_ms = fb_pool_now_ms();

    for (unsigned i = 0; i < p->nconns; i++) {
        fb_pool_conn *c = &p->conns[i];
        if (!takes_groups(c, now_ms)) {
            continue;
        }
        if (best == NULL || c->flight.n < best->flight.n || (c->flight.n == best->flight.n && c->head_since_ms > best->head_since_ms)) {
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
    fb_pg_hosts_init(&p->hosts, o->database);
    p->conns = calloc(o->connections, sizeof(*p->conns));
    if (p->conns == NULL || !fb_pool_lookups_init(p)) {
        fb_pg_hosts_fini(&p->hosts);
        free(p->conns);
        free(p);
        return NULL;
    }
    p->nconns = o->connections;
    fb_pool_watch_init(p);
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
    event_del(&p->watch);
    fb_pool_lookups_fini(p);
    fb_pg_hosts_fini(&p->hosts);
    free(p->conns);
    free(p);
}

bool fb_pool_ready(const fb_pool *p) {
    return p->nready > 0;
}

unsigned fb_pool_pressure_percent(const fb_pool *p) {
    return p->options.waiting_max == 0 ? 0 : p->waiting.n * 100 / p->options.waiting_max;
}

fb_pool_verdict fb_pool_send(fb_pool *p, fb_group *g) {
    if (p->nready == 0) {
        return FB_POOL_DOWN;
    }
    fb_pool_conn *c = p->waiting.head == NULL ? fb_pool_pick(p) : NULL;
    if (c == NULL && p->waiting.n >= p->options.waiting_max) {
        return FB_POOL_FULL;
    }

    fb_ticket *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return FB_POOL_FULL;
    }
    t->pool = p;
    t->group = g;
    t->ncalls = g->ncalls;
    t->timeout_ms = g->timeout_ms;
    g->ticket = t;
    g->outcome = FB_GROUP_OK;
    if (c != NULL) {
        fb_pool_conn_send(c, t);
    } else {
        fb_ticket_append(&p->waiting, t);
    }
    return FB_POOL_SENT;
}

void fb_group_cancel(fb_group *g) {
    fb_ticket *t = g->ticket;

    g->ticket = NULL;
    fb_group_clear(g);
    if (t == NULL) {
        return;
    }
    t->group = NULL;
    if (t->conn != NULL) {
        fb_pool_conn_cancel(t->conn);
        return;
    }
    fb_ticket_remove(&t->pool->waiting, t);
    free(t);
}

void fb_group_clear(fb_group *g) {
    for (unsigned i = 0; i < FB_GROUP_CALLS_MAX; i++) {
        PQclear(g->results[i]);
        g->results[i] = NULL;
    }
    g->ncalls = 0;
}
