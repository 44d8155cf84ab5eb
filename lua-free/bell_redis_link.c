/* A connection to one node. What hiredis has of ours, an io, outlives the link's use of it: a link that gives its connection up lets go of that
 * first, and it is freed when nobody reads or writes any more. hiredis connects, writes, and cleans up; of commands and their answers it knows
 * nothing. */
#include "bell_redis_parts.h"

#include <arpa/inet.h>
#include <hiredis/async.h>
#include <stdio.h>
#include <stdlib.h>

#define SETTLED_MS 5000

/* ---- what hiredis asks of a loop */

static void want(bell_redis_io *io, bool read, bool write) {
    if (io->read != read || io->write != write) {
        io->read = read;
        io->write = write;
        io->want(io->watched, read, write);
    }
}

static void add_read(void *data) {
    bell_redis_io *io = data;
    want(io, true, io->write);
}

static void del_read(void *data) {
    bell_redis_io *io = data;
    want(io, false, io->write);
}

static void add_write(void *data) {
    bell_redis_io *io = data;
    want(io, io->read, true);
}

static void del_write(void *data) {
    bell_redis_io *io = data;
    want(io, io->read, false);
}

const char *bell_redis_link_reason(const bell_redis_io *io, char *out, size_t room) {
    const redisContext *c = &io->ac->c;
    bool may_be_tls = io->ssl != NULL && (c->err == REDIS_ERR_IO || c->err == REDIS_ERR_EOF);
    const char *said = may_be_tls ? bell_redis_tls_reason(io->ssl, out, room) : NULL;

    return said != NULL ? said : c->err ? c->errstr : "the connection ended";
}

static void let_go(bell_redis_link *l, const char *said);

/* hiredis closes the socket and frees its context behind this. */
static void cleanup(void *data) {
    bell_redis_io *io = data;
    char out[BELL_REDIS_REASON_MAX];

    if (io->link != NULL) {
        let_go(io->link, bell_redis_link_reason(io, out, sizeof out));
    }
    io->unwatch(io->watched);
    if (io->gone != NULL) {
        *io->gone = true;
    }
    io->ac->ev.addRead = io->ac->ev.delRead = io->ac->ev.addWrite = io->ac->ev.delWrite = io->ac->ev.cleanup = NULL;
    free(io);
}

/* ---- an end */

/* Whether somebody waits for this link, or will. */
static bool is_wanted(const bell_redis_link *l) {
    const bell_redis *r = l->r;

    if (r->is_closed) {
        return false;
    }
    if (!bell_list_is_empty(&l->waiting) || (l->is_of_channels && bell_redis_channel_uses(l))) {
        return true;
    }
    return !r->o.is_cluster && !l->is_of_channels && l == bell_redis_map_any(l->r);
}

static void pause_link(bell_redis_link *l) {
    bell_redis *r = l->r;
    uint32_t ms = bell_redis_pause(r, l->failures, r->o.pause_least_ms, r->o.pause_most_ms);

    l->state = BELL_REDIS_LINK_PAUSED;
    l->failures++;
    bell_redis_timer_set(&r->timers, &l->timer, bell_redis_now(r) + ms);
}

static void complain(bell_redis_link *l, const char *reason) {
    bell_redis *r = l->r;
    bool is_path = l->at.host[0] == '/';

    snprintf(r->reason, sizeof r->reason, "%.200s:%u: %.100s", l->at.host, l->at.port, reason);
    if (is_path) {
        snprintf(r->reason, sizeof r->reason, "%.200s: %.100s", l->at.host, reason);
    }
    if (!l->is_told) {
        l->is_told = true;
        bell_redis_say(r, BELL_REDIS_ERROR_LINE, "Redis cannot be used: %s; it is tried again until it can", r->reason);
    }
}

/* A connection that was made and has nothing to do may be ended by Redis, which has a setting for that: nobody is told. */
static bool was_idle(const bell_redis_link *l) {
    return l->state == BELL_REDIS_LINK_READY && bell_list_is_empty(&l->sent) && bell_list_is_empty(&l->waiting) && !l->is_of_channels &&
           l->failures == 0;
}

