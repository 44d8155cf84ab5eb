#include "fair.h"

/* ---- step by step */

static void so_many_at_once(void **state) {
    uint32_t one, two, three, four;
    bell_fair_asked other = who(2, 0, 0);

    (void)state;
    bell_fair_set_places(fair, POOL, 2, now_us);
    one = has(who(1, 0, 0));
    two = has(who(1, 0, 0));
    three = waits(who(1, 0, 0));
    other.token = 4444;
    other.slot = 5;
    other.epoch = 9;
    four = waits(other);
    assert_int_equal(figures().taken, 2);
    assert_int_equal(figures().waiting, 2);
    assert_int_equal(bell_fair_to_wake(fair), 0);
    bell_fair_give(fair, one, now_us);
    assert_int_equal(bell_fair_to_wake(fair), 1 << 5); /* who has nothing is before who has something */
    assert_int_equal(bell_fair_to_wake(fair), 0);

    uint64_t token;
    bell_fair_state is;
    assert_true(bell_fair_is_ready(fair, 5));
    assert_int_equal(bell_fair_ready(fair, 5, 9, &token, &is), four);
    assert_false(bell_fair_is_ready(fair, 5));
    assert_int_equal(token, 4444);
    assert_int_equal(is, BELL_FAIR_HAS);
    assert_int_equal(bell_fair_ready(fair, 5, 9, &token, &is), 0);
    assert_int_equal(give(two), three);
    assert_int_equal(give(three), 0);
    assert_int_equal(give(four), 0);
    assert_int_equal(figures().taken, 0);
    assert_int_equal(bell_fair_items(fair), 0);
}

static void more_places_let_more_in(void **state) {
    uint32_t first, items[4];

    (void)state;
    first = has(who(1, 0, 0));
    for (int i = 0; i < 4; i++) {
        items[i] = waits(who(1, 0, 0));
    }
    bell_fair_set_places(fair, POOL, 3, now_us);
    assert_int_equal(ready(BELL_FAIR_HAS), items[0]);
    assert_int_equal(ready(BELL_FAIR_HAS), items[1]);
    assert_int_equal(ready(BELL_FAIR_HAS), 0);
    bell_fair_set_places(fair, POOL, 0, now_us); /* is 1: nobody is locked out for good */
    assert_int_equal(give(first), 0);
    assert_int_equal(give(items[0]), 0);
    assert_int_equal(give(items[1]), items[2]);
    assert_int_equal(give(items[2]), items[3]);
}

static void who_leaves_the_queue_is_nobodys_turn(void **state) {
    uint32_t one, two, three;

    (void)state;
    one = has(who(1, 0, 0));
    two = waits(who(1, 0, 0));
    three = waits(who(1, 0, 0));
    assert_int_equal(give(two), 0);
    assert_int_equal(figures().waiting, 1);
    bell_fair_give(fair, one, now_us); /* three has got it, and leaves before it is told */
    bell_fair_give(fair, three, now_us);
    assert_int_equal(ready(BELL_FAIR_HAS), 0);
    assert_int_equal(bell_fair_items(fair), 0);
}

static void equals_take_turns(void **state) {
    uint32_t running, a[3], b[2], c[2];

    (void)state;
    running = has(who(9, 0, 0));
    for (int i = 0; i < 3; i++) {
        a[i] = waits(who(1, 0, 0));
    }
    for (int i = 0; i < 2; i++) {
        b[i] = waits(who(2, 0, 0));
    }
    for (int i = 0; i < 2; i++) {
        c[i] = waits(who(3, 0, 0));
    }
    const uint32_t order[] = {a[0], b[0], c[0], a[1], b[1], c[1], a[2]};
    for (size_t i = 0; i < ROWS(order); i++) {
        now_us += 1000;
        assert_int_equal(give(running), order[i]);
        running = order[i];
    }
    assert_int_equal(give(running), 0);
}

