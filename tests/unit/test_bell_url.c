#include "bell_url.h"
#include "unit.h"

static void decoding(void **state) {
    static const struct {
        const char *in;
        bool form;
        const char *out; /* NULL: malformed */
    } rows[] = {
        {"", false, ""},        {"plain", false, "plain"},   {"a%20b", false, "a b"},       {"a+b", false, "a+b"},  {"a+b", true, "a b"},
        {"a%2Bb", true, "a+b"}, {"%41%5a%5A", false, "AZZ"}, {"%c3%A4", false, "\xC3\xA4"}, {"%FF", false, "\xFF"}, {"%2525", false, "%25"},
        {"%", false, NULL},     {"%4", false, NULL},         {"a%4", false, NULL},          {"%zz", false, NULL},   {"%4g", false, NULL},
        {"%g4", false, NULL},   {"%%41", false, NULL},       {"%+1", true, NULL},           {"%00", false, NULL},   {"a%00b", true, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char out[64];
        long len = bell_url_decode(bell_str_of(rows[i].in), rows[i].form, out);

        assert_row((len >= 0) == (rows[i].out != NULL), rows[i].in);
        if (rows[i].out != NULL) {
            assert_row(bell_str_eq((bell_str){out, (size_t)len}, bell_str_of(rows[i].out)), rows[i].in);
        }
    }
    assert_int_equal(bell_url_decode((bell_str){"a\0b", 3}, false, (char[4]){0}), -1);
    assert_int_equal(bell_url_decode((bell_str){"%41", 2}, false, (char[4]){0}), -1);
}

static void plain_paths(void **state) {
    static const struct {
        const char *path;
        bool plain;
    } rows[] = {
        {"app.css", true}, {"js/app.js", true}, {"a/b/c-d_e.f", true}, {"a..b", true},   {"a.", true},         {"", false},
        {"/", false},      {"/a", false},       {"a/", false},         {"a//b", false},  {".", false},         {"..", false},
        {"../a", false},   {"a/..", false},     {"a/../b", false},     {"a/./b", false}, {".htaccess", false}, {"a/.git/config", false},
        {"a\\b", false},   {"a%2e", false},     {"a b", false},        {"a:b", false},   {"\xC3\xA4", false},  {"a\n", false},
        {"~a", false},
    };
    char longest[257];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(bell_url_is_plain_path(bell_str_of(rows[i].path)) == rows[i].plain, rows[i].path);
    }
    assert_false(bell_url_is_plain_path((bell_str){"a\0b", 3}));
    memset(longest, 'a', sizeof(longest));
    assert_true(bell_url_is_plain_path((bell_str){longest, 255}));
    assert_false(bell_url_is_plain_path((bell_str){longest, 256}));
}

static void forms(void **state) {
    static const struct {
        const char *form, *name;
        int found;
        const char *value;
    } rows[] = {
        {"a=1&b=2", "a", 1, "1"},     {"a=1&b=2", "b", 1, "2"},
        {"a=1&b=2", "c", 0, NULL},    {"a=1&b=2", "A", 0, NULL},
        {"", "a", 0, NULL},           {"&&&", "a", 0, NULL},
        {"a=", "a", 1, ""},           {"a", "a", 1, ""},
        {"a&b=1", "a", 1, ""},        {"&a=1&", "a", 1, "1"},
        {"a=b=c", "a", 1, "b=c"},     {"a=x+y%20z", "a", 1, "x y z"},
        {"%61=1", "a", 1, "1"},       {"a%20b=1", "a b", 1, "1"},
        {"a+b=1", "a b", 1, "1"},     {"ab=1", "a", 0, NULL},
        {"a=1", "ab", 0, NULL},       {"a=%C3%A4", "a", 1, "\xC3\xA4"},
        {"=1", "a", 0, NULL},         {"=1&=2", "", 0, NULL},
        {"a=1&a=2", "a", -1, NULL},   {"a=1&a=1", "a", -1, NULL},
        {"a=1&%61=2", "a", -1, NULL}, {"a&a", "a", -1, NULL},
        {"a=%", "a", -1, NULL},       {"a=%zz", "a", -1, NULL},
        {"a=%00", "a", -1, NULL},     {"a=%FF", "a", -1, NULL},
        {"%zz=1&a=1", "a", -1, NULL}, {"b%=1", "a", -1, NULL},
        {"b=%zz&a=1", "a", 1, "1"}, /* the value of somebody else */
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_arena a;
        bell_str value = BELL_STR_NULL;

        bell_arena_init(&a, 10000);
        assert_row(bell_form_get(&a, bell_str_of(rows[i].form), bell_str_of(rows[i].name), &value) == rows[i].found, rows[i].form);
        if (rows[i].value != NULL) {
            assert_row(bell_str_eq(value, bell_str_of(rows[i].value)), rows[i].form);
            assert_int_equal(value.p[value.len], 0);
        }
        bell_arena_fini(&a);
    }
}

static void an_arena_that_is_full_is_malformed(void **state) {
    bell_arena a;
    bell_str value;

    (void)state;
    bell_arena_init(&a, 16);
    assert_int_equal(bell_form_get(&a, BELL_STR("a=1"), BELL_STR("a"), &value), -1);
    bell_arena_fini(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoding),
        cmocka_unit_test(plain_paths),
        cmocka_unit_test(forms),
        cmocka_unit_test(an_arena_that_is_full_is_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
