#include "bell_limits.h"

#define TRIES     1000 /* each that fails says that somebody else has used the set */
#define LINE_WAYS 4
#define TAG_BITS  56
#define KEY_BYTES 48

typedef struct {
    uint64_t nsets;
    unsigned char seed[BELL_SIPHASH_KEY_BYTES];
} head;

/* All zeros: nobody's. */
typedef struct {
    uint64_t tag;
    int64_t tat_us;
} __attribute__((aligned(16))) slot;

typedef struct {
    slot slots[BELL_LIMITS_WAYS];
} set;

_Static_assert(sizeof(set) == BELL_LIMITS_ALIGN, "two lines that the processor fetches as one");
_Static_assert(sizeof(head) <= BELL_LIMITS_ALIGN, "the sets begin behind it");

__extension__ typedef unsigned __int128 __attribute__((may_alias)) both;

/* All of a place, or nothing. Processors of x86-64 have this since 2006; elsewhere it may need libatomic. */
#ifdef __x86_64__
__attribute__((target("cx16")))
#endif
static bool
swap(slot *at, const slot *seen, const slot *next) {
    both before, after;

    memcpy(&before, seen, sizeof(before));
    memcpy(&after, next, sizeof(after));
    return __sync_bool_compare_and_swap((both *)(void *)at, before, after);
}

size_t bell_limits_size(size_t keys) {
    size_t sets = (keys * KEY_BYTES + sizeof(set) - 1) / sizeof(set);

    return BELL_LIMITS_ALIGN + (sets > 0 ? sets : 1) * sizeof(set);
}

bool bell_limits_init(void *memory, size_t bytes, const unsigned char seed[BELL_SIPHASH_KEY_BYTES]) {
    head *h = memory;

    if (bytes < BELL_LIMITS_ALIGN + sizeof(set) || (uintptr_t)memory % BELL_LIMITS_ALIGN != 0) {
        return false;
    }
    h->nsets = (bytes - BELL_LIMITS_ALIGN) / sizeof(set);
    memcpy(h->seed, seed, sizeof(h->seed));
    return true;
}

size_t bell_limits_places(const void *memory) {
    return ((const head *)memory)->nsets * BELL_LIMITS_WAYS;
}

bell_limits_name bell_limits_name_of(const void *memory, uint8_t limit, bell_str key) {
    unsigned char hash[BELL_SIPHASH128_BYTES];
    uint64_t words[2];

    bell_siphash128(((const head *)memory)->seed, key, hash);
    memcpy(words, hash, sizeof(words));
    uint64_t low = words[1] & (((uint64_t)1 << TAG_BITS) - 1);
    return (bell_limits_name){.where = words[0], .tag = (uint64_t)limit << TAG_BITS | (low != 0 ? low : 1)};
}

static size_t number_of(const void *memory, bell_limits_name name) {
    return (size_t)((name.where >> 32) * ((const head *)memory)->nsets >> 32);
}

static set *set_at(const void *memory, size_t number) {
    return (set *)((char *)(uintptr_t)memory + BELL_LIMITS_ALIGN) + number;
}

static size_t home_of(bell_limits_name name) {
    return (name.where & 1) * LINE_WAYS;
}

void bell_limits_prefetch(const void *memory, bell_limits_name name) {
    const set *s = set_at(memory, number_of(memory, name));

    __builtin_prefetch(&s->slots[home_of(name)], 1);
    __builtin_prefetch(&s->slots[home_of(name) ^ LINE_WAYS], 1);
}

static uint64_t tag_of(const slot *at) {
    return __atomic_load_n(&at->tag, __ATOMIC_ACQUIRE);
}

static int64_t tat_of(const slot *at) {
    return __atomic_load_n(&at->tat_us, __ATOMIC_ACQUIRE);
}

