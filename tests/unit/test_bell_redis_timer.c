#include "bell_redis_timer.h"
#include "unit.h"

#include <string.h>

#define TIMERS 300

static uint64_t lot(uint64_t *random) {
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return *random >> 33;
}

static int64_t earliest(const bell_redis_timer *timers, bool *any) {
    int64_t at = INT64_MAX;

    *any = false;
    for (size_t i = 0; i < TIMERS; i++) {
        if (timers[i].place != 0) {
            *any = true;
            at = timers[i].at_ms < at ? timers[i].at_ms : at;
        }
    }
    return at;
}

/* Set, set anew and cleared by lot: the first is always the earliest of all that are set. */
static void the_first_is_the_earliest(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        static bell_redis_timer timers[TIMERS];
        bell_redis_timers heap = {0};
        uint64_t random = seed;
        bool any;

        memset(timers, 0, sizeof timers);
        assert_true(bell_redis_timers_reserve(&heap, TIMERS));
        for (int step = 0; step < 2000; step++) {
            bell_redis_timer *t = &timers[lot(&random) % TIMERS];
            if (lot(&random) % 3 == 0) {
                bell_redis_timer_clear(&heap, t);
                assert_int_equal(t->place, 0);
            } else {
                bell_redis_timer_set(&heap, t, (int64_t)(lot(&random) % 1000));
            }
            int64_t at = earliest(timers, &any);
            bell_redis_timer *first = bell_redis_timer_first(&heap);
            assert_int_equal(any, first != NULL);
            assert_true(!any || first->at_ms == at);
        }
        for (int64_t last = INT64_MIN; bell_redis_timer_first(&heap) != NULL;) {
            bell_redis_timer *first = bell_redis_timer_first(&heap);
            assert_true(first->at_ms >= last);
            last = first->at_ms;
            bell_redis_timer_clear(&heap, first);
        }
        assert_int_equal(heap.len, 0);
        bell_redis_timers_fini(&heap);
    }
}

static void room_grows(void **state) {
    (void)state;
    bell_redis_timers heap = {0};
    bell_redis_timer one = {0};

    assert_null(bell_redis_timer_first(&heap));
    assert_true(bell_redis_timers_reserve(&heap, 1));
    bell_redis_timer_set(&heap, &one, 5);
    assert_true(bell_redis_timers_reserve(&heap, 100000));
    assert_ptr_equal(bell_redis_timer_first(&heap), &one);
    bell_redis_timer_clear(&heap, &one);
    bell_redis_timer_clear(&heap, &one); /* which was not set */
    assert_null(bell_redis_timer_first(&heap));
    bell_redis_timers_fini(&heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_first_is_the_earliest), cmocka_unit_test(room_grows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
