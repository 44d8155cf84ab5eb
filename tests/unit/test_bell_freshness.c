#include "bell_freshness.h"
#include "response.h"
#include "unit.h"

#define DAY_S 86400

/* An operator's usual choice. */
static const bell_cache_policy usual = {.heuristic_max_s = DAY_S, .default_swr_s = 0, .default_sie_s = 60, .stale_max_s = DAY_S};

/* Fresh when it came, with what lifetime and age. The names of the public suite's tests stand beside their rows. */
static void lifetime_and_age(void **state) {
    static const struct {
        unsigned status;
        const char *fields;
        uint32_t lifetime_s, age_s;
    } rows[] = {
        /* RFC 9111, 4.2.1: the order of what is explicit; cc-freshness */
        {200, "", 0, 0},
        {200, "Cache-Control: max-age=3600", 3600, 0},
        {200, "Cache-Control: max-age=2147483649", 2147483648, 0},
        {200, "Cache-Control: max-age=3600\nAge: 7200\nDate: @0", 3600, 7200},    /* freshness-max-age-age */
        {200, "Cache-Control: max-age=3600\nDate: @-7200", 3600, 7200},           /* freshness-max-age-date */
        {200, "Cache-Control: max-age=3600\nExpires: @-7200\nDate: @0", 3600, 0}, /* freshness-max-age-expires */
        {200, "Cache-Control: max-age=3600\nExpires: 0\nDate: @0", 3600, 0},      /* freshness-max-age-expires-invalid */
        {200, "Expires: @3600\nCache-Control: max-age=0\nDate: @0", 0, 0},        /* freshness-max-age-0-expires */
        {200, "Cache-Control: max-age=3600\nCache-Control: s-maxage=1", 1, 0},    /* …-s-maxage-shared-longer-multiple */
        {200, "Cache-Control: max-age=1, s-maxage=3600", 3600, 0},                /* …-s-maxage-shared-shorter */
        {200, "Expires: @-10\nCache-Control: max-age=0, s-maxage=3600", 3600, 0}, /* …-s-maxage-shared-shorter-expires */
        {200, "Cache-Control: max-age=3600, s-maxage=x", 0, 0},
        {599, "Cache-Control: max-age=3600", 3600, 0},
        /* expires, expires-parse */
        {200, "Expires: @2592000\nDate: @0", 2592000, 0},
        {200, "Expires: @-2592000\nDate: @0", 0, 0},
        {200, "Expires: @0\nDate: @0", 0, 0},
        {200, "Expires: @300\nDate: @400", 0, 0}, /* freshness-expires-old-date */
        {200, "Expires: 0\nDate: @0", 0, 0},      /* freshness-expires-invalid */
        {200, "Expires: @10\nDate: foo", 10, 0},  /* freshness-expires-invalid-date */
        {200, "Expires: @10", 10, 0},
        {200, "Expires: @10\nDate: @-10\nAge: 25", 20, 25},                                       /* freshness-expires-age-slow-date */
        {200, "Expires: @20\nDate: @10\nAge: 15", 10, 15},                                        /* freshness-expires-age-fast-date */
        {200, "Expires: Sun, 21 Nov 2286 04:46:39 GMT\nDate: @0", 2147483648, 0},                 /* freshness-expires-far-future */
        {200, "Expires: Thu, 18 Aug 2050 02:01:18 UTC\nDate: @0\nLast-Modified: @-100000", 0, 0}, /* no guess beside a bad Expires */
        {200, "Expires: @20\nExpires: @20", 20, 0},
        {200, "Expires: @20\nExpires: @30", 0, 0},
        {200, "Expires: @20\nExpires: x", 0, 0},
        {200, "Expires: x\nExpires: @20", 0, 0},
        /* age-parse */
        {200, "Cache-Control: max-age=9\nAge: abc", 9, 0},
        {200, "Cache-Control: max-age=9\nAge: -7200", 9, 0},
        {200, "Cache-Control: max-age=9\nAge: 7200.0", 9, 0},
        {200, "Cache-Control: max-age=9\nAge: 2147483647", 9, 2147483647},
        {200, "Cache-Control: max-age=9\nAge: 2147483648", 9, 2147483648},
        {200, "Cache-Control: max-age=9\nAge: 2147483649", 9, 2147483648},
        {200, "Cache-Control: max-age=9\nAge: 99999999999999999999999", 9, 2147483648},
        {200, "Cache-Control: max-age=9\nAge: 7200, 0", 9, 7200},
        {200, "Cache-Control: max-age=9\nAge: 0, 7200", 9, 0},
        {200, "Cache-Control: max-age=9\nAge: 7200\nAge: 0", 9, 7200},
        {200, "Cache-Control: max-age=9\nAge: 0\nAge: 7200", 9, 0},
        {200, "Cache-Control: max-age=9\nAge: x\nAge: 7200", 9, 0},
        {200, "Cache-Control: max-age=9\nAge: 7200;foo=bar", 9, 0},
        {200, "Cache-Control: max-age=9\nAge:", 9, 0},
        /* 4.2.3: a Date ahead of our clock gives no negative age; of two Dates the first counts */
        {200, "Cache-Control: max-age=9\nDate: @100", 9, 0},
        {200, "Cache-Control: max-age=9\nDate: @-5\nAge: 3", 9, 5},
        {200, "Cache-Control: max-age=9\nDate: @-3\nAge: 5", 9, 5},
        {200, "Cache-Control: max-age=9\nDate: @-5\nDate: @-50", 9, 5},
        /* 4.2.2, heuristic */
        {200, "Last-Modified: @-86400\nDate: @0", 8640, 0},
        {200, "Last-Modified: @-86400", 8640, 0},
        {200, "Last-Modified: @-5\nDate: @0", 0, 0},
        {200, "Last-Modified: @-600\nDate: @-500", 10, 500},
        {200, "Last-Modified: @500\nDate: @0", 0, 0},
        {200, "Last-Modified: @-8640000\nDate: @0", DAY_S, 0},
        {200, "Last-Modified: x\nDate: @0", 0, 0},
        {200, "Last-Modified: @-86400\nCache-Control: max-age=0", 0, 0},
        {200, "Last-Modified: @-86400\nPragma: no-cache", 8640, 0},
        {201, "Last-Modified: @-86400", 0, 0},
        {202, "Last-Modified: @-86400", 0, 0},
        {203, "Last-Modified: @-86400", 8640, 0},
        {204, "Last-Modified: @-86400", 8640, 0},
        {403, "Last-Modified: @-86400", 0, 0},
        {404, "Last-Modified: @-86400", 8640, 0},
        {405, "Last-Modified: @-86400", 8640, 0},
        {410, "Last-Modified: @-86400", 8640, 0},
        {414, "Last-Modified: @-86400", 8640, 0},
        {501, "Last-Modified: @-86400", 8640, 0},
        {502, "Last-Modified: @-86400", 0, 0},
        {503, "Last-Modified: @-86400", 0, 0},
        {504, "Last-Modified: @-86400", 0, 0},
        {599, "Last-Modified: @-86400", 0, 0},
        {599, "Last-Modified: @-86400\nCache-Control: public", 8640, 0},
        /* RFC 9213, cdn-cache-control */
        {200, "CDN-Cache-Control: max-age=3600", 3600, 0},
        {200, "CDN-Cache-Control: max-age=3600\nAge: 7200\nDate: @0", 3600, 7200},
        {200, "CDN-Cache-Control: max-age=0\nExpires: @10000\nDate: @0", 0, 0},
        {200, "CDN-Cache-Control: max-age=3600\nExpires: @-10000\nDate: @0", 3600, 0},
        {200, "CDN-Cache-Control: max-age=3600\nCache-Control: max-age=1", 3600, 0},
        {200, "CDN-Cache-Control: max-age=1\nCache-Control: max-age=3600", 1, 0},
        {200, "CDN-Cache-Control: max-age=1\nCache-Control: s-maxage=3600", 1, 0},
        {200, "CDN-Cache-Control: max-age =100\nCache-Control: max-age=1", 1, 0},
        {200, "CDN-Cache-Control: max-age=100, &&&&&\nExpires: @7", 7, 0},
        {200, "CDN-Cache-Control: max-age=100\nCDN-Cache-Control: &\nCache-Control: max-age=1", 1, 0},
        {200, "CDN-Cache-Control: public\nCDN-Cache-Control: max-age=100\nCache-Control: max-age=1", 100, 0},
        {200, "CDN-Cache-Control:\nCache-Control: max-age=1", 1, 0},
        {200, "CDN-Cache-Control: max-age=100\nCDN-Cache-Control:", 100, 0},
        {200, "Surrogate-Control: max-age=3600\nCache-Control: max-age=1", 3600, 0},
        {200, "Surrogate-Control: max-age=3600, content=\"ESI/1.0\"\nExpires: @7", 3600, 0},
        {200, "Surrogate-Control: max-age=3600\nCDN-Cache-Control: max-age=60\nCache-Control: max-age=1", 60, 0},
        {200, "CDN-Cache-Control: &\nSurrogate-Control: max-age=3600\nCache-Control: max-age=1", 3600, 0},
        {200, "Surrogate-Control: max-age=30+60\nCache-Control: max-age=1", 1, 0},
        {200, "CDN-Cache-Control: foo\nCache-Control: max-age=10000\nExpires: @10000", 0, 0},
        {200, "CDN-Cache-Control: foo\nExpires: @10000\nLast-Modified: @-100", 10, 0},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_response_meta m = response(rows[i].status, rows[i].fields);
        bool heuristic;

        assert_row(bell_freshness_lifetime_s(&m, &usual, &heuristic) == rows[i].lifetime_s, rows[i].fields);
        assert_row(bell_freshness_initial_age_s(&m) == rows[i].age_s, rows[i].fields);
    }
}

