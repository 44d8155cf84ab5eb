
/*
 * A connection to Redis on nginx's event loop.
 *
 * hiredis opens the socket and closes it; in between nginx watches it, level
 * triggered, because hiredis reads once and at most 16k at each event.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <poll.h>
#include <stdio.h>

#include <hiredis/async.h>

#include "ngx_http_bell_redis.h"
#include "ngx_http_bell_redis_guard.h"


#define NGX_HTTP_BELL_REDIS_PAUSE_MS     50
#define NGX_HTTP_BELL_REDIS_PAUSE_MAX    6       /* doublings: some 3 s */


/* what hiredis knows of us; lives as long as its context */

struct ngx_http_bell_redis_link_s {
    redisAsyncContext             *ac;
    ngx_connection_t              *connection;
    ngx_http_bell_redis_t         *redis;   /* NULL: it was closed */
    ngx_http_bell_redis_guard_t    guard;
};


typedef struct {
    ngx_queue_t                    queue;
    ngx_http_bell_redis_reply_pt   handler;
    ngx_msec_t                     deadline;
} ngx_http_bell_redis_command_t;


static void ngx_http_bell_redis_connect(ngx_http_bell_redis_t *redis);
static ngx_int_t ngx_http_bell_redis_attach(ngx_http_bell_redis_t *redis,
    redisAsyncContext *ac);
static void ngx_http_bell_redis_connected(const redisAsyncContext *ac,
    int status);
static void ngx_http_bell_redis_greet(ngx_http_bell_redis_t *redis);
static void ngx_http_bell_redis_greeted(ngx_http_bell_redis_t *redis,
    redisReply *reply);
static void ngx_http_bell_redis_become_ready(ngx_http_bell_redis_t *redis);
static void ngx_http_bell_redis_answers(ngx_http_bell_redis_t *redis);
static void ngx_http_bell_redis_pause(ngx_http_bell_redis_t *redis);
static ngx_int_t ngx_http_bell_redis_send(ngx_http_bell_redis_t *redis,
    ngx_http_bell_redis_reply_pt handler, ngx_msec_t timeout, ngx_uint_t n,
    const char **words, const size_t *lengths);
static void ngx_http_bell_redis_reply(redisAsyncContext *ac, void *reply,
    void *data);
static void ngx_http_bell_redis_timer(ngx_event_t *ev);
static void ngx_http_bell_redis_set_timer(ngx_http_bell_redis_t *redis);
static void ngx_http_bell_redis_read_handler(ngx_event_t *ev);
static void ngx_http_bell_redis_write_handler(ngx_event_t *ev);
static void ngx_http_bell_redis_add_read(void *data);
static void ngx_http_bell_redis_del_read(void *data);
static void ngx_http_bell_redis_add_write(void *data);
static void ngx_http_bell_redis_del_write(void *data);
static void ngx_http_bell_redis_cleanup(void *data);


/* ---- open and close */

void
ngx_http_bell_redis_open(ngx_http_bell_redis_t *redis, ngx_log_t *log)
{
    if (redis->state != NGX_HTTP_BELL_REDIS_CLOSED) {
        return;
    }

    redis->log = log;
    redis->failures = 0;
    redis->told = 0;

    redis->dummy.fd = (ngx_socket_t) -1;
    redis->dummy.data = redis;

    redis->timer.handler = ngx_http_bell_redis_timer;
    redis->timer.data = &redis->dummy;
    redis->timer.log = log;
    redis->timer.cancelable = 1;

    ngx_queue_init(&redis->commands);

    ngx_http_bell_redis_connect(redis);
}


void
ngx_http_bell_redis_close(ngx_http_bell_redis_t *redis)
{
    ngx_http_bell_redis_link_t  *link;

    if (redis->state == NGX_HTTP_BELL_REDIS_CLOSED) {
        return;
    }

    redis->state = NGX_HTTP_BELL_REDIS_CLOSED;

    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    link = redis->link;

    if (link) {
        redis->link = NULL;
        link->redis = NULL;

        redisAsyncFree(link->ac);
    }
}


static void
ngx_http_bell_redis_connect(ngx_http_bell_redis_t *redis)
{
    redisAsyncContext           *ac;
    ngx_http_bell_redis_conf_t  *conf;

    conf = redis->conf;

    redis->state = NGX_HTTP_BELL_REDIS_CONNECTING;
    redis->reason[0] = '\0';

    ac = conf->path ? redisAsyncConnectUnix((char *) conf->path)
                    : redisAsyncConnect((char *) conf->host, conf->port);

    if (ac == NULL || ac->err) {
        snprintf(redis->reason, sizeof(redis->reason), "%s",
                 ac ? ac->errstr : "out of memory");

        if (ac) {
            redisAsyncFree(ac);
        }

        ngx_http_bell_redis_pause(redis);
        return;
    }

    if (ngx_http_bell_redis_attach(redis, ac) != NGX_OK) {
        snprintf(redis->reason, sizeof(redis->reason),
                 "this worker has no connection or no memory left for it");
        redisAsyncFree(ac);
        ngx_http_bell_redis_pause(redis);
        return;
    }

    ngx_add_timer(&redis->timer, conf->connect_timeout);
}


