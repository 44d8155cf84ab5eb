/* What the files of bell_redis.h share: a store, its connections, and the commands on their way. Nobody else includes it.
 *
 * Handlers of others are called from two places only: with a reply as the last thing that is done with it, and without one in bell_redis_settle(),
 * behind everything else. So nothing of ours is in the middle of something when a handler frees the store. */
#ifndef BELL_REDIS_PARTS_H
#define BELL_REDIS_PARTS_H

#include "bell_list.h"
#include "bell_redis.h"
#include "bell_redis_timer.h"

struct redisAsyncContext;
struct redisReader;

#pragma GCC visibility push(hidden)

#define BELL_REDIS_LINKS_MAX  (2 * (BELL_REDIS_NODES_MAX + BELL_REDIS_SEEDS_MAX)) /* of commands, and of channels */
#define BELL_REDIS_REASON_MAX 320

typedef struct bell_redis_task bell_redis_task;
typedef struct bell_redis_link bell_redis_link;
typedef struct bell_redis_sent bell_redis_sent;
typedef struct bell_redis_expected bell_redis_expected;

/* ---- commands */

typedef enum {
    BELL_REDIS_TASK_HOMELESS, /* nobody has its slot, as far as is known */
    BELL_REDIS_TASK_WAITING,  /* for its link */
    BELL_REDIS_TASK_SENT,
    BELL_REDIS_TASK_PAUSED,
    BELL_REDIS_TASK_ENDED
} bell_redis_task_state;

struct bell_redis_task {
    bell_list all;   /* of the store */
    bell_list queue; /* of the homeless, of a link's waiting, of the ended */
    bell_redis *r;
    bell_redis_task_state state;
    bell_redis_link *link;   /* waits for, or was sent to */
    bell_redis_link *pinned; /* no other will do: ours, not a caller's */
    bell_redis_sent *sent;
    bell_redis_timer timer; /* the end of a pause, or the deadline */
    int64_t deadline_ms;
    bool has_key, may_repeat, is_unsure;
    bool is_asking, with_text; /* the next time it is sent: behind ASKING, with the script's text */
    uint16_t slot;
    unsigned redirects, pauses;
    const bell_redis_script *script;
    bell_redis_handler handler;
    void *data;
    bell_redis_outcome outcome; /* of one that has ended */
    bell_redis_error error;
    char reason[BELL_REDIS_REASON_MAX];
    size_t head_len; /* of a script: what EVAL has another one for */
    size_t len;
    char bytes[];
};

/* One command on its way through a connection, until there is a reply or the connection is given up. */
struct bell_redis_sent {
    bell_list queue;
    bell_redis_task *task;                                           /* NULL: it has ended */
    void (*own)(bell_redis_link *l, const struct redisReply *reply); /* of what is nobody's task */
    int64_t at_ms;
    size_t len;
};

/* ---- connections */

typedef enum {
    BELL_REDIS_LINK_IDLE,
    BELL_REDIS_LINK_PAUSED, /* until the next attempt */
    BELL_REDIS_LINK_CONNECTING,
    BELL_REDIS_LINK_GREETING, /* AUTH, PING */
    BELL_REDIS_LINK_READY
} bell_redis_link_state;

struct bell_redis_link {
    bell_redis *r;
    bell_redis_endpoint at;
    bool is_of_channels;
    bell_redis_link_state state;
    struct redisAsyncContext *ac; /* NULL: none */
    bell_redis_io *io;
    bell_redis_timer timer; /* the end of a pause, of connecting, of patience */
    bell_list sent;
    size_t nsent;
    bell_list waiting;
    int64_t heard_ms, ready_ms;
    unsigned failures;  /* since it could be used */
    uint64_t round;     /* of those in which the map was asked for */
    bool is_told;       /* that it cannot be used */
    bool is_pinged;     /* of channels: and has not said anything since */
    bell_list expected; /* of channels: answers to come, in order */
};

/* What hiredis knows of us; lives as long as its context. */
struct bell_redis_io {
    bell_redis_link *link; /* NULL: it gave the connection up */
    struct redisAsyncContext *ac;
    void *ssl;   /* of TLS; hiredis frees it */
    size_t come; /* bytes of an answer that is not whole yet */
    void *watched;
    void (*want)(void *watched, bool read, bool write);
    void (*unwatch)(void *watched);
    bool read, write;
    bool is_inside; /* it is read from, or written to: it is freed behind that */
    bool is_doomed;
    bool *gone;
};

/* ---- a store */

struct bell_redis {
    bell_redis_options o; /* its strings are copies */
    bell_redis_loop loop;
    char *user, *password;

    bell_redis_timers timers;
    int64_t armed_ms; /* INT64_MAX: nothing is */
    bool *over;       /* where to say that the store was freed */
    bool is_inside;   /* settle() will come */
    bool is_closed;

    bell_list tasks, homeless, ended;
    uint32_t in_flight;
    size_t bytes; /* of commands, and of those with hiredis */

    bell_redis_link *links[BELL_REDIS_LINKS_MAX];
    size_t nlinks;
    size_t seed;      /* of a single one: whom we use */
    bool has_pruning; /* nodes have left the map */

    bell_redis_cluster *map, *next;
    bell_redis_link *at_node[BELL_REDIS_NODES_MAX]; /* of the map's nodes; NULL: not looked up yet */
    bool has_map, is_map_lost, is_map_wanted, is_map_asked, is_map_old_way;
    bell_redis_link *map_link;
    bell_redis_timer map_timer;
    uint64_t map_round;
    unsigned map_failures;
    int64_t map_ms; /* when it was read */

    bell_list channels;
    size_t nchannels;
    bell_redis_timer channel_timer;
    unsigned channel_failures;

