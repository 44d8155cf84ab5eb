#include "bell_limits.h"
#include "unit.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES     65536
#define ONE_SET   (BELL_LIMITS_ALIGN + 128)
#define NOW       5000000000
#define PROCESSES 4
#define KEYS      100
#define USES      40000 /* of a process */
#define END_S     120   /* when a process that waits for another one gives up */

static const unsigned char seed[BELL_SIPHASH_KEY_BYTES] = "sixteen of these";
static const bell_gcra_rule rule = {.unit_us = 1000, .burst_us = 49000}; /* 1000 a second, 50 at once */
static void *memory;

static void *shared(size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(p != MAP_FAILED);
    return p;
}

static void lay_out(size_t bytes) {
    memset(memory, 0, BYTES);
    assert_true(bell_limits_init(memory, bytes, seed));
}

static int set_up(void **state) {
    (void)state;
    memory = shared(BYTES);
    lay_out(BYTES);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    munmap(memory, BYTES);
    return 0;
}

static bell_limits_name numbered(const void *m, unsigned i) {
    char text[32];

    return bell_limits_name_of(m, 3, (bell_str){text, (size_t)snprintf(text, sizeof(text), "tenant 7, student %u", i)});
}

static bool take(unsigned key, int64_t now_us) {
    return bell_limits_take(memory, numbered(memory, key), &rule, now_us, 1).allowed;
}

static int64_t left(unsigned key, int64_t now_us) {
    return bell_limits_peek(memory, numbered(memory, key), &rule, now_us).remaining;
}

static void layout(void **state) {
    (void)state;
    assert_int_equal(bell_limits_places(memory), (BYTES - 128) / 16);
    memset(memory, 0, BYTES);
    assert_false(bell_limits_init(memory, ONE_SET - 1, seed));
    assert_false(bell_limits_init((char *)memory + 64, BYTES - 64, seed));
    assert_true(bell_limits_init(memory, ONE_SET, seed));
    assert_int_equal(bell_limits_places(memory), BELL_LIMITS_WAYS);
    assert_int_equal(bell_limits_size(0), ONE_SET);
    assert_true(bell_limits_size(1000000) < 48001000);
}

static void names(void **state) {
    char *longest = malloc(8192);
    bell_limits_name a = bell_limits_name_of(memory, 3, BELL_STR("7:anna")), other = bell_limits_name_of(memory, 4, BELL_STR("7:anna")),
                     empty = bell_limits_name_of(memory, 3, BELL_STR_NULL), first, second;

    (void)state;
    memset(longest, 'x', 8192);
    first = bell_limits_name_of(memory, 255, (bell_str){longest, 8192});
    longest[8191] = 'y';
    second = bell_limits_name_of(memory, 255, (bell_str){longest, 8192});
    free(longest);
    assert_true(a.where == other.where && a.tag != other.tag && a.tag >> 56 == 3 && other.tag >> 56 == 4);
    assert_true(first.tag != second.tag && empty.tag != a.tag);
    assert_true(bell_limits_take(memory, a, &rule, NOW, 50).allowed);
    assert_false(bell_limits_take(memory, a, &rule, NOW, 1).allowed);
    assert_true(bell_limits_take(memory, other, &rule, NOW, 50).allowed); /* another limit for the same key */
    assert_true(bell_limits_take(memory, empty, &rule, NOW, 50).allowed);
    assert_true(bell_limits_take(memory, first, &rule, NOW, 50).allowed);
    assert_true(bell_limits_take(memory, second, &rule, NOW, 50).allowed);
    assert_false(bell_limits_take(memory, first, &rule, NOW, 1).allowed);
}

static void as_the_rule_has_it(void **state) {
    bell_limits_name name = numbered(memory, 1);
    bell_gcra_answer a;

    (void)state;
    bell_limits_prefetch(memory, name);
    assert_int_equal(left(1, NOW), 50);
    for (int i = 0; i < 50; i++) {
        assert_true(take(1, NOW));
    }
    a = bell_limits_take(memory, name, &rule, NOW, 1);
    assert_true(!a.allowed && a.retry_after_us == 1000);
    assert_false(take(1, NOW + 999));
    assert_true(take(1, NOW + 1000));
    assert_int_equal(left(1, NOW + 11000), 10);
    bell_limits_give_back(memory, name, &rule, NOW + 11000, 5);
    assert_int_equal(left(1, NOW + 11000), 15);
    bell_limits_give_back(memory, numbered(memory, 2), &rule, NOW, 5); /* is not here */
    assert_int_equal(left(2, NOW), 50);
    assert_true(bell_limits_take(memory, name, &rule, NOW + 11000, 51).hopeless);
    assert_int_equal(left(1, NOW + 11000), 15);
}

/* An hour back: everybody seems to be far ahead, and waits one unit at most. */
static void a_clock_that_steps(void **state) {
    int64_t now = NOW;

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        assert_true(take(i, now));
    }
    now -= 3600000000;
    assert_false(take(1, now));
    assert_false(take(1, now + 999));
    assert_true(take(1, now + 1000));
    assert_true(take(100, now)); /* new */
    now += 7200000000;
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(left(i, now), 50);
    }
}

