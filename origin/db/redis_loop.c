#include "origin/db/redis_loop.h"

#include <event2/event.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <time.h>

#include "origin/server/log.h"

struct fb_redis_loop {
    struct event_base *base;
    const char *name;
    struct event *timer;
    bell_redis *store;
    void (*turned)(void *data, bool is_ready);
    void *data;
};

/* A socket that is watched; may outlive the store by as long as hiredis takes to leave its callback. */
typedef struct {
    struct event *read, *write;
    bell_redis_io *io;
} watched;

static int64_t now_ms(void *data) {
    struct timespec now;

    (void)data;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t any_number(void *data) {
    uint64_t n = 0;

    (void)data;
    return RAND_bytes((unsigned char *)&n, sizeof n) == 1 ? n : 0;
}

static void on_timer(evutil_socket_t fd, short what, void *data) {
    fb_redis_loop *l = data;

    (void)fd;
    (void)what;
    bell_redis_tick(l->store);
}

static void arm(void *data, uint32_t ms) {
    fb_redis_loop *l = data;
    struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    event_add(l->timer, &after);
}

static void disarm(void *data) {
    fb_redis_loop *l = data;

    event_del(l->timer);
}

static void on_ready(evutil_socket_t fd, short what, void *data) {
    watched *w = data;

    (void)fd;
    bell_redis_io_ready(w->io, (what & EV_READ) != 0, (what & EV_WRITE) != 0);
}

static void unwatch(void *data) {
    watched *w = data;

    if (w->read != NULL) {
        event_free(w->read);
    }
    if (w->write != NULL) {
        event_free(w->write);
    }
    free(w);
}

static void *watch(void *data, int fd, bell_redis_io *io) {
    fb_redis_loop *l = data;
    watched *w = calloc(1, sizeof *w);

    if (w == NULL) {
        return NULL;
    }
    w->io = io;
    w->read = event_new(l->base, fd, EV_READ | EV_PERSIST, on_ready, w);
    w->write = event_new(l->base, fd, EV_WRITE | EV_PERSIST, on_ready, w);
    if (w->read == NULL || w->write == NULL) {
        unwatch(w);
        return NULL;
    }
    return w;
}

static void turn(struct event *e, bool on) {
    if (on) {
        event_add(e, NULL);
    } else {
        event_del(e);
    }
}

static void want(void *data, bool read, bool write) {
    watched *w = data;

    turn(w->read, read);
    turn(w->write, write);
}

static void write_line(void *data, bell_redis_level level, const char *line) {
    const fb_redis_loop *l = data;

    fb_log(level == BELL_REDIS_ERROR_LINE ? FB_LOG_ERROR : FB_LOG_NOTICE, "%s: %s", l->name, line);
}

static void turned(void *data, bool is_ready) {
    const fb_redis_loop *l = data;

    if (l->turned != NULL) {
        l->turned(l->data, is_ready);
    }
}

fb_redis_loop *fb_redis_loop_new(struct event_base *base, const char *name, void (*on_turned)(void *data, bool is_ready), void *data) {
    fb_redis_loop *l = calloc(1, sizeof *l);

    if (l == NULL) {
        return NULL;
    }
    *l = (fb_redis_loop){.base = base, .name = name, .turned = on_turned, .data = data};
    l->timer = evtimer_new(base, on_timer, l);
    if (l->timer == NULL) {
        free(l);
        return NULL;
    }
    return l;
}

bool fb_redis_loop_open(fb_redis_loop *l, const bell_redis_options *o, const char **reason) {
    const bell_redis_loop table = {.data = l,
                                   .now_ms = now_ms,
                                   .random = any_number,
                                   .arm = arm,
                                   .disarm = disarm,
                                   .watch = watch,
                                   .want = want,
                                   .unwatch = unwatch,
                                   .log = write_line,
                                   .turned = turned};

    l->store = bell_redis_new(o, &table, reason);
    return l->store != NULL;
}

bell_redis *fb_redis_loop_store(fb_redis_loop *l) {
    return l->store;
}

void fb_redis_loop_free(fb_redis_loop *l) {
    if (l == NULL) {
        return;
    }
    bell_redis_free(l->store);
    event_free(l->timer);
    free(l);
}
