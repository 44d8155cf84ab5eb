#include "bell_arena.h"
#include "unit.h"

#include <string.h>

static void pieces_are_aligned_and_apart(void **state) {
    bell_arena a;
    char *p[200];

    (void)state;
    bell_arena_init(&a, 1 << 20);
    for (size_t i = 0; i < ROWS(p); i++) {
        p[i] = bell_arena_alloc(&a, i);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % _Alignof(max_align_t), 0);
        memset(p[i], (int)i, i);
    }
    for (size_t i = 0; i < ROWS(p); i++) {
        for (size_t k = 0; k < i; k++) {
            assert_int_equal((unsigned char)p[i][k], i);
        }
    }
    bell_arena_fini(&a);
}

static void pieces_of_no_bytes_differ(void **state) {
    bell_arena a;
    void *first, *second;

    (void)state;
    bell_arena_init(&a, 4096);
    first = bell_arena_alloc(&a, 0);
    second = bell_arena_alloc(&a, 0);
    assert_non_null(first);
    assert_ptr_not_equal(first, second);
    bell_arena_fini(&a);
}

static void the_bound_holds(void **state) {
    bell_arena a;
    size_t taken = 0;

    (void)state;
    bell_arena_init(&a, 10000);
    assert_null(bell_arena_alloc(&a, 10000));
    assert_null(bell_arena_alloc(&a, SIZE_MAX));
    assert_null(bell_arena_alloc(&a, SIZE_MAX - 8));
    assert_null(bell_arena_zalloc(&a, SIZE_MAX / 2));
    while (bell_arena_alloc(&a, 100) != NULL) {
        taken += 100;
    }
    assert_in_range(taken, 7000, 10000);
    assert_true(a.used_bytes <= 10000);
    assert_null(bell_arena_strdup(&a, BELL_STR("a text that has no room any more, since all that was left is smaller than it is, "
                                               "however the blocks were laid out before: one hundred bytes did not fit either")));
    bell_arena_fini(&a);
    assert_int_equal(a.used_bytes, 0);
    assert_non_null(bell_arena_alloc(&a, 100));
    bell_arena_fini(&a);
}

static void an_arena_of_nothing_gives_nothing(void **state) {
    bell_arena a;

    (void)state;
    for (size_t max = 0; max < 48; max++) {
        bell_arena_init(&a, max);
        assert_true(bell_arena_alloc(&a, 1) == NULL || a.used_bytes <= max);
        bell_arena_fini(&a);
    }
}

static void a_large_piece_does_not_waste_the_block_before(void **state) {
    bell_arena a;
    size_t used;

    (void)state;
    bell_arena_init(&a, 1 << 20);
    assert_non_null(bell_arena_alloc(&a, 16));
    assert_non_null(bell_arena_alloc(&a, 100000));
    used = a.used_bytes;
    assert_non_null(bell_arena_alloc(&a, 16));
    assert_int_equal(a.used_bytes, used);
    bell_arena_fini(&a);
}

static void zeroed(void **state) {
    bell_arena a;
    unsigned char *p;

    (void)state;
    bell_arena_init(&a, 1 << 16);
    p = bell_arena_zalloc(&a, 500);
    assert_non_null(p);
    for (size_t i = 0; i < 500; i++) {
        assert_int_equal(p[i], 0);
    }
    bell_arena_fini(&a);
}

static void texts(void **state) {
    bell_arena a;

    (void)state;
    bell_arena_init(&a, 1 << 16);
    assert_string_equal(bell_arena_strdup(&a, (bell_str){"abcdef", 3}), "abc");
    assert_string_equal(bell_arena_strdup(&a, BELL_STR_NULL), "");
    assert_string_equal(bell_arena_printf(&a, "%s-%d", "x", 42), "x-42");
    assert_string_equal(bell_arena_printf(&a, "%s", ""), "");
    assert_int_equal(strlen(bell_arena_printf(&a, "%5000d", 1)), 5000);
    assert_null(bell_arena_printf(&a, "%70000d", 1));
    bell_arena_fini(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart),
        cmocka_unit_test(pieces_of_no_bytes_differ),
        cmocka_unit_test(the_bound_holds),
        cmocka_unit_test(an_arena_of_nothing_gives_nothing),
        cmocka_unit_test(a_large_piece_does_not_waste_the_block_before),
        cmocka_unit_test(zeroed),
        cmocka_unit_test(texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
