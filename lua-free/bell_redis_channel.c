/* Channels. A connection of channels says something at any time; answers are told apart from messages by what they say. */
#include "bell_redis_parts.h"

#include <hiredis/async.h>
#include <stdio.h>
#include <stdlib.h>

#define LATER_LEAST_MS 20
#define LATER_MOST_MS  1000

typedef enum { EXPECT_IN, EXPECT_OUT, EXPECT_PONG } expected_kind;

/* Answers come in the order of what was asked; messages come between them. */
struct bell_redis_expected {
    bell_list queue;
    expected_kind kind;
    size_t len;
    char name[];
};

/* ---- channels by name */

/* The first of all behind NULL. */
static bell_redis_channel *next_channel(const bell_redis *r, const bell_redis_channel *c) {
    const bell_list *link = c != NULL ? c->queue.next : r->channels.next;
    return link != &r->channels ? BELL_LIST_OF(link, bell_redis_channel, queue) : NULL;
}

static bell_redis_channel *find(const bell_redis *r, bell_str name) {
    for (bell_redis_channel *c = next_channel(r, NULL); c != NULL; c = next_channel(r, c)) {
        if (bell_str_eq((bell_str){c->name, c->len}, name)) {
            return c;
        }
    }
    return NULL;
}

static bool is_used_by(const bell_redis_link *l, const bell_redis_channel *c) {
    return c->link == l;
}

bool bell_redis_channel_uses(const bell_redis_link *l) {
    for (const bell_redis_channel *c = next_channel(l->r, NULL); c != NULL; c = next_channel(l->r, c)) {
        if (is_used_by(l, c)) {
            return true;
        }
    }
    return false;
}

/* The listener is told of it once. */
static void become_deaf(bell_redis_channel *c, const char *reason) {
    c->is_asked = c->is_listening = false;
    if (!c->is_deaf) {
        c->is_deaf = c->owes_deaf = true;
        snprintf(c->reason, sizeof c->reason, "%s", reason);
    }
}

bool bell_redis_channel_tell(bell_redis *r) {
    for (bell_redis_channel *c = next_channel(r, NULL); c != NULL; c = next_channel(r, c)) {
        if (c->owes_deaf) {
            c->owes_deaf = false;
            c->listener(c->data, BELL_REDIS_DEAF, bell_str_of(c->reason));
            return true;
        }
    }
    return false;
}

/* ---- what is asked */

static void forget_expected(bell_redis_link *l) {
    for (bell_list *link = l->expected.next, *next; link != &l->expected; link = next) {
        next = link->next;
        free(BELL_LIST_OF(link, bell_redis_expected, queue));
    }
    bell_list_init(&l->expected);
}

static void send_command(bell_redis_link *l, expected_kind kind, const char *command, bell_str name) {
    char bytes[BELL_REDIS_CHANNEL_MAX + 128];
    bell_redis_expected *e = malloc(sizeof *e + name.len);
    int n = snprintf(bytes, sizeof bytes, "*%d\r\n$%zu\r\n%s\r\n", name.len > 0 ? 2 : 1, strlen(command), command);

    if (name.len > 0) {
        n += snprintf(bytes + n, sizeof bytes - (size_t)n, "$%zu\r\n", name.len);
        memcpy(bytes + n, name.p, name.len);
        memcpy(bytes + n + name.len, "\r\n", 2);
        n += (int)name.len + 2;
    }
    if (e == NULL || redisAppendFormattedCommand(&l->ac->c, bytes, (size_t)n) != REDIS_OK) {
        free(e);
        bell_redis_link_close(l, "a channel could not be asked for: there is no memory left");
        return;
    }
    e->kind = kind;
    e->len = name.len;
    memcpy(e->name, name.p != NULL ? name.p : "", name.len);
    bell_list_add(&l->expected, &e->queue);
    l->ac->ev.addWrite(l->ac->ev.data);
} // cppcheck-suppress memleak ; it is in the list

static void ask_in(bell_redis_channel *c) {
    c->is_asked = true;
    send_command(c->link, EXPECT_IN, c->r->o.is_cluster ? "SSUBSCRIBE" : "SUBSCRIBE", (bell_str){c->name, c->len});
}

