/* A bump allocator with one lifetime: everything taken from it is given back at once.
 * Grows in blocks up to max_bytes; past that, or out of memory, every call returns NULL. */
#ifndef BELL_ARENA_H
#define BELL_ARENA_H

#include "bell_str.h"

#pragma GCC visibility push(hidden)

typedef struct bell_arena_block bell_arena_block;

typedef struct {
    bell_arena_block *head;
    size_t used_bytes; /* what blocks occupy, headers included */
    size_t max_bytes;
} bell_arena;

void bell_arena_init(bell_arena *a, size_t max_bytes);
/* Frees every block; the arena may be used again. */
void bell_arena_fini(bell_arena *a);

/* Aligned for any type, not zeroed. */
void *bell_arena_alloc(bell_arena *a, size_t size_bytes) __attribute__((warn_unused_result));
void *bell_arena_zalloc(bell_arena *a, size_t size_bytes) __attribute__((warn_unused_result));
/* A copy that ends in NUL (not counted in any length). */
char *bell_arena_strdup(bell_arena *a, bell_str s) __attribute__((warn_unused_result));
char *bell_arena_printf(bell_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3), warn_unused_result));

#pragma GCC visibility pop

#endif