/* A student's submission does not wait behind the pages that he has opened; those of others do not either. */
static void of_one_student_the_highest_rank_is_next(void **state) {
    bell_fair_asked page = who(1, 1, 1), submission = who(1, 1, 1), prefetch = who(1, 1, 1);
    uint32_t running, items[4];

    (void)state;
    submission.rank = 10;
    prefetch.rank = 1;
    running = has(who(1, 1, 2));
    items[2] = waits(page);
    items[3] = waits(prefetch);
    items[0] = waits(submission);
    items[1] = waits(submission);
    for (size_t i = 0; i < ROWS(items); i++) {
        now_us += 1000;
        assert_int_equal(give(running), items[i]);
        running = items[i];
    }
}

/* ---- who has to go */

static void the_lowest_rank_goes_first(void **state) {
    uint32_t items[BELL_FAIR_RANKS + 1], item;

    (void)state;
    (void)has(who(1, 0, 0));
    for (uint32_t rank = 1; rank <= BELL_FAIR_RANKS; rank++) {
        items[rank] = waits(ranked(rank % 3, rank % 2, rank, rank, BELL_FAIR_RANKS));
    }
    is_refused(ranked(1, 1, 1, 1, BELL_FAIR_RANKS));          /* the newcomer himself is of that rank, and has most */
    for (uint32_t rank = 1; rank < BELL_FAIR_RANKS; rank++) { /* each submission takes the place of what can be done without most easily */
        (void)waits(ranked(7, 0, rank, 10, BELL_FAIR_RANKS));
        item = ready(BELL_FAIR_REFUSED);
        assert_int_equal(item, items[rank]);
        assert_int_equal(give(item), 0);
        assert_int_equal(figures().waiting, BELL_FAIR_RANKS);
    }
    is_refused(ranked(8, 0, 0, 9, BELL_FAIR_RANKS));
    assert_int_equal(figures().waiting_of[10], BELL_FAIR_RANKS);
}

static void of_one_rank_who_has_most_goes(void **state) {
    uint32_t a[6], item;
    bell_fair_asked heavy = ranked(2, 0, 0, 3, 8);

    (void)state;
    (void)has(who(9, 0, 0));
    a[0] = waits(ranked(1, 1, 1, 3, 8));
    for (uint32_t i = 1; i < 6; i++) {
        a[i] = waits(ranked(1, 2, i % 3, 3, 8)); /* class 2: students 1, 2, 0, 1, 2 */
    }
    (void)waits(ranked(3, 0, 0, 9, 8));
    (void)waits(ranked(3, 0, 0, 9, 8));
    is_refused(ranked(1, 2, 1, 3, 8));  /* of who has most, the newcomer himself */
    (void)waits(ranked(1, 1, 2, 3, 8)); /* of that tenant, but not of the class that has most */
    item = ready(BELL_FAIR_REFUSED);
    assert_true(item == a[4] || item == a[5]);
    (void)give(item);
    (void)waits(ranked(2, 0, 0, 3, 8));                             /* another tenant */
    assert_int_equal(ready(BELL_FAIR_REFUSED), a[4] + a[5] - item); /* the other student with two */
    (void)give(a[4] + a[5] - item);
    heavy.weight = 400; /* what is little for his weight is less than what others have */
    for (int i = 0; i < 3; i++) {
        (void)waits(heavy);
        (void)give(ready(BELL_FAIR_REFUSED));
    }
    assert_int_equal(figures().waiting, 8);
}

static void a_queue_of_none(void **state) {
    (void)state;
    uint32_t item = has(ranked(1, 0, 0, 3, 0));

    is_refused(ranked(1, 0, 0, 10, 0));
    (void)give(item);
    (void)has(ranked(1, 0, 0, 3, 0));
}

/* ---- processes that die, memory that ends */

static bool lives(void *data, uint32_t slot, uint32_t epoch) {
    const uint32_t *dead = data;

    assert_int_equal(epoch, 1);
    return slot != *dead;
}

