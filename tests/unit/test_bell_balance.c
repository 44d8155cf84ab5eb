#include "bell_balance.h"
#include "unit.h"

/* ---- shares */

static const struct {
    const char *what;
    uint32_t weight;
    uint64_t up_ms, slow_ms, share;
} shares[] = {
    {"no slow start", 1, 0, 0, 1000},
    {"no slow start, heavy", 1000, 0, 0, 1000000},
    {"just came", 1, 0, 30000, 1},
    {"just came, heavy", 1000, 0, 30000, 1},
    {"half way", 1, 15000, 30000, 500},
    {"half way, heavy", 1000, 15000, 30000, 500000},
    {"a thousandth of the way", 1, 30, 30000, 1},
    {"nearly there", 2, 29999, 30000, 1999},
    {"there", 2, 30000, 30000, 2000},
    {"long there", 2, UINT64_MAX, 30000, 2000},
    {"as slow as can be", 1000, UINT32_MAX - 1, UINT32_MAX, 999999},
};

static void share_grows_to_the_weight(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(shares); i++) {
        assert_row(bell_balance_share(shares[i].weight, shares[i].up_ms, shares[i].slow_ms) == shares[i].share, shares[i].what);
    }
}

/* ---- who is drawn */

static const struct {
    const char *what;
    uint64_t shares[4], random[2];
    size_t a, b; /* 4: nobody */
} draws[] = {
    {"nobody", {0, 0, 0, 0}, {7, 7}, 4, 4},
    {"only one", {0, 5, 0, 0}, {7, 7}, 1, 1},
    {"first and second", {1, 1, 1, 1}, {0, 0}, 0, 1},
    {"first and last", {1, 1, 1, 1}, {0, 2}, 0, 3},
    {"last and first", {1, 1, 1, 1}, {3, 0}, 3, 0},
    {"random numbers of any size", {1, 1, 1, 1}, {UINT64_MAX, UINT64_MAX}, 3, 0},
    {"the second draw passes over the first", {1, 1, 1, 1}, {1, 1}, 1, 2},
    {"a share of 0 is never drawn", {0, 1, 0, 1}, {0, 0}, 1, 3},
    {"the edge of a share", {3, 2, 0, 0}, {2, 0}, 0, 1},
    {"over the edge of a share", {3, 2, 0, 0}, {3, 0}, 1, 0},
};

static void two_are_drawn(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(draws); i++) {
        size_t a = 4, b = 4;
        bool any = bell_balance_draw(draws[i].shares, 4, draws[i].random, &a, &b);

        assert_row(any == (draws[i].a < 4), draws[i].what);
        assert_row(a == draws[i].a && b == draws[i].b, draws[i].what);
    }
    assert_false(bell_balance_draw(NULL, 0, draws[0].random, &(size_t){0}, &(size_t){0}));
}

/* Over all random numbers each is drawn first as often as its share says. */
static void first_draw_is_fair(void **state) {
    static const uint64_t of[] = {1, 0, 4, 2, 3};
    size_t seen[5] = {0}, a, b;

    (void)state;
    for (uint64_t r = 0; r < 10; r++) {
        assert_true(bell_balance_draw(of, 5, (uint64_t[]){r, r * 7}, &a, &b));
        assert_int_not_equal(a, b);
        assert_int_not_equal(b, 1);
        seen[a]++;
    }
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(seen[i], of[i]);
    }
}

static const struct {
    const char *what;
    uint64_t active_a, share_a, active_b, share_b;
    bool better;
} loads[] = {
    {"both idle", 0, 1000, 0, 1000, false},
    {"b is busier", 0, 1000, 1, 1000, false},
    {"a is busier", 1, 1000, 0, 1000, true},
    {"as busy", 9, 1000, 9, 1000, false},
    {"b is heavier, both idle", 0, 1000, 0, 2000, true},
    {"b is heavier and busier", 0, 1000, 1, 2000, false},
    {"b is much heavier and busier", 0, 1000, 1, 3000, true},
    {"a has just come", 0, 1, 900, 1000, true},
    {"a has just come, b is very busy", 0, 1, 1000, 1000, false},
    {"most there can be", UINT32_MAX, 1000000, UINT32_MAX, 1000000, false},
};

