
/*
 * A feed: a stream of Redis that one worker of an edge reads for all of them.
 *
 * Its entries have the id <number>-0, numbers go up, and what an entry says
 * stands in one field of it.  The worker that reads is the feeder.  Shared
 * memory says which one that is, and how lately it has shown itself alive;
 * another takes its place when it is gone or silent.  Two may take themselves
 * for the feeder for a moment: what is done about an entry must bear being
 * done twice.
 *
 * The feeder asks Redis one thing at a time.  When there is an answer, and at
 * each tick when nothing is asked, the owner's next() says what is asked now:
 * the stream's end, the entries behind a number, something of the owner's
 * own, or nothing before the next tick.
 *
 * Here is who reads, and what is asked and answered.  What a missing number
 * means, what is done about an entry and what else is asked differs, and is
 * the owner's: the directory's feed, which has a snapshot to fall back upon,
 * and the cache's, which has not.
 *
 * Like the connection to Redis it is compiled into each module that uses it:
 * no module sees another's, and core's table (docs/adr/0009) need not say what
 * is inside.  "sh" is the owner's, in the owner's own zone.
 */

#ifndef _NGX_HTTP_BELL_FEED_H_INCLUDED_
#define _NGX_HTTP_BELL_FEED_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "bell_str.h"
#include "ngx_http_bell_redis.h"


#pragma GCC visibility push(hidden)


#define NGX_HTTP_BELL_FEED_ENTRIES   256     /* of one answer, at most */
#define NGX_HTTP_BELL_FEED_WORDS     8       /* of a command, at most */

#define NGX_HTTP_BELL_FEED_TAIL_MS   3000    /* between looks at the end */


typedef struct {
    ngx_atomic_t   feeder;              /* a pid, 0: nobody */
    ngx_atomic_t   feeder_ms;           /* its last sign of life */
} ngx_http_bell_feed_sh_t;


typedef struct {
    uint64_t       number;              /* 0: its id is not <number>-0 */
    bell_str       value;               /* NULL p: it has no such field */
} ngx_http_bell_feed_entry_t;


typedef struct ngx_http_bell_feed_s  ngx_http_bell_feed_t;

typedef void (*ngx_http_bell_feed_pt)(ngx_http_bell_feed_t *f);
typedef void (*ngx_http_bell_feed_reply_pt)(ngx_http_bell_feed_t *f,
    redisReply *reply);


/* What is the owner's; ends with next() or rest() where an answer has come. */

typedef struct {
    const char     *name;               /* "bell_directory", in the log */
    const char     *work;               /* "feeds the directory", likewise */
    const char     *stream;
    const char     *field;              /* of an entry: what it says */
    ngx_uint_t      count;              /* entries asked for at once */

    /*
     * A worker that was elected takes the feed over; anything but NGX_OK: not
     * yet, the next tick asks again.  NULL: there is nothing to take over.
     */

    ngx_int_t     (*begin)(ngx_http_bell_feed_t *f);

    /*
     * 1: this feeder shows no sign of life because it does what the feed is
     * for, and its place would be of no use.  NULL: never.
     */

    ngx_uint_t    (*engaged)(ngx_http_bell_feed_t *f, ngx_pid_t feeder);

    /* Of the connection; it may be another Redis, or have lost what it had. */

    ngx_http_bell_feed_pt  ready;
    ngx_http_bell_feed_pt  lost;        /* NULL: nothing is to be done */

    /* Asks what is to be asked now, or calls rest(). */

    ngx_http_bell_feed_pt  next;

    /* The highest number that the stream has had; 0: there is no stream. */

    void          (*tail)(ngx_http_bell_feed_t *f, uint64_t last);

    /* In the stream's order, valid within the call; 0: it had none so far. */

    void          (*entries)(ngx_http_bell_feed_t *f,
        ngx_http_bell_feed_entry_t *entry, ngx_uint_t n);
} ngx_http_bell_feed_def_t;


typedef enum {
    NGX_HTTP_BELL_FEED_OFF = 0,         /* there is no connection */
    NGX_HTTP_BELL_FEED_IDLE,            /* nothing: the next tick asks */
    NGX_HTTP_BELL_FEED_ASKED            /* something, and no answer yet */
} ngx_http_bell_feed_step_e;


struct ngx_http_bell_feed_s {
    const ngx_http_bell_feed_def_t  *def;
    ngx_http_bell_feed_sh_t         *sh;
    void                            *data;      /* the owner's */
    ngx_log_t                       *log;

    ngx_msec_t                       tail_ms;   /* when the end is due */

    /* below: of the feed itself */

    ngx_uint_t                       elected;
    ngx_http_bell_feed_step_e        step;
    ngx_http_bell_feed_reply_pt      handler;   /* of what was asked */
    int                              type;      /* that its answer has */

    ngx_http_bell_redis_t            redis;
    ngx_event_t                      timer;
    ngx_connection_t                 dummy;     /* for the timer's log */
};


/*
 * In a worker: from here on it stands for election.  The owner has set the
 * first four members, and the others are zeros.
 */
void ngx_http_bell_feed_start(ngx_http_bell_feed_t *f,
    ngx_http_bell_redis_conf_t *redis);

/* Gives the feed up, if this process has it; no handler is called any more. */
void ngx_http_bell_feed_stop(ngx_http_bell_feed_t *f);


/* For the owner's handlers. */

/* 1: that moment has come */
ngx_uint_t ngx_http_bell_feed_due(ngx_msec_t ms);

/* Nothing is asked before the next tick. */
void ngx_http_bell_feed_rest(ngx_http_bell_feed_t *f);

/* tail() is told, and is due again NGX_HTTP_BELL_FEED_TAIL_MS later. */
void ngx_http_bell_feed_ask_tail(ngx_http_bell_feed_t *f);

/* entries() is told what is behind that number, as soon as there is any. */
void ngx_http_bell_feed_ask_entries(ngx_http_bell_feed_t *f, uint64_t number);

/*
 * A command of the owner's own.  The handler is given a reply of that type,
 * or nil; at another one the connection is given up, with what Redis said.
 * extra_ms: how much longer than usual it may take.
 */
void ngx_http_bell_feed_ask(ngx_http_bell_feed_t *f,
    ngx_http_bell_feed_reply_pt handler, int type, ngx_msec_t extra_ms,
    const char **words, ngx_uint_t n);


#pragma GCC visibility pop


#endif /* _NGX_HTTP_BELL_FEED_H_INCLUDED_ */
