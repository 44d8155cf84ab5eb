#include "bell_seen.h"
#include "unit.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES     65536
#define ONE_SET   (BELL_SEEN_ALIGN + 1024)
#define NOW       1800000000
#define PROCESSES 4
#define TOKENS    400 /* of 1953 places: no set of theirs is full */
#define ROUNDS    10000
#define END_S     120 /* when a process that waits for another one gives up */

static const unsigned char seed[BELL_SIPHASH_KEY_BYTES] = "sixteen of these";
static void *memory;

static void *shared(size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(p != MAP_FAILED);
    return p;
}

static void lay_out(size_t bytes) {
    memset(memory, 0, BYTES);
    assert_true(bell_seen_init(memory, bytes, seed));
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

static bell_seen_answer use_until(const char *what, int64_t expires_s, bool yields, int64_t now_s) {
    bell_seen_thing thing = {.name = bell_seen_name_of(memory, bell_str_of(what)), .expires_s = expires_s, .yields = yields};

    return bell_seen_use(memory, (uint32_t)getpid(), &thing, now_s);
}

static bell_seen_answer use(const char *what) {
    return use_until(what, NOW + 100, false, NOW);
}

static bell_seen_name number(const char *what, unsigned i) {
    char text[64];

    snprintf(text, sizeof(text), "%s %u", what, i);
    return bell_seen_name_of(memory, bell_str_of(text));
}

static bell_seen_answer use_number(const char *what, unsigned i, int64_t expires_s, bool yields, int64_t now_s) {
    bell_seen_thing thing = {.name = number(what, i), .expires_s = expires_s, .yields = yields};

    return bell_seen_use(memory, (uint32_t)getpid(), &thing, now_s);
}

static bell_seen_answer use_name(bell_seen_name name) {
    bell_seen_thing thing = {.name = name, .expires_s = NOW + 100};

    return bell_seen_use(memory, (uint32_t)getpid(), &thing, NOW);
}

static void layout(void **state) {
    (void)state;
    assert_int_equal(bell_seen_places(memory), (BYTES - 64) / 1024 * 31);
    memset(memory, 0, BYTES);
    assert_false(bell_seen_init(memory, ONE_SET - 1, seed));
    assert_false(bell_seen_init((char *)memory + 8, BYTES - 8, seed));
    assert_true(bell_seen_init(memory, ONE_SET, seed));
    assert_int_equal(bell_seen_places(memory), BELL_SEEN_WAYS);
}

static void names(void **state) {
    bell_seen_name a = bell_seen_name_of(memory, BELL_STR("a token")), same = bell_seen_name_of(memory, BELL_STR("a token")),
                   other = bell_seen_name_of(memory, BELL_STR("a tokem")), half = a;

    (void)state;
    half.words[1] ^= 1;
    assert_true(bell_seen_same(a, same));
    assert_false(bell_seen_same(a, other) || bell_seen_same(a, half));
    half = a;
    half.words[0] ^= 1;
    assert_false(bell_seen_same(a, half));
    lay_out(ONE_SET); /* all names share a set: they differ in what is kept */
    for (unsigned i = 0; i < 64; i += 13) {
        bell_seen_name near = a;
        near.words[0] ^= (uint64_t)1 << i;
        assert_int_equal(use_name(near), BELL_SEEN_FIRST);
        near = a;
        near.words[1] ^= (uint64_t)1 << i;
        assert_int_equal(use_name(near), BELL_SEEN_FIRST);
    }
    assert_int_equal(use_name(a), BELL_SEEN_FIRST);
}

static void once(void **state) {
    (void)state;
    assert_int_equal(use("one"), BELL_SEEN_FIRST);
    assert_int_equal(use("one"), BELL_SEEN_AGAIN);
    assert_int_equal(use("two"), BELL_SEEN_FIRST);
    assert_int_equal(use("one"), BELL_SEEN_AGAIN);
    assert_int_equal(use(""), BELL_SEEN_FIRST);
    assert_int_equal(use(""), BELL_SEEN_AGAIN);
}

/* What is over makes room a while later, and not before: another process may be behind with its clock. */
static void what_is_over_makes_room(void **state) {
    int64_t later = NOW + 100 + BELL_SEEN_MARGIN_S;

    (void)state;
    lay_out(ONE_SET);
    for (unsigned i = 0; i < BELL_SEEN_WAYS; i++) {
        assert_int_equal(use_number("old", i, i == 7 ? NOW + 100 : NOW + 1000, false, NOW), BELL_SEEN_FIRST);
    }
    assert_int_equal(use_until("new", NOW + 2000, false, NOW), BELL_SEEN_FULL);
    assert_int_equal(use_until("new", NOW + 2000, false, later - 1), BELL_SEEN_FULL);
    assert_int_equal(use_number("old", 7, NOW + 100, false, later), BELL_SEEN_AGAIN); /* as long as it is there */
    assert_int_equal(use_until("new", NOW + 2000, false, later), BELL_SEEN_FIRST);
    assert_int_equal(use_until("newer", NOW + 2000, false, later), BELL_SEEN_FULL);
    for (unsigned i = 0; i < BELL_SEEN_WAYS; i++) {
        bell_seen_answer expected = i == 7 ? BELL_SEEN_FULL : BELL_SEEN_AGAIN;
        assert_int_equal(use_number("old", i, NOW + 1000, false, later), expected);
    }
    assert_int_equal(use_until("new", NOW + 2000, false, later), BELL_SEEN_AGAIN);
}

static void what_yields_makes_room(void **state) {
    (void)state;
    lay_out(ONE_SET);
    for (unsigned i = 0; i < BELL_SEEN_WAYS; i++) {
        assert_int_equal(use_number("noticed", i, NOW + 1000 - i, i < 3, NOW), BELL_SEEN_FIRST);
    }
    assert_int_equal(use_until("noticed too", NOW + 2000, true, NOW), BELL_SEEN_FULL);
    assert_int_equal(use_number("noticed", 2, NOW + 998, true, NOW), BELL_SEEN_AGAIN);
    assert_int_equal(use_until("once", NOW + 2000, false, NOW), BELL_SEEN_FIRST); /* for the one that is over soonest */
    assert_int_equal(use_number("noticed", 2, NOW + 998, true, NOW), BELL_SEEN_FULL);
    assert_int_equal(use_number("noticed", 1, NOW + 999, true, NOW), BELL_SEEN_AGAIN);
    assert_int_equal(use_until("twice", NOW + 2000, false, NOW), BELL_SEEN_FIRST);
    assert_int_equal(use_until("thrice", NOW + 2000, false, NOW), BELL_SEEN_FIRST);
    assert_int_equal(use_until("no more", NOW + 2000, false, NOW), BELL_SEEN_FULL);
    assert_int_equal(use_until("once", NOW + 2000, false, NOW), BELL_SEEN_AGAIN);
}

static bell_seen_answer use_of(uint32_t group, unsigned i, bool yields, int64_t now_s) {
    char text[32];

    snprintf(text, sizeof(text), "of %u", group);
    bell_seen_thing thing = {.name = number(text, i), .group = group, .expires_s = now_s + 100, .yields = yields};
    return bell_seen_use(memory, (uint32_t)getpid(), &thing, now_s);
}

/* How many in a row find room. */
static unsigned fill(uint32_t group, unsigned from, bool yields, int64_t now_s) {
    unsigned n = 0;

    while (n <= BELL_SEEN_WAYS && use_of(group, from + n, yields, now_s) == BELL_SEEN_FIRST) {
        n++;
    }
    return n;
}

/* Whoever uses as many things as there are takes no more of a set than leaves room for others. */
static void nobody_has_all_the_room(void **state) {
    int64_t later = NOW + 100 + BELL_SEEN_MARGIN_S;

    (void)state;
    lay_out(ONE_SET);
    assert_int_equal(fill(7, 0, false, NOW), 28);
    assert_int_equal(use_of(7, 27, false, NOW), BELL_SEEN_AGAIN);
    assert_int_equal(fill(7, 50, false, NOW), 0);
    assert_int_equal(fill(8, 0, false, NOW), 3);
    assert_int_equal(fill(9, 0, false, NOW), 0);
    assert_int_equal(use_of(8, 1, false, NOW), BELL_SEEN_AGAIN);
    assert_int_equal(fill(8, 100, false, later), 28); /* what is over is nobody's share */
    lay_out(ONE_SET);
    assert_int_equal(fill(7, 0, true, NOW), 28);
    assert_int_equal(fill(8, 0, false, NOW), 28); /* nor is what yields */
    lay_out(ONE_SET);
    assert_int_equal(fill(0, 0, false, NOW), BELL_SEEN_WAYS); /* nobody else is there */
}

static void never_over(void **state) {
    (void)state;
    lay_out(ONE_SET);
    for (unsigned i = 0; i < BELL_SEEN_WAYS; i++) {
        assert_int_equal(use_number("for ever", i, INT64_MAX, false, NOW), BELL_SEEN_FIRST);
    }
    assert_int_equal(use_until("new", NOW, false, (int64_t)1 << 40), BELL_SEEN_FULL);
    assert_int_equal(use_number("for ever", 30, INT64_MAX, false, (int64_t)1 << 40), BELL_SEEN_AGAIN);
}

/* ---- processes that die or stand still; a place's owner is the word behind its name and its end */

static uint32_t *owner_of(size_t way) {
    return (uint32_t *)((char *)memory + BELL_SEEN_ALIGN + 32 + way * 32 + 24);
}

static pid_t dead_process(void) {
    pid_t dead = fork();

    if (dead == 0) {
        _exit(0);
    }
    assert_int_equal(waitpid(dead, NULL, 0), dead);
    return dead;
}

static void left_by_dead_processes(void **state) {
    pid_t dead = dead_process();

    (void)state;
    lay_out(ONE_SET);
    assert_int_equal(use("one"), BELL_SEEN_FIRST);
    for (size_t way = 0; way < BELL_SEEN_WAYS; way++) {
        *owner_of(way) = way % 2 ? (uint32_t)dead : (uint32_t)getpid(); /* ours: of somebody dead who had our number */
    }
    assert_int_equal(use("one"), BELL_SEEN_AGAIN);
    for (unsigned i = 1; i < BELL_SEEN_WAYS; i++) {
        assert_int_equal(use_number("more", i, NOW + 100, false, NOW), BELL_SEEN_FIRST);
    }
    assert_int_equal(use("too many"), BELL_SEEN_FULL);
}

static void held_by_living_processes(void **state) {
    (void)state;
    lay_out(ONE_SET);
    assert_int_equal(use("one"), BELL_SEEN_FIRST);
    for (size_t way = 0; way < BELL_SEEN_WAYS; way++) {
        *owner_of(way) = (uint32_t)getppid();
    }
    assert_int_equal(use("one"), BELL_SEEN_AGAIN);
    assert_int_equal(use("two"), BELL_SEEN_FULL);
    *owner_of(20) = 0;
    assert_int_equal(use("two"), BELL_SEEN_FIRST);
    assert_int_equal(use("two"), BELL_SEEN_AGAIN);
    assert_int_equal(use("three"), BELL_SEEN_FULL);
}

/* ---- several at the same time */

static void start(pid_t *children, void (*child)(unsigned self, void *data), void *data) {
    for (unsigned i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            alarm(END_S);
            child(i, data);
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

/* Until all have come as often. */
static void meet(unsigned *count, unsigned times) {
    __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(count, __ATOMIC_SEQ_CST) < times * PROCESSES) {
        sched_yield();
    }
}

typedef struct {
    unsigned met;
    unsigned first[ROUNDS], again[ROUNDS];
} tally;

static void note(tally *t, unsigned i, bell_seen_answer answer) {
    if (answer == BELL_SEEN_FIRST) {
        __atomic_add_fetch(&t->first[i], 1, __ATOMIC_SEQ_CST);
    } else if (answer == BELL_SEEN_AGAIN) {
        __atomic_add_fetch(&t->again[i], 1, __ATOMIC_SEQ_CST);
    }
}

static void use_all(unsigned self, void *data) {
    tally *t = data;

    meet(&t->met, 1);
    for (unsigned i = 0; i < TOKENS; i++) {
        unsigned n = self % 2 ? TOKENS - 1 - i : i;
        note(t, n, use_number("token", n, NOW + 100, false, NOW));
    }
}

static void of_many_uses_one_is_the_first(void **state) {
    tally *t = shared(sizeof(*t));
    pid_t children[PROCESSES];

    (void)state;
    start(children, use_all, t);
    end(children);
    for (unsigned i = 0; i < TOKENS; i++) {
        assert_int_equal(t->first[i], 1);
        assert_int_equal(t->again[i], PROCESSES - 1);
    }
    munmap(t, sizeof(*t));
}

/* In one set, where each round's token takes the place of one that is over, or of one that yields. */
static void use_in_rounds(unsigned self, void *data) {
    uint32_t id = (uint32_t)getpid();
    tally *t = data;

    (void)self;
    for (unsigned i = 0; i < ROUNDS; i++) {
        int64_t now_s = NOW + (int64_t)i * 100;
        bell_seen_thing thing = {.name = number("token", i), .expires_s = now_s + 99, .yields = i % 3 == 0};
        meet(&t->met, i + 1);
        note(t, i, bell_seen_use(memory, id, &thing, now_s));
    }
}

static void one_is_the_first_while_places_change_hands(void **state) {
    tally *t = shared(sizeof(*t));
    pid_t children[PROCESSES];

    (void)state;
    lay_out(ONE_SET);
    start(children, use_in_rounds, t);
    end(children);
    for (unsigned i = 0; i < ROUNDS; i++) {
        assert_int_equal(t->first[i], 1);
        assert_int_equal(t->again[i], PROCESSES - 1);
    }
    munmap(t, sizeof(*t));
}

static void use_until_killed(unsigned self, void *data) {
    unsigned *begun = data;

    for (unsigned i = 0;; i++) {
        if (use_number("token", i * PROCESSES + self, NOW, false, NOW + BELL_SEEN_MARGIN_S) == BELL_SEEN_FULL) {
            sched_yield(); /* the others are in all places */
        }
        __atomic_add_fetch(begun, 1, __ATOMIC_SEQ_CST);
    }
}

/* Wherever they are when they die, every place can be used again, each once. */
static void killed_in_the_middle(void **state) {
    unsigned *begun = shared(sizeof(*begun));
    pid_t children[PROCESSES];

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        lay_out(ONE_SET);
        *begun = 0;
        start(children, use_until_killed, begun);
        while (__atomic_load_n(begun, __ATOMIC_SEQ_CST) < 200 + round * 7) {
            assert_int_equal(waitpid(children[0], NULL, WNOHANG), 0); /* it lives */
            sched_yield();
        }
        for (unsigned i = 0; i < PROCESSES; i++) {
            assert_int_equal(kill(children[i], SIGKILL), 0);
            assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
        }
        for (unsigned i = 0; i < BELL_SEEN_WAYS; i++) {
            assert_int_equal(use_number("after", i, NOW + 1000, false, NOW + BELL_SEEN_MARGIN_S), BELL_SEEN_FIRST);
        }
        for (unsigned i = 0; i < BELL_SEEN_WAYS; i++) {
            assert_int_equal(use_number("after", i, NOW + 1000, false, NOW + BELL_SEEN_MARGIN_S), BELL_SEEN_AGAIN);
        }
        assert_int_equal(use_until("one more", NOW + 1000, false, NOW + BELL_SEEN_MARGIN_S), BELL_SEEN_FULL);
    }
    munmap(begun, sizeof(*begun));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(layout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_over_makes_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_yields_makes_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_has_all_the_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(never_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(left_by_dead_processes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(held_by_living_processes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_many_uses_one_is_the_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_is_the_first_while_places_change_hands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(killed_in_the_middle, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
