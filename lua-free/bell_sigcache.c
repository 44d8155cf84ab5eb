#include "bell_sigcache.h"

#include <errno.h>
#include <signal.h>
#include <sys/types.h>

#define USED_STEP_S 64 /* a slot that many read is not written to by each of them */

typedef struct {
    uint64_t slot_bytes;
    uint64_t nsets;
    unsigned char seed[BELL_SIPHASH_KEY_BYTES];
} head;

/* Memory of zeros is a slot that nobody has. */
typedef struct {
    uint32_t owner; /* the process that writes to it; 0: nobody */
    uint32_t turn;  /* odd while somebody writes */
    uint64_t hash;
    uint32_t realm;
    uint32_t used_s;
    uint32_t token_bytes; /* 0: empty */
    uint32_t value_bytes;
    char bytes[]; /* token, value */
} slot;

_Static_assert(sizeof(slot) == 32, "what the header says");

static head *head_of(void *cache) {
    return cache;
}

bool bell_sigcache_init(void *cache, size_t bytes, size_t slot_bytes, const unsigned char seed[BELL_SIPHASH_KEY_BYTES]) {
    head *h = cache;

    if (slot_bytes < BELL_SIGCACHE_SLOT_MIN || slot_bytes > BELL_SIGCACHE_SLOT_MAX || slot_bytes % BELL_SIGCACHE_ALIGN != 0 ||
        bytes < BELL_SIGCACHE_ALIGN || (uintptr_t)cache % BELL_SIGCACHE_ALIGN != 0) {
        return false;
    }
    h->slot_bytes = slot_bytes;
    h->nsets = (bytes - BELL_SIGCACHE_ALIGN) / (slot_bytes * BELL_SIGCACHE_WAYS);
    memcpy(h->seed, seed, sizeof(h->seed));
    return h->nsets > 0;
}

size_t bell_sigcache_slots(const void *cache) {
    return ((const head *)cache)->nsets * BELL_SIGCACHE_WAYS;
}

size_t bell_sigcache_slot_bytes(const void *cache) {
    return ((const head *)cache)->slot_bytes;
}

static slot *slot_at(void *cache, uint64_t hash, size_t way) {
    const head *h = head_of(cache);
    size_t set = (size_t)((hash >> 32) * h->nsets >> 32);

    return (slot *)((char *)cache + BELL_SIGCACHE_ALIGN + (set * BELL_SIGCACHE_WAYS + way) * h->slot_bytes);
}

static bool is_token(const slot *s, size_t slot_bytes, uint64_t hash, uint32_t realm, bell_str token) {
    uint32_t value_bytes = __atomic_load_n(&s->value_bytes, __ATOMIC_RELAXED);

    return __atomic_load_n(&s->hash, __ATOMIC_RELAXED) == hash && __atomic_load_n(&s->realm, __ATOMIC_RELAXED) == realm &&
           __atomic_load_n(&s->token_bytes, __ATOMIC_RELAXED) == token.len && token.len <= slot_bytes - sizeof(*s) &&
           value_bytes <= slot_bytes - sizeof(*s) - token.len && memcmp(s->bytes, token.p, token.len) == 0;
}

/* The value's length when it was read whole, else -1. */
static long read_slot(const slot *s, size_t slot_bytes, uint64_t hash, uint32_t realm, bell_str token, void *value, size_t room) {
    uint32_t turn = __atomic_load_n(&s->turn, __ATOMIC_ACQUIRE), bytes;

    if ((turn & 1) != 0 || !is_token(s, slot_bytes, hash, realm, token)) {
        return -1;
    }
    bytes = __atomic_load_n(&s->value_bytes, __ATOMIC_RELAXED);
    if (bytes > room || bytes > slot_bytes - sizeof(*s) - token.len) {
        return -1;
    }
    memcpy(value, s->bytes + token.len, bytes);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(&s->turn, __ATOMIC_RELAXED) == turn ? (long)bytes : -1;
}