static ngx_int_t
ngx_http_bell_redis_attach(ngx_http_bell_redis_t *redis, redisAsyncContext *ac)
{
    ngx_connection_t            *c;
    ngx_http_bell_redis_link_t  *link;

    link = ngx_calloc(sizeof(ngx_http_bell_redis_link_t), redis->log);
    if (link == NULL) {
        return NGX_ERROR;
    }

    c = ngx_get_connection(ac->c.fd, redis->log);
    if (c == NULL) {
        ngx_free(link);
        return NGX_ERROR;
    }

    c->data = link;
    c->idle = redis->stays ? 0 : 1;
    c->read->handler = ngx_http_bell_redis_read_handler;
    c->write->handler = ngx_http_bell_redis_write_handler;
    c->read->log = redis->log;
    c->write->log = redis->log;

    link->ac = ac;
    link->connection = c;
    link->redis = redis;

    redis->link = link;

    ngx_http_bell_redis_guard(ac, &link->guard);

    ac->data = link;
    ac->ev.data = link;
    ac->ev.addRead = ngx_http_bell_redis_add_read;
    ac->ev.delRead = ngx_http_bell_redis_del_read;
    ac->ev.addWrite = ngx_http_bell_redis_add_write;
    ac->ev.delWrite = ngx_http_bell_redis_del_write;
    ac->ev.cleanup = ngx_http_bell_redis_cleanup;

    /* begins to watch for the connection */
    redisAsyncSetConnectCallback(ac, ngx_http_bell_redis_connected);

    return NGX_OK;
}


static void
ngx_http_bell_redis_connected(const redisAsyncContext *ac, int status)
{
    ngx_http_bell_redis_link_t  *link;

    link = ac->data;

    /* what went wrong is told by the cleanup, before this or behind it */

    if (status == REDIS_OK && link && link->redis) {
        ngx_http_bell_redis_greet(link->redis);
    }
}


static void
ngx_http_bell_redis_greet(ngx_http_bell_redis_t *redis)
{
    size_t                       lengths[3];
    ngx_uint_t                   n;
    const char                  *words[3];
    ngx_http_bell_redis_conf_t  *conf;

    conf = redis->conf;

    redis->state = NGX_HTTP_BELL_REDIS_GREETING;

    if (conf->password.len == 0) {
        ngx_http_bell_redis_become_ready(redis);
        return;
    }

    n = 0;

    words[n] = "AUTH";
    lengths[n++] = 4;

    if (conf->user.len) {
        words[n] = (char *) conf->user.data;
        lengths[n++] = conf->user.len;
    }

    words[n] = (char *) conf->password.data;
    lengths[n++] = conf->password.len;

    (void) ngx_http_bell_redis_send(redis, ngx_http_bell_redis_greeted,
                                    conf->connect_timeout, n, words, lengths);
}


static void
ngx_http_bell_redis_greeted(ngx_http_bell_redis_t *redis, redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_http_bell_redis_fail(redis, "AUTH is refused: %.100s", reply->str);
        return;
    }

    ngx_http_bell_redis_become_ready(redis);
}


static void
ngx_http_bell_redis_become_ready(ngx_http_bell_redis_t *redis)
{
    redis->state = NGX_HTTP_BELL_REDIS_READY;

    ngx_http_bell_redis_set_timer(redis);

    redis->ready(redis);
}


/* A Redis that hangs takes connections, too: only its answer is a sign. */

static void
ngx_http_bell_redis_answers(ngx_http_bell_redis_t *redis)
{
    redis->failures = 0;

    if (redis->told) {
        redis->told = 0;
        ngx_log_error(NGX_LOG_NOTICE, redis->log, 0, "%V: %V is reached again",
                      &redis->conf->directive, &redis->conf->address);
    }
}


/* The pause doubles, and is anything from half of that to the whole. */

