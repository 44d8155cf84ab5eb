/* `http_load`: sends HTTP/1.1 requests over kept connections for some seconds and prints one line of JSON about what came back.
 *
 *   http_load --to unix:PATH|PORT --connections N --seconds S --requests FILE [--rate R | --total N] [--from N] [--seed N] [--context-key FILE
 * --tenant ID]
 *
 * With --total it ends when so many were answered: as many as there are connections are a herd that asks in the same moment. One program cannot send
 * for all of them at once: a latency counts from that moment, and what is answered while others are still being sent for is read as it comes. With
 * --from it begins with the request that has that number, from 0 and around again, not with the first.
 *
 * With --context-key it speaks to an origin in an edge's place: every request has a Bell-Context of that key and tenant.
 *
 * Without --rate every connection asks again as soon as it is answered: how much the server can do. With --rate requests are due at random
 * moments (exponential gaps, R a second together) whether or not earlier ones were answered, and a latency counts from the moment that the
 * request was due, so that a server which stalls is not spared the requests that wait for it.
 *
 * FILE has a request a line: METHOD PATH, then headers (Host: localhost when they name none) and, after "=", a body, parted by tabs. Requests are
 * sent in turn. Only loopback and unix sockets are spoken to. Answers need a Content-Length. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "load/histogram.h"
#include "load/requests.h"

#define CONNECTIONS_MAX 16384
#define SECONDS_MAX     3600
#define RATE_MAX        1000000
#define IN_BYTES        16384
#define EVENTS          256
#define HERD_LOOK       16       /* requests of a herd between two looks at what was answered */
#define GRACE_US        15000000 /* for what is under way when the time is up */

/* ---- what is asked for, what was seen ---- */

typedef struct {
    const char *to, *requests, *context_key;
    uint64_t connections, seconds, rate, total, from, seed, tenant;
} options;

typedef struct {
    histogram latencies;
    histogram first_bytes;           /* from the same moment until an answer begins to come */
    uint64_t answered, good, errors; /* errors: connections that broke or said what is no answer */
    uint64_t due, unsent, unanswered;
    uint64_t bytes;
} outcome;

typedef struct {
    int fd;
    const load_request *request; /* under way; NULL: idle */
    const char *out;             /* its bytes, as they were when it began */
    size_t out_len, sent;
    uint64_t due_us; /* when the request was to be sent */
    char in[IN_BYTES];
    size_t in_len;
    uint64_t body_left;
    bool answer_begun, in_body, close_after, status_good;
    uint32_t interest;
} client;

typedef struct {
    const options *opt;
    load_requests list;
    bell_context_key *key; /* NULL: without a context */
    size_t next_request;
    client *clients;
    client **idle;
    size_t nidle;
    int epoll;
    uint64_t end_us, next_due_us, random, begun;
    uint64_t *waiting; /* due moments that no connection was free for: a ring */
    size_t waiting_first, nwaiting, waiting_max;
    size_t under_way;
    outcome out;
} run;

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void die(const char *what, const char *why) {
    fprintf(stderr, "http_load: %s: %s\n", what, why);
    exit(1);
}

/* ---- connections ---- */

static int connect_unix(const char *path) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(a.sun_path)) {
        die(path, "a socket path has at most 107 bytes");
    }
    memcpy(a.sun_path, path, strlen(path) + 1);
    return fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 ? fd : -1;
}

static int connect_port(const char *text) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    uint64_t port;

    if (!bell_str_to_u64(bell_str_of(text), 65535, &port) || port == 0) {
        die(text, "unix:PATH or a port of the loopback address is expected");
    }
    a.sin_port = htons((uint16_t)port);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 ? fd : -1;
}

static void watch(run *r, client *c, int op, uint32_t events) {
    struct epoll_event e = {.events = events, .data.ptr = c};
    c->interest = events;
    epoll_ctl(r->epoll, op, c->fd, &e);
}

/* Connecting is not measured: it blocks, which makes the connections come one by one. */
static bool open_client(run *r, client *c) {
    const char *to = r->opt->to;
    c->fd = strncmp(to, "unix:", 5) == 0 ? connect_unix(to + 5) : connect_port(to);
    if (c->fd < 0) {
        return false;
    }
    struct timeval none = {0, 0};
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none));
    c->request = NULL;
    c->in_len = 0;
    c->in_body = false;
    watch(r, c, EPOLL_CTL_ADD, EPOLLIN);
    r->idle[r->nidle++] = c;
    return true;
}

