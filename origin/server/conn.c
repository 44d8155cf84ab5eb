#include "origin/server/conn.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "origin/server/log.h"
#include "origin/server/out.h"
#include "origin/server/reply.h"
#include "origin/server/request_id.h"

#define BODY_READ_BYTES  4096 /* room behind a head of the greatest size */
#define LINGER_MS        2000
#define FIRST_REQUEST_MS 1000 /* while draining: for a peer that has connected and not yet spoken */
#define LINGER_MAX_BYTES (256 * 1024)

typedef enum {
    CONN_IDLE,   /* between requests */
    CONN_HEAD,   /* a head is arriving */
    CONN_BODY,   /* a body is arriving */
    CONN_BUSY,   /* the job runs; nothing is read */
    CONN_WRITE,  /* the reply is being written */
    CONN_LINGER, /* refused: what the peer still sends is read away, or it would never see the answer */
} conn_state;

/* One request and its reply. */
typedef struct {
    bell_http_request request;
    bell_http_body body;
    fb_job job;
    fb_out out;
    int64_t started_us, started_mono_us;
    bool keep_alive;
    bool body_unread; /* the peer may still be sending when we have answered */
    bool out_ready;
} exchange;

struct fb_conn {
    fb_worker *worker;
    fb_conn *prev, *next;
    int fd;
    conn_state state;
    struct event read_event, write_event, timer;
    char *in; /* NULL while idle */
    size_t in_len, in_cap, scanned, head_len;
    size_t lingered_bytes;
    bool served; /* one request at least */
    exchange *x;
};

static void advance(fb_conn *c);

