/* Many keys with a rate limit each (bell_gcra.h), in memory that several processes share: what a key has used is one number, 16 bytes with what the
 * key is known by.
 *
 * A key is a limit's number and bytes of any length; a tenant's id is among them. It is known by a keyed hash (SipHash-128, the seed is secret): some
 * of its bits name one set of eight places, two cache lines, and 56 of the others and the limit's number stand in the place. A key that is new is
 * taken for another one with a chance of 8 in 2^56, about 1 in 10^16, and nobody can look for such keys without the seed. It may stand anywhere in
 * its set; in most cases one line is read.
 *
 * It never refuses because it is full. A key that is idle, which is one that may use all its rule has, is the same as one that was never here, and
 * its place is anybody's. In a set without idle ones the key that will be idle first goes, and has forgotten what it used: so who is over a limit is
 * the last to be forgotten, and who comes with many keys pushes out his own. bell_limits_size() has room for so many keys that are not idle that less
 * than one in a thousand is lost.
 *
 * No locks. A place changes by one compare-and-swap of its 16 bytes: the claim and the use are one step, and who is killed leaves nothing behind.
 * What remains of races: two processes that use a key for the first time in the same instant, with clocks that differ so that one sees a place as
 * idle and the other does not, have it in two places. The first one in the order in which all look counts from then on, so that what is lost is the
 * one use in the other. With one clock for all, numbers are exact as long as no set is full.
 *
 * Rules are the caller's with each use, and may be others than before. */
#ifndef BELL_LIMITS_H
#define BELL_LIMITS_H

#include "bell_gcra.h"
#include "bell_siphash.h"

#pragma GCC visibility push(hidden)

#define BELL_LIMITS_ALIGN 128
#define BELL_LIMITS_WAYS  8

typedef struct {
    uint64_t where;
    uint64_t tag; /* the limit's number is the highest byte; never 0 */
} bell_limits_name;

/* How much memory so many keys take that are not idle, bytes: 48 a key. */
size_t bell_limits_size(size_t keys);
/* Lays it out in zeroed memory, aligned to BELL_LIMITS_ALIGN. false: no room for one set (256 bytes). */
bool bell_limits_init(void *memory, size_t bytes, const unsigned char seed[BELL_SIPHASH_KEY_BYTES]) __attribute__((warn_unused_result));
size_t bell_limits_places(const void *memory);

bell_limits_name bell_limits_name_of(const void *memory, uint8_t limit, bell_str key);
/* Begins to fetch what the calls below read: for all limits of a request before the first of them is asked. */
void bell_limits_prefetch(const void *memory, bell_limits_name name);

/* As bell_gcra_take(); the times are of one clock for all. */
bell_gcra_answer bell_limits_take(void *memory, bell_limits_name name, const bell_gcra_rule *rule, int64_t now_us, uint64_t cost);
/* As a use of cost 0, and writes nothing. */
bell_gcra_answer bell_limits_peek(const void *memory, bell_limits_name name, const bell_gcra_rule *rule, int64_t now_us);
/* Undoes a use that was allowed. */
void bell_limits_give_back(void *memory, bell_limits_name name, const bell_gcra_rule *rule, int64_t now_us, uint64_t cost);

typedef struct {
    bell_limits_name name; /* `where` has the bits that say where it stands, and no others */
    uint8_t limit;
    int64_t tat_us; /* for bell_gcra_take() with cost 0 */
} bell_limits_key;

/* The keys that are not idle, in no order, *place 0 at first. Others may come and go meanwhile. false: that was the last. */
bool bell_limits_next(const void *memory, size_t *place, int64_t now_us, bell_limits_key *key);
/* Whether a name is that key's. */
bool bell_limits_is(const void *memory, bell_limits_name name, const bell_limits_key *key);

#pragma GCC visibility pop

#endif
