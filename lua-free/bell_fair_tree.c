#include "bell_fair_parts.h"

#include <string.h>

/* nobody is behind his share by more time than all places are taken so often, or for so long */
#define DEBT_HOLDS 16
#define DEBT_US    4000000

/* a share that is larger begins anew: with any weight it stays within 64 bits */
#define SHARE_MAX_US ((int64_t)1 << 48)

/* one part in so many of what waits is kept for those who have least of it, by weight, whatever its rank is */
#define SPARED_PART 4

#define STUDENT (FAIR_LEVELS - 1)

/* ---- nodes */

static uint32_t *bucket_of(fair_head *h, uint32_t parent, uint64_t key) {
    uint64_t hash = (key ^ (uint64_t)parent << 32 ^ parent) * 0x9e3779b97f4a7c15u;

    return (uint32_t *)(h + 1) + ((hash >> 32) & h->bucket_mask);
}

void bell_fair_clear_nodes(fair_head *h) {
    memset(h + 1, 0, ((size_t)h->bucket_mask + 1) * sizeof(uint32_t));
    for (uint32_t n = 1; n <= BELL_FAIR_POOLS; n++) {
        *bell_fair_node(h, n) = (fair_node){.weight = 1, .round = h->pools[n - 1].round};
    }
    h->free_node = 0;
    for (uint32_t n = h->nodes; n > BELL_FAIR_POOLS; n--) {
        *bell_fair_node(h, n) = (fair_node){.chain = h->free_node};
        h->free_node = n;
    }
}

/* What it has used by now. What was used before somebody had to wait has taken nothing from anybody. */
static void count_time(const fair_pool *p, fair_node *n, int64_t now_us) {
    if (n->round != p->round) {
        n->round = p->round;
        n->used_us = 0;
        n->share_us = 0;
        n->at_us = p->since_us;
    }
    if (now_us > n->at_us) {
        n->used_us += (now_us - n->at_us) * n->taken;
        n->at_us = now_us;
    }
}

static void begin_round(fair_pool *p, int64_t now_us) {
    p->round++;
    p->since_us = now_us;
}

static uint32_t child_of(fair_head *h, const fair_pool *p, uint32_t parent, uint64_t key, uint32_t weight, int64_t now_us) {
    uint32_t *bucket = bucket_of(h, parent, key);
    uint32_t n = *bucket;
    fair_node *node;

    while (n != 0 && (bell_fair_node(h, n)->key != key || bell_fair_node(h, n)->parent != parent)) {
        n = bell_fair_node(h, n)->chain;
    }
    if (n == 0) {
        n = h->free_node; /* there are as many as all items could need */
        node = bell_fair_node(h, n);
        h->free_node = node->chain;
        count_time(p, bell_fair_node(h, parent), now_us);
        *node = (fair_node){.key = key, .parent = parent, .chain = *bucket, .weight = weight, .round = p->round, .at_us = now_us};
        node->used_us = bell_fair_node(h, parent)->share_us * weight;
        *bucket = n;
        return n;
    }
    node = bell_fair_node(h, n);
    if (node->weight != weight) {
        node->used_us = node->used_us / node->weight * weight;
        node->weight = weight;
    }
    return n;
}

uint32_t bell_fair_plant(fair_head *h, const fair_item *i, int64_t now_us) {
    const fair_pool *p = &h->pools[i->pool];
    uint32_t tenant = child_of(h, p, i->pool + 1u, i->tenant, i->weight, now_us);
    uint32_t class = child_of(h, p, tenant, i->class, 1, now_us);

    return child_of(h, p, class, i->student, 1, now_us);
}

void bell_fair_prune(fair_head *h, uint32_t student) {
    uint32_t n = student;

    while (n > BELL_FAIR_POOLS && bell_fair_node(h, n)->taken == 0 && bell_fair_node(h, n)->waits == 0) {
        fair_node *node = bell_fair_node(h, n);
        uint32_t *at = bucket_of(h, node->parent, node->key);
        uint32_t parent = node->parent;

        while (*at != n) {
            at = &bell_fair_node(h, *at)->chain;
        }
        *at = node->chain;
        node->chain = h->free_node;
        h->free_node = n;
        n = parent;
    }
}

/* ---- rings of those that wait, each below its parent */

static void enter_ring(const fair_head *h, uint32_t n) {
    fair_node *node = bell_fair_node(h, n);
    uint32_t *first = &bell_fair_node(h, node->parent)->first;

    if (*first == 0) {
        node->prev = node->next = *first = n;
        return;
    }
    node->next = *first;
    node->prev = bell_fair_node(h, *first)->prev;
    bell_fair_node(h, node->prev)->next = n;
    bell_fair_node(h, node->next)->prev = n;
}

static void leave_ring(const fair_head *h, uint32_t n) {
    fair_node *node = bell_fair_node(h, n);
    uint32_t *first = &bell_fair_node(h, node->parent)->first;

    bell_fair_node(h, node->prev)->next = node->next;
    bell_fair_node(h, node->next)->prev = node->prev;
    if (*first == n) {
        *first = node->next == n ? 0 : node->next;
    }
    node->prev = node->next = 0;
}

