/* A client of Redis, and of Redis Cluster alike, over hiredis (0.14 and 1.x). The loop is somebody else's and given as a table of functions; nothing
 * here blocks, and nothing waits without a bound. One thread.
 *
 * A command goes to the node that has its key's slot, over one connection a node. What happens on the way is made good as long as the command's
 * deadline lasts: MOVED (the map of slots is read again), ASK, TRYAGAIN, CLUSTERDOWN, LOADING, READONLY, NOSCRIPT, a connection that is not there
 * yet, a node that has died. What was written to a connection that then broke may have been done: it is only sent again when the command says that it
 * may be done twice.
 *
 * The exact words of Redis Cluster: redis.io, "Redis cluster specification". */
#ifndef BELL_REDIS_H
#define BELL_REDIS_H

#include "bell_redis_cluster.h"

struct redisReply;

#pragma GCC visibility push(hidden)

#define BELL_REDIS_SEEDS_MAX    16
#define BELL_REDIS_WORDS_MAX    1024
#define BELL_REDIS_SECRET_MAX   512
#define BELL_REDIS_CHANNEL_MAX  512
#define BELL_REDIS_CHANNELS_MAX 1024

typedef struct bell_redis bell_redis;

/* ---- the loop */

/* A socket that the loop watches for us. */
typedef struct bell_redis_io bell_redis_io;

typedef enum { BELL_REDIS_ERROR_LINE, BELL_REDIS_NOTICE_LINE } bell_redis_level;

/* data is the first argument of all of them, but for want and unwatch. */
typedef struct {
    void *data;
    int64_t (*now_ms)(void *data); /* monotonic */
    uint64_t (*random)(void *data);
    /* One timer: bell_redis_tick() after ms, whatever was armed before. */
    void (*arm)(void *data, uint32_t ms);
    void (*disarm)(void *data);
    /* Watches fd, level triggered: bell_redis_io_ready() whenever it is what want() asked for last; at first nothing is. What it gives is the first
     * argument of the other two; NULL: there is no room. unwatch() leaves fd open, and may be called within bell_redis_io_ready(). */
    void *(*watch)(void *data, int fd, bell_redis_io *io);
    void (*want)(void *watched, bool read, bool write);
    void (*unwatch)(void *watched);
    /* A line for the log, without the directive's or setting's name; only when something changes. */
    void (*log)(void *data, bell_redis_level level, const char *line);
    /* Commands can be sent now, or they wait; NULL: nobody wants to know. */
    void (*turned)(void *data, bool is_ready);
} bell_redis_loop;

/* Errors and hang-ups are both readable and writable. */
void bell_redis_io_ready(bell_redis_io *io, bool readable, bool writable);
void bell_redis_tick(bell_redis *r);

/* ---- a store */

/* What TLS connections begin with: read from its files once, so by who may read them, and shared by any number of stores, which it outlives. */
typedef struct bell_redis_tls bell_redis_tls;

typedef struct {
    bell_str ca_file;             /* PEM; null: the CAs of the system */
    bell_str cert_file, key_file; /* PEM; null: we show no certificate */
    bell_str name;                /* in the node's certificate; null: only its CA counts, which then has to be given */
} bell_redis_tls_files;

/* NULL, and *reason: what is wrong with the files, or that hiredis has no TLS: 0.14 has none. */
bell_redis_tls *bell_redis_tls_new(const bell_redis_tls_files *files, const char **reason) __attribute__((warn_unused_result));
void bell_redis_tls_free(bell_redis_tls *tls);

typedef struct {
    /* Addresses, not names: names would be looked up while everybody waits. A host that begins with "/" is a socket's path, and its port is 0. With
     * is_cluster they are where the map is first asked for; else they are one Redis, the first that takes connections and writes. */
    bell_redis_endpoint seeds[BELL_REDIS_SEEDS_MAX];
    size_t nseeds;
    bool is_cluster;
    bell_str user, password;                /* null: "default", none; copied */
    bell_redis_tls *tls;                    /* NULL: none; borrowed */
    uint32_t connect_ms;                    /* 10 to 60000: for a connection and its greeting */
    uint32_t timeout_ms;                    /* 10 to 60000: of a command without a deadline; a node that says nothing for so long is given up */
    uint32_t in_flight_max;                 /* commands that have no result yet; 1 to 1000000 */
    uint32_t pause_least_ms, pause_most_ms; /* between attempts to reach a node; doubled each time, by lot */
} bell_redis_options;

