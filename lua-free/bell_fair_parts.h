/* What bell_fair*.c share: how the block is laid out. */
#ifndef BELL_FAIR_PARTS_H
#define BELL_FAIR_PARTS_H

#include "bell_fair.h"

#pragma GCC visibility push(hidden)

#define FAIR_LEVELS 3 /* of nodes below a pool's: tenants, classes, students */

/* What an item is lies in itself alone, so that all else can be made from it again. Its state is written last. */
typedef struct {
    uint64_t tenant, class, student;
    uint64_t token;
    uint64_t came;
    int64_t taken_us;    /* HAS: since when */
    uint32_t node;       /* its student */
    uint32_t prev, next; /* of his line, or of those that are ready */
    uint32_t weight;
    uint32_t slot, epoch;
    uint8_t pool, rank, state;
    uint8_t ready; /* its process has not been told yet */
} fair_item;

/* A pool, a tenant at it, a class of that tenant, or a student of that class; there is one as long as it has items. Pools are there always. */
typedef struct {
    uint64_t key;
    uint32_t parent;
    uint32_t chain;      /* the next of the bucket, or of the free ones */
    uint32_t prev, next; /* of those below the same parent that wait; next 0: it does not */
    uint32_t first;      /* of those below that wait, in a ring; of a student: his line */
    uint32_t last;       /* of his line */
    uint32_t weight;
    uint32_t round; /* of the pool: what follows is of that one */
    uint32_t taken, waits;
    uint32_t waits_of[BELL_FAIR_RANKS + 1];
    int64_t used_us; /* time that it has had places, up to at_us, as if it had come with its share */
    int64_t at_us;
    int64_t share_us; /* for each unit of weight, of the one below that was last given a place */
} fair_node;

typedef struct {
    uint64_t key;
    uint64_t asked; /* a number that goes up */
    uint32_t places;
    uint32_t round; /* goes up when somebody waits where nobody did, and when shares are too large; time counts from there */
    int64_t since_us;
    int64_t hold_us;
} fair_pool;

/* Then buckets of nodes, nodes, items. All are numbered from 1; nodes up to BELL_FAIR_POOLS are the pools'. */
typedef struct {
    uint32_t items, nodes, bucket_mask;
    uint32_t busy; /* somebody is inside */
    uint32_t free_item, free_node, in_use;
    uint64_t came, asked;
    uint64_t to_wake;
    uint64_t node_at, item_at; /* bytes from here */
    uint32_t ready[BELL_FAIR_OWNERS], ready_last[BELL_FAIR_OWNERS];
    fair_pool pools[BELL_FAIR_POOLS];
} fair_head;

fair_node *bell_fair_node(const fair_head *h, uint32_t n);
fair_item *bell_fair_item(const fair_head *h, uint32_t n);

/* ---- bell_fair_tree.c */

/* All nodes are free, no pool has any; those of an item, made where they are missing: its student. */
void bell_fair_clear_nodes(fair_head *h);
uint32_t bell_fair_plant(fair_head *h, const fair_item *i, int64_t now_us);
/* Nodes without items, from a student upwards. */
void bell_fair_prune(fair_head *h, uint32_t student);

/* Counted in its nodes; what has no place yet gets one, what waits stands in its line. */
void bell_fair_take(fair_head *h, uint32_t number, int64_t now_us);
void bell_fair_untake(fair_head *h, uint32_t number, int64_t now_us);
void bell_fair_wait(fair_head *h, uint32_t number, int64_t now_us);
void bell_fair_unwait(fair_head *h, uint32_t number);

/* The item that is next at a pool where somebody waits. */
uint32_t bell_fair_choose(fair_head *h, uint32_t pool, int64_t now_us);
/* Who has to go for this one, which has nodes and does not wait yet; 0: itself. */
uint32_t bell_fair_shed(const fair_head *h, uint32_t number);

#pragma GCC visibility pop

#endif
