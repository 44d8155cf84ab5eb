/* Edges that share a budget, a store, and a network between them, in a time of its own: the clock of the world goes by milliseconds, all else by lot
 * of a seed. A failure names the seed. */
#include "bell_lease.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define MS        1000
#define SECOND    1000000
#define BEGIN_US  1000000000 /* of the edges' clock */
#define STORE_US  1800000000000000
#define EDGES     8
#define MESSAGES  64
#define TIMEOUT   (200 * MS)
#define SEEDS     1000
#define WINDOW_MS 60000

typedef struct {
    bool is_used, is_answer;
    int64_t at_us;
    uint32_t edge;
    bell_lease_request request;
    bell_lease_answer answer;
} message;

typedef struct {
    bell_lease lease;
    double per_ms, waiting; /* requests */
    bool is_cut_off;
    int64_t sent_us;
    uint64_t number;
    uint64_t allowed, refused;
} edge;

typedef struct {
    uint64_t seed, random;
    int64_t now_us, store_us;
    bell_lease_rule rule;
    uint32_t nedges;
    edge edges[EDGES];
    bell_lease_store store;
    bool is_gone;
    uint32_t loss_permille, delay_us;
    message messages[MESSAGES];
    uint64_t exchanges;
    uint64_t *allowed; /* up to the end of each millisecond, since the beginning */
    size_t nallowed, room;
} world;

static uint64_t lot(world *w) {
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return w->random >> 33 ^ w->random >> 45;
}

static void world_begin(world *w, uint64_t seed, uint64_t count, uint64_t period_s, uint64_t burst, uint32_t nedges) {
    bell_gcra_rule gcra;

    memset(w, 0, sizeof(*w));
    w->seed = seed;
    w->random = seed * 2654435761u + 1;
    w->now_us = BEGIN_US;
    w->store_us = STORE_US;
    w->nedges = nedges;
    w->delay_us = 2 * MS;
    w->room = 200000;
    w->allowed = malloc(w->room * sizeof(*w->allowed));
    assert_true(bell_gcra_rule_of(count, period_s, burst, &gcra) && bell_lease_rule_of(&gcra, nedges, &w->rule));
    for (uint32_t i = 0; i < nedges; i++) {
        bell_lease_init(&w->edges[i].lease, seed * 100 + i);
        w->edges[i].waiting = (double)(lot(w) % 1000) / 1000;
    }
}

static void world_end(world *w) {
    free(w->allowed);
}

/* How many times the rule's rate comes to all edges together, in these parts. */
static void load(world *w, double times, const double *parts) {
    double sum = 0;

    for (uint32_t i = 0; i < w->nedges; i++) {
        sum += parts != NULL ? parts[i] : 1;
    }
    for (uint32_t i = 0; i < w->nedges; i++) {
        w->edges[i].per_ms = times * MS / (double)w->rule.gcra.unit_us * (parts != NULL ? parts[i] : 1) / sum;
    }
}

/* ---- the network: what is sent may be lost, and comes in any order */

static void put(world *w, const message *m) {
    if (w->edges[m->edge].is_cut_off || w->is_gone || lot(w) % 1000 < w->loss_permille) {
        return;
    }
    for (size_t i = 0; i < MESSAGES; i++) {
        if (!w->messages[i].is_used) {
            w->messages[i] = *m;
            w->messages[i].is_used = true;
            w->messages[i].at_us = w->now_us + (int64_t)(lot(w) % (w->delay_us + 1));
            return;
        }
    }
}

static void deliver(world *w, message *m) {
    edge *e = &w->edges[m->edge];

    m->is_used = false;
    if (m->is_answer) {
        bell_lease_answered(&e->lease, &w->rule, m->request.number, w->now_us, &m->answer);
        return;
    }
    message answer = *m;
    answer.is_answer = true;
    answer.answer = bell_lease_exchange(&w->store, &w->rule, w->store_us, &m->request);
    w->exchanges++;
    put(w, &answer);
}

static void exchange(world *w, uint32_t i) {
    edge *e = &w->edges[i];
    message m = {.edge = i};

    if (e->lease.is_out && w->now_us - e->sent_us >= TIMEOUT) {
        bell_lease_failed(&e->lease, e->number);
    }
    if (bell_lease_due_us(&e->lease, w->now_us) > w->now_us) {
        return;
    }
    bell_lease_begin(&e->lease, &w->rule, i + 1, w->now_us, &m.request);
    e->sent_us = w->now_us;
    e->number = m.request.number;
    put(w, &m);
}

