#include "bell_http.h"
#include "unit.h"

static void reasons(void **state) {
    (void)state;
    assert_string_equal(bell_http_reason(200), "OK");
    assert_string_equal(bell_http_reason(404), "Not Found");
    assert_string_equal(bell_http_reason(505), "HTTP Version Not Supported");
    assert_string_equal(bell_http_reason(299), "Unknown");
    assert_string_equal(bell_http_reason(0), "Unknown");
}

static void ranges(void **state) {
    static const struct {
        const char *value;
        uint64_t size;
        int verdict;
        uint64_t first, last;
    } rows[] = {
        {"bytes=0-0", 100, 1, 0, 0},
        {"bytes=0-99", 100, 1, 0, 99},
        {"bytes=0-100", 100, 1, 0, 99},
        {"bytes=99-", 100, 1, 99, 99},
        {"bytes=0-", 100, 1, 0, 99},
        {"bytes=10-19", 100, 1, 10, 19},
        {"Bytes=10-19", 100, 1, 10, 19},
        {"bytes=-1", 100, 1, 99, 99},
        {"bytes=-100", 100, 1, 0, 99},
        {"bytes=-101", 100, 1, 0, 99},
        {"bytes=0-99999999999999999999999", 100, 1, 0, 99},
        {"bytes=-99999999999999999999999", 100, 1, 0, 99},
        {"bytes=0-18446744073709551615", UINT64_MAX, 1, 0, UINT64_MAX - 1},
        {"bytes=100-", 100, -1, 0, 0},
        {"bytes=100-200", 100, -1, 0, 0},
        {"bytes=99999999999999999999999-", 100, -1, 0, 0},
        {"bytes=-0", 100, -1, 0, 0},
        {"bytes=0-", 0, -1, 0, 0},
        {"bytes=0-0", 0, -1, 0, 0},
        {"bytes=-0", 0, -1, 0, 0},
        {"bytes=-5", 0, 0, 0, 0},
        {"", 100, 0, 0, 0},
        {"bytes", 100, 0, 0, 0},
        {"bytes=", 100, 0, 0, 0},
        {"bytes=-", 100, 0, 0, 0},
        {"bytes=5", 100, 0, 0, 0},
        {"bytes=5-4", 100, 0, 0, 0},
        {"bytes=a-b", 100, 0, 0, 0},
        {"bytes=0-9,20-29", 100, 0, 0, 0},
        {"bytes=0-9,", 100, 0, 0, 0},
        {"bytes=0--9", 100, 0, 0, 0},
        {"bytes=--9", 100, 0, 0, 0},
        {"bytes=+0-9", 100, 0, 0, 0},
        {"bytes= 0-9", 100, 0, 0, 0},
        {"bytes =0-9", 100, 0, 0, 0},
        {"bytes=0-9 ", 100, 0, 0, 0},
        {"bytes=0x1-9", 100, 0, 0, 0},
        {"items=0-9", 100, 0, 0, 0},
        {"bytes:0-9", 100, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        uint64_t first = 0, last = 0;

        assert_row(bell_http_range(bell_str_of(rows[i].value), rows[i].size, &first, &last) == rows[i].verdict, rows[i].value);
        assert_row(first == rows[i].first && last == rows[i].last, rows[i].value);
    }
}

static void cookies(void **state) {
    static const struct {
        const char *header, *value; /* NULL: absent or ambiguous */
    } rows[] = {
        {"s=1", "1"},
        {"s=1; t=2", "1"},
        {"t=2; s=1", "1"},
        {"t=2;s=1", "1"},
        {" s=1 ;", "1"},
        {"s=", ""},
        {"t=; s=", ""},
        {"s=a=b", "a=b"},
        {"s=\"q\"", "\"q\""},
        {"S=2; s=1", "1"},
        {"xs=2; sx=3; s=1", "1"},
        {"t=s=2; s=1", "1"},
        {"", NULL},
        {";;;", NULL},
        {"s", NULL},
        {"t=2", NULL},
        {"S=1", NULL},
        {"s =1", NULL},
        {"s=1; s=2", NULL},
        {"s=1; s=1", NULL},
        {"s=1; t=2; s=", NULL},
        {"s=; s=; s=", NULL},
        {"s=1,s=2", "1,s=2"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_str value = bell_http_cookie(bell_str_of(rows[i].header), BELL_STR("s"));

        assert_row((value.p != NULL) == (rows[i].value != NULL), rows[i].header);
        if (rows[i].value != NULL) {
            assert_row(bell_str_eq(value, bell_str_of(rows[i].value)), rows[i].header);
        }
    }
    assert_null(bell_http_cookie(BELL_STR_NULL, BELL_STR("s")).p);
    assert_true(
        bell_str_eq(bell_http_cookie(BELL_STR("__Host-bell_session=e30.e30.x; a=b"), BELL_STR("__Host-bell_session")), BELL_STR("e30.e30.x")));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reasons), cmocka_unit_test(ranges), cmocka_unit_test(cookies)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
