#include "bell_concurrency.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

static const bell_concurrency_rule rule = {.min = 4, .max = 1000};

static bell_concurrency concurrency;
static int64_t now_us;

/* ---- an origin: so many workers, and one queue before them. As many requests as there may be are always under way, unless `demand` is less. */

#define REQUESTS 2000

typedef struct {
    int64_t sent_us, ends_us; /* ends 0: it waits at the origin */
} request;

static struct {
    uint32_t workers;
    double service_us; /* on average */
    double noise;      /* 0: each takes the same, 1: exponential */
    uint32_t demand;
    request requests[REQUESTS]; /* those under way, in the order in which they were sent */
    uint32_t n, busy;

    uint64_t answers; /* since measure() began */
    double queued_us, limits;
} origin;

static void begin(uint32_t workers, double service_us, double noise, uint32_t start) {
    memset(&origin, 0, sizeof(origin));
    origin.workers = workers;
    origin.service_us = service_us;
    origin.noise = noise;
    origin.demand = REQUESTS;
    now_us = 5000000;
    srand(3);
    bell_concurrency_init(&concurrency, &rule, start, now_us);
}

/* Exponential, of mean 1 (von Neumann, "Various techniques used in connection with random digits", 1951). */
static double exponential(void) {
    for (double whole = 0;; whole++) {
        double first = rand() / (RAND_MAX + 1.0), last = first;
        bool odd = true;

        for (double next; (next = rand() / (RAND_MAX + 1.0)) < last; odd = !odd) {
            last = next;
        }
        if (odd) {
            return whole + first;
        }
    }
}

static int64_t service_us(void) {
    return 1 + (int64_t)(origin.service_us * (1 - origin.noise + origin.noise * exponential()));
}

static void work(void) {
    uint32_t limit = bell_concurrency_limit(&concurrency, &rule);

    while (origin.n < limit && origin.n < origin.demand) {
        origin.requests[origin.n++] = (request){.sent_us = now_us};
    }
    for (uint32_t i = 0; i < origin.n && origin.busy < origin.workers; i++) {
        if (origin.requests[i].ends_us == 0) {
            origin.requests[i].ends_us = now_us + service_us();
            origin.queued_us += (double)(now_us - origin.requests[i].sent_us);
            origin.busy++;
        }
    }
}

static void step(void) {
    uint32_t first = REQUESTS;
    int64_t sent_us;

    work();
    for (uint32_t i = 0; i < origin.n; i++) {
        if (origin.requests[i].ends_us != 0 && (first == REQUESTS || origin.requests[i].ends_us < origin.requests[first].ends_us)) {
            first = i;
        }
    }
    assert_int_not_equal(first, REQUESTS);
    now_us = origin.requests[first].ends_us;
    sent_us = origin.requests[first].sent_us;
    bell_concurrency_answer(&concurrency, &rule, now_us, now_us - sent_us, origin.n);
    memmove(&origin.requests[first], &origin.requests[first + 1], (origin.n - first - 1) * sizeof(request));
    origin.n--;
    origin.busy--;
    origin.answers++;
    origin.limits += concurrency.limit;
}

static void run(int64_t for_us) {
    int64_t until_us = now_us + for_us;

    while (now_us < until_us) {
        step();
    }
}

/* Behind some time to settle: the number is near what the origin can work on, it is at work, and its own queue is short. */
static void assert_settles(int64_t settle_us, int64_t for_us, double least, double most) {
    double limit, queued, rate;

    run(settle_us);
    origin.answers = 0;
    origin.queued_us = origin.limits = 0;
    run(for_us);
    limit = origin.limits / (double)origin.answers / origin.workers;
    queued = origin.queued_us / (double)origin.answers / origin.service_us;
    rate = (double)origin.answers * origin.service_us / (double)for_us / origin.workers;
    if (limit < least || limit > most || queued > most - 1 + 0.25 || rate < 0.9) {
        fail_msg("%u workers, noise %.1f: %.2f times as many, %.2f of an answer's time in the queue, %.2f of its work", origin.workers, origin.noise,
                 limit, queued, rate);
    }
}

static void finds_what_an_origin_can_do(void **state) {
    static const uint32_t workers[] = {8, 20, 100};
    static const uint32_t starts[] = {4, 400};

    (void)state;
    for (size_t i = 0; i < ROWS(workers); i++) {
        for (size_t k = 0; k < ROWS(starts); k++) {
            for (double noise = 0; noise <= 1; noise += 0.5) {
                begin(workers[i], 20000, noise, starts[k]);
                assert_settles(40000000, 20000000, 0.9, 2);
            }
        }
    }
}

static void follows_a_capacity_that_is_halved(void **state) {
    (void)state;
    for (double noise = 0; noise <= 1; noise += 0.5) {
        begin(100, 20000, noise, 20);
        assert_settles(30000000, 20000000, 0.9, 2);
        origin.workers = 50;
        assert_settles(20000000, 20000000, 0.9, 2);
        origin.workers = 100;
        assert_settles(30000000, 20000000, 0.9, 2);
    }
}

/* From eight workers to one, in the middle of it: what answers took before is no measure of what they take with half as many then. */
static void follows_an_origin_that_loses_nearly_all(void **state) {
    static const double noises[] = {0, 0.1, 0.2};

    (void)state;
    for (size_t i = 0; i < ROWS(noises); i++) {
        begin(8, 100000, noises[i], 60);
        origin.demand = 70;
        while (bell_concurrency_limit(&concurrency, &rule) > 24) {
            step();
        }
        origin.workers = 1;
        run(60000000);
        assert_true(concurrency.limit < 25);
        run(90000000);
        assert_true(concurrency.limit < 16);
    }
}

