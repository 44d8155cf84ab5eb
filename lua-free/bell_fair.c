#include "bell_fair.h"

#include <stdlib.h>
#include <string.h>

#include "bell_fair_parts.h"

#define HOLD_US     10000 /* what is taken for the time of a place while none was given back */
#define HOLD_US_MAX 1000000
#define HOLD_SHIFT  3 /* each one counts for an eighth */

/* ---- where things are */

static fair_head *head_of(const void *fair) {
    return (fair_head *)(uintptr_t)fair;
}

fair_node *bell_fair_node(const fair_head *h, uint32_t n) {
    return (fair_node *)((char *)(uintptr_t)h + h->node_at) + (n - 1);
}

fair_item *bell_fair_item(const fair_head *h, uint32_t n) {
    return (fair_item *)((char *)(uintptr_t)h + h->item_at) + (n - 1);
}

static uint64_t aligned(uint64_t n) {
    return (n + BELL_FAIR_ALIGN - 1) & ~(uint64_t)(BELL_FAIR_ALIGN - 1);
}

static uint64_t lay_out(fair_head *h, uint32_t items) {
    uint32_t buckets = 1;

    h->items = items;
    h->nodes = BELL_FAIR_POOLS + FAIR_LEVELS * items;
    while (buckets < h->nodes) {
        buckets *= 2;
    }
    h->bucket_mask = buckets - 1;
    h->node_at = aligned(sizeof(fair_head) + (uint64_t)buckets * sizeof(uint32_t));
    h->item_at = aligned(h->node_at + (uint64_t)h->nodes * sizeof(fair_node));
    return h->item_at + (uint64_t)items * sizeof(fair_item);
}

size_t bell_fair_size(uint32_t items) {
    fair_head h;

    return (size_t)lay_out(&h, items);
}

void bell_fair_init(void *fair, uint32_t items) {
    fair_head *h = fair;

    memset(h, 0, sizeof(*h));
    lay_out(h, items);
    memset(bell_fair_item(h, 1), 0, items * sizeof(fair_item));
    for (uint32_t n = 0; n < BELL_FAIR_POOLS; n++) {
        h->pools[n] = (fair_pool){.places = 1, .hold_us = HOLD_US};
    }
    for (uint32_t n = items; n > 0; n--) {
        bell_fair_item(h, n)->next = h->free_item;
        h->free_item = n;
    }
    bell_fair_clear_nodes(h);
}

/* ---- those whose process is to be told */

static void make_ready(fair_head *h, uint32_t n) {
    fair_item *i = bell_fair_item(h, n);

    i->ready = 1;
    i->next = 0;
    i->prev = h->ready_last[i->slot];
    *(i->prev != 0 ? &bell_fair_item(h, i->prev)->next : &h->ready[i->slot]) = n;
    h->ready_last[i->slot] = n;
    h->to_wake |= (uint64_t)1 << i->slot;
}

static void unready(fair_head *h, fair_item *i) {
    *(i->prev != 0 ? &bell_fair_item(h, i->prev)->next : &h->ready[i->slot]) = i->next;
    *(i->next != 0 ? &bell_fair_item(h, i->next)->prev : &h->ready_last[i->slot]) = i->prev;
    i->ready = 0;
}

/* What is read when somebody was killed before the next line is what was written up to here. */
static void set_state(fair_item *i, bell_fair_state state) {
    __atomic_store_n(&i->state, (uint8_t)state, __ATOMIC_RELEASE);
}

static void turns(fair_head *h, uint32_t pool, int64_t now_us) {
    const fair_node *root = bell_fair_node(h, pool + 1);

    while (root->waits != 0 && root->taken < h->pools[pool].places) {
        uint32_t n = bell_fair_choose(h, pool, now_us);
        fair_item *i = bell_fair_item(h, n);

        bell_fair_unwait(h, n);
        i->taken_us = now_us;
        set_state(i, BELL_FAIR_HAS);
        bell_fair_take(h, n, now_us);
        make_ready(h, n);
    }
}

/* ---- somebody may have been killed */

static void put_back(fair_head *h, uint32_t n, int64_t now_us) {
    fair_item *i = bell_fair_item(h, n);

    i->node = i->state == BELL_FAIR_REFUSED ? 0 : bell_fair_plant(h, i, now_us);
    if (i->state == BELL_FAIR_HAS) {
        bell_fair_take(h, n, now_us);
    }
    if (i->state == BELL_FAIR_WAITS) {
        bell_fair_wait(h, n, now_us);
    } else {
        make_ready(h, n);
    }
}

static void make_anew(fair_head *h, int64_t now_us) {
    bell_fair_clear_nodes(h);
    memset(h->ready, 0, sizeof(h->ready));
    memset(h->ready_last, 0, sizeof(h->ready_last));
    h->free_item = 0;
    h->in_use = 0;
    for (uint32_t n = h->items; n > 0; n--) {
        if (bell_fair_item(h, n)->state == BELL_FAIR_NONE) {
            bell_fair_item(h, n)->next = h->free_item;
            h->free_item = n;
        }
    }
    for (uint32_t n = 1; n <= h->items; n++) {
        if (bell_fair_item(h, n)->state != BELL_FAIR_NONE) {
            put_back(h, n, now_us);
            h->in_use++;
        }
    }
    for (uint32_t pool = 0; pool < BELL_FAIR_POOLS; pool++) {
        turns(h, pool, now_us);
    }
}

