/* The names of the pool's hosts, looked up off the loop: one lookup a host at a time, for all connections that wait for it. */
#include <stdlib.h>
#include <unistd.h>

#include "origin/db/pool_conn.h"
#include "origin/db/resolver.h"

struct fb_pool_lookup {
    fb_pool *pool;
    int fd; /* -1: none is under way */
    struct event event;
};

static void on_answer(evutil_socket_t fd, short what, void *arg) {
    fb_pool_lookup *l = arg;
    fb_pool *p = l->pool;
    unsigned host = (unsigned)(l - p->lookups);
    char text[FB_ADDRESSES_BYTES];
    bool found = fb_resolver_take(fd, text);
    (void)what;

    close(fd);
    l->fd = -1;
    for (unsigned i = 0; i < p->nconns; i++) {
        fb_pool_conn *c = &p->conns[i];
        if (c->state != FB_POOL_CONN_LOOKING_UP || c->host != host) {
            continue;
        }
        if (found) {
            fb_pool_conn_connect(c, text);
        } else {
            fb_pool_conn_down(c, text);
        }
    }
}

bool fb_pool_lookup_begin(fb_pool *p, unsigned host) {
    fb_pool_lookup *l = &p->lookups[host];

    if (l->fd >= 0) {
        return true; /* that answer will do for this connection, too */
    }
    l->fd = fb_resolver_start(p->hosts.list[host].host);
    if (l->fd < 0) {
        return false;
    }
    event_assign(&l->event, p->base, l->fd, EV_READ, on_answer, l);
    event_add(&l->event, NULL);
    return true;
}

bool fb_pool_lookups_init(fb_pool *p) {
    p->lookups = calloc(p->hosts.n, sizeof(*p->lookups));
    for (unsigned i = 0; p->lookups != NULL && i < p->hosts.n; i++) {
        p->lookups[i].pool = p;
        p->lookups[i].fd = -1;
    }
    return p->lookups != NULL;
}

void fb_pool_lookups_fini(fb_pool *p) {
    for (unsigned i = 0; i < p->hosts.n; i++) {
        if (p->lookups[i].fd >= 0) {
            event_del(&p->lookups[i].event);
            close(p->lookups[i].fd);
        }
    }
    free(p->lookups);
}