static void leave_idle(run *r, const client *c) {
    for (size_t i = 0; i < r->nidle; i++) {
        if (r->idle[i] == c) {
            r->idle[i] = r->idle[--r->nidle];
            break;
        }
    }
}

/* A connection that ended is opened again; its request has failed. */
static void reopen(run *r, client *c, bool failed) {
    close(c->fd);
    if (c->request != NULL) {
        r->under_way--;
        c->request = NULL;
    }
    if (failed) {
        r->out.errors++;
    }
    leave_idle(r, c);
    for (int tries = 0; now_us() < r->end_us && !open_client(r, c); tries++) {
        struct timespec pause = {0, 10000000};
        nanosleep(&pause, NULL);
    }
}

/* ---- sending ---- */

static void send_more(run *r, client *c) {
    while (c->sent < c->out_len) {
        ssize_t n = send(c->fd, c->out + c->sent, c->out_len - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno != EAGAIN) {
            return; /* the read tells */
        }
        if (n < 0) {
            watch(r, c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return;
        }
        c->sent += (size_t)n;
    }
    if (c->interest & EPOLLOUT) {
        watch(r, c, EPOLL_CTL_MOD, EPOLLIN);
    }
}

static void begin_request(run *r, client *c, uint64_t due_us) {
    load_request *q = &r->list.requests[r->next_request++ % r->list.count];
    if (r->key != NULL && !load_request_stamp(q, r->key, (uint32_t)r->opt->tenant, (int64_t)time(NULL))) {
        die(r->opt->context_key, "a context cannot be made for a request");
    }
    c->request = q;
    c->out = q->bytes;
    c->out_len = q->len;
    c->due_us = due_us;
    c->answer_begun = false;
    c->sent = 0;
    r->under_way++;
    r->begun++;
    send_more(r, c);
}

/* Exponential gaps: xorshift64* (Vigna 2016) behind -ln. */
static uint64_t gap_us(run *r) {
    uint64_t x = r->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    r->random = x;
    double uniform = ((double)((x * 0x2545F4914F6CDD1D) >> 11) + 1) / 9007199254740993.0;
    return (uint64_t)(-log(uniform) * 1e6 / (double)r->opt->rate);
}

static void come_due(run *r, uint64_t now) {
    while (r->opt->rate > 0 && r->next_due_us <= now && r->next_due_us < r->end_us) {
        r->out.due++;
        if (r->nwaiting < r->waiting_max) {
            r->waiting[(r->waiting_first + r->nwaiting++) % r->waiting_max] = r->next_due_us;
        } else {
            r->out.unsent++;
        }
        r->next_due_us += gap_us(r);
    }
}

static void send_due(run *r, uint64_t now) {
    come_due(r, now);
    while (r->nidle > 0) {
        uint64_t due = now;
        if (r->opt->total > 0 && r->begun == r->opt->total && now < r->end_us) {
            r->end_us = now; /* what is under way is waited for */
        }
        if (r->opt->rate == 0 && now >= r->end_us) {
            return;
        }
        if (r->opt->rate > 0) {
            if (r->nwaiting == 0) {
                return;
            }
            due = r->waiting[r->waiting_first];
            r->waiting_first = (r->waiting_first + 1) % r->waiting_max;
            r->nwaiting--;
        }
        begin_request(r, r->idle[--r->nidle], due);
    }
}

/* ---- receiving ---- */

static void answer_done(run *r, client *c) {
    r->out.answered++;
    r->out.good += c->status_good;
    histogram_add(&r->out.latencies, now_us() - c->due_us);
    r->under_way--;
    c->request = NULL;
    c->in_body = false;
    if (c->close_after) {
        reopen(r, c, false);
    } else {
        r->idle[r->nidle++] = c;
    }
}

/* The head in c->in[0..len): false when it is none that this program understands. */
static bool read_head(client *c, size_t len) {
    bell_str rest = {c->in, len};
    bell_str line = bell_str_cut(&rest, '\n');
    bool has_length = false;

    if (line.len < 12 || !bell_str_starts(line, BELL_STR("HTTP/1.1 "))) {
        return false;
    }
    c->status_good = line.p[9] == '2';
    c->close_after = false;
    while (rest.len > 0) {
        line = bell_str_cut(&rest, '\n');
        line.len -= line.len > 0 && line.p[line.len - 1] == '\r';
        bell_str name = bell_str_cut(&line, ':'), value = bell_str_trim(line);
        if (bell_str_ieq(name, BELL_STR("content-length"))) {
            has_length = bell_str_to_u64(value, UINT32_MAX, &c->body_left);
        } else if (bell_str_ieq(name, BELL_STR("connection"))) {
            c->close_after = bell_str_ieq(value, BELL_STR("close"));
        }
    }
    return has_length;
}

static void take_bytes(run *r, client *c) {
    if (!c->in_body) {
        char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
        if (end == NULL && c->in_len < IN_BYTES) {
            return;
        }
        if (end == NULL || c->request == NULL || !read_head(c, (size_t)(end - c->in) + 2)) {
            reopen(r, c, true);
            return;
        }
        size_t head = (size_t)(end - c->in) + 4;
        memmove(c->in, c->in + head, c->in_len - head);
        c->in_len -= head;
        c->in_body = true;
    }
    if (c->in_len > c->body_left) { /* more than was asked for */
        reopen(r, c, true);
        return;
    }
    c->body_left -= c->in_len;
    c->in_len = 0;
    if (c->body_left == 0) {
        answer_done(r, c);
    }
}

static void on_readable(run *r, client *c) {
    ssize_t n = recv(c->fd, c->in + c->in_len, IN_BYTES - c->in_len, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        reopen(r, c, c->request != NULL);
        return;
    }
    if (c->request != NULL && !c->answer_begun) {
        c->answer_begun = true;
        histogram_add(&r->out.first_bytes, now_us() - c->due_us);
    }
    c->in_len += (size_t)n;
    r->out.bytes += (uint64_t)n;
    take_bytes(r, c);
}

/* ---- the run ---- */

static int wait_ms(const run *r, uint64_t now) {
    uint64_t until = now < r->end_us ? r->end_us : r->end_us + GRACE_US;
    if (r->opt->rate > 0 && now < r->end_us && r->next_due_us < until) {
        until = r->next_due_us;
    }
    return until <= now ? 0 : (int)((until - now) / 1000); /* the last part of a millisecond is waited for awake */
}

static bool is_over(const run *r, uint64_t now) {
    return now >= r->end_us + GRACE_US || (now >= r->end_us && r->under_way == 0 && r->nwaiting == 0);
}

static void take_events(run *r, int for_ms) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait(r->epoll, events, EVENTS, for_ms);

    for (int i = 0; i < n; i++) {
        client *c = events[i].data.ptr;
        if ((events[i].events & EPOLLOUT) && c->request != NULL) {
            send_more(r, c);
        }
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            on_readable(r, c);
        }
    }
}