static void less_load_is_better(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(loads); i++) {
        assert_row(bell_balance_is_better(loads[i].active_a, loads[i].share_a, loads[i].active_b, loads[i].share_b) == loads[i].better,
                   loads[i].what);
    }
}

/* ---- health: a story a row. A letter an event, a second between two of them; behind it what the server is then.
 *
 * p, f: a check passed, failed   x, o: a request failed, was answered   t: a request tries it   g: forgiven   c: came   .: nothing
 * U, T, L, D: up, on trial, left out, down   ': and that was news */

static const bell_health_rules usual = {.fall = 3, .rise = 2, .max_fails = 2, .fail_timeout_ms = 5000};
static const bell_health_rules unchecked = {.max_fails = 2, .fail_timeout_ms = 5000};
static const bell_health_rules unjudged = {.fall = 3, .rise = 2, .fail_timeout_ms = 5000};
static const bell_health_rules strict = {.fall = 1, .rise = 1, .max_fails = 1, .fail_timeout_ms = 2000};

static const struct {
    const char *what;
    const bell_health_rules *rules;
    const char *story;
} stories[] = {
    {"nothing is known", &usual, ".U .U"},
    {"the first check passes: no news", &usual, "pU pU"},
    {"the first check fails", &usual, "fD' fD"},
    {"fall", &usual, "pU fU fU fD' fD"},
    {"fall is in a row", &usual, "pU fU fU pU fU fU fD'"},
    {"rise", &usual, "fD' pD pU'"},
    {"rise is in a row", &usual, "fD' pD fD pD pU'"},
    {"once is enough", &strict, "pU fD' pU' fD'"},
    {"one failed request is nothing yet", &usual, "xU oU"},
    {"two are", &usual, "xU xL'"},
    {"two that are far apart are not", &usual, "xU .U .U .U .U xU xL'"},
    {"left out for five seconds, then on trial", &usual, "xU xL' .L .L .L .L .T .T"},
    {"the trial goes well", &usual, "xU xL' .L .L .L .L tL oU' xU xL'"},
    {"the trial goes badly", &usual, "xU xL' .L .L .L .L tL xL .L .L .L .L .T"},
    {"a trial that never ends", &usual, "xU xL' .L .L .L .L tL .L .L .L .L .T"},
    {"one is enough", &strict, "xL' .L .T tL oU'"},
    {"all were left out: forgiven", &usual, "xU xL' gU xU xL'"},
    {"requests prove nothing", &unjudged, "xU xU xU xU"},
    {"checks pass while requests fail", &usual, "pU xU xL' pL pL pL"},
    {"back by checks, so what requests showed is over", &usual, "xU xL' fD' pD pU'"},
    {"forgiving changes nothing for checks", &usual, "fD' gD"},
    {"came", &usual, "cU"},
    {"came while it was down", &usual, "fD' cD"},
};

static bool happens(bell_health *h, const bell_health_rules *rules, char event, uint64_t now_ms) {
    switch (event) {
    case 'p':
    case 'f':
        return bell_health_checked(h, rules, event == 'p', now_ms);
    case 'x':
        return bell_health_failed(h, rules, now_ms);
    case 'o':
        return bell_health_answered(h, now_ms);
    case 't':
        bell_health_try(h, rules, now_ms);
        return false;
    case 'g':
        bell_health_forgive(h);
        return false;
    case 'c':
        bell_health_came(h, now_ms);
        return false;
    default:
        return false;
    }
}

static void health_has_its_story(void **state) {
    static const char letters[] = "UTLD";

    (void)state;
    for (size_t i = 0; i < ROWS(stories); i++) {
        bell_health h = {0};
        uint64_t now_ms = 1000000;

        for (const char *p = stories[i].story; *p; p += *p == ' ', now_ms += 1000) {
            bool news = happens(&h, stories[i].rules, p[0], now_ms);
            char is = letters[bell_health_of(&h, stories[i].rules, now_ms)];

            if (is != p[1] || news != (p[2] == '\'')) {
                fail_msg("%s: %c%s at \"%s\"", stories[i].what, is, news ? "'" : "", p);
            }
            p += news ? 3 : 2;
        }
    }
}

