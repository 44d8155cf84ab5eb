/* What everybody gets of an origin while there is not enough of it: simulated, with a clock that goes from one thing that happens to the next. */
#include "fair.h"

/* ---- an origin, simulated: so many places, and what each answer takes */

#define FLOWS 8

typedef struct {
    bell_fair_asked asked;
    uint32_t depth;      /* requests that it has under way at a time; 0: they come by the clock */
    int64_t interval_us; /* between two of them */
    int64_t service_us;
    uint32_t students; /* that take turns; 0: the one of `asked` */

    int64_t due_us;
    uint64_t came, done, refused;
    int64_t waited_us; /* the longest */
} flow;

static flow flows[FLOWS];
static size_t nflows;
static int64_t ends_us[ITEMS + 1], came_us[ITEMS + 1];
static size_t flow_of[ITEMS + 1];

static void begin_flows(uint32_t places) {
    bell_fair_set_places(fair, POOL, places, now_us);
    memset(flows, 0, sizeof(flows));
    memset(ends_us, 0, sizeof(ends_us));
    nflows = 0;
}

static flow *add_flow(bell_fair_asked asked, uint32_t depth, int64_t interval_us, int64_t service_us) {
    flows[nflows] = (flow){.asked = asked, .depth = depth, .interval_us = interval_us, .service_us = service_us, .due_us = now_us};
    return &flows[nflows++];
}

static void begins(uint32_t item) {
    flow *f = &flows[flow_of[item]];

    ends_us[item] = now_us + f->service_us;
    f->waited_us = now_us - came_us[item] > f->waited_us ? now_us - came_us[item] : f->waited_us;
}

static void arrives(size_t n) {
    flow *f = &flows[n];
    bell_fair_asked asked = f->asked;
    uint32_t item;

    asked.token = n;
    asked.student += f->students != 0 ? f->came % f->students : 0;
    f->came++;
    switch (ask(asked, &item)) {
    case BELL_FAIR_HAS:
        flow_of[item] = n;
        came_us[item] = now_us;
        begins(item);
        break;
    case BELL_FAIR_WAITS:
        flow_of[item] = n;
        came_us[item] = now_us;
        ends_us[item] = 0;
        break;
    default:
        f->refused++;
    }
}

static void tell(void) {
    uint64_t token;
    bell_fair_state is;
    uint32_t item;

    while ((item = bell_fair_ready(fair, 0, 1, &token, &is)) != 0) {
        assert_int_equal(flow_of[item], token);
        if (is == BELL_FAIR_HAS) {
            begins(item);
        } else {
            flows[token].refused++;
            bell_fair_give(fair, item, now_us);
        }
    }
}

/* Up to the next thing that happens. */
static void step(void) {
    uint32_t first = 0;
    size_t coming = FLOWS;

    for (uint32_t i = 1; i <= ITEMS; i++) {
        first = ends_us[i] != 0 && (first == 0 || ends_us[i] < ends_us[first]) ? i : first;
    }
    for (size_t n = 0; n < nflows; n++) {
        coming = flows[n].depth == 0 && (coming == FLOWS || flows[n].due_us < flows[coming].due_us) ? n : coming;
    }
    if (coming != FLOWS && (first == 0 || flows[coming].due_us <= ends_us[first])) {
        now_us = flows[coming].due_us;
        flows[coming].due_us += flows[coming].interval_us;
        arrives(coming);
    } else {
        size_t n = flow_of[first];

        now_us = ends_us[first];
        ends_us[first] = 0;
        flows[n].done++;
        bell_fair_give(fair, first, now_us);
        tell();
        if (flows[n].depth != 0) {
            arrives(n);
        }
    }
    tell();
}

static void run(int64_t for_us) {
    int64_t until_us = now_us + for_us;

    for (size_t n = 0; n < nflows; n++) {
        for (uint32_t i = 0; i < flows[n].depth && flows[n].came < flows[n].depth; i++) {
            arrives(n);
        }
    }
    while (now_us < until_us) {
        step();
    }
}

static void forget_flows(void) {
    for (size_t n = 0; n < nflows; n++) {
        flows[n].done = flows[n].refused = 0;
        flows[n].waited_us = 0;
    }
}

static void assert_ratio(uint64_t one, uint64_t other, double ratio) {
    if (!((double)one > 0.95 * ratio * (double)other && (double)one < 1.05 * ratio * (double)other)) {
        fail_msg("%llu to %llu is not 1 to %.2f within 5 %%", (unsigned long long)other, (unsigned long long)one, ratio);
    }
}