bool bell_fair_enter(void *fair, int64_t now_us) {
    fair_head *h = fair;
    bool was_torn = h->busy != 0;

    __atomic_store_n(&h->busy, 1, __ATOMIC_SEQ_CST);
    if (was_torn) {
        make_anew(h, now_us);
    }
    return was_torn;
}

void bell_fair_leave(void *fair) {
    __atomic_store_n(&head_of(fair)->busy, 0, __ATOMIC_SEQ_CST);
}

/* ---- pools */

uint32_t bell_fair_pool(void *fair, uint64_t key) {
    fair_head *h = fair;
    uint32_t unused = BELL_FAIR_POOLS;

    for (uint32_t n = 0; n < BELL_FAIR_POOLS; n++) {
        const fair_node *root = bell_fair_node(h, n + 1);

        if (h->pools[n].key == key && h->pools[n].asked != 0) {
            h->pools[n].asked = ++h->asked;
            return n;
        }
        if (root->taken == 0 && root->waits == 0 && (unused == BELL_FAIR_POOLS || h->pools[n].asked < h->pools[unused].asked)) {
            unused = n;
        }
    }
    if (unused == BELL_FAIR_POOLS) {
        return BELL_FAIR_POOLS - 1;
    }
    h->pools[unused] = (fair_pool){.key = key, .asked = ++h->asked, .places = 1, .hold_us = HOLD_US, .round = h->pools[unused].round};
    return unused;
}

void bell_fair_set_places(void *fair, uint32_t pool, uint32_t places, int64_t now_us) {
    fair_head *h = fair;

    h->pools[pool].places = places > 0 ? places : 1;
    turns(h, pool, now_us);
}

/* ---- items */

static uint32_t new_item(fair_head *h, uint32_t pool, const bell_fair_asked *asked, int64_t now_us) {
    uint32_t n = h->free_item;
    fair_item *i = bell_fair_item(h, n);

    h->free_item = i->next;
    h->in_use++;
    *i = (fair_item){.tenant = asked->tenant,
                     .class = asked->class,
                     .student = asked->student,
                     .token = asked->token,
                     .came = ++h->came,
                     .weight = asked->weight,
                     .slot = asked->slot,
                     .epoch = asked->epoch,
                     .pool = (uint8_t)pool,
                     .rank = (uint8_t)asked->rank};
    i->node = bell_fair_plant(h, i, now_us);
    return n;
}

static void free_item(fair_head *h, uint32_t n) {
    fair_item *i = bell_fair_item(h, n);

    set_state(i, BELL_FAIR_NONE);
    i->next = h->free_item;
    h->free_item = n;
    h->in_use--;
}

static void push_out(fair_head *h, uint32_t n) {
    fair_item *i = bell_fair_item(h, n);
    uint32_t node = i->node;

    bell_fair_unwait(h, n);
    i->node = 0;
    set_state(i, BELL_FAIR_REFUSED);
    bell_fair_prune(h, node);
    make_ready(h, n);
}

bell_fair_state bell_fair_ask(void *fair, uint32_t pool, const bell_fair_asked *asked, int64_t now_us, uint32_t *item) {
    fair_head *h = fair;
    const fair_node *root = bell_fair_node(h, pool + 1);
    uint32_t n, goes = 0;

    *item = 0;
    if (h->free_item == 0) {
        return BELL_FAIR_REFUSED;
    }
    n = new_item(h, pool, asked, now_us);
    if (root->waits == 0 && root->taken < h->pools[pool].places) {
        bell_fair_item(h, n)->taken_us = now_us;
        set_state(bell_fair_item(h, n), BELL_FAIR_HAS);
        bell_fair_take(h, n, now_us);
        *item = n;
        return BELL_FAIR_HAS;
    }
    if (root->waits >= asked->queue) {
        goes = root->waits != 0 ? bell_fair_shed(h, n) : 0;
        if (goes == 0) {
            uint32_t node = bell_fair_item(h, n)->node;

            free_item(h, n);
            bell_fair_prune(h, node);
            return BELL_FAIR_REFUSED;
        }
    }
    set_state(bell_fair_item(h, n), BELL_FAIR_WAITS);
    bell_fair_wait(h, n, now_us);
    if (goes != 0) {
        push_out(h, goes);
    }
    *item = n;
    return BELL_FAIR_WAITS;
}

static void learn_hold(fair_pool *p, int64_t held_us) {
    held_us = held_us < 0 ? 0 : held_us;
    held_us = held_us > HOLD_US_MAX ? HOLD_US_MAX : held_us;
    p->hold_us += (held_us - p->hold_us) / (1 << HOLD_SHIFT);
}

