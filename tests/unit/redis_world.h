/* What the tests of the client of Redis share: nodes on sockets of this very process, whose words the test chooses, and a loop with a clock of its
 * own, which goes on only when no byte is under way. So everything that takes time takes none, and the order of events is the same each time. */
#ifndef REDIS_WORLD_H
#define REDIS_WORLD_H

#include "bell_redis.h"
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORLD_NODES   6
#define WORLD_PEERS   64
#define WORLD_WATCHED 64
#define WORLD_WORDS   16
#define WORLD_LINES   4096

typedef struct world world;
typedef struct node node;

/* Somebody's connection to a node. */
typedef struct {
    int fd; /* -1: none */
    node *at;
    redisReader *reader;
    bool is_known, is_asking;
} peer;

/* A command's words, ends with NULL. The answer goes out with say(). */
typedef void (*node_answer)(world *w, peer *p, const char *const *words);

struct node {
    int fd; /* it listens; -1: nobody is there */
    uint16_t port;
    const char *password; /* NULL: none */
    const char *away;     /* an error that greetings are answered with; NULL: none */
    bool is_deaf;         /* takes connections, reads nothing */
    node_answer answer;
};

typedef struct {
    bool is_used, read, write;
    int fd;
    bell_redis_io *io;
    world *w;
} watched;

struct world {
    int64_t now_ms, due_ms; /* -1: the timer is not armed */
    uint64_t random;
    node nodes[WORLD_NODES];
    peer peers[WORLD_PEERS];
    watched watching[WORLD_WATCHED];
    bell_redis *r;
    bool is_ready;
    unsigned turns;
    char lines[WORLD_LINES]; /* of the log */
    void *own;               /* of the test */
};

/* ---- the loop */

static inline int64_t world_now(void *data) {
    return ((world *)data)->now_ms;
}

static inline uint64_t world_random(void *data) {
    world *w = data;
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return w->random >> 33;
}

static inline void world_arm(void *data, uint32_t ms) {
    world *w = data;
    w->due_ms = w->now_ms + ms;
}

static inline void world_disarm(void *data) {
    ((world *)data)->due_ms = -1;
}

static inline void *world_watch(void *data, int fd, bell_redis_io *io) {
    world *w = data;

    for (size_t i = 0; i < WORLD_WATCHED; i++) {
        if (!w->watching[i].is_used) {
            w->watching[i] = (watched){.is_used = true, .fd = fd, .io = io, .w = w};
            return &w->watching[i];
        }
    }
    return NULL;
}

static inline void world_want(void *data, bool read, bool write) {
    watched *one = data;
    assert_true(one->is_used);
    one->read = read;
    one->write = write;
}

static inline void world_unwatch(void *data) {
    watched *one = data;
    assert_true(one->is_used);
    one->is_used = false;
}

static inline void world_log(void *data, bell_redis_level level, const char *line) {
    world *w = data;
    size_t len = strlen(w->lines);
    snprintf(w->lines + len, WORLD_LINES - len, "%s %s\n", level == BELL_REDIS_ERROR_LINE ? "error" : "notice", line);
}

static inline void world_turned(void *data, bool is_ready) {
    world *w = data;
    assert_int_not_equal(w->is_ready, is_ready);
    w->is_ready = is_ready;
    w->turns++;
}

/* ---- nodes */

__attribute__((format(printf, 2, 3))) static inline void say(peer *p, const char *fmt, ...) {
    char text[65536];
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof text);
    (void)!send(p->fd, text, (size_t)n, MSG_NOSIGNAL);
}

static inline void hang_up(peer *p) {
    if (p->fd >= 0) {
        close(p->fd);
        redisReaderFree(p->reader);
    }
    *p = (peer){.fd = -1};
}

/* Nobody is there any more. */
static inline void node_dies(world *w, node *n) {
    for (size_t i = 0; i < WORLD_PEERS; i++) {
        if (w->peers[i].fd >= 0 && w->peers[i].at == n) {
            hang_up(&w->peers[i]);
        }
    }
    if (n->fd >= 0) {
        close(n->fd);
    }
    n->fd = -1;
}