/* Each of a list is given to lost(), which may put it at the end of the same list. */
static void lose_all(bell_list *list, const char *reason) {
    bell_list now;
    bell_redis_task *t;

    bell_list_take(&now, list);
    while ((t = BELL_LIST_FIRST(&now, bell_redis_task, queue)) != NULL) {
        bell_list_remove(&t->queue);
        bell_redis_task_lost(t, reason);
    }
}

static void lose_sent(bell_redis_link *l, const char *reason) {
    bell_list now;

    l->nsent = 0;
    bell_list_take(&now, &l->sent);
    for (bell_list *link = now.next, *next; link != &now; link = next) {
        bell_redis_sent *s = BELL_LIST_OF(link, bell_redis_sent, queue);
        bell_redis_task *t = s->task;
        next = link->next;
        l->r->bytes -= s->len;
        free(s);
        if (t != NULL) {
            t->sent = NULL;
            l->r->figures.broken++;
            bell_redis_task_lost(t, reason);
        }
    }
}

/* The connection is no longer ours. */
static void let_go(bell_redis_link *l, const char *said) {
    char reason[BELL_REDIS_REASON_MAX];
    bell_redis *r = l->r;
    bool idle = was_idle(l);

    snprintf(reason, sizeof reason, "%s", said);
    l->io->link = NULL;
    l->io = NULL;
    l->ac = NULL;
    if (!idle && !r->is_closed) {
        r->figures.failures++;
        complain(l, reason);
    }
    pause_link(l);
    lose_sent(l, reason);
    if (l->is_of_channels) {
        bell_redis_channel_lost(l, reason);
    } else if (!idle) {
        bell_redis_map_lost(r, l);
    }
    lose_all(&l->waiting, reason);
}

void bell_redis_link_close(bell_redis_link *l, const char *reason) {
    bell_redis_io *io = l->io;

    if (io == NULL) {
        return;
    }
    let_go(l, reason);
    if (io->is_inside) {
        io->is_doomed = true;
    } else {
        redisAsyncFree(io->ac);
    }
}

/* ---- commands */

bool bell_redis_link_can_take(const bell_redis_link *l) {
    return l->state == BELL_REDIS_LINK_READY && l->nsent < l->r->o.in_flight_max;
}

/* It can be used: the next pause is a short one, and who was told that it cannot is told so. */
static void trust(bell_redis_link *l) {
    l->failures = 0;
    if (l->is_told) {
        l->is_told = false;
        bell_redis_say(l->r, BELL_REDIS_NOTICE_LINE, "Redis at %s:%u is reached again", l->at.host, l->at.port);
    }
}

void bell_redis_link_heard(bell_redis_link *l) {
    l->heard_ms = bell_redis_now(l->r);
    l->is_pinged = false;
    trust(l);
}

/* Nobody knows any more which answer is whose. */
static void answered_unasked(bell_redis_link *l, const redisReply *reply) {
    char reason[BELL_REDIS_REASON_MAX];

    snprintf(reason, sizeof reason, "it answers what nobody has asked%s%.200s", reply->type == REDIS_REPLY_ERROR ? ": " : "",
             reply->type == REDIS_REPLY_ERROR ? reply->str : "");
    l->failures++; /* no end that is nobody's fault */
    bell_redis_link_close(l, reason);
}

/* Answers come in the order of commands. Touches nothing behind the handler. */
void bell_redis_link_answered(bell_redis_link *l, const redisReply *reply) {
    bell_redis_sent *s = BELL_LIST_FIRST(&l->sent, bell_redis_sent, queue);

    if (s == NULL) {
        answered_unasked(l, reply);
        return;
    }
    bell_redis_sent was = *s;
    bell_list_remove(&s->queue);
    l->nsent--;
    l->r->bytes -= s->len;
    free(s);
    if (was.task != NULL) {
        was.task->sent = NULL;
    }
    if (l->state == BELL_REDIS_LINK_READY) {
        bell_redis_link_heard(l);
        bell_redis_task_flush(l);
    }
    if (was.own != NULL) {
        was.own(l, reply);
    } else if (was.task != NULL) {
        bell_redis_task_answered(was.task, l, reply);
    }
}

