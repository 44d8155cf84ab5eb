#include "bell_arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK_MIN_BYTES 1024
#define BLOCK_MAX_BYTES 65536

/* The payload follows the header; max_align_t keeps it aligned for any type. */
struct bell_arena_block {
    bell_arena_block *next;
    size_t size_bytes; /* of the payload */
    size_t used_bytes;
    max_align_t payload[];
};

void bell_arena_init(bell_arena *a, size_t max_bytes) {
    a->head = NULL;
    a->used_bytes = 0;
    a->max_bytes = max_bytes;
}

void bell_arena_fini(bell_arena *a) {
    bell_arena_block *b = a->head;

    while (b != NULL) {
        bell_arena_block *next = b->next;

        free(b);
        b = next;
    }
    bell_arena_init(a, a->max_bytes);
}

/* Blocks double, so that a small request takes one allocation and a large one few. The last block takes what is left below the bound. */
static size_t payload_size(const bell_arena *a, size_t need) {
    size_t left = a->max_bytes - a->used_bytes;
    size_t size = a->used_bytes > BLOCK_MIN_BYTES ? a->used_bytes : BLOCK_MIN_BYTES;

    if (left < sizeof(bell_arena_block) || left - sizeof(bell_arena_block) < need) {
        return 0;
    }
    left -= sizeof(bell_arena_block);
    if (size > BLOCK_MAX_BYTES) {
        size = BLOCK_MAX_BYTES;
    }
    if (size < need) {
        size = need;
    }
    return size < left ? size : left;
}

static bell_arena_block *block_new(bell_arena *a, size_t need) {
    size_t size = payload_size(a, need);
    bell_arena_block *b = size ? malloc(sizeof(*b) + size) : NULL;

    if (b == NULL) {
        return NULL;
    }
    b->size_bytes = size;
    b->used_bytes = 0;
    a->used_bytes += sizeof(*b) + size;
    /* The roomier block stays in front: one large piece must not waste what is left of the block before it. */
    if (a->head != NULL && a->head->size_bytes - a->head->used_bytes > size - need) {
        b->next = a->head->next;
        a->head->next = b;
    } else {
        b->next = a->head;
        a->head = b;
    }
    return b;
}

void *bell_arena_alloc(bell_arena *a, size_t size_bytes) {
    const size_t align = _Alignof(max_align_t);
    bell_arena_block *b = a->head;
    size_t need;
    void *p;

    if (size_bytes > SIZE_MAX - align) {
        return NULL;
    }
    need = size_bytes ? (size_bytes + align - 1) / align * align : align;
    if (b == NULL || b->size_bytes - b->used_bytes < need) {
        b = block_new(a, need);
        if (b == NULL) {
            return NULL;
        }
    }
    p = (char *)b->payload + b->used_bytes;
    b->used_bytes += need;
    return p;
}

void *bell_arena_zalloc(bell_arena *a, size_t size_bytes) {
    void *p = bell_arena_alloc(a, size_bytes);

    return p ? memset(p, 0, size_bytes) : NULL;
}

char *bell_arena_strdup(bell_arena *a, bell_str s) {
    char *z = s.len < SIZE_MAX ? bell_arena_alloc(a, s.len + 1) : NULL;

    if (z == NULL) {
        return NULL;
    }
    if (s.len) {
        memcpy(z, s.p, s.len);
    }
    z[s.len] = '\0';
    return z;
}

char *bell_arena_printf(bell_arena *a, const char *fmt, ...) {
    va_list args;
    char *z;
    int len;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    z = len < 0 ? NULL : bell_arena_alloc(a, (size_t)len + 1);
    if (z == NULL) {
        return NULL;
    }
    va_start(args, fmt);
    vsnprintf(z, (size_t)len + 1, fmt, args);
    va_end(args);
    return z;
}