/* RFC 9111, 4.2.3: the time on the way counts, since Age was true when the answer left. */
static void the_way_counts(void **state) {
    static const struct {
        int64_t asked_s; /* before the answer came */
        const char *fields;
        uint32_t age_s;
    } rows[] = {
        {0, "Age: 10", 10},
        {5, "Age: 10", 15},
        {5, "", 5},
        {5, "Date: @-20\nAge: 10", 20},
        {5, "Date: @-20", 20},
        {-5, "Age: 10", 10},
        {5, "Age: x", 5},
        {INT64_C(3000000000), "Age: 10", 2147483648},
        {5, "Age: 2147483645", 2147483648},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_response_meta m = response(200, rows[i].fields);

        m.request_time_s = NOW_S - rows[i].asked_s;
        assert_row(bell_freshness_initial_age_s(&m) == rows[i].age_s, rows[i].fields);
    }
}

static void the_operators_lifetime(void **state) {
    static const bell_cache_policy with_default = {.default_ttl_s = 30, .heuristic_max_s = DAY_S};
    static const bell_cache_policy no_guess = {.default_ttl_s = 30}, strictest = {0};
    static const struct {
        const bell_cache_policy *policy;
        unsigned status;
        const char *fields;
        uint32_t lifetime_s;
        bool heuristic;
    } rows[] = {
        {&with_default, 200, "", 30, true},
        {&with_default, 200, "Last-Modified: @-1000", 100, true},
        {&with_default, 200, "Cache-Control: max-age=5", 5, false},
        {&with_default, 200, "Cache-Control: max-age=0", 0, false},
        {&with_default, 200, "Expires: x", 0, false},
        {&with_default, 302, "", 0, true},
        {&with_default, 302, "Cache-Control: public", 30, true},
        {&no_guess, 200, "Last-Modified: @-1000", 30, true},
        {&strictest, 200, "Last-Modified: @-1000", 0, true},
        {&strictest, 200, "", 0, true},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_response_meta m = response(rows[i].status, rows[i].fields);
        bool heuristic;

        assert_row(bell_freshness_lifetime_s(&m, rows[i].policy, &heuristic) == rows[i].lifetime_s, rows[i].fields);
        assert_row(heuristic == rows[i].heuristic, rows[i].fields);
    }
}