static void requests(world *w, edge *e) {
    for (e->waiting += e->per_ms * (double)(lot(w) % 2000) / 1000; e->waiting >= 1; e->waiting--) {
        bell_gcra_answer a = bell_lease_take(&e->lease, &w->rule, w->now_us, 1);
        e->allowed += a.allowed;
        e->refused += !a.allowed;
        if (!a.allowed && a.retry_after_us <= 0) {
            fail_msg("seed %lu: refused without a time to come back", (unsigned long)w->seed);
        }
    }
}

static void go_on(world *w, int64_t ms) {
    for (; ms > 0; ms--) {
        uint64_t sum = 0;
        for (size_t i = 0; i < MESSAGES; i++) {
            if (w->messages[i].is_used && w->messages[i].at_us <= w->now_us) {
                deliver(w, &w->messages[i]);
            }
        }
        for (uint32_t i = 0; i < w->nedges; i++) {
            requests(w, &w->edges[i]);
            exchange(w, i);
            sum += w->edges[i].allowed;
        }
        assert_true(w->nallowed < w->room);
        w->allowed[w->nallowed++] = sum;
        w->now_us += MS;
        w->store_us += MS;
    }
}

static uint64_t between(const world *w, size_t from_ms, size_t to_ms) {
    return w->allowed[to_ms - 1] - (from_ms > 0 ? w->allowed[from_ms - 1] : 0);
}

static double rate_in(const world *w, double ms) {
    return ms * MS / (double)w->rule.gcra.unit_us;
}

/* ---- nothing is lost: how exact it is */

static const struct {
    const char *name;
    uint64_t count, period_s, burst;
    double parts[4];
} cases[] = {
    {"even", 6000, 60, 600, {1, 1, 1, 1}},
    {"no burst", 6000, 60, 0, {1, 1, 1, 1}},
    {"no burst, even, by seconds", 50, 1, 0, {1, 1, 1, 1}},
    {"a burst as large as the count", 1200, 60, 1200, {1, 1, 1, 1}},
    {"uneven", 6000, 60, 600, {85, 10, 4, 1}},
    {"uneven, no burst", 6000, 60, 0, {97, 1, 1, 1}},
    {"one edge only", 6000, 60, 600, {1, 0, 0, 0}},
    {"slow", 600, 60, 60, {50, 30, 15, 5}},
    {"fast", 60000, 60, 1000, {4, 3, 2, 1}},
};

static void exact_in_every_minute(void **state) {
    (void)state;
    for (size_t c = 0; c < ROWS(cases); c++) {
        double most_over = 0, most_under = 0;
        world w;
        world_begin(&w, c + 1, cases[c].count, cases[c].period_s, cases[c].burst, 4);
        load(&w, 10, cases[c].parts);
        go_on(&w, 3 * WINDOW_MS);
        double rate = rate_in(&w, WINDOW_MS), budget = rate + (double)cases[c].burst;
        for (size_t ms = 0; ms + WINDOW_MS <= w.nallowed; ms++) {
            double used = (double)between(&w, ms, ms + WINDOW_MS);
            most_over = used - budget > most_over ? used - budget : most_over;
            most_under = rate - used > most_under ? rate - used : most_under;
        }
        double first = budget - (double)between(&w, 0, WINDOW_MS);
        print_message("%-30s over %.2f %%, under %.2f %%, the first minute %.2f %% under; %.1f exchanges a second and edge\n", cases[c].name,
                      100 * most_over / budget, 100 * most_under / budget, 100 * first / budget, (double)w.exchanges / 720);
        assert_row(most_over < 0.01 * budget && most_under < 0.03 * budget && first < 0.03 * budget, cases[c].name);
        world_end(&w);
    }
}

/* What an edge was asked for, and what it could give: who wants less than an even part gets nearly all of it, and the others even parts of the rest.
 */
static void edges_share_fairly(void **state) {
    static const double parts[][4] = {{1, 1, 1, 1}, {90, 8, 1, 1}};
    world w;

    (void)state;
    for (size_t i = 0; i < ROWS(parts); i++) {
        world_begin(&w, i + 1, 6000, 60, 600, 4);
        load(&w, 10, parts[i]);
        go_on(&w, WINDOW_MS);
        double even = (double)w.allowed[WINDOW_MS - 1] / 4;
        for (uint32_t k = 0; k < 4; k++) {
            double wanted = (double)(w.edges[k].allowed + w.edges[k].refused), part = wanted < even ? wanted : even;
            if ((double)w.edges[k].allowed < 0.9 * part) {
                fail_msg("edge %u of case %zu: %lu of %.0f, an even part is %.0f", k, i, (unsigned long)w.edges[k].allowed, wanted, even);
            }
        }
        world_end(&w);
    }
}

