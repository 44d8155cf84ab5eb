#include "bell_chunks.h"

/* Chunks are numbered from 1. Of the free ones those that were used stand before those that were wiped. */
typedef struct {
    uint32_t count, chunk_bytes;
    uint32_t free, first_free, last_free;
} head;

typedef struct {
    uint32_t next; /* of the chain, or of the free ones; 0: it ends */
    uint32_t used; /* of a free one: its bytes were somebody's */
    char bytes[];
} chunk;

_Static_assert(sizeof(chunk) == BELL_CHUNKS_HEAD_BYTES && sizeof(head) <= BELL_CHUNKS_ALIGN, "what the header says");

static const head *head_of(const void *chunks) {
    return chunks;
}

static size_t room_of(const head *h) {
    return h->chunk_bytes - sizeof(chunk);
}

/* n: 1 to h->count. */
static chunk *chunk_at(const void *chunks, uint32_t n) {
    return (chunk *)((uintptr_t)chunks + BELL_CHUNKS_ALIGN + (size_t)(n - 1) * head_of(chunks)->chunk_bytes);
}

static uint32_t next_of(const void *chunks, uint32_t n) {
    return __atomic_load_n(&chunk_at(chunks, n)->next, __ATOMIC_RELAXED);
}

static void set_next(void *chunks, uint32_t n, uint32_t next) {
    __atomic_store_n(&chunk_at(chunks, n)->next, next, __ATOMIC_RELAXED);
}

size_t bell_chunks_size(uint32_t count, uint32_t chunk_bytes) {
    return BELL_CHUNKS_ALIGN + (size_t)count * chunk_bytes;
}

bool bell_chunks_init(void *chunks, size_t size, uint32_t count, uint32_t chunk_bytes) {
    head *h = chunks;

    if (count == 0 || chunk_bytes == 0 || chunk_bytes % BELL_CHUNKS_ALIGN != 0 || (uintptr_t)chunks % BELL_CHUNKS_ALIGN != 0 ||
        bell_chunks_size(count, chunk_bytes) > size) {
        return false;
    }
    *h = (head){.count = count, .chunk_bytes = chunk_bytes, .free = count, .first_free = 1, .last_free = count};
    for (uint32_t n = 1; n <= count; n++) {
        set_next(chunks, n, n < count ? n + 1 : 0);
        chunk_at(chunks, n)->used = 1;
    }
    return true;
}

uint32_t bell_chunks_for(const void *chunks, uint64_t bytes) {
    uint64_t room = room_of(head_of(chunks)), count = bytes / room + (bytes % room != 0 || bytes == 0 ? 1 : 0);

    return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
}

uint32_t bell_chunks_free(const void *chunks) {
    return head_of(chunks)->free;
}

uint32_t bell_chunks_take(void *chunks, uint32_t count) {
    head *h = chunks;
    uint32_t first = h->first_free, last = first;

    if (count == 0 || count > h->free) {
        return 0;
    }
    for (uint32_t i = 1; i < count; i++) {
        last = next_of(chunks, last);
    }
    h->first_free = next_of(chunks, last);
    h->last_free = h->first_free != 0 ? h->last_free : 0;
    h->free -= count;
    set_next(chunks, last, 0);
    return first;
}

static uint32_t last_of(const void *chunks, uint32_t n, uint32_t *length) {
    uint32_t next;

    for (*length = 1; (next = next_of(chunks, n)) != 0; ++*length) {
        n = next;
    }
    return n;
}

bool bell_chunks_extend(void *chunks, uint32_t first, uint32_t count) {
    uint32_t more = bell_chunks_take(chunks, count), length;

    if (more == 0) {
        return false;
    }
    set_next(chunks, last_of(chunks, first, &length), more);
    return true;
}

/* The last of a chain that is given back. */
static uint32_t marked(void *chunks, uint32_t n, uint32_t used) {
    head *h = chunks;
    uint32_t next;

    for (;; n = next) {
        chunk_at(chunks, n)->used = used;
        h->free++;
        next = next_of(chunks, n);
        if (next == 0) {
            return n;
        }
    }
}

void bell_chunks_give(void *chunks, uint32_t first) {
    head *h = chunks;
    uint32_t last;

    if (first == 0) {
        return;
    }
    last = marked(chunks, first, 1);
    set_next(chunks, last, h->first_free);
    h->last_free = h->first_free != 0 ? h->last_free : last;
    h->first_free = first;
}

void bell_chunks_give_wiped(void *chunks, uint32_t first) {
    head *h = chunks;
    uint32_t last;

    if (first == 0) {
        return;
    }
    last = marked(chunks, first, 0);
    if (h->first_free == 0) {
        h->first_free = first;
    } else {
        set_next(chunks, h->last_free, first);
    }
    h->last_free = last;
}

uint32_t bell_chunks_take_used(void *chunks, uint32_t most) {
    uint32_t n = head_of(chunks)->first_free, count = 0;

    while (n != 0 && count < most && chunk_at(chunks, n)->used != 0) {
        n = next_of(chunks, n);
        count++;
    }
    return bell_chunks_take(chunks, count);
}

/* The chunk that has this byte, *offset is then in it; 0: the chain is shorter. A reader's chain may be anybody's by now, and go anywhere: his steps
 * are counted by the offset that he asked for. */
static uint32_t seek(const void *chunks, uint32_t n, uint64_t *offset) {
    const head *h = head_of(chunks);

    while (n != 0 && n <= h->count && *offset >= room_of(h)) {
        *offset -= room_of(h);
        n = next_of(chunks, n);
    }
    return n <= h->count ? n : 0;
}

size_t bell_chunks_write(void *chunks, uint32_t first, uint64_t offset, bell_str bytes) {
    uint32_t n = seek(chunks, first, &offset);
    size_t done = 0, room = room_of(head_of(chunks));

    while (n != 0 && done < bytes.len) {
        size_t part = bytes.len - done < room - offset ? bytes.len - done : room - offset;
        memcpy(chunk_at(chunks, n)->bytes + offset, bytes.p + done, part);
        done += part;
        offset = 0;
        n = next_of(chunks, n);
    }
    return done;
}

size_t bell_chunks_read(const void *chunks, uint32_t first, uint64_t offset, void *out, size_t len) {
    uint32_t n = seek(chunks, first, &offset);
    size_t done = 0, room = room_of(head_of(chunks));

    while (n != 0 && n <= head_of(chunks)->count && done < len) {
        const chunk *c = chunk_at(chunks, n);
        size_t part = len - done < room - offset ? len - done : room - offset;
        n = next_of(chunks, n);
        if (n != 0 && n <= head_of(chunks)->count) {
            __builtin_prefetch(chunk_at(chunks, n));
        }
        memcpy((char *)out + done, c->bytes + offset, part);
        done += part;
        offset = 0;
    }
    return done;
}

uint32_t bell_chunks_wipe(void *chunks, uint32_t n) {
    uint32_t next;

    if (n == 0 || n > head_of(chunks)->count) {
        return 0;
    }
    next = next_of(chunks, n);
    memset(chunk_at(chunks, n)->bytes, 0, room_of(head_of(chunks)));
    return next;
}
