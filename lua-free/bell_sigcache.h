/* Signatures that were verified, in memory that several processes share: a token that stands here was found right by one of them, with what it says.
 * Public-key signatures cost 20 to 150 microseconds, and a student's token is the same with every request.
 *
 * A token is found by a keyed hash and trusted when it is equal byte for byte. Only what was verified is put here, so that forged ones push nobody
 * out. What can change after a token was signed (the clock, a revocation, keys that end) is not kept: the caller asks that of each value that it
 * gets.
 *
 * Nobody waits: a slot that somebody else writes to is not read, and another one is taken. A slot's lock names the process that holds it, and is
 * taken over when that one is dead; a reader never sees what it left half written. */
#ifndef BELL_SIGCACHE_H
#define BELL_SIGCACHE_H

#include "bell_siphash.h"

#pragma GCC visibility push(hidden)

#define BELL_SIGCACHE_ALIGN    64
#define BELL_SIGCACHE_WAYS     4 /* slots where a token may be */
#define BELL_SIGCACHE_SLOT_MIN 256
#define BELL_SIGCACHE_SLOT_MAX 65536

/* Lays a cache out in zeroed memory, aligned to BELL_SIGCACHE_ALIGN. slot_bytes, a multiple of it, is the most that a token, its value and
 * 24 bytes may take together. false: no room for BELL_SIGCACHE_WAYS slots. */
bool bell_sigcache_init(void *cache, size_t bytes, size_t slot_bytes, const unsigned char seed[BELL_SIPHASH_KEY_BYTES])
    __attribute__((warn_unused_result));
size_t bell_sigcache_slots(const void *cache);
size_t bell_sigcache_slot_bytes(const void *cache);

/* Copies the value of a token that is here; its length, or -1. `realm` is part of the key: what holds in one does not in another. now_s, Unix
 * seconds, is noted for who chooses what has to go. A value longer than `room` is not here. */
long bell_sigcache_get(void *cache, uint32_t realm, bell_str token, int64_t now_s, void *value, size_t room) __attribute__((warn_unused_result));

/* false: it does not fit into a slot, or others write to all of its slots. The least recently used of its slots goes. self: the process's id. */
bool bell_sigcache_put(void *cache, uint32_t self, uint32_t realm, bell_str token, int64_t now_s, const void *value, size_t value_bytes);

#pragma GCC visibility pop

#endif
