#include "bell_redis_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CONNECT_MS     1000
#define TIMEOUT_MS     2000
#define IN_FLIGHT      10000
#define PAUSE_LEAST_MS 50
#define PAUSE_MOST_MS  3000

/* ---- options */

void bell_redis_options_init(bell_redis_options *o) {
    *o = (bell_redis_options){.connect_ms = CONNECT_MS,
                              .timeout_ms = TIMEOUT_MS,
                              .in_flight_max = IN_FLIGHT,
                              .pause_least_ms = PAUSE_LEAST_MS,
                              .pause_most_ms = PAUSE_MOST_MS};
}

static bool is_time(uint32_t ms) {
    return ms >= 10 && ms <= 60000;
}

static const char *check_sizes(const bell_redis_options *o) {
    if (!is_time(o->connect_ms) || !is_time(o->timeout_ms)) {
        return "a time is not between 10 ms and 60 s";
    }
    if (o->pause_least_ms == 0 || o->pause_least_ms > o->pause_most_ms || o->pause_most_ms > 60000) {
        return "the pauses are not between 1 ms and 60 s";
    }
    if (o->in_flight_max == 0 || o->in_flight_max > 1000000) {
        return "the number of commands in flight is not between 1 and 1000000";
    }
    return NULL;
}

static const char *check_paths(const bell_redis_options *o) {
    for (size_t i = 0; i < o->nseeds; i++) {
        if (o->seeds[i].host[0] == '/' && o->is_cluster) {
            return "the nodes of a cluster are not on a unix socket";
        }
        if (o->seeds[i].host[0] == '/' && o->tls != NULL) {
            return "a unix socket has no TLS";
        }
    }
    return NULL;
}

const char *bell_redis_options_check(const bell_redis_options *o) {
    if (o->nseeds == 0 || o->nseeds > BELL_REDIS_SEEDS_MAX) {
        return "between 1 and 16 addresses are expected";
    }
    if ((o->user.p != NULL && memchr(o->user.p, '\0', o->user.len) != NULL) ||
        (o->password.p != NULL && memchr(o->password.p, '\0', o->password.len) != NULL)) {
        return "a user or a password has a NUL";
    }
    if (o->user.len > BELL_REDIS_SECRET_MAX || o->password.len > BELL_REDIS_SECRET_MAX) {
        return "a user or a password has more than 512 bytes";
    }
    if (o->user.len > 0 && o->password.len == 0) {
        return "a user needs a password";
    }
    const char *reason = check_paths(o);
    return reason != NULL ? reason : check_sizes(o);
}

/* ---- what all use */

int64_t bell_redis_now(const bell_redis *r) {
    return r->loop.now_ms(r->loop.data);
}

void bell_redis_rearm(bell_redis *r) {
    bell_redis_timer *first = bell_redis_timer_first(&r->timers);
    int64_t at = first != NULL ? first->at_ms : INT64_MAX;

    /* what has ended outside of our own turn is told in the next one */
    at = !bell_list_is_empty(&r->ended) ? 0 : at;
    if (r->is_inside || r->is_closed || at >= r->armed_ms) {
        return;
    }
    int64_t ms = at - bell_redis_now(r);
    r->armed_ms = at;
    r->loop.arm(r->loop.data, ms <= 0 ? 0 : ms > 60000 ? 60000 : (uint32_t)ms);
}

