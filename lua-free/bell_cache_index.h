/* What is stored, and what goes when room is needed: an index of objects in one block of memory that several processes share. An object is found by
 * 128 bits of a keyed hash of its key (bell_cache_key.h) in time of O(1); what else is known of it is the caller's, BELL_CACHE_PAYLOAD_BYTES.
 *
 * Who goes: S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023). New objects enter a small queue, of which only those
 * that were asked for again reach the main one; an object that comes back soon after it went enters the main one at once. Hits move nothing: they
 * count up to three, without a lock. Each tenant has queues of its own, and it is always one of those who hold most that gives: who holds less than
 * half of what the greatest one does loses nothing to others.
 *
 * Locks are the caller's. Only bell_cache_index_get() and _touch() may run beside a call that changes the index: get() gives a whole entry or none. A
 * caller that died within a change leaves the index torn; whoever takes the lock over lays it out anew. */
#ifndef BELL_CACHE_INDEX_H
#define BELL_CACHE_INDEX_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_CACHE_PAYLOAD_BYTES 80
#define BELL_CACHE_INDEX_ALIGN   64

typedef struct {
    uint64_t words[2]; /* all bits are alike */
} bell_cache_hash;

/* As it lies in memory; a caller reads hash, tenant, bytes and payload of its copy. */
typedef struct {
    bell_cache_hash hash;
    uint64_t bytes; /* as put() was told, without the entry itself */
    uint32_t tenant_id;
    uint32_t share;        /* of a tenant: its number */
    uint32_t chain;        /* the next of the bucket, or of the free ones; 0: none */
    uint32_t older, newer; /* of its queue */
    uint8_t queue;
    uint8_t hits;
    uint16_t unused;
    unsigned char payload[BELL_CACHE_PAYLOAD_BYTES] __attribute__((aligned(8)));
} bell_cache_entry;

_Static_assert(sizeof(bell_cache_entry) == 128, "two lines");

/* Who has to go is told of, before its entry is used for something else: what hangs on the payload is given back there. No call into the index. */
typedef struct {
    void (*gone)(void *data, const bell_cache_entry *entry);
    void *data;
} bell_cache_evicted;

/* How much memory so many entries take, and shares for so many tenants at a time; those beyond have one between them. */
size_t bell_cache_index_size(uint32_t entries, uint32_t tenants);
/* Lays it out in memory of any content, aligned to BELL_CACHE_INDEX_ALIGN. capacity: of all objects together, bytes. false: no room, or nothing asked
 * for. */
bool bell_cache_index_init(void *index, size_t size, uint32_t entries, uint32_t tenants, uint64_t capacity) __attribute__((warn_unused_result));

/* A copy of the entry with that hash, and its number; 0: there is none, or it is being changed just now. */
uint32_t bell_cache_index_get(const void *index, const bell_cache_hash *hash, bell_cache_entry *out) __attribute__((warn_unused_result));
/* It was of use. A number of what has gone meanwhile does no harm. */
void bell_cache_index_touch(void *index, uint32_t number);

/* Under the lock. */

/* The entry with that hash, to be read; NULL: none. */
const bell_cache_entry *bell_cache_index_find(const void *index, const bell_cache_hash *hash) __attribute__((warn_unused_result));
/* A new entry, others going as need be; one with that hash goes first. Its number; 0: it is greater than the whole capacity. len: of the payload, the
 * rest of which is zeros. */
uint32_t bell_cache_index_put(void *index, const bell_cache_hash *hash, uint32_t tenant_id, uint64_t bytes, const void *payload, size_t len,
                              const bell_cache_evicted *evicted);
/* The one that has to go next goes, for who needs room of another kind than bytes. false: there is nothing. */
bool bell_cache_index_evict(void *index, const bell_cache_evicted *evicted);
/* Another payload for the entry with that hash. false: there is none. */
bool bell_cache_index_set(void *index, const bell_cache_hash *hash, const void *payload, size_t len);
/* false: there is none. */
bool bell_cache_index_remove(void *index, const bell_cache_hash *hash, const bell_cache_evicted *evicted);

/* The place of an entry, from 1 on, which it has until it goes; and what is in a place, NULL: nothing. For who keeps something beside the index. */
uint32_t bell_cache_index_number(const void *index, const bell_cache_entry *entry);
const bell_cache_entry *bell_cache_index_at(const void *index, uint32_t number) __attribute__((warn_unused_result));
/* The same as put(), for who fills an index that was emptied, oldest first, with what bell_cache_index_next() has told: nothing goes for it. queue
 * and hits as they were. 0: there is no room, or that hash is there. */
uint32_t bell_cache_index_restore(void *index, const bell_cache_hash *hash, uint32_t tenant_id, uint64_t bytes, unsigned queue, unsigned hits,
                                  const void *payload, size_t len) __attribute__((warn_unused_result));

uint32_t bell_cache_index_count(const void *index);
uint64_t bell_cache_index_bytes(const void *index);
/* Of a tenant; of all who share when there are more tenants than shares. */
uint64_t bell_cache_index_tenant_bytes(const void *index, uint32_t tenant_id);

/* All entries, of each tenant in the order in which they would go, *number 0 at first: to be put again, in this order, by who begins anew. NULL: that
 * was the last. */
const bell_cache_entry *bell_cache_index_next(const void *index, uint32_t *number);

#pragma GCC visibility pop

#endif
