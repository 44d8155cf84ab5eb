#include "bell_places.h"

#include <string.h>

enum { FRONT, BEHIND, CLASSES };

typedef struct {
    uint16_t lane;
    uint16_t prev, next; /* of its queue */
    uint16_t of_tenant, of_pool;
    uint8_t place;
    uint8_t kind;
} item;

typedef struct {
    uint16_t first, last, count;
} queue;

typedef struct {
    uint16_t prev, next; /* next 0: is in no ring */
} link;

/* A tenant at a pool; there is one as long as it has items. */
typedef struct {
    uint32_t tenant_id;
    uint16_t pool;
    uint16_t chain; /* the next of the bucket, or of the free ones */
    uint16_t taken;
    queue queues[CLASSES];
    link links[CLASSES];
} lane;

/* The rings are of lanes that wait and may have a place more; each begins with the one whose turn is next. */
typedef struct {
    uint64_t key;
    uint32_t taken;
    uint32_t lanes; /* 0: is nobody's */
    uint16_t rings[CLASSES];
} pool;

/* Then buckets of lanes, lanes, items; lanes and items are numbered from 1. */
typedef struct {
    uint32_t count, bucket_mask;
    uint32_t taken;
    uint32_t waiting[CLASSES];
    uint32_t lanes_waiting; /* of FRONT */
    uint32_t free_lane;
    uint32_t touched;      /* a pool where a place may be free; BELL_PLACES_POOLS: none */
    uint64_t lanes, items; /* where they are, from here */
    pool pools[BELL_PLACES_POOLS];
} head;

/* ---- where things are */

static head *head_of(const void *places) {
    return (head *)(uintptr_t)places;
}

static lane *lane_at(head *h, uint32_t n) {
    return (lane *)((char *)h + h->lanes) + (n - 1);
}

static item *item_at(head *h, uint32_t n) {
    return (item *)((char *)h + h->items) + (n - 1);
}

static uint16_t *bucket_of(head *h, uint32_t tenant_id, uint32_t pool_number) {
    uint32_t hash = (tenant_id * 2654435761u) ^ (pool_number * 40503u);

    return (uint16_t *)(h + 1) + ((hash ^ hash >> 15) & h->bucket_mask);
}

static uint64_t aligned(uint64_t n) {
    return (n + BELL_PLACES_ALIGN - 1) & ~(uint64_t)(BELL_PLACES_ALIGN - 1);
}

static uint64_t lay_out(head *h, uint32_t items) {
    uint32_t buckets = 1;

    while (buckets < items) {
        buckets *= 2;
    }
    h->count = items;
    h->bucket_mask = buckets - 1;
    h->lanes = aligned(sizeof(head) + buckets * sizeof(uint16_t));
    h->items = aligned(h->lanes + items * sizeof(lane));
    return aligned(h->items + items * sizeof(item));
}

size_t bell_places_size(uint32_t items) {
    head h;

    return (size_t)lay_out(&h, items);
}

void bell_places_init(void *places, uint32_t items) {
    head *h = places;

    memset(h, 0, bell_places_size(items));
    lay_out(h, items);
    for (uint32_t n = 1; n < items; n++) {
        lane_at(h, n)->chain = (uint16_t)(n + 1);
    }
    h->free_lane = 1;
    h->touched = BELL_PLACES_POOLS;
}

/* ---- lanes */

static uint32_t pool_of(head *h, uint64_t key) {
    uint32_t unused = BELL_PLACES_POOLS;

    for (uint32_t n = 0; n < BELL_PLACES_POOLS; n++) {
        if (h->pools[n].lanes == 0) {
            unused = unused < n ? unused : n;
        } else if (h->pools[n].key == key) {
            return n;
        }
    }
    if (unused == BELL_PLACES_POOLS) {
        return BELL_PLACES_POOLS - 1;
    }
    h->pools[unused] = (pool){.key = key};
    return unused;
}

static uint32_t lane_of(head *h, uint32_t tenant_id, uint32_t pool_number) {
    uint16_t *bucket = bucket_of(h, tenant_id, pool_number);
    uint32_t n = *bucket;

    while (n != 0 && (lane_at(h, n)->tenant_id != tenant_id || lane_at(h, n)->pool != pool_number)) {
        n = lane_at(h, n)->chain;
    }
    if (n == 0) {
        n = h->free_lane; /* each has an item, and there are as many of both */
        h->free_lane = lane_at(h, n)->chain;
        *lane_at(h, n) = (lane){.tenant_id = tenant_id, .pool = (uint16_t)pool_number, .chain = *bucket};
        *bucket = (uint16_t)n;
        h->pools[pool_number].lanes++;
    }
    return n;
}