/* ---- a student's line: the highest rank first, and of one rank who came first */

static bool goes_before(const fair_item *one, const fair_item *other) {
    return one->rank != other->rank ? one->rank > other->rank : one->came < other->came;
}

static void enter_line(const fair_head *h, uint32_t number) {
    fair_item *i = bell_fair_item(h, number);
    fair_node *student = bell_fair_node(h, i->node);
    uint32_t behind = student->last;

    while (behind != 0 && goes_before(i, bell_fair_item(h, behind))) {
        behind = bell_fair_item(h, behind)->prev;
    }
    i->prev = behind;
    i->next = behind != 0 ? bell_fair_item(h, behind)->next : student->first;
    *(i->prev != 0 ? &bell_fair_item(h, i->prev)->next : &student->first) = number;
    *(i->next != 0 ? &bell_fair_item(h, i->next)->prev : &student->last) = number;
}

static void leave_line(const fair_head *h, const fair_item *i) {
    fair_node *student = bell_fair_node(h, i->node);

    *(i->prev != 0 ? &bell_fair_item(h, i->prev)->next : &student->first) = i->next;
    *(i->next != 0 ? &bell_fair_item(h, i->next)->prev : &student->last) = i->prev;
}

/* ---- items */

void bell_fair_take(fair_head *h, uint32_t number, int64_t now_us) {
    const fair_item *i = bell_fair_item(h, number);

    for (uint32_t n = i->node; n != 0; n = bell_fair_node(h, n)->parent) {
        count_time(&h->pools[i->pool], bell_fair_node(h, n), now_us);
        bell_fair_node(h, n)->taken++;
    }
}

void bell_fair_untake(fair_head *h, uint32_t number, int64_t now_us) {
    const fair_item *i = bell_fair_item(h, number);

    for (uint32_t n = i->node; n != 0; n = bell_fair_node(h, n)->parent) {
        count_time(&h->pools[i->pool], bell_fair_node(h, n), now_us);
        bell_fair_node(h, n)->taken--;
    }
}

/* Who has had less than the others while he wanted no more has saved nothing: he begins with what they have had. */
static void catch_up(const fair_head *h, const fair_pool *p, fair_node *node, int64_t now_us) {
    fair_node *above = bell_fair_node(h, node->parent);

    count_time(p, above, now_us);
    count_time(p, node, now_us);
    if (node->used_us < above->share_us * node->weight) {
        node->used_us = above->share_us * node->weight;
    }
}

void bell_fair_wait(fair_head *h, uint32_t number, int64_t now_us) {
    const fair_item *i = bell_fair_item(h, number);
    fair_pool *p = &h->pools[i->pool];

    if (bell_fair_node(h, i->pool + 1u)->waits == 0) {
        begin_round(p, now_us);
    }
    enter_line(h, number);
    for (uint32_t n = i->node; n != 0; n = bell_fair_node(h, n)->parent) {
        fair_node *node = bell_fair_node(h, n);

        node->waits_of[i->rank]++;
        if (node->waits++ == 0 && node->parent != 0) {
            catch_up(h, p, node, now_us);
            enter_ring(h, n);
        }
    }
}

void bell_fair_unwait(fair_head *h, uint32_t number) {
    const fair_item *i = bell_fair_item(h, number);

    leave_line(h, i);
    for (uint32_t n = i->node; n != 0; n = bell_fair_node(h, n)->parent) {
        fair_node *node = bell_fair_node(h, n);

        node->waits_of[i->rank]--;
        if (--node->waits == 0 && node->parent != 0) {
            leave_ring(h, n);
        }
    }
}

/* ---- who is next */

/* By how much it is ahead of the share of all; a place that is taken counts for as long as places are taken. */
static int64_t ahead_us(const fair_pool *p, const fair_node *above, const fair_node *node) {
    return node->used_us - above->share_us * node->weight + node->taken * p->hold_us;
}

/* Whether it has had less for its weight. */
static bool has_less(const fair_pool *p, const fair_node *above, const fair_node *one, const fair_node *other) {
    return ahead_us(p, above, one) * other->weight < ahead_us(p, above, other) * one->weight;
}

static uint32_t least_below(const fair_head *h, const fair_pool *p, const fair_node *above, int64_t now_us) {
    int64_t debt_us = (p->hold_us * DEBT_HOLDS < DEBT_US ? p->hold_us * DEBT_HOLDS : DEBT_US) * p->places;
    uint32_t best = above->first, n = best;

    do {
        fair_node *node = bell_fair_node(h, n);

        count_time(p, node, now_us);
        if (node->used_us > above->share_us * node->weight + debt_us) {
            node->used_us = above->share_us * node->weight + debt_us;
        }
        if (has_less(p, above, node, bell_fair_node(h, best))) {
            best = n;
        }
        n = node->next;
    } while (n != above->first);
    return best;
}