/* On its port again, once it has one. */
static inline void node_lives(node *n, node_answer answer) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(n->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int on = 1;

    n->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    n->answer = answer;
    assert_true(n->fd >= 0 && setsockopt(n->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    assert_int_equal(bind(n->fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(n->fd, 64), 0);
    assert_int_equal(getsockname(n->fd, (struct sockaddr *)&at, &len), 0);
    n->port = ntohs(at.sin_port);
}

static inline void node_takes(world *w, node *n) {
    for (size_t i = 0; i < WORLD_PEERS; i++) {
        peer *p = &w->peers[i];
        if (p->fd < 0) {
            int fd = accept4(n->fd, NULL, NULL, SOCK_NONBLOCK);
            int on = 1;
            if (fd >= 0) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* nothing waits for the kernel's clock */
                *p = (peer){.fd = fd, .at = n, .reader = redisReaderCreate(), .is_known = n->password == NULL};
            }
            return;
        }
    }
}

/* What every node does with a greeting; true: it was one. */
static inline bool node_greets(peer *p, const char *const *words) {
    if (p->at->away != NULL) {
        say(p, "-%s\r\n", p->at->away);
        return true;
    }
    if (strcasecmp(words[0], "AUTH") == 0) {
        const char *password = words[2] != NULL ? words[2] : words[1];
        p->is_known = p->at->password != NULL && strcmp(password, p->at->password) == 0;
        say(p, p->is_known ? "+OK\r\n" : "-WRONGPASS invalid username-password pair\r\n");
        return true;
    }
    if (!p->is_known) {
        say(p, "-NOAUTH Authentication required.\r\n");
        return true;
    }
    if (strcasecmp(words[0], "PING") == 0) {
        say(p, "+PONG\r\n");
        return true;
    }
    if (strcasecmp(words[0], "ASKING") == 0) {
        p->is_asking = true;
        say(p, "+OK\r\n");
        return true;
    }
    return false;
}

static inline void node_hears(world *w, peer *p) {
    char bytes[65536];
    ssize_t n = recv(p->fd, bytes, sizeof bytes, 0);
    void *reply = NULL;

    if (n <= 0) {
        hang_up(p);
        return;
    }
    assert_int_equal(redisReaderFeed(p->reader, bytes, (size_t)n), REDIS_OK);
    while (p->fd >= 0 && redisReaderGetReply(p->reader, &reply) == REDIS_OK && reply != NULL) {
        const redisReply *command = reply;
        const char *words[WORLD_WORDS + 1] = {NULL};
        assert_true(command->type == REDIS_REPLY_ARRAY && command->elements <= WORLD_WORDS);
        for (size_t i = 0; i < command->elements; i++) {
            words[i] = command->element[i]->str;
        }
        if (!node_greets(p, words)) {
            p->at->answer(w, p, words);
            p->is_asking = false;
        }
        freeReplyObject(reply);
        reply = NULL;
    }
}

/* ---- turns */

static inline bool nodes_turn(world *w) {
    bool any = false;

    for (size_t i = 0; i < WORLD_NODES; i++) {
        struct pollfd f = {.fd = w->nodes[i].fd, .events = POLLIN};
        if (w->nodes[i].fd >= 0 && poll(&f, 1, 0) > 0) {
            node_takes(w, &w->nodes[i]);
            any = true;
        }
    }
    for (size_t i = 0; i < WORLD_PEERS; i++) {
        struct pollfd f = {.fd = w->peers[i].fd, .events = POLLIN};
        if (w->peers[i].fd >= 0 && !w->peers[i].at->is_deaf && poll(&f, 1, 0) > 0) {
            node_hears(w, &w->peers[i]);
            any = true;
        }
    }
    return any;
}

static inline bool client_turn(world *w) {
    bool any = false;

    for (size_t i = 0; i < WORLD_WATCHED; i++) {
        watched *one = &w->watching[i];
        struct pollfd f = {.fd = one->fd, .events = (short)((one->read ? POLLIN : 0) | (one->write ? POLLOUT : 0))};
        if (!one->is_used || f.events == 0 || poll(&f, 1, 0) <= 0) {
            continue;
        }
        bool ended = (f.revents & (POLLERR | POLLHUP)) != 0;
        bell_redis_io_ready(one->io, one->read && (ended || f.revents & POLLIN), one->write && (ended || f.revents & POLLOUT));
        any = true;
    }
    return any;
}

/* One thing, or the time goes on to the timer, at most to `until`. false: nothing more will happen until then. */
static inline bool world_turn(world *w, int64_t until_ms) {
    bool any = nodes_turn(w);

    any = client_turn(w) || any;
    if (any) {
        return true;
    }
    if (w->due_ms < 0 || w->due_ms > until_ms) {
        w->now_ms = until_ms;
        return false;
    }
    w->now_ms = w->due_ms > w->now_ms ? w->due_ms : w->now_ms;
    w->due_ms = -1;
    bell_redis_tick(w->r);
    return true;
}

static inline void world_goes(world *w, int64_t ms) {
    int64_t until = w->now_ms + ms;

    for (unsigned turns = 0; world_turn(w, until); turns++) {
        assert_true(turns < 1000000);
    }
}

/* ---- a store */

static inline void world_begin(world *w, uint64_t seed) {
    memset(w, 0, sizeof *w);
    w->now_ms = 1000000;
    w->due_ms = -1;
    w->random = seed * 2654435761u + 1;
    for (size_t i = 0; i < WORLD_NODES; i++) {
        w->nodes[i].fd = -1;
    }
    for (size_t i = 0; i < WORLD_PEERS; i++) {
        w->peers[i].fd = -1;
    }
}

static inline bell_redis_loop world_loop(world *w) {
    return (bell_redis_loop){.data = w,
                             .now_ms = world_now,
                             .random = world_random,
                             .arm = world_arm,
                             .disarm = world_disarm,
                             .watch = world_watch,
                             .want = world_want,
                             .unwatch = world_unwatch,
                             .log = world_log,
                             .turned = world_turned};
}

static inline void world_add_seed(bell_redis_options *o, const node *n) {
    bell_redis_endpoint *at = &o->seeds[o->nseeds++];
    snprintf(at->host, sizeof at->host, "127.0.0.1");
    at->port = n->port;
}

static inline void world_open(world *w, const bell_redis_options *o) {
    bell_redis_loop loop = world_loop(w);
    const char *reason;

    w->r = bell_redis_new(o, &loop, &reason);
    assert_null(reason);
    assert_non_null(w->r);
}

static inline void world_close(world *w) {
    bell_redis_free(w->r);
    w->r = NULL;
    assert_int_equal(w->due_ms, -1);
    for (size_t i = 0; i < WORLD_WATCHED; i++) {
        assert_false(w->watching[i].is_used);
    }
}

static inline void world_end(world *w) {
    for (size_t i = 0; i < WORLD_NODES; i++) {
        node_dies(w, &w->nodes[i]);
    }
}

#endif
