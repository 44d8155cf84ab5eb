
/*
 * A connection to Redis on nginx's event loop, by hiredis' asynchronous half.
 *
 * It belongs to one worker.  Once opened it stays so: what breaks is opened
 * again after a pause that grows and is never the same on two edges.  Every
 * wait is bounded by a timer of ours.  It holds neither a reload nor the end
 * of a worker: its timers are cancelable and its connection counts as idle,
 * or else is closed in the owner's exit handler.
 */

#ifndef _NGX_HTTP_BELL_REDIS_H_INCLUDED_
#define _NGX_HTTP_BELL_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <hiredis/hiredis.h>


#pragma GCC visibility push(hidden)


/* "bell_redis ...;", and what other modules call it */

typedef struct {
    ngx_str_t        directive;         /* its name, for messages */
    ngx_str_t        address;           /* as it was written */
    u_char          *host;              /* an address, with a 0; or NULL */
    in_port_t        port;
    u_char          *path;              /* of a unix socket, with a 0 */

    ngx_str_t        user;
    ngx_str_t        password;          /* empty: no AUTH */

    ngx_msec_t       connect_timeout;
    ngx_msec_t       timeout;           /* of a command */
} ngx_http_bell_redis_conf_t;


typedef enum {
    NGX_HTTP_BELL_REDIS_CLOSED = 0,
    NGX_HTTP_BELL_REDIS_PAUSED,         /* until the next attempt */
    NGX_HTTP_BELL_REDIS_CONNECTING,
    NGX_HTTP_BELL_REDIS_GREETING,       /* AUTH */
    NGX_HTTP_BELL_REDIS_READY
} ngx_http_bell_redis_state_e;


typedef struct ngx_http_bell_redis_s       ngx_http_bell_redis_t;
typedef struct ngx_http_bell_redis_link_s  ngx_http_bell_redis_link_t;

typedef void (*ngx_http_bell_redis_pt)(ngx_http_bell_redis_t *redis);
typedef void (*ngx_http_bell_redis_reply_pt)(ngx_http_bell_redis_t *redis,
    redisReply *reply);


/* The first five are the owner's to set, zeros for the others. */

struct ngx_http_bell_redis_s {
    ngx_http_bell_redis_conf_t   *conf;
    ngx_http_bell_redis_pt        ready;  /* commands may be given */
    ngx_http_bell_redis_pt        lost;   /* no reply will come any more */
    void                         *data;
    ngx_uint_t                    stays;  /* also while the worker ends: the
                                             owner closes it */

    ngx_log_t                    *log;
    ngx_http_bell_redis_state_e   state;
    ngx_http_bell_redis_link_t   *link;
    ngx_queue_t                   commands;
    ngx_event_t                   timer;
    ngx_connection_t              dummy;    /* for the timer's log */
    ngx_uint_t                    failures; /* since it answered */
    ngx_uint_t                    told;     /* that it cannot be reached */
    char                          reason[160];
};


/* NGX_CONF_OK, or what nginx makes a sentence of */
char *ngx_http_bell_redis_parse(ngx_conf_t *cf,
    ngx_http_bell_redis_conf_t *conf);

/* of the file's one line, in cf->pool */
char *ngx_http_bell_redis_read_password(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *password);

void ngx_http_bell_redis_open(ngx_http_bell_redis_t *redis, ngx_log_t *log);

/* At once, and neither ready() nor lost() is called any more. */
void ngx_http_bell_redis_close(ngx_http_bell_redis_t *redis);

/*
 * Sends a command of `n` words; its reply, which may be an error, is only
 * valid within the handler.  extra_ms: how much longer than usual it may
 * take.  NGX_ERROR: there is no connection now, lost() was or will be called.
 */
ngx_int_t ngx_http_bell_redis_command(ngx_http_bell_redis_t *redis,
    ngx_http_bell_redis_reply_pt handler, ngx_msec_t extra_ms, ngx_uint_t n,
    const char **words, const size_t *lengths);

/*
 * For who has something to say yet when the worker ends and nginx' loop is
 * over: waits for the connection, at most ms, and does what there is to do.
 */
void ngx_http_bell_redis_drive(ngx_http_bell_redis_t *redis, ngx_msec_t ms);

/* Gives the connection up for what it said; it is opened again. */
void ngx_http_bell_redis_fail(ngx_http_bell_redis_t *redis, const char *fmt,
    ...) __attribute__((format(printf, 2, 3)));


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_REDIS_H_INCLUDED_ */
