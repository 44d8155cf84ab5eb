/* What the tests of bell_fair.h share: a block of so many items, one pool, and what is asked of it at a moment that each test sets. */
#ifndef UNIT_FAIR_H
#define UNIT_FAIR_H

#include "bell_fair.h"
#include "bell_fair_parts.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define ITEMS 600
#define POOL  0

static void *fair;
static int64_t now_us;

static inline int set_up(void **state) {
    size_t size = bell_fair_size(ITEMS);

    (void)state;
    fair = malloc(size);
    memset(fair, 0xa5, size);
    bell_fair_init(fair, ITEMS);
    now_us = 1000000;
    assert_int_equal(bell_fair_pool(fair, 77), POOL);
    assert_false(bell_fair_enter(fair, now_us));
    return 0;
}

static inline int tear_down(void **state) {
    (void)state;
    bell_fair_leave(fair);
    free(fair);
    return 0;
}

static inline bell_fair_asked who(uint64_t tenant, uint64_t class, uint64_t student) {
    return (bell_fair_asked){.tenant = tenant, .class = class, .student = student, .weight = 100, .rank = 3, .queue = 100, .epoch = 1};
}

static inline bell_fair_state ask(bell_fair_asked asked, uint32_t *item) {
    bell_fair_state state = bell_fair_ask(fair, POOL, &asked, now_us, item);

    assert_int_equal(state == BELL_FAIR_REFUSED, *item == 0);
    assert_true(*item == 0 || bell_fair_state_of(fair, *item) == state);
    return state;
}

static inline uint32_t has(bell_fair_asked asked) {
    uint32_t item;

    assert_int_equal(ask(asked, &item), BELL_FAIR_HAS);
    return item;
}

static inline uint32_t waits(bell_fair_asked asked) {
    uint32_t item;

    assert_int_equal(ask(asked, &item), BELL_FAIR_WAITS);
    return item;
}

static inline void is_refused(bell_fair_asked asked) {
    uint32_t item;

    assert_int_equal(ask(asked, &item), BELL_FAIR_REFUSED);
}

/* Who waits no more, of the process in slot 0. */
static inline uint32_t ready(bell_fair_state expected) {
    uint64_t token;
    bell_fair_state state;
    uint32_t item = bell_fair_ready(fair, 0, 1, &token, &state);

    if (item != 0) {
        assert_int_equal(state, expected);
    }
    return item;
}

/* Who goes on when this one is done; 0: nobody. */
static inline uint32_t give(uint32_t item) {
    uint32_t next;

    bell_fair_give(fair, item, now_us);
    next = ready(BELL_FAIR_HAS);
    assert_int_equal(ready(BELL_FAIR_HAS), 0);
    return next;
}

static inline bell_fair_figures figures(void) {
    bell_fair_figures f;

    bell_fair_read(fair, POOL, &f);
    return f;
}

static inline bell_fair_asked ranked(uint64_t tenant, uint64_t class, uint64_t student, uint32_t rank, uint32_t queue) {
    bell_fair_asked asked = who(tenant, class, student);

    asked.rank = rank;
    asked.queue = queue;
    return asked;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