/* Every connection once; one that was answered, or opened again, is idle meanwhile. */
static void send_herd(run *r, uint64_t due_us) {
    r->nidle = 0;
    for (uint64_t i = 0; i < r->opt->connections && r->begun < r->opt->total; i++) {
        if (i % HERD_LOOK == HERD_LOOK - 1) {
            take_events(r, 0);
        }
        leave_idle(r, &r->clients[i]);
        begin_request(r, &r->clients[i], due_us);
    }
}

static void loop(run *r) {
    for (;;) {
        uint64_t now = now_us();
        send_due(r, now);
        if (is_over(r, now)) {
            return;
        }
        take_events(r, wait_ms(r, now));
    }
}

static void *must_alloc(size_t n, size_t size) {
    void *p = calloc(n, size);
    if (p == NULL) {
        die("memory", "not enough for so many connections");
    }
    return p;
}

static void set_up(run *r) {
    const options *opt = r->opt;
    struct rlimit files = {opt->connections + 64, opt->connections + 64};

    setrlimit(RLIMIT_NOFILE, &files);
    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    r->clients = must_alloc(opt->connections, sizeof(*r->clients));
    r->idle = must_alloc(opt->connections, sizeof(client *));
    r->waiting_max = opt->rate > 0 ? opt->rate * opt->seconds * 2 + 1024 : 1;
    r->waiting = must_alloc(r->waiting_max, sizeof(*r->waiting));
    r->random = opt->seed * 0x9E3779B97F4A7C15 + 1;
    r->end_us = UINT64_MAX;
    for (uint64_t i = 0; i < opt->connections; i++) {
        if (!open_client(r, &r->clients[i])) {
            die(opt->to, strerror(errno));
        }
    }
}