static void free_lane(head *h, uint32_t n) {
    lane *l = lane_at(h, n);
    uint16_t *at = bucket_of(h, l->tenant_id, l->pool);

    while (*at != n) {
        at = &lane_at(h, *at)->chain;
    }
    *at = l->chain;
    h->pools[l->pool].lanes--;
    l->chain = (uint16_t)h->free_lane;
    h->free_lane = n;
}

static void enter_ring(head *h, uint32_t n, int kind) {
    lane *l = lane_at(h, n);
    uint16_t *ring = &h->pools[l->pool].rings[kind];
    link *first = *ring ? &lane_at(h, *ring)->links[kind] : NULL;

    if (first == NULL) {
        l->links[kind] = (link){.prev = (uint16_t)n, .next = (uint16_t)n};
        *ring = (uint16_t)n;
        return;
    }
    l->links[kind] = (link){.prev = first->prev, .next = *ring};
    lane_at(h, first->prev)->links[kind].next = (uint16_t)n;
    first->prev = (uint16_t)n;
}

static void leave_ring(head *h, uint32_t n, int kind) {
    link *own = &lane_at(h, n)->links[kind];
    uint16_t *ring = &h->pools[lane_at(h, n)->pool].rings[kind];

    lane_at(h, own->prev)->links[kind].next = own->next;
    lane_at(h, own->next)->links[kind].prev = own->prev;
    if (*ring == n) {
        *ring = own->next == n ? 0 : own->next;
    }
    *own = (link){0};
}

/* In the rings where it belongs, or nobody's. */
static void settle(head *h, uint32_t n) {
    lane *l = lane_at(h, n);

    for (int kind = FRONT; kind < CLASSES; kind++) {
        uint32_t first = l->queues[kind].first;
        bool waits = first != 0 && (item_at(h, first)->of_tenant == 0 || l->taken < item_at(h, first)->of_tenant);

        if (waits && l->links[kind].next == 0) {
            enter_ring(h, n, kind);
        } else if (!waits && l->links[kind].next != 0) {
            leave_ring(h, n, kind);
        }
    }
    if (l->taken == 0 && l->queues[FRONT].count == 0 && l->queues[BEHIND].count == 0) {
        free_lane(h, n);
    }
}

/* ---- queues */

static void enqueue(head *h, uint32_t n, int kind) {
    item *i = item_at(h, n);
    queue *q = &lane_at(h, i->lane)->queues[kind];

    i->place = BELL_PLACE_WAITS;
    i->kind = (uint8_t)kind;
    i->prev = q->last;
    i->next = 0;
    if (q->last != 0) {
        item_at(h, q->last)->next = (uint16_t)n;
    } else {
        q->first = (uint16_t)n;
        h->lanes_waiting += kind == FRONT;
    }
    q->last = (uint16_t)n;
    q->count++;
    h->waiting[kind]++;
}

static void dequeue(head *h, uint32_t n) {
    item *i = item_at(h, n);
    queue *q = &lane_at(h, i->lane)->queues[i->kind];

    if (i->prev != 0) {
        item_at(h, i->prev)->next = i->next;
    } else {
        q->first = i->next;
    }
    if (i->next != 0) {
        item_at(h, i->next)->prev = i->prev;
    } else {
        q->last = i->prev;
    }
    q->count--;
    h->waiting[i->kind]--;
    h->lanes_waiting -= i->kind == FRONT && q->count == 0;
    i->place = BELL_PLACE_NONE;
}

static void take(head *h, uint32_t n) {
    lane *l = lane_at(h, item_at(h, n)->lane);

    item_at(h, n)->place = BELL_PLACE_HAS;
    l->taken++;
    h->pools[l->pool].taken++;
    h->taken++;
}

/* The last of those who have most in the queue, when they have `least` or more; 0: they have not. */
static uint32_t last_of_most(head *h, int kind, uint32_t least) {
    uint32_t most = 0, last = 0;

    for (uint32_t n = 1; n <= h->count; n++) {
        const queue *q = &lane_at(h, n)->queues[kind];

        if (q->count > most) {
            most = q->count;
            last = q->last;
        }
    }
    return most >= least ? last : 0;
}