static void
ngx_http_bell_redis_pause(ngx_http_bell_redis_t *redis)
{
    ngx_msec_t  ms;

    if (!redis->told) {
        redis->told = 1;
        ngx_log_error(NGX_LOG_ERR, redis->log, 0,
                      "%V: %V cannot be used: %s; it is tried again until it "
                      "can", &redis->conf->directive, &redis->conf->address,
                      redis->reason);
    }

    redis->state = NGX_HTTP_BELL_REDIS_PAUSED;

    ms = NGX_HTTP_BELL_REDIS_PAUSE_MS
         << ngx_min(redis->failures, NGX_HTTP_BELL_REDIS_PAUSE_MAX);
    ms = ms / 2 + ngx_random() % (ms / 2 + 1);

    redis->failures++;

    ngx_add_timer(&redis->timer, ms);
}


void
ngx_http_bell_redis_fail(ngx_http_bell_redis_t *redis, const char *fmt, ...)
{
    va_list  args;

    if (redis->link == NULL) {
        return;
    }

    va_start(args, fmt);
    vsnprintf(redis->reason, sizeof(redis->reason), fmt, args);
    va_end(args);

    /* calls cleanup, at once or when hiredis is out of its callback */

    redisAsyncFree(redis->link->ac);
}


/* ---- commands */

ngx_int_t
ngx_http_bell_redis_command(ngx_http_bell_redis_t *redis,
    ngx_http_bell_redis_reply_pt handler, ngx_msec_t extra_ms, ngx_uint_t n,
    const char **words, const size_t *lengths)
{
    if (redis->state != NGX_HTTP_BELL_REDIS_READY) {
        return NGX_ERROR;
    }

    return ngx_http_bell_redis_send(redis, handler,
                                    redis->conf->timeout + extra_ms, n, words,
                                    lengths);
}


static ngx_int_t
ngx_http_bell_redis_send(ngx_http_bell_redis_t *redis,
    ngx_http_bell_redis_reply_pt handler, ngx_msec_t timeout, ngx_uint_t n,
    const char **words, const size_t *lengths)
{
    ngx_http_bell_redis_command_t  *command;

    command = ngx_alloc(sizeof(ngx_http_bell_redis_command_t), redis->log);
    if (command == NULL) {
        ngx_http_bell_redis_fail(redis, "out of memory");
        return NGX_ERROR;
    }

    command->handler = handler;
    command->deadline = ngx_current_msec + timeout;

    if (redisAsyncCommandArgv(redis->link->ac, ngx_http_bell_redis_reply,
                              command, (int) n, words, lengths)
        != REDIS_OK)
    {
        ngx_free(command);
        ngx_http_bell_redis_fail(redis, "a command could not be sent");
        return NGX_ERROR;
    }

    ngx_queue_insert_tail(&redis->commands, &command->queue);
    redis->link->guard.asked++;

    ngx_http_bell_redis_set_timer(redis);

    return NGX_OK;
}


static void
ngx_http_bell_redis_reply(redisAsyncContext *ac, void *reply, void *data)
{
    ngx_http_bell_redis_command_t  *command = data;

    ngx_http_bell_redis_t          *redis;
    ngx_http_bell_redis_link_t     *link;
    ngx_http_bell_redis_reply_pt    handler;

    handler = command->handler;

    ngx_queue_remove(&command->queue);
    ngx_free(command);

    /*
     * Without a reply the connection is going: lost() is called once for all,
     * by the cleanup, which hiredis 1.x calls before this and 0.14 after it.
     */

    link = ac->data;

    if (reply == NULL || link == NULL || link->redis == NULL) {
        return;
    }

    redis = link->redis;

    ngx_http_bell_redis_set_timer(redis);

    if (redis->state == NGX_HTTP_BELL_REDIS_READY) {
        ngx_http_bell_redis_answers(redis);
    }

    handler(redis, reply);
}


void
ngx_http_bell_redis_drive(ngx_http_bell_redis_t *redis, ngx_msec_t ms)
{
    struct pollfd                p;
    ngx_http_bell_redis_link_t  *link;

    link = redis->link;

    if (link == NULL) {
        return;
    }

    p.fd = link->ac->c.fd;
    p.events = POLLIN | (link->connection->write->active ? POLLOUT : 0);
    p.revents = 0;

    if (poll(&p, 1, (int) ms) <= 0) {
        return;
    }

    ngx_time_update();

    if (p.revents & POLLOUT) {
        redisAsyncHandleWrite(link->ac);
    }

    /* what was written may have ended the connection */

    if (redis->link == link && (p.revents & ~POLLOUT)) {
        redisAsyncHandleRead(link->ac);
    }
}


/* ---- time */

/* To the first deadline of a command. */