static void print_outcome(const run *r, double seconds) {
    const outcome *o = &r->out;
    const histogram *h = &o->latencies;
    printf("{\"seconds\":%.6f,\"answered\":%" PRIu64 ",\"good\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"due\":%" PRIu64 ",\"unsent\":%" PRIu64
           ",\"unanswered\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"per_second\":%.1f,\"first_p50_us\":%" PRIu64 ",\"p50_us\":%" PRIu64
           ",\"p95_us\":%" PRIu64 ",\"p99_us\":%" PRIu64 ",\"p999_us\":%" PRIu64 ",\"max_us\":%" PRIu64 "}\n",
           seconds, o->answered, o->good, o->errors, o->due, o->unsent, o->unanswered, o->bytes, (double)o->good / seconds,
           histogram_percentile_us(&o->first_bytes, 50), histogram_percentile_us(h, 50), histogram_percentile_us(h, 95),
           histogram_percentile_us(h, 99), histogram_percentile_us(h, 99.9), h->max_us);
}

static bool read_number(const char *text, uint64_t min, uint64_t max, uint64_t *out) {
    return bell_str_to_u64(bell_str_of(text), max, out) && *out >= min;
}

static bool read_option(const char *name, const char *value, options *opt) {
    if (strcmp(name, "--to") == 0) {
        opt->to = value;
    } else if (strcmp(name, "--requests") == 0) {
        opt->requests = value;
    } else if (strcmp(name, "--context-key") == 0) {
        opt->context_key = value;
    } else if (strcmp(name, "--tenant") == 0) {
        return read_number(value, 1, INT32_MAX, &opt->tenant);
    } else if (strcmp(name, "--connections") == 0) {
        return read_number(value, 1, CONNECTIONS_MAX, &opt->connections);
    } else if (strcmp(name, "--seconds") == 0) {
        return read_number(value, 1, SECONDS_MAX, &opt->seconds);
    } else if (strcmp(name, "--rate") == 0) {
        return read_number(value, 1, RATE_MAX, &opt->rate);
    } else if (strcmp(name, "--total") == 0) {
        return read_number(value, 1, UINT32_MAX, &opt->total);
    } else if (strcmp(name, "--from") == 0) {
        return read_number(value, 0, UINT32_MAX, &opt->from);
    } else {
        return strcmp(name, "--seed") == 0 && read_number(value, 0, UINT64_MAX, &opt->seed);
    }
    return true;
}

static bool read_options(int argc, char **argv, options *opt) {
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!read_option(argv[i], value, opt)) {
            fprintf(stderr, "http_load: %s \"%s\" is not understood\n", argv[i], value);
            return false;
        }
    }
    bool both = (opt->context_key != NULL) == (opt->tenant > 0);
    return opt->to != NULL && opt->requests != NULL && opt->connections > 0 && opt->seconds > 0 && both && (opt->rate == 0 || opt->total == 0);
}

int main(int argc, char **argv) {
    static run r;
    options opt = {.seed = 1};

    if (!read_options(argc, argv, &opt)) {
        fprintf(stderr,
                "usage: http_load --to unix:PATH|PORT --connections N --seconds S --requests FILE [--rate R | --total N] [--from N] [--seed N] "
                "[--context-key FILE --tenant ID]\n");
        return 2;
    }
    r.opt = &opt;
    char err[256];
    if (!load_requests_read(opt.requests, &r.list, err, sizeof(err))) {
        die(opt.requests, err);
    }
    if (opt.context_key != NULL && (r.key = bell_context_key_load(opt.context_key, err, sizeof(err))) == NULL) {
        die("--context-key", err);
    }
    r.next_request = opt.from % r.list.count;
    set_up(&r);
    uint64_t start = now_us();
    r.next_due_us = start;
    r.end_us = start + opt.seconds * 1000000;
    if (opt.total > 0) {
        send_herd(&r, start);
    }
    loop(&r);
    uint64_t end = now_us();
    r.out.unanswered = r.under_way + r.nwaiting;
    print_outcome(&r, (double)((opt.rate > 0 && end > r.end_us ? r.end_us : end) - start) / 1e6);
    load_requests_free(&r.list);
    bell_context_key_free(r.key);
    return 0;
}