/* Who has to go for an item of that lane; 0: nobody, it is refused. */
static uint32_t who_goes(head *h, const lane *l, const bell_place_asked *asked) {
    uint32_t own = l->queues[FRONT].count;

    if (asked->behind) {
        return 0;
    }
    if (h->waiting[BEHIND] != 0) {
        return last_of_most(h, BEHIND, 1);
    }
    /* who has his share of the queue already need not be compared with all */
    if ((uint64_t)(own + 1) * (h->lanes_waiting + (own == 0)) > asked->queue) {
        return 0;
    }
    return last_of_most(h, FRONT, own + 2);
}

/* ---- items */

static bool may_begin(const head *h, const lane *l, const bell_place_asked *asked) {
    const pool *p = &h->pools[l->pool];

    return (asked->of_tenant == 0 || l->taken < asked->of_tenant) && (asked->of_pool == 0 || p->taken < asked->of_pool) &&
           l->queues[FRONT].count == 0 && p->rings[FRONT] == 0 && (!asked->behind || (l->queues[BEHIND].count == 0 && p->rings[BEHIND] == 0));
}

bell_place bell_places_ask(void *places, uint32_t item_number, const bell_place_asked *asked, uint32_t *pushed_out) {
    head *h = head_of(places);
    uint32_t n = lane_of(h, asked->tenant_id, pool_of(h, asked->pool));
    item *i = item_at(h, item_number);

    *pushed_out = 0;
    *i = (item){.lane = (uint16_t)n, .of_tenant = asked->of_tenant, .of_pool = asked->of_pool};
    if (may_begin(h, lane_at(h, n), asked)) {
        take(h, item_number);
        settle(h, n);
        return BELL_PLACE_HAS;
    }
    if (h->waiting[FRONT] + h->waiting[BEHIND] >= asked->queue) {
        uint32_t goes = who_goes(h, lane_at(h, n), asked);

        if (goes == 0) {
            settle(h, n);
            return BELL_PLACE_REFUSED;
        }
        enqueue(h, item_number, FRONT); /* before the other goes: its lane may be this one */
        bell_places_give(h, goes);
        *pushed_out = goes;
    } else {
        enqueue(h, item_number, asked->behind ? BEHIND : FRONT);
    }
    settle(h, n);
    return BELL_PLACE_WAITS;
}

void bell_places_give(void *places, uint32_t item_number) {
    head *h = head_of(places);
    item *i = item_at(h, item_number);
    lane *l;

    if (i->place == BELL_PLACE_NONE) {
        return;
    }
    l = lane_at(h, i->lane);
    h->touched = l->pool;
    if (i->place == BELL_PLACE_WAITS) {
        dequeue(h, item_number);
    } else {
        l->taken--;
        h->pools[l->pool].taken--;
        h->taken--;
        i->place = BELL_PLACE_NONE;
    }
    settle(h, i->lane);
}

void bell_places_behind(void *places, uint32_t item_number, bool behind) {
    head *h = head_of(places);
    item *i = item_at(h, item_number);
    int kind = behind ? BEHIND : FRONT;

    if (i->place == BELL_PLACE_WAITS && i->kind != kind) {
        dequeue(h, item_number);
        enqueue(h, item_number, kind);
        h->touched = lane_at(h, i->lane)->pool;
        settle(h, i->lane);
    }
}

uint32_t bell_places_next(void *places) {
    head *h = head_of(places);
    pool *p = &h->pools[h->touched];

    if (h->touched == BELL_PLACES_POOLS) {
        return 0;
    }
    for (int kind = FRONT; kind < CLASSES; kind++) {
        uint32_t n = p->rings[kind], first;

        if (n == 0) {
            continue;
        }
        first = lane_at(h, n)->queues[kind].first;
        if (item_at(h, first)->of_pool != 0 && p->taken >= item_at(h, first)->of_pool) {
            break;
        }
        p->rings[kind] = lane_at(h, n)->links[kind].next;
        dequeue(h, first);
        take(h, first);
        settle(h, n);
        return first;
    }
    h->touched = BELL_PLACES_POOLS;
    return 0;
}

bell_place bell_places_of(const void *places, uint32_t item_number) {
    return (bell_place)item_at(head_of(places), item_number)->place;
}

uint32_t bell_places_waiting(const void *places) {
    const head *h = places;

    return h->waiting[FRONT] + h->waiting[BEHIND];
}

uint32_t bell_places_taken(const void *places) {
    return head_of(places)->taken;
}