static int64_t clock_us(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void set_timer(fb_conn *c, long ms) {
    struct timeval tv = {ms / 1000, (ms % 1000) * 1000};
    event_add(&c->timer, &tv);
}

static void end_exchange(fb_conn *c) {
    exchange *x = c->x;
    if (x == NULL) {
        return;
    }
    fb_job_fini(&x->job);
    if (x->out_ready) {
        fb_out_fini(&x->out);
    }
    free(x);
    c->x = NULL;
    c->worker->nbusy--;
}

/* The one end of a connection. */
static void conn_close(fb_conn *c) {
    fb_worker *w = c->worker;

    end_exchange(c);
    event_del(&c->read_event);
    event_del(&c->write_event);
    event_del(&c->timer);
    close(c->fd);
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        w->conns = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    free(c->in);
    free(c);
    fb_worker_conn_closed(w);
}

static void write_access(fb_conn *c) {
    exchange *x = c->x;
    fb_access a = {.request_id = bell_str_of(x->job.request_id),
                   .method = x->request.method_name,
                   .path = x->request.path,
                   .route = x->job.route != NULL ? x->job.route->pattern : NULL,
                   .tenant_id = x->job.tenant_id,
                   .user_id = x->job.has_session ? x->job.session.user_id : 0,
                   .status = x->job.reply.status,
                   .sent_bytes = x->out.sent_bytes,
                   .started_us = x->started_us,
                   .duration_us = clock_us(CLOCK_MONOTONIC) - x->started_mono_us};
    fb_access_log_add(&c->worker->access_log, &a);
}

/* Called from within a step: the writing begins from the loop, when the step has returned. */
static void on_reply(fb_job *job, void *arg) {
    fb_conn *c = arg;
    (void)job;
    c->state = CONN_WRITE;
    event_del(&c->timer); /* a deadline that strikes in this very turn of the loop is too late */
    event_active(&c->write_event, EV_WRITE, 0);
}

static bool begin_exchange(fb_conn *c) {
    fb_worker *w = c->worker;
    exchange *x = malloc(sizeof(*x));
    if (x == NULL) {
        return false;
    }
    memset(&x->request, 0, offsetof(bell_http_request, headers));
    x->request.nheaders = 0;
    x->out_ready = false;
    x->keep_alive = false;
    x->body_unread = false;
    x->started_us = clock_us(CLOCK_REALTIME);
    x->started_mono_us = clock_us(CLOCK_MONOTONIC);
    fb_job_init(&x->job, w, &x->request);
    x->job.on_reply = on_reply;
    x->job.on_reply_arg = c;
    c->x = x;
    w->nbusy++;
    w->busy_peak = w->busy_peak > w->nbusy ? w->busy_peak : w->nbusy;
    return true;
}

/* A request that goes no further: answered, then closed, because where the next one begins is not known. */
static void refuse(fb_conn *c, fb_problem p, const char *detail) {
    c->x->keep_alive = false;
    c->x->body_unread = true;
    if (c->x->job.request_id[0] == '\0') {
        fb_request_id(NULL, c->x->job.request_id);
    }
    fb_reply_problem(&c->x->job, p, detail);
}

/* Nobody reads the body of a request that no edge has vouched for. */
static void refuse_stranger(fb_conn *c) {
    c->x->keep_alive = false;
    c->x->body_unread = true;
    fb_context_refuse(&c->x->job);
}

static void start_job(fb_conn *c) {
    c->state = CONN_BUSY;
    event_del(&c->read_event);
    set_timer(c, c->worker->settings->request_deadline_ms);
    fb_route_dispatch(c->worker->routes, &c->x->job);
}

static bool has_body(const bell_http_request *q) {
    return q->chunked || q->content_length > 0;
}

/* RFC 9110, 10.1.1: who asks before sending is spared a body that nothing here would take. Dispatching finds the same and says so. */
static bool has_taker(fb_conn *c) {
    unsigned allowed;
    return fb_route_find(c->worker->routes, &c->x->job, &allowed) == FB_MATCH;
}

static void begin_body(fb_conn *c) {
    exchange *x = c->x;

    if (x->request.content_length > c->worker->settings->body_max_bytes) {
        refuse(c, FB_PROBLEM_TOO_LARGE, NULL);
        return;
    }
    if (x->request.expect_continue && !has_taker(c)) {
        x->keep_alive = false; /* whether the body still comes is not known */
        x->body_unread = true;
        start_job(c);
        return;
    }
    bell_http_body_init(&x->body, &x->request, (uint64_t)c->worker->settings->body_max_bytes);
    c->state = CONN_BODY;
    if (x->request.expect_continue && c->in_len == c->head_len) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        if (send(c->fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL) < 0) {
            conn_close(c);
            return;
        }
    }
    advance(c);
}

static void take_head(fb_conn *c, int head_len) {
    exchange *x = c->x;

    c->head_len = (size_t)head_len;
    x->keep_alive = x->request.keep_alive && !c->worker->draining;
    fb_request_id(&x->request, x->job.request_id);
    fb_context_read(&x->job);
    if (has_body(&x->request) && !fb_route_has_tenant(c->worker->routes, &x->job)) {
        refuse_stranger(c);
    } else if (has_body(&x->request)) {
        begin_body(c);
    } else {
        start_job(c);
    }
}

static void read_head(fb_conn *c) {
    const fb_settings *s = c->worker->settings;
    const char *reason = NULL;

    if (c->x == NULL && !begin_exchange(c)) {
        conn_close(c);
        return;
    }
    int n = bell_http_parse_head(c->in, c->in_len, &c->scanned, (size_t)s->head_max_bytes, &c->x->request, &reason);
    if (n < 0) {
        refuse(c, fb_problem_of_status((unsigned)-n), reason);
    } else if (n > 0 && n <= s->head_max_bytes) {
        take_head(c, n);
    } else if (n > 0 || c->in_len >= (size_t)s->head_max_bytes) {
        refuse(c, FB_PROBLEM_HEADERS_TOO_LARGE, NULL);
    }
}