long bell_sigcache_get(void *cache, uint32_t realm, bell_str token, int64_t now_s, void *value, size_t room) {
    const head *h = head_of(cache);
    uint64_t hash;

    if (token.len == 0) {
        return -1;
    }
    hash = bell_siphash(h->seed, token);
    for (size_t way = 0; way < BELL_SIGCACHE_WAYS; way++) {
        slot *s = slot_at(cache, hash, way);
        long bytes = read_slot(s, h->slot_bytes, hash, realm, token, value, room);

        if (bytes >= 0) {
            if ((uint32_t)now_s - __atomic_load_n(&s->used_s, __ATOMIC_RELAXED) >= USED_STEP_S) {
                __atomic_store_n(&s->used_s, (uint32_t)now_s, __ATOMIC_RELAXED);
            }
            return bytes;
        }
    }
    return -1;
}

/* A process gives its lock back before it does anything else, so that one with our own id is a dead process's, too, whose number we were given. */
static bool lock(slot *s, uint32_t self) {
    uint32_t owner = __atomic_load_n(&s->owner, __ATOMIC_RELAXED);

    if (owner != 0 && owner != self && (kill((pid_t)owner, 0) == 0 || errno != ESRCH)) {
        return false;
    }
    return __atomic_compare_exchange_n(&s->owner, &owner, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void unlock(slot *s) {
    __atomic_store_n(&s->owner, 0, __ATOMIC_RELEASE);
}

/* Where a token goes: where it is, or to an empty slot, or in the place of the one that was used longest ago. */
static slot *choose(void *cache, uint64_t hash, uint32_t realm) {
    slot *oldest = slot_at(cache, hash, 0);

    for (size_t way = 0; way < BELL_SIGCACHE_WAYS; way++) {
        slot *s = slot_at(cache, hash, way);

        if (__atomic_load_n(&s->token_bytes, __ATOMIC_RELAXED) == 0 ||
            (__atomic_load_n(&s->hash, __ATOMIC_RELAXED) == hash && __atomic_load_n(&s->realm, __ATOMIC_RELAXED) == realm)) {
            return s;
        }
        if (__atomic_load_n(&s->used_s, __ATOMIC_RELAXED) < __atomic_load_n(&oldest->used_s, __ATOMIC_RELAXED)) {
            oldest = s;
        }
    }
    return oldest;
}

/* Of an owner who died while it was odd, it stays odd until the end. */
static void write_slot(slot *s, uint64_t hash, uint32_t realm, bell_str token, int64_t now_s, const void *value, size_t value_bytes) {
    uint32_t turn = __atomic_load_n(&s->turn, __ATOMIC_RELAXED) | 1;

    __atomic_store_n(&s->turn, turn, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&s->hash, hash, __ATOMIC_RELAXED);
    __atomic_store_n(&s->realm, realm, __ATOMIC_RELAXED);
    __atomic_store_n(&s->used_s, (uint32_t)now_s, __ATOMIC_RELAXED);
    __atomic_store_n(&s->token_bytes, (uint32_t)token.len, __ATOMIC_RELAXED);
    __atomic_store_n(&s->value_bytes, (uint32_t)value_bytes, __ATOMIC_RELAXED);
    memcpy(s->bytes, token.p, token.len);
    memcpy(s->bytes + token.len, value, value_bytes);
    __atomic_store_n(&s->turn, turn + 1, __ATOMIC_RELEASE);
}

bool bell_sigcache_put(void *cache, uint32_t self, uint32_t realm, bell_str token, int64_t now_s, const void *value, size_t value_bytes) {
    const head *h = head_of(cache);
    size_t room = h->slot_bytes - sizeof(slot);
    uint64_t hash;
    slot *s;

    if (token.len == 0 || token.len > room || value_bytes > room - token.len) {
        return false;
    }
    hash = bell_siphash(h->seed, token);
    s = choose(cache, hash, realm);
    if (!lock(s, self)) {
        return false;
    }
    write_slot(s, hash, realm, token, now_s, value, value_bytes);
    unlock(s);
    return true;
}
