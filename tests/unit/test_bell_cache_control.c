#include "bell_cache_control.h"
#include "unit.h"

#include <stdio.h>

static const struct {
    uint32_t bit;
    const char *name;
} bit_names[] = {
    {BELL_CC_MAX_AGE, "max-age"},
    {BELL_CC_S_MAXAGE, "s-maxage"},
    {BELL_CC_STALE_WHILE_REVALIDATE, "swr"},
    {BELL_CC_STALE_IF_ERROR, "sie"},
    {BELL_CC_MIN_FRESH, "min-fresh"},
    {BELL_CC_MAX_STALE, "max-stale"},
    {BELL_CC_NO_STORE, "no-store"},
    {BELL_CC_NO_CACHE, "no-cache"},
    {BELL_CC_PRIVATE, "private"},
    {BELL_CC_PUBLIC, "public"},
    {BELL_CC_MUST_REVALIDATE, "must-revalidate"},
    {BELL_CC_PROXY_REVALIDATE, "proxy-revalidate"},
    {BELL_CC_MUST_UNDERSTAND, "must-understand"},
    {BELL_CC_NO_TRANSFORM, "no-transform"},
    {BELL_CC_IMMUTABLE, "immutable"},
    {BELL_CC_ONLY_IF_CACHED, "only-if-cached"},
};

static uint32_t number_of(const bell_cache_control *cc, const bell_cache_request *rq, uint32_t bit) {
    switch (bit) {
    case BELL_CC_MAX_AGE:
        return cc ? cc->max_age_s : rq->max_age_s;
    case BELL_CC_S_MAXAGE:
        return cc->s_maxage_s;
    case BELL_CC_STALE_WHILE_REVALIDATE:
        return cc->stale_while_revalidate_s;
    case BELL_CC_STALE_IF_ERROR:
        return cc ? cc->stale_if_error_s : rq->stale_if_error_s;
    case BELL_CC_MIN_FRESH:
        return rq->min_fresh_s;
    default:
        return rq->max_stale_s;
    }
}

/* "max-age=5 no-store [a, b]" */
static void describe(const bell_cache_control *cc, const bell_cache_request *rq, char *out, size_t cap) {
    uint32_t set = cc ? cc->set : rq->set;
    size_t n = 0;

    *out = '\0';
    for (size_t i = 0; i < ROWS(bit_names); i++) {
        if (set & bit_names[i].bit) {
            n += (size_t)snprintf(out + n, cap - n, "%s%s", n ? " " : "", bit_names[i].name);
            if (bit_names[i].bit <= BELL_CC_MAX_STALE) {
                n += (size_t)snprintf(out + n, cap - n, "=%u", number_of(cc, rq, bit_names[i].bit));
            }
        }
    }
    for (size_t i = 0; cc && i < cc->nnames; i++) {
        n += (size_t)snprintf(out + n, cap - n, "%s[%.*s]", n ? " " : "", BELL_STR_ARG(cc->names[i]));
    }
}