/* The two halves of a place that was read to have that tag, as they were at one time: with the same tag before and after, the TAT is that key's. */
static bool is_of(const slot *at, uint64_t tag, slot *seen) {
    int64_t tat_us = tat_of(at);

    if (tag_of(at) != tag) {
        return false;
    }
    *seen = (slot){.tag = tag, .tat_us = tat_us};
    return true;
}

/* The place of a key; else where it may go: the first one that is idle, or the one that will be. That a place is not idle is read before whose it is:
 * a place that was seen not to be idle and not to be the key's cannot have become the key's meanwhile, as long as places are not taken from others.
 * So of several who look for a new key at the same time all choose the same place. */
static slot *find(set *s, bell_limits_name name, int64_t now_us, slot *seen) {
    size_t home = home_of(name);
    bool is_idle = false;
    slot *best = NULL;

    for (size_t i = 0; i < BELL_LIMITS_WAYS; i++) {
        slot *at = &s->slots[home ^ i], other;
        other.tat_us = tat_of(at);
        other.tag = tag_of(at);
        if (other.tag == name.tag && is_of(at, name.tag, seen)) {
            return at;
        }
        bool idle = other.tag == 0 || other.tat_us <= now_us;
        if (best == NULL || (!is_idle && (idle || other.tat_us < seen->tat_us))) {
            best = at;
            *seen = other;
            is_idle = idle;
        }
    }
    return best;
}

bell_gcra_answer bell_limits_take(void *memory, bell_limits_name name, const bell_gcra_rule *rule, int64_t now_us, uint64_t cost) {
    set *s = set_at(memory, number_of(memory, name));
    bell_gcra_answer a = {0};

    for (unsigned i = 0; i < TRIES; i++) {
        slot seen = {0}, *at = find(s, name, now_us, &seen);
        int64_t tat_us = seen.tag == name.tag ? seen.tat_us : BELL_GCRA_NEVER;

        a = bell_gcra_take(rule, tat_us, now_us, cost);
        const slot next = {.tag = name.tag, .tat_us = a.tat_us};
        if (a.tat_us == tat_us || swap(at, &seen, &next)) {
            break;
        }
    }
    return a;
}

bell_gcra_answer bell_limits_peek(const void *memory, bell_limits_name name, const bell_gcra_rule *rule, int64_t now_us) {
    slot seen = {0};

    find(set_at(memory, number_of(memory, name)), name, now_us, &seen);
    return bell_gcra_take(rule, seen.tag == name.tag ? seen.tat_us : BELL_GCRA_NEVER, now_us, 0);
}

void bell_limits_give_back(void *memory, bell_limits_name name, const bell_gcra_rule *rule, int64_t now_us, uint64_t cost) {
    set *s = set_at(memory, number_of(memory, name));

    for (unsigned i = 0; i < TRIES; i++) {
        slot seen = {0}, *at = find(s, name, now_us, &seen);
        if (seen.tag != name.tag) {
            return;
        }
        const slot next = {.tag = name.tag, .tat_us = bell_gcra_give_back(rule, seen.tat_us, now_us, cost)};
        if (next.tat_us == seen.tat_us || swap(at, &seen, &next)) {
            return;
        }
    }
}

bool bell_limits_next(const void *memory, size_t *place, int64_t now_us, bell_limits_key *key) {
    size_t places = bell_limits_places(memory);

    while (*place < places) {
        size_t n = (*place)++;
        const slot *at = &set_at(memory, n / BELL_LIMITS_WAYS)->slots[n % BELL_LIMITS_WAYS];
        uint64_t tag = tag_of(at);
        slot seen;

        if (tag != 0 && is_of(at, tag, &seen) && seen.tat_us > now_us) {
            *key = (bell_limits_key){.name = {.where = n / BELL_LIMITS_WAYS, .tag = tag}, .limit = (uint8_t)(tag >> TAG_BITS), .tat_us = seen.tat_us};
            return true;
        }
    }
    return false;
}

bool bell_limits_is(const void *memory, bell_limits_name name, const bell_limits_key *key) {
    return name.tag == key->name.tag && number_of(memory, name) == key->name.where;
}