void bell_redis_say(bell_redis *r, bell_redis_level level, const char *fmt, ...) {
    char line[BELL_REDIS_REASON_MAX + 2 * BELL_REDIS_HOST_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    r->loop.log(r->loop.data, level, line);
}

uint32_t bell_redis_pause(bell_redis *r, unsigned tries, uint32_t least_ms, uint32_t most_ms) {
    return bell_redis_pause_ms(tries, least_ms, most_ms, r->loop.random(r->loop.data));
}

/* ---- a turn */

static bool is_ready(const bell_redis *r) {
    if (r->o.is_cluster) {
        return r->has_map && !r->is_map_lost;
    }
    for (size_t i = 0; i < r->nlinks; i++) {
        if (!r->links[i]->is_of_channels && r->links[i]->state == BELL_REDIS_LINK_READY) {
            return true;
        }
    }
    return false;
}

/* One who has to be called; false: there is nobody. */
static bool tell_one(bell_redis *r) {
    bell_redis_task *ended = BELL_LIST_FIRST(&r->ended, bell_redis_task, queue);
    bool ready = is_ready(r);

    if (ended != NULL) {
        bell_redis_task_tell(ended);
        return true;
    }
    if (ready != r->is_told_ready) {
        r->is_told_ready = ready;
        if (r->loop.turned != NULL) {
            r->loop.turned(r->loop.data, ready);
        }
        return true;
    }
    return bell_redis_channel_tell(r);
}

void bell_redis_settle(bell_redis *r) {
    bool over = false;

    r->over = &over; // cppcheck-suppress autoVariables ; taken back below, unless the store is gone
    while (tell_one(r)) {
        if (over) {
            return;
        }
    }
    r->over = NULL;
    bell_redis_link_prune(r);
    r->is_inside = false;
    bell_redis_rearm(r);
}

void bell_redis_tick(bell_redis *r) {
    bell_redis_timer *t;
    int64_t now = bell_redis_now(r);

    r->armed_ms = INT64_MAX;
    r->is_inside = true;
    while ((t = bell_redis_timer_first(&r->timers)) != NULL && t->at_ms <= now) {
        bell_redis_timer_clear(&r->timers, t);
        t->fire(t);
    }
    bell_redis_settle(r);
}

/* ---- the store */

static bool copy_secrets(bell_redis *r, const bell_redis_options *o) {
    r->user = malloc(o->user.len + 1);
    r->password = malloc(o->password.len + 1);
    if (r->user == NULL || r->password == NULL) {
        return false;
    }
    if (o->user.len > 0) {
        memcpy(r->user, o->user.p, o->user.len);
    }
    if (o->password.len > 0) {
        memcpy(r->password, o->password.p, o->password.len);
    }
    r->o.user = (bell_str){r->user, o->user.len};
    r->o.password = (bell_str){r->password, o->password.len};
    return true;
}

/* What malloc() gave, and no more; none of it is in use. */
static void drop(bell_redis *r) {
    if (r->password != NULL) {
        explicit_bzero(r->password, r->o.password.len);
    }
    bell_redis_timers_fini(&r->timers);
    free(r->user);
    free(r->password);
    free(r->map);
    free(r->next);
    free(r);
}

static bool has_memory(bell_redis *r, const bell_redis_options *o) {
    if (o->is_cluster) {
        r->map = malloc(sizeof(bell_redis_cluster));
        r->next = malloc(sizeof(bell_redis_cluster));
        if (r->map == NULL || r->next == NULL) {
            return false;
        }
        bell_redis_cluster_init(r->map);
    }
    return copy_secrets(r, o) && bell_redis_timers_reserve(&r->timers, BELL_REDIS_LINKS_MAX + 16);
}

/* The first connection. */
static bool begin(bell_redis *r) {
    bell_redis_map_init(r);
    if (r->o.is_cluster) {
        bell_redis_map_want(r);
        return true;
    }
    bell_redis_link *l = bell_redis_link_to(r, &r->o.seeds[0], false);
    if (l != NULL) {
        bell_redis_link_open(l);
    }
    return l != NULL;
}

bell_redis *bell_redis_new(const bell_redis_options *o, const bell_redis_loop *loop, const char **reason) {
    *reason = bell_redis_options_check(o);
    if (*reason != NULL) {
        return NULL;
    }
    bell_redis *r = calloc(1, sizeof *r);
    *reason = "there is no memory left";
    if (r == NULL) {
        return NULL;
    }
    r->o = *o;
    r->loop = *loop;
    r->armed_ms = INT64_MAX;
    bell_list_init(&r->tasks);
    bell_list_init(&r->homeless);
    bell_list_init(&r->ended);
    bell_list_init(&r->channels);
    snprintf(r->reason, sizeof r->reason, "it was not reached yet");
    if (!has_memory(r, o) || !begin(r)) {
        drop(r);
        return NULL;
    }
    *reason = NULL;
    bell_redis_rearm(r);
    return r;
}

void bell_redis_free(bell_redis *r) {
    bell_redis_task *t;

    if (r == NULL || r->is_closed) {
        return;
    }
    r->is_closed = true;
    if (r->over != NULL) {
        *r->over = true;
    }
    r->loop.disarm(r->loop.data);
    bell_redis_channel_free_all(r);
    bell_redis_task_end_all(r, "the store is closed");
    for (size_t i = 0; i < r->nlinks; i++) {
        bell_redis_link_free(r->links[i]);
    }
    r->nlinks = 0;
    while ((t = BELL_LIST_FIRST(&r->ended, bell_redis_task, queue)) != NULL) {
        bell_redis_task_tell(t);
    }
    drop(r);
}

void bell_redis_status_of(const bell_redis *r, bell_redis_status *status) {
    *status = r->figures;
    status->is_ready = !r->is_closed && is_ready(r);
    status->reason = status->is_ready ? "" : r->reason;
    status->in_flight = r->in_flight;
    for (size_t i = 0; i < r->nlinks; i++) {
        status->nodes += r->links[i]->state == BELL_REDIS_LINK_READY && !r->links[i]->is_of_channels;
    }
}
