/* Which node of a Redis Cluster has which slot, as the nodes tell it (CLUSTER SHARDS of Redis 7, CLUSTER SLOTS before), and what to do next when a
 * node answers with an error. Nothing here sends or waits. Replies are hiredis', of 0.14 and 1.x, RESP2 and RESP3.
 *
 * Strict: a reply that is not as the documentation has it is refused as a whole, with a sentence that says why. */
#ifndef BELL_REDIS_CLUSTER_H
#define BELL_REDIS_CLUSTER_H

#include "bell_redis_slot.h"

struct redisReply;

#pragma GCC visibility push(hidden)

#define BELL_REDIS_NODES_MAX     256
#define BELL_REDIS_HOST_MAX      255
#define BELL_REDIS_REDIRECTS_MAX 5

typedef struct {
    char host[BELL_REDIS_HOST_MAX + 1]; /* an address or a name, ends with NUL */
    uint16_t port;
} bell_redis_endpoint;

typedef struct {
    bell_redis_endpoint at;
    bool is_primary;  /* has slots, or may get some; else a replica */
    uint16_t primary; /* of a replica: the number of its primary; BELL_REDIS_NODES_MAX: it has none that is well */
} bell_redis_node;

/* 100 KiB. A reader fills one that is not in use; then they change places. */
typedef struct {
    uint16_t nnodes;
    uint16_t nslots; /* how many of them have a node */
    bell_redis_node nodes[BELL_REDIS_NODES_MAX];
    uint16_t slots[BELL_REDIS_SLOTS]; /* the number of the primary, from 1; 0: nobody has it */
} bell_redis_cluster;

/* No nodes. */
void bell_redis_cluster_init(bell_redis_cluster *c);

/* What the reply says, in place of what was there. from: whom it was asked of, whose host is meant where a node does not know its own. tls: ports are
 * those for TLS. A primary that has failed has no slots. NULL: well; else why not, and there are no nodes. */
const char *bell_redis_cluster_read_shards(bell_redis_cluster *c, const struct redisReply *reply, const bell_redis_endpoint *from, bool tls)
    __attribute__((warn_unused_result));
/* The same of CLUSTER SLOTS, whose ports are those of the connection. */
const char *bell_redis_cluster_read_slots(bell_redis_cluster *c, const struct redisReply *reply, const bell_redis_endpoint *from)
    __attribute__((warn_unused_result));

/* The primary of a slot below BELL_REDIS_SLOTS; NULL: nobody has it. */
const bell_redis_node *bell_redis_cluster_at(const bell_redis_cluster *c, uint16_t slot);
/* MOVED said so, ahead of the next reading. false: there is no room for one more node. */
bool bell_redis_cluster_move(bell_redis_cluster *c, uint16_t slot, const bell_redis_endpoint *to);

/* ---- errors */

typedef enum {
    BELL_REDIS_MOVED,       /* the slot is another node's */
    BELL_REDIS_ASK,         /* this key is at another node already, the slot is not */
    BELL_REDIS_TRYAGAIN,    /* some of the keys are on their way to another node */
    BELL_REDIS_CLUSTERDOWN, /* nobody has the slot, or too few nodes see each other */
    BELL_REDIS_MASTERDOWN,  /* a replica without its primary */
    BELL_REDIS_LOADING,     /* it reads its data from disk */
    BELL_REDIS_READONLY,    /* it became a replica */
    BELL_REDIS_NOSCRIPT,    /* it does not have the script */
    BELL_REDIS_OOM,         /* it has no memory left, and forgets nothing */
    BELL_REDIS_BUSY,        /* a script runs for too long */
    BELL_REDIS_MISCONF,     /* it cannot write to its disk */
    BELL_REDIS_NOREPLICAS,  /* too few replicas follow it */
    BELL_REDIS_DENIED,      /* NOAUTH, WRONGPASS, NOPERM: the operator's */
    BELL_REDIS_CROSSSLOT,   /* keys of two slots in one command: ours */
    BELL_REDIS_OTHER
} bell_redis_error;

typedef enum {
    BELL_REDIS_GIVE_UP,    /* this command has failed */
    BELL_REDIS_SEND_THERE, /* the same to `to`, which has the slot from now on */
    BELL_REDIS_ASK_THERE,  /* ASKING and the same to `to`, this once */
    BELL_REDIS_EVAL,       /* the same node, with the script's text */
    BELL_REDIS_LATER       /* the same after a pause, to whoever has the slot then */
} bell_redis_step;

typedef struct {
    bell_redis_error error;
    bell_redis_step step;
    bool refresh; /* the map is no longer right: read it again */
    uint16_t slot;
    bell_redis_endpoint to; /* of MOVED and ASK */
} bell_redis_verdict;

/* What an error reply's text means. from: who sent it. redirects: how often this command was sent on already; after BELL_REDIS_REDIRECTS_MAX it has
 * to wait for the map. */
void bell_redis_judge(bell_str text, const bell_redis_endpoint *from, unsigned redirects, bell_redis_verdict *verdict);
/* A sentence for the log. */
const char *bell_redis_error_reason(bell_redis_error error);

/* How long to wait before the next try: between a half and all of least_ms * 2^tries, at most most_ms, by lot. random: any number. */
uint32_t bell_redis_pause_ms(unsigned tries, uint32_t least_ms, uint32_t most_ms, uint64_t random);

#pragma GCC visibility pop

#endif