/* 1 s, 2 s, 10,000 commands, 50 ms to 3 s; no seeds. */
void bell_redis_options_init(bell_redis_options *o);
/* "127.0.0.1:6379", "[::1]:6379", "unix:/run/redis.sock". false: it is none of these. */
bool bell_redis_endpoint_of(bell_str text, bell_redis_endpoint *at) __attribute__((warn_unused_result));
/* NULL: these can be used; else why not. */
const char *bell_redis_options_check(const bell_redis_options *o) __attribute__((warn_unused_result));

/* Begins to connect. NULL, and *reason: what bell_redis_options_check() says, or no memory. loop is copied. */
bell_redis *bell_redis_new(const bell_redis_options *o, const bell_redis_loop *loop, const char **reason) __attribute__((warn_unused_result));
/* Each command without a result gets one now, BELL_REDIS_UNDONE or BELL_REDIS_UNSURE, and can give no new ones. May be called in any handler. */
void bell_redis_free(bell_redis *r);

/* ---- commands */

typedef enum {
    BELL_REDIS_DONE,    /* there is a reply, and it is no error */
    BELL_REDIS_REFUSED, /* an error of Redis', which is the reply */
    BELL_REDIS_UNDONE,  /* it was not done, and will not be */
    BELL_REDIS_UNSURE   /* it was sent; whether it was done, or still will be, nobody knows */
} bell_redis_outcome;

typedef struct {
    bell_redis_outcome outcome;
    bell_redis_error error;         /* of REFUSED; of UNDONE the last one in its way, BELL_REDIS_OTHER: there was none */
    const struct redisReply *reply; /* of DONE and REFUSED; valid within the handler */
    const char *reason;             /* a sentence; of all but DONE; valid within the handler */
} bell_redis_result;

/* Called once for each command that was taken, and never before the call that gave it has returned. It may give commands, and free the store. */
typedef void (*bell_redis_handler)(void *data, const bell_redis_result *result);

typedef struct {
    bell_str key;          /* whose slot's node is asked; null: any node */
    const bell_str *words; /* of a command, all: "INCR", "key"; of a script, its ARGV. Copied. */
    size_t nwords;
    uint32_t deadline_ms; /* from now; 0: timeout_ms */
    bool may_repeat;      /* doing it twice is as good as once: it is sent again when a connection broke */
    bell_redis_handler handler;
    void *data;
} bell_redis_call;

/* A script's text, borrowed: it outlives the store; and how Redis calls it, the SHA-1 of it. */
typedef struct {
    bell_str text;
    char sha1[41];
} bell_redis_script;

void bell_redis_script_init(bell_redis_script *s, bell_str text);

/* NULL: taken; else why not: too many in flight, words beyond BELL_REDIS_WORDS_MAX or 64 MiB, no memory, closed. Then there is no result. */
const char *bell_redis_command(bell_redis *r, const bell_redis_call *call) __attribute__((warn_unused_result));
/* EVALSHA with KEYS = {call->key}; a node that does not have the script is given it with EVAL. */
const char *bell_redis_eval(bell_redis *r, const bell_redis_script *script, const bell_redis_call *call) __attribute__((warn_unused_result));

/* ---- channels */

typedef enum {
    BELL_REDIS_LISTENING, /* from now on */
    BELL_REDIS_MESSAGE,
    BELL_REDIS_DEAF /* messages may be missed until the next LISTENING; the reason is in text */
} bell_redis_event;

typedef struct bell_redis_channel bell_redis_channel;
typedef void (*bell_redis_listener)(void *data, bell_redis_event event, bell_str text);

/* In a cluster SSUBSCRIBE at the node that has the channel's slot, and again after it has moved; else SUBSCRIBE. NULL: the name is empty or too long,
 * there are BELL_REDIS_CHANNELS_MAX, or no memory. Ended by bell_redis_unlisten(), or with the store; then nothing is called any more. */
bell_redis_channel *bell_redis_listen(bell_redis *r, bell_str name, bell_redis_listener listener, void *data) __attribute__((warn_unused_result));
void bell_redis_unlisten(bell_redis_channel *c);

/* ---- what it is like */

typedef struct {
    bool is_ready;      /* a node can be written to, and in a cluster the map is known */
    const char *reason; /* why not; "" when it is; until the next call of anything here */
    uint32_t nodes;     /* connections that are up */
    uint32_t in_flight;
    uint64_t sent;                               /* times a command was written, with those sent on */
    uint64_t redirected, repeated, late, broken; /* MOVED and ASK; after a pause; past its deadline; without an answer when a connection broke */
    uint64_t maps, connects, failures;           /* maps read; connections made, and not made or lost */
} bell_redis_status;

void bell_redis_status_of(const bell_redis *r, bell_redis_status *status);

#pragma GCC visibility pop

#endif
