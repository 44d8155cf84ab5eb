/* Places for what may be done at once, and who gets the next one. What wants a place is an item, a number of the caller's from 1; it is of a tenant,
 * at a pool. So many items of one tenant have places at one pool at a time, and so many of all tenants; the others wait in a queue. When a place
 * becomes free, tenants take turns (Nagle, "On packet switches with infinite storage", RFC 970, 1985), and of one tenant the item that came first is
 * next. Items that somebody waits for go before those that nobody waits for.
 *
 * The queue is bounded. When it is full, an item that nobody waits for is pushed out, of the tenant who has most of them; else the last one of the
 * tenant who has most, when the newcomer's has fewer; else the newcomer is refused. So who fills the queue pushes out his own.
 *
 * One block of memory that several processes share. Locks are the caller's. All calls take a few steps; one into a full queue looks at all tenants.
 */
#ifndef BELL_PLACES_H
#define BELL_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

#define BELL_PLACES_ITEMS_MAX 65535
#define BELL_PLACES_POOLS     64 /* that have items at the same time; those beyond share one */
#define BELL_PLACES_ALIGN     8

typedef enum {
    BELL_PLACE_NONE = 0, /* it has not asked, or has given all back */
    BELL_PLACE_HAS,
    BELL_PLACE_WAITS,
    BELL_PLACE_REFUSED /* an answer of ask(): it has none, and does not wait */
} bell_place;

typedef struct {
    uint32_t tenant_id;
    uint64_t pool;      /* a hash of its name */
    bool behind;        /* nobody waits for it */
    uint16_t of_tenant; /* how many have places at this pool at a time; 0: as many as come */
    uint16_t of_pool;
    uint16_t queue; /* how many wait, of all tenants and pools */
} bell_place_asked;

size_t bell_places_size(uint32_t items);
/* In memory of any content, aligned to BELL_PLACES_ALIGN: nobody has a place. items: up to BELL_PLACES_ITEMS_MAX. */
void bell_places_init(void *places, uint32_t items);

/* The item has no place and does not wait. *pushed_out: an item that waited and has gone for it; 0: none. */
bell_place bell_places_ask(void *places, uint32_t item, const bell_place_asked *asked, uint32_t *pushed_out);
/* It does not want it any more: the place, or the waiting. */
void bell_places_give(void *places, uint32_t item);
/* Whether somebody waits for it, who did not before, or nobody any more. */
void bell_places_behind(void *places, uint32_t item, bool behind);
/* Behind each of the three, until it is 0: an item that has waited, and has a place now. */
uint32_t bell_places_next(void *places);

bell_place bell_places_of(const void *places, uint32_t item);
uint32_t bell_places_waiting(const void *places);
uint32_t bell_places_taken(const void *places);

#pragma GCC visibility pop

#endif