/* A database that is slow for everybody: fewer requests would make it no quicker. */
static void a_slow_origin_is_asked_as_much(void **state) {
    (void)state;
    for (double noise = 0; noise <= 1; noise += 0.5) {
        begin(100, 20000, noise, 20);
        run(30000000);
        origin.service_us = 200000;
        assert_settles(20000000, 40000000, 0.9, 2);
        origin.service_us = 20000;
        assert_settles(20000000, 20000000, 0.9, 2);
    }
}

static void idle_times_change_nothing(void **state) {
    double before;

    (void)state;
    begin(50, 20000, 0.5, 20);
    run(30000000);
    before = concurrency.limit;
    origin.demand = 3;
    run(60000000);
    assert_true(concurrency.limit > before * 0.7);
    now_us += 3600000000LL; /* nobody comes for an hour: those under way end late */
    for (uint32_t i = 0; i < origin.n; i++) {
        origin.requests[i].sent_us = now_us;
        origin.requests[i].ends_us += origin.requests[i].ends_us != 0 ? 3600000000LL : 0;
    }
    origin.demand = REQUESTS;
    assert_settles(10000000, 20000000, 0.9, 2);
}

/* One that is not used up does not grow, whatever the answers are. */
static void what_is_not_used_does_not_grow(void **state) {
    (void)state;
    begin(100, 20000, 0, 20);
    origin.demand = 5;
    run(60000000);
    assert_true(concurrency.limit <= 20);
}

static void has_bounds(void **state) {
    static const bell_concurrency_rule narrow = {.min = 5, .max = 9};
    bell_concurrency c;

    (void)state;
    bell_concurrency_init(&c, &narrow, 1, 0);
    assert_int_equal(bell_concurrency_limit(&c, &narrow), 5);
    for (int64_t i = 1; i < 2000; i++) { /* always quicker */
        bell_concurrency_answer(&c, &narrow, i * 100000, 100000 - 10 * i, 9);
        assert_in_range(bell_concurrency_limit(&c, &narrow), 5, 9);
    }
    assert_int_equal(bell_concurrency_limit(&c, &narrow), 9);
    for (int64_t i = 2000; i < 4000; i++) { /* always slower */
        bell_concurrency_answer(&c, &narrow, i * 200000, 50 * i, 9);
        assert_in_range(bell_concurrency_limit(&c, &narrow), 5, 9);
    }
}

static void overloads_make_it_less(void **state) {
    bell_concurrency c;

    (void)state;
    bell_concurrency_init(&c, &rule, 100, 0);
    bell_concurrency_overload(&c, &rule, 1000000, 100);
    for (int i = 0; i < 50; i++) {
        bell_concurrency_overload(&c, &rule, 1000100, 100); /* of the same moment */
    }
    assert_int_equal(bell_concurrency_limit(&c, &rule), 80);
    for (int64_t i = 2; i < 60; i++) {
        bell_concurrency_overload(&c, &rule, i * 1000000, bell_concurrency_limit(&c, &rule));
    }
    assert_int_equal(bell_concurrency_limit(&c, &rule), rule.min);
}

/* One tenant's database is away, and all that is asked of it fails: there are not too many requests, and the others keep their places. */
static void a_few_overloads_are_not_for_their_number(void **state) {
    bell_concurrency c;

    (void)state;
    bell_concurrency_init(&c, &rule, 100, 0);
    for (int64_t i = 1; i < 100; i++) {
        bell_concurrency_overload(&c, &rule, i * 1000000, 49);
    }
    assert_int_equal(bell_concurrency_limit(&c, &rule), 100);
    bell_concurrency_overload(&c, &rule, 100000000, 50);
    assert_int_equal(bell_concurrency_limit(&c, &rule), 80);
}

/* Clocks of processes that are a little apart, and answers of no time. */
static void strange_times_are_passed_over(void **state) {
    bell_concurrency c;

    (void)state;
    bell_concurrency_init(&c, &rule, 50, 1000000);
    for (int i = 0; i < 1000; i++) {
        bell_concurrency_answer(&c, &rule, 1000000, -5, 50);
        bell_concurrency_answer(&c, &rule, 999999, 10, 50);
        bell_concurrency_answer(&c, &rule, 2000000, 5000000, 50); /* sent before the window began */
    }
    assert_int_equal(bell_concurrency_limit(&c, &rule), 50);
    assert_int_equal(c.answers, 0);
    for (int64_t i = 0; i < 100000; i++) {
        bell_concurrency_answer(&c, &rule, 2000000 + i, 0, 50);
    }
    assert_in_range(bell_concurrency_limit(&c, &rule), 40, 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_an_origin_can_do),    cmocka_unit_test(follows_a_capacity_that_is_halved),
        cmocka_unit_test(a_slow_origin_is_asked_as_much), cmocka_unit_test(idle_times_change_nothing),
        cmocka_unit_test(what_is_not_used_does_not_grow), cmocka_unit_test(has_bounds),
        cmocka_unit_test(overloads_make_it_less),         cmocka_unit_test(a_few_overloads_are_not_for_their_number),
        cmocka_unit_test(strange_times_are_passed_over),  cmocka_unit_test(follows_an_origin_that_loses_nearly_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
