#include "bell_exposition.h"
#include "unit.h"

static void assert_text(bell_buf *b, const char *expected) {
    assert_false(b->failed);
    assert_int_equal(b->len, strlen(expected));
    assert_memory_equal(b->p, expected, b->len);
    bell_buf_reset(b);
}

static void families(void **state) {
    bell_buf b;

    (void)state;
    bell_buf_init(&b, 1000);
    bell_exposition_family(&b, "firstbell_x_total", "counter", BELL_STR("What \"x\" did."));
    assert_text(&b, "# HELP firstbell_x_total What \"x\" did.\n# TYPE firstbell_x_total counter\n");
    bell_exposition_family(&b, "firstbell_y", "gauge", BELL_STR("Two\nlines \\ one.\xFF"));
    assert_text(&b, "# HELP firstbell_y Two\\nlines \\\\ one.\xEF\xBF\xBD\n# TYPE firstbell_y gauge\n");
    bell_exposition_family(&b, "firstbell_z", "gauge", BELL_STR_NULL);
    assert_text(&b, "# TYPE firstbell_z gauge\n");
    bell_buf_fini(&b);
}

static void labels(void **state) {
    static const struct {
        bell_str in;
        const char *out;
    } rows[] = {
        {BELL_STR("plain"), "n{a=\"plain\"} 1\n"},        {BELL_STR(""), "n{a=\"\"} 1\n"},
        {BELL_STR("\"\\\n"), "n{a=\"\\\"\\\\\\n\"} 1\n"}, {BELL_STR("unix:/run/\xC3\xA4{b}=,"), "n{a=\"unix:/run/\xC3\xA4{b}=,\"} 1\n"},
        {BELL_STR("\xC3"), "n{a=\"\xEF\xBF\xBD\"} 1\n"},
    };
    bell_buf b;

    (void)state;
    bell_buf_init(&b, 1000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bell_exposition_begin(&b, "n");
        bell_exposition_label(&b, true, "a", rows[i].in);
        bell_exposition_end(&b, true, 1, 0);
        assert_text(&b, rows[i].out);
    }
    bell_exposition_begin(&b, "n");
    bell_exposition_label(&b, true, "a", BELL_STR("1"));
    bell_exposition_label(&b, false, "b", BELL_STR("2"));
    bell_exposition_end(&b, true, 1, 0);
    assert_text(&b, "n{a=\"1\",b=\"2\"} 1\n");
    bell_buf_fini(&b);
}

static void values(void **state) {
    static const struct {
        int64_t value;
        unsigned digits;
        const char *out;
    } rows[] = {
        {0, 0, "n 0\n"},    {250, 2, "n 2.5\n"}, {-25, 2, "n -0.25\n"}, {-3, 0, "n -3\n"}, {INT64_MAX, 0, "n 9223372036854775807\n"},
        {1000, 3, "n 1\n"}, {5, 3, "n 0.005\n"},
    };
    bell_buf b;

    (void)state;
    bell_buf_init(&b, 1000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bell_exposition_begin(&b, "n");
        bell_exposition_end(&b, false, rows[i].value, rows[i].digits);
        assert_text(&b, rows[i].out);
    }
    bell_buf_fini(&b);
}

static void a_full_buffer_says_so(void **state) {
    bell_buf b;

    (void)state;
    bell_buf_init(&b, 12);
    bell_exposition_family(&b, "firstbell_x_total", "counter", BELL_STR("x"));
    assert_true(b.failed);
    bell_buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families),
        cmocka_unit_test(labels),
        cmocka_unit_test(values),
        cmocka_unit_test(a_full_buffer_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