static uint32_t choose_below(const fair_head *h, fair_pool *p, uint32_t parent, int64_t now_us) {
    fair_node *above = bell_fair_node(h, parent);
    uint32_t best;
    int64_t share_us;

    count_time(p, above, now_us);
    best = least_below(h, p, above, now_us);
    share_us = bell_fair_node(h, best)->used_us / bell_fair_node(h, best)->weight;
    above->share_us = share_us > above->share_us ? share_us : above->share_us;
    above->first = bell_fair_node(h, best)->next; /* of those that have had the same the others are next */
    if (above->share_us > SHARE_MAX_US) {
        begin_round(p, now_us);
    }
    return best;
}

uint32_t bell_fair_choose(fair_head *h, uint32_t pool, int64_t now_us) {
    fair_pool *p = &h->pools[pool];
    uint32_t tenant = choose_below(h, p, pool + 1, now_us);
    uint32_t class = choose_below(h, p, tenant, now_us);

    return bell_fair_node(h, choose_below(h, p, class, now_us))->first;
}

/* ---- who has to go */

/* An item that is about to wait, and its nodes from the tenant down. */
typedef struct {
    const fair_item *item;
    uint32_t own[FAIR_LEVELS];
} newcomer;

/* Of all that wait below the same parent, and of `own`. */
static uint64_t weights_below(const fair_head *h, const fair_node *above, uint32_t own) {
    uint64_t sum = own != 0 && bell_fair_node(h, own)->waits == 0 ? bell_fair_node(h, own)->weight : 0;
    uint32_t n = above->first;

    if (n == 0) {
        return sum;
    }
    do {
        sum += bell_fair_node(h, n)->weight;
        n = bell_fair_node(h, n)->next;
    } while (n != above->first);
    return sum;
}

/* Whether so few of its own wait that they go for nobody else's. */
static bool is_spared(const fair_node *above, uint64_t weights, const fair_node *node, uint64_t waits) {
    return waits * weights * SPARED_PART <= (uint64_t)above->waits * node->weight;
}

/* Whether it is the newcomer's own nodes that are looked at further: because of itself, or because of others there that go before it. */
static bool own_may_go(const newcomer *who, uint32_t level, uint32_t rank, const fair_node *above, uint64_t weights, const fair_node *own) {
    if (rank == who->item->rank) {
        return !is_spared(above, weights, own, own->waits + UINT64_C(1));
    }
    return own->waits_of[rank] != 0 && (level < STUDENT || rank < who->item->rank);
}

/* Of those below that wait with this rank, and of `own`, where the newcomer is below `parent`: who has most for its weight; own, when nobody has
 * more. 0: all of them are spared, or there is none. */
static uint32_t most_below(const fair_head *h, const newcomer *who, uint32_t level, uint32_t rank, uint32_t parent, uint32_t own) {
    const fair_node *above = bell_fair_node(h, parent);
    uint64_t weights = weights_below(h, above, own), most = 0;
    uint32_t first = above->first, n = first, best = 0;

    if (own != 0 && own_may_go(who, level, rank, above, weights, bell_fair_node(h, own))) {
        best = own;
        most = (uint64_t)bell_fair_node(h, own)->taken + bell_fair_node(h, own)->waits + 1;
    }
    while (n != 0) {
        const fair_node *node = bell_fair_node(h, n);
        uint64_t has = (uint64_t)node->taken + node->waits;

        if (n != own && node->waits_of[rank] != 0 && !is_spared(above, weights, node, node->waits) &&
            (best == 0 || has * bell_fair_node(h, best)->weight > most * node->weight)) {
            best = n;
            most = has;
        }
        n = node->next != first ? node->next : 0;
    }
    return best;
}

/* The student of whom somebody goes, if it is to be one of that rank; *is_own: the newcomer itself is meant. 0: none. */
static uint32_t student_to_go(const fair_head *h, const newcomer *who, uint32_t rank, bool *is_own) {
    uint32_t n = who->item->pool + 1u;

    *is_own = true;
    for (uint32_t level = 0; level < FAIR_LEVELS && n != 0; level++) {
        n = most_below(h, who, level, rank, n, *is_own ? who->own[level] : 0);
        *is_own = *is_own && n == who->own[level];
    }
    *is_own = *is_own && rank == who->item->rank;
    return n;
}

uint32_t bell_fair_shed(const fair_head *h, uint32_t number) {
    const fair_item *i = bell_fair_item(h, number);
    newcomer who = {.item = i};
    const fair_node *root = bell_fair_node(h, i->pool + 1u);

    who.own[STUDENT] = i->node;
    for (uint32_t level = STUDENT; level > 0; level--) {
        who.own[level - 1] = bell_fair_node(h, who.own[level])->parent;
    }
    for (uint32_t rank = 1; rank <= BELL_FAIR_RANKS; rank++) {
        bool is_own;
        uint32_t student = root->waits_of[rank] != 0 || rank == i->rank ? student_to_go(h, &who, rank, &is_own) : 0;

        if (student != 0) {
            return is_own ? 0 : bell_fair_node(h, student)->last;
        }
    }
    return 0;
}