bool bell_redis_link_send(bell_redis_link *l, bell_redis_task *t, void (*own)(bell_redis_link *l, const redisReply *reply), const char *bytes,
                          size_t len) {
    bell_redis *r = l->r;
    bell_redis_sent *s = calloc(1, sizeof *s);

    if (s == NULL || redisAppendFormattedCommand(&l->ac->c, bytes, len) != REDIS_OK) {
        free(s);
        bell_redis_link_close(l, "a command could not be sent: there is no memory left");
        return false;
    }
    s->task = t;
    s->own = own;
    s->at_ms = bell_redis_now(r);
    s->len = len;
    r->bytes += len;
    bell_list_add(&l->sent, &s->queue);
    l->nsent++;
    if (t != NULL) {
        t->sent = s;
        r->figures.sent++;
    }
    if (l->timer.place == 0 || (l->state == BELL_REDIS_LINK_READY && l->timer.at_ms > s->at_ms + r->o.timeout_ms)) {
        bell_redis_timer_set(&r->timers, &l->timer, s->at_ms + r->o.timeout_ms);
        bell_redis_rearm(r);
    }
    l->ac->ev.addWrite(l->ac->ev.data);
    return true; // cppcheck-suppress memleak ; it is in the list
}

/* ---- a beginning */

/* That it answers PING says little: it has to stand for a while, or answer something else, before it counts as reached. */
static void become_ready(bell_redis_link *l) {
    bell_redis *r = l->r;

    l->state = BELL_REDIS_LINK_READY;
    l->ready_ms = l->heard_ms = bell_redis_now(r);
    r->figures.connects++;
    if (l->is_of_channels) {
        bell_redis_timer_set(&r->timers, &l->timer, l->heard_ms + r->o.timeout_ms);
        bell_redis_channel_ready(l);
    } else {
        bell_redis_timer_set(&r->timers, &l->timer, l->ready_ms + SETTLED_MS);
        bell_redis_task_flush(l);
    }
}

static bool sends_away(bell_redis_link *l, const redisReply *reply) {
    char reason[BELL_REDIS_REASON_MAX];
    bool is_away =
        reply->type == REDIS_REPLY_ERROR && (strncmp(reply->str, "DENIED", 6) == 0 || strncmp(reply->str, "ERR max number of clients", 25) == 0);

    if (is_away) {
        snprintf(reason, sizeof reason, "it takes no more connections, or none from here: %.200s", reply->str);
        bell_redis_link_close(l, reason);
    }
    return is_away;
}

/* Any other answer to PING will do, also that it may not be asked. */
static void ponged(bell_redis_link *l, const redisReply *reply) {
    if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOAUTH", 6) == 0) {
        bell_redis_link_close(l, "it asks for a password, and none is given");
    } else if (!sends_away(l, reply)) {
        become_ready(l);
    }
}

static void signed_in(bell_redis_link *l, const redisReply *reply) {
    char reason[BELL_REDIS_REASON_MAX];

    if (!sends_away(l, reply) && reply->type == REDIS_REPLY_ERROR) {
        snprintf(reason, sizeof reason, "it refuses the user or the password: %.200s", reply->str);
        bell_redis_link_close(l, reason);
    }
}

static size_t write_auth(const bell_redis_options *o, char *out, size_t room) {
    bool has_user = o->user.len > 0;
    size_t n = (size_t)snprintf(out, room, "*%d\r\n$4\r\nAUTH\r\n", has_user ? 3 : 2);

    if (has_user) {
        n += (size_t)snprintf(out + n, room - n, "$%zu\r\n%.*s\r\n", o->user.len, BELL_STR_ARG(o->user));
    }
    return n + (size_t)snprintf(out + n, room - n, "$%zu\r\n%.*s\r\n", o->password.len, BELL_STR_ARG(o->password));
}

/* A Redis that hangs takes connections, too: only an answer is a sign. */
static void greet(bell_redis_link *l) {
    const bell_redis_options *o = &l->r->o;
    static const char ping[] = "*1\r\n$4\r\nPING\r\n";

    l->state = BELL_REDIS_LINK_GREETING;
    if (o->password.len > 0) {
        char auth[2 * BELL_REDIS_SECRET_MAX + 64];
        size_t len = write_auth(o, auth, sizeof auth);
        bool is_sent = bell_redis_link_send(l, NULL, signed_in, auth, len);
        explicit_bzero(auth, sizeof auth);
        if (!is_sent) {
            return;
        }
    }
    (void)bell_redis_link_send(l, NULL, ponged, ping, sizeof ping - 1);
}

