#include "bell_cache_index.h"

#define NONE       UINT32_MAX /* of shares; entries are numbered from 1 */
#define LEVELS     65
#define HITS_MAX   3
#define CHAIN_MAX  64 /* a reader that has come so far reads what is being changed */
#define STEPS_MAX  64 /* entries that an eviction lets live before it takes one as it comes */
#define SMALL_PART 10 /* one in so many bytes of a tenant is the small queue's */

enum { SMALL, MAIN, QUEUES };

typedef struct {
    uint32_t oldest, newest; /* 0: empty */
    uint64_t bytes;
} queue;

/* What one tenant holds. Those who hold something are in the list of their level, the number of bits of their bytes. */
typedef struct {
    uint32_t tenant_id;
    uint32_t chain;      /* the next of the bucket, or of the free ones */
    uint32_t prev, next; /* of the level, a ring */
    uint32_t level;
    uint32_t unused;
    queue queues[QUEUES];
} share;

/* Readers walk it without a lock: an odd version is one that somebody changes, another one than before has been changed. */
typedef struct {
    uint32_t version;
    uint32_t first;
} bucket;

/* Then shares, the last of which is everybody's who finds none; buckets of shares; buckets; ghosts; entries. */
typedef struct {
    uint32_t nentries, nshares;
    uint32_t bucket_mask, share_mask; /* powers of two, less one; there are as many ghosts as buckets */
    uint32_t count, free_entry, free_share, unused;
    uint64_t capacity, bytes;
    uint64_t shares, share_buckets, buckets, ghosts, entries; /* where they are, from here */
    uint32_t levels[LEVELS];
} head;

/* ---- where things are */

static head *head_of(const void *index) {
    return (head *)(uintptr_t)index;
}

static share *share_at(head *h, uint32_t n) {
    return (share *)((char *)h + h->shares) + n;
}

static uint32_t *share_bucket_of(head *h, uint32_t tenant_id) {
    return (uint32_t *)((char *)h + h->share_buckets) + ((tenant_id * 2654435761u) >> 7 & h->share_mask);
}

static bucket *bucket_of(head *h, const bell_cache_hash *hash) {
    return (bucket *)((char *)h + h->buckets) + (hash->words[0] & h->bucket_mask);
}

static uint32_t *ghost_of(head *h, const bell_cache_hash *hash) {
    return (uint32_t *)((char *)h + h->ghosts) + (hash->words[1] & h->bucket_mask);
}

static bell_cache_entry *entry_at(head *h, uint32_t n) {
    return (bell_cache_entry *)((char *)h + h->entries) + (n - 1);
}

static uint32_t number_of(head *h, const bell_cache_entry *e) {
    return (uint32_t)(e - entry_at(h, 1)) + 1;
}

static uint64_t power_of_two(uint64_t n) {
    uint64_t p = 1;

    while (p < n) {
        p *= 2;
    }
    return p;
}

static uint64_t aligned(uint64_t n) {
    return (n + BELL_CACHE_INDEX_ALIGN - 1) & ~(uint64_t)(BELL_CACHE_INDEX_ALIGN - 1);
}

static uint64_t lay_out(head *h, uint32_t entries, uint32_t tenants) {
    uint64_t nbuckets = power_of_two(entries), nshare_buckets = power_of_two(tenants), at = aligned(sizeof(head));

    h->nentries = entries;
    h->nshares = tenants;
    h->bucket_mask = (uint32_t)(nbuckets - 1);
    h->share_mask = (uint32_t)(nshare_buckets - 1);
    h->shares = at;
    at += aligned((tenants + 1ull) * sizeof(share));
    h->share_buckets = at;
    at += aligned(nshare_buckets * sizeof(uint32_t));
    h->buckets = at;
    at += aligned(nbuckets * sizeof(bucket));
    h->ghosts = at;
    at += aligned(nbuckets * sizeof(uint32_t));
    h->entries = at;
    return at + entries * sizeof(bell_cache_entry);
}

size_t bell_cache_index_size(uint32_t entries, uint32_t tenants) {
    head h;

    return (size_t)lay_out(&h, entries, tenants);
}