static void what_the_dead_have_is_given_to_others(void **state) {
    bell_fair_asked dying = who(1, 0, 0), living = who(2, 0, 0);
    uint32_t first, dead = 3, next[2];

    (void)state;
    dying.slot = dead;
    bell_fair_set_places(fair, POOL, 2, now_us);
    (void)has(dying);
    first = has(living);
    (void)waits(dying);
    next[0] = waits(living);
    (void)waits(dying);
    next[1] = waits(living);
    bell_fair_give(fair, first, now_us); /* whoever got it, one of the dead among those that got one is not told */
    assert_true(bell_fair_sweep(fair, lives, &dead, now_us) == 3);
    assert_int_equal(bell_fair_sweep(fair, lives, &dead, now_us), 0);
    assert_int_equal(ready(BELL_FAIR_HAS), next[0]);
    assert_int_equal(ready(BELL_FAIR_HAS), next[1]);
    assert_int_equal(give(next[0]), 0);
    assert_int_equal(give(next[1]), 0);
    assert_int_equal(bell_fair_items(fair), 0);
}

/* Killed between what it did inside and telling others of it: who sweeps behind it has them woken. */
static void who_was_not_woken_is_by_a_sweep(void **state) {
    uint32_t one = has(who(1, 0, 0)), two = waits(who(1, 0, 0)), dead = 99;

    (void)state;
    bell_fair_give(fair, one, now_us);
    assert_int_equal(bell_fair_to_wake(fair), 1); /* and the process that has taken this is no more */
    assert_int_equal(bell_fair_sweep(fair, lives, &dead, now_us), 0);
    assert_int_equal(bell_fair_to_wake(fair), 1);
    assert_int_equal(ready(BELL_FAIR_HAS), two);
    assert_int_equal(bell_fair_sweep(fair, lives, &dead, now_us), 0);
    assert_int_equal(bell_fair_to_wake(fair), 0);
}

/* Who has got the slot of a dead process is told of nothing that was that one's. */
static void a_slot_has_one_process_at_a_time(void **state) {
    uint64_t token;
    bell_fair_state is;
    uint32_t one = has(who(1, 0, 0)), two = waits(who(1, 0, 0));

    (void)state;
    bell_fair_give(fair, one, now_us);
    assert_int_equal(bell_fair_ready(fair, 0, 2, &token, &is), 0);
    assert_int_equal(give(two), 0);
}

static void memory_ends(void **state) {
    uint32_t items[ITEMS];
    bell_fair_asked asked;

    (void)state;
    for (int round = 0; round < 3; round++) {
        bell_fair_set_places(fair, POOL, ITEMS / 2, now_us);
        for (uint32_t i = 0; i < ITEMS; i++) {
            asked = who(i, i, i); /* three nodes each */
            asked.queue = 2 * ITEMS;
            items[i] = i < ITEMS / 2 ? has(asked) : waits(asked);
        }
        assert_int_equal(bell_fair_items(fair), ITEMS);
        assert_int_equal(bell_fair_room(fair), ITEMS);
        is_refused(ranked(1, 1, 1, 10, 2 * ITEMS));
        for (uint32_t i = 0; i < ITEMS; i++) {
            bell_fair_give(fair, items[i], now_us);
        }
        while (ready(BELL_FAIR_HAS) != 0) {
            /* those that got a place before they left */
        }
        assert_int_equal(bell_fair_items(fair), 0);
        assert_int_equal(figures().taken, 0);
    }
}