/* Somebody comes where nobody was, or all go to another edge, while the budget is in full use. */
static void load_that_moves(void **state) {
    static const double first[] = {1, 1, 1, 0}, second[] = {0, 0, 0, 1}, third[] = {1, 0, 1, 1};
    world w;

    (void)state;
    world_begin(&w, 1, 6000, 60, 600, 4);
    load(&w, 10, first);
    go_on(&w, 59000);
    load(&w, 10, second);
    go_on(&w, 31000);
    load(&w, 10, third);
    go_on(&w, 60000);
    for (size_t ms = 0; ms + WINDOW_MS <= w.nallowed; ms++) {
        assert_in_range(between(&w, ms, ms + WINDOW_MS), 6000 - 180, 6600 + 66);
    }
    world_end(&w);
}

/* Less is asked for than there is: nobody is refused, also when a class comes to an edge that had none of it. */
static void nobody_is_refused_without_need(void **state) {
    static const double first[] = {1, 1, 1, 1}, second[] = {0, 0, 1, 0};
    world w;

    (void)state;
    world_begin(&w, 1, 6000, 60, 600, 4);
    for (int round = 0; round < 10; round++) {
        load(&w, 0.5, round % 2 ? second : first);
        go_on(&w, 5000);
    }
    load(&w, 0, NULL);
    go_on(&w, 20000);
    for (uint32_t i = 0; i < w.nedges; i++) {
        const edge *e = &w.edges[i];
        assert_int_equal(e->refused, 0);
        assert_true(e->lease.known_spent == e->lease.spent && e->lease.lent == 0);
        assert_true(bell_lease_due_us(&e->lease, w.now_us) == INT64_MAX); /* and asks for nothing any more */
    }
    uint64_t exchanges = w.exchanges;
    go_on(&w, 10000);
    assert_int_equal(w.exchanges, exchanges);
    world_end(&w);
}

/* ---- the store is gone */

static double units(const world *w) {
    return (double)bell_gcra_limit(&w->rule.gcra);
}

static uint64_t in_hand(const world *w) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < w->nedges; i++) {
        sum += bell_lease_in_hand(&w->edges[i].lease, w->now_us);
    }
    return sum;
}

/* With all that is under way. */
static void cut_all_off(world *w) {
    w->is_gone = true;
    memset(w->messages, 0, sizeof(w->messages));
}

static void never_a_store(void **state) {
    world w;

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        world_begin(&w, seed, 300 * seed, 60, 20 * seed, 1 + seed % EDGES);
        w.is_gone = true;
        load(&w, 10, NULL);
        go_on(&w, 60000);
        double used = (double)between(&w, 0, 60000), most = rate_in(&w, 60000) + units(&w);
        if (used > most || used < 0.95 * most - w.nedges) {
            fail_msg("seed %lu: %.0f used, %.0f may be", (unsigned long)seed, used, most);
        }
        world_end(&w);
    }
}

/* It goes while all is in use: the leases in hand, then the shares. It comes back: all is as before, without a burst and without a pause. */
static void a_store_that_goes_and_comes_back(void **state) {
    world w;

    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        world_begin(&w, seed, 600 * (1 + seed % 20), 60, 30 * seed, 1 + seed % EDGES);
        load(&w, 10, NULL);
        go_on(&w, 30000);
        double leases = (double)in_hand(&w);
        cut_all_off(&w);
        go_on(&w, 90000);
        /* a share grows from the last answer on */
        double used = (double)between(&w, 30000, 120000), most = rate_in(&w, 90000 + BELL_LEASE_CALM_US / MS) + leases + 2.0 * w.nedges;
        if (used > most || used < 0.95 * rate_in(&w, 90000) - 2.0 * w.nedges) {
            fail_msg("seed %lu: without the store %.0f used, %.0f may be", (unsigned long)seed, used, most);
        }
        w.is_gone = false;
        go_on(&w, 10000);
        used = (double)between(&w, 120000, 130000);
        most = rate_in(&w, 10000 + 600) + w.nedges;
        if (used > most || used < 0.9 * rate_in(&w, 10000) - w.nedges) {
            fail_msg("seed %lu: with the store again %.0f used, %.0f may be", (unsigned long)seed, used, most);
        }
        world_end(&w);
    }
}

/* ---- everything at once, by lot */