bool bell_cache_index_init(void *index, size_t size, uint32_t entries, uint32_t tenants, uint64_t capacity) {
    head *h = index;

    if (entries == 0 || entries > 1u << 30 || tenants == 0 || tenants > 1u << 30 || capacity == 0 || (uintptr_t)index % BELL_CACHE_INDEX_ALIGN != 0 ||
        bell_cache_index_size(entries, tenants) > size) {
        return false;
    }
    *h = (head){.capacity = capacity, .free_entry = 1, .free_share = 0};
    lay_out(h, entries, tenants);
    memset((char *)h + h->buckets, 0, h->entries - h->buckets);
    memset((char *)h + h->share_buckets, 0xff, h->buckets - h->share_buckets);
    memset(h->levels, 0xff, sizeof(h->levels));
    memset(entry_at(h, 1), 0, entries * sizeof(bell_cache_entry));
    for (uint32_t n = 1; n < entries; n++) {
        entry_at(h, n)->chain = n + 1;
    }
    for (uint32_t n = 0; n <= tenants; n++) {
        *share_at(h, n) = (share){.chain = n + 1 < tenants ? n + 1 : NONE};
    }
    return true;
}

/* ---- shares */

static uint32_t level_of(uint64_t bytes) {
    return bytes == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(bytes);
}

static void leave_level(head *h, uint32_t n) {
    share *s = share_at(h, n);
    uint32_t *first = &h->levels[s->level];

    if (s->next == n) {
        *first = NONE;
        return;
    }
    share_at(h, s->prev)->next = s->next;
    share_at(h, s->next)->prev = s->prev;
    if (*first == n) {
        *first = s->next;
    }
}

static void enter_level(head *h, uint32_t n, uint32_t level) {
    share *s = share_at(h, n);
    uint32_t first = h->levels[level];

    s->level = level;
    if (first == NONE) {
        s->prev = s->next = n;
        h->levels[level] = n;
        return;
    }
    s->next = first;
    s->prev = share_at(h, first)->prev;
    share_at(h, s->prev)->next = n;
    share_at(h, first)->prev = n;
}

static uint32_t find_share(head *h, uint32_t tenant_id) {
    uint32_t n = *share_bucket_of(h, tenant_id);

    while (n != NONE && share_at(h, n)->tenant_id != tenant_id) {
        n = share_at(h, n)->chain;
    }
    return n;
}

/* The tenant's, or a free one, or everybody's. */
static uint32_t share_for(head *h, uint32_t tenant_id) {
    uint32_t n = find_share(h, tenant_id), *first = share_bucket_of(h, tenant_id);

    if (n != NONE) {
        return n;
    }
    n = h->free_share;
    if (n == NONE) {
        return h->nshares;
    }
    share *s = share_at(h, n);
    h->free_share = s->chain;
    *s = (share){.tenant_id = tenant_id, .chain = *first};
    *first = n;
    return n;
}

static bool is_empty(const share *s) {
    return s->queues[SMALL].oldest == 0 && s->queues[MAIN].oldest == 0;
}

static void free_share(head *h, uint32_t n) {
    share *s = share_at(h, n);
    uint32_t *at = share_bucket_of(h, s->tenant_id);

    while (*at != n) {
        at = &share_at(h, *at)->chain;
    }
    *at = s->chain;
    s->chain = h->free_share;
    h->free_share = n;
}

/* Behind a change of what it holds; was_empty: before. */
static void settle(head *h, uint32_t n, bool was_empty) {
    share *s = share_at(h, n);
    uint32_t level = level_of(s->queues[SMALL].bytes + s->queues[MAIN].bytes);

    if (!was_empty && (is_empty(s) || level != s->level)) {
        leave_level(h, n);
    }
    if (is_empty(s)) {
        if (n != h->nshares) {
            free_share(h, n);
        }
    } else if (was_empty || level != s->level) {
        enter_level(h, n, level);
    }
}

/* ---- queues */

static void push(head *h, share *s, bell_cache_entry *e, unsigned which) {
    queue *q = &s->queues[which];
    uint32_t n = number_of(h, e);

    e->queue = (uint8_t)which;
    e->older = q->newest;
    e->newer = 0;
    if (q->newest != 0) {
        entry_at(h, q->newest)->newer = n;
    } else {
        q->oldest = n;
    }
    q->newest = n;
    q->bytes += e->bytes;
}

static void pull(head *h, share *s, const bell_cache_entry *e) {
    queue *q = &s->queues[e->queue];

    if (e->older != 0) {
        entry_at(h, e->older)->newer = e->newer;
    } else {
        q->oldest = e->newer;
    }
    if (e->newer != 0) {
        entry_at(h, e->newer)->older = e->older;
    } else {
        q->newest = e->older;
    }
    q->bytes -= e->bytes;
}

/* ---- buckets */