static void rules_that_change(void **state) {
    const bell_gcra_rule strict = {.unit_us = 100000, .burst_us = 0};
    bell_limits_name name = numbered(memory, 1);
    bell_gcra_answer a;

    (void)state;
    assert_true(bell_limits_take(memory, name, &(bell_gcra_rule){.unit_us = 1000000, .burst_us = 59000000}, NOW, 60).allowed);
    a = bell_limits_take(memory, name, &strict, NOW, 1);
    assert_true(!a.allowed && a.retry_after_us == 100000);
    assert_true(bell_limits_take(memory, name, &strict, NOW + 100000, 1).allowed);
    assert_int_equal(left(1, NOW + 100000), 0);
    assert_int_equal(left(1, NOW + 200000), 50);
}

/* With one set: who is idle goes first, then who is nearest to it, and who is over the limit stays. */
static void who_goes_when_it_is_full(void **state) {
    (void)state;
    lay_out(ONE_SET);
    for (unsigned i = 0; i < BELL_LIMITS_WAYS; i++) {
        for (unsigned k = 0; k <= i * 5 && k < 50; k++) {
            assert_true(take(i, NOW));
        }
    }
    assert_true(take(20, NOW + 2000)); /* 0 is idle since NOW + 1000 */
    assert_int_equal(left(0, NOW + 2000), 50);
    for (unsigned i = 1; i < BELL_LIMITS_WAYS; i++) {
        assert_int_equal(left(i, NOW + 2000), 51 - 5 * i);
    }
    for (unsigned i = 30; i < 1000; i++) {
        assert_true(take(i, NOW + 2000)); /* those who come push out each other */
    }
    for (unsigned i = 1; i < BELL_LIMITS_WAYS; i++) {
        assert_int_equal(left(i, NOW + 2000), 51 - 5 * i);
    }
    for (unsigned i = 0; i < 50; i++) {
        take(7, NOW + 2000);
    }
    for (unsigned i = 1000; i < 9000; i++) {
        assert_true(bell_limits_take(memory, numbered(memory, i), &rule, NOW + 2000, 40).allowed);
        assert_false(take(7, NOW + 2000));
    }
}

/* A million keys of which none is idle, at 48 bytes each. */
static void a_million_keys(void **state) {
    enum { MILLION = 1000000 };
    size_t bytes = bell_limits_size(MILLION), place = 0, found = 0;
    void *m = shared(bytes);
    bell_limits_key key;
    unsigned lost = 0;

    (void)state;
    assert_true(bytes <= (size_t)64 * MILLION && bell_limits_init(m, bytes, seed));
    for (unsigned i = 0; i < MILLION; i++) {
        assert_true(bell_limits_take(m, numbered(m, i), &rule, NOW, 2).allowed);
    }
    for (unsigned i = 0; i < MILLION; i++) {
        lost += bell_limits_peek(m, numbered(m, i), &rule, NOW).remaining != 48;
    }
    while (bell_limits_next(m, &place, NOW, &key)) {
        found++;
    }
    assert_int_equal(found, MILLION - lost); /* and nobody is taken for another */
    assert_in_range(lost, 0, MILLION / 1000);
    munmap(m, bytes);
}

static void who_is_near_the_limit(void **state) {
    bell_limits_name near = numbered(memory, 5);
    bell_limits_key key;
    unsigned live = 0, near_ones = 0;
    size_t place = 0;

    (void)state;
    for (unsigned i = 0; i < 30; i++) {
        take(i, NOW);
    }
    assert_true(bell_limits_take(memory, near, &rule, NOW, 45).allowed);
    while (bell_limits_next(memory, &place, NOW, &key)) {
        bool is_near = bell_gcra_take(&rule, key.tat_us, NOW, 0).remaining < 10;
        assert_int_equal(key.limit, 3);
        assert_true(is_near == bell_limits_is(memory, near, &key));
        near_ones += is_near;
        live++;
    }
    assert_int_equal(live, 30);
    assert_int_equal(near_ones, 1);
    place = 0;
    assert_true(bell_limits_next(memory, &place, NOW + 40000, &key));
    assert_false(bell_limits_next(memory, &place, NOW + 40000, &key)); /* the others are idle */
}

/* ---- several at the same time */

typedef struct {
    unsigned met;
    int64_t clock_us;
    uint64_t allowed[KEYS];
} tally;

static void start(pid_t *children, void (*child)(unsigned self, tally *t), tally *t) {
    for (unsigned i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            alarm(END_S);
            child(i, t);
            _exit(0);
        }
    }
}

static void end(const pid_t *children) {
    for (unsigned i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
}

static void meet(tally *t) {
    __atomic_add_fetch(&t->met, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&t->met, __ATOMIC_SEQ_CST) < PROCESSES) {
        sched_yield();
    }
}

static void use(tally *t, unsigned key, int64_t now_us) {
    if (take(key, now_us)) {
        __atomic_add_fetch(&t->allowed[key], 1, __ATOMIC_SEQ_CST);
    }
}

