/* Places at an origin while there are fewer of them than requests: who gets the next one, who waits, and who has to go. So many requests have places
 * at a pool of servers at a time; the others wait in a queue, which is bounded. All of it is one block of memory that several processes share.
 *
 * Whose turn it is: weighted max-min sharing (Demers, Keshav and Shenker, "Analysis and Simulation of a Fair Queueing Algorithm", SIGCOMM 1989;
 * Goyal, Vin and Cheng, "Start-time Fair Queuing", SIGCOMM 1996) of what an origin has few of, the time during which a place is taken. The next place
 * is for the tenant that has had least of it for its weight while anybody waited; of that tenant for the class, and of that class for the student who
 * has had least. Who does not use his share leaves it to the others, and saves nothing. Of one student's requests the highest rank goes first.
 *
 * Who has to go when the queue is full: the lowest rank that waits, and of that rank one of the tenant that has most for its weight, of the class and
 * of the student that have most, the one that came last. So who fills the queue pushes out his own. A quarter of the queue is no rank's: while what a
 * tenant has in it is no more than its share of that quarter, by weight, it goes for no other tenant's, and so with the classes of a tenant and the
 * students of a class.
 *
 * A request that has asked is an item, a number from 1. Each names the process that it is of: what a dead one leaves can be taken away. Whoever is
 * killed inside leaves a torn block; the next one who enters makes it anew from the items.
 *
 * Locks are the caller's, and so is the clock: microseconds of one that all processes have in common. A call takes a few steps while nobody waits;
 * one that gives a place away looks at the tenants that wait, the classes of one and the students of one of these. */
#ifndef BELL_FAIR_H
#define BELL_FAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

#define BELL_FAIR_ITEMS_MAX  1000000
#define BELL_FAIR_POOLS      64 /* that are known at the same time; more that are in use share one */
#define BELL_FAIR_RANKS      10 /* 1 to 10; 1 goes first when somebody has to go */
#define BELL_FAIR_OWNERS     64 /* slots of processes */
#define BELL_FAIR_WEIGHT_MAX 10000
#define BELL_FAIR_ALIGN      8

typedef enum {
    BELL_FAIR_NONE = 0,
    BELL_FAIR_HAS, /* a place */
    BELL_FAIR_WAITS,
    BELL_FAIR_REFUSED /* it is not let in; of an item that waited: it was pushed out */
} bell_fair_state;

typedef struct {
    uint64_t tenant, class, student; /* whose it is: numbers or hashes, a class within its tenant and a student within his class */
    uint32_t weight;                 /* of the tenant, 1 to BELL_FAIR_WEIGHT_MAX */
    uint32_t rank;                   /* 1 to BELL_FAIR_RANKS */
    uint32_t queue;                  /* so many may wait at that pool */
    uint32_t slot, epoch;            /* the process that asks; the slot is below BELL_FAIR_OWNERS */
    uint64_t token;                  /* that process' own name of the request, given back by bell_fair_ready() */
} bell_fair_asked;

size_t bell_fair_size(uint32_t items);
/* In memory of any content, aligned to BELL_FAIR_ALIGN: nobody has asked. items: up to BELL_FAIR_ITEMS_MAX. */
void bell_fair_init(void *fair, uint32_t items);

/* All calls below stand between these two, under the lock. true: somebody was killed inside, and all has been put in order again. */
bool bell_fair_enter(void *fair, int64_t now_us);
void bell_fair_leave(void *fair);

/* The pool's number, below BELL_FAIR_POOLS. It is the same while the pool has items, and until another pool needs the number. */
uint32_t bell_fair_pool(void *fair, uint64_t key);
/* How many may have places there at a time, 1 or more; who has one keeps it. A pool begins with 1. */
void bell_fair_set_places(void *fair, uint32_t pool, uint32_t places, int64_t now_us);

/* HAS or WAITS: *item is its number until it is given back. REFUSED: there is none. */
bell_fair_state bell_fair_ask(void *fair, uint32_t pool, const bell_fair_asked *asked, int64_t now_us, uint32_t *item);
/* The request wants it no more: the place, the waiting, or a refusal that it has been told of. */
void bell_fair_give(void *fair, uint32_t number, int64_t now_us);
bell_fair_state bell_fair_state_of(const void *fair, uint32_t number);

/* Slots of processes whose items have got places or have been pushed out since this was asked last, a bit each. */
uint64_t bell_fair_to_wake(void *fair);
/* An item of that process that waited and waits no more, with its token; 0: no further one. It may be told of twice. */
uint32_t bell_fair_ready(void *fair, uint32_t slot, uint32_t epoch, uint64_t *token, bell_fair_state *state);

/* Whether there may be such an item; may be asked without the lock. */
bool bell_fair_is_ready(const void *fair, uint32_t slot);

/* Gives back what processes have that do not live, and has all woken that have not been told of something. How many items that were. */
uint32_t bell_fair_sweep(void *fair, bool (*lives)(void *data, uint32_t slot, uint32_t epoch), void *data, int64_t now_us);

typedef struct {
    uint32_t places, taken, waiting;
    uint32_t waiting_of[BELL_FAIR_RANKS + 1];
    int64_t hold_us; /* for how long places were taken of late, on average; a second at most */
} bell_fair_figures;

void bell_fair_read(const void *fair, uint32_t pool, bell_fair_figures *out);

typedef struct {
    uint64_t tenant;
    uint32_t weight, taken, waiting;
} bell_fair_tenant;

/* Tenants with items there, up to `most` of them, those with most items first. How many there are in out. */
uint32_t bell_fair_tenants(const void *fair, uint32_t pool, bell_fair_tenant *out, uint32_t most);

uint32_t bell_fair_items(const void *fair); /* in use */
uint32_t bell_fair_room(const void *fair);  /* for so many there is memory; who asks when all are in use is refused, whoever's they are */

#pragma GCC visibility pop

#endif
