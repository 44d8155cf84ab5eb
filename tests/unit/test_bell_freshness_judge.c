#include "bell_freshness.h"
#include "response.h"
#include "unit.h"

static const bell_cache_policy generous = {.default_sie_s = 60, .stale_max_s = 1000};
static const bell_cache_policy strict = {0};

static bell_freshness_times stored(const char *fields, const bell_cache_policy *policy) {
    bell_response_meta m = response(200, fields);

    return bell_freshness_compute(&m, policy);
}

static bell_cache_request request(const char *cache_control) {
    bell_cache_request rq = {0};

    if (cache_control[0] != '\0') {
        bell_cache_request_add(&rq, bell_str_of(cache_control));
    }
    return rq;
}

/* Without wishes of the client: RFC 9111, 4.2; RFC 5861, 3. */
static void by_the_response(void **state) {
    static const struct {
        const char *fields;
        int64_t after_s;
        const char *verdict, *in_exam;
    } rows[] = {
        {"Cache-Control: max-age=10", 0, "fresh", "fresh"},
        {"Cache-Control: max-age=10", 9, "fresh", "fresh"},
        {"Cache-Control: max-age=10", 10, "validate", "validate"},
        {"Cache-Control: max-age=10\nAge: 9", 0, "fresh", "fresh"},
        {"Cache-Control: max-age=10\nAge: 10", 0, "validate", "validate"},
        {"Cache-Control: max-age=0", 0, "validate", "validate"},
        {"Expires: @10", 9, "fresh", "fresh"},
        {"Expires: @10", 10, "validate", "validate"},
        {"Cache-Control: max-age=10, stale-while-revalidate=5", 9, "fresh", "fresh"},
        {"Cache-Control: max-age=10, stale-while-revalidate=5", 10, "stale", "validate"},
        {"Cache-Control: max-age=10, stale-while-revalidate=5", 14, "stale", "validate"},
        {"Cache-Control: max-age=10, stale-while-revalidate=5", 15, "validate", "validate"},
        {"Cache-Control: max-age=0, stale-while-revalidate=5", 0, "stale", "validate"},
        /* the suite's stale-while-revalidate-window: asked again after three seconds, and three later */
        {"Cache-Control: max-age=1, stale-while-revalidate=4", 3, "stale", "validate"},
        {"Cache-Control: max-age=1, stale-while-revalidate=4", 6, "validate", "validate"},
        /* the operator's bound */
        {"Cache-Control: max-age=10, stale-while-revalidate=5000", 1009, "stale", "validate"},
        {"Cache-Control: max-age=10, stale-while-revalidate=5000", 1010, "validate", "validate"},
        /* what beats it */
        {"Cache-Control: max-age=10, stale-while-revalidate=5, must-revalidate", 9, "fresh", "fresh"},
        {"Cache-Control: max-age=10, stale-while-revalidate=5, must-revalidate", 10, "validate", "validate"},
        {"Cache-Control: max-age=10, stale-while-revalidate=5, proxy-revalidate", 10, "validate", "validate"},
        {"Cache-Control: s-maxage=10, stale-while-revalidate=5", 9, "fresh", "fresh"},
        {"Cache-Control: s-maxage=10, stale-while-revalidate=5", 10, "validate", "validate"},
        {"Cache-Control: max-age=10, stale-while-revalidate=5, no-cache", 0, "validate", "validate"},
        {"CDN-Cache-Control: max-age=10, no-cache", 0, "validate", "validate"},
        {"CDN-Cache-Control: max-age=10, stale-while-revalidate=5\nCache-Control: no-cache", 12, "stale", "validate"},
        {"Cache-Control: max-age=10, no-cache=\"a\"", 0, "fresh", "fresh"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_freshness_times t = stored(rows[i].fields, &generous);

        assert_row(strcmp(bell_freshness_verdict_name(bell_freshness_judge(&t, NULL, NOW_S + rows[i].after_s, false)), rows[i].verdict) == 0,
                   rows[i].fields);
        assert_row(strcmp(bell_freshness_verdict_name(bell_freshness_judge(&t, NULL, NOW_S + rows[i].after_s, true)), rows[i].in_exam) == 0,
                   rows[i].fields);
    }
}

/* RFC 9111, 5.2.1, and RFC 8246; the suite's group cc-request. */
static void by_the_request(void **state) {
    static const struct {
        const char *fields;
        int64_t after_s;
        const char *asked, *verdict;
    } rows[] = {
        {"Cache-Control: max-age=3600", 3, "max-age=0", "validate"}, /* ccreq-ma0 */
        {"Cache-Control: max-age=3600", 0, "max-age=0", "fresh"},
        {"Cache-Control: max-age=3600", 3, "max-age=1", "validate"},              /* ccreq-ma1 */
        {"Cache-Control: max-age=3600\nAge: 1800", 0, "max-age=600", "validate"}, /* ccreq-magreaterage */
        {"Cache-Control: max-age=3600\nAge: 600", 0, "max-age=600", "fresh"},
        {"Cache-Control: max-age=1", 3, "max-stale=1000", "stale"},               /* ccreq-max-stale */
        {"Cache-Control: max-age=1500\nAge: 2000", 0, "max-stale=1000", "stale"}, /* ccreq-max-stale-age */
        {"Cache-Control: max-age=1500\nAge: 2000", 0, "max-stale=500", "stale"},
        {"Cache-Control: max-age=1500\nAge: 2000", 0, "max-stale=499", "validate"},
        {"Cache-Control: max-age=1500\nAge: 2000", 0, "max-stale", "stale"},
        {"Cache-Control: max-age=1500\nAge: 2501", 0, "max-stale", "validate"}, /* the operator's bound */
        {"Cache-Control: max-age=10, must-revalidate", 11, "max-stale", "validate"},
        {"Cache-Control: max-age=10, proxy-revalidate", 11, "max-stale", "validate"},
        {"Cache-Control: s-maxage=10", 11, "max-stale", "validate"},
        {"Cache-Control: max-age=10, no-cache", 0, "max-stale", "validate"},
        {"Cache-Control: max-age=1500", 0, "min-fresh=2000", "validate"},            /* ccreq-min-fresh */
        {"Cache-Control: max-age=1500\nAge: 1000", 0, "min-fresh=1000", "validate"}, /* ccreq-min-fresh-age */
        {"Cache-Control: max-age=1500\nAge: 500", 0, "min-fresh=1000", "fresh"},
        {"Cache-Control: max-age=3600", 0, "no-cache", "validate"}, /* ccreq-no-cache */
        {"Cache-Control: max-age=3600", 0, "no-store", "fresh"},
        {"Cache-Control: max-age=3600", 0, "only-if-cached", "fresh"},
        {"Cache-Control: max-age=10", 10, "only-if-cached", "only-if-cached"},
        {"Cache-Control: max-age=10", 0, "only-if-cached, no-cache", "only-if-cached"},
        {"Cache-Control: max-age=10", 11, "only-if-cached, max-stale", "stale"},
        /* who asks for an age and not for max-stale wants nothing stale, who says max-stale nothing staler */
        {"Cache-Control: max-age=10, stale-while-revalidate=90", 20, "max-age=50", "validate"},
        {"Cache-Control: max-age=10, stale-while-revalidate=90", 20, "max-age=50, max-stale=50", "stale"},
        {"Cache-Control: max-age=10, stale-while-revalidate=90", 60, "max-age=50, max-stale=50", "validate"},
        {"Cache-Control: max-age=10, stale-while-revalidate=90", 20, "min-fresh=0", "validate"},
        {"Cache-Control: max-age=10, stale-while-revalidate=90", 20, "max-stale=9", "validate"},
        {"Cache-Control: max-age=10, stale-while-revalidate=90", 20, "max-stale=10", "stale"},
        /* RFC 8246, 2: a reload does not validate what is immutable and fresh; no-cache does */
        {"Cache-Control: max-age=10, immutable", 9, "max-age=0", "fresh"},
        {"Cache-Control: max-age=10, immutable", 9, "min-fresh=60", "fresh"},
        {"Cache-Control: max-age=10, immutable", 10, "max-age=0", "validate"},
        {"Cache-Control: max-age=10, immutable", 9, "no-cache", "validate"},
        {"Cache-Control: max-age=10, immutable, no-cache", 0, "", "validate"},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_freshness_times t = stored(rows[i].fields, &generous);
        bell_cache_request rq = request(rows[i].asked);

        assert_row(strcmp(bell_freshness_verdict_name(bell_freshness_judge(&t, &rq, NOW_S + rows[i].after_s, false)), rows[i].verdict) == 0,
                   rows[i].fields);
    }
}

static void nothing_stored(void **state) {
    bell_cache_request only = request("only-if-cached"); /* ccreq-oic */

    (void)state;
    assert_int_equal(bell_freshness_judge(NULL, NULL, NOW_S, false), BELL_MUST_VALIDATE);
    assert_int_equal(bell_freshness_judge(NULL, &only, NOW_S, false), BELL_ONLY_IF_CACHED_504);
    assert_false(bell_freshness_on_error(NULL, NULL, 0, NOW_S, false));
}

/* Pragma counts where there is no Cache-Control (RFC 9111, 5.4). */
static void pragma(void **state) {
    bell_freshness_times t = stored("Cache-Control: max-age=10", &generous);
    bell_cache_request rq = {0};

    (void)state;
    bell_cache_request_add_pragma(&rq, BELL_STR("no-cache"));
    assert_int_equal(bell_freshness_judge(&t, &rq, NOW_S, false), BELL_MUST_VALIDATE);
    bell_cache_request_add(&rq, BELL_STR("max-age=60"));
    assert_int_equal(bell_freshness_judge(&t, &rq, NOW_S, false), BELL_FRESH);
}

/* RFC 5861, 4; RFC 9111, 4.2.4 and 4.3.3; the suite's group stale. */
static void when_the_origin_fails(void **state) {
    static const struct {
        const bell_cache_policy *policy;
        const char *fields;
        int64_t after_s;
        const char *asked;
        unsigned status;
        bool served;
    } rows[] = {
        {&generous, "Cache-Control: max-age=2", 5, "", 0, true},   /* stale-close */
        {&generous, "Cache-Control: max-age=2", 5, "", 503, true}, /* stale-503 */
        {&generous, "Cache-Control: max-age=2", 61, "", 0, true},
        {&generous, "Cache-Control: max-age=2", 62, "", 0, false},
        {&strict, "Cache-Control: max-age=2", 5, "", 0, false},
        {&strict, "Cache-Control: max-age=2, stale-if-error=60", 5, "", 0, false},
        {&generous, "Cache-Control: max-age=2, stale-if-error=5", 6, "", 0, true},
        {&generous, "Cache-Control: max-age=2, stale-if-error=5", 7, "", 0, false},
        {&generous, "Cache-Control: max-age=0, stale-if-error=1", 3, "", 500, false},
        {&generous, "Cache-Control: max-age=2, stale-if-error=0", 2, "", 0, false},
        {&generous, "Cache-Control: max-age=2, stale-if-error=0, stale-while-revalidate=9", 5, "", 502, true},
        /* which answers are failures */
        {&generous, "Cache-Control: max-age=2", 5, "", 500, true},
        {&generous, "Cache-Control: max-age=2", 5, "", 502, true},
        {&generous, "Cache-Control: max-age=2", 5, "", 504, true},
        {&generous, "Cache-Control: max-age=2", 5, "", 501, false},
        {&generous, "Cache-Control: max-age=2", 5, "", 404, false},
        {&generous, "Cache-Control: max-age=2", 5, "", 429, false},
        {&generous, "Cache-Control: max-age=2", 5, "", 200, false},
        {&generous, "Cache-Control: max-age=2", 5, "", 304, false},
        /* what forbids it: stale-close-must-revalidate and its like */
        {&generous, "Cache-Control: max-age=2, stale-if-error=60, must-revalidate", 5, "", 0, false},
        {&generous, "Cache-Control: max-age=2, stale-if-error=60, proxy-revalidate", 5, "", 0, false},
        {&generous, "Cache-Control: max-age=2, stale-if-error=60, no-cache", 5, "", 0, false},
        {&generous, "Cache-Control: max-age=2, stale-if-error=60, s-maxage=2", 5, "", 0, false},
        {&generous, "Cache-Control: max-age=2, no-cache", 0, "", 0, false},
        {&generous, "Cache-Control: max-age=2, must-revalidate", 1, "", 0, true}, /* it is still fresh */
        /* wishes of the request: only its no-cache is stronger than an answer */
        {&generous, "Cache-Control: max-age=2", 5, "no-cache", 0, false},
        {&generous, "Cache-Control: max-age=2", 1, "no-cache", 0, false},
        {&generous, "Cache-Control: max-age=2", 5, "max-age=0", 0, true},
        {&generous, "Cache-Control: max-age=2", 1, "min-fresh=60", 0, true},
        {&generous, "Cache-Control: max-age=0, stale-if-error=0", 5, "stale-if-error=3600", 500, true},
        {&generous, "Cache-Control: max-age=0, stale-if-error=0", 5, "stale-if-error=5", 500, false},
        {&generous, "Cache-Control: max-age=0, stale-if-error=0", 1000, "stale-if-error=3600", 500, false},
        {&generous, "Cache-Control: max-age=0, stale-if-error=0", 5, "max-stale=5", 500, true},
        {&strict, "Cache-Control: max-age=0", 5, "stale-if-error=3600, max-stale", 500, false},
        {&generous, "Cache-Control: max-age=0, must-revalidate", 5, "stale-if-error=3600, max-stale", 500, false},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        bell_freshness_times t = stored(rows[i].fields, rows[i].policy);
        bell_cache_request rq = request(rows[i].asked);
        bool fresh = bell_freshness_ttl_s(&t, NOW_S + rows[i].after_s) > 0;

        assert_row(bell_freshness_on_error(&t, &rq, rows[i].status, NOW_S + rows[i].after_s, false) == rows[i].served, rows[i].fields);
        assert_row(bell_freshness_on_error(&t, &rq, rows[i].status, NOW_S + rows[i].after_s, true) == (rows[i].served && fresh), rows[i].fields);
    }
}

/* status-503-stale: what was a failure itself is of no use when it is stale. */
static void when_what_is_stored_failed(void **state) {
    static const unsigned statuses[] = {500, 502, 503, 504};

    (void)state;
    for (size_t i = 0; i < ROWS(statuses); i++) {
        bell_response_meta m = response(statuses[i], "Cache-Control: max-age=2, stale-if-error=60");
        bell_freshness_times t = bell_freshness_compute(&m, &generous);

        assert_true(bell_freshness_on_error(&t, NULL, statuses[i], NOW_S + 1, false)); /* it is still fresh */
        assert_false(bell_freshness_on_error(&t, NULL, statuses[i], NOW_S + 5, false));
        assert_false(bell_freshness_on_error(&t, NULL, 0, NOW_S + 5, false));
    }
}

static void purged(void **state) {
    bell_freshness_times t = stored("Cache-Control: max-age=100, stale-while-revalidate=5", &generous), kept = t;

    (void)state;
    bell_freshness_soften(&t, NOW_S + 10, 30);
    assert_int_equal(bell_freshness_judge(&t, NULL, NOW_S + 10, false), BELL_STALE_REVALIDATE_BEHIND);
    assert_int_equal(bell_freshness_judge(&t, NULL, NOW_S + 39, false), BELL_STALE_REVALIDATE_BEHIND);
    assert_int_equal(bell_freshness_judge(&t, NULL, NOW_S + 40, false), BELL_MUST_VALIDATE);
    assert_int_equal(bell_freshness_judge(&t, NULL, NOW_S + 10, true), BELL_MUST_VALIDATE);
    bell_freshness_soften(&t, NOW_S + 35, 30); /* a second purge does not make it younger */
    assert_int_equal(bell_freshness_judge(&t, NULL, NOW_S + 40, false), BELL_MUST_VALIDATE);

    t = stored("Cache-Control: max-age=100, must-revalidate", &generous);
    bell_freshness_soften(&t, NOW_S + 10, 30);
    assert_int_equal(bell_freshness_judge(&t, NULL, NOW_S + 10, false), BELL_MUST_VALIDATE);

    t = kept;
    bell_freshness_soften(&t, NOW_S + 10, 100000); /* within the operator's bound */
    assert_int_equal(bell_freshness_judge(&t, NULL, NOW_S + 1009, false), BELL_STALE_REVALIDATE_BEHIND);
    assert_int_equal(bell_freshness_judge(&t, NULL, NOW_S + 1010, false), BELL_MUST_VALIDATE);

    t = kept;
    bell_freshness_invalidate(&t); /* RFC 9111, 4.4 */
    assert_int_equal(bell_freshness_judge(&t, NULL, NOW_S, false), BELL_MUST_VALIDATE);
    assert_false(bell_freshness_on_error(&t, NULL, 0, NOW_S, false));
}

/* Every response with every request in every second: the promises that the module builds on. */
static void check_promises(const bell_freshness_times *t, const bell_cache_request *rq, bool exam) {
    bool refused = false;

    for (int64_t now_s = NOW_S - 5; now_s < NOW_S + 40; now_s++) {
        bell_freshness_verdict verdict = bell_freshness_judge(t, rq, now_s, exam);
        int64_t ttl_s = bell_freshness_ttl_s(t, now_s);
        bool on_error = bell_freshness_on_error(t, rq, 0, now_s, exam);
        bool held = t->flags & (BELL_TIMES_NO_CACHE | BELL_TIMES_NEVER_STALE) || exam;

        assert_true(verdict != BELL_FRESH || ttl_s > 0);
        assert_true(verdict != BELL_STALE_REVALIDATE_BEHIND || (ttl_s <= 0 && -ttl_s <= t->stale_max_s && !held));
        assert_true(!on_error || ttl_s > 0 || (-ttl_s <= t->stale_max_s && !held));
        assert_int_equal(verdict == BELL_ONLY_IF_CACHED_504 || verdict == BELL_MUST_VALIDATE, verdict > BELL_STALE_REVALIDATE_BEHIND);
        assert_true((rq->set & BELL_CC_ONLY_IF_CACHED) ? verdict != BELL_MUST_VALIDATE : verdict != BELL_ONLY_IF_CACHED_504);
        /* what may be served without the origin may be served when it fails, and what is over stays over */
        assert_true(verdict > BELL_STALE_REVALIDATE_BEHIND || on_error);
        assert_true(!refused || verdict > BELL_STALE_REVALIDATE_BEHIND);
        refused = verdict > BELL_STALE_REVALIDATE_BEHIND;
    }
}

static void promises(void **state) {
    static const char *const responses[] = {
        "Cache-Control: max-age=10",
        "Cache-Control: max-age=10, stale-while-revalidate=5, stale-if-error=9",
        "Cache-Control: s-maxage=10, stale-if-error=9",
        "Cache-Control: max-age=10, stale-while-revalidate=5, must-revalidate",
        "Cache-Control: max-age=10, no-cache, stale-if-error=9",
        "Cache-Control: max-age=10, immutable, stale-while-revalidate=5",
        "Cache-Control: max-age=0, stale-while-revalidate=50",
        "Expires: x",
    };
    static const char *const requests[] = {
        "",
        "max-age=0",
        "max-age=12",
        "max-age=12, max-stale=3",
        "min-fresh=0",
        "min-fresh=4",
        "max-stale",
        "max-stale=3",
        "no-cache",
        "only-if-cached",
        "only-if-cached, max-stale=3",
        "stale-if-error=20",
    };
    static const bell_cache_policy narrow = {.default_swr_s = 9, .default_sie_s = 9, .stale_max_s = 7};
    const bell_cache_policy *const policies[] = {&generous, &strict, &narrow};

    (void)state;
    for (size_t i = 0; i < ROWS(responses) * ROWS(policies); i++) {
        bell_freshness_times t = stored(responses[i % ROWS(responses)], policies[i / ROWS(responses)]);

        for (size_t k = 0; k < ROWS(requests); k++) {
            bell_cache_request rq = request(requests[k]);

            check_promises(&t, &rq, false);
            check_promises(&t, &rq, true);
        }
    }
}

/* XFetch: the moments at which -ln(1 - random) reaches what is left. */
static void early_refresh(void **state) {
    static const struct {
        int64_t left_ms;
        uint32_t fetch_ms;
        double beta, random;
        bool now;
    } rows[] = {
        {0, 100, 1, 0, true},
        {-1, 0, 0, 0, true},
        {1, 100, 1, 0, false},   /* -ln(1) is 0 */
        {69, 100, 1, 0.5, true}, /* ln 2 is 0.6931 */
        {70, 100, 1, 0.5, false},
        {138, 100, 2, 0.5, true},
        {139, 100, 2, 0.5, false},
        {230, 100, 1, 0.9, true}, /* ln 10 is 2.3025 */
        {231, 100, 1, 0.9, false},
        {690, 100, 1, 0.999, true}, /* ln 1000 is 6.9077 */
        {691, 100, 1, 0.999, false},
        {28, 100, 1, 0.25, true}, /* ln 4/3 is 0.2876 */
        {29, 100, 1, 0.25, false},
        {3600, 100, 1, 0x1.fffffffffffffp-1, true}, /* 53 ln 2 is 36.7368: no random goes further */
        {3700, 100, 1, 0x1.fffffffffffffp-1, false},
        {3700, 100, 1, 1, false},
        {3700, 100, 1, 99, false},
        {1, 100, 1, -1, false},
        {1, 0, 1, 0.999, false},
        {1, 100, 0, 0.999, false},
        {1, 100, -1, 0.999, false},
        {INT64_MAX, UINT32_MAX, 1, 0.999, false},
    };

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        if (bell_freshness_refresh_early(rows[i].left_ms, rows[i].fetch_ms, rows[i].beta, rows[i].random) != rows[i].now) {
            fail_msg("row %zu", i);
        }
    }
}

/* Nearer to the end, or with another random that is larger, never less. */
static void early_refresh_grows(void **state) {
    (void)state;
    for (int64_t left_ms = 1; left_ms < 600; left_ms += 7) {
        bool before = false;

        for (unsigned r = 0; r < 1000; r++) {
            bool now = bell_freshness_refresh_early(left_ms, 100, 1, r / 1000.0);

            assert_true(now || !before);
            assert_true(!now || bell_freshness_refresh_early(left_ms - 1, 100, 1, r / 1000.0));
            before = now;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_the_response),
        cmocka_unit_test(by_the_request),
        cmocka_unit_test(nothing_stored),
        cmocka_unit_test(pragma),
        cmocka_unit_test(when_the_origin_fails),
        cmocka_unit_test(when_what_is_stored_failed),
        cmocka_unit_test(purged),
        cmocka_unit_test(promises),
        cmocka_unit_test(early_refresh),
        cmocka_unit_test(early_refresh_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