static void
ngx_http_bell_redis_set_timer(ngx_http_bell_redis_t *redis)
{
    ngx_msec_t                      first;
    ngx_queue_t                    *q;
    ngx_http_bell_redis_command_t  *command;

    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    if (ngx_queue_empty(&redis->commands)) {
        return;
    }

    first = 0;

    for (q = ngx_queue_head(&redis->commands);
         q != ngx_queue_sentinel(&redis->commands);
         q = ngx_queue_next(q))
    {
        command = ngx_queue_data(q, ngx_http_bell_redis_command_t, queue);

        if (q == ngx_queue_head(&redis->commands)
            || (ngx_msec_int_t) (command->deadline - first) < 0)
        {
            first = command->deadline;
        }
    }

    first -= ngx_current_msec;

    ngx_add_timer(&redis->timer, (ngx_msec_int_t) first > 0 ? first : 1);
}


static void
ngx_http_bell_redis_timer(ngx_event_t *ev)
{
    ngx_connection_t       *c;
    ngx_http_bell_redis_t  *redis;

    c = ev->data;
    redis = c->data;

    switch (redis->state) {

    case NGX_HTTP_BELL_REDIS_PAUSED:
        ngx_http_bell_redis_connect(redis);
        break;

    case NGX_HTTP_BELL_REDIS_CONNECTING:
        ngx_http_bell_redis_fail(redis, "it takes no connection within %lu ms",
                                 (unsigned long) redis->conf->connect_timeout);
        break;

    case NGX_HTTP_BELL_REDIS_GREETING:
    case NGX_HTTP_BELL_REDIS_READY:
        ngx_http_bell_redis_fail(redis, "it does not answer a command in time");
        break;

    default: /* NGX_HTTP_BELL_REDIS_CLOSED */
        break;
    }
}


/* ---- hiredis' hooks */

static void
ngx_http_bell_redis_read_handler(ngx_event_t *ev)
{
    ngx_connection_t            *c;
    ngx_http_bell_redis_link_t  *link;

    c = ev->data;
    link = c->data;

    /* a worker that ends asks so */

    if (c->close) {
        if (link->redis) {
            ngx_http_bell_redis_close(link->redis);
        }

        return;
    }

    redisAsyncHandleRead(link->ac);
}


static void
ngx_http_bell_redis_write_handler(ngx_event_t *ev)
{
    ngx_connection_t            *c;
    ngx_http_bell_redis_link_t  *link;

    c = ev->data;
    link = c->data;

    redisAsyncHandleWrite(link->ac);
}


static void
ngx_http_bell_redis_add_read(void *data)
{
    ngx_http_bell_redis_link_t  *link = data;

    if (!link->connection->read->active) {
        (void) ngx_add_event(link->connection->read, NGX_READ_EVENT,
                             NGX_LEVEL_EVENT);
    }
}


static void
ngx_http_bell_redis_del_read(void *data)
{
    ngx_http_bell_redis_link_t  *link = data;

    if (link->connection->read->active) {
        (void) ngx_del_event(link->connection->read, NGX_READ_EVENT, 0);
    }
}


static void
ngx_http_bell_redis_add_write(void *data)
{
    ngx_http_bell_redis_link_t  *link = data;

    if (!link->connection->write->active) {
        (void) ngx_add_event(link->connection->write, NGX_WRITE_EVENT,
                             NGX_LEVEL_EVENT);
    }
}


static void
ngx_http_bell_redis_del_write(void *data)
{
    ngx_http_bell_redis_link_t  *link = data;

    if (link->connection->write->active) {
        (void) ngx_del_event(link->connection->write, NGX_WRITE_EVENT, 0);
    }
}


/*
 * hiredis closes the socket and frees its context now; callbacks of commands
 * without a reply may still come.  nginx's connection is given back, and the
 * socket is left alone.
 */

static void
ngx_http_bell_redis_cleanup(void *data)
{
    ngx_http_bell_redis_link_t  *link = data;

    ngx_connection_t            *c;
    ngx_http_bell_redis_t       *redis;

    redis = link->redis;
    c = link->connection;

    link->ac->data = NULL;

    ngx_http_bell_redis_del_read(link);
    ngx_http_bell_redis_del_write(link);

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;

    if (redis) {
        if (redis->reason[0] == '\0') {
            snprintf(redis->reason, sizeof(redis->reason), "%s",
                     link->guard.said ? link->guard.said
                     : link->ac->err ? link->ac->errstr
                                     : "the connection ended");
        }

        redis->link = NULL;

        if (redis->timer.timer_set) {
            ngx_del_timer(&redis->timer);
        }

        ngx_http_bell_redis_pause(redis);

        redis->lost(redis);
    }

    link->ac->ev.addRead = NULL;
    link->ac->ev.delRead = NULL;
    link->ac->ev.addWrite = NULL;
    link->ac->ev.delWrite = NULL;
    link->ac->ev.cleanup = NULL;

    ngx_free(link);
}