/* What lies behind the head in the buffer is body; what has been used is taken out so that there is room again. */
static void read_body(fb_conn *c) {
    exchange *x = c->x;
    size_t at = c->head_len;
    bell_http_body_state st = BELL_HTTP_BODY_DATA;

    while (st == BELL_HTTP_BODY_DATA) {
        size_t used = 0;
        bell_str data = BELL_STR_NULL;
        st = bell_http_body_feed(&x->body, c->in + at, c->in_len - at, &used, &data);
        bell_buf_add_str(&x->job.body, data);
        at += used;
    }
    memmove(c->in + c->head_len, c->in + at, c->in_len - at);
    c->in_len -= at - c->head_len;
    if (st == BELL_HTTP_BODY_DONE && !x->job.body.failed) {
        start_job(c);
    } else if (st == BELL_HTTP_BODY_LARGE || x->job.body.failed) {
        refuse(c, FB_PROBLEM_TOO_LARGE, NULL);
    } else if (st == BELL_HTTP_BODY_ERROR) {
        refuse(c, FB_PROBLEM_BAD_REQUEST, "The body's chunks are malformed (RFC 9112, 7.1).");
    }
}

/* Goes as far as the bytes at hand allow. */
static void advance(fb_conn *c) {
    if (c->state == CONN_IDLE && c->in_len > 0) {
        c->state = CONN_HEAD;
        set_timer(c, c->worker->settings->request_deadline_ms);
    }
    if (c->state == CONN_HEAD) {
        read_head(c);
    } else if (c->state == CONN_BODY) {
        read_body(c);
    }
}