static void weights_hold(void **state) {
    static const uint32_t places[] = {1, 2, 3, 4, 7, 10, 40};

    (void)state;
    for (size_t i = 0; i < ROWS(places); i++) {
        bell_fair_asked light = who(1, 0, 0), heavy = who(2, 0, 0);

        (void)tear_down(NULL);
        (void)set_up(NULL);
        begin_flows(places[i]);
        heavy.weight = 300;
        light.queue = heavy.queue = 500;
        flow *a = add_flow(light, 2 * places[i], 0, 10000);
        flow *b = add_flow(heavy, 2 * places[i], 0, 10000);
        run(1000000);
        forget_flows();
        run(10000000);
        assert_ratio(b->done, a->done, 3);
        assert_true(a->done + b->done >= places[i] * 990);
    }
}

/* What is shared is the time of places: who sends what takes ten times as long gets a tenth as many answers, and no more of the origin. */
static void time_is_what_is_shared(void **state) {
    (void)state;
    begin_flows(5);
    flow *slow = add_flow(who(1, 0, 0), 40, 0, 100000);
    flow *fast = add_flow(who(2, 0, 0), 40, 0, 10000);
    run(2000000);
    forget_flows();
    run(40000000);
    assert_ratio(fast->done, slow->done, 10);
}

/* One tenant at fifty times its share; the other, below its own, is refused nothing and hardly waits. */
static void a_flood_is_its_tenants_own(void **state) {
    (void)state;
    begin_flows(10); /* 1000 answers a second */
    bell_fair_asked flood = who(1, 0, 0), calm = who(2, 0, 0);
    flood.queue = calm.queue = 200;
    flow *a = add_flow(flood, 0, 1000000 / 25000, 10000);
    flow *b = add_flow(calm, 0, 1000000 / 480, 10000);
    run(10000000);
    assert_int_equal(b->refused, 0);
    assert_true(b->done > 4700);
    assert_true(b->waited_us < 30000);
    assert_true(a->refused > 200000 && a->done > 4900);
}

/* What goes last when somebody has to go is still its own tenant's: by calling all submissions nobody gets the others' part of the queue. The same
 * among classes, and among students. */
static void a_flood_of_submissions_is_its_tenants_own(void **state) {
    static const bell_fair_asked floods[] = {
        {.tenant = 1, .class = 1, .student = 1, .weight = 100, .rank = 10, .queue = 200, .epoch = 1},
        {.tenant = 2, .class = 2, .student = 1, .weight = 100, .rank = 10, .queue = 200, .epoch = 1},
        {.tenant = 2, .class = 1, .student = 2, .weight = 100, .rank = 10, .queue = 200, .epoch = 1},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(floods); i++) {
        (void)tear_down(NULL);
        (void)set_up(NULL);
        begin_flows(10);
        flow *a = add_flow(floods[i], 0, 1000000 / 25000, 10000);
        flow *b = add_flow(ranked(2, 1, 1, 3, 200), 0, 1000000 / 480, 10000);
        run(5000000);
        assert_int_equal(b->refused, 0);
        assert_true(b->done > 2350);
        assert_true(b->waited_us < 30000);
        assert_true(a->refused > 100000 && a->done > 2450);
    }
}

/* Behind those who have no more than their part, the lowest rank goes first, whoever's it is. */
static void beyond_its_part_the_lowest_rank_goes(void **state) {
    enum { QUEUE = 80 };
    uint32_t item, went = 0;

    (void)state;
    (void)has(who(9, 0, 0));
    for (uint32_t i = 0; i < QUEUE; i++) {
        (void)waits(ranked(1, 0, i, 2, QUEUE));
    }
    for (uint32_t i = 0; i < 2 * QUEUE; i++) {
        (void)ask(ranked(2, 0, i, 10, QUEUE), &item);
        if ((item = ready(BELL_FAIR_REFUSED)) != 0) {
            assert_int_equal(bell_fair_item(fair, item)->tenant, 1);
            (void)give(item);
            went++;
        }
    }
    assert_int_equal(went, QUEUE - QUEUE / 8); /* half of a quarter is the first one's, as of two with one weight */
    assert_int_equal(figures().waiting_of[2], QUEUE / 8);
    assert_int_equal(figures().waiting, QUEUE);
    is_refused(ranked(2, 0, 0, 10, QUEUE));
    (void)waits(ranked(3, 0, 0, 1, QUEUE)); /* a third one has a part as well, of whatever rank */
    assert_true((item = ready(BELL_FAIR_REFUSED)) != 0);
    assert_int_equal(bell_fair_item(fair, item)->rank, 2); /* parts are smaller now */
}

