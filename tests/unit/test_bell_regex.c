#include "bell_regex.h"

#include <stdlib.h>

#include "unit.h"

static void patterns_match_the_whole_text_or_a_part(void **state) {
    static const struct {
        const char *pattern, *text;
        int whole, search;
    } rows[] = {
        {"", "", 1, 1},
        {"", "a", 0, 1},
        {"a", "a", 1, 1},
        {"a", "b", 0, 0},
        {"a", "ab", 0, 1},
        {"b", "ab", 0, 1},
        {"a|ab", "ab", 1, 1}, /* the first branch alone would not reach the end */
        {"^a$", "a\n", 0, 0},
        {"a", "a\n", 0, 1},
        {"a$", "a", 1, 1},
        {"http://cdni\\.example/foo/bar/[0-9]{3}\\.png", "http://cdni.example/foo/bar/042.png", 1, 1},
        {"http://cdni\\.example/foo/bar/[0-9]{3}\\.png", "http://cdniXexample/foo/bar/042.png", 0, 0},
        {"http://cdni\\.example/foo/bar/[0-9]{3}\\.png", "http://cdni.example/foo/bar/0421.png", 0, 0},
        {"https?://[^/]+/hls/.*", "https://a/hls/x?y=z", 1, 1},
        {"[[:alpha:]]+", "abc", 1, 1},
        {"[[:alpha:]]+", "ab1", 0, 1},
        {".", "\xc3\xa4", 0, 1}, /* bytes */
        {"(?i)HLS", "hls", 1, 1},
        {"HLS", "hls", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(bell_regex_matches(bell_str_of(rows[i].pattern), bell_str_of(rows[i].text), false) == rows[i].whole, rows[i].pattern);
        assert_row(bell_regex_matches(bell_str_of(rows[i].pattern), bell_str_of(rows[i].text), true) == rows[i].search, rows[i].pattern);
    }
}

static void what_is_no_expression(void **state) {
    static const char *const rows[] = {"(", ")", "[", "a{2,1}", "*", "\\", "(*UTF)a", "(*UCP)a", "\\C", "(?<n", "(*ACCEPT", "[[:none:]]"};
    char deep[2 * (BELL_REGEX_DEPTH + 1) + 1], wide[BELL_REGEX_PATTERN_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(bell_regex_matches(bell_str_of(rows[i]), BELL_STR("a"), true) == -1, rows[i]);
    }
    memset(deep, '(', BELL_REGEX_DEPTH + 1);
    memset(deep + BELL_REGEX_DEPTH + 1, ')', BELL_REGEX_DEPTH + 1);
    deep[sizeof(deep) - 1] = '\0';
    assert_int_equal(bell_regex_matches(bell_str_of(deep), BELL_STR("a"), true), -1);
    assert_int_equal(bell_regex_matches((bell_str){deep + 1, sizeof(deep) - 3}, BELL_STR("a"), true), 1);
    memset(wide, 'a', sizeof(wide));
    assert_int_equal(bell_regex_matches((bell_str){wide, sizeof(wide)}, BELL_STR("a"), true), -1);
    assert_int_equal(bell_regex_matches((bell_str){wide, sizeof(wide) - 1}, (bell_str){wide, sizeof(wide) - 1}, false), 1);
}

/* Each of these would run for years without bounds. */
static void what_takes_too_long_is_no_match(void **state) {
    static const char *const rows[] = {"(a+)+b", "(a|a)*b", "(a*)*b", "(.*)*(.*)*(.*)*b", "((a?){100}){100}b", "(?:a+a+)+b"};
    char text[8192];

    (void)state;
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(bell_regex_matches(bell_str_of(rows[i]), (bell_str){text, sizeof(text)}, false) != 1, rows[i]);
        assert_row(bell_regex_matches(bell_str_of(rows[i]), (bell_str){text, 64}, true) != 1, rows[i]);
    }
    assert_int_equal(bell_regex_matches(BELL_STR(".*"), (bell_str){text, sizeof(text)}, false), 1);
    assert_int_equal(bell_regex_matches(BELL_STR("(a|b)*"), (bell_str){text, sizeof(text)}, false), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_the_whole_text_or_a_part),
        cmocka_unit_test(what_is_no_expression),
        cmocka_unit_test(what_takes_too_long_is_no_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