static void many_pools(void **state) {
    uint32_t items[BELL_FAIR_POOLS + 3], pools[BELL_FAIR_POOLS + 3];
    bell_fair_asked asked = who(1, 0, 0);

    (void)state;
    for (uint32_t i = 0; i < BELL_FAIR_POOLS + 3; i++) {
        pools[i] = bell_fair_pool(fair, 1000 + i);
        bell_fair_set_places(fair, pools[i], 5, now_us);
        assert_int_equal(bell_fair_ask(fair, pools[i], &asked, now_us, &items[i]), BELL_FAIR_HAS);
        assert_int_equal(bell_fair_pool(fair, 1000 + i), pools[i]);
    }
    assert_int_equal(pools[BELL_FAIR_POOLS + 1], BELL_FAIR_POOLS - 1); /* shared */
    bell_fair_give(fair, items[7], now_us);
    assert_int_equal(bell_fair_pool(fair, 1007), pools[7]); /* it is still known */
    assert_int_equal(bell_fair_pool(fair, 5000), pools[7]);
    bell_fair_read(fair, pools[7], &(bell_fair_figures){0});
    for (uint32_t i = 0; i < BELL_FAIR_POOLS + 3; i++) {
        if (i != 7) {
            bell_fair_give(fair, items[i], now_us);
        }
    }
    assert_int_equal(bell_fair_items(fair), 0);
}

/* Killed at any moment: whatever the links say, the items are what counts. */
static void a_torn_block_is_made_anew(void **state) {
    fair_head *h = fair;
    uint32_t running, next[3], pushed;

    (void)state;
    running = has(who(1, 0, 0));
    next[0] = waits(ranked(2, 1, 1, 9, 4));
    next[1] = waits(ranked(2, 1, 1, 3, 4));
    next[2] = waits(ranked(3, 1, 1, 2, 4));
    pushed = waits(ranked(3, 1, 1, 1, 4));
    (void)waits(ranked(4, 1, 1, 2, 4));
    srand(1);
    for (uint32_t n = BELL_FAIR_POOLS + 1; n <= h->nodes; n++) {
        fair_node *node = bell_fair_node(h, n);
        uint32_t *words = (uint32_t *)node;

        for (size_t i = 0; i < sizeof(*node) / sizeof(*words); i++) {
            words[i] = (uint32_t)rand();
        }
    }
    for (uint32_t n = 1; n <= ITEMS; n++) {
        bell_fair_item(h, n)->prev = bell_fair_item(h, n)->next = bell_fair_item(h, n)->node = (uint32_t)rand();
    }
    h->free_item = h->free_node = 1;
    memset(h->ready, 0x5a, sizeof(h->ready));
    assert_true(bell_fair_enter(fair, now_us)); /* nobody had left */
    assert_int_equal(figures().taken, 1);
    assert_int_equal(figures().waiting, 4);
    assert_int_equal(bell_fair_items(fair), 6);

    uint64_t token;
    bell_fair_state is;
    assert_int_equal(bell_fair_ready(fair, 0, 1, &token, &is), running); /* told once more */
    assert_int_equal(is, BELL_FAIR_HAS);
    assert_int_equal(bell_fair_ready(fair, 0, 1, &token, &is), pushed);
    assert_int_equal(is, BELL_FAIR_REFUSED);
    assert_int_equal(bell_fair_ready(fair, 0, 1, &token, &is), 0);
    assert_int_equal(give(pushed), 0);
    for (int i = 0; i < 4; i++) {
        running = give(running);
        assert_true(i == 3 || running != 0);
        assert_true(i != 0 || running == next[0]);
    }
    (void)give(running);
    bell_fair_leave(fair);
    assert_false(bell_fair_enter(fair, now_us));
    (void)has(who(1, 0, 0));
}

/* ---- at random, against what must hold whatever happens */

typedef struct {
    uint32_t rank, slot;
    uint64_t came;
    uint64_t student;
    bell_fair_state state;
} wish;

static wish wishes[ITEMS + 1];

static void told(void) {
    uint64_t token;
    bell_fair_state is;

    for (uint32_t slot = 0; slot < 3; slot++) {
        uint32_t item;

        while ((item = bell_fair_ready(fair, slot, 1, &token, &is)) != 0) {
            assert_int_equal(wishes[item].slot, slot);
            wishes[item].state = is;
        }
    }
}

