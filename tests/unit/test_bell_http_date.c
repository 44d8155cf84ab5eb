#include "bell_http_date.h"
#include "unit.h"

#define NOW_S 1795262400 /* 2026-11-21 12:00:00 */

static void written(void **state) {
    static const struct {
        int64_t unix_s;
        const char *text;
    } rows[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"}, /* RFC 9110, 5.6.7 */
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {1798761599, "Thu, 31 Dec 2026 23:59:59 GMT"},
        {4102444800, "Fri, 01 Jan 2100 00:00:00 GMT"},
        {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
        {253402300800, "Fri, 31 Dec 9999 23:59:59 GMT"},
        {INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"},
        {-1, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {INT64_MIN, "Thu, 01 Jan 1970 00:00:00 GMT"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char text[30];

        bell_http_date(rows[i].unix_s, text);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(strlen(text), 29);
    }
}

static void read_dates(void **state) {
    static const struct {
        const char *text;
        int64_t unix_s;
    } rows[] = {
        /* RFC 9110, 5.6.7: one moment in three forms */
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
        {"Sun Nov  6 08:49:37 1994", 784111777},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Wed, 31 Dec 1969 23:59:59 GMT", -1},
        {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
        {"Sat, 01 Jan 0000 00:00:00 GMT", -62167219200},
        {"Tue, 29 Feb 2000 00:00:00 GMT", 951782400},
        {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
        /* the public suite's group expires-parse */
        {"Tue, 19 Jan 2038 14:14:08 GMT", 2147523248},
        {"Sun, 21 Nov 2286 04:46:39 GMT", 10000039599},
        {"Thursday, 18-Aug-50 02:01:18 GMT", 2544400878},
        {"Thu Aug  8 02:01:18 2050", 2543536878}, /* it was a Monday */
        {"Thu Aug 18 02:01:18 2050", 2544400878},
        {"THU, 18 Aug 2050 02:01:18 GMT", 2544400878},
        {"Thu, 18 AUG 2050 02:01:18 GMT", 2544400878},
        {"Thu, 18 Aug 2050 02:01:18 gMT", 2544400878},
        {"THURSDAY, 18-aug-50 02:01:18 gmt", 2544400878},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        int64_t unix_s = 12345;

        assert_row(bell_http_date_parse(bell_str_of(rows[i].text), NOW_S, &unix_s), rows[i].text);
        assert_int_equal(unix_s, rows[i].unix_s);
    }
}

static void refused(void **state) {
    static const char *const rows[] = {
        "",
        "0",
        "-1",
        "foo",
        /* the public suite's group expires-parse */
        "Thu, 18 Aug 2050 02:01:18 UTC",
        "Thu, 18 Aug 2050 02:01:18 AEST",
        "Thu, 18 Aug 50 02:01:18 GMT",
        "Thu 18 Aug 2050 02:01:18 GMT",
        "Thu, 18  Aug  2050 02:01:18 GMT",
        "Thu, 18-Aug-2050 02:01:18 GMT",
        "Thu, 18 Aug 2050 02.01.18 GMT",
        "Thu, 18 Aug 2050 2:01:18 GMT",
        "Thu, 18 Aug 2050 2:01:18 GMT, Thu, 18 Aug 2050 2:01:19 GMT",
        /* numbers that no clock and no calendar shows */
        "Thu, 18 Aug 2050 24:00:00 GMT",
        "Thu, 18 Aug 2050 23:60:00 GMT",
        "Thu, 18 Aug 2050 23:59:61 GMT",
        "Thu, 00 Aug 2050 02:01:18 GMT",
        "Thu, 32 Aug 2050 02:01:18 GMT",
        "Thu, 31 Sep 2050 02:01:18 GMT",
        "Thu, 29 Feb 2050 02:01:18 GMT",
        "Thu, 29 Feb 2100 02:01:18 GMT",
        "Thu, +8 Aug 2050 02:01:18 GMT",
        "Thu,  8 Aug 2050 02:01:18 GMT",
        "Thu, 18 Aug -050 02:01:18 GMT",
        /* names, zones and ends */
        "Day, 18 Aug 2050 02:01:18 GMT",
        "Thu, 18 Mon 2050 02:01:18 GMT",
        "hun, 18 Aug 2050 02:01:18 GMT",
        "Thu, 18 Aug 2050 02:01:18 +00",
        "Thu, 18 Aug 2050 02:01:18",
        " Thu, 18 Aug 2050 02:01:18 GMT",
        "Thu, 18 Aug 2050 02:01:18 GMT ",
        "Thu,\t18 Aug 2050 02:01:18 GMT",
        "Thurs, 18-Aug-50 02:01:18 GMT",
        "Thu, 18-Aug-50 02:01:18 GMT",
        "Thursday, 18-Aug-2050 02:01:18 GMT",
        "Thursday, 18 Aug 50 02:01:18 GMT",
        "Thursday 18-Aug-50 02:01:18 GMT",
        "Thu Aug 8 02:01:18 2050",
        "Thu Aug 08 02:01:18 50",
        "Thu Aug  8 02:01:18 2050 GMT",
        "Thu Aug 8  02:01:18 2050",
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        int64_t unix_s = 12345;

        assert_row(!bell_http_date_parse(bell_str_of(rows[i]), NOW_S, &unix_s), rows[i]);
        assert_int_equal(unix_s, 12345);
    }
}

/* RFC 9110, 5.6.7: what would be more than 50 years ahead is the most recent year in the past that ends alike. */
static void two_digits_of_a_year(void **state) {
    static const struct {
        const char *now, *text, *meant;
    } rows[] = {
        {"Sat, 21 Nov 2026 12:00:00 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT"},
        {"Sat, 21 Nov 2026 12:00:00 GMT", "Sunday, 06-Nov-76 08:49:37 GMT", "Fri, 06 Nov 2076 08:49:37 GMT"},
        {"Sat, 21 Nov 2026 12:00:00 GMT", "Sunday, 31-Dec-76 08:49:37 GMT", "Fri, 31 Dec 1976 08:49:37 GMT"},
        {"Sat, 21 Nov 2026 12:00:00 GMT", "Sunday, 06-Nov-77 08:49:37 GMT", "Sun, 06 Nov 1977 08:49:37 GMT"},
        {"Sat, 21 Nov 2026 12:00:00 GMT", "Sunday, 01-Jan-00 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 GMT"},
        {"Sat, 21 Nov 2026 12:00:00 GMT", "Sunday, 29-Feb-00 00:00:00 GMT", "Tue, 29 Feb 2000 00:00:00 GMT"},
        {"Fri, 31 Dec 1999 23:59:59 GMT", "Saturday, 01-Jan-00 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 GMT"},
        {"Fri, 31 Dec 2089 23:59:59 GMT", "Saturday, 01-Jan-10 00:00:00 GMT", "Wed, 01 Jan 2110 00:00:00 GMT"},
        {"Thu, 01 Jan 1970 00:00:00 GMT", "Saturday, 01-Jan-70 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        int64_t now_s, unix_s;
        char text[30];

        assert_true(bell_http_date_parse(bell_str_of(rows[i].now), 0, &now_s));
        assert_row(bell_http_date_parse(bell_str_of(rows[i].text), now_s, &unix_s), rows[i].text);
        bell_http_date(unix_s, text);
        assert_string_equal(text, rows[i].meant);
    }
}

/* Every day from 1970 to 2400, and a second of each: what is written is read back. */
static void back_and_forth(void **state) {
    (void)state;
    for (int64_t day = 0; day < 157000; day++) {
        int64_t at = day * 86400 + day * 7919 % 86400, back;
        char text[30];

        bell_http_date(at, text);
        assert_true(bell_http_date_parse(bell_str_of(text), NOW_S, &back));
        assert_int_equal(back, at);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written),        cmocka_unit_test(read_dates), cmocka_unit_test(refused), cmocka_unit_test(two_digits_of_a_year),
        cmocka_unit_test(back_and_forth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
