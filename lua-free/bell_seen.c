#include "bell_seen.h"

#include <errno.h>
#include <signal.h>
#include <sys/types.h>

#define TRIES 1000 /* each that fails says that somebody else has added to the set */
#define TURN  ((uint64_t)1 << 32)
#define BITS  (((uint64_t)1 << BELL_SEEN_WAYS) - 1)
#define SHARE 8 /* places of a group in a set, of those that are free */

/* of `whose` */
#define YIELDS ((uint32_t)1 << 31)

typedef struct {
    uint64_t nsets;
    unsigned char seed[BELL_SIPHASH_KEY_BYTES];
} head;

/* Memory of zeros is a place that nobody has. */
typedef struct {
    bell_seen_name name;
    int64_t expires_s;
    uint32_t owner; /* the process that writes to it; 0: nobody */
    uint32_t whose; /* the group, and YIELDS */
} place;

/* state: a bit for each place that counts, and above them how often that has changed. Whoever changes a bit has the place. */
typedef struct {
    uint64_t state;
    uint64_t unused[3];
    place places[BELL_SEEN_WAYS];
} set;

typedef struct {
    const bell_seen_thing *thing;
    int64_t now_s;
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

static bool is_over(const place *p, int64_t now_s) {
    return now_s - BELL_SEEN_MARGIN_S >= __atomic_load_n(&p->expires_s, __ATOMIC_RELAXED);
}

/* Whether its group has not more than its share of the set. */
static bool has_share(const set *at, uint64_t state, const use *u) {
    unsigned taken = 0, own = 0, known = (unsigned)__builtin_popcountll(state & BITS);

    if (u->thing->group == 0 || known < SHARE * (BELL_SEEN_WAYS - known)) {
        return true; /* were they all its own */
    }
    for (size_t way = 0; way < BELL_SEEN_WAYS; way++) {
        const place *p = &at->places[way];
        uint32_t whose = __atomic_load_n(&p->whose, __ATOMIC_RELAXED);
        if (counts(state, way) && !is_over(p, u->now_s) && (u->thing->yields || (whose & YIELDS) == 0)) {
            taken++;
            own += (whose & ~YIELDS) == u->thing->group;
        }
    }
    return own < SHARE * (BELL_SEEN_WAYS - taken);
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
        if (!counts(state, way) || is_over(p, u->now_s)) {
            return way;
        }
        int64_t expires_s = __atomic_load_n(&p->expires_s, __ATOMIC_RELAXED);
        if (!u->thing->yields && (__atomic_load_n(&p->whose, __ATOMIC_RELAXED) & YIELDS) != 0 && expires_s < soonest) {
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
    __atomic_store_n(&p->name.words[0], u->thing->name.words[0], __ATOMIC_RELAXED);
    __atomic_store_n(&p->name.words[1], u->thing->name.words[1], __ATOMIC_RELAXED);
    __atomic_store_n(&p->expires_s, u->thing->expires_s, __ATOMIC_RELAXED);
    __atomic_store_n(&p->whose, (u->thing->group & ~YIELDS) | (u->thing->yields ? YIELDS : 0), __ATOMIC_RELAXED);
    return change(at, &state, way);
}

/* One look at the set; false: it has changed meanwhile. */
static bool look(set *at, const use *u, bell_seen_answer *answer) {
    uint64_t state = load_state(at);
    uint32_t busy = 0;
    size_t way;

    if (is_there(at, state, u->thing->name)) {
        *answer = BELL_SEEN_AGAIN;
        return is_still(at, state);
    }
    if (!has_share(at, state, u)) {
        *answer = BELL_SEEN_FULL;
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

bell_seen_answer bell_seen_use(void *memory, uint32_t self, const bell_seen_thing *thing, int64_t now_s) {
    const use u = {.thing = thing, .now_s = now_s, .self = self};
    set *at = set_of(memory, thing->name);
    bell_seen_answer answer;

    for (unsigned i = 0; i < TRIES; i++) {
        if (look(at, &u, &answer)) {
            return answer;
        }
    }
    return BELL_SEEN_FULL;
}
