#include "bell_lease.h"

#define TRIES       1000 /* each that fails says that somebody else has used the key */
#define DEMAND_MAX  ((uint64_t)1 << 40)
#define DT_LEAST_US 50000

static uint64_t load(const uint64_t *at) {
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static int64_t load_us(const int64_t *at) {
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static void store_us(int64_t *at, int64_t us) {
    __atomic_store_n(at, us, __ATOMIC_RELAXED);
}

bool bell_lease_rule_of(const bell_gcra_rule *gcra, uint32_t edges, bell_lease_rule *rule) {
    if (edges == 0 || edges > BELL_LEASE_EDGES_MAX || gcra->burst_us + gcra->unit_us > BELL_LEASE_SPAN_MAX_US) {
        return false;
    }
    *rule = (bell_lease_rule){.gcra = *gcra, .edges = edges};
    return true;
}

/* ---- the share: GCRA at 1/N of the rate */

static int64_t share_units(const bell_lease_rule *rule) {
    int64_t units = bell_gcra_limit(&rule->gcra) / rule->edges;

    return units > 0 ? units : 1;
}

static int64_t share_unit_us(const bell_lease_rule *rule) {
    return rule->gcra.unit_us * rule->edges;
}

/* How far ahead the TAT may be: all of a share is used; a dear use may take it further. */
static int64_t share_span_us(const bell_lease_rule *rule) {
    return share_units(rule) * share_unit_us(rule);
}

/* What remains is 0 or less: all of it is used, or more. */
static int64_t share_left(const bell_lease_rule *rule, int64_t tat_us, int64_t now_us) {
    int64_t ahead = tat_us > now_us ? tat_us - now_us : 0;

    return (share_span_us(rule) - ahead) / share_unit_us(rule);
}

bell_gcra_rule bell_lease_share(const bell_lease_rule *rule, uint64_t cost) {
    int64_t units = share_units(rule), most = bell_gcra_limit(&rule->gcra), unit_us = share_unit_us(rule);

    if (cost > (uint64_t)units) { /* it wants a whole one, and takes longer to come back */
        units = cost < (uint64_t)most ? (int64_t)cost : most;
    }
    units = units < BELL_GCRA_SPAN_MAX_US / unit_us ? units : BELL_GCRA_SPAN_MAX_US / unit_us;
    return (bell_gcra_rule){.unit_us = unit_us, .burst_us = units > 1 ? (units - 1) * unit_us : 0};
}

/* A use that costs more than a share wants a whole one, and takes longer to come back. */
static bool take_share(bell_lease *l, const bell_lease_rule *rule, int64_t now_us, uint64_t cost, bell_gcra_answer *a) {
    int64_t unit_us = share_unit_us(rule), need = (int64_t)cost < share_units(rule) ? (int64_t)cost : share_units(rule);
    int64_t tat = load_us(&l->local_tat_us), most = now_us + rule->edges * (rule->gcra.burst_us + rule->gcra.unit_us) + share_span_us(rule);

    for (unsigned i = 0; i < TRIES; i++) {
        int64_t from = tat < now_us ? now_us : tat > most ? most : tat, over = from + need * unit_us - share_span_us(rule) - now_us;
        if (over > 0) {
            a->retry_after_us = over;
            a->more_us = over - (need - 1) * unit_us;
            a->more_us = a->more_us > 0 ? a->more_us : 1;
            return false;
        }
        int64_t next = from + (int64_t)cost * unit_us;
        if (__atomic_compare_exchange_n(&l->local_tat_us, &tat, next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            int64_t left = share_left(rule, next, now_us), none = BELL_GCRA_NEVER;
            a->remaining = left > 0 ? left : 0;
            a->more_us = unit_us;
            __atomic_compare_exchange_n(&l->owing_us, &none, now_us, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
            __atomic_add_fetch(&l->spent, cost, __ATOMIC_RELAXED);
            return true;
        }
    }
    a->retry_after_us = a->more_us = unit_us;
    return false;
}

/* ---- credit */

uint64_t bell_lease_in_hand(const bell_lease *l, int64_t now_us) {
    uint64_t spent = load(&l->spent), ceiling = load(&l->ceiling);

    return spent < ceiling && now_us < load_us(&l->until_us) ? ceiling - spent : 0;
}

static bool take_credit(bell_lease *l, int64_t now_us, uint64_t cost, bell_gcra_answer *a) {
    uint64_t spent = load(&l->spent);

    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t ceiling = load(&l->ceiling);
        if (spent >= ceiling || now_us >= load_us(&l->until_us)) {
            return false;
        }
        if (__atomic_compare_exchange_n(&l->spent, &spent, spent + cost, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            a->remaining = cost < ceiling - spent ? (int64_t)(ceiling - spent - cost) : 0;
            return true;
        }
    }
    return false;
}

bool bell_lease_is_alone(const bell_lease *l, int64_t now_us) {
    int64_t answered_us = load_us(&l->answered_us);

    return answered_us == BELL_GCRA_NEVER || now_us - answered_us > BELL_LEASE_LOST_US;
}

int64_t bell_lease_left(const bell_lease *l, const bell_lease_rule *rule, int64_t now_us) {
    int64_t most = bell_gcra_limit(&rule->gcra), units = (int64_t)bell_lease_in_hand(l, now_us), store_us = load_us(&l->store_now_us);
    bool is_lost = bell_lease_is_alone(l, now_us) && (store_us == 0 || load_us(&l->answered_us) != BELL_GCRA_NEVER);

    if (is_lost) {
        units += share_left(rule, load_us(&l->local_tat_us), now_us) * rule->edges;
    } else {
        int64_t ahead = load_us(&l->store_tat_us) - store_us - (now_us - load_us(&l->sent_us));
        units += (rule->gcra.burst_us + rule->gcra.unit_us - (ahead > 0 ? ahead : 0)) / rule->gcra.unit_us;
    }
    return units < 0 ? 0 : units < most ? units : most;
}

/* As the store's TAT will have it, and not before the next exchange can bring something. It may be read while an exchange is under way: then it is
 * about right, and bounded. */
static int64_t retry_us(const bell_lease *l, const bell_lease_rule *rule, int64_t now_us, uint64_t cost) {
    int64_t ahead = load_us(&l->store_tat_us) - load_us(&l->store_now_us) - (now_us - load_us(&l->sent_us));
    int64_t us = ahead + (int64_t)cost * rule->gcra.unit_us - rule->gcra.burst_us - rule->gcra.unit_us;
    int64_t most = rule->gcra.burst_us + rule->edges * rule->gcra.unit_us + BELL_LEASE_OWED_US;

    us = us > BELL_LEASE_TIGHT_US ? us : BELL_LEASE_TIGHT_US;
    return us < most ? us : most;
}

void bell_lease_init(bell_lease *l, uint64_t epoch) {
    *l = (bell_lease){.epoch = epoch % BELL_LEASE_UNITS_MAX,
                      .local_tat_us = BELL_GCRA_NEVER,
                      .owing_us = BELL_GCRA_NEVER,
                      .sent_owing_us = BELL_GCRA_NEVER,
                      .answered_us = BELL_GCRA_NEVER};
}

bell_gcra_answer bell_lease_take(bell_lease *l, const bell_lease_rule *rule, int64_t now_us, uint64_t cost) {
    bell_gcra_answer a = {.allowed = true, .retry_after_us = -1};

    if (cost > (uint64_t)bell_gcra_limit(&rule->gcra)) {
        a = (bell_gcra_answer){.hopeless = true, .remaining = (int64_t)bell_lease_in_hand(l, now_us)};
        a.retry_after_us = a.more_us = retry_us(l, rule, now_us, 1);
        return a;
    }
    if (cost == 0) {
        int64_t left = bell_lease_is_alone(l, now_us) ? share_left(rule, load_us(&l->local_tat_us), now_us) : 0;
        a.remaining = (int64_t)bell_lease_in_hand(l, now_us) + (left > 0 ? left : 0);
        return a;
    }
    __atomic_add_fetch(&l->asked, cost, __ATOMIC_RELAXED);
    if (take_credit(l, now_us, cost, &a)) {
        a.more_us = a.remaining < bell_gcra_limit(&rule->gcra) - 1 ? rule->gcra.unit_us : 0;
        return a;
    }
    if (bell_lease_is_alone(l, now_us)) {
        a.allowed = take_share(l, rule, now_us, cost, &a);
        return a;
    }
    a.allowed = false;
    a.retry_after_us = retry_us(l, rule, now_us, cost);
    a.more_us = retry_us(l, rule, now_us, 1);
    return a;
}

void bell_lease_give_back(bell_lease *l, uint64_t cost) {
    /* What the share was used for stays used: it is little, and comes back by itself. The store is told of one less. */
    __atomic_sub_fetch(&l->spent, cost, __ATOMIC_RELAXED);
}

/* ---- exchanges */

static bool is_in_use(const bell_lease *l) {
    return load(&l->asked) != l->sent_asked || load(&l->spent) != l->known_spent || l->lent > 0 || l->sent_want > 0;
}

/* One that nobody has ended for so long is nobody's any more: whoever began it was replaced in the midst of it. */
static bool is_under_way(const bell_lease *l, int64_t now_us) {
    return l->is_out && now_us - load_us(&l->sent_us) < BELL_LEASE_VALID_US;
}

int64_t bell_lease_due_us(const bell_lease *l, int64_t now_us) {
    uint64_t credit = bell_lease_in_hand(l, now_us);

    if (is_under_way(l, now_us) || (!l->is_out && !is_in_use(l))) {
        return INT64_MAX;
    }
    if (l->is_out) {
        return now_us;
    }
    if (l->number == 0 || (l->sent_want == 0 && l->lent == 0)) {
        return l->number == 0 ? now_us : l->sent_us + BELL_LEASE_HURRY_US; /* it begins to be used */
    }
    if (l->left > l->demand && credit * 4 < l->lent) {
        return l->sent_us + BELL_LEASE_HURRY_US; /* there is plenty */
    }
    return l->sent_us + (credit * 2 < l->demand ? BELL_LEASE_TIGHT_US : BELL_LEASE_CALM_US);
}

/* What will be asked for in one calm stretch, by what was asked for since the last exchange; falls by a quarter an exchange. */
static uint64_t demand_of(const bell_lease *l, uint64_t asked, int64_t now_us) {
    uint64_t more = asked - l->sent_asked, before = l->demand - (l->demand + 3) / 4;
    int64_t dt = now_us - l->sent_us;

    more = more < DEMAND_MAX ? more : DEMAND_MAX;
    dt = l->number == 0 || dt < DT_LEAST_US ? DT_LEAST_US : dt;
    more = dt > BELL_LEASE_VALID_US ? more : (more * BELL_LEASE_CALM_US + (uint64_t)dt - 1) / (uint64_t)dt;
    return more > before ? more : before;
}

/* All that a store may ever have: its burst, or the slack. */
static uint64_t most_granted(const bell_lease_rule *rule) {
    return (uint64_t)bell_gcra_limit(&rule->gcra) + (uint64_t)(BELL_LEASE_SLACK_US / rule->gcra.unit_us);
}

void bell_lease_begin(bell_lease *l, const bell_lease_rule *rule, uint64_t edge, int64_t now_us, bell_lease_request *request) {
    uint64_t asked = load(&l->asked), most = most_granted(rule);

    l->demand = demand_of(l, asked, now_us);
    l->sent_spent = load(&l->spent);
    l->sent_asked = asked;
    l->sent_want = l->demand < most ? l->demand : most;
    store_us(&l->sent_us, now_us);
    int64_t owing_us = __atomic_exchange_n(&l->owing_us, BELL_GCRA_NEVER, __ATOMIC_RELAXED);
    l->sent_owing_us = l->sent_owing_us != BELL_GCRA_NEVER ? l->sent_owing_us : owing_us; /* of one that failed */
    l->is_out = true;
    l->number++;
    *request = (bell_lease_request){.edge = edge,
                                    .epoch = l->epoch,
                                    .number = l->number,
                                    .spent = l->sent_spent,
                                    .since = l->sent_spent > l->known_spent ? l->sent_spent - l->known_spent : 0,
                                    .lent = l->lent,
                                    .want = l->sent_want,
                                    .age_us = l->sent_owing_us != BELL_GCRA_NEVER && now_us > l->sent_owing_us ? now_us - l->sent_owing_us : 0,
                                    .tat_us = l->store_tat_us};
}

/* The share that is left to a key that is not in use: its part of what the store has, to begin with when it comes back. */
static int64_t share_to_begin(const bell_lease_rule *rule, uint64_t left) {
    int64_t units = (int64_t)((left < DEMAND_MAX ? left : DEMAND_MAX) / rule->edges), most = share_units(rule);

    units = units == 0 && left > 0 ? 1 : units;
    return units < most ? units : most;
}

void bell_lease_answered(bell_lease *l, const bell_lease_rule *rule, uint64_t number, int64_t now_us, const bell_lease_answer *answer) {
    if (!l->is_out || number != l->number) {
        return;
    }
    l->is_out = false;
    if (answer->is_late) {
        return;
    }
    uint64_t most = most_granted(rule), granted = answer->granted < most ? answer->granted : most; /* whatever a store may say */
    l->known_spent = l->sent_spent;
    l->lent = granted;
    l->left = answer->left;
    store_us(&l->store_tat_us, answer->tat_us);
    store_us(&l->store_now_us, answer->now_us);
    l->sent_owing_us = BELL_GCRA_NEVER;
    bool is_over = l->sent_want == 0;
    int64_t units = is_over ? share_to_begin(rule, answer->left) : 0;
    store_us(&l->local_tat_us, now_us + share_span_us(rule) - units * share_unit_us(rule));
    __atomic_store_n(&l->ceiling, l->sent_spent + granted, __ATOMIC_RELAXED);
    store_us(&l->until_us, l->sent_us + BELL_LEASE_VALID_US);
    store_us(&l->answered_us, is_over ? BELL_GCRA_NEVER : l->sent_us);
}

void bell_lease_failed(bell_lease *l, uint64_t number) {
    if (l->is_out && number == l->number) {
        l->is_out = false;
    }
}