static void ask_out(bell_redis_channel *c) {
    if (c->is_asked && c->link->state == BELL_REDIS_LINK_READY) {
        send_command(c->link, EXPECT_OUT, c->r->o.is_cluster ? "SUNSUBSCRIBE" : "UNSUBSCRIBE", (bell_str){c->name, c->len});
    }
}

static void route(bell_redis_channel *c) {
    bell_redis *r = c->r;
    bell_redis_link *l = bell_redis_map_link(r, c->slot, true);

    if (c->link != NULL && c->link != l) {
        ask_out(c);
        become_deaf(c, "its slot has another node");
        r->has_pruning = true;
    }
    c->link = l;
    if (l == NULL) {
        bell_redis_map_want(r);
    } else if (l->state == BELL_REDIS_LINK_READY) {
        if (!c->is_asked) {
            ask_in(c);
        }
    } else {
        bell_redis_link_open(l);
    }
}

void bell_redis_channel_route_all(bell_redis *r) {
    for (bell_redis_channel *c = next_channel(r, NULL); c != NULL; c = next_channel(r, c)) {
        route(c);
    }
}

static void on_timer(bell_redis_timer *t) {
    bell_redis_channel_route_all((bell_redis *)((char *)t - offsetof(bell_redis, channel_timer)));
}

static void later(bell_redis *r) {
    if (r->channel_timer.place != 0) {
        return;
    }
    uint32_t ms = bell_redis_pause(r, r->channel_failures, LATER_LEAST_MS, LATER_MOST_MS);
    r->channel_failures++;
    r->channel_timer.fire = on_timer;
    bell_redis_timer_set(&r->timers, &r->channel_timer, bell_redis_now(r) + ms);
}

/* ---- a connection of channels */

void bell_redis_channel_ready(bell_redis_link *l) {
    for (bell_redis_channel *c = next_channel(l->r, NULL); c != NULL; c = next_channel(l->r, c)) {
        if (is_used_by(l, c) && !c->is_asked && l->state == BELL_REDIS_LINK_READY) {
            ask_in(c);
        }
    }
}

void bell_redis_channel_lost(bell_redis_link *l, const char *reason) {
    forget_expected(l);
    l->is_pinged = false;
    for (bell_redis_channel *c = next_channel(l->r, NULL); c != NULL; c = next_channel(l->r, c)) {
        if (is_used_by(l, c)) {
            become_deaf(c, reason);
        }
    }
    bell_redis_map_want(l->r);
}

void bell_redis_channel_watch(bell_redis_link *l) {
    bell_redis *r = l->r;
    int64_t now = bell_redis_now(r);
    bool is_silent = now - l->heard_ms >= r->o.timeout_ms;

    if (is_silent && l->is_pinged) {
        bell_redis_link_close(l, "it does not answer in time");
        return;
    }
    bell_redis_timer_set(&r->timers, &l->timer, now + r->o.timeout_ms);
    if (is_silent) {
        l->is_pinged = true;
        send_command(l, EXPECT_PONG, "PING", BELL_STR_NULL);
    }
}

/* ---- what is said */

static bell_redis_expected *expect(bell_redis_link *l, expected_kind kind, bell_str name) {
    bell_redis_expected *e = BELL_LIST_FIRST(&l->expected, bell_redis_expected, queue);

    if (e == NULL || e->kind != kind || !bell_str_eq((bell_str){e->name, e->len}, name)) {
        return NULL;
    }
    bell_list_remove(&e->queue);
    return e;
}

/* The slot has left the node, which says so by itself; or it is the answer to ours. */
static void went_out(bell_redis_link *l, bell_str name) {
    bell_redis *r = l->r;
    bell_redis_expected *e = expect(l, EXPECT_OUT, name);
    bell_redis_channel *c = e == NULL ? find(r, name) : NULL;

    free(e);
    if (c != NULL && c->link == l) {
        become_deaf(c, "its slot has another node");
        bell_redis_map_want(r);
        later(r);
    }
}

static void came_in(bell_redis_link *l, bell_str name) {
    bell_redis_expected *e = expect(l, EXPECT_IN, name);
    bell_redis_channel *c = find(l->r, name);

    free(e);
    if (e != NULL && c != NULL && c->link == l && c->is_asked) {
        c->is_listening = true;
        c->is_deaf = c->owes_deaf = false;
        l->r->channel_failures = 0;
        c->listener(c->data, BELL_REDIS_LISTENING, BELL_STR_NULL);
    }
}

