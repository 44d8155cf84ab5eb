/* Ranges: what is asked for, what there is of it, and what a 206 says of itself. Numbers of sections are those of RFC 9110. */
#include "bell_range.h"
#include "unit.h"

#define END ((uint64_t)BELL_RANGE_BYTES_MAX)

static void reads_what_is_asked_for(void **state) {
    static const struct {
        const char *value;
        bool is_one;
        bell_range_wish wish;
    } rows[] = {
        {"bytes=0-0", true, {false, 0, 0}},
        {"bytes=2-5", true, {false, 2, 5}},
        {"bytes=7-", true, {false, 7, END}},
        {"bytes=-3", true, {true, 0, 3}},
        {"bytes=-0", true, {true, 0, 0}},
        {"BYTES=1-2", true, {false, 1, 2}},
        {"bytes=0-9223372036854775807", true, {false, 0, END}},
        {"bytes=0-9223372036854775808", false, {0}},
        {"bytes=18446744073709551616-", false, {0}},
        {"bytes=5-2", false, {0}},
        {"bytes=0-1,4-5", false, {0}},
        {"bytes=0-1,", false, {0}},
        {"bytes=1", false, {0}},
        {"bytes=-", false, {0}},
        {"bytes=--1", false, {0}},
        {"bytes=+1-2", false, {0}},
        {"bytes=0x1-2", false, {0}},
        {"bytes=1-2-3", false, {0}},
        {"bytes = 1-2", false, {0}},
        {"bytes= 1-2", false, {0}},
        {"bytes=1 -2", false, {0}},
        {"lines=1-2", false, {0}},
        {"bytes", false, {0}},
        {"bytes=", false, {0}},
        {"", false, {0}},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_range_wish wish;
        bool is_one = bell_range_read(bell_str_of(rows[i].value), &wish);
        assert_row(is_one == rows[i].is_one, rows[i].value);
        if (is_one) {
            assert_row(wish.is_suffix == rows[i].wish.is_suffix && wish.first == rows[i].wish.first && wish.last == rows[i].wish.last, rows[i].value);
        }
    }
}

static void resolves_it(void **state) {
    static const struct {
        const char *value;
        uint64_t bytes;
        bool is_there;
        bell_range range;
    } rows[] = {
        {"bytes=2-5", 10, true, {2, 5}},  {"bytes=2-99", 10, true, {2, 9}},      {"bytes=9-", 10, true, {9, 9}},
        {"bytes=10-", 10, false, {0, 0}}, {"bytes=-3", 10, true, {7, 9}},        {"bytes=-10", 10, true, {0, 9}},
        {"bytes=-99", 10, true, {0, 9}},  {"bytes=-0", 10, false, {0, 0}},       {"bytes=0-", 0, false, {0, 0}},
        {"bytes=-1", 0, false, {0, 0}},   {"bytes=0-", END, true, {0, END - 1}}, {"bytes=-1", END, true, {END - 1, END - 1}},
        {"bytes=0-0", 1, true, {0, 0}},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_range_wish wish;
        bell_range range;
        assert_row(bell_range_read(bell_str_of(rows[i].value), &wish), rows[i].value);
        assert_row(bell_range_resolve(&wish, rows[i].bytes, &range) == rows[i].is_there, rows[i].value);
        if (rows[i].is_there) {
            assert_row(range.first == rows[i].range.first && range.last == rows[i].range.last, rows[i].value);
        }
    }
}

