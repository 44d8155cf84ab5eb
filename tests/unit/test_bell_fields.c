#include "bell_fields.h"
#include "unit.h"

static void tokens_and_values(void **state) {
    static const struct {
        const char *text;
        bool token;
    } rows[] = {{"Accept", true}, {"x-y_z.1", true}, {"!#$%&'*+-.^_`|~", true}, {"", false},    {"a b", false}, {"a:", false},
                {"a,b", false},   {"\"a\"", false},  {"\xC3\xA4", false},       {"(a)", false}, {"@", false},   {"{", false}};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(bell_field_is_token(bell_str_of(rows[i].text)) == rows[i].token, rows[i].text);
    }
    assert_false(bell_field_is_token((bell_str){"a\0b", 3}));
    assert_true(bell_field_is_value(BELL_STR("a b\t\xC3\xA4\x7f")));
    assert_true(bell_field_is_value(BELL_STR_NULL));
    assert_false(bell_field_is_value(BELL_STR("a\rb")));
    assert_false(bell_field_is_value(BELL_STR("a\nb")));
    assert_false(bell_field_is_value((bell_str){"a\0b", 3}));
}

/* RFC 9110, 5.6.1.2: empty elements are passed over. */
static void lists(void **state) {
    static const struct {
        const char *list, *elements; /* with "|" between */
    } rows[] = {
        {"", ""},
        {",, ,", ""},
        {"a", "a"},
        {"a,b", "a|b"},
        {" a ,\tb ,", "a|b"},
        {", a,,b", "a|b"},
        {"a b, c", "a b|c"},
        {"\"a,b\",c", "\"a,b\"|c"},
        {"\"a\\\",b\",c", "\"a\\\",b\"|c"},
        {"\"a,b", "\"a,b"},
        {"a\\,b", "a\\|b"},
        {"x=\"1, 2\" , y", "x=\"1, 2\"|y"},
        {"\"a\\", "\"a\\"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_str list = bell_str_of(rows[i].list), element, want = bell_str_of(rows[i].elements);
        while (bell_field_next(&list, &element)) {
            assert_row(want.len > 0 && bell_str_eq(element, bell_str_cut(&want, '|')), rows[i].list);
        }
        assert_row(want.len == 0 && list.len == 0, rows[i].list);
    }
    assert_true(bell_field_is_named(BELL_STR("close, Foo ,bar"), BELL_STR("foo")));
    assert_false(bell_field_is_named(BELL_STR("close, Foobar"), BELL_STR("foo")));
    assert_false(bell_field_is_named(BELL_STR_NULL, BELL_STR("foo")));
}

/* RFC 9110, 12.4.2. */
static void weights(void **state) {
    static const struct {
        const char *element, *name; /* NULL: refused */
        unsigned milli;
    } rows[] = {
        {"gzip", "gzip", 1000},
        {"gzip;q=0.5", "gzip", 500},
        {"gzip ; q=0.125", "gzip", 125},
        {"gzip;Q=0", "gzip", 0},
        {"gzip;q=0.", "gzip", 0},
        {"gzip;q=1", "gzip", 1000},
        {"gzip;q=1.000", "gzip", 1000},
        {"*;q=0.01", "*", 10},
        {"gzip;q=1.001", NULL, 0},
        {"gzip;q=2", NULL, 0},
        {"gzip;q=", NULL, 0},
        {"gzip;q", NULL, 0},
        {"gzip;", NULL, 0},
        {"gzip;q=0.1234", NULL, 0},
        {"gzip;q=.5", NULL, 0},
        {"gzip;q=-1", NULL, 0},
        {"gzip;q=0.5;x=1", NULL, 0},
        {"gzip;level=9", NULL, 0},
        {"gz ip", NULL, 0},
        {";q=1", NULL, 0},
        {"gzip;q=0,5", NULL, 0},
        {"gzip;q=0.5a", NULL, 0},
        {"", NULL, 0},
        {"gzip;q=05", NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_str name;
        unsigned milli = 7;
        bool good = bell_field_weight(bell_str_of(rows[i].element), &name, &milli);
        assert_row(good == (rows[i].name != NULL), rows[i].element);
        if (good) {
            assert_row(bell_str_eq(name, bell_str_of(rows[i].name)) && milli == rows[i].milli, rows[i].element);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(tokens_and_values), cmocka_unit_test(lists), cmocka_unit_test(weights)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
