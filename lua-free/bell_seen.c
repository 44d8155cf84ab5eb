#include "bell_seen.h"

#include <errno.h>
#include <signal.h>
#include <sys/types.h>

#define TRIES 1000 /* each that fails says that somebody else has added to the set */
#define TURN  ((uint64_t)1 << 32)

typedef struct {
    uint64_t nsets;
    unsigned char seed[BELL_SIPHASH_KEY_BYTES];
} head;

/* Memory of zeros is a place that nobody has. */
typedef struct {
    bell_seen_name name;
    int64_t expires_s;
    uint32_t owner; /* the process that writes to it; 0: nobody */
    uint32_t yields;
} place;

/* state: a bit for each place that counts, and above them how often that has changed. Whoever changes a bit has the place. */
typedef struct {
    uint64_t state;
    uint64_t unused[3];
    place places[BELL_SEEN_WAYS];
} set;

typedef struct {
    bell_seen_name name;
    int64_t expires_s, now_s;
    bool yields;
    uint32_t self;
} use;

_Static_assert(sizeof(head) <= BELL_SEEN_ALIGN, "a cache line");
_Static_assert(sizeof(bell_seen_name) == BELL_SIPHASH128_BYTES, "all of the hash");
_Static_assert(sizeof(set) == 1024, "what the header says");

bool bell_seen_init(void *memory, size_t bytes, const unsigned char seed[BELL_SIPHASH_KEY_BYTES]) {
    head *h = memory;

    if (bytes < BELL_SEEN_ALIGN + sizeof(set) || (uintptr_t)memory % BELL_SEEN_ALIGN != 0) {
        return false;
    }
    h->nsets = (bytes - BELL_SEEN_ALIGN) / sizeof(set);
    memcpy(h->seed, seed, sizeof(h->seed));
    return true;
}

size_t bell_seen_places(const void *memory) {
    return ((const head *)memory)->nsets * BELL_SEEN_WAYS;
}

bell_seen_name bell_seen_name_of(const void *memory, bell_str what) {
    unsigned char hash[BELL_SIPHASH128_BYTES];
    bell_seen_name name;

    bell_siphash128(((const head *)memory)->seed, what, hash);
    memcpy(name.words, hash, sizeof(hash));
    return name;
}

static set *set_of(void *memory, bell_seen_name name) {
    const head *h = memory;
    size_t n = (size_t)((name.words[0] >> 32) * h->nsets >> 32);

    return (set *)((char *)memory + BELL_SEEN_ALIGN) + n;
}

static uint64_t load_state(const set *at) {
    return __atomic_load_n(&at->state, __ATOMIC_ACQUIRE);
}

/* What was read of places since then is what the state said. */
static bool is_still(const set *at, uint64_t state) {
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(&at->state, __ATOMIC_RELAXED) == state;
}

static bool counts(uint64_t state, size_t way) {
    return (state >> way & 1) != 0;
}

static bool change(set *at, uint64_t *state, size_t way) {
    uint64_t next = (*state + TURN) ^ (uint64_t)1 << way;

    if (!__atomic_compare_exchange_n(&at->state, state, next, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
        return false;
    }
    *state = next;
    return true;
}

static bool is_there(const set *at, uint64_t state, bell_seen_name name) {
    for (size_t way = 0; way < BELL_SEEN_WAYS; way++) {
        const place *p = &at->places[way];
        if (counts(state, way) && __atomic_load_n(&p->name.words[0], __ATOMIC_RELAXED) == name.words[0] &&
            __atomic_load_n(&p->name.words[1], __ATOMIC_RELAXED) == name.words[1]) {
            return true;
        }
    }
    return false;
}

/* Where it may go, none of the bits in `busy`: an empty place, or what is over, or what yields to it; BELL_SEEN_WAYS: nowhere. */
static size_t choose(const set *at, uint64_t state, const use *u, uint32_t busy) {
    size_t best = BELL_SEEN_WAYS;
    int64_t soonest = INT64_MAX;

    for (size_t way = 0; way < BELL_SEEN_WAYS; way++) {
        const place *p = &at->places[way];
        if ((busy >> way & 1) != 0) {
            continue;
        }
        int64_t expires_s = __atomic_load_n(&p->expires_s, __ATOMIC_RELAXED);
        if (!counts(state, way) || u->now_s - BELL_SEEN_MARGIN_S >= expires_s) {
            return way;
        }
        if (!u->yields && __atomic_load_n(&p->yields, __ATOMIC_RELAXED) != 0 && expires_s < soonest) {
            best = way;
            soonest = expires_s;
        }
    }
    return best;
}

/* A process gives a place back before it does anything else, so that one with our own id is a dead process's, too, whose number we were given. */
static bool claim(place *p, uint32_t self) {
    uint32_t owner = __atomic_load_n(&p->owner, __ATOMIC_RELAXED);

    if (owner != 0 && owner != self && (kill((pid_t)owner, 0) == 0 || errno != ESRCH)) {
        return false;
    }
    return __atomic_compare_exchange_n(&p->owner, &owner, self, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* Into a place that is ours. While the state is what it was when the set was read, nobody has added what we add; the last change says so, too. A
 * place that counts is taken out before it is written to. false: others were faster, and the set is to be read anew. */
static bool add(set *at, uint64_t state, size_t way, const use *u) {
    place *p = &at->places[way];

    if (load_state(at) != state || (counts(state, way) && !change(at, &state, way))) {
        return false;
    }
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&p->name.words[0], u->name.words[0], __ATOMIC_RELAXED);
    __atomic_store_n(&p->name.words[1], u->name.words[1], __ATOMIC_RELAXED);
    __atomic_store_n(&p->expires_s, u->expires_s, __ATOMIC_RELAXED);
    __atomic_store_n(&p->yields, u->yields, __ATOMIC_RELAXED);
    return change(at, &state, way);
}

/* One look at the set; false: it has changed meanwhile. */
static bool look(set *at, const use *u, bell_seen_answer *answer) {
    uint64_t state = load_state(at);
    uint32_t busy = 0;
    size_t way;

    if (is_there(at, state, u->name)) {
        *answer = BELL_SEEN_AGAIN;
        return is_still(at, state);
    }
    while ((way = choose(at, state, u, busy)) < BELL_SEEN_WAYS && !claim(&at->places[way], u->self)) {
        busy |= (uint32_t)1 << way;
    }
    if (way == BELL_SEEN_WAYS) {
        *answer = BELL_SEEN_FULL;
        return busy == 0 && is_still(at, state); /* whoever is busy there will be done */
    }
    *answer = BELL_SEEN_FIRST;
    bool added = add(at, state, way, u);
    __atomic_store_n(&at->places[way].owner, 0, __ATOMIC_RELEASE);
    return added;
}

bell_seen_answer bell_seen_use(void *memory, uint32_t self, bell_seen_name name, int64_t expires_s, bool yields, int64_t now_s) {
    const use u = {.name = name, .expires_s = expires_s, .now_s = now_s, .yields = yields, .self = self};
    set *at = set_of(memory, name);
    bell_seen_answer answer;

    for (unsigned i = 0; i < TRIES; i++) {
        if (look(at, &u, &answer)) {
            return answer;
        }
    }
    return BELL_SEEN_FULL;
}