static void reads_content_range(void **state) {
    static const struct {
        const char *value;
        bool is_good;
        bell_range range;
        uint64_t complete;
    } rows[] = {
        {"bytes 0-4/10", true, {0, 4}, 10},
        {"bytes 9-9/10", true, {9, 9}, 10},
        {"Bytes 0-0/1", true, {0, 0}, 1},
        {"bytes 4-10/10", false, {0, 0}, 0}, /* 14.4: past the complete length */
        {"bytes 5-4/10", false, {0, 0}, 0},
        {"bytes 0-4/*", false, {0, 0}, 0},
        {"bytes */10", false, {0, 0}, 0},
        {"bytes 0-0/0", false, {0, 0}, 0},
        {"bytes=0-4/10", false, {0, 0}, 0},
        {"bytes  0-4/10", false, {0, 0}, 0},
        {"bytes 0-4", false, {0, 0}, 0},
        {"bytes 0-4/", false, {0, 0}, 0},
        {"bytes -4/10", false, {0, 0}, 0},
        {"bytes 0-/10", false, {0, 0}, 0},
        {"bytes 0-4/10/11", false, {0, 0}, 0},
        {"bytes 0-4/9223372036854775808", false, {0, 0}, 0},
        {"lines 0-4/10", false, {0, 0}, 0},
        {"bytes", false, {0, 0}, 0},
        {"bytes 0-4/10, bytes 5-9/10", false, {0, 0}, 0},
        {"", false, {0, 0}, 0},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_range range;
        uint64_t complete;
        bool is_good = bell_content_range_read(bell_str_of(rows[i].value), &range, &complete);
        assert_row(is_good == rows[i].is_good, rows[i].value);
        if (is_good) {
            assert_row(range.first == rows[i].range.first && range.last == rows[i].range.last && complete == rows[i].complete, rows[i].value);
        }
    }
}

static void knows_a_part(void **state) {
    static const struct {
        const char *why;
        bell_range range;
        uint64_t complete;
        int64_t body_bytes;
        bool is_part;
    } rows[] = {
        {"all of it", {16, 31}, 100, 16, true},
        {"the last one", {16, 20}, 21, 5, true},
        {"one byte", {16, 16}, 17, 1, true},
        {"shorter than there is", {16, 20}, 100, 5, false},
        {"longer than was asked for", {16, 32}, 100, 17, false},
        {"another beginning", {15, 31}, 100, 17, false},
        {"a body that is shorter", {16, 31}, 100, 15, false},
        {"a body that is longer", {16, 31}, 100, 17, false},
        {"a body without a length", {16, 31}, 100, -1, false},
        {"no body", {16, 31}, 100, 0, false},
        {"behind the end", {16, 15}, 16, 0, false},
        {"of nothing", {16, 31}, 0, 16, false},
    };
    const bell_range part = bell_range_part(20, 16);

    (void)state;
    assert_true(part.first == 16 && part.last == 31);
    assert_int_equal(bell_range_part(15, 16).first, 0);
    assert_int_equal(bell_range_part(32, 16).first, 32);
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(bell_range_is_part(&rows[i].range, rows[i].complete, rows[i].body_bytes, &part) == rows[i].is_part, rows[i].why);
    }
}

static void writes_what_is_read(void **state) {
    const bell_range longest = {END - 2, END - 1};
    char out[BELL_RANGE_TEXT];
    bell_range range;
    bell_range_wish wish;
    uint64_t complete;

    (void)state;
    assert_true(bell_str_eq((bell_str){out, bell_range_write(&(bell_range){2, 5}, out)}, BELL_STR("bytes=2-5")));
    assert_true(bell_str_eq((bell_str){out, bell_content_range_write(&(bell_range){2, 5}, 10, out)}, BELL_STR("bytes 2-5/10")));
    assert_true(bell_str_eq((bell_str){out, bell_content_range_write(NULL, 10, out)}, BELL_STR("bytes */10")));
    assert_true(bell_range_read((bell_str){out, bell_range_write(&longest, out)}, &wish) && wish.first == END - 2 && wish.last == END - 1);
    assert_true(bell_content_range_read((bell_str){out, bell_content_range_write(&longest, END, out)}, &range, &complete));
    assert_true(range.first == END - 2 && range.last == END - 1 && complete == END);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_is_asked_for), cmocka_unit_test(resolves_it),
        cmocka_unit_test(reads_content_range),     cmocka_unit_test(knows_a_part),
        cmocka_unit_test(writes_what_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
