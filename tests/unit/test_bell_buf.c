#include "bell_buf.h"
#include "unit.h"

static void assert_content(const bell_buf *b, const char *expected) {
    assert_int_equal(b->len, strlen(expected));
    assert_memory_equal(b->p, expected, b->len);
    assert_false(b->failed);
}

static void appends(void **state) {
    bell_buf b;

    (void)state;
    bell_buf_init(&b, 1000);
    bell_buf_add(&b, "abc", 3);
    bell_buf_add(&b, NULL, 0);
    bell_buf_add_str(&b, BELL_STR("de"));
    bell_buf_add_str(&b, BELL_STR_NULL);
    bell_buf_add_z(&b, "f");
    bell_buf_add_char(&b, '|');
    bell_buf_add_u64(&b, 0);
    bell_buf_add_char(&b, '|');
    bell_buf_add_u64(&b, UINT64_MAX);
    bell_buf_add_char(&b, '|');
    bell_buf_add_i64(&b, INT64_MIN);
    bell_buf_add_char(&b, '|');
    bell_buf_add_i64(&b, -7);
    bell_buf_add_i64(&b, INT64_MAX);
    bell_buf_printf(&b, "|%s%c%d", "x", 'y', 12);
    assert_content(&b, "abcdef|0|18446744073709551615|-9223372036854775808|-79223372036854775807|xy12");
    assert_true(bell_str_eq(bell_str_trim(bell_buf_str(&b)), bell_buf_str(&b)));
    bell_buf_fini(&b);
    assert_int_equal(bell_buf_str(&b).len, 0);
}

static void the_bound_is_exact(void **state) {
    bell_buf b;

    (void)state;
    bell_buf_init(&b, 10);
    bell_buf_add(&b, "0123456789", 10);
    assert_content(&b, "0123456789");
    bell_buf_add_char(&b, 'x');
    assert_true(b.failed);
    assert_int_equal(b.len, 10);
    bell_buf_fini(&b);

    /* printf needs room for its NUL, which is not counted */
    bell_buf_init(&b, 10);
    bell_buf_printf(&b, "%s", "0123456789");
    assert_content(&b, "0123456789");
    bell_buf_printf(&b, "%s", "");
    assert_content(&b, "0123456789");
    bell_buf_printf(&b, "x");
    assert_true(b.failed);
    bell_buf_fini(&b);
}

static void a_failed_buffer_stays_failed_until_reset(void **state) {
    bell_buf b;

    (void)state;
    bell_buf_init(&b, 4);
    bell_buf_add(&b, "ab", 2);
    bell_buf_add(&b, "cde", 3);
    assert_true(b.failed);
    assert_int_equal(b.len, 2);
    bell_buf_add_char(&b, 'c');
    bell_buf_printf(&b, "c");
    assert_false(bell_buf_reserve(&b, 0));
    assert_int_equal(b.len, 2);
    bell_buf_reset(&b);
    bell_buf_add(&b, "wxyz", 4);
    assert_content(&b, "wxyz");
    bell_buf_fini(&b);
}

static void reserving(void **state) {
    bell_buf b;

    (void)state;
    bell_buf_init(&b, 100000);
    assert_true(bell_buf_reserve(&b, 0));
    assert_true(bell_buf_reserve(&b, 100000));
    memset(b.p + b.len, 'x', 100000);
    assert_false(bell_buf_reserve(&b, 100001));
    bell_buf_fini(&b);
    bell_buf_init(&b, SIZE_MAX);
    assert_false(bell_buf_reserve(&b, SIZE_MAX));
    bell_buf_fini(&b);
    bell_buf_init(&b, 0);
    assert_true(bell_buf_reserve(&b, 0));
    assert_false(bell_buf_reserve(&b, 1));
    bell_buf_fini(&b);
}

static void growing(void **state) {
    bell_buf b;

    (void)state;
    bell_buf_init(&b, 70000);
    for (unsigned i = 0; i < 70000; i++) {
        bell_buf_add_char(&b, (char)i);
    }
    assert_false(b.failed);
    for (unsigned i = 0; i < 70000; i++) {
        assert_int_equal(b.p[i], (char)i);
    }
    bell_buf_add_char(&b, 'x');
    assert_true(b.failed);
    bell_buf_reset(&b);
    bell_buf_printf(&b, "%69999d|", 1);
    assert_int_equal(b.len, 70000);
    assert_int_equal(b.p[69999], '|');
    bell_buf_fini(&b);
}

static void consuming(void **state) {
    bell_buf b;

    (void)state;
    bell_buf_init(&b, 100);
    bell_buf_consume(&b, 0);
    bell_buf_add_z(&b, "abcdef");
    bell_buf_consume(&b, 2);
    assert_content(&b, "cdef");
    bell_buf_consume(&b, 0);
    assert_content(&b, "cdef");
    bell_buf_consume(&b, 4);
    assert_content(&b, "");
    bell_buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends),
        cmocka_unit_test(the_bound_is_exact),
        cmocka_unit_test(a_failed_buffer_stays_failed_until_reset),
        cmocka_unit_test(reserving),
        cmocka_unit_test(growing),
        cmocka_unit_test(consuming),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
