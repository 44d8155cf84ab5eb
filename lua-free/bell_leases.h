/* The leases of keys that are in use (bell_lease.h), in memory that several processes share. A key that is not in use needs none: its share is a
 * number in the table of all keys (bell_limits.h), and so is that of a key for which there is no room here.
 *
 * A key has its place in one of two sets of eight, which its name says: three places of four can be used before one does not find any. Who looks for
 * a key takes no lock and reads one line of each set. Who adds or removes one has the caller's lock. A use in the same instant in which its key is
 * removed may be lost, or count for the key that comes in its place; who removes keys that have not been used for a while will not see it. */
#ifndef BELL_LEASES_H
#define BELL_LEASES_H

#include "bell_lease.h"
#include "bell_limits.h"

#pragma GCC visibility push(hidden)

#define BELL_LEASES_ALIGN        64
#define BELL_LEASES_WAYS         8
#define BELL_LEASES_DIGEST_BYTES 16

typedef struct {
    bell_lease lease;
    bell_limits_name name;
    uint64_t limit;     /* whose key it is: a number of the caller's, as are the next three */
    uint32_t percent;   /* of the limit's rule, as it was used last */
    uint32_t tenant_id; /* both: what it is called at the store */
    unsigned char digest[BELL_LEASES_DIGEST_BYTES];
} __attribute__((aligned(BELL_LEASES_ALIGN))) bell_leases_key;

/* How much memory so many keys take, bytes: some 350 a key. */
size_t bell_leases_size(size_t keys);
/* Lays it out in zeroed memory, aligned to BELL_LEASES_ALIGN. epoch: of the first lease; each one has another. false: no room for one set. */
bool bell_leases_init(void *memory, size_t bytes, uint64_t epoch) __attribute__((warn_unused_result));
size_t bell_leases_places(const void *memory);

void bell_leases_prefetch(const void *memory, bell_limits_name name);
/* NULL: it has none here. */
bell_leases_key *bell_leases_find(void *memory, bell_limits_name name);

/* Whether a key of that name would find a place now; without the lock. */
bool bell_leases_has_room(const void *memory, bell_limits_name name);
/* With the lock. A key that is not here: its lease begins with what its share has used, BELL_GCRA_NEVER: nothing. The rest of what is in `key` is
 * copied. NULL: both sets are full. */
bell_leases_key *bell_leases_add(void *memory, const bell_leases_key *key, int64_t share_tat_us);
/* With the lock. */
void bell_leases_remove(void *memory, bell_leases_key *key);

/* The keys that are here, in no order, *place 0 at first. NULL: that was the last. */
bell_leases_key *bell_leases_next(void *memory, size_t *place);

#pragma GCC visibility pop

#endif