/* What went wrong is told by the cleanup. */
static void on_connect(const redisAsyncContext *ac, int status) {
    bell_redis_io *io = ac->ev.data;

    if (status == REDIS_OK && io != NULL && io->link != NULL) {
        greet(io->link);
    }
}

static bool attach(bell_redis_link *l, redisAsyncContext *ac, void *ssl) {
    const bell_redis_loop *loop = &l->r->loop;
    bell_redis_io *io = calloc(1, sizeof *io);

    if (io == NULL || (io->watched = loop->watch(loop->data, ac->c.fd, io)) == NULL) {
        free(io);
        return false;
    }
    io->link = l;
    io->ac = ac;
    io->ssl = ssl;
    io->want = loop->want;
    io->unwatch = loop->unwatch;
    l->io = io;
    l->ac = ac;
    bell_redis_read_begin(ac->c.reader);
    ac->ev.data = io;
    ac->ev.addRead = add_read;
    ac->ev.delRead = del_read;
    ac->ev.addWrite = add_write;
    ac->ev.delWrite = del_write;
    ac->ev.cleanup = cleanup;
    redisAsyncSetConnectCallback(ac, on_connect); /* begins to watch for the connection */
    return true;
}

static bool is_address(const char *host) {
    struct in6_addr any;
    return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

static redisAsyncContext *dial(const bell_redis_link *l) {
    return l->at.host[0] == '/' ? redisAsyncConnectUnix(l->at.host) : redisAsyncConnect(l->at.host, l->at.port);
}

/* There was no connection. */
static void fail(bell_redis_link *l, const char *said) {
    bell_redis *r = l->r;
    char reason[BELL_REDIS_REASON_MAX];

    snprintf(reason, sizeof reason, "%s", said);
    r->figures.failures++;
    complain(l, reason);
    pause_link(l);
    if (l->is_of_channels) {
        bell_redis_channel_lost(l, reason);
    } else {
        bell_redis_map_lost(r, l);
    }
    lose_all(&l->waiting, reason);
}

static void connect_link(bell_redis_link *l) {
    bell_redis *r = l->r;

    if (l->at.host[0] != '/' && !is_address(l->at.host)) {
        fail(l, "the cluster tells a name, which is not looked up: cluster-preferred-endpoint-type ip is expected");
        return;
    }
    l->state = BELL_REDIS_LINK_CONNECTING;
    redisAsyncContext *ac = dial(l);
    char out[BELL_REDIS_REASON_MAX];
    void *ssl = NULL;
    const char *reason = ac == NULL ? "there is no memory left" : ac->err ? ac->errstr : NULL;
    if (reason == NULL && r->o.tls != NULL && (ssl = bell_redis_tls_begin(r->o.tls, ac, out, sizeof out)) == NULL) {
        reason = out;
    }
    if (reason == NULL && !attach(l, ac, ssl)) {
        reason = "there is no connection or no memory left for it";
    }
    if (reason != NULL) {
        fail(l, reason);
        if (ac != NULL) {
            redisAsyncFree(ac);
        }
        return;
    }
    bell_redis_timer_set(&r->timers, &l->timer, bell_redis_now(r) + r->o.connect_ms);
    bell_redis_rearm(r);
}

void bell_redis_link_open(bell_redis_link *l) {
    if (l->state == BELL_REDIS_LINK_IDLE && !l->r->is_closed) {
        connect_link(l);
    }
}

/* ---- time */

/* It is given up when it has said nothing for a while and the oldest command is as old. */
static void lose_patience(bell_redis_link *l, const bell_redis_sent *oldest) {
    bell_redis *r = l->r;
    int64_t since = oldest->at_ms > l->heard_ms ? oldest->at_ms : l->heard_ms;

    if (bell_redis_now(r) - since >= r->o.timeout_ms) {
        bell_redis_link_close(l, "it does not answer in time");
    } else {
        bell_redis_timer_set(&r->timers, &l->timer, since + r->o.timeout_ms);
    }
}

/* Who has stood for a while and owes nobody an answer counts as reached. */
static void watch_over(bell_redis_link *l) {
    const bell_redis_sent *oldest = BELL_LIST_FIRST(&l->sent, bell_redis_sent, queue);

    if (oldest != NULL) {
        lose_patience(l, oldest);
    } else if (bell_redis_now(l->r) < l->ready_ms + SETTLED_MS) {
        bell_redis_timer_set(&l->r->timers, &l->timer, l->ready_ms + SETTLED_MS);
    } else {
        trust(l);
    }
}

static void on_timer(bell_redis_timer *t) {
    bell_redis_link *l = (bell_redis_link *)((char *)t - offsetof(bell_redis_link, timer));

    switch (l->state) {
    case BELL_REDIS_LINK_PAUSED:
        l->state = BELL_REDIS_LINK_IDLE;
        if (is_wanted(l)) {
            connect_link(l);
        }
        break;
    case BELL_REDIS_LINK_CONNECTING:
        bell_redis_link_close(l, "it takes no connection in time");
        break;
    case BELL_REDIS_LINK_GREETING:
        bell_redis_link_close(l, l->r->o.tls == NULL ? "it takes a connection and says nothing" : "it takes a connection and says nothing in TLS");
        break;
    case BELL_REDIS_LINK_READY:
        if (l->is_of_channels) {
            bell_redis_channel_watch(l);
        } else {
            watch_over(l);
        }
        break;
    case BELL_REDIS_LINK_IDLE:
        break;
    }
}

/* ---- links */

bell_redis_link *bell_redis_link_to(bell_redis *r, const bell_redis_endpoint *at, bool is_of_channels) {
    for (size_t i = 0; i < r->nlinks; i++) {
        bell_redis_link *l = r->links[i];
        if (l->is_of_channels == is_of_channels && l->at.port == at->port && strcmp(l->at.host, at->host) == 0) {
            return l;
        }
    }
    bell_redis_link *l = r->nlinks < BELL_REDIS_LINKS_MAX ? calloc(1, sizeof *l) : NULL;
    if (l == NULL) {
        return NULL;
    }
    l->r = r;
    l->at = *at;
    l->is_of_channels = is_of_channels;
    l->timer.fire = on_timer;
    bell_list_init(&l->sent);
    bell_list_init(&l->waiting);
    bell_list_init(&l->expected);
    r->links[r->nlinks++] = l;
    return l;
}

void bell_redis_link_free(bell_redis_link *l) {
    bell_redis_link_close(l, "the store is closed");
    bell_redis_timer_clear(&l->r->timers, &l->timer);
    free(l);
}

/* Whether the map, the seeds or anybody knows it. */
static bool is_known(const bell_redis_link *l) {
    const bell_redis *r = l->r;

    for (size_t i = 0; i < r->o.nseeds; i++) {
        if (l->at.port == r->o.seeds[i].port && strcmp(l->at.host, r->o.seeds[i].host) == 0) {
            return true;
        }
    }
    for (size_t i = 0; r->map != NULL && i < r->map->nnodes; i++) {
        if (l->at.port == r->map->nodes[i].at.port && strcmp(l->at.host, r->map->nodes[i].at.host) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_in_use(const bell_redis_link *l) {
    return !bell_list_is_empty(&l->sent) || !bell_list_is_empty(&l->waiting) || l == l->r->map_link ||
           (l->is_of_channels && bell_redis_channel_uses(l));
}

void bell_redis_link_prune(bell_redis *r) {
    for (size_t i = 0; r->has_pruning && i < r->nlinks;) {
        bell_redis_link *l = r->links[i];
        if (is_in_use(l) || (!l->is_of_channels && is_known(l))) {
            i++;
            continue;
        }
        bell_redis_link_close(l, "nobody needs it any more");
        bell_redis_timer_clear(&r->timers, &l->timer);
        free(l);
        r->links[i] = r->links[--r->nlinks];
    }
    r->has_pruning = false;
}