/* The windows, and what allows none. */
static void windows(void **state) {
    static const bell_cache_policy generous = {.default_swr_s = 20, .default_sie_s = 60, .stale_max_s = 100},
                                   never = {.default_swr_s = 20, .default_sie_s = 60};
    static const struct {
        const bell_cache_policy *policy;
        const char *fields;
        uint32_t swr_s, sie_s;
        unsigned flags;
    } rows[] = {
        {&generous, "Cache-Control: max-age=5", 20, 60, 0},
        {&generous, "Cache-Control: max-age=5, stale-while-revalidate=7, stale-if-error=9", 7, 9, 0},
        {&generous, "Cache-Control: max-age=5, stale-while-revalidate=0, stale-if-error=0", 0, 0, 0},
        {&generous, "Cache-Control: max-age=5, stale-while-revalidate=700, stale-if-error=900", 100, 100, 0},
        {&generous, "Cache-Control: max-age=5, stale-while-revalidate=x, stale-if-error", 0, 0, 0},
        {&generous, "Cache-Control: max-age=0", 0, 60, 0},
        {&generous, "Cache-Control: max-age=0, stale-while-revalidate=7", 7, 60, 0},
        {&generous, "CDN-Cache-Control: max-age=5\nCache-Control: no-store, stale-if-error=9", 20, 60, 0},
        {&generous, "CDN-Cache-Control: max-age=5, stale-if-error=9\nCache-Control: must-revalidate", 20, 9, 0},
        {&never, "Cache-Control: max-age=5, stale-while-revalidate=7, stale-if-error=9", 0, 0, 0},
        {&generous, "Cache-Control: max-age=5, stale-while-revalidate=7, stale-if-error=9, must-revalidate", 0, 0, BELL_TIMES_NEVER_STALE},
        {&generous, "Cache-Control: max-age=5, stale-while-revalidate=7, stale-if-error=9, proxy-revalidate", 0, 0, BELL_TIMES_NEVER_STALE},
        {&generous, "Cache-Control: s-maxage=5, stale-while-revalidate=7, stale-if-error=9", 0, 0, BELL_TIMES_NEVER_STALE},
        {&generous, "Cache-Control: max-age=5, stale-while-revalidate=7, stale-if-error=9, no-cache", 0, 0, BELL_TIMES_NO_CACHE},
        {&generous, "Cache-Control: max-age=5, no-cache=\"a\"", 20, 60, 0},
        {&generous, "Cache-Control: max-age=5, extension=\"", 0, 0, BELL_TIMES_NO_CACHE},
        {&generous, "Cache-Control: max-age=5, immutable", 20, 60, BELL_TIMES_IMMUTABLE},
        {&generous, "Cache-Control: max-age=5\nETag: \"a\"", 20, 60, BELL_TIMES_VALIDATOR},
        {&generous, "Cache-Control: max-age=5\nLast-Modified: @-5", 20, 60, BELL_TIMES_VALIDATOR},
        {&generous, "Cache-Control: max-age=5\nLast-Modified: x\nETag:", 20, 60, 0},
        {&generous, "", 0, 60, BELL_TIMES_HEURISTIC},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_response_meta m = response(200, rows[i].fields);
        bell_freshness_times t = bell_freshness_compute(&m, rows[i].policy);

        assert_row(t.swr_s == rows[i].swr_s && t.sie_s == rows[i].sie_s, rows[i].fields);
        assert_row(t.flags == rows[i].flags, rows[i].fields);
        assert_int_equal(t.status, 200);
    }
}

