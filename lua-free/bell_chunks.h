/* Texts in memory that processes share, cut into chunks of one size, so that any of them fits wherever room is and none is ever moved. A text is a
 * chain of chunks, named by its first; a chain is taken, written from its beginning and given back.
 *
 * Locks are the caller's for taking and giving back. One process writes a chain; others may read what it has told them is written. Somebody who reads
 * a chain that was given back meanwhile reads bytes of others and never outside: whether it was still the one that he wanted, the caller asks behind
 * that (bell_cache_index.h). */
#ifndef BELL_CHUNKS_H
#define BELL_CHUNKS_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

#define BELL_CHUNKS_ALIGN      64
#define BELL_CHUNKS_HEAD_BYTES 8 /* of each chunk */

/* chunk_bytes: a multiple of BELL_CHUNKS_ALIGN, the head included. */
size_t bell_chunks_size(uint32_t count, uint32_t chunk_bytes);
/* In memory of any content, aligned to BELL_CHUNKS_ALIGN. false: no room, or a size that cannot be. */
bool bell_chunks_init(void *chunks, size_t size, uint32_t count, uint32_t chunk_bytes) __attribute__((warn_unused_result));

/* How many chunks a text of so many bytes takes; a text of none takes one. */
uint32_t bell_chunks_for(const void *chunks, uint64_t bytes);
uint32_t bell_chunks_free(const void *chunks);

/* A chain of so many; 0: there are fewer. */
uint32_t bell_chunks_take(void *chunks, uint32_t count) __attribute__((warn_unused_result));
/* The same, behind the chain. false: there are fewer. */
bool bell_chunks_extend(void *chunks, uint32_t first, uint32_t count) __attribute__((warn_unused_result));
/* 0 is no chain. */
void bell_chunks_give(void *chunks, uint32_t first);

/* How many bytes were written: fewer where the chain ends. */
size_t bell_chunks_write(void *chunks, uint32_t first, uint64_t offset, bell_str bytes);
size_t bell_chunks_read(const void *chunks, uint32_t first, uint64_t offset, void *out, size_t len);

/* What was given back has its bytes until somebody writes there. Who wants them gone takes those that were used, wipes them one by one, for which
 * nobody else need wait, and gives them back as wiped; until there are none. */

/* A chain of free chunks that were used, of so many at most; 0: there are none. Used ones are taken before others by everybody. */
uint32_t bell_chunks_take_used(void *chunks, uint32_t most) __attribute__((warn_unused_result));
/* Overwrites all bytes of one chunk, which is the caller's, with zeros. The next one of its chain; 0: it was the last. */
uint32_t bell_chunks_wipe(void *chunks, uint32_t n);
void bell_chunks_give_wiped(void *chunks, uint32_t first);

#pragma GCC visibility pop

#endif