static void a_hero_class_does_not_starve_a_small_one(void **state) {
    (void)state;
    begin_flows(10);
    bell_fair_asked hero = who(1, 1, 1000), small = who(1, 2, 500000), elsewhere = who(2, 1, 1);
    hero.queue = small.queue = elsewhere.queue = 300;
    flow *a = add_flow(hero, 0, 1000000 / 10000, 10000);
    a->students = 50000;
    flow *b = add_flow(small, 0, 1000000 / 200, 10000);
    b->students = 20;
    flow *c = add_flow(elsewhere, 0, 1000000 / 400, 10000);
    run(10000000);
    assert_int_equal(b->refused, 0);
    assert_int_equal(c->refused, 0);
    assert_true(b->done > 1980 && c->done > 3980);
    assert_true(b->waited_us < 50000 && c->waited_us < 50000);
    assert_true(a->done > 3900);
}

static void students_of_a_class_share_it(void **state) {
    (void)state;
    begin_flows(4);
    flow *greedy = add_flow(who(1, 1, 1), 60, 0, 10000);
    flow *others = add_flow(who(1, 1, 100), 0, 1000000 / 190, 10000);
    others->students = 10;
    run(20000000);
    assert_int_equal(others->refused, 0);
    assert_true(others->done > 3700);
    assert_true(others->waited_us < 40000);
    assert_true(greedy->done > 4000 - 1); /* the rest is his: 400 a second less 190 */
}

/* Who was away has saved nothing; who had all places while nobody else came owes little for it. */
static void the_past_counts_for_little(void **state) {
    (void)state;
    begin_flows(4);
    flow *a = add_flow(who(1, 0, 0), 40, 0, 10000);
    run(60000000);
    flow *b = add_flow(who(2, 0, 0), 40, 0, 10000);
    forget_flows();
    run(2000000);
    assert_ratio(b->done, a->done, 1);

    /* all places hang for a minute; behind it, what their tenant owes is bounded */
    a->service_us = 60000000;
    b->depth = 0;
    b->due_us = now_us + 3000000;
    b->interval_us = 1000000;
    run(30000000);
    a->service_us = 10000;
    b->depth = 40;
    run(40000000);
    run(20000000);
    forget_flows();
    run(4000000);
    assert_ratio(b->done, a->done, 1);
}

/* Who takes less than his share without ever being gone has saved nothing either: from when he wants more on, he gets as much as the others. */
static void what_was_left_to_others_is_not_owed(void **state) {
    (void)state;
    begin_flows(10);
    flow *small = add_flow(who(1, 0, 0), 2, 0, 10000);
    flow *large = add_flow(who(2, 0, 0), 60, 0, 10000);
    run(60000000);
    assert_true(large->done > 3 * small->done);
    small->depth = 60;
    for (int i = 2; i < 60; i++) {
        arrives(0);
    }
    forget_flows();
    run(2000000);
    assert_ratio(large->done, small->done, 1);
}

/* A queue that is not empty for a month, at weights as far apart as they may be: sums stay within 64 bits, and the shares are right behind it. */
static void shares_hold_however_long_it_lasts(void **state) {
    enum { PLACES = 100, STEPS = 800000 };
    uint32_t running = 0;
    uint64_t got[4] = {0};
    bell_fair_asked asked[4] = {{0}, who(1, 0, 0), who(2, 0, 0), who(3, 0, 0)};

    (void)state;
    bell_fair_set_places(fair, POOL, PLACES, now_us);
    for (int i = 1; i <= 3; i++) {
        asked[i].weight = i == 1 ? 1 : BELL_FAIR_WEIGHT_MAX;
        asked[i].queue = ITEMS;
    }
    for (int i = 0; i < PLACES; i++) {
        running = has(asked[1]);
    }
    (void)waits(asked[1]);
    for (int i = 0; i < STEPS; i++) {
        now_us += 5000000;
        (void)waits(asked[1]);
        running = give(running);
        assert_int_not_equal(running, 0);
    }
    for (int i = 0; i < 40; i++) {
        (void)waits(asked[2]);
        (void)waits(asked[3]);
    }
    for (int i = 0; i < 2000; i++) {
        uint64_t tenant = bell_fair_item(fair, running)->tenant;

        now_us += 10000;
        (void)waits(asked[tenant]);
        running = give(running);
        got[bell_fair_item(fair, running)->tenant] += i >= 1000;
    }
    assert_true(got[1] < 10);
    assert_ratio(got[2], got[3], 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(weights_hold),
        TEST(time_is_what_is_shared),
        TEST(a_flood_is_its_tenants_own),
        TEST(a_flood_of_submissions_is_its_tenants_own),
        TEST(beyond_its_part_the_lowest_rank_goes),
        TEST(a_hero_class_does_not_starve_a_small_one),
        TEST(students_of_a_class_share_it),
        TEST(the_past_counts_for_little),
        TEST(what_was_left_to_others_is_not_owed),
        TEST(shares_hold_however_long_it_lasts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