static void moments(void **state) {
    bell_response_meta m = response(200, "Cache-Control: max-age=60, stale-while-revalidate=30, stale-if-error=300\nAge: 10");
    bell_freshness_times t = bell_freshness_compute(&m, &usual);

    (void)state;
    assert_int_equal(t.born_s, NOW_S - 10);
    assert_int_equal(bell_freshness_age_s(&t, NOW_S), 10);
    assert_int_equal(bell_freshness_ttl_s(&t, NOW_S), 50);
    assert_int_equal(bell_freshness_ttl_s(&t, NOW_S + 50), 0);
    assert_int_equal(bell_freshness_ttl_s(&t, NOW_S + 75), -25);
    assert_int_equal(bell_freshness_fresh_until_s(&t), NOW_S + 50);
    assert_int_equal(bell_freshness_swr_until_s(&t), NOW_S + 80);
    assert_int_equal(bell_freshness_sie_until_s(&t), NOW_S + 350);
    /* a clock that was set back makes nothing older than its birth, and one far ahead does not overflow */
    assert_int_equal(bell_freshness_age_s(&t, NOW_S - 1000), 0);
    assert_int_equal(bell_freshness_ttl_s(&t, NOW_S - 1000), 60);
    assert_int_equal(bell_freshness_age_s(&t, NOW_S + INT64_C(10000000000)), 2147483648);
}

/* Cache-Scope: of several lines the narrowest, and what is not understood is narrower than all. */
static void scopes(void **state) {
    static const struct {
        const char *fields;
        bell_response_scope scope;
    } rows[] = {
        {"", BELL_SCOPE_NONE},
        {"Cache-Scope: public", BELL_SCOPE_PUBLIC},
        {"cache-scope: Role", BELL_SCOPE_ROLE},
        {"Cache-Scope: PRIVATE", BELL_SCOPE_PRIVATE},
        {"Cache-Scope: role\nCache-Scope: public", BELL_SCOPE_ROLE},
        {"Cache-Scope: public\nCache-Scope: private", BELL_SCOPE_PRIVATE},
        {"Cache-Scope: tenant", BELL_SCOPE_UNKNOWN},
        {"Cache-Scope: public, role", BELL_SCOPE_UNKNOWN},
        {"Cache-Scope:", BELL_SCOPE_UNKNOWN},
        {"Cache-Scope: x\nCache-Scope: public", BELL_SCOPE_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        assert_row(response(200, rows[i].fields).scope == rows[i].scope, rows[i].fields);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lifetime_and_age), cmocka_unit_test(the_way_counts), cmocka_unit_test(the_operators_lifetime),
        cmocka_unit_test(windows),          cmocka_unit_test(moments),        cmocka_unit_test(scopes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
