#include "bell_sigcache.h"

#include <errno.h>
#include <signal.h>
#include <sys/types.h>

#define USED_STEP_S  64 /* a slot that many read is not written to by each of them */
#define HASHED_BYTES 16 /* of a token's end, where its signature is: nobody chooses that for two tokens */
#define LINE_BYTES   64

typedef struct {
    uint64_t slot_bytes;
    uint64_t nsets;
    unsigned char seed[BELL_SIPHASH_KEY_BYTES];
} head;

/* Of the slots where a token may be, in one cache line: their hashes, 0 of an empty one, and when they were used. Then come the slots. */
typedef struct {
    uint64_t hash[BELL_SIGCACHE_WAYS];
    uint32_t used_s[BELL_SIGCACHE_WAYS];
} set;

/* Memory of zeros is a slot that nobody has. */
typedef struct {
    uint32_t owner; /* the process that writes to it; 0: nobody */
    uint32_t turn;  /* odd while somebody writes, also to its part of the set */
    uint32_t realm;
    uint32_t token_bytes;
    uint32_t value_bytes;
    uint32_t unused;
    char bytes[]; /* token, value */
} slot;

_Static_assert(sizeof(set) <= BELL_SIGCACHE_ALIGN && sizeof(head) <= BELL_SIGCACHE_ALIGN, "a cache line each");
_Static_assert(sizeof(slot) == 24, "what the header says");

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
    h->nsets = (bytes - BELL_SIGCACHE_ALIGN) / (BELL_SIGCACHE_ALIGN + slot_bytes * BELL_SIGCACHE_WAYS);
    memcpy(h->seed, seed, sizeof(h->seed));
    return h->nsets > 0;
}

size_t bell_sigcache_slots(const void *cache) {
    return ((const head *)cache)->nsets * BELL_SIGCACHE_WAYS;
}

size_t bell_sigcache_slot_bytes(const void *cache) {
    return ((const head *)cache)->slot_bytes;
}

/* Realms have the same set and other hashes. */
static uint64_t hash_of(const head *h, uint32_t realm, bell_str token) {
    size_t n = token.len < HASHED_BYTES ? token.len : HASHED_BYTES;

    return (bell_siphash(h->seed, (bell_str){token.p + token.len - n, n}) ^ (uint64_t)realm << 1) | 1;
}

static set *set_of(void *cache, uint64_t hash) {
    const head *h = head_of(cache);
    size_t n = (size_t)((hash >> 32) * h->nsets >> 32);

    return (set *)((char *)cache + BELL_SIGCACHE_ALIGN + n * (BELL_SIGCACHE_ALIGN + BELL_SIGCACHE_WAYS * h->slot_bytes));
}

static slot *slot_of(set *at, size_t way, size_t slot_bytes) {
    return (slot *)((char *)at + BELL_SIGCACHE_ALIGN + way * slot_bytes);
}

static bool is_token(const slot *s, size_t slot_bytes, uint32_t realm, bell_str token) {
    uint32_t value_bytes = __atomic_load_n(&s->value_bytes, __ATOMIC_RELAXED);

    return __atomic_load_n(&s->realm, __ATOMIC_RELAXED) == realm && __atomic_load_n(&s->token_bytes, __ATOMIC_RELAXED) == token.len &&
           token.len <= slot_bytes - sizeof(*s) && value_bytes <= slot_bytes - sizeof(*s) - token.len && memcmp(s->bytes, token.p, token.len) == 0;
}

/* The lines of a slot that a token of that length takes, all at once: one behind the other they would each be waited for. */
static void fetch_slot(const slot *s, size_t slot_bytes, size_t token_bytes) {
    size_t bytes = sizeof(*s) + token_bytes + LINE_BYTES; /* and the beginning of the value */

    for (size_t at = 0; at < bytes && at < slot_bytes; at += LINE_BYTES) {
        __builtin_prefetch((const char *)s + at);
    }
}

