#include "bell_str.h"
#include "unit.h"

static void equality(void **state) {
    (void)state;
    assert_true(bell_str_eq(BELL_STR("abc"), BELL_STR("abc")));
    assert_true(bell_str_eq(BELL_STR_NULL, BELL_STR("")));
    assert_false(bell_str_eq(BELL_STR("abc"), BELL_STR("abd")));
    assert_false(bell_str_eq(BELL_STR("abc"), BELL_STR("ab")));
    assert_false(bell_str_eq(BELL_STR("abc"), BELL_STR("ABC")));
    assert_true(bell_str_eq_secret(BELL_STR("abc"), BELL_STR("abc")));
    assert_true(bell_str_eq_secret(BELL_STR_NULL, BELL_STR("")));
    assert_false(bell_str_eq_secret(BELL_STR("abc"), BELL_STR("abC")));
    assert_false(bell_str_eq_secret(BELL_STR("abc"), BELL_STR("abcd")));
}

static void equality_without_case(void **state) {
    (void)state;
    assert_true(bell_str_ieq(BELL_STR("Content-Length"), BELL_STR("cONTENT-lENGTH")));
    assert_true(bell_str_ieq(BELL_STR_NULL, BELL_STR("")));
    assert_false(bell_str_ieq(BELL_STR("a"), BELL_STR("b")));
    assert_false(bell_str_ieq(BELL_STR("a"), BELL_STR("aa")));
    /* neighbours of letters in ASCII, and bytes that are letters in Latin-1 only */
    assert_false(bell_str_ieq(BELL_STR("@"), BELL_STR("`")));
    assert_false(bell_str_ieq(BELL_STR("["), BELL_STR("{")));
    assert_false(bell_str_ieq(BELL_STR("\xC4"), BELL_STR("\xE4")));
}

static void prefixes(void **state) {
    (void)state;
    assert_true(bell_str_starts(BELL_STR("/media/x"), BELL_STR("/media/")));
    assert_true(bell_str_starts(BELL_STR("x"), BELL_STR_NULL));
    assert_true(bell_str_starts(BELL_STR_NULL, BELL_STR_NULL));
    assert_false(bell_str_starts(BELL_STR("/med"), BELL_STR("/media/")));
    assert_false(bell_str_starts(BELL_STR("/Media/"), BELL_STR("/media/")));
}

static void cutting(void **state) {
    bell_str rest = BELL_STR("a,,b");

    (void)state;
    assert_true(bell_str_eq(bell_str_cut(&rest, ','), BELL_STR("a")));
    assert_true(bell_str_eq(rest, BELL_STR(",b")));
    assert_true(bell_str_eq(bell_str_cut(&rest, ','), BELL_STR("")));
    assert_true(bell_str_eq(bell_str_cut(&rest, ','), BELL_STR("b")));
    assert_int_equal(rest.len, 0);
    assert_non_null(rest.p);
    assert_int_equal(bell_str_cut(&rest, ',').len, 0);
    rest = BELL_STR("end,");
    assert_true(bell_str_eq(bell_str_cut(&rest, ','), BELL_STR("end")));
    assert_int_equal(rest.len, 0);
    rest = BELL_STR_NULL;
    assert_null(bell_str_cut(&rest, ',').p);
    assert_null(rest.p);
}

static void trimming(void **state) {
    (void)state;
    assert_true(bell_str_eq(bell_str_trim(BELL_STR(" \t a b \t")), BELL_STR("a b")));
    assert_true(bell_str_eq(bell_str_trim(BELL_STR("a")), BELL_STR("a")));
    assert_int_equal(bell_str_trim(BELL_STR(" \t ")).len, 0);
    assert_int_equal(bell_str_trim(BELL_STR_NULL).len, 0);
    /* only spaces and tabs: a line end inside of a header is not white space */
    assert_true(bell_str_eq(bell_str_trim(BELL_STR("a\r\n")), BELL_STR("a\r\n")));
}