static void on_linger(fb_conn *c) {
    char rubbish[4096];
    ssize_t n = recv(c->fd, rubbish, sizeof(rubbish), 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    c->lingered_bytes += n > 0 ? (size_t)n : 0;
    if (n <= 0 || c->lingered_bytes > LINGER_MAX_BYTES) {
        conn_close(c);
    }
}

static void on_read(evutil_socket_t fd, short what, void *arg) {
    fb_conn *c = arg;
    (void)what;

    if (c->state == CONN_LINGER) {
        on_linger(c);
        return;
    }
    if (c->in == NULL) {
        c->in_cap = (size_t)c->worker->settings->head_max_bytes + BODY_READ_BYTES;
        c->in = malloc(c->in_cap);
        if (c->in == NULL) {
            conn_close(c);
            return;
        }
    }
    ssize_t n = recv(fd, c->in + c->in_len, c->in_cap - c->in_len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) { /* gone, in the middle of a request or between two */
        conn_close(c);
        return;
    }
    c->in_len += (size_t)n;
    advance(c);
}

/* The reply is out: on to the next request, whose first bytes may be here already. */
static void next_request(fb_conn *c) {
    size_t left = c->in_len - c->head_len;

    end_exchange(c);
    memmove(c->in, c->in + c->head_len, left);
    c->in_len = left;
    c->head_len = c->scanned = 0;
    if (left == 0) {
        free(c->in);
        c->in = NULL;
    }
    c->state = CONN_IDLE;
    event_add(&c->read_event, NULL);
    set_timer(c, c->worker->settings->idle_timeout_ms);
    advance(c);
}

static void after_reply(fb_conn *c) {
    exchange *x = c->x;

    write_access(c);
    event_del(&c->write_event);
    c->served = true;
    if (x->keep_alive && !c->worker->draining) {
        next_request(c);
        return;
    }
    if (!x->body_unread) {
        conn_close(c);
        return;
    }
    shutdown(c->fd, SHUT_WR);
    c->state = CONN_LINGER;
    event_add(&c->read_event, NULL);
    set_timer(c, LINGER_MS);
}

/* false: the connection is closed and gone. */
static bool begin_write(fb_conn *c) {
    exchange *x = c->x;

    event_del(&c->read_event);
    if (c->worker->draining) {
        x->keep_alive = false;
    }
    x->out_ready = true;
    if (!fb_out_init(&x->out, &x->job, x->keep_alive, x->request.method != BELL_HTTP_HEAD)) {
        fb_log(FB_LOG_ERROR, "request %s: no memory for the reply", x->job.request_id);
        conn_close(c);
        return false;
    }
    set_timer(c, c->worker->settings->idle_timeout_ms);
    return true;
}

static void on_write(evutil_socket_t fd, short what, void *arg) {
    fb_conn *c = arg;
    (void)what;

    if (!c->x->out_ready && !begin_write(c)) {
        return;
    }
    uint64_t before = c->x->out.sent_bytes;
    switch (fb_out_write(&c->x->out, fd)) {
    case FB_OUT_DONE:
        after_reply(c);
        return;
    case FB_OUT_AGAIN:
        if (c->x->out.sent_bytes > before) {
            set_timer(c, c->worker->settings->idle_timeout_ms);
        }
        event_add(&c->write_event, NULL);
        return;
    case FB_OUT_FAILED: /* the peer has gone; what the job did is done */
        write_access(c);
        conn_close(c);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg) {
    fb_conn *c = arg;
    (void)fd;
    (void)what;

    switch (c->state) {
    case CONN_HEAD:
    case CONN_BODY:
        refuse(c, FB_PROBLEM_TIMEOUT, NULL);
        return;
    case CONN_BUSY: {
        fb_job *job = &c->x->job;
        fb_log(FB_LOG_WARNING, "request %s: deadline of %ld ms passed while waiting for %s", job->request_id,
               c->worker->settings->request_deadline_ms, job->waits_for != NULL ? job->waits_for : "nothing");
        fb_job_cancel(job);
        fb_reply_problem(job, FB_PROBLEM_DEADLINE, NULL);
        return;
    }
    case CONN_IDLE:
    case CONN_WRITE:
    case CONN_LINGER:
        conn_close(c);
    }
}

bool fb_conn_open(fb_worker *w, int fd) {
    fb_conn *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return false;
    }
    c->worker = w;
    c->fd = fd;
    c->next = w->conns;
    if (w->conns != NULL) {
        w->conns->prev = c;
    }
    w->conns = c;
    event_assign(&c->read_event, w->base, fd, EV_READ | EV_PERSIST, on_read, c);
    event_assign(&c->write_event, w->base, fd, EV_WRITE, on_write, c);
    event_assign(&c->timer, w->base, -1, 0, on_timer, c);
    event_add(&c->read_event, NULL);
    set_timer(c, w->settings->idle_timeout_ms);
    return true;
}

/* A request that lies in the socket unread, or that a new peer is about to send, is still served. */
static bool has_nothing_to_say(const fb_conn *c) {
    char byte;
    if (c->state != CONN_IDLE || recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
        return false;
    }
    return c->served;
}

void fb_conn_close_idle(fb_worker *w) {
    for (fb_conn *c = w->conns, *next; c != NULL; c = next) {
        next = c->next;
        if (has_nothing_to_say(c)) {
            conn_close(c);
        } else if (c->state == CONN_IDLE) {
            set_timer(c, FIRST_REQUEST_MS);
        }
    }
}

/* A peer that has only ended its own side still listens. */
static bool has_gone(const fb_conn *c) {
    struct pollfd p = {.fd = c->fd};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

void fb_conn_drop_gone(fb_worker *w) {
    for (fb_conn *c = w->conns, *next; c != NULL; c = next) {
        next = c->next;
        bool is_read = c->state == CONN_BUSY && (c->x->request.method & (BELL_HTTP_GET | BELL_HTTP_HEAD)) != 0;
        if (is_read && has_gone(c)) {
            conn_close(c);
        }
    }
}

void fb_conn_close_all(fb_worker *w) {
    for (fb_conn *c = w->conns, *next; c != NULL; c = next) {
        next = c->next;
        conn_close(c);
    }
}