/* A reload may take checks or limits away. */
static void without_a_rule_its_verdict_is_over(void **state) {
    (void)state;
    assert_int_equal(bell_health_of(&(bell_health){.checked = BELL_CHECKED_DOWN}, &usual, 1000), BELL_HEALTH_DOWN);
    assert_int_equal(bell_health_of(&(bell_health){.checked = BELL_CHECKED_DOWN}, &unchecked, 1000), BELL_HEALTH_UP);
    assert_int_equal(bell_health_of(&(bell_health){.left_out = 1, .trial_ms = 2000}, &usual, 1000), BELL_HEALTH_LEFT_OUT);
    assert_int_equal(bell_health_of(&(bell_health){.left_out = 1, .trial_ms = 2000}, &unjudged, 1000), BELL_HEALTH_UP);
}

/* The first of two failures was another process', whose clock is ahead. */
static void clocks_that_differ_lose_no_failure(void **state) {
    bell_health h = {0};

    (void)state;
    assert_false(bell_health_failed(&h, &usual, 2000));
    assert_true(bell_health_failed(&h, &usual, 1900));
}

static void who_came_back_starts_slowly(void **state) {
    bell_health h = {0};

    (void)state;
    assert_int_equal(bell_health_share(&h, 2, 10000, 1000), 2000); /* was here from the beginning */
    bell_health_came(&h, 1000);
    assert_int_equal(bell_health_share(&h, 2, 10000, 1000), 1);
    assert_int_equal(bell_health_share(&h, 2, 10000, 900), 1); /* another process' clock */
    assert_int_equal(bell_health_share(&h, 2, 10000, 6000), 1000);
    assert_int_equal(bell_health_share(&h, 2, 10000, 11000), 2000);
    assert_int_equal(bell_health_share(&h, 2, 0, 1000), 2000);

    h = (bell_health){0};
    assert_true(bell_health_checked(&h, &strict, false, 1000));
    assert_true(bell_health_checked(&h, &strict, true, 2000));
    assert_int_equal(bell_health_share(&h, 1, 10000, 2000), 1);

    h = (bell_health){0};
    assert_true(bell_health_failed(&h, &strict, 1000));
    assert_true(bell_health_answered(&h, 4000));
    assert_int_equal(bell_health_share(&h, 1, 10000, 5000), 100);

    h = (bell_health){0};
    assert_true(bell_health_failed(&h, &strict, 1000));
    bell_health_forgive(&h); /* it was never away for good */
    assert_int_equal(bell_health_share(&h, 1, 10000, 1000), 1000);
}

/* ---- what a check is answered */

static const struct {
    const char *head;
    int status;
} heads[] = {
    {"", 0},
    {"H", 0},
    {"HTTP/1.1 20", 0},
    {"HTTP/1.1 200", 0},
    {"HTTP/1.1 200 ", 200},
    {"HTTP/1.1 200 OK\r\nA: b", 200},
    {"HTTP/1.0 503\r\n", 503},
    {"HTTP/1.1 204\n", 204},
    {"HTTP/1.1 100 Continue", 100},
    {"HTTP/1.1 599 ", 599},
    {"HTTP/1.1 099 ", -1},
    {"HTTP/1.1 600 ", -1},
    {"HTTP/1.1 2000", -1},
    {"HTTP/1.1 20a ", -1},
    {"HTTP/1.x 200 ", -1},
    {"HTTP/2.0 200 ", -1},
    {"http/1.1 200 ", -1},
    {"HTTP/1.1  200", -1},
    {"SSH-2.0-server", -1},
    {"\x15\x03\x01", -1},
    {"X", -1},
};

static void status_of_an_answer(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(heads); i++) {
        assert_row(bell_health_status(bell_str_of(heads[i].head)) == heads[i].status, heads[i].head);
    }
    assert_int_equal(bell_health_status((bell_str){"HTTP/1.1 200\0", 13}), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(share_grows_to_the_weight),
        cmocka_unit_test(two_are_drawn),
        cmocka_unit_test(first_draw_is_fair),
        cmocka_unit_test(less_load_is_better),
        cmocka_unit_test(health_has_its_story),
        cmocka_unit_test(without_a_rule_its_verdict_is_over),
        cmocka_unit_test(clocks_that_differ_lose_no_failure),
        cmocka_unit_test(who_came_back_starts_slowly),
        cmocka_unit_test(status_of_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
