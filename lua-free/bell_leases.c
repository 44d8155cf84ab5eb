#include "bell_leases.h"

typedef struct {
    uint64_t nsets;
    uint64_t epoch; /* of the next lease */
} head;

/* A tag of 0 is a place that is free; then nothing else in it means anything. */
typedef struct {
    uint64_t tags[BELL_LEASES_WAYS];
    bell_leases_key keys[BELL_LEASES_WAYS];
} __attribute__((aligned(BELL_LEASES_ALIGN))) set;

_Static_assert(sizeof(head) <= BELL_LEASES_ALIGN, "the sets begin behind it");
_Static_assert(offsetof(bell_leases_key, lease) == 0 && offsetof(bell_lease, epoch) < BELL_LEASES_ALIGN, "what a use changes is one line");

size_t bell_leases_size(size_t keys) {
    size_t places = keys + keys / 3 + 1, sets = (places + BELL_LEASES_WAYS - 1) / BELL_LEASES_WAYS; /* so that each finds one */

    return BELL_LEASES_ALIGN + sets * sizeof(set);
}

bool bell_leases_init(void *memory, size_t bytes, uint64_t epoch) {
    head *h = memory;

    if (bytes < BELL_LEASES_ALIGN + sizeof(set) || (uintptr_t)memory % BELL_LEASES_ALIGN != 0) {
        return false;
    }
    h->nsets = (bytes - BELL_LEASES_ALIGN) / sizeof(set);
    h->epoch = epoch;
    return true;
}

size_t bell_leases_places(const void *memory) {
    return ((const head *)memory)->nsets * BELL_LEASES_WAYS;
}

static set *set_at(const void *memory, size_t number) {
    return (set *)((char *)(uintptr_t)memory + BELL_LEASES_ALIGN) + number;
}

/* One of each half of the name's bits. */
static set *set_of(const void *memory, bell_limits_name name, unsigned which) {
    uint64_t bits = which == 0 ? name.where >> 32 : name.where & UINT32_MAX;

    return set_at(memory, (size_t)(bits * ((const head *)memory)->nsets >> 32));
}

static uint64_t tag_at(const set *s, size_t way) {
    return __atomic_load_n(&s->tags[way], __ATOMIC_ACQUIRE);
}

static void put_tag(set *s, size_t way, uint64_t tag) {
    __atomic_store_n(&s->tags[way], tag, __ATOMIC_RELEASE);
}

void bell_leases_prefetch(const void *memory, bell_limits_name name) {
    __builtin_prefetch(set_of(memory, name, 0)->tags);
    __builtin_prefetch(set_of(memory, name, 1)->tags);
}

bell_leases_key *bell_leases_find(void *memory, bell_limits_name name) {
    for (unsigned which = 0; which < 2; which++) {
        set *s = set_of(memory, name, which);
        for (size_t i = 0; i < BELL_LEASES_WAYS; i++) {
            if (tag_at(s, i) == name.tag && s->keys[i].name.where == name.where) {
                return &s->keys[i];
            }
        }
    }
    return NULL;
}

static size_t free_ways(const set *s, size_t *first) {
    size_t n = 0;

    for (size_t i = BELL_LEASES_WAYS; i-- > 0;) {
        if (tag_at(s, i) == 0) {
            *first = i;
            n++;
        }
    }
    return n;
}

bool bell_leases_has_room(const void *memory, bell_limits_name name) {
    size_t way;

    return free_ways(set_of(memory, name, 0), &way) > 0 || free_ways(set_of(memory, name, 1), &way) > 0;
}

bell_leases_key *bell_leases_add(void *memory, const bell_leases_key *key, int64_t share_tat_us) {
    head *h = memory;
    set *one = set_of(memory, key->name, 0), *two = set_of(memory, key->name, 1);
    size_t way_one = 0, way_two = 0, free_one = free_ways(one, &way_one), free_two = free_ways(two, &way_two);
    set *s = free_two > free_one ? two : one;
    size_t way = free_two > free_one ? way_two : way_one;

    if (free_one == 0 && free_two == 0) {
        return NULL;
    }
    bell_leases_key *at = &s->keys[way];
    *at = *key;
    bell_lease_init(&at->lease, h->epoch++);
    at->lease.local_tat_us = share_tat_us;
    put_tag(s, way, key->name.tag);
    return at;
}

void bell_leases_remove(void *memory, bell_leases_key *key) {
    for (unsigned which = 0; which < 2; which++) {
        set *s = set_of(memory, key->name, which);
        if (key >= s->keys && key < s->keys + BELL_LEASES_WAYS) {
            put_tag(s, (size_t)(key - s->keys), 0);
            return;
        }
    }
}

bell_leases_key *bell_leases_next(void *memory, size_t *place) {
    size_t places = bell_leases_places(memory);

    while (*place < places) {
        size_t n = (*place)++;
        set *s = set_at(memory, n / BELL_LEASES_WAYS);
        if (tag_at(s, n % BELL_LEASES_WAYS) != 0) {
            return &s->keys[n % BELL_LEASES_WAYS];
        }
    }
    return NULL;
}