/* The value's length when it was read whole, else -1. */
static long read_slot(const slot *s, size_t slot_bytes, uint32_t realm, bell_str token, void *value, size_t room) {
    uint32_t turn = __atomic_load_n(&s->turn, __ATOMIC_ACQUIRE), bytes;

    if ((turn & 1) != 0 || !is_token(s, slot_bytes, realm, token)) {
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
    set *at;

    if (token.len == 0) {
        return -1;
    }
    hash = hash_of(h, realm, token);
    at = set_of(cache, hash);
    for (size_t way = 0; way < BELL_SIGCACHE_WAYS; way++) {
        if (__atomic_load_n(&at->hash[way], __ATOMIC_RELAXED) != hash) {
            continue;
        }
        const slot *its = slot_of(at, way, h->slot_bytes);
        fetch_slot(its, h->slot_bytes, token.len);
        long bytes = read_slot(its, h->slot_bytes, realm, token, value, room);
        if (bytes >= 0) {
            if ((uint32_t)now_s - __atomic_load_n(&at->used_s[way], __ATOMIC_RELAXED) >= USED_STEP_S) {
                __atomic_store_n(&at->used_s[way], (uint32_t)now_s, __ATOMIC_RELAXED);
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

/* Where a token goes: where it is, or to an empty slot, or in the place of the one that was used longest ago. Its way, none of the bits in `busy`;
 * BELL_SIGCACHE_WAYS when all are. */
static size_t choose(const set *at, uint64_t hash, unsigned busy) {
    size_t oldest = BELL_SIGCACHE_WAYS;

    for (size_t way = 0; way < BELL_SIGCACHE_WAYS; way++) {
        uint64_t its = __atomic_load_n(&at->hash[way], __ATOMIC_RELAXED);

        if ((busy >> way & 1) != 0) {
            continue;
        }
        if (its == 0 || its == hash) {
            return way;
        }
        if (oldest == BELL_SIGCACHE_WAYS ||
            __atomic_load_n(&at->used_s[way], __ATOMIC_RELAXED) < __atomic_load_n(&at->used_s[oldest], __ATOMIC_RELAXED)) {
            oldest = way;
        }
    }
    return oldest;
}

/* The way that was locked; BELL_SIGCACHE_WAYS: others write to all of them. */
static size_t choose_and_lock(set *at, uint64_t hash, size_t slot_bytes, uint32_t self) {
    unsigned busy = 0;
    size_t way;

    while ((way = choose(at, hash, busy)) < BELL_SIGCACHE_WAYS && !lock(slot_of(at, way, slot_bytes), self)) {
        busy |= 1u << way;
    }
    return way;
}

/* What an owner who died has left odd stays so until the end. */
static void write_slot(slot *s, uint32_t realm, bell_str token, const void *value, size_t value_bytes) {
    __atomic_store_n(&s->realm, realm, __ATOMIC_RELAXED);
    __atomic_store_n(&s->token_bytes, (uint32_t)token.len, __ATOMIC_RELAXED);
    __atomic_store_n(&s->value_bytes, (uint32_t)value_bytes, __ATOMIC_RELAXED);
    memcpy(s->bytes, token.p, token.len);
    memcpy(s->bytes + token.len, value, value_bytes);
}

bool bell_sigcache_put(void *cache, uint32_t self, uint32_t realm, bell_str token, int64_t now_s, const void *value, size_t value_bytes) {
    const head *h = head_of(cache);
    size_t room = h->slot_bytes - sizeof(slot), way;
    uint64_t hash;
    uint32_t turn;
    slot *s;
    set *at;

    if (token.len == 0 || token.len > room || value_bytes > room - token.len) {
        return false;
    }
    hash = hash_of(h, realm, token);
    at = set_of(cache, hash);
    way = choose_and_lock(at, hash, h->slot_bytes, self);
    if (way == BELL_SIGCACHE_WAYS) {
        return false;
    }
    s = slot_of(at, way, h->slot_bytes);
    turn = __atomic_load_n(&s->turn, __ATOMIC_RELAXED) | 1;
    __atomic_store_n(&s->turn, turn, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&at->hash[way], hash, __ATOMIC_RELAXED);
    __atomic_store_n(&at->used_s[way], (uint32_t)now_s, __ATOMIC_RELAXED);
    write_slot(s, realm, token, value, value_bytes);
    __atomic_store_n(&s->turn, turn + 1, __ATOMIC_RELEASE);
    unlock(s);
    return true;
}