static void hammer_at_one_time(unsigned self, tally *t) {
    meet(t);
    for (unsigned i = 0; i < USES; i++) {
        use(t, (i * (self * 2 + 1) + i / KEYS) % KEYS, NOW);
    }
}

/* Nobody's clock moves: each key is allowed its burst, exactly, though all of them are new to all. */
static void exact_at_one_time(void **state) {
    (void)state;
    for (int round = 0; round < 10; round++) {
        tally *t = shared(sizeof(*t));
        pid_t children[PROCESSES];
        lay_out(BYTES);
        start(children, hammer_at_one_time, t);
        end(children);
        for (unsigned i = 0; i < KEYS; i++) {
            assert_int_equal(t->allowed[i], 50);
        }
        munmap(t, sizeof(*t));
    }
}

static void hammer_while_time_goes_by(unsigned self, tally *t) {
    meet(t);
    for (unsigned i = 0; i < USES; i++) {
        use(t, (i + self * 31) % KEYS, __atomic_add_fetch(&t->clock_us, 1, __ATOMIC_SEQ_CST));
    }
}

static uint64_t drain(unsigned key, int64_t now_us) {
    uint64_t n = 0;

    while (take(key, now_us)) {
        n++;
    }
    return n;
}

/* What is allowed of a key until the last moment is what one process alone would have been. */
static void exact_while_time_goes_by(void **state) {
    tally *t = shared(sizeof(*t));
    pid_t children[PROCESSES];

    (void)state;
    t->clock_us = NOW;
    for (unsigned i = 0; i < KEYS; i++) {
        t->allowed[i] = drain(i, NOW);
    }
    start(children, hammer_while_time_goes_by, t);
    end(children);
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(t->allowed[i] + drain(i, t->clock_us), 50 + (t->clock_us - NOW) / rule.unit_us);
        assert_true(t->allowed[i] > 100);
    }
    munmap(t, sizeof(*t));
}

static void take_and_give_back(unsigned self, tally *t) {
    meet(t);
    for (unsigned i = 0; i < USES; i++) {
        unsigned key = (i + self) % KEYS;
        if (take(key, NOW)) {
            bell_limits_give_back(memory, numbered(memory, key), &rule, NOW, 1);
        }
    }
}

static void all_is_given_back(void **state) {
    tally *t = shared(sizeof(*t));
    pid_t children[PROCESSES];

    (void)state;
    start(children, take_and_give_back, t);
    end(children);
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(left(i, NOW), 50);
    }
    munmap(t, sizeof(*t));
}

static void hammer_until_killed(unsigned self, tally *t) {
    meet(t);
    for (unsigned i = 0;; i++) {
        use(t, (i + self * 31) % KEYS, NOW);
        if (take((i + self) % KEYS, NOW)) {
            bell_limits_give_back(memory, numbered(memory, (i + self) % KEYS), &rule, NOW, 1);
        }
    }
}

/* Killed wherever they are: each leaves at most one use that nobody has noted, and nothing is held. */
static void killed_in_the_middle(void **state) {
    tally *t = shared(sizeof(*t));
    uint64_t allowed = 0;
    pid_t children[PROCESSES];
    int status;

    (void)state;
    for (int round = 0; round < 50; round++) {
        lay_out(BYTES);
        memset(t, 0, sizeof(*t));
        start(children, hammer_until_killed, t);
        while (__atomic_load_n(&t->allowed[round], __ATOMIC_SEQ_CST) < 10) {
            sched_yield();
        }
        for (unsigned i = 0; i < PROCESSES; i++) {
            kill(children[i], SIGKILL);
            assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        }
        allowed = 0;
        for (unsigned i = 0; i < KEYS; i++) {
            allowed += t->allowed[i] + drain(i, NOW);
            assert_true(take(i, NOW + 1000));
        }
        assert_in_range(allowed, KEYS * 50 - PROCESSES, KEYS * 50);
    }
    munmap(t, sizeof(*t));
}

static void hammer_one_set(unsigned self, tally *t) {
    meet(t);
    for (unsigned i = 0; i < USES; i++) {
        if (!take(1000000 * (self + 1) + i, NOW)) {
            _exit(1); /* a new key is never refused */
        }
        use(t, 0, NOW);
    }
}

/* More keys than there are places, all of them at once: they push out each other, not the one that is used all the time. */
static void more_keys_than_places(void **state) {
    tally *t = shared(sizeof(*t));
    pid_t children[PROCESSES];

    (void)state;
    lay_out(ONE_SET);
    t->allowed[0] = drain(0, NOW);
    start(children, hammer_one_set, t);
    end(children);
    assert_int_equal(t->allowed[0], 50);
    munmap(t, sizeof(*t));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(layout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(as_the_rule_has_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_clock_that_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rules_that_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_goes_when_it_is_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_near_the_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(exact_at_one_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(exact_while_time_goes_by, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_is_given_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(killed_in_the_middle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_keys_than_places, set_up, tear_down),
        cmocka_unit_test(a_million_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