static void numbers(void **state) {
    static const struct {
        const char *text;
        bool good;
        uint32_t seconds;
    } rows[] = {
        {"0", true, 0},
        {"3600", true, 3600},
        {"003600", true, 3600}, /* cc-parse: leading zeros */
        {"2147483647", true, 2147483647},
        {"2147483648", true, 2147483648}, /* RFC 9111, 1.2.2 */
        {"2147483649", true, 2147483648},
        {"99999999999", true, 2147483648},
        {"99999999999999999999999999999999999", true, 2147483648},
        {"000000000000000000000000000000000000000000007", true, 7},
        {"", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
        {"1a", false, 0},
        {"99999999999999999999999999999a", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        uint32_t seconds = 0;

        assert_row(bell_delta_seconds(bell_str_of(rows[i].text), &seconds) == rows[i].good, rows[i].text);
        assert_int_equal(seconds, rows[i].seconds);
    }
}

/* Lines are parted by a newline. */
static void each_line(const char *lines, void *to, void (*add)(void *, bell_str)) {
    bell_str rest = bell_str_of(lines);

    while (rest.len > 0) {
        add(to, bell_str_cut(&rest, '\n'));
    }
}

static void add_response(void *to, bell_str line) {
    bell_cache_control_add(to, line);
}

static void add_request(void *to, bell_str line) {
    bell_cache_request_add(to, line);
}

static void responses(void **state) {
    static const struct {
        const char *lines, *read;
    } rows[] = {
        {"", ""},
        {" , ,, ", ""},
        /* RFC 9111, 5.2.2, RFC 5861, RFC 8246: every directive */
        {"max-age=1, s-maxage=2, stale-while-revalidate=3, stale-if-error=4", "max-age=1 s-maxage=2 swr=3 sie=4"},
        {"no-store,no-cache,private,public,must-revalidate,proxy-revalidate,must-understand,no-transform,immutable",
         "no-store no-cache private public must-revalidate proxy-revalidate must-understand no-transform immutable"},
        /* the suite's groups cc-freshness and cc-response: case, extensions, lines */
        {"MaX-aGe=3600", "max-age=3600"},
        {"No-StOrE", "no-store"},
        {"foobar, max-age=3600", "max-age=3600"},
        {"foo=bar, max-age=3600, min-fresh=1, only-if-cached", "max-age=3600"},
        {"max-age=3600\ns-maxage=1", "max-age=3600 s-maxage=1"},
        {"max-age=-3600", "max-age=0"},
        {"max-age=2147483649", "max-age=2147483648"},
        {"max-age=99999999999", "max-age=2147483648"},
        /* cc-parse */
        {"max-age=1800, max-age=1", "max-age=1"},
        {"max-age=1800\nmax-age=1", "max-age=1"},
        {"max-age=1, max-age=1800", "max-age=1"},
        {"max-age=1800, max-age=x", "max-age=0"},
        {"extension=\"max-age=3600\", max-age=1", "max-age=1"},
        {"max-age=1, extension=\"max-age=3600\"", "max-age=1"},
        {"extension=\"no-store, max-age=3600\"", ""},
        {"extension=\"a\\\", no-store, \\\\\", max-age=5", "max-age=5"},
        {"max-age=\"3600\"", "max-age=3600"},
        {"max-age='3600'", "max-age=0"},
        {"max-age =3600", "max-age=0"},
        {"max-age= 3600", "max-age=0"},
        {"max-age\t=\t3600", "max-age=0"},
        {"max-age=003600", "max-age=3600"},
        {"max-age=3600.0", "max-age=0"},
        {"max-age=a3600", "max-age=0"},
        {"max-age=3600a", "max-age=0"},
        {"max-age=3600 5", "max-age=0"},
        {"max-age=3600;x", "max-age=0"},
        {"max-age=\"3600\"x", "max-age=0"},
        {"max-age=", "max-age=0"},
        {"max-age", "max-age=0"},
        {"max-age=3600=3600", "max-age=0"},
        {"stale-while-revalidate=x, stale-if-error", "swr=0 sie=0"},
        {"  max-age=5\t, \tpublic  ", "max-age=5 public"},
        /* what forbids holds with an argument, what permits does not */
        {"no-store=1, must-revalidate=\"x\", proxy-revalidate=, no-transform =", "no-store must-revalidate proxy-revalidate no-transform"},
        {"public=1, immutable=\"a\", must-understand=x", ""},
        {"no-store foo", "no-store"},
        {"public foo", ""},
        {"(no-store)", ""},
        {"=5, =, \"no-store\"", ""},
        /* 5.2.2.4 and 5.2.2.7: field names */
        {"no-cache=\"a\"\nmax-age=3600", "max-age=3600 [a]"},
        {"no-cache=\"a, b\", private=\"Set-Cookie\"", "[a, b] [Set-Cookie]"},
        {"no-cache=a", "[a]"},
        {"no-cache=\" , a,, \"", "[ , a,, ]"},
        {"no-cache=\"a\", no-cache", "no-cache [a]"},
        {"no-cache=\"\"", "no-cache"},
        {"no-cache=\" , \"", "no-cache"},
        {"private=\"a b\"", "private"},
        {"private=\"a\\b\"", "private"},
        {"private=\"a\"b", "private"},
        {"private=", "private"},
        {"no-cache=\"1\", no-cache=\"2\", private=\"3\", private=\"4\", private=\"5\"", "private [1] [2] [3] [4]"},
        /* a string that does not end: what stands behind it is read, and the response needs validation */
        {"max-age=3600, extension=\"a", "max-age=3600 no-cache"},
        {"extension=\"a, no-store, max-age=5", "max-age=5 no-store no-cache"},
        {"no-cache=\"a, max-age=5", "max-age=5 no-cache"},
        {"extension=\"a\nmax-age=5", "max-age=5 no-cache"},
        {"\"\\\"\\\"\\\"", "no-cache"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_cache_control cc = {0};
        char text[300];

        each_line(rows[i].lines, &cc, add_response);
        describe(&cc, NULL, text, sizeof(text));
        assert_row(strcmp(text, rows[i].read) == 0, rows[i].lines);
    }
}

static void targeted(void **state) {
    static const struct {
        const char *line;
        bool good;
        const char *read;
    } rows[] = {
        /* the suite's group cdn-cache-control */
        {"max-age=3600", true, "max-age=3600"},
        {"max-age=2147483648", true, "max-age=2147483648"},
        {"max-age=99999999999", true, "max-age=2147483648"},
        {"max-age=0", true, "max-age=0"},
        {"foobar, max-age=3600", true, "max-age=3600"},
        {"private", true, "private"},
        {"no-cache", true, "no-cache"},
        {"no-store", true, "no-store"},
        {"max-age =100", false, ""},
        {"max-age= 100", false, ""},
        {"MaX-aGe=3600", false, ""},
        {"max-age=10000, &&&&&", false, ""},
        {"max-age=\"10000\"", true, "max-age=0"},
        {"foo", true, ""},
        /* RFC 9213, 2.1: types */
        {"max-age=60.5", true, "max-age=0"},
        {"max-age=-1", true, "max-age=0"},
        {"max-age=?1", true, "max-age=0"},
        {"max-age", true, "max-age=0"},
        {"max-age=abc, s-maxage=5", true, "max-age=0 s-maxage=5"},
        {"max-age=(1 2)", true, "max-age=0"},
        {"max-age=60;x=1, stale-while-revalidate=30, stale-if-error=5;y", true, "max-age=60 swr=30 sie=5"},
        {"no-store=?0, public=?0, no-cache=?0, private=?0", true, ""},
        {"no-store=1, private=1, no-cache=token, must-revalidate=\"\"", true, "no-store no-cache private must-revalidate"},
        {"public=1, immutable=\"x\", must-understand=(), no-transform", true, "no-transform"},
        {"no-cache=\"a, b\", private=\"c\"", true, "[a, b] [c]"},
        {"no-cache=\"\"", true, "no-cache"},
        {"no-cache=(\"a\" \"b\")", true, "no-cache"},
        /* RFC 9651, 4.2.2: the later one */
        {"max-age=5, max-age=60", true, "max-age=60"},
        {"no-store, no-store=?0", true, ""},
        {"no-store=?0, no-store", true, "no-store"},
        /* nothing, and no Dictionary */
        {"", false, ""},
        {"  ", false, ""},
        {"max-age=5,", false, ""},
        {"max-age=5 no-store", false, ""},
        {"no-store, extension=\"", false, ""},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_cache_control cc = {0};
        char text[300];

        assert_row(bell_cdn_cache_control_add(&cc, bell_str_of(rows[i].line)) == rows[i].good, rows[i].line);
        describe(&cc, NULL, text, sizeof(text));
        assert_row(strcmp(text, rows[i].read) == 0, rows[i].line);
    }
}

static void named_fields(void **state) {
    bell_cache_control cc = {0};

    (void)state;
    assert_false(bell_cache_control_names(&cc, BELL_STR("a")));
    bell_cache_control_add(&cc, BELL_STR("no-cache=\"X-Name, b\", private=c"));
    assert_true(bell_cache_control_names(&cc, BELL_STR("x-name")));
    assert_true(bell_cache_control_names(&cc, BELL_STR("B")));
    assert_true(bell_cache_control_names(&cc, BELL_STR("c")));
    assert_false(bell_cache_control_names(&cc, BELL_STR("X-Nam")));
    assert_false(bell_cache_control_names(&cc, BELL_STR("d")));
    assert_false(bell_cache_control_names(&cc, BELL_STR("")));
}

static void requests(void **state) {
    static const struct {
        const char *lines, *read;
        bool no_cache;
    } rows[] = {
        {"", "", false},
        {"max-age=0", "max-age=0", false},
        {"max-age=5, min-fresh=10, max-stale=20, stale-if-error=30", "max-age=5 sie=30 min-fresh=10 max-stale=20", false},
        {"no-cache, no-store, no-transform, only-if-cached", "no-store no-cache no-transform only-if-cached", true},
        {"No-Cache", "no-cache", true},
        {"no-cache=x", "no-cache", true},
        {"max-stale", "max-stale=2147483648", false},
        {"max-stale, max-stale=5", "max-stale=5", false},
        {"max-stale=5, max-stale", "max-stale=5", false},
        {"max-stale=x", "max-stale=0", false},
        {"max-age=60\nmax-age=5", "max-age=5", false},
        {"max-age=x", "max-age=0", false},
        {"min-fresh=60, min-fresh=5", "min-fresh=60", false},
        {"min-fresh=5, min-fresh=60", "min-fresh=60", false},
        {"min-fresh=x", "min-fresh=0", false},
        {"s-maxage=5, private, must-revalidate, stale-while-revalidate=5, public", "", false},
        {"foo=\"no-cache, no-store\"", "", false},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_cache_request rq = {0};
        char text[300];

        each_line(rows[i].lines, &rq, add_request);
        describe(NULL, &rq, text, sizeof(text));
        assert_row(strcmp(text, rows[i].read) == 0, rows[i].lines);
        assert_row(bell_cache_request_no_cache(&rq) == rows[i].no_cache, rows[i].lines);
    }
}

/* RFC 9111, 5.4 */
static void pragma(void **state) {
    static const struct {
        const char *pragma, *cache_control;
        bool no_cache;
    } rows[] = {
        {"no-cache", NULL, true},  {"No-Cache", NULL, true},          {"foo, no-cache", NULL, true},     {"unrecognised-extension", NULL, false},
        {"", NULL, false},         {"foo=\"no-cache\"", NULL, false}, {"no-cache", "max-age=60", false}, {"no-cache", "", false},
        {"foo", "no-cache", true},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_cache_request rq = {0};

        bell_cache_request_add_pragma(&rq, bell_str_of(rows[i].pragma));
        if (rows[i].cache_control) {
            bell_cache_request_add(&rq, bell_str_of(rows[i].cache_control));
        }
        assert_row(bell_cache_request_no_cache(&rq) == rows[i].no_cache, rows[i].pragma);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),      cmocka_unit_test(responses), cmocka_unit_test(targeted),
        cmocka_unit_test(named_fields), cmocka_unit_test(requests),  cmocka_unit_test(pragma),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