static void begin(bucket *b) {
    __atomic_store_n(&b->version, b->version + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static void end(bucket *b) {
    __atomic_store_n(&b->version, b->version + 1, __ATOMIC_RELEASE);
}

static bool is_hash(const bell_cache_entry *e, const bell_cache_hash *hash) {
    return e->hash.words[0] == hash->words[0] && e->hash.words[1] == hash->words[1];
}

static bell_cache_entry *find(head *h, const bell_cache_hash *hash) {
    for (uint32_t n = bucket_of(h, hash)->first; n != 0; n = entry_at(h, n)->chain) {
        if (is_hash(entry_at(h, n), hash)) {
            return entry_at(h, n);
        }
    }
    return NULL;
}

static void unlink_entry(head *h, bell_cache_entry *e) {
    bucket *b = bucket_of(h, &e->hash);
    uint32_t *at = &b->first, n = number_of(h, e);

    begin(b);
    while (*at != n) {
        at = &entry_at(h, *at)->chain;
    }
    *at = e->chain;
    end(b);
}

/* ---- what goes */

static void drop(head *h, bell_cache_entry *e, const bell_cache_evicted *evicted) {
    uint32_t n = e->share;
    share *s = share_at(h, n);

    unlink_entry(h, e);
    pull(h, s, e);
    settle(h, n, false);
    h->bytes -= e->bytes;
    h->count--;
    evicted->gone(evicted->data, e);
    e->chain = h->free_entry;
    h->free_entry = number_of(h, e);
}

static uint8_t hits_of(const bell_cache_entry *e) {
    return __atomic_load_n(&e->hits, __ATOMIC_RELAXED);
}

static void set_hits(bell_cache_entry *e, uint8_t hits) {
    __atomic_store_n(&e->hits, hits, __ATOMIC_RELAXED);
}

/* The one of a share that goes next. What was of use on its way there enters the main queue, or goes round in it. */
static bell_cache_entry *next_of(head *h, share *s) {
    for (unsigned step = 0;; step++) {
        const queue *small = &s->queues[SMALL], *main = &s->queues[MAIN];
        bool from_small = main->oldest == 0 || (small->oldest != 0 && small->bytes > (small->bytes + main->bytes) / SMALL_PART);
        bell_cache_entry *e = entry_at(h, from_small ? small->oldest : main->oldest);
        uint8_t hits = hits_of(e);
        if (step == STEPS_MAX || hits <= (from_small ? 1 : 0)) {
            return e;
        }
        pull(h, s, e);
        set_hits(e, from_small ? 0 : hits - 1);
        push(h, s, e, MAIN);
    }
}

/* Of those who hold most the one who gave longest ago. */
static void evict(head *h, const bell_cache_evicted *evicted) {
    uint32_t level = LEVELS - 1;

    while (h->levels[level] == NONE) {
        level--;
    }
    share *s = share_at(h, h->levels[level]);
    h->levels[level] = s->next;
    bell_cache_entry *e = next_of(h, s);
    if (e->queue == SMALL) {
        *ghost_of(h, &e->hash) = (uint32_t)(e->hash.words[0] >> 32) | 1;
    }
    drop(h, e, evicted);
}

static bool take_ghost(head *h, const bell_cache_hash *hash) {
    uint32_t *g = ghost_of(h, hash);

    if (*g != ((uint32_t)(hash->words[0] >> 32) | 1)) {
        return false;
    }
    *g = 0;
    return true;
}

/* ---- from outside */

static void set_payload(bell_cache_entry *e, const void *payload, size_t len) {
    len = len < sizeof(e->payload) ? len : sizeof(e->payload);
    memset(e->payload + len, 0, sizeof(e->payload) - len);
    if (len > 0) {
        memcpy(e->payload, payload, len);
    }
}

/* Where room is. */
static uint32_t enter(head *h, const bell_cache_hash *hash, uint32_t tenant_id, uint64_t bytes, const void *payload, size_t len, unsigned queue,
                      uint8_t hits) {
    bell_cache_entry *e = entry_at(h, h->free_entry);
    bucket *b = bucket_of(h, hash);
    uint32_t n = share_for(h, tenant_id);
    share *s = share_at(h, n);
    bool was_empty = is_empty(s);

    h->free_entry = e->chain;
    begin(b);
    e->hash = *hash;
    e->bytes = bytes;
    e->tenant_id = tenant_id;
    e->share = n;
    set_hits(e, hits);
    set_payload(e, payload, len);
    e->chain = b->first;
    b->first = number_of(h, e);
    end(b);
    push(h, s, e, queue);
    settle(h, n, was_empty);
    h->bytes += bytes;
    h->count++;
    return number_of(h, e);
}

uint32_t bell_cache_index_put(void *index, const bell_cache_hash *hash, uint32_t tenant_id, uint64_t bytes, const void *payload, size_t len,
                              const bell_cache_evicted *evicted) {
    head *h = head_of(index);
    bell_cache_entry *e = find(h, hash);

    if (e != NULL) {
        drop(h, e, evicted);
    }
    if (bytes > h->capacity) {
        return 0;
    }
    while (h->free_entry == 0 || bytes > h->capacity - h->bytes) {
        evict(h, evicted);
    }
    return enter(h, hash, tenant_id, bytes, payload, len, take_ghost(h, hash) ? MAIN : SMALL, 0);
}

uint32_t bell_cache_index_restore(void *index, const bell_cache_hash *hash, uint32_t tenant_id, uint64_t bytes, unsigned queue, unsigned hits,
                                  const void *payload, size_t len) {
    head *h = head_of(index);

    if (h->free_entry == 0 || bytes > h->capacity - h->bytes || find(h, hash) != NULL) {
        return 0;
    }
    return enter(h, hash, tenant_id, bytes, payload, len, queue == MAIN ? MAIN : SMALL, (uint8_t)(hits < HITS_MAX ? hits : HITS_MAX));
}

uint32_t bell_cache_index_number(const void *index, const bell_cache_entry *entry) {
    return number_of(head_of(index), entry);
}

const bell_cache_entry *bell_cache_index_at(const void *index, uint32_t number) {
    head *h = head_of(index);

    if (number == 0 || number > h->nentries) {
        return NULL;
    }
    const bell_cache_entry *e = entry_at(h, number);
    return find(h, &e->hash) == e ? e : NULL;
}

bool bell_cache_index_evict(void *index, const bell_cache_evicted *evicted) {
    head *h = head_of(index);

    if (h->count == 0) {
        return false;
    }
    evict(h, evicted);
    return true;
}

bool bell_cache_index_set(void *index, const bell_cache_hash *hash, const void *payload, size_t len) {
    head *h = head_of(index);
    bell_cache_entry *e = find(h, hash);
    bucket *b = bucket_of(h, hash);

    if (e == NULL) {
        return false;
    }
    begin(b);
    set_payload(e, payload, len);
    end(b);
    return true;
}

bool bell_cache_index_remove(void *index, const bell_cache_hash *hash, const bell_cache_evicted *evicted) {
    head *h = head_of(index);
    bell_cache_entry *e = find(h, hash);

    if (e == NULL) {
        return false;
    }
    drop(h, e, evicted);
    return true;
}

const bell_cache_entry *bell_cache_index_find(const void *index, const bell_cache_hash *hash) {
    return find(head_of(index), hash);
}

uint32_t bell_cache_index_get(const void *index, const bell_cache_hash *hash, bell_cache_entry *out) {
    head *h = head_of(index);
    bucket *b = bucket_of(h, hash);
    uint32_t version = __atomic_load_n(&b->version, __ATOMIC_ACQUIRE), n = __atomic_load_n(&b->first, __ATOMIC_RELAXED);

    for (unsigned i = 0; (version & 1) == 0 && n != 0 && n <= h->nentries && i < CHAIN_MAX; i++) {
        const bell_cache_entry *e = entry_at(h, n);
        if (is_hash(e, hash)) {
            memcpy(out, e, sizeof(*out));
            __atomic_thread_fence(__ATOMIC_ACQUIRE);
            return __atomic_load_n(&b->version, __ATOMIC_RELAXED) == version ? n : 0;
        }
        n = __atomic_load_n(&e->chain, __ATOMIC_RELAXED);
    }
    return 0;
}

void bell_cache_index_touch(void *index, uint32_t number) {
    head *h = head_of(index);

    if (number == 0 || number > h->nentries) {
        return;
    }
    uint8_t hits = hits_of(entry_at(h, number));
    if (hits < HITS_MAX) {
        set_hits(entry_at(h, number), hits + 1);
    }
}

uint32_t bell_cache_index_count(const void *index) {
    return head_of(index)->count;
}

uint64_t bell_cache_index_bytes(const void *index) {
    return head_of(index)->bytes;
}

uint64_t bell_cache_index_tenant_bytes(const void *index, uint32_t tenant_id) {
    head *h = head_of(index);
    uint32_t n = find_share(h, tenant_id);
    const share *s = share_at(h, n != NONE ? n : h->nshares);

    return s->queues[SMALL].bytes + s->queues[MAIN].bytes;
}

const bell_cache_entry *bell_cache_index_next(const void *index, uint32_t *number) {
    head *h = head_of(index);
    uint32_t n = 0, which = 0; /* QUEUES of each share, in turn */

    if (*number != 0) {
        const bell_cache_entry *last = entry_at(h, *number);
        n = last->newer;
        which = last->share * QUEUES + last->queue + 1;
    }
    while (n == 0 && which < (h->nshares + 1) * QUEUES) {
        n = share_at(h, which / QUEUES)->queues[which % QUEUES].oldest;
        which++;
    }
    *number = n;
    return n != 0 ? entry_at(h, n) : NULL;
}