static void numbers(void **state) {
    static const struct {
        const char *text;
        uint64_t max;
        bool good;
        uint64_t value;
    } rows[] = {
        {"0", 10, true, 0},
        {"10", 10, true, 10},
        {"11", 10, false, 0},
        {"007", 10, true, 7},
        {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, false, 0},
        {"99999999999999999999999", UINT64_MAX, false, 0},
        {"", 10, false, 0},
        {"+1", 10, false, 0},
        {"-1", 10, false, 0},
        {" 1", 10, false, 0},
        {"1 ", 10, false, 0},
        {"0x1", 10, false, 0},
        {"1.0", 10, false, 0},
        {"1/", 10, false, 0},
        {"1:", 10, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        uint64_t v = 0;

        assert_row(bell_str_to_u64(bell_str_of(rows[i].text), rows[i].max, &v) == rows[i].good, rows[i].text);
        assert_row(v == rows[i].value, rows[i].text);
    }
    assert_false(bell_str_to_u64((bell_str){"1\0", 2}, 10, &(uint64_t){0}));
}

static void utf8(void **state) {
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        {"", true},
        {"plain text that is longer than eight bytes", true},
        {"\x7F", true},
        {"\xC3\xA4", true},
        {"12345678\xC3\xA4", true},
        {"1234567\xC3\xA4", true},
        {"\xE2\x82\xAC and \xF0\x9F\x8E\x93", true},
        {"\xC2\x80\xDF\xBF", true},
        {"\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF", true},
        {"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", true},
        {"\x80", false},
        {"\xBF", false},
        {"\xC0\xAF", false},         /* overlong */
        {"\xC1\xBF", false},         /* overlong */
        {"\xE0\x9F\xBF", false},     /* overlong */
        {"\xF0\x8F\xBF\xBF", false}, /* overlong */
        {"\xED\xA0\x80", false},     /* a surrogate */
        {"\xF4\x90\x80\x80", false}, /* above U+10FFFF */
        {"\xF5\x80\x80\x80", false},
        {"\xFF", false},
        {"\xC3", false}, /* cut */
        {"\xE2\x82", false},
        {"\xF0\x9F\x8E", false},
        {"\xC3(", false},
        {"12345678\xE2\x82", false},
        {"1234567\xFF", false},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(bell_str_is_utf8(bell_str_of(rows[i].text)) == rows[i].good, rows[i].text);
    }
    assert_false(bell_str_is_utf8((bell_str){"a\0b", 3}));
    assert_false(bell_str_is_utf8((bell_str){"\0", 1}));
    assert_false(bell_str_is_utf8((bell_str){"12345678123\0", 12}));
    assert_false(bell_str_is_utf8((bell_str){"1234567\0", 8}));
    assert_true(bell_str_is_utf8(BELL_STR_NULL));
}

/* What one U+FFFD stands for: Unicode 15, table 3-8 and the examples around it. */
static void utf8_steps(void **state) {
    (void)state;
    assert_int_equal(bell_str_utf8_step("a", 1), 1);
    assert_int_equal(bell_str_utf8_step("\0", 1), 1);
    assert_int_equal(bell_str_utf8_step("\xC3\xA4", 2), 2);
    assert_int_equal(bell_str_utf8_step("\xE2\x82\xAC", 3), 3);
    assert_int_equal(bell_str_utf8_step("\xF0\x9F\x8E\x93", 4), 4);
    assert_int_equal(bell_str_utf8_step("\xF0\x9F\x8E\x93", 3), -3);
    assert_int_equal(bell_str_utf8_step("\xF0\x9F"
                                        "A",
                                        3),
                     -2);
    assert_int_equal(bell_str_utf8_step("\xE0\x80\x80", 3), -1);
    assert_int_equal(bell_str_utf8_step("\xC0\xAF", 2), -1);
    assert_int_equal(bell_str_utf8_step("\xC3", 1), -1);
}

/* The quick way over eight ASCII bytes and the slow one agree, wherever the odd byte stands. */
static void utf8_at_every_offset(void **state) {
    char text[24];

    (void)state;
    for (size_t at = 0; at < sizeof(text); at++) {
        memset(text, 'a', sizeof(text));
        assert_true(bell_str_is_utf8((bell_str){text, sizeof(text)}));
        text[at] = '\0';
        assert_false(bell_str_is_utf8((bell_str){text, sizeof(text)}));
        text[at] = (char)0x80;
        assert_false(bell_str_is_utf8((bell_str){text, sizeof(text)}));
        text[at] = 1;
        assert_true(bell_str_is_utf8((bell_str){text, sizeof(text)}));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality),
        cmocka_unit_test(equality_without_case),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(cutting),
        cmocka_unit_test(trimming),
        cmocka_unit_test(numbers),
        cmocka_unit_test(utf8),
        cmocka_unit_test(utf8_steps),
        cmocka_unit_test(utf8_at_every_offset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