typedef struct {
    double bursts; /* how often the store may have given its burst anew */
} faults;

static void one_fault(world *w, faults *f) {
    static const int64_t steps[] = {-3600LL * SECOND, -SECOND, 700 * MS, 3600LL * SECOND};
    double parts[EDGES];

    switch (lot(w) % 8) {
    case 0:
        w->loss_permille = (uint32_t)(lot(w) % 500);
        break;
    case 1:
        w->delay_us = (uint32_t)(lot(w) % 4 == 0 ? 1500 * MS : 50 * MS);
        break;
    case 2:
    case 3:
        w->edges[lot(w) % w->nedges].is_cut_off ^= 1;
        break;
    case 4:
        w->is_gone = !w->is_gone;
        break;
    case 5:
        memset(&w->store, 0, sizeof(w->store));
        f->bursts++;
        break;
    case 6: {
        int64_t step = steps[lot(w) % ROWS(steps)];
        w->store_us += step;
        f->bursts++;
        break;
    }
    default:
        for (uint32_t i = 0; i < EDGES; i++) {
            parts[i] = (double)(lot(w) % 100);
        }
        parts[0] += 1;
        load(w, 10, parts);
    }
}

static void make_well(world *w) {
    w->loss_permille = 0;
    w->delay_us = 2 * MS;
    w->is_gone = false;
    for (uint32_t i = 0; i < w->nedges; i++) {
        w->edges[i].is_cut_off = false;
    }
    load(w, 10, NULL);
}

/* Never unlimited: in no stretch more than the rule has it, and what may be in hand. Each time that the store forgot all, or its clock jumped, there
 * may be a burst more; and the edges that were silent then have their shares beside what the others get. */
static void check_bound(const world *w, const faults *f, size_t stretch_ms) {
    double capacity = units(w) + rate_in(w, 300), most = (2 + f->bursts) * capacity + 2.0 * w->nedges;

    most += rate_in(w, (double)stretch_ms) * (f->bursts > 0 ? 2 : 1);
    for (size_t ms = 0; ms + stretch_ms <= w->nallowed; ms += 50) {
        if ((double)between(w, ms, ms + stretch_ms) > most) {
            fail_msg("seed %lu: %lu used in %zu ms from %zu ms on, %.0f may be", (unsigned long)w->seed,
                     (unsigned long)between(w, ms, ms + stretch_ms), stretch_ms, ms, most);
        }
    }
}

/* Each unit is known to the store, once. */
static void check_accounts(const world *w) {
    for (uint32_t i = 0; i < w->nedges; i++) {
        const bell_lease *l = &w->edges[i].lease;
        for (uint32_t n = 0; n < w->store.nrecords; n++) {
            const bell_lease_record *r = &w->store.records[n];
            if (r->edge == i + 1 && (r->spent != l->spent || l->spent != w->edges[i].allowed)) {
                fail_msg("seed %lu: edge %u spent %lu, the store knows of %lu", (unsigned long)w->seed, i, (unsigned long)l->spent,
                         (unsigned long)r->spent);
            }
        }
    }
}

static void whatever_happens(uint64_t seed) {
    faults f = {0};
    world w;

    world_begin(&w, seed, 10 + seed % 90, 1, seed * 7 % 200, EDGES);
    load(&w, 10, NULL);
    while (w.nallowed < 8000) {
        go_on(&w, 1 + (int64_t)(lot(&w) % 800));
        one_fault(&w, &f);
    }
    make_well(&w);
    go_on(&w, 4000);
    size_t from = w.nallowed;
    go_on(&w, 4000);
    double used = (double)between(&w, from, w.nallowed), rate = rate_in(&w, 4000);
    if (used < 0.93 * rate - 1 || used > 1.07 * rate + 3) {
        fail_msg("seed %lu: %.0f used when all is well again, %.0f should be", (unsigned long)seed, used, rate);
    }
    check_bound(&w, &f, 1000);
    check_bound(&w, &f, 5000);
    check_bound(&w, &f, w.nallowed);
    load(&w, 0, NULL);
    go_on(&w, 3000);
    check_accounts(&w);
    world_end(&w);
}

static void at_random(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        whatever_happens(seed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_in_every_minute),
        cmocka_unit_test(edges_share_fairly),
        cmocka_unit_test(load_that_moves),
        cmocka_unit_test(nobody_is_refused_without_need),
        cmocka_unit_test(never_a_store),
        cmocka_unit_test(a_store_that_goes_and_comes_back),
        cmocka_unit_test(at_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