static void sums_are_right(uint32_t places) {
    bell_fair_figures f = figures();
    bell_fair_tenant tenants[4];
    uint32_t taken = 0, waiting = 0, all = 0, n;

    for (uint32_t i = 1; i <= ITEMS; i++) {
        taken += wishes[i].state == BELL_FAIR_HAS;
        waiting += wishes[i].state == BELL_FAIR_WAITS;
        all += wishes[i].state != BELL_FAIR_NONE;
    }
    assert_int_equal(f.taken, taken);
    assert_int_equal(f.waiting, waiting);
    assert_int_equal(bell_fair_items(fair), all);
    assert_true(waiting == 0 || taken >= places);
    n = bell_fair_tenants(fair, POOL, tenants, ROWS(tenants));
    assert_true(n <= 3);
    for (uint32_t i = 0; i < n; i++) {
        taken -= tenants[i].taken;
        waiting -= tenants[i].waiting;
    }
    assert_int_equal(taken + waiting, 0);
}

static void at_random(void **state) {
    uint32_t places = 10, dead = 99;
    uint64_t came = 0;

    (void)state;
    srand(7);
    memset(wishes, 0, sizeof(wishes));
    bell_fair_set_places(fair, POOL, places, now_us);
    for (int n = 0; n < 60000; n++) {
        uint32_t item = 1 + (uint32_t)rand() % ITEMS;

        now_us += rand() % 2000;
        if (rand() % 5000 == 0) {
            assert_true(bell_fair_enter(fair, now_us)); /* as if somebody had been killed */
        } else if (rand() % 300 == 0) {
            places = 1 + (uint32_t)rand() % 40;
            bell_fair_set_places(fair, POOL, places, now_us);
        } else if (rand() % 3000 == 0) {
            dead = (uint32_t)rand() % 3;
            (void)bell_fair_sweep(fair, lives, &dead, now_us);
            for (uint32_t i = 1; i <= ITEMS; i++) {
                wishes[i].state = wishes[i].slot == dead ? BELL_FAIR_NONE : wishes[i].state;
            }
        } else if (wishes[item].state != BELL_FAIR_NONE && rand() % 3 != 0) {
            bell_fair_give(fair, item, now_us);
            wishes[item].state = BELL_FAIR_NONE;
        } else {
            bell_fair_asked asked = ranked((uint64_t)rand() % 3, (uint64_t)rand() % 4, (uint64_t)rand() % 9, 1 + (uint32_t)rand() % 10, 60);
            bell_fair_state is;

            asked.slot = (uint32_t)rand() % 3;
            asked.weight = 100 + 50 * (uint32_t)asked.tenant;
            is = ask(asked, &item);
            if (item != 0) {
                assert_int_equal(wishes[item].state, BELL_FAIR_NONE);
                wishes[item] = (wish){.rank = asked.rank, .slot = asked.slot, .came = ++came, .state = is};
            }
        }
        told();
        if (n % 16 == 0) {
            sums_are_right(places);
        }
    }
    for (uint32_t i = 1; i <= ITEMS; i++) {
        if (wishes[i].state != BELL_FAIR_NONE) {
            bell_fair_give(fair, i, now_us);
            wishes[i].state = BELL_FAIR_NONE;
            told();
        }
    }
    assert_int_equal(bell_fair_items(fair), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(so_many_at_once),
        TEST(more_places_let_more_in),
        TEST(who_leaves_the_queue_is_nobodys_turn),
        TEST(equals_take_turns),
        TEST(of_one_student_the_highest_rank_is_next),
        TEST(the_lowest_rank_goes_first),
        TEST(of_one_rank_who_has_most_goes),
        TEST(a_queue_of_none),
        TEST(what_the_dead_have_is_given_to_others),
        TEST(who_was_not_woken_is_by_a_sweep),
        TEST(a_slot_has_one_process_at_a_time),
        TEST(memory_ends),
        TEST(many_pools),
        TEST(a_torn_block_is_made_anew),
        TEST(at_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