void bell_fair_give(void *fair, uint32_t number, int64_t now_us) {
    fair_head *h = fair;
    fair_item *i = bell_fair_item(h, number);
    uint32_t pool = i->pool, node = i->node;

    if (i->ready) {
        unready(h, i);
    }
    if (i->state == BELL_FAIR_HAS) {
        bell_fair_untake(h, number, now_us);
        learn_hold(&h->pools[pool], now_us - i->taken_us);
    } else if (i->state == BELL_FAIR_WAITS) {
        bell_fair_unwait(h, number);
    }
    free_item(h, number);
    if (node != 0) {
        bell_fair_prune(h, node);
    }
    turns(h, pool, now_us);
}

bell_fair_state bell_fair_state_of(const void *fair, uint32_t number) {
    return (bell_fair_state)bell_fair_item(fair, number)->state;
}

/* ---- processes */

uint64_t bell_fair_to_wake(void *fair) {
    fair_head *h = fair;
    uint64_t slots = h->to_wake;

    h->to_wake = 0;
    return slots;
}

bool bell_fair_is_ready(const void *fair, uint32_t slot) {
    return __atomic_load_n(&head_of(fair)->ready[slot], __ATOMIC_ACQUIRE) != 0;
}

uint32_t bell_fair_ready(void *fair, uint32_t slot, uint32_t epoch, uint64_t *token, bell_fair_state *state) {
    fair_head *h = fair;

    while (h->ready[slot] != 0) {
        uint32_t n = h->ready[slot];
        fair_item *i = bell_fair_item(h, n);

        unready(h, i);
        if (i->epoch == epoch) { /* who had the slot before is dead, and swept */
            *token = i->token;
            *state = (bell_fair_state)i->state;
            return n;
        }
    }
    return 0;
}

uint32_t bell_fair_sweep(void *fair, bool (*lives)(void *data, uint32_t slot, uint32_t epoch), void *data, int64_t now_us) {
    fair_head *h = fair;
    uint32_t swept = 0;

    for (uint32_t n = 1; n <= h->items; n++) {
        const fair_item *i = bell_fair_item(h, n);

        if (i->state != BELL_FAIR_NONE && !lives(data, i->slot, i->epoch)) {
            bell_fair_give(fair, n, now_us);
            swept++;
        }
    }
    for (uint32_t slot = 0; slot < BELL_FAIR_OWNERS; slot++) { /* who was killed before it woke others has told nobody */
        h->to_wake |= h->ready[slot] != 0 ? (uint64_t)1 << slot : 0;
    }
    return swept;
}

/* ---- what it looks like */

void bell_fair_read(const void *fair, uint32_t pool, bell_fair_figures *out) {
    const fair_head *h = fair;
    const fair_node *root = bell_fair_node(h, pool + 1);

    *out = (bell_fair_figures){.places = h->pools[pool].places, .taken = root->taken, .waiting = root->waits, .hold_us = h->pools[pool].hold_us};
    memcpy(out->waiting_of, root->waits_of, sizeof(out->waiting_of));
}

static int by_items(const void *one, const void *two) {
    const bell_fair_tenant *a = one, *b = two;
    uint64_t has_a = (uint64_t)a->taken + a->waiting, has_b = (uint64_t)b->taken + b->waiting;

    return has_a == has_b ? (a->tenant > b->tenant) - (a->tenant < b->tenant) : has_a > has_b ? -1 : 1;
}

/* Those that are kept are the first `most` of all, in no order until the end. */
static void keep_most(bell_fair_tenant *out, uint32_t *n, uint32_t most, bell_fair_tenant found) {
    uint32_t least = 0;

    if (*n < most) {
        out[(*n)++] = found;
        return;
    }
    for (uint32_t i = 1; i < *n; i++) {
        least = by_items(&out[i], &out[least]) > 0 ? i : least;
    }
    if (*n > 0 && by_items(&found, &out[least]) < 0) {
        out[least] = found;
    }
}

uint32_t bell_fair_tenants(const void *fair, uint32_t pool, bell_fair_tenant *out, uint32_t most) {
    const fair_head *h = fair;
    const fair_node *root = bell_fair_node(h, pool + 1);
    uint32_t n = 0;

    if (root->taken == 0 && root->waits == 0) {
        return 0;
    }
    for (uint32_t i = BELL_FAIR_POOLS + 1; i <= h->nodes; i++) {
        const fair_node *node = bell_fair_node(h, i);

        if (node->parent == pool + 1 && (node->taken != 0 || node->waits != 0)) {
            keep_most(out, &n, most, (bell_fair_tenant){.tenant = node->key, .weight = node->weight, .taken = node->taken, .waiting = node->waits});
        }
    }
    qsort(out, n, sizeof(*out), by_items);
    return n;
}

uint32_t bell_fair_items(const void *fair) {
    return head_of(fair)->in_use;
}

uint32_t bell_fair_room(const void *fair) {
    return head_of(fair)->items;
}