    bool is_told_ready;
    char reason[BELL_REDIS_REASON_MAX]; /* why it is not */
    bell_redis_status figures;
};

int64_t bell_redis_now(const bell_redis *r);
/* The timer of the loop follows ours, now or in settle(). */
void bell_redis_rearm(bell_redis *r);
void bell_redis_say(bell_redis *r, bell_redis_level level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
uint32_t bell_redis_pause(bell_redis *r, unsigned tries, uint32_t least_ms, uint32_t most_ms);
/* Calls who has to be called; the store may be gone then. */
void bell_redis_settle(bell_redis *r);

/* ---- bell_redis_task.c */

/* With handler and data; NULL: no memory. To be given to route(). */
bell_redis_task *bell_redis_task_new(bell_redis *r, const bell_redis_script *script, const bell_redis_call *call);
/* To where it belongs now: sent, or put where it waits. */
void bell_redis_task_route(bell_redis_task *t);
/* All of a list, which may get new ones meanwhile. */
void bell_redis_task_route_all(bell_list *list);
/* As many of the link's waiting as there is room for. */
void bell_redis_task_flush(bell_redis_link *l);
/* The link that it was sent to or waits for is gone; what it said. */
void bell_redis_task_lost(bell_redis_task *t, const char *reason);
/* The store may be gone then. */
void bell_redis_task_answered(bell_redis_task *t, bell_redis_link *l, const struct redisReply *reply);
/* All, for the end of the store. */
void bell_redis_task_end_all(bell_redis *r, const char *reason);
/* Calls the handler of one that has ended, and frees it; the store may be gone then. */
void bell_redis_task_tell(bell_redis_task *t);

/* ---- bell_redis_link.c */

/* The one to that node, made when there is none; NULL: no memory, or too many. */
bell_redis_link *bell_redis_link_to(bell_redis *r, const bell_redis_endpoint *at, bool is_of_channels);
/* Connects, unless that is done, under way, or has to wait. */
void bell_redis_link_open(bell_redis_link *l);
/* Gives the connection up: what was sent is lost, and it is tried again after a pause if somebody wants it. */
void bell_redis_link_close(bell_redis_link *l, const char *reason);
bool bell_redis_link_can_take(const bell_redis_link *l);
/* One command's bytes, for a task or for `own`; false: no memory, and the link was closed. */
bool bell_redis_link_send(bell_redis_link *l, bell_redis_task *t, void (*own)(bell_redis_link *l, const struct redisReply *reply), const char *bytes,
                          size_t len);
/* It can be used, and has said something. */
void bell_redis_link_heard(bell_redis_link *l);
/* To the oldest command. The store may be gone then. */
void bell_redis_link_answered(bell_redis_link *l, const struct redisReply *reply);
/* What is wrong with a connection: hiredis' words, or put together in out. */
const char *bell_redis_link_reason(const bell_redis_io *io, char *out, size_t room);
/* Not in the middle of anything: those that nobody needs. */
void bell_redis_link_prune(bell_redis *r);
void bell_redis_link_free(bell_redis_link *l);

/* ---- bell_redis_read.c */

/* Of a new connection. */
void bell_redis_read_begin(struct redisReader *reader);

/* ---- bell_redis_map.c */

void bell_redis_map_init(bell_redis *r);

/* The map may be wrong: it is read again, soon. */
void bell_redis_map_want(bell_redis *r);
/* The link that has a slot; NULL: nobody has it. */
bell_redis_link *bell_redis_map_link(bell_redis *r, uint16_t slot, bool is_of_channels);
/* For what has no key. */
bell_redis_link *bell_redis_map_any(bell_redis *r);
void bell_redis_map_moved(bell_redis *r, const bell_redis_verdict *v);
/* A node is lost, or became a replica: the map is read again; of a single Redis, the next address is tried. */
void bell_redis_map_lost(bell_redis *r, bell_redis_link *l);

/* ---- bell_redis_channel.c */

struct bell_redis_channel {
    bell_list queue;
    bell_redis *r;
    bell_redis_link *link; /* was asked there, or will be when it is ready; NULL: after the pause */
    bool is_asked, is_listening;
    bool is_deaf;   /* and the listener knows, or is about to */
    bool owes_deaf; /* is about to */
    uint16_t slot;
    bell_redis_listener listener;
    void *data;
    char reason[BELL_REDIS_REASON_MAX];
    size_t len;
    char name[];
};

void bell_redis_channel_ready(bell_redis_link *l);
void bell_redis_channel_lost(bell_redis_link *l, const char *reason);
/* What a connection of channels has said. The store may be gone then. */
void bell_redis_channel_heard(bell_redis_link *l, const struct redisReply *reply);
/* Patience is over. */
void bell_redis_channel_watch(bell_redis_link *l);
/* Tells one listener that it is deaf; false: there is none. The store may be gone then. */
bool bell_redis_channel_tell(bell_redis *r);
/* The map is another one. */
void bell_redis_channel_route_all(bell_redis *r);
bool bell_redis_channel_uses(const bell_redis_link *l);
void bell_redis_channel_free_all(bell_redis *r);

/* ---- bell_redis_tls.c */

/* The connection's, which hiredis frees; NULL: why not is put together in out. */
void *bell_redis_tls_begin(bell_redis_tls *tls, struct redisAsyncContext *ac, char *out, size_t room);
/* What OpenSSL has kept of others is not taken for a fault of the next connection. */
void bell_redis_tls_forget(void);
/* Why it has failed, put together in out; NULL: OpenSSL has nothing to say. It forgets what it had. */
const char *bell_redis_tls_reason(void *ssl, char *out, size_t room);

#pragma GCC visibility pop

#endif