static void refused(bell_redis_link *l, bell_str text) {
    bell_redis *r = l->r;
    bell_redis_expected *e = BELL_LIST_FIRST(&l->expected, bell_redis_expected, queue);
    bell_redis_verdict v;

    if (e == NULL) {
        return;
    }
    bell_list_remove(&e->queue);
    bell_redis_channel *c = e->kind == EXPECT_IN ? find(r, (bell_str){e->name, e->len}) : NULL;
    free(e);
    if (c == NULL || c->link != l) {
        return;
    }
    bell_redis_judge(text, &l->at, 0, &v);
    become_deaf(c, v.error == BELL_REDIS_OTHER ? text.p : bell_redis_error_reason(v.error));
    if (v.error == BELL_REDIS_MOVED && v.step == BELL_REDIS_SEND_THERE && r->o.is_cluster) {
        bell_redis_map_moved(r, &v);
    }
    if (v.refresh) {
        bell_redis_map_want(r);
    }
    later(r);
}

static void message(bell_redis_link *l, bell_str name, bell_str text) {
    bell_redis_channel *c = find(l->r, name);

    if (c != NULL && c->link == l && c->is_listening) {
        c->listener(c->data, BELL_REDIS_MESSAGE, text);
    }
}

static bell_str word(const redisReply *list, size_t i) {
    const redisReply *r = i < list->elements ? list->element[i] : NULL;
    return r != NULL && r->type == REDIS_REPLY_STRING ? (bell_str){r->str, (size_t)r->len} : BELL_STR_NULL;
}

void bell_redis_channel_heard(bell_redis_link *l, const redisReply *reply) {
    bell_str kind = reply->type == REDIS_REPLY_ARRAY ? word(reply, 0) : BELL_STR_NULL, name = BELL_STR_NULL;

    bell_redis_link_heard(l);
    if (reply->type == REDIS_REPLY_ERROR) {
        refused(l, (bell_str){reply->str, (size_t)reply->len});
        return;
    }
    if (reply->type == REDIS_REPLY_STATUS || bell_str_ieq(kind, BELL_STR("pong"))) {
        free(expect(l, EXPECT_PONG, name));
        return;
    }
    name = reply->type == REDIS_REPLY_ARRAY ? word(reply, 1) : name;
    if (bell_str_ieq(kind, BELL_STR("smessage")) || bell_str_ieq(kind, BELL_STR("message"))) {
        message(l, name, word(reply, 2));
    } else if (bell_str_ieq(kind, BELL_STR("ssubscribe")) || bell_str_ieq(kind, BELL_STR("subscribe"))) {
        came_in(l, name);
    } else if (bell_str_ieq(kind, BELL_STR("sunsubscribe")) || bell_str_ieq(kind, BELL_STR("unsubscribe"))) {
        went_out(l, name);
    }
}

/* ---- for others */

bell_redis_channel *bell_redis_listen(bell_redis *r, bell_str name, bell_redis_listener listener, void *data) {
    bool is_wrong = name.len == 0 || name.len > BELL_REDIS_CHANNEL_MAX || find(r, name) != NULL;
    bell_redis_channel *c = is_wrong || r->is_closed || r->nchannels >= BELL_REDIS_CHANNELS_MAX ? NULL : calloc(1, sizeof *c + name.len);

    if (c == NULL) {
        return NULL;
    }
    c->r = r;
    c->slot = bell_redis_slot(name);
    c->listener = listener;
    c->data = data;
    c->len = name.len;
    memcpy(c->name, name.p, name.len);
    bell_list_add(&r->channels, &c->queue);
    r->nchannels++;
    route(c);
    bell_redis_rearm(r);
    return c;
}

static void drop(bell_redis_channel *c) {
    bell_list_remove(&c->queue);
    c->r->nchannels--;
    free(c);
}

void bell_redis_unlisten(bell_redis_channel *c) {
    bell_redis *r = c->r;

    if (c->link != NULL) {
        ask_out(c);
    }
    r->has_pruning = true;
    drop(c);
}

void bell_redis_channel_free_all(bell_redis *r) {
    for (bell_redis_channel *c = next_channel(r, NULL), *next; c != NULL; c = next) {
        next = next_channel(r, c);
        drop(c);
    }
}
